//! The turn. Knows nothing of who calls it.

use super::host::Hosting;
use super::{Core, Io, setup};
use crate::io::clock;
use crate::io::{Settings, Stats};
use std::io;
use std::rc::Rc;
use std::time::Duration;

/// Polls of tasks per turn, so that completions get their turn too.
const POLLS_PER_TURN: usize = 4096;
/// Ready tasks up to which each one's sends go out behind its own poll: the first need not wait for
/// the last. With more of them, to enter the kernel so often costs more than it saves.
const EARLY_MAX: usize = 8;
/// How long a shutdown may take beyond the linger time.
const SHUTDOWN_SLACK: Duration = Duration::from_secs(1);

/// Drives one shard. Belongs to the thread that made it.
#[derive(Debug)]
pub struct Reactor {
    core: Rc<Core>,
}

/// What a turn saw.
#[derive(Debug, Clone, Copy, Default)]
pub struct Turned {
    /// Completions and polls of the turn: zero means that it only slept.
    pub work: usize,
    /// Another thread left something, so the host may have something to do as well.
    pub control: bool,
}

impl Reactor {
    /// A shard on this thread.
    pub fn new(settings: Settings) -> io::Result<Reactor> {
        setup::patiently(|| Core::new(settings.clone())).map(|core| Reactor { core })
    }

    /// The door of the shard.
    #[must_use]
    pub fn io(&self) -> Io {
        Io { core: self.core.clone() }
    }

    pub(super) fn hosted_by(&self, hosting: Hosting) {
        self.core.hosting.set(hosting);
    }

    /// One turn: submit, sleep for at most `wait`, handle completions, fire timers, run tasks,
    /// issue their sends.
    pub fn turn(&self, wait: Duration) -> Turned {
        let local = &self.core.local;
        let (completions, control) = {
            let mut kernel = self.core.kernel();
            // What was submitted early has mostly completed, and that alone is no reason to stay awake.
            let early = kernel.complete();
            let busy = !local.tasks.is_idle() || local.alarm.is_pending() || kernel.is_behind();
            let sleep = if busy { Duration::ZERO } else { local.timers.until_next().map_or(wait, |next| next.min(wait)) };
            kernel.enter(sleep);
            kernel.pass_time(clock::kernel_now());
            let completions = early + kernel.complete();
            kernel.stats.turns += 1;
            (completions, local.attend())
        };
        let polls = self.run();
        Turned { work: completions + polls, control }
    }

    /// Runs tasks and queues their sends; the last of them go out with the next turn.
    fn run(&self) -> usize {
        let tasks = &self.core.local.tasks;
        let part = if tasks.queued() <= EARLY_MAX { 1 } else { POLLS_PER_TURN };
        let mut polls = 0;
        loop {
            polls += tasks.run(part);
            let mut kernel = self.core.kernel();
            kernel.flush();
            if tasks.is_idle() || polls >= POLLS_PER_TURN {
                kernel.stats.polls += polls as u64;
                return polls;
            }
            kernel.submit();
        }
    }

    /// Turns without sleeping until nothing has happened for `spin`, for `slice` at most. True if
    /// another thread left something.
    pub fn spin(&self, spin: Duration, slice: Duration) -> bool {
        let mut now = clock::kernel_now();
        let end = now + slice;
        let mut until = now + spin;
        while now < until.min(end) {
            let turned = self.turn(Duration::ZERO);
            if turned.control {
                return true;
            }
            // Of the turn: another look at the clock would tell little more.
            now = self.core.local.timers.now();
            if turned.work > 0 {
                until = now + spin;
            }
        }
        false
    }

    /// What the shard has done and holds.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.core.stats()
    }

    /// Stops accepting, drops every task, and turns until all sockets are closed or the linger
    /// time is over. What was queued for sending still goes out. True if nothing was left.
    #[must_use]
    pub fn shut_down(self) -> bool {
        let io = self.io();
        let linger = io.settings().linger;
        io.stop_listening();
        self.core.local.tasks.abort_all();
        io.unpark_all();
        let until = clock::kernel_now() + linger + SHUTDOWN_SLACK;
        loop {
            self.core.drop_unclaimed();
            let stats = self.core.stats();
            if stats.operations == 0 {
                return true;
            }
            // One operation remains to the end: the read of the eventfd.
            if stats.sockets == 0 && stats.operations == 1 && io.listeners() == 0 {
                self.core.kernel().ignore_event();
            }
            if clock::kernel_now() >= until {
                return false;
            }
            self.turn(Duration::from_millis(10));
        }
    }
}
