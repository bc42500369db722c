//! What a provider's answer says: the whole JSON answer, or one event of a stream.
//!
//! The OpenAI shapes overlap so much (a chat answer, a chat chunk, a completion, a Responses object
//! alone or within an event) that one table of places serves them all.

mod place;

use std::ops::Range;

use super::machine::{Scalar, Sink};
use super::{Code, Machine, Refusal, Text};
use place::Place;

/// Token counts as the provider states them. `input` and `output` are its prompt and completion
/// tokens; `cached` and `cache_write` are parts of `input`, `reasoning` a part of `output`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// `prompt_tokens` or `input_tokens`.
    pub input: Option<u64>,
    /// `completion_tokens` or `output_tokens`.
    pub output: Option<u64>,
    /// `total_tokens`.
    pub total: Option<u64>,
    /// `cached_tokens` of the details.
    pub cached: Option<u64>,
    /// `cache_write_tokens` of the details: a part of `input`, too.
    pub cache_write: Option<u64>,
    /// `reasoning_tokens` of the details.
    pub reasoning: Option<u64>,
}

/// Why a model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// It was done.
    Stop,
    /// The limit on tokens was reached.
    Length,
    /// It wants tools to be called.
    ToolCalls,
    /// A filter stopped it.
    ContentFilter,
    /// The provider gave up (`error`, `network_error`, `insufficient_system_resource`, `abort`).
    Error,
    /// A reason that is not known here.
    Other,
}

impl Finish {
    /// Reads OpenAI's word, or one that imitators use.
    pub fn parse(text: &[u8]) -> Finish {
        match text {
            b"stop" | b"eos" | b"eos_token" | b"end_turn" | b"stop_sequence" => Finish::Stop,
            b"length" | b"max_tokens" | b"model_length" | b"model_context_window_exceeded" => Finish::Length,
            b"tool_calls" | b"function_call" | b"tool_use" => Finish::ToolCalls,
            b"content_filter" | b"sensitive" | b"refusal" => Finish::ContentFilter,
            b"error" | b"network_error" | b"insufficient_system_resource" | b"abort" => Finish::Error,
            _ => Finish::Other,
        }
    }
}

/// `status` of a Responses object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Done.
    Completed,
    /// Ended early, for the reason in `finish`.
    Incomplete,
    /// Ended with an error.
    Failed,
    /// Cancelled by somebody.
    Cancelled,
    /// Not done: queued or in progress.
    Running,
    /// A status that is not known here.
    Other,
}

impl Status {
    fn parse(text: &[u8]) -> Status {
        match text {
            b"completed" => Status::Completed,
            b"incomplete" => Status::Incomplete,
            b"failed" => Status::Failed,
            b"cancelled" => Status::Cancelled,
            b"in_progress" | b"queued" => Status::Running,
            _ => Status::Other,
        }
    }
}

/// What was found in an answer or event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnswerFacts {
    /// There is a top-level `error` other than null.
    pub error: bool,
    /// The token counts, when `usage` is an object.
    pub usage: Option<Usage>,
    /// There is a `choices` array.
    pub has_choices: bool,
    /// How many choices it has.
    pub choices_count: u32,
    /// The first `finish_reason` other than null, or the reason of `incomplete_details`.
    pub finish: Option<Finish>,
    /// `status` of a Responses object.
    pub status: Option<Status>,
    /// Some choice or output has text that a user can see.
    pub text: bool,
    /// Some choice or output has a refusal.
    pub refusal: bool,
    /// Some choice or output calls a tool.
    pub tool: bool,
    /// Some choice or output has audio.
    pub audio: bool,
    /// Some choice or output has reasoning.
    pub reasoning: bool,
    /// There is text in a string at the top level that events of the Responses API have: `delta`,
    /// `text`, `refusal` or `arguments`.
    pub delta: bool,
}

impl AnswerFacts {
    /// Whether there is anything that the user would see or use.
    pub fn has_content(&self) -> bool {
        self.text || self.refusal || self.tool || self.audio
    }
}

/// The strings of an error alone.
impl Capture for super::ErrorFields {
    fn put(&mut self, slot: Slot, text: &[u8]) {
        match slot {
            Slot::ErrorKind => self.kind = Text::new(text),
            Slot::ErrorCode => self.code = Text::new(text),
            Slot::ErrorMessage => self.message = Text::new(text),
            Slot::Type => {}
        }
    }
}

/// Strings that a caller of [`Gather`] may want copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    Type,
    ErrorKind,
    ErrorCode,
    ErrorMessage,
}

/// Where such strings go.
pub(crate) trait Capture {
    fn put(&mut self, slot: Slot, text: &[u8]);
}

impl Capture for () {
    fn put(&mut self, _: Slot, _: &[u8]) {}
}

/// The sink that fills [`AnswerFacts`].
#[derive(Clone, Debug)]
pub(crate) struct Gather<C> {
    pub(crate) facts: AnswerFacts,
    pub(crate) strings: C,
    /// The place of each open container; `path[depth]` holds what lies at `depth + 1`.
    path: [Place; PATH_MAX],
    /// The place of the value that comes next, if it is a member.
    next: Place,
    item: Item,
}

/// Deeper than every place that matters.
const PATH_MAX: usize = 8;

/// What is known of the output item of a Responses object that is open.
#[derive(Clone, Copy, Debug, Default)]
struct Item {
    is_call: bool,
    is_reasoning: bool,
    text: bool,
    refusal: bool,
}

impl<C> Gather<C> {
    pub(crate) fn new(strings: C) -> Gather<C> {
        Gather { facts: AnswerFacts::default(), strings, path: [Place::Skip; PATH_MAX], next: Place::Skip, item: Item::default() }
    }

    /// The place of the value that begins within the container at `depth - 1`.
    #[inline]
    fn place(&self, depth: usize) -> Place {
        match depth {
            0 => Place::Root,
            1..=PATH_MAX => self.path[depth - 1].element().unwrap_or(self.next),
            _ => Place::Skip,
        }
    }

    fn usage(&mut self) -> &mut Usage {
        self.facts.usage.get_or_insert_default()
    }
}

impl<C: Capture> Sink for Gather<C> {
    #[inline]
    fn key(&mut self, depth: usize, name: &[u8], _whole: bool, _: Range<usize>) -> Result<(), Code> {
        self.next = match depth {
            1..=PATH_MAX => self.path[depth - 1].member(name),
            _ => Place::Skip,
        };
        Ok(())
    }

    #[inline]
    fn open(&mut self, depth: usize, object: bool, _at: usize) -> Result<(), Code> {
        let place = self.place(depth);
        if depth < PATH_MAX {
            self.path[depth] = place.container(object);
        }
        match place {
            Place::Choices if !object => self.facts.has_choices = true,
            Place::Choice => self.facts.choices_count = self.facts.choices_count.saturating_add(1),
            Place::Usage if object => {
                self.usage();
            }
            Place::Error => self.facts.error = true,
            Place::Item if object => self.item = Item::default(),
            Place::ToolCall | Place::FunctionCall => self.facts.tool = true,
            Place::Audio => self.facts.audio = true,
            Place::Thought => self.facts.reasoning = true,
            _ => {}
        }
        // Elements of an array that does not matter must not inherit its name.
        self.next = Place::Skip;
        Ok(())
    }

    #[inline]
    fn close(&mut self, depth: usize, _end: usize) -> Result<(), Code> {
        if depth < PATH_MAX && self.path[depth] == Place::Item {
            let item = std::mem::take(&mut self.item);
            self.facts.tool |= item.is_call;
            self.facts.refusal |= item.refusal;
            self.facts.reasoning |= item.is_reasoning;
            self.facts.text |= item.text && !item.is_reasoning;
        }
        Ok(())
    }

    #[inline]
    fn wants(&self, depth: usize) -> bool {
        self.place(depth) != Place::Skip
    }

    #[inline]
    fn scalar(&mut self, depth: usize, value: Scalar<'_>, _: Range<usize>) -> Result<(), Code> {
        let place = self.place(depth);
        if place == Place::Skip {
            return Ok(());
        }
        match value {
            Scalar::Text { text, size, .. } => self.text(place, text, size),
            Scalar::Number(Some(number)) => self.number(place, number),
            Scalar::Number(None) | Scalar::Bool(_) => {
                self.facts.error |= place == Place::Error;
            }
            Scalar::Null => {}
        }
        Ok(())
    }
}

impl<C: Capture> Gather<C> {
    fn text(&mut self, place: Place, text: &[u8], size: usize) {
        let some = size > 0;
        match place {
            Place::Text | Place::Content => self.facts.text |= some,
            Place::PartText => self.facts.text |= some,
            Place::Refusal => self.facts.refusal |= some,
            Place::Thought => self.facts.reasoning |= some,
            Place::ToolCall | Place::FunctionCall => self.facts.tool |= some,
            Place::Delta => self.facts.delta |= some,
            Place::Finish if some => {
                self.facts.finish.get_or_insert(Finish::parse(text));
            }
            Place::Incomplete => {
                self.facts.finish = Some(match text {
                    b"max_output_tokens" => Finish::Length,
                    other => Finish::parse(other),
                });
            }
            Place::Status => self.facts.status = Some(Status::parse(text)),
            Place::ItemType => {
                self.item.is_call = text.ends_with(b"_call");
                self.item.is_reasoning = text == b"reasoning";
            }
            Place::ItemText => self.item.text |= some,
            Place::ItemRefusal => self.item.refusal |= some,
            Place::Type => self.strings.put(Slot::Type, text),
            Place::ErrorKind => self.strings.put(Slot::ErrorKind, text),
            Place::ErrorCode => self.strings.put(Slot::ErrorCode, text),
            Place::ErrorMessage => self.strings.put(Slot::ErrorMessage, text),
            Place::Error => {
                self.facts.error = true;
                self.strings.put(Slot::ErrorMessage, text);
            }
            _ => {}
        }
    }

    fn number(&mut self, place: Place, number: u64) {
        match place {
            Place::Input => self.usage().input = Some(number),
            Place::Output => self.usage().output = Some(number),
            Place::Total => self.usage().total = Some(number),
            Place::Cached => self.usage().cached = Some(number),
            Place::CacheWrite => self.usage().cache_write = Some(number),
            Place::ReasoningTokens => self.usage().reasoning = Some(number),
            Place::Error => self.facts.error = true,
            Place::ErrorCode => {
                let mut digits = Vec::new();
                crate::head::write_number(&mut digits, number);
                self.strings.put(Slot::ErrorCode, &digits);
            }
            _ => {}
        }
    }
}

/// Longest string that is put together when segments or escapes cut it up: no word that matters, and
/// no name, is longer.
const WORD_SIZE_MAX: usize = 64;

/// Scans a provider's complete JSON answer that arrives in segments.
#[derive(Clone, Debug)]
pub struct AnswerScan {
    machine: Machine<WORD_SIZE_MAX>,
    sink: Gather<()>,
}

// Made anew for every answer.
const _: () = assert!(size_of::<AnswerScan>() <= 448);

impl Default for AnswerScan {
    fn default() -> AnswerScan {
        AnswerScan { machine: Machine::default(), sink: Gather::new(()) }
    }
}

impl AnswerScan {
    /// A scan that has seen nothing.
    pub fn new() -> AnswerScan {
        AnswerScan::default()
    }

    /// Reads the next segment. After a refusal every further call refuses.
    pub fn feed(&mut self, segment: &[u8]) -> Result<(), Refusal> {
        self.machine.feed(segment, &mut self.sink)
    }

    /// The answer has ended.
    pub fn finish(&mut self) -> Result<&AnswerFacts, Refusal> {
        self.machine.finish(&mut self.sink)?;
        Ok(&self.sink.facts)
    }
}
