//! Edits of an answer's content.

use serde_json::{Value, json};

use crate::answer::{Answer, Content, Event, Role};
use crate::fault::{Fault, Kind};
use crate::openai::{errors, order};

/// What a refusing model says.
const REFUSAL: &str = "I'm sorry, but I can't help with that.";

pub(super) fn content(fault: &Fault, answer: &mut Answer) {
    match fault.kind {
        Kind::ErrorEvent => {
            let after = fault.number("events");
            error_event(answer, |index, _| index >= after, fault.text("code"));
        }
        Kind::ErrorBeforeContent => {
            error_event(answer, |_, event| event.role != Role::Lead, fault.text("code"));
        }
        Kind::EmptyChoices => empty(answer),
        Kind::TruncatedJson => {
            if let Content::Whole(body) = &mut answer.content {
                let missing = usize::try_from(fault.number("bytes")).unwrap_or(usize::MAX);
                body.truncate(body.len().saturating_sub(missing));
            }
        }
        Kind::WrongType => answer.set_header("content-type", fault.text("type")),
        Kind::NoTerminal => no_terminal(fault, answer),
        Kind::HugeEvent => huge(fault, answer),
        Kind::Finish => {
            let reason = fault.text("reason").to_owned();
            each_value(answer, |value| finish(value, &reason));
        }
        Kind::Refusal => each_value(answer, refuse),
        Kind::NoUsage => {
            if let Content::Events(events) = &mut answer.content {
                events.retain(|event| event.role != Role::Usage);
            }
            each_value(answer, |value| {
                for holder in ["", "/response"] {
                    if let Some(Value::Object(members)) = value.pointer_mut(holder) {
                        members.remove("usage");
                    }
                }
            });
        }
        Kind::Comments => {
            let comment = format!(": {}\n\n", fault.text("text"));
            each_event(answer, |event| {
                event.bytes.splice(0..0, comment.bytes());
            });
        }
        Kind::Crlf => each_event(answer, |event| {
            event.bytes = with_crlf(&event.bytes);
            event.tail = with_crlf(&event.tail);
        }),
        _ => {}
    }
}

fn each_event(answer: &mut Answer, mut edit: impl FnMut(&mut Event)) {
    if let Content::Events(events) = &mut answer.content {
        events.iter_mut().for_each(&mut edit);
    }
}

/// Edits the JSON of the whole answer, or of every event that carries JSON.
fn each_value(answer: &mut Answer, edit: impl Fn(&mut Value)) {
    match &mut answer.content {
        Content::Whole(body) => {
            if let Ok(mut value) = serde_json::from_slice(body) {
                edit(&mut value);
                *body = order::write(&value).into_bytes();
            }
        }
        Content::Events(events) => {
            for event in events.iter_mut().filter(|event| event.filler_bytes == 0) {
                edit_event(event, &edit);
            }
        }
    }
}

fn edit_event(event: &mut Event, edit: &impl Fn(&mut Value)) {
    let Ok(text) = std::str::from_utf8(&event.bytes) else {
        return;
    };
    let data = text.lines().find_map(|line| line.strip_prefix("data: "));
    let Some(Ok(mut value)) = data.map(serde_json::from_str::<Value>) else {
        return;
    };
    edit(&mut value);
    // Only the Responses API names its events, and it names them as their `type` says.
    let name = value["type"].as_str().filter(|_| text.contains("event: "));
    let name = name.map(|kind| format!("event: {kind}\n")).unwrap_or_default();
    event.bytes = format!("{name}data: {}\n\n", order::write(&value)).into_bytes();
}

/// Ends the stream with an error event, at the first event of which `here` is true.
fn error_event(answer: &mut Answer, here: impl Fn(u64, &Event) -> bool, code: &str) {
    let dialect = answer.dialect;
    if let Content::Events(events) = &mut answer.content {
        let cut = (0..).zip(events.iter()).position(|(index, event)| here(index, event));
        events.truncate(cut.unwrap_or(events.len()));
        let sequence = events.len() as u64;
        events.push(errors::event(dialect, code, sequence));
    }
}

fn empty(answer: &mut Answer) {
    if let Content::Events(events) = &mut answer.content {
        events.retain(|event| event.role != Role::Content);
    }
    each_value(answer, |value| {
        for list in ["/choices", "/output", "/data", "/response/output"] {
            if let Some(list) = value.pointer_mut(list) {
                *list = json!([]);
            }
        }
    });
}

fn no_terminal(fault: &Fault, answer: &mut Answer) {
    let Content::Events(events) = &mut answer.content else {
        return;
    };
    let keep_finish = fault.text("keep_finish") == "yes";
    events.retain(|event| match event.role {
        Role::Lead | Role::Content => true,
        Role::Finish | Role::Usage => keep_finish,
        Role::Terminal => false,
    });
    if let Some(count) = fault.optional("events") {
        events.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    }
}

/// Where text stands in the JSON of the dialects.
const TEXT_MEMBERS: &[&[u8]] = &[b"\"content\":\"", b"\"delta\":\"", b"\"text\":\""];

fn huge(fault: &Fault, answer: &mut Answer) {
    let filler_bytes = fault.number("bytes");
    match &mut answer.content {
        Content::Whole(body) => {
            let (bytes, tail) = split_in_text(body).unwrap_or_else(|| (body.clone(), Vec::new()));
            answer.content = Content::Events(vec![Event { role: Role::Content, bytes, filler_bytes, tail }]);
        }
        Content::Events(events) => {
            let at = usize::try_from(fault.number("events")).unwrap_or(usize::MAX).min(events.len());
            let model = events.iter().find(|event| event.role == Role::Content);
            let split = model.and_then(|event| split_in_text(&event.bytes));
            let (bytes, tail) = split.unwrap_or_else(|| (b": ".to_vec(), b"\n\n".to_vec()));
            let huge = Event { role: Role::Content, bytes, filler_bytes, tail };
            events.insert(at, huge);
        }
    }
}

/// Splits JSON just inside its first text, where filler may go without breaking it.
fn split_in_text(bytes: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let after = |needle: &&[u8]| {
        let found = bytes.windows(needle.len()).position(|window| window == *needle);
        found.map(|at| at + needle.len())
    };
    let at = TEXT_MEMBERS.iter().find_map(after)?;
    Some((bytes[..at].to_vec(), bytes[at..].to_vec()))
}

fn finish(value: &mut Value, reason: &str) {
    for choice in value["choices"].as_array_mut().into_iter().flatten() {
        if !choice["finish_reason"].is_null() {
            choice["finish_reason"] = json!(reason);
        }
    }
    let incomplete = |response: &mut Value| {
        response["status"] = json!("incomplete");
        response["incomplete_details"] = json!({"reason": reason});
    };
    if value["type"] == "response.completed" {
        value["type"] = json!("response.incomplete");
        incomplete(&mut value["response"]);
    }
    if value["object"] == "response" {
        incomplete(value);
    }
}

/// Turns content into a refusal, in whichever of the dialects' places it stands.
fn refuse(value: &mut Value) {
    for choice in value["choices"].as_array_mut().into_iter().flatten() {
        if let Some(message) = choice.get_mut("message") {
            *message = json!({"role": "assistant", "content": null, "refusal": REFUSAL});
        }
        // A stream refuses in as many pieces as it would have spoken in.
        if let Some(Value::Object(delta)) = choice.get_mut("delta")
            && !delta.contains_key("role")
            && let Some(text) = delta.remove("content")
        {
            delta.insert("refusal".to_owned(), text);
        }
    }
    for path in ["/output/0/content", "/response/output/0/content", "/item/content"] {
        if let Some(parts) = value.pointer_mut(path).and_then(Value::as_array_mut) {
            for part in parts {
                *part = json!({"type": "refusal", "refusal": REFUSAL});
            }
        }
    }
    let renamed = match value["type"].as_str() {
        Some("response.output_text.delta") => "response.refusal.delta",
        Some("response.output_text.done") => "response.refusal.done",
        _ => return,
    };
    value["type"] = json!(renamed);
    if let Value::Object(members) = value
        && let Some(text) = members.remove("text")
    {
        members.insert("refusal".to_owned(), text);
    }
}

fn with_crlf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 8);
    for byte in bytes {
        if *byte == b'\n' {
            out.push(b'\r');
        }
        out.push(*byte);
    }
    out
}
