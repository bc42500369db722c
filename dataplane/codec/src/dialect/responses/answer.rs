//! Writes whole answers of the Responses API, and the parts of them that events repeat.

use super::encoder::Open;
use crate::dialect::answer::{Answer, Block, Choice};
use crate::dialect::{Dialect, Manner, Signature};
use crate::head::write_number;
use crate::json::{Finish, Usage, escape_into};

/// How the answer ended, or not.
#[derive(Clone, Copy, Debug)]
pub(super) enum Status {
    InProgress,
    Completed,
    Incomplete(&'static str),
    Failed,
}

/// Where something comes from: address and title.
pub(super) type Cited = (Vec<u8>, Option<Vec<u8>>);

/// What is told beside a text: where it comes from, and the probabilities of its tokens, which are the
/// elements of an array.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Notes<'n> {
    pub(super) citations: &'n [Cited],
    pub(super) logprobs: &'n [u8],
}

impl Status {
    pub(super) fn of(choice: Option<&Choice>) -> Status {
        match choice.and_then(|choice| choice.finish) {
            Some(Finish::Length) => Status::Incomplete("max_output_tokens"),
            Some(Finish::ContentFilter) => Status::Incomplete("content_filter"),
            Some(Finish::Error) => Status::Failed,
            _ => Status::Completed,
        }
    }
}

/// `,"name":"value"` with a value that is escaped.
pub(super) fn string(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":\"");
    out.extend_from_slice(value);
    out.push(b'"');
}

pub(super) fn write_id(prefix: &str, seed: u64, at: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(prefix.as_bytes());
    out.extend((0..16).rev().map(|digit| b"0123456789abcdef"[(seed >> (digit * 4)) as usize & 15]));
    out.push(b'_');
    write_number(out, at as u64);
}

/// `,"item_id":…,"output_index":…` and the place within the item.
pub(super) fn write_place(id: &[u8], at: usize, part: Option<&str>, out: &mut Vec<u8>) {
    string(out, "item_id", id);
    out.extend_from_slice(b",\"output_index\":");
    write_number(out, at as u64);
    if let Some(part) = part {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(part.as_bytes());
        out.extend_from_slice(b"\":0");
    }
}

pub(super) fn block_text(block: &Block, out: &mut Vec<u8>) {
    match block {
        Block::Text(text) | Block::Refusal(text) | Block::Thought { text, .. } => out.extend_from_slice(text),
        Block::Call { arguments, .. } => {
            arguments.write_text(out);
            // Without the quotes.
            out.pop();
            out.remove(0);
        }
    }
}

/// `,"name":[…]`
pub(super) fn list(out: &mut Vec<u8>, name: &str, elements: &[u8]) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":[");
    out.extend_from_slice(elements);
    out.push(b']');
}

pub(super) fn write_citation((url, title): &(Vec<u8>, Option<Vec<u8>>), out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"url_citation\",\"start_index\":0,\"end_index\":0");
    string(out, "url", url);
    string(out, "title", title.as_deref().unwrap_or_default());
    out.push(b'}');
}

pub(super) fn write_part(kind: Open, text: &[u8], notes: Notes<'_>, out: &mut Vec<u8>) {
    if kind == Open::Refusal {
        out.extend_from_slice(b"{\"type\":\"refusal\"");
        string(out, "refusal", text);
        return out.push(b'}');
    }
    out.extend_from_slice(b"{\"type\":\"output_text\"");
    string(out, "text", text);
    out.extend_from_slice(b",\"annotations\":[");
    for (at, cited) in notes.citations.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"" } else { b"," });
        write_citation(cited, out);
    }
    out.push(b']');
    list(out, "logprobs", notes.logprobs);
    out.push(b'}');
}

/// Writes one item; one that is done with what it holds, and what is told beside it.
pub(super) fn write_item(block: &Block, at: usize, manner: &Manner, notes: Option<Notes<'_>>, out: &mut Vec<u8>) {
    let done = notes.is_some();
    let status = if done { "completed" } else { "in_progress" };
    let (kind, prefix) = match block {
        Block::Text(_) | Block::Refusal(_) => ("message", "msg_"),
        Block::Thought { .. } => ("reasoning", "rs_"),
        Block::Call { .. } => ("function_call", "fc_"),
    };
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\",\"id\":\"");
    write_id(prefix, manner.seed, at, out);
    out.push(b'"');
    match block {
        Block::Text(text) | Block::Refusal(text) => {
            string(out, "status", status.as_bytes());
            out.extend_from_slice(b",\"role\":\"assistant\",\"content\":[");
            if done {
                let kind = if matches!(block, Block::Text(_)) { Open::Text } else { Open::Refusal };
                write_part(kind, text, notes.unwrap_or_default(), out);
            }
            out.push(b']');
        }
        Block::Thought { text, signature, .. } => {
            out.extend_from_slice(b",\"summary\":[");
            if done && !text.is_empty() {
                out.extend_from_slice(b"{\"type\":\"summary_text\"");
                string(out, "text", text);
                out.push(b'}');
            }
            out.push(b']');
            if let Some((origin, seal)) = signature.as_ref().filter(|_| done) {
                out.extend_from_slice(b",\"encrypted_content\":\"");
                Signature::write(*origin, seal, Dialect::Responses, out);
                out.push(b'"');
            }
        }
        Block::Call { index, id, name, arguments, .. } => {
            string(out, "status", status.as_bytes());
            out.extend_from_slice(b",\"call_id\":\"");
            match id {
                Some(id) => out.extend_from_slice(id),
                None => crate::dialect::ids::mint(crate::dialect::ids::IdRule::Word, manner.seed.wrapping_add(u64::from(*index)), out),
            }
            out.push(b'"');
            string(out, "name", name);
            out.extend_from_slice(b",\"arguments\":");
            if done { arguments.write_text(out) } else { out.extend_from_slice(b"\"\"") }
        }
    }
    out.push(b'}');
}

/// Writes a whole answer.
pub fn write_answer(answer: &Answer, manner: &Manner, out: &mut Vec<u8>) {
    write_response(answer, &answer.model, manner, Status::of(answer.choices.first()), out);
}

pub(super) fn write_response(answer: &Answer, model: &[u8], manner: &Manner, status: Status, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"id\":\"resp_");
    manner.write_seed(out);
    out.extend_from_slice(b"\",\"object\":\"response\",\"created_at\":");
    write_number(out, manner.created);
    let word = match status {
        Status::InProgress => "in_progress",
        Status::Completed => "completed",
        Status::Incomplete(_) => "incomplete",
        Status::Failed => "failed",
    };
    string(out, "status", word.as_bytes());
    let failure: &[u8] = b",\"error\":{\"code\":\"server_error\",\"message\":\"The provider gave up.\"}";
    out.extend_from_slice(if matches!(status, Status::Failed) { failure } else { b",\"error\":null" });
    out.extend_from_slice(b",\"incomplete_details\":");
    match status {
        Status::Incomplete(reason) => {
            out.extend_from_slice(b"{\"reason\":\"");
            out.extend_from_slice(reason.as_bytes());
            out.extend_from_slice(b"\"}");
        }
        _ => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"instructions\":null,\"metadata\":{},\"model\":\"");
    if model.is_empty() {
        escape_into(out, &manner.model)
    } else {
        out.extend_from_slice(model)
    }
    out.extend_from_slice(b"\",\"output\":[");
    let choice = answer.choices.first();
    let blocks = choice.map_or(&[][..], |choice| &choice.blocks);
    for (at, block) in blocks.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_whole_item(block, at, blocks, choice, manner, out);
    }
    out.extend_from_slice(b"],\"parallel_tool_calls\":true,\"temperature\":null,\"tool_choice\":\"auto\",\"tools\":[],\"top_p\":null");
    out.extend_from_slice(b",\"text\":{\"format\":{\"type\":\"text\"}},\"usage\":");
    match &answer.usage {
        Some(usage) => write_usage(usage, out),
        None => out.extend_from_slice(b"null"),
    }
    out.push(b'}');
}

/// The same as when it was done, but that the last text has the citations and probabilities.
fn write_whole_item(block: &Block, at: usize, blocks: &[Block], choice: Option<&Choice>, manner: &Manner, out: &mut Vec<u8>) {
    let last_text = blocks.iter().rposition(|block| matches!(block, Block::Text(_)));
    let notes = match choice.filter(|_| last_text == Some(at)) {
        Some(choice) => Notes { citations: &choice.citations, logprobs: choice.logprobs.as_deref().unwrap_or_default() },
        None => Notes::default(),
    };
    write_item(block, at, manner, Some(notes), out);
}

/// Writes token counts. What a provider did not tell is 0.
fn write_usage(usage: &Usage, out: &mut Vec<u8>) {
    let input = usage.input.unwrap_or_default();
    let output = usage.output.unwrap_or_default();
    let members = [
        ("{\"input_tokens\":", input),
        (",\"input_tokens_details\":{\"cached_tokens\":", usage.cached.unwrap_or_default()),
        (",\"cache_write_tokens\":", usage.cache_write.unwrap_or_default()),
        ("},\"output_tokens\":", output),
        (",\"output_tokens_details\":{\"reasoning_tokens\":", usage.reasoning.unwrap_or_default()),
        ("},\"total_tokens\":", input.saturating_add(output)),
    ];
    for (name, number) in members {
        out.extend_from_slice(name.as_bytes());
        write_number(out, number);
    }
    out.push(b'}');
}
