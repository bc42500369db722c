use super::*;
use policy::Thinking;

#[test]
fn the_built_in_catalogue_is_sound() {
    let catalogue = Catalogue::built_in();
    assert!(catalogue.providers.len() >= 20 && catalogue.models.served.len() >= 330);
    for (name, known) in &catalogue.providers {
        let place = known.endpoint.as_deref().unwrap_or(&known.example);
        assert!(place.starts_with("http") && !place.ends_with('/'), "{name}: {place}");
        assert_eq!(known.variables.is_empty(), known.auth == Auth::None, "{name}: a key needs a way to present it");
        assert!(known.speaks.any(known.dialect.policy().speaks()), "{name} speaks nothing of its dialect");
        assert!(catalogue.provider(&known.models).is_some(), "{name} has the models of {}", known.models);
    }
    for ((provider, model), successor) in &catalogue.models.retired {
        assert!(catalogue.provider(provider).is_some(), "{provider}");
        assert!(catalogue.model(provider, successor).is_some(), "{provider}/{successor} succeeds {model} and is unknown");
        assert!(catalogue.successor(provider, successor).is_none(), "{provider}/{successor} is itself retired");
        assert!(catalogue.model(provider, model).is_none(), "{provider}/{model} is retired and listed");
    }
}

#[test]
fn every_model_is_of_a_provider_and_agrees_with_itself() {
    let catalogue = Catalogue::built_in();
    for ((provider, model), facts) in &catalogue.models.served {
        let name = format!("{provider}/{model}");
        let known = catalogue.provider(provider).unwrap_or_else(|| panic!("nobody serves {name}"));
        assert_eq!(catalogue.listed_as(provider), provider, "{name}");
        assert!(facts.context_window != Some(0) && facts.understands.output_max != Some(0), "{name}");
        let lacks = Needs::from_bits(facts.understands.lacks);
        assert_eq!(facts.reasoning, !lacks.has(Needs::REASONING), "{name}: what cannot think cannot be asked to");
        assert_eq!(facts.reasoning, facts.understands.thinking != Thinking::None, "{name}");
        assert_eq!(lacks.has(Needs::IMAGE), lacks.has(Needs::IMAGE_URL), "{name}");
        if known.dialect == Dialect::Anthropic && facts.reasoning {
            assert_ne!(facts.understands.thinking, Thinking::Unknown, "{name}: two forms exclude each other");
        }
        let (dimensions, shortens) = (facts.understands.dimensions, facts.understands.shortens_from);
        assert!(dimensions != Some(0) && shortens.is_none_or(|own| dimensions == Some(own)), "{name}");
        let day = |day: &String| crate::time::days(day).is_some();
        assert!(facts.retires.as_ref().is_none_or(day), "{name}: {:?}", facts.retires);
    }
}

#[test]
fn no_member_is_passed_over_in_our_own_file() {
    // Files of other versions may hold more; in this one, more would be a word misspelt.
    let file: serde_json::Value = serde_json::from_str(include_str!("../../catalogue/models.json")).unwrap();
    let known = [
        "provider",
        "id",
        "context",
        "max_output",
        "in",
        "out",
        "cached_in",
        "cache_write",
        "reasoning",
        "thinking",
        "sampling",
        "lacks",
        "retires",
        "dims",
        "shortens",
    ];
    for row in file["models"].as_array().unwrap() {
        for name in row.as_object().unwrap().keys() {
            assert!(known.contains(&name.as_str()), "{name} in {row}");
        }
    }
    let rows = file["models"].as_array().unwrap().len();
    assert_eq!(rows, Catalogue::built_in().models.served.len(), "a model stands there twice");
}

#[test]
fn embeddings_have_lengths() {
    let catalogue = Catalogue::built_in();
    let lengths = |provider: &str, model: &str| {
        let understands = catalogue.model(provider, model).expect("it is listed").understands;
        (understands.dimensions, understands.shortens_from)
    };
    assert_eq!(lengths("openai", "text-embedding-3-small"), (Some(1536), Some(1536)));
    assert_eq!(lengths("azure", "text-embedding-3-large"), (Some(3072), Some(3072)));
    assert_eq!(lengths("google", "gemini-embedding-001"), (Some(3072), Some(3072)));
    assert_eq!(lengths("openai", "text-embedding-ada-002"), (Some(1536), None));
    assert_eq!(lengths("mistral", "mistral-embed"), (None, None), "its source does not say");
}

#[test]
fn facts_in_the_units_of_the_contract() {
    let catalogue = Catalogue::built_in();
    let facts = catalogue.model("openai", "gpt-4.1-2025-04-14").expect("it is listed");
    assert_eq!(facts.price, Some(policy::Price { input: 2_000_000, output: 8_000_000, cached: Some(500_000), cache_write: None }));
    assert_eq!((facts.cached, facts.cache_write), (Some(500_000), None));
    assert_eq!((facts.context_window, facts.understands.output_max), (Some(1_047_576), Some(32_768)));
    assert_eq!(catalogue.successor("gemini", "gemini-pro"), catalogue.successor("google", "gemini-pro"));
    assert_eq!(catalogue.model("zhipu", "glm-4.7-flash"), catalogue.model("zai", "glm-4.7-flash"));
    assert!(catalogue.model("openai", "no-such-model").is_none());
}

#[test]
fn how_models_are_told_to_think() {
    let catalogue = Catalogue::built_in();
    for (provider, model, thinking, sampling_fixed) in [
        ("anthropic", "claude-sonnet-4-5", Thinking::Budget, false),
        ("anthropic", "claude-opus-4-6", Thinking::Effort, false),
        ("anthropic", "claude-sonnet-5-5", Thinking::Effort, true),
        ("anthropic", "claude-3-haiku-20240307", Thinking::None, false),
        ("gemini", "gemini-2.5-flash", Thinking::Budget, false),
        ("google", "gemini-3.8-flash", Thinking::Effort, true),
        ("openai", "gpt-5.5", Thinking::Effort, true),
        ("openai", "gpt-4.1", Thinking::None, false),
        ("groq", "openai/gpt-oss-20b", Thinking::Unknown, false),
    ] {
        let understands = catalogue.model(provider, model).expect("it is listed").understands;
        assert_eq!((understands.thinking, understands.sampling_fixed), (thinking, sampling_fixed), "{provider}/{model}");
    }
}

#[test]
fn what_a_provider_lacks_none_of_its_models_has() {
    let catalogue = Catalogue::built_in();
    let lacks = |provider, model| Needs::from_bits(catalogue.facts(provider, model).understands.lacks);
    assert!(lacks("groq", "llama-3.3-70b-versatile").has(Needs::COUNT.and(Needs::IMAGE)));
    assert_eq!(lacks("groq", "unheard-of"), Needs::LOGPROBS.and(Needs::COUNT).and(Needs::LOGIT_BIAS));
    assert_eq!(lacks("my-own", "unheard-of"), Needs::NONE, "what is not known is taken for given");
}

#[test]
fn another_catalogue_is_read_or_its_mistake_named() {
    let row = |rest: &str| format!("{{\"models\": [{{\"provider\": \"p\", \"id\": \"m\", \"since\": 1{rest}}}]}}");
    assert!(Models::read(&row("")).unwrap().facts("p", "m").is_some(), "members of other versions are passed over");
    for (text, expected) in [
        (row(", \"lacks\": [\"imag\"]"), "`imag` is no word for the `lacks` of p/m"),
        (row(", \"thinking\": \"hard\""), "`hard` is no word for the `thinking` of p/m"),
        ("[]".to_owned(), "form of a catalogue"),
        ("{".to_owned(), "form of a catalogue"),
    ] {
        let error = Models::read(&text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
