use crate::{
    load,
    validate::{Checked, tests::surroundings, validate},
};
use policy::{Money, Per};

fn checked(tenant: &str) -> (Checked, String) {
    let text = format!(
        "providers: {{own: {{endpoint: \"https://own.test/v1\"}}}}
fallback:
  chains:
    - {{name: best, models: [{{provider: openai, model: gpt-4.1}}, {{provider: own, model: big}}]}}
    - {{name: cheap, models: [{{provider: own, model: small, price: {{input: 0.1, output: 0.4, cached: 0.01}}}}]}}
tenants: [{{name: acme, keys: [{{key: \"${{A_KEY}}\"}}], {tenant}}}]
"
    );
    let loaded = load::text("p.yaml", &text);
    let checked = validate(&loaded, &surroundings());
    let rendered = checked.complaints.render(&loaded.sources);
    (checked, rendered)
}

#[test]
fn a_budget_is_read() {
    for (budget, limit, per, at_permille, then) in [
        ("{usd: 500}", 500.0, Per::Month, 800, None),
        ("{usd: 0.5, per: day, at: 0.6}", 0.5, Per::Day, 600, None),
        ("{usd: 12.34, per: week, at: 100%, then: cheap}", 12.34, Per::Week, 1_000, Some("cheap")),
        ("{usd: 1, then: own/small}", 1.0, Per::Month, 800, Some("own/small")),
    ] {
        let (checked, rendered) = checked(&format!("budget: {budget}"));
        assert!(!checked.complaints.refuse(), "{rendered}");
        let found = checked.plan.tenants[0].budget.unwrap();
        assert_eq!((found.limit, found.per, found.at_permille), (Money::of_usd(limit), per, at_permille), "{budget}");
        assert_eq!(checked.plan.cheaper.get("acme").map(String::as_str), then, "{budget}");
    }
}

#[test]
fn a_budget_that_cannot_be_kept_is_complained_about() {
    for (budget, expected) in [
        ("{usd: 0}", "is more than nothing and at most $10000000.00"),
        ("{usd: 10000001}", "is more than nothing and at most"),
        ("{per: month}", "`usd`"),
        ("{usd: 5, per: hour}", "`hour`"),
        ("{usd: 5, at: 0}", "at must be within"),
        ("{usd: 5, then: cheep}", "did you mean `cheap`?"),
        ("{usd: 5, then: nothing/of/the/kind}", "there is no chain or model `nothing/of/the/kind`"),
        ("{usd: 5, then: \"openai/*\"}", "says no model of its own"),
    ] {
        let (checked, rendered) = checked(&format!("budget: {budget}"));
        assert!(checked.complaints.refuse() && rendered.contains(expected), "{budget}\n{rendered}");
    }
}

#[test]
fn what_cannot_be_counted_is_named() {
    let said = |members: &str| checked(members).1;
    let all = said("budget: {usd: 5}");
    assert!(all.contains("asks of `openai/*`, `own/*`, `own/big`: the price is unknown"), "{all}");
    let some = said("budget: {usd: 5}, models: [best]");
    assert!(some.contains("asks of `own/big`: the price is unknown"), "{some}");
    // What the policy itself says is known.
    let none = said("budget: {usd: 5}, models: [cheap]");
    assert!(!none.contains("the price is unknown"), "{none}");
}

#[test]
fn a_price_is_the_policys_before_the_catalogues() {
    let price = |target: &str| checked("budget: {usd: 5}").0.plan.targets[target].facts.price;
    let own = price("own/small").unwrap();
    assert_eq!((own.input, own.output, own.cached, own.cache_write), (100_000, 400_000, Some(10_000), None));
    let known = price("openai/gpt-4.1").unwrap();
    assert_eq!((known.input, known.output, known.cached), (2_000_000, 8_000_000, Some(500_000)));
}
