//! Server-sent events (WHATWG HTML 9.2), cut out of a byte stream at any byte.
//!
//! [`Splitter::next`] finds the blank line that ends an event. An event that lies within the given
//! input is not copied; one that began in earlier input is put together in a bounded carry buffer.
//! Line ends are LF, CRLF and CR. A blank line is complete with its CR: an LF that follows belongs
//! to the next cut, so that no event waits for a byte that may never come.

use std::ops::Range;

/// The default for the largest event.
pub const EVENT_SIZE_MAX: usize = 1024 * 1024;

/// What a splitter keeps of its buffers after a large event.
const KEPT_SIZE: usize = 16 * 1024;

/// An event grew beyond the limit. The stream cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// What was cut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An event with data.
    Event,
    /// Nothing but comment lines.
    Comment,
    /// Fields without data (`retry`, `id`, a lone `event`): not dispatched to anybody.
    Fields,
    /// An empty line.
    Blank,
}

/// One event, comment or blank line. It borrows nothing: its methods want the splitter and the
/// input that it was cut from, before the splitter is asked for the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// What it is.
    pub kind: Kind,
    /// So many bytes of the input belong to it.
    pub used: usize,
    place: Place,
    event: Option<Range<usize>>,
    data: Data,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Input,
    Carry,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Data {
    None,
    /// One `data` line, at its place.
    Line(Range<usize>),
    /// Several, joined with LF.
    Joined,
}

impl Cut {
    /// All of its bytes as they came, the blank line included.
    pub fn raw<'a>(&self, splitter: &'a Splitter, input: &'a [u8]) -> &'a [u8] {
        match self.place {
            Place::Input => input.get(..self.used).unwrap_or_default(),
            Place::Carry => &splitter.carry,
        }
    }

    /// The name of the event, when it has one.
    pub fn event<'a>(&self, splitter: &'a Splitter, input: &'a [u8]) -> Option<&'a [u8]> {
        let range = self.event.clone()?;
        self.raw(splitter, input).get(range)
    }

    /// Its data; several lines are joined with LF.
    pub fn data<'a>(&self, splitter: &'a Splitter, input: &'a [u8]) -> &'a [u8] {
        match &self.data {
            Data::None => &[],
            Data::Line(range) => self.raw(splitter, input).get(range.clone()).unwrap_or_default(),
            Data::Joined => &splitter.joined,
        }
    }
}

/// Cuts a byte stream into events.
#[derive(Clone, Debug)]
pub struct Splitter {
    /// The bytes of an event that is not complete; after a cut, the bytes of that event.
    carry: Vec<u8>,
    /// The data of the event that was cut, when it has several lines.
    joined: Vec<u8>,
    max: usize,
    /// Whether `carry` and `joined` belong to an event that was cut already.
    spent: bool,
    /// The last byte was a CR, so that an LF belongs to the same line end.
    after_cr: bool,
    /// The current line has no bytes so far.
    line_empty: bool,
    /// A byte order mark may follow.
    at_start: bool,
}

impl Default for Splitter {
    fn default() -> Splitter {
        Splitter::new(EVENT_SIZE_MAX)
    }
}

impl Splitter {
    /// A splitter for events of at most `max` bytes.
    pub fn new(max: usize) -> Splitter {
        Splitter { carry: Vec::new(), joined: Vec::new(), max, spent: false, after_cr: false, line_empty: true, at_start: true }
    }

    /// Takes the next bytes of the stream. `None` means that all of `input` was taken and no event
    /// is complete; after a cut, the call is to be repeated with what was not `used`.
    #[inline]
    pub fn next(&mut self, input: &[u8]) -> Result<Option<Cut>, TooLong> {
        if self.spent {
            self.forget();
        }
        let end = self.find_end(input);
        let taken = end.unwrap_or(input.len());
        if self.carry.len() + taken > self.max {
            return Err(TooLong);
        }
        let place = if self.carry.is_empty() && end.is_some() {
            Place::Input
        } else {
            self.carry.extend_from_slice(&input[..taken]);
            Place::Carry
        };
        if end.is_none() {
            return Ok(None);
        }
        self.spent = true;
        let at_start = std::mem::replace(&mut self.at_start, false);
        let raw = match place {
            Place::Input => &input[..taken],
            Place::Carry => &self.carry,
        };
        let fields = read(raw, at_start, &mut self.joined);
        Ok(Some(Cut { kind: fields.kind(), used: taken, place, event: fields.event, data: fields.data }))
    }

    /// How many bytes of an incomplete event are held. At the end of a stream, anything but 0
    /// means that it was cut short.
    pub fn pending(&self) -> usize {
        // A lone LF is the second half of a CRLF that ended the event before.
        if self.spent || self.carry == b"\n" { 0 } else { self.carry.len() }
    }

    fn forget(&mut self) {
        self.spent = false;
        for buffer in [&mut self.carry, &mut self.joined] {
            buffer.clear();
            buffer.shrink_to(KEPT_SIZE);
        }
    }

    /// One past the blank line that ends the current event.
    fn find_end(&mut self, input: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < input.len() {
            if std::mem::replace(&mut self.after_cr, false) && input[at] == b'\n' {
                at += 1;
                continue;
            }
            let Some(size) = memchr::memchr2(b'\n', b'\r', &input[at..]) else {
                self.line_empty = false;
                return None;
            };
            let blank = self.line_empty && size == 0;
            self.line_empty = true;
            at += size + 1;
            if input[at - 1] == b'\r' {
                if input.get(at) == Some(&b'\n') {
                    at += 1;
                } else {
                    self.after_cr = true;
                }
            }
            if blank {
                return Some(at);
            }
        }
        None
    }
}

/// The fields of one event, as ranges of its bytes.
struct Fields {
    event: Option<Range<usize>>,
    data: Data,
    comments: bool,
    others: bool,
}

impl Fields {
    fn kind(&self) -> Kind {
        match self.data {
            Data::Line(_) | Data::Joined => Kind::Event,
            Data::None if self.others || self.event.is_some() => Kind::Fields,
            Data::None if self.comments => Kind::Comment,
            Data::None => Kind::Blank,
        }
    }
}

/// WHATWG HTML 9.2.6: "Collect the characters on the line before the first U+003A COLON character
/// (:), and let field be that string. Collect the characters on the line after the first U+003A
/// COLON character (:), and let value be that string. If value starts with a U+0020 SPACE
/// character, remove it from value."
fn read(raw: &[u8], at_start: bool, joined: &mut Vec<u8>) -> Fields {
    let mut fields = Fields { event: None, data: Data::None, comments: false, others: false };
    let mut start = if at_start && raw.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    while start < raw.len() {
        let end = match memchr::memchr2(b'\n', b'\r', &raw[start..]) {
            Some(size) => start + size,
            None => raw.len(),
        };
        let line = &raw[start..end];
        if let Some(rest) = line.strip_prefix(b"data:") {
            let value = end - rest.strip_prefix(b" ").unwrap_or(rest).len()..end;
            add_data(&mut fields.data, value, raw, joined);
        } else if line == b"data" {
            add_data(&mut fields.data, end..end, raw, joined);
        } else if let Some(rest) = line.strip_prefix(b"event:") {
            fields.event = Some(end - rest.strip_prefix(b" ").unwrap_or(rest).len()..end);
        } else if line.first() == Some(&b':') {
            fields.comments = true;
        } else if !line.is_empty() {
            fields.others = true;
        }
        start = end + 1;
    }
    fields
}

fn add_data(data: &mut Data, value: Range<usize>, raw: &[u8], joined: &mut Vec<u8>) {
    match std::mem::replace(data, Data::Joined) {
        Data::None => *data = Data::Line(value),
        Data::Line(first) => {
            joined.extend_from_slice(&raw[first]);
            joined.push(b'\n');
            joined.extend_from_slice(&raw[value]);
        }
        Data::Joined => {
            joined.push(b'\n');
            joined.extend_from_slice(&raw[value]);
        }
    }
}

#[cfg(test)]
mod tests;
