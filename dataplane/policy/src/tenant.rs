//! Tenants: who may ask, and for what.

use crate::route::Pattern;
use serde::{Deserialize, Serialize};

/// Who may ask.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// The operator's name for it, unique.
    pub name: String,
    /// SHA-256 of each of its keys; a key itself is never in a policy.
    pub digests: Vec<[u8; 32]>,
    /// Names that it may ask for; empty allows all.
    pub models: Vec<Pattern>,
}

impl Tenant {
    /// True when it may ask for `model`.
    pub fn may_ask_for(&self, model: &str) -> bool {
        self.models.is_empty() || self.models.iter().any(|pattern| pattern.matches(model))
    }
}

impl std::fmt::Debug for Tenant {
    /// Without the digests: they are not secret, and useless to a reader.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tenant").field("name", &self.name).field("keys", &self.digests.len()).field("models", &self.models).finish()
    }
}
