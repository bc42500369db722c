//! Small files of the state folder: written whole or not at all, and for this user alone.

use serde::{Serialize, de::DeserializeOwned};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Largest file that [`read`] takes, in bytes.
const BYTES_MAX: u64 = 64 << 20;

/// Writes a file, so that whoever reads it finds the old content or the new, also when the power fails.
///
/// # Errors
/// The disk's.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    // What an ended daemon left there goes first: nothing that stands there is followed or kept open.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Tenants' digests may be in it: nobody else need read them.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    synced(path)
}

/// Removes a file for good; one that is not there is no error.
///
/// # Errors
/// The disk's.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Ok(()) => synced(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// A change of a folder lasts when the folder itself is on disk.
fn synced(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Writes a value as JSON.
///
/// # Errors
/// The disk's.
pub fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    write(path, &serde_json::to_vec_pretty(value).map_err(io::Error::other)?)
}

/// Reads a value; `None` when there is no file.
///
/// # Errors
/// The file cannot be read, or is not what we wrote.
pub fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    let told = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(told)?,
    };
    let mut bytes = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut bytes).map_err(told)?;
    serde_json::from_slice(&bytes).map(Some).map_err(|error| told(error.into()))
}
