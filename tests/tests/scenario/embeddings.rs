//! Embeddings and counts of tokens, asked in one language and answered in another; and vectors of one
//! length throughout a chain.

use mock::Dialect;
use serde_json::{Value, json};
use tests::testkit::{
    gateway::Gateway,
    policy::Policy,
    provider::Provider,
    tenant::{Answer, Ask},
};

/// Who answers, as in the scenarios of dialects.
const PROVIDERS: [(&str, Dialect, &str, &str); 5] = [
    ("chat", Dialect::Openai, "/v1", "speaks: [chat]"),
    ("spare", Dialect::Openai, "/v1", "speaks: [chat]"),
    ("items", Dialect::Openai, "/v1", "speaks: [responses]"),
    ("claude", Dialect::Anthropic, "", "dialect: anthropic, auth: {header: x-api-key}"),
    ("gemini", Dialect::Gemini, "/v1beta", "dialect: gemini, auth: {header: x-goog-api-key}"),
];

fn zoo() -> Provider {
    let dialects: Vec<(&str, Dialect)> = PROVIDERS.iter().map(|(name, dialect, ..)| (*name, *dialect)).collect();
    Provider::speaking(&dialects)
}

/// What the models of the tests are known to give: the mock's own lengths, or others in its place.
const MODELS: &str = "models:
  gecko: {deployments: [{provider: gemini, model: gecko, dimensions: 3072}]}
  small: {deployments: [{provider: chat, model: small, dimensions: 1536}]}
  fixed: {deployments: [{provider: spare, model: fixed, dimensions: 1024}]}
";

fn policy(provider: &Provider) -> Policy {
    let mut policy = Policy::new().defaults("breaker: {consecutive: 1000, min_requests: 1000}");
    for (name, _, path, members) in PROVIDERS {
        let url = format!("http://{}{path}", provider.plain(name));
        policy = policy.endpoint(name, &url, &format!("keys: [\"sk-operators\"], {members}"));
    }
    policy
}

fn openai(model: &str, more: Value) -> Ask {
    let mut body = json!({"model": model, "input": ["one", "two"]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Ask::post("/v1/embeddings", &body)
}

fn floats(value: &Value) -> Vec<f32> {
    serde_json::from_value(value.clone()).unwrap()
}

fn by(answer: &Answer) -> &str {
    answer.head.field("x-throwover-provider").unwrap_or_default()
}

fn length(vector: &[f32]) -> f64 {
    vector.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt()
}

fn skipped(gateway: &Gateway, answer: &Answer) -> Value {
    gateway.record(answer.head.field("x-request-id").unwrap())["skipped"].clone()
}

#[test]
fn an_openai_client_is_answered_by_gemini() {
    let provider = zoo();
    let gateway = Gateway::start(&policy(&provider).section(MODELS).chain("c", &[("gemini", "gecko")], ""));
    let answer = gateway.tenant().ask(&openai("gecko", json!({})));
    assert_eq!((answer.head.status, by(&answer)), (200, "gemini"), "{}", answer.text());
    let whole = answer.json();
    assert_eq!((&whole["object"], &whole["model"], &whole["data"][1]["index"]), (&json!("list"), &json!("gecko"), &json!(1)));
    assert!(whole["usage"]["prompt_tokens"].as_u64() >= Some(1) && whole["usage"]["total_tokens"] == whole["usage"]["prompt_tokens"]);
    let plain = floats(&whole["data"][0]["embedding"]);
    assert_eq!(plain.len(), 3072);

    // The same in base64, as OpenAI's own SDK asks for it.
    let coded = gateway.tenant().ask(&openai("gecko", json!({"encoding_format": "base64"}))).json();
    assert_eq!(decoded(coded["data"][0]["embedding"].as_str().unwrap()), plain);

    // One text, and a vector that is cut short and as long in space as a whole one.
    let cut = gateway.tenant().ask(&openai("gecko", json!({"input": "one", "dimensions": 256}))).json();
    let vector = floats(&cut["data"][0]["embedding"]);
    assert_eq!((cut["data"].as_array().unwrap().len(), vector.len()), (1, 256));
    assert!((length(&vector) - 1.0).abs() < 1e-5 && length(&plain[..256]) < 0.9);
    let ratio = f64::from(vector[0]) / f64::from(plain[0]);
    assert!(vector.iter().zip(&plain).all(|(cut, whole)| (f64::from(*cut) - f64::from(*whole) * ratio).abs() < 1e-5));
}

/// Floats from base64, digit by digit.
fn decoded(text: &str) -> Vec<f32> {
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: String = text.trim_end_matches('=').chars().map(|digit| format!("{:06b}", digits.find(digit).unwrap())).collect();
    let bytes: Vec<u8> =
        bits.as_bytes().chunks_exact(8).map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap()).collect();
    bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}

#[test]
fn a_gemini_client_is_answered_by_openai() {
    let provider = zoo();
    let gateway = Gateway::start(&policy(&provider).section(MODELS).chain("c", &[("chat", "small")], ""));
    let content = |text: &str| json!({"parts": [{"text": text}]});
    let one = gateway.tenant().ask(&Ask::post("/v1beta/models/small:embedContent", &json!({"content": content("one")})));
    assert_eq!((one.head.status, by(&one)), (200, "chat"), "{}", one.text());
    let one = floats(&one.json()["embedding"]["values"]);
    assert_eq!(one.len(), 1536);
    let batch = json!({"requests": [
        {"model": "models/small", "content": content("two"), "outputDimensionality": 64},
        {"model": "models/small", "content": {"parts": [{"text": "on"}, {"text": "e"}]}, "outputDimensionality": 64}]});
    let both = gateway.tenant().ask(&Ask::post("/v1beta/models/small:batchEmbedContents", &batch));
    assert_eq!(both.head.status, 200, "{}", both.text());
    let record = gateway.record(both.head.field("x-request-id").unwrap());
    assert!(record["tokens_in"].as_u64() > Some(0), "OpenAI counts: {record}");
    let direct = gateway.tenant().ask(&openai("small", json!({"dimensions": 64}))).json();
    assert_eq!(floats(&both.json()["embeddings"][1]["values"]), floats(&direct["data"][0]["embedding"]), "parts are one text");
    assert_eq!(floats(&both.json()["embeddings"][0]["values"]), floats(&direct["data"][1]["embedding"]));
}

#[test]
fn what_only_one_dialect_has_passes_the_other_over() {
    let provider = zoo();
    let both = [("gemini", "gecko"), ("chat", "gecko")];
    let turned = [("chat", "gecko"), ("gemini", "gecko")];
    let policy = policy(&provider)
        .section(MODELS)
        .chain("down", &both, "")
        .chain("up", &turned, "")
        .chain("lenient", &turned, "drop_params: true")
        .chain("nobody", &[("claude", "gecko"), ("items", "gecko")], "drop_params: true");
    let gateway = Gateway::start(&policy);
    let tokens = gateway.tenant().ask(&openai("down", json!({"input": [[1, 2], [3]], "dimensions": 1536})));
    assert_eq!((tokens.head.status, by(&tokens)), (200, "chat"), "{}", tokens.text());
    assert_eq!(skipped(&gateway, &tokens)[0], json!({"target": "gemini/gecko", "why": "lacks", "lacks": ["token_ids"]}));

    let typed = |model: &str| {
        let body = json!({"content": {"parts": [{"text": "one"}]}, "taskType": "RETRIEVAL_QUERY"});
        Ask::post(&format!("/v1beta/models/{model}:embedContent"), &body)
    };
    let answer = gateway.tenant().ask(&typed("up"));
    assert_eq!((answer.head.status, by(&answer)), (200, "gemini"), "{}", answer.text());
    assert_eq!(skipped(&gateway, &answer)[0]["lacks"], json!(["own_dialect"]));
    // Where it may be left out, it is.
    let lenient = gateway.tenant().ask(&typed("lenient").with("x-throwover-deadline-ms", "9000"));
    assert_eq!((lenient.head.status, by(&lenient)), (200, "chat"), "{}", lenient.text());

    let refused = gateway.tenant().ask(&openai("nobody", json!({})));
    assert_eq!((refused.head.status, refused.code()), (400, "unsupported_by_targets".to_owned()), "{}", refused.text());
    assert!(refused.text().contains("claude/gecko unable; items/gecko unable"), "{}", refused.text());
}

#[test]
fn an_embedding_never_comes_in_another_length() {
    let provider = zoo();
    let policy = policy(&provider)
        .section(MODELS)
        .chain("plain", &[("chat", "small"), ("spare", "other"), ("spare", "small")], "")
        .chain("mixed", &[("chat", "small"), ("spare", "other")], "mix_dimensions: true")
        .chain("strict", &[("chat", "small"), ("spare", "fixed")], "");
    let gateway = Gateway::start(&policy);
    provider.fault("chat", "500");

    // Not the other model, whose length nobody knows, but the same one elsewhere.
    let answer = gateway.tenant().ask(&openai("plain", json!({})));
    assert_eq!((answer.head.status, by(&answer)), (200, "spare"), "{}", answer.text());
    assert_eq!(answer.head.field("x-throwover-model"), Some("small"));
    assert_eq!(skipped(&gateway, &answer)[0], json!({"target": "spare/other", "why": "dimensions"}));
    let nobody = gateway.tenant().ask(&openai("strict", json!({})));
    assert!(nobody.head.status >= 500, "{}", nobody.text());
    assert!(nobody.text().contains("spare/fixed dimensions"), "{}", nobody.text());
    // Who says that it does not matter is asked.
    let mixed = gateway.tenant().ask(&openai("mixed", json!({})));
    assert_eq!((mixed.head.status, by(&mixed)), (200, "spare"), "{}", mixed.text());
    // The length that the request names may be one that the other has.
    let named = gateway.tenant().ask(&openai("strict", json!({"dimensions": 1024})));
    assert_eq!((named.head.status, by(&named)), (200, "spare"), "{}", named.text());
    let sent: Value = serde_json::from_str(provider.log_of("fixed").pop().unwrap().body.as_deref().unwrap()).unwrap();
    assert_eq!(sent.get("dimensions"), None, "who cannot be told is not: {sent}");
}

#[test]
fn who_can_give_shorter_vectors_is_told_to() {
    let provider = zoo();
    // Under their names in the catalogue, so that their lengths are known.
    let address = |name: &str| provider.plain(name);
    let policy = Policy::new()
        .defaults("breaker: {consecutive: 1000, min_requests: 1000}")
        .endpoint("openai", &format!("http://{}/v1", address("chat")), "keys: [\"sk-a\"]")
        .endpoint("azure", &format!("http://{}/v1", address("spare")), "keys: [\"sk-b\"], auth: bearer")
        .endpoint("google", &format!("http://{}/v1beta", address("gemini")), "keys: [\"sk-c\"]")
        .chain("c", &[("openai", "text-embedding-3-small"), ("google", "gemini-embedding-001"), ("azure", "text-embedding-3-large")], "");
    let gateway = Gateway::start(&policy);
    provider.fault("chat", "500");
    let by_gemini = gateway.tenant().ask(&openai("c", json!({})));
    assert_eq!((by_gemini.head.status, by(&by_gemini)), (200, "google"), "{}", by_gemini.text());
    let vector = floats(&by_gemini.json()["data"][0]["embedding"]);
    assert_eq!(vector.len(), 1536);
    assert!((length(&vector) - 1.0).abs() < 1e-5);
    provider.fault("gemini", "500");
    // Within one dialect, too.
    let by_azure = gateway.tenant().ask(&openai("c", json!({"encoding_format": "base64", "user": "u"})));
    assert_eq!((by_azure.head.status, by(&by_azure)), (200, "azure"), "{}", by_azure.text());
    assert_eq!(decoded(by_azure.json()["data"][1]["embedding"].as_str().unwrap()).len(), 1536);
    let sent: Value = serde_json::from_str(provider.log_of("text-embedding-3-large").pop().unwrap().body.as_deref().unwrap()).unwrap();
    assert_eq!((&sent["dimensions"], &sent["user"]), (&json!(1536), &json!("u")));
    // And a client of Gemini's is told apart only by its shape.
    let body = json!({"requests": [{"model": "models/c", "content": {"parts": [{"text": "one"}]}}]});
    let batch = gateway.tenant().ask(&Ask::post("/v1beta/models/c:batchEmbedContents", &body));
    assert_eq!((batch.head.status, by(&batch)), (200, "azure"), "{}", batch.text());
    assert_eq!(floats(&batch.json()["embeddings"][0]["values"]).len(), 1536);
    provider.heal("gemini");
    let batch = gateway.tenant().ask(&Ask::post("/v1beta/models/c:batchEmbedContents", &body));
    assert_eq!((batch.head.status, by(&batch)), (200, "google"), "the body names its model, too: {}", batch.text());
    assert_eq!(floats(&batch.json()["embeddings"][0]["values"]).len(), 1536);
}

#[test]
fn an_answer_of_other_vectors_is_failed_over() {
    let provider = zoo();
    let text = "models:
  gecko: {deployments: [{provider: gemini, model: gecko, dimensions: 1536}]}
";
    // The policy is wrong about the first, which gives 3072 numbers.
    let policy = policy(&provider).section(text).chain("c", &[("gemini", "gecko"), ("chat", "gecko")], "");
    let gateway = Gateway::start(&policy);
    let answer = gateway.tenant().ask(&openai("c", json!({})));
    assert_eq!((answer.head.status, by(&answer)), (200, "chat"), "{}", answer.text());
    assert_eq!(floats(&answer.json()["data"][0]["embedding"]).len(), 1536);
    for fault in ["truncated-json", "html;status=200", "error-in-200", "429", "cut"] {
        provider.fault("gemini", fault);
        let answer = gateway.tenant().ask(&openai("c", json!({})));
        assert_eq!((answer.head.status, by(&answer)), (200, "chat"), "{fault}: {}", answer.text());
    }
}

fn count(client: &str, model: &str) -> Ask {
    if client == "anthropic" {
        let body = json!({"model": model, "system": "Be brief.", "messages": [{"role": "user", "content": "How many tokens are there?"}]});
        return Ask::post("/v1/messages/count_tokens", &body).with("anthropic-version", "2023-06-01");
    }
    let contents = json!([{"role": "user", "parts": [{"text": "How many tokens are there?"}]}]);
    Ask::post(&format!("/v1beta/models/{model}:countTokens"), &json!({ "contents": contents }))
}

/// What the client reads as the count.
fn counted(client: &str, answer: &Answer) -> u64 {
    answer.json()[if client == "anthropic" { "input_tokens" } else { "totalTokens" }].as_u64().unwrap_or(0)
}

#[test]
fn tokens_are_counted_by_who_speaks_otherwise() {
    let provider = zoo();
    let gateway = Gateway::start(&policy(&provider).chain("a", &[("claude", "m"), ("gemini", "m")], "").chain(
        "g",
        &[("gemini", "m"), ("claude", "m")],
        "",
    ));
    for client in ["anthropic", "gemini"] {
        for (chain, first, second) in [("a", "claude", "gemini"), ("g", "gemini", "claude")] {
            for (fault, expected) in [(None, first), (Some("500"), second)] {
                fault.iter().for_each(|fault| provider.fault(first, fault));
                let answer = gateway.tenant().ask(&count(client, chain));
                let case = format!("{client} asks {chain}, {fault:?}: {}", answer.text());
                assert_eq!((answer.head.status, by(&answer)), (200, expected), "{case}");
                assert!(counted(client, &answer) > 3, "{case}");
                assert_eq!(answer.head.field("x-throwover-estimated"), None, "{case}");
                provider.heal(first);
            }
        }
    }
}

#[test]
fn what_nobody_counts_is_estimated_and_says_so() {
    let provider = zoo();
    let policy = policy(&provider).chain("chat", &[("chat", "m"), ("claude", "m")], "").chain("items", &[("items", "m")], "").chain(
        "claude",
        &[("claude", "m"), ("chat", "m")],
        "",
    );
    let gateway = Gateway::start(&policy);
    let estimated = |client: &str, chain: &str| {
        let answer = gateway.tenant().ask(&count(client, chain));
        let case = format!("{client} asks {chain}: {}", answer.text());
        assert_eq!((answer.head.status, answer.head.field("x-throwover-estimated")), (200, Some("true")), "{case}");
        assert_eq!(by(&answer), "", "nobody else answered: {case}");
        // 26 bytes of text, and 9 more of Anthropic's system prompt.
        assert_eq!(counted(client, &answer), if client == "anthropic" { 7 } else { 5 }, "{case}");
        gateway.record(answer.head.field("x-request-id").unwrap())
    };
    for client in ["anthropic", "gemini"] {
        for chain in ["chat", "items"] {
            let record = estimated(client, chain);
            assert_eq!((&record["outcome"], &record["status"]), (&json!("estimated"), &json!(200)), "{record}");
            assert_eq!((&record["attempts"], &record["skipped"][0]["why"]), (&json!([]), &json!("unable")), "{record}");
        }
    }
    assert!(provider.log().is_empty(), "nobody was asked");
    // Who can count, and does not.
    provider.fault("claude", "500");
    let record = estimated("anthropic", "claude");
    assert_eq!((&record["outcome"], &record["attempts"][0]["target"]), (&json!("estimated"), &json!("claude/m")), "{record}");
    // The caller's own mistake stays one.
    provider.heal("claude");
    let wrong = json!({"model": "claude", "messages": [{"role": "user", "content": "hi"}], "no_such": 1});
    let answer = gateway.tenant().ask(&Ask::post("/v1/messages/count_tokens", &wrong).with("anthropic-version", "2023-06-01"));
    assert_eq!((answer.head.status, answer.json()["type"].clone()), (400, json!("error")), "{}", answer.text());
}

#[test]
fn a_count_in_its_own_language_passes_as_it_came() {
    let provider = zoo();
    let gateway = Gateway::start(&policy(&provider).chain("c", &[("claude", "m"), ("gemini", "m")], "").chain("g", &[("gemini", "m")], ""));
    let body = "{ \"model\": \"c\" ,\n\"messages\":[{\"role\":\"user\",\"content\":\"h\\u0069\"}]}";
    let answer = gateway.tenant().ask(&Ask::raw("/v1/messages/count_tokens", body.as_bytes()).with("anthropic-version", "2023-06-01"));
    assert_eq!((answer.head.status, by(&answer)), (200, "claude"), "{}", answer.text());
    assert_eq!(provider.log_of("m").pop().unwrap().body.as_deref(), Some(body.replace("\"c\"", "\"m\"").as_str()));
    let body = "{ \"contents\":[ {\"parts\":[{\"text\":\"h\\u0069\"}],\"role\":\"user\"} ] }";
    let answer = gateway.tenant().ask(&Ask::raw("/v1beta/models/g:countTokens", body.as_bytes()));
    assert_eq!((answer.head.status, by(&answer)), (200, "gemini"), "{}", answer.text());
    assert_eq!(provider.log_of("m").pop().unwrap().body.as_deref(), Some(body));
    assert_eq!(answer.json()["promptTokensDetails"][0]["modality"], "TEXT", "all that the provider says");
}
