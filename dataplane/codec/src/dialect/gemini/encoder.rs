//! Writes answers: whole ones, and the events of a stream.
//!
//! Each event is a whole response with what is new. A call is told at once, so that pieces of its arguments
//! wait for the rest; and the last event says why the answer ended and what it cost, so that the reason
//! waits for the end.

use super::logprobs;
use crate::dialect::answer::{Answer, Block, CHOICES_MAX, Choice, write_object};
use crate::dialect::{Delta, Dialect, Listener, Manner, Signature};
use crate::head::write_number;
use crate::json::{Finish, Str, Usage, escape_into};

/// Most bytes of arguments that wait for their end. A call that has more fails.
pub const ARGUMENTS_SIZE_MAX: usize = 1 << 20;

/// Writes the events of a stream.
#[derive(Debug)]
pub struct Encoder {
    /// What is ready to be sent.
    pub(crate) out: Vec<u8>,
    manner: Manner,
    /// What every event ends with: the answer's name, and the model's.
    tail: Vec<u8>,
    /// `choices.len() <= CHOICES_MAX`
    choices: Vec<State>,
    /// Bytes of arguments that wait, of all choices. `waiting <= ARGUMENTS_SIZE_MAX`
    waiting: usize,
    usage: Option<Usage>,
    over: bool,
}

/// What is not yet said of a choice.
#[derive(Debug, Default)]
struct State {
    call: Option<Pending>,
    finish: Option<Finish>,
    /// Probabilities of the text that comes next, in OpenAI's form.
    logprobs: Option<Vec<u8>>,
    /// It has said that it refuses.
    refused: bool,
    /// Arguments were too long, or something was said of a call that never began.
    failed: bool,
}

/// A call that is being told.
#[derive(Debug, Default)]
struct Pending {
    index: u32,
    id: Option<Vec<u8>>,
    name: Vec<u8>,
    signature: Option<Vec<u8>>,
    /// Of the JSON text, as a string holds it.
    arguments: Vec<u8>,
}

impl Encoder {
    /// The encoder of one answer.
    pub fn new(manner: Manner) -> Encoder {
        Encoder { out: Vec::new(), manner, tail: Vec::new(), choices: Vec::new(), waiting: 0, usage: None, over: false }
    }

    fn begin(&mut self, model: Option<&[u8]>) {
        if self.tail.is_empty() {
            write_identity(&self.manner, model, &mut self.tail);
            self.tail.extend_from_slice(b"}\r\n\r\n");
        }
    }

    fn state(&mut self, choice: u32) -> Option<&mut State> {
        let at = choice as usize;
        if at >= CHOICES_MAX {
            return None;
        }
        while self.choices.len() <= at {
            self.choices.push(State::default());
        }
        self.choices.get_mut(at)
    }

    /// Writes an event with one part, which `write` fills.
    fn event(&mut self, choice: u32, write: impl FnOnce(&mut Vec<u8>)) {
        self.begin(None);
        let out = &mut self.out;
        out.extend_from_slice(b"data: {\"candidates\":[{\"content\":{\"parts\":[");
        write(out);
        out.extend_from_slice(b"],\"role\":\"model\"},\"index\":");
        write_number(out, choice.into());
        let told = self.choices.get_mut(choice as usize).and_then(|state| state.logprobs.take());
        write_logprobs(told.as_deref(), out);
        out.extend_from_slice(b"}],");
        out.extend_from_slice(&self.tail);
    }

    /// Probabilities wait for the text that they belong to, but not for long.
    fn logprobs(&mut self, choice: u32, array: &[u8]) {
        if self.choices.get(choice as usize).is_some_and(|state| state.logprobs.is_some()) {
            self.event(choice, |out| write_text(b"", false, out));
        }
        if let Some(state) = self.state(choice) {
            state.logprobs = Some(inner(array).to_vec());
        }
    }

    fn open_call(&mut self, choice: u32, pending: Pending) {
        if let Some(state) = self.state(choice) {
            state.call = Some(pending);
        }
    }

    fn add_arguments(&mut self, choice: u32, index: u32, piece: &[u8]) {
        let free = ARGUMENTS_SIZE_MAX - self.waiting;
        let Some(state) = self.state(choice) else { return };
        match &mut state.call {
            Some(call) if call.index == index && piece.len() <= free => {
                call.arguments.extend_from_slice(piece);
                self.waiting += piece.len();
            }
            // A call with half of its arguments must not be made.
            _ => {
                state.failed = true;
                let lost = state.call.take().map_or(0, |call| call.arguments.len());
                self.waiting -= lost;
            }
        }
    }

    /// Writes the call that was being told, whose arguments are complete now.
    fn close_call(&mut self, choice: u32, object: Option<&[u8]>) {
        let Some(call) = self.choices.get_mut(choice as usize).and_then(|state| state.call.take()) else { return };
        self.waiting -= call.arguments.len();
        self.event(choice, |out| {
            let arguments = |out: &mut Vec<u8>| match object {
                Some(json) => out.extend_from_slice(json),
                None => write_object(Str::escaped(&call.arguments), out),
            };
            write_call(call.id.as_deref(), &call.name, arguments, call.signature.as_deref(), out);
        });
    }

    fn end(&mut self) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        for choice in 0..self.choices.len() {
            self.close_call(choice as u32, None);
        }
        self.begin(None);
        if self.choices.is_empty() {
            self.choices.push(State::default());
        }
        let out = &mut self.out;
        out.extend_from_slice(b"data: {\"candidates\":[");
        for (at, state) in self.choices.iter().enumerate() {
            out.extend_from_slice(if at > 0 { b"," } else { b"" });
            out.extend_from_slice(b"{\"content\":{\"parts\":[{\"text\":\"\"}],\"role\":\"model\"},\"finishReason\":\"");
            out.extend_from_slice(if state.failed { "MALFORMED_FUNCTION_CALL" } else { word(state.finish, state.refused) }.as_bytes());
            out.extend_from_slice(b"\",\"index\":");
            write_number(out, at as u64);
            write_logprobs(state.logprobs.as_deref(), out);
            out.push(b'}');
        }
        out.extend_from_slice(b"],");
        if let Some(usage) = &self.usage {
            write_usage(usage, out);
            out.push(b',');
        }
        out.extend_from_slice(&self.tail);
    }
}

impl Listener for Encoder {
    fn hear(&mut self, choice: u32, delta: Delta<'_>) {
        if self.over {
            return;
        }
        // What comes behind a call says that it is complete.
        if !matches!(delta, Delta::Begin { .. } | Delta::Arguments { .. } | Delta::Object { .. } | Delta::Usage(_) | Delta::End) {
            self.close_call(choice, None);
        }
        match delta {
            Delta::Begin { model, .. } => self.begin(model.map(|model| model.raw())),
            Delta::Text(text) => self.event(choice, |out| write_text(text.raw(), false, out)),
            Delta::Refusal(text) => {
                if let Some(state) = self.state(choice) {
                    state.refused = true;
                }
                self.event(choice, |out| write_text(text.raw(), false, out));
            }
            Delta::Thought(text) => self.event(choice, |out| write_text(text.raw(), true, out)),
            Delta::Sealed(seal) => self.event(choice, |out| write_seal(false, &sealed(seal.origin, seal.text.raw()), out)),
            Delta::Redacted(seal) => self.event(choice, |out| write_seal(true, &sealed(seal.origin, seal.text.raw()), out)),
            Delta::Call { index, id, name, signature } => {
                let pending = Pending {
                    index,
                    id: id.map(|id| id.raw().to_vec()),
                    name: name.raw().to_vec(),
                    signature: signature.map(|seal| sealed(seal.origin, seal.text.raw())),
                    arguments: Vec::new(),
                };
                self.open_call(choice, pending);
            }
            Delta::Arguments { index, text } => self.add_arguments(choice, index, text.raw()),
            Delta::Object { index, json } => {
                if self.state(choice).is_some_and(|state| state.call.as_ref().is_some_and(|call| call.index == index)) {
                    self.close_call(choice, Some(json));
                }
            }
            Delta::Citation { url, title } => {
                self.event(choice, |out| {
                    write_text(b"", false, out);
                });
                // Beside the content, within the candidate: the event that was just written is opened again.
                self.out.truncate(self.out.len() - self.tail.len() - b"}],".len());
                self.out.extend_from_slice(b",\"groundingMetadata\":{\"groundingChunks\":[");
                write_citation(url.raw(), title.map(|title| title.raw()), &mut self.out);
                self.out.extend_from_slice(b"]}}],");
                self.out.extend_from_slice(&self.tail);
            }
            Delta::Untold => {}
            Delta::Logprobs(array) => self.logprobs(choice, array),
            Delta::Finish { reason, .. } => {
                if let Some(state) = self.state(choice) {
                    state.finish = Some(reason);
                }
            }
            Delta::Usage(usage) => self.usage = Some(usage),
            Delta::End => self.end(),
        }
    }
}

/// What stands within the brackets of an array.
fn inner(array: &[u8]) -> &[u8] {
    array.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).unwrap_or_default()
}

/// `,"logprobsResult":…`
fn write_logprobs(elements: Option<&[u8]>, out: &mut Vec<u8>) {
    if let Some(elements) = elements {
        out.extend_from_slice(b",\"logprobsResult\":");
        logprobs::write(elements, out);
    }
}

/// The seal as a client of this dialect gets it.
fn sealed(origin: Dialect, text: &[u8]) -> Vec<u8> {
    let mut seal = Vec::with_capacity(text.len() + 16);
    Signature::write(origin, text, Dialect::Gemini, &mut seal);
    seal
}

fn write_text(text: &[u8], thought: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"text\":\"");
    out.extend_from_slice(text);
    out.extend_from_slice(if thought { b"\",\"thought\":true}" } else { b"\"}" });
}

/// A seal on the thoughts before it; with a text that is empty, on what nobody was shown.
fn write_seal(redacted: bool, seal: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(if redacted { b"{\"text\":\"\"," } else { b"{" });
    out.extend_from_slice(b"\"thought\":true,\"thoughtSignature\":\"");
    out.extend_from_slice(seal);
    out.extend_from_slice(b"\"}");
}

fn write_call(id: Option<&[u8]>, name: &[u8], arguments: impl FnOnce(&mut Vec<u8>), seal: Option<&[u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"functionCall\":{");
    if let Some(id) = id {
        out.extend_from_slice(b"\"id\":\"");
        out.extend_from_slice(id);
        out.extend_from_slice(b"\",");
    }
    out.extend_from_slice(b"\"name\":\"");
    out.extend_from_slice(name);
    out.extend_from_slice(b"\",\"args\":");
    arguments(out);
    out.push(b'}');
    if let Some(seal) = seal {
        out.extend_from_slice(b",\"thoughtSignature\":\"");
        out.extend_from_slice(seal);
        out.push(b'"');
    }
    out.push(b'}');
}

fn write_citation(url: &[u8], title: Option<&[u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"web\":{\"uri\":\"");
    out.extend_from_slice(url);
    if let Some(title) = title {
        out.extend_from_slice(b"\",\"title\":\"");
        out.extend_from_slice(title);
    }
    out.extend_from_slice(b"\"}}");
}

/// `"modelVersion":…,"responseId":…`
fn write_identity(manner: &Manner, model: Option<&[u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"modelVersion\":\"");
    match model.filter(|model| !model.is_empty()) {
        Some(model) => out.extend_from_slice(model),
        None => escape_into(out, &manner.model),
    }
    out.extend_from_slice(b"\",\"responseId\":\"");
    manner.write_seed(out);
    out.push(b'"');
}

/// Writes token counts with their name. Thoughts are counted beside the answer, and 0 is left out.
fn write_usage(usage: &Usage, out: &mut Vec<u8>) {
    let input = usage.input.unwrap_or_default();
    let output = usage.output.unwrap_or_default();
    let thoughts = usage.reasoning.unwrap_or_default().min(output);
    let members = [
        ("promptTokenCount", input),
        ("cachedContentTokenCount", usage.cached.unwrap_or_default()),
        ("candidatesTokenCount", output - thoughts),
        ("thoughtsTokenCount", thoughts),
        ("totalTokenCount", input.saturating_add(output)),
    ];
    out.extend_from_slice(b"\"usageMetadata\":{");
    let mut comma = false;
    for (name, number) in members.into_iter().filter(|(_, number)| *number > 0) {
        out.extend_from_slice(if std::mem::replace(&mut comma, true) { b",\"" } else { b"\"" });
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        write_number(out, number);
    }
    out.push(b'}');
}

/// Gemini's word. What has none, and an end that nobody gave a reason for, is never `STOP`.
const fn word(reason: Option<Finish>, refused: bool) -> &'static str {
    match reason {
        Some(Finish::Stop) if refused => "SAFETY",
        Some(Finish::Stop | Finish::ToolCalls) => "STOP",
        Some(Finish::Length) => "MAX_TOKENS",
        Some(Finish::ContentFilter) => "SAFETY",
        Some(Finish::Error | Finish::Other) | None => "OTHER",
    }
}

/// Writes a whole answer.
pub fn write_answer(answer: &Answer, manner: &Manner, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"candidates\":[");
    let none = [Choice::default()];
    let choices = if answer.choices.is_empty() { &none[..] } else { &answer.choices[..] };
    for (at, choice) in choices.iter().enumerate() {
        out.extend_from_slice(if at > 0 { b"," } else { b"" });
        write_choice(at as u64, choice, out);
    }
    out.extend_from_slice(b"],");
    if let Some(usage) = &answer.usage {
        write_usage(usage, out);
        out.push(b',');
    }
    write_identity(manner, Some(&answer.model), out);
    out.push(b'}');
}

fn write_choice(index: u64, choice: &Choice, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"content\":{\"parts\":[");
    for (at, block) in choice.blocks.iter().enumerate() {
        out.extend_from_slice(if at > 0 { b"," } else { b"" });
        write_block(block, out);
    }
    if choice.blocks.is_empty() {
        write_text(b"", false, out);
    }
    out.extend_from_slice(b"],\"role\":\"model\"},\"finishReason\":\"");
    let refused = choice.blocks.iter().any(|block| matches!(block, Block::Refusal(_)));
    out.extend_from_slice(word(choice.finish, refused).as_bytes());
    out.extend_from_slice(b"\",\"index\":");
    write_number(out, index);
    write_logprobs(choice.logprobs.as_deref(), out);
    for (at, (url, title)) in choice.citations.iter().enumerate() {
        out.extend_from_slice(if at > 0 { b"," } else { b",\"groundingMetadata\":{\"groundingChunks\":[" });
        write_citation(url, title.as_deref(), out);
    }
    out.extend_from_slice(if choice.citations.is_empty() { b"}" } else { b"]}}" });
}

fn write_block(block: &Block, out: &mut Vec<u8>) {
    match block {
        Block::Text(text) | Block::Refusal(text) => write_text(text, false, out),
        Block::Thought { text, signature: None, .. } => write_text(text, true, out),
        Block::Thought { text, signature: Some((origin, seal)), redacted } => {
            if *redacted || text.is_empty() {
                return write_seal(*redacted, &sealed(*origin, seal), out);
            }
            write_text(text, true, out);
            out.pop();
            out.extend_from_slice(b",\"thoughtSignature\":\"");
            Signature::write(*origin, seal, Dialect::Gemini, out);
            out.extend_from_slice(b"\"}");
        }
        Block::Call { id, name, arguments, signature, .. } => {
            let seal = signature.as_ref().map(|(origin, text)| sealed(*origin, text));
            write_call(id.as_deref(), name, |out| arguments.write_object(out), seal.as_deref(), out);
        }
    }
}
