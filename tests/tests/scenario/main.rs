//! Scenarios: one file for each promise, told from both ends.
#![allow(missing_docs, clippy::unwrap_used)]

mod admission;
mod allowances;
mod arrays;
mod aside;
mod azure;
mod cage;
mod connections;
mod deadlines;
mod dialects;
mod egress;
mod embeddings;
mod failover;
mod fidelity;
mod hangup;
mod metrics;
mod midstream;
mod rates;
mod records;
mod refusals;
mod reload;
mod shards;
mod strictness;
mod tenants;
mod tls;
mod upgrade;
