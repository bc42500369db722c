//! Who may ask: keys are checked before a byte of a body is waited for.

use tests::testkit::{gateway::Gateway, policy::Policy, provider::Provider, story::Story, tenant::Ask};

const ACME: &str = "sk-acme-0123456789abcdef";
const OTHER: &str = "sk-other-0123456789abcdef";

fn gateway(provider: &Provider) -> Gateway {
    let policy = Policy::new()
        .provider("primary", provider.plain("primary"), "keys: [\"sk-of-the-operator-1234\"]")
        .provider("backup", provider.plain("backup"), "auth: none")
        .chain("support-chat", &[("primary", "m"), ("backup", "m")], "")
        .chain("secret-chat", &[("backup", "n")], "")
        .section(&format!("tenants:\n  - {{name: acme, keys: [{{key: \"{ACME}\"}}], models: [\"support-*\"]}}\n  - {{name: other, keys: [{{key: \"{OTHER}\"}}]}}"));
    Gateway::start(&policy)
}

#[test]
fn keys_and_rights() {
    let provider = Provider::new();
    let gateway = gateway(&provider);
    let mut tenant = gateway.tenant();
    for (case, ask, status, code) in [
        ("no key", Ask::chat("support-chat"), 401, "missing_api_key"),
        ("wrong key", Ask::chat("support-chat").key("sk-acme-0123456789abcdeX"), 401, "invalid_api_key"),
        ("a prefix of the key", Ask::chat("support-chat").key("sk-acme-0123456789abcde"), 401, "invalid_api_key"),
        ("basic", Ask::chat("support-chat").with("authorization", "Basic c2s6"), 401, "missing_api_key"),
        ("not its model", Ask::chat("secret-chat").key(ACME), 403, ""),
        ("by the field", Ask::chat("support-chat").key(ACME).with("x-throwover-chain", "secret-chat"), 403, ""),
    ] {
        let story = Story::of(case, tenant.ask(&ask), &provider, "m");
        assert_eq!(story.answer.head.status, status, "{story}");
        assert!(code.is_empty() || story.answer.code() == code, "{story}");
        if status == 401 {
            assert_eq!(story.answer.head.field("www-authenticate"), Some("Bearer"), "{story}");
        }
        assert!(!story.answer.text().contains("sk-"), "an error quotes a key\n{story}");
    }
    assert!(provider.log().is_empty(), "nothing of it reached a provider");
    for (ask, model) in [(Ask::chat("support-chat").key(ACME), "m"), (Ask::chat("support-chat").with("x-api-key", ACME), "m")] {
        Story::of("well", tenant.ask(&ask), &provider, model).answered_by("primary");
    }
    Story::of("other", tenant.ask(&Ask::chat("secret-chat").key(OTHER)), &provider, "n").answered_by("backup");
}

/// The provider gets the operator's key, never the tenant's.
#[test]
fn credentials_are_exchanged() {
    let provider = Provider::new();
    provider.answers("primary", &serde_json::json!({"keys": ["sk-of-the-operator-1234"]}));
    let gateway = gateway(&provider);
    let story = Story::of("well", gateway.tenant().ask(&Ask::chat("support-chat").key(ACME)), &provider, "m");
    story.answered_by("primary");
    for entry in &story.entries {
        let credential = entry.headers.iter().find(|(name, _)| name == "authorization").map(|(_, value)| value.as_str());
        assert!(credential.is_some_and(|value| value.starts_with("Bearer …1234#")), "{credential:?}");
    }
    // A provider that needs no key gets none at all.
    provider.fault("primary", "503");
    let story = Story::of("moved on", gateway.tenant().ask(&Ask::chat("support-chat").key(ACME)), &provider, "m");
    story.answered_by("backup");
    let last = story.entries.last().unwrap();
    assert!(last.headers.iter().all(|(name, _)| name != "authorization" && name != "x-api-key"), "{last:?}");
}

#[test]
fn a_stranger_is_refused_before_the_body_is_waited_for() {
    let provider = Provider::new();
    let gateway = gateway(&provider);
    let mut tenant = gateway.tenant();
    // 20 MiB are promised and not one byte is sent.
    tenant.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nauthorization: Bearer nobody\r\ncontent-type: application/json\r\ncontent-length: 20971520\r\n\r\n");
    let answer = tenant.answer();
    assert_eq!(answer.head.status, 401);
    assert_eq!(answer.head.field("connection"), Some("close"), "the body is not read, so the connection cannot go on");
    // A small body that does come leaves the connection usable.
    let mut tenant = gateway.tenant();
    let answer = tenant.ask(&Ask::chat("support-chat").key("nobody"));
    assert_eq!((answer.head.status, answer.head.field("connection")), (401, None));
    Story::of("the same connection", tenant.ask(&Ask::chat("support-chat").key(ACME)), &provider, "m").answered_by("primary");
}

#[test]
fn models_are_those_that_may_be_asked_for() {
    let provider = Provider::new();
    let gateway = gateway(&provider);
    let mut tenant = gateway.tenant();
    let names = |answer: &tests::testkit::tenant::Answer| -> Vec<String> {
        let json = answer.json();
        assert_eq!(json["object"], "list");
        json["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect()
    };
    let acme = names(&tenant.ask(&Ask::get("/v1/models").key(ACME)));
    assert!(acme.contains(&"support-chat".to_owned()) && !acme.contains(&"secret-chat".to_owned()), "{acme:?}");
    let other = names(&tenant.ask(&Ask::get("/v1/models").key(OTHER)));
    assert!(other.contains(&"secret-chat".to_owned()), "{other:?}");
    let one = tenant.ask(&Ask::get("/v1/models/support-chat").key(ACME));
    assert_eq!((one.head.status, &one.json()["id"], &one.json()["object"]), (200, &"support-chat".into(), &"model".into()));
    for (path, key, status) in
        [("/v1/models/secret-chat", ACME, 404), ("/v1/models/nobody", OTHER, 404), ("/v1/models", "nobody", 401), ("/models", OTHER, 200)]
    {
        assert_eq!(tenant.ask(&Ask::get(path).key(key)).head.status, status, "{path}");
    }
    assert!(provider.log().is_empty());
}
