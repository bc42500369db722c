//! What a provider that says "later" or "no" is left alone for.

use super::*;
use crate::moment::NS_PER_MS;

#[test]
fn a_short_retry_after_is_waited_for_when_nothing_else_is_left() {
    let mut draft = in_order(1, 1);
    rules(&mut draft).backoff = policy::Backoff { exponential: false, base_ms: 0, cap_ms: 0 };
    let mut world = World::new(draft);
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    world.fail(&mut exchange, attempt, limited(1_500));
    assert_eq!(world.wait(&mut exchange), 1_500);
    world.pass(1_499);
    assert_eq!(world.wait(&mut exchange), 1);
    world.pass(1);
    let attempt = world.attempt(&mut exchange);
    world.succeed(&mut exchange, attempt);
}

#[test]
fn a_long_retry_after_is_passed_on() {
    let mut world = World::new(in_order(2, 1));
    let mut exchange = world.begin("c");
    for ms in [9_000, 7_000] {
        let attempt = world.attempt(&mut exchange);
        world.fail(&mut exchange, attempt, limited(ms));
    }
    let own = world.own(&mut exchange);
    assert_eq!((own.status, own.code, own.retry_after_ms, own.should_retry), (429, "rate_limit_exceeded", Some(7_000), true));
    // The next exchange does not even ask.
    world.pass(1_000);
    let mut exchange = world.begin("c");
    let own = world.own(&mut exchange);
    assert_eq!((own.status, own.retry_after_ms), (429, Some(6_000)));
    assert_eq!(own.message.as_str(), "No provider could answer: a/m paused, b/m paused");
    assert!(exchange.trail().is_empty());
    // And the one after that finds the second target well again.
    world.pass(6_000);
    assert_eq!(
        {
            let mut exchange = world.begin("c");
            let attempt = world.attempt(&mut exchange);
            world.succeed(&mut exchange, attempt);
            attempt.target
        },
        TargetId(1)
    );
}

#[test]
fn a_pause_of_a_minute_is_told_as_a_minute() {
    for keys in [1, 2] {
        let mut draft = in_order(1, keys);
        rules(&mut draft).attempts_max = 2;
        let mut world = World::new(draft);
        // No clock stands on a whole microsecond.
        world.now = world.now.plus_ns(1);
        let mut exchange = world.begin("c");
        for _ in 0..keys {
            let attempt = world.attempt(&mut exchange);
            world.fail(&mut exchange, attempt, limited(60_000));
        }
        assert_eq!(world.own(&mut exchange).retry_after_ms, Some(60_000), "who asked, with {keys} keys");
        let mut exchange = world.begin("c");
        assert_eq!(world.own(&mut exchange).retry_after_ms, Some(60_000), "who came after, with {keys} keys");
    }
}

#[test]
fn a_quarter_of_the_time_left_is_the_most_to_wait() {
    let mut world = World::new(in_order(1, 1));
    let mut exchange = world.ask("c", Some(4_000), true);
    let attempt = world.attempt(&mut exchange);
    world.fail(&mut exchange, attempt, limited(1_001));
    assert_eq!(world.own(&mut exchange).status, 429);
}

#[test]
fn a_refused_credential_is_left_alone_and_the_tenant_never_sees_a_401() {
    let mut world = World::new(in_order(1, 1));
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    world.fail(&mut exchange, attempt, status(401));
    let own = world.own(&mut exchange);
    assert_eq!((own.status, own.code, own.should_retry, own.fault), (502, "provider_auth", false, Fault::Operator));
    assert_eq!(own.message.as_str(), "No provider could answer: a/m auth (401)");
    assert!(world.board.key_disabled(KeyId(0), world.now));
    let mut exchange = world.begin("c");
    let own = world.own(&mut exchange);
    assert_eq!((own.status, own.code, own.retry_after_ms), (502, "provider_auth", None));
    assert_eq!(own.message.as_str(), "No provider could answer: a/m keys_out");
    // A provider that refuses good credentials by mistake is found again.
    world.pass(failover::REFUSED_PAUSE_MS);
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    world.succeed(&mut exchange, attempt);
}

#[test]
fn a_credential_without_the_right_makes_way_for_another() {
    let mut draft = policies::draft(&[("a", 2)]);
    let targets = [policies::target(&mut draft, 0, "m"), policies::target(&mut draft, 0, "n")];
    for (name, target) in [("c", targets[0]), ("d", targets[1])] {
        let chain = policies::chain(&mut draft, name, &[&[target]]);
        policies::name(&mut draft, name, chain);
    }
    let mut world = World::new(draft);
    let mut exchange = world.begin("c");
    let first = world.attempt(&mut exchange);
    world.fail(&mut exchange, first, status(403));
    let second = world.attempt(&mut exchange);
    assert!(second.target == first.target && second.key != first.key, "the other one is asked at once");
    world.succeed(&mut exchange, second);
    assert_eq!(world.board.target(first.target).paused(world.now), None);
    // It is the first one that is left alone, and for this target alone.
    let keys = |world: &mut World, model: &str| -> Vec<Option<KeyId>> {
        let mut keys: Vec<Option<KeyId>> = (0..32)
            .map(|_| {
                let mut exchange = world.begin(model);
                let attempt = world.attempt(&mut exchange);
                world.succeed(&mut exchange, attempt);
                attempt.key
            })
            .collect();
        keys.sort();
        keys.dedup();
        keys
    };
    assert_eq!(keys(&mut world, "c"), [second.key]);
    assert_eq!(keys(&mut world, "d").len(), 2);
    // With both refused there is one honest error, and the other target goes on.
    let mut exchange = world.begin("c");
    let third = world.attempt(&mut exchange);
    world.fail(&mut exchange, third, status(403));
    let own = world.own(&mut exchange);
    assert_eq!((own.status, own.code, own.should_retry), (502, "provider_permission", false));
    let mut exchange = world.begin("c");
    let own = world.own(&mut exchange);
    assert_eq!((own.code, own.message.as_str()), ("provider_permission", "No provider could answer: a/m keys_out"));
    assert_eq!(keys(&mut world, "d").len(), 2);
    // And both come back by themselves.
    world.pass(failover::REFUSED_PAUSE_MS);
    assert_eq!(keys(&mut world, "c").len(), 2);
}

/// Ends an exchange well, with the provider's word that nothing remains for so long.
fn answer_last(world: &mut World, model: &str, ms: u64) -> TargetId {
    let mut exchange = world.begin(model);
    let attempt = world.attempt(&mut exchange);
    attempt.spent(&world.board, &world.prepared, ms, world.now);
    world.succeed(&mut exchange, attempt);
    attempt.target
}

#[test]
fn a_target_of_which_nothing_remains_is_spared_before_it_says_so() {
    let mut world = World::new(in_order(2, 1));
    assert_eq!(answer_last(&mut world, "c", 5_000), TargetId(0));
    let mut exchange = world.begin("c");
    assert_eq!(exchange.candidates()[0].skip(), Some(Skip::Spent { for_ms: 5_000 }));
    let attempt = world.attempt(&mut exchange);
    assert_eq!(attempt.target, TargetId(1), "another one is asked");
    assert_eq!(world.board.target(TargetId(0)).paused(world.now), None);
    world.succeed(&mut exchange, attempt);
    world.pass(5_000);
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    assert_eq!(attempt.target, TargetId(0), "and it comes back by itself");
    world.succeed(&mut exchange, attempt);
}

#[test]
fn a_spared_target_is_asked_when_no_other_can_be() {
    // The only one.
    let mut world = World::new(in_order(1, 1));
    for _ in 0..3 {
        assert_eq!(answer_last(&mut world, "c", 3_600_000), TargetId(0));
    }
    // The last one, when the others have failed.
    let mut world = World::new(in_order(3, 1));
    assert_eq!(answer_last(&mut world, "c", 9_000), TargetId(0));
    let mut exchange = world.begin("c");
    for target in [1, 2] {
        let attempt = world.attempt(&mut exchange);
        assert_eq!(attempt.target, TargetId(target));
        world.fail(&mut exchange, attempt, limited(60_000));
    }
    let attempt = world.attempt(&mut exchange);
    assert_eq!(attempt.target, TargetId(0), "at once, and before anybody waits");
    world.succeed(&mut exchange, attempt);
    // And again after a failure that allows it.
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    world.fail(&mut exchange, attempt, status(500));
    let ms = world.wait(&mut exchange);
    world.pass(ms + 1);
    let attempt = world.attempt(&mut exchange);
    assert_eq!(attempt.target, TargetId(0));
    world.succeed(&mut exchange, attempt);
}

#[test]
fn a_spared_target_whose_breaker_is_open_is_asked_in_spite_of_both() {
    let mut world = World::new(in_order(1, 1));
    answer_last(&mut world, "c", 60_000);
    world.break_open(TargetId(0));
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    assert!(exchange.trail()[attempt.index].forced);
    world.succeed(&mut exchange, attempt);
}

#[test]
fn of_several_credentials_the_one_that_is_spent_is_spared() {
    let mut world = World::new(in_order(1, 3));
    let mut spent = Vec::new();
    for left in [1, 2, 3] {
        let mut exchange = world.begin("c");
        let attempt = world.attempt(&mut exchange);
        let key = attempt.key.unwrap();
        assert!(!spent.contains(&key), "{left}: another one is used");
        assert!(attempt.spent(&world.board, &world.prepared, 10_000 - left * 1_000, world.now), "it is news");
        assert!(!attempt.spent(&world.board, &world.prepared, 500, world.now), "and then it is not");
        world.succeed(&mut exchange, attempt);
        spent.push(key);
    }
    let mut exchange = world.begin("c");
    assert_eq!(exchange.candidates()[0].skip(), Some(Skip::Spent { for_ms: 7_000 }));
    let attempt = world.attempt(&mut exchange);
    assert_eq!(attempt.key, Some(spent[2]), "when all are, the one that is back first");
    // It is refused: those that are spent are asked before the tenant is.
    world.fail(&mut exchange, attempt, status(401));
    let ms = world.wait(&mut exchange);
    world.pass(ms + 1);
    let attempt = world.attempt(&mut exchange);
    assert_eq!(attempt.key, Some(spent[1]));
    world.succeed(&mut exchange, attempt);
}

#[test]
fn a_target_too_slow_for_what_is_left_is_passed_over_and_asked_last() {
    let mut world = World::new(in_order(2, 1));
    for _ in 0..40 {
        world.board.target(TargetId(0)).answered(true, Size::default(), None, 4_000 * NS_PER_MS, world.now);
    }
    let wants = |within_ms| decide::Wants { within_ms, ..decide::Wants::default() };
    let mut hasty = world.begin_with("c", wants(3_000));
    assert!(matches!(hasty.candidates()[0].skip(), Some(Skip::TooSlow { usual_ms: 3_500..4_500 })), "{:?}", hasty.candidates()[0].skip());
    let attempt = world.attempt(&mut hasty);
    assert_eq!(attempt.target, TargetId(1));
    assert!(
        attempt.first_token_by <= world.now.plus_ms(3_000) && attempt.deadline > attempt.first_token_by,
        "the stream may go on for longer"
    );
    world.fail(&mut hasty, attempt, judge::transport(Transport::ResetBeforeHead));
    let attempt = world.attempt(&mut hasty);
    assert_eq!(attempt.target, TargetId(0), "slow is better than nothing");
    world.succeed(&mut hasty, attempt);
    // Who has the time asks in order. Beyond the comments that keep a stream alive nobody counts.
    for within_ms in [0, 5_000, 11_000] {
        let mut patient = world.begin_with("c", wants(within_ms));
        let attempt = world.attempt(&mut patient);
        assert_eq!((attempt.target, within_ms), (TargetId(0), within_ms));
        world.succeed(&mut patient, attempt);
    }
}

#[test]
fn who_was_found_unwell_is_asked_when_no_other_can_be() {
    let mut world = World::new(in_order(2, 1));
    let unwell = |world: &World, target: u32| {
        world.board.target(TargetId(target)).degrade(world.now.plus_ms(5_000), policy::Degradation::WrongAnswer);
    };
    unwell(&world, 0);
    let mut exchange = world.begin("c");
    assert_eq!(exchange.candidates()[0].skip(), Some(Skip::Degraded { reason: policy::Degradation::WrongAnswer }));
    let attempt = world.attempt(&mut exchange);
    assert_eq!(attempt.target, TargetId(1), "another one is asked");
    world.succeed(&mut exchange, attempt);
    // With all of them marked, the order of the chain holds again: nobody is refused for a mark.
    unwell(&world, 1);
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    assert_eq!(attempt.target, TargetId(0));
    world.succeed(&mut exchange, attempt);
    // And who marked them may be gone.
    world.pass(5_000);
    let mut exchange = world.begin("c");
    assert_eq!(exchange.candidates()[0].skip(), None);
    let attempt = world.attempt(&mut exchange);
    world.succeed(&mut exchange, attempt);
}
