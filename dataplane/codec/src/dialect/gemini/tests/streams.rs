//! Streams.

use super::*;
use crate::dialect::{Content, Delta, Ear, Encoder, Event, Kind, Listener, Signature};
use crate::json::{Finish, Str, Usage};
use crate::sse::Splitter;

/// The data of all events in a stream.
fn split(stream: &[u8]) -> Vec<String> {
    let mut splitter = Splitter::default();
    let mut rest = stream;
    let mut found = Vec::new();
    while let Some(cut) = splitter.next(rest).unwrap() {
        if cut.kind == crate::sse::Kind::Event {
            found.push(String::from_utf8(cut.data(&splitter, rest).to_vec()).unwrap());
        }
        rest = &rest[cut.used..];
    }
    assert_eq!(splitter.pending(), 0, "{}", stream.escape_ascii());
    found
}

fn through(from: Dialect, to: Dialect, events: &[Json]) -> (Vec<Event>, Vec<Json>) {
    let mut ear = Ear::new(from, Some((to, manner())));
    let mut out = Vec::new();
    let heard = events.iter().map(|event| ear.event(None, event.to_string().as_bytes(), &mut out)).collect();
    if from == Dialect::Openai {
        ear.event(None, b"[DONE]", &mut out);
    }
    ear.end(&mut out);
    ear.end(&mut out);
    let events = split(&out).into_iter().map(|data| if data == "[DONE]" { json!("[DONE]") } else { serde_json::from_str(&data).unwrap() });
    (heard, events.collect())
}

#[test]
fn to_openai() {
    let events = [
        json!({"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": "hm", "thought": true}]}}],
            "usageMetadata": {"promptTokenCount": 5, "thoughtsTokenCount": 1}, "modelVersion": "g", "responseId": "r"}),
        json!({"candidates": [{"content": {"parts": [{"text": "Hel"}, {"text": "lo"}]}}], "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 1}}),
        json!({"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": {"a": "b"}}, "thoughtSignature": "QQ=="}]}}]}),
        json!({"candidates": [{"content": {"parts": [{"functionCall": {"id": "i", "name": "g", "args": {}}}]}}]}),
        json!({"candidates": [{"content": {"parts": [{"text": ""}]}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 9, "thoughtsTokenCount": 1, "totalTokenCount": 15}}),
        json!({"usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 9, "thoughtsTokenCount": 2, "totalTokenCount": 16}}),
    ];
    let (heard, written) = through(Dialect::Gemini, Dialect::Openai, &events);
    let kinds: Vec<Kind> = heard.iter().map(|event| event.kind.clone()).collect();
    let expected = [
        Kind::Quiet,
        Kind::Content(Content::Text),
        Kind::Content(Content::Tool),
        Kind::Content(Content::Tool),
        Kind::Finish { reason: Finish::ToolCalls, content: None },
        Kind::Quiet,
    ];
    assert_eq!(kinds, expected);
    assert!(heard[0].reasoning);
    assert_eq!(heard[5].usage, Some(Usage { input: Some(5), output: Some(11), total: Some(16), reasoning: Some(2), ..Usage::default() }));
    let delta = |at: usize| written[at]["choices"][0]["delta"].clone();
    assert_eq!(written[0]["model"], "g");
    assert_eq!(delta(1), json!({"reasoning_content": "hm"}));
    assert_eq!((delta(2), delta(3)), (json!({"content": "Hel"}), json!({"content": "lo"})));
    assert_eq!(delta(4)["tool_calls"][0]["function"]["name"], "f");
    assert_eq!(delta(4)["tool_calls"][0]["extra_content"]["google"]["thought_signature"], "QQ==");
    assert_eq!(delta(5)["tool_calls"][0]["function"]["arguments"], "{\"a\":\"b\"}");
    assert_eq!((&delta(6)["tool_calls"][0]["index"], &delta(6)["tool_calls"][0]["id"]), (&json!(1), &json!("i")));
    assert_eq!(written[8]["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(written[9]["usage"]["completion_tokens"], 11);
    assert_eq!(written[10], "[DONE]");
    assert_eq!(written.len(), 11);
}

#[test]
fn from_openai() {
    let delta = |delta: Json| json!({"id": "c", "model": "gpt", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]});
    let call =
        |index: u32, function: Json| delta(json!({"tool_calls": [{"index": index, "id": format!("c{index}"), "function": function}]}));
    let events = [
        delta(json!({"role": "assistant", "content": ""})),
        delta(json!({"reasoning_content": "hm"})),
        delta(json!({"content": "He\"l"})),
        delta(json!({"content": "lo"})),
        call(0, json!({"name": "f", "arguments": ""})),
        call(0, json!({"arguments": "{\"a\""})),
        call(0, json!({"arguments": ": [1, \"\\n\"]}"})),
        call(1, json!({"name": "g", "arguments": ""})),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}),
        json!({"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 6, "completion_tokens_details": {"reasoning_tokens": 2}}}),
    ];
    let (_, written) = through(Dialect::Openai, Dialect::Gemini, &events);
    let event = |part: Json| json!({"candidates": [{"content": {"parts": [part], "role": "model"}, "index": 0}], "modelVersion": "gpt", "responseId": "0000000000000abc"});
    let expected = [
        event(json!({"text": "hm", "thought": true})),
        event(json!({"text": "He\"l"})),
        event(json!({"text": "lo"})),
        event(json!({"functionCall": {"id": "c0", "name": "f", "args": {"a": [1, "\n"]}}})),
        event(json!({"functionCall": {"id": "c1", "name": "g", "args": {}}})),
        json!({"candidates": [{"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": "STOP", "index": 0}],
            "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 4, "thoughtsTokenCount": 2, "totalTokenCount": 10},
            "modelVersion": "gpt", "responseId": "0000000000000abc"}),
    ];
    assert_eq!(written, expected);
}

fn told(deltas: &[Delta<'_>]) -> Vec<Json> {
    let mut encoder = Encoder::new(Dialect::Gemini, manner());
    deltas.iter().for_each(|delta| encoder.hear(0, *delta));
    encoder.hear(0, Delta::End);
    encoder.hear(0, Delta::Text(Str::plain("too late")));
    encoder.hear(0, Delta::End);
    split(encoder.out()).iter().map(|data| serde_json::from_str(data).unwrap()).collect()
}

fn parts(events: &[Json]) -> Vec<Json> {
    events.iter().map(|event| event["candidates"][0]["content"]["parts"][0].clone()).collect()
}

#[test]
fn pieces_of_others() {
    let seal = Signature { origin: Dialect::Anthropic, text: Str::plain("QQ==") };
    let own = Signature { origin: Dialect::Gemini, text: Str::plain("Qg==") };
    let call = |index| Delta::Call { index, id: None, name: Str::plain("f"), signature: Some(own) };
    let written = told(&[
        Delta::Usage(Usage { input: Some(3), ..Usage::default() }),
        Delta::Thought(Str::plain("hm")),
        Delta::Sealed(seal),
        Delta::Redacted(seal),
        call(0),
        Delta::Arguments { index: 0, text: Str::plain("{") },
        Delta::Arguments { index: 0, text: Str::plain("}") },
        Delta::Text(Str::plain("t")),
        Delta::Citation { url: Str::plain("https://x.test"), title: None },
        call(1),
        Delta::Object { index: 1, json: b"{\"a\":1}" },
        Delta::Refusal(Str::plain("no")),
        Delta::Finish { reason: Finish::Stop, stop: None },
        Delta::Usage(Usage { input: Some(3), output: Some(2), cached: Some(1), ..Usage::default() }),
    ]);
    let expected = [
        json!({"text": "hm", "thought": true}),
        json!({"thought": true, "thoughtSignature": "dGhyb3dvdmVyOmE6QQ=="}),
        json!({"text": "", "thought": true, "thoughtSignature": "dGhyb3dvdmVyOmE6QQ=="}),
        json!({"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "Qg=="}),
        json!({"text": "t"}),
        json!({"text": ""}),
        json!({"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "Qg=="}),
        json!({"text": "no"}),
        json!({"text": ""}),
    ];
    assert_eq!(parts(&written), expected);
    assert_eq!(written[5]["candidates"][0]["groundingMetadata"], json!({"groundingChunks": [{"web": {"uri": "https://x.test"}}]}));
    assert_eq!(written[5]["modelVersion"], "m\"x");
    let last = written.last().unwrap();
    assert_eq!(last["candidates"][0]["finishReason"], "SAFETY");
    assert_eq!(
        last["usageMetadata"],
        json!({"promptTokenCount": 3, "cachedContentTokenCount": 1, "candidatesTokenCount": 2, "totalTokenCount": 5})
    );
    assert!(written[..8].iter().all(|event| event.get("usageMetadata").is_none() && event["candidates"][0].get("finishReason").is_none()));
}

#[test]
fn several_choices() {
    let mut encoder = Encoder::new(Dialect::Gemini, manner());
    let call = Delta::Call { index: 0, id: Some(Str::plain("i")), name: Str::plain("f"), signature: None };
    encoder.hear(1, call);
    encoder.hear(0, Delta::Text(Str::plain("a")));
    encoder.hear(1, Delta::Arguments { index: 0, text: Str::plain("{}") });
    encoder.hear(0, Delta::Finish { reason: Finish::Length, stop: None });
    encoder.hear(u32::MAX, Delta::Text(Str::plain("x")));
    encoder.hear(u32::MAX, Delta::Finish { reason: Finish::Stop, stop: None });
    encoder.hear(1, Delta::Finish { reason: Finish::ToolCalls, stop: None });
    encoder.hear(0, Delta::End);
    let written: Vec<Json> = split(encoder.out()).iter().map(|data| serde_json::from_str(data).unwrap()).collect();
    assert_eq!(written[2]["candidates"][0]["content"]["parts"][0]["functionCall"]["id"], "i");
    assert_eq!(written[2]["candidates"][0]["index"], 1);
    let last = &written[3]["candidates"];
    assert_eq!((&last[0]["finishReason"], &last[1]["finishReason"]), (&json!("MAX_TOKENS"), &json!("STOP")));
    assert_eq!(last.as_array().unwrap().len(), 2);
}

#[test]
fn nothing_to_say() {
    let written = told(&[]);
    assert_eq!(written.len(), 1);
    assert_eq!(written[0]["candidates"][0]["finishReason"], "OTHER");
    let written = told(&[Delta::Begin { id: None, model: Some(Str::plain("g")) }, Delta::Finish { reason: Finish::Stop, stop: None }]);
    let candidates = json!([{"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": "STOP", "index": 0}]);
    assert_eq!(written, [json!({"candidates": candidates, "modelVersion": "g", "responseId": "0000000000000abc"})]);
}

/// Half of the arguments would be another call than the model meant.
#[test]
fn arguments_are_bounded() {
    let piece = "x".repeat(encoder::ARGUMENTS_SIZE_MAX / 4 + 1);
    let call = |index| Delta::Call { index, id: None, name: Str::plain("f"), signature: None };
    let piece = Delta::Arguments { index: 0, text: Str::escaped(piece.as_bytes()) };
    let end = Delta::Finish { reason: Finish::ToolCalls, stop: None };
    let written = told(&[call(0), piece, piece, piece, piece, call(1), Delta::Arguments { index: 1, text: Str::plain("{}") }, end]);
    assert_eq!(parts(&written), [json!({"functionCall": {"name": "f", "args": {}}}), json!({"text": ""})]);
    assert_eq!(written[1]["candidates"][0]["finishReason"], "MALFORMED_FUNCTION_CALL");
    // What is left of the room is all of it.
    let written = told(&[call(0), piece, piece, piece, call(0), piece, piece, piece, end]);
    assert_eq!(written[2]["candidates"][0]["finishReason"], "STOP");
}

#[test]
fn failures() {
    let classify = |name: Option<&str>, data: &str| Dialect::Gemini.classify(name.map(str::as_bytes), data.as_bytes()).kind;
    let errors = [
        (None, r#"{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}"#),
        (None, r#"[{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}]"#),
        (None, "{\n \"error\": {\n  \"code\": 503, \"message\": \"m\"\n }\n}\n"),
        (None, r#"{"message":"m"}"#),
        (Some("error"), r#"{"message":"m","cut"#),
    ];
    for (name, data) in errors {
        match classify(name, data) {
            Kind::Error(fields) => assert_eq!(fields.message.as_str(), "m", "{data}"),
            other => panic!("{other:?}: {data}"),
        }
    }
    for data in ["[]", "7", "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"cut", "[{\"candidates\":[]}]", "DONE"] {
        assert_eq!(classify(None, data), Kind::Malformed, "{data}");
    }
    for data in
        ["", " ", "{}", "{\"candidates\":[]}", "[DONE]", "{\"new\":1}", r#"{"candidates":[{"content":{}}]}"#, r#"{"candidates":[7,null]}"#]
    {
        assert_eq!(classify(None, data), Kind::Quiet, "{data}");
    }
    let block = r#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":3}}"#;
    assert_eq!(classify(None, block), Kind::Finish { reason: Finish::ContentFilter, content: None });
    let failed = r#"{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL"}]}"#;
    assert!(matches!(classify(None, failed), Kind::Error(_)));
    let reason = r#"{"candidates":[{"index":7,"content":{"parts":[{"text":"x"}]},"finishReason":"MAX_TOKENS"}]}"#;
    assert_eq!(classify(None, reason), Kind::Finish { reason: Finish::Length, content: Some(Content::Text) });
}
