use super::*;
use policy::{Auth, Dialect as Speaker, OriginId, Price, ProviderId, Retries, Speaks, Understands};

fn provider(dialect: Speaker, base: &str) -> Provider {
    Provider {
        name: "p".to_owned(),
        dialect,
        speaks: dialect.speaks(),
        quirks: 0,
        origin: OriginId(0),
        base_path: base.to_owned(),
        auth: Auth::Bearer,
        keys: Vec::new(),
        in_flight_max: 1,
        retries: Retries::default(),
        concurrency: policy::Concurrency::default(),
        headers: vec![("x-team".to_owned(), "blue".to_owned())],
        regions: Vec::new(),
        checks: Vec::new(),
    }
}

fn target() -> Target {
    Target {
        name: "p/m".to_owned(),
        provider: ProviderId(0),
        model: Model::Named("m".to_owned()),
        reasoning: false,
        context_window: None,
        price: None,
        understands: Understands::default(),
        disabled: None,
    }
}

fn canary(expected: Expected) -> Canary {
    Canary {
        model: "m".to_owned(),
        prompt: "What is 6*7? \"Number\" only.\n".to_owned(),
        expected,
        slow_ms: Some(2_000),
        confidence_permille_min: Some(800),
        tokens_max: 64,
        day_cost_max: 1,
        day_count_max: 1,
    }
}

fn forty_two() -> Canary {
    canary(Expected::Text("42".to_owned()))
}

#[test]
fn it_is_asked_in_the_language_and_at_the_place_of_its_provider() {
    for (dialect, base, path) in [
        (Speaker::OpenAi, "/v1", "/v1/chat/completions"),
        (Speaker::OpenAi, "/openai/deployments/{model}?api-version=1", "/openai/deployments/m/chat/completions?api-version=1"),
        (Speaker::Anthropic, "", "/v1/messages"),
        (Speaker::Anthropic, "/v1", "/v1/messages"),
        (Speaker::Gemini, "/v1beta", "/v1beta/models/m:generateContent"),
    ] {
        let provider = provider(dialect, base);
        let question = question(&provider, &target(), &forty_two()).unwrap();
        assert_eq!((question.method, question.target.as_str()), ("POST", path));
        assert_eq!(question.fields.iter().any(|(name, _)| name == "anthropic-version"), dialect == Speaker::Anthropic);
        assert!(question.fields.contains(&("x-team".to_owned(), "blue".to_owned())));
        let body: serde_json::Value = serde_json::from_slice(&question.body).unwrap();
        let (prompt, most) = match dialect {
            Speaker::Gemini => (&body["contents"][0]["parts"][0]["text"], &body["generationConfig"]["maxOutputTokens"]),
            Speaker::Anthropic => (&body["messages"][0]["content"], &body["max_tokens"]),
            Speaker::OpenAi => (&body["messages"][0]["content"], &body["max_completion_tokens"]),
        };
        let said = prompt.as_str().or_else(|| prompt[0]["text"].as_str());
        assert_eq!(said, Some("What is 6*7? \"Number\" only.\n"), "{body}");
        assert_eq!(most.as_u64(), Some(64), "{body}");
    }
    let responses = Provider { speaks: Speaks::RESPONSES, ..provider(Speaker::OpenAi, "/v1") };
    assert_eq!(question(&responses, &target(), &forty_two()).unwrap().target, "/v1/responses");
}

#[test]
fn known_answers_are_told_from_others() {
    let text = Expected::Text("Forty-Two.".to_owned());
    let regex = Expected::Regex(r"^\W*42\b".to_owned());
    let json = Expected::Json(r#"{"answer": 42, "unit": null}"#.to_owned());
    for (expected, said, fitting) in [
        (&text, " forty-two\n", true),
        (&text, "Forty-two.", true),
        (&text, "It is forty-two.", false),
        (&text, "", false),
        (&regex, "  42 of course", true),
        (&regex, "142", false),
        (&regex, "x".repeat(100_000).as_str(), false),
        (&json, r#"{"unit":null,"answer":42.0}"#, true),
        (&json, "```json\n{\"answer\": 42, \"unit\": null}\n```", true),
        (&json, r#"{"answer": 42}"#, false),
        (&json, r#"{"answer": "42", "unit": null}"#, false),
        (&json, "42", false),
        (&json, "{", false),
    ] {
        assert_eq!(fits(expected, said), fitting, "{expected:?} {said:.40}");
    }
    assert!(!fits(&Expected::Regex("(".to_owned()), "("));
}

fn bar(language: Dialect, other_keys: bool) -> Bar {
    Bar {
        canary: forty_two(),
        language,
        price: Some(Price { input: 1_000_000, output: 2_000_000, cached: None, cache_write: None }),
        other_keys,
    }
}

fn said(status: u16, body: &str) -> Reply {
    Reply { status, body: body.as_bytes().to_vec() }
}

fn openai(content: &str, logprob: f64) -> String {
    serde_json::json!({
        "id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop",
            "logprobs": {"content": [{"token": "42", "logprob": logprob, "bytes": null, "top_logprobs": []},
                {"token": ".", "logprob": 0.0, "bytes": null, "top_logprobs": []}]}}],
        "usage": {"prompt_tokens": 30, "completion_tokens": 5, "total_tokens": 35},
    })
    .to_string()
}

#[test]
fn each_way_to_be_unwell_has_its_word() {
    let soon = Duration::from_millis(200);
    let check = |status, body: &str, took, other_keys, expected| {
        let found = bar(Dialect::Openai, other_keys).judge(&said(status, body), took);
        assert_eq!(found.verdict, expected, "{status} {body} {found:?}");
        found
    };
    let good = check(200, &openai("42.", -0.01), soon, false, Some(Ok(())));
    assert_eq!(good.cost, Some(40), "30 tokens at one, and 5 at two");
    let wrong = check(200, &openai("41", -0.01), soon, false, Some(Err(Degradation::WrongAnswer)));
    assert_eq!((wrong.said.as_str(), wrong.cost), ("said `41`", Some(40)));
    // Mean of 0.5 and 1.
    let unsure = check(200, &openai("42", -(2.0_f64.ln())), soon, false, Some(Err(Degradation::LowConfidence)));
    assert_eq!(unsure.said, "right, with a mean probability of 0.750");
    check(200, &openai("42", 0.0), Duration::from_millis(2_001), false, Some(Err(Degradation::HighLatency)));
    check(500, "", soon, false, Some(Err(Degradation::HttpError)));
    check(401, "", soon, false, Some(Err(Degradation::HttpError)));
    assert_eq!(check(401, "", soon, true, None).cost, Some(0), "one credential of several says nothing of the model");
    check(429, "", soon, false, None);
    check(200, "<html>", soon, false, Some(Err(Degradation::Exception)));
    check(200, r#"{"error":{"message":"no"}}"#, soon, false, Some(Err(Degradation::HttpError)));
    // Nothing is known of the cost of what cannot be read.
    assert_eq!(check(200, "", soon, false, Some(Err(Degradation::Exception))).cost, None);
}

#[test]
fn other_languages_are_read_too() {
    let anthropic = r#"{"id":"m","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"42"}],
        "stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":30,"output_tokens":5}}"#;
    let gemini = r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"42"}]},"finishReason":"STOP","index":0}],
        "usageMetadata":{"promptTokenCount":30,"candidatesTokenCount":5,"totalTokenCount":35}}"#;
    for (language, body) in [(Dialect::Anthropic, anthropic), (Dialect::Gemini, gemini)] {
        let found = bar(language, false).judge(&said(200, body), Duration::ZERO);
        assert_eq!((found.verdict, found.cost), (Some(Ok(())), Some(40)), "{found:?}");
    }
}

#[test]
fn long_answers_are_shown_in_part() {
    assert_eq!(shown(" short "), "short");
    assert_eq!(shown(&"ö".repeat(200)).chars().count(), SHOWN_MAX + 1);
}
