//! Sessions and where they are at home.

use super::*;
use policy::chain::{Affinity, By};

const MEMBERS: u32 = 8;

fn shared(stays: bool) -> Draft {
    let mut draft = policies::draft(&[("a", 0), ("b", 0), ("d", 0), ("e", 0), ("f", 0), ("g", 0), ("h", 0), ("i", 0)]);
    let targets: Vec<TargetId> = (0..MEMBERS).map(|at| policies::target(&mut draft, at, "m")).collect();
    let chain = policies::chain(&mut draft, "c", &[&targets]);
    policies::name(&mut draft, "c", chain);
    rules(&mut draft).steps[0].affinity = Some(Affinity { by: By::Session, stays });
    draft
}

fn ask(world: &mut World, session: u64) -> (Exchange, Attempt) {
    let mut exchange = world.begin("c");
    exchange.belongs_to(Session::of(session));
    let attempt = world.attempt(&mut exchange);
    (exchange, attempt)
}

fn home(world: &mut World, session: u64) -> TargetId {
    let (mut exchange, attempt) = ask(world, session);
    world.succeed(&mut exchange, attempt);
    attempt.target
}

/// A hash, as the sessions of a test have.
fn hash(number: u64) -> u64 {
    number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[test]
fn a_session_has_one_home_and_sessions_are_spread() {
    let mut world = World::new(shared(false));
    let mut counts = [0; MEMBERS as usize];
    for number in 0..800 {
        let first = home(&mut world, hash(number));
        assert_eq!(home(&mut world, hash(number)), first);
        counts[first.0 as usize] += 1;
    }
    assert!(counts.iter().all(|count| (60..=140).contains(count)), "{counts:?}");
}

#[test]
fn only_the_sessions_of_who_fails_move_and_then_they_return_or_stay() {
    for stays in [false, true] {
        let mut world = World::new(shared(stays));
        world.board.seat(&world.prepared);
        let before: Vec<TargetId> = (0..200).map(|number| home(&mut world, hash(number))).collect();
        let ill = before[0];
        world.board.target(ill).pause(world.now.plus_ms(1_000), Class::RateLimit);
        let meanwhile: Vec<TargetId> = (0..200).map(|number| home(&mut world, hash(number))).collect();
        for (was, is) in before.iter().zip(&meanwhile) {
            assert_eq!(*was == ill, was != is, "{was:?} {is:?}");
        }
        let refuges: std::collections::HashSet<TargetId> =
            before.iter().zip(&meanwhile).filter(|(was, _)| **was == ill).map(|(_, is)| *is).collect();
        assert!(refuges.len() > 2, "they are spread over the others: {refuges:?}");
        world.pass(1_000);
        let after: Vec<TargetId> = (0..200).map(|number| home(&mut world, hash(number))).collect();
        assert_eq!(after, if stays { meanwhile } else { before });
    }
}

#[test]
fn one_large_session_does_not_drown_one_member() {
    let mut world = World::new(shared(false));
    let mut held: Vec<(Exchange, Attempt)> = (0..400).map(|_| ask(&mut world, hash(7))).collect();
    let busiest = (0..MEMBERS).map(|at| world.board.target(TargetId(at)).in_flight()).max().unwrap();
    let bound = (400.0 / f64::from(MEMBERS) * 1.25 + 4.0) as u32 + 1;
    assert!((bound - 2..=bound).contains(&busiest), "{busiest} of 400, {bound} at most, and not much less");
    for (exchange, attempt) in &mut held {
        world.succeed(exchange, *attempt);
    }
}

#[test]
fn weights_are_shares_of_the_sessions() {
    let mut draft = shared(false);
    rules(&mut draft).steps[0].members[0].weight = 7;
    let mut world = World::new(draft);
    let of_first = (0..1_400).filter(|number| home(&mut world, hash(*number)) == TargetId(0)).count();
    assert!((620..=780).contains(&of_first), "{of_first} of 1,400, where half is meant");
}

#[test]
fn over_the_steps_of_a_chain_a_session_returns_or_stays() {
    for stays in [None, Some(false), Some(true)] {
        let mut draft = in_order(3, 0);
        rules(&mut draft).affinity = stays.map(|stays| Affinity { by: By::Session, stays });
        let mut world = World::new(draft);
        let [first, second, third] = [0, 1, 2].map(TargetId);
        assert_eq!(home(&mut world, hash(1)), first);
        world.board.target(first).pause(world.now.plus_ms(1_000), Class::RateLimit);
        assert_eq!(home(&mut world, hash(1)), second);
        world.pass(1_000);
        let stay = stays == Some(true);
        for _ in 0..3 {
            assert_eq!(home(&mut world, hash(1)), if stay { second } else { first });
            assert_eq!(home(&mut world, hash(2)), first, "others begin as ever");
        }
        // While it is ill the chain's order counts, and so does what has no session.
        world.board.target(second).pause(world.now.plus_ms(1_000), Class::RateLimit);
        assert_eq!(home(&mut world, hash(1)), first);
        world.board.target(first).pause(world.now.plus_ms(1_000), Class::RateLimit);
        assert_eq!(home(&mut world, hash(1)), third);
        world.pass(1_000);
        assert_eq!(home(&mut world, hash(1)), if stay { third } else { first });
        let mut exchange = world.begin("c");
        let attempt = world.attempt(&mut exchange);
        assert_eq!(attempt.target, first);
        // Who stays and fails goes through the chain as ever.
        world.succeed(&mut exchange, attempt);
        let (mut exchange, attempt) = ask(&mut world, hash(1));
        world.fail(&mut exchange, attempt, status(500));
        let next = world.attempt(&mut exchange);
        assert_eq!(next.target, if stay { first } else { second });
        world.succeed(&mut exchange, next);
    }
}

#[test]
fn what_has_no_session_has_no_home() {
    let mut world = World::new(shared(true));
    world.board.seat(&world.prepared);
    let mut counts = [0; MEMBERS as usize];
    for _ in 0..800 {
        let mut exchange = world.begin("c");
        let attempt = world.attempt(&mut exchange);
        world.succeed(&mut exchange, attempt);
        counts[attempt.target.0 as usize] += 1;
    }
    assert!(counts.iter().all(|count| (60..=140).contains(count)), "{counts:?}");
}

#[test]
fn a_step_whose_sessions_stay_does_not_keep_them_from_the_steps_before_it() {
    let mut draft = in_order(2, 0);
    rules(&mut draft).steps[1].affinity = Some(Affinity { by: By::Session, stays: true });
    let mut world = World::new(draft);
    world.board.seat(&world.prepared);
    world.board.target(TargetId(0)).pause(world.now.plus_ms(1_000), Class::RateLimit);
    assert_eq!(home(&mut world, hash(1)), TargetId(1));
    world.pass(1_000);
    assert_eq!(home(&mut world, hash(1)), TargetId(0));
}
