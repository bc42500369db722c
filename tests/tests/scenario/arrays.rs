//! Google's streams as one JSON array that grows: for who does not ask for events, whoever answers.

use mock::Dialect;
use serde_json::{Value, json};
use tests::testkit::{
    gateway::Gateway,
    policy::Policy,
    provider::{Provider, text_of},
    tenant::{Answer, Ask, End},
};

fn world() -> (Provider, Gateway) {
    let provider = Provider::speaking(&[("gemini", Dialect::Gemini), ("chat", Dialect::Openai)]);
    let at = |name: &str, path: &str| format!("http://{}{path}", provider.plain(name));
    let policy = Policy::new()
        .endpoint("gemini", &at("gemini", "/v1beta"), "keys: [\"sk-operators\"], dialect: gemini, auth: {header: x-goog-api-key}")
        .endpoint("chat", &at("chat", "/v1"), "auth: none, speaks: [chat]")
        .chain("gemini", &[("gemini", "g")], "retry: {max_attempts: 1}")
        .chain("chat", &[("chat", "c")], "retry: {max_attempts: 1}")
        .chain("both", &[("gemini", "x"), ("chat", "x")], "");
    let gateway = Gateway::start(&policy);
    (provider, gateway)
}

fn ask(model: &str) -> Ask {
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]});
    Ask::post(&format!("/v1beta/models/{model}:streamGenerateContent"), &body)
}

fn elements(answer: &Answer) -> Vec<Value> {
    serde_json::from_slice(&answer.body).unwrap_or_else(|flaw| panic!("{flaw}: {}", answer.text()))
}

fn text(elements: &[Value]) -> String {
    let parts = elements.iter().flat_map(|element| element["candidates"][0]["content"]["parts"].as_array().into_iter().flatten());
    parts.filter_map(|part| part["text"].as_str()).collect()
}

#[test]
fn a_stream_is_an_array_for_who_asks_for_none() {
    let (provider, gateway) = world();
    provider.fault("gemini", "503;model=x");
    for (model, by) in [("gemini", "gemini"), ("chat", "chat"), ("both", "chat")] {
        let answer = gateway.tenant().ask(&ask(model));
        assert_eq!((answer.head.status, &answer.end), (200, &End::Complete), "{model}: {}", answer.text());
        assert_eq!(answer.head.field("content-type"), Some("application/json; charset=UTF-8"), "{model}");
        let elements = elements(&answer);
        assert_eq!(text(&elements), text_of(by), "{model}: {}", answer.text());
        assert!(elements.len() > 2, "it grew by and by");
        assert_eq!(elements.last().unwrap()["candidates"][0]["finishReason"], "STOP", "{model}: {}", answer.text());
    }
    assert!(provider.log_of("g").iter().all(|entry| entry.path.ends_with("?alt=sse")), "providers are asked for events");
}

#[test]
fn an_array_that_breaks_ends_with_an_error() {
    let (provider, gateway) = world();
    for (model, name) in [("gemini", "gemini"), ("chat", "chat")] {
        for fault in ["cut;events=4", "reset;events=4", "error-event;events=4"] {
            provider.fault(name, fault);
            let answer = gateway.tenant().ask(&ask(model));
            assert_eq!(answer.head.status, 200, "{model} {fault}: {}", answer.text());
            assert_ne!(answer.end, End::Complete, "no reader takes it for a good one: {model} {fault}");
            let elements = elements(&answer);
            assert!(text_of(name).starts_with(&text(&elements)) && !text(&elements).is_empty(), "{}", answer.text());
            let error = &elements.last().unwrap()["error"];
            assert!(error["code"].as_u64().is_some_and(|code| code >= 400) && error["message"].is_string(), "{}", answer.text());
        }
        provider.fault(name, "500");
        let answer = gateway.tenant().ask(&ask(model));
        assert_eq!(answer.head.status, 502, "{}", answer.text());
        assert_eq!(elements(&answer)[0]["error"]["code"], 502, "{}", answer.text());
    }
}
