//! Heads built from scratch.
//!
//! Names and values are checked when they are written, whoever gave them: a CR or LF that came
//! from a configuration file splits a head as well as one that came from the network.

use super::{RATE_LIMITS, RELAYED_DOWNSTREAM, RELAYED_UPSTREAM, Request, Response, ResponseField, is_token_byte};

/// The interim answer to `Expect: 100-continue`.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Why a head could not be written. The output is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwritable {
    /// The method is not a token.
    Method,
    /// The target is empty or contains a blank or a control character.
    Target,
    /// A field name is not a token.
    Name,
    /// A field value contains CR, LF, NUL or another control character.
    Value,
}

/// The first line of requests to one target, checked when it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestLine(Vec<u8>);

impl RequestLine {
    /// `method` is a token, `target` in origin-form.
    ///
    /// # Errors
    /// One of them could not stand in a head.
    pub fn new(method: &str, target: &[u8]) -> Result<RequestLine, Unwritable> {
        if method.is_empty() || !method.bytes().all(is_token_byte) {
            return Err(Unwritable::Method);
        }
        if target.is_empty() || !target.iter().all(u8::is_ascii_graphic) {
            return Err(Unwritable::Target);
        }
        Ok(RequestLine([method.as_bytes(), b" ", target, b" HTTP/1.1\r\n"].concat()))
    }
}

/// Field lines that many heads have in common, checked when they are added.
#[derive(Clone, Default)]
pub struct FieldLines(Vec<u8>);

impl FieldLines {
    /// Adds a line.
    ///
    /// # Errors
    /// The name or the value could not stand in a head; nothing was added.
    pub fn add(&mut self, name: &str, value: &[u8]) -> Result<(), Unwritable> {
        write_field(&mut self.0, name, value)
    }

    /// Writes them.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

/// What goes into a request head for a provider.
#[derive(Clone, Copy)]
pub struct RequestHead<'a> {
    /// Its first line.
    pub line: &'a RequestLine,
    /// Host, and all else that requests to the provider have in common.
    pub common: &'a FieldLines,
    /// The field that carries the provider's credential, name and value.
    pub credential: Option<(&'a str, &'a [u8])>,
    /// The size of the body. It is always stated, so that no transfer coding is ever needed.
    pub content_length: u64,
    /// What the provider may answer with; no field when empty.
    pub accept: &'a [u8],
    /// Further fields, which may stand in a head.
    pub further: &'a [(&'a str, &'a [u8])],
    /// The tenant's head and the bytes it was read from: `RELAYED_UPSTREAM` is copied from it.
    pub relayed: Option<(&'a Request, &'a [u8])>,
}

/// Writes a whole request head, its blank line included.
///
/// # Errors
/// The credential or what is accepted could not stand in a head; nothing was written.
pub fn write_request(out: &mut Vec<u8>, head: &RequestHead<'_>) -> Result<(), Unwritable> {
    let start = out.len();
    let result = try_write_request(out, head);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

fn try_write_request(out: &mut Vec<u8>, head: &RequestHead<'_>) -> Result<(), Unwritable> {
    out.extend_from_slice(&head.line.0);
    head.common.write(out);
    // Answers are read on their way through; an encoded one could not be.
    out.extend_from_slice(b"accept-encoding: identity\r\n");
    if let Some((name, value)) = head.credential {
        write_field(out, name, value)?;
    }
    if !head.accept.is_empty() {
        write_field(out, "accept", head.accept)?;
    }
    write_length(out, head.content_length);
    for (name, value) in head.further {
        write_field(out, name, value)?;
    }
    if let Some((request, bytes)) = head.relayed {
        for &field in RELAYED_UPSTREAM {
            if let Some(value) = request.field(bytes, field) {
                copy_field(out, field.name(), value);
            }
        }
    }
    write_end(out);
    Ok(())
}

/// Writes one field line.
///
/// # Errors
/// The name or the value could not stand in a head; nothing was written.
pub fn write_field(out: &mut Vec<u8>, name: &str, value: &[u8]) -> Result<(), Unwritable> {
    if name.is_empty() || !every(name.as_bytes(), is_token_byte) {
        return Err(Unwritable::Name);
    }
    if !every(value, is_value_byte) {
        return Err(Unwritable::Value);
    }
    copy_field(out, name, value);
    Ok(())
}

/// Goes on to the end whatever it finds, which the compiler turns into vector instructions.
fn every(bytes: &[u8], fits: impl Fn(u8) -> bool) -> bool {
    bytes.iter().fold(true, |all, &byte| all & fits(byte))
}

/// Writes a status line; a status out of 100..=999 is our own mistake and is written as 500.
pub fn write_status(out: &mut Vec<u8>, status: u16) {
    debug_assert!((100..=999).contains(&status));
    let status = if (100..=999).contains(&status) { status } else { 500 };
    out.extend_from_slice(b"HTTP/1.1 ");
    write_number(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Writes `Content-Length`.
pub fn write_length(out: &mut Vec<u8>, length: u64) {
    out.extend_from_slice(b"content-length: ");
    write_number(out, length);
    out.extend_from_slice(b"\r\n");
}

/// Writes `Transfer-Encoding: chunked`.
pub fn write_chunked(out: &mut Vec<u8>) {
    out.extend_from_slice(b"transfer-encoding: chunked\r\n");
}

/// Writes `Connection: close`.
pub fn write_close(out: &mut Vec<u8>) {
    out.extend_from_slice(b"connection: close\r\n");
}

/// Writes the blank line that ends a head.
pub fn write_end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\r\n");
}

/// Copies `RELAYED_DOWNSTREAM` from a provider's head. `bytes` are those that `response` was read
/// from: a head that was accepted has no value that could not be written again. Without `typed`, the
/// type of the content is somebody else's to say.
pub fn relay_fields(out: &mut Vec<u8>, response: &Response, bytes: &[u8], typed: bool) {
    for &field in RELAYED_DOWNSTREAM.iter().filter(|field| typed || **field != ResponseField::ContentType) {
        if let Some(value) = response.field(bytes, field) {
            copy_field(out, field.name(), value);
        }
    }
}

/// Copies `RATE_LIMITS` the same way, by the names that they came by.
pub fn relay_rate_limits(out: &mut Vec<u8>, response: &Response, bytes: &[u8]) {
    for &field in RATE_LIMITS.as_flattened() {
        if let (Some(name), Some(value)) = (response.name(bytes, field), response.field(bytes, field)) {
            out.extend(name.iter().map(u8::to_ascii_lowercase));
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Writes one field line whose parts were checked when they were read, or are the program's own.
fn copy_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    debug_assert!(name.bytes().all(is_token_byte) && value.iter().all(|&byte| is_value_byte(byte)));
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// RFC 9110 5.5: visible bytes, blanks, tabs, and what is beyond ASCII.
const fn is_value_byte(byte: u8) -> bool {
    (byte >= 0x20 && byte != 0x7f) || byte == b'\t'
}

/// Writes a number in decimal digits.
pub fn write_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// The reason phrase of a status (RFC 9110 15).
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        499 => "Client Closed Request",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        529 => "Overloaded",
        _ => "Unknown",
    }
}
