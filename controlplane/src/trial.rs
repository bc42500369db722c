//! A generation on trial: it goes back by itself unless somebody confirms it in time.
//!
//! `STATE/trial.json` keeps it, so that a daemon that ended meanwhile neither forgets to go back nor
//! begins again with the policy that nobody confirmed.

use crate::keep;
use serde::{Deserialize, Serialize};
use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Longest trial.
pub const WITHIN_MAX: Duration = Duration::from_secs(7 * 86_400);
/// A way back that failed is tried again after so long.
const RETRY: Duration = Duration::from_secs(30);
/// Most ways back that are tried: each writes a generation into the journal, which must not push
/// out the one that is gone back to.
const TRIES_MAX: u32 = 5;

/// A generation that waits to be confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Which.
    pub generation: u64,
    /// The one that comes back.
    pub back: u64,
    /// When, in milliseconds since 1970.
    pub until_ms: u64,
    /// Who began it.
    pub who: String,
}

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kept {
    Pending(Pending),
    /// BLAKE3 of a policy's text that nobody confirmed: no daemon begins with it by itself.
    Lapsed(String),
}

/// The trial of a daemon, where there is one.
#[derive(Debug)]
pub struct Trial {
    path: PathBuf,
    kept: Option<Kept>,
    /// When the way back is taken. Measured by a clock that nobody sets; the file's is used only
    /// when a daemon begins.
    due: Option<Instant>,
    tries: u32,
}

impl Trial {
    /// Reads what an earlier daemon has kept.
    pub fn open(state: &Path, now: Instant, unix_ms: u64) -> Trial {
        let path = state.join("trial.json");
        let kept = keep::read(&path).unwrap_or_else(|error| {
            eprintln!("throwover: a trial may be forgotten: {error}");
            None
        });
        let due = match &kept {
            Some(Kept::Pending(pending)) => Some(now + Duration::from_millis(pending.until_ms.saturating_sub(unix_ms)).min(WITHIN_MAX)),
            _ => None,
        };
        Trial { path, kept, due, tries: 0 }
    }

    /// What waits to be confirmed.
    pub fn pending(&self) -> Option<&Pending> {
        match &self.kept {
            Some(Kept::Pending(pending)) => Some(pending),
            _ => None,
        }
    }

    /// How long there is left to confirm it.
    pub fn left(&self, now: Instant) -> Option<Duration> {
        self.pending().and(self.due).map(|due| due.saturating_duration_since(now))
    }

    /// True for the text of a policy that nobody confirmed.
    pub fn lapsed(&self, source: &str) -> bool {
        matches!(&self.kept, Some(Kept::Lapsed(lapsed)) if lapsed == source)
    }

    /// Begins one. A trial of a generation that is on trial itself goes back to the one before both.
    ///
    /// # Errors
    /// It could not be written down: a daemon that begins anew would not know of it.
    pub fn begin(&mut self, pending: Pending, within: Duration, now: Instant) -> io::Result<()> {
        let back = self.pending().map_or(pending.back, |earlier| earlier.back);
        let kept = Kept::Pending(Pending { back, ..pending });
        self.due = Some(now + within);
        self.tries = 0;
        let written = keep::write_json(&self.path, &kept);
        self.kept = Some(kept);
        written
    }

    /// Ends it for good.
    ///
    /// # Errors
    /// It could not be written down.
    pub fn end(&mut self) -> io::Result<Option<Pending>> {
        self.due = None;
        let ended = match self.kept.take() {
            Some(Kept::Pending(pending)) => Some(pending),
            _ => None,
        };
        keep::remove(&self.path).map(|()| ended)
    }

    /// Goes back: the policy of this text is not begun with again until somebody asks for it.
    ///
    /// # Errors
    /// It could not be written down.
    pub fn lapse(&mut self, source: &str) -> io::Result<()> {
        if self.pending().is_none() {
            return Ok(());
        }
        self.due = None;
        let kept = Kept::Lapsed(source.to_owned());
        let written = keep::write_json(&self.path, &kept);
        self.kept = Some(kept);
        written
    }

    /// The generation to go back to when nobody confirmed in time, and whether it was tried before.
    pub fn take_due(&mut self, now: Instant) -> Option<(Pending, bool)> {
        if now < self.due? {
            return None;
        }
        self.tries += 1;
        self.due = (self.tries < TRIES_MAX).then(|| now + RETRY);
        Some((self.pending()?.clone(), self.tries > 1))
    }
}

#[cfg(test)]
mod tests;
