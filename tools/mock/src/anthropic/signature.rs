//! Signatures of thoughts: opaque to everybody but the provider that gave them.

use std::hash::{DefaultHasher, Hash, Hasher};

/// What every signature of the mock begins with, so that a test can tell it from others. With the digest
/// behind it, it is base64 as the API's own are, and has both digits in which the alphabets differ.
pub(super) const PREFIX: &str = "EqMockThoughts+/";

/// What became of a signature that came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is of these thoughts.
    Good,
    /// It was given by the mock, but for other thoughts.
    Altered,
    /// The mock never gave it.
    Foreign,
}

/// The signature of these thoughts.
pub(super) fn of(thoughts: &str) -> String {
    let mut hasher = DefaultHasher::new();
    thoughts.hash(&mut hasher);
    format!("{PREFIX}{:016x}", hasher.finish())
}

/// Whether the signature is of these thoughts. Thoughts that were left out are signed all the same.
pub(super) fn verify(thoughts: &str, signature: &str) -> Verdict {
    match signature.strip_prefix(PREFIX) {
        Some(digest) if digest.len() == 16 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()) => match thoughts {
            "" => Verdict::Good,
            _ if of(thoughts) == signature => Verdict::Good,
            _ => Verdict::Altered,
        },
        _ => Verdict::Foreign,
    }
}
