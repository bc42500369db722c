use super::*;

#[test]
fn the_drawing_is_the_machine() {
    assert_eq!(crate::machine::drawn(include_str!("../hysteresis.rs")), State::drawing());
}

/// Results as letters, `g` and `b`; the sides after each of them as `-` and `#`.
fn course(results: &str, failures: u32, successes: u32) -> String {
    let mut seat = Hysteresis::default();
    let mut sides = String::new();
    for result in results.chars() {
        let before = seat.is_unwell();
        let changed = seat.take(result == 'g', failures, successes);
        assert_eq!(changed, before != seat.is_unwell());
        sides.push(if seat.is_unwell() { '#' } else { '-' });
    }
    sides
}

#[test]
fn only_so_many_in_a_row_count() {
    for (results, failures, successes, expected) in [
        ("bgbgbg", 2, 2, "------"),
        ("gbb", 2, 2, "--#"),
        ("bb", 2, 2, "-#"),
        ("bbgbgbgg", 2, 2, "-######-"),
        ("b", 1, 1, "#"),
        ("bgbg", 1, 1, "#-#-"),
        ("gbbbgggb", 3, 3, "---###--"),
        ("ggggbb", 2, 1, "-----#"),
    ] {
        assert_eq!(course(results, failures, successes), expected, "{results} {failures} {successes}");
    }
}

#[test]
fn states_tell_how_it_stands() {
    let mut seat = Hysteresis::default();
    let mut states = vec![seat.state()];
    for good in [true, false, false, false, true, false, true, true] {
        seat.take(good, 2, 2);
        states.push(seat.state());
    }
    use State::{Doubtful, Mending, Unknown, Unwell, Well};
    assert_eq!(states, [Unknown, Well, Doubtful, Unwell, Unwell, Mending, Unwell, Mending, Well]);
}
