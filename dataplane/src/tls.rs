//! TLS on both sides, as a pure machine: ciphertext in, plaintext and ciphertext out.
//!
//! The only file that names rustls. Its unbuffered interface is used, so that nothing is kept
//! inside rustls: a [`Session`] owns at most one incomplete record. It does no I/O; [`crate::wire`]
//! joins it to a socket.

use policy::{Roots, ServerIdentity};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::{Resumption, UnbufferedClientConnection},
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::UnbufferedServerConnection,
    unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus},
};
use std::{fmt, sync::Arc};

/// Plaintext of one record, in bytes (RFC 8446, section 5.1).
const RECORD_BYTES: usize = 16 * 1024;
/// What a record adds to its plaintext, at most, in bytes (RFC 8446, section 5.2).
const RECORD_OVERHEAD_BYTES: usize = 5 + 256;
/// An incomplete record is never longer than this (RFC 8446, section 5.2), in bytes.
const CARRY_BYTES_MAX: usize = 64 * 1024;
/// Tickets kept per shard and profile, to resume with.
const TICKETS: usize = 256;

/// Why a session ended badly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The certificate is not one that may be trusted for this name: expired, another host's, of an
    /// unknown issuer. Nothing of a request was sent.
    Certificate(String),
    /// Anything else: no common version or cipher, a damaged record, an alert.
    Protocol(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Certificate(why) => write!(f, "the certificate is refused: {why}"),
            Fault::Protocol(why) => write!(f, "TLS failed: {why}"),
        }
    }
}

impl From<rustls::Error> for Fault {
    fn from(error: rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => Fault::Certificate(error.to_string()),
            other => Fault::Protocol(other.to_string()),
        }
    }
}

/// How a shard begins sessions with the origins of one profile. Each shard has its own, so that the
/// store of tickets is never contended.
#[derive(Clone)]
pub struct Client(Arc<ClientConfig>);

/// Whom to trust, parsed once per publish and shared by the shards.
#[derive(Clone)]
pub struct Trust(Arc<RootCertStore>);

impl Trust {
    /// Reads certificate authorities.
    ///
    /// # Errors
    /// The PEM holds no certificate, or the system has none and none were given.
    pub fn new(roots: &Roots) -> Result<Trust, String> {
        let mut store = RootCertStore::empty();
        match roots {
            Roots::System => add_system(&mut store),
            Roots::SystemAnd(pem) => {
                add_system(&mut store);
                add_pem(&mut store, pem)?;
            }
            Roots::Only(pem) => add_pem(&mut store, pem)?,
        }
        Ok(Trust(Arc::new(store)))
    }

    /// True when it is the same set of authorities, object for object.
    pub fn same(&self, other: &Trust) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// A configuration with a store of tickets of its own.
    pub fn client(&self) -> Client {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("aws-lc-rs supports TLS 1.2 and 1.3")
            .with_root_certificates(self.0.clone())
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = Resumption::in_memory_sessions(TICKETS);
        Client(Arc::new(config))
    }
}

fn add_system(store: &mut RootCertStore) {
    let found = rustls_native_certs::load_native_certs();
    store.add_parsable_certificates(found.certs);
    if store.is_empty() {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
}

fn add_pem(store: &mut RootCertStore, pem: &[u8]) -> Result<(), String> {
    let mut added = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("the CA file is not PEM: {error}"))?;
        store.add(certificate).map_err(|error| format!("a certificate of the CA file cannot be used: {error}"))?;
        added += 1;
    }
    if added == 0 { Err("the CA file holds no certificate".to_owned()) } else { Ok(()) }
}

/// What the gateway shows to tenants.
#[derive(Clone)]
pub struct Server(Arc<ServerConfig>);

impl Server {
    /// Reads the identity.
    ///
    /// # Errors
    /// The PEM is not one, or key and certificate do not belong together.
    pub fn new(identity: &ServerIdentity) -> Result<Server, String> {
        let chain = CertificateDer::pem_slice_iter(&identity.certificate)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| format!("the certificate is not PEM: {error}"))?;
        let key = PrivateKeyDer::from_pem_slice(identity.key.reveal()).map_err(|_| "the key is not a PEM private key".to_owned())?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("aws-lc-rs supports TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| format!("certificate and key cannot be used: {error}"))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(|error| format!("no session tickets: {error}"))?;
        Ok(Server(Arc::new(config)))
    }
}

/// One side of one TLS connection.
pub struct Session {
    side: Side,
    /// Ciphertext of a record that is not complete. `carry.len() <= CARRY_BYTES_MAX`.
    carry: Vec<u8>,
    established: bool,
    closed: bool,
    /// It has failed; nothing more is read or written.
    broken: bool,
}

enum Side {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

impl Session {
    /// Begins a session with an origin; `out` receives the ClientHello.
    ///
    /// # Errors
    /// `server_name` is not a name that a certificate can be for.
    pub fn connect(client: &Client, server_name: &str, out: &mut Vec<u8>) -> Result<Session, Fault> {
        let name = ServerName::try_from(server_name.to_owned())
            .map_err(|_| Fault::Certificate(format!("{server_name:?} is not a server name")))?;
        let connection = UnbufferedClientConnection::new(client.0.clone(), name)?;
        let mut session = Session { side: Side::Client(connection), carry: Vec::new(), established: false, closed: false, broken: false };
        session.open(&mut [], &mut Vec::new(), out)?;
        Ok(session)
    }

    /// Begins a session with a tenant.
    ///
    /// # Errors
    /// rustls cannot make a session of this configuration.
    pub fn accept(server: &Server) -> Result<Session, Fault> {
        let connection = UnbufferedServerConnection::new(server.0.clone())?;
        Ok(Session { side: Side::Server(connection), carry: Vec::new(), established: false, closed: false, broken: false })
    }

    /// True when application data may be sent.
    pub fn established(&self) -> bool {
        self.established
    }

    /// True when the other side said that it sends no more.
    pub fn closed(&self) -> bool {
        self.closed
    }

    /// Takes ciphertext in: what it held is appended to `plain`, what must be sent in turn to `out`.
    /// `out` may hold an alert to be sent even when this fails.
    ///
    /// # Errors
    /// The session is over.
    pub fn open(&mut self, incoming: &mut [u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), Fault> {
        if self.carry.is_empty() {
            let used = self.process(incoming, plain, out)?;
            self.carry.extend_from_slice(&incoming[used..]);
        } else {
            let mut joined = std::mem::take(&mut self.carry);
            joined.extend_from_slice(incoming);
            let used = self.process(&mut joined, plain, out)?;
            joined.drain(..used);
            self.carry = joined;
        }
        if self.carry.len() > CARRY_BYTES_MAX {
            return Err(Fault::Protocol("a record is longer than TLS allows".to_owned()));
        }
        Ok(())
    }

    fn process(&mut self, incoming: &mut [u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<usize, Fault> {
        let mut used = 0;
        loop {
            let step = match &mut self.side {
                Side::Client(connection) => advance(connection.process_tls_records(&mut incoming[used..]), plain, out),
                Side::Server(connection) => advance(connection.process_tls_records(&mut incoming[used..]), plain, out),
            };
            match step {
                (discard, Ok(Step::Again)) => used += discard,
                (discard, Ok(Step::Blocked)) => return Ok(used + discard),
                (discard, Ok(Step::Established)) => {
                    self.established = true;
                    return Ok(used + discard);
                }
                (discard, Ok(Step::PeerClosed)) => {
                    self.closed = true;
                    used += discard;
                }
                (discard, Ok(Step::Closed)) => {
                    self.closed = true;
                    return Ok(used + discard);
                }
                (discard, Err(fault)) => {
                    self.alert(&mut incoming[used + discard..], out);
                    return Err(fault);
                }
            }
        }
    }

    /// After a failure, what is left to be sent is an alert that tells the other side why.
    ///
    /// `rest` is what rustls has not used up: its machine holds places within it. One step, which
    /// takes the alert if there is one: a second would read `rest` again and fail again.
    fn alert(&mut self, rest: &mut [u8], out: &mut Vec<u8>) {
        self.broken = true;
        let (_, step) = match &mut self.side {
            Side::Client(connection) => advance(connection.process_tls_records(rest), &mut Vec::new(), out),
            Side::Server(connection) => advance(connection.process_tls_records(rest), &mut Vec::new(), out),
        };
        // That the session has failed is known already.
        drop(step);
    }

    /// Encrypts `plain` and appends the records to `out`.
    ///
    /// # Errors
    /// The session is not established, is over, or has sent as much as its keys allow.
    pub fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        for record in plain.chunks(RECORD_BYTES) {
            let begin = out.len();
            out.resize(begin + record.len() + RECORD_OVERHEAD_BYTES, 0);
            let written = self.encrypt(record, &mut out[begin..])?;
            out.truncate(begin + written);
        }
        Ok(())
    }

    fn encrypt(&mut self, record: &[u8], out: &mut [u8]) -> Result<usize, Fault> {
        fn write<D>(status: UnbufferedStatus<'_, '_, D>, record: &[u8], out: &mut [u8]) -> Result<usize, Fault> {
            debug_assert_eq!(status.discard, 0, "what could be used up has been");
            match status.state? {
                ConnectionState::WriteTraffic(mut traffic) => traffic.encrypt(record, out).map_err(|error| match error {
                    EncryptError::InsufficientSize(_) => unreachable!("room for the largest overhead was made"),
                    EncryptError::EncryptExhausted => Fault::Protocol("the session has sent as much as its keys allow".to_owned()),
                }),
                other => Err(Fault::Protocol(format!("the session is not ready to send ({other:?})"))),
            }
        }
        if self.broken {
            return Err(Fault::Protocol("the session is over".to_owned()));
        }
        // Half a message may lie in `carry`, and rustls looks at it again before it writes.
        match &mut self.side {
            Side::Client(connection) => write(connection.process_tls_records(&mut self.carry), record, out),
            Side::Server(connection) => write(connection.process_tls_records(&mut self.carry), record, out),
        }
    }

    /// Appends the record that says that nothing more will be sent.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        fn notify<D>(status: UnbufferedStatus<'_, '_, D>, out: &mut [u8]) -> usize {
            match status.state {
                Ok(ConnectionState::WriteTraffic(mut traffic)) => traffic.queue_close_notify(out).unwrap_or(0),
                _ => 0,
            }
        }
        if self.broken {
            return;
        }
        let begin = out.len();
        out.resize(begin + RECORD_OVERHEAD_BYTES, 0);
        let written = match &mut self.side {
            Side::Client(connection) => notify(connection.process_tls_records(&mut self.carry), &mut out[begin..]),
            Side::Server(connection) => notify(connection.process_tls_records(&mut self.carry), &mut out[begin..]),
        };
        out.truncate(begin + written);
    }
}

enum Step {
    Again,
    Blocked,
    Established,
    PeerClosed,
    Closed,
}

/// Takes one step of rustls' machine and tells how many bytes of ciphertext it used up.
fn advance<D>(status: UnbufferedStatus<'_, '_, D>, plain: &mut Vec<u8>, out: &mut Vec<u8>) -> (usize, Result<Step, Fault>) {
    let discard = status.discard;
    let step = match status.state {
        Err(error) => Err(Fault::from(error)),
        Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
            match traffic.next_record() {
                Some(Ok(record)) => plain.extend_from_slice(record.payload),
                Some(Err(error)) => break Err(Fault::from(error)),
                None => break Ok(Step::Again),
            }
        },
        Ok(ConnectionState::EncodeTlsData(mut data)) => {
            let begin = out.len();
            match data.encode(&mut []) {
                Err(EncodeError::InsufficientSize(size)) => out.resize(begin + size.required_size, 0),
                Ok(_) | Err(EncodeError::AlreadyEncoded) => return (discard, Ok(Step::Again)),
            }
            let written = data.encode(&mut out[begin..]).unwrap_or(0);
            out.truncate(begin + written);
            Ok(Step::Again)
        }
        Ok(ConnectionState::TransmitTlsData(data)) => {
            // `out` is sent by the caller before anything else.
            data.done();
            Ok(Step::Again)
        }
        Ok(ConnectionState::BlockedHandshake) => Ok(Step::Blocked),
        Ok(ConnectionState::WriteTraffic(_)) => Ok(Step::Established),
        Ok(ConnectionState::PeerClosed) => Ok(Step::PeerClosed),
        Ok(ConnectionState::Closed) => Ok(Step::Closed),
        Ok(other) => Err(Fault::Protocol(format!("{other:?} was not asked for"))),
    };
    (discard, step)
}
