//! A generation on its way: sealed, sent, prepared, adopted.
//!
//! [`Publishing`] is the state of one publish and does no I/O; the rest of this file seals images
//! and writes frames. The control plane's generation moves only when every data plane that was
//! connected has adopted it.

use policy::{
    Secrets,
    wire::{self, Ack, Frame, Publish, Stage},
};
use rustix::{
    fs::{MemfdFlags, SealFlags},
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags},
};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, IoSlice, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::Arc,
    time::{Duration, Instant},
};

/// A data plane has so long to adopt a generation.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// A generation as it is passed on.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// Its number.
    pub generation: u64,
    /// The whole image.
    pub image: Arc<Vec<u8>>,
    /// BLAKE3 of the whole image.
    pub digest: [u8; 32],
    /// What travels beside it.
    pub secrets: Secrets,
}

impl Sealed {
    /// Takes an image and its digest.
    pub fn new(generation: u64, image: Vec<u8>, secrets: Secrets) -> Sealed {
        let digest = *blake3::hash(&image).as_bytes();
        Sealed { generation, image: Arc::new(image), digest, secrets }
    }
}

/// A file without a name that nobody can change any more.
///
/// # Errors
/// The kernel's.
pub fn memfd(image: &[u8]) -> io::Result<OwnedFd> {
    let fd = rustix::fs::memfd_create("throwover-snapshot", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = File::from(fd);
    file.write_all(image)?;
    rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL)?;
    Ok(file.into())
}

/// Sends secrets and image to one data plane.
///
/// # Errors
/// The socket's, or a frame that is too long for the protocol.
pub fn send(to: &UnixStream, sealed: &Sealed) -> io::Result<()> {
    send_frame(to, &Frame::Secrets(sealed.secrets.clone()))?;
    let image = memfd(&sealed.image)?;
    let publish = Publish { generation: sealed.generation, length: sealed.image.len() as u64, digest: sealed.digest };
    let bytes = wire::encode(&Frame::Publish(publish)).map_err(io::Error::other)?;
    let fds = [image.as_fd()];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)), "the space is made for one descriptor");
    // The descriptor goes with the first byte; what the socket does not take at once follows.
    let sent = rustix::net::sendmsg(to, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL)?;
    let mut to = to;
    to.write_all(&bytes[sent..])
}

/// Sends one frame.
///
/// # Errors
/// The socket's, or a frame that is too long for the protocol.
pub fn send_frame(mut to: &UnixStream, frame: &Frame) -> io::Result<()> {
    let bytes = wire::encode(frame).map_err(io::Error::other)?;
    to.write_all(&bytes)
}

/// What a data plane needs after its `Hello`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Welcome {
    /// It serves what we would send.
    Nothing,
    /// It serves something older, or nothing.
    Send,
    /// It serves a generation beyond ours: ours has to be numbered above it first.
    Outnumber(u64),
}

/// Compares what a data plane serves with what we have.
pub fn welcome(served: u64, served_digest: [u8; 32], sealed: &Sealed) -> Welcome {
    if served_digest == sealed.digest {
        Welcome::Nothing
    } else if served >= sealed.generation {
        Welcome::Outnumber(served)
    } else {
        Welcome::Send
    }
}

/// How far one data plane is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Progress {
    Sent,
    Prepared,
    Adopted { after_us: u64 },
    Refused(String),
    Gone,
}

/// The state of one publish.
#[derive(Debug)]
pub struct Publishing {
    /// Which.
    pub generation: u64,
    since: Instant,
    planes: BTreeMap<u64, Progress>,
}

/// How a publish ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Every data plane that is still there serves it.
    pub adopted: bool,
    /// How many serve it.
    pub planes: usize,
    /// The slowest, from `Publish` to every shard, in microseconds.
    pub slowest_us: u64,
    /// Why it was not adopted, one reason for each data plane that refused.
    pub reasons: Vec<String>,
}

impl Publishing {
    /// Begins a publish to these data planes.
    pub fn new(generation: u64, planes: impl IntoIterator<Item = u64>, now: Instant) -> Publishing {
        Publishing { generation, since: now, planes: planes.into_iter().map(|plane| (plane, Progress::Sent)).collect() }
    }

    /// A data plane connected on the way, and was sent it as well.
    pub fn join(&mut self, plane: u64) {
        self.planes.insert(plane, Progress::Sent);
    }

    /// A data plane came further. Acknowledgements of other generations change nothing.
    pub fn acknowledged(&mut self, plane: u64, ack: &Ack) {
        let generation = self.generation;
        let Some(progress) = self.planes.get_mut(&plane).filter(|_| ack.generation == generation) else { return };
        match (&progress, ack.stage) {
            (Progress::Sent, Stage::Prepared) => *progress = Progress::Prepared,
            (Progress::Sent | Progress::Prepared, Stage::Adopted) => *progress = Progress::Adopted { after_us: ack.after_us },
            _ => {}
        }
    }

    /// A data plane refused it.
    pub fn refused(&mut self, plane: u64, generation: u64, reason: String) {
        if let Some(progress) = self.planes.get_mut(&plane).filter(|_| generation == self.generation) {
            *progress = Progress::Refused(reason);
        }
    }

    /// A data plane went away; when it is back it is sent what is live then.
    pub fn gone(&mut self, plane: u64) {
        if let Some(progress) = self.planes.get_mut(&plane)
            && !matches!(progress, Progress::Adopted { .. })
        {
            *progress = Progress::Gone;
        }
    }

    /// When the patience ends.
    pub fn deadline(&self) -> Instant {
        self.since + PATIENCE
    }

    /// The outcome, once nothing more is waited for.
    pub fn outcome(&self, now: Instant) -> Option<Outcome> {
        let waiting = self.planes.values().any(|progress| matches!(progress, Progress::Sent | Progress::Prepared));
        if waiting && now < self.deadline() {
            return None;
        }
        let mut outcome = Outcome { adopted: true, planes: 0, slowest_us: 0, reasons: Vec::new() };
        for progress in self.planes.values() {
            match progress {
                Progress::Adopted { after_us } => {
                    outcome.planes += 1;
                    outcome.slowest_us = outcome.slowest_us.max(*after_us);
                }
                Progress::Refused(reason) => outcome.reasons.push(reason.clone()),
                Progress::Gone => {}
                Progress::Sent => outcome.reasons.push(format!("a data plane has not prepared it within {} s", PATIENCE.as_secs())),
                Progress::Prepared => outcome.reasons.push(format!("not every shard has adopted it within {} s", PATIENCE.as_secs())),
            }
        }
        outcome.adopted = outcome.reasons.is_empty();
        Some(outcome)
    }
}

#[cfg(test)]
mod tests;
