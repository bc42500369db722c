//! What a tenant may spend, and in which time.
//!
//! Periods are the calendar's, in UTC. Each is named by the day that it begins on, whatever its
//! length: so a budget that is changed from days to months goes on with what was spent this month.

use crate::{ChainId, Money};
use serde::{Deserialize, Serialize};

/// What a tenant may spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// So much in one period. `1 <= limit <= LIMIT_MAX`.
    pub limit: Money,
    /// How long a period is.
    pub per: Per,
    /// From this share of it on, requests take [`Budget::then`], in thousandths. `1 <= at_permille <= 1000`.
    pub at_permille: u16,
    /// The chain that they take; `None` leaves them where they are.
    pub then: Option<ChainId>,
}

/// The largest budget: ten million dollars.
pub const LIMIT_MAX: Money = Money(10_000_000 * Money::DOLLAR.0);

impl Budget {
    /// What must have been spent for requests to take another chain.
    pub fn threshold(&self) -> Money {
        self.limit.permille(u64::from(self.at_permille))
    }
}

/// How long a period is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Per {
    /// From midnight to midnight.
    Day,
    /// From Monday to Sunday.
    Week,
    /// From the first of a month to its last.
    Month,
}

/// A day, counted from the first of 2020.
pub type Day = u16;

/// The last day that can be told from others: in 2064.
pub const DAY_MAX: Day = (1 << 14) - 1;

const DAY_MS: u64 = 86_400_000;
/// Days from 1970 to 2020.
const EPOCH_DAYS: u64 = 18_262;

/// One day, week or month. `start <= today < end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Its first day.
    pub start: Day,
    /// The day that it is.
    pub today: Day,
    /// The first day behind it.
    pub end: Day,
}

impl Period {
    /// When it ends, in milliseconds since 1970.
    pub fn end_ms(&self) -> u64 {
        (u64::from(self.end) + EPOCH_DAYS) * DAY_MS
    }
}

impl Per {
    /// As an operator writes it.
    pub const fn word(self) -> &'static str {
        match self {
            Per::Day => "day",
            Per::Week => "week",
            Per::Month => "month",
        }
    }

    /// The period of a moment, in milliseconds since 1970. A clock that is before 2020 was never set.
    pub fn period(self, unix_ms: u64) -> Period {
        let today = (unix_ms / DAY_MS).saturating_sub(EPOCH_DAYS).min(u64::from(DAY_MAX) - 31) as Day;
        let (start, length) = match self {
            Per::Day => (today, 1),
            // The first day of 2020 was a Wednesday.
            Per::Week => {
                let since_monday = (today + 2) % 7;
                (today.saturating_sub(since_monday), 7 - since_monday.saturating_sub(today))
            }
            Per::Month => {
                let (day, length) = month(today);
                (today - day, length)
            }
        };
        Period { start, today, end: start + length }
    }
}

/// How many days of its month lie before a day, and how many the month has.
fn month(today: Day) -> (Day, Day) {
    // 2020 was a leap year, and so is every fourth one after it, up to 2064.
    let in_cycle = today % 1_461;
    let (mut day, leap) = match in_cycle {
        0..366 => (in_cycle, true),
        _ => ((in_cycle - 366) % 365, false),
    };
    for length in [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < length {
            return (day, length);
        }
        day -= length;
    }
    unreachable!("a year has no more days than its months")
}

#[cfg(test)]
mod tests;
