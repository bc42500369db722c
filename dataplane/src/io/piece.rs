//! What can be sent, and the pool of vectors that heads are written into.

use super::arena::Block;
use super::group::Chunk;
use std::cell::RefCell;
use std::ops::{Deref, Range};

/// Something to send. Its memory stays where it is until the kernel has read it.
#[derive(Debug)]
pub enum Piece {
    /// Received bytes, sent from where they were received.
    Chunk(Chunk),
    /// Written bytes; the vector goes back to the shard's pool afterwards.
    Vec(Vec<u8>),
    /// Part of a stored body.
    Block(Block, Range<usize>),
    /// Bytes of the program.
    Static(&'static [u8]),
}

impl Deref for Piece {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Piece::Chunk(chunk) => chunk,
            Piece::Vec(vector) => vector,
            Piece::Block(block, range) => &block[range.clone()],
            Piece::Static(bytes) => bytes,
        }
    }
}

impl From<Chunk> for Piece {
    fn from(chunk: Chunk) -> Piece {
        Piece::Chunk(chunk)
    }
}

impl From<Vec<u8>> for Piece {
    fn from(vector: Vec<u8>) -> Piece {
        Piece::Vec(vector)
    }
}

impl From<&'static [u8]> for Piece {
    fn from(bytes: &'static [u8]) -> Piece {
        Piece::Static(bytes)
    }
}

/// Spare vectors of a shard.
#[derive(Debug, Default)]
pub(super) struct Vectors {
    spare: RefCell<Vec<Vec<u8>>>,
}

/// How many are kept.
const SPARE_MAX: usize = 256;
/// What a fresh one has room for: a head and a little.
const FRESH_SIZE: usize = 4096;
/// Larger ones are freed instead, or one large answer would be kept for ever.
const KEPT_SIZE_MAX: usize = 64 * 1024;

impl Vectors {
    pub(super) fn take(&self) -> Vec<u8> {
        let spare = self.spare.borrow_mut().pop();
        spare.unwrap_or_else(|| Vec::with_capacity(FRESH_SIZE))
    }

    pub(super) fn give(&self, mut vector: Vec<u8>) {
        let mut spare = self.spare.borrow_mut();
        if (FRESH_SIZE..=KEPT_SIZE_MAX).contains(&vector.capacity()) && spare.len() < SPARE_MAX {
            vector.clear();
            spare.push(vector);
        }
    }

    /// A piece that was sent, or that never will be.
    pub(super) fn done(&self, piece: Piece) {
        if let Piece::Vec(vector) = piece {
            self.give(vector);
        }
    }
}

#[cfg(test)]
mod tests;
