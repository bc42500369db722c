//! A provider that costs next to nothing: fixed answers, plain and over TLS, so that what is
//! before it is the one that is busy.

use crate::{
    canned, clock,
    reader::{Path, Piece, Reader, Side, Start},
    socket::{Poll, Ready, Received, Socket},
    stage::SINK,
};
use rustls::{ServerConfig, ServerConnection};
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io,
    net::{SocketAddr, TcpListener},
    ops::Range,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

mod failing;

pub(crate) use failing::{Failing, Failure};

const LISTEN_PLAIN: u64 = SINK | u32::MAX as u64;
const LISTEN_TLS: u64 = SINK | (u32::MAX as u64 - 1);
/// Connections taken in one turn, so that answers go on meanwhile.
const ACCEPTS: usize = 64;
/// Connections at once.
const CONNECTIONS_MAX: usize = 65_536;
/// Bytes of a body, from its start and from its end, in which it is looked for whether a stream is
/// wanted: a gateway that writes requests anew may say so behind the messages.
const EDGE: usize = 512;

/// What the sink answers.
#[derive(Clone, Debug)]
pub(crate) struct Answers {
    /// Bytes of a completion's body.
    pub(crate) bytes: usize,
    /// Events with content of a stream.
    pub(crate) events: usize,
    /// Between two events; nothing sends a stream at once.
    pub(crate) interval: Duration,
}

/// What the sink has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) connections: u64,
    pub(crate) requests: u64,
    pub(crate) body_bytes: u64,
    /// Requests that were not HTTP, or cut.
    pub(crate) broken: u64,
}

/// The sink.
#[derive(Debug)]
pub(crate) struct Sink {
    plain: TcpListener,
    tls: Option<(TcpListener, Arc<ServerConfig>)>,
    failing: Option<failing::Ports>,
    completion: Rc<[u8]>,
    message: Rc<[u8]>,
    models: Rc<[u8]>,
    health: Rc<[u8]>,
    unknown: Rc<[u8]>,
    /// Pieces of a stream; the first begins with the head.
    stream: Vec<Stamped>,
    /// The same in Anthropic's dialect.
    messages: Vec<Stamped>,
    interval: u64,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    due: BinaryHeap<Reverse<(u64, usize, u64)>>,
    opened: u64,
    /// What it has seen so far.
    pub(crate) seen: Seen,
}

/// Bytes in which stamps are to be written when they are sent.
#[derive(Debug)]
struct Stamped {
    bytes: Vec<u8>,
    places: Vec<Range<usize>>,
}

impl Stamped {
    fn new(bytes: Vec<u8>) -> Stamped {
        let (mut places, mut from) = (Vec::new(), 0);
        while let Some(place) = canned::stamp_place(&bytes[from..]) {
            places.push(from + place.start..from + place.end);
            from += place.end;
        }
        Stamped { bytes, places }
    }

    fn at(&self, time: u64) -> Rc<[u8]> {
        let mut bytes: Rc<[u8]> = Rc::from(self.bytes.as_slice());
        let digits = Rc::get_mut(&mut bytes).expect("nobody else has it yet");
        for place in &self.places {
            canned::write_stamp(&mut digits[place.clone()], time);
        }
        bytes
    }
}

#[derive(Debug)]
struct Connection {
    socket: Socket,
    reader: Reader,
    number: u64,
    /// It came in where requests fail.
    failing: bool,
    /// The first bytes of the body, and the last ones; at most `EDGE` each.
    front: Vec<u8>,
    back: Vec<u8>,
    asked: Option<(bool, Path)>,
    /// The stream that is sent is one of Anthropic's.
    messages: bool,
    /// Pieces of a stream that have gone.
    sent: usize,
}

impl Sink {
    /// Listens on these ports of the loopback address; 0 lets the kernel choose.
    pub(crate) fn open(answers: &Answers, port: u16, tls: Option<(u16, Arc<ServerConfig>)>, poll: &Poll) -> io::Result<Sink> {
        let plain = listen(port, LISTEN_PLAIN, poll)?;
        let tls = match tls {
            Some((port, config)) => Some((listen(port, LISTEN_TLS, poll)?, config)),
            None => None,
        };
        Ok(Sink {
            plain,
            tls,
            failing: None,
            completion: canned::answer("200 OK", "application/json", &canned::completion(answers.bytes)),
            message: canned::answer("200 OK", "application/json", &canned::message(answers.bytes)),
            models: canned::answer(
                "200 OK",
                "application/json",
                format!(
                    "{{\"object\":\"list\",\"data\":[{{\"id\":\"{}\",\"object\":\"model\",\"created\":0,\"owned_by\":\"bench\"}}]}}",
                    canned::MODEL
                )
                .as_bytes(),
            ),
            health: canned::answer("200 OK", "application/json", b"{}"),
            unknown: canned::answer(
                "404 Not Found",
                "application/json",
                b"{\"error\":{\"message\":\"not here\",\"type\":\"invalid_request_error\"}}",
            ),
            stream: chat_pieces(answers),
            messages: message_pieces(answers),
            interval: answers.interval.as_nanos() as u64,
            connections: Vec::new(),
            free: Vec::new(),
            due: BinaryHeap::new(),
            opened: 0,
            seen: Seen::default(),
        })
    }

    /// Opens two further ports, plain and TLS, at which a share of the requests fails.
    pub(crate) fn fail(&mut self, failing: Failing, poll: &Poll) -> io::Result<()> {
        self.failing = Some(failing::Ports::open(failing, &self.completion, poll)?);
        Ok(())
    }

    /// Where requests fail, plainly and over TLS.
    pub(crate) fn failing_addresses(&self) -> io::Result<Option<(SocketAddr, SocketAddr)>> {
        self.failing.as_ref().map(failing::Ports::addresses).transpose()
    }

    /// Where it answers plainly.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.plain.local_addr()
    }

    /// Where it answers over TLS.
    pub(crate) fn tls_address(&self) -> Option<SocketAddr> {
        self.tls.as_ref().and_then(|(listener, _)| listener.local_addr().ok())
    }

    /// When something is due by itself.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.due.peek().map(|Reverse((due, ..))| *due)
    }

    /// Sends what is due.
    pub(crate) fn tick(&mut self, now: u64, poll: &Poll) {
        while let Some(&Reverse((due, index, number))) = self.due.peek() {
            if due > now {
                return;
            }
            self.due.pop();
            if self.connections.get(index).and_then(Option::as_ref).is_some_and(|connection| connection.number == number) {
                self.proceed(index, due, poll);
            }
        }
    }

    /// A socket is ready.
    pub(crate) fn ready(&mut self, ready: Ready, now: u64, poll: &Poll, scratch: &mut [u8]) {
        match ready.token {
            door @ (LISTEN_PLAIN | LISTEN_TLS | failing::LISTEN_PLAIN | failing::LISTEN_TLS) => self.accept(door, poll),
            token => {
                let index = (token & u64::from(u32::MAX)) as usize;
                if let Err(_gone) = self.attend(index, now, poll, scratch) {
                    self.close(index);
                }
            }
        }
    }

    fn accept(&mut self, door: u64, poll: &Poll) {
        let (tls, failing) =
            ([LISTEN_TLS, failing::LISTEN_TLS].contains(&door), door == failing::LISTEN_PLAIN || door == failing::LISTEN_TLS);
        for _ in 0..ACCEPTS {
            let listener = match (&self.tls, &self.failing) {
                (_, Some(ports)) if failing => {
                    if tls {
                        &ports.tls
                    } else {
                        &ports.plain
                    }
                }
                (Some((listener, _)), _) if tls => listener,
                _ => &self.plain,
            };
            let Ok((stream, _)) = listener.accept() else { return };
            if self.connections.len() - self.free.len() >= CONNECTIONS_MAX {
                return;
            }
            let index = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            let session = self.tls.as_ref().filter(|_| tls).and_then(|(_, config)| ServerConnection::new(config.clone()).ok());
            let session = session.map(|mut session| {
                session.set_buffer_limit(None);
                Box::new(session)
            });
            match Socket::new(stream, session, poll, SINK | index as u64) {
                Ok(socket) => {
                    self.opened += 1;
                    self.seen.connections += 1;
                    let reader = Reader::new(Side::Requests);
                    let (number, front, back) = (self.opened, Vec::with_capacity(EDGE), Vec::with_capacity(EDGE));
                    self.connections[index] =
                        Some(Connection { socket, reader, number, failing, front, back, asked: None, messages: false, sent: 0 });
                }
                Err(_) => self.free.push(index),
            }
        }
    }

    fn close(&mut self, index: usize) {
        if let Some(connection) = self.connections.get_mut(index).and_then(Option::take) {
            if !connection.reader.at_rest() {
                self.seen.broken += 1;
            }
            self.free.push(index);
        }
    }

    fn attend(&mut self, index: usize, now: u64, poll: &Poll, scratch: &mut [u8]) -> io::Result<()> {
        loop {
            let Some(connection) = self.connections.get_mut(index).and_then(Option::as_mut) else { return Ok(()) };
            let (count, more) = match connection.socket.receive(scratch)? {
                Received::Bytes(count, more) => (count, more),
                Received::Nothing => return connection.socket.flush(poll),
                Received::End => return Err(io::ErrorKind::UnexpectedEof.into()),
            };
            let mut input = &scratch[..count];
            while let Some(piece) = connection.reader.next(&mut input).map_err(|broken| io::Error::other(broken.to_string()))? {
                match piece {
                    Piece::Head(head) => {
                        let Start::Request { post, path } = head.start else { continue };
                        connection.asked = Some((post, path));
                        connection.front.clear();
                        connection.back.clear();
                    }
                    Piece::Body(bytes) => {
                        self.seen.body_bytes += bytes.len() as u64;
                        let room = EDGE - connection.front.len();
                        connection.front.extend_from_slice(&bytes[..bytes.len().min(room)]);
                        keep_last(&mut connection.back, bytes);
                    }
                    Piece::End => {
                        self.seen.requests += 1;
                        let asked = connection.asked.take();
                        if connection.failing
                            && let Some(ports) = self.failing.as_mut()
                            && ports.strikes()
                        {
                            connection.socket.send(&ports.answer, poll)?;
                            if ports.cuts {
                                return Err(io::ErrorKind::ConnectionAborted.into());
                            }
                            continue;
                        }
                        let answer = match asked {
                            Some((true, path @ (Path::Completions | Path::Messages)))
                                if wants_stream(&connection.front) || wants_stream(&connection.back) =>
                            {
                                connection.messages = path == Path::Messages;
                                None
                            }
                            Some((true, Path::Completions)) => Some(&self.completion),
                            Some((true, Path::Messages)) => Some(&self.message),
                            Some((false, Path::Models)) => Some(&self.models),
                            Some((false, Path::Health)) => Some(&self.health),
                            _ => Some(&self.unknown),
                        };
                        match answer {
                            Some(answer) => connection.socket.send(answer, poll)?,
                            None => {
                                connection.sent = 0;
                                self.due.push(Reverse((now, index, connection.number)));
                            }
                        }
                    }
                }
            }
            if !more {
                return connection.socket.flush(poll);
            }
        }
    }

    /// Sends the next piece of a stream.
    fn proceed(&mut self, index: usize, due: u64, poll: &Poll) {
        let Some(connection) = self.connections.get_mut(index).and_then(Option::as_mut) else { return };
        let stream = if connection.messages { &self.messages } else { &self.stream };
        let Some(piece) = stream.get(connection.sent) else { return };
        connection.sent += 1;
        if connection.socket.send(&piece.at(clock::now()), poll).is_err() {
            self.close(index);
        } else if connection.sent < stream.len() {
            // From when it was due, not from now: a stream keeps its pace.
            self.due.push(Reverse((due + self.interval, index, connection.number)));
        }
    }
}

fn listen(port: u16, token: u64, poll: &Poll) -> io::Result<TcpListener> {
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port))?;
    // The library's backlog of 128 is short for a proxy that opens its whole pool at once.
    rustix::net::listen(&listener, 4_096)?;
    listener.set_nonblocking(true)?;
    poll.add(&listener, token, false)?;
    Ok(listener)
}

/// Keeps the last `EDGE` bytes of all that have come.
fn keep_last(back: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = &bytes[bytes.len().saturating_sub(EDGE)..];
    back.drain(..(back.len() + bytes.len()).saturating_sub(EDGE));
    back.extend_from_slice(bytes);
}

fn wants_stream(front: &[u8]) -> bool {
    memchr::memmem::find(front, b"\"stream\":true").is_some() || memchr::memmem::find(front, b"\"stream\": true").is_some()
}

/// What a chat's stream sends; the end mark goes with the stop, as providers send them.
fn chat_pieces(answers: &Answers) -> Vec<Stamped> {
    let events = canned::stream(answers.events);
    pieces(events.iter().map(|data| format!("data: {data}\n\n")).collect(), 2, answers.interval)
}

/// What an Anthropic stream sends; what has no words goes with what has, as providers send them.
fn message_pieces(answers: &Answers) -> Vec<Stamped> {
    let mut events: Vec<String> =
        canned::messages(answers.events).iter().map(|(name, data)| format!("event: {name}\ndata: {data}\n\n")).collect();
    let block = events.remove(1);
    events[0].push_str(&block);
    pieces(events, 3, answers.interval)
}

/// A chunk for each event but the last ones, which go together; or one piece for all when they do not wait.
fn pieces(mut events: Vec<String>, together: usize, interval: Duration) -> Vec<Stamped> {
    // X-Accel-Buffering: nginx passes events on as they come only when it is told to.
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n\r\n";
    let last: Vec<u8> = events.split_off(events.len() - together).iter().flat_map(|event| canned::chunk(event.as_bytes())).collect();
    let mut pieces: Vec<Vec<u8>> = events.iter().map(|event| canned::chunk(event.as_bytes())).collect();
    pieces[0].splice(0..0, head.iter().copied());
    pieces.push([last.as_slice(), b"0\r\n\r\n"].concat());
    if interval.is_zero() {
        return vec![Stamped::new(pieces.concat())];
    }
    pieces.into_iter().map(Stamped::new).collect()
}

#[cfg(test)]
mod tests {
    use super::{EDGE, keep_last};

    #[test]
    fn the_end_of_a_body_is_kept_however_it_comes() {
        let body: Vec<u8> = (0..5 * EDGE).map(|number| number as u8).collect();
        for size in [1, 7, EDGE - 1, EDGE, EDGE + 1, 3 * EDGE, 5 * EDGE] {
            let mut back = Vec::new();
            body.chunks(size).for_each(|piece| keep_last(&mut back, piece));
            assert_eq!(back, body[4 * EDGE..], "pieces of {size}");
        }
        let mut back = Vec::new();
        [&b"ab"[..], b"", b"c"].iter().for_each(|piece| keep_last(&mut back, piece));
        assert_eq!(back, b"abc");
    }
}
