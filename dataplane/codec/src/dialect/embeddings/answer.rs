//! The vectors of an answer: read number by number, and written.

use super::Request;
use crate::dialect::read_error;
use crate::dialect::{Dialect, Failure};
use crate::head::write_number;
use crate::json::{Code, Machine, Scalar, Sink, escape_into};
use std::io::Write as _;
use std::ops::Range;

/// Vectors, in the order of the texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// One after another.
    numbers: Vec<f32>,
    /// How many each has. At least 1.
    length: usize,
    /// Tokens of the texts, where the provider counts them.
    pub tokens: Option<u64>,
}

impl Answer {
    /// How many numbers each vector has.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The vectors.
    pub fn vectors(&self) -> impl Iterator<Item = &[f32]> {
        self.numbers.chunks_exact(self.length.max(1))
    }

    /// Gives every vector a length of one in space, but for those without a direction. Models of Gemini's
    /// that cut a vector short do not, while everybody else does.
    pub fn normalise(&mut self) {
        for vector in self.numbers.chunks_exact_mut(self.length.max(1)) {
            let norm = vector.iter().map(|number| f64::from(*number) * f64::from(*number)).sum::<f64>().sqrt();
            if norm > 0.0 {
                vector.iter_mut().for_each(|number| *number = (f64::from(*number) / norm) as f32);
            }
        }
    }
}

/// Reads the answer of a provider in `dialect` to a request of `count` texts.
///
/// # Errors
/// It says that the provider failed, or holds other than `count` vectors of one length.
pub fn read_answer(dialect: Dialect, body: &[u8], count: usize) -> Result<Answer, Failure> {
    let mut gather = Gather::new(dialect, body);
    let mut machine: Machine<WORD_SIZE_MAX> = Machine::default();
    let read = machine.feed(body, &mut gather).and_then(|()| machine.finish(&mut gather));
    if gather.failed {
        return Err(Failure::Error(Box::new(read_error(body))));
    }
    read.map_err(|_| Failure::Malformed)?;
    gather.finish(count).ok_or(Failure::Malformed)
}

/// The longest word that is looked for: `promptTokenCount`.
const WORD_SIZE_MAX: usize = 16;

/// Where in an answer the machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Top {
    Vectors,
    Usage,
    Error,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    Index,
    Numbers,
    Tokens,
    Other,
}

/// One vector where it was read.
struct Found {
    index: usize,
    range: Range<usize>,
}

/// Takes vectors, counts and errors out of an answer.
struct Gather<'b> {
    body: &'b [u8],
    /// Names of the list of vectors, of a vector's numbers, of the counts, and of the prompt's.
    words: [&'static [u8]; 4],
    top: Top,
    within: Within,
    /// Numbers are being read.
    open: bool,
    failed: bool,
    numbers: Vec<f32>,
    found: Vec<Found>,
    tokens: Option<u64>,
}

impl<'b> Gather<'b> {
    fn new(dialect: Dialect, body: &'b [u8]) -> Gather<'b> {
        let words: [&'static [u8]; 4] = match dialect {
            Dialect::Gemini => [b"embeddings", b"values", b"usageMetadata", b"promptTokenCount"],
            _ => [b"data", b"embedding", b"usage", b"prompt_tokens"],
        };
        Gather {
            body,
            words,
            top: Top::Other,
            within: Within::Other,
            open: false,
            failed: false,
            numbers: Vec::new(),
            found: Vec::new(),
            tokens: None,
        }
    }

    /// The vectors in order, if they are `count` and of one length.
    fn finish(mut self, count: usize) -> Option<Answer> {
        let length = self.found.first().map(|found| found.range.len()).filter(|length| *length > 0)?;
        let ordered = self.found.iter().enumerate().all(|(at, found)| found.index == at);
        let alike = self.found.iter().all(|found| found.range.len() == length && found.index < count);
        if self.found.len() != count || !alike {
            return None;
        }
        if !ordered {
            self.found.sort_by_key(|found| found.index);
            // Each of `count` places is taken once.
            if self.found.iter().enumerate().any(|(at, found)| found.index != at) {
                return None;
            }
            let numbers = self.found.iter().flat_map(|found| &self.numbers[found.range.clone()]).copied().collect();
            self.numbers = numbers;
        }
        Some(Answer { numbers: self.numbers, length, tokens: self.tokens })
    }
}

impl Sink for Gather<'_> {
    #[inline]
    fn key(&mut self, depth: usize, name: &[u8], whole: bool, _: Range<usize>) -> Result<(), Code> {
        let [vectors, numbers, usage, tokens] = self.words;
        match depth {
            1 => {
                self.within = Within::Other;
                self.top = match name {
                    _ if !whole => Top::Other,
                    _ if name == vectors => Top::Vectors,
                    _ if name == usage => Top::Usage,
                    b"error" => Top::Error,
                    _ => Top::Other,
                };
            }
            2 if self.top == Top::Usage => self.within = if whole && name == tokens { Within::Tokens } else { Within::Other },
            3 if self.top == Top::Vectors => {
                self.within = match name {
                    _ if !whole => Within::Other,
                    _ if name == numbers => Within::Numbers,
                    b"index" => Within::Index,
                    _ => Within::Other,
                };
            }
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, depth: usize, object: bool, _: usize) -> Result<(), Code> {
        if self.open {
            return Err(Code::Syntax);
        }
        match (depth, self.top) {
            (0, _) if !object => return Err(Code::NotAnObject),
            (1, Top::Error) => self.failed = true,
            (1, Top::Vectors) if object => return Err(Code::Syntax),
            (2, Top::Vectors) => {
                if !object {
                    return Err(Code::Syntax);
                }
                let end = self.numbers.len();
                self.within = Within::Other;
                self.found.push(Found { index: self.found.len(), range: end..end });
            }
            (3, Top::Vectors) if self.within == Within::Numbers => {
                let again = self.found.last().is_none_or(|found| !found.range.is_empty());
                if object || again {
                    return Err(Code::Syntax);
                }
                self.open = true;
            }
            _ => {}
        }
        Ok(())
    }

    #[inline]
    fn close(&mut self, depth: usize, _: usize) -> Result<(), Code> {
        if depth == 3 && std::mem::take(&mut self.open) {
            let end = self.numbers.len();
            if let Some(found) = self.found.last_mut() {
                found.range.end = end;
            }
        }
        Ok(())
    }

    #[inline]
    fn wants(&self, _: usize) -> bool {
        false
    }

    #[inline]
    fn scalar(&mut self, depth: usize, value: Scalar<'_>, range: Range<usize>) -> Result<(), Code> {
        if self.open {
            let Scalar::Number(_) = value else { return Err(Code::Syntax) };
            let number = std::str::from_utf8(&self.body[range]).ok().and_then(|text| text.parse::<f32>().ok());
            // An exponent may lead beyond all floats.
            self.numbers.push(number.filter(|number| number.is_finite()).ok_or(Code::Syntax)?);
            return Ok(());
        }
        match (depth, self.top, self.within, value) {
            (0, ..) => Err(Code::NotAnObject),
            (1, Top::Error, _, Scalar::Text { .. }) => {
                self.failed = true;
                Ok(())
            }
            // What stands in the place of a vector, or of its numbers.
            (2, Top::Vectors, ..) | (3, Top::Vectors, Within::Numbers, _) => Err(Code::Syntax),
            (2, Top::Usage, Within::Tokens, Scalar::Number(count)) => {
                self.tokens = count;
                Ok(())
            }
            (3, Top::Vectors, Within::Index, Scalar::Number(index)) => {
                let index = index.and_then(|index| usize::try_from(index).ok()).ok_or(Code::Syntax)?;
                if let Some(found) = self.found.last_mut() {
                    found.index = index;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Writes an answer for a client in `to`, whose request was `request`. `tokens` is what is said where the
/// provider has not counted: OpenAI's dialect must say a number, and Gemini's may give none.
pub fn write_answer(to: Dialect, answer: &Answer, request: &Request<'_>, model: &str, tokens: u64, out: &mut Vec<u8>) {
    // A 32-bit float takes some twelve characters.
    out.reserve(answer.numbers.len().saturating_mul(12).saturating_add(256));
    if to == Dialect::Gemini {
        out.extend_from_slice(if request.list { b"{\"embeddings\":[" } else { b"{\"embedding\":" });
        for (at, vector) in answer.vectors().enumerate() {
            out.extend_from_slice(if at == 0 { b"{\"values\":" } else { b",{\"values\":" });
            write_floats(vector, out);
            out.push(b'}');
        }
        out.extend_from_slice(if request.list { b"]}" } else { b"}" });
        return;
    }
    out.extend_from_slice(b"{\"object\":\"list\",\"data\":[");
    for (at, vector) in answer.vectors().enumerate() {
        out.extend_from_slice(if at == 0 { b"{" } else { b",{" });
        out.extend_from_slice(b"\"object\":\"embedding\",\"index\":");
        write_number(out, at as u64);
        out.extend_from_slice(b",\"embedding\":");
        if request.base64 {
            write_base64(vector, out);
        } else {
            write_floats(vector, out);
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"],\"model\":\"");
    escape_into(out, model);
    let tokens = answer.tokens.unwrap_or(tokens);
    for name in [&b"\",\"usage\":{\"prompt_tokens\":"[..], b",\"total_tokens\":"] {
        out.extend_from_slice(name);
        write_number(out, tokens);
    }
    out.extend_from_slice(b"}}");
}

fn write_floats(vector: &[f32], out: &mut Vec<u8>) {
    for (at, number) in vector.iter().enumerate() {
        out.push(if at == 0 { b'[' } else { b',' });
        // The shortest text that means this float; its exponents are JSON's.
        write!(out, "{number:?}").expect("a Vec grows");
    }
    out.push(b']');
}

/// RFC 4648, section 4, of the little-endian bytes of every number.
fn write_base64(vector: &[f32], out: &mut Vec<u8>) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = vector.iter().flat_map(|number| number.to_le_bytes());
    out.push(b'"');
    while let Some(first) = bytes.next() {
        let (second, third) = (bytes.next(), bytes.next());
        let group = u32::from(first) << 16 | u32::from(second.unwrap_or(0)) << 8 | u32::from(third.unwrap_or(0));
        let digit = |shift: u32| ALPHABET[(group >> shift & 63) as usize];
        let padded = |there: bool, shift| if there { digit(shift) } else { b'=' };
        out.extend_from_slice(&[digit(18), digit(12), padded(second.is_some(), 6), padded(third.is_some(), 0)]);
    }
    out.push(b'"');
}
