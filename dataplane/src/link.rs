//! The control socket, in a thread of its own.
//!
//! The control plane listens; this end connects, says what it serves, and takes what is published.
//! A snapshot comes as a sealed memfd beside its frame; it is read, proved and built here, once, and
//! refused with a reason while the generation before it goes on. When the control plane is gone,
//! traffic does not notice: this thread tries again, and that is all.

use crate::{
    current::{Policy, settle},
    io::{Instant, Wall},
    mark,
    process::{self, Process},
    resolve::Resolver,
    spending::Spent,
    store::Store,
};
use engine::Moment;
use policy::{
    Secrets, image, limits,
    wire::{self, Ack, Frame, Hello, Nack, Publish, Stage},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{SealFlags, fcntl_get_seals},
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg},
};
use std::{
    io::{IoSliceMut, Write},
    mem::MaybeUninit,
    os::{
        fd::OwnedFd,
        unix::{fs::FileExt, net::UnixStream},
    },
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::AcqRel, Ordering::Release},
    },
    time::Duration,
};

/// Between two attempts to reach the control plane.
const RETRY: Duration = Duration::from_millis(200);
/// Between two reports of the counters, in milliseconds.
const STATS_MS: u64 = 1_000;
/// Longest sleep while the socket is quiet, so that events are told soon.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// The same between the first policy and the first traffic: who started us waits for the news.
const TICK_STARTING: Timespec = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };
/// A frame must be taken by the control plane within this time.
const WRITE_STALL: Duration = Duration::from_secs(5);
/// Shards adopt a generation within this time, or the acknowledgement says which did not.
const ADOPT_MS_MAX: u64 = 5_000;
/// File descriptors that one frame may bring.
const DESCRIPTORS_MAX: usize = 1;

/// What the thread needs.
pub struct Link {
    /// What is shared with the other threads.
    pub process: Arc<Process>,
    /// Learns which names the newest policy needs.
    pub resolver: Resolver,
    /// Keeps the last good policy.
    pub store: Store,
    /// Where the control plane listens.
    pub socket: PathBuf,
    /// Set when the control plane, or a signal, wants the policy loaded again.
    pub reload: Arc<AtomicBool>,
    /// Ends the process; the grace time in milliseconds, `None` for the policy's.
    pub drain: Box<dyn Fn(Option<u64>) + Send>,
}

/// Why the connection ended.
#[derive(Debug)]
enum Broken {
    Io(std::io::Error),
    Frame(wire::Refusal),
    Closed,
}

impl From<std::io::Error> for Broken {
    fn from(error: std::io::Error) -> Self {
        Broken::Io(error)
    }
}

impl From<rustix::io::Errno> for Broken {
    fn from(errno: rustix::io::Errno) -> Self {
        Broken::Io(errno.into())
    }
}

impl From<wire::Refusal> for Broken {
    fn from(refusal: wire::Refusal) -> Self {
        Broken::Frame(refusal)
    }
}

/// Starts the thread.
///
/// # Errors
/// The thread could not be started.
pub fn start(link: Link) -> std::io::Result<()> {
    std::thread::Builder::new().name("link".to_owned()).spawn(move || {
        process::step_back();
        let mut told = false;
        loop {
            match UnixStream::connect(&link.socket) {
                Ok(stream) => {
                    told = false;
                    let broken = Session::new(&link, stream).map_or_else(Broken::from, |mut session| session.run());
                    match broken {
                        Broken::Frame(refusal) => eprintln!("throwover-dataplane: the control plane is left: {refusal}"),
                        Broken::Io(error) => eprintln!("throwover-dataplane: the control plane is lost: {error}; traffic goes on"),
                        Broken::Closed => {}
                    }
                }
                Err(error) if !told && link.process.current.generation() == 0 => {
                    told = true;
                    eprintln!(
                        "throwover-dataplane: no policy yet, and no control plane at {} ({error}); start it with `throwover daemon`",
                        link.socket.display()
                    );
                }
                Err(_) => {}
            }
            std::thread::sleep(RETRY);
        }
    })?;
    Ok(())
}

/// Takes a policy from bytes into service.
///
/// # Errors
/// Why it is refused, for the operator.
pub fn adopt(process: &Process, resolver: &Resolver, image: &[u8], secrets: &Secrets) -> Result<Arc<Policy>, String> {
    let snapshot = image::open(image).map_err(|refusal| refusal.to_string())?;
    let before = process.current.load();
    let policy = Arc::new(Policy::build(snapshot, secrets, *blake3::hash(image).as_bytes(), before.as_deref())?);
    process.board.seat(policy.prepared().snapshot());
    let hosts = policy.origins.iter().map(|(_, origin)| origin.first_hop().0);
    resolver.need(hosts.filter(|host| host.parse::<std::net::IpAddr>().is_err()).map(str::to_owned).collect());
    Ok(policy)
}

struct Session<'l> {
    link: &'l Link,
    stream: UnixStream,
    received: Vec<u8>,
    descriptor: Option<OwnedFd>,
    secrets: Secrets,
    stats_at: Instant,
    /// What tenants have spent, as told and heard.
    spent: Spent,
    /// How many addresses the last `Hello` named.
    listeners_told: usize,
    /// The last `Stats` said that traffic may come.
    ready_told: bool,
}

impl<'l> Session<'l> {
    fn new(link: &'l Link, stream: UnixStream) -> std::io::Result<Session<'l>> {
        let peer = rustix::net::sockopt::socket_peercred(&stream)?;
        let ours = rustix::process::geteuid();
        if peer.uid != ours && !peer.uid.is_root() {
            let complaint =
                format!("{} is held by user {}, not by ours or root: it is not trusted", link.socket.display(), peer.uid.as_raw());
            eprintln!("throwover-dataplane: {complaint}");
            return Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, complaint));
        }
        stream.set_write_timeout(Some(WRITE_STALL))?;
        Ok(Session {
            link,
            stream,
            received: Vec::new(),
            descriptor: None,
            secrets: Secrets::default(),
            stats_at: Instant::default(),
            spent: Spent::default(),
            listeners_told: 0,
            ready_told: false,
        })
    }

    fn run(&mut self) -> Broken {
        loop {
            if let Err(broken) = self.greet().and_then(|()| self.serve()) {
                return broken;
            }
        }
    }

    fn greet(&mut self) -> Result<(), Broken> {
        let process = &self.link.process;
        let policy = process.current.load();
        self.listeners_told = process.listen().len();
        self.say(&Frame::Hello(Hello {
            schema: image::SCHEMA,
            build: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            run: process.run,
            generation: policy.as_ref().map_or(0, |policy| policy.generation),
            digest: policy.as_ref().map_or([0; 32], |policy| policy.digest()),
            shards: u16::try_from(process.seats().len()).unwrap_or(u16::MAX),
            listen: process.listen().to_vec(),
            admin: process.admin(),
        }))
    }

    fn serve(&mut self) -> Result<(), Broken> {
        loop {
            let mut sockets = [PollFd::new(&self.stream, PollFlags::IN)];
            let starting = !self.ready_told && self.link.process.current.generation() > 0 && !self.link.process.draining();
            match poll(&mut sockets, Some(if starting { &TICK_STARTING } else { &TICK })) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => self.receive()?,
                Err(errno) => return Err(errno.into()),
            }
            while let Some((frame, used)) = wire::decode(&self.received)? {
                self.received.drain(..used);
                self.handle(frame)?;
            }
            self.report()?;
        }
    }

    /// Reads what is there, with the descriptor that may come beside it.
    fn receive(&mut self) -> Result<(), Broken> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = [0; 64 * limits::KIB];
        let message = recvmsg(&self.stream, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
        for ancillary in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = ancillary {
                // A second descriptor takes the place of one that no frame claimed.
                self.descriptor = descriptors.last().or(self.descriptor.take());
            }
        }
        if message.bytes == 0 {
            return Err(Broken::Closed);
        }
        self.received.extend_from_slice(&bytes[..message.bytes]);
        Ok(())
    }

    fn handle(&mut self, frame: Frame) -> Result<(), Broken> {
        match frame {
            Frame::Secrets(secrets) => self.secrets = secrets,
            Frame::Publish(publish) => self.publish(&publish)?,
            Frame::SpentElsewhere(list) => self.spent.learn(&self.link.process, list, Wall::now().0),
            Frame::Drain { grace_ms } => (self.link.drain)(Some(grace_ms)),
            Frame::Marks(marks) => mark::apply(&self.link.process, &marks, Moment(Instant::now().0)),
            // What only a data plane says is of no meaning here.
            Frame::Hello(_) | Frame::Ack(_) | Frame::Nack(_) | Frame::Stats(_) | Frame::Spending(_) | Frame::Event(_) | Frame::Reload => {}
        }
        Ok(())
    }

    fn publish(&mut self, publish: &Publish) -> Result<(), Broken> {
        let began = Instant::now();
        let generation = publish.generation;
        match self.prepare(publish) {
            Err(reason) => self.say(&Frame::Nack(Nack { generation, reason })),
            Ok((policy, image)) => {
                self.acknowledge(generation, Stage::Prepared, began)?;
                let process = &self.link.process;
                settle(&process.board, process.current.load().as_deref(), &policy, Moment(Instant::now().0));
                process.current.store(policy);
                self.spent.apply(process);
                process.ring_all();
                let late = began.plus_millis(ADOPT_MS_MAX);
                while !process.seats().iter().all(|seat| seat.finished() || seat.adopted() >= generation) {
                    if Instant::now() > late {
                        return self.say(&Frame::Nack(Nack { generation, reason: "a shard did not take it up in time".to_owned() }));
                    }
                    std::thread::sleep(Duration::from_micros(100));
                }
                self.acknowledge(generation, Stage::Adopted, began)?;
                if let Err(error) = self.link.store.keep(&image, generation, &self.secrets) {
                    eprintln!("throwover-dataplane: the last good policy could not be kept: {error}");
                }
                Ok(())
            }
        }
    }

    /// Reads and builds what was published; nothing serves it yet.
    fn prepare(&mut self, publish: &Publish) -> Result<(Arc<Policy>, Vec<u8>), String> {
        let descriptor = self.descriptor.take().ok_or("no file descriptor came with the frame")?;
        if publish.length > limits::IMAGE_BYTES_MAX as u64 {
            return Err(format!("an image of {} bytes is over the limit of {}", publish.length, limits::IMAGE_BYTES_MAX));
        }
        let seals = fcntl_get_seals(&descriptor).map_err(|errno| format!("the descriptor is not a memfd: {errno}"))?;
        if !seals.contains(SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW) {
            return Err("the memfd is not sealed".to_owned());
        }
        let mut image = vec![0; publish.length as usize];
        std::fs::File::from(descriptor).read_exact_at(&mut image, 0).map_err(|error| format!("the image cannot be read: {error}"))?;
        if *blake3::hash(&image).as_bytes() != publish.digest {
            return Err("the image is not the one that was announced".to_owned());
        }
        let policy = adopt(&self.link.process, &self.link.resolver, &image, &self.secrets)?;
        if policy.generation != publish.generation {
            return Err(format!("the image holds generation {}, announced was {}", policy.generation, publish.generation));
        }
        if policy.generation <= self.link.process.current.generation() {
            return Err(format!("generation {} is not newer than {}", policy.generation, self.link.process.current.generation()));
        }
        Ok((policy, image))
    }

    fn acknowledge(&mut self, generation: u64, stage: Stage, began: Instant) -> Result<(), Broken> {
        self.say(&Frame::Ack(Ack { generation, stage, after_us: Instant::now().micros_since(began) }))
    }

    /// Tells events as they come, and the counters once a second.
    fn report(&mut self) -> Result<(), Broken> {
        let process = self.link.process.clone();
        if process.listen().len() > self.listeners_told {
            self.greet()?;
        }
        while let Some(event) = process.next_event() {
            self.say(&Frame::Event(event))?;
        }
        if self.link.reload.swap(false, AcqRel)
            && let Err(broken) = self.say(&Frame::Reload)
        {
            self.link.reload.store(true, Release);
            return Err(broken);
        }
        let ready = process.ready();
        if ready != self.ready_told || Instant::now().millis_since(self.stats_at) >= STATS_MS {
            self.ready_told = ready;
            self.stats_at = Instant::now();
            self.say(&Frame::Stats(crate::stats::of(&process)))?;
            self.tell_spending()?;
        }
        if process.ended() {
            self.tell_spending()?;
            process.told_last();
        }
        Ok(())
    }

    /// Tells what tenants have spent, as far as that is news.
    fn tell_spending(&mut self) -> Result<(), Broken> {
        let news = self.spent.news(&self.link.process, Wall::now().0 / 1_000);
        for part in news.chunks(limits::SPENDING_PER_FRAME) {
            self.say(&Frame::Spending(part.to_vec()))?;
        }
        Ok(())
    }

    fn say(&mut self, frame: &Frame) -> Result<(), Broken> {
        self.stream.write_all(&wire::encode(frame)?)?;
        Ok(())
    }
}
