//! Requests in every dialect: what is read can be said in every other, and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| codec::fuzz::prompt(bytes));
