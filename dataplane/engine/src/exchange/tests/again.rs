//! How often a provider is asked again, by all exchanges together.

use super::*;

/// Two providers with two targets each, in a step for each target: a/m, a/n, b/m, b/n.
fn twice() -> Draft {
    let mut draft = policies::draft(&[("a", 0), ("b", 0)]);
    let targets: Vec<TargetId> =
        [(0, "m"), (0, "n"), (1, "m"), (1, "n")].iter().map(|(provider, model)| policies::target(&mut draft, *provider, model)).collect();
    let steps: Vec<&[TargetId]> = targets.chunks(1).collect();
    let chain = policies::chain(&mut draft, "c", &steps);
    policies::name(&mut draft, "c", chain);
    // Breakers would answer first.
    rules(&mut draft).breaker = policy::Breaker { consecutive: 0, failure_permille: 1_000, ..policy::Breaker::default() };
    // And waits would bring some back.
    rules(&mut draft).backoff = policy::Backoff { base_ms: 0, cap_ms: 0, exponential: false };
    draft
}

/// The targets that one exchange asks when every answer is 503.
fn asked(world: &mut World) -> (Vec<u32>, Exchange) {
    let mut exchange = world.begin("c");
    let mut targets = Vec::new();
    loop {
        match world.next(&mut exchange) {
            Next::Attempt(attempt) => {
                targets.push(attempt.target.0);
                world.fail(&mut exchange, attempt, status(503));
            }
            Next::Wait(until) => world.now = until,
            Next::Surrender(_) => return (targets, exchange),
            other @ Next::Summarise(_) => panic!("{other:?}"),
        }
    }
}

#[test]
fn with_nothing_left_the_next_provider_is_asked() {
    let mut draft = twice();
    rules(&mut draft).attempts_max = 4;
    for at in [0, 1] {
        draft.providers.get_mut(ProviderId(at)).unwrap().retries = policy::Retries { share_permille: 0, per_second: 1 };
    }
    let mut world = World::new(draft);
    // The reserve of ten is used up by ten exchanges, which ask a second target of each.
    for _ in 0..10 {
        assert_eq!(asked(&mut world).0, [0, 1, 2, 3]);
    }
    let (targets, exchange) = asked(&mut world);
    assert_eq!(targets, [0, 2], "first attempts at another provider are always made");
    assert_eq!(exchange.candidates()[1].skip(), Some(Skip::RetryBudget));
    assert_eq!(exchange.candidates()[3].skip().map(Skip::word), Some("retry_budget"));
    // A second brings one more.
    world.pass(1_000);
    assert_eq!(asked(&mut world).0, [0, 1, 2, 3]);
    assert_eq!(asked(&mut world).0, [0, 2]);
    assert!(world.is_idle());
}

#[test]
fn first_attempts_earn_further_ones() {
    let mut draft = twice();
    rules(&mut draft).attempts_max = 4;
    draft.providers.get_mut(ProviderId(0)).unwrap().retries = policy::Retries { share_permille: 500, per_second: 1 };
    draft.providers.get_mut(ProviderId(1)).unwrap().retries = policy::Retries { share_permille: 0, per_second: 1_000 };
    let mut world = World::new(draft);
    let further: Vec<bool> = (0..60).map(|_| asked(&mut world).0.contains(&1)).collect();
    // The first twenty use the reserve up; from then on every other one is earned.
    assert!(further[..18].iter().all(|further| *further));
    assert_eq!(further[20..].iter().filter(|further| **further).count(), 20);
}

#[test]
fn a_connection_that_was_closed_unseen_neither_costs_nor_earns() {
    let mut draft = twice();
    rules(&mut draft).attempts_max = 2;
    draft.providers.get_mut(ProviderId(0)).unwrap().retries = policy::Retries { share_permille: 500, per_second: 1 };
    let mut world = World::new(draft);
    let further: Vec<bool> = (0..60)
        .map(|_| {
            let mut exchange = world.begin("c");
            let stale = world.attempt(&mut exchange);
            world.fail(&mut exchange, stale, judge::transport(Transport::StaleConnection));
            let fresh = world.attempt(&mut exchange);
            assert!(fresh.fresh && fresh.target == TargetId(0), "it asked nobody yet, so nothing is used up");
            world.fail(&mut exchange, fresh, status(503));
            let next = world.attempt(&mut exchange);
            exchange.abandoned(&world.board, &world.prepared, world.now);
            next.target == TargetId(1)
        })
        .collect();
    // As where no connection was closed: the first twenty use the reserve up, and then every other one is earned.
    assert!(further[..18].iter().all(|further| *further));
    assert_eq!(further[20..].iter().filter(|further| **further).count(), 20);
}
