//! The failure taxonomy, and what an operator may change about it.

use serde::{Deserialize, Serialize};

macro_rules! classes {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)*) => {
        /// Why an attempt failed. One word, one thing: policies, records, metrics and answers all
        /// use the same words.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[repr(u8)]
        pub enum Class { $($(#[$doc])* $name),* }

        impl Class {
            /// Every class, in the order of declaration.
            pub const ALL: &'static [Class] = &[$(Class::$name),*];

            /// The word that policies, records and metrics use.
            pub const fn word(self) -> &'static str {
                match self { $(Class::$name => $word),* }
            }

            /// The class of a word, if there is one.
            pub fn from_word(word: &str) -> Option<Class> {
                match word { $($word => Some(Class::$name),)* _ => None }
            }
        }
    };
}

classes! {
    /// No connection could be made: refused, unreachable, name not resolved.
    Connect = "connect";
    /// The TLS handshake failed or the certificate was refused.
    Tls = "tls";
    /// The connection broke before the answer began.
    Reset = "reset";
    /// A deadline passed: to connect, to the head, to the first token, between tokens, in total.
    Timeout = "timeout";
    /// The stream ended or broke before its terminal marker.
    StreamCut = "stream_cut";
    /// 429: asked too often; later it will answer again.
    RateLimit = "rate_limit";
    /// Money or quota is spent; only the account's owner can mend it.
    QuotaExhausted = "quota_exhausted";
    /// The provider refused our credential.
    Auth = "auth";
    /// The credential may not use this model or region.
    Permission = "permission";
    /// The provider does not know the model, or no longer.
    ModelGone = "model_gone";
    /// The prompt is longer than the model's window.
    ContextWindow = "context_window";
    /// The provider's filter refused the prompt or the answer.
    ContentFilter = "content_filter";
    /// The request itself is wrong, and would be everywhere.
    InvalidRequest = "invalid_request";
    /// 503, 529: too busy.
    Overloaded = "overloaded";
    /// Any other 5xx.
    ServerError = "server_error";
    /// The answer breaks HTTP, SSE or JSON.
    Malformed = "malformed";
    /// The answer is well formed and holds nothing.
    Empty = "empty";
    /// The answer is not in the form that was asked for: a text that breaks its schema, arguments that are
    /// none, a call of a tool that there is not.
    SchemaViolation = "schema_violation";
    /// The model refused to answer, in an answer.
    Refusal = "refusal";
}

/// A set of classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassSet(u32);

impl ClassSet {
    /// The set without members.
    pub const EMPTY: ClassSet = ClassSet(0);

    /// Adds `class`.
    pub fn insert(&mut self, class: Class) {
        self.0 |= 1 << class as u8;
    }

    /// Takes `class` out.
    pub fn remove(&mut self, class: Class) {
        self.0 &= !(1 << class as u8);
    }

    /// The members of either.
    #[must_use]
    pub const fn and(self, other: ClassSet) -> ClassSet {
        ClassSet(self.0 | other.0)
    }

    /// True when some class is a member of both.
    pub const fn meets(self, other: ClassSet) -> bool {
        self.0 & other.0 != 0
    }

    /// True when it has no members.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// True when `class` is a member.
    pub const fn contains(self, class: Class) -> bool {
        self.0 & (1 << class as u8) != 0
    }
}

const _: () = assert!(Class::ALL.len() <= u32::BITS as usize);

/// What a chain changes about the handling of failures. Every class is handled by default: a
/// trigger that is not named is not switched off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Triggers {
    /// Classes that end the exchange instead of moving on to the next target.
    pub disabled: ClassSet,
    /// Streams: an attempt without a first token after so many milliseconds is left. `None` leaves
    /// it to [`crate::Patience::first_token_ms`].
    pub latency_ms: Option<u64>,
    /// A target that fails more than this share of its attempts, in thousandths, is skipped while
    /// it does. `None` leaves it to [`crate::Breaker::failure_permille`].
    pub error_permille: Option<u32>,
    /// After these the same target may be asked again, where attempts are left.
    pub retry: ClassSet,
    /// After these another target is asked, and the same one never again.
    pub next: ClassSet,
    /// After these another credential is used for the same target at once, and then another target is asked.
    pub next_key: ClassSet,
    /// After these no other target of the same step is asked, but the next step.
    pub next_model: ClassSet,
    /// After these nobody else is asked, and the chain's template answers.
    pub template: ClassSet,
    /// The breaker counts these, whatever it would do.
    pub counted: ClassSet,
    /// The breaker does not count these.
    pub uncounted: ClassSet,
}
