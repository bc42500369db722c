//! Where things are when nobody says where.

use crate::verbs::Arguments;
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{self, File},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

/// The policy.
pub fn config(arguments: &Arguments) -> PathBuf {
    arguments.get("config").map_or_else(|| PathBuf::from("/etc/throwover/throwover.yaml"), PathBuf::from)
}

/// The folder of the sockets: systemd's, `/run/throwover` of root, else the session's.
pub fn run(arguments: &Arguments) -> PathBuf {
    let given = arguments.get("run").map(PathBuf::from).or_else(|| variable("RUNTIME_DIRECTORY"));
    given.unwrap_or_else(|| match variable("XDG_RUNTIME_DIR") {
        Some(folder) if !root() => folder.join("throwover"),
        _ if root() => PathBuf::from("/run/throwover"),
        _ => home().join(".local/state/throwover/run"),
    })
}

/// The folder of the generations: systemd's, `/var/lib/throwover` of root, else one at home.
pub fn state(arguments: &Arguments) -> PathBuf {
    let given = arguments.get("state").map(PathBuf::from).or_else(|| variable("STATE_DIRECTORY"));
    given.unwrap_or_else(|| if root() { PathBuf::from("/var/lib/throwover") } else { home().join(".local/state/throwover") })
}

/// A folder that nobody else may write to; it is made when there is none.
///
/// # Errors
/// It cannot be made, or others could put something into it.
pub fn private(path: &Path) -> io::Result<()> {
    let own = rustix::process::geteuid().as_raw();
    let told = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(told)
        }
        Err(error) => Err(told(error)),
        Ok(found) if !found.is_dir() => Err(told(io::Error::new(io::ErrorKind::NotADirectory, "this is no folder"))),
        Ok(found) => {
            // A link is as good as whoever may point it elsewhere.
            let link = fs::symlink_metadata(path).map_err(told)?;
            let doubt = doubt(found.mode(), found.uid(), own).or_else(|| doubt(0o700, link.uid(), own));
            doubt.map_or(Ok(()), |doubt| Err(told(io::Error::new(io::ErrorKind::PermissionDenied, doubt))))
        }
    }
}

/// Why a folder is not ours alone to write. Others may look: systemd makes such folders.
fn doubt(mode: u32, owner: u32, own: u32) -> Option<String> {
    if owner != own && owner != 0 {
        return Some(format!("it belongs to user {owner}, and this is user {own}; give it to us with chown, or name another"));
    }
    (mode & 0o022 != 0).then(|| "it can be written by others; take that from them with chmod go-w".to_owned())
}

/// Holds a folder for this process until the file is dropped, however the process ends.
///
/// # Errors
/// Another process holds it.
pub fn hold(path: &Path) -> io::Result<File> {
    let folder = File::open(path)?;
    flock(&folder, FlockOperation::NonBlockingLockExclusive).map_err(|errno| match errno {
        rustix::io::Errno::WOULDBLOCK => {
            io::Error::new(io::ErrorKind::AddrInUse, format!("another daemon uses {}; end it, or name another folder", path.display()))
        }
        other => other.into(),
    })?;
    Ok(folder)
}

fn root() -> bool {
    rustix::process::geteuid().is_root()
}

fn home() -> PathBuf {
    variable("HOME").unwrap_or_else(|| PathBuf::from("."))
}

/// systemd may give several folders, with colons between them; the first is ours.
fn variable(name: &str) -> Option<PathBuf> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
    Some(PathBuf::from(value.split(':').next().unwrap_or(&value)))
}

#[cfg(test)]
mod tests;
