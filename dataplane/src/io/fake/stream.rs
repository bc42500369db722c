//! The shard's handle of a simulated connection: as the product's.

use super::deliver::{HIGH, LOW, RECEIVED_LOW};
use super::wire::{Core, State, Wire};
use crate::io::timers::register;
use crate::io::{Chunk, Errno, Instant, Piece};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};

/// A connection. Dropping it closes it gracefully: what is queued is still sent, within the linger
/// time of the settings. One task may wait for it to be readable, and one for room.
#[derive(Debug)]
pub struct Stream {
    core: Rc<Core>,
    wire: Rc<Wire>,
    /// The wire has gone elsewhere: nothing to do on drop.
    given_up: bool,
}

impl Stream {
    pub(super) fn new(core: &Rc<Core>, wire: Rc<Wire>) -> Stream {
        debug_assert_eq!(wire.near().state, State::Open);
        Stream { core: core.clone(), wire, given_up: false }
    }

    pub(super) fn into_wire(mut self) -> Rc<Wire> {
        self.given_up = true;
        self.wire.clone()
    }

    /// The next received bytes; `None` when the peer has closed its side.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Chunk>, Errno>> {
        let mut near = self.wire.near();
        if let Some(chunk) = near.received.pop_front() {
            if near.received.len() <= RECEIVED_LOW {
                drop(near);
                self.core.schedule_inbound(&self.wire);
            }
            return Poll::Ready(Ok(Some(chunk)));
        }
        if let Some(error) = near.error {
            return Poll::Ready(Err(error));
        }
        if near.eof {
            return Poll::Ready(Ok(None));
        }
        register(&mut near.reader, context);
        Poll::Pending
    }

    /// Waits for [`Stream::poll_recv`].
    pub async fn recv(&mut self) -> Result<Option<Chunk>, Errno> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// Puts bytes back: they are the next to be received. Empty chunks are dropped.
    pub fn unread(&mut self, chunk: Chunk) {
        if !chunk.is_empty() {
            self.wire.near().received.push_front(chunk);
        }
    }

    /// Queues a piece; it goes out at the end of the turn. A connection that has failed drops it.
    pub fn send(&self, piece: impl Into<Piece>) {
        self.core.enqueue(&self.wire, piece.into());
    }

    /// Bytes queued and not yet taken by the network.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.wire.near().queued_bytes
    }

    /// Whether so much is queued that the sender ought to wait for room.
    #[must_use]
    pub fn over(&self) -> bool {
        self.queued() > HIGH
    }

    /// Whether there is room; otherwise the task is woken when there is.
    pub fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Errno>> {
        let mut near = self.wire.near();
        if let Some(error) = near.error {
            return Poll::Ready(Err(error));
        }
        if near.queued_bytes < LOW {
            return Poll::Ready(Ok(()));
        }
        register(&mut near.writer, context);
        Poll::Pending
    }

    /// Waits until what is queued is below the low mark.
    pub async fn room(&mut self) -> Result<(), Errno> {
        poll_fn(|context| self.poll_room(context)).await
    }

    /// Waits until everything queued was taken by the network.
    pub async fn flushed(&mut self) -> Result<(), Errno> {
        poll_fn(|context| {
            let mut near = self.wire.near();
            if let Some(error) = near.error {
                return Poll::Ready(Err(error));
            }
            if near.pieces.is_empty() {
                return Poll::Ready(Ok(()));
            }
            register(&mut near.writer, context);
            Poll::Pending
        })
        .await
    }

    /// Whether the peer has closed its side or the connection has failed, without consuming
    /// anything; otherwise the task is woken at the next event of the connection.
    pub fn poll_gone(&mut self, context: &mut Context<'_>) -> bool {
        let mut near = self.wire.near();
        if near.error.is_some() || near.eof {
            return true;
        }
        register(&mut near.reader, context);
        false
    }

    /// Whether a pool must not hand it out: closed, failed, or with bytes that nobody asked for.
    #[must_use]
    pub fn dead(&self) -> bool {
        let near = self.wire.near();
        near.error.is_some() || near.eof || !near.received.is_empty()
    }

    /// Whether it is alive and nothing is queued or undelivered on either side.
    #[must_use]
    pub fn quiet(&self) -> bool {
        !self.dead() && self.wire.near().pieces.is_empty()
    }

    /// Receives into large buffers from now on: a body of more than a few buffers is coming.
    pub fn bulk(&mut self) {
        self.wire.near().bulk = true;
    }

    /// When the network last took something that was sent.
    #[must_use]
    pub fn sent_at(&self) -> Instant {
        self.wire.near().sent_at
    }

    /// When something was last received.
    #[must_use]
    pub fn received_at(&self) -> Instant {
        self.wire.near().received_at
    }

    /// The address of the other end: one of its own for each connection.
    pub async fn peer(&self) -> Option<SocketAddr> {
        let [_, high, middle, low] = self.wire.id.to_be_bytes();
        Some(SocketAddr::from(([10, high, middle, low], 40_000)))
    }

    /// Sends a FIN after what is queued; receiving goes on.
    pub fn shutdown_write(&mut self) {
        self.wire.near().shutting = true;
        self.core.schedule_outbound(&self.wire);
    }

    /// Closes, but only after the peer has: what it still sends is discarded, within the linger
    /// time. For answers given before a request was read to its end, which a plain close would
    /// turn into a reset.
    pub fn close_after_peer(self) {
        let core = self.core.clone();
        let wire = self.into_wire();
        {
            let mut near = wire.near();
            near.shutting = true;
            near.awaits_fin = !near.eof && near.error.is_none();
        }
        core.release(&wire);
        core.schedule_outbound(&wire);
    }

    /// Closes with a reset. What is queued is dropped.
    pub fn reset(self) {
        let core = self.core.clone();
        let wire = self.into_wire();
        core.cut(&wire);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if !self.given_up {
            self.core.release(&self.wire);
        }
    }
}
