//! The contract between the two processes: everything that may be decided, as plain tables.
//!
//! The control plane is a compiler and this crate is its instruction set. A [`Draft`] is what the
//! compiler writes; a [`Snapshot`] is a draft whose every reference was proved to be in range, and
//! only a snapshot can be served. Tables are indexed by ids that stay the same over generations,
//! so that live state (breakers, averages, pauses, pools) keyed by them survives a publish.
//!
//! There is no I/O here, no clock, and nothing that is unbounded: see [`limits`].
#![forbid(unsafe_code)]

pub mod budget;
pub mod chain;
pub mod chaos;
pub mod health;
pub mod id;
pub mod image;
pub mod limits;
pub mod money;
pub mod network;
pub mod route;
pub mod secret;
pub mod snapshot;
pub mod target;
pub mod tenant;
pub mod trigger;
pub mod wire;

pub use budget::{Budget, Per, Period};
pub use chain::{Backoff, Balance, Breaker, Chain, Hedge, Member, Patience, Slowness, Step, Wording};
pub use chaos::{Blow, Chaos, Strike};
pub use health::{Check, Degradation, Mark};
pub use id::{ChainId, KeyId, OriginId, ProviderId, RouteId, Table, TargetId, TenantId, TlsProfileId};
pub use money::{Money, Price, Tokens};
pub use network::Network;
pub use route::{Pattern, Predicate, Route};
pub use secret::{Secret, Secrets, ServerIdentity};
pub use snapshot::{Draft, Flaw, Gateway, Snapshot};
pub use target::{
    Auth, Concurrency, Dialect, Key, Model, Origin, Provider, Retries, Roots, Speaks, Target, Thinking, TlsProfile, Understands,
};
pub use tenant::Tenant;
pub use trigger::{Class, ClassSet, Triggers};
