//! Scenarios: one file for each promise, told from both ends.
#![allow(missing_docs, clippy::unwrap_used)]

mod failover;
mod midstream;
mod refusals;
mod tenants;
mod tls;
