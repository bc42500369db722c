//! Chat completions and completions of OpenAI, and of the many servers that imitate them.

pub mod decoder;
pub mod encoder;
pub mod prompt;
pub mod request;

use super::{Event, Kind, NAME_SIZE_MAX, Outcome, content, read_ending, scan};
use crate::dialect::read_error;
use crate::head::write_number;
use crate::json::{Finish, Usage, escape_into};

/// Hints that Chat Completions and Responses have in common: often it is one account of one provider that is
/// asked in the one dialect or the other.
pub(super) const SHARED: &[&str] =
    &["metadata", "service_tier", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "moderation", "verbosity"];

/// The event that ends a stream; its absence means that the stream was cut.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// What an event of the stream means.
///
/// Deviations of compatible servers are met: a role in every chunk, `usage: null`, `content: null`,
/// usage beside the last choice, a whole message instead of a delta, errors with and without an
/// `error` around them.
pub fn classify(event: Option<&[u8]>, data: &[u8]) -> Event {
    let data = data.trim_ascii();
    if data == b"[DONE]" {
        return Event::new(Kind::Done(Outcome::Marker));
    }
    let Ok(gather) = scan::<NAME_SIZE_MAX, _>(data, ()) else {
        return Event::new(if event == Some(b"error") { Kind::Error(Box::new(read_error(data))) } else { Kind::Malformed });
    };
    let facts = &gather.facts;
    let kind = if facts.error || event == Some(b"error") {
        Kind::Error(Box::new(read_error(data)))
    } else if facts.finish == Some(Finish::Error) {
        // What is a failure in the provider's words is one here, and never an end, whatever came with it.
        Kind::Error(Box::new(read_ending(data)))
    } else if let Some(reason) = facts.finish {
        Kind::Finish { reason, content: content(facts) }
    } else if let Some(content) = content(facts) {
        Kind::Content(content)
    } else if facts.choices_count > 0 {
        Kind::Quiet
    } else if facts.usage.is_some() {
        Kind::UsageOnly
    } else if facts.has_choices {
        // Azure's first event has the verdicts on the prompt and no choice.
        Kind::Quiet
    } else {
        bare(data)
    };
    Event { kind, usage: facts.usage, reasoning: facts.reasoning }
}

/// An event without choices and usage: an error without `error` around it, or something else.
fn bare(data: &[u8]) -> Kind {
    let fields = read_error(data);
    if fields.message.is_empty() { Kind::Other } else { Kind::Error(Box::new(fields)) }
}

/// Writes `{"error":{...}}`.
pub fn error_body(out: &mut Vec<u8>, message: &str, kind: &str, code: Option<&str>, param: Option<&str>) {
    out.extend_from_slice(b"{\"error\":{");
    member(out, "message", Some(message));
    out.push(b',');
    member(out, "type", Some(kind));
    out.push(b',');
    member(out, "param", param);
    out.push(b',');
    member(out, "code", code);
    out.extend_from_slice(b"}}");
}

/// Writes the event that tells the readers of a chat stream that it failed. The official SDKs
/// raise on any top-level `error`. No [`DONE`] may follow.
pub fn error_event(out: &mut Vec<u8>, message: &str, kind: &str, code: Option<&str>, param: Option<&str>) {
    out.extend_from_slice(b"data: ");
    error_body(out, message, kind, code, param);
    out.extend_from_slice(b"\n\n");
}

/// `"name":"value"`, or null.
pub(super) fn member(out: &mut Vec<u8>, name: &str, value: Option<&str>) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    match value {
        Some(value) => {
            out.push(b'"');
            escape_into(out, value);
            out.push(b'"');
        }
        None => out.extend_from_slice(b"null"),
    }
}

/// Writes token counts. What a provider did not tell is 0.
pub fn write_usage(usage: &Usage, out: &mut Vec<u8>) {
    let input = usage.input.unwrap_or_default();
    let output = usage.output.unwrap_or_default();
    let members = [
        ("{\"prompt_tokens\":", input),
        (",\"completion_tokens\":", output),
        (",\"total_tokens\":", input.saturating_add(output)),
        (",\"prompt_tokens_details\":{\"cached_tokens\":", usage.cached.unwrap_or_default()),
        (",\"cache_write_tokens\":", usage.cache_write.unwrap_or_default()),
        ("},\"completion_tokens_details\":{\"reasoning_tokens\":", usage.reasoning.unwrap_or_default()),
    ];
    for (name, number) in members {
        out.extend_from_slice(name.as_bytes());
        write_number(out, number);
    }
    out.extend_from_slice(b"}}");
}
