//! What is known of one credential's account, where its provider has several.
//!
//! When one account of several is ill, every attempt with it fails, and the others say that the target is
//! well. So what fails is either the account or the target, and never counted for both: it is the account's
//! when another credential has worked at the same target since this one began to fail there, and the
//! target's else. An outage of the whole target opens the target's breaker as soon as ever, since nobody
//! works then; an ill account opens its own after as many failures, and is left alone and probed by one
//! attempt at a time while the others go on.

use crate::{
    breaker::Seat,
    moment::{Moment, NS_PER_US},
};
use policy::{Class, TargetId};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The account of one credential.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct Standing {
    /// Its breaker.
    pub breaker: Seat,
    /// Where and when it last worked; see [`pack`].
    worked: AtomicU64,
    /// Where it fails, and when the first attempt of those began; 0 when the last one worked.
    failing: AtomicU64,
}

/// `microseconds (50 bits) | target (14 bits)`, of which 0 is never.
fn pack(target: TargetId, at: Moment) -> u64 {
    ((at.0 / NS_PER_US).max(1) << 14) | u64::from(target.0) & TARGET_MASK
}

const TARGET_MASK: u64 = (1 << 14) - 1;

const _: () = assert!(policy::limits::TARGETS_MAX <= 1 << 14);

/// True for failures that may be an account's. What goes wrong before a request is read is the target's,
/// and what an answer says badly is the model's.
pub const fn speaks_of_account(class: Class) -> bool {
    matches!(class, Class::ServerError | Class::Overloaded | Class::Timeout)
}

impl Standing {
    /// An attempt at `target` came back well.
    pub fn works(&self, target: TargetId, now: Moment) {
        self.worked.store(pack(target, now), Relaxed);
        // A load first: nearly always it worked before.
        if self.failing.load(Relaxed) != 0 {
            self.failing.store(0, Relaxed);
        }
    }

    /// An attempt at `target` that began at `begun` failed. Tells since when all of them fail there.
    pub fn fails(&self, target: TargetId, begun: Moment) -> Moment {
        let seen = self.failing.load(Relaxed);
        if seen != 0 && seen & TARGET_MASK == u64::from(target.0) & TARGET_MASK {
            return Moment((seen >> 14).saturating_mul(NS_PER_US));
        }
        self.failing.store(pack(target, begun), Relaxed);
        begun
    }

    /// True when the last attempt that came back well was at `target`, and after `since`.
    pub fn has_worked(&self, target: TargetId, since: Moment) -> bool {
        let word = self.worked.load(Relaxed);
        word & TARGET_MASK == u64::from(target.0) & TARGET_MASK && word >> 14 > since.0 / NS_PER_US
    }

    /// Forgets everything: its bytes were replaced, or the operator says so.
    pub fn reset(&self) {
        self.breaker.reset();
        self.worked.store(0, Relaxed);
        self.failing.store(0, Relaxed);
    }
}

const _: () = assert!(size_of::<Standing>() == 128);

#[cfg(test)]
mod tests;
