//! Deadlines: a wheel of two rounds.
//!
//! The fine round has 1024 slots of about 4.2 ms, the coarse one 1024 slots of one whole fine
//! round (4.3 s). A deadline beyond the fine round waits in the coarse one and moves over when its
//! time comes near, so that ten thousand idle connections cost nothing per tick. Arming and
//! disarming are a few loads and stores. Nothing fires early; it may fire one tick late.

use super::clock::Instant;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

const TICK_SHIFT: u32 = 22;
const SLOTS: usize = 1024;
const SLOT_SHIFT: u32 = 10;
const WORDS: usize = SLOTS / 64;
const NONE: u32 = u32::MAX;
/// Ticks beyond this are those of [`Instant::FAR`].
const NEVER: u64 = u64::MAX >> TICK_SHIFT;
/// The slot number of entries that are in no list.
const NOWHERE: u16 = u16::MAX;

#[derive(Debug)]
struct Entry {
    next: u32,
    previous: u32,
    /// Fires when the wheel stands at this tick or later.
    tick: u64,
    waker: Option<Waker>,
    /// What the world keeps this for, or `NONE` for a task's deadline.
    owner: u32,
    /// Which list: `0..SLOTS` fine, `SLOTS..2*SLOTS` coarse.
    slot: u16,
    fired: bool,
}

#[derive(Debug)]
struct Wheel {
    heads: Vec<u32>,
    /// One bit per slot that is not empty, fine slots first.
    occupied: [u64; 2 * WORDS],
    entries: Vec<Entry>,
    free: Vec<u32>,
    /// Everything up to and with this tick has fired.
    tick: u64,
    armed: usize,
}

impl Wheel {
    fn new(now: Instant) -> Wheel {
        Wheel {
            heads: vec![NONE; 2 * SLOTS],
            occupied: [0; 2 * WORDS],
            entries: Vec::new(),
            free: Vec::new(),
            tick: now.0 >> TICK_SHIFT,
            armed: 0,
        }
    }

    fn arm(&mut self, at: Instant, owner: u32) -> u32 {
        // Rounded up, so that nothing fires before its time.
        let tick = ((at.0 >> TICK_SHIFT) + 1).max(self.tick + 1);
        let entry = Entry { next: NONE, previous: NONE, tick, waker: None, owner, slot: NOWHERE, fired: false };
        let id = match self.free.pop() {
            Some(id) => {
                self.entries[id as usize] = entry;
                id
            }
            None => {
                self.entries.push(entry);
                self.entries.len() as u32 - 1
            }
        };
        self.link(id);
        id
    }

    /// A deadline that never comes is in no list.
    fn link(&mut self, id: u32) {
        let tick = self.entries[id as usize].tick;
        if tick > NEVER {
            return;
        }
        let ahead = tick - self.tick;
        // The slot of the present tick is empty already, so it serves a whole round ahead: the
        // last of the ticks that a coarse slot moves over lies exactly there.
        let slot = if ahead <= SLOTS as u64 {
            tick as usize % SLOTS
        } else {
            // The farthest coarse slot holds all that lies beyond the coarse round as well; it
            // moves on from there when its time comes.
            let round = tick >> SLOT_SHIFT;
            let last = (self.tick >> SLOT_SHIFT) + SLOTS as u64 - 1;
            SLOTS + round.min(last) as usize % SLOTS
        };
        let head = self.heads[slot];
        let entry = &mut self.entries[id as usize];
        entry.next = head;
        entry.previous = NONE;
        entry.slot = slot as u16;
        if head == NONE {
            self.occupied[slot / 64] |= 1 << (slot % 64);
        } else {
            self.entries[head as usize].previous = id;
        }
        self.heads[slot] = id;
        self.armed += 1;
    }

    fn unlink(&mut self, id: u32) {
        let entry = &mut self.entries[id as usize];
        let (next, previous, slot) = (entry.next, entry.previous, entry.slot as usize);
        if entry.slot == NOWHERE {
            return;
        }
        entry.slot = NOWHERE;
        if previous == NONE {
            self.heads[slot] = next;
            if next == NONE {
                self.occupied[slot / 64] &= !(1 << (slot % 64));
            }
        } else {
            self.entries[previous as usize].next = next;
        }
        if next != NONE {
            self.entries[next as usize].previous = previous;
        }
        self.armed -= 1;
    }

    fn disarm(&mut self, id: u32) {
        self.unlink(id);
        self.entries[id as usize].waker = None;
        self.free.push(id);
    }

    fn rearm(&mut self, id: u32, at: Instant) {
        self.unlink(id);
        let entry = &mut self.entries[id as usize];
        entry.tick = ((at.0 >> TICK_SHIFT) + 1).max(self.tick + 1);
        entry.fired = false;
        self.link(id);
    }

    /// The distance from `from` to the first occupied slot of one round, `from` itself included.
    fn first_occupied(&self, base: usize, from: usize) -> Option<usize> {
        let words = &self.occupied[base / 64..base / 64 + WORDS];
        let mut ahead = 0;
        while ahead < SLOTS {
            let slot = (from + ahead) % SLOTS;
            let rest = words[slot / 64] >> (slot % 64);
            if rest != 0 {
                let found = ahead + rest.trailing_zeros() as usize;
                return (found < SLOTS).then_some(found);
            }
            ahead += 64 - slot % 64;
        }
        None
    }

    /// The next tick at which something may have to be done.
    fn next_tick(&self) -> Option<u64> {
        if self.armed == 0 {
            return None;
        }
        let from = self.tick + 1;
        let fine = self.first_occupied(0, from as usize % SLOTS).map(|ahead| from + ahead as u64);
        let round = (self.tick >> SLOT_SHIFT) + 1;
        let coarse = self.first_occupied(SLOTS, round as usize % SLOTS).map(|ahead| (round + ahead as u64) << SLOT_SHIFT);
        match (fine, coarse) {
            (Some(fine), Some(coarse)) => Some(fine.min(coarse)),
            (fine, coarse) => fine.or(coarse),
        }
    }

    fn take_slot(&mut self, slot: usize, mut each: impl FnMut(&mut Wheel, u32)) {
        let mut id = self.heads[slot];
        while id != NONE {
            let next = self.entries[id as usize].next;
            self.unlink(id);
            each(self, id);
            id = next;
        }
    }

    fn advance(&mut self, now: Instant, due: &mut Vec<u32>) {
        let until = now.0 >> TICK_SHIFT;
        while self.tick < until {
            let next = self.next_tick().unwrap_or(u64::MAX);
            if next > until {
                self.tick = until;
                return;
            }
            // Entries that move over from the coarse round are placed as seen from just before
            // this tick, so those due at the tick itself still fire in it.
            self.tick = next - 1;
            if next.trailing_zeros() >= SLOT_SHIFT {
                let slot = SLOTS + (next >> SLOT_SHIFT) as usize % SLOTS;
                self.take_slot(slot, Wheel::link);
            }
            self.tick = next;
            self.take_slot(next as usize % SLOTS, |wheel, id| wheel.fire(id, due));
        }
    }

    fn fire(&mut self, id: u32, due: &mut Vec<u32>) {
        let entry = &mut self.entries[id as usize];
        if entry.owner == NONE {
            entry.fired = true;
            if let Some(waker) = entry.waker.take() {
                waker.wake();
            }
        } else {
            due.push(entry.owner);
            self.free.push(id);
        }
    }
}

/// The timers of one shard, and the time of its turn.
#[derive(Debug)]
pub(super) struct Timers {
    wheel: RefCell<Wheel>,
    now: Cell<Instant>,
}

impl Timers {
    /// No timer.
    pub(super) const NONE: u32 = NONE;

    pub(super) fn new(now: Instant) -> Rc<Timers> {
        Rc::new(Timers { wheel: RefCell::new(Wheel::new(now)), now: Cell::new(now) })
    }

    pub(super) fn now(&self) -> Instant {
        self.now.get()
    }

    /// Moves time on. Wakes tasks whose deadline has come; the owners of the world's own timers
    /// are added to `due` and their timers are gone.
    pub(super) fn advance(&self, now: Instant, due: &mut Vec<u32>) {
        self.now.set(now);
        self.wheel.borrow_mut().advance(now, due);
    }

    /// How long the shard may sleep.
    pub(super) fn until_next(&self) -> Option<Duration> {
        let tick = self.wheel.borrow().next_tick()?;
        let at = Instant(tick.saturating_mul(1 << TICK_SHIFT));
        Some(at.since(self.now.get()))
    }

    /// Arms a timer of the world's own.
    pub(super) fn arm(&self, at: Instant, owner: u32) -> u32 {
        debug_assert_ne!(owner, NONE);
        self.wheel.borrow_mut().arm(at, owner)
    }

    /// Disarms a timer of the world's own that has not come due.
    pub(super) fn disarm(&self, id: u32) {
        self.wheel.borrow_mut().disarm(id);
    }

    pub(super) fn armed(&self) -> usize {
        self.wheel.borrow().armed
    }

    pub(super) fn deadline(self: &Rc<Self>, at: Instant) -> Deadline {
        let id = self.wheel.borrow_mut().arm(at, NONE);
        Deadline { timers: self.clone(), id }
    }
}

/// A deadline. Ready when its time has come, never earlier, at most a tick (4.2 ms) later.
/// Dropping it disarms it.
#[derive(Debug)]
pub struct Deadline {
    timers: Rc<Timers>,
    id: u32,
}

impl Deadline {
    /// Moves the deadline, whether or not it has passed.
    pub fn reset(&self, at: Instant) {
        self.timers.wheel.borrow_mut().rearm(self.id, at);
    }

    /// Whether it has passed; otherwise the task is woken when it does.
    pub fn poll_expired(&self, context: &mut Context<'_>) -> bool {
        let mut wheel = self.timers.wheel.borrow_mut();
        let entry = &mut wheel.entries[self.id as usize];
        if !entry.fired {
            register(&mut entry.waker, context);
        }
        entry.fired
    }

    /// Whether it has passed.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.timers.wheel.borrow().entries[self.id as usize].fired
    }
}

impl Future for Deadline {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.poll_expired(context) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.timers.wheel.borrow_mut().disarm(self.id);
    }
}

/// Remembers the task of `context`, without cloning when it is remembered already.
pub(super) fn register(place: &mut Option<Waker>, context: &Context<'_>) {
    match place {
        Some(known) if known.will_wake(context.waker()) => {}
        _ => *place = Some(context.waker().clone()),
    }
}

#[cfg(test)]
mod tests;
