//! The last good policy on disk, so that the data plane starts without the control plane.

use policy::{Secrets, image};
use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// A folder of two files that only our user may read: the snapshot's image, and its secrets under a
/// name that is made from the image. So the two always belong together, whenever the power goes: a
/// credential that met another snapshot's table could be sent to another provider.
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

    fn secrets(&self, snapshot: &[u8]) -> PathBuf {
        let digest = blake3::hash(snapshot).to_hex();
        self.folder.join(format!("last-good.{}.{SECRETS}", &digest[..16]))
    }

    /// Keeps a policy that is in service. Secrets go first; with the snapshot's rename both are in
    /// force, and the secrets before them go.
    ///
    /// # Errors
    /// The disk's; what was kept before stays.
    pub fn keep(&self, snapshot: &[u8], generation: u64, secrets: &Secrets) -> io::Result<()> {
        let path = self.secrets(snapshot);
        replace(&path, &image::seal_secrets(generation, secrets))?;
        replace(&self.snapshot(), snapshot)?;
        File::open(&self.folder)?.sync_all()?;
        self.forget_all_but(&path)
    }

    fn forget_all_but(&self, kept: &Path) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path != kept && path.extension().is_some_and(|extension| extension == SECRETS) {
                std::fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// What was kept last; `None` when nothing was.
    ///
    /// # Errors
    /// The disk's, or the secrets are damaged or missing: the file, and what is wrong with it.
    pub fn load(&self) -> io::Result<Option<(Vec<u8>, Secrets)>> {
        let Some(snapshot) = read(&self.snapshot())? else { return Ok(None) };
        let path = self.secrets(&snapshot);
        let flaw = |flaw: &dyn std::fmt::Display| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {flaw}", path.display()));
        let sealed = read(&path)?.ok_or_else(|| flaw(&"the secrets of the snapshot beside it are not there"))?;
        let secrets = image::open_secrets(&sealed).map_err(|refusal| flaw(&refusal))?;
        Ok(Some((snapshot, secrets)))
    }
}

/// Ending of the names of files that hold secrets.
const SECRETS: &str = "secrets";

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
