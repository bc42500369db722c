//! Active health: what the control plane finds out, others are asked first for; nobody is refused for it, and
//! a control plane that dies leaves nobody marked.

use serde_json::{Value, json};
use tests::testkit::{
    gateway::Gateway,
    policy::Policy,
    provider::{Provider, WORDS, text_of},
    tenant::Ask,
    until,
};

/// A page of vLLM's with so many requests in the queue.
fn page(waiting: u32) -> Value {
    json!({"metrics": format!(
        "# TYPE vllm:num_requests_waiting gauge\nvllm:num_requests_waiting{{engine=\"0\",model_name=\"m\"}} {waiting}.0\n\
         vllm:kv_cache_usage_perc{{engine=\"0\",model_name=\"m\"}} 0.31\n"
    )})
}

/// The one check of this name, as `throwover health` tells it.
fn check(gateway: &Gateway, name: &str) -> Value {
    let told = gateway.ask("health", &[]);
    let checks = told.data["checks"].as_array().cloned().unwrap_or_default();
    checks.into_iter().find(|check| check["check"] == name).unwrap_or_else(|| panic!("no check {name}: {}", told.text))
}

fn until_check(gateway: &Gateway, name: &str, what: &str, holds: impl Fn(&Value) -> bool) {
    until(&format!("{name}: {what}"), || Some(check(gateway, name)).filter(|found| holds(found)));
}

/// Asks until this provider answers, and returns the record.
fn until_answered_by(gateway: &Gateway, model: &str, provider: &str) -> Value {
    let mut tenant = gateway.tenant();
    let id = until(&format!("{provider} answers {model}"), || {
        let answer = tenant.ask(&Ask::chat(model));
        assert_eq!(answer.head.status, 200, "nobody is refused for a mark: {}", answer.text());
        let is_it = answer.head.field("x-throwover-provider") == Some(provider);
        is_it.then(|| answer.head.field("x-request-id").expect("every answer has one").to_owned())
    });
    gateway.record(&id)
}

/// Why a target was not asked, of a record.
fn skipped(record: &Value, target: &str) -> Value {
    let skipped = record["skipped"].as_array().into_iter().flatten();
    skipped.into_iter().find(|skip| skip["target"] == target).cloned().unwrap_or_default()
}

fn events(gateway: &Gateway, kind: &str) -> Vec<Value> {
    let told = gateway.ask("events", &[("last", "500")]).data;
    told.as_array().into_iter().flatten().filter(|event| event["kind"] == kind).cloned().collect()
}

#[test]
fn a_target_that_says_it_is_full_is_passed_over_and_comes_back() {
    let provider = Provider::new();
    provider.answers("primary", &page(3));
    let policy = Policy::new()
        .provider("primary", provider.plain("primary"), "auth: none, metrics: {preset: vllm, every: 100ms, timeout: 5s}")
        .provider("backup", provider.plain("backup"), "auth: none")
        .chain("full", &[("primary", "full"), ("backup", "full")], "")
        .chain("alone", &[("primary", "alone")], "");
    let gateway = Gateway::start(&policy);
    until_check(&gateway, "primary metrics", "it is well", |found| found["state"] == "well");
    until_answered_by(&gateway, "full", "primary");
    provider.answers("primary", &page(51));
    let record = until_answered_by(&gateway, "full", "backup");
    let skip = skipped(&record, "primary/full");
    assert_eq!((&skip["why"], &skip["reason"]), (&json!("degraded"), &json!("overloaded")), "{record}");
    // Who has nobody else is answered all the same.
    until_answered_by(&gateway, "alone", "primary");
    // Everybody can see it, and why.
    let found = check(&gateway, "primary metrics");
    assert_eq!((&found["state"], &found["said"]), (&json!("degraded"), &json!("vllm:num_requests_waiting is 51, above 50")));
    let status = gateway.ask("status", &[]);
    assert!(status.text.contains("degraded  primary metrics for "), "{}", status.text);
    until("the data plane tells it", || {
        let targets = gateway.ask("status", &[]).data["planes"][0]["stats"]["targets"].clone();
        let is_told = |target: &Value| target["name"] == "primary/full" && target["degraded"] == "overloaded";
        targets.as_array()?.iter().any(is_told).then_some(())
    });
    let (_, page_of_meters) = gateway.page("/metrics").unwrap();
    assert!(page_of_meters.contains("throwover_target_degraded{target=\"primary/full\",reason=\"overloaded\"} 1"), "{page_of_meters}");
    let explained = gateway.command("explain", &["full", "--config", gateway.folder.join("throwover.yaml").to_str().unwrap()]).1;
    assert!(explained.contains("asked last: overloaded"), "{explained}");
    provider.answers("primary", &page(0));
    until_answered_by(&gateway, "full", "primary");
    let told = [events(&gateway, "degraded").len(), events(&gateway, "restored").len()];
    assert_eq!(told, [1, 1], "each change is told once");
}

#[test]
fn a_health_path_that_fails_has_others_asked_first() {
    let provider = Provider::new();
    provider.answers("primary", &json!({"health": 200}));
    let policy = Policy::new()
        .provider("primary", provider.plain("primary"), "auth: none, health: {every: 100ms, timeout: 5s, successes: 3}")
        .provider("backup", provider.plain("backup"), "auth: none, health: {every: 100ms, timeout: 5s}")
        .chain("up", &[("primary", "up"), ("backup", "up")], "");
    let gateway = Gateway::start(&policy);
    // OpenAI has no such path: then it is the second that is asked last.
    until_check(&gateway, "backup health", "it has no such path", |found| found["reason"] == "http_error");
    until_answered_by(&gateway, "up", "primary");
    provider.answers("backup", &json!({"health": 200}));
    until_check(&gateway, "backup health", "it is well", |found| found["state"] == "well");
    provider.answers("primary", &json!({"health": 503}));
    let record = until_answered_by(&gateway, "up", "backup");
    assert_eq!(skipped(&record, "primary/up")["reason"], "http_error", "{record}");
    // A reload leaves what is as it was.
    let looks = check(&gateway, "primary health")["looks"].as_u64().unwrap();
    gateway.write(&policy.clone().chain("more", &[("primary", "more")], ""));
    assert_eq!(gateway.ask("reload", &[]).code, 0);
    let found = check(&gateway, "primary health");
    assert!(found["state"] == "degraded" && found["looks"].as_u64().unwrap() >= looks, "{found}");
    assert_eq!(found["targets"], json!(["primary/*", "primary/more", "primary/up"]));
    provider.answers("primary", &json!({"health": 200}));
    until_answered_by(&gateway, "up", "primary");
    // What nobody wants to be looked at any more marks nobody.
    provider.answers("primary", &json!({"health": 503}));
    until_answered_by(&gateway, "up", "backup");
    gateway.write(&Policy::over(&provider).chain("up", &[("primary", "up"), ("backup", "up")], ""));
    assert_eq!(gateway.ask("reload", &[]).code, 0);
    until_answered_by(&gateway, "up", "primary");
    assert!(gateway.ask("health", &[]).text.contains("nothing is looked at"));
}

/// A policy whose first provider is asked what it knows.
fn with_canary(provider: &Provider, model: &str, members: &str) -> Policy {
    let canary = format!(
        "auth: none, canaries: [{{model: {model}, prompt: \"say it\", expect: {{text: \"{}\"}}, every: 200ms, timeout: 5s, failures: 1, \
         successes: 1{members}}}]",
        text_of("primary")
    );
    Policy::new().provider("primary", provider.plain("primary"), &canary).provider("backup", provider.plain("backup"), "auth: none").chain(
        model,
        &[("primary", model), ("backup", model)],
        "",
    )
}

#[test]
fn a_wrong_answer_marks_who_gave_it() {
    let provider = Provider::new();
    let gateway = Gateway::start(&with_canary(&provider, "known", ""));
    until_check(&gateway, "primary/known canary", "it is right", |found| found["state"] == "well");
    until_answered_by(&gateway, "known", "primary");
    provider.answers("primary", &json!({"words": 3}));
    let record = until_answered_by(&gateway, "known", "backup");
    assert_eq!(skipped(&record, "primary/known")["reason"], "wrong_answer", "{record}");
    assert_eq!(check(&gateway, "primary/known canary")["said"], "said `primary says: w0 w1 w2`");
    let told = events(&gateway, "degraded");
    let details = &told[0]["details"];
    assert_eq!((&details["target"], &details["reason"]), (&json!("primary/known"), &json!("wrong_answer")), "{told:?}");
    provider.answers("primary", &json!({"words": WORDS}));
    until_answered_by(&gateway, "known", "primary");
    // An error of the provider has a word of its own, and "later" says nothing.
    provider.fault("primary", "500;model=known");
    until_check(&gateway, "primary/known canary", "it fails", |found| found["reason"] == "http_error");
    provider.fault("primary", "429;model=known");
    until_check(&gateway, "primary/known canary", "it is asked too often", |found| found["said"].as_str().unwrap().starts_with("429"));
    assert_eq!(check(&gateway, "primary/known canary")["state"], "degraded", "what says nothing changes nothing");
}

#[test]
fn marks_lapse_when_the_control_plane_dies() {
    let provider = Provider::new();
    provider.answers("primary", &json!({"words": 3}));
    let mut gateway = Gateway::start(&with_canary(&provider, "orphan", ""));
    until_answered_by(&gateway, "orphan", "backup");
    gateway.kill_daemon();
    // The answer of the first is as wrong as before, and nobody is there any more to say so.
    until_answered_by(&gateway, "orphan", "primary");
    // Back again, it looks again, and tells again.
    gateway.start_daemon();
    until_answered_by(&gateway, "orphan", "backup");
}

#[test]
fn a_data_plane_that_joins_is_told_at_once() {
    let provider = Provider::new();
    provider.answers("primary", &json!({"words": 3}));
    let mut gateway = Gateway::start(&with_canary(&provider, "joins", ""));
    until_answered_by(&gateway, "joins", "backup");
    gateway.kill_plane();
    gateway.start_plane();
    gateway.find();
    gateway.await_ready();
    until_answered_by(&gateway, "joins", "backup");
}

#[test]
fn a_canary_stops_when_its_day_is_spent() {
    let provider = Provider::new();
    let mut gateway = Gateway::start(&with_canary(&provider, "capped", ", daily_count: 4"));
    until_check(&gateway, "primary/capped canary", "it rests", |found| found["rests"] == true);
    let asked = |provider: &Provider| provider.log_of("capped").len();
    assert_eq!(asked(&provider), 4, "so often, and no more");
    assert_eq!(check(&gateway, "primary/capped canary")["today"]["count"], 4);
    assert_eq!(events(&gateway, "canary_rests").len(), 1);
    // Not by a reload, nor by a daemon that begins again: what was spent is kept.
    let spent = gateway.folder.join("state/canaries.json");
    until("it is written down", || std::fs::read_to_string(&spent).ok().filter(|text| text.contains("\"count\": 4")));
    gateway.kill_daemon();
    gateway.start_daemon();
    until_check(&gateway, "primary/capped canary", "it still rests", |found| found["rests"] == true);
    assert_eq!(asked(&provider), 4);
}
