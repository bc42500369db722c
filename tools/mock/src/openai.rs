//! The OpenAI dialect: what a well provider answers.
//!
//! Pure: an answer follows from the provider's settings and the request. What is said is decided
//! in [`crate::turn`]; here is how OpenAI reads and writes it.

use serde_json::{Value, json};

use crate::answer::{Answer, Event, Grammar, Role};
use crate::asked::Asked;
use crate::tokens;

pub mod errors;

pub(crate) mod azure;
mod chat;
mod completions;
mod conversation;
mod embeddings;
mod models;
mod responses;
mod state;
mod tools;

pub(crate) use embeddings::vector;

/// The moment at which every answer was made: fixed, so that equal requests get equal bytes.
const CREATED: u64 = 1_763_600_000;

/// The answer of a well provider.
#[must_use]
pub fn answer(asked: &Asked<'_>) -> Answer {
    let classic = azure::deployment(asked.request);
    let mut answer = match (&classic, route(asked)) {
        (Some((_, "/chat/completions")), Ok(answer)) => azure::filtered(asked, answer),
        (_, Ok(answer)) => answer,
        (Some(_), Err(error)) => azure::refusal(&error),
        (None, Err(error)) => errors::answer(&error),
    };
    add_headers(asked, &mut answer);
    if classic.is_some() {
        answer.headers.retain(|(name, _)| !name.starts_with("openai-") && !name.starts_with("x-ratelimit-reset"));
        answer.set_header("apim-request-id", asked.request_id);
        answer.set_header("x-ms-region", "Mock Central");
    }
    answer
}

fn route(asked: &Asked<'_>) -> Result<Answer, errors::ApiError> {
    let method = asked.request.method.as_str();
    let path = asked.request.path();
    if let ("GET", Some(answer)) = (method, state::answer(asked, path)) {
        return Ok(answer);
    }
    let path = match azure::deployment(asked.request) {
        Some((_, rest)) => {
            azure::check(asked)?;
            rest
        }
        None => {
            check_key(asked)?;
            let path = path.strip_prefix("/openai").unwrap_or(path);
            path.strip_prefix("/v1").unwrap_or(path)
        }
    };
    if path == "/models" || path.starts_with("/models/") {
        return match method {
            "GET" => models::answer(asked, path),
            _ => Err(errors::wrong_method(method)),
        };
    }
    let handler = match path {
        "/chat/completions" => chat::answer,
        "/completions" => completions::answer,
        "/embeddings" => embeddings::answer,
        "/responses" => responses::answer,
        _ => return Err(errors::unknown_url(method, asked.request.path())),
    };
    if method != "POST" {
        return Err(errors::wrong_method(method));
    }
    check_body(asked)?;
    handler(asked)
}

fn check_key(asked: &Asked<'_>) -> Result<(), errors::ApiError> {
    let keys = &asked.answers.keys;
    if keys.is_empty() {
        return Ok(());
    }
    match asked.request.key() {
        None => Err(errors::missing_key()),
        Some(key) if keys.iter().any(|known| known == key) => Ok(()),
        Some(key) => Err(errors::wrong_key(key)),
    }
}

fn check_body(asked: &Asked<'_>) -> Result<(), errors::ApiError> {
    match asked.body {
        None => return Err(errors::not_json()),
        Some(body) if !body.is_object() => return Err(errors::not_json()),
        Some(_) => {}
    }
    match asked.member("model") {
        Value::Null if azure::deployment(asked.request).is_some() => {}
        Value::Null => return Err(errors::missing_model()),
        Value::String(_) => {}
        other => return Err(errors::wrong_type("model", "a string", other)),
    }
    if !asked.member("stream").is_null() && !asked.member("stream").is_boolean() {
        return Err(errors::wrong_type("stream", "a boolean", asked.member("stream")));
    }
    let models = &asked.answers.models;
    if !models.is_empty() && !models.iter().any(|known| known == asked.model) {
        return Err(errors::no_model(asked.model));
    }
    Ok(())
}

/// Refuses a prompt that is larger than the configured context.
fn check_context(asked: &Asked<'_>, prompt_tokens: u64, param: &str) -> Result<(), errors::ApiError> {
    let limit = asked.answers.context_limit;
    if limit > 0 && prompt_tokens > limit {
        return Err(errors::context_too_long(limit, prompt_tokens, param));
    }
    Ok(())
}

/// The headers that OpenAI sends with successes and errors alike.
fn add_headers(asked: &Asked<'_>, answer: &mut Answer) {
    let tokens_left = 30_000_000 - tokens::of_prompt(asked.body).min(30_000_000);
    let organization = format!("org-{}", asked.provider);
    let pairs = [
        ("openai-organization", organization.as_str()),
        ("openai-processing-ms", "12"),
        ("openai-version", "2020-10-01"),
        ("x-ratelimit-limit-requests", "10000"),
        ("x-ratelimit-limit-tokens", "30000000"),
        ("x-ratelimit-remaining-requests", "9999"),
        ("x-ratelimit-remaining-tokens", &tokens_left.to_string()),
        ("x-ratelimit-reset-requests", "6ms"),
        ("x-ratelimit-reset-tokens", "0s"),
    ];
    for (name, value) in pairs {
        answer.set_header(name, value);
    }
}

/// The terminal marker of chat and text completions.
fn done_event() -> Event {
    Event::new(Role::Terminal, b"data: [DONE]\n\n".to_vec())
}

/// An answer of exactly as many bytes as the provider's settings ask for.
fn padded(asked: &Asked<'_>, grammar: Grammar, body: Value, text_of: &str) -> Answer {
    let write = |value: &Value| grammar.document(value);
    Answer::json(grammar, 200, tokens::padded(body, asked.answers.body_bytes, text_of, write))
}

/// Usage as chat and text completions write it.
fn usage(prompt_tokens: u64, completion_tokens: u64, reasoning_tokens: u64) -> Value {
    json!({
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": reasoning_tokens, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0
        }
    })
}
