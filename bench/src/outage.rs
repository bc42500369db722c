//! What an outage of the first target costs: the same load on a chain whose first target answers
//! nothing but 503, and on one that has only the second, in turns, at four fifths of what the data plane
//! answers when it is saturated.

use crate::{
    alone::{self, Alone},
    canned::{self, Asking},
    check::Expected,
    commands::{self, Patience, Places},
    figures::{self, Contestant, Figure, Round},
    goals::{self, Bound, Goal},
    load::{Pace, Plan},
    machine::{self, Used},
    peers,
    sink::{Answers, Failing, Failure},
    tally::Tally,
    throwover, way, works,
};
use clap::Args;
use serde_json::{Value, json};
use std::{io, process::ExitCode, time::Duration};

const P50: Figure = Figure { name: "p50_us", title: "p50 us" };
const P99: Figure = Figure { name: "p99_us", title: "p99 us" };
const CPU: Figure = Figure { name: "cpu_us_per_request", title: "CPU us/request" };
const FIGURES: [Figure; 3] = [P50, P99, CPU];
/// With its first target down, a chain's p99 is to stay near that of the second alone.
const GOAL: Goal = Goal { figure: P99, than: "second alone", bound: Bound::AtMost(1.2) };
/// The load is this share of what saturates the data plane.
const LOAD: f64 = 0.8;
/// Before anything is counted, and to find what saturates it.
const WARM_UP: Duration = Duration::from_secs(1);
const SATURATION: Duration = Duration::from_secs(1);
/// The slowest hundredth is not the data plane's when the host has the cores for longer than that.
const STOLEN_MAX: f64 = 0.01;
/// Requests that cannot be answered by the first target may be at most so many for each that it was
/// asked before, and so many more in a second.
const ASKED_MORE: f64 = 1.2;

/// The command line.
#[derive(Debug, Args)]
pub(crate) struct Line {
    /// Rounds; each has a part with the first target down and one without it
    #[arg(long, default_value_t = 121)]
    rounds: usize,
    /// Length of one part
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Connections
    #[arg(long, default_value_t = 64, value_name = "COUNT")]
    connections: usize,
    /// Run data plane and load before all other work (niceness -20), for machines that are not quiet
    #[arg(long)]
    pub(crate) first_in_line: bool,
    #[command(flatten)]
    patience: Patience,
    #[command(flatten)]
    places: Places,
}

/// What all parts together have shown.
#[derive(Debug, Default)]
struct Seen {
    /// Answers while the first target was down.
    answers: u64,
    /// Attempts that failed meanwhile, each of them one that asked it.
    in_vain: u64,
    /// Requests per second, of each round.
    loads: Vec<f64>,
    errors: Vec<String>,
}

impl Seen {
    fn good(&self) -> bool {
        self.errors.is_empty() && self.answers > 0 && (self.in_vain as f64) <= ASKED_MORE * self.answers as f64
    }
}

/// Measures, prints, and fails when a request was not answered.
pub(crate) fn run(line: &Line) -> io::Result<ExitCode> {
    let time = commands::seconds(line.seconds)?;
    if line.rounds == 0 || line.connections == 0 || time.is_zero() {
        return Err(io::Error::other("--rounds, --connections and --seconds are more than 0"));
    }
    let mut alone = Alone::start(alone::Wanted {
        answers: Answers { bytes: 1_024, events: 1, interval: Duration::ZERO },
        failing: Failing { share: 1.0, how: Failure::Status },
        proxy_cpu: line.places.proxy_cpu,
        load_cpu: line.places.load_cpu,
        first_in_line: line.first_in_line,
        keep: line.places.keep,
        binaries: line.places.binaries.clone().unwrap_or_else(peers::here),
    })?;
    let (contestants, seen) = measure(line, &mut alone, time)?;
    alone.still_up()?;
    commands::print(line.places.format, told(line, &contestants, &seen))?;
    Ok(if seen.good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn plan(line: &Line, alone: &Alone, model: &'static str, pace: Pace) -> Plan {
    let to = alone.gateway.listen;
    let host = to.to_string();
    let asking = Asking { path: canned::PATH, host: &host, key: throwover::TENANT_KEY, model, bytes: 1_024, stream: false };
    Plan {
        to,
        request: canned::request(&asking),
        expected: Expected::Json(Some(canned::completion(1_024))),
        connections: line.connections,
        pace,
        timeout_ns: way::TIMEOUT_NS,
    }
}

/// Requests that it answers in a second when nobody waits.
fn saturated(line: &Line, alone: &mut Alone) -> io::Result<f64> {
    let Part { tally, elapsed, .. } = part(line, alone, throwover::PLAIN, Pace::Closed, SATURATION)?;
    Ok(tally.answers as f64 / elapsed.as_secs_f64())
}

/// What one load has shown, and what the data plane used meanwhile.
struct Part {
    tally: Tally,
    elapsed: Duration,
    used: Used,
    /// The share of the time that the host kept the data plane's or the load's core from it.
    stolen: f64,
}

/// One load from its beginning to its end; its first second is not counted.
fn part(line: &Line, alone: &mut Alone, model: &'static str, pace: Pace, time: Duration) -> io::Result<Part> {
    let gone = || io::Error::other("no load");
    let plan = plan(line, alone, model, pace);
    alone.stage.begin(plan);
    alone.stage.run(WARM_UP)?;
    let before = alone.stage.load().ok_or_else(gone)?.tally.errors_text();
    alone.stage.load().ok_or_else(gone)?.begin();
    let plane = [alone.plane.pid()];
    let (used, stolen) = (machine::usage(&plane)?, kept(line)?);
    let elapsed = alone.stage.run(time)?;
    let (used, stolen) = (machine::usage(&plane)?.since(&used), kept(line)?.saturating_sub(stolen).div_duration_f64(elapsed));
    let tally = std::mem::replace(&mut alone.stage.load().ok_or_else(gone)?.tally, Tally::new());
    alone.finish_load()?;
    drop(alone.stage.end());
    if before.is_empty() { Ok(Part { tally, elapsed, used, stolen }) } else { Err(io::Error::other(before)) }
}

/// How long the host has kept either core from this machine, all in all.
fn kept(line: &Line) -> io::Result<Duration> {
    Ok(machine::stolen(line.places.proxy_cpu)? + machine::stolen(line.places.load_cpu)?)
}

/// What saturates the data plane is found anew for each round: a machine that others use is not always as fast.
fn measure(line: &Line, alone: &mut Alone, time: Duration) -> io::Result<([Contestant; 2], Seen)> {
    let mut all = ["first down", GOAL.than].map(Contestant::new);
    let models = [throwover::FAILING_PLAIN, throwover::PLAIN];
    let mut seen = Seen::default();
    for round in 0..line.rounds {
        line.patience.wait(&line.places)?;
        let per_second = saturated(line, alone)? * LOAD;
        seen.loads.push(per_second);
        for turn in 0..2 {
            let index = (turn + round) % 2;
            let counters = ["attempts_failed_total", "answered_total"];
            let before = alone.gateway.meters(&counters)?;
            let part = part(line, alone, models[index], Pace::Open { per_second }, time)?;
            let after = alone.gateway.meters(&counters)?;
            if index == 0 {
                seen.in_vain += (after[0] - before[0]) as u64;
                seen.answers += (after[1] - before[1]) as u64;
            }
            seen.errors.extend(Some(part.tally.errors_text()).filter(|text| !text.is_empty()));
            all[index].rounds.push(of(&part));
        }
        eprintln!("round {} of {} done", round + 1, line.rounds);
    }
    Ok((all, seen))
}

fn of(part: &Part) -> Round {
    let (tally, used) = (&part.tally, &part.used);
    let held = used.busiest_wait_ns as f64 / part.elapsed.as_nanos() as f64;
    let values = [
        (P50.name, tally.latency.at(0.5)),
        (P99.name, tally.latency.at(0.99)),
        (CPU.name, used.run_ns as f64 / 1e3 / tally.answers.max(1) as f64),
    ];
    let values = values.into();
    let void = if tally.errors() > 0 {
        Some(tally.errors_text())
    } else if part.stolen > STOLEN_MAX {
        Some(format!("the host had its cores for {:.1} % of the time", part.stolen * 100.0))
    } else {
        works::disturbed(tally, held)
    };
    Round { values, void }
}

fn told(line: &Line, contestants: &[Contestant; 2], seen: &Seen) -> (String, Value) {
    let (least, most) = seen.loads.iter().fold((f64::MAX, 0.0_f64), |(least, most), &load| (least.min(load), most.max(load)));
    let title = format!(
        "{least:.0} to {most:.0} requests/s, which is {LOAD} of saturation, {} connections, {} rounds of twice {} s",
        line.connections, line.rounds, line.seconds
    );
    let mut text = format!("{}\n{}", machine::described(), figures::text(&title, &FIGURES, contestants));
    let goal = goals::told(GOAL, &contestants[0], contestants);
    text.push_str(goal.as_ref().map_or("", |(line, _)| line));
    let share = seen.in_vain as f64 / seen.answers.max(1) as f64;
    text.push_str(&format!(
        "with the first target down: {} answers, all by the second; attempts at the first {}, {share:.5} for each request, where it was 1 \
         before and at most {ASKED_MORE} is allowed; requests that failed: {}\n",
        seen.answers,
        seen.in_vain,
        if seen.errors.is_empty() { "none".to_owned() } else { seen.errors.join(", ") },
    ));
    let mut value = figures::json(&title, &FIGURES, contestants);
    value["machine"] = json!(machine::described());
    value["goal"] = goal.map_or(Value::Null, |(_, value)| value);
    value["answers"] = json!(seen.answers);
    value["in_vain"] = json!(seen.in_vain);
    value["errors"] = json!(seen.errors);
    value["good"] = json!(seen.good());
    (text, value)
}

#[cfg(test)]
mod tests {
    use super::Seen;

    #[test]
    fn an_outage_is_met_when_all_are_answered_and_few_ask_in_vain() {
        let seen = || Seen { answers: 1_000, in_vain: 7, ..Seen::default() };
        assert!(seen().good());
        assert!(!Seen { in_vain: 1_201, ..seen() }.good());
        assert!(!Seen { errors: vec!["1 status 503".to_owned()], ..seen() }.good());
        assert!(!Seen::default().good(), "nothing was measured");
    }
}
