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

#[test]
fn what_models_are_told_and_can_be_told() {
    let one = "fallback: {chains: [{name: c, models: [{provider: openai, model: gpt-4.1}, {provider: groq, model: m}]}]}";
    let two = "providers: {groq: {speaks: [chat], quirks: [max_tokens]}}
fallback: {chains: [{name: c, drop_params: true, models: [{provider: openai, model: gpt-4.1, prefix: Think., params: {temperature: 0.2}}, {provider: groq, model: m, lacks: [image], max_output: 9}]}]}";
    let lines = changes(&draft(one), &draft(two));
    let line = |start: &str| lines.iter().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start} of {lines:?}"));
    let provider = line("~ provider groq");
    assert!(
        provider.contains("(chat, responses) quirks [strict_members]") && provider.contains("(chat) quirks [max_tokens]"),
        "{provider}"
    );
    let target = line("~ target groq/m");
    assert!(
        target.contains("lacks [logprobs, n, logit_bias] -> ") && target.ends_with("output Some(9) thinking Unknown lacks [image]"),
        "{target}"
    );
    let chain = line("~ chain c");
    assert!(chain.contains("openai/gpt-4.1 (prefix ") && chain.contains("params {\"temperature\":0.2}) > groq/m"), "{chain}");
    // Another text of the same length is another text.
    let other = two.replace("Think.", "Sleep.");
    assert_eq!(changes(&draft(two), &draft(&other)).len(), 1);
}
