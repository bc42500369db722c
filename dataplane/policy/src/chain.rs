//! Chains: which targets may answer, in which order, and how long each is waited for.

use crate::{
    ChainId, TargetId,
    money::Price,
    trigger::{ClassSet, Triggers},
};
use serde::{Deserialize, Serialize};

/// Targets in order, and the rules for moving from one to the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chain {
    /// The operator's name for it, unique.
    pub name: String,
    /// Tried in order; within a step, members are the same model and share the load.
    pub steps: Vec<Step>,
    /// What makes requests one session over all steps, in the place of what a step says; whether one that had to
    /// move to another step stays there.
    pub affinity: Option<Affinity>,
    /// What the chain changes about the handling of failures.
    pub triggers: Triggers,
    /// Most attempts of one exchange, over all targets. `1 <= attempts_max <= limits::ATTEMPTS_MAX`.
    pub attempts_max: u8,
    /// Waits between attempts at the same target.
    pub backoff: Backoff,
    /// How long each phase may take.
    pub patience: Patience,
    /// When a target is left alone for a while.
    pub breaker: Breaker,
    /// Reasoning counts as content, so that a stream commits at its first reasoning delta.
    pub stream_reasoning: bool,
    /// Parameters that a target cannot be told are left out, where it would not be asked otherwise.
    pub drop_params: bool,
    /// Embeddings may come from models whose vectors differ in length.
    pub mix_dimensions: bool,
    /// A target is not asked whose price per million tokens of prompt, or of answer, is above this; 0 is no
    /// limit. One of unknown price passes.
    pub price_max: Price,
    /// What is said when no target could answer: the text of an answer.
    pub template: Option<String>,
    /// A second attempt beside a slow first one.
    pub hedge: Option<Hedge>,
    /// This share of requests is tried first at a target of a later step, so that it is known to work when it
    /// is needed; in thousandths. `standby_permille <= 500`.
    pub standby_permille: u32,
    /// An answer to the identical request may stand in for an error when it is not older than this, in
    /// milliseconds; 0 keeps none. It goes before the template.
    pub earlier_ms: u64,
    /// A prompt that no target can read whole is made to fit one; `None` refuses it.
    pub compact: Option<Compact>,
}

/// How a prompt is made to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compact {
    /// The last turns, which stay as they are. `1 <= keep_turns <= limits::KEEP_TURNS_MAX`.
    pub keep_turns: u8,
    /// The chain that is asked to sum up what is left out; `None` leaves it out unsaid.
    pub summary: Option<ChainId>,
}

/// A second attempt beside a slow first one. Whichever has something to show first is the answer, and the
/// other is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hedge {
    /// When the first one is slow.
    pub after: Slowness,
    /// Share of the chain's requests that may be asked twice, in thousandths. `1 <= share_permille <= 1000`.
    pub share_permille: u16,
}

/// When an attempt is slow: a stream that has shown nothing, a whole answer that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Slowness {
    /// After so many milliseconds.
    Ms(u64),
    /// When this share of the answers of its target to requests of its size, in thousandths, is known to have
    /// been quicker. `1 <= share <= 999`.
    Permille(u16),
}

impl Chain {
    /// A chain as an operator gets it who says nothing but its steps.
    pub fn over(name: impl Into<String>, steps: Vec<Step>) -> Chain {
        Chain {
            name: name.into(),
            steps,
            affinity: None,
            triggers: Triggers::default(),
            attempts_max: 6,
            backoff: Backoff::default(),
            patience: Patience::default(),
            breaker: Breaker::default(),
            stream_reasoning: false,
            drop_params: false,
            mix_dimensions: false,
            price_max: Price::default(),
            template: None,
            hedge: None,
            standby_permille: 0,
            earlier_ms: 0,
            compact: None,
        }
    }
}

impl Step {
    /// A step that is asked as its turn comes.
    pub const fn of(balance: Balance, members: Vec<Member>) -> Step {
        Step { balance, members, after: ClassSet::EMPTY, affinity: None }
    }
}

/// One position of a chain: the same model in one or more places.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// How an exchange picks among the members.
    pub balance: Balance,
    /// At least one.
    pub members: Vec<Member>,
    /// Asked only after a failure of one of these classes in the same exchange; empty as its turn comes.
    pub after: ClassSet,
    /// Requests of one session go to one member, whatever the balance says.
    pub affinity: Option<Affinity>,
}

/// What makes requests one session, and where it goes when its member has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affinity {
    /// What tells.
    pub by: By,
    /// True to stay where it went, false to return once its member is well.
    pub stays: bool,
}

/// What tells that requests are of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum By {
    /// The first of these that the request has.
    Any,
    /// The field `x-throwover-session`.
    Session,
    /// Who the request says is its user, or its key for a prompt cache.
    User,
    /// How its prompt begins: the system prompt and the first message.
    Prefix,
}

impl By {
    /// The word that policies use.
    pub const fn word(self) -> &'static str {
        match self {
            By::Any => "any",
            By::Session => "session",
            By::User => "user",
            By::Prefix => "prefix",
        }
    }
}

/// One deployment within a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Where.
    pub target: TargetId,
    /// Share of the load under [`Balance::Weighted`], and tie-breaker elsewhere. At least 1.
    pub weight: u32,
    /// What is said differently here: its place in [`crate::Draft::wordings`].
    pub wording: Option<u32>,
}

/// What a request is given in addition, so that it suits one model of a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wording {
    /// Text before the system prompt.
    pub prefix: Option<String>,
    /// Text behind it.
    pub suffix: Option<String>,
    /// Members that are set whatever the request says: a JSON object without its braces.
    pub set: Option<String>,
}

/// How an exchange picks among the deployments of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Balance {
    /// At random, in proportion to the weights.
    #[default]
    Weighted,
    /// In turn.
    RoundRobin,
    /// The one with the fewest attempts in flight, for its weight.
    LeastOutstanding,
    /// Of two drawn at random, the one with the smaller peak-sensitive average latency times load
    /// (power of two choices; full scan up to four members).
    PeakEwma,
}

/// Waits between attempts at the same target. The wait before retry `n` is drawn uniformly from
/// `0..=min(cap_ms, base_ms * 2^n)` ("full jitter") when exponential, from `0..=base_ms` else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backoff {
    /// Doubles with each retry.
    pub exponential: bool,
    /// First bound, in milliseconds.
    pub base_ms: u64,
    /// Largest bound, in milliseconds. `base_ms <= cap_ms`.
    pub cap_ms: u64,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { exponential: true, base_ms: 500, cap_ms: 8_000 }
    }
}

/// How long each phase of an exchange may take, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patience {
    /// The whole exchange, over all attempts.
    pub deadline_ms: u64,
    /// Resolved name to established connection, TLS included.
    pub connect_ms: u64,
    /// Request sent to first token (of a stream) for models that answer at once.
    pub first_token_ms: u64,
    /// The same for models that reason before they answer.
    pub first_token_reasoning_ms: u64,
    /// Between two bytes of an answer that has begun.
    pub idle_ms: u64,
    /// When nothing has committed for so long, the head and `: keepalive` comments go out.
    pub keepalive_after_ms: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            deadline_ms: 600_000,
            connect_ms: 3_000,
            first_token_ms: 30_000,
            first_token_reasoning_ms: 120_000,
            idle_ms: 30_000,
            keepalive_after_ms: 10_000,
        }
    }
}

/// When a target is left alone for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    /// So many failures in a row open it.
    pub consecutive: u32,
    /// More than this share of failures in the window opens it, in thousandths.
    pub failure_permille: u32,
    /// The window, in milliseconds.
    pub window_ms: u64,
    /// The share counts only from so many attempts in the window on.
    pub requests_min: u32,
    /// First time open, in milliseconds; doubles while probes fail, with ±20 % jitter.
    pub cooldown_ms: u64,
    /// Longest time open, in milliseconds. `cooldown_ms <= cooldown_max_ms`.
    pub cooldown_max_ms: u64,
    /// An answer that takes longer is slow, in milliseconds: of a stream, its first token; else the
    /// whole of it. 0 is never.
    pub slow_ms: u64,
    /// This share of slow ones among the answers of the window opens it, in thousandths. At least 1.
    pub slow_permille: u32,
    /// A target whose breaker has closed is given its share of a step's load back over so long, in
    /// milliseconds; 0 is at once.
    pub slow_start_ms: u64,
}

impl Default for Breaker {
    fn default() -> Self {
        Breaker {
            consecutive: 5,
            failure_permille: 500,
            window_ms: 30_000,
            requests_min: 20,
            cooldown_ms: 5_000,
            cooldown_max_ms: 60_000,
            slow_ms: 0,
            slow_permille: 800,
            slow_start_ms: 30_000,
        }
    }
}

/// A name that a request may give, and the chain that answers to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Name {
    /// What stands in the request's `model`, exactly.
    pub name: String,
    /// Which chain answers.
    pub chain: ChainId,
    /// Shown by `GET /v1/models`.
    pub listed: bool,
}
