//! What became of each attempt, small enough to be kept for all of them.

use policy::{Class, KeyId};

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It has not.
    Running,
    /// With an answer.
    Answered,
    /// The tenant hung up.
    Abandoned,
    /// Another one that ran beside it was quicker, with an answer or with what ends the exchange.
    Outrun,
    /// Its connection had been closed before it was used; it does not count.
    Stale,
    /// With a failure.
    Failed(Class),
}

/// Whether an attempt was made to fail, or late, on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Struck {
    /// It was not.
    No,
    /// An operator rehearses a fault, with everything that follows from one.
    Rehearsed,
    /// Its own request asks for it, which is no news to anybody else.
    Wished,
}

/// One attempt. Times are microseconds since the exchange began, 0 where that never came.
#[derive(Clone, Copy, Debug)]
pub struct Trail {
    /// It began.
    pub begun_us: u32,
    /// The request had been written.
    pub sent_us: u32,
    /// The head of the answer was there.
    pub head_us: u32,
    /// The first token was there.
    pub token_us: u32,
    /// It ended.
    pub end_us: u32,
    /// After a failure: not before this is the same target asked again.
    pub(crate) retry_us: u32,
    pub(super) key: u32,
    /// Status of the answer, 0 without one.
    pub status: u16,
    /// The place of its target among the candidates.
    pub candidate: u8,
    /// How it ended.
    pub end: End,
    /// Which rule judged it: its place in [`crate::judge::DETAILS`].
    pub(crate) detail: u8,
    /// It was the probe of an open breaker.
    pub probe: bool,
    /// It was made although the breaker refused.
    pub forced: bool,
    /// It was made on a connection that was not idle before.
    pub fresh: bool,
    /// It was made to fail.
    pub struck: Struck,
    /// It began beside another one that was slow.
    pub hedge: bool,
    /// It was made at a later target in its turn, to see that it works.
    pub standby: bool,
}

const NO_KEY: u32 = u32::MAX;

impl Trail {
    pub(crate) const BLANK: Trail = Trail {
        begun_us: 0,
        sent_us: 0,
        head_us: 0,
        token_us: 0,
        end_us: 0,
        retry_us: 0,
        key: NO_KEY,
        status: 0,
        candidate: 0,
        end: End::Running,
        detail: u8::MAX,
        probe: false,
        forced: false,
        fresh: false,
        struck: Struck::No,
        hedge: false,
        standby: false,
    };

    pub(crate) fn with_key(key: Option<KeyId>) -> Trail {
        Trail { key: key.map_or(NO_KEY, |key| key.0), ..Trail::BLANK }
    }

    /// The credential that was used.
    pub fn key(&self) -> Option<KeyId> {
        (self.key != NO_KEY).then_some(KeyId(self.key))
    }

    /// Which rule judged it; of an attempt that answered, what was wrong with its answer. Empty where nothing was.
    pub fn detail(&self) -> &'static str {
        crate::judge::DETAILS.get(usize::from(self.detail)).copied().unwrap_or_default()
    }
}

const _: () = assert!(size_of::<Trail>() <= 40);
