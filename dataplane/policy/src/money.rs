//! Money, and what tokens cost.
//!
//! Sums are whole numbers of one unit, so that what is taken, given back and told agrees to the last
//! of it. The unit is a hundred-millionth of a US dollar: a token at a cent per million costs one.

use serde::{Deserialize, Serialize};
use std::{fmt, iter::Sum, ops::Add};

/// An amount of US dollars, in hundred-millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Money(pub u64);

impl Money {
    /// Nothing.
    pub const NONE: Money = Money(0);
    /// One dollar.
    pub const DOLLAR: Money = Money(100_000_000);

    /// So many dollars, to the nearest unit; what is no amount is nothing.
    pub fn of_usd(usd: f64) -> Money {
        // Casts of floats saturate, and make nothing of what is no number.
        Money((usd * Money::DOLLAR.0 as f64).round() as u64)
    }

    /// In dollars, for programs that read JSON.
    pub fn usd(self) -> f64 {
        self.0 as f64 / Money::DOLLAR.0 as f64
    }

    /// The difference, and nothing where `other` is more.
    #[must_use]
    pub const fn less(self, other: Money) -> Money {
        Money(self.0.saturating_sub(other.0))
    }

    /// So many thousandths of it, rounded down.
    #[must_use]
    pub fn permille(self, permille: u64) -> Money {
        let part = u128::from(self.0) * u128::from(permille) / 1_000;
        Money(u64::try_from(part).unwrap_or(u64::MAX))
    }

    /// In dollars as people write them: two decimals, and more for what is below a dollar.
    pub fn words(self) -> String {
        let decimals = if self.0 == 0 || self >= Money::DOLLAR { 2 } else { 6 };
        format!("${:.decimals$}", self.usd())
    }
}

impl Add for Money {
    type Output = Money;

    fn add(self, other: Money) -> Money {
        Money(self.0.saturating_add(other.0))
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Money>>(amounts: I) -> Money {
        amounts.fold(Money::NONE, Add::add)
    }
}

impl fmt::Display for Money {
    /// In dollars, exactly: `12.5`, `0.00000123`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / Money::DOLLAR.0, self.0 % Money::DOLLAR.0);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{rest:08}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

/// Prices in millionths of a US dollar per million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Of prompt tokens.
    pub input: u64,
    /// Of answer tokens.
    pub output: u64,
    /// Of prompt tokens that are read from a cache; as of all others where it is not known.
    pub cached: Option<u64>,
    /// Of prompt tokens that are written to a cache; as of all others where it is not known.
    pub cache_write: Option<u64>,
}

/// How many tokens an answer took. `cached + cache_write <= input`, else they count as `input`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Of the prompt.
    pub input: u64,
    /// Of the answer.
    pub output: u64,
    /// Of the prompt, those that were read from a cache.
    pub cached: u64,
    /// Of the prompt, those that were written to a cache.
    pub cache_write: u64,
}

/// Units of a price that make one of [`Money`].
const PER_UNIT: u128 = 10_000;

impl Price {
    /// What so many tokens cost, rounded up.
    pub fn of(&self, tokens: &Tokens) -> Money {
        let cached = tokens.cached.min(tokens.input);
        let written = tokens.cache_write.min(tokens.input - cached);
        let plain = tokens.input - cached - written;
        let parts = [
            (plain, self.input),
            (cached, self.cached.unwrap_or(self.input)),
            (written, self.cache_write.unwrap_or(self.input)),
            (tokens.output, self.output),
        ];
        // Four products of 64 bits each may be more than 128 hold.
        let sum = parts.iter().fold(0_u128, |sum, (count, price)| sum.saturating_add(u128::from(*count) * u128::from(*price)));
        Money(u64::try_from(sum.div_ceil(PER_UNIT)).unwrap_or(u64::MAX))
    }

    /// The same prices times so many thousandths.
    #[must_use]
    pub fn times(&self, permille: u32) -> Price {
        let times = |price: u64| u64::try_from(u128::from(price) * u128::from(permille) / 1_000).unwrap_or(u64::MAX);
        Price {
            input: times(self.input),
            output: times(self.output),
            cached: self.cached.map(times),
            cache_write: self.cache_write.map(times),
        }
    }
}

#[cfg(test)]
mod tests;
