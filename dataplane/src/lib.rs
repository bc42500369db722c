//! The data plane of the gateway.

pub mod io;
