//! Tables of what a data plane tells, for people.

use super::repairs::{Outages, Repair, Repairs};
use crate::{legible, time};
use policy::wire::{Allotment, KeyState, TargetState};
use std::fmt::{self, Write as _};

/// A duration, or nothing where there is none.
fn left(ms: u64) -> String {
    if ms == 0 { String::new() } else { time::words(ms) }
}

/// A word and how much longer it holds.
fn with(word: &str, ms: u64) -> String {
    if ms == 0 { word.to_owned() } else { format!("{word} {}", time::words(ms)) }
}

/// The same, and why, where that is known.
fn because(state: String, why: &str) -> String {
    if why.is_empty() { state } else { format!("{state}, {}", legible::line(why)) }
}

/// The columns as wide as they need to be, the first to the left and the others to the right, but for
/// those at `words`.
fn table(rows: &[Vec<String>], words: &[usize], text: &mut String) -> fmt::Result {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let gap = if column == 0 { "" } else { "  " };
            if words.contains(&column) {
                write!(line, "{gap}{cell:<width$}")?;
            } else {
                write!(line, "{gap}{cell:>width$}")?;
            }
        }
        writeln!(text, "{}", line.trim_end())?;
    }
    Ok(())
}

fn head(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// What is known of each target. How often its breaker opened, and in what time it closed again, is of
/// all data planes together; so is how often it, or every key for it, was left alone, and in what time it was back.
pub(super) fn targets(targets: &[&TargetState], repairs: &Repairs, text: &mut String) -> fmt::Result {
    let mut rows = vec![head(&[
        "TARGET",
        "BREAKER",
        "ATTEMPTS",
        "FAILED",
        "LAST FAILURE",
        "TTFT",
        "IN FLIGHT",
        "PAUSED",
        "SPENT",
        "DEGRADED",
        "OPENED",
        "MTTR",
        "OUT",
        "BACK IN",
    ])];
    for target in targets {
        let repair = repairs.of(&target.name);
        let count = |of: fn(&Repair) -> &Outages| repair.map_or(0, |repair| of(repair).begun).to_string();
        let mean = |of: fn(&Repair) -> &Outages| repair.and_then(|repair| of(repair).mean_ms()).map_or(String::new(), time::words);
        let failed = match target.failed_class.as_str() {
            "" => String::new(),
            class => format!("{} {} ago", legible::line(class), time::words(target.failed_ago_ms)),
        };
        let ttft = if target.first_token_us == 0 { String::new() } else { format!("{:.1} ms", target.first_token_us as f64 / 1000.0) };
        let paused = match target.paused_ms {
            0 => String::new(),
            ms => with(&legible::line(&target.paused_class), ms).trim_start().to_owned(),
        };
        let paused = match target.keys_out_ms {
            0 => paused,
            _ if !paused.is_empty() => paused,
            ms => with("no key", ms),
        };
        rows.push(vec![
            legible::line(&target.name).into_owned(),
            because(with(&legible::line(&target.breaker), target.breaker_ms), &target.breaker_cause),
            target.attempts.to_string(),
            target.failures.to_string(),
            failed,
            ttft,
            match target.limit {
                0 => target.in_flight.to_string(),
                limit => format!("{} of {limit}", target.in_flight),
            },
            paused,
            left(target.spent_ms),
            legible::line(&target.degraded).into_owned(),
            count(|repair| &repair.breaker),
            mean(|repair| &repair.breaker),
            count(|repair| &repair.out),
            mean(|repair| &repair.out),
        ]);
    }
    table(&rows, &[0, 1, 4], text)
}

/// Credentials that are not used as ever, by their numbers.
pub(super) fn keys(keys: &[KeyState], text: &mut String) -> fmt::Result {
    let mut rows = vec![head(&["KEY", "NUMBER", "STATE", "WHY", "FOR"])];
    for key in keys {
        let (state, why, ms) = match key {
            KeyState { disabled: true, .. } => ("taken out", legible::line(&key.class), key.paused_ms),
            KeyState { paused_ms: 1.., .. } => ("paused", legible::line(&key.class), key.paused_ms),
            KeyState { limited_ms: 1.., .. } => ("limited", "its rpm or tpm".into(), key.limited_ms),
            KeyState { spent_ms: 1.., .. } => ("spent", "".into(), key.spent_ms),
            _ => ("breaker", because(legible::line(&key.breaker).into_owned(), &key.breaker_cause).into(), key.breaker_ms),
        };
        let place = format!("{} key {} of {}", legible::line(&key.provider), key.place, key.of);
        rows.push(vec![place, key.key.to_string(), state.to_owned(), why.into_owned(), left(ms)]);
    }
    table(&rows, &[0, 2, 3], text)
}

/// What is left of further attempts.
pub(super) fn allotments(allotments: &[Allotment], text: &mut String) -> fmt::Result {
    let mut rows = vec![head(&["FURTHER ATTEMPTS", "LEFT", "OF"])];
    for allotment in allotments {
        let whose = format!("{} of {}", legible::line(&allotment.kind), legible::line(&allotment.name));
        rows.push(vec![whose, allotment.left.to_string(), allotment.most.to_string()]);
    }
    table(&rows, &[0], text)
}

#[cfg(test)]
mod tests;
