use super::*;
use codec::dialect::Quirks;
use std::io;

/// Files and variables of every test.
pub(crate) fn surroundings() -> Surroundings {
    Surroundings {
        variable: Box::new(|name| name.ends_with("_KEY").then(|| format!("secret of {name}"))),
        file: Box::new(|path| match path.to_str() {
            Some("/ca.pem") => Ok(b"-----BEGIN CERTIFICATE-----\n".to_vec()),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        }),
        today: "2026-11-20".to_owned(),
    }
}

fn nothing_set() -> Surroundings {
    Surroundings { variable: Box::new(|_| None), ..surroundings() }
}

fn check(text: &str, from: &Surroundings) -> (Checked, String) {
    let loaded = load::text("p.yaml", text);
    let checked = validate(&loaded, from);
    let rendered = checked.complaints.render(&loaded.sources);
    (checked, rendered)
}

const CHAIN: &str = "fallback: {chains: [{name: c, models: [{provider: openai, model: gpt-4o}]}]}\n";

/// The errors of a policy, word for word.
fn refuses(text: &str, expected: &str) {
    let (checked, rendered) = check(text, &surroundings());
    assert!(checked.complaints.refuse(), "{text}");
    assert_eq!(rendered, expected, "\n{rendered}");
}

#[test]
fn every_mistake_at_once() {
    refuses(
        "gatway: {}
defaults: {ttft: 5}
fallback:
  chains:
    - name: c
      models: [{provider: openai, model: gpt-4o}, {provider: antropic, model: y}, {model: gtp}]
      triggers:
        - type: rate_limt
        - type: latency
          threshhold_ms: 5000
routes:
  - {when: {tenant: x}, chain: d}
",
        "error: unknown key `gatway` in the policy
 --> p.yaml:1:1
1 | gatway: {}
  | ^^^^^^ did you mean `gateway`?
error: a duration needs its unit
 --> p.yaml:2:18   (defaults.ttft)
2 | defaults: {ttft: 5}
  |                  ^ say which unit: `5ms` or `5s`
error: unknown provider `antropic`
 --> p.yaml:6:62
6 |       models: [{provider: openai, model: gpt-4o}, {provider: antropic, model: y}, {model: gtp}]
  |                                                              ^^^^^^^^ did you mean `anthropic`?
error: `gtp` is no name from `models`
 --> p.yaml:6:91
6 |       models: [{provider: openai, model: gpt-4o}, {provider: antropic, model: y}, {model: gtp}]
  |                                                                                           ^^^ add its `provider`, or declare it under `models`
error: unknown word `rate_limt`
 --> p.yaml:8:17   (fallback.chains[0].triggers[0].type)
8 |         - type: rate_limt
  |                 ^^^^^^^^^ did you mean `rate_limit`?
error: unknown key `threshhold_ms` in a trigger
  --> p.yaml:10:11   (fallback.chains[0].triggers[1])
10 |           threshhold_ms: 5000
   |           ^^^^^^^^^^^^^ did you mean `threshold_ms`?
error: there is no tenant `x`
  --> p.yaml:12:21
12 |   - {when: {tenant: x}, chain: d}
   |                     ^ declare it under `tenants`
note: has no effect yet: `latency` without `threshold_ms` leaves it to `ttft`
 --> p.yaml:9:11
9 |         - type: latency
  |           ^
",
    );
}

#[test]
fn a_public_address_needs_tenants() {
    refuses(
        &format!("gateway:\n  listen: \"0.0.0.0:8080\"\n{CHAIN}"),
        "error: 0.0.0.0:8080 can be reached by others, and no tenants are declared
 --> p.yaml:2:11   (gateway.listen)
2 |   listen: \"0.0.0.0:8080\"
  |           ^^^^^^^^^^^^^^ declare `tenants`, or listen on 127.0.0.1
",
    );
}

#[test]
fn an_explicit_reference_that_is_unset_names_its_field() {
    refuses(
        &format!("providers:\n  openai:\n    keys: [\"${{NOT_THERE}}\"]\n{CHAIN}"),
        "error: the environment variable NOT_THERE is not set
 --> p.yaml:3:12   (providers.openai.keys[0])
3 |     keys: [\"${NOT_THERE}\"]
  |            ^^^^^^^^^^^^^^ set it where the daemon runs
",
    );
}

#[test]
fn the_smallest_file_loads_with_one_key() {
    let text = include_str!("../../examples/smallest.yaml");
    let (checked, rendered) = check(text, &surroundings());
    assert!(!checked.complaints.refuse(), "{rendered}");
    assert!(rendered.contains("`gpt-4-turbo` is no longer served: `gpt-4.1` is asked in its place"), "{rendered}");
    let names: Vec<&str> = checked.plan.names.keys().map(String::as_str).collect();
    for name in ["premium-reasoning", "fast-chat", "gpt-4-turbo", "openai/gpt-4-turbo", "openai/gpt-4.1", "openai/*", "anthropic/*"] {
        assert!(names.contains(&name), "{name} of {names:?}");
    }
    let chain = &checked.plan.chains["premium-reasoning"];
    assert_eq!(
        (chain.steps.len(), chain.attempts_max, chain.triggers.latency_ms, chain.triggers.error_permille),
        (3, 3, Some(5_000), Some(50))
    );
}

#[test]
fn the_smallest_file_without_a_key_names_the_variable() {
    let (checked, rendered) = check(include_str!("../../examples/smallest.yaml"), &nothing_set());
    assert!(checked.complaints.refuse());
    let expected = "error: chain `fast-chat` has no target left (openai/gpt-4o-mini: OPENAI_API_KEY is not set; \
                    anthropic/claude-haiku-4-5: ANTHROPIC_API_KEY is not set)";
    assert!(rendered.contains(expected), "{rendered}");
}

#[test]
fn every_dialect_is_spoken() {
    let (checked, rendered) = check(include_str!("../../examples/smallest.yaml"), &surroundings());
    for (provider, dialect) in
        [("openai", policy::Dialect::OpenAi), ("anthropic", policy::Dialect::Anthropic), ("google", policy::Dialect::Gemini)]
    {
        let planned = &checked.plan.providers[provider];
        assert_eq!((planned.dialect, &planned.disabled, planned.speaks), (dialect, &None, dialect.speaks()), "{rendered}");
    }
    // Nothing is warned of but names that are no longer served.
    assert_eq!(checked.complaints.count(Severity::Warning), rendered.matches("is no longer served: ").count(), "{rendered}");
    // Without its key, whoever else speaks goes on.
    let one = Surroundings { variable: Box::new(|name| (name == "OPENAI_API_KEY").then(|| "k".to_owned())), ..surroundings() };
    let (checked, rendered) = check(include_str!("../../examples/smallest.yaml"), &one);
    assert!(!checked.complaints.refuse(), "{rendered}");
    assert!(rendered.contains("warning: ANTHROPIC_API_KEY is not set, so `anthropic` is never asked"), "{rendered}");
}

#[test]
fn what_must_not_be_there() {
    let table = [
        ("providers: {m: {}}", "the catalogue does not know `m`, so it needs an `endpoint`"),
        ("providers: {m: {endpoint: \"http://x\", quirks: [max_token]}}", "did you mean `max_tokens`?"),
        ("providers: {m: {endpoint: \"http://x\", speaks: [chatt]}}", "did you mean `chat`?"),
        ("providers: {m: {endpoint: \"http://x\", speaks: []}}", "a provider understands something"),
        ("providers: {anthropic: {speaks: [chat]}}", "`speaks` is of the openai dialect, and this provider's is anthropic"),
        ("providers: {azure: {}}", "declare it under `providers` with its own: `endpoint: https://RESOURCE.openai.azure.com/openai/v1`"),
        ("providers: {azure: {endpoint: \"https://x.openai.azure.com/openai/deployments/d\"}}", "classic paths, which name a deployment"),
        (
            "providers: {azure: {endpoint: \"https://x.openai.azure.com/openai/deployments/{model}/?version=1\"}}",
            "end it with one: `https://x.openai.azure.com/openai/deployments/{model}/?api-version=2024-10-21`",
        ),
        ("providers: {m: {endpoint: \"https://x/{modell}\"}}", "a brace that is not of `{model}`"),
        ("providers: {m: {endpoint: \"https://x/v1?m={model}\"}}", "may stand in its path, and not in its query"),
        ("providers: {m: {endpoint: \"https://x/v1?\"}}", "nothing stands behind its question mark"),
        ("providers: {m: {endpoint: \"https://x/v1?a=b?c\"}}", "what may not stand there"),
        ("providers: {m: {endpoint: \"https://x/v1#a\"}}", "what may not stand there"),
        ("providers: {m: {endpoint: \"https://x/v1?a=b&Api_Key=c\"}}", "a credential does not belong here"),
        ("providers: {m: {endpoint: \"https://x{model}/v1\"}}", "its host is none"),
        ("fallback: {chains: [{name: c, models: [{provider: azure, model: m}]}]}", "`azure` has no address that holds for everybody"),
        ("providers: {m: {endpoint: \"ftp://x\"}}", "it begins with neither https:// nor http://"),
        ("providers: {m: {endpoint: \"https://u:p@x\"}}", "a credential does not belong here"),
        ("providers: {m: {endpoint: \"http://x:0\"}}", "its port is none"),
        ("providers: {m: {endpoint: \"http://x\", headers: {\"a b\": c}}}", "may not stand in a request's head"),
        ("providers: {m: {endpoint: \"http://x\", headers: {host: c}}}", "written by the gateway itself"),
        ("providers: {m: {endpoint: \"http://x\", headers: {a: \"${A_KEY}\"}}}", "a reference has no effect here"),
        ("providers: {m: {endpoint: \"http://x\", connections: {warm: 1000}}}", "warm must be within 1 and 256"),
        ("providers: {m: {endpoint: \"http://x\", connections: {warm: 0}}}", "one connection at least is kept ready"),
        ("providers: {m: {endpoint: \"http://x\", auth: bearer}}", "there is no credential to present"),
        ("providers: {m: {endpoint: \"http://x\", auth: {header: \"a b\"}, keys: [\"${A_KEY}\"]}}", "may not be the name of a field"),
        ("providers: {m: {endpoint: \"https://x\", server_name: \"a b\"}}", "`a b` is no host name"),
        ("models: {\"a/*\": {deployments: [{provider: openai, model: m}]}}", "and no `*`"),
        ("version: 2", "only version 1"),
        ("defaults: {max_body: 64MiB, body_memory: 32MiB}", "less than one body"),
        ("tenants: [{name: a, keys: [{sha256: zz}]}]", "this is no SHA-256"),
        ("tenants: [{name: a, keys: []}, {name: a, keys: []}]", "two tenants named `a`"),
        ("routes: [{chain: cc}]", "there is no chain `cc`"),
        ("routes: [{when: {model: \"a*b*\"}, chain: c}]", "one `*` in a pattern"),
        ("providers: {openai: {keys: [{key: \"${A_KEY}\", rpm: 0}]}}", "rpm must be within 1"),
        ("providers: {openai: {keys: [{key: \"${A_KEY}\", tpm: 2000000000000}]}}", "tpm must be within 1"),
        ("gateway: {shards: 0}", "`shards` is a number from 1 to 1024"),
        ("gateway: {access_log: logs}", "an absolute path"),
        ("gateway: {tls: {certificate: /none}}", "`tls` needs `key`"),
        ("models: {m: {deployments: []}}", "has no deployments"),
        ("", "the policy is empty"),
        ("[]", "a mapping is wanted here, and this is a list"),
        ("fallback: {chains: [{name: c, models: []}]}", "has no models"),
        ("fallback: {chains: [{name: c, models: [{provider: openai}]}]}", "which model of this provider?"),
        ("fallback: {chains: [{name: c, models: [{model: c}]}]}", "names itself"),
        ("fallback: {chains: [{name: c, models: [{provider: openai, model: m}], retry: {max_attempts: 17}}]}", "within 1 and 16"),
        ("fallback: {chains: [{name: c, models: [{template: t}]}]}", "chain `c` has no models"),
        ("fallback: {chains: [{name: c, models: [{provider: openai, model: m}, {template: t}, {template: u}]}]}", "one template already"),
        ("fallback: {chains: [{name: c, models: [{provider: openai, model: m}, {template: \"\"}]}]}", "this one has 0"),
        ("fallback: {chains: [{name: c, models: [{provider: openai, model: m}], compact: {keep_turns: 0}}]}", "keep_turns must be within"),
        ("fallback: {chains: [{name: c, models: [{earlier: 1h}]}]}", "chain `c` has no models"),
        ("fallback: {chains: [{name: c, models: [{provider: openai, model: m}, {earlier: 1h}, {earlier: 2h}]}]}", "one `earlier` already"),
        ("fallback: {chains: [{name: c, models: [{provider: openai, model: m, earlier: 1h}]}]}", "is an entry of its own"),
        ("fallback: {chains: [{name: c, models: [{provider: openai, model: m}, {earlier: 31d}]}]}", "earlier must be within"),
        ("fallback: {chains: [{name: c, models: [{provider: openai, model: m, after: [content_filter]}]}]}", "none can fail first"),
        ("fallback: {chains: [{name: c, models: [{provider: openai, model: m, after: [latency]}]}]}", "only a class of failures"),
        ("fallback: {chains: [{name: c, models: [{provider: openai, model: m, after: []}]}]}", "names no failure"),
        ("fallback: {chains: [{name: c, models: [{provider: openai, model: m}], max_price: {}}]}", "says no price"),
        (
            "fallback: {chains: [{name: c, models: [{provider: openai, model: m}], triggers: [{type: empty, action: template}]}]}",
            "has no template",
        ),
        (
            "fallback: {chains: [{name: c, models: [{provider: openai, model: m}], triggers: [{type: latency, action: next}]}]}",
            "belong to a class",
        ),
        (
            "fallback: {chains: [{name: c, models: [{provider: openai, model: m}], hedge: {after: p100}}]}",
            "neither a duration nor a percentile",
        ),
        (
            "fallback: {chains: [{name: c, models: [{provider: openai, model: m}], hedge: {after: soon}}]}",
            "neither a duration nor a percentile",
        ),
        ("fallback: {chains: [{name: c, models: [{provider: openai, model: m}], hedge: {budget: 0%}}]}", "with a budget of nothing"),
        ("fallback: {chains: [{name: c, models: [{provider: openai, model: m}], retry: {base: 9s, cap: 1s}}]}", "`base` is above `cap`"),
        (
            "fallback: {chains: [{name: c, models: [{provider: openai, model: m}], triggers: [{type: timeout, threshold: 0.1}]}]}",
            "belongs to `type: error_rate`",
        ),
    ];
    for (text, expected) in table {
        let whole = if text.contains("fallback") || text.is_empty() || text == "[]" { text.to_owned() } else { format!("{text}\n{CHAIN}") };
        let (checked, rendered) = check(&whole, &surroundings());
        assert!(checked.complaints.refuse(), "{text}\n{rendered}");
        assert!(rendered.contains(expected), "{text}\n{rendered}");
    }
}

#[test]
fn what_is_doubtful_or_has_no_effect_is_said() {
    let table = [
        ("providers: {openai: {keys: [sk-literal]}}", "a secret stands in the policy itself"),
        (
            "tenants: [{name: a, keys: [{key: \"${A_KEY}\"}], budget: {usd: 1}}]",
            "the budget of `a` counts nothing of what it asks of `openai/*`",
        ),
        ("routes: [{chain: c}, {chain: c}]", "this route is never reached"),
        (
            "fallback: {chains: [{name: c, models: [{provider: openai, model: unheard-of}], compact: {}}]}",
            "how much one of these models can read",
        ),
        (
            "fallback: {chains: [{name: c, models: [{provider: openai, model: m}, {earlier: 1h, priority: 1}]}]}",
            "an earlier answer comes after every model",
        ),
        (
            "fallback: {chains: [{name: c, models: [{provider: openai, model: m}, {template: t, priority: 1}]}]}",
            "a template comes after everything else",
        ),
        (
            "fallback: {chains: [{name: c, models: [{provider: openai, model: m}], triggers: [{type: all, enabled: false}]}]}",
            "never falls back",
        ),
        (
            "fallback: {chains: [{name: c, models: [{provider: openai, model: m}, {provider: openai, model: n}], retry: {max_attempts: 1}}]}",
            "the last 1 of 2 models may never be asked",
        ),
        (
            "fallback: {chains: [{name: c, models: [{provider: openai, model: m}]}, {name: d, models: [{provider: openai, model: m}]}]}",
            "`c` answers for its name, not `d`",
        ),
        ("fallback: {chains: [{name: c, models: [{provider: openai, model: o3-mini-2025-01-31}]}]}", "no longer served since 2026-10-23"),
    ];
    for (text, expected) in table {
        let whole = if text.contains("fallback") { text.to_owned() } else { format!("{text}\n{CHAIN}") };
        let (checked, rendered) = check(&whole, &surroundings());
        assert!(!checked.complaints.refuse(), "{text}\n{rendered}");
        assert!(rendered.contains(expected), "{text}\n{rendered}");
    }
}

#[test]
fn what_a_provider_speaks_and_does_differently() {
    let (checked, rendered) = check(
        "providers:
  mistral: {}
  own: {endpoint: \"http://127.0.0.1:9/v1\", speaks: [chat], quirks: [max_tokens, system_role]}
  plain: {endpoint: \"http://127.0.0.1:8/v1\"}
  groq: {quirks: []}
  deepseek: {dialect: anthropic, endpoint: \"https://api.deepseek.com/anthropic\"}
  azure: {endpoint: \"https://acme.openai.azure.com/openai/v1\"}
  classic: {endpoint: \"https://acme.openai.azure.com/openai/deployments/{model}/?api-version=2024-10-21\"}
fallback: {chains: [{name: c, models: [{provider: perplexity, model: m}, {provider: mistral, model: m}]}]}",
        &surroundings(),
    );
    assert!(!checked.complaints.refuse(), "{rendered}");
    let of = |name: &str| (checked.plan.providers[name].speaks, checked.plan.providers[name].quirks);
    let (chat, responses) = (policy::Speaks::CHAT, policy::Speaks::RESPONSES);
    assert_eq!(of("mistral").0, chat);
    assert!(of("mistral").1.has(Quirks::RANDOM_SEED.and(Quirks::SHORT_IDS)));
    assert_eq!(of("own"), (chat, Quirks::MAX_TOKENS.and(Quirks::SYSTEM_ROLE)));
    assert_eq!(of("plain"), (chat.and(responses), Quirks::NONE));
    assert_eq!(of("groq"), (chat.and(responses), Quirks::NONE), "what the policy says goes before the catalogue");
    assert_eq!(of("perplexity"), (responses, Quirks::NONE));
    // In another dialect, nothing of what is known holds.
    assert_eq!(of("deepseek"), (policy::Speaks::ANTHROPIC, Quirks::NONE));
    assert_eq!((of("azure").0, of("classic").0), (chat.and(responses), chat), "no `responses` stands below a deployment");
    assert_eq!(checked.plan.providers["classic"].base_path, "/openai/deployments/{model}?api-version=2024-10-21");
    assert_eq!(checked.plan.providers["azure"].auth, policy::Auth::Header("api-key".to_owned()));
}

#[test]
fn no_bytes_make_it_panic() {
    // Every prefix of a policy, and every policy with one character changed, is judged.
    let text = include_str!("../../examples/whole.yaml");
    let marks: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    for at in marks.iter().step_by(23) {
        check(&text[..*at], &surroundings());
        let mut other = text.to_owned();
        other.replace_range(*at..*at + 1, ":");
        check(&other, &surroundings());
    }
}

#[test]
fn priorities_order_and_prices_order() {
    let (checked, rendered) = check(
        "models: {m: {balance: cheapest, deployments: [{provider: openai, model: gpt-4.1}, {provider: openai, model: gpt-4.1-mini}]}}
fallback: {chains: [{name: c, models: [{provider: openai, model: z}, {provider: openai, model: b, priority: 2}, {provider: openai, model: a, priority: 1}]}]}",
        &surroundings(),
    );
    let order = |name: &str| -> Vec<String> { checked.plan.chains[name].steps.iter().map(|step| step.members[0].target.clone()).collect() };
    assert_eq!(order("c"), ["openai/a", "openai/b", "openai/z"], "{rendered}");
    assert_eq!(order("m"), ["openai/gpt-4.1-mini", "openai/gpt-4.1"]);
    assert_eq!(checked.plan.names["a"].0, "c");
}

#[test]
fn slow_answers_open_breakers_where_the_policy_says_so() {
    let (checked, rendered) = check(
        "defaults: {breaker: {slow: {over: 8s}}}
fallback: {chains: [{name: c, models: [{provider: openai, model: m}], breaker: {slow: {over: 5s, rate: 60%}}}, {name: d, models: [{provider: openai, model: n}]}]}",
        &surroundings(),
    );
    let slow = |name: &str| (checked.plan.chains[name].breaker.slow_ms, checked.plan.chains[name].breaker.slow_permille);
    assert_eq!((slow("c"), slow("d")), ((5_000, 600), (8_000, 800)), "{rendered}");
    assert!(!rendered.contains("no effect"), "{rendered}");
    let (checked, rendered) = check(
        "fallback: {chains: [{name: c, models: [{provider: openai, model: m}], breaker: {slow: {over: 5s, rate: 0}}}]}",
        &surroundings(),
    );
    assert!(checked.complaints.refuse() && rendered.contains("rate must be within"), "{rendered}");
}

#[test]
fn a_provider_is_asked_again_so_often() {
    let of = |text: &str| {
        let text =
            format!("providers: {{openai: {{{text}}}}}\nfallback: {{chains: [{{name: c, models: [{{provider: openai, model: m}}]}}]}}");
        let (checked, rendered) = check(&text, &surroundings());
        (checked.plan.providers.get("openai").map(|provider| provider.retries), rendered)
    };
    let retries = |share_permille, per_second| Some(policy::Retries { share_permille, per_second });
    assert_eq!(of("in_flight: 5").0, retries(200, 10));
    assert_eq!(of("retries: {share: 5%, per_second: 3}").0, retries(50, 3));
    assert_eq!(of("retries: {share: 0}").0, retries(0, 10));
    assert!(of("retries: {per_second: 0}").1.contains("per_second must be within"));
}

#[test]
fn a_standby_has_a_share_and_somebody_to_have_it() {
    let of = |models: &str, text: &str| {
        let text = format!("providers: {{openai: {{}}}}\nfallback: {{chains: [{{name: c, models: [{models}], {text}}}]}}");
        let (checked, rendered) = check(&text, &surroundings());
        (checked.plan.chains.get("c").map(|chain| chain.standby_permille), rendered)
    };
    let (one, two) = ("{provider: openai, model: m}", "{provider: openai, model: m}, {provider: openai, model: n}");
    assert_eq!(of(two, "standby: 5%").0, Some(50));
    assert_eq!(of(two, "stream_reasoning: true").0, Some(0));
    assert!(of(two, "standby: 51%").1.contains("standby must be within 0"));
    assert!(!of(two, "standby: 5%").1.contains("has no effect"));
    assert!(of(one, "standby: 5%").1.contains("has no effect yet"));
    let reserved = "{provider: openai, model: m}, {provider: openai, model: n, after: [content_filter]}";
    assert!(of(reserved, "standby: 5%").1.contains("has no effect yet"));
}

#[test]
fn how_many_attempts_a_model_takes_is_learned_or_fixed() {
    let of = |text: &str| {
        let text =
            format!("providers: {{openai: {{{text}}}}}\nfallback: {{chains: [{{name: c, models: [{{provider: openai, model: m}}]}}]}}");
        let (checked, rendered) = check(&text, &surroundings());
        (checked.plan.providers.get("openai").map(|provider| provider.concurrency), rendered)
    };
    assert_eq!(of("in_flight: 5").0, Some(policy::Concurrency::Adaptive));
    assert_eq!(of("concurrency: adaptive").0, Some(policy::Concurrency::Adaptive));
    assert_eq!(of("concurrency: fixed").0, Some(policy::Concurrency::Fixed));
    assert!(of("concurrency: fixd").1.contains("fixed"));
}

#[test]
fn the_load_comes_back_by_and_by_unless_the_policy_says_otherwise() {
    let (checked, rendered) = check(
        "defaults: {breaker: {slow_start: 5s}}
fallback: {chains: [{name: c, models: [{provider: openai, model: m}], breaker: {slow_start: 0s}}, {name: d, models: [{provider: openai, model: n}]}]}",
        &surroundings(),
    );
    let slow_start = |name: &str| checked.plan.chains[name].breaker.slow_start_ms;
    assert_eq!((slow_start("c"), slow_start("d")), (0, 5_000), "{rendered}");
    assert_eq!(policy::Breaker::default().slow_start_ms, 30_000);
}

#[test]
fn who_sums_up_is_a_chain_of_its_own() {
    let text = "models:
  small: {deployments: [{provider: openai, model: gpt-4o-mini}]}
fallback:
  chains:
    - {name: c, models: [{provider: openai, model: gpt-4o}], compact: {summarise: {provider: openai, model: gpt-4.1-mini}}}
    - {name: d, models: [{provider: openai, model: gpt-4o}], compact: {keep_turns: 2, summarise: {model: small}}}
    - {name: e, models: [{provider: openai, model: gpt-4o}], compact: {}}
";
    let (checked, rendered) = check(text, &surroundings());
    assert!(!checked.complaints.refuse(), "{rendered}");
    let plan = &checked.plan;
    let summary = |chain: &str| plan.chains[chain].compact.as_ref().unwrap().summary.as_deref();
    assert_eq!((summary("c"), summary("d"), summary("e")), (Some("openai/gpt-4.1-mini"), Some("small"), None));
    let draft = crate::compile::compile(plan, &crate::compile::Previous::default(), 1).unwrap().draft;
    let chain = |name: &str| draft.chains.iter().find(|(_, chain)| chain.name == name).unwrap();
    assert_eq!(chain("c").1.compact.unwrap().summary, Some(chain("openai/gpt-4.1-mini").0));
    assert_eq!(chain("d").1.compact, Some(policy::chain::Compact { keep_turns: 2, summary: Some(chain("small").0) }));
}

#[test]
fn another_key_and_the_next_model_may_follow_a_failure() {
    let of = |keys: &str, models: &str, action: &str| {
        let text = format!(
            "providers: {{openai: {{keys: [{keys}]}}}}
fallback: {{chains: [{{name: c, models: [{models}], triggers: [{{type: empty, action: next}}, {{type: empty, action: {action}}}]}}]}}"
        );
        let (checked, rendered) = check(&text, &surroundings());
        let triggers = checked.plan.chains.get("c").map(|chain| chain.triggers.clone()).unwrap_or_default();
        let has = |set: policy::ClassSet| set.contains(policy::Class::Empty);
        ((has(triggers.next), has(triggers.next_key), has(triggers.next_model)), rendered)
    };
    let (one, two) = ("{provider: openai, model: m}", "{provider: openai, model: m}, {provider: openai, model: n}");
    let (key, keys) = ("\"${OPENAI_API_KEY}\"", "\"${OPENAI_API_KEY}\", \"${ACME_TENANT_KEY}\"");
    // The last word counts.
    let (sets, rendered) = of(keys, one, "next_key");
    assert!(sets == (false, true, false) && !rendered.contains("no effect"), "{rendered}");
    let (sets, rendered) = of(key, two, "next_model");
    assert!(sets == (false, false, true) && !rendered.contains("no effect"), "{rendered}");
    assert!(of(key, two, "next_key").1.contains("no provider of this chain has several keys"));
    assert!(of(key, one, "next_model").1.contains("no later model is asked as its turn comes"));
    assert!(of(key, one, "next_modell").1.contains("next_model"));
}

#[test]
fn sessions_stay_over_the_models_of_a_chain() {
    let of = |chain: &str, balance: &str| {
        let text = format!(
            "models: {{m: {{balance: {balance}, affinity: {{by: user, after_failure: stay}}, deployments: [{{provider: openai, model: gpt-4.1}}, {{provider: openai, model: gpt-4.1-mini}}]}}}}
fallback: {{chains: [{{name: c, models: [{{model: m}}, {{provider: openai, model: z}}]{chain}}}]}}"
        );
        let (checked, rendered) = check(&text, &surroundings());
        let affinity = |name: &str| checked.plan.chains[name].affinity.map(|affinity| (affinity.by, affinity.stays));
        (affinity("c"), affinity("m"), rendered)
    };
    let (by, stay) = (policy::chain::By::User, ", affinity: {by: user, after_failure: stay}");
    let (chain, model, rendered) = of(stay, "weighted");
    assert!(chain == Some((by, true)) && model.is_none() && !rendered.contains("affinity"), "{rendered}");
    assert_eq!(of(", affinity: {by: user}", "weighted").0, Some((by, false)));
    assert_eq!(of("", "weighted").0, None);
    // The cheapest first is an order too, and sessions stay over it.
    let (chain, model, rendered) = of(stay, "cheapest");
    assert!(chain == Some((by, true)) && model == Some((by, true)) && !rendered.contains("affinity"), "{rendered}");
    let (chain, _, rendered) = of("", "cheapest");
    assert!(chain.is_none() && rendered.contains("`affinity` of `m` has no effect in this chain"), "{rendered}");
    let (_, _, rendered) = of(", affinity: {by: session}", "weighted");
    assert!(rendered.contains("tells sessions by `user`: here they are told by `session`"), "{rendered}");
    assert!(of(", affinity: {by: sesion}", "weighted").2.contains("session"));
    let (_, rendered) =
        check("fallback: {chains: [{name: c, models: [{provider: openai, model: m}], affinity: {by: user}}]}", &surroundings());
    assert!(rendered.contains("there is one model"), "{rendered}");
}

#[test]
fn who_cannot_sum_up_is_complained_about() {
    let table = [
        ("{provider: openai}", true, "`model`"),
        ("{model: gpt-4o-mini}", true, "is no name from `models`"),
        ("{provider: opanai, model: m}", true, "did you mean `openai`?"),
        ("{provider: openai, model: text-embedding-3-small}", true, "makes vectors, and cannot sum up"),
        ("{provider: openai, model: s, context_window: 2000}", true, "can read 2000 tokens, of which a summary alone may take 1024"),
        (
            "{provider: openai, model: unheard-of}",
            false,
            "nobody knows how much `openai/unheard-of` can read: it is given 8192 tokens at most",
        ),
        (
            "{provider: mistral, model: mistral-small-latest}",
            false,
            "`mistral/mistral-small-latest` never sums up: MISTRAL_API_KEY is not set",
        ),
    ];
    let openai_alone =
        Surroundings { variable: Box::new(|name| (name == "OPENAI_API_KEY").then(|| "a secret".to_owned())), ..surroundings() };
    for (summarise, refused, expected) in table {
        let chain = format!("{{name: c, models: [{{provider: openai, model: gpt-4o}}], compact: {{summarise: {summarise}}}}}");
        let (checked, rendered) = check(&format!("fallback: {{chains: [{chain}]}}"), &openai_alone);
        assert_eq!(checked.complaints.refuse(), refused, "{summarise}\n{rendered}");
        assert!(rendered.contains(expected), "{summarise}\n{rendered}");
    }
}
