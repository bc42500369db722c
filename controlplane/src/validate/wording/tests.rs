use crate::{
    load,
    plan::{Plan, Wording},
    validate,
};

fn planned(text: &str) -> (Plan, String) {
    let loaded = load::text("p.yaml", text);
    let checked = validate::validate(&loaded, &validate::tests::surroundings());
    (checked.plan, checked.complaints.render(&loaded.sources))
}

fn shown(wording: &Wording) -> (Option<&str>, Option<&str>, String) {
    (wording.prefix.as_deref(), wording.suffix.as_deref(), serde_json::to_string(&wording.params).unwrap())
}

#[test]
fn an_entry_of_a_chain_goes_before_what_models_says() {
    let (plan, rendered) = planned(
        "models:
  m:
    deployments:
      - {provider: openai, model: gpt-4.1, prefix: \"of the place\", params: {temperature: 0.2, seed: 7}}
      - {provider: groq, model: llama-3.1-8b-instant, suffix: \"\"}
fallback:
  chains:
    - {name: plain, models: [{model: m}]}
    - name: worded
      models:
        - {model: m, suffix: \"of the chain\", params: {temperature: 1, stop: [\"END\"]}}
        - {provider: openai, model: gpt-4.1, params: {}}
",
    );
    assert!(!rendered.contains("error"), "{rendered}");
    let member = |chain: &str, step: usize, member: usize| shown(&plan.chains[chain].steps[step].members[member].wording);
    assert_eq!(member("plain", 0, 0), (Some("of the place"), None, "{\"seed\":7,\"temperature\":0.2}".to_owned()));
    assert_eq!(member("plain", 0, 1), (None, None, "{}".to_owned()), "an empty text is none");
    let both = "{\"seed\":7,\"stop\":[\"END\"],\"temperature\":1}".to_owned();
    assert_eq!(member("worded", 0, 0), (Some("of the place"), Some("of the chain"), both));
    assert_eq!(member("worded", 0, 1), (None, Some("of the chain"), "{\"stop\":[\"END\"],\"temperature\":1}".to_owned()));
    assert_eq!(plan.chains["worded"].steps[1].members[0].wording.sealed(), None);
    // Whoever asks for the model directly is given nothing.
    assert_eq!(plan.chains["openai/gpt-4.1"].steps[0].members[0].wording, Wording::default());
}

#[test]
fn what_is_not_to_be_set_and_what_is_too_long() {
    let link = |rest: &str| format!("fallback: {{chains: [{{name: c, models: [{{provider: openai, model: gpt-4.1, {rest}}}]}}]}}");
    let long = "x".repeat(20_000);
    for (rest, expected) in [
        ("params: {stream: true}", "`stream` is what the request says"),
        ("params: {model: other, temperature: 0}", "`model` is what the request says"),
        ("params: [temperature]", "a mapping of parameters is wanted here"),
        ("prefix: [a]", "text is wanted here"),
        (&format!("prefix: {long}"), "`prefix` holds 20000 bytes, and there may be 16384"),
        (&format!("params: {{x: {long}}}"), "`params` holds 20008 bytes, and there may be 16384"),
        ("prefx: a", "did you mean `prefix`?"),
    ] {
        let (_, rendered) = planned(&link(rest));
        assert!(rendered.contains("error") && rendered.contains(expected), "{rest}\n{rendered}");
    }
}

#[test]
fn all_together_are_bounded() {
    // Each is small enough, and a thousand times that is not.
    let mut text = "fallback:\n  chains:\n".to_owned();
    let prefix = "x".repeat(15_000);
    for chain in 0..1_200 {
        text.push_str(&format!("    - {{name: c{chain}, models: [{{provider: openai, model: gpt-4.1, prefix: {prefix}}}]}}\n"));
    }
    let (_, rendered) = planned(&text);
    assert!(rendered.contains("`prefix`, `suffix` and `params` hold 18000000 bytes in all"), "{}", &rendered[..500.min(rendered.len())]);
}

#[test]
fn what_is_sealed_comes_back() {
    let params = serde_json::json!({"temperature": 0.2, "nested": {"a": [1, null, "\"}"]}});
    let wording = Wording { prefix: Some("p".to_owned()), suffix: None, params: params.as_object().unwrap().clone() };
    let sealed = wording.sealed().unwrap();
    assert_eq!(sealed.set.as_deref(), Some("\"nested\":{\"a\":[1,null,\"\\\"}\"]},\"temperature\":0.2"));
    assert_eq!(Wording::unsealed(&sealed).unwrap(), wording);
    assert_eq!(Wording::default().sealed(), None);
    let damaged = policy::Wording { set: Some("\"a\":".to_owned()), ..Default::default() };
    assert!(Wording::unsealed(&damaged).is_err());
}
