use super::*;

/// Milliseconds since 1970 of noon on a day since 2020.
fn noon(day: Day) -> u64 {
    (u64::from(day) + EPOCH_DAYS) * DAY_MS + DAY_MS / 2
}

#[test]
fn periods_are_the_calendars() {
    // By `date -u -d @…`: 2026-11-22 is a Sunday.
    let now = 1_795_305_600_000;
    let check = |per: Per, ms: u64, start_ms: u64, end_ms: u64| {
        let period = per.period(ms);
        let start = (u64::from(period.start) + EPOCH_DAYS) * DAY_MS;
        assert_eq!((start, period.end_ms()), (start_ms, end_ms), "{per:?} of {ms}");
    };
    let day = |days: u64| days * DAY_MS;
    let today = now / DAY_MS;
    assert_eq!(today, 20_779);
    check(Per::Day, now, day(today), day(today + 1));
    let monday = today - 6;
    check(Per::Week, now, day(monday), day(monday + 7));
    check(Per::Week, day(monday), day(monday), day(monday + 7));
    check(Per::Week, day(monday) - 1, day(monday - 7), day(monday));
    // February of leap years and of others: 2024-02-01 is day 19754, 2025-02-01 is day 20120.
    check(Per::Month, day(19_754), day(19_754), day(19_754 + 29));
    check(Per::Month, day(20_120), day(20_120), day(20_120 + 28));
    check(Per::Month, day(20_120) - 1, day(20_120 - 31), day(20_120));
}

#[test]
fn periods_follow_one_another_without_gaps() {
    for per in [Per::Day, Per::Week, Per::Month] {
        let mut before = per.period(0);
        assert_eq!(before.start, 0, "a clock that was never set is at the beginning");
        for today in 0..16_000 {
            let period = per.period(noon(today));
            assert!(period.start <= period.today && period.today < period.end && period.today == today, "{per:?} {period:?}");
            let follows = period.start == before.start && period.end == before.end || period.start == before.end;
            assert!(follows, "{per:?}: {before:?} and {period:?}");
            before = period;
        }
        assert!(per.period(u64::MAX).end <= DAY_MAX);
    }
}

#[test]
fn a_threshold_is_a_share() {
    let budget = Budget { limit: Money::of_usd(500.0), per: Per::Month, at_permille: 800, then: None };
    assert_eq!(budget.threshold(), Money::of_usd(400.0));
}
