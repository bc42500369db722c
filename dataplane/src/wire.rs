//! One connection, plain or TLS, as the walk sees it: plaintext in, plaintext out.

use crate::{
    io::{Block, Chunk, Errno, Io, Piece, Stream},
    tls,
};
use std::{
    future::poll_fn,
    net::IpAddr,
    ops::{Deref, Range},
    task::{Context, Poll},
};

/// Plaintext that was received, or a part of it.
#[derive(Clone)]
pub enum Bytes {
    /// In the ring's buffer, shared, never copied.
    Chunk(Chunk),
    /// Put together by us: decrypted, or joined from several receptions.
    Own(std::rc::Rc<Vec<u8>>, Range<usize>),
}

impl Bytes {
    /// Takes a buffer over.
    pub fn own(buffer: Vec<u8>) -> Bytes {
        let all = 0..buffer.len();
        Bytes::Own(std::rc::Rc::new(buffer), all)
    }

    /// A part of it, without a copy.
    pub fn slice(&self, range: Range<usize>) -> Bytes {
        match self {
            Bytes::Chunk(chunk) => Bytes::Chunk(chunk.slice(range)),
            Bytes::Own(buffer, own) => {
                assert!(range.start <= range.end && range.end <= own.len(), "a slice lies within its bytes");
                Bytes::Own(buffer.clone(), own.start + range.start..own.start + range.end)
            }
        }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Chunk(chunk) => chunk,
            Bytes::Own(buffer, range) => &buffer[range.clone()],
        }
    }
}

/// Why a connection cannot be used any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The kernel's word: reset, unreachable.
    Io(Errno),
    /// TLS' word.
    Tls(tls::Fault),
}

/// One connection.
pub struct Wire {
    io: Io,
    stream: Stream,
    session: Option<Box<tls::Session>>,
    /// Bytes that were received and given back; they come first.
    returned: Option<Bytes>,
}

impl Wire {
    /// A connection, with the TLS session that was set up on it.
    pub fn new(io: Io, stream: Stream, session: Option<Box<tls::Session>>) -> Wire {
        Wire { io, stream, session, returned: None }
    }

    /// Takes the connection apart, to be parked. Nothing may have been given back.
    pub fn into_parts(self) -> (Stream, Option<Box<tls::Session>>) {
        debug_assert!(self.returned.is_none(), "bytes that were given back would be lost");
        (self.stream, self.session)
    }

    /// True when it is encrypted.
    pub fn secure(&self) -> bool {
        self.session.is_some()
    }

    /// The next bytes; `None` when the other side has ended, with TLS only if it said so.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Broken>> {
        if let Some(bytes) = self.returned.take() {
            return Poll::Ready(Ok(Some(bytes)));
        }
        let Some(session) = &mut self.session else {
            return self.stream.poll_recv(cx).map(|received| received.map(|chunk| chunk.map(Bytes::Chunk)).map_err(Broken::Io));
        };
        // Its last words may have come with the last bytes, and no FIN after them.
        while !session.closed() {
            let Some(chunk) = std::task::ready!(self.stream.poll_recv(cx)).map_err(Broken::Io)? else {
                // RFC 8446, section 6.1: an end without a close_notify may be somebody else's.
                return Poll::Ready(Err(Broken::Tls(tls::Fault::Protocol("it ended without saying so".to_owned()))));
            };
            let plain = open(&self.io, &self.stream, session, chunk).map_err(Broken::Tls)?;
            if !plain.is_empty() {
                return Poll::Ready(Ok(Some(Bytes::own(plain))));
            }
        }
        Poll::Ready(Ok(None))
    }

    /// The next bytes; `None` when the other side has ended.
    pub async fn recv(&mut self) -> Result<Option<Bytes>, Broken> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Gives bytes back, to be received again.
    pub fn unread(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            debug_assert!(self.returned.is_none(), "bytes are given back once");
            self.returned = Some(bytes);
        }
    }

    /// Gives back what was not used of bytes, from here on.
    pub fn unread_from(&mut self, bytes: &Bytes, at: usize) {
        if at < bytes.len() {
            self.unread(bytes.slice(at..bytes.len()));
        }
    }

    /// True when bytes that were received are waiting.
    pub fn has_returned(&self) -> bool {
        self.returned.is_some()
    }

    /// Queues bytes of ours; they leave at the end of the turn.
    pub fn send(&mut self, bytes: Vec<u8>) {
        match &mut self.session {
            None => self.stream.send(Piece::Vec(bytes)),
            Some(_) => self.seal(&bytes),
        }
    }

    /// Queues fixed bytes.
    pub fn send_static(&mut self, bytes: &'static [u8]) {
        match &mut self.session {
            None => self.stream.send(Piece::Static(bytes)),
            Some(_) => self.seal(bytes),
        }
    }

    /// Queues bytes that were received, without a copy where there is no TLS.
    pub fn send_bytes(&mut self, bytes: &Bytes) {
        match (&self.session, bytes) {
            (None, Bytes::Chunk(chunk)) => self.stream.send(Piece::Chunk(chunk.clone())),
            (None, Bytes::Own(..)) => {
                let mut copy = self.io.vec();
                copy.extend_from_slice(bytes);
                self.stream.send(Piece::Vec(copy));
            }
            (Some(_), _) => self.seal(bytes),
        }
    }

    /// Queues a part of a block, without a copy where there is no TLS.
    pub fn send_block(&mut self, block: &Block, range: Range<usize>) {
        match &self.session {
            None => self.stream.send(Piece::Block(block.clone(), range)),
            Some(_) => self.seal(&block[range]),
        }
    }

    fn seal(&mut self, plain: &[u8]) {
        let session = self.session.as_mut().expect("only called on an encrypted connection");
        let mut out = self.io.vec();
        if session.seal(plain, &mut out).is_ok() {
            self.stream.send(Piece::Vec(out));
        }
        // A session that cannot send any more shows itself when it is read from: the other side
        // waits for the rest and ends, or the deadline does.
    }

    /// True when so much is queued that the other side should be waited for.
    pub fn over(&self) -> bool {
        self.stream.over()
    }

    /// Waits until less is queued.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn room(&mut self) -> Result<(), Broken> {
        self.stream.room().await.map_err(Broken::Io)
    }

    /// Bytes queued and not yet taken by the kernel.
    pub fn queued(&self) -> usize {
        self.stream.queued()
    }

    /// True when the other side went away; otherwise the task is woken when it does. Nothing is
    /// consumed.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> bool {
        self.stream.poll_gone(cx)
    }

    /// True when an idle connection cannot be used: ended, broken, or something was said on it that
    /// nobody asked for. Tickets of TLS are taken in.
    pub fn dead(&mut self) -> bool {
        let Some(session) = &mut self.session else { return self.stream.dead() };
        if session.closed() {
            return true;
        }
        let mut cx = Context::from_waker(std::task::Waker::noop());
        loop {
            match self.stream.poll_recv(&mut cx) {
                Poll::Pending => return false,
                Poll::Ready(Ok(Some(chunk))) => match open(&self.io, &self.stream, session, chunk) {
                    Ok(plain) if plain.is_empty() && !session.closed() => {}
                    Ok(_) | Err(_) => return true,
                },
                Poll::Ready(Ok(None) | Err(_)) => return true,
            }
        }
    }

    /// The address of the other end; `None` when it is gone. Costs a few system calls.
    pub async fn peer(&self) -> Option<IpAddr> {
        self.stream.peer().await.map(|address| address.ip().to_canonical())
    }

    /// Large bodies follow: use large buffers from now on.
    pub fn bulk(&mut self) {
        self.stream.bulk();
    }

    /// Says that nothing more will be sent; the connection closes when it is dropped.
    pub fn close(mut self) {
        self.notify();
    }

    fn notify(&mut self) {
        if let Some(session) = &mut self.session {
            let mut out = self.io.vec();
            session.close(&mut out);
            self.stream.send(Piece::Vec(out));
        }
    }

    /// Says that nothing more will be sent, and closes once the tenant has closed or enough time
    /// has passed: data that it still sends would turn a plain close into a reset that overtakes
    /// the answer (RFC 9112, section 9.6).
    pub fn close_after_peer(mut self) {
        self.notify();
        self.stream.close_after_peer();
    }

    /// Ends the connection at once, with a reset.
    pub fn reset(self) {
        self.stream.reset();
    }
}

/// Takes one reception of ciphertext in and sends what TLS itself has to say.
fn open(io: &Io, stream: &Stream, session: &mut tls::Session, mut chunk: Chunk) -> Result<Vec<u8>, tls::Fault> {
    let (mut plain, mut out) = (io.vec(), Vec::new());
    let result = match chunk.unique_mut() {
        Some(cipher) => session.open(cipher, &mut plain, &mut out),
        None => session.open(&mut chunk.to_vec(), &mut plain, &mut out),
    };
    if !out.is_empty() {
        stream.send(Piece::Vec(out));
    }
    result.map(|()| plain)
}

/// Sets a session up on a fresh connection.
///
/// # Errors
/// The connection broke, or TLS refused: certificate or protocol.
pub async fn handshake(io: &Io, stream: Stream, mut session: Box<tls::Session>, hello: Vec<u8>) -> Result<Wire, Broken> {
    if !hello.is_empty() {
        stream.send(Piece::Vec(hello));
    }
    let mut stream = stream;
    let mut early = io.vec();
    while !session.established() {
        let chunk = poll_fn(|cx| stream.poll_recv(cx)).await.map_err(Broken::Io)?;
        let Some(chunk) = chunk else {
            return Err(Broken::Tls(tls::Fault::Protocol("the other side ended during the handshake".to_owned())));
        };
        early.extend_from_slice(&open(io, &stream, &mut session, chunk).map_err(Broken::Tls)?);
    }
    let mut wire = Wire::new(io.clone(), stream, Some(session));
    wire.unread(Bytes::own(early));
    Ok(wire)
}
