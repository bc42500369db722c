//! Who is asked next, and who is not.

use super::*;

#[test]
fn failures_lead_down_the_chain_at_once() {
    let mut world = World::new(in_order(3, 1));
    let mut exchange = world.begin("c");
    let first = world.attempt(&mut exchange);
    assert_eq!((first.target, first.key, first.index), (TargetId(0), Some(KeyId(0)), 0));
    world.fail(&mut exchange, first, status(500));
    let second = world.attempt(&mut exchange);
    assert_eq!((second.target, second.key, second.index), (TargetId(1), Some(KeyId(1)), 1));
    world.fail(&mut exchange, second, judge::transport(Transport::ConnectRefused));
    let third = world.attempt(&mut exchange);
    assert_eq!(third.target, TargetId(2));
    exchange.commit();
    world.succeed(&mut exchange, third);
    assert!(exchange.is_over() && world.is_idle());
}

#[test]
fn targets_are_asked_again_when_all_were_and_after_a_backoff() {
    let mut world = World::new(in_order(2, 0));
    let mut exchange = world.begin("c");
    let mut asked = vec![];
    for _ in 0..2 {
        let attempt = world.attempt(&mut exchange);
        asked.push(attempt.target.0);
        world.fail(&mut exchange, attempt, status(500));
    }
    let mut waited = 0;
    let own = loop {
        match world.next(&mut exchange) {
            Next::Attempt(attempt) => {
                asked.push(attempt.target.0);
                world.fail(&mut exchange, attempt, status(500));
            }
            Next::Wait(until) => {
                assert!(until > world.now && until <= world.now.plus_ms(8_000));
                waited += 1;
                world.now = until;
            }
            Next::Surrender(Surrender::Own(own)) => break own,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(asked[..2], [0, 1]);
    assert_eq!(asked.len(), 6, "the cap of the chain");
    assert!(waited > 0);
    assert_eq!((own.status, own.code, own.should_retry), (502, "provider_error", true));
    assert_eq!(own.message.as_str(), "No provider could answer: a/m server_error (500), b/m server_error (500)");
    // Asking once more changes nothing.
    assert_eq!(world.own(&mut exchange), own);
}

#[test]
fn another_credential_is_asked_before_another_model() {
    let mut world = World::new(in_order(2, 2));
    let mut exchange = world.begin("c");
    let first = world.attempt(&mut exchange);
    world.fail(&mut exchange, first, limited(60_000));
    let second = world.attempt(&mut exchange);
    assert_eq!(second.target, first.target);
    assert_ne!(second.key, first.key);
    world.fail(&mut exchange, second, status(401));
    let third = world.attempt(&mut exchange);
    assert_eq!(third.target, TargetId(1));
    world.succeed(&mut exchange, third);
}

#[test]
fn another_credential_never_takes_the_last_chance_of_another_target() {
    let mut draft = in_order(2, 2);
    rules(&mut draft).attempts_max = 2;
    let mut world = World::new(draft);
    let mut exchange = world.begin("c");
    let first = world.attempt(&mut exchange);
    world.fail(&mut exchange, first, limited(60_000));
    let second = world.attempt(&mut exchange);
    assert_eq!(second.target, TargetId(1));
    world.succeed(&mut exchange, second);
}

#[test]
fn a_stale_connection_costs_no_attempt_once() {
    let mut draft = in_order(2, 0);
    rules(&mut draft).attempts_max = 1;
    let mut world = World::new(draft);
    let stale = judge::transport(Transport::StaleConnection);
    let mut exchange = world.begin("c");
    let first = world.attempt(&mut exchange);
    world.fail(&mut exchange, first, stale);
    assert_eq!(world.board.target(TargetId(0)).totals(), (1, 0));
    let second = world.attempt(&mut exchange);
    assert_eq!((second.target, second.fresh, second.index), (TargetId(0), true, 1));
    world.fail(&mut exchange, second, stale);
    let own = world.own(&mut exchange);
    assert_eq!((own.status, own.code), (502, "provider_reset"));
    assert_eq!(world.board.target(TargetId(0)).totals(), (2, 1));
    assert_eq!(exchange.attempts_made(), 1);
}

#[test]
fn after_the_commit_point_nothing_else_is_tried() {
    let mut world = World::new(in_order(2, 0));
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    exchange.first_token(&world.prepared, &world.board, attempt.index, world.now);
    exchange.commit();
    world.fail(&mut exchange, attempt, judge::transport(Transport::CutStream));
    assert_eq!(world.next(&mut exchange), Next::Surrender(Surrender::Cut));
    assert_eq!(world.next(&mut exchange), Next::Surrender(Surrender::Cut));
    assert_eq!(world.board.target(TargetId(0)).totals(), (1, 1));
}

#[test]
fn a_class_that_is_switched_off_ends_the_exchange() {
    let mut draft = in_order(2, 0);
    rules(&mut draft).triggers.disabled.insert(Class::RateLimit);
    rules(&mut draft).triggers.disabled.insert(Class::Auth);
    for (verdict, expected) in [(limited(30_000), (429, Some(30_000))), (status(401), (502, None))] {
        let mut world = World::new(draft.clone());
        let mut exchange = world.begin("c");
        let attempt = world.attempt(&mut exchange);
        world.fail(&mut exchange, attempt, verdict);
        let own = world.own(&mut exchange);
        assert_eq!((own.status, own.retry_after_ms), expected);
    }
}

#[test]
fn a_target_that_stands_twice_in_a_chain_is_one_target() {
    let mut draft = in_order(2, 0);
    let twice = rules(&mut draft).steps[0].clone();
    rules(&mut draft).steps.push(twice);
    let mut world = World::new(draft);
    let mut exchange = world.begin("c");
    for expected in [0, 1] {
        let attempt = world.attempt(&mut exchange);
        assert_eq!(attempt.target, TargetId(expected));
        world.fail(&mut exchange, attempt, status(500));
    }
    assert!(matches!(world.next(&mut exchange), Next::Wait(_)), "both were asked, so the next is a retry");
    exchange.abandoned(&world.board, &world.prepared, world.now);
}

#[test]
fn turns_are_taken() {
    let mut draft = in_order(3, 0);
    let members = (0..3).map(|at| policy::Member { target: TargetId(at), weight: 1, wording: None }).collect();
    rules(&mut draft).steps = vec![policy::Step::of(Balance::RoundRobin, members)];
    let mut world = World::new(draft);
    let asked: Vec<u32> = (0..6)
        .map(|_| {
            let mut exchange = world.begin("c");
            let attempt = world.attempt(&mut exchange);
            world.succeed(&mut exchange, attempt);
            attempt.target.0
        })
        .collect();
    assert_eq!(asked, [0, 1, 2, 0, 1, 2]);
}

fn change<I: policy::id::Id, T: Clone>(table: &mut policy::Table<I, T>, id: I, edit: impl FnOnce(&mut T)) {
    let mut value = table[id].clone();
    edit(&mut value);
    table.insert(id, value);
}

#[test]
fn a_target_that_cannot_be_told_what_is_asked_is_passed_over() {
    use codec::dialect::Needs;
    use policy::{Dialect, ProviderId, Speaks};
    let mut draft = crate::prepared::tests::draft(&[("p", 1), ("q", 1), ("r", 1)]);
    change(&mut draft.providers, ProviderId(1), |provider| {
        (provider.dialect, provider.speaks) = (Dialect::Anthropic, Speaks::ANTHROPIC);
    });
    let targets: Vec<_> = (0..3).map(|at| crate::prepared::tests::target(&mut draft, at, "m")).collect();
    change(&mut draft.targets, targets[0], |target| target.understands.lacks = Needs::IMAGE.bits());
    change(&mut draft.targets, targets[2], |target| target.context_window = Some(1_000));
    let chain = crate::prepared::tests::chain(&mut draft, "c", &[&[targets[0]], &[targets[1]], &[targets[2]]]);
    draft.names.push(policy::chain::Name { name: "c".into(), chain, listed: true });
    let skips = |draft: &policy::Draft, wants: decide::Wants| -> Vec<Option<Skip>> {
        let prepared = Prepared::build(policy::Snapshot::try_new(draft.clone()).unwrap());
        let board = Board::full();
        let now = Moment::START;
        let ask =
            decide::Ask { tenant: None, model: "c", field: &|_| None, chain: None, deadline_ms: None, stream: true, wants, started: now };
        let exchange = decide::decide(&prepared, &ask, &board, now).unwrap();
        exchange.candidates().iter().map(|candidate| candidate.skip()).collect()
    };
    let wants = |needs, tokens| decide::Wants { needs, tokens, ..decide::Wants::default() };
    assert_eq!(skips(&draft, wants(Needs::NONE, 0)), [None, None, None]);
    let image = Needs::IMAGE.and(Needs::STREAM);
    assert_eq!(skips(&draft, wants(image, 1_001)), [Some(Skip::Lacks(Needs::IMAGE)), None, Some(Skip::TooLarge)]);
    // What only its own dialect has counts where it is translated, and nowhere else.
    assert_eq!(skips(&draft, wants(Needs::OWN, 0)), [None, Some(Skip::Lacks(Needs::OWN)), None]);
    let anthropic = decide::Wants { spoken: Speaks::ANTHROPIC, ..wants(Needs::STATE, 0) };
    assert_eq!(skips(&draft, anthropic), [Some(Skip::Lacks(Needs::STATE)), None, Some(Skip::Lacks(Needs::STATE))]);
    change(&mut draft.chains, chain, |chain| chain.drop_params = true);
    assert_eq!(skips(&draft, wants(Needs::OWN.and(Needs::SEED), 0)), [None, None, None]);
}

#[test]
fn when_nobody_can_be_told_the_request_the_tenant_hears_why() {
    use codec::dialect::Needs;
    let mut draft = crate::prepared::tests::draft(&[("p", 1)]);
    let target = crate::prepared::tests::target(&mut draft, 0, "m");
    change(&mut draft.targets, target, |target| target.understands.lacks = Needs::AUDIO.and(Needs::TOOLS).bits());
    let chain = crate::prepared::tests::chain(&mut draft, "c", &[&[target]]);
    draft.names.push(policy::chain::Name { name: "c".into(), chain, listed: true });
    let prepared = Prepared::build(policy::Snapshot::try_new(draft).unwrap());
    let board = Board::full();
    let now = Moment::START;
    let wants = decide::Wants { needs: Needs::AUDIO.and(Needs::TOOLS), ..decide::Wants::default() };
    let ask =
        decide::Ask { tenant: None, model: "c", field: &|_| None, chain: None, deadline_ms: None, stream: false, wants, started: now };
    let mut exchange = decide::decide(&prepared, &ask, &board, now).unwrap();
    let Next::Surrender(Surrender::Own(own)) = exchange.next(&prepared, &board, now, &mut || 0) else { panic!("nothing can be asked") };
    assert_eq!((own.status, own.code, own.fault), (400, "unsupported_by_targets", judge::Fault::Tenant));
    assert_eq!(own.message.as_str(), "The request has audio, and no target of the chain can be told so: p/m lacks audio, tools");
    exchange.abandoned(&board, &prepared, now);
}

/// What comes after the first of two targets with two credentials each was told "later", when two attempts are all
/// there are.
fn after_the_first(world: &mut World) -> Next {
    let mut exchange = world.begin("c");
    let first = world.attempt(&mut exchange);
    assert_eq!(first.target, TargetId(0));
    world.fail(&mut exchange, first, limited(60_000));
    let next = world.next(&mut exchange);
    exchange.abandoned(&world.board, &world.prepared, world.now);
    next
}

#[test]
fn a_last_chance_is_kept_for_who_can_be_asked_soon() {
    let mut draft = in_order(2, 2);
    rules(&mut draft).attempts_max = 2;
    let asked = |next: Next| if let Next::Attempt(attempt) = next { Some(attempt.target) } else { None };
    // Spared, but there.
    let mut world = World::new(draft.clone());
    world.board.target(TargetId(1)).degrade(world.now.plus_ms(60_000), policy::Degradation::WrongAnswer);
    assert_eq!(asked(after_the_first(&mut world)), Some(TargetId(1)));
    // Back in a moment.
    let mut world = World::new(draft.clone());
    world.board.target(TargetId(1)).pause(world.now.plus_ms(500), Class::RateLimit);
    assert_eq!(after_the_first(&mut world), Next::Wait(world.now.plus_ms(500)));
    // Not for who is away for longer than anybody waits, or for whom nobody knows when.
    let mut world = World::new(draft.clone());
    world.board.target(TargetId(1)).pause(world.now.plus_ms(60_000), Class::RateLimit);
    assert_eq!(asked(after_the_first(&mut world)), Some(TargetId(0)));
    let mut world = World::new(draft);
    world.break_open(TargetId(1));
    assert_eq!(asked(after_the_first(&mut world)), Some(TargetId(0)));
}

#[test]
fn a_connection_that_was_closed_unseen_is_followed_by_another_to_the_same_target() {
    let mut world = World::new(in_order(2, 0));
    let mut exchange = world.begin("c");
    let stale = world.attempt(&mut exchange);
    world.fail(&mut exchange, stale, judge::transport(Transport::StaleConnection));
    // Others would come first now, had it not begun already.
    world.board.target(TargetId(0)).degrade(world.now.plus_ms(60_000), policy::Degradation::WrongAnswer);
    let fresh = world.attempt(&mut exchange);
    assert_eq!((fresh.target, fresh.fresh), (TargetId(0), true));
    world.succeed(&mut exchange, fresh);
}

#[test]
fn who_is_back_first_is_waited_for_and_then_the_chains_order() {
    for (ms, expected) in [([1_500, 1_000], (1_000, 1)), ([1_000, 1_500], (1_000, 0)), ([1_000, 1_000], (1_000, 0))] {
        let mut draft = in_order(2, 1);
        rules(&mut draft).backoff = policy::Backoff { exponential: false, base_ms: 0, cap_ms: 0 };
        // As they failed …
        let mut world = World::new(draft.clone());
        let mut exchange = world.begin("c");
        for ms in ms {
            let attempt = world.attempt(&mut exchange);
            world.fail(&mut exchange, attempt, limited(ms));
        }
        let waited = world.wait(&mut exchange);
        world.pass(waited);
        let attempt = world.attempt(&mut exchange);
        assert_eq!((waited, attempt.target.0), expected);
        world.succeed(&mut exchange, attempt);
        // … and before they were asked.
        let mut world = World::new(draft);
        for (target, ms) in [(0, ms[0]), (1, ms[1])] {
            world.board.target(TargetId(target)).pause(world.now.plus_ms(ms), Class::RateLimit);
        }
        let mut exchange = world.begin("c");
        let waited = world.wait(&mut exchange);
        world.pass(waited);
        let attempt = world.attempt(&mut exchange);
        assert_eq!((waited, attempt.target.0), expected);
        world.succeed(&mut exchange, attempt);
    }
}

#[test]
fn the_last_attempt_is_for_who_was_not_asked_and_is_back_soon() {
    for (attempts_max, expected) in [(2, (1_500, 0)), (3, (0, 1))] {
        let mut draft = in_order(2, 0);
        rules(&mut draft).attempts_max = attempts_max;
        rules(&mut draft).backoff = policy::Backoff { exponential: false, base_ms: 0, cap_ms: 0 };
        let mut world = World::new(draft);
        world.board.target(TargetId(0)).pause(world.now.plus_ms(1_500), Class::RateLimit);
        let mut exchange = world.begin("c");
        let attempt = world.attempt(&mut exchange);
        assert_eq!(attempt.target, TargetId(1));
        world.fail(&mut exchange, attempt, status(500));
        // A failure is rested from within a microsecond.
        world.now = world.now.plus_ns(2_000);
        let (begun, mut waited) = (world.now, 0);
        let attempt = loop {
            match world.next(&mut exchange) {
                Next::Attempt(attempt) => break attempt,
                Next::Wait(until) => (waited, world.now) = (until.since(begun).div_ceil(crate::moment::NS_PER_MS), until),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((waited, attempt.target.0), expected, "of {attempts_max} attempts");
        world.succeed(&mut exchange, attempt);
    }
}

#[test]
fn a_short_retry_after_does_not_shorten_the_backoff() {
    let mut draft = in_order(1, 0);
    rules(&mut draft).backoff = policy::Backoff { exponential: false, base_ms: 1_000, cap_ms: 1_000 };
    let world = World::new(draft);
    let mut exchange = world.begin("c");
    let next = |exchange: &mut Exchange| exchange.next(&world.prepared, &world.board, world.now, &mut || u64::MAX);
    let Next::Attempt(attempt) = next(&mut exchange) else { panic!("nothing speaks against it") };
    exchange.concluded(&world.board, &world.prepared, attempt.index, limited(100), world.now);
    let Next::Wait(until) = next(&mut exchange) else { panic!("it is back soon") };
    assert_eq!(until.since(world.now) / crate::moment::NS_PER_MS, 1_000);
    exchange.abandoned(&world.board, &world.prepared, world.now);
}

#[test]
fn of_the_moment_of_the_survey_it_is_not_looked_again_but_asked() {
    let begun = |world: &World| {
        let mut exchange = world.begin("c");
        exchange.asks_at_once(world.now);
        exchange
    };
    let mut world = World::new(in_order(2, 0));
    let (mut at_once, mut later) = (begun(&world), begun(&world));
    // A pause that came between is not seen at that moment, and is at the next.
    world.board.target(TargetId(0)).pause(world.now.plus_ms(60_000), Class::RateLimit);
    let attempt = world.attempt(&mut at_once);
    assert_eq!(attempt.target, TargetId(0));
    world.succeed(&mut at_once, attempt);
    world.pass(1);
    let attempt = world.attempt(&mut later);
    assert_eq!(attempt.target, TargetId(1));
    world.succeed(&mut later, attempt);
    // A breaker is asked, whatever was seen of it; and a second attempt looks for itself.
    let mut world = World::new(in_order(3, 0));
    let mut exchange = begun(&world);
    world.break_open(TargetId(0));
    let attempt = world.attempt(&mut exchange);
    assert_eq!(attempt.target, TargetId(1));
    assert!(matches!(exchange.candidates()[0].skip(), Some(Skip::BreakerOpen { .. })));
    world.board.target(TargetId(2)).pause(world.now.plus_ms(60_000), Class::RateLimit);
    world.fail(&mut exchange, attempt, status(500));
    assert!(!matches!(world.next(&mut exchange), Next::Attempt(attempt) if attempt.target == TargetId(2)));
    exchange.abandoned(&world.board, &world.prepared, world.now);
}
