//! Where a value lies on an axis: logs of nines for shares, logs for times, plain for seconds.

/// Nines before a share: 0.9 has one, 0.99 two. Shares beyond `most` nines, 1 among them, have `most`.
pub(crate) fn nines(share: f64, most: f64) -> f64 {
    if share >= 1.0 { most } else { (-(1.0 - share.max(0.0)).log10()).min(most).max(0.0) }
}

/// Nines that so many values can show: beyond them there is one value only.
pub(crate) fn nines_of(count: u64) -> f64 {
    (count.max(10) as f64).log10()
}

/// A share in per cent with as many nines as it has.
pub(crate) fn percent(nines: u32) -> String {
    match nines {
        0 => "0 %".to_owned(),
        1 => "90 %".to_owned(),
        2 => "99 %".to_owned(),
        more => format!("99.{} %", "9".repeat(more as usize - 2)),
    }
}

/// An axis of logs between two values that are more than zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Log {
    low: f64,
    high: f64,
}

impl Log {
    /// From the step of 1, 2, 5, 10 … at or below the least value to the one at or above the
    /// greatest; `None` when there is no value.
    pub(crate) fn around(values: impl IntoIterator<Item = f64>) -> Option<Log> {
        let good = values.into_iter().filter(|value| value.is_finite() && *value > 0.0);
        let (low, high) = good.fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
        if high == 0.0 {
            return None;
        }
        let (low, mut high) = (step(low, false), step(high, true));
        if high <= low {
            high = step(low * 1.5, true);
        }
        Some(Log { low, high })
    }

    /// 0 at the low end, 1 at the high one; what is beyond lies on the end.
    pub(crate) fn place(&self, value: f64) -> f64 {
        if value <= self.low {
            return 0.0;
        }
        ((value / self.low).ln() / (self.high / self.low).ln()).min(1.0)
    }

    /// Values for marks: every 1, 2 and 5, or powers of ten alone where those are too many.
    pub(crate) fn ticks(&self) -> Vec<f64> {
        let (mut all, mut at) = (Vec::new(), self.low);
        // No axis has more: a double knows 617 powers of ten.
        while at <= self.high * 1.000_001 && all.len() < 2_000 {
            all.push(at);
            at = step(at * 1.5, true);
        }
        if all.len() > 10 { all.into_iter().filter(|value| is_power(*value)).collect() } else { all }
    }
}

fn is_power(value: f64) -> bool {
    let power = value.log10();
    (power - power.round()).abs() < 1e-6
}

/// The nearest of 1, 2, 5 times a power of ten, not above the value or not below it.
fn step(value: f64, up: bool) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    // A value that is a step but for its rounding is that step.
    let found = if up {
        steps.into_iter().find(|step| *step >= value * (1.0 - 1e-9))
    } else {
        steps.into_iter().rev().find(|step| *step <= value * (1.0 + 1e-9))
    };
    found.unwrap_or(value)
}

/// Marks from zero to `end` at a step of 1, 2 or 5, ten at most.
pub(crate) fn seconds(end: f64) -> Vec<f64> {
    if !(end.is_finite() && end > 0.0) {
        return vec![0.0];
    }
    let each = step(end / 10.0, true);
    (0..=10).map(|number| f64::from(number) * each).filter(|at| *at <= end * 1.000_001).collect()
}

/// Microseconds for people.
pub(crate) fn time(micros: f64) -> String {
    match micros {
        _ if micros < 1e3 => format!("{} us", short(micros)),
        _ if micros < 1e6 => format!("{} ms", short(micros / 1e3)),
        _ => format!("{} s", short(micros / 1e6)),
    }
}

/// Three digits of a number, no more.
pub(crate) fn short(value: f64) -> String {
    let digits = if value.abs() >= 100.0 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else {
        2
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::{Log, nines, nines_of, percent, seconds, short, step, time};

    fn near(one: f64, other: f64) {
        assert!((one - other).abs() <= 1e-9 * other.abs().max(1.0), "{one} is not {other}");
    }

    #[test]
    fn nines_are_the_distance_to_one() {
        for (found, expected) in
            [(nines(0.0, 5.0), 0.0), (nines(0.9, 5.0), 1.0), (nines(0.999, 5.0), 3.0), (nines(0.5, 5.0), 2_f64.log10())]
        {
            near(found, expected);
        }
        near(nines(1.0, 5.0), 5.0);
        near(nines(0.999_999_99, 5.0), 5.0);
        near(nines(-1.0, 5.0), 0.0);
        for step in 0..40 {
            let at = f64::from(step) / 8.0;
            assert!((nines(1.0 - 10_f64.powf(-at), 9.0) - at).abs() < 1e-6, "{at}");
        }
        near(nines_of(100_000), 5.0);
        near(nines_of(0), 1.0);
        assert_eq!([0, 1, 2, 3, 5].map(percent), ["0 %", "90 %", "99 %", "99.9 %", "99.999 %"]);
    }

    #[test]
    fn a_log_axis_begins_and_ends_at_steps() {
        let axis = Log::around([130.0, 0.0, f64::NAN, 4_200.0]).expect("two values are good");
        assert_eq!(axis, Log { low: 100.0, high: 5_000.0 });
        assert_eq!(axis.ticks(), [100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0]);
        near(axis.place(100.0), 0.0);
        near(axis.place(5_000.0), 1.0);
        near(axis.place(1.0), 0.0);
        near(axis.place(1e9), 1.0);
        near(axis.place((100.0_f64 * 5_000.0).sqrt()), 0.5);
        assert_eq!(Log::around([]), None);
        assert_eq!(Log::around([0.0]), None);
        let one = Log::around([100.0]).expect("a value");
        assert_eq!(one, Log { low: 100.0, high: 200.0 });
        let wide = Log::around([1.0, 1e7]).expect("values");
        assert_eq!(wide.ticks().len(), 8);
    }

    #[test]
    fn steps_are_of_one_two_and_five() {
        for (value, down, up) in [(1.0, 1.0, 1.0), (1.5, 1.0, 2.0), (3.0, 2.0, 5.0), (0.07, 0.05, 0.1), (700.0, 500.0, 1_000.0)] {
            near(step(value, false), down);
            near(step(value, true), up);
        }
        assert_eq!(seconds(60.0), [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0]);
        assert_eq!(seconds(9.5).len(), 10);
        assert_eq!(seconds(0.0), [0.0]);
        assert_eq!(seconds(f64::NAN), [0.0]);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([0.5, 12.34, 999.6, 1.0].map(short), ["0.5", "12.3", "1000", "1"]);
        assert_eq!([7.0, 1_500.0, 2e6].map(time), ["7 us", "1.5 ms", "2 s"]);
    }
}
