//! What a cell has to be: for its tenant, in the gateway's own record, and in the logs of the providers.

use crate::{
    rows::Way,
    seen::Saw,
    stage::{ATTEMPTS_MAX, Cell},
};
use mock::journal::Entry;
use serde_json::Value;
use std::collections::BTreeMap;

/// What follows from a class, as the table of the engine has it.
#[derive(Clone, Debug)]
struct Consequence {
    tenants_own: bool,
    ask_again: bool,
    status: u16,
    code: String,
}

/// The table of the engine, `FAILURES.md`, by class.
#[derive(Clone, Debug)]
pub(crate) struct Rules(BTreeMap<String, Consequence>);

impl Rules {
    /// Reads the table.
    pub(crate) fn read() -> Rules {
        let text = include_str!("../../../dataplane/engine/FAILURES.md");
        let mut rules = BTreeMap::new();
        for line in text.lines().filter(|line| line.starts_with("| ")).skip(1) {
            let parts: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let (status, code) = parts[9].split_once(' ').expect("a tenant sees a status and a code");
            let consequence = Consequence {
                tenants_own: parts[1] == "tenant",
                ask_again: parts[2] == "yes",
                status: status.parse().expect("a status is a number"),
                code: code.trim_matches('`').to_owned(),
            };
            rules.insert(parts[0].to_owned(), consequence);
        }
        Rules(rules)
    }

    /// What is the tenant's own mistake, and nobody else is asked for.
    pub(crate) fn is_tenants_own(&self, class: &str) -> bool {
        self.of(class).tenants_own
    }

    fn of(&self, class: &str) -> &Consequence {
        self.0.get(class).unwrap_or_else(|| panic!("FAILURES.md has no class `{class}`"))
    }
}

/// What a cell did, and what is wrong with it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    /// All that is wrong.
    pub(crate) complaints: Vec<String>,
    /// A target was asked more often, or sooner, than it may be.
    pub(crate) hammered: bool,
    /// What was the tenant's own mistake was asked again.
    pub(crate) replayed: bool,
}

/// Judges one cell by what its tenant saw, the gateway's record of it, and what providers were asked.
pub(crate) fn judge(rules: &Rules, cell: &Cell, saw: &Saw, fault: Option<&str>, record: &Value, entries: &[&Entry]) -> Verdict {
    let mut verdict = Verdict::default();
    let class = cell.row.classes(cell.stream, cell.client())[0];
    let own = rules.of(class).tenants_own;
    if let Some(why) = wrong(rules, cell, saw, fault) {
        verdict.complaints.push(why);
    }
    written_down(cell, record, &mut verdict);
    let asked = |name: &str| entries.iter().filter(|entry| entry.provider == name).count();
    if own && entries.len() != 1 {
        verdict.replayed = entries.len() > 1;
        verdict.complaints.push(format!("the tenant's own mistake was asked {} times", entries.len()));
    }
    let stale = record["attempts"].as_array().into_iter().flatten().filter(|attempt| attempt["end"] == "stale").count();
    let well = cell.well();
    for name in cell.providers() {
        let count = asked(&name);
        let is_well = well.as_ref() == Some(&name);
        let most = match (is_well, well.is_some()) {
            (true, _) => ATTEMPTS_MAX,
            (false, true) => 1 + stale,
            (false, false) if rules.of(class).ask_again => ATTEMPTS_MAX + stale,
            (false, false) => 1 + stale,
        };
        if count > most || stale > 1 {
            verdict.hammered = true;
            verdict
                .complaints
                .push(format!("{name} was asked {count} times, {stale} of them on stale connections; it may be {most} times"));
        }
        let ends_before = own || cell.row.late;
        if matches!(cell.row.way, Way::Request(..)) && count == 0 && !(ends_before && name != cell.providers()[0]) {
            verdict.complaints.push(format!("{name} was never asked"));
        }
        if ends_before && count > 0 && name != cell.providers()[0] {
            verdict.complaints.push(format!("{name} was asked, and nothing was to be asked any more"));
        }
        for [before, after] in gaps(entries, &name) {
            if !is_well && after < before + cell.row.pause_ms.saturating_sub(1) {
                verdict.hammered = true;
                verdict.complaints.push(format!("{name} was asked again after {} ms; it had said {}", after - before, cell.row.pause_ms));
            }
        }
    }
    verdict
}

/// When a target was asked, and when it was asked again.
pub(crate) fn gaps(entries: &[&Entry], name: &str) -> Vec<[u64; 2]> {
    let times: Vec<u64> = entries.iter().filter(|entry| entry.provider == name).map(|entry| entry.at_ms).collect();
    times.windows(2).map(|two| [two[0], two[1]]).collect()
}

/// What is wrong with what the tenant saw.
fn wrong(rules: &Rules, cell: &Cell, saw: &Saw, fault: Option<&str>) -> Option<String> {
    let classes = cell.row.classes(cell.stream, cell.client());
    let consequence = rules.of(classes[0]);
    let right = match saw {
        Saw::Answer(by) => !consequence.tenants_own && !cell.row.late && cell.well().as_ref() == Some(by),
        // The provider's own words, returned once, under the provider's own status.
        Saw::Error { status, .. } if consequence.tenants_own => (400..500).contains(status) && fault == Some("tenant"),
        Saw::Error { status, code } => {
            let fits = |class: &&str| (rules.of(class).status, rules.of(class).code.as_str()) == (*status, code);
            let late = cell.row.slow && (*status, code.as_str()) == (504, "deadline_exceeded");
            cell.well().is_none() && fault != Some("tenant") && (classes.iter().any(fits) || late)
        }
        Saw::Cut { code } => cell.row.late && code == "stream_cut",
        Saw::Truncated(_) | Saw::Hang(_) | Saw::Broken(_) => false,
    };
    (!right).then(|| format!("the tenant saw {saw:?}, fault {fault:?}"))
}

/// The record names the class of every failure.
fn written_down(cell: &Cell, record: &Value, verdict: &mut Verdict) {
    let attempts = record["attempts"].as_array().map_or(&[][..], Vec::as_slice);
    if attempts.is_empty() {
        verdict.complaints.push("no attempt is written down".to_owned());
    }
    for attempt in attempts {
        let end = attempt["end"].as_str().unwrap_or_default();
        let target = attempt["target"].as_str().unwrap_or_default();
        let dialect = target.split('/').next().and_then(|provider| provider.rsplit('-').next()).unwrap_or_default();
        let classes = cell.row.classes(cell.stream, dialect);
        let known = match end {
            "answered" => cell.well().is_some_and(|well| target.starts_with(&well)),
            "stale" => classes.contains(&"reset"),
            other => classes.contains(&other),
        };
        if !known {
            verdict.complaints.push(format!("an attempt at {target} is written down as {end:?}; it was to be {classes:?}"));
        }
    }
}
