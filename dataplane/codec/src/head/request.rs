//! Request heads (RFC 9112 3 to 6).

use std::mem::MaybeUninit;

use super::outline::{self, Flaw, TARGET_SIZE_MAX};
use super::{FIELDS_MAX, Field, Framing, Method, Refusal, Span, Version, content_length, list, target};

/// A request head that was accepted. Its spans are relative to the slice given to [`request`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked for.
    pub method: Method,
    /// HTTP/1.0 or HTTP/1.1.
    pub version: Version,
    /// The target as it was sent.
    pub target: Span,
    /// The path within the target, still encoded. See [`Request::path`].
    pub path: Span,
    /// The query within the target, without the `?`.
    pub query: Option<Span>,
    /// How the body ends; never [`Framing::UntilClose`].
    pub framing: Framing,
    /// Whether the tenant lets the connection live after the answer (RFC 9112 9.3).
    pub keep_alive: bool,
    /// Whether the tenant waits for `100 Continue` before it sends the body.
    pub expect_continue: bool,
    fields: [Span; Field::COUNT],
}

// It is copied into every exchange.
const _: () = assert!(size_of::<Request>() <= 256);

impl Request {
    /// The value of a known field. In absolute-form, `Host` is the authority of the target.
    pub fn field<'a>(&self, bytes: &'a [u8], field: Field) -> Option<&'a [u8]> {
        self.span(field).map(|span| span.of(bytes))
    }

    /// Where the value of a known field lies.
    pub fn span(&self, field: Field) -> Option<Span> {
        let span = self.fields[field as usize];
        (!span.absent()).then_some(span)
    }

    /// The path, still encoded; `/` for an absolute URI that has none.
    pub fn path<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        match self.path.of(bytes) {
            [] => b"/",
            path => path,
        }
    }

    /// The value of the first field of any name, by reading the lines again: for the rare route
    /// that asks for a field that the table does not know.
    pub fn find<'a>(&self, bytes: &'a [u8], name: &str) -> Option<&'a [u8]> {
        find(bytes.get(usize::from(self.target.end)..)?, name)
    }
}

/// The value of the first field called `name`; `bytes` starts within the first line of an
/// accepted head.
pub(super) fn find<'a>(bytes: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut start = memchr::memchr(b'\n', bytes)? + 1;
    loop {
        let line = &bytes[start..];
        let end = memchr::memchr(b'\n', line)?;
        let colon = memchr::memchr(b':', &line[..end])?;
        if line[..colon].eq_ignore_ascii_case(name.as_bytes()) {
            return Some(super::trim(line[colon + 1..end].strip_suffix(b"\r")?));
        }
        start += end + 1;
    }
}

/// Reads a request head from the start of `bytes`.
///
/// `Ok(None)` asks for more bytes; the next call gets the same bytes and more. On success the
/// second value tells how many bytes the head took, its blank line included. `max` is the largest
/// head that the caller accepts.
///
/// RFC 9112 2.2: "a server that is expecting to receive and parse a request-line SHOULD ignore at
/// least one empty line (CRLF) received prior to the request-line." Exactly one is ignored; it
/// counts in the bytes taken.
pub fn request(bytes: &[u8], max: usize) -> Result<Option<(Request, usize)>, Refusal> {
    match at_once(bytes, max) {
        Some(found) => found.map(Some),
        None => line_by_line(bytes, max),
    }
}

/// A short head that is all there and has nothing unusual, in half the time: the limits cannot be
/// reached, and `httparse` finds the end. `None` leaves it to [`line_by_line`], whose verdict is the
/// same.
fn at_once(bytes: &[u8], max: usize) -> Option<Result<(Request, usize), Refusal>> {
    let window = &bytes[..bytes.len().min(max).min(outline::AT_ONCE_SIZE_MAX)];
    // `httparse` skips empty lines before a head.
    if !super::is_token_byte(*window.first()?) {
        return None;
    }
    let mut slots = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut parsed = httparse::Request::new(&mut []);
    let Ok(httparse::Status::Complete(end)) = parsed.parse_with_uninit_headers(window, &mut slots) else { return None };
    let head = &bytes[..end];
    outline::ends_lines_with_crlf(head).then(|| build(head, &parsed).map(|head| (head, end)))
}

/// The same for every head: finds its lines before it looks into them.
pub(crate) fn line_by_line(bytes: &[u8], max: usize) -> Result<Option<(Request, usize)>, Refusal> {
    let lead = match bytes {
        [] | [b'\r'] => return Ok(None),
        [b'\r', b'\n'] if max > 2 => return Ok(None),
        [b'\r', b'\n', ..] => 2,
        _ => 0,
    };
    // A TLS record or a binary protocol on this port never sends a line end: refuse it now.
    if let Some(&first) = bytes.get(lead)
        && !super::is_token_byte(first)
    {
        return Err(not_a_method(&bytes[lead..]));
    }
    let end = match outline::end(bytes, lead, max) {
        Ok(Some(end)) => end,
        Ok(None) => return Ok(None),
        Err(flaw) => return Err(flaw.into()),
    };
    let mut slots = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut parsed = httparse::Request::new(&mut []);
    let status = parsed.parse_with_uninit_headers(&bytes[lead..end], &mut slots);
    if !matches!(status, Ok(httparse::Status::Complete(size)) if lead + size == end) {
        return Err(diagnose(&bytes[lead..end], status.err()));
    }
    let head = build(&bytes[..end], &parsed)?;
    Ok(Some((head, end)))
}

fn not_a_method(bytes: &[u8]) -> Refusal {
    match bytes {
        [b'\r', second, ..] if *second != b'\n' => Refusal::BareCr,
        [b'\n', ..] => Refusal::BareLf,
        _ => Refusal::RequestLine,
    }
}

impl From<Flaw> for Refusal {
    fn from(flaw: Flaw) -> Refusal {
        match flaw {
            Flaw::BareLf => Refusal::BareLf,
            Flaw::EmptyFirstLine => Refusal::RequestLine,
            Flaw::FirstLineTooLong => Refusal::TargetTooLong,
            Flaw::TooLarge => Refusal::HeadTooLarge,
            Flaw::TooManyFields => Refusal::TooManyFields,
        }
    }
}

/// Names what `httparse` only rejected. It runs for refused heads alone.
fn diagnose(head: &[u8], error: Option<httparse::Error>) -> Refusal {
    if memchr::memchr_iter(b'\r', head).any(|at| head.get(at + 1) != Some(&b'\n')) {
        return Refusal::BareCr;
    }
    match error {
        Some(httparse::Error::Version) => diagnose_version(head),
        Some(httparse::Error::TooManyHeaders) => Refusal::TooManyFields,
        Some(httparse::Error::HeaderValue) => Refusal::FieldValue,
        Some(httparse::Error::HeaderName) => {
            let folded = |line: &[u8]| matches!(line.first(), Some(b' ' | b'\t'));
            if head.split(|&byte| byte == b'\n').any(folded) { Refusal::ObsFold } else { Refusal::FieldName }
        }
        _ => Refusal::RequestLine,
    }
}

/// A well-formed but other version is 505, anything else in its place is 400.
fn diagnose_version(head: &[u8]) -> Refusal {
    if head.starts_with(b"PRI * HTTP/2.0\r\n") {
        return Refusal::Http2Preface;
    }
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|&byte| byte == b' ').skip(2);
    match (words.next(), words.next()) {
        (Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor]), None) if major.is_ascii_digit() && minor.is_ascii_digit() => {
            Refusal::Version
        }
        _ => Refusal::RequestLine,
    }
}

fn build(bytes: &[u8], parsed: &httparse::Request<'_, '_>) -> Result<Request, Refusal> {
    let method = match parsed.method.unwrap_or_default() {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "HEAD" => Method::Head,
        "OPTIONS" => Method::Options,
        "" => return Err(Refusal::RequestLine),
        "CONNECT" | "TRACE" => return Err(Refusal::MethodRefused),
        _ => Method::Other,
    };
    let version = match parsed.version {
        Some(0) => Version::Http10,
        Some(1) => Version::Http11,
        _ => return Err(Refusal::Version),
    };
    let raw = parsed.path.unwrap_or_default().as_bytes();
    if raw.len() > TARGET_SIZE_MAX {
        return Err(Refusal::TargetTooLong);
    }
    let target = Span::within(bytes, raw).ok_or(Refusal::RequestLine)?;
    let parts = target::parse(raw)?;
    let shift = |span: Span| Span { start: span.start + target.start, end: span.end + target.start };

    let mut lines = Lines { keep_alive: version == Version::Http11, ..Lines::default() };
    for line in parsed.headers.iter() {
        if let Some(field) = Field::of(line.name.as_bytes()) {
            lines.take(bytes, field, line)?;
        }
    }
    let framing = lines.framing(bytes, version)?;
    let host = lines.fields[Field::Host as usize];
    match version {
        _ if !host.absent() && !target::is_host(host.of(bytes)) => {
            return Err(Refusal::HostInvalid);
        }
        Version::Http11 if host.absent() => return Err(Refusal::HostMissing),
        _ => {}
    }
    if let Some(authority) = parts.authority {
        lines.fields[Field::Host as usize] = shift(authority);
    }
    Ok(Request {
        method,
        version,
        target,
        path: shift(parts.path),
        query: parts.query.map(shift),
        framing,
        keep_alive: lines.keep_alive && !lines.close,
        // RFC 9110 10.1.1: "A server that receives a 100-continue expectation in an HTTP/1.0
        // request MUST ignore that expectation."
        expect_continue: lines.expect_continue && version == Version::Http11,
        fields: lines.fields,
    })
}

/// What the field lines say together.
#[derive(Default)]
struct Lines {
    fields: [Span; Field::COUNT],
    keep_alive: bool,
    close: bool,
    expect_continue: bool,
}

impl Lines {
    fn take(&mut self, bytes: &[u8], field: Field, line: &httparse::Header<'_>) -> Result<(), Refusal> {
        let span = super::value_span(bytes, line).ok_or(Refusal::FieldValue)?;
        let slot = &mut self.fields[field as usize];
        if slot.absent() {
            *slot = span;
        } else if field.once() {
            return Err(match field {
                Field::Host => Refusal::HostDuplicate,
                Field::ContentLength => Refusal::LengthDuplicate,
                Field::TransferEncoding => Refusal::EncodingInvalid,
                _ => Refusal::FieldDuplicate,
            });
        }
        match field {
            Field::Connection => {
                for option in list(line.value) {
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            Field::Expect => {
                if !line.value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(Refusal::Expectation);
                }
                self.expect_continue = true;
            }
            _ => {}
        }
        Ok(())
    }

    /// RFC 9112 6.3, with every case of doubt refused.
    fn framing(&self, bytes: &[u8], version: Version) -> Result<Framing, Refusal> {
        let length = self.fields[Field::ContentLength as usize];
        let encoding = self.fields[Field::TransferEncoding as usize];
        match (length.absent(), encoding.absent()) {
            (true, true) => Ok(Framing::None),
            (false, false) => Err(Refusal::LengthAndEncoding),
            (false, true) => {
                let length = content_length(length.of(bytes)).ok_or(Refusal::LengthInvalid)?;
                Ok(if length == 0 { Framing::None } else { Framing::Length(length) })
            }
            (true, false) if version == Version::Http10 => Err(Refusal::EncodingOld),
            (true, false) => check_encoding(encoding.of(bytes)).map(|()| Framing::Chunked),
        }
    }
}

/// RFC 9112 6.3: "If a Transfer-Encoding header field is present in a request and the chunked
/// transfer coding is not the final encoding, the message body length cannot be determined
/// reliably; the server MUST respond with the 400 (Bad Request) status code". 6.1: "A server that
/// receives a request message with a transfer coding it does not understand SHOULD respond with
/// 501 (Not Implemented)."
fn check_encoding(value: &[u8]) -> Result<(), Refusal> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let tokens = |coding: &[u8]| !coding.is_empty() && coding.iter().all(|&b| super::is_token_byte(b));
    let well_formed = list(value).all(tokens);
    let chunked_count = list(value).filter(|coding| is_chunked(coding)).count();
    let final_chunked = list(value).last().is_some_and(is_chunked);
    if well_formed && chunked_count == 1 && final_chunked { Err(Refusal::EncodingUnknown) } else { Err(Refusal::EncodingInvalid) }
}
