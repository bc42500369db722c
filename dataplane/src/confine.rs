//! The cage: what this process may still do once it serves.
//!
//! Keys of providers are in its memory, and bytes of strangers are read by it. So nothing of its
//! memory reaches a disk ([`seal`]), and Landlock (landlock(7)) takes from its threads what they
//! never need ([`Rules`]):
//!
//! | may | what | why |
//! |---|---|---|
//! | read | `/etc`, and where its links lead | name service and certificate authorities |
//! | read | folders of libraries | the C library loads parts of the name service when they are asked for |
//! | read | `/sys/devices/system` | which processors there are |
//! | read, write, make, remove files | the state folder | the last good policy |
//! | make and remove sockets | the run folder | the next process takes over there |
//! | read, write, make files | the folder of the access log | it is opened anew when it was rotated |
//! | connect by TCP | anywhere | see below |
//!
//! Nothing else can be opened, nothing executed, no further TCP port be bound, no signal sent to
//! another process, no abstract socket of another be reached. What is open already stays open, and
//! Unix sockets with a path are reached where the modes of files allow it.
//!
//! *Why whole folders:* a rule belongs to the file that was there when it was made. `resolv.conf`
//! and bundles of authorities are replaced while the process lives, and a rule of a file's own would
//! go with the old one.
//!
//! *Why connecting is free:* every policy may name other ports, and a thread that gave up a right
//! never gets it back: the first publish with a new port would be refused by the kernel. Where
//! providers are is decided by the policy, which comes from the operator alone.
//!
//! *Rings are no way out:* operations of a ring are judged with the rights of the thread that made
//! it; a test asks the kernel. A seccomp filter, in contrast, never sees them.

use rustix::{
    fs::{Mode, OFlags},
    process::{DumpableBehavior, Resource, Rlimit},
};
use std::{
    fmt,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    path::{Path, PathBuf},
};

/// Rights over files (linux/landlock.h).
mod file {
    pub(super) const WRITE: u64 = 1 << 1;
    pub(super) const READ: u64 = 1 << 2;
    pub(super) const LIST: u64 = 1 << 3;
    pub(super) const REMOVE: u64 = 1 << 5;
    pub(super) const MAKE: u64 = 1 << 8;
    pub(super) const MAKE_SOCKET: u64 = 1 << 9;
    /// Those that a rule for a single file may name.
    pub(super) const OF_FILES: u64 = 1 | WRITE | READ | 1 << 14 | 1 << 15;
}

/// Rights that each version of Landlock came to know: over files, over TCP ports, and what a process
/// may reach beyond its own. All that is known is taken away, and given back by rules.
const KNOWN: [(u32, Ruleset); 6] = [
    (1, Ruleset { files: (1 << 13) - 1, ports: 0, scoped: 0 }),
    // Moving files between folders.
    (2, Ruleset { files: (1 << 14) - 1, ports: 0, scoped: 0 }),
    // Cutting files.
    (3, Ruleset { files: (1 << 15) - 1, ports: 0, scoped: 0 }),
    // Binding ports. Connecting is left alone.
    (4, Ruleset { files: (1 << 15) - 1, ports: 1, scoped: 0 }),
    // Commands to devices.
    (5, Ruleset { files: (1 << 16) - 1, ports: 1, scoped: 0 }),
    // Abstract sockets and signals.
    (6, Ruleset { files: (1 << 16) - 1, ports: 1, scoped: 3 }),
];

/// `struct landlock_ruleset_attr`. Older kernels take a longer one when what they do not know is 0.
#[repr(C)]
#[derive(Clone, Copy)]
struct Ruleset {
    files: u64,
    ports: u64,
    scoped: u64,
}

/// `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
struct Beneath {
    rights: u64,
    folder: i32,
}

const READ_ONLY: u64 = file::READ | file::LIST;
const STATE: u64 = READ_ONLY | file::WRITE | file::MAKE | file::REMOVE;
const RUN: u64 = file::MAKE_SOCKET | file::REMOVE;
const LOG: u64 = file::READ | file::WRITE | file::MAKE;

/// What is only read, besides where the links of [`LINKS`] lead. What is not there is passed over.
const FOLDERS: [&str; 11] = [
    "/etc",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/opt/etc/ssl",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/nix/store",
    "/sys/devices/system",
];
/// Files below `/etc` that are often links to somewhere else.
const LINKS: [&str; 5] = ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/ssl/certs", "/etc/ssl/cert.pem"];
/// Where an operator may say that certificate authorities are, as OpenSSL reads it.
const AUTHORITIES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Keeps the memory of this process from disks and from other processes: no core dumps, no
/// debuggers but root's, and no rights by executing. To be called before any thread is started.
///
/// # Errors
/// The kernel's.
pub fn seal() -> rustix::io::Result<()> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    // Holds for what ignores the first, too.
    rustix::process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    rustix::thread::set_no_new_privs(true)
}

/// What threads may do with files.
#[derive(Clone, Debug)]
pub struct Rules(Vec<(PathBuf, u64)>);

impl Rules {
    /// For threads that know the folders of the command line.
    pub fn of(run: &Path, state: &Path) -> Rules {
        let mut rules: Vec<(PathBuf, u64)> = FOLDERS.iter().map(|folder| (PathBuf::from(folder), READ_ONLY)).collect();
        let named = AUTHORITIES.iter().filter_map(std::env::var_os);
        let named: Vec<PathBuf> = named.flat_map(|paths| std::env::split_paths(&paths).collect::<Vec<_>>()).collect();
        rules.extend(LINKS.iter().map(PathBuf::from).chain(named).filter_map(|path| Some((folder_of(&path)?, READ_ONLY))));
        rules.extend([(run.to_owned(), RUN), (state.to_owned(), STATE)]);
        Rules(rules)
    }

    /// The same, and the access log as the policy names it.
    #[must_use]
    pub fn and_log(mut self, access_log: &str) -> Rules {
        let path = Path::new(access_log);
        match std::fs::metadata(path) {
            _ if access_log.is_empty() || access_log == "off" => {}
            // A terminal or a pipe: it is not made anew, and its folder is the system's.
            Ok(found) if !found.is_file() => self.0.push((path.to_owned(), LOG)),
            found => {
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                self.0.push((parent.map_or_else(|| PathBuf::from("."), Path::to_owned), LOG));
                self.0.extend(found.ok().and_then(|_| Some((folder_of(path)?, LOG))));
            }
        }
        self
    }

    /// Takes everything else from the calling thread, and from those that it starts from now on.
    /// Returns the version of Landlock that is in force.
    ///
    /// # Errors
    /// This kernel cannot, or will not: the thread is as it was.
    pub fn enforce(&self) -> Result<u32, Absent> {
        let version = version()?;
        let (_, handled) = KNOWN.iter().rfind(|(since, _)| *since <= version).ok_or(Absent::Missing)?;
        let rules = ruleset(handled).map_err(Absent::Refused)?;
        for (path, rights) in &self.0 {
            // What is not there, or not for us to see, needs no rule.
            let Ok(opened) = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) else { continue };
            let folder = rustix::fs::fstat(&opened).is_ok_and(|found| rustix::fs::FileType::from_raw_mode(found.st_mode).is_dir());
            let rights = rights & if folder { handled.files } else { handled.files & file::OF_FILES };
            allow(&rules, &opened, rights).map_err(Absent::Refused)?;
        }
        restrict(&rules).map_err(Absent::Refused)?;
        Ok(version)
    }
}

/// Why the threads are not confined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absent {
    /// The kernel does not know Landlock, was started without it, or a filter hides it.
    Missing,
    /// It refuses, with this error.
    Refused(rustix::io::Errno),
}

impl fmt::Display for Absent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Absent::Missing => write!(
                out,
                "this kernel offers no Landlock (it is built or started without, see /sys/kernel/security/lsm, or a seccomp filter hides it)"
            ),
            Absent::Refused(errno) => write!(out, "Landlock refuses: {errno}"),
        }
    }
}

impl std::error::Error for Absent {}

/// Where a file or folder is in the end: the folder itself, or the one that the file is in. The root
/// is too much for a rule.
fn folder_of(path: &Path) -> Option<PathBuf> {
    let found = path.canonicalize().ok()?;
    let folder = if found.is_dir() { found } else { found.parent()?.to_owned() };
    (folder != Path::new("/")).then_some(folder)
}

/// The version of Landlock that this kernel offers.
///
/// # Errors
/// None.
pub fn version() -> Result<u32, Absent> {
    const VERSION: u32 = 1;
    // SAFETY: with this flag the kernel takes a null pointer of size 0, reads no memory, and answers a
    // number.
    let answer = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<Ruleset>(), 0, VERSION) };
    u32::try_from(answer).ok().filter(|version| *version > 0).ok_or(Absent::Missing)
}

fn ruleset(handled: &Ruleset) -> rustix::io::Result<OwnedFd> {
    // SAFETY: the pointer is to a live struct of the layout and size that linux/landlock.h gives it,
    // which the kernel only reads.
    let answer = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, handled, size_of::<Ruleset>(), 0) };
    let descriptor = i32::try_from(succeed(answer)?).map_err(|_| rustix::io::Errno::BADF)?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn allow(rules: &OwnedFd, folder: &OwnedFd, rights: u64) -> rustix::io::Result<()> {
    const PATH_BENEATH: u32 = 1;
    let rule = Beneath { rights, folder: folder.as_raw_fd() };
    // SAFETY: both descriptors are open for as long as their owners are borrowed, and the pointer is to
    // a live struct of the layout that this kind of rule has, which the kernel only reads.
    let answer = unsafe { libc::syscall(libc::SYS_landlock_add_rule, rules.as_raw_fd(), PATH_BENEATH, &raw const rule, 0) };
    succeed(answer).map(drop)
}

fn restrict(rules: &OwnedFd) -> rustix::io::Result<()> {
    // SAFETY: the descriptor is open for as long as its owner is borrowed; no memory is passed.
    let answer = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules.as_raw_fd(), 0) };
    succeed(answer).map(drop)
}

fn succeed(answer: libc::c_long) -> rustix::io::Result<libc::c_long> {
    match answer {
        0.. => Ok(answer),
        _ => Err(rustix::io::Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(rustix::io::Errno::INVAL)),
    }
}

#[cfg(test)]
mod tests;
