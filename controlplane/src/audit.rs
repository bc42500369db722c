//! Who changed what: `STATE/audit.jsonl`, one line for each act that an operator asked for, refused
//! ones included.
//!
//! A line is on disk before its answer is given. The file is only ever appended to; at its bound it
//! becomes `audit.jsonl.1`, in the place of an earlier one.

use crate::{link::Peer, socket::code, time};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

/// Largest file, in bytes.
pub const BYTES_MAX: u64 = 16 << 20;
/// So much of a reason is kept, in characters.
const SAID_MAX: usize = 512;

/// The file of acts. Operators' threads share it; each act is one write.
#[derive(Debug)]
pub struct Audit {
    path: PathBuf,
    bytes_max: u64,
    /// The file and its length.
    file: Mutex<(File, u64)>,
}

/// One act.
#[derive(Clone, Debug, Serialize)]
pub struct Act<'a> {
    /// When it ended: `2026-11-20T23:51:25Z`.
    pub at: String,
    /// Whose process asked.
    pub uid: u32,
    /// Which.
    pub pid: i32,
    /// What for.
    pub verb: &'a str,
    /// With what.
    pub arguments: &'a BTreeMap<String, String>,
    /// How it ended: `ok`, `refused`, …
    pub outcome: &'static str,
    /// The same as the exit code of the command.
    pub code: u8,
    /// The generation that was live afterwards, where the answer names one.
    pub generation: Option<u64>,
    /// Why not, where it was not done.
    pub said: String,
}

impl<'a> Act<'a> {
    /// What somebody asked for, and what became of it.
    pub fn new(peer: Peer, request: &'a crate::socket::Request, answer: &'a crate::socket::Answer) -> Act<'a> {
        Act {
            at: time::stamp(SystemTime::now()),
            uid: peer.uid,
            pid: peer.pid,
            verb: &request.verb,
            arguments: &request.arguments,
            outcome: code::word(answer.code),
            code: answer.code,
            generation: answer.data["generation"].as_u64(),
            said: answer.data["error"].as_str().unwrap_or_default().chars().take(SAID_MAX).collect(),
        }
    }
}

impl Audit {
    /// Opens the file, and makes it when there is none.
    ///
    /// # Errors
    /// The disk's; or what stands there is a link.
    pub fn open(state: &Path) -> io::Result<Audit> {
        Audit::open_with(state, BYTES_MAX)
    }

    fn open_with(state: &Path, bytes_max: u64) -> io::Result<Audit> {
        let path = state.join("audit.jsonl");
        let file = opened(&path)?;
        Ok(Audit { path, bytes_max, file: Mutex::new(file) })
    }

    /// Writes one act down, for good.
    ///
    /// # Errors
    /// The disk's.
    pub fn write(&self, act: &Act<'_>) -> io::Result<()> {
        let mut line = serde_json::to_vec(act).map_err(io::Error::other)?;
        line.push(b'\n');
        // A thread that died between two writes left nothing half done.
        let mut held = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if held.1 > 0 && held.1 + line.len() as u64 > self.bytes_max {
            fs::rename(&self.path, self.path.with_extension("jsonl.1"))?;
            *held = opened(&self.path)?;
        }
        let (file, length) = &mut *held;
        file.write_all(&line)?;
        *length += line.len() as u64;
        file.sync_data()
    }
}

fn opened(path: &Path) -> io::Result<(File, u64)> {
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let file = OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(no_follow).open(path).map_err(named)?;
    let found = file.metadata()?;
    if found.permissions().mode() & 0o077 != 0 {
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    Ok((file, found.len()))
}

#[cfg(test)]
mod tests;
