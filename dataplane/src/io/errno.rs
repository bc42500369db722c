//! Errors of the operating system, as numbers.

use std::fmt;

/// An `errno` value. Cheap to copy and to compare; the names that the walk decides on are consts.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

impl Errno {
    /// The peer refused the connection.
    pub const REFUSED: Errno = Errno(libc::ECONNREFUSED);
    /// The peer reset the connection.
    pub const RESET: Errno = Errno(libc::ECONNRESET);
    /// Written to a connection that the peer had closed.
    pub const PIPE: Errno = Errno(libc::EPIPE);
    /// The operation took too long.
    pub const TIMED_OUT: Errno = Errno(libc::ETIMEDOUT);
    /// No route to the peer.
    pub const UNREACHABLE: Errno = Errno(libc::EHOSTUNREACH);
    /// The shard's descriptor table is full: our own limit, not the peer's fault.
    pub const TABLE_FULL: Errno = Errno(libc::ENFILE);
    /// The operation was called off by ourselves.
    pub const CANCELLED: Errno = Errno(libc::ECANCELED);

    /// Whether the fault is our own lack of descriptors or memory rather than the peer's.
    #[must_use]
    pub fn is_ours(self) -> bool {
        matches!(self.0, libc::ENFILE | libc::EMFILE | libc::ENOMEM | libc::ENOBUFS | libc::ECANCELED)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", std::io::Error::from_raw_os_error(self.0))
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Errno({}: {self})", self.0)
    }
}

impl std::error::Error for Errno {}
