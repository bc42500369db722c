//! One slot of the table of sockets: state and queues, and how it opens, receives and closes.

use super::completion::{Completion, Kind, Tag};
use super::kernel::Kernel;
use super::send::Batch;
use crate::io::links::Queue;
use crate::io::timers::Timers;
use crate::io::{Cause, Chunk, Errno, Instant};
use io_uring::{opcode, squeue, types};
use std::task::Waker;

/// Undelivered buffers of one socket at which receiving pauses.
pub(super) const RECEIVED_MAX: usize = 8;
/// ... and at which it goes on.
pub(super) const RECEIVED_LOW: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Free,
    /// Being connected: belongs to a request.
    Connecting,
    /// Belongs to a `Stream` or to a queue of them.
    Open,
    /// Belongs to nobody but its timer and what arrives.
    Parked,
    /// Its stream was dropped. Goes once the kernel has finished with it.
    Closing,
}

/// A slot. Its index is the direct descriptor; its generation changes with each use. Small on
/// purpose: this is all that an idle connection costs.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) generation: u32,
    pub(super) state: State,
    /// The group its receive is armed with, and the one it shall be.
    pub(super) group: u8,
    pub(super) group_wanted: u8,
    /// Pieces that the send in flight covers.
    pub(super) flying: u8,
    pub(super) receiving: bool,
    pub(super) cancelling: bool,
    pub(super) starved: bool,
    pub(super) dirty: bool,
    pub(super) sending: bool,
    pub(super) eof: bool,
    /// Counts against the limit of accepted sockets.
    pub(super) downstream: bool,
    /// Closing, but waits for the peer's FIN so that unread data does not turn ours into a reset.
    pub(super) awaits_fin: bool,
    /// No more sends: shut down for writing once the queue is empty.
    pub(super) shutting: bool,
    /// The shutdown was issued …
    pub(super) shut: bool,
    /// … and the kernel has not said that it is done.
    pub(super) shut_runs: bool,
    /// Connecting: the request; parked: the token.
    pub(super) token: u32,
    pub(super) error: i32,
    pub(super) received: Queue,
    pub(super) pieces: Queue,
    /// Bytes of the first piece that are sent already.
    pub(super) offset: u32,
    pub(super) queued_bytes: usize,
    pub(super) timer: u32,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
    pub(super) received_at: Instant,
    pub(super) sent_at: Instant,
    pub(super) batch: Option<Box<Batch>>,
}

const _: () = assert!(size_of::<Socket>() <= 160);

impl Socket {
    fn fresh(generation: u32, state: State, now: Instant) -> Socket {
        Socket {
            generation,
            state,
            group: 0,
            group_wanted: 0,
            flying: 0,
            receiving: false,
            cancelling: false,
            starved: false,
            dirty: false,
            sending: false,
            eof: false,
            downstream: false,
            awaits_fin: false,
            shutting: false,
            shut: false,
            shut_runs: false,
            token: 0,
            error: 0,
            received: Queue::EMPTY,
            pieces: Queue::EMPTY,
            offset: 0,
            queued_bytes: 0,
            timer: Timers::NONE,
            reader: None,
            writer: None,
            received_at: now,
            sent_at: now,
            batch: None,
        }
    }

    pub(super) fn wake_reader(&mut self) {
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }

    pub(super) fn wake_writer(&mut self) {
        if let Some(waker) = self.writer.take() {
            waker.wake();
        }
    }

    pub(super) fn error(&self) -> Option<Errno> {
        (self.error != 0).then_some(Errno(self.error))
    }
}

impl Kernel {
    /// The kernel put a new socket into the slot.
    pub(super) fn open(&mut self, slot: u32, state: State) {
        let now = self.timers.now();
        while self.sockets.len() <= slot as usize {
            self.sockets.push(Socket::fresh(0, State::Free, now));
        }
        let socket = &mut self.sockets[slot as usize];
        assert_eq!(socket.state, State::Free, "the kernel gave a slot that is in use");
        *socket = Socket::fresh(socket.generation, state, now);
        self.open += 1;
    }

    /// Arms the receive, unless it is armed or there is nothing to receive any more.
    pub(super) fn receive(&mut self, slot: u32) {
        let without_large = self.is_without_large();
        let socket = &mut self.sockets[slot as usize];
        let wanted = matches!(socket.state, State::Open | State::Parked) || (socket.state == State::Closing && socket.awaits_fin);
        if !wanted || socket.receiving || socket.starved || socket.eof || socket.error != 0 {
            return;
        }
        socket.receiving = true;
        // Where large buffers are held for long the small ones have to do, at twice the cost.
        socket.group = if without_large { 0 } else { socket.group_wanted };
        let tag = Tag::new(Kind::Receive, socket.generation, slot);
        let group = self.groups[usize::from(socket.group)].id;
        let entry = opcode::RecvMulti::new(types::Fixed(slot), group).build();
        self.issue(entry, tag);
    }

    /// Ends the receive; its last completion is still to come.
    pub(super) fn cancel_receive(&mut self, slot: u32) {
        let socket = &mut self.sockets[slot as usize];
        if !socket.receiving || socket.cancelling {
            return;
        }
        socket.cancelling = true;
        let tag = Tag::new(Kind::Receive, socket.generation, slot);
        self.cancel(tag);
    }

    pub(super) fn on_receive(&mut self, done: Completion) {
        let slot = done.tag.index;
        let socket = &mut self.sockets[slot as usize];
        assert!(done.tag.is_of(socket.generation), "a receive outlived its socket");
        let group = usize::from(socket.group);
        if !done.more {
            socket.receiving = false;
            socket.cancelling = false;
        }
        if let Some(buffer) = done.buffer {
            self.groups[group].taken();
            if done.result > 0 {
                let chunk = self.groups[group].group.receive(buffer, done.result as u32);
                self.deliver(slot, chunk, done.more);
            } else {
                self.groups[group].group.put_back(buffer);
            }
        }
        let socket = &mut self.sockets[slot as usize];
        match done.result {
            0 => {
                socket.eof = true;
                socket.awaits_fin = false;
                self.news(slot, Cause::Closed);
            }
            result if result == -libc::ENOBUFS => {
                self.stats.starved += 1;
                self.groups[usize::from(socket.group)].fell_short();
                if !socket.starved {
                    socket.starved = true;
                    self.starved.push((slot, done.tag.generation));
                }
            }
            result if result < 0 && result != -libc::ECANCELED => {
                socket.error = -result;
                socket.awaits_fin = false;
                self.news(slot, Cause::Closed);
            }
            _ if !done.more && socket.received.len() < RECEIVED_MAX => {
                self.stats.rearmed += 1;
                self.receive(slot);
            }
            _ => {}
        }
        if self.sockets[slot as usize].state == State::Closing {
            self.finish(slot);
        }
    }

    fn deliver(&mut self, slot: u32, chunk: Chunk, more: bool) {
        let socket = &self.sockets[slot as usize];
        if !matches!(socket.state, State::Open | State::Parked) {
            return;
        }
        if self.scarce[usize::from(socket.group)] {
            self.spill(slot, chunk);
        } else {
            self.chunks.push_back(&mut self.sockets[slot as usize].received, chunk);
        }
        let socket = &mut self.sockets[slot as usize];
        socket.received_at = self.timers.now();
        if socket.received.len() >= RECEIVED_MAX && more {
            self.stats.paused += 1;
            self.cancel_receive(slot);
        }
        self.news(slot, Cause::Readable);
    }

    /// Something happened that the owner of the socket wants to know.
    fn news(&mut self, slot: u32, cause: Cause) {
        let socket = &mut self.sockets[slot as usize];
        if socket.state == State::Parked {
            self.unpark(slot, cause);
            return;
        }
        socket.wake_reader();
        if cause == Cause::Closed && socket.error != 0 {
            socket.wake_writer();
        }
    }

    /// The stream was dropped: what is queued is still sent, within the linger time.
    pub(super) fn release(&mut self, slot: u32) {
        self.abandon(slot);
        let socket = &self.sockets[slot as usize];
        if !socket.awaits_fin {
            self.cancel_receive(slot);
        }
        let socket = &mut self.sockets[slot as usize];
        if socket.sending || !socket.pieces.is_empty() || socket.awaits_fin {
            let at = self.timers.now() + self.settings.linger;
            socket.timer = self.timers.arm(at, slot);
        }
        self.finish(slot);
    }

    /// Leaves the socket to itself: nobody will read from it.
    fn abandon(&mut self, slot: u32) {
        let socket = &mut self.sockets[slot as usize];
        debug_assert!(matches!(socket.state, State::Open | State::Connecting));
        socket.state = State::Closing;
        socket.reader = None;
        socket.writer = None;
        while self.chunks.pop_front(&mut socket.received).is_some() {}
    }

    /// Closes with a reset: what is queued is not sent.
    pub(super) fn reset(&mut self, slot: u32) {
        self.abandon(slot);
        self.sockets[slot as usize].awaits_fin = false;
        self.cancel_receive(slot);
        self.cut(slot);
    }

    /// Drops what is queued and closes with a reset.
    pub(super) fn cut(&mut self, slot: u32) {
        static NO_LINGER: libc::linger = libc::linger { l_onoff: 1, l_linger: 0 };
        self.set_option(slot, libc::SOL_SOCKET, libc::SO_LINGER, &NO_LINGER);
        let socket = &mut self.sockets[slot as usize];
        socket.awaits_fin = false;
        if socket.error == 0 {
            socket.error = libc::ECANCELED;
        }
        if socket.sending {
            let tag = Tag::new(Kind::Send, socket.generation, slot);
            self.cancel(tag);
        }
        self.cancel_receive(slot);
        self.finish(slot);
    }

    /// Waits for the peer's FIN, see `Stream::close_after_peer`.
    pub(super) fn await_fin(&mut self, slot: u32) {
        self.shut(slot);
        let socket = &mut self.sockets[slot as usize];
        socket.awaits_fin = !socket.eof && socket.error == 0;
        self.release(slot);
        self.receive(slot);
    }

    /// Frees the slot of a closing socket if the kernel has finished with it.
    pub(super) fn finish(&mut self, slot: u32) {
        let socket = &mut self.sockets[slot as usize];
        if socket.state != State::Closing || socket.sending || socket.shut_runs {
            return;
        }
        if socket.error != 0 {
            self.drop_pieces(slot);
        }
        let socket = &mut self.sockets[slot as usize];
        if !socket.pieces.is_empty() {
            self.mark(slot);
            return;
        }
        if socket.receiving || socket.awaits_fin {
            return;
        }
        if socket.timer != Timers::NONE {
            self.timers.disarm(socket.timer);
            socket.timer = Timers::NONE;
        }
        if socket.downstream {
            self.acceptor.live -= 1;
        }
        socket.state = State::Free;
        socket.generation = socket.generation.wrapping_add(1);
        self.open -= 1;
        let close = opcode::Close::new(types::Fixed(slot)).build();
        self.push(close.flags(squeue::Flags::SKIP_SUCCESS).user_data(Tag::IGNORE.pack()));
    }

    /// The receives that found no buffer, armed again: as many as there are buffers now.
    pub(super) fn feed_starved(&mut self) {
        if self.starved.is_empty() {
            return;
        }
        let mut left = [self.groups[0].available(), self.groups[1].available()];
        let without_large = self.is_without_large();
        let waiting = std::mem::take(&mut self.starved);
        for (slot, generation) in waiting {
            let socket = &mut self.sockets[slot as usize];
            if socket.generation & 0xff_ffff != generation || !socket.starved {
                continue;
            }
            let group = if without_large { 0 } else { socket.group_wanted };
            let left = &mut left[usize::from(group)];
            if *left == 0 {
                self.starved.push((slot, generation));
                continue;
            }
            *left -= 1;
            socket.starved = false;
            if socket.received.len() < RECEIVED_MAX {
                self.stats.rearmed += 1;
                self.receive(slot);
            }
        }
    }

    /// The slot's timer came due.
    pub(super) fn on_timer(&mut self, slot: u32) {
        let socket = &mut self.sockets[slot as usize];
        socket.timer = Timers::NONE;
        match socket.state {
            State::Parked => self.unpark(slot, Cause::Expired),
            State::Closing => {
                self.stats.linger_cut += 1;
                self.cut(slot);
            }
            State::Free | State::Connecting | State::Open => {
                unreachable!("only parked and closing sockets have timers")
            }
        }
    }
}
