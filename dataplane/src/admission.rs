//! Places for exchanges: so many in flight, a bounded queue for the rest, and a fast refusal.

use crate::io::{Instant, Io};
use policy::limits;
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::poll_fn,
    rc::Rc,
    task::{Poll, Waker},
};

/// There was no place, and none became free in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Places for exchanges of one shard.
#[derive(Default)]
pub struct Admission {
    taken: Rc<Cell<u32>>,
    queue: Rc<RefCell<VecDeque<Rc<Ticket>>>>,
}

struct Ticket {
    granted: Cell<bool>,
    /// The one who waits went away; the ticket is passed over.
    left: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// One place; given back when dropped.
pub struct Place {
    taken: Rc<Cell<u32>>,
    queue: Rc<RefCell<VecDeque<Rc<Ticket>>>>,
}

impl Admission {
    /// Exchanges in flight.
    pub fn taken(&self) -> u32 {
        self.taken.get()
    }

    /// A place at once, if one is free and nobody waits for it.
    pub fn try_enter(&self, most: u32) -> Option<Place> {
        if self.taken.get() < most && self.queue.borrow().is_empty() {
            self.taken.set(self.taken.get() + 1);
            return Some(self.place());
        }
        None
    }

    fn place(&self) -> Place {
        Place { taken: self.taken.clone(), queue: self.queue.clone() }
    }

    /// A place, in the order of arrival.
    ///
    /// # Errors
    /// [`Full`]: too many wait already, or none became free by `until`.
    pub async fn enter(&self, io: &Io, most: u32, until: Instant) -> Result<Place, Full> {
        if let Some(place) = self.try_enter(most) {
            return Ok(place);
        }
        if self.queue.borrow().len() >= limits::QUEUE_MAX {
            return Err(Full);
        }
        let ticket = Rc::new(Ticket { granted: Cell::new(false), left: Cell::new(false), waker: RefCell::new(None) });
        self.queue.borrow_mut().push_back(ticket.clone());
        let waiting = Waiting { ticket, admission: self };
        let deadline = io.deadline(until);
        let granted = poll_fn(|cx| {
            if waiting.ticket.granted.get() {
                return Poll::Ready(true);
            }
            if deadline.poll_expired(cx) {
                return Poll::Ready(false);
            }
            *waiting.ticket.waker.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
        if granted { Ok(waiting.take()) } else { Err(Full) }
    }
}

/// Somebody who waits; when they go away, a place that was granted to them goes to the next.
struct Waiting<'a> {
    ticket: Rc<Ticket>,
    admission: &'a Admission,
}

impl Waiting<'_> {
    fn take(self) -> Place {
        self.ticket.granted.set(false);
        self.admission.place()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.ticket.left.set(true);
        if self.ticket.granted.get() {
            drop(self.admission.place());
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A place goes straight to the one who waits longest, so that nobody overtakes.
        loop {
            let Some(ticket) = self.queue.borrow_mut().pop_front() else {
                self.taken.set(self.taken.get() - 1);
                return;
            };
            if !ticket.left.get() {
                ticket.granted.set(true);
                if let Some(waker) = ticket.waker.borrow_mut().take() {
                    waker.wake();
                }
                return;
            }
        }
    }
}
