//! How sure a difference is: intervals by resampling, and no verdict inside the noise.
//!
//! The percentile bootstrap of a median: rounds are drawn again and again from those there are,
//! with a fixed seed, so that the same rounds always give the same interval.

use crate::table::spread;

/// Times that rounds are drawn.
const RESAMPLES: usize = 4_000;
/// Share of resamples that lie within the interval.
const CONFIDENCE: f64 = 0.95;
/// Fewer samples than these allow no verdict.
pub(crate) const SAMPLES_MIN: usize = 5;
const SEED: u64 = 0x7468_726f_776f_7665;

/// A median and where it may as well lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Estimate {
    /// Whether this value may be the true one.
    pub(crate) fn holds(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// SplitMix64: nothing here needs more.
#[derive(Clone, Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of so many, each as likely as the others but for one part in 2^32.
    fn index(&mut self, count: usize) -> usize {
        (((self.next() >> 32) * count as u64) >> 32) as usize
    }
}

fn median(values: &[f64]) -> f64 {
    spread(values.iter().copied()).map_or(f64::NAN, |spread| spread.median)
}

fn drawn(values: &[f64], random: &mut Random) -> f64 {
    let sample: Vec<f64> = values.iter().map(|_| values[random.index(values.len())]).collect();
    median(&sample)
}

/// The interval of resampled figures.
fn interval(median: f64, mut each: impl FnMut(&mut Random) -> f64) -> Estimate {
    let mut random = Random(SEED);
    let mut found: Vec<f64> = (0..RESAMPLES).map(|_| each(&mut random)).collect();
    found.sort_by(f64::total_cmp);
    let beyond = ((1.0 - CONFIDENCE) / 2.0 * RESAMPLES as f64) as usize;
    Estimate { median, low: found[beyond], high: found[RESAMPLES - 1 - beyond] }
}

/// The median of samples; `None` of none.
pub(crate) fn of_median(values: &[f64]) -> Option<Estimate> {
    (!values.is_empty()).then(|| interval(median(values), |random| drawn(values, random)))
}

/// The second median divided by the first, of samples that have nothing to do with one another.
pub(crate) fn of_ratio(ours: &[f64], theirs: &[f64]) -> Option<Estimate> {
    if ours.is_empty() || theirs.is_empty() || ours.iter().any(|value| *value <= 0.0) {
        return None;
    }
    Some(interval(median(theirs) / median(ours), |random| drawn(theirs, random) / drawn(ours, random)))
}

#[cfg(test)]
mod tests {
    use super::{Random, of_median, of_ratio};

    /// Values about a middle, from a generator of their own.
    fn about(middle: f64, width: f64, count: usize, seed: u64) -> Vec<f64> {
        let mut random = Random(seed);
        let share = |random: &mut Random| random.next() as f64 / u64::MAX as f64;
        (0..count).map(|_| middle + width * (share(&mut random) + share(&mut random) - 1.0)).collect()
    }

    #[test]
    fn an_interval_holds_the_middle_and_no_more_than_the_values() {
        assert_eq!(of_median(&[]), None);
        let one = of_median(&[3.0]).expect("a value");
        assert_eq!((one.median, one.low, one.high), (3.0, 3.0, 3.0));
        let values = about(100.0, 10.0, 30, 7);
        let found = of_median(&values).expect("values");
        assert!(found.low <= found.median && found.median <= found.high);
        assert!(found.low > 92.0 && found.high < 108.0, "{found:?}");
        assert_eq!(of_median(&values), Some(found), "the seed is fixed");
    }

    #[test]
    fn nineteen_of_twenty_intervals_hold_the_truth() {
        let held = (0..200).filter(|&seed| of_median(&about(50.0, 20.0, 25, seed)).expect("values").holds(50.0)).count();
        assert!((175..=200).contains(&held), "{held} of 200");
    }

    #[test]
    fn a_ratio_is_told_from_one_only_when_it_is_not() {
        let base = about(100.0, 10.0, 20, 1);
        let same = of_ratio(&base, &about(100.0, 10.0, 20, 2)).expect("values");
        assert!(same.holds(1.0), "{same:?}");
        let more = of_ratio(&base, &about(120.0, 10.0, 20, 3)).expect("values");
        assert!(!more.holds(1.0) && more.holds(1.2), "{more:?}");
        assert_eq!(of_ratio(&[], &base), None);
        assert_eq!(of_ratio(&[0.0, 1.0], &base), None);
    }

    #[test]
    fn every_index_is_drawn() {
        let mut random = Random(1);
        let mut seen = [0_usize; 7];
        (0..7_000).for_each(|_| seen[random.index(7)] += 1);
        assert!(seen.iter().all(|count| (850..1_150).contains(count)), "{seen:?}");
    }
}
