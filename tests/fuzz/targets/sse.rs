//! Event streams: every cutting gives the same events.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| codec::fuzz::events(bytes));
