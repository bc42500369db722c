//! A spread as text: how many values lie between which times, with a bar for each.

use crate::tally::Times;
use std::fmt::Write;

/// Characters of the longest bar.
const WIDTH: f64 = 40.0;
/// Steps of ten times: a preferred-number series, so that neighbours differ by about a third.
const SERIES: [f64; 8] = [1.0, 1.3, 1.8, 2.4, 3.2, 4.2, 5.6, 7.5];
/// Ten times the first step for so many rows at most; what is beyond goes into one more.
const ROWS_MAX: usize = 24;
/// Rows begin and end where this share of the values lies beyond.
const BEYOND: f64 = 0.001;

/// One row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Row {
    /// In microseconds; the first row begins at 0, the last one ends at the longest time.
    pub(crate) from_us: f64,
    pub(crate) to_us: f64,
    pub(crate) count: u64,
}

/// The largest step that is no more than `us`, by its number.
fn step_below(us: f64) -> i32 {
    let mut step = -1;
    while edge(step + 1) <= us {
        step += 1;
    }
    step
}

/// The time of a step: 0.1 us, 0.13 us and so on.
fn edge(step: i32) -> f64 {
    let series = SERIES.len() as i32;
    SERIES[step.rem_euclid(series) as usize] * 10_f64.powi(step.div_euclid(series) - 1)
}

/// The rows of a spread; none without values.
pub(crate) fn rows(times: &Times) -> Vec<Row> {
    if times.count() == 0 {
        return Vec::new();
    }
    let (first, last) = (step_below(times.at(BEYOND)).max(0), step_below(times.at(1.0 - BEYOND)).max(0));
    let last = last.min(first + ROWS_MAX as i32 - 1);
    let mut rows: Vec<Row> = (first..=last).map(|step| Row { from_us: edge(step), to_us: edge(step + 1), count: 0 }).collect();
    let longest = times.at(1.0);
    rows[0].from_us = 0.0;
    rows.push(Row { from_us: edge(last + 1), to_us: longest.max(edge(last + 1)), count: 0 });
    for bar in times.histogram().iter_recorded() {
        let us = bar.value_iterated_to() as f64 / 1e3;
        let index = rows.iter().position(|row| us < row.to_us).unwrap_or(rows.len() - 1);
        rows[index].count += bar.count_at_value();
    }
    if rows.last().is_some_and(|row| row.count == 0) {
        rows.pop();
    }
    rows
}

/// The rows as lines.
pub(crate) fn text(times: &Times) -> String {
    let rows = rows(times);
    let most = rows.iter().map(|row| row.count).max().unwrap_or(0).max(1) as f64;
    let mut text = String::new();
    for row in &rows {
        let bar = (row.count as f64 / most * WIDTH).round() as usize;
        // What is there at all is seen.
        let bar = if row.count > 0 { bar.max(1) } else { bar };
        let share = row.count as f64 / times.count() as f64 * 100.0;
        let line = format!("{:>8} .. {:>8} us {share:>7.3} %  {}", digits(row.from_us), digits(row.to_us), "#".repeat(bar));
        writeln!(text, "{}", line.trim_end()).expect("a string takes everything");
    }
    text
}

/// A time with about three digits.
pub(crate) fn digits(us: f64) -> String {
    match us {
        us if us == 0.0 || us >= 100.0 => format!("{us:.0}"),
        us if us >= 10.0 => format!("{us:.1}"),
        us => format!("{us:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{digits, edge, rows, step_below, text};
    use crate::tally::Times;

    #[test]
    fn steps_are_a_series() {
        assert!((0..200).all(|step| edge(step) < edge(step + 1)));
        for us in [0.1, 1.0, 13.0, 99.0, 1e6] {
            let step = step_below(us);
            assert!(edge(step) <= us && us < edge(step + 1), "{us}");
        }
        assert_eq!([digits(0.0), digits(1.8), digits(42.0), digits(1_300.0)], ["0", "1.80", "42.0", "1300"]);
    }

    #[test]
    fn every_value_is_in_one_row() {
        let mut times = Times::new();
        assert_eq!(text(&times), "");
        for us in 1..=1_000_u64 {
            times.record(us * 1_000);
        }
        times.record(9_000_000_000);
        let found = rows(&times);
        assert_eq!(found.iter().map(|row| row.count).sum::<u64>(), 1_001);
        assert_eq!(found[0].from_us, 0.0);
        assert!(found.windows(2).all(|pair| pair[0].to_us == pair[1].from_us), "{found:?}");
        let last = found.last().expect("rows");
        assert_eq!(last.count, 1, "{found:?}");
        assert!(last.to_us >= 9e6);
        assert_eq!(text(&times).lines().count(), found.len());
        assert!(text(&times).lines().all(|line| line.contains('#') || line.contains(" 0.000 %")));
    }

    #[test]
    fn one_value_is_one_row() {
        let mut times = Times::new();
        times.record(20_000);
        let found = rows(&times);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].count, 1);
    }
}
