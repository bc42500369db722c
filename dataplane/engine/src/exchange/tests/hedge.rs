//! A second attempt beside a slow first one.

use super::*;
use policy::{Hedge, Slowness};

/// Two providers in order, the second attempt after 100 ms, and every request may be asked twice.
fn hedged(count: u32, after: Slowness, share_permille: u16) -> World {
    let mut draft = in_order(count, 0);
    rules(&mut draft).hedge = Some(Hedge { after, share_permille });
    World::new(draft)
}

fn second(world: &mut World, exchange: &mut Exchange) -> Option<Attempt> {
    exchange.hedge(&world.prepared, &world.board, world.now, &mut || 7)
}

fn ends(exchange: &Exchange) -> Vec<End> {
    exchange.trail().iter().map(|trail| trail.end).collect()
}

fn recorded(exchange: &Exchange, outcome: crate::account::Outcome, now: Moment) {
    let record = crate::account::Record::of(exchange, 1, outcome, crate::account::Measures::default(), now);
    assert_eq!(record.validate(), Ok(()), "{record:?}");
}

#[test]
fn the_second_is_asked_when_the_first_is_slow_and_wins() {
    let mut world = hedged(2, Slowness::Ms(100), 1_000);
    let mut exchange = world.begin("c");
    let first = world.attempt(&mut exchange);
    let begun = world.now;
    assert_eq!(exchange.hedge_at(&world.prepared, &world.board, world.now), Some(begun.plus_ms(100)));
    world.pass(100);
    let other = second(&mut world, &mut exchange).expect("there is another, and a budget");
    assert_eq!((first.target, other.target, exchange.state()), (TargetId(0), TargetId(1), State::Racing));
    assert!(second(&mut world, &mut exchange).is_none(), "one is enough");
    assert_eq!(exchange.hedge_at(&world.prepared, &world.board, world.now), None);
    world.pass(20);
    exchange.outrun(&world.board, &world.prepared, first.index, world.now);
    exchange.first_token(&world.prepared, &world.board, other.index, world.now);
    exchange.commit();
    world.succeed(&mut exchange, other);
    assert_eq!(ends(&exchange), [End::Outrun, End::Answered]);
    assert!(world.is_idle());
    // To be given up after 120 ms is to be slower than that.
    assert_eq!(world.board.target(TargetId(0)).average_ns(world.now).map(|ns| ns as u64 / 1_000_000), Some(120));
    recorded(&exchange, crate::account::Outcome::Answered, world.now);
}

#[test]
fn the_first_may_win_all_the_same() {
    let mut world = hedged(2, Slowness::Ms(100), 1_000);
    let mut exchange = world.begin("c");
    let first = world.attempt(&mut exchange);
    world.pass(100);
    let other = second(&mut world, &mut exchange).unwrap();
    world.pass(5);
    exchange.outrun(&world.board, &world.prepared, other.index, world.now);
    world.succeed(&mut exchange, first);
    assert_eq!(ends(&exchange), [End::Answered, End::Outrun]);
    assert_eq!(world.board.target(TargetId(1)).average_ns(world.now), None, "it had no time to tell anything");
    assert!(world.is_idle());
    recorded(&exchange, crate::account::Outcome::Answered, world.now);
}

#[test]
fn who_fails_leaves_the_other_running() {
    for loser in [0, 1] {
        let mut world = hedged(3, Slowness::Ms(100), 1_000);
        let mut exchange = world.begin("c");
        let first = world.attempt(&mut exchange);
        world.pass(100);
        let other = second(&mut world, &mut exchange).unwrap();
        let (fails, lasts) = if loser == 0 { (first, other) } else { (other, first) };
        world.pass(5);
        world.fail(&mut exchange, fails, status(503));
        assert_eq!(exchange.state(), State::Attempting);
        world.pass(5);
        world.fail(&mut exchange, lasts, status(503));
        let third = world.attempt(&mut exchange);
        assert_eq!(third.target, TargetId(2));
        world.succeed(&mut exchange, third);
        assert!(world.is_idle());
        recorded(&exchange, crate::account::Outcome::Answered, world.now);
    }
}

#[test]
fn a_callers_own_error_ends_both() {
    let mut world = hedged(2, Slowness::Ms(100), 1_000);
    let mut exchange = world.begin("c");
    let first = world.attempt(&mut exchange);
    world.pass(100);
    let other = second(&mut world, &mut exchange).unwrap();
    world.fail(&mut exchange, first, status(400));
    assert!(exchange.is_lost());
    exchange.outrun(&world.board, &world.prepared, other.index, world.now);
    assert!(matches!(world.next(&mut exchange), Next::Surrender(Surrender::Relay { .. })));
    assert!(world.is_idle());
    recorded(&exchange, crate::account::Outcome::Relayed, world.now);
}

#[test]
fn a_tenant_that_leaves_ends_both() {
    let mut world = hedged(2, Slowness::Ms(100), 1_000);
    let mut exchange = world.begin("c");
    world.attempt(&mut exchange);
    world.pass(100);
    second(&mut world, &mut exchange).unwrap();
    exchange.abandoned(&world.board, &world.prepared, world.now);
    assert_eq!(ends(&exchange), [End::Abandoned, End::Abandoned]);
    assert!(world.is_idle());
    recorded(&exchange, crate::account::Outcome::HungUp, world.now);
}

#[test]
fn with_nobody_else_the_same_target_is_asked_again() {
    let mut world = hedged(1, Slowness::Ms(100), 1_000);
    let mut exchange = world.begin("c");
    let first = world.attempt(&mut exchange);
    world.pass(100);
    let other = second(&mut world, &mut exchange).unwrap();
    assert_eq!(first.target, other.target);
    exchange.outrun(&world.board, &world.prepared, first.index, world.now);
    world.succeed(&mut exchange, other);
    assert!(world.is_idle());
}

#[test]
fn nobody_is_asked_twice_beyond_the_share() {
    let mut world = hedged(2, Slowness::Ms(1), 20);
    let mut twice = 0;
    for _ in 0..1_000 {
        let mut exchange = world.begin("c");
        let first = world.attempt(&mut exchange);
        world.pass(1);
        if let Some(other) = second(&mut world, &mut exchange) {
            twice += 1;
            exchange.outrun(&world.board, &world.prepared, other.index, world.now);
        }
        world.succeed(&mut exchange, first);
    }
    assert_eq!(twice, 20);
}

#[test]
fn nobody_knows_what_is_slow_before_enough_is_known() {
    let mut world = hedged(2, Slowness::Permille(950), 1_000);
    for n in 0..40_u64 {
        let mut exchange = world.begin("c");
        let attempt = world.attempt(&mut exchange);
        let at = exchange.hedge_at(&world.prepared, &world.board, world.now);
        assert_eq!(at.is_some(), n >= crate::pace::ENOUGH);
        if let Some(at) = at {
            let ms = at.since(world.now) / crate::moment::NS_PER_MS;
            assert!((300..=500).contains(&ms), "{ms} ms");
        }
        world.pass(400);
        exchange.first_token(&world.prepared, &world.board, attempt.index, world.now);
        world.succeed(&mut exchange, attempt);
    }
}

#[test]
fn what_is_slow_depends_on_the_size_of_the_prompt() {
    let mut world = hedged(2, Slowness::Permille(500), 1_000);
    let sized = |tokens: u32| decide::Wants { tokens, ..decide::Wants::default() };
    let mut due = [0; 2];
    for _ in 0..30 {
        for (at, (tokens, ms)) in [(100, 100_u64), (50_000, 4_000)].into_iter().enumerate() {
            let mut exchange = world.begin_with("c", sized(tokens));
            let attempt = world.attempt(&mut exchange);
            let begun = world.now;
            due[at] = exchange.hedge_at(&world.prepared, &world.board, begun).map_or(0, |when| when.since(begun) / 1_000_000);
            world.pass(ms);
            exchange.first_token(&world.prepared, &world.board, attempt.index, world.now);
            world.succeed(&mut exchange, attempt);
        }
    }
    assert!((80..=130).contains(&due[0]) && (3_000..=5_000).contains(&due[1]), "{due:?}");
}

#[test]
fn a_request_earns_once_however_often_it_is_asked() {
    let mut world = hedged(3, Slowness::Ms(1), 20);
    let mut twice = 0;
    for _ in 0..1_000 {
        let mut exchange = world.begin("c");
        let first = world.attempt(&mut exchange);
        world.fail(&mut exchange, first, status(404).of_this_request());
        let next = world.attempt(&mut exchange);
        world.pass(1);
        if let Some(other) = second(&mut world, &mut exchange) {
            twice += 1;
            exchange.outrun(&world.board, &world.prepared, other.index, world.now);
        }
        world.succeed(&mut exchange, next);
    }
    assert_eq!(twice, 20);
}

#[test]
fn a_second_attempt_comes_before_the_commit_point_and_in_time_or_not_at_all() {
    let mut world = hedged(2, Slowness::Ms(100), 1_000);
    let mut exchange = world.begin("c");
    let first = world.attempt(&mut exchange);
    exchange.first_token(&world.prepared, &world.board, first.index, world.now);
    exchange.commit();
    world.pass(100);
    assert!(second(&mut world, &mut exchange).is_none() && exchange.attempts_made() == 1, "something was seen already");
    world.succeed(&mut exchange, first);
    // No time is left for it, or there will be none.
    let mut exchange = world.ask("c", Some(50), true);
    let first = world.attempt(&mut exchange);
    assert_eq!(exchange.hedge_at(&world.prepared, &world.board, world.now), None);
    world.pass(50);
    assert!(second(&mut world, &mut exchange).is_none());
    world.fail(&mut exchange, first, judge::transport(Transport::Deadline));
    assert!(world.is_idle());
    // The chain makes one attempt.
    let mut draft = in_order(2, 0);
    rules(&mut draft).hedge = Some(Hedge { after: Slowness::Ms(100), share_permille: 1_000 });
    rules(&mut draft).attempts_max = 1;
    let mut world = World::new(draft);
    let mut exchange = world.begin("c");
    let first = world.attempt(&mut exchange);
    world.pass(100);
    assert!(second(&mut world, &mut exchange).is_none());
    world.succeed(&mut exchange, first);
}

#[test]
fn a_second_attempt_is_made_once_even_when_one_of_both_has_failed() {
    let mut world = hedged(3, Slowness::Ms(100), 1_000);
    for _ in 0..3 {
        // Enough is earned for more than one.
        let mut exchange = world.begin("c");
        let attempt = world.attempt(&mut exchange);
        world.succeed(&mut exchange, attempt);
    }
    let mut exchange = world.begin("c");
    let first = world.attempt(&mut exchange);
    world.pass(100);
    let other = second(&mut world, &mut exchange).expect("there is another, and a budget");
    world.fail(&mut exchange, first, status(404));
    assert_eq!(exchange.state(), State::Attempting);
    assert!(second(&mut world, &mut exchange).is_none());
    world.succeed(&mut exchange, other);
}

#[test]
fn what_nobody_could_be_asked_with_is_given_back() {
    // Earned one by one: whoever takes one and makes no attempt with it would leave none.
    let mut world = hedged(2, Slowness::Ms(100), 1_000);
    for target in [0, 1] {
        world.board.target(TargetId(target)).pause(world.now.plus_ms(1_000), Class::RateLimit);
    }
    world.pass(1_000);
    let mut exchange = world.begin("c");
    let first = world.attempt(&mut exchange);
    for target in [0, 1] {
        world.board.target(TargetId(target)).pause(world.now.plus_ms(1_000), Class::RateLimit);
    }
    for _ in 0..20 {
        assert!(second(&mut world, &mut exchange).is_none(), "neither another nor the same one can be asked");
    }
    world.pass(1_000);
    let other = second(&mut world, &mut exchange).expect("nothing was used up");
    exchange.outrun(&world.board, &world.prepared, other.index, world.now);
    world.succeed(&mut exchange, first);
}

#[test]
fn how_slow_is_slow_is_a_share_of_what_was_seen() {
    for (permille, expected) in [(250, 80..=130_u64), (950, 3_000..=5_000)] {
        let mut world = hedged(2, Slowness::Permille(permille), 1_000);
        for n in 0..60_u64 {
            let mut exchange = world.begin("c");
            let attempt = world.attempt(&mut exchange);
            world.pass(if n % 2 == 0 { 100 } else { 4_000 });
            exchange.first_token(&world.prepared, &world.board, attempt.index, world.now);
            world.succeed(&mut exchange, attempt);
        }
        let mut exchange = world.begin("c");
        let attempt = world.attempt(&mut exchange);
        let at = exchange.hedge_at(&world.prepared, &world.board, world.now).expect("enough is known");
        let ms = at.since(world.now) / crate::moment::NS_PER_MS;
        assert!(expected.contains(&ms), "{ms} ms for {permille}");
        world.succeed(&mut exchange, attempt);
    }
}

#[test]
fn a_first_that_is_late_by_wish_tells_nothing_of_its_target() {
    let mut world = hedged(2, Slowness::Ms(100), 1_000);
    let mut exchange = world.begin("c");
    let first = world.attempt(&mut exchange);
    exchange.struck(&world.board, first.index, Struck::Wished, world.now);
    world.pass(100);
    let other = second(&mut world, &mut exchange).expect("there is another, and a budget");
    exchange.outrun(&world.board, &world.prepared, first.index, world.now);
    world.succeed(&mut exchange, other);
    assert_eq!(world.board.target(TargetId(0)).average_ns(world.now), None);
}
