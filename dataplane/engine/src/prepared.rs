//! A snapshot and what makes it quick to read, built once per publish.

use crate::{
    judge::{self, Family},
    moment::Moment,
    strike::Strikes,
};
use policy::{Breaker, ChainId, Model, ProviderId, RouteId, Snapshot, TargetId, TenantId, chain::By, id::Id, limits, route::Pattern};
use std::{ops::Deref, sync::Arc};

mod condition;
mod digests;
mod index;
mod plan;

use condition::Condition;
use index::{Goal, Index, Kind};
pub(crate) use plan::Place;
pub use plan::speaks;

/// A snapshot with its indexes. Immutable; shared by every shard.
#[derive(Debug)]
pub struct Prepared {
    snapshot: Arc<Snapshot>,
    index: Index,
    digests: digests::Digests,
    plan: plan::Plan,
    /// By target: the largest window, in milliseconds, that a chain asks its breaker to count.
    windows_ms: Vec<u64>,
    /// By provider: the same for the breakers of its accounts.
    account_windows_ms: Vec<u64>,
    /// By provider: whose words its errors are said in.
    families: Vec<Family>,
    strikes: Strikes,
    /// There are several tenants.
    shared: bool,
}

/// How a request came to its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The request named the chain in a field of its head.
    Asked,
    /// A route took it.
    Route(RouteId),
    /// The name in its `model`.
    Name,
    /// Its tenant's budget is used up so far that it takes another chain than it asked for.
    Budget,
    /// It is asked beside another exchange, and for that one.
    Aside,
}

impl Deref for Prepared {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.snapshot
    }
}

impl Prepared {
    /// Builds the indexes. On the link thread, never on a shard: this allocates.
    pub fn build(snapshot: impl Into<Arc<Snapshot>>) -> Prepared {
        let snapshot = snapshot.into();
        let mut windows_ms = vec![0; snapshot.targets.slots()];
        let mut account_windows_ms = vec![0; snapshot.providers.slots()];
        for (_, chain) in snapshot.chains.iter() {
            for member in chain.steps.iter().flat_map(|step| &step.members) {
                let window = &mut windows_ms[member.target.index()];
                *window = chain.breaker.window_ms.max(*window);
                let window = &mut account_windows_ms[snapshot.targets[member.target].provider.index()];
                *window = chain.breaker.window_ms.max(*window);
            }
        }
        let mut families = vec![Family::Other; snapshot.providers.slots()];
        for (id, provider) in snapshot.providers.iter() {
            families[id.index()] = Family::of(provider, &snapshot.origins[provider.origin]);
        }
        judge::prepare();
        let index = build_index(&snapshot);
        let digests = digests::Digests::build(&snapshot);
        let plan = plan::Plan::build(&snapshot);
        let strikes = Strikes::build(&snapshot);
        let shared = snapshot.is_shared();
        Prepared { snapshot, shared, index, digests, plan, windows_ms, account_windows_ms, families, strikes }
    }

    /// The snapshot itself.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Who presented a key with this digest.
    pub(crate) fn tenant_by_digest(&self, digest: &[u8; 32]) -> Option<TenantId> {
        self.digests.find(digest)
    }

    /// True when nobody has to say who asks.
    pub(crate) fn is_open(&self) -> bool {
        self.digests.is_empty()
    }

    /// The chain of this name.
    pub fn chain_called(&self, name: &str) -> Option<ChainId> {
        self.index.exact(Kind::Chain, name)
    }

    /// The chain that answers to a name: exactly, or by the longest `prefix/*` that it begins with.
    pub fn chain_for_name(&self, model: &str) -> Option<ChainId> {
        self.index.exact(Kind::Name, model).or_else(|| self.index.longest(Kind::NamePrefix, model))
    }

    /// The first route, in the order of the policy, whose every predicate holds, and its chain.
    pub fn route_for<'f>(
        &self,
        model: &str,
        tenant: Option<TenantId>,
        field: &dyn Fn(&str) -> Option<&'f [u8]>,
    ) -> Option<(RouteId, ChainId)> {
        self.index.route(model, tenant, field).map(|(route, chain)| (RouteId(route), chain))
    }

    /// The model to ask `target` for when the request named `model`. `None` when the target takes
    /// what follows its provider's name, and nothing does.
    pub fn model_for<'m>(&'m self, target: TargetId, model: &'m str) -> Option<&'m str> {
        let target = &self.snapshot.targets[target];
        match &target.model {
            Model::Named(name) => Some(name),
            Model::Rest => {
                let provider = &self.snapshot.providers[target.provider].name;
                model.strip_prefix(provider.as_str())?.strip_prefix('/').filter(|rest| !rest.is_empty())
            }
        }
    }

    /// The breaker's rules for `target` in `chain`. A target has one breaker, whatever chains it is
    /// in, so its window is that of the chain that looks back farthest.
    pub fn breaker(&self, chain: ChainId, target: TargetId) -> Breaker {
        let chain = &self.snapshot.chains[chain];
        Breaker {
            window_ms: self.windows_ms[target.index()],
            failure_permille: chain.triggers.error_permille.unwrap_or(chain.breaker.failure_permille),
            ..chain.breaker
        }
    }

    /// The rules of the breakers of a provider's accounts, as [`Prepared::breaker`].
    pub(crate) fn account_breaker(&self, chain: ChainId, provider: ProviderId) -> Breaker {
        let chain = &self.snapshot.chains[chain];
        Breaker { window_ms: self.account_windows_ms[provider.index()], ..chain.breaker }
    }

    /// What makes requests of a chain one session: its own word, or that of its first step that asks for it.
    pub fn affinity(&self, chain: ChainId) -> Option<By> {
        let chain = &self.snapshot.chains[chain];
        chain.affinity.or_else(|| chain.steps.iter().find_map(|step| step.affinity)).map(|affinity| affinity.by)
    }

    /// True when there are several tenants, who may be in each other's way.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared
    }

    /// What may strike attempts at a target, in a rehearsal.
    pub(crate) fn strikes(&self, target: TargetId) -> &[(u32, policy::Blow)] {
        self.strikes.at(target)
    }

    /// What tokens of `target` cost, as far as is known; in a rehearsal of other prices, those. `unix_ms` is
    /// asked only while there is a rehearsal.
    pub fn price(&self, target: TargetId, unix_ms: impl FnOnce() -> u64) -> Option<policy::Price> {
        let price = self.snapshot.targets[target].price?;
        match self.strikes.factor(target) {
            Some(permille) if self.snapshot.chaos.as_ref().is_some_and(|chaos| unix_ms() < chaos.until_ms) => Some(price.times(permille)),
            _ => Some(price),
        }
    }

    /// Whose words the errors of a provider are said in.
    pub fn family(&self, provider: ProviderId) -> Family {
        self.families[provider.index()]
    }

    /// The members of a chain, step by step.
    pub(crate) fn places(&self, chain: ChainId) -> &[Place] {
        self.plan.places(chain)
    }

    /// The credentials that can be used at a place.
    pub(crate) fn keys<'a>(&'a self, place: &'a Place) -> &'a [policy::Key] {
        self.plan.keys(place)
    }

    /// The end of an exchange that began at `started`.
    pub(crate) fn deadline(&self, chain: ChainId, started: Moment, asked_ms: Option<u64>) -> Moment {
        let ms = self.snapshot.chains[chain].patience.deadline_ms.min(limits::DEADLINE_MS_MAX);
        started.plus_ms(asked_ms.map_or(ms, |asked| asked.min(ms)))
    }
}

fn build_index(snapshot: &Snapshot) -> Index {
    let mut entries = index::Builder::default();
    for (id, chain) in snapshot.chains.iter() {
        entries.exact(Kind::Chain, &chain.name, id);
    }
    for name in &snapshot.names {
        match name.name.strip_suffix('*').filter(|prefix| prefix.ends_with('/')) {
            Some(prefix) => entries.exact(Kind::NamePrefix, prefix, name.chain),
            None => entries.exact(Kind::Name, &name.name, name.chain),
        }
    }
    for (at, route) in snapshot.routes.iter().enumerate() {
        let when = &route.when;
        let fields: Vec<Condition<'_>> = when.headers.iter().map(|(name, value)| Condition::Field(name, value.as_bytes())).collect();
        let goal = |rest| Goal { at: at as u32, chain: route.chain, rest };
        match &when.model {
            Some(Pattern::Exact(model)) => entries.route(Kind::RouteExact, model.as_bytes(), when.tenant, goal(&fields)),
            Some(Pattern::Ends(begin, end)) if !begin.is_empty() => {
                let end = Some(Condition::End(end.as_bytes())).filter(|_| !end.is_empty());
                let rest: Vec<Condition<'_>> = end.into_iter().chain(fields).collect();
                entries.route(Kind::RoutePrefix, begin.as_bytes(), when.tenant, goal(&rest));
            }
            Some(Pattern::Ends(_, end)) if !end.is_empty() => {
                let reversed: Vec<u8> = end.bytes().rev().collect();
                entries.route(Kind::RouteSuffix, &reversed, when.tenant, goal(&fields));
            }
            _ => match when.headers.first() {
                Some((name, value)) => entries.route_by_field((name, value.as_bytes()), when.tenant, goal(&fields[1..])),
                None => entries.route(Kind::RouteAny, b"", when.tenant, goal(&[])),
            },
        }
    }
    entries.build()
}

#[cfg(test)]
pub(crate) mod tests;
