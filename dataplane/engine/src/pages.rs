//! Rows by number, in pages that are made when the first of their rows is needed.

use std::sync::OnceLock;

/// Rows of a page.
const ROWS: usize = 64;

/// So many rows, most of which nobody asks for.
#[derive(Debug)]
pub(crate) struct Pages<T>(Box<[OnceLock<Box<[T]>>]>);

impl<T: Default> Pages<T> {
    pub(crate) fn new(rows: usize) -> Pages<T> {
        Pages((0..rows.div_ceil(ROWS)).map(|_| OnceLock::new()).collect())
    }

    /// The row of a number below what was asked for, whose page is made now if it is not there.
    pub(crate) fn row(&self, index: usize) -> &T {
        &self.0[index / ROWS].get_or_init(|| (0..ROWS).map(|_| T::default()).collect())[index % ROWS]
    }

    /// The same, if its page is there.
    pub(crate) fn known(&self, index: usize) -> Option<&T> {
        Some(&self.0[index / ROWS].get()?[index % ROWS])
    }
}
