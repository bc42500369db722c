//! Heads of HTTP/1.1 messages: read strictly, written from scratch.
//!
//! [`request`] reads what tenants send, [`response`] what providers answer. Both tokenise with
//! `httparse` and then apply the rules that `httparse` leaves to its caller: framing, hosts,
//! target forms, sizes. Nothing that was read is ever forwarded as it came: [`write_request`]
//! builds the upstream head from an allow-list and always with `Content-Length`, so that a
//! smuggled second request cannot exist upstream.
//!
//! A parsed head is plain data that borrows nothing: it holds [`Span`]s into the bytes it was
//! read from, and the caller keeps both together.

mod field;
mod outline;
mod refusal;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod retry;
mod target;
mod write;

pub use field::{Field, RATE_LIMITS, RELAYED_DOWNSTREAM, RELAYED_UPSTREAM, ResponseField};
pub use outline::{FIELDS_MAX, HEAD_SIZE_MAX, TARGET_SIZE_MAX};
pub use refusal::{Fault, Refusal};
pub use request::{Request, request};
pub use response::{Response, response};
pub use retry::{RetryAfter, retry_after, retry_after_ms};
pub use target::{percent_decode, percent_encode};
pub use write::{
    CONTINUE, FieldLines, RequestHead, RequestLine, Unwritable, reason, relay_fields, relay_rate_limits, write_chunked, write_close,
    write_end, write_field, write_length, write_number, write_request, write_status,
};

/// A part of the head, relative to the slice that the head was read from.
///
/// `0 <= start <= end <= HEAD_SIZE_MAX`. No field value starts at 0, so that an all-zero span
/// means "absent".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: u16,
    /// One past the last byte.
    pub end: u16,
}

impl Span {
    /// The bytes that this span names in the slice it was read from; empty when `bytes` is
    /// another, shorter slice.
    pub fn of<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(usize::from(self.start)..usize::from(self.end)).unwrap_or_default()
    }

    fn absent(&self) -> bool {
        self.start == 0
    }

    /// `None` when the range does not fit; heads are at most `HEAD_SIZE_MAX` long, so it does.
    fn new(start: usize, end: usize) -> Option<Span> {
        let start = u16::try_from(start).ok()?;
        let end = u16::try_from(end).ok()?;
        (start <= end).then_some(Span { start, end })
    }

    /// Where `part` lies within `whole`, when it does.
    fn within(whole: &[u8], part: &[u8]) -> Option<Span> {
        let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
        let end = start + part.len();
        if end <= whole.len() { Span::new(start, end) } else { None }
    }
}

/// The protocol version of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// The methods that the gateway tells apart; names are case-sensitive (RFC 9110 9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// POST
    Post,
    /// HEAD
    Head,
    /// OPTIONS
    Options,
    /// Any other token; CONNECT and TRACE never get this far.
    Other,
}

/// How the end of a message's body is known (RFC 9112 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body follows.
    None,
    /// Exactly so many bytes follow, at least one: a stated length of zero is `None`.
    Length(u64),
    /// Chunks follow.
    Chunked,
    /// The body ends with the connection. Only for answers; a request never has it.
    UntilClose,
}

/// RFC 9110 5.6.2 `tchar`.
#[inline]
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    const TABLE: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 128 {
            table[byte] = (byte as u8).is_ascii_alphanumeric();
            byte += 1;
        }
        let others = b"!#$%&'*+-.^_`|~";
        let mut index = 0;
        while index < others.len() {
            table[others[index] as usize] = true;
            index += 1;
        }
        table
    };
    TABLE[byte as usize]
}

/// The members of a comma-separated list (RFC 9110 5.6.1), without the blanks around them.
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trim)
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// RFC 9110 8.6: `Content-Length = 1*DIGIT`; at most 19 digits, so that no value overflows.
fn content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 {
        return None;
    }
    value.iter().try_fold(0_u64, |sum, &byte| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0')))
}

/// Where the value of a field line lies. An empty value has no address of its own: it lies behind
/// the colon.
fn value_span(bytes: &[u8], line: &httparse::Header<'_>) -> Option<Span> {
    if line.value.is_empty() {
        let name = Span::within(bytes, line.name.as_bytes())?;
        return Span::new(usize::from(name.end) + 1, usize::from(name.end) + 1);
    }
    Span::within(bytes, line.value)
}

#[cfg(test)]
mod tests;
