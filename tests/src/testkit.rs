//! Both ends of the gateway, and the gateway between them.
//!
//! A scenario starts a [`provider::Provider`], a [`gateway::Gateway`] with a [`policy::Policy`], and
//! speaks to it as a [`tenant::Tenant`]. What happened is told as a [`story::Story`] of both ends.
//! Nothing sleeps for a fixed time: [`until`] waits for a condition, within a bound that only a
//! failing test reaches.

pub mod certs;
pub mod gateway;
pub mod load;
pub mod policy;
pub mod provider;
pub mod proxy;
pub mod recorder;
pub mod speech;
pub mod story;
pub mod tenant;
pub mod weight;

use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(5);

/// Looks again and again until there is something to see.
///
/// # Panics
/// It never came; `what` is named.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let by = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < by, "never happened: {what}");
        std::thread::sleep(LOOK);
    }
}
