//! After the first content nothing is restarted and nothing is truncated silently: the tenant sees
//! what came, an error event, and never a good end.

use tests::testkit::{
    gateway::Gateway,
    policy::Policy,
    provider::Provider,
    story::Story,
    tenant::{Ask, End},
};

/// Faults after the role delta and three words, and the class that the record must hold.
const CUTS: &[(&str, &str)] = &[
    ("cut;events=4", "stream_cut"),
    // Paced: a reset overtakes what the gateway has not read yet, and then nobody has seen anything.
    ("pace;gap_ms=30,reset;events=4", "stream_cut"),
    ("stall;events=4", "timeout"),
    ("bad-chunk;events=4", "malformed"),
    ("error-event;events=4", "server_error"),
    ("error-event;events=4;code=rate_limit_exceeded", "rate_limit"),
    ("no-terminal;events=4", "stream_cut"),
    ("no-terminal", "stream_cut"),
    ("huge-event;events=4;bytes=2097152", "malformed"),
    ("finish;reason=error", "server_error"),
];

#[test]
fn a_cut_stream_ends_with_an_error_event() {
    let provider = Provider::new();
    let mut policy = Policy::over(&provider).defaults("breaker: {consecutive: 1000, min_requests: 1000}");
    let mut faults = Vec::new();
    for (index, (fault, _)) in CUTS.iter().enumerate() {
        let model = format!("m{index}");
        policy = policy.chain(&format!("c{index}"), &[("primary", &model), ("backup", &model)], "idle: 500ms");
        faults.extend(fault.split(',').map(|fault| format!("{fault};model={model}")));
    }
    provider.fault("primary", &faults.join(","));
    let gateway = Gateway::start(&policy);
    for (index, (fault, class)) in CUTS.iter().enumerate() {
        let mut tenant = gateway.tenant();
        let answer = tenant.ask(&Ask::stream(&format!("c{index}")));
        let story = Story::of(fault, answer, &provider, &format!("m{index}"));
        story.cut_after("primary");
        assert_eq!((story.asked("primary"), story.asked("backup")), (1, 0), "{story}");
        let error = story.answer.error_event().unwrap();
        assert_eq!(error["error"]["code"], "stream_cut", "{story}");
        assert!(error["error"]["message"].as_str().unwrap().contains("primary"), "{story}");
        assert!(tenant.closed(), "a connection goes on after a cut stream\n{story}");
        let record = gateway.record(story.answer.head.field("x-request-id").unwrap());
        assert_eq!(record["outcome"], "cut", "{record}");
        assert_eq!(record["attempts"][0]["end"], *class, "{record}");
    }
}

/// The same on the other surfaces, whose terminal markers differ.
#[test]
fn other_surfaces_are_cut_as_honestly() {
    let provider = Provider::new();
    let policy = Policy::over(&provider).chain("c", &[("primary", "m"), ("backup", "m")], "");
    let gateway = Gateway::start(&policy);
    let completions = serde_json::json!({"model": "c", "stream": true, "prompt": "hi"});
    let responses = serde_json::json!({"model": "c", "stream": true, "input": "hi"});
    // A response begins with four events that show nothing.
    let cases = [("/v1/completions", &completions, 4, 0), ("/v1/responses", &responses, 8, 2)];
    for (path, body, after, before) in cases {
        Story::of(path, gateway.tenant().ask(&Ask::post(path, body)), &provider, "m").answered_by("primary");
        provider.fault("primary", &format!("cut;events={after}"));
        let story = Story::of(path, gateway.tenant().ask(&Ask::post(path, body)), &provider, "m");
        story.cut_after("primary");
        provider.fault("primary", &format!("cut;events={before}"));
        Story::of(path, gateway.tenant().ask(&Ask::post(path, body)), &provider, "m").answered_by("backup");
        provider.heal("primary");
    }
}

/// A JSON answer too large to be held goes out as it comes; when it breaks, nobody can take it for
/// whole.
#[test]
fn a_large_answer_that_breaks_is_not_whole() {
    let provider = Provider::new();
    let policy = Policy::over(&provider).chain("c", &[("primary", "m"), ("backup", "m")], "idle: 500ms");
    let gateway = Gateway::start(&policy);
    provider.answers("primary", &serde_json::json!({"body_bytes": 4 << 20}));
    let answer = gateway.tenant().ask(&Ask::chat("c"));
    assert_eq!((answer.head.status, answer.body.len(), answer.end), (200, 4 << 20, End::Complete));
    assert!(answer.json()["choices"][0]["message"]["content"].is_string());
    for fault in ["cut;bytes=3145728", "stall;bytes=3145728"] {
        provider.fault("primary", fault);
        let story = Story::of(fault, gateway.tenant().ask(&Ask::chat("c")), &provider, "m");
        assert_eq!(story.answer.end, End::Cut, "{story}");
        assert!(story.answer.body.len() <= 3 << 20, "{story}");
        assert_eq!(story.asked("backup"), 0, "{story}");
        let record = gateway.record(story.answer.head.field("x-request-id").unwrap());
        assert_eq!(record["outcome"], "cut", "{record}");
    }
}

/// A reset overtakes what the gateway has not read yet: then nobody has seen anything, and another
/// target answers. Whichever comes first, the tenant can tell what it got.
#[test]
fn a_large_answer_that_is_reset_is_whole_or_visibly_cut() {
    const WHOLE: usize = 4 << 20;
    let provider = Provider::new();
    let policy = Policy::over(&provider).defaults("breaker: {consecutive: 1000, min_requests: 1000}").chain(
        "c",
        &[("primary", "m"), ("backup", "m")],
        "idle: 500ms",
    );
    let gateway = Gateway::start(&policy);
    for name in ["primary", "backup"] {
        provider.answers(name, &serde_json::json!({"body_bytes": WHOLE}));
    }
    // Beyond the commit, just before it, and at the last byte.
    for bytes in [3 << 20, 1_100_000, 1_000_000, 100, WHOLE - 1] {
        provider.fault("primary", &format!("reset;bytes={bytes}"));
        for round in 0..4 {
            let story = Story::of(&format!("{bytes}, {round}"), gateway.tenant().ask(&Ask::chat("c")), &provider, "m");
            let record = gateway.record(story.answer.head.field("x-request-id").unwrap());
            let seen = (story.answer.head.status, story.answer.head.field("x-throwover-provider"), story.answer.body.len());
            if story.answer.end == End::Complete {
                assert_eq!(seen, (200, Some("backup"), WHOLE), "{story}");
                assert!(story.answer.content().starts_with("backup says"), "{story}");
                assert_eq!(record["outcome"], "answered", "{record}");
            } else {
                assert!(story.answer.end == End::Cut && seen.0 == 200 && seen.1 == Some("primary") && seen.2 <= bytes, "{story}");
                assert_eq!(story.answer.head.field("content-length"), Some(WHOLE.to_string().as_str()), "{story}");
                assert_eq!(record["outcome"], "cut", "{record}");
            }
        }
    }
}

/// A provider that leaves out `[DONE]` after a finish reason has ended its answer.
#[test]
fn a_finish_reason_is_an_end() {
    let provider = Provider::new();
    let policy = Policy::over(&provider).chain("c", &[("primary", "m"), ("backup", "m")], "");
    let gateway = Gateway::start(&policy);
    for reason in ["length", "content_filter", "tool_calls"] {
        provider.fault("primary", &format!("finish;reason={reason}"));
        Story::of(reason, gateway.tenant().ask(&Ask::stream("c")), &provider, "m").answered_by("primary");
        Story::of(reason, gateway.tenant().ask(&Ask::chat("c")), &provider, "m").answered_by("primary");
    }
    provider.fault("primary", "no-terminal;keep_finish=yes");
    let story = Story::of("no marker", gateway.tenant().ask(&Ask::stream("c")), &provider, "m");
    assert_eq!(story.answer.end, End::Complete, "{story}");
    assert_eq!(story.answer.content(), tests::testkit::provider::text_of("primary"), "{story}");
    assert!(story.answer.error_event().is_none(), "{story}");
}
