//! HTTP/1.1 by hand: reading requests, writing heads.
//!
//! By hand because the mock must be able to send what a library refuses to: wrong lengths, broken
//! chunks, heads without end. Everything that is read is bounded.

use std::time::{SystemTime, UNIX_EPOCH};

#[cfg(test)]
mod tests;

/// The largest request head.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// The most headers of a request.
pub const HEADERS_MAX: usize = 100;
/// The largest request body.
pub const BODY_BYTES_MAX: usize = 64 << 20;
/// The largest line or trailer between chunks.
const CHUNK_LINE_MAX: usize = 16 * 1024;

/// A request, whole.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The target as sent: path and query.
    pub target: String,
    /// The headers in order, names as sent.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Whether the connection is kept afterwards.
    pub keep_alive: bool,
}

impl Request {
    /// The first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The path without query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The value of a query parameter, undecoded.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }

    /// The bearer credential, or one of the headers that other dialects use.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        if let Some(value) = self.header("authorization") {
            let (scheme, key) = value.split_once(' ')?;
            return scheme.eq_ignore_ascii_case("bearer").then(|| key.trim());
        }
        self.header("api-key").or_else(|| self.header("x-api-key"))
    }
}

/// Why a request could not be read. The caller's doing; answered and closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRequest {
    /// The head is not HTTP/1.
    Head,
    /// The head is too large.
    HeadTooLarge,
    /// The lengths contradict, or are no lengths.
    Length,
    /// The body is too large.
    BodyTooLarge,
    /// The chunks are broken.
    Chunk,
}

impl BadRequest {
    /// The status that says so.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            BadRequest::HeadTooLarge => 431,
            BadRequest::BodyTooLarge => 413,
            BadRequest::Head | BadRequest::Length | BadRequest::Chunk => 400,
        }
    }

    /// What to tell the caller.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            BadRequest::Head => "the request head is not HTTP/1.1",
            BadRequest::HeadTooLarge => "the request head exceeds 64 KiB or 100 headers",
            BadRequest::Length => "the request's lengths are contradictory or malformed",
            BadRequest::BodyTooLarge => "the request body exceeds 64 MiB",
            BadRequest::Chunk => "the request's chunked coding is broken",
        }
    }
}

/// How the body of a request is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes.
    Length(usize),
    /// Chunked coding.
    Chunked,
}

/// A parsed head.
#[derive(Debug)]
pub struct Head {
    /// The request, its body still empty.
    pub request: Request,
    /// How the body is framed.
    pub framing: Framing,
    /// Whether the caller waits for `100 Continue`.
    pub expects_continue: bool,
    /// How many bytes the head took.
    pub length: usize,
}

/// Parses a head; `None` means that more bytes are needed.
pub fn parse_head(bytes: &[u8]) -> Result<Option<Head>, BadRequest> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut headers);
    let length = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() < HEAD_BYTES_MAX => return Ok(None),
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            return Err(BadRequest::HeadTooLarge);
        }
        Err(_) => return Err(BadRequest::Head),
    };
    let request = Request {
        method: parsed.method.unwrap_or_default().to_owned(),
        target: parsed.path.unwrap_or_default().to_owned(),
        headers: parsed.headers.iter().map(|h| (h.name.to_owned(), String::from_utf8_lossy(h.value).trim().to_owned())).collect(),
        body: Vec::new(),
        keep_alive: parsed.version == Some(1),
    };
    finish_head(request, length).map(Some)
}

fn finish_head(mut request: Request, length: usize) -> Result<Head, BadRequest> {
    let mut lengths = request.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case("content-length"));
    let content_length = lengths.next().map(|(_, value)| value.clone());
    if lengths.next().is_some() {
        return Err(BadRequest::Length);
    }
    let framing = match (request.header("transfer-encoding"), content_length) {
        (Some(_), Some(_)) => return Err(BadRequest::Length),
        (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => Framing::Chunked,
        (Some(_), None) => return Err(BadRequest::Length),
        (None, Some(text)) => {
            if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
                return Err(BadRequest::Length);
            }
            match text.parse() {
                Ok(bytes) if bytes <= BODY_BYTES_MAX => Framing::Length(bytes),
                _ => return Err(BadRequest::BodyTooLarge),
            }
        }
        (None, None) => Framing::Length(0),
    };
    let tokens = request.header("connection").unwrap_or_default().to_ascii_lowercase();
    if tokens.split(',').any(|token| token.trim() == "close") {
        request.keep_alive = false;
    } else if tokens.split(',').any(|token| token.trim() == "keep-alive") {
        request.keep_alive = true;
    }
    let expect = request.header("expect").unwrap_or_default();
    let expects_continue = expect.eq_ignore_ascii_case("100-continue");
    Ok(Head { request, framing, expects_continue, length })
}

/// One step of decoding chunked coding.
#[derive(Debug, PartialEq, Eq)]
pub enum Chunk {
    /// More bytes are needed.
    Partial,
    /// So many bytes of framing, then so many of data and a line end.
    Data {
        /// Bytes of the size line.
        skip: usize,
        /// Bytes of data.
        size: usize,
    },
    /// The end; so many bytes of size line and trailers.
    End {
        /// Bytes to skip.
        skip: usize,
    },
}

/// Reads the size line at the start of `bytes`, and the trailers after the last.
pub fn next_chunk(bytes: &[u8]) -> Result<Chunk, BadRequest> {
    match httparse::parse_chunk_size(bytes) {
        Ok(httparse::Status::Complete((skip, 0))) => end_of_chunks(bytes, skip),
        Ok(httparse::Status::Complete((skip, size))) => match usize::try_from(size) {
            Ok(size) if size <= BODY_BYTES_MAX => Ok(Chunk::Data { skip, size }),
            _ => Err(BadRequest::BodyTooLarge),
        },
        Ok(httparse::Status::Partial) if bytes.len() < CHUNK_LINE_MAX => Ok(Chunk::Partial),
        _ => Err(BadRequest::Chunk),
    }
}

fn end_of_chunks(bytes: &[u8], skip: usize) -> Result<Chunk, BadRequest> {
    let rest = &bytes[skip..];
    if rest.starts_with(b"\r\n") {
        return Ok(Chunk::End { skip: skip + 2 });
    }
    match rest.windows(4).position(|window| window == b"\r\n\r\n") {
        Some(at) => Ok(Chunk::End { skip: skip + at + 4 }),
        None if rest.len() < CHUNK_LINE_MAX => Ok(Chunk::Partial),
        None => Err(BadRequest::Chunk),
    }
}

/// The reason phrase of a status.
#[must_use]
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        103 => "Early Hints",
        200 => "OK",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
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
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        529 => "Site Overloaded",
        _ => "Unknown",
    }
}

/// An HTTP date (IMF-fixdate).
#[must_use]
pub fn date(at: SystemTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let days = seconds / 86_400;
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let weekday = DAYS[usize::try_from(days % 7).expect("less than seven")];
    let month = MONTHS[usize::try_from(month).expect("less than twelve")];
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// Year, month from zero and day of month, from days since 1970 (after Howard Hinnant).
fn civil(days: u64) -> (u64, u64, u64) {
    // Counted from 1 March of year 0, leap days fall at the end of years.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12;
    let year = year_of_era + era * 400 + u64::from(month_from_march >= 10);
    (year, month, day)
}

/// Writes a response head.
#[must_use]
pub fn head(status: u16, headers: &[(String, String)]) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {status} {}\r\n", reason(status));
    for (name, value) in headers {
        out.push_str(name);
        out.push_str(": ");
        out.push_str(value);
        out.push_str("\r\n");
    }
    out.push_str("\r\n");
    out.into_bytes()
}

/// A moment as RFC 3339 writes it, in UTC and whole seconds.
#[must_use]
pub fn rfc3339(at: SystemTime) -> String {
    let seconds = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z", month + 1)
}

/// A path or a value of a query with its percent-encoding undone; what is no encoding stays.
#[must_use]
pub fn percent_decoded(text: &str) -> String {
    let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = bytes.get(at + 1).zip(bytes.get(at + 2)).and_then(|(high, low)| Some(hex(*high)? * 16 + hex(*low)?));
        match pair.filter(|_| bytes[at] == b'%') {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
