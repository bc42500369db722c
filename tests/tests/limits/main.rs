//! Limits: what many, slow, greedy and hung parties can do to the process, and what they cannot.
//!
//! Each story bounds memory, processor time, places or descriptors of the real data plane while
//! others are served. Bounds are on what the process holds and answers, not on how long it takes.
#![allow(missing_docs, clippy::unwrap_used)]

mod connections;
mod memory;
mod overload;
mod restarts;
