//! What a load has counted, second by second, added up and logged by a thread of its own.
//!
//! Adding histograms and compressing them takes a millisecond, which a load that keeps a schedule
//! does not have. It exchanges a full tally for an empty one and goes on; when no empty one has
//! come back yet, the interval becomes longer and nothing is lost.

use crate::{clock, tally::Tally};
use hdrhistogram::serialization::{
    V2DeflateSerializer,
    interval_log::{IntervalLogWriterBuilder, Tag},
};
use serde_json::{Value, json};
use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::PathBuf,
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    thread,
    time::{Duration, SystemTime},
};

/// Empty tallies that wait for the load.
const SPARES: usize = 2;
/// Seconds between two lines of progress.
const PROGRESS_S: f64 = 5.0;
/// Interval maxima in the log are in milliseconds, as other tools write them.
const MAX_DIVISOR: f64 = 1e6;

/// One interval on its way to the thread.
struct Interval {
    at_ns: u64,
    length_ns: u64,
    tally: Tally,
}

/// One interval, in figures.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Second {
    /// Since the begin.
    pub(crate) at_s: f64,
    pub(crate) length_s: f64,
    pub(crate) answers: u64,
    pub(crate) errors: u64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) max_us: f64,
}

impl Second {
    fn of(interval: &Interval) -> Second {
        let latency = &interval.tally.latency;
        Second {
            at_s: interval.at_ns as f64 / 1e9,
            length_s: interval.length_ns as f64 / 1e9,
            answers: interval.tally.answers,
            errors: interval.tally.errors(),
            p50_us: latency.at(0.5),
            p99_us: latency.at(0.99),
            max_us: latency.at(1.0),
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "at_s": self.at_s, "length_s": self.length_s, "answers": self.answers, "errors": self.errors,
            "p50_us": self.p50_us, "p99_us": self.p99_us, "max_us": self.max_us,
        })
    }

    /// `None` when something is missing.
    pub(crate) fn read(value: &Value) -> Option<Second> {
        let number = |name: &str| value[name].as_f64();
        Some(Second {
            at_s: number("at_s")?,
            length_s: number("length_s")?,
            answers: value["answers"].as_u64()?,
            errors: value["errors"].as_u64()?,
            p50_us: number("p50_us")?,
            p99_us: number("p99_us")?,
            max_us: number("max_us")?,
        })
    }
}

/// Everything, at the end.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) whole: Tally,
    pub(crate) seconds: Vec<Second>,
}

/// Where it is logged to, and what the first line of the log says.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) path: PathBuf,
    pub(crate) comment: String,
    pub(crate) begun: SystemTime,
}

/// The thread, and the way to it.
pub(crate) struct Intervals {
    full: SyncSender<Interval>,
    spare: Receiver<Tally>,
    thread: thread::JoinHandle<io::Result<Kept>>,
}

impl Intervals {
    /// Starts the thread; it stays behind whatever else runs here.
    pub(crate) fn start(log: Option<Log>, progress: bool) -> io::Result<Intervals> {
        let (full, arrived) = sync_channel(SPARES);
        let (back, spare) = sync_channel(SPARES);
        for _ in 0..SPARES {
            back.try_send(Tally::new()).map_err(|_| io::Error::other("no room for an empty tally"))?;
        }
        let thread = thread::Builder::new().name("intervals".to_owned()).spawn(move || {
            // Of this thread only. Where it is refused, the thread is as nice as the others.
            rustix::process::setpriority_process(None, 19).ok();
            keep(log, progress, &arrived, &back)
        })?;
        Ok(Intervals { full, spare, thread })
    }

    /// Exchanges the tally for an empty one; false when there is none yet.
    pub(crate) fn exchange(&self, tally: &mut Tally, at_ns: u64, length_ns: u64) -> io::Result<bool> {
        let Ok(empty) = self.spare.try_recv() else {
            return if self.thread.is_finished() { Err(io::Error::other("the log of intervals has ended")) } else { Ok(false) };
        };
        let tally = std::mem::replace(tally, empty);
        match self.full.try_send(Interval { at_ns, length_ns, tally }) {
            Ok(()) => Ok(true),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(io::Error::other("the log of intervals has ended")),
        }
    }

    /// Hands over what is left, and waits for all of it.
    pub(crate) fn finish(self, tally: Tally, at_ns: u64, length_ns: u64) -> io::Result<Kept> {
        // When the thread has ended already, its own error says more.
        self.full.send(Interval { at_ns, length_ns, tally }).ok();
        drop(self.full);
        self.thread.join().map_err(|_| io::Error::other("the log of intervals panicked"))?
    }
}

fn keep(log: Option<Log>, progress: bool, arrived: &Receiver<Interval>, back: &SyncSender<Tally>) -> io::Result<Kept> {
    let Some(log) = log else { return collect(progress, arrived, back, |_| Ok(())) };
    let file = File::create(&log.path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", log.path.display())))?;
    let (mut file, mut serializer) = (BufWriter::new(file), V2DeflateSerializer::new());
    let kept = {
        let mut builder = IntervalLogWriterBuilder::new();
        builder.add_comment(&log.comment).with_start_time(log.begun).with_base_time(log.begun).with_max_value_divisor(MAX_DIVISOR);
        let mut writer = builder.begin_log_with(&mut file, &mut serializer)?;
        collect(progress, arrived, back, |interval| {
            for (name, times) in interval.tally.spreads() {
                if times.count() > 0 {
                    let (at, length) = (Duration::from_nanos(interval.at_ns), Duration::from_nanos(interval.length_ns));
                    let written = writer.write_histogram(times.histogram(), at, length, Tag::new(name));
                    written.map_err(|error| io::Error::other(format!("{}: {error:?}", log.path.display())))?;
                }
            }
            Ok(())
        })?
    };
    file.flush()?;
    Ok(kept)
}

fn collect(
    progress: bool,
    arrived: &Receiver<Interval>,
    back: &SyncSender<Tally>,
    mut each: impl FnMut(&Interval) -> io::Result<()>,
) -> io::Result<Kept> {
    let mut kept = Kept { whole: Tally::new(), seconds: Vec::new() };
    let mut said = clock::now();
    while let Ok(mut interval) = arrived.recv() {
        each(&interval)?;
        let second = Second::of(&interval);
        kept.whole.add(&interval.tally);
        if progress && (clock::now() - said) as f64 / 1e9 >= PROGRESS_S {
            said = clock::now();
            eprintln!("{}", told(&second, &kept.whole));
        }
        kept.seconds.push(second);
        interval.tally.clear();
        // At the end nobody wants it any more.
        back.try_send(interval.tally).ok();
    }
    Ok(kept)
}

/// A line of progress.
fn told(last: &Second, whole: &Tally) -> String {
    format!(
        "{:.0} s: {:.0} answers/s, p50 {:.0} us, p99 {:.0} us, max {:.0} us in the last {:.1} s; {} answers so far, errors: {}",
        last.at_s + last.length_s,
        last.answers as f64 / last.length_s.max(1e-9),
        last.p50_us,
        last.p99_us,
        last.max_us,
        last.length_s,
        whole.answers,
        if whole.errors.is_empty() { "none".to_owned() } else { whole.errors_text() }
    )
}

#[cfg(test)]
mod tests {
    use super::{Intervals, Log, Second};
    use crate::{outcome, tally::Tally};
    use std::time::SystemTime;

    #[test]
    fn the_log_read_back_is_what_was_counted() {
        let folder = std::env::temp_dir().join(format!("throwover-bench-intervals-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for temporary files");
        let log = Log { path: folder.join("run.hlog"), comment: "test".to_owned(), begun: SystemTime::now() };
        let path = log.path.clone();
        let intervals = Intervals::start(Some(log), false).expect("a thread");
        let mut tally = Tally::new();
        let (mut sent, mut expected) = (0_u64, 0);
        while sent < 20 {
            for value in 1..=100_u64 {
                tally.latency.record((sent + 1) * value * 1_000);
                tally.answers += 1;
                expected += 1;
            }
            // False only while the thread is behind; then this interval grows.
            intervals.exchange(&mut tally, sent * 1_000_000_000, 1_000_000_000).expect("the thread lives");
            sent += 1;
        }
        let kept = intervals.finish(tally, sent * 1_000_000_000, 500_000_000).expect("written");
        assert_eq!((kept.whole.answers, kept.whole.latency.count()), (expected, expected));
        assert_eq!(kept.seconds.iter().map(|second| second.answers).sum::<u64>(), expected);
        let read = outcome::histograms(&path).expect("readable");
        assert_eq!(read.keys().collect::<Vec<_>>(), ["latency"]);
        let latency = &read["latency"];
        assert_eq!(latency.len(), expected);
        for share in [0.5, 0.9, 0.99, 1.0] {
            assert_eq!(latency.value_at_quantile(share) as f64 / 1e3, kept.whole.latency.at(share));
        }
        std::fs::remove_dir_all(&folder).expect("it was made above");
    }

    #[test]
    fn a_second_survives_its_json() {
        let second = Second { at_s: 3.0, length_s: 1.25, answers: 9, errors: 1, p50_us: 4.5, p99_us: 8.0, max_us: 1e6 };
        assert_eq!(Second::read(&second.json()), Some(second));
        assert_eq!(Second::read(&serde_json::json!({"at_s": 1})), None);
    }
}
