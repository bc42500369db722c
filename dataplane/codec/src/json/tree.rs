//! Where the values of a JSON text lie: what is needed to say the same in other words.
//!
//! The text is indexed, not copied: a value is a place in it. Strings keep their escapes, which all
//! dialects share, so that a text of any length goes from one to another as it came.

use std::borrow::Cow;
use std::ops::Range;

use super::machine::{DEPTH_MAX, Scalar, Sink};
use super::{Code, Machine, Refusal};

/// The most values and names of one text; beyond it the index would outgrow what it describes.
pub const NODES_MAX: usize = 1 << 20;

/// Names and words longer than this are compared where they lie, not where the machine keeps them.
const WORD_SIZE_MAX: usize = 8;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number.
    Number,
    /// A string.
    Text,
    /// An array.
    Array,
    /// An object.
    Object,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    start: u32,
    end: u32,
    /// The node behind this one and all that lies within it.
    next: u32,
    shape: Shape,
}

/// The index of a text. It can be used again for the next one.
#[derive(Debug)]
pub struct Tree {
    nodes: Vec<Node>,
    open: [u32; DEPTH_MAX],
}

impl Default for Tree {
    fn default() -> Tree {
        Tree::new()
    }
}

impl Tree {
    /// The index of nothing.
    pub const fn new() -> Tree {
        Tree { nodes: Vec::new(), open: [0; DEPTH_MAX] }
    }

    /// Indexes `text`, which is one JSON value of less than 4 GiB.
    ///
    /// # Errors
    /// It breaks the grammar, or has more than [`NODES_MAX`] values.
    pub fn read<'t>(&'t mut self, text: &'t [u8]) -> Result<Value<'t>, Refusal> {
        self.nodes.clear();
        if u32::try_from(text.len()).is_err() {
            return Err(Refusal { code: Code::TooManyValues, offset: 0 });
        }
        let mut machine: Machine<WORD_SIZE_MAX> = Machine::default();
        machine.feed(text, self)?;
        machine.finish(self)?;
        Ok(Value { nodes: &self.nodes, text, at: 0 })
    }

    fn push(&mut self, shape: Shape, range: Range<usize>) -> Result<(), Code> {
        let at = self.nodes.len();
        if at == NODES_MAX {
            return Err(Code::TooManyValues);
        }
        // `read` refuses texts whose offsets would not fit.
        self.nodes.push(Node { start: range.start as u32, end: range.end as u32, next: at as u32 + 1, shape });
        Ok(())
    }
}

impl Sink for Tree {
    #[inline]
    fn key(&mut self, _: usize, _: &[u8], _: bool, range: Range<usize>) -> Result<(), Code> {
        self.push(Shape::Text, range)
    }

    #[inline]
    fn open(&mut self, depth: usize, object: bool, at: usize) -> Result<(), Code> {
        self.open[depth] = self.nodes.len() as u32;
        self.push(if object { Shape::Object } else { Shape::Array }, at..at)
    }

    #[inline]
    fn close(&mut self, depth: usize, end: usize) -> Result<(), Code> {
        let next = self.nodes.len() as u32;
        let node = &mut self.nodes[self.open[depth] as usize];
        node.end = end as u32;
        node.next = next;
        Ok(())
    }

    #[inline]
    fn wants(&self, _: usize) -> bool {
        false
    }

    #[inline]
    fn scalar(&mut self, _: usize, value: Scalar<'_>, range: Range<usize>) -> Result<(), Code> {
        let shape = match value {
            Scalar::Text { .. } => Shape::Text,
            Scalar::Number(_) => Shape::Number,
            Scalar::Bool(_) => Shape::Bool,
            Scalar::Null => Shape::Null,
        };
        self.push(shape, range)
    }
}

/// A value of an indexed text.
#[derive(Clone, Copy)]
pub struct Value<'t> {
    nodes: &'t [Node],
    text: &'t [u8],
    at: usize,
}

impl<'t> Value<'t> {
    fn node(self) -> Node {
        self.nodes[self.at]
    }

    /// What it is.
    pub fn shape(self) -> Shape {
        self.node().shape
    }

    /// The value as it stands in the text, quotes and brackets included.
    pub fn raw(self) -> &'t [u8] {
        let node = self.node();
        &self.text[node.start as usize..node.end as usize]
    }

    /// True for `null`.
    pub fn is_null(self) -> bool {
        self.shape() == Shape::Null
    }

    /// True for an object.
    pub fn is_object(self) -> bool {
        self.shape() == Shape::Object
    }

    /// The members of an object, in order; of anything else, none.
    pub fn members(self) -> impl Iterator<Item = (Str<'t>, Value<'t>)> {
        let node = self.node();
        let end = if node.shape == Shape::Object { node.next as usize } else { 0 };
        let mut at = self.at + 1;
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let name = Value { at, ..self };
            let value = Value { at: at + 1, ..self };
            at = value.node().next as usize;
            Some((Str(inner(name.raw())), value))
        })
    }

    /// The elements of an array, in order; of anything else, none.
    pub fn elements(self) -> impl Iterator<Item = Value<'t>> {
        let node = self.node();
        let end = if node.shape == Shape::Array { node.next as usize } else { 0 };
        let mut at = self.at + 1;
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let value = Value { at, ..self };
            at = value.node().next as usize;
            Some(value)
        })
    }

    /// The member of this name, unless it is missing or `null`. Of a name that is there twice, the
    /// first.
    pub fn get(self, name: &str) -> Option<Value<'t>> {
        self.members().find(|(key, _)| key.is(name)).map(|(_, value)| value).filter(|value| !value.is_null())
    }

    /// A string's characters.
    pub fn str(self) -> Option<Str<'t>> {
        (self.shape() == Shape::Text).then(|| Str(inner(self.raw())))
    }

    /// A boolean.
    pub fn bool(self) -> Option<bool> {
        (self.shape() == Shape::Bool).then(|| self.raw() == b"true")
    }

    /// A number, as it is written.
    pub fn number(self) -> Option<&'t [u8]> {
        (self.shape() == Shape::Number).then(|| self.raw())
    }

    /// A number that is a whole one of 64 bits without a sign. `1.0` is one, too.
    pub fn u64(self) -> Option<u64> {
        let text = std::str::from_utf8(self.number()?).ok()?;
        text.parse().ok().or_else(|| {
            let value: f64 = text.parse().ok()?;
            // Up to 2^53 every whole number has a form of its own.
            (value.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&value)).then_some(value as u64)
        })
    }

    /// A number, as near as it comes.
    pub fn f64(self) -> Option<f64> {
        std::str::from_utf8(self.number()?).ok()?.parse().ok()
    }

    /// The string that is the member of this name.
    pub fn text(self, name: &str) -> Option<Str<'t>> {
        self.get(name)?.str()
    }
}

impl std::fmt::Debug for Value<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&String::from_utf8_lossy(self.raw()))
    }
}

/// What lies between the quotes of a string that the machine has accepted.
fn inner(raw: &[u8]) -> &[u8] {
    &raw[1..raw.len() - 1]
}

/// The characters of a string as JSON has them: escaped, without quotes, valid UTF-8.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Str<'t>(&'t [u8]);

impl<'t> Str<'t> {
    /// A string of the gateway's own that needs no escapes.
    ///
    /// # Panics
    /// It does.
    pub const fn plain(text: &'static str) -> Str<'static> {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            assert!(bytes[at] >= 0x20 && bytes[at] != b'"' && bytes[at] != b'\\', "it needs escapes");
            at += 1;
        }
        Str(bytes)
    }

    /// Characters that [`super::escape_into`] has written, or a part of a [`Str`] that begins and ends
    /// between its characters.
    pub fn escaped(bytes: &'t [u8]) -> Str<'t> {
        Str(bytes)
    }

    /// As it stands in the text.
    pub fn raw(self) -> &'t [u8] {
        self.0
    }

    /// True when there are no characters.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// True when it says `word`, however it is written.
    #[inline]
    pub fn is(self, word: &str) -> bool {
        self.0 == word.as_bytes() || self.0.len() > word.len() && self.0.contains(&b'\\') && *self.decode() == *word
    }

    /// The characters that are meant. Half a surrogate pair becomes U+FFFD.
    pub fn decode(self) -> Cow<'t, str> {
        if !self.0.contains(&b'\\') {
            return String::from_utf8_lossy(self.0);
        }
        let mut out = Vec::with_capacity(self.0.len());
        decode_into(self.0, &mut out);
        Cow::Owned(String::from_utf8_lossy(&out).into_owned())
    }

    /// Appends the characters that are meant.
    pub fn decode_into(self, out: &mut Vec<u8>) {
        decode_into(self.0, out);
    }
}

impl std::fmt::Debug for Str<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "\"{}\"", String::from_utf8_lossy(self.0))
    }
}

fn decode_into(escaped: &[u8], out: &mut Vec<u8>) {
    let mut rest = escaped;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let (character, used) = escape(&rest[at..]);
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        rest = &rest[at + used..];
    }
    out.extend_from_slice(rest);
}

/// The character that an escape stands for, and how long the escape is. What the machine would have
/// refused is U+FFFD.
fn escape(text: &[u8]) -> (char, usize) {
    let plain = |character| (character, 2);
    match text.get(1) {
        Some(b'b') => plain('\u{8}'),
        Some(b'f') => plain('\u{c}'),
        Some(b'n') => plain('\n'),
        Some(b'r') => plain('\r'),
        Some(b't') => plain('\t'),
        Some(b'u') => {
            let Some(high) = unit(text) else { return (char::REPLACEMENT_CHARACTER, text.len().min(6)) };
            let low = if (0xd800..0xdc00).contains(&high) { text.get(6..).and_then(unit) } else { None };
            match low.filter(|low| (0xdc00..0xe000).contains(low)) {
                Some(low) => {
                    let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                    (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
                }
                None => (char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER), 6),
            }
        }
        Some(&other) if other.is_ascii() => plain(char::from(other)),
        _ => (char::REPLACEMENT_CHARACTER, text.len().min(2)),
    }
}

/// The UTF-16 unit of an escape like `\u0041`.
fn unit(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit, &digit| Some(unit << 4 | char::from(digit).to_digit(16)?))
}

#[cfg(test)]
mod tests;
