//! What a shard may use, and what it counts.

use std::time::Duration;

/// The bounds of one shard.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Size of the table of descriptors: sockets of both sides together. Default 8192.
    pub connections: u32,
    /// Accepted sockets at once; beyond it accepting pauses. The rest of the table is for
    /// upstream connections. Default 6144.
    pub downstream_max: u32,
    /// Tasks at once beyond which accepting pauses. Default 65536.
    pub tasks_max: usize,
    /// Small receive buffers, for heads and streams: a power of two. Default 512.
    pub small_buffers: u16,
    /// Bytes of a small buffer. Default 8 KiB.
    pub small_size: u32,
    /// Large receive buffers, for bodies: a power of two. Default 16.
    pub large_buffers: u16,
    /// Bytes of a large buffer. Default 64 KiB: with 16 of them, 1 MiB, they stay in cache.
    pub large_size: u32,
    /// Buffers of the small size that the kernel never sees: received bytes that nobody reads move
    /// there when three quarters of the others are lent. A power of two. Default 4096; they cost
    /// memory only once used.
    pub spill_buffers: u16,
    /// How long a shard polls before it sleeps, after a turn that had work. Default none.
    pub spin: Duration,
    /// The longest sleep. The host looks after its own affairs in between. Default 10 ms.
    pub slice: Duration,
    /// How long a dropped stream may take to deliver what was queued. Default 5 s.
    pub linger: Duration,
    /// Seed of the shard's random numbers; zero takes one from the system.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            connections: 8192,
            downstream_max: 6144,
            tasks_max: 65_536,
            small_buffers: 512,
            small_size: 8 * 1024,
            large_buffers: 16,
            large_size: 64 * 1024,
            spill_buffers: 4096,
            spin: Duration::ZERO,
            slice: Duration::from_millis(10),
            linger: Duration::from_secs(5),
            seed: 0,
        }
    }
}

/// What a shard has done and what it holds. Counters first, then levels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Turns of the loop.
    pub turns: u64,
    /// Completions handled.
    pub completions: u64,
    /// Polls of tasks.
    pub polls: u64,
    /// Send operations issued.
    pub sends: u64,
    /// Pieces that shared a send operation with an earlier one.
    pub coalesced: u64,
    /// Receives that found no free buffer.
    pub starved: u64,
    /// Receives armed again after the kernel ended them.
    pub rearmed: u64,
    /// Receives paused because nobody read.
    pub paused: u64,
    /// Received bytes copied out of the shared buffers because they became scarce, or because a
    /// reader fell behind.
    pub copied_out: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Times that accepting paused for lack of room.
    pub accept_pauses: u64,
    /// Failures of an accept other than lack of room.
    pub accept_failures: u64,
    /// Connections made.
    pub connected: u64,
    /// Streams that were cut because they lingered too long.
    pub linger_cut: u64,
    /// Operations that the kernel has.
    pub operations: usize,
    /// Open sockets, closing ones included.
    pub sockets: usize,
    /// Parked connections.
    pub parked: usize,
    /// Live tasks.
    pub tasks: usize,
    /// Armed timers.
    pub timers: usize,
    /// Small buffers that chunks refer to.
    pub small_lent: usize,
    /// Large buffers that chunks refer to.
    pub large_lent: usize,
    /// Spill buffers that chunks refer to.
    pub spill_lent: usize,
    /// Chunks and pieces in the queues of sockets.
    pub queued: usize,
}
