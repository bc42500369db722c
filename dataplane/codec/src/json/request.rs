//! What a tenant's request says, read while it arrives.

use std::ops::Range;

use super::machine::{Scalar, Sink};
use super::{Code, Machine, Refusal, Text};

/// The longest name of a model.
pub const MODEL_SIZE_MAX: usize = 256;
/// The most members at the top level. The largest documented request has some forty.
pub const KEYS_MAX: usize = 64;

/// What was read from a request. Offsets count from the start of the body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// `model`, decoded. `None` when the member is missing.
    pub model: Option<Text<MODEL_SIZE_MAX>>,
    /// Where the value of `model` lies, quotes included; empty when it is missing.
    pub model_range: Range<usize>,
    /// `stream`; null and absent are false.
    pub stream: bool,
    /// Where the value of `stream_options` lies.
    pub stream_options: Option<Range<usize>>,
    /// `stream_options.include_usage` is true.
    pub include_usage: bool,
    /// One past the brace that opens the body: where members may be inserted.
    pub open: usize,
    /// The body has no members, so that an inserted one takes no comma.
    pub empty: bool,
    /// `max_completion_tokens`, `max_output_tokens` or `max_tokens`, the largest of them.
    pub max_tokens: Option<u64>,
    /// `n`, the number of answers asked for.
    pub n: Option<u64>,
    /// The bytes of all string values, as sent: an upper estimate of the prompt.
    pub prompt_bytes: u64,
    /// `tools` or `functions` is a value other than null.
    pub tools: bool,
    /// `response_format` is a value other than null.
    pub response_format: bool,
    /// `reasoning` or `reasoning_effort` is a value other than null.
    pub reasoning: bool,
    /// There is something in it that not every model of every provider can be told, or may be: a
    /// member that is not among the plainest, or contents of messages that are no bare strings.
    pub rich: bool,
}

/// Scans a request body that arrives in segments. Fixed size; it allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct RequestScan {
    machine: Machine<MODEL_SIZE_MAX>,
    sink: RequestSink,
}

// It lives in the future of every exchange.
const _: () = assert!(size_of::<RequestScan>() <= 1536);

impl RequestScan {
    /// A scan that has seen nothing.
    pub fn new() -> RequestScan {
        RequestScan::default()
    }

    /// Forgets what it has seen.
    pub fn restart(&mut self) {
        self.machine.restart();
        self.sink.restart();
    }

    /// What was read so far; all that there is to know once [`RequestScan::finish`] has agreed.
    pub fn facts(&self) -> &Facts {
        &self.sink.facts
    }

    /// Reads the next segment of the body. After a refusal every further call refuses.
    pub fn feed(&mut self, segment: &[u8]) -> Result<(), Refusal> {
        self.machine.feed(segment, &mut self.sink)
    }

    /// The body has ended.
    pub fn finish(&mut self) -> Result<&Facts, Refusal> {
        self.machine.finish(&mut self.sink)?;
        Ok(&self.sink.facts)
    }
}

/// The members at the top level that mean something here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Member {
    #[default]
    Other,
    Model,
    Stream,
    StreamOptions,
    MaxTokens,
    Count,
    Tools,
    ResponseFormat,
    Reasoning,
    /// Everybody understands it, or nobody has to.
    Plain,
}

#[derive(Clone, Debug)]
struct RequestSink {
    facts: Facts,
    member: Member,
    /// Within `stream_options`, the member is `include_usage`.
    include_usage: bool,
    stream_options_start: usize,
    /// `keys_count <= KEYS_MAX`
    keys_count: usize,
    keys: [u64; KEYS_MAX],
}

impl RequestSink {
    fn restart(&mut self) {
        // What lies behind `keys_count` is never read.
        let RequestSink { facts, member, include_usage, stream_options_start, keys_count, keys: _ } = self;
        *facts = Facts { empty: true, ..Facts::default() };
        *member = Member::Other;
        *include_usage = false;
        *stream_options_start = 0;
        *keys_count = 0;
    }
}

impl Default for RequestSink {
    fn default() -> RequestSink {
        RequestSink {
            facts: Facts { empty: true, ..Facts::default() },
            member: Member::Other,
            include_usage: false,
            stream_options_start: 0,
            keys_count: 0,
            keys: [0; KEYS_MAX],
        }
    }
}

impl Sink for RequestSink {
    #[inline]
    fn key(&mut self, depth: usize, name: &[u8], whole: bool, _: Range<usize>) -> Result<(), Code> {
        match depth {
            1 => self.top_level_key(name, whole),
            2 if self.member == Member::StreamOptions => {
                self.include_usage = name == b"include_usage";
                Ok(())
            }
            _ => Ok(()),
        }
    }

    #[inline]
    fn open(&mut self, depth: usize, object: bool, at: usize) -> Result<(), Code> {
        match depth {
            0 if !object => Err(Code::NotAnObject),
            0 => {
                self.facts.open = at + 1;
                Ok(())
            }
            1 => {
                if self.member == Member::StreamOptions {
                    self.stream_options_start = at;
                }
                self.note_container()
            }
            2 => {
                self.include_usage = false;
                Ok(())
            }
            // The parts of a message, or its calls.
            3 => {
                self.facts.rich = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    #[inline]
    fn close(&mut self, depth: usize, end: usize) -> Result<(), Code> {
        if depth == 1 && self.member == Member::StreamOptions {
            self.facts.stream_options = Some(self.stream_options_start..end);
        }
        Ok(())
    }

    #[inline]
    fn wants(&self, depth: usize) -> bool {
        depth == 1 && self.member == Member::Model
    }

    #[inline]
    fn scalar(&mut self, depth: usize, value: Scalar<'_>, range: Range<usize>) -> Result<(), Code> {
        if let Scalar::Text { size, .. } = value {
            self.facts.prompt_bytes += size as u64;
        }
        match depth {
            0 => Err(Code::NotAnObject),
            1 => self.top_level_scalar(value, range),
            2 if self.include_usage && self.member == Member::StreamOptions => {
                self.facts.include_usage = matches!(value, Scalar::Bool(true));
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl RequestSink {
    fn top_level_key(&mut self, name: &[u8], whole: bool) -> Result<(), Code> {
        if !whole || name.len() > MODEL_SIZE_MAX {
            return Err(Code::KeyTooLong);
        }
        if self.keys_count == KEYS_MAX {
            return Err(Code::TooManyKeys);
        }
        let hash = hash(name);
        if self.keys[..self.keys_count].contains(&hash) {
            return Err(Code::DuplicateKey);
        }
        self.keys[self.keys_count] = hash;
        self.keys_count += 1;
        self.facts.empty = false;
        self.include_usage = false;
        self.member = match name {
            b"model" => Member::Model,
            b"stream" => Member::Stream,
            b"stream_options" => Member::StreamOptions,
            b"max_tokens" | b"max_completion_tokens" | b"max_output_tokens" => Member::MaxTokens,
            b"n" => Member::Count,
            b"tools" | b"functions" => Member::Tools,
            b"response_format" => Member::ResponseFormat,
            b"reasoning" | b"reasoning_effort" => Member::Reasoning,
            b"messages" | b"system" | b"temperature" | b"top_p" | b"user" | b"metadata" | b"store" | b"input" | b"instructions" => {
                Member::Plain
            }
            _ => Member::Other,
        };
        self.facts.rich |=
            matches!(self.member, Member::Other | Member::Count | Member::Tools | Member::ResponseFormat | Member::Reasoning);
        Ok(())
    }

    fn note_container(&mut self) -> Result<(), Code> {
        match self.member {
            Member::Model => Err(Code::ModelInvalid),
            Member::Stream => Err(Code::StreamInvalid),
            _ => {
                self.note_presence();
                Ok(())
            }
        }
    }

    fn note_presence(&mut self) {
        match self.member {
            Member::Tools => self.facts.tools = true,
            Member::ResponseFormat => self.facts.response_format = true,
            Member::Reasoning => self.facts.reasoning = true,
            _ => {}
        }
    }

    fn top_level_scalar(&mut self, value: Scalar<'_>, range: Range<usize>) -> Result<(), Code> {
        match (self.member, value) {
            (Member::Model, Scalar::Text { text, whole, size }) => {
                if !whole && size > MODEL_SIZE_MAX || text.len() > MODEL_SIZE_MAX {
                    return Err(Code::ModelTooLong);
                }
                if !whole {
                    return Err(Code::ModelInvalid);
                }
                self.facts.model = Some(Text::new(text));
                self.facts.model_range = range;
            }
            (Member::Model, _) => return Err(Code::ModelInvalid),
            (Member::Stream, Scalar::Bool(stream)) => self.facts.stream = stream,
            (Member::Stream, Scalar::Null) => {}
            (Member::Stream, _) => return Err(Code::StreamInvalid),
            (Member::StreamOptions, _) => self.facts.stream_options = Some(range),
            (Member::MaxTokens, Scalar::Number(Some(count))) => {
                self.facts.max_tokens = self.facts.max_tokens.max(Some(count));
            }
            (Member::Count, Scalar::Number(count)) => self.facts.n = count,
            (_, Scalar::Null) => {}
            _ => self.note_presence(),
        }
        Ok(())
    }
}

/// Equal names have equal hashes, so that a duplicate is never missed; two different names that
/// collide refuse a request, which only its own sender could have contrived. A secret key would
/// protect nobody.
fn hash(name: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        product as u64 ^ (product >> 64) as u64
    };
    let mut hash = FACTOR ^ name.len() as u64;
    let mut rest = name;
    while let Some((word, tail)) = rest.split_first_chunk::<8>() {
        hash = fold(hash ^ u64::from_le_bytes(*word), FACTOR);
        rest = tail;
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    fold(hash ^ u64::from_le_bytes(last), FACTOR.rotate_left(32) | 1)
}
