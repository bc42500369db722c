//! The policy that is served now, and how a new one takes its place.
//!
//! The only file that names ArcSwap. The link thread builds a [`Policy`] once and stores it; each
//! shard notices by the generation, takes its own reference once, and hands out local ones, so that
//! no counter is contended. An exchange keeps the policy that it began with.

use arc_swap::ArcSwapOption;
use crossbeam::queue::ArrayQueue;
use engine::{Board, Moment, board::TenantRow, prepared::Prepared};
use policy::{Auth, KeyId, ProviderId, Secrets, Snapshot, Table, Tenant, TlsProfileId, id::Id};
use std::{
    cell::RefCell,
    ops::Deref,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Acquire, Ordering::Release},
    },
};
use zeroize::Zeroizing;

use crate::{
    rendered::{self, Rendered},
    tls,
};

/// A snapshot with everything that is made from it once: lookup tables, credentials as they are
/// sent, trust at each origin.
pub struct Policy {
    prepared: Prepared,
    credentials: Vec<Option<Zeroizing<Vec<u8>>>>,
    trust: Table<TlsProfileId, tls::Trust>,
    server: Option<tls::Server>,
    digest: [u8; 32],
    rendered: Vec<Option<Rendered>>,
}

impl Policy {
    /// Makes a policy ready to be served.
    ///
    /// `before` is the policy in whose place it comes.
    ///
    /// # Errors
    /// Why not, for the operator: a CA file or the server's identity cannot be used.
    pub fn build(snapshot: Snapshot, secrets: &Secrets, digest: [u8; 32], before: Option<&Policy>) -> Result<Policy, String> {
        let mut trust = Table::new();
        for (id, profile) in snapshot.tls_profiles.iter() {
            // Authorities that did not change stay the same object: reading them costs milliseconds,
            // and shards keep their tickets by it.
            let known = before.filter(|before| before.tls_profiles.get(id) == Some(profile)).and_then(|before| before.trust.get(id));
            let read = known.cloned().map_or_else(|| tls::Trust::new(&profile.roots), Ok)?;
            trust.insert(id, read);
        }
        let server = match (&secrets.identity, snapshot.gateway.tls) {
            (Some(identity), true) => Some(tls::Server::new(identity)?),
            (None, true) => return Err("the listeners speak TLS, and no certificate came with the policy".to_owned()),
            (_, false) => None,
        };
        let credentials = credentials(&snapshot, secrets)?;
        let rendered = rendered::all(&snapshot)?;
        Ok(Policy { prepared: Prepared::build(snapshot), credentials, trust, server, digest, rendered })
    }

    /// The lookup tables and the snapshot behind them.
    pub fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// The value of the field that presents `key`, as it is sent.
    pub fn credential(&self, key: KeyId) -> Option<&[u8]> {
        self.credentials.get(key.0 as usize)?.as_ref().map(|value| value.as_slice())
    }

    /// What heads that concern `provider` have in common.
    pub fn rendered(&self, provider: ProviderId) -> &Rendered {
        self.rendered[provider.index()].as_ref().expect("every provider of the snapshot was rendered when it was built")
    }

    /// Whom to trust at origins of `profile`.
    pub fn trust(&self, profile: TlsProfileId) -> &tls::Trust {
        &self.trust[profile]
    }

    /// What is shown to tenants, when listeners speak TLS.
    pub fn server(&self) -> Option<&tls::Server> {
        self.server.as_ref()
    }

    /// BLAKE3 of the image that it was made from.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }
}

impl Deref for Policy {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        self.prepared.snapshot()
    }
}

/// Credentials as they are sent, by key id.
fn credentials(snapshot: &Snapshot, secrets: &Secrets) -> Result<Vec<Option<Zeroizing<Vec<u8>>>>, String> {
    let slots = secrets.keys.last().map_or(0, |(id, _)| id.0 as usize + 1);
    if slots > policy::limits::KEYS_MAX {
        return Err(format!("key ids go up to {slots}, and at most {} are allowed", policy::limits::KEYS_MAX));
    }
    let mut values = vec![None; slots];
    for (_, provider) in snapshot.providers.iter() {
        for key in &provider.keys {
            let Some(secret) = secrets.key(key.id) else { continue };
            let value = match provider.auth {
                Auth::Bearer => [b"Bearer ", secret.reveal()].concat(),
                Auth::Header(_) | Auth::None => secret.reveal().to_vec(),
            };
            if value.is_empty() || !value.iter().all(|byte| (b' '..=b'~').contains(byte)) {
                return Err(format!("a key of provider {:?} holds bytes that may not stand in a head", provider.name));
            }
            values[key.id.0 as usize] = Some(Zeroizing::new(value));
        }
    }
    Ok(values)
}

/// Live state belongs to a thing, not to its id: a target whose id was another's before begins
/// afresh, and a credential that was replaced is tried again at once.
pub fn settle(board: &Board, before: Option<&Policy>, after: &Policy, now: Moment) {
    let Some(before) = before else { return };
    for (id, target) in after.targets.iter() {
        if before.targets.get(id).is_some_and(|known| known.name != target.name) {
            board.forget(id);
        }
    }
    for (id, tenant) in after.tenants.iter().filter(|(_, tenant)| tenant.is_counted()) {
        match before.tenants.get(id) {
            Some(known) if known.name != tenant.name => board.forget_tenant(id),
            Some(known) => change_limits(board.tenant(id), known, tenant, now),
            // Its row may be what another has left, generations ago.
            None => board.forget_tenant(id),
        }
    }
    change_quotas(board, before, after, now);
    for (index, credential) in after.credentials.iter().enumerate() {
        if before.credentials.get(index).is_none_or(|known| known != credential) {
            board.restore_key(KeyId::new(index as u32));
        }
    }
}

fn change_limits(row: &TenantRow, before: &Tenant, after: &Tenant, now: Moment) {
    row.requests.follow(before.requests_per_minute, after.requests_per_minute, now);
    row.tokens.follow(before.tokens_per_minute, after.tokens_per_minute, now);
}

/// The limits of credentials that stay: what was used of them stays used.
fn change_quotas(board: &Board, before: &Policy, after: &Policy, now: Moment) {
    for (id, provider) in after.providers.iter() {
        let known = before.providers.get(id).map_or(&[][..], |known| &known.keys);
        for key in &provider.keys {
            if let Some(known) = known.iter().find(|known| known.id == key.id).filter(|known| *known != key) {
                board.quota(key.id).change(known, key, now);
            }
        }
    }
}

/// The field that presents a credential of `provider`.
pub fn credential_field(policy: &Policy, provider: ProviderId) -> &str {
    match &policy.providers[provider].auth {
        Auth::Header(name) => name,
        Auth::Bearer | Auth::None => "authorization",
    }
}

/// Where the newest policy is.
pub struct Current {
    newest: ArcSwapOption<Policy>,
    generation: AtomicU64,
    /// Policies whose last user was a shard: freeing a large table is the recorder's work.
    retired: ArrayQueue<Arc<Policy>>,
}

/// Policies that may wait to be freed; beyond, the shard frees them itself.
const RETIRED_MAX: usize = 64;

impl Default for Current {
    fn default() -> Self {
        Current { newest: ArcSwapOption::const_empty(), generation: AtomicU64::new(0), retired: ArrayQueue::new(RETIRED_MAX) }
    }
}

impl Current {
    /// Puts `policy` in the place of the one before it.
    pub fn store(&self, policy: Arc<Policy>) {
        let generation = policy.generation;
        let before = self.newest.swap(Some(policy));
        self.generation.store(generation, Release);
        if let Some(before) = before {
            self.retire(before);
        }
    }

    /// Generation of the newest policy; 0 before the first.
    pub fn generation(&self) -> u64 {
        self.generation.load(Acquire)
    }

    /// The newest policy.
    pub fn load(&self) -> Option<Arc<Policy>> {
        self.newest.load_full()
    }

    /// Leaves a reference to be dropped by the recorder.
    fn retire(&self, policy: Arc<Policy>) {
        // A full queue hands the reference back, and it is dropped here: slower, never lost.
        drop(self.retired.push(policy));
    }

    /// Drops what shards have left.
    pub fn sweep(&self) {
        while self.retired.pop().is_some() {}
    }
}

/// A shard's own reference, shared by its exchanges.
pub struct Held {
    policy: Option<Arc<Policy>>,
    current: Arc<Current>,
}

impl Deref for Held {
    type Target = Policy;

    fn deref(&self) -> &Policy {
        self.policy.as_ref().expect("taken only when dropped")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(policy) = self.policy.take() {
            self.current.retire(policy);
        }
    }
}

/// What a shard serves.
pub struct Local {
    current: Arc<Current>,
    held: RefCell<Option<Rc<Held>>>,
}

impl Local {
    /// Serves nothing until the first policy comes.
    pub fn new(current: Arc<Current>) -> Self {
        Local { current, held: RefCell::new(None) }
    }

    /// The newest policy, or `None` before the first. Costs one load while nothing has changed.
    pub fn get(&self) -> Option<Rc<Held>> {
        let mut held = self.held.borrow_mut();
        if held.as_ref().map_or(0, |held| held.generation) != self.current.generation() {
            let newest = self.current.load();
            *held = newest.map(|policy| Rc::new(Held { policy: Some(policy), current: self.current.clone() }));
        }
        held.clone()
    }

    /// Generation of what [`Local::get`] last handed out; 0 before the first.
    pub fn generation(&self) -> u64 {
        self.held.borrow().as_ref().map_or(0, |held| held.generation)
    }
}
