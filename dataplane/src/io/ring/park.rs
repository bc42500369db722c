//! Idle connections that belong to no task: a slot of the table and a timer, nothing else.

use super::Io;
use super::kernel::Kernel;
use super::socket::State;
use super::stream::Stream;
use crate::io::timers::{Timers, register};
use crate::io::{Cause, Instant};
use std::future::poll_fn;
use std::task::Poll;

/// A parked connection that came back.
#[derive(Debug)]
pub struct Woken {
    /// The connection.
    pub stream: Stream,
    /// What it was parked with.
    pub token: u32,
    /// Why.
    pub cause: Cause,
}

impl Kernel {
    fn park(&mut self, slot: u32, token: u32, until: Instant) {
        let socket = &mut self.sockets[slot as usize];
        socket.state = State::Parked;
        socket.token = token;
        socket.reader = None;
        socket.writer = None;
        self.parked += 1;
        if socket.error != 0 || (socket.eof && socket.received.is_empty()) {
            self.unpark(slot, Cause::Closed);
        } else if !socket.received.is_empty() {
            self.unpark(slot, Cause::Readable);
        } else {
            if until != Instant::FAR {
                socket.timer = self.timers.arm(until, slot);
            }
        }
    }

    /// Puts a parked connection into the queue of those that came back.
    pub(super) fn unpark(&mut self, slot: u32, cause: Cause) {
        let socket = &mut self.sockets[slot as usize];
        debug_assert_eq!(socket.state, State::Parked);
        socket.state = State::Open;
        if socket.timer != Timers::NONE {
            self.timers.disarm(socket.timer);
            socket.timer = Timers::NONE;
        }
        self.parked -= 1;
        self.woken.push_back((slot, cause));
        if let Some(waiter) = self.woken_waiter.take() {
            waiter.wake();
        }
    }

    /// Receives into another group from now on.
    pub(super) fn use_group(&mut self, slot: u32, group: u8) {
        let socket = &mut self.sockets[slot as usize];
        if std::mem::replace(&mut socket.group_wanted, group) == group {
            return;
        }
        if socket.receiving && socket.group != group {
            self.cancel_receive(slot);
        }
    }

    /// Closes what came back and nobody took: for a shutdown.
    pub(super) fn drop_woken(&mut self) {
        while let Some((slot, _)) = self.woken.pop_front() {
            self.release(slot);
        }
    }
}

impl Io {
    /// Leaves an idle connection to the shard. It comes back through [`Io::woken`] when something
    /// arrives, when the peer closes, or at `until`; [`Instant::FAR`] is never.
    pub fn park(&self, stream: Stream, token: u32, until: Instant) {
        let slot = stream.into_slot();
        self.core.kernel().park(slot, token, until);
    }

    /// The next parked connection that came back. One task may wait at a time.
    pub async fn woken(&self) -> Woken {
        poll_fn(|context| {
            let mut kernel = self.core.kernel();
            match kernel.woken.pop_front() {
                Some((slot, cause)) => {
                    let token = kernel.sockets[slot as usize].token;
                    let stream = Stream::new(&self.core, slot);
                    Poll::Ready(Woken { stream, token, cause })
                }
                None => {
                    register(&mut kernel.woken_waiter, context);
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// How many connections are parked.
    #[must_use]
    pub fn parked(&self) -> usize {
        self.core.kernel().parked
    }

    /// Calls all parked connections back, each as expired.
    pub fn unpark_all(&self) {
        self.unpark_where(|_| true);
    }

    /// Calls those parked connections back whose token is one of these, each as expired.
    pub fn unpark_where(&self, which: impl Fn(u32) -> bool) {
        let mut kernel = self.core.kernel();
        for slot in 0..kernel.sockets.len() as u32 {
            let socket = &kernel.sockets[slot as usize];
            if socket.state == State::Parked && which(socket.token) {
                kernel.unpark(slot, Cause::Expired);
            }
        }
    }
}
