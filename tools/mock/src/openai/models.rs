//! `GET /v1/models` and `/v1/models/{id}`.

use serde_json::{Value, json};

use super::{CREATED, errors};
use crate::answer::{Answer, Grammar};
use crate::asked::Asked;

/// What a provider without a list of models claims to have.
const USUAL: &[&str] = &["gpt-4o", "gpt-4o-mini", "text-embedding-3-small"];

pub(super) fn answer(asked: &Asked<'_>, path: &str) -> Result<Answer, errors::ApiError> {
    let configured = &asked.answers.models;
    let known: Vec<&str> = match configured.is_empty() {
        true => USUAL.to_vec(),
        false => configured.iter().map(String::as_str).collect(),
    };
    let body = match path.strip_prefix("/models/") {
        None => json!({
            "object": "list",
            "data": known.iter().map(|id| model(asked, id)).collect::<Vec<_>>()
        }),
        Some(id) if configured.is_empty() || known.contains(&id) => model(asked, id),
        Some(id) => return Err(errors::no_model(id)),
    };
    Ok(Answer::of(Grammar::Chat, 200, &body))
}

fn model(asked: &Asked<'_>, id: &str) -> Value {
    json!({
        "id": id, "object": "model", "created": CREATED,
        "owned_by": asked.provider, "shutdown_date": null
    })
}
