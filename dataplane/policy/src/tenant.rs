//! Tenants: who may ask, for what, from where, and how much.

use crate::{budget::Budget, network::Network, route::Pattern};
use serde::{Deserialize, Serialize};

/// Who may ask.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// The operator's name for it, unique.
    pub name: String,
    /// SHA-256 of each of its keys; a key itself is never in a policy.
    pub digests: Vec<[u8; 32]>,
    /// Names that it may ask for; empty allows all.
    pub models: Vec<Pattern>,
    /// Networks that it may ask from; empty allows all.
    pub networks: Vec<Network>,
    /// Requests in a minute; 0 is no limit.
    pub requests_per_minute: u64,
    /// Tokens in a minute, of prompts and answers together; 0 is no limit.
    pub tokens_per_minute: u64,
    /// What it may spend; `None` is no limit.
    pub budget: Option<Budget>,
    /// It may have attempts of its own requests fail on purpose.
    pub may_test: bool,
}

impl Tenant {
    /// True when it may ask for `model`.
    pub fn may_ask_for(&self, model: &str) -> bool {
        self.models.is_empty() || self.models.iter().any(|pattern| pattern.matches(model))
    }

    /// True when requests or tokens are counted for it.
    pub fn is_limited(&self) -> bool {
        self.requests_per_minute > 0 || self.tokens_per_minute > 0
    }

    /// True when anything is counted for it, money included.
    pub fn is_counted(&self) -> bool {
        self.is_limited() || self.budget.is_some()
    }
}

impl std::fmt::Debug for Tenant {
    /// Without the digests: they are not secret, and useless to a reader.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tenant")
            .field("name", &self.name)
            .field("keys", &self.digests.len())
            .field("models", &self.models)
            .field("networks", &self.networks)
            .field("requests_per_minute", &self.requests_per_minute)
            .field("tokens_per_minute", &self.tokens_per_minute)
            .field("budget", &self.budget)
            .field("may_test", &self.may_test)
            .finish()
    }
}
