//! One plain function per parser: bytes in, assertions inside.
//!
//! Unit tests call them with tables and a seeded generator, a fuzzer with whatever it finds. Each
//! asserts that nothing panics, that every way of cutting the input into pieces gives the same
//! result as the whole, and what else the parser promises.

use crate::body::{self, Decoder};
use crate::dialect::{self, Dialect, limits};
use crate::head::{self, Framing};
use crate::json::{self, AnswerScan, Code, RequestScan};
use crate::sse::{Kind, Splitter};

mod dialects;
mod schemas;

pub use dialects::{prompt, speech};
pub use schemas::schema;

/// Inputs up to this size are cut at every place.
const TWO_WAY_SIZE_MAX: usize = 300;
/// How many random cuttings each input gets.
const RANDOM_CUTTINGS: u64 = 4;

/// Calls `check` with cuttings of `input`: the two-way ones, single bytes, and random ones that
/// depend on nothing but the input.
fn cut(input: &[u8], mut check: impl FnMut(&[&[u8]])) {
    if input.len() <= TWO_WAY_SIZE_MAX {
        for at in 0..=input.len() {
            let (first, second) = input.split_at(at);
            check(&[first, second]);
        }
        check(&input.chunks(1).collect::<Vec<_>>());
    }
    let mut state = input.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    for _ in 0..RANDOM_CUTTINGS {
        let mut pieces = Vec::new();
        let mut rest = input;
        while !rest.is_empty() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let size_max = 1 + input.len() / 3;
            let (piece, tail) = rest.split_at(rest.len().min((state >> 33) as usize % size_max + 1));
            pieces.push(piece);
            rest = tail;
        }
        check(&pieces);
    }
}

/// [`head::request`]: a longer prefix never changes what was decided, and no span hides a line end.
pub fn request_head(bytes: &[u8]) {
    const MAX: usize = 32 * 1024;
    let whole = head::request(bytes, MAX);
    for max in [MAX, 0, 1, 40, bytes.len().saturating_sub(1), bytes.len()] {
        assert_eq!(head::request(bytes, max), head::request::line_by_line(bytes, max), "{max}: {}", bytes.escape_ascii());
    }
    let complete = match &whole {
        Ok(Some((_, used))) => *used,
        _ => bytes.len() + 1,
    };
    for end in 0..bytes.len().min(TWO_WAY_SIZE_MAX * 4) {
        let part = head::request(&bytes[..end], MAX);
        match (&whole, &part) {
            (Ok(Some(_)), _) if end >= complete => assert_eq!(part, whole),
            (Ok(_), _) => assert_eq!(part, Ok(None), "{end} of {}", bytes.escape_ascii()),
            (Err(_), Ok(None) | Err(_)) => {}
            (Err(_), Ok(Some(_))) => panic!("accepted, then refused: {}", bytes.escape_ascii()),
        }
    }
    let Ok(Some((request, used))) = whole else {
        return;
    };
    assert!(used <= bytes.len() && bytes[..used].ends_with(b"\r\n\r\n"));
    assert!(request.framing != Framing::UntilClose);
    let forbidden = |value: &[u8]| value.iter().any(|byte| b"\r\n\0".contains(byte));
    for &field in head::Field::ALL {
        let Some(value) = request.field(bytes, field) else {
            continue;
        };
        assert!(!forbidden(value));
        if field != head::Field::Host {
            assert_eq!(request.find(bytes, field.name()), Some(value), "{field:?}");
        }
    }
    assert!(request.target.of(bytes).iter().all(u8::is_ascii_graphic));
    let path = request.path(bytes);
    let mut decoded = vec![0; path.len()];
    if let Ok(size) = head::percent_decode(path, &mut decoded) {
        assert!(size <= path.len() && !decoded[..size].contains(&0));
    }
    let line = head::RequestLine::new("POST", b"/v1").expect("a token and a path");
    let mut common = head::FieldLines::default();
    common.add("host", b"provider").expect("a name and a word");
    let relayed = Some((&request, bytes));
    let upstream =
        head::RequestHead { line: &line, common: &common, credential: None, content_length: 0, accept: b"", further: &[], relayed };
    let mut out = Vec::new();
    head::write_request(&mut out, &upstream).expect("accepted values can be written again");
    let (_, size) = head::request(&out, usize::MAX).expect("what we write, we accept").expect("what we write is complete");
    assert_eq!(size, out.len(), "a second request hides in the head that was built");
}

/// [`head::response`], likewise.
pub fn response_head(bytes: &[u8]) {
    const MAX: usize = 64 * 1024;
    let whole = head::response(bytes, MAX);
    for max in [MAX, 0, 1, 40, bytes.len().saturating_sub(1), bytes.len()] {
        assert_eq!(head::response(bytes, max), head::response::line_by_line(bytes, max), "{max}: {}", bytes.escape_ascii());
    }
    for end in 1..bytes.len().min(TWO_WAY_SIZE_MAX * 4) {
        let part = head::response(&bytes[..end], MAX);
        match (&whole, &part) {
            (Ok(Some((_, used))), _) if end >= *used => assert_eq!(part, whole),
            (Ok(_), _) => assert_eq!(part, Ok(None)),
            (Err(_), Ok(None) | Err(_)) => {}
            (Err(_), Ok(Some(_))) => panic!("accepted, then refused: {}", bytes.escape_ascii()),
        }
    }
    let Ok(Some((response, used))) = whole else {
        return;
    };
    assert!((100..=599).contains(&response.status) && response.status != 101);
    assert!(response.framing != Framing::UntilClose || !response.reusable);
    let mut out = Vec::new();
    head::write_status(&mut out, response.status);
    head::relay_fields(&mut out, &response, &bytes[..used], true);
    head::relay_rate_limits(&mut out, &response, &bytes[..used]);
    for to in [Dialect::Openai, Dialect::Anthropic, Dialect::Gemini] {
        limits::relay(&mut out, &response, &bytes[..used], (Dialect::Anthropic, to), || 1_700_000_000_000);
        limits::relay(&mut out, &response, &bytes[..used], (Dialect::Openai, to), || 0);
    }
    head::write_length(&mut out, 1);
    head::write_end(&mut out);
    let (_, size) = head::response(&out, usize::MAX).expect("what we write, we accept").expect("what we write is complete");
    assert_eq!(size, out.len(), "a second answer hides in the head that was built");
    for value in [head::ResponseField::RetryAfter, head::ResponseField::RetryAfterMs] {
        let value = response.field(bytes, value).unwrap_or_default();
        if let Some(ms) = head::retry_after_ms(value) {
            let seconds = head::retry_after(value);
            assert!(seconds.is_some(), "both read the same numbers: {ms}");
        }
    }
}

/// The content of a body that arrives in pieces, how many bytes it took, and how it went.
fn decode(framing: Framing, max: u64, pieces: &[&[u8]]) -> (Vec<u8>, usize, Result<bool, body::Fault>) {
    let mut content = Vec::new();
    let mut total = 0;
    let mut decoder = match Decoder::new(framing, max) {
        Ok(decoder) => decoder,
        Err(fault) => return (content, total, Err(fault)),
    };
    for piece in pieces {
        let mut rest = *piece;
        loop {
            let step = match decoder.decode(rest) {
                Ok(step) => step,
                Err(fault) => {
                    assert_eq!(decoder.decode(rest), Err(fault), "a fault is final");
                    return (Vec::new(), 0, Err(fault));
                }
            };
            assert!(step.data.start <= step.data.end && step.data.end <= step.used);
            content.extend_from_slice(&rest[step.data]);
            rest = &rest[step.used..];
            total += step.used;
            assert_eq!(decoder.received(), content.len() as u64);
            assert!(step.done == decoder.done());
            if step.done {
                return (content, total, Ok(true));
            }
            if step.used == 0 {
                assert!(rest.is_empty(), "no step without progress");
                break;
            }
        }
    }
    (content, total, Ok(decoder.done()))
}

/// [`Decoder`]: in every framing, each cutting gives the same content, size and fault.
pub fn body(bytes: &[u8]) {
    const MAX: u64 = 4096;
    for framing in [Framing::Chunked, Framing::Length(7), Framing::Length(MAX + 1), Framing::UntilClose, Framing::None] {
        let whole = decode(framing, MAX, &[bytes]);
        assert!(whole.0.len() as u64 <= MAX && whole.1 <= bytes.len());
        cut(bytes, |pieces| assert_eq!(decode(framing, MAX, pieces), whole));
    }
}

/// What came out of an event stream.
#[derive(Debug, Default, PartialEq, Eq)]
struct Stream {
    events: Vec<(Kind, Option<Vec<u8>>, Vec<u8>)>,
    too_long: bool,
    pending: bool,
}

fn split(max: usize, pieces: &[&[u8]]) -> Stream {
    let mut splitter = Splitter::new(max);
    let mut stream = Stream::default();
    let mut raw = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        loop {
            match splitter.next(rest) {
                Ok(Some(cut)) => {
                    assert!(cut.used <= rest.len());
                    raw.extend_from_slice(cut.raw(&splitter, rest));
                    stream.events.push((cut.kind, cut.event(&splitter, rest).map(<[u8]>::to_vec), cut.data(&splitter, rest).to_vec()));
                    rest = &rest[cut.used..];
                }
                Ok(None) => break,
                Err(_) => {
                    stream.too_long = true;
                    return stream;
                }
            }
        }
    }
    let all = pieces.concat();
    assert!(all.starts_with(&raw), "cuts are the input, in order");
    stream.pending = splitter.pending() > 0;
    stream
}

/// [`Splitter`]: each cutting gives the same events.
pub fn events(bytes: &[u8]) {
    for max in [64, usize::MAX] {
        let whole = split(max, &[bytes]);
        cut(bytes, |pieces| {
            let parts = split(max, pieces);
            if whole.too_long || parts.too_long {
                // An LF after the CR that ended an event counts for the next one.
                assert!(max == 64);
                return;
            }
            assert_eq!(parts, whole, "{}", bytes.escape_ascii());
        });
        for (_, event, data) in &whole.events {
            classify(event.as_deref(), data);
        }
    }
}

/// [`dialect::openai::classify`] and [`dialect::responses::classify`]: total, and valid JSON is
/// never called malformed.
pub fn classify(event: Option<&[u8]>, data: &[u8]) {
    for dialect in [Dialect::Openai, Dialect::Responses] {
        let found = dialect.classify(event, data);
        if found.kind == dialect::Kind::Malformed {
            let mut scan = AnswerScan::new();
            let trimmed = data.trim_ascii();
            assert!(scan.feed(trimmed).and_then(|()| scan.finish().map(|_| ())).is_err());
        }
    }
    // It is bounded and whole characters, whatever came.
    let fields = json::read_error(data);
    assert!(fields.message.as_bytes().len() <= 512);
    assert_eq!(fields.message.as_str().as_bytes(), fields.message.as_bytes());
    let ending = dialect::read_ending(data);
    assert!(ending.code.as_bytes().len() <= 64 && dialect::read_error(data).message == fields.message);
}

fn scan_request(pieces: &[&[u8]]) -> Result<json::Facts, Code> {
    let mut scan = RequestScan::new();
    for piece in pieces {
        if let Err(refusal) = scan.feed(piece) {
            assert_eq!(scan.feed(b" "), Err(refusal), "a refusal is final");
            assert_eq!(scan.finish(), Err(refusal));
            return Err(refusal.code);
        }
    }
    scan.finish().cloned().map_err(|refusal| refusal.code)
}

/// [`RequestScan`]: each cutting gives the same facts, and ranges name what they say.
pub fn json_request(bytes: &[u8]) {
    let whole = scan_request(&[bytes]);
    cut(bytes, |pieces| assert_eq!(scan_request(pieces), whole, "{}", bytes.escape_ascii()));
    let mut again = RequestScan::new();
    // Something to forget, ended in the middle: of a string that is cut, and of a literal.
    for before in [&b"{\"model\":\"g\\u00e"[..], b"{\"stream\":tru", b"{\"n\":-", b"]", bytes] {
        again.feed(before).ok();
        again.restart();
        let found = again.feed(bytes).and_then(|()| again.finish().cloned()).map_err(|refusal| refusal.code);
        assert_eq!(found, whole, "after {}: {}", before.escape_ascii(), bytes.escape_ascii());
    }
    let Ok(facts) = whole else { return };
    assert_eq!(bytes[facts.open - 1], b'{');
    assert!(facts.prompt_bytes <= bytes.len() as u64);
    if facts.model.is_some() {
        let value = &bytes[facts.model_range.clone()];
        assert!(value.len() >= 2 && value.starts_with(b"\"") && value.ends_with(b"\""));
    }
    // What is inserted at `open` leaves a valid body.
    let comma = if facts.empty { &b""[..] } else { b"," };
    let (before, after) = bytes.split_at(facts.open);
    let edited = [before, b"\"\xe2\x82\xac\":1", comma, after].concat();
    match scan_request(&[&edited]) {
        Ok(_) | Err(Code::TooManyKeys | Code::DuplicateKey) => {}
        Err(code) => panic!("{code:?} after an insertion: {}", edited.escape_ascii()),
    }
}

fn scan_answer(pieces: &[&[u8]]) -> Result<json::AnswerFacts, Code> {
    let mut scan = AnswerScan::new();
    for piece in pieces {
        scan.feed(piece).map_err(|refusal| refusal.code)?;
    }
    scan.finish().copied().map_err(|refusal| refusal.code)
}

/// [`AnswerScan`]: each cutting gives the same facts.
pub fn json_answer(bytes: &[u8]) {
    let whole = scan_answer(&[bytes]);
    cut(bytes, |pieces| assert_eq!(scan_answer(pieces), whole, "{}", bytes.escape_ascii()));
    classify(None, bytes);
}

/// [`json::escape_into`]: what is written is read again as the same text.
pub fn escape(text: &str) {
    let mut body = b"{\"model\":\"".to_vec();
    json::escape_into(&mut body, text);
    body.extend_from_slice(b"\"}");
    match scan_request(&[&body]) {
        Ok(facts) => assert_eq!(facts.model.as_ref().map(|model| model.as_str()), Some(text)),
        Err(code) => assert!(code == Code::ModelTooLong && text.len() > json::MODEL_SIZE_MAX),
    }
}

#[cfg(test)]
mod tests;
