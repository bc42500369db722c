//! Who has how many attempts in flight at one provider, so that nobody takes it all.
//!
//! Where seats are many nobody looks. Near the end of them a tenant that has its share already gives way:
//! the last seats are for those that have less. A share is what there is, divided by those who are there, and
//! one who is alone there is taken for two: somebody may come.
//!
//! A few counters, in which tenants meet by their ids: those that share one are held to be one, and with up
//! to [`SLOTS`] tenants of neighbouring ids none do. Counters are read without a lock, so two shards may
//! both give the last but one away; how many may be in flight at all is counted elsewhere, exactly.

use policy::TenantId;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Tenants that are told apart.
pub const SLOTS: usize = 64;
/// One seat of so many is kept for those that have less than their share; one at least.
pub const KEPT_PART: u32 = 5;

/// Attempts in flight by tenant.
#[derive(Debug)]
pub struct Shares([AtomicU32; SLOTS]);

impl Default for Shares {
    fn default() -> Shares {
        Shares([const { AtomicU32::new(0) }; SLOTS])
    }
}

/// True when so few of `most` seats are free that shares are looked at.
pub const fn is_short(in_flight: u32, most: u32) -> bool {
    let kept = most / KEPT_PART;
    in_flight >= most.saturating_sub(if kept == 0 { 1 } else { kept })
}

impl Shares {
    fn slot(&self, tenant: TenantId) -> &AtomicU32 {
        &self.0[tenant.0 as usize % SLOTS]
    }

    /// An attempt of `tenant` begins.
    pub fn enter(&self, tenant: TenantId) {
        self.slot(tenant).fetch_add(1, Relaxed);
    }

    /// It ended.
    pub fn leave(&self, tenant: TenantId) {
        let before = self.slot(tenant).fetch_sub(1, Relaxed);
        assert!(before > 0, "an attempt of {tenant:?} left that never entered");
    }

    /// Attempts of `tenant`, and of those that meet it.
    pub fn of(&self, tenant: TenantId) -> u32 {
        self.slot(tenant).load(Relaxed)
    }

    /// True when `tenant` has its share of `most` seats, or more.
    pub fn has_its_share(&self, tenant: TenantId, most: u32) -> bool {
        let mine = self.of(tenant);
        let there = self.0.iter().filter(|slot| slot.load(Relaxed) > 0).count() as u64;
        mine > 0 && u64::from(mine) * there.max(2) >= u64::from(most)
    }
}

#[cfg(test)]
mod tests;
