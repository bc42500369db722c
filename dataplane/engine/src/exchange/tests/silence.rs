//! Providers that say nothing at all.

use super::*;

/// So many streams that were answered well after 400 ms.
fn answered(world: &mut World, count: usize) {
    for _ in 0..count {
        let mut exchange = world.begin("c");
        let attempt = world.attempt(&mut exchange);
        assert_eq!(attempt.target, TargetId(0));
        world.pass(400);
        exchange.first_token(&world.prepared, &world.board, attempt.index, world.now);
        exchange.commit();
        world.succeed(&mut exchange, attempt);
    }
}

#[test]
fn how_quickly_a_target_answers_is_known() {
    let mut world = World::new(in_order(2, 0));
    answered(&mut world, 19);
    assert_eq!(world.board.target(TargetId(0)).ttft_quantile(0.5, world.now), None);
    answered(&mut world, 1);
    let median = world.board.target(TargetId(0)).ttft_quantile(0.5, world.now).expect("twenty are enough");
    assert!(median.abs_diff(400 * crate::moment::NS_PER_MS) < 60 * crate::moment::NS_PER_MS, "{median}");
}

#[test]
fn a_silent_provider_is_seen_before_its_first_attempt_times_out() {
    let mut world = World::new(in_order(2, 0));
    answered(&mut world, 50);
    let row = TargetId(0);
    let mut stuck = Vec::new();
    let mut seen_ms = None;
    for ms in (0..10_000).step_by(100) {
        let mut exchange = world.begin("c");
        let attempt = world.attempt(&mut exchange);
        if attempt.target == row {
            assert!(seen_ms.is_none(), "the breaker is open");
            stuck.push((exchange, attempt));
        } else {
            seen_ms.get_or_insert(ms);
            world.succeed(&mut exchange, attempt);
        }
        world.pass(100);
        if world.board.target(row).breaker.peek(world.now) == gate::Peek::Elects {
            break;
        }
    }
    let seen_ms = seen_ms.expect("it was seen");
    assert!((1_200..2_600).contains(&seen_ms), "{seen_ms}");
    assert_eq!(world.board.target(row).last_failure().map(|(_, class)| class), Some(Class::Timeout));
    assert_eq!(world.board.target(row).waiting() as usize, stuck.len());
    // It is well again, and the old attempts time out only now: they are not counted twice.
    let mut exchange = world.begin("c");
    let probe = world.attempt(&mut exchange);
    assert!(probe.probe && probe.target == row);
    exchange.first_token(&world.prepared, &world.board, probe.index, world.now);
    world.succeed(&mut exchange, probe);
    assert_eq!(world.board.target(row).breaker.state().0, gate::State::Closed);
    world.pass(1_000);
    for (exchange, attempt) in &mut stuck {
        world.fail(exchange, *attempt, judge::transport(Transport::FirstTokenTimeout));
        exchange.abandoned(&world.board, &world.prepared, world.now);
    }
    assert_eq!(world.board.target(row).breaker.state().0, gate::State::Closed);
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    assert_eq!(attempt.target, row);
    world.succeed(&mut exchange, attempt);
    assert_eq!(world.board.target(row).waiting(), 0);
    assert!(world.is_idle());
}

#[test]
fn a_few_stuck_attempts_beside_many_that_are_well_open_nothing() {
    let mut world = World::new(in_order(2, 0));
    answered(&mut world, 50);
    let mut stuck: Vec<_> = (0..8)
        .map(|_| {
            let mut exchange = world.begin("c");
            let attempt = world.attempt(&mut exchange);
            (exchange, attempt)
        })
        .collect();
    answered(&mut world, 50);
    assert_eq!(world.board.target(TargetId(0)).breaker.state().0, gate::State::Closed);
    for (exchange, attempt) in &mut stuck {
        world.succeed(exchange, *attempt);
    }
    assert!(world.is_idle());
}

#[test]
fn whole_answers_are_watched_by_their_own_times() {
    let mut world = World::new(in_order(2, 0));
    // Streams begin at once, and whole answers take ten seconds: those are not overdue for it.
    answered(&mut world, 100);
    let whole = |world: &mut World| {
        let mut exchange = world.ask("c", None, false);
        let attempt = world.attempt(&mut exchange);
        (exchange, attempt)
    };
    let mut first: Vec<_> = (0..30).map(|_| whole(&mut world)).collect();
    world.pass(10_000);
    let (mut exchange, attempt) = whole(&mut world);
    assert_eq!(attempt.target, TargetId(0), "nothing is known of whole answers yet");
    world.succeed(&mut exchange, attempt);
    for (exchange, attempt) in &mut first {
        world.succeed(exchange, *attempt);
    }
    let mut stuck: Vec<_> = (0..8).map(|_| whole(&mut world)).collect();
    world.pass(25_000);
    let (mut exchange, attempt) = whole(&mut world);
    assert_eq!(attempt.target, TargetId(0));
    world.fail(&mut exchange, attempt, status(400));
    exchange.abandoned(&world.board, &world.prepared, world.now);
    world.pass(25_000);
    let (mut exchange, attempt) = whole(&mut world);
    assert_eq!(attempt.target, TargetId(1), "now they are overdue");
    world.succeed(&mut exchange, attempt);
    for (exchange, attempt) in &mut stuck {
        world.succeed(exchange, *attempt);
    }
    assert!(world.is_idle());
}

#[test]
fn a_slow_provider_is_left_when_the_policy_says_so() {
    for (slow_ms, expected) in [(0, TargetId(0)), (300, TargetId(1))] {
        let mut draft = in_order(2, 0);
        rules(&mut draft).breaker.slow_ms = slow_ms;
        let mut world = World::new(draft);
        answered(&mut world, 20);
        let mut exchange = world.begin("c");
        let attempt = world.attempt(&mut exchange);
        assert_eq!(attempt.target, expected);
        world.succeed(&mut exchange, attempt);
    }
}

#[test]
fn answers_of_no_use_are_half_as_bad_as_none() {
    for (percent, expected) in [(500, TargetId(0)), (400, TargetId(1))] {
        let mut draft = in_order(2, 0);
        rules(&mut draft).breaker.failure_permille = percent;
        let mut world = World::new(draft);
        for _ in 0..20 {
            let mut exchange = world.begin("c");
            let attempt = world.attempt(&mut exchange);
            assert_eq!(attempt.target, TargetId(0), "five in a row are none in a row");
            world.fail(&mut exchange, attempt, judge::transport(Transport::SchemaViolation));
            exchange.abandoned(&world.board, &world.prepared, world.now);
        }
        let mut exchange = world.begin("c");
        let attempt = world.attempt(&mut exchange);
        assert_eq!(attempt.target, expected);
        world.succeed(&mut exchange, attempt);
    }
}
