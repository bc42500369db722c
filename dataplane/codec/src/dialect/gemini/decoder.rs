//! Reads answers: whole ones, and the events of a stream.

use super::logprobs;
use crate::dialect::answer::CHOICES_MAX;
use crate::dialect::read_error;
use crate::dialect::{Delta, Dialect, Failure, Listener, Signature};
use crate::json::{Finish, Shape, Str, Tree, Usage, Value};

/// What is known of a stream so far.
#[derive(Debug, Default)]
pub struct Decoder {
    begun: bool,
    /// How many calls each candidate has made. `calls.len() <= CHOICES_MAX`.
    calls: Vec<u32>,
}

/// The members of an answer that mean something here.
#[derive(Default)]
struct Root<'e> {
    candidates: Option<Value<'e>>,
    feedback: Option<Value<'e>>,
    usage: Option<Value<'e>>,
    id: Option<Str<'e>>,
    model: Option<Str<'e>>,
    error: bool,
}

impl Decoder {
    /// Reads an event of a stream.
    ///
    /// # Errors
    /// It says that the provider failed, or nothing that can be read.
    pub fn event(&mut self, name: Option<&[u8]>, data: &[u8], tree: &mut Tree, to: &mut dyn Listener) -> Result<(), Failure> {
        let data = data.trim_ascii();
        // Imitators end their streams as OpenAI does; here the end of the bytes says it.
        if data.is_empty() || data == b"[DONE]" {
            return Ok(());
        }
        if name == Some(b"error") {
            return Err(failed(data));
        }
        let root = tree.read(data).map_err(|_| Failure::Malformed)?;
        match root.shape() {
            Shape::Object => {}
            // An error alone in a list is what the API answers where a stream was asked for.
            Shape::Array if root.elements().any(|element| element.get("error").is_some()) => return Err(failed(data)),
            _ => return Err(Failure::Malformed),
        }
        self.read(root, to)?;
        Ok(())
    }

    /// Reads a whole answer, its end included.
    ///
    /// # Errors
    /// It says that the provider failed, or nothing that can be read.
    pub fn whole(&mut self, root: Value<'_>, to: &mut dyn Listener) -> Result<(), Failure> {
        if !root.is_object() {
            return Err(Failure::Malformed);
        }
        match self.read(root, to)? {
            Told::Nothing => return Err(Failure::Malformed),
            // Neither a candidate nor a reason why there is none: nobody can call that an answer.
            Told::Numbers => to.hear(0, Delta::Finish { reason: Finish::Error, stop: None }),
            Told::Answer => {}
        }
        to.hear(0, Delta::End);
        Ok(())
    }

    fn read(&mut self, root: Value<'_>, to: &mut dyn Listener) -> Result<Told, Failure> {
        let found = members(root);
        if found.error {
            return Err(failed(root.raw()));
        }
        if found.candidates.is_none() && found.feedback.is_none() && found.usage.is_none() {
            let fields = read_error(root.raw());
            return if fields.message.is_empty() { Ok(Told::Nothing) } else { Err(Failure::Error(Box::new(fields))) };
        }
        if !std::mem::replace(&mut self.begun, true) {
            to.hear(0, Delta::Begin { id: found.id, model: found.model });
        }
        let mut told = Told::Numbers;
        for (at, candidate) in found.candidates.into_iter().flat_map(Value::elements).enumerate() {
            told = Told::Answer;
            self.candidate(at, candidate, to);
        }
        let blocked = found.feedback.and_then(|feedback| feedback.text("blockReason").or_else(|| feedback.text("block_reason")));
        if matches!(told, Told::Numbers) && blocked.is_some_and(|reason| !reason.is_empty()) {
            told = Told::Answer;
            to.hear(0, Delta::Finish { reason: Finish::ContentFilter, stop: None });
        }
        if let Some(usage) = found.usage.filter(|usage| usage.is_object()) {
            to.hear(0, Delta::Usage(read_usage(usage)));
        }
        Ok(told)
    }

    fn candidate(&mut self, at: usize, candidate: Value<'_>, to: &mut dyn Listener) {
        let mut index = at as u64;
        let mut content = None;
        let mut finish = None;
        let mut sources = [None; 2];
        let mut probabilities = None;
        for (name, value) in candidate.members().filter(|(_, value)| !value.is_null()) {
            match name.raw() {
                b"index" => index = value.u64().unwrap_or(index),
                b"content" => content = value.get("parts"),
                b"finishReason" | b"finish_reason" => finish = value.str(),
                b"groundingMetadata" | b"grounding_metadata" => sources[0] = Some(value),
                b"citationMetadata" | b"citation_metadata" => sources[1] = Some(value),
                b"logprobsResult" | b"logprobs_result" => probabilities = Some(value),
                _ => {}
            }
        }
        let index = index.min(CHOICES_MAX as u64 - 1) as u32;
        if let Some(found) = probabilities {
            let mut tokens = Vec::with_capacity(found.raw().len());
            logprobs::read(found, &mut tokens);
            if tokens != b"[]" {
                to.hear(index, Delta::Logprobs(&tokens));
            }
        }
        content.into_iter().flat_map(Value::elements).for_each(|part| self.part(index, part, to));
        sources.into_iter().flatten().for_each(|found| cited(index, found, to));
        if let Some(reason) = finish.and_then(|word| reason(word, self.has_called(index))) {
            to.hear(index, Delta::Finish { reason, stop: None });
        }
    }

    fn part(&mut self, choice: u32, part: Value<'_>, to: &mut dyn Listener) {
        let mut text = None;
        let mut thought = false;
        let mut signature = None;
        let mut call = None;
        for (name, value) in part.members() {
            match name.raw() {
                b"text" => text = value.str().filter(|text| !text.is_empty()),
                b"thought" => thought = value.bool() == Some(true),
                b"thoughtSignature" | b"thought_signature" => {
                    signature = value.str().filter(|seal| !seal.is_empty()).map(|text| Signature { origin: Dialect::Gemini, text });
                }
                b"functionCall" | b"function_call" => call = Some(value),
                b"inlineData" | b"inline_data" | b"fileData" | b"file_data" | b"executableCode" | b"codeExecutionResult" => {
                    to.hear(choice, Delta::Untold);
                }
                _ => {}
            }
        }
        match (call, text) {
            (Some(call), _) => self.call(choice, call, signature, to),
            (None, Some(text)) if thought => to.hear(choice, Delta::Thought(text)),
            // A seal on a text that can be seen has no place in other dialects, and Google does not ask for it back.
            (None, Some(text)) => to.hear(choice, Delta::Text(text)),
            (None, None) => {}
        }
        if let Some(seal) = signature.filter(|_| thought && call.is_none()) {
            to.hear(choice, Delta::Sealed(seal));
        }
    }

    fn call(&mut self, choice: u32, call: Value<'_>, signature: Option<Signature<'_>>, to: &mut dyn Listener) {
        let Some(name) = call.text("name").filter(|name| !name.is_empty()) else { return };
        let at = choice as usize;
        if self.calls.len() <= at {
            self.calls.resize(at + 1, 0);
        }
        let index = self.calls[at];
        self.calls[at] = index.saturating_add(1);
        to.hear(choice, Delta::Call { index, id: call.text("id").filter(|id| !id.is_empty()), name, signature });
        let json = call.get("args").filter(|args| args.is_object()).map_or(&b"{}"[..], Value::raw);
        to.hear(choice, Delta::Object { index, json });
    }

    fn has_called(&self, choice: u32) -> bool {
        self.calls.get(choice as usize).is_some_and(|count| *count > 0)
    }
}

/// What was in an answer.
enum Told {
    /// Nothing of this dialect.
    Nothing,
    /// Token counts, or feedback without a reason to it.
    Numbers,
    /// A candidate, or why there is none.
    Answer,
}

fn failed(body: &[u8]) -> Failure {
    Failure::Error(Box::new(read_error(body)))
}

fn members(root: Value<'_>) -> Root<'_> {
    let mut found = Root::default();
    for (name, value) in root.members().filter(|(_, value)| !value.is_null()) {
        match name.raw() {
            b"candidates" => found.candidates = Some(value),
            b"promptFeedback" | b"prompt_feedback" => found.feedback = Some(value),
            b"usageMetadata" | b"usage_metadata" => found.usage = Some(value),
            b"responseId" | b"response_id" => found.id = value.str(),
            b"modelVersion" | b"model_version" => found.model = value.str(),
            b"error" => found.error = true,
            _ => {}
        }
    }
    found
}

/// Tells where what was said comes from: the web, or a work that it repeats.
fn cited(choice: u32, found: Value<'_>, to: &mut dyn Listener) {
    let chunks = found.get("groundingChunks").or_else(|| found.get("grounding_chunks"));
    let web = chunks.into_iter().flat_map(Value::elements).filter_map(|chunk| chunk.get("web"));
    let works = found.get("citations").or_else(|| found.get("citationSources")).into_iter().flat_map(Value::elements);
    for source in web.chain(works) {
        if let Some(url) = source.text("uri").filter(|url| !url.is_empty()) {
            to.hear(choice, Delta::Citation { url, title: source.text("title") });
        }
    }
}

/// Why a candidate ended. That it calls tools has no word of its own, and only `STOP` is no mishap.
fn reason(word: Str<'_>, called: bool) -> Option<Finish> {
    Some(match word.raw() {
        b"" | b"FINISH_REASON_UNSPECIFIED" => return None,
        b"STOP" if called => Finish::ToolCalls,
        b"STOP" => Finish::Stop,
        b"MAX_TOKENS" | b"CONTINUATION" => Finish::Length,
        b"SAFETY" | b"RECITATION" | b"LANGUAGE" | b"BLOCKLIST" | b"PROHIBITED_CONTENT" | b"SPII" | b"MODEL_ARMOR" | b"ESCALATION" => {
            Finish::ContentFilter
        }
        b"IMAGE_SAFETY" | b"IMAGE_PROHIBITED_CONTENT" | b"IMAGE_RECITATION" | b"PUP_LIMITED_DISABLED" => Finish::ContentFilter,
        b"OTHER" | b"MALFORMED_FUNCTION_CALL" | b"UNEXPECTED_TOOL_CALL" | b"TOO_MANY_TOOL_CALLS" | b"MISSING_THOUGHT_SIGNATURE" => {
            Finish::Error
        }
        b"MALFORMED_RESPONSE" | b"IMAGE_OTHER" | b"NO_IMAGE" => Finish::Error,
        _ => Finish::Other,
    })
}

/// Reads token counts: thoughts are counted beside the answer, and so is what tools brought into the prompt.
/// A count of 0 is left out.
pub fn read_usage(usage: Value<'_>) -> Usage {
    let mut counts = Usage::default();
    let (mut prompt, mut tools, mut candidates, mut thoughts) = (None, 0, None, None);
    for (name, value) in usage.members() {
        match name.raw() {
            b"promptTokenCount" | b"prompt_token_count" => prompt = value.u64(),
            b"toolUsePromptTokenCount" | b"tool_use_prompt_token_count" => tools = value.u64().unwrap_or(0),
            b"candidatesTokenCount" | b"candidates_token_count" => candidates = value.u64(),
            b"thoughtsTokenCount" | b"thoughts_token_count" => thoughts = value.u64(),
            b"cachedContentTokenCount" | b"cached_content_token_count" => counts.cached = value.u64(),
            b"totalTokenCount" | b"total_token_count" => counts.total = value.u64(),
            _ => {}
        }
    }
    counts.input = prompt.map(|prompt: u64| prompt.saturating_add(tools));
    counts.output = Some(candidates.unwrap_or(0_u64).saturating_add(thoughts.unwrap_or(0)));
    counts.reasoning = thoughts;
    counts
}
