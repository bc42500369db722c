//! What a provider says of its rate limits in the head of an answer, and how it is said to a client.
//!
//! Providers agree on what is said (how much there is, how much remains, when it is back) and on little
//! else: names, windows and the form of a moment are each one's own. The head's table of fields knows
//! the names; here the values are read, and written in the names and the form of another dialect. What
//! cannot be read is a fact that is absent, never an error: no answer is worse for its limits.

mod reset;

use super::Dialect;
use crate::head::{self, RATE_LIMITS, Response};
pub use reset::write_duration;

/// One limit, as far as it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// How much there is in a window.
    pub limit: Option<u64>,
    /// How much of it remains.
    pub remaining: Option<u64>,
    /// When it is back, in milliseconds from now, rounded up.
    pub reset_ms: Option<u64>,
}

/// The limits of a provider's answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimits {
    /// Of requests.
    pub requests: Option<Allowance>,
    /// Of tokens, whichever.
    pub tokens: Option<Allowance>,
    /// Of tokens that are read.
    pub input_tokens: Option<Allowance>,
    /// Of tokens that are written.
    pub output_tokens: Option<Allowance>,
}

impl Allowance {
    /// For how long there is nothing, when nothing remains: `None` when something does, or when nobody
    /// says until when. A limit of zero is how some say that there is none.
    fn spent_ms(&self) -> Option<u64> {
        self.reset_ms.filter(|ms| *ms > 0 && self.remaining == Some(0) && self.limit != Some(0))
    }
}

impl RateLimits {
    /// Reads what `head` says, `wall_ms` milliseconds after 1970 began. `bytes` are those that it was
    /// read from.
    pub fn read(head: &Response, bytes: &[u8], wall_ms: u64) -> RateLimits {
        let [requests, tokens, input_tokens, output_tokens] = RATE_LIMITS.map(|[limit, remaining, reset]| {
            let number = |field| head.field(bytes, field).and_then(reset::number);
            let told = Allowance {
                limit: number(limit),
                remaining: number(remaining),
                reset_ms: head.field(bytes, reset).and_then(|value| reset::ms_from(value, wall_ms)),
            };
            (told != Allowance::default()).then_some(told)
        });
        RateLimits { requests, tokens, input_tokens, output_tokens }
    }

    /// For how long the provider will have nothing more to give, in milliseconds; `None` when
    /// something remains of every limit, as far as is told.
    pub fn spent_ms(&self) -> Option<u64> {
        [self.requests, self.tokens, self.input_tokens, self.output_tokens].iter().flatten().filter_map(Allowance::spent_ms).max()
    }

    /// Writes them in the names of `dialect`; Gemini has none. Of tokens OpenAI has one limit: where
    /// what is read and written is counted apart, the one of which less remains.
    pub fn write(&self, dialect: Dialect, wall_ms: u64, out: &mut Vec<u8>) {
        match dialect {
            Dialect::Openai | Dialect::Responses => {
                let apart = [self.input_tokens, self.output_tokens].into_iter().flatten();
                let tokens = self.tokens.or_else(|| apart.min_by_key(|told| told.remaining.unwrap_or(u64::MAX)));
                let reset = |out: &mut Vec<u8>, ms| reset::write_duration(out, ms);
                for (what, told) in [("requests", self.requests), ("tokens", tokens)] {
                    write_lines(out, told, |field| ["x-ratelimit-", field, "-", what, ": "], reset);
                }
            }
            Dialect::Anthropic => {
                let reset = |out: &mut Vec<u8>, ms| reset::write_rfc3339(out, wall_ms.saturating_add(ms).div_ceil(1_000));
                let counted = [self.requests, self.tokens, self.input_tokens, self.output_tokens];
                for (what, told) in ["requests", "tokens", "input-tokens", "output-tokens"].into_iter().zip(counted) {
                    write_lines(out, told, |field| ["anthropic-ratelimit-", what, "-", field, ": "], reset);
                }
            }
            Dialect::Gemini => {}
        }
    }
}

/// Writes a line for each part that is told.
fn write_lines<'n>(out: &mut Vec<u8>, told: Option<Allowance>, name: impl Fn(&'n str) -> [&'n str; 5], reset: impl Fn(&mut Vec<u8>, u64)) {
    let Allowance { limit, remaining, reset_ms } = told.unwrap_or_default();
    for (field, value) in [("limit", limit), ("remaining", remaining), ("reset", reset_ms)] {
        let Some(value) = value else { continue };
        name(field).iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
        if field == "reset" {
            reset(out, value)
        } else {
            head::write_number(out, value)
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// For how long nothing will remain, as [`RateLimits::spent_ms`]; looks at the clock only when some
/// limit may be used up, which mostly none is.
pub fn spent_ms(head: &Response, bytes: &[u8], wall_ms: impl FnOnce() -> u64) -> Option<u64> {
    let may = RATE_LIMITS.iter().any(|[_, remaining, _]| head.field(bytes, *remaining).is_some_and(|value| value.starts_with(b"0")));
    if may { RateLimits::read(head, bytes, wall_ms()).spent_ms() } else { None }
}

/// Writes what a provider that speaks `from` says of its limits for a client that speaks `to`: as it
/// came, where they share the names.
pub fn relay(out: &mut Vec<u8>, head: &Response, bytes: &[u8], (from, to): (Dialect, Dialect), wall_ms: impl FnOnce() -> u64) {
    if to == Dialect::Gemini {
        return;
    }
    if (from == Dialect::Anthropic) == (to == Dialect::Anthropic) {
        return head::relay_rate_limits(out, head, bytes);
    }
    if RATE_LIMITS.as_flattened().iter().any(|field| head.span(*field).is_some()) {
        let wall_ms = wall_ms();
        RateLimits::read(head, bytes, wall_ms).write(to, wall_ms, out);
    }
}

#[cfg(test)]
mod tests;
