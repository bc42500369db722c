//! Everything of a shard that the kernel may look at.
//!
//! Borrowed only inside a call of the seam, never while code of the walk runs, so a destructor of
//! the walk may always call back.

use super::accept::Acceptor;
use super::completion::{Completion, Kind, Tag};
use super::provided::Provided;
use super::request::Request;
use super::send::Batch;
use super::setup;
use super::socket::Socket;
use crate::io::group::Group;
use crate::io::links::Links;
use crate::io::local::Local;
use crate::io::timers::Timers;
use crate::io::{Cause, Chunk, Piece, Settings, Stats};
use io_uring::{IoUring, opcode, squeue, types};
use std::collections::VecDeque;
use std::mem::ManuallyDrop;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;
use std::{io, mem};

/// Entries of the submission queue; a fuller one is submitted early.
const SUBMISSIONS: u32 = 2048;
/// Entries of the completion queue; what overflows it waits in the kernel.
const COMPLETIONS: u32 = 16 * 1024;
/// Completions handled per turn, so that tasks get their turn too.
const COMPLETIONS_PER_TURN: usize = 2048;
/// IORING_ENTER_GETEVENTS: without it deferred work does not run in an enter that does not wait.
const GETEVENTS: u32 = 1;

pub(super) struct Kernel {
    /// Dropped by hand, before the memory that it refers to.
    uring: ManuallyDrop<IoUring>,
    pub(super) sockets: Vec<Socket>,
    /// Small buffers, then large ones.
    pub(super) groups: [Provided; 2],
    /// Where received bytes move when the groups run low.
    pub(super) spill: Rc<Group>,
    /// Per group: most of it was still lent at the end of the last turn.
    pub(super) scarce: [bool; 2],
    /// When a large buffer was last free at the end of a turn.
    pub(super) large_seen_at: crate::io::Instant,
    /// When buffers were last searched for.
    pub(super) searched_at: crate::io::Instant,
    pub(super) chunks: Links<Chunk>,
    pub(super) pieces: Links<Piece>,
    /// Slots whose receive found no buffer, with the generation it was armed in.
    pub(super) starved: Vec<(u32, u32)>,
    /// Slots with something to send at the end of the turn, each once.
    pub(super) dirty: Vec<u32>,
    #[expect(clippy::vec_box, reason = "the box is what is recycled, and it must not move")]
    pub(super) batches: Vec<Box<Batch>>,
    pub(super) acceptor: Acceptor,
    pub(super) requests: Vec<Request>,
    pub(super) requests_free: Vec<u32>,
    pub(super) woken: VecDeque<(u32, Cause)>,
    pub(super) woken_waiter: Option<Waker>,
    pub(super) parked: usize,
    pub(super) timers: Rc<Timers>,
    pub(super) local: Rc<Local>,
    pub(super) settings: Settings,
    pub(super) stats: Stats,
    /// Operations whose last completion is still to come.
    pub(super) operations: usize,
    /// Sockets in slots.
    pub(super) open: usize,
    /// Completions taken out early to make room.
    held: VecDeque<Completion>,
    batch: Vec<Completion>,
    pub(super) due: Vec<u32>,
    /// What the read of the eventfd writes to.
    event: Box<[u8; 8]>,
    /// The shard ends: the eventfd is not read any more.
    ending: bool,
    #[cfg(test)]
    pub(super) shim: Option<Box<super::shim::Shim>>,
}

impl Kernel {
    pub(super) fn new(settings: Settings, local: Rc<Local>) -> io::Result<Kernel> {
        let uring = setup::build(SUBMISSIONS, COMPLETIONS)?;
        uring.submitter().register_files_sparse(settings.connections)?;
        let small = Provided::new(&uring, 0, settings.small_buffers, settings.small_size)?;
        let large = Provided::new(&uring, 1, settings.large_buffers, settings.large_size)?;
        let spill = Group::new(settings.spill_buffers, settings.small_size)?;
        let mut kernel = Kernel {
            uring: ManuallyDrop::new(uring),
            sockets: Vec::with_capacity(settings.connections as usize),
            groups: [small, large],
            spill,
            scarce: [false; 2],
            large_seen_at: crate::io::Instant(0),
            searched_at: crate::io::Instant(0),
            chunks: Links::new(),
            pieces: Links::new(),
            starved: Vec::new(),
            dirty: Vec::new(),
            batches: Vec::new(),
            acceptor: Acceptor::default(),
            requests: Vec::new(),
            requests_free: Vec::new(),
            woken: VecDeque::new(),
            woken_waiter: None,
            parked: 0,
            timers: local.timers.clone(),
            local,
            settings,
            stats: Stats::default(),
            operations: 0,
            open: 0,
            held: VecDeque::new(),
            batch: Vec::new(),
            due: Vec::new(),
            event: Box::new([0; 8]),
            ending: false,
            #[cfg(test)]
            shim: None,
        };
        kernel.watch_event();
        Ok(kernel)
    }

    fn watch_event(&mut self) {
        let Some(event) = self.local.alarm.event().filter(|_| !self.ending) else {
            return;
        };
        let into = self.event.as_mut_ptr();
        let entry = opcode::Read::new(types::Fd(event), into, 8).build();
        self.issue(entry, Tag::new(Kind::Event, 0, 0));
    }

    /// The last operation of a shard that ends.
    pub(super) fn ignore_event(&mut self) {
        if !mem::replace(&mut self.ending, true) {
            self.cancel(Tag::new(Kind::Event, 0, 0));
        }
    }

    /// Pushes an operation that will complete.
    pub(super) fn issue(&mut self, entry: squeue::Entry, tag: Tag) {
        self.operations += 1;
        self.push(entry.user_data(tag.pack()));
    }

    /// Pushes an operation whose completion is not awaited.
    pub(super) fn push(&mut self, entry: squeue::Entry) {
        loop {
            // SAFETY: every entry is built from indices and from memory that stays valid until
            // the operation's last completion: provided groups, queued pieces and batches, boxed
            // addresses and the boxed event counter, all owned by this struct, and statics. On
            // drop, memory is leaked while operations are left.
            let pushed = unsafe { self.uring.submission().push(&entry) };
            if pushed.is_ok() {
                return;
            }
            self.make_room();
        }
    }

    /// The submission queue is full: submits it, with room for what completes.
    fn make_room(&mut self) {
        match self.uring.submit() {
            Ok(_) => {}
            Err(error) if is_transient(&error) => {
                let taken = self.uring.completion().map(Completion::from);
                self.held.extend(taken);
            }
            Err(error) => panic!("the kernel refuses the ring: {error}"),
        }
    }

    pub(super) fn cancel(&mut self, tag: Tag) {
        let entry = opcode::AsyncCancel::new(tag.pack()).build();
        self.push(entry.flags(squeue::Flags::SKIP_SUCCESS).user_data(Tag::IGNORE.pack()));
    }

    /// Sets a socket option; the value is a static, so it outlives the operation.
    pub(super) fn set_option<T>(&mut self, slot: u32, level: i32, name: i32, value: &'static T) {
        let pointer = std::ptr::from_ref(value).cast();
        let size = size_of::<T>() as u32;
        let file = types::Fixed(slot);
        let entry = opcode::SetSockOpt::new(file, level as u32, name as u32, pointer, size).build();
        self.push(entry.flags(squeue::Flags::SKIP_SUCCESS).user_data(Tag::IGNORE.pack()));
    }

    /// Submits, sleeps until something completes or the time is up, and lets deferred work run.
    pub(super) fn enter(&mut self, wait: Duration) {
        let result = if wait.is_zero() || !self.held.is_empty() {
            let count = self.uring.submission().len() as u32;
            // SAFETY: no argument is passed; the count is that of the queue.
            unsafe { self.uring.submitter().enter::<libc::sigset_t>(count, 0, GETEVENTS, None) }
        } else {
            let time = types::Timespec::from(wait);
            let arguments = types::SubmitArgs::new().timespec(&time);
            self.uring.submitter().submit_with_args(1, &arguments)
        };
        tolerate(result);
    }

    /// Submits what is queued, and handles nothing.
    pub(super) fn submit(&mut self) {
        let result = self.uring.submit();
        tolerate(result);
    }

    /// Whether there is work that the last turn did not get to.
    pub(super) fn is_behind(&mut self) -> bool {
        #[cfg(test)]
        if self.shim.as_ref().is_some_and(|shim| shim.is_holding()) {
            return true;
        }
        !self.held.is_empty() || !self.dirty.is_empty() || !self.uring.completion().is_empty()
    }

    /// Handles what has completed, up to the turn's bound. Tasks are only queued, not run.
    pub(super) fn complete(&mut self) -> usize {
        let mut batch = mem::take(&mut self.batch);
        batch.extend(self.held.drain(..));
        let room = COMPLETIONS_PER_TURN.saturating_sub(batch.len());
        batch.extend(self.uring.completion().take(room).map(Completion::from));
        #[cfg(test)]
        self.tamper(&mut batch);
        let count = batch.len();
        for done in batch.drain(..) {
            self.handle(done);
        }
        self.batch = batch;
        self.stats.completions += count as u64;
        count
    }

    fn handle(&mut self, done: Completion) {
        if done.tag.kind != Kind::Ignore && !done.more {
            self.operations -= 1;
        }
        match done.tag.kind {
            Kind::Receive => self.on_receive(done),
            Kind::Send => self.on_send(done),
            Kind::Accept => self.on_accept(done),
            Kind::Socket => self.on_socket(done),
            Kind::Connect => self.on_connect(done),
            Kind::Install => self.on_install(done),
            Kind::Event => self.watch_event(),
            Kind::Shutdown => self.on_shutdown(done),
            Kind::Ignore => {}
        }
    }

    /// Fires timers up to the clock's time.
    pub(super) fn pass_time(&mut self, now: crate::io::Instant) {
        let mut due = mem::take(&mut self.due);
        self.timers.advance(now, &mut due);
        for owner in due.drain(..) {
            if owner == super::accept::RETRY {
                self.acceptor.retry_armed = false;
                self.acceptor.paused = true;
            } else {
                self.on_timer(owner);
            }
        }
        self.due = due;
    }

    /// The end of the turn: sends go out, buffers go back, what waited for either goes on.
    pub(super) fn flush(&mut self) {
        self.send_all();
        self.publish();
        self.feed_starved();
        if self.acceptor.paused {
            self.resume_accepting();
        }
    }

    #[cfg(not(test))]
    pub(super) fn limit_send(&self, len: usize) -> usize {
        len
    }
}

/// Lets errors pass that are none.
fn tolerate(result: io::Result<usize>) {
    match result {
        Ok(_) => {}
        Err(error) if is_transient(&error) => {}
        Err(error) => panic!("the kernel refuses the ring: {error}"),
    }
}

/// Errors of an enter after which the next one goes on where it was.
fn is_transient(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINTR | libc::EBUSY | libc::ETIME | libc::EAGAIN | libc::ENOMEM))
}

impl Drop for Kernel {
    fn drop(&mut self) {
        if self.operations > 0 {
            // Someone let go of the ring without draining it. The kernel ends its operations in
            // its own time and may write until then: that memory must stay.
            mem::forget(mem::take(&mut self.sockets));
            mem::forget(mem::replace(&mut self.pieces, Links::new()));
            mem::forget(mem::take(&mut self.requests));
            mem::forget(mem::replace(&mut self.event, Box::new([0; 8])));
            for group in &self.groups {
                mem::forget(group.group.clone());
            }
        }
        // SAFETY: this is the only place that drops it, and nothing uses it afterwards.
        unsafe { ManuallyDrop::drop(&mut self.uring) };
    }
}
