//! From names to ids: the draft that is sealed, and the secrets beside it.
//!
//! The same named thing keeps its id in every generation, so that breakers, averages, pauses and
//! pools survive a publish. An id that has become free rests for one generation before another
//! thing takes it, so that no live state is inherited in the publish that removes its owner.

use crate::plan::{self, Plan};
use policy::{
    Draft, Flaw, KeyId, Member, Origin, OriginId, Provider, ProviderId, Route, Secrets, Snapshot, Table, Target, TargetId, TenantId,
    TlsProfile, TlsProfileId, chain::Name, id::Id, limits,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};

/// What the generation before decided about ids.
#[derive(Clone, Debug, Default)]
pub struct Previous {
    /// Its tables.
    pub draft: Draft,
    /// Its credentials.
    pub keys: KeyNames,
}

/// Ids of credentials by provider and reference; the draft holds no names for them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyNames(pub BTreeMap<String, u32>);

/// A policy that can be published.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The tables, proved.
    pub draft: Draft,
    /// What travels beside them.
    pub secrets: Secrets,
    /// Ids of credentials, for the next generation.
    pub keys: KeyNames,
}

/// Numbers a plan.
///
/// # Errors
/// A [`Flaw`] is a mistake of ours: validation has let through what the tables do not allow.
pub fn compile(plan: &Plan, previous: &Previous, generation: u64) -> Result<Compiled, Flaw> {
    let before = &previous.draft;
    let mut draft = Draft { generation, gateway: plan.gateway.clone(), ..Draft::default() };

    let profiles = tls_profiles(plan, before, &mut draft);
    let origins = origins(plan, &profiles, before, &mut draft);
    let mut secrets = Secrets { keys: Vec::new(), identity: plan.identity.clone() };
    let keys = key_ids(plan, &previous.keys, &mut secrets);
    let providers = providers(plan, &origins, &keys, before, &mut draft);

    let target_ids =
        assign(names(&before.targets, |target| &target.name), before.targets.slots(), plan.targets.keys(), limits::TARGETS_MAX);
    for (name, target) in &plan.targets {
        draft.targets.insert(
            TargetId::new(target_ids[name]),
            Target {
                name: name.clone(),
                provider: providers[&target.provider],
                model: target.model.clone(),
                reasoning: target.facts.reasoning,
                context_window: target.facts.context_window,
                price: target.facts.price,
                understands: target.facts.understands,
                disabled: target.disabled.clone(),
            },
        );
    }
    let chain_ids = assign(names(&before.chains, |chain| &chain.name), before.chains.slots(), plan.chains.keys(), limits::CHAINS_MAX);
    let mut wordings = Wordings::default();
    for (name, chain) in &plan.chains {
        let made = chain_of(name, chain, (&target_ids, &chain_ids), &mut wordings);
        draft.chains.insert(policy::ChainId::new(chain_ids[name]), made);
    }
    draft.wordings = wordings.list;
    let tenant_names: Vec<&String> = plan.tenants.iter().map(|tenant| &tenant.name).collect();
    let tenant_ids = assign(names(&before.tenants, |tenant| &tenant.name), before.tenants.slots(), tenant_names, limits::TENANTS_MAX);
    for tenant in &plan.tenants {
        let mut made = tenant.clone();
        if let Some(budget) = &mut made.budget {
            budget.then = plan.cheaper.get(&tenant.name).map(|chain| policy::ChainId::new(chain_ids[chain]));
        }
        draft.tenants.insert(TenantId::new(tenant_ids[&tenant.name]), made);
    }
    for route in &plan.routes {
        let mut when = route.when.clone();
        when.tenant = route.tenant.as_ref().map(|name| TenantId::new(tenant_ids[name]));
        draft.routes.push(Route { name: route.name.clone(), when, chain: policy::ChainId::new(chain_ids[&route.chain]) });
    }
    draft.chaos = plan.chaos.as_ref().and_then(|chaos| chaos_of(chaos, &target_ids));
    draft.names = plan
        .names
        .iter()
        .map(|(name, (chain, listed))| Name { name: name.clone(), chain: policy::ChainId::new(chain_ids[chain]), listed: *listed })
        .collect();
    // Proved here as well as in the data plane: a flaw must not leave this process.
    let draft = (*Snapshot::try_new(draft)?).clone();
    Ok(Compiled { draft, secrets, keys: KeyNames(keys) })
}

/// Profiles are the same when they trust the same.
fn tls_profiles(plan: &Plan, before: &Draft, draft: &mut Draft) -> HashMap<String, u32> {
    let mut roots = BTreeMap::new();
    for profile in plan.providers.values().filter_map(|provider| provider.roots.as_ref()) {
        roots.entry(identity_of_roots(profile)).or_insert(profile);
    }
    let known = before.tls_profiles.iter().map(|(id, profile)| (identity_of_roots(&profile.roots), id.index() as u32)).collect();
    let ids = assign(known, before.tls_profiles.slots(), roots.keys(), limits::ORIGINS_MAX);
    for (identity, roots) in roots {
        draft.tls_profiles.insert(TlsProfileId::new(ids[&identity]), TlsProfile { roots: roots.clone() });
    }
    ids
}

fn identity_of_roots(roots: &policy::Roots) -> String {
    match roots {
        policy::Roots::System => "system".to_owned(),
        policy::Roots::SystemAnd(pem) => format!("system and {}", blake3::hash(pem)),
        policy::Roots::Only(pem) => format!("only {}", blake3::hash(pem)),
    }
}

/// Origins are the same when a connection to one would do for the other.
fn origins(plan: &Plan, profiles: &HashMap<String, u32>, before: &Draft, draft: &mut Draft) -> HashMap<String, OriginId> {
    let profile = |provider: &plan::Provider| provider.roots.as_ref().map(|roots| TlsProfileId::new(profiles[&identity_of_roots(roots)]));
    let mut wanted: BTreeMap<String, Origin> = BTreeMap::new();
    let mut of_provider = HashMap::new();
    for (name, provider) in &plan.providers {
        let origin = Origin { tls: profile(provider), ..provider.origin.clone() };
        let identity = identity_of_origin(&origin);
        of_provider.insert(name.clone(), identity.clone());
        wanted
            .entry(identity)
            .and_modify(|shared| {
                shared.warm = shared.warm.max(origin.warm);
                shared.connections_max = shared.connections_max.max(origin.connections_max);
            })
            .or_insert(origin);
    }
    let known = before.origins.iter().map(|(id, origin)| (identity_of_origin(origin), id.index() as u32)).collect();
    let ids = assign(known, before.origins.slots(), wanted.keys(), limits::ORIGINS_MAX);
    for (identity, mut origin) in wanted {
        // Connections are kept warm only where somebody may be asked.
        let asked = plan.providers.iter().any(|(name, provider)| of_provider[name] == identity && provider.disabled.is_none());
        if !asked {
            origin.warm = 0;
        }
        draft.origins.insert(OriginId::new(ids[&identity]), origin);
    }
    of_provider.into_iter().map(|(name, identity)| (name, OriginId::new(ids[&identity]))).collect()
}

fn identity_of_origin(origin: &Origin) -> String {
    format!("{:?} {:?}:{} as {:?} by {:?}", origin.tls, origin.host, origin.port, origin.server_name, origin.proxy)
}

fn key_ids(plan: &Plan, before: &KeyNames, secrets: &mut Secrets) -> BTreeMap<String, u32> {
    let mut wanted = BTreeMap::new();
    for (name, provider) in &plan.providers {
        for key in &provider.keys {
            wanted.insert(key_name(name, key), &key.secret);
        }
    }
    let slots = before.0.values().max().map_or(0, |id| *id as usize + 1);
    let known = before.0.iter().map(|(name, id)| (name.clone(), *id)).collect();
    let ids = assign(known, slots, wanted.keys(), limits::KEYS_MAX);
    secrets.keys = wanted.iter().map(|(name, secret)| (KeyId::new(ids[name]), (*secret).clone())).collect();
    secrets.keys.sort_by_key(|(id, _)| *id);
    ids.into_iter().collect()
}

fn key_name(provider: &str, key: &plan::Key) -> String {
    format!("{provider} {}", key.identity)
}

/// Of two limits the lower one; 0 is none.
fn stricter(one: u64, other: u64) -> u64 {
    if one == 0 || other == 0 { one.max(other) } else { one.min(other) }
}

fn providers(
    plan: &Plan,
    origins: &HashMap<String, OriginId>,
    keys: &BTreeMap<String, u32>,
    before: &Draft,
    draft: &mut Draft,
) -> HashMap<String, ProviderId> {
    let ids =
        assign(names(&before.providers, |provider| &provider.name), before.providers.slots(), plan.providers.keys(), limits::PROVIDERS_MAX);
    for (name, provider) in &plan.providers {
        let mut own: Vec<policy::Key> = Vec::new();
        for key in &provider.keys {
            let id = KeyId::new(keys[&key_name(name, key)]);
            let plan::Key { weight, requests_per_minute, tokens_per_minute, .. } = *key;
            // The same reference twice is one credential with the sum of both shares, and the stricter of both limits.
            match own.iter_mut().find(|other| other.id == id) {
                Some(other) => {
                    other.weight = other.weight.saturating_add(weight);
                    other.requests_per_minute = stricter(other.requests_per_minute, requests_per_minute);
                    other.tokens_per_minute = stricter(other.tokens_per_minute, tokens_per_minute);
                }
                None => own.push(policy::Key { id, weight, requests_per_minute, tokens_per_minute }),
            }
        }
        draft.providers.insert(
            ProviderId::new(ids[name]),
            Provider {
                name: name.clone(),
                dialect: provider.dialect,
                speaks: provider.speaks,
                quirks: provider.quirks.bits(),
                origin: origins[name],
                base_path: provider.base_path.clone(),
                auth: provider.auth.clone(),
                keys: own,
                in_flight_max: provider.in_flight_max,
                retries: provider.retries,
                concurrency: provider.concurrency,
                headers: provider.headers.clone(),
                regions: provider.regions.clone(),
                checks: provider.checks.clone(),
            },
        );
    }
    ids.into_iter().map(|(name, id)| (name, ProviderId::new(id))).collect()
}

/// Wordings in the order in which chains come to them; those that are the same are kept once.
#[derive(Default)]
struct Wordings {
    places: HashMap<[Option<String>; 3], u32>,
    list: Vec<policy::Wording>,
}

impl Wordings {
    fn place_of(&mut self, wording: policy::Wording) -> u32 {
        let parts = [wording.prefix.clone(), wording.suffix.clone(), wording.set.clone()];
        let next = self.list.len() as u32;
        let place = *self.places.entry(parts).or_insert(next);
        if place == next {
            self.list.push(wording);
        }
        place
    }
}

fn chain_of(
    name: &str,
    chain: &plan::Chain,
    (targets, chains): (&HashMap<String, u32>, &HashMap<String, u32>),
    wordings: &mut Wordings,
) -> policy::Chain {
    let compact = |compact: &plan::Compact| policy::chain::Compact {
        keep_turns: compact.keep_turns,
        summary: compact.summary.as_ref().map(|name| policy::ChainId::new(chains[name])),
    };
    let step = |step: &plan::Step, wordings: &mut Wordings| policy::Step {
        balance: step.balance,
        after: step.after,
        affinity: step.affinity,
        members: step
            .members
            .iter()
            .map(|member| Member {
                target: TargetId::new(targets[&member.target]),
                weight: member.weight,
                wording: member.wording.sealed().map(|wording| wordings.place_of(wording)),
            })
            .collect(),
    };
    policy::Chain {
        name: name.to_owned(),
        steps: chain.steps.iter().map(|each| step(each, wordings)).collect(),
        affinity: chain.affinity,
        triggers: chain.triggers.clone(),
        attempts_max: chain.attempts_max,
        backoff: chain.backoff,
        patience: chain.patience,
        breaker: chain.breaker,
        stream_reasoning: chain.stream_reasoning,
        drop_params: chain.drop_params,
        mix_dimensions: chain.mix_dimensions,
        price_max: chain.price_max,
        template: chain.template.clone(),
        hedge: chain.hedge,
        standby_permille: chain.standby_permille,
        earlier_ms: chain.earlier_ms,
        compact: chain.compact.as_ref().map(compact),
    }
}

/// Targets that the policy has no longer are left out.
fn chaos_of(chaos: &plan::Chaos, ids: &HashMap<String, u32>) -> Option<policy::Chaos> {
    let strike = |(names, permille, blow): &(Vec<String>, u32, policy::Blow)| {
        let targets: Vec<TargetId> = names.iter().filter_map(|name| ids.get(name)).map(|id| TargetId::new(*id)).collect();
        (!targets.is_empty()).then_some(policy::Strike { targets, permille: *permille, blow: *blow })
    };
    let strikes: Vec<policy::Strike> = chaos.strikes.iter().filter_map(strike).collect();
    (!strikes.is_empty()).then_some(policy::Chaos { until_ms: chaos.until_ms, strikes })
}

fn names<I: Id, T>(table: &Table<I, T>, name: impl Fn(&T) -> &String) -> HashMap<String, u32> {
    table.iter().map(|(id, entry)| (name(entry).clone(), id.index() as u32)).collect()
}

/// An id for every name: the one that it had, or a free one. Ids that the generation before used
/// are free only when there would be none else.
fn assign<'a>(known: HashMap<String, u32>, slots: usize, wanted: impl IntoIterator<Item = &'a String>, max: usize) -> HashMap<String, u32> {
    let resting: HashSet<u32> = known.values().copied().collect();
    let mut ids = HashMap::new();
    let mut fresh = Vec::new();
    for name in wanted {
        match known.get(name) {
            Some(id) => {
                ids.insert(name.clone(), *id);
            }
            None => fresh.push(name),
        }
    }
    let taken: HashSet<u32> = ids.values().copied().collect();
    let never_used = (0..max as u32).filter(|id| !resting.contains(id));
    let resting_now = (0..slots as u32).filter(|id| resting.contains(id) && !taken.contains(id));
    for (name, id) in fresh.into_iter().zip(never_used.chain(resting_now)) {
        ids.insert(name.clone(), id);
    }
    ids
}

#[cfg(test)]
mod tests;
