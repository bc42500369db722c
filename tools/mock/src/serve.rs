//! Listeners and connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::exchange::{self, After, Place};
use crate::fault::{Kind, Stage};
use crate::http;
use crate::journal::Journal;
use crate::line::{Incoming, Line, Wire};
use crate::openai::errors::ApiError;
use crate::provider::Provider;
use crate::script::Facts;

/// The most open connections of one provider.
const OPEN_MAX: u64 = 16_384;
/// How long a kept connection may be idle.
pub const IDLE: Duration = Duration::from_secs(120);
/// How long a request may take to arrive.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;
/// How long to wait when the process has run out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// How often a closed door tries to reserve its port, and how long apart.
const HOLD_ATTEMPTS: u32 = 100;

/// How many connections a queue that is to be full takes at most, and how long one may take to stand.
const FILL_MAX: usize = 8;
const FILL_WAIT: Duration = Duration::from_millis(100);

/// Numbers connections over all providers.
static CONNECTIONS: AtomicU64 = AtomicU64::new(1);

/// Opens a listening socket.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    hold(address)?.listen(BACKLOG)
}

/// Reserves a port without listening on it: connections are refused.
fn hold(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// A listening socket, or what stands in its place while a fault closes it.
enum Door {
    Open(TcpListener),
    /// The port is reserved, and nobody listens.
    Held(TcpSocket),
    /// Somebody listens, and the queue is full of these connections.
    Full {
        _listener: TcpListener,
        _waiting: Vec<TcpStream>,
    },
    /// The port is lost.
    Gone,
}

/// Accepts connections for as long as the process lives, except while a fault refuses them.
pub async fn listen(provider: Arc<Provider>, journal: Arc<Journal>, listener: TcpListener, tls: bool) {
    let Ok(address) = listener.local_addr() else {
        return;
    };
    let mut door = Door::Open(listener);
    let mut shut = None;
    let mut changes = provider.changes.subscribe();
    loop {
        let change = *changes.borrow_and_update();
        let (refusal, until) = provider.refusal();
        let wanted = refusal.as_ref().map(|fault| fault.kind);
        if wanted != shut {
            door = turned(door, wanted, address).await;
            if refusal.is_some_and(|fault| fault.kind == Kind::Refuse && fault.text("existing") == "reset") {
                provider.resets.send_modify(|count| *count += 1);
            }
            shut = wanted;
        }
        provider.acted[usize::from(tls)].send_replace(change);
        let time = until.unwrap_or(IDLE);
        tokio::select! {
            changed = changes.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = sleep(time) => {}
            () = accept_all(&provider, &journal, &door, tls) => {}
        }
    }
}

/// The door as a fault of this kind wants it; open without one.
async fn turned(door: Door, wanted: Option<Kind>, address: SocketAddr) -> Door {
    let socket = match door {
        Door::Held(socket) => Some(socket),
        other => {
            drop(other);
            held_soon(address).await
        }
    };
    let Some(socket) = socket else {
        eprintln!("throwover-mock: {address} was taken by another process; the provider stays down");
        return Door::Gone;
    };
    match wanted {
        None => socket.listen(BACKLOG).map_or(Door::Gone, Door::Open),
        Some(Kind::BlackHole) => filled(socket, address).await,
        Some(_) => Door::Held(socket),
    }
}

/// Listens, and connects until a connection hangs as everybody else's will.
async fn filled(socket: TcpSocket, address: SocketAddr) -> Door {
    // A backlog of none leaves room for one.
    let Ok(listener) = socket.listen(0) else {
        return Door::Gone;
    };
    let mut waiting = Vec::new();
    while waiting.len() < FILL_MAX {
        match timeout(FILL_WAIT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => waiting.push(stream),
            Ok(Err(_)) | Err(_) => break,
        }
    }
    Door::Full { _listener: listener, _waiting: waiting }
}

async fn held_soon(address: SocketAddr) -> Option<TcpSocket> {
    for _ in 0..HOLD_ATTEMPTS {
        match hold(address) {
            Ok(socket) => return Some(socket),
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
    None
}

async fn accept_all(provider: &Arc<Provider>, journal: &Arc<Journal>, door: &Door, tls: bool) {
    let Door::Open(listener) = door else {
        return std::future::pending().await;
    };
    loop {
        match listener.accept().await {
            Ok((tcp, _)) => {
                let (provider, journal) = (Arc::clone(provider), Arc::clone(journal));
                tokio::spawn(Box::pin(connection(provider, journal, tcp, tls)));
            }
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Counts an open connection for as long as it lives.
struct OpenCount<'a>(&'a AtomicU64);

impl Drop for OpenCount<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn connection(provider: Arc<Provider>, journal: Arc<Journal>, tcp: TcpStream, tls: bool) {
    let counters = &provider.counters;
    counters.accepted.fetch_add(1, Ordering::Relaxed);
    let before = counters.open.fetch_add(1, Ordering::Relaxed);
    let _open = OpenCount(&counters.open);
    if before >= OPEN_MAX || tcp.set_nodelay(true).is_err() {
        return;
    }
    let number = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
    let (faults, _) = provider.strike(Stage::Accept, Facts { tls, ..Facts::default() });
    let mut resets = provider.resets.subscribe();
    match faults.first().map(|fault| fault.kind) {
        None => {}
        Some(kind) => return refuse_service(kind, tcp, &mut resets).await,
    }
    let Some(wire) = secured(&provider, tcp, tls).await else {
        return;
    };
    let mut line = Line::new(wire);
    let end = tokio::select! {
        after = talk(&mut line, &provider, &journal, number, tls) => after,
        // The provider outlives this borrow, so the sender is there.
        _ = resets.changed() => After::Reset,
    };
    match end {
        After::Reset => line.reset(),
        After::Close { notify } => line.cut(notify).await,
        After::Keep(_) => {}
    }
}

/// The faults of accepted connections.
async fn refuse_service(kind: Kind, tcp: TcpStream, resets: &mut tokio::sync::watch::Receiver<u64>) {
    match kind {
        Kind::ResetOnAccept => Line::new(Wire::Plain(tcp)).reset(),
        Kind::NeverRead => {
            tokio::select! {
                () = until_closed(&tcp) => {}
                _ = resets.changed() => Line::new(Wire::Plain(tcp)).reset(),
            }
        }
        Kind::TlsStall => {
            // What is read ahead is bounded; a ClientHello is all that can come.
            let mut line = Line::new(Wire::Plain(tcp));
            tokio::select! {
                // Ends only with a hang-up, which is the caller's answer to the stall.
                _ = line.pause(None) => {}
                _ = resets.changed() => line.reset(),
            }
        }
        _ => Line::new(Wire::Plain(tcp)).cut(false).await,
    }
}

/// Waits for the other end to close, without reading a byte.
async fn until_closed(tcp: &TcpStream) {
    loop {
        let interest = tokio::io::Interest::READABLE;
        match tcp.ready(interest).await {
            Ok(ready) if ready.is_read_closed() => return,
            Ok(_) => sleep(ACCEPT_PAUSE).await,
            Err(_) => return,
        }
    }
}

async fn secured(provider: &Provider, tcp: TcpStream, tls: bool) -> Option<Wire> {
    if !tls {
        return Some(Wire::Plain(tcp));
    }
    let acceptor = TlsAcceptor::from(provider.tls()?);
    match timeout(HANDSHAKE, acceptor.accept(tcp)).await {
        Ok(Ok(stream)) => {
            provider.count_handshake(stream.get_ref().1.handshake_kind());
            Some(Wire::Tls(Box::new(stream)))
        }
        Ok(Err(_)) | Err(_) => {
            provider.count_handshake(None);
            None
        }
    }
}

/// Serves requests until the connection is to end.
async fn talk(line: &mut Line, provider: &Provider, journal: &Journal, connection: u64, tls: bool) -> After {
    let mut idle = IDLE;
    for requests in 1.. {
        match line.request(idle, PATIENCE).await {
            Incoming::Request(request) => {
                let place = Place { connection, requests, tls };
                match exchange::run(line, provider, journal, &request, place).await {
                    After::Keep(silence) => idle = silence.unwrap_or(IDLE),
                    end => return end,
                }
            }
            Incoming::Ended => break,
            Incoming::Bad(bad) => {
                refuse_request(line, bad).await;
                break;
            }
        }
    }
    After::Close { notify: true }
}

/// Tells the caller what was wrong with its bytes.
pub async fn refuse_request(line: &mut Line, bad: http::BadRequest) {
    let error =
        ApiError { status: bad.status(), message: bad.message().to_owned(), kind: "invalid_request_error", param: None, code: None };
    let body = error.body().to_string();
    let headers = [
        ("content-type".to_owned(), "application/json".to_owned()),
        ("content-length".to_owned(), body.len().to_string()),
        ("connection".to_owned(), "close".to_owned()),
    ];
    let mut bytes = http::head(error.status, &headers);
    bytes.extend_from_slice(body.as_bytes());
    // If the caller is gone already there is nobody left to tell.
    let _ = line.send(&bytes).await;
}
