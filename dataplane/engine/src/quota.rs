//! What the operator grants one credential in a minute: so many requests, so many tokens.
//!
//! An attempt takes both when it begins, or neither, and is made with another credential then. Tokens are
//! taken by an estimate of the prompt and put right by what its provider counts. What never left is given back.

use crate::{
    allowance::{Allowance, Rate, Spent},
    moment::Moment,
};
use policy::Key;

/// What one credential has used of its limits.
#[derive(Debug, Default)]
pub struct Quota {
    requests: Allowance,
    tokens: Allowance,
}

/// True when an attempt of so many tokens is more than a credential may use in a whole minute.
pub const fn exceeds(key: &Key, tokens: u64) -> bool {
    key.tokens_per_minute != 0 && tokens > key.tokens_per_minute
}

fn rates(key: &Key) -> (Option<Rate>, Option<Rate>) {
    (Rate::per_minute(key.requests_per_minute), Rate::per_minute(key.tokens_per_minute))
}

impl Quota {
    /// Until when too little is left for an attempt of so many tokens, if nobody else takes any; `None` when
    /// there is enough at `now`. Never is for what no minute brings.
    #[inline]
    pub fn lacks(&self, key: &Key, tokens: u64, now: Moment) -> Option<Moment> {
        if key.is_limited() { self.missing(key, tokens, now) } else { None }
    }

    #[cold]
    fn missing(&self, key: &Key, tokens: u64, now: Moment) -> Option<Moment> {
        let (requests, of_tokens) = rates(key);
        let missing = |allowance: &Allowance, rate: Option<Rate>, units: u64| match allowance.missing(rate?, units, now)? {
            Spent::For(ns) => Some(now.plus_ns(ns)),
            Spent::TooMuch => Some(Moment::NEVER),
        };
        missing(&self.requests, requests, 1).max(missing(&self.tokens, of_tokens, tokens))
    }

    /// Takes what an attempt of so many tokens needs, all or nothing. False when too little is left.
    #[inline]
    pub fn take(&self, key: &Key, tokens: u64, now: Moment) -> bool {
        !key.is_limited() || self.take_both(key, tokens, now)
    }

    #[cold]
    fn take_both(&self, key: &Key, tokens: u64, now: Moment) -> bool {
        let (requests, of_tokens) = rates(key);
        if requests.is_some_and(|rate| self.requests.take(rate, 1, now).is_err()) {
            return false;
        }
        // The request that is held meanwhile may be what another shard lacks: it is refused, and nobody gets too much.
        let taken = of_tokens.is_none_or(|rate| self.tokens.take(rate, tokens, now).is_ok());
        if !taken {
            self.give_back(key, 1, 0, now);
        }
        taken
    }

    /// Gives back what was taken and not used.
    #[cold]
    pub fn give_back(&self, key: &Key, requests: u64, tokens: u64, now: Moment) {
        let (rate, of_tokens) = rates(key);
        if let Some(rate) = rate {
            self.requests.settle(rate, requests, 0, now);
        }
        if let Some(rate) = of_tokens {
            self.tokens.settle(rate, tokens, 0, now);
        }
    }

    /// Puts right what was taken by an estimate: `used` tokens instead of `taken`. What is more than was left is owed.
    pub fn settle(&self, key: &Key, taken: u64, used: u64, now: Moment) {
        if let Some(rate) = Rate::per_minute(key.tokens_per_minute) {
            self.tokens.settle(rate, taken, used, now);
        }
    }

    /// The limits were changed: what was taken of them stays taken.
    pub fn change(&self, before: &Key, after: &Key, now: Moment) {
        self.requests.follow(before.requests_per_minute, after.requests_per_minute, now);
        self.tokens.follow(before.tokens_per_minute, after.tokens_per_minute, now);
    }

    /// Forgets what was taken.
    pub fn reset(&self) {
        self.requests.reset();
        self.tokens.reset();
    }
}

#[cfg(test)]
mod tests;
