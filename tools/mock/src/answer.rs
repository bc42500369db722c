//! What a provider says, before it is known how the wire will carry or break it.

/// Which error events and endings a stream uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Chat and text completions: `data:` lines and `[DONE]`.
    Chat,
    /// The Responses API: named events with a sequence number.
    Responses,
}

/// What an event of a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Comes before any content: the role delta, `response.created`.
    Lead,
    /// Carries content that the user sees.
    Content,
    /// Says why the content ended.
    Finish,
    /// Carries usage.
    Usage,
    /// The terminal marker.
    Terminal,
}

/// One event, as bytes of the stream with its blank line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it is for.
    pub role: Role,
    /// Its bytes, up to the filler if there is one.
    pub bytes: Vec<u8>,
    /// How many filler bytes follow `bytes`; they are made while sending, never held.
    pub filler_bytes: u64,
    /// What follows the filler.
    pub tail: Vec<u8>,
}

impl Event {
    /// An event without filler.
    #[must_use]
    pub fn new(role: Role, bytes: Vec<u8>) -> Event {
        Event { role, bytes, filler_bytes: 0, tail: Vec::new() }
    }

    /// Its length on the wire, chunk framing aside.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.bytes.len() as u64 + self.filler_bytes + self.tail.len() as u64
    }

    /// Whether it has no bytes at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The body of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// One piece, sent with its length.
    Whole(Vec<u8>),
    /// A stream, sent chunked.
    Events(Vec<Event>),
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers, without framing and date.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub content: Content,
    /// How its stream speaks.
    pub dialect: Dialect,
}

impl Answer {
    /// An answer of one JSON document.
    #[must_use]
    pub fn json(status: u16, body: Vec<u8>) -> Answer {
        Answer {
            status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            content: Content::Whole(body),
            dialect: Dialect::Chat,
        }
    }

    /// An answer that is a stream of events.
    #[must_use]
    pub fn stream(dialect: Dialect, events: Vec<Event>) -> Answer {
        let content_type = "text/event-stream; charset=utf-8".to_owned();
        Answer {
            status: 200,
            headers: vec![("content-type".to_owned(), content_type), ("cache-control".to_owned(), "no-cache".to_owned())],
            content: Content::Events(events),
            dialect,
        }
    }

    /// Sets a header, replacing one of the same name.
    pub fn set_header(&mut self, name: &str, value: &str) {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
    }
}
