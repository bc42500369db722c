//! Tenants by the digest of their key.

use policy::{Snapshot, TenantId};
use subtle::ConstantTimeEq;

/// A digest as it is compared.
type Words = [u64; 4];

/// Every digest with its tenant, in an open table of a power of two of slots, at most half full.
///
/// The table is entered with bits of the digest. They say nothing about the key: whoever could
/// choose them would have to invert SHA-256. Within a run of slots, whole digests are compared in
/// constant time, by words: each step of that is a call that the compiler must not see through, and
/// bytes would take eight times as many.
#[derive(Debug)]
pub(super) struct Digests {
    slots: Vec<Option<(Words, TenantId)>>,
    /// There are tenants, though perhaps none of them has a key.
    tenants: bool,
}

impl Digests {
    pub(super) fn build(snapshot: &Snapshot) -> Digests {
        let count: usize = snapshot.tenants.iter().map(|(_, tenant)| tenant.digests.len()).sum();
        let mut digests = Digests { slots: vec![None; (count * 2).next_power_of_two().max(2)], tenants: snapshot.tenants.count() > 0 };
        for (id, tenant) in snapshot.tenants.iter() {
            for digest in &tenant.digests {
                digests.insert(words(digest), id);
            }
        }
        digests
    }

    /// Of two tenants with one key the first counts: it is met first.
    fn insert(&mut self, digest: Words, id: TenantId) {
        let mut at = self.home(&digest);
        while self.slots[at].is_some() {
            at = (at + 1) & (self.slots.len() - 1);
        }
        self.slots[at] = Some((digest, id));
    }

    fn home(&self, digest: &Words) -> usize {
        digest[0] as usize & (self.slots.len() - 1)
    }

    pub(super) fn find(&self, digest: &[u8; 32]) -> Option<TenantId> {
        let digest = words(digest);
        let mut at = self.home(&digest);
        // A slot is always free, so this ends.
        while let Some((candidate, id)) = &self.slots[at] {
            if bool::from(candidate.ct_eq(&digest)) {
                return Some(*id);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
        None
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.tenants
    }
}

fn words(digest: &[u8; 32]) -> Words {
    let (words, _) = digest.as_chunks();
    std::array::from_fn(|at| u64::from_le_bytes(words[at]))
}
