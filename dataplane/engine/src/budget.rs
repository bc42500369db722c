//! What a tenant has spent of its budget.
//!
//! Before the first attempt a request reserves what it may cost; at its end that is put right by what
//! it did cost. Each word holds the first day of its period beside the amount, so that the one
//! compare-and-swap that takes money also begins a period anew: nobody can take from the old one and
//! be counted in the new one, and nothing is forgotten twice.
//!
//! What is spent in a period is at most its limit, and for each exchange in flight at once as much as
//! it costs beyond what it has reserved: an answer that is longer than what was asked for, and failed
//! attempts that are billed all the same. Those in flight while a period ends count in the next one.
//! Other processes' part is learned about once a second, and what two of them take within one is
//! not known to either.

use policy::{Money, Period, budget::Day};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bits of an amount within a word: eleven million dollars.
const AMOUNT_BITS: u32 = 50;
const AMOUNT_MAX: u64 = (1 << AMOUNT_BITS) - 1;

const _: () = {
    assert!(policy::budget::LIMIT_MAX.0 < AMOUNT_MAX);
    assert!(policy::budget::DAY_MAX as u64 == (1 << (64 - AMOUNT_BITS)) - 1);
};

/// What one tenant has spent. Zeros are nothing.
#[derive(Debug, Default)]
pub struct Purse {
    /// What was spent here, and what is reserved. `spent <= taken`, but for the moment of a settlement.
    taken: AtomicU64,
    /// What was spent here; it only grows within a period.
    spent: AtomicU64,
    /// What was spent elsewhere, as last heard.
    others: AtomicU64,
    /// The period, one more than its first day, in which a refusal was last told.
    told: AtomicU64,
}

/// What a request has reserved; to be settled once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    day: Day,
    amount: Money,
    /// What was spent in the period before, when this is the first request of another.
    pub ended: Option<Money>,
}

/// Too little is left for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// So much is left, beside what is reserved.
    pub left: Money,
    /// Nobody was told in this period before.
    pub first: bool,
}

/// What a tenant has spent in a period, as it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Here.
    pub spent: Money,
    /// Elsewhere.
    pub others: Money,
    /// What requests in flight here may still cost.
    pub reserved: Money,
}

impl Standing {
    /// What was spent everywhere.
    pub fn all(&self) -> Money {
        self.spent + self.others
    }
}

/// What a settlement made of what was spent everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Before.
    pub before: Money,
    /// Afterwards.
    pub after: Money,
    /// What was spent in the period before, when this is the first word of another.
    pub ended: Option<Money>,
}

impl Settled {
    /// True for the one settlement that reaches this amount.
    pub fn reaches(&self, amount: Money) -> bool {
        self.before < amount && amount <= self.after
    }
}

fn pack(day: Day, amount: u64) -> u64 {
    u64::from(day) << AMOUNT_BITS | amount.min(AMOUNT_MAX)
}

fn unpack(word: u64) -> (Day, u64) {
    ((word >> AMOUNT_BITS) as Day, word & AMOUNT_MAX)
}

/// What a word means in `period`: the day to write, and the amount.
fn within(word: u64, period: &Period) -> (Day, u64) {
    let (day, amount) = unpack(word);
    if day < period.start {
        // Another period has begun.
        return (period.start, 0);
    }
    // One that begins later than this and not after today was a shorter one, and is a part of it. One
    // that begins after today was written before the clock was set back: it goes on.
    (if day <= period.today { period.start } else { day }, amount)
}

impl Purse {
    /// Reserves what a request may cost.
    ///
    /// # Errors
    /// [`Exhausted`], and nothing was reserved.
    pub fn reserve(&self, limit: Money, period: &Period, wanted: Money) -> Result<Reservation, Exhausted> {
        let others = within(self.others.load(Relaxed), period).1;
        let mut seen = self.taken.load(Relaxed);
        loop {
            let (day, amount) = within(seen, period);
            let left = limit.less(Money(amount) + Money(others));
            if left == Money::NONE || wanted > left {
                return Err(Exhausted { left, first: self.is_news(day) });
            }
            match self.taken.compare_exchange_weak(seen, pack(day, amount + wanted.0), Relaxed, Relaxed) {
                Ok(_) => {
                    let (before, _) = unpack(seen);
                    let ended = (seen != 0 && before < day).then(|| self.spent_in(before));
                    return Ok(Reservation { day, amount: wanted, ended });
                }
                Err(newer) => seen = newer,
            }
        }
    }

    /// What was spent in a period that has ended, as far as the word still says it.
    fn spent_in(&self, start: Day) -> Money {
        let (day, amount) = unpack(self.spent.load(Relaxed));
        Money(if day == start { amount } else { 0 })
    }

    /// True for the first refusal of a period.
    fn is_news(&self, day: Day) -> bool {
        let word = u64::from(day) + 1;
        // A load first: who asks on and on is refused without a write.
        self.told.load(Relaxed) != word && self.told.swap(word, Relaxed) != word
    }

    /// Puts a reservation right: `used` was spent. It counts in the period that it is now.
    pub fn settle(&self, reservation: Reservation, used: Money, period: &Period) -> Settled {
        let mut seen = self.taken.load(Relaxed);
        let ended = loop {
            let (day, amount) = within(seen, period);
            // Of a period that is over, the reservation went with it.
            let before = unpack(seen).0;
            let is_in_it = period.start <= before && before <= reservation.day;
            let back = if is_in_it { reservation.amount.0 } else { 0 };
            let word = pack(day, amount.saturating_sub(back).saturating_add(used.0));
            match self.taken.compare_exchange_weak(seen, word, Relaxed, Relaxed) {
                Ok(_) => break (seen != 0 && before < day).then(|| self.spent_in(before)),
                Err(newer) => seen = newer,
            }
        };
        let others = Money(within(self.others.load(Relaxed), period).1);
        let mut seen = self.spent.load(Relaxed);
        loop {
            let (day, amount) = within(seen, period);
            match self.spent.compare_exchange_weak(seen, pack(day, amount.saturating_add(used.0)), Relaxed, Relaxed) {
                Ok(_) => {
                    let before = Money(amount) + others;
                    return Settled { before, after: before + used, ended };
                }
                Err(newer) => seen = newer,
            }
        }
    }

    /// Learns what was spent elsewhere in the period that begins on `start`. Told by one thread.
    pub fn learn(&self, start: Day, amount: Money) {
        self.others.store(pack(start, amount.0), Relaxed);
    }

    /// Goes on from what was told of this purse before it was forgotten. What has been spent here since then is
    /// less, and lost. Told by one thread.
    pub fn recover(&self, start: Day, told: Money) {
        let told = told.0.min(AMOUNT_MAX);
        let mut seen = self.spent.load(Relaxed);
        let missing = loop {
            let (day, amount) = unpack(seen);
            let known = if day == start { amount } else { 0 };
            if day > start || known >= told {
                return;
            }
            match self.spent.compare_exchange_weak(seen, pack(start, told), Relaxed, Relaxed) {
                Ok(_) => break told - known,
                Err(newer) => seen = newer,
            }
        };
        let mut seen = self.taken.load(Relaxed);
        loop {
            let (day, amount) = unpack(seen);
            if day > start {
                return;
            }
            let amount = if day == start { amount } else { 0 };
            match self.taken.compare_exchange_weak(seen, pack(start, amount.saturating_add(missing)), Relaxed, Relaxed) {
                Ok(_) => return,
                Err(newer) => seen = newer,
            }
        }
    }

    /// How it stands in a period.
    pub fn standing(&self, period: &Period) -> Standing {
        let read = |word: &AtomicU64| Money(within(word.load(Relaxed), period).1);
        // What is taken is read last, so that what settles meanwhile is missing there and not shown twice.
        let (spent, others) = (read(&self.spent), read(&self.others));
        Standing { spent, others, reserved: read(&self.taken).less(spent) }
    }

    /// Forgets everything.
    pub fn reset(&self) {
        for word in [&self.taken, &self.spent, &self.others, &self.told] {
            word.store(0, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
