//! How many attempts one target takes at once, learned from what it refuses.
//!
//! Until it refuses there is no limit but its provider's, and a target that is well never has another. A
//! refusal ("too many", "too busy", or no answer in time) says that as many as were in flight are too many. So
//! the limit becomes nine tenths of those, once for all attempts that began before, and answers let it grow
//! again, by twice its square root for every round of them: up to one below where it was refused as long as
//! that is no longer ago than [`HOLD_NS`], and then beyond, faster and faster, since nobody knows what has
//! changed. Where it was refused is the count of those in flight less those that were refused together. When it has grown to what the
//! provider allows, it is gone.
//!
//! ```mermaid
//! stateDiagram-v2
//!     [*] --> Free
//!     Free --> Held: Refused
//!     Free --> Held: Queued
//!     Held --> Held: Refused
//!     Held --> Held: Queued
//!     Held --> Rising: Quiet
//!     Held --> Free: Reached
//!     Rising --> Held: Refused
//!     Rising --> Held: Queued
//!     Rising --> Free: Reached
//! ```
//!
//! Why it waits below where it was refused: whoever is refused has to go elsewhere, and a provider that limits
//! rates is left alone for a second by everybody. To find the edge again costs more than to stay beside it.
//!
//! Who keeps too many waiting instead of refusing them is found out by [`crate::queue`]. The limit that is made of it
//! is *soft*: it binds only where others can be asked. Being slow alone limits nothing: providers answer slowly for
//! reasons of their own. What is in flight is counted by all shards and read without a
//! lock; two of them may both take the last place. The limit is an estimate, and so is what it bounds.

use crate::{machine::machine, moment::Moment};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// What remains of the attempts that were too many, in thousandths.
pub const SHRINK_PERMILLE: u64 = 900;
/// Where it refused counts for so long, in nanoseconds.
pub const HOLD_NS: u64 = 15_000_000_000;
/// So many are always let through: with as few, a refusal is about what was asked in a minute, not at once.
pub const LEAST: u32 = 10;

/// Marks a ceiling that binds only where others can be asked.
const SOFT: u32 = 1 << 31;
/// One attempt, in the unit that limits are kept in.
const ONE: u64 = 1_024;

machine! {
    /// What is made of a target's refusals.
    states State {
        /// Nothing: its provider's limit is the only one.
        Free,
        /// It refused a short time ago: no more than were let in then.
        Held,
        /// It has not refused for [`HOLD_NS`]: more and more.
        Rising,
    }
    /// What becomes of attempts there.
    events Event {
        /// One of as many as were let in was refused.
        Refused,
        /// They queue.
        Queued,
        /// None was refused for [`HOLD_NS`].
        Quiet,
        /// One was answered while as many may be in flight as its provider allows.
        Reached,
    }
    moves {
        Free: Refused => Held;
        Free: Queued => Held;
        Held: Refused => Held;
        Held: Queued => Held;
        Held: Quiet => Rising;
        Held: Reached => Free;
        Rising: Refused => Held;
        Rising: Queued => Held;
        Rising: Reached => Free;
    }
}

/// How it is known that there are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// The provider said so, and at once.
    Said,
    /// No answer came in time. Who was in its way is gone by then, so it tells nothing of how many are too many.
    Late,
}

/// The limit of one target, shared by all shards. Blank is none.
#[derive(Debug, Default)]
pub struct Limit {
    /// In units of [`ONE`]; 0 is none.
    most: AtomicU32,
    /// The most that were not too many, as far as is known; with [`SOFT`] or without.
    ceiling: AtomicU32,
    /// When it shrank last, in nanoseconds.
    shrunk: AtomicU64,
}

impl Limit {
    /// How it stands at `now`.
    pub fn state(&self, now: Moment) -> State {
        match self.most.load(Relaxed) {
            0 => State::Free,
            _ if now.since(Moment(self.shrunk.load(Relaxed))) < HOLD_NS => State::Held,
            _ => State::Rising,
        }
    }

    /// How many may be in flight at `now`; `None` while nothing limits them.
    #[inline]
    pub fn most(&self, now: Moment) -> Option<u32> {
        match self.most.load(Relaxed) {
            0 => None,
            word => Some(self.grown(word, now)),
        }
    }

    /// What has become of `word` while nothing was refused.
    fn grown(&self, word: u32, now: Moment) -> u32 {
        let quiet = now.since(Moment(self.shrunk.load(Relaxed)));
        let more = u128::from(quiet.saturating_sub(HOLD_NS)) * u128::from(word) / u128::from(HOLD_NS);
        let grown = (u128::from(word) + more) / u128::from(ONE);
        u32::try_from(grown).unwrap_or(u32::MAX)
    }

    /// An attempt that began at `begun` was refused, while so many were in flight, itself among them. True when
    /// the limit shrank by it.
    pub fn refused(&self, in_flight: u32, begun: Moment, sign: Sign, now: Moment) -> bool {
        let last = self.shrunk.load(Relaxed);
        let seen = self.most.load(Relaxed);
        if begun.0 <= last && last != 0 {
            if sign == Sign::Said {
                self.one_less(in_flight);
            }
            return false;
        }
        if in_flight <= LEAST {
            return false;
        }
        let known = if seen == 0 { u32::MAX } else { self.grown(seen, now) };
        // Fewer than half of what is allowed say little about the rest.
        let base = in_flight.min(known).max(if seen == 0 { 0 } else { known / 2 });
        let next = (u64::from(base) * ONE * SHRINK_PERMILLE / 1_000).clamp(u64::from(LEAST) * ONE, u64::from(u32::MAX));
        // Whoever loses has seen the same refusals.
        if self.shrunk.compare_exchange(last, now.0.max(1), Relaxed, Relaxed).is_err() {
            return false;
        }
        self.ceiling.store(base.saturating_sub(1).clamp(LEAST, SOFT - 1), Relaxed);
        self.most.store(next as u32, Relaxed);
        true
    }

    /// Another refusal of those that shrank it: one more of the attempts in flight was one too many. Those that
    /// still are in flight beside it were not, as far as is known.
    fn one_less(&self, in_flight: u32) {
        let ceiling = self.ceiling.load(Relaxed) & !SOFT;
        if ceiling > LEAST && ceiling >= in_flight {
            // Whoever loses leaves it one too high, which the next refusal finds.
            let _lost_to_another = self.ceiling.compare_exchange(ceiling, ceiling - 1, Relaxed, Relaxed);
            self.most.fetch_min((ceiling - 1).saturating_mul(ONE as u32).max(LEAST * ONE as u32), Relaxed);
        }
    }

    /// An attempt was answered, while so many were in flight, itself among them; the provider allows `max`.
    #[inline]
    pub fn answered(&self, in_flight: u32, max: impl FnOnce() -> u32, now: Moment) {
        let seen = self.most.load(Relaxed);
        if seen != 0 {
            self.grow(seen, in_flight, max(), now);
        }
    }

    #[cold]
    fn grow(&self, seen: u32, in_flight: u32, max: u32, now: Moment) {
        let most = self.grown(seen, now);
        // What is not used cannot be too little.
        if u64::from(in_flight) * 2 < u64::from(most) && most < max {
            return;
        }
        let holds = self.state(now) == State::Held;
        let ceiling = u64::from(self.ceiling.load(Relaxed) & !SOFT) * ONE;
        let step = (2 * ONE) as f64 / f64::from(most.max(1)).sqrt();
        let next = u64::from(seen) + step as u64;
        let next = if holds { next.min(ceiling.max(u64::from(seen))) } else { next };
        let next = if most >= max { 0 } else { u32::try_from(next).unwrap_or(u32::MAX) };
        // One of many; who loses adds nothing.
        let _lost_to_another = self.most.compare_exchange(seen, next, Relaxed, Relaxed);
    }

    /// Attempts queue there, and with so many in flight they did not yet, or not for long. Says nothing where fewer
    /// are known to be too many.
    #[cold]
    pub fn queued(&self, enough: u32, now: Moment) {
        let enough = enough.clamp(LEAST, SOFT - 1);
        let seen = self.most.load(Relaxed);
        if seen != 0 && self.grown(seen, now) <= enough {
            return;
        }
        self.shrunk.store(now.0.max(1), Relaxed);
        self.ceiling.store(enough | SOFT, Relaxed);
        self.most.store(u32::try_from(u64::from(enough) * ONE).unwrap_or(u32::MAX), Relaxed);
    }

    /// True when the limit is a guess, and binds only where others can be asked.
    pub fn is_soft(&self) -> bool {
        self.ceiling.load(Relaxed) & SOFT != 0
    }

    /// Forgets what was learned.
    pub fn reset(&self) {
        self.most.store(0, Relaxed);
        self.shrunk.store(0, Relaxed);
    }
}

const _: () = assert!(size_of::<Limit>() == 16);

#[cfg(test)]
mod tests;
