//! The same question, asked in every dialect: one answer, and the same faults.

// Helpers of tests are no tests themselves, which the lint cannot see.
#![allow(clippy::unwrap_used)]

mod asking;
#[path = "../caller/mod.rs"]
mod caller;
mod hearing;

use asking::{Question, WAYS, Way, Worlds, generate_body, messages_body};
use caller::{Reply, World};
use hearing::{Heard, documents};
use mock::fault::{KINDS, Stage};
use mock::{Answers, Dialect, Kind};
use serde_json::{Value, json};

fn question(text: &'static str) -> Question {
    Question { text, ..Question::default() }
}

#[test]
fn every_dialect_gives_the_same_answer() {
    let worlds = Worlds::new();
    let call = |name: &str, city: &str| (name.to_owned(), json!({"city": city}));
    let text = "a says: w0 w1 w2".to_owned();
    let check = |question: Question, expected: Heard| {
        for way in WAYS {
            for stream in [false, true] {
                let mut heard = worlds.hear(*way, &question, stream);
                if *way == Way::Chat {
                    // OpenAI's chat counts thoughts and shows none.
                    heard.thoughts.clone_from(&expected.thoughts);
                }
                assert_eq!(heard, expected, "{way:?}, stream: {stream}");
            }
        }
    };
    let said = |text: &str, ending: &str, spoken_tokens: u64| Heard {
        text: text.to_owned(),
        ending: ending.to_owned(),
        spoken_tokens,
        ..Heard::default()
    };
    check(question("hello"), said(&text, "stop", 5));
    check(question("mock:words=1"), said("a says: w0", "stop", 3));
    check(Question { tokens_max: Some(4), ..question("hello") }, said("a says: w0 w1", "length", 4));
    check(Question { image: true, ..question("see") }, said("a says: [image image/png 4 bytes] w0 w1 w2", "stop", 6));
    check(Question { schema: true, ..question("answer") }, said("{\"city\":\"w0\"}", "stop", 4));
    check(Question { tools: true, ..question("no marker") }, said(&text, "stop", 5));
    let called = |text: &str, calls, spoken_tokens| Heard { calls, ..said(text, "tool_calls", spoken_tokens) };
    check(Question { tools: true, ..question("mock:call=two") }, called("", vec![call("two", "w0")], 4));
    let three = vec![call("one", "w0"), call("two", "w1"), call("one", "w2")];
    check(Question { tools: true, ..question("mock:calls=3 mock:say") }, called(&text, three, 17));
    let thought = Heard { thoughts: "a thinks: t0 t1".to_owned(), thought_tokens: 4, ..said(&text, "stop", 5) };
    check(Question { thinks: true, ..question("mock:think=2") }, thought);
}

#[test]
fn every_dialect_refuses() {
    let worlds = Worlds::new();
    for way in WAYS {
        for stream in [false, true] {
            assert_eq!(worlds.hear(*way, &question("mock:refuse"), stream).ending, "refusal", "{way:?}");
            worlds.of(*way).fault("refusal");
            assert_eq!(worlds.hear(*way, &question("hello"), stream).ending, "refusal", "{way:?}");
            worlds.of(*way).heal();
        }
    }
}

/// An error as its dialect writes it: status, kind, and finer code.
fn error_of(way: Way, reply: &Reply) -> (u16, String, String) {
    let body = reply.json();
    let error = if body.is_array() { &body[0]["error"] } else { &body["error"] };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (kind, code) = match way {
        Way::Chat | Way::Responses => (text(&error["type"]), text(&error["code"])),
        Way::Messages => (text(&error["type"]), text(&error["details"]["error_code"])),
        Way::Generate | Way::Array => {
            let details = error["details"].as_array().into_iter().flatten();
            let code = details.filter_map(|detail| detail["reason"].as_str().or(detail["violations"][0]["quotaId"].as_str())).next();
            (text(&error["status"]), code.unwrap_or_default().to_owned())
        }
    };
    (reply.status, kind, code)
}

#[test]
fn failures_are_told_in_the_words_of_the_dialect() {
    let worlds = Worlds::new();
    let check = |way: Way, fault: &str, status: u16, kind: &str, code: &str| {
        worlds.of(way).fault(fault);
        for stream in [false, true] {
            let reply = worlds.ask(way, &question("hello"), stream);
            assert_eq!(error_of(way, &reply), (status, kind.to_owned(), code.to_owned()), "{way:?} {fault}");
        }
        worlds.of(way).heal();
    };
    check(Way::Messages, "529", 529, "overloaded_error", "");
    check(Way::Messages, "503", 503, "overloaded_error", "");
    check(Way::Messages, "500", 500, "api_error", "");
    check(Way::Messages, "402", 402, "billing_error", "");
    check(Way::Messages, "404", 404, "not_found_error", "");
    check(Way::Messages, "429", 429, "rate_limit_error", "");
    check(Way::Messages, "429;code=insufficient_quota", 429, "rate_limit_error", "enforced_spend_limit_reached");
    check(Way::Messages, "429;code=ramp_limit_exceeded", 429, "rate_limit_error", "ramp_limit_exceeded");
    check(Way::Messages, "error-in-200;code=overloaded_error", 200, "overloaded_error", "");
    let per_minute = "GenerateRequestsPerMinutePerProjectPerModel";
    let per_day = "GenerateRequestsPerDayPerProjectPerModel-FreeTier";
    for way in [Way::Generate, Way::Array] {
        check(way, "503", 503, "UNAVAILABLE", "");
        check(way, "500", 500, "INTERNAL", "");
        check(way, "504", 504, "DEADLINE_EXCEEDED", "");
        check(way, "429", 429, "RESOURCE_EXHAUSTED", per_minute);
        check(way, "429;code=insufficient_quota", 429, "RESOURCE_EXHAUSTED", per_day);
        check(way, "429;shape=array", 429, "RESOURCE_EXHAUSTED", per_minute);
        check(way, "400;code=API_KEY_INVALID", 400, "INVALID_ARGUMENT", "API_KEY_INVALID");
        check(way, "400;code=FAILED_PRECONDITION", 400, "FAILED_PRECONDITION", "");
        check(way, "403;code=SERVICE_DISABLED", 403, "PERMISSION_DENIED", "SERVICE_DISABLED");
    }
    check(Way::Chat, "503", 503, "service_unavailable_error", "server_is_overloaded");
    for way in [Way::Messages, Way::Generate] {
        check(way, "503;shape=openai", 503, if way == Way::Messages { "service_unavailable_error" } else { "" }, "");
    }
}

#[test]
fn when_to_come_back_is_said_where_the_dialect_says_it() {
    let worlds = Worlds::new();
    let reply = |way: Way, fault: &str| {
        worlds.of(way).fault(fault);
        worlds.ask(way, &question("hello"), false)
    };
    let limited = reply(Way::Messages, "429");
    assert_eq!(limited.header("retry-after"), Some("1"));
    assert_eq!(limited.header("anthropic-ratelimit-requests-remaining"), Some("0"));
    assert!(limited.header("anthropic-ratelimit-requests-reset").unwrap().ends_with('Z'));
    assert_eq!(reply(Way::Messages, "429;retry_after=9").header("retry-after"), Some("9"));
    assert_eq!(reply(Way::Messages, "429;code=enforced_spend_limit_reached").header("retry-after"), None);
    let exhausted = reply(Way::Generate, "429;retry_after=9");
    assert_eq!(exhausted.header("retry-after"), None);
    let details = exhausted.json()["error"]["details"].clone();
    let delay = details.as_array().unwrap().iter().find_map(|detail| detail["retryDelay"].as_str().map(str::to_owned));
    assert_eq!(delay.as_deref(), Some("9s"));
    assert_eq!(reply(Way::Chat, "429").header("retry-after"), None);
}

#[test]
fn streams_break_in_every_dialect() {
    let worlds = Worlds::new();
    let stream = |way: Way, fault: &str| {
        worlds.of(way).fault(fault);
        let reply = worlds.ask(way, &question("hello"), true);
        worlds.of(way).heal();
        reply
    };
    let text = stream(Way::Messages, "error-event;events=5;code=overloaded").text();
    assert!(text.contains("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\""), "{text}");
    assert!(text.contains(" says:") && !text.contains(" w0"), "{text}");
    let text = stream(Way::Messages, "error-before-content").text();
    assert!(text.contains("event: ping\n") && !text.contains("content_block_delta") && text.contains("\"api_error\""), "{text}");
    let text = stream(Way::Generate, "error-event;events=2;code=overloaded").text();
    assert!(text.ends_with("\"status\":\"UNAVAILABLE\"}}\r\n\r\n") && text.contains(" says:") && !text.contains("finishReason"), "{text}");
    let elements = documents(Way::Array, &stream(Way::Array, "error-event;events=2;code=429"));
    assert_eq!(elements.len(), 3);
    assert_eq!(elements[2]["error"]["status"], "RESOURCE_EXHAUSTED");
    let elements = documents(Way::Array, &stream(Way::Array, "error-event;events=0"));
    assert_eq!(elements[0]["error"]["code"], 500);
    for (way, terminal) in [(Way::Messages, "message_stop"), (Way::Generate, "finishReason"), (Way::Array, "finishReason")] {
        let text = stream(way, "no-terminal").text();
        assert!(text.contains(" w2") && !text.contains(terminal), "{way:?}: {text}");
        let text = stream(way, "no-usage").text();
        assert!(!text.contains("output_tokens") && !text.contains("usageMetadata") && text.contains(terminal), "{way:?}: {text}");
        let text = stream(way, "empty-choices").text();
        assert!(!text.contains(" w0") && !text.contains("content_block"), "{way:?}: {text}");
        let text = stream(way, "huge-event;bytes=100000;events=3");
        assert!(text.body.len() > 100_000);
        let whole = documents(way, &text);
        assert!(whole.iter().any(|document| document.to_string().len() > 100_000), "{way:?}: huge, but JSON");
    }
    for (way, reason) in [(Way::Messages, "\"stop_reason\":\"max_tokens\""), (Way::Generate, "\"finishReason\":\"MAX_TOKENS\"")] {
        assert!(stream(way, "finish;reason=length").text().contains(reason));
    }
    let text = stream(Way::Messages, "crlf").text();
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
    let text = stream(Way::Generate, "crlf").text();
    assert!(!text.contains("\r\r\n"), "what ends in CRLF already stays as it is");
}

#[test]
fn requests_name_their_faults_in_the_model_of_every_dialect() {
    let worlds = Worlds::new();
    let mut caller = worlds.of(Way::Messages).call();
    let body = json!({"model": "claude!529", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
    let reply = caller.messages(&body);
    assert_eq!((reply.status, reply.json()["request_id"].as_str()), (529, reply.header("request-id")));
    let reply = caller.messages(&json!({"model": "claude!nonsense"}));
    assert_eq!(reply.json()["error"]["type"], "invalid_request_error");
    let mut caller = worlds.of(Way::Generate).call();
    for path in ["/v1beta/models/gemini-3!503;retry_after=1:generateContent", "/v1beta/models/gemini-3%21503%3AgenerateContent"] {
        assert_eq!(caller.ask(path, &generate_body(&question("hi"))).status, 503, "{path}");
    }
    let log = worlds.of(Way::Generate).log();
    assert_eq!((log[0].model.as_str(), log[0].stream), ("gemini-3", false));
}

#[test]
fn answers_have_the_exact_size_in_every_dialect() {
    for (dialect, way) in [(Dialect::Anthropic, Way::Messages), (Dialect::Gemini, Way::Generate)] {
        let world = || World::speaking(dialect, Answers { body_bytes: 5000, ..Answers::default() });
        let worlds = Worlds([world(), world(), world()]);
        for thinks in [false, true] {
            let reply = worlds.ask(way, &Question { thinks, ..question("hello") }, false);
            assert_eq!((reply.body.len(), reply.json().is_object()), (5000, true), "{dialect:?}");
        }
    }
}

/// What comes over the wire for a stream, up to the end, without what differs from one to the next.
fn wire(worlds: &Worlds, way: Way) -> String {
    let mut caller = worlds.of(way).call();
    let (path, body) = match way {
        Way::Messages => ("/v1/messages", with_stream(messages_body(&question("hello")))),
        Way::Array => ("/v1beta/models/m:streamGenerateContent", generate_body(&question("hello"))),
        _ => ("/v1beta/models/m:streamGenerateContent?alt=sse", generate_body(&question("hello"))),
    };
    caller.request("POST", path, "anthropic-version: 2026-10-21\r\nconnection: close\r\n", &body.to_string());
    let enough = |bytes: &[u8]| bytes.len() > 200_000;
    let ended = caller.read_until(enough);
    let text = String::from_utf8_lossy(caller.seen()).into_owned();
    let passing = |line: &&str| !["date: ", "request-id: ", "anthropic-ratelimit"].iter().any(|start| line.starts_with(start));
    let text: Vec<&str> = text.lines().filter(passing).collect();
    format!("{ended:?} {}", text.join("\n"))
}

fn with_stream(mut body: Value) -> Value {
    body["stream"] = json!(true);
    body
}

#[test]
fn every_kind_strikes_in_every_dialect() {
    let worlds = Worlds::new();
    for way in [Way::Messages, Way::Generate, Way::Array] {
        let well = wire(&worlds, way);
        for row in KINDS.iter().filter(|row| row.stage == Stage::Request) {
            let quick = match row.kind {
                Kind::Latency | Kind::StallBeforeHead | Kind::StallAfterHead | Kind::Stall => ";ms=1",
                Kind::Pace => ";gap_ms=1",
                Kind::Drip => ";ms=0",
                Kind::HugeHead | Kind::HugeEvent => ";bytes=5000",
                Kind::InformationalFlood => ";heads=3",
                _ => "",
            };
            worlds.of(way).fault(&format!("{}{quick}", row.name));
            let struck = wire(&worlds, way);
            worlds.of(way).heal();
            // These change when bytes come, or what follows an answer that ends its connection anyhow.
            let same = match row.kind {
                Kind::Latency | Kind::Pace | Kind::Drip | Kind::Split | Kind::Stall | Kind::CloseAfter | Kind::IdleClose => true,
                // Gemini tells none, and of others' they are left out here: their resets go with the clock.
                Kind::Limits => true,
                // Nobody has asked for JSON.
                Kind::Prose | Kind::WrongSchema => true,
                Kind::Comments => way == Way::Array,
                // Gemini ends its lines so anyhow.
                Kind::Crlf => way == Way::Generate,
                _ => false,
            };
            assert_eq!(struck == well, same, "{} {way:?}: {struck:.2000}", row.name);
            assert_eq!(wire(&worlds, way), well, "after {}", row.name);
        }
    }
}
