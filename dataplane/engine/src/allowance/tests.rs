use super::*;
use crate::moment::NS_PER_MS;

const SECOND: u64 = 1_000 * NS_PER_MS;

fn rate(units: u64) -> Rate {
    Rate::per_minute(units).unwrap()
}

/// An hour after the machine started: nothing has been taken since.
const NOW: Moment = Moment(3_600 * SECOND);

#[test]
fn a_minutes_worth_may_be_taken_at_once_and_then_as_it_is_earned() {
    let (allowance, rate) = (Allowance::default(), rate(600));
    for taken in 1..=600 {
        assert_eq!(allowance.take(rate, 1, NOW).unwrap().units, 600 - taken);
    }
    assert_eq!(allowance.take(rate, 1, NOW), Err(Spent::For(SECOND / 10)));
    // What was refused took nothing.
    assert_eq!(allowance.take(rate, 1, NOW), Err(Spent::For(SECOND / 10)));
    let soon = NOW.plus_ms(100);
    assert_eq!(allowance.take(rate, 1, soon).unwrap(), Left { units: 0, full_in_ns: BURST_NS });
    assert!(allowance.take(rate, 1, soon).is_err());
    assert_eq!(allowance.left(rate, soon.plus_ms(60_000)), Left { units: 600, full_in_ns: 0 });
}

#[test]
fn over_a_long_time_no_more_goes_through_than_the_rate_and_one_burst() {
    for units in [1, 7, 60, 599, 100_000] {
        let (allowance, rate) = (Allowance::default(), rate(units));
        let (mut through, step) = (0, SECOND / 7);
        let minutes = 10;
        for tick in 0..minutes * 60 * 7 {
            let now = NOW.plus_ns(tick * step);
            while allowance.take(rate, 1, now).is_ok() {
                through += 1;
            }
        }
        let most = units * (minutes + 1);
        assert!(through <= most && through + units / 100 + 2 >= most, "{through} of {most}");
    }
}

#[test]
fn more_than_a_minute_brings_is_told_apart_from_not_yet() {
    let allowance = Allowance::default();
    assert_eq!(allowance.take(rate(1_000), 1_001, NOW), Err(Spent::TooMuch));
    assert_eq!(allowance.left(rate(1_000), NOW).units, 1_000);
    assert!(allowance.take(rate(1_000), 1_000, NOW).is_ok());
    assert_eq!(allowance.take(rate(1_000), u64::MAX, NOW), Err(Spent::TooMuch));
}

#[test]
fn an_estimate_is_put_right() {
    let (allowance, rate) = (Allowance::default(), rate(60_000));
    allowance.take(rate, 10_000, NOW).unwrap();
    allowance.settle(rate, 10_000, 4_000, NOW);
    assert_eq!(allowance.left(rate, NOW).units, 56_000);
    // Nothing came of the request: all of it comes back.
    allowance.settle(rate, 4_000, 0, NOW);
    assert_eq!(allowance.left(rate, NOW).units, 60_000);
    // More than there was is owed.
    allowance.settle(rate, 0, 90_000, NOW);
    assert_eq!(allowance.left(rate, NOW).units, 0);
    assert_eq!(allowance.take(rate, 1, NOW), Err(Spent::For(30 * SECOND + rate.time_for(1))));
}

#[test]
fn another_limit_counts_at_once_and_what_was_taken_stays_taken() {
    let allowance = Allowance::default();
    allowance.take(rate(600), 300, NOW).unwrap();
    allowance.change(rate(600), rate(6_000), NOW);
    assert_eq!(allowance.left(rate(6_000), NOW).units, 5_700);
    allowance.change(rate(6_000), rate(60), NOW);
    assert_eq!(allowance.left(rate(60), NOW), Left { units: 0, full_in_ns: BURST_NS });
    allowance.reset();
    assert_eq!(allowance.left(rate(60), NOW).units, 60);
}

#[test]
fn shards_that_take_at_once_never_take_more_than_there_is() {
    let (allowance, rate) = (Allowance::default(), rate(10_000));
    let taken: usize = std::thread::scope(|scope| {
        let shard = || (0..10_000).filter(|_| allowance.take(rate, 1, NOW).is_ok()).count();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(shard)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(taken, 10_000);
}

#[test]
fn no_limit_is_no_rate() {
    assert_eq!(Rate::per_minute(0), None);
}

#[test]
fn what_is_owed_is_owed_from_now_on() {
    // Nothing was ever taken: what is used beyond an estimate does not vanish in the past.
    let (allowance, rate) = (Allowance::default(), rate(60_000));
    allowance.settle(rate, 0, 30_000, NOW);
    assert_eq!(allowance.left(rate, NOW).units, 30_000);
}
