//! `GET /v1beta/models` and `/v1beta/models/{id}`.

use serde_json::{Value, json};

use super::errors::{self, ApiError};
use crate::answer::{Answer, Grammar};
use crate::asked::Asked;

/// What a provider without a list of models claims to have.
const USUAL: &[&str] = &["gemini-3.8-flash", "gemini-2.5-pro", "gemini-embedding-001"];

pub(super) fn answer(asked: &Asked<'_>) -> Result<Answer, ApiError> {
    let configured = &asked.answers.models;
    let known: Vec<&str> = match configured.is_empty() {
        true => USUAL.to_vec(),
        false => configured.iter().map(String::as_str).collect(),
    };
    let body = match asked.model {
        "" => json!({"models": known.iter().map(|id| model(id)).collect::<Vec<_>>()}),
        id if configured.is_empty() || known.contains(&id) => model(id),
        id => return Err(errors::no_model(id)),
    };
    Ok(Answer::of(Grammar::Generate, 200, &body))
}

fn model(id: &str) -> Value {
    let methods = match id.contains("embedding") {
        true => json!(["embedContent", "countTokens"]),
        false => json!(["generateContent", "countTokens"]),
    };
    json!({
        "name": format!("models/{id}"), "baseModelId": id, "version": "001", "displayName": id,
        "description": "A model of the mock.", "inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536,
        "supportedGenerationMethods": methods
    })
}
