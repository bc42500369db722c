//! JSON with its members in the order in which OpenAI writes them.
//!
//! Order means nothing to JSON, but a gateway that scans for `model` or `id` as bytes arrive meets
//! them where the real API puts them, and a person who reads a stream finds what they look for.

use serde_json::Value;

#[cfg(test)]
mod tests;

/// Members by rank; those that are not listed follow in alphabetical order.
const ORDER: &[&str] = &[
    "index",
    "id",
    "object",
    "created",
    "created_at",
    "message",
    "type",
    "sequence_number",
    "item_id",
    "output_index",
    "content_index",
    "status",
    "model",
    "call_id",
    "service_tier",
    "system_fingerprint",
    "choices",
    "delta",
    "role",
    "name",
    "arguments",
    "content",
    "refusal",
    "annotations",
    "tool_calls",
    "function",
    "logprobs",
    "finish_reason",
    "param",
    "code",
    "text",
    "part",
    "item",
    "response",
    "embedding",
    "data",
    "error",
    "incomplete_details",
    "output",
    "prompt_tokens",
    "input_tokens",
    "input_tokens_details",
    "completion_tokens",
    "output_tokens",
    "output_tokens_details",
    "total_tokens",
    "usage",
];

/// Writes the document without spaces.
#[must_use]
pub fn write(value: &Value) -> String {
    let mut out = String::new();
    append(&mut out, value);
    out
}

fn rank(name: &str) -> usize {
    ORDER.iter().position(|known| *known == name).unwrap_or(ORDER.len())
}

/// Recursion is as deep as the documents that the mock makes itself, never as deep as input.
fn append(out: &mut String, value: &Value) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| rank(name));
            out.push('{');
            for (index, (name, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                append(out, value);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                append(out, item);
            }
            out.push(']');
        }
        plain => out.push_str(&plain.to_string()),
    }
}
