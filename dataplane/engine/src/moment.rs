//! Points in time, given by the caller.

/// Nanoseconds in a millisecond.
pub const NS_PER_MS: u64 = 1_000_000;
/// Nanoseconds in a microsecond.
pub const NS_PER_US: u64 = 1_000;

/// A point in time: nanoseconds of the monotonic clock, which is the same for all shards.
///
/// Arithmetic saturates: a moment that cannot be represented is far enough away to be never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub u64);

impl Moment {
    /// Before every other moment.
    pub const START: Moment = Moment(0);
    /// After every other moment.
    pub const NEVER: Moment = Moment(u64::MAX);

    /// So many nanoseconds later.
    #[must_use]
    pub const fn plus_ns(self, ns: u64) -> Moment {
        Moment(self.0.saturating_add(ns))
    }

    /// So many milliseconds later.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Moment {
        self.plus_ns(ms.saturating_mul(NS_PER_MS))
    }

    /// Nanoseconds since `earlier`; 0 when that lies ahead.
    pub const fn since(self, earlier: Moment) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Microseconds since `earlier`, at most what fits: 71 minutes.
    pub fn us_since(self, earlier: Moment) -> u32 {
        u32::try_from(self.since(earlier) / NS_PER_US).unwrap_or(u32::MAX)
    }

    /// Milliseconds until this moment, rounded up, so that it has come when they have passed.
    pub const fn ms_from(self, now: Moment) -> u64 {
        self.since(now).div_ceil(NS_PER_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::Moment;

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Moment(5).since(Moment(9)), 0);
        assert_eq!(Moment::NEVER.plus_ms(1), Moment::NEVER);
        assert_eq!(Moment(0).plus_ms(u64::MAX), Moment::NEVER);
        assert_eq!(Moment(3_000_001).ms_from(Moment(0)), 4);
        assert_eq!(Moment(2_000).us_since(Moment(0)), 2);
        assert_eq!(Moment::NEVER.us_since(Moment(0)), u32::MAX);
    }
}
