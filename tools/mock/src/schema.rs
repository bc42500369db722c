//! Values that fit a schema.

use serde_json::{Map, Value, json};

#[cfg(test)]
mod tests;

/// How deep an example follows a schema; schemas may refer to themselves.
const DEPTH_MAX: u32 = 16;

/// A value that fits the plain part of JSON Schema, and of the OpenAPI subset that Gemini has:
/// types in either case, properties, items, enums, `anyOf`, references within the document.
/// Texts are `w` and the number `word`, so that calls in parallel can be told apart.
#[must_use]
pub fn example(schema: &Value, word: u64) -> Value {
    step(schema, schema, word, 0)
}

fn step(root: &Value, schema: &Value, word: u64, depth: u32) -> Value {
    if depth >= DEPTH_MAX {
        return Value::Null;
    }
    if let Some(target) = schema["$ref"].as_str().and_then(|at| root.pointer(at.strip_prefix('#')?)) {
        return step(root, target, word, depth + 1);
    }
    if let Some(first) = schema["enum"].as_array().and_then(|choices| choices.first()) {
        return first.clone();
    }
    if !schema["const"].is_null() {
        return schema["const"].clone();
    }
    for choices in ["anyOf", "oneOf"] {
        if let Some(first) = schema[choices].as_array().and_then(|choices| choices.first()) {
            return step(root, first, word, depth + 1);
        }
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.first().and_then(Value::as_str),
        kind => kind.as_str(),
    };
    match kind.map(str::to_ascii_lowercase).as_deref() {
        Some("string") => json!(format!("w{word}")),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(0)),
        Some("boolean") => json!(true),
        Some("null") => Value::Null,
        Some("array") => match schema.get("items") {
            Some(items) => json!([step(root, items, word, depth + 1)]),
            None => json!([]),
        },
        _ => {
            let mut members = Map::new();
            for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
                members.insert(name.clone(), step(root, inner, word, depth + 1));
            }
            Value::Object(members)
        }
    }
}

/// The place of the first object that is open to members it does not list, as a list of steps.
///
/// Strict schemas must be closed; OpenAI and Anthropic both refuse those that are not.
#[must_use]
pub fn open_object(schema: &Value) -> Option<Vec<String>> {
    open_within(schema, 0)
}

fn open_within(schema: &Value, depth: u32) -> Option<Vec<String>> {
    if depth >= DEPTH_MAX {
        return None;
    }
    let object = schema["type"] == "object" || schema.get("properties").is_some();
    if object && schema["additionalProperties"] != false {
        return Some(Vec::new());
    }
    let below = |steps: &[&str], inner: &Value| {
        open_within(inner, depth + 1).map(|rest| steps.iter().map(|step| (*step).to_owned()).chain(rest).collect::<Vec<_>>())
    };
    for holder in ["properties", "$defs"] {
        for (name, inner) in schema[holder].as_object().into_iter().flatten() {
            if let Some(found) = below(&[holder, name], inner) {
                return Some(found);
            }
        }
    }
    for (index, inner) in schema["anyOf"].as_array().into_iter().flatten().enumerate() {
        if let Some(found) = below(&["anyOf", &index.to_string()], inner) {
            return Some(found);
        }
    }
    schema.get("items").and_then(|items| below(&["items"], items))
}
