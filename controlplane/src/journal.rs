//! Generations on disk: what was served, who asked for it, and what it changed.
//!
//! Each is two files, `N.snapshot` and `N.json`, written to a temporary name, synced and renamed;
//! the second is the mark that the first is whole. What is torn or damaged is passed over. Secrets
//! are never here: a rollback resolves today's through the references that are.

use crate::{compile::KeyNames, keep, places};
use policy::{Draft, image};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Generations that are kept.
pub const KEPT_MAX: usize = 100;

/// What is remembered about a generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Which.
    pub generation: u64,
    /// When: `2026-11-20T23:51:25Z`.
    pub at: String,
    /// Who asked for it.
    pub who: String,
    /// What for.
    pub why: String,
    /// What it changed, a line for each thing.
    pub changes: Vec<String>,
    /// BLAKE3 of the policy's text.
    pub source: String,
    /// Ids of credentials, by provider and reference.
    pub keys: KeyNames,
    /// Targets that an operator had set aside; the policy itself would have asked them.
    #[serde(default)]
    pub aside: Vec<String>,
    /// The generation whose policy this one has, when it differs in nothing but its number and what
    /// is set aside: who goes back means the policy before.
    #[serde(default)]
    pub same_as: Option<u64>,
    /// How its publish ended.
    pub outcome: Outcome,
}

/// How a publish ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was written down and not yet answered for.
    Sealed,
    /// It is or was live.
    Live,
    /// It was refused, for this reason.
    Refused(String),
}

impl Outcome {
    /// In one word.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Sealed => "sealed",
            Outcome::Live => "live",
            Outcome::Refused(_) => "refused",
        }
    }
}

/// The folder of generations.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
}

impl Journal {
    /// Opens the folder, and makes it when there is none.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(state: &Path) -> io::Result<Journal> {
        let folder = state.join("generations");
        places::private(&folder)?;
        Ok(Journal { folder })
    }

    /// Every generation that is whole, oldest first.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for generation in self.numbers()? {
            let Ok(bytes) = fs::read(self.path(generation, "json")) else { continue };
            // A file that was torn or meddled with is passed over, not trusted in part.
            let Ok(entry) = serde_json::from_slice::<Entry>(&bytes) else { continue };
            if entry.generation == generation && self.path(generation, "snapshot").is_file() {
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    /// The newest generation that was live and can still be read.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn last_live(&self) -> io::Result<Option<(Entry, Draft)>> {
        for entry in self.entries()?.into_iter().rev().filter(|entry| entry.outcome == Outcome::Live) {
            if let Ok(draft) = self.draft(entry.generation) {
                return Ok(Some((entry, draft)));
            }
        }
        Ok(None)
    }

    /// The highest number that was ever used, torn files included.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn highest(&self) -> io::Result<u64> {
        Ok(self.numbers()?.last().copied().unwrap_or(0))
    }

    /// The tables of a generation, read and proved.
    ///
    /// # Errors
    /// The file is missing or damaged.
    pub fn draft(&self, generation: u64) -> io::Result<Draft> {
        let bytes = fs::read(self.path(generation, "snapshot"))?;
        let snapshot = image::open(&bytes).map_err(|refusal| io::Error::new(io::ErrorKind::InvalidData, refusal))?;
        if snapshot.generation != generation {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the file holds another generation"));
        }
        Ok((*snapshot).clone())
    }

    /// Writes a generation down, and forgets the oldest beyond [`KEPT_MAX`].
    ///
    /// # Errors
    /// The disk's.
    pub fn write(&self, entry: &Entry, image: &[u8]) -> io::Result<()> {
        keep::write(&self.path(entry.generation, "snapshot"), image)?;
        self.mark(entry)?;
        let numbers = self.numbers()?;
        for old in numbers.iter().take(numbers.len().saturating_sub(KEPT_MAX)) {
            for ending in ["json", "snapshot"] {
                match fs::remove_file(self.path(*old, ending)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Writes down what became of a generation.
    ///
    /// # Errors
    /// The disk's.
    pub fn mark(&self, entry: &Entry) -> io::Result<()> {
        keep::write_json(&self.path(entry.generation, "json"), entry)
    }

    /// Every number that a file bears, ascending.
    fn numbers(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for file in fs::read_dir(&self.folder)? {
            let name = file?.file_name();
            let Some((stem, "json" | "snapshot")) = name.to_str().and_then(|name| name.split_once('.')) else { continue };
            numbers.extend(stem.parse::<u64>());
        }
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }

    fn path(&self, generation: u64, ending: &str) -> PathBuf {
        self.folder.join(format!("{generation}.{ending}"))
    }
}

#[cfg(test)]
mod tests;
