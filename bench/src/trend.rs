//! Whether a figure that is looked at again and again grows: a line by least squares, and how sure
//! its slope is.
//!
//! What is sampled every second is much like what it was a second before, so that samples are worth
//! less than their number: the residuals' correlation from one to the next tells by how much, as
//! for a process that forgets geometrically.

use serde_json::{Value, json};

/// Fewer samples than these have no trend.
const SAMPLES_MIN: usize = 10;
/// Beyond this correlation the samples are worth nothing at all.
const CORRELATION_MAX: f64 = 0.999;
/// The normal deviate that 95 % of all lie within.
const NORMAL: f64 = 1.959_964;

/// A slope, and where it may as well lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Trend {
    pub(crate) slope: f64,
    /// Ends of the interval of 95 %.
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// What the samples are worth, in samples that have nothing to do with one another.
    pub(crate) worth: f64,
}

/// What a slope says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Flat,
    Grows,
    Shrinks,
    /// Neither growth beyond what is allowed nor its absence is shown.
    Unsure,
}

impl Trend {
    /// Growth of up to `allowed` is none.
    pub(crate) fn verdict(&self, allowed: f64) -> Verdict {
        if self.high < 0.0 && self.low < -allowed {
            Verdict::Shrinks
        } else if self.high <= allowed {
            Verdict::Flat
        } else if self.low > 0.0 {
            Verdict::Grows
        } else {
            Verdict::Unsure
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({"slope": self.slope, "low": self.low, "high": self.high, "worth": self.worth})
    }
}

/// The line through points in the order of their times; `None` of too few, or of one time only.
pub(crate) fn of(points: &[(f64, f64)]) -> Option<Trend> {
    if points.len() < SAMPLES_MIN {
        return None;
    }
    let count = points.len() as f64;
    let mean = |value: fn(&(f64, f64)) -> f64| points.iter().map(value).sum::<f64>() / count;
    let (at, level) = (mean(|point| point.0), mean(|point| point.1));
    let width: f64 = points.iter().map(|point| (point.0 - at).powi(2)).sum();
    if width <= 0.0 {
        return None;
    }
    let slope = points.iter().map(|point| (point.0 - at) * (point.1 - level)).sum::<f64>() / width;
    let residuals: Vec<f64> = points.iter().map(|point| point.1 - level - slope * (point.0 - at)).collect();
    let squares: f64 = residuals.iter().map(|residual| residual * residual).sum();
    let products: f64 = residuals.windows(2).map(|pair| pair[0] * pair[1]).sum();
    let correlation = if squares > 0.0 { (products / squares).clamp(0.0, CORRELATION_MAX) } else { 0.0 };
    let worth = (count * (1.0 - correlation) / (1.0 + correlation)).max(3.0);
    let error = (squares / (worth - 2.0) / width).sqrt();
    let reach = error * student(worth - 2.0);
    Some(Trend { slope, low: slope - reach, high: slope + reach, worth })
}

/// The deviate of Student's distribution that 95 % lie within, by its expansion about the normal one.
fn student(freedom: f64) -> f64 {
    let (z, v) = (NORMAL, freedom.max(1.0));
    let (third, fifth, seventh) = (z.powi(3), z.powi(5), z.powi(7));
    z + (third + z) / (4.0 * v)
        + (5.0 * fifth + 16.0 * third + 3.0 * z) / (96.0 * v * v)
        + (3.0 * seventh + 19.0 * fifth + 17.0 * third - 15.0 * z) / (384.0 * v.powi(3))
}

#[cfg(test)]
mod tests {
    use super::{Verdict, of, student};

    /// Noise between -0.5 and 0.5, the same every time.
    fn noise(seed: u64) -> impl FnMut() -> f64 {
        let mut state = seed;
        move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
        }
    }

    fn line(slope: f64, count: usize, seed: u64) -> Vec<(f64, f64)> {
        let mut noise = noise(seed);
        (0..count).map(|at| (at as f64, 40.0 + slope * at as f64 + noise())).collect()
    }

    #[test]
    fn the_deviate_is_the_tables() {
        for (freedom, table) in [(3.0, 3.182), (10.0, 2.228), (30.0, 2.042), (1_000.0, 1.962)] {
            assert!((student(freedom) / table - 1.0).abs() < 0.02, "{freedom}: {}", student(freedom));
        }
    }

    #[test]
    fn a_slope_is_found_and_its_absence_too() {
        let grown = of(&line(0.02, 400, 1)).expect("enough");
        assert!(grown.low < 0.02 && 0.02 < grown.high && grown.low > 0.0, "{grown:?}");
        let flat = of(&line(0.0, 400, 2)).expect("enough");
        assert!(flat.low < 0.0 && 0.0 < flat.high, "{flat:?}");
        let exact = of(&[(0.0, 5.0); 1].repeat(20).iter().enumerate().map(|(at, point)| (at as f64, point.1)).collect::<Vec<_>>());
        let exact = exact.expect("enough");
        assert_eq!((exact.slope, exact.low, exact.high), (0.0, 0.0, 0.0));
        assert_eq!(of(&line(1.0, 9, 3)), None);
        assert_eq!(of(&[(1.0, 2.0); 20]), None, "one time has no slope");
    }

    #[test]
    fn nineteen_of_twenty_intervals_hold_the_truth() {
        let held = (0..300).filter(|&seed| of(&line(0.01, 60, seed)).is_some_and(|found| found.low <= 0.01 && 0.01 <= found.high)).count();
        assert!((270..=300).contains(&held), "{held} of 300");
    }

    #[test]
    fn samples_that_hang_together_are_worth_less() {
        // A wave: least squares alone would be sure of whichever slope its piece happens to have.
        let wave: Vec<(f64, f64)> = (0..400).map(|at| (f64::from(at), (f64::from(at) / 60.0).sin())).collect();
        let found = of(&wave).expect("enough");
        assert!(found.worth < 20.0, "{found:?}");
        assert!(found.low < 0.0 && 0.0 < found.high, "{found:?}");
    }

    #[test]
    fn only_what_is_shown_is_said() {
        let verdict = |low: f64, high: f64| super::Trend { slope: f64::midpoint(low, high), low, high, worth: 9.0 }.verdict(1.0);
        assert_eq!(verdict(-0.5, 0.5), Verdict::Flat);
        assert_eq!(verdict(0.1, 0.9), Verdict::Flat, "growth that does not matter");
        assert_eq!(verdict(0.1, 5.0), Verdict::Grows);
        assert_eq!(verdict(-3.0, 5.0), Verdict::Unsure);
        assert_eq!(verdict(-5.0, -2.0), Verdict::Shrinks);
    }
}
