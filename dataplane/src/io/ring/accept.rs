//! Accepting: several listeners, one queue.
//!
//! One multishot accept per listener puts connections straight into the table of direct
//! descriptors. Close to the limits it goes over to one accept at a time, because a connection
//! that the kernel accepted into a full table is lost, and at the limits it pauses: the rest waits
//! in the kernel's queue.

use super::completion::{Completion, Kind, Tag};
use super::kernel::Kernel;
use super::socket::State;
use super::stream::Stream;
use super::{Core, Io};
use crate::io::timers::register;
use io_uring::{opcode, types};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;
use std::task::{Poll, Waker};

/// Room below which accepts are asked for one by one.
const MARGIN: usize = 128;
/// Slots of the table that are never given to accepted connections.
const RESERVE: usize = 8;
/// Accepts of a listener that is being stopped: more than its backlog can hold.
const DRAIN_MAX: u32 = 65_536;
/// Pause after a failure that is not for lack of room.
const RETRY_MS: u64 = 50;
/// The timer owner that stands for the retry.
pub(super) const RETRY: u32 = u32::MAX - 1;

/// A connection that a tenant opened.
#[derive(Debug)]
pub struct Accepted {
    /// The connection.
    pub stream: Stream,
    /// What the listener was registered with.
    pub tag: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// Stopped: what the kernel's queue still holds is accepted, then it is closed.
    Draining {
        left: u32,
    },
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Armed {
    No,
    One,
    Many,
}

#[derive(Debug)]
struct Listener {
    /// `None` once closed.
    socket: Option<OwnedFd>,
    tag: u32,
    phase: Phase,
    armed: Armed,
    cancelling: bool,
    /// This kernel refused a multishot accept on it.
    single_only: bool,
}

#[derive(Debug, Default)]
pub(super) struct Acceptor {
    listeners: Vec<Listener>,
    /// Slot and listener.
    queue: VecDeque<(u32, u32)>,
    waiter: Option<Waker>,
    /// Accepted sockets that have not gone.
    pub(super) live: usize,
    /// Some listener waits for room.
    pub(super) paused: bool,
    pub(super) retry_armed: bool,
}

impl Kernel {
    fn accept_room(&self) -> usize {
        let table = (self.settings.connections as usize).saturating_sub(self.open + RESERVE);
        let downstream = (self.settings.downstream_max as usize).saturating_sub(self.acceptor.live);
        let tasks = self.settings.tasks_max.saturating_sub(self.local.tasks.live());
        table.min(downstream).min(tasks)
    }

    fn arm_accept(&mut self, index: u32) {
        let room = self.accept_room();
        let listener = &mut self.acceptor.listeners[index as usize];
        let Some(socket) = &listener.socket else {
            return;
        };
        if listener.armed != Armed::No || listener.phase != Phase::Open {
            return;
        }
        if room == 0 || self.acceptor.retry_armed {
            if !self.acceptor.paused {
                self.stats.accept_pauses += 1;
            }
            self.acceptor.paused = !self.acceptor.retry_armed;
            return;
        }
        let file = types::Fd(socket.as_raw_fd());
        let tag = Tag::new(Kind::Accept, 0, index);
        if room <= MARGIN || listener.single_only {
            listener.armed = Armed::One;
            self.issue(accept_one(file), tag);
        } else {
            listener.armed = Armed::Many;
            self.issue(opcode::AcceptMulti::new(file).allocate_file_index(true).build(), tag);
        }
    }

    pub(super) fn on_accept(&mut self, done: Completion) {
        let index = done.tag.index;
        let listener = &mut self.acceptor.listeners[index as usize];
        let armed = listener.armed;
        if !done.more {
            listener.armed = Armed::No;
            listener.cancelling = false;
        }
        if done.result >= 0 {
            self.admit(done.result as u32, index);
        } else {
            self.accept_failed(index, armed, -done.result);
        }
        let room = self.accept_room();
        let listener = &mut self.acceptor.listeners[index as usize];
        match listener.phase {
            Phase::Open if done.more && room <= MARGIN && !listener.cancelling => {
                listener.cancelling = true;
                self.cancel(done.tag);
            }
            Phase::Open if !done.more => self.arm_accept(index),
            Phase::Draining { .. } if !done.more => self.drain(index, done.result),
            Phase::Open | Phase::Draining { .. } | Phase::Closed => {}
        }
    }

    fn admit(&mut self, slot: u32, listener: u32) {
        self.open(slot, State::Open);
        self.sockets[slot as usize].downstream = true;
        self.acceptor.live += 1;
        self.stats.accepted += 1;
        self.receive(slot);
        self.acceptor.queue.push_back((slot, listener));
        if let Some(waiter) = self.acceptor.waiter.take() {
            waiter.wake();
        }
    }

    fn accept_failed(&mut self, index: u32, armed: Armed, error: i32) {
        match error {
            libc::ECANCELED | libc::EAGAIN | libc::ECONNABORTED | libc::EINTR => {}
            libc::ENOTSOCK | libc::EINVAL | libc::EOPNOTSUPP if armed == Armed::Many => {
                self.acceptor.listeners[index as usize].single_only = true;
            }
            _ => {
                self.stats.accept_failures += 1;
                if !self.acceptor.retry_armed {
                    self.acceptor.retry_armed = true;
                    let at = self.timers.now().plus_millis(RETRY_MS);
                    self.timers.arm(at, RETRY);
                }
            }
        }
    }

    pub(super) fn resume_accepting(&mut self) {
        self.acceptor.paused = false;
        for index in 0..self.acceptor.listeners.len() as u32 {
            self.arm_accept(index);
        }
    }

    fn stop_accepting(&mut self) {
        for index in 0..self.acceptor.listeners.len() as u32 {
            let listener = &mut self.acceptor.listeners[index as usize];
            if listener.phase != Phase::Open {
                continue;
            }
            listener.phase = Phase::Draining { left: DRAIN_MAX };
            if listener.armed == Armed::No {
                self.drain(index, 0);
            } else if !listener.cancelling {
                listener.cancelling = true;
                self.cancel(Tag::new(Kind::Accept, 0, index));
            }
        }
    }

    /// Accepts once more, or closes the listener if the last accept found nothing. An accept that
    /// is cancelled in the same submission completes only with a connection that waits already.
    fn drain(&mut self, index: u32, last: i32) {
        let room = self.accept_room();
        let listener = &mut self.acceptor.listeners[index as usize];
        let Phase::Draining { left } = listener.phase else {
            return;
        };
        // The cancel of a multishot accept ends here too, and then nothing is known yet.
        let empty = left < DRAIN_MAX && last < 0;
        let Some(socket) = listener.socket.as_ref().filter(|_| !empty && left > 0 && room > 0) else {
            listener.phase = Phase::Closed;
            listener.socket = None;
            return;
        };
        listener.phase = Phase::Draining { left: left - 1 };
        listener.armed = Armed::One;
        let tag = Tag::new(Kind::Accept, 0, index);
        let entry = accept_one(types::Fd(socket.as_raw_fd()));
        self.issue(entry, tag);
        self.cancel(tag);
    }

    /// Closes what nobody took: for a shutdown.
    pub(super) fn drop_accepted(&mut self) {
        while let Some((slot, _)) = self.acceptor.queue.pop_front() {
            self.release(slot);
        }
    }

    fn take_accepted(&mut self) -> Option<(u32, u32)> {
        let (slot, listener) = self.acceptor.queue.pop_front()?;
        Some((slot, self.acceptor.listeners[listener as usize].tag))
    }
}

fn accept_one(file: types::Fd) -> io_uring::squeue::Entry {
    opcode::Accept::new(file, ptr::null_mut(), ptr::null_mut()).file_index(Some(types::DestinationSlot::auto_target())).build()
}

impl Io {
    /// Accepts from a listening socket from now on. `tag` comes back with each connection.
    pub fn listen(&self, socket: OwnedFd, tag: u32) -> io::Result<()> {
        self.register_listener(socket, tag, false)
    }

    /// The same, for a socket that others accept from as well: one connection at a time, after which
    /// the kernel asks the next in line. A multishot accept stays the first in line and takes all.
    pub fn listen_shared(&self, socket: OwnedFd, tag: u32) -> io::Result<()> {
        self.register_listener(socket, tag, true)
    }

    fn register_listener(&self, socket: OwnedFd, tag: u32, single_only: bool) -> io::Result<()> {
        // Inherited by what is accepted, which saves a system call per connection.
        rustix::net::sockopt::set_tcp_nodelay(&socket, true)?;
        let mut kernel = self.core.kernel();
        let index = kernel.acceptor.listeners.len() as u32;
        kernel.acceptor.listeners.push(Listener {
            socket: Some(socket),
            tag,
            phase: Phase::Open,
            armed: Armed::No,
            cancelling: false,
            single_only,
        });
        kernel.arm_accept(index);
        Ok(())
    }

    /// The next connection of any listener. One task may wait at a time.
    pub async fn accept(&self) -> Accepted {
        poll_fn(|context| {
            let mut kernel = self.core.kernel();
            match kernel.take_accepted() {
                Some((slot, tag)) => {
                    let stream = Stream::new(&self.core, slot);
                    Poll::Ready(Accepted { stream, tag })
                }
                None => {
                    register(&mut kernel.acceptor.waiter, context);
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Accepts what the kernel's queues still hold, and closes the listeners.
    pub fn stop_listening(&self) {
        self.core.kernel().stop_accepting();
    }

    /// Listeners that are not closed yet: after `stop_listening` they go once their queues are
    /// empty.
    #[must_use]
    pub fn listeners(&self) -> usize {
        let kernel = self.core.kernel();
        kernel.acceptor.listeners.iter().filter(|listener| listener.socket.is_some()).count()
    }
}

impl Core {
    pub(super) fn drop_unclaimed(&self) {
        let mut kernel = self.kernel();
        kernel.drop_accepted();
        kernel.drop_woken();
    }
}
