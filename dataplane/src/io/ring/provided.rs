//! A group of buffers as the kernel sees it: a ring of entries from which it takes.

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
    pub(super) id: u16,
}

impl Provided {
    /// Registers a group with the kernel, all buffers provided. The ring's memory must outlive
    /// `uring`, which `Kernel` sees to.
    pub(super) fn new(uring: &IoUring, id: u16, count: u16, size: u32) -> io::Result<Provided> {
        let group = Group::new(count, size)?;
        let entries = Region::new(usize::from(count) * size_of::<BufRingEntry>())?;
        // SAFETY: the region is page-aligned and holds exactly `count` entries; `Kernel` drops its
        // IoUring before its groups, and leaks them if the kernel still has operations.
        unsafe {
            uring.submitter().register_buf_ring_with_flags(entries.address() as u64, count, id, 0)?;
        }
        let mut provided = Provided { group, entries, tail: 0, available: 0, id };
        provided.publish();
        Ok(provided)
    }

    pub(super) fn available(&self) -> usize {
        self.available
    }

    /// The kernel took a buffer.
    pub(super) fn taken(&mut self) {
        self.available -= 1;
    }

    /// Provides every buffer that is at home.
    pub(super) fn publish(&mut self) {
        let base = self.entries.address().cast::<BufRingEntry>();
        let mask = self.group.count() - 1;
        let before = self.tail;
        while let Some(buffer) = self.group.provide() {
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
