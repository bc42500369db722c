//! Attempts of one kind at a target, and what is usual for them.

use super::{
    Hush, OVERDUE_NS_MIN, OVERDUE_NS_QUICK, Overdue, Past, QUIET_NS_MIN, SHARE, Sight, TIMES, WAITING_MIN, Waiting, longest::Longest,
};
use crate::{moment::Moment, pace::Paces};

/// What is written down of a pause, at most.
const PAUSE_NS_MAX: u64 = OVERDUE_NS_MIN / 2;

/// Attempts of one kind at a target: how long they usually take, and those that run.
#[derive(Debug, Default)]
pub struct Watch {
    /// How long they took.
    pub pace: Paces,
    /// Those that run.
    pub waiting: Waiting,
    /// Since when nothing has come of them.
    pub hush: Hush,
    /// Pauses that ended with an answer.
    pause: Longest,
}

/// What an attempt takes at most, but for one in a hundred, in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Usual(u64);

impl Usual {
    fn thrice(self) -> u64 {
        self.0.saturating_mul(TIMES)
    }

    fn overdue_ns(self, ceiling_ns: u64) -> u64 {
        self.thrice().clamp(OVERDUE_NS_MIN, ceiling_ns.max(OVERDUE_NS_MIN))
    }
}

impl Watch {
    /// What is usual; `None` while too little is known.
    fn usual(&self, now: Moment) -> Option<Usual> {
        self.pace.quantile(SHARE, now).map(Usual)
    }

    /// When an attempt is overdue, in nanoseconds after it began; `None` while too little is known.
    pub fn overdue_ns(&self, ceiling_ns: u64, now: Moment) -> Option<u64> {
        self.usual(now).map(|usual| usual.overdue_ns(ceiling_ns))
    }

    /// The attempts that are overdue, and, where there are `others` to turn to, those that have waited while nothing
    /// was heard for long enough, see [`crate::waiting`]. None while too little is known.
    pub fn look(&self, ceiling_ns: u64, others: bool, past: Past, now: Moment) -> (Sight, Sight) {
        let usual = self.usual(now);
        self.hush.suit(usual.map(|usual| usual.0), now);
        let Some(usual) = usual else { return Default::default() };
        let silent = if others { self.silent(usual, past, now) } else { Sight::default() };
        (self.overdue(usual, ceiling_ns, past, now), silent)
    }

    fn overdue(&self, usual: Usual, ceiling_ns: u64, past: Past, now: Moment) -> Sight {
        let ns = usual.overdue_ns(ceiling_ns);
        self.waiting.suit(ns.max(past.queued_ns.saturating_mul(2)));
        self.waiting.overdue(ns, past, now)
    }

    /// How long nothing may be heard while attempts wait, in nanoseconds, where there are others to turn to; `None`
    /// when that is no less than what makes an attempt overdue anyway. Twice the longest pause that ended well lately
    /// is no silence yet.
    fn quiet_ns(&self, usual: Usual, now: Moment) -> Option<u64> {
        let quiet = QUIET_NS_MIN.saturating_add(usual.0).max(self.pause.ns(now) * 2).max(usual.thrice());
        (quiet < OVERDUE_NS_MIN).then_some(quiet)
    }

    /// The attempts that have waited while nothing at all was heard for [`Watch::quiet_ns`]; none otherwise.
    fn silent(&self, usual: Usual, past: Past, now: Moment) -> Sight {
        let Some(quiet) = self.quiet_ns(usual, now) else { return Sight::default() };
        let sight = self.waiting.overdue(usual.thrice().max(OVERDUE_NS_QUICK), past, now);
        let (row, short) = (sight.overdue.in_row, quiet.saturating_sub(sight.silent_ns));
        match (row, short) {
            (0, _) => Sight { overdue: Overdue::default(), ..sight },
            (_, 0) => Sight { overdue: Overdue { all: row, in_row: row }, ..sight },
            _ => Sight { overdue: Overdue::default(), next_ns: sight.next_ns.min(short), ..sight },
        }
    }

    /// For how long the target has said nothing, in nanoseconds, when that is silence: see [`Hush`].
    #[inline]
    pub fn silence_ns(&self, now: Moment) -> Option<u64> {
        self.hush.lasts_ns(now).and_then(|ns| self.seen_silent(ns, now))
    }

    #[cold]
    fn seen_silent(&self, ns: u64, now: Moment) -> Option<u64> {
        // Who began first after the last word may be gone.
        let silent_ns = ns.min(self.waiting.oldest_ns(now));
        self.hush.suspect(silent_ns, now);
        (self.hush.is_silence(silent_ns, now) && self.waiting.count() >= WAITING_MIN).then_some(silent_ns)
    }

    /// What [`Watch::silence_ns`] says when it is asked again, found without a trace.
    #[cfg(test)]
    pub(crate) fn is_silent(&self, now: Moment) -> bool {
        let silent_ns = self.hush.lasts_ns(now).map_or(0, |ns| ns.min(self.waiting.oldest_ns(now)));
        self.hush.is_silence(silent_ns.max(1), now) && self.waiting.count() >= WAITING_MIN
    }

    /// The target has said something.
    #[inline]
    pub fn heard(&self, now: Moment) {
        if let Some(ns) = self.hush.lasts_ns(now) {
            self.lulled(ns, now);
        }
        self.hush.heard();
    }

    #[cold]
    fn lulled(&self, ns: u64, now: Moment) {
        // Whom it answered may wait no more.
        if self.waiting.count() + 1 >= WAITING_MIN && self.hush.lulled(ns.min(self.waiting.oldest_ns(now)), now) {
            self.hush.suit(self.usual(now).map(|usual| usual.0), now);
        }
    }

    /// An answer has come after so long a silence, which is no more than it took itself.
    #[cold]
    pub fn paused(&self, silent_ns: u64, now: Moment) {
        self.pause.note(silent_ns.min(PAUSE_NS_MAX), now);
    }

    /// Forgets how long they took.
    pub fn reset(&self) {
        self.pace.reset();
        self.pause.reset();
        self.hush.reset();
    }
}

const _: () = assert!(size_of::<Watch>() == 744);
