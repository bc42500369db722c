//! How soon silence is seen, and how seldom wrongly: streams over a chain of two targets in virtual time.

use super::*;
use crate::moment::NS_PER_MS;
use std::{cmp::Reverse, collections::BinaryHeap};

/// From, and to, in milliseconds.
type Times = Vec<(u64, u64)>;

/// The first target of a chain, and the load on it.
#[derive(Clone)]
struct Scene {
    rate: u64,
    /// Half of its answers begin within a third of this, in milliseconds.
    p99_ms: u64,
    /// One of a thousand takes so many milliseconds, whatever the others do.
    tail_ms: u64,
    /// It answers nobody meanwhile, and everybody then.
    pauses: Times,
    /// The gateway's shard does nothing meanwhile, and takes new requests first then.
    stalls: Times,
    /// From then on it answers nobody.
    silent_from_ms: u64,
    until_ms: u64,
    targets: u32,
}

impl Scene {
    fn of(rate: u64, p99_ms: u64) -> Scene {
        let times = Times::new;
        Scene { rate, p99_ms, tail_ms: 0, pauses: times(), stalls: times(), silent_from_ms: u64::MAX, until_ms: 60_000, targets: 2 }
    }
}

/// What came of it.
#[derive(Debug, PartialEq)]
struct Seen {
    /// How often the breaker opened.
    openings: u32,
    /// Requests that were sent to the first target after it had fallen silent, until its breaker opened.
    in_vain: u64,
    /// Requests that the second target was asked while the breaker of the first was closed.
    away: u64,
    requests: u64,
}

/// SplitMix64, below a bound.
fn below(seed: &mut u64, bound: u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % bound
}

/// When something that is due comes about.
fn after(times: &Times, due: Moment) -> Moment {
    let within = times.iter().find(|(from, to)| Moment::START.plus_ms(*from) <= due && due < Moment::START.plus_ms(*to));
    within.map_or(due, |(_, to)| Moment::START.plus_ms(*to))
}

fn takes_ns(scene: &Scene, seed: &mut u64) -> u64 {
    let median_ns = scene.p99_ms * NS_PER_MS / 3;
    match below(seed, 1_000) {
        0 if scene.tail_ms > 0 => scene.tail_ms * NS_PER_MS,
        0..15 => scene.p99_ms * NS_PER_MS,
        _ => median_ns * 6 / 10 + below(seed, median_ns * 8 / 10),
    }
}

fn play(scene: &Scene, seed: u64) -> Seen {
    let mut draft = in_order(scene.targets, 0);
    draft.providers.get_mut(ProviderId(0)).expect("it is the first").in_flight_max = 10_000;
    let mut world = World::new(draft);
    let mut seed = seed;
    let mut running = std::collections::HashMap::new();
    // At one moment, requests come first: a shard that stood still sees them before the answers.
    let mut due = BinaryHeap::from([Reverse((world.now, 0, 0_u64))]);
    let mut number = 0;
    let mut seen = Seen { openings: 0, in_vain: 0, away: 0, requests: 0 };
    let mut opened = Moment::START;
    let row = TargetId(0);
    while let Some(Reverse((when, kind, which))) = due.pop().filter(|Reverse((when, _, _))| *when < Moment::START.plus_ms(scene.until_ms)) {
        world.now = when;
        if kind == 0 {
            number += 1;
            let gap_ns = 1_000 * NS_PER_MS / scene.rate;
            let next = world.now.plus_ns(gap_ns / 2 + below(&mut seed, gap_ns));
            due.push(Reverse((after(&scene.stalls, next), 0, 0)));
            let mut exchange = world.begin("c");
            let Next::Attempt(attempt) = world.next(&mut exchange) else { continue };
            seen.requests += 1;
            seen.away += u64::from(attempt.target != row && world.board.target(row).breaker.peek(when) == gate::Peek::Passes);
            let is_silent = when >= Moment::START.plus_ms(scene.silent_from_ms);
            let end = if attempt.target != row {
                when
            } else if is_silent {
                seen.in_vain += u64::from(seen.openings == 0);
                attempt.first_token_by
            } else {
                after(&scene.stalls, after(&scene.pauses, when.plus_ns(takes_ns(scene, &mut seed))).min(attempt.first_token_by))
            };
            running.insert(number, (exchange, attempt, is_silent && attempt.target == row));
            due.push(Reverse((end, 1, number)));
        } else {
            let (mut exchange, attempt, in_vain) = running.remove(&which).expect("it ends once");
            if in_vain {
                world.fail(&mut exchange, attempt, judge::transport(Transport::FirstTokenTimeout));
                exchange.abandoned(&world.board, &world.prepared, world.now);
            } else {
                exchange.first_token(&world.prepared, &world.board, attempt.index, world.now);
                exchange.commit();
                world.succeed(&mut exchange, attempt);
            }
        }
        let last = world.board.target(row).breaker.opened();
        seen.openings += u32::from(last != opened);
        opened = last;
    }
    for (mut exchange, _, _) in running.into_values() {
        exchange.abandoned(&world.board, &world.prepared, world.now);
    }
    assert!(world.is_idle());
    seen
}

/// So many times in an hour, of so long, in milliseconds: at other moments in every minute.
fn every(ms: u64, long: std::ops::Range<u64>, until_ms: u64, mut seed: u64) -> Times {
    (1..until_ms / ms)
        .map(|n| {
            let from = n * ms + below(&mut seed, ms / 2);
            (from, from + long.start + below(&mut seed, long.end - long.start))
        })
        .collect()
}

#[test]
fn a_target_that_falls_silent_is_left_in_thrice_its_p99() {
    for rate in [10, 50, 200, 500] {
        for p99_ms in [20, 60, 100, 300, 1_000] {
            for seed in 0..5 {
                let seen = play(&Scene { silent_from_ms: 40_000 + seed * 37, ..Scene::of(rate, p99_ms) }, seed);
                // The floor and the looks make it 70 ms at least; requests do not come at even times.
                let bound = (rate * (3 * p99_ms).max(70) / 1_000 + 1).max(3);
                assert!(seen.in_vain <= bound, "p99 {p99_ms} ms at {rate}/s: {seen:?}, not {bound}");
                // Those that others were asked for count, so that its breaker opens all the same.
                assert!(seen.openings > 0 && seen.away > 0, "p99 {p99_ms} ms at {rate}/s: {seen:?}");
            }
        }
    }
}

#[test]
fn nobody_is_kept_from_a_target_that_is_well() {
    for (rate, p99_ms) in [(2, 1_000), (10, 20), (10, 3_000), (50, 20), (50, 300), (500, 60), (500, 1_000)] {
        for tail in [0, 5, 20] {
            let tail_ms = (tail * p99_ms).min(20_000);
            let seen = play(&Scene { tail_ms, until_ms: 300_000, ..Scene::of(rate, p99_ms) }, 1);
            assert_eq!((seen.away, seen.openings), (0, 0), "p99 {p99_ms} ms at {rate}/s, one of a thousand takes {tail_ms} ms");
        }
    }
}

#[test]
fn a_pause_of_300_ms_opens_nothing() {
    for rate in [5, 50, 500] {
        for p99_ms in [20, 60, 100, 300] {
            for seed in 0..5 {
                let pauses = vec![(40_000 + seed * 7, 40_300 + seed * 7)];
                let seen = play(&Scene { pauses, ..Scene::of(rate, p99_ms) }, seed);
                assert_eq!(seen.openings, 0, "p99 {p99_ms} ms at {rate}/s, seed {seed}");
                assert!(seen.away <= rate * 3 / 10, "{} of {rate}/s went elsewhere, p99 {p99_ms} ms, seed {seed}", seen.away);
            }
        }
    }
}

#[test]
fn pauses_are_learned_and_slow_answers_are_none() {
    const HOURS: u64 = 2 * 3_600_000;
    for (rate, p99_ms) in [(5, 60), (20, 60), (20, 300)] {
        let healthy = Scene { until_ms: HOURS, ..Scene::of(rate, p99_ms) };
        let tail = play(&Scene { tail_ms: 20 * p99_ms / 3, ..healthy.clone() }, 1);
        assert_eq!(tail.openings, 0, "one in a thousand is slow, at {rate}/s");
        for long in [100..400, 300..700] {
            let pauses = every(120_000, long.clone(), HOURS, 3);
            let seen = play(&Scene { pauses: pauses.clone(), ..healthy.clone() }, 2);
            let alone = play(&Scene { pauses, targets: 1, ..healthy.clone() }, 2);
            assert!(seen.openings <= 2, "p99 {p99_ms} ms at {rate}/s, pauses of {long:?} ms: {seen:?}");
            // Where it opens nothing, two of them at most are taken for silence before they are known.
            assert!(long.end > 400 || seen.away <= 2 * rate * long.end / 1_000, "{seen:?}");
            assert_eq!(alone.openings, 0);
        }
    }
}

#[test]
fn a_gateway_that_stood_still_blames_nobody() {
    for rate in [20, 200] {
        for p99_ms in [20, 60, 300] {
            let stalls = every(10_000, 300..900, 600_000, 5);
            let seen = play(&Scene { stalls, until_ms: 600_000, ..Scene::of(rate, p99_ms) }, 1);
            assert_eq!((seen.openings, seen.away), (0, 0), "p99 {p99_ms} ms at {rate}/s");
        }
    }
}

#[test]
fn with_nobody_else_to_ask_a_pause_is_waited_for() {
    for ms in [500, 900] {
        let pauses = vec![(40_000, 40_000 + ms)];
        let seen = |targets| play(&Scene { pauses: pauses.clone(), targets, ..Scene::of(50, 60) }, 1).openings;
        assert_eq!((seen(1), seen(2)), (0, 1), "{ms} ms");
    }
}
