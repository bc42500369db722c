//! Simulations: the whole of one shard, from its listener to its providers, in the fake world.
//!
//! The walk that runs here is the product's, down to `io`; tenants, providers, the network and the
//! clock are scripts that follow from a seed. [`seeds`] plays thousands of random histories and
//! checks for each one what must hold for all; [`scenes`] plays one history for every promise.
//!
//! A failure prints its seed and the command that plays it again: the same seed gives the same
//! history, to the last byte.

mod book;
mod check;
mod dice;
mod line;
pub(crate) mod plan;
mod provider;
mod scenes;
mod seeds;
mod size;
mod stage;
mod tenant;
mod walk;
