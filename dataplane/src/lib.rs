//! The data plane: one request's walk, on one core, from a tenant to a provider and back.
//!
//! | # | verb | I/O in | thinking in | may end the walk with |
//! |---|---|---|---|---|
//! | 1 | accept | [`accept`], [`tls`] | | 503, handshake failure |
//! | 2 | parse the head | [`request`] | `codec::head` | 400, 408, 414, 431, 501, 505 |
//! | 3 | authenticate | | `engine::authenticate` | 401, before the body is read |
//! | 4 | receive the body | [`body`] | `codec::{body, json}` | 400, 408, 413, 415, 503 |
//! | 5 | decide | [`wants`] looks into the body | `engine::decide`, `codec::dialect` | 400, 402, 403, 404 |
//! | 6 | connect | [`connect`], [`pool`] | | attempt fails → 9 |
//! | 7 | relay | [`relay`] | `codec::{sse, dialect}` | tenant hangs up → 10 |
//! | 8 | judge | | `engine::judge` | |
//! | 9 | fail over | waits through [`io`] | `engine::{exchange, failover}` | next attempt → 6, or 429, 502, 503, 504 |
//! | 10 | account | [`ledger`] → [`recorder`] | `engine::account` | |
//!
//! `request.rs` is the index: the walk on one screen, each verb called by its name.

// In the order in which a request meets them.
pub mod accept;
pub mod admission;
pub mod allowance;
pub mod bill;
pub mod body;
pub mod connect;
pub mod downstream;
pub mod earlier;
pub mod guesses;
pub mod held;
pub mod ledger;
pub mod meters;
pub mod models;
pub mod pool;
pub mod relay;
pub mod rendered;
pub mod request;
pub mod respond;
pub mod strike;
pub mod surface;
pub mod tls;
pub mod wants;
pub mod wire;

// What a shard owns, and what the threads of the process share.
pub mod current;
pub mod deadline;
pub mod process;
pub mod session;
pub mod shard;

// The other threads.
pub mod admin;
pub mod confine;
pub mod handover;
pub mod link;
pub mod listeners;
pub mod mark;
pub mod recorder;
pub mod resolve;
pub mod service;
pub mod spending;
pub mod stats;
pub mod store;

// The only door to the kernel and the clock.
pub mod io;

#[cfg(test)]
mod sim;
