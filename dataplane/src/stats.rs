//! The counters of all shards, summed for the control plane.

use crate::{
    io::Instant,
    meters::{Meter, Meters, Spectrum, Spread},
    process::{PoolGauge, Process},
};
use engine::{
    Moment,
    breaker::{Peek, Seat, State},
    moment::NS_PER_MS,
};
use policy::{
    Class,
    id::Id,
    wire::{Stats, TargetState},
};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The counters as they are now.
pub fn of(process: &Process) -> Stats {
    let now = Instant::now();
    let mut stats = Stats {
        generation: process.current.generation(),
        up_ms: now.millis_since(process.started),
        ready: process.ready(),
        draining: process.draining(),
        meters: meters(process),
        ..Stats::default()
    };
    stats.meters.push(("ready_after_us".to_owned(), process.ready_after_us()));
    let Some(policy) = process.current.load() else { return stats };
    for (id, target) in policy.targets.iter().filter(|(_, target)| target.disabled.is_none()) {
        let row = process.board.target(id);
        let now = Moment(now.0);
        let (attempts, failures) = row.totals();
        stats.targets.push(TargetState {
            name: target.name.clone(),
            breaker: breaker_word(&row.breaker, now).to_owned(),
            paused_ms: row.paused(now).map(|pause| pause.until).max(row.spent(now)).map_or(0, |until| until.since(now) / NS_PER_MS),
            attempts,
            failures,
            first_token_us: row.average_ns(now).map_or(0, |nanos| nanos as u64 / 1_000),
            in_flight: row.in_flight(),
        });
    }
    for (id, origin) in policy.origins.iter() {
        let sum =
            |count: fn(&PoolGauge) -> &AtomicU32| process.seats().iter().map(|seat| count(&seat.pools[id.index()]).load(Relaxed)).sum();
        stats.pools.push((name_of(origin), sum(|gauge| &gauge.idle), sum(|gauge| &gauge.busy)));
    }
    stats
}

/// The state of a breaker as operators read it. One whose time is up and that nobody has asked
/// since counts as open: it lets a single probe through, and no more.
pub fn breaker_word(seat: &Seat, now: Moment) -> &'static str {
    match (seat.peek(now), seat.state().0) {
        (Peek::Passes, _) => "closed",
        (_, State::Probing) => "probing",
        _ => "open",
    }
}

/// How an origin is shown: scheme, host and port.
pub fn name_of(origin: &policy::Origin) -> String {
    let scheme = if origin.tls.is_some() { "https" } else { "http" };
    let host = if origin.host.contains(':') { format!("[{}]", origin.host) } else { origin.host.clone() };
    format!("{scheme}://{host}:{}", origin.port)
}

fn meters(process: &Process) -> Vec<(String, u64)> {
    let shards = || process.seats().iter().map(|seat| &seat.meters);
    let mut meters: Vec<(String, u64)> = Vec::new();
    for &meter in Meter::ALL {
        let sum = match meter {
            Meter::Generation => shards().map(|meters| meters.get(meter)).min().unwrap_or(0),
            _ => shards().map(|meters: &Meters| meters.get(meter)).sum(),
        };
        meters.push((meter.word().to_owned(), sum));
    }
    for &class in Class::ALL {
        meters.push((format!("attempts_failed_{}", class.word()), shards().map(|meters| meters.failures(class)).sum()));
    }
    for &spread in Spread::ALL {
        let spectrum = Spectrum::of(shards(), spread);
        for (word, share) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
            let name = spread.word().replace("_seconds", &format!("_{word}_ns"));
            meters.push((name, spectrum.quantile(share)));
        }
    }
    meters
}
