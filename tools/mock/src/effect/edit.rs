//! Edits of an answer's content.

use serde_json::{Value, json};

use super::Asking;
use crate::answer::{Answer, Content, Event, Grammar, Role};
use crate::dialect;
use crate::fault::{Fault, Kind};

pub(super) fn content(fault: &Fault, answer: &mut Answer, asking: Asking<'_>) {
    match fault.kind {
        Kind::ErrorEvent => {
            let after = fault.number("events");
            error_event(answer, |index, _| index >= after, fault.text("code"), asking);
        }
        Kind::ErrorBeforeContent => {
            error_event(answer, |_, event| !matches!(event.role, Role::Lead | Role::Frame), fault.text("code"), asking);
        }
        Kind::EmptyChoices => empty(answer),
        Kind::EmptyBody => answer.content = Content::Whole(Vec::new()),
        Kind::TruncatedJson => truncated(fault, answer),
        Kind::Encoded => answer.set_header("content-encoding", fault.text("coding")),
        Kind::WrongType => answer.set_header("content-type", fault.text("type")),
        Kind::NoTerminal => no_terminal(fault, answer),
        Kind::HugeEvent => huge(fault, answer),
        Kind::Finish => {
            let reason = fault.text("reason");
            if fault.text("content") == "drop" {
                silent(answer);
            }
            each_value(answer, |value| finish(value, reason));
        }
        Kind::NoUsage => {
            if let Content::Events(events) = &mut answer.content {
                events.retain(|event| event.role != Role::Usage);
            }
            each_value(answer, |value| {
                for holder in ["", "/response", "/message"] {
                    if let Some(Value::Object(members)) = value.pointer_mut(holder) {
                        members.remove("usage");
                        members.remove("usageMetadata");
                    }
                }
            });
        }
        // JSON has no comments, and an array no events.
        Kind::Comments if answer.grammar == Grammar::Array => {}
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
    let grammar = answer.grammar;
    match &mut answer.content {
        Content::Whole(body) => {
            if let Ok(mut value) = serde_json::from_slice(body) {
                edit(&mut value);
                *body = grammar.document(&value).into_bytes();
            }
        }
        Content::Events(events) => {
            for event in events.iter_mut().filter(|event| event.filler_bytes == 0) {
                edit_event(grammar, event, &edit);
            }
        }
    }
}

fn edit_event(grammar: Grammar, event: &mut Event, edit: &impl Fn(&mut Value)) {
    let Ok(text) = std::str::from_utf8(&event.bytes) else {
        return;
    };
    let data = match grammar {
        Grammar::Array => Some(text),
        _ => text.lines().find_map(|line| line.strip_prefix("data: ")),
    };
    let Some(Ok(mut value)) = data.map(serde_json::from_str::<Value>) else {
        return;
    };
    edit(&mut value);
    event.bytes = grammar.framed(&value).into_bytes();
}

/// Ends the stream with an error event, at the first event of which `here` is true.
fn error_event(answer: &mut Answer, here: impl Fn(u64, &Event) -> bool, code: &str, asking: Asking<'_>) {
    let grammar = answer.grammar;
    if let Content::Events(events) = &mut answer.content {
        let cut = (0..).zip(events.iter()).position(|(index, event)| here(index, event));
        events.truncate(cut.unwrap_or(events.len()));
        let sequence = events.len() as u64;
        events.push(dialect::error_event(grammar, code, sequence, asking.request_id));
        if grammar == Grammar::Array {
            events.push(crate::gemini::array_end());
        }
    }
}

fn empty(answer: &mut Answer) {
    without_content(answer);
    each_value(answer, |value| {
        for list in ["/choices", "/output", "/data", "/response/output", "/content", "/candidates"] {
            if let Some(list) = value.pointer_mut(list) {
                *list = json!([]);
            }
        }
    });
}

/// Takes away what was said, and leaves that something was to be said.
fn silent(answer: &mut Answer) {
    without_content(answer);
    each_value(answer, |value| {
        for list in ["/output", "/response/output", "/content", "/candidates/0/content/parts"] {
            if let Some(list) = value.pointer_mut(list) {
                *list = json!([]);
            }
        }
        if let Some(text) = value.pointer_mut("/choices/0/message/content") {
            *text = json!("");
        }
    });
}

/// Lets JSON end before it does: that of a whole answer, or of the first content of a stream.
fn truncated(fault: &Fault, answer: &mut Answer) {
    let missing = usize::try_from(fault.number("bytes")).unwrap_or(usize::MAX);
    match &mut answer.content {
        Content::Whole(body) => body.truncate(body.len().saturating_sub(missing)),
        Content::Events(events) => {
            if let Some(event) = events.iter_mut().find(|event| event.role == Role::Content) {
                let json = event.bytes.trim_ascii_end().len();
                event.bytes.drain(json.saturating_sub(missing)..json);
            }
        }
    }
}

fn without_content(answer: &mut Answer) {
    if let Content::Events(events) = &mut answer.content {
        // What closes Anthropic's last block belongs to the end, but not without the block; and Responses
        // repeat at the end of an item what was in it.
        let closes = |event: &Event| event.bytes.starts_with(b"event: content_block_stop\n");
        let kept = [&b"event: response.created\n"[..], b"event: response.in_progress\n", b"event: response.completed\n"];
        let item = |event: &Event| event.bytes.starts_with(b"event: response.") && !kept.iter().any(|kept| event.bytes.starts_with(kept));
        events.retain(|event| !matches!(event.role, Role::Content | Role::Frame) && !closes(event) && !item(event));
    }
}

fn no_terminal(fault: &Fault, answer: &mut Answer) {
    let Content::Events(events) = &mut answer.content else {
        return;
    };
    let keep_finish = fault.text("keep_finish") == "yes";
    events.retain(|event| match event.role {
        Role::Lead | Role::Frame | Role::Content => true,
        Role::Finish | Role::Usage => keep_finish,
        Role::Terminal => false,
    });
    if let Some(count) = fault.optional("events") {
        events.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    }
}

/// Where text stands in the JSON of the dialects.
const TEXT_MEMBERS: &[&[u8]] =
    &[b"\"content\":\"", b"\"delta\":\"", b"\"text\":\"", b"\"text\": \"", b"\"thinking\":\"", b"\"partial_json\":\"", b"\"arguments\":\""];

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

/// Puts another reason in the place that each dialect has for it, in that dialect's word.
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
    for holder in ["", "/delta"] {
        if let Some(holder) = value.pointer_mut(holder).filter(|holder| holder["stop_reason"].is_string()) {
            let reason = crate::anthropic::stop_reason_named(reason);
            holder["stop_details"] = crate::anthropic::stop_details(reason == "refusal");
            holder["stop_reason"] = json!(reason);
        }
    }
    for candidate in value["candidates"].as_array_mut().into_iter().flatten() {
        if candidate["finishReason"].is_string() {
            candidate["finishReason"] = json!(crate::gemini::finish_reason_named(reason));
        }
    }
}

fn with_crlf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 8);
    for byte in bytes {
        if *byte == b'\n' && out.last() != Some(&b'\r') {
            out.push(b'\r');
        }
        out.push(*byte);
    }
    out
}
