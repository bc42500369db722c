//! The Anthropic dialect: messages, token counts, models.
//!
//! Pure. What is said is decided in [`crate::turn`]; here is how Anthropic reads and writes it, and
//! what it refuses.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::answer::{Answer, Grammar};
use crate::asked::Asked;
use crate::http;
use crate::tokens;

pub mod errors;

mod blocks;
mod check;
mod conversation;
mod messages;
mod models;
mod signature;

use errors::ApiError;

/// The largest request: 32 MB.
const BODY_BYTES_MAX: usize = 32 << 20;

/// A version of the API, as `anthropic-version` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    /// `2023-06-01`.
    Classic,
    /// `2026-10-21`: no sampling parameters, no documents from the assistant, no citations from
    /// the user.
    Strict,
}

/// The answer of a well provider.
#[must_use]
pub fn answer(asked: &Asked<'_>) -> Answer {
    let mut answer = match route(asked) {
        Ok(answer) => answer,
        Err(error) => errors::answer(&error, asked.request_id),
    };
    if answer.status != 401 {
        add_headers(asked, &mut answer);
    }
    answer
}

fn route(asked: &Asked<'_>) -> Result<Answer, ApiError> {
    check_key(asked)?;
    let version = version(asked)?;
    let (method, path) = (asked.request.method.as_str(), asked.request.path());
    let known = ["/v1/messages", "/v1/messages/count_tokens", "/v1/models"];
    let model = path.strip_prefix("/v1/models/").filter(|id| !id.is_empty() && !id.contains('/'));
    match (method, path) {
        ("GET", "/v1/models") => Ok(models::list(asked)),
        ("GET", _) if model.is_some() => models::one(asked, model.unwrap_or_default()),
        ("POST", "/v1/messages") => {
            check_body(asked)?;
            check::message(asked, version)?;
            messages::answer(asked)
        }
        ("POST", "/v1/messages/count_tokens") => {
            check_body(asked)?;
            check::count(asked, version)?;
            let count = json!({"input_tokens": tokens::of_prompt(asked.body)});
            Ok(Answer::of(Grammar::Messages, 200, &count))
        }
        _ if model.is_some() || known.contains(&path) => Err(errors::wrong_method()),
        _ => Err(errors::not_found("Not found".to_owned())),
    }
}

/// `x-api-key` counts when both headers come.
fn check_key(asked: &Asked<'_>) -> Result<(), ApiError> {
    let keys = &asked.answers.keys;
    if keys.is_empty() {
        return Ok(());
    }
    let good = |key: &str| keys.iter().any(|known| known == key);
    match (asked.request.header("x-api-key"), asked.request.key()) {
        (Some(key), _) if good(key) => Ok(()),
        (Some(_), _) => Err(errors::unauthenticated("invalid x-api-key")),
        (None, Some(key)) if good(key) => Ok(()),
        (None, Some(_)) => Err(errors::unauthenticated("Invalid bearer token")),
        (None, None) => Err(errors::unauthenticated("x-api-key header is required")),
    }
}

fn version(asked: &Asked<'_>) -> Result<Version, ApiError> {
    match asked.request.header("anthropic-version") {
        Some("2023-06-01") => Ok(Version::Classic),
        Some("2026-10-21") => Ok(Version::Strict),
        Some(other) => Err(errors::invalid(format!("anthropic-version: \"{other}\" is not a valid version"))),
        None => Err(errors::invalid("anthropic-version: header is required".to_owned())),
    }
}

fn check_body(asked: &Asked<'_>) -> Result<(), ApiError> {
    if asked.request.body.len() > BODY_BYTES_MAX {
        return Err(errors::too_large());
    }
    match asked.body {
        Some(Value::Object(_)) => Ok(()),
        _ => Err(errors::invalid("The request body is not valid JSON: expected a JSON object".to_owned())),
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
        true => Err(errors::invalid(format!("prompt is too long: {tokens} tokens > {limit} maximum"))),
        false => Ok(()),
    }
}

/// The headers that come with successes and errors alike, once the key is known.
fn add_headers(asked: &Asked<'_>, answer: &mut Answer) {
    let reset = http::rfc3339(SystemTime::now() + Duration::from_secs(1));
    answer.set_header("anthropic-organization-id", &format!("org-{}", asked.provider));
    for (kind, limit, spent) in [
        ("requests", 4_000, 1),
        ("input-tokens", 2_000_000, tokens::of_prompt(asked.body)),
        ("output-tokens", 400_000, 0),
        ("tokens", 2_400_000, tokens::of_prompt(asked.body)),
    ] {
        let left = u64::saturating_sub(limit, spent);
        // What is left of tokens is told in thousands.
        let left = if kind == "requests" { left } else { left.div_ceil(1000) * 1000 };
        answer.set_header(&format!("anthropic-ratelimit-{kind}-limit"), &limit.to_string());
        answer.set_header(&format!("anthropic-ratelimit-{kind}-remaining"), &left.to_string());
        answer.set_header(&format!("anthropic-ratelimit-{kind}-reset"), &reset);
    }
}

/// A stop reason by its own or by OpenAI's name.
#[must_use]
pub fn stop_reason_named(reason: &str) -> &str {
    match reason {
        "stop" => "end_turn",
        "length" => "max_tokens",
        "tool_calls" => "tool_use",
        "content_filter" => "refusal",
        other => other,
    }
}

/// The details of a refusal; of any other stop there are none.
#[must_use]
pub fn stop_details(refused: bool) -> Value {
    match refused {
        true => json!({"type": "refusal", "category": null, "explanation": "The mock was asked to refuse."}),
        false => Value::Null,
    }
}
