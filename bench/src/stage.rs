//! Load and sink in one thread: whatever is not measured shares one core.

use crate::{
    clock,
    load::{Load, Plan},
    machine,
    sink::Sink,
    socket::{Poll, Ready},
};
use std::{
    io,
    time::{Duration, Instant},
};

/// Set in the tokens of the sink's sockets.
pub(crate) const SINK: u64 = 1 << 63;
/// Bytes received at once.
const SCRATCH: usize = 64 * 1024;

/// The thread's state.
pub(crate) struct Stage {
    poll: Poll,
    ready: Vec<Ready>,
    scratch: Vec<u8>,
    sink: Option<Sink>,
    load: Option<Load>,
}

impl Stage {
    /// Without load and sink.
    pub(crate) fn new() -> io::Result<Stage> {
        machine::wake_in_time()?;
        Ok(Stage { poll: Poll::new()?, ready: Vec::new(), scratch: vec![0; SCRATCH], sink: None, load: None })
    }

    /// Brings a sink, made with this stage's epoll.
    pub(crate) fn place(&mut self, sink: impl FnOnce(&Poll) -> io::Result<Sink>) -> io::Result<()> {
        self.sink = Some(sink(&self.poll)?);
        Ok(())
    }

    /// The sink.
    pub(crate) fn sink(&self) -> Option<&Sink> {
        self.sink.as_ref()
    }

    /// Begins a load; another one ends.
    pub(crate) fn begin(&mut self, plan: Plan) {
        self.load = None;
        self.load = Some(Load::open(plan, clock::now(), &self.poll));
    }

    /// The load.
    pub(crate) fn load(&mut self) -> Option<&mut Load> {
        self.load.as_mut()
    }

    /// Closes the load's connections.
    pub(crate) fn end(&mut self) -> Option<Load> {
        self.load.take()
    }

    /// Waits no longer than `at_most` and does what there is to do.
    pub(crate) fn turn(&mut self, at_most: Duration) -> io::Result<()> {
        let due = self.load.as_ref().map_or(u64::MAX, Load::next_due);
        let due = due.min(self.sink.as_ref().and_then(Sink::next_due).unwrap_or(u64::MAX));
        let wait = at_most.min(Duration::from_nanos(due.saturating_sub(clock::now())));
        let mut ready = std::mem::take(&mut self.ready);
        self.poll.wait(wait, &mut ready)?;
        // One look at the clock for each turn would make answers of one batch equally late;
        // they are, since they are all read now.
        let mut now = clock::now();
        for &ready in &ready {
            if ready.token & SINK != 0 {
                if let Some(sink) = &mut self.sink {
                    sink.ready(ready, now, &self.poll, &mut self.scratch);
                }
            } else if let Some(load) = &mut self.load {
                now = clock::now();
                load.ready(ready, now, &self.poll, &mut self.scratch);
            }
        }
        self.ready = ready;
        let now = clock::now();
        if let Some(sink) = &mut self.sink {
            sink.tick(now, &self.poll);
        }
        if let Some(load) = &mut self.load {
            load.tick(now, &self.poll);
        }
        Ok(())
    }

    /// Goes on for so long; returns how long it was.
    pub(crate) fn run(&mut self, time: Duration) -> io::Result<Duration> {
        let begun = Instant::now();
        loop {
            let gone = begun.elapsed();
            if gone >= time {
                return Ok(gone);
            }
            self.turn(time - gone)?;
        }
    }

    /// Goes on until something is so, looked at every millisecond or so; false when it took longer than `patience`.
    pub(crate) fn until(&mut self, patience: Duration, mut what: impl FnMut(&mut Stage) -> bool) -> io::Result<bool> {
        let begun = Instant::now();
        while begun.elapsed() < patience {
            if what(self) {
                return Ok(true);
            }
            self.turn(Duration::from_millis(1))?;
        }
        Ok(false)
    }
}
