use super::*;
use std::sync::{Barrier, atomic::AtomicUsize};

const POLICY: Breaker = Breaker {
    consecutive: 3,
    failure_permille: 500,
    window_ms: 10_000,
    requests_min: 10,
    cooldown_ms: 1_000,
    cooldown_max_ms: 8_000,
    slow_ms: 0,
    slow_permille: 800,
    slow_start_ms: 30_000,
};

/// The middle of the jitter, so that times are round.
const MIDDLE: u64 = u64::MAX / 2;

fn at(ms: u64) -> Moment {
    Moment::START.plus_ms(ms)
}

fn fail(seat: &Seat, ms: u64) -> bool {
    let admission = allow(seat, &POLICY, at(ms));
    failure(seat, &POLICY, admission, at(ms), MIDDLE)
}

fn pass(seat: &Seat, ms: u64) {
    let admission = allow(seat, &POLICY, at(ms));
    success(seat, &POLICY, admission, at(ms));
}

fn open_since(ms: u64) -> Seat {
    let seat = Seat::default();
    assert!(!fail(&seat, ms) && !fail(&seat, ms) && fail(&seat, ms));
    seat
}

fn elected(seat: &Seat, ms: u64) -> Admission {
    let admission = allow(seat, &POLICY, at(ms));
    assert!(matches!(admission, Admission::Probe(_)), "{admission:?}");
    admission
}

#[test]
fn the_drawing_is_the_machine() {
    assert_eq!(crate::machine::drawn(include_str!("../breaker.rs")), State::drawing());
}

#[test]
fn consecutive_failures_open_and_a_success_between_them_does_not() {
    let seat = Seat::default();
    fail(&seat, 0);
    fail(&seat, 1);
    pass(&seat, 2);
    fail(&seat, 3);
    assert!(!fail(&seat, 4));
    assert!(fail(&seat, 5));
    assert_eq!(seat.state().0, State::Open);
    assert_eq!(seat.opened(), at(5));
    let Admission::Refused { until } = allow(&seat, &POLICY, at(6)) else { panic!("it is open") };
    assert!(until.since(at(5)).abs_diff(1_000 * NS_PER_MS) < 10_000);
}

#[test]
fn a_share_of_failures_opens_from_enough_attempts_on() {
    let policy = Breaker { consecutive: 0, ..POLICY };
    let seat = Seat::default();
    let mut opened_at = None;
    for n in 0..40 {
        // Two of three fail.
        match n % 3 {
            0 => success(&seat, &policy, Admission::Pass, at(n)),
            _ if failure(&seat, &policy, Admission::Pass, at(n), MIDDLE) => {
                opened_at = Some(n + 1);
                break;
            }
            _ => {}
        }
    }
    assert_eq!(opened_at, Some(11), "not before ten attempts, and on the first failure from then on");
}

#[test]
fn half_of_the_attempts_is_not_more_than_half() {
    let policy = Breaker { consecutive: 0, ..POLICY };
    let seat = Seat::default();
    for n in 0..100 {
        success(&seat, &policy, Admission::Pass, at(n));
        assert!(!failure(&seat, &policy, Admission::Pass, at(n), MIDDLE));
    }
}

#[test]
fn the_window_slides() {
    let policy = Breaker { consecutive: 0, requests_min: 4, ..POLICY };
    let seat = Seat::default();
    for n in 0..3 {
        failure(&seat, &policy, Admission::Pass, at(n), MIDDLE);
    }
    assert_eq!(seat.window.sum(&policy, at(4_999)), (3, 6));
    assert_eq!(seat.window.sum(&policy, at(9_999)), (3, 6));
    assert_eq!(seat.window.sum(&policy, at(10_000)), (0, 0));
    assert!(!failure(&seat, &policy, Admission::Pass, at(10_001), MIDDLE));
    assert_eq!(seat.window.sum(&policy, at(10_001)), (1, 2));
}

#[test]
fn one_probe_decides() {
    let seat = open_since(0);
    let probe = elected(&seat, 1_300);
    assert!(matches!(allow(&seat, &POLICY, at(1_301)), Admission::Refused { .. }));
    success(&seat, &POLICY, probe, at(1_400));
    assert_eq!(seat.state().0, State::Closed);
    assert_eq!(allow(&seat, &POLICY, at(1_400)), Admission::Pass);
    // Nothing of the past is held against it.
    assert!(!fail(&seat, 1_401) && !fail(&seat, 1_402) && fail(&seat, 1_403));
}

#[test]
fn the_time_open_doubles_up_to_its_bound() {
    let seat = open_since(0);
    let mut now = 0;
    for expected in [1_000, 2_000, 4_000, 8_000, 8_000] {
        let open = seat.state().1.ms_from(at(now));
        assert!(open.abs_diff(expected) <= 1, "{open} is not {expected}");
        now += open + 1;
        let probe = elected(&seat, now);
        assert!(failure(&seat, &POLICY, probe, at(now), MIDDLE));
    }
}

#[test]
fn the_jitter_keeps_its_bounds() {
    for relapses in 0..8 {
        for random in (0..=u64::MAX).step_by(1 << 58) {
            let ms = open_ns(&POLICY, relapses, random) / NS_PER_MS;
            let base = (1_000 << relapses).min(8_000);
            assert!((base * 8 / 10..=(base * 12 / 10).min(8_000)).contains(&ms), "{ms} around {base}");
        }
    }
    let endless = Breaker { cooldown_ms: u64::MAX, cooldown_max_ms: u64::MAX, ..POLICY };
    assert!(open_ns(&endless, 63, u64::MAX) > u64::MAX / 2);
    assert_eq!(open_ns(&Breaker { cooldown_ms: 0, cooldown_max_ms: 0, ..POLICY }, 3, MIDDLE), 0);
}

#[test]
fn a_neutral_end_gives_the_election_back() {
    let seat = open_since(0);
    let probe = elected(&seat, 1_300);
    neutral(&seat, probe, at(1_310));
    assert_eq!(seat.state().0, State::Open);
    elected(&seat, 1_310);
    neutral(&seat, Admission::Pass, at(1_311));
    assert_eq!(seat.state().0, State::Probing);
}

#[test]
fn a_probe_that_never_reports_is_replaced_and_cannot_disturb_its_successor() {
    let seat = open_since(0);
    let lost = elected(&seat, 1_300);
    assert!(matches!(allow(&seat, &POLICY, at(9_299)), Admission::Refused { .. }));
    let next = elected(&seat, 9_300);
    success(&seat, &POLICY, lost, at(9_301));
    failure(&seat, &POLICY, lost, at(9_301), MIDDLE);
    neutral(&seat, lost, at(9_301));
    assert_eq!(seat.state().0, State::Probing);
    success(&seat, &POLICY, next, at(9_302));
    assert_eq!(seat.state().0, State::Closed);
}

#[test]
fn what_began_before_it_opened_changes_nothing() {
    let seat = open_since(0);
    let before = seat.state();
    success(&seat, &POLICY, Admission::Pass, at(10));
    failure(&seat, &POLICY, Admission::Pass, at(10), MIDDLE);
    assert_eq!(seat.state(), before);
}

#[test]
fn a_forced_attempt_heals_and_cannot_harm() {
    let seat = open_since(0);
    let before = seat.state();
    assert!(!failure(&seat, &POLICY, Admission::Forced, at(10), MIDDLE));
    assert_eq!(seat.state(), before);
    success(&seat, &POLICY, Admission::Forced, at(11));
    assert_eq!(seat.state().0, State::Closed);
    // And when it has healed meanwhile, nothing is lost.
    fail(&seat, 12);
    success(&seat, &POLICY, Admission::Forced, at(13));
    assert_eq!(seat.window.sum(&POLICY, at(13)), (1, 2));
}

#[test]
fn threads_elect_exactly_one_probe() {
    const THREADS: usize = 4;
    const ROUNDS: u64 = 2_000;
    let seat = open_since(0);
    let gate = Barrier::new(THREADS);
    let probing = AtomicUsize::new(0);
    let probes = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for round in 1..=ROUNDS {
                    // Far enough apart that every opening has passed, and no probe has lapsed.
                    let now = round * 20_000;
                    gate.wait();
                    if let admission @ Admission::Probe(_) = allow(&seat, &POLICY, at(now)) {
                        assert_eq!(probing.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0, "two probes at once");
                        probes.fetch_add(1, Relaxed);
                        probing.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        failure(&seat, &POLICY, admission, at(now), now);
                    }
                    gate.wait();
                }
            });
        }
    });
    assert_eq!(probes.load(Relaxed) as u64, ROUNDS);
}

#[test]
fn threads_that_fail_together_open_it_once() {
    for round in 0..500 {
        let seat = Seat::default();
        let opened = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..3 {
                        if failure(&seat, &POLICY, Admission::Pass, at(round), MIDDLE) {
                            opened.fetch_add(1, Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(opened.load(Relaxed), 1);
    }
}

fn late(all: u32, in_row: u32) -> Overdue {
    Overdue { all, in_row }
}

#[test]
fn attempts_that_are_overdue_count_as_failures_in_a_row() {
    let seat = Seat::default();
    assert!(!overdue(&seat, &POLICY, late(2, 2), at(5), MIDDLE));
    assert!(!overdue(&seat, &POLICY, late(9, 0), at(5), MIDDLE), "it has been heard of since");
    fail(&seat, 6);
    assert!(overdue(&seat, &POLICY, late(2, 2), at(7), MIDDLE), "with the failure before they are three");
    assert_eq!((seat.state().0, seat.opened()), (State::Open, at(7)));
    assert!(!overdue(&seat, &POLICY, late(9, 9), at(8), MIDDLE), "it opens once");
    let probe = elected(&seat, 1_400);
    assert!(!overdue(&seat, &POLICY, late(9, 9), at(1_401), MIDDLE), "and a probe is left alone");
    success(&seat, &POLICY, probe, at(1_402));
    assert_eq!(seat.state().0, State::Closed);
}

#[test]
fn attempts_that_are_overdue_count_in_the_share() {
    let policy = Breaker { consecutive: 0, ..POLICY };
    let seat = Seat::default();
    for n in 0..9 {
        success(&seat, &policy, Admission::Pass, at(n));
    }
    assert!(!overdue(&seat, &policy, late(9, 0), at(10), MIDDLE), "half is not more than half");
    assert!(overdue(&seat, &policy, late(10, 0), at(10), MIDDLE));
    assert!(!overdue(&Seat::default(), &policy, late(9, 9), at(10), MIDDLE), "not before ten attempts");
}

/// Any order of successes, failures, lapsed probes and looks at what is overdue, on four shards at
/// once: the machine makes only its own moves, and never are there two probes.
#[test]
fn with_overdue_attempts_there_is_one_probe_at_most() {
    for seed in 0..2_000_u64 {
        let mut state = seed;
        let mut roll = |bound: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % bound
        };
        let seat = Seat::default();
        let mut now = 0;
        let mut running: Vec<Admission> = Vec::new();
        let mut probe_lapses = None;
        for _ in 0..200 {
            now += [0, 1, 100, 900, 5_000][roll(5) as usize];
            match roll(4) {
                0 => {
                    let before = seat.state().0;
                    let all = roll(12) as u32;
                    let opened = overdue(&seat, &POLICY, late(all, roll(u64::from(all) + 1) as u32), at(now), roll(u64::MAX));
                    assert!(!opened || before == State::Closed, "seed {seed}");
                    assert_eq!(seat.state().0, if opened { State::Open } else { before }, "seed {seed}");
                }
                1 | 2 => match allow(&seat, &POLICY, at(now)) {
                    Admission::Refused { .. } => {}
                    admission @ Admission::Probe(_) => {
                        assert!(probe_lapses.is_none_or(|lapses| now >= lapses), "seed {seed}: two probes at once");
                        probe_lapses = Some(now + POLICY.cooldown_max_ms);
                        running.push(admission);
                    }
                    admission => running.push(admission),
                },
                _ if running.is_empty() => {}
                _ => {
                    let admission = running.swap_remove(roll(running.len() as u64) as usize);
                    let current = matches!(admission, Admission::Probe(Ticket(ticket)) if seat.word.load(Acquire) == ticket);
                    match roll(3) {
                        0 => success(&seat, &POLICY, admission, at(now)),
                        1 => neutral(&seat, admission, at(now)),
                        _ => drop(failure(&seat, &POLICY, admission, at(now), roll(u64::MAX))),
                    }
                    if current {
                        probe_lapses = None;
                        assert_ne!(seat.state().0, State::Probing, "seed {seed}: its probe has ended");
                    }
                }
            }
        }
    }
}

#[test]
fn slow_answers_open_it_when_they_are_too_many() {
    let policy = Breaker { slow_ms: 500, ..POLICY };
    let seat = Seat::default();
    let timed = |seat: &Seat, ms, now| timed(seat, &policy, ms * NS_PER_MS, at(now), MIDDLE);
    // Two of ten are quick.
    let opened: Vec<bool> = (0..10).map(|n| timed(&seat, if n < 2 { 500 } else { 501 }, n)).collect();
    assert_eq!(opened, [vec![false; 9], vec![true]].concat());
    assert_eq!((seat.state().0, seat.opened()), (State::Open, at(9)));
    assert!(!timed(&seat, 900, 10), "what began before says what is known");
    let probe = elected(&seat, 1_300);
    success(&seat, &policy, probe, at(1_301));
    assert!((0..9).all(|n| !timed(&seat, 900, 1_302 + n)), "and nothing of the past is held against it");
    // Three of ten are quick, and those that are slow fall out of the window.
    let seat = Seat::default();
    assert!((0..40).all(|n| !timed(&seat, if n % 10 < 3 { 1 } else { 900 }, n)));
    assert!((0..9).all(|n| !timed(&seat, 900, 20_000 + n)));
    assert!(timed(&seat, 900, 20_010));
}

#[test]
fn nothing_is_slow_where_nobody_said_so() {
    let seat = Seat::default();
    assert!((0..100).all(|n| !timed(&seat, &POLICY, u64::MAX, at(n), MIDDLE)));
    assert_eq!(seat.answers.sum(&POLICY, at(100)), (0, 0));
}

#[test]
fn half_a_failure_counts_half_in_the_share_and_never_in_a_row() {
    let seat = Seat::default();
    // Nothing but halves: exactly half, which is not more than half.
    assert!((0..100).all(|n| !half_failure(&seat, &POLICY, Admission::Pass, at(n), MIDDLE)));
    assert_eq!((seat.state().0, seat.window.sum(&POLICY, at(100))), (State::Closed, (100, 100)));
    assert!(fail(&seat, 101), "and a whole one more is more than half");
    // Two between them break no row, and make none.
    let seat = Seat::default();
    fail(&seat, 0);
    half_failure(&seat, &POLICY, Admission::Pass, at(1), MIDDLE);
    fail(&seat, 2);
    half_failure(&seat, &POLICY, Admission::Pass, at(3), MIDDLE);
    assert!(fail(&seat, 4));
    // Against successes they weigh half: 40 % is exceeded by nine of ten, and not by eight.
    let policy = Breaker { consecutive: 0, failure_permille: 400, ..POLICY };
    for (halves, expected) in [(8, false), (9, true)] {
        let seat = Seat::default();
        (halves..10).for_each(|n| success(&seat, &policy, Admission::Pass, at(n)));
        assert_eq!((0..halves).any(|n| half_failure(&seat, &policy, Admission::Pass, at(n), MIDDLE)), expected);
    }
}

#[test]
fn a_probe_that_half_fails_gives_the_election_back() {
    let seat = open_since(0);
    let probe = elected(&seat, 1_300);
    assert!(!half_failure(&seat, &POLICY, probe, at(1_310), MIDDLE));
    assert_eq!(seat.state().0, State::Open);
    elected(&seat, 1_310);
    assert!(!half_failure(&seat, &POLICY, Admission::Forced, at(1_311), MIDDLE));
    assert_eq!(seat.state().0, State::Probing);
}

#[test]
fn whoever_comes_back_is_given_its_load_by_and_by() {
    let seat = Seat::default();
    assert_eq!(seat.warmth(30_000, at(0)), WARMTH_FULL);
    let seat = open_since(0);
    let probe = elected(&seat, 1_300);
    success(&seat, &POLICY, probe, at(2_000));
    let warmths: Vec<u32> = [2_000, 4_000, 5_000, 17_000, 31_999, 32_000, 90_000].map(|ms| seat.warmth(30_000, at(ms))).to_vec();
    assert_eq!(warmths, [100, 100, 100, 500, 999, 1_000, 1_000]);
    assert_eq!(seat.warmth(0, at(2_000)), WARMTH_FULL, "it is switched off");
    assert_eq!(seat.warmth(30_000, at(1_999)), WARMTH_MIN, "a clock that was read a moment earlier");
    seat.reset();
    assert_eq!(seat.warmth(30_000, at(2_000)), WARMTH_FULL, "the operator's word counts at once");
}

#[test]
fn an_open_breaker_says_why_and_its_successors_as_well() {
    let cause = |seat: &Seat| seat.cause().map(Cause::word);
    let seat = open_since(0);
    assert_eq!(cause(&seat), Some("consecutive"));
    // The election changes nothing of it, nor does a probe that learns nothing.
    let probe = elected(&seat, 1_300);
    assert_eq!(cause(&seat), Some("consecutive"));
    neutral(&seat, probe, at(1_301));
    assert_eq!(cause(&seat), Some("consecutive"));
    let probe = elected(&seat, 1_302);
    assert!(failure(&seat, &POLICY, probe, at(1_303), MIDDLE));
    assert_eq!((cause(&seat), seat.relapses()), (Some("probe_failed"), 1));
    let probe = elected(&seat, 9_000);
    success(&seat, &POLICY, probe, at(9_001));
    assert_eq!(cause(&seat), None);

    let by = |event: &dyn Fn(&Seat) -> bool| {
        let seat = Seat::default();
        assert!((0..40).any(|_| event(&seat)), "it opens");
        cause(&seat)
    };
    let rate = Breaker { consecutive: 0, ..POLICY };
    let slow = Breaker { slow_ms: 100, ..POLICY };
    assert_eq!(by(&|seat| failure(seat, &rate, Admission::Pass, at(1), MIDDLE)), Some("failure_rate"));
    let half = Breaker { failure_permille: 400, ..rate };
    assert_eq!(by(&|seat| half_failure(seat, &half, Admission::Pass, at(1), MIDDLE)), Some("useless_answers"));
    assert_eq!(by(&|seat| timed(seat, &slow, 200 * NS_PER_MS, at(1), MIDDLE)), Some("slow"));
    assert_eq!(by(&|seat| overdue(seat, &POLICY, late(5, 5), at(1), MIDDLE)), Some("overdue"));
}

#[test]
fn a_word_loses_nothing() {
    let far = Moment::START.plus_ms(100 * 365 * 86_400_000);
    for &cause in Cause::ALL {
        let word = Word::new(State::Probing, 63, far, cause);
        assert_eq!((word.state(), word.relapses(), word.until(), word.cause()), (State::Probing, 63, far, cause));
    }
}

#[test]
fn the_time_is_up_at_its_last_moment() {
    let seat = open_since(0);
    let (_, until) = seat.state();
    assert_eq!(seat.peek(Moment(until.0 - 1)), Peek::Refuses { until });
    assert_eq!(seat.peek(until), Peek::Elects);
    // However short the policy has it, a probe is given its time.
    let hasty = Breaker { cooldown_ms: 1, cooldown_max_ms: 10, ..POLICY };
    assert!(matches!(allow(&seat, &hasty, until), Admission::Probe(_)));
    assert!(matches!(allow(&seat, &hasty, until.plus_ms(PROBE_MS_MIN - 1)), Admission::Refused { .. }));
    assert!(matches!(allow(&seat, &hasty, until.plus_ms(PROBE_MS_MIN)), Admission::Probe(_)));
}

#[test]
fn the_operators_word_forgets_what_was_counted() {
    let seat = Seat::default();
    fail(&seat, 0);
    fail(&seat, 1);
    seat.reset();
    assert_eq!(seat.window.sum(&POLICY, at(2)), (0, 0));
    assert!(!fail(&seat, 2) && !fail(&seat, 3) && fail(&seat, 4));
}

#[test]
fn who_is_just_not_slow_is_quick_and_opens_nothing() {
    let policy = Breaker { slow_ms: 500, ..POLICY };
    let seat = Seat::default();
    assert!((0..40).all(|n| !timed(&seat, &policy, 500 * NS_PER_MS, at(n), MIDDLE)));
    // Nine of ten are slow, and the last one is not: it is no reason to leave the target.
    let seat = Seat::default();
    assert!((0..9).all(|n| !timed(&seat, &policy, 501 * NS_PER_MS, at(n), MIDDLE)));
    assert!(!timed(&seat, &policy, 500 * NS_PER_MS, at(9), MIDDLE));
    assert!(timed(&seat, &policy, 501 * NS_PER_MS, at(10), MIDDLE));
}

#[test]
fn a_probe_that_failed_opens_it_anew_and_is_remembered() {
    let seat = open_since(0);
    let probe = elected(&seat, 1_300);
    assert!(failure(&seat, &POLICY, probe, at(1_310), MIDDLE));
    assert_eq!((seat.opened(), seat.relapses()), (at(1_310), 1));
    let probe = elected(&seat, 4_000);
    neutral(&seat, probe, at(4_001));
    assert_eq!((seat.opened(), seat.relapses()), (at(1_310), 1), "nothing was learned");
}

#[test]
fn failures_of_before_are_no_news_when_the_policy_becomes_stricter() {
    let seat = Seat::default();
    fail(&seat, 0);
    fail(&seat, 1);
    let strict = Breaker { consecutive: 2, ..POLICY };
    assert!(!overdue(&seat, &strict, late(1, 0), at(2), MIDDLE), "it has been heard of since");
    assert!(overdue(&seat, &strict, late(1, 1), at(3), MIDDLE));
}

#[test]
fn counts_neither_overflow_nor_end_with_the_clock() {
    let seat = Seat::default();
    // More than there are bits for, in one half-window.
    (0..2_200_000).for_each(|_| seat.window.count(&POLICY, at(1), Part::Whole));
    let (attempts, halves) = seat.window.sum(&POLICY, at(1));
    assert!(attempts > 2_000_000 && halves == attempts * 2, "{attempts} {halves}");
    // A year later half-windows have come round more than once.
    let year = 365 * 86_400_000;
    assert!(!fail(&seat, year) && !fail(&seat, year) && fail(&seat, year));
    assert_eq!(seat.window.sum(&POLICY, at(year)), (3, 6));
    let none = Breaker { window_ms: 0, consecutive: 0, ..POLICY };
    assert!(!failure(&Seat::default(), &none, Admission::Pass, at(5), MIDDLE), "a window of no length counts one moment");
}
