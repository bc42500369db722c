//! The page of runs that were made up: nothing is fetched, nothing is executed, everything is there.

use super::page;
use crate::{intervals::Second, marks, outcome::Outcome};
use hdrhistogram::Histogram;
use serde_json::json;

fn outcome(name: &str, factor: u64) -> Outcome {
    let mut latency = Histogram::new_with_bounds(1, 600_000_000_000, 3).expect("bounds in order");
    (1..=10_000_u64).for_each(|value| latency.record(value * 1_000 * factor).expect("within the bounds"));
    let second = |at: u32, answers, errors| Second {
        at_s: f64::from(at),
        length_s: 1.0,
        answers,
        errors,
        p50_us: 500.0,
        p99_us: 900.0,
        max_us: 5_000.0,
    };
    Outcome {
        folder: "runs/one".into(),
        figures: json!({
            "name": name, "begun_unix_s": 1_700_000_000.0, "through": {"through": "throwover"}, "machine": {"processor": name},
            "figures": {"answers_per_second": 1234.0, "errors": {"cut": 2, "status 503": 3}, "warning": "<i>late</i>"},
        }),
        seconds: vec![second(0, 100, 0), second(1, 0, 5), second(2, 90, 0), second(3, 100, 0)],
        histograms: [("latency".to_owned(), latency)].into(),
    }
}

#[test]
fn a_page_has_every_run_and_fetches_nothing() {
    let folder = std::env::temp_dir().join(format!("throwover-bench-report-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for temporary files");
    let file = folder.join("marks");
    std::fs::write(&file, "1..2 <script>alert(1)</script>\n@1700000003 by the clock\n900 beyond the end\n").expect("writable");
    let marks = marks::read(&file).expect("marks");
    std::fs::remove_dir_all(&folder).expect("it was made above");
    let page = page(&[outcome("<script>x</script>", 1), outcome("other & \"b\"", 2)], &marks);
    assert!(!page.contains("<script") && !page.contains("<i>"), "a text became markup");
    for foreign in ["http://", "https://", "src=", "href=", "url(", "@import"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert!(page.contains("default-src 'none'"));
    assert!(page.contains("by the clock") && page.contains("alert(1)") && !page.contains("beyond the end"));
    assert!(page.contains("99.99 %") && page.contains("These runs are of different machines"));
    // One spread of two runs, and two strips.
    assert_eq!(page.matches("<svg").count(), 3);
    assert_eq!(page.matches("class=\"errors\"").count(), 2);
    assert!(page.contains(">5</td>") && page.contains("1234"));
    // A second without an answer: three lines, each in a dot and a line, in both strips.
    assert_eq!((page.matches("<circle").count(), page.matches("<polyline").count()), (6, 2 + 6));
}

#[test]
fn a_run_without_answers_is_told_as_such() {
    let mut empty = outcome("empty", 1);
    empty.histograms.clear();
    empty.seconds.iter_mut().for_each(|second| second.answers = 0);
    let page = page(&[empty], &[]);
    assert!(page.contains("empty: no answer."));
    assert_eq!(page.matches("<svg").count(), 0);
}
