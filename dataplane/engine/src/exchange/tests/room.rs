//! Room at a provider: its seats, what a target takes, and who has how much of both.

use super::*;
use crate::moment::NS_PER_MS;
use policy::Tenant;
use std::collections::VecDeque;

fn tenants(draft: &mut Draft, count: u32) {
    for id in 0..count {
        draft.tenants.push(Tenant { name: format!("t{id}"), ..Tenant::default() });
    }
}

impl World {
    fn begin_as(&self, tenant: u32) -> Exchange {
        let ask = decide::Ask {
            tenant: Some(TenantId(tenant)),
            model: "c",
            field: &|_| None,
            chain: None,
            deadline_ms: None,
            stream: true,
            wants: decide::Wants::default(),
            started: self.now,
        };
        decide::decide(&self.prepared, &ask, &self.board, self.now).expect("the test asks for what there is")
    }

    fn refuse(&mut self, in_flight: u32) {
        let begun = self.now;
        self.pass(1);
        assert!(self.board.target(TargetId(0)).limit.refused(in_flight, begun, crate::limit::Sign::Said, self.now));
    }
}

#[test]
fn what_a_target_takes_is_heeded_and_others_are_asked() {
    let mut world = World::new(in_order(2, 1));
    world.refuse(12);
    let begin = |world: &mut World| {
        let mut exchange = world.begin("c");
        let attempt = world.attempt(&mut exchange);
        (exchange, attempt)
    };
    let held: Vec<_> = (0..10).map(|_| begin(&mut world)).collect();
    assert!(held.iter().all(|(_, attempt)| attempt.target == TargetId(0)));
    let (exchange, attempt) = begin(&mut world);
    assert_eq!((attempt.target, exchange.candidates()[0].skip()), (TargetId(1), Some(Skip::AtLimit)));
    for (mut exchange, attempt) in held.into_iter().chain([(exchange, attempt)]) {
        world.succeed(&mut exchange, attempt);
    }
    assert!(world.is_idle());
}

#[test]
fn with_nobody_else_room_is_waited_for_and_then_it_is_asked_all_the_same() {
    let mut world = World::new(in_order(1, 1));
    world.refuse(11);
    let mut held: Vec<_> = (0..10)
        .map(|_| {
            let mut exchange = world.begin("c");
            let attempt = world.attempt(&mut exchange);
            (exchange, attempt)
        })
        .collect();
    let mut patient = world.begin("c");
    let mut late = world.begin("c");
    assert_eq!(world.wait(&mut patient), 100);
    world.pass(100);
    let (mut exchange, attempt) = held.pop().expect("ten of them run");
    world.succeed(&mut exchange, attempt);
    let attempt = world.attempt(&mut patient);
    let mut waits = 0;
    let in_spite = loop {
        match world.next(&mut late) {
            Next::Wait(until) => world.now = until,
            Next::Attempt(attempt) => break attempt,
            other => panic!("{other:?}"),
        }
        waits += 1;
    };
    assert_eq!((in_spite.target, waits), (TargetId(0), 12));
    world.succeed(&mut late, in_spite);
    world.succeed(&mut patient, attempt);
    for (mut exchange, attempt) in held {
        world.succeed(&mut exchange, attempt);
    }
    assert!(world.is_idle());
}

/// The other is well, and its provider's seats are taken: what is known of the first is heeded to the end.
#[test]
fn who_has_another_to_ask_is_told_that_there_is_no_room() {
    let mut draft = in_order(2, 1);
    draft.providers.get_mut(ProviderId(1)).expect("there are two").in_flight_max = 1;
    let mut world = World::new(draft);
    world.refuse(11);
    let mut begin = || {
        let mut exchange = world.begin("c");
        let attempt = world.attempt(&mut exchange);
        (exchange, attempt)
    };
    let held: Vec<_> = (0..11).map(|_| begin()).collect();
    let mut late = world.begin("c");
    let own = loop {
        match world.next(&mut late) {
            Next::Wait(until) => world.now = until,
            Next::Surrender(Surrender::Own(own)) => break own,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((own.status, own.retry_after_ms), (503, Some(1_000)));
    assert!(own.message.as_str().contains("at_limit"), "{}", own.message.as_str());
    for (mut exchange, attempt) in held {
        world.succeed(&mut exchange, attempt);
    }
    assert!(world.is_idle());
}

#[test]
fn refusals_shrink_what_is_in_flight_unless_the_policy_fixes_it() {
    for (concurrency, limited) in [(policy::Concurrency::Adaptive, true), (policy::Concurrency::Fixed, false)] {
        for verdict in [status(503), limited_now(), judge::transport(Transport::FirstTokenTimeout)] {
            let mut draft = in_order(1, 1);
            draft.providers.get_mut(ProviderId(0)).expect("there is one").concurrency = concurrency;
            let mut world = World::new(draft);
            let mut held: Vec<_> = (0..20)
                .map(|_| {
                    let mut exchange = world.begin("c");
                    let attempt = world.attempt(&mut exchange);
                    (exchange, attempt)
                })
                .collect();
            world.pass(5);
            let (mut exchange, attempt) = held.pop().expect("twenty of them run");
            world.fail(&mut exchange, attempt, verdict);
            exchange.abandoned(&world.board, &world.prepared, world.now);
            assert_eq!(world.board.target(TargetId(0)).limit.most(world.now), limited.then_some(18), "{verdict:?}");
            for (mut exchange, attempt) in held {
                world.succeed(&mut exchange, attempt);
            }
        }
    }
}

fn limited_now() -> Verdict {
    limited(0)
}

#[test]
fn the_last_seats_are_for_who_has_less() {
    let mut draft = in_order(1, 1);
    draft.providers.get_mut(ProviderId(0)).expect("there is one").in_flight_max = 10;
    tenants(&mut draft, 3);
    let mut world = World::new(draft);
    let mut held = Vec::new();
    let mut fill = |world: &mut World, tenant: u32| {
        let mut count = 0;
        loop {
            let mut exchange = world.begin_as(tenant);
            match world.next(&mut exchange) {
                Next::Attempt(attempt) => held.push((exchange, attempt)),
                _ => return (count, exchange.candidates()[0].skip()),
            }
            count += 1;
        }
    };
    assert_eq!(fill(&mut world, 0), (8, Some(Skip::OverShare)));
    assert_eq!(fill(&mut world, 1), (2, Some(Skip::Bulkhead)));
    let mut refused = world.begin_as(0);
    while let Next::Wait(until) = world.next(&mut refused) {
        world.now = until;
    }
    for (mut exchange, attempt) in held {
        exchange.abandoned(&world.board, &world.prepared, world.now);
        assert!(exchange.trail()[attempt.index].end == End::Abandoned);
    }
    let shares = world.board.shares(ProviderId(0));
    assert_eq!([0, 1, 2].map(|id| shares.of(TenantId(id))), [0, 0, 0]);
}

#[test]
fn one_who_is_refused_for_its_share_is_told_to_come_later() {
    let mut draft = in_order(1, 1);
    draft.providers.get_mut(ProviderId(0)).expect("there is one").in_flight_max = 2;
    tenants(&mut draft, 2);
    let mut world = World::new(draft);
    let mut first = world.begin_as(0);
    let attempt = world.attempt(&mut first);
    let mut second = world.begin_as(0);
    let own = loop {
        match world.next(&mut second) {
            Next::Wait(until) => world.now = until,
            Next::Surrender(Surrender::Own(own)) => break own,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((own.status, own.retry_after_ms), (429, Some(1_000)));
    assert!(own.fault == Fault::Tenant && !own.is_mistake(), "it has its share, and nothing to mend");
    assert!(own.message.as_str().ends_with("a/m over_share"), "{}", own.message.as_str());
    let mut other = world.begin_as(1);
    let theirs = world.attempt(&mut other);
    world.succeed(&mut other, theirs);
    world.succeed(&mut first, attempt);
}

#[test]
fn a_single_tenant_has_all_of_it() {
    let mut draft = in_order(1, 1);
    draft.providers.get_mut(ProviderId(0)).expect("there is one").in_flight_max = 10;
    tenants(&mut draft, 1);
    let mut world = World::new(draft);
    let mut held: Vec<_> = (0..10)
        .map(|_| {
            let mut exchange = world.begin_as(0);
            let attempt = world.attempt(&mut exchange);
            (exchange, attempt)
        })
        .collect();
    let mut refused = world.begin_as(0);
    assert!(matches!(world.next(&mut refused), Next::Surrender(_)));
    assert_eq!(refused.candidates()[0].skip(), Some(Skip::Bulkhead));
    for (exchange, attempt) in &mut held {
        world.succeed(exchange, *attempt);
    }
}

/// A tenant that asks ten times as often as the provider can bear does not take from one that asks for less
/// than its share: whatever the seed, nine in ten of its requests are answered, and nothing stays counted.
#[test]
fn a_flood_leaves_others_their_share() {
    for seed in 1..20_u64 {
        let mut draft = in_order(1, 1);
        draft.providers.get_mut(ProviderId(0)).expect("there is one").in_flight_max = 20;
        tenants(&mut draft, 4);
        let mut world = World::new(draft);
        let mut dice = seed;
        let mut below = |bound: u64| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) % bound
        };
        let mut running: VecDeque<(Moment, Exchange, Attempt)> = VecDeque::new();
        let mut waiting: Vec<(Moment, Exchange)> = Vec::new();
        let mut asked = [(0_u32, 0_u32); 4];
        for _ in 0..3_000 {
            world.pass(10);
            // Answers take a second or so, in any order.
            let now = world.now;
            for _ in 0..running.len() {
                let (end, mut exchange, attempt) = running.pop_front().expect("as many as were counted");
                if end <= now {
                    world.succeed(&mut exchange, attempt);
                } else {
                    running.push_back((end, exchange, attempt));
                }
            }
            // Tenant 0 asks ten times as often as the three others together, who ask for less than they might have.
            let asks = [true, below(30) == 0, below(30) == 0, below(30) == 0];
            for (tenant, _) in asks.iter().enumerate().filter(|(_, asks)| **asks) {
                asked[tenant].0 += 1;
                waiting.push((now, world.begin_as(tenant as u32)));
            }
            for (until, mut exchange) in std::mem::take(&mut waiting) {
                if now < until {
                    waiting.push((until, exchange));
                    continue;
                }
                let tenant = exchange.tenant().expect("it has one").0 as usize;
                match world.next(&mut exchange) {
                    Next::Attempt(attempt) => {
                        asked[tenant].1 += 1;
                        let end = world.now.plus_ns((500 + below(1_000)) * NS_PER_MS);
                        running.push_back((end, exchange, attempt));
                    }
                    Next::Wait(until) => waiting.push((until, exchange)),
                    Next::Surrender(_) | Next::Summarise(_) => {}
                }
            }
        }
        for (_, mut exchange, attempt) in running {
            world.succeed(&mut exchange, attempt);
        }
        for (_, mut exchange) in waiting {
            exchange.abandoned(&world.board, &world.prepared, world.now);
        }
        assert!(world.is_idle());
        // Thirty seconds of twenty seats and a second or so each, of which a fifth may be kept.
        let all: u32 = asked.iter().map(|(_, answered)| answered).sum();
        assert!(all >= 480, "seed {seed}: {all} in all");
        for (tenant, (asked, answered)) in asked.into_iter().enumerate() {
            assert_eq!(world.board.shares(ProviderId(0)).of(TenantId(tenant as u32)), 0, "seed {seed}");
            let enough = if tenant == 0 { answered >= 150 } else { answered * 100 >= asked * 90 };
            assert!(enough, "seed {seed}: tenant {tenant} had {answered} of {asked}");
        }
    }
}

/// Twelve attempts are begun where ten are a guess at what the first target can take, and one of the others is as
/// `change` has it: how many the first target gets.
fn asked_of_a_guess(draft: Draft, change: impl FnOnce(&mut World)) -> usize {
    let mut world = World::new(draft);
    world.board.target(TargetId(0)).limit.queued(10, world.now);
    change(&mut world);
    let mut held: Vec<Exchange> = (0..12).map(|_| world.begin("c")).collect();
    let asked: Vec<TargetId> = held.iter_mut().map(|exchange| world.attempt(exchange).target).collect();
    held.iter_mut().for_each(|exchange| exchange.abandoned(&world.board, &world.prepared, world.now));
    asked.iter().filter(|target| **target == TargetId(0)).count()
}

#[test]
fn a_guess_at_what_a_target_takes_binds_only_while_another_is_well() {
    let two = || in_order(2, 1);
    assert_eq!(asked_of_a_guess(two(), |_| ()), 10);
    assert_eq!(asked_of_a_guess(in_order(1, 1), |_| ()), 12);
    assert_eq!(asked_of_a_guess(two(), |world| world.break_open(TargetId(1))), 12);
    let paused = |world: &mut World| world.board.target(TargetId(1)).pause(world.now.plus_ms(60_000), Class::RateLimit);
    assert_eq!(asked_of_a_guess(two(), paused), 12);
    // One that takes another sort of request, or that waits for a failure, is no other.
    let mut disabled = two();
    disabled.targets.get_mut(TargetId(1)).expect("it was just made").disabled = Some("no key".into());
    assert_eq!(asked_of_a_guess(disabled, |_| ()), 12);
    let mut waits = two();
    rules(&mut waits).steps[1].after.insert(Class::ContentFilter);
    assert_eq!(asked_of_a_guess(waits, |_| ()), 12);
    // Nor is the same one, a second time.
    let mut twice = in_order(1, 1);
    let step = rules(&mut twice).steps[0].clone();
    rules(&mut twice).steps.push(step);
    assert_eq!(asked_of_a_guess(twice, |_| ()), 12);
}

#[test]
fn a_guess_does_not_bind_while_the_other_has_as_many_as_it_takes() {
    let mut draft = in_order(2, 1);
    // A chain of its own fills the second.
    let only = policies::chain(&mut draft, "d", &[&[TargetId(1)]]);
    policies::name(&mut draft, "d", only);
    for (held, expected) in [(9, 11), (10, 12)] {
        let mut fillers = Vec::new();
        let fill = |world: &mut World| {
            let begun = world.now;
            world.pass(1);
            assert!(world.board.target(TargetId(1)).limit.refused(12, begun, crate::limit::Sign::Said, world.now));
            assert_eq!(world.board.target(TargetId(1)).limit.most(world.now), Some(10));
            for _ in 0..held {
                let slot = world.board.target(TargetId(1)).begin(true, world.now);
                fillers.push(slot);
            }
        };
        assert_eq!(asked_of_a_guess(draft.clone(), fill), expected);
    }
}

#[test]
fn what_the_policy_fixes_is_not_bound_by_what_was_learned_before() {
    for (concurrency, expected) in [(policy::Concurrency::Adaptive, 10), (policy::Concurrency::Fixed, 12)] {
        let mut draft = in_order(2, 1);
        draft.providers.get_mut(ProviderId(0)).expect("there is one").concurrency = concurrency;
        let mut world = World::new(draft);
        world.refuse(12);
        let mut held: Vec<Exchange> = (0..12).map(|_| world.begin("c")).collect();
        let asked = held.iter_mut().map(|exchange| world.attempt(exchange).target).filter(|target| *target == TargetId(0)).count();
        held.iter_mut().for_each(|exchange| exchange.abandoned(&world.board, &world.prepared, world.now));
        assert_eq!(asked, expected);
    }
}

#[test]
fn a_deadline_that_was_short_says_nothing_of_room() {
    let mut world = World::new(in_order(1, 1));
    let mut held: Vec<Exchange> = (0..20).map(|_| world.ask("c", Some(50), true)).collect();
    for exchange in &mut held {
        world.attempt(exchange);
    }
    world.pass(50);
    for exchange in &mut held {
        exchange.concluded(&world.board, &world.prepared, 0, judge::transport(Transport::Deadline), world.now);
        exchange.abandoned(&world.board, &world.prepared, world.now);
    }
    assert_eq!(world.board.target(TargetId(0)).limit.most(world.now), None);
}
