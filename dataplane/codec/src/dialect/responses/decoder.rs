//! Reads answers of the Responses API: whole ones, and the events of a stream.

use crate::dialect::read_error;
use crate::dialect::{Delta, Dialect, Failure, Listener, Signature};
use crate::json::{ErrorFields, Finish, Str, Tree, Usage, Value};

/// What is known of a stream so far.
#[derive(Debug, Default)]
pub struct Decoder {
    begun: bool,
    /// Calls that began: the number of the item that each is.
    calls: Vec<Heard>,
    /// The item whose text was told last, so that it is not told again when it is done.
    told: Option<u64>,
    /// Probabilities of its text were told as well.
    told_logprobs: bool,
}

/// A call that began.
#[derive(Clone, Copy, Debug)]
struct Heard {
    /// The number of its item.
    item: u64,
    /// Some of its arguments were told.
    told: bool,
}

/// More calls than any answer has.
const CALLS_MAX: usize = 1_024;

impl Decoder {
    /// Reads an event of a stream.
    ///
    /// # Errors
    /// It says that the provider failed, or nothing that can be read.
    pub fn event(&mut self, name: Option<&[u8]>, data: &[u8], tree: &mut Tree, to: &mut dyn Listener) -> Result<(), Failure> {
        let data = data.trim_ascii();
        if data == b"[DONE]" {
            return Ok(());
        }
        let root = tree.read(data).map_err(|_| Failure::Malformed)?;
        let kind = root.text("type");
        let name = kind.map(Str::raw).or(name).unwrap_or_default();
        let item = root.get("output_index").and_then(Value::u64).unwrap_or_default();
        let delta = || root.text("delta").filter(|text| !text.is_empty());
        match name {
            b"response.created" => self.begin(root.get("response"), to),
            b"response.output_item.added" => {
                if let Some(entry) = root.get("item") {
                    self.opened(item, entry, to);
                }
            }
            b"response.output_text.delta" => {
                self.probable(item, root, to);
                self.text(item, delta().map(Delta::Text), to);
            }
            b"response.refusal.delta" => self.text(item, delta().map(Delta::Refusal), to),
            b"response.reasoning_summary_text.delta" | b"response.reasoning_text.delta" => self.text(item, delta().map(Delta::Thought), to),
            b"response.function_call_arguments.delta" => self.arguments(item, delta(), to),
            b"response.output_text.annotation.added" => {
                if let Some(note) = root.get("annotation") {
                    cited(note, to);
                }
            }
            b"response.output_item.done" => {
                if let Some(entry) = root.get("item") {
                    self.closed(item, entry, to);
                }
            }
            b"response.completed" => self.end(root.get("response"), false, to)?,
            b"response.incomplete" => self.end(root.get("response"), true, to)?,
            b"response.failed" => return Err(failed(root.get("response"))),
            b"error" => return Err(Failure::Error(Box::new(read_error(data)))),
            _ if kind.is_none() && root.get("error").is_some() => return Err(Failure::Error(Box::new(read_error(data)))),
            _ => {}
        }
        Ok(())
    }

    /// Reads a whole answer, its end included.
    ///
    /// # Errors
    /// It says that the provider failed, or is not over, or nothing that can be read.
    pub fn whole(&mut self, root: Value<'_>, to: &mut dyn Listener) -> Result<(), Failure> {
        let status = root.text("status");
        let is = |word: &str| status.is_some_and(|status| status.is(word));
        if root.get("error").is_some() || is("failed") || is("cancelled") {
            return Err(failed(Some(root)));
        }
        let output = root.get("output").ok_or(Failure::Malformed)?;
        if is("queued") || is("in_progress") {
            return Err(Failure::Malformed);
        }
        self.begin(Some(root), to);
        for (at, entry) in output.elements().enumerate() {
            self.opened(at as u64, entry, to);
            self.closed(at as u64, entry, to);
        }
        self.end(Some(root), is("incomplete"), to)
    }

    fn begin(&mut self, response: Option<Value<'_>>, to: &mut dyn Listener) {
        if !std::mem::replace(&mut self.begun, true) {
            let text = |name: &str| response.and_then(|response| response.text(name));
            to.hear(0, Delta::Begin { id: text("id"), model: text("model") });
        }
    }

    fn opened(&mut self, item: u64, entry: Value<'_>, to: &mut dyn Listener) {
        let is_call = entry.text("type").is_some_and(|kind| kind.is("function_call"));
        let Some(name) = entry.text("name").filter(|_| is_call && self.calls.len() < CALLS_MAX) else { return };
        let index = self.calls.len() as u32;
        self.calls.push(Heard { item, told: false });
        to.hear(0, Delta::Call { index, id: entry.text("call_id"), name, signature: None });
    }

    fn text(&mut self, item: u64, delta: Option<Delta<'_>>, to: &mut dyn Listener) {
        if let Some(delta) = delta {
            self.told = Some(item);
            to.hear(0, delta);
        }
    }

    fn probable(&mut self, item: u64, root: Value<'_>, to: &mut dyn Listener) {
        if self.told != Some(item) {
            self.told_logprobs = false;
        }
        if let Some(tokens) = root.get("logprobs").filter(|tokens| tokens.elements().next().is_some()) {
            self.told_logprobs = true;
            to.hear(0, Delta::Logprobs(tokens.raw()));
        }
    }

    fn arguments(&mut self, item: u64, text: Option<Str<'_>>, to: &mut dyn Listener) {
        let found = self.calls.iter_mut().enumerate().rev().find(|(_, call)| call.item == item);
        if let (Some((index, call)), Some(text)) = (found, text) {
            call.told = true;
            to.hear(0, Delta::Arguments { index: index as u32, text });
        }
    }

    /// An item is done: what was not told piece by piece is told now.
    fn closed(&mut self, item: u64, entry: Value<'_>, to: &mut dyn Listener) {
        let is = |word: &str| entry.text("type").is_some_and(|kind| kind.is(word));
        if is("function_call") {
            let told = self.calls.iter().rev().find(|call| call.item == item).is_none_or(|call| call.told);
            if !told {
                self.arguments(item, entry.text("arguments").filter(|text| !text.is_empty()), to);
            }
        } else if is("reasoning") {
            if self.told != Some(item) {
                let parts = ["summary", "content"].into_iter().filter_map(|name| entry.get(name)).flat_map(Value::elements);
                parts.filter_map(|part| part.text("text")).for_each(|text| to.hear(0, Delta::Thought(text)));
            }
            if let Some(text) = entry.text("encrypted_content") {
                to.hear(0, Delta::Sealed(Signature::read(text, Dialect::Responses)));
            }
        } else if is("message") {
            let parts = entry.get("content").into_iter().flat_map(Value::elements);
            if self.told != Some(item) {
                parts.for_each(|part| told(part, to));
            } else if !self.told_logprobs {
                parts.for_each(|part| probable(part, to));
            }
        }
    }

    fn end(&mut self, response: Option<Value<'_>>, incomplete: bool, to: &mut dyn Listener) -> Result<(), Failure> {
        let response = response.filter(|response| response.is_object());
        if response.and_then(|response| response.text("status")).is_some_and(|status| status.is("failed") || status.is("cancelled")) {
            return Err(failed(response));
        }
        self.begin(response, to);
        let why = response.and_then(|response| response.get("incomplete_details")?.text("reason"));
        let reason = match why {
            Some(why) if why.is("content_filter") => Finish::ContentFilter,
            Some(_) => Finish::Length,
            // Whatever it lacks, it is not all of it.
            None if incomplete => Finish::Length,
            None if !self.calls.is_empty() => Finish::ToolCalls,
            None => Finish::Stop,
        };
        to.hear(0, Delta::Finish { reason, stop: None });
        if let Some(usage) = response.and_then(|response| response.get("usage")) {
            to.hear(0, Delta::Usage(read_usage(usage)));
        }
        to.hear(0, Delta::End);
        Ok(())
    }
}

fn probable(part: Value<'_>, to: &mut dyn Listener) {
    if let Some(tokens) = part.get("logprobs").filter(|tokens| tokens.elements().next().is_some()) {
        to.hear(0, Delta::Logprobs(tokens.raw()));
    }
}

fn told(part: Value<'_>, to: &mut dyn Listener) {
    probable(part, to);
    if let Some(text) = part.text("text").filter(|text| !text.is_empty()) {
        to.hear(0, Delta::Text(text));
    } else if let Some(text) = part.text("refusal").filter(|text| !text.is_empty()) {
        to.hear(0, Delta::Refusal(text));
    }
    part.get("annotations").into_iter().flat_map(Value::elements).for_each(|note| cited(note, to));
}

fn cited(note: Value<'_>, to: &mut dyn Listener) {
    if let Some(url) = note.text("url") {
        to.hear(0, Delta::Citation { url, title: note.text("title") });
    }
}

fn failed(response: Option<Value<'_>>) -> Failure {
    let error = response.and_then(|response| response.get("error"));
    Failure::Error(Box::new(error.map_or_else(ErrorFields::default, |error| read_error(error.raw()))))
}

/// Reads token counts: `cached_tokens` is a part of the input's, `reasoning_tokens` of the output's.
pub fn read_usage(usage: Value<'_>) -> Usage {
    let number = |name: &str| usage.get(name).and_then(Value::u64);
    let input = usage.get("input_tokens_details");
    let output = usage.get("output_tokens_details");
    Usage {
        input: number("input_tokens"),
        output: number("output_tokens"),
        total: number("total_tokens"),
        cached: input.and_then(|details| details.get("cached_tokens")?.u64()),
        cache_write: input.and_then(|details| details.get("cache_write_tokens")?.u64()),
        reasoning: output.and_then(|details| details.get("reasoning_tokens")?.u64()),
    }
}
