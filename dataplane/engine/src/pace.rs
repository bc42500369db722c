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
/// Bits of the last mark in a word; the half-lives before them come round after 159 years.
const LAST_BITS: u32 = 8;

/// Times to first token of one target.
#[derive(Debug, Default)]
pub struct Pace {
    /// Half-lives since the clock began when it was halved last, and one more than the last mark that counts
    /// anything in the low [`LAST_BITS`]: what nobody took so long for is known without a look at the others.
    word: AtomicU32,
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
        let seen = self.word.load(Relaxed);
        let lag = lag(seen, now);
        if lag != 0 && self.word.compare_exchange(seen, seen.wrapping_add(lag << LAST_BITS), Relaxed, Relaxed).is_ok() {
            self.fade(lag);
        }
        let mark = mark_of(ns);
        self.marks.0[mark].fetch_add(GRAIN, Relaxed);
        if last(self.word.load(Relaxed)) <= mark {
            self.extend(mark);
        }
    }

    /// Nobody took so long before.
    #[cold]
    fn extend(&self, mark: usize) {
        let mut seen = self.word.load(Relaxed);
        while last(seen) <= mark
            && let Err(newer) = self.word.compare_exchange_weak(seen, with_last(seen, mark + 1), Relaxed, Relaxed)
        {
            seen = newer;
        }
    }

    #[cold]
    fn fade(&self, times: u32) {
        let before = self.word.load(Relaxed);
        let mut end = 0;
        for (at, mark) in self.marks.0.iter().enumerate() {
            let seen = mark.load(Relaxed);
            let left = seen.checked_shr(times).unwrap_or(0);
            // Who loses against an addition leaves it for the next time.
            let lost = mark.compare_exchange(seen, left, Relaxed, Relaxed).is_err();
            if lost || left > 0 {
                end = at + 1;
            }
        }
        // An addition that meets this may stay beyond the end until the next one of its mark.
        let _lost_to_an_observation = self.word.compare_exchange(before, with_last(before, end), Relaxed, Relaxed);
    }

    /// True when nobody has taken longer than this, as far as is remembered.
    #[inline]
    fn is_within(&self, ns: u64) -> bool {
        match last(self.word.load(Relaxed)) {
            0 => true,
            // The last mark has no end.
            MARKS => false,
            end => begin_us(end).saturating_mul(NS_PER_US) <= ns,
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
        let lag = lag(self.word.load(Relaxed), now);
        for (count, mark) in counts.iter_mut().zip(&self.marks.0) {
            *count += (u64::from(mark.load(Relaxed)) << PARTS_LOG2).checked_shr(lag).unwrap_or(0);
        }
    }

    /// Forgets what was seen.
    pub fn reset(&self) {
        for mark in &self.marks.0 {
            mark.store(0, Relaxed);
        }
        self.word.fetch_and(u32::MAX << LAST_BITS, Relaxed);
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

    /// True when nobody has taken longer than this, whatever was asked, as far as is remembered.
    #[inline]
    pub fn is_within(&self, ns: u64) -> bool {
        self.0.iter().all(|pace| pace.is_within(ns))
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

/// Half-lives that have gone by since a word was written. A shard whose clock was read before another's turn must
/// not turn it back.
fn lag(word: u32, now: Moment) -> u32 {
    const ALL: u32 = u32::MAX >> LAST_BITS;
    let lag = ((now.0 / HALF_LIFE_NS) as u32).wrapping_sub(word >> LAST_BITS) & ALL;
    if lag <= ALL / 2 { lag } else { 0 }
}

/// One more than the last mark that counts anything, of a word.
fn last(word: u32) -> usize {
    (word & ((1 << LAST_BITS) - 1)) as usize
}

fn with_last(word: u32, end: usize) -> u32 {
    word & u32::MAX << LAST_BITS | end as u32
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

const _: () = assert!(MARKS < 1 << LAST_BITS);
const _: () = assert!(size_of::<Pace>() == 192);
const _: () = assert!(size_of::<Paces>() == SIZES * 192);

#[cfg(test)]
mod tests;
