use crate::{
    compile,
    explain::decision,
    load,
    socket::{Answer, code},
    validate,
};
use engine::Prepared;
use policy::Snapshot;
use std::collections::HashMap;

const POLICY: &str = "providers:
  openai: {keys: [\"${ONE_KEY}\", \"${TWO_KEY}\"]}
  anthropic: {keys: [\"${THREE_KEY}\"]}
  own: {endpoint: \"http://10.0.0.7:8000/v1\"}
fallback:
  chains:
    - name: chat
      models:
        - {provider: openai, model: gpt-4.1}
        - {provider: anthropic, model: claude-haiku-4-5}
        - {provider: own, model: m}
    - {name: alone, models: [{provider: own, model: m}], breaker: {consecutive: 2}}
    - {name: last, models: [{provider: own, model: m}, {earlier: 24h}, {template: busy}], retry: {max_attempts: 1}}
    - {name: pair, models: [{provider: openai, model: gpt-4.1}, {provider: anthropic, model: claude-haiku-4-5}]}
";

pub(in crate::explain) fn prepared() -> Prepared {
    let checked = validate::validate(&load::text("p.yaml", POLICY), &validate::tests::surroundings());
    assert!(!checked.complaints.refuse(), "{}", checked.complaints.summary());
    let compiled = compile::compile(&checked.plan, &compile::Previous::default(), 1).unwrap();
    Prepared::build(Snapshot::try_new(compiled.draft).unwrap())
}

/// Questions, each after a `$`, and what is told of the rehearsal.
const TOLD: &str = include_str!("told.txt");

fn asked(question: &str) -> Answer {
    let mut arguments = crate::verbs::Arguments::new();
    let mut words = question.split_whitespace();
    arguments.insert("model".to_owned(), words.next().unwrap().to_owned());
    for word in words {
        let (name, value) = word.split_once('=').unwrap_or((word, "true"));
        arguments.insert(name.trim_start_matches("--").to_owned(), value.to_owned());
    }
    decision(&prepared(), &arguments, &HashMap::new())
}

#[test]
fn what_is_told_is_what_would_happen() {
    let mut got = String::new();
    for question in TOLD.lines().filter_map(|line| line.strip_prefix("$ ")) {
        let answer = asked(question);
        assert_eq!(answer.code, code::OK, "{}", answer.text);
        let (_, told) = answer.text.split_once("in the middle\n").unwrap();
        got.push_str(&format!("$ {question}\n{told}\n"));
    }
    assert!(got == TOLD, "told.txt is to be\n{got}");
    assert!(got.matches("$ ").count() >= 14);
}

#[test]
fn programs_are_told_the_same() {
    let answer = asked("pair --failure=429/insufficient_quota:openai,529/overloaded_error:anthropic");
    let told = &answer.data["rehearsal"];
    let steps = told["steps"].as_array().unwrap();
    let first = &steps[0]["failed"];
    assert_eq!((&steps[0]["target"], &steps[0]["key"], &steps[0]["keys"]), (&"openai/gpt-4.1".into(), &1.into(), &2.into()));
    assert_eq!(
        (&first["class"], &first["fault"], &first["left_alone_ms"]),
        (&"quota_exhausted".into(), &"operator".into(), &60_000.into())
    );
    assert_eq!((&steps[3]["step"], &steps[3]["for_ms"]), (&"wait".into(), &250.into()));
    assert_eq!((&told["end"]["status"], &told["end"]["code"]), (&503.into(), &"providers_unavailable".into()));
    let answer = asked("chat --failure=500:own");
    assert_eq!(answer.data["rehearsal"]["end"]["headers"]["x-throwover-provider"], "openai");
    assert_eq!(answer.data["rehearsal"]["not_asked"][1]["target"], "own/m");
}

#[test]
fn a_failure_that_is_no_failure_is_a_mistake_of_usage() {
    let answer = asked("chat --failure=timeoud:openai");
    assert!(answer.code == code::USAGE && answer.text.contains("did you mean `timeout`?"), "{}", answer.text);
}
