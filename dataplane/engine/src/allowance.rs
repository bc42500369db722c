//! How much a tenant may ask for in a minute, and how much a credential may be used.
//!
//! The generic cell rate algorithm (ITU-T I.371, annex A): one word holds the moment at which
//! everything taken so far would have been earned. Whoever takes moves it on by the time that it
//! takes to earn as much, as long as it does not lie more than [`BURST_NS`] ahead. One word, so one
//! compare-and-swap, and no window at whose edge twice as much goes through.

use crate::moment::Moment;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A limit for a minute may be used up at once.
pub const BURST_NS: u64 = 60_000_000_000;

/// What is earned: so many units in a minute, at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(u64);

impl Rate {
    /// So many units in a minute; `None` for 0, which is no limit.
    pub const fn per_minute(units: u64) -> Option<Rate> {
        if units == 0 { None } else { Some(Rate(units)) }
    }

    /// Units in a minute.
    pub const fn units(self) -> u64 {
        self.0
    }

    /// Time in which `units` are earned, rounded up.
    fn time_for(self, units: u64) -> u64 {
        let ns = (u128::from(units) * u128::from(BURST_NS)).div_ceil(u128::from(self.0));
        u64::try_from(ns).unwrap_or(u64::MAX)
    }

    /// Units that are earned in `ns`.
    fn earned_in(self, ns: u64) -> u64 {
        let units = u128::from(ns) * u128::from(self.0) / u128::from(BURST_NS);
        u64::try_from(units).unwrap_or(u64::MAX)
    }
}

/// What was taken of one limit. Zero is nothing.
#[derive(Debug, Default)]
pub struct Allowance(AtomicU64);

/// What is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Units that may be taken at once.
    pub units: u64,
    /// Nanoseconds until nothing is missing any more.
    pub full_in_ns: u64,
}

/// Not enough is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// It is after so many nanoseconds, if nobody else takes any.
    For(u64),
    /// It never will be: more was asked for than a whole minute brings.
    TooMuch,
}

impl Allowance {
    /// Takes `units`, all or none.
    ///
    /// # Errors
    /// [`Spent`], and nothing was taken.
    pub fn take(&self, rate: Rate, units: u64, now: Moment) -> Result<Left, Spent> {
        let cost = rate.time_for(units);
        if cost > BURST_NS {
            return Err(Spent::TooMuch);
        }
        let mut seen = self.0.load(Relaxed);
        loop {
            let due = seen.max(now.0).saturating_add(cost);
            let ahead = due - now.0;
            if ahead > BURST_NS {
                return Err(Spent::For(ahead - BURST_NS));
            }
            match self.0.compare_exchange_weak(seen, due, Relaxed, Relaxed) {
                Ok(_) => return Ok(left(rate, ahead)),
                Err(newer) => seen = newer,
            }
        }
    }

    /// What [`Allowance::take`] would say no with at `now`; `None` when it would not.
    pub fn missing(&self, rate: Rate, units: u64, now: Moment) -> Option<Spent> {
        let cost = rate.time_for(units);
        if cost > BURST_NS {
            return Some(Spent::TooMuch);
        }
        let ahead = Moment(self.0.load(Relaxed)).since(now).saturating_add(cost);
        (ahead > BURST_NS).then(|| Spent::For(ahead - BURST_NS))
    }

    /// Puts right what was taken by an estimate: `used` instead of `taken`. More than is left may
    /// have been used; that is owed, and whoever comes next waits for it.
    pub fn settle(&self, rate: Rate, taken: u64, used: u64, now: Moment) {
        if used == taken {
            return;
        }
        let change = |due: u64| {
            if used > taken {
                due.max(now.0).saturating_add(rate.time_for(used - taken))
            } else {
                due.saturating_sub(rate.time_for(taken - used))
            }
        };
        self.update(change);
    }

    /// The limit was changed: as many units stay taken as were, at most all that there are.
    pub fn change(&self, from: Rate, to: Rate, now: Moment) {
        let change = |due: u64| {
            let ahead = u128::from(Moment(due).since(now)) * u128::from(from.0) / u128::from(to.0);
            now.plus_ns(u64::try_from(ahead).unwrap_or(u64::MAX).min(BURST_NS)).0
        };
        self.update(change);
    }

    /// The limit was so many units in a minute, and is so many now; 0 is none.
    pub fn follow(&self, before: u64, after: u64, now: Moment) {
        match (Rate::per_minute(before), Rate::per_minute(after)) {
            (Some(before), Some(after)) if before != after => self.change(before, after, now),
            // What was taken long ago, before it was not counted for a while.
            (None, Some(_)) => self.reset(),
            _ => {}
        }
    }

    fn update(&self, change: impl Fn(u64) -> u64) {
        let mut seen = self.0.load(Relaxed);
        while let Err(newer) = self.0.compare_exchange_weak(seen, change(seen), Relaxed, Relaxed) {
            seen = newer;
        }
    }

    /// What is left at `now`.
    pub fn left(&self, rate: Rate, now: Moment) -> Left {
        left(rate, Moment(self.0.load(Relaxed)).since(now))
    }

    /// Forgets what was taken.
    pub fn reset(&self) {
        self.0.store(0, Relaxed);
    }
}

fn left(rate: Rate, ahead_ns: u64) -> Left {
    Left { units: rate.earned_in(BURST_NS.saturating_sub(ahead_ns)), full_in_ns: ahead_ns }
}

#[cfg(test)]
mod tests;
