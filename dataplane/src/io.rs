//! The one door to the kernel and the clock.
//!
//! Two worlds stand behind it and both are always compiled. [`ring`] is the product: one io_uring
//! per shard, multishot accept and receive, buffers provided to the kernel, direct descriptors.
//! [`fake`] is the simulator of the unit tests: a virtual clock, scripted providers, a seed. The
//! rest of the crate names neither; it uses [`Io`], [`Stream`] and their kin, which are the world
//! of the build. The signatures carry no type parameter, so the walk reads as plain code.
//!
//! What both worlds have in common lives beside them: tasks and their wakers, the timer wheel,
//! received buffers, the arena of bodies. Everything belongs to one thread; only a [`Bell`] and a
//! task's waker may leave it.
//!
//! Rules that hold here and must not be given up:
//! - A future owns nothing that the kernel may touch, so any future may be dropped at any time.
//! - Everything has a bound: descriptors, buffers, queued bytes, tasks, completions per turn.
//! - No other module names io_uring, glommio or the clock.

mod alarm;
mod arena;
mod clock;
mod errno;
mod group;
mod links;
mod local;
mod piece;
mod pool;
mod region;
mod settings;
mod tasks;
mod timers;
mod waker;

pub mod fake;
pub mod ring;

#[cfg(test)]
pub use fake as world;
#[cfg(not(test))]
pub use ring as world;

pub use alarm::Bell;
pub use arena::{Arena, Block};
pub use clock::{Instant, Wall};
pub use errno::Errno;
pub use group::Chunk;
pub use local::Local;
pub use piece::Piece;
pub use pool::TaskPool;
pub use ring::host;
pub use ring::probe::{Capabilities, Obstacle, probe};
pub use settings::{Settings, Stats};
pub use tasks::TaskId;
pub use timers::Deadline;
pub use world::{Accepted, Connect, Io, SECURES, Stream, Woken};

/// Why a parked connection came back, see `Io::woken`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Bytes are waiting to be received.
    Readable,
    /// The peer closed or reset the connection.
    Closed,
    /// Its time was up, or everything was called back for a drain.
    Expired,
}
