//! A proxy that does no more than it must, and a load for it: what the seam costs by itself.
//!
//! ```sh
//! relay proxy --port 8081 --upstream 9000 &
//! relay load --port 8081 --upstream 9000 --streams 64 --seconds 5 --size 1024 --pid $!
//! ```
//!
//! The load is also the upstream. It prints requests per second and the CPU time per request of
//! the process `--pid`, children included, from `/proc/PID/task/*/schedstat`. With `--idle N` it
//! opens N connections, sends one request on each and prints the memory of the process instead.

use dataplane::io::{self, Accepted, Chunk, Instant, Io, Piece, Settings, Stream, TaskPool, host};
use std::cell::{Cell, RefCell};
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

const IDLE: u64 = 60_000;

fn argument(name: &str, default: usize) -> usize {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1).and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn flag(name: &str) -> bool {
    std::env::args().any(|argument| argument == name)
}

fn listen(io: &Io, port: usize, tag: u32) {
    let address = SocketAddr::from(([127, 0, 0, 1], port as u16));
    let socket = TcpListener::bind(address).expect("the port is free");
    io.listen(socket.into(), tag).expect("it listens");
}

fn main() {
    let found = io::probe().unwrap_or_else(|obstacle| panic!("{obstacle}"));
    let settings = found.fit(
        Settings {
            connections: argument("--table", 20_000) as u32,
            downstream_max: 19_000,
            small_buffers: argument("--buffers", 512) as u16,
            small_size: argument("--size-small", 8192) as u32,
            large_buffers: argument("--large", 16) as u16,
            ..Settings::default()
        },
        1,
    );
    let cpu = argument("--cpu", 0);
    let shard = match std::env::args().nth(1).as_deref() {
        Some("proxy") if flag("--bare") => {
            host::block_on(settings, proxy);
            return;
        }
        Some("proxy") => host::launch(Some(cpu), settings, proxy),
        Some("load") if argument("--idle", 0) > 0 => host::launch(Some(cpu), settings, idle),
        Some("load") => host::launch(Some(cpu), settings, load),
        _ => panic!("relay proxy | relay load"),
    };
    let ended = shard.expect("a thread").join().expect("no panic");
    eprintln!("{ended:?}");
}

/// Where a head ends, and the length of the body that it announces.
fn head(bytes: &[u8]) -> Option<(usize, usize)> {
    let (mut start, mut length) = (0, 0);
    loop {
        let end = start + find(&bytes[start..], b'\n')? + 1;
        let line = &bytes[start..end];
        if line == b"\r\n" {
            return Some((end, length));
        }
        if starts_with(line, b"content-length:") {
            let digits = line[15..].iter().filter(|byte| byte.is_ascii_digit());
            length = digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
        }
        start = end;
    }
}

/// Whether a line is the field of this name, in lower case.
fn starts_with(line: &[u8], name: &[u8]) -> bool {
    line[0] | 0x20 == name[0] && line.len() > name.len() && line[..name.len()].eq_ignore_ascii_case(name)
}

fn find(bytes: &[u8], wanted: u8) -> Option<usize> {
    memchr::memchr(wanted, bytes)
}

struct Proxy {
    io: Io,
    upstream: SocketAddr,
    idle: RefCell<Vec<Stream>>,
}

impl Proxy {
    async fn connect(&self) -> Option<Stream> {
        loop {
            let idle = self.idle.borrow_mut().pop();
            match idle {
                Some(stream) if !stream.dead() => return Some(stream),
                Some(_) => {}
                None => return self.io.connect(self.upstream).await.ok(),
            }
        }
    }

    /// The head again, with a host and a key of our own.
    fn rewrite(&self, bytes: &[u8]) -> Vec<u8> {
        let mut out = self.io.vec();
        let mut start = 0;
        while let Some(length) = find(&bytes[start..], b'\n') {
            let line = &bytes[start..=start + length];
            let dropped = starts_with(line, b"host:") || starts_with(line, b"authorization:") || starts_with(line, b"connection:");
            if !dropped {
                out.extend_from_slice(line);
            }
            if start == 0 {
                out.extend_from_slice(b"Host: upstream\r\nAuthorization: Bearer sk-provider\r\n");
            }
            start += length + 1;
        }
        out
    }

    /// Moves the rest of a message, of which `left` bytes are to come.
    async fn pour(from: &mut Stream, to: &mut Stream, mut left: usize) -> Option<()> {
        if left > 16 * 1024 {
            from.bulk();
        }
        while left > 0 {
            let mut chunk = from.recv().await.ok()??;
            if chunk.len() > left {
                let part = chunk.split_to(left);
                from.unread(chunk);
                chunk = part;
            }
            left -= chunk.len();
            to.send(chunk);
            if to.over() {
                to.room().await.ok()?;
            }
        }
        Some(())
    }

    async fn first(stream: &mut Stream) -> Option<(Chunk, usize, usize)> {
        let chunk = stream.recv().await.ok()??;
        // A head in two pieces does not occur under this load.
        let (end, length) = head(&chunk)?;
        Some((chunk, end, length))
    }

    async fn exchange(&self, tenant: &mut Stream) -> Option<()> {
        let deadline = self.io.sleep(Duration::from_secs(60));
        let (mut chunk, end, length) = Self::first(tenant).await?;
        let mut upstream = self.connect().await?;
        let rewritten = self.rewrite(&chunk[..end]);
        chunk.advance(end);
        let left = length - chunk.len();
        upstream.send(rewritten);
        upstream.send(chunk);
        Self::pour(tenant, &mut upstream, left).await?;
        let (chunk, end, length) = Self::first(&mut upstream).await?;
        let left = end + length - chunk.len();
        tenant.send(chunk);
        Self::pour(&mut upstream, tenant, left).await?;
        drop(deadline);
        self.idle.borrow_mut().push(upstream);
        Some(())
    }
}

async fn serve(proxy: Rc<Proxy>, mut tenant: Stream) {
    if proxy.exchange(&mut tenant).await.is_some() {
        let until = proxy.io.now().plus_millis(IDLE);
        proxy.io.park(tenant, 0, until);
    }
}

async fn proxy(io: Io) {
    listen(&io, argument("--port", 8081), 0);
    let upstream = SocketAddr::from(([127, 0, 0, 1], argument("--upstream", 9000) as u16));
    let proxy = Rc::new(Proxy { io: io.clone(), upstream, idle: RefCell::default() });
    let tasks = TaskPool::new(1024);
    let (inner, shared, pool) = (io.clone(), proxy.clone(), tasks.clone());
    io.spawn(async move {
        loop {
            let woken = inner.woken().await;
            if woken.cause == io::Cause::Readable {
                inner.spawn_pooled(&pool, serve(shared.clone(), woken.stream));
            }
        }
    });
    let (inner, report) = (io.clone(), flag("--report"));
    io.spawn(async move {
        if !report {
            return;
        }
        loop {
            inner.sleep(Duration::from_secs(2)).await;
            eprintln!("{:?}", inner.stats());
        }
    });
    loop {
        let Accepted { stream, .. } = io.accept().await;
        io.spawn_pooled(&tasks, serve(proxy.clone(), stream));
    }
}

fn request(size: usize) -> Vec<u8> {
    let mut bytes = Vec::from(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer sk-tenant\r\n\
         Accept: application/json\r\nAccept-Encoding: identity\r\nUser-Agent: openai-python/1.99\r\n\
         X-Stainless-Lang: python\r\nX-Stainless-OS: Linux\r\nX-Stainless-Arch: x64\r\n\
         X-Stainless-Runtime: CPython\r\nContent-Type: application/json\r\n",
    );
    bytes.extend_from_slice(format!("Content-Length: {size}\r\n\r\n").as_bytes());
    bytes.resize(bytes.len() + size, b'x');
    bytes
}

/// Reads one whole message.
async fn message(stream: &mut Stream) -> Option<()> {
    let chunk = stream.recv().await.ok()??;
    let (end, length) = head(&chunk)?;
    let mut left = (end + length).checked_sub(chunk.len())?;
    if left > 16 * 1024 {
        stream.bulk();
    }
    while left > 0 {
        let chunk = stream.recv().await.ok()??;
        left = left.checked_sub(chunk.len())?;
    }
    Some(())
}

/// Answers every request with a body of `--size` bytes.
fn answer(io: &Io) {
    listen(io, argument("--upstream", 9000), 0);
    let size = argument("--size", 1024);
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n").into_bytes();
    answer.resize(answer.len() + size, b'y');
    let answer: &'static [u8] = answer.leak();
    let io = io.clone();
    io.clone().spawn(async move {
        loop {
            let mut stream = io.accept().await.stream;
            io.spawn(async move {
                while message(&mut stream).await.is_some() {
                    stream.send(Piece::Static(answer));
                }
            });
        }
    });
}

/// Nanoseconds that a process and its children have run.
fn cpu(pid: usize) -> u64 {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let mut total: u64 = children.unwrap_or_default().split_whitespace().filter_map(|child| child.parse().ok()).map(cpu).sum();
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return total;
    };
    for task in tasks.flatten() {
        let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        total += text.split(' ').next().and_then(|run| run.parse::<u64>().ok()).unwrap_or(0);
    }
    total
}

/// Kilobytes that a process holds.
fn memory(pid: usize) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|size| size.parse().ok()).unwrap_or(0)
}

async fn load(io: Io) {
    answer(&io);
    let to = SocketAddr::from(([127, 0, 0, 1], argument("--port", 8081) as u16));
    let request: &'static [u8] = request(argument("--size", 1024)).leak();
    let (done, failed) = (Rc::new(Cell::new(0u64)), Rc::new(Cell::new(0u64)));
    let times: Rc<RefCell<Vec<u64>>> = Rc::default();
    for _ in 0..argument("--streams", 64) {
        let (io, done, failed, times) = (io.clone(), done.clone(), failed.clone(), times.clone());
        io.clone().spawn(async move {
            loop {
                let Ok(mut stream) = io.connect(to).await else {
                    failed.set(failed.get() + 1);
                    io.sleep(Duration::from_millis(100)).await;
                    continue;
                };
                loop {
                    let start: Instant = io.now();
                    stream.send(Piece::Static(request));
                    if message(&mut stream).await.is_none() {
                        failed.set(failed.get() + 1);
                        break;
                    }
                    done.set(done.get() + 1);
                    times.borrow_mut().push(io.now().micros_since(start));
                }
            }
        });
    }
    io.sleep(Duration::from_secs(1)).await;
    let pid = argument("--pid", 0);
    let (before, start, used) = (done.get(), io.precise(), cpu(pid));
    times.borrow_mut().clear();
    io.sleep(Duration::from_secs(argument("--seconds", 5) as u64)).await;
    let (count, time, used) = (done.get() - before, io.precise().since(start), cpu(pid) - used);
    let mut times = times.borrow().clone();
    times.sort_unstable();
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().unwrap_or(0);
    println!(
        "{:.0} req/s, {:.2} us CPU per request, core {:.0} %, p50 {} us, p99 {} us, failed {}",
        count as f64 / time.as_secs_f64(),
        used as f64 / 1000.0 / count as f64,
        used as f64 / time.as_nanos() as f64 * 100.0,
        at(0.5),
        at(0.99),
        failed.get(),
    );
}

async fn idle(io: Io) {
    answer(&io);
    let pid = argument("--pid", 0);
    let to = SocketAddr::from(([127, 0, 0, 1], argument("--port", 8081) as u16));
    let before = memory(pid);
    let request: &'static [u8] = request(1024).leak();
    let mut kept = Vec::new();
    for _ in 0..argument("--idle", 0) {
        let mut stream = io.connect(to).await.expect("the proxy accepts");
        stream.send(Piece::Static(request));
        message(&mut stream).await.expect("the proxy answers");
        kept.push(stream);
    }
    let used = cpu(pid);
    io.sleep(Duration::from_secs(4)).await;
    println!("{} connections: {before} -> {} KiB, idle CPU in 4 s: {} us", kept.len(), memory(pid), (cpu(pid) - used) / 1000);
}
