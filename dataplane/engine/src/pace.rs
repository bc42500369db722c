//! How quickly a target begins to answer, as a distribution: a fixed set of counters, no lock, one
//! addition for each observation.
//!
//! Marks are spaced four to the octave, so that a quantile is known to a quarter at worst, and
//! nearer by the interpolation within its mark. What was seen fades by half every
//! [`HALF_LIFE_NS`]: whoever observes first after such a time halves every counter. An addition
//! that meets a halving is neither lost nor halved twice; a counter that changes under the halving
//! is halved the next time, which a distribution survives.

use crate::moment::{Moment, NS_PER_US};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// What was seen counts half as much after so long, in nanoseconds.
pub const HALF_LIFE_NS: u64 = 300_000_000_000;
/// So many observations, faded ones in proportion, say something.
pub const ENOUGH: u64 = 20;

/// What one observation adds, so that a single one can still be halved.
const GRAIN: u32 = 16;
const MARKS: usize = 47;
/// What is faded is counted in parts of a grain, so that little does not fade to nothing too soon.
const PARTS_LOG2: u32 = 16;
/// The first mark takes all that is below 2^15 µs, 33 ms: nothing that is decided by a quantile
/// would be decided otherwise below.
const FIRST_LOG2: u32 = 15;
/// Where the last mark is taken to end, in microseconds: 134 s.
const LAST_US: u64 = 1 << 27;

/// Times to first token of one target.
#[derive(Debug, Default)]
pub struct Pace {
    /// Half-lives since the clock began when it was halved last.
    halved: AtomicU32,
    marks: Marks,
}

#[derive(Debug)]
struct Marks([AtomicU32; MARKS]);

impl Default for Marks {
    fn default() -> Marks {
        Marks([const { AtomicU32::new(0) }; MARKS])
    }
}

impl Pace {
    /// Takes one time into account.
    pub fn observe(&self, ns: u64, now: Moment) {
        let seen = self.halved.load(Relaxed);
        let lag = half_lives(now).wrapping_sub(seen);
        // A shard whose clock was read before the turn must not turn it back.
        if lag != 0 && lag <= u32::MAX / 2 && self.halved.compare_exchange(seen, seen.wrapping_add(lag), Relaxed, Relaxed).is_ok() {
            self.fade(lag);
        }
        self.marks.0[mark_of(ns)].fetch_add(GRAIN, Relaxed);
    }

    fn fade(&self, times: u32) {
        for mark in &self.marks.0 {
            let seen = mark.load(Relaxed);
            let left = seen.checked_shr(times).unwrap_or(0);
            // Who loses against an addition leaves it for the next time.
            let _lost_to_an_observation = mark.compare_exchange(seen, left, Relaxed, Relaxed);
        }
    }

    /// The time within which this share of attempts has answered, in nanoseconds; `None` until
    /// [`ENOUGH`] is known. `share` is between 0 and 1.
    pub fn quantile(&self, share: f64, now: Moment) -> Option<u64> {
        let mut counts = [0; MARKS];
        self.add_to(&mut counts, now);
        quantile_of(&counts, share)
    }

    /// Adds what is known, faded until `now`, in parts of a [`GRAIN`].
    fn add_to(&self, counts: &mut [u64; MARKS], now: Moment) {
        let lag = half_lives(now).wrapping_sub(self.halved.load(Relaxed));
        let lag = if lag <= u32::MAX / 2 { lag } else { 0 };
        for (count, mark) in counts.iter_mut().zip(&self.marks.0) {
            *count += (u64::from(mark.load(Relaxed)) << PARTS_LOG2).checked_shr(lag).unwrap_or(0);
        }
    }

    /// Forgets what was seen.
    pub fn reset(&self) {
        for mark in &self.marks.0 {
            mark.store(0, Relaxed);
        }
    }
}

/// How large a request is, by the tokens of its prompt: what is larger takes longer to begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size(u8);

/// Sizes that are told apart.
pub const SIZES: usize = 3;
/// From so many tokens on, a request is of the second size, and of the third.
const SIZE_TOKENS: [u32; SIZES - 1] = [2_000, 16_000];

impl Size {
    /// The size of a prompt of so many tokens.
    pub fn of(tokens: u32) -> Size {
        Size(SIZE_TOKENS.iter().filter(|least| tokens >= **least).count() as u8)
    }
}

/// Times to first token of one target, by the size of what was asked.
#[derive(Debug, Default)]
pub struct Paces([Pace; SIZES]);

impl Paces {
    /// Takes one time into account.
    pub fn observe(&self, size: Size, ns: u64, now: Moment) {
        self.0[usize::from(size.0)].observe(ns, now);
    }

    /// As [`Pace::quantile`], over all sizes.
    pub fn quantile(&self, share: f64, now: Moment) -> Option<u64> {
        let mut counts = [0; MARKS];
        self.0.iter().for_each(|pace| pace.add_to(&mut counts, now));
        quantile_of(&counts, share)
    }

    /// As [`Pace::quantile`], of requests of this size; over all sizes while too little is known of it.
    pub fn quantile_at(&self, size: Size, share: f64, now: Moment) -> Option<u64> {
        self.0[usize::from(size.0)].quantile(share, now).or_else(|| self.quantile(share, now))
    }

    /// Forgets what was seen.
    pub fn reset(&self) {
        self.0.iter().for_each(Pace::reset);
    }
}

fn quantile_of(counts: &[u64; MARKS], share: f64) -> Option<u64> {
    let total: u64 = counts.iter().sum();
    if total < (ENOUGH * u64::from(GRAIN)) << PARTS_LOG2 {
        return None;
    }
    let mut left = (share.clamp(0.0, 1.0) * total as f64).ceil().max(1.0) as u64;
    for (mark, count) in counts.iter().copied().enumerate() {
        if left <= count {
            let (from, to) = (begin_us(mark), begin_us(mark + 1));
            let within = u128::from(to - from) * u128::from(left) / u128::from(count.max(1));
            return Some((from + within as u64).saturating_mul(NS_PER_US));
        }
        left -= count;
    }
    Some(LAST_US * NS_PER_US)
}

fn half_lives(now: Moment) -> u32 {
    (now.0 / HALF_LIFE_NS) as u32
}

fn mark_of(ns: u64) -> usize {
    let us = ns / NS_PER_US;
    let Some(log2) = us.checked_ilog2().filter(|log2| *log2 >= FIRST_LOG2) else { return 0 };
    let quarter = (us >> (log2 - 2)) & 3;
    (1 + (log2 - FIRST_LOG2) as usize * 4 + quarter as usize).min(MARKS - 1)
}

/// Where a mark begins, in microseconds; for the one behind the last, where that is taken to end.
fn begin_us(mark: usize) -> u64 {
    match mark {
        0 => 0,
        MARKS.. => LAST_US,
        _ => (4 + (mark as u64 - 1) % 4) << (FIRST_LOG2 as usize - 2 + (mark - 1) / 4),
    }
}

const _: () = assert!(size_of::<Pace>() == 192);
const _: () = assert!(size_of::<Paces>() == SIZES * 192);

#[cfg(test)]
mod tests;
