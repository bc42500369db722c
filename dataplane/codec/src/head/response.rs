//! Response heads of providers (RFC 9112 4 to 6).

use std::mem::MaybeUninit;

use super::outline::{self, Flaw};
use super::{FIELDS_MAX, Fault, Framing, ResponseField, Span, Version, content_length, list};

/// A response head that was accepted. Its spans are relative to the slice given to [`response`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// `100 <= status <= 599`.
    pub status: u16,
    /// HTTP/1.0 or HTTP/1.1.
    pub version: Version,
    /// How the body ends. The answer to a HEAD request has no body whatever this says.
    pub framing: Framing,
    /// Whether the connection may carry another request once the body has ended.
    pub reusable: bool,
    /// A 1xx head: another head follows, and this one is to be skipped.
    pub informational: bool,
    fields: [Span; ResponseField::COUNT],
}

impl Response {
    /// The value of a known field.
    pub fn field<'a>(&self, bytes: &'a [u8], field: ResponseField) -> Option<&'a [u8]> {
        self.span(field).map(|span| span.of(bytes))
    }

    /// Where the value of a known field lies.
    pub fn span(&self, field: ResponseField) -> Option<Span> {
        let span = self.fields[field as usize];
        (!span.absent()).then_some(span)
    }

    /// The name that a known field came by, as it was written.
    pub fn name<'a>(&self, bytes: &'a [u8], field: ResponseField) -> Option<&'a [u8]> {
        let before = bytes.get(..usize::from(self.span(field)?.start))?;
        let before = before.trim_ascii_end().strip_suffix(b":")?;
        let start = memchr::memrchr(b'\n', before)? + 1;
        Some(&before[start..])
    }

    /// The value of the first field of any name, by reading the lines again.
    pub fn find<'a>(&self, bytes: &'a [u8], name: &str) -> Option<&'a [u8]> {
        super::request::find(bytes, name)
    }
}

/// Reads a response head from the start of `bytes`; the contract is that of `request`.
///
/// Nothing is tolerated before the status line: surplus bytes there mean that the answer before
/// was understood wrongly.
pub fn response(bytes: &[u8], max: usize) -> Result<Option<(Response, usize)>, Fault> {
    match at_once(bytes, max) {
        Some(found) => found.map(Some),
        None => line_by_line(bytes, max),
    }
}

/// As for requests: a short head that is all there and has nothing unusual.
fn at_once(bytes: &[u8], max: usize) -> Option<Result<(Response, usize), Fault>> {
    let window = &bytes[..bytes.len().min(max).min(outline::AT_ONCE_SIZE_MAX)];
    if !window.starts_with(b"HTTP/") {
        return None;
    }
    let mut slots = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut parsed = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let Ok(httparse::Status::Complete(end)) = config.parse_response_with_uninit_headers(&mut parsed, window, &mut slots) else {
        return None;
    };
    let head = &bytes[..end];
    outline::ends_lines_with_crlf(head).then(|| build(head, &parsed).map(|head| (head, end)))
}

/// The same for every head: finds its lines before it looks into them.
pub(crate) fn line_by_line(bytes: &[u8], max: usize) -> Result<Option<(Response, usize)>, Fault> {
    let known = bytes.len().min(5);
    if bytes[..known] != b"HTTP/"[..known] {
        return Err(Fault::StatusLine);
    }
    let Some(end) = outline::end(bytes, 0, max)? else {
        return Ok(None);
    };
    let mut slots = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut parsed = httparse::Response::new(&mut []);
    let status = httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, &bytes[..end], &mut slots);
    match status {
        Ok(httparse::Status::Complete(size)) if size == end => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Fault::TooManyFields),
        Err(httparse::Error::HeaderName | httparse::Error::HeaderValue | httparse::Error::NewLine) => return Err(Fault::Field),
        _ => return Err(Fault::StatusLine),
    }
    build(&bytes[..end], &parsed).map(|head| Some((head, end)))
}

impl From<Flaw> for Fault {
    fn from(flaw: Flaw) -> Fault {
        match flaw {
            Flaw::BareLf => Fault::Field,
            Flaw::EmptyFirstLine => Fault::StatusLine,
            Flaw::FirstLineTooLong | Flaw::TooLarge => Fault::HeadTooLarge,
            Flaw::TooManyFields => Fault::TooManyFields,
        }
    }
}

fn build(bytes: &[u8], parsed: &httparse::Response<'_, '_>) -> Result<Response, Fault> {
    let version = match parsed.version {
        Some(0) => Version::Http10,
        Some(1) => Version::Http11,
        _ => return Err(Fault::StatusLine),
    };
    let status = parsed.code.filter(|code| (100..=599).contains(code)).ok_or(Fault::StatusLine)?;
    if status == 101 {
        return Err(Fault::Switching);
    }
    let mut fields = [Span::default(); ResponseField::COUNT];
    let mut close = version == Version::Http10;
    for line in parsed.headers.iter() {
        let Some(field) = ResponseField::of(line.name.as_bytes()) else {
            continue;
        };
        let span = super::value_span(bytes, line).ok_or(Fault::Field)?;
        let slot = &mut fields[field as usize];
        if slot.absent() {
            *slot = span;
        } else if field.once() {
            return Err(match field {
                ResponseField::TransferEncoding => Fault::Encoding,
                _ => Fault::Length,
            });
        }
        if field == ResponseField::Connection {
            close |= list(line.value).any(|option| option.eq_ignore_ascii_case(b"close"));
        }
    }
    let stated = framing(bytes, &fields, version)?;
    let bodiless = status < 200 || status == 204 || status == 304;
    let framing = if bodiless { Framing::None } else { stated };
    // RFC 9110 8.6 and RFC 9112 6.1 forbid both fields in 1xx and 204: a provider that announces a
    // body there may send it, too. A 304 may state the length of what it does not send.
    let surplus = status != 304 && bodiless && matches!(stated, Framing::Chunked | Framing::Length(1..));
    Ok(Response {
        status,
        version,
        framing,
        reusable: !close && !surplus && framing != Framing::UntilClose,
        informational: status < 200,
        fields,
    })
}

/// RFC 9112 6.3, with every case of doubt a fault.
fn framing(bytes: &[u8], fields: &[Span; ResponseField::COUNT], version: Version) -> Result<Framing, Fault> {
    let length = fields[ResponseField::ContentLength as usize];
    let encoding = fields[ResponseField::TransferEncoding as usize];
    match (length.absent(), encoding.absent()) {
        (true, true) => Ok(Framing::UntilClose),
        (false, false) => Err(Fault::LengthAndEncoding),
        (false, true) => match content_length(length.of(bytes)) {
            Some(0) => Ok(Framing::None),
            Some(length) => Ok(Framing::Length(length)),
            None => Err(Fault::Length),
        },
        (true, false) => {
            let chunked = encoding.of(bytes).eq_ignore_ascii_case(b"chunked");
            if chunked && version == Version::Http11 { Ok(Framing::Chunked) } else { Err(Fault::Encoding) }
        }
    }
}
