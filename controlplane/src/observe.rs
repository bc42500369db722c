//! What data planes tell: the last counters of each, the last events, and what follows from those.

pub mod repairs;
mod shown;

use crate::{legible, time};
use policy::wire::{Event, Hello, Stats, TargetState};
use repairs::Repairs;
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    fmt::Write as _,
    sync::mpsc::{SyncSender, TrySendError},
};

/// Events that are kept.
pub const EVENTS_MAX: usize = 2_000;
/// Most watchers of events at once.
pub const WATCHERS_MAX: usize = 16;

/// One data plane, as far as it has told.
#[derive(Debug, Default)]
pub struct Plane {
    /// Who it is.
    pub hello: Option<Hello>,
    /// Its last counters.
    pub stats: Option<Stats>,
    /// Generation that it serves, as last heard.
    pub generation: u64,
}

impl Plane {
    /// What it is at, in one word. Until it listens, it knows neither its shards nor its addresses.
    pub fn state(&self) -> &'static str {
        let listens = self.hello.as_ref().is_some_and(|hello| hello.shards > 0 && !hello.listen.is_empty());
        match &self.stats {
            Some(stats) if stats.draining => "draining",
            _ if !listens => "starting",
            Some(stats) if stats.ready => "ready",
            _ => "not ready",
        }
    }
}

/// The last events, and who watches for more.
#[derive(Debug, Default)]
pub struct Events {
    kept: VecDeque<Event>,
    watchers: Vec<SyncSender<Event>>,
}

impl Events {
    /// Keeps an event and tells it to every watcher; a watcher that does not keep up is let go.
    pub fn push(&mut self, event: Event) {
        self.watchers.retain(|watcher| match watcher.try_send(event.clone()) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        });
        if self.kept.len() == EVENTS_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back(event);
    }

    /// Adds a watcher, if there is room.
    pub fn watch(&mut self, watcher: SyncSender<Event>) -> bool {
        let room = self.watchers.len() < WATCHERS_MAX;
        if room {
            self.watchers.push(watcher);
        }
        room
    }

    /// The last `count`, oldest first.
    pub fn last(&self, count: usize) -> impl Iterator<Item = &Event> {
        self.kept.iter().skip(self.kept.len().saturating_sub(count))
    }
}

/// One line for people.
pub fn event_line(event: &Event) -> String {
    let mut line = format!("{}  {:<16}", time::clock_us(event.at_us), legible::line(&event.kind));
    for (name, value) in &event.details {
        // A moment is read as a clock shows it.
        let (name, value) = match (name.strip_suffix("_us"), value.parse()) {
            (Some("until"), Ok(at_us)) => ("until", time::clock_us(at_us)),
            _ => (name.as_str(), value.clone()),
        };
        write!(line, " {}={}", legible::line(name), legible::line(&value)).expect("a String grows");
    }
    line
}

/// One value for programs.
pub fn event_json(event: &Event) -> Value {
    let details: serde_json::Map<String, Value> = event.details.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({"at_us": event.at_us, "kind": event.kind, "details": details})
}

/// An event as a program had it told.
pub fn event_from(value: &Value) -> Event {
    let details = value["details"].as_object().into_iter().flatten();
    Event {
        at_us: value["at_us"].as_u64().unwrap_or(0),
        kind: value["kind"].as_str().unwrap_or_default().to_owned(),
        details: details.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect(),
    }
}

/// The state of everything, for people.
pub fn status_text(generation: u64, note: &str, planes: &[&Plane], repairs: &Repairs) -> String {
    let mut text = format!("policy    generation {generation}{note}\n");
    if planes.is_empty() {
        text.push_str("no data plane is connected\n");
    }
    for plane in planes {
        plane_text(plane, repairs, &mut text).expect("a String grows");
    }
    text
}

fn plane_text(plane: &Plane, repairs: &Repairs, text: &mut String) -> std::fmt::Result {
    let Some(hello) = &plane.hello else { return writeln!(text, "a data plane has not said who it is") };
    let listen: Vec<String> = hello.listen.iter().map(ToString::to_string).collect();
    write!(text, "gateway   pid {}  build {}  generation {}", hello.pid, hello.build, plane.generation)?;
    if hello.shards > 0 {
        write!(text, "  shards {}", hello.shards)?;
    }
    write!(text, "  {}", plane.state())?;
    if let Some(stats) = &plane.stats {
        write!(text, "  up {}", time::words(stats.up_ms))?;
    }
    if listen.is_empty() {
        writeln!(text)?
    } else {
        writeln!(text, "  at {}", listen.join(" "))?
    }
    let Some(stats) = &plane.stats else { return Ok(()) };
    // Every provider has a target for whatever it is asked for; those that nobody asked are left out.
    let targets: Vec<&TargetState> = stats.targets.iter().filter(|target| target.attempts > 0 || !target.name.ends_with("/*")).collect();
    if !targets.is_empty() {
        shown::targets(&targets, repairs, text)?;
    }
    if !stats.keys.is_empty() {
        shown::keys(&stats.keys, text)?;
    }
    if !stats.allotments.is_empty() {
        shown::allotments(&stats.allotments, text)?;
    }
    if !stats.pools.is_empty() {
        let width = stats.pools.iter().map(|(name, ..)| name.len()).max().unwrap_or(6).max(6);
        writeln!(text, "{:<width$}  {:>6} {:>6}", "ORIGIN", "IDLE", "BUSY")?;
        for (name, idle, busy) in &stats.pools {
            writeln!(text, "{name:<width$}  {idle:>6} {busy:>6}")?;
        }
    }
    let counted: Vec<(&str, String)> =
        stats.meters.iter().filter(|(_, value)| *value > 0).map(|(name, value)| reading(name, *value)).collect();
    for line in counted.chunks(3) {
        let cells: Vec<String> = line.iter().map(|(name, value)| format!("{name:<31} {value:>11}")).collect();
        writeln!(text, "{}", cells.join("   "))?;
    }
    Ok(())
}

/// A counter without its unit of nanoseconds, which people do not read.
fn reading(name: &str, value: u64) -> (&str, String) {
    match name.strip_suffix("_ns") {
        Some(name) if value >= 1_000_000 => (name, format!("{:.2} ms", value as f64 / 1e6)),
        Some(name) => (name, format!("{:.1} us", value as f64 / 1e3)),
        None => (name, value.to_string()),
    }
}

/// The state of everything, for programs.
pub fn status_json(generation: u64, planes: &[&Plane], repairs: &Repairs) -> Value {
    let planes: Vec<Value> = planes
        .iter()
        .map(|plane| {
            json!({
                "generation": plane.generation,
                "state": plane.state(),
                "hello": plane.hello.as_ref().map(|hello| json!({
                    "build": hello.build, "pid": hello.pid, "shards": hello.shards, "schema": hello.schema,
                    "listen": hello.listen, "admin": hello.admin,
                })),
                "stats": plane.stats.as_ref().map(|stats| json!({
                    "generation": stats.generation, "up_ms": stats.up_ms, "ready": stats.ready, "draining": stats.draining,
                    "meters": stats.meters.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
                    "targets": stats.targets, "keys": stats.keys, "allotments": stats.allotments, "pools": stats.pools.iter().map(|(name, idle, busy)|
                        json!({"origin": name, "idle": idle, "busy": busy})).collect::<Vec<_>>(),
                })),
            })
        })
        .collect();
    json!({"generation": generation, "planes": planes, "repairs": repairs.json()})
}
