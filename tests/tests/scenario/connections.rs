//! Connections of tenants: kept, pipelined, slow, old, and with bodies of every size.

use serde_json::json;
use std::hash::{DefaultHasher, Hash, Hasher};
use tests::testkit::{
    gateway::Gateway,
    policy::Policy,
    provider::{Provider, text_of},
    recorder::Recorder,
    story::Story,
    tenant::{Ask, End, Tenant},
};

fn gateway(provider: &Provider) -> Gateway {
    Gateway::start(&Policy::over(provider).chain("c", &[("primary", "m"), ("backup", "m")], ""))
}

#[test]
fn a_connection_carries_many_requests() {
    let provider = Provider::new();
    let gateway = gateway(&provider);
    let mut tenant = gateway.tenant();
    for round in 0..20 {
        let ask = if round % 2 == 0 { Ask::chat("c") } else { Ask::stream("c") };
        let answer = tenant.ask(&ask);
        assert_eq!((answer.content(), answer.end), (text_of("primary"), End::Complete));
        assert_eq!(answer.head.field("connection"), None);
    }
    assert_eq!(gateway.meter("throwover_downstream_connections_total") as u64, 1);
    let answer = tenant.ask(&Ask::chat("c").with("connection", "close"));
    assert_eq!(answer.head.field("connection"), Some("close"));
    assert!(tenant.closed());
}

#[test]
fn three_requests_at_once_are_answered_in_order() {
    let provider = Provider::new();
    let gateway = gateway(&provider);
    let mut tenant = gateway.tenant();
    let bytes = [Ask::stream("c").bytes(), Ask::get("/v1/models/c").bytes(), Ask::chat("c").bytes()].concat();
    tenant.send(&bytes);
    let first = tenant.answer();
    assert!(first.done() && first.content() == text_of("primary"));
    assert_eq!(tenant.answer().json()["id"], "c");
    let third = tenant.answer();
    assert_eq!((third.json()["object"].as_str(), third.content()), (Some("chat.completion"), text_of("primary")));
    assert_eq!(provider.log_of("m").len(), 2);
}

#[test]
fn a_request_byte_by_byte() {
    let provider = Provider::new();
    let gateway = gateway(&provider);
    let mut tenant = gateway.tenant();
    for byte in Ask::stream("c").bytes() {
        tenant.send(&[byte]);
    }
    Story::of("bytes", tenant.answer(), &provider, "m").answered_by("primary");
}

#[test]
fn expect_continue() {
    let provider = Provider::new();
    let gateway = gateway(&provider);
    let mut tenant = gateway.tenant();
    let ask = Ask::chat("c").with("expect", "100-continue");
    tenant.send(&ask.head());
    assert_eq!(tenant.any_head().unwrap().status, 100);
    tenant.send(ask.body());
    Story::of("continued", tenant.answer(), &provider, "m").answered_by("primary");
    // Whoever is refused is not told to go on.
    let ask = Ask::post("/v1/nothing", &json!({})).with("expect", "100-continue");
    tenant.send(&ask.head());
    assert_eq!(tenant.any_head().unwrap().status, 404);
    // Whoever does not wait is not told either.
    let mut tenant = gateway.tenant();
    tenant.send(&Ask::chat("c").with("expect", "100-continue").bytes());
    Story::of("did not wait", tenant.answer(), &provider, "m").answered_by("primary");
}

/// `body` in chunks of these sizes, over and over, with an extension and a trailer.
fn chunked(body: &[u8], sizes: &[usize]) -> Vec<u8> {
    let mut bytes =
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    let mut rest = body;
    for size in sizes.iter().cycle() {
        let (part, after) = rest.split_at((*size).min(rest.len()));
        bytes.extend_from_slice(format!("{:X};name=\"value\"\r\n", part.len()).as_bytes());
        bytes.extend_from_slice(part);
        bytes.extend_from_slice(b"\r\n");
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    bytes.extend_from_slice(b"0\r\nx-trailer: 1\r\n\r\n");
    bytes
}

#[test]
fn chunked_bodies_arrive_with_a_length() {
    let recorder = Recorder::start(&Recorder::json(r#"{"choices":[{"index":0,"message":{"content":"ok"},"finish_reason":"stop"}]}"#));
    let policy = Policy::new().provider("primary", recorder.address, "auth: none").chain("m", &[("primary", "m")], "");
    let gateway = Gateway::start(&policy);
    let mut tenant = gateway.tenant();
    let body = Ask::chat("m").body().to_vec();
    for sizes in [&[1][..], &[7, 2], &[1000]] {
        tenant.send(&chunked(&body, sizes));
        assert_eq!(tenant.answer().content(), "ok");
    }
    for arrived in recorder.arrived() {
        assert_eq!(arrived.body, body);
        assert_eq!(arrived.field("content-length"), Some(body.len().to_string().as_str()));
        assert_eq!((arrived.field("transfer-encoding"), arrived.field("x-trailer")), (None, None));
    }
    assert_eq!(recorder.arrived().len(), 3);
}

#[test]
fn http_1_0() {
    let provider = Provider::new();
    let gateway = gateway(&provider);
    let old = |ask: &Ask, more: &str| {
        let text = String::from_utf8(ask.bytes()).unwrap();
        text.replacen("HTTP/1.1\r\n", &format!("HTTP/1.0\r\n{more}"), 1).into_bytes()
    };
    let mut tenant = gateway.tenant();
    tenant.send(&old(&Ask::chat("c"), ""));
    let answer = tenant.answer();
    assert_eq!((answer.content(), answer.end, answer.head.field("connection")), (text_of("primary"), End::Complete, Some("close")));
    assert!(tenant.closed());
    let mut tenant = gateway.tenant();
    tenant.send(&old(&Ask::chat("c"), "connection: keep-alive\r\n"));
    assert_eq!(tenant.answer().head.field("connection"), Some("keep-alive"));
    // A stream has no chunks in HTTP/1.0: the end of the connection is its end.
    tenant.send(&old(&Ask::stream("c"), "connection: keep-alive\r\n"));
    let answer = tenant.answer();
    assert_eq!((answer.content(), answer.end, answer.head.field("transfer-encoding")), (text_of("primary"), End::Closed, None));
    assert!(answer.done());
}

fn large(bytes: usize) -> Ask {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    // Not all the same, so that blocks in the wrong order show.
    let mut seed = hasher.finish() | 1;
    let text: String = (0..bytes)
        .map(|_| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            char::from(b'a' + (seed % 26) as u8)
        })
        .collect();
    Ask::post("/v1/chat/completions", &json!({"model": "m", "messages": [{"role": "user", "content": text}]}))
}

/// Every attempt gets the same bytes, however many there are.
#[test]
fn large_bodies_are_replayed_byte_for_byte() {
    let failing = Recorder::start(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n");
    let sound = Recorder::start(&Recorder::json(r#"{"choices":[{"index":0,"message":{"content":"ok"},"finish_reason":"stop"}]}"#));
    let policy = Policy::new().provider("primary", failing.address, "auth: none").provider("backup", sound.address, "auth: none").chain(
        "m",
        &[("primary", "m"), ("backup", "m")],
        "breaker: {consecutive: 1000, min_requests: 1000}",
    );
    let gateway = Gateway::start(&policy);
    let mut tenant = gateway.tenant();
    for (round, bytes) in [100, 15_000, 17_000, 70_000, 1 << 20, 8 << 20].into_iter().enumerate() {
        let ask = large(bytes);
        let answer = tenant.ask(&ask);
        assert_eq!((answer.content().as_str(), answer.head.field("x-throwover-attempts")), ("ok", Some("2")), "{bytes}");
        for recorder in [&failing, &sound] {
            let arrived = recorder.arrived();
            assert_eq!(arrived.len(), round + 1);
            assert!(arrived[round].body == ask.body(), "{bytes} bytes arrived changed");
        }
    }
}

#[test]
fn a_body_beyond_the_limit_is_refused() {
    let provider = Provider::new();
    let policy = Policy::over(&provider).defaults("max_body: 1MiB").chain("m", &[("primary", "m"), ("backup", "m")], "");
    let gateway = Gateway::start(&policy);
    // Told by its length before a byte of it is read, and by its chunks as soon as they are too many.
    let mut tenant = gateway.tenant();
    tenant.send(&large(2 << 20).head());
    let answer = tenant.answer();
    assert_eq!((answer.head.status, answer.head.field("connection")), (413, Some("close")));
    let mut tenant = gateway.tenant();
    tenant.try_send(&chunked(large(2 << 20).body(), &[60_000])).ok();
    assert_eq!(tenant.answer().head.status, 413);
    assert!(provider.log().is_empty());
    Story::of("half", gateway.tenant().ask(&large(1 << 19)), &provider, "m").answered_by("primary");
}

/// Slow heads and bodies are cut off, and others do not notice.
#[test]
fn slow_tenants() {
    let provider = Provider::new();
    let policy = Policy::over(&provider).gateway("head_timeout: 300ms, body_timeout: 300ms, keep_alive: 400ms").chain(
        "c",
        &[("primary", "m"), ("backup", "m")],
        "",
    );
    let gateway = Gateway::start(&policy);
    let mut slow: Vec<Tenant> = (0..20).map(|_| gateway.tenant()).collect();
    for (index, tenant) in slow.iter_mut().enumerate() {
        let bytes = Ask::chat("c").bytes();
        // Nothing, a part of the head, a part of the body.
        tenant.send(&bytes[..[0, 20, bytes.len() - 5][index % 3]]);
    }
    Story::of("another", gateway.tenant().ask(&Ask::chat("c")), &provider, "m").answered_by("primary");
    for (index, tenant) in slow.iter_mut().enumerate() {
        match index % 3 {
            0 => assert!(tenant.closed(), "a connection on which nothing is said is closed"),
            _ => assert_eq!(tenant.answer().head.status, 408),
        }
    }
    let mut idle = gateway.tenant();
    idle.ask(&Ask::chat("c"));
    assert!(idle.closed(), "an idle connection is closed after its time");
}
