//! Tenants as scripts: what they ask, how they send it, and how they leave.

use super::{
    book::{Ask, Book, Fault, Told},
    dice::Dice,
    line::{Body, Head, Leave, Line},
    plan,
};
use crate::io::{Instant, Io, fake::End};
use std::{cell::RefCell, rc::Rc};

/// How a tenant behaves on one connection.
#[derive(Clone, Debug)]
pub(super) struct Habits {
    pub(super) asks: Vec<Ask>,
    /// All requests are sent before the first answer is read.
    pub(super) pipelined: bool,
    /// Waits so long between an answer and the next request, in milliseconds.
    pub(super) rest_ms: u64,
    /// It leaves so long after it came, in milliseconds.
    pub(super) leave: Option<(u64, Leave)>,
    /// It reads every so many milliseconds, through a window of that many bytes.
    pub(super) slow: Option<(u64, usize)>,
    /// It goes on sending when it should not wait: the body comes in parts, so many milliseconds apart.
    pub(super) part_ms: u64,
}

impl Habits {
    /// Asks these one after another, and nothing special.
    pub(super) fn plain(asks: Vec<Ask>) -> Habits {
        Habits { asks, pipelined: false, rest_ms: 0, leave: None, slow: None, part_ms: 0 }
    }
}

/// The body of a request, as its tenant writes it.
pub(super) fn body(ask: &Ask, request: u32) -> Vec<u8> {
    if ask.fault == Fault::BadJson {
        return format!("{{\"user\":\"r{request}\",\"model\":nope}}").into_bytes();
    }
    let model = match ask.fault {
        Fault::UnknownModel => format!("nobody-r{request}"),
        _ => plan::asked(ask.chain, request),
    };
    let stream = if ask.stream { "\"stream\":true," } else { "" };
    let options = match (ask.stream && ask.usage, ask.stream && ask.declines_usage) {
        (true, _) => "\"stream_options\":{\"include_usage\":true},",
        (_, true) => "\"stream_options\":{\"include_usage\":false,\"x\":1},",
        _ => "",
    };
    let filler = "y".repeat(ask.size);
    let said = |role: &str, text: &str| format!("{{\"role\":\"{role}\",\"content\":\"{text}\"}}");
    let messages = if ask.turns == 0 {
        said("user", &filler)
    } else {
        let between = (0..ask.turns).map(|at| said(["assistant", "user"][at % 2], &format!("turn {at} {filler}")));
        [said("user", "the task")].into_iter().chain(between).chain([said("user", "the question")]).collect::<Vec<_>>().join(",")
    };
    format!("{{\"user\":\"r{request}\",{stream}{options}\"model\":\"{model}\",\"messages\":[{messages}]}}").into_bytes()
}

/// Where a request goes.
pub(super) fn path(ask: &Ask) -> &'static str {
    if ask.responses { "/v1/responses" } else { "/v1/chat/completions" }
}

/// A whole request.
pub(super) fn write(ask: &Ask, body: &[u8], dice: &mut Dice) -> Vec<u8> {
    let path = if ask.fault == Fault::UnknownPath { "/v1/nothing" } else { path(ask) };
    let version = if ask.old { "0\r\nconnection: keep-alive" } else { "1" };
    let expect = if ask.expects { "expect: 100-continue\r\n" } else { "" };
    let key = plan::KEY;
    let head = format!(
        "POST {path} HTTP/1.{version}\r\nhost: gateway\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n{expect}"
    );
    let mut out = head.into_bytes();
    if !ask.chunked {
        out.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
        out.extend_from_slice(body);
        return out;
    }
    out.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
    let mut rest = body;
    while !rest.is_empty() {
        let count = (1 + dice.below(rest.len() as u64)) as usize;
        out.extend_from_slice(format!("{count:x}\r\n").as_bytes());
        out.extend_from_slice(&rest[..count]);
        out.extend_from_slice(b"\r\n");
        rest = &rest[count..];
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

/// One connection of a tenant's, from its beginning to its end. Gives the numbers of its requests.
pub(super) async fn play(io: Io, end: End, habits: Habits, mut dice: Dice, book: Rc<RefCell<Book>>) -> Vec<u32> {
    let mut line = Line::new(io, end);
    if let Some((after_ms, how)) = habits.leave {
        line.leave_at(line.now().plus_millis(after_ms), how);
    }
    if let Some((lag_ms, window)) = habits.slow {
        line.lag_ms = lag_ms;
        line.end.window(window);
    }
    let mut session = Session { line, book, habits, dice: dice.fork(), over: false };
    let requests: Vec<(u32, Ask, Vec<u8>)> = session.habits.asks.clone().into_iter().map(|ask| session.prepare(ask)).collect();
    let numbers = requests.iter().map(|(request, ..)| *request).collect();
    if session.habits.pipelined {
        let mut sent = Vec::new();
        for (request, ask, bytes) in requests {
            let at = session.send(&bytes).await;
            sent.push((request, ask, at));
        }
        for (request, ask, at) in sent {
            session.receive(request, ask, at).await;
        }
    } else {
        for (request, ask, bytes) in requests {
            let at = if session.over { None } else { session.send(&bytes).await };
            session.receive(request, ask, at).await;
            let rest = session.habits.rest_ms;
            if rest > 0 && !session.over {
                session.line.pause(session.line.now().plus_millis(rest)).await;
            }
        }
    }
    if session.line.left.is_none() {
        session.line.end.close();
    }
    // What the gateway still says after the last answer would be a mistake.
    while session.line.fill().await {}
    if session.line.has_more() && !session.over {
        session.book.borrow_mut().complaints.push("a tenant was told more than it asked for".to_owned());
    }
    numbers
}

struct Session {
    line: Line,
    book: Rc<RefCell<Book>>,
    habits: Habits,
    dice: Dice,
    /// The connection carries no further answer.
    over: bool,
}

impl Session {
    fn prepare(&mut self, ask: Ask) -> (u32, Ask, Vec<u8>) {
        let request = self.book.borrow_mut().request();
        let body = body(&ask, request);
        let bytes = write(&ask, &body, &mut self.dice);
        let mut book = self.book.borrow_mut();
        book.bodies.insert(request, Rc::new(body));
        book.open += 1;
        drop(book);
        (request, ask, bytes)
    }

    /// Sends a request in parts; tells when the last was written.
    async fn send(&mut self, bytes: &[u8]) -> Option<Instant> {
        let mut rest = bytes;
        let head = bytes.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |at| at + 4);
        if super::provider::find(&bytes[..head], b"expect:") && !self.habits.pipelined {
            self.line.end.write(&rest[..head]);
            rest = &rest[head..];
            // RFC 9110, section 10.1.1: a client does not wait for ever.
            let wait = self.dice.below(30);
            self.line.pause(self.line.now().plus_millis(wait)).await;
        }
        while !rest.is_empty() && self.line.left.is_none() {
            let count = if self.habits.part_ms > 0 { 1 + self.dice.below(rest.len() as u64) as usize } else { rest.len() };
            self.line.end.write(&rest[..count]);
            rest = &rest[count..];
            if !rest.is_empty() {
                let wait = self.dice.below(self.habits.part_ms + 1);
                self.line.pause(self.line.now().plus_millis(wait)).await;
            }
        }
        rest.is_empty().then(|| self.line.now())
    }

    /// Reads one answer and writes it down.
    async fn receive(&mut self, request: u32, ask: Ask, sent_at: Option<Instant>) {
        let behind_a_close = self.over;
        let mut head = None;
        let mut body = Body::default();
        while !self.over {
            head = self.line.head().await;
            let Some(found) = &head else { break };
            if found.status() == 100 {
                continue;
            }
            body = self.line.body(found, true).await;
            break;
        }
        self.over |= head.as_ref().is_none_or(Head::closes) || !body.whole;
        let slow = self.habits.slow.is_some();
        let unframed =
            head.as_ref().is_some_and(|head| head.field("content-length").is_none() && head.field("transfer-encoding").is_none());
        let told =
            Told { ask, sent_at, head, body, unframed, left: self.line.left, pipelined: self.habits.pipelined, slow, behind_a_close };
        let mut book = self.book.borrow_mut();
        book.told.insert(request, told);
        book.open -= 1;
    }
}
