use super::*;
use crate::{compile, load, validate};

fn draft(text: &str) -> Draft {
    let checked = validate::validate(&load::text("p.yaml", text), &validate::tests::surroundings());
    compile::compile(&checked.plan, &compile::Previous::default(), 1).unwrap().draft
}

#[test]
fn lines_for_what_changed_and_for_nothing_else() {
    let one =
        "gateway: {drain: 10s}\nfallback: {chains: [{name: c, models: [{provider: openai, model: a}, {provider: openai, model: b}]}]}";
    let two = "gateway: {drain: 20s, listen: \"127.0.0.1:1\"}\nfallback: {chains: [{name: c, models: [{provider: openai, model: b}, {provider: openai, model: a}]}]}";
    assert_eq!(changes(&draft(one), &draft(one)), Vec::<String>::new());
    let lines = changes(&draft(one), &draft(two));
    assert!(lines.contains(&"~ gateway.drain_ms  10000 -> 20000".to_owned()), "{lines:?}");
    assert!(
        lines.iter().any(|line| line.starts_with("~ chain c  openai/a > openai/b") && line.contains("-> openai/b > openai/a")),
        "{lines:?}"
    );
    assert!(lines.contains(&"- name a".to_owned()) && lines.contains(&"+ name b".to_owned()), "{lines:?}");
    assert_eq!(needs_restart(&draft(one), &draft(two)), ["gateway.listen"]);
}
