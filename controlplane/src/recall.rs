//! From the tables of an old generation back to a plan, with today's secrets.
//!
//! A rollback is compiled like any other policy, so that ids stay with their names.

use crate::{
    catalogue::Facts,
    compile::KeyNames,
    journal::Entry,
    plan::{self, Plan},
    reference::{self, Reference, Surroundings},
};
use policy::{Draft, KeyId, Secrets};
use std::collections::BTreeMap;

/// Reads an old draft.
///
/// `today` holds the secrets of the live generation by name, for what no reference leads to. Targets
/// that were set aside then are not so for that reason now.
///
/// # Errors
/// In words, which credential is missing.
pub fn plan(draft: &Draft, entry: &Entry, today: (&KeyNames, &Secrets), from: &Surroundings) -> Result<Plan, String> {
    let mut plan = Plan { gateway: draft.gateway.clone(), ..Plan::default() };
    if draft.gateway.tls {
        let identity = today.1.identity.clone();
        plan.identity = Some(identity.ok_or("that generation speaks TLS to tenants, and today's policy has no certificate for it")?);
    }
    let provider_names = |id| draft.providers[id].name.clone();
    let chain_names = |id| draft.chains[id].name.clone();
    for (_, provider) in draft.providers.iter() {
        plan.providers.insert(provider.name.clone(), provider_of(draft, provider, &entry.keys, today, from)?);
    }
    for (_, target) in draft.targets.iter() {
        plan.targets.insert(
            target.name.clone(),
            plan::Target {
                provider: provider_names(target.provider),
                model: target.model.clone(),
                facts: Facts {
                    reasoning: target.reasoning,
                    context_window: target.context_window,
                    price: target.price,
                    cached: target.price.and_then(|price| price.cached),
                    cache_write: target.price.and_then(|price| price.cache_write),
                    understands: target.understands,
                    ..Facts::default()
                },
                disabled: target.disabled.clone().filter(|_| !entry.aside.contains(&target.name)),
            },
        );
    }
    for (_, chain) in draft.chains.iter() {
        plan.chains.insert(
            chain.name.clone(),
            plan::Chain {
                steps: chain.steps.iter().map(|step| step_of(draft, step)).collect::<Result<_, _>>()?,
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
                compact: chain
                    .compact
                    .map(|compact| plan::Compact { keep_turns: compact.keep_turns, summary: compact.summary.map(chain_names) }),
            },
        );
    }
    plan.cheaper = draft.tenants.iter().filter_map(|(_, tenant)| Some((tenant.name.clone(), chain_names(tenant.budget?.then?)))).collect();
    plan.tenants = draft.tenants.iter().map(|(_, tenant)| tenant.clone()).collect();
    plan.routes = draft
        .routes
        .iter()
        .map(|route| plan::Route {
            name: route.name.clone(),
            tenant: route.when.tenant.map(|id| draft.tenants[id].name.clone()),
            when: policy::Predicate { tenant: None, ..route.when.clone() },
            chain: chain_names(route.chain),
        })
        .collect();
    plan.names = draft.names.iter().map(|name| (name.name.clone(), (chain_names(name.chain), name.listed))).collect();
    Ok(plan)
}

fn step_of(draft: &Draft, step: &policy::Step) -> Result<plan::Step, String> {
    let member = |member: &policy::Member| {
        let target = draft.targets[member.target].name.clone();
        let wording = member.wording.map(|at| plan::Wording::unsealed(&draft.wordings[at as usize])).transpose();
        let wording = wording.map_err(|error| format!("what that generation sets for `{target}` cannot be read: {error}"))?;
        Ok(plan::Member { target, weight: member.weight, wording: wording.unwrap_or_default() })
    };
    let members = step.members.iter().map(member).collect::<Result<_, String>>()?;
    Ok(plan::Step { balance: step.balance, members, after: step.after, affinity: step.affinity })
}

fn provider_of(
    draft: &Draft,
    provider: &policy::Provider,
    keys: &KeyNames,
    today: (&KeyNames, &Secrets),
    from: &Surroundings,
) -> Result<plan::Provider, String> {
    let names: BTreeMap<u32, &String> = keys.0.iter().map(|(name, id)| (*id, name)).collect();
    let origin = &draft.origins[provider.origin];
    let mut found = Vec::new();
    for key in &provider.keys {
        let name = names.get(&key.id.0).ok_or_else(|| format!("the journal has no reference for a key of `{}`", provider.name))?;
        let identity = name.strip_prefix(&format!("{} ", provider.name)).unwrap_or(name).to_owned();
        let secret = match reference::parse(&identity) {
            Reference::Literal => today.0.0.get(*name).and_then(|id| today.1.key(KeyId(*id))).cloned(),
            _ => Some(reference::credential(&identity, from).map_err(|missing| missing.to_string())?),
        };
        let secret = secret.ok_or_else(|| format!("a key of `{}` stood in the policy itself, and does not today", provider.name))?;
        let policy::Key { weight, requests_per_minute, tokens_per_minute, .. } = *key;
        found.push(plan::Key { identity, secret, weight, requests_per_minute, tokens_per_minute });
    }
    Ok(plan::Provider {
        dialect: provider.dialect,
        speaks: provider.speaks,
        quirks: codec::dialect::Quirks::from_bits(provider.quirks),
        origin: policy::Origin { tls: None, ..origin.clone() },
        roots: origin.tls.map(|profile| draft.tls_profiles[profile].roots.clone()),
        base_path: provider.base_path.clone(),
        auth: provider.auth.clone(),
        keys: found,
        in_flight_max: provider.in_flight_max,
        retries: provider.retries,
        concurrency: provider.concurrency,
        headers: provider.headers.clone(),
        regions: provider.regions.clone(),
        checks: provider.checks.clone(),
        disabled: None,
    })
}

#[cfg(test)]
mod tests;
