//! A socket that never blocks, with TLS on the sink's side, and the one epoll that watches them.

use rustix::event::{Timespec, epoll};
use rustls::ServerConnection;
use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    os::fd::{AsFd, OwnedFd},
    rc::Rc,
    time::Duration,
};

/// Events taken from the kernel at once.
const EVENTS: usize = 256;

/// What has become ready: whose, and whether it is only for writing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub(crate) token: u64,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
}

/// The epoll.
pub(crate) struct Poll {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Poll {
    pub(crate) fn new() -> io::Result<Poll> {
        Ok(Poll { epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?, events: Vec::with_capacity(EVENTS) })
    }

    pub(crate) fn add(&self, socket: &impl AsFd, token: u64, writing: bool) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, epoll::EventData::new_u64(token), interest(writing))?)
    }

    pub(crate) fn change(&self, socket: &impl AsFd, token: u64, writing: bool) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, socket, epoll::EventData::new_u64(token), interest(writing))?)
    }

    /// Waits no longer than `at_most`; fills `ready`.
    pub(crate) fn wait(&mut self, at_most: Duration, ready: &mut Vec<Ready>) -> io::Result<()> {
        let timeout = Timespec { tv_sec: at_most.as_secs() as i64, tv_nsec: i64::from(at_most.subsec_nanos()) };
        self.events.clear();
        ready.clear();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.events), Some(&timeout)) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        ready.extend(self.events.iter().map(|event| {
            let (flags, data) = (event.flags, event.data);
            let failed = flags.intersects(epoll::EventFlags::ERR | epoll::EventFlags::HUP);
            Ready {
                token: data.u64(),
                readable: failed || flags.contains(epoll::EventFlags::IN),
                writable: failed || flags.contains(epoll::EventFlags::OUT),
            }
        }));
        Ok(())
    }
}

fn interest(writing: bool) -> epoll::EventFlags {
    if writing { epoll::EventFlags::IN | epoll::EventFlags::OUT } else { epoll::EventFlags::IN }
}

/// What a receive gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// So many bytes, and whether there may be more at once.
    Bytes(usize, bool),
    Nothing,
    End,
}

/// A connection, with what it has yet to send.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    tls: Option<Box<ServerConnection>>,
    queue: VecDeque<(Rc<[u8]>, usize)>,
    writing: bool,
    token: u64,
}

impl Socket {
    /// Takes a connected or accepted stream and has it watched.
    pub(crate) fn new(stream: TcpStream, tls: Option<Box<ServerConnection>>, poll: &Poll, token: u64) -> io::Result<Socket> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        poll.add(&stream, token, false)?;
        Ok(Socket { stream, tls, queue: VecDeque::new(), writing: false, token })
    }

    /// Begins to connect, from this address when there is one.
    pub(crate) fn connect(to: SocketAddr, from: Option<SocketAddr>, poll: &Poll, token: u64) -> io::Result<Socket> {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
        let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let fd = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
        if let Some(from) = from {
            bind(&fd, &from)?;
        }
        match connect(&fd, &to) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        Socket::new(TcpStream::from(fd), None, poll, token)
    }

    /// Queues bytes and sends what goes at once.
    pub(crate) fn send(&mut self, bytes: &Rc<[u8]>, poll: &Poll) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => tls.writer().write_all(bytes)?,
            None => self.queue.push_back((bytes.clone(), 0)),
        }
        self.flush(poll)
    }

    /// Sends what goes; asks to be told when there is more to send.
    pub(crate) fn flush(&mut self, poll: &Poll) -> io::Result<()> {
        let writing = match self.push() {
            Ok(()) => false,
            Err(error) if pending(&error) => true,
            Err(error) => return Err(error),
        };
        if writing != self.writing {
            poll.change(&self.stream, self.token, writing)?;
            self.writing = writing;
        }
        Ok(())
    }

    fn push(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                tls.write_tls(&mut self.stream)?;
            }
            return Ok(());
        }
        while let Some((bytes, sent)) = self.queue.front_mut() {
            *sent += self.stream.write(&bytes[*sent..])?;
            if *sent == bytes.len() {
                self.queue.pop_front();
            }
        }
        Ok(())
    }

    /// Receives what is there.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        let Some(tls) = &mut self.tls else {
            return match self.stream.read(buffer) {
                Ok(0) => Ok(Received::End),
                // Less than there was room for: the socket is empty, and epoll tells when it is not.
                Ok(count) => Ok(Received::Bytes(count, count == buffer.len())),
                Err(error) if pending(&error) => Ok(Received::Nothing),
                Err(error) => Err(error),
            };
        };
        loop {
            match tls.reader().read(buffer) {
                Ok(0) => return Ok(Received::End),
                Ok(count) => return Ok(Received::Bytes(count, true)),
                Err(error) if pending(&error) => {}
                Err(error) => return Err(error),
            }
            match tls.read_tls(&mut self.stream) {
                Ok(0) => return Ok(Received::End),
                Ok(_) => {}
                Err(error) if pending(&error) => return Ok(Received::Nothing),
                Err(error) => return Err(error),
            }
            tls.process_new_packets().map_err(io::Error::other)?;
            if tls.wants_write() {
                // Handshake messages; what does not go now goes with the next flush.
                match tls.write_tls(&mut self.stream) {
                    Err(error) if !pending(&error) => return Err(error),
                    _ => {}
                }
            }
        }
    }
}

fn pending(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::NotConnected)
}
