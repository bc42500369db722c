//! What came of the matrix: for people where something is wrong, and for the table of the README.

use crate::{seen::Saw, stage::Cell, verdict::Verdict};
use mock::journal::Entry;
use serde_json::{Value, json};
use std::fmt::Write;
use tests::testkit::tenant::Answer;

/// Says where the run is to be written.
const FILE: &str = "THROWOVER_FAULTS";

/// A cell, and what became of it.
pub(crate) struct Judged {
    pub(crate) cell: Cell,
    pub(crate) saw: Saw,
    pub(crate) complaints: Vec<String>,
}

/// The matrix in numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    cells: u64,
    answers: u64,
    errors: u64,
    wrong: u64,
    hangs: u64,
    truncated: u64,
    hammered: u64,
    replayed: u64,
    attempts_after_hang_up: u64,
}

impl Totals {
    /// Of nothing yet, but for what tenants that hung up were begun.
    pub(crate) fn new(attempts_after_hang_up: u64) -> Totals {
        Totals { attempts_after_hang_up, ..Totals::default() }
    }

    pub(crate) fn add(&mut self, saw: &Saw, verdict: &Verdict) {
        self.cells += 1;
        let right = verdict.complaints.is_empty();
        self.wrong += u64::from(!right);
        self.answers += u64::from(right && matches!(saw, Saw::Answer(_)));
        self.errors += u64::from(right && matches!(saw, Saw::Error { .. } | Saw::Cut { .. }));
        self.hangs += u64::from(matches!(saw, Saw::Hang(_)));
        self.truncated += u64::from(matches!(saw, Saw::Truncated(_)));
        self.hammered += u64::from(verdict.hammered);
        self.replayed += u64::from(verdict.replayed);
    }

    /// Nothing is wrong with any cell.
    pub(crate) fn is_clean(&self) -> bool {
        let Totals { cells, answers, errors, wrong, hangs, truncated, hammered, replayed, attempts_after_hang_up } = *self;
        wrong + hangs + truncated + hammered + replayed + attempts_after_hang_up == 0 && answers + errors == cells
    }

    fn json(&self) -> Value {
        json!({
            "cells": self.cells, "complete answers": self.answers, "honest errors": self.errors, "wrong": self.wrong,
            "hangs": self.hangs, "truncated successes": self.truncated, "targets hammered": self.hammered,
            "callers' mistakes replayed": self.replayed, "attempts after a hang-up": self.attempts_after_hang_up,
        })
    }
}

/// A wrong cell from both ends, with the gateway's record of it.
pub(crate) fn told(cell: &Cell, answer: Option<&Answer>, record: &Value, entries: &[&Entry], complaints: &[String]) -> String {
    let mut out = format!("WRONG: {} ({}), {} fallbacks\n", cell.name(), cell.row.name, cell.fallbacks);
    let mut say = |line: String| writeln!(out, "  {line}").expect("a String grows");
    complaints.iter().for_each(|complaint| say(complaint.clone()));
    if let Some(answer) = answer {
        let body = String::from_utf8_lossy(&answer.body[..answer.body.len().min(1_500)]).into_owned();
        say(format!("answer: {} {:?} {:?}\n    {}", answer.head.status, answer.end, answer.head.fields, body.escape_debug()));
    }
    for entry in entries {
        let Entry { provider, at_ms, ended_ms, status, outcome, sent_bytes, sent_events, faults, .. } = entry;
        say(format!(
            "at {at_ms} ms {provider} said {status}: {outcome:?} at {ended_ms:?} ms, {sent_bytes} bytes, {sent_events} events, {faults:?}"
        ));
    }
    say(format!("record: {record}"));
    out
}

/// Writes the run, if it is wanted.
pub(crate) fn write(judged: &[Judged], totals: &Totals) {
    let Some(path) = std::env::var_os(FILE) else { return };
    let cell = |Judged { cell, saw, complaints }: &Judged| {
        json!({
            "fault": cell.row.name, "class": cell.row.class_text(), "client": cell.client(),
            "form": if cell.stream { "stream" } else { "json" }, "fallbacks": cell.fallbacks, "mark": saw.mark(), "complaints": complaints,
        })
    };
    let run = json!({"cells": judged.iter().map(cell).collect::<Vec<_>>(), "totals": totals.json()});
    std::fs::write(&path, format!("{run:#}\n")).expect("the run can be written where it is wanted");
}
