//! Names there and back, and what else an answer is held to.

use crate::dialect::{Dialect, Ear, Manner, Means, Rope, Terms, read_answer, read_prompt, write_answer, write_prompt};
use crate::json::Tree;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

const ALL: [Dialect; 4] = [Dialect::Openai, Dialect::Responses, Dialect::Anthropic, Dialect::Gemini];

/// A request in another dialect, and its terms.
fn asked(from: Dialect, to: Dialect, body: &Json) -> (Json, Terms) {
    let text = body.to_string().into_bytes();
    let mut tree = Tree::new();
    let prompt = read_prompt(from, tree.read(&text).unwrap(), false).unwrap();
    let mut rope = Rope::new(&text, Vec::new());
    write_prompt(to, &prompt, &Means::of("m"), &mut rope);
    let terms = Terms::of(&prompt, to, &Means::of("m"));
    (serde_json::from_slice(&rope.finish().join(&text)).unwrap(), terms)
}

/// A history with a call of `name`, its answer, and the choice of it.
fn history(name: &str) -> Json {
    json!({"contents": [
        {"role": "user", "parts": [{"text": "q"}]},
        {"role": "model", "parts": [{"functionCall": {"id": "i", "name": name, "args": {}}}]},
        {"role": "user", "parts": [{"functionResponse": {"id": "i", "name": name, "response": {"output": "r"}}}]},
    ], "tools": [{"functionDeclarations": [{"name": name}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [name]}}})
}

#[test]
fn a_name_is_the_same_wherever_it_stands() {
    let written = "weather_get_now_".to_owned();
    let (chat, terms) = asked(Dialect::Gemini, Dialect::Openai, &history("weather.get:now"));
    let name = chat["tools"][0]["function"]["name"].as_str().unwrap();
    assert!(name.starts_with(&written) && name.len() == written.len() + 16, "{name}");
    assert_eq!(chat["tool_choice"]["function"]["name"], name);
    assert_eq!(chat["messages"][1]["tool_calls"][0]["function"]["name"], name);
    assert_eq!(terms.renamed, [(name.as_bytes().into(), b"weather.get:now"[..].into())]);
    let (items, _) = asked(Dialect::Gemini, Dialect::Responses, &history("weather.get:now"));
    assert_eq!(
        (&items["tools"][0]["name"], &items["tool_choice"]["name"], &items["input"][1]["name"]),
        (&json!(name), &json!(name), &json!(name))
    );
    let (claude, _) = asked(Dialect::Gemini, Dialect::Anthropic, &history("weather.get:now"));
    assert_eq!((&claude["tools"][0]["name"], &claude["tool_choice"]["name"]), (&json!(name), &json!(name)));
    assert_eq!(claude["messages"][1]["content"][0]["name"], name);
    // What its own dialect says of a name is its provider's to judge, and so it is with names that all allow.
    let (own, terms) = asked(Dialect::Gemini, Dialect::Gemini, &history("weather.get:now"));
    assert_eq!((&own["tools"], terms.renamed.len()), (&history("weather.get:now")["tools"], 0));
    assert_eq!(asked(Dialect::Gemini, Dialect::Openai, &history("get_weather-2")).1.renamed.len(), 0);
}

#[test]
fn names_that_gemini_refuses() {
    for name in ["2nd", "-x", "caf\u{e9}", "a b", &"x".repeat(65)] {
        let body = json!({"messages": [
            {"role": "user", "content": "q"},
            {"role": "assistant", "tool_calls": [{"id": "i", "type": "function", "function": {"name": name, "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "i", "content": "r"},
        ], "tools": [{"type": "function", "function": {"name": name}}], "tool_choice": {"type": "function", "function": {"name": name}}});
        let (written, terms) = asked(Dialect::Openai, Dialect::Gemini, &body);
        let called = written["tools"][0]["functionDeclarations"][0]["name"].as_str().unwrap();
        let first = called.as_bytes()[0];
        assert!(called.len() <= 64 && (first.is_ascii_alphabetic() || first == b'_') && called != name, "{called}");
        assert_eq!(written["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"], json!([called]));
        assert_eq!(written["contents"][1]["parts"][0]["functionCall"]["name"], called);
        assert_eq!(written["contents"][2]["parts"][0]["functionResponse"]["name"], called);
        // The answer has the client's own name again.
        let answer =
            json!({"candidates": [{"content": {"parts": [{"functionCall": {"name": called, "args": {}}}]}, "finishReason": "STOP"}]});
        let answer = read_answer(Dialect::Gemini, answer.to_string().as_bytes(), &mut Tree::new(), &terms).unwrap();
        let mut out = Vec::new();
        write_answer(Dialect::Openai, &answer, &manner(Terms::default()), &mut out);
        let told: Json = serde_json::from_slice(&out).unwrap();
        assert_eq!(told["choices"][0]["message"]["tool_calls"][0]["function"]["name"], name);
    }
}

fn manner(terms: Terms) -> Manner {
    Manner { seed: 1, created: 2, model: "m".into(), include_usage: false, input_estimate: 0, terms }
}

/// The data of the events that a stream becomes.
fn streamed(from: Dialect, to: Dialect, terms: Terms, events: &[Json]) -> (Vec<crate::dialect::Kind>, Vec<Json>) {
    let mut ear = Ear::new(from, Some((to, manner(terms))));
    let mut out = Vec::new();
    let kinds = events.iter().map(|event| ear.event(None, event.to_string().as_bytes(), &mut out).kind).collect();
    ear.end(&mut out);
    let text = String::from_utf8(out).unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter_map(|data| serde_json::from_str(data).ok());
    (kinds, data.collect())
}

/// Gemini cannot be told to call one tool at a time, so that its answer is held to it.
#[test]
fn one_call_at_a_time() {
    let body = json!({"messages": [{"role": "user", "content": "q"}], "tools": [{"type": "function", "function": {"name": "f"}}],
        "parallel_tool_calls": false});
    let (_, terms) = asked(Dialect::Openai, Dialect::Gemini, &body);
    assert!(terms.one_call);
    let call = |name: &str| json!({"functionCall": {"name": name, "args": {"a": 1}}});
    let answer = json!({"candidates": [{"content": {"parts": [{"text": "t"}, call("f"), call("g")]}, "finishReason": "STOP"}]});
    let read = read_answer(Dialect::Gemini, answer.to_string().as_bytes(), &mut Tree::new(), &terms).unwrap();
    let mut out = Vec::new();
    write_answer(Dialect::Openai, &read, &manner(Terms::default()), &mut out);
    let told: Json = serde_json::from_slice(&out).unwrap();
    let calls = told["choices"][0]["message"]["tool_calls"].as_array().unwrap();
    assert_eq!((calls.len(), &calls[0]["function"]["name"], &told["choices"][0]["finish_reason"]), (1, &json!("f"), &json!("tool_calls")));
    let (_, events) = streamed(Dialect::Gemini, Dialect::Anthropic, terms, std::slice::from_ref(&answer));
    let begun: Vec<&Json> = events.iter().filter(|event| event["content_block"]["type"] == "tool_use").collect();
    assert_eq!(begun.len(), 1, "{events:?}");
    // Unless it was asked, nothing is lost.
    let (_, events) = streamed(Dialect::Gemini, Dialect::Anthropic, Terms::default(), &[answer]);
    assert_eq!(events.iter().filter(|event| event["content_block"]["type"] == "tool_use").count(), 2);
}

fn chunk(call: Json) -> Json {
    json!({"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": null}]})
}

/// Some servers give all calls the same number, and tell them apart by their ids.
#[test]
fn calls_of_one_number_are_several() {
    let events = [
        chunk(json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"x\":1}"}})),
        chunk(json!({"index": 0, "id": "b", "function": {"name": "g", "arguments": "{}"}})),
        // And some repeat what they have said.
        chunk(json!({"index": 0, "id": "b", "function": {"name": "g", "arguments": ""}})),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}),
    ];
    let (_, told) = streamed(Dialect::Openai, Dialect::Gemini, Terms::default(), &events);
    let calls: Vec<&Json> =
        told.iter().map(|event| &event["candidates"][0]["content"]["parts"][0]["functionCall"]).filter(|call| !call.is_null()).collect();
    assert_eq!(calls, [&json!({"id": "a", "name": "f", "args": {"x": 1}}), &json!({"id": "b", "name": "g", "args": {}})]);
}

/// A call that goes on behind another one has no words elsewhere; half of its arguments would be another call.
#[test]
fn a_call_that_goes_on_late_breaks_the_stream() {
    let events = [
        chunk(json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"x\":"}})),
        chunk(json!({"index": 1, "id": "b", "function": {"name": "g", "arguments": "{}"}})),
        chunk(json!({"index": 0, "function": {"arguments": "1}"}})),
    ];
    for to in [Dialect::Anthropic, Dialect::Responses, Dialect::Gemini] {
        let (kinds, _) = streamed(Dialect::Openai, to, Terms::default(), &events);
        assert_eq!(kinds[2], crate::dialect::Kind::Malformed, "{to:?}");
    }
    // A whole answer is told when all of it is there.
    let calls = json!([{"id": "a", "function": {"name": "f", "arguments": ""}}]);
    let answer = json!({"choices": [{"message": {"tool_calls": calls}, "finish_reason": "tool_calls"}]});
    let read = read_answer(Dialect::Openai, answer.to_string().as_bytes(), &mut Tree::new(), &Terms::default()).unwrap();
    for to in [Dialect::Openai, Dialect::Responses] {
        let mut out = Vec::new();
        write_answer(to, &read, &manner(Terms::default()), &mut out);
        assert!(String::from_utf8(out).unwrap().contains(r#""arguments":"{}""#), "{to:?}");
    }
}

proptest! {
    /// Whatever a tool is called: every dialect gets a name that it allows, and the client its own.
    #[test]
    fn names_come_back(name in "[ -~\u{e0}-\u{ff}]{1,90}", from in 0..4_usize, to in 0..4_usize) {
        let (from, to) = (ALL[from], ALL[to]);
        let function = json!({"name": name});
        let body = match from {
            Dialect::Openai => json!({"messages": [], "tools": [{"type": "function", "function": function}]}),
            Dialect::Responses => json!({"input": "q", "tools": [{"type": "function", "name": name}]}),
            Dialect::Anthropic => json!({"messages": [], "tools": [{"name": name, "input_schema": {}}]}),
            Dialect::Gemini => json!({"contents": [], "tools": [{"functionDeclarations": [function]}]}),
        };
        let (written, terms) = asked(from, to, &body);
        let called = match to {
            Dialect::Openai => &written["tools"][0]["function"]["name"],
            Dialect::Responses | Dialect::Anthropic => &written["tools"][0]["name"],
            Dialect::Gemini => &written["tools"][0]["functionDeclarations"][0]["name"],
        };
        let called = called.as_str().unwrap();
        prop_assert!(from == to || super::fits(to, called.as_bytes()), "{}", called);
        let event = json!({"candidates": [{"content": {"parts": [{"functionCall": {"name": called}}]}, "finishReason": "STOP"}]});
        let answer = read_answer(Dialect::Gemini, event.to_string().as_bytes(), &mut Tree::new(), &terms).unwrap();
        let mut out = Vec::new();
        write_answer(Dialect::Gemini, &answer, &manner(Terms::default()), &mut out);
        let told: Json = serde_json::from_slice(&out).unwrap();
        prop_assert_eq!(&told["candidates"][0]["content"]["parts"][0]["functionCall"]["name"], &json!(name));
    }
}
