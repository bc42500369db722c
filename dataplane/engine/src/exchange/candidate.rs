//! The targets of one exchange, and why each of them was not asked.

use codec::dialect::Needs;
use policy::{Degradation, TargetId};

/// Why a target was not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// The policy says that it is never eligible: no key, a dialect that is not spoken.
    Disabled,
    /// It takes its model from the request, which names none for it.
    Unnamed,
    /// It cannot be told what the request needs.
    Lacks(Needs),
    /// The request is larger than the model can read.
    TooLarge,
    /// Its dialect has nothing of what is asked: embeddings, a count of tokens, a bare completion.
    Unable,
    /// Its vectors are not of the length that is wanted, or nobody knows.
    Dimensions,
    /// Its breaker refuses, for so much longer.
    BreakerOpen {
        /// In milliseconds, rounded up.
        for_ms: u32,
    },
    /// It, or its last usable credential, is left alone for so much longer.
    Paused {
        /// In milliseconds, rounded up.
        for_ms: u32,
    },
    /// Its last usable credential has used what the operator grants it, and has earned enough after so much longer.
    KeyLimit {
        /// In milliseconds, rounded up.
        for_ms: u32,
    },
    /// The request has more tokens than any of its credentials may use in a minute.
    OverKeyLimit,
    /// Nothing remains of its limits, or of those of its last usable credential, for so much longer, its
    /// provider says. It is asked all the same when no other can be: this alone refuses nobody.
    Spent {
        /// In milliseconds, rounded up.
        for_ms: u32,
    },
    /// Its usual time to a first token does not fit into what is left of the request's. As with one that is
    /// spent, it is asked when no other can be.
    TooSlow {
        /// That usual time, in milliseconds.
        usual_ms: u32,
    },
    /// The control plane has found it unwell. As with one that is spent, it is asked when no other can be.
    Degraded {
        /// How.
        reason: Degradation,
    },
    /// It has said nothing for a while, and attempts wait there. As with one that is spent, it is asked when no
    /// other can be.
    Silent {
        /// For how long nothing has come, in milliseconds.
        silent_ms: u32,
    },
    /// Its breaker has just closed, and this request is not of the share that it is given meanwhile. It is asked
    /// when no later target can be: this alone refuses nobody.
    Warming {
        /// That share, in thousandths.
        permille: u32,
    },
    /// It is there for failures of a kind that has not happened, or another of them is to be gone on with.
    Reserved,
    /// Another deployment of its model failed in such a way that the chain has the next model asked.
    OtherModel,
    /// It costs more than the chain allows.
    TooDear,
    /// Every credential was refused, or cannot pay.
    KeysOut,
    /// The provider has as many attempts in flight as it may.
    Bulkhead,
    /// It has as many attempts in flight as it has shown that it can take.
    AtLimit,
    /// The provider is short of room, and the tenant has its share of it already.
    OverShare,
    /// This exchange has asked the provider before, and all exchanges together have asked it again as
    /// often as they may.
    RetryBudget,
}

impl Skip {
    /// The word that records and messages use.
    pub const fn word(self) -> &'static str {
        match self {
            Skip::Disabled => "disabled",
            Skip::Unnamed => "unnamed",
            Skip::Lacks(_) => "lacks",
            Skip::TooLarge => "too_large",
            Skip::Unable => "unable",
            Skip::Dimensions => "dimensions",
            Skip::BreakerOpen { .. } => "breaker_open",
            Skip::Paused { .. } => "paused",
            Skip::KeyLimit { .. } => "key_limit",
            Skip::OverKeyLimit => "over_key_limit",
            Skip::Spent { .. } => "spent",
            Skip::TooSlow { .. } => "too_slow",
            Skip::Degraded { .. } => "degraded",
            Skip::Silent { .. } => "silent",
            Skip::Warming { .. } => "warming",
            Skip::Reserved => "reserved",
            Skip::OtherModel => "other_model",
            Skip::TooDear => "too_dear",
            Skip::KeysOut => "keys_out",
            Skip::Bulkhead => "bulkhead",
            Skip::AtLimit => "at_limit",
            Skip::OverShare => "over_share",
            Skip::RetryBudget => "retry_budget",
        }
    }

    /// True when it is asked all the same while no other can be: this alone refuses nobody.
    pub const fn is_spared(self) -> bool {
        matches!(self, Skip::Spent { .. } | Skip::TooSlow { .. } | Skip::Degraded { .. } | Skip::Silent { .. })
    }

    /// True when nothing can change it within the exchange.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Skip::Disabled
                | Skip::Unnamed
                | Skip::Lacks(_)
                | Skip::TooLarge
                | Skip::Unable
                | Skip::Dimensions
                | Skip::TooDear
                | Skip::OverKeyLimit
                | Skip::OtherModel
        )
    }
}

/// `needs (31 bits) | 1` or `milliseconds (26 bits) | kind (5 bits) | 0`: a quarter of the size of the enum's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packed(u32);

const MS_MAX: u32 = (1 << 26) - 1;

const _: () = {
    assert!(Needs::EVERY.bits() <= u32::MAX >> 1);
    assert!(policy::limits::PAUSE_MS_MAX <= MS_MAX as u64);
};

impl Packed {
    pub(crate) const NONE: Packed = Packed(0);

    pub(crate) fn new(skip: Skip) -> Packed {
        let (kind, ms) = match skip {
            Skip::Disabled => (1, 0),
            Skip::Unnamed => (2, 0),
            Skip::BreakerOpen { for_ms } => (3, for_ms),
            Skip::Paused { for_ms } => (4, for_ms),
            Skip::KeysOut => (5, 0),
            Skip::Bulkhead => (6, 0),
            Skip::TooLarge => (7, 0),
            Skip::Unable => (8, 0),
            Skip::Dimensions => (9, 0),
            Skip::Spent { for_ms } => (10, for_ms),
            Skip::TooSlow { usual_ms } => (13, usual_ms),
            Skip::Reserved => (14, 0),
            Skip::TooDear => (12, 0),
            Skip::RetryBudget => (11, 0),
            Skip::AtLimit => (15, 0),
            Skip::OverShare => (16, 0),
            Skip::Degraded { reason } => (17, reason as u32),
            Skip::Warming { permille } => (18, permille),
            Skip::OtherModel => (19, 0),
            Skip::KeyLimit { for_ms } => (20, for_ms),
            Skip::OverKeyLimit => (21, 0),
            Skip::Silent { silent_ms } => (22, silent_ms),
            Skip::Lacks(needs) => return Packed(needs.bits() << 1 | 1),
        };
        Packed(ms.min(MS_MAX) << 6 | kind << 1)
    }

    pub(crate) fn get(self) -> Option<Skip> {
        if self.0 & 1 == 1 {
            return Some(Skip::Lacks(Needs::from_bits(self.0 >> 1)));
        }
        let for_ms = self.0 >> 6;
        Some(match self.0 >> 1 & 31 {
            1 => Skip::Disabled,
            2 => Skip::Unnamed,
            3 => Skip::BreakerOpen { for_ms },
            4 => Skip::Paused { for_ms },
            5 => Skip::KeysOut,
            6 => Skip::Bulkhead,
            7 => Skip::TooLarge,
            8 => Skip::Unable,
            9 => Skip::Dimensions,
            10 => Skip::Spent { for_ms },
            12 => Skip::TooDear,
            13 => Skip::TooSlow { usual_ms: for_ms },
            14 => Skip::Reserved,
            11 => Skip::RetryBudget,
            15 => Skip::AtLimit,
            16 => Skip::OverShare,
            19 => Skip::OtherModel,
            20 => Skip::KeyLimit { for_ms },
            21 => Skip::OverKeyLimit,
            22 => Skip::Silent { silent_ms: for_ms },
            18 => Skip::Warming { permille: for_ms },
            17 => Skip::Degraded { reason: *Degradation::ALL.get(for_ms as usize)? },
            _ => return None,
        })
    }
}

/// One target of the chain.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Which.
    pub target: TargetId,
    pub(crate) skip: Packed,
    pub(crate) step: u8,
    pub(crate) member: u8,
    /// Failures in this exchange; more than one of a duplicate's count too.
    pub(crate) failures: u8,
    /// Its last failure allows to ask it again.
    pub(crate) again: bool,
}

impl Candidate {
    pub(crate) const BLANK: Candidate =
        Candidate { target: TargetId(0), skip: Packed::NONE, step: 0, member: 0, failures: 0, again: false };

    /// Why it was not asked when it was last looked at; `None` when it could be.
    pub fn skip(&self) -> Option<Skip> {
        self.skip.get()
    }

    /// How often it failed in this exchange.
    pub fn failures(&self) -> u8 {
        self.failures
    }

    /// True when it was not asked and still may be.
    pub(crate) fn is_untried(&self) -> bool {
        self.failures == 0 && !self.skip().is_some_and(Skip::is_final)
    }
}

const _: () = assert!(size_of::<Candidate>() == 12);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_loses_nothing() {
        let all = [
            Skip::Disabled,
            Skip::Unnamed,
            Skip::BreakerOpen { for_ms: 60_000 },
            Skip::Paused { for_ms: policy::limits::PAUSE_MS_MAX as u32 },
            Skip::Spent { for_ms: 1 },
            Skip::KeyLimit { for_ms: 60_000 },
            Skip::OverKeyLimit,
            Skip::TooSlow { usual_ms: 5_000 },
            Skip::Warming { permille: 100 },
            Skip::Silent { silent_ms: 60 },
            Skip::Reserved,
            Skip::OtherModel,
            Skip::TooDear,
            Skip::KeysOut,
            Skip::Bulkhead,
            Skip::AtLimit,
            Skip::OverShare,
            Skip::RetryBudget,
            Skip::Lacks(Needs::EVERY),
            Skip::TooLarge,
            Skip::Unable,
            Skip::Dimensions,
        ];
        for skip in all.into_iter().chain(Degradation::ALL.iter().map(|reason| Skip::Degraded { reason: *reason })) {
            assert_eq!(Packed::new(skip).get(), Some(skip));
        }
        assert_eq!(Packed::NONE.get(), None);
        assert_eq!(Packed::new(Skip::Paused { for_ms: u32::MAX }).get(), Some(Skip::Paused { for_ms: MS_MAX }));
    }
}
