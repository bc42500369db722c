//! Answers: every cutting gives the same facts, and what is accepted is JSON to others as well.
#![no_main]

use codec::{fuzz, json::AnswerScan};
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;

fuzz_target!(|bytes: &[u8]| {
    fuzz::json_answer(bytes);
    let mut scan = AnswerScan::new();
    if scan.feed(bytes).and_then(|()| scan.finish().map(|_| ())).is_ok() {
        assert!(serde_json::from_slice::<IgnoredAny>(bytes).is_ok(), "this is no JSON: {}", bytes.escape_ascii());
    }
});
