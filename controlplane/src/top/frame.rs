//! What the screen shows, from what the daemon says: numbers in, lines out.

use crate::{legible, time};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

/// Whether lines may hold colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// No escape is written.
    Plain,
    /// What needs a look is red or yellow.
    Coloured,
}

/// Everything of one moment; several data planes are one gateway here.
#[derive(Debug, Default)]
pub(super) struct Frame {
    generation: u64,
    planes: Vec<String>,
    up_ms: u64,
    notes: Vec<String>,
    /// A second, where there was an earlier moment; else since the start.
    rates: BTreeMap<String, f64>,
    meters: BTreeMap<String, u64>,
    targets: Vec<Target>,
    since_start: bool,
}

#[derive(Debug, Default)]
struct Target {
    name: String,
    breaker: String,
    in_flight: u64,
    attempts: f64,
    failures: f64,
    first_token_us: u64,
    paused_ms: u64,
}

/// Breakers in the order of their gravity.
const BREAKERS: [&str; 3] = ["closed", "probing", "open"];

impl Frame {
    /// What the daemon says now, and said before.
    pub(super) fn of(status: &Value, before: Option<(&Value, Duration)>) -> Frame {
        let mut frame = Frame { generation: status["generation"].as_u64().unwrap_or(0), ..Frame::default() };
        let planes = status["planes"].as_array().map_or(&[][..], Vec::as_slice);
        for plane in planes {
            frame.planes.push(plane["state"].as_str().unwrap_or("unknown").to_owned());
            frame.up_ms = frame.up_ms.max(plane["stats"]["up_ms"].as_u64().unwrap_or(0));
        }
        frame.notes = notes(status);
        frame.meters = meters(status);
        frame.since_start = before.is_none();
        let earlier = before.map(|(status, _)| meters(status)).unwrap_or_default();
        let seconds = before.map_or(frame.up_ms as f64 / 1e3, |(_, elapsed)| elapsed.as_secs_f64());
        frame.rates = frame.meters.iter().map(|(name, now)| (name.clone(), rate(*now, earlier.get(name), seconds))).collect();
        let earlier = before.map(|(status, _)| targets(status)).unwrap_or_default();
        for (name, mut target) in targets(status) {
            let was = earlier.get(&name);
            target.attempts = rate(target.attempts as u64, was.map(|was| was.attempts as u64).as_ref(), seconds);
            target.failures = rate(target.failures as u64, was.map(|was| was.failures as u64).as_ref(), seconds);
            frame.targets.push(target);
        }
        frame.targets.sort_by(|one, two| two.attempts.total_cmp(&one.attempts).then_with(|| one.name.cmp(&two.name)));
        frame
    }

    /// The lines, none wider than the screen and no more than it has.
    pub(super) fn lines(&self, (width, height): (usize, usize), style: Style) -> Vec<String> {
        let mut lines: Vec<(String, &str)> = vec![(self.head(), "1")];
        if self.planes.is_empty() {
            lines.push(("no data plane is connected".to_owned(), "31"));
        }
        lines.extend(self.notes.iter().map(|note| (note.clone(), "33")));
        lines.push((String::new(), ""));
        lines.extend(self.traffic().into_iter().map(|line| (line, "")));
        lines.extend(self.latencies().into_iter().map(|line| (line, "")));
        lines.extend(self.classes().map(|line| (line, "33")));
        lines.push((String::new(), ""));
        lines.extend(self.table());
        let room = height.saturating_sub(1).max(1);
        if lines.len() > room {
            let more = lines.len() - room + 1;
            lines.truncate(room.saturating_sub(1));
            lines.push((format!("… and {more} more"), ""));
        }
        lines
            .into_iter()
            .map(|(line, colour)| {
                let shown: String = legible::line(&line).chars().take(width).collect();
                match style {
                    Style::Coloured if !colour.is_empty() => format!("\x1b[{colour}m{shown}\x1b[0m"),
                    _ => shown,
                }
            })
            .collect()
    }

    fn head(&self) -> String {
        let planes = match &self.planes[..] {
            [one] => one.clone(),
            several => format!("{} data planes: {}", several.len(), several.join(", ")),
        };
        let rates = if self.since_start { "averages since the start" } else { "per second" };
        format!("throwover  generation {}  {planes}  up {}  {rates}  (q ends)", self.generation, time::words(self.up_ms))
    }

    fn rate_of(&self, name: &str) -> f64 {
        self.rates.get(name).copied().unwrap_or(0.0)
    }

    fn traffic(&self) -> Vec<String> {
        let cell = |label: &str, name: &str| format!("{label:<12}{:>9}/s", shown(self.rate_of(name)));
        let level = |label: &str, name: &str| format!("{label:<12}{:>9}  ", self.meters.get(name).copied().unwrap_or(0));
        [
            [cell("requests", "requests_total"), cell("answered", "answered_total"), level("in flight", "exchanges_in_flight")],
            [cell("errors", "failed_total"), cell("cut streams", "cut_streams_total"), level("connections", "downstream_connections_open")],
            [cell("fallbacks", "fallbacks_total"), cell("hung up", "hung_up_total"), level("warm", "upstream_connections_idle")],
            [cell("attempts", "attempts_total"), cell("failed", "attempts_failed_total"), cell("shed", "shed_total")],
        ]
        .iter()
        .map(|cells| cells.join("   ").trim_end().to_owned())
        .collect()
    }

    fn latencies(&self) -> Vec<String> {
        let value = |name: &str, share: &str| self.meters.get(&format!("{name}_{share}_ns")).copied().unwrap_or(0);
        let line = |(label, name): (&str, &str)| {
            let [half, most, max] = ["p50", "p99", "max"].map(|share| nanos(value(name, share)));
            format!("{label:<22}{half:>10} {most:>10} {max:>10}")
        };
        let rows = [
            ("overhead to provider", "overhead_request"),
            ("overhead of answers", "overhead_answer"),
            ("first token", "first_token"),
            ("whole exchange", "exchange"),
            ("switch to another", "switch"),
        ];
        let head = format!("{:<22}{:>10} {:>10} {:>10}", "SINCE THE START", "P50", "P99", "MAX");
        let rows = rows.into_iter().filter(|(_, name)| value(name, "max") > 0).map(line);
        std::iter::once(head).chain(rows).collect()
    }

    /// Failed attempts by class, the most first.
    fn classes(&self) -> Option<String> {
        let prefix = "attempts_failed_";
        let mut classes: Vec<(&str, u64)> = self
            .meters
            .iter()
            .filter_map(|(name, count)| Some((name.strip_prefix(prefix)?, *count)))
            .filter(|(name, count)| *name != "total" && *count > 0)
            .collect();
        classes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let words: Vec<String> = classes.iter().take(8).map(|(name, count)| format!("{name} {count}")).collect();
        (!words.is_empty()).then(|| format!("failed attempts since the start: {}", words.join(", ")))
    }

    fn table(&self) -> Vec<(String, &'static str)> {
        let width = self.targets.iter().map(|target| target.name.chars().count()).max().unwrap_or(6).clamp(6, 60);
        let head = format!(
            "{:<width$}  {:<8} {:>9} {:>10} {:>10} {:>10} {:>9}",
            "TARGET", "BREAKER", "IN FLIGHT", "ATTEMPTS/S", "FAILED/S", "TTFT", "PAUSED"
        );
        let row = |target: &Target| {
            let ttft = if target.first_token_us == 0 { String::new() } else { nanos(target.first_token_us * 1_000) };
            let paused = if target.paused_ms == 0 { String::new() } else { time::words(target.paused_ms) };
            let line = format!(
                "{:<width$}  {:<8} {:>9} {:>10} {:>10} {ttft:>10} {paused:>9}",
                target.name,
                target.breaker,
                target.in_flight,
                shown(target.attempts),
                shown(target.failures)
            );
            let colour = match target.breaker.as_str() {
                "closed" if target.paused_ms == 0 => "",
                "open" => "31",
                _ => "33",
            };
            (line, colour)
        };
        std::iter::once((head, "1")).chain(self.targets.iter().map(row)).collect()
    }
}

/// What is on trial, and what is set aside.
fn notes(status: &Value) -> Vec<String> {
    let mut notes = Vec::new();
    let trial = &status["trial"];
    if let (Some(back), Some(left)) = (trial["back"].as_u64(), trial["left_ms"].as_u64()) {
        notes.push(format!("on trial: generation {back} comes back in {} unless confirmed", time::words(left)));
    }
    let aside: Vec<&str> = status["aside"].as_object().into_iter().flat_map(serde_json::Map::keys).map(String::as_str).collect();
    if !aside.is_empty() {
        notes.push(format!("set aside: {}", aside.join(", ")));
    }
    notes
}

/// Counters summed over data planes; of times the worst counts.
fn meters(status: &Value) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for plane in status["planes"].as_array().into_iter().flatten() {
        for (name, value) in plane["stats"]["meters"].as_object().into_iter().flatten() {
            let value = value.as_u64().unwrap_or(0);
            let sum: &mut u64 = sums.entry(name.clone()).or_insert(0);
            *sum = if name.ends_with("_ns") { (*sum).max(value) } else { sum.saturating_add(value) };
        }
    }
    sums
}

/// Targets over data planes, with totals where rates will be; those that nobody asked for are left out.
fn targets(status: &Value) -> BTreeMap<String, Target> {
    let mut found: BTreeMap<String, Target> = BTreeMap::new();
    let planes = status["planes"].as_array().into_iter().flatten();
    for state in planes.flat_map(|plane| plane["stats"]["targets"].as_array().into_iter().flatten()) {
        let (name, number) = (state["name"].as_str().unwrap_or_default(), |key: &str| state[key].as_u64().unwrap_or(0));
        if name.ends_with("/*") && number("attempts") == 0 {
            continue;
        }
        let target = found.entry(name.to_owned()).or_insert_with(|| Target { name: name.to_owned(), ..Target::default() });
        let gravity = |word: &str| BREAKERS.iter().position(|known| *known == word);
        let breaker = state["breaker"].as_str().unwrap_or("unknown");
        if target.breaker.is_empty() || gravity(breaker) > gravity(&target.breaker) {
            target.breaker = breaker.to_owned();
        }
        target.in_flight += number("in_flight");
        target.attempts += number("attempts") as f64;
        target.failures += number("failures") as f64;
        target.first_token_us = target.first_token_us.max(number("first_token_us"));
        // Either way nobody is sent there.
        target.paused_ms = target.paused_ms.max(number("paused_ms")).max(number("spent_ms"));
    }
    found
}

/// So many a second. A counter that has become smaller began anew.
fn rate(now: u64, before: Option<&u64>, seconds: f64) -> f64 {
    let grown = now.checked_sub(before.copied().unwrap_or(0)).unwrap_or(now);
    if seconds > 0.0 { grown as f64 / seconds } else { 0.0 }
}

fn shown(rate: f64) -> String {
    match rate {
        0.0 => "0".to_owned(),
        rate if rate < 10.0 => format!("{rate:.2}"),
        rate if rate < 1_000.0 => format!("{rate:.1}"),
        rate => format!("{rate:.0}"),
    }
}

fn nanos(value: u64) -> String {
    match value {
        0..1_000_000 => format!("{:.1} us", value as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} ms", value as f64 / 1e6),
        _ => format!("{:.2} s", value as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests;
