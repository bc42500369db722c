//! What a chain does when it is at its end: models for one kind of failure, prices that are too high, and a
//! text of the operator's own.

use serde_json::{Value, json};
use tests::testkit::{
    gateway::Gateway,
    policy::Policy,
    provider::Provider,
    story::Story,
    tenant::{Answer, Ask, events},
};

const TEXT: &str = "We are busy; \"please\" try again.";

type Way = (&'static str, fn(&str) -> Ask);

/// Each way of asking has chains of its own, and a model that nobody else is asked for.
const WAYS: [Way; 2] = [("json", Ask::chat), ("stream", Ask::stream)];

#[test]
fn a_filter_has_the_last_word_unless_the_chain_names_another_model() {
    let provider = Provider::new();
    let mut policy = Policy::over(&provider);
    for (way, _) in WAYS {
        for (case, after) in [("strict", ""), ("lenient", ", after: [content_filter]"), ("other", ", after: [content_filter]")] {
            let name = format!("{case}-{way}");
            let models = format!("[{{provider: primary, model: {name}}}, {{provider: backup, model: {name}{after}}}]");
            policy = policy.chain_of(&name, &models, "retry: {max_attempts: 2, base: 1ms}");
        }
    }
    let gateway = Gateway::start(&policy);
    let ask = |case: &str, (way, ask): Way| {
        let name = format!("{case}-{way}");
        Story::of(&name, gateway.tenant().ask(&ask(&name)), &provider, &name)
    };
    provider.fault("primary", "400;code=content_filter");
    for way in WAYS {
        let story = ask("strict", way);
        assert_eq!((story.answer.head.status, story.entries.len()), (400, 1), "{story}");
        let story = ask("lenient", way);
        story.answered_by("backup");
        assert_eq!(story.answer.head.field("x-throwover-fallback-reason"), Some("content_filter"), "{story}");
    }
    // It waits for that failure, and for no other.
    provider.fault("primary", "500");
    for way in WAYS {
        let story = ask("other", way);
        assert_eq!((story.answer.head.status, story.asked("backup")), (502, 0), "{story}");
    }
}

/// An answer that a filter ended, or that the model refused to give, is an answer; a chain that has a model for
/// that turns to it, as long as the tenant has seen nothing.
#[test]
fn an_answer_that_is_none_to_a_chain_turns_to_the_model_that_it_names() {
    let provider = Provider::new();
    let cases = [("filtered", "content_filter", "finish;content=drop"), ("refused", "refusal", "refusal")];
    let mut policy = Policy::over(&provider);
    let mut faults = Vec::new();
    for (way, _) in WAYS {
        for (case, class, fault) in cases {
            for (kind, after) in
                [("strict", String::new()), ("lenient", format!(", after: [{class}]")), ("other", ", after: [empty]".into())]
            {
                let name = format!("{kind}-{case}-{way}");
                let models = format!("[{{provider: primary, model: {name}}}, {{provider: backup, model: {name}{after}}}]");
                policy = policy.chain_of(&name, &models, "");
                faults.push(format!("{fault};model={name}"));
            }
        }
    }
    provider.fault("primary", &faults.join(","));
    let gateway = Gateway::start(&policy);
    for (way, ask) in WAYS {
        for (case, class, _) in cases {
            let tell = |kind: &str| {
                let name = format!("{kind}-{case}-{way}");
                Story::of(&name, gateway.tenant().ask(&ask(&name)), &provider, &name)
            };
            for kind in ["strict", "other"] {
                let story = tell(kind);
                assert_eq!((story.answer.head.status, story.asked("backup")), (200, 0), "{story}");
                assert!(story.answer.text().contains(if case == "filtered" { "content_filter" } else { "refusal" }), "{story}");
                let record = gateway.record(story.answer.head.field("x-request-id").expect("it is named"));
                assert_eq!((&record["outcome"], &record["finish"]), (&"answered".into(), &class.into()), "{record:#}");
            }
            let story = tell("lenient");
            story.answered_by("backup");
            assert_eq!(story.answer.head.field("x-throwover-fallback-reason"), Some(class), "{story}");
            let record = gateway.record(story.answer.head.field("x-request-id").expect("it is named"));
            assert_eq!(record["finish"], "stop", "{record:#}");
        }
    }
    for (meter, count) in [("fallbacks", 4.0), ("filtered", 4.0), ("refusals", 4.0)] {
        assert_eq!(gateway.meter(&format!("throwover_{meter}_total")), count, "{meter}");
    }
}

#[test]
fn what_follows_a_class_is_the_chains_word() {
    let provider = Provider::new();
    let mut policy = Policy::over(&provider);
    for (name, action) in [("again", "retry"), ("onward", "next"), ("over", "error"), ("text", "template")] {
        let models = format!("[{{provider: primary, model: {name}}}, {{provider: backup, model: {name}}}, {{template: \"{}\"}}]", "Later.");
        let members = format!("triggers: [{{type: content_filter, action: {action}}}], retry: {{max_attempts: 4, base: 1ms}}");
        policy = policy.chain_of(name, &models, &members);
    }
    let gateway = Gateway::start(&policy);
    provider.fault("primary", "400;code=content_filter");
    let tell = |name: &str| Story::of(name, gateway.tenant().ask(&Ask::chat(name)), &provider, name);
    for name in ["again", "onward"] {
        tell(name).answered_by("backup");
    }
    let story = tell("over");
    assert_eq!((story.answer.head.status, story.asked("backup")), (400, 0), "{story}");
    let story = tell("text");
    assert_eq!((story.answer.head.status, story.asked("backup"), story.answer.content().as_str()), (200, 0, "Later."), "{story}");
}

#[test]
fn what_does_not_fit_goes_to_who_is_larger_and_to_nobody_else() {
    let provider = Provider::with(&["primary", "backup", "third"], &mock::Answers::default());
    let mut policy = Policy::over(&provider);
    for name in ["json", "stream", "nobody"] {
        let models = format!(
            "[{{provider: primary, model: {name}, context_window: 8000}}, {{provider: backup, model: {name}, context_window: 8000}}, \
              {{provider: third, model: {name}, context_window: 200000}}]"
        );
        policy = policy.chain_of(name, &models, "");
    }
    let gateway = Gateway::start(&policy);
    provider.fault("primary", "400;code=context_length_exceeded");
    for (name, ask) in WAYS {
        let story = Story::of(name, gateway.tenant().ask(&ask(name)), &provider, name);
        assert_eq!((story.answer.head.status, story.answer.head.field("x-throwover-provider")), (200, Some("third")), "{story}");
        assert_eq!(story.asked("backup"), 0, "as large as the first, it would refuse as well\n{story}");
    }
    provider.fault("third", "400;code=context_length_exceeded");
    let story = Story::of("nobody is large enough", gateway.tenant().ask(&Ask::chat("nobody")), &provider, "nobody");
    assert_eq!((story.answer.head.status, story.asked("primary"), story.asked("third")), (400, 1, 1), "{story}");
}

#[test]
fn who_is_too_dear_is_not_asked() {
    let provider = Provider::new();
    let url = format!("http://{}/v1", provider.plain("primary"));
    let policy = Policy::over(&provider)
        .endpoint("openai", &url, "auth: none")
        .chain_of("thrifty", "[{provider: openai, model: gpt-4o}, {provider: backup, model: m}]", "max_price: {input: 0.5}")
        .chain_of("lavish", "[{provider: openai, model: gpt-4o}, {provider: backup, model: m}]", "max_price: {input: 1000, output: 1000}");
    let gateway = Gateway::start(&policy);
    let answer = gateway.tenant().ask(&Ask::chat("thrifty"));
    assert_eq!(answer.head.field("x-throwover-provider"), Some("backup"), "{}", answer.text());
    let record = gateway.record(answer.head.field("x-request-id").unwrap());
    assert_eq!(record["skipped"][0]["why"], "too_dear", "{record}");
    let answer = gateway.tenant().ask(&Ask::chat("lavish"));
    assert_eq!(answer.head.field("x-throwover-provider"), Some("openai"), "{}", answer.text());
}

fn said(answer: &Answer, stream: bool) -> String {
    let text = |value: &Value| {
        let places =
            ["/choices/0/message/content", "/choices/0/delta/content", "/content/0/text", "/delta/text", "/output/0/content/0/text"];
        let typed = ["/candidates/0/content/parts/0/text"];
        let found = places.iter().chain(&typed).find_map(|place| value.pointer(place)?.as_str());
        found.or_else(|| value["delta"].as_str()).unwrap_or_default().to_owned()
    };
    if !stream {
        return text(&answer.json());
    }
    events(&answer.text()).iter().filter_map(|event| serde_json::from_str(&event.data).ok()).map(|value: Value| text(&value)).collect()
}

#[test]
fn a_template_answers_in_every_dialect_and_says_that_it_is_one() {
    let provider = Provider::new();
    let models = format!("[{{provider: primary, model: m}}, {{provider: backup, model: m}}, {{template: {}}}]", json!(TEXT));
    let policy =
        Policy::over(&provider).chain_of("c", &models, "retry: {max_attempts: 2}, breaker: {consecutive: 1000, min_requests: 1000}");
    let gateway = Gateway::start(&policy);
    for name in ["primary", "backup"] {
        provider.fault(name, "500");
    }
    let messages = json!([{"role": "user", "content": "hi"}]);
    let contents = json!([{"role": "user", "parts": [{"text": "hi"}]}]);
    for stream in [false, true] {
        let verb = if stream { "/v1beta/models/c:streamGenerateContent?alt=sse" } else { "/v1beta/models/c:generateContent" };
        let asks = [
            ("/v1/chat/completions", json!({"model": "c", "stream": stream, "messages": messages})),
            ("/v1/messages", json!({"model": "c", "max_tokens": 64, "stream": stream, "messages": messages})),
            ("/v1/responses", json!({"model": "c", "stream": stream, "input": "hi"})),
            (verb, json!({"contents": contents})),
        ];
        for (path, body) in asks {
            let answer = gateway.tenant().ask(&Ask::post(path, &body));
            assert_eq!(
                (answer.head.status, answer.head.field("x-throwover-fallback")),
                (200, Some("template")),
                "{path}: {}",
                answer.text()
            );
            assert_eq!(said(&answer, stream), TEXT, "{path}: {}", answer.text());
            let record = gateway.record(answer.head.field("x-request-id").unwrap());
            assert_eq!((&record["outcome"], &record["status"]), (&json!("template"), &json!(200)), "{record}");
        }
    }
    // The tenant's own mistake is told, and no text hides it.
    provider.fault("primary", "400");
    let answer = gateway.tenant().ask(&Ask::chat("c"));
    assert_eq!(answer.head.status, 400, "{}", answer.text());
}

/// What one provider does not know is left out there, where the chain allows it; else the next one is asked.
#[test]
fn a_parameter_that_a_provider_does_not_know_is_left_out() {
    let provider = Provider::speaking(&[("claude", mock::Dialect::Anthropic), ("other", mock::Dialect::Anthropic)]);
    let mut policy = Policy::new();
    for name in ["claude", "other"] {
        policy = policy.endpoint(name, &format!("http://{}", provider.plain(name)), "dialect: anthropic, keys: [\"sk-operators\"]");
    }
    for (name, members) in [("strict", ""), ("lenient", "drop_params: true")] {
        policy = policy.chain(name, &[("claude", name), ("other", name)], members);
    }
    let gateway = Gateway::start(&policy);
    let ask = |chain: &str| {
        let messages = json!([{"role": "user", "content": "hi"}]);
        let body = json!({"model": chain, "max_tokens": 64, "seed": 7, "user": "u-1", "messages": messages});
        let answer = gateway.tenant().ask(&Ask::post("/v1/messages", &body).with("anthropic-version", "2023-06-01"));
        Story::of(chain, answer, &provider, chain)
    };
    let story = ask("lenient");
    assert_eq!((story.answer.head.status, story.answer.head.field("x-throwover-provider")), (200, Some("claude")), "{story}");
    assert_eq!((story.asked("claude"), story.asked("other")), (3, 0), "once as it came, and without each of the two\n{story}");
    let last = story.entries.last().and_then(|entry| entry.body.clone()).unwrap_or_default();
    assert!(!last.contains("seed") && !last.contains("u-1") && last.contains("max_tokens"), "{story}");
    let story = ask("strict");
    assert_eq!((story.answer.head.status, story.asked("claude"), story.asked("other")), (400, 1, 1), "{story}");
}
