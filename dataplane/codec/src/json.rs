//! JSON, read for the few members that the gateway needs.
//!
//! One incremental machine checks the grammar of RFC 8259 strictly (depth, UTF-8, escapes) over
//! whatever segments the body arrives in, and tells a sink what it passes. The sinks are
//! [`RequestScan`] (what a tenant asks), [`AnswerScan`] (what a provider answered) and
//! [`read_error`] (why it did not). With these nothing is built, nothing is allocated, nothing is
//! decoded but the few strings that somebody wants. Where a text has to be said in other words, a
//! fourth sink, [`Tree`], keeps where its values lie.

mod answer;
mod canonical;
mod error;
mod escape;
mod machine;
mod plain;
mod request;
mod tree;
mod without;

use std::fmt;

pub use answer::{AnswerFacts, AnswerScan, Finish, Status, Usage};
pub(crate) use answer::{Capture, Gather, Slot};
pub use canonical::canonical;
pub use error::{ErrorFields, read_error};
pub use escape::escape_into;
pub use machine::DEPTH_MAX;
pub(crate) use machine::{Machine, Scalar, Sink};
pub use request::{Facts, KEYS_MAX, MODEL_SIZE_MAX, RequestScan};
pub use tree::{NODES_MAX, Shape, Str, Tree, Value};
pub use without::without;

/// Why a JSON text is refused, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason.
    pub code: Code,
    /// The offset of the byte at which it became clear, from the start of the text.
    pub offset: usize,
}

macro_rules! codes {
    ($($(#[$doc:meta])+ $variant:ident $code:literal $param:expr, $message:literal;)+) => {
        /// The reasons for a [`Refusal`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $($(#[$doc])+ $variant,)+ }

        impl Code {
            /// Every reason, for tables and tests.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)+];

            /// A short name that never changes.
            pub fn code(self) -> &'static str {
                match self { $(Code::$variant => $code,)+ }
            }

            /// The member that is at fault, when it is one.
            pub fn param(self) -> Option<&'static str> {
                match self { $(Code::$variant => $param,)+ }
            }

            /// One sentence for a person.
            pub fn message(self) -> &'static str {
                match self { $(Code::$variant => $message,)+ }
            }
        }
    };
}

codes! {
    /// A byte that the grammar does not allow there (RFC 8259 2).
    Syntax "bad_json" None, "The body is not valid JSON.";
    /// The text ends within a value (RFC 8259 2).
    Incomplete "json_incomplete" None, "The JSON body is cut off.";
    /// Nested deeper than `DEPTH_MAX` (RFC 8259 9).
    Depth "json_too_deep" None, "The JSON body is nested too deeply.";
    /// Not UTF-8 (RFC 8259 8.1).
    Utf8 "bad_utf8" None, "The JSON body is not valid UTF-8.";
    /// A control character in a string (RFC 8259 7).
    Control "control_character" None, "A JSON string contains an unescaped control character.";
    /// An escape that does not exist (RFC 8259 7).
    Escape "bad_escape" None, "A JSON string contains an invalid escape.";
    /// Half a surrogate pair in a name (RFC 8259 8.2).
    LoneSurrogate "lone_surrogate" None, "The name of a JSON member contains a lone surrogate.";
    /// The text is not an object.
    NotAnObject "not_an_object" None, "The body must be a JSON object.";
    /// The same name twice at the top level (RFC 8259 4).
    DuplicateKey "duplicate_key" None, "A member of the JSON body is repeated.";
    /// More than `KEYS_MAX` members at the top level.
    TooManyKeys "too_many_keys" None, "The JSON body has too many members.";
    /// A name at the top level is longer than 256 bytes.
    KeyTooLong "key_too_long" None, "The name of a JSON member is too long.";
    /// `model` is not a string, or contains half a surrogate pair.
    ModelInvalid "bad_model" Some("model"), "'model' must be a string.";
    /// `model` is longer than `MODEL_SIZE_MAX`.
    ModelTooLong "model_too_long" Some("model"), "'model' is longer than 256 bytes.";
    /// More values than `NODES_MAX`.
    TooManyValues "too_many_values" None, "The JSON body has too many values.";
    /// `stream` is neither a boolean nor null.
    StreamInvalid "bad_stream" Some("stream"), "'stream' must be a boolean.";
}

/// A bounded copy of a string; what is longer is cut at a character. `len <= N`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text<const N: usize> {
    len: u16,
    bytes: [u8; N],
}

impl<const N: usize> Text<N> {
    /// No characters.
    pub const EMPTY: Text<N> = Text { len: 0, bytes: [0; N] };

    /// A copy of `text`, or of as many of its characters as fit.
    pub fn new(text: &[u8]) -> Text<N> {
        let mut copy = Text::EMPTY;
        copy.push(text);
        copy
    }

    /// The characters.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The characters as a string.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn clear(&mut self) {
        self.len = 0;
    }

    /// Appends whole characters of `piece` while they fit; false when some did not.
    fn push(&mut self, piece: &[u8]) -> bool {
        const { assert!(N <= u16::MAX as usize) };
        let len = usize::from(self.len);
        let mut take = piece.len().min(N - len);
        // A UTF-8 continuation byte must not begin the part that is cut off.
        while take < piece.len() && take > 0 && piece[take] & 0xc0 == 0x80 {
            take -= 1;
        }
        self.bytes[len..len + take].copy_from_slice(&piece[..take]);
        self.len += take as u16;
        take == piece.len()
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Text<N> {
        Text::EMPTY
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), out)
    }
}

#[cfg(test)]
mod tests;
