//! Warm connections: one pool per origin, filled ahead of need.
//!
//! A pooled connection stays armed, so that a close is known before it is picked. It is reused only
//! when the answer before ended exactly where it said it would.

use crate::{connect, current::Held, io::Instant, meters::Meter, shard::Shard, wire::Wire};
use codec::body;
use policy::{Origin, OriginId, id::Id, limits};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::atomic::Ordering::Relaxed,
    time::Duration,
};

/// A connection beyond the warm ones is kept for so long without work, in milliseconds.
const IDLE_MS: u64 = 55_000;
/// No connection is kept longer than this, in milliseconds: addresses and certificates change.
const AGE_MS: u64 = 600_000;
/// A connection that is to be kept warm may take so long to open, in milliseconds.
const WARM_CONNECT_MS: u64 = 3_000;
/// Handshakes begun by one round of warming, over all origins: each costs as much as 20 requests.
const OPENED_PER_ROUND: usize = 2;
/// Between two rounds of warming while connections are missing …
const ROUND: Duration = Duration::from_millis(20);
/// … and while none is.
const ROUND_QUIET: Duration = Duration::from_millis(100);
/// First wait after an origin could not be reached, in milliseconds; doubles.
const RETRY_MS: u64 = 250;
/// Longest wait after an origin could not be reached, in milliseconds.
const RETRY_MS_MAX: u64 = 15_000;
/// What is left of an answer after its terminal marker is waited for this long, in milliseconds.
const DRAIN_MS: u64 = 1_000;

/// Warm connections of one shard.
#[derive(Default)]
pub struct Pools {
    pools: RefCell<Vec<Option<Pool>>>,
    /// Generation that the pools were last brought in line with.
    generation: Cell<u64>,
    /// Origins that are first or second in an active chain.
    wanted: RefCell<Vec<OriginId>>,
}

struct Pool {
    origin: Origin,
    /// Last in, first out: the youngest is the least likely to be closed by the other side.
    idle: Vec<Idle>,
    busy: u32,
    opening: bool,
    failures: u32,
    retry_at: Instant,
}

struct Idle {
    wire: Wire,
    opened: Instant,
    since: Instant,
}

/// A connection that is being used for one attempt.
pub struct Upstream {
    /// The connection.
    pub wire: Wire,
    /// It carried a request before: the provider may have closed it at any moment.
    pub reused: bool,
    opened: Instant,
    busy: Busy,
}

/// Counts a connection as busy until it is dropped, whatever becomes of it.
struct Busy {
    shard: Rc<Shard>,
    origin: OriginId,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.shard.pools.with(self.origin, |pool| {
            pool.busy -= 1;
            pool.show(&self.shard, self.origin);
        });
    }
}

impl Pools {
    fn with<R>(&self, origin: OriginId, with: impl FnOnce(&mut Pool) -> R) -> Option<R> {
        self.pools.borrow_mut().get_mut(origin.index())?.as_mut().map(with)
    }

    /// Brings the pools in line with a policy: connections to what is still there stay.
    pub fn reconcile(&self, shard: &Shard, policy: &Held) {
        if self.generation.replace(policy.generation) == policy.generation {
            return;
        }
        let mut pools = self.pools.borrow_mut();
        let slots = pools.len().max(policy.origins.slots());
        pools.resize_with(slots, || None);
        for (index, slot) in pools.iter_mut().enumerate() {
            let id = OriginId::new(index as u32);
            match (slot.as_mut(), policy.origins.get(id)) {
                (Some(pool), Some(origin)) if same_place(&pool.origin, origin) => pool.origin = origin.clone(),
                (Some(pool), Some(origin)) => {
                    pool.origin = origin.clone();
                    pool.drop_idle(shard, id);
                }
                // What is busy is counted in the slot, so that the slot stays.
                (Some(pool), None) => pool.drop_idle(shard, id),
                (None, Some(origin)) => {
                    *slot = Some(Pool {
                        origin: origin.clone(),
                        idle: Vec::new(),
                        busy: 0,
                        opening: false,
                        failures: 0,
                        retry_at: Instant::default(),
                    })
                }
                (None, None) => {}
            }
        }
        *self.wanted.borrow_mut() = wanted(policy);
    }

    /// A warm connection to `origin`, if there is one that lives.
    pub fn pick(&self, shard: &Rc<Shard>, origin: OriginId) -> Option<Upstream> {
        loop {
            let mut idle = self.with(origin, |pool| {
                let idle = pool.idle.pop();
                pool.show(shard, origin);
                idle
            })??;
            shard.meters().sub(Meter::UpstreamIdle, 1);
            if !idle.wire.dead() {
                return Some(Upstream { wire: idle.wire, reused: true, opened: idle.opened, busy: self.count(shard, origin) });
            }
        }
    }

    /// Counts a connection that was just opened for an attempt.
    pub fn adopt(&self, shard: &Rc<Shard>, origin: OriginId, wire: Wire) -> Upstream {
        Upstream { wire, reused: false, opened: shard.io.now(), busy: self.count(shard, origin) }
    }

    fn count(&self, shard: &Rc<Shard>, origin: OriginId) -> Busy {
        self.with(origin, |pool| {
            pool.busy += 1;
            pool.show(shard, origin);
        });
        Busy { shard: shard.clone(), origin }
    }

    fn keep(&self, shard: &Shard, origin: OriginId, wire: Wire, opened: Instant) {
        let now = shard.io.now();
        let kept = self.with(origin, |pool| {
            // A shard that ends has no use for it any more.
            let room = pool.idle.len() < limits::POOL_IDLE_MAX && now.millis_since(opened) < AGE_MS && !shard.process.draining();
            if room {
                pool.idle.push(Idle { wire, opened, since: now });
                pool.show(shard, origin);
            }
            room
        });
        if kept == Some(true) {
            shard.meters().add(Meter::UpstreamIdle, 1);
        }
    }

    /// How many warm connections there are, over all origins.
    pub fn idle_count(&self) -> usize {
        self.pools.borrow().iter().flatten().map(|pool| pool.idle.len()).sum()
    }

    /// Drops every warm connection, at the end.
    pub fn clear(&self, shard: &Shard) {
        for (index, pool) in self.pools.borrow_mut().iter_mut().enumerate() {
            if let Some(pool) = pool {
                pool.drop_idle(shard, OriginId::new(index as u32));
            }
        }
    }

    /// Closes what is dead or old, and tells which origins are short of warm connections.
    fn tidy(&self, shard: &Shard) -> Vec<OriginId> {
        let now = shard.io.now();
        let mut short = Vec::new();
        let wanted = self.wanted.borrow();
        for (index, slot) in self.pools.borrow_mut().iter_mut().enumerate() {
            let Some(pool) = slot else { continue };
            let origin = OriginId::new(index as u32);
            let is_wanted = wanted.contains(&origin);
            let warm = if is_wanted { pool.origin.warm.max(1) as usize } else { 0 };
            pool.close_old(shard, origin, warm, now);
            let connections = pool.idle.len() as u32 + pool.busy;
            let may = connections < shard.share(pool.origin.connections_max);
            if pool.idle.len() < warm && may && !pool.opening && now >= pool.retry_at && (pool.busy as usize) < warm.max(8) {
                short.push(origin);
            }
        }
        short
    }
}

impl Pool {
    /// Closes what is dead or old, and what has been idle for long beyond the `warm` ones.
    fn close_old(&mut self, shard: &Shard, origin: OriginId, warm: usize, now: Instant) {
        let before = self.idle.len();
        let mut surplus = before.saturating_sub(warm);
        // The oldest are at the front; the surplus goes when it is idle, all go when they are old.
        self.idle.retain_mut(|idle| {
            let idle_too_long = surplus > 0 && now.millis_since(idle.since) > IDLE_MS;
            surplus -= usize::from(idle_too_long);
            !idle_too_long && now.millis_since(idle.opened) < AGE_MS && !idle.wire.dead()
        });
        self.gone(shard, origin, before - self.idle.len());
    }

    fn drop_idle(&mut self, shard: &Shard, origin: OriginId) {
        let before = self.idle.len();
        self.idle.clear();
        self.gone(shard, origin, before);
    }

    fn gone(&self, shard: &Shard, origin: OriginId, count: usize) {
        shard.meters().sub(Meter::UpstreamIdle, count as u64);
        self.show(shard, origin);
    }

    /// Lets the other threads see the counts. Stores alone: an instruction that locks would wait for
    /// all that was stored before it.
    fn show(&self, shard: &Shard, origin: OriginId) {
        let gauge = &shard.seat().pools[origin.index()];
        gauge.idle.store(self.idle.len() as u32, Relaxed);
        gauge.busy.store(self.busy, Relaxed);
    }
}

/// True when a connection to one is a connection to the other.
fn same_place(one: &Origin, other: &Origin) -> bool {
    (&one.host, one.port, one.tls, &one.server_name, &one.proxy) == (&other.host, other.port, other.tls, &other.server_name, &other.proxy)
}

/// Origins that are first or second in a chain that a request can reach.
fn wanted(policy: &Held) -> Vec<OriginId> {
    let mut wanted: Vec<OriginId> = Vec::new();
    let mut seen = vec![false; policy.origins.slots()];
    for (_, chain) in policy.chains.iter() {
        let eligible = |step: &&policy::Step| step.members.iter().any(|member| policy.targets[member.target].disabled.is_none());
        for step in chain.steps.iter().filter(eligible).take(2) {
            for member in &step.members {
                let target = &policy.targets[member.target];
                let origin = policy.providers[target.provider].origin;
                if target.disabled.is_none() && !std::mem::replace(&mut seen[origin.index()], true) {
                    wanted.push(origin);
                }
            }
        }
    }
    wanted
}

impl Upstream {
    /// Gives the connection back: the answer has ended exactly where it said it would.
    pub fn give_back(self) {
        let Upstream { wire, opened, busy, .. } = self;
        if !wire.has_returned() {
            busy.shard.pools.keep(&busy.shard, busy.origin, wire, opened);
        }
    }

    /// Gives the connection back once the rest of the answer has come; the tenant does not wait for
    /// it.
    pub fn give_back_after(self, mut rest: body::Decoder) {
        if rest.done() {
            return self.give_back();
        }
        let shard = self.busy.shard.clone();
        let mut upstream = self;
        let until = shard.io.now().plus_millis(DRAIN_MS);
        shard.io.clone().spawn(async move {
            let deadline = shard.io.deadline(until);
            let mut left = limits::DRAIN_BYTES_MAX;
            while !rest.done() {
                let received = std::future::poll_fn(|cx| match upstream.wire.poll_recv(cx) {
                    std::task::Poll::Pending if deadline.poll_expired(cx) => std::task::Poll::Ready(Ok(None)),
                    other => other,
                });
                let Ok(Some(bytes)) = received.await else { return };
                let mut at = 0;
                while at < bytes.len() && !rest.done() {
                    let Ok(step) = rest.decode(&bytes[at..]) else { return };
                    at += step.used;
                }
                left = left.saturating_sub(bytes.len());
                if left == 0 || at < bytes.len() {
                    return;
                }
            }
            upstream.give_back();
        });
    }
}

/// Keeps the wanted origins warm, until the shard is told to end.
pub async fn keep_warm(shard: Rc<Shard>) {
    // Shards do not knock at the same moment.
    shard.io.sleep(Duration::from_millis(shard.index() as u64 * 3)).await;
    while !shard.process.draining() {
        let mut wait = ROUND_QUIET;
        if let Some(policy) = shard.policy.get() {
            shard.pools.reconcile(&shard, &policy);
            for origin in shard.pools.tidy(&shard).into_iter().take(OPENED_PER_ROUND) {
                warm(&shard, policy.clone(), origin);
                wait = ROUND;
            }
        }
        shard.io.sleep(wait).await;
    }
}

fn warm(shard: &Rc<Shard>, policy: Rc<Held>, origin: OriginId) {
    shard.pools.with(origin, |pool| pool.opening = true);
    let shard = shard.clone();
    shard.io.clone().spawn(async move {
        let by = shard.io.now().plus_millis(WARM_CONNECT_MS);
        let result = connect::open(&shard, &policy, origin, by).await;
        let now = shard.io.now();
        let generation = shard.pools.generation.get();
        shard.pools.with(origin, |pool| {
            pool.opening = false;
            pool.failures = if result.is_ok() { 0 } else { pool.failures.saturating_add(1) };
            let wait = RETRY_MS.saturating_mul(1 << pool.failures.min(10)).min(RETRY_MS_MAX);
            pool.retry_at = if result.is_ok() { now } else { now.plus_millis(wait) };
        });
        if let (Ok(wire), true) = (result, generation == policy.generation) {
            shard.pools.keep(&shard, origin, wire, now);
            shard.consider_ready();
        }
    });
}
