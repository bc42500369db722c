//! How the mock counts and pads: tokens of prompts, bytes of answers.

use serde_json::Value;

/// The members of a body that hold its prompt, in every dialect.
const PROMPTS: &[&str] =
    &["messages", "prompt", "input", "instructions", "system", "contents", "systemInstruction", "system_instruction", "content"];

/// The members in which texts stand below those.
const TEXTS: &[&str] = &[
    "content",
    "text",
    "arguments",
    "output",
    "parts",
    "thinking",
    "functionCall",
    "function_call",
    "functionResponse",
    "function_response",
    "tool_calls",
    "function",
];

/// The members that hold JSON which the model reads as text.
const DOCUMENTS: &[&str] = &["input", "args", "response"];

/// The prompt in tokens: a quarter of the characters of its texts, at least one.
#[must_use]
pub fn of_prompt(body: Option<&Value>) -> u64 {
    let Some(body) = body else { return 0 };
    let characters: u64 = PROMPTS.iter().map(|name| text_chars(&body[*name])).sum();
    (characters / 4).max(1)
}

fn text_chars(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.chars().count() as u64,
        Value::Array(items) => items.iter().map(text_chars).sum(),
        Value::Object(members) => {
            let texts = TEXTS.iter().filter_map(|name| members.get(*name)).map(text_chars);
            let documents = DOCUMENTS.iter().filter_map(|name| members.get(*name)).map(|value| value.to_string().len() as u64);
            texts.chain(documents).sum()
        }
        Value::Number(_) => 4,
        _ => 0,
    }
}

/// Pads the text at `text_of` so that the whole document has exactly `bytes` bytes.
///
/// Filler is plain ASCII, which JSON does not escape, so that one more character is one more byte.
/// A document that is already larger stays as it is.
#[must_use]
pub fn padded(mut body: Value, bytes: u64, text_of: &str, write: impl Fn(&Value) -> String) -> Vec<u8> {
    let plain = write(&body);
    let missing = bytes.saturating_sub(plain.len() as u64);
    if missing == 0 {
        return plain.into_bytes();
    }
    if let Some(Value::String(text)) = body.pointer_mut(text_of) {
        let pattern = " filler";
        let filler = pattern.chars().cycle().take(usize::try_from(missing).unwrap_or(0));
        text.extend(filler);
    }
    write(&body).into_bytes()
}
