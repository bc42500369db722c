//! How much is thought before an answer, in the words and in the numbers that providers use.

use crate::json::Str;

/// Thinking before the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reasoning {
    /// How much.
    pub depth: Depth,
    /// The thoughts, or a summary of them, are to be shown; `None` leaves it to the provider.
    pub shown: Option<bool>,
    /// What was thought is to be given back sealed, so that the client can return it (only Responses asks).
    pub sealed: bool,
}

/// How much is thought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// The request does not say.
    #[default]
    Unset,
    /// Nothing.
    Off,
    /// As much as the model finds right.
    Adaptive,
    /// So hard.
    Effort(Effort),
    /// So many tokens at most.
    Budget(u64),
}

/// How hard a model tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// As little as possible.
    Minimal,
    /// Little.
    Low,
    /// So much.
    Medium,
    /// A lot.
    High,
    /// More.
    Extra,
    /// All that there is.
    Max,
}

impl Effort {
    /// Each, from the least on.
    pub const ALL: [Effort; 6] = [Effort::Minimal, Effort::Low, Effort::Medium, Effort::High, Effort::Extra, Effort::Max];

    /// The word that OpenAI and Anthropic use.
    pub const fn word(self) -> &'static str {
        match self {
            Effort::Minimal => "minimal",
            Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High => "high",
            Effort::Extra => "xhigh",
            Effort::Max => "max",
        }
    }

    /// The effort of this word.
    pub fn named(word: Str<'_>) -> Option<Effort> {
        Effort::ALL.into_iter().find(|effort| word.is(effort.word()))
    }

    /// The tokens that such an effort is worth, for models that know budgets only. The figures are
    /// those that gateways have in common (LiteLLM's, with a floor of 1,024, Anthropic's least).
    pub const fn budget(self) -> u64 {
        match self {
            Effort::Minimal | Effort::Low => 1_024,
            Effort::Medium => 2_048,
            Effort::High => 4_096,
            Effort::Extra => 8_192,
            Effort::Max => 16_384,
        }
    }

    /// The effort that such a budget comes near to.
    pub fn of_budget(tokens: u64) -> Effort {
        let found = Effort::ALL.into_iter().skip(1).find(|effort| tokens <= effort.budget());
        found.unwrap_or(Effort::Max)
    }
}
