//! The dialects that a provider may speak, and what differs between them outside of answers.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answer::{Answer, Event, Grammar};
use crate::asked::Asked;
use crate::http::Request;
use crate::{anthropic, gemini, openai};

/// The API that a provider speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// OpenAI: chat completions, responses, completions, embeddings.
    #[default]
    Openai,
    /// Anthropic: messages.
    Anthropic,
    /// Gemini: generateContent.
    Gemini,
}

/// What the request names, in whichever place its dialect has for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// The model with any fault suffix.
    pub model: String,
    /// Whether a stream is asked for.
    pub stream: bool,
}

/// A failure that a fault orders.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// The status code.
    pub status: u16,
    /// A finer reason than the status, in the words of this or another dialect.
    pub code: Option<&'a str>,
    /// The model that was asked for.
    pub model: &'a str,
    /// The identifier of the request.
    pub request_id: &'a str,
    /// When to come back, in seconds.
    pub retry_after: Option<u64>,
}

/// The codes by which a failure is about money and not about rate: waiting does not help.
///
/// Written in OpenAI's words; the other dialects say the same in theirs.
pub const MONEY: &[&str] = &[
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
];

impl Dialect {
    /// Every dialect, the usual one first.
    pub const ALL: &[Dialect] = &[Dialect::Openai, Dialect::Anthropic, Dialect::Gemini];

    /// Its name in configurations.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Openai => "openai",
            Dialect::Anthropic => "anthropic",
            Dialect::Gemini => "gemini",
        }
    }

    /// What the request names.
    #[must_use]
    pub fn named(self, request: &Request, body: Option<&Value>) -> Named {
        match self {
            Dialect::Openai | Dialect::Anthropic => Named {
                model: openai::azure::deployment(request).filter(|_| self == Dialect::Openai).map_or_else(
                    || body.and_then(|body| body["model"].as_str()).unwrap_or_default().to_owned(),
                    |(deployment, _)| deployment,
                ),
                stream: body.is_some_and(|body| body["stream"] == true),
            },
            Dialect::Gemini => gemini::named(request),
        }
    }

    /// The answer of a well provider.
    #[must_use]
    pub fn answer(self, asked: &Asked<'_>) -> Answer {
        match self {
            Dialect::Openai => openai::answer(asked),
            Dialect::Anthropic => anthropic::answer(asked),
            Dialect::Gemini => gemini::answer(asked),
        }
    }

    /// The header that carries the request's identifier, if the API has one.
    #[must_use]
    pub fn id_header(self) -> Option<&'static str> {
        match self {
            Dialect::Openai => Some("x-request-id"),
            Dialect::Anthropic => Some("request-id"),
            Dialect::Gemini => None,
        }
    }

    /// A fault the mock was asked for but cannot make: the caller's own mistake, said plainly.
    #[must_use]
    pub fn bad_fault(self, message: &str, request_id: &str) -> Answer {
        let message = format!("throwover-mock: {message}");
        match self {
            Dialect::Openai => openai::errors::answer(&openai::errors::bad_fault(message)),
            Dialect::Anthropic => anthropic::errors::answer(&anthropic::errors::invalid(message), request_id),
            Dialect::Gemini => gemini::errors::answer(&gemini::errors::invalid(message), Grammar::Generate),
        }
    }
}

/// A failure as the API words it.
#[must_use]
pub fn failed(grammar: Grammar, failure: &Failure<'_>) -> Answer {
    match grammar {
        Grammar::Chat | Grammar::Responses => {
            openai::errors::answer(&openai::errors::for_status(failure.status, failure.code, failure.model))
        }
        Grammar::Messages => anthropic::errors::failed(failure),
        Grammar::Generate | Grammar::Array => gemini::errors::failed(failure, grammar),
    }
}

/// An error event in mid-stream.
#[must_use]
pub fn error_event(grammar: Grammar, code: &str, sequence: u64, request_id: &str) -> Event {
    match grammar {
        Grammar::Chat | Grammar::Responses => openai::errors::event(grammar, code, sequence),
        Grammar::Messages => anthropic::errors::event(code, request_id),
        Grammar::Generate | Grammar::Array => gemini::errors::event(grammar, code),
    }
}
