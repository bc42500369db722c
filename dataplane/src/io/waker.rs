//! Wakers that are one word, and the ready queue they feed.
//!
//! A waker's word is `core | generation | index` of a task: cloning and dropping it do nothing, a
//! wake of a task that has ended or whose slot was reused fails the generation check. On the
//! shard's own thread a wake is a push on a queue; elsewhere the word goes through the shard's
//! alarm, which is found by its core number. A wake may be spurious, never lost.

use super::alarm::Alarm;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::ptr;
use std::rc::Rc;
use std::sync::{Arc, RwLock, Weak};
use std::task::{RawWaker, RawWakerVTable, Waker};

/// Tasks of a shard that may exist at once, by the width of the index.
pub(super) const TASKS_MAX: usize = 1 << 24;
const GENERATION_MASK: u32 = (1 << 24) - 1;
/// Shards and simulated worlds of a process that may live at once.
const CORES_MAX: usize = 4096;

const _: () = assert!(usize::BITS == 64, "a waker's word needs 64 bits");

/// The unpacked word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) core: u16,
    pub(super) generation: u32,
    pub(super) index: u32,
}

impl Word {
    pub(super) fn pack(self) -> u64 {
        u64::from(self.core) << 48 | u64::from(self.generation & GENERATION_MASK) << 24 | u64::from(self.index)
    }

    pub(super) fn unpack(word: u64) -> Word {
        Word { core: (word >> 48) as u16, generation: (word >> 24) as u32 & GENERATION_MASK, index: word as u32 & (TASKS_MAX as u32 - 1) }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    generation: u32,
    queued: bool,
}

/// The tasks of one shard that want to be polled. Each is in the queue at most once.
#[derive(Debug)]
pub(super) struct Ready {
    core: u16,
    inner: RefCell<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    queue: VecDeque<u32>,
    marks: Vec<Mark>,
}

thread_local! {
    /// The shards of this thread: one in the product, several where a test simulates.
    static HERE: RefCell<Vec<Rc<Ready>>> = const { RefCell::new(Vec::new()) };
}

/// Alarms by core number, for wakes from foreign threads.
static CORES: RwLock<Vec<Weak<Alarm>>> = RwLock::new(Vec::new());

/// Takes a core number for a new shard.
fn enrol(alarm: &Arc<Alarm>) -> u16 {
    let mut cores = CORES.write().expect("nobody panics while holding the cores");
    let free = cores.iter().position(|known| known.strong_count() == 0);
    let core = free.unwrap_or(cores.len());
    assert!(core < CORES_MAX, "too many shards in one process");
    if core == cores.len() {
        cores.push(Arc::downgrade(alarm));
    } else {
        cores[core] = Arc::downgrade(alarm);
    }
    core as u16
}

impl Ready {
    /// A ready queue that wakers on this thread find; others go through `alarm`.
    pub(super) fn enrol(alarm: &Arc<Alarm>) -> Rc<Ready> {
        let core = enrol(alarm);
        let ready = Rc::new(Ready { core, inner: RefCell::default() });
        HERE.with_borrow_mut(|here| here.push(ready.clone()));
        ready
    }

    /// Forgets the queue: later wakes go nowhere.
    pub(super) fn retire(&self) {
        // At thread exit the list itself may be gone already, and then nothing can find us.
        HERE.try_with(|here| here.borrow_mut().retain(|ready| ready.core != self.core)).ok();
    }

    /// Makes room for the task `index` and gives its word.
    pub(super) fn admit(&self, index: u32) -> Word {
        let mut inner = self.inner.borrow_mut();
        if inner.marks.len() <= index as usize {
            inner.marks.resize(index as usize + 1, Mark::default());
        }
        Word { core: self.core, generation: inner.marks[index as usize].generation, index }
    }

    /// The task has ended: its words are stale from now on.
    pub(super) fn dismiss(&self, index: u32) {
        let mark = &mut self.inner.borrow_mut().marks[index as usize];
        mark.generation = mark.generation.wrapping_add(1) & GENERATION_MASK;
        mark.queued = false;
    }

    /// Whether the word still names a task that has not ended.
    pub(super) fn knows(&self, word: Word) -> bool {
        let inner = self.inner.borrow();
        let mark = inner.marks.get(word.index as usize);
        mark.is_some_and(|mark| mark.generation == word.generation)
    }

    pub(super) fn push(&self, word: Word) {
        let mut inner = self.inner.borrow_mut();
        let Some(mark) = inner.marks.get_mut(word.index as usize) else {
            return;
        };
        if mark.generation == word.generation && !mark.queued {
            mark.queued = true;
            inner.queue.push_back(word.index);
        }
    }

    /// The next task to poll. One that ended while it was queued is skipped by the caller.
    pub(super) fn pop(&self) -> Option<Word> {
        let mut inner = self.inner.borrow_mut();
        let index = inner.queue.pop_front()?;
        let mark = &mut inner.marks[index as usize];
        mark.queued = false;
        Some(Word { core: self.core, generation: mark.generation, index })
    }

    /// Queues every task: for when single wakes were lost to an overflow.
    pub(super) fn push_all(&self) {
        let count = self.inner.borrow().marks.len() as u32;
        for index in 0..count {
            let word = self.admit(index);
            self.push(word);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.inner.borrow().queue.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.inner.borrow().queue.len()
    }
}

/// Wakes from whatever thread this is.
fn wake(word: u64) {
    let word_here = Word::unpack(word);
    let found = HERE.try_with(|here| {
        let here = here.borrow();
        let ready = here.iter().find(|ready| ready.core == word_here.core);
        ready.map(|ready| ready.push(word_here)).is_some()
    });
    if found == Ok(true) {
        return;
    }
    let alarm = match CORES.read() {
        Ok(cores) => cores.get(usize::from(word_here.core)).and_then(Weak::upgrade),
        Err(_) => None,
    };
    if let Some(alarm) = alarm {
        alarm.wake(word);
    }
}

static TABLE: RawWakerVTable =
    RawWakerVTable::new(|word| RawWaker::new(word, &TABLE), |word| wake(word.addr() as u64), |word| wake(word.addr() as u64), |_| {});

/// The waker of a task.
pub(super) fn waker(word: Word) -> Waker {
    let data = ptr::without_provenance::<()>(word.pack() as usize);
    // SAFETY: the contract of RawWaker asks that the functions of the table are thread-safe and
    // that `clone` and `drop` manage whatever `data` refers to. It is a number and refers to
    // nothing; `wake` uses it as a key of thread-local and locked tables, from any thread, at any
    // time, also after the task or its shard are gone.
    unsafe { Waker::from_raw(RawWaker::new(data, &TABLE)) }
}

#[cfg(test)]
mod tests;
