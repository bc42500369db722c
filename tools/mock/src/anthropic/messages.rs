//! `POST /v1/messages`, as one JSON document or as its sequence of named events.

use serde_json::{Value, json};

use super::errors::ApiError;
use super::{conversation, signature};
use crate::answer::{Answer, Event, Grammar, Role};
use crate::asked::Asked;
use crate::tokens;
use crate::turn::{self, Ending, Turn};

/// A block of an answer: how it opens, the deltas that fill it, and what it is when complete.
struct Block {
    opened: Value,
    deltas: Vec<Value>,
    complete: Value,
}

pub(super) fn answer(asked: &Asked<'_>) -> Result<Answer, ApiError> {
    super::check_context(asked)?;
    let turn = turn::decide(asked, &conversation::prompt(asked));
    let blocks = blocks(asked, &turn);
    if asked.stream {
        return Ok(Answer::stream(Grammar::Messages, events(asked, &turn, &blocks)));
    }
    let content: Vec<&Value> = blocks.iter().map(|block| &block.complete).collect();
    let stop = Some(stop_reason(turn.ending));
    let body = message(asked, json!(content), stop, usage(asked, turn.tokens(), turn.thought_tokens()));
    let text_of = if turn.thoughts.is_empty() { "/content/0/text" } else { "/content/1/text" };
    let write = |value: &Value| Grammar::Messages.document(value);
    Ok(Answer::json(Grammar::Messages, 200, tokens::padded(body, asked.answers.body_bytes, text_of, write)))
}

fn stop_reason(ending: Ending) -> &'static str {
    match ending {
        Ending::Stop => "end_turn",
        Ending::Length => "max_tokens",
        Ending::Calls => "tool_use",
        Ending::Refused => "refusal",
    }
}

fn usage(asked: &Asked<'_>, output_tokens: u64, thinking_tokens: u64) -> Value {
    json!({
        "input_tokens": tokens::of_prompt(asked.body),
        "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output_tokens,
        "output_tokens_details": {"thinking_tokens": thinking_tokens},
        "server_tool_use": null, "service_tier": "standard"
    })
}

fn message(asked: &Asked<'_>, content: Value, stop_reason: Option<&str>, usage: Value) -> Value {
    json!({
        "id": asked.id("msg_"), "type": "message", "role": "assistant", "model": asked.model,
        "content": content, "stop_reason": stop_reason, "stop_sequence": null,
        "stop_details": super::stop_details(stop_reason == Some("refusal")), "usage": usage
    })
}

fn blocks(asked: &Asked<'_>, turn: &Turn) -> Vec<Block> {
    let mut blocks = Vec::new();
    if !turn.thoughts.is_empty() {
        blocks.push(thinking(asked, turn));
    }
    // A refusal has no content: the API says why it stopped, and nothing else.
    let speaks = turn.ending != Ending::Refused && (!turn.pieces.is_empty() || turn.calls.is_empty());
    if speaks {
        blocks.push(Block {
            opened: json!({"type": "text", "text": ""}),
            deltas: turn.pieces.iter().map(|piece| json!({"type": "text_delta", "text": piece})).collect(),
            complete: json!({"type": "text", "text": turn.text()}),
        });
    }
    for (index, call) in (0..).zip(&turn.calls) {
        let block = |input: &Value| json!({"type": "tool_use", "id": asked.numbered("toolu_", index), "name": call.name, "input": input});
        // The first delta is empty, and arguments of nothing have no other.
        let empty = call.arguments.as_object().is_some_and(|members| members.is_empty());
        let pieces = if empty { Vec::new() } else { turn::split(&call.text(), 5) };
        let delta = |piece: String| json!({"type": "input_json_delta", "partial_json": piece});
        blocks.push(Block {
            opened: block(&json!({})),
            deltas: std::iter::once(String::new()).filter(|_| !empty).chain(pieces).map(delta).collect(),
            complete: block(&call.arguments),
        });
    }
    blocks
}

fn thinking(asked: &Asked<'_>, turn: &Turn) -> Block {
    let shown = asked.member("thinking")["display"] != "omitted";
    let text = if shown { turn.thinking() } else { String::new() };
    let signature = signature::of(&turn.thinking());
    let thoughts = turn.thoughts.iter().filter(|_| shown).map(|thought| json!({"type": "thinking_delta", "thinking": thought}));
    let signed = json!({"type": "signature_delta", "signature": signature});
    Block {
        opened: json!({"type": "thinking", "thinking": "", "signature": ""}),
        deltas: thoughts.chain([signed]).collect(),
        complete: json!({"type": "thinking", "thinking": text, "signature": signature}),
    }
}

fn events(asked: &Asked<'_>, turn: &Turn, blocks: &[Block]) -> Vec<Event> {
    let mut events = Vec::new();
    let mut push = |role: Role, value: Value| events.push(Grammar::Messages.event(role, &value));
    let begun = message(asked, json!([]), None, usage(asked, 1, 0));
    push(Role::Lead, json!({"type": "message_start", "message": begun}));
    let ping = json!({"type": "ping"});
    if blocks.is_empty() {
        push(Role::Lead, ping.clone());
    }
    for (index, block) in blocks.iter().enumerate() {
        push(Role::Frame, json!({"type": "content_block_start", "index": index, "content_block": block.opened}));
        if index == 0 {
            push(Role::Lead, ping.clone());
        }
        for delta in &block.deltas {
            push(Role::Content, json!({"type": "content_block_delta", "index": index, "delta": delta}));
        }
        // What closes the last block is a part of the end.
        let closes = if index + 1 == blocks.len() { Role::Finish } else { Role::Frame };
        push(closes, json!({"type": "content_block_stop", "index": index}));
    }
    let stop = stop_reason(turn.ending);
    let mut usage = usage(asked, turn.tokens(), turn.thought_tokens());
    if let Value::Object(members) = &mut usage {
        members.retain(|name, _| !matches!(name.as_str(), "cache_creation" | "service_tier"));
    }
    let details = super::stop_details(turn.ending == Ending::Refused);
    let delta = json!({"stop_reason": stop, "stop_sequence": null, "stop_details": details});
    push(Role::Finish, json!({"type": "message_delta", "delta": delta, "usage": usage}));
    push(Role::Terminal, json!({"type": "message_stop"}));
    events
}
