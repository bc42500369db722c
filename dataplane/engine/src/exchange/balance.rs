//! Picks one of the deployments of a step.

use crate::{backoff::scale, board::TargetRow, breaker::WARMTH_FULL, moment::Moment};
use policy::Balance;

/// Up to so many deployments are all compared; beyond, two are drawn.
pub const FULL_SCAN_MAX: usize = 4;
/// What an attempt in flight at a target without an average is taken to last, in nanoseconds.
const UNKNOWN_NS: f64 = 1e9;

/// One deployment that may be picked.
#[derive(Clone, Copy)]
pub(crate) struct Choice<'a> {
    pub(crate) row: &'a TargetRow,
    pub(crate) weight: u32,
    /// How much of its share it is given, in thousandths.
    pub(crate) warmth: u32,
}

impl Choice<'_> {
    fn share(self) -> u64 {
        u64::from(self.weight.max(1)) * u64::from(self.warmth.max(1))
    }
}

/// Picks among `count >= 1` choices, which `choice` looks up. `turn` is asked only when the load is
/// shared in turn.
pub(crate) fn pick<'a>(
    balance: Balance,
    count: usize,
    choice: &dyn Fn(usize) -> Choice<'a>,
    turn: &dyn Fn() -> u32,
    now: Moment,
    random: &mut impl FnMut() -> u64,
) -> usize {
    debug_assert!(count > 0);
    if count == 1 {
        return 0;
    }
    match balance {
        Balance::Weighted => weighted(count, choice, random()),
        Balance::RoundRobin => {
            let at = turn() as usize % count;
            let warmth = choice(at).warmth;
            // Whoever is not given all of its turns leaves the others to the next.
            if warmth < WARMTH_FULL && scale(random(), u64::from(WARMTH_FULL) - 1) >= u64::from(warmth) { (at + 1) % count } else { at }
        }
        Balance::LeastOutstanding => cheapest(0..count, choice, &|choice| load(choice), random),
        Balance::PeakEwma if count <= FULL_SCAN_MAX => cheapest(0..count, choice, &|choice| cost(choice, now), random),
        Balance::PeakEwma => {
            let bits = random();
            let first = scale(bits << 32, count as u64 - 1) as usize;
            let second = scale(bits & 0xffff_ffff_0000_0000, count as u64 - 2) as usize;
            // Two different ones: the second is drawn among the others.
            let second = if second >= first { second + 1 } else { second };
            cheapest([first, second].into_iter(), choice, &|choice| cost(choice, now), random)
        }
    }
}

fn weighted<'a>(count: usize, choice: &dyn Fn(usize) -> Choice<'a>, random: u64) -> usize {
    let total: u64 = (0..count).map(|at| choice(at).share()).sum();
    let mut point = scale(random, total.max(1) - 1);
    for at in 0..count {
        let weight = choice(at).share();
        if point < weight {
            return at;
        }
        point -= weight;
    }
    count - 1
}

/// The one that costs least. Among equals each has its weight's share of a fair chance.
fn cheapest<'a>(
    among: impl Iterator<Item = usize>,
    choice: &dyn Fn(usize) -> Choice<'a>,
    cost: &dyn Fn(Choice<'a>) -> f64,
    random: &mut impl FnMut() -> u64,
) -> usize {
    let mut best = (f64::INFINITY, 0);
    let mut equals_weight = 0;
    for at in among {
        let one = choice(at);
        let price = cost(one);
        let weight = one.share();
        if price < best.0 {
            best = (price, at);
            equals_weight = weight;
        } else if price == best.0 {
            equals_weight += weight;
            if scale(random(), equals_weight - 1) < weight {
                best.1 = at;
            }
        }
    }
    best.1
}

fn load(choice: Choice<'_>) -> f64 {
    (f64::from(choice.row.in_flight()) + 1.0) / choice.share() as f64
}

/// Peak-sensitive average latency times load. A target of which nothing is known is tried by one
/// attempt, and is taken to be slow until that has come back.
fn cost(choice: Choice<'_>, now: Moment) -> f64 {
    let latency = match choice.row.average_ns(now) {
        Some(average) => average,
        None if choice.row.in_flight() == 0 => 0.0,
        None => UNKNOWN_NS,
    };
    latency * load(choice)
}

#[cfg(test)]
mod tests;
