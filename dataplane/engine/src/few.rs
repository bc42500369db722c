//! Lists that are nearly always short.

use std::ops::{Deref, DerefMut};

/// A list whose first `N` values lie in place, so that a short one is a few cache lines and no
/// allocation. A longer one moves to the heap whole, once.
#[derive(Clone, Debug)]
pub(crate) struct Few<T, const N: usize> {
    /// `count <= N`; what lies behind is blank. Not read once the values are `beyond`.
    count: usize,
    near: [T; N],
    /// All the values, when they are more than `N`; else empty.
    beyond: Vec<T>,
}

impl<T: Copy, const N: usize> Few<T, N> {
    /// An empty list, with room for `expected` values.
    pub(crate) fn new(blank: T, expected: usize) -> Few<T, N> {
        let beyond = if expected > N { Vec::with_capacity(expected) } else { Vec::new() };
        Few { count: 0, near: [blank; N], beyond }
    }

    /// Adds a value at the end.
    pub(crate) fn push(&mut self, value: T) {
        if self.beyond.is_empty() && self.count < N {
            self.near[self.count] = value;
            self.count += 1;
            return;
        }
        if self.beyond.is_empty() {
            self.beyond.extend_from_slice(&self.near);
        }
        self.beyond.push(value);
    }
}

impl<T, const N: usize> Deref for Few<T, N> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        if self.beyond.is_empty() { &self.near[..self.count] } else { &self.beyond }
    }
}

impl<T, const N: usize> DerefMut for Few<T, N> {
    fn deref_mut(&mut self) -> &mut [T] {
        if self.beyond.is_empty() { &mut self.near[..self.count] } else { &mut self.beyond }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_reads_like_a_short_one() {
        for expected in [0, 3, 9] {
            let mut few = Few::<u8, 3>::new(0, expected);
            for value in 1..=9 {
                few.push(value);
                assert_eq!(few[..], (1..=value).collect::<Vec<u8>>()[..]);
            }
            few[8] = 90;
            few[0] = 10;
            assert_eq!(few.clone()[..], [10, 2, 3, 4, 5, 6, 7, 8, 90]);
        }
    }
}
