//! A group of buffers as the kernel sees it: a ring of entries from which it takes.
//!
//! The kernel takes them in the order in which they were provided. Were all of them provided always,
//! each reception would go to the buffer that was used the longest ago, which no cache holds any
//! more. So it gets a few times as many as it lately took in one turn, those used last first, and
//! all as soon as it runs short.

use crate::io::group::Group;
use crate::io::region::Region;
use io_uring::IoUring;
use io_uring::types::BufRingEntry;
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicU16, Ordering};

/// A provided-buffer ring.
#[derive(Debug)]
pub(super) struct Provided {
    pub(super) group: Rc<Group>,
    entries: Region,
    /// Counts every buffer ever provided; its low bits are the next entry to fill.
    tail: u16,
    /// Buffers that the kernel may still take.
    available: usize,
    /// How many it shall have: `1 <= wanted <= group.count()`.
    wanted: usize,
    /// Taken since buffers were last provided.
    taken: usize,
    pub(super) id: u16,
}

/// The kernel is provided with no fewer.
const WANTED_MIN: usize = 64;
/// And with so many times what it took in one turn.
const TURNS_AHEAD: usize = 3;

impl Provided {
    /// Registers a group with the kernel, the first buffers provided. The ring's memory must outlive
    /// `uring`, which `Kernel` sees to.
    pub(super) fn new(uring: &IoUring, id: u16, count: u16, size: u32) -> io::Result<Provided> {
        let group = Group::new(count, size)?;
        let entries = Region::new(usize::from(count) * size_of::<BufRingEntry>())?;
        // SAFETY: the region is page-aligned and holds exactly `count` entries; `Kernel` drops its
        // IoUring before its groups, and leaks them if the kernel still has operations.
        unsafe {
            uring.submitter().register_buf_ring_with_flags(entries.address() as u64, count, id, 0)?;
        }
        let mut provided = Provided { group, entries, tail: 0, available: 0, wanted: WANTED_MIN.min(usize::from(count)), taken: 0, id };
        provided.publish();
        Ok(provided)
    }

    pub(super) fn available(&self) -> usize {
        self.available
    }

    /// Buffers that nobody refers to, provided or not.
    pub(super) fn free(&self) -> usize {
        self.available + self.group.at_home()
    }

    /// The kernel took a buffer.
    pub(super) fn taken(&mut self) {
        self.available -= 1;
        self.taken += 1;
    }

    /// The kernel found none.
    pub(super) fn fell_short(&mut self) {
        self.wanted = self.group.count();
    }

    /// Provides buffers that are at home, up to what is wanted; that shrinks slowly.
    pub(super) fn publish(&mut self) {
        let needed = (self.taken * TURNS_AHEAD).max(WANTED_MIN).min(self.group.count());
        self.wanted = needed.max(self.wanted - 1);
        self.taken = 0;
        let base = self.entries.address().cast::<BufRingEntry>();
        let mask = self.group.count() - 1;
        let before = self.tail;
        while self.available < self.wanted
            && let Some(buffer) = self.group.provide()
        {
            // SAFETY: the index is below the count, so the entry lies in the region; the kernel
            // reads entries only below the published tail, and this one lies above it: at most
            // `count` buffers exist, so a full lap never overwrites an entry not yet taken. The
            // entry is plain memory, initialised by being zeroed. Entry 0 shares its last two
            // bytes with the tail, which the setters do not touch.
            let entry = unsafe { &mut *base.add(usize::from(self.tail) & mask) };
            entry.set_addr(self.group.address(buffer) as u64);
            entry.set_len(self.group.size());
            entry.set_bid(buffer);
            self.tail = self.tail.wrapping_add(1);
            self.available += 1;
        }
        if self.tail != before {
            // SAFETY: `base` is the first entry of the ring, page-aligned and initialised. The
            // tail within it is two aligned bytes that we alone write and the kernel reads
            // concurrently: an atomic with release order publishes the entries before it.
            let tail = unsafe { &*BufRingEntry::tail(base).cast::<AtomicU16>() };
            tail.store(self.tail, Ordering::Release);
        }
    }
}
