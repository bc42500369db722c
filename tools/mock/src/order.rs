//! JSON with its members in the order in which the real APIs write them.
//!
//! Order means nothing to JSON, but a gateway that scans for `model` or `id` as bytes arrive meets
//! them where the real API puts them, and a person who reads a stream finds what they look for.

use serde_json::Value;

#[cfg(test)]
mod tests;

/// Members by rank; those that are not listed follow in alphabetical order.
#[derive(Clone, Copy, Debug)]
pub struct Order(&'static [&'static str]);

/// As OpenAI writes.
pub const OPENAI: Order = Order(&[
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
]);

/// As Anthropic writes.
pub const ANTHROPIC: Order = Order(&[
    "type",
    "index",
    "id",
    "model",
    "role",
    "content_block",
    "delta",
    "message",
    "error",
    "name",
    "input",
    "content",
    "thinking",
    "signature",
    "text",
    "partial_json",
    "stop_reason",
    "stop_sequence",
    "stop_details",
    "details",
    "usage",
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "cache_creation",
    "output_tokens",
    "data",
    "request_id",
]);

/// As Gemini writes.
pub const GEMINI: Order = Order(&[
    "candidates",
    "promptFeedback",
    "content",
    "parts",
    "text",
    "thought",
    "functionCall",
    "thoughtSignature",
    "name",
    "args",
    "role",
    "finishReason",
    "index",
    "safetyRatings",
    "usageMetadata",
    "promptTokenCount",
    "candidatesTokenCount",
    "totalTokenCount",
    "modelVersion",
    "responseId",
    "error",
    "code",
    "message",
    "status",
    "@type",
    "reason",
    "details",
    "quotaMetric",
    "quotaId",
]);

impl Order {
    /// Writes the document without spaces.
    #[must_use]
    pub fn write(self, value: &Value) -> String {
        let mut out = String::new();
        self.append(&mut out, value, None);
        out
    }

    /// Writes the document over many lines, two spaces a level.
    #[must_use]
    pub fn pretty(self, value: &Value) -> String {
        let mut out = String::new();
        self.append(&mut out, value, Some(0));
        out
    }

    fn rank(self, name: &str) -> usize {
        self.0.iter().position(|known| *known == name).unwrap_or(self.0.len())
    }

    /// Recursion is as deep as the documents that the mock makes itself; input is parsed first, and
    /// the parser has a bound of its own.
    fn append(self, out: &mut String, value: &Value, level: Option<usize>) {
        let inner = level.map(|level| level + 1);
        match value {
            Value::Object(members) if !members.is_empty() => {
                let mut members: Vec<_> = members.iter().collect();
                members.sort_by_key(|(name, _)| self.rank(name));
                out.push('{');
                for (index, (name, value)) in members.into_iter().enumerate() {
                    separate(out, index, inner);
                    out.push_str(&Value::from(name.as_str()).to_string());
                    out.push_str(if level.is_some() { ": " } else { ":" });
                    self.append(out, value, inner);
                }
                line(out, level);
                out.push('}');
            }
            Value::Array(items) if !items.is_empty() => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    separate(out, index, inner);
                    self.append(out, item, inner);
                }
                line(out, level);
                out.push(']');
            }
            plain => out.push_str(&plain.to_string()),
        }
    }
}

fn separate(out: &mut String, index: usize, level: Option<usize>) {
    if index > 0 {
        out.push(',');
    }
    line(out, level);
}

fn line(out: &mut String, level: Option<usize>) {
    if let Some(level) = level {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", level));
    }
}
