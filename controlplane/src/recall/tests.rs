use super::*;
use crate::{
    compile::{self, Previous},
    load, validate,
};

fn entry(compiled: &compile::Compiled) -> Entry {
    crate::control::entry(compiled, ("", ""), "", Vec::new(), Vec::new())
}

#[test]
fn a_plan_survives_its_tables() {
    for text in [include_str!("../../examples/smallest.yaml"), include_str!("../../examples/whole.yaml")] {
        let checked = validate::validate(&load::text("p.yaml", text), &validate::tests::surroundings());
        let one = compile::compile(&checked.plan, &Previous::default(), 3).unwrap();
        let from = validate::tests::surroundings();
        let plan = plan(&one.draft, &entry(&one), (&one.keys, &one.secrets), &from).unwrap();
        let previous = Previous { draft: one.draft.clone(), keys: one.keys.clone() };
        let two = compile::compile(&plan, &previous, 3).unwrap();
        assert_eq!(one.draft, two.draft);
        assert_eq!(one.secrets, two.secrets);
    }
}

#[test]
fn what_was_set_aside_is_not_so_for_ever() {
    let text = "providers: {a: {endpoint: \"https://a.test/v1\"}}\nfallback: {chains: [{name: c, models: [{provider: a, model: m}]}]}";
    let mut checked = validate::validate(&load::text("p.yaml", text), &validate::tests::surroundings());
    checked.plan.targets.get_mut("a/m").unwrap().disabled = Some("set aside".to_owned());
    let one = compile::compile(&checked.plan, &Previous::default(), 1).unwrap();
    let set_aside = Entry { aside: vec!["a/m".to_owned()], ..entry(&one) };
    let from = validate::tests::surroundings();
    for (entry, disabled) in [(&set_aside, None), (&entry(&one), Some("set aside".to_owned()))] {
        let plan = plan(&one.draft, entry, (&one.keys, &one.secrets), &from).unwrap();
        assert_eq!(plan.targets["a/m"].disabled, disabled);
    }
}

#[test]
fn a_credential_that_is_gone_is_named() {
    let text = "providers: {openai: {keys: [\"${MY_KEY}\"]}}\nfallback: {chains: [{name: c, models: [{provider: openai, model: m}]}]}";
    let checked = validate::validate(&load::text("p.yaml", text), &validate::tests::surroundings());
    let one = compile::compile(&checked.plan, &Previous::default(), 1).unwrap();
    let from = Surroundings { variable: Box::new(|_| None), ..validate::tests::surroundings() };
    let refused = plan(&one.draft, &entry(&one), (&KeyNames::default(), &Secrets::default()), &from).unwrap_err();
    assert_eq!(refused, "the environment variable MY_KEY is not set");
}
