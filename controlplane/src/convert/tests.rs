use super::*;
use crate::{complaint::Severity, plan::Plan};
use policy::Balance;

/// The policy, what it means, and the places of what could not be converted.
fn converted(from: &str, text: &str) -> (String, Plan, Vec<String>) {
    let (policy, notes) = policy(from, text).unwrap();
    let from = validate::tests::surroundings();
    let from = Surroundings { variable: Box::new(|name| Some(format!("secret of {name}"))), ..from };
    let loaded = load::text("converted.yaml", &policy);
    let checked = validate::validate(&loaded, &from);
    assert!(!checked.complaints.refuse(), "{}\n{policy}", checked.complaints.render(&loaded.sources));
    assert_eq!(checked.complaints.count(Severity::Note), 0, "nothing of it may be without effect\n{policy}");
    for (place, why) in &notes {
        assert!(policy.contains(&format!("#   {place}: {why}")), "{place} is not said in\n{policy}");
    }
    (policy, checked.plan, notes.into_iter().map(|(place, _)| place).collect())
}

/// The targets of a chain, step by step.
fn targets(plan: &Plan, chain: &str) -> Vec<Vec<(String, u32)>> {
    let step = |step: &crate::plan::Step| step.members.iter().map(|member| (member.target.clone(), member.weight)).collect();
    plan.chains[chain].steps.iter().map(step).collect()
}

fn one(target: &str) -> Vec<(String, u32)> {
    vec![(target.to_owned(), 1)]
}

#[test]
fn litellm_groups_fallbacks_times_and_keys() {
    let (policy, plan, notes) = converted("litellm", include_str!("../../tests/convert/litellm.yaml"));
    let group = vec![("azure/gpt-4o-eu".to_owned(), 2), ("openai/gpt-4o".to_owned(), 1)];
    let chain =
        [group.clone(), one("anthropic/claude-sonnet-4-5"), one("groq/llama-3.3-70b-versatile"), one("openai-at-10.0.0.7-8000/qwen3")];
    assert_eq!(targets(&plan, "gpt-4o"), chain, "{policy}");
    assert_eq!(targets(&plan, "gpt-4"), chain);
    assert_eq!(targets(&plan, "fast"), [one("groq/llama-3.3-70b-versatile"), group, one("openai-at-10.0.0.7-8000/qwen3")]);
    assert_eq!(plan.chains["gpt-4o"].steps[0].balance, Balance::PeakEwma);
    let azure = &plan.providers["azure"];
    assert_eq!((azure.origin.host.as_str(), azure.base_path.as_str()), ("acme-europe.openai.azure.com", "/openai/v1"));
    assert_eq!(azure.auth, policy::Auth::Header("api-key".to_owned()));
    assert_eq!(azure.keys[0].identity, "${AZURE_API_KEY_EU}");
    assert_eq!(plan.providers["openai-at-10.0.0.7-8000"].origin.host, "10.0.0.7");
    let chat = &plan.chains["gpt-4o"];
    assert_eq!((chat.attempts_max, chat.patience.deadline_ms, chat.breaker.consecutive, chat.breaker.cooldown_ms), (4, 60_000, 3, 30_000));
    assert_eq!(plan.tenants[0].name, "master");
    for secret in ["sk-a-key-that-stands", "sk-master-1234"] {
        assert!(!policy.contains(secret), "{policy}");
    }
    for place in [
        "model_list[2].litellm_params.temperature",
        "model_list[4].litellm_params.api_key",
        "model_list[5].litellm_params",
        "litellm_settings.context_window_fallbacks.fast",
        "litellm_settings.drop_params",
        "router_settings.redis_host",
        "general_settings.database_url",
    ] {
        assert!(notes.contains(&place.to_owned()), "{place} is not in {notes:?}");
    }
}

#[test]
fn portkey_strategies_within_strategies() {
    let (policy, plan, notes) = converted("portkey", include_str!("../../tests/convert/portkey-fallback.json"));
    let steps = targets(&plan, "production");
    assert_eq!(steps[0], [("openai/gpt-4o".to_owned(), 3), ("openai-backup/gpt-4o".to_owned(), 1)], "{policy}");
    assert_eq!(
        steps[1..],
        [one("groq-prod/llama-3.3-70b-versatile"), one("anthropic/claude-sonnet-4-5"), one("openai-at-127.0.0.1-8000/qwen3")]
    );
    let chain = &plan.chains["production"];
    assert_eq!((chain.attempts_max, chain.patience.deadline_ms), (4, 30_000));
    assert_eq!(plan.providers["groq-prod"].origin.host, "api.groq.com");
    assert_eq!(plan.providers["groq-prod"].keys[0].identity, "${GROQ_PROD_API_KEY}");
    let elsewhere = &plan.providers["openai-at-127.0.0.1-8000"];
    assert!(elsewhere.keys.is_empty(), "nobody's key is sent to an endpoint that it was not for");
    assert_eq!((elsewhere.origin.port, elsewhere.base_path.as_str(), &elsewhere.auth), (8000, "/v1", &policy::Auth::None));
    assert!(!policy.contains("sk-literal"), "{policy}");
    for place in [
        "strategy.on_status_codes",
        "retry.on_status_codes",
        "cache",
        "targets[0].targets[0].api_key",
        "targets[0].targets[0].override_params.max_tokens",
        "targets[0].targets[1].virtual_key",
        "targets[0].targets[2]",
        "targets[4].override_params.model",
    ] {
        assert!(notes.contains(&place.to_owned()), "{place} is not in {notes:?}");
    }
}

#[test]
fn portkey_conditions_are_routes() {
    let (policy, plan, notes) = converted("portkey", include_str!("../../tests/convert/portkey-conditional.json"));
    let routes: Vec<(&str, String)> = plan
        .routes
        .iter()
        .map(|route| (route.chain.as_str(), route.when.model.as_ref().map_or(String::new(), ToString::to_string)))
        .collect();
    assert_eq!(routes, [("smart-target", "smart".to_owned()), ("quick-target", "*".to_owned())], "{policy}");
    assert_eq!(targets(&plan, "smart-target"), [one("openai/gpt-4.1"), one("xai/grok-4.3")]);
    assert_eq!(notes, ["strategy.conditions[1]"]);
}

#[test]
fn bifrost_providers_keys_rules_and_tenants() {
    let (policy, plan, notes) = converted("bifrost", include_str!("../../tests/convert/bifrost.json"));
    let keys: Vec<(&str, u32)> = plan.providers["openai"].keys.iter().map(|key| (key.identity.as_str(), key.weight)).collect();
    assert_eq!(keys, [("${OPENAI_API_KEY}", 7), ("${OPENAI_API_KEY_2}", 3)], "{policy}");
    assert_eq!(plan.providers["openai"].headers, [("x-team".to_owned(), "search".to_owned())]);
    assert_eq!(plan.providers["openai"].in_flight_max, 1_000);
    let vllm = &plan.providers["our-vllm"];
    assert_eq!((vllm.origin.host.as_str(), vllm.base_path.as_str()), ("10.0.0.7", "/v1"));
    let steps = targets(&plan, "chat");
    assert_eq!(steps[0], [("openai/gpt-4o".to_owned(), 4), ("our-vllm/qwen3".to_owned(), 1)]);
    assert_eq!(steps[1..], [one("groq/llama-3.3-70b-versatile"), one("anthropic/claude-sonnet-4-5")]);
    let chain = &plan.chains["chat"];
    assert_eq!((chain.attempts_max, chain.patience.deadline_ms), (3, 60_000), "the longest of all providers holds");
    assert_eq!((chain.backoff.base_ms, chain.backoff.cap_ms), (100, 2_000));
    assert_eq!((plan.routes.len(), plan.routes[0].chain.as_str()), (1, "chat"));
    assert_eq!(plan.tenants[0].name, "team-a");
    assert!(!policy.contains("gsk-literal") && !policy.contains("sk-bf-team-a"), "{policy}");
    for place in [
        "client.drop_excess_requests",
        "providers.bedrock",
        "providers.groq.keys[0].value",
        "providers.openai.keys[1].models",
        "governance.routing_rules[1].cel_expression",
        "governance.virtual_keys[0].budget_id",
    ] {
        assert!(notes.contains(&place.to_owned()), "{place} is not in {notes:?}");
    }
}

#[test]
fn who_has_no_address_is_left_out_and_said() {
    let text = r#"{"providers": {"azure": {"keys": [{"value": "env.AZURE_KEY"}]}, "openai": {"keys": [{"value": "env.OPENAI_KEY"}]}},
        "governance": {"routing_rules": [{"name": "chat", "targets": [{"provider": "azure", "model": "x"}],
            "fallbacks": ["openai/gpt-4.1"]}]}}"#;
    let (policy, plan, notes) = converted("bifrost", text);
    assert!(!plan.providers.contains_key("azure"), "{policy}");
    assert!(notes.contains(&"provider `azure`".to_owned()), "{notes:?}");
    assert!(plan.chains.contains_key("openai/*"), "{policy}");
}

#[test]
fn under_another_name_a_provider_is_what_it_was() {
    let text =
        "model_list: [{model_name: a, litellm_params: {model: mistral/m, api_base: \"https://eu.mistral.test/v1\", api_key: os.environ/K}},
        {model_name: b, litellm_params: {model: openai/m, api_base: \"https://o.test/v1\", api_key: os.environ/K}}]";
    let (policy, plan, _) = converted("litellm", text);
    let known = Catalogue::built_in().provider("mistral").unwrap();
    let provider = &plan.providers["mistral-at-eu.mistral.test"];
    assert_eq!((provider.speaks, provider.quirks), (known.speaks, known.quirks), "{policy}");
    assert!(!policy.contains("speaks: [chat, responses]"), "what goes without saying is not said\n{policy}");
}

#[test]
fn a_tenant_keeps_the_key_that_it_has() {
    let TenantKey::Digest(found) = tenant_key("sk-master-1234", "os.environ/") else { panic!("a literal is digested") };
    let expected: String = sha2::Sha256::digest(b"sk-master-1234").iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(found, expected);
    assert_eq!(tenant_key("os.environ/KEY", "os.environ/"), TenantKey::Reference("${KEY}".to_owned()));
}

#[test]
fn no_key_is_taken_for_another() {
    let entry = |name: &str, model: &str, rest: &str| format!("  - {{model_name: {name}, litellm_params: {{model: {model}, {rest}}}}}\n");
    let text = "model_list:\n".to_owned()
        + &entry("a", "openai/m", "api_key: sk-one")
        + &entry("b", "openai/m", "api_key: sk-two")
        + &entry("c", "openai/n", "api_key: sk-one")
        + &entry("d", "openai/m", "api_key: os.environ/OPENAI_API_KEY")
        + &entry("e", "openai/m", "api_key: sk-three, api_base: \"http://10.0.0.7/v1\"")
        + &entry("f", "openai/m", "api_base: \"http://10.0.0.8/v1\"");
    let (policy, plan, _) = converted("litellm", &text);
    let key = |chain: &str| {
        let target = &plan.chains[chain].steps[0].members[0].target;
        let keys = &plan.providers[&plan.targets[target].provider].keys;
        keys.iter().map(|key| key.identity.clone()).collect::<Vec<_>>()
    };
    assert_eq!(key("a"), ["${OPENAI_API_KEY_2}"], "{policy}");
    assert_eq!(key("b"), ["${OPENAI_API_KEY_3}"]);
    assert_eq!(key("c"), key("a"));
    assert_eq!(key("d"), ["${OPENAI_API_KEY}"]);
    assert_eq!(key("e"), ["${OPENAI_AT_10_0_0_7_API_KEY}"]);
    assert_eq!(key("f"), [""; 0]);
}

#[test]
fn shares_are_whole_and_in_proportion() {
    for (weights, expected) in [
        (&[0.5, 0.5][..], &[1, 1][..]),
        (&[0.7, 0.3], &[7, 3]),
        (&[3.0, 1.0], &[3, 1]),
        (&[1.0], &[1]),
        (&[600.0, 300.0], &[2, 1]),
        (&[0.0001, 1.0], &[1, 100]),
    ] {
        assert_eq!(sketch::shares(weights), expected, "{weights:?}");
    }
}

#[test]
fn a_file_without_measure_is_bounded() {
    let entry = |n: usize| format!("{{model_name: m{n}, litellm_params: {{model: openai/m, api_key: sk-{n}, odd{n}: 1}}}}");
    let entries: Vec<String> = (0..3_000).map(entry).collect();
    let text = format!("model_list: [{}]", entries.join(", "));
    let (policy, notes) = policy("litellm", &text).unwrap();
    assert!(notes.len() <= 1_001 && notes.last().unwrap().0 == "the rest", "{}", notes.len());
    assert!(policy.lines().count() < 30_000);
}

#[test]
fn what_is_no_configuration_is_said() {
    for from in ["litellm", "portkey", "bifrost"] {
        for text in ["", "[]", "- a\n- b\n", "{\"a\": [", "x: 1\n"] {
            assert!(policy(from, text).is_err(), "{from} of {text:?}");
        }
        // Anything of the wrong kind is passed over, and nothing panics.
        for name in [
            "model_list",
            "targets",
            "providers",
            "strategy",
            "governance",
            "router_settings",
            "litellm_settings",
            "general_settings",
            "client",
        ] {
            for value in ["1", "\"x\"", "[1, {}, [], null]", "{\"x\": [1], \"fallbacks\": [[1]], \"keys\": 7}", "null"] {
                assert!(policy(from, &format!("{{\"{name}\": {value}}}")).is_err(), "{name}: {value}");
            }
        }
    }
    assert!(policy("haproxy", "{}").unwrap_err().contains("litellm, portkey or bifrost"));
}
