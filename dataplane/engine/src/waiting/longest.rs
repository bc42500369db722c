//! The longest pause of late.

use crate::moment::{Moment, NS_PER_MS, NS_PER_US};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A pause counts half as much after so long, in nanoseconds.
pub const PAUSE_HALF_LIFE_NS: u64 = 1_800_000 * NS_PER_MS;

/// `microseconds (32 bits) | half-lives since the clock began (32 bits)`.
#[derive(Debug, Default)]
pub(super) struct Longest(AtomicU64);

impl Longest {
    /// One of so many nanoseconds, which are below 2^32 microseconds. True when none was longer.
    pub(super) fn note(&self, ns: u64, now: Moment) -> bool {
        let is_longest = ns > self.ns(now);
        if is_longest {
            self.0.store((ns / NS_PER_US) << 32 | u64::from(half_lives(now)), Relaxed);
        }
        is_longest
    }

    /// The longest, as it has faded until `now`, in nanoseconds.
    pub(super) fn ns(&self, now: Moment) -> u64 {
        let word = self.0.load(Relaxed);
        let age = half_lives(now).saturating_sub(word as u32);
        ((word >> 32) * NS_PER_US).checked_shr(age).unwrap_or(0)
    }

    pub(super) fn reset(&self) {
        self.0.store(0, Relaxed);
    }
}

fn half_lives(now: Moment) -> u32 {
    (now.0 / PAUSE_HALF_LIFE_NS) as u32
}
