//! Writes answers of Messages: whole ones, and the events of a stream.

use super::error_event;
use crate::dialect::answer::{Answer, Block, Choice, escape_json_into};
use crate::dialect::ids::{IdRule, mint};
use crate::dialect::signature::UNSEALED;
use crate::dialect::{Delta, Dialect, Listener, Manner, Signature};
use crate::head::write_number;
use crate::json::{Finish, Str, Usage, escape_into};

/// The event that ends a stream; its absence means that the stream was cut.
pub const STOP: &[u8] = b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

/// Writes the events of a stream.
#[derive(Debug)]
pub struct Encoder {
    manner: Manner,
    /// What is ready to be sent.
    pub(crate) out: Vec<u8>,
    begun: bool,
    open: Open,
    /// The number of the next block.
    next: u64,
    ending: Ending,
    usage: Option<Usage>,
    over: bool,
}

/// The block that is open; its number is the one before the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    None,
    Text,
    /// Thoughts whose seal has not come.
    Thought,
    Call(u32),
    /// A block to which nothing can come any more.
    Whole,
}

/// How the answer ended, and what else decides on the word for it.
#[derive(Debug, Default)]
struct Ending {
    finish: Option<Finish>,
    stop: Option<Vec<u8>>,
    called: bool,
    refused: bool,
}

impl Ending {
    /// Anthropic's word.
    fn word(&self) -> Option<&'static str> {
        Some(match self.finish? {
            Finish::Length => "max_tokens",
            Finish::ContentFilter => "refusal",
            Finish::Stop | Finish::Other if self.refused => "refusal",
            // Imitators say that the model has stopped, and mean that it waits.
            Finish::ToolCalls => "tool_use",
            Finish::Stop | Finish::Other if self.called => "tool_use",
            Finish::Stop if self.stop.is_some() => "stop_sequence",
            Finish::Stop | Finish::Other => "end_turn",
            // It has none, and is an error before it comes so far.
            Finish::Error => return None,
        })
    }

    /// `"stop_reason":…,"stop_sequence":…,"stop_details":…`
    fn write(&self, out: &mut Vec<u8>) {
        let word = self.word();
        out.extend_from_slice(b"\"stop_reason\":");
        string_or_null(word.map(str::as_bytes), out);
        out.extend_from_slice(b",\"stop_sequence\":");
        string_or_null(self.stop.as_deref().filter(|_| word == Some("stop_sequence")), out);
        out.extend_from_slice(b",\"stop_details\":");
        let refusal: &[u8] = b"{\"type\":\"refusal\",\"category\":null,\"explanation\":null}";
        out.extend_from_slice(if word == Some("refusal") { refusal } else { b"null" });
    }
}

fn string_or_null(text: Option<&[u8]>, out: &mut Vec<u8>) {
    match text {
        Some(text) => string(text, out),
        None => out.extend_from_slice(b"null"),
    }
}

fn string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(text);
    out.push(b'"');
}

impl Encoder {
    /// The encoder of one answer.
    pub fn new(manner: Manner) -> Encoder {
        Encoder { manner, out: Vec::new(), begun: false, open: Open::None, next: 0, ending: Ending::default(), usage: None, over: false }
    }

    fn begin(&mut self, model: Option<&[u8]>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let out = &mut self.out;
        out.extend_from_slice(b"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{");
        write_identity(&self.manner, model, out);
        out.extend_from_slice(b"\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"stop_details\":null,\"usage\":");
        write_usage(&Usage { input: Some(self.manner.input_estimate), ..Usage::default() }, out);
        out.extend_from_slice(b"}}\n\n");
    }

    /// Begins a block, which `write` fills.
    fn start(&mut self, open: Open, write: impl FnOnce(&mut Vec<u8>)) {
        self.stop();
        let out = &mut self.out;
        out.extend_from_slice(b"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":");
        write_number(out, self.next);
        out.extend_from_slice(b",\"content_block\":{\"type\":");
        write(out);
        out.extend_from_slice(b"}}\n\n");
        self.next += 1;
        self.open = open;
    }

    fn piece(&mut self, before: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
        let out = &mut self.out;
        out.extend_from_slice(b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":");
        write_number(out, self.next.saturating_sub(1));
        out.extend_from_slice(b",\"delta\":{\"type\":");
        out.extend_from_slice(before);
        write(out);
        out.extend_from_slice(b"\"}}\n\n");
    }

    /// Ends the block that is open.
    fn stop(&mut self) {
        self.begin(None);
        match std::mem::replace(&mut self.open, Open::None) {
            Open::None => return,
            Open::Thought => self.piece(b"\"signature_delta\",\"signature\":\"", |out| out.extend_from_slice(UNSEALED)),
            _ => {}
        }
        self.out.extend_from_slice(b"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":");
        write_number(&mut self.out, self.next.saturating_sub(1));
        self.out.extend_from_slice(b"}\n\n");
    }

    fn text(&mut self, text: Str<'_>) {
        if text.is_empty() {
            return;
        }
        if self.open != Open::Text {
            self.start(Open::Text, |out| out.extend_from_slice(b"\"text\",\"text\":\"\""));
        }
        self.piece(b"\"text_delta\",\"text\":\"", |out| out.extend_from_slice(text.raw()));
    }

    fn thought(&mut self) {
        if self.open != Open::Thought {
            self.start(Open::Thought, |out| out.extend_from_slice(b"\"thinking\",\"thinking\":\"\",\"signature\":\"\""));
        }
    }

    fn redacted(&mut self, seal: Signature<'_>) {
        self.start(Open::None, |out| write_redacted(seal.origin, seal.text.raw(), out));
        // It is whole as it begins.
        self.open = Open::Whole;
        self.stop();
    }

    fn call(&mut self, index: u32, id: Option<Str<'_>>, name: Str<'_>, signature: Option<Signature<'_>>) {
        self.ending.called = true;
        // There is no other place for it that a client gives back.
        if let Some(seal) = signature {
            self.redacted(seal);
        }
        let seed = self.manner.seed;
        self.start(Open::Call(index), |out| {
            write_call(id.map(Str::raw), seed.wrapping_add(index.into()), name.raw(), out);
            out.extend_from_slice(b"{}");
        });
    }

    fn end(&mut self) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        self.stop();
        if self.ending.finish == Some(Finish::Error) {
            return error_event(&mut self.out, 500, "The provider gave up.", "provider_error", "");
        }
        let out = &mut self.out;
        out.extend_from_slice(b"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{");
        self.ending.write(out);
        out.extend_from_slice(b"},\"usage\":");
        match &self.usage {
            Some(usage) => write_usage(usage, out),
            // What was estimated before stands.
            None => out.extend_from_slice(b"{\"output_tokens\":0}"),
        }
        out.extend_from_slice(b"}\n\n");
        out.extend_from_slice(STOP);
    }
}

impl Listener for Encoder {
    fn hear(&mut self, choice: u32, delta: Delta<'_>) {
        // There is one answer in this dialect.
        if choice > 0 || self.over {
            return;
        }
        match delta {
            Delta::Begin { model, .. } => self.begin(model.map(Str::raw)),
            Delta::Text(text) => self.text(text),
            Delta::Refusal(text) => {
                self.ending.refused |= !text.is_empty();
                self.text(text);
            }
            Delta::Thought(text) if text.is_empty() => {}
            Delta::Thought(text) => {
                self.thought();
                self.piece(b"\"thinking_delta\",\"thinking\":\"", |out| out.extend_from_slice(text.raw()));
            }
            Delta::Sealed(seal) => {
                self.thought();
                let write = |out: &mut Vec<u8>| Signature::write(seal.origin, seal.text.raw(), Dialect::Anthropic, out);
                self.piece(b"\"signature_delta\",\"signature\":\"", write);
                self.open = Open::Whole;
                self.stop();
            }
            Delta::Redacted(seal) => self.redacted(seal),
            Delta::Call { index, id, name, signature } => self.call(index, id, name, signature),
            Delta::Arguments { index, text } if self.open == Open::Call(index) && !text.is_empty() => {
                self.piece(b"\"input_json_delta\",\"partial_json\":\"", |out| out.extend_from_slice(text.raw()));
            }
            Delta::Object { index, json } if self.open == Open::Call(index) => {
                self.piece(b"\"input_json_delta\",\"partial_json\":\"", |out| escape_json_into(json, out));
            }
            // A call that is over gets nothing more. Citations of others lack what these must have, and
            // probabilities have no place.
            Delta::Arguments { .. } | Delta::Object { .. } | Delta::Citation { .. } | Delta::Logprobs(_) | Delta::Untold => {}
            Delta::Finish { reason, stop } => {
                self.stop();
                self.ending.finish = Some(reason);
                self.ending.stop = stop.map(|stop| stop.raw().to_vec());
            }
            Delta::Usage(usage) => self.usage = Some(usage),
            Delta::End => self.end(),
        }
    }
}

/// `"id":…,"type":…,"role":…,"model":…,`
fn write_identity(manner: &Manner, model: Option<&[u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"id\":\"msg_");
    manner.write_seed(out);
    out.extend_from_slice(b"\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"");
    match model.filter(|model| !model.is_empty()) {
        Some(model) => out.extend_from_slice(model),
        None => escape_into(out, &manner.model),
    }
    out.extend_from_slice(b"\",");
}

/// Writes token counts: what was cached is no part of `input_tokens` here.
pub fn write_usage(usage: &Usage, out: &mut Vec<u8>) {
    let (written, cached) = (usage.cache_write.unwrap_or_default(), usage.cached.unwrap_or_default());
    let members = [
        ("{\"input_tokens\":", usage.input.unwrap_or_default().saturating_sub(written.saturating_add(cached))),
        (",\"cache_creation_input_tokens\":", written),
        (",\"cache_read_input_tokens\":", cached),
        (",\"output_tokens\":", usage.output.unwrap_or_default()),
    ];
    for (name, number) in members {
        out.extend_from_slice(name.as_bytes());
        write_number(out, number);
    }
    if let Some(thinking) = usage.reasoning {
        out.extend_from_slice(b",\"output_tokens_details\":{\"thinking_tokens\":");
        write_number(out, thinking);
        out.push(b'}');
    }
    out.push(b'}');
}

/// What comes behind `"type":` of thinking that cannot be read.
fn write_redacted(origin: Dialect, text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"redacted_thinking\",\"data\":\"");
    Signature::write(origin, text, Dialect::Anthropic, out);
    out.push(b'"');
}

/// What comes behind `"type":` of a call, up to its input.
fn write_call(id: Option<&[u8]>, number: u64, name: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"tool_use\",\"id\":\"");
    match id {
        Some(id) => out.extend_from_slice(id),
        None => mint(IdRule::Word, number, out),
    }
    out.extend_from_slice(b"\",\"name\":\"");
    out.extend_from_slice(name);
    out.extend_from_slice(b"\",\"input\":");
}

/// Writes a whole answer.
pub fn write_answer(answer: &Answer, manner: &Manner, out: &mut Vec<u8>) {
    out.push(b'{');
    write_identity(manner, Some(&answer.model), out);
    out.extend_from_slice(b"\"content\":[");
    let start = out.len();
    let empty = Choice::default();
    let choice = answer.choices.first().unwrap_or(&empty);
    let mut ending = Ending { finish: choice.finish, stop: choice.stop.clone(), ..Ending::default() };
    for block in &choice.blocks {
        write_block(block, manner, start, &mut ending, out);
    }
    out.extend_from_slice(b"],");
    ending.write(out);
    out.extend_from_slice(b",\"usage\":");
    write_usage(&answer.usage.unwrap_or_default(), out);
    out.push(b'}');
}

fn write_block(block: &Block, manner: &Manner, start: usize, ending: &mut Ending, out: &mut Vec<u8>) {
    let open = |out: &mut Vec<u8>| out.extend_from_slice(if out.len() > start { b",{\"type\":" } else { b"{\"type\":" });
    match block {
        Block::Text(text) | Block::Refusal(text) if text.is_empty() => return,
        Block::Text(text) | Block::Refusal(text) => {
            ending.refused |= matches!(block, Block::Refusal(_));
            open(out);
            out.extend_from_slice(b"\"text\",\"text\":");
            string(text, out);
        }
        Block::Thought { signature: Some((origin, seal)), redacted: true, .. } => {
            open(out);
            write_redacted(*origin, seal, out);
        }
        Block::Thought { redacted: true, .. } => return,
        Block::Thought { text, signature, .. } => {
            open(out);
            out.extend_from_slice(b"\"thinking\",\"thinking\":");
            string(text, out);
            out.extend_from_slice(b",\"signature\":\"");
            match signature {
                Some((origin, seal)) => Signature::write(*origin, seal, Dialect::Anthropic, out),
                None => out.extend_from_slice(UNSEALED),
            }
            out.push(b'"');
        }
        Block::Call { index, id, name, arguments, signature } => {
            ending.called = true;
            if let Some((origin, seal)) = signature {
                open(out);
                write_redacted(*origin, seal, out);
                out.push(b'}');
            }
            open(out);
            write_call(id.as_deref(), manner.seed.wrapping_add(u64::from(*index)), name, out);
            arguments.write_object(out);
        }
    }
    out.push(b'}');
}
