//! Targets that wait for a failure of a kind.

use super::*;

fn after(classes: &[Class]) -> ClassSet {
    classes.iter().fold(ClassSet::EMPTY, |mut set, class| {
        set.insert(*class);
        set
    })
}

/// Three targets in order, of which the second and the third wait for these failures.
fn waiting(second: &[Class], third: &[Class]) -> World {
    let mut draft = in_order(3, 0);
    rules(&mut draft).steps[1].after = after(second);
    rules(&mut draft).steps[2].after = after(third);
    World::new(draft)
}

/// The targets that are asked when the first one's answer is `first`, and those of all others 404.
fn asked(world: &mut World, first: Verdict) -> Vec<u32> {
    let mut exchange = world.begin("c");
    let mut asked = Vec::new();
    while let Next::Attempt(attempt) = world.next(&mut exchange) {
        asked.push(attempt.target.0);
        world.fail(&mut exchange, attempt, if asked.len() == 1 { first } else { status(404) });
    }
    exchange.abandoned(&world.board, &world.prepared, world.now);
    asked
}

#[test]
fn who_waits_for_a_failure_is_not_asked_before_it() {
    let mut world = waiting(&[Class::ContentFilter], &[]);
    let mut exchange = world.begin("c");
    assert_eq!(exchange.candidates()[1].skip(), Some(Skip::Reserved));
    let attempt = world.attempt(&mut exchange);
    world.fail(&mut exchange, attempt, status(404));
    let attempt = world.attempt(&mut exchange);
    assert_eq!((attempt.target, exchange.candidates()[1].skip()), (TargetId(2), Some(Skip::Reserved)));
    world.fail(&mut exchange, attempt, status(404));
    assert_eq!(world.own(&mut exchange).code, "provider_model_gone");
    // Not even when nobody else is left, or can be asked.
    for target in [0, 2] {
        world.board.target(TargetId(target)).pause(world.now.plus_ms(60_000), Class::RateLimit);
    }
    let mut exchange = world.begin("c");
    assert_eq!(world.own(&mut exchange).status, 429);
}

#[test]
fn it_is_asked_in_its_turn_once_the_failure_has_happened() {
    assert_eq!(asked(&mut waiting(&[Class::ModelGone], &[]), status(404)), [0, 1, 2]);
    assert_eq!(asked(&mut waiting(&[Class::RateLimit, Class::Overloaded], &[]), limited(60_000)), [0, 1, 2]);
    assert_eq!(asked(&mut waiting(&[Class::Overloaded], &[]), limited(60_000)), [0, 2]);
    assert_eq!(asked(&mut waiting(&[], &[Class::RateLimit]), limited(60_000)), [0, 1, 2]);
}

#[test]
fn what_would_fail_everywhere_goes_on_with_those_alone_that_wait_for_it() {
    let filtered = Verdict::of(Class::ContentFilter, "content_filter");
    assert_eq!(asked(&mut waiting(&[], &[Class::ContentFilter]), filtered), [0, 2]);
    assert_eq!(asked(&mut waiting(&[Class::ContentFilter], &[]), filtered), [0, 1]);
    assert_eq!(asked(&mut waiting(&[Class::ContextWindow], &[Class::ContentFilter]), filtered), [0, 2]);
    assert_eq!(asked(&mut waiting(&[Class::ContextWindow], &[Class::ModelGone]), filtered), [0]);
}

#[test]
fn a_larger_model_that_waits_for_something_else_is_not_gone_on_with() {
    let too_long = judge::transport(Transport::ErrorEvent(Class::ContextWindow));
    for (second, expected) in [(&[][..], &[0, 1][..]), (&[Class::ModelGone], &[0]), (&[Class::ContextWindow], &[0, 1])] {
        let mut draft = in_order(2, 0);
        rules(&mut draft).steps[1].after = after(second);
        for (at, window) in [(0, 1_000), (1, 9_000)] {
            draft.targets.get_mut(TargetId(at)).expect("it was just made").context_window = Some(window);
        }
        let mut world = World::new(draft);
        assert_eq!(asked(&mut world, too_long), expected, "{second:?}");
        let mut exchange = world.begin("c");
        let attempt = world.attempt(&mut exchange);
        world.fail(&mut exchange, attempt, too_long);
        assert_eq!(exchange.is_lost(), expected.len() == 1, "{second:?}");
        exchange.abandoned(&world.board, &world.prepared, world.now);
    }
}

#[test]
fn of_a_window_that_nobody_knows_none_is_known_to_be_larger() {
    let mut draft = in_order(2, 0);
    draft.targets.get_mut(TargetId(1)).expect("it was just made").context_window = Some(9_000);
    let mut world = World::new(draft);
    assert_eq!(asked(&mut world, judge::transport(Transport::ErrorEvent(Class::ContextWindow))), [0]);
}

#[test]
fn what_an_exchange_may_turn_on_is_what_others_still_wait_for() {
    let filtered = Verdict::of(Class::ContentFilter, "content_filter");
    let mut world = waiting(&[Class::ContentFilter], &[Class::ContextWindow]);
    let mut exchange = world.begin("c");
    assert_eq!(exchange.turns_on(&world.prepared), after(&[Class::ContentFilter, Class::ContextWindow]));
    let attempt = world.attempt(&mut exchange);
    world.fail(&mut exchange, attempt, filtered);
    assert_eq!(exchange.turns_on(&world.prepared), after(&[Class::ContextWindow]), "that has happened");
    exchange.abandoned(&world.board, &world.prepared, world.now);
    // Nobody turns to who cannot be asked at all, or was.
    let mut draft = in_order(2, 0);
    rules(&mut draft).steps[1].after = after(&[Class::ContentFilter]);
    draft.targets.get_mut(TargetId(1)).expect("it was just made").disabled = Some("no key".into());
    let world = World::new(draft);
    assert_eq!(world.begin("c").turns_on(&world.prepared), ClassSet::EMPTY);
}

#[test]
fn whom_nobody_turned_to_was_not_left() {
    let mut draft = in_order(2, 0);
    rules(&mut draft).steps[0].after = after(&[Class::ContentFilter]);
    let mut world = World::new(draft);
    let mut exchange = world.begin("c");
    let attempt = world.attempt(&mut exchange);
    assert_eq!((attempt.target, exchange.fallback()), (TargetId(1), None));
    world.succeed(&mut exchange, attempt);
}
