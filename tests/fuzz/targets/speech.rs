//! Answers in every dialect: they say the same in another, however they are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| codec::fuzz::speech(bytes));
