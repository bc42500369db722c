//! What is told of an exchange that went on to another target.

use super::*;

/// What had it go on, and where it led.
fn told(exchange: &Exchange) -> Option<(u32, &'static str, Option<u32>)> {
    exchange.fallback().map(|fallback| (fallback.from.0, fallback.trigger.word(), exchange.led_to().map(|to| to.0)))
}

#[test]
fn who_is_answered_by_the_first_went_nowhere() {
    let mut world = World::new(in_order(2, 0));
    // That the backup is ill is nobody's concern.
    world.break_open(TargetId(1));
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    assert_eq!(told(&exchange), None);
    world.succeed(&mut exchange, attempt);
    assert_eq!(told(&exchange), None);
}

#[test]
fn a_failure_is_told_and_so_is_who_could_not_be_asked() {
    let mut world = World::new(in_order(3, 0));
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    world.fail(&mut exchange, attempt, limited(60_000));
    let attempt = world.attempt(&mut exchange);
    assert_eq!(told(&exchange), Some((0, "rate_limit", Some(1))), "the head of an answer says it");
    world.fail(&mut exchange, attempt, status(503));
    let attempt = world.attempt(&mut exchange);
    world.succeed(&mut exchange, attempt);
    assert_eq!(told(&exchange), Some((0, "rate_limit", Some(2))));
    // The next one finds the first at rest.
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    assert_eq!(attempt.target, TargetId(1));
    assert_eq!(told(&exchange), Some((0, "paused", Some(1))));
    world.succeed(&mut exchange, attempt);
    assert_eq!(told(&exchange), Some((0, "paused", Some(1))));
    world.break_open(TargetId(1));
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    world.fail(&mut exchange, attempt, status(503));
    assert_eq!(told(&exchange), Some((0, "paused", Some(2))), "whatever becomes of the next one");
    exchange.abandoned(&world.board, &world.prepared, world.now);
}

#[test]
fn members_of_one_step_stand_for_each_other() {
    let mut draft = policies::draft(&[("a", 0), ("b", 0)]);
    let targets = [policies::target(&mut draft, 0, "m"), policies::target(&mut draft, 1, "m")];
    let chain = policies::chain(&mut draft, "c", &[&targets]);
    policies::name(&mut draft, "c", chain);
    let mut world = World::new(draft);
    world.break_open(TargetId(0));
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    assert_eq!((attempt.target, told(&exchange)), (TargetId(1), None));
    world.succeed(&mut exchange, attempt);
}

#[test]
fn whom_a_request_is_not_for_was_never_its_place() {
    let mut draft = in_order(2, 0);
    draft.targets.get_mut(TargetId(0)).expect("it was just made").disabled = Some("no key".to_owned());
    let mut world = World::new(draft);
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    assert_eq!((attempt.target, told(&exchange)), (TargetId(1), None));
    world.succeed(&mut exchange, attempt);
}

#[test]
fn the_one_of_two_that_answered_is_told() {
    let mut draft = in_order(3, 0);
    rules(&mut draft).hedge = Some(policy::Hedge { after: policy::Slowness::Ms(100), share_permille: 1_000 });
    let mut world = World::new(draft);
    // A fails; beside B, which is slow, C is asked; B answers.
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    world.fail(&mut exchange, attempt, status(503));
    let slow = world.attempt(&mut exchange);
    world.pass(100);
    let beside = exchange.hedge(&world.prepared, &world.board, world.now, &mut || 7).expect("there is another, and a budget");
    exchange.outrun(&world.board, &world.prepared, beside.index, world.now);
    world.succeed(&mut exchange, slow);
    assert_eq!(told(&exchange), Some((0, "overloaded", Some(1))));
    // Nobody fails: who was only slower was not left.
    let mut exchange = world.begin("c");
    let slow = world.attempt(&mut exchange);
    world.pass(100);
    let beside = exchange.hedge(&world.prepared, &world.board, world.now, &mut || 7).expect("there is another, and a budget");
    exchange.outrun(&world.board, &world.prepared, slow.index, world.now);
    world.succeed(&mut exchange, beside);
    assert_eq!(told(&exchange), None);
}

#[test]
fn who_is_asked_out_of_turn_was_not_asked_for_want_of_others() {
    let mut draft = in_order(3, 0);
    rules(&mut draft).standby_permille = 500;
    let mut world = World::new(draft);
    world.board.target(TargetId(0)).pause(world.now.plus_ms(60_000), Class::RateLimit);
    let mut turns = 0;
    for _ in 0..10 {
        let mut exchange = world.begin("c");
        let attempt = world.attempt(&mut exchange);
        let standby = exchange.trail()[attempt.index].standby;
        assert_eq!(standby, attempt.target == TargetId(2));
        assert_eq!(told(&exchange), if standby { None } else { Some((0, "paused", Some(1))) });
        world.succeed(&mut exchange, attempt);
        turns += u32::from(standby);
    }
    assert_eq!(turns, 5);
}
