//! A target that says nothing at the moment: others are asked first until it is heard again.
//!
//! What opens a breaker must be sure, since it closes for seconds. This need not be: it refuses nobody who has
//! no other target, lasts no longer than the silence does, and the attempts that wait meanwhile are the ones
//! that end it. So it begins long before a breaker opens, after one and a half times the p99 ([`limit_ns`]) in
//! which several attempts ([`WAITING_MIN`]) have waited and nothing was heard: together with those that were
//! in flight when the target fell silent, which are answered within one p99 or never, that is less than three
//! times the p99 from the first attempt in vain on.
//!
//! Silence counts from the first attempt that began after the last word, and must have been seen by a look
//! before, [`AGAIN_NS`] ago: between the two the gateway has read what had come while it was held up itself. A
//! pause that ends well is remembered, so that a target which often makes such a pause is not left for it.

use super::{AGAIN_NS, longest::Longest};
use crate::moment::{Moment, NS_PER_MS, NS_PER_US};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// So many attempts wait at least.
pub const WAITING_MIN: u32 = 3;
/// No shorter pause is silence, in nanoseconds: a machine that is busy makes some of its own.
pub const HUSH_NS_MIN: u64 = 40 * NS_PER_MS;
/// A longer pause than this is an outage, which it is right to have left, in nanoseconds.
const LULL_NS_MAX: u64 = 500 * NS_PER_MS;

/// Since when nothing has come.
#[derive(Debug, Default)]
pub struct Hush {
    /// When the first attempt began after the last word, in nanoseconds; 0 when none has.
    since: AtomicU64,
    /// When a look first found a quarter of the time to be over, in nanoseconds.
    suspected: AtomicU64,
    /// Pauses that ended well.
    lull: Longest,
    /// After so many microseconds it is silence; 0 while too little is known.
    limit_us: AtomicU32,
    /// Requests that others were asked for instead, since the last word.
    kept: AtomicU32,
}

/// After how long it is silence, by its usual time and the longest pause of late, in nanoseconds.
fn limit_ns(usual_ns: u64, lull_ns: u64) -> u64 {
    (usual_ns.saturating_mul(3) / 2).max(lull_ns * 2).max(HUSH_NS_MIN)
}

impl Hush {
    /// An attempt begins.
    #[inline]
    pub fn begun(&self, now: Moment) {
        if self.since.load(Relaxed) == 0 {
            self.since.store(now.0.max(1), Relaxed);
        }
    }

    /// The target has said something.
    #[inline]
    pub fn heard(&self) {
        if self.since.load(Relaxed) != 0 {
            self.since.store(0, Relaxed);
        }
        if self.kept.load(Relaxed) != 0 {
            self.kept.store(0, Relaxed);
        }
    }

    /// Another was asked instead.
    #[cold]
    pub fn keep(&self) {
        self.kept.fetch_add(1, Relaxed);
    }

    /// How often that was since the last word.
    pub fn kept(&self) -> u32 {
        self.kept.load(Relaxed)
    }

    /// For how long nothing has come, in nanoseconds, when that is a quarter of what makes it silence or more. Mostly
    /// it is not, and then nothing more is to be looked at.
    #[inline]
    pub fn lasts_ns(&self, now: Moment) -> Option<u64> {
        let since = self.since.load(Relaxed);
        if since == 0 {
            return None;
        }
        let (ns, limit_ns) = (now.since(Moment(since)), self.limit());
        (limit_ns > 0 && ns >= limit_ns / 4).then_some(ns)
    }

    fn limit(&self) -> u64 {
        u64::from(self.limit_us.load(Relaxed)) * NS_PER_US
    }

    /// Nothing has come for `silent_ns` while attempts waited: the first look at it is written down.
    pub fn suspect(&self, silent_ns: u64, now: Moment) {
        if now.since(Moment(self.suspected.load(Relaxed))) > silent_ns {
            self.suspected.store(now.0, Relaxed);
        }
    }

    /// Nothing has come for `silent_ns` while attempts waited. True when that is silence.
    pub fn is_silence(&self, silent_ns: u64, now: Moment) -> bool {
        let seen_ns = now.since(Moment(self.suspected.load(Relaxed)));
        silent_ns >= self.limit() && (AGAIN_NS..=silent_ns).contains(&seen_ns)
    }

    /// Has it be silence after what suits the usual time; `None` is that too little is known.
    pub fn suit(&self, usual_ns: Option<u64>, now: Moment) {
        let us = usual_ns.map_or(0, |ns| limit_ns(ns, self.lull.ns(now)) / NS_PER_US);
        self.limit_us.store(u32::try_from(us).unwrap_or(u32::MAX), Relaxed);
    }

    /// A pause of so many nanoseconds has ended well, though enough attempts waited. True when another is to be
    /// longer than before to be silence.
    pub fn lulled(&self, ns: u64, now: Moment) -> bool {
        (self.limit() / 2..=LULL_NS_MAX).contains(&ns) && self.lull.note(ns, now)
    }

    /// Forgets everything.
    pub fn reset(&self) {
        self.since.store(0, Relaxed);
        self.suspected.store(0, Relaxed);
        self.lull.reset();
        self.limit_us.store(0, Relaxed);
        self.kept.store(0, Relaxed);
    }
}
