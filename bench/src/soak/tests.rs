//! What is said of memory and of what is left over.

use super::{LEVELS, Sample, Seen, growth, judged, nothing_left};

fn samples(mb_per_hour: f64, from: u64) -> Vec<Sample> {
    let one = |second: u64| {
        let settling = if second < from { 1e6 * second as f64 } else { 1e6 * from as f64 };
        let grown = mb_per_hour * 1e6 * second as f64 / 3_600.0;
        Sample { at_s: second as f64, rss_bytes: (40e6 + settling + grown) as u64, daemon_bytes: 0, files: 20 }
    };
    (1..=600).map(one).collect()
}

#[test]
fn what_happens_while_it_settles_is_no_growth() {
    let (said, failed) = judged(growth(&samples(0.0, 100), |sample| sample.rss_bytes));
    assert!(said.starts_with("flat: +0.00 MB per hour") && !failed, "{said}");
    let (said, failed) = judged(growth(&samples(30.0, 100), |sample| sample.rss_bytes));
    assert!(said.starts_with("grows by 30.00 MB per hour") && failed, "{said}");
    let (said, failed) = judged(growth(&samples(0.5, 0), |sample| sample.rss_bytes));
    assert!(said.starts_with("flat: +0.50") && !failed, "{said}");
    assert_eq!(judged(growth(&samples(0.0, 0)[..8], |sample| sample.rss_bytes)), ("no trend of so few samples".to_owned(), false));
}

#[test]
fn whatever_is_left_over_is_told() {
    let seen = |files: (usize, usize), level: f64| Seen {
        given: Vec::new(),
        hung_up: (0, 0),
        reloads_ms: Vec::new(),
        samples: Vec::new(),
        files,
        levels: vec![0.0, 0.0, level],
        counters: Vec::new(),
        idle_upstream: (64.0, 70.0),
    };
    assert_eq!(LEVELS.len(), 3);
    assert!(nothing_left(&seen((30, 30), 0.0)) && nothing_left(&seen((30, 29), 0.0)));
    assert!(!nothing_left(&seen((30, 31), 0.0)));
    assert!(!nothing_left(&seen((30, 30), 65_536.0)));
}
