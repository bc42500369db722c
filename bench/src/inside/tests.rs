//! What is said of what was counted.

use super::{Counted, Found, Saturation, bewares, cell, figures, goal, saturation, spread};
use crate::{records, tally::Tally, through::Upstream};
use serde_json::{Value, json};
use std::time::Duration;

fn page(name: &str, counts: [u64; 3]) -> String {
    let bucket = |bound: &str, count: u64| format!("throwover_{name}_seconds_bucket{{le=\"{bound}\"}} {count}\n");
    bucket("0.00001", counts[0]) + &bucket("0.0001", counts[1]) + &bucket("+Inf", counts[2])
}

fn meters(p99_ns: u64) -> Value {
    json!({"switch_p50_ns": 9_000, "switch_p99_ns": p99_ns, "switch_max_ns": 250_000})
}

fn found(p99_ns: u64) -> Found {
    let empty = std::env::temp_dir().join(format!("throwover-bench-inside-{p99_ns}-{}", std::process::id()));
    std::fs::write(&empty, "").expect("a folder for temporary files");
    let records = records::read(&empty, 0).expect("nothing");
    std::fs::remove_file(empty).expect("it was made above");
    let pages = [page("switch", [1, 1, 1]), page("switch", [10, 100, 101])];
    Found {
        upstream: Upstream::Plain,
        saturation: Saturation { rounds: vec![10.0], busy: 1.0, per_second: 10.0 },
        rate: 5.0,
        tally: Tally::new(),
        elapsed: Duration::from_secs(1),
        unanswered: 0,
        records,
        spreads: vec![spread("switch", "switch", [&pages[0], &pages[1]], &meters(p99_ns)).expect("it goes on")],
        counted: Counted { dropped: 0, breakers_open: 0, fallbacks: 0 },
    }
}

#[test]
fn points_come_from_the_finest_source_there_is() {
    let found = found(42_500);
    let spread = &found.spreads[0];
    assert_eq!(spread.buckets.count(), 100);
    assert_eq!(cell(spread, "p50", 0.5), "9.00");
    assert_eq!(cell(spread, "p90", 0.9), "10.0..100");
    assert_eq!(cell(spread, "p99", 0.99), "42.5");
    assert_eq!(cell(spread, "max", 1.0), "250");
    assert_eq!(figures(&found)["spreads"]["switch_histogram"]["p99_us"], 42.5);
}

#[test]
fn a_goal_is_met_or_missed() {
    assert!(goal(&found(42_500)).contains("switch met, 42.5 us"));
    assert!(goal(&found(100_000)).contains("switch missed, 100 us"));
    let mut nothing = found(1);
    nothing.spreads.clear();
    assert!(goal(&nothing).contains("nothing switched"));
}

#[test]
fn what_takes_from_the_worth_is_said() {
    let mut found = found(1);
    assert_eq!(bewares(&found), [""; 0]);
    found.counted = Counted { dropped: 2, breakers_open: 1, fallbacks: 0 };
    found.tally.answers = 3;
    found.unanswered = 4;
    let said = bewares(&found).join("; ");
    for part in ["2 records were dropped", "a breaker opened", "4 requests had no answer", "3 answers are not"] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_load_that_is_the_limit_is_reckoned_with() {
    assert_eq!(saturation(vec![100.0, 300.0, 200.0], 0.99).per_second, 200.0);
    assert_eq!(saturation(vec![100.0, 300.0, 200.0], 0.5).per_second, 400.0);
}

#[test]
fn a_histogram_that_does_not_go_on_is_an_error() {
    let (before, after) = (page("switch", [2, 2, 2]), page("switch", [1, 3, 4]));
    assert!(spread("switch", "switch", [&before, &after], &meters(1)).is_err());
    assert!(spread("switch", "switch", [&before, &before], &json!({})).is_err());
}
