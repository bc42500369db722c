//! The faults of the demonstration, and how the mock providers are told.

use super::http::Connection;
use std::{io, net::SocketAddr, time::Duration};

/// An order of ours is answered within so long.
const PATIENCE: Duration = Duration::from_secs(5);

/// One way to fail.
#[derive(Debug)]
pub(super) struct Fault {
    /// In the mock's words.
    pub(super) order: &'static str,
    /// In plain words.
    pub(super) words: &'static str,
}

/// What strikes the primary, one after the other.
pub(super) const FAULTS: &[Fault] = &[
    Fault { order: "429;retry_after=2", words: "says 429, Retry-After 2" },
    Fault { order: "503", words: "says 503" },
    Fault { order: "reset-before-head", words: "resets connections" },
    Fault { order: "stall-before-head", words: "accepts, never answers" },
];

/// Makes a provider fail; when this returns, it does.
pub(super) fn strike(mock: SocketAddr, provider: &str, order: &str) -> io::Result<()> {
    tell(mock, "PUT", provider, serde_json::json!([order]).to_string().as_bytes())
}

/// Takes every fault away.
pub(super) fn heal(mock: SocketAddr, provider: &str) -> io::Result<()> {
    tell(mock, "DELETE", provider, b"")
}

fn tell(mock: SocketAddr, method: &str, provider: &str, body: &[u8]) -> io::Result<()> {
    let answer = Connection::open(mock, PATIENCE)?.ask(method, &format!("/providers/{provider}/faults"), body, |_| false)?;
    if answer.head.status / 100 == 2 {
        return Ok(());
    }
    Err(io::Error::other(format!("the mock providers refuse: {}", String::from_utf8_lossy(&answer.body))))
}
