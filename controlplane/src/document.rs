//! The operator's language: every key that a policy may hold, declared once.
//!
//! Each section is a table of fields (name, type, default, sentence). Reading, refusing unknown
//! keys, the notes about what has no effect yet, and the JSON Schema all come from the same
//! table, so that they cannot disagree. Reading never ends at the first mistake.

pub mod read;
pub mod sections;
pub mod units;
pub mod words;

pub use read::{At, Field, Read, Reader};
pub use sections::*;
pub use words::*;
