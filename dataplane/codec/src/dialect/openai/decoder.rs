//! Reads answers of Chat Completions: whole ones, and the events of a stream.

use crate::dialect::read_error;
use crate::dialect::{Delta, Dialect, Failure, Listener, Signature};
use crate::json::{Finish, Str, Tree, Usage, Value};

/// What is known of a stream so far.
#[derive(Debug, Default)]
pub struct Decoder {
    begun: bool,
    /// For each choice the number that its provider gave to the call that is being told.
    calls: Vec<Calls>,
}

/// The calls of a choice that began, at most [`CALLS_MAX`].
#[derive(Clone, Debug, Default)]
struct Calls {
    /// The provider's numbers. Some give the same to all.
    numbers: Vec<u64>,
    /// The id of the last one.
    id: Vec<u8>,
}

impl Calls {
    /// Which call it is about; `None` when one begins.
    fn found(&self, number: Option<u64>, id: Option<Str<'_>>, named: bool) -> Option<usize> {
        let last = self.numbers.len().checked_sub(1)?;
        match number {
            Some(number) if number == self.numbers[last] => {
                // All calls under one number are told apart by their ids.
                let other = named && id.is_some_and(|id| id.raw() != self.id);
                (!other).then_some(last)
            }
            Some(_) if named => None,
            // Back to one that seemed to be over.
            Some(number) => self.numbers.iter().rposition(|known| *known == number),
            // Where there is no number, a name begins one.
            None => (!named).then_some(last),
        }
    }
}

/// More calls than any answer has.
const CALLS_MAX: usize = 1_024;

/// More choices than any provider gives.
const CHOICES_MAX: usize = 128;

impl Decoder {
    /// Reads an event of a stream.
    ///
    /// # Errors
    /// It says that the provider failed, or nothing that can be read.
    pub fn event(&mut self, name: Option<&[u8]>, data: &[u8], tree: &mut Tree, to: &mut dyn Listener) -> Result<(), Failure> {
        let data = data.trim_ascii();
        if data == b"[DONE]" {
            to.hear(0, Delta::End);
            return Ok(());
        }
        let Ok(root) = tree.read(data) else {
            return Err(if name == Some(b"error") { Failure::Error(Box::new(read_error(data))) } else { Failure::Malformed });
        };
        self.read(root, "delta", to)?;
        if name == Some(b"error") { Err(Failure::Error(Box::new(read_error(data)))) } else { Ok(()) }
    }

    /// Reads a whole answer.
    ///
    /// # Errors
    /// It says that the provider failed, or holds no choices.
    pub fn whole(&mut self, root: Value<'_>, to: &mut dyn Listener) -> Result<(), Failure> {
        if root.get("choices").is_none() && root.get("error").is_none() {
            return Err(Failure::Malformed);
        }
        self.read(root, "message", to)?;
        to.hear(0, Delta::End);
        Ok(())
    }

    fn read(&mut self, root: Value<'_>, message: &str, to: &mut dyn Listener) -> Result<(), Failure> {
        let other = if message == "delta" { "message" } else { "delta" };
        if root.get("error").is_some() {
            return Err(Failure::Error(Box::new(read_error(root.raw()))));
        }
        let choices = root.get("choices");
        if choices.is_none()
            && root.get("usage").is_none()
            && root.get("object").is_none_or(|kind| kind.str().is_some_and(|kind| kind.is("error")))
        {
            let fields = read_error(root.raw());
            return if fields.message.is_empty() { Ok(()) } else { Err(Failure::Error(Box::new(fields))) };
        }
        // Azure's first event has the verdicts on the prompt, and neither a name nor a choice.
        if !self.begun && choices.is_some_and(|choices| choices.elements().next().is_none()) && root.get("usage").is_none() {
            return Ok(());
        }
        if !std::mem::replace(&mut self.begun, true) {
            to.hear(0, Delta::Begin { id: root.text("id"), model: root.text("model") });
        }
        for (at, choice) in choices.into_iter().flat_map(Value::elements).enumerate() {
            // Compatible servers leave the index out.
            let index = choice.get("index").and_then(Value::u64).unwrap_or(at as u64).min(CHOICES_MAX as u64 - 1) as u32;
            let tokens = choice.get("logprobs").and_then(|logprobs| logprobs.get("content"));
            if let Some(tokens) = tokens.filter(|tokens| tokens.elements().next().is_some()) {
                to.hear(index, Delta::Logprobs(tokens.raw()));
            }
            let said = choice.get(message).or_else(|| choice.get(other));
            if let Some(said) = said {
                self.said(index, said, to);
            }
            if let Some(text) = choice.text("text").filter(|text| !text.is_empty()) {
                to.hear(index, Delta::Text(text));
            }
            if let Some(reason) = choice.text("finish_reason").filter(|reason| !reason.is_empty()) {
                to.hear(index, Delta::Finish { reason: Finish::parse(reason.raw()), stop: choice.text("stop_reason") });
            }
        }
        // Groq tells them in a place of its own as well.
        let usage = root.get("usage").or_else(|| root.get("x_groq")?.get("usage"));
        if let Some(usage) = usage.filter(|usage| usage.is_object()) {
            to.hear(0, Delta::Usage(read_usage(usage)));
        }
        Ok(())
    }

    fn said(&mut self, choice: u32, said: Value<'_>, to: &mut dyn Listener) {
        let thought = said.text("reasoning_content").or_else(|| said.text("reasoning")).filter(|text| !text.is_empty());
        if let Some(text) = thought {
            to.hear(choice, Delta::Thought(text));
        }
        if let Some(content) = said.get("content") {
            match content.str() {
                Some(text) if text.is_empty() => {}
                Some(text) => to.hear(choice, Delta::Text(text)),
                None => content.elements().for_each(|part| told(choice, part, to)),
            }
        }
        if let Some(text) = said.text("refusal").filter(|text| !text.is_empty()) {
            to.hear(choice, Delta::Refusal(text));
        }
        for note in said.get("annotations").into_iter().flat_map(Value::elements) {
            if let Some((url, title)) = note.get("url_citation").and_then(|cited| Some((cited.text("url")?, cited.text("title")))) {
                to.hear(choice, Delta::Citation { url, title });
            }
        }
        for call in said.get("tool_calls").into_iter().flat_map(Value::elements) {
            self.call(choice, call, to);
        }
        if let Some(function) = said.get("function_call") {
            self.function(choice, None, None, None, function, to);
        }
    }

    fn call(&mut self, choice: u32, call: Value<'_>, to: &mut dyn Listener) {
        let seal = call.get("extra_content").and_then(|extra| extra.get("google")).and_then(|google| google.text("thought_signature"));
        let seal = seal.map(|text| Signature::read(text, Dialect::Gemini));
        let index = call.get("index").and_then(Value::u64);
        if let Some(function) = call.get("function") {
            self.function(choice, index, call.text("id").filter(|id| !id.is_empty()), seal, function, to);
        }
    }

    fn function(
        &mut self,
        choice: u32,
        index: Option<u64>,
        id: Option<Str<'_>>,
        signature: Option<Signature<'_>>,
        function: Value<'_>,
        to: &mut dyn Listener,
    ) {
        let at = choice as usize;
        if self.calls.len() <= at {
            self.calls.resize(at + 1, Calls::default());
        }
        let calls = &mut self.calls[at];
        let name = function.text("name").filter(|name| !name.is_empty());
        let index = match (calls.found(index, id, name.is_some()), name) {
            (Some(index), _) => index as u32,
            (None, Some(name)) if calls.numbers.len() < CALLS_MAX => {
                let number = calls.numbers.len();
                calls.numbers.push(index.unwrap_or(number as u64));
                calls.id = id.map(|id| id.raw().to_vec()).unwrap_or_default();
                to.hear(choice, Delta::Call { index: number as u32, id, name, signature });
                number as u32
            }
            (None, _) => return,
        };
        match function.get("arguments") {
            Some(value) if value.is_object() => to.hear(choice, Delta::Object { index, json: value.raw() }),
            Some(value) => {
                if let Some(text) = value.str().filter(|text| !text.is_empty()) {
                    to.hear(choice, Delta::Arguments { index, text });
                }
            }
            None => {}
        }
    }
}

/// A part of an answer whose content is a list, as Mistral's models that reason have it.
fn told(choice: u32, part: Value<'_>, to: &mut dyn Listener) {
    if let Some(thinking) = part.get("thinking") {
        for thought in thinking.elements().filter_map(|thought| thought.text("text")) {
            to.hear(choice, Delta::Thought(thought));
        }
    } else if let Some(text) = part.text("text").filter(|text| !text.is_empty()) {
        to.hear(choice, Delta::Text(text));
    } else if let Some(text) = part.text("refusal") {
        to.hear(choice, Delta::Refusal(text));
    }
}

/// Reads token counts: `cached_tokens` is a part of the prompt's, `reasoning_tokens` of the answer's.
/// DeepSeek and Moonshot tell the former in words of their own, and xAI counts the latter beside the answer,
/// which the total shows.
pub fn read_usage(usage: Value<'_>) -> Usage {
    let number = |name: &str| usage.get(name).and_then(Value::u64);
    let prompt = usage.get("prompt_tokens_details");
    let answer = usage.get("completion_tokens_details");
    let (input, output) = (number("prompt_tokens"), number("completion_tokens"));
    let reasoning = answer.and_then(|details| details.get("reasoning_tokens")?.u64());
    let beside = reasoning.unwrap_or(0);
    let apart = beside > 0
        && number("total_tokens") == input.zip(output).and_then(|(input, output)| input.checked_add(output)?.checked_add(beside));
    Usage {
        input,
        output: output.map(|output| if apart { output.saturating_add(beside) } else { output }),
        total: number("total_tokens"),
        cached: prompt
            .and_then(|details| details.get("cached_tokens")?.u64())
            .or_else(|| number("prompt_cache_hit_tokens").or_else(|| number("cached_tokens"))),
        cache_write: prompt.and_then(|details| details.get("cache_write_tokens")?.u64()),
        reasoning,
    }
}
