//! An answer in no dialect: what a model says, piece by piece. A whole answer is the same pieces at
//! once.

use super::{Content, ErrorFields, Signature};
use crate::json::{Finish, Str, Usage};

/// A piece of an answer.
#[derive(Clone, Copy, Debug)]
pub enum Delta<'e> {
    /// The answer begins.
    Begin {
        /// What the provider calls it.
        id: Option<Str<'e>>,
        /// The model that answers, in the provider's words.
        model: Option<Str<'e>>,
    },
    /// Text.
    Text(Str<'e>),
    /// A refusal by the model.
    Refusal(Str<'e>),
    /// Thinking.
    Thought(Str<'e>),
    /// The seal on the thinking before it, which ends there.
    Sealed(Signature<'e>),
    /// Thinking that only its provider can read.
    Redacted(Signature<'e>),
    /// A call of a tool begins. Calls of a choice are numbered from 0 and come one after the other.
    Call {
        /// Which.
        index: u32,
        /// Its id, where the provider gives one.
        id: Option<Str<'e>>,
        /// The tool.
        name: Str<'e>,
        /// The provider's seal on it.
        signature: Option<Signature<'e>>,
    },
    /// A piece of the JSON text that a call's arguments are.
    Arguments {
        /// Of which call.
        index: u32,
        /// The piece, as a string holds it.
        text: Str<'e>,
    },
    /// A call's arguments, whole: a JSON object.
    Object {
        /// Of which call.
        index: u32,
        /// The object.
        json: &'e [u8],
    },
    /// Where something in the text before it comes from.
    Citation {
        /// Its address.
        url: Str<'e>,
        /// Its title.
        title: Option<Str<'e>>,
    },
    /// The probabilities of the tokens of the text that comes next, in OpenAI's form: an array.
    Logprobs(&'e [u8]),
    /// A picture, sound, what a provider's own tool did: only its own dialect has words for it, whose clients
    /// see it.
    Untold,
    /// A choice has ended.
    Finish {
        /// Why.
        reason: Finish,
        /// The stop sequence that ended it.
        stop: Option<Str<'e>>,
    },
    /// Token counts: the whole answer's so far, so that later ones replace earlier ones.
    Usage(Usage),
    /// The answer is over, as its dialect has it.
    End,
}

impl Delta<'_> {
    /// Bytes that it brings.
    pub fn size(&self) -> usize {
        match self {
            Delta::Text(text) | Delta::Refusal(text) | Delta::Thought(text) | Delta::Arguments { text, .. } => text.raw().len(),
            Delta::Sealed(seal) | Delta::Redacted(seal) => seal.text.raw().len(),
            Delta::Call { id, name, signature, .. } => {
                name.raw().len() + id.map_or(0, |id| id.raw().len()) + signature.map_or(0, |seal| seal.text.raw().len())
            }
            Delta::Object { json, .. } => json.len(),
            Delta::Citation { url, title } => url.raw().len() + title.map_or(0, |title| title.raw().len()),
            Delta::Logprobs(tokens) => tokens.len(),
            Delta::Begin { .. } | Delta::Untold | Delta::Finish { .. } | Delta::Usage(_) | Delta::End => 0,
        }
    }

    /// What of it the user can see, in whichever dialect.
    pub fn content(&self) -> Option<Content> {
        match self {
            Delta::Text(text) if !text.is_empty() => Some(Content::Text),
            Delta::Refusal(text) if !text.is_empty() => Some(Content::Refusal),
            Delta::Call { .. } | Delta::Object { .. } => Some(Content::Tool),
            Delta::Arguments { text, .. } if !text.is_empty() => Some(Content::Tool),
            _ => None,
        }
    }
}

/// Who is told the pieces of an answer, each with the number of its choice, from 0 on.
pub trait Listener {
    /// The next piece.
    fn hear(&mut self, choice: u32, delta: Delta<'_>);
}

impl<F: FnMut(u32, Delta<'_>)> Listener for F {
    fn hear(&mut self, choice: u32, delta: Delta<'_>) {
        self(choice, delta);
    }
}

/// Why no answer can be read from what a provider sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It says that it failed.
    Error(Box<ErrorFields>),
    /// It is no JSON, or not of this dialect.
    Malformed,
}
