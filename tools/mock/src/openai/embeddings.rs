//! `POST /v1/embeddings`: vectors that follow from the text and nothing else.

use base64::Engine as _;
use serde_json::{Value, json};

use super::errors;
use crate::answer::{Answer, Grammar};
use crate::asked::Asked;
use crate::script::Random;
use crate::tokens;

/// As text-embedding-3-small has.
const DIMENSIONS: u64 = 1536;
/// The most that may be asked for.
const DIMENSIONS_MAX: u64 = 4096;
/// The most inputs of one request, as OpenAI has it.
const INPUTS_MAX: usize = 2048;

pub(super) fn answer(asked: &Asked<'_>) -> Result<Answer, errors::ApiError> {
    let inputs: Vec<&Value> = match asked.member("input") {
        Value::Null => return Err(errors::missing("input")),
        Value::Array(items) if items.is_empty() => return Err(errors::empty_array("input")),
        // A flat list of numbers is one text that was tokenised beforehand.
        Value::Array(items) if !items.iter().all(Value::is_number) => items.iter().collect(),
        single => vec![single],
    };
    if inputs.len() > INPUTS_MAX {
        return Err(errors::wrong_type("input", "at most 2048 inputs", asked.member("input")));
    }
    let prompt = tokens::of_prompt(asked.body);
    super::check_context(asked, prompt, "input")?;
    let dimensions = asked.member("dimensions").as_u64().unwrap_or(DIMENSIONS);
    let dimensions = dimensions.clamp(1, DIMENSIONS_MAX);
    let base64 = asked.member("encoding_format") == "base64";
    let embedded = |(index, input): (usize, &&Value)| {
        let vector = vector(input, dimensions);
        json!({"object": "embedding", "index": index, "embedding": encoded(&vector, base64)})
    };
    let body = json!({
        "object": "list",
        "data": inputs.iter().enumerate().map(embedded).collect::<Vec<_>>(),
        "model": asked.model,
        "usage": {"prompt_tokens": prompt, "total_tokens": prompt}
    });
    Ok(Answer::of(Grammar::Chat, 200, &body))
}

/// A unit vector that follows from the input.
pub(crate) fn vector(input: &Value, dimensions: u64) -> Vec<f32> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    input.to_string().hash(&mut hasher);
    let mut random = Random::new(hasher.finish());
    let raw: Vec<f64> = (0..dimensions).map(|_| random.unit() * 2.0 - 1.0).collect();
    let length = raw.iter().map(|x| x * x).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
    raw.iter().map(|x| (x / length) as f32).collect()
}

/// Floats, or their little-endian bytes in base64 as the SDK asks by default.
fn encoded(vector: &[f32], base64: bool) -> Value {
    if !base64 {
        return json!(vector);
    }
    let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
    json!(base64::engine::general_purpose::STANDARD.encode(bytes))
}
