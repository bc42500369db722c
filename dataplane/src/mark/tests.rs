use super::*;
use crate::sim::plan;
use policy::{Degradation, TargetId};

#[test]
fn the_last_word_counts_and_lapses() {
    let snapshot = Snapshot::try_new(plan::draft(3)).unwrap();
    let board = Board::full();
    let at = |ms: u64| Moment::START.plus_ms(ms);
    let mark = |name: &str, reason, for_ms| Mark { target: name.to_owned(), reason, for_ms };
    let degraded = |target: u32, now: u64| board.target(TargetId(target)).degraded(at(now)).map(|(_, reason)| reason);
    let marks = [
        mark("p0/m0", Degradation::WrongAnswer, 5_000),
        mark("p2/m2", Degradation::Overloaded, u64::MAX),
        mark("nobody/knows", Degradation::HttpError, 5_000),
    ];
    write_down(&snapshot, &board, &marks, at(0));
    assert_eq!([0, 1, 2].map(|id| degraded(id, 4_999)), [Some(Degradation::WrongAnswer), None, Some(Degradation::Overloaded)]);
    // Who is not named stays as it is, and nobody stays so for long.
    write_down(&snapshot, &board, &[mark("p0/m0", Degradation::WrongAnswer, 0)], at(1_000));
    assert_eq!([0, 1, 2].map(|id| degraded(id, 5_000)), [None, None, Some(Degradation::Overloaded)]);
    assert_eq!(degraded(2, limits::MARK_MS_MAX), None);
}
