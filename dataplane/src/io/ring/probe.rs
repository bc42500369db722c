//! Looks at the machine before the shards start, and says what stands in the way and how to mend
//! it.

use super::setup::{self, Mode};
use crate::io::Settings;
use io_uring::{IoUring, Probe, opcode};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fmt;
use std::io;

/// Descriptors that the rest of the process needs: files, rings, the control socket.
const DESCRIPTORS_ASIDE: u64 = 64;
/// Fewer sockets than this per shard make no gateway.
const CONNECTIONS_MIN: u64 = 64;
/// Lockable memory that glommio wants per executor.
const GLOMMIO_LOCKED_MIN: u64 = 512 * 1024;

/// What this machine can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The kernel's release.
    pub kernel: String,
    /// How the rings will run.
    pub mode: Mode,
    /// Descriptors that the process may have, after raising the soft limit to the hard one.
    pub descriptors_max: u64,
    /// Bytes that the process may lock; `None` is without limit.
    pub locked_max: Option<u64>,
    /// Whether glommio can host the shards; otherwise plain threads do.
    pub glommio: bool,
}

impl Capabilities {
    /// The settings with a table that `shards` shards can have under the limits found.
    #[must_use]
    pub fn fit(&self, settings: Settings, shards: usize) -> Settings {
        let share = self.descriptors_max.saturating_sub(DESCRIPTORS_ASIDE) / shards.max(1) as u64;
        let connections = u64::from(settings.connections).min(share);
        // Direct descriptors count against the limit of the process when they are made.
        let downstream = u64::from(settings.downstream_max).min(connections * 3 / 4);
        Settings { connections: connections as u32, downstream_max: downstream as u32, ..settings }
    }
}

/// Why the data plane cannot run here. Each says how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// `kernel.io_uring_disabled` is set.
    Disabled {
        /// Its value: 1 for the unprivileged, 2 for everyone.
        value: u8,
    },
    /// A seccomp filter, most often that of a container runtime.
    Filtered,
    /// The kernel was built without io_uring or is too old to have it.
    Missing {
        /// The kernel's release.
        kernel: String,
    },
    /// The kernel is too old.
    TooOld {
        /// The kernel's release.
        kernel: String,
        /// What it cannot do.
        lacks: &'static str,
    },
    /// Too little memory may be locked.
    Locked {
        /// The limit in bytes.
        limit: u64,
    },
    /// The machine has no free memory for the rings, asked for several times.
    Memory,
    /// Too few descriptors are allowed.
    Descriptors {
        /// The hard limit.
        limit: u64,
    },
    /// Anything else that the system said.
    Other {
        /// The error's number.
        errno: i32,
    },
}

impl fmt::Display for Obstacle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Obstacle::Disabled { value } => write!(
                out,
                "io_uring is switched off (kernel.io_uring_disabled = {value}); \
                 switch it on with: sysctl -w kernel.io_uring_disabled=0"
            ),
            Obstacle::Filtered => write!(
                out,
                "a seccomp filter forbids io_uring, as the default profile of container runtimes \
                 does; start the container with the profile that comes with Throwover \
                 (dataplane/containers/seccomp.json of the source, /usr/share/throwover/seccomp.json \
                 of the package), which allows io_uring_setup, io_uring_enter and \
                 io_uring_register, with: docker run --security-opt seccomp=seccomp.json"
            ),
            Obstacle::Missing { kernel } => write!(
                out,
                "the kernel {kernel} has no io_uring; use Linux 6.8 or later with \
                 CONFIG_IO_URING=y, check with: zgrep IO_URING /proc/config.gz"
            ),
            Obstacle::TooOld { kernel, lacks } => write!(
                out,
                "the kernel {kernel} is too old: it lacks {lacks}; use Linux 6.8 or later, \
                 check with: uname -r"
            ),
            Obstacle::Locked { limit } => write!(
                out,
                "the kernel gave no memory for the rings: only {limit} bytes may be locked \
                 (RLIMIT_MEMLOCK); raise it with: ulimit -l unlimited, or LimitMEMLOCK=infinity in \
                 the systemd unit; if that changes nothing, look for what fills the memory with: free -m"
            ),
            Obstacle::Memory => out.write_str(
                "the kernel gave no memory for the rings, though any amount may be locked; look for \
                 what fills the memory with: free -m",
            ),
            Obstacle::Descriptors { limit } => write!(
                out,
                "only {limit} descriptors are allowed (RLIMIT_NOFILE); raise it with: \
                 ulimit -Hn 65536, or LimitNOFILE=65536 in the systemd unit"
            ),
            Obstacle::Other { errno } => {
                write!(out, "setting up io_uring failed: {}; look for more with: dmesg | tail", io::Error::from_raw_os_error(*errno))
            }
        }
    }
}

impl std::error::Error for Obstacle {}

/// Finds out what this machine can do. Raises the soft limit of descriptors to the hard one.
pub fn probe() -> Result<Capabilities, Obstacle> {
    let descriptors_max = raise_descriptors();
    if descriptors_max < DESCRIPTORS_ASIDE + CONNECTIONS_MIN {
        return Err(Obstacle::Descriptors { limit: descriptors_max });
    }
    let (uring, mode) = setup::patiently(|| setup::build_with(8, 64)).map_err(|error| explain(&error))?;
    check_operations(&uring)?;
    check_registrations(&uring)?;
    let locked_max = getrlimit(Resource::Memlock).current;
    Ok(Capabilities {
        kernel: release(),
        mode,
        descriptors_max,
        locked_max,
        glommio: locked_max.is_none_or(|limit| limit >= GLOMMIO_LOCKED_MIN),
    })
}

fn raise_descriptors() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // Raising the soft limit up to the hard one needs no right; if it fails the old one holds.
    if current != maximum {
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).ok();
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

fn check_operations(uring: &IoUring) -> Result<(), Obstacle> {
    let mut known = Probe::new();
    uring.submitter().register_probe(&mut known).map_err(|error| explain(&error))?;
    let needed = [
        (opcode::AcceptMulti::CODE, "accept"),
        (opcode::RecvMulti::CODE, "recv"),
        (opcode::Send::CODE, "send"),
        (opcode::SendMsg::CODE, "sendmsg"),
        (opcode::Socket::CODE, "socket"),
        (opcode::Connect::CODE, "connect"),
        (opcode::Shutdown::CODE, "shutdown"),
        (opcode::AsyncCancel::CODE, "cancellation"),
        (opcode::SetSockOpt::CODE, "socket commands"),
        // Known since 6.8, the release after the socket commands: the option itself is no opcode
        // and cannot be asked for.
        (opcode::FixedFdInstall::CODE, "installing descriptors"),
    ];
    match needed.iter().find(|(code, _)| !known.is_supported(*code)) {
        None => Ok(()),
        Some((_, lacks)) => Err(Obstacle::TooOld { kernel: release(), lacks }),
    }
}

fn check_registrations(uring: &IoUring) -> Result<(), Obstacle> {
    let too_old = |lacks| Obstacle::TooOld { kernel: release(), lacks };
    if !uring.params().is_feature_nodrop() || !uring.params().is_feature_ext_arg() {
        return Err(too_old("waiting with a timeout"));
    }
    uring.submitter().register_files_sparse(8).map_err(|error| registration(&error, too_old("direct descriptors")))?;
    super::provided::Provided::new(uring, 0, 8, 4096).map_err(|error| registration(&error, too_old("provided buffer rings")))?;
    Ok(())
}

fn registration(error: &io::Error, too_old: Obstacle) -> Obstacle {
    match error.raw_os_error() {
        Some(libc::EINVAL) => too_old,
        _ => explain(error),
    }
}

/// What an error of setting up a ring means.
pub(super) fn explain(error: &io::Error) -> Obstacle {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => match disabled() {
            0 => Obstacle::Filtered,
            value => Obstacle::Disabled { value },
        },
        Some(libc::ENOSYS) => match disabled() {
            0 if kernel_is_at_least(release().as_str(), 5, 1) => Obstacle::Filtered,
            _ => Obstacle::Missing { kernel: release() },
        },
        Some(libc::ENOMEM) => memory_under(getrlimit(Resource::Memlock).current),
        Some(libc::EMFILE | libc::ENFILE) => {
            let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
            Obstacle::Descriptors { limit }
        }
        Some(libc::EINVAL) => Obstacle::TooOld { kernel: release(), lacks: "the rings we need" },
        errno => Obstacle::Other { errno: errno.unwrap_or(0) },
    }
}

/// Why there is no memory where so much may be locked; `None` is without limit.
fn memory_under(limit: Option<u64>) -> Obstacle {
    limit.map_or(Obstacle::Memory, |limit| Obstacle::Locked { limit })
}

fn disabled() -> u8 {
    let value = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled");
    value.ok().and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

fn release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

fn kernel_is_at_least(release: &str, major: u32, minor: u32) -> bool {
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (major, minor)
}

#[cfg(test)]
mod tests;
