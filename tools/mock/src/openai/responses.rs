//! `POST /v1/responses`, as one JSON document or as its sequence of named events.

use serde_json::{Value, json};

use super::{CREATED, conversation, errors, tools};
use crate::answer::{Answer, Event, Grammar, Role};
use crate::asked::Asked;
use crate::prompt::{self, Prompt};
use crate::tokens;
use crate::turn::{self, Call, Ending, Turn};

/// An item of the output.
enum Item {
    /// What the model thought: a summary if one was asked for, and all of it encrypted.
    Reasoning {
        summary: Option<Vec<String>>,
        encrypted: bool,
    },
    Message {
        pieces: Vec<String>,
        ending: Ending,
    },
    Call(Call),
}

pub(super) fn answer(asked: &Asked<'_>) -> Result<Answer, errors::ApiError> {
    check(asked)?;
    let prompt_tokens = tokens::of_prompt(asked.body);
    super::check_context(asked, prompt_tokens, "input")?;
    let turn = turn::decide(asked, &prompt(asked));
    let items = items(asked, &turn);
    if asked.stream {
        return Ok(Answer::stream(Grammar::Responses, events(asked, &turn, &items, prompt_tokens)));
    }
    let body = response(asked, status(&turn), output(asked, &items), Some((prompt_tokens, &turn)));
    let text_of = if turn.thoughts.is_empty() { "/output/0/content/0/text" } else { "/output/1/content/0/text" };
    Ok(super::padded(asked, Grammar::Responses, body, text_of))
}

fn check(asked: &Asked<'_>) -> Result<(), errors::ApiError> {
    let items = match asked.member("input") {
        Value::Null => return Err(errors::missing("input")),
        Value::Array(items) if items.is_empty() => return Err(errors::empty_array("input")),
        Value::Array(items) => items.as_slice(),
        Value::String(_) => &[],
        other => return Err(errors::wrong_type("input", "a string or an array", other)),
    };
    tools::check_listed(asked, "", "")?;
    let format = &asked.member("text")["format"];
    if format["type"] == "json_schema" {
        let name = format["name"].as_str().ok_or_else(|| errors::missing("text.format.name"))?;
        tools::check_schema("text.format.schema", name, format)?;
    }
    // Whoever refers to earlier responses may answer calls that stand there.
    if !asked.member("previous_response_id").is_null() || !asked.member("conversation").is_null() {
        return Ok(());
    }
    check_calls(items)
}

fn check_calls(items: &[Value]) -> Result<(), errors::ApiError> {
    let of = |kind: &'static str| items.iter().filter(move |item| item["type"] == kind).filter_map(|item| item["call_id"].as_str());
    if let Some(id) = of("function_call_output").find(|id| !of("function_call").any(|known| known == *id)) {
        let message = format!("No tool call found for function call output with call_id {id}.");
        return Err(errors::bad_value("input", message, None));
    }
    if let Some(id) = of("function_call").find(|id| !of("function_call_output").any(|known| known == *id)) {
        let message = format!("No tool output found for function call {id}.");
        return Err(errors::bad_value("input", message, None));
    }
    Ok(())
}

/// What the input asks.
fn prompt<'a>(asked: &Asked<'a>) -> Prompt<'a> {
    let format = &asked.member("text")["format"];
    let mut prompt = Prompt {
        tools: tools::listed(asked, ""),
        choice: tools::choice(asked, "/name"),
        one_call: asked.member("parallel_tool_calls") == false,
        tokens_max: asked.member("max_output_tokens").as_u64(),
        format: conversation::format(&format["type"], &format["schema"]),
        thinks: asked.member("reasoning")["effort"].as_str().is_some_and(|effort| effort != "none"),
        ..Prompt::default()
    };
    let items = match asked.member("input") {
        Value::String(text) => {
            prompt.asks.push(text);
            return prompt;
        }
        input => input.as_array().map_or(&[][..], Vec::as_slice),
    };
    match items.last() {
        Some(last) if last["role"] == "user" => {
            prompt.asks = conversation::texts(&last["content"]);
            let parts = last["content"].as_array().into_iter().flatten();
            prompt.images = parts.filter_map(|part| part["image_url"].as_str()).map(prompt::image_at).collect();
        }
        Some(last) if last["role"] == "assistant" => prompt.prefill = conversation::texts(&last["content"]).pop(),
        _ => {
            let answers = items.iter().rev().take_while(|item| item["type"] == "function_call_output");
            prompt.results = answers.map(|item| conversation::texts(&item["output"]).concat()).collect();
            prompt.results.reverse();
        }
    }
    prompt
}

fn items(asked: &Asked<'_>, turn: &Turn) -> Vec<Item> {
    let mut items = Vec::new();
    if !turn.thoughts.is_empty() {
        let summary = asked.member("reasoning")["summary"].is_string().then(|| turn.thoughts.clone());
        let include = asked.member("include").as_array().into_iter().flatten();
        let encrypted = include.into_iter().any(|name| name == "reasoning.encrypted_content");
        items.push(Item::Reasoning { summary, encrypted });
    }
    if !turn.pieces.is_empty() || turn.calls.is_empty() {
        items.push(Item::Message { pieces: turn.pieces.clone(), ending: turn.ending });
    }
    items.extend(turn.calls.iter().cloned().map(Item::Call));
    items
}

fn status(turn: &Turn) -> &'static str {
    if turn.ending == Ending::Length { "incomplete" } else { "completed" }
}

fn output(asked: &Asked<'_>, items: &[Item]) -> Value {
    (0..).zip(items).map(|(index, item)| item.complete(asked, index)).collect()
}

impl Item {
    fn id(&self, asked: &Asked<'_>, index: u64) -> String {
        match self {
            Item::Reasoning { .. } => asked.numbered("rs_", index),
            Item::Message { .. } => asked.numbered("msg_", index),
            Item::Call(_) => asked.numbered("fc_", index),
        }
    }

    fn complete(&self, asked: &Asked<'_>, index: u64) -> Value {
        let id = self.id(asked, index);
        match self {
            Item::Reasoning { summary, encrypted } => {
                let summary: Vec<Value> = summary.iter().map(|pieces| summary_part(&pieces.concat())).collect();
                // As the API's own, base64 in the alphabet for URLs, and with both digits in which it differs.
                let sealed = encrypted.then(|| asked.id("gAAAAAmock-_"));
                json!({"type": "reasoning", "id": id, "summary": summary, "encrypted_content": sealed})
            }
            Item::Message { pieces, ending } => {
                let status = if *ending == Ending::Length { "incomplete" } else { "completed" };
                json!({
                    "type": "message", "id": id, "role": "assistant",
                    "status": status, "content": [part(&pieces.concat(), *ending)]
                })
            }
            Item::Call(call) => json!({
                "type": "function_call", "id": id, "call_id": asked.numbered("call_", index),
                "name": call.name, "arguments": call.text(), "status": "completed"
            }),
        }
    }

    fn begun(&self, asked: &Asked<'_>, index: u64) -> Value {
        let mut value = self.complete(asked, index);
        match self {
            Item::Reasoning { .. } => value["summary"] = json!([]),
            Item::Message { .. } => value["content"] = json!([]),
            Item::Call(_) => value["arguments"] = json!(""),
        }
        if !value["status"].is_null() {
            value["status"] = json!("in_progress");
        }
        value
    }
}

fn part(text: &str, ending: Ending) -> Value {
    match ending {
        Ending::Refused => json!({"type": "refusal", "refusal": text}),
        _ => json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []}),
    }
}

fn summary_part(text: &str) -> Value {
    json!({"type": "summary_text", "text": text})
}

fn response(asked: &Asked<'_>, status: &str, output: Value, spent: Option<(u64, &Turn)>) -> Value {
    let usage = spent.map(|(input, turn)| {
        json!({
            "input_tokens": input, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": turn.tokens(), "output_tokens_details": {"reasoning_tokens": turn.thought_tokens()},
            "total_tokens": input + turn.tokens()
        })
    });
    let incomplete = (status == "incomplete").then(|| json!({"reason": "max_output_tokens"}));
    let reasoning = asked.member("reasoning");
    json!({
        "id": asked.id("resp_"), "object": "response", "created_at": CREATED, "status": status,
        "background": false, "error": null, "incomplete_details": incomplete,
        "instructions": asked.member("instructions"), "max_output_tokens": asked.member("max_output_tokens"),
        "metadata": {}, "model": asked.model, "output": output,
        "parallel_tool_calls": asked.member("parallel_tool_calls") != false,
        "previous_response_id": asked.member("previous_response_id"),
        "reasoning": {"effort": reasoning["effort"], "summary": reasoning["summary"]},
        "service_tier": "default", "store": false, "temperature": 1.0,
        "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [],
        "top_p": 1.0, "truncation": "disabled", "usage": usage
    })
}

/// Numbers events as they are written.
#[derive(Default)]
struct Sequence(Vec<Event>);

impl Sequence {
    fn push(&mut self, role: Role, kind: &str, mut value: Value) {
        value["type"] = json!(kind);
        value["sequence_number"] = json!(self.0.len());
        self.0.push(Grammar::Responses.event(role, &value));
    }
}

fn events(asked: &Asked<'_>, turn: &Turn, items: &[Item], prompt_tokens: u64) -> Vec<Event> {
    let mut out = Sequence::default();
    let begun = json!({"response": response(asked, "in_progress", json!([]), None)});
    out.push(Role::Lead, "response.created", begun.clone());
    out.push(Role::Lead, "response.in_progress", begun);
    for (index, item) in (0..).zip(items) {
        // What closes the last item is a part of the end; before that it stands between two items.
        let (opens, closes) = match index {
            0 if items.len() == 1 => (Role::Lead, Role::Finish),
            0 => (Role::Lead, Role::Frame),
            _ if index + 1 == items.len() as u64 => (Role::Frame, Role::Finish),
            _ => (Role::Frame, Role::Frame),
        };
        let added = json!({"output_index": index, "item": item.begun(asked, index)});
        out.push(opens, "response.output_item.added", added);
        let at = json!({"item_id": item.id(asked, index), "output_index": index});
        item.events(&mut out, &at, opens, closes);
        let done = json!({"output_index": index, "item": item.complete(asked, index)});
        out.push(closes, "response.output_item.done", done);
    }
    let status = status(turn);
    let last = json!({"response": response(asked, status, output(asked, items), Some((prompt_tokens, turn)))});
    out.push(Role::Terminal, &format!("response.{status}"), last);
    out.0
}

impl Item {
    fn events(&self, out: &mut Sequence, at: &Value, opens: Role, closes: Role) {
        match self {
            Item::Reasoning { summary, .. } => {
                if let Some(pieces) = summary {
                    reasoning_events(out, at, pieces, opens, closes);
                }
            }
            Item::Message { pieces, ending } => message_events(out, at, pieces, *ending, opens, closes),
            Item::Call(call) => {
                for piece in turn::split(&call.text(), 5) {
                    out.push(Role::Content, "response.function_call_arguments.delta", with(at, &[("delta", json!(piece))]));
                }
                let done = with(at, &[("arguments", json!(call.text())), ("name", json!(call.name))]);
                out.push(closes, "response.function_call_arguments.done", done);
            }
        }
    }
}

fn with(at: &Value, members: &[(&str, Value)]) -> Value {
    let mut event = at.clone();
    for (name, value) in members {
        event[*name] = value.clone();
    }
    event
}

fn message_events(out: &mut Sequence, at: &Value, pieces: &[String], ending: Ending, opens: Role, closes: Role) {
    let at = with(at, &[("content_index", json!(0))]);
    let text = pieces.concat();
    out.push(opens, "response.content_part.added", with(&at, &[("part", part("", ending))]));
    let refused = ending == Ending::Refused;
    let (delta, done, member) = match refused {
        true => ("response.refusal.delta", "response.refusal.done", "refusal"),
        false => ("response.output_text.delta", "response.output_text.done", "text"),
    };
    let logged = |mut event: Value| {
        if !refused {
            event["logprobs"] = json!([]);
        }
        event
    };
    for piece in pieces {
        out.push(Role::Content, delta, logged(with(&at, &[("delta", json!(piece))])));
    }
    out.push(closes, done, logged(with(&at, &[(member, json!(text))])));
    out.push(closes, "response.content_part.done", with(&at, &[("part", part(&text, ending))]));
}

fn reasoning_events(out: &mut Sequence, at: &Value, pieces: &[String], opens: Role, closes: Role) {
    let at = with(at, &[("summary_index", json!(0))]);
    let text = pieces.concat();
    out.push(opens, "response.reasoning_summary_part.added", with(&at, &[("part", summary_part(""))]));
    for piece in pieces {
        out.push(Role::Content, "response.reasoning_summary_text.delta", with(&at, &[("delta", json!(piece))]));
    }
    out.push(closes, "response.reasoning_summary_text.done", with(&at, &[("text", json!(text))]));
    out.push(closes, "response.reasoning_summary_part.done", with(&at, &[("part", summary_part(&text))]));
}
