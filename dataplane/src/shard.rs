//! All that one core owns. Nothing in here is seen by another thread; what is shared is the shard's
//! seat in [`Process`], which this one writes and others read.

use crate::{
    accept,
    admission::Admission,
    body,
    connect::Addresses,
    current,
    guesses::Guesses,
    io::{Arena, Instant, Io, Stream},
    meters::{Meter, Meters},
    pool::{self, Pools},
    process::{Process, Seat},
    tls,
};
use policy::{TlsProfileId, id::Id, limits};
use std::{
    cell::{Cell, RefCell},
    net::IpAddr,
    os::fd::OwnedFd,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

/// All that one core owns.
pub struct Shard {
    /// The door to the ring and the clock.
    pub io: Io,
    /// What the threads share.
    pub process: Arc<Process>,
    index: usize,
    /// The policy, as this shard sees it.
    pub policy: current::Local,
    /// Blocks for bodies that are too large for the ring's buffers.
    pub arena: Arena,
    /// Scans of request bodies that nobody uses.
    pub scans: body::Scans,
    /// Warm connections.
    pub pools: Pools,
    /// Places for exchanges.
    pub admission: Admission,
    /// Keys that nobody has.
    pub guesses: Guesses,
    /// Addresses of names, as the resolver told them, and which of them did not answer.
    pub addresses: Addresses,
    /// TLS sessions and addresses of parked connections.
    parked: RefCell<Sessions>,
    clients: RefCell<Vec<Option<(tls::Trust, tls::Client)>>>,
    /// Downstream connections that are open.
    connections: Cell<u32>,
    /// By listener: whether its connections begin with the PROXY protocol.
    introduced: RefCell<Vec<bool>>,
    /// What is still in flight is to end now.
    stopping: Cell<bool>,
    /// The second of the clock, and how many events were told within it.
    told: Cell<(u64, u64)>,
}

#[derive(Default)]
struct Sessions {
    slots: Vec<Option<Kept>>,
    free: Vec<u32>,
}

/// What a parked connection cannot do without.
#[derive(Default)]
pub struct Kept {
    /// Its TLS session, if it has one.
    pub session: Option<Box<tls::Session>>,
    /// Where the tenant is, as far as it is known.
    pub from: Option<IpAddr>,
    /// Nothing was asked on it yet.
    pub unused: bool,
}

/// Each shard says within this time that it comes round.
pub const TICK_EVERY: Duration = Duration::from_millis(250);
/// Between two looks at what is counted elsewhere.
const GAUGE_EVERY: Duration = TICK_EVERY;
/// A connection that was just accepted when a drain begins is waited for so long, in milliseconds.
const FIRST_REQUEST_MS: u64 = 1_000;
/// Between two looks at what is still in flight, while draining.
const DRAIN_POLL: Duration = Duration::from_millis(5);
/// What is in flight when the grace time is over ends within this, in milliseconds, or is dropped.
const STOP_MS_MAX: u64 = 500;

/// The token of a parked connection without TLS.
const PLAIN: u32 = u32::MAX;
/// The token of a parked connection without TLS on which nothing was ever asked.
const PLAIN_UNUSED: u32 = u32::MAX - 1;

impl Shard {
    /// A shard that serves nothing yet. `budget` is its share of the memory for bodies, in bytes.
    pub fn new(io: Io, process: Arc<Process>, index: usize, budget: usize) -> Shard {
        Shard {
            policy: current::Local::new(process.current.clone()),
            arena: Arena::new(limits::BLOCK_BYTES, budget),
            scans: body::Scans::default(),
            pools: Pools::default(),
            admission: Admission::default(),
            guesses: Guesses::default(),
            addresses: Addresses::default(),
            parked: RefCell::default(),
            clients: RefCell::default(),
            connections: Cell::new(0),
            introduced: RefCell::default(),
            stopping: Cell::new(false),
            told: Cell::new((0, 0)),
            io,
            process,
            index,
        }
    }

    /// What this shard shares with the other threads.
    pub fn seat(&self) -> &Seat {
        &self.process.seats()[self.index]
    }

    /// Its counters.
    pub fn meters(&self) -> &Meters {
        &self.seat().meters
    }

    /// Which shard it is.
    pub fn index(&self) -> usize {
        self.index
    }

    /// This shard's part of a limit that holds for the whole process; at least 1.
    pub fn share(&self, of_process: u32) -> u32 {
        let shards = u32::try_from(self.process.seats().len()).unwrap_or(u32::MAX).max(1);
        of_process.div_ceil(shards).max(1)
    }

    /// How sessions with origins of `profile` begin. Tickets survive publishes as long as the
    /// profile stays the same object.
    pub fn client(&self, profile: TlsProfileId, trust: &tls::Trust) -> tls::Client {
        let mut clients = self.clients.borrow_mut();
        if clients.len() <= profile.index() {
            clients.resize_with(profile.index() + 1, || None);
        }
        let slot = &mut clients[profile.index()];
        match slot {
            Some((known, client)) if known.same(trust) => client.clone(),
            _ => slot.insert((trust.clone(), trust.client())).1.clone(),
        }
    }

    /// Leaves an idle downstream connection to the ring until something comes, or `until`.
    pub fn park(&self, stream: Stream, kept: Kept, until: Instant) {
        let token = match (kept.session.is_none() && kept.from.is_none(), kept.unused) {
            (true, true) => PLAIN_UNUSED,
            (true, false) => PLAIN,
            (false, _) => self.parked.borrow_mut().insert(kept),
        };
        self.io.park(stream, token, until);
    }

    /// What was kept of a connection that was parked with `token`.
    pub fn unpark(&self, token: u32) -> Kept {
        match token {
            PLAIN => Kept::default(),
            PLAIN_UNUSED => Kept { unused: true, ..Kept::default() },
            token => self.parked.borrow_mut().remove(token).unwrap_or_default(),
        }
    }

    /// True when nothing was asked yet on the connection that was parked with `token`.
    fn is_unused(&self, token: u32) -> bool {
        match token {
            PLAIN => false,
            PLAIN_UNUSED => true,
            token => self.parked.borrow().slots.get(token as usize).is_some_and(|kept| kept.as_ref().is_some_and(|kept| kept.unused)),
        }
    }

    /// True when connections of the listener with this tag begin with the PROXY protocol.
    pub fn is_introduced(&self, tag: u32) -> bool {
        self.introduced.borrow().get(tag as usize).copied().unwrap_or(false)
    }

    /// Counts a downstream connection.
    pub fn opened(&self) {
        self.connections.set(self.connections.get() + 1);
        self.meters().count(Meter::ConnectionsAccepted);
        self.meters().add(Meter::ConnectionsOpen, 1);
    }

    /// A downstream connection is closed, or closing.
    pub fn closed(&self) {
        self.connections.set(self.connections.get() - 1);
        self.meters().sub(Meter::ConnectionsOpen, 1);
    }

    /// Lets traffic come, when what this shard has just done was the last that it waited for.
    pub fn consider_ready(&self) {
        self.process.consider_ready(self.io.now(), self.io.wall().0);
    }

    /// True when fewer than `most` events were told within this second, and one more is now. Who asks with
    /// less leaves the rest to others.
    pub fn may_tell(&self, most: u64) -> bool {
        let second = self.io.now().0 / 1_000_000_000;
        let (before, count) = self.told.get();
        let count = if before == second { count } else { 0 };
        let may = count < most;
        self.told.set((second, count + u64::from(may)));
        may
    }

    /// True when the grace time of a drain is over: exchanges say so to their tenants, and end.
    pub fn stopping(&self) -> bool {
        self.stopping.get()
    }

    /// Downstream connections that are open.
    pub fn connections(&self) -> u32 {
        self.connections.get()
    }
}

impl Sessions {
    fn insert(&mut self, kept: Kept) -> u32 {
        match self.free.pop() {
            Some(token) => {
                self.slots[token as usize] = Some(kept);
                token
            }
            None => {
                self.slots.push(Some(kept));
                u32::try_from(self.slots.len() - 1).expect("connections are far below 2^32")
            }
        }
    }

    fn remove(&mut self, token: u32) -> Option<Kept> {
        let kept = self.slots.get_mut(token as usize)?.take()?;
        self.free.push(token);
        Some(kept)
    }
}

/// A listening socket.
pub struct Socket {
    /// The socket.
    pub descriptor: OwnedFd,
    /// Its connections begin with the PROXY protocol.
    pub introduced: bool,
    /// Other shards accept from it, too.
    pub shared: bool,
}

/// Runs a shard from its start to its end, which a drain brings about.
pub async fn main(io: Io, process: Arc<Process>, index: usize, budget: usize, sockets: Vec<Socket>) {
    let shard = Rc::new(Shard::new(io, process, index, budget));
    shard.seat().set_bell(shard.io.bell());
    attend(&shard);
    shard.introduced.replace(sockets.iter().map(|socket| socket.introduced).collect());
    for (tag, socket) in sockets.into_iter().enumerate() {
        let (descriptor, tag) = (socket.descriptor, tag as u32);
        let listening = if socket.shared { shard.io.listen_shared(descriptor, tag) } else { shard.io.listen(descriptor, tag) };
        if let Err(error) = listening {
            eprintln!("throwover-dataplane: shard {index} cannot accept: {error}");
            return shard.seat().finish();
        }
    }
    shard.seat().listen();
    shard.consider_ready();
    shard.io.spawn(accept::run(shard.clone()));
    shard.io.spawn(accept::dispatch(shard.clone()));
    shard.io.spawn(pool::keep_warm(shard.clone()));
    shard.io.spawn(gauge(shard.clone()));
    while !shard.process.draining() {
        shard.io.rung().await;
        attend(&shard);
    }
    drain(&shard).await;
    shard.seat().finish();
}

/// Looks at what the other threads left: addresses, a policy.
fn attend(shard: &Rc<Shard>) {
    while let Some(answer) = shard.seat().answers.pop() {
        shard.addresses.learn(answer);
    }
    if let Some(policy) = shard.policy.get() {
        if shard.seat().adopted() != policy.generation {
            shard.addresses.settle(policy.origins.iter().map(|(_, origin)| origin.first_hop().0));
        }
        shard.pools.reconcile(shard, &policy);
        shard.meters().set(Meter::Generation, policy.generation);
        shard.seat().adopt(policy.generation);
    }
}

/// Keeps the meters of what is counted elsewhere up to date, and says that the shard comes round.
async fn gauge(shard: Rc<Shard>) {
    while !shard.process.draining() || shard.connections() > 0 {
        shard.seat().tick();
        let stats = shard.io.stats();
        shard.meters().set(Meter::Turns, stats.turns);
        shard.meters().set(Meter::Completions, stats.completions);
        shard.meters().set(Meter::Starved, stats.starved);
        shard.meters().set(Meter::BodyBytesHeld, (shard.arena.outstanding() * limits::BLOCK_BYTES) as u64);
        shard.io.sleep(GAUGE_EVERY).await;
    }
}

/// Accepts until the queue is empty, lets what is in flight finish within the grace time, and ends.
async fn drain(shard: &Rc<Shard>) {
    let policy_ms = shard.policy.get().map_or(0, |policy| policy.gateway.drain_ms);
    let until = shard.io.now().plus_millis(shard.process.grace_ms().unwrap_or(policy_ms));
    shard.io.stop_listening();
    if !drained(shard, until).await {
        // Whoever is still there is told, and the ledger with it.
        shard.stopping.set(true);
        shard.io.poll_all();
        drained(shard, shard.io.now().plus_millis(STOP_MS_MAX)).await;
    }
    shard.pools.clear(shard);
}

/// Waits until no connection of a tenant's is left; false when some are at `until`.
async fn drained(shard: &Rc<Shard>, until: Instant) -> bool {
    let first_by = shard.io.now().plus_millis(FIRST_REQUEST_MS).min(until);
    loop {
        // Connections come back to rest while the last exchanges end; they are called back again. Those
        // on which nothing was asked yet were opened to ask something, and it is on its way.
        let late = shard.io.now() >= first_by;
        shard.io.unpark_where(|token| late || !shard.is_unused(token));
        if shard.connections() == 0 && shard.io.listeners() == 0 {
            return true;
        }
        if shard.io.now() >= until {
            return false;
        }
        shard.io.sleep(DRAIN_POLL).await;
    }
}
