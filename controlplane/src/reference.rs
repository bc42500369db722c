//! Secrets by reference: `${NAME}` from the environment, `${file:/path}` from a file,
//! `${credential:NAME}` from the service manager.

use policy::Secret;
use std::{
    fmt,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Where the service manager puts credentials (`LoadCredential=`, systemd.exec(5)): each is a file of
/// its name, which only this service may read.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// Largest secret, in bytes.
const SECRET_BYTES_MAX: usize = 64 * policy::limits::KIB;
/// Largest file that is referred to, in bytes; bundles of authorities are the largest.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Finds an environment variable.
pub type Variables = dyn Fn(&str) -> Option<String> + Send + Sync;
/// Reads a file.
pub type Files = dyn Fn(&Path) -> io::Result<Vec<u8>> + Send + Sync;

/// What a policy is read against; tests bring their own.
pub struct Surroundings {
    /// Environment variables by name.
    pub variable: Box<Variables>,
    /// Files by path.
    pub file: Box<Files>,
    /// The day, as `2026-11-20`.
    pub today: String,
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("today", &self.today).finish_non_exhaustive()
    }
}

impl Surroundings {
    /// Those of this process.
    pub fn real() -> Surroundings {
        Surroundings {
            variable: Box::new(|name| std::env::var(name).ok().filter(|value| !value.is_empty())),
            file: Box::new(read),
            today: crate::time::date(std::time::SystemTime::now()),
        }
    }
}

/// Reads a file that has an end.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it holds more than {} MiB", FILE_BYTES_MAX >> 20)));
    }
    Ok(bytes)
}

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference<'a> {
    /// In the environment, by this name.
    Variable(&'a str),
    /// In a file, at this path.
    File(&'a str),
    /// With the service manager, under this name.
    Credential(&'a str),
    /// In the policy itself.
    Literal,
}

/// Why a reference leads nowhere. Never quotes what it found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Not in the environment.
    Unset(String),
    /// There is no service manager that would have passed the credential of this name.
    Unmanaged(String),
    /// No name of a credential.
    Misnamed(String),
    /// Not to be read: path and reason.
    Unreadable(String, String),
    /// Read, and empty, too long, or with a line break or NUL within.
    Unusable(String),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Unset(name) => write!(f, "the environment variable {name} is not set"),
            Missing::Unmanaged(name) => write!(
                f,
                "the credential {name} is passed by nobody: {CREDENTIALS} is not set; LoadCredential= in the unit sets it, or use ${{file:/path}}"
            ),
            Missing::Misnamed(name) => write!(f, "{name:?} is not the name of a credential"),
            Missing::Unreadable(path, why) => write!(f, "{path} cannot be read: {why}"),
            Missing::Unusable(place) => write!(f, "{place} holds nothing that can be sent as a credential"),
        }
    }
}

/// Reads the form of a reference.
pub fn parse(text: &str) -> Reference<'_> {
    match text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
        Some(inner) => match inner.split_once(':') {
            Some(("file", path)) => Reference::File(path),
            Some(("credential", name)) => Reference::Credential(name),
            Some(("env", name)) => Reference::Variable(name),
            _ => Reference::Variable(inner),
        },
        None => Reference::Literal,
    }
}

/// The file of a credential.
fn credential_file(name: &str, from: &Surroundings) -> Result<PathBuf, Missing> {
    if name.is_empty() || name.contains('/') || name == "." || name == ".." {
        return Err(Missing::Misnamed(name.to_owned()));
    }
    let folder = (from.variable)(CREDENTIALS).ok_or_else(|| Missing::Unmanaged(name.to_owned()))?;
    Ok(Path::new(&folder).join(name))
}

/// The bytes that a reference leads to, as they are.
///
/// # Errors
/// [`Missing`], without a trace of the secret.
pub fn bytes(text: &str, from: &Surroundings) -> Result<Vec<u8>, Missing> {
    match parse(text) {
        Reference::Variable(name) => (from.variable)(name).map(String::into_bytes).ok_or_else(|| Missing::Unset(name.to_owned())),
        Reference::File(path) => file(Path::new(path), from),
        Reference::Credential(name) => file(&credential_file(name, from)?, from),
        Reference::Literal => Ok(text.as_bytes().to_vec()),
    }
}

fn file(path: &Path, from: &Surroundings) -> Result<Vec<u8>, Missing> {
    (from.file)(path).map_err(|error| Missing::Unreadable(path.display().to_string(), error.to_string()))
}

/// A credential that may stand in a request's head.
///
/// # Errors
/// [`Missing`], without a trace of the secret.
pub fn credential(text: &str, from: &Surroundings) -> Result<Secret, Missing> {
    let mut found = bytes(text, from)?;
    let end = found.iter().rposition(|byte| !byte.is_ascii_whitespace()).map_or(0, |at| at + 1);
    found.truncate(end);
    // RFC 9110, section 5.5: a field value holds no CR, LF or NUL.
    let clean = found.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ');
    if found.is_empty() || found.len() > SECRET_BYTES_MAX || !clean {
        let place = match parse(text) {
            Reference::Variable(name) => format!("the environment variable {name}"),
            Reference::File(path) => path.to_owned(),
            Reference::Credential(name) => format!("the credential {name}"),
            Reference::Literal => "this text".to_owned(),
        };
        return Err(Missing::Unusable(place));
    }
    Ok(Secret::new(found))
}

#[cfg(test)]
mod tests;
