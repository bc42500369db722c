//! What a request needs that not every model, and not every dialect, can be told.

use std::fmt;

macro_rules! needs {
    ($($(#[$doc:meta])+ $name:ident = $bit:literal $word:literal, $phrase:literal;)+) => {
        impl Needs {
            $($(#[$doc])+ pub const $name: Needs = Needs(1 << $bit);)+

            /// Every need, with the word that policies, records and answers use, and with what is said of
            /// it after "the request".
            pub const ALL: &'static [(Needs, &'static str, &'static str)] =
                &[$((Needs::$name, $word, $phrase),)+];
        }
    };
}

/// A set of needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Needs(u32);

needs! {
    /// A picture that lies in the request.
    IMAGE = 0 "image", "has an image";
    /// A picture that the provider is to fetch.
    IMAGE_URL = 1 "image_url", "has an image by its URL";
    /// Sound.
    AUDIO = 2 "audio", "has audio";
    /// A file to be read, a PDF in most cases, that lies in the request.
    DOCUMENT = 3 "document", "has a document";
    /// A file that the provider is to fetch.
    DOCUMENT_URL = 4 "document_url", "has a document by its URL";
    /// A file, a conversation, a cache or a container that one account at one provider keeps.
    STATE = 5 "provider_state", "refers to something that one provider keeps";
    /// Functions that the model may call.
    TOOLS = 6 "tools", "has tools";
    /// Tools that a provider runs itself, and kinds of tools that only one dialect has.
    PROVIDER_TOOLS = 7 "provider_tools", "has tools of one provider's own";
    /// An answer that follows a JSON schema.
    SCHEMA = 8 "json_schema", "asks for a JSON schema";
    /// An answer that is a JSON object.
    JSON = 9 "json_object", "asks for a JSON object";
    /// The probabilities of tokens.
    LOGPROBS = 10 "logprobs", "asks for logprobs";
    /// More than one answer.
    COUNT = 11 "n", "asks for more than one answer";
    /// A start for random numbers.
    SEED = 12 "seed", "sets a seed";
    /// Penalties for frequency or presence.
    PENALTIES = 13 "penalties", "sets penalties";
    /// A bias for tokens.
    LOGIT_BIAS = 14 "logit_bias", "sets a logit bias";
    /// A limit on how many tokens are drawn from.
    TOP_K = 15 "top_k", "sets top_k";
    /// Texts that end the answer.
    STOP = 16 "stop", "sets stop sequences";
    /// More stop sequences than four, or than five.
    STOP_MANY = 17 "stop_many", "sets more than four stop sequences";
    /// Thinking before the answer.
    REASONING = 18 "reasoning", "asks for reasoning";
    /// The answer goes on where the last turn ends.
    PREFILL = 19 "prefill", "begins the answer itself";
    /// Sound in the answer.
    AUDIO_OUT = 20 "audio_out", "asks for audio";
    /// Pictures in the answer.
    IMAGE_OUT = 21 "image_out", "asks for images";
    /// A member that only its own dialect has, and that changes what the answer is.
    OWN = 22 "own_dialect", "uses what only its own dialect has";
    /// Pieces of the answer as they come.
    STREAM = 23 "stream", "asks for a stream";
    /// A schema and tools together.
    SCHEMA_AND_TOOLS = 24 "json_schema_and_tools", "asks for JSON and has tools";
    /// A choice of tools that must be heeded: one by name, or any.
    TOOL_CHOICE = 25 "tool_choice", "insists on a tool";
    /// Citations of what the request holds.
    CITATIONS = 26 "citations", "asks for citations";
    /// Texts that were cut into tokens beforehand, by one model's own rules.
    TOKEN_IDS = 27 "token_ids", "gives tokens instead of text";
    /// Chat Completions, of OpenAI's two dialects: a model that lacks it is asked in Responses. No request
    /// has this need by itself.
    CHAT = 28 "chat", "is written for Chat Completions";
    /// A file that is neither a PDF nor bare text.
    FILE_KIND = 29 "file_kind", "has a file that is neither PDF nor text";
    /// A text of nothing but white space that ends the answer.
    STOP_BLANK = 30 "stop_blank", "stops at white space";
}

impl Needs {
    /// No needs.
    pub const NONE: Needs = Needs(0);

    /// All that there are.
    pub const EVERY: Needs = {
        let mut every = 0;
        let mut at = 0;
        while at < Needs::ALL.len() {
            every |= Needs::ALL[at].0.0;
            at += 1;
        }
        Needs(every)
    };

    /// What can be left out, where a chain says so, and the answer is still one to what was asked.
    pub const DROPPABLE: Needs = Needs::SEED
        .and(Needs::PENALTIES)
        .and(Needs::LOGIT_BIAS)
        .and(Needs::TOP_K)
        .and(Needs::LOGPROBS)
        .and(Needs::REASONING)
        .and(Needs::STOP)
        .and(Needs::STOP_MANY)
        .and(Needs::STOP_BLANK)
        .and(Needs::TOOL_CHOICE)
        .and(Needs::CITATIONS)
        .and(Needs::OWN);

    /// These and those.
    pub const fn and(self, other: Needs) -> Needs {
        Needs(self.0 | other.0)
    }

    /// These without those.
    pub const fn without(self, other: Needs) -> Needs {
        Needs(self.0 & !other.0)
    }

    /// Those that are in both.
    pub const fn common(self, other: Needs) -> Needs {
        Needs(self.0 & other.0)
    }

    /// True when there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// True when all of `other` are among these.
    pub const fn has(self, other: Needs) -> bool {
        self.0 & other.0 == other.0
    }

    /// Adds those.
    pub const fn add(&mut self, other: Needs) {
        self.0 |= other.0;
    }

    /// As a number, for tables.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The set that [`Needs::bits`] gave; bits that mean nothing are left out.
    pub const fn from_bits(bits: u32) -> Needs {
        Needs(bits & Needs::EVERY.0)
    }

    /// The need of this word.
    pub fn named(word: &str) -> Option<Needs> {
        Needs::ALL.iter().find(|(_, known, _)| *known == word).map(|(need, _, _)| *need)
    }

    /// The words of those that are in it.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        Needs::ALL.iter().filter(move |(need, _, _)| self.has(*need)).map(|(_, word, _)| *word)
    }

    /// What is said of the first, after "the request".
    pub fn phrase(self) -> Option<&'static str> {
        Needs::ALL.iter().find(|(need, _, _)| self.has(*need)).map(|(_, _, phrase)| *phrase)
    }
}

impl fmt::Display for Needs {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, word) in self.words().enumerate() {
            write!(out, "{}{word}", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
