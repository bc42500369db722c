//! Credentials. They travel in a frame of their own, never in a snapshot, journal, diff or log.

use crate::KeyId;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Bytes that are shown to nobody and overwritten when dropped.
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Secret(Zeroizing::new(bytes))
    }

    /// The bytes, for the one place that sends them.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// What the gateway shows to tenants that connect by TLS.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct ServerIdentity {
    /// Certificate chain, PEM, leaf first.
    pub certificate: Vec<u8>,
    /// Private key, PEM.
    pub key: Secret,
}

/// Every secret of one policy.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Secrets {
    /// Providers' credentials by id, ascending and unique.
    pub keys: Vec<(KeyId, Secret)>,
    /// Present when a listener speaks TLS.
    pub identity: Option<ServerIdentity>,
}

impl Secrets {
    /// The credential of `id`.
    pub fn key(&self, id: KeyId) -> Option<&Secret> {
        let at = self.keys.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        Some(&self.keys[at].1)
    }
}
