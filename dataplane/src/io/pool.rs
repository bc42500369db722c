//! Futures of one concrete type, recycled without allocating.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// A pool of places for futures of type `F`. A task spawned from it costs no allocation once the
/// pool is warm; at most `spare_max` places are kept while unused.
#[derive(Debug)]
pub struct TaskPool<F> {
    inner: Rc<Inner<F>>,
}

#[derive(Debug)]
struct Inner<F> {
    #[expect(clippy::vec_box, reason = "the box is what is recycled")]
    spare: RefCell<Vec<Box<Place<F>>>>,
    spare_max: usize,
}

/// One place. The future is pinned in a box of its own, so that the place itself may move.
#[derive(Debug)]
struct Place<F> {
    future: Pin<Box<Option<F>>>,
    /// Where to go afterwards; `None` while spare, or the pool would own itself.
    pool: Option<Rc<Inner<F>>>,
}

/// What the slab of tasks sees of a place.
pub(super) trait Recycled {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()>;
    /// Drops the future and returns the place to its pool.
    fn retire(self: Box<Self>);
}

impl<F: Future<Output = ()> + 'static> Recycled for Place<F> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self.future.as_mut().as_pin_mut() {
            Some(future) => future.poll(context),
            None => Poll::Ready(()),
        }
    }

    fn retire(mut self: Box<Self>) {
        self.future.set(None);
        if let Some(pool) = self.pool.take() {
            let mut spare = pool.spare.borrow_mut();
            if spare.len() < pool.spare_max {
                spare.push(self);
            }
        }
    }
}

impl<F: Future<Output = ()> + 'static> TaskPool<F> {
    /// A pool that keeps at most `spare_max` unused places.
    #[must_use]
    pub fn new(spare_max: usize) -> TaskPool<F> {
        let spare = RefCell::new(Vec::with_capacity(spare_max.min(1024)));
        TaskPool { inner: Rc::new(Inner { spare, spare_max }) }
    }

    /// How many places are kept unused.
    #[must_use]
    pub fn spare(&self) -> usize {
        self.inner.spare.borrow().len()
    }

    pub(super) fn place(&self, future: F) -> Box<dyn Recycled> {
        let spare = self.inner.spare.borrow_mut().pop();
        let mut place = spare.unwrap_or_else(|| Box::new(Place { future: Box::pin(None), pool: None }));
        place.future.set(Some(future));
        place.pool = Some(self.inner.clone());
        place
    }
}

impl<F> Clone for TaskPool<F> {
    fn clone(&self) -> TaskPool<F> {
        TaskPool { inner: self.inner.clone() }
    }
}
