//! `POST /v1/responses`, as one JSON document or as its sequence of named events.

use serde_json::{Value, json};

use super::text::{self, Saying};
use super::{Asked, CREATED, errors, order};
use crate::answer::{Answer, Dialect, Event, Role};

/// The one item of an answer.
enum Item {
    Message(Saying),
    Call { name: String, arguments: String },
}

pub(super) fn answer(asked: &Asked<'_>) -> Result<Answer, errors::ApiError> {
    match asked.member("input") {
        Value::Null => return Err(errors::missing("input")),
        Value::Array(items) if items.is_empty() => return Err(errors::empty_array("input")),
        Value::Array(_) | Value::String(_) => {}
        other => return Err(errors::wrong_type("input", "a string or an array", other)),
    }
    let prompt = text::prompt_tokens(asked.body);
    super::check_context(asked, prompt, "input")?;
    let item = item(asked);
    if asked.stream() {
        return Ok(Answer::stream(Dialect::Responses, events(asked, &item, prompt)));
    }
    let (output, status) = (item.complete(asked), item.status());
    let body = response(asked, status, json!([output]), Some((prompt, item.tokens())));
    let body = text::padded(body, asked.answers.body_bytes, "/output/0/content/0/text");
    Ok(Answer::json(200, body))
}

fn item(asked: &Asked<'_>) -> Item {
    let choice = asked.member("tool_choice");
    let tools = asked.member("tools").as_array().map_or(&[][..], Vec::as_slice);
    let wanted = choice["name"].as_str();
    let tool = tools.iter().find(|tool| match wanted {
        Some(name) => tool["name"] == name,
        None => tool["type"] == "function",
    });
    match tool {
        Some(tool) if choice == "required" || wanted.is_some() => Item::Call {
            name: tool["name"].as_str().unwrap_or_default().to_owned(),
            arguments: text::example(&tool["parameters"], 0).to_string(),
        },
        _ => Item::Message(text::saying(asked, asked.member("max_output_tokens").as_u64())),
    }
}

impl Item {
    fn status(&self) -> &'static str {
        match self {
            Item::Message(saying) if saying.cut => "incomplete",
            _ => "completed",
        }
    }

    fn tokens(&self) -> u64 {
        match self {
            Item::Message(saying) => saying.tokens(),
            Item::Call { arguments, .. } => arguments.len() as u64 / 4 + 1,
        }
    }

    fn id(&self, asked: &Asked<'_>) -> String {
        match self {
            Item::Message(_) => asked.id("msg_"),
            Item::Call { .. } => asked.id("fc_"),
        }
    }

    fn complete(&self, asked: &Asked<'_>) -> Value {
        match self {
            Item::Message(saying) => json!({
                "type": "message", "id": self.id(asked), "role": "assistant",
                "status": self.status(), "content": [part(&saying.text())]
            }),
            Item::Call { name, arguments } => json!({
                "type": "function_call", "id": self.id(asked), "call_id": asked.id("call_"),
                "name": name, "arguments": arguments, "status": "completed"
            }),
        }
    }

    fn begun(&self, asked: &Asked<'_>) -> Value {
        let mut value = self.complete(asked);
        value["status"] = json!("in_progress");
        match self {
            Item::Message(_) => value["content"] = json!([]),
            Item::Call { .. } => value["arguments"] = json!(""),
        }
        value
    }
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

fn response(asked: &Asked<'_>, status: &str, output: Value, tokens: Option<(u64, u64)>) -> Value {
    let usage = tokens.map(|(input, output)| {
        json!({
            "input_tokens": input, "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": output, "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": input + output
        })
    });
    let incomplete = (status == "incomplete").then(|| json!({"reason": "max_output_tokens"}));
    json!({
        "id": asked.id("resp_"), "object": "response", "created_at": CREATED, "status": status,
        "background": false, "error": null, "incomplete_details": incomplete,
        "instructions": asked.member("instructions"), "max_output_tokens": asked.member("max_output_tokens"),
        "metadata": {}, "model": asked.model, "output": output, "parallel_tool_calls": true,
        "previous_response_id": null, "reasoning": {"effort": null, "summary": null},
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
        let text = format!("event: {kind}\ndata: {}\n\n", order::write(&value));
        self.0.push(Event::new(role, text.into_bytes()));
    }
}

fn events(asked: &Asked<'_>, item: &Item, prompt: u64) -> Vec<Event> {
    let mut out = Sequence::default();
    let begun = json!({"response": response(asked, "in_progress", json!([]), None)});
    out.push(Role::Lead, "response.created", begun.clone());
    out.push(Role::Lead, "response.in_progress", begun);
    let added = json!({"output_index": 0, "item": item.begun(asked)});
    out.push(Role::Lead, "response.output_item.added", added);
    match item {
        Item::Message(saying) => message_events(&mut out, &item.id(asked), saying),
        Item::Call { arguments, .. } => call_events(&mut out, &item.id(asked), arguments),
    }
    let complete = item.complete(asked);
    let done = json!({"output_index": 0, "item": complete});
    out.push(Role::Finish, "response.output_item.done", done);
    let status = item.status();
    let tokens = Some((prompt, item.tokens()));
    let last = json!({"response": response(asked, status, json!([complete]), tokens)});
    out.push(Role::Terminal, &format!("response.{status}"), last);
    out.0
}

fn message_events(out: &mut Sequence, id: &str, saying: &Saying) {
    let at = json!({"item_id": id, "output_index": 0, "content_index": 0});
    let with = |name: &str, value: Value| {
        let mut event = at.clone();
        event[name] = value;
        event
    };
    out.push(Role::Lead, "response.content_part.added", with("part", part("")));
    for piece in &saying.pieces {
        let mut delta = with("delta", json!(piece));
        delta["logprobs"] = json!([]);
        out.push(Role::Content, "response.output_text.delta", delta);
    }
    let mut done = with("text", json!(saying.text()));
    done["logprobs"] = json!([]);
    out.push(Role::Finish, "response.output_text.done", done);
    out.push(Role::Finish, "response.content_part.done", with("part", part(&saying.text())));
}

fn call_events(out: &mut Sequence, id: &str, arguments: &str) {
    for piece in text::split_pieces(arguments, 5) {
        let delta = json!({"item_id": id, "output_index": 0, "delta": piece});
        out.push(Role::Content, "response.function_call_arguments.delta", delta);
    }
    let done = json!({"item_id": id, "output_index": 0, "arguments": arguments});
    out.push(Role::Finish, "response.function_call_arguments.done", done);
}
