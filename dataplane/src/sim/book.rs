//! What both ends saw, for the checks.

use super::line::{Body, Head, Leave};
use crate::io::Instant;
use std::{collections::BTreeMap, rc::Rc};

/// What a request asks for, as its tenant sent it.
#[derive(Clone, Debug, Default)]
pub(super) struct Ask {
    pub(super) chain: usize,
    pub(super) stream: bool,
    /// The Responses API instead of chat completions.
    pub(super) responses: bool,
    /// The tenant itself wants to be told the usage.
    pub(super) usage: bool,
    /// `stream_options` is there and says no.
    pub(super) declines_usage: bool,
    /// About so many bytes of body.
    pub(super) size: usize,
    /// A conversation of so many turns, each of that size, between the first word and the last.
    pub(super) turns: usize,
    pub(super) chunked: bool,
    /// The tenant waits for "100 Continue" before it sends its body, but not for ever.
    pub(super) expects: bool,
    /// The tenant speaks HTTP/1.0, and wants the connection kept.
    pub(super) old: bool,
    pub(super) fault: Fault,
}

/// What is wrong with a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fault {
    #[default]
    Nothing,
    /// The body is no JSON.
    BadJson,
    /// Nothing is there.
    UnknownPath,
    /// No chain answers to the name.
    UnknownModel,
}

/// What came back for it.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) ask: Ask,
    /// When its last byte had been written; `None` when it was not.
    pub(super) sent_at: Option<Instant>,
    pub(super) head: Option<Head>,
    pub(super) body: Body,
    /// Nothing but the connection's end ends the body.
    pub(super) unframed: bool,
    /// When and how the tenant left.
    pub(super) left: Option<(Instant, Leave)>,
    /// Others were sent behind it, so that a FIN may lie behind them.
    pub(super) pipelined: bool,
    /// It reads so slowly that it may be cut off.
    pub(super) slow: bool,
    /// The connection had been told to end before this request was looked at.
    pub(super) behind_a_close: bool,
}

/// An answer that a provider meant to give.
#[derive(Clone, Debug)]
pub(super) enum Meant {
    /// Nothing that could be told from nothing.
    Nothing,
    /// An error answer.
    Error { status: u16, body: Vec<u8> },
    /// A JSON answer, and whether it is one to rely on.
    Json { body: Vec<u8>, valid: bool },
    /// The events of a stream, its own marker among them, and whether it is one to rely on.
    Events { events: Vec<Vec<u8>>, valid: bool },
}

/// A request as a provider saw it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) provider: usize,
    pub(super) at: Instant,
    pub(super) body: Vec<u8>,
    pub(super) head: Head,
    /// It came on a connection that had carried another.
    pub(super) reused: bool,
    pub(super) meant: Meant,
}

/// What both ends saw.
#[derive(Default)]
pub(super) struct Book {
    serial: u32,
    requests: u32,
    /// What providers saw, by request and in order.
    pub(super) seen: BTreeMap<u32, Vec<Seen>>,
    /// The questions for a summary that providers saw, in order.
    pub(super) summaries: Vec<Seen>,
    /// What tenants were told.
    pub(super) told: BTreeMap<u32, Told>,
    /// The bodies that tenants sent.
    pub(super) bodies: BTreeMap<u32, Rc<Vec<u8>>>,
    /// What must never be seen, in words.
    pub(super) complaints: Vec<String>,
    /// Requests that were not answered yet.
    pub(super) open: u32,
    /// Tenants that have not gone yet.
    pub(super) awaited: u32,
}

impl Book {
    /// A number that no answer had before.
    pub(super) fn serial(&mut self) -> u32 {
        self.serial += 1;
        self.serial
    }

    /// A number for a new request.
    pub(super) fn request(&mut self) -> u32 {
        self.requests += 1;
        self.requests
    }

    /// The attempts that providers saw of a request.
    pub(super) fn attempts(&self, request: u32) -> &[Seen] {
        self.seen.get(&request).map_or(&[], Vec::as_slice)
    }

    /// Which providers were asked, in order.
    pub(super) fn asked(&self, request: u32) -> Vec<usize> {
        self.attempts(request).iter().map(|seen| seen.provider).collect()
    }
}
