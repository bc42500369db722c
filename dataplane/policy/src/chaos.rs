//! Faults that the gateway itself makes, so that operators can rehearse what their chains do.

use crate::TargetId;
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
}
