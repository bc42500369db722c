use super::*;
use crate::{
    breaker as gate, decide,
    exchange::surrender::Own,
    judge::{self, ErrorFields, Fault, Transport},
    prepared::tests as policies,
};
use policy::{Balance, Draft};

/// One policy, one board and one clock; exchanges are told what their attempts come to.
pub(super) struct World {
    pub(super) prepared: Prepared,
    pub(super) board: Board,
    pub(super) now: Moment,
    seed: u64,
}

impl World {
    pub(super) fn new(draft: Draft) -> World {
        let prepared = policies::prepare(draft);
        let board = Board::new(prepared.targets.slots(), prepared.providers.slots(), 16);
        assert!(board.fits(&prepared));
        World { prepared, board, now: Moment::START.plus_ms(1_000), seed: 1 }
    }

    fn begin(&self, model: &str) -> Exchange {
        self.ask(model, None, true)
    }

    fn ask(&self, model: &str, deadline_ms: Option<u64>, stream: bool) -> Exchange {
        let ask = decide::Ask { tenant: None, model, field: &|_| None, chain: None, deadline_ms, stream, started: self.now };
        decide::decide(&self.prepared, &ask, &self.board, self.now).expect("the test asks for what there is")
    }

    fn next(&mut self, exchange: &mut Exchange) -> Next {
        let seed = &mut self.seed;
        exchange.next(&self.prepared, &self.board, self.now, &mut || {
            *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *seed ^ (*seed >> 29)
        })
    }

    fn attempt(&mut self, exchange: &mut Exchange) -> Attempt {
        match self.next(exchange) {
            Next::Attempt(attempt) => attempt,
            other => panic!("{other:?} instead of an attempt"),
        }
    }

    fn wait(&mut self, exchange: &mut Exchange) -> u64 {
        match self.next(exchange) {
            Next::Wait(until) => until.since(self.now) / crate::moment::NS_PER_MS,
            other => panic!("{other:?} instead of a wait"),
        }
    }

    fn own(&mut self, exchange: &mut Exchange) -> Own {
        match self.next(exchange) {
            Next::Surrender(Surrender::Own(own)) => own,
            other => panic!("{other:?} instead of an error of our own"),
        }
    }

    fn fail(&self, exchange: &mut Exchange, attempt: Attempt, verdict: Verdict) {
        exchange.concluded(&self.board, &self.prepared, attempt.index, verdict, self.now);
    }

    fn succeed(&self, exchange: &mut Exchange, attempt: Attempt) {
        exchange.succeeded(&self.board, &self.prepared, attempt.index, Some(1_000_000), self.now);
    }

    fn pass(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
    }

    fn is_idle(&self) -> bool {
        self.prepared.targets.iter().all(|(id, _)| self.board.target(id).in_flight() == 0)
            && self.prepared.providers.iter().all(|(id, _)| self.board.in_flight(id) == 0)
    }

    /// Fails the target often enough that its breaker opens.
    fn break_open(&self, target: TargetId) {
        let row = self.board.target(target);
        for _ in 0..5 {
            gate::failure(&row.breaker, &policy::Breaker::default(), Admission::Pass, self.now, u64::MAX / 2);
        }
        assert_eq!(row.breaker.state().0, gate::State::Open);
    }
}

/// One chain, `c`, with a step for each of so many providers of one target.
fn in_order(count: u32, keys: u32) -> Draft {
    let names = ["a", "b", "d", "e", "f", "g"];
    let providers: Vec<(&str, u32)> = names[..count as usize].iter().map(|name| (*name, keys)).collect();
    let mut draft = policies::draft(&providers);
    let targets: Vec<TargetId> = (0..count).map(|at| policies::target(&mut draft, at, "m")).collect();
    let steps: Vec<&[TargetId]> = targets.chunks(1).collect();
    let chain = policies::chain(&mut draft, "c", &steps);
    policies::name(&mut draft, "c", chain);
    draft
}

fn rules(draft: &mut Draft) -> &mut Chain {
    draft.chains.get_mut(ChainId(0)).expect("the draft has one chain")
}

fn status(code: u16) -> Verdict {
    judge::status(code, &ErrorFields::default(), None, None)
}

fn limited(retry_after_ms: u64) -> Verdict {
    judge::status(429, &ErrorFields::default(), Some(retry_after_ms), None)
}

#[test]
fn the_drawing_is_the_machine() {
    let shown: String = include_str!("../exchange.rs")
        .lines()
        .skip_while(|line| !line.contains("stateDiagram"))
        .take_while(|line| !line.contains("```"))
        .map(|line| format!("{}\n", line.strip_prefix("//! ").expect("it stands in the module's documentation")))
        .collect();
    assert_eq!(State::drawing(), shown);
}

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
            Next::Surrender(other) => panic!("{other:?}"),
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
    assert_eq!(first.idle_ns, 30_000 * crate::moment::NS_PER_MS);
    world.fail(&mut exchange, first, judge::transport(Transport::FirstTokenTimeout));
    let second = world.attempt(&mut exchange);
    assert_eq!(second.first_token_by, world.now.plus_ms(120_000));
    world.succeed(&mut exchange, second);
}

#[test]
fn an_open_breaker_is_passed_by_and_its_probe_heals_it() {
    let mut world = World::new(in_order(2, 0));
    world.break_open(TargetId(0));
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    assert_eq!(attempt.target, TargetId(1));
    assert!(matches!(exchange.candidates()[0].skip(), Some(Skip::BreakerOpen { .. })));
    world.succeed(&mut exchange, attempt);
    world.pass(6_001);
    let mut probing = world.begin("c");
    let probe = world.attempt(&mut probing);
    assert!(probe.probe && probe.target == TargetId(0));
    // Meanwhile everybody else goes on to the second.
    let mut other = world.begin("c");
    let attempt = world.attempt(&mut other);
    assert_eq!(attempt.target, TargetId(1));
    world.succeed(&mut other, attempt);
    // The first token is enough; nobody waits for the end of the stream.
    probing.first_token(&world.prepared, &world.board, probe.index, world.now);
    assert_eq!(world.board.target(TargetId(0)).breaker.state().0, gate::State::Closed);
    world.succeed(&mut probing, probe);
}

#[test]
fn a_tenant_that_hangs_up_gives_everything_back() {
    let mut world = World::new(in_order(2, 0));
    world.break_open(TargetId(0));
    world.pass(6_001);
    let mut exchange = world.begin("c");
    assert!(world.attempt(&mut exchange).probe);
    exchange.abandoned(&world.board, &world.prepared, world.now);
    exchange.abandoned(&world.board, &world.prepared, world.now);
    assert!(world.is_idle() && exchange.is_over());
    // The election is free again at once.
    let mut exchange = world.begin("c");
    let probe = world.attempt(&mut exchange);
    assert!(probe.probe);
    world.fail(&mut exchange, probe, limited(5));
    assert_eq!(world.board.target(TargetId(0)).breaker.state().0, gate::State::Open, "a rate limit teaches nothing");
    exchange.abandoned(&world.board, &world.prepared, world.now);
}

#[test]
fn when_only_breakers_refuse_the_one_that_opened_first_is_tried() {
    let mut world = World::new(in_order(3, 0));
    for target in [1, 0, 2] {
        world.break_open(TargetId(target));
        world.pass(10);
    }
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    assert!(attempt.target == TargetId(1) && !attempt.probe && exchange.trail()[0].forced);
    world.fail(&mut exchange, attempt, status(500));
    // Once is enough.
    let own = world.own(&mut exchange);
    assert_eq!((own.status, own.code), (503, "providers_unavailable"));
    assert_eq!(own.message.as_str(), "No provider could answer: a/m breaker_open, b/m server_error (500), d/m breaker_open");
    assert!(own.retry_after_ms.is_some_and(|ms| (1..=6_000).contains(&ms)));
    // When it answers, it is well for everybody.
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    world.succeed(&mut exchange, attempt);
    assert_eq!(world.board.target(TargetId(1)).breaker.state().0, gate::State::Closed);
}

#[test]
fn a_full_provider_is_passed_by() {
    let mut draft = in_order(2, 0);
    for at in [0, 1] {
        draft.providers.get_mut(ProviderId(at)).unwrap().in_flight_max = 1;
    }
    let mut world = World::new(draft);
    let mut one = world.begin("c");
    let first = world.attempt(&mut one);
    let mut two = world.begin("c");
    let second = world.attempt(&mut two);
    assert_eq!((first.target, second.target), (TargetId(0), TargetId(1)));
    let mut three = world.begin("c");
    let own = world.own(&mut three);
    assert_eq!((own.status, own.code, own.fault, own.should_retry), (503, "providers_unavailable", Fault::Us, true));
    world.succeed(&mut one, first);
    world.succeed(&mut two, second);
    assert!(world.is_idle());
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
fn turns_are_taken() {
    let mut draft = in_order(3, 0);
    let members = (0..3).map(|at| policy::Member { target: TargetId(at), weight: 1 }).collect();
    rules(&mut draft).steps = vec![policy::Step { balance: Balance::RoundRobin, members }];
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

#[test]
fn shards_share_a_board_and_leave_it_empty() {
    let mut draft = in_order(3, 2);
    draft.providers.get_mut(ProviderId(0)).unwrap().in_flight_max = 2;
    rules(&mut draft).breaker = policy::Breaker { consecutive: 2, cooldown_ms: 1, cooldown_max_ms: 4, ..policy::Breaker::default() };
    let world = World::new(draft);
    std::thread::scope(|scope| {
        for shard in 0..4_u64 {
            let world = &world;
            scope.spawn(move || {
                let mut seed = shard;
                let mut random = || {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    seed ^ (seed >> 29)
                };
                for round in 0..3_000 {
                    let mut now = world.now.plus_ms(round);
                    let mut exchange = world.begin("c");
                    loop {
                        match exchange.next(&world.prepared, &world.board, now, &mut random) {
                            Next::Wait(until) => now = until,
                            Next::Surrender(_) => break,
                            Next::Attempt(attempt) if random() % 3 == 0 => {
                                exchange.succeeded(&world.board, &world.prepared, attempt.index, Some(5), now);
                                break;
                            }
                            Next::Attempt(_) if random() % 5 == 0 => {
                                exchange.abandoned(&world.board, &world.prepared, now);
                                break;
                            }
                            Next::Attempt(attempt) => {
                                let verdict =
                                    [status(500), limited(1), judge::transport(Transport::StaleConnection)][random() as usize % 3];
                                exchange.concluded(&world.board, &world.prepared, attempt.index, verdict, now);
                            }
                        }
                    }
                    assert!(exchange.is_over() && exchange.attempts_made() <= exchange.attempts_max());
                }
            });
        }
    });
    assert!(world.is_idle());
}

#[test]
#[should_panic(expected = "ends once")]
fn ending_twice_is_a_broken_promise() {
    let mut world = World::new(in_order(1, 0));
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    world.fail(&mut exchange, attempt, status(500));
    world.fail(&mut exchange, attempt, status(500));
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "in the middle of an attempt")]
fn dropping_what_runs_is_a_broken_promise() {
    let mut world = World::new(in_order(1, 0));
    let mut exchange = world.begin("c");
    world.attempt(&mut exchange);
}
