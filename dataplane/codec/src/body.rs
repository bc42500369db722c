//! Bodies of messages, in both directions: which bytes are content and where the body ends.
//!
//! [`Decoder`] copies nothing: each step names a part of the input that is content. The chunk line
//! has a parser of its own, because `httparse::parse_chunk_size` accepts an empty size, an LF
//! inside an extension and sizes that overflow when two is added.

mod chunk;

use std::ops::Range;

use crate::head::Framing;
use chunk::Chunks;

/// The end of a chunked body without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
/// The end of a chunk.
pub const CHUNK_END: &[u8] = b"\r\n";

/// The most bytes of extension in one chunk line.
pub const EXTENSION_SIZE_MAX: usize = 256;
/// The most bytes of extension in one body.
pub const EXTENSIONS_SIZE_MAX: usize = 4 * 1024;
/// The most bytes of trailers, line ends included.
pub const TRAILERS_SIZE_MAX: usize = 4 * 1024;
/// Framing bytes that are free before they are compared with the content.
pub const OVERHEAD_FREE_SIZE: u64 = 4 * 1024;
/// How many framing bytes each byte of content may cost beyond that.
pub const OVERHEAD_RATIO_MAX: u64 = 16;

/// Why a body cannot be read. The connection must not be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// More content than allowed (RFC 9110 15.5.14).
    TooLarge,
    /// A chunk size that is empty, not hexadecimal or longer than 16 digits (RFC 9112 7.1).
    ChunkSize,
    /// A malformed or too long chunk extension (RFC 9112 7.1.1).
    ChunkExtension,
    /// A line that does not end with exactly CRLF (RFC 9112 7.1).
    ChunkEnd,
    /// Malformed or too long trailers (RFC 9112 7.1.2).
    Trailer,
    /// Far more framing than content.
    Overhead,
    /// The connection ended before the body did (RFC 9112 8).
    Truncated,
}

impl Fault {
    /// Every fault, for tables and tests.
    pub const ALL: &'static [Fault] =
        &[Fault::TooLarge, Fault::ChunkSize, Fault::ChunkExtension, Fault::ChunkEnd, Fault::Trailer, Fault::Overhead, Fault::Truncated];

    /// The status of the answer when a tenant's body has this fault.
    pub fn status(self) -> u16 {
        match self {
            Fault::TooLarge => 413,
            _ => 400,
        }
    }

    /// A short name that never changes.
    pub fn code(self) -> &'static str {
        match self {
            Fault::TooLarge => "body_too_large",
            Fault::ChunkSize => "bad_chunk_size",
            Fault::ChunkExtension => "bad_chunk_extension",
            Fault::ChunkEnd => "bad_chunk_end",
            Fault::Trailer => "bad_trailer",
            Fault::Overhead => "chunk_overhead",
            Fault::Truncated => "body_truncated",
        }
    }

    /// One sentence for a person.
    pub fn message(self) -> &'static str {
        match self {
            Fault::TooLarge => "The body is larger than allowed.",
            Fault::ChunkSize => "The size of a chunk is malformed.",
            Fault::ChunkExtension => "A chunk extension is malformed or too long.",
            Fault::ChunkEnd => "A line of the chunked body does not end with CRLF.",
            Fault::Trailer => "The trailers are malformed or too long.",
            Fault::Overhead => "The chunked body has far more framing than content.",
            Fault::Truncated => "The connection ended before the body did.",
        }
    }
}

/// What one call of [`Decoder::decode`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// So many bytes of the input are dealt with.
    pub used: usize,
    /// This part of the input is content; it may be empty. `data.end <= used`.
    pub data: Range<usize>,
    /// The body has ended; bytes after `used` are not its own.
    pub done: bool,
}

/// Takes a body apart, whatever the sizes of its pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoder {
    state: State,
    /// Content delivered so far; `received <= max`.
    received: u64,
    max: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Done,
    /// So many bytes are missing; never 0.
    Length(u64),
    Chunked(Chunks),
    UntilClose,
    Failed(Fault),
}

impl Decoder {
    /// A decoder for a body that is framed so and has at most `max` bytes of content. A stated
    /// length beyond `max` is refused here, before a byte is read.
    pub fn new(framing: Framing, max: u64) -> Result<Decoder, Fault> {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::Done,
            Framing::Length(length) if length > max => return Err(Fault::TooLarge),
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Chunked(Chunks::default()),
            Framing::UntilClose => State::UntilClose,
        };
        Ok(Decoder { state, received: 0, max })
    }

    /// Takes the next bytes. To be called with what was not `used`, until `done` or until `used`
    /// is 0. After a fault every further call returns the same fault.
    pub fn decode(&mut self, input: &[u8]) -> Result<Step, Fault> {
        let result = match &mut self.state {
            State::Done => Ok(Step { used: 0, data: 0..0, done: true }),
            State::Failed(fault) => Err(*fault),
            State::Length(missing) => {
                let used = usize::try_from(*missing).unwrap_or(usize::MAX).min(input.len());
                *missing -= used as u64;
                Ok(Step { used, data: 0..used, done: *missing == 0 })
            }
            State::UntilClose => Ok(Step { used: input.len(), data: 0..input.len(), done: false }),
            State::Chunked(chunks) => chunks.decode(input, self.received, self.max),
        };
        let result = result.and_then(|step| {
            self.received = self.received.saturating_add(step.data.len() as u64);
            if self.received > self.max { Err(Fault::TooLarge) } else { Ok(step) }
        });
        match &result {
            Ok(step) if step.done => self.state = State::Done,
            Ok(_) => {}
            Err(fault) => self.state = State::Failed(*fault),
        }
        result
    }

    /// Whether the body has ended. A body that ends with the connection never has.
    pub fn done(&self) -> bool {
        self.state == State::Done
    }

    /// How many bytes of content came so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Tells the decoder that the connection has ended: an error unless the body has, too.
    pub fn close(&mut self) -> Result<(), Fault> {
        match self.state {
            State::Done => Ok(()),
            State::UntilClose => {
                self.state = State::Done;
                Ok(())
            }
            State::Failed(fault) => Err(fault),
            State::Length(_) | State::Chunked(_) => Err(Fault::Truncated),
        }
    }
}

/// Writes the line before a chunk of `size` bytes. A chunk of size 0 would end the body, so that
/// nothing is written for it.
pub fn write_chunk_head(out: &mut Vec<u8>, size: usize) {
    if size == 0 {
        return;
    }
    let digits = (usize::BITS - size.leading_zeros()).div_ceil(4);
    for digit in (0..digits).rev() {
        out.push(b"0123456789abcdef"[size >> (digit * 4) & 15]);
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests;
