//! One connection: bytes in, bytes out, and an eye on the other end.
//!
//! Whatever the mock is doing (writing, waiting, stalling), it keeps reading, so that a hang-up is
//! seen at once and not at the next write. A caller that half-closes counts as hung up.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::server::TlsStream;

use crate::http::{self, BadRequest, Chunk, Framing, Request};

/// How much is read ahead while an answer is on its way.
const READ_AHEAD_MAX: usize = 64 * 1024;
/// How long a cut connection is drained, so that its end is FIN and not RST.
const DRAIN: Duration = Duration::from_secs(1);

/// The bytes below HTTP.
#[derive(Debug)]
pub enum Wire {
    /// TCP.
    Plain(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    fn tcp(&self) -> &TcpStream {
        match self {
            Wire::Plain(tcp) => tcp,
            Wire::Tls(tls) => tls.get_ref().0,
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Wire::Plain(tcp) => Pin::new(tcp).poll_read(context, into),
            Wire::Tls(tls) => Pin::new(tls).poll_read(context, into),
        }
    }

    fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Wire::Plain(tcp) => Pin::new(tcp).poll_write(context, bytes),
            Wire::Tls(tls) => Pin::new(tls).poll_write(context, bytes),
        }
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Wire::Plain(_) => Poll::Ready(Ok(())),
            Wire::Tls(tls) => Pin::new(tls).poll_flush(context),
        }
    }
}

/// The other end hung up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// What came of waiting for a request.
#[derive(Debug)]
pub enum Incoming {
    /// A request.
    Request(Request),
    /// The connection ended, or was idle for too long.
    Ended,
    /// Something that is no request.
    Bad(BadRequest),
}

/// A connection with what has been read from it.
#[derive(Debug)]
pub struct Line {
    wire: Wire,
    inbox: Vec<u8>,
    gone: bool,
    drip: Option<Duration>,
}

impl Line {
    /// A line over a connected wire.
    #[must_use]
    pub fn new(wire: Wire) -> Line {
        Line { wire, inbox: Vec::new(), gone: false, drip: None }
    }

    /// From now on, one byte per write with this wait after each; `None` ends that.
    pub fn set_drip(&mut self, drip: Option<Duration>) {
        self.drip = drip;
    }

    /// Waits for the next request: `idle` for its first byte, `patience` for the rest.
    pub async fn request(&mut self, idle: Duration, patience: Duration) -> Incoming {
        if self.inbox.is_empty() && !matches!(timeout(idle, self.fill()).await, Ok(Ok(()))) {
            return Incoming::Ended;
        }
        match timeout(patience, self.rest_of_request()).await {
            Ok(Ok(Ok(request))) => Incoming::Request(request),
            Ok(Ok(Err(bad))) => Incoming::Bad(bad),
            Ok(Err(Gone)) | Err(_) => Incoming::Ended,
        }
    }

    async fn rest_of_request(&mut self) -> Result<Result<Request, BadRequest>, Gone> {
        let head = loop {
            match http::parse_head(&self.inbox) {
                Ok(Some(head)) => break head,
                Ok(None) => self.fill().await?,
                Err(bad) => return Ok(Err(bad)),
            }
        };
        self.inbox.drain(..head.length);
        if head.expects_continue && self.inbox.is_empty() {
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let body = match head.framing {
            Framing::Length(length) => Ok(self.take(length).await?),
            Framing::Chunked => self.take_chunks().await?,
        };
        Ok(body.map(|body| Request { body, ..head.request }))
    }

    async fn take(&mut self, length: usize) -> Result<Vec<u8>, Gone> {
        while self.inbox.len() < length {
            self.fill().await?;
        }
        let rest = self.inbox.split_off(length);
        Ok(std::mem::replace(&mut self.inbox, rest))
    }

    async fn take_chunks(&mut self) -> Result<Result<Vec<u8>, BadRequest>, Gone> {
        let mut body = Vec::new();
        loop {
            match http::next_chunk(&self.inbox) {
                Err(bad) => return Ok(Err(bad)),
                Ok(Chunk::Partial) => self.fill().await?,
                Ok(Chunk::End { skip }) => {
                    self.inbox.drain(..skip);
                    return Ok(Ok(body));
                }
                Ok(Chunk::Data { skip, size }) => {
                    if body.len() + size > http::BODY_BYTES_MAX {
                        return Ok(Err(BadRequest::BodyTooLarge));
                    }
                    self.inbox.drain(..skip);
                    body.append(&mut self.take(size).await?);
                    if self.take(2).await? != b"\r\n" {
                        return Ok(Err(BadRequest::Chunk));
                    }
                }
            }
        }
    }

    /// Reads more.
    async fn fill(&mut self) -> Result<(), Gone> {
        poll_fn(|context| self.poll_fill(context)).await
    }

    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        let mut space = [0_u8; 16 * 1024];
        let mut into = ReadBuf::new(&mut space);
        match ready!(self.wire.poll_read(context, &mut into)) {
            Ok(()) if !into.filled().is_empty() => {
                self.inbox.extend_from_slice(into.filled());
                Poll::Ready(Ok(()))
            }
            Ok(()) | Err(_) => {
                self.gone = true;
                Poll::Ready(Err(Gone))
            }
        }
    }

    /// Ready only when the other end has hung up. Reads ahead, up to a bound.
    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<Gone> {
        if self.gone {
            return Poll::Ready(Gone);
        }
        while self.inbox.len() < READ_AHEAD_MAX {
            if ready!(self.poll_fill(context)).is_err() {
                return Poll::Ready(Gone);
            }
        }
        Poll::Pending
    }

    /// Sends all of it, or finds that nobody listens.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        let Some(wait) = self.drip else {
            return self.send_at_once(bytes).await;
        };
        for byte in bytes {
            self.send_at_once(std::slice::from_ref(byte)).await?;
            match wait.is_zero() {
                true => tokio::task::yield_now().await,
                false => self.pause(Some(wait)).await?,
            }
        }
        Ok(())
    }

    async fn send_at_once(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        let mut sent = 0;
        poll_fn(|context| {
            if self.poll_gone(context).is_ready() {
                return Poll::Ready(Err(Gone));
            }
            while sent < bytes.len() {
                match ready!(self.wire.poll_write(context, &bytes[sent..])) {
                    Ok(count) if count > 0 => sent += count,
                    Ok(_) | Err(_) => {
                        self.gone = true;
                        return Poll::Ready(Err(Gone));
                    }
                }
            }
            ready!(self.wire.poll_flush(context)).map_err(|_| Gone)?;
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Waits so long, or until the other end hangs up; `None` waits for the hang-up alone.
    pub async fn pause(&mut self, time: Option<Duration>) -> Result<(), Gone> {
        let Some(time) = time else {
            return Err(poll_fn(|context| self.poll_gone(context)).await);
        };
        if time.is_zero() {
            return Ok(());
        }
        let end = Instant::now() + time;
        tokio::select! {
            gone = poll_fn(|context| self.poll_gone(context)) => Err(gone),
            () = sleep_until(end) => Ok(()),
        }
    }

    /// Ends with RST.
    pub fn reset(self) {
        // When the option cannot be set the socket is gone already, and so is the connection.
        drop(self.wire.tcp().set_zero_linger());
    }

    /// Ends with FIN; with TLS `close_notify` first if `notify`.
    pub async fn cut(mut self, notify: bool) {
        // Errors mean that the other end was quicker; the connection ends either way.
        let ended = match &mut self.wire {
            Wire::Plain(tcp) => tcp.shutdown().await,
            Wire::Tls(tls) if notify => tls.shutdown().await,
            Wire::Tls(tls) => tls.get_mut().0.shutdown().await,
        };
        if ended.is_ok() && !self.gone {
            // Closing with unread bytes would send RST. The drain is bounded by time alone:
            // nothing of it is kept.
            drop(timeout(DRAIN, self.drain()).await);
        }
    }

    async fn drain(&mut self) {
        loop {
            self.inbox.clear();
            if self.fill().await.is_err() {
                return;
            }
        }
    }
}
