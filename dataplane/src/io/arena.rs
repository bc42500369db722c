//! Where bodies live: a shard-wide budget of equal blocks.
//!
//! A body that may be replayed is the memory that can kill the box, so there is one budget for all
//! of them and asking for a block can fail. Memory that was touched once is kept and used again.

use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::rc::Rc;

/// The budget. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Arena {
    shelf: Rc<Shelf>,
}

#[derive(Debug)]
struct Shelf {
    block_size: usize,
    blocks_max: usize,
    spare: RefCell<Vec<Rc<Vec<u8>>>>,
    /// `outstanding <= peak <= blocks_max`.
    outstanding: Cell<usize>,
    peak: Cell<usize>,
}

impl Arena {
    /// Blocks of `block_size` bytes, together at most `budget` bytes.
    #[must_use]
    pub fn new(block_size: usize, budget: usize) -> Arena {
        let shelf = Shelf {
            block_size,
            blocks_max: budget / block_size.max(1),
            spare: RefCell::default(),
            outstanding: Cell::new(0),
            peak: Cell::new(0),
        };
        Arena { shelf: Rc::new(shelf) }
    }

    /// An empty block, or `None` when the budget is spent.
    #[must_use]
    pub fn take(&self) -> Option<Block> {
        let shelf = &self.shelf;
        let outstanding = shelf.outstanding.get();
        if outstanding >= shelf.blocks_max {
            return None;
        }
        let spare = shelf.spare.borrow_mut().pop();
        let memory = spare.unwrap_or_else(|| Rc::new(Vec::with_capacity(shelf.block_size)));
        shelf.outstanding.set(outstanding + 1);
        shelf.peak.set(shelf.peak.get().max(outstanding + 1));
        Some(Block { memory: Some(memory), shelf: self.shelf.clone() })
    }

    /// Blocks in use.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.shelf.outstanding.get()
    }

    /// The most that were in use at once.
    #[must_use]
    pub fn peak(&self) -> usize {
        self.shelf.peak.get()
    }

    /// Blocks that may still be taken.
    #[must_use]
    pub fn available(&self) -> usize {
        self.shelf.blocks_max - self.shelf.outstanding.get()
    }

    /// Bytes per block.
    #[must_use]
    pub fn block_size(&self) -> usize {
        self.shelf.block_size
    }

    /// Gives unused memory back to the allocator, all but `keep` blocks.
    pub fn trim(&self, keep: usize) {
        self.shelf.spare.borrow_mut().truncate(keep);
    }
}

/// A block of the arena. Cloning shares it; it can be appended to while nobody else holds it.
#[derive(Debug)]
pub struct Block {
    /// `None` only while it is dropped.
    memory: Option<Rc<Vec<u8>>>,
    shelf: Rc<Shelf>,
}

impl Block {
    fn memory(&self) -> &Rc<Vec<u8>> {
        self.memory.as_ref().expect("present until the drop")
    }

    /// Appends as much of `bytes` as fits and says how much that was: zero when the block is full
    /// or shared.
    #[must_use]
    pub fn append(&mut self, bytes: &[u8]) -> usize {
        let capacity = self.shelf.block_size;
        let memory = self.memory.as_mut().expect("present until the drop");
        let Some(memory) = Rc::get_mut(memory) else {
            return 0;
        };
        let count = bytes.len().min(capacity - memory.len());
        memory.extend_from_slice(&bytes[..count]);
        count
    }

    /// Bytes that still fit.
    #[must_use]
    pub fn room(&self) -> usize {
        self.shelf.block_size - self.len()
    }

    /// Whether nobody else holds the block.
    #[must_use]
    pub fn is_unique(&self) -> bool {
        Rc::strong_count(self.memory()) == 1
    }

    /// The bytes to write to, if nobody else holds the block.
    pub fn unique_mut(&mut self) -> Option<&mut [u8]> {
        let memory = self.memory.as_mut().expect("present until the drop");
        Rc::get_mut(memory).map(Vec::as_mut_slice)
    }
}

impl Deref for Block {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.memory()
    }
}

impl Clone for Block {
    fn clone(&self) -> Block {
        Block { memory: self.memory.clone(), shelf: self.shelf.clone() }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let Some(mut memory) = self.memory.take() else {
            return;
        };
        if let Some(bytes) = Rc::get_mut(&mut memory) {
            bytes.clear();
            self.shelf.outstanding.set(self.shelf.outstanding.get() - 1);
            self.shelf.spare.borrow_mut().push(memory);
        }
    }
}

#[cfg(test)]
mod tests;
