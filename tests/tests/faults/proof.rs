//! The matrix is worth what its judge sees: answers, records and logs that are wrong, and have to be told so.

use crate::{
    rows::{ROWS, Row},
    seen::{self, Saw},
    stage::Cell,
    verdict::{self, Rules, Verdict},
};
use mock::journal::Entry;
use serde_json::{Value, json};
use tests::testkit::{
    provider::text_of,
    tenant::{Answer, End, Head},
};

fn row(name: &str) -> (usize, &'static Row) {
    let found = ROWS.iter().copied().flatten().enumerate().find(|(_, row)| row.name == name);
    found.unwrap_or_else(|| panic!("no row is called {name:?}"))
}

fn cell(name: &str, stream: bool, fallbacks: usize) -> Cell {
    let (place, row) = row(name);
    Cell { place, row, client: 0, stream, fallbacks }
}

fn answer(status: u16, kind: &str, body: &str, end: End) -> Answer {
    let fields = [("content-type", kind), ("x-request-id", "0123456789abcdef"), ("x-throwover-provider", "well-messages")];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Answer { head: Head { status, fields }, body: body.as_bytes().to_vec(), end }
}

/// A stream of chat that says this, in chunks with this id, and ends so.
fn stream(text: &str, ids: [&str; 2], tail: &str, end: End) -> Answer {
    let chunk = |id: &str, delta: Value| format!("data: {}\n\n", json!({"id": id, "choices": [{"delta": delta}]}));
    let body = chunk(ids[0], json!({"role": "assistant", "content": ""})) + &chunk(ids[1], json!({"content": text})) + tail;
    answer(200, "text/event-stream", &body, end)
}

const DONE: &str = "data: [DONE]\n\n";
const FAILED: &str = "data: {\"error\":{\"message\":\"m\",\"type\":\"server_error\",\"code\":\"stream_cut\"}}\n\n";

#[test]
fn only_a_whole_stream_is_an_answer() {
    let cell = cell("500", true, 1);
    let (whole, part) = (text_of("well-messages"), "well-messages says: w0");
    let saw = |text: &str, ids: [&str; 2], tail: &str, end: End| seen::saw(&cell, &stream(text, ids, tail, end));
    assert_eq!(saw(&whole, ["a", "a"], DONE, End::Complete), Saw::Answer("well-messages".to_owned()));
    assert_eq!(saw(part, ["a", "a"], FAILED, End::Cut), Saw::Cut { code: "stream_cut".to_owned() });
    let truncated = [
        saw(part, ["a", "a"], DONE, End::Complete),
        saw(&whole, ["a", "a"], "", End::Complete),
        saw(part, ["a", "a"], "", End::Cut),
        saw(part, ["a", "a"], &format!("{FAILED}{DONE}"), End::Complete),
    ];
    assert!(truncated.iter().all(|saw| matches!(saw, Saw::Truncated(_))), "{truncated:?}");
    let broken = [
        saw(&whole, ["a", "b"], DONE, End::Complete),
        saw(&whole, ["a", "a"], &format!("{DONE}{DONE}"), End::Complete),
        saw("", ["a", "a"], FAILED, End::Cut),
        saw(part, ["a", "a"], FAILED, End::Complete),
        saw("another's words", ["a", "a"], FAILED, End::Cut),
    ];
    assert!(broken.iter().all(|saw| matches!(saw, Saw::Broken(_))), "{broken:?}");
}

#[test]
fn only_whole_json_is_an_answer_and_only_errors_in_words_are_honest() {
    let cell = cell("500", false, 1);
    let said = |text: &str, finish: &str| json!({"choices": [{"message": {"content": text}, "finish_reason": finish}]}).to_string();
    let whole = text_of("well-messages");
    let saw = |status: u16, body: &str, end: End| seen::saw(&cell, &answer(status, "application/json", body, end));
    assert_eq!(saw(200, &said(&whole, "stop"), End::Complete), Saw::Answer("well-messages".to_owned()));
    for body in [said(&whole[..20], "stop"), said(&whole, "length"), "{}".to_owned(), String::new()] {
        assert!(matches!(saw(200, &body, End::Complete), Saw::Truncated(_)), "{body}");
    }
    assert!(matches!(saw(200, &said(&whole, "stop"), End::Cut), Saw::Broken(_)));
    let error = json!({"error": {"message": "m", "type": "server_error", "code": "provider_error"}}).to_string();
    assert_eq!(saw(502, &error, End::Complete), Saw::Error { status: 502, code: "provider_error".to_owned() });
    assert!(matches!(saw(502, &error, End::Cut), Saw::Broken(_)));
    assert!(matches!(saw(502, "<html>", End::Complete), Saw::Broken(_)));
}

fn entry(provider: &str, at_ms: u64) -> Entry {
    let entry = json!({
        "sequence": 1, "at_ms": at_ms, "provider": provider, "connection": 1, "request_on_connection": 1, "tls": false, "method": "POST",
        "path": "/", "headers": [], "body_bytes": 0, "model": "m", "stream": false, "faults": [], "status": 500, "outcome": "complete",
        "hung_up": false, "sent_bytes": 0, "sent_events": 0, "ended_ms": at_ms,
    });
    serde_json::from_value(entry).expect("an entry has these members")
}

fn judged(cell: &Cell, saw: &Saw, fault: Option<&str>, ends: &[(&str, &str)], asked: &[(&str, u64)]) -> Verdict {
    let attempts: Vec<Value> = ends.iter().map(|(provider, end)| json!({"target": format!("{provider}/m"), "end": end})).collect();
    let entries: Vec<Entry> = asked.iter().map(|(provider, at_ms)| entry(provider, *at_ms)).collect();
    verdict::judge(&Rules::read(), cell, saw, fault, &json!({"attempts": attempts}), &entries.iter().collect::<Vec<_>>())
}

#[test]
fn what_was_asked_too_often_or_too_soon_is_told() {
    let answer = Saw::Answer("well-messages".to_owned());
    let ends = [("bad-chat", "server_error"), ("well-messages", "answered")];
    let check = |asked: &[(&str, u64)]| judged(&cell("500", false, 1), &answer, None, &ends, asked);
    let right = check(&[("bad-chat", 1), ("well-messages", 2)]);
    assert!(right.complaints.is_empty(), "{right:?}");
    assert!(check(&[("bad-chat", 1), ("bad-chat", 2), ("well-messages", 3)]).hammered);
    assert!(!check(&[("well-messages", 3)]).complaints.is_empty(), "the first target was passed over");

    let limited = Saw::Error { status: 429, code: "rate_limit_exceeded".to_owned() };
    let check = |asked: &[(&str, u64)]| {
        judged(&cell("429, retry-after-ms: 300", false, 0), &limited, Some("provider"), &[("bad-chat", "rate_limit")], asked)
    };
    assert!(check(&[("bad-chat", 1), ("bad-chat", 301)]).complaints.is_empty());
    assert!(check(&[("bad-chat", 1), ("bad-chat", 290)]).hammered);
    assert!(check(&[0, 300, 600, 900, 1200].map(|at| ("bad-chat", at))).hammered);

    let refused = Saw::Error { status: 502, code: "provider_auth".to_owned() };
    let twice = judged(&cell("401", false, 0), &refused, Some("operator"), &[("bad-chat", "auth")], &[("bad-chat", 1), ("bad-chat", 900)]);
    assert!(twice.hammered, "a credential that was refused is not to be tried again: {twice:?}");
}

#[test]
fn the_tenants_own_mistake_is_asked_and_told_once() {
    let own = Saw::Error { status: 400, code: String::new() };
    let invalid = cell("400 invalid", false, 1);
    let ends = [("bad-chat", "invalid_request")];
    let right = judged(&invalid, &own, Some("tenant"), &ends, &[("bad-chat", 1)]);
    assert!(right.complaints.is_empty(), "{right:?}");
    assert!(judged(&invalid, &own, Some("tenant"), &ends, &[("bad-chat", 1), ("well-messages", 2)]).replayed);
    assert!(!judged(&invalid, &own, Some("provider"), &ends, &[("bad-chat", 1)]).complaints.is_empty());
    let answer = Saw::Answer("well-messages".to_owned());
    assert!(!judged(&invalid, &answer, None, &ends, &[("bad-chat", 1)]).complaints.is_empty());
}

#[test]
fn what_the_tenant_saw_and_the_record_fit_the_class() {
    let asked = [("bad-chat", 1)];
    let check = |status: u16, code: &str, end: &str| {
        let saw = Saw::Error { status, code: code.to_owned() };
        judged(&cell("503", false, 0), &saw, Some("provider"), &[("bad-chat", end)], &asked).complaints.is_empty()
    };
    assert!(check(503, "provider_overloaded", "overloaded"));
    assert!(!check(502, "provider_overloaded", "overloaded"));
    assert!(!check(503, "provider_error", "overloaded"));
    assert!(!check(503, "provider_overloaded", "server_error"));
    for saw in [Saw::Hang(String::new()), Saw::Truncated(String::new()), Saw::Broken(String::new())] {
        let verdict = judged(&cell("503", false, 0), &saw, None, &[("bad-chat", "overloaded")], &asked);
        assert!(!verdict.complaints.is_empty(), "{saw:?}");
    }
    // An error is no excuse where somebody was well.
    let error = Saw::Error { status: 503, code: "provider_overloaded".to_owned() };
    let ends = [("bad-chat", "overloaded"), ("well-messages", "answered")];
    let spared = judged(&cell("503", false, 1), &error, Some("provider"), &ends, &[("bad-chat", 1), ("well-messages", 2)]);
    assert!(!spared.complaints.is_empty());
}
