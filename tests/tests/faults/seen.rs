//! What a tenant saw: a whole answer, an honest error, a visible cut, or something that must not be.

use crate::stage::Cell;
use serde_json::Value;
use std::collections::BTreeSet;
use tests::testkit::{
    provider::text_of,
    speech,
    tenant::{Answer, End},
};

/// What a tenant saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Saw {
    /// One complete answer, all of it by this provider.
    Answer(String),
    /// An error in the client's own words.
    Error { status: u16, code: String },
    /// A part of an answer and an error event, and no sign of a good end.
    Cut { code: String },
    /// Something that can be taken for a good answer, and is none.
    Truncated(String),
    /// Nothing, for longer than anything may take.
    Hang(String),
    /// Anything else.
    Broken(String),
}

impl Saw {
    /// How the table shows it.
    pub(crate) fn mark(&self) -> String {
        match self {
            Saw::Answer(_) => "✓".to_owned(),
            Saw::Error { status, .. } => status.to_string(),
            Saw::Cut { .. } => "cut".to_owned(),
            Saw::Truncated(_) | Saw::Hang(_) | Saw::Broken(_) => "✗".to_owned(),
        }
    }
}

/// What this answer looks like to who gets it.
pub(crate) fn saw(cell: &Cell, answer: &Answer) -> Saw {
    match (answer.head.status, cell.stream) {
        (200, true) => saw_stream(cell, answer),
        (200, false) => saw_json(cell, answer),
        _ => saw_error(cell, answer),
    }
}

fn saw_json(cell: &Cell, answer: &Answer) -> Saw {
    let (text, good) = speech::said(cell.client(), &answer.json());
    let by = answer.head.field("x-throwover-provider").unwrap_or_default().to_owned();
    match answer.end {
        End::Complete if good && text == text_of(&by) => Saw::Answer(by),
        End::Complete => Saw::Truncated(format!("200 by {by:?}, good end: {good}, text {text:?}")),
        end => Saw::Broken(format!("a JSON answer of status 200 that is {end:?}")),
    }
}

fn saw_stream(cell: &Cell, answer: &Answer) -> Saw {
    let (text, good) = speech::streamed(cell.client(), answer);
    let by = answer.head.field("x-throwover-provider").unwrap_or_default().to_owned();
    let error = error_event(answer);
    let told = format!("200 by {by:?}, {:?}, good end: {good}, error event: {}, text {text:?}", answer.end, error.is_some());
    match (error, good, answer.end) {
        (None, true, End::Complete) if text == text_of(&by) => match strangers(cell, answer) {
            None => Saw::Answer(by),
            Some(why) => Saw::Broken(why),
        },
        (Some(error), false, End::Cut) if !text.is_empty() && text_of(&by).starts_with(&text) => {
            let last = answer.events().pop().and_then(|event| serde_json::from_str::<Value>(&event.data).ok());
            match last == Some(error.clone()) && is_error(cell.client(), None, &error) {
                true => Saw::Cut { code: speech::code(cell.client(), &error) },
                false => Saw::Broken(format!("an error event that is not the last, or not in the client's words: {error}")),
            }
        }
        (None, _, _) | (_, true, _) => Saw::Truncated(told),
        _ => Saw::Broken(told),
    }
}

fn error_event(answer: &Answer) -> Option<Value> {
    answer.events().iter().find_map(|event| {
        let data: Value = serde_json::from_str(&event.data).ok()?;
        data["error"].is_object().then_some(data)
    })
}

/// A sign that a stream was put together from those of several providers, or goes on behind its end.
fn strangers(cell: &Cell, answer: &Answer) -> Option<String> {
    let events = answer.events();
    let values: Vec<Value> = events.iter().filter_map(|event| serde_json::from_str(&event.data).ok()).collect();
    let names = |member: &str| -> BTreeSet<&str> { values.iter().filter_map(|value| value[member].as_str()).collect() };
    let of = |kind: &str| values.iter().filter(|value| value["type"] == kind).count();
    let sound = match cell.client() {
        "chat" => names("id").len() == 1 && events.iter().position(|event| event.data == "[DONE]") == Some(events.len() - 1),
        "messages" => of("message_start") == 1 && of("message_stop") == 1 && values.last()?["type"] == "message_stop",
        _ => names("responseId").len() == 1,
    };
    (!sound).then(|| format!("a stream of several answers: {}", answer.text()))
}

fn saw_error(cell: &Cell, answer: &Answer) -> Saw {
    let (status, body) = (answer.head.status, answer.json());
    let id = answer.head.field("x-request-id").unwrap_or_default();
    if !is_error(cell.client(), Some(status), &body) {
        return Saw::Broken(format!("{status}, and not in the client's words: {}", answer.text()));
    }
    if id.len() != 16 || answer.end != End::Complete {
        return Saw::Broken(format!("{status}, request id {id:?}, {:?}", answer.end));
    }
    Saw::Error { status, code: speech::code(cell.client(), &body) }
}

/// An error object as the client's own provider writes it.
fn is_error(client: &str, status: Option<u16>, body: &Value) -> bool {
    let error = &body["error"];
    let text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    let shaped = match client {
        "chat" => text(&error["type"]),
        "messages" => body["type"] == "error" && text(&error["type"]) && body["request_id"].is_string(),
        _ => text(&error["status"]) && status.is_none_or(|status| error["code"] == status),
    };
    shaped && text(&error["message"])
}
