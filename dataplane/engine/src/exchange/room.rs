//! Whether there is room for an attempt: of the provider's seats, of what its target has shown that it can
//! take, and of the tenant's share of both.

use super::{Exchange, Running, Skip};
use crate::{
    board::Board,
    judge::Verdict,
    limit::Sign,
    moment::{Moment, NS_PER_US},
    prepared::{Place, Prepared},
    shares,
};
use policy::{Class, TargetId};

/// With nobody else to ask, room is looked for again after so long, in milliseconds.
const LOOK_MS: u32 = 100;

impl Exchange {
    /// Why no attempt at a place can begin now, when there is no room for one.
    #[inline]
    pub(super) fn no_room(&self, prepared: &Prepared, board: &Board, place: &Place, now: Moment) -> Option<Skip> {
        let in_flight = board.in_flight(place.provider);
        if in_flight >= place.in_flight_max {
            return Some(Skip::Bulkhead);
        }
        if shares::is_short(in_flight, place.in_flight_max) && self.has_its_share(prepared, board, place, place.in_flight_max) {
            return Some(Skip::OverShare);
        }
        let row = board.target(place.target);
        let most = row.limit.most(now).filter(|_| place.adaptive)?;
        self.is_at(prepared, board, place, most, now)
    }

    /// What a target's own limit says to an attempt.
    #[cold]
    fn is_at(&self, prepared: &Prepared, board: &Board, place: &Place, most: u32, now: Moment) -> Option<Skip> {
        let row = board.target(place.target);
        let here = row.in_flight();
        if !shares::is_short(here, most) || row.limit.is_soft() && !self.has_others(prepared, board, place, now) {
            return None;
        }
        // With nobody else to ask a refusal of ours would surely be one, and the limit is an estimate: whoever has
        // waited for room in vain goes in spite of it. Errors that come by chance would shrink it to the least.
        let in_spite = || self.has_waited() && !self.has_others(prepared, board, place, now);
        if here >= most && !in_spite() {
            return Some(Skip::AtLimit);
        }
        // Tenants are counted at the provider: as many times as much is there as is here.
        let whole = u64::from(most) * u64::from(board.in_flight(place.provider)) / u64::from(here.max(1));
        let whole = u32::try_from(whole).unwrap_or(u32::MAX);
        self.has_its_share(prepared, board, place, whole).then_some(Skip::OverShare)
    }

    /// True when this exchange has waited as often as it may.
    pub(super) fn has_waited(&self) -> bool {
        self.waits >= self.attempts_max.saturating_mul(2)
    }

    #[cold]
    fn has_its_share(&self, prepared: &Prepared, board: &Board, place: &Place, most: u32) -> bool {
        let tenant = self.tenant.filter(|_| prepared.is_shared());
        tenant.is_some_and(|tenant| board.shares(place.provider).has_its_share(tenant, most))
    }

    /// After how many milliseconds it is looked at again whether a candidate can be asked, when that may be
    /// soon. A provider that is full without anybody to share it is not waited for: who hangs there may do so
    /// for long, and nobody has less than they.
    pub(super) fn wait_ms(&self, prepared: &Prepared, skip: Skip) -> Option<u32> {
        match skip {
            Skip::Paused { for_ms } | Skip::KeyLimit { for_ms } => Some(for_ms),
            Skip::AtLimit | Skip::OverShare => Some(LOOK_MS),
            Skip::Bulkhead if self.tenant.is_some() && prepared.is_shared() => Some(LOOK_MS),
            _ => None,
        }
    }

    /// Counts an attempt that begins, where tenants share a provider.
    #[inline]
    pub(super) fn sit_down(&self, prepared: &Prepared, board: &Board, place: &Place) {
        if let Some(tenant) = self.tenant.filter(|_| prepared.is_shared()) {
            board.shares(place.provider).enter(tenant);
        }
    }

    /// And one that ends.
    #[inline]
    pub(super) fn stand_up(&self, prepared: &Prepared, board: &Board, target: TargetId) {
        if let Some(tenant) = self.tenant.filter(|_| prepared.is_shared()) {
            board.shares(prepared.targets[target].provider).leave(tenant);
        }
    }

    /// An attempt was answered; told while it is still counted.
    #[inline]
    pub(super) fn room_was_enough(&self, prepared: &Prepared, board: &Board, attempt_index: usize, now: Moment) {
        let target = self.target(attempt_index);
        let row = board.target(target);
        row.limit.answered(row.in_flight(), || prepared.providers[prepared.targets[target].provider].in_flight_max, now);
    }

    /// An attempt failed, and is not counted any more: perhaps there were too many.
    pub(super) fn room_was_short(&self, prepared: &Prepared, board: &Board, running: &Running, verdict: &Verdict, now: Moment) {
        let sign = match verdict.class {
            Class::RateLimit | Class::Overloaded => Sign::Said,
            Class::Timeout if verdict.counts_for_breaker => Sign::Late,
            _ => return,
        };
        let index = usize::from(running.index);
        let target = self.target(index);
        if prepared.providers[prepared.targets[target].provider].concurrency == policy::Concurrency::Adaptive {
            let row = board.target(target);
            let begun = self.started.plus_ns(u64::from(self.trail[index].begun_us) * NS_PER_US);
            row.limit.refused(row.in_flight().saturating_add(1), begun, sign, now);
        }
    }
}
