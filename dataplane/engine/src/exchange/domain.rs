//! What lies apart from what has failed.
//!
//! What breaks together shares something: an account, a provider's front door, a region. So within a
//! step, whose members are equals, the one that shares least with the attempts that failed is
//! asked next. Between steps the operator's order stands.

use super::{End, Exchange};
use crate::{
    failover,
    judge::Fault,
    prepared::{Place, Prepared},
};
use policy::Class;

/// What a place shares with the places where this exchange has failed; the order is that of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shared {
    /// Nothing that is known.
    Nothing,
    /// A region.
    Region,
    /// The provider.
    Provider,
}

/// A rate limit says nothing about who else is well, and the tenant's own faults nothing about anybody.
fn speaks(end: End) -> bool {
    matches!(end, End::Failed(class) if class != Class::RateLimit && failover::row(class).fault != Fault::Tenant)
}

fn shared(exchange: &Exchange, places: &[Place], place: &Place) -> Shared {
    let failed = exchange.trail().iter().filter(|trail| speaks(trail.end)).map(|trail| &places[usize::from(trail.candidate)]);
    let with = |other: &Place| match () {
        () if other.provider == place.provider => Shared::Provider,
        () if other.regions & place.regions != 0 => Shared::Region,
        () => Shared::Nothing,
    };
    failed.map(with).max().unwrap_or(Shared::Nothing)
}

/// Brings those of `eligible`, which are places of one step, to the front that share least with what
/// has failed, and says how many they are.
pub(super) fn farthest(exchange: &Exchange, prepared: &Prepared, eligible: &mut [u8]) -> usize {
    if exchange.trail().is_empty() || eligible.len() < 2 {
        return eligible.len();
    }
    let places = prepared.places(exchange.chain());
    let of = |at: u8| shared(exchange, places, &places[usize::from(at)]);
    eligible.sort_by_key(|at| of(*at));
    let least = of(eligible[0]);
    eligible.iter().take_while(|at| of(**at) == least).count()
}
