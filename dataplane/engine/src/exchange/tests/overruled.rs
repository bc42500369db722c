//! What a chain has follow a failure in the place of what its class would.

use super::*;
use policy::{ClassSet, Triggers};

fn only(class: Class) -> ClassSet {
    let mut set = ClassSet::EMPTY;
    set.insert(class);
    set
}

fn ruled(count: u32, triggers: Triggers) -> World {
    let mut draft = in_order(count, 0);
    rules(&mut draft).triggers = triggers;
    rules(&mut draft).backoff = policy::Backoff { exponential: true, base_ms: 0, cap_ms: 0 };
    World::new(draft)
}

fn asked(world: &mut World, verdict: Verdict) -> (Vec<u32>, Next) {
    let mut exchange = world.begin("c");
    let mut order = Vec::new();
    loop {
        match world.next(&mut exchange) {
            Next::Attempt(attempt) => {
                order.push(attempt.target.0);
                world.fail(&mut exchange, attempt, verdict);
            }
            Next::Wait(until) => world.now = until,
            other => return (order, other),
        }
    }
}

#[test]
fn a_class_that_ends_it_may_move_on_instead() {
    let verdict = Verdict::of(Class::ContentFilter, "content_filter");
    let (order, next) = asked(&mut ruled(2, Triggers::default()), verdict);
    assert_eq!(order, [0]);
    assert!(matches!(next, Next::Surrender(Surrender::Relay { .. })));
    let (order, next) = asked(&mut ruled(2, Triggers { next: only(Class::ContentFilter), ..Triggers::default() }), verdict);
    assert_eq!(order, [0, 1]);
    assert!(matches!(next, Next::Surrender(Surrender::Relay { .. })), "the provider's word is still the last");
}

#[test]
fn a_class_may_be_asked_again_or_never() {
    let server = Verdict::of(Class::ServerError, "server_error");
    let (order, _) = asked(&mut ruled(1, Triggers { next: only(Class::ServerError), ..Triggers::default() }), server);
    assert_eq!(order, [0], "never the same again");
    let permission = Verdict { pauses: false, ..Verdict::of(Class::Permission, "not_authorized") };
    let (order, _) = asked(&mut ruled(1, Triggers::default()), permission);
    assert_eq!(order, [0]);
    let (order, _) = asked(&mut ruled(1, Triggers { retry: only(Class::Permission), ..Triggers::default() }), permission);
    assert_eq!(order.len(), 6, "as often as there are attempts");
}

#[test]
fn a_template_takes_the_place_of_everything_that_would_follow() {
    let mut world = ruled(2, Triggers { template: only(Class::ContentFilter), ..Triggers::default() });
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    world.fail(&mut exchange, attempt, Verdict::of(Class::ContentFilter, "content_filter"));
    assert!(matches!(world.next(&mut exchange), Next::Surrender(Surrender::Own(_))));
    assert!(exchange.wants_template(&world.prepared));
    assert_eq!(exchange.attempts_made(), 1);
}

#[test]
fn what_the_breaker_counts_is_the_chains_word() {
    for (triggers, verdict, opens) in [
        (Triggers::default(), status(500), true),
        (Triggers { uncounted: only(Class::ServerError), ..Triggers::default() }, status(500), false),
        (Triggers { counted: only(Class::InvalidRequest), ..Triggers::default() }, status(400), true),
        (Triggers::default(), status(400), false),
    ] {
        let mut world = ruled(2, triggers);
        for _ in 0..5 {
            let mut exchange = world.begin("c");
            let attempt = world.attempt(&mut exchange);
            assert_eq!(attempt.target, TargetId(0));
            world.fail(&mut exchange, attempt, verdict);
            exchange.abandoned(&world.board, &world.prepared, world.now);
        }
        let state = world.board.target(TargetId(0)).breaker.state().0;
        assert_eq!(state == gate::State::Open, opens, "{verdict:?}");
    }
}

/// What one exchange asks, with which credentials, when every answer is the same.
fn asked_with(world: &mut World, verdict: Verdict) -> Vec<(u32, Option<KeyId>)> {
    let mut exchange = world.begin("c");
    let mut order = Vec::new();
    loop {
        match world.next(&mut exchange) {
            Next::Attempt(attempt) => {
                order.push((attempt.target.0, attempt.key));
                world.fail(&mut exchange, attempt, verdict);
            }
            Next::Wait(until) => world.now = until,
            other @ Next::Summarise(_) => panic!("{other:?}"),
            Next::Surrender(_) => {
                assert!(world.is_idle());
                return order;
            }
        }
    }
}

#[test]
fn another_credential_is_used_at_once_and_each_of_them_once() {
    for keys in [1, 2, 3] {
        let mut draft = in_order(2, keys);
        rules(&mut draft).triggers = Triggers { next_key: only(Class::Empty), ..Triggers::default() };
        rules(&mut draft).breaker.consecutive = 1_000;
        for at in [0, 1] {
            draft.providers.get_mut(ProviderId(at)).unwrap().retries = policy::Retries { share_permille: 1_000, per_second: 100 };
        }
        let mut world = World::new(draft);
        for _ in 0..3 {
            let order = asked_with(&mut world, Verdict::of(Class::Empty, "empty"));
            let targets: Vec<u32> = order.iter().map(|(target, _)| *target).collect();
            let expected: &[u32] = match keys {
                1 => &[0, 1],
                2 => &[0, 0, 1, 1],
                _ => &[0, 0, 0, 1, 1, 1],
            };
            assert_eq!(targets, expected, "{order:?}");
            let different: std::collections::HashSet<_> = order.iter().collect();
            assert_eq!(different.len(), order.len(), "none is used twice: {order:?}");
        }
        // Another class is asked again with whichever.
        let order = asked_with(&mut world, Verdict::of(Class::ServerError, "server_error"));
        assert_eq!((order.len(), order[1].0), (6, 1), "{order:?}");
    }
}

#[test]
fn the_next_model_is_asked_in_the_place_of_another_deployment() {
    for (next_model, expected) in [(false, 3), (true, 2)] {
        let mut draft = policies::draft(&[("a", 0), ("b", 0), ("d", 0)]);
        let targets: Vec<TargetId> = (0..3).map(|at| policies::target(&mut draft, at, "m")).collect();
        let chain = policies::chain(&mut draft, "c", &[&targets[..2], &targets[2..]]);
        policies::name(&mut draft, "c", chain);
        rules(&mut draft).backoff = policy::Backoff { exponential: true, base_ms: 0, cap_ms: 0 };
        rules(&mut draft).attempts_max = 5;
        if next_model {
            rules(&mut draft).triggers.next_model = only(Class::Empty);
        } else {
            rules(&mut draft).triggers.next = only(Class::Empty);
        }
        let mut world = World::new(draft);
        let mut exchange = world.begin("c");
        let first = world.attempt(&mut exchange);
        world.fail(&mut exchange, first, Verdict::of(Class::Empty, "empty"));
        let second = world.attempt(&mut exchange);
        assert_eq!(second.target == TargetId(2), next_model);
        world.fail(&mut exchange, second, Verdict::of(Class::Empty, "empty"));
        let other = TargetId(1 - first.target.0);
        let skip = exchange.candidates()[other.0 as usize].skip();
        assert_eq!(skip == Some(Skip::OtherModel), next_model, "{skip:?}");
        assert_eq!(skip.map(Skip::word), next_model.then_some("other_model"));
        let mut asked = 2;
        while let Next::Attempt(attempt) = world.next(&mut exchange) {
            asked += 1;
            world.fail(&mut exchange, attempt, Verdict::of(Class::Empty, "empty"));
        }
        assert_eq!(asked, expected);
    }
}

#[test]
fn a_template_comes_before_the_other_targets_too() {
    let mut world = ruled(2, Triggers { template: only(Class::ServerError), ..Triggers::default() });
    let (order, next) = asked(&mut world, status(500));
    assert_eq!(order, [0], "whoever else would be asked");
    assert!(matches!(next, Next::Surrender(Surrender::Own(_))));
}

#[test]
fn what_is_not_counted_is_not_laid_to_the_account_either() {
    for (uncounted, expected) in [(false, gate::State::Open), (true, gate::State::Closed)] {
        let mut draft = in_order(2, 2);
        if uncounted {
            rules(&mut draft).triggers.uncounted = only(Class::ServerError);
        }
        let mut world = World::new(draft);
        for _ in 0..200 {
            let mut exchange = world.begin("c");
            let attempt = world.attempt(&mut exchange);
            if attempt.key == Some(KeyId(0)) {
                world.fail(&mut exchange, attempt, status(500));
                exchange.abandoned(&world.board, &world.prepared, world.now);
            } else {
                world.succeed(&mut exchange, attempt);
            }
            world.pass(5);
        }
        assert_eq!(world.board.standing(KeyId(0)).breaker.state().0, expected);
    }
}

/// One provider with two credentials and a target for each of these models, whose chain has another credential asked
/// after an empty answer.
fn of_one_provider(models: &[&str]) -> Draft {
    let mut draft = policies::draft(&[("a", 2)]);
    let targets: Vec<TargetId> = models.iter().map(|model| policies::target(&mut draft, 0, model)).collect();
    let steps: Vec<&[TargetId]> = targets.chunks(1).collect();
    let chain = policies::chain(&mut draft, "c", &steps);
    policies::name(&mut draft, "c", chain);
    rules(&mut draft).triggers = Triggers { next_key: only(Class::Empty), ..Triggers::default() };
    draft
}

#[test]
fn each_target_is_asked_with_each_credential() {
    let mut world = World::new(of_one_provider(&["m", "n"]));
    let order = asked_with(&mut world, Verdict::of(Class::Empty, "empty"));
    let different: std::collections::HashSet<_> = order.iter().collect();
    assert_eq!((order.len(), different.len()), (4, 4), "{order:?}");
}

#[test]
fn another_credential_is_one_that_may_be_used() {
    let empty = Verdict::of(Class::Empty, "empty");
    let mut paused = World::new(of_one_provider(&["m"]));
    paused.board.pause_key(KeyId(1), paused.now.plus_ms(60_000), Class::RateLimit);
    assert_eq!(asked_with(&mut paused, empty), [(0, Some(KeyId(0)))]);
    let mut ill = World::new(of_one_provider(&["m"]));
    let account = &ill.board.standing(KeyId(1)).breaker;
    for _ in 0..5 {
        gate::failure(account, &policy::Breaker::default(), Admission::Pass, ill.now, u64::MAX / 2);
    }
    assert_eq!(account.state().0, gate::State::Open);
    assert_eq!(asked_with(&mut ill, empty), [(0, Some(KeyId(0)))]);
    assert_eq!(asked_with(&mut World::new(of_one_provider(&["m"])), empty).len(), 2, "else both are");
}

#[test]
fn no_deployment_of_a_model_that_is_left_is_asked_again() {
    let mut draft = policies::draft(&[("a", 0), ("b", 0), ("d", 0), ("e", 0)]);
    let targets: Vec<TargetId> = (0..4).map(|at| policies::target(&mut draft, at, "m")).collect();
    draft.targets.get_mut(targets[2]).expect("it was just made").disabled = Some("no key".into());
    let chain = policies::chain(&mut draft, "c", &[&targets[..3], &targets[3..]]);
    policies::name(&mut draft, "c", chain);
    rules(&mut draft).backoff = policy::Backoff { exponential: true, base_ms: 0, cap_ms: 0 };
    rules(&mut draft).triggers.next_model = only(Class::Empty);
    let mut world = World::new(draft);
    let mut exchange = world.begin("c");
    let mut order = Vec::new();
    loop {
        match world.next(&mut exchange) {
            Next::Attempt(attempt) => {
                order.push(attempt.target.0);
                // The first may be asked again by what it said, and the second has the model left.
                let verdict = if order.len() == 2 { Verdict::of(Class::Empty, "empty") } else { status(500) };
                world.fail(&mut exchange, attempt, Verdict { counts_for_breaker: false, ..verdict });
            }
            Next::Wait(until) => world.now = until,
            _ => break,
        }
    }
    assert!(order[..2] == [0, 1] || order[..2] == [1, 0], "{order:?}");
    assert!(order.len() > 3 && order[2..].iter().all(|target| *target == 3), "{order:?}");
    assert_eq!(exchange.candidates()[2].skip(), Some(Skip::Disabled), "what it was before is still why");
}
