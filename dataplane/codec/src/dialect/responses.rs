//! The OpenAI Responses API: events with names, and a terminal event that holds the whole answer.

pub mod answer;
pub mod decoder;
pub mod encoder;
pub mod prompt;
pub mod request;

use super::openai::member;
use super::{Content, Event, Kind, MESSAGE_SIZE_MAX, NAME_SIZE_MAX, Outcome, scan};
use crate::dialect::read_error;
use crate::head::write_number;
use crate::json::{Capture, ErrorFields, Slot, Text};

/// What an event of the stream means. The name is taken from the `event` line, or from `type` when
/// there is none.
pub fn classify(event: Option<&[u8]>, data: &[u8]) -> Event {
    let data = data.trim_ascii();
    if data == b"[DONE]" {
        return Event::new(Kind::Done(Outcome::Marker));
    }
    let Ok(gather) = scan::<NAME_SIZE_MAX, _>(data, Name::default()) else {
        return Event::new(Kind::Malformed);
    };
    let facts = &gather.facts;
    let name = event.unwrap_or(gather.strings.0.as_bytes());
    let reasoning = name.starts_with(b"response.reasoning");
    let kind = match name {
        b"error" => Kind::Error(Box::new(read_error(data))),
        b"response.completed" => Kind::Done(Outcome::Completed),
        b"response.incomplete" => Kind::Done(Outcome::Incomplete(facts.finish)),
        b"response.failed" => Kind::Done(Outcome::Failed(Box::new(failure(data)))),
        _ if facts.error && name.is_empty() => Kind::Error(Box::new(read_error(data))),
        _ if reasoning => Kind::Quiet,
        _ => match carries(name) {
            Some(content) if facts.delta => Kind::Content(content),
            Some(_) => Kind::Quiet,
            None if name.starts_with(b"response.") => Kind::Quiet,
            None => Kind::Other,
        },
    };
    Event { kind, usage: facts.usage, reasoning: reasoning && facts.delta }
}

/// What the `delta`, `text`, `refusal` or `arguments` of an event is. The `done` forms are here
/// for servers that send no deltas.
fn carries(name: &[u8]) -> Option<Content> {
    match name {
        b"response.output_text.delta" | b"response.output_text.done" => Some(Content::Text),
        b"response.refusal.delta" | b"response.refusal.done" => Some(Content::Refusal),
        b"response.function_call_arguments.delta"
        | b"response.function_call_arguments.done"
        | b"response.mcp_call_arguments.delta"
        | b"response.mcp_call_arguments.done"
        | b"response.custom_tool_call_input.delta"
        | b"response.code_interpreter_call_code.delta" => Some(Content::Tool),
        b"response.audio.delta" | b"response.output_audio.delta" => Some(Content::Audio),
        b"response.audio.transcript.delta" | b"response.output_audio_transcript.delta" => Some(Content::Text),
        _ => None,
    }
}

/// The error within the response of `response.failed`.
fn failure(data: &[u8]) -> ErrorFields {
    scan::<MESSAGE_SIZE_MAX, _>(data, ErrorFields::default()).map(|gather| gather.strings).unwrap_or_default()
}

/// The value of `type`.
#[derive(Default)]
struct Name(Text<64>);

impl Capture for Name {
    fn put(&mut self, slot: Slot, text: &[u8]) {
        if slot == Slot::Type {
            self.0 = Text::new(text);
        }
    }
}

/// Writes the event that tells the readers of a stream that it failed.
///
/// It says it twice: at the top, where the API's reference has it, and in `error`, where the API itself
/// puts it. OpenAI's SDKs raise an exception for the latter only, and take the former for one event more.
pub fn error_event(out: &mut Vec<u8>, sequence_number: u64, message: &str, kind: &str, code: Option<&str>, param: Option<&str>) {
    out.extend_from_slice(b"event: error\ndata: {\"type\":\"error\",\"error\":{");
    member(out, "type", Some(kind));
    out.push(b',');
    member(out, "code", code);
    out.push(b',');
    member(out, "message", Some(message));
    out.push(b',');
    member(out, "param", param);
    out.extend_from_slice(b"},");
    member(out, "code", code);
    out.push(b',');
    member(out, "message", Some(message));
    out.push(b',');
    member(out, "param", param);
    out.extend_from_slice(b",\"sequence_number\":");
    write_number(out, sequence_number);
    out.extend_from_slice(b"}\n\n");
}

#[cfg(test)]
mod tests;
