//! What the threads of the process share: the policy, the commons, and one seat for each shard.
//!
//! Besides the commons, a seat's fields have one writer each, or are bounded queues.

use crate::{
    current::Current,
    earlier,
    io::{Bell, Instant},
    ledger,
    meters::{Meter, Meters},
    resolve,
};
use crossbeam::queue::ArrayQueue;
use engine::board::Board;
use policy::{Money, TargetId, id::Id, wire::Event};
use std::{
    hash::{BuildHasher, RandomState},
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release, Ordering::SeqCst, fence},
    },
};

/// Events that may wait for the link; beyond, they are dropped and counted.
const EVENTS_MAX: usize = 1_024;
/// Stands for the policy's grace time.
const GRACE_OF_POLICY: u64 = u64::MAX;

/// What the threads of the process share.
pub struct Process {
    /// The policy.
    pub current: Arc<Current>,
    /// The commons: the one table of atomics that all shards write.
    pub board: Arc<Board>,
    /// The way to the answers that are kept.
    pub earlier: earlier::Door,
    seats: OnceLock<Vec<Seat>>,
    events: ArrayQueue<Event>,
    /// A number of its own: what it spends is counted under it.
    pub run: u64,
    /// Nanoseconds of the monotonic clock when the process began.
    pub started: Instant,
    ended: AtomicBool,
    last_word: AtomicBool,
    draining: AtomicBool,
    handed_over: AtomicBool,
    grace_ms: AtomicU64,
    ready: AtomicBool,
    ready_after_us: AtomicU64,
    listen: OnceLock<Vec<SocketAddr>>,
    admin: OnceLock<SocketAddr>,
}

/// What one shard shares with the other threads.
pub struct Seat {
    /// Its counters; it alone writes them.
    pub meters: Meters,
    /// Its decision records, on their way to the recorder.
    pub ledger: ArrayQueue<ledger::Entry>,
    /// Addresses, on their way to it.
    pub answers: ArrayQueue<resolve::Answer>,
    bell: OnceLock<Bell>,
    adopted: AtomicU64,
    listening: AtomicBool,
    finished: AtomicBool,
    ticks: AtomicU64,
    /// What was spent at each target; it alone writes them.
    costs: Box<[AtomicU64]>,
    /// Idle and busy connections by origin; it alone writes them.
    pub pools: Box<[PoolGauge]>,
}

/// Connections of one shard to one origin.
#[derive(Default)]
pub struct PoolGauge {
    /// Warm and free.
    pub idle: AtomicU32,
    /// Taken by an attempt.
    pub busy: AtomicU32,
}

/// By how much the threads beside the shards are nicer than they.
const NICENESS: i32 = 10;

/// Lets shards go first: called by each thread that is none, since niceness is a thread's own on
/// Linux. They have work for some microseconds at a time, and a shard that lost its processor to one
/// would keep everybody on it waiting; yet they must get on under full load, or records are lost.
pub fn step_back() {
    // Where a filter forbids it, all is as it was.
    rustix::process::nice(NICENESS).ok();
}

impl Process {
    /// A process that serves nothing yet and has no shards.
    pub fn new(started: Instant) -> Process {
        Process {
            current: Arc::default(),
            board: Arc::new(Board::full()),
            earlier: earlier::Door::default(),
            seats: OnceLock::new(),
            events: ArrayQueue::new(EVENTS_MAX),
            run: RandomState::new().hash_one(std::process::id()),
            started,
            ended: AtomicBool::new(false),
            last_word: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            handed_over: AtomicBool::new(false),
            grace_ms: AtomicU64::new(GRACE_OF_POLICY),
            ready: AtomicBool::new(false),
            ready_after_us: AtomicU64::new(0),
            listen: OnceLock::new(),
            admin: OnceLock::new(),
        }
    }

    /// Makes room for `shards` shards, once.
    pub fn seat(&self, shards: usize) {
        self.seats.get_or_init(|| {
            let seat = |_| Seat {
                meters: Meters::default(),
                ledger: ArrayQueue::new(policy::limits::LEDGER_RING_RECORDS),
                answers: ArrayQueue::new(resolve::ANSWERS_MAX),
                bell: OnceLock::new(),
                adopted: AtomicU64::new(0),
                listening: AtomicBool::new(false),
                finished: AtomicBool::new(false),
                ticks: AtomicU64::new(0),
                costs: (0..policy::limits::TARGETS_MAX).map(|_| AtomicU64::new(0)).collect(),
                pools: (0..policy::limits::ORIGINS_MAX).map(|_| PoolGauge::default()).collect(),
            };
            (0..shards).map(seat).collect()
        });
    }

    /// One seat for each shard; none before there are shards.
    pub fn seats(&self) -> &[Seat] {
        self.seats.get().map_or(&[], Vec::as_slice)
    }

    /// Wakes every shard, so that it looks at what has changed.
    pub fn ring_all(&self) {
        for bell in self.seats().iter().filter_map(Seat::bell) {
            bell.ring();
        }
    }

    /// Tells an operator; the oldest event gives way when nobody listens. Returns false then.
    pub fn tell(&self, event: Event) -> bool {
        self.events.force_push(event).is_none()
    }

    /// The oldest event that was not yet told.
    pub fn next_event(&self) -> Option<Event> {
        self.events.pop()
    }

    /// Stops accepting; what is in flight goes on, for `grace_ms` milliseconds or as long as the
    /// policy says.
    pub fn drain(&self, grace_ms: Option<u64>) {
        self.grace_ms.store(grace_ms.unwrap_or(GRACE_OF_POLICY), Relaxed);
        self.draining.store(true, Release);
        self.ring_all();
    }

    /// Says that nothing will happen any more.
    pub fn end(&self) {
        self.ended.store(true, Release);
    }

    /// True once nothing will happen any more.
    pub fn ended(&self) -> bool {
        self.ended.load(Acquire)
    }

    /// Says that the control plane was told the last of it.
    pub fn told_last(&self) {
        self.last_word.store(true, Release);
    }

    /// True once the control plane was told the last of it.
    pub fn has_told_last(&self) -> bool {
        self.last_word.load(Acquire)
    }

    /// True once [`Process::drain`] was called.
    pub fn draining(&self) -> bool {
        self.draining.load(Acquire)
    }

    /// Says that another process has the listening sockets now.
    pub fn hand_over(&self) {
        self.handed_over.store(true, Release);
    }

    /// True once another process has the listening sockets.
    pub fn handed_over(&self) -> bool {
        self.handed_over.load(Acquire)
    }

    /// For how long what is in flight may go on, in milliseconds; `None` for the policy's word.
    pub fn grace_ms(&self) -> Option<u64> {
        Some(self.grace_ms.load(Relaxed)).filter(|&millis| millis != GRACE_OF_POLICY)
    }

    /// True when traffic may come.
    pub fn ready(&self) -> bool {
        self.ready.load(Acquire) && !self.draining()
    }

    /// Says that traffic may come, `after_us` microseconds after the start. True for who says it
    /// first; the others change nothing.
    pub fn set_ready(&self, after_us: u64) -> bool {
        // At least one, since zero is unknown. Who lost found it set already.
        let first = self.ready_after_us.compare_exchange(0, after_us.max(1), Relaxed, Relaxed).is_ok();
        self.ready.store(true, Release);
        first
    }

    /// Lets traffic come as soon as every shard listens and a warm connection waits somewhere. A
    /// shard asks when it has done its part of either. The recorder asks as well, and it alone
    /// knows when a dead provider was waited for long enough.
    pub fn consider_ready(&self, now: Instant, at_us: u64) {
        if self.ready.load(Relaxed) || self.draining() {
            return;
        }
        // Two shards that did the two parts at the same moment must not miss one another's: what
        // each has written is ordered before what it reads below.
        fence(SeqCst);
        let listening = !self.seats().is_empty() && self.seats().iter().all(Seat::listening);
        let warm = self.seats().iter().any(|seat| seat.meters.get(Meter::UpstreamIdle) > 0);
        let after_us = now.micros_since(self.started);
        if listening && warm && self.set_ready(after_us) {
            let details = vec![("after_us".to_owned(), after_us.to_string())];
            // A full queue lets the oldest event go; the newest is the one worth having.
            self.tell(Event { at_us, kind: "ready".to_owned(), details });
        }
    }

    /// From the start to ready, in microseconds; 0 before.
    pub fn ready_after_us(&self) -> u64 {
        self.ready_after_us.load(Relaxed)
    }

    /// Where tenants connect, as bound.
    pub fn listen(&self) -> &[SocketAddr] {
        self.listen.get().map_or(&[], Vec::as_slice)
    }

    /// Says where tenants connect, once.
    pub fn set_listen(&self, listen: Vec<SocketAddr>) {
        self.listen.get_or_init(|| listen);
    }

    /// Where the admin listener is, as bound.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin.get().copied()
    }

    /// Says where the admin listener is, once.
    pub fn set_admin(&self, admin: SocketAddr) {
        self.admin.get_or_init(|| admin);
    }
}

impl Seat {
    /// Wakes the shard; absent until it runs.
    pub fn bell(&self) -> Option<&Bell> {
        self.bell.get()
    }

    /// Says how to wake the shard, once.
    pub fn set_bell(&self, bell: Bell) {
        self.bell.get_or_init(|| bell);
    }

    /// Generation that new exchanges of the shard see.
    pub fn adopted(&self) -> u64 {
        self.adopted.load(Acquire)
    }

    /// Says which generation new exchanges see.
    pub fn adopt(&self, generation: u64) {
        self.adopted.store(generation, Release);
    }

    /// True when the shard's listeners are armed.
    pub fn listening(&self) -> bool {
        self.listening.load(Acquire)
    }

    /// Says that the shard's listeners are armed.
    pub fn listen(&self) {
        self.listening.store(true, Release);
    }

    /// Counts up while the shard comes round.
    pub fn ticks(&self) -> u64 {
        self.ticks.load(Relaxed)
    }

    /// The shard came round; it alone says so.
    pub fn tick(&self) {
        self.ticks.store(self.ticks.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// Counts what an attempt cost; the shard alone does.
    pub fn spend(&self, target: TargetId, cost: Money) {
        let sum = &self.costs[target.index()];
        sum.store(sum.load(Relaxed).saturating_add(cost.0), Relaxed);
        // Known to the billionth part of a dollar, since meters are whole numbers.
        self.meters.add(Meter::Cost, cost.0.saturating_mul(10));
    }

    /// What the shard has spent at a target.
    pub fn spent(&self, target: TargetId) -> Money {
        Money(self.costs[target.index()].load(Relaxed))
    }

    /// True when the shard has ended.
    pub fn finished(&self) -> bool {
        self.finished.load(Acquire)
    }

    /// Says that the shard has ended.
    pub fn finish(&self) {
        self.finished.store(true, Release);
    }
}
