//! Values that are one of some words, or have a form of their own.

use super::{
    read::{At, Read, Reader, schema_of},
    sections::KeyEntry,
};
use crate::{
    complaint::Complaint,
    tree::{Node, Value},
    vocabulary,
};
use codec::dialect::{Needs, Quirks};
use serde_json::json;

vocabulary! {
    /// How a provider speaks.
    Dialect {
        /// OpenAI and compatible.
        OpenAi = "openai";
        /// Anthropic Messages.
        Anthropic = "anthropic";
        /// Gemini generateContent.
        Gemini = "gemini";
    }
    /// What a provider of OpenAI's dialect understands without translation.
    Speak {
        /// Chat Completions.
        Chat = "chat";
        /// Responses.
        Responses = "responses";
    }
    /// How a model is told how hard to think.
    Thinking {
        /// It does not think.
        None = "none";
        /// By a word.
        Effort = "effort";
        /// By a number of tokens.
        Budget = "budget";
    }
    /// How a request picks among deployments.
    Balance {
        /// At random, in proportion to weights.
        Weighted = "weighted";
        /// In turn.
        RoundRobin = "round_robin";
        /// Fewest in flight.
        LeastOutstanding = "least_outstanding";
        /// Fastest of two drawn at random.
        PeakEwma = "peak_ewma";
        /// In the order of their prices.
        Cheapest = "cheapest";
    }
    /// What tells that requests are of one session.
    SessionBy {
        /// The first of the others that a request has.
        Any = "any";
        /// `x-throwover-session`.
        Session = "session";
        /// `prompt_cache_key`, `user`, `safety_identifier` or `metadata.user_id`.
        User = "user";
        /// The system prompt and the first message.
        Prefix = "prefix";
    }
    /// Where a session is once its place is well again.
    AfterFailure {
        /// Back there.
        Return = "return";
        /// Where it went.
        Stay = "stay";
    }
    /// How many attempts a model may have in flight.
    Concurrency {
        /// As many as it has shown that it can take.
        Adaptive = "adaptive";
        /// As many as its provider may.
        Fixed = "fixed";
    }
    /// How waits grow.
    Backoff {
        /// Doubling.
        Exponential = "exponential";
        /// Always the same.
        Fixed = "fixed";
        /// The same, by another name.
        Constant = "constant";
    }
    /// What follows a failure.
    Action {
        /// The same target again, where attempts are left, and then the next one.
        Retry = "retry";
        /// The next target, and the same one never again.
        Next = "next";
        /// Another key of the same provider at once, where it has one that was not used, and then the next target.
        NextKey = "next_key";
        /// The next model: no other deployment of the same one.
        NextModel = "next_model";
        /// The chain's template.
        Template = "template";
        /// An error.
        Error = "error";
    }
    /// What follows when a stream breaks.
    Midstream {
        /// Another target goes on.
        Continue = "continue";
        /// Another target begins again.
        Restart = "restart";
        /// The stream ends with an error.
        Error = "error";
    }
    /// What is made of several series of one name.
    Gather {
        /// The largest counts.
        Max = "max";
        /// The smallest.
        Min = "min";
        /// All together.
        Sum = "sum";
    }
    /// A server whose figures are known.
    Preset {
        /// vLLM.
        Vllm = "vllm";
        /// SGLang, started with `--enable-metrics`.
        Sglang = "sglang";
        /// Hugging Face's Text Generation Inference.
        Tgi = "tgi";
        /// llama.cpp's server, started with `--metrics`.
        LlamaCpp = "llama_cpp";
        /// NVIDIA's exporter for GPUs.
        Dcgm = "dcgm";
    }
    /// In how long.
    Period {
        /// One.
        Day = "day";
        /// One.
        Week = "week";
        /// One.
        Month = "month";
    }
}

impl Gather {
    /// The same in the contract.
    pub const fn policy(self) -> policy::health::Gather {
        match self {
            Gather::Max => policy::health::Gather::Max,
            Gather::Min => policy::health::Gather::Min,
            Gather::Sum => policy::health::Gather::Sum,
        }
    }
}

impl Dialect {
    /// The same in the contract.
    pub const fn policy(self) -> policy::Dialect {
        match self {
            Dialect::OpenAi => policy::Dialect::OpenAi,
            Dialect::Anthropic => policy::Dialect::Anthropic,
            Dialect::Gemini => policy::Dialect::Gemini,
        }
    }
}

impl Concurrency {
    /// The same in the contract.
    pub const fn policy(self) -> policy::Concurrency {
        match self {
            Concurrency::Adaptive => policy::Concurrency::Adaptive,
            Concurrency::Fixed => policy::Concurrency::Fixed,
        }
    }
}

impl SessionBy {
    /// The same in the contract.
    pub const fn policy(self) -> policy::chain::By {
        match self {
            SessionBy::Any => policy::chain::By::Any,
            SessionBy::Session => policy::chain::By::Session,
            SessionBy::User => policy::chain::By::User,
            SessionBy::Prefix => policy::chain::By::Prefix,
        }
    }
}

impl Speak {
    /// The same in the contract.
    pub const fn policy(self) -> policy::Speaks {
        match self {
            Speak::Chat => policy::Speaks::CHAT,
            Speak::Responses => policy::Speaks::RESPONSES,
        }
    }
}

impl Thinking {
    /// The same in the contract.
    pub const fn policy(self) -> policy::Thinking {
        match self {
            Thinking::None => policy::Thinking::None,
            Thinking::Effort => policy::Thinking::Effort,
            Thinking::Budget => policy::Thinking::Budget,
        }
    }
}

/// Something that a provider does differently from others of its dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quirk(pub Quirks);

impl Read for Quirk {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let words: Vec<&str> = Quirks::ALL.iter().map(|(_, word)| *word).collect();
        Quirks::named(&super::read::word(node, reader, &words)?).map(Quirk)
    }

    fn schema() -> serde_json::Value {
        json!({"enum": Quirks::ALL.iter().map(|(_, word)| *word).collect::<Vec<_>>()})
    }
}

/// Something that a request may need, and a model may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need(pub Needs);

impl Read for Need {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let words: Vec<&str> = Needs::EVERY.words().collect();
        Needs::named(&super::read::word(node, reader, &words)?).map(Need)
    }

    fn schema() -> serde_json::Value {
        json!({"enum": Needs::EVERY.words().collect::<Vec<_>>()})
    }
}

/// Members that are set in every request, as JSON.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Params(pub serde_json::Map<String, serde_json::Value>);

impl Read for Params {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.json() {
            serde_json::Value::Object(members) => Some(Params(members)),
            _ => {
                reader.wrong(node, "a mapping of parameters");
                None
            }
        }
    }

    fn schema() -> serde_json::Value {
        json!({"type": "object"})
    }
}

/// Any value, as JSON.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Json(pub serde_json::Value);

impl Read for Json {
    fn read(node: &Node, _: &mut Reader) -> Option<Self> {
        Some(Json(node.json()))
    }

    fn schema() -> serde_json::Value {
        json!({})
    }
}

/// A class of failures, or a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerType {
    /// One class.
    Class(policy::Class),
    /// Time to the first token.
    Latency,
    /// Share of failures.
    ErrorRate,
    /// Every class.
    All,
}

impl Read for TriggerType {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let words: Vec<&str> = trigger_words();
        match super::read::word(node, reader, &words)?.as_str() {
            "latency" => Some(TriggerType::Latency),
            "error_rate" => Some(TriggerType::ErrorRate),
            "all" => Some(TriggerType::All),
            class => policy::Class::from_word(class).map(TriggerType::Class),
        }
    }

    fn schema() -> serde_json::Value {
        json!({"enum": trigger_words()})
    }
}

fn trigger_words() -> Vec<&'static str> {
    policy::Class::ALL.iter().map(|class| class.word()).chain(["latency", "error_rate", "all"]).collect()
}

/// How many shards; 0 is `auto`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shards(pub u64);

impl Read for Shards {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Text(text) if text == "auto" => Some(Shards(0)),
            Value::Whole(number @ 1..=1024) => Some(Shards(*number as u64)),
            _ => {
                reader.push(Complaint::error(node.span, "`shards` is a number from 1 to 1024, or `auto`"));
                None
            }
        }
    }

    fn schema() -> serde_json::Value {
        json!({"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1, "maximum": 1024}]})
    }
}

/// One credential: a reference alone, or with what is known about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Key(pub KeyEntry);

impl Read for Key {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        if let Value::Text(text) = &node.value {
            return Some(Key(KeyEntry { key: Some(At { value: text.clone(), span: node.span }), ..KeyEntry::default() }));
        }
        KeyEntry::read_map(node, reader).map(Key)
    }

    fn schema() -> serde_json::Value {
        json!({"anyOf": [{"type": "string"}, schema_of(KeyEntry::FIELDS)]})
    }
}

/// RFC 9110, section 5.6.2: `token = 1*tchar`.
pub fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// How a credential is presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer`
    Bearer,
    /// A field of this name.
    Header(String),
    /// Not at all.
    None,
}

impl Read for Auth {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Text(text) if text == "bearer" => return Some(Auth::Bearer),
            Value::Text(text) if text == "none" => return Some(Auth::None),
            Value::Map(entries) if entries.len() == 1 && entries[0].key == "header" => {
                let name = String::read(&entries[0].node, reader)?;
                if is_token(&name) {
                    return Some(Auth::Header(name.to_ascii_lowercase()));
                }
                reader.push(Complaint::error(entries[0].node.span, format!("`{name}` may not be the name of a field")));
                return None;
            }
            _ => {}
        }
        reader.push(
            Complaint::error(node.span, "unknown way to present a credential").help("write `bearer`, `none` or `{header: x-api-key}`"),
        );
        None
    }

    fn schema() -> serde_json::Value {
        json!({"anyOf": [{"enum": ["bearer", "none"]}, {"type": "object", "properties": {"header": {"type": "string"}}, "additionalProperties": false}]})
    }
}
