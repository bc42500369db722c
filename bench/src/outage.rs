//! What an outage of the first target costs: the same load on a chain whose first target answers
//! nothing but 503, and on one that has only the second, at four fifths of what the data plane
//! answers when it is saturated. So near to saturation a machine that is slower by a tenth answers much
//! later, and one that others use is so for some seconds, and then not: so the two take turns of a fifth
//! of a second within one load.

use crate::{
    alone::{self, Alone},
    canned::{self, Asking},
    check::Expected,
    commands::{self, Patience, Places},
    figures::{self, Contestant, Figure, Round},
    goals::{self, Bound, Goal},
    load::{Load, Pace, Plan},
    machine::{self, Used},
    peers,
    sink::{Answers, Failing, Failure},
    tally::Tally,
    throwover, way, works,
};
use clap::Args;
use serde_json::{Value, json};
use std::{io, process::ExitCode, rc::Rc, time::Duration};

const P50: Figure = Figure { name: "p50_us", title: "p50 us" };
const P99: Figure = Figure { name: "p99_us", title: "p99 us" };
const CPU: Figure = Figure { name: "cpu_us_per_request", title: "CPU us/request" };
const FIGURES: [Figure; 3] = [P50, P99, CPU];
/// With its first target down, a chain's p99 is to stay near that of the second alone.
const GOAL: Goal = Goal { figure: P99, than: "second alone", bound: Bound::AtMost(1.2) };
/// What is asked for, in the order of the contestants.
const MODELS: [&str; 2] = [throwover::FAILING_PLAIN, throwover::PLAIN];
/// The meter of attempts that failed.
const FAILED: &str = "attempts_failed_total";
/// The load is this share of what saturates the data plane.
const LOAD: f64 = 0.8;
/// Before anything is counted, and to find what saturates it.
const WARM_UP: Duration = Duration::from_secs(1);
const SATURATION: Duration = Duration::from_secs(1);
/// One turn: a while in which what was left by the turn before is answered, and what is counted.
const SETTLING: Duration = Duration::from_millis(50);
const COUNTED: Duration = Duration::from_millis(150);
/// The slowest hundredth is not the data plane's when the host has the cores for longer than that.
const STOLEN_MAX: f64 = 0.01;
/// Requests that cannot be answered by the first target may be at most so many for each that it was
/// asked before, and so many more in a second.
const ASKED_MORE: f64 = 1.2;

/// The command line.
#[derive(Debug, Args)]
pub(crate) struct Line {
    /// Rounds; each has turns with the first target down and turns without it
    #[arg(long, default_value_t = 121)]
    rounds: usize,
    /// What is counted of either in a round
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
    let (contestants, seen) = measure(line, &mut alone)?;
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
    alone.stage.begin(plan(line, alone, throwover::PLAIN, Pace::Closed));
    alone.stage.run(WARM_UP)?;
    load_of(alone)?.begin();
    let elapsed = alone.stage.run(SATURATION)?;
    let answers = load_of(alone)?.tally.answers;
    end_load(alone)?;
    Ok(answers as f64 / elapsed.as_secs_f64())
}

fn load_of(alone: &mut Alone) -> io::Result<&mut Load> {
    alone.stage.load().ok_or_else(|| io::Error::other("no load"))
}

/// Waits for the last answers; an error when something went wrong where nothing is counted.
fn end_load(alone: &mut Alone) -> io::Result<()> {
    alone.finish_load()?;
    let errors = load_of(alone)?.tally.errors_text();
    drop(alone.stage.end());
    if errors.is_empty() { Ok(()) } else { Err(io::Error::other(errors)) }
}

/// What all turns of one kind in a round have shown, and what the data plane used meanwhile.
struct Part {
    /// What is counted.
    tally: Tally,
    /// What came while the turn before still had answers to come.
    settling: Tally,
    /// Of both.
    elapsed: Duration,
    run_ns: u64,
    busiest_wait_ns: u64,
    /// How long the host kept the data plane's or the load's core from it.
    stolen: Duration,
}

impl Part {
    fn new() -> Part {
        Part { tally: Tally::new(), settling: Tally::new(), elapsed: Duration::ZERO, run_ns: 0, busiest_wait_ns: 0, stolen: Duration::ZERO }
    }

    fn answers(&self) -> u64 {
        self.tally.answers + self.settling.answers
    }

    /// One turn of this kind. Between two turns nothing is reckoned that would hold up the load.
    fn turn(&mut self, alone: &mut Alone, request: Rc<[u8]>) -> io::Result<()> {
        load_of(alone)?.turn_to(request);
        for (tally, time) in [(&mut self.settling, SETTLING), (&mut self.tally, COUNTED)] {
            std::mem::swap(&mut load_of(alone)?.tally, tally);
            self.elapsed += alone.stage.run(time)?;
            std::mem::swap(&mut load_of(alone)?.tally, tally);
        }
        Ok(())
    }

    fn add(&mut self, used: &Used, stolen: Duration) {
        self.run_ns += used.run_ns;
        self.busiest_wait_ns += used.busiest_wait_ns;
        self.stolen += stolen;
    }
}

/// Both kinds in turns, `first` before the other, within one load.
fn parts(line: &Line, alone: &mut Alone, first: usize, per_second: f64) -> io::Result<[Part; 2]> {
    let plans = MODELS.map(|model| plan(line, alone, model, Pace::Open { per_second }));
    let turns = commands::seconds(line.seconds)?.div_duration_f64(COUNTED).ceil() as usize;
    let mut parts = [Part::new(), Part::new()];
    alone.stage.begin(plans[first].clone());
    alone.stage.run(WARM_UP)?;
    let plane = [alone.plane.pid()];
    let mut before = (machine::usage(&plane)?, kept(line)?);
    for turn in 0..2 * turns {
        let index = (first + turn) % 2;
        parts[index].turn(alone, Rc::clone(&plans[index].request))?;
        let now = (machine::usage(&plane)?, kept(line)?);
        parts[index].add(&now.0.since(&before.0), now.1.saturating_sub(before.1));
        before = now;
    }
    end_load(alone)?;
    Ok(parts)
}

/// How long the host has kept either core from this machine, all in all.
fn kept(line: &Line) -> io::Result<Duration> {
    Ok(machine::stolen(line.places.proxy_cpu)? + machine::stolen(line.places.load_cpu)?)
}

/// What saturates the data plane is found anew for each round: a machine that others use is not always as fast.
fn measure(line: &Line, alone: &mut Alone) -> io::Result<([Contestant; 2], Seen)> {
    let mut all = ["first down", GOAL.than].map(Contestant::new);
    let mut seen = Seen::default();
    for round in 0..line.rounds {
        line.patience.wait(&line.places)?;
        let per_second = saturated(line, alone)? * LOAD;
        seen.loads.push(per_second);
        let before = alone.gateway.meters(&[FAILED])?;
        let parts = parts(line, alone, round % 2, per_second)?;
        // Nobody but the first target fails.
        seen.in_vain += (alone.gateway.meters(&[FAILED])?[0] - before[0]) as u64;
        seen.answers += parts[0].answers();
        for (all, part) in all.iter_mut().zip(&parts) {
            seen.errors.extend([&part.settling, &part.tally].map(Tally::errors_text).into_iter().filter(|text| !text.is_empty()));
            all.rounds.push(of(part));
        }
        eprintln!("round {} of {} done", round + 1, line.rounds);
    }
    Ok((all, seen))
}

fn of(part: &Part) -> Round {
    let tally = &part.tally;
    let held = part.busiest_wait_ns as f64 / part.elapsed.as_nanos() as f64;
    let stolen = part.stolen.div_duration_f64(part.elapsed);
    let values = [
        (P50.name, tally.latency.at(0.5)),
        (P99.name, tally.latency.at(0.99)),
        (CPU.name, part.run_ns as f64 / 1e3 / part.answers().max(1) as f64),
    ];
    let values = values.into();
    let late = tally.latency.at(0.5);
    let void = if tally.errors() > 0 {
        Some(tally.errors_text())
    } else if late > SETTLING.as_micros() as f64 {
        // It was saturated, and what is told of one kind is the other's.
        Some(format!("half of all answers took {:.0} ms, and the next turn counts after {} ms", late / 1e3, SETTLING.as_millis()))
    } else if stolen > STOLEN_MAX {
        Some(format!("the host had its cores for {:.1} % of the time", stolen * 100.0))
    } else {
        works::disturbed(tally, held)
    };
    Round { values, void }
}

fn told(line: &Line, contestants: &[Contestant; 2], seen: &Seen) -> (String, Value) {
    let (least, most) = seen.loads.iter().fold((f64::MAX, 0.0_f64), |(least, most), &load| (least.min(load), most.max(load)));
    let title = format!(
        "{least:.0} to {most:.0} requests/s, which is {LOAD} of saturation, {} connections, {} rounds of twice {} s in turns",
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
