//! Whether attempts queue at a target that takes more than it can work on, and says nothing of it.
//!
//! Slow is not full: providers get slow for reasons of their own, and with less to do they are as slow.
//! What tells a queue is that it *goes on growing*. When a target turns slower, attempts that
//! wait for their first token become more for as long as one of them takes, and then no more: by
//! Little's law they are the rate times the time. When it gets more than it can take, they become more and more,
//! while no more of them come out. So there is a queue when the usual time has trebled, and those who wait
//! have since become more in each of [`WINDOWS`] spans in a row, none shorter than an answer takes to begin, by far
//! more than chance would have it, and not because more of them end.
//!
//! Enough are then those that are worked on, and as many more as come out in the time that is just slow: the target
//! never has less to do than it can. As that is a guess, it binds only where others can be asked.
//!
//! In simulation, of attempts that were answered within five seconds, against the best limit that never changes: with
//! half as much again as the target can take 100 % (0 % by timeouts alone), with a seventh more 99 % (4 to 7 %), and no
//! less than 95 % after its places fell from 200 to 60 or from 50 to 20 (0 %). What is usual is the least of late: with
//! a median that the queue had moved, 14 %. Spans as long as those who wait now will wait came too late for 200 to 60.
//! A target that turns three to six times as slow for ten minutes, whatever it is given, loses nothing. See [`crate::limit`] for how it is tried out later whether there is room again.
//!
//! Looked at by whoever looks after overdue attempts, four times a second at most; an attempt pays
//! nothing for it.

use crate::moment::{Moment, NS_PER_MS};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// So many times the usual time is slow.
pub const SLOW_TIMES: u64 = 3;
/// Spans in a row in which those who wait become more.
pub const WINDOWS: u32 = 3;
/// By so much in each of them, in thousandths, …
const GROWTH_PERMILLE: u64 = 50;
/// … and by so much in all, …
const GROWTH_ALL_PERMILLE: u64 = 300;
/// … and by so many standard deviations of what chance does to two counts.
const DEVIATIONS: u64 = 4;
/// Whoever waits waits longer by so much, in thousandths: when more end as well, there is only more to do.
const LONGER_PERMILLE: u64 = 200;
/// What grows for longer than this grows too slowly to tell why.
const WINDOWS_MAX: u32 = 12;
/// The shortest span, in nanoseconds.
const WINDOW_NS_MIN: u64 = 1_000 * NS_PER_MS;
/// What is usual is taken to be twice as long after so many nanoseconds of longer times.
const RISE_NS: u64 = 600_000 * NS_PER_MS;
/// So few say nothing.
const WAITING_MIN: u32 = 10;

/// What one look sees.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Attempts that wait for their first token, or for their end where they are whole.
    pub waiting: u32,
    /// All attempts in flight.
    pub in_flight: u32,
    /// Attempts that have ended so far.
    pub ends: u64,
    /// The time to a first token of late, in nanoseconds; a high one counts at once.
    pub lately_ns: u64,
    /// The usual one.
    pub usual_ns: u64,
    /// It is not given more than it was thought to take, so that what is usual now may be the queue's doing.
    pub limited: bool,
}

/// What the looks at one target have seen. Written by one looker at a time, and read by nobody else; two
/// that meet lose a span.
#[derive(Debug, Default)]
pub struct Queue {
    /// When this span began, in nanoseconds; 0 while nothing is slow.
    begun: AtomicU64,
    /// Attempts that had ended by then.
    ends: AtomicU64,
    /// Who waited then.
    waiting: AtomicU32,
    /// Spans in a row in which they became more.
    windows: AtomicU32,
    /// Who waited when the first of these began, …
    first_waiting: AtomicU32,
    /// … and how long they waited in it, by Little's law, in nanoseconds.
    first_wait: AtomicU64,
    /// The least time that was usual, which rises by as much in every [`RISE_NS`], in nanoseconds; 0 is unknown.
    usual: AtomicU64,
    /// When that was looked at, in nanoseconds.
    usual_at: AtomicU64,
}

impl Queue {
    /// Takes a look into account. `Some` is when there is a queue: with so many in flight there is not much of one.
    pub fn look(&self, look: &Look, now: Moment) -> Option<u32> {
        let begun = self.begun.load(Relaxed);
        let slow = self.usual(look, now).saturating_mul(SLOW_TIMES);
        if look.usual_ns == 0 || look.lately_ns < slow || look.waiting < WAITING_MIN {
            if begun != 0 {
                self.begun.store(0, Relaxed);
            }
            return None;
        }
        if begun == 0 {
            self.restart(look, now);
            return None;
        }
        let long = now.since(Moment(begun));
        let ended = look.ends.saturating_sub(self.ends.load(Relaxed));
        let wait = long.saturating_mul(u64::from(look.waiting)) / ended.max(1);
        if long < WINDOW_NS_MIN.max(look.lately_ns) {
            return None;
        }
        let windows = self.windows.load(Relaxed) + 1;
        let more = grown_by(look.waiting, self.waiting.load(Relaxed), GROWTH_PERMILLE);
        if wait < slow || !more || windows > WINDOWS_MAX {
            self.restart(look, now);
            return None;
        }
        if windows == 1 {
            self.first_wait.store(wait, Relaxed);
        }
        self.windows.store(windows, Relaxed);
        self.span(look, now);
        let first = self.first_waiting.load(Relaxed);
        let longer = wait.saturating_mul(1_000) >= self.first_wait.load(Relaxed).saturating_mul(1_000 + LONGER_PERMILLE);
        let is_queue = windows >= WINDOWS && longer && grown_by(look.waiting, first, GROWTH_ALL_PERMILLE) && no_chance(first, look.waiting);
        is_queue.then(|| {
            // As many may wait as come out in the time that is just slow.
            let few = u128::from(ended) * u128::from(slow) / u128::from(long.max(1));
            self.restart(look, now);
            look.in_flight.saturating_sub(look.waiting) + look.waiting.min(u32::try_from(few).unwrap_or(u32::MAX))
        })
    }

    /// True while there may be a queue.
    pub fn is_suspected(&self) -> bool {
        self.begun.load(Relaxed) != 0
    }

    /// What is usual without a queue: who has queued for long would take the queue for usual.
    fn usual(&self, look: &Look, now: Moment) -> u64 {
        let (least, at) = (self.usual.load(Relaxed), Moment(self.usual_at.swap(now.0, Relaxed)));
        let risen = match least {
            0 => u64::MAX,
            _ if look.limited => least,
            _ => least.saturating_add((u128::from(least) * u128::from(now.since(at)) / u128::from(RISE_NS)) as u64),
        };
        let usual = look.usual_ns.min(risen);
        if usual != least {
            self.usual.store(usual, Relaxed);
        }
        usual
    }

    /// Forgets what is usual.
    pub fn reset(&self) {
        self.begun.store(0, Relaxed);
        self.usual.store(0, Relaxed);
    }

    /// From here on they are counted anew.
    fn restart(&self, look: &Look, now: Moment) {
        self.windows.store(0, Relaxed);
        self.first_waiting.store(look.waiting, Relaxed);
        self.span(look, now);
    }

    fn span(&self, look: &Look, now: Moment) {
        self.waiting.store(look.waiting, Relaxed);
        self.ends.store(look.ends, Relaxed);
        self.begun.store(now.0.max(1), Relaxed);
    }
}

/// True when `now` is more than `before` by so many thousandths.
fn grown_by(now: u32, before: u32, permille: u64) -> bool {
    u64::from(now) * 1_000 >= u64::from(before) * (1_000 + permille)
}

/// True when two counts differ by more than [`DEVIATIONS`].
fn no_chance(before: u32, now: u32) -> bool {
    let more = u64::from(now.saturating_sub(before));
    more * more >= DEVIATIONS * DEVIATIONS * (u64::from(before) + u64::from(now))
}

#[cfg(test)]
mod tests;
