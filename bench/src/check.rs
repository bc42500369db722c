//! Whether an answer is the one that was sent: every byte where it is known, its shape where not,
//! and what it says where it is written anew on the way.

use crate::{canned, meaning::Meaning};
use std::rc::Rc;

/// Bytes of one line of a stream, at most.
const LINE_MAX: usize = 1024 * 1024;
/// Bytes of a completion that is read as a whole, at most.
const BODY_MAX: usize = 4 * 1024 * 1024;

/// What an answer should be.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    /// A JSON object; exactly this one, when it is known.
    Json(Option<Rc<[u8]>>),
    /// A stream of events that ends with its marker; exactly these data, when they are known.
    Stream(Option<Rc<[String]>>),
    /// A completion that says this, however it is written.
    JsonSaying(Rc<Meaning>),
    /// A stream of chunks that say this together and end with their marker, however they are cut.
    StreamSaying(Rc<Meaning>),
}

impl Expected {
    /// It is a stream of events.
    pub(crate) fn streams(&self) -> bool {
        matches!(self, Expected::Stream(_) | Expected::StreamSaying(_))
    }
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
    /// A body that is read as a whole.
    whole: Vec<u8>,
    /// What a stream has said so far.
    meaning: Meaning,
}

impl Check {
    /// Begins anew.
    pub(crate) fn clear(&mut self) {
        let (mut line, mut stamps) = (std::mem::take(&mut self.line), std::mem::take(&mut self.stamps));
        let (mut whole, mut meaning) = (std::mem::take(&mut self.whole), std::mem::take(&mut self.meaning));
        line.clear();
        stamps.clear();
        whole.clear();
        meaning.clear();
        *self = Check { line, stamps, whole, meaning, ..Check::default() };
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
            Expected::JsonSaying(_) if self.whole.len() + bytes.len() > BODY_MAX => Err(Wrong),
            Expected::JsonSaying(_) => {
                self.whole.extend_from_slice(bytes);
                Ok(())
            }
            Expected::Stream(_) | Expected::StreamSaying(_) => self.events(expected, bytes),
        }
    }

    /// The body has ended.
    pub(crate) fn end(&self, expected: &Expected) -> Result<(), Wrong> {
        let right = match expected {
            Expected::Json(Some(whole)) => self.bytes == whole.len() as u64,
            Expected::Json(None) => (self.first, self.last) == (b'{', b'}'),
            Expected::Stream(known) => self.marked && known.as_ref().is_none_or(|data| self.events + 1 == data.len()),
            Expected::JsonSaying(known) => Meaning::of_completion(&self.whole).is_some_and(|said| said == **known),
            Expected::StreamSaying(known) => self.marked && self.meaning == **known,
        };
        if right { Ok(()) } else { Err(Wrong) }
    }

    fn events(&mut self, expected: &Expected, mut bytes: &[u8]) -> Result<(), Wrong> {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(end);
            bytes = &rest[1..];
            if self.line.is_empty() {
                self.event(expected, line)?;
            } else {
                self.line.extend_from_slice(line);
                let line = std::mem::take(&mut self.line);
                let outcome = self.event(expected, &line);
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

    fn event(&mut self, expected: &Expected, line: &[u8]) -> Result<(), Wrong> {
        // Comments and other fields may be added on the way.
        let Some(data) = line.strip_prefix(b"data:") else { return Ok(()) };
        let data = data.trim_ascii();
        let marks = data == b"[DONE]";
        let right = match expected {
            Expected::Stream(Some(known)) => known.get(self.events).is_some_and(|known| canned::same_but_stamp(known.as_bytes(), data)),
            Expected::StreamSaying(known) => marks || (self.meaning.add_chunk(data).is_some() && self.meaning.begins(known)),
            _ => true,
        };
        if self.marked || !right {
            return Err(Wrong);
        }
        if marks {
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
    use super::{BODY_MAX, Check, Expected, Wrong};
    use crate::{canned, meaning::Meaning};
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

    #[test]
    fn an_answer_that_is_written_anew_says_the_same() {
        let body = canned::completion(400);
        let known = Expected::JsonSaying(Rc::new(Meaning::of_completion(&body).expect("a completion")));
        let text = std::str::from_utf8(&body).expect("JSON is UTF-8");
        let anew = text.replace("chatcmpl-bench", "other").replace("\":", "\" : ").replace("\"usage\"", "\"more\" : [], \"usage\"");
        assert_eq!(check(&known, &anew), Ok(0));
        for wrong in [&text.replace("quick", "slow"), &text[..text.len() - 1], ""] {
            assert_eq!(check(&known, wrong), Err(Wrong), "{wrong}");
        }
        let mut check = Check::default();
        assert_eq!(check.body(&known, &vec![b' '; BODY_MAX]), Ok(()));
        assert_eq!(check.body(&known, b" "), Err(Wrong), "no more than that is held");
        check.clear();
        assert_eq!(check.body(&known, &body).and_then(|()| check.end(&known)), Ok(()), "nothing is left of the last one");
    }

    #[test]
    fn a_stream_that_is_cut_anew_says_the_same() {
        let data = canned::stream(2);
        let known = Expected::StreamSaying(Rc::new(Meaning::of_stream(data[..4].iter().map(String::as_str)).expect("chunks")));
        let sent = |data: &[&str]| data.iter().map(|data| format!("data: {data}\n\n")).collect::<String>();
        let (first, last) = (data[1].replace(" word 0", " word"), data[2].replace(" word 1", " 0 word 1"));
        assert_eq!(check(&known, &sent(&[&first, &last, &data[3], "[DONE]"])), Ok(3));
        let wrong: [&[&str]; 5] = [
            &[&data[1], &data[2], &data[3]],
            &[&data[1], &data[2], "[DONE]"],
            &[&data[1], &data[3], "[DONE]"],
            &[&data[2], &data[1], &data[3], "[DONE]"],
            &[&data[1], &data[2], &data[3], "[DONE]", &data[3]],
        ];
        for wrong in wrong {
            assert_eq!(check(&known, &sent(wrong)), Err(Wrong), "{wrong:?}");
        }
    }
}
