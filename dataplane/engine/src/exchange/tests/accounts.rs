//! Several accounts of one provider, some of them ill.

use super::*;
use crate::breaker::State as Breaker;

fn account(world: &World, key: u32) -> Breaker {
    world.board.standing(KeyId(key)).breaker.state().0
}

/// One exchange, of which the attempts with these credentials at this target fail; the credentials of its attempts.
fn play(world: &mut World, ill: &[u32], code: u16) -> Vec<u32> {
    let mut exchange = world.begin("c");
    let mut used = Vec::new();
    while let Next::Attempt(attempt) = world.next(&mut exchange) {
        let key = attempt.key.expect("every provider of these tests has credentials").0;
        used.push(key);
        if !ill.contains(&key) {
            world.succeed(&mut exchange, attempt);
            return used;
        }
        world.fail(&mut exchange, attempt, status(code));
    }
    exchange.abandoned(&world.board, &world.prepared, world.now);
    used
}

#[test]
fn one_ill_account_is_left_alone_and_the_target_goes_on() {
    for code in [500, 503] {
        // Provider `a` has credentials 0 and 1, `b` has 2 and 3.
        let mut world = World::new(in_order(2, 2));
        let mut asked = 0;
        for _ in 0..200 {
            asked += play(&mut world, &[0], code).iter().filter(|key| **key == 0).count();
            world.pass(5);
            assert_eq!(world.board.target(TargetId(0)).breaker.state().0, Breaker::Closed);
        }
        assert_eq!((account(&world, 0), account(&world, 1)), (Breaker::Open, Breaker::Closed));
        // Five in a row open it; some that came before the other had worked are laid to the target.
        assert!((5..15).contains(&asked), "{asked}");
        assert_eq!(world.board.target(TargetId(1)).totals().0 as usize, asked, "who met it went on elsewhere");
    }
}

#[test]
fn one_attempt_at_a_time_probes_an_ill_account() {
    let mut world = World::new(in_order(2, 2));
    for _ in 0..100 {
        play(&mut world, &[0], 500);
        world.pass(1);
    }
    world.pass(60_000);
    let mut running: Vec<(Exchange, Attempt)> = (0..50)
        .map(|_| {
            let mut exchange = world.begin("c");
            let attempt = world.attempt(&mut exchange);
            (exchange, attempt)
        })
        .collect();
    let probes = |running: &[(Exchange, Attempt)]| running.iter().filter(|(_, attempt)| attempt.key == Some(KeyId(0))).count();
    assert_eq!(probes(&running), 1);
    assert_eq!(account(&world, 0), Breaker::Probing);
    for (exchange, attempt) in &mut running {
        exchange.first_token(&world.prepared, &world.board, attempt.index, world.now);
    }
    // Its first token is enough: the rest of a stream may take minutes.
    assert_eq!(account(&world, 0), Breaker::Closed);
    for (mut exchange, attempt) in running {
        world.succeed(&mut exchange, attempt);
    }
    assert!((0..50).any(|_| play(&mut world, &[], 500) == [0]));
    assert!(world.is_idle());
}

#[test]
fn a_hang_up_gives_the_election_back() {
    let mut world = World::new(in_order(1, 2));
    for _ in 0..100 {
        play(&mut world, &[0], 500);
        world.pass(1);
    }
    world.pass(60_000);
    for _ in 0..20 {
        let mut exchange = world.begin("c");
        let probes = world.attempt(&mut exchange).key == Some(KeyId(0));
        exchange.abandoned(&world.board, &world.prepared, world.now);
        if probes {
            assert_eq!(account(&world, 0), Breaker::Open);
        }
    }
    assert!((0..20).any(|_| play(&mut world, &[], 500) == [0]), "the next one probes");
}

#[test]
fn when_all_fail_it_is_the_target() {
    let mut world = World::new(in_order(2, 2));
    for _ in 0..20 {
        play(&mut world, &[], 500);
        world.pass(10);
    }
    for _ in 0..5 {
        assert_eq!(world.board.target(TargetId(0)).breaker.state().0, Breaker::Closed);
        play(&mut world, &[0, 1], 500);
    }
    assert_eq!(world.board.target(TargetId(0)).breaker.state().0, Breaker::Open, "as soon as with one credential");
    assert_eq!((account(&world, 0), account(&world, 1)), (Breaker::Closed, Breaker::Closed));
}

#[test]
fn what_is_one_models_is_not_the_accounts() {
    // Two models of one provider with two credentials, in a chain each.
    let mut draft = policies::draft(&[("a", 2)]);
    let (ill, well) = (policies::target(&mut draft, 0, "ill"), policies::target(&mut draft, 0, "well"));
    for (name, target) in [("ill", ill), ("well", well)] {
        let chain = policies::chain(&mut draft, name, &[&[target]]);
        draft.chains.get_mut(chain).expect("it was just made").attempts_max = 1;
        policies::name(&mut draft, name, chain);
    }
    let mut world = World::new(draft);
    for _ in 0..6 {
        for model in ["well", "ill"] {
            let mut exchange = world.begin(model);
            if let Next::Attempt(attempt) = world.next(&mut exchange) {
                if model == "well" {
                    world.succeed(&mut exchange, attempt);
                } else {
                    world.fail(&mut exchange, attempt, status(500));
                }
            }
            exchange.abandoned(&world.board, &world.prepared, world.now);
            world.pass(1);
        }
    }
    assert_eq!(world.board.target(ill).breaker.state().0, Breaker::Open);
    assert_eq!(world.board.target(well).breaker.state().0, Breaker::Closed);
    assert_eq!((account(&world, 0), account(&world, 1)), (Breaker::Closed, Breaker::Closed));
}

#[test]
fn with_every_account_left_alone_the_target_decides() {
    let mut world = World::new(in_order(1, 2));
    for key in [0, 1] {
        let seat = &world.board.standing(KeyId(key)).breaker;
        for _ in 0..5 {
            gate::failure(seat, &policy::Breaker::default(), Admission::Pass, world.now, u64::MAX / 2);
        }
        assert_eq!(account(&world, key), Breaker::Open);
    }
    let used = play(&mut world, &[], 500);
    assert_eq!(account(&world, used[0]), Breaker::Closed, "what came back well is well");
}

#[test]
fn what_says_nothing_of_an_account_is_not_counted_for_it() {
    let network = [judge::transport(Transport::ConnectRefused), judge::transport(Transport::ResetBeforeHead)];
    for verdict in network.into_iter().chain([status(404), limited(0)]) {
        let mut world = World::new(in_order(2, 2));
        for _ in 0..100 {
            let mut exchange = world.begin("c");
            let attempt = world.attempt(&mut exchange);
            if attempt.key == Some(KeyId(0)) {
                world.fail(&mut exchange, attempt, verdict);
                exchange.abandoned(&world.board, &world.prepared, world.now);
            } else {
                world.succeed(&mut exchange, attempt);
            }
            world.pass(10);
        }
        assert_eq!(account(&world, 0), Breaker::Closed, "{verdict:?}");
    }
}

#[test]
fn an_account_whose_probe_fails_is_left_alone_again() {
    let mut world = World::new(in_order(1, 2));
    let seat = &world.board.standing(KeyId(0)).breaker;
    for _ in 0..5 {
        gate::failure(seat, &policy::Breaker::default(), Admission::Pass, world.now, u64::MAX / 2);
    }
    world.pass(60_000);
    // Nobody else has worked there since, so that it is laid to the target; but the probe has reported.
    let mut exchange = loop {
        let mut exchange = world.begin("c");
        if world.attempt(&mut exchange).key == Some(KeyId(0)) {
            break exchange;
        }
        exchange.abandoned(&world.board, &world.prepared, world.now);
    };
    assert_eq!(account(&world, 0), Breaker::Probing);
    exchange.concluded(&world.board, &world.prepared, 0, status(500), world.now);
    exchange.abandoned(&world.board, &world.prepared, world.now);
    assert_eq!(account(&world, 0), Breaker::Open);
}
