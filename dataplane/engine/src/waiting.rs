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
//! What opens a breaker is told here; others are asked first long before, see [`Hush`]. Two things tell that a
//! target is silent. *Overdue* is an attempt that has waited for thrice what is
//! usual and for a second; it is a failure whatever else is heard of the target. A target that usually
//! answers in less than a third of a second would be left late by that. So where there are others to turn
//! to, [`OVERDUE_NS_QUICK`] does, as long as *nothing at all* is heard of the target for longer than its
//! pauses have ever lasted lately ([`Watch::quiet_ns`]), as two looks have seen: between them the
//! gateway has read what had come while it was held up itself. Alone, a target is not left for a pause:
//! to refuse takes longer than to wait.

use crate::moment::{Moment, NS_PER_MS};
use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

mod hush;
mod longest;
mod watch;
mod watchman;

pub use hush::{HUSH_NS_MIN, Hush, WAITING_MIN};
pub use longest::PAUSE_HALF_LIFE_NS;
pub use watch::Watch;
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

    /// For how long the oldest of them has waited, in nanoseconds, or by up to two ticks less.
    fn oldest_ns(&self, now: Moment) -> u64 {
        let words = self.slots.iter().map(|slot| Word(slot.load(Relaxed))).filter(|word| word.count() > 0);
        let age = words.map(|word| word.age(tick(now))).max().map_or(0, |age| age + 1);
        u64::from(age) * TICK_NS
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

#[cfg(test)]
mod tests;
