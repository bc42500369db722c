//! The grammar of RFC 8259 as a machine that can stop at any byte.

use std::ops::Range;

use super::{Code, Refusal, Text, plain};

/// Containers within containers; one bit each tells objects from arrays.
pub const DEPTH_MAX: usize = 64;

/// Who is told what the machine passes. `depth` is the depth of the container that holds the
/// value or member: 0 for the root value, 1 for what lies directly within it.
pub(crate) trait Sink {
    /// The name of a member, unescaped; `whole` is false when it was too long to be kept. The range
    /// includes its quotes.
    fn key(&mut self, depth: usize, name: &[u8], whole: bool, range: Range<usize>) -> Result<(), Code>;
    /// A container begins with its bracket at `at`.
    fn open(&mut self, depth: usize, object: bool, at: usize) -> Result<(), Code>;
    /// A container that lies at `depth` has ended before `end`.
    fn close(&mut self, depth: usize, end: usize) -> Result<(), Code>;
    /// Whether the string value that begins now is wanted; if not, its text may be missing.
    fn wants(&self, depth: usize) -> bool;
    /// A value that is not a container; the range of a string includes its quotes.
    fn scalar(&mut self, depth: usize, value: Scalar<'_>, range: Range<usize>) -> Result<(), Code>;
}

/// A value that is not a container.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scalar<'a> {
    /// A string. `size` counts its bytes as sent. `whole` is false when the text was cut, not
    /// wanted, or contains half a surrogate pair.
    Text {
        text: &'a [u8],
        whole: bool,
        size: usize,
    },
    /// A number, exact if it is a non-negative integer of 64 bits.
    Number(Option<u64>),
    Bool(bool),
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Value,
    FirstValue,
    Key,
    FirstKey,
    Colon,
    After,
    String,
    Number,
    Literal,
    Failed,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Digits {
    Minus,
    #[default]
    Zero,
    Whole,
    Point,
    Fraction,
    Exponent,
    Sign,
    Power,
}

/// What comes next within a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    None,
    Start,
    /// So many of four hexadecimal digits were read.
    Unit(u8),
}

/// The machine. `N` is the longest string that it can keep when segments or escapes cut it up.
#[derive(Clone, Debug)]
pub(crate) struct Machine<const N: usize> {
    state: State,
    /// Why the state is `Failed`.
    refusal: Refusal,
    digits: Digits,
    /// Offset of the segment that is being read.
    base: usize,
    /// Bit `d` is set when the container at depth `d + 1` is an object.
    objects: u64,
    /// `depth <= DEPTH_MAX`
    depth: usize,
    /// Where the string, number or literal in progress began.
    start: usize,
    is_key: bool,
    keep: bool,
    whole: bool,
    escape: Escape,
    unit: u16,
    /// The first half of a surrogate pair that waits for the second, or 0.
    high: u16,
    /// The beginning of a character that the segment's end cut; `partial_len <= 3`.
    partial: [u8; 4],
    partial_len: usize,
    number: Option<u64>,
    literal: Literal,
    /// Bytes of the literal that were read.
    literal_len: usize,
    text: Text<N>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Literal {
    True,
    False,
    Null,
}

impl Literal {
    fn spelling(self) -> &'static [u8] {
        match self {
            Literal::True => b"true",
            Literal::False => b"false",
            Literal::Null => b"null",
        }
    }

    fn value(self) -> Scalar<'static> {
        match self {
            Literal::True => Scalar::Bool(true),
            Literal::False => Scalar::Bool(false),
            Literal::Null => Scalar::Null,
        }
    }
}

impl<const N: usize> Default for Machine<N> {
    fn default() -> Machine<N> {
        Machine {
            state: State::Value,
            refusal: Refusal { code: Code::Incomplete, offset: 0 },
            digits: Digits::Zero,
            base: 0,
            objects: 0,
            depth: 0,
            start: 0,
            is_key: false,
            keep: false,
            whole: true,
            escape: Escape::None,
            unit: 0,
            high: 0,
            partial: [0; 4],
            partial_len: 0,
            number: None,
            literal: Literal::Null,
            literal_len: 0,
            text: Text::EMPTY,
        }
    }
}

impl<const N: usize> Machine<N> {
    /// As new, but for the text's bytes, which nobody reads beyond its length: to set them all would
    /// cost more than most bodies.
    pub(crate) fn restart(&mut self) {
        self.text.clear();
        // Taken apart without a rest, so that a new member cannot be forgotten.
        let Machine::<0> {
            state,
            refusal,
            digits,
            base,
            objects,
            depth,
            start,
            is_key,
            keep,
            whole,
            escape,
            unit,
            high,
            partial,
            partial_len,
            number,
            literal,
            literal_len,
            text: _,
        } = Machine::default();
        self.state = state;
        self.refusal = refusal;
        self.digits = digits;
        self.base = base;
        self.objects = objects;
        self.depth = depth;
        self.start = start;
        self.is_key = is_key;
        self.keep = keep;
        self.whole = whole;
        self.escape = escape;
        self.unit = unit;
        self.high = high;
        self.partial = partial;
        self.partial_len = partial_len;
        self.number = number;
        self.literal = literal;
        self.literal_len = literal_len;
    }

    /// Reads the next segment. After a refusal every further call returns the same refusal.
    pub(crate) fn feed<S: Sink>(&mut self, segment: &[u8], sink: &mut S) -> Result<(), Refusal> {
        let mut at = 0;
        while at < segment.len() {
            let step = match self.state {
                State::String => self.string(segment, at, sink),
                State::Number => self.number(segment, at, self.digits, sink),
                State::Literal => self.literal(segment, at, sink),
                State::Failed => return Err(self.refusal),
                _ => self.structure(segment, at, sink),
            };
            at = match step {
                Ok(next) => next,
                Err((code, at)) => return Err(self.fail(code, self.base + at)),
            };
        }
        self.base += segment.len();
        Ok(())
    }

    /// The text has ended.
    pub(crate) fn finish<S: Sink>(&mut self, sink: &mut S) -> Result<(), Refusal> {
        if self.state == State::Number && self.depth == 0 {
            self.end_number(self.digits, self.base, sink).map_err(|code| self.fail(code, self.base))?;
        }
        match self.state {
            State::After if self.depth == 0 => Ok(()),
            State::Failed => Err(self.refusal),
            _ => Err(self.fail(Code::Incomplete, self.base)),
        }
    }

    fn fail(&mut self, code: Code, offset: usize) -> Refusal {
        self.state = State::Failed;
        self.refusal = Refusal { code, offset };
        self.refusal
    }

    fn in_object(&self) -> bool {
        self.depth > 0 && self.objects >> (self.depth - 1) & 1 == 1
    }

    /// Goes on between tokens until the segment ends; every token that is cut leaves its state.
    fn structure<S: Sink>(&mut self, segment: &[u8], mut at: usize, sink: &mut S) -> Result<usize, (Code, usize)> {
        while let Some(&byte) = segment.get(at) {
            at = match (self.state, byte) {
                (State::After, b',') if self.depth > 0 => {
                    self.state = if self.in_object() { State::Key } else { State::Value };
                    at + 1
                }
                (State::Key | State::FirstKey, b'"') => self.key(segment, at, sink)?,
                (State::Colon, b':') => {
                    self.state = State::Value;
                    at + 1
                }
                (_, b' ' | b'\t' | b'\n' | b'\r') => at + 1,
                (State::Value | State::FirstValue, _) => self.value(byte, segment, at, sink)?,
                (State::After | State::FirstKey, b'}') if self.in_object() => self.close(at, sink)?,
                (State::After, b']') if self.depth > 0 && !self.in_object() => self.close(at, sink)?,
                _ => return Err((Code::Syntax, at)),
            };
        }
        Ok(at)
    }

    #[inline]
    fn value<S: Sink>(&mut self, byte: u8, segment: &[u8], at: usize, sink: &mut S) -> Result<usize, (Code, usize)> {
        match byte {
            b'"' => self.text(segment, at, sink),
            b'{' | b'[' => self.open(byte == b'{', at, sink),
            b'-' | b'0'..=b'9' => {
                self.start = self.base + at;
                self.number = Some(u64::from(byte.wrapping_sub(b'0')));
                let digits = match byte {
                    b'-' => {
                        self.number = None;
                        Digits::Minus
                    }
                    b'0' => Digits::Zero,
                    _ => Digits::Whole,
                };
                self.number(segment, at + 1, digits, sink)
            }
            b't' => self.begin_literal(Literal::True, segment, at, sink),
            b'f' => self.begin_literal(Literal::False, segment, at, sink),
            b'n' => self.begin_literal(Literal::Null, segment, at, sink),
            b']' if self.state == State::FirstValue => self.close(at, sink),
            _ => Err((Code::Syntax, at)),
        }
    }

    fn open<S: Sink>(&mut self, object: bool, at: usize, sink: &mut S) -> Result<usize, (Code, usize)> {
        if self.depth == DEPTH_MAX {
            return Err((Code::Depth, at));
        }
        sink.open(self.depth, object, self.base + at).map_err(|code| (code, at))?;
        let bit = 1 << self.depth;
        self.objects = if object { self.objects | bit } else { self.objects & !bit };
        self.depth += 1;
        self.state = if object { State::FirstKey } else { State::FirstValue };
        Ok(at + 1)
    }

    fn close<S: Sink>(&mut self, at: usize, sink: &mut S) -> Result<usize, (Code, usize)> {
        self.depth -= 1;
        self.state = State::After;
        sink.close(self.depth, self.base + at + 1).map_err(|code| (code, at))?;
        Ok(at + 1)
    }

    /// A name, from its first quote on; with its colon, when that follows at once.
    #[inline]
    fn key<S: Sink>(&mut self, segment: &[u8], at: usize, sink: &mut S) -> Result<usize, (Code, usize)> {
        let Some(end) = whole_string(segment, at)? else {
            return self.begin_string(segment, at, true, sink);
        };
        sink.key(self.depth, &segment[at + 1..end], true, self.base + at..self.base + end + 1).map_err(|code| (code, end))?;
        if segment.get(end + 1) == Some(&b':') {
            self.state = State::Value;
            return Ok(end + 2);
        }
        self.state = State::Colon;
        Ok(end + 1)
    }

    /// A string value, from its first quote on.
    #[inline]
    fn text<S: Sink>(&mut self, segment: &[u8], at: usize, sink: &mut S) -> Result<usize, (Code, usize)> {
        let Some(end) = whole_string(segment, at)? else {
            return self.begin_string(segment, at, false, sink);
        };
        let text = &segment[at + 1..end];
        let value = Scalar::Text { text, whole: true, size: text.len() };
        self.state = State::After;
        sink.scalar(self.depth, value, self.base + at..self.base + end + 1).map_err(|code| (code, end))?;
        Ok(end + 1)
    }

    fn begin_string<S: Sink>(&mut self, segment: &[u8], at: usize, is_key: bool, sink: &mut S) -> Result<usize, (Code, usize)> {
        self.start = self.base + at;
        self.is_key = is_key;
        self.keep = is_key || sink.wants(self.depth);
        self.whole = self.keep;
        self.escape = Escape::None;
        self.high = 0;
        self.partial_len = 0;
        self.text.clear();
        self.state = State::String;
        self.string(segment, at + 1, sink)
    }

    /// Goes on within a string that has escapes or began in an earlier segment.
    fn string<S: Sink>(&mut self, segment: &[u8], mut at: usize, sink: &mut S) -> Result<usize, (Code, usize)> {
        while at < segment.len() {
            if self.escape != Escape::None {
                self.escaped(segment[at]).map_err(|code| (code, at))?;
                at += 1;
                continue;
            }
            if self.partial_len > 0 {
                self.character(segment[at]).map_err(|code| (code, at))?;
                at += 1;
                continue;
            }
            let (end, ascii) = plain::run(segment, at);
            if end > at {
                self.lone().map_err(|code| (code, at))?;
                let mut complete = end;
                if !ascii {
                    complete = self.whole_characters(segment, at, end)?;
                }
                self.push(&segment[at..complete]);
            }
            match segment.get(end) {
                None => return Ok(end),
                Some(b'\\') => self.escape = Escape::Start,
                Some(b'"') => {
                    self.lone().map_err(|code| (code, end))?;
                    return self.end_string(end, sink).map_err(|code| (code, end));
                }
                Some(_) => return Err((Code::Control, end)),
            }
            at = end + 1;
        }
        Ok(at)
    }

    fn end_string<S: Sink>(&mut self, end: usize, sink: &mut S) -> Result<usize, Code> {
        if self.is_key {
            self.state = State::Colon;
            sink.key(self.depth, self.text.as_bytes(), self.whole, self.start..self.base + end + 1)?;
        } else {
            self.state = State::After;
            let range = self.start..self.base + end + 1;
            let size = range.len() - 2;
            let value = Scalar::Text { text: self.text.as_bytes(), whole: self.whole, size };
            sink.scalar(self.depth, value, range)?;
        }
        Ok(end + 1)
    }

    fn push(&mut self, piece: &[u8]) {
        // Once a piece did not fit, later ones must not close the gap.
        if self.keep && !self.text.push(piece) {
            self.keep = false;
            self.whole = false;
        }
    }

    /// Checks `segment[at..end]`, which may end within a character only at the end of the segment;
    /// keeps that beginning and returns where it starts.
    fn whole_characters(&mut self, segment: &[u8], at: usize, end: usize) -> Result<usize, (Code, usize)> {
        match std::str::from_utf8(&segment[at..end]) {
            Ok(_) => Ok(end),
            Err(error) => {
                let valid = at + error.valid_up_to();
                if error.error_len().is_some() || end < segment.len() {
                    return Err((Code::Utf8, valid));
                }
                self.partial_len = end - valid;
                self.partial[..self.partial_len].copy_from_slice(&segment[valid..end]);
                Ok(valid)
            }
        }
    }

    /// Adds a byte to the character that the end of a segment cut.
    fn character(&mut self, byte: u8) -> Result<(), Code> {
        self.partial[self.partial_len] = byte;
        self.partial_len += 1;
        match std::str::from_utf8(&self.partial[..self.partial_len]) {
            Ok(_) => {
                let character = self.partial;
                self.push(&character[..self.partial_len]);
                self.partial_len = 0;
                Ok(())
            }
            Err(error) if error.error_len().is_none() => Ok(()),
            Err(_) => Err(Code::Utf8),
        }
    }

    /// The character after a backslash, or a digit of a `\u` escape.
    fn escaped(&mut self, byte: u8) -> Result<(), Code> {
        if let Escape::Unit(count) = self.escape {
            let digit = char::from(byte).to_digit(16).ok_or(Code::Escape)?;
            self.unit = self.unit << 4 | digit as u16;
            self.escape = Escape::Unit(count + 1);
            if count == 3 {
                self.escape = Escape::None;
                self.end_unit()?;
            }
            return Ok(());
        }
        let decoded = match byte {
            b'u' => {
                self.unit = 0;
                self.escape = Escape::Unit(0);
                return Ok(());
            }
            b'"' | b'\\' | b'/' => byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            _ => return Err(Code::Escape),
        };
        self.escape = Escape::None;
        self.lone()?;
        self.push(&[decoded]);
        Ok(())
    }

    /// Puts a UTF-16 unit beside the one before it.
    fn end_unit(&mut self) -> Result<(), Code> {
        let unit = self.unit;
        let second_half = (0xdc00..0xe000).contains(&unit);
        let character = if second_half && self.high != 0 {
            let high = u32::from(self.high - 0xd800) << 10;
            self.high = 0;
            char::from_u32(0x1_0000 + high + u32::from(unit - 0xdc00))
        } else {
            self.lone()?;
            if (0xd800..0xdc00).contains(&unit) {
                self.high = unit;
                return Ok(());
            }
            if second_half {
                self.high = unit;
                return self.lone();
            }
            char::from_u32(u32::from(unit))
        };
        let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
        self.push(character.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    /// A first half without a second. RFC 8259 8.2 allows it and calls the result unpredictable:
    /// in a name it is refused, in a value it is kept as a replacement character.
    fn lone(&mut self) -> Result<(), Code> {
        if std::mem::take(&mut self.high) == 0 {
            return Ok(());
        }
        if self.is_key {
            return Err(Code::LoneSurrogate);
        }
        self.push("\u{fffd}".as_bytes());
        self.whole = false;
        Ok(())
    }

    fn number<S: Sink>(&mut self, segment: &[u8], mut at: usize, mut digits: Digits, sink: &mut S) -> Result<usize, (Code, usize)> {
        if digits == Digits::Whole {
            at = self.whole_digits(segment, at);
        }
        while let Some(&byte) = segment.get(at) {
            digits = match (digits, byte) {
                (Digits::Minus, b'0') => Digits::Zero,
                (Digits::Minus, b'1'..=b'9') => Digits::Whole,
                (Digits::Whole, b'0'..=b'9') => {
                    let digit = u64::from(byte - b'0');
                    self.number = self.number.and_then(|n| n.checked_mul(10)?.checked_add(digit));
                    Digits::Whole
                }
                (Digits::Zero | Digits::Whole, b'.') => Digits::Point,
                (Digits::Point | Digits::Fraction, b'0'..=b'9') => Digits::Fraction,
                (Digits::Zero | Digits::Whole | Digits::Fraction, b'e' | b'E') => Digits::Exponent,
                (Digits::Exponent, b'+' | b'-') => Digits::Sign,
                (Digits::Exponent | Digits::Sign | Digits::Power, b'0'..=b'9') => Digits::Power,
                _ => {
                    return match self.end_number(digits, self.base + at, sink) {
                        Ok(()) => Ok(at),
                        Err(code) => Err((code, at)),
                    };
                }
            };
            at += 1;
        }
        self.state = State::Number;
        self.digits = digits;
        Ok(at)
    }

    /// The digits of a whole number, as long as none of them can be too many: nearly always all of it.
    #[inline]
    fn whole_digits(&mut self, segment: &[u8], mut at: usize) -> usize {
        let Some(mut number) = self.number else { return at };
        while let Some(digit) = segment.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10)
            && number <= (u64::MAX - 9) / 10
        {
            number = number * 10 + u64::from(digit);
            at += 1;
        }
        self.number = Some(number);
        at
    }

    fn end_number<S: Sink>(&mut self, digits: Digits, end: usize, sink: &mut S) -> Result<(), Code> {
        let value = match digits {
            Digits::Zero | Digits::Whole => self.number,
            Digits::Fraction | Digits::Power => None,
            _ => return Err(Code::Syntax),
        };
        self.state = State::After;
        sink.scalar(self.depth, Scalar::Number(value), self.start..end)
    }

    fn begin_literal<S: Sink>(&mut self, literal: Literal, segment: &[u8], at: usize, sink: &mut S) -> Result<usize, (Code, usize)> {
        self.start = self.base + at;
        self.literal = literal;
        self.literal_len = 1;
        self.state = State::Literal;
        self.literal(segment, at + 1, sink)
    }

    fn literal<S: Sink>(&mut self, segment: &[u8], at: usize, sink: &mut S) -> Result<usize, (Code, usize)> {
        let missing = &self.literal.spelling()[self.literal_len..];
        let size = missing.len().min(segment.len() - at);
        for (index, byte) in missing[..size].iter().enumerate() {
            if segment[at + index] != *byte {
                return Err((Code::Syntax, at + index));
            }
        }
        let end = at + size;
        self.literal_len += size;
        if size == missing.len() {
            self.state = State::After;
            sink.scalar(self.depth, self.literal.value(), self.start..self.base + end).map_err(|code| (code, end - 1))?;
        }
        Ok(end)
    }
}

/// The index of the closing quote of the string that opens at `at`, in the usual case that it lies
/// within the segment and has no escapes.
#[inline]
fn whole_string(segment: &[u8], at: usize) -> Result<Option<usize>, (Code, usize)> {
    let (end, ascii) = plain::run(segment, at + 1);
    if segment.get(end) != Some(&b'"') {
        return Ok(None);
    }
    if !ascii && let Err(error) = std::str::from_utf8(&segment[at + 1..end]) {
        return Err((Code::Utf8, at + 1 + error.valid_up_to()));
    }
    Ok(Some(end))
}
