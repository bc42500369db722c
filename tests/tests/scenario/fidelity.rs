//! What is asked goes on as it came, byte for byte, but for the model's name and the wish to be told
//! the usage; the head is written from scratch.

use serde_json::{Value, json};
use tests::testkit::{
    gateway::Gateway,
    policy::Policy,
    provider::{Provider, text_of},
    recorder::Recorder,
    tenant::Ask,
};

const ANSWER: &str = r#"{"choices":[{"index":0,"message":{"content":"ok"},"finish_reason":"stop"}]}"#;
const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 0\r\n\r\n";

fn recorded(answer: &[u8]) -> (Recorder, Gateway) {
    let recorder = Recorder::start(answer);
    let policy = Policy::new()
        .provider("primary", recorder.address, "keys: [\"sk-of-the-operator-1234\"], headers: {x-team: support}")
        .chain("chain", &[("primary", "the-\\\"real\\\"-name")], "retry: {max_attempts: 1}");
    let gateway = Gateway::start(&policy);
    (recorder, gateway)
}

#[test]
fn a_body_goes_on_byte_for_byte() {
    let (recorder, gateway) = recorded(&Recorder::json(ANSWER));
    let mut tenant = gateway.tenant();
    // Odd spacing, numbers that no parser keeps, escapes, members of the future, and the model last.
    let bodies = [
        " {\"temperature\" : 1.00e0,\n\t\"big\":123456789012345678901234567890, \"messages\":[{\"role\":\"user\",\"content\":\"\\u00e4 \\ud83d\\ude00 \\/\"}], \"new\":{\"model\":\"chain\"}, \"model\" :\t\"chain\"}\n",
        "{\"model\":\"chain\",\"messages\":[],\"stream\":false,\"stream_options\":null}",
        "{\"model\":\"ch\\u0061in\",\"messages\":[{\"content\":\"\u{e4}\u{1f600}\"}]}",
    ];
    for (index, body) in bodies.iter().enumerate() {
        assert_eq!(tenant.ask(&Ask::raw("/v1/chat/completions", body.as_bytes())).content(), "ok");
        let arrived = recorder.arrived().remove(index);
        let (from, to) = [
            ("\t\"chain\"}", "\t\"the-\\\"real\\\"-name\"}"),
            ("\"chain\"", "\"the-\\\"real\\\"-name\""),
            ("\"ch\\u0061in\"", "\"the-\\\"real\\\"-name\""),
        ][index];
        assert_eq!(String::from_utf8_lossy(&arrived.body), body.replacen(from, to, 1));
    }
}

#[test]
fn the_head_is_written_from_scratch() {
    let (recorder, gateway) = recorded(&Recorder::json(ANSWER));
    let ask = Ask::chat("chain")
        .key("sk-of-the-tenant")
        .with("x-api-key", "sk-too")
        .with("openai-organization", "org-of-the-tenant")
        .with("idempotency-key", "k")
        .with("user-agent", "somebody/1")
        .with("accept-encoding", "gzip, br")
        .with("cookie", "a=b")
        .with("x-forwarded-for", "1.2.3.4")
        .with("x-stainless-lang", "python")
        .with("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .with("openai-beta", "assistants=v2");
    gateway.tenant().ask(&ask);
    let arrived = recorder.only();
    let mut names = arrived.names();
    names.sort_unstable();
    let expected = [
        "accept",
        "accept-encoding",
        "authorization",
        "content-length",
        "content-type",
        "host",
        "openai-beta",
        "traceparent",
        "user-agent",
        "x-team",
    ];
    assert_eq!(names, expected);
    assert_eq!(arrived.field("authorization"), Some("Bearer sk-of-the-operator-1234"));
    assert_eq!(arrived.field("accept-encoding"), Some("identity"));
    assert_eq!((arrived.field("host"), arrived.field("x-team")), (Some(recorder.address.to_string().as_str()), Some("support")));
    assert!(arrived.head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{}", arrived.head);
}

/// Streams are always counted; a tenant that did not ask for the count does not see it.
#[test]
fn usage_of_streams() {
    let (recorder, gateway) = recorded(STREAM.as_bytes());
    let cases = [
        (r#"{"model":"chain","stream":true}"#, r#"{"include_usage":true}"#),
        (r#"{"model":"chain","stream":true,"stream_options":null}"#, r#"{"include_usage":true}"#),
        (r#"{"model":"chain","stream":true,"stream_options":{"include_usage":false,"x":1}}"#, r#"{"include_usage":true,"x":1}"#),
        (r#"{"model":"chain","stream":true,"stream_options":{"include_usage":true}}"#, r#"{"include_usage":true}"#),
    ];
    for (index, (body, options)) in cases.iter().enumerate() {
        gateway.tenant().ask(&Ask::raw("/v1/chat/completions", body.as_bytes()));
        let arrived: Value = serde_json::from_slice(&recorder.arrived().pop().unwrap().body).unwrap();
        assert_eq!(arrived["stream_options"], serde_json::from_str::<Value>(options).unwrap(), "case {index}");
        assert_eq!((&arrived["model"], &arrived["stream"]), (&json!("the-\"real\"-name"), &json!(true)));
    }
    drop(gateway);
    let provider = Provider::new();
    let gateway = Gateway::start(&Policy::over(&provider).chain("c", &[("primary", "m"), ("backup", "m")], ""));
    let ask = |usage: bool| {
        let mut body = json!({"model": "c", "stream": true, "messages": [{"role": "user", "content": "hi"}]});
        if usage {
            body["stream_options"] = json!({"include_usage": true});
        }
        gateway.tenant().ask(&Ask::post("/v1/chat/completions", &body))
    };
    let counted =
        |answer: &tests::testkit::tenant::Answer| answer.events().iter().any(|event| event.data.contains("\"completion_tokens\":"));
    let (with, without) = (ask(true), ask(false));
    assert!(counted(&with) && !counted(&without), "{}\n{}", with.text(), without.text());
    assert_eq!((with.content(), without.content()), (text_of("primary"), text_of("primary")));
    for answer in [with, without] {
        let record = gateway.record(answer.head.field("x-request-id").unwrap());
        assert!(record["tokens_out"].as_u64().unwrap() > 0, "{record}");
    }
}

/// Every surface, as JSON and as a stream.
#[test]
fn every_surface() {
    let provider = Provider::new();
    let gateway = Gateway::start(&Policy::over(&provider).chain("c", &[("primary", "m"), ("backup", "m")], ""));
    let mut tenant = gateway.tenant();
    for fault in ["", "503"] {
        provider.fault("primary", fault);
        let by = if fault.is_empty() { "primary" } else { "backup" };
        for (path, body) in [
            ("/v1/chat/completions", json!({"model": "c", "messages": [{"role": "user", "content": "hi"}]})),
            ("/v1/completions", json!({"model": "c", "prompt": "hi"})),
            ("/v1/responses", json!({"model": "c", "input": "hi"})),
            ("/chat/completions", json!({"model": "c", "messages": [{"role": "user", "content": "hi"}]})),
        ] {
            for stream in [false, true] {
                let mut body = body.clone();
                body["stream"] = json!(stream);
                let answer = tenant.ask(&Ask::post(path, &body));
                assert_eq!((answer.head.status, answer.content()), (200, text_of(by)), "{path} {stream}: {}", answer.text());
                assert_eq!((answer.done(), answer.head.field("x-throwover-provider")), (stream, Some(by)), "{path} {stream}");
            }
        }
        let answer = tenant.ask(&Ask::post("/v1/embeddings", &json!({"model": "c", "input": ["a", "b"]})));
        assert_eq!(answer.json()["data"].as_array().map(Vec::len), Some(2), "{}", answer.text());
        assert_eq!(answer.head.field("x-throwover-provider"), Some(by));
    }
}

/// Tools are streamed whole, argument by argument, and a tool call is content: it commits.
#[test]
fn tool_calls() {
    let provider = Provider::new();
    let gateway = Gateway::start(&Policy::over(&provider).chain("c", &[("primary", "m"), ("backup", "m")], ""));
    let tool = json!({"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}}});
    let body =
        json!({"model": "c", "stream": true, "messages": [{"role": "user", "content": "hi"}], "tools": [tool], "tool_choice": "required"});
    let ask = Ask::post("/v1/chat/completions", &body);
    let arguments = |answer: &tests::testkit::tenant::Answer| -> String {
        let deltas = answer.events().into_iter().filter_map(|event| serde_json::from_str::<Value>(&event.data).ok());
        deltas.filter_map(|delta| Some(delta.pointer("/choices/0/delta/tool_calls/0/function/arguments")?.as_str()?.to_owned())).collect()
    };
    let answer = gateway.tenant().ask(&ask);
    let whole = arguments(&answer);
    assert!(answer.done() && serde_json::from_str::<Value>(&whole).is_ok_and(|value| value["city"].is_string()), "{}", answer.text());
    provider.fault("primary", "cut;events=3");
    let answer = gateway.tenant().ask(&ask);
    assert!(!answer.done() && answer.error_event().is_some() && whole.starts_with(&arguments(&answer)), "{}", answer.text());
}
