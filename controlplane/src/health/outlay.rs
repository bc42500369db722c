//! What canaries may cost in a day.
//!
//! What one will cost at most is taken before it is asked, and what is left over is given back: an answer that
//! never comes may be on the bill all the same. Days are those of UTC. What was spent is kept on disk, so that
//! a daemon that starts again and again does not begin its day again.

use crate::keep;
use policy::Price;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;
/// Bytes of a token in texts that have the most of them.
const TOKEN_BYTES_MIN: u64 = 2;
/// Tokens that a dialect adds to a question.
const FRAMING_TOKENS: u64 = 16;

/// What was spent today.
#[derive(Debug, Default)]
pub struct Outlay {
    today: Today,
    /// Where it is kept.
    file: PathBuf,
    /// It differs from what is kept.
    changed: bool,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Today {
    /// Days since 1970.
    day: u64,
    /// By canary.
    spent: BTreeMap<String, Spent>,
}

/// What one canary has spent today.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Millionths of a US dollar.
    pub cost: u64,
    /// Times that it was asked.
    pub count: u64,
}

/// What one canary may spend in a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    /// Millionths of a US dollar.
    pub cost: u64,
    /// Times that it is asked.
    pub count: u64,
}

/// What tokens cost, in millionths of a US dollar, rounded up; nothing where the price is unknown.
pub fn cost(price: Option<Price>, input: u64, output: u64) -> u64 {
    let Some(price) = price else { return 0 };
    let part = |price: u64, tokens: u64| u128::from(price) * u128::from(tokens);
    let sum = part(price.input, input).saturating_add(part(price.output, output));
    u64::try_from(sum.div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// What a question costs at most.
pub fn estimate(price: Option<Price>, prompt_bytes: usize, tokens_max: u32) -> u64 {
    let input = (prompt_bytes as u64).div_ceil(TOKEN_BYTES_MIN) + FRAMING_TOKENS;
    cost(price, input, u64::from(tokens_max))
}

impl Outlay {
    /// What was spent today, as it was kept in the state folder.
    pub fn open(state: &Path) -> Outlay {
        let file = state.join("canaries.json");
        let today = keep::read(&file).unwrap_or_else(|error| {
            eprintln!("throwover: what canaries have cost today is not known: {error}");
            None
        });
        Outlay { today: today.unwrap_or_default(), file, changed: false }
    }

    /// Takes what a canary costs at most; false, and nothing is taken, when it would be over its cap.
    pub fn take(&mut self, name: &str, estimate: u64, cap: Cap, now_ms: u64) -> bool {
        self.turn_to(now_ms);
        let spent = self.today.spent.get(name).copied().unwrap_or_default();
        let after = Spent { cost: spent.cost.saturating_add(estimate), count: spent.count + 1 };
        let may = after.cost <= cap.cost && after.count <= cap.count;
        if may {
            self.today.spent.insert(name.to_owned(), after);
            self.changed = true;
        }
        may
    }

    /// Puts what it has really cost in the place of what was taken at `taken_ms`. What was taken yesterday is
    /// yesterday's.
    pub fn settle(&mut self, name: &str, estimate: u64, really: u64, taken_ms: u64) {
        if taken_ms / DAY_MS == self.today.day
            && let Some(spent) = self.today.spent.get_mut(name)
        {
            spent.cost = spent.cost.saturating_sub(estimate).saturating_add(really);
            self.changed = true;
        }
    }

    /// What a canary has spent today.
    pub fn spent(&self, name: &str, now_ms: u64) -> Spent {
        if self.today.day == now_ms / DAY_MS { self.today.spent.get(name).copied().unwrap_or_default() } else { Spent::default() }
    }

    /// Writes it down, if there is something new.
    ///
    /// # Errors
    /// The disk's; it is tried again with the next change.
    pub fn keep(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.changed) { keep::write_json(&self.file, &self.today) } else { Ok(()) }
    }

    fn turn_to(&mut self, now_ms: u64) {
        let day = now_ms / DAY_MS;
        // A clock that was set back does not give the same day twice.
        if day > self.today.day {
            self.today = Today { day, spent: BTreeMap::new() };
        }
    }
}

#[cfg(test)]
mod tests;
