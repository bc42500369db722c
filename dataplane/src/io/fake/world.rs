//! What a test holds: the world and its time.

use super::end::End;
use super::io::Io;
use super::wire::{Core, Happening, Net, Route, Script, State};
use crate::io::alarm::Alarm;
use crate::io::clock::Clock;
use crate::io::group::Group;
use crate::io::local::Local;
use crate::io::tasks::{TaskId, Tasks};
use crate::io::{Errno, Instant, Settings, Stats};
use std::cell::RefCell;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// Polls of tasks per turn, as in the product.
const POLLS_PER_TURN: usize = 4096;
/// Turns of one `run_until`: beyond it something spins.
const TURNS_MAX: usize = 5_000_000;
/// The wall clock at the world's beginning: 2026-01-01.
const WALL_AT_ZERO: u64 = 1_767_225_600_000_000;

/// What a simulation still holds. All zero when everything was given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Census {
    /// Connections whose shard side has not closed.
    pub sockets: usize,
    /// Tasks of the code under test.
    pub tasks: usize,
    /// Buffers that chunks refer to.
    pub buffers: usize,
    /// Armed timers.
    pub timers: usize,
    /// Pieces and chunks in the queues of connections that wait for a timer or a reader.
    pub parked: usize,
}

/// A simulated shard and everything around it. Dropping it ends all tasks and scripts.
#[derive(Debug)]
pub struct World {
    core: Rc<Core>,
}

impl World {
    /// A world that follows from `seed`, with few and small buffers.
    #[must_use]
    pub fn new(seed: u64) -> World {
        let settings = Settings {
            connections: 4096,
            downstream_max: 3072,
            small_buffers: 64,
            small_size: 4096,
            large_buffers: 4,
            large_size: 16 * 1024,
            seed,
            ..Settings::default()
        };
        World::with(settings)
    }

    /// A world with these settings; it follows from their seed.
    #[must_use]
    pub fn with(settings: Settings) -> World {
        let start = Instant(1_000_000_000);
        let clock = Clock::Virtual { wall_at_zero: WALL_AT_ZERO };
        let seed = settings.seed;
        let local = Rc::new(Local::new(clock, start, seed, Alarm::new(None)));
        let small = Group::new(settings.small_buffers, settings.small_size);
        let large = Group::new(settings.large_buffers, settings.large_size);
        let net = Net {
            events: BinaryHeap::new(),
            numbers: 0,
            wires: 0,
            groups: [small.expect("a small mapping is always possible"), large.expect("a small mapping is always possible")],
            routes: BTreeMap::new(),
            listening: Vec::new(),
            backlog: VecDeque::new(),
            accepted: VecDeque::new(),
            accept_waiter: None,
            woken: VecDeque::new(),
            woken_waiter: None,
            timed: BTreeMap::new(),
            parked: BTreeMap::new(),
            starved: Vec::new(),
            dirty: Vec::new(),
            sockets: 0,
            downstream: 0,
            settings,
            stats: Stats::default(),
            random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            trace: 0xCBF2_9CE4_8422_2325,
        };
        let scripts = Tasks::new(&local.alarm);
        World { core: Rc::new(Core { local, scripts, net: RefCell::new(net) }) }
    }

    /// The door of the shard.
    #[must_use]
    pub fn io(&self) -> Io {
        Io { core: self.core.clone() }
    }

    /// Opens a connection to the listener of this tag, as a tenant.
    #[must_use]
    pub fn tenant(&self, tag: u32) -> End {
        let now = self.core.now();
        let wire = {
            let mut net = self.core.net();
            let wire = net.wire(now, State::Waiting, true);
            net.schedule(now, Happening::Arrives(wire.clone(), tag));
            wire
        };
        End::new(&self.core, &wire)
    }

    /// Whoever connects to `address` is served by a script of its own.
    pub fn provide<F, S>(&self, address: SocketAddr, script: F)
    where
        F: Fn(End) -> S + 'static,
        S: Future<Output = ()> + 'static,
    {
        let handler = Rc::new(move |end| -> Script { Box::pin(script(end)) });
        self.core.net().routes.insert(address, Route::Serve(handler));
    }

    /// Connects to `address` fail. So do those to an address that was never mentioned: refused.
    pub fn fail(&self, address: SocketAddr, error: Errno) {
        self.core.net().routes.insert(address, Route::Fail(error));
    }

    /// Connects to `address` are never answered.
    pub fn hang(&self, address: SocketAddr) {
        self.core.net().routes.insert(address, Route::Hang);
    }

    /// Starts a script of the test, which does not count as a task of the shard.
    pub fn script(&self, script: impl Future<Output = ()> + 'static) -> TaskId {
        self.core.scripts.spawn(script)
    }

    /// Scripts that have not ended.
    #[must_use]
    pub fn live_scripts(&self) -> usize {
        self.core.scripts.live()
    }

    /// The virtual time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.core.now()
    }

    /// One turn at the present time: what is due happens, and ready tasks run in random order.
    /// Says how much that was.
    pub fn turn(&self) -> usize {
        let core = &self.core;
        let mut work = core.happen();
        core.local.attend();
        for _ in 0..POLLS_PER_TURN {
            let (tasks, scripts) = (core.local.tasks.queued(), core.scripts.queued());
            if tasks + scripts == 0 {
                break;
            }
            let choice = core.net().below((tasks + scripts) as u64) as usize;
            let ran = if choice < tasks { core.local.tasks.run_chosen(choice) } else { core.scripts.run_chosen(choice - tasks) };
            work += usize::from(ran);
        }
        core.flush();
        let now = core.now();
        let mut net = core.net();
        net.stats.turns += 1;
        net.note(now, 8, 0, work);
        work
    }

    /// Moves time to whatever comes next. False if nothing ever will.
    pub fn advance(&self) -> bool {
        let now = self.core.now();
        let event = self.core.net().events.peek().map(|event| event.0.at);
        let timer = self.core.local.timers.until_next().map(|wait| now + wait);
        let next = match (event, timer) {
            (Some(event), Some(timer)) => event.min(timer),
            (Some(next), None) | (None, Some(next)) => next,
            (None, None) => return false,
        };
        self.pass(next.max(now));
        true
    }

    fn pass(&self, now: Instant) {
        let mut due = Vec::new();
        self.core.local.timers.advance(now, &mut due);
        // The wheel's order is deterministic, so this is.
        for owner in due {
            self.core.on_timer(owner);
        }
    }

    /// Turns until the condition holds, jumping over idle time. False if it does not hold within
    /// `limit` of virtual time, or when nothing can happen any more.
    pub fn run_until(&self, mut condition: impl FnMut() -> bool, limit: Duration) -> bool {
        let until = self.now() + limit;
        for _ in 0..TURNS_MAX {
            if condition() {
                return true;
            }
            if self.turn() > 0 {
                continue;
            }
            if condition() {
                return true;
            }
            if self.now() > until || !self.advance() {
                return false;
            }
        }
        panic!("the world spins at {:?}: {:?}", self.now(), self.stats());
    }

    /// Turns until nothing happens for `idle` of virtual time.
    pub fn run_for(&self, time: Duration) {
        let until = self.now() + time;
        while !self.run_until(|| self.now() >= until, time) {
            if self.now() >= until {
                return;
            }
            self.pass(until);
        }
    }

    /// A digest of everything that has happened: equal for equal seeds and equal code.
    #[must_use]
    pub fn trace(&self) -> u64 {
        self.core.net().trace
    }

    /// What the shard has done and holds.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.core.stats()
    }

    /// What has not been given back.
    #[must_use]
    pub fn census(&self) -> Census {
        let stats = self.stats();
        Census {
            sockets: stats.sockets,
            tasks: stats.tasks,
            buffers: stats.small_lent + stats.large_lent,
            timers: stats.timers,
            parked: stats.parked,
        }
    }
}

impl Core {
    pub(super) fn stats(&self) -> Stats {
        let net = self.net();
        Stats {
            sockets: net.sockets,
            parked: net.parked.len(),
            tasks: self.local.tasks.live(),
            timers: self.local.timers.armed(),
            small_lent: net.groups[0].lent(),
            large_lent: net.groups[1].lent(),
            ..net.stats
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Tasks and scripts own the world's core, and it owns them.
        self.core.local.tasks.abort_all();
        self.core.scripts.abort_all();
        let routes = std::mem::take(&mut self.core.net().routes);
        drop(routes);
        let (accepted, woken) = {
            let mut net = self.core.net();
            (std::mem::take(&mut net.accepted), std::mem::take(&mut net.woken))
        };
        for (wire, _) in accepted {
            self.core.release(&wire);
        }
        for (wire, _) in woken {
            self.core.release(&wire);
        }
        let events = std::mem::take(&mut self.core.net().events);
        drop(events);
    }
}
