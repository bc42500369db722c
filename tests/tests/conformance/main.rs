//! Conformance: one table of inputs from RFC 9112 and RFC 9110, against the real process.
//!
//! Each row says what is sent, which answers are right, whether the connection ends, and whether
//! anything may have reached the provider. One gateway takes them all, in one go; behind each row a
//! witness, whose requests share the connections to the provider, must be answered as ever.
#![allow(missing_docs, clippy::unwrap_used)]

mod case;
mod chunk;
mod coding;
mod connection;
mod field;
mod host;
mod length;
mod limit;
mod line;
mod method;
mod target;

use case::{BODY, Case, Connection, Upstream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tests::testkit::{
    gateway::Gateway,
    policy::Policy,
    recorder::{Arrived, Recorder},
    tenant::{Ask, End, Tenant},
    until,
};

/// Every row.
const TABLES: &[(&str, &[Case])] = &[
    ("request line", line::CASES),
    ("target", target::CASES),
    ("host", host::CASES),
    ("fields", field::CASES),
    ("content-length", length::CASES),
    ("transfer-encoding", coding::CASES),
    ("chunks", chunk::CASES),
    ("connection", connection::CASES),
    ("methods", method::CASES),
    ("limits", limit::CASES),
];

/// Fewer rows than this is no battery.
const CASES_MIN: usize = 200;

/// What the provider says, to everybody.
const ANSWER: &str = r#"{"choices":[{"index":0,"message":{"content":"ok"},"finish_reason":"stop"}]}"#;

/// A request that would be answered by the gateway itself.
const PROBE: &[u8] = b"GET /v1/models HTTP/1.1\r\nhost: g\r\n\r\n";

#[test]
fn every_case_of_the_tables() {
    let recorder = Recorder::start(&Recorder::json(ANSWER));
    let policy = Policy::new().provider("primary", recorder.address, "auth: none").chain("m", &[("primary", "m")], "");
    let policy = policy.chain("w", &[("primary", "w")], "");
    let gateway = Gateway::start(&policy);
    let mut witness = gateway.tenant();
    let (mut ran, mut failed) = (0, Vec::new());
    for (topic, cases) in TABLES {
        for case in *cases {
            ran += 1;
            let sound = catch_unwind(AssertUnwindSafe(|| {
                run(&gateway, case);
                let answer = witness.ask(&Ask::chat("w"));
                assert_eq!((answer.head.status, answer.content().as_str(), answer.end), (200, "ok", End::Complete), "the witness");
                reached(case, &recorder);
            }));
            if sound.is_err() {
                eprintln!("^ {topic}: {} ({})", case.name, case.rule);
                failed.push(format!("{topic}: {} ({})", case.name, case.rule));
                witness = gateway.tenant();
                recorder.take();
            }
        }
    }
    println!("{ran} cases of conformance, {} failed", failed.len());
    assert!(ran >= CASES_MIN, "only {ran} cases");
    assert!(failed.is_empty(), "{} of {ran} failed:\n{}", failed.len(), failed.join("\n"));
    until("every byte that came belongs to a request", || (recorder.loose_bytes() == 0).then_some(()));
    assert_eq!(gateway.meter("throwover_cut_streams_total"), 0.0);
}

/// Sends the case and what follows it, and judges what comes back.
fn run(gateway: &Gateway, case: &Case) {
    let mut tenant = gateway.tenant();
    let mut parts = case.parts();
    let mut end = parts.pop().expect("a case has one part at least");
    for part in parts {
        tenant.send(&part);
        assert_eq!(tenant.any_head().expect("an interim answer").status, 100);
    }
    match case.connection {
        // What is behind it would be answered, were it read.
        Connection::Closes => end.extend_from_slice(&Ask::chat("m").bytes()),
        Connection::Stays => end.extend_from_slice(PROBE),
        Connection::Fin => {}
    }
    // A gateway that has refused already may reset while the rest is sent.
    tenant.try_send(&end).ok();
    if case.connection == Connection::Fin {
        tenant.half_close();
    }
    if case.second {
        let first = tenant.answer();
        assert_eq!((first.head.status, first.content().as_str()), (200, "ok"), "the request before it");
    }
    let Some(head) = tenant.any_head() else {
        assert!(case.status.contains(&0), "no answer");
        return;
    };
    assert!(case.status.contains(&head.status), "answered {} instead of {:?}", head.status, case.status);
    let closing = head.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    if !case.is_head() {
        let answer = tenant.rest(head);
        assert_ne!(answer.end, End::Cut, "half an answer: {}", answer.text());
        if answer.head.status >= 400 {
            let error = &answer.json()["error"];
            assert!(error["message"].is_string() && error["code"].is_string(), "an error without words: {}", answer.text());
        }
    }
    match case.connection {
        Connection::Closes => {
            assert!(closing, "it does not say that it closes");
            assert!(tenant.closed(), "something was answered behind it");
        }
        Connection::Stays => {
            assert!(!closing, "it closes");
            next_is_answered(&mut tenant);
        }
        Connection::Fin => assert!(tenant.closed(), "something was answered behind it"),
    }
}

/// The request behind the case is answered for what it is: the case ended where it was to end.
fn next_is_answered(tenant: &mut Tenant) {
    let next = tenant.answer();
    assert_eq!((next.head.status, next.json()["object"].as_str()), (200, Some("list")), "the next request: {}", next.text());
}

/// The provider got what it may have got, beside the witness's request.
fn reached(case: &Case, recorder: &Recorder) {
    let (witness, mine): (Vec<Arrived>, Vec<Arrived>) =
        recorder.take().into_iter().partition(|arrived| arrived.body == Ask::chat("w").body());
    assert_eq!(witness.len(), 1, "the witness asked once");
    let sound = match case.upstream {
        Upstream::Nothing => mine.is_empty(),
        Upstream::One => mine.len() == 1,
    };
    assert!(sound, "this reached the provider: {mine:?}");
    for arrived in witness.iter().chain(&mine) {
        well_formed(arrived);
    }
    for arrived in mine {
        assert_eq!(String::from_utf8_lossy(&arrived.body), BODY);
    }
}

/// Nothing that two readers could read differently.
fn well_formed(arrived: &Arrived) {
    let head = arrived.head.strip_suffix("\r\n\r\n").expect("heads end with a blank line");
    let mut lines = head.split("\r\n");
    assert_eq!(lines.next(), Some("POST /v1/chat/completions HTTP/1.1"), "{head}");
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("this is no field: {line:?}"));
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{line:?}");
        assert!(value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '), "{line:?}");
    }
    let names = arrived.names();
    let count = |name: &str| names.iter().filter(|found| *found == name).count();
    assert_eq!((count("host"), count("content-length"), count("transfer-encoding")), (1, 1, 0), "{head}");
    for name in ["connection", "upgrade", "http2-settings", "expect", "te", "trailer", "cookie", "x-smuggled"] {
        assert_eq!(count(name), 0, "{name} was passed on: {head}");
    }
    assert_eq!(arrived.field("content-length"), Some(arrived.body.len().to_string().as_str()), "{head}");
}
