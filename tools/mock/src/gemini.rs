//! The Gemini dialect: generateContent and its kin.
//!
//! Pure. What is said is decided in [`crate::turn`]; here is how Gemini reads and writes it, and
//! what it refuses. Model and method stand in the path, and so does any fault suffix.

use serde_json::Value;

use crate::answer::{Answer, Event, Grammar, Role};
use crate::asked::Asked;
use crate::dialect::Named;
use crate::http::{self, Request};
use crate::tokens;

pub mod errors;

mod conversation;
mod embeddings;
mod fields;
mod generate;
mod models;
mod signature;

use errors::ApiError;

/// The versions of the API that have these paths.
const VERSIONS: &[&str] = &["/v1beta/", "/v1/", "/v1alpha/"];

/// The largest request: 20 MB for what is sent inline.
const BODY_BYTES_MAX: usize = 20 << 20;

/// Where a request goes.
struct Place {
    /// The model with any fault suffix; empty when none is named.
    model: String,
    /// What follows the colon.
    method: Option<String>,
    /// Whether the path is one of this API at all.
    known: bool,
}

/// Reads the path. Its colon may come percent-encoded, and a suffix may hold colons of its own.
fn place(request: &Request) -> Place {
    let path = http::percent_decoded(request.path());
    let below = VERSIONS.iter().find_map(|version| path.strip_prefix(version));
    let nowhere = Place { model: String::new(), method: None, known: false };
    match below {
        Some("models") => Place { known: true, ..nowhere },
        Some(rest) => match rest.strip_prefix("models/") {
            Some(rest) => match rest.rsplit_once(':') {
                Some((model, method)) => Place { model: model.to_owned(), method: Some(method.to_owned()), known: true },
                None => Place { model: rest.to_owned(), method: None, known: true },
            },
            None => nowhere,
        },
        None => nowhere,
    }
}

/// What the request names.
#[must_use]
pub fn named(request: &Request) -> Named {
    let place = place(request);
    Named { model: place.model, stream: place.method.as_deref() == Some("streamGenerateContent") }
}

/// How the answer to this request is written.
fn grammar(asked: &Asked<'_>) -> Grammar {
    match asked.stream && asked.request.query("alt") != Some("sse") {
        true => Grammar::Array,
        false => Grammar::Generate,
    }
}

/// What ends a stream that is an array.
#[must_use]
pub fn array_end() -> Event {
    Event::new(Role::Terminal, b"\n]\n".to_vec())
}

/// The answer of a well provider.
#[must_use]
pub fn answer(asked: &Asked<'_>) -> Answer {
    let grammar = grammar(asked);
    let mut answer = match route(asked, grammar) {
        Ok(answer) => answer,
        Err(error) => errors::answer(&error, grammar),
    };
    answer.set_header("vary", "Origin, X-Origin, Referer");
    answer.set_header("server", "scaffolding on HTTPServer2");
    answer.set_header("x-content-type-options", "nosniff");
    answer
}

fn route(asked: &Asked<'_>, grammar: Grammar) -> Result<Answer, ApiError> {
    let place = place(asked.request);
    if !place.known {
        return Err(errors::not_found("Requested entity was not found.".to_owned()));
    }
    check_key(asked)?;
    let http_method = asked.request.method.as_str();
    let Some(method) = place.method.as_deref() else {
        return match http_method {
            "GET" => models::answer(asked),
            _ => Err(errors::not_found("Requested entity was not found.".to_owned())),
        };
    };
    let known = ["generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents"];
    if !known.contains(&method) || http_method != "POST" {
        return Err(errors::not_found("Requested entity was not found.".to_owned()));
    }
    let Some(body) = asked.body.filter(|body| body.is_object()) else {
        return Err(errors::not_json());
    };
    if asked.request.body.len() > BODY_BYTES_MAX {
        return Err(errors::invalid(format!("Request payload size exceeds the limit: {BODY_BYTES_MAX} bytes.")));
    }
    check_model(asked)?;
    match method {
        "embedContent" => embeddings::one(asked, body),
        "batchEmbedContents" => embeddings::batch(asked, body),
        "countTokens" => generate::count(asked, body),
        _ => generate::answer(asked, body, grammar),
    }
}

/// The key stands in a header or in the query; the header counts when both come.
fn check_key(asked: &Asked<'_>) -> Result<(), ApiError> {
    let keys = &asked.answers.keys;
    if keys.is_empty() {
        return Ok(());
    }
    let in_query = || asked.request.query("key").map(http::percent_decoded);
    match asked.request.header("x-goog-api-key").map(str::to_owned).or_else(in_query) {
        Some(key) if keys.contains(&key) => Ok(()),
        Some(_) => Err(errors::bad_key()),
        None => Err(errors::no_key()),
    }
}

fn check_model(asked: &Asked<'_>) -> Result<(), ApiError> {
    let models = &asked.answers.models;
    match models.is_empty() || models.iter().any(|known| known == asked.model) {
        true => Ok(()),
        false => Err(errors::no_model(asked.model)),
    }
}

fn check_context(asked: &Asked<'_>) -> Result<(), ApiError> {
    let (limit, tokens) = (asked.answers.context_limit, tokens::of_prompt(asked.body));
    match limit > 0 && tokens > limit {
        true => Err(errors::invalid(format!("The input token count ({tokens}) exceeds the maximum number of tokens allowed ({limit})."))),
        false => Ok(()),
    }
}

/// A member by its name in camel case, or as it is in snake case: the API takes either.
fn member<'a>(holder: &'a Value, camel: &str) -> &'a Value {
    const NULL: &Value = &Value::Null;
    holder.get(camel).or_else(|| holder.get(fields::snake(camel))).unwrap_or(NULL)
}

/// A finish reason by its own or by OpenAI's name.
#[must_use]
pub fn finish_reason_named(reason: &str) -> &str {
    match reason {
        "stop" | "tool_calls" => "STOP",
        "length" => "MAX_TOKENS",
        "content_filter" => "SAFETY",
        other => other,
    }
}
