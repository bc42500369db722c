use crate::{
    load,
    validate::{self, Checked},
};
use policy::{
    Check,
    health::{Bound, Expected, Gather, Rule, What},
};

fn check(provider: &str) -> (Checked, String) {
    let text = format!(
        "providers:\n  own: {{endpoint: \"http://127.0.0.1:1/v1\", {provider}}}\n  claude: {{endpoint: \"http://127.0.0.1:2\", dialect: anthropic, \
         auth: none}}\nmodels:\n  m: {{deployments: [{{provider: own, model: m}}, {{provider: claude, model: c}}]}}\n"
    );
    let loaded = load::text("p.yaml", &text);
    let checked = validate::validate(&loaded, &validate::tests::surroundings());
    let rendered = checked.complaints.render(&loaded.sources);
    (checked, rendered)
}

fn checks(provider: &str) -> Vec<Check> {
    let (checked, rendered) = check(provider);
    assert!(!checked.complaints.refuse(), "{rendered}");
    checked.plan.providers["own"].checks.clone()
}

#[test]
fn nothing_is_looked_at_unless_it_is_asked_for() {
    assert_eq!(checks("auth: none"), []);
}

#[test]
fn a_path_needs_no_more_than_to_be_wanted() {
    let what = What::Endpoint { path: "/health".to_owned() };
    let usual = Check { what, every_ms: 5_000, timeout_ms: 1_000, failures: 2, successes: 2 };
    assert_eq!(checks("health: {}"), [usual]);
    let own =
        Check { what: What::Endpoint { path: "/v1/up?deep=1".to_owned() }, every_ms: 250, timeout_ms: 2_000, failures: 1, successes: 5 };
    assert_eq!(checks("health: {path: \"/v1/up?deep=1\", every: 250ms, timeout: 2s, failures: 1, successes: 5}"), [own]);
}

#[test]
fn presets_are_rules_and_rules_go_before_them() {
    let rules = |provider: &str| match checks(provider).remove(0).what {
        What::Metrics { exporter, path, rules } => (exporter, path, rules),
        other => panic!("{other:?}"),
    };
    let rule = |metric: &str, of, bound| Rule { metric: metric.to_owned(), of, bound };
    let vllm = [
        rule("vllm:num_requests_waiting", Gather::Sum, Bound::Above(50_000_000)),
        rule("vllm:kv_cache_usage_perc", Gather::Max, Bound::Above(950_000)),
        rule("vllm:gpu_cache_usage_perc", Gather::Max, Bound::Above(950_000)),
    ];
    assert_eq!(rules("metrics: {preset: vllm}"), (None, "/metrics".to_owned(), vllm.to_vec()));
    let mut other = vllm.to_vec();
    other.remove(0);
    other.insert(0, rule("vllm:num_requests_waiting", Gather::Max, Bound::Above(2_500_000)));
    assert_eq!(rules("metrics: {preset: vllm, rules: [{metric: \"vllm:num_requests_waiting\", above: 2.5}]}").2, other);
    let (exporter, path, gpu) = rules("metrics: {preset: dcgm, endpoint: \"http://10.0.0.7:9400\", path: /gpu}");
    assert_eq!((exporter, path.as_str()), (Some(("10.0.0.7".to_owned(), 9400)), "/gpu"));
    assert_eq!(gpu, [rule("DCGM_FI_DEV_FB_FREE", Gather::Min, Bound::Below(512_000_000))]);
    for preset in ["sglang", "tgi", "llama_cpp"] {
        assert!(!rules(&format!("metrics: {{preset: {preset}}}")).2.is_empty());
    }
    let both = rules("metrics: {rules: [{metric: a, above: 9, below: 1}]}").2;
    assert_eq!(both, [rule("a", Gather::Max, Bound::Above(9_000_000)), rule("a", Gather::Min, Bound::Below(1_000_000))]);
}

#[test]
fn canaries_say_what_is_expected_of_whom() {
    let found = checks("canaries: [{model: m, prompt: hi, expect: {json: {a: [1, x]}}, slow: 2s, min_confidence: 80%, daily_cost: 0.25}]");
    let [Check { what: What::Canary(canary), every_ms: 30_000, timeout_ms: 10_000, failures: 2, successes: 2 }] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(canary.expected, Expected::Json(r#"{"a":[1,"x"]}"#.to_owned()));
    assert_eq!((canary.slow_ms, canary.confidence_permille_min), (Some(2_000), Some(800)));
    assert_eq!((canary.day_cost_max, canary.day_count_max, canary.tokens_max), (250_000, 10_000, 64));
    let usual = checks("canaries: [{model: m, prompt: hi, expect: {regex: \"^ok$\"}}]");
    let [Check { what: What::Canary(canary), every_ms: 30_000, timeout_ms: 10_000, .. }] = usual.as_slice() else { panic!("{usual:?}") };
    assert_eq!(canary.expected, Expected::Regex("^ok$".to_owned()));
    assert_eq!((canary.slow_ms, canary.confidence_permille_min), (None, None));
    assert_eq!((canary.day_cost_max, canary.day_count_max), (1_000_000, 10_000), "a dollar");
    let (_, rendered) = check("canaries: [{model: m, prompt: hi, expect: {text: ok}}]");
    assert!(rendered.contains("the price of `own/m` is not known: only `daily_count` bounds what this canary costs"), "{rendered}");
}

#[test]
fn what_could_not_work_is_said() {
    for (provider, expected) in [
        ("health: {path: health}", "`health` is no path"),
        ("health: {every: 1ms}", "every must be within 100ms and 24h"),
        ("health: {failures: 0}", "failures must be within 1 and 1000"),
        ("metrics: {}", "`metrics` has 0 rules, and needs 1 to 64"),
        ("metrics: {rules: [{metric: a}]}", "a rule needs `above` or `below`"),
        ("metrics: {rules: [{metric: \"a{b}\", above: 1}]}", "`a{b}` is no name of a figure"),
        ("metrics: {preset: vlm}", "did you mean `vllm`?"),
        ("metrics: {preset: dcgm, endpoint: \"https://gpu:9400\"}", "an exporter is written as `http://host:port`"),
        ("canaries: [{model: m, prompt: hi, expect: {}}]", "`expect` has one of `text`, `regex` and `json`"),
        ("canaries: [{model: m, prompt: hi, expect: {text: a, regex: b}}]", "`expect` has one of `text`, `regex` and `json`"),
        ("canaries: [{model: m, prompt: hi, expect: {regex: \"(\"}}]", "this is no expression: unclosed group"),
        ("canaries: [{model: m, prompt: \"\", expect: {text: a}}]", "a question has 1 to 16384 bytes"),
        ("canaries: [{model: x, prompt: hi, expect: {text: a}}]", "no chain asks `own/x`"),
        ("canaries: [{prompt: hi, expect: {text: a}}]", "a canary needs `model`"),
        ("quirks: [stream_only], canaries: [{model: m, prompt: hi, expect: {text: a}}]", "answers with streams only"),
    ] {
        let (checked, rendered) = check(provider);
        assert!(checked.complaints.refuse() && rendered.contains(expected), "{provider}\n{rendered}");
    }
}

#[test]
fn who_tells_no_probabilities_is_not_judged_by_them() {
    let text = "providers:\n  claude: {endpoint: \"http://127.0.0.1:2\", dialect: anthropic, auth: none, canaries: [{model: c, prompt: hi, \
                expect: {text: a}, min_confidence: 0.9}]}\nmodels:\n  m: {deployments: [{provider: claude, model: c}]}\n";
    let loaded = load::text("p.yaml", text);
    let checked = validate::validate(&loaded, &validate::tests::surroundings());
    let rendered = checked.complaints.render(&loaded.sources);
    assert!(rendered.contains("has no effect: `claude/c` does not tell how probable its tokens were"), "{rendered}");
    let What::Canary(canary) = &checked.plan.providers["claude"].checks[0].what else { panic!("{checked:?}") };
    assert_eq!(canary.confidence_permille_min, None);
}
