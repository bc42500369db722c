//! Azure's classic paths: the deployment stands in the path, the version in the query, and answers
//! carry the verdicts of a filter.

use serde_json::json;
use tests::testkit::{
    gateway::Gateway,
    policy::Policy,
    provider::Provider,
    story::Story,
    tenant::{Ask, events},
};

const VERSION: &str = "api-version=2024-10-21";

/// `primary` is asked at classic paths, `backup` at usual ones.
fn policy(provider: &Provider) -> Policy {
    let url = format!("http://{}/openai/deployments/{{model}}?{VERSION}", provider.plain("primary"));
    Policy::new()
        .endpoint("primary", &url, "auth: {header: api-key}, keys: [\"azure-key-0123456789\"], speaks: [chat]")
        .provider("backup", provider.plain("backup"), "auth: none")
        .chain("chat", &[("primary", "eu prod/4"), ("backup", "m")], "")
}

#[test]
fn a_deployment_is_asked_by_its_path() {
    let provider = Provider::new();
    provider.answers("primary", &json!({"keys": ["azure-key-0123456789"]}));
    let gateway = Gateway::start(&policy(&provider));
    let mut tenant = gateway.tenant();
    for ask in [Ask::chat("chat"), Ask::stream("chat")] {
        let story = Story::of("classic", tenant.ask(&ask), &provider, "eu prod/4");
        story.answered_by("primary");
        let entry = story.entries.last().unwrap();
        assert_eq!(entry.path, format!("/openai/deployments/eu%20prod%2F4/chat/completions?{VERSION}"), "{story}");
        // The model stands in the body as well, where it is ignored.
        assert!(entry.body.as_ref().is_some_and(|body| body.contains("\"eu prod/4\"")), "{story}");
        assert!(story.answer.text().contains("prompt_filter_results"), "within one dialect nothing is lost\n{story}");
    }
    // A model that the tenant names.
    let story = Story::of("named", tenant.ask(&Ask::chat("primary/gpt-4o")), &provider, "gpt-4o");
    story.answered_by("primary");
    assert_eq!(story.entries[0].path, format!("/openai/deployments/gpt-4o/chat/completions?{VERSION}"), "{story}");
    for steps in ["primary/..", "primary/."] {
        let answer = tenant.ask(&Ask::chat(steps));
        assert!((400..600).contains(&answer.head.status), "{}", answer.text());
    }
    assert!(provider.log().iter().all(|entry| !entry.path.contains("/../") && !entry.path.contains("/./")));
}

/// What an application of another dialect sees of it is the answer, and no verdicts.
#[test]
fn other_dialects_are_answered_from_a_classic_path() {
    let provider = Provider::new();
    let gateway = Gateway::start(&policy(&provider));
    let messages = json!([{"role": "user", "content": "hi"}]);
    for stream in [false, true] {
        let body = json!({"model": "chat", "max_tokens": 64, "stream": stream, "messages": messages});
        let answer = gateway.tenant().ask(&Ask::post("/v1/messages", &body).with("anthropic-version", "2023-06-01"));
        assert_eq!((answer.head.status, answer.head.field("x-throwover-provider")), (200, Some("primary")), "{}", answer.text());
        let text = answer.text();
        let said = match stream {
            false => answer.json()["content"][0]["text"].as_str().unwrap_or_default().to_owned(),
            true => events(&text)
                .iter()
                .filter_map(|event| serde_json::from_str::<serde_json::Value>(&event.data).ok())
                .filter_map(|event| event["delta"]["text"].as_str().map(str::to_owned))
                .collect(),
        };
        assert_eq!(said, tests::testkit::provider::text_of("primary"), "{text}");
        assert!(!text.contains("content_filter"), "{text}");
    }
}

/// A filtered prompt is the caller's own, and asked once; a deployment that is not there is failed over.
#[test]
fn azures_errors_are_understood() {
    let provider = Provider::new();
    let gateway = Gateway::start(&policy(&provider));
    let body = json!({"model": "chat", "messages": [{"role": "user", "content": "mock:refuse"}]});
    let story = Story::of("filtered", gateway.tenant().ask(&Ask::post("/v1/chat/completions", &body)), &provider, "eu prod/4");
    assert_eq!((story.answer.head.status, story.answer.code().as_str()), (400, "content_filter"), "{story}");
    assert_eq!(story.answer.json()["error"]["innererror"]["code"], "ResponsibleAIPolicyViolation", "{story}");
    assert_eq!((story.asked("primary"), provider.log_of("m").len()), (1, 0), "{story}");
    provider.fault("primary", "429;retry_after_ms=1500");
    Story::of("limited", gateway.tenant().ask(&Ask::chat("chat")), &provider, "m").answered_by("backup");
    provider.heal("primary");

    let provider = Provider::new();
    provider.answers("primary", &json!({"models": ["another"]}));
    let gateway = Gateway::start(&policy(&provider));
    let story = Story::of("no deployment", gateway.tenant().ask(&Ask::chat("chat")), &provider, "m");
    story.answered_by("backup");
    assert_eq!(story.answer.head.field("x-throwover-fallback-reason"), Some("model_gone"), "{story}");
}
