use super::host::{self, Ended};
use super::{Io, Reactor, Stream};
use crate::io::{Arena, Cause, Errno, Instant, Piece, Settings};
use rustix::fd::OwnedFd;
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

mod chaos;
mod life;

/// A listening socket on a port of the kernel's choice.
fn listener() -> (OwnedFd, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = socket.local_addr().expect("it is bound");
    (socket.into(), address)
}

fn settings() -> Settings {
    Settings { connections: 1024, downstream_max: 512, seed: 7, ..Settings::default() }
}

/// Turns until the future has ended. The walltime bound only ends a hanging test.
fn drive(reactor: &Reactor, future: impl Future<Output = ()> + 'static) {
    let done = Rc::new(Cell::new(false));
    let ended = done.clone();
    reactor.io().spawn(async move {
        future.await;
        ended.set(true);
    });
    let until = std::time::Instant::now() + Duration::from_secs(60);
    while !done.get() {
        reactor.turn(Duration::from_millis(10));
        assert!(std::time::Instant::now() < until, "hangs: {:?}", reactor.stats());
    }
}

/// A pair of connected streams: as accepted, as connected.
async fn pair(io: &Io, address: SocketAddr) -> (Stream, Stream) {
    let connected = io.connect(address).await.expect("the listener is there");
    let accepted = io.accept().await;
    (accepted.stream, connected)
}

/// Receives until `count` bytes are there.
async fn read(stream: &mut Stream, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        match stream.recv().await.expect("the connection holds") {
            Some(chunk) => bytes.extend_from_slice(&chunk),
            None => break,
        }
    }
    bytes
}

/// Nothing of the test may be left: no socket, buffer, timer, task or operation.
fn leave(reactor: Reactor) {
    let io = reactor.io();
    assert!(reactor.shut_down(), "not everything ended");
    let stats = io.stats();
    assert_eq!((stats.sockets, stats.tasks, stats.timers, stats.queued), (0, 0, 0, 0));
    assert_eq!((stats.small_lent, stats.large_lent, stats.spill_lent), (0, 0, 0));
    assert_eq!(stats.parked, 0);
    assert_eq!(stats.operations, 0);
}
