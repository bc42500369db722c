//! Received buffers: a group of equal ones, counted references, and the chunks cut from them.
//!
//! A buffer is with the kernel, at home (waiting to be provided again) or lent (chunks refer to
//! it). The count of references is the state, so a double return cannot be expressed.

use super::region::Region;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::ops::{Bound, Deref, RangeBounds};
use std::rc::Rc;

/// The count of a buffer that the kernel may write into.
const WITH_KERNEL: u32 = u32::MAX;

/// Equal buffers of one memory region.
#[derive(Debug)]
pub(super) struct Group {
    memory: Region,
    /// Bytes per buffer.
    size: u32,
    /// Per buffer: `WITH_KERNEL`, zero at home, otherwise how many chunks refer to it.
    references: Box<[Cell<u32>]>,
    /// The buffers at home.
    home: RefCell<Vec<u16>>,
    lent: Cell<usize>,
}

impl Group {
    /// `count` buffers of `size` bytes, all at home.
    pub(super) fn new(count: u16, size: u32) -> io::Result<Rc<Group>> {
        assert!(count.is_power_of_two() && count <= 1 << 15, "the kernel wants a power of two");
        assert!(u64::from(count) * u64::from(size) <= u64::from(u32::MAX), "chunks count in u32");
        let memory = Region::new(count as usize * size as usize)?;
        memory.poison(0, count as usize * size as usize);
        // The first taken is the lowest, so a small load stays in few pages.
        let home = RefCell::new((0..count).rev().collect());
        let references = (0..count).map(|_| Cell::new(0)).collect();
        Ok(Rc::new(Group { memory, size, references, home, lent: Cell::new(0) }))
    }

    pub(super) fn count(&self) -> usize {
        self.references.len()
    }

    pub(super) fn size(&self) -> u32 {
        self.size
    }

    /// Buffers that chunks refer to.
    pub(super) fn lent(&self) -> usize {
        self.lent.get()
    }

    pub(super) fn at_home(&self) -> usize {
        self.home.borrow().len()
    }

    pub(super) fn address(&self, buffer: u16) -> *mut u8 {
        assert!(usize::from(buffer) < self.count());
        self.memory.address().wrapping_add(self.start(buffer))
    }

    fn start(&self, buffer: u16) -> usize {
        usize::from(buffer) * self.size as usize
    }

    /// Takes a buffer from home to hand it to the kernel.
    pub(super) fn provide(&self) -> Option<u16> {
        let buffer = self.home.borrow_mut().pop()?;
        let before = self.references[usize::from(buffer)].replace(WITH_KERNEL);
        assert_eq!(before, 0, "a buffer at home is referred to");
        Some(buffer)
    }

    /// The kernel gave a buffer back that holds nothing.
    pub(super) fn put_back(&self, buffer: u16) {
        let before = self.references[usize::from(buffer)].replace(0);
        assert_eq!(before, WITH_KERNEL, "the kernel gave a buffer that it did not have");
        self.home.borrow_mut().push(buffer);
    }

    /// The kernel gave a buffer back that holds `len` bytes.
    pub(super) fn receive(self: &Rc<Self>, buffer: u16, len: u32) -> Chunk {
        let before = self.references[usize::from(buffer)].replace(1);
        assert_eq!(before, WITH_KERNEL, "the kernel gave a buffer that it did not have");
        assert!(len <= self.size, "the kernel wrote beyond the buffer");
        self.memory.unpoison(self.start(buffer), len as usize);
        self.lent.set(self.lent.get() + 1);
        Chunk { group: self.clone(), start: self.start(buffer) as u32, len, buffer }
    }

    /// Plays the kernel: a chunk with these bytes, if a buffer is free and they fit into it.
    pub(super) fn fill(self: &Rc<Self>, bytes: &[u8]) -> Option<Chunk> {
        if bytes.len() > self.size as usize {
            return None;
        }
        let buffer = self.provide()?;
        let mut chunk = self.receive(buffer, bytes.len() as u32);
        let place = chunk.unique_mut().expect("a buffer just taken has one reference");
        place.copy_from_slice(bytes);
        Some(chunk)
    }

    fn release(&self, buffer: u16) {
        let count = &self.references[usize::from(buffer)];
        let left = count.get() - 1;
        count.set(left);
        if left == 0 {
            self.memory.poison(self.start(buffer), self.size as usize);
            self.lent.set(self.lent.get() - 1);
            self.home.borrow_mut().push(buffer);
        }
    }
}

/// Received bytes: a slice of one buffer. Cloning and slicing share the buffer, which goes back to
/// its group when the last chunk of it is dropped.
pub struct Chunk {
    group: Rc<Group>,
    /// Where the slice starts in the group's memory: within the buffer,
    /// `buffer * size <= start <= start + len <= (buffer + 1) * size`.
    start: u32,
    len: u32,
    buffer: u16,
}

const _: () = assert!(size_of::<Chunk>() <= 32);

impl Chunk {
    /// The part of these bytes, sharing the buffer. Panics if the range is out of bounds, as
    /// slicing does.
    #[must_use]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Chunk {
        let from = match range.start_bound() {
            Bound::Included(&from) => from,
            Bound::Excluded(&before) => before + 1,
            Bound::Unbounded => 0,
        };
        let until = match range.end_bound() {
            Bound::Included(&last) => last + 1,
            Bound::Excluded(&until) => until,
            Bound::Unbounded => self.len as usize,
        };
        assert!(from <= until && until <= self.len as usize, "slice out of bounds");
        let mut part = self.clone();
        part.start += from as u32;
        part.len = (until - from) as u32;
        part
    }

    /// Forgets the first `count` bytes.
    pub fn advance(&mut self, count: usize) {
        assert!(count <= self.len as usize, "advance out of bounds");
        self.start += count as u32;
        self.len -= count as u32;
    }

    /// Forgets all but the first `count` bytes.
    pub fn truncate(&mut self, count: usize) {
        self.len = self.len.min(u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// Cuts off the first `count` bytes and returns them; both share the buffer.
    #[must_use]
    pub fn split_to(&mut self, count: usize) -> Chunk {
        let front = self.slice(..count);
        self.advance(count);
        front
    }

    /// The bytes to write to, if no other chunk refers to the buffer.
    pub fn unique_mut(&mut self) -> Option<&mut [u8]> {
        if self.group.references[usize::from(self.buffer)].get() != 1 {
            return None;
        }
        // SAFETY: the one reference is `self`, which is borrowed mutably for as long as the slice
        // lives: no other chunk can read these bytes. The kernel does not have the buffer, or the
        // count would be WITH_KERNEL; a send in flight holds a chunk, and so would raise it.
        Some(unsafe { self.group.memory.bytes_mut(self.start as usize, self.len as usize) })
    }

    pub(super) fn is_of(&self, group: &Rc<Group>) -> bool {
        Rc::ptr_eq(&self.group, group)
    }

    /// How many bytes the buffer below has: what keeping this chunk really keeps.
    #[must_use]
    pub fn footprint(&self) -> usize {
        self.group.size as usize
    }
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: this chunk holds a reference, so the kernel does not have the buffer; writers
        // need `unique_mut`, which needs this very chunk mutably.
        unsafe { self.group.memory.bytes(self.start as usize, self.len as usize) }
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Clone for Chunk {
    fn clone(&self) -> Chunk {
        let count = &self.group.references[usize::from(self.buffer)];
        assert!(count.get() < WITH_KERNEL - 1, "too many chunks of one buffer");
        count.set(count.get() + 1);
        Chunk { group: self.group.clone(), ..*self }
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.group.release(self.buffer);
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Chunk({} bytes of buffer {})", self.len, self.buffer)
    }
}

#[cfg(test)]
mod tests;
