//! The product's world: one io_uring per shard.
//!
//! A turn submits what was queued and sleeps until something completes, handles the completions,
//! polls the tasks that they woke, and issues the sends of those tasks. See [`host`] for what runs
//! the turns.
//!
//! Order matters in four places, and each was a bug somewhere before it was a rule:
//! a socket is closed only after the last completions of its receive and its send, because an
//! armed operation keeps the socket open and no FIN goes out; a slot's generation changes with its
//! close; memory given to a send stays in the slot, not in a future; and a task runs only when no
//! borrow of the kernel's side is alive.

mod accept;
mod completion;
pub mod host;
mod kernel;
mod park;
pub mod probe;
mod provided;
mod reactor;
mod request;
mod send;
mod setup;
#[cfg(test)]
mod shim;
mod socket;
mod spill;
mod stream;

#[cfg(test)]
mod tests;

use crate::io::alarm::Alarm;
use crate::io::clock::{self, Clock};
use crate::io::local::Local;
use crate::io::{Settings, Stats};
use host::Hosting;
use kernel::Kernel;
use rustix::event::{EventfdFlags, eventfd};
use std::cell::{Cell, RefCell, RefMut};
use std::fmt;
use std::io;
use std::ops::Deref;
use std::rc::Rc;

pub use accept::Accepted;
pub use park::Woken;
pub use reactor::Reactor;
pub use request::Connect;
pub use setup::Mode;
pub use stream::Stream;

/// Origins with TLS speak TLS in this world.
pub const SECURES: bool = true;

/// One shard's own.
pub(super) struct Core {
    local: Rc<Local>,
    kernel: RefCell<Kernel>,
    hosting: Cell<Hosting>,
}

impl fmt::Debug for Core {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Core {{ {:?} }}", self.local.tasks)
    }
}

impl Core {
    fn new(settings: Settings) -> io::Result<Rc<Core>> {
        // A descriptor of its own per shard; the ring reads it, so it need not be non-blocking.
        let alarm = Alarm::new(Some(eventfd(0, EventfdFlags::CLOEXEC)?));
        let seed = match settings.seed {
            0 => system_seed(),
            seed => seed,
        };
        let local = Rc::new(Local::new(Clock::kernel(), clock::kernel_now(), seed, alarm));
        let kernel = RefCell::new(Kernel::new(settings, local.clone())?);
        Ok(Rc::new(Core { local, kernel, hosting: Cell::new(Hosting::Thread) }))
    }

    fn kernel(&self) -> RefMut<'_, Kernel> {
        self.kernel.borrow_mut()
    }

    fn stats(&self) -> Stats {
        let kernel = self.kernel.borrow();
        Stats {
            operations: kernel.operations,
            sockets: kernel.open,
            parked: kernel.parked,
            tasks: self.local.tasks.live(),
            timers: self.local.timers.armed(),
            small_lent: kernel.groups[0].group.lent(),
            large_lent: kernel.groups[1].group.lent(),
            spill_lent: kernel.spill.lent(),
            queued: kernel.chunks.used() + kernel.pieces.used(),
            ..kernel.stats
        }
    }
}

/// A seed that differs between shards and starts.
fn system_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(clock::kernel_now())
}

/// A shard's door. Cloning it is cheap; it belongs to its thread. What concerns no socket is in
/// [`Local`], to which it dereferences.
#[derive(Debug, Clone)]
pub struct Io {
    core: Rc<Core>,
}

impl Deref for Io {
    type Target = Local;

    fn deref(&self) -> &Local {
        &self.core.local
    }
}

impl Io {
    /// What the shard has done and holds.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.core.stats()
    }

    /// What runs the shard.
    #[must_use]
    pub fn hosting(&self) -> Hosting {
        self.core.hosting.get()
    }

    /// The settings that the shard was made with.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.core.kernel().settings.clone()
    }
}
