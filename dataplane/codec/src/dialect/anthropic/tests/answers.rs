//! Whole answers.

use super::manner;
use crate::dialect::answer::Answer;
use crate::dialect::{Dialect, Failure, Terms, read_answer, write_answer};
use crate::json::{Finish, Tree, Usage};
use serde_json::{Value, json};

fn read(body: &str) -> Answer {
    read_answer(Dialect::Anthropic, body.as_bytes(), &mut Tree::new(), &Terms::default()).unwrap()
}

fn translate(from: Dialect, to: Dialect, body: &str) -> Value {
    let answer = read_answer(from, body.as_bytes(), &mut Tree::new(), &Terms::default()).unwrap();
    let mut out = Vec::new();
    write_answer(to, &answer, &manner(), &mut out);
    serde_json::from_slice(&out).unwrap_or_else(|flaw| panic!("{flaw}: {}", out.escape_ascii()))
}

const WHOLE: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[
    {"type":"thinking","thinking":"hm","signature":"Eq"},{"type":"redacted_thinking","data":"zz"},
    {"type":"text","text":"4 \u00b0C.","citations":[{"type":"web_search_result_location","url":"https://u","title":"T","cited_text":"c","encrypted_index":"e"},
        {"type":"page_location","cited_text":"c","document_index":0,"start_page_number":1,"end_page_number":2}]},
    {"type":"server_tool_use","id":"s","name":"web_search","input":{"q":"x"}},
    {"type":"tool_use","id":"toolu_1","name":"f","input":{"a":"é\n"}},{"type":"tool_use","id":"toolu_2","name":"g","input":{}}],
    "stop_reason":"tool_use","stop_sequence":null,"stop_details":null,
    "usage":{"input_tokens":25,"cache_creation_input_tokens":5,"cache_read_input_tokens":70,"output_tokens":12,"output_tokens_details":{"thinking_tokens":4}}}"#;

#[test]
fn to_openai() {
    let body = translate(Dialect::Anthropic, Dialect::Openai, WHOLE);
    let message = &body["choices"][0]["message"];
    assert_eq!((&message["content"], &message["reasoning_content"]), (&json!("4 °C."), &json!("hm")));
    assert_eq!(
        message["tool_calls"],
        json!([{"id": "toolu_1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":\"é\\n\"}"}},
            {"id": "toolu_2", "type": "function", "function": {"name": "g", "arguments": "{}"}}])
    );
    assert_eq!(message["annotations"].as_array().unwrap().len(), 1);
    assert_eq!(message["annotations"][0]["url_citation"]["url"], "https://u");
    assert_eq!((&body["choices"][0]["finish_reason"], &body["model"]), (&json!("tool_calls"), &json!("claude-x")));
    let usage = &body["usage"];
    assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"], &usage["total_tokens"]), (&json!(100), &json!(12), &json!(112)));
    assert_eq!(
        (&usage["prompt_tokens_details"]["cached_tokens"], &usage["prompt_tokens_details"]["cache_write_tokens"]),
        (&json!(70), &json!(5))
    );
    assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 4);
}

/// But for what only its own provider says: citations, and tools that it runs itself.
#[test]
fn to_itself() {
    let body = translate(Dialect::Anthropic, Dialect::Anthropic, WHOLE);
    let mut expected: Value = serde_json::from_str(WHOLE).unwrap();
    expected["id"] = json!("msg_0000000000000007");
    let content = expected["content"].as_array_mut().unwrap();
    content.remove(3);
    content[2].as_object_mut().unwrap().remove("citations");
    assert_eq!(body, expected);
}

#[test]
fn of_openai() {
    let body = translate(
        Dialect::Openai,
        Dialect::Anthropic,
        r#"{"id":"c","model":"gpt-x","choices":[{"index":0,"message":{"role":"assistant","content":"Hi\"","reasoning_content":"hm",
            "tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"},"extra_content":{"google":{"thought_signature":"sig"}}},
                {"id":"","type":"function","function":{"name":"g","arguments":"oops"}}]},"finish_reason":"tool_calls"}],
            "usage":{"prompt_tokens":100,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":60,"cache_write_tokens":10}}}"#,
    );
    assert_eq!(
        body,
        json!({
            "id": "msg_0000000000000007", "type": "message", "role": "assistant", "model": "gpt-x",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "dGhyb3dvdmVyOm86"},
                {"type": "text", "text": "Hi\""},
                {"type": "redacted_thinking", "data": "dGhyb3dvdmVyOmc6sig"},
                {"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": 1}},
                {"type": "tool_use", "id": "call_0000000000000008", "name": "g", "input": {"_raw": "oops"}},
            ],
            "stop_reason": "tool_use", "stop_sequence": null, "stop_details": null,
            "usage": {"input_tokens": 30, "cache_creation_input_tokens": 10, "cache_read_input_tokens": 60, "output_tokens": 7},
        })
    );
}

#[test]
fn reasons() {
    let table = [
        ("end_turn", Finish::Stop, "stop"),
        ("stop_sequence", Finish::Stop, "stop"),
        ("max_tokens", Finish::Length, "length"),
        ("model_context_window_exceeded", Finish::Length, "length"),
        ("tool_use", Finish::ToolCalls, "tool_calls"),
        ("refusal", Finish::ContentFilter, "content_filter"),
        ("pause_turn", Finish::Other, "stop"),
        ("unheard_of", Finish::Other, "stop"),
    ];
    for (word, reason, openai) in table {
        let body = format!(r#"{{"content":[],"stop_reason":"{word}","stop_sequence":"X"}}"#);
        let answer = read(&body);
        assert!(answer.over && answer.choices[0].finish == Some(reason), "{word}");
        assert_eq!(answer.choices[0].stop.as_deref(), Some(&b"X"[..]));
        let body = translate(Dialect::Anthropic, Dialect::Openai, &body);
        assert_eq!(body["choices"][0]["finish_reason"], openai);
    }
    let back = [
        (r#""message":{"content":"x"},"finish_reason":"stop""#, "end_turn"),
        (r#""message":{"content":"x"},"finish_reason":"stop","stop_reason":"END""#, "stop_sequence"),
        (r#""message":{"content":"x"},"finish_reason":"length""#, "max_tokens"),
        (r#""message":{"content":"x"},"finish_reason":"content_filter""#, "refusal"),
        (r#""message":{"refusal":"no"},"finish_reason":"stop""#, "refusal"),
        (r#""message":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":""}}]},"finish_reason":"stop""#, "tool_use"),
    ];
    for (choice, word) in back {
        let body = translate(Dialect::Openai, Dialect::Anthropic, &format!(r#"{{"choices":[{{{choice}}}]}}"#));
        assert_eq!(body["stop_reason"], word, "{choice}");
        assert_eq!(body["stop_details"].is_null(), word != "refusal");
        assert_eq!(body["stop_sequence"], if word == "stop_sequence" { json!("END") } else { json!(null) });
    }
    let refused = r#"{"content":[],"stop_reason":"refusal","stop_details":{"type":"refusal","category":"bio","explanation":"No."}}"#;
    assert_eq!(translate(Dialect::Anthropic, Dialect::Openai, refused)["choices"][0]["message"]["refusal"], "No.");
}

#[test]
fn empty() {
    let answer = read(r#"{"content":[],"stop_reason":"end_turn","usage":{"input_tokens":0,"output_tokens":0}}"#);
    assert_eq!(answer.usage, Some(Usage { input: Some(0), output: Some(0), ..Usage::default() }));
    let mut out = Vec::new();
    write_answer(Dialect::Anthropic, &Answer::default(), &manner(), &mut out);
    let body: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!((&body["content"], &body["stop_reason"], &body["model"]), (&json!([]), &json!(null), &json!("fallback")));
}

#[test]
fn the_answer_in_a_tool() {
    let body = r#"{"content":[{"type":"text","text":""},{"type":"tool_use","id":"t","name":"json_answer","input":{"a":"\"x\""}}],"stop_reason":"tool_use"}"#;
    let answer =
        read_answer(Dialect::Anthropic, body.as_bytes(), &mut Tree::new(), &Terms { unwrapped: Some("json_answer"), ..Terms::default() })
            .unwrap();
    assert_eq!(answer.choices[0].finish, Some(Finish::Stop));
    let mut out = Vec::new();
    write_answer(Dialect::Openai, &answer, &manner(), &mut out);
    let body: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(body["choices"][0]["message"]["content"], r#"{"a":"\"x\""}"#);
    assert!(body["choices"][0]["message"].get("tool_calls").is_none());
}

#[test]
fn failures() {
    let failed = |body: &str| read_answer(Dialect::Anthropic, body.as_bytes(), &mut Tree::new(), &Terms::default()).unwrap_err();
    let body =
        r#"{"type":"error","error":{"type":"rate_limit_error","message":"m","details":{"error_code":"enforced_spend_limit_reached"}}}"#;
    let Failure::Error(fields) = failed(body) else { panic!() };
    assert_eq!((fields.kind.as_str(), fields.message.as_str()), ("rate_limit_error", "m"));
    assert_eq!(fields.code.as_str(), "enforced_spend_limit_reached");
    for body in ["{}", "[]", "{", r#"{"content":"x"}"#] {
        assert_eq!(failed(body), Failure::Malformed, "{body}");
    }
}
