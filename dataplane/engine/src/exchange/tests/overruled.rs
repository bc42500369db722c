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
