//! Breakers, bulkheads, and that what an attempt holds is given back.

use super::*;

#[test]
fn an_open_breaker_is_passed_by_and_its_probe_heals_it() {
    let mut world = World::new(in_order(2, 0));
    world.break_open(TargetId(0));
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    assert_eq!(attempt.target, TargetId(1));
    assert!(matches!(exchange.candidates()[0].skip(), Some(Skip::BreakerOpen { .. })));
    world.succeed(&mut exchange, attempt);
    world.pass(6_001);
    let mut probing = world.begin("c");
    let probe = world.attempt(&mut probing);
    assert!(probe.probe && probe.target == TargetId(0));
    // Meanwhile everybody else goes on to the second.
    let mut other = world.begin("c");
    let attempt = world.attempt(&mut other);
    assert_eq!(attempt.target, TargetId(1));
    world.succeed(&mut other, attempt);
    // The first token is enough; nobody waits for the end of the stream.
    probing.first_token(&world.prepared, &world.board, probe.index, world.now);
    assert_eq!(world.board.target(TargetId(0)).breaker.state().0, gate::State::Closed);
    world.succeed(&mut probing, probe);
}

#[test]
fn a_tenant_that_hangs_up_gives_everything_back() {
    let mut world = World::new(in_order(2, 0));
    world.break_open(TargetId(0));
    world.pass(6_001);
    let mut exchange = world.begin("c");
    assert!(world.attempt(&mut exchange).probe);
    exchange.abandoned(&world.board, &world.prepared, world.now);
    exchange.abandoned(&world.board, &world.prepared, world.now);
    assert!(world.is_idle() && exchange.is_over());
    // The election is free again at once.
    let mut exchange = world.begin("c");
    let probe = world.attempt(&mut exchange);
    assert!(probe.probe);
    world.fail(&mut exchange, probe, limited(5));
    assert_eq!(world.board.target(TargetId(0)).breaker.state().0, gate::State::Open, "a rate limit teaches nothing");
    exchange.abandoned(&world.board, &world.prepared, world.now);
}

#[test]
fn when_only_breakers_refuse_they_are_passed_once_a_second() {
    let mut world = World::new(in_order(3, 0));
    for target in [1, 0, 2] {
        world.break_open(TargetId(target));
        world.pass(10);
    }
    // The one that opened first comes first.
    let mut exchange = world.begin("c");
    for expected in [1, 0, 2] {
        let attempt = world.attempt(&mut exchange);
        assert!(attempt.target == TargetId(expected) && !attempt.probe && exchange.trail()[attempt.index].forced);
        world.fail(&mut exchange, attempt, status(500));
    }
    let own = world.own(&mut exchange);
    assert_eq!((own.status, own.code), (502, "provider_error"));
    // Nobody else asks who has just been asked.
    for _ in 0..3 {
        let mut exchange = world.begin("c");
        let own = world.own(&mut exchange);
        assert_eq!((own.status, own.code, exchange.trail().len()), (503, "providers_unavailable", 0));
        assert!(own.retry_after_ms.is_some_and(|ms| (1..=6_000).contains(&ms)));
        world.pass(100);
    }
    world.pass(800);
    // When it answers, it is well for everybody.
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    world.succeed(&mut exchange, attempt);
    assert_eq!(world.board.target(TargetId(1)).breaker.state().0, gate::State::Closed);
}

#[test]
fn a_single_target_that_is_dead_is_not_asked_by_every_request() {
    let mut world = World::new(in_order(1, 0));
    let mut attempts = 0;
    // A hundred requests a second, for ten seconds.
    for _ in 0..1_000 {
        let mut exchange = world.begin("c");
        while let Next::Attempt(attempt) = world.next(&mut exchange) {
            attempts += 1;
            world.fail(&mut exchange, attempt, Verdict { retry_same: false, ..status(500) });
        }
        exchange.abandoned(&world.board, &world.prepared, world.now);
        world.pass(10);
    }
    assert!((10..=20).contains(&attempts), "{attempts}: five until the breaker opens, then one a second, and probes");
}

/// The shares of 2,000 requests at a moment, by target.
fn shares(world: &mut World, count: u32, sessions: bool) -> Vec<usize> {
    let mut counts = vec![0; count as usize];
    for number in 0..2_000_u64 {
        let mut exchange = world.begin("c");
        if sessions {
            exchange.belongs_to(Session::of((number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        }
        let attempt = world.attempt(&mut exchange);
        counts[attempt.target.0 as usize] += 1;
        let skip = exchange.candidates()[0].skip();
        assert_eq!(attempt.target != TargetId(0), matches!(skip, Some(Skip::Warming { .. })), "{skip:?}");
        world.succeed(&mut exchange, attempt);
    }
    counts
}

/// Opens and heals the breaker of the first target.
fn comes_back(world: &mut World) {
    world.break_open(TargetId(0));
    world.pass(6_001);
    let mut exchange = world.begin("c");
    let probe = world.attempt(&mut exchange);
    assert!(probe.probe && probe.target == TargetId(0));
    world.succeed(&mut exchange, probe);
}

#[test]
fn who_comes_back_leaves_a_part_to_the_next_step() {
    for sessions in [false, true] {
        let mut world = World::new(in_order(3, 0));
        assert_eq!(shares(&mut world, 3, sessions), [2_000, 0, 0]);
        comes_back(&mut world);
        for (after_ms, expected) in [(0, 100..=300), (15_000, 900..=1_100), (14_990, 1_990..=2_000), (10, 2_000..=2_000)] {
            world.pass(after_ms);
            let counts = shares(&mut world, 3, sessions);
            assert!(expected.contains(&counts[0]) && counts[0] + counts[1] == 2_000, "{counts:?}, {expected:?}");
        }
    }
}

#[test]
fn a_slow_start_refuses_nobody() {
    // Nobody else is there, or can be asked.
    for count in [1, 2] {
        let mut world = World::new(in_order(count, 0));
        comes_back(&mut world);
        if count == 2 {
            world.board.target(TargetId(1)).pause(world.now.plus_ms(60_000), Class::RateLimit);
        }
        for _ in 0..100 {
            let mut exchange = world.begin("c");
            let attempt = world.attempt(&mut exchange);
            assert_eq!((attempt.target, exchange.candidates()[0].skip()), (TargetId(0), None));
            world.succeed(&mut exchange, attempt);
        }
    }
    // Who was left to others is asked when those fail, and after those that are left.
    let mut world = World::new(in_order(3, 0));
    comes_back(&mut world);
    let asked = std::iter::repeat_with(|| {
        let mut exchange = world.begin("c");
        let asked: Vec<u32> = (0..3)
            .map(|_| {
                let attempt = world.attempt(&mut exchange);
                world.fail(&mut exchange, attempt, Verdict { counts_for_breaker: false, ..status(500) });
                attempt.target.0
            })
            .collect();
        exchange.abandoned(&world.board, &world.prepared, world.now);
        asked
    });
    let asked: Vec<Vec<u32>> = asked.take(100).collect();
    assert!(asked.iter().all(|order| *order == [0, 1, 2] || *order == [1, 2, 0]), "{asked:?}");
    assert!(asked.iter().any(|order| order[0] == 1));
}

#[test]
fn a_full_provider_is_passed_by() {
    let mut draft = in_order(2, 0);
    for at in [0, 1] {
        draft.providers.get_mut(ProviderId(at)).unwrap().in_flight_max = 1;
    }
    let mut world = World::new(draft);
    let mut one = world.begin("c");
    let first = world.attempt(&mut one);
    let mut two = world.begin("c");
    let second = world.attempt(&mut two);
    assert_eq!((first.target, second.target), (TargetId(0), TargetId(1)));
    let mut three = world.begin("c");
    let own = world.own(&mut three);
    assert_eq!((own.status, own.code, own.fault, own.should_retry), (503, "providers_unavailable", Fault::Us, true));
    assert_eq!(own.retry_after_ms, Some(1_000));
    world.succeed(&mut one, first);
    world.succeed(&mut two, second);
    assert!(world.is_idle());
}

#[test]
fn shards_share_a_board_and_leave_it_empty() {
    let mut draft = in_order(3, 2);
    draft.providers.get_mut(ProviderId(0)).unwrap().in_flight_max = 2;
    rules(&mut draft).breaker = policy::Breaker { consecutive: 2, cooldown_ms: 1, cooldown_max_ms: 4, ..policy::Breaker::default() };
    let world = World::new(draft);
    std::thread::scope(|scope| {
        for shard in 0..4_u64 {
            let world = &world;
            scope.spawn(move || {
                let mut seed = shard;
                let mut random = || {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    seed ^ (seed >> 29)
                };
                for round in 0..3_000 {
                    let mut now = world.now.plus_ms(round);
                    let mut exchange = world.begin("c");
                    loop {
                        match exchange.next(&world.prepared, &world.board, now, &mut random) {
                            Next::Wait(until) => now = until,
                            Next::Surrender(_) | Next::Summarise(_) => break,
                            Next::Attempt(attempt) if random() % 3 == 0 => {
                                exchange.succeeded(&world.board, &world.prepared, attempt.index, Some(5), now);
                                break;
                            }
                            Next::Attempt(_) if random() % 5 == 0 => {
                                exchange.abandoned(&world.board, &world.prepared, now);
                                break;
                            }
                            Next::Attempt(attempt) => {
                                let verdict =
                                    [status(500), limited(1), judge::transport(Transport::StaleConnection)][random() as usize % 3];
                                exchange.concluded(&world.board, &world.prepared, attempt.index, verdict, now);
                            }
                        }
                    }
                    assert!(exchange.is_over() && exchange.attempts_made() <= exchange.attempts_max());
                }
            });
        }
    });
    assert!(world.is_idle());
}

#[test]
#[should_panic(expected = "ends once")]
fn ending_twice_is_a_broken_promise() {
    let mut world = World::new(in_order(1, 0));
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    world.fail(&mut exchange, attempt, status(500));
    world.fail(&mut exchange, attempt, status(500));
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "in the middle of an attempt")]
fn dropping_what_runs_is_a_broken_promise() {
    let mut world = World::new(in_order(1, 0));
    let mut exchange = world.begin("c");
    world.attempt(&mut exchange);
}

#[test]
fn of_breakers_that_refuse_the_one_is_passed_whose_probes_failed_least() {
    let mut world = World::new(in_order(2, 0));
    world.break_open(TargetId(0));
    world.pass(60_000);
    let mut exchange = world.begin("c");
    let probe = world.attempt(&mut exchange);
    assert!(probe.probe && probe.target == TargetId(0));
    world.fail(&mut exchange, probe, status(500));
    exchange.abandoned(&world.board, &world.prepared, world.now);
    world.pass(1_000);
    world.break_open(TargetId(1));
    let opened = |target| world.board.target(TargetId(target)).breaker.opened();
    assert!(opened(0) < opened(1));
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    assert!(attempt.target == TargetId(1) && exchange.trail()[attempt.index].forced);
    exchange.abandoned(&world.board, &world.prepared, world.now);
}

#[test]
fn while_one_breaker_was_just_passed_another_is() {
    let mut world = World::new(in_order(2, 0));
    world.break_open(TargetId(0));
    world.pass(10);
    world.break_open(TargetId(1));
    let forced: Vec<Option<u32>> = (0..3)
        .map(|_| {
            let mut exchange = world.begin("c");
            let next = world.next(&mut exchange);
            exchange.abandoned(&world.board, &world.prepared, world.now);
            if let Next::Attempt(attempt) = next { Some(attempt.target.0) } else { None }
        })
        .collect();
    assert_eq!(forced, [Some(0), Some(1), None]);
}

#[test]
fn a_session_goes_one_way_while_its_target_comes_back() {
    let mut world = World::new(in_order(2, 0));
    comes_back(&mut world);
    world.pass(15_000);
    let mut asked = [0; 2];
    for number in 1..=200_u64 {
        let targets = [(); 3].map(|()| {
            let mut exchange = world.begin("c");
            exchange.belongs_to(Session::of(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
            let attempt = world.attempt(&mut exchange);
            world.succeed(&mut exchange, attempt);
            attempt.target.0
        });
        assert!(targets == [0; 3] || targets == [1; 3], "{targets:?}");
        asked[targets[0] as usize] += 1;
    }
    assert!(asked.iter().all(|count| *count > 50), "{asked:?}");
}

#[test]
fn a_step_leaves_no_more_to_others_than_its_warmest_member_would() {
    let mut draft = policies::draft(&[("a", 0), ("b", 0), ("d", 0)]);
    let targets: Vec<TargetId> = (0..3).map(|at| policies::target(&mut draft, at, "m")).collect();
    let chain = policies::chain(&mut draft, "c", &[&targets[..2], &targets[2..]]);
    policies::name(&mut draft, "c", chain);
    let mut world = World::new(draft);
    // The second came back half a slow start before the first.
    for target in [1, 0] {
        world.break_open(TargetId(target));
        world.pass(6_001);
        let (breaker, rules) = (&world.board.target(TargetId(target)).breaker, policy::Breaker::default());
        let admission = gate::allow(breaker, &rules, world.now);
        assert!(matches!(admission, Admission::Probe(_)));
        gate::success(breaker, &rules, admission, world.now);
        world.pass(if target == 1 { 9_000 } else { 0 });
    }
    let mut left = 0;
    for _ in 0..1_000 {
        let mut exchange = world.begin("c");
        let attempt = world.attempt(&mut exchange);
        world.succeed(&mut exchange, attempt);
        left += u32::from(attempt.target == TargetId(2));
    }
    assert!((430..=570).contains(&left), "{left} of 1,000, where the one of them is given half of its share again");
}

#[test]
fn a_probe_that_spoke_is_an_attempt_like_any_other() {
    let mut draft = in_order(2, 0);
    rules(&mut draft).breaker.consecutive = 1;
    let mut world = World::new(draft);
    world.break_open(TargetId(0));
    world.pass(60_000);
    let mut exchange = world.begin("c");
    let probe = world.attempt(&mut exchange);
    assert!(probe.probe && probe.target == TargetId(0));
    exchange.first_token(&world.prepared, &world.board, probe.index, world.now);
    exchange.commit();
    assert_eq!(world.board.target(TargetId(0)).breaker.state().0, gate::State::Closed);
    world.fail(&mut exchange, probe, judge::transport(Transport::CutStream));
    assert_eq!(world.board.target(TargetId(0)).breaker.state().0, gate::State::Open, "it was cut, and that counts");
}

#[test]
fn a_connection_that_is_closed_twice_counts() {
    let mut draft = in_order(1, 0);
    rules(&mut draft).breaker.consecutive = 1;
    rules(&mut draft).attempts_max = 1;
    let mut world = World::new(draft);
    let mut exchange = world.begin("c");
    for expected in [gate::State::Closed, gate::State::Open] {
        let attempt = world.attempt(&mut exchange);
        world.fail(&mut exchange, attempt, judge::transport(Transport::StaleConnection));
        assert_eq!(world.board.target(TargetId(0)).breaker.state().0, expected);
    }
    world.own(&mut exchange);
}
