//! Targets and what they are made of: providers, origins, credentials, models.

use crate::{KeyId, OriginId, Price, ProviderId, TlsProfileId};
use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// What one pool of warm connections leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Host name, or an address literal without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// TLS, and whom it trusts; `None` is plain HTTP.
    pub tls: Option<TlsProfileId>,
    /// Name asked for and verified in the handshake; the host unless the operator says otherwise.
    pub server_name: String,
    /// Egress proxy that a CONNECT goes through: host and port.
    pub proxy: Option<(String, u16)>,
    /// Connections that each shard keeps warm. `warm <= limits::WARM_MAX`.
    pub warm: u32,
    /// Most connections of the whole process.
    pub connections_max: u32,
}

impl Origin {
    /// Where a connection begins: the egress proxy where there is one, else the host itself. Only
    /// this name is ever looked up; the host's own is the proxy's to resolve.
    pub fn first_hop(&self) -> (&str, u16) {
        self.proxy.as_ref().map_or((&self.host, self.port), |(host, port)| (host, *port))
    }
}

/// Which certificate authorities are trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsProfile {
    /// Whom to trust.
    pub roots: Roots,
}

/// Certificate authorities.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Roots {
    /// Those of the system, or the built-in Mozilla set where the system has none.
    System,
    /// Those of the system and these (PEM).
    SystemAnd(Vec<u8>),
    /// These alone (PEM).
    Only(Vec<u8>),
}

/// In a provider's `base_path`, where the model's name goes.
pub const MODEL: &str = "{model}";

/// Where requests are sent, and how they are written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// The operator's name for it, unique.
    pub name: String,
    /// How it speaks.
    pub dialect: Dialect,
    /// The dialects that it understands without translation.
    pub speaks: Speaks,
    /// What it does differently from others of its dialect: `codec::dialect::Quirks` as a number.
    pub quirks: u32,
    /// Where it is.
    pub origin: OriginId,
    /// Begins every path, without a slash at its end: `/v1`. It may hold [`MODEL`] and end with a query
    /// that ends every path: `/openai/deployments/{model}?api-version=2024-10-21`.
    pub base_path: String,
    /// How a credential is presented.
    pub auth: Auth,
    /// Credentials; none for a provider that asks for none.
    pub keys: Vec<Key>,
    /// Most attempts in flight, over all shards.
    pub in_flight_max: u32,
    /// How many further attempts it is asked for, over all shards.
    pub retries: Retries,
    /// How many attempts a target of it may have in flight.
    pub concurrency: Concurrency,
    /// Further fields of every request: name and value.
    pub headers: Vec<(String, String)>,
    /// Where it processes data, in the operator's words.
    pub regions: Vec<String>,
    /// What is looked at to know whether it is well; at most [`crate::limits::CHECKS_PER_PROVIDER_MAX`].
    pub checks: Vec<crate::Check>,
}

/// How many attempts one target may have in flight, beside what its provider may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Concurrency {
    /// As many as it has shown that it can take, once it has refused some.
    #[default]
    Adaptive,
    /// As many as its provider may.
    Fixed,
}

/// How many attempts a provider is asked for in addition: a further one of an exchange that has
/// made one there. Ten seconds' worth of [`Retries::per_second`] may be made at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retries {
    /// Each exchange that comes there first allows so many more, in thousandths. At most 1,000.
    pub share_permille: u32,
    /// So many more in a second are allowed whoever comes. At least 1.
    pub per_second: u32,
}

impl Default for Retries {
    fn default() -> Self {
        Retries { share_permille: 200, per_second: 10 }
    }
}

/// How a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dialect {
    /// OpenAI, and the many that are compatible with it.
    OpenAi,
    /// Anthropic Messages.
    Anthropic,
    /// Gemini generateContent.
    Gemini,
}

impl Provider {
    /// What begins every path, and the query that ends it, without its question mark.
    pub fn base(&self) -> (&str, Option<&str>) {
        self.base_path.split_once('?').map_or((&self.base_path, None), |(path, query)| (path, Some(query)))
    }
}

impl Dialect {
    /// What a provider of this dialect speaks when nothing else is known of it.
    pub const fn speaks(self) -> Speaks {
        match self {
            Dialect::OpenAi => Speaks::CHAT.and(Speaks::RESPONSES),
            Dialect::Anthropic => Speaks::ANTHROPIC,
            Dialect::Gemini => Speaks::GEMINI,
        }
    }

    /// The word that policies use.
    pub const fn word(self) -> &'static str {
        match self {
            Dialect::OpenAi => "openai",
            Dialect::Anthropic => "anthropic",
            Dialect::Gemini => "gemini",
        }
    }
}

/// A set of the dialects in which requests are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Speaks(u8);

impl Speaks {
    /// OpenAI's Chat Completions, and what else lies beside it but Responses.
    pub const CHAT: Speaks = Speaks(1);
    /// OpenAI's Responses.
    pub const RESPONSES: Speaks = Speaks(2);
    /// Anthropic Messages.
    pub const ANTHROPIC: Speaks = Speaks(4);
    /// Gemini generateContent.
    pub const GEMINI: Speaks = Speaks(8);
    /// All of them.
    pub const EVERY: Speaks = Speaks(15);

    /// These and those.
    pub const fn and(self, other: Speaks) -> Speaks {
        Speaks(self.0 | other.0)
    }

    /// These without those.
    pub const fn without(self, other: Speaks) -> Speaks {
        Speaks(self.0 & !other.0)
    }

    /// True when one of `other` is among these.
    pub const fn any(self, other: Speaks) -> bool {
        self.0 & other.0 != 0
    }
}

/// How a credential is presented.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Auth {
    /// `Authorization: Bearer …`
    Bearer,
    /// A field of this name (lower case) that holds the bare key.
    Header(String),
    /// None.
    None,
}

/// One credential of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Finds its bytes in [`crate::Secrets`].
    pub id: KeyId,
    /// Share of the attempts. At least 1.
    pub weight: u32,
    /// Requests in a minute that it may be used for; 0 is no limit.
    pub requests_per_minute: u64,
    /// Tokens in a minute, of prompts and answers together; 0 is no limit.
    pub tokens_per_minute: u64,
}

impl Key {
    /// One without limits.
    pub const fn new(id: KeyId, weight: u32) -> Key {
        Key { id, weight, requests_per_minute: 0, tokens_per_minute: 0 }
    }

    /// True when requests or tokens are counted for it.
    pub const fn is_limited(&self) -> bool {
        self.requests_per_minute | self.tokens_per_minute != 0
    }
}

/// Provider × account × model: what an attempt is made at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// `provider/model`, unique.
    pub name: String,
    /// Where.
    pub provider: ProviderId,
    /// What is asked for there.
    pub model: Model,
    /// Reasons before it answers, so that it is given longer to the first token.
    pub reasoning: bool,
    /// Tokens of prompt and answer together, where known.
    pub context_window: Option<u32>,
    /// Prices, where known.
    pub price: Option<Price>,
    /// What it can be told.
    pub understands: Understands,
    /// Why it is never eligible (no key, dialect not spoken), for records and `explain`.
    pub disabled: Option<String>,
}

/// What a target can be told. What is not known is taken for given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Understands {
    /// What it cannot: `codec::dialect::Needs` as a number.
    pub lacks: u32,
    /// Most tokens of an answer.
    pub output_max: Option<u32>,
    /// How it is told how hard to think.
    pub thinking: Thinking,
    /// It refuses temperature, top_p and top_k.
    pub sampling_fixed: bool,
    /// Of a model for embeddings, how many numbers its vectors are to have where nobody asks for another
    /// length; where known.
    pub dimensions: Option<u32>,
    /// How many they have when it is told nothing, where it can be told to give fewer.
    pub shortens_from: Option<u32>,
}

impl Understands {
    /// True when it can give vectors of so many numbers, as far as is known.
    pub fn gives(&self, length: u32) -> bool {
        self.dimensions == Some(length) || self.shortens_from.is_some_and(|own| own >= length)
    }
}

/// How a model is told how hard to think.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Thinking {
    /// It is not known: as the newest of its dialect.
    #[default]
    Unknown,
    /// It does not think.
    None,
    /// By a word.
    Effort,
    /// By a number of tokens.
    Budget,
}

/// The model that a target asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Model {
    /// This one, whatever the request named.
    Named(String),
    /// What follows `provider/` in the name that the request gave.
    Rest,
}
