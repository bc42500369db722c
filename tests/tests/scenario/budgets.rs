//! Money: what a tenant may spend, what requests cost, and that neither is forgotten.

use serde_json::{Value, json};
use tests::testkit::{
    gateway::{Gateway, free_port},
    policy::Policy,
    provider::Provider,
    story::Story,
    tenant::{Answer, Ask},
    until,
};

const KEY: &str = "sk-acme-0123456789abcdef";
/// Dollars for a token of the prompt, and of the answer.
const PRICE: (f64, f64) = (0.000_1, 0.001);
/// Tokens of an answer at most, so that little is reserved.
const TOKENS_MAX: u64 = 64;

/// A policy whose models have a price, and whose tenant a budget.
fn policy(provider: &Provider, models: &[&str], budget: &str) -> Policy {
    let mut policy = Policy::over(provider);
    for model in models {
        let link =
            |name: &str| format!("{{provider: {name}, model: {model}, price: {{input: {}, output: {}}}}}", PRICE.0 * 1e6, PRICE.1 * 1e6);
        policy = policy.chain_of(model, &format!("[{}, {}]", link("primary"), link("backup")), "retry: {max_attempts: 2, base: 1ms}");
    }
    policy.section(&format!("tenants:\n  - {{name: acme, keys: [{{key: \"{KEY}\"}}], budget: {budget}}}"))
}

fn body(model: &str, stream: bool) -> Value {
    let mut body = json!({"model": model, "max_tokens": TOKENS_MAX, "messages": [{"role": "user", "content": "hi"}]});
    if stream {
        body["stream"] = json!(true);
        body["stream_options"] = json!({"include_usage": true});
    }
    body
}

fn ask(model: &str) -> Ask {
    Ask::post("/v1/chat/completions", &body(model, false)).key(KEY)
}

fn stream(model: &str) -> Ask {
    Ask::post("/v1/chat/completions", &body(model, true)).key(KEY)
}

/// What an answer cost, by the usage that it tells.
fn cost(answer: &Answer) -> f64 {
    let told = |usage: &Value| {
        let count = |name: &str| usage[name].as_u64().unwrap() as f64;
        count("prompt_tokens") * PRICE.0 + count("completion_tokens") * PRICE.1
    };
    let whole = answer.json();
    let last = answer.events().iter().rev().find_map(|event| {
        let data: Value = serde_json::from_str(&event.data).ok()?;
        data["usage"].is_object().then(|| data["usage"].clone())
    });
    told(&last.unwrap_or_else(|| whole["usage"].clone()))
}

/// Amounts are told to a hundred-millionth.
fn same(one: f64, other: f64) -> bool {
    (one - other).abs() < 5e-9
}

fn record(gateway: &Gateway, answer: &Answer) -> Value {
    gateway.record(answer.head.field("x-request-id").unwrap())
}

fn stand(gateway: &Gateway) -> Value {
    gateway.ask("status", &[]).data["budgets"][0].clone()
}

/// Waits until the daemon knows that so much was spent, and nothing is reserved.
fn until_told(gateway: &Gateway, spent: f64) {
    let mut last = Value::Null;
    let told = || {
        last = stand(gateway);
        (same(last["spent_usd"].as_f64().unwrap_or(-1.0), spent) && last["reserved_usd"] == 0.0).then_some(())
    };
    until(&format!("{spent} are told"), told);
}

/// The events about budgets that say this.
fn events(gateway: &Gateway, what: &str) -> Vec<Value> {
    let all = gateway.ask("events", &[("last", "1000")]).data;
    all.as_array().unwrap().iter().filter(|event| event["kind"] == "budget" && event["details"]["what"] == what).cloned().collect()
}

fn is_reduced(answer: &Answer) -> bool {
    answer.head.field("x-throwover-budget") == Some("reduced")
}

#[test]
fn a_threshold_moves_and_the_end_refuses_in_every_dialect() {
    let provider = Provider::new();
    let gateway = Gateway::start(&policy(&provider, &["best", "cheap"], "{usd: 0.5, per: month, at: 50%, then: cheap}"));
    let mut tenant = gateway.tenant();
    let (mut spent, mut moved) = (0.0, None);
    let refused = loop {
        // Whole answers and streams, by turns.
        let story = Story::of("within", tenant.ask(&if spent > 0.1 { stream("best") } else { ask("best") }), &provider, "best");
        let answer = &story.answer;
        if answer.head.status != 200 {
            break story.answer;
        }
        assert_eq!(is_reduced(answer), spent >= 0.25, "{spent} of 0.5 are spent\n{story}");
        assert_eq!(answer.head.field("x-throwover-model"), Some(if spent >= 0.25 { "cheap" } else { "best" }), "{story}");
        if is_reduced(answer) && moved.is_none() {
            moved = Some(provider.log_of("best").len());
        }
        let written = record(&gateway, answer);
        assert!(same(written["cost_usd"].as_f64().unwrap(), cost(answer)), "{written}");
        assert_eq!((&written["failed_cost_usd"], &written["failed_ms"]), (&json!(0), &json!(null)), "{written}");
        spent += cost(answer);
        assert!(spent <= 0.5, "answers that are as short as they may be never go beyond the limit: {spent}");
    };
    assert_eq!(moved, Some(provider.log_of("best").len()), "who was moved asks the dear model no more");
    // As much was left as a request may cost, or less.
    assert!(spent + TOKENS_MAX as f64 * PRICE.1 + 0.01 > 0.5, "refused after {spent}");
    assert_eq!((refused.head.status, refused.code().as_str()), (402, "budget_exhausted"), "{}", refused.text());
    assert_eq!(refused.json()["error"]["type"], "insufficient_quota");
    assert_eq!(refused.head.field("x-throwover-fault"), Some("tenant"));
    assert_eq!(refused.head.field("x-should-retry"), Some("false"));
    assert!(refused.text().contains("The next month begins at 20"), "{}", refused.text());
    // In the other dialects; nothing of it reaches a provider.
    let asked = provider.log().len();
    let messages = json!({"model": "best", "max_tokens": TOKENS_MAX, "messages": [{"role": "user", "content": "hi"}]});
    let anthropic = tenant.ask(&Ask::post("/v1/messages", &messages).key(KEY));
    let error = &anthropic.json()["error"];
    assert_eq!((anthropic.head.status, error["type"].as_str()), (402, Some("billing_error")), "{}", anthropic.text());
    assert!(error["message"].as_str().unwrap().contains("budget"), "{}", anthropic.text());
    let contents = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "generationConfig": {"maxOutputTokens": 1}});
    let gemini = tenant.ask(&Ask::post("/v1beta/models/best:generateContent", &contents).key(KEY));
    assert_eq!((gemini.head.status, &gemini.json()["error"]["code"]), (402, &json!(402)), "{}", gemini.text());
    assert_eq!(tenant.ask(&Ask::stream("best").key(KEY)).head.status, 402);
    assert_eq!(provider.log().len(), asked);
    // Told once each, kept, and shown.
    until_told(&gateway, spent);
    assert_eq!((events(&gateway, "threshold").len(), events(&gateway, "exhausted").len()), (1, 1));
    let stand = stand(&gateway);
    assert_eq!(
        (&stand["tenant"], &stand["limit_usd"], &stand["then"], &stand["state"]),
        (&json!("acme"), &json!(0.5), &json!("cheap"), &json!("reduced"))
    );
    let status = gateway.ask("status", &[]).text;
    assert!(status.contains("budget    acme  $0.4") && status.contains("requests take `cheap`"), "{status}");
    assert_eq!(gateway.meter("throwover_budget_refused_total"), 4.0);
    assert!(same(gateway.meter("throwover_cost_nanodollars_total") / 1e9, spent));
    assert!(same(gateway.meter("throwover_target_cost_usd_total"), spent));
    // A larger budget counts at once, and what was spent stays spent.
    let text = std::fs::read_to_string(gateway.folder.join("throwover.yaml")).unwrap();
    gateway.write_text(&text.replace("usd: 0.5", "usd: 5"));
    assert_eq!(gateway.ask("reload", &[]).code, 0);
    let answer = tenant.ask(&ask("best"));
    assert!(answer.head.status == 200 && !is_reduced(&answer), "{}", answer.text());
    until_told(&gateway, spent + cost(&answer));
}

#[test]
fn what_was_spent_survives_restarts_of_either_and_of_both() {
    let provider = Provider::new();
    let (listen, admin) = (free_port(), free_port());
    let policy = policy(&provider, &["kept"], "{usd: 0.3, per: month}")
        .gateway(&format!("listen: \"127.0.0.1:{listen}\", admin: \"127.0.0.1:{admin}\""));
    let mut gateway = Gateway::start(&policy);
    let mut spent = 0.0;
    let mut spend = |gateway: &Gateway| {
        let answer = gateway.tenant().ask(&ask("kept"));
        assert_eq!(answer.head.status, 200, "{}", answer.text());
        spent += cost(&answer);
        spent
    };
    let first = spend(&gateway);
    until_told(&gateway, first);
    // The data plane dies: the next one is told what the first has spent.
    gateway.kill_plane();
    gateway.start_plane();
    gateway.find();
    gateway.await_ready();
    until("it is told", || (events(&gateway, "remembered").len() == 1).then_some(()));
    let second = spend(&gateway);
    until_told(&gateway, second);
    // The daemon dies, and traffic goes on meanwhile.
    gateway.kill_daemon();
    let third = spend(&gateway);
    gateway.start_daemon();
    until_told(&gateway, third);
    // Both die.
    gateway.kill_plane();
    gateway.kill_daemon();
    gateway.start_daemon();
    assert!(same(stand(&gateway)["spent_usd"].as_f64().unwrap(), third), "{}", stand(&gateway));
    gateway.start_plane();
    gateway.find();
    gateway.await_ready();
    until("it is told", || (events(&gateway, "remembered").len() == 1).then_some(()));
    let fourth = spend(&gateway);
    // Another process takes over while a stream goes on in the first: both count, and nothing twice. What the
    // first one spent last of all is told before it ends.
    provider.answers("primary", &json!({"gap_ms": 20}));
    let mut tenant = gateway.tenant();
    tenant.send(&stream("kept").bytes());
    let head = tenant.head();
    let begun = std::thread::spawn(move || tenant.rest(head));
    gateway.take_over();
    gateway.await_ready();
    let streamed = begun.join().unwrap();
    assert!(streamed.done(), "{}", streamed.text());
    gateway.find();
    let fifth = fourth + cost(&streamed);
    until_told(&gateway, fifth);
    let answer = gateway.tenant().ask(&ask("kept"));
    until_told(&gateway, fifth + cost(&answer));
    // So the end comes when all of it together is spent.
    let mut all = fifth + cost(&answer);
    let refused = loop {
        let answer = gateway.tenant().ask(&ask("kept"));
        if answer.head.status != 200 {
            break answer;
        }
        all += cost(&answer);
        assert!(all <= 0.3, "{all}");
    };
    assert_eq!(refused.code(), "budget_exhausted");
    assert!(all + TOKENS_MAX as f64 * PRICE.1 + 0.01 > 0.3, "refused after {all}");
}

#[test]
fn attempts_that_failed_are_paid_for_when_their_provider_does_too() {
    let provider = Provider::new();
    let gateway = Gateway::start(&policy(&provider, &["whole", "streamed", "refused"], "{usd: 5}"));
    let mut tenant = gateway.tenant();
    let mut spent = 0.0;
    // An answer that was begun is billed: the prompt at least, which nobody counted.
    for (model, fault, request) in [("whole", "truncated-json", ask("whole")), ("streamed", "error-before-content", stream("streamed"))] {
        provider.fault("primary", fault);
        let story = Story::of(model, tenant.ask(&request), &provider, model);
        assert_eq!((story.answer.head.status, story.asked("primary"), story.asked("backup")), (200, 1, 1), "{story}");
        let written = record(&gateway, &story.answer);
        let failed = written["failed_cost_usd"].as_f64().unwrap();
        assert!(failed >= PRICE.0 && failed < PRICE.0 * 20.0, "{written}");
        assert!(same(written["cost_usd"].as_f64().unwrap(), failed + cost(&story.answer)), "{written}");
        assert!(written["failed_ms"].is_u64(), "{written}");
        spent += failed + cost(&story.answer);
    }
    // An error costs nothing.
    provider.fault("primary", "503");
    let story = Story::of("refused", tenant.ask(&ask("refused")), &provider, "refused");
    let written = record(&gateway, &story.answer);
    assert_eq!(written["failed_cost_usd"], 0, "{written}");
    spent += cost(&story.answer);
    until_told(&gateway, spent);
    // The events say the same.
    let told = gateway.ask("events", &[("last", "1000")]).data;
    let fallbacks: Vec<&Value> = told.as_array().unwrap().iter().filter(|event| event["kind"] == "fallback").collect();
    assert_eq!(fallbacks.len(), 3, "{told}");
    let details = &fallbacks[0]["details"];
    for name in ["cost_usd", "failed_cost_usd", "failed_ms", "skipped"] {
        assert!(details[name].is_string(), "{details}");
    }
    assert_ne!(details["failed_cost_usd"], "0", "{details}");
}

/// Who goes away has spent something all the same, and leaves nothing reserved.
#[test]
fn who_hangs_up_pays_for_what_was_said() {
    let provider = Provider::new();
    provider.answers("primary", &json!({"gap_ms": 5, "words": 2_000}));
    let gateway = Gateway::start(&policy(&provider, &["left"], "{usd: 5}"));
    let mut tenant = gateway.tenant();
    let long = json!({"model": "left", "stream": true, "max_tokens": 4_000, "messages": [{"role": "user", "content": "hi"}]});
    tenant.send(&Ask::post("/v1/chat/completions", &long).key(KEY).bytes());
    assert_eq!(tenant.head().status, 200);
    assert!(tenant.body_until("w20\"").contains("w20\""));
    until("it is reserved", || stand(&gateway)["reserved_usd"].as_f64().filter(|reserved| *reserved > 0.5));
    tenant.reset();
    let stand = until("it is settled", || Some(stand(&gateway)).filter(|stand| stand["reserved_usd"] == 0.0 && stand["spent_usd"] != 0.0));
    let spent = stand["spent_usd"].as_f64().unwrap();
    assert!(spent >= 20.0 * PRICE.1 && spent < 4_000.0 * PRICE.1, "{stand}");
}

#[test]
fn a_rehearsal_of_other_prices_counts_with_them() {
    let provider = Provider::new();
    let gateway = Gateway::start(&policy(&provider, &["dear"], "{usd: 5}"));
    let begun = gateway.command("chaos", &["begin", "--targets", "primary/dear", "--faults", "price:10", "--for", "5m"]).1;
    assert!(begun.contains("is live"), "{begun}");
    let answer = gateway.tenant().ask(&ask("dear"));
    let written = record(&gateway, &answer);
    assert!(same(written["cost_usd"].as_f64().unwrap(), 10.0 * cost(&answer)), "{written}");
    assert_eq!(written["attempts"][0]["struck"], json!(null), "nothing fails: {written}");
    until_told(&gateway, 10.0 * cost(&answer));
    let report = gateway.command("chaos", &["report"]).1;
    assert!(report.contains("price:10") && report.contains("cost      $0."), "{report}");
    assert!(gateway.command("chaos", &["end"]).1.contains("is live"));
    let after = gateway.tenant().ask(&ask("dear"));
    assert!(same(record(&gateway, &after)["cost_usd"].as_f64().unwrap(), cost(&after)));
}
