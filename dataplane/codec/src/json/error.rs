//! Why a provider did not answer: error bodies in the many shapes that providers use.

use std::ops::Range;

use super::machine::{Scalar, Sink};
use super::{Code, Machine, Text};

/// The fields of an error body, bounded. What was not found is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorFields {
    /// `type`, or `status` when it is a word.
    pub kind: Text<64>,
    /// `code`; a number is written in digits.
    pub code: Text<64>,
    /// `param`.
    pub param: Text<64>,
    /// `message`, `detail`, `title`, or `error` itself when it is a string.
    pub message: Text<512>,
}

impl ErrorFields {
    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        *self == ErrorFields::default()
    }
}

/// Reads an error body: `{"error": {..}}`, `{"error": ".."}`, the same members without `error`
/// around them, or one of these within an array. Of a body that is cut off or is no JSON, it
/// returns what came before the flaw.
pub fn read_error(body: &[u8]) -> ErrorFields {
    let mut sink = ErrorSink::default();
    let mut machine: Machine<512> = Machine::default();
    match machine.feed(body, &mut sink).and_then(|()| machine.finish(&mut sink)) {
        // A flaw in an error body changes nothing: that it is an error is known already.
        Ok(()) | Err(_) => sink.fields(),
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Member {
    #[default]
    Other,
    Kind,
    Code,
    Param,
    Message,
    /// Weaker names for a message, taken if there is no better one.
    Detail,
    Error,
}

#[derive(Debug, Default)]
struct ErrorSink {
    inner: ErrorFields,
    outer: ErrorFields,
    detail: Text<512>,
    /// The depth of the members of the root object: 1, or 2 within an array.
    level: usize,
    member: Member,
    /// The member of the root object that is open.
    within: Member,
}

impl ErrorSink {
    /// What stands within `error` counts before what stands beside it.
    fn fields(self) -> ErrorFields {
        fn first<const N: usize>(a: Text<N>, b: Text<N>) -> Text<N> {
            if a.is_empty() { b } else { a }
        }
        let message = first(self.inner.message, first(self.outer.message, self.detail));
        ErrorFields {
            kind: first(self.inner.kind, self.outer.kind),
            code: first(self.inner.code, self.outer.code),
            param: first(self.inner.param, self.outer.param),
            message,
        }
    }

    fn put(&mut self, inner: bool, text: &[u8]) {
        let fields = if inner { &mut self.inner } else { &mut self.outer };
        match self.member {
            Member::Kind => fields.kind = Text::new(text),
            Member::Code => fields.code = Text::new(text),
            Member::Param => fields.param = Text::new(text),
            Member::Message => fields.message = Text::new(text),
            Member::Error => self.inner.message = Text::new(text),
            Member::Detail if self.detail.is_empty() => self.detail = Text::new(text),
            Member::Detail | Member::Other => {}
        }
    }
}

impl Sink for ErrorSink {
    fn key(&mut self, depth: usize, name: &[u8], _whole: bool, _: Range<usize>) -> Result<(), Code> {
        self.member = match name {
            b"type" => Member::Kind,
            // Google's canonical codes are words in `status`; elsewhere it is the HTTP status.
            b"status" => Member::Kind,
            b"code" | b"error_code" => Member::Code,
            b"param" => Member::Param,
            b"message" => Member::Message,
            b"detail" | b"title" | b"msg" => Member::Detail,
            b"error" => Member::Error,
            _ => Member::Other,
        };
        if depth == self.level {
            self.within = self.member;
        }
        Ok(())
    }

    fn open(&mut self, depth: usize, object: bool, _at: usize) -> Result<(), Code> {
        if depth == 0 {
            self.level = if object { 1 } else { 2 };
        }
        // A list or object in the place of a string says nothing by itself, but `detail` may be a
        // list of strings.
        let detail = self.within == Member::Detail && depth == self.level;
        self.member = if detail { Member::Detail } else { Member::Other };
        Ok(())
    }

    fn close(&mut self, _depth: usize, _end: usize) -> Result<(), Code> {
        self.member = Member::Other;
        Ok(())
    }

    fn wants(&self, _depth: usize) -> bool {
        self.member != Member::Other
    }

    fn scalar(&mut self, depth: usize, value: Scalar<'_>, _: Range<usize>) -> Result<(), Code> {
        let inner = depth == self.level + 1 && self.within == Member::Error;
        let outer = depth == self.level;
        let detail = depth > self.level && self.within == Member::Detail;
        if !(inner || outer || detail && self.member == Member::Detail) {
            return Ok(());
        }
        match value {
            Scalar::Text { text, size, .. } if size > 0 => self.put(inner, text),
            Scalar::Number(Some(number)) if self.member == Member::Code => {
                let mut digits = Vec::new();
                crate::head::write_number(&mut digits, number);
                self.put(inner, &digits);
            }
            _ => {}
        }
        Ok(())
    }
}
