//! What the gateway adds, measured inside of it by its own clocks, at a share of its saturation and
//! while some first targets fail all the time.

use crate::{
    alone::{self, Alone},
    bars,
    buckets::Buckets,
    canned::{self, Asking},
    check::Expected,
    commands::{self, Places},
    load::{Pace, Plan},
    machine, peers,
    records::{self, Records},
    sink::{Answers, Failing, Failure},
    table,
    tally::{Tally, Times},
    through::Upstream,
    throwover, way,
};
use clap::Args;
use serde_json::{Value, json};
use std::{
    fmt::Write,
    io,
    process::ExitCode,
    time::{Duration, Instant},
};

#[cfg(test)]
mod tests;

/// Histograms of the data plane, and what each is called here.
const SPREADS: [(&str, &str); 3] = [("overhead_request", "request"), ("overhead_answer", "answer"), ("switch", "switch")];
/// A switch is to be shorter than this in 99 of 100 cases, in microseconds.
const SWITCH_GOAL_US: f64 = 100.0;
/// Rounds in which the saturation is found.
const ROUNDS: usize = 3;
/// Records are written within so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the clocks include, for whoever reads the figures.
const CLOCKS: &str = "\
request   from the start of the ring's turn that took the request's last byte to the first attempt's bytes handed to the ring:
          key, body, decision, a connection, encryption where the upstream is TLS
answer    from the start of the turn that took the answer's decisive byte to the answer's bytes handed to the ring
overhead  both of these for each answered exchange; a switch is not in it
switch    from the failure's verdict to the next attempt's bytes handed to the ring, waits of the policy excluded
switch*   the same from the start of the turn that took the failure, verdict included, in whole microseconds
In all of them: what the turn did for others before. In none: the wait for the turn while the shard was busy, and the kernel's
own part (its sending, which is submitted at the end of the turn, and its receiving). `peers` tells what requests cost in all.
Histograms: p50, p99 and max by the gateway's own buckets, to 1.6 %; ranges are buckets of its metrics page, too coarse for more.
Records: overhead in nanoseconds. Everything since the start of a fresh data plane counts, its first requests among it.
";

/// The command line.
#[derive(Debug, Args)]
pub(crate) struct Line {
    /// How the sink is reached
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Upstream::Plain, Upstream::Tls])]
    upstream: Vec<Upstream>,
    /// Share of the saturation at which it is measured, in per cent
    #[arg(long, default_value_t = 50.0, value_name = "PER_CENT")]
    share: f64,
    /// How long it is measured
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
    /// Length of each of the three rounds that find the saturation
    #[arg(long, default_value_t = 2.0, value_name = "SECONDS")]
    saturate: f64,
    /// Requests that fail at their first target, in per cent; half of them at most, or its breaker would open
    #[arg(long, default_value_t = 10.0, value_name = "PER_CENT")]
    failing: f64,
    /// How they fail
    #[arg(long, value_enum, default_value_t = Failure::Status)]
    failure: Failure,
    /// Connections
    #[arg(long, default_value_t = 64, value_name = "COUNT")]
    connections: usize,
    /// Size of a request's body
    #[arg(long, default_value_t = 1024, value_name = "BYTES")]
    request_bytes: usize,
    /// Size of an answer's body
    #[arg(long, default_value_t = 1024, value_name = "BYTES")]
    answer_bytes: usize,
    /// Run data plane and load before all other work (niceness -20), for machines that are not quiet
    #[arg(long)]
    pub(crate) first_in_line: bool,
    #[command(flatten)]
    places: Places,
}

impl Line {
    fn check(&self) -> io::Result<()> {
        let within = |value: f64, most: f64| value > 0.0 && value <= most;
        if !within(self.share, 100.0) || !within(self.failing, 40.0) {
            return Err(io::Error::other("--share is more than 0 and at most 100, --failing more than 0 and at most 40"));
        }
        if self.connections == 0 || !within(self.seconds, 3_600.0) || !within(self.saturate, 600.0) {
            return Err(io::Error::other("--connections, --seconds (an hour) and --saturate (ten minutes) are more than 0 and bounded"));
        }
        Ok(())
    }
}

/// How many requests a second it can do.
#[derive(Debug)]
struct Saturation {
    rounds: Vec<f64>,
    /// Its core had work for this share of the time, at least.
    busy: f64,
    /// What is gone on with.
    per_second: f64,
}

/// What was found for one kind of upstream.
struct Found {
    upstream: Upstream,
    saturation: Saturation,
    rate: f64,
    tally: Tally,
    elapsed: Duration,
    unanswered: usize,
    records: Records,
    spreads: Vec<Spread>,
    counted: Counted,
}

/// One of the data plane's histograms.
struct Spread {
    name: &'static str,
    buckets: Buckets,
    p50_us: f64,
    p99_us: f64,
    max_us: f64,
}

/// Counters of the data plane.
struct Counted {
    dropped: u64,
    breakers_open: u64,
    fallbacks: u64,
}

/// Measures, prints, and fails when an answer was wrong or missing.
pub(crate) fn run(line: &Line) -> io::Result<ExitCode> {
    line.check()?;
    let mut alone = Alone::start(alone::Wanted {
        answers: Answers { bytes: line.answer_bytes, events: 1, interval: Duration::ZERO },
        failing: Failing { share: line.failing / 100.0, how: line.failure },
        proxy_cpu: line.places.proxy_cpu,
        load_cpu: line.places.load_cpu,
        first_in_line: line.first_in_line,
        keep: line.places.keep,
        binaries: line.places.binaries.clone().unwrap_or_else(peers::here),
    })?;
    let (mut text, mut all, mut good) = (format!("{}\n", machine::described()), Vec::new(), true);
    for &upstream in &line.upstream {
        let found = one(line, &mut alone, upstream)?;
        text.push('\n');
        text.push_str(&told(line, &found));
        all.push(figures(&found));
        good &= found.tally.errors() == 0 && found.unanswered == 0 && found.tally.answers > 0;
    }
    text.push_str(&format!("\n{CLOCKS}"));
    let value = json!({
        "machine": machine::described(), "connections": line.connections, "request_bytes": line.request_bytes,
        "answer_bytes": line.answer_bytes, "failing_per_cent": line.failing, "failure": format!("{:?}", line.failure).to_lowercase(),
        "clocks": CLOCKS, "upstreams": all,
    });
    commands::print(line.places.format, (text, value))?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn plan(line: &Line, alone: &Alone, upstream: Upstream, pace: Pace) -> Plan {
    let way = alone.way(upstream);
    let host = way.to.to_string();
    let asking = Asking { path: canned::PATH, host: &host, key: way.key, model: way.model, bytes: line.request_bytes, stream: false };
    Plan {
        to: way.to,
        request: canned::request(&asking),
        expected: Expected::Json(Some(canned::completion(line.answer_bytes))),
        connections: line.connections,
        pace,
        timeout_ns: way::TIMEOUT_NS,
    }
}

/// Saturates it, begins anew, and measures at the share.
fn one(line: &Line, alone: &mut Alone, upstream: Upstream) -> io::Result<Found> {
    let (mut rounds, mut busy) = (Vec::new(), f64::INFINITY);
    for _ in 0..ROUNDS {
        let plan = plan(line, alone, upstream, Pace::Closed);
        let found = peers::observe(&mut alone.stage, plan, &[alone.plane.pid()], commands::seconds(line.saturate)?)?;
        if !found.errors.is_empty() {
            return Err(io::Error::other(format!("while it was saturated: {}", found.errors)));
        }
        let elapsed = found.elapsed.as_nanos() as f64;
        busy = busy.min((found.used.busiest_run_ns + found.used.busiest_wait_ns) as f64 / elapsed);
        rounds.push(found.tally.answers as f64 / found.elapsed.as_secs_f64());
    }
    let saturation = saturation(rounds, busy);
    eprintln!("{upstream:?}: saturated at {:.0} answers/s", saturation.per_second);
    // A process of its own: its histograms begin with nothing, and so does the log that is read.
    alone.begin_anew()?;
    let (from, before) = (alone::length(&alone.access_log()), alone.gateway.page()?);
    let rate = saturation.per_second * line.share / 100.0;
    let plan = plan(line, alone, upstream, Pace::Open { per_second: rate });
    let begun = Instant::now();
    alone.stage.begin(plan);
    alone.stage.run(commands::seconds(line.seconds)?)?;
    let unanswered = alone.finish_load()?;
    let elapsed = begun.elapsed();
    let tally = alone.stage.end().ok_or_else(|| io::Error::other("no load"))?.tally;
    let meters = alone.told()?;
    let after = alone.gateway.page()?;
    alone.still_up()?;
    let spreads = SPREADS.iter().map(|(name, title)| spread(name, title, [&before, &after], &meters)).collect::<io::Result<Vec<_>>>()?;
    let count = |name: &str| (throwover::meter(&after, name) - throwover::meter(&before, name)) as u64;
    let counted = Counted {
        dropped: count("records_dropped_total"),
        breakers_open: throwover::meter(&after, "breaker_open") as u64,
        fallbacks: count("fallbacks_total"),
    };
    let records = read(alone, from, count("exchanges_total").saturating_sub(counted.dropped))?;
    Ok(Found { upstream, saturation, rate, tally, elapsed, unanswered, records, spreads, counted })
}

/// Where the core was not busy all the time, load and sink were the limit, and the gateway's own is
/// what its busiest thread would do with the rest of the time.
fn saturation(rounds: Vec<f64>, busy: f64) -> Saturation {
    let median = table::spread(rounds.iter().copied()).map_or(0.0, |found| found.median);
    let per_second = if busy < table::BUSY_MIN { median / busy.max(0.1) } else { median };
    Saturation { rounds, busy, per_second }
}

fn spread(name: &str, title: &'static str, [before, after]: [&str; 2], meters: &Value) -> io::Result<Spread> {
    let read = |page: &str| Buckets::read(page, &format!("{name}_seconds"));
    let buckets = read(after).zip(read(before)).and_then(|(after, before)| after.since(&before));
    let quantile = |point: &str| {
        let name = format!("{name}_{point}_ns");
        meters[&name].as_f64().map(|nanos| nanos / 1e3).ok_or_else(|| io::Error::other(format!("the data plane does not tell {name}")))
    };
    Ok(Spread {
        name: title,
        buckets: buckets.ok_or_else(|| io::Error::other(format!("the metrics page has no {name} that goes on")))?,
        p50_us: quantile("p50")?,
        p99_us: quantile("p99")?,
        max_us: quantile("max")?,
    })
}

/// Reads the records once all of them are written.
fn read(alone: &mut Alone, from: u64, expected: u64) -> io::Result<Records> {
    let (path, begun) = (alone.access_log(), Instant::now());
    let mut length = 0;
    loop {
        alone.stage.run(Duration::from_millis(200))?;
        let now = alone::length(&path);
        // Only whole batches of lines are written; when nothing comes any more, all of them are there.
        if now == length {
            let records = records::read(&path, from)?;
            if records.exchanges() >= expected {
                return Ok(records);
            }
            if begun.elapsed() > PATIENCE {
                return Err(io::Error::other(format!("{} of {expected} records are in the access log", records.exchanges())));
            }
        }
        length = now;
    }
}

/// Points of a spread that are told.
const POINTS: [(&str, f64); 5] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

fn told(line: &Line, found: &Found) -> String {
    let mut text = String::new();
    let mut say = |words: std::fmt::Arguments<'_>| writeln!(text, "{words}").expect("a string takes everything");
    let upstream = if found.upstream == Upstream::Tls { "TLS upstream" } else { "plain upstream" };
    let failure = if line.failure == Failure::Status { "answers 503 to" } else { "breaks off in mid-answer of" };
    say(format_args!(
        "{upstream}: {} B request, {} B answer, {} connections; the first target {failure} {} % of what it is asked",
        line.request_bytes, line.answer_bytes, line.connections, line.failing
    ));
    let saturation = &found.saturation;
    let limit = if saturation.busy < table::BUSY_MIN { ": load and sink were the limit, its own is reckoned from its time" } else { "" };
    say(format_args!(
        "saturated at {:.0} answers/s ({} in three rounds, its core busy for {:.0} %{limit})",
        saturation.per_second,
        crate::figures::spread_text(&saturation.rounds),
        saturation.busy * 100.0
    ));
    say(format_args!(
        "measured at {:.0} requests/s, {} % of that, for {:.1} s: {} answers, {} by the second target; errors: {}; the generator late by {} us in half of all starts, by {} us in one of a hundred",
        found.rate,
        line.share,
        found.elapsed.as_secs_f64(),
        found.tally.answers,
        found.counted.fallbacks,
        if found.tally.errors.is_empty() { "none".to_owned() } else { found.tally.errors_text() },
        bars::digits(found.tally.lateness.at(0.5)),
        bars::digits(found.tally.lateness.at(0.99))
    ));
    for beware in bewares(found) {
        say(format_args!("beware: {beware}"));
    }
    let points = POINTS.map(|(name, _)| format!("{name:>14}")).concat();
    say(format_args!("{:<10} {:>9}{points}  us", "", "count"));
    for spread in &found.spreads {
        let cells = POINTS.map(|(name, share)| format!("{:>14}", cell(spread, name, share))).concat();
        say(format_args!("{:<10} {:>9}{cells}  the gateway's histogram", spread.name, spread.buckets.count()));
    }
    for (name, times) in [("overhead", &found.records.overhead), ("switch*", &found.records.switch)] {
        let cells = POINTS.map(|(_, share)| format!("{:>14}", bars::digits(times.at(share)))).concat();
        say(format_args!("{name:<10} {:>9}{cells}  the gateway's records", times.count()));
    }
    say(format_args!("{}", goal(found)));
    for (title, times) in [("overhead", &found.records.overhead), ("switch*", &found.records.switch)] {
        say(format_args!("{title}, {upstream}, {} values:\n{}", times.count(), bars::text(times).trim_end()));
    }
    text
}

/// p50, p99 and max as the gateway's own fine buckets have them, others by the coarse ones of its page.
fn cell(spread: &Spread, point: &str, share: f64) -> String {
    match point {
        "p50" => bars::digits(spread.p50_us),
        "p99" => bars::digits(spread.p99_us),
        "max" => bars::digits(spread.max_us),
        _ => match spread.buckets.within(share) {
            Some((low, high)) => format!("{}..{}", bars::digits(low), bars::digits(high)),
            None => "-".to_owned(),
        },
    }
}

/// By the data plane's histogram, and by the records, whose switch takes longer.
fn goal(found: &Found) -> String {
    let said = |us: f64| format!("{}, {} us", if us < SWITCH_GOAL_US { "met" } else { "missed" }, bars::digits(us));
    match found.spreads.iter().find(|spread| spread.name == "switch" && spread.buckets.count() > 0) {
        None => "goal: nothing switched".to_owned(),
        Some(switch) => format!(
            "goal, p99 below {SWITCH_GOAL_US:.0} us: switch {}; switch* {}",
            said(switch.p99_us),
            said(found.records.switch.at(0.99))
        ),
    }
}

/// What takes from the worth of the figures.
fn bewares(found: &Found) -> Vec<String> {
    let mut all = Vec::new();
    let records = &found.records;
    if found.counted.dropped > 0 {
        all.push(format!("{} records were dropped, so that the spreads from records lack them", found.counted.dropped));
    }
    if found.counted.breakers_open > 0 || records.skipped > 0 {
        all.push(format!("a breaker opened: {} exchanges passed a target over", records.skipped));
    }
    if found.tally.lateness.at(0.99) > 1_000.0 {
        all.push(format!("the generator was late: p99 {:.0} us; the load came in bursts", found.tally.lateness.at(0.99)));
    }
    if found.unanswered > 0 {
        all.push(format!("{} requests had no answer when it ended", found.unanswered));
    }
    let answered = records.outcomes.get("answered").copied().unwrap_or(0);
    if answered + found.counted.dropped < found.tally.answers {
        all.push(format!("{} answers are not in the records", found.tally.answers - answered));
    }
    all
}

fn figures(found: &Found) -> Value {
    let spread = |spread: &Spread| {
        let within = |share: f64| spread.buckets.within(share).map(|(low, high)| json!([low, high.is_finite().then_some(high)]));
        json!({
            "count": spread.buckets.count(), "mean_us": spread.buckets.mean_us(), "p50_us": spread.p50_us, "p90_us_within": within(0.9),
            "p99_us": spread.p99_us, "p99.9_us_within": within(0.999), "max_us": spread.max_us,
        })
    };
    let exact = |times: &Times| {
        let mut value = times.json();
        value["rows"] =
            bars::rows(times).iter().map(|row| json!({"from_us": row.from_us, "to_us": row.to_us, "count": row.count})).collect();
        value
    };
    let spreads: serde_json::Map<String, Value> =
        found.spreads.iter().map(|found| (format!("{}_histogram", found.name), spread(found))).collect();
    json!({
        "upstream": if found.upstream == Upstream::Tls { "tls" } else { "plain" },
        "saturation": {
            "answers_per_second": found.saturation.per_second, "rounds": found.saturation.rounds, "busy": found.saturation.busy,
            "load_was_the_limit": found.saturation.busy < table::BUSY_MIN,
        },
        "rate": found.rate, "load": found.tally.json(found.elapsed), "unanswered": found.unanswered,
        "fallbacks": found.counted.fallbacks, "records_dropped": found.counted.dropped, "breakers_open": found.counted.breakers_open,
        "outcomes": found.records.outcomes, "spreads": spreads, "overhead_records": exact(&found.records.overhead),
        "switch_records": exact(&found.records.switch), "beware": bewares(found), "goal": goal(found),
    })
}
