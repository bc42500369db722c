//! Writes answers of Chat Completions: whole ones, and the events of a stream.

use super::{DONE, write_usage};
use crate::dialect::answer::{Answer, Block, Choice};
use crate::dialect::ids::{IdRule, mint};
use crate::dialect::{Delta, Dialect, Listener, Manner, Signature};
use crate::head::write_number;
use crate::json::{Finish, Usage, escape_into};

/// Writes the events of a stream.
#[derive(Debug)]
pub struct Encoder {
    manner: Manner,
    /// What is ready to be sent.
    pub(crate) out: Vec<u8>,
    /// What every event begins with, up to its choices.
    start: Vec<u8>,
    usage: Option<Usage>,
    /// Choices whose role was told, one bit each; those beyond the bits are told it each time.
    greeted: u128,
    /// Probabilities of the text that comes next: of which choice, and an array.
    logprobs: Option<(u32, Vec<u8>)>,
    over: bool,
}

impl Encoder {
    /// The encoder of one answer.
    pub fn new(manner: Manner) -> Encoder {
        Encoder { manner, out: Vec::new(), start: Vec::new(), usage: None, greeted: 0, logprobs: None, over: false }
    }

    fn begin(&mut self, model: Option<&[u8]>) {
        if !self.start.is_empty() {
            return;
        }
        let start = &mut self.start;
        start.extend_from_slice(b"data: {");
        write_identity(&self.manner, model, "chat.completion.chunk", start);
        start.extend_from_slice(b"\"choices\":[");
    }

    /// Writes an event with one choice, whose delta `write` fills.
    fn event(&mut self, choice: u32, write: impl FnOnce(&mut Vec<u8>)) {
        let logprobs = self.logprobs.take();
        if logprobs.as_ref().is_none_or(|(of, _)| *of == choice) {
            return self.event_with(choice, logprobs.as_ref().map(|(_, array)| &array[..]), write);
        }
        if let Some((of, array)) = logprobs {
            self.event_with(of, Some(&array), |_| {});
        }
        self.event_with(choice, None, write);
    }

    fn event_with(&mut self, choice: u32, logprobs: Option<&[u8]>, write: impl FnOnce(&mut Vec<u8>)) {
        self.begin(None);
        let bit = 1_u128.checked_shl(choice).unwrap_or(0);
        let out = &mut self.out;
        out.extend_from_slice(&self.start);
        out.extend_from_slice(b"{\"index\":");
        write_number(out, choice.into());
        out.extend_from_slice(b",\"delta\":{");
        if self.greeted & bit == 0 {
            self.greeted |= bit;
            out.extend_from_slice(b"\"role\":\"assistant\",");
        }
        write(out);
        if out.last() == Some(&b',') {
            out.pop();
        }
        out.extend_from_slice(b"},\"logprobs\":");
        match logprobs {
            Some(array) => {
                out.extend_from_slice(b"{\"content\":");
                out.extend_from_slice(array);
                out.extend_from_slice(b",\"refusal\":null}");
            }
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"finish_reason\":null}]");
        self.end_event();
    }

    /// Probabilities that no text came for are told alone.
    fn flush(&mut self) {
        if let Some((choice, array)) = self.logprobs.take() {
            self.event_with(choice, Some(&array), |_| {});
        }
    }

    fn end_event(&mut self) {
        let rest: &[u8] = if self.manner.include_usage { b",\"usage\":null}\n\n" } else { b"}\n\n" };
        self.out.extend_from_slice(rest);
    }

    fn finish(&mut self, choice: u32, reason: Finish) {
        self.flush();
        self.begin(None);
        self.out.extend_from_slice(&self.start);
        self.out.extend_from_slice(b"{\"index\":");
        write_number(&mut self.out, choice.into());
        self.out.extend_from_slice(b",\"delta\":{},\"logprobs\":null,\"finish_reason\":\"");
        self.out.extend_from_slice(word(reason).as_bytes());
        self.out.extend_from_slice(b"\"}]");
        self.end_event();
    }

    fn end(&mut self) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        self.flush();
        if let Some(usage) = self.usage.filter(|_| self.manner.include_usage) {
            self.begin(None);
            self.out.extend_from_slice(&self.start);
            self.out.extend_from_slice(b"],\"usage\":");
            write_usage(&usage, &mut self.out);
            self.out.extend_from_slice(b"}\n\n");
        }
        self.out.extend_from_slice(DONE);
    }
}

fn string(out: &mut Vec<u8>, name: &str, text: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":\"");
    out.extend_from_slice(text);
    out.extend_from_slice(b"\",");
}

impl Listener for Encoder {
    fn hear(&mut self, choice: u32, delta: Delta<'_>) {
        match delta {
            Delta::Begin { model, .. } => {
                self.begin(model.map(|model| model.raw()));
                self.event(choice, |out| out.extend_from_slice(b"\"content\":\"\",\"refusal\":null,"));
            }
            Delta::Text(text) => self.event(choice, |out| string(out, "content", text.raw())),
            Delta::Refusal(text) => self.event(choice, |out| string(out, "refusal", text.raw())),
            Delta::Thought(text) => self.event(choice, |out| string(out, "reasoning_content", text.raw())),
            // There is no place for them.
            Delta::Sealed(_) | Delta::Redacted(_) | Delta::Untold => {}
            Delta::Call { index, id, name, signature } => {
                let seed = self.manner.seed;
                self.event(choice, |out| {
                    out.extend_from_slice(b"\"tool_calls\":[{\"index\":");
                    write_number(out, index.into());
                    out.extend_from_slice(b",\"id\":\"");
                    match id {
                        Some(id) => out.extend_from_slice(id.raw()),
                        None => mint(IdRule::Free, seed.wrapping_add(index.into()), out),
                    }
                    out.extend_from_slice(b"\",\"type\":\"function\",\"function\":{\"name\":\"");
                    out.extend_from_slice(name.raw());
                    out.extend_from_slice(b"\",\"arguments\":\"\"}");
                    if let Some(seal) = signature {
                        write_seal(seal.origin, seal.text.raw(), out);
                    }
                    out.extend_from_slice(b"}]");
                });
            }
            Delta::Arguments { index, text } => self.event(choice, |out| {
                arguments(index, |out| out.extend_from_slice(text.raw()), out);
            }),
            Delta::Object { index, json } => self.event(choice, |out| {
                arguments(index, |out| crate::dialect::answer::escape_json_into(json, out), out);
            }),
            Delta::Citation { url, title } => self.event(choice, |out| {
                out.extend_from_slice(b"\"annotations\":[");
                write_citation(url.raw(), title.map(|title| title.raw()), out);
                out.push(b']');
            }),
            Delta::Logprobs(array) => {
                self.flush();
                self.logprobs = Some((choice, array.to_vec()));
            }
            Delta::Finish { reason, .. } => self.finish(choice, reason),
            Delta::Usage(usage) => self.usage = Some(usage),
            Delta::End => self.end(),
        }
    }
}

fn arguments(index: u32, write: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"tool_calls\":[{\"index\":");
    write_number(out, index.into());
    out.extend_from_slice(b",\"function\":{\"arguments\":\"");
    write(out);
    out.extend_from_slice(b"\"}}]");
}

/// Where Google's own compatible endpoint puts it.
fn write_seal(origin: Dialect, text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"extra_content\":{\"google\":{\"thought_signature\":\"");
    Signature::write(origin, text, Dialect::Gemini, out);
    out.extend_from_slice(b"\"}}");
}

fn write_citation(url: &[u8], title: Option<&[u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"url_citation\",\"url_citation\":{\"start_index\":0,\"end_index\":0,");
    string(out, "title", title.unwrap_or_default());
    string(out, "url", url);
    out.pop();
    out.extend_from_slice(b"}}");
}

/// `"id":…,"object":…,"created":…,"model":…,`
fn write_identity(manner: &Manner, model: Option<&[u8]>, object: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"id\":\"chatcmpl-");
    manner.write_seed(out);
    out.extend_from_slice(b"\",\"object\":\"");
    out.extend_from_slice(object.as_bytes());
    out.extend_from_slice(b"\",\"created\":");
    write_number(out, manner.created);
    out.extend_from_slice(b",\"model\":\"");
    match model.filter(|model| !model.is_empty()) {
        Some(model) => out.extend_from_slice(model),
        None => escape_into(out, &manner.model),
    }
    out.extend_from_slice(b"\",");
}

/// OpenAI's word. A failure never becomes `stop`: it has none here, and is an error before it comes so far.
pub const fn word(reason: Finish) -> &'static str {
    match reason {
        Finish::Stop | Finish::Other => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::ContentFilter => "content_filter",
        Finish::Error => "error",
    }
}

/// Writes a whole answer.
pub fn write_answer(answer: &Answer, manner: &Manner, out: &mut Vec<u8>) {
    out.push(b'{');
    write_identity(manner, Some(&answer.model), "chat.completion", out);
    out.extend_from_slice(b"\"choices\":[");
    for (at, choice) in answer.choices.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_choice(at as u64, choice, manner, out);
    }
    out.push(b']');
    if let Some(usage) = &answer.usage {
        out.extend_from_slice(b",\"usage\":");
        write_usage(usage, out);
    }
    out.push(b'}');
}

fn write_choice(index: u64, choice: &Choice, manner: &Manner, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"index\":");
    write_number(out, index);
    out.extend_from_slice(b",\"message\":{\"role\":\"assistant\",\"content\":");
    joined(choice, |block| if let Block::Text(text) = block { Some(text) } else { None }, out);
    out.extend_from_slice(b",\"refusal\":");
    joined(choice, |block| if let Block::Refusal(text) = block { Some(text) } else { None }, out);
    let thought = |block: &Block| matches!(block, Block::Thought { text, .. } if !text.is_empty());
    if choice.blocks.iter().any(thought) {
        out.extend_from_slice(b",\"reasoning_content\":");
        joined(choice, |block| if let Block::Thought { text, .. } = block { Some(text) } else { None }, out);
    }
    out.extend_from_slice(b",\"annotations\":[");
    for (at, (url, title)) in choice.citations.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_citation(url, title.as_deref(), out);
    }
    out.push(b']');
    write_calls(choice, manner, out);
    out.extend_from_slice(b"},\"logprobs\":");
    match &choice.logprobs {
        Some(tokens) => {
            out.extend_from_slice(b"{\"content\":[");
            out.extend_from_slice(tokens);
            out.extend_from_slice(b"],\"refusal\":null}");
        }
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"finish_reason\":\"");
    out.extend_from_slice(word(choice.finish.unwrap_or(Finish::Other)).as_bytes());
    out.extend_from_slice(b"\"}");
}

fn write_calls(choice: &Choice, manner: &Manner, out: &mut Vec<u8>) {
    let mut first = true;
    for block in &choice.blocks {
        let Block::Call { index, id, name, arguments, signature } = block else { continue };
        out.extend_from_slice(if std::mem::replace(&mut first, false) { b",\"tool_calls\":[{\"id\":\"" } else { b",{\"id\":\"" });
        match id {
            Some(id) => out.extend_from_slice(id),
            None => mint(IdRule::Free, manner.seed.wrapping_add(u64::from(*index)), out),
        }
        out.extend_from_slice(b"\",\"type\":\"function\",\"function\":{\"name\":\"");
        out.extend_from_slice(name);
        out.extend_from_slice(b"\",\"arguments\":");
        arguments.write_text(out);
        out.push(b'}');
        if let Some((origin, text)) = signature {
            write_seal(*origin, text, out);
        }
        out.push(b'}');
    }
    if !first {
        out.push(b']');
    }
}

/// The texts of some blocks as one string, or null where there is none.
fn joined<'c>(choice: &'c Choice, pick: impl Fn(&'c Block) -> Option<&'c Vec<u8>>, out: &mut Vec<u8>) {
    let mut any = false;
    for text in choice.blocks.iter().filter_map(pick) {
        if !std::mem::replace(&mut any, true) {
            out.push(b'"');
        }
        out.extend_from_slice(text);
    }
    out.extend_from_slice(if any { b"\"" } else { b"null" });
}
