//! Which faults of a provider are in force now.
//!
//! Pure: time and chance are arguments or seeded. Faults compose; where two contradict, the one
//! listed first wins. Each takes its own chance, so `503;probability=0.1, reset;probability=0.1`
//! is a provider that fails about every fifth time in one of two ways.

use std::time::{Duration, Instant};

use crate::fault::{Fault, Kind, Stage};

#[cfg(test)]
mod tests;

/// A small seeded generator (splitmix64): a rehearsal with the same seed goes the same way.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator that starts from this seed.
    #[must_use]
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next number in `0.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The next number of a standard normal distribution (Box–Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

/// What is known when faults are taken.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// Whether a stream was asked for.
    pub stream: bool,
    /// The model asked for.
    pub model: &'a str,
    /// Whether the connection is TLS.
    pub tls: bool,
}

/// A fault in force, with what is left of it.
#[derive(Clone, Debug)]
struct Active {
    fault: Fault,
    from: Instant,
    until: Option<Instant>,
    left: Option<u64>,
}

impl Active {
    fn in_force(&self, now: Instant) -> bool {
        self.from <= now && self.until.is_none_or(|until| now < until) && self.left != Some(0)
    }
}

/// The faults of one provider.
#[derive(Debug)]
pub struct Script {
    active: Vec<Active>,
    random: Random,
}

impl Script {
    /// An empty script whose chances follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Script {
        Script { active: Vec::new(), random: Random::new(seed) }
    }

    /// Replaces all faults.
    pub fn set(&mut self, faults: Vec<Fault>, now: Instant) {
        self.active.clear();
        self.add(faults, now);
    }

    /// Adds faults behind those in force.
    pub fn add(&mut self, faults: Vec<Fault>, now: Instant) {
        self.active.retain(|active| active.left != Some(0) && active.until.is_none_or(|until| now < until));
        for fault in faults {
            let from = now + Duration::from_millis(fault.after_ms);
            self.active.push(Active { from, until: fault.for_ms.map(|ms| from + Duration::from_millis(ms)), left: fault.count, fault });
        }
    }

    /// The faults that are or may still come into force.
    #[must_use]
    pub fn list(&self, now: Instant) -> Vec<Fault> {
        let alive = |active: &&Active| active.left != Some(0) && active.until.is_none_or(|until| now < until);
        self.active
            .iter()
            .filter(alive)
            .map(|active| {
                let mut fault = active.fault.clone();
                fault.count = active.left;
                fault
            })
            .collect()
    }

    /// Takes the faults that strike at this stage, spending their counts.
    pub fn strike(&mut self, stage: Stage, facts: Facts<'_>, now: Instant) -> Vec<Fault> {
        let mut struck = Vec::new();
        for active in &mut self.active {
            let fault = &active.fault;
            let concerned = fault.kind.row().stage == stage
                && active.in_force(now)
                && (fault.kind != Kind::TlsStall || facts.tls)
                && (stage != Stage::Request || fault.matches(facts.stream, facts.model));
            if !concerned {
                continue;
            }
            if fault.probability < 1.0 && self.random.unit() >= fault.probability {
                continue;
            }
            active.left = active.left.map(|left| left - 1);
            struck.push(fault.clone());
        }
        struck
    }

    /// The listener fault in force, if any. Counts and chances mean nothing to a closed door.
    #[must_use]
    pub fn refusal(&self, now: Instant) -> Option<Fault> {
        let closes = |active: &&Active| active.fault.kind.row().stage == Stage::Listener && active.in_force(now);
        self.active.iter().find(closes).map(|active| active.fault.clone())
    }

    /// How long until time alone changes what is in force.
    #[must_use]
    pub fn next_change(&self, now: Instant) -> Option<Duration> {
        self.active.iter().flat_map(|active| [Some(active.from), active.until]).flatten().filter(|at| *at > now).min().map(|at| at - now)
    }

    /// A seed for the chances of one exchange (waits with a spread).
    pub fn fork(&mut self) -> Random {
        Random::new(self.random.bits())
    }
}
