//! When requests are due in an open loop: a fixed schedule, whatever the gateway does.
//!
//! Latency counts from the intended start, so that an answer that was late delays nothing that
//! is measured (no coordinated omission). Times are nanoseconds since the start of the process.

/// A fixed rate from a moment on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    start: u64,
    per_second: f64,
    /// How many were taken.
    taken: u64,
}

impl Schedule {
    /// `per_second` is more than zero.
    pub(crate) fn new(start: u64, per_second: f64) -> Schedule {
        assert!(per_second > 0.0, "a rate of nothing has no schedule");
        Schedule { start, per_second, taken: 0 }
    }

    /// When the next one is due.
    pub(crate) fn next(&self) -> u64 {
        // From the start each time: adding up steps would add up their rounding.
        self.start + (self.taken as f64 * 1e9 / self.per_second) as u64
    }

    /// Takes one that is due: its intended start.
    pub(crate) fn take(&mut self, now: u64) -> Option<u64> {
        let next = self.next();
        if next > now {
            return None;
        }
        self.taken += 1;
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;

    #[test]
    fn keeps_the_rate_whoever_is_late() {
        let mut schedule = Schedule::new(1_000, 3.0);
        assert_eq!(schedule.take(999), None);
        assert_eq!(schedule.take(1_000), Some(1_000));
        assert_eq!(schedule.take(1_000), None);
        // Ten seconds late: every start that was missed is still there, at its own time.
        let mut missed = Vec::new();
        while let Some(due) = schedule.take(10_000_001_000) {
            missed.push(due);
        }
        assert_eq!(missed.len(), 30);
        assert_eq!(missed[0], 333_334_333);
        assert_eq!(missed[29], 10_000_001_000);
        assert!(missed.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn does_not_drift() {
        let mut schedule = Schedule::new(0, 7_777.0);
        let mut count = 0;
        while schedule.take(60_000_000_000).is_some() {
            count += 1;
        }
        assert_eq!(count, 7_777 * 60 + 1);
    }
}
