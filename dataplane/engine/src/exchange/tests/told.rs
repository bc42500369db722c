//! What the tenant is told when nothing is left to try.

use super::*;

#[test]
fn the_callers_own_error_is_relayed_and_asked_once() {
    for code in [400, 413, 422] {
        let mut world = World::new(in_order(3, 0));
        let mut exchange = world.begin("c");
        let attempt = world.attempt(&mut exchange);
        world.fail(&mut exchange, attempt, status(code));
        assert_eq!(world.next(&mut exchange), Next::Surrender(Surrender::Relay { attempt_index: 0 }));
        assert_eq!(exchange.trail().len(), 1);
        assert_eq!(world.board.target(TargetId(0)).totals(), (1, 0), "it is no failure of the target's");
    }
}

#[test]
fn too_long_is_not_the_last_word_while_a_larger_model_is_held_up() {
    let asked = |hold_up: &dyn Fn(&World)| {
        let mut draft = in_order(3, 0);
        for (at, window) in [(0, 1_000), (1, 1_000), (2, 9_000)] {
            draft.targets.get_mut(TargetId(at)).unwrap().context_window = Some(window);
        }
        let mut world = World::new(draft);
        hold_up(&world);
        let mut exchange = world.begin("c");
        let attempt = world.attempt(&mut exchange);
        world.fail(&mut exchange, attempt, judge::transport(Transport::ErrorEvent(Class::ContextWindow)));
        world.next(&mut exchange)
    };
    let own = |next: Next| match next {
        Next::Surrender(Surrender::Own(own)) => (own.status, own.code, own.retry_after_ms.is_some_and(|ms| ms > 0), own.should_retry),
        other => panic!("{other:?} instead of an error of our own"),
    };
    let broken = asked(&|world| world.break_open(TargetId(2)));
    assert_eq!(own(broken), (503, "providers_unavailable", true, true));
    let paused = asked(&|world| world.board.target(TargetId(2)).pause(world.now.plus_ms(30_000), Class::RateLimit));
    assert_eq!(own(paused), (429, "rate_limit_exceeded", true, true));
    let overloaded = asked(&|world| world.board.target(TargetId(2)).pause(world.now.plus_ms(30_000), Class::Overloaded));
    assert_eq!(own(overloaded), (503, "provider_overloaded", true, true));
    // Whoever cannot be asked before the operator sees to it changes nothing.
    let refused = asked(&|world| world.board.target(TargetId(2)).pause(world.now.plus_ms(30_000), Class::ModelGone));
    assert_eq!(refused, Next::Surrender(Surrender::Relay { attempt_index: 0 }));
}

#[test]
fn a_model_that_the_tenant_named_is_its_own_business() {
    let mut draft = policies::draft(&[("openai", 1)]);
    let rest = policies::target(&mut draft, 0, "*");
    let chain = policies::chain(&mut draft, "direct", &[&[rest]]);
    policies::name(&mut draft, "openai/*", chain);
    let mut world = World::new(draft);
    let mut exchange = world.begin("openai/gpt-99");
    let attempt = world.attempt(&mut exchange);
    // One that leaves a target of the policy's alone.
    world.fail(&mut exchange, attempt, Verdict::of(Class::ModelGone, "model_not_found"));
    assert_eq!(world.next(&mut exchange), Next::Surrender(Surrender::Relay { attempt_index: 0 }));
    // Nobody else suffers from the name that one tenant made up.
    assert_eq!(world.board.target(rest).paused(world.now), None);
}

#[test]
fn when_to_come_back_is_when_the_first_of_them_may_answer() {
    let told = |verdicts: [Verdict; 2]| {
        let mut draft = in_order(2, 1);
        rules(&mut draft).attempts_max = 2;
        let mut world = World::new(draft);
        let mut exchange = world.begin("c");
        for verdict in verdicts {
            let attempt = world.attempt(&mut exchange);
            world.fail(&mut exchange, attempt, verdict);
        }
        world.own(&mut exchange).retry_after_ms
    };
    assert_eq!(told([limited(9_000), limited(7_000)]), Some(7_000));
    // Who was overloaded may be well in a second, and said nothing else.
    assert_eq!(told([limited(9_000), status(503)]), None);
    assert_eq!(told([judge::status(402, &ErrorFields::default(), None, None), limited(9_000)]), Some(9_000));
}

#[test]
fn what_the_tenant_is_told() {
    let timeout = judge::transport(Transport::FirstTokenTimeout);
    let quota = judge::status(402, &ErrorFields::default(), None, None);
    type Told = (u16, &'static str, bool);
    let cases: &[(&[Verdict], Told)] = &[
        (&[timeout, timeout], (504, "provider_timeout", true)),
        (&[status(401), status(403)], (502, "provider_auth", false)),
        (&[status(404), status(404)], (502, "provider_model_gone", false)),
        (&[quota, quota], (429, "insufficient_quota", false)),
        (&[quota, limited(9_000)], (429, "rate_limit_exceeded", true)),
        (&[status(503), status(529)], (503, "provider_overloaded", true)),
        (&[status(503), status(500)], (503, "providers_unavailable", true)),
        (&[status(500), timeout], (502, "providers_failed", true)),
        (&[status(500), status(401)], (502, "providers_failed", true)),
        (&[limited(9_000), status(500)], (503, "providers_unavailable", true)),
    ];
    for (verdicts, expected) in cases {
        let mut draft = in_order(2, 1);
        rules(&mut draft).attempts_max = 2;
        let mut world = World::new(draft);
        let mut exchange = world.begin("c");
        for verdict in *verdicts {
            let attempt = world.attempt(&mut exchange);
            world.fail(&mut exchange, attempt, *verdict);
        }
        let own = world.own(&mut exchange);
        assert_eq!((own.status, own.code, own.should_retry), *expected, "{verdicts:?}");
        assert!(own.should_retry || own.retry_after_ms.is_none());
    }
}

#[test]
fn a_chain_without_an_eligible_target_is_the_operators() {
    let mut draft = in_order(1, 0);
    draft.targets.get_mut(TargetId(0)).unwrap().disabled = Some("no key".into());
    let mut world = World::new(draft);
    let mut exchange = world.begin("c");
    let own = world.own(&mut exchange);
    assert_eq!((own.status, own.code, own.fault, own.should_retry), (503, "no_eligible_target", Fault::Operator, false));
}

#[test]
fn nobody_suffers_from_a_model_that_one_tenant_made_up() {
    let mut draft = policies::draft(&[("openai", 1)]);
    let rest = policies::target(&mut draft, 0, "*");
    let named = policies::target(&mut draft, 0, "gpt-5");
    for (model, target) in [("openai/*", rest), ("gpt-5", named)] {
        let chain = policies::chain(&mut draft, model, &[&[target]]);
        policies::name(&mut draft, model, chain);
    }
    for (class, word) in [(Class::ModelGone, "model_not_found"), (Class::Permission, "model_access")] {
        let mut world = World::new(draft.clone());
        for (model, target, theirs) in [("openai/gpt-99", rest, true), ("gpt-5", named, false)] {
            let mut exchange = world.begin(model);
            let attempt = world.attempt(&mut exchange);
            world.fail(&mut exchange, attempt, Verdict::of(class, word));
            exchange.abandoned(&world.board, &world.prepared, world.now);
            let row = world.board.target(target);
            assert_eq!((row.paused(world.now).is_none(), row.last_failure().is_none()), (theirs, theirs), "{model} {class:?}");
        }
    }
}

#[test]
fn a_prompt_too_long_for_some_is_not_too_long_while_others_are_away() {
    let mut draft = in_order(2, 0);
    draft.targets.get_mut(TargetId(0)).unwrap().context_window = Some(1_000);
    let mut world = World::new(draft);
    world.board.target(TargetId(1)).pause(world.now.plus_ms(30_000), Class::RateLimit);
    for (tokens, expected) in [(1_000, None), (1_001, Some((429, "rate_limit_exceeded", Some(30_000))))] {
        let mut exchange = world.begin_with("c", decide::Wants { tokens, ..decide::Wants::default() });
        match (world.next(&mut exchange), expected) {
            (Next::Attempt(attempt), None) => world.succeed(&mut exchange, attempt),
            (Next::Surrender(Surrender::Own(own)), Some(told)) => assert_eq!((own.status, own.code, own.retry_after_ms), told),
            other => panic!("{other:?} for {tokens} tokens"),
        }
    }
}

#[test]
fn when_to_come_back_is_told_with_errors_that_have_a_time() {
    let mut draft = in_order(1, 0);
    rules(&mut draft).attempts_max = 1;
    for (code, expected) in [(500, (502, None)), (503, (503, Some(30_000)))] {
        let mut world = World::new(draft.clone());
        let mut exchange = world.begin("c");
        let attempt = world.attempt(&mut exchange);
        world.fail(&mut exchange, attempt, judge::status(code, &ErrorFields::default(), Some(30_000), None));
        let own = world.own(&mut exchange);
        assert_eq!((own.status, own.retry_after_ms), expected);
    }
}

#[test]
fn of_several_credentials_the_first_that_comes_back_by_itself_is_told() {
    let mut world = World::new(in_order(1, 2));
    world.board.pause_key(KeyId(0), world.now.plus_ms(60_000), Class::Auth);
    world.board.pause_key(KeyId(1), world.now.plus_ms(90_000), Class::RateLimit);
    let own = world.own(&mut world.begin("c"));
    assert_eq!((own.status, own.code, own.retry_after_ms), (429, "rate_limit_exceeded", Some(90_000)));
    for order in [[9_000, 7_000], [7_000, 9_000]] {
        let mut draft = in_order(1, 2);
        rules(&mut draft).attempts_max = 2;
        let mut world = World::new(draft);
        let mut exchange = world.begin("c");
        for ms in order {
            let attempt = world.attempt(&mut exchange);
            world.fail(&mut exchange, attempt, limited(ms));
        }
        assert_eq!(world.own(&mut exchange).retry_after_ms, Some(7_000));
    }
}

#[test]
fn who_is_out_for_good_does_not_hide_when_others_are_back() {
    let mut world = World::new(in_order(2, 1));
    world.board.pause_key(KeyId(0), world.now.plus_ms(60_000), Class::Auth);
    world.board.target(TargetId(1)).pause(world.now.plus_ms(9_000), Class::RateLimit);
    let own = world.own(&mut world.begin("c"));
    assert_eq!((own.status, own.retry_after_ms), (503, Some(9_000)));
}

#[test]
fn what_is_of_one_class_is_so_from_first_to_last() {
    let mut draft = in_order(3, 1);
    rules(&mut draft).attempts_max = 3;
    let mut world = World::new(draft);
    let mut exchange = world.begin("c");
    for code in [500, 401, 500] {
        let attempt = world.attempt(&mut exchange);
        world.fail(&mut exchange, attempt, status(code));
    }
    assert_eq!(world.own(&mut exchange).code, "providers_failed");
}

#[test]
fn only_the_tenants_own_error_is_a_mistake_of_its() {
    let mut draft = in_order(1, 1);
    draft.targets.get_mut(TargetId(0)).unwrap().context_window = Some(1_000);
    let mut world = World::new(draft);
    let too_long = world.own(&mut world.begin_with("c", decide::Wants { tokens: 5_000, ..decide::Wants::default() }));
    assert!(too_long.is_mistake());
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    world.fail(&mut exchange, attempt, status(401));
    let own = world.own(&mut exchange);
    assert!(!own.should_retry && !own.is_mistake(), "something may stand in for an answer that the operator lost");
}
