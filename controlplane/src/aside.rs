//! Targets that an operator has set aside for a while: nobody is sent there, and they come back by
//! themselves.
//!
//! `STATE/aside.json` keeps them; every publish, whatever its reason, is compiled with those whose
//! time is not over. So a reload, a rollback and a daemon that begins anew leave them where they are.

use crate::{keep, plan::Plan, time};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io,
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

/// Longest time that a target is set aside for; who means it for good changes the policy.
pub const FOR_MAX: Duration = Duration::from_secs(30 * 86_400);
/// The time when nobody says how long.
pub const FOR_USUAL: Duration = Duration::from_secs(3_600);
/// Most targets that are set aside at once.
pub const ASIDE_MAX: usize = 1_024;

/// One target's time aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aside {
    /// When it is over, in milliseconds since 1970.
    pub until_ms: u64,
    /// Who said so.
    pub who: String,
    /// What for; may be empty.
    pub why: String,
}

impl Aside {
    /// The reason that records and `explain` show.
    pub fn reason(&self) -> String {
        let until = time::stamp(UNIX_EPOCH + Duration::from_millis(self.until_ms));
        let why = if self.why.is_empty() { String::new() } else { format!(": {}", self.why) };
        format!("set aside by {} until {until}{why}", self.who)
    }
}

/// Every target that is set aside, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asides(pub BTreeMap<String, Aside>);

impl Asides {
    /// Those that an earlier daemon has kept.
    pub fn open(state: &Path) -> Asides {
        keep::read(&state.join("aside.json")).map(Option::unwrap_or_default).unwrap_or_else(|error| {
            eprintln!("throwover: targets that were set aside may be back: {error}");
            Asides::default()
        })
    }

    /// Writes them down.
    ///
    /// # Errors
    /// The disk's.
    pub fn keep(&self, state: &Path) -> io::Result<()> {
        keep::write_json(&state.join("aside.json"), self)
    }

    /// Those whose time is not over.
    #[must_use]
    pub fn at(&self, unix_ms: u64) -> Asides {
        Asides(self.0.iter().filter(|(_, aside)| aside.until_ms > unix_ms).map(|(name, aside)| (name.clone(), aside.clone())).collect())
    }

    /// Marks targets of a plan; the names of those that the policy would have asked. One that the
    /// policy itself never asks keeps the policy's reason.
    pub fn apply(&self, plan: &mut Plan) -> Vec<String> {
        let mut marked = Vec::new();
        for (name, aside) in &self.0 {
            if let Some(target) = plan.targets.get_mut(name).filter(|target| target.disabled.is_none()) {
                target.disabled = Some(aside.reason());
                marked.push(name.clone());
            }
        }
        marked
    }
}

#[cfg(test)]
mod tests;
