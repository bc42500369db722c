//! Targets that say nothing at the moment.

use super::*;
use policy::chain::{Affinity, By};

const FIRST: TargetId = TargetId(0);
const SECOND: TargetId = TargetId(1);

/// A world in which the first target is known to answer after 20 ms.
fn known(draft: Draft) -> World {
    let mut world = World::new(draft);
    answers(&mut world);
    world
}

fn answers(world: &mut World) {
    for _ in 0..40 {
        let (mut exchange, attempt) = asked(world);
        assert_eq!(attempt.target, FIRST);
        world.pass(20);
        hears(world, &mut exchange, attempt);
    }
    // Somebody looks four times a second.
    world.pass(250);
    let (mut exchange, attempt) = asked(world);
    world.pass(20);
    hears(world, &mut exchange, attempt);
}

fn asked(world: &mut World) -> (Exchange, Attempt) {
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    (exchange, attempt)
}

fn hears(world: &World, exchange: &mut Exchange, attempt: Attempt) {
    exchange.first_token(&world.prepared, &world.board, attempt.index, world.now);
    exchange.commit();
    world.succeed(exchange, attempt);
}

/// The target that is asked next, which answers at once; the first one is not heard of by it.
fn next(world: &mut World) -> (TargetId, Option<Skip>) {
    let (mut exchange, attempt) = asked(world);
    let told = exchange.candidates()[0].skip();
    if attempt.target == FIRST {
        exchange.abandoned(&world.board, &world.prepared, world.now);
    } else {
        hears(world, &mut exchange, attempt);
    }
    (attempt.target, told)
}

/// So many attempts at the first target that nothing comes of, 20 ms apart.
fn stuck(world: &mut World, count: usize) -> Vec<(Exchange, Attempt)> {
    let mut all = Vec::new();
    for _ in 0..count {
        let (exchange, attempt) = asked(world);
        assert_eq!(attempt.target, FIRST);
        all.push((exchange, attempt));
        world.pass(20);
    }
    all
}

fn leave(world: &World, all: &mut [(Exchange, Attempt)]) {
    all.iter_mut().for_each(|(exchange, _)| exchange.abandoned(&world.board, &world.prepared, world.now));
    assert!(world.is_idle());
}

#[test]
fn others_are_asked_until_it_is_heard_again() {
    let mut world = known(in_order(2, 0));
    let mut all = stuck(&mut world, 3);
    assert_eq!(next(&mut world), (SECOND, Some(Skip::Silent { silent_ms: 60 })));
    assert_eq!(world.board.target(FIRST).breaker.state().0, gate::State::Closed);
    world.pass(30);
    assert_eq!(next(&mut world).0, SECOND);
    let (mut exchange, attempt) = all.remove(0);
    hears(&world, &mut exchange, attempt);
    assert_eq!(next(&mut world), (FIRST, None), "at once");
    leave(&world, &mut all);
}

#[test]
fn an_error_is_something_too() {
    let mut world = known(in_order(2, 0));
    let mut all = stuck(&mut world, 3);
    assert_eq!(next(&mut world).0, SECOND);
    let (exchange, attempt) = &mut all[2];
    world.fail(exchange, *attempt, status(400));
    assert_eq!(next(&mut world).0, FIRST);
    leave(&world, &mut all);
}

#[test]
fn two_that_wait_are_too_few_and_who_has_left_does_not_wait() {
    let mut world = known(in_order(2, 0));
    let mut all = stuck(&mut world, 2);
    world.pass(200);
    assert_eq!(next(&mut world).0, FIRST);
    leave(&world, &mut all);
    // Since then nothing was heard, but nobody has waited either.
    world.pass(10_000);
    let mut all = stuck(&mut world, 2);
    let (exchange, attempt) = asked(&mut world);
    all.push((exchange, attempt));
    world.pass(1);
    assert_eq!(next(&mut world).0, FIRST, "the oldest has waited for 41 ms, and nobody has looked before");
    world.pass(20);
    assert_eq!(next(&mut world).0, SECOND);
    leave(&world, &mut all);
    assert_eq!(next(&mut world).0, FIRST);
}

#[test]
fn with_nobody_else_left_it_is_asked() {
    let mut world = known(in_order(1, 0));
    let mut all = stuck(&mut world, 12);
    leave(&world, &mut all);
    let mut world = known(in_order(2, 0));
    let mut all = stuck(&mut world, 3);
    assert_eq!(next(&mut world).0, SECOND);
    world.board.target(SECOND).pause(world.now.plus_ms(60_000), Class::RateLimit);
    assert_eq!(next(&mut world).0, FIRST);
    leave(&world, &mut all);
}

#[test]
fn a_gateway_that_was_held_up_looks_twice() {
    let mut world = known(in_order(2, 0));
    let (first, second) = (asked(&mut world), asked(&mut world));
    let third = asked(&mut world);
    world.pass(300);
    // What had come meanwhile is read after those that ask now.
    assert_eq!([next(&mut world).0, next(&mut world).0], [FIRST, FIRST]);
    world.pass(15);
    assert_eq!(next(&mut world).0, FIRST);
    world.pass(1);
    assert_eq!(next(&mut world).0, SECOND);
    leave(&world, &mut [first, second, third]);
}

#[test]
fn those_that_others_were_asked_for_count_for_its_breaker() {
    for (consecutive, expected) in [(5, gate::State::Open), (1_000, gate::State::Closed)] {
        let mut draft = in_order(2, 0);
        rules(&mut draft).breaker.consecutive = consecutive;
        rules(&mut draft).breaker.requests_min = 1_000;
        let mut world = known(draft);
        let mut all = stuck(&mut world, 3);
        for _ in 0..25 {
            assert_eq!(next(&mut world).0, SECOND);
            world.pass(20);
        }
        assert_eq!(world.board.target(FIRST).breaker.state().0, expected, "{consecutive} in a row");
        leave(&world, &mut all);
    }
}

#[test]
fn a_pause_that_often_happens_is_no_silence() {
    let mut world = known(in_order(2, 0));
    for (pause_ms, expected) in [(100, SECOND), (100, FIRST), (180, FIRST), (340, FIRST), (700, SECOND)] {
        let mut all = stuck(&mut world, 3);
        world.pass(pause_ms - 60 - 20);
        assert!([FIRST, expected].contains(&next(&mut world).0));
        world.pass(20);
        assert_eq!(next(&mut world).0, expected, "{pause_ms} ms");
        for (exchange, attempt) in &mut all {
            hears(&world, exchange, *attempt);
        }
        assert!(world.is_idle());
        world.pass(260);
        let (mut exchange, attempt) = asked(&mut world);
        if attempt.target == FIRST {
            world.pass(20);
        }
        hears(&world, &mut exchange, attempt);
    }
    // What was not seen again for hours is forgotten.
    world.pass(4 * 3_600_000);
    answers(&mut world);
    let mut all = stuck(&mut world, 3);
    assert_eq!(next(&mut world).0, SECOND);
    leave(&world, &mut all);
}

#[test]
fn a_session_goes_back_home() {
    let mut draft = in_order(2, 0);
    rules(&mut draft).affinity = Some(Affinity { by: By::Session, stays: true });
    let mut world = known(draft);
    let ask = |world: &mut World| {
        let mut exchange = world.begin("c");
        exchange.belongs_to(Session::of(7));
        let attempt = world.attempt(&mut exchange);
        (exchange, attempt)
    };
    let (mut exchange, attempt) = ask(&mut world);
    hears(&world, &mut exchange, attempt);
    assert_eq!(attempt.target, FIRST);
    let mut all = stuck(&mut world, 3);
    let (mut exchange, attempt) = ask(&mut world);
    hears(&world, &mut exchange, attempt);
    assert_eq!(attempt.target, SECOND, "it is not kept waiting");
    let (mut exchange, attempt) = all.remove(0);
    hears(&world, &mut exchange, attempt);
    let (mut exchange, attempt) = ask(&mut world);
    hears(&world, &mut exchange, attempt);
    assert_eq!(attempt.target, FIRST);
    leave(&world, &mut all);
}
