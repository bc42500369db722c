//! Verbs of `codec::dialect`: what is asked and answered in another dialect than it came in.

use super::{Verb, bytes};
use codec::dialect::{self, Decoder, Dialect, Ear, Encoder, Manner, Means, Rope, Terms, Tree, answer::Answer};
use std::hint::black_box;

fn manner() -> Manner {
    Manner { seed: 1, created: 1_763_600_000, model: "gpt-5.6".into(), include_usage: true, input_estimate: 250, terms: Terms::default() }
}

/// The request is read, and written in the other dialect, as far as it is not sent from where it lies.
fn request(name: &'static str, to: Dialect, body: Vec<u8>) -> Verb {
    let mut tree = Tree::new();
    let mut own = Vec::new();
    bytes::verb(name, move |_| {
        let body = black_box(body.as_slice());
        let root = tree.read(body).expect("the chat is sound");
        let prompt = dialect::read_prompt(Dialect::Openai, root, true).expect("the chat is a request");
        let mut rope = Rope::new(body, std::mem::take(&mut own));
        dialect::write_prompt(to, &prompt, &Means::of("model"), &mut rope);
        own = black_box(rope.finish()).own;
    })
}

pub(super) fn request_anthropic_1k(name: &'static str) -> Verb {
    request(name, Dialect::Anthropic, bytes::chat(1_024))
}

pub(super) fn request_anthropic_64k(name: &'static str) -> Verb {
    request(name, Dialect::Anthropic, bytes::chat(65_536))
}

pub(super) fn request_gemini_1k(name: &'static str) -> Verb {
    request(name, Dialect::Gemini, bytes::chat(1_024))
}

pub(super) fn request_gemini_64k(name: &'static str) -> Verb {
    request(name, Dialect::Gemini, bytes::chat(65_536))
}

pub(super) fn request_responses_1k(name: &'static str) -> Verb {
    request(name, Dialect::Responses, bytes::chat(1_024))
}

/// Eight tools, a call and its result: 4 KiB.
pub(super) fn request_tools(name: &'static str) -> Verb {
    let tool = |number: usize| {
        format!(
            r#"{{"type":"function","function":{{"name":"look_up_{number}","description":"Looks something up in the table of this number, by its name and the day.","parameters":{{"type":"object","properties":{{"name":{{"type":"string","description":"What is looked for"}},"day":{{"type":"string","description":"The day, as 2026-11-21"}},"most":{{"type":"integer"}}}},"required":["name","day"]}}}}}}"#
        )
    };
    let tools: Vec<String> = (0..8).map(tool).collect();
    let body = format!(
        r#"{{"model":"gpt-5.6","stream":true,"messages":[{{"role":"system","content":"Use the tables."}},{{"role":"user","content":"How many trains ran yesterday?"}},{{"role":"assistant","content":null,"tool_calls":[{{"id":"call_1","type":"function","function":{{"name":"look_up_3","arguments":"{{\"name\":\"trains\",\"day\":\"2026-11-20\"}}"}}}}]}},{{"role":"tool","tool_call_id":"call_1","content":"{{\"rows\":214}}"}}],"tools":[{}],"tool_choice":"auto","parallel_tool_calls":true}}"#,
        tools.join(",")
    );
    request(name, Dialect::Anthropic, body.into_bytes())
}

/// A delta of a stream that has begun.
fn event(
    name: &'static str,
    from: Dialect,
    to: Dialect,
    begins: &'static [(&'static str, &'static str)],
    delta: (&'static str, &'static str),
) -> Verb {
    let mut ear = Ear::new(from, Some((to, manner())));
    let mut out = Vec::new();
    for (name, data) in begins {
        ear.event(Some(name.as_bytes()), data.as_bytes(), &mut out);
    }
    bytes::verb(name, move |_| {
        out.clear();
        black_box(ear.event(Some(delta.0.as_bytes()), black_box(delta.1.as_bytes()), &mut out));
        assert!(!black_box(&out).is_empty(), "what is said is said anew");
    })
}

pub(super) fn event_anthropic(name: &'static str) -> Verb {
    let begins = &[
        (
            "message_start",
            r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[],"stop_reason":null,"usage":{"input_tokens":57,"output_tokens":1}}}"#,
        ),
        ("content_block_start", r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#),
    ];
    let delta = r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" hello"}}"#;
    event(name, Dialect::Anthropic, Dialect::Openai, begins, ("content_block_delta", delta))
}

pub(super) fn event_gemini(name: &'static str) -> Verb {
    let delta = r#"{"candidates":[{"content":{"parts":[{"text":" hello"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":57,"candidatesTokenCount":5,"totalTokenCount":62,"promptTokensDetails":[{"modality":"TEXT","tokenCount":57}]},"modelVersion":"gemini-3.8-flash","responseId":"0123456789abcdefghij"}"#;
    event(name, Dialect::Gemini, Dialect::Openai, &[], ("", delta))
}

pub(super) fn event_openai(name: &'static str) -> Verb {
    let delta = r#"{"id":"chatcmpl-0123456789abcdefghij","object":"chat.completion.chunk","created":1763600000,"model":"gpt-5.6","choices":[{"index":0,"delta":{"content":" hello"},"logprobs":null,"finish_reason":null}]}"#;
    event(name, Dialect::Openai, Dialect::Anthropic, &[], ("", delta))
}

/// A whole answer of 1 KiB.
pub(super) fn answer(name: &'static str) -> Verb {
    let body = crate::canned::message(1_024);
    let (manner, mut tree, mut out) = (manner(), Tree::new(), Vec::new());
    bytes::verb(name, move |_| {
        let root = tree.read(black_box(&body)).expect("the message is sound");
        let mut answer = Answer::default();
        Decoder::new(Dialect::Anthropic, None).whole(root, &mut answer).expect("the message is one");
        out.clear();
        Encoder::write_answer(Dialect::Openai, &answer, &manner, &mut out);
        black_box(&out);
    })
}
