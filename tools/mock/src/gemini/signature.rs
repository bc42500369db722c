//! Signatures of thoughts, as they come with function calls.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::fields;

/// What every signature of the mock begins with, once decoded, so that a test can tell it from
/// others.
const PREFIX: &str = "mock-thought-signature:";

/// What the API takes in place of a signature that it never gave.
const DUMMIES: &[&str] = &["skip_thought_signature_validator", "context_engineering_is_the_way_to_go"];

/// The signature of the thoughts before the calls of this answer.
pub(super) fn of(answer_id: &str) -> String {
    STANDARD.encode(format!("{PREFIX}{answer_id}"))
}

/// Whether the API would take it: its own, or a dummy, plain or encoded.
pub(super) fn accepted(signature: &str) -> bool {
    let decoded = fields::bytes(signature).unwrap_or_default();
    DUMMIES.iter().any(|dummy| signature == *dummy || decoded == dummy.as_bytes()) || decoded.starts_with(PREFIX.as_bytes())
}
