//! HTTP/1.1 messages as they arrive, in pieces of any size.
//!
//! One reader for both ends: the load reads answers with it, the sink reads requests. It is not
//! the product's own parser, so that a mistake of that one cannot hide itself here.

use std::fmt;

#[cfg(test)]
mod tests;

/// Bytes of a head, of a chunk's size line or of trailers, at most.
const HEAD_MAX: usize = 64 * 1024;
/// Fields of a head, at most.
const FIELDS_MAX: usize = 64;

/// Which messages are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Requests,
    Answers,
}

/// The first line, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Answer { status: u16 },
    Request { post: bool, path: Path },
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    Completions,
    /// Anthropic's.
    Messages,
    Models,
    Health,
    Other,
}

/// A head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) start: Start,
    /// `Content-Length`, when there is one.
    pub(crate) length: Option<u64>,
    /// The connection ends with this message.
    pub(crate) close: bool,
    /// The body is a stream of events.
    pub(crate) events: bool,
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Head(Head),
    Body(&'a [u8]),
    End,
}

/// Why a message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Head,
    HeadTooLong,
    Length,
    Chunk,
    /// The connection ended inside of a message.
    Short,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Broken::Head => "a head that is not HTTP/1.1",
            Broken::HeadTooLong => "a head without end",
            Broken::Length => "a length that is none",
            Broken::Chunk => "a chunk that is none",
            Broken::Short => "a message cut short",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Length(u64),
    UntilClose,
    ChunkSize,
    Chunk(u64),
    /// The line end after a chunk; so many bytes of it are missing.
    ChunkEnd(u8),
    Trailers,
    End,
}

/// Reads one message after the other.
#[derive(Debug)]
pub(crate) struct Reader {
    side: Side,
    state: State,
    /// What has come of a head or line that is not complete; at most `HEAD_MAX`.
    kept: Vec<u8>,
}

impl Reader {
    pub(crate) fn new(side: Side) -> Reader {
        Reader { side, state: State::Head, kept: Vec::new() }
    }

    /// True between messages.
    pub(crate) fn at_rest(&self) -> bool {
        self.state == State::Head && self.kept.is_empty()
    }

    /// The next piece of `input`, which is advanced past it; `None` when more bytes are needed.
    pub(crate) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Piece<'a>>, Broken> {
        loop {
            match self.state {
                State::Head => match self.head(input)? {
                    None => return Ok(None),
                    // An interim answer: the real one follows.
                    Some((Head { start: Start::Answer { status: 100..=199 }, .. }, _)) => {}
                    Some((head, state)) => {
                        self.state = state;
                        return Ok(Some(Piece::Head(head)));
                    }
                },
                State::Length(0) | State::End => {
                    self.state = State::Head;
                    return Ok(Some(Piece::End));
                }
                State::Length(left) => {
                    let Some(taken) = take(input, left) else { return Ok(None) };
                    self.state = State::Length(left - taken.len() as u64);
                    return Ok(Some(Piece::Body(taken)));
                }
                State::UntilClose => return Ok(take(input, u64::MAX).map(Piece::Body)),
                State::ChunkSize => {
                    let Some(size) = self.line(input, chunk_size)? else { return Ok(None) };
                    let size = size?;
                    self.state = if size == 0 { State::Trailers } else { State::Chunk(size) };
                }
                State::Chunk(0) => self.state = State::ChunkEnd(2),
                State::Chunk(left) => {
                    let Some(taken) = take(input, left) else { return Ok(None) };
                    self.state = State::Chunk(left - taken.len() as u64);
                    return Ok(Some(Piece::Body(taken)));
                }
                State::ChunkEnd(0) => self.state = State::ChunkSize,
                State::ChunkEnd(missing) => {
                    let Some(byte) = take(input, 1) else { return Ok(None) };
                    if byte != if missing == 2 { b"\r" } else { b"\n" } {
                        return Err(Broken::Chunk);
                    }
                    self.state = State::ChunkEnd(missing - 1);
                }
                State::Trailers => {
                    let Some(empty) = self.line(input, |line| line.is_empty())? else { return Ok(None) };
                    if empty {
                        self.state = State::End;
                    }
                }
            }
        }
    }

    /// The connection has ended: whether a message ended with it.
    pub(crate) fn closed(&mut self) -> Result<bool, Broken> {
        match self.state {
            State::UntilClose => Ok(true),
            State::Head if self.kept.is_empty() => Ok(false),
            _ => Err(Broken::Short),
        }
    }

    fn head(&mut self, input: &mut &[u8]) -> Result<Option<(Head, State)>, Broken> {
        if self.kept.is_empty()
            && let Some((head, state, length)) = parse(self.side, input)?
        {
            *input = &input[length..];
            return Ok(Some((head, state)));
        }
        let before = self.kept.len();
        // One byte beyond the limit is enough to see that it is passed.
        self.kept.extend_from_slice(&input[..input.len().min(HEAD_MAX + 1 - before)]);
        match parse(self.side, &self.kept)? {
            Some((head, state, length)) => {
                *input = &input[length - before..];
                self.kept.clear();
                Ok(Some((head, state)))
            }
            None if self.kept.len() > HEAD_MAX => Err(Broken::HeadTooLong),
            None => {
                *input = &[];
                Ok(None)
            }
        }
    }

    /// Calls `each` with the next whole line, without its end.
    fn line<T>(&mut self, input: &mut &[u8], each: impl FnOnce(&[u8]) -> T) -> Result<Option<T>, Broken> {
        let end = memchr::memchr(b'\n', input);
        let (line, rest) = input.split_at(end.map_or(input.len(), |end| end + 1));
        if self.kept.len() + line.len() > HEAD_MAX {
            return Err(Broken::HeadTooLong);
        }
        *input = rest;
        self.kept.extend_from_slice(line);
        if end.is_none() {
            return Ok(None);
        }
        let whole = self.kept.strip_suffix(b"\r\n").ok_or(Broken::Chunk)?;
        let made = each(whole);
        self.kept.clear();
        Ok(Some(made))
    }
}

fn take<'a>(input: &mut &'a [u8], at_most: u64) -> Option<&'a [u8]> {
    if input.is_empty() {
        return None;
    }
    let (taken, rest) = input.split_at((input.len() as u64).min(at_most) as usize);
    *input = rest;
    Some(taken)
}

fn chunk_size(line: &[u8]) -> Result<u64, Broken> {
    let digits = line.split(|&byte| byte == b';').next().unwrap_or_default();
    let text = std::str::from_utf8(digits).map_err(|_| Broken::Chunk)?.trim_ascii_end();
    if text.is_empty() || text.len() > 15 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Broken::Chunk);
    }
    u64::from_str_radix(text, 16).map_err(|_| Broken::Chunk)
}

/// Parses a head at the start of `bytes`; also how its body ends, and the head's length.
fn parse(side: Side, bytes: &[u8]) -> Result<Option<(Head, State, usize)>, Broken> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let (start, parsed, fields) = match side {
        Side::Answers => {
            let mut answer = httparse::Response::new(&mut fields);
            let parsed = answer.parse(bytes).map_err(|_| Broken::Head)?;
            (Start::Answer { status: answer.code.unwrap_or(0) }, parsed, answer.headers)
        }
        Side::Requests => {
            let mut request = httparse::Request::new(&mut fields);
            let parsed = request.parse(bytes).map_err(|_| Broken::Head)?;
            let path = match request.path.unwrap_or_default() {
                "/v1/chat/completions" => Path::Completions,
                "/v1/messages" => Path::Messages,
                "/v1/models" => Path::Models,
                "/health" => Path::Health,
                _ => Path::Other,
            };
            (Start::Request { post: request.method == Some("POST"), path }, parsed, request.headers)
        }
    };
    let httparse::Status::Complete(length_of_head) = parsed else { return Ok(None) };
    let mut head = Head { start, length: None, close: false, events: false };
    let mut chunked = false;
    for field in fields.iter() {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            let text = std::str::from_utf8(field.value).map_err(|_| Broken::Length)?;
            head.length = Some(text.parse().map_err(|_| Broken::Length)?);
        } else if is("transfer-encoding") {
            chunked = field.value.eq_ignore_ascii_case(b"chunked");
        } else if is("connection") {
            head.close = field.value.eq_ignore_ascii_case(b"close");
        } else if is("content-type") {
            head.events = field.value.starts_with(b"text/event-stream");
        }
    }
    let state = match (chunked, head.length, start) {
        (true, Some(_), _) => return Err(Broken::Length),
        (_, _, Start::Answer { status: 204 | 304 | 100..=199 }) => State::Length(0),
        (true, None, _) => State::ChunkSize,
        (false, Some(length), _) => State::Length(length),
        (false, None, Start::Request { .. }) => State::Length(0),
        (false, None, Start::Answer { .. }) => State::UntilClose,
    };
    if state == State::UntilClose {
        head.close = true;
    }
    Ok(Some((head, state, length_of_head)))
}
