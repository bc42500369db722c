//! A share of the requests goes first to a later target.

use super::*;

/// The target that is asked first, and whether that was its turn; the exchange ends well.
fn first(world: &mut World, session: Session) -> (TargetId, bool) {
    let mut exchange = world.begin("c");
    exchange.belongs_to(session);
    let attempt = world.attempt(&mut exchange);
    world.succeed(&mut exchange, attempt);
    (attempt.target, exchange.trail()[attempt.index].standby)
}

fn world(steps: u32, permille: u32, change: impl FnOnce(&mut Draft)) -> World {
    let mut draft = in_order(steps, 1);
    rules(&mut draft).standby_permille = permille;
    change(&mut draft);
    World::new(draft)
}

fn counts(world: &mut World, requests: usize) -> Vec<usize> {
    let mut counts = vec![0; world.prepared.targets.slots()];
    for _ in 0..requests {
        let (target, standby) = first(world, Session::default());
        assert_eq!(standby, target != TargetId(0));
        counts[target.0 as usize] += 1;
    }
    counts
}

#[test]
fn the_share_is_exact_and_every_target_has_its_turn() {
    assert_eq!(counts(&mut world(3, 50, |_| ()), 1_000), [950, 25, 25]);
    assert_eq!(counts(&mut world(3, 50, |_| ()), 20), [19, 1, 0]);
    assert_eq!(counts(&mut world(2, 500, |_| ()), 101), [51, 50]);
    assert_eq!(counts(&mut world(2, 1, |_| ()), 1_000), [999, 1]);
    assert_eq!(counts(&mut world(3, 0, |_| ()), 1_000), [1_000, 0, 0]);
}

#[test]
fn who_waits_for_a_failure_or_is_ill_has_no_turn() {
    let mut waits = ClassSet::EMPTY;
    waits.insert(Class::ContentFilter);
    assert_eq!(counts(&mut world(3, 100, |draft| rules(draft).steps[1].after = waits), 100), [90, 0, 10]);
    let mut world = world(3, 100, |_| ());
    world.break_open(TargetId(1));
    assert_eq!(counts(&mut world, 100), [90, 0, 10]);
    // Its time is up, and yet its probe is for those who are its turn by the chain's order.
    world.pass(60_000);
    assert_eq!(counts(&mut world, 100), [90, 0, 10]);
    world.break_open(TargetId(2));
    assert_eq!(counts(&mut world, 100), [100, 0, 0]);
}

#[test]
fn the_first_who_can_be_asked_is_no_standby() {
    let mut world = world(3, 100, |_| ());
    world.board.target(TargetId(0)).pause(world.now.plus_ms(60_000), Class::RateLimit);
    let mut turns = 0;
    for _ in 0..100 {
        let (target, standby) = first(&mut world, Session::default());
        assert_eq!(standby, target == TargetId(2));
        turns += u32::from(standby);
    }
    assert_eq!(turns, 10);
}

#[test]
fn who_fails_there_goes_through_the_chain_as_ever() {
    let mut world = world(3, 500, |_| ());
    let mut orders = Vec::new();
    for _ in 0..4 {
        let mut exchange = world.begin("c");
        let mut order = Vec::new();
        while let Next::Attempt(attempt) = world.next(&mut exchange) {
            order.push(attempt.target.0);
            if order.len() == 3 {
                world.succeed(&mut exchange, attempt);
                break;
            }
            world.fail(&mut exchange, attempt, status(500));
        }
        orders.push(order);
    }
    assert_eq!(orders, [[0, 1, 2], [1, 0, 2], [0, 1, 2], [2, 0, 1]]);
}

#[test]
fn sessions_go_one_way_as_a_whole() {
    let mut world = world(3, 100, |draft| {
        for step in &mut rules(draft).steps {
            step.affinity = Some(policy::chain::Affinity { by: policy::chain::By::Any, stays: false });
        }
    });
    let (sessions, mut away) = (5_000, 0);
    for id in 1..=sessions {
        let session = Session::of(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(id));
        let there = first(&mut world, session);
        assert!((0..3).all(|_| first(&mut world, session) == there));
        away += u32::from(there.1);
    }
    assert!((400..600).contains(&away), "{away}");
}

#[test]
fn a_session_that_stays_elsewhere_is_let_be() {
    let mut world = world(2, 500, |draft| {
        for step in &mut rules(draft).steps {
            step.affinity = Some(policy::chain::Affinity { by: policy::chain::By::Any, stays: true });
        }
    });
    world.board.seat(world.prepared.snapshot());
    for id in 1..200 {
        let session = Session::of(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(id));
        world.board.settle(session, TargetId(0));
        assert_eq!(first(&mut world, session), (TargetId(0), false));
    }
}
