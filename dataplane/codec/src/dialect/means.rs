//! What is known of the model that a request is written for.

use super::{Needs, Rope};
use crate::json::{Str, Tree, Value};

/// What a target understands, from the catalogue or the policy. What is not known is taken for given.
#[derive(Clone, Copy, Debug)]
pub struct Means<'p> {
    /// What the provider calls the model.
    pub model: &'p str,
    /// Most tokens of an answer, where known.
    pub output_max: Option<u64>,
    /// How it is told how hard to think.
    pub thinking: Thinking,
    /// It refuses temperature, top_p and top_k.
    pub sampling_fixed: bool,
    /// What its provider does differently from others of its dialect.
    pub quirks: Quirks,
    /// Needs that are dropped rather than refused.
    pub dropped: Needs,
    /// Text before the system prompt, and after it: what suits this model.
    pub prefix: Option<&'p str>,
    /// See `prefix`.
    pub suffix: Option<&'p str>,
    /// Members that are set whatever the request says: a JSON object, without its braces.
    pub set: Option<&'p str>,
    /// Makes ids where a dialect wants one and there is none: the request's own number.
    pub seed: u64,
}

impl Means<'_> {
    /// Means of which nothing is known but the model's name.
    pub const fn of(model: &str) -> Means<'_> {
        Means {
            model,
            output_max: None,
            thinking: Thinking::Unknown,
            sampling_fixed: false,
            quirks: Quirks::NONE,
            dropped: Needs::NONE,
            prefix: None,
            suffix: None,
            set: None,
            seed: 0,
        }
    }
}

/// Two names of one thing: who is told both refuses the request.
const ALIASES: [&str; 2] = ["max_tokens", "max_completion_tokens"];

impl Means<'_> {
    /// Keeps members that are set from being written before: the object that is open ends with
    /// [`Means::write_set`].
    pub fn bar_set(&self, rope: &mut Rope<'_>) {
        each_set(self.set, |name, _| {
            rope.bar(name.raw());
            if ALIASES.iter().any(|alias| name.is(alias)) {
                ALIASES.iter().for_each(|alias| rope.bar(alias.as_bytes()));
            }
        });
    }

    /// Writes the members that are set whatever the request says.
    pub fn write_set(&self, rope: &mut Rope<'_>) {
        if let Some(members) = self.set.filter(|members| !members.is_empty()) {
            rope.admit();
            rope.json(members.as_bytes());
        }
    }
}

/// The members that are set, with their values.
pub(super) fn each_set(set: Option<&str>, mut each: impl FnMut(Str<'_>, Value<'_>)) {
    let Some(members) = set.filter(|members| !members.is_empty()) else { return };
    let text = ["{", members, "}"].concat();
    let mut tree = Tree::new();
    // A policy's were read before; what is none sets nothing.
    if let Ok(root) = tree.read(text.as_bytes()) {
        root.members().for_each(|(name, value)| each(name, value));
    }
}

/// How a model is told how hard to think.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Thinking {
    /// It is not known: as its dialect's newest models are told.
    #[default]
    Unknown,
    /// It does not think.
    None,
    /// By a word: OpenAI's `reasoning_effort`, Anthropic's `effort` with adaptive thinking, Gemini's
    /// `thinkingLevel`.
    Effort,
    /// By a number of tokens: Anthropic's `budget_tokens`, Gemini's `thinkingBudget`.
    Budget,
}

macro_rules! quirks {
    ($($(#[$doc:meta])+ $name:ident = $bit:literal $word:literal;)+) => {
        impl Quirks {
            $($(#[$doc])+ pub const $name: Quirks = Quirks(1 << $bit);)+

            /// Every quirk and the word that the catalogue and policies use.
            pub const ALL: &'static [(Quirks, &'static str)] = &[$((Quirks::$name, $word),)+];
        }
    };
}

/// What a provider does differently from others of its dialect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quirks(u32);

quirks! {
    /// The limit of tokens is called `max_tokens`, and `max_completion_tokens` is refused.
    MAX_TOKENS = 0 "max_tokens";
    /// `seed` is called `random_seed` (Mistral).
    RANDOM_SEED = 1 "random_seed";
    /// `developer` is no role: it is called `system`.
    SYSTEM_ROLE = 2 "system_role";
    /// `tool_choice: required` is called `any` (Mistral, older).
    CHOICE_ANY = 3 "choice_any";
    /// Ids of calls have nine letters and digits (Mistral).
    SHORT_IDS = 4 "short_ids";
    /// `stream_options` is refused.
    NO_STREAM_OPTIONS = 5 "no_stream_options";
    /// `parallel_tool_calls` is refused.
    NO_PARALLEL = 6 "no_parallel_tool_calls";
    /// Thinking of earlier turns goes back as `reasoning_content` (DeepSeek).
    REASONING_BACK = 7 "reasoning_back";
    /// Members that the dialect has and this provider does not know are refused, so that hints are left out
    /// (`store`, `metadata`, `user`, `service_tier`, `prompt_cache_key` …).
    STRICT_MEMBERS = 8 "strict_members";
    /// A JSON schema is given as a function that must be called.
    SCHEMA_AS_TOOL = 9 "schema_as_tool";
    /// Temperature goes from 0 to 1 (Moonshot).
    TEMPERATURE_ONE = 10 "temperature_one";
    /// There are streams only.
    STREAM_ONLY = 11 "stream_only";
}

impl Quirks {
    /// None.
    pub const NONE: Quirks = Quirks(0);

    /// True when all of `other` are among these.
    pub const fn has(self, other: Quirks) -> bool {
        self.0 & other.0 == other.0
    }

    /// True when there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// These and those.
    pub const fn and(self, other: Quirks) -> Quirks {
        Quirks(self.0 | other.0)
    }

    /// As a number, for tables.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The set that [`Quirks::bits`] gave.
    pub const fn from_bits(bits: u32) -> Quirks {
        Quirks(bits)
    }

    /// The quirk of this word.
    pub fn named(word: &str) -> Option<Quirks> {
        Quirks::ALL.iter().find(|(_, known)| *known == word).map(|(quirk, _)| *quirk)
    }
}
