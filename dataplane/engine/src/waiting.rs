//! Attempts in flight at a target, by when they began, so that a provider that has fallen silent is
//! seen before the first of them times out.
//!
//! A few slots, each for the attempts that began within a short span. An attempt remembers its slot
//! and gives it back exactly once. Slots are taken in turn, a new one when the last is older than
//! the span, so that at any rate of attempts the last [`SLOTS`] spans with an attempt in them are
//! seen. A slot that is taken anew while some of its attempts are still in flight forgets those:
//! they find another mark in it and give nothing back. So no slot ever counts an attempt that has
//! ended, and one that has not may be missed when it is very old.

use crate::{
    moment::{Moment, NS_PER_MS},
    pace::Paces,
};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Spans that are told apart.
pub const SLOTS: usize = 14;
/// An attempt is overdue after so many times the [`SHARE`] of its target's times …
pub const TIMES: u64 = 3;
/// … which is this share of all …
pub const SHARE: f64 = 0.99;
/// … but not before so long, in nanoseconds.
pub const OVERDUE_NS_MIN: u64 = 1_000 * NS_PER_MS;
/// Somebody looks after overdue attempts this often, in nanoseconds.
pub const LOOK_NS: u64 = 250 * NS_PER_MS;

/// What the time is counted in here.
const TICK_NS: u64 = 64 * NS_PER_MS;
/// Spans in the time after which an attempt is overdue, at most: they are powers of two, rounded up,
/// so that all slots together see farther back than that.
const SPANS: u64 = 8;
/// Ticks of a span while nothing is known, as a power of two.
const SPAN_BLANK: u8 = 4;
/// Ticks of the longest span, as a power of two: nine minutes.
const SPAN_MAX: u8 = 13;
const COUNT_MAX: u16 = (1 << 12) - 1;
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

/// What an attempt gives back when it waits no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    place: u8,
    tick: u16,
}

/// `tick at which it began (16 bits) | span as a power of two (4 bits) | attempts (12 bits)`. Ticks
/// come round after 70 minutes, and no attempt lasts longer than an hour.
#[derive(Clone, Copy)]
struct Word(u32);

const _: () = {
    assert!(policy::limits::DEADLINE_MS_MAX * NS_PER_MS < TICK_NS << 16);
    assert!(size_of::<Waiting>() == 64);
    assert!(SLOTS as u64 > SPANS + SPANS / 2);
};

impl Word {
    fn new(tick: u16, span: u8) -> Word {
        Word(u32::from(tick) << 16 | u32::from(span) << 12 | 1)
    }

    fn tick(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// Ticks within which attempts join it.
    fn span(self) -> u32 {
        1 << (self.0 >> 12 & 15)
    }

    fn count(self) -> u16 {
        self.0 as u16 & COUNT_MAX
    }

    /// Ticks since it began. One that seems to lie ahead (shards read the clock at different moments)
    /// begins now.
    fn age(self, now: u16) -> u32 {
        let age = now.wrapping_sub(self.tick());
        if age > u16::MAX - 16 { 0 } else { age.into() }
    }
}

fn tick(now: Moment) -> u16 {
    (now.0 / TICK_NS) as u16
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
                    return Some(Slot { place: place as u8, tick: seen.tick() });
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
                return Some(Slot { place: place as u8, tick });
            }
        }
        None
    }

    fn swap(&self, place: usize, seen: Word, next: Word) -> bool {
        self.slots[place].compare_exchange(seen.0, next.0, Relaxed, Relaxed).is_ok()
    }

    /// An attempt waits no more.
    pub fn give_back(&self, slot: Slot) {
        let place = usize::from(slot.place);
        let mut seen = Word(self.slots[place].load(Relaxed));
        while seen.tick() == slot.tick && seen.count() > 0 {
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

    /// The attempts that have waited for `overdue_ns`, and how many of them became overdue after
    /// `heard`. Those that began before `known` are left out. Later attempts are counted by spans
    /// that suit this time.
    fn overdue(&self, overdue_ns: u64, known: Moment, heard: Moment, now: Moment) -> Overdue {
        let span = overdue_ns.div_ceil(SPANS * TICK_NS).next_power_of_two().ilog2().min(u32::from(SPAN_MAX));
        if self.span.load(Relaxed) != span + 1 {
            self.span.store(span + 1, Relaxed);
        }
        let now_tick = tick(now);
        let mut overdue = Overdue::default();
        for slot in &self.slots {
            let word = Word(slot.load(Relaxed));
            let age = u64::from(word.age(now_tick)) * TICK_NS;
            // The youngest attempt of the slot began so long ago, or earlier: the clock stands
            // somewhere within a tick, and so did it when the slot was taken.
            let youngest = age.saturating_sub(u64::from(word.span() + 1) * TICK_NS);
            let oldest_begun = Moment(now.0.saturating_sub(age + TICK_NS));
            if word.count() == 0 || youngest < overdue_ns || oldest_begun <= known {
                continue;
            }
            overdue.all += u32::from(word.count());
            if Moment(now.0.saturating_sub(youngest)).plus_ns(overdue_ns) > heard {
                overdue.in_row += u32::from(word.count());
            }
        }
        overdue
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

/// Attempts of one kind at a target: how long they usually take, and those that run.
#[derive(Debug, Default)]
pub struct Watch {
    /// How long they took.
    pub pace: Paces,
    /// Those that run.
    pub waiting: Waiting,
}

impl Watch {
    /// When an attempt is overdue, in nanoseconds after it began; `None` while too little is known.
    pub fn overdue_ns(&self, ceiling_ns: u64, now: Moment) -> Option<u64> {
        let usual = self.pace.quantile(SHARE, now)?;
        Some(usual.saturating_mul(TIMES).clamp(OVERDUE_NS_MIN, ceiling_ns.max(OVERDUE_NS_MIN)))
    }

    /// See [`Waiting::overdue`]; nothing is overdue while too little is known.
    pub fn overdue(&self, ceiling_ns: u64, known: Moment, heard: Moment, now: Moment) -> Overdue {
        self.overdue_ns(ceiling_ns, now).map_or(Overdue::default(), |ns| self.waiting.overdue(ns, known, heard, now))
    }
}

/// When somebody looks next, so that it costs a look rarely and a load mostly.
#[derive(Debug, Default)]
pub struct Watchman(AtomicU64);

impl Watchman {
    /// True for one caller in every [`LOOK_NS`].
    pub fn is_due(&self, now: Moment) -> bool {
        let next = self.0.load(Relaxed);
        now.0 >= next && self.0.compare_exchange(next, now.plus_ns(LOOK_NS).0, Relaxed, Relaxed).is_ok()
    }
}

const _: () = assert!(size_of::<Watch>() == 640);

#[cfg(test)]
mod tests;
