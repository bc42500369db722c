//! Tables of events, as providers and their imitators send them.

use super::*;
use crate::json;

fn check(dialect: Dialect, event: Option<&str>, data: &str, expected: Kind) {
    let found = dialect.classify(event.map(str::as_bytes), data.as_bytes());
    assert_eq!(found.kind, expected, "{event:?} {data}");
    crate::fuzz::classify(event.map(str::as_bytes), data.as_bytes());
}

fn message(kind: &Kind) -> &str {
    match kind {
        Kind::Error(fields) | Kind::Done(Outcome::Failed(fields)) => fields.message.as_str(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn chat() {
    use super::Content::*;
    use Kind::{Finish as Ends, *};
    let stop = |content| Ends { reason: json::Finish::Stop, content };
    let table = [
        (
            r#"{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"x"}"#,
            Quiet,
        ),
        (r#"{"choices":[{"delta":{"content":"Hel"},"finish_reason":null}]}"#, Content(Text)),
        (r#"{"choices":[{"delta":{"role":"assistant","content":"Hel"}}]}"#, Content(Text)),
        (r#"{"choices":[{"delta":{"content":null}}]}"#, Quiet),
        (r#"{"choices":[{"delta":{}}]}"#, Quiet),
        (r#"{"choices":[{"delta":{"refusal":"I"}}]}"#, Content(Refusal)),
        (
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]}}]}"#,
            Content(Tool),
        ),
        (r#"{"choices":[{"delta":{"reasoning_content":"hm"}}]}"#, Quiet),
        (r#"{"choices":[{"delta":{"reasoning":"hm","content":""}}]}"#, Quiet),
        (r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#, stop(None)),
        (r#"{"choices":[{"delta":{"content":"."},"finish_reason":"stop"}]}"#, stop(Some(Text))),
        (r#"{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}"#, stop(None)),
        (r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#, UsageOnly),
        (r#"{"usage":{"prompt_tokens":1}}"#, UsageOnly),
        (r#"{"choices":[],"prompt_filter_results":[{"prompt_index":0}]}"#, Quiet),
        (
            r#"{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}]}"#,
            Quiet,
        ),
        (
            r#"{"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null,"content_filter_results":{"error":{"code":"content_filter_error","message":"The contents are not filtered"}}}]}"#,
            Content(Text),
        ),
        (
            r#"{"choices":[{"index":0,"finish_reason":null,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}},"content_filter_offsets":{"check_offset":0,"start_offset":0,"end_offset":9}}],"id":"","model":"","object":""}"#,
            Quiet,
        ),
        (r#"{"choices":[{"index":0,"text":"x","finish_reason":null}]}"#, Content(Text)),
        (r#"{"choices":[{"text":"","finish_reason":"length"}]}"#, Ends { reason: json::Finish::Length, content: None }),
        (r#"{"choices":[{"message":{"content":"whole"},"finish_reason":"stop"}]}"#, stop(Some(Text))),
        (r#"{"choices":[{"delta":{"content":"a"}},{"delta":{},"finish_reason":"stop"}]}"#, stop(Some(Text))),
        ("[DONE]", Done(Outcome::Marker)),
        (" [DONE] ", Done(Outcome::Marker)),
        ("{}", Other),
        ("[]", Other),
        (r#"{"object":"ping"}"#, Other),
        ("[DONE", Malformed),
        ("DONE", Malformed),
        ("", Malformed),
        (r#"{"choices":[{"delta":{"content":"cut"#, Malformed),
    ];
    for (data, expected) in table {
        check(Dialect::Openai, None, data, expected);
    }
    let usage = r#"{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#;
    let found = openai::classify(None, usage.as_bytes());
    assert_eq!(found.usage, Some(Usage { input: Some(1), output: Some(2), total: Some(3), ..Usage::default() }));
    assert!(openai::classify(None, br#"{"choices":[{"delta":{"reasoning":"x"}}]}"#).reasoning);
}

#[test]
fn chat_errors() {
    let table = [
        (None, r#"{"error":{"message":"m","type":"server_error"}}"#),
        (None, r#"{"error":{"message":"m"},"choices":[{"delta":{"content":""},"finish_reason":"error"}]}"#),
        (None, r#"{"error":"m"}"#),
        (None, r#"{"object":"error","message":"m","code":400}"#),
        (None, r#"{"detail":"m"}"#),
        (Some("error"), r#"{"message":"m"}"#),
        (Some("error"), r#"{"error":{"message":"m"}}"#),
        (Some("error"), r#"{"message":"m","cut"#),
    ];
    for (event, data) in table {
        let found = openai::classify(event.map(str::as_bytes), data.as_bytes());
        assert_eq!(message(&found.kind), "m", "{data}");
    }
}

#[test]
fn responses_events() {
    use super::Content::*;
    use Kind::*;
    let table = [
        ("response.created", r#"{"type":"response.created","response":{"status":"in_progress","output":[],"error":null}}"#, Quiet),
        ("response.in_progress", r#"{"response":{"status":"in_progress"}}"#, Quiet),
        ("response.output_item.added", r#"{"output_index":0,"item":{"type":"message","content":[]}}"#, Quiet),
        ("response.content_part.added", r#"{"part":{"type":"output_text","text":""}}"#, Quiet),
        ("response.output_text.delta", r#"{"delta":"Hel","logprobs":[]}"#, Content(Text)),
        ("response.output_text.delta", r#"{"delta":""}"#, Quiet),
        ("response.output_text.done", r#"{"text":"Hello"}"#, Content(Text)),
        ("response.output_text.annotation.added", r#"{"annotation":{"text":"x"}}"#, Quiet),
        ("response.refusal.delta", r#"{"delta":"I"}"#, Content(Refusal)),
        ("response.function_call_arguments.delta", r#"{"delta":"{"}"#, Content(Tool)),
        ("response.function_call_arguments.done", r#"{"arguments":"{}"}"#, Content(Tool)),
        ("response.reasoning_text.delta", r#"{"delta":"hm"}"#, Quiet),
        ("response.reasoning_summary_text.delta", r#"{"delta":"hm"}"#, Quiet),
        (
            "response.completed",
            r#"{"response":{"status":"completed","output":[{"type":"message","content":[{"text":"x"}]}]}}"#,
            Done(Outcome::Completed),
        ),
        (
            "response.incomplete",
            r#"{"response":{"incomplete_details":{"reason":"max_output_tokens"}}}"#,
            Done(Outcome::Incomplete(Some(json::Finish::Length))),
        ),
        (
            "response.incomplete",
            r#"{"response":{"incomplete_details":{"reason":"content_filter"}}}"#,
            Done(Outcome::Incomplete(Some(json::Finish::ContentFilter))),
        ),
        ("response.incomplete", r#"{"response":{"incomplete_details":null}}"#, Done(Outcome::Incomplete(None))),
        ("keepalive", r#"{"type":"keepalive"}"#, Other),
        ("response.output_text.delta", "{\"delta\":\"cut", Malformed),
        ("", "[DONE]", Done(Outcome::Marker)),
    ];
    for (event, data, expected) in table {
        check(Dialect::Responses, Some(event), data, expected.clone());
        // Without an event line, the type within says the same.
        if !event.is_empty() && expected != Malformed {
            let typed = format!("{{\"type\":\"{event}\",{}", &data[1..]);
            check(Dialect::Responses, None, &typed, expected);
        }
    }
    let found = responses::classify(None, br#"{"type":"response.reasoning_text.delta","delta":"x"}"#);
    assert!(found.reasoning);
    let completed = br#"{"type":"response.completed","response":{"usage":{"input_tokens":1,"output_tokens":2,"total_tokens":3}}}"#;
    assert_eq!(responses::classify(None, completed).usage.unwrap().output, Some(2));
}

#[test]
fn responses_errors() {
    let table = [
        (Some("error"), r#"{"type":"error","code":"c","message":"m","param":null}"#),
        (None, r#"{"type":"error","message":"m"}"#),
        (None, r#"{"error":{"message":"m"}}"#),
        (Some("response.failed"), r#"{"response":{"status":"failed","error":{"code":"c","message":"m"}}}"#),
        (None, r#"{"type":"response.failed","response":{"error":{"message":"m"}}}"#),
    ];
    for (event, data) in table {
        let found = responses::classify(event.map(str::as_bytes), data.as_bytes());
        assert_eq!(message(&found.kind), "m", "{data}");
    }
    // A message with escapes is decoded whole.
    let long = format!(r#"{{"type":"response.failed","response":{{"error":{{"message":"\n{}"}}}}}}"#, "x".repeat(300));
    assert_eq!(message(&responses::classify(None, long.as_bytes()).kind).len(), 301);
}

/// What the gateway says itself, its own readers understand.
#[test]
fn own_words() {
    let mut body = Vec::new();
    openai::error_body(&mut body, "it's \"bad\"\n", "server_error", Some("no_target"), None);
    assert_eq!(
        std::str::from_utf8(&body).unwrap(),
        r#"{"error":{"message":"it's \"bad\"\n","type":"server_error","param":null,"code":"no_target"}}"#
    );
    let mut stream = KEEPALIVE.to_vec();
    openai::error_event(&mut stream, "m", "t", None, Some("p"));
    stream.extend_from_slice(openai::DONE);
    let mut splitter = crate::sse::Splitter::default();
    let mut rest = stream.as_slice();
    let mut found = Vec::new();
    while let Some(cut) = splitter.next(rest).unwrap() {
        found.push((cut.kind, openai::classify(cut.event(&splitter, rest), cut.data(&splitter, rest)).kind));
        rest = &rest[cut.used..];
    }
    assert_eq!(found[0].0, crate::sse::Kind::Comment);
    assert_eq!(message(&found[1].1), "m");
    assert_eq!(found[2].1, Kind::Done(Outcome::Marker));

    let mut event = Vec::new();
    responses::error_event(&mut event, 7, "m", "k", Some("c"), None);
    assert_eq!(
        std::str::from_utf8(&event).unwrap(),
        concat!(
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"k\",\"code\":\"c\",\"message\":\"m\",\"param\":null},",
            "\"code\":\"c\",\"message\":\"m\",\"param\":null,\"sequence_number\":7}\n\n"
        )
    );
    let cut = splitter.next(&event).unwrap().unwrap();
    let kind = responses::classify(cut.event(&splitter, &event), cut.data(&splitter, &event)).kind;
    assert_eq!(message(&kind), "m");
}

/// It has no name yet: an answer that began with it would have none.
#[test]
fn azures_first_event_begins_no_answer() {
    let manner = Manner { seed: 1, created: 0, model: "m".into(), include_usage: false, input_estimate: 0, terms: super::Terms::default() };
    let mut ear = Ear::new(Dialect::Openai, Some((Dialect::Anthropic, manner)));
    let mut out = Vec::new();
    let mut hear = |data: &str| {
        ear.event(None, data.as_bytes(), &mut out);
        String::from_utf8(out.clone()).unwrap()
    };
    let first = r#"{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0}]}"#;
    assert_eq!(hear(first), "");
    let told =
        hear(r#"{"id":"chatcmpl-7","object":"chat.completion.chunk","model":"gpt-x","choices":[{"index":0,"delta":{"content":"Hi"}}]}"#);
    assert!(told.contains("message_start") && told.contains("gpt-x"), "{told}");
}
