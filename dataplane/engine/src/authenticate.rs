//! Who asks: from a presented key to a tenant.

use crate::{judge::Fault, prepared::Prepared};
use policy::TenantId;
use sha2::{Digest, Sha256};

/// Longest key that is looked at, in bytes; nobody has a longer one, and hashing is not free.
pub const CREDENTIAL_BYTES_MAX: usize = 1_024;

/// Why nobody is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// No key was presented.
    Missing,
    /// Nobody has this key.
    Unknown,
}

impl Denial {
    /// Status of the answer.
    pub const fn status(self) -> u16 {
        401
    }

    /// `error.code`.
    pub const fn code(self) -> &'static str {
        match self {
            Denial::Missing => "missing_api_key",
            Denial::Unknown => "invalid_api_key",
        }
    }

    /// `error.type`.
    pub const fn kind(self) -> &'static str {
        "invalid_request_error"
    }

    /// `error.message`. It never quotes the key.
    pub const fn message(self) -> &'static str {
        match self {
            Denial::Missing => "No key was sent. Send the key that the gateway's operator gave you as \"Authorization: Bearer …\".",
            Denial::Unknown => "The gateway does not know this key. Providers' keys are of no use here: ask its operator for one.",
        }
    }

    /// Whose fault it is.
    pub const fn fault(self) -> Fault {
        Fault::Tenant
    }
}

/// The key in the value of an `Authorization` field: what follows `Bearer`, in any case of letters
/// (RFC 9110, section 11.1), and its spaces.
pub fn bearer(header_value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = header_value.trim_ascii().split_at_checked(b"bearer".len())?;
    let key = rest.trim_ascii_start();
    // RFC 9110, section 11.4: credentials = auth-scheme [ 1*SP ( token68 / … ) ]
    let parted = key.len() < rest.len();
    (scheme.eq_ignore_ascii_case(b"bearer") && parted && !key.is_empty()).then_some(key)
}

/// Who presented `credential`; `None` when the policy has no tenants, so that everybody may ask.
///
/// # Errors
/// A [`Denial`] when there are tenants and the key is none of theirs.
pub fn authenticate(prepared: &Prepared, credential: Option<&[u8]>) -> Result<Option<TenantId>, Denial> {
    if prepared.is_open() {
        return Ok(None);
    }
    let key = credential.filter(|key| !key.is_empty()).ok_or(Denial::Missing)?;
    if key.len() > CREDENTIAL_BYTES_MAX {
        return Err(Denial::Unknown);
    }
    let digest: [u8; 32] = Sha256::digest(key).into();
    prepared.tenant_by_digest(&digest).map(Some).ok_or(Denial::Unknown)
}

#[cfg(test)]
mod tests;
