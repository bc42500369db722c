//! Whole answers of the wrong kind.

use super::{
    WHOLE,
    caller::{End, World, chat_body, chat_text},
    chat, chat_to_end,
};
use mock::journal::Outcome;

pub(super) fn status(world: &World) {
    world.fault("429;retry_after=7;retry_after_ms=7100");
    let reply = chat(world, true);
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("7")));
    assert_eq!(reply.header("retry-after-ms"), Some("7100"));
    assert_eq!(reply.json()["error"]["code"], "rate_limit_exceeded");
    assert!(reply.header("x-request-id").is_some());
    world.fault("429;retry_after_date=120");
    let date = chat(world, false).header("retry-after").map(str::to_owned).unwrap();
    assert!(date.ends_with(" GMT") && date.len() == 29, "{date}");
    world.fault("429;code=insufficient_quota");
    let reply = chat(world, false);
    assert_eq!((reply.header("retry-after"), reply.status), (None, 429));
    assert_eq!(reply.json()["error"]["type"], "insufficient_quota");
    world.fault("429;code=credit_balance_exhausted");
    assert_eq!(chat(world, false).json()["error"]["type"], "insufficient_quota");
    world.fault("429;code=slow_down");
    assert_eq!(chat(world, false).json()["error"]["type"], "rate_limit_error");
    for status in [400_u16, 401, 402, 403, 404, 500, 502, 503, 504, 529] {
        world.fault(&status.to_string());
        let reply = chat(world, false);
        assert_eq!(reply.status, status);
        assert!(reply.json()["error"]["message"].is_string());
    }
    world.fault("503;shape=empty");
    assert_eq!(chat(world, false).body, b"");
    world.fault("503;shape=string");
    assert!(chat(world, false).json()["error"].is_string());
    world.fault("503;shape=problem");
    assert_eq!(chat(world, false).header("content-type"), Some("application/problem+json"));
}

pub(super) fn html(world: &World) {
    world.fault("html");
    let reply = chat(world, true);
    assert_eq!((reply.status, reply.header("content-type")), (502, Some("text/html")));
    assert!(reply.text().starts_with("<html>"));
}

pub(super) fn redirect(world: &World) {
    world.fault("redirect;location=http://elsewhere.invalid/");
    let reply = chat(world, false);
    assert_eq!((reply.status, reply.header("location")), (307, Some("http://elsewhere.invalid/")));
}

pub(super) fn garbage(world: &World) {
    world.fault("garbage;bytes=64");
    let (bytes, end) = chat_to_end(world, false);
    assert_eq!((bytes.len(), end), (64, End::Clean));
    assert!(bytes.iter().all(|byte| !byte.is_ascii()));
}

pub(super) fn error_in_200(world: &World) {
    world.fault("error-in-200");
    let reply = chat(world, true);
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    assert_eq!(reply.json()["error"]["code"], "server_error");
}

pub(super) fn error_event(world: &World) {
    world.fault("error-event;events=4;code=overloaded");
    let data = chat(world, true).data();
    assert_eq!(chat_text(&data), "a says: w0");
    assert_eq!(data.len(), 5);
    assert!(data[4].contains("\"code\":\"overloaded\""), "{}", data[4]);
    let body = serde_json::json!({"model": "m", "input": "hi", "stream": true});
    let text = world.call().ask("/v1/responses", &body).text();
    assert!(text.ends_with("}\n\n") && text.contains("event: error\ndata: "), "{text}");
}

pub(super) fn error_before_content(world: &World) {
    world.fault("error-before-content");
    let data = chat(world, true).data();
    assert_eq!(data.len(), 2);
    assert!(data[0].contains("\"role\":\"assistant\"") && data[1].contains("\"error\""));
}

pub(super) fn empty_choices(world: &World) {
    world.fault("empty-choices");
    assert_eq!(chat(world, false).json()["choices"], serde_json::json!([]));
    let data = chat(world, true).data();
    assert_eq!(chat_text(&data), "");
    assert_eq!(data.last().unwrap(), "[DONE]");
}

pub(super) fn truncated_json(world: &World) {
    world.fault("truncated-json;bytes=3");
    let reply = chat(world, false);
    assert_eq!(reply.status, 200);
    assert!(serde_json::from_slice::<serde_json::Value>(&reply.body).is_err());
    let data = chat(world, true).data();
    let sound = |data: &&String| serde_json::from_str::<serde_json::Value>(data).is_ok();
    assert_eq!(data.iter().filter(|data| *data != "[DONE]" && !sound(data)).count(), 1);
    assert!(sound(&&data[0]) && !sound(&&data[1]), "{data:?}");
}

pub(super) fn empty_body(world: &World) {
    world.fault("empty-body");
    for (stream, kind) in [(false, "application/json"), (true, "text/event-stream; charset=utf-8")] {
        let reply = chat(world, stream);
        assert_eq!((reply.status, reply.header("content-type"), reply.body.len()), (200, Some(kind), 0));
    }
}

pub(super) fn encoded(world: &World) {
    world.fault("encoded");
    let reply = chat(world, false);
    assert_eq!((reply.status, reply.header("content-encoding")), (200, Some("gzip")));
    assert_eq!(reply.json()["choices"][0]["message"]["content"], WHOLE);
}

pub(super) fn wrong_type(world: &World) {
    world.fault("wrong-type");
    let reply = chat(world, true);
    assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(chat_text(&reply.data()), WHOLE);
}

pub(super) fn no_terminal(world: &World) {
    world.fault("no-terminal");
    let text = chat(world, true).text();
    assert!(text.contains(" w7") && !text.contains("[DONE]") && !text.contains("\"stop\""));
    world.fault("no-terminal;keep_finish=yes");
    let text = chat(world, true).text();
    assert!(text.contains("\"stop\"") && !text.contains("[DONE]"));
    world.fault("no-terminal;events=3");
    assert_eq!(chat(world, true).data().len(), 3);
}

pub(super) fn huge_event(world: &World) {
    for stream in [true, false] {
        world.fault("huge-event;bytes=3000000");
        let reply = chat(world, stream);
        assert!(reply.body.len() > 3_000_000);
        let document = if stream { reply.data()[2].clone() } else { reply.text() };
        serde_json::from_str::<serde_json::Value>(&document).expect("huge, but JSON");
    }
}

pub(super) fn endless(world: &World) {
    world.fault("endless");
    let mut caller = world.call();
    caller.chat(true);
    caller.read_until(|bytes| bytes.len() > 1_000_000).unwrap();
    drop(caller);
    let entry = world.settled();
    assert_eq!(entry.outcome, Outcome::HungUp);
    assert!(entry.sent_bytes > 900_000);
}

pub(super) fn finish(world: &World) {
    world.fault("finish");
    assert_eq!(chat(world, false).json()["choices"][0]["finish_reason"], "content_filter");
    assert!(chat(world, true).text().contains("\"finish_reason\":\"content_filter\""));
    let body = serde_json::json!({"model": "m", "input": "hi", "stream": true});
    let text = world.call().ask("/v1/responses", &body).text();
    assert!(text.contains("event: response.incomplete\n"), "{text}");
    world.fault("finish;reason=error;content=drop");
    let choice = &chat(world, false).json()["choices"][0];
    assert_eq!((&choice["message"]["content"], &choice["finish_reason"]), (&serde_json::json!(""), &serde_json::json!("error")));
    let data = chat(world, true).data();
    assert_eq!(chat_text(&data), "");
    assert!(data.iter().any(|data| data.contains("\"finish_reason\":\"error\"")), "{data:?}");
}

pub(super) fn refusal(world: &World) {
    world.fault("refusal");
    let message = &chat(world, false).json()["choices"][0]["message"];
    assert!(message["content"].is_null() && message["refusal"].is_string());
    let text = chat(world, true).text();
    assert!(text.contains("\"delta\":{\"refusal\":\"sorry, \"}"), "{text}");
    let body = serde_json::json!({"model": "m", "input": "hi", "stream": true});
    let text = world.call().ask("/v1/responses", &body).text();
    assert!(text.contains("event: response.refusal.delta\n"), "{text}");
}

pub(super) fn prose(world: &World) {
    let body =
        serde_json::json!({"model": "m", "response_format": {"type": "json_object"}, "messages": [{"role": "user", "content": "json"}]});
    let content = |world: &World| {
        let answer = world.call().ask("/v1/chat/completions", &body).json();
        answer["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
    };
    assert!(serde_json::from_str::<serde_json::Value>(&content(world)).is_ok());
    world.fault("prose");
    assert!(serde_json::from_str::<serde_json::Value>(&content(world)).is_err());
}

pub(super) fn wrong_schema(world: &World) {
    let schema =
        serde_json::json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false});
    let format = serde_json::json!({"type": "json_schema", "json_schema": {"name": "s", "strict": true, "schema": schema}});
    let body = serde_json::json!({"model": "m", "response_format": format, "messages": [{"role": "user", "content": "json"}]});
    let content = |world: &World| {
        let answer = world.call().ask("/v1/chat/completions", &body).json();
        serde_json::from_str::<serde_json::Value>(answer["choices"][0]["message"]["content"].as_str().unwrap()).unwrap()
    };
    let tool = serde_json::json!({"type": "function", "function": {"name": "f", "strict": true, "parameters": schema}});
    let asking = serde_json::json!({"model": "m", "tools": [tool], "messages": [{"role": "user", "content": "mock:call"}]});
    let arguments = |world: &World| {
        let answer = world.call().ask("/v1/chat/completions", &asking).json();
        let call = &answer["choices"][0]["message"]["tool_calls"][0]["function"];
        serde_json::from_str::<serde_json::Value>(call["arguments"].as_str().unwrap()).unwrap()
    };
    assert!(content(world)["a"].is_string() && arguments(world)["a"].is_string());
    world.fault("wrong-schema");
    assert!(content(world)["a"].is_null() && arguments(world)["a"].is_null());
}

pub(super) fn no_usage(world: &World) {
    world.fault("no-usage");
    assert!(chat(world, false).json().get("usage").is_none());
    let mut body = chat_body("gpt-4o", true);
    body["stream_options"] = serde_json::json!({"include_usage": true});
    let text = world.call().ask("/v1/chat/completions", &body).text();
    assert!(!text.contains("usage") && text.contains("[DONE]"));
}

pub(super) fn comments(world: &World) {
    world.fault("comments;text=OPENROUTER PROCESSING");
    let reply = chat(world, true);
    let comments = reply.text().matches(": OPENROUTER PROCESSING\n\n").count();
    assert_eq!(comments, reply.data().len());
    assert_eq!(chat_text(&reply.data()), WHOLE);
}

pub(super) fn crlf(world: &World) {
    world.fault("crlf");
    let text = chat(world, true).text();
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
    assert!(text.ends_with("data: [DONE]\r\n\r\n"));
}

pub(super) fn limits(world: &World) {
    let told = |fault: &str, fields: &[(&str, &str)]| {
        world.fault(fault);
        let reply = chat(world, true);
        assert_eq!(reply.status, 200);
        for (name, value) in fields {
            assert_eq!(reply.header(name), (!value.is_empty()).then_some(*value), "{fault}: {name}");
        }
    };
    told(
        "limits",
        &[("x-ratelimit-limit-requests", "100"), ("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "1m0s")],
    );
    told("limits", &[("x-ratelimit-remaining-tokens", "100"), ("x-ratelimit-reset-tokens", "0ms")]);
    told(
        "limits;form=groq;of=tokens;remaining=7;reset_ms=90500",
        &[("x-ratelimit-remaining-tokens", "7"), ("x-ratelimit-reset-tokens", "1m30.5s")],
    );
    told("limits;form=cerebras;reset_ms=2500", &[("x-ratelimit-reset-requests-day", "2.5"), ("x-ratelimit-reset-requests", "")]);
    told("limits;form=mistral", &[("x-ratelimit-remaining-req-minute", "0"), ("x-ratelimit-remaining-tokens-minute", "100")]);
    told("limits;form=moonshot;reset_ms=1500", &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "2")]);
    told("limits;form=none", &[("x-ratelimit-remaining-requests", ""), ("x-ratelimit-limit-tokens", "")]);
    world.fault("limits;form=anthropic");
    let reset = chat(world, true).header("anthropic-ratelimit-requests-reset").map(str::to_owned).unwrap();
    assert!(reset.starts_with("20") && reset.ends_with('Z'), "{reset}");
}
