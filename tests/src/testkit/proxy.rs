//! An egress proxy that does as the test tells it.

use super::{PATIENCE, until};
use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// Connections that are served at once; each has two threads at most.
const CONNECTIONS_MAX: usize = 64;
/// Connections that are remembered.
const KEPT_MAX: usize = 1_024;
/// The largest head of a request.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Lines of a head without end; far more than anybody should read.
const ENDLESS_LINES: usize = 1 << 16;

/// What the proxy does when it is asked for a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Opens it.
    Tunnel,
    /// Opens it after so many interim heads.
    Interim(usize),
    /// Answers with this status.
    Refuse(u16),
    /// Answers with these bytes, in one write.
    Say(Vec<u8>),
    /// Answers with a head that does not end.
    Endless,
    /// Never answers.
    Silent,
    /// Closes without an answer.
    HangUp,
}

/// One connection to the proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The head of its request, blank line included.
    pub head: String,
    /// A tunnel was opened.
    pub tunnelled: bool,
    /// Bytes that the gateway sent after the head.
    pub sent: usize,
    /// The gateway closed it.
    pub closed: bool,
}

impl Asked {
    /// Host and port that a tunnel was asked to; `None` when it was no such request.
    pub fn authority(&self) -> Option<&str> {
        self.head.lines().next()?.strip_prefix("CONNECT ")?.strip_suffix(" HTTP/1.1")
    }
}

/// An HTTP proxy that knows CONNECT, and some names that nobody else does.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    names: Vec<(String, SocketAddr)>,
    manner: Mutex<Manner>,
    asked: Mutex<Vec<Asked>>,
    open: AtomicUsize,
    end: AtomicBool,
}

impl Proxy {
    /// Leads each authority (`host:port`) to an address, and no other anywhere.
    pub fn start(names: &[(&str, SocketAddr)]) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the kernel has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            names: names.iter().map(|(name, address)| ((*name).to_owned(), *address)).collect(),
            manner: Mutex::new(Manner::Tunnel),
            asked: Mutex::default(),
            open: AtomicUsize::new(0),
            end: AtomicBool::new(false),
        });
        let all = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if all.end.load(Ordering::Acquire) {
                    return;
                }
                if all.open.fetch_add(1, Ordering::AcqRel) >= CONNECTIONS_MAX {
                    all.open.fetch_sub(1, Ordering::AcqRel);
                    continue;
                }
                let shared = all.clone();
                thread::spawn(move || {
                    // A connection that breaks is the gateway's way to hang up; the test sees what was asked.
                    serve(stream, &shared).ok();
                    shared.open.fetch_sub(1, Ordering::AcqRel);
                });
            }
        });
        Proxy { address, shared }
    }

    /// Treats requests so from now on; tunnels that stand are left alone.
    pub fn manner(&self, manner: Manner) {
        *self.shared.manner.lock().expect("nothing panics while it is held") = manner;
    }

    /// Every request so far, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.kept().clone()
    }

    /// Every request so far, once no connection is open any more.
    pub fn settled(&self) -> Vec<Asked> {
        until("every connection to the proxy is closed", || (self.shared.open.load(Ordering::Acquire) == 0).then(|| self.asked()))
    }

    /// How many tunnels were opened.
    pub fn tunnels(&self) -> usize {
        self.shared.kept().iter().filter(|asked| asked.tunnelled).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.end.store(true, Ordering::Release);
        // Wakes the listener so that it sees the end.
        drop(TcpStream::connect_timeout(&self.address, Duration::from_secs(1)));
    }
}

impl Shared {
    fn kept(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.asked.lock().expect("nothing panics while it is held")
    }

    /// Keeps a request, and tells under which number.
    fn keep(&self, head: String) -> Option<usize> {
        let mut kept = self.kept();
        let at = kept.len();
        (at < KEPT_MAX).then(|| kept.push(Asked { head, ..Asked::default() }))?;
        Some(at)
    }

    fn note(&self, at: Option<usize>, change: impl FnOnce(&mut Asked)) {
        if let Some(at) = at {
            change(&mut self.kept()[at]);
        }
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let (head, early) = receive_head(&mut stream)?;
    let manner = shared.manner.lock().expect("nothing panics while it is held").clone();
    let wanted = Asked { head: head.clone(), ..Asked::default() }.authority().map(str::to_owned);
    let known = wanted.and_then(|wanted| Some(shared.names.iter().find(|(name, _)| *name == wanted)?.1));
    let at = shared.keep(head);
    shared.note(at, |asked| asked.sent += early.len());
    match (manner, known) {
        (Manner::Tunnel, Some(address)) => return tunnel(stream, address, &early, shared, at),
        (Manner::Interim(count), Some(address)) => {
            let (first, rest) = ("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n");
            stream.write_all([first.to_owned(), rest.repeat(count.saturating_sub(1))].concat().as_bytes())?;
            return tunnel(stream, address, &early, shared, at);
        }
        (Manner::Tunnel | Manner::Interim(_), None) => refuse(&mut stream, 502)?,
        (Manner::Refuse(status), _) => refuse(&mut stream, status)?,
        (Manner::Say(bytes), _) => stream.write_all(&bytes)?,
        (Manner::Endless, _) => endless(&mut stream),
        (Manner::Silent, _) => {}
        (Manner::HangUp, _) => return Ok(()),
    }
    let mut part = [0; 4_096];
    // Ends by FIN or by RST, as the gateway likes.
    while let Ok(count @ 1..) = stream.read(&mut part) {
        shared.note(at, |asked| asked.sent += count);
    }
    shared.note(at, |asked| asked.closed = true);
    Ok(())
}

/// The head of a request, and what came behind it.
fn receive_head(stream: &mut TcpStream) -> std::io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let early = bytes.split_off(at + 4);
            return Ok((String::from_utf8_lossy(&bytes).into_owned(), early));
        }
        let mut part = [0; 4_096];
        let count = stream.read(&mut part)?;
        if count == 0 || bytes.len() > HEAD_BYTES_MAX {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&part[..count]);
    }
}

/// Keeps the connection: whoever was refused is to close it.
fn refuse(stream: &mut TcpStream, status: u16) -> std::io::Result<()> {
    stream.write_all(format!("HTTP/1.1 {status} Refused\r\nproxy-authenticate: Basic\r\ncontent-length: 3\r\n\r\nno\n").as_bytes())
}

fn endless(stream: &mut TcpStream) {
    let begun = stream.write_all(b"HTTP/1.1 200 OK\r\n");
    let mut lines = (0..ENDLESS_LINES).map(|number| stream.write_all(format!("x-line-{number}: and another one\r\n").as_bytes()));
    // Whoever has had enough closes, which is what is wanted.
    if begun.is_ok() {
        lines.find(Result::is_err);
    }
}

/// Carries bytes both ways until one side ends; the other side is told.
fn tunnel(mut stream: TcpStream, address: SocketAddr, early: &[u8], shared: &Shared, at: Option<usize>) -> std::io::Result<()> {
    let mut provider = TcpStream::connect_timeout(&address, PATIENCE)?;
    provider.set_nodelay(true)?;
    provider.write_all(early)?;
    shared.note(at, |asked| asked.tunnelled = true);
    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    // A tunnel may rest for as long as its ends like.
    stream.set_read_timeout(None)?;
    let (mut down, mut up) = (stream.try_clone()?, provider.try_clone()?);
    let back = thread::spawn(move || {
        carry(&mut provider, &mut down, |_| {});
    });
    carry(&mut stream, &mut up, |count| shared.note(at, |asked| asked.sent += count));
    shared.note(at, |asked| asked.closed = true);
    back.join().expect("it only carries bytes");
    Ok(())
}

fn carry(from: &mut TcpStream, to: &mut TcpStream, mut count: impl FnMut(usize)) {
    let mut part = vec![0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut part) {
        count(read);
        if to.write_all(&part[..read]).is_err() {
            break;
        }
    }
    // The other side may have ended before.
    to.shutdown(Shutdown::Write).ok();
}
