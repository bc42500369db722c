//! `:embedContent` and `:batchEmbedContents`.

use serde_json::{Value, json};

use super::errors::{self, ApiError};
use super::{fields, member};
use crate::answer::{Answer, Grammar};
use crate::asked::Asked;
use crate::openai;

/// As gemini-embedding-001 has.
const DIMENSIONS: u64 = 3072;
/// The most requests of one batch.
const BATCH_MAX: usize = 100;

pub(super) fn one(asked: &Asked<'_>, body: &Value) -> Result<Answer, ApiError> {
    fields::check("EmbedContentRequest", body)?;
    super::check_context(asked)?;
    Ok(Answer::of(Grammar::Generate, 200, &json!({"embedding": embedding(body)?})))
}

pub(super) fn batch(asked: &Asked<'_>, body: &Value) -> Result<Answer, ApiError> {
    fields::check("BatchEmbedContentsRequest", body)?;
    let requests = body["requests"].as_array().map_or(&[][..], Vec::as_slice);
    if requests.is_empty() || requests.len() > BATCH_MAX {
        return Err(errors::invalid(format!(
            "* BatchEmbedContentsRequest.requests: at least one and at most {BATCH_MAX} requests can be in one batch\n"
        )));
    }
    let named = format!("models/{}", asked.model);
    if let Some(index) = requests.iter().position(|request| request["model"] != named.as_str()) {
        let message = format!(
            "* BatchEmbedContentsRequest.requests[{index}].model: must match the model specified in the BatchEmbedContentsRequest\n"
        );
        return Err(errors::invalid(message));
    }
    let embeddings: Vec<Value> = requests.iter().map(embedding).collect::<Result<_, _>>()?;
    Ok(Answer::of(Grammar::Generate, 200, &json!({"embeddings": embeddings})))
}

fn embedding(request: &Value) -> Result<Value, ApiError> {
    let parts = member(&request["content"], "parts").as_array().map_or(&[][..], Vec::as_slice);
    if parts.is_empty() {
        return Err(errors::invalid("* EmbedContentRequest.content: contents is not specified\n".to_owned()));
    }
    let dimensions = member(request, "outputDimensionality").as_u64().unwrap_or(DIMENSIONS);
    if !(1..=DIMENSIONS).contains(&dimensions) {
        return Err(errors::invalid(format!("outputDimensionality must be between 1 and {DIMENSIONS}.")));
    }
    // Equal texts have equal vectors, also where other dialects are asked for as long ones.
    let text: String = parts.iter().filter_map(|part| part["text"].as_str()).collect();
    let mut vector = openai::vector(&json!(text), DIMENSIONS);
    // One that is cut short is no unit vector any more, and the API leaves it so.
    vector.truncate(dimensions as usize);
    Ok(json!({ "values": vector }))
}
