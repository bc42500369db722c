use super::*;

fn explained(arguments: &[(&str, &str)]) -> Answer {
    let text = "providers:
  a: {endpoint: \"https://a.test/v1\"}
  b: {endpoint: \"https://b.test/v1\"}
tenants: [{name: acme, keys: [{key: \"${ACME_TENANT_KEY}\"}], models: [\"chat*\", \"a/*\"]}]
routes: [{name: gold, when: {model: chat, header: {x-tier: gold}}, chain: best}]
fallback:
  chains:
    - {name: chat, models: [{provider: a, model: m}, {provider: anthropic, model: n}], triggers: [{type: auth, enabled: false}]}
    - {name: best, models: [{provider: b, model: m}]}
";
    let checked = validate::validate(&load::text("p.yaml", text), &validate::tests::surroundings());
    let compiled = compile::compile(&checked.plan, &compile::Previous::default(), 1).unwrap();
    let prepared = Prepared::build(Snapshot::try_new(compiled.draft).unwrap());
    let arguments = arguments.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    decision(&prepared, &arguments, &HashMap::from([("a/m".to_owned(), "breaker open".to_owned())]))
}

#[test]
fn the_chain_its_targets_and_why_not_the_others() {
    let answer = explained(&[("tenant", "acme"), ("model", "chat")]);
    assert!(answer.text.contains("chain     chat: it answers to the name `chat`"), "{}", answer.text);
    assert!(answer.text.contains("a/m  asks a for `m`  [breaker open]"), "{}", answer.text);
    assert!(answer.text.contains("never asked: this version does not speak the anthropic dialect"), "{}", answer.text);
    assert!(answer.text.contains("ends at   auth"), "{}", answer.text);
}

#[test]
fn routes_and_rest_names_lead_as_in_the_gateway() {
    let routed = explained(&[("tenant", "acme"), ("model", "chat"), ("header", "X-Tier=gold")]);
    assert_eq!(routed.data["chain"], "best");
    let rest = explained(&[("tenant", "acme"), ("model", "a/anything/at-all")]);
    assert_eq!((&rest.data["chain"], &rest.data["targets"][0]["model"]), (&"a/*".into(), &"anything/at-all".into()));
}

#[test]
fn refusals_are_answers_and_missing_tenants_are_not() {
    assert_eq!(explained(&[("tenant", "acme"), ("model", "best")]).data["status"], 403);
    assert_eq!(explained(&[("model", "chat")]).code, code::USAGE);
    assert_eq!(explained(&[("model", "chat"), ("tenant", "acem")]).code, code::USAGE);
}
