//! Whether an answer is the one that was sent: every byte where it is known, its shape where not.

use crate::canned;
use std::rc::Rc;

/// Bytes of one line of a stream, at most.
const LINE_MAX: usize = 1024 * 1024;

/// What an answer should be.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    /// A JSON object; exactly this one, when it is known.
    Json(Option<Rc<[u8]>>),
    /// A stream of events that ends with its marker; exactly these data, when they are known.
    Stream(Option<Rc<[String]>>),
}

/// What is wrong with an answer's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wrong;

/// Follows one body.
#[derive(Debug, Default)]
pub(crate) struct Check {
    /// Bytes that have come.
    pub(crate) bytes: u64,
    /// Events with data that have come, the marker excluded.
    pub(crate) events: usize,
    /// When each event of the last piece was sent, by its own stamp; 0 where it has none.
    pub(crate) stamps: Vec<u64>,
    first: u8,
    last: u8,
    marked: bool,
    line: Vec<u8>,
}

impl Check {
    /// Begins anew.
    pub(crate) fn clear(&mut self) {
        let (mut line, mut stamps) = (std::mem::take(&mut self.line), std::mem::take(&mut self.stamps));
        line.clear();
        stamps.clear();
        *self = Check { line, stamps, ..Check::default() };
    }

    /// Takes a piece of the body.
    pub(crate) fn body(&mut self, expected: &Expected, bytes: &[u8]) -> Result<(), Wrong> {
        let at = self.bytes as usize;
        self.stamps.clear();
        self.bytes += bytes.len() as u64;
        match expected {
            Expected::Json(Some(whole)) if whole.get(at..at + bytes.len()) == Some(bytes) => Ok(()),
            Expected::Json(Some(_)) => Err(Wrong),
            Expected::Json(None) => {
                if let Some(&byte) = bytes.iter().find(|byte| !byte.is_ascii_whitespace())
                    && self.first == 0
                {
                    self.first = byte;
                }
                if let Some(&byte) = bytes.iter().rfind(|byte| !byte.is_ascii_whitespace()) {
                    self.last = byte;
                }
                Ok(())
            }
            Expected::Stream(known) => self.events(known.as_deref(), bytes),
        }
    }

    /// The body has ended.
    pub(crate) fn end(&self, expected: &Expected) -> Result<(), Wrong> {
        let right = match expected {
            Expected::Json(Some(whole)) => self.bytes == whole.len() as u64,
            Expected::Json(None) => (self.first, self.last) == (b'{', b'}'),
            Expected::Stream(known) => self.marked && known.as_ref().is_none_or(|data| self.events + 1 == data.len()),
        };
        if right { Ok(()) } else { Err(Wrong) }
    }

    fn events(&mut self, known: Option<&[String]>, mut bytes: &[u8]) -> Result<(), Wrong> {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(end);
            bytes = &rest[1..];
            if self.line.is_empty() {
                self.event(known, line)?;
            } else {
                self.line.extend_from_slice(line);
                let line = std::mem::take(&mut self.line);
                let outcome = self.event(known, &line);
                self.line = line;
                self.line.clear();
                outcome?;
            }
        }
        if self.line.len() + bytes.len() > LINE_MAX {
            return Err(Wrong);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn event(&mut self, known: Option<&[String]>, line: &[u8]) -> Result<(), Wrong> {
        // Comments and other fields may be added on the way.
        let Some(data) = line.strip_prefix(b"data:") else { return Ok(()) };
        let data = data.trim_ascii();
        if self.marked
            || known.is_some_and(|known| known.get(self.events).is_none_or(|known| !canned::same_but_stamp(known.as_bytes(), data)))
        {
            return Err(Wrong);
        }
        if data == b"[DONE]" {
            self.marked = true;
        } else {
            self.events += 1;
            self.stamps.push(canned::stamp(data).unwrap_or(0));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Check, Expected, Wrong};
    use std::rc::Rc;

    fn check(expected: &Expected, text: &str) -> Result<usize, Wrong> {
        let mut outcomes = Vec::new();
        for at in 0..=text.len() {
            let mut check = Check::default();
            let mut whole = || {
                check.body(expected, &text.as_bytes()[..at])?;
                check.body(expected, &text.as_bytes()[at..])?;
                check.end(expected).map(|()| check.events)
            };
            outcomes.push(whole());
        }
        assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]), "the split decides: {outcomes:?}");
        outcomes[0]
    }

    #[test]
    fn a_known_answer_is_compared_byte_by_byte() {
        let known = Expected::Json(Some(Rc::from(&b"{\"a\":1}"[..])));
        assert_eq!(check(&known, "{\"a\":1}"), Ok(0));
        assert_eq!(check(&known, "{\"a\":2}"), Err(Wrong));
        assert_eq!(check(&known, "{\"a\":1"), Err(Wrong));
        assert_eq!(check(&known, "{\"a\":1} "), Err(Wrong));
        assert_eq!(check(&Expected::Json(None), " {\"a\":[{}]}\n"), Ok(0));
        assert_eq!(check(&Expected::Json(None), "upstream error"), Err(Wrong));
        assert_eq!(check(&Expected::Json(None), "{\"a\":["), Err(Wrong));
    }

    #[test]
    fn a_stream_needs_every_event_in_order_and_its_marker() {
        let known = Expected::Stream(Some(Rc::from(["a".to_owned(), "b".to_owned(), "[DONE]".to_owned()])));
        assert_eq!(check(&known, "data: a\n\n: ping\n\ndata: b\r\n\r\ndata: [DONE]\n\n"), Ok(2));
        for text in ["data: a\n\ndata: b\n\n", "data: b\n\ndata: a\n\ndata: [DONE]\n\n", "data: a\n\ndata: [DONE]\n\n", ""] {
            assert_eq!(check(&known, text), Err(Wrong), "{text:?}");
        }
        let unknown = Expected::Stream(None);
        assert_eq!(check(&unknown, "data: 1\n\ndata: [DONE]\n\n"), Ok(1));
        assert_eq!(check(&unknown, "data: 1\n\n"), Err(Wrong));
        assert_eq!(check(&unknown, "data: [DONE]\n\ndata: 1\n\n"), Err(Wrong));
    }
}
