//! The slab of tasks of one shard.

use super::alarm::Alarm;
use super::pool::{Recycled, TaskPool};
use super::waker::{self, Ready, TASKS_MAX, Word};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::mem::{self, ManuallyDrop};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Names a task. Stale after the task has ended, and then harmless.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TaskId(Word);

enum Body {
    /// Nothing lives here.
    Vacant,
    /// Taken out to be polled.
    Running,
    /// Aborted by itself or by what it called while it was polled.
    Doomed,
    Boxed(Pin<Box<dyn Future<Output = ()>>>),
    Pooled(Box<dyn Recycled>),
}

impl Body {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self {
            Body::Boxed(future) => future.as_mut().poll(context),
            Body::Pooled(place) => place.poll(context),
            Body::Vacant | Body::Running | Body::Doomed => Poll::Pending,
        }
    }

    /// Drops the future. What it owns may call back into the shard, so nothing may be borrowed.
    fn retire(self) {
        if let Body::Pooled(place) = self {
            place.retire();
        }
    }
}

/// All tasks of a shard.
pub(super) struct Tasks {
    bodies: RefCell<Vec<Body>>,
    free: RefCell<Vec<u32>>,
    ready: Rc<Ready>,
    live: Cell<usize>,
}

impl fmt::Debug for Tasks {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Tasks {{ live: {}, ready: {} }}", self.live.get(), self.ready.len())
    }
}

impl Tasks {
    pub(super) fn new(alarm: &Arc<Alarm>) -> Tasks {
        Tasks { bodies: RefCell::default(), free: RefCell::default(), ready: Ready::enrol(alarm), live: Cell::new(0) }
    }

    pub(super) fn spawn(&self, future: impl Future<Output = ()> + 'static) -> TaskId {
        self.install(Body::Boxed(Box::pin(future)))
    }

    pub(super) fn spawn_pooled<F>(&self, pool: &TaskPool<F>, future: F) -> TaskId
    where
        F: Future<Output = ()> + 'static,
    {
        self.install(Body::Pooled(pool.place(future)))
    }

    fn install(&self, body: Body) -> TaskId {
        let reused = self.free.borrow_mut().pop();
        let mut bodies = self.bodies.borrow_mut();
        let index = match reused {
            Some(index) => {
                bodies[index as usize] = body;
                index
            }
            None => {
                assert!(bodies.len() < TASKS_MAX, "admission keeps tasks far below this");
                bodies.push(body);
                bodies.len() as u32 - 1
            }
        };
        self.live.set(self.live.get() + 1);
        let word = self.ready.admit(index);
        self.ready.push(word);
        TaskId(word)
    }

    pub(super) fn live(&self) -> usize {
        self.live.get()
    }

    /// Drops the task's future now, or right after the poll it is in. False if it has ended.
    pub(super) fn abort(&self, id: TaskId) -> bool {
        if !self.ready.knows(id.0) {
            return false;
        }
        let index = id.0.index as usize;
        let body = mem::replace(&mut self.bodies.borrow_mut()[index], Body::Vacant);
        match body {
            Body::Vacant | Body::Doomed => {
                self.bodies.borrow_mut()[index] = body;
                false
            }
            Body::Running => {
                self.bodies.borrow_mut()[index] = Body::Doomed;
                true
            }
            Body::Boxed(_) | Body::Pooled(_) => {
                self.vacate(id.0.index);
                body.retire();
                self.free.borrow_mut().push(id.0.index);
                true
            }
        }
    }

    /// Aborts every task. Tasks spawned by destructors meanwhile are aborted too.
    pub(super) fn abort_all(&self) {
        let mut index = 0;
        while index < self.bodies.borrow().len() {
            self.abort(TaskId(self.ready.admit(index as u32)));
            index += 1;
        }
    }

    fn vacate(&self, index: u32) {
        self.ready.dismiss(index);
        self.live.set(self.live.get() - 1);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.ready.is_empty()
    }

    /// A word from a foreign thread.
    pub(super) fn wake(&self, word: u64) {
        self.ready.push(Word::unpack(word));
    }

    pub(super) fn wake_all(&self) {
        self.ready.push_all();
    }

    /// How many tasks wait to be polled.
    pub(super) fn queued(&self) -> usize {
        self.ready.len()
    }

    /// Polls ready tasks, `limit` at most; says how many.
    pub(super) fn run(&self, limit: usize) -> usize {
        let mut polls = 0;
        while polls < limit {
            let Some(word) = self.ready.pop() else { break };
            polls += usize::from(self.poll(word));
        }
        polls
    }

    /// Polls the `choice`-th of the ready tasks: a simulation picks the order by its seed.
    pub(super) fn run_chosen(&self, choice: usize) -> bool {
        for _ in 0..choice {
            if let Some(word) = self.ready.pop() {
                self.ready.push(word);
            }
        }
        self.ready.pop().is_some_and(|word| self.poll(word))
    }

    fn poll(&self, word: Word) -> bool {
        let index = word.index as usize;
        let body = mem::replace(&mut self.bodies.borrow_mut()[index], Body::Running);
        let mut body = match body {
            Body::Boxed(_) | Body::Pooled(_) => body,
            Body::Vacant | Body::Running | Body::Doomed => {
                self.bodies.borrow_mut()[index] = body;
                return false;
            }
        };
        let waker = ManuallyDrop::new(waker::waker(word));
        let done = body.poll(&mut Context::from_waker(&waker)).is_ready();
        let doomed = matches!(self.bodies.borrow()[index], Body::Doomed);
        if done || doomed {
            self.bodies.borrow_mut()[index] = Body::Vacant;
            self.vacate(word.index);
            body.retire();
            self.free.borrow_mut().push(word.index);
        } else {
            self.bodies.borrow_mut()[index] = body;
        }
        true
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.abort_all();
        self.ready.retire();
    }
}

#[cfg(test)]
mod tests;
