//! What users would have seen in a month of provider incidents, with and without failover.
//!
//! The engine's own exchanges, breakers and board run in virtual time: nothing listens and nothing
//! waits, and a month takes seconds. Only the providers are made up: what they do and when is in
//! `bench/incidents.json`, and every draw comes from the seed, the provider, the request and the number
//! of the attempt, so that each chain meets the same luck.

mod crowd;
mod dice;
mod incidents;
mod policy;
mod told;
mod world;

use crate::commands::{Format, print};
use clap::Args;
use incidents::Month;
use std::{io, path::PathBuf, process::ExitCode};
use world::World;

/// The month that is played when none is named.
const MONTH: &str = include_str!("../incidents.json");

#[derive(Debug, Args)]
pub(crate) struct Line {
    /// Another month of incidents than bench/incidents.json
    #[arg(long, value_name = "FILE")]
    incidents: Option<PathBuf>,
    /// Requests per second, at random moments
    #[arg(long, default_value_t = 2.0)]
    rate: f64,
    /// So many days from the beginning of the month
    #[arg(long, value_name = "DAYS")]
    days: Option<f64>,
    /// An answer counts when its first token is there in time
    #[arg(long, default_value_t = 30_000, value_name = "MILLISECONDS")]
    deadline_ms: u64,
    /// Which luck
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct IncidentsLine {
    /// Which month
    #[arg(long, default_value_t = incidents::SEED)]
    seed: u64,
}

/// How a month is played.
#[derive(Clone, Copy, Debug)]
struct Course {
    rate: f64,
    from_s: u64,
    to_s: u64,
    deadline_ms: u64,
    seed: u64,
}

pub(crate) fn run(line: &Line) -> io::Result<ExitCode> {
    let text = match &line.incidents {
        Some(path) => std::fs::read_to_string(path).map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?,
        None => MONTH.to_owned(),
    };
    let month = Month::read(&text).map_err(io::Error::other)?;
    if !(line.rate > 0.0 && line.rate <= 10_000.0) {
        return Err(io::Error::other("--rate is more than 0 and at most 10000"));
    }
    let whole_s = u64::from(month.days) * incidents::DAY_S;
    let to_s = line.days.map_or(whole_s, |days| ((days.max(0.0) * incidents::DAY_S as f64) as u64).min(whole_s)).max(1);
    let course = Course { rate: line.rate, from_s: 0, to_s, deadline_ms: line.deadline_ms.max(1), seed: line.seed };
    let played = play(&month, &course);
    print(line.format, (told::text(&month, &course, &played), told::json(&month, &course, &played)))
}

/// Prints a month of incidents as `bench/incidents.json` has it.
pub(crate) fn incidents(line: &IncidentsLine) -> ExitCode {
    print!("{}", Month::made_up(line.seed).text());
    ExitCode::SUCCESS
}

/// Every provider alone, then chains of two and more, each from the beginning on.
fn play(month: &Month, course: &Course) -> Vec<crowd::Tally> {
    let world = World::new(month, course.seed);
    let count = month.providers.len();
    let alone = (0..count).map(|provider| vec![provider]);
    let chains = (2..=count).map(|length| (0..length).collect());
    alone.chain(chains).map(|chain| crowd::play(&world, &chain, course)).collect()
}

#[cfg(test)]
mod tests;
