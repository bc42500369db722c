//! Whatever a provider does before the commit point, the tenant sees a complete answer of the next.

use serde_json::json;
use tests::testkit::{
    gateway::Gateway,
    policy::Policy,
    provider::Provider,
    story::Story,
    tenant::{Ask, Tenant},
};

/// What the first provider does, and the reason that the answer must name.
struct Case {
    fault: &'static str,
    reason: &'static str,
    /// Needs patience that runs out: chains of such cases have short ones.
    slow: bool,
}

const fn case(fault: &'static str, reason: &'static str) -> Case {
    Case { fault, reason, slow: false }
}

const fn slow(fault: &'static str, reason: &'static str) -> Case {
    Case { fault, reason, slow: true }
}

/// Faults of one request that hit both forms of answer.
const BOTH: &[Case] = &[
    case("429", "rate_limit"),
    case("429;retry_after=20", "rate_limit"),
    case("429;retry_after_date=20", "rate_limit"),
    case("429;retry_after_ms=1500", "rate_limit"),
    case("429;code=insufficient_quota", "quota_exhausted"),
    case("status;status=429;shape=empty", "rate_limit"),
    case("status;status=429;shape=string", "rate_limit"),
    case("500", "server_error"),
    case("500;shape=problem", "server_error"),
    case("502", "server_error"),
    case("503", "overloaded"),
    case("503;retry_after=30", "overloaded"),
    case("503;shape=empty", "overloaded"),
    case("504", "timeout"),
    case("529", "overloaded"),
    case("401", "auth"),
    case("402", "quota_exhausted"),
    case("403", "permission"),
    case("404", "model_gone"),
    case("408", "timeout"),
    case("cut-before-head", "reset"),
    case("reset-before-head", "reset"),
    case("garbage", "malformed"),
    case("html;status=502", "server_error"),
    case("html;status=200", "malformed"),
    case("redirect", "malformed"),
    case("redirect;status=301", "malformed"),
    case("length-and-chunked", "malformed"),
    case("length-twice", "malformed"),
    case("huge-head", "malformed"),
    case("informational-flood", "malformed"),
    case("error-in-200", "server_error"),
    case("error-in-200;code=rate_limit_exceeded", "rate_limit"),
    case("empty-choices", "empty"),
    case("wrong-type", "malformed"),
    case("wrong-type;type=application/octet-stream", "malformed"),
    slow("stall-before-head", "timeout"),
    slow("stall-after-head", "timeout"),
];

/// Faults of JSON answers.
const JSON: &[Case] = &[
    case("cut", "stream_cut"),
    case("reset", "stream_cut"),
    case("cut;bytes=0", "stream_cut"),
    case("length-long", "stream_cut"),
    case("length-short", "malformed"),
    case("truncated-json", "malformed"),
    case("finish;reason=error", "server_error"),
    slow("stall", "timeout"),
];

/// Faults of streams that strike before the first content: the role delta is the first event.
const STREAM: &[Case] = &[
    case("cut;events=0", "stream_cut"),
    case("cut;events=1", "stream_cut"),
    case("reset;events=0", "stream_cut"),
    case("reset;events=1", "stream_cut"),
    case("bad-chunk;events=0", "malformed"),
    case("bad-chunk;events=1", "malformed"),
    case("error-before-content", "server_error"),
    case("error-before-content;code=rate_limit_exceeded", "rate_limit"),
    case("error-event;events=1", "server_error"),
    case("no-terminal;events=1", "stream_cut"),
    case("huge-event;bytes=2097152;events=1", "malformed"),
    slow("stall;events=0", "timeout"),
    slow("stall;events=1", "timeout"),
];

#[derive(Clone, Copy, PartialEq)]
enum Form {
    Json,
    Stream,
}

/// One gateway, one chain for each case, so that no case sees the breaker or pause of another.
fn walk(cases: &[&Case], form: Form) {
    let provider = Provider::new();
    let model = |index: usize| format!("m{index}");
    let chain = |index: usize| format!("case-{index}");
    let mut policy = Policy::over(&provider).defaults("breaker: {consecutive: 1000, min_requests: 1000}");
    let mut faults = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let (own, patience) = (model(index), if case.slow { "ttft: 500ms, idle: 500ms, deadline: 8s" } else { "" });
        policy = policy.chain(&chain(index), &[("primary", &own), ("backup", &own)], patience);
        faults.push(format!("{};model={own}", case.fault));
    }
    provider.fault("primary", &faults.join(","));
    let gateway = Gateway::start(&policy);
    let mut wrong = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let ask = if form == Form::Stream { Ask::stream(&chain(index)) } else { Ask::chat(&chain(index)) };
        let answer = gateway.tenant().ask(&ask);
        let story = Story::of(case.fault, answer, &provider, &model(index));
        let told = std::panic::catch_unwind(|| {
            story.answered_by("backup");
            assert!(story.asked("primary") >= 1, "{story}");
            assert_eq!(story.answer.head.field("x-throwover-fallback-reason"), Some(case.reason), "{story}");
        });
        if told.is_err() {
            wrong.push(case.fault);
        }
    }
    assert!(wrong.is_empty(), "{} of {} faults were not failed over as they should be: {wrong:?}", wrong.len(), cases.len());
}

#[test]
fn json_answers_fail_over_invisibly() {
    walk(&BOTH.iter().chain(JSON).collect::<Vec<_>>(), Form::Json);
}

#[test]
fn streams_fail_over_invisibly_before_the_first_content() {
    walk(&BOTH.iter().chain(STREAM).collect::<Vec<_>>(), Form::Stream);
}

/// Faults that strike connections, before any request.
#[test]
fn connections_that_fail_are_failed_over() {
    for fault in ["refuse;existing=reset", "close-on-accept", "reset-on-accept", "never-read"] {
        let provider = Provider::new();
        provider.fault("primary", fault);
        let policy = Policy::over(&provider).chain("c", &[("primary", "m"), ("backup", "m")], "ttft: 500ms, deadline: 8s");
        let gateway = Gateway::start(&policy);
        for ask in [Ask::chat("c"), Ask::stream("c")] {
            let story = Story::of(fault, gateway.tenant().ask(&ask), &provider, "m");
            story.answered_by("backup");
            assert_eq!(story.asked("primary"), 0, "{story}");
        }
    }
}

/// A provider that goes away while connections to it are warm.
#[test]
fn a_provider_that_dies_between_two_requests() {
    let provider = Provider::new();
    let policy = Policy::over(&provider).chain("c", &[("primary", "m"), ("backup", "m")], "");
    let gateway = Gateway::start(&policy);
    let mut tenant = gateway.tenant();
    Story::of("well", tenant.ask(&Ask::chat("c")), &provider, "m").answered_by("primary");
    provider.fault("primary", "refuse;existing=reset");
    Story::of("gone", tenant.ask(&Ask::stream("c")), &provider, "m").answered_by("backup");
    provider.heal("primary");
}

/// Oddities that are no failures: the answer goes through, and nobody else is asked.
#[test]
fn odd_but_sound_answers_pass() {
    let provider = Provider::new();
    let policy = Policy::over(&provider).chain("c", &[("primary", "m"), ("backup", "m")], "");
    let gateway = Gateway::start(&policy);
    for fault in
        ["split", "crlf", "comments", "no-usage", "close-after", "idle-close", "informational-flood;heads=3", "drip;ms=0", "latency;ms=20"]
    {
        provider.fault("primary", fault);
        for ask in [Ask::chat("c"), Ask::stream("c")] {
            let story = Story::of(fault, Tenant::connect(gateway.address).ask(&ask), &provider, "m");
            story.answered_by("primary");
            assert_eq!(story.asked("backup"), 0, "{story}");
            assert_eq!(story.answer.head.field("x-throwover-attempts"), Some("1"), "{story}");
        }
    }
}

/// Who asks for JSON gets JSON, or an error that says why not; a text that only looks like an answer is failed
/// over.
#[test]
fn an_answer_in_another_form_is_failed_over() {
    let provider = Provider::new();
    let gateway = Gateway::start(&Policy::over(&provider).chain("c", &[("primary", "m"), ("backup", "m")], "retry: {max_attempts: 2}"));
    provider.fault("primary", "prose");
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false});
    let named = json!({"type": "json_schema", "json_schema": {"name": "s", "strict": true, "schema": schema}});
    let messages = json!([{"role": "user", "content": "say json"}]);
    for format in [json!({"type": "json_object"}), named] {
        let body = json!({"model": "c", "messages": messages, "response_format": format});
        let answer = gateway.tenant().ask(&Ask::post("/v1/chat/completions", &body));
        assert_eq!(answer.head.field("x-throwover-provider"), Some("backup"), "{}", answer.text());
        assert_eq!(answer.head.field("x-throwover-fallback-reason"), Some("schema_violation"), "{}", answer.text());
        assert!(serde_json::from_str::<serde_json::Value>(&answer.content()).is_ok_and(|value| value.is_object()), "{}", answer.text());
    }
    provider.fault("backup", "prose");
    let body = json!({"model": "c", "messages": messages, "response_format": {"type": "json_object"}});
    let answer = gateway.tenant().ask(&Ask::post("/v1/chat/completions", &body));
    assert_eq!((answer.head.status, answer.code().as_str()), (502, "provider_schema_violation"), "{}", answer.text());
}

/// Whoever asks a chat model for what it has not takes it from nobody.
#[test]
fn what_a_model_lacks_says_nothing_about_its_answers() {
    let provider = Provider::new();
    let policy = Policy::over(&provider).chain("c", &[("primary", "m"), ("backup", "m")], "");
    let gateway = Gateway::start(&policy);
    let completions = json!({"model": "c", "stream": true, "prompt": "hi"});
    for fault in ["403", "404", "405", "501"] {
        provider.fault("primary", fault);
        for _ in 0..6 {
            Story::of(fault, gateway.tenant().ask(&Ask::post("/v1/completions", &completions)), &provider, "m").answered_by("backup");
        }
        provider.heal("primary");
        Story::of(fault, gateway.tenant().ask(&Ask::chat("c")), &provider, "m").answered_by("primary");
    }
}
