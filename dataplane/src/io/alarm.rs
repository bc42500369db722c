//! How another thread reaches a shard: one eventfd, a bounded queue of wakes, and a bell.

use crossbeam::queue::ArrayQueue;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Wakes of foreign threads that may wait for a shard before it wakes all of its tasks instead.
const FOREIGN_WAKES_MAX: usize = 1024;

/// The shared end of a shard. Everything in it may be touched by any thread.
#[derive(Debug)]
pub(super) struct Alarm {
    /// Waker words, see `waker`.
    wakes: ArrayQueue<u64>,
    /// The queue overflowed: every task has to look for itself.
    all: AtomicBool,
    /// Someone pulled the bell.
    rung: AtomicBool,
    /// Something was left here and not yet attended to. Set by producers after they left it, and
    /// cleared by the shard before it looks, so that nothing left later is missed.
    pending: AtomicBool,
    /// What the shard sleeps on; the fake world does not sleep.
    event: Option<OwnedFd>,
}

/// What a shard found when it attended to its alarm.
#[derive(Debug, Default)]
pub(super) struct Attended {
    pub(super) all: bool,
    pub(super) rung: bool,
}

impl Alarm {
    pub(super) fn new(event: Option<OwnedFd>) -> Arc<Alarm> {
        Arc::new(Alarm {
            wakes: ArrayQueue::new(FOREIGN_WAKES_MAX),
            all: AtomicBool::new(false),
            rung: AtomicBool::new(false),
            pending: AtomicBool::new(false),
            event,
        })
    }

    pub(super) fn event(&self) -> Option<RawFd> {
        self.event.as_ref().map(OwnedFd::as_raw_fd)
    }

    pub(super) fn wake(&self, word: u64) {
        if self.wakes.push(word).is_err() {
            self.all.store(true, Ordering::Release);
        }
        self.signal();
    }

    fn ring(&self) {
        self.rung.store(true, Ordering::Release);
        self.signal();
    }

    fn signal(&self) {
        if self.pending.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(event) = &self.event {
            // An eventfd's write fails only when the counter is full, and then it is readable
            // anyway: there is nothing to do about a failure.
            rustix::io::write(event, &1u64.to_ne_bytes()).ok();
        }
    }

    pub(super) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }

    /// Hands every waiting word to `each` and says what else happened.
    pub(super) fn attend(&self, mut each: impl FnMut(u64)) -> Attended {
        if !self.pending.swap(false, Ordering::AcqRel) {
            return Attended::default();
        }
        for _ in 0..FOREIGN_WAKES_MAX {
            match self.wakes.pop() {
                Some(word) => each(word),
                None => break,
            }
        }
        Attended { all: self.all.swap(false, Ordering::AcqRel), rung: self.rung.swap(false, Ordering::AcqRel) }
    }
}

/// Wakes a shard from any thread: something that it reads elsewhere has changed. Rings are not
/// counted: several before the shard looks are one.
#[derive(Clone, Debug)]
pub struct Bell {
    pub(super) alarm: Arc<Alarm>,
}

impl Bell {
    /// Rings. Never blocks.
    pub fn ring(&self) {
        self.alarm.ring();
    }
}
