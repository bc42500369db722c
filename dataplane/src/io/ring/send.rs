//! The send queues: filled at any time, issued once at the end of the turn.
//!
//! One send per socket is in flight. Whatever was queued meanwhile goes out in one SENDMSG, which
//! for large bodies halves the cost. MSG_WAITALL makes the kernel finish short sends by itself.

use super::completion::{Completion, Kind, Tag};
use super::kernel::Kernel;
use super::socket::State;
use crate::io::Piece;
use io_uring::{opcode, types};
use std::ptr;

/// Pieces of one send operation.
const PIECES_MAX: usize = 16;
/// Queued bytes above which a sender ought to wait for room.
pub(super) const HIGH: usize = 64 * 1024;
/// Queued bytes below which there is room again.
pub(super) const LOW: usize = 16 * 1024;
/// Pieces behind which a reader counts as slow: what is queued then is copied out of the shared
/// buffers, or slow readers would hold them all.
const SLOW_PIECES: usize = 4;
/// Bytes up to which a chunk is copied behind the vector before it.
const JOINED_MAX: usize = 2048;
/// Bytes up to which copies are gathered in one vector.
const GATHERED_MAX: usize = 16 * 1024;
/// Batches kept while unused.
const BATCHES_MAX: usize = 256;

/// The arguments of a SENDMSG. Boxed: they stay where they are until the send has completed.
pub(super) struct Batch {
    header: libc::msghdr,
    parts: [libc::iovec; PIECES_MAX],
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Batch of {}", self.header.msg_iovlen)
    }
}

impl Batch {
    fn new() -> Box<Batch> {
        let none = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        let header = libc::msghdr {
            msg_name: ptr::null_mut(),
            msg_namelen: 0,
            msg_iov: ptr::null_mut(),
            msg_iovlen: 0,
            msg_control: ptr::null_mut(),
            msg_controllen: 0,
            msg_flags: 0,
        };
        Box::new(Batch { header, parts: [none; PIECES_MAX] })
    }
}

impl Kernel {
    /// Queues a piece. It is dropped if the socket can send no more.
    pub(super) fn enqueue(&mut self, slot: u32, piece: Piece) {
        let socket = &self.sockets[slot as usize];
        if piece.is_empty() || socket.error != 0 || socket.shutting || socket.state != State::Open {
            self.local.vectors.done(piece);
            return;
        }
        let piece = match piece {
            Piece::Chunk(chunk) if self.holds_too_much(slot) => {
                self.stats.copied_out += chunk.len() as u64;
                match self.gather(slot, &chunk) {
                    Some(piece) => piece,
                    None => return,
                }
            }
            Piece::Chunk(chunk) if chunk.len() <= JOINED_MAX => {
                if self.join(slot, &chunk) {
                    return;
                }
                Piece::Chunk(chunk)
            }
            Piece::Vec(bytes) if bytes.len() <= JOINED_MAX => {
                // An event of a stream is small, and its buffer is not: a reader that is behind would
                // hold a hundred of them.
                if self.join(slot, &bytes) {
                    self.local.vectors.done(Piece::Vec(bytes));
                    return;
                }
                Piece::Vec(bytes)
            }
            piece => piece,
        };
        let socket = &mut self.sockets[slot as usize];
        socket.queued_bytes += piece.len();
        self.pieces.push_back(&mut socket.pieces, piece);
        self.mark(slot);
    }

    /// Copies a few bytes behind what waits to be sent, if that has room for them: one SEND is cheaper
    /// than a SENDMSG of two pieces, and the buffer goes back while it is warm.
    fn join(&mut self, slot: u32, bytes: &[u8]) -> bool {
        let socket = &mut self.sockets[slot as usize];
        if socket.pieces.len() > usize::from(socket.flying)
            && let Some(Piece::Vec(last)) = self.pieces.back_mut(&socket.pieces)
            && last.capacity() - last.len() >= bytes.len()
        {
            last.extend_from_slice(bytes);
            socket.queued_bytes += bytes.len();
            return true;
        }
        false
    }

    /// Whether another received buffer in the queue would be one too many.
    fn holds_too_much(&self, slot: u32) -> bool {
        let socket = &self.sockets[slot as usize];
        socket.sending && socket.pieces.len() >= usize::from(socket.flying) + SLOW_PIECES
    }

    /// Copies bytes behind the last piece if that may still grow, else into a new piece.
    fn gather(&mut self, slot: u32, bytes: &[u8]) -> Option<Piece> {
        let socket = &mut self.sockets[slot as usize];
        if socket.pieces.len() > usize::from(socket.flying)
            && let Some(Piece::Vec(last)) = self.pieces.back_mut(&socket.pieces)
            && last.len() + bytes.len() <= GATHERED_MAX
        {
            last.extend_from_slice(bytes);
            socket.queued_bytes += bytes.len();
            return None;
        }
        let mut copy = self.local.vectors.take();
        copy.extend_from_slice(bytes);
        Some(Piece::Vec(copy))
    }

    /// The socket has something to send at the end of the turn.
    pub(super) fn mark(&mut self, slot: u32) {
        let socket = &mut self.sockets[slot as usize];
        if !socket.sending && !socket.dirty {
            socket.dirty = true;
            self.dirty.push(slot);
        }
    }

    /// Issues the sends of the turn.
    pub(super) fn send_all(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for slot in dirty.drain(..) {
            self.send(slot);
        }
        self.dirty = dirty;
    }

    fn send(&mut self, slot: u32) {
        let socket = &mut self.sockets[slot as usize];
        socket.dirty = false;
        if socket.sending || socket.state == State::Free {
            return;
        }
        if socket.pieces.is_empty() {
            self.shut_if_due(slot);
            return;
        }
        socket.sending = true;
        let count = socket.pieces.len().min(PIECES_MAX);
        socket.flying = count as u8;
        let tag = Tag::new(Kind::Send, socket.generation, slot);
        let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
        self.stats.sends += 1;
        self.stats.coalesced += count as u64 - 1;
        // The pointers that go to the kernel are into buffers, heap memory of vectors and blocks,
        // or statics. None of them moves when its piece does, and the piece stays in the queue
        // until the completion; the first one is cut by `offset` alone.
        let (queue, offset) = (socket.pieces, socket.offset as usize);
        let file = types::Fixed(slot);
        let entry = if count == 1 {
            let piece = self.pieces.front(&queue).expect("count is one");
            let bytes = &piece[offset..];
            let len = self.limit_send(bytes.len());
            opcode::Send::new(file, bytes.as_ptr(), len as u32).flags(flags).build()
        } else {
            let mut batch = self.batches.pop().unwrap_or_else(Batch::new);
            for (index, piece) in self.pieces.iter(queue).take(count).enumerate() {
                let bytes = if index == 0 { &piece[offset..] } else { &piece[..] };
                let base = bytes.as_ptr().cast_mut().cast();
                batch.parts[index] = libc::iovec { iov_base: base, iov_len: bytes.len() };
            }
            batch.header.msg_iov = batch.parts.as_mut_ptr();
            batch.header.msg_iovlen = count;
            let batch = self.sockets[slot as usize].batch.insert(batch);
            opcode::SendMsg::new(file, &raw const batch.header).flags(flags as u32).build()
        };
        self.issue(entry, tag);
    }

    pub(super) fn on_send(&mut self, done: Completion) {
        let slot = done.tag.index;
        let now = self.timers.now();
        let socket = &mut self.sockets[slot as usize];
        assert!(done.tag.is_of(socket.generation), "a send outlived its socket");
        socket.sending = false;
        socket.flying = 0;
        if let Some(batch) = socket.batch.take()
            && self.batches.len() < BATCHES_MAX
        {
            self.batches.push(batch);
        }
        if done.result < 0 {
            if socket.error == 0 {
                socket.error = -done.result;
            }
            self.drop_pieces(slot);
        } else {
            socket.sent_at = now;
            self.account(slot, done.result as usize);
        }
        let socket = &mut self.sockets[slot as usize];
        if socket.error != 0 {
            socket.awaits_fin = false;
            socket.wake_reader();
            socket.wake_writer();
            self.cancel_receive_of_closing(slot);
        } else if socket.queued_bytes < LOW {
            socket.wake_writer();
        }
        let socket = &self.sockets[slot as usize];
        if !socket.pieces.is_empty() || socket.shutting {
            self.mark(slot);
        }
        self.finish(slot);
    }

    fn cancel_receive_of_closing(&mut self, slot: u32) {
        if self.sockets[slot as usize].state == State::Closing {
            self.cancel_receive(slot);
        }
    }

    /// Takes `sent` bytes off the front of the queue.
    fn account(&mut self, slot: u32, mut sent: usize) {
        let socket = &mut self.sockets[slot as usize];
        socket.queued_bytes -= sent;
        while sent > 0 {
            let piece = self.pieces.front(&socket.pieces).expect("only queued bytes are sent");
            let left = piece.len() - socket.offset as usize;
            if left > sent {
                socket.offset += sent as u32;
                return;
            }
            sent -= left;
            socket.offset = 0;
            if let Some(piece) = self.pieces.pop_front(&mut socket.pieces) {
                self.local.vectors.done(piece);
            }
        }
    }

    pub(super) fn drop_pieces(&mut self, slot: u32) {
        let socket = &mut self.sockets[slot as usize];
        debug_assert!(!socket.sending, "the kernel still reads the pieces");
        socket.queued_bytes = 0;
        socket.offset = 0;
        while let Some(piece) = self.pieces.pop_front(&mut socket.pieces) {
            self.local.vectors.done(piece);
        }
    }

    /// No more will be sent: a FIN follows what is queued.
    pub(super) fn shut(&mut self, slot: u32) {
        let socket = &mut self.sockets[slot as usize];
        if !socket.shutting {
            socket.shutting = true;
            self.mark(slot);
        }
    }

    fn shut_if_due(&mut self, slot: u32) {
        let socket = &mut self.sockets[slot as usize];
        if !socket.shutting || socket.shut || socket.error != 0 {
            return;
        }
        socket.shut = true;
        socket.shut_runs = true;
        // The kernel always hands a shutdown to a worker, which looks the slot up when it runs: were
        // the slot closed before, another connection could have it by then and be shut instead. So
        // the slot is kept until this has completed.
        let tag = Tag::new(Kind::Shutdown, socket.generation, slot);
        self.issue(opcode::Shutdown::new(types::Fixed(slot), libc::SHUT_WR).build(), tag);
    }

    pub(super) fn on_shutdown(&mut self, done: Completion) {
        let slot = done.tag.index;
        let socket = &mut self.sockets[slot as usize];
        assert!(done.tag.is_of(socket.generation), "a shutdown outlived its socket");
        socket.shut_runs = false;
        self.finish(slot);
    }
}
