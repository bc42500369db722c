use super::*;
use crate::{Auth, Balance, Dialect, Member, Model, Step};

/// The smallest sound draft: one provider, one target, one chain.
pub(crate) fn draft() -> Draft {
    let mut draft = Draft { generation: 7, ..Draft::default() };
    let origin = draft.origins.push(Origin {
        host: "127.0.0.1".into(),
        port: 1,
        tls: None,
        server_name: "127.0.0.1".into(),
        proxy: None,
        warm: 1,
        connections_max: 8,
    });
    let provider = draft.providers.push(Provider {
        name: "p".into(),
        dialect: Dialect::OpenAi,
        speaks: Dialect::OpenAi.speaks(),
        quirks: 0,
        origin,
        base_path: "/v1".into(),
        auth: Auth::Bearer,
        keys: vec![],
        in_flight_max: 8,
        retries: crate::Retries::default(),
        concurrency: crate::Concurrency::default(),
        headers: vec![],
        regions: vec![],
        checks: Vec::new(),
    });
    let target = draft.targets.push(Target {
        name: "p/m".into(),
        provider,
        model: Model::Named("m".into()),
        reasoning: false,
        context_window: None,
        price: None,
        understands: crate::Understands::default(),
        disabled: None,
    });
    let steps = vec![Step::of(Balance::Weighted, vec![Member { target, weight: 1, wording: None }])];
    let chain = draft.chains.push(Chain { attempts_max: 3, ..Chain::over("c", steps) });
    draft.names.push(Name { name: "c".into(), chain, listed: true });
    draft
}

fn check(break_it: impl FnOnce(&mut Draft), expected: &str) {
    let mut draft = draft();
    break_it(&mut draft);
    let flaw = Snapshot::try_new(draft).expect_err("the draft is flawed");
    assert!(flaw.to_string().contains(expected), "{flaw} does not say {expected:?}");
}

#[test]
fn a_sound_draft_is_served() {
    let snapshot = Snapshot::try_new(draft()).unwrap();
    let chain = snapshot.chain_named("c").unwrap();
    assert_eq!(snapshot.chains[chain].name, "c");
    assert_eq!(snapshot.chain_named("d"), None);
}

#[test]
fn every_reference_is_proved() {
    check(|d| d.origins.get_mut(OriginId(0)).unwrap().tls = Some(TlsProfileId(3)), "tls profile#3");
    check(|d| d.providers.get_mut(ProviderId(0)).unwrap().origin = OriginId(9), "origin#9");
    check(|d| d.targets.get_mut(TargetId(0)).unwrap().provider = ProviderId(2), "provider#2");
    check(|d| d.chains.get_mut(ChainId(0)).unwrap().steps[0].members[0].target = TargetId(5), "target#5");
    check(|d| d.names[0].chain = ChainId(4), "chain#4");
    check(|d| d.routes.push(Route { name: "r".into(), when: Default::default(), chain: ChainId(8) }), "chain#8");
}

#[test]
fn every_bound_is_proved() {
    check(|d| d.chains.get_mut(ChainId(0)).unwrap().steps.clear(), "steps is 0");
    check(|d| d.chains.get_mut(ChainId(0)).unwrap().attempts_max = 0, "attempts_max is 0");
    check(|d| d.gateway.listen.clear(), "listeners is 0");
    check(|d| d.gateway.body_memory_bytes = 1, "body_memory_bytes");
    check(|d| d.providers.get_mut(ProviderId(0)).unwrap().headers.push(("a".into(), "b\r\nc: d".into())), "may not stand in a head");
    check(|d| d.providers.get_mut(ProviderId(0)).unwrap().base_path = "v1".into(), "may not stand in a head");
    check(|d| d.names.push(d.names[0].clone()), "ascend");
    check(|d| d.chains.get_mut(ChainId(0)).unwrap().backoff.base_ms = 9_999, "lower bound");
}

#[test]
fn nothing_belongs_to_two() {
    let tenant = |name: &str| Tenant { name: name.into(), digests: vec![[7; 32]], models: vec![], ..Tenant::default() };
    let two = |d: &mut Draft| {
        d.tenants.push(tenant("a"));
        d.tenants.push(tenant("b"));
    };
    check(two, "another tenant has");
    let key = crate::Key::new(crate::KeyId(1), 1);
    check(|d| d.providers.get_mut(ProviderId(0)).unwrap().keys = vec![key, key], "another provider has");
}
