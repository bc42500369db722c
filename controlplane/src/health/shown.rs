//! How each check stands, for people and for programs.

use super::{Health, Seat};
use crate::{legible, time};
use engine::hysteresis::State;
use policy::health::What;
use serde_json::{Value, json};

/// The word for what is thought of it.
fn word(seat: &Seat) -> &'static str {
    match seat.hysteresis.state() {
        State::Unknown => "unknown",
        State::Well => "well",
        State::Doubtful => "doubtful",
        State::Unwell => "degraded",
        State::Mending => "mending",
    }
}

fn kind(seat: &Seat) -> &'static str {
    match seat.watched.check.what {
        What::Endpoint { .. } => "health",
        What::Metrics { .. } => "metrics",
        What::Canary(_) => "canary",
    }
}

fn dollars(millionths: u64) -> f64 {
    millionths as f64 / 1e6
}

impl Health {
    /// Every check, for people.
    pub fn text(&self, wall_ms: u64) -> String {
        if self.seats.is_empty() {
            return "nothing is looked at: give a provider `health`, `metrics` or `canaries`\n".to_owned();
        }
        let width = self.seats.keys().map(|name| name.chars().count()).max().unwrap_or(0).max(5);
        let mut text =
            format!("{:<width$}  {:<8}  {:<14}  {:>8}  {:>8}  {:>10}  LAST\n", "CHECK", "STATE", "REASON", "SINCE", "LOOKED", "TODAY");
        for (name, seat) in &self.seats {
            let ago = |at_ms: u64| if at_ms == 0 { String::new() } else { time::words(wall_ms.saturating_sub(at_ms)) };
            let reason = if seat.hysteresis.is_unwell() { seat.reason.word() } else { "" };
            let today = match &seat.watched.canary {
                Some(_) => format!("${:.4}", dollars(self.outlay.spent(name, wall_ms).cost)),
                None => String::new(),
            };
            let mut said = seat.last.as_ref().map_or("never looked".to_owned(), |last| last.finding.said.clone());
            if seat.capped {
                said.push_str("; rests until tomorrow, its day is spent");
            }
            let looked = seat.last.as_ref().map_or(0, |last| last.at_ms);
            text.push_str(&format!(
                "{:<width$}  {:<8}  {reason:<14}  {:>8}  {:>8}  {today:>10}  {}\n",
                legible::line(name),
                word(seat),
                ago(seat.since_ms),
                ago(looked),
                legible::line(&said)
            ));
        }
        text
    }

    /// The same, for programs.
    pub fn json(&self, wall_ms: u64) -> Value {
        let row = |(name, seat): (&String, &Seat)| {
            let spent = self.outlay.spent(name, wall_ms);
            let today = seat.watched.canary.as_ref().map(|_| json!({"cost_usd": dollars(spent.cost), "count": spent.count}));
            json!({
                "check": name, "kind": kind(seat), "provider": seat.watched.provider, "targets": seat.watched.targets,
                "state": word(seat), "reason": seat.hysteresis.is_unwell().then(|| seat.reason.word()), "since_ms": seat.since_ms,
                "looked_ms": seat.last.as_ref().map(|last| last.at_ms), "said": seat.last.as_ref().map(|last| &last.finding.said),
                "today": today, "rests": seat.capped, "looks": seat.looks,
            })
        };
        json!({"checks": self.seats.iter().map(row).collect::<Vec<_>>()})
    }

    /// A line for each check that marks somebody, for `status`.
    pub fn degraded(&self, wall_ms: u64) -> String {
        let line = |(name, seat): (&String, &Seat)| {
            let since = time::words(wall_ms.saturating_sub(seat.since_ms));
            let said = seat.last.as_ref().map_or("", |last| last.finding.said.as_str());
            format!("degraded  {} for {since}: {} ({})\n", legible::line(name), seat.reason.word(), legible::line(said))
        };
        self.seats.iter().filter(|(_, seat)| seat.hysteresis.is_unwell()).map(line).collect()
    }
}
