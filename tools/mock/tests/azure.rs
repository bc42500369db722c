//! Azure's classic paths, and limits in the names of several providers.

mod caller;

use caller::{World, chat_body, chat_text};
use serde_json::{Value, json};

const CHAT: &str = "/openai/deployments/eu%20prod/chat/completions?api-version=2024-10-21";

#[test]
fn a_deployment_answers_at_its_path() {
    let world = World::new();
    let mut caller = world.call();
    let answer = caller.ask(CHAT, &chat_body("ignored", false)).json();
    assert_eq!(answer["model"], "eu prod");
    assert_eq!(answer["prompt_filter_results"][0]["content_filter_results"]["jailbreak"]["detected"], false);
    assert_eq!(answer["choices"][0]["content_filter_results"]["hate"]["severity"], "safe");
    let reply = caller.ask(CHAT, &chat_body("ignored", true));
    let data = reply.data();
    let first: Value = serde_json::from_str(&data[0]).unwrap();
    assert_eq!((&first["choices"], &first["id"]), (&json!([]), &json!("")));
    assert_eq!(chat_text(&data[1..]), "a says: w0 w1 w2 w3 w4 w5 w6 w7");
    assert!(reply.header("apim-request-id").is_some() && reply.header("openai-version").is_none());
}

#[test]
fn azure_words_its_errors_otherwise() {
    let world = World::new();
    let mut caller = world.call();
    let told = caller.ask("/openai/deployments/d/chat/completions", &chat_body("m", false));
    assert_eq!((told.status, &told.json()["error"]), (404, &json!({"code": "404", "message": "Resource not found"})));
    let filtered = caller.ask(CHAT, &json!({"messages": [{"role": "user", "content": "mock:refuse"}]}));
    assert_eq!((filtered.status, &filtered.json()["error"]["innererror"]["code"]), (400, &json!("ResponsibleAIPolicyViolation")));
    world.admin.set_answers("a", &json!({"models": ["x"], "keys": ["k-0123456789"]})).unwrap();
    assert_eq!(caller.ask(CHAT, &chat_body("m", false)).json()["error"]["code"], "401");
}

#[test]
fn limits_are_told_in_every_form() {
    let world = World::new();
    let mut caller = world.call();
    let mut check = |form: &str, of: &str, name: &str, value: &str| {
        caller.chat_with(&format!("x-mock-fault: limits;form={form};of={of};remaining=3;reset_ms=90500\r\n"), false);
        let reply = caller.reply();
        assert_eq!(reply.header(name), Some(value), "{form} {name}");
    };
    check("own", "requests", "x-ratelimit-remaining-requests", "3");
    check("own", "requests", "x-ratelimit-reset-requests", "1m30s");
    check("groq", "tokens", "x-ratelimit-reset-tokens", "1m30.5s");
    check("cerebras", "tokens", "x-ratelimit-reset-tokens-minute", "90.5");
    check("cerebras", "requests", "x-ratelimit-remaining-requests-day", "3");
    check("mistral", "requests", "x-ratelimit-remaining-req-minute", "3");
    check("moonshot", "requests", "x-ratelimit-reset", "91");
    check("anthropic", "tokens", "anthropic-ratelimit-tokens-remaining", "3");
}
