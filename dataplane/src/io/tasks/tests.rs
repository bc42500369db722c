use super::*;
use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::task::Waker;

fn tasks() -> Tasks {
    Tasks::new(&Alarm::new(None))
}

#[test]
fn a_task_runs_to_its_end() {
    let tasks = tasks();
    let seen = Rc::new(Cell::new(0));
    let inside = seen.clone();
    tasks.spawn(async move { inside.set(7) });
    assert_eq!(tasks.live(), 1);
    assert_eq!(tasks.run(10), 1);
    assert_eq!((tasks.live(), seen.get()), (0, 7));
}

#[test]
fn polls_are_capped() {
    let tasks = tasks();
    for _ in 0..10 {
        tasks.spawn(async {});
    }
    assert_eq!(tasks.run(4), 4);
    assert_eq!(tasks.queued(), 6);
    assert_eq!(tasks.run(100), 6);
}

struct Bell(Rc<Cell<usize>>);
impl Drop for Bell {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn abort_drops_at_once_and_only_once() {
    let tasks = tasks();
    let dropped = Rc::new(Cell::new(0));
    let bell = Bell(dropped.clone());
    let id = tasks.spawn(async move {
        let _bell = bell;
        pending::<()>().await;
    });
    tasks.run(1);
    assert!(tasks.abort(id));
    assert!(!tasks.abort(id));
    assert_eq!((dropped.get(), tasks.live()), (1, 0));
    let next = tasks.spawn(pending());
    assert_ne!(id, next);
    assert!(!tasks.abort(id), "a stale id must not reach the slot's next task");
    assert_eq!(tasks.live(), 1);
}

#[test]
fn a_task_that_aborts_itself_ends_after_the_poll() {
    let tasks = Rc::new(tasks());
    let dropped = Rc::new(Cell::new(0));
    let own = Rc::new(Cell::new(None));
    let (inner, bell, me) = (tasks.clone(), Bell(dropped.clone()), own.clone());
    let id = tasks.spawn(async move {
        let _bell = bell;
        assert!(inner.abort(me.get().expect("set before the first poll")));
        pending::<()>().await;
    });
    own.set(Some(id));
    tasks.run(1);
    assert_eq!((dropped.get(), tasks.live()), (1, 0));
}

#[test]
fn a_pool_recycles_its_places() {
    async fn work(times: usize) {
        for _ in 0..times {
            let mut first = true;
            poll_fn(|context| {
                if std::mem::take(&mut first) {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(())
            })
            .await;
        }
    }
    let tasks = tasks();
    let pool = TaskPool::new(2);
    for _ in 0..5 {
        tasks.spawn_pooled(&pool, work(3));
    }
    assert_eq!(tasks.run(1000), 5 * 4);
    assert_eq!((tasks.live(), pool.spare()), (0, 2));
    tasks.spawn_pooled(&pool, work(1));
    assert_eq!(pool.spare(), 1);
    tasks.run(10);
    assert_eq!(pool.spare(), 2);
}

#[test]
fn waking_a_finished_task_is_nothing() {
    let tasks = tasks();
    let kept = Rc::new(RefCell::new(None::<Waker>));
    let inside = kept.clone();
    tasks.spawn(poll_fn(move |context| {
        *inside.borrow_mut() = Some(context.waker().clone());
        Poll::Ready(())
    }));
    tasks.run(1);
    kept.borrow_mut().take().expect("polled once").wake();
    assert!(tasks.is_idle());
}
