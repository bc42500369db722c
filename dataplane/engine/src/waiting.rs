//! Attempts in flight at a target, by when they began, so that a provider that has fallen silent is
//! seen before the first of them times out.
//!
//! A few slots, each for the attempts that began within a short span. An attempt remembers its slot
//! and gives it back exactly once. Slots are taken in turn, a new one when the last is older than
//! the span, so that at any rate of attempts the last [`SLOTS`] spans with an attempt in them are
//! seen. A slot that is taken anew while some of its attempts are still in flight forgets those:
//! they find another mark in it and give nothing back. So no slot ever counts an attempt that has
//! ended, and one that has not may be missed when it is very old.
//!
//! Two things tell that a target is silent. *Overdue* is an attempt that has waited for thrice what is
//! usual and for a second; it is a failure whatever else is heard of the target. A target that usually
//! answers in less than a third of a second would be left late by that. So where there are others to turn
//! to, [`OVERDUE_NS_QUICK`] does, as long as *nothing at all* is heard of the target for longer than its
//! pauses have ever lasted lately ([`Watch::quiet_ns`]), as two looks have seen: between them the
//! gateway has read what had come while it was held up itself. Alone, a target is not left for a pause:
//! to refuse takes longer than to wait.

use crate::{
    moment::{Moment, NS_PER_MS},
    pace::Paces,
};
use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
};

mod watchman;

pub use watchman::{AGAIN_NS, LOOK_NS, Watchman};

/// Spans that are told apart.
pub const SLOTS: usize = 30;
/// An attempt is overdue after so many times the [`SHARE`] of its target's times …
pub const TIMES: u64 = 3;
/// … which is this share of all …
pub const SHARE: f64 = 0.99;
/// … but not before so long, in nanoseconds …
pub const OVERDUE_NS_MIN: u64 = 1_000 * NS_PER_MS;
/// … or so long, where nothing at all is heard and there are others to turn to.
pub const OVERDUE_NS_QUICK: u64 = 200 * NS_PER_MS;
/// A pause that is no longer than this and the usual time is no silence, in nanoseconds.
pub const QUIET_NS_MIN: u64 = 350 * NS_PER_MS;
/// A pause that ended well counts half as much after so long, in nanoseconds.
pub const PAUSE_HALF_LIFE_NS: u64 = 1_800_000 * NS_PER_MS;

/// What the time is counted in here.
const TICK_NS: u64 = 16 * NS_PER_MS;
const TICK_BITS: u32 = 18;
const TICK_MASK: u32 = (1 << TICK_BITS) - 1;
/// Ticks by which another shard's clock may seem to be ahead: a second.
const AHEAD_MAX: u32 = 64;
/// Spans in the time after which an attempt is overdue, at most: they are powers of two, rounded up,
/// so that all slots together see farther back than that.
const SPANS: u64 = 20;
/// Ticks of a span while nothing is known, as a power of two.
const SPAN_BLANK: u8 = 6;
/// Ticks of the longest span, as a power of two: nine minutes.
const SPAN_MAX: u8 = 15;
const COUNT_BITS: u32 = 10;
const COUNT_MAX: u16 = (1 << COUNT_BITS) - 1;
/// Tries to find a place among others who look for one; whoever finds none is not counted.
const TRIES: usize = 4;
/// What is written down of a pause, at most.
const PAUSE_NS_MAX: u64 = OVERDUE_NS_MIN / 2;

/// Attempts in flight of one kind, by when they began.
#[derive(Debug, Default)]
pub struct Waiting {
    /// Counts up with every slot that is taken anew.
    turn: AtomicU32,
    /// Ticks of a span as a power of two, and one more; 0 is [`SPAN_BLANK`].
    span: AtomicU32,
    slots: [AtomicU32; SLOTS],
}

/// What an attempt gives back when it waits no more: `tick (18 bits) | place, and one more (5 bits)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(NonZeroU32);

impl Slot {
    fn new(place: usize, tick: u32) -> Option<Slot> {
        NonZeroU32::new(tick << 5 | (place as u32 + 1)).map(Slot)
    }

    fn place(self) -> usize {
        (self.0.get() & 31) as usize - 1
    }

    fn tick(self) -> u32 {
        self.0.get() >> 5
    }
}

/// `tick at which it began (18 bits) | span as a power of two (4 bits) | attempts (10 bits)`. Ticks
/// come round after 70 minutes, and no attempt lasts longer than an hour.
#[derive(Clone, Copy)]
struct Word(u32);

const _: () = {
    assert!(policy::limits::DEADLINE_MS_MAX * NS_PER_MS < TICK_NS << TICK_BITS);
    assert!(size_of::<Waiting>() == 128);
    assert!(size_of::<Option<Slot>>() == 4);
    assert!(SLOTS as u64 >= SPANS + SPANS / 2 && SLOTS < 32);
};

impl Word {
    fn new(tick: u32, span: u8) -> Word {
        Word(tick << (32 - TICK_BITS) | u32::from(span) << COUNT_BITS | 1)
    }

    fn tick(self) -> u32 {
        self.0 >> (32 - TICK_BITS)
    }

    /// Ticks within which attempts join it.
    fn span(self) -> u32 {
        1 << (self.0 >> COUNT_BITS & 15)
    }

    fn count(self) -> u16 {
        self.0 as u16 & COUNT_MAX
    }

    /// Ticks since it began. One that seems to lie ahead (shards read the clock at different moments)
    /// begins now.
    fn age(self, now: u32) -> u32 {
        let age = now.wrapping_sub(self.tick()) & TICK_MASK;
        if age > TICK_MASK - AHEAD_MAX { 0 } else { age }
    }
}

fn tick(now: Moment) -> u32 {
    (now.0 / TICK_NS) as u32 & TICK_MASK
}

impl Waiting {
    fn span(&self) -> u8 {
        match self.span.load(Relaxed) {
            0 => SPAN_BLANK,
            more => (more - 1) as u8,
        }
    }

    /// Counts an attempt that begins. `None` when it is not counted: the slot is full, or too many
    /// others look for one at the same moment.
    pub fn take(&self, now: Moment) -> Option<Slot> {
        let tick = tick(now);
        for _ in 0..TRIES {
            let turn = self.turn.load(Relaxed);
            let place = turn as usize % SLOTS;
            let seen = Word(self.slots[place].load(Relaxed));
            let span = self.span();
            if seen.0 != 0 && seen.age(tick) < seen.span().min(1 << span) {
                if seen.count() == COUNT_MAX {
                    return None;
                }
                if self.swap(place, seen, Word(seen.0 + 1)) {
                    return Slot::new(place, seen.tick());
                }
                continue;
            }
            if self.turn.compare_exchange(turn, turn.wrapping_add(1), Relaxed, Relaxed).is_err() {
                continue;
            }
            let place = turn.wrapping_add(1) as usize % SLOTS;
            let old = Word(self.slots[place].load(Relaxed));
            // Somebody who was slower than a whole round has just taken it for the same tick.
            let next = if old.tick() == tick && old.count() < COUNT_MAX { Word(old.0 + 1) } else { Word::new(tick, span) };
            if self.swap(place, old, next) {
                return Slot::new(place, tick);
            }
        }
        None
    }

    fn swap(&self, place: usize, seen: Word, next: Word) -> bool {
        self.slots[place].compare_exchange(seen.0, next.0, Relaxed, Relaxed).is_ok()
    }

    /// An attempt waits no more.
    pub fn give_back(&self, slot: Slot) {
        let place = slot.place();
        let mut seen = Word(self.slots[place].load(Relaxed));
        while seen.tick() == slot.tick() && seen.count() > 0 {
            match self.slots[place].compare_exchange_weak(seen.0, seen.0 - 1, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(newer) => seen = Word(newer),
            }
        }
    }

    /// Attempts that are counted.
    pub fn count(&self) -> u32 {
        self.slots.iter().map(|slot| u32::from(Word(slot.load(Relaxed)).count())).sum()
    }

    /// Has later attempts counted by spans that suit a time of `overdue_ns`.
    fn suit(&self, overdue_ns: u64) {
        let span = overdue_ns.div_ceil(SPANS * TICK_NS).next_power_of_two().ilog2().min(u32::from(SPAN_MAX));
        if self.span.load(Relaxed) != span + 1 {
            self.span.store(span + 1, Relaxed);
        }
    }

    /// The attempts that have waited for `overdue_ns`.
    fn overdue(&self, overdue_ns: u64, past: Past, now: Moment) -> Sight {
        let now_tick = tick(now);
        let mut sight = Sight::default();
        for slot in &self.slots {
            let word = Word(slot.load(Relaxed));
            let age = u64::from(word.age(now_tick)) * TICK_NS;
            // The youngest attempt of the slot began so long ago, or earlier: the clock stands
            // somewhere within a tick, and so did it when the slot was taken.
            let youngest = age.saturating_sub(u64::from(word.span() + 1) * TICK_NS);
            let oldest_begun = Moment(now.0.saturating_sub(age + TICK_NS));
            if word.count() == 0 || oldest_begun <= past.known {
                continue;
            }
            if youngest < overdue_ns {
                sight.next_ns = sight.next_ns.min(overdue_ns - youngest);
                continue;
            }
            sight.overdue.all += u32::from(word.count());
            if Moment(now.0.saturating_sub(youngest)).plus_ns(overdue_ns) > past.heard {
                sight.overdue.in_row += u32::from(word.count());
                sight.silent_ns = sight.silent_ns.max(age.saturating_sub(TICK_NS).min(now.since(past.heard)));
            }
        }
        sight
    }
}

/// Attempts in flight that have waited too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overdue {
    /// All of them.
    pub all: u32,
    /// Those that became overdue after the target was last heard of: failures in a row.
    pub in_row: u32,
}

impl Overdue {
    /// Those of both kinds.
    pub fn and(self, other: Overdue) -> Overdue {
        Overdue { all: self.all.saturating_add(other.all), in_row: self.in_row.saturating_add(other.in_row) }
    }

    /// The worse of two looks at the same attempts.
    pub fn or(self, other: Overdue) -> Overdue {
        Overdue { all: self.all.max(other.all), in_row: self.in_row.max(other.in_row) }
    }
}

/// What is known of a target's past.
#[derive(Clone, Copy, Debug)]
pub struct Past {
    /// Of attempts that began before, it is known what they tell.
    pub known: Moment,
    /// When it was last heard of.
    pub heard: Moment,
    /// How long attempts have waited of late where they may queue, in nanoseconds: those are to be seen as well.
    pub queued_ns: u64,
}

/// What a look at attempts in flight shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Those that have waited too long.
    pub overdue: Overdue,
    /// How long nothing was heard while the oldest of those in a row waited, in nanoseconds, or longer.
    pub silent_ns: u64,
    /// After so many nanoseconds another look may show more.
    pub next_ns: u64,
}

impl Default for Sight {
    fn default() -> Sight {
        Sight { overdue: Overdue::default(), silent_ns: 0, next_ns: LOOK_NS }
    }
}

/// Attempts of one kind at a target: how long they usually take, and those that run.
#[derive(Debug, Default)]
pub struct Watch {
    /// How long they took.
    pub pace: Paces,
    /// Those that run.
    pub waiting: Waiting,
    /// The longest pause that ended with an answer: `microseconds (32 bits) | half-lives since the clock began (32 bits)`.
    pause: AtomicU64,
}

impl Watch {
    fn thrice(&self, now: Moment) -> Option<(u64, u64)> {
        let usual = self.pace.quantile(SHARE, now)?;
        Some((usual, usual.saturating_mul(TIMES)))
    }

    /// When an attempt is overdue, in nanoseconds after it began; `None` while too little is known.
    pub fn overdue_ns(&self, ceiling_ns: u64, now: Moment) -> Option<u64> {
        self.thrice(now).map(|(_, thrice)| thrice.clamp(OVERDUE_NS_MIN, ceiling_ns.max(OVERDUE_NS_MIN)))
    }

    /// The attempts that are overdue; none is while too little is known.
    pub fn overdue(&self, ceiling_ns: u64, past: Past, now: Moment) -> Sight {
        self.overdue_ns(ceiling_ns, now).map_or(Sight::default(), |ns| {
            self.waiting.suit(ns.max(past.queued_ns.saturating_mul(2)));
            self.waiting.overdue(ns, past, now)
        })
    }

    /// How long nothing may be heard while attempts wait, in nanoseconds, where there are others to turn to; `None`
    /// while too little is known, or when that is no less than what makes an attempt overdue anyway. Twice the
    /// longest pause that ended well lately is no silence yet.
    pub fn quiet_ns(&self, now: Moment) -> Option<u64> {
        self.thrice(now).and_then(|(usual, thrice)| self.quiet_of(usual, thrice, now))
    }

    fn quiet_of(&self, usual: u64, thrice: u64, now: Moment) -> Option<u64> {
        let quiet = QUIET_NS_MIN.saturating_add(usual).max(self.pause_ns(now) * 2).max(thrice);
        (quiet < OVERDUE_NS_MIN).then_some(quiet)
    }

    /// The attempts that have waited while nothing at all was heard for [`Watch::quiet_ns`]; none otherwise.
    pub fn silent(&self, past: Past, now: Moment) -> Sight {
        let Some((usual, thrice)) = self.thrice(now) else { return Sight::default() };
        let Some(quiet) = self.quiet_of(usual, thrice, now) else { return Sight::default() };
        let sight = self.waiting.overdue(thrice.max(OVERDUE_NS_QUICK), past, now);
        let (row, short) = (sight.overdue.in_row, quiet.saturating_sub(sight.silent_ns));
        match (row, short) {
            (0, _) => Sight { overdue: Overdue::default(), ..sight },
            (_, 0) => Sight { overdue: Overdue { all: row, in_row: row }, ..sight },
            _ => Sight { overdue: Overdue::default(), next_ns: sight.next_ns.min(short), ..sight },
        }
    }

    /// An answer has come after so long a silence, which is no more than it took itself.
    #[cold]
    pub fn paused(&self, silent_ns: u64, now: Moment) {
        let ns = silent_ns.min(PAUSE_NS_MAX);
        if ns > self.pause_ns(now) {
            self.pause.store((ns / 1_000) << 32 | u64::from(half_lives(now)), Relaxed);
        }
    }

    /// The longest pause of late, as it has faded until `now`.
    fn pause_ns(&self, now: Moment) -> u64 {
        let word = self.pause.load(Relaxed);
        let age = half_lives(now).saturating_sub(word as u32);
        ((word >> 32) * 1_000).checked_shr(age).unwrap_or(0)
    }

    /// Forgets how long they took.
    pub fn reset(&self) {
        self.pace.reset();
        self.pause.store(0, Relaxed);
    }
}

fn half_lives(now: Moment) -> u32 {
    (now.0 / PAUSE_HALF_LIFE_NS) as u32
}

const _: () = assert!(size_of::<Watch>() == 712);

#[cfg(test)]
mod tests;
