//! What holds for whatever is said.

use super::{manner, translate};
use crate::dialect::answer::Answer;
use crate::dialect::{Decoder, Dialect, Means, Terms, read_answer, read_prompt, write_answer};
use crate::json::Tree;
use crate::sse::Splitter;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Text that is more than white space: what is not is left out.
fn words() -> impl Strategy<Value = String> {
    "[a-zé\"\\\\\n\u{1}😀]{0,12}[a-z]"
}

fn arguments() -> impl Strategy<Value = String> {
    words().prop_map(|text| json!({"a": text, "b": [1, null]}).to_string())
}

/// What the user says, and what the model answers and calls, with what the tools told.
fn round() -> impl Strategy<Value = Vec<Value>> {
    (words(), proptest::option::of(words()), proptest::collection::vec((arguments(), words()), 0..3)).prop_map(|(asked, said, calls)| {
        let mut all = vec![json!({"role": "user", "content": [{"type": "text", "text": asked}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}}]})];
        let named = |at: usize| format!("call_{at}");
        let told: Vec<Value> = calls.iter().enumerate().map(|(at, (text, _))| json!({"id": named(at), "type": "function", "function": {"name": "f", "arguments": text}})).collect();
        if told.is_empty() {
            all.extend(said.map(|said| json!({"role": "assistant", "content": said})));
        } else {
            all.push(json!({"role": "assistant", "content": said, "tool_calls": told}));
        }
        all.extend(calls.iter().enumerate().map(|(at, (_, text))| json!({"role": "tool", "tool_call_id": named(at), "content": text})));
        all
    })
}

/// What is compared of a request: turns as they come after neighbours were merged, without the order of members.
fn gist(body: &str) -> Vec<String> {
    let mut tree = Tree::new();
    let prompt = read_prompt(Dialect::Openai, tree.read(body.as_bytes()).unwrap(), false).unwrap();
    let mut all = vec![
        format!("{:?} {:?} {:?} {:?} {:?}", prompt.system, prompt.choice, prompt.parallel, prompt.max_tokens, prompt.stop),
        format!("{:?} {:?}", prompt.user, prompt.needs),
    ];
    all.extend(prompt.tools.iter().map(|tool| format!("{:?} {:?}", tool.name, tool.description)));
    all.extend(prompt.turns.iter().flat_map(|turn| turn.parts.iter().map(move |part| format!("{:?} {part:?}", turn.role))));
    all
}

fn pieces(stream: &[u8], sizes: &[usize]) -> Result<String, String> {
    let mut answer = Answer::default();
    let mut decoder = Decoder::new(Dialect::Anthropic, None);
    let (mut tree, mut splitter) = (Tree::new(), Splitter::default());
    let mut rest = stream;
    let mut sizes = sizes.iter().copied().cycle();
    while !rest.is_empty() {
        let (mut piece, tail) = rest.split_at(sizes.next().unwrap_or(1).clamp(1, rest.len()));
        rest = tail;
        while let Some(cut) = splitter.next(piece).map_err(|flaw| format!("{flaw:?}"))? {
            if cut.kind == crate::sse::Kind::Event {
                decoder
                    .event(cut.event(&splitter, piece), cut.data(&splitter, piece), &mut tree, &mut answer)
                    .map_err(|flaw| format!("{flaw:?}"))?;
            }
            piece = &piece[cut.used..];
        }
    }
    Ok(format!("{answer:?}"))
}

proptest! {
    /// From OpenAI to Anthropic and back: the same is asked.
    #[test]
    fn requests_keep_their_meaning(rounds in proptest::collection::vec(round(), 1..4), system in words(), ask in words(), max in 1_u64..9999, stop in proptest::collection::vec("[a-z]{1,4}", 0..4)) {
        let mut messages = vec![json!({"role": "system", "content": system})];
        // Ids that come twice do not stay as they are.
        let own_ids = |at: usize, text: String| text.replace("\"call_", &format!("\"call_{at}_"));
        messages.extend(rounds.into_iter().enumerate().flat_map(|(at, round)| round.into_iter().map(move |said| serde_json::from_str::<Value>(&own_ids(at, said.to_string())).unwrap())));
        messages.push(json!({"role": "user", "content": ask}));
        let body = json!({"messages": messages, "max_completion_tokens": max, "stop": stop, "user": "u",
            "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}], "parallel_tool_calls": false, "tool_choice": "auto"});
        let source = body.to_string();
        let means = Means::of("m");
        let there = translate(Dialect::Openai, Dialect::Anthropic, &source, &means).0.to_string();
        let back = translate(Dialect::Anthropic, Dialect::Openai, &there, &means).0.to_string();
        prop_assert_eq!(gist(&back), gist(&source), "{}", there);
    }

    /// And the same is answered.
    #[test]
    fn answers_keep_their_meaning(text in words(), thought in words(), calls in proptest::collection::vec(arguments(), 0..3), input in 0_u64..999, output in 0_u64..999) {
        let calls: Vec<Value> = calls.iter().enumerate().map(|(at, text)| json!({"id": format!("call_{at}"), "type": "function", "function": {"name": "f", "arguments": text}})).collect();
        let reason = if calls.is_empty() { "stop" } else { "tool_calls" };
        let source = json!({"id": "c", "model": "m", "choices": [{"index": 0, "message": {"content": text, "reasoning_content": thought, "tool_calls": calls}, "finish_reason": reason}],
            "usage": {"prompt_tokens": input, "completion_tokens": output, "prompt_tokens_details": {"cached_tokens": input / 2, "cache_write_tokens": input / 3},
                "completion_tokens_details": {"reasoning_tokens": output / 2}}}).to_string();
        let mut tree = Tree::new();
        let first = read_answer(Dialect::Openai, source.as_bytes(), &mut tree, &Terms::default()).unwrap();
        let told = |answer: &Answer, to: Dialect| { let mut out = Vec::new(); write_answer(to, answer, &manner(), &mut out); String::from_utf8(out).unwrap() };
        let there = told(&first, Dialect::Anthropic);
        let second = read_answer(Dialect::Anthropic, there.as_bytes(), &mut tree, &Terms::default()).unwrap();
        let theirs: Value = serde_json::from_str(&told(&second, Dialect::Openai)).unwrap();
        let ours: Value = serde_json::from_str(&told(&first, Dialect::Openai)).unwrap();
        prop_assert_eq!(theirs, ours, "{}", there);
    }

    /// However the bytes of a stream are cut, the same is heard.
    #[test]
    fn cuts_do_not_matter(texts in proptest::collection::vec((words(), 0_u8..3), 0..6), sizes in proptest::collection::vec(1_usize..40, 1..8), crlf: bool) {
        let mut stream = String::from("event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"usage\":{\"input_tokens\":1}}}\n\n: c\n\n");
        for (at, (text, kind)) in texts.iter().enumerate() {
            let (block, delta) = match kind {
                0 => (json!({"type": "text", "text": ""}), json!({"type": "text_delta", "text": text})),
                1 => (json!({"type": "thinking", "thinking": ""}), json!({"type": "thinking_delta", "thinking": text})),
                _ => (json!({"type": "tool_use", "id": "t", "name": "f", "input": {}}), json!({"type": "input_json_delta", "partial_json": text})),
            };
            for event in [json!({"type": "content_block_start", "index": at, "content_block": block}), json!({"type": "content_block_delta", "index": at, "delta": delta}), json!({"type": "content_block_stop", "index": at})] {
                stream += &format!("data: {event}\n\n");
            }
        }
        stream += "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
        let stream = if crlf { stream.replace('\n', "\r\n") } else { stream };
        let whole = pieces(stream.as_bytes(), &[usize::MAX]).unwrap();
        prop_assert!(whole.contains("over: true"));
        prop_assert_eq!(pieces(stream.as_bytes(), &sizes).unwrap(), whole);
    }

    /// No bytes make a parser panic.
    #[test]
    fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        crate::fuzz::prompt(&[&[2], &bytes[..]].concat());
        crate::fuzz::speech(&[&[2], &bytes[..]].concat());
    }
}

/// Values in the wrong places, of every shape.
#[test]
fn shapes() {
    let values = [
        "null",
        "true",
        "-1",
        "1e400",
        "\"x\"",
        "\"\"",
        "[]",
        "{}",
        "[[]]",
        "[{}]",
        "[\"a\",1]",
        r#"{"type":"x"}"#,
        r#"[{"type":"text"}]"#,
        r#"[{"role":"user","content":[{"type":"image","source":{}}]}]"#,
    ];
    let names = [
        "messages",
        "system",
        "tools",
        "tool_choice",
        "thinking",
        "output_config",
        "metadata",
        "stop_sequences",
        "max_tokens",
        "temperature",
        "top_k",
        "content",
        "usage",
        "stop_reason",
        "error",
        "delta",
        "content_block",
        "message",
    ];
    for name in names {
        for value in values {
            crate::fuzz::prompt(&[&[2], format!(r#"{{"messages":[],"{name}":{value}}}"#).as_bytes()].concat());
            crate::fuzz::prompt(
                &[&[2], format!(r#"{{"{name}":{value},"messages":[{{"role":"user","content":"Q"}}]}}"#).as_bytes()].concat(),
            );
            for kind in ["message", "message_start", "message_delta", "content_block_start", "content_block_delta"] {
                crate::fuzz::speech(&[&[2], format!(r#"{{"type":"{kind}","{name}":{value},"content":[]}}"#).as_bytes()].concat());
            }
        }
    }
}
