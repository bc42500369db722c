//! Active health: what the control plane finds out, others are asked first for; nobody is refused for it, and
//! a control plane that dies leaves nobody marked.

use mock::CertificateKind;
use serde_json::{Value, json};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tests::testkit::{
    gateway::Gateway,
    policy::Policy,
    provider::{Provider, WORDS, text_of},
    proxy::{Manner, Proxy},
    recorder::Recorder,
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

/// A check of a provider's path, and a canary of `model` that is to be told what the primary tells when it is well.
fn path_and_canary(model: &str) -> String {
    let rhythm = "every: 200ms, timeout: 5s, failures: 1, successes: 1";
    let text = text_of("primary");
    format!("auth: none, health: {{{rhythm}}}, canaries: [{{model: {model}, prompt: \"say it\", expect: {{text: \"{text}\"}}, {rhythm}}}]")
}

/// What a certificate is found to be.
fn word_of(kind: CertificateKind) -> &'static str {
    match kind {
        CertificateKind::Good => "good",
        CertificateKind::Expired => "expired",
        CertificateKind::NotYetValid => "not valid yet",
        CertificateKind::WrongHost => "not valid for name",
        CertificateKind::SelfSigned | CertificateKind::UnknownIssuer => "UnknownIssuer",
    }
}

#[test]
fn looks_go_by_tls_and_trust_nobody_else() {
    let provider = Provider::new();
    provider.answers("primary", &json!({"health": 200}));
    let policy = Policy::new()
        .defaults("breaker: {consecutive: 1000, min_requests: 1000}")
        .secure("primary", provider.tls("primary"), &provider.ca(), &path_and_canary("secured"))
        .provider("backup", provider.plain("backup"), "auth: none")
        .chain("secured", &[("primary", "secured"), ("backup", "secured")], "");
    let gateway = Gateway::start(&policy);
    let checks = ["primary health", "primary/secured canary"];
    for name in checks {
        until_check(&gateway, name, "it is well", |found| found["state"] == "well");
    }
    let asked = provider.log_of("secured");
    assert!(!asked.is_empty() && asked.iter().all(|entry| entry.tls), "{asked:?}");
    for kind in CertificateKind::ALL.iter().filter(|kind| **kind != CertificateKind::Good) {
        provider.certificate("primary", *kind);
        for name in checks {
            until_check(&gateway, name, word_of(*kind), |found| {
                let said = found["said"].as_str().unwrap_or_default();
                found["reason"] == "exception" && said.starts_with("TLS: invalid peer certificate: ") && said.contains(word_of(*kind))
            });
        }
    }
    until_told(&gateway, "primary/secured", "exception");
    let record = until_answered_by(&gateway, "secured", "backup");
    assert_eq!(skipped(&record, "primary/secured")["reason"], "exception", "{record}");
    provider.certificate("primary", CertificateKind::Good);
    until_answered_by(&gateway, "secured", "primary");
}

/// Waits until the data plane tells why a target is asked last.
fn until_told(gateway: &Gateway, target: &str, reason: &str) {
    let line = format!("throwover_target_degraded{{target=\"{target}\",reason=\"{reason}\"}} 1");
    until(&line, || gateway.page("/metrics").unwrap().1.contains(&line).then_some(()));
}

#[test]
fn looks_go_through_the_egress_proxy() {
    let provider = Provider::new();
    provider.answers("primary", &json!({"health": 200}));
    let authorities = ["provider.test:443", "provider.test:80"];
    let proxy = Proxy::start(&[(authorities[0], provider.tls("primary")), (authorities[1], provider.plain("primary"))]);
    let members = path_and_canary("tunnelled");
    let ca = provider.ca();
    let policy = Policy::new()
        .gateway(&format!("egress: {{proxy: \"http://{}\"}}", proxy.address))
        .endpoint("primary", "https://provider.test/v1", &format!("ca: \"{}\", server_name: localhost, {members}", ca.display()))
        .endpoint("unsecured", "http://provider.test/v1", &members)
        .endpoint("misled", "https://provider.test/v1", &format!("ca: \"{}\", {members}", ca.display()))
        .chain("tunnelled", &[("primary", "tunnelled"), ("unsecured", "tunnelled"), ("misled", "tunnelled")], "");
    let gateway = Gateway::start(&policy);
    let checks = ["primary health", "primary/tunnelled canary", "unsecured health", "unsecured/tunnelled canary"];
    let until_all = |what: &str, holds: &dyn Fn(&Value) -> bool| {
        for name in checks {
            until_check(&gateway, name, what, holds);
        }
    };
    // Nobody but the proxy knows the name.
    until_all("it is well", &|found| found["state"] == "well");
    // Who is led elsewhere notices.
    until_check(&gateway, "misled health", "another name", |found| found["said"].as_str().unwrap_or_default().starts_with("TLS: "));
    for one in proxy.asked() {
        let authority = authorities.iter().find(|authority| one.authority() == Some(authority)).expect("nobody else is asked for");
        assert_eq!(one.head, format!("CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n\r\n"));
    }
    proxy.manner(Manner::Refuse(407));
    until_all("it is refused", &|found| found["reason"] == "exception" && found["said"] == "the egress proxy answered 407");
    proxy.manner(Manner::Interim(3));
    until_all("it is well again", &|found| found["state"] == "well");
    proxy.manner(Manner::HangUp);
    until_all("nobody answers", &|found| found["reason"] == "exception");
    proxy.manner(Manner::Silent);
    until_all("it waits in vain", &|found| found["reason"] == "high_latency" && found["said"] == "no answer in time");
}

/// An answer of OpenAI's dialect with one token.
fn completion(content: &str, logprob: f64) -> Vec<u8> {
    Recorder::json(
        &json!({
            "id": "c", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop",
                "logprobs": {"content": [{"token": content, "logprob": logprob, "bytes": null, "top_logprobs": []}]}}],
            "usage": {"prompt_tokens": 8, "completion_tokens": 1, "total_tokens": 9},
        })
        .to_string(),
    )
}

/// Each model, what is expected of it, what it says while it is well and when it is not, and why that is so.
const KNOWN: [(&str, &str, &str, &str, &str); 4] = [
    ("text", "{text: \"Forty-two\"}", " forty-two.\n", "It is forty-two.", "wrong_answer"),
    ("regex", "{regex: \"^4[2-3]$\"}", "42", "442", "wrong_answer"),
    ("json", "{json: {answer: 42, of: [6, 7]}}", "```json\n{\"of\": [6, 7.0], \"answer\": 42}\n```", "{\"answer\": 42}", "wrong_answer"),
    ("unsure", "{text: \"42\"}, min_confidence: 90%", "42", "42", "low_confidence"),
];

#[test]
fn an_answer_is_held_against_a_text_an_expression_a_value_and_its_confidence() {
    let is_well = Arc::new(AtomicBool::new(true));
    let well = is_well.clone();
    let model = Recorder::answering(move |asked| {
        let body: Value = serde_json::from_slice(&asked.body).unwrap();
        let (_, _, right, wrong, _) = KNOWN.iter().find(|(model, ..)| body["model"] == **model).unwrap();
        if well.load(Ordering::Acquire) { completion(right, -0.01) } else { completion(wrong, 0.5_f64.ln()) }
    });
    let rhythm = "prompt: \"What is 6*7?\", every: 200ms, timeout: 5s, failures: 1, successes: 1";
    let canaries: Vec<String> = KNOWN.iter().map(|(model, expect, ..)| format!("{{model: {model}, expect: {expect}, {rhythm}}}")).collect();
    let targets = KNOWN.map(|(model, ..)| ("own", model));
    let policy = Policy::new().provider("own", model.address, &format!("auth: none, canaries: [{}]", canaries.join(", "))).chain(
        "known-answers",
        &targets,
        "",
    );
    let gateway = Gateway::start(&policy);
    for (model, ..) in KNOWN {
        until_check(&gateway, &format!("own/{model} canary"), "it is right", |found| found["state"] == "well");
    }
    is_well.store(false, Ordering::Release);
    for (model, .., reason) in KNOWN {
        until_check(&gateway, &format!("own/{model} canary"), reason, |found| found["reason"] == reason);
        until_told(&gateway, &format!("own/{model}"), reason);
    }
    assert_eq!(check(&gateway, "own/unsure canary")["said"], "right, with a mean probability of 0.500");
}

#[test]
fn who_is_late_or_cannot_be_read_is_told_apart() {
    let provider = Provider::new();
    // No answer comes within this delay, and none has to.
    provider.answers("primary", &json!({"latency_ms": 50}));
    let gateway = Gateway::start(&with_canary(&provider, "late", ", slow: 1ms"));
    until_check(&gateway, "primary/late canary", "it is late", |found| {
        found["reason"] == "high_latency" && found["said"].as_str().unwrap().starts_with("right, after ")
    });
    until_told(&gateway, "primary/late", "high_latency");
    for (fault, said) in [("reset-before-head;model=late", "reset"), ("truncated-json;model=late", "its answer cannot be read")] {
        provider.fault("primary", fault);
        until_check(&gateway, "primary/late canary", fault, |found| {
            found["reason"] == "exception" && found["said"].as_str().unwrap().contains(said)
        });
    }
    until_told(&gateway, "primary/late", "exception");
}

#[test]
fn a_canary_stops_when_its_money_is_spent() {
    let provider = Provider::new();
    let canary = format!(
        "auth: none, canaries: [{{model: dear, prompt: \"say it\", expect: {{text: \"{}\"}}, every: 200ms, timeout: 5s, daily_cost: 0.4}}]",
        text_of("primary")
    );
    // A tenth of a cent for each token.
    let policy = Policy::new().provider("primary", provider.plain("primary"), &canary).chain_of(
        "dear",
        "[{provider: primary, model: dear, price: {input: 1000, output: 1000}}]",
        "",
    );
    let gateway = Gateway::start(&policy);
    until_check(&gateway, "primary/dear canary", "it rests", |found| found["rests"] == true);
    let found = check(&gateway, "primary/dear canary");
    let (cost, count) = (found["today"]["cost_usd"].as_f64().unwrap(), found["today"]["count"].as_u64().unwrap());
    assert!(count > 1 && provider.log_of("dear").len() as u64 == count, "{found}");
    // The next one might have cost 19 tokens of prompt and 64 of an answer.
    assert!(cost <= 0.4 && cost + 0.083 > 0.4, "{found}");
}
