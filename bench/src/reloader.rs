//! Reloads, evenly spread over a time, by a thread that asks the daemon as an operator's script does.

use crate::throwover::{self, Gateway};
use std::{
    fs, io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Between two looks at whether it is to end.
const TICK: Duration = Duration::from_millis(20);

/// How a policy is published that differs from the one before.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    config: PathBuf,
    socket: PathBuf,
    /// Each differs from the other.
    policies: [String; 2],
}

impl Way {
    /// Between two policies of this gateway; it serves the first one.
    pub(crate) fn new(gateway: &Gateway, policies: [String; 2]) -> Way {
        Way { config: gateway.config(), socket: gateway.socket(), policies }
    }

    /// Publishes; how long it took until every shard served it, in milliseconds, as the daemon says.
    fn reload(&self, number: usize) -> io::Result<f64> {
        // Written beside it and moved: nobody reads half a policy.
        let new = self.config.with_extension("new");
        fs::write(&new, &self.policies[number % 2])?;
        fs::rename(&new, &self.config)?;
        let said = throwover::operate(&self.socket, "reload")?;
        let micros = said["slowest_us"].as_f64().filter(|_| said["planes"] == 1);
        Ok(micros.ok_or_else(|| io::Error::other(format!("a reload was not adopted: {said}")))? / 1e3)
    }
}

/// The thread.
#[derive(Debug)]
pub(crate) struct Reloader {
    thread: thread::JoinHandle<io::Result<Vec<f64>>>,
    stop: Arc<AtomicBool>,
}

impl Reloader {
    /// Reloads `count` times within `time`, when `done` reloads have gone before.
    pub(crate) fn start(way: Way, done: usize, count: usize, time: Duration) -> io::Result<Reloader> {
        let (stop, begun) = (Arc::new(AtomicBool::new(false)), Instant::now());
        let stopped = stop.clone();
        let thread = thread::Builder::new().name("reloader".to_owned()).spawn(move || {
            let mut took = Vec::new();
            for number in 0..count {
                while let Some(left) = due(number, count, time).checked_sub(begun.elapsed()).filter(|left| !left.is_zero()) {
                    if stopped.load(Ordering::Relaxed) {
                        return Ok(took);
                    }
                    thread::sleep(left.min(TICK));
                }
                took.push(way.reload(done + number + 1)?);
            }
            Ok(took)
        })?;
        Ok(Reloader { thread, stop })
    }

    pub(crate) fn finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Begins no further reload.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// How long each took, in milliseconds.
    pub(crate) fn join(self) -> io::Result<Vec<f64>> {
        self.stop();
        self.thread.join().map_err(|_| io::Error::other("the reloader panicked"))?
    }
}

/// When a reload is due: in the middle of its share of the time.
fn due(number: usize, count: usize, time: Duration) -> Duration {
    time.mul_f64((number as f64 + 0.5) / count.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::due;
    use std::time::Duration;

    #[test]
    fn reloads_are_spread_evenly() {
        let time = Duration::from_secs(10);
        assert_eq!([0, 1, 4].map(|number| due(number, 5, time).as_millis()), [1_000, 3_000, 9_000]);
        assert!((0..1_000).all(|number| due(number, 1_000, time) < time));
    }
}
