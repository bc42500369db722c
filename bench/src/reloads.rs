//! What reloads cost whoever asks meanwhile: the same load with and without them, in turns.

use crate::{
    alone::{self, Alone},
    canned::{self, Asking},
    check::Expected,
    commands::{self, Places},
    figures::{self, Contestant, Figure, Round},
    goals::{self, Bound, Goal},
    load::{Pace, Plan},
    machine, peers,
    reloader::{self, Reloader},
    sink::{Answers, Failing, Failure},
    tally::Tally,
    through::Upstream,
    throwover, way, works,
};
use clap::Args;
use serde_json::{Value, json};
use std::{io, process::ExitCode, time::Duration};

const P50: Figure = Figure { name: "p50_us", title: "p50 us" };
const P99: Figure = Figure { name: "p99_us", title: "p99 us" };
const P999: Figure = Figure { name: "p99.9_us", title: "p99.9 us" };
const MAX: Figure = Figure { name: "max_us", title: "max us" };
const FIGURES: [Figure; 4] = [P50, P99, P999, MAX];
/// Reloads are to leave the p99 within a tenth of what it is without them.
const GOAL: Goal = Goal { figure: P99, than: "without", bound: Bound::AtMost(1.1) };
/// Before anything is counted.
const WARM_UP: Duration = Duration::from_secs(1);
/// The last reload of a part is waited for so long.
const PATIENCE: Duration = Duration::from_secs(30);
/// What must not change, or only by what load did.
const COUNTERS: [&str; 2] = ["failed_total", "cut_streams_total"];

/// The command line.
#[derive(Debug, Args)]
pub(crate) struct Line {
    /// Reloads in all
    #[arg(long, default_value_t = 1_000, value_name = "COUNT")]
    reloads: usize,
    /// Rounds; each has a part with reloads and one without
    #[arg(long, default_value_t = 10)]
    rounds: usize,
    /// Length of one part
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Requests in a second, by a fixed schedule
    #[arg(long, default_value_t = 2_000.0, value_name = "PER_SECOND")]
    rate: f64,
    /// Connections
    #[arg(long, default_value_t = 64, value_name = "COUNT")]
    connections: usize,
    /// Routes of the policy
    #[arg(long, default_value_t = 100)]
    routes: usize,
    /// How the sink is reached
    #[arg(long, value_enum, default_value_t = Upstream::Plain)]
    upstream: Upstream,
    /// Run data plane and load before all other work (niceness -20), for machines that are not quiet
    #[arg(long)]
    pub(crate) first_in_line: bool,
    #[command(flatten)]
    places: Places,
}

/// What all parts together have shown.
#[derive(Debug, Default)]
struct Seen {
    answers: u64,
    errors: Vec<String>,
    reloads_ms: Vec<f64>,
    /// Connections that had served, and were closed by the gateway.
    closed: u64,
    /// What the gateway itself counted as failed or cut.
    failed: u64,
    unanswered: usize,
}

impl Seen {
    fn good(&self, reloads: usize) -> bool {
        self.errors.is_empty() && self.closed == 0 && self.failed == 0 && self.unanswered == 0 && self.reloads_ms.len() == reloads
    }
}

/// Measures, prints, and fails when a request failed or a connection was closed.
pub(crate) fn run(line: &Line) -> io::Result<ExitCode> {
    let time = commands::seconds(line.seconds)?;
    if line.rounds == 0
        || line.reloads < line.rounds
        || line.connections == 0
        || !line.rate.is_finite()
        || line.rate <= 0.0
        || time.is_zero()
    {
        return Err(io::Error::other(
            "--rounds, --connections, --rate and --seconds are more than 0, and --reloads is no less than --rounds",
        ));
    }
    let mut alone = Alone::start(alone::Wanted {
        answers: Answers { bytes: 1_024, events: 1, interval: Duration::ZERO },
        failing: Failing { share: 0.0, how: Failure::Status },
        proxy_cpu: line.places.proxy_cpu,
        load_cpu: line.places.load_cpu,
        first_in_line: line.first_in_line,
        keep: line.places.keep,
        binaries: line.places.binaries.clone().unwrap_or_else(peers::here),
    })?;
    let way = reloader::Way::new(&alone.gateway, [alone.policy(line.routes), alone.policy(line.routes + 1)]);
    // The first of the two, so that the first counted one is a change.
    let first = Reloader::start(way.clone(), 1, 1, Duration::ZERO)?;
    alone.stage.until(PATIENCE, |_| first.finished())?;
    first.join()?;
    let (contestants, seen) = measure(line, &mut alone, &way, time)?;
    alone.still_up()?;
    let found = told(line, &contestants, &seen);
    commands::print(line.places.format, found)?;
    Ok(if seen.good(line.reloads) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn plan(line: &Line, alone: &Alone) -> Plan {
    let (to, tls) = (alone.gateway.listen, line.upstream == Upstream::Tls);
    let (host, model) = (to.to_string(), if tls { throwover::TLS } else { throwover::PLAIN });
    let asking = Asking { path: canned::PATH, host: &host, key: throwover::TENANT_KEY, model, bytes: 1_024, stream: false };
    Plan {
        to,
        request: canned::request(&asking),
        expected: Expected::Json(Some(canned::completion(1_024))),
        connections: line.connections,
        pace: Pace::Open { per_second: line.rate },
        timeout_ns: way::TIMEOUT_NS,
    }
}

/// One load over all parts, so that a connection that is closed anywhere is seen.
fn measure(line: &Line, alone: &mut Alone, way: &reloader::Way, time: Duration) -> io::Result<([Contestant; 2], Seen)> {
    let gone = || io::Error::other("no load");
    let mut all = ["with reloads", "without"].map(Contestant::new);
    let mut seen = Seen::default();
    let plan = plan(line, alone);
    alone.stage.begin(plan);
    alone.stage.run(WARM_UP)?;
    seen.errors.extend(Some(alone.stage.load().ok_or_else(gone)?.tally.errors_text()).filter(|text| !text.is_empty()));
    let before = alone.gateway.meters(&COUNTERS)?;
    for round in 0..line.rounds {
        for turn in 0..2 {
            let index = (turn + round) % 2;
            // What asking for counters or the last part has held up is over.
            alone.stage.run(Duration::from_millis(200))?;
            let count = if index == 0 { share(line.reloads, line.rounds, round) } else { 0 };
            let reloader = Reloader::start(way.clone(), seen.reloads_ms.len() + 2, count, time)?;
            let used = machine::usage(&[alone.plane.pid()])?;
            alone.stage.load().ok_or_else(gone)?.begin();
            let elapsed = alone.stage.run(time)?;
            let tally = std::mem::replace(&mut alone.stage.load().ok_or_else(gone)?.tally, Tally::new());
            let used = machine::usage(&[alone.plane.pid()])?.since(&used);
            let late = !reloader.finished() && count > 0;
            alone.stage.until(PATIENCE, |_| reloader.finished())?;
            seen.reloads_ms.extend(reloader.join()?);
            let held = used.busiest_wait_ns as f64 / elapsed.as_nanos() as f64;
            seen.answers += tally.answers;
            seen.closed += tally.closed;
            seen.errors.extend(Some(tally.errors_text()).filter(|text| !text.is_empty()));
            all[index].rounds.push(of(&tally, held, late));
        }
        eprintln!("round {} of {} done", round + 1, line.rounds);
    }
    seen.unanswered = alone.finish_load()?;
    let after = alone.gateway.meters(&COUNTERS)?;
    let grown = |index: usize| (after[index] - before[index]) as u64;
    seen.failed = grown(0) + grown(1);
    drop(alone.stage.end());
    Ok((all, seen))
}

/// Of so many, those of one round: as many as in any other, the rest in the first ones.
fn share(count: usize, rounds: usize, round: usize) -> usize {
    count / rounds + usize::from(round < count % rounds)
}

fn of(tally: &Tally, held: f64, late: bool) -> Round {
    let points = [(P50, 0.5), (P99, 0.99), (P999, 0.999), (MAX, 1.0)];
    let values = points.into_iter().map(|(figure, share)| (figure.name, tally.latency.at(share))).collect();
    let void = if tally.errors() > 0 {
        Some(tally.errors_text())
    } else if late {
        Some("its reloads took longer than the part".to_owned())
    } else {
        works::disturbed(tally, held)
    };
    Round { values, void }
}

fn told(line: &Line, contestants: &[Contestant; 2], seen: &Seen) -> (String, Value) {
    let title = format!(
        "{} requests/s, {} connections, a policy of {} routes, {} rounds of twice {} s, {} reloads in half of them",
        line.rate, line.connections, line.routes, line.rounds, line.seconds, line.reloads
    );
    let mut text = format!("{}\n{}", machine::described(), figures::text(&title, &FIGURES, contestants));
    let goal = goals::told(GOAL, &contestants[0], contestants);
    text.push_str(goal.as_ref().map_or("", |(line, _)| line));
    text.push_str(&format!(
        "{} reloads, publish to adopted {} ms; {} answers; requests that failed: {}; without an answer: {}; connections closed: {}\n",
        seen.reloads_ms.len(),
        figures::spread_text(&seen.reloads_ms),
        seen.answers,
        if seen.errors.is_empty() && seen.failed == 0 {
            "none".to_owned()
        } else {
            format!("{} ({})", seen.failed, seen.errors.join(", "))
        },
        seen.unanswered,
        seen.closed
    ));
    text.push_str("The daemon is on the load's core at niceness 19; the data plane's link thread is on the shard's core.\n");
    let mut value = figures::json(&title, &FIGURES, contestants);
    value["machine"] = json!(machine::described());
    value["goal"] = goal.map_or(Value::Null, |(_, value)| value);
    value["reloads_ms"] = json!(seen.reloads_ms);
    value["errors"] = json!(seen.errors);
    value["failed"] = json!(seen.failed);
    value["connections_closed"] = json!(seen.closed);
    value["unanswered"] = json!(seen.unanswered);
    value["good"] = json!(seen.good(line.reloads));
    (text, value)
}

#[cfg(test)]
mod tests {
    use super::{P99, Seen, of, share};
    use crate::tally::{Kind, Tally};

    #[test]
    fn every_reload_is_in_one_round() {
        for (count, rounds) in [(1_000, 10), (1_003, 10), (7, 7)] {
            let each: Vec<usize> = (0..rounds).map(|round| share(count, rounds, round)).collect();
            assert_eq!(each.iter().sum::<usize>(), count);
            assert!(each.iter().max().zip(each.iter().min()).is_some_and(|(most, least)| most - least <= 1));
        }
    }

    #[test]
    fn a_part_that_was_disturbed_does_not_count() {
        let mut tally = Tally::new();
        (1..=100).for_each(|us| tally.latency.record(us * 1_000));
        let round = of(&tally, 0.0, false);
        assert_eq!(round.void, None);
        assert!((round.values[P99.name] - 99.0).abs() < 0.1, "{round:?}");
        assert!(of(&tally, 0.0, true).void.is_some_and(|why| why.contains("longer")));
        assert!(of(&tally, 0.5, false).void.is_some_and(|why| why.contains("other work")));
        tally.error(Kind::Status(502));
        assert_eq!(of(&tally, 0.0, false).void.as_deref(), Some("1 status 502"));
    }

    #[test]
    fn one_failure_is_too_many() {
        let good = || Seen { answers: 9, reloads_ms: vec![1.0; 3], ..Seen::default() };
        assert!(good().good(3));
        assert!(!good().good(4), "a reload is missing");
        assert!(!Seen { closed: 1, ..good() }.good(3));
        assert!(!Seen { failed: 1, ..good() }.good(3));
        assert!(!Seen { unanswered: 1, ..good() }.good(3));
        assert!(!Seen { errors: vec!["1 cut".to_owned()], ..good() }.good(3));
    }
}
