//! What a breaker has counted lately: two half-windows, taken in turn.

use crate::moment::{Moment, NS_PER_MS};
use policy::Breaker;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Two half-windows; see [`Half`].
#[derive(Debug, Default)]
pub(super) struct Window([AtomicU64; 2]);

/// How much of a failure an attempt was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// None.
    None = 0,
    /// Half of one.
    Half = 1,
    /// The whole.
    Whole = 2,
}

/// `epoch (20 bits) | attempts (21 bits) | halves of failures (23 bits)`. The epoch counts
/// half-windows, so that a count of another half-window is told from one of this.
#[derive(Clone, Copy)]
struct Half(u64);

impl Half {
    /// Attempts, at most. Halves of failures are at most twice as many, and so never too many.
    const COUNT_MAX: u64 = (1 << 21) - 1;

    fn one(epoch: u64, part: Part) -> Half {
        Half((epoch & 0xf_ffff) << 44 | 1 << 23 | part as u64)
    }

    fn is_of(self, epoch: u64) -> bool {
        self.0 >> 44 == epoch & 0xf_ffff
    }

    fn attempts(self) -> u64 {
        self.0 >> 23 & Self::COUNT_MAX
    }

    fn halves(self) -> u64 {
        self.0 & ((1 << 23) - 1)
    }
}

impl Window {
    /// Counts one attempt in the half-window of `now`.
    pub(super) fn count(&self, policy: &Breaker, now: Moment, part: Part) {
        let epoch = epoch(policy, now);
        let half = &self.0[(epoch & 1) as usize];
        let seen = Half(half.load(Relaxed));
        if seen.is_of(epoch) && seen.attempts() > 0 {
            if seen.attempts() < Half::COUNT_MAX - 65_536 {
                half.fetch_add(1 << 23 | part as u64, Relaxed);
            }
        } else if half.compare_exchange(seen.0, Half::one(epoch, part).0, Relaxed, Relaxed).is_err() {
            // Another shard has just begun the same half-window.
            half.fetch_add(1 << 23 | part as u64, Relaxed);
        }
    }

    /// Attempts of this half-window and the one before, and failures, each counted as two halves.
    pub(super) fn sum(&self, policy: &Breaker, now: Moment) -> (u64, u64) {
        let epoch = epoch(policy, now);
        let mut sum = (0, 0);
        for (half, of) in [(epoch & 1, epoch), (epoch.wrapping_sub(1) & 1, epoch.wrapping_sub(1))] {
            let half = Half(self.0[half as usize].load(Relaxed));
            if half.is_of(of) {
                sum = (sum.0 + half.attempts(), sum.1 + half.halves());
            }
        }
        sum
    }

    /// Forgets every count.
    pub(super) fn clear(&self) {
        self.0.iter().for_each(|half| half.store(0, Relaxed));
    }
}

fn epoch(policy: &Breaker, now: Moment) -> u64 {
    now.0 / (policy.window_ms.saturating_mul(NS_PER_MS) / 2).max(1)
}
