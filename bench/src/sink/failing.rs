//! A second pair of ports of the sink at which a share of the requests fails, spread evenly.

use super::listen;
use crate::{canned, socket::Poll, stage::SINK};
use std::{
    io,
    net::{SocketAddr, TcpListener},
    rc::Rc,
};

/// Tokens of the two listeners.
pub(super) const LISTEN_PLAIN: u64 = SINK | (u32::MAX as u64 - 2);
pub(super) const LISTEN_TLS: u64 = SINK | (u32::MAX as u64 - 3);

/// How a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Failure {
    /// By status 503
    Status,
    /// By the end of the connection in mid-answer
    Cut,
}

/// Which requests fail, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failing {
    /// Of one request, at the failing ports.
    pub(crate) share: f64,
    pub(crate) how: Failure,
}

/// The two ports.
#[derive(Debug)]
pub(super) struct Ports {
    pub(super) plain: TcpListener,
    pub(super) tls: TcpListener,
    pub(super) answer: Rc<[u8]>,
    /// The connection ends with this answer, which is not whole.
    pub(super) cuts: bool,
    share: f64,
    asked: u64,
}

impl Ports {
    pub(super) fn open(failing: Failing, completion: &[u8], poll: &Poll) -> io::Result<Ports> {
        let body = b"{\"error\":{\"message\":\"not now\",\"type\":\"server_error\",\"code\":\"overloaded\"}}";
        let answer = match failing.how {
            Failure::Status => canned::answer("503 Service Unavailable", "application/json", body),
            Failure::Cut => Rc::from(&completion[..completion.len() - completion.len() / 4]),
        };
        let (plain, tls) = (listen(0, LISTEN_PLAIN, poll)?, listen(0, LISTEN_TLS, poll)?);
        Ok(Ports { plain, tls, answer, cuts: failing.how == Failure::Cut, share: failing.share, asked: 0 })
    }

    /// Where they listen, plainly and over TLS.
    pub(super) fn addresses(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.plain.local_addr()?, self.tls.local_addr()?))
    }

    /// Whether this request is one that fails.
    pub(super) fn strikes(&mut self) -> bool {
        self.asked += 1;
        struck(self.asked, self.share) > struck(self.asked - 1, self.share)
    }
}

/// Of so many requests, so many fail.
fn struck(asked: u64, share: f64) -> u64 {
    // A hair more than the product, which may be one below its whole number for shares such as 0.1.
    (asked as f64 * share + 1e-6) as u64
}

#[cfg(test)]
mod tests {
    use super::struck;

    #[test]
    fn a_share_is_spread_evenly() {
        for (share, each) in [(0.1, 10), (0.25, 4), (0.5, 2), (0.01, 100)] {
            for asked in 1..=10_000 {
                assert_eq!(struck(asked, share), asked / each, "{asked} times {share}");
            }
        }
        assert_eq!(struck(1_000_000, 0.0), 0);
    }
}
