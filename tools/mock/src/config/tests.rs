use super::*;

#[test]
fn the_example_in_the_help_is_read() {
    let text = r#"{
        "admin": "127.0.0.1:0", "tls_dir": "tls", "ports_file": "ports.json",
        "keep_bodies": false, "seed": 1,
        "providers": [{
            "name": "openai-a", "dialect": "openai", "listen": "127.0.0.1:0", "tls": "127.0.0.1:0",
            "answers": {
                "keys": ["sk-good"], "models": ["gpt-4o"], "context_limit": 128000,
                "prefill": true, "reasoning_content": false,
                "words": 16, "body_bytes": 0, "latency_ms": 0, "gap_ms": 0
            },
            "faults": ["latency;ms=200", {"kind": "reset", "events": 4, "probability": 0.1}]
        }]
    }"#;
    let config: Config = serde_json::from_str(text).unwrap();
    config.check().unwrap();
    assert_eq!(config.providers[0].faults.len(), 2);
}

#[test]
fn mistakes_are_named() {
    let check = |text: &str, expected: &str| {
        let said = match serde_json::from_str::<Config>(text) {
            Err(error) => error.to_string(),
            Ok(config) => config.check().unwrap_err().to_string(),
        };
        assert!(said.contains(expected), "{text}: {said}");
    };
    check("{}", "no providers");
    check(r#"{"provider": []}"#, "unknown field `provider`");
    check(r#"{"providers": [{"name": "a"}, {"name": "a"}]}"#, "appears twice");
    check(r#"{"providers": [{"name": "a b"}]}"#, "will not do");
    check(r#"{"providers": [{"name": "a", "tls": "127.0.0.1:0"}]}"#, "--tls-dir");
    check(r#"{"providers": [{"name": "a", "answers": {"words": 1000001}}]}"#, "at most 1000000");
    check(r#"{"providers": [{"name": "a", "faults": ["50"]}]}"#, "no fault kind `50`");
}

#[test]
fn provider_flags_are_read() {
    let provider = provider_flag("a=127.0.0.1:80,tls=127.0.0.1:443").unwrap();
    assert_eq!(provider.listen.port(), 80);
    assert_eq!(provider.tls.unwrap().port(), 443);
    let claude = provider_flag("c=127.0.0.1:80,dialect=anthropic").unwrap();
    assert_eq!(claude.dialect, Dialect::Anthropic);
    for wrong in ["a=127.0.0.1:1,dialect=cohere", "a", "a=", "a=x", "a=127.0.0.1:1,ssl=127.0.0.1:2", "a=127.0.0.1:1,tls=x"] {
        assert!(provider_flag(wrong).is_err(), "{wrong}");
    }
}
