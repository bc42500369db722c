//! Tests of the whole: the real binaries as processes, with tenants on one side and providers that
//! fail on command on the other.
//!
//! [`testkit`] is what the suites are written with. `tests/scenario` holds one file for each
//! promise; `sdk` drives the official clients through the same gateway.

pub mod testkit;
