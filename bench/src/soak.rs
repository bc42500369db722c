//! A mixed load for minutes, with everything that could leave something behind: connections that
//! come and go, tenants that hang up, targets that fail, reloads. Memory is looked at every second.

use crate::{
    alone::{self, Alone},
    canned::{self, Asking},
    check::Expected,
    commands::{self, Places},
    load::{Pace, Plan},
    machine, peers,
    reloader::{self, Reloader},
    sink::{Answers, Failing, Failure},
    stage::Stage,
    tally::Tally,
    throwover,
    trend::{self, Trend, Verdict},
    way,
};
use clap::Args;
use serde_json::{Value, json};
use std::{
    fmt::Write as _,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

#[cfg(test)]
mod tests;

/// Answers and streams of the sink.
const BYTES: usize = 1_024;
const EVENTS: usize = 32;
const INTERVAL: Duration = Duration::from_millis(10);
/// Longer than this nothing runs: the samples are held in memory.
const MINUTES_MAX: f64 = 1_440.0;
/// Share of the samples at the beginning that is no part of the trend: pools fill, pages are touched.
const SETTLING: f64 = 0.2;
/// Growth of up to so many MB in an hour is none.
const FLAT_MB_PER_HOUR: f64 = 1.0;
/// What is under way at the end is waited for so long, and what is left over looked for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Seconds between two lines of progress.
const PROGRESS_S: u64 = 30;
/// A tenant that hangs up waits no longer than this for its first event.
const FIRST_BYTES: Duration = Duration::from_secs(10);
/// What must be nothing once nobody asks any more.
const LEVELS: [&str; 3] = ["downstream_connections_open", "exchanges_in_flight", "body_held_bytes"];
/// What is told beside.
const COUNTERS: [&str; 8] = [
    "exchanges_total",
    "fallbacks_total",
    "hung_up_total",
    "failed_total",
    "cut_streams_total",
    "records_dropped_total",
    "reactor_buffers_starved_total",
    "upstream_connections_total",
];

/// The command line.
#[derive(Debug, Args)]
pub(crate) struct Line {
    /// How long
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// JSON requests in a second, on connections that stay
    #[arg(long, default_value_t = 300.0, value_name = "PER_SECOND")]
    rate: f64,
    /// Streams in a second, 32 events 10 ms apart, over TLS to the provider
    #[arg(long, default_value_t = 40.0, value_name = "PER_SECOND")]
    streams: f64,
    /// Requests in a second with a connection each
    #[arg(long, default_value_t = 20.0, value_name = "PER_SECOND")]
    churn: f64,
    /// Tenants in a second that hang up in mid-stream
    #[arg(long, default_value_t = 5.0, value_name = "PER_SECOND")]
    hang_ups: f64,
    /// Between two reloads
    #[arg(long, default_value_t = 5.0, value_name = "SECONDS")]
    reload_every: f64,
    /// Requests that fail at their first target, in per cent
    #[arg(long, default_value_t = 5.0, value_name = "PER_CENT")]
    failing: f64,
    /// How they fail
    #[arg(long, value_enum, default_value_t = Failure::Cut)]
    failure: Failure,
    #[command(flatten)]
    places: Places,
}

impl Line {
    fn check(&self) -> io::Result<()> {
        let within = |value: f64, most: f64| value > 0.0 && value <= most;
        if !within(self.minutes, MINUTES_MAX) || !within(self.reload_every, 86_400.0) {
            return Err(io::Error::other("--minutes is more than 0 and no more than a day, as is --reload-every"));
        }
        if [self.rate, self.streams, self.churn, self.hang_ups].iter().any(|&rate| !within(rate, 100_000.0)) {
            return Err(io::Error::other("--rate, --streams, --churn and --hang-ups are more than 0 and bounded"));
        }
        if !(0.0..=40.0).contains(&self.failing) {
            return Err(io::Error::other("--failing is at most 40"));
        }
        Ok(())
    }
}

/// One kind of traffic.
#[derive(Clone, Copy, Debug)]
struct Traffic {
    name: &'static str,
    to: SocketAddr,
    model: &'static str,
    stream: bool,
    /// A connection for each request.
    close: bool,
    per_second: f64,
}

/// What it has given.
struct Given {
    name: &'static str,
    tally: Tally,
    unanswered: usize,
    elapsed: Duration,
}

/// One look at the data plane.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sample {
    at_s: f64,
    rss_bytes: u64,
    /// The daemon's, which compiles and keeps what is published.
    daemon_bytes: u64,
    files: usize,
}

/// Memory of one of the two processes.
type Resident = fn(&Sample) -> u64;

/// Whose memory is told, and whether its growth is a failure: the daemon keeps the last events and
/// generations, and grows until it has as many as it keeps, which takes some 2,000 reloads.
const RESIDENT: [(&str, Resident, bool); 2] =
    [("the data plane", |sample| sample.rss_bytes, true), ("the daemon", |sample| sample.daemon_bytes, false)];

/// Everything that was seen.
struct Seen {
    given: Vec<Given>,
    /// Tenants that hung up, and those that could not even ask.
    hung_up: (u64, u64),
    reloads_ms: Vec<f64>,
    samples: Vec<Sample>,
    files: (usize, usize),
    levels: Vec<f64>,
    counters: Vec<f64>,
    idle_upstream: (f64, f64),
}

/// Runs, prints, and fails when something failed, grew, or was left over.
pub(crate) fn run(line: &Line) -> io::Result<ExitCode> {
    line.check()?;
    let mut alone = Alone::start(alone::Wanted {
        answers: Answers { bytes: BYTES, events: EVENTS, interval: INTERVAL },
        failing: Failing { share: line.failing / 100.0, how: line.failure },
        proxy_cpu: line.places.proxy_cpu,
        load_cpu: line.places.load_cpu,
        first_in_line: false,
        keep: line.places.keep,
        binaries: line.places.binaries.clone().unwrap_or_else(peers::here),
    })?;
    let seen = go_on(line, &mut alone)?;
    alone.still_up()?;
    let (text, value, good) = told(line, &seen);
    commands::print(line.places.format, (text, value))?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn go_on(line: &Line, alone: &mut Alone) -> io::Result<Seen> {
    let (pid, time, to) = (alone.plane.pid(), commands::seconds(line.minutes * 60.0)?, alone.gateway.listen);
    let traffic = |name, model, stream, close, per_second| Traffic { name, to, model, stream, close, per_second };
    let idle = |alone: &Alone| alone.gateway.meters(&["upstream_connections_idle"]).map(|found| found[0]);
    let (files_before, idle_before) = (machine::files(pid)?, idle(alone)?);
    let stop = Arc::new(AtomicBool::new(false));
    let mut loads = Vec::new();
    for traffic in [
        traffic("json", throwover::FAILING_PLAIN, false, false, line.rate),
        traffic("streams", throwover::FAILING_TLS, true, false, line.streams),
        traffic("a connection each", throwover::FAILING_PLAIN, false, true, line.churn),
    ] {
        let stop = stop.clone();
        loads.push(thread::Builder::new().name(traffic.name.to_owned()).spawn(move || send(traffic, &stop))?);
    }
    let (stopped, per_second) = (stop.clone(), line.hang_ups);
    let leavers = thread::Builder::new().name("hang-ups".to_owned()).spawn(move || hang_up(to, per_second, &stopped))?;
    let count = ((time.as_secs_f64() / line.reload_every) as usize).max(1);
    let reloader = Reloader::start(reloader::Way::new(&alone.gateway, [alone.policy(0), alone.policy(1)]), 0, count, time)?;

    let (begun, mut samples) = (Instant::now(), Vec::new());
    while begun.elapsed() < time {
        let next = Duration::from_secs(samples.len() as u64 + 1).min(time);
        alone.stage.run(next.saturating_sub(begun.elapsed()))?;
        samples.push(Sample {
            at_s: begun.elapsed().as_secs_f64(),
            rss_bytes: machine::resident(&[pid])?,
            daemon_bytes: machine::resident(&[alone.daemon.pid()])?,
            files: machine::files(pid)?,
        });
        alone.still_up()?;
        if (samples.len() as u64).is_multiple_of(PROGRESS_S) {
            eprintln!("{} s of {}: RSS {:.1} MB", samples.len(), time.as_secs(), samples[samples.len() - 1].rss_bytes as f64 / 1e6);
        }
        // They go on until they are stopped, and the last reload is due half a wait before the end.
        let early = reloader.finished() && begun.elapsed().as_secs_f64() + 2.0 * line.reload_every < time.as_secs_f64();
        if early || loads.iter().any(thread::JoinHandle::is_finished) {
            break;
        }
    }
    stop.store(true, Ordering::Relaxed);
    reloader.stop();
    let ended = alone
        .stage
        .until(PATIENCE, |_| loads.iter().all(thread::JoinHandle::is_finished) && leavers.is_finished() && reloader.finished())?;
    if !ended {
        return Err(io::Error::other("the load did not end in time"));
    }
    let panicked = |_| io::Error::other("a load panicked");
    let given = loads.into_iter().map(|load| load.join().map_err(panicked)?).collect::<io::Result<Vec<_>>>()?;
    let hung_up = leavers.join().map_err(panicked)?;
    let reloads_ms = reloader.join()?;
    let levels = settled(alone)?;
    let counters = alone.gateway.meters(&COUNTERS)?;
    let (files, idle_upstream) = ((files_before, machine::files(pid)?), (idle_before, idle(alone)?));
    Ok(Seen { given, hung_up, reloads_ms, samples, files, levels, counters, idle_upstream })
}

/// What must be nothing, once it is, or when it has not become so.
fn settled(alone: &mut Alone) -> io::Result<Vec<f64>> {
    let begun = Instant::now();
    loop {
        // The shard puts its levels down four times a second.
        alone.stage.run(Duration::from_millis(600))?;
        let levels = alone.gateway.meters(&LEVELS)?;
        if levels.iter().all(|level| *level == 0.0) || begun.elapsed() > PATIENCE {
            return Ok(levels);
        }
    }
}

/// Sends one kind of traffic until it is to stop, and waits for what is under way.
fn send(traffic: Traffic, stop: &AtomicBool) -> io::Result<Given> {
    let mut stage = Stage::new()?;
    let host = traffic.to.to_string();
    let asking =
        Asking { path: canned::PATH, host: &host, key: throwover::TENANT_KEY, model: traffic.model, bytes: BYTES, stream: traffic.stream };
    let request = canned::request(&asking);
    let begun = Instant::now();
    stage.begin(Plan {
        to: traffic.to,
        request: if traffic.close { canned::closing(&request) } else { request },
        expected: if traffic.stream {
            Expected::Stream(Some(canned::stream(EVENTS).into()))
        } else {
            Expected::Json(Some(canned::completion(BYTES)))
        },
        connections: if traffic.close { 8 } else { 64 },
        pace: Pace::Open { per_second: traffic.per_second },
        timeout_ns: way::TIMEOUT_NS,
    });
    while !stop.load(Ordering::Relaxed) {
        stage.run(Duration::from_millis(100))?;
    }
    stage.load().ok_or_else(|| io::Error::other("no load"))?.stop();
    stage.until(PATIENCE / 2, |stage| stage.load().is_none_or(|load| load.under_way() == 0))?;
    let load = stage.end().ok_or_else(|| io::Error::other("no load"))?;
    let unanswered = load.under_way();
    Ok(Given { name: traffic.name, tally: load.tally, unanswered, elapsed: begun.elapsed() })
}

/// Asks for streams and goes away after the first bytes; how many did, and how many got none.
fn hang_up(to: SocketAddr, per_second: f64, stop: &AtomicBool) -> (u64, u64) {
    let host = to.to_string();
    let model = throwover::FAILING_PLAIN;
    let request =
        canned::request(&Asking { path: canned::PATH, host: &host, key: throwover::TENANT_KEY, model, bytes: BYTES, stream: true });
    let once = || -> io::Result<()> {
        let mut stream = TcpStream::connect_timeout(&to, FIRST_BYTES)?;
        stream.set_read_timeout(Some(FIRST_BYTES))?;
        stream.write_all(&request)?;
        let mut first = [0; 64];
        stream.read_exact(&mut first)?;
        if first.starts_with(b"HTTP/1.1 200") { Ok(()) } else { Err(io::Error::other("it is no stream")) }
    };
    let (mut gone, mut failed) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        match once() {
            Ok(()) => gone += 1,
            Err(_) => failed += 1,
        }
        thread::sleep(Duration::from_secs_f64(1.0 / per_second).min(Duration::from_secs(1)));
    }
    (gone, failed)
}

/// Memory over what comes after the settling, in MB by hours.
fn growth(samples: &[Sample], bytes: Resident) -> Option<Trend> {
    let from = (samples.len() as f64 * SETTLING).ceil() as usize;
    let points: Vec<(f64, f64)> = samples.iter().skip(from).map(|sample| (sample.at_s / 3_600.0, bytes(sample) as f64 / 1e6)).collect();
    trend::of(&points)
}

/// What is said of the growth, and whether it is a failure.
fn judged(growth: Option<Trend>) -> (String, bool) {
    let Some(found) = growth else { return ("no trend of so few samples".to_owned(), false) };
    let interval = format!("{:+.2} MB per hour [{:+.2}..{:+.2}, 95 %]", found.slope, found.low, found.high);
    match found.verdict(FLAT_MB_PER_HOUR) {
        Verdict::Flat => (format!("flat: {interval}"), false),
        Verdict::Shrinks => (format!("shrinks: {interval}"), false),
        Verdict::Unsure => (format!("no growth is shown, nor that there is none: {interval}; more --minutes tell"), false),
        Verdict::Grows => (format!("grows by {:.2} MB per hour: {interval}", found.slope), true),
    }
}

/// The text, the same as JSON, and whether all is well.
fn told(line: &Line, seen: &Seen) -> (String, Value, bool) {
    let mut text = format!("{}\n", machine::described());
    let mut say = |words: std::fmt::Arguments<'_>| writeln!(text, "{words}").expect("a string takes everything");
    let mut good = seen.hung_up.1 == 0 && !seen.reloads_ms.is_empty();
    let seconds = seen.samples.last().map_or(0.0, |sample| sample.at_s);
    say(format_args!("{seconds:.0} s; {} % of what the first targets are asked fails ({:?})", line.failing, line.failure));
    let mut given = Vec::new();
    for Given { name, tally, unanswered, elapsed } in &seen.given {
        good &= tally.errors() == 0 && *unanswered == 0 && tally.answers > 0;
        let errors = if tally.errors.is_empty() { "none".to_owned() } else { tally.errors_text() };
        let (p50, p99) = (tally.latency.at(0.5), tally.latency.at(0.99));
        say(format_args!(
            "{name:<18} {:>8} answers, p50 {p50:.0} us, p99 {p99:.0} us; errors: {errors}; without an answer: {unanswered}",
            tally.answers
        ));
        let mut value = tally.json(*elapsed);
        (value["name"], value["unanswered"]) = (json!(name), json!(unanswered));
        given.push(value);
    }
    say(format_args!("{:<18} {:>8} tenants; {} got no stream", "hung up", seen.hung_up.0, seen.hung_up.1));
    say(format_args!("{:<18} {:>8}, adopted after {} ms", "reloads", seen.reloads_ms.len(), crate::figures::spread_text(&seen.reloads_ms)));
    let counters: Vec<String> = COUNTERS.iter().zip(&seen.counters).map(|(name, value)| format!("{name} {value}")).collect();
    say(format_args!("the gateway counted: {}", counters.join(", ")));
    let (mut grows, mut trends) = (false, serde_json::Map::new());
    for (name, bytes, decides) in RESIDENT {
        let growth = growth(&seen.samples, bytes);
        let (verdict, failed) = judged(growth);
        grows |= failed && decides;
        let mb = |sample: Option<&Sample>| sample.map_or(0.0, |sample| bytes(sample) as f64 / 1e6);
        say(format_args!(
            "RSS of {name}: {:.1} MB after a second, {:.1} MB at the end, {:.1} MB at most; the last 80 %: {verdict}",
            mb(seen.samples.first()),
            mb(seen.samples.last()),
            mb(seen.samples.iter().max_by_key(|sample| bytes(sample)))
        ));
        trends.insert(name.to_owned(), json!({"rss_mb_per_hour": growth.map(|found| found.json()), "verdict": verdict}));
    }
    let left: Vec<String> = LEVELS.iter().zip(&seen.levels).map(|(name, value)| format!("{name} {value}")).collect();
    say(format_args!(
        "left over once nobody asks: {}; descriptors {} before, {} after; idle upstream connections {} before, {} after",
        left.join(", "),
        seen.files.0,
        seen.files.1,
        seen.idle_upstream.0,
        seen.idle_upstream.1
    ));
    good &= !grows && nothing_left(seen);
    let samples: Vec<Value> = seen.samples.iter().map(|one| json!([one.at_s, one.rss_bytes, one.daemon_bytes, one.files])).collect();
    let named = |names: &[&str], values: &[f64]| names.iter().zip(values).map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let (levels, counters): (serde_json::Map<_, _>, serde_json::Map<_, _>) =
        (named(&LEVELS, &seen.levels), named(&COUNTERS, &seen.counters));
    let value = json!({
        "machine": machine::described(), "seconds": seconds, "traffic": given, "hung_up": seen.hung_up.0, "hang_ups_failed": seen.hung_up.1,
        "reloads_ms": seen.reloads_ms, "counters": counters, "levels": levels, "files": [seen.files.0, seen.files.1],
        "idle_upstream": [seen.idle_upstream.0, seen.idle_upstream.1], "memory": trends, "good": good, "samples_s_rss_daemon_files": samples,
    });
    (text, value, good)
}

/// Sockets are in the ring's own table, so that descriptors are those of files and of the admin
/// listener: pools are no reason for more of them.
fn nothing_left(seen: &Seen) -> bool {
    seen.levels.iter().all(|level| *level == 0.0) && seen.files.1 <= seen.files.0
}
