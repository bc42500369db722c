//! A chain may cross providers that speak differently, and the application never knows: what it
//! asks in its own language is answered in it, by whoever answers.

use mock::Dialect;
use serde_json::{Value, json};
use tests::testkit::{
    gateway::Gateway,
    policy::Policy,
    provider::{Provider, text_of},
    speech::{CLIENTS, ask, code, said, streamed},
    tenant::Ask,
};

/// Who answers: a provider's name, how it speaks, and the end of its endpoint with its members.
const PROVIDERS: [(&str, Dialect, &str, &str); 4] = [
    ("chat", Dialect::Openai, "/v1", "speaks: [chat]"),
    ("items", Dialect::Openai, "/v1", "speaks: [responses]"),
    ("claude", Dialect::Anthropic, "", "dialect: anthropic, auth: {header: x-api-key}"),
    ("gemini", Dialect::Gemini, "/v1beta", "dialect: gemini, auth: {header: x-goog-api-key}"),
];

fn zoo() -> Provider {
    let dialects: Vec<(&str, Dialect)> = PROVIDERS.iter().map(|(name, dialect, ..)| (*name, *dialect)).collect();
    Provider::speaking(&dialects)
}

fn policy(provider: &Provider) -> Policy {
    let mut policy = Policy::new().defaults("breaker: {consecutive: 1000, min_requests: 1000}");
    for (name, _, path, members) in PROVIDERS {
        let url = format!("http://{}{path}", provider.plain(name));
        policy = policy.endpoint(name, &url, &format!("keys: [\"sk-operators\"], {members}"));
    }
    policy
}

#[test]
fn every_language_is_answered_by_every_provider() {
    let provider = zoo();
    let mut policy = policy(&provider);
    for (name, ..) in PROVIDERS {
        policy = policy.chain(&format!("by-{name}"), &[(name, "m")], "");
    }
    let gateway = Gateway::start(&policy);
    for client in CLIENTS {
        for (name, ..) in PROVIDERS {
            let case = format!("{client} by {name}");
            let answer = gateway.tenant().ask(&ask(client, &format!("by-{name}"), "hi", false));
            assert_eq!((answer.head.status, said(client, &answer.json())), (200, (text_of(name), true)), "{case}: {}", answer.text());
            assert_eq!(answer.head.field("x-throwover-provider"), Some(name), "{case}");
            let answer = gateway.tenant().ask(&ask(client, &format!("by-{name}"), "hi", true));
            assert_eq!((answer.head.status, streamed(client, &answer)), (200, (text_of(name), true)), "{case}: {}", answer.text());
            let record = gateway.record(answer.head.field("x-request-id").unwrap());
            assert!(record["tokens_in"].as_u64() > Some(0) && record["tokens_out"].as_u64() > Some(0), "{case}: {record}");
        }
    }
}

#[test]
fn who_fails_is_replaced_by_who_speaks_otherwise() {
    let provider = zoo();
    let policy = policy(&provider).chain("down", &[("claude", "m"), ("gemini", "m"), ("chat", "m")], "").chain(
        "up",
        &[("chat", "m"), ("items", "m"), ("gemini", "m"), ("claude", "m")],
        "",
    );
    let gateway = Gateway::start(&policy);
    let table = [
        ("claude", "529", "down", "gemini"),
        ("claude", "error-before-content", "down", "gemini"),
        ("claude", "429", "down", "gemini"),
        ("chat", "500", "up", "items"),
        ("chat", "cut-before-head", "up", "items"),
        ("chat", "garbage", "up", "items"),
    ];
    for (who, fault, chain, next) in table {
        provider.fault(who, fault);
        for client in CLIENTS {
            for stream in [false, true] {
                if fault == "error-before-content" && !stream {
                    continue;
                }
                let case = format!("{who} {fault}, asked in {client}, stream {stream}");
                // A rate limit is heeded by those that come next: then nobody is asked twice.
                let answer = gateway.tenant().ask(&ask(client, chain, "hi", stream));
                let told = if stream { streamed(client, &answer) } else { said(client, &answer.json()) };
                assert_eq!((answer.head.status, told), (200, (text_of(next), true)), "{case}: {}", answer.text());
            }
        }
        provider.heal(who);
    }
}

#[test]
fn a_stream_that_breaks_is_never_a_good_one_in_any_language() {
    let provider = zoo();
    let mut policy = policy(&provider);
    for (name, ..) in PROVIDERS {
        policy = policy.chain(&format!("by-{name}"), &[(name, "m")], "idle: 500ms");
        // Behind the notices that some dialects begin with.
        provider.fault(name, "cut;events=8");
    }
    let gateway = Gateway::start(&policy);
    for client in CLIENTS {
        for (name, ..) in PROVIDERS {
            let case = format!("{client} by {name}");
            let mut tenant = gateway.tenant();
            let answer = tenant.ask(&ask(client, &format!("by-{name}"), "hi", true));
            let (text, good) = streamed(client, &answer);
            assert!(!text.is_empty() && text_of(name).starts_with(&text) && !good, "{case}: {}", answer.text());
            let last: Value = serde_json::from_str(&answer.events().last().unwrap().data).unwrap();
            assert_eq!(code(client, &last), "stream_cut", "{case}: {last}");
            assert!(tenant.closed(), "{case}");
        }
    }
}

#[test]
fn an_error_is_told_in_the_language_of_who_asks() {
    let provider = zoo();
    let mut policy = policy(&provider).section("tenants: [{name: acme, keys: [{key: \"sk-acme-0123456789abcdef\"}]}]");
    for (name, ..) in PROVIDERS {
        policy = policy.chain(&format!("by-{name}"), &[(name, "m")], "");
        provider.fault(name, "400");
    }
    let gateway = Gateway::start(&policy);
    let key = "sk-acme-0123456789abcdef";
    for client in CLIENTS {
        let field = match client {
            "messages" => "x-api-key",
            "generate" => "x-goog-api-key",
            _ => "authorization",
        };
        let value = if field == "authorization" { format!("Bearer {key}") } else { key.to_owned() };
        let refused = gateway.tenant().ask(&ask(client, "by-chat", "hi", false));
        assert_eq!((refused.head.status, code(client, &refused.json())), (401, "missing_api_key".to_owned()), "{}", refused.text());
        let unknown = gateway.tenant().ask(&ask(client, "nobody", "hi", false).with(field, &value));
        assert_eq!((unknown.head.status, code(client, &unknown.json())), (404, "model_not_found".to_owned()), "{}", unknown.text());
        for (name, ..) in PROVIDERS {
            for stream in [false, true] {
                let answer = gateway.tenant().ask(&ask(client, &format!("by-{name}"), "hi", stream).with(field, &value));
                let case = format!("{client} by {name}: {}", answer.text());
                assert_eq!(answer.head.status, 400, "{case}");
                let error = &answer.json()["error"];
                assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{case}");
                assert_eq!(answer.head.field("x-should-retry"), Some("false"), "{case}");
            }
        }
    }
}

#[test]
fn what_a_target_cannot_be_told_passes_it_over() {
    let provider = zoo();
    let policy = policy(&provider)
        .chain("c", &[("claude", "m"), ("gemini", "m"), ("chat", "m")], "")
        .chain("only", &[("claude", "m")], "")
        .chain("lenient", &[("claude", "m")], "drop_params: true");
    let gateway = Gateway::start(&policy);
    let seeded = |model: &str, member: &str, value: Value| {
        let mut body = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
        body[member] = value;
        Ask::post("/v1/chat/completions", &body)
    };
    let answer = gateway.tenant().ask(&seeded("c", "logit_bias", json!({"1": 2})));
    assert_eq!(answer.head.field("x-throwover-provider"), Some("chat"), "{}", answer.text());
    let record = gateway.record(answer.head.field("x-request-id").unwrap());
    let skipped = record["skipped"].as_array().unwrap();
    assert_eq!(skipped[0], json!({"target": "claude/m", "why": "lacks", "lacks": ["logit_bias"]}), "{record}");
    assert_eq!(skipped[1], json!({"target": "gemini/m", "why": "lacks", "lacks": ["logit_bias"]}), "{record}");
    // Gemini has words for probabilities, and Anthropic does not.
    let answer = gateway.tenant().ask(&seeded("c", "logprobs", json!(true)));
    assert_eq!(answer.head.field("x-throwover-provider"), Some("gemini"), "{}", answer.text());

    let refused = gateway.tenant().ask(&seeded("only", "seed", json!(7)));
    assert_eq!((refused.head.status, refused.code()), (400, "unsupported_by_targets".to_owned()), "{}", refused.text());
    assert!(refused.text().contains("claude/m lacks seed"), "{}", refused.text());
    let lenient = gateway.tenant().ask(&seeded("lenient", "seed", json!(7)));
    assert_eq!((lenient.head.status, said("chat", &lenient.json()).0), (200, text_of("claude")));
}

/// Parameters are left out where they cannot be told, and nowhere else.
#[test]
fn what_is_dropped_is_what_a_target_lacks() {
    let provider = zoo();
    let models = "[{provider: chat, model: m, lacks: [seed, stop]}]";
    let policy = policy(&provider).chain_of("lacking", models, "drop_params: true").chain("able", &[("chat", "n")], "drop_params: true");
    let gateway = Gateway::start(&policy);
    let body = |model: &str| {
        let messages = json!([{"role": "user", "content": "hi"}]);
        json!({"model": model, "messages": messages, "seed": 7, "stop": ["x"], "logit_bias": {"1": 2}})
    };
    for (model, asked, dropped) in [("lacking", "m", true), ("able", "n", false)] {
        let answer = gateway.tenant().ask(&Ask::post("/v1/chat/completions", &body(model)));
        assert_eq!(said("chat", &answer.json()).0, text_of("chat"), "{}", answer.text());
        let sent: Value = serde_json::from_str(provider.log_of(asked).pop().unwrap().body.as_deref().unwrap()).unwrap();
        assert_eq!((sent["seed"].is_null(), sent["stop"].is_null()), (dropped, dropped), "{sent}");
        assert_eq!(sent["logit_bias"], json!({"1": 2}), "{sent}");
    }
}

/// Of OpenAI's models, some are served by Responses alone.
#[test]
fn a_model_without_chat_is_asked_in_responses() {
    let provider = zoo();
    let url = format!("http://{}/v1", provider.plain("chat"));
    let policy = policy(&provider)
        .endpoint("both", &url, "keys: [\"sk-operators\"], speaks: [chat, responses]")
        .chain_of("pro", "[{provider: both, model: pro, lacks: [chat]}]", "")
        .chain("plain", &[("both", "plain")], "");
    let gateway = Gateway::start(&policy);
    for (model, path) in [("pro", "/v1/responses"), ("plain", "/v1/chat/completions")] {
        for stream in [false, true] {
            let answer = gateway.tenant().ask(&ask("chat", model, "hi", stream));
            let told = if stream { streamed("chat", &answer) } else { said("chat", &answer.json()) };
            assert_eq!((answer.head.status, told), (200, (text_of("chat"), true)), "{model}: {}", answer.text());
            assert_eq!(provider.log_of(if model == "pro" { "pro" } else { "plain" }).pop().unwrap().path, path, "{model}");
        }
    }
}

/// What suits one model of a chain: words around the system prompt and parameters of its own, in whichever
/// dialect it is asked, and nothing of it for the others.
#[test]
fn a_model_gets_the_wording_that_suits_it() {
    let provider = zoo();
    let worded =
        |of: &str, params: &str| format!("[{{provider: {of}, model: {of}-m, prefix: \"Before.\", suffix: \"After.\", params: {params}}}]");
    let policy = policy(&provider)
        .chain_of("a", &worded("chat", "{temperature: 0.25}"), "")
        .chain_of("b", &worded("gemini", "{temperature: 0.25, topK: 4}"), "")
        .chain("c", &[("chat", "plain")], "");
    let gateway = Gateway::start(&policy);
    let messages = json!([{"role": "system", "content": "Between."}, {"role": "user", "content": "hi"}]);
    let sent = |model: &str, asked: &str| -> Value {
        let body = json!({"model": model, "messages": messages, "temperature": 0.9});
        let answer = gateway.tenant().ask(&Ask::post("/v1/chat/completions", &body));
        assert_eq!(answer.head.status, 200, "{}", answer.text());
        let sent = provider.log_of(asked).pop().unwrap().body.unwrap();
        assert_eq!(sent.matches("emperature\"").count(), 1, "{sent}");
        serde_json::from_str(&sent).unwrap()
    };
    let texts =
        |parts: &Value| -> Vec<String> { parts.as_array().unwrap().iter().map(|part| part["text"].as_str().unwrap().to_owned()).collect() };
    let said = sent("a", "chat-m");
    assert_eq!(texts(&said["messages"][0]["content"]), ["Before.", "Between.", "After."]);
    assert_eq!(said["temperature"], 0.25);
    let said = sent("b", "gemini-m");
    assert_eq!(texts(&said["systemInstruction"]["parts"]), ["Before.", "Between.", "After."]);
    assert_eq!((&said["generationConfig"]["temperature"], &said["generationConfig"]["topK"]), (&json!(0.25), &json!(4)));
    let said = sent("c", "plain");
    assert_eq!((&said["messages"], &said["temperature"]), (&messages, &json!(0.9)));
}

/// A policy may set what the newest version of Anthropic's API refuses: what is said anew is of a version that allows it.
#[test]
fn parameters_of_a_policy_and_the_version_of_a_client() {
    let provider = zoo();
    let models = "[{provider: claude, model: m, params: {temperature: 0.2}}]";
    let gateway = Gateway::start(&policy(&provider).chain_of("set", models, "").chain("plain", &[("claude", "m")], ""));
    for model in ["set", "plain"] {
        let body = json!({"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}]});
        let answer = gateway.tenant().ask(&Ask::post("/v1/messages", &body).with("anthropic-version", "2026-10-21"));
        assert_eq!((answer.head.status, said("messages", &answer.json()).0), (200, text_of("claude")), "{model}: {}", answer.text());
    }
}

#[test]
fn one_language_throughout_is_passed_on_as_it_came() {
    let provider = zoo();
    let policy = policy(&provider).chain("c", &[("claude", "m"), ("chat", "m")], "").chain("g", &[("gemini", "m")], "");
    let gateway = Gateway::start(&policy);
    // Oddly spaced, with members that mean nothing here.
    let body = "{ \"max_tokens\":64 ,\"model\": \"c\", \"metadata\" : {\"user_id\":\"u\"},\n\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"h\\u0069\"}]}]}";
    let answer = gateway.tenant().ask(&Ask::raw("/v1/messages", body.as_bytes()).with("anthropic-version", "2023-06-01"));
    assert_eq!(said("messages", &answer.json()).0, text_of("claude"), "{}", answer.text());
    let entry = provider.log_of("m").pop().unwrap();
    assert_eq!(entry.body.as_deref(), Some(body.replace("\"c\"", "\"m\"").as_str()));
    let body = "{ \"contents\":[ {\"parts\":[{\"text\":\"h\\u0069\"}],\"role\":\"user\"} ] }";
    let answer = gateway.tenant().ask(&Ask::raw("/v1beta/models/g:generateContent", body.as_bytes()));
    assert_eq!(said("generate", &answer.json()).0, text_of("gemini"), "{}", answer.text());
    assert_eq!(provider.log_of("m").pop().unwrap().body.as_deref(), Some(body));
}

#[test]
fn models_are_listed_in_every_language() {
    let provider = zoo();
    let gateway = Gateway::start(&policy(&provider).chain("c", &[("chat", "m")], ""));
    let ask = |path: &str| gateway.tenant().ask(&Ask::get(path)).json();
    assert_eq!(ask("/v1/models")["data"][0]["id"], "c");
    assert_eq!(ask("/v1beta/models")["models"][0]["name"], "models/c");
    assert_eq!(ask("/v1beta/models/c")["name"], "models/c");
    let answer = gateway.tenant().ask(&Ask::get("/v1/models").with("anthropic-version", "2023-06-01"));
    assert_eq!((&answer.json()["data"][0]["type"], &answer.json()["has_more"]), (&json!("model"), &json!(false)));
}
