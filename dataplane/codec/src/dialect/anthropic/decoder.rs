//! Reads answers of Messages: whole ones, and the events of a stream.

use crate::dialect::answer::escape_json_into;
use crate::dialect::read_error;
use crate::dialect::{Delta, Dialect, Failure, Listener, Signature};
use crate::json::{Finish, Shape, Str, Text, Tree, Usage, Value};

/// What is known of a stream so far.
#[derive(Debug, Default)]
pub struct Decoder {
    unwrapped: Option<&'static str>,
    begun: bool,
    /// How many calls began.
    calls_count: u32,
    block: Block,
    tokens: Tokens,
}

/// The block that is open. They come one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Block {
    /// None, or one of text or thinking.
    #[default]
    Plain,
    /// The last call.
    Call(Given),
    /// A call that is the answer itself.
    Unwrapped(Given),
    /// One that nothing is told of: what the provider's own tools do.
    Other,
}

/// What was told of a call's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Given {
    Nothing,
    Pieces,
    /// All of it, where the block began.
    Whole,
}

/// Token counts in Anthropic's arithmetic: the parts of the prompt exclude each other.
#[derive(Clone, Copy, Debug, Default)]
struct Tokens {
    fresh: Option<u64>,
    cache_write: Option<u64>,
    cache_read: Option<u64>,
    output: Option<u64>,
    thinking: Option<u64>,
}

impl Tokens {
    /// Later counts replace earlier ones; a 0 is no count where there was one.
    fn read(&mut self, usage: Value<'_>) {
        let newer = |old: &mut Option<u64>, value: Option<Value<'_>>| {
            if let Some(number) = value.and_then(Value::u64).filter(|number| *number > 0 || old.is_none()) {
                *old = Some(number);
            }
        };
        newer(&mut self.fresh, usage.get("input_tokens"));
        newer(&mut self.cache_write, usage.get("cache_creation_input_tokens"));
        newer(&mut self.cache_read, usage.get("cache_read_input_tokens"));
        newer(&mut self.output, usage.get("output_tokens"));
        newer(&mut self.thinking, usage.get("output_tokens_details").and_then(|details| details.get("thinking_tokens")));
    }

    fn usage(&self) -> Usage {
        let parts = [self.fresh, self.cache_write, self.cache_read];
        let known = parts.iter().any(Option::is_some);
        let input = parts.into_iter().flatten().fold(0, u64::saturating_add);
        Usage {
            input: known.then_some(input),
            output: self.output,
            total: None,
            cached: self.cache_read,
            cache_write: self.cache_write,
            reasoning: self.thinking,
        }
    }
}

impl Decoder {
    /// The decoder of one answer. Calls of the tool `unwrapped` are told as text.
    pub fn new(unwrapped: Option<&'static str>) -> Decoder {
        Decoder { unwrapped, ..Decoder::default() }
    }

    /// Reads an event of a stream.
    ///
    /// # Errors
    /// It says that the provider failed, or nothing that can be read.
    pub fn event(&mut self, name: Option<&[u8]>, data: &[u8], tree: &mut Tree, to: &mut dyn Listener) -> Result<(), Failure> {
        let data = data.trim_ascii();
        let Ok(root) = tree.read(data) else {
            // A gateway in between may end a stream of its own accord, in its own words.
            return Err(if name == Some(b"error") { Failure::Error(Box::new(read_error(data))) } else { Failure::Malformed });
        };
        let kind = root.text("type").or(name.map(Str::escaped)).unwrap_or(Str::plain(""));
        let kind = kind.decode();
        if name == Some(b"error") || kind == "error" || root.get("error").is_some() {
            return Err(failure(root));
        }
        match &*kind {
            "message_start" => {
                if let Some(message) = root.get("message") {
                    self.begin(message, to);
                }
            }
            "content_block_start" => {
                if let Some(block) = root.get("content_block") {
                    self.open(block, to);
                }
            }
            "content_block_delta" => {
                if let Some(delta) = root.get("delta") {
                    self.piece(delta, to);
                }
            }
            "content_block_stop" => self.close(to),
            "message_delta" => {
                self.usage(root, to);
                if let Some(delta) = root.get("delta") {
                    self.finish(delta, to);
                }
            }
            "message_stop" => to.hear(0, Delta::End),
            // Pings, and what is yet to be invented.
            _ => {}
        }
        Ok(())
    }

    /// Reads a whole answer, its end included.
    ///
    /// # Errors
    /// It says that the provider failed, or nothing that can be read.
    pub fn whole(&mut self, root: Value<'_>, to: &mut dyn Listener) -> Result<(), Failure> {
        if root.get("error").is_some() || root.text("type").is_some_and(|kind| kind.is("error")) {
            return Err(failure(root));
        }
        let content = root.get("content").filter(|content| content.shape() == Shape::Array).ok_or(Failure::Malformed)?;
        self.begin(root, to);
        for block in content.elements() {
            self.open(block, to);
            self.close(to);
        }
        self.finish(root, to);
        to.hear(0, Delta::End);
        Ok(())
    }

    fn begin(&mut self, message: Value<'_>, to: &mut dyn Listener) {
        if !std::mem::replace(&mut self.begun, true) {
            to.hear(0, Delta::Begin { id: message.text("id"), model: message.text("model") });
        }
        self.usage(message, to);
    }

    fn usage(&mut self, root: Value<'_>, to: &mut dyn Listener) {
        if let Some(usage) = root.get("usage").filter(|usage| usage.is_object()) {
            self.tokens.read(usage);
            to.hear(0, Delta::Usage(self.tokens.usage()));
        }
    }

    /// A block begins, with all of its content when it is that of a whole answer.
    fn open(&mut self, block: Value<'_>, to: &mut dyn Listener) {
        let kind = block.text("type").unwrap_or(Str::plain(""));
        self.block = Block::Plain;
        match &*kind.decode() {
            "text" => {
                told(block, "text", Delta::Text, to);
                block.get("citations").into_iter().flat_map(Value::elements).for_each(|source| citation(source, to));
            }
            "thinking" => {
                told(block, "thinking", Delta::Thought, to);
                seal(block.text("signature"), Delta::Sealed, to);
            }
            "redacted_thinking" => seal(block.text("data"), Delta::Redacted, to),
            "tool_use" => self.call(block, to),
            // Tools that the provider runs itself, and what they answered.
            _ => self.block = Block::Other,
        }
    }

    fn call(&mut self, block: Value<'_>, to: &mut dyn Listener) {
        let Some(name) = block.text("name") else {
            self.block = Block::Other;
            return;
        };
        let input = block.get("input").filter(|input| input.members().next().is_some());
        let given = if input.is_some() { Given::Whole } else { Given::Nothing };
        if self.unwrapped.is_some_and(|unwrapped| name.is(unwrapped)) {
            if let Some(input) = input {
                unwrap(input.raw(), to);
            }
            self.block = Block::Unwrapped(given);
            return;
        }
        let index = self.calls_count;
        self.calls_count += 1;
        self.block = Block::Call(given);
        to.hear(0, Delta::Call { index, id: block.text("id").filter(|id| !id.is_empty()), name, signature: None });
        if let Some(input) = input {
            to.hear(0, Delta::Object { index, json: input.raw() });
        }
    }

    fn piece(&mut self, delta: Value<'_>, to: &mut dyn Listener) {
        let kind = delta.text("type").unwrap_or(Str::plain(""));
        match (&*kind.decode(), self.block) {
            (_, Block::Other) => {}
            ("text_delta", _) => told(delta, "text", Delta::Text, to),
            ("thinking_delta", _) => told(delta, "thinking", Delta::Thought, to),
            ("signature_delta", _) => seal(delta.text("signature"), Delta::Sealed, to),
            ("citations_delta", _) => delta.get("citation").into_iter().for_each(|source| citation(source, to)),
            ("input_json_delta", Block::Call(Given::Nothing | Given::Pieces)) => {
                let index = self.calls_count.saturating_sub(1);
                if let Some(text) = delta.text("partial_json").filter(|text| !text.is_empty()) {
                    self.block = Block::Call(Given::Pieces);
                    to.hear(0, Delta::Arguments { index, text });
                }
            }
            ("input_json_delta", Block::Unwrapped(Given::Nothing | Given::Pieces)) => {
                if let Some(text) = delta.text("partial_json").filter(|text| !text.is_empty()) {
                    self.block = Block::Unwrapped(Given::Pieces);
                    to.hear(0, Delta::Text(text));
                }
            }
            _ => {}
        }
    }

    /// The block ends. An input without members was told in no piece.
    fn close(&mut self, to: &mut dyn Listener) {
        match std::mem::take(&mut self.block) {
            Block::Call(Given::Nothing) => {
                to.hear(0, Delta::Object { index: self.calls_count.saturating_sub(1), json: b"{}" });
            }
            Block::Unwrapped(Given::Nothing) => to.hear(0, Delta::Text(Str::plain("{}"))),
            Block::Call(_) | Block::Unwrapped(_) | Block::Plain | Block::Other => {}
        }
    }

    fn finish(&mut self, told: Value<'_>, to: &mut dyn Listener) {
        let Some(word) = told.text("stop_reason").filter(|word| !word.is_empty()) else { return };
        let reason = match &*word.decode() {
            "end_turn" | "stop_sequence" => Finish::Stop,
            "max_tokens" | "model_context_window_exceeded" => Finish::Length,
            // The only call was the answer.
            "tool_use" if self.calls_count == 0 && self.unwrapped.is_some() => Finish::Stop,
            "tool_use" => Finish::ToolCalls,
            "refusal" => Finish::ContentFilter,
            // `pause_turn` among them: neither done nor cut short.
            other => Finish::parse(other.as_bytes()),
        };
        let explanation = told.get("stop_details").and_then(|details| details.text("explanation"));
        if let Some(text) = explanation.filter(|text| !text.is_empty() && reason == Finish::ContentFilter) {
            to.hear(0, Delta::Refusal(text));
        }
        to.hear(0, Delta::Finish { reason, stop: told.text("stop_sequence") });
    }
}

/// What an error says. Its code lies deeper than elsewhere.
fn failure(root: Value<'_>) -> Failure {
    let mut fields = read_error(root.raw());
    let details = root.get("error").and_then(|error| error.get("details"));
    if let Some(code) = details.and_then(|details| details.text("error_code")).filter(|_| fields.code.is_empty()) {
        fields.code = Text::new(code.decode().as_bytes());
    }
    Failure::Error(Box::new(fields))
}

/// Tells the text that is the member of this name.
fn told<'e>(of: Value<'e>, name: &str, delta: impl FnOnce(Str<'e>) -> Delta<'e>, to: &mut dyn Listener) {
    if let Some(text) = of.text(name).filter(|text| !text.is_empty()) {
        to.hear(0, delta(text));
    }
}

fn seal<'e>(text: Option<Str<'e>>, delta: impl FnOnce(Signature<'e>) -> Delta<'e>, to: &mut dyn Listener) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        to.hear(0, delta(Signature::read(text, Dialect::Anthropic)));
    }
}

/// Tells where a text comes from when that is an address, and no place in a document of the request.
fn citation(source: Value<'_>, to: &mut dyn Listener) {
    if let Some(url) = source.text("url").or_else(|| source.text("source")).filter(|url| !url.is_empty()) {
        to.hear(0, Delta::Citation { url, title: source.text("title") });
    }
}

/// Tells a JSON object as the text that it is.
fn unwrap(json: &[u8], to: &mut dyn Listener) {
    let mut text = Vec::with_capacity(json.len() + json.len() / 8);
    escape_json_into(json, &mut text);
    to.hear(0, Delta::Text(Str::escaped(&text)));
}
