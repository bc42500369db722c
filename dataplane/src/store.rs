//! The last good policy on disk, so that the data plane starts without the control plane.

use policy::{Secrets, image};
use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// A folder of two files: the snapshot's image, and the secrets that only our user may read.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// Uses `folder`, which must exist.
    pub fn new(folder: PathBuf) -> Self {
        Store { folder }
    }

    fn snapshot(&self) -> PathBuf {
        self.folder.join("last-good.snapshot")
    }

    fn secrets(&self) -> PathBuf {
        self.folder.join("last-good.secrets")
    }

    /// Keeps a policy that is in service. Each file is replaced whole or not at all; secrets go
    /// first, so that a snapshot never lacks a key that it names.
    ///
    /// # Errors
    /// The disk's; what was kept before stays.
    pub fn keep(&self, snapshot: &[u8], generation: u64, secrets: &Secrets) -> io::Result<()> {
        replace(&self.secrets(), &image::seal_secrets(generation, secrets))?;
        replace(&self.snapshot(), snapshot)
    }

    /// What was kept last; `None` when nothing was.
    ///
    /// # Errors
    /// The disk's, or the secrets are damaged: the file, and what is wrong with it.
    pub fn load(&self) -> io::Result<Option<(Vec<u8>, Secrets)>> {
        let (Some(snapshot), Some(secrets)) = (read(&self.snapshot())?, read(&self.secrets())?) else { return Ok(None) };
        let secrets = image::open_secrets(&secrets)
            .map_err(|refusal| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {refusal}", self.secrets().display())))?;
        Ok(Some((snapshot, secrets)))
    }
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match File::open(path) {
        Ok(file) => {
            let mut bytes = Vec::new();
            file.take(policy::limits::IMAGE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
            Ok(Some(bytes))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    // What an ended process left there goes first: nothing that stands there is followed or reused.
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // 0600 before the first byte is written, whatever the umask.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    std::fs::rename(&fresh, path)
}

#[cfg(test)]
mod tests;
