//! Faults that the gateway itself makes, so that operators can rehearse what their chains do.

use crate::{TargetId, limits};
use serde::{Deserialize, Serialize};

/// A rehearsal: attempts that are made to fail, for a while. It ends by itself, whatever becomes of who began
/// it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chaos {
    /// When it is over, in milliseconds since 1970.
    pub until_ms: u64,
    /// What happens. The first that strikes an attempt counts. At most [`crate::limits::STRIKES_MAX`].
    pub strikes: Vec<Strike>,
}

/// One kind of fault, at some targets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strike {
    /// At which.
    pub targets: Vec<TargetId>,
    /// Share of their attempts that are struck, in thousandths. `1 <= permille <= 1000`.
    pub permille: u32,
    /// With what.
    pub blow: Blow,
}

/// The largest factor on a price, in thousandths.
pub const PRICE_PERMILLE_MAX: u32 = 1_000_000;

/// What an attempt comes to that is struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Blow {
    /// The provider answers with an error of this status (400 to 599).
    Status {
        /// Which.
        status: u16,
        /// Its Retry-After, in milliseconds.
        retry_after_ms: Option<u64>,
    },
    /// Nobody listens there.
    Connect,
    /// The answer begins later by so many milliseconds.
    Slow {
        /// How many.
        ms: u64,
    },
    /// There is no answer at all.
    Stall,
    /// The answer is none that can be read.
    Malformed,
    /// The stream breaks before it shows anything.
    Cut,
    /// Nothing fails: tokens cost so many thousandths of their price. Holds for all attempts, whatever the
    /// share, and in budgets and records alone.
    Price {
        /// How many. At most [`PRICE_PERMILLE_MAX`].
        permille: u32,
    },
}

impl Blow {
    /// Reads a fault as operators and tenants write it: `429`, `429;retry_after=7` (seconds), `5xx`, `connect`,
    /// `slow:3s` (or `slow:300ms`), `stall`, `bad_json`, `cut`, `expired_key`, `model_gone`, or `price:2.5`, a factor. `None` when it
    /// is none.
    pub fn read(word: &str) -> Option<Blow> {
        let status = |status| Blow::Status { status, retry_after_ms: None };
        Some(match word {
            "5xx" => status(500),
            "connect" => Blow::Connect,
            "stall" | "timeout" => Blow::Stall,
            "bad_json" | "malformed" => Blow::Malformed,
            "cut" | "stream_cut" => Blow::Cut,
            "expired_key" => status(401),
            "model_gone" => status(404),
            _ if word.starts_with("price:") => Blow::Price { permille: factor(word.strip_prefix("price:")?)? },
            _ => match word.strip_prefix("slow:") {
                Some(text) => Blow::Slow { ms: slow_ms(text).filter(|ms| (1..=limits::DEADLINE_MS_MAX).contains(ms))? },
                None => {
                    let (number, rest) = word.split_once(';').unwrap_or((word, ""));
                    let retry_after_ms = match rest {
                        "" => None,
                        _ => Some(rest.strip_prefix("retry_after=")?.parse::<u64>().ok()?.checked_mul(1_000)?),
                    };
                    Blow::Status { status: number.parse().ok().filter(|status| (400..600).contains(status))?, retry_after_ms }
                }
            },
        })
    }
}

/// A factor, in thousandths: `2.5` or `x2.5`.
fn factor(text: &str) -> Option<u32> {
    let factor: f64 = text.strip_prefix('x').unwrap_or(text).parse().ok()?;
    let permille = factor * 1_000.0;
    (0.0..=f64::from(PRICE_PERMILLE_MAX)).contains(&permille).then_some(permille.round() as u32)
}

fn slow_ms(text: &str) -> Option<u64> {
    match text.strip_suffix("ms") {
        Some(number) => number.parse().ok(),
        None => text.strip_suffix('s')?.parse::<u64>().ok()?.checked_mul(1_000),
    }
}
