//! A histogram as the text that HdrHistogram's own tools print and read (`.hgrm`).
//!
//! The columns are Value, Percentile, TotalCount and 1/(1-Percentile), values in microseconds with
//! three digits behind the point, so that no nanosecond is lost.

use hdrhistogram::Histogram;
use std::fmt::Write;

/// Steps in each half of what is left to 100 %; five is what other tools use.
const TICKS: u32 = 5;

/// One row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Row {
    /// No value of this share is greater, in microseconds.
    pub(crate) value_us: f64,
    pub(crate) share: f64,
    /// Values up to this one.
    pub(crate) count: u64,
}

/// The rows of a histogram of nanoseconds.
pub(crate) fn rows(histogram: &Histogram<u64>) -> Vec<Row> {
    let mut count = 0;
    let each = histogram.iter_quantiles(TICKS).map(|step| {
        count += step.count_since_last_iteration();
        Row { value_us: step.value_iterated_to() as f64 / 1e3, share: step.quantile_iterated_to(), count }
    });
    each.collect()
}

/// The text.
pub(crate) fn text(histogram: &Histogram<u64>) -> String {
    let mut text = format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    for row in rows(histogram) {
        // The last one has no distance to 100 % that it could be divided by.
        let inverse = if row.share < 1.0 { format!(" {:>14.2}", 1.0 / (1.0 - row.share)) } else { String::new() };
        line(&mut text, format_args!("{:>12.3} {:.12} {:>10}{inverse}", row.value_us, row.share, row.count));
    }
    // The bit length tells how many sub-buckets three digits need.
    let sub_buckets = 2_u64 * 10_u64.pow(u32::from(histogram.sigfig()));
    line(&mut text, format_args!("#[Mean    = {:>12.3}, StdDeviation   = {:>12.3}]", histogram.mean() / 1e3, histogram.stdev() / 1e3));
    line(&mut text, format_args!("#[Max     = {:>12.3}, Total count    = {:>12}]", histogram.max() as f64 / 1e3, histogram.len()));
    line(&mut text, format_args!("#[Buckets = {:>12}, SubBuckets     = {:>12}]", histogram.buckets(), sub_buckets.next_power_of_two()));
    text
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    writeln!(text, "{arguments}").expect("a string takes everything");
}

#[cfg(test)]
mod tests {
    use super::{rows, text};
    use hdrhistogram::Histogram;

    fn thousand() -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, 600_000_000_000, 3).expect("bounds in order");
        (1..=1_000_u64).for_each(|micros| histogram.record(micros * 1_000).expect("within the bounds"));
        histogram
    }

    #[test]
    fn rows_rise_to_the_greatest_value_and_all_of_the_count() {
        let rows = rows(&thousand());
        assert!(rows.windows(2).all(|pair| pair[0].share <= pair[1].share && pair[0].count <= pair[1].count));
        let last = rows.last().expect("values were recorded");
        assert_eq!((last.share, last.count), (1.0, 1_000));
        assert!((last.value_us / 1_000.0 - 1.0).abs() < 0.001, "{last:?}");
        let half = rows.iter().find(|row| row.share == 0.5).expect("a half is a step");
        assert!((half.value_us / 500.0 - 1.0).abs() < 0.001, "{half:?}");
    }

    #[test]
    fn the_text_has_the_columns_and_the_footer_of_other_tools() {
        let text = text(&thousand());
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("       Value     Percentile TotalCount 1/(1-Percentile)"));
        assert_eq!(lines.next(), Some(""));
        let half = text.lines().find(|line| line.contains(" 0.500000000000 ")).expect("a half");
        assert_eq!(half.split_whitespace().nth(3), Some("2.00"));
        let last = text.lines().find(|line| line.contains(" 1.000000000000 ")).expect("the whole");
        assert_eq!(last.split_whitespace().count(), 3, "{last}");
        assert!(text.contains("#[Mean    =") && text.contains("Total count    =         1000]"), "{text}");
        assert!(text.contains("SubBuckets     =         2048]"), "{text}");
        assert!(!super::text(&Histogram::new(3).expect("three digits")).contains("NaN"));
    }
}
