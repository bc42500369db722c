//! Streams.

use super::manner;
use crate::dialect::{Dialect, Ear, Kind, Manner, Terms};
use crate::json::{Finish, Usage};
use crate::sse::Splitter;
use serde_json::{Value, json};

/// What a stream of `from` becomes in `to`, and what its events meant.
fn say(from: Dialect, to: Dialect, manner: Manner, stream: &str) -> (String, Vec<Kind>, Option<Usage>) {
    let mut ear = Ear::new(from, Some((to, manner)));
    let mut splitter = Splitter::default();
    let (mut rest, mut out, mut kinds, mut usage) = (stream.as_bytes(), Vec::new(), Vec::new(), None);
    while let Some(cut) = splitter.next(rest).unwrap() {
        let event = ear.event(cut.event(&splitter, rest), cut.data(&splitter, rest), &mut out);
        usage = event.usage.or(usage);
        kinds.push(event.kind);
        rest = &rest[cut.used..];
    }
    (String::from_utf8(out).unwrap(), kinds, usage)
}

/// Anthropic's events; each bears its name twice.
fn events(stream: &str) -> Vec<Value> {
    let event = |text: &str| {
        let (name, data) = text.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
        let value: Value = serde_json::from_str(data).unwrap();
        assert_eq!(value["type"], name);
        value
    };
    stream.split_terminator("\n\n").map(event).collect()
}

fn of(events: &[Value]) -> String {
    let event = |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap());
    events.iter().map(event).collect()
}

fn chunks(stream: &str) -> Vec<Value> {
    let texts = stream.split_terminator("\n\n").map(|text| text.strip_prefix("data: ").unwrap());
    texts.map(|text| if text == "[DONE]" { json!(text) } else { serde_json::from_str(text).unwrap() }).collect()
}

fn start() -> Value {
    json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": [], "stop_reason": null,
        "usage": {"input_tokens": 25, "cache_read_input_tokens": 5, "output_tokens": 1}}})
}

fn block(index: u64, block: Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn delta(index: u64, delta: Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

fn stop(index: u64) -> Value {
    json!({"type": "content_block_stop", "index": index})
}

fn end(reason: &str) -> [Value; 2] {
    [
        json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null}, "usage": {"output_tokens": 47}}),
        json!({"type": "message_stop"}),
    ]
}

fn thought_and_calls() -> Vec<Value> {
    let mut all = vec![
        start(),
        block(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        json!({"type": "ping"}),
        delta(0, json!({"type": "thinking_delta", "thinking": "hm"})),
        delta(0, json!({"type": "signature_delta", "signature": "Eq"})),
        stop(0),
        block(1, json!({"type": "redacted_thinking", "data": "zz"})),
        stop(1),
        block(2, json!({"type": "text", "text": ""})),
        delta(2, json!({"type": "text_delta", "text": "4 °C\n"})),
        stop(2),
        block(3, json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}})),
        delta(3, json!({"type": "input_json_delta", "partial_json": ""})),
        delta(3, json!({"type": "input_json_delta", "partial_json": "{\"a\":"})),
        delta(3, json!({"type": "input_json_delta", "partial_json": "1}"})),
        stop(3),
        block(4, json!({"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}})),
        stop(4),
    ];
    all.extend(end("tool_use"));
    all
}

#[test]
fn to_openai() {
    let mut all = thought_and_calls();
    // What the provider's own tools do, and what is not known, says nothing.
    let own = [
        block(5, json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}})),
        delta(5, json!({"type": "input_json_delta", "partial_json": "{\"q\":1}"})),
        stop(5),
        json!({"type": "new_event", "x": 1}),
        delta(9, json!({"type": "new_delta"})),
    ];
    all.splice(18..18, own);
    let (out, kinds, usage) = say(Dialect::Anthropic, Dialect::Openai, manner(), &of(&all));
    let chunks = chunks(&out);
    let told: Vec<&Value> = chunks.iter().filter_map(|chunk| chunk["choices"].get(0)).map(|choice| &choice["delta"]).collect();
    let call = |index: u64, id: &str, name: &str| json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": ""}}]});
    let arguments = |index: u64, text: &str| json!({"tool_calls": [{"index": index, "function": {"arguments": text}}]});
    let expected = [
        json!({"role": "assistant", "content": "", "refusal": null}),
        json!({"reasoning_content": "hm"}),
        json!({"content": "4 °C\n"}),
        call(0, "toolu_1", "f"),
        arguments(0, "{\"a\":"),
        arguments(0, "1}"),
        call(1, "toolu_2", "g"),
        arguments(1, "{}"),
        json!({}),
    ];
    assert_eq!(told, expected.iter().collect::<Vec<_>>());
    assert_eq!(chunks.last(), Some(&json!("[DONE]")));
    assert_eq!(chunks[chunks.len() - 2]["usage"]["prompt_tokens"], 30);
    assert_eq!(usage, Some(Usage { input: Some(30), output: Some(47), cached: Some(5), ..Usage::default() }));
    assert!(matches!(kinds[kinds.len() - 2], Kind::Finish { reason: Finish::ToolCalls, content: None }));
    assert!(matches!(kinds[kinds.len() - 1], Kind::Done(_)));
}

#[test]
fn to_itself() {
    let all = thought_and_calls();
    let (out, ..) = say(Dialect::Anthropic, Dialect::Anthropic, manner(), &of(&all));
    let mut expected: Vec<Value> =
        all.into_iter().filter(|event| event["type"] != "ping" && event["delta"]["partial_json"] != "").collect();
    expected[0]["message"] = json!({"id": "msg_0000000000000007", "type": "message", "role": "assistant", "model": "claude-x", "content": [],
        "stop_reason": null, "stop_sequence": null, "stop_details": null,
        "usage": {"input_tokens": 11, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0}});
    // An input without members is told as a piece, which means the same.
    let at = expected.len() - 3;
    expected.insert(at, delta(4, json!({"type": "input_json_delta", "partial_json": "{}"})));
    let last = expected.len() - 2;
    expected[last]["delta"]["stop_details"] = json!(null);
    expected[last]["usage"] =
        json!({"input_tokens": 25, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 5, "output_tokens": 47});
    assert_eq!(events(&out), expected);
}

fn of_openai(chunks: &[&str]) -> Vec<Value> {
    let stream: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    events(&say(Dialect::Openai, Dialect::Anthropic, manner(), &stream).0)
}

#[test]
fn blocks_follow_the_kind() {
    let found = of_openai(&[
        r#"{"id":"c","model":"gpt-x","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"reasoning_content":"hm"}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"a\n"}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"b"}}]}"#,
        r#"{"choices":[{"index":1,"delta":{"content":"another answer"}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","function":{"name":"f","arguments":""},"extra_content":{"google":{"thought_signature":"sig"}}}]}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":1}"}}]}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_2","function":{"name":"g","arguments":"{}"}}]}}]}"#,
        r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":3}}}"#,
        "[DONE]",
    ]);
    let expected = [
        block(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(0, json!({"type": "thinking_delta", "thinking": "hm"})),
        // Nobody has sealed them, and Anthropic must not be asked to believe that it has.
        delta(0, json!({"type": "signature_delta", "signature": "dGhyb3dvdmVyOm86"})),
        stop(0),
        block(1, json!({"type": "text", "text": ""})),
        delta(1, json!({"type": "text_delta", "text": "a\n"})),
        delta(1, json!({"type": "text_delta", "text": "b"})),
        stop(1),
        block(2, json!({"type": "redacted_thinking", "data": "dGhyb3dvdmVyOmc6sig"})),
        stop(2),
        block(3, json!({"type": "tool_use", "id": "call_1", "name": "f", "input": {}})),
        delta(3, json!({"type": "input_json_delta", "partial_json": "{\"a\":1}"})),
        stop(3),
        block(4, json!({"type": "tool_use", "id": "call_2", "name": "g", "input": {}})),
        delta(4, json!({"type": "input_json_delta", "partial_json": "{}"})),
        stop(4),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null, "stop_details": null},
            "usage": {"input_tokens": 6, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 4, "output_tokens": 7,
                "output_tokens_details": {"thinking_tokens": 3}}}),
        json!({"type": "message_stop"}),
    ];
    assert_eq!((&found[0]["type"], &found[0]["message"]["model"]), (&json!("message_start"), &json!("gpt-x")));
    assert_eq!(found[0]["message"]["usage"]["input_tokens"], 11);
    assert_eq!(found[1..], expected);
}

#[test]
fn ends() {
    let ending = |chunk: &str| {
        let found = of_openai(&[chunk, "[DONE]"]);
        assert_eq!(found.last(), Some(&json!({"type": "message_stop"})), "{chunk}");
        found[found.len() - 2].clone()
    };
    let table = [
        (r#"{"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}"#, "end_turn"),
        (r#"{"choices":[{"delta":{},"finish_reason":"stop","stop_reason":"X"}]}"#, "stop_sequence"),
        (r#"{"choices":[{"delta":{"content":"x"},"finish_reason":"length"}]}"#, "max_tokens"),
        (r#"{"choices":[{"delta":{"refusal":"No."},"finish_reason":"stop"}]}"#, "refusal"),
        (r#"{"choices":[{"delta":{},"finish_reason":"content_filter"}]}"#, "refusal"),
    ];
    for (chunk, reason) in table {
        assert_eq!(ending(chunk)["delta"]["stop_reason"], reason, "{chunk}");
    }
    // A stream of nothing is whole, and does not claim that it was done.
    assert_eq!(ending(r#"{"choices":[]}"#)["delta"]["stop_reason"], json!(null));
    // A failure is no end.
    let failed = of_openai(&[r#"{"choices":[{"delta":{"content":"x"},"finish_reason":"error"}]}"#, "[DONE]"]);
    assert_eq!(failed.last().unwrap()["error"]["type"], "api_error");
    assert!(failed.iter().all(|event| event["type"] != "message_stop" && event["type"] != "message_delta"));
}

#[test]
fn the_answer_in_a_tool() {
    let mut all = vec![
        start(),
        block(0, json!({"type": "tool_use", "id": "t", "name": "json_answer", "input": {}})),
        delta(0, json!({"type": "input_json_delta", "partial_json": "{\"a\":"})),
        delta(0, json!({"type": "input_json_delta", "partial_json": "\"x\"}"})),
        stop(0),
    ];
    all.extend(end("tool_use"));
    let manner = Manner { terms: Terms { unwrapped: Some("json_answer"), ..Terms::default() }, ..manner() };
    let (out, kinds, _) = say(Dialect::Anthropic, Dialect::Openai, manner, &of(&all));
    let text: String =
        chunks(&out).iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().map(str::to_owned)).collect();
    assert_eq!(text, r#"{"a":"x"}"#);
    assert!(kinds.iter().any(|kind| matches!(kind, Kind::Finish { reason: Finish::Stop, .. })));
}

#[test]
fn whole_inputs_and_late_counts() {
    // As imitators have it: the input where the block begins, the prompt's tokens at the end.
    let all = [
        json!({"type": "message_start", "message": {"usage": {"input_tokens": 0, "output_tokens": 0}}}),
        block(0, json!({"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}})),
        delta(0, json!({"type": "input_json_delta", "partial_json": "{\"a\":1}"})),
        stop(0),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"input_tokens": 9, "output_tokens": 2}}),
    ];
    let (out, _, usage) = say(Dialect::Anthropic, Dialect::Openai, manner(), &of(&all));
    assert_eq!(out.matches("{\\\"a\\\":1}").count(), 1);
    assert_eq!(usage, Some(Usage { input: Some(9), output: Some(2), ..Usage::default() }));
}

#[test]
fn failures() {
    let overloaded = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"r"}"#;
    for (name, data, kind) in
        [(Some("error"), overloaded, "overloaded_error"), (None, overloaded, "overloaded_error"), (Some("error"), "<html>", "")]
    {
        let found = Dialect::Anthropic.classify(name.map(str::as_bytes), data.as_bytes());
        let Kind::Error(fields) = found.kind else { panic!("{found:?}") };
        assert_eq!(fields.kind.as_str(), kind);
    }
    for (data, kind) in
        [("<html>", Kind::Malformed), ("", Kind::Malformed), ("{}", Kind::Quiet), ("[]", Kind::Quiet), (r#"{"type":"ping"}"#, Kind::Quiet)]
    {
        assert_eq!(Dialect::Anthropic.classify(None, data.as_bytes()).kind, kind, "{data}");
    }
}
