//! One shard of the product in the fake world, and what is watched about it.

use super::{book::Book, plan};
use crate::{
    current::Policy,
    io::{
        Instant, Io, Settings,
        fake::{Census, End, World},
    },
    ledger::Entry,
    process::Process,
    shard,
};
use policy::{Draft, Snapshot};
use std::{cell::RefCell, future::Future, os::fd::OwnedFd, rc::Rc, sync::Arc, time::Duration};

/// Memory of the shard for bodies, in bytes.
const BUDGET: usize = 4 << 20;
/// Longest that a history may last, in virtual time.
pub(super) const LIMIT: Duration = Duration::from_secs(300);
/// Tasks that live as long as the shard's executor: the two that wait for connections.
const LASTING_TASKS: usize = 2;

/// One shard and everything around it.
pub(super) struct Stage {
    pub(super) world: World,
    pub(super) process: Arc<Process>,
    pub(super) book: Rc<RefCell<Book>>,
    pub(super) entries: Vec<Entry>,
    draft: Draft,
}

impl Stage {
    pub(super) fn new(seed: u64, draft: Draft) -> Stage {
        Stage::with(seed, draft, BUDGET, |_| {})
    }

    /// The same with another budget for bodies, and settings of the ring changed.
    pub(super) fn with(seed: u64, draft: Draft, budget: usize, change: impl FnOnce(&mut Settings)) -> Stage {
        let mut settings = Settings {
            connections: 1_024,
            downstream_max: 768,
            small_buffers: 256,
            small_size: 4_096,
            large_buffers: 8,
            large_size: 16 * 1_024,
            seed,
            ..Settings::default()
        };
        change(&mut settings);
        let world = World::with(settings);
        let process = Arc::new(Process::new(world.now()));
        process.seat(1);
        let stage = Stage { world, process, book: Rc::default(), entries: Vec::new(), draft };
        stage.store();
        let descriptor = OwnedFd::from(std::fs::File::open("/dev/null").expect("a descriptor to stand for the listener"));
        let socket = shard::Socket { descriptor, introduced: false, shared: false };
        let io = stage.world.io();
        io.spawn(shard::main(io.clone(), stage.process.clone(), 0, budget, vec![socket]));
        stage
    }

    fn store(&self) {
        let snapshot = Snapshot::try_new(self.draft.clone()).expect("the plan is sound");
        self.process.board.seat(&snapshot);
        let before = self.process.current.load();
        let policy = Policy::build(snapshot, &plan::secrets(&self.draft), [0; 32], before.as_deref()).expect("no file is read");
        self.process.current.store(Arc::new(policy));
        self.process.ring_all();
    }

    /// Publishes the next generation.
    pub(super) fn publish(&mut self, change: impl FnOnce(&mut Draft)) {
        change(&mut self.draft);
        self.draft.generation += 1;
        self.store();
    }

    pub(super) fn io(&self) -> Io {
        self.world.io()
    }

    pub(super) fn now(&self) -> Instant {
        self.world.now()
    }

    /// A tenant's connection.
    pub(super) fn connect(&self) -> End {
        self.world.tenant(0)
    }

    /// Plays a script to its end, and gives what it gives.
    pub(super) fn play<T: 'static>(&mut self, script: impl Future<Output = T> + 'static) -> T {
        let result = Rc::new(RefCell::new(None));
        let slot = result.clone();
        self.world.script(async move {
            let value = script.await;
            *slot.borrow_mut() = Some(value);
        });
        let done = self.world.run_until(|| result.borrow().is_some(), LIMIT);
        assert!(done, "the script never ends");
        self.collect();
        result.take().expect("it was there just now")
    }

    /// Plays until the condition holds.
    pub(super) fn until(&mut self, what: &str, condition: impl FnMut() -> bool) {
        assert!(self.world.run_until(condition, LIMIT), "never happened: {what}");
        self.collect();
    }

    pub(super) fn run_ms(&mut self, millis: u64) {
        self.world.run_for(Duration::from_millis(millis));
        self.collect();
    }

    /// Takes the records that the shard has written.
    pub(super) fn collect(&mut self) {
        while let Some(entry) = self.process.seats()[0].ledger.pop() {
            self.entries.push(entry);
        }
    }

    /// Tells the shard to end, waits for it, and demands that everything was given back.
    pub(super) fn end(&mut self) {
        self.process.drain(Some(60_000));
        let seat = self.process.clone();
        self.until("the shard ends", || seat.seats()[0].finished());
        let io = self.io();
        self.until("all is given back", || io.stats().sockets == 0 && io.stats().tasks == LASTING_TASKS);
        let census = self.world.census();
        assert_eq!(census, Census { tasks: LASTING_TASKS, timers: census.timers, ..Census::default() }, "something was kept");
        self.gauges();
    }

    /// Demands that no body is held any more, once the shard has looked at it again.
    pub(super) fn no_body_is_held(&mut self) {
        self.run_ms(300);
        let held = self.process.seats()[0].meters.get(crate::meters::Meter::BodyBytesHeld);
        assert_eq!(held, 0, "bytes of bodies that nobody waits for");
    }

    /// Every gauge is back at zero.
    fn gauges(&self) {
        use crate::meters::Meter;
        use std::sync::atomic::Ordering::Relaxed;
        let seat = &self.process.seats()[0];
        for (index, pool) in seat.pools.iter().enumerate() {
            let counts = (pool.idle.load(Relaxed), pool.busy.load(Relaxed));
            assert_eq!(counts, (0, 0), "idle and busy connections of origin {index}");
        }
        for meter in [Meter::ConnectionsOpen, Meter::UpstreamIdle] {
            assert_eq!(seat.meters.get(meter), 0, "{meter:?}");
        }
        for (id, tenant) in self.draft.tenants.iter() {
            let period = tenant.budget.expect("nobody else is simulated").per.period(self.io().wall().0 / 1_000);
            let standing = self.process.board.tenant(id).purse.standing(&period);
            let records = self.entries.iter().filter_map(|entry| entry.record.as_ref());
            let cost: policy::Money = records.map(|record| record.measures.cost).sum();
            assert_eq!((standing.spent, standing.reserved), (cost, policy::Money::NONE), "what was spent, and what is still reserved");
        }
        for (id, _) in self.draft.targets.iter() {
            assert_eq!(self.process.board.target(id).in_flight(), 0, "attempts in flight at {id:?}");
        }
        for (id, _) in self.draft.providers.iter() {
            assert_eq!(self.process.board.in_flight(id), 0, "attempts in flight at {id:?}");
        }
    }
}
