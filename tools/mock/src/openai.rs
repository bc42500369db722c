//! The OpenAI dialect: what a well provider answers.
//!
//! Pure: an answer follows from the provider's settings and the request, so that a test can say
//! beforehand what complete and in order means. Texts are `<provider> says: w0 w1 w2 …`.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::config::Answers;

pub mod errors;

mod chat;
mod completions;
mod embeddings;
mod models;
pub mod order;
mod responses;
mod text;

/// A request as the dialect sees it.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The provider that is asked.
    pub provider: &'a str,
    /// How that provider answers.
    pub answers: &'a Answers,
    /// The method.
    pub method: &'a str,
    /// The path, without query.
    pub path: &'a str,
    /// The bearer credential, if one was sent.
    pub key: Option<&'a str>,
    /// The body as JSON, if it is JSON.
    pub body: Option<&'a Value>,
    /// The model without any fault suffix.
    pub model: &'a str,
}

impl Asked<'_> {
    /// Whether a stream was asked for.
    #[must_use]
    pub fn stream(&self) -> bool {
        self.body.is_some_and(|body| body["stream"] == true)
    }

    fn member(&self, name: &str) -> &Value {
        const NULL: &Value = &Value::Null;
        self.body.map_or(NULL, |body| &body[name])
    }

    /// An identifier that follows from the request: equal requests get equal answers.
    fn id(&self, prefix: &str) -> String {
        format!("{prefix}{:016x}", self.digest())
    }

    fn digest(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        self.provider.hash(&mut hasher);
        if let Some(body) = self.body {
            body.to_string().hash(&mut hasher);
        }
        hasher.finish()
    }
}

/// The moment at which every answer was made: fixed, so that equal requests get equal bytes.
const CREATED: u64 = 1_763_600_000;

/// The answer of a well provider.
#[must_use]
pub fn answer(asked: &Asked<'_>) -> Answer {
    let mut answer = match route(asked) {
        Ok(answer) => answer,
        Err(error) => errors::answer(&error),
    };
    add_headers(asked, &mut answer);
    answer
}

fn route(asked: &Asked<'_>) -> Result<Answer, errors::ApiError> {
    let path = asked.path.strip_prefix("/v1").unwrap_or(asked.path);
    check_key(asked)?;
    if path == "/models" || path.starts_with("/models/") {
        return match asked.method {
            "GET" => models::answer(asked, path),
            _ => Err(errors::wrong_method(asked.method)),
        };
    }
    let handler = match path {
        "/chat/completions" => chat::answer,
        "/completions" => completions::answer,
        "/embeddings" => embeddings::answer,
        "/responses" => responses::answer,
        _ => return Err(errors::unknown_url(asked.method, asked.path)),
    };
    if asked.method != "POST" {
        return Err(errors::wrong_method(asked.method));
    }
    check_body(asked)?;
    handler(asked)
}

fn check_key(asked: &Asked<'_>) -> Result<(), errors::ApiError> {
    let keys = &asked.answers.keys;
    if keys.is_empty() {
        return Ok(());
    }
    match asked.key {
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
    let tokens_left = 30_000_000 - text::prompt_tokens(asked.body).min(30_000_000);
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

/// One `data:` event.
fn data_event(role: crate::answer::Role, value: &Value) -> crate::answer::Event {
    crate::answer::Event::new(role, format!("data: {}\n\n", order::write(value)).into_bytes())
}

/// The terminal marker of chat and text completions.
fn done_event() -> crate::answer::Event {
    crate::answer::Event::new(crate::answer::Role::Terminal, b"data: [DONE]\n\n".to_vec())
}

/// Usage as chat and text completions write it.
fn usage(prompt_tokens: u64, completion_tokens: u64) -> Value {
    json!({
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0
        }
    })
}
