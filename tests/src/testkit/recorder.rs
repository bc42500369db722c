//! A provider that keeps every byte that it is sent, and answers what the test tells it to.
//!
//! The mock zoo knows HTTP and keeps the beginning of a body; this one knows just enough to find
//! the end of a request, and keeps all of it.

use super::until;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// Requests that are kept.
const KEPT_MAX: usize = 256;
/// The largest request.
const REQUEST_BYTES_MAX: usize = 64 << 20;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// The head, its blank line included.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Arrived {
    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The names of all fields, in order.
    pub fn names(&self) -> Vec<String> {
        self.head.lines().skip(1).filter_map(|line| Some(line.split_once(':')?.0.to_ascii_lowercase())).collect()
    }
}

/// A provider that keeps every byte.
#[derive(Debug)]
pub struct Recorder {
    /// Where it listens.
    pub address: SocketAddr,
    kept: Arc<Mutex<Vec<Arrived>>>,
    loose: Arc<AtomicUsize>,
    end: Arc<AtomicBool>,
}

impl Recorder {
    /// Answers every request with `answer`, whole bytes of HTTP, and keeps the connection.
    pub fn start(answer: &[u8]) -> Recorder {
        let answer = answer.to_vec();
        Recorder::answering(move |_| answer.clone())
    }

    /// Answers every request with what `answer` makes of it: whole bytes of HTTP.
    pub fn answering(answer: impl Fn(&Arrived) -> Vec<u8> + Send + Sync + 'static) -> Recorder {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the kernel has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let kept = Arc::new(Mutex::new(Vec::new()));
        let end = Arc::new(AtomicBool::new(false));
        let loose = Arc::new(AtomicUsize::new(0));
        let (list, strays, ending, answer) = (kept.clone(), loose.clone(), end.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ending.load(Ordering::Acquire) {
                    return;
                }
                let (list, strays, answer) = (list.clone(), strays.clone(), answer.clone());
                // A connection that breaks is the gateway's way to hang up; the test sees what was kept.
                thread::spawn(move || serve(stream, &list, &strays, &*answer).ok());
            }
        });
        Recorder { address, kept, loose, end }
    }

    /// An answer of 200 in JSON.
    pub fn json(body: &str) -> Vec<u8> {
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
    }

    /// The requests so far.
    pub fn arrived(&self) -> Vec<Arrived> {
        self.kept.lock().expect("nothing panics while it is held").clone()
    }

    /// The requests since the last call, which are kept no longer.
    pub fn take(&self) -> Vec<Arrived> {
        std::mem::take(&mut *self.kept.lock().expect("nothing panics while it is held"))
    }

    /// Bytes that came and are part of no whole request.
    pub fn loose_bytes(&self) -> usize {
        self.loose.load(Ordering::Acquire)
    }

    /// The one request, once it is there.
    pub fn only(&self) -> Arrived {
        let mut all = until("a request arrives at the recorder", || Some(self.arrived()).filter(|all| !all.is_empty()));
        assert_eq!(all.len(), 1, "one request was to arrive");
        all.remove(0)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Release);
        // Wakes the listener so that it sees the end.
        drop(TcpStream::connect_timeout(&self.address, Duration::from_secs(1)));
    }
}

fn serve(
    mut stream: TcpStream,
    kept: &Mutex<Vec<Arrived>>,
    loose: &AtomicUsize,
    answer: &(dyn Fn(&Arrived) -> Vec<u8> + Send + Sync),
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(super::PATIENCE))?;
    let mut bytes = Vec::new();
    loop {
        let head = loop {
            if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if more(&mut stream, &mut bytes, loose)? == 0 {
                return Ok(());
            }
        };
        let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
        let arrived = Arrived { head: text, body: Vec::new() };
        let length = arrived.field("content-length").and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
        while bytes.len() < head + length {
            if bytes.len() > REQUEST_BYTES_MAX || more(&mut stream, &mut bytes, loose)? == 0 {
                return Ok(());
            }
        }
        let rest = bytes.split_off(head + length);
        let arrived = Arrived { body: bytes.split_off(head), ..arrived };
        let answer = answer(&arrived);
        let mut list = kept.lock().expect("nothing panics while it is held");
        if list.len() < KEPT_MAX {
            list.push(arrived);
        }
        drop(list);
        loose.fetch_sub(head + length, Ordering::AcqRel);
        bytes = rest;
        stream.write_all(&answer)?;
    }
}

fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>, loose: &AtomicUsize) -> std::io::Result<usize> {
    let mut part = vec![0; 64 * 1024];
    let count = stream.read(&mut part)?;
    loose.fetch_add(count, Ordering::AcqRel);
    bytes.extend_from_slice(&part[..count]);
    Ok(count)
}
