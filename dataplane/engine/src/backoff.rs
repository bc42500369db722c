//! How long to wait before the same target is asked again: full jitter, so that requests that
//! failed together do not return together.

use crate::moment::NS_PER_MS;
use policy::Backoff;

/// Nanoseconds to wait before retry `retry_index` (0 is the first), drawn uniformly from zero to
/// the bound that the policy gives for it.
pub fn wait(backoff: &Backoff, retry_index: u32, random: u64) -> u64 {
    scale(random, bound(backoff, retry_index))
}

/// The longest wait before retry `retry_index`, in nanoseconds.
pub fn bound(backoff: &Backoff, retry_index: u32) -> u64 {
    let ms = if backoff.exponential {
        // 2^63 ms is beyond every cap, so a larger exponent changes nothing.
        backoff.base_ms.saturating_mul(1 << retry_index.min(62)).min(backoff.cap_ms)
    } else {
        backoff.base_ms
    };
    ms.saturating_mul(NS_PER_MS)
}

/// Maps 64 random bits to `0..=max` without a division.
pub(crate) fn scale(random: u64, max: u64) -> u64 {
    ((u128::from(random) * (u128::from(max) + 1)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_up_to_the_cap() {
        let backoff = Backoff { exponential: true, base_ms: 500, cap_ms: 8_000 };
        let bounds: Vec<u64> = (0..7).map(|n| bound(&backoff, n) / NS_PER_MS).collect();
        assert_eq!(bounds, [500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
        assert_eq!(bound(&backoff, u32::MAX), 8_000 * NS_PER_MS);
        assert_eq!(bound(&Backoff { exponential: false, base_ms: 70, cap_ms: 900 }, 9), 70 * NS_PER_MS);
        assert_eq!(bound(&Backoff { exponential: true, base_ms: u64::MAX, cap_ms: u64::MAX }, 3), u64::MAX);
    }

    #[test]
    fn the_jitter_is_full() {
        let backoff = Backoff::default();
        assert_eq!(wait(&backoff, 0, 0), 0);
        assert_eq!(wait(&backoff, 0, u64::MAX), 500 * NS_PER_MS);
        assert_eq!(wait(&backoff, 0, 1 << 63), 250 * NS_PER_MS);
        assert_eq!(scale(u64::MAX, u64::MAX), u64::MAX);
    }
}
