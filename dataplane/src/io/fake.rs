//! The simulator's world: virtual time, scripted peers, a seed.
//!
//! The same [`Io`] as the product's, above connections that exist only in memory. Every delivery
//! is cut into chunks of random size and delayed at random, tasks run in random order, and all of
//! it follows from the seed: the same seed gives the same schedule, to which [`World::trace`]
//! testifies. The cut lies above TLS, so a replay is exact: origins with TLS speak plaintext here,
//! see [`SECURES`].
//!
//! A test makes a [`World`], runs the code under test on `world.io()`, plays the tenants by
//! [`World::tenant`] and the providers by [`World::provide`], and turns the world until what it
//! waits for has come true.

mod arrive;
mod deliver;
mod end;
mod io;
mod stream;
mod wire;
mod world;

#[cfg(test)]
mod tests;

pub use end::{End, Gone};
pub use io::{Accepted, Connect, Io, Woken};
pub use stream::Stream;
pub use world::{Census, World};

/// Origins with TLS are spoken to in plaintext in this world.
pub const SECURES: bool = false;
