//! Credentials that have used what the operator grants them in a minute.

use super::*;

/// One chain of so many providers with so many credentials each; the first provider's have these limits.
fn world(providers: u32, limits: &[(u64, u64)]) -> World {
    let mut draft = in_order(providers, limits.len() as u32);
    let first = draft.providers.get_mut(ProviderId(0)).expect("there is one");
    for (key, (requests, tokens)) in first.keys.iter_mut().zip(limits) {
        (key.requests_per_minute, key.tokens_per_minute) = (*requests, *tokens);
    }
    World::new(draft)
}

fn charged(world: &World, charge: u32) -> Exchange {
    world.begin_with("c", decide::Wants { charge, ..decide::Wants::default() })
}

/// One request that is answered: the target and the credential.
fn answered(world: &mut World, charge: u32) -> (TargetId, Option<KeyId>) {
    let mut exchange = charged(world, charge);
    let attempt = world.attempt(&mut exchange);
    exchange.sent(attempt.index, world.now);
    world.succeed(&mut exchange, attempt);
    (attempt.target, attempt.key)
}

#[test]
fn a_key_at_its_limit_makes_way_for_another_and_comes_back() {
    let mut world = world(1, &[(3, 0), (0, 0)]);
    let count = |world: &mut World, of: u32| (0..200).filter(|_| answered(world, 0).1 == Some(KeyId(of))).count();
    assert_eq!(count(&mut world, 0), 3, "three, and no more");
    world.pass(20_000);
    assert_eq!(count(&mut world, 0), 1, "one is earned in twenty seconds");
    world.pass(600_000);
    assert_eq!(count(&mut world, 0), 3);
}

#[test]
fn with_all_keys_at_their_limits_the_next_target_is_asked() {
    let mut world = world(2, &[(2, 0), (1, 0)]);
    let targets: Vec<u32> = (0..5).map(|_| answered(&mut world, 0).0.0).collect();
    assert_eq!(targets, [0, 0, 0, 1, 1]);
    let mut exchange = world.begin("c");
    // Whichever is back first: the one of two in a minute.
    assert_eq!(exchange.candidates()[0].skip(), Some(Skip::KeyLimit { for_ms: 30_000 }));
    let attempt = world.attempt(&mut exchange);
    assert_eq!(exchange.fallback().map(|fallback| fallback.trigger.word()), Some("key_limit"));
    world.succeed(&mut exchange, attempt);
}

#[test]
fn with_nobody_else_it_is_an_honest_429_of_the_operators() {
    let mut world = world(1, &[(2, 0), (1, 0)]);
    (0..3).for_each(|_| assert_eq!(answered(&mut world, 0).0, TargetId(0)));
    let own = world.own(&mut world.begin("c"));
    assert_eq!((own.status, own.code, own.fault, own.should_retry), (429, "rate_limit_exceeded", Fault::Operator, true));
    assert_eq!(own.retry_after_ms, Some(30_000));
    assert!(own.message.as_str().contains("a/m key_limit") && own.message.as_str().contains("operator"), "{}", own.message.as_str());
    // A short time is waited for, as after a short Retry-After.
    world.pass(29_000);
    let mut exchange = world.begin("c");
    assert_eq!(world.wait(&mut exchange), 1_000);
    world.pass(1_000);
    let attempt = world.attempt(&mut exchange);
    assert_eq!(attempt.key, Some(KeyId(0)));
    world.succeed(&mut exchange, attempt);
}

#[test]
fn unlike_one_that_is_spent_it_is_not_asked_all_the_same() {
    let mut world = world(1, &[(1, 0)]);
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    exchange.sent(attempt.index, world.now);
    attempt.spent(&world.board, &world.prepared, 60_000, world.now);
    world.succeed(&mut exchange, attempt);
    assert_eq!(world.own(&mut world.begin("c")).status, 429);
}

#[test]
fn tokens_are_taken_by_the_estimate() {
    let mut world = world(2, &[(0, 1_000)]);
    assert_eq!(answered(&mut world, 600).0, TargetId(0));
    assert_eq!(answered(&mut world, 600).0, TargetId(1), "too little is left");
    assert_eq!(answered(&mut world, 400).0, TargetId(0), "and enough for who wants less");
    let key = world.prepared.providers[ProviderId(0)].keys[0];
    world.board.quota(key.id).settle(&key, 400, 100, world.now);
    assert_eq!(answered(&mut world, 300).0, TargetId(0));
}

#[test]
fn a_request_larger_than_a_minute_brings_passes_by_for_good() {
    let mut two = world(2, &[(0, 1_000)]);
    assert_eq!(answered(&mut two, 1_001).0, TargetId(1));
    assert_eq!(charged(&two, 1_001).candidates()[0].skip(), Some(Skip::OverKeyLimit));
    let mut one = world(1, &[(0, 1_000), (0, 500)]);
    let mut exchange = charged(&one, 1_001);
    let own = one.own(&mut exchange);
    assert_eq!((own.status, own.code, own.retry_after_ms, own.should_retry), (429, "request_too_large", None, false));
    assert_eq!(answered(&mut one, 501).1, Some(KeyId(0)), "only the one that can");
}

#[test]
fn what_was_not_sent_is_given_back() {
    let mut world = world(1, &[(1, 100)]);
    for verdict in [judge::transport(Transport::ConnectRefused), judge::transport(Transport::StaleConnection)] {
        let mut exchange = charged(&world, 100);
        let attempt = world.attempt(&mut exchange);
        if verdict.fresh {
            exchange.sent(attempt.index, world.now);
            // Who moves the bytes puts the tokens right.
            let key = world.prepared.providers[ProviderId(0)].keys[0];
            world.board.quota(key.id).settle(&key, 100, 0, world.now);
        }
        world.fail(&mut exchange, attempt, verdict);
        exchange.abandoned(&world.board, &world.prepared, world.now);
        world.pass(1);
    }
    let mut exchange = charged(&world, 100);
    world.attempt(&mut exchange);
    exchange.abandoned(&world.board, &world.prepared, world.now);
    assert_eq!(answered(&mut world, 100).1, Some(KeyId(0)));
    assert_eq!(world.own(&mut charged(&world, 100)).status, 429);
}

#[test]
fn one_that_is_refused_elsewhere_takes_nothing() {
    let mut draft = in_order(1, 1);
    let provider = draft.providers.get_mut(ProviderId(0)).expect("there is one");
    provider.in_flight_max = 1;
    provider.keys[0].requests_per_minute = 2;
    let mut world = World::new(draft);
    let mut first = world.begin("c");
    let attempt = world.attempt(&mut first);
    first.sent(attempt.index, world.now);
    for _ in 0..10 {
        world.own(&mut world.begin("c"));
    }
    world.succeed(&mut first, attempt);
    assert_eq!(answered(&mut world, 0).1, Some(KeyId(0)));
    assert_eq!(world.own(&mut world.begin("c")).status, 429);
}

/// Between a look and an attempt another shard may take the last one.
#[test]
fn many_at_once_take_no_more_than_there_is() {
    let mut world = world(2, &[(3, 0), (4, 0)]);
    let mut exchanges: Vec<Exchange> = (0..20).map(|_| world.begin("c")).collect();
    let targets: Vec<TargetId> = exchanges.iter_mut().map(|exchange| world.attempt(exchange).target).collect();
    let first = targets.iter().filter(|target| **target == TargetId(0)).count();
    assert_eq!(first, 7);
    exchanges.iter_mut().for_each(|exchange| exchange.abandoned(&world.board, &world.prepared, world.now));
}

#[test]
fn what_was_sent_and_failed_is_used_all_the_same() {
    let mut world = world(1, &[(1, 0)]);
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    exchange.sent(attempt.index, world.now);
    world.fail(&mut exchange, attempt, status(500));
    exchange.abandoned(&world.board, &world.prepared, world.now);
    assert_eq!(world.begin("c").candidates()[0].skip(), Some(Skip::KeyLimit { for_ms: 60_000 }));
}

/// Why the first target cannot be asked, with two credentials of one request a minute: each was asked so many
/// milliseconds ago, and is paused for so many more.
fn held_by(asked_and_paused: [(u64, u64); 2]) -> Option<Skip> {
    let mut world = world(1, &[(1, 0), (1, 0)]);
    let now = world.now.plus_ms(60_000);
    for (id, (ago_ms, paused_ms)) in (0..).zip(asked_and_paused) {
        let key = world.prepared.providers[ProviderId(0)].keys[id as usize];
        if ago_ms > 0 {
            assert!(world.board.quota(key.id).take(&key, 0, Moment(now.0 - ago_ms * crate::moment::NS_PER_MS)));
        }
        if paused_ms > 0 {
            world.board.pause_key(key.id, now.plus_ms(paused_ms), Class::RateLimit);
        }
    }
    world.now = now;
    world.begin("c").candidates()[0].skip()
}

#[test]
fn of_a_limit_and_a_pause_the_one_is_told_that_is_waited_for() {
    assert_eq!(held_by([(30_000, 0), (0, 1_000)]), Some(Skip::Paused { for_ms: 1_000 }), "the other is back first");
    assert_eq!(held_by([(59_000, 0), (0, 20_000)]), Some(Skip::KeyLimit { for_ms: 1_000 }));
    // Of one that has both, whichever ends later.
    assert_eq!(held_by([(30_000, 1_000), (30_000, 1_000)]), Some(Skip::KeyLimit { for_ms: 30_000 }));
    assert_eq!(held_by([(59_000, 20_000), (59_000, 20_000)]), Some(Skip::Paused { for_ms: 20_000 }));
}

#[test]
fn a_request_too_large_for_one_credential_is_not_too_large_while_another_is_out() {
    let mut world = world(1, &[(0, 1_000), (0, 5_000)]);
    world.board.pause_key(KeyId(1), world.now.plus_ms(60_000), Class::Auth);
    let mut exchange = charged(&world, 2_000);
    assert_eq!(exchange.candidates()[0].skip(), Some(Skip::KeysOut));
    assert_eq!(world.own(&mut exchange).code, "provider_auth");
}
