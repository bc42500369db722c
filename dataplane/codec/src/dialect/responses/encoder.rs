//! Writes the events of a stream of the Responses API.

use super::answer::{
    Notes, Status, block_text, list, string, write_citation, write_id, write_item, write_part, write_place, write_response,
};
use crate::dialect::answer::{Answer, Block};
use crate::dialect::{Delta, Listener, Manner};
use crate::head::write_number;

/// An answer whose text outgrows this is told to be incomplete: its last event holds all of it.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// Writes the events of a stream.
#[derive(Debug)]
pub struct Encoder {
    manner: Manner,
    /// What is ready to be sent.
    pub(crate) out: Vec<u8>,
    /// All that was said: the events that end a part, an item and the answer repeat it.
    answer: Answer,
    sequence: u64,
    /// Items that have begun.
    items: usize,
    /// The last of them is not done.
    open: Option<Open>,
    /// Where its citations and probabilities begin among those of the answer.
    noted: (usize, usize),
    /// Probabilities of the text that comes next: the elements of an array.
    logprobs: Vec<u8>,
    over: bool,
    overflow: bool,
}

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Open {
    Text,
    Refusal,
    Thought,
    Call(u32),
}

impl Encoder {
    /// The encoder of one answer.
    pub fn new(manner: Manner) -> Encoder {
        Encoder {
            manner,
            out: Vec::new(),
            answer: Answer::default(),
            sequence: 0,
            items: 0,
            open: None,
            noted: (0, 0),
            logprobs: Vec::new(),
            over: false,
            overflow: false,
        }
    }

    /// Writes an event: its name, its number, and what `write` appends.
    fn event(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
        let out = &mut self.out;
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\ndata: {\"type\":\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\",\"sequence_number\":");
        write_number(out, self.sequence);
        self.sequence += 1;
        write(out);
        out.extend_from_slice(b"}\n\n");
    }

    fn begin(&mut self) {
        if self.sequence > 0 {
            return;
        }
        for name in ["response.created", "response.in_progress"] {
            let mut response = Vec::new();
            write_response(&Answer::default(), &self.answer.model, &self.manner, Status::InProgress, &mut response);
            self.event(name, |out| {
                out.extend_from_slice(b",\"response\":");
                out.extend_from_slice(&response);
            });
        }
    }

    /// The block that is being told, and the number of its item.
    fn block(&self) -> Option<(&Block, usize)> {
        Some((self.answer.choices.first()?.blocks.last()?, self.items.checked_sub(1)?))
    }

    /// Ends the item that is open.
    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        let Some((block, at)) = self.block() else { return };
        let (seed, mut item, mut text) = (self.manner.seed, Vec::new(), Vec::new());
        let (citations, logprobs) = self.notes(open);
        let notes = Notes { citations, logprobs };
        write_item(block, at, &self.manner, Some(notes), &mut item);
        block_text(block, &mut text);
        let mut id = Vec::new();
        write_id(open.prefix(), seed, at, &mut id);
        let place = |out: &mut Vec<u8>, part: Option<&str>| write_place(&id, at, part, out);
        match open {
            Open::Text | Open::Refusal => {
                let (name, member) =
                    if open == Open::Text { ("response.output_text.done", "text") } else { ("response.refusal.done", "refusal") };
                let mut part = Vec::new();
                write_part(open, &text, notes, &mut part);
                let logprobs = logprobs.to_vec();
                self.event(name, |out| {
                    place(out, Some("content_index"));
                    string(out, member, &text);
                    if open == Open::Text {
                        list(out, "logprobs", &logprobs);
                    }
                });
                self.event("response.content_part.done", |out| {
                    place(out, Some("content_index"));
                    out.extend_from_slice(b",\"part\":");
                    out.extend_from_slice(&part);
                });
            }
            Open::Thought => {
                self.event("response.reasoning_summary_text.done", |out| {
                    place(out, Some("summary_index"));
                    string(out, "text", &text);
                });
                self.event("response.reasoning_summary_part.done", |out| {
                    place(out, Some("summary_index"));
                    out.extend_from_slice(b",\"part\":{\"type\":\"summary_text\"");
                    string(out, "text", &text);
                    out.push(b'}');
                });
            }
            Open::Call(_) => self.event("response.function_call_arguments.done", |out| {
                place(out, None);
                string(out, "arguments", &text);
            }),
        }
        self.event("response.output_item.done", |out| {
            out.extend_from_slice(b",\"output_index\":");
            write_number(out, at as u64);
            out.extend_from_slice(b",\"item\":");
            out.extend_from_slice(&item);
        });
    }

    /// Begins an item, unless it is open already. The block that it shows is the answer's last.
    fn open(&mut self, wanted: Open) {
        if self.open == Some(wanted) {
            return;
        }
        self.open = Some(wanted);
        self.noted =
            self.answer.choices.first().map_or((0, 0), |choice| (choice.citations.len(), choice.logprobs.as_ref().map_or(0, Vec::len)));
        let at = self.items;
        self.items += 1;
        let mut item = Vec::new();
        if let Some((block, at)) = self.block() {
            write_item(block, at, &self.manner, None, &mut item);
        }
        self.event("response.output_item.added", |out| {
            out.extend_from_slice(b",\"output_index\":");
            write_number(out, at as u64);
            out.extend_from_slice(b",\"item\":");
            out.extend_from_slice(&item);
        });
        let mut id = Vec::new();
        write_id(wanted.prefix(), self.manner.seed, at, &mut id);
        match wanted {
            Open::Text | Open::Refusal => self.event("response.content_part.added", |out| {
                write_place(&id, at, Some("content_index"), out);
                out.extend_from_slice(b",\"part\":");
                write_part(wanted, b"", Notes::default(), out);
            }),
            Open::Thought => self.event("response.reasoning_summary_part.added", |out| {
                write_place(&id, at, Some("summary_index"), out);
                out.extend_from_slice(b",\"part\":{\"type\":\"summary_text\",\"text\":\"\"}");
            }),
            Open::Call(_) => {}
        }
    }

    /// Tells a piece of the item that is open.
    fn delta(&mut self, open: Open, write: impl FnOnce(&mut Vec<u8>)) {
        let at = self.items.saturating_sub(1);
        let logprobs = if open == Open::Text { std::mem::take(&mut self.logprobs) } else { Vec::new() };
        let mut id = Vec::new();
        write_id(open.prefix(), self.manner.seed, at, &mut id);
        let (name, part) = match open {
            Open::Text => ("response.output_text.delta", Some("content_index")),
            Open::Refusal => ("response.refusal.delta", Some("content_index")),
            Open::Thought => ("response.reasoning_summary_text.delta", Some("summary_index")),
            Open::Call(_) => ("response.function_call_arguments.delta", None),
        };
        self.event(name, |out| {
            write_place(&id, at, part, out);
            out.extend_from_slice(b",\"delta\":\"");
            write(out);
            out.push(b'"');
            if open == Open::Text {
                list(out, "logprobs", &logprobs);
            }
        });
    }

    /// Citations and probabilities of the item that is open.
    fn notes(&self, open: Open) -> (&[super::answer::Cited], &[u8]) {
        let Some(choice) = self.answer.choices.first().filter(|_| open == Open::Text) else { return (&[], b"") };
        let logprobs = choice.logprobs.as_deref().unwrap_or_default().get(self.noted.1..).unwrap_or_default();
        (choice.citations.get(self.noted.0..).unwrap_or_default(), logprobs.strip_prefix(b",").unwrap_or(logprobs))
    }

    /// Tells where something in the text that is open comes from.
    fn cite(&mut self) {
        let (Some(Open::Text), Some(choice)) = (self.open, self.answer.choices.first()) else { return };
        let Some(cited) = choice.citations.last().cloned() else { return };
        let (at, note) = (self.items.saturating_sub(1), choice.citations.len() - self.noted.0);
        let mut id = Vec::new();
        write_id(Open::Text.prefix(), self.manner.seed, at, &mut id);
        self.event("response.output_text.annotation.added", |out| {
            write_place(&id, at, Some("content_index"), out);
            out.extend_from_slice(b",\"annotation_index\":");
            write_number(out, note.saturating_sub(1) as u64);
            out.extend_from_slice(b",\"annotation\":");
            write_citation(&cited, out);
        });
    }

    /// A piece of text: closes what is open if it is of another kind, and keeps and tells it.
    fn piece(&mut self, wanted: Open, delta: Delta<'_>, text: &[u8]) {
        if self.open.is_some_and(|open| open != wanted) {
            self.close();
        }
        // An item that was closed and one of the same kind behind it are two blocks.
        if self.open.is_none() {
            self.answer.part(0);
        }
        let probable = std::mem::take(&mut self.logprobs);
        self.answer.hear(0, delta);
        self.open(wanted);
        if !probable.is_empty() {
            self.answer.hear(0, Delta::Logprobs(&[b"[", &probable[..], b"]"].concat()));
            self.logprobs = probable;
        }
        self.delta(wanted, |out| out.extend_from_slice(text));
    }

    fn end(&mut self) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        self.begin();
        self.close();
        let status = if self.overflow { Status::Incomplete("max_output_tokens") } else { Status::of(self.answer.choices.first()) };
        let mut response = Vec::new();
        write_response(&self.answer, &self.answer.model, &self.manner, status, &mut response);
        let name = match status {
            Status::Incomplete(_) => "response.incomplete",
            Status::Failed => "response.failed",
            Status::InProgress | Status::Completed => "response.completed",
        };
        self.event(name, |out| {
            out.extend_from_slice(b",\"response\":");
            out.extend_from_slice(&response);
        });
    }
}

impl Open {
    const fn prefix(self) -> &'static str {
        match self {
            Open::Text | Open::Refusal => "msg_",
            Open::Thought => "rs_",
            Open::Call(_) => "fc_",
        }
    }
}

impl Listener for Encoder {
    fn hear(&mut self, choice: u32, delta: Delta<'_>) {
        // There is one answer in this dialect.
        if choice > 0 || self.over || self.overflow && !matches!(delta, Delta::End) {
            return;
        }
        self.overflow = self.answer.size() > KEPT_BYTES_MAX;
        match delta {
            Delta::Begin { .. } => {
                self.answer.hear(0, delta);
                self.begin();
            }
            Delta::End => self.end(),
            Delta::Finish { .. } | Delta::Usage(_) => self.answer.hear(0, delta),
            Delta::Logprobs(array) => self.logprobs = array.get(1..array.len().saturating_sub(1)).unwrap_or_default().to_vec(),
            _ => {
                self.begin();
                self.say(delta);
            }
        }
    }
}

impl Encoder {
    fn say(&mut self, delta: Delta<'_>) {
        match delta {
            Delta::Text(text) => self.piece(Open::Text, delta, text.raw()),
            Delta::Refusal(text) => self.piece(Open::Refusal, delta, text.raw()),
            Delta::Thought(text) => self.piece(Open::Thought, delta, text.raw()),
            Delta::Sealed(_) if self.open == Some(Open::Thought) => {
                self.answer.hear(0, delta);
                self.close();
            }
            Delta::Sealed(_) | Delta::Redacted(_) => {
                self.close();
                self.answer.hear(0, delta);
                self.open(Open::Thought);
                self.close();
            }
            Delta::Call { index, .. } => {
                self.close();
                self.answer.hear(0, delta);
                self.open(Open::Call(index));
            }
            Delta::Arguments { index, text } => {
                self.answer.hear(0, delta);
                if self.open == Some(Open::Call(index)) {
                    self.delta(Open::Call(index), |out| out.extend_from_slice(text.raw()));
                }
            }
            Delta::Object { index, json } => {
                self.answer.hear(0, delta);
                if self.open == Some(Open::Call(index)) {
                    self.delta(Open::Call(index), |out| crate::dialect::answer::escape_json_into(json, out));
                }
            }
            Delta::Citation { .. } => {
                self.answer.hear(0, delta);
                self.cite();
            }
            Delta::Begin { .. } | Delta::Finish { .. } | Delta::Usage(_) | Delta::Logprobs(_) | Delta::Untold | Delta::End => {}
        }
    }
}
