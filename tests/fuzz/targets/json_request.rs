//! Requests: every cutting gives the same facts, and what is accepted is JSON to others as well.
#![no_main]

use codec::{fuzz, json::RequestScan};
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;

fuzz_target!(|bytes: &[u8]| {
    fuzz::json_request(bytes);
    let mut scan = RequestScan::new();
    let Ok(facts) = scan.feed(bytes).and_then(|()| scan.finish().cloned()) else { return };
    assert!(serde_json::from_slice::<IgnoredAny>(bytes).is_ok(), "this is no JSON: {}", bytes.escape_ascii());
    // Lone surrogates are beyond what the other reader can hold.
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(bytes) else { return };
    assert!(value.is_object(), "{}", bytes.escape_ascii());
    let model = value.get("model").and_then(serde_json::Value::as_str);
    assert_eq!(facts.model.as_ref().map(|model| model.as_str()), model, "{}", bytes.escape_ascii());
    assert_eq!(facts.stream, value.get("stream") == Some(&serde_json::Value::Bool(true)), "{}", bytes.escape_ascii());
});
