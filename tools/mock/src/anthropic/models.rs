//! `GET /v1/models` and `/v1/models/{id}`.

use serde_json::{Value, json};

use super::errors::{self, ApiError};
use crate::answer::{Answer, Grammar};
use crate::asked::Asked;

/// What a provider without a list of models claims to have.
const USUAL: &[&str] = &["claude-opus-4-8", "claude-sonnet-5-5", "claude-haiku-4-5"];

fn known<'a>(asked: &'a Asked<'_>) -> Vec<&'a str> {
    match asked.answers.models.is_empty() {
        true => USUAL.to_vec(),
        false => asked.answers.models.iter().map(String::as_str).collect(),
    }
}

pub(super) fn list(asked: &Asked<'_>) -> Answer {
    let known = known(asked);
    let body = json!({
        "data": known.iter().map(|id| model(id)).collect::<Vec<_>>(),
        "has_more": false, "first_id": known.first(), "last_id": known.last()
    });
    Answer::of(Grammar::Messages, 200, &body)
}

pub(super) fn one(asked: &Asked<'_>, id: &str) -> Result<Answer, ApiError> {
    match asked.answers.models.is_empty() || known(asked).contains(&id) {
        true => Ok(Answer::of(Grammar::Messages, 200, &model(id))),
        false => Err(errors::no_model(id)),
    }
}

fn model(id: &str) -> Value {
    let supported = json!({"supported": true});
    json!({
        "type": "model", "id": id, "display_name": id, "created_at": "2025-11-20T00:00:00Z",
        "lifecycle": "active", "deprecated_at": null, "retires_at": null,
        "max_input_tokens": 200_000, "max_tokens": 64_000,
        "capabilities": {
            "batch": supported, "citations": supported, "image_input": supported,
            "pdf_input": supported, "structured_outputs": supported
        }
    })
}
