use super::*;

fn change(at_ms: u64, target: &str, from: &str, to: &str) -> Event {
    let detail = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let details = vec![detail("target", target), detail("from", from), detail("to", to)];
    Event { at_us: at_ms * 1_000, kind: "breaker".to_owned(), details }
}

/// Hears the changes of one breaker on plane 1: `(at, from, to)`.
fn heard(changes: &[(u64, &str, &str)]) -> Repairs {
    let mut repairs = Repairs::default();
    for (at, from, to) in changes {
        repairs.hear(1, &change(*at, "a/m", from, to));
    }
    repairs
}

#[track_caller]
fn check(repairs: &Repairs, expected: (u64, u64, Option<u64>)) {
    let row = repairs.of("a/m").unwrap();
    assert_eq!((row.breaker.begun, row.breaker.ended, row.breaker.mean_ms()), expected);
}

#[test]
fn from_the_first_opening_to_the_closing_whatever_probes_fail() {
    let mut outages = vec![(0, "closed", "open"), (5_000, "open", "probing"), (5_100, "probing", "open"), (15_000, "open", "probing")];
    check(&heard(&outages), (1, 0, None));
    outages.push((16_000, "probing", "closed"));
    check(&heard(&outages), (1, 1, Some(16_000)));
    // Looked at so late that it was probing already; the mean of both.
    outages.extend([(60_000, "closed", "probing"), (64_000, "probing", "closed")]);
    let repairs = heard(&outages);
    check(&repairs, (2, 2, Some(10_000)));
    assert_eq!(repairs.json()["a/m"]["longest_ms"], 16_000);
}

#[test]
fn what_was_not_seen_is_not_made_up() {
    // Open before the daemon listened.
    check(&heard(&[(0, "open", "closed")]), (0, 0, None));
    // The closing was lost.
    check(&heard(&[(0, "closed", "open"), (100_000, "closed", "open"), (101_000, "open", "closed")]), (2, 1, Some(1_000)));
    // A clock that was set back.
    check(&heard(&[(9_000, "closed", "open"), (1_000, "open", "closed")]), (1, 1, Some(0)));
}

#[test]
fn each_data_plane_has_its_own_outage() {
    let mut repairs = heard(&[(0, "closed", "open")]);
    repairs.hear(2, &change(1_000, "a/m", "closed", "open"));
    assert_eq!(repairs.json()["a/m"]["open_on"], 2);
    repairs.gone(1);
    repairs.hear(2, &change(4_000, "a/m", "open", "closed"));
    repairs.hear(1, &change(9_000, "a/m", "open", "closed"));
    check(&repairs, (2, 1, Some(3_000)));
}

#[test]
fn other_events_and_nonsense_mean_nothing() {
    let mut repairs = Repairs::default();
    repairs.hear(1, &Event { kind: "fallback".to_owned(), ..change(0, "a/m", "closed", "open") });
    repairs.hear(1, &Event { details: vec![("target".to_owned(), "a/m".to_owned())], ..change(0, "a/m", "closed", "open") });
    repairs.hear(1, &change(0, &"x".repeat(4_000), "closed", "open"));
    assert!(repairs.0.is_empty());
}

#[test]
fn no_more_than_so_many_are_remembered_and_the_quietest_goes() {
    let mut repairs = Repairs::default();
    for at in 0..TARGETS_MAX as u64 {
        repairs.hear(1, &change(at, &format!("p/{at}"), "closed", "open"));
    }
    repairs.hear(1, &change(90_000, "p/0", "open", "closed"));
    repairs.hear(1, &change(90_001, "p/new", "closed", "open"));
    assert_eq!(repairs.0.len(), TARGETS_MAX);
    assert!(repairs.of("p/0").is_some() && repairs.of("p/new").is_some() && repairs.of("p/1").is_none());
}

/// How `a/m` stands on a plane at a second: left alone itself, with all of its keys, or not.
fn seen(repairs: &mut Repairs, plane: u64, second: u64, paused_ms: u64, keys_out_ms: u64) {
    let target = TargetState { name: "a/m".to_owned(), paused_ms, keys_out_ms, ..TargetState::default() };
    repairs.look(plane, &[target], second * 1_000_000);
}

#[test]
fn a_target_that_is_left_alone_is_out_until_it_and_a_key_of_it_are_back() {
    let mut repairs = Repairs::default();
    seen(&mut repairs, 1, 1, 0, 0);
    assert!(repairs.of("a/m").is_none(), "nothing is remembered of who is well");
    // Its keys first, then itself: one outage.
    for (second, paused_ms, keys_out_ms) in [(2, 0, 4_000), (3, 0, 3_000), (4, 9_000, 0), (8, 5_000, 0), (12, 0, 0), (13, 0, 0)] {
        seen(&mut repairs, 1, second, paused_ms, keys_out_ms);
    }
    seen(&mut repairs, 1, 20, 700, 0);
    seen(&mut repairs, 2, 21, 700, 0);
    seen(&mut repairs, 1, 22, 0, 0);
    repairs.gone(2);
    let row = repairs.of("a/m").unwrap();
    assert_eq!((row.out.begun, row.out.ended, row.out.mean_ms(), row.breaker.begun), (3, 2, Some(6_000), 0));
    let told = &repairs.json()["a/m"]["out"];
    assert_eq!((&told["longest_ms"], &told["out_on"]), (&json!(10_000), &json!(0)));
}
