//! A blocking client of the admin port, for tests and for the command line.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::certs::CertificateKind;
use crate::fault::Fault;
use crate::journal::Entry;

/// The largest answer that is read.
const ANSWER_BYTES_MAX: u64 = 256 << 20;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why an order failed.
#[derive(Debug)]
pub enum ClientError {
    /// The admin port could not be reached, or hung up.
    Unreachable(SocketAddr, io::Error),
    /// The answer is none that an admin port gives.
    NotAdmin(SocketAddr),
    /// The admin port refused, and said why.
    Refused(String),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Unreachable(address, error) => {
                write!(f, "cannot reach the admin port at {address}: {error}; is `throwover-mock serve --admin` running there?")
            }
            ClientError::NotAdmin(address) => {
                write!(f, "{address} does not answer like the admin port of throwover-mock")
            }
            ClientError::Refused(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for ClientError {}

/// A client of one admin port. Each order is a connection of its own.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    address: SocketAddr,
}

impl Client {
    /// A client of the admin port at this address.
    #[must_use]
    pub fn new(address: SocketAddr) -> Client {
        Client { address }
    }

    /// Sends one order.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, ClientError> {
        let unreachable = |error| ClientError::Unreachable(self.address, error);
        let bytes = self.exchange(method, path, body).map_err(unreachable)?;
        let not_admin = || ClientError::NotAdmin(self.address);
        let split = bytes.windows(4).position(|w| w == b"\r\n\r\n").ok_or_else(not_admin)?;
        let value: Value = serde_json::from_slice(&bytes[split + 4..]).map_err(|_| not_admin())?;
        match value.get("error").and_then(Value::as_str) {
            Some(why) => Err(ClientError::Refused(why.to_owned())),
            None => Ok(value),
        }
    }

    fn exchange(&self, method: &str, path: &str, body: Option<&Value>) -> io::Result<Vec<u8>> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", self.address, body.len());
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
        let mut bytes = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Replaces the faults of a provider. When it returns, they are in force.
    pub fn set_faults(&self, provider: &str, faults: &[Fault]) -> Result<Value, ClientError> {
        self.call("PUT", &format!("/providers/{provider}/faults"), Some(&json!(faults)))
    }

    /// Adds to the faults of a provider.
    pub fn add_faults(&self, provider: &str, faults: &[Fault]) -> Result<Value, ClientError> {
        self.call("PATCH", &format!("/providers/{provider}/faults"), Some(&json!(faults)))
    }

    /// Takes all faults of a provider away.
    pub fn heal(&self, provider: &str) -> Result<Value, ClientError> {
        self.call("DELETE", &format!("/providers/{provider}/faults"), None)
    }

    /// Shows another certificate from now on.
    pub fn set_certificate(&self, provider: &str, kind: CertificateKind) -> Result<Value, ClientError> {
        let path = format!("/providers/{provider}/certificate");
        self.call("POST", &path, Some(&json!({"kind": kind})))
    }

    /// Changes some fields of how a provider answers.
    pub fn set_answers(&self, provider: &str, fields: &Value) -> Result<Value, ClientError> {
        self.call("PUT", &format!("/providers/{provider}/answers"), Some(fields))
    }

    /// The state of one provider.
    pub fn provider(&self, provider: &str) -> Result<Value, ClientError> {
        self.call("GET", &format!("/providers/{provider}"), None)
    }

    /// What was received after entry `since`, by one provider or all; and where to go on.
    pub fn log(&self, provider: Option<&str>, since: u64) -> Result<(Vec<Entry>, u64), ClientError> {
        let path = format!("/log?provider={}&since={since}&limit=10000", provider.unwrap_or_default());
        let value = self.call("GET", &path, None)?;
        let not_admin = |_| ClientError::NotAdmin(self.address);
        let entries = serde_json::from_value(value["entries"].clone()).map_err(not_admin)?;
        Ok((entries, value["next"].as_u64().unwrap_or(since)))
    }

    /// Heals all and forgets log and counts.
    pub fn reset(&self) -> Result<(), ClientError> {
        self.call("POST", "/reset", None).map(drop)
    }
}
