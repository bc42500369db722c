//! How many further attempts a provider is asked for.
//!
//! When a provider is down, every exchange that asks it again makes its recovery harder. So an
//! exchange's first attempt at a provider is always made, and earns it a part of a further one;
//! every further attempt at the same provider, whatever the target or the credential, is taken out
//! of what was earned, by all exchanges of all shards together, and of a small reserve that comes
//! by itself. With nothing left, the next provider is asked instead.
//!
//! One word, as in [`crate::allowance`]: the moment at which everything taken so far would have come
//! by itself. Taking moves it on, a first attempt moves it back, and it never lies more than
//! [`RESERVE_NS`] ahead. Hence over any time the further attempts are at most the reserve, what came by
//! itself, and the share of the first ones.

use crate::moment::Moment;
use policy::Retries;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What comes by itself within so long may be taken at once.
pub const RESERVE_NS: u64 = 10_000_000_000;

/// What was taken at one provider. Zero is nothing.
#[derive(Debug, Default)]
pub struct Budget(AtomicU64);

/// Time in which one further attempt comes by itself, rounded up.
fn cost_ns(policy: &Retries) -> u64 {
    1_000_000_000_u64.div_ceil(policy.per_second.max(1).into())
}

impl Budget {
    /// An exchange makes its first attempt here.
    pub fn earn(&self, policy: &Retries, now: Moment) {
        // What is full stays full: where nobody asks again, this is a load.
        if self.0.load(Relaxed) > now.0 {
            self.back(cost_ns(policy) * u64::from(policy.share_permille.min(1_000)) / 1_000);
        }
    }

    /// True when a further attempt may be made now.
    pub fn has_one(&self, policy: &Retries, now: Moment) -> bool {
        fits(self.0.load(Relaxed), policy, now).is_some()
    }

    /// How many further attempts may be made at once, and how many when nothing was taken.
    pub fn left(&self, policy: &Retries, now: Moment) -> (u64, u64) {
        let (cost, taken) = (cost_ns(policy), Moment(self.0.load(Relaxed)).since(now));
        (RESERVE_NS.saturating_sub(taken) / cost, RESERVE_NS / cost)
    }

    /// Takes a further attempt; false when there is none.
    pub fn take(&self, policy: &Retries, now: Moment) -> bool {
        let mut seen = self.0.load(Relaxed);
        while let Some(due) = fits(seen, policy, now) {
            match self.0.compare_exchange_weak(seen, due, Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(newer) => seen = newer,
            }
        }
        false
    }

    /// Gives one back that was taken and not made.
    pub fn give_back(&self, policy: &Retries) {
        self.back(cost_ns(policy));
    }

    fn back(&self, ns: u64) {
        let mut seen = self.0.load(Relaxed);
        while let Err(newer) = self.0.compare_exchange_weak(seen, seen.saturating_sub(ns), Relaxed, Relaxed) {
            seen = newer;
        }
    }
}

/// Where the moment lies when one more is taken, if that is not too far ahead.
fn fits(due: u64, policy: &Retries, now: Moment) -> Option<u64> {
    let due = due.max(now.0).saturating_add(cost_ns(policy));
    (due - now.0 <= RESERVE_NS).then_some(due)
}

#[cfg(test)]
mod tests;
