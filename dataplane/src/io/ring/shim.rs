//! Alters completions between the kernel and us, only in ways that a kernel may: late, in another
//! order across operations, short, starved of buffers, or as the last of a multishot.

use super::completion::{Completion, Kind, Tag};
use super::kernel::Kernel;
use std::cell::Cell;
use std::collections::HashMap;

pub(super) struct Shim {
    state: Cell<u64>,
    turn: u64,
    /// Completions kept back and the turn they are due; those of one operation stay in order.
    late: Vec<(u64, Completion)>,
    pub(super) altered: u64,
}

impl Shim {
    pub(super) fn new(seed: u64) -> Box<Shim> {
        Box::new(Shim { state: Cell::new(seed | 1), turn: 0, late: Vec::new(), altered: 0 })
    }

    fn below(&self, bound: u64) -> u64 {
        let mut state = self.state.get();
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.state.set(state);
        (state >> 11) % bound.max(1)
    }

    pub(super) fn is_holding(&self) -> bool {
        !self.late.is_empty()
    }

    fn keep_back(&mut self, batch: &mut Vec<Completion>) {
        self.turn += 1;
        let mut all = std::mem::take(&mut self.late);
        all.extend(batch.drain(..).map(|done| (0, done)));
        let mut blocked: HashMap<u64, u64> = HashMap::new();
        for (due, done) in all {
            let key = done.tag.pack();
            let mut due = due;
            if due == 0 && self.below(16) == 0 {
                due = self.turn + self.below(4);
                self.altered += 1;
            }
            due = due.max(blocked.get(&key).copied().unwrap_or(0));
            if due > self.turn {
                blocked.insert(key, due);
                self.late.push((due, done));
            } else {
                batch.push(done);
            }
        }
    }

    fn reorder(&self, batch: &mut [Completion]) {
        let salt = self.below(u64::MAX);
        // A stable sort by a hash of the operation: another order across operations, the same
        // one within each.
        batch.sort_by_key(|done| (done.tag.pack() ^ salt).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    }

    fn end_early(&mut self, batch: &mut Vec<Completion>) {
        let mut index = 0;
        while index + 1 < batch.len() {
            let (first, last) = (batch[index], batch[index + 1]);
            let joins = first.tag == last.tag
                && first.tag.kind == Kind::Receive
                && first.more
                && first.buffer.is_some()
                && last.result == -libc::ECANCELED
                && last.buffer.is_none();
            if joins && self.below(2) == 0 {
                batch[index].more = false;
                batch.remove(index + 1);
                self.altered += 1;
            }
            index += 1;
        }
    }
}

impl Kernel {
    pub(super) fn tamper(&mut self, batch: &mut Vec<Completion>) {
        let Some(mut shim) = self.shim.take() else {
            return;
        };
        shim.keep_back(batch);
        shim.reorder(batch);
        shim.end_early(batch);
        let mut cancelled: Vec<Tag> = Vec::new();
        for done in batch.iter_mut() {
            if done.tag.kind != Kind::Receive {
                continue;
            }
            if done.result == -libc::ECANCELED && shim.below(2) == 0 {
                done.result = -libc::ENOBUFS;
                shim.altered += 1;
            }
            if done.more && shim.below(8) == 0 {
                cancelled.push(done.tag);
            }
        }
        for tag in cancelled {
            self.cancel(tag);
        }
        self.shim = Some(shim);
    }

    /// Cuts a send short.
    pub(super) fn limit_send(&self, len: usize) -> usize {
        match &self.shim {
            Some(shim) if shim.below(4) == 0 => 1 + shim.below(len as u64) as usize,
            _ => len,
        }
    }
}
