//! Bytes that are kept until they are no longer needed: request bodies for every attempt, answers
//! until they commit.
//!
//! Up to [`limits::BODY_INLINE_BYTES`] in a few pieces they stay where they were received; beyond,
//! they are copied into blocks of the shard's budget, so that the shared ring is never held.

use crate::{
    io::{Arena, Block},
    wire::{Bytes, Wire},
};
use policy::limits;
use std::{ops::Range, rc::Rc};

/// Pieces that stay where they were received.
const PIECES_MAX: usize = 4;

/// The shard's budget for bodies is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetSpent;

/// Bytes that are kept, in order.
#[derive(Default)]
pub struct Held {
    pieces: [Option<Bytes>; PIECES_MAX],
    blocks: Vec<Block>,
    /// `len` is the sum over pieces, or over blocks; one of the two is empty.
    len: usize,
}

impl Held {
    /// How many bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Keeps `bytes` behind what is there.
    ///
    /// # Errors
    /// No block is free. What was kept before stays.
    pub fn push(&mut self, arena: &Arena, bytes: Bytes) -> Result<(), BudgetSpent> {
        if bytes.is_empty() {
            return Ok(());
        }
        if self.blocks.is_empty() && self.len + bytes.len() <= limits::BODY_INLINE_BYTES {
            self.len += bytes.len();
            match self.pieces.iter_mut().find(|piece| piece.is_none()) {
                Some(free) => *free = Some(bytes),
                None => self.join(&bytes),
            }
            return Ok(());
        }
        self.spill(arena)?;
        self.append(arena, &bytes)
    }

    /// Joins the pieces into one, with `bytes` behind them: to come in many small parts is no reason
    /// to take a block of the budget.
    fn join(&mut self, bytes: &[u8]) {
        let mut joined = match self.pieces[0].take() {
            Some(Bytes::Own(buffer, range)) if range == (0..buffer.len()) => {
                Rc::try_unwrap(buffer).unwrap_or_else(|shared| shared.to_vec())
            }
            first => first.as_deref().unwrap_or_default().to_vec(),
        };
        for piece in self.pieces.iter_mut().filter_map(Option::take) {
            joined.extend_from_slice(&piece);
        }
        joined.extend_from_slice(bytes);
        self.pieces[0] = Some(Bytes::own(joined));
    }

    /// Moves what stayed where it was received into blocks.
    fn spill(&mut self, arena: &Arena) -> Result<(), BudgetSpent> {
        if self.pieces[0].is_none() {
            return Ok(());
        }
        let need = self.len.div_ceil(limits::BLOCK_BYTES);
        let mut blocks = Vec::with_capacity(need);
        for _ in 0..need {
            blocks.push(arena.take().ok_or(BudgetSpent)?);
        }
        let pieces = std::mem::take(&mut self.pieces);
        let len = std::mem::take(&mut self.len);
        self.blocks = blocks;
        let mut at = 0;
        for piece in pieces.iter().flatten() {
            at += fill(&mut self.blocks, at, piece);
        }
        debug_assert_eq!(at, len);
        self.len = len;
        Ok(())
    }

    fn append(&mut self, arena: &Arena, mut bytes: &[u8]) -> Result<(), BudgetSpent> {
        // Take all the blocks first, so that a refusal leaves nothing half done.
        while self.blocks.len() * limits::BLOCK_BYTES < self.len + bytes.len() {
            self.blocks.push(arena.take().ok_or(BudgetSpent)?);
        }
        while !bytes.is_empty() {
            let done = fill(&mut self.blocks, self.len, bytes);
            self.len += done;
            bytes = &bytes[done..];
        }
        Ok(())
    }

    /// Every piece in order, as slices.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let inline = self.pieces.iter().flatten().map(|piece| &piece[..]);
        inline.chain(self.blocks.iter().map(|block| &block[..]).filter(|block| !block.is_empty()))
    }

    /// Copies everything behind `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.slices().for_each(|slice| out.extend_from_slice(slice));
    }

    /// Copies a part behind `out`. `range.end <= len`.
    pub fn write_range(&self, range: Range<usize>, out: &mut Vec<u8>) {
        let mut at = 0;
        for slice in self.slices() {
            let begin = range.start.clamp(at, at + slice.len()) - at;
            let end = range.end.clamp(at, at + slice.len()) - at;
            out.extend_from_slice(&slice[begin..end]);
            at += slice.len();
        }
    }

    /// Queues a part on a connection without a copy, where there is no TLS. `range.end <= len`.
    pub fn send_range(&self, range: Range<usize>, wire: &mut Wire) {
        let mut at = 0;
        let mut part = |len: usize, send: &mut dyn FnMut(Range<usize>)| {
            let begin = range.start.clamp(at, at + len) - at;
            let end = range.end.clamp(at, at + len) - at;
            at += len;
            if begin < end {
                send(begin..end);
            }
        };
        for piece in self.pieces.iter().flatten() {
            part(piece.len(), &mut |range| wire.send_bytes(&piece.slice(range)));
        }
        for block in &self.blocks {
            part(block.len(), &mut |range| wire.send_block(block, range));
        }
    }
}

/// Copies as much as fits into the block that byte `at` falls into, and tells how much.
fn fill(blocks: &mut [Block], at: usize, bytes: &[u8]) -> usize {
    let mut done = 0;
    while done < bytes.len() {
        let Some(block) = blocks.get_mut((at + done) / limits::BLOCK_BYTES) else { break };
        let taken = block.append(&bytes[done..]);
        assert!(taken > 0, "nobody else holds a block that is still being filled");
        done += taken;
    }
    done
}
