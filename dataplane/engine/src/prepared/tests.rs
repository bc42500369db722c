use super::*;
use policy::{
    Auth, Balance, Chain, Dialect, Draft, Key, KeyId, Origin, OriginId, Predicate, Provider, ProviderId, Route, Step, Target, Tenant,
    chain::Name,
};

/// A draft with these providers (name and number of credentials), on one origin.
pub(crate) fn draft(providers: &[(&str, u32)]) -> Draft {
    let mut draft = Draft { generation: 1, ..Draft::default() };
    draft.origins.push(Origin {
        host: "127.0.0.1".into(),
        port: 1,
        tls: None,
        server_name: "127.0.0.1".into(),
        proxy: None,
        warm: 0,
        connections_max: 8,
    });
    let mut next = 0;
    for (name, keys) in providers {
        let keys = (next..next + keys).map(|id| Key::new(KeyId(id), 1)).collect::<Vec<_>>();
        next += keys.len() as u32;
        draft.providers.push(Provider {
            name: (*name).into(),
            dialect: Dialect::OpenAi,
            speaks: Dialect::OpenAi.speaks(),
            quirks: 0,
            origin: OriginId(0),
            base_path: "/v1".into(),
            auth: Auth::Bearer,
            keys,
            in_flight_max: 100,
            retries: policy::Retries::default(),
            concurrency: policy::Concurrency::default(),
            headers: vec![],
            regions: vec![],
            checks: Vec::new(),
        });
    }
    draft
}

/// Adds a target that asks for `model`, or for what the request names when that is `*`.
pub(crate) fn target(draft: &mut Draft, provider: u32, model: &str) -> TargetId {
    let name = format!("{}/{model}", draft.providers[ProviderId(provider)].name);
    draft.targets.push(Target {
        name,
        provider: ProviderId(provider),
        model: if model == "*" { Model::Rest } else { Model::Named(model.into()) },
        reasoning: false,
        context_window: None,
        price: None,
        understands: policy::Understands::default(),
        disabled: None,
    })
}

/// Adds a chain with one step per list of targets.
pub(crate) fn chain(draft: &mut Draft, name: &str, steps: &[&[TargetId]]) -> ChainId {
    let steps = steps
        .iter()
        .map(|members| {
            let member = |target: &TargetId| policy::Member { target: *target, weight: 1, wording: None };
            Step::of(Balance::Weighted, members.iter().map(member).collect())
        })
        .collect();
    draft.chains.push(Chain::over(name, steps))
}

/// Lets requests ask for a chain by these names.
pub(crate) fn name(draft: &mut Draft, name: &str, chain: ChainId) {
    draft.names.push(Name { name: name.into(), chain, listed: true });
    draft.names.sort_by(|one, other| one.name.cmp(&other.name));
}

pub(crate) fn prepare(draft: Draft) -> Prepared {
    Prepared::build(Snapshot::try_new(draft).expect("the test's draft is sound"))
}

fn two_chains() -> Draft {
    let mut draft = draft(&[("openai", 1), ("backup", 0)]);
    let one = target(&mut draft, 0, "gpt-4o");
    let rest = target(&mut draft, 0, "*");
    let first = chain(&mut draft, "first", &[&[one]]);
    let second = chain(&mut draft, "second", &[&[rest]]);
    for (model, id) in [("gpt-4o", first), ("openai/gpt-4o", first), ("openai/*", second), ("openai/x/*", first)] {
        name(&mut draft, model, id);
    }
    draft
}

#[test]
fn names_are_exact_or_the_longest_prefix() {
    let prepared = prepare(two_chains());
    let check = |model: &str, expected: Option<u32>| assert_eq!(prepared.chain_for_name(model), expected.map(ChainId), "{model}");
    check("gpt-4o", Some(0));
    check("openai/gpt-4o", Some(0));
    check("openai/gpt-5", Some(1));
    check("openai/x/y", Some(0));
    check("openai/y/x/", Some(1));
    check("openai/x/", Some(1));
    check("openai/", None);
    check("openai", None);
    check("first", None);
    check("", None);
    check("/", None);
    assert_eq!(prepared.chain_called("first"), Some(ChainId(0)));
    assert_eq!(prepared.chain_called("gpt-4o"), None);
}

#[test]
fn a_target_that_takes_the_rest_needs_one() {
    let prepared = prepare(two_chains());
    assert_eq!(prepared.model_for(TargetId(0), "anything"), Some("gpt-4o"));
    assert_eq!(prepared.model_for(TargetId(1), "openai/gpt-5/mini"), Some("gpt-5/mini"));
    assert_eq!(prepared.model_for(TargetId(1), "openai/"), None);
    assert_eq!(prepared.model_for(TargetId(1), "openaix/y"), None);
    assert_eq!(prepared.model_for(TargetId(1), "gpt-5"), None);
}

#[test]
fn one_breaker_has_one_window() {
    let mut draft = two_chains();
    let third = chain(&mut draft, "third", &[&[TargetId(0)]]);
    draft.chains.get_mut(third).unwrap().breaker.window_ms = 90_000;
    draft.chains.get_mut(third).unwrap().triggers.error_permille = Some(50);
    let prepared = prepare(draft);
    assert_eq!(prepared.breaker(ChainId(0), TargetId(0)).window_ms, 90_000);
    assert_eq!(prepared.breaker(ChainId(0), TargetId(0)).failure_permille, 500);
    assert_eq!(prepared.breaker(third, TargetId(0)).failure_permille, 50);
    assert_eq!(prepared.breaker(ChainId(1), TargetId(1)).window_ms, 30_000);
}

/// Draws a small number.
fn below(seed: &mut u64, bound: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % bound
}

fn word(seed: &mut u64, length_max: u64) -> String {
    (0..=below(seed, length_max)).map(|_| if below(seed, 2) == 0 { 'a' } else { 'b' }).collect()
}

#[test]
fn the_index_finds_what_reading_all_routes_in_order_finds() {
    for round in 0..300 {
        let seed = &mut (round + 1);
        let mut draft = two_chains();
        for tenant in 0..3 {
            draft.tenants.push(Tenant { name: format!("t{tenant}"), ..Tenant::default() });
        }
        for n in 0..below(seed, 60) {
            let model = match below(seed, 6) {
                0 => None,
                1 => Some(Pattern::Any),
                2 => Some(Pattern::Ends(word(seed, 3), String::new())),
                3 => Some(Pattern::Ends(String::new(), word(seed, 3))),
                4 => Some(Pattern::Ends(word(seed, 2), word(seed, 2))),
                _ => Some(Pattern::Exact(word(seed, 4))),
            };
            // Routes that take everything are rare, or there would be nothing to find.
            let narrow = model.is_none() || model == Some(Pattern::Any);
            let headers = (0..below(seed, if narrow { 3 } else { 2 })).map(|h| (format!("x-{h}"), word(seed, 1))).collect();
            let tenant = (below(seed, 3) == 0).then(|| TenantId(below(seed, 3) as u32));
            draft.routes.push(Route { name: format!("r{n}"), when: Predicate { model, tenant, headers }, chain: ChainId(0) });
        }
        let prepared = prepare(draft);
        for _ in 0..100 {
            let model = word(seed, 5);
            let tenant = (below(seed, 2) == 0).then(|| TenantId(below(seed, 3) as u32));
            let fields: Vec<(String, String)> = (0..below(seed, 3)).map(|h| (format!("x-{h}"), word(seed, 1))).collect();
            let field = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_bytes());
            let expected = prepared.routes.iter().position(|route| {
                route.when.tenant.is_none_or(|wanted| tenant == Some(wanted))
                    && route.when.model.as_ref().is_none_or(|pattern| pattern.matches(&model))
                    && route.when.headers.iter().all(|(name, value)| field(name) == Some(value.as_bytes()))
            });
            let found = prepared.route_for(&model, tenant, &field);
            let expected = expected.map(|at| (RouteId(at as u32), prepared.routes[at].chain));
            assert_eq!(found, expected, "seed {round}: {model} {tenant:?} {fields:?} {:?}", prepared.routes);
        }
    }
}

#[test]
fn patterns_longer_than_any_model_fit_none() {
    let mut draft = two_chains();
    let long = "m".repeat(limits::MODEL_NAME_BYTES_MAX);
    for (n, model) in [Pattern::Exact(format!("{long}m")), Pattern::Ends(format!("{long}m"), String::new()), Pattern::Exact(long.clone())]
        .into_iter()
        .enumerate()
    {
        draft.routes.push(Route {
            name: format!("r{n}"),
            when: Predicate { model: Some(model), ..Predicate::default() },
            chain: ChainId(0),
        });
    }
    let prepared = prepare(draft);
    assert_eq!(prepared.route_for(&long, None, &|_| None), Some((RouteId(2), prepared.routes[2].chain)));
}
