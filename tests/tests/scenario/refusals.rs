//! Errors are honest: whose fault, under which code, and whether asking again is worth it.

use serde_json::json;
use tests::testkit::{
    gateway::Gateway,
    policy::Policy,
    provider::Provider,
    story::Story,
    tenant::{Ask, End},
};

/// What is wrong with the request is wrong everywhere: relayed once, never replayed.
#[test]
fn the_tenants_own_mistake_is_relayed_once() {
    let provider = Provider::new();
    let policy = Policy::over(&provider).chain("c", &[("primary", "m"), ("backup", "m")], "");
    let gateway = Gateway::start(&policy);
    let faults = [
        ("400", 400, "invalid"),
        ("422", 422, "invalid"),
        ("400;code=context_length_exceeded", 400, "context_length_exceeded"),
        ("400;code=content_policy_violation", 400, "content_policy_violation"),
    ];
    for (fault, status, code) in faults {
        for ask in [Ask::chat("c"), Ask::stream("c")] {
            let before = provider.log().len();
            provider.fault("primary", fault);
            let story = Story::of(fault, gateway.tenant().ask(&ask), &provider, "m");
            assert_eq!(story.answer.head.status, status, "{story}");
            assert_eq!(story.answer.end, End::Complete, "{story}");
            assert_eq!(provider.log().len() - before, 1, "{story}");
            assert_eq!(story.answer.head.field("x-throwover-fault"), Some("tenant"), "{story}");
            assert_eq!(story.answer.head.field("x-should-retry"), Some("false"), "{story}");
            if code != "invalid" {
                assert_eq!(story.answer.code(), code, "{story}");
            }
        }
    }
    // The real thing: the provider itself finds fault with it, and its words arrive unchanged.
    provider.heal("primary");
    let body = json!({"model": "c", "messages": "hi"});
    let before = provider.log().len();
    let answer = gateway.tenant().ask(&Ask::post("/v1/chat/completions", &body));
    assert_eq!((answer.head.status, answer.code().as_str()), (400, "invalid_type"));
    assert_eq!(answer.json()["error"]["param"], "messages");
    assert_eq!(provider.log().len() - before, 1);
}

/// A page of a proxy, a part of an error, or no body at all: whoever asks is told in its own words, once.
#[test]
fn a_refusal_that_nobody_can_read_is_put_into_words() {
    let provider = Provider::new();
    let policy = Policy::over(&provider).chain("c", &[("primary", "m"), ("backup", "m")], "");
    let gateway = Gateway::start(&policy);
    for (fault, status) in [("html;status=413", 413), ("400;code=invalid_value,cut;bytes=60", 400), ("status;status=400;shape=empty", 400)]
    {
        provider.fault("primary", fault);
        for ask in [Ask::chat("c"), Ask::stream("c")] {
            let before = provider.log().len();
            let story = Story::of(fault, gateway.tenant().ask(&ask), &provider, "m");
            story.refused(status, "invalid_request");
            assert_eq!(provider.log().len() - before, 1, "{story}");
            assert_eq!(story.answer.head.field("x-throwover-fault"), Some("tenant"), "{story}");
            assert_eq!(story.answer.head.field("x-should-retry"), Some("false"), "{story}");
        }
    }
}

/// What servers that imitate a dialect say in other forms is said in the client's, message and status kept.
#[test]
fn a_refusal_in_another_form_is_said_in_the_clients() {
    let provider = Provider::new();
    let policy = Policy::over(&provider).chain("c", &[("primary", "m"), ("backup", "m")], "");
    let gateway = Gateway::start(&policy);
    let messages = json!([{"role": "user", "content": "hi"}]);
    for shape in ["array", "string", "flat", "problem", "detail"] {
        for status in [400, 422] {
            provider.fault("primary", &format!("status;status={status};code=invalid_value;shape={shape}"));
            for ask in [Ask::chat("c"), Ask::stream("c"), Ask::post("/v1/completions", &json!({"model": "c", "prompt": "hi"}))] {
                let before = provider.log().len();
                let story = Story::of(shape, gateway.tenant().ask(&ask), &provider, "m");
                story.refused(status, "invalid_request");
                let error = &story.answer.json()["error"];
                assert_eq!(error["type"], "invalid_request_error", "{story}");
                let message = error["message"].as_str().unwrap();
                assert!(!message.is_empty() && !message.contains("did not say why"), "{story}");
                assert_eq!(provider.log().len() - before, 1, "{story}");
                assert_eq!(story.answer.head.field("x-throwover-fault"), Some("tenant"), "{story}");
            }
            let ask = Ask::post("/v1/messages", &json!({"model": "c", "max_tokens": 9, "messages": messages}));
            let story = Story::of(shape, gateway.tenant().ask(&ask), &provider, "m");
            let said = story.answer.json();
            assert_eq!((story.answer.head.status, &said["type"]), (status, &json!("error")), "{story}");
            assert!(said["error"]["type"].is_string() && said["error"]["message"].is_string(), "{story}");
        }
    }
}

/// What every provider says, and what the tenant is told in the end.
#[test]
fn all_providers_down_is_one_honest_error() {
    let rows: &[(&str, &str, u16, &str, &str, bool)] = &[
        ("500", "500", 502, "provider_error", "provider", true),
        ("503", "503", 503, "provider_overloaded", "provider", true),
        ("429;retry_after=7", "429;retry_after=9", 429, "rate_limit_exceeded", "provider", true),
        ("401", "401", 502, "provider_auth", "operator", false),
        ("402", "402", 429, "insufficient_quota", "operator", false),
        ("403", "403", 502, "provider_permission", "operator", false),
        ("404", "404", 502, "provider_model_gone", "operator", false),
        ("500", "503", 503, "providers_unavailable", "provider", true),
        ("garbage", "500", 502, "providers_failed", "provider", true),
        ("truncated-json", "truncated-json", 502, "provider_malformed", "provider", true),
        ("empty-choices", "empty-choices", 502, "provider_empty", "provider", true),
    ];
    let provider = Provider::new();
    let mut policy = Policy::over(&provider);
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for (index, row) in rows.iter().enumerate() {
        let model = format!("m{index}");
        let members = "retry: {max_attempts: 3, base: 1ms, cap: 2ms}";
        policy = policy.chain(&format!("c{index}"), &[("primary", &model), ("backup", &model)], members);
        first.push(format!("{};model={model}", row.0));
        second.push(format!("{};model={model}", row.1));
    }
    provider.fault("primary", &first.join(","));
    provider.fault("backup", &second.join(","));
    let gateway = Gateway::start(&policy);
    for (index, (case, _, status, code, fault, retry)) in rows.iter().enumerate() {
        let mut tenant = gateway.tenant();
        let answer = tenant.ask(&Ask::chat(&format!("c{index}")));
        let story = Story::of(case, answer, &provider, &format!("m{index}"));
        story.refused(*status, code);
        let field = |name| story.answer.head.field(name);
        assert_eq!(field("x-throwover-fault"), Some(*fault), "{story}");
        assert_eq!(field("x-should-retry"), if *retry { None } else { Some("false") }, "{story}");
        assert!(story.asked("primary") >= 1 && story.asked("backup") >= 1, "{story}");
        assert!(story.entries.len() <= 3, "more attempts than the chain allows\n{story}");
        if case.contains("retry_after=7") {
            let seconds: u64 = field("retry-after").unwrap().parse().unwrap();
            assert!((1..=7).contains(&seconds), "{story}");
        }
        let record = gateway.record(field("x-request-id").unwrap());
        assert_eq!((&record["status"], &record["code"]), (&json!(status), &json!(code)), "{record}");
        // The connection is sound, so that it goes on.
        assert_eq!(tenant.ask(&Ask::get("/v1/models")).head.status, 200);
    }
}

#[test]
fn attempts_are_counted_over_all_targets() {
    let provider = Provider::with(&["primary", "backup", "third"], &mock::Answers::default());
    let mut policy = Policy::over(&provider);
    let models: Vec<String> = (1..=6).map(|cap| format!("m{cap}")).collect();
    for (index, model) in models.iter().enumerate() {
        let retry = format!("retry: {{max_attempts: {}, base: 1ms, cap: 1ms}}", index + 1);
        let targets = [("primary", model.as_str()), ("backup", model.as_str()), ("third", model.as_str())];
        policy = policy.chain(&format!("c{}", index + 1), &targets, &retry);
    }
    for name in ["primary", "backup", "third"] {
        provider.fault(name, "500");
    }
    let gateway = Gateway::start(&policy);
    for (index, model) in models.iter().enumerate() {
        let story = Story::of(model, gateway.tenant().ask(&Ask::chat(&format!("c{}", index + 1))), &provider, model);
        assert_eq!(story.answer.head.status, 502, "{story}");
        assert_eq!(story.entries.len(), index + 1, "{story}");
        let asked: Vec<usize> = ["primary", "backup", "third"].iter().map(|name| story.asked(name)).collect();
        if index + 1 >= 3 {
            assert!(asked.iter().all(|count| *count >= 1), "every target is asked before one is given up\n{story}");
        }
    }
}

#[test]
fn the_deadline_holds_over_all_attempts() {
    let provider = Provider::new();
    let policy = Policy::over(&provider).chain("c", &[("primary", "m"), ("backup", "m")], "deadline: 1500ms, ttft: 30s");
    let gateway = Gateway::start(&policy);
    for name in ["primary", "backup"] {
        provider.fault(name, "stall-before-head");
    }
    for ask in [Ask::chat("c"), Ask::stream("c"), Ask::chat("c").with("x-throwover-deadline-ms", "400")] {
        let story = Story::of("silence", gateway.tenant().ask(&ask), &provider, "m");
        assert_eq!(story.answer.head.status, 504, "{story}");
        assert!(["deadline_exceeded", "provider_timeout"].contains(&story.answer.code().as_str()), "{story}");
        assert!(story.entries.iter().all(|entry| entry.hung_up), "an attempt was left running\n{story}");
    }
    let answer = gateway.tenant().ask(&Ask::chat("c").with("x-throwover-deadline-ms", "soon"));
    assert_eq!((answer.head.status, answer.code().as_str()), (400, "deadline"));
}

/// Comments keep a stream that has nothing to show alive; what follows is an event, not a status.
#[test]
fn a_slow_stream_is_kept_alive() {
    let provider = Provider::new();
    let policy = Policy::over(&provider).defaults("keepalive_after: 200ms").chain(
        "c",
        &[("primary", "m"), ("backup", "m")],
        "ttft: 600ms, deadline: 20s",
    );
    let gateway = Gateway::start(&policy);
    provider.fault("primary", "stall-after-head");
    let answer = gateway.tenant().ask(&Ask::stream("c"));
    assert_eq!((answer.head.status, answer.end), (200, End::Complete));
    assert!(answer.text().starts_with(':'), "a comment comes first: {}", answer.text());
    assert_eq!(answer.content(), tests::testkit::provider::text_of("backup"));
    assert!(answer.done());
    provider.fault("backup", "500");
    let answer = gateway.tenant().ask(&Ask::stream("c"));
    assert_eq!((answer.head.status, answer.end), (200, End::Cut));
    assert!(answer.error_event().is_some() && !answer.done(), "{}", answer.text());
}

#[test]
fn what_the_gateway_refuses_itself() {
    let provider = Provider::new();
    let gateway = Gateway::start(&Policy::over(&provider).chain("c", &[("primary", "m")], ""));
    let chat = "/v1/chat/completions";
    let body = json!({"model": "c", "messages": []});
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let rows: Vec<(&str, Ask, u16, &str)> = vec![
        ("no such path", Ask::post("/v1/nothing", &body), 404, "unknown_url"),
        ("no such method", Ask::get(chat), 405, "method_not_allowed"),
        ("no such model", Ask::chat("nobody"), 404, "model_not_found"),
        ("no model", Ask::post(chat, &json!({"messages": []})), 400, "missing_required_parameter"),
        ("no JSON", Ask::raw(chat, b"hello"), 400, ""),
        ("an array", Ask::raw(chat, b"[]"), 400, ""),
        ("truncated", Ask::raw(chat, b"{\"model\":\"c\""), 400, ""),
        ("too deep", Ask::raw(chat, format!("{{\"model\":\"c\",\"x\":{deep}}}").as_bytes()), 400, ""),
        ("model twice", Ask::raw(chat, b"{\"model\":\"c\",\"model\":\"d\",\"messages\":[]}"), 400, ""),
        ("no body", Ask::raw(chat, b""), 400, "body_missing"),
        ("a form", Ask::post(chat, &body).with("content-encoding", "gzip"), 415, "content_encoding"),
    ];
    for (case, ask, status, code) in rows {
        let mut tenant = gateway.tenant();
        let answer = tenant.ask(&ask);
        let story = Story::of(case, answer, &provider, "nobody");
        assert_eq!(story.answer.head.status, status, "{story}");
        assert!(story.answer.json()["error"]["message"].is_string(), "{story}");
        assert!(code.is_empty() || story.answer.code() == code, "{story}");
        assert_eq!(story.answer.head.field("x-throwover-fault"), Some("tenant"), "{story}");
    }
    assert!(provider.log().is_empty(), "nothing of it reached a provider");
}
