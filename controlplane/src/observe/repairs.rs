//! How often each target was out, and how long it took to come back: its breaker open, or it and every
//! key for it left alone.
//!
//! Data planes tell every change of a breaker; an outage begins when one that was closed is so no more,
//! and ends when it is closed again, whatever probes failed between. Nobody tells of the end of a pause: it
//! is seen in the counters, which come about once a second, so that shorter ones may be missed. The daemon
//! remembers what it has seen, and no more than so many targets: when another comes, the one that was
//! quiet the longest goes.

use policy::{
    limits,
    wire::{Event, TargetState},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Targets that are remembered.
const TARGETS_MAX: usize = 4_096;

/// What is remembered of every target.
#[derive(Debug, Default)]
pub struct Repairs(BTreeMap<String, Repair>);

/// What is remembered of one target.
#[derive(Debug, Default)]
pub struct Repair {
    /// When its breaker was not closed.
    pub breaker: Outages,
    /// When it, or every credential for it, was left alone.
    pub out: Outages,
    heard_us: u64,
}

/// Times of one kind in which a target was not asked as ever.
#[derive(Debug, Default)]
pub struct Outages {
    /// How many began.
    pub begun: u64,
    /// How many were seen from their beginning to their end.
    pub ended: u64,
    /// Those, all together.
    repaired_us: u64,
    longest_us: u64,
    /// Those that last, by data plane, and since when; as many as there are data planes.
    since: BTreeMap<u64, u64>,
}

impl Outages {
    /// When the end of another was lost, so is that one.
    fn begin(&mut self, plane: u64, at_us: u64) {
        self.since.insert(plane, at_us);
        self.begun += 1;
    }

    /// One that lasted before this daemon listened has no beginning, and counts for nothing.
    fn end(&mut self, plane: u64, at_us: u64) {
        let Some(since_us) = self.since.remove(&plane) else { return };
        let took_us = at_us.saturating_sub(since_us);
        self.ended += 1;
        self.repaired_us = self.repaired_us.saturating_add(took_us);
        self.longest_us = self.longest_us.max(took_us);
    }

    /// Mean time between a beginning and its end, in milliseconds; `None` when none was seen.
    pub fn mean_ms(&self) -> Option<u64> {
        (self.repaired_us / 1_000).checked_div(self.ended)
    }

    fn longest_ms(&self) -> Option<u64> {
        (self.ended > 0).then_some(self.longest_us / 1_000)
    }
}

impl Repairs {
    /// Takes in what a data plane tells; anything but a change of a breaker means nothing here.
    pub fn hear(&mut self, plane: u64, event: &Event) {
        let detail = |name: &str| event.details.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        if event.kind != "breaker" {
            return;
        }
        let (Some(target), Some(from), Some(to)) = (detail("target"), detail("from"), detail("to")) else { return };
        if target.len() > 2 * limits::NAME_BYTES_MAX {
            return;
        }
        self.make_room(target);
        let row = self.0.entry(target.to_owned()).or_default();
        row.heard_us = row.heard_us.max(event.at_us);
        match (from, to) {
            (_, "closed") => row.breaker.end(plane, event.at_us),
            ("closed", _) => row.breaker.begin(plane, event.at_us),
            _ => {}
        }
    }

    /// Takes in how the targets of a data plane stand at `at_us`.
    pub fn look(&mut self, plane: u64, targets: &[TargetState], at_us: u64) {
        for target in targets.iter().filter(|target| target.name.len() <= 2 * limits::NAME_BYTES_MAX) {
            let out = target.paused_ms > 0 || target.keys_out_ms > 0;
            let lasted = self.0.get(&target.name).is_some_and(|row| row.out.since.contains_key(&plane));
            if out == lasted {
                continue;
            }
            self.make_room(&target.name);
            let row = self.0.entry(target.name.clone()).or_default();
            row.heard_us = row.heard_us.max(at_us);
            if out { row.out.begin(plane, at_us) } else { row.out.end(plane, at_us) }
        }
    }

    /// A data plane has gone, and will tell no end of what it had out.
    pub fn gone(&mut self, plane: u64) {
        for row in self.0.values_mut() {
            row.breaker.since.remove(&plane);
            row.out.since.remove(&plane);
        }
    }

    /// What is known of a target.
    pub fn of(&self, target: &str) -> Option<&Repair> {
        self.0.get(target)
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let rows = self.0.iter().map(|(target, row)| {
            let (breaker, out) = (&row.breaker, &row.out);
            let shown = json!({"openings": breaker.begun, "closings": breaker.ended, "mttr_ms": breaker.mean_ms(),
                "longest_ms": breaker.longest_ms(), "open_on": breaker.since.len(),
                "out": {"begun": out.begun, "ended": out.ended, "mttr_ms": out.mean_ms(), "longest_ms": out.longest_ms(),
                    "out_on": out.since.len()}});
            (target.clone(), shown)
        });
        Value::Object(rows.collect())
    }

    fn make_room(&mut self, target: &str) {
        if self.0.len() < TARGETS_MAX || self.0.contains_key(target) {
            return;
        }
        let quiet = self.0.iter().min_by_key(|(_, row)| row.heard_us).map(|(name, _)| name.clone());
        if let Some(quiet) = quiet {
            self.0.remove(&quiet);
        }
    }
}

#[cfg(test)]
mod tests;
