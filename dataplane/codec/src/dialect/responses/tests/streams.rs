//! Streams of the Responses API.

use super::*;
use crate::dialect::{Content, Ear, Kind, Outcome};
use crate::json::Finish;
use crate::sse::Splitter;
use proptest::prelude::*;

/// Names and data of all events in a stream.
fn split(stream: &[u8]) -> Vec<(String, Json)> {
    let mut splitter = Splitter::default();
    let mut rest = stream;
    let mut found = Vec::new();
    while let Some(cut) = splitter.next(rest).unwrap() {
        if cut.kind == crate::sse::Kind::Event {
            let name = cut.event(&splitter, rest).unwrap_or_default();
            let data = cut.data(&splitter, rest);
            let data = if data == b"[DONE]" { json!("[DONE]") } else { serde_json::from_slice(data).unwrap() };
            found.push((String::from_utf8(name.to_vec()).unwrap(), data));
        }
        rest = &rest[cut.used..];
    }
    assert_eq!(splitter.pending(), 0, "{}", stream.escape_ascii());
    found
}

fn chunk(delta: &Json) -> String {
    json!({"id": "c", "model": "gpt", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]}).to_string()
}

fn chat() -> Vec<String> {
    vec![
        chunk(&json!({"role": "assistant", "content": ""})),
        chunk(&json!({"reasoning_content": "h"})),
        chunk(&json!({"reasoning_content": "m"})),
        chunk(&json!({"content": "Hel"})),
        chunk(&json!({"content": "lo \"you\""})),
        chunk(&json!({"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "f", "arguments": ""}}]})),
        chunk(&json!({"tool_calls": [{"index": 0, "function": {"arguments": "{\"a\""}}]})),
        chunk(&json!({"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]})),
        chunk(&json!({"tool_calls": [{"index": 1, "id": "call_2", "function": {"name": "g", "arguments": "{}"}}]})),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}).to_string(),
        json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}).to_string(),
        "[DONE]".to_owned(),
    ]
}

fn responses() -> Vec<u8> {
    let mut ear = Ear::new(Dialect::Openai, Some((Dialect::Responses, manner())));
    let mut out = Vec::new();
    for event in chat() {
        ear.event(None, event.as_bytes(), &mut out);
    }
    out
}

#[test]
fn chat_becomes_events_in_their_order() {
    let events = split(&responses());
    let names: Vec<&str> = events.iter().map(|(name, _)| name.strip_prefix("response.").unwrap()).collect();
    let expected = [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ];
    assert_eq!(names, expected);
    for (at, (name, data)) in events.iter().enumerate() {
        assert_eq!((data["type"].as_str(), data["sequence_number"].as_u64()), (Some(name.as_str()), Some(at as u64)));
    }
    let done = &events[13].1;
    assert_eq!((&done["text"], &done["output_index"]), (&json!("Hello \"you\""), &json!(1)));
    assert_eq!(events[15].1["item"]["content"][0]["text"], "Hello \"you\"");
    assert_eq!(events[19].1["arguments"], "{\"a\":1}");
    let whole = &events.last().unwrap().1["response"];
    assert_eq!((&whole["status"], &whole["usage"]["total_tokens"], &whole["model"]), (&json!("completed"), &json!(7), &json!("gpt")));
    assert_eq!(whole["output"].as_array().unwrap().len(), 4);
    assert_eq!(whole["output"][2]["call_id"], "call_1");
    // An item is the same wherever it is told.
    for (name, data) in &events {
        if name == "response.output_item.done" {
            assert_eq!(data["item"], whole["output"][data["output_index"].as_u64().unwrap() as usize]);
        }
    }
}

#[test]
fn and_back() {
    let mut ear = Ear::new(Dialect::Responses, Some((Dialect::Openai, manner())));
    let (mut out, mut kinds) = (Vec::new(), Vec::new());
    for (name, data) in split(&responses()) {
        kinds.push(ear.event(Some(name.as_bytes()), data.to_string().as_bytes(), &mut out).kind);
    }
    assert_eq!(kinds.last(), Some(&Kind::Done(Outcome::Completed)));
    assert_eq!(kinds[11], Kind::Content(Content::Text));
    let chunks: Vec<Json> = split(&out).into_iter().map(|(_, data)| data).collect();
    let joined = |member: &str| -> String { chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"][member].as_str()).collect() };
    assert_eq!((joined("content"), joined("reasoning_content")), ("Hello \"you\"".to_owned(), "hm".to_owned()));
    let arguments = |index: u64| -> String {
        let calls = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].as_array()).flatten();
        calls.filter(|call| call["index"] == index).filter_map(|call| call["function"]["arguments"].as_str()).collect()
    };
    assert_eq!((arguments(0), arguments(1)), ("{\"a\":1}".to_owned(), "{}".to_owned()));
    assert_eq!(chunks[chunks.len() - 3]["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(chunks[chunks.len() - 2]["usage"]["prompt_tokens"], 3);
    assert_eq!(chunks.last(), Some(&json!("[DONE]")));
}

#[test]
fn an_end_that_is_none_is_told() {
    let mut ear = Ear::new(Dialect::Responses, None);
    let mut hear = |name: &str, data: Json| ear.event(Some(name.as_bytes()), data.to_string().as_bytes(), &mut Vec::new()).kind;
    assert_eq!(hear("response.created", json!({"type": "response.created", "response": {"id": "r"}})), Kind::Quiet);
    let failed = hear("response.failed", json!({"type": "response.failed", "response": {"error": {"code": "c", "message": "m"}}}));
    assert!(matches!(failed, Kind::Error(fields) if fields.message.as_str() == "m"));
    let error = hear("error", json!({"type": "error", "code": "c", "message": "m"}));
    assert!(matches!(error, Kind::Error(fields) if fields.code.as_str() == "c"));
    assert!(matches!(ear.event(None, b"{\"cut", &mut Vec::new()).kind, Kind::Malformed));
}

#[test]
fn cut_and_filtered_answers_are_incomplete() {
    for (reason, told) in [("length", "max_output_tokens"), ("content_filter", "content_filter")] {
        let mut ear = Ear::new(Dialect::Openai, Some((Dialect::Responses, manner())));
        let mut out = Vec::new();
        ear.event(None, chunk(&json!({"content": "x"})).as_bytes(), &mut out);
        let finish = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}).to_string();
        let kind = ear.event(None, finish.as_bytes(), &mut out).kind;
        assert!(matches!(kind, Kind::Finish { reason: Finish::Length | Finish::ContentFilter, .. }));
        ear.event(None, b"[DONE]", &mut out);
        let (name, last) = split(&out).pop().unwrap();
        assert_eq!((name.as_str(), &last["response"]["incomplete_details"]["reason"]), ("response.incomplete", &json!(told)));
    }
}

proptest! {
    /// However the bytes of a stream are cut, it says the same.
    #[test]
    fn cuts_change_nothing(cuts in prop::collection::vec(1_usize..40, 1..40)) {
        let stream = responses();
        let hear = |sizes: &mut dyn Iterator<Item = usize>| {
            let mut ear = Ear::new(Dialect::Responses, Some((Dialect::Openai, manner())));
            let (mut splitter, mut out, mut at) = (Splitter::default(), Vec::new(), 0);
            while at < stream.len() {
                let end = stream.len().min(at + sizes.next().unwrap());
                let mut rest = &stream[at..end];
                while let Some(cut) = splitter.next(rest).unwrap() {
                    if cut.kind == crate::sse::Kind::Event {
                        ear.event(cut.event(&splitter, rest), cut.data(&splitter, rest), &mut out);
                    }
                    rest = &rest[cut.used..];
                }
                at = end;
            }
            out
        };
        let whole = hear(&mut std::iter::repeat(stream.len()));
        prop_assert_eq!(hear(&mut cuts.iter().copied().cycle()), whole);
    }

    #[test]
    fn no_bytes_hurt(name in "[a-z._]{0,40}", data in prop::collection::vec(any::<u8>(), 0..80)) {
        let mut ear = Ear::new(Dialect::Responses, Some((Dialect::Responses, manner())));
        ear.event(Some(name.as_bytes()), &data, &mut Vec::new());
    }
}
