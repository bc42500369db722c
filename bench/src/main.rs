//! `throwover-bench`: what a request costs and how long it takes, side by side with others.
//!
//! Figures come with the command that made them. CPU time per request is read from the kernel's
//! own account of the proxy's threads, which other work on the machine disturbs least; latencies
//! count from intended starts; every answer is compared with the one that was sent.

mod alone;
mod axis;
mod bars;
mod bootstrap;
mod buckets;
mod canned;
mod check;
mod child;
mod clock;
mod commands;
mod compare;
mod cost;
mod envoy;
mod figures;
mod gateways;
mod goals;
mod haproxy;
mod hedging;
mod idle;
mod inside;
mod intervals;
mod load;
mod machine;
mod marks;
mod meaning;
mod nginx;
mod outage;
mod outcome;
mod peers;
mod provenance;
mod reader;
mod records;
mod reloader;
mod reloads;
mod replay;
mod report;
mod run;
mod schedule;
mod sink;
mod soak;
mod socket;
mod spectrum;
mod stage;
mod startup;
mod svg;
mod table;
mod tally;
mod through;
mod throwover;
mod trend;
mod way;
mod works;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == child::LEASH) {
        eprintln!("throwover-bench: {}", child::become_leashed(words));
        return ExitCode::FAILURE;
    }
    match commands::run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("throwover-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
