//! `POST /v1/chat/completions`, as one JSON document or as a stream.

use serde_json::{Value, json};

use super::conversation::{self, finish_reason};
use super::{CREATED, done_event, errors, usage};
use crate::answer::{Answer, Event, Grammar, Role};
use crate::asked::Asked;
use crate::tokens;
use crate::turn::{self, Ending, Turn};

/// The most choices that one request may ask for.
const CHOICES_MAX: u64 = 128;

pub(super) fn answer(asked: &Asked<'_>) -> Result<Answer, errors::ApiError> {
    conversation::check(asked)?;
    let prompt = tokens::of_prompt(asked.body);
    super::check_context(asked, prompt, "messages")?;
    let choices = asked.member("n").as_u64().unwrap_or(1).clamp(1, CHOICES_MAX);
    let turn = turn::decide(asked, &conversation::prompt(asked));
    if asked.stream {
        Ok(Answer::stream(Grammar::Chat, events(asked, &turn, choices, prompt)))
    } else {
        Ok(document(asked, &turn, choices, prompt))
    }
}

fn document(asked: &Asked<'_>, turn: &Turn, choices: u64, prompt: u64) -> Answer {
    let choice = |index: u64| {
        json!({
            "index": index, "message": message(asked, turn), "logprobs": null,
            "finish_reason": finish_reason(turn.ending)
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
        "usage": usage(prompt, turn.tokens() * choices, turn.thought_tokens() * choices),
    });
    super::padded(asked, Grammar::Chat, body, "/choices/0/message/content")
}

fn message(asked: &Asked<'_>, turn: &Turn) -> Value {
    let said = (!turn.pieces.is_empty() || turn.calls.is_empty()).then(|| turn.text());
    let (content, refusal) = match turn.ending {
        Ending::Refused => (None, said),
        _ => (said, None),
    };
    let mut message = json!({"role": "assistant", "content": content, "refusal": refusal, "annotations": []});
    if !turn.calls.is_empty() {
        let call = |(index, call): (u64, &turn::Call)| {
            json!({
                "id": asked.numbered("call_", index), "type": "function",
                "function": {"name": call.name, "arguments": call.text()}
            })
        };
        message["tool_calls"] = (0..).zip(&turn.calls).map(call).collect();
    }
    if shows_thoughts(asked, turn) {
        message["reasoning_content"] = json!(turn.thinking());
    }
    message
}

/// OpenAI counts thoughts and hides them; some that speak its dialect show them.
fn shows_thoughts(asked: &Asked<'_>, turn: &Turn) -> bool {
    asked.answers.reasoning_content && !turn.thoughts.is_empty()
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
        self.events.push(Grammar::Chat.event(role, &chunk));
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
    let content = (turn.ending != Ending::Refused && turn.calls.is_empty()).then_some("");
    for index in 0..choices {
        let lead = json!({"role": "assistant", "content": content, "refusal": null});
        chunks.push(Role::Lead, index, lead, None);
    }
    for delta in deltas(asked, turn) {
        for index in 0..choices {
            chunks.push(Role::Content, index, delta.clone(), None);
        }
    }
    for index in 0..choices {
        chunks.push(Role::Finish, index, json!({}), Some(finish_reason(turn.ending)));
    }
    if chunks.with_usage {
        let mut last = chunks.frame(json!([]));
        last["usage"] = usage(prompt, turn.tokens() * choices, turn.thought_tokens() * choices);
        chunks.events.push(Grammar::Chat.event(Role::Usage, &last));
    }
    chunks.events.push(done_event());
    chunks.events
}

fn deltas(asked: &Asked<'_>, turn: &Turn) -> Vec<Value> {
    let mut deltas = Vec::new();
    if shows_thoughts(asked, turn) {
        deltas.extend(turn.thoughts.iter().map(|thought| json!({"reasoning_content": thought})));
    }
    let member = if turn.ending == Ending::Refused { "refusal" } else { "content" };
    deltas.extend(turn.pieces.iter().map(|piece| json!({member: piece})));
    for (index, call) in (0..).zip(&turn.calls) {
        deltas.push(json!({"tool_calls": [{
            "index": index, "id": asked.numbered("call_", index), "type": "function",
            "function": {"name": call.name, "arguments": ""}
        }]}));
        let pieces = turn::split(&call.text(), 5).into_iter();
        deltas.extend(pieces.map(|piece| json!({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})));
    }
    deltas
}
