//! What providers say of their rate limits: told to clients in their own names, and heeded before a
//! provider has to refuse.

use mock::Dialect;
use serde_json::json;
use tests::testkit::{
    gateway::Gateway,
    policy::Policy,
    provider::Provider,
    story::Story,
    tenant::{Answer, Ask},
    until,
};

const ACME: &str = "sk-acme-0123456789abcdef";

/// The fields about limits, in order.
fn limits(answer: &Answer) -> Vec<(&str, &str)> {
    let about = |name: &str| name.contains("ratelimit");
    let fields = answer.head.fields.iter().filter(|(name, _)| about(name));
    fields.map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn zoo() -> Provider {
    Provider::speaking(&[("chat", Dialect::Openai), ("claude", Dialect::Anthropic), ("gemini", Dialect::Gemini)])
}

fn policy(provider: &Provider) -> Policy {
    let at = |name: &str, path: &str| format!("http://{}{path}", provider.plain(name));
    Policy::new()
        .endpoint("chat", &at("chat", "/v1"), "keys: [\"sk-operators\"], speaks: [chat]")
        .endpoint("claude", &at("claude", ""), "keys: [\"sk-operators\"], dialect: anthropic, auth: {header: x-api-key}")
        .endpoint("gemini", &at("gemini", "/v1beta"), "keys: [\"sk-operators\"], dialect: gemini, auth: {header: x-goog-api-key}")
        .chain("chat", &[("chat", "m")], "")
        .chain("claude", &[("claude", "m")], "")
        .chain("gemini", &[("gemini", "m")], "")
        .chain("over", &[("chat", "n"), ("claude", "n")], "")
}

/// The same question as a client of each dialect asks it.
fn ask(client: &str, model: &str, stream: bool) -> Ask {
    let messages = json!([{"role": "user", "content": "hi"}]);
    match client {
        "chat" => Ask::post("/v1/chat/completions", &json!({"model": model, "stream": stream, "messages": messages})),
        "messages" => {
            let body = json!({"model": model, "max_tokens": 64, "stream": stream, "messages": messages});
            Ask::post("/v1/messages", &body).with("anthropic-version", "2023-06-01")
        }
        _ => {
            let verb = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
            Ask::post(&format!("/v1beta/models/{model}:{verb}"), &json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}))
        }
    }
}

#[test]
fn limits_are_told_in_the_clients_names() {
    let provider = zoo();
    let gateway = Gateway::start(&policy(&provider));
    let told = |client: &str, model: &str, stream: bool| {
        let answer = gateway.tenant().ask(&ask(client, model, stream));
        assert_eq!(answer.head.status, 200, "{client} {model}: {}", answer.text());
        answer
    };
    // As it came, within one dialect.
    provider.fault("chat", "limits;form=cerebras;remaining=7;reset_ms=33500;model=m");
    provider.add_fault("chat", "503;model=n");
    let as_it_came = [
        ("x-ratelimit-limit-requests-day", "100"),
        ("x-ratelimit-remaining-requests-day", "7"),
        ("x-ratelimit-reset-requests-day", "33.5"),
        ("x-ratelimit-limit-tokens-minute", "100"),
        ("x-ratelimit-remaining-tokens-minute", "100"),
        ("x-ratelimit-reset-tokens-minute", "0.0"),
    ];
    for stream in [false, true] {
        assert_eq!(limits(&told("chat", "chat", stream)), as_it_came);
        // In the names of another.
        let answer = told("messages", "chat", stream);
        let (names, values): (Vec<&str>, Vec<&str>) = limits(&answer).into_iter().unzip();
        let parts = ["limit", "remaining", "reset"];
        let expected: Vec<String> =
            ["requests", "tokens"].iter().flat_map(|of| parts.map(|part| format!("anthropic-ratelimit-{of}-{part}"))).collect();
        assert_eq!(names, expected);
        assert_eq!([values[0], values[1], values[3], values[4]], ["100", "7", "100", "100"]);
        assert!([values[2], values[5]].iter().all(|reset| reset.len() == 20 && reset.ends_with('Z')), "{values:?}");
        // Gemini's have none.
        assert_eq!(limits(&told("generate", "chat", stream)), []);
        assert_eq!(limits(&told("chat", "gemini", stream)), []);
        let answer = told("chat", "claude", stream);
        assert!(limits(&answer).iter().all(|(name, _)| name.starts_with("x-ratelimit-")), "{:?}", answer.head);
        assert_eq!(answer.head.field("x-ratelimit-limit-requests"), Some("4000"));
        assert_eq!(answer.head.field("x-ratelimit-limit-tokens"), Some("2400000"));
        // Whoever answered tells of its own.
        let answer = told("chat", "over", stream);
        assert_eq!(answer.head.field("x-throwover-provider"), Some("claude"));
        assert_eq!(answer.head.field("x-ratelimit-limit-requests"), Some("4000"));
    }
}

#[test]
fn a_tenant_with_limits_of_its_own_is_told_of_those_alone() {
    let provider = zoo();
    let tenants = format!("tenants:\n  - {{name: acme, keys: [{{key: \"{ACME}\"}}], rpm: 600}}");
    let gateway = Gateway::start(&policy(&provider).section(&tenants));
    for model in ["chat", "claude", "gemini"] {
        for (client, expected) in [
            ("chat", "x-ratelimit-limit-requests"),
            ("messages", "anthropic-ratelimit-requests-limit"),
            ("generate", "x-ratelimit-limit-requests"),
        ] {
            let answer = gateway.tenant().ask(&ask(client, model, false).key(ACME));
            assert_eq!(answer.head.status, 200, "{client} {model}: {}", answer.text());
            let told = limits(&answer);
            assert_eq!(told[0], (expected, "600"), "{client} {model}");
            assert_eq!(told.len(), 3, "{client} {model}: {told:?}");
        }
    }
}

/// In the form of every provider that says when something is back.
#[test]
fn a_provider_that_has_nothing_left_is_spared_before_it_refuses() {
    let forms = ["openai", "groq", "cerebras", "anthropic", "moonshot"];
    let provider = Provider::new();
    let mut policy = Policy::over(&provider);
    let mut faults = Vec::new();
    for form in forms.iter().chain(&["mistral"]) {
        policy = policy.chain(form, &[("primary", form), ("backup", form)], "");
        faults.push(format!("limits;form={form};of=requests;remaining=0;reset_ms=900000;model={form}"));
    }
    provider.fault("primary", &faults.join(","));
    let gateway = Gateway::start(&policy);
    let mut tenant = gateway.tenant();
    for (index, form) in forms.iter().enumerate() {
        let first = if index % 2 == 0 { Ask::chat(form) } else { Ask::stream(form) };
        Story::of(form, tenant.ask(&first), &provider, form).answered_by("primary");
        let story = Story::of(form, tenant.ask(&Ask::chat(form)), &provider, form);
        story.answered_by("backup");
        assert_eq!(story.asked("primary"), 1, "{story}");
        assert_eq!(story.answer.head.field("x-throwover-attempts"), Some("1"), "nobody was asked in vain\n{story}");
        let record = gateway.record(story.answer.head.field("x-request-id").unwrap());
        let skipped = record["skipped"].as_array().unwrap();
        let target = format!("primary/{form}");
        let said = skipped.iter().find(|one| one["target"] == *target).unwrap_or_else(|| panic!("{record}"));
        assert!(said["why"] == "spent" && said["for_ms"].as_u64().is_some_and(|ms| (600_000..=901_000).contains(&ms)), "{record}");
    }
    // Without a moment nobody knows how long.
    for _ in 0..2 {
        Story::of("mistral", tenant.ask(&Ask::chat("mistral")), &provider, "mistral").answered_by("primary");
    }
    assert_eq!(gateway.meter("throwover_spent_total"), forms.len() as f64);
    // Operators see it.
    let told = until("the control plane has heard of it", || {
        let events = gateway.ask("events", &[("last", "1000")]).data.to_string();
        (events.matches("\"spent\"").count() >= forms.len()).then_some(events)
    });
    assert!(told.contains("primary/openai"), "{told}");
    until("the pauses show", || {
        let status = gateway.ask("status", &[]).data.to_string();
        let spent = status.split("\"spent_ms\":").skip(1).filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
        (spent.filter(|ms: &u64| *ms > 600_000).count() == forms.len()).then_some(())
    });
}

/// A refusal that says by its limits when it is over is heeded as one with a Retry-After.
#[test]
fn a_refusal_rests_until_its_limit_is_back() {
    let provider = Provider::new();
    provider.fault("primary", "429,limits;form=openai;of=requests;remaining=0;reset_ms=900000");
    let gateway = Gateway::start(&Policy::over(&provider).chain("alone", &[("primary", "m")], ""));
    for ask in [Ask::chat("alone"), Ask::stream("alone")] {
        let story = Story::of("limits", gateway.tenant().ask(&ask), &provider, "m");
        story.refused(429, "rate_limit_exceeded");
        let seconds: u64 = story.answer.head.field("retry-after").expect("it says when").parse().unwrap();
        assert!((600..=901).contains(&seconds), "{story}");
        assert_eq!(story.asked("primary"), 1, "nobody asks before\n{story}");
    }
}

/// So is one within an answer that began well: Gemini says there when to come back.
#[test]
fn a_refusal_within_an_answer_says_when_to_come_back() {
    let provider = zoo();
    provider.fault("gemini", "error-before-content;code=rate_limit_exceeded");
    let gateway = Gateway::start(&policy(&provider));
    let answer = gateway.tenant().ask(&ask("generate", "gemini", true));
    assert_eq!(answer.head.status, 429, "{}", answer.text());
    let seconds: u64 = answer.head.field("retry-after").expect("it says when").parse().unwrap();
    assert!(seconds > 2, "{:?}", answer.head);
    assert_eq!(gateway.tenant().ask(&ask("chat", "gemini", false)).head.status, 429);
    assert_eq!(provider.log_of("m").len(), 1, "nobody asks before");
}

#[test]
fn who_is_spared_is_asked_when_nobody_else_can_answer() {
    let provider = Provider::new();
    provider.fault("primary", "limits;remaining=0;reset_ms=900000");
    let policy = Policy::over(&provider).chain("alone", &[("primary", "a")], "").chain("both", &[("primary", "b"), ("backup", "b")], "");
    let gateway = Gateway::start(&policy);
    let mut tenant = gateway.tenant();
    for _ in 0..3 {
        Story::of("alone", tenant.ask(&Ask::chat("alone")), &provider, "a").answered_by("primary");
    }
    Story::of("the first", tenant.ask(&Ask::chat("both")), &provider, "b").answered_by("primary");
    provider.fault("backup", "429;retry_after=600");
    let story = Story::of("the last", tenant.ask(&Ask::stream("both")), &provider, "b");
    story.answered_by("primary");
    assert_eq!(story.asked("backup"), 1, "{story}");
}

/// The one key of several that has nothing left is spared, and its provider goes on.
#[test]
fn of_several_keys_the_spent_one_is_spared() {
    let provider = Provider::with(&["primary"], &mock::Answers { words: tests::testkit::provider::WORDS, ..mock::Answers::default() });
    provider.fault("primary", "limits;remaining=0;reset_ms=900000;count=2");
    let policy = Policy::new()
        .provider("primary", provider.plain("primary"), "keys: [\"sk-one-0123456789\", \"sk-two-0123456789\", \"sk-six-0123456789\"]")
        .chain("c", &[("primary", "m")], "");
    let gateway = Gateway::start(&policy);
    let mut tenant = gateway.tenant();
    let mut keys = Vec::new();
    for _ in 0..6 {
        let answer = tenant.ask(&Ask::chat("c"));
        assert_eq!(answer.head.status, 200, "{}", answer.text());
        let record = gateway.record(answer.head.field("x-request-id").unwrap());
        keys.push(record["attempts"][0]["key"].as_u64().unwrap());
    }
    let last = keys[2];
    assert!(keys[0] != keys[1] && !keys[..2].contains(&last), "{keys:?}");
    assert!(keys[2..].iter().all(|key| *key == last), "the one of which something remains: {keys:?}");
}
