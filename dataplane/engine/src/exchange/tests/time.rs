//! How long an attempt and an exchange may take.

use super::*;

#[test]
fn the_deadline_ends_everything() {
    let mut world = World::new(in_order(3, 0));
    let mut exchange = world.ask("c", Some(500), true);
    let attempt = world.attempt(&mut exchange);
    assert_eq!(attempt.deadline, world.now.plus_ms(500));
    world.pass(500);
    world.fail(&mut exchange, attempt, judge::transport(Transport::Deadline));
    let own = world.own(&mut exchange);
    assert_eq!((own.status, own.code), (504, "deadline_exceeded"));
    assert_eq!(own.message.as_str(), "The deadline passed before a provider could answer: a/m timeout");
    let mut late = world.ask("c", Some(0), true);
    assert_eq!(world.own(&mut late).status, 504);
}

#[test]
fn who_hangs_leaves_time_for_the_others() {
    let mut draft = in_order(2, 0);
    rules(&mut draft).patience.connect_ms = 2_000;
    let mut world = World::new(draft);
    let ms = |world: &World, until: Moment| until.since(world.now) / crate::moment::NS_PER_MS;
    let mut exchange = world.ask("c", Some(20_000), false);
    let first = world.attempt(&mut exchange);
    assert_eq!((ms(&world, first.connect_by), ms(&world, first.first_token_by), ms(&world, first.deadline)), (2_000, 10_000, 20_000));
    world.pass(10_000);
    world.fail(&mut exchange, first, judge::transport(Transport::HeadTimeout));
    let second = world.attempt(&mut exchange);
    assert_eq!(ms(&world, second.first_token_by), 10_000, "the last one may take all that is left");
    world.succeed(&mut exchange, second);
}

#[test]
fn slow_is_left_only_while_there_is_somebody_else() {
    let mut draft = in_order(2, 0);
    rules(&mut draft).triggers.latency_ms = Some(5_000);
    draft.targets.get_mut(TargetId(1)).unwrap().reasoning = true;
    let mut world = World::new(draft);
    let mut exchange = world.begin("c");
    let first = world.attempt(&mut exchange);
    assert_eq!(first.first_token_by, world.now.plus_ms(5_000));
    assert_eq!(first.late(Transport::HeadTimeout), Transport::Latency);
    assert_eq!(first.idle_ns, 30_000 * crate::moment::NS_PER_MS);
    world.fail(&mut exchange, first, judge::transport(Transport::FirstTokenTimeout));
    let second = world.attempt(&mut exchange);
    assert_eq!(second.first_token_by, world.now.plus_ms(120_000));
    assert_eq!(second.late(Transport::HeadTimeout), Transport::HeadTimeout);
    world.succeed(&mut exchange, second);
}

#[test]
fn the_backoff_of_the_policy_is_waited() {
    let mut draft = in_order(1, 0);
    rules(&mut draft).backoff = policy::Backoff { exponential: true, base_ms: 100, cap_ms: 300 };
    let mut world = World::new(draft);
    let mut exchange = world.begin("c");
    for expected_ms in [100, 200, 300, 300] {
        let mut next = |world: &World| exchange.next(&world.prepared, &world.board, world.now, &mut || u64::MAX);
        let Next::Attempt(attempt) = next(&world) else { panic!("the wait is over") };
        exchange.concluded(&world.board, &world.prepared, attempt.index, Verdict { counts_for_breaker: false, ..status(500) }, world.now);
        let until = match exchange.next(&world.prepared, &world.board, world.now, &mut || u64::MAX) {
            Next::Wait(until) => until,
            other => panic!("{other:?} instead of a wait"),
        };
        assert_eq!(until.since(world.now) / crate::moment::NS_PER_MS, expected_ms);
        world.now = until;
    }
    exchange.abandoned(&world.board, &world.prepared, world.now);
}
