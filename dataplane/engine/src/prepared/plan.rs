//! What a request needs to know of a chain, in as few cache lines as it takes.
//!
//! The tables of a snapshot are made to be read by people and compilers: a chain leads to steps,
//! those to members, those to targets, those to providers, those to credentials. Out of cache every
//! one of those steps is a wait, so the parts that every request reads are laid out side by side.

use codec::dialect::{self, Needs};
use policy::{ChainId, ClassSet, Dialect, Key, Model, Price, Provider, ProviderId, Snapshot, Speaks, Target, TargetId, id::Id};
use std::collections::HashMap;

/// Every chain's places.
#[derive(Debug)]
pub(super) struct Plan {
    /// By chain.
    chains: Vec<Span>,
    places: Vec<Place>,
    keys: Vec<Key>,
}

/// Part of a list: `[start..start + count]`.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    count: u32,
}

/// One member of a chain and where it leads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) target: TargetId,
    pub(crate) provider: ProviderId,
    pub(crate) in_flight_max: u32,
    pub(crate) retries: policy::Retries,
    /// What it refuses limits what is in flight there.
    pub(crate) adaptive: bool,
    keys: Span,
    /// The first of them: of most providers the only one.
    key: Option<Key>,
    pub(crate) step: u8,
    pub(crate) member: u8,
    /// Where its provider processes data: a bit for each region, or for some that share one.
    pub(crate) regions: u64,
    /// The policy says that it is never eligible.
    pub(crate) disabled: bool,
    /// It takes its model from the request.
    pub(crate) rest: bool,
    /// The dialects that need no translation.
    pub(crate) speaks: Speaks,
    /// What the model cannot be told.
    lacks: Needs,
    /// What it cannot be told in its provider's dialect by a request that is written in another.
    foreign_lacks: Needs,
    /// Tokens that fit; 0 is not known.
    pub(crate) window: u32,
    /// Failures of which one must have happened; none is as its turn comes.
    pub(crate) after: ClassSet,
    /// It costs more than the chain allows.
    pub(crate) dear: bool,
}

/// What has a meaning only where it was written.
const OWN: Needs = Needs::OWN.and(Needs::STATE).and(Needs::PROVIDER_TOOLS);

impl Place {
    /// What it cannot be told by a request in this dialect.
    pub(crate) fn lacks(&self, spoken: Speaks) -> Needs {
        if self.speaks.any(spoken) { self.lacks } else { self.lacks.and(self.foreign_lacks) }
    }
}

/// The dialects in which a target is asked without translation: its provider's, but for Chat Completions
/// where the model is served by Responses alone.
pub fn speaks(provider: &Provider, target: &Target) -> Speaks {
    let no_chat = Needs::from_bits(target.understands.lacks).has(Needs::CHAT);
    if no_chat && provider.speaks.any(Speaks::RESPONSES) { provider.speaks.without(Speaks::CHAT) } else { provider.speaks }
}

fn foreign_lacks(dialect: Dialect, speaks: Speaks) -> Needs {
    let spoken = match dialect {
        Dialect::OpenAi if speaks.any(Speaks::CHAT) => dialect::Dialect::Openai,
        Dialect::OpenAi => dialect::Dialect::Responses,
        Dialect::Anthropic => dialect::Dialect::Anthropic,
        Dialect::Gemini => dialect::Dialect::Gemini,
    };
    dialect::lacks(spoken).and(OWN)
}

/// True when a price is above what is allowed, of which 0 is no limit.
fn is_above(price: Price, most: Price) -> bool {
    (most.input > 0 && price.input > most.input) || (most.output > 0 && price.output > most.output)
}

/// By provider: its regions as bits. Beyond sixty-four of them, some share one.
fn regions(snapshot: &Snapshot) -> Vec<u64> {
    let mut known: HashMap<&str, usize> = HashMap::new();
    let mut sets = vec![0; snapshot.providers.slots()];
    for (id, provider) in snapshot.providers.iter() {
        for region in &provider.regions {
            let next = known.len();
            sets[id.index()] |= 1 << (*known.entry(region).or_insert(next) % 64);
        }
    }
    sets
}

impl Plan {
    pub(super) fn build(snapshot: &Snapshot) -> Plan {
        let mut keys = Vec::new();
        let regions = regions(snapshot);
        let mut spans = vec![Span::default(); snapshot.providers.slots()];
        for (id, provider) in snapshot.providers.iter() {
            spans[id.index()] = Span { start: keys.len() as u32, count: provider.keys.len() as u32 };
            keys.extend_from_slice(&provider.keys);
        }
        let mut plan = Plan { chains: vec![Span::default(); snapshot.chains.slots()], places: Vec::new(), keys };
        for (id, chain) in snapshot.chains.iter() {
            let start = plan.places.len() as u32;
            for (step, at) in chain.steps.iter().zip(0..) {
                for (member, place) in step.members.iter().zip(0..) {
                    let target = &snapshot.targets[member.target];
                    let provider = &snapshot.providers[target.provider];
                    plan.places.push(Place {
                        target: member.target,
                        provider: target.provider,
                        in_flight_max: provider.in_flight_max,
                        retries: provider.retries,
                        adaptive: provider.concurrency == policy::Concurrency::Adaptive,
                        keys: spans[target.provider.index()],
                        regions: regions[target.provider.index()],
                        key: provider.keys.first().copied(),
                        step: at,
                        member: place,
                        disabled: target.disabled.is_some(),
                        rest: target.model == Model::Rest,
                        speaks: speaks(provider, target),
                        lacks: Needs::from_bits(target.understands.lacks),
                        foreign_lacks: foreign_lacks(provider.dialect, speaks(provider, target)),
                        window: target.context_window.unwrap_or(0),
                        after: step.after,
                        dear: target.price.is_some_and(|price| is_above(price, chain.price_max)),
                    });
                }
            }
            plan.chains[id.index()] = Span { start, count: plan.places.len() as u32 - start };
        }
        plan
    }

    /// The members of a chain, step by step.
    pub(super) fn places(&self, chain: ChainId) -> &[Place] {
        let span = self.chains[chain.index()];
        &self.places[span.start as usize..][..span.count as usize]
    }

    /// The credentials of a place's provider.
    pub(super) fn keys<'a>(&'a self, place: &'a Place) -> &'a [Key] {
        // Read from beside the place: out of cache, the list would be one more wait.
        if place.keys.count <= 1 {
            return place.key.as_slice();
        }
        &self.keys[place.keys.start as usize..][..place.keys.count as usize]
    }
}
