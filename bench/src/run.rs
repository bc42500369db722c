//! One run: requests through something, at a rate or as fast as they are answered, and a folder
//! with everything that was measured.

use crate::{
    canned::{self, Asking},
    check::Expected,
    child::Place,
    clock,
    commands::{self, Places},
    intervals::{Intervals, Kept, Log},
    load::{Pace, Plan},
    machine, outcome, peers, provenance,
    sink::Answers,
    stage::Stage,
    tally::Tally,
    through::{self, Set, Through, Upstream},
};
use clap::Args;
use serde_json::{Value, json};
use std::{
    fs, io,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, SystemTime},
};

/// Length of an interval.
const INTERVAL_NS: u64 = 1_000_000_000;
/// Longer than this nothing runs: the list of its seconds is held in memory.
const SECONDS_MAX: f64 = 86_400.0;
/// Runs that take longer tell of their progress.
const QUIET_S: f64 = 8.0;
/// A schedule whose late starts are later than this says more of the machine than of the gateway.
const LATENESS_MAX_US: f64 = 1_000.0;

/// The command line.
#[derive(Debug, Args)]
pub(crate) struct Line {
    /// What stands between load and sink
    #[arg(long, value_enum, default_value_t = Through::Throwover, conflicts_with = "url")]
    through: Through,
    /// Whether the sink is reached over TLS
    #[arg(long, value_enum, default_value_t = Upstream::Plain, conflicts_with = "url")]
    upstream: Upstream,
    /// Anything that listens already; nothing is started
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Requests in a second by a fixed schedule; without it each connection asks as soon as it is answered
    #[arg(long, value_name = "PER_SECOND")]
    rate: Option<f64>,
    /// Connections
    #[arg(long, default_value_t = 64, value_name = "COUNT")]
    connections: usize,
    /// How long
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// How long before anything is counted
    #[arg(long, default_value_t = 1.0, value_name = "SECONDS")]
    warm_up: f64,
    /// Size of a request's body
    #[arg(long, default_value_t = 1024, value_name = "BYTES")]
    request_bytes: usize,
    /// Size of an answer's body; 1024, but with --url only the shape is checked when it is left out
    #[arg(long, value_name = "BYTES")]
    answer_bytes: Option<usize>,
    /// Ask for streams
    #[arg(long)]
    stream: bool,
    /// Events with content of a stream; 64, but with --url only the shape is checked when it is left out
    #[arg(long, value_name = "COUNT", requires = "stream")]
    events: Option<usize>,
    /// Between two events of the sink; 0 sends a stream at once
    #[arg(long, default_value_t = 5.0, value_name = "MILLISECONDS")]
    interval_ms: f64,
    /// Key of the tenant, with --url
    #[arg(long, requires = "url", default_value = "", hide_default_value = true)]
    key: String,
    /// Model that is asked for, with --url
    #[arg(long, requires = "url", default_value = canned::MODEL)]
    model: String,
    /// A request that takes longer is an error
    #[arg(long, default_value_t = 30.0, value_name = "SECONDS")]
    timeout: f64,
    /// Folder for percentiles, interval log and figures; made when it is not there
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// What the run is called in reports; the folder's name, when it is left out
    #[arg(long, default_value = "", hide_default_value = true)]
    name: String,
    /// HAProxy
    #[arg(long, default_value = "/usr/sbin/haproxy", value_name = "FILE")]
    haproxy: PathBuf,
    #[command(flatten)]
    places: Places,
}

impl Line {
    fn check(&self) -> io::Result<()> {
        let wrong = |what: &str| Err(io::Error::other(what.to_owned()));
        if self.connections == 0 || self.rate.is_some_and(|rate| !rate.is_finite() || rate <= 0.0) {
            return wrong("--connections and --rate must be more than 0");
        }
        if !(self.seconds > 0.0 && self.seconds <= SECONDS_MAX) {
            return wrong("--seconds must be more than 0 and no more than a day");
        }
        if self.events.is_some_and(|events| events > 1_000_000) {
            return wrong("--events must be no more than a million");
        }
        Ok(())
    }

    fn answers(&self) -> io::Result<Answers> {
        let (bytes, events) = (self.answer_bytes.unwrap_or(1_024), self.events.unwrap_or(64));
        Ok(Answers { bytes, events, interval: commands::seconds(self.interval_ms / 1e3)? })
    }

    fn set(&self, stage: &mut Stage) -> io::Result<Set> {
        let Some(url) = &self.url else {
            let wanted = through::Wanted {
                through: self.through,
                upstream: self.upstream,
                answers: self.answers()?,
                connections: self.connections,
                stream: self.stream,
                place: Place { cpu: Some(self.places.proxy_cpu), first: false, last: false },
                keep: self.places.keep,
                nginx: self.places.nginx.clone(),
                haproxy: self.haproxy.clone(),
                binaries: self.places.binaries.clone().unwrap_or_else(peers::here),
            };
            return through::start(&wanted, stage);
        };
        let mut set = through::url(url)?;
        (set.key, set.model) = (self.key.clone(), self.model.clone());
        Ok(set)
    }

    /// What answers are compared with: what our own sink sends, or else their shape.
    fn expected(&self) -> io::Result<Expected> {
        let (answers, ours) = (self.answers()?, self.url.is_none());
        Ok(if self.stream {
            Expected::Stream((ours || self.events.is_some()).then(|| canned::stream(answers.events).into()))
        } else {
            Expected::Json((ours || self.answer_bytes.is_some()).then(|| canned::completion(answers.bytes)))
        })
    }

    fn described(&self) -> io::Result<Value> {
        let answers = self.answers()?;
        Ok(json!({
            "rate": self.rate, "connections": self.connections, "seconds": self.seconds, "stream": self.stream,
            "request_bytes": self.request_bytes, "answer_bytes": answers.bytes, "events": answers.events, "interval_ms": self.interval_ms,
            "upstream": self.url.is_none().then_some(if self.upstream == Upstream::Tls { "tls" } else { "plain" }),
            "compared": if matches!(self.expected()?, Expected::Json(None) | Expected::Stream(None)) { "shape" } else { "every byte" },
        }))
    }
}

/// Runs, prints, and writes the folder.
pub(crate) fn run(line: &Line) -> io::Result<ExitCode> {
    line.check()?;
    if let Some(folder) = &line.out {
        fs::create_dir_all(folder)?;
    }
    machine::raise_files(2 * line.connections as u64 + 1_024);
    let mut stage = Stage::new()?;
    let mut set = line.set(&mut stage)?;
    // Before this thread is pinned: the log of intervals may be on any core.
    let begun = SystemTime::now();
    let comment = format!("throwover-bench run, values in nanoseconds, {}", machine::described());
    let log = line.out.as_ref().map(|folder| Log { path: folder.join(outcome::LOG), comment, begun });
    let intervals = Intervals::start(log, line.seconds > QUIET_S)?;
    machine::pin(line.places.load_cpu)?;
    // The pool is filled one or two connections a turn.
    stage.run(Duration::from_millis(500))?;
    let measured = measure(line, &mut stage, &set, intervals)?;
    set.still_up()?;
    let (text, figures) = told(line, &set, &measured)?;
    if let Some(folder) = &line.out {
        outcome::write(folder, &figures, &measured.kept.whole)?;
    }
    commands::print(line.places.format, (text, figures))?;
    let good = measured.kept.whole.errors() == 0 && measured.unanswered == 0 && measured.kept.whole.answers > 0;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What one run has given.
struct Measured {
    kept: Kept,
    begun_unix: f64,
    elapsed: Duration,
    unanswered: usize,
    cpu_ns: Option<u64>,
    warm_up_errors: String,
}

fn measure(line: &Line, stage: &mut Stage, set: &Set, intervals: Intervals) -> io::Result<Measured> {
    let asking =
        Asking { path: &set.path, host: &set.host, key: &set.key, model: &set.model, bytes: line.request_bytes, stream: line.stream };
    let timeout = commands::seconds(line.timeout)?;
    stage.begin(Plan {
        to: set.to,
        request: canned::request(&asking),
        expected: line.expected()?,
        connections: line.connections,
        pace: line.rate.map_or(Pace::Closed, |per_second| Pace::Open { per_second }),
        timeout_ns: timeout.as_nanos() as u64,
    });
    stage.run(commands::seconds(line.warm_up)?)?;
    let gone = || io::Error::other("no load");
    let warm_up_errors = stage.load().ok_or_else(gone)?.tally.errors_text();
    let used = machine::usage(&set.pids)?;
    let (begun, begun_unix) = (clock::now(), clock::unix());
    stage.load().ok_or_else(gone)?.begin();
    let end = begun + (line.seconds * 1e9) as u64;
    let (mut from, mut edge) = (begun, begun);
    while clock::now() < end {
        edge = (edge + INTERVAL_NS).min(end);
        stage.run(Duration::from_nanos(edge.saturating_sub(clock::now())))?;
        let now = clock::now();
        if edge < end {
            match intervals.exchange(&mut stage.load().ok_or_else(gone)?.tally, from - begun, now - from) {
                Ok(true) => from = now,
                Ok(false) => {}
                // Why the log has ended, it knows best itself.
                Err(ended) => return Err(intervals.finish(Tally::new(), 0, 0).err().unwrap_or(ended)),
            }
        }
    }
    stage.load().ok_or_else(gone)?.stop();
    stage.until(timeout, |stage| stage.load().is_none_or(|load| load.under_way() == 0))?;
    let now = clock::now();
    let used = machine::usage(&set.pids)?.since(&used);
    let load = stage.end().ok_or_else(gone)?;
    let unanswered = load.under_way();
    let kept = intervals.finish(load.tally, from - begun, now - from)?;
    let cpu_ns = (!set.pids.is_empty()).then_some(used.run_ns);
    Ok(Measured { kept, begun_unix, elapsed: Duration::from_nanos(now - begun), unanswered, cpu_ns, warm_up_errors })
}

/// The text, and all figures.
fn told(line: &Line, set: &Set, measured: &Measured) -> io::Result<(String, Value)> {
    let whole = &measured.kept.whole;
    let mut text = format!("{}\n{}: {}\n", machine::described(), set.described, line.described()?);
    text.push_str(&whole.text(measured.elapsed));
    let mut figures = whole.json(measured.elapsed);
    figures["unanswered"] = json!(measured.unanswered);
    if let Some(cpu) = measured.cpu_ns {
        let each = cpu as f64 / 1e3 / whole.answers.max(1) as f64;
        figures["proxy_cpu_us_per_answer"] = json!(each);
        text.push_str(&format!("CPU time of the proxy: {each:.2} us for each answer\n"));
        let events = whole.first_event.count() + whole.gap.count();
        if events > 0 {
            let each = cpu as f64 / 1e3 / events as f64;
            figures["proxy_cpu_us_per_event"] = json!(each);
            text.push_str(&format!("CPU time of the proxy: {each:.3} us for each event\n"));
        }
    }
    let late = whole.lateness.at(0.99);
    if line.rate.is_some() && late > LATENESS_MAX_US {
        let warning = format!("the generator itself was late: p99 {late:.0} us; these latencies are partly its own");
        text.push_str(&format!("beware: {warning}\n"));
        figures["warning"] = json!(warning);
    }
    if !measured.warm_up_errors.is_empty() {
        text.push_str(&format!("errors while it warmed up, not counted: {}\n", measured.warm_up_errors));
    }
    if measured.unanswered > 0 {
        text.push_str(&format!("{} requests had no answer yet when it ended\n", measured.unanswered));
    }
    let value = json!({
        "format": 1,
        "name": line.name,
        "command": command(std::env::args()),
        "begun_unix_s": measured.begun_unix,
        "machine": provenance::machine(),
        "commit": provenance::commit(),
        "through": set.described,
        "work": line.described()?,
        "warm_up_errors": measured.warm_up_errors,
        "figures": figures,
        "seconds": measured.kept.seconds.iter().map(crate::intervals::Second::json).collect::<Vec<_>>(),
    });
    Ok((text, value))
}

/// The command without the tenant's key.
fn command(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut hidden = false;
    let each = words.map(|word| {
        let now = std::mem::replace(&mut hidden, word == "--key");
        if now || word.starts_with("--key=") { "(key)".to_owned() } else { word }
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::command;

    #[test]
    fn a_key_is_not_kept() {
        let shown = |words: &[&str]| command(words.iter().map(|&word| word.to_owned())).join(" ");
        assert_eq!(shown(&["run", "--key", "secret", "--rate", "5"]), "run --key (key) --rate 5");
        assert_eq!(shown(&["run", "--key=secret", "--rate", "5"]), "run (key) --rate 5");
    }
}
