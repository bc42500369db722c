use super::*;
use crate::{load, validate};

fn plan(text: &str) -> Plan {
    let loaded = load::text("p.yaml", text);
    let checked = validate::validate(&loaded, &validate::tests::surroundings());
    assert!(!checked.complaints.refuse(), "{}", checked.complaints.render(&loaded.sources));
    checked.plan
}

fn lines(text: &str, before: Option<&Models>, today: &str) -> Vec<String> {
    let found = found(&plan(text), Catalogue::built_in(), before, today);
    told(&found, Path::new("p.yaml")).text.lines().map(str::to_owned).collect()
}

const POLICY: &str = "providers: {own: {endpoint: \"http://127.0.0.1:9/v1\"}}
fallback:
  chains:
    - name: first
      models: [{provider: anthropic, model: claude-sonnet-4-5}, {provider: openai, model: gpt-4-turbo}, {provider: own, model: m}]
    - {name: second, models: [{provider: openai, model: gpt-4.1}, {provider: openai, model: gpt-4o-typo}]}
";

#[test]
fn what_retires_is_replaced_or_unheard_of_and_whom_it_touches() {
    assert_eq!(
        lines(POLICY, None, "2026-11-20"),
        [
            "retires   anthropic/claude-sonnet-4-5 is served until 2026-11-30, 10 days from now  [chains first]",
            "replaced  openai/gpt-4-turbo is no longer served: `openai/gpt-4.1` is asked in its place  [chains first, second]",
            "unlisted  openai/gpt-4o-typo is not in the catalogue: is it spelt so?  [chains second]",
            "catalog   ATTENTION  p.yaml (3 to look at)",
        ]
    );
    let day = |today: &str| lines(POLICY, None, today)[0].clone();
    assert!(day("2026-11-30").starts_with("retired   anthropic/claude-sonnet-4-5 is no longer served since 2026-11-30"));
    assert!(day("2026-09-01").starts_with("retires   anthropic/claude-sonnet-4-5 is served until 2026-11-30, 90 days"));
    assert!(day("2026-08-31").starts_with("replaced"), "ninety-one days are far");
}

#[test]
fn prices_that_have_changed_since() {
    let before = r#"{"models": [
        {"provider": "openai", "id": "gpt-4.1", "in": 1.5, "out": 8.0, "cached_in": 0.5, "cache_write": 9.0},
        {"provider": "anthropic", "id": "claude-sonnet-4-5"}, {"provider": "groq", "id": "llama-3.1-8b-instant", "in": 9.0, "out": 9.0}]}"#;
    let before = Models::read(before).unwrap();
    let lines = lines(POLICY, Some(&before), "2020-01-01");
    let prices: Vec<&String> = lines.iter().filter(|line| line.starts_with("price")).collect();
    assert_eq!(prices, ["price     openai/gpt-4.1 costs $2.00 per million tokens `in`, and did cost $1.50  [chains first, second]"]);
}

#[test]
fn the_exit_code_says_whether_there_is_something_to_do() {
    let quiet = plan("fallback: {chains: [{name: c, models: [{provider: openai, model: gpt-4.1}]}]}");
    let answer = told(&found(&quiet, Catalogue::built_in(), None, "2026-11-20"), Path::new("p.yaml"));
    assert_eq!((answer.code, answer.data["ok"].as_bool()), (code::OK, Some(true)), "{}", answer.text);
    let answer = told(&found(&plan(POLICY), Catalogue::built_in(), None, "2026-11-20"), Path::new("p.yaml"));
    assert_eq!(answer.code, code::FAILED);
    assert_eq!((&answer.data["findings"][0]["kind"], &answer.data["findings"][0]["days_left"]), (&"retires".into(), &10.into()));
    assert_eq!(answer.data["findings"][1]["asked"], "openai/gpt-4.1");
}

#[test]
fn what_cannot_be_compared_with_is_said() {
    let arguments = |action: &str, against: &str| {
        Arguments::from([("action".to_owned(), action.to_owned()), ("against".to_owned(), against.to_owned())])
    };
    assert_eq!(catalog(&Arguments::new()).code, code::USAGE);
    let answer = catalog(&arguments("check", "/no/such/file"));
    assert!(answer.code == code::FAILED && answer.text.contains("/no/such/file"), "{}", answer.text);
}
