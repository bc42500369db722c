//! What keeps the shared buffers in circulation.
//!
//! A buffer is lent from the moment it is received until its last chunk is dropped, and tasks may
//! hold chunks for as long as they like. When three quarters of a group are still lent at the end
//! of a turn, what arrives from then on is delivered as a copy in buffers that the kernel never
//! sees. When none is left, what waits unread in the queues of sockets is moved there as well.

use super::kernel::Kernel;
use crate::io::Chunk;
use crate::io::links::Queue;
use std::mem;

/// Time between two searches for buffers to reclaim: a search looks at every socket.
const SEARCH_MS: u64 = 4;

/// How long large buffers may all be lent before small ones take over. Under load they are for a
/// moment, and waiting for one is cheaper.
const LARGE_WAIT_MS: u64 = 20;

impl Kernel {
    /// Whether large buffers are not to be waited for.
    pub(super) fn is_without_large(&self) -> bool {
        self.groups[1].available() == 0 && self.timers.now() > self.large_seen_at.plus_millis(LARGE_WAIT_MS)
    }

    /// The end of a turn: buffers go back to the kernel.
    pub(super) fn publish(&mut self) {
        for (group, scarce) in self.groups.iter_mut().zip(&mut self.scarce) {
            group.publish();
            *scarce = group.free() < group.group.count() / 4;
        }
        let now = self.timers.now();
        if self.groups[1].available() > 0 {
            self.large_seen_at = now;
        }
        if self.groups[0].available() == 0 && now >= self.searched_at.plus_millis(SEARCH_MS) {
            self.searched_at = now;
            self.reclaim();
            self.groups[0].publish();
        }
    }

    /// Delivers a copy, so that the buffer goes back at once. Without room for the copy the chunk
    /// itself is delivered.
    pub(super) fn spill(&mut self, slot: u32, mut chunk: Chunk) {
        let received = &mut self.sockets[slot as usize].received;
        while !chunk.is_empty() {
            let part = chunk.len().min(self.spill.size() as usize);
            let Some(copy) = self.spill.fill(&chunk[..part]) else {
                self.chunks.push_back(received, chunk);
                return;
            };
            self.stats.copied_out += part as u64;
            self.chunks.push_back(received, copy);
            chunk.advance(part);
        }
    }

    /// Moves small buffers that wait unread out of the group.
    fn reclaim(&mut self) {
        for slot in 0..self.sockets.len() as u32 {
            let received = &mut self.sockets[slot as usize].received;
            let mut waiting = mem::replace(received, Queue::EMPTY);
            while let Some(chunk) = self.chunks.pop_front(&mut waiting) {
                if chunk.is_of(&self.groups[0].group) {
                    self.spill(slot, chunk);
                } else {
                    let received = &mut self.sockets[slot as usize].received;
                    self.chunks.push_back(received, chunk);
                }
            }
        }
    }
}
