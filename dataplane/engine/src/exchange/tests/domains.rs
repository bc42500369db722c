//! Within a step, who shares least with what has failed is asked next.

use super::*;

/// One step of these providers, each with its regions; the targets in the order of the list. The
/// first is by far the heaviest, so that it is asked first.
fn beside(members: &[(u32, &[&str])]) -> Draft {
    let mut draft = policies::draft(&[("a", 0), ("b", 0), ("d", 0), ("e", 0)]);
    let targets: Vec<TargetId> = members
        .iter()
        .zip(["m", "n", "o", "p", "q", "r"])
        .map(|((provider, regions), model)| {
            let entry = draft.providers.get_mut(ProviderId(*provider)).unwrap();
            entry.regions = regions.iter().map(|region| (*region).to_owned()).collect();
            policies::target(&mut draft, *provider, model)
        })
        .collect();
    let chain = policies::chain(&mut draft, "c", &[&targets]);
    policies::name(&mut draft, "c", chain);
    rules(&mut draft).attempts_max = 6;
    rules(&mut draft).steps[0].members[0].weight = u32::MAX;
    draft
}

/// The targets that are asked when every answer is `verdict`, each once.
fn order(draft: &Draft, verdict: Verdict, seed: u64) -> Vec<u32> {
    let mut world = World::new(draft.clone());
    world.seed = seed;
    let mut exchange = world.begin("c");
    let mut order = Vec::new();
    for _ in 0..draft.targets.slots() {
        let attempt = world.attempt(&mut exchange);
        order.push(attempt.target.0);
        world.fail(&mut exchange, attempt, verdict);
    }
    exchange.abandoned(&world.board, &world.prepared, world.now);
    order
}

#[test]
fn another_provider_and_then_another_region_goes_first() {
    // a in us, a again, b in us, d in eu, e somewhere.
    let draft = beside(&[(0, &["us"]), (0, &["us"]), (1, &["us", "asia"]), (2, &["eu"])]);
    for seed in 1..200 {
        assert_eq!(order(&draft, status(503), seed), [0, 3, 2, 1], "seed {seed}");
    }
}

#[test]
fn those_that_are_equally_far_share_the_load() {
    let draft = beside(&[(0, &[]), (0, &[]), (1, &[]), (2, &[])]);
    let second: Vec<u32> = (1..400).map(|seed| order(&draft, status(500), seed)[1]).collect();
    let count = |target| second.iter().filter(|second| **second == target).count();
    assert!(count(1) == 0 && count(2) > 120 && count(3) > 120, "{} {} {}", count(1), count(2), count(3));
}

#[test]
fn a_rate_limit_says_nothing_about_the_provider() {
    let draft = beside(&[(0, &["us"]), (0, &["us"]), (1, &["eu"])]);
    let second: Vec<u32> = (1..400).map(|seed| order(&draft, limited(60_000), seed)[1]).collect();
    assert!(second.contains(&1) && second.contains(&2));
}

#[test]
fn between_steps_the_order_of_the_operator_stands() {
    let mut draft = beside(&[(0, &[]), (0, &[]), (1, &[])]);
    let members = rules(&mut draft).steps[0].members.clone();
    let step = |at: usize| policy::Step::of(Balance::Weighted, vec![members[at]]);
    rules(&mut draft).steps = (0..3).map(step).collect();
    assert_eq!(order(&draft, status(503), 1), [0, 1, 2]);
}
