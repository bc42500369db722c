use super::*;
use crate::{compile, load, socket::Answer, validate};
use policy::Snapshot;

fn told(tenant: &str, spent_usd: Option<f64>) -> String {
    let text = "fallback: {chains: [{name: best, models: [{provider: openai, model: gpt-4.1}]}, {name: cheap, models: [{provider: openai, model: gpt-4.1-nano}]}]}
tenants:
  - {name: moved, keys: [{key: \"${ONE_KEY}\"}], budget: {usd: 500, at: 60%, then: cheap}}
  - {name: refused, keys: [{key: \"${TWO_KEY}\"}], budget: {usd: 2, per: day}}
  - {name: free, keys: [{key: \"${THREE_KEY}\"}]}
";
    let checked = validate::validate(&load::text("p.yaml", text), &validate::tests::surroundings());
    assert!(!checked.complaints.refuse(), "{}", checked.complaints.summary());
    let compiled = compile::compile(&checked.plan, &compile::Previous::default(), 1).unwrap();
    let prepared = Prepared::build(Snapshot::try_new(compiled.draft).unwrap());
    let known = spent_usd.map_or(Value::Null, |spent| json!([{"tenant": tenant, "spent_usd": spent}]));
    let mut answer = Answer::new(String::new(), json!({}));
    tell(&prepared, &Arguments::from([("tenant".to_owned(), tenant.to_owned())]), &known, &mut answer);
    answer.text
}

#[test]
fn who_is_moved_and_who_is_refused() {
    for (tenant, spent, expected) in [
        (
            "moved",
            None,
            "budget    unknown here of $500.00 a month spent: from $300.00 on requests take `cheap`, and none is left at $500.00\n",
        ),
        (
            "moved",
            Some(299.0),
            "budget    $299.00 of $500.00 a month spent: from $300.00 on requests take `cheap`, and none is left at $500.00\n",
        ),
        ("moved", Some(300.0), "budget    $300.00 of $500.00 a month spent: the request takes `cheap` instead\n"),
        ("moved", Some(500.0), "budget    $500.00 of $500.00 a month spent: the request is refused with status 402 (budget_exhausted)\n"),
        ("refused", Some(1.9), "budget    $1.90 of $2.00 a day spent: at $2.00 requests are refused\n"),
        ("free", Some(1.0), ""),
    ] {
        assert_eq!(told(tenant, spent), expected);
    }
}
