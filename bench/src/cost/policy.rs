//! The policy that decisions are measured with: 10,000 routes of which two in ten are globs and one
//! looks at a field, and chains of eight candidates.

use policy::{
    Auth, Balance, Chain, ChainId, Dialect, Draft, Key, KeyId, Member, Model, Origin, OriginId, Predicate, Provider, ProviderId, Route,
    Snapshot, Step, Target, TargetId, Tenant, TenantId, chain::Name, route::Pattern,
};
use sha2::{Digest, Sha256};

pub(super) const ROUTES: usize = 10_000;
pub(super) const TENANTS: usize = 1_000;
/// Routes for each chain.
const ROUTES_PER_CHAIN: usize = 10;
const PROVIDERS: usize = 20;
const TARGETS: usize = 200;
/// Candidates of a chain: steps, and members of each.
const STEPS: usize = 4;
const MEMBERS: usize = 2;

/// The key of a tenant.
pub(super) fn key(tenant: usize) -> String {
    format!("sk-tenant-{tenant:08}-0123456789abcdef")
}

/// The snapshot, with so many routes.
pub(super) fn snapshot(routes: usize) -> Snapshot {
    let chains = routes / ROUTES_PER_CHAIN;
    let mut draft = Draft { generation: 1, ..Draft::default() };
    providers(&mut draft);
    let targets: Vec<TargetId> = (0..TARGETS)
        .map(|at| {
            draft.targets.push(Target {
                name: format!("provider-{}/model-{at}", at % PROVIDERS),
                provider: ProviderId((at % PROVIDERS) as u32),
                model: Model::Named(format!("model-{at}")),
                reasoning: false,
                context_window: None,
                price: None,
                understands: policy::Understands::default(),
                disabled: None,
            })
        })
        .collect();
    for at in 0..chains {
        let member = |number: usize| Member { target: targets[(at + number * 23) % TARGETS], weight: 1, wording: None };
        let step = |step: usize| Step::of(Balance::PeakEwma, (0..MEMBERS).map(|other| member(step * MEMBERS + other)).collect());
        let name = format!("chain-{at:04}");
        let chain = draft.chains.push(Chain::over(name.clone(), (0..STEPS).map(step).collect()));
        draft.names.push(Name { name, chain, listed: true });
    }
    for at in 0..TENANTS {
        draft.tenants.push(Tenant { name: format!("tenant-{at}"), digests: vec![Sha256::digest(key(at)).into()], ..Tenant::default() });
    }
    (0..routes).for_each(|at| draft.routes.push(route(at, chains)));
    Snapshot::try_new(draft).expect("every id of it is in range")
}

fn providers(draft: &mut Draft) {
    draft.origins.push(Origin {
        host: "127.0.0.1".into(),
        port: 1,
        tls: None,
        server_name: "127.0.0.1".into(),
        proxy: None,
        warm: 0,
        connections_max: 8,
    });
    for at in 0..PROVIDERS as u32 {
        draft.providers.push(Provider {
            name: format!("provider-{at}"),
            dialect: Dialect::OpenAi,
            speaks: Dialect::OpenAi.speaks(),
            quirks: 0,
            origin: OriginId(0),
            base_path: "/v1".into(),
            auth: Auth::Bearer,
            keys: vec![Key::new(KeyId(at), 1)],
            in_flight_max: 1_000,
            retries: ::policy::Retries::default(),
            concurrency: ::policy::Concurrency::default(),
            headers: vec![],
            regions: vec![],
            checks: Vec::new(),
        });
    }
}

fn route(at: usize, chains: usize) -> Route {
    let model = match at % 10 {
        0 => Pattern::parse(&format!("team-{at}-*")),
        1 => Pattern::parse(&format!("t{at}-*-latest")),
        _ => Pattern::parse(&format!("team-{at}-model")),
    };
    let headers = if at % 10 == 2 { vec![("x-tier".into(), "gold".into())] } else { vec![] };
    let tenant = (at % 10 == 3).then_some(TenantId((at % TENANTS) as u32));
    Route { name: format!("route-{at}"), when: Predicate { model, tenant, headers }, chain: ChainId((at % chains) as u32) }
}

/// Models that are asked for: of eight, six are taken by a route, one by a chain's name, one by nothing.
pub(super) fn models(routes: usize) -> Vec<String> {
    (0..4_000_usize)
        .map(|number| {
            let at = number.wrapping_mul(2_654_435_761) % routes;
            match number % 8 {
                0 => format!("team-{}-anything", at / 10 * 10),
                1 => format!("t{}-some-latest", at / 10 * 10 + 1),
                2 => format!("chain-{:04}", at % (routes / ROUTES_PER_CHAIN)),
                3 => format!("unknown-{at}"),
                _ => format!("team-{at}-model"),
            }
        })
        .collect()
}
