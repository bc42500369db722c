//! Who looks at what a target keeps waiting, and when next.

use crate::moment::{Moment, NS_PER_MS};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Somebody looks after overdue attempts this often, in nanoseconds, or sooner when one will be overdue.
pub const LOOK_NS: u64 = 250 * NS_PER_MS;
/// Two looks are apart by so much at least, in nanoseconds.
pub const AGAIN_NS: u64 = 16 * NS_PER_MS;
/// A suspicion is of no use any more after so long, in nanoseconds.
const SUSPICION_NS: u64 = 1_000 * NS_PER_MS;

/// When somebody looks next, so that it costs a look rarely and a load mostly.
#[derive(Debug, Default)]
pub struct Watchman {
    next: AtomicU64,
    /// When a look first found the target silent, in nanoseconds.
    suspected: AtomicU64,
}

impl Watchman {
    /// True for one caller in every [`LOOK_NS`], or in what the last one has asked for.
    #[inline]
    pub fn is_due(&self, now: Moment) -> bool {
        let next = self.next.load(Relaxed);
        now.0 >= next && self.next.compare_exchange(next, now.plus_ns(LOOK_NS).0, Relaxed, Relaxed).is_ok()
    }

    /// Has the next look come after so long. Told by whoever has just looked.
    pub fn look_after(&self, ns: u64, now: Moment) {
        self.next.store(now.plus_ns(ns.clamp(AGAIN_NS, LOOK_NS)).0, Relaxed);
    }

    /// A look finds the target silent, which was last heard of at `heard`. True when another has found so in
    /// the same silence.
    pub fn confirms(&self, heard: Moment, now: Moment) -> bool {
        let first = Moment(self.suspected.load(Relaxed));
        let age = now.since(first);
        if first <= heard || age > SUSPICION_NS {
            self.suspected.store(now.0, Relaxed);
            return false;
        }
        age >= AGAIN_NS
    }
}
