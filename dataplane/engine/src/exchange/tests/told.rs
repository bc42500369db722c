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
    world.fail(&mut exchange, attempt, status(404));
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
