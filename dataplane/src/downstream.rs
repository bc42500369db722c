//! The tenant's end of an exchange: what has been said to it, and whether it still listens.

use crate::{
    allowance::{self, Limits},
    io::{Deadline, Instant},
    shard::Shard,
    wire::{Broken, Bytes, Wire},
};
use codec::{
    body,
    dialect::{
        self, Dialect,
        gemini::{self, Array},
    },
    head,
};
use std::{
    future::{Future, poll_fn},
    net::IpAddr,
    task::Poll,
};

/// The type of a stream that is one array.
const ARRAY_TYPE: &[u8] = b"content-type: application/json; charset=UTF-8\r\n";

/// The tenant's end of an exchange.
pub struct Downstream {
    /// The connection.
    pub wire: Wire,
    /// One timer for all waits of the exchange.
    pub timer: Deadline,
    /// The connection may carry another request after this one.
    pub keep_alive: bool,
    /// The tenant speaks HTTP/1.0: no chunks.
    pub plain_ends: bool,
    /// The request was a HEAD: its answer has no body, whatever its head says (RFC 9112, section 6.3).
    pub bodiless: bool,
    /// The answer's head is out.
    pub head_sent: bool,
    /// The answer's body is in chunks.
    chunked: bool,
    /// Part of an answer is out whose end only the connection's end would tell.
    pub torn: bool,
    /// Bytes of the answer's body so far.
    pub sent: u64,
    /// The answer is a stream of events.
    pub events: bool,
    /// It is asked for as one array that grows.
    pub array: Option<Array>,
    /// When a stream that has nothing to show is kept alive by a comment.
    pub keepalive_at: Instant,
    /// What is left to a tenant that has limits.
    pub limits: Option<Limits>,
    /// Where the tenant is, once somebody asked.
    pub from: Option<IpAddr>,
}

/// What came first while an attempt was waited for.
pub enum Arrival {
    /// Bytes of the provider's.
    Bytes(Bytes),
    /// The provider ended.
    End,
    /// The connection to the provider broke.
    Broken(Broken),
    /// It took too long.
    Late,
    /// The tenant went away.
    Gone,
}

/// Who waits while an attempt has nothing to show.
pub enum Waiter<'t> {
    /// The tenant.
    Tenant(&'t mut Downstream),
    /// A race of two attempts, which looks after the tenant for both: a timer of the attempt's own.
    Race(Deadline),
}

impl Waiter<'_> {
    /// Bytes of the provider's, or whatever else happens first.
    pub async fn arrival(&mut self, upstream: &mut Wire, by: Instant) -> Arrival {
        match self {
            Waiter::Tenant(tenant) => tenant.arrival(upstream, by).await,
            Waiter::Race(timer) => {
                let mut armed = false;
                poll_fn(|cx| {
                    if let Poll::Ready(received) = upstream.poll_recv(cx) {
                        return Poll::Ready(Arrival::from(received));
                    }
                    if !std::mem::replace(&mut armed, true) {
                        timer.reset(by);
                    }
                    if timer.poll_expired(cx) { Poll::Ready(Arrival::Late) } else { Poll::Pending }
                })
                .await
            }
        }
    }

    /// Runs `work` until it is done or the tenant goes away, which drops it.
    pub async fn unless_gone<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Gone> {
        match self {
            Waiter::Tenant(tenant) => tenant.unless_gone(work).await,
            Waiter::Race(_) => Ok(work.await),
        }
    }

    /// Waits until `at`.
    pub async fn wait(&mut self, at: Instant) -> Result<(), Gone> {
        match self {
            Waiter::Tenant(tenant) => tenant.wait(at).await,
            Waiter::Race(timer) => {
                timer.reset(at);
                poll_fn(|cx| if timer.poll_expired(cx) { Poll::Ready(Ok(())) } else { Poll::Pending }).await
            }
        }
    }

    /// When the tenant is told that somebody is at work.
    pub fn keepalive_at(&self) -> Instant {
        match self {
            Waiter::Tenant(tenant) => tenant.keepalive_at,
            Waiter::Race(_) => Instant::FAR,
        }
    }
}

impl From<Result<Option<Bytes>, Broken>> for Arrival {
    fn from(received: Result<Option<Bytes>, Broken>) -> Arrival {
        match received {
            Ok(Some(bytes)) => Arrival::Bytes(bytes),
            Ok(None) => Arrival::End,
            Err(broken) => Arrival::Broken(broken),
        }
    }
}

/// What a connection does after an exchange.
pub enum Next {
    /// Its next request has begun to come.
    Comes,
    /// Nothing yet.
    NotYet,
    /// It has ended.
    Never,
}

/// The tenant went away, or takes nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

impl Downstream {
    /// A connection at the beginning of a request. `from` is what is known of the tenant's address.
    pub fn new(shard: &Shard, wire: Wire, from: Option<IpAddr>) -> Downstream {
        let timer = shard.io.deadline(Instant::FAR);
        Downstream {
            wire,
            timer,
            keep_alive: true,
            plain_ends: false,
            bodiless: false,
            head_sent: false,
            chunked: false,
            torn: false,
            sent: 0,
            events: false,
            array: None,
            keepalive_at: Instant::FAR,
            limits: None,
            from,
        }
    }

    /// Where the tenant is: what a trusted proxy said, or else the other end of the connection.
    /// `None` when it is gone. Costs a few system calls, once.
    pub async fn address(&mut self) -> Option<IpAddr> {
        if self.from.is_none() {
            self.from = self.wire.peer().await;
        }
        self.from
    }

    /// Writes what is left to a tenant that has limits.
    pub fn write_limits(&self, shard: &Shard, dialect: Dialect, out: &mut Vec<u8>) {
        if let Some(limits) = &self.limits {
            allowance::write_limits(out, limits, dialect, shard.io.wall().0 / 1_000);
        }
    }

    /// What the tenant sends next, or `None` when nothing has come by `by`. The timer is armed only
    /// when there is something to wait for, which mostly there is not.
    pub async fn received(&mut self, by: Instant) -> Option<Result<Option<Bytes>, Broken>> {
        let mut armed = false;
        poll_fn(|cx| match self.wire.poll_recv(cx) {
            Poll::Ready(received) => Poll::Ready(Some(received)),
            Poll::Pending => {
                if !std::mem::replace(&mut armed, true) {
                    self.timer.reset(by);
                }
                if self.timer.poll_expired(cx) { Poll::Ready(None) } else { Poll::Pending }
            }
        })
        .await
    }

    /// Waits for the next request until `by`.
    pub async fn next_request(&mut self, by: Instant) -> Next {
        if self.wire.has_returned() {
            return Next::Comes;
        }
        match self.received(by).await {
            None => Next::NotYet,
            Some(Ok(Some(bytes))) => {
                self.wire.unread(bytes);
                Next::Comes
            }
            Some(Ok(None) | Err(_)) => Next::Never,
        }
    }

    /// Bytes of the provider's, or whatever else happens first. A FIN of the tenant's counts as
    /// hang-up.
    pub async fn arrival(&mut self, upstream: &mut Wire, by: Instant) -> Arrival {
        let mut armed = false;
        poll_fn(|cx| {
            if let Poll::Ready(received) = upstream.poll_recv(cx) {
                return Poll::Ready(Arrival::from(received));
            }
            if self.wire.poll_gone(cx) {
                return Poll::Ready(Arrival::Gone);
            }
            if !std::mem::replace(&mut armed, true) {
                self.timer.reset(by);
            }
            if self.timer.poll_expired(cx) { Poll::Ready(Arrival::Late) } else { Poll::Pending }
        })
        .await
    }

    /// Runs `work` until it is done or the tenant goes away, which drops it.
    pub async fn unless_gone<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Gone> {
        let mut work = std::pin::pin!(work);
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Ok(done)),
            Poll::Pending if self.wire.poll_gone(cx) => Poll::Ready(Err(Gone)),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// Waits until `at`.
    pub async fn wait(&mut self, at: Instant) -> Result<(), Gone> {
        self.timer.reset(at);
        poll_fn(|cx| {
            if self.wire.poll_gone(cx) {
                return Poll::Ready(Err(Gone));
            }
            if self.timer.poll_expired(cx) { Poll::Ready(Ok(())) } else { Poll::Pending }
        })
        .await
    }

    /// Waits for room when much is queued: a tenant that takes nothing for `stall_ms` is gone.
    pub async fn room(&mut self, shard: &Shard, stall_ms: u64) -> Result<(), Gone> {
        if !self.wire.over() {
            return Ok(());
        }
        self.timer.reset(shard.io.now().plus_millis(stall_ms));
        let mut room = std::pin::pin!(self.wire.room());
        poll_fn(|cx| match room.as_mut().poll(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
            Poll::Ready(Err(_)) => Poll::Ready(Err(Gone)),
            Poll::Pending if self.timer.poll_expired(cx) => Poll::Ready(Err(Gone)),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// Ends the head that `out` begins with, for a body of `length` bytes, or of unknown length.
    pub fn finish_head(&mut self, out: &mut Vec<u8>, length: Option<u64>) {
        match length {
            Some(length) => head::write_length(out, length),
            None if self.plain_ends => self.keep_alive = false,
            None => {
                self.chunked = true;
                head::write_chunked(out);
            }
        }
        if !self.keep_alive {
            head::write_close(out);
        } else if self.plain_ends {
            // RFC 9112, section 9.3: an HTTP/1.0 connection persists only when both sides say so.
            out.extend_from_slice(b"connection: keep-alive\r\n");
        }
        head::write_end(out);
        self.head_sent = true;
    }

    /// Begins a part of the body of `size` bytes, which the caller appends to `out` …
    pub fn open_part(&mut self, out: &mut Vec<u8>, size: usize) {
        self.sent += size as u64;
        if self.chunked {
            body::write_chunk_head(out, size);
        }
    }

    /// … and ends it.
    pub fn close_part(&self, out: &mut Vec<u8>) {
        if self.chunked {
            out.extend_from_slice(body::CHUNK_END);
        }
    }

    /// Sends one part of the body, with what is in `out` before it.
    pub fn send_part(&mut self, mut out: Vec<u8>, part: &[u8]) {
        if !part.is_empty() {
            self.open_part(&mut out, part.len());
            out.extend_from_slice(part);
            self.close_part(&mut out);
        }
        if !out.is_empty() {
            self.wire.send(out);
        }
    }

    /// Sends whole events of a stream, in the form that was asked for.
    pub fn send_events(&mut self, shard: &Shard, out: Vec<u8>, events: &[u8]) {
        let Some(array) = &mut self.array else { return self.send_part(out, events) };
        let mut elements = shard.io.vec();
        array.elements(events, &mut elements);
        self.send_part(out, &elements);
    }

    /// Sends what tells that a stream is still alive.
    pub fn send_keepalive(&mut self, out: Vec<u8>) {
        let part = if self.array.is_some() { gemini::array::KEEPALIVE } else { dialect::KEEPALIVE };
        self.send_part(out, part);
    }

    /// Writes the type of a stream of the gateway's own.
    pub fn write_stream_type(&self, out: &mut Vec<u8>) {
        let kind: &[u8] = if self.array.is_some() { ARRAY_TYPE } else { b"content-type: text/event-stream; charset=utf-8\r\n" };
        out.extend_from_slice(kind);
    }

    /// Appends a body of the length that the head says.
    pub fn write_body(&mut self, out: &mut Vec<u8>, body: &[u8]) {
        if !self.bodiless {
            self.sent += body.len() as u64;
            out.extend_from_slice(body);
        }
    }

    /// Appends the end of the body, where one is written.
    pub fn end_body(&mut self, out: &mut Vec<u8>) {
        if let Some(array) = self.array.as_mut().filter(|_| self.events) {
            let mut end = Vec::new();
            array.end(&mut end);
            self.open_part(out, end.len());
            out.extend_from_slice(&end);
            self.close_part(out);
        }
        if self.chunked {
            out.extend_from_slice(body::LAST_CHUNK);
        }
    }

    /// Ready for the next request of the connection. Nothing is known of it, and a head that cannot
    /// be read is answered all the same.
    pub fn renew(&mut self) {
        self.keep_alive = true;
        self.plain_ends = false;
        self.bodiless = false;
        self.head_sent = false;
        self.chunked = false;
        self.sent = 0;
        self.events = false;
        self.array = None;
        self.keepalive_at = Instant::FAR;
        self.limits = None;
    }
}
