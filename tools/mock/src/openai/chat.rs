//! `POST /v1/chat/completions`, as one JSON document or as a stream.

use serde_json::{Value, json};

use super::text::{self, Saying};
use super::{Asked, CREATED, data_event, done_event, errors, usage};
use crate::answer::{Answer, Dialect, Event, Role};

/// The most choices that one request may ask for.
const CHOICES_MAX: u64 = 128;

/// What the model decided to do.
enum Turn {
    Say(Saying),
    Call { name: String, arguments: String },
}

pub(super) fn answer(asked: &Asked<'_>) -> Result<Answer, errors::ApiError> {
    match asked.member("messages") {
        Value::Null => return Err(errors::missing("messages")),
        Value::Array(messages) if messages.is_empty() => {
            return Err(errors::empty_array("messages"));
        }
        Value::Array(_) => {}
        other => return Err(errors::wrong_type("messages", "an array of objects", other)),
    }
    let prompt = text::prompt_tokens(asked.body);
    super::check_context(asked, prompt, "messages")?;
    let choices = asked.member("n").as_u64().unwrap_or(1).clamp(1, CHOICES_MAX);
    let turn = turn(asked);
    if asked.stream() {
        Ok(Answer::stream(Dialect::Chat, events(asked, &turn, choices, prompt)))
    } else {
        Ok(Answer::json(200, document(asked, &turn, choices, prompt)))
    }
}

/// A tool is called when the request insists on it; left to choose, the mock talks.
fn turn(asked: &Asked<'_>) -> Turn {
    let choice = asked.member("tool_choice");
    let tools = asked.member("tools").as_array().map_or(&[][..], Vec::as_slice);
    let wanted = choice["function"]["name"].as_str();
    let insisted = choice == "required" || wanted.is_some();
    let tool = tools.iter().find(|tool| match wanted {
        Some(name) => tool["function"]["name"] == name,
        None => tool["type"] == "function",
    });
    match tool {
        Some(tool) if insisted => Turn::Call {
            name: tool["function"]["name"].as_str().unwrap_or_default().to_owned(),
            arguments: text::example(&tool["function"]["parameters"], 0).to_string(),
        },
        _ => {
            let limit = asked.member("max_completion_tokens").as_u64();
            let limit = limit.or_else(|| asked.member("max_tokens").as_u64());
            Turn::Say(text::saying(asked, limit))
        }
    }
}

impl Turn {
    fn finish_reason(&self) -> &'static str {
        match self {
            Turn::Say(saying) => saying.finish_reason(),
            Turn::Call { .. } => "tool_calls",
        }
    }

    fn tokens(&self) -> u64 {
        match self {
            Turn::Say(saying) => saying.tokens(),
            Turn::Call { arguments, .. } => arguments.len() as u64 / 4 + 1,
        }
    }
}

fn document(asked: &Asked<'_>, turn: &Turn, choices: u64, prompt: u64) -> Vec<u8> {
    let message = match turn {
        Turn::Say(saying) => json!({
            "role": "assistant", "content": saying.text(), "refusal": null, "annotations": []
        }),
        Turn::Call { name, arguments } => json!({
            "role": "assistant", "content": null, "refusal": null, "annotations": [],
            "tool_calls": [{
                "id": asked.id("call_"), "type": "function",
                "function": {"name": name, "arguments": arguments}
            }]
        }),
    };
    let choice = |index: u64| {
        json!({
            "index": index, "message": message, "logprobs": null,
            "finish_reason": turn.finish_reason()
        })
    };
    let body = json!({
        "id": asked.id("chatcmpl-"),
        "object": "chat.completion",
        "created": CREATED,
        "model": asked.model,
        "system_fingerprint": "fp_mock",
        "service_tier": "default",
        "choices": (0..choices).map(choice).collect::<Vec<_>>(),
        "usage": usage(prompt, turn.tokens() * choices),
    });
    text::padded(body, asked.answers.body_bytes, "/choices/0/message/content")
}

/// Writes the chunks of one stream.
struct Chunks<'a> {
    asked: &'a Asked<'a>,
    id: String,
    with_usage: bool,
    events: Vec<Event>,
}

impl Chunks<'_> {
    fn push(&mut self, role: Role, index: u64, delta: Value, finish: Option<&str>) {
        let mut chunk = self.frame(json!([{
            "index": index, "delta": delta, "logprobs": null, "finish_reason": finish
        }]));
        if self.with_usage {
            chunk["usage"] = Value::Null;
        }
        self.events.push(data_event(role, &chunk));
    }

    fn frame(&self, choices: Value) -> Value {
        json!({
            "id": self.id, "object": "chat.completion.chunk", "created": CREATED,
            "model": self.asked.model, "system_fingerprint": "fp_mock",
            "service_tier": "default", "choices": choices
        })
    }
}

fn events(asked: &Asked<'_>, turn: &Turn, choices: u64, prompt: u64) -> Vec<Event> {
    let mut chunks = Chunks {
        asked,
        id: asked.id("chatcmpl-"),
        with_usage: asked.member("stream_options")["include_usage"] == true,
        events: Vec::new(),
    };
    for index in 0..choices {
        let content = match turn {
            Turn::Say(_) => json!(""),
            Turn::Call { .. } => Value::Null,
        };
        let lead = json!({"role": "assistant", "content": content, "refusal": null});
        chunks.push(Role::Lead, index, lead, None);
    }
    for delta in deltas(asked, turn) {
        for index in 0..choices {
            chunks.push(Role::Content, index, delta.clone(), None);
        }
    }
    for index in 0..choices {
        chunks.push(Role::Finish, index, json!({}), Some(turn.finish_reason()));
    }
    if chunks.with_usage {
        let mut last = chunks.frame(json!([]));
        last["usage"] = usage(prompt, turn.tokens() * choices);
        chunks.events.push(data_event(Role::Usage, &last));
    }
    chunks.events.push(done_event());
    chunks.events
}

fn deltas(asked: &Asked<'_>, turn: &Turn) -> Vec<Value> {
    match turn {
        Turn::Say(saying) => saying.pieces.iter().map(|piece| json!({"content": piece})).collect(),
        Turn::Call { name, arguments } => {
            let first = json!({"tool_calls": [{
                "index": 0, "id": asked.id("call_"), "type": "function",
                "function": {"name": name, "arguments": ""}
            }]});
            let rest = text::split_pieces(arguments, 5)
                .into_iter()
                .map(|piece| json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}));
            std::iter::once(first).chain(rest).collect()
        }
    }
}
