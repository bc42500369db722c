//! Bytes that are kept until they are no longer needed: request bodies for every attempt, answers
//! until they commit.
//!
//! What came whole in one reception stays where it was received while it is dealt with at once.
//! What has to wait is copied out of the ring's buffers, which all connections share: up to
//! [`limits::BODY_INLINE_BYTES`] into a buffer of the shard's pool, beyond that into blocks of its
//! budget. So the ring is never held, however many exchanges wait.

use crate::{
    io::{Arena, Block, Io},
    wire::{Bytes, Wire},
};
use policy::limits;
use std::ops::{Deref, Range};

/// A buffer of the shard's pool, given back when dropped.
pub struct Pooled {
    buffer: Vec<u8>,
    io: Io,
}

impl Pooled {
    /// A copy of `bytes`.
    pub fn copy(io: &Io, bytes: &[u8]) -> Pooled {
        let mut buffer = io.vec();
        buffer.extend_from_slice(bytes);
        Pooled { buffer, io: io.clone() }
    }
}

impl Deref for Pooled {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        self.io.give_vec(std::mem::take(&mut self.buffer));
    }
}

/// The shard's budget for bodies is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetSpent;

/// Bytes that are kept, in order.
#[derive(Default)]
pub struct Held {
    /// All of it, where it was received; nothing else is set then.
    whole: Option<Bytes>,
    /// All of it, copied; no block is taken then.
    own: Option<Pooled>,
    blocks: Vec<Block>,
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

    /// Keeps a part of `bytes` behind what is there.
    ///
    /// # Errors
    /// No block is free. What was kept before stays.
    pub fn push(&mut self, io: &Io, arena: &Arena, bytes: &Bytes, part: Range<usize>) -> Result<(), BudgetSpent> {
        if part.is_empty() {
            return Ok(());
        }
        if self.len == 0 && part.len() <= limits::BODY_INLINE_BYTES {
            self.len = part.len();
            self.whole = Some(bytes.slice(part));
            return Ok(());
        }
        if self.len + part.len() <= limits::BODY_INLINE_BYTES && self.blocks.is_empty() {
            self.settle(io);
            let own = self.own.get_or_insert_with(|| Pooled::copy(io, &[]));
            self.len += part.len();
            own.buffer.extend_from_slice(&bytes[part]);
            return Ok(());
        }
        self.append(arena, &bytes[part])
    }

    /// Lets go of the ring's buffer: what is kept is going to wait.
    pub fn settle(&mut self, io: &Io) {
        if let Some(whole) = self.whole.take() {
            self.own = Some(Pooled::copy(io, &whole));
        }
    }

    fn append(&mut self, arena: &Arena, bytes: &[u8]) -> Result<(), BudgetSpent> {
        // Take all the blocks first, so that a refusal leaves nothing half done.
        let mut fresh = Vec::new();
        while (self.blocks.len() + fresh.len()) * limits::BLOCK_BYTES < self.len + bytes.len() {
            fresh.push(arena.take().ok_or(BudgetSpent)?);
        }
        self.blocks.append(&mut fresh);
        let (whole, own) = (self.whole.take(), self.own.take());
        let before = whole.as_deref().or(own.as_deref()).unwrap_or_default();
        fill(&mut self.blocks, 0, before);
        self.len += fill(&mut self.blocks, self.len, bytes);
        Ok(())
    }

    /// Puts other bytes in the place of these, as many as there are. Before anybody else holds a block.
    pub fn overwrite(&mut self, io: &Io, bytes: &[u8]) {
        assert_eq!(bytes.len(), self.len, "as many bytes as there were");
        self.settle(io);
        if let Some(own) = &mut self.own {
            own.buffer.copy_from_slice(bytes);
        }
        let mut at = 0;
        for block in &mut self.blocks {
            let length = block.len();
            let place = block.unique_mut().expect("nothing was sent of a body that is still being read");
            place.copy_from_slice(&bytes[at..at + length]);
            at += length;
        }
    }

    /// Every piece in order, as slices.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let inline = self.whole.as_deref().into_iter().chain(self.own.as_deref());
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

    /// Queues a part on a connection, out of blocks without a copy where there is no TLS.
    /// `range.end <= len`.
    pub fn send_range(&self, range: Range<usize>, io: &Io, wire: &mut Wire) {
        if self.blocks.is_empty() {
            let mut out = io.vec();
            self.write_range(range, &mut out);
            return wire.send(out);
        }
        let mut at = 0;
        for block in &self.blocks {
            let begin = range.start.clamp(at, at + block.len()) - at;
            let end = range.end.clamp(at, at + block.len()) - at;
            at += block.len();
            if begin < end {
                wire.send_block(block, begin..end);
            }
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
