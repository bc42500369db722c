use super::*;
use crate::{
    exchange::Skip,
    prepared::tests::{chain, draft, name, prepare, target},
};
use policy::{Draft, Predicate, Route, RouteId, TargetId, Tenant, route::Pattern};

fn policy() -> Draft {
    let mut draft = draft(&[("openai", 1), ("local", 0)]);
    let gpt = target(&mut draft, 0, "gpt-4o");
    let llama = target(&mut draft, 1, "llama");
    let rest = target(&mut draft, 0, "*");
    let support = chain(&mut draft, "support", &[&[gpt], &[llama]]);
    let premium = chain(&mut draft, "premium", &[&[llama]]);
    let direct = chain(&mut draft, "direct", &[&[rest]]);
    for (model, id) in [("support", support), ("gpt-4o", support), ("premium", premium), ("openai/*", direct)] {
        name(&mut draft, model, id);
    }
    draft.tenants.push(Tenant { name: "acme".into(), digests: vec![], models: vec![], ..Tenant::default() });
    let limited = vec![Pattern::parse("support*").unwrap(), Pattern::parse("openai/*").unwrap()];
    draft.tenants.push(Tenant { name: "limited".into(), digests: vec![], models: limited, ..Tenant::default() });
    let gold = Predicate { headers: vec![("x-tier".into(), "gold".into())], model: Pattern::parse("support*"), ..Predicate::default() };
    draft.routes.push(Route { name: "gold".into(), when: gold, chain: premium });
    draft
}

const ACME: Option<TenantId> = Some(TenantId(0));
const LIMITED: Option<TenantId> = Some(TenantId(1));

fn ask<'a>(tenant: Option<TenantId>, model: &'a str, chain: Option<&'a str>, tier: &'a dyn Fn(&str) -> Option<&'a [u8]>) -> Ask<'a> {
    Ask { tenant, model, field: tier, chain, deadline_ms: None, stream: true, wants: Wants::default(), started: Moment(5) }
}

fn check(tenant: Option<TenantId>, model: &str, named: Option<&str>, gold: bool, expected: Result<(&str, Way), (u16, &str)>) {
    let prepared = prepare(policy());
    let tier = |name: &str| (gold && name == "x-tier").then_some(&b"gold"[..]);
    let decided = decide(&prepared, &ask(tenant, model, named, &tier), &Board::new(8, 8, 8), Moment(9));
    let found = decided.as_ref().map(|exchange| (prepared.chains[exchange.chain()].name.as_str(), exchange.way()));
    assert_eq!(found.map_err(|refusal| (refusal.status(), refusal.code())), expected, "{tenant:?} {model} {named:?} {gold}");
}

#[test]
fn requests_find_their_chain() {
    check(ACME, "support", None, false, Ok(("support", Way::Name)));
    check(ACME, "gpt-4o", None, false, Ok(("support", Way::Name)));
    check(ACME, "support", None, true, Ok(("premium", Way::Route(RouteId(0)))));
    check(ACME, "support-eu", None, true, Ok(("premium", Way::Route(RouteId(0)))));
    check(ACME, "support-eu", None, false, Err((404, "model_not_found")));
    check(ACME, "support", Some("direct"), true, Ok(("direct", Way::Asked)));
    check(ACME, "whatever", Some("premium"), false, Ok(("premium", Way::Asked)));
    check(ACME, "support", Some("nothing"), false, Err((404, "chain_not_found")));
    check(ACME, "openai/gpt-9", None, false, Ok(("direct", Way::Name)));
    check(ACME, "openai/", None, false, Err((404, "model_not_found")));
    check(ACME, "gpt-9", None, false, Err((404, "model_not_found")));
    check(ACME, "", None, false, Err((400, "missing_required_parameter")));
    check(None, "support", None, false, Ok(("support", Way::Name)));
    check(ACME, &"m".repeat(300), None, false, Err((404, "model_not_found")));
    check(ACME, &format!("openai/{}", "m".repeat(300)), None, false, Err((404, "model_not_found")));
}

#[test]
fn a_tenant_asks_for_what_it_may() {
    check(LIMITED, "support", None, false, Ok(("support", Way::Name)));
    check(LIMITED, "openai/gpt-9", None, false, Ok(("direct", Way::Name)));
    check(LIMITED, "gpt-4o", None, false, Err((403, "model_not_allowed")));
    check(LIMITED, "nonsense", None, false, Err((403, "model_not_allowed")));
    check(LIMITED, "support", Some("support"), false, Ok(("support", Way::Asked)));
    // A field of the head is no way around it.
    check(LIMITED, "support", Some("premium"), false, Err((403, "model_not_allowed")));
}

#[test]
fn refusals_quote_the_tenant_and_nobody_else() {
    let long = Refusal::UnknownModel(Quote::of(&"x".repeat(300)));
    assert!(long.message().len() <= 160 && long.message().ends_with("do not have access to it."));
    assert_eq!(
        Refusal::UnknownModel(Quote::of("gpt-9")).message().as_str(),
        "The model `gpt-9` does not exist or you do not have access to it."
    );
    assert_eq!(long.param(), Some("model"));
}

#[test]
fn the_candidates_carry_their_reasons() {
    let mut draft = policy();
    draft.targets.get_mut(TargetId(0)).unwrap().disabled = Some("no key".into());
    let prepared = prepare(draft);
    let board = Board::new(8, 8, 8);
    board.target(TargetId(1)).pause(Moment(0).plus_ms(700), policy::Class::RateLimit);
    let decide = |model, named| decide(&prepared, &ask(ACME, model, named, &|_| None), &board, Moment(0)).unwrap();
    let skips: Vec<_> = decide("support", None).candidates().iter().map(|candidate| candidate.skip()).collect();
    assert_eq!(skips, [Some(Skip::Disabled), Some(Skip::Paused { for_ms: 700 })]);
    assert_eq!(decide("support", Some("direct")).candidates()[0].skip(), Some(Skip::Unnamed));
    assert_eq!(decide("openai/gpt-9", None).candidates()[0].skip(), None);
}

#[test]
fn a_request_can_only_shorten_its_time() {
    let prepared = prepare(policy());
    let deadline = |deadline_ms| {
        let ask = Ask { deadline_ms, ..ask(ACME, "support", None, &|_| None) };
        decide(&prepared, &ask, &Board::new(8, 8, 8), Moment(9)).unwrap().deadline()
    };
    assert_eq!(deadline(None), Moment(5).plus_ms(600_000));
    assert_eq!(deadline(Some(700_000)), Moment(5).plus_ms(600_000));
    assert_eq!(deadline(Some(1_000)), Moment(5).plus_ms(1_000));
    assert_eq!(deadline(Some(0)), Moment(5));
}
