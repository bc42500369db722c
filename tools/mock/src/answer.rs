//! What a provider says, before it is known how the wire will carry or break it.

use serde_json::Value;

use crate::order::{self, Order};

/// How a stream is written: its events, errors and endings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grammar {
    /// OpenAI's chat and text completions: `data:` lines and `[DONE]`.
    Chat,
    /// OpenAI's Responses API: named events with a sequence number.
    Responses,
    /// Anthropic's messages: named events, and blocks that are opened and closed.
    Messages,
    /// Gemini's `alt=sse`: `data:` lines that end in CRLF, and no terminal marker.
    Generate,
    /// Gemini without `alt=sse`: one JSON array, an event an element.
    Array,
}

impl Grammar {
    /// The order of members in its documents.
    #[must_use]
    pub fn order(self) -> Order {
        match self {
            Grammar::Chat | Grammar::Responses => order::OPENAI,
            Grammar::Messages => order::ANTHROPIC,
            Grammar::Generate | Grammar::Array => order::GEMINI,
        }
    }

    /// One event with this document. Events that have names are named as their `type` says.
    #[must_use]
    pub fn event(self, role: Role, value: &Value) -> Event {
        Event::new(role, self.framed(value).into_bytes())
    }

    /// One document as an event of a stream. An array's brackets and commas come last of all, in
    /// [`enclose`], so that elements can be edited, added and cut away before.
    #[must_use]
    pub fn framed(self, value: &Value) -> String {
        match self {
            Grammar::Chat => format!("data: {}\n\n", self.order().write(value)),
            Grammar::Responses | Grammar::Messages => {
                let kind = value["type"].as_str().unwrap_or_default();
                format!("event: {kind}\ndata: {}\n\n", self.order().write(value))
            }
            Grammar::Generate => format!("data: {}\r\n\r\n", self.order().write(value)),
            Grammar::Array => self.order().pretty(value),
        }
    }

    /// One document as a whole answer.
    #[must_use]
    pub fn document(self, value: &Value) -> String {
        match self {
            Grammar::Generate | Grammar::Array => self.order().pretty(value) + "\n",
            _ => self.order().write(value),
        }
    }
}

/// Puts the brackets and commas of a JSON array around the elements of a stream that is one.
pub fn enclose(answer: &mut Answer) {
    let (Grammar::Array, Content::Events(events)) = (answer.grammar, &mut answer.content) else {
        return;
    };
    let elements = events.iter_mut().filter(|event| event.role != Role::Terminal);
    for (index, event) in elements.enumerate() {
        let before: &[u8] = if index == 0 { b"[" } else { b"\n,\r\n" };
        event.bytes.splice(0..0, before.iter().copied());
    }
}

/// What an event of a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Comes before any content: the role delta, `response.created`.
    Lead,
    /// Opens or closes a block of content, or speaks between blocks.
    Frame,
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
    /// How its stream is written.
    pub grammar: Grammar,
}

impl Answer {
    /// An answer of one JSON document.
    #[must_use]
    pub fn json(grammar: Grammar, status: u16, body: Vec<u8>) -> Answer {
        // Google names the charset, the others do not.
        let content_type = match grammar {
            Grammar::Generate | Grammar::Array => "application/json; charset=UTF-8",
            _ => "application/json",
        };
        Answer { status, headers: vec![("content-type".to_owned(), content_type.to_owned())], content: Content::Whole(body), grammar }
    }

    /// An answer of this document.
    #[must_use]
    pub fn of(grammar: Grammar, status: u16, value: &Value) -> Answer {
        Answer::json(grammar, status, grammar.document(value).into_bytes())
    }

    /// An answer that is a stream of events.
    #[must_use]
    pub fn stream(grammar: Grammar, events: Vec<Event>) -> Answer {
        let mut answer = Answer::json(grammar, 200, Vec::new());
        answer.content = Content::Events(events);
        if grammar != Grammar::Array {
            let content_type = match grammar {
                Grammar::Generate => "text/event-stream",
                _ => "text/event-stream; charset=utf-8",
            };
            answer.set_header("content-type", content_type);
            answer.set_header("cache-control", "no-cache");
        }
        answer
    }

    /// Sets a header, replacing one of the same name.
    pub fn set_header(&mut self, name: &str, value: &str) {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
    }
}
