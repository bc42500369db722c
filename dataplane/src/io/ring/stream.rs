//! The handle of one connection.

use super::request;
use super::send::{HIGH, LOW};
use super::socket::{RECEIVED_LOW, Socket, State};
use super::{Core, Kernel};
use crate::io::timers::register;
use crate::io::{Chunk, Errno, Instant, Piece};
use std::cell::RefMut;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};

/// A connection. Dropping it closes it gracefully: what is queued is still sent, within the linger
/// time of the settings. One task may wait for it to be readable, and one for room.
#[derive(Debug)]
pub struct Stream {
    core: Rc<Core>,
    slot: u32,
    /// The slot has gone elsewhere: nothing to do on drop.
    given_up: bool,
}

impl Stream {
    pub(super) fn new(core: &Rc<Core>, slot: u32) -> Stream {
        Stream { core: core.clone(), slot, given_up: false }
    }

    pub(super) fn into_slot(mut self) -> u32 {
        self.given_up = true;
        self.slot
    }

    fn kernel(&self) -> RefMut<'_, Kernel> {
        self.core.kernel()
    }

    fn socket(&self) -> RefMut<'_, Socket> {
        let slot = self.slot as usize;
        RefMut::map(self.core.kernel(), |kernel| {
            debug_assert_eq!(kernel.sockets[slot].state, State::Open);
            &mut kernel.sockets[slot]
        })
    }

    /// The next received bytes; `None` when the peer has closed its side.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Chunk>, Errno>> {
        let mut kernel = self.core.kernel();
        let kernel = &mut *kernel;
        let socket = &mut kernel.sockets[self.slot as usize];
        if let Some(chunk) = kernel.chunks.pop_front(&mut socket.received) {
            if !socket.receiving && socket.received.len() <= RECEIVED_LOW {
                kernel.receive(self.slot);
            }
            return Poll::Ready(Ok(Some(chunk)));
        }
        if let Some(error) = socket.error() {
            return Poll::Ready(Err(error));
        }
        if socket.eof {
            return Poll::Ready(Ok(None));
        }
        register(&mut socket.reader, context);
        Poll::Pending
    }

    /// Waits for [`Stream::poll_recv`].
    pub async fn recv(&mut self) -> Result<Option<Chunk>, Errno> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// Puts bytes back: they are the next to be received. Empty chunks are dropped.
    pub fn unread(&mut self, chunk: Chunk) {
        if chunk.is_empty() {
            return;
        }
        let mut kernel = self.core.kernel();
        let kernel = &mut *kernel;
        let socket = &mut kernel.sockets[self.slot as usize];
        kernel.chunks.push_front(&mut socket.received, chunk);
    }

    /// Queues a piece; it goes out at the end of the turn. A connection that has failed drops it.
    pub fn send(&self, piece: impl Into<Piece>) {
        self.kernel().enqueue(self.slot, piece.into());
    }

    /// Bytes queued and not yet taken by the kernel.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.socket().queued_bytes
    }

    /// Whether so much is queued that the sender ought to wait for room.
    #[must_use]
    pub fn over(&self) -> bool {
        self.socket().queued_bytes > HIGH
    }

    /// Whether there is room; otherwise the task is woken when there is.
    pub fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Errno>> {
        let mut socket = self.socket();
        if let Some(error) = socket.error() {
            return Poll::Ready(Err(error));
        }
        if socket.queued_bytes < LOW {
            return Poll::Ready(Ok(()));
        }
        register(&mut socket.writer, context);
        Poll::Pending
    }

    /// Waits until what is queued is below the low mark.
    pub async fn room(&mut self) -> Result<(), Errno> {
        poll_fn(|context| self.poll_room(context)).await
    }

    /// Waits until everything queued was taken by the kernel.
    pub async fn flushed(&mut self) -> Result<(), Errno> {
        poll_fn(|context| {
            let mut socket = self.socket();
            if let Some(error) = socket.error() {
                return Poll::Ready(Err(error));
            }
            if socket.pieces.is_empty() {
                return Poll::Ready(Ok(()));
            }
            register(&mut socket.writer, context);
            Poll::Pending
        })
        .await
    }

    /// Whether the peer has closed its side or the connection has failed, without consuming
    /// anything; otherwise the task is woken at the next event of the connection.
    pub fn poll_gone(&mut self, context: &mut Context<'_>) -> bool {
        let mut socket = self.socket();
        if socket.error != 0 || socket.eof {
            return true;
        }
        register(&mut socket.reader, context);
        false
    }

    /// Whether a pool must not hand it out: closed, failed, or with bytes that nobody asked for.
    #[must_use]
    pub fn dead(&self) -> bool {
        let socket = self.socket();
        socket.error != 0 || socket.eof || !socket.received.is_empty()
    }

    /// Whether it is alive and nothing is queued or undelivered on either side.
    #[must_use]
    pub fn quiet(&self) -> bool {
        !self.dead() && self.socket().pieces.is_empty()
    }

    /// Receives into large buffers from now on: a body of more than a few buffers is coming.
    pub fn bulk(&mut self) {
        self.kernel().use_group(self.slot, 1);
    }

    /// When the kernel last took something that was sent.
    #[must_use]
    pub fn sent_at(&self) -> Instant {
        self.socket().sent_at
    }

    /// When something was last received.
    #[must_use]
    pub fn received_at(&self) -> Instant {
        self.socket().received_at
    }

    /// The address of the other end. Costs a few system calls, so ask only when it is needed.
    pub async fn peer(&self) -> Option<SocketAddr> {
        request::peer(&self.core, self.slot).await
    }

    /// Sends a FIN after what is queued; receiving goes on.
    pub fn shutdown_write(&mut self) {
        self.kernel().shut(self.slot);
    }

    /// Closes, but only after the peer has: what it still sends is discarded, within the linger
    /// time. For answers given before a request was read to its end, which a plain close would
    /// turn into a reset.
    pub fn close_after_peer(self) {
        let core = self.core.clone();
        let slot = self.into_slot();
        core.kernel().await_fin(slot);
    }

    /// Closes with a reset. What is queued is dropped.
    pub fn reset(self) {
        let core = self.core.clone();
        let slot = self.into_slot();
        core.kernel().reset(slot);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if !self.given_up {
            self.core.kernel().release(self.slot);
        }
    }
}
