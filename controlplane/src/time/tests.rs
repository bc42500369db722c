use super::*;
use std::time::Duration;

#[test]
fn days() {
    let table = [
        (0, "1970-01-01"),
        (951_782_400, "2000-02-29"),
        (1_767_225_599, "2025-12-31"),
        (1_795_132_800, "2026-11-20"),
        (4_107_542_400, "2100-03-01"),
    ];
    for (seconds, expected) in table {
        assert_eq!(date(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
    }
    assert_eq!(stamp(UNIX_EPOCH + Duration::from_secs(86_399)), "1970-01-01T23:59:59Z");
    assert_eq!(clock_us(3_723_004_000), "01:02:03.004");
}

#[test]
fn durations() {
    let table = [(999, "999 ms"), (4_250, "4.2 s"), (61_000, "1 min 1 s"), (7_260_000, "2 h 1 min"), (273_600_000, "3 d 4 h")];
    for (ms, expected) in table {
        assert_eq!(words(ms), expected);
    }
}

#[test]
fn days_are_counted_as_they_are_written() {
    for number in (0..40_000).step_by(13) {
        let day = date(std::time::UNIX_EPOCH + std::time::Duration::from_secs(number * 86_400));
        assert_eq!(super::days(&day), Some(number as i64), "{day}");
    }
    for wrong in
        ["", "2026", "2026-1-01", "2026-13-01", "2026-00-10", "2026-01-32", "20-26-01-01", "2026-01-01-01", "x026-01-01", "1969-12-31"]
    {
        assert_eq!(super::days(wrong), None, "{wrong}");
    }
}
