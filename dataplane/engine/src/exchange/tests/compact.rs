use super::*;
use crate::exchange::compact::prompt_bytes_max;

/// Targets with these windows, in the order of the chain, of which the chain's prompts may be made to fit.
fn windows(windows: &[u32]) -> World {
    World::new(draft(windows))
}

fn draft(windows: &[u32]) -> Draft {
    let mut draft = in_order(windows.len() as u32, 0);
    for (at, window) in windows.iter().enumerate() {
        draft.targets.get_mut(TargetId(at as u32)).unwrap().context_window = Some(*window).filter(|window| *window > 0);
    }
    draft
}

fn begin(world: &World, tokens: u32, least: u64) -> Exchange {
    let mut exchange = world.begin_with("c", decide::Wants { tokens, ..decide::Wants::default() });
    exchange.may_compact(least, 100);
    exchange
}

fn too_long() -> Verdict {
    judge::transport(Transport::ErrorEvent(Class::ContextWindow))
}

#[test]
fn what_the_answer_needs_is_left_free() {
    assert_eq!(prompt_bytes_max(1_000, None, 100), (1_000 - 100 - 50) * 3);
    assert_eq!(prompt_bytes_max(1_000, None, 0), (1_000 - 250 - 50) * 3);
    assert_eq!(prompt_bytes_max(1_000, Some(40), 0), (1_000 - 40 - 50) * 3);
    assert_eq!(prompt_bytes_max(1_000, Some(40), 100), (1_000 - 40 - 50) * 3);
    assert_eq!((prompt_bytes_max(1_000, None, 2_000), prompt_bytes_max(0, None, 0)), (0, 0));
}

#[test]
fn who_can_read_it_all_comes_first_and_then_who_can_read_what_is_left() {
    let mut world = windows(&[1_000, 9_000, 2_000]);
    let mut exchange = begin(&world, 5_000, 1_000);
    let first = world.attempt(&mut exchange);
    assert_eq!((first.target, exchange.bytes_max(&world.prepared, first.index)), (TargetId(1), None));
    world.fail(&mut exchange, first, status(404));
    for (target, window) in [(0, 1_000), (2, 2_000)] {
        let attempt = world.attempt(&mut exchange);
        let most = exchange.bytes_max(&world.prepared, attempt.index);
        assert_eq!((attempt.target, most), (TargetId(target), Some(prompt_bytes_max(window, None, 100))));
        world.fail(&mut exchange, attempt, status(404));
    }
    world.own(&mut exchange);
    exchange.abandoned(&world.board, &world.prepared, world.now);
    assert!(world.is_idle());
}

#[test]
fn who_said_that_it_is_too_long_is_asked_once_more_with_less() {
    let mut world = windows(&[1_000, 1_000]);
    let mut exchange = begin(&world, 900, 1_000);
    let first = world.attempt(&mut exchange);
    assert_eq!(exchange.bytes_max(&world.prepared, first.index), None);
    world.fail(&mut exchange, first, too_long());
    let again = world.attempt(&mut exchange);
    assert_eq!(again.target, first.target);
    assert!(exchange.bytes_max(&world.prepared, again.index).is_some());
    world.fail(&mut exchange, again, too_long());
    // The other is as large, and may be luckier with what is left; nobody is asked with less a second time.
    let other = world.attempt(&mut exchange);
    assert_eq!(other.target, TargetId(1));
    world.fail(&mut exchange, other, too_long());
    assert!(matches!(world.next(&mut exchange), Next::Surrender(Surrender::Relay { .. })));
    exchange.abandoned(&world.board, &world.prepared, world.now);
    assert!(world.is_idle());
}

/// Whoever can read what is left is asked before anybody is asked again.
#[test]
fn the_next_that_can_read_what_is_left_comes_before_another_try() {
    for all in [[1_000, 2_000], [9_000, 2_000]] {
        let mut draft = draft(&all);
        draft.chains.get_mut(ChainId(0)).unwrap().attempts_max = 2;
        let mut world = World::new(draft);
        let mut exchange = begin(&world, 5_000, 1_000);
        for target in 0..2 {
            let attempt = world.attempt(&mut exchange);
            assert_eq!(attempt.target, TargetId(target), "{all:?}");
            world.fail(&mut exchange, attempt, status(500));
        }
        world.own(&mut exchange);
        exchange.abandoned(&world.board, &world.prepared, world.now);
        assert!(world.is_idle());
    }
}

#[test]
fn what_stays_too_long_is_sent_to_nobody() {
    let mut world = windows(&[1_000, 0]);
    // The least that can be made of it is more than the first can read; of the other nobody knows.
    let mut exchange = begin(&world, 5_000, 10_000);
    let attempt = world.attempt(&mut exchange);
    assert_eq!((attempt.target, exchange.bytes_max(&world.prepared, attempt.index)), (TargetId(1), None));
    world.fail(&mut exchange, attempt, too_long());
    assert!(matches!(world.next(&mut exchange), Next::Surrender(Surrender::Relay { .. })));
    exchange.abandoned(&world.board, &world.prepared, world.now);
    for (least, tokens) in [(10_000, 5_000), (0, 5_000)] {
        let mut world = windows(&[1_000]);
        let mut exchange = begin(&world, tokens, least);
        assert_eq!(world.own(&mut exchange).code, "context_length_exceeded");
        exchange.abandoned(&world.board, &world.prepared, world.now);
    }
}

#[test]
fn who_cannot_be_asked_now_is_not_asked_with_less_either() {
    let mut world = windows(&[1_000, 2_000]);
    world.break_open(TargetId(0));
    let mut exchange = begin(&world, 5_000, 1_000);
    let attempt = world.attempt(&mut exchange);
    assert_eq!(attempt.target, TargetId(1));
    world.succeed(&mut exchange, attempt);
    assert!(world.is_idle());
}

/// The same, and what is left out is summed up by another target, in a chain of its own.
fn summed_up(chain_windows: &[u32]) -> World {
    let mut draft = in_order(chain_windows.len() as u32 + 1, 0);
    let by = TargetId(chain_windows.len() as u32);
    for (at, window) in chain_windows.iter().enumerate() {
        draft.targets.get_mut(TargetId(at as u32)).unwrap().context_window = Some(*window);
    }
    let own = ChainId(0);
    draft.chains.get_mut(own).unwrap().steps.pop();
    let member = policy::Member { target: by, weight: 1, wording: None };
    let step = policy::Step::of(policy::Balance::Weighted, vec![member]);
    let summary = draft.chains.push(policy::Chain::over("summary", vec![step]));
    draft.chains.get_mut(own).unwrap().compact = Some(policy::chain::Compact { keep_turns: 4, summary: Some(summary) });
    World::new(draft)
}

fn begin_aside(world: &World, ms: u64) -> Exchange {
    let ask = decide::Ask {
        tenant: None,
        model: "summary",
        field: &|_| None,
        chain: None,
        deadline_ms: Some(ms),
        stream: false,
        wants: decide::Wants::default(),
        started: world.now,
    };
    decide::decide_aside(&world.prepared, &ask, ChainId(1), &world.board, world.now)
}

#[test]
fn what_is_left_out_is_summed_up_once_before_anybody_is_asked_with_less() {
    let mut world = summed_up(&[1_000, 2_000]);
    let mut exchange = begin(&world, 5_000, 1_000);
    let Next::Summarise(summing) = world.next(&mut exchange) else { panic!("nothing is summed up") };
    assert_eq!((summing.chain, summing.bytes_max), (ChainId(1), prompt_bytes_max(1_000, None, 100)));
    // A third of ten minutes would be more than anybody waits for.
    assert_eq!(summing.until, world.now.plus_ms(limits::SUMMARY_MS_MAX));
    for target in [0, 1] {
        let attempt = world.attempt(&mut exchange);
        assert_eq!(attempt.target, TargetId(target));
        assert!(exchange.bytes_max(&world.prepared, attempt.index).is_some());
        world.fail(&mut exchange, attempt, status(404));
    }
    world.own(&mut exchange);
    exchange.abandoned(&world.board, &world.prepared, world.now);
    assert!(world.is_idle());
}

#[test]
fn nothing_is_summed_up_for_who_can_read_it_all_or_nothing_of_it() {
    let mut world = summed_up(&[1_000, 9_000]);
    let mut exchange = begin(&world, 5_000, 1_000);
    let attempt = world.attempt(&mut exchange);
    assert_eq!(attempt.target, TargetId(1));
    world.succeed(&mut exchange, attempt);
    let mut world = summed_up(&[1_000]);
    let mut exchange = begin(&world, 5_000, 10_000);
    assert_eq!(world.own(&mut exchange).code, "context_length_exceeded");
    exchange.abandoned(&world.board, &world.prepared, world.now);
}

#[test]
fn who_sums_up_is_asked_once_and_not_in_spite_of_anything() {
    let mut world = summed_up(&[1_000]);
    let mut aside = begin_aside(&world, 5_000);
    let attempt = world.attempt(&mut aside);
    assert_eq!((attempt.target, attempt.deadline), (TargetId(1), world.now.plus_ms(5_000)));
    world.fail(&mut aside, attempt, status(500));
    assert!(matches!(world.next(&mut aside), Next::Surrender(_)));
    aside.abandoned(&world.board, &world.prepared, world.now);
    // Of any other exchange it would be the last that is left, and be asked all the same.
    world.break_open(TargetId(1));
    let mut aside = begin_aside(&world, 5_000);
    assert!(matches!(world.next(&mut aside), Next::Surrender(_)));
    assert_eq!(aside.candidates()[0].skip().map(Skip::word), Some("breaker_open"));
    aside.abandoned(&world.board, &world.prepared, world.now);
    assert!(world.is_idle());
}

#[test]
fn all_of_it_goes_to_who_can_read_it_even_after_less_of_it_went_elsewhere() {
    let mut world = windows(&[1_000, 9_000]);
    world.board.target(TargetId(1)).pause(world.now.plus_ms(60_000), Class::RateLimit);
    let mut exchange = begin(&world, 5_000, 1_000);
    let less = world.attempt(&mut exchange);
    assert!(less.target == TargetId(0) && exchange.bytes_max(&world.prepared, less.index).is_some());
    world.pass(60_000);
    world.fail(&mut exchange, less, status(404));
    let all = world.attempt(&mut exchange);
    assert_eq!((all.target, exchange.bytes_max(&world.prepared, all.index)), (TargetId(1), None));
    world.succeed(&mut exchange, all);
}

#[test]
fn who_is_spared_is_asked_with_less_and_whose_breaker_refuses_is_not() {
    let mut world = windows(&[1_000]);
    world.board.target(TargetId(0)).degrade(world.now.plus_ms(60_000), policy::Degradation::WrongAnswer);
    let mut exchange = begin(&world, 5_000, 1_000);
    let attempt = world.attempt(&mut exchange);
    assert!(exchange.bytes_max(&world.prepared, attempt.index).is_some());
    world.succeed(&mut exchange, attempt);
    // Least of all with the whole prompt, in spite of its breaker.
    world.break_open(TargetId(0));
    let mut exchange = begin(&world, 5_000, 1_000);
    assert_eq!(world.own(&mut exchange).code, "context_length_exceeded");
    assert!(exchange.trail().is_empty());
}

#[test]
fn what_fits_to_the_byte_fits() {
    let most = prompt_bytes_max(1_000, None, 100);
    for (least, fits) in [(most, true), (most + 1, false)] {
        let mut world = windows(&[1_000]);
        let mut exchange = begin(&world, 5_000, least);
        assert_eq!(matches!(world.next(&mut exchange), Next::Attempt(_)), fits);
        exchange.abandoned(&world.board, &world.prepared, world.now);
    }
}

#[test]
fn nobody_shops_around_with_less_for_another_opinion() {
    let mut world = windows(&[9_000, 1_000]);
    let mut exchange = begin(&world, 5_000, 1_000);
    let attempt = world.attempt(&mut exchange);
    world.fail(&mut exchange, attempt, Verdict::of(Class::ContentFilter, "content_filter"));
    assert!(matches!(world.next(&mut exchange), Next::Surrender(Surrender::Relay { .. })));
}

#[test]
fn a_summary_takes_no_more_than_a_third_of_what_is_left() {
    let mut world = summed_up(&[1_000]);
    let wants = decide::Wants { tokens: 5_000, ..decide::Wants::default() };
    let mut exchange = world.want("c", Some(3_000), true, wants);
    exchange.may_compact(1_000, 100);
    let Next::Summarise(summing) = world.next(&mut exchange) else { panic!("nothing is summed up") };
    assert_eq!(summing.until, world.now.plus_ms(1_000));
    exchange.abandoned(&world.board, &world.prepared, world.now);
}

#[test]
fn who_sums_up_is_the_only_one_that_is_asked_for_it() {
    let mut draft = in_order(3, 0);
    let member = |target| policy::Member { target: TargetId(target), weight: 1, wording: None };
    let step = |target| policy::Step::of(policy::Balance::Weighted, vec![member(target)]);
    draft.chains.push(policy::Chain::over("summary", vec![step(1), step(2)]));
    let mut world = World::new(draft);
    let mut aside = begin_aside(&world, 5_000);
    let attempt = world.attempt(&mut aside);
    world.fail(&mut aside, attempt, status(500));
    assert!(matches!(world.next(&mut aside), Next::Surrender(_)), "its answer is not worth a second attempt");
    assert_eq!(aside.trail().len(), 1);
}
