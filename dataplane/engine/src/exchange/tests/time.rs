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

/// Milliseconds of the first attempt of a request with this deadline: to be connected, and to its first token; and
/// whether it is late there by the chain's `latency`.
fn first_ms(draft: Draft, deadline_ms: u64, stream: bool) -> (u64, u64, bool) {
    let mut world = World::new(draft);
    let mut exchange = world.ask("c", Some(deadline_ms), stream);
    let attempt = world.attempt(&mut exchange);
    let ms = |until: Moment| until.since(world.now) / crate::moment::NS_PER_MS;
    exchange.abandoned(&world.board, &world.prepared, world.now);
    (ms(attempt.connect_by), ms(attempt.first_token_by), attempt.late(Transport::HeadTimeout) == Transport::Latency)
}

#[test]
fn no_time_is_kept_for_who_will_not_be_asked() {
    let alone = first_ms(in_order(1, 0), 20_000, false);
    assert_eq!(alone.1, 20_000);
    assert_eq!(first_ms(in_order(2, 0), 20_000, false).1, 10_000);
    let mut once = in_order(2, 0);
    rules(&mut once).attempts_max = 1;
    assert_eq!(first_ms(once, 20_000, false), alone, "there is no second attempt");
    let mut disabled = in_order(2, 0);
    disabled.targets.get_mut(TargetId(1)).unwrap().disabled = Some("no key".into());
    assert_eq!(first_ms(disabled, 20_000, false), alone, "the other is never asked");
}

#[test]
fn to_connect_takes_no_longer_than_the_attempt() {
    let mut draft = in_order(2, 0);
    rules(&mut draft).patience.connect_ms = 2_000;
    assert_eq!(first_ms(draft.clone(), 3_000, true).0, 1_500);
    assert_eq!(first_ms(draft, 9_000, true).0, 2_000);
}

#[test]
fn only_a_stream_has_a_first_token_to_wait_for() {
    let mut draft = in_order(2, 0);
    rules(&mut draft).triggers.latency_ms = Some(5_000);
    let to_token_ms = rules(&mut draft).patience.first_token_ms;
    assert_eq!((first_ms(draft.clone(), 300_000, true).1, first_ms(draft.clone(), 300_000, true).2), (5_000, true));
    let whole = first_ms(draft.clone(), 300_000, false);
    assert_eq!((whole.1, whole.2), (150_000, false), "of a whole answer nothing is seen before it is there");
    // Where less time is left than that, it is the time that runs out.
    let short = first_ms(draft.clone(), 6_000, true);
    assert_eq!((short.1, short.2), (3_000, false));
    // A latency that is longer than the time to a first token changes nothing.
    rules(&mut draft).triggers.latency_ms = Some(to_token_ms * 2);
    let longer = first_ms(draft, 300_000, true);
    assert_eq!((longer.1, longer.2), (to_token_ms, false));
}

#[test]
fn nobody_waits_for_what_comes_after_the_deadline() {
    let mut draft = in_order(1, 1);
    rules(&mut draft).backoff = policy::Backoff { exponential: false, base_ms: 5_000, cap_ms: 5_000 };
    let world = World::new(draft);
    let mut exchange = world.ask("c", Some(3_000), true);
    let next = |exchange: &mut Exchange| exchange.next(&world.prepared, &world.board, world.now, &mut || u64::MAX);
    let Next::Attempt(attempt) = next(&mut exchange) else { panic!("nothing speaks against it") };
    exchange.concluded(&world.board, &world.prepared, attempt.index, status(500), world.now);
    assert!(matches!(next(&mut exchange), Next::Surrender(_)), "its backoff is longer than what is left");
}

#[test]
fn a_time_for_the_first_word_is_also_that_for_a_whole_answer() {
    let draft = in_order(1, 0);
    let keepalive_ms = draft.chains[ChainId(0)].patience.keepalive_after_ms;
    let world = World::new(draft);
    let ms = |deadline_ms: Option<u64>, stream: bool, within_ms: u64| {
        let exchange = world.want("c", deadline_ms, stream, decide::Wants { within_ms, ..decide::Wants::default() });
        [exchange.commit_by(), exchange.deadline()].map(|until| until.since(world.now) / crate::moment::NS_PER_MS)
    };
    let [whole_ms, _] = ms(None, true, 0);
    assert_eq!(ms(None, true, 3_000), [3_000, whole_ms], "a stream goes on for as long as it may");
    assert_eq!(ms(None, false, 3_000), [3_000, 3_000]);
    assert_eq!(ms(Some(1_000), false, 3_000), [1_000, 1_000], "a deadline stays one");
    // Beyond it comments keep a stream alive, and nothing a whole answer.
    assert_eq!(ms(None, true, keepalive_ms), [keepalive_ms, whole_ms]);
    assert_eq!(ms(None, true, keepalive_ms + 1), [whole_ms, whole_ms]);
    assert_eq!(ms(None, false, keepalive_ms + 1), [keepalive_ms + 1, keepalive_ms + 1]);
}
