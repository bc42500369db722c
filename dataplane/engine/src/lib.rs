//! Decisions: what a request may do, where it goes, what an answer means, what happens next.
//!
//! There is no I/O here, no clock and no source of randomness: the time is a [`Moment`] argument
//! and random bits come from the caller, so that a whole outage can be replayed from a seed. On
//! the path of a request nothing is allocated, unless its chain or its attempts are more than a few;
//! every list is bounded by `policy::limits`.
//!
//! In the order in which a request meets them: [`authenticate`] says who asks, [`decide`] which
//! chain answers and makes the [`exchange`], which hands out one attempt after another; [`judge`]
//! says what came of an attempt, [`failover`] what follows from that, [`account`] what is written
//! down. Splicing of cut streams takes its place between failing over and accounting. The
//! [`prepared`] snapshot is what they read, the [`board`] is the one thing that they write.
#![forbid(unsafe_code)]

mod few;
mod machine;
pub mod moment;
pub mod text;

pub mod prepared;

pub mod allowance;
pub mod authenticate;
pub mod budget;
pub mod decide;
pub mod exchange;
pub mod judge;
pub mod vectors;

pub mod failover;
pub mod strike;

pub mod account;

pub mod backoff;
pub mod board;
pub mod breaker;
pub mod credential;
mod denials;
pub mod hedges;
pub mod hysteresis;
pub mod limit;
pub mod pace;
mod pages;
pub mod queue;
pub mod quota;
pub mod retries;
#[cfg(test)]
mod roll;
pub mod shares;
pub mod standing;
pub mod waiting;

pub use board::Board;
pub use exchange::Exchange;
pub use moment::Moment;
pub use prepared::Prepared;
