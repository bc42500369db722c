//! Policies to play with: providers `p0`, `p1`, … with one target each, and chains over them.

use policy::{
    Auth, Backoff, Balance, Breaker, Budget, Chain, ChainId, Dialect, Draft, Gateway, Key, KeyId, Member, Model, Money, Origin, OriginId,
    Patience, Pattern, Per, Predicate, Price, Provider, ProviderId, Route, Secret, Secrets, Step, Target, TargetId, Tenant,
};
use std::net::SocketAddr;

/// Where a provider is.
pub(super) fn address(provider: usize) -> SocketAddr {
    SocketAddr::from(([203, 0, 113, provider as u8 + 1], 80))
}

/// What a provider's target calls the model.
pub(super) fn model(provider: usize) -> String {
    format!("m{provider}")
}

/// What a request calls the model: it names the chain and the request.
pub(super) fn asked(chain: usize, request: u32) -> String {
    format!("c{chain}-r{request}")
}

/// A policy of so many providers and no chains.
pub(crate) fn draft(providers: usize) -> Draft {
    let mut draft = Draft { generation: 1, gateway: gateway(), ..Draft::default() };
    for index in 0..providers {
        add_provider(&mut draft, index);
    }
    draft
}

/// One provider and chain 0 over each in turn: what most scenes need.
pub(super) fn failover(providers: usize) -> Draft {
    let mut draft = draft(providers);
    let steps: Vec<Vec<usize>> = (0..providers).map(|provider| vec![provider]).collect();
    add_chain(&mut draft, &steps, Balance::Weighted);
    draft
}

fn gateway() -> Gateway {
    Gateway { body_bytes_max: 1 << 20, body_memory_bytes: 4 << 20, queue_ms: 100, head_ms: 2_000, body_ms: 3_000, ..Gateway::default() }
}

fn add_provider(draft: &mut Draft, index: usize) {
    let address = address(index);
    let origin = Origin {
        host: address.ip().to_string(),
        port: address.port(),
        tls: None,
        server_name: address.ip().to_string(),
        proxy: None,
        warm: 1,
        connections_max: 64,
    };
    draft.origins.insert(OriginId(index as u32), origin);
    let provider = Provider {
        name: format!("p{index}"),
        dialect: Dialect::OpenAi,
        speaks: Dialect::OpenAi.speaks(),
        quirks: 0,
        origin: OriginId(index as u32),
        base_path: "/v1".to_owned(),
        auth: Auth::Bearer,
        keys: vec![Key::new(KeyId(index as u32), 1)],
        in_flight_max: 64,
        retries: policy::Retries::default(),
        concurrency: policy::Concurrency::default(),
        headers: Vec::new(),
        regions: Vec::new(),
        checks: Vec::new(),
    };
    draft.providers.insert(ProviderId(index as u32), provider);
    let target = Target {
        name: format!("p{index}/{}", model(index)),
        provider: ProviderId(index as u32),
        model: Model::Named(model(index)),
        reasoning: false,
        context_window: None,
        price: None,
        understands: policy::Understands::default(),
        disabled: None,
    };
    draft.targets.insert(TargetId(index as u32), target);
}

/// SHA-256 of [`KEY`].
const KEY_DIGEST: [u8; 32] = [
    0x07, 0x6f, 0xb0, 0x33, 0xa3, 0x1e, 0x49, 0x6b, 0x03, 0x33, 0xb4, 0xba, 0x63, 0xd9, 0x7a, 0xc2, 0x1c, 0x18, 0x17, 0x4d, 0xdb, 0x9f,
    0xed, 0x95, 0x04, 0xf8, 0x9f, 0xbc, 0xbf, 0x4c, 0x30, 0x74,
];
/// What every request presents, whether or not there are tenants.
pub(super) const KEY: &str = "sk-simulated";

/// Has all requests come from one tenant, whose money is counted and never used up.
pub(super) fn add_budget(draft: &mut Draft) {
    let budget = Budget { limit: Money::of_usd(1e6), per: Per::Day, at_permille: 800, then: None };
    draft.tenants.push(Tenant { name: "tenant".to_owned(), digests: vec![KEY_DIGEST], budget: Some(budget), ..Tenant::default() });
    for index in 0..draft.targets.slots() {
        let target = draft.targets.get_mut(TargetId(index as u32)).expect("every provider has one");
        target.price = Some(Price { input: 1_000_000, output: 3_000_000 + index as u64, ..Price::default() });
    }
}

/// Adds a chain, and the route to it: steps of providers.
pub(super) fn add_chain(draft: &mut Draft, steps: &[Vec<usize>], balance: Balance) {
    let member = |&provider: &usize| Member { target: TargetId(provider as u32), weight: 1, wording: None };
    let steps = steps.iter().map(|members| Step::of(balance, members.iter().map(member).collect())).collect();
    let chain = Chain {
        attempts_max: 4,
        backoff: Backoff { exponential: true, base_ms: 20, cap_ms: 100 },
        patience: Patience {
            deadline_ms: 4_000,
            connect_ms: 300,
            first_token_ms: 800,
            first_token_reasoning_ms: 2_000,
            idle_ms: 500,
            keepalive_after_ms: 300,
        },
        breaker: Breaker { consecutive: 5, cooldown_ms: 400, cooldown_max_ms: 2_000, ..Breaker::default() },
        ..Chain::over(format!("chain{}", draft.chains.slots()), steps)
    };
    let id: ChainId = draft.chains.push(chain);
    let when = Predicate { model: Some(Pattern::Ends(format!("c{}-", id.0), String::new())), ..Predicate::default() };
    draft.routes.push(Route { name: format!("route{}", id.0), when, chain: id });
}

/// One key for each provider.
pub(super) fn secrets(draft: &Draft) -> Secrets {
    let keys = draft.providers.iter().map(|(id, _)| (KeyId(id.0), Secret::new(format!("sk-{}", id.0).into_bytes()))).collect();
    Secrets { keys, identity: None }
}
