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
