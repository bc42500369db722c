//! How often the breaker of each target opened, and how long it took to close again.
//!
//! Data planes tell every change of a breaker; an outage begins when one that was closed is so no more,
//! and ends when it is closed again, whatever probes failed between. The daemon remembers what it has
//! seen, and no more than so many targets: when another comes, the one that was quiet the longest goes.

use policy::{limits, wire::Event};
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
    /// How often its breaker opened.
    pub openings: u64,
    /// How often it was seen to open and to close again.
    pub closings: u64,
    /// Between the two, all together.
    repaired_us: u64,
    longest_us: u64,
    /// Where it is open, by data plane, and since when; as many as there are data planes.
    open: BTreeMap<u64, u64>,
    heard_us: u64,
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
            (_, "closed") => {
                // One that was open before this daemon listened has no beginning.
                let Some(since_us) = row.open.remove(&plane) else { return };
                let took_us = event.at_us.saturating_sub(since_us);
                row.closings += 1;
                row.repaired_us = row.repaired_us.saturating_add(took_us);
                row.longest_us = row.longest_us.max(took_us);
            }
            ("closed", _) => {
                // When the closing of another was lost, so is its end.
                row.open.insert(plane, event.at_us);
                row.openings += 1;
            }
            _ => {}
        }
    }

    /// A data plane has gone, and will tell no end of what it had open.
    pub fn gone(&mut self, plane: u64) {
        for row in self.0.values_mut() {
            row.open.remove(&plane);
        }
    }

    /// What is known of a target.
    pub fn of(&self, target: &str) -> Option<&Repair> {
        self.0.get(target)
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let rows = self.0.iter().map(|(target, row)| {
            let shown = json!({"openings": row.openings, "closings": row.closings, "mttr_ms": row.mean_ms(),
                "longest_ms": (row.closings > 0).then_some(row.longest_us / 1_000), "open_on": row.open.len()});
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

impl Repair {
    /// Mean time between an opening and its closing, in milliseconds; `None` when none was seen.
    pub fn mean_ms(&self) -> Option<u64> {
        (self.repaired_us / 1_000).checked_div(self.closings)
    }
}

#[cfg(test)]
mod tests;
