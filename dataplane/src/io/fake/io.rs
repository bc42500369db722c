//! The door of a simulated shard: as the product's.

use super::stream::Stream;
use super::wire::{Attempt, Core, Happening, Outcome, State};
use crate::io::host::Hosting;
use crate::io::local::Local;
use crate::io::timers::register;
use crate::io::{Cause, Errno, Instant, Settings, Stats};
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// A connection that a tenant opened.
#[derive(Debug)]
pub struct Accepted {
    /// The connection.
    pub stream: Stream,
    /// What the listener was registered with.
    pub tag: u32,
}

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

/// A shard's door. Cloning it is cheap; it belongs to its thread. What concerns no socket is in
/// [`Local`], to which it dereferences.
#[derive(Debug, Clone)]
pub struct Io {
    pub(super) core: Rc<Core>,
}

impl Deref for Io {
    type Target = Local;

    fn deref(&self) -> &Local {
        &self.core.local
    }
}

impl Io {
    /// What the shard has done and holds.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.core.stats()
    }

    /// What runs the shard: nothing of the product's.
    #[must_use]
    pub fn hosting(&self) -> Hosting {
        Hosting::Thread
    }

    /// The settings that the shard was made with.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.core.net().settings.clone()
    }

    /// Accepts from now on what tenants of this tag open. The socket itself is not used.
    pub fn listen(&self, socket: OwnedFd, tag: u32) -> io::Result<()> {
        drop(socket);
        self.listen_virtually(tag);
        Ok(())
    }

    /// The same, for a socket that others accept from as well.
    pub fn listen_shared(&self, socket: OwnedFd, tag: u32) -> io::Result<()> {
        self.listen(socket, tag)
    }

    /// [`Io::listen`] without a socket.
    pub fn listen_virtually(&self, tag: u32) {
        self.core.net().listening.push(tag);
    }

    /// The next connection of any listener. One task may wait at a time.
    pub async fn accept(&self) -> Accepted {
        poll_fn(|context| {
            let next = self.core.net().accepted.pop_front();
            match next {
                Some((wire, tag)) => Poll::Ready(Accepted { stream: Stream::new(&self.core, wire), tag }),
                None => {
                    register(&mut self.core.net().accept_waiter, context);
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Refuses new connections; what was accepted is still delivered.
    pub fn stop_listening(&self) {
        self.core.net().listening.clear();
    }

    /// Listeners that are not closed yet.
    #[must_use]
    pub fn listeners(&self) -> usize {
        self.core.net().listening.len()
    }

    /// Leaves an idle connection to the shard. It comes back through [`Io::woken`] when something
    /// arrives, when the peer closes, or at `until`; [`Instant::FAR`] is never.
    pub fn park(&self, stream: Stream, token: u32, until: Instant) {
        let wire = stream.into_wire();
        let mut near = wire.near();
        near.state = State::Parked;
        near.token = token;
        near.bulk = false;
        near.reader = None;
        near.writer = None;
        let cause = if near.error.is_some() || (near.eof && near.received.is_empty()) {
            Some(Cause::Closed)
        } else if near.received.is_empty() {
            None
        } else {
            Some(Cause::Readable)
        };
        {
            let mut net = self.core.net();
            net.parked.insert(wire.id, wire.clone());
            if cause.is_none() && until != Instant::FAR {
                near.timer = self.core.local.timers.arm(until, wire.id);
                net.timed.insert(wire.id, wire.clone());
            }
        }
        drop(near);
        match cause {
            Some(cause) => self.core.unpark(&wire, cause),
            None => self.core.schedule_inbound(&wire),
        }
    }

    /// The next parked connection that came back. One task may wait at a time.
    pub async fn woken(&self) -> Woken {
        poll_fn(|context| {
            let next = self.core.net().woken.pop_front();
            match next {
                Some((wire, cause)) => {
                    let token = wire.near().token;
                    Poll::Ready(Woken { stream: Stream::new(&self.core, wire), token, cause })
                }
                None => {
                    register(&mut self.core.net().woken_waiter, context);
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// How many connections are parked.
    #[must_use]
    pub fn parked(&self) -> usize {
        self.core.net().parked.len()
    }

    /// Calls all parked connections back, each as expired.
    pub fn unpark_all(&self) {
        self.unpark_where(|_| true);
    }

    /// Calls those parked connections back whose token is one of these, each as expired.
    pub fn unpark_where(&self, which: impl Fn(u32) -> bool) {
        let parked: Vec<_> = self.core.net().parked.values().filter(|wire| which(wire.near().token)).cloned().collect();
        for wire in parked {
            self.core.unpark(&wire, Cause::Expired);
        }
    }

    /// Connects to an address: what it meets is the world's to say.
    #[must_use]
    pub fn connect(&self, to: SocketAddr) -> Connect {
        let outcome = RefCell::new(Outcome::Pending(None));
        let attempt = Rc::new(Attempt { to, outcome });
        let now = self.core.now();
        self.core.net().schedule(now, Happening::Answered(attempt.clone()));
        Connect { core: self.core.clone(), attempt }
    }
}

/// A connection being made. Dropping it calls the attempt off.
#[derive(Debug)]
pub struct Connect {
    core: Rc<Core>,
    attempt: Rc<Attempt>,
}

impl Future for Connect {
    type Output = Result<Stream, Errno>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut outcome = self.attempt.outcome.borrow_mut();
        if let Outcome::Pending(waker) = &mut *outcome {
            register(waker, context);
            return Poll::Pending;
        }
        match std::mem::replace(&mut *outcome, Outcome::Over) {
            Outcome::Done(Ok(wire)) => Poll::Ready(Ok(Stream::new(&self.core, wire))),
            Outcome::Done(Err(error)) => Poll::Ready(Err(error)),
            Outcome::Pending(_) | Outcome::Over => unreachable!("polled after it was ready"),
        }
    }
}

impl Drop for Connect {
    fn drop(&mut self) {
        if let Outcome::Done(Ok(wire)) = self.attempt.outcome.replace(Outcome::Over) {
            self.core.release(&wire);
        }
    }
}
