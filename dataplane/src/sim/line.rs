//! HTTP/1.1 as a test's end reads it: with a reader of its own, so that no mistake of the codec's
//! can hide itself.

use crate::io::{
    Deadline, Instant, Io,
    fake::{End, Gone},
};
use std::{
    future::{Future, poll_fn},
    pin::pin,
    rc::Rc,
    task::Poll,
};

/// How a test's end leaves in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// With a FIN; what still comes is read.
    Fin,
    /// With a reset.
    Reset,
}

/// A head: its first line and its fields, names in lower case.
#[derive(Clone, Debug, Default)]
pub(super) struct Head {
    pub(super) first: String,
    pub(super) fields: Vec<(String, String)>,
}

impl Head {
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn status(&self) -> u16 {
        self.first.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    /// The connection ends with this message.
    pub(super) fn closes(&self) -> bool {
        self.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    fn parse(bytes: &[u8]) -> Head {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default().to_owned();
        let field = |line: &str| line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
        Head { first, fields: lines.filter_map(field).collect() }
    }
}

/// A body, as far as it came.
#[derive(Clone, Debug, Default)]
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    /// Its framing came to its end.
    pub(super) whole: bool,
}

/// One connection, as a test's end holds it.
pub(super) struct Line {
    pub(super) end: Rc<End>,
    io: Io,
    held: Vec<u8>,
    /// Nothing more will come.
    ended: bool,
    leave: Option<(Deadline, Leave)>,
    /// When and how we left.
    pub(super) left: Option<(Instant, Leave)>,
    /// Between two looks, in milliseconds: a slow reader.
    pub(super) lag_ms: u64,
}

impl Line {
    pub(super) fn new(io: Io, end: End) -> Line {
        Line { end: Rc::new(end), io, held: Vec::new(), ended: false, leave: None, left: None, lag_ms: 0 }
    }

    pub(super) fn now(&self) -> Instant {
        self.io.now()
    }

    /// Leaves at that moment, whatever is being done.
    pub(super) fn leave_at(&mut self, at: Instant, how: Leave) {
        self.leave = Some((self.io.deadline(at), how));
    }

    /// Leaves now.
    pub(super) fn leave(&mut self, how: Leave) {
        self.leave = None;
        self.left = Some((self.io.now(), how));
        match how {
            Leave::Fin => self.end.close(),
            Leave::Reset => {
                self.end.reset();
                self.ended = true;
            }
        }
    }

    /// Waits, and leaves in between if it is time to. False once this end has left.
    pub(super) async fn pause(&mut self, until: Instant) -> bool {
        let rest = self.io.deadline(until);
        let leave = self.leave.as_ref().map(|(at, _)| at);
        let left = poll_fn(|cx| {
            if leave.is_some_and(|at| at.poll_expired(cx)) {
                return Poll::Ready(true);
            }
            if rest.poll_expired(cx) { Poll::Ready(false) } else { Poll::Pending }
        })
        .await;
        if left && let Some((_, how)) = self.leave {
            self.leave(how);
        }
        self.left.is_none()
    }

    /// Reads on. False when nothing more will come.
    pub(super) async fn fill(&mut self) -> bool {
        while !self.ended {
            if self.lag_ms > 0 {
                let until = self.io.now().plus_millis(self.lag_ms);
                self.pause(until).await;
                if self.ended {
                    return false;
                }
            }
            let end = self.end.clone();
            let mut read = pin!(end.read());
            let leave = self.leave.as_ref().map(|(at, _)| at);
            let got = poll_fn(|cx| match read.as_mut().poll(cx) {
                Poll::Ready(got) => Poll::Ready(Some(got)),
                Poll::Pending if leave.is_some_and(|at| at.poll_expired(cx)) => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            })
            .await;
            match got {
                Some(Some(bytes)) => {
                    self.held.extend(bytes);
                    return true;
                }
                Some(None) => self.ended = true,
                None => {
                    let how = self.leave.as_ref().map_or(Leave::Reset, |(_, how)| *how);
                    self.leave(how);
                }
            }
        }
        false
    }

    /// True when something has come that was not read.
    pub(super) fn has_more(&self) -> bool {
        !self.held.is_empty()
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.held.split_off(count);
        std::mem::replace(&mut self.held, rest)
    }

    async fn until(&mut self, marker: &[u8]) -> Option<Vec<u8>> {
        let mut from = 0;
        loop {
            if let Some(at) = self.held[from..].windows(marker.len()).position(|window| window == marker) {
                return Some(self.take(from + at + marker.len()));
            }
            from = self.held.len().saturating_sub(marker.len());
            if !self.fill().await {
                return None;
            }
        }
    }

    async fn exact(&mut self, count: usize) -> (Vec<u8>, bool) {
        while self.held.len() < count {
            if !self.fill().await {
                let all = self.held.len();
                return (self.take(all), false);
            }
        }
        (self.take(count), true)
    }

    /// The next head; `None` when the other side ends before it is whole.
    pub(super) async fn head(&mut self) -> Option<Head> {
        self.until(b"\r\n\r\n").await.map(|bytes| Head::parse(&bytes))
    }

    /// The body behind a head. `to_end`: without a framing it goes on to the connection's end.
    pub(super) async fn body(&mut self, head: &Head, to_end: bool) -> Body {
        let mut body = Body::default();
        if head.field("transfer-encoding").is_some() {
            loop {
                let Some(size) = self.until(b"\r\n").await else { return body };
                let text = String::from_utf8_lossy(&size);
                let size = usize::from_str_radix(text.trim(), 16).expect("a chunk begins with its size");
                let (bytes, whole) = self.exact(size).await;
                body.bytes.extend(bytes);
                if !whole || self.exact(2).await.0 != b"\r\n" {
                    return body;
                }
                if size == 0 {
                    return Body { whole: true, ..body };
                }
            }
        }
        if let Some(length) = head.field("content-length") {
            let (bytes, whole) = self.exact(length.parse().expect("a length is a number")).await;
            return Body { bytes, whole };
        }
        if to_end {
            while self.fill().await {}
            let all = self.held.len();
            return Body { bytes: self.take(all), whole: self.left.is_none() && self.end.gone() != Gone::Reset };
        }
        Body { whole: true, ..body }
    }
}
