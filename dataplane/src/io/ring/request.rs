//! Operations that a future waits for: connecting, and asking for the peer's address.
//!
//! The operation lives in a table, not in the future. A dropped future leaves an orphan, whose
//! completion cleans up.

use super::completion::{Completion, Kind, Tag};
use super::kernel::Kernel;
use super::socket::State;
use super::stream::Stream;
use super::{Core, Io};
use crate::io::Errno;
use crate::io::timers::register;
use io_uring::{opcode, types};
use rustix::fd::{FromRawFd, OwnedFd};
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// An address as the kernel reads it.
#[derive(Clone, Copy)]
enum Address {
    V4(libc::sockaddr_in),
    V6(libc::sockaddr_in6),
}

impl Address {
    fn new(address: SocketAddr) -> Address {
        match address {
            SocketAddr::V4(address) => Address::V4(libc::sockaddr_in {
                sin_family: libc::AF_INET as u16,
                sin_port: address.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.ip().octets()) },
                sin_zero: [0; 8],
            }),
            SocketAddr::V6(address) => Address::V6(libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as u16,
                sin6_port: address.port().to_be(),
                sin6_flowinfo: address.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: address.ip().octets() },
                sin6_scope_id: address.scope_id(),
            }),
        }
    }

    fn family(&self) -> i32 {
        match self {
            Address::V4(_) => libc::AF_INET,
            Address::V6(_) => libc::AF_INET6,
        }
    }

    fn raw(&self) -> (*const libc::sockaddr, libc::socklen_t) {
        match self {
            Address::V4(address) => (std::ptr::from_ref(address).cast(), size_of::<libc::sockaddr_in>() as u32),
            Address::V6(address) => (std::ptr::from_ref(address).cast(), size_of::<libc::sockaddr_in6>() as u32),
        }
    }
}

#[derive(Debug)]
enum Phase {
    Free,
    Pending(Option<Waker>),
    /// The future was dropped.
    Orphan,
    /// A slot or a descriptor, or a negative errno.
    Done(i32),
}

/// An entry of the table.
pub(super) struct Request {
    phase: Phase,
    /// The slot that is being connected.
    slot: Option<u32>,
    /// Boxed: the kernel may read it until the connect has completed.
    address: Box<Address>,
}

impl fmt::Debug for Request {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Request {{ phase: {:?}, slot: {:?} }}", self.phase, self.slot)
    }
}

impl Kernel {
    fn request(&mut self, address: Address) -> u32 {
        let phase = Phase::Pending(None);
        match self.requests_free.pop() {
            Some(index) => {
                let request = &mut self.requests[index as usize];
                request.phase = phase;
                request.slot = None;
                *request.address = address;
                index
            }
            None => {
                self.requests.push(Request { phase, slot: None, address: Box::new(address) });
                self.requests.len() as u32 - 1
            }
        }
    }

    fn free_request(&mut self, index: u32) {
        self.requests[index as usize].phase = Phase::Free;
        self.requests_free.push(index);
    }

    /// Ends a request. What nobody waits for any more comes back.
    fn settle(&mut self, index: u32, result: i32) -> Option<i32> {
        let request = &mut self.requests[index as usize];
        match std::mem::replace(&mut request.phase, Phase::Done(result)) {
            Phase::Pending(waker) => {
                if let Some(waker) = waker {
                    waker.wake();
                }
                None
            }
            Phase::Orphan => {
                self.free_request(index);
                Some(result)
            }
            Phase::Free | Phase::Done(_) => unreachable!("a request completes once"),
        }
    }

    fn start_connect(&mut self, to: SocketAddr) -> u32 {
        let address = Address::new(to);
        let index = self.request(address);
        let entry =
            opcode::Socket::new(address.family(), libc::SOCK_STREAM, 0).file_index(Some(types::DestinationSlot::auto_target())).build();
        self.issue(entry, Tag::new(Kind::Socket, 0, index));
        index
    }

    pub(super) fn on_socket(&mut self, done: Completion) {
        static YES: libc::c_int = 1;
        let index = done.tag.index;
        if done.result < 0 {
            self.settle(index, done.result);
            return;
        }
        let slot = done.result as u32;
        self.open(slot, State::Connecting);
        self.sockets[slot as usize].token = index;
        if matches!(self.requests[index as usize].phase, Phase::Orphan) {
            self.free_request(index);
            self.release(slot);
            return;
        }
        self.set_option(slot, libc::IPPROTO_TCP, libc::TCP_NODELAY, &YES);
        let request = &mut self.requests[index as usize];
        request.slot = Some(slot);
        let (pointer, size) = request.address.raw();
        let generation = self.sockets[slot as usize].generation;
        let entry = opcode::Connect::new(types::Fixed(slot), pointer, size).build();
        self.issue(entry, Tag::new(Kind::Connect, generation, slot));
    }

    pub(super) fn on_connect(&mut self, done: Completion) {
        let slot = done.tag.index;
        let socket = &mut self.sockets[slot as usize];
        assert!(done.tag.is_of(socket.generation), "a connect outlived its socket");
        let index = socket.token;
        self.requests[index as usize].slot = None;
        let result = if done.result < 0 { done.result } else { slot as i32 };
        let orphaned = self.settle(index, result).is_some();
        if done.result < 0 {
            let socket = &mut self.sockets[slot as usize];
            socket.error = -done.result;
            self.release(slot);
            return;
        }
        self.stats.connected += 1;
        if orphaned {
            self.release(slot);
        } else {
            self.sockets[slot as usize].state = State::Open;
            self.receive(slot);
        }
    }

    pub(super) fn on_install(&mut self, done: Completion) {
        if let Some(descriptor) = self.settle(done.tag.index, done.result) {
            drop(own(descriptor));
        }
    }

    /// The future of a request was dropped.
    fn orphan(&mut self, index: u32) -> Option<i32> {
        let request = &mut self.requests[index as usize];
        let slot = request.slot;
        match std::mem::replace(&mut request.phase, Phase::Orphan) {
            Phase::Done(result) => {
                self.free_request(index);
                Some(result)
            }
            Phase::Pending(_) => {
                if let Some(slot) = slot {
                    // A connect to a silent host takes minutes to fail by itself.
                    let generation = self.sockets[slot as usize].generation;
                    self.cancel(Tag::new(Kind::Connect, generation, slot));
                }
                None
            }
            Phase::Free | Phase::Orphan => unreachable!("a request has one future"),
        }
    }

    fn poll_request(&mut self, index: u32, context: &Context<'_>) -> Poll<i32> {
        match &mut self.requests[index as usize].phase {
            Phase::Pending(waker) => {
                register(waker, context);
                Poll::Pending
            }
            Phase::Done(result) => {
                let result = *result;
                self.free_request(index);
                Poll::Ready(result)
            }
            Phase::Free | Phase::Orphan => unreachable!("polled after it was ready"),
        }
    }
}

/// Takes a descriptor that the kernel has just installed for us.
fn own(descriptor: i32) -> Option<OwnedFd> {
    if descriptor < 0 {
        return None;
    }
    // SAFETY: FIXED_FD_INSTALL made this descriptor for this request alone, and its number was
    // taken from the table of requests, so nobody else owns it.
    Some(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// A connection being made. Dropping it calls the attempt off.
#[derive(Debug)]
pub struct Connect {
    core: Rc<Core>,
    /// `None` once it is ready.
    request: Option<u32>,
}

impl Future for Connect {
    type Output = Result<Stream, Errno>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let request = self.request.expect("polled after it was ready");
        let polled = self.core.kernel().poll_request(request, context);
        let Poll::Ready(result) = polled else {
            return Poll::Pending;
        };
        self.request = None;
        Poll::Ready(match u32::try_from(result) {
            Ok(slot) => Ok(Stream::new(&self.core, slot)),
            Err(_) => Err(Errno(-result)),
        })
    }
}

impl Drop for Connect {
    fn drop(&mut self) {
        let Some(request) = self.request else { return };
        let mut kernel = self.core.kernel();
        if let Some(Ok(slot)) = kernel.orphan(request).map(u32::try_from) {
            kernel.release(slot);
        }
    }
}

/// A descriptor being installed for a socket.
struct Install {
    core: Rc<Core>,
    request: Option<u32>,
}

impl Future for Install {
    type Output = Option<OwnedFd>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let request = self.request.expect("polled after it was ready");
        let polled = self.core.kernel().poll_request(request, context);
        let Poll::Ready(result) = polled else {
            return Poll::Pending;
        };
        self.request = None;
        Poll::Ready(own(result))
    }
}

impl Drop for Install {
    fn drop(&mut self) {
        let Some(request) = self.request else { return };
        let orphaned = self.core.kernel().orphan(request);
        drop(orphaned.and_then(own));
    }
}

impl Io {
    /// Connects to an address. The attempt has no deadline of its own but the kernel's.
    #[must_use]
    pub fn connect(&self, to: SocketAddr) -> Connect {
        let request = self.core.kernel().start_connect(to);
        Connect { core: self.core.clone(), request: Some(request) }
    }
}

/// The address of the other end, or `None` if it is gone. Costs a few system calls: the socket is
/// a direct descriptor and has to be installed as an ordinary one to be asked.
pub(super) async fn peer(core: &Rc<Core>, slot: u32) -> Option<SocketAddr> {
    let request = {
        let mut kernel = core.kernel();
        let unused = Address::new(SocketAddr::from(([0, 0, 0, 0], 0)));
        let request = kernel.request(unused);
        let entry = opcode::FixedFdInstall::new(types::Fixed(slot), 0).build();
        kernel.issue(entry, Tag::new(Kind::Install, 0, request));
        request
    };
    let descriptor = Install { core: core.clone(), request: Some(request) }.await?;
    SocketAddr::try_from(rustix::net::getpeername(&descriptor).ok()??).ok()
}
