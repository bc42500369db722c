//! What runs a shard's turns: a pinned executor of glommio's, or a plain thread.
//!
//! The ring owns the sleep in both. glommio's executor gets its turn when another thread left
//! something, and at the end of every slice; its own timers and channels may therefore wait a
//! slice, and nothing that matters goes through them.

use super::probe::{self, Obstacle};
use super::{Io, Reactor};
use crate::io::Settings;
use crate::io::clock;
use glommio::{LocalExecutorBuilder, Placement};
use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use std::thread::{Builder, JoinHandle};

/// Registered buffers of glommio's own, which the shard does not use: its least.
const GLOMMIO_MEMORY: usize = 64 * 1024;

/// What runs a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hosting {
    /// A pinned executor of glommio's.
    Glommio,
    /// A plain thread: glommio would not start, most often for lack of lockable memory.
    Thread,
}

/// How a shard ended.
#[derive(Debug)]
pub enum Ended {
    /// Its main future ended and all was closed.
    Drained,
    /// Its main future ended, but some connections had to be cut.
    Cut,
    /// It never began.
    Refused(Obstacle),
}

/// Starts a shard on a thread of its own, pinned to `cpu`, and runs `main` on it. The shard ends
/// when `main` does: tasks that are left are dropped, connections are closed.
pub fn launch<M, F>(cpu: Option<usize>, settings: Settings, main: M) -> std::io::Result<JoinHandle<Ended>>
where
    M: FnOnce(Io) -> F + Send + 'static,
    F: Future<Output = ()> + 'static,
{
    let name = cpu.map_or_else(|| "shard".to_owned(), |cpu| format!("shard-{cpu}"));
    Builder::new().name(name).spawn(move || run(cpu, settings, main))
}

fn run<M, F>(cpu: Option<usize>, settings: Settings, main: M) -> Ended
where
    M: FnOnce(Io) -> F,
    F: Future<Output = ()> + 'static,
{
    let placement = cpu.map_or(Placement::Unbound, Placement::Fixed);
    let executor = LocalExecutorBuilder::new(placement).io_memory(GLOMMIO_MEMORY).make();
    match executor {
        Ok(executor) => executor.run(async move {
            let shard = match Shard::start(settings, main, Hosting::Glommio) {
                Ok(shard) => shard,
                Err(obstacle) => return Ended::Refused(obstacle),
            };
            shard.run_in_glommio().await
        }),
        Err(_) => {
            pin(cpu);
            match Shard::start(settings, main, Hosting::Thread) {
                Ok(shard) => shard.run_alone(),
                Err(obstacle) => Ended::Refused(obstacle),
            }
        }
    }
}

/// Pins this thread. Failing that it runs anywhere, which costs speed and nothing else.
fn pin(cpu: Option<usize>) {
    if let Some(cpu) = cpu {
        let mut set = rustix::thread::CpuSet::new();
        set.set(cpu);
        rustix::thread::sched_setaffinity(None, &set).ok();
    }
}

struct Shard {
    reactor: Reactor,
    settings: Settings,
    done: Rc<Cell<bool>>,
}

impl Shard {
    fn start<M, F>(settings: Settings, main: M, hosting: Hosting) -> Result<Shard, Obstacle>
    where
        M: FnOnce(Io) -> F,
        F: Future<Output = ()> + 'static,
    {
        let reactor = Reactor::new(settings.clone()).map_err(|error| probe::explain(&error))?;
        reactor.hosted_by(hosting);
        let done = Rc::new(Cell::new(false));
        let (main, finished) = (main(reactor.io()), done.clone());
        reactor.io().spawn(async move {
            main.await;
            finished.set(true);
        });
        Ok(Shard { reactor, settings, done })
    }

    fn turn(&self) -> bool {
        let Settings { slice, spin, .. } = self.settings;
        let turned = self.reactor.turn(slice);
        if turned.control || turned.work == 0 || spin.is_zero() {
            return turned.control;
        }
        self.reactor.spin(spin, slice)
    }

    async fn run_in_glommio(self) -> Ended {
        let mut yielded = clock::kernel_now();
        while !self.done.get() {
            let control = self.turn();
            // The clock of the turn is good enough, and free.
            let now = self.reactor.io().now();
            if control || now.since(yielded) >= self.settings.slice {
                glommio::executor().yield_task_queue_now().await;
                yielded = now;
            }
        }
        self.end()
    }

    fn run_alone(self) -> Ended {
        while !self.done.get() {
            self.turn();
        }
        self.end()
    }

    fn end(self) -> Ended {
        if self.reactor.shut_down() { Ended::Drained } else { Ended::Cut }
    }
}

/// Runs a future to its end on this thread, with a shard of its own and no host: for tools.
pub fn block_on<M, F>(settings: Settings, main: M) -> Ended
where
    M: FnOnce(Io) -> F,
    F: Future<Output = ()> + 'static,
{
    match Shard::start(settings, main, Hosting::Thread) {
        Ok(shard) => shard.run_alone(),
        Err(obstacle) => Ended::Refused(obstacle),
    }
}
