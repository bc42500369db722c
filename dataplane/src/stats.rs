//! The counters of all shards, summed for the control plane.

use crate::{
    earlier,
    io::Instant,
    meters::{Meter, Meters, Spectrum, Spread},
    process::{PoolGauge, Process},
};
use engine::{
    Board, Moment,
    board::TargetRow,
    breaker::{Cause, Peek, Seat, State},
    hedges,
    moment::NS_PER_MS,
};
use policy::{
    Class, Snapshot,
    id::Id,
    limits,
    wire::{Allotment, KeyState, Stats, TargetState},
};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Further attempts at one provider.
const RETRIES: &str = "retries";
/// Second attempts beside a slow first one.
const HEDGES: &str = "hedges";

/// The counters as they are now.
pub fn of(process: &Process) -> Stats {
    at(process, Instant::now())
}

/// The counters as they are, and what is left of each pause at `now`.
pub(crate) fn at(process: &Process, now: Instant) -> Stats {
    let mut stats = Stats {
        generation: process.current.generation(),
        up_ms: now.millis_since(process.started),
        ready: process.ready(),
        draining: process.draining(),
        meters: meters(process),
        ..Stats::default()
    };
    stats.meters.push(("ready_after_us".to_owned(), process.ready_after_us()));
    stats.meters.extend(earlier::gauges(process).map(|(name, value)| (name.to_owned(), value)));
    let Some(policy) = process.current.load() else { return stats };
    for (id, target) in policy.targets.iter().filter(|(_, target)| target.disabled.is_none()) {
        let keys_out_ms = keys_out_ms(&policy.providers[target.provider], &process.board, Moment(now.0));
        stats.targets.push(target_state(target.name.clone(), process.board.target(id), keys_out_ms, Moment(now.0)));
    }
    stats.keys = keys(&policy, &process.board, Moment(now.0));
    let told = |allotment: &Allotment| allotment.kind == HEDGES || allotment.left < allotment.most;
    stats.allotments = allotments(&policy, &process.board, Moment(now.0)).filter(told).take(limits::ALLOTMENTS_TOLD_MAX).collect();
    for (id, origin) in policy.origins.iter() {
        let sum =
            |count: fn(&PoolGauge) -> &AtomicU32| process.seats().iter().map(|seat| count(&seat.pools[id.index()]).load(Relaxed)).sum();
        stats.pools.push((name_of(origin), sum(|gauge| &gauge.idle), sum(|gauge| &gauge.busy)));
    }
    stats
}

/// What may be asked again of each provider, and beside another attempt by each chain that does so.
pub(crate) fn allotments(policy: &Snapshot, board: &Board, now: Moment) -> impl Iterator<Item = Allotment> {
    let retries = policy.providers.iter().map(move |(id, provider)| {
        let (left, most) = board.retries(id).left(&provider.retries, now);
        Allotment { kind: RETRIES.to_owned(), name: provider.name.clone(), left, most }
    });
    let hedging = policy.chains.iter().filter(|(_, chain)| chain.hedge.is_some());
    let hedges = hedging.map(move |(id, chain)| {
        let left = board.hedges(id).map_or(0, hedges::Allotment::left);
        Allotment { kind: HEDGES.to_owned(), name: chain.name.clone(), left: left.into(), most: hedges::AHEAD_MAX.into() }
    });
    hedges.chain(retries)
}

/// Until the first of a provider's credentials comes back, where none can be used, in milliseconds; else 0.
fn keys_out_ms(provider: &policy::Provider, board: &Board, now: Moment) -> u64 {
    let rest_ms = |key: &policy::Key| board.key_pause(key.id, now).map_or(0, |pause| pause.ms_left(now)).max(limited_ms(key, board, now));
    provider.keys.iter().map(rest_ms).min().unwrap_or(0)
}

/// Until a credential has earned a request of one token, in milliseconds; 0 when it has.
fn limited_ms(key: &policy::Key, board: &Board, now: Moment) -> u64 {
    board.quota(key.id).lacks(key, 1, now).map_or(0, |until| until.ms_from(now))
}

fn target_state(name: String, row: &TargetRow, keys_out_ms: u64, now: Moment) -> TargetState {
    let (attempts, failures) = row.totals();
    let (pause, degraded, failed) = (row.paused(now), row.degraded(now), row.last_failure());
    TargetState {
        name,
        breaker: breaker_word(&row.breaker, now).to_owned(),
        breaker_ms: row.breaker.state().1.since(now) / NS_PER_MS,
        breaker_cause: breaker_cause(&row.breaker).to_owned(),
        paused_ms: pause.map_or(0, |pause| pause.ms_left(now)),
        paused_class: pause.map_or(String::new(), |pause| pause.class.word().to_owned()),
        keys_out_ms,
        spent_ms: row.spent(now).map_or(0, |until| until.since(now) / NS_PER_MS),
        degraded: degraded.map_or(String::new(), |(_, reason)| reason.word().to_owned()),
        degraded_ms: degraded.map_or(0, |(until, _)| until.since(now) / NS_PER_MS),
        attempts,
        failures,
        failed_ago_ms: failed.map_or(0, |(at, _)| now.since(at) / NS_PER_MS),
        failed_class: failed.map_or(String::new(), |(_, class)| class.word().to_owned()),
        first_token_us: row.average_ns(now).map_or(0, |nanos| nanos as u64 / 1_000),
        in_flight: row.in_flight(),
        limit: row.limit.most(now).unwrap_or(0),
    }
}

/// Credentials that are left alone, or of whose limits nothing remains.
fn keys(policy: &Snapshot, board: &Board, now: Moment) -> Vec<KeyState> {
    let places =
        policy.providers.iter().flat_map(|(_, provider)| provider.keys.iter().zip(1..).map(move |(key, place)| (provider, key, place)));
    let state = |(provider, key, place): (&policy::Provider, &policy::Key, u16)| {
        let denied = board.key_denied(key.id, now);
        let (pause, spent) = (board.key_pause(key.id, now).or(denied), board.key_spent(key.id, now));
        let breaker = (provider.keys.len() > 1).then(|| &board.standing(key.id).breaker);
        let word = breaker.map_or("", |seat| breaker_word(seat, now));
        let limited_ms = limited_ms(key, board, now);
        (pause.is_some() || spent.is_some() || limited_ms > 0 || !matches!(word, "" | "closed")).then(|| KeyState {
            provider: provider.name.clone(),
            key: key.id.0,
            place,
            of: u16::try_from(provider.keys.len()).unwrap_or(u16::MAX),
            paused_ms: pause.map_or(0, |pause| pause.ms_left(now)),
            class: pause.map_or(String::new(), |pause| pause.class.word().to_owned()),
            disabled: board.key_disabled(key.id, now) || denied.is_some(),
            spent_ms: spent.map_or(0, |until| until.since(now) / NS_PER_MS),
            limited_ms,
            breaker: word.to_owned(),
            breaker_ms: breaker.map_or(0, |seat| seat.state().1.since(now) / NS_PER_MS),
            breaker_cause: breaker.map_or("", breaker_cause).to_owned(),
        })
    };
    places.filter_map(state).take(limits::KEYS_TOLD_MAX).collect()
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

/// Why a breaker opened, as operators read it; empty for one that is closed.
pub fn breaker_cause(seat: &Seat) -> &'static str {
    seat.cause().map_or("", Cause::word)
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
