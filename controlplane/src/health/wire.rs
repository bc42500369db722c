//! One request, one answer, one connection: as much of an HTTP client as checks need.
//!
//! It goes the way that requests of the data plane go: through the egress proxy, with the same authorities
//! and the same name in the handshake. Heads and bodies are read by the gateway's own grammar. Everything is
//! bounded: the time of the whole, the head, the body. Nothing is followed: a redirect is an answer.

use codec::{
    body,
    head::{self, RequestHead, RequestLine},
};
use policy::{Roots, Secret, limits};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use std::{
    fmt,
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

/// Largest answer that is read, in bytes.
pub const ANSWER_BYTES_MAX: u64 = 4 << 20;
/// Bytes read at once.
const READ_BYTES: usize = 16 * 1024;

/// Where an origin is, and whom to trust there.
#[derive(Debug)]
pub struct Dial {
    /// Host name, or an address literal without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Where a CONNECT goes first.
    pub proxy: Option<(String, u16)>,
    /// The name in the handshake, and whose word is taken; `None` is plain HTTP.
    pub tls: Option<(String, Trust)>,
}

/// Certificate authorities, read when they are first needed.
#[derive(Debug)]
pub struct Trust {
    roots: Roots,
    ready: OnceLock<Result<Arc<ClientConfig>, String>>,
}

/// What is asked.
#[derive(Debug)]
pub struct Question {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Path and query.
    pub target: String,
    /// Further fields.
    pub fields: Vec<(String, String)>,
    /// The field that presents the credential, what stands before it there, and its bytes.
    pub credential: Option<(String, &'static str, Secret)>,
    /// Empty for a GET.
    pub body: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its body, which may be no text.
    pub body: Vec<u8>,
}

/// Why nothing came back. The origin's fault, unless it says otherwise.
#[derive(Debug)]
pub enum Trouble {
    /// The time was over.
    Late,
    /// It cannot be reached, or went away.
    Io(io::Error),
    /// TLS refused.
    Tls(String),
    /// The egress proxy let nobody through: its status.
    Proxy(u16),
    /// What it sent is no answer.
    Malformed(&'static str),
    /// Its answer is longer than [`ANSWER_BYTES_MAX`].
    TooLong,
    /// The operator's: what is asked cannot stand in a head, or authorities cannot be used.
    Unaskable(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Late => f.write_str("no answer in time"),
            Trouble::Io(error) => write!(f, "{error}"),
            Trouble::Tls(why) => write!(f, "TLS: {why}"),
            Trouble::Proxy(status) => write!(f, "the egress proxy answered {status}"),
            Trouble::Malformed(what) => write!(f, "no answer that can be read: {what}"),
            Trouble::TooLong => write!(f, "the answer is longer than {} MiB", ANSWER_BYTES_MAX >> 20),
            Trouble::Unaskable(why) => write!(f, "cannot be asked: {why}"),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Trouble::Late,
            _ => match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                Some(error) => Trouble::Tls(error.to_string()),
                None => Trouble::Io(error),
            },
        }
    }
}

impl Trust {
    /// Whom to trust.
    pub fn new(roots: Roots) -> Trust {
        Trust { roots, ready: OnceLock::new() }
    }

    fn config(&self) -> Result<Arc<ClientConfig>, Trouble> {
        self.ready.get_or_init(|| config(&self.roots)).clone().map_err(Trouble::Unaskable)
    }
}

fn config(roots: &Roots) -> Result<Arc<ClientConfig>, String> {
    let mut store = RootCertStore::empty();
    if !matches!(roots, Roots::Only(_)) {
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if store.is_empty() {
            store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
    }
    if let Roots::SystemAnd(pem) | Roots::Only(pem) = roots {
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| format!("the CA file is not PEM: {error}"))?;
            store.add(certificate).map_err(|error| format!("a certificate of the CA file cannot be used: {error}"))?;
        }
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("aws-lc-rs supports TLS 1.2 and 1.3")
        .with_root_certificates(store)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Asks, and reads the whole answer. Looking up a name is the resolver's own time, which nothing here can end;
/// what it took is counted.
///
/// # Errors
/// A [`Trouble`].
pub fn ask(dial: &Dial, question: &Question, within: Duration) -> Result<Reply, Trouble> {
    let deadline = Instant::now() + within;
    let head = written(dial, question)?;
    let (host, port) = dial.proxy.as_ref().map_or((&dial.host, dial.port), |(host, port)| (host, *port));
    let mut stream = connect(host, port, deadline)?;
    if dial.proxy.is_some() {
        tunnel(&mut stream, &dial.host, dial.port)?;
    }
    match &dial.tls {
        None => exchange(&mut stream, &head, &question.body),
        Some((name, trust)) => {
            let name = ServerName::try_from(name.clone()).map_err(|_| Trouble::Unaskable(format!("`{name}` is no server name")))?;
            let session = ClientConnection::new(trust.config()?, name).map_err(|error| Trouble::Tls(error.to_string()))?;
            exchange(&mut StreamOwned::new(session, stream), &head, &question.body)
        }
    }
}

/// A connection whose every wait ends in time.
struct Timed {
    stream: TcpStream,
    deadline: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Option<Duration>> {
        // Zero would be no bound at all.
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for Timed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(into)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// The first of its addresses that takes a connection.
fn connect(host: &str, port: u16, deadline: Instant) -> Result<Timed, Trouble> {
    let mut last = None;
    for address in (host, port).to_socket_addrs()? {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Trouble::Late);
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(Timed { stream, deadline });
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or(Trouble::Malformed("its name has no address"), Trouble::from))
}

/// An address literal as heads and requests have it.
fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// Has the egress proxy connect.
fn tunnel(stream: &mut Timed, host: &str, port: u16) -> Result<(), Trouble> {
    let host = bracketed(host);
    stream.write_all(format!("CONNECT {host}:{port} HTTP/1.1\r\nhost: {host}:{port}\r\n\r\n").as_bytes())?;
    let mut read = Vec::new();
    let (response, used) = answered(stream, &mut read)?;
    match response.status {
        // RFC 9110, section 9.3.6: the tunnel begins right behind the head.
        200..=299 if used == read.len() => Ok(()),
        200..=299 => Err(Trouble::Malformed("bytes behind the proxy's answer")),
        status => Err(Trouble::Proxy(status)),
    }
}

/// The next head that is no interim one, and where it ends in `read`.
fn answered(stream: &mut impl Read, read: &mut Vec<u8>) -> Result<(head::Response, usize), Trouble> {
    let mut interim = 0;
    loop {
        match head::response(read, limits::ANSWER_HEAD_BYTES_MAX) {
            Ok(Some((response, used))) if response.informational && interim < limits::INTERIM_HEADS_MAX => {
                interim += 1;
                read.drain(..used);
            }
            Ok(Some((response, _))) if response.informational => return Err(Trouble::Malformed("too many interim heads")),
            Ok(Some(found)) => return Ok(found),
            Ok(None) => {
                if more(stream, read)? == 0 {
                    return Err(Trouble::Malformed("it ended within a head"));
                }
            }
            Err(_) => return Err(Trouble::Malformed("a malformed head")),
        }
    }
}

fn more(stream: &mut impl Read, read: &mut Vec<u8>) -> Result<usize, Trouble> {
    let mut bytes = [0; READ_BYTES];
    loop {
        match stream.read(&mut bytes) {
            Ok(count) => {
                read.extend_from_slice(&bytes[..count]);
                return Ok(count);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn exchange(stream: &mut (impl Read + Write), head: &[u8], body: &[u8]) -> Result<Reply, Trouble> {
    stream.write_all(head)?;
    stream.write_all(body)?;
    stream.flush()?;
    let mut read = Vec::new();
    let (response, used) = answered(stream, &mut read)?;
    read.drain(..used);
    let too_long = |fault| match fault {
        body::Fault::TooLarge => Trouble::TooLong,
        _ => Trouble::Malformed("a malformed body"),
    };
    let mut decoder = body::Decoder::new(response.framing, ANSWER_BYTES_MAX).map_err(too_long)?;
    let mut whole = Vec::new();
    while !decoder.done() {
        let step = decoder.decode(&read).map_err(too_long)?;
        whole.extend_from_slice(&read[step.data]);
        read.drain(..step.used);
        // What is not used is the begin of something, and waits for its end.
        if !step.done && step.used == 0 && more(stream, &mut read)? == 0 {
            decoder.close().map_err(too_long)?;
        }
    }
    Ok(Reply { status: response.status, body: whole })
}

/// The whole head.
fn written(dial: &Dial, question: &Question) -> Result<Vec<u8>, Trouble> {
    let unaskable = |_| Trouble::Unaskable("what it is asked cannot stand in a head".to_owned());
    let line = RequestLine::new(question.method, question.target.as_bytes()).map_err(unaskable)?;
    let mut common = head::FieldLines::default();
    let usual = if dial.tls.is_some() { 443 } else { 80 };
    let host = if dial.port == usual { bracketed(&dial.host) } else { format!("{}:{}", bracketed(&dial.host), dial.port) };
    common.add("host", host.as_bytes()).map_err(unaskable)?;
    common.add("connection", b"close").map_err(unaskable)?;
    common.add("user-agent", concat!("throwover/", env!("CARGO_PKG_VERSION")).as_bytes()).map_err(unaskable)?;
    for (name, value) in &question.fields {
        common.add(name, value.as_bytes()).map_err(unaskable)?;
    }
    let presented = question.credential.as_ref().map(|(name, before, secret)| (name, [before.as_bytes(), secret.reveal()].concat()));
    let mut head = Vec::new();
    let request = RequestHead {
        line: &line,
        common: &common,
        credential: presented.as_ref().map(|(name, value)| (name.as_str(), value.as_slice())),
        content_length: question.body.len() as u64,
        accept: b"",
        further: &[],
        relayed: None,
    };
    head::write_request(&mut head, &request).map_err(unaskable)?;
    Ok(head)
}

#[cfg(test)]
mod tests;
