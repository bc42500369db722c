use super::*;
use crate::breaker;

fn at(ms: u64) -> Moment {
    Moment::START.plus_ms(ms)
}

fn ms(row: &TargetRow, now: u64) -> f64 {
    row.average_ns(at(now)).expect("it was observed") / NS_PER_MS as f64
}

#[test]
fn the_longer_pause_counts_and_ends_on_time() {
    let row = TargetRow::default();
    assert_eq!(row.paused(at(0)), None);
    row.pause(at(500), Class::RateLimit);
    row.pause(at(200), Class::Overloaded);
    assert_eq!(row.paused(at(499)), Some(Pause { until: at(500), class: Class::RateLimit }));
    assert_eq!(row.paused(at(500)), None);
    row.pause(at(900), Class::Overloaded);
    row.resume();
    assert_eq!(row.paused(at(600)), None);
}

#[test]
fn a_pause_never_ends_before_its_time() {
    let row = TargetRow::default();
    row.pause(Moment(1_000_001), Class::RateLimit);
    assert!(row.paused(Moment(1_000_001 - 1)).is_some());
    assert!(row.paused(Moment(1_000_001)).is_some_and(|pause| pause.until == Moment(1_001_000)));
    row.pause(Moment::NEVER, Class::RateLimit);
    assert!(row.paused(at(1 << 40)).is_some());
}

#[test]
fn keys_are_paused_disabled_and_restored() {
    let board = Board::new(0, 0, 2);
    board.pause_key(KeyId(1), at(100), Class::RateLimit);
    assert!(board.key_pause(KeyId(0), at(1)).is_none());
    assert!(board.key_pause(KeyId(1), at(1)).is_some() && !board.key_disabled(KeyId(1), at(1)));
    board.pause_key(KeyId(1), at(200), Class::Auth);
    assert!(board.key_disabled(KeyId(1), at(199)) && !board.key_disabled(KeyId(1), at(200)));
    board.pause_key(KeyId(1), at(900), Class::QuotaExhausted);
    board.restore_key(KeyId(1));
    assert!(board.key_pause(KeyId(1), at(300)).is_none());
}

#[test]
fn a_provider_holds_so_many_and_no_more() {
    let board = Board::new(0, 1, 0);
    let provider = ProviderId(0);
    assert!(board.try_enter(provider, 2) && board.try_enter(provider, 2));
    assert!(!board.try_enter(provider, 2) && !board.try_enter(provider, 0));
    board.leave(provider);
    assert!(board.try_enter(provider, 2));
    assert_eq!(board.in_flight(provider), 2);
}

#[test]
fn threads_never_overfill_a_provider() {
    let board = Board::new(0, 1, 0);
    let inside = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    if board.try_enter(ProviderId(0), 2) {
                        assert!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 2);
                        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        board.leave(ProviderId(0));
                    }
                }
            });
        }
    });
    assert_eq!(board.in_flight(ProviderId(0)), 0);
}

#[test]
#[should_panic(expected = "never entered")]
fn leaving_twice_is_a_broken_promise() {
    Board::new(0, 1, 0).leave(ProviderId(0));
}

#[test]
fn the_average_jumps_up_and_fades_down() {
    let row = TargetRow::default();
    assert_eq!(row.average_ns(at(0)), None);
    row.observe(100 * NS_PER_MS, at(0));
    assert!((ms(&row, 0) - 100.0).abs() < 0.1);
    row.observe(900 * NS_PER_MS, at(0));
    assert!((ms(&row, 0) - 900.0).abs() < 0.1);
    row.observe(100 * NS_PER_MS, at(0));
    assert!(ms(&row, 0) > 899.0, "a small sample at the same moment changes nothing");
    // After one time constant 1/e of the old is left.
    row.observe(100 * NS_PER_MS, at(10_000));
    assert!((ms(&row, 10_000) - (900.0 / std::f64::consts::E + 100.0 * (1.0 - 1.0 / std::f64::consts::E))).abs() < 1.0);
    assert!(ms(&row, 60_000) < 5.0, "what is not asked fades");
    row.observe(u64::MAX, at(60_000));
    assert!(row.average_ns(at(60_000)).is_some_and(f64::is_finite));
    assert!(ms(&row, 59_000) > 1e6, "a clock that was read a moment earlier does no harm");
}

#[test]
fn forgetting_blanks_everything_but_what_is_in_flight() {
    let board = Board::new(1, 0, 0);
    let row = board.target(TargetId(0));
    let slot = row.begin(true, at(0));
    row.pause(at(100), Class::RateLimit);
    row.note_failure(Class::Reset, at(5));
    row.observe(5, at(0));
    assert!(row.spare(at(100), at(0)) && row.take_force(at(0)));
    row.degrade(at(100), policy::Degradation::WrongAnswer);
    let rules = policy::Breaker { consecutive: 1, ..policy::Breaker::default() };
    assert!(breaker::failure(&row.breaker, &rules, breaker::Admission::Pass, at(0), 0));
    row.limit.queued(10, at(0));
    for stream in [true, false] {
        (0..40).for_each(|_| row.answered(stream, Size::default(), None, 400 * NS_PER_MS, at(0)));
        assert!(row.usual_ns(stream, Size::default(), 0.5, at(0)).is_some());
    }
    assert_eq!(row.last_failure(), Some((at(5), Class::Reset)));
    board.forget(TargetId(0));
    assert_eq!((row.paused(at(0)), row.last_failure(), row.totals(), row.in_flight()), (None, None, (0, 0), 1));
    assert_eq!((row.spent(at(0)), row.degraded(at(0)), row.average_ns(at(0)), row.limit.most(at(0))), (None, None, None, None));
    assert!([true, false].iter().all(|stream| row.usual_ns(*stream, Size::default(), 0.5, at(0)).is_none()));
    assert_eq!((row.breaker.state().0, row.may_be_forced(at(0))), (breaker::State::Closed, true));
    row.end(true, slot);
    assert_eq!(row.in_flight(), 0);
}

#[test]
fn what_is_spared_is_not_paused() {
    let board = Board::new(1, 1, 1);
    let row = board.target(TargetId(0));
    assert!(row.spare(at(500), at(0)), "it is news");
    assert!(!row.spare(at(400), at(100)), "the later moment counts");
    assert_eq!((row.spent(at(499)), row.spent(at(500)), row.paused(at(0))), (Some(at(500)), None, None));
    assert!(row.spare(at(900), at(500)), "and when it is past, it is news again");
    row.resume();
    assert_eq!(row.spent(at(600)), None);
    assert!(board.spare_key(KeyId(0), at(500), at(0)));
    assert_eq!((board.key_spent(KeyId(0), at(1)), board.key_disabled(KeyId(0), at(1))), (Some(at(500)), false));
    board.restore_key(KeyId(0));
    assert_eq!(board.key_spent(KeyId(0), at(1)), None);
}

#[test]
fn rows_of_targets_lie_in_pages_and_are_made_before_a_shard_asks() {
    let draft = crate::prepared::tests::draft(&[("a", 0)]);
    let mut draft = draft;
    for _ in 0..TARGETS_PER_PAGE + 1 {
        crate::prepared::tests::target(&mut draft, 0, "m");
    }
    let prepared = crate::prepared::tests::prepare(draft);
    let board = Board::new(1_000, 1, 0);
    assert!(board.fits(&prepared) && !Board::new(TARGETS_PER_PAGE, 1, 0).fits(&prepared));
    board.seat(prepared.snapshot());
    assert_eq!(board.targets.iter().filter(|page| page.get().is_some()).count(), 2);
    board.target(TargetId(TARGETS_PER_PAGE as u32)).begin(true, at(0));
    assert_eq!(board.target(TargetId(0)).in_flight(), 0);
}

#[test]
fn a_mark_lapses_by_itself_and_the_last_word_counts() {
    let row = TargetRow::default();
    assert_eq!(row.degraded(at(0)), None);
    row.degrade(at(500), Degradation::HttpError);
    assert_eq!(row.degraded(at(499)), Some((at(500), Degradation::HttpError)));
    row.degrade(at(300), Degradation::Overloaded);
    assert_eq!(row.degraded(at(299)), Some((at(300), Degradation::Overloaded)));
    assert_eq!(row.degraded(at(300)), None);
    row.degrade(at(900), Degradation::WrongAnswer);
    row.restore();
    assert_eq!(row.degraded(at(400)), None);
}
