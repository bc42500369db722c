//! Every kind of fault, seen from the other end of a real socket.

// The checks are called by a test without being tests themselves, which the lint cannot see.
#![allow(clippy::unwrap_used)]

mod caller;

use caller::{Caller, End, Reply, World, chat_body, chat_text, count, find};
use mock::fault::KINDS;
use mock::journal::Outcome;

/// The text of a well provider `a` with eight words.
const WHOLE: &str = "a says: w0 w1 w2 w3 w4 w5 w6 w7";

/// Breaks a provider and looks from outside.
type Check = fn(&World);

/// One observation for every kind.
const CHECKS: &[(&str, Check)] = &[
    ("refuse", refuse),
    ("close-on-accept", close_on_accept),
    ("reset-on-accept", reset_on_accept),
    ("never-read", never_read),
    ("tls-stall", tls_stall),
    ("latency", latency),
    ("pace", pace),
    ("drip", drip),
    ("split", split),
    ("status", status),
    ("html", html),
    ("redirect", redirect),
    ("garbage", garbage),
    ("stall-before-head", stall_before_head),
    ("stall-after-head", stall_after_head),
    ("stall", stall),
    ("cut-before-head", cut_before_head),
    ("reset-before-head", reset_before_head),
    ("cut", cut),
    ("reset", reset),
    ("bad-chunk", bad_chunk),
    ("length-long", length_long),
    ("length-short", length_short),
    ("length-and-chunked", length_and_chunked),
    ("length-twice", length_twice),
    ("huge-head", huge_head),
    ("informational-flood", informational_flood),
    ("error-in-200", error_in_200),
    ("error-event", error_event),
    ("error-before-content", error_before_content),
    ("empty-choices", empty_choices),
    ("truncated-json", truncated_json),
    ("wrong-type", wrong_type),
    ("no-terminal", no_terminal),
    ("huge-event", huge_event),
    ("endless", endless),
    ("finish", finish),
    ("refusal", refusal),
    ("no-usage", no_usage),
    ("comments", comments),
    ("crlf", crlf),
    ("close-after", close_after),
    ("idle-close", idle_close),
];

#[test]
fn every_kind_is_observable_on_the_wire() {
    let checked: Vec<&str> = CHECKS.iter().map(|(name, _)| *name).collect();
    let known: Vec<&str> = KINDS.iter().map(|row| row.name).collect();
    assert_eq!(checked, known, "each kind has its check, in the order of the table");
    let world = World::new();
    for (name, check) in CHECKS {
        println!("{name}");
        check(&world);
        world.admin.reset().unwrap();
        // After each fault the provider is well again: nothing leaks into the next.
        let reply = chat(&world, false);
        assert_eq!(reply.json()["choices"][0]["message"]["content"], WHOLE, "after {name}");
        world.admin.reset().unwrap();
    }
}

fn chat(world: &World, stream: bool) -> Reply {
    let mut caller = world.call();
    caller.chat(stream);
    caller.reply()
}

fn chat_to_end(world: &World, stream: bool) -> (Vec<u8>, End) {
    let mut caller = world.call();
    caller.chat(stream);
    caller.rest()
}

fn refuse(world: &World) {
    let mut open = world.call();
    world.fault("refuse");
    let refused = std::net::TcpStream::connect(world.address()).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    open.chat(false);
    assert_eq!(open.reply().status, 200, "open connections are kept unless asked otherwise");
    world.fault("refuse;existing=reset");
    world.heal();
    assert_eq!(chat(world, false).status, 200, "the same port listens again");
    let mut open = world.call();
    open.chat(false);
    assert_eq!(open.reply().status, 200);
    world.fault("refuse;existing=reset");
    assert_eq!(open.rest().1, End::Reset);
}

fn close_on_accept(world: &World) {
    world.fault("close-on-accept");
    assert_eq!(world.call().rest(), (Vec::new(), End::Clean));
}

fn reset_on_accept(world: &World) {
    world.fault("reset-on-accept;count=1");
    // The reset may be quicker than the look at whether the connection stands.
    match std::net::TcpStream::connect(world.address()) {
        Ok(mut tcp) => {
            let ended = std::io::Read::read(&mut tcp, &mut [0]).unwrap_err();
            assert_eq!(ended.kind(), std::io::ErrorKind::ConnectionReset);
        }
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    assert_eq!(chat(world, false).status, 200, "it was to happen once");
}

fn never_read(world: &World) {
    world.fault("never-read");
    let mut caller = world.call();
    caller.chat(false);
    world.until("accepted", |world| (world.counter("accepted") > 0).then_some(()));
    drop(caller);
    world.until("the hang-up is seen", |world| (world.counter("open") == 0).then_some(()));
    assert_eq!(world.counter("requests"), 0);
}

fn tls_stall(world: &World) {
    world.fault("tls-stall");
    assert_eq!(chat(world, false).status, 200, "plain connections are left alone");
    let mut session = {
        let name = "localhost".try_into().unwrap();
        rustls::ClientConnection::new(world.trust(), name).unwrap()
    };
    let mut tcp = caller::connect(world.tls_address());
    session.write_tls(&mut tcp).unwrap();
    world.until("it struck", |world| (world.counter("faults_struck") == 1).then_some(()));
    drop(tcp);
    world.until("the hang-up is seen", |world| (world.counter("open") == 0).then_some(()));
    assert_eq!(world.counter("handshakes_full") + world.counter("handshakes_failed"), 0);
}

fn latency(world: &World) {
    world.fault("latency;ms=40");
    assert_eq!(chat(world, false).status, 200);
    let entry = world.settled();
    assert!(entry.ended_ms.unwrap() - entry.at_ms >= 40, "{entry:?}");
}

fn pace(world: &World) {
    world.fault("pace;gap_ms=4");
    assert_eq!(chat_text(&chat(world, true).data()), WHOLE);
    let entry = world.settled();
    // Twelve gaps: role, ten pieces, finish, marker.
    assert!(entry.ended_ms.unwrap() - entry.at_ms >= 48, "{entry:?}");
}

fn drip(world: &World) {
    world.fault("drip;ms=1;count=1");
    let mut caller = world.call();
    caller.request("GET", "/v1/models/gpt-4o", "", "");
    assert_eq!(caller.reply().json()["id"], "gpt-4o");
    let entry = world.settled();
    // The head drips as well.
    assert!(entry.ended_ms.unwrap() - entry.at_ms >= entry.sent_bytes, "{entry:?}");
}

/// Every write of a TLS connection is a record of its own, so records show what TCP would join.
fn split(world: &World) {
    use std::io::{Read, Write};
    world.fault("split");
    let name = "localhost".try_into().unwrap();
    let mut session = rustls::ClientConnection::new(world.trust(), name).unwrap();
    let mut tcp = caller::connect(world.tls_address());
    while session.is_handshaking() {
        session.complete_io(&mut tcp).unwrap();
    }
    let request = "GET /v1/models/x HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    session.writer().write_all(request.as_bytes()).unwrap();
    session.complete_io(&mut tcp).unwrap();
    let mut raw = Vec::new();
    tcp.read_to_end(&mut raw).unwrap();
    let (mut sizes, mut rest) = (Vec::new(), raw.as_slice());
    while let [23, _, _, high, low, ..] = rest {
        let size = usize::from(*high) * 256 + usize::from(*low);
        sizes.push(size);
        rest = &rest[5 + size..];
    }
    // TLS 1.3: one byte of content, one of type, sixteen of tag.
    let single = sizes.iter().filter(|size| **size == 18).count();
    assert!(single > 300, "a head alone is more than 300 bytes: {sizes:?}");
}

fn status(world: &World) {
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

fn html(world: &World) {
    world.fault("html");
    let reply = chat(world, true);
    assert_eq!((reply.status, reply.header("content-type")), (502, Some("text/html")));
    assert!(reply.text().starts_with("<html>"));
}

fn redirect(world: &World) {
    world.fault("redirect;location=http://elsewhere.invalid/");
    let reply = chat(world, false);
    assert_eq!((reply.status, reply.header("location")), (307, Some("http://elsewhere.invalid/")));
}

fn garbage(world: &World) {
    world.fault("garbage;bytes=64");
    let (bytes, end) = chat_to_end(world, false);
    assert_eq!((bytes.len(), end), (64, End::Clean));
    assert!(bytes.iter().all(|byte| !byte.is_ascii()));
}

/// Hangs up on a stalled answer and checks that the provider saw it, and how far it had come.
fn hang_up_on_stall(world: &World, mut caller: Caller, seen: &[u8], events: u64) {
    world.until("the request has arrived", |world| world.log().pop());
    caller.read_until(|bytes| find(bytes, seen).is_some()).unwrap();
    drop(caller);
    let entry = world.settled();
    assert_eq!((entry.outcome, entry.hung_up), (Outcome::HungUp, true), "{entry:?}");
    assert_eq!(entry.sent_events, events, "{entry:?}");
    assert_eq!(world.counter("hang_ups"), 1);
}

fn stall_before_head(world: &World) {
    world.fault("stall-before-head");
    let mut caller = world.call();
    caller.chat(false);
    hang_up_on_stall(world, caller, b"", 0);
    world.admin.reset().unwrap();
    world.fault("stall-before-head;ms=1");
    assert_eq!(chat_to_end(world, false), (Vec::new(), End::Clean));
}

fn stall_after_head(world: &World) {
    world.fault("stall-after-head");
    let mut caller = world.call();
    caller.chat(true);
    hang_up_on_stall(world, caller, b"\r\n\r\n", 0);
}

fn stall(world: &World) {
    world.fault("stall;events=4");
    let mut caller = world.call();
    caller.chat(true);
    hang_up_on_stall(world, caller, b" w0", 4);
    world.admin.reset().unwrap();
    world.fault("stall;bytes=10;ms=1");
    let reply = chat(world, false);
    assert_eq!(reply.json()["choices"][0]["message"]["content"], WHOLE, "it went on");
}

fn cut_before_head(world: &World) {
    world.fault("cut-before-head");
    assert_eq!(chat_to_end(world, false), (Vec::new(), End::Clean));
    let mut caller = world.call_tls();
    caller.chat(false);
    assert_eq!(caller.rest(), (Vec::new(), End::Truncated));
}

fn reset_before_head(world: &World) {
    world.fault("reset-before-head");
    assert_eq!(chat_to_end(world, false), (Vec::new(), End::Reset));
}

fn cut(world: &World) {
    world.fault("cut;events=3");
    let (bytes, end) = chat_to_end(world, true);
    assert_eq!((count(&bytes, b"data: "), end), (3, End::Clean));
    assert!(!bytes.ends_with(b"0\r\n\r\n"), "the chunked coding has no end");
    world.fault("cut;bytes=100");
    let (bytes, _) = chat_to_end(world, false);
    let head = find(&bytes, b"\r\n\r\n").unwrap() + 4;
    assert_eq!(bytes.len() - head, 100);
    for (written, expected) in [("cut", End::Truncated), ("cut;notify=yes", End::Clean)] {
        world.fault(written);
        let mut caller = world.call_tls();
        caller.chat(true);
        let (bytes, end) = caller.rest();
        assert_eq!(end, expected, "{written}");
        assert!(count(&bytes, b"data: ") > 3, "half of the body came");
    }
}

fn reset(world: &World) {
    world.fault("reset;events=2;match=stream");
    let mut caller = world.call();
    caller.chat(true);
    caller.read_until(|bytes| count(bytes, b"data: ") == 2).unwrap();
    assert_eq!(caller.rest().1, End::Reset);
    assert_eq!(chat(world, false).status, 200, "only streams were to break");
    assert_eq!(world.settled().outcome, Outcome::Complete);
    assert_eq!(world.log()[0].outcome, Outcome::Broken);
    world.fault("reset;bytes=0");
    let mut caller = world.call();
    caller.chat(false);
    assert_eq!(caller.rest().1, End::Reset);
}

fn bad_chunk(world: &World) {
    for stream in [true, false] {
        world.fault("bad-chunk;events=2");
        let mut caller = world.call();
        caller.chat(stream);
        let wrong = caller.try_reply().unwrap_err();
        assert!(wrong.contains("bad chunk `zz!`"), "{wrong}");
    }
}

fn length_long(world: &World) {
    for stream in [true, false] {
        world.fault("length-long;bytes=5");
        let (bytes, end) = chat_to_end(world, stream);
        let (promised, sent) = promised_and_sent(&bytes);
        assert_eq!((promised, end), (sent + 5, End::Clean));
    }
}

fn length_short(world: &World) {
    world.fault("length-short;bytes=5");
    let mut caller = world.call();
    caller.chat_with("connection: close\r\n", false);
    let (bytes, _) = caller.rest();
    let (promised, sent) = promised_and_sent(&bytes);
    assert_eq!(promised + 5, sent);
}

fn promised_and_sent(bytes: &[u8]) -> (usize, usize) {
    let head = find(bytes, b"\r\n\r\n").unwrap() + 4;
    let (_, headers) = caller::parse_head(&bytes[..head]);
    let length = headers.iter().find(|(name, _)| name == "content-length").unwrap();
    (length.1.parse().unwrap(), bytes.len() - head)
}

fn length_and_chunked(world: &World) {
    world.fault("length-and-chunked");
    let reply = chat(world, false);
    assert_eq!(reply.header("transfer-encoding"), Some("chunked"));
    assert_eq!(reply.header("content-length"), Some(reply.body.len().to_string().as_str()));
}

fn length_twice(world: &World) {
    world.fault("length-twice");
    let reply = chat(world, false);
    let lengths: Vec<_> = reply.headers.iter().filter(|(n, _)| n == "content-length").collect();
    assert_eq!(lengths.len(), 2);
    assert_ne!(lengths[0].1, lengths[1].1);
}

fn huge_head(world: &World) {
    world.fault("huge-head;bytes=200000");
    let reply = chat(world, false);
    let size: usize = reply.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    assert!(size >= 200_000, "{size}");
    assert_eq!(reply.status, 200);
}

fn informational_flood(world: &World) {
    world.fault("informational-flood;heads=50");
    let mut caller = world.call();
    caller.chat(false);
    for _ in 0..50 {
        assert_eq!(caller.reply().status, 103);
    }
    assert_eq!(caller.reply().status, 200);
}

fn error_in_200(world: &World) {
    world.fault("error-in-200");
    let reply = chat(world, true);
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    assert_eq!(reply.json()["error"]["code"], "server_error");
}

fn error_event(world: &World) {
    world.fault("error-event;events=4;code=overloaded");
    let data = chat(world, true).data();
    assert_eq!(chat_text(&data), "a says: w0");
    assert_eq!(data.len(), 5);
    assert!(data[4].contains("\"code\":\"overloaded\""), "{}", data[4]);
    let body = serde_json::json!({"model": "m", "input": "hi", "stream": true});
    let text = world.call().ask("/v1/responses", &body).text();
    assert!(text.ends_with("}\n\n") && text.contains("event: error\ndata: "), "{text}");
}

fn error_before_content(world: &World) {
    world.fault("error-before-content");
    let data = chat(world, true).data();
    assert_eq!(data.len(), 2);
    assert!(data[0].contains("\"role\":\"assistant\"") && data[1].contains("\"error\""));
}

fn empty_choices(world: &World) {
    world.fault("empty-choices");
    assert_eq!(chat(world, false).json()["choices"], serde_json::json!([]));
    let data = chat(world, true).data();
    assert_eq!(chat_text(&data), "");
    assert_eq!(data.last().unwrap(), "[DONE]");
}

fn truncated_json(world: &World) {
    world.fault("truncated-json;bytes=3");
    let reply = chat(world, false);
    assert_eq!(reply.status, 200);
    assert!(serde_json::from_slice::<serde_json::Value>(&reply.body).is_err());
}

fn wrong_type(world: &World) {
    world.fault("wrong-type");
    let reply = chat(world, true);
    assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(chat_text(&reply.data()), WHOLE);
}

fn no_terminal(world: &World) {
    world.fault("no-terminal");
    let text = chat(world, true).text();
    assert!(text.contains(" w7") && !text.contains("[DONE]") && !text.contains("\"stop\""));
    world.fault("no-terminal;keep_finish=yes");
    let text = chat(world, true).text();
    assert!(text.contains("\"stop\"") && !text.contains("[DONE]"));
    world.fault("no-terminal;events=3");
    assert_eq!(chat(world, true).data().len(), 3);
}

fn huge_event(world: &World) {
    for stream in [true, false] {
        world.fault("huge-event;bytes=3000000");
        let reply = chat(world, stream);
        assert!(reply.body.len() > 3_000_000);
        let document = if stream { reply.data()[2].clone() } else { reply.text() };
        serde_json::from_str::<serde_json::Value>(&document).expect("huge, but JSON");
    }
}

fn endless(world: &World) {
    world.fault("endless");
    let mut caller = world.call();
    caller.chat(true);
    caller.read_until(|bytes| bytes.len() > 1_000_000).unwrap();
    drop(caller);
    let entry = world.settled();
    assert_eq!(entry.outcome, Outcome::HungUp);
    assert!(entry.sent_bytes > 900_000);
}

fn finish(world: &World) {
    world.fault("finish");
    assert_eq!(chat(world, false).json()["choices"][0]["finish_reason"], "content_filter");
    assert!(chat(world, true).text().contains("\"finish_reason\":\"content_filter\""));
    let body = serde_json::json!({"model": "m", "input": "hi", "stream": true});
    let text = world.call().ask("/v1/responses", &body).text();
    assert!(text.contains("event: response.incomplete\n"), "{text}");
}

fn refusal(world: &World) {
    world.fault("refusal");
    let message = &chat(world, false).json()["choices"][0]["message"];
    assert!(message["content"].is_null() && message["refusal"].is_string());
    let text = chat(world, true).text();
    assert!(text.contains("\"delta\":{\"refusal\":\" w0\"}"), "{text}");
    let body = serde_json::json!({"model": "m", "input": "hi", "stream": true});
    let text = world.call().ask("/v1/responses", &body).text();
    assert!(text.contains("event: response.refusal.delta\n"), "{text}");
}

fn no_usage(world: &World) {
    world.fault("no-usage");
    assert!(chat(world, false).json().get("usage").is_none());
    let mut body = chat_body("gpt-4o", true);
    body["stream_options"] = serde_json::json!({"include_usage": true});
    let text = world.call().ask("/v1/chat/completions", &body).text();
    assert!(!text.contains("usage") && text.contains("[DONE]"));
}

fn comments(world: &World) {
    world.fault("comments;text=OPENROUTER PROCESSING");
    let reply = chat(world, true);
    let comments = reply.text().matches(": OPENROUTER PROCESSING\n\n").count();
    assert_eq!(comments, reply.data().len());
    assert_eq!(chat_text(&reply.data()), WHOLE);
}

fn crlf(world: &World) {
    world.fault("crlf");
    let text = chat(world, true).text();
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
    assert!(text.ends_with("data: [DONE]\r\n\r\n"));
}

fn close_after(world: &World) {
    world.fault("close-after");
    let (bytes, end) = chat_to_end(world, false);
    assert!(find(&bytes, b"connection: close\r\n").is_some());
    assert_eq!(end, End::Clean);
}

fn idle_close(world: &World) {
    world.fault("idle-close;ms=1;requests=2");
    let mut caller = world.call();
    for _ in 0..2 {
        caller.chat(false);
        let reply = caller.reply();
        assert_eq!((reply.status, reply.header("connection")), (200, None));
    }
    assert_eq!(caller.rest(), (Vec::new(), End::Clean));
}
