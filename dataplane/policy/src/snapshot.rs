//! The compiled policy: a draft that anybody may write, and the snapshot that is proved from it.

use crate::{
    Blow, Budget, Chain, ChainId, Chaos, Network, Origin, OriginId, Provider, ProviderId, Route, Slowness, Table, Target, TargetId, Tenant,
    TenantId, TlsProfile, TlsProfileId,
    chain::Name,
    health::{Check, What},
    id::Id,
    limits,
};
use serde::{Deserialize, Serialize};
use std::{collections::HashSet, fmt, net::SocketAddr, ops::Deref};

/// Everything that one generation decides, before it is proved.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// Counts up by one with every publish; 0 is none.
    pub generation: u64,
    /// What the process does as a whole.
    pub gateway: Gateway,
    /// Whom to trust at origins.
    pub tls_profiles: Table<TlsProfileId, TlsProfile>,
    /// What pools lead to.
    pub origins: Table<OriginId, Origin>,
    /// Where requests are sent.
    pub providers: Table<ProviderId, Provider>,
    /// What attempts are made at.
    pub targets: Table<TargetId, Target>,
    /// Targets in order.
    pub chains: Table<ChainId, Chain>,
    /// In the order in which they are tried.
    pub routes: Vec<Route>,
    /// What is said differently at some places of chains.
    pub wordings: Vec<crate::chain::Wording>,
    /// Names that requests may give, in ascending order of `name`, unique.
    pub names: Vec<Name>,
    /// Faults that are made on purpose.
    pub chaos: Option<Chaos>,
    /// Who may ask; none means everybody who can reach the listener, which then is loopback.
    pub tenants: Table<TenantId, Tenant>,
}

/// What the process does as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gateway {
    /// Where tenants connect. Changing it needs a restart.
    pub listen: Vec<SocketAddr>,
    /// Where proxies connect that speak the PROXY protocol first. Changing it needs a restart.
    pub introduced: Vec<SocketAddr>,
    /// Networks whose word about addresses is taken there.
    pub proxies: Vec<Network>,
    /// Listeners speak TLS, with the identity in [`crate::Secrets`].
    pub tls: bool,
    /// Where `/livez`, `/readyz` and `/metrics` are. Changing it needs a restart.
    pub admin: Option<SocketAddr>,
    /// Shards; 0 is one less than there are cores. Changing it needs a restart.
    pub shards: u16,
    /// Streams may finish for so long when the process is told to end, in milliseconds.
    pub drain_ms: u64,
    /// File that decision records are appended to as JSON lines; empty is standard error, `off` none.
    pub access_log: String,
    /// Largest request body, in bytes. `<= limits::BODY_BYTES_MAX`.
    pub body_bytes_max: u64,
    /// Bodies held by the whole process, in bytes.
    pub body_memory_bytes: u64,
    /// Answers kept by the whole process for identical requests, in bytes.
    pub cache_memory_bytes: u64,
    /// Exchanges in flight in the whole process.
    pub in_flight_max: u32,
    /// Downstream connections of the whole process.
    pub connections_max: u32,
    /// An exchange beyond the limits waits for so long before it is refused, in milliseconds.
    pub queue_ms: u64,
    /// A request's head must be complete after so long, in milliseconds.
    pub head_ms: u64,
    /// A request's body must be complete after so long, in milliseconds …
    pub body_ms: u64,
    /// … and as much longer as it takes to send it at this rate, in bytes per second.
    pub body_rate_min: u64,
    /// An idle connection is kept for so long, in milliseconds.
    pub keep_alive_ms: u64,
    /// A tenant that takes nothing of its answer for so long is cut off, in milliseconds.
    pub write_stall_ms: u64,
    /// Time that a shard looks for work before it sleeps, in microseconds; 0 sleeps at once.
    pub spin_us: u32,
}

impl Default for Gateway {
    fn default() -> Self {
        Gateway {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 8080))],
            introduced: Vec::new(),
            proxies: Vec::new(),
            tls: false,
            admin: Some(SocketAddr::from(([127, 0, 0, 1], 9901))),
            shards: 0,
            drain_ms: 300_000,
            access_log: String::new(),
            body_bytes_max: 32 * limits::MIB as u64,
            body_memory_bytes: 256 * limits::MIB as u64,
            cache_memory_bytes: 64 * limits::MIB as u64,
            in_flight_max: 4_096,
            connections_max: 65_536,
            queue_ms: 100,
            head_ms: 10_000,
            body_ms: 15_000,
            body_rate_min: 64 * limits::KIB as u64,
            keep_alive_ms: 75_000,
            write_stall_ms: 30_000,
            spin_us: 0,
        }
    }
}

/// A policy that can be served: immutable, every id in range, every bound respected.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot(Draft);

impl Deref for Snapshot {
    type Target = Draft;

    fn deref(&self) -> &Draft {
        &self.0
    }
}

/// What is wrong with a draft. The operator never sees one: the compiler has a bug, or the image
/// was not written by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// Where.
    pub place: String,
    /// What.
    pub complaint: String,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.complaint)
    }
}

impl std::error::Error for Flaw {}

impl Snapshot {
    /// Proves a draft.
    ///
    /// # Errors
    /// The first reference that leads nowhere, or the first bound that is broken.
    pub fn try_new(draft: Draft) -> Result<Snapshot, Flaw> {
        sizes(&draft)?;
        gateway(&draft.gateway)?;
        for (id, origin) in draft.origins.iter() {
            if let Some(profile) = origin.tls {
                taken(&draft.tls_profiles, profile, id)?;
            }
            within(id, "host", origin.host.len(), 1, limits::NAME_BYTES_MAX)?;
            within(id, "warm", origin.warm as usize, 0, limits::WARM_MAX as usize)?;
        }
        let mut keys = HashSet::new();
        for (id, provider) in draft.providers.iter() {
            taken(&draft.origins, provider.origin, id)?;
            within(id, "keys", provider.keys.len(), 0, limits::KEYS_PER_PROVIDER_MAX)?;
            within(id, "name", provider.name.len(), 1, limits::NAME_BYTES_MAX)?;
            within(id, "share of retries", provider.retries.share_permille as usize, 0, 1_000)?;
            within(id, "retries per second", provider.retries.per_second as usize, 1, u32::MAX as usize)?;
            checks_are_sound(id, &provider.checks)?;
            for key in &provider.keys {
                within(id, "key id", key.id.index(), 0, limits::KEYS_MAX - 1)?;
                within(id, "key weight", key.weight as usize, 1, u32::MAX as usize)?;
                if !keys.insert(key.id) {
                    return Err(flaw(id, "has a key that another provider has, or this one twice"));
                }
            }
            if !fields_are_clean(&provider.headers) || !token_path(&provider.base_path) {
                return Err(flaw(id, "a header or the base path holds bytes that may not stand in a head"));
            }
        }
        for (id, target) in draft.targets.iter() {
            taken(&draft.providers, target.provider, id)?;
        }
        for (id, chain) in draft.chains.iter() {
            chain_is_sound(&draft, id, chain)?;
        }
        if let Some(chaos) = &draft.chaos {
            chaos_is_sound(&draft, chaos)?;
        }
        let mut digests = HashSet::new();
        for (id, tenant) in draft.tenants.iter() {
            if let Some(budget) = &tenant.budget {
                budget_is_sound(&draft, id, budget)?;
            }
            for digest in &tenant.digests {
                if !digests.insert(digest) {
                    return Err(flaw(id, "has a key that another tenant has, or this one twice"));
                }
            }
        }
        for (index, route) in draft.routes.iter().enumerate() {
            let place = crate::RouteId::new(index as u32);
            taken(&draft.chains, route.chain, place)?;
            if let Some(tenant) = route.when.tenant {
                taken(&draft.tenants, tenant, place)?;
            }
        }
        for pair in draft.names.windows(2) {
            if pair[0].name >= pair[1].name {
                return Err(Flaw { place: format!("name {:?}", pair[1].name), complaint: "names must ascend".to_owned() });
            }
        }
        for name in &draft.names {
            taken(&draft.chains, name.chain, name.chain)?;
        }
        Ok(Snapshot(draft))
    }

    /// True when there are several tenants, who may be in each other's way.
    pub fn is_shared(&self) -> bool {
        self.tenants.iter().nth(1).is_some()
    }

    /// The chain that answers to `name`, by an exact match.
    pub fn chain_named(&self, name: &str) -> Option<ChainId> {
        let at = self.names.binary_search_by(|entry| entry.name.as_str().cmp(name)).ok()?;
        Some(self.names[at].chain)
    }
}

fn flaw(place: impl fmt::Debug, complaint: &str) -> Flaw {
    Flaw { place: format!("{place:?}"), complaint: complaint.to_owned() }
}

fn within(place: impl fmt::Debug, what: &str, value: usize, min: usize, max: usize) -> Result<(), Flaw> {
    if value < min || value > max {
        return Err(flaw(place, &format!("{what} is {value}, and must be within {min} and {max}")));
    }
    Ok(())
}

fn taken<I: Id, T>(table: &Table<I, T>, id: I, place: impl fmt::Debug) -> Result<(), Flaw> {
    if table.contains(id) { Ok(()) } else { Err(flaw(place, &format!("refers to {id:?}, which does not exist"))) }
}

fn sizes(draft: &Draft) -> Result<(), Flaw> {
    let table = "tables";
    within(table, "origins", draft.origins.slots(), 0, limits::ORIGINS_MAX)?;
    within(table, "providers", draft.providers.slots(), 0, limits::PROVIDERS_MAX)?;
    within(table, "targets", draft.targets.slots(), 0, limits::TARGETS_MAX)?;
    within(table, "chains", draft.chains.slots(), 0, limits::CHAINS_MAX)?;
    within(table, "routes", draft.routes.len(), 0, limits::ROUTES_MAX)?;
    within(table, "names", draft.names.len(), 0, limits::NAMES_MAX)?;
    within(table, "tenants", draft.tenants.slots(), 0, limits::TENANTS_MAX)
}

fn gateway(gateway: &Gateway) -> Result<(), Flaw> {
    let place = "gateway";
    within(place, "listeners", gateway.listen.len() + gateway.introduced.len(), 1, limits::LISTENERS_MAX)?;
    within(place, "body_bytes_max", gateway.body_bytes_max as usize, 1, limits::BODY_BYTES_MAX)?;
    within(place, "in_flight_max", gateway.in_flight_max as usize, 1, u32::MAX as usize)?;
    within(place, "cache_memory_bytes", gateway.cache_memory_bytes as usize, 0, limits::CACHE_BYTES_MAX)?;
    within(place, "connections_max", gateway.connections_max as usize, 1, u32::MAX as usize)?;
    within(place, "body_rate_min", gateway.body_rate_min as usize, 1, usize::MAX)?;
    if gateway.body_memory_bytes < gateway.body_bytes_max {
        return Err(flaw(place, "body_memory_bytes is less than one body of body_bytes_max"));
    }
    Ok(())
}

fn chain_is_sound(draft: &Draft, id: ChainId, chain: &Chain) -> Result<(), Flaw> {
    within(id, "steps", chain.steps.len(), 1, limits::CHAIN_TARGETS_MAX)?;
    within(id, "targets", chain.steps.iter().map(|step| step.members.len()).sum(), 1, limits::CHAIN_TARGETS_MAX)?;
    within(id, "attempts_max", chain.attempts_max as usize, 1, limits::ATTEMPTS_MAX)?;
    within(id, "share of the standby", chain.standby_permille as usize, 0, limits::STANDBY_PERMILLE_MAX as usize)?;
    within(id, "template", chain.template.as_ref().map_or(1, String::len), 1, limits::TEMPLATE_BYTES_MAX)?;
    if let Some(compact) = chain.compact {
        within(id, "keep_turns", compact.keep_turns.into(), 1, limits::KEEP_TURNS_MAX)?;
        compact.summary.map_or(Ok(()), |summary| taken(&draft.chains, summary, id))?;
    }
    within(id, "earlier_ms", chain.earlier_ms as usize, 0, limits::EARLIER_MS_MAX as usize)?;
    within(id, "deadline_ms", chain.patience.deadline_ms as usize, 1, limits::DEADLINE_MS_MAX as usize)?;
    if let Some(hedge) = &chain.hedge {
        within(id, "share of second attempts", hedge.share_permille.into(), 1, 1_000)?;
        match hedge.after {
            Slowness::Ms(ms) => within(id, "time before a second attempt", ms as usize, 1, limits::DEADLINE_MS_MAX as usize)?,
            Slowness::Permille(share) => within(id, "share of quicker answers", share.into(), 1, 999)?,
        }
    }
    for step in &chain.steps {
        within(id, "members of a step", step.members.len(), 1, limits::CHAIN_TARGETS_MAX)?;
        for member in &step.members {
            taken(&draft.targets, member.target, id)?;
            if member.wording.is_some_and(|at| at as usize >= draft.wordings.len()) {
                return Err(flaw(id, "refers to a wording that does not exist"));
            }
            within(id, "weight", member.weight as usize, 1, u32::MAX as usize)?;
        }
    }
    let sound = chain.backoff.base_ms <= chain.backoff.cap_ms && chain.breaker.cooldown_ms <= chain.breaker.cooldown_max_ms;
    if sound { Ok(()) } else { Err(flaw(id, "a lower bound is above its upper bound")) }
}

fn checks_are_sound(id: ProviderId, checks: &[Check]) -> Result<(), Flaw> {
    within(id, "checks", checks.len(), 0, limits::CHECKS_PER_PROVIDER_MAX)?;
    for check in checks {
        within(id, "every_ms of a check", check.every_ms as usize, limits::CHECK_MS_MIN as usize, limits::CHECK_MS_MAX as usize)?;
        within(id, "timeout_ms of a check", check.timeout_ms as usize, 1, limits::CHECK_TIMEOUT_MS_MAX as usize)?;
        within(id, "failures of a check", check.failures as usize, 1, u32::MAX as usize)?;
        within(id, "successes of a check", check.successes as usize, 1, u32::MAX as usize)?;
        match &check.what {
            What::Endpoint { path } => within(id, "path of a check", path.len(), 1, limits::TARGET_BYTES_MAX)?,
            What::Metrics { path, rules, .. } => {
                within(id, "path of a check", path.len(), 1, limits::TARGET_BYTES_MAX)?;
                within(id, "rules of a check", rules.len(), 1, limits::RULES_MAX)?;
            }
            What::Canary(canary) => {
                within(id, "prompt of a canary", canary.prompt.len(), 1, limits::CANARY_BYTES_MAX)?;
                within(id, "confidence of a canary", canary.confidence_permille_min.unwrap_or(0) as usize, 0, 1_000)?;
            }
        }
    }
    Ok(())
}

fn budget_is_sound(draft: &Draft, id: TenantId, budget: &Budget) -> Result<(), Flaw> {
    within(id, "budget", budget.limit.0 as usize, 1, crate::budget::LIMIT_MAX.0 as usize)?;
    within(id, "threshold of the budget", budget.at_permille.into(), 1, 1_000)?;
    budget.then.map_or(Ok(()), |chain| taken(&draft.chains, chain, id))
}

fn chaos_is_sound(draft: &Draft, chaos: &Chaos) -> Result<(), Flaw> {
    let place = "chaos";
    within(place, "strikes", chaos.strikes.len(), 1, limits::STRIKES_MAX)?;
    for strike in &chaos.strikes {
        within(place, "permille", strike.permille as usize, 1, 1_000)?;
        within(place, "targets", strike.targets.len(), 1, limits::TARGETS_MAX)?;
        for target in &strike.targets {
            taken(&draft.targets, *target, place)?;
        }
        match strike.blow {
            Blow::Status { status, .. } => within(place, "status", status.into(), 400, 599)?,
            Blow::Slow { ms } => within(place, "slow", ms as usize, 1, limits::DEADLINE_MS_MAX as usize)?,
            Blow::Price { permille } => within(place, "price", permille as usize, 0, crate::chaos::PRICE_PERMILLE_MAX as usize)?,
            Blow::Connect | Blow::Stall | Blow::Malformed | Blow::Cut => {}
        }
    }
    Ok(())
}

/// RFC 9110, section 5.5: a field value holds no CR, LF or NUL; a name is a token.
fn fields_are_clean(fields: &[(String, String)]) -> bool {
    fields.iter().all(|(name, value)| {
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
            && value.bytes().all(|b| b == b'\t' || (b' '..=b'~').contains(&b))
    })
}

fn token_path(base: &str) -> bool {
    let (path, query) = base.split_once('?').unwrap_or((base, "-"));
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_graphic() && !b"{}?#".contains(&b));
    plain(&path.replace(crate::target::MODEL, "-"))
        && (path.is_empty() || (path.starts_with('/') && !path.ends_with('/')))
        && plain(query)
        && !query.is_empty()
}

#[cfg(test)]
pub(crate) mod tests;
