//! What a shard has in either world: tasks, timers, time, randomness, vectors, its alarm.

use super::alarm::{Alarm, Bell};
use super::clock::{Clock, Instant, Wall};
use super::piece::Vectors;
use super::pool::TaskPool;
use super::tasks::{TaskId, Tasks};
use super::timers::{Deadline, Timers, register};
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

/// The part of `Io` that concerns no socket; `Io` dereferences to it.
#[derive(Debug)]
pub struct Local {
    pub(super) tasks: Tasks,
    pub(super) timers: Rc<Timers>,
    pub(super) vectors: Vectors,
    pub(super) alarm: Arc<Alarm>,
    clock: Clock,
    random: Cell<u64>,
    rung: Cell<bool>,
    ring_waiter: RefCell<Option<Waker>>,
}

impl Local {
    pub(super) fn new(clock: Clock, now: Instant, seed: u64, alarm: Arc<Alarm>) -> Local {
        Local {
            tasks: Tasks::new(&alarm),
            timers: Timers::new(now),
            vectors: Vectors::default(),
            alarm,
            clock,
            random: Cell::new(seed),
            rung: Cell::new(false),
            ring_waiter: RefCell::default(),
        }
    }

    /// The time at the start of this turn.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.timers.now()
    }

    /// Reads the clock.
    #[must_use]
    pub fn precise(&self) -> Instant {
        self.clock.precise(self.now())
    }

    /// Reads the wall clock.
    #[must_use]
    pub fn wall(&self) -> Wall {
        self.clock.wall(self.now())
    }

    /// The next random number: splitmix64, not for secrets.
    #[must_use]
    pub fn random(&self) -> u64 {
        let state = self.random.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.random.set(state);
        mix(state)
    }

    /// A random number in `0..bound`, zero if the bound is zero.
    #[must_use]
    pub fn random_below(&self, bound: u64) -> u64 {
        let wide = u128::from(self.random()) * u128::from(bound);
        (wide >> 64) as u64
    }

    /// Starts a task; it is polled later in this turn.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) -> TaskId {
        self.tasks.spawn(future)
    }

    /// Starts a task in a place of the pool: no allocation once the pool is warm.
    pub fn spawn_pooled<F>(&self, pool: &TaskPool<F>, future: F) -> TaskId
    where
        F: Future<Output = ()> + 'static,
    {
        self.tasks.spawn_pooled(pool, future)
    }

    /// Drops a task's future, or says that it has ended. All that it owned is released as if it
    /// had been dropped: nothing that the kernel has is touched too early.
    pub fn abort(&self, id: TaskId) -> bool {
        self.tasks.abort(id)
    }

    /// Polls every task once more, whatever it waits for.
    pub fn poll_all(&self) {
        self.tasks.wake_all();
    }

    /// Tasks that have not ended.
    #[must_use]
    pub fn live_tasks(&self) -> usize {
        self.tasks.live()
    }

    /// A deadline at the instant.
    #[must_use]
    pub fn deadline(&self, at: Instant) -> Deadline {
        self.timers.deadline(at)
    }

    /// A deadline after the duration.
    #[must_use]
    pub fn sleep(&self, duration: Duration) -> Deadline {
        self.timers.deadline(self.now() + duration)
    }

    /// Lets every other ready task run first.
    pub async fn pause(&self) {
        let mut paused = false;
        poll_fn(|context| {
            if std::mem::replace(&mut paused, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// An empty vector with room for a head, from the pool.
    #[must_use]
    pub fn vec(&self) -> Vec<u8> {
        self.vectors.take()
    }

    /// Returns a vector that was not sent.
    pub fn give_vec(&self, vector: Vec<u8>) {
        self.vectors.give(vector);
    }

    /// A bell that wakes this shard from any thread.
    #[must_use]
    pub fn bell(&self) -> Bell {
        Bell { alarm: self.alarm.clone() }
    }

    /// Ready when the bell was rung since this was last ready. One task may wait at a time.
    pub async fn rung(&self) {
        poll_fn(|context| {
            if self.rung.take() {
                return Poll::Ready(());
            }
            register(&mut self.ring_waiter.borrow_mut(), context);
            Poll::Pending
        })
        .await;
    }

    /// Takes in what other threads left. True if there was anything.
    pub(super) fn attend(&self) -> bool {
        if !self.alarm.is_pending() {
            return false;
        }
        let attended = self.alarm.attend(|word| self.tasks.wake(word));
        if attended.all {
            self.tasks.wake_all();
        }
        if attended.rung {
            self.rung.set(true);
            let waiter = self.ring_waiter.borrow_mut().take();
            if let Some(waiter) = waiter {
                waiter.wake();
            }
        }
        true
    }
}

/// The output function of splitmix64.
fn mix(state: u64) -> u64 {
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
