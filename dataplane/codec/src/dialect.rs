//! The languages of providers and clients, and what is said in them.
//!
//! Between two dialects everything passes through a neutral view: [`prompt::Prompt`] is a request,
//! [`Delta`] a piece of an answer, [`answer::Answer`] a whole one. So each dialect is read once and
//! written once, however many there are. Strings are never decoded on the way: all dialects are
//! JSON, and share its escapes.
//!
//! Within one dialect the bytes pass unchanged, and an event of a stream is only classified: is there
//! something in it that the user will see, does it end the stream, is it an error. The engine
//! commits, splices and judges by it.

pub mod answer;
pub mod anthropic;
pub mod compact;
pub mod count;
mod delta;
mod details;
mod ear;
pub mod embeddings;
pub mod form;
pub mod gemini;
pub mod ids;
pub mod limits;
mod manner;
mod means;
mod media;
mod names;
mod needs;
pub mod openai;
pub mod prompt;
mod reasoning;
pub mod responses;
mod rope;
pub mod schema;
mod signature;
mod speech;
mod terms;
mod text;
mod translate;
mod whole;

pub use delta::{Delta, Failure, Listener};
pub use details::{is_error, read_ending, read_error, read_error_beside};
pub use ear::Ear;
pub use manner::Manner;
pub use means::{Means, Quirks, Thinking};
pub use needs::Needs;
pub use prompt::Unread;
pub use reasoning::{Depth, Effort, Reasoning};
pub use rope::{Piece, Rope, Written};
pub use signature::{Signature, holds_foreign_seal};
pub use speech::{Decoder, Encoder};
pub use terms::{Renamed, Terms};
pub use text::write_text;
pub use translate::{lacks, read_answer, read_prompt, write_answer, write_prompt};
pub use whole::may_be_repeated;

pub use crate::json::Tree;

use crate::json::{AnswerFacts, Capture, ErrorFields, Finish, Gather, Machine, Refusal, Usage};

/// The comment that keeps an idle stream alive.
pub const KEEPALIVE: &[u8] = b": keepalive\n\n";

/// The language of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI chat completions and completions, and everybody who is compatible with them.
    Openai,
    /// The OpenAI Responses API.
    Responses,
    /// Anthropic Messages.
    Anthropic,
    /// Gemini generateContent.
    Gemini,
}

impl Dialect {
    /// What an event means in this dialect, without anything that was said before.
    pub fn classify(self, event: Option<&[u8]>, data: &[u8]) -> Event {
        match self {
            Dialect::Openai => openai::classify(event, data),
            Dialect::Responses => responses::classify(event, data),
            Dialect::Anthropic | Dialect::Gemini => Ear::new(self, None).event(event, data, &mut Vec::new()),
        }
    }
}

/// Which kind of content an event brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Text that the user can see.
    Text,
    /// A refusal by the model.
    Refusal,
    /// A part of a tool call.
    Tool,
    /// Sound.
    Audio,
    /// A picture, or something else that only its own dialect has words for.
    Untold,
}

/// How a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The marker `[DONE]`; how it went was said before.
    Marker,
    /// `response.completed`, or the end of a stream that has said how it went.
    Completed,
    /// `response.incomplete`, with its reason.
    Incomplete(Option<Finish>),
    /// `response.failed`, with its error.
    Failed(Box<ErrorFields>),
}

/// What an event means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It has something that the user will see: the commit point.
    Content(Content),
    /// It has nothing that the user will see: a role, an empty delta, reasoning, a notice.
    Quiet,
    /// A choice has ended, perhaps with its last content.
    Finish {
        /// Why.
        reason: Finish,
        /// What came in the same event.
        content: Option<Content>,
    },
    /// Token counts and nothing else.
    UsageOnly,
    /// The provider gave up within the stream.
    Error(Box<ErrorFields>),
    /// The stream's own end.
    Done(Outcome),
    /// Valid, but not of this dialect.
    Other,
    /// Not even JSON: the provider's fault.
    Malformed,
}

/// An event, classified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it means.
    pub kind: Kind,
    /// The token counts in it.
    pub usage: Option<Usage>,
    /// It has reasoning, for the chains that show it live.
    pub reasoning: bool,
}

impl Event {
    fn new(kind: Kind) -> Event {
        Event { kind, usage: None, reasoning: false }
    }
}

fn content(facts: &AnswerFacts) -> Option<Content> {
    match facts {
        AnswerFacts { text: true, .. } => Some(Content::Text),
        AnswerFacts { refusal: true, .. } => Some(Content::Refusal),
        AnswerFacts { tool: true, .. } => Some(Content::Tool),
        AnswerFacts { audio: true, .. } => Some(Content::Audio),
        _ => None,
    }
}

/// Strings in an event lie in one piece; only those with escapes are decoded into a buffer. This
/// is enough for the names of types and reasons.
const NAME_SIZE_MAX: usize = 64;
/// And this for the message of an error.
const MESSAGE_SIZE_MAX: usize = 512;

fn scan<const N: usize, C: Capture>(data: &[u8], strings: C) -> Result<Gather<C>, Refusal> {
    let mut machine: Machine<N> = Machine::default();
    let mut gather = Gather::new(strings);
    machine.feed(data, &mut gather)?;
    machine.finish(&mut gather)?;
    Ok(gather)
}

#[cfg(test)]
mod tests;
