//! Time as the shard sees it: nanoseconds that only go forward, and the wall.

use std::cell::Cell;
use std::ops::{Add, Sub};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Nanoseconds on a clock that never goes back. Arithmetic saturates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(pub u64);

/// Microseconds since the Unix epoch, for records that people read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Wall(pub u64);

impl Instant {
    /// The time now, for the threads that are no shards; a shard asks its [`super::Io`].
    #[must_use]
    pub fn now() -> Instant {
        kernel_now()
    }

    /// Later than everything; as a deadline it never comes.
    pub const FAR: Instant = Instant(u64::MAX);

    /// How much later this is than `earlier`; zero if it is not.
    #[must_use]
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// How much later than `earlier`, in whole microseconds.
    #[must_use]
    pub fn micros_since(self, earlier: Instant) -> u64 {
        self.0.saturating_sub(earlier.0) / 1_000
    }

    /// How much later than `earlier`, in whole milliseconds.
    #[must_use]
    pub fn millis_since(self, earlier: Instant) -> u64 {
        self.0.saturating_sub(earlier.0) / 1_000_000
    }

    /// This instant and `millis` more.
    #[must_use]
    pub fn plus_millis(self, millis: u64) -> Instant {
        Instant(self.0.saturating_add(millis.saturating_mul(1_000_000)))
    }

    /// This instant and `micros` more.
    #[must_use]
    pub fn plus_micros(self, micros: u64) -> Instant {
        Instant(self.0.saturating_add(micros.saturating_mul(1_000)))
    }
}

impl Wall {
    /// The time now, for the threads that are no shards; a shard asks its [`super::Io`].
    #[must_use]
    pub fn now() -> Wall {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let micros = since.map_or(0, |since| since.as_micros());
        Wall(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, more: Duration) -> Instant {
        let nanos = u64::try_from(more.as_nanos()).unwrap_or(u64::MAX);
        Instant(self.0.saturating_add(nanos))
    }
}

impl Sub<Instant> for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.since(earlier)
    }
}

/// Where a shard's time comes from.
#[derive(Debug)]
pub(super) enum Clock {
    /// The machine's clocks. The wall is looked at once a second, and reckoned from the turn's time
    /// in between.
    Kernel {
        /// When the wall was last looked at, and what it showed.
        looked: Cell<(Instant, Wall)>,
    },
    /// A simulation: the wall stands at this many microseconds when the instant is zero.
    Virtual { wall_at_zero: u64 },
}

/// Between two looks at the wall: a step of the machine's date is followed so late.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Clock {
    /// The machine's clocks.
    pub(super) fn kernel() -> Clock {
        Clock::Kernel { looked: Cell::default() }
    }

    /// The time now; `turn` is what it was at the start of the turn.
    pub(super) fn precise(&self, turn: Instant) -> Instant {
        match self {
            Clock::Kernel { .. } => kernel_now(),
            Clock::Virtual { .. } => turn,
        }
    }

    /// The wall; `turn` is the instant at the start of the turn.
    pub(super) fn wall(&self, turn: Instant) -> Wall {
        match self {
            Clock::Kernel { looked } => {
                let (at, wall) = looked.get();
                if at != Instant(0) && turn.since(at) < LOOK_EVERY {
                    return Wall(wall.0.saturating_add(turn.micros_since(at)));
                }
                let wall = Wall::now();
                looked.set((turn, wall));
                wall
            }
            Clock::Virtual { wall_at_zero } => Wall(wall_at_zero.saturating_add(turn.0 / 1_000)),
        }
    }
}

/// Reads CLOCK_MONOTONIC.
pub(super) fn kernel_now() -> Instant {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    Instant(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

#[cfg(test)]
mod tests;
