//! How many requests of a chain may be asked twice.
//!
//! Every request earns its share of a second attempt, and every second attempt takes a whole one, over
//! all shards together. Nothing comes by itself: at any time the second attempts are at most the share
//! of the requests so far, and at most [`AHEAD_MAX`] of them come at once.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Second attempts that can be saved up.
pub const AHEAD_MAX: u32 = 10;
/// A second attempt, in the thousandths that requests earn.
const WHOLE: u32 = 1_000;

/// What a chain's requests have earned. Zero is nothing.
#[derive(Debug, Default)]
pub struct Allotment(AtomicU32);

impl Allotment {
    /// A request is made, which earns so many thousandths of a second attempt.
    pub fn earn(&self, permille: u16) {
        let most = AHEAD_MAX * WHOLE;
        let mut seen = self.0.load(Relaxed);
        // What is full stays full: where nobody is slow, this is a load.
        while seen < most {
            let more = (seen + u32::from(permille)).min(most);
            match self.0.compare_exchange_weak(seen, more, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(newer) => seen = newer,
            }
        }
    }

    /// How many second attempts may be made at once; at most [`AHEAD_MAX`].
    pub fn left(&self) -> u32 {
        self.0.load(Relaxed) / WHOLE
    }

    /// Takes one; false when there is none.
    pub fn take(&self) -> bool {
        let less = |seen: u32| seen.checked_sub(WHOLE);
        self.0.fetch_update(Relaxed, Relaxed, less).is_ok()
    }

    /// Gives one back that was taken and not made.
    pub fn give_back(&self) {
        let more = |seen: u32| Some((seen + WHOLE).min(AHEAD_MAX * WHOLE));
        let _never_refused = self.0.fetch_update(Relaxed, Relaxed, more);
    }
}

#[cfg(test)]
mod tests;
