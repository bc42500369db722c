//! One process takes another's place, and no connection is refused.
//!
//! The running process waits at `handover.sock`. A new one that is started with `--take-over`
//! connects, is given every listening socket (`SCM_RIGHTS`, unix(7)), starts its shards on them, and
//! says so when it is ready; only then does the old one drain. Both have the same sockets meanwhile,
//! so whatever waits in their queues is answered by one of them. When the new one ends without a
//! word, the old one has lost nothing and goes on.

use crate::{io::Instant, process::Process};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recvmsg, sendmsg, sockopt,
};
use std::{
    io::{IoSlice, IoSliceMut, Read, Write},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{
            fs::PermissionsExt,
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Sockets of one message; the kernel takes 253.
const PER_MESSAGE: usize = 64;
/// Sockets in all: sixteen addresses for each of 1,024 shards.
const SOCKETS_MAX: usize = 16 * 1_024 + 1;
/// The new process says that it is ready within this time, or the old one goes on.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Either end answers within this time otherwise.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Between two tries to reach the old process.
const BETWEEN_TRIES: Duration = Duration::from_millis(10);
/// The admin listener's thread has looked up within this time.
pub const ADMIN_TICK: Duration = Duration::from_millis(100);
/// What the new process says when it serves, and the old one when it has heard.
const READY: u8 = b'R';

/// Waits for a process that takes this one's place.
///
/// # Errors
/// The socket cannot be made.
pub fn offer(process: Arc<Process>, run: &Path, sockets: Vec<OwnedFd>) -> std::io::Result<()> {
    let path = path(run);
    if UnixStream::connect(&path).is_ok() {
        let what = format!("another data plane already serves from {}; to take its place, start with --take-over", run.display());
        eprintln!("throwover-dataplane: {what}");
        return Ok(());
    }
    // What nobody listens at is left of a process that was killed.
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    std::thread::Builder::new().name("handover".to_owned()).spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else {
                std::thread::sleep(ADMIN_TICK);
                continue;
            };
            match give(&stream, &sockets) {
                Ok(()) => return leave(&process, listener, stream),
                Err(error) => eprintln!("throwover-dataplane: nobody took over: {error}; traffic goes on here"),
            }
        }
    })?;
    Ok(())
}

/// Ends once the new process serves: the admin listener first, so that nobody is told that the
/// gateway drains when a part of it does.
fn leave(process: &Process, listener: UnixListener, mut stream: UnixStream) {
    process.hand_over();
    std::thread::sleep(2 * ADMIN_TICK);
    drop(listener);
    // Whether it hears or not, it serves.
    stream.write_all(&[READY]).ok();
    eprintln!("throwover-dataplane: another process has taken over; this one finishes what is in flight");
    process.drain(None);
}

/// Gives every socket away and waits until they are served.
fn give(stream: &UnixStream, sockets: &[OwnedFd]) -> std::io::Result<()> {
    let peer = sockopt::socket_peercred(stream)?;
    if peer.uid != rustix::process::geteuid() && !peer.uid.is_root() {
        let what = format!("user {} is neither ours nor root", peer.uid.as_raw());
        return Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, what));
    }
    stream.set_write_timeout(Some(ANSWER_WITHIN))?;
    stream.set_read_timeout(Some(READY_WITHIN))?;
    let count = u32::try_from(sockets.len()).map_err(std::io::Error::other)?;
    for (index, part) in sockets.chunks(PER_MESSAGE).enumerate() {
        let descriptors: Vec<_> = part.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(PER_MESSAGE))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
            return Err(std::io::Error::other("the sockets do not fit into a message"));
        }
        // The first message says how many there are; each holds as many bytes, so that none is cut.
        let said = if index == 0 { count } else { 0 };
        sendmsg(stream, &[IoSlice::new(&said.to_be_bytes())], &mut control, SendFlags::NOSIGNAL)?;
    }
    let mut answer = [0];
    (&*stream).read_exact(&mut answer)?;
    if answer == [READY] { Ok(()) } else { Err(std::io::Error::other("it said something else than that it is ready")) }
}

/// What was taken over, and the one who gave it.
pub struct Taken {
    /// The listening sockets.
    pub sockets: Vec<OwnedFd>,
    stream: UnixStream,
}

/// Asks the process that serves from `run` for its sockets. One that has just started is waited for,
/// for as long as `patience`.
///
/// # Errors
/// There is none, or it does not give them.
pub fn take(run: &Path, patience: Duration) -> Result<Taken, String> {
    let path = path(run);
    let failed = |error: std::io::Error| format!("nothing to take over at {}: {error}", path.display());
    let stream = reach(&path, patience).map_err(failed)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN)).map_err(failed)?;
    stream.set_write_timeout(Some(ANSWER_WITHIN)).map_err(failed)?;
    let sockets = receive(&stream).map_err(failed)?;
    Ok(Taken { sockets, stream })
}

fn reach(path: &Path, patience: Duration) -> std::io::Result<UnixStream> {
    let by = Instant::now() + patience;
    loop {
        match UnixStream::connect(path) {
            Err(_) if Instant::now() < by => std::thread::sleep(BETWEEN_TRIES),
            result => return result,
        }
    }
}

fn receive(stream: &UnixStream) -> std::io::Result<Vec<OwnedFd>> {
    let mut sockets = Vec::new();
    let mut expected = None;
    while expected.is_none_or(|count| sockets.len() < count) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(PER_MESSAGE))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = [0; 4];
        let message = recvmsg(stream, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
        if message.bytes != bytes.len() {
            return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "it hung up"));
        }
        let before = sockets.len();
        for ancillary in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = ancillary {
                sockets.extend(descriptors);
            }
        }
        let count = *expected.get_or_insert(u32::from_be_bytes(bytes) as usize);
        if count > SOCKETS_MAX || sockets.len() > count || (sockets.len() == before && count > 0) {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "it gave another number of sockets than it said"));
        }
    }
    Ok(sockets)
}

impl Taken {
    /// Tells the old process that this one serves, and waits until it has heard.
    ///
    /// # Errors
    /// It has gone already, or does not answer. This process serves all the same.
    pub fn serve(mut self) -> std::io::Result<()> {
        self.stream.write_all(&[READY])?;
        let mut answer = [0];
        self.stream.read_exact(&mut answer)
    }
}

fn path(run: &Path) -> PathBuf {
    run.join("handover.sock")
}

#[cfg(test)]
mod tests;
