//! Golden requests, answers and streams, and what holds for all of them.

mod answers;
mod forms;
mod properties;
mod requests;
mod streams;

use crate::dialect::{Dialect, Manner, Means, Needs, Rope, Terms, Unread, read_prompt, write_prompt};
use crate::json::Tree;
use serde_json::Value;

/// The request `body` in the dialect `to`, and what it needs.
fn translate(from: Dialect, to: Dialect, body: &str, means: &Means<'_>) -> (Value, Needs) {
    let mut tree = Tree::new();
    let root = tree.read(body.as_bytes()).unwrap();
    let prompt = read_prompt(from, root, false).unwrap();
    let mut rope = Rope::new(body.as_bytes(), Vec::new());
    write_prompt(to, &prompt, means, &mut rope);
    let written = rope.finish().join(body.as_bytes());
    let value = serde_json::from_slice(&written).unwrap_or_else(|flaw| panic!("{flaw}: {}", written.escape_ascii()));
    (value, prompt.needs)
}

fn unread(body: &str) -> Unread {
    let mut tree = Tree::new();
    read_prompt(Dialect::Anthropic, tree.read(body.as_bytes()).unwrap(), false).unwrap_err()
}

/// From OpenAI, for a model of which nothing is known.
fn of_openai(body: &str) -> Value {
    translate(Dialect::Openai, Dialect::Anthropic, body, &Means::of("claude")).0
}

/// From Anthropic, to OpenAI.
fn to_openai(body: &str) -> (Value, Needs) {
    translate(Dialect::Anthropic, Dialect::Openai, body, &Means::of("gpt"))
}

/// From Anthropic, to Anthropic.
fn again(body: &str) -> (Value, Needs) {
    translate(Dialect::Anthropic, Dialect::Anthropic, body, &Means::of("claude"))
}

fn manner() -> Manner {
    Manner { seed: 7, created: 1, model: "fallback".into(), include_usage: true, input_estimate: 11, terms: Terms::default() }
}

/// Errors of the gateway's own, which the official SDKs tell apart by status and type.
#[test]
fn own_errors() {
    let table = [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (409, "conflict_error"),
        (413, "request_too_large"),
        (422, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ];
    for (status, kind) in table {
        let mut body = Vec::new();
        super::error_body(&mut body, status, "it's \"bad\"\n", "no_target", "req_1");
        let expected = serde_json::json!({
            "type": "error",
            "error": {"type": kind, "message": "it's \"bad\"\n", "details": {"error_code": "no_target"}},
            "request_id": "req_1",
        });
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), expected);
    }
    let mut event = Vec::new();
    super::error_event(&mut event, 529, "m", "c", "r");
    assert!(event.starts_with(b"event: error\ndata: {") && event.ends_with(b"}\n\n"));
    let mut splitter = crate::sse::Splitter::default();
    let cut = splitter.next(&event).unwrap().unwrap();
    let found = Dialect::Anthropic.classify(cut.event(&splitter, &event), cut.data(&splitter, &event));
    let crate::dialect::Kind::Error(fields) = found.kind else { panic!("{found:?}") };
    assert_eq!((fields.kind.as_str(), fields.code.as_str(), fields.message.as_str()), ("overloaded_error", "c", "m"));
}
