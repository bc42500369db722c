//! The words that a mock says, and how it counts them.

use serde_json::{Map, Value, json};

use super::{Asked, order};
use crate::config::WORDS_MAX;

/// The pieces of a text, one per token, and why it ended.
#[derive(Debug)]
pub(super) struct Saying {
    pub(super) pieces: Vec<String>,
    pub(super) cut: bool,
}

impl Saying {
    pub(super) fn text(&self) -> String {
        self.pieces.concat()
    }

    pub(super) fn tokens(&self) -> u64 {
        self.pieces.len() as u64
    }

    pub(super) fn finish_reason(&self) -> &'static str {
        if self.cut { "length" } else { "stop" }
    }
}

/// What the provider says to this request, cut to `max_tokens` when the request has a limit.
///
/// A conversation whose last message is the assistant's own, ending in a numbered word, is
/// continued from the next number without greeting, as models that continue a prefill do. So a
/// test can tell whether two halves from two providers make one whole.
pub(super) fn saying(asked: &Asked<'_>, max_tokens: Option<u64>) -> Saying {
    let words = asked.answers.words.min(WORDS_MAX);
    let mut pieces = Vec::new();
    let first = match continued_from(asked.body) {
        Some(last) => last.saturating_add(1).min(words),
        None if wants_json(asked) => return json_saying(asked),
        None => {
            pieces.push(asked.provider.to_owned());
            pieces.push(" says:".to_owned());
            0
        }
    };
    pieces.extend((first..words).map(|i| format!(" w{i}")));
    let limit = max_tokens.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let cut = pieces.len() > limit;
    pieces.truncate(limit);
    Saying { pieces, cut }
}

/// The number of the last word of a prefilled assistant message.
fn continued_from(body: Option<&Value>) -> Option<u64> {
    let last = body?["messages"].as_array()?.last()?;
    if last["role"] != "assistant" {
        return None;
    }
    let word = last["content"].as_str()?.split_whitespace().last()?;
    word.strip_prefix('w')?.parse().ok()
}

fn wants_json(asked: &Asked<'_>) -> bool {
    let format = asked.member("response_format");
    format["type"] == "json_schema" || format["type"] == "json_object"
}

/// A text that is JSON, and fits the schema if one was given.
fn json_saying(asked: &Asked<'_>) -> Saying {
    let format = asked.member("response_format");
    let value = match &format["json_schema"]["schema"] {
        Value::Null => json!({"provider": asked.provider, "words": asked.answers.words}),
        schema => example(schema, 0),
    };
    Saying { pieces: split_pieces(&value.to_string(), 4), cut: false }
}

/// Cuts a text into pieces of `size` characters, as tokens of JSON come.
pub(super) fn split_pieces(text: &str, size: usize) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(size).map(|piece| piece.iter().collect()).collect()
}

/// How deep an example follows a schema; schemas may refer to themselves.
const DEPTH_MAX: u32 = 16;

/// A value that fits the plain part of JSON Schema: types, properties, items, enums.
pub(super) fn example(schema: &Value, depth: u32) -> Value {
    if depth >= DEPTH_MAX {
        return Value::Null;
    }
    if let Some(first) = schema["enum"].as_array().and_then(|choices| choices.first()) {
        return first.clone();
    }
    if !schema["const"].is_null() {
        return schema["const"].clone();
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.first().and_then(Value::as_str),
        kind => kind.as_str(),
    };
    match kind {
        Some("string") => json!("w0"),
        Some("integer") | Some("number") => schema.get("minimum").cloned().unwrap_or(json!(0)),
        Some("boolean") => json!(true),
        Some("null") => Value::Null,
        Some("array") => match schema.get("items") {
            Some(items) => json!([example(items, depth + 1)]),
            None => json!([]),
        },
        _ => {
            let mut members = Map::new();
            for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
                members.insert(name.clone(), example(inner, depth + 1));
            }
            Value::Object(members)
        }
    }
}

/// The prompt in tokens: a quarter of the characters of its texts, at least one.
pub(super) fn prompt_tokens(body: Option<&Value>) -> u64 {
    let Some(body) = body else { return 0 };
    let names = ["messages", "prompt", "input", "instructions"];
    let characters: u64 = names.iter().map(|name| text_chars(&body[*name])).sum();
    (characters / 4).max(1)
}

fn text_chars(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.chars().count() as u64,
        Value::Array(items) => items.iter().map(text_chars).sum(),
        Value::Object(members) => {
            ["content", "text", "arguments", "output"].iter().filter_map(|name| members.get(*name)).map(text_chars).sum()
        }
        Value::Number(_) => 4,
        _ => 0,
    }
}

/// Pads the text at `text_of` so that the whole document has exactly `bytes` bytes.
///
/// Filler is plain ASCII, which JSON does not escape, so that one more character is one more byte.
/// A document that is already larger stays as it is.
pub(super) fn padded(mut body: Value, bytes: u64, text_of: &str) -> Vec<u8> {
    let plain = order::write(&body);
    let missing = bytes.saturating_sub(plain.len() as u64);
    if missing == 0 {
        return plain.into_bytes();
    }
    if let Some(Value::String(text)) = body.pointer_mut(text_of) {
        let pattern = " filler";
        let filler = pattern.chars().cycle().take(usize::try_from(missing).unwrap_or(0));
        text.extend(filler);
    }
    order::write(&body).into_bytes()
}
