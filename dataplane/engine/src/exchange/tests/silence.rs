//! Providers that say nothing at all.

use super::*;

/// So many streams that were answered well after 400 ms.
fn answered(world: &mut World, count: usize) {
    for _ in 0..count {
        let mut exchange = world.begin("c");
        let attempt = world.attempt(&mut exchange);
        assert_eq!(attempt.target, TargetId(0));
        world.pass(400);
        exchange.first_token(&world.prepared, &world.board, attempt.index, world.now);
        exchange.commit();
        world.succeed(&mut exchange, attempt);
    }
}

#[test]
fn how_quickly_a_target_answers_is_known() {
    let mut world = World::new(in_order(2, 0));
    answered(&mut world, 19);
    assert_eq!(world.board.target(TargetId(0)).ttft_quantile(0.5, world.now), None);
    answered(&mut world, 1);
    let median = world.board.target(TargetId(0)).ttft_quantile(0.5, world.now).expect("twenty are enough");
    assert!(median.abs_diff(400 * crate::moment::NS_PER_MS) < 60 * crate::moment::NS_PER_MS, "{median}");
}

#[test]
fn a_silent_provider_is_seen_before_its_first_attempt_times_out() {
    let mut draft = in_order(2, 0);
    rules(&mut draft).breaker.slow_start_ms = 0;
    let mut world = World::new(draft);
    answered(&mut world, 50);
    let row = TargetId(0);
    let mut stuck = Vec::new();
    let (mut left_ms, mut seen_ms) = (None, None);
    for ms in (0..10_000).step_by(100) {
        let mut exchange = world.begin("c");
        let attempt = world.attempt(&mut exchange);
        if attempt.target == row {
            assert!(left_ms.is_none(), "others are asked");
            stuck.push((exchange, attempt));
        } else {
            left_ms.get_or_insert(ms);
            world.succeed(&mut exchange, attempt);
        }
        if world.board.target(row).breaker.state().0 == gate::State::Open {
            seen_ms.get_or_insert(ms);
        }
        world.pass(100);
        if world.board.target(row).breaker.peek(world.now) == gate::Peek::Elects {
            break;
        }
    }
    let (left_ms, seen_ms) = left_ms.zip(seen_ms).expect("it was seen");
    assert!((600..900).contains(&left_ms), "{left_ms}");
    assert!((1_200..2_600).contains(&seen_ms), "{seen_ms}");
    assert_eq!(world.board.target(row).last_failure().map(|(_, class)| class), Some(Class::Timeout));
    assert_eq!(world.board.target(row).waiting() as usize, stuck.len());
    // It is well again, and the old attempts time out only now: they are not counted twice.
    let mut exchange = world.begin("c");
    let probe = world.attempt(&mut exchange);
    assert!(probe.probe && probe.target == row);
    exchange.first_token(&world.prepared, &world.board, probe.index, world.now);
    world.succeed(&mut exchange, probe);
    assert_eq!(world.board.target(row).breaker.state().0, gate::State::Closed);
    world.pass(1_000);
    for (exchange, attempt) in &mut stuck {
        world.fail(exchange, *attempt, judge::transport(Transport::FirstTokenTimeout));
        exchange.abandoned(&world.board, &world.prepared, world.now);
    }
    assert_eq!(world.board.target(row).breaker.state().0, gate::State::Closed);
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    assert_eq!(attempt.target, row);
    world.succeed(&mut exchange, attempt);
    assert_eq!(world.board.target(row).waiting(), 0);
    assert!(world.is_idle());
}

/// What one tenant tries out is no news to anybody else, however it comes out.
#[test]
fn a_wish_is_no_sign_of_anything() {
    let mut draft = in_order(2, 2);
    // Not even where the chain counts what mostly is not counted.
    rules(&mut draft).triggers.counted.insert(Class::RateLimit);
    let mut world = World::new(draft);
    answered(&mut world, 50);
    let row = TargetId(0);
    let before = world.board.target(row).ttft_quantile(0.5, world.now);
    let verdicts = [judge::transport(Transport::HeadTimeout), limited(60_000), status(503), status(401), status(500)];
    let mut stuck: Vec<_> = (0..20)
        .map(|_| {
            let mut exchange = world.begin("c");
            let attempt = world.attempt(&mut exchange);
            assert_eq!(attempt.target, row);
            exchange.struck(&world.board, attempt.index, Struck::Wished, world.now);
            (exchange, attempt)
        })
        .collect();
    assert_eq!(world.board.target(row).waiting(), 0);
    world.pass(9_000);
    let mut other = world.begin("c");
    let attempt = world.attempt(&mut other);
    assert_eq!(attempt.target, row, "nobody is overdue");
    for ((exchange, attempt), verdict) in stuck.iter_mut().zip(verdicts.into_iter().cycle()) {
        world.fail(exchange, *attempt, verdict);
        exchange.abandoned(&world.board, &world.prepared, world.now);
    }
    world.succeed(&mut other, attempt);
    let target = world.board.target(row);
    assert_eq!((target.breaker.state().0, target.paused(world.now), target.last_failure()), (gate::State::Closed, None, None));
    assert_eq!((target.limit.most(world.now), target.totals().1), (None, 0));
    assert_eq!(target.ttft_quantile(0.5, world.now), before);
    assert!([0, 1].iter().all(|key| world.board.key_pause(KeyId(*key), world.now).is_none()));
    assert!(world.is_idle());
    // One that is to probe leaves that to others, and one that is only late tells nothing of its time.
    world.break_open(row);
    world.pass(120_000);
    let mut exchange = world.begin("c");
    let probe = world.attempt(&mut exchange);
    assert!(probe.probe && probe.target == row);
    exchange.struck(&world.board, probe.index, Struck::Wished, world.now);
    let mut other = world.begin("c");
    let attempt = world.attempt(&mut other);
    assert!(attempt.probe && attempt.target == row);
    world.succeed(&mut other, attempt);
    world.pass(50_000);
    exchange.first_token(&world.prepared, &world.board, probe.index, world.now);
    world.succeed(&mut exchange, probe);
    assert_eq!(world.board.target(row).breaker.state().0, gate::State::Closed);
    assert!(world.is_idle());
}

#[test]
fn a_few_stuck_attempts_beside_many_that_are_well_open_nothing() {
    let mut world = World::new(in_order(2, 0));
    answered(&mut world, 50);
    let mut stuck: Vec<_> = (0..8)
        .map(|_| {
            let mut exchange = world.begin("c");
            let attempt = world.attempt(&mut exchange);
            (exchange, attempt)
        })
        .collect();
    answered(&mut world, 50);
    assert_eq!(world.board.target(TargetId(0)).breaker.state().0, gate::State::Closed);
    for (exchange, attempt) in &mut stuck {
        world.succeed(exchange, *attempt);
    }
    assert!(world.is_idle());
}

#[test]
fn whole_answers_are_watched_by_their_own_times() {
    let mut world = World::new(in_order(2, 0));
    // Streams begin at once, and whole answers take ten seconds: those are not overdue for it.
    answered(&mut world, 100);
    let whole = |world: &mut World| {
        let mut exchange = world.ask("c", None, false);
        let attempt = world.attempt(&mut exchange);
        (exchange, attempt)
    };
    let mut first: Vec<_> = (0..30).map(|_| whole(&mut world)).collect();
    world.pass(10_000);
    let (mut exchange, attempt) = whole(&mut world);
    assert_eq!(attempt.target, TargetId(0), "nothing is known of whole answers yet");
    world.succeed(&mut exchange, attempt);
    for (exchange, attempt) in &mut first {
        world.succeed(exchange, *attempt);
    }
    let mut stuck: Vec<_> = (0..8).map(|_| whole(&mut world)).collect();
    world.pass(25_000);
    let (mut exchange, attempt) = whole(&mut world);
    assert_eq!(attempt.target, TargetId(0));
    world.fail(&mut exchange, attempt, status(400));
    exchange.abandoned(&world.board, &world.prepared, world.now);
    world.pass(25_000);
    let (mut exchange, attempt) = whole(&mut world);
    assert_eq!(attempt.target, TargetId(1), "now they are overdue");
    world.succeed(&mut exchange, attempt);
    for (exchange, attempt) in &mut stuck {
        world.succeed(exchange, *attempt);
    }
    assert!(world.is_idle());
}

#[test]
fn a_slow_provider_is_left_when_the_policy_says_so() {
    for (slow_ms, expected) in [(0, TargetId(0)), (300, TargetId(1))] {
        let mut draft = in_order(2, 0);
        rules(&mut draft).breaker.slow_ms = slow_ms;
        let mut world = World::new(draft);
        answered(&mut world, 20);
        let mut exchange = world.begin("c");
        let attempt = world.attempt(&mut exchange);
        assert_eq!(attempt.target, expected);
        world.succeed(&mut exchange, attempt);
    }
}

#[test]
fn a_flaw_that_went_out_counts_like_one_that_did_not() {
    for (percent, expected) in [(500, TargetId(0)), (400, TargetId(1))] {
        let mut draft = in_order(2, 0);
        rules(&mut draft).breaker.failure_permille = percent;
        let mut world = World::new(draft);
        for _ in 0..20 {
            let mut exchange = world.begin("c");
            let attempt = world.attempt(&mut exchange);
            assert_eq!(attempt.target, TargetId(0));
            exchange.commit();
            exchange.flawed(&world.board, &world.prepared, attempt.index, judge::transport(Transport::SchemaViolation), world.now);
            let trail = exchange.trail()[attempt.index];
            assert_eq!((trail.end, trail.detail()), (End::Answered, "schema_violation"));
        }
        assert!(world.is_idle());
        let mut exchange = world.begin("c");
        let attempt = world.attempt(&mut exchange);
        assert_eq!(attempt.target, expected);
        world.succeed(&mut exchange, attempt);
    }
}

#[test]
fn answers_of_no_use_are_half_as_bad_as_none() {
    for (percent, expected) in [(500, TargetId(0)), (400, TargetId(1))] {
        let mut draft = in_order(2, 0);
        rules(&mut draft).breaker.failure_permille = percent;
        let mut world = World::new(draft);
        for _ in 0..20 {
            let mut exchange = world.begin("c");
            let attempt = world.attempt(&mut exchange);
            assert_eq!(attempt.target, TargetId(0), "five in a row are none in a row");
            world.fail(&mut exchange, attempt, judge::transport(Transport::SchemaViolation));
            exchange.abandoned(&world.board, &world.prepared, world.now);
        }
        let mut exchange = world.begin("c");
        let attempt = world.attempt(&mut exchange);
        assert_eq!(attempt.target, expected);
        world.succeed(&mut exchange, attempt);
    }
}

/// Attempts at the first target that end after so long, and how; whether its breaker is open then.
fn opens(world: &mut World, count: usize, after_ms: u64, stream: bool, end: impl Fn(&World, &mut Exchange, Attempt)) -> bool {
    for _ in 0..count {
        let mut exchange = world.ask("c", None, stream);
        let attempt = world.attempt(&mut exchange);
        assert_eq!(attempt.target, TargetId(0));
        world.pass(after_ms);
        end(world, &mut exchange, attempt);
        exchange.abandoned(&world.board, &world.prepared, world.now);
    }
    assert!(world.is_idle());
    world.board.target(TargetId(0)).breaker.state().0 == gate::State::Open
}

#[test]
fn silence_counts_also_when_nobody_waits_for_its_end() {
    let leave = |_: &World, _: &mut Exchange, _: Attempt| {};
    let expire = |world: &World, exchange: &mut Exchange, attempt: Attempt| {
        world.fail(exchange, attempt, judge::transport(Transport::Deadline));
    };
    // (known, stream, after, opens): three times the usual, or else the time to a first token.
    let cases = [(true, true, 1_000, false), (true, true, 1_600, true), (false, true, 29_000, false), (false, true, 30_000, true)];
    for (known, stream, after_ms, expected) in cases.into_iter().chain([(true, false, 29_000, false), (true, false, 30_000, true)]) {
        let world = || {
            let mut world = World::new(in_order(2, 0));
            answered(&mut world, if known { 50 } else { 0 });
            world
        };
        assert_eq!(opens(&mut world(), 5, after_ms, stream, leave), expected, "left after {after_ms} ms, {known}, {stream}");
        assert_eq!(opens(&mut world(), 5, after_ms, stream, expire), expected, "over after {after_ms} ms, {known}, {stream}");
    }
    let mut world = World::new(in_order(2, 0));
    assert!(opens(&mut world, 5, 30_000, true, leave));
    assert_eq!(world.board.target(TargetId(0)).last_failure().map(|(_, class)| class), Some(Class::Timeout));
}

#[test]
fn who_has_said_something_or_is_late_on_purpose_is_not_silent() {
    let mut world = World::new(in_order(1, 0));
    assert!(!opens(&mut world, 5, 60_000, true, |world, exchange, attempt| exchange.struck(
        &world.board,
        attempt.index,
        Struck::Wished,
        world.now
    )));
    assert!(!opens(&mut world, 5, 60_000, false, |world, exchange, attempt| exchange.head(attempt.index, 200, world.now)));
    let speaks = |world: &World, exchange: &mut Exchange, attempt: Attempt| {
        exchange.first_token(&world.prepared, &world.board, attempt.index, world.now);
    };
    assert!(!opens(&mut world, 5, 60_000, true, speaks));
    // Of a stream a head alone says nothing.
    assert!(opens(&mut world, 5, 60_000, true, |world, exchange, attempt| exchange.head(attempt.index, 200, world.now)));
}

#[test]
fn what_the_chain_does_not_count_is_not_counted_either() {
    let mut draft = in_order(1, 0);
    rules(&mut draft).triggers.uncounted.insert(Class::Timeout);
    let mut world = World::new(draft);
    assert!(!opens(&mut world, 20, 60_000, true, |_, _, _| {}));
}

#[test]
fn a_probe_that_is_silent_has_failed_though_its_caller_left() {
    for (after_ms, relapses) in [(5_000, 0), (30_000, 1)] {
        let mut world = World::new(in_order(2, 0));
        world.break_open(TargetId(0));
        world.pass(6_001);
        let mut exchange = world.begin("c");
        let probe = world.attempt(&mut exchange);
        assert!(probe.probe);
        world.pass(after_ms);
        exchange.abandoned(&world.board, &world.prepared, world.now);
        let breaker = &world.board.target(TargetId(0)).breaker;
        assert_eq!((breaker.state().0, breaker.relapses()), (gate::State::Open, relapses));
        assert_eq!(breaker.peek(world.now) == gate::Peek::Elects, relapses == 0, "the next one probes at once, or after a while");
    }
}

#[test]
fn what_is_late_by_wish_is_no_time_of_the_targets() {
    for stream in [true, false] {
        let mut world = World::new(in_order(2, 0));
        for wished in [true, false] {
            for _ in 0..40 {
                let mut exchange = world.ask("c", None, stream);
                let attempt = world.attempt(&mut exchange);
                if wished {
                    exchange.struck(&world.board, attempt.index, Struck::Wished, world.now);
                }
                world.pass(400);
                exchange.first_token(&world.prepared, &world.board, attempt.index, world.now);
                world.succeed(&mut exchange, attempt);
            }
            let usual = world.board.target(TargetId(0)).usual_ns(stream, Size::default(), 0.5, world.now);
            assert_eq!(usual.is_none(), wished, "stream: {stream}");
            let other = world.board.target(TargetId(0)).usual_ns(!stream, Size::default(), 0.5, world.now);
            assert_eq!(other, None, "streams and whole answers have times of their own");
        }
    }
}

#[test]
fn a_token_is_the_first_once() {
    let mut world = World::new(in_order(1, 0));
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    world.pass(100);
    exchange.first_token(&world.prepared, &world.board, attempt.index, world.now);
    world.pass(9_000);
    exchange.first_token(&world.prepared, &world.board, attempt.index, world.now);
    assert_eq!(exchange.trail()[attempt.index].token_us, 100_000);
    world.succeed(&mut exchange, attempt);
    assert_eq!(world.board.target(TargetId(0)).average_ns(exchange.started()).map(|ns| ns as u64 / 1_000_000), Some(100));
}

#[test]
fn a_flaw_is_the_last_failure_and_counts_as_the_chain_says() {
    for (uncounted, expected) in [(false, gate::State::Open), (true, gate::State::Closed)] {
        let mut draft = in_order(1, 0);
        if uncounted {
            rules(&mut draft).triggers.uncounted.insert(Class::Malformed);
        }
        let mut world = World::new(draft);
        for _ in 0..5 {
            let mut exchange = world.begin("c");
            let attempt = world.attempt(&mut exchange);
            exchange.commit();
            exchange.flawed(&world.board, &world.prepared, attempt.index, Verdict::of(Class::Malformed, "malformed"), world.now);
        }
        let row = world.board.target(TargetId(0));
        assert_eq!((row.breaker.state().0, row.last_failure().map(|(_, class)| class)), (expected, Some(Class::Malformed)));
    }
}
