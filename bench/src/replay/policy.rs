//! The policy that is played: one chain, its targets in order, everything else as a policy has it that
//! says nothing about it.

use super::incidents::Month;
use policy::{
    Auth, Balance, Chain, Dialect, Draft, Key, KeyId, Member, Model, Origin, Patience, Provider, Snapshot, Step, Target, Understands,
    chain::Name,
};

/// What requests call the model.
pub(super) const MODEL: &str = "chat";

/// A chain over these providers of the month, in this order, one target each.
pub(super) fn snapshot(month: &Month, chain: &[usize], deadline_ms: u64) -> Snapshot {
    let mut draft = Draft { generation: 1, ..Draft::default() };
    let mut steps = Vec::new();
    for (at, &number) in chain.iter().enumerate() {
        let name = &month.providers[number].name;
        let origin = draft.origins.push(Origin {
            host: format!("{name}.invalid"),
            port: 443,
            tls: None,
            server_name: format!("{name}.invalid"),
            proxy: None,
            warm: 0,
            connections_max: 1_000,
        });
        let provider = draft.providers.push(Provider {
            name: name.clone(),
            dialect: Dialect::OpenAi,
            speaks: Dialect::OpenAi.speaks(),
            quirks: 0,
            origin,
            base_path: "/v1".to_owned(),
            auth: Auth::Bearer,
            keys: vec![Key::new(KeyId(at as u32), 1)],
            in_flight_max: 1_000_000,
            headers: vec![],
            regions: vec![],
            checks: Vec::new(),
            retries: policy::Retries::default(),
            concurrency: policy::Concurrency::default(),
        });
        let target = draft.targets.push(Target {
            name: format!("{name}/m"),
            provider,
            model: Model::Named("m".to_owned()),
            reasoning: false,
            context_window: None,
            price: None,
            understands: Understands::default(),
            disabled: None,
        });
        steps.push(Step::of(Balance::Weighted, vec![Member { target, weight: 1, wording: None }]));
    }
    let patience = Patience { deadline_ms, ..Patience::default() };
    let chain = draft.chains.push(Chain { patience, ..Chain::over(MODEL, steps) });
    draft.names.push(Name { name: MODEL.to_owned(), chain, listed: true });
    Snapshot::try_new(draft).expect("every id of it is in range")
}
