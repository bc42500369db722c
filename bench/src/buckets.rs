//! A histogram of the gateway's metrics page: what was counted between two readings of it, and
//! between which bounds a share of that lies.

/// One reading, or the difference of two.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Buckets {
    /// Upper bounds in seconds, ascending; the last one is infinite.
    bounds: Vec<f64>,
    /// Values up to each bound: ascending as well.
    counts: Vec<u64>,
    sum: f64,
}

impl Buckets {
    /// Reads a histogram by its name without prefix; `None` when it is not there, or makes no sense.
    pub(crate) fn read(page: &str, name: &str) -> Option<Buckets> {
        let (bucket, sum) = (format!("throwover_{name}_bucket{{le=\""), format!("throwover_{name}_sum "));
        let mut read = Buckets { bounds: Vec::new(), counts: Vec::new(), sum: 0.0 };
        for line in page.lines() {
            if let Some(rest) = line.strip_prefix(&bucket) {
                let (bound, count) = rest.split_once("\"} ")?;
                read.bounds.push(if bound == "+Inf" { f64::INFINITY } else { bound.parse().ok()? });
                read.counts.push(count.trim().parse().ok()?);
            } else if let Some(rest) = line.strip_prefix(&sum) {
                read.sum = rest.trim().parse().ok()?;
            }
        }
        let ascending = read.bounds.windows(2).all(|pair| pair[0] < pair[1]) && read.counts.windows(2).all(|pair| pair[0] <= pair[1]);
        (ascending && read.bounds.last() == Some(&f64::INFINITY)).then_some(read)
    }

    /// What was counted since `before`; `None` when that is of another histogram or another process.
    pub(crate) fn since(&self, before: &Buckets) -> Option<Buckets> {
        if self.bounds != before.bounds {
            return None;
        }
        let counts = self.counts.iter().zip(&before.counts).map(|(now, before)| now.checked_sub(*before));
        Some(Buckets { bounds: self.bounds.clone(), counts: counts.collect::<Option<_>>()?, sum: self.sum - before.sum })
    }

    pub(crate) fn count(&self) -> u64 {
        self.counts.last().copied().unwrap_or(0)
    }

    /// The mean, in microseconds.
    pub(crate) fn mean_us(&self) -> f64 {
        self.sum * 1e6 / self.count().max(1) as f64
    }

    /// The bounds, in microseconds, between which the value lies that this share does not exceed;
    /// `None` without values.
    pub(crate) fn within(&self, share: f64) -> Option<(f64, f64)> {
        let rank = ((self.count() as f64 * share).ceil() as u64).max(1);
        let index = self.counts.iter().position(|&count| count >= rank)?;
        let low = if index == 0 { 0.0 } else { self.bounds[index - 1] };
        Some((low * 1e6, self.bounds[index] * 1e6))
    }
}

#[cfg(test)]
mod tests {
    use super::Buckets;

    fn page(counts: [u64; 3], sum: f64) -> String {
        format!(
            "# TYPE throwover_switch_seconds histogram\nthrowover_switch_seconds_bucket{{le=\"0.00001\"}} {}\n\
             throwover_switch_seconds_bucket{{le=\"0.0001\"}} {}\nthrowover_switch_seconds_bucket{{le=\"+Inf\"}} {}\n\
             throwover_switch_seconds_sum {sum}\nthrowover_switch_seconds_count {}\nthrowover_other_bucket{{le=\"1\"}} 7\n",
            counts[0], counts[1], counts[2], counts[2]
        )
    }

    #[test]
    fn what_was_counted_in_between_is_the_difference() {
        let read = |counts, sum| Buckets::read(&page(counts, sum), "switch_seconds").expect("a histogram");
        let (before, after) = (read([5, 10, 12], 0.5), read([6, 99, 112], 0.51));
        let found = after.since(&before).expect("the same one");
        assert_eq!((found.count(), found.mean_us().round()), (100, 100.0));
        for (share, low, high) in [(0.01, 0.0, 10.0), (0.02, 10.0, 100.0), (0.88, 10.0, 100.0)] {
            let (found_low, found_high) = found.within(share).expect("values");
            assert!((found_low - low).abs() < 1e-6 && (found_high - high).abs() < 1e-6, "{share}: {found_low}..{found_high}");
        }
        let (low, high) = found.within(0.91).expect("values");
        assert!((low - 100.0).abs() < 1e-6 && high == f64::INFINITY);
        assert_eq!(before.since(&after), None, "a process that began anew is not what was before");
        assert_eq!(before.since(&before).expect("the same one").within(0.5), None);
    }

    #[test]
    fn what_makes_no_sense_is_no_histogram() {
        assert_eq!(Buckets::read(&page([1, 2, 3], 0.0), "connect_seconds"), None);
        assert_eq!(Buckets::read(&page([2, 1, 3], 0.0), "switch_seconds"), None);
        assert_eq!(Buckets::read("throwover_a_bucket{le=\"1\"} x\n", "a"), None);
        assert_eq!(Buckets::read("throwover_a_bucket{le=\"1\"} 1\n", "a"), None, "it has no end");
    }
}
