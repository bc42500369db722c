//! A request that is written anew: its own words, and long stretches of the text that it was read
//! from, which are not copied.

use super::answer::escape_json_into;
use crate::head::write_number;
use crate::json::{Str, escape_into};
use std::ops::Range;

/// Stretches of the source that are shorter are copied: a piece costs more than so many bytes.
const STRETCH_MIN: usize = 4_096;

/// Where the next bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// In the rope's own text.
    Own(Range<usize>),
    /// In the source.
    Source(Range<usize>),
}

/// JSON that is being written.
#[derive(Debug)]
pub struct Rope<'t> {
    source: &'t [u8],
    own: Vec<u8>,
    pieces: Vec<Piece>,
    /// Where the piece begins that is being written.
    begun: usize,
    /// A value was written, so that a comma goes before the next one.
    comma: bool,
    /// Objects and arrays that are open.
    depth: usize,
    /// Names that are written later: at which depth, and the name without escapes.
    barred: Vec<(usize, Vec<u8>)>,
    /// Where the member of a barred name begins.
    barring: Option<Mark>,
}

/// A place that is gone back to.
#[derive(Clone, Copy, Debug)]
struct Mark {
    own: usize,
    pieces: usize,
    begun: usize,
    comma: bool,
    depth: usize,
}

/// What was written, without the source.
#[derive(Debug, Default)]
pub struct Written {
    /// Bytes that the pieces refer to.
    pub own: Vec<u8>,
    /// All of it, in order.
    pub pieces: Vec<Piece>,
}

impl Written {
    /// How many bytes.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(|(Piece::Own(range) | Piece::Source(range))| range.len()).sum()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of it in one piece.
    pub fn join(&self, source: &[u8]) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.len());
        for piece in &self.pieces {
            all.extend_from_slice(match piece {
                Piece::Own(range) => &self.own[range.clone()],
                Piece::Source(range) => &source[range.clone()],
            });
        }
        all
    }
}

impl<'t> Rope<'t> {
    /// Nothing yet, over `source`; `own` is a buffer to use again.
    pub fn new(source: &'t [u8], mut own: Vec<u8>) -> Rope<'t> {
        own.clear();
        Rope { source, own, pieces: Vec::new(), begun: 0, comma: false, depth: 0, barred: Vec::new(), barring: None }
    }

    /// That is all.
    pub fn finish(mut self) -> Written {
        self.cut();
        Written { own: self.own, pieces: self.pieces }
    }

    fn cut(&mut self) {
        if self.begun < self.own.len() {
            self.pieces.push(Piece::Own(self.begun..self.own.len()));
            self.begun = self.own.len();
        }
    }

    /// Bytes as they are: by reference when they are long and lie in the source.
    fn stretch(&mut self, bytes: &[u8]) {
        if bytes.len() < STRETCH_MIN {
            return self.own.extend_from_slice(bytes);
        }
        // The difference of addresses is an offset where the one lies within the other, and is checked.
        let at = (bytes.as_ptr() as usize).wrapping_sub(self.source.as_ptr() as usize);
        let inside = at.checked_add(bytes.len()).is_some_and(|end| end <= self.source.len());
        if !inside {
            return self.own.extend_from_slice(bytes);
        }
        self.cut();
        self.pieces.push(Piece::Source(at..at + bytes.len()));
    }

    /// From here on, members of this name are left out of the object that is open, until
    /// [`Rope::admit`]: they are set later, and no name may stand twice. `name` is as it is written.
    pub fn bar(&mut self, name: &[u8]) {
        self.barred.push((self.depth, name.to_vec()));
    }

    /// What was barred in the object that is open is written again.
    pub fn admit(&mut self) {
        self.settle();
        let depth = self.depth;
        self.barred.retain(|(at, _)| *at != depth);
    }

    /// Goes back to where the member of a barred name began, once it is over.
    fn settle(&mut self) {
        let Some(mark) = self.barring.take_if(|mark| mark.depth == self.depth) else { return };
        self.own.truncate(mark.own);
        self.pieces.truncate(mark.pieces);
        (self.begun, self.comma) = (mark.begun, mark.comma);
    }

    /// The name of a member comes, and what was before it is over.
    fn named(&mut self, name: &[u8]) {
        self.settle();
        let (depth, begun, comma) = (self.depth, self.begun, self.comma);
        if self.barring.is_none() && self.barred.iter().any(|(at, barred)| *at == depth && barred == name) {
            self.barring = Some(Mark { own: self.own.len(), pieces: self.pieces.len(), begun, comma, depth });
        }
    }

    fn separate(&mut self) {
        if self.comma {
            self.own.push(b',');
        }
        self.comma = true;
    }

    /// Begins an object, as a value.
    pub fn open_object(&mut self) -> &mut Self {
        self.separate();
        self.own.push(b'{');
        self.comma = false;
        self.depth += 1;
        self
    }

    /// Ends it.
    pub fn close_object(&mut self) -> &mut Self {
        self.settle();
        self.depth -= 1;
        self.own.push(b'}');
        self.comma = true;
        self
    }

    /// Begins an array, as a value.
    pub fn open_array(&mut self) -> &mut Self {
        self.separate();
        self.own.push(b'[');
        self.comma = false;
        self.depth += 1;
        self
    }

    /// Ends it.
    pub fn close_array(&mut self) -> &mut Self {
        self.depth -= 1;
        self.own.push(b']');
        self.comma = true;
        self
    }

    /// The name of the member whose value comes next. `name` needs no escapes.
    pub fn key(&mut self, name: &str) -> &mut Self {
        self.named(name.as_bytes());
        self.separate();
        self.own.push(b'"');
        self.own.extend_from_slice(name.as_bytes());
        self.own.extend_from_slice(b"\":");
        self.comma = false;
        self
    }

    /// The same for a name of the source's.
    pub fn key_of(&mut self, name: Str<'_>) -> &mut Self {
        self.named(name.raw());
        self.separate();
        self.own.push(b'"');
        self.own.extend_from_slice(name.raw());
        self.own.extend_from_slice(b"\":");
        self.comma = false;
        self
    }

    /// A string of the source's.
    pub fn str(&mut self, text: Str<'_>) -> &mut Self {
        self.strs(&[text])
    }

    /// Strings of the source's, as one.
    pub fn strs(&mut self, texts: &[Str<'_>]) -> &mut Self {
        self.separate();
        self.own.push(b'"');
        texts.iter().for_each(|text| self.stretch(text.raw()));
        self.own.push(b'"');
        self
    }

    /// A string of the gateway's.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.separate();
        self.own.push(b'"');
        escape_into(&mut self.own, text);
        self.own.push(b'"');
        self
    }

    /// A JSON value as it is.
    pub fn json(&mut self, json: &[u8]) -> &mut Self {
        self.separate();
        self.stretch(json);
        self
    }

    /// A JSON value within a string.
    pub fn json_in_text(&mut self, json: &[u8]) -> &mut Self {
        self.separate();
        self.own.push(b'"');
        escape_json_into(json, &mut self.own);
        self.own.push(b'"');
        self
    }

    /// The JSON object that a string holds; see [`super::answer::Given::write_object`].
    pub fn object_in(&mut self, text: Str<'_>) -> &mut Self {
        self.separate();
        super::answer::write_object(text, &mut self.own);
        self
    }

    /// A number.
    pub fn number(&mut self, number: u64) -> &mut Self {
        self.separate();
        write_number(&mut self.own, number);
        self
    }

    /// A boolean.
    pub fn bool(&mut self, bool: bool) -> &mut Self {
        self.separate();
        self.own.extend_from_slice(if bool { b"true" } else { b"false" });
        self
    }

    /// What `write` appends, as a value.
    pub fn with(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        self.separate();
        write(&mut self.own);
        self
    }
}
