//! Draws that depend on what they are for, and on nothing that was drawn before.

use std::f64::consts::TAU;

/// SplitMix64.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// Those of one thing among others: the same words lead to the same draws.
    pub(super) fn of(words: &[u64]) -> Dice {
        let mut dice = Dice(0);
        for word in words {
            dice.0 ^= *word;
            dice.0 = dice.roll();
        }
        dice
    }

    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// `0 <= unit < 1`
    pub(super) fn unit(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn chance(&mut self, permille: u64) -> bool {
        self.roll() % 1_000 < permille
    }

    pub(super) fn among<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[(self.roll() % choices.len() as u64) as usize]
    }

    /// Exponential, of this mean.
    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        -(1.0 - self.unit()).ln() * mean
    }

    /// Log-normal: half are below `p50`, and all but a share of those for which a normal draw is above `z`
    /// are below `high`.
    pub(super) fn log_normal(&mut self, p50: f64, high: f64, z: f64) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        let normal = radius * (TAU * self.unit()).cos();
        p50 * (normal * (high / p50).ln() / z).exp()
    }
}
