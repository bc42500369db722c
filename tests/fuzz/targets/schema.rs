//! Schemas and values: every end is met, and no way of putting a schema contradicts another.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| codec::fuzz::schema(bytes));
