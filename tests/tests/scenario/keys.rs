//! What the operator grants a provider's keys in a minute.

use serde_json::json;
use std::time::Instant;
use tests::testkit::{
    gateway::Gateway,
    policy::Policy,
    provider::Provider,
    story::Story,
    tenant::{Answer, Ask, Tenant},
    until,
};

/// The limits of tests with failures on purpose are not to be hidden by breakers.
const NO_BREAKER: &str = "breaker: {consecutive: 1000, min_requests: 1000}";

/// `primary` with these keys before `backup`, and alone.
fn policy(provider: &Provider, keys: &str) -> Policy {
    Policy::new()
        .provider("primary", provider.plain("primary"), &format!("keys: [{keys}]"))
        .provider("backup", provider.plain("backup"), "")
        .chain("both", &[("primary", "m"), ("backup", "m")], NO_BREAKER)
        .chain("alone", &[("primary", "n")], NO_BREAKER)
}

/// A request whose prompt has so many bytes.
fn large(model: &str, bytes: usize) -> Ask {
    Ask::post("/v1/chat/completions", &json!({"model": model, "messages": [{"role": "user", "content": "x".repeat(bytes)}]}))
}

fn by(answer: &Answer) -> &str {
    answer.head.field("x-throwover-provider").unwrap_or_default()
}

fn record(gateway: &Gateway, answer: &Answer) -> serde_json::Value {
    gateway.record(answer.head.field("x-request-id").expect("every answer has one"))
}

/// Asks so often; which key each answer was made with.
fn keys(gateway: &Gateway, tenant: &mut Tenant, model: &str, count: usize) -> Vec<u64> {
    let one = |_| {
        let answer = tenant.ask(&Ask::chat(model));
        assert_eq!(answer.head.status, 200, "{}", answer.text());
        record(gateway, &answer)["attempts"][0]["key"].as_u64().expect("it is asked with one")
    };
    (0..count).map(one).collect()
}

#[test]
fn requests_of_a_key_in_a_minute() {
    let provider = Provider::new();
    let two = "{key: \"sk-one-0123456789\", weight: 1000000, rpm: 3}, \"sk-two-0123456789\"";
    let gateway = Gateway::start(&policy(&provider, two));
    let mut tenant = gateway.tenant();
    let begun = Instant::now();
    let used = keys(&gateway, &mut tenant, "alone", 20);
    let (first, other) = (used[0], *used.last().expect("there are twenty"));
    let count = used.iter().filter(|key| **key == first).count();
    // One more is earned in twenty seconds.
    assert!(first != other && (3..=3 + begun.elapsed().as_secs() as usize / 20).contains(&count), "{used:?}");
    until("operators see it", || gateway.ask("status", &[]).data.to_string().contains("\"limited_ms\":").then_some(()));
    let status = gateway.ask("status", &[]);
    assert!(status.text.contains("limited"), "{}", status.text);
}

#[test]
fn with_all_keys_at_their_limits_others_are_asked() {
    let provider = Provider::new();
    let gateway = Gateway::start(&policy(&provider, "{key: \"sk-one-0123456789\", rpm: 2}, {key: \"sk-two-0123456789\", rpm: 1}"));
    let mut tenant = gateway.tenant();
    assert_eq!((0..3).map(|_| by(&tenant.ask(&Ask::chat("both"))).to_owned()).collect::<Vec<_>>(), ["primary"; 3]);
    let story = Story::of("over", tenant.ask(&Ask::stream("both")), &provider, "m");
    story.answered_by("backup");
    assert_eq!(story.answer.head.field("x-throwover-fallback-reason"), Some("key_limit"));
    assert_eq!(story.answer.head.field("x-throwover-attempts"), Some("1"), "nobody was asked in vain\n{story}");
    let skipped = record(&gateway, &story.answer)["skipped"][0].clone();
    assert!(skipped["why"] == "key_limit" && skipped["for_ms"].as_u64().is_some_and(|ms| (1..=30_000).contains(&ms)), "{skipped}");
    until("the control plane has heard of it", || {
        gateway.ask("events", &[("last", "1000")]).data.to_string().contains("key_limit").then_some(())
    });
    // With nobody else it is an error that says when, in every client's words.
    let asked = provider.log().len();
    let messages = json!([{"role": "user", "content": "hi"}]);
    let clients = [
        Ask::chat("alone"),
        Ask::stream("alone"),
        Ask::post("/v1/messages", &json!({"model": "alone", "max_tokens": 64, "messages": messages})),
        Ask::post("/v1beta/models/alone:generateContent", &json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]})),
    ];
    for client in clients {
        let answer = tenant.ask(&client);
        assert_eq!((answer.head.status, answer.head.field("x-throwover-fault")), (429, Some("operator")), "{}", answer.text());
        let seconds: u64 = answer.head.field("retry-after").expect("it says when").parse().expect("in seconds");
        assert!((1..=30).contains(&seconds), "{seconds}");
        assert!(answer.text().contains("operator lets its credentials"), "{}", answer.text());
        assert_eq!(answer.head.field("x-should-retry"), None, "to ask again later helps");
        assert_eq!(record(&gateway, &answer)["code"], "rate_limit_exceeded");
    }
    assert_eq!(provider.log().len(), asked, "nothing of it reached a provider");
    let anthropic = tenant.ask(&Ask::post("/v1/messages", &json!({"model": "alone", "max_tokens": 64, "messages": messages})));
    assert_eq!(anthropic.json()["error"]["type"], "rate_limit_error");
}

/// Tokens are taken by an estimate and put right by what providers count; what failed costs none.
#[test]
fn tokens_of_a_key_in_a_minute() {
    let provider = Provider::new();
    let gateway = Gateway::start(&policy(&provider, "{key: \"sk-one-0123456789\", tpm: 1000}"));
    let mut tenant = gateway.tenant();
    // Four hundred tokens each, by estimate; all that are refused are given back.
    provider.fault("primary", "400;model=m");
    for _ in 0..10 {
        assert_eq!(tenant.ask(&large("both", 2_000)).head.status, 400);
    }
    provider.heal("primary");
    // More than a minute brings is of no use at any time.
    let story = Story::of("large", tenant.ask(&large("both", 6_000)), &provider, "m");
    story.answered_by("backup");
    assert_eq!(record(&gateway, &story.answer)["skipped"][0]["why"], "over_key_limit");
    let refused = tenant.ask(&large("alone", 6_000));
    assert_eq!((refused.head.status, refused.code().as_str()), (429, "request_too_large"), "{}", refused.text());
    assert_eq!(refused.head.field("x-should-retry"), Some("false"));
    // Until they are used up by what was counted.
    let mut counted = 0;
    let begun = Instant::now();
    let last = (0..1_000).find_map(|_| {
        let answer = tenant.ask(&Ask::chat("both"));
        assert_eq!(answer.head.status, 200, "{}", answer.text());
        if by(&answer) == "backup" {
            return Some(answer);
        }
        counted += answer.json()["usage"]["total_tokens"].as_u64().expect("it is counted");
        None
    });
    assert_eq!(last.expect("a limit is a limit").head.field("x-throwover-fallback-reason"), Some("key_limit"));
    let earned = 1_000 * (begun.elapsed().as_secs() + 1) / 60;
    assert!((900..=1_000 + earned + 100).contains(&counted), "{counted}");
}

/// A reload keeps what was taken; a higher limit counts at once.
#[test]
fn a_reload_keeps_what_a_key_has_used() {
    let provider = Provider::new();
    let gateway = Gateway::start(&policy(&provider, "{key: \"sk-one-0123456789\", rpm: 1}"));
    let mut tenant = gateway.tenant();
    let text = std::fs::read_to_string(gateway.folder.join("throwover.yaml")).expect("the gateway wrote it");
    assert_eq!(tenant.ask(&Ask::chat("alone")).head.status, 200);
    for (limit, status) in [("rpm: 1, weight: 2", 429), ("rpm: 200", 200), ("weight: 1", 200)] {
        gateway.write_text(&text.replace("rpm: 1", limit));
        let told = gateway.ask("reload", &[]);
        assert_eq!(told.code, 0, "{}", told.text);
        let answer = tenant.ask(&Ask::chat("alone"));
        assert_eq!(answer.head.status, status, "{limit}: {}", answer.text());
    }
}
