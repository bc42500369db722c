//! The link socket: data planes connect, and one thread for each reads what it says.

use crate::daemon::Message;
use policy::wire::{self, Frame};
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::{
    fs,
    io::{self, Read},
    os::{
        fd::OwnedFd,
        unix::{
            fs::PermissionsExt,
            net::{UnixListener, UnixStream},
        },
    },
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::SyncSender,
    },
    thread,
    time::Duration,
};

/// Most data planes at once.
pub const PLANES_MAX: usize = 64;
/// A data plane that takes nothing for so long is cut off.
const WRITE_STALL: Duration = Duration::from_secs(5);
/// Between two attempts to accept when the kernel has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;
/// Connections that may wait to be accepted, as the standard library has it.
const BACKLOG: i32 = 128;

/// Binds a socket in a folder that is there, and that nobody else can write to.
///
/// # Errors
/// The socket cannot be made, or another daemon listens there.
pub fn bind(path: &Path, mode: u32) -> io::Result<UnixListener> {
    if UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, format!("another daemon listens on {}", path.display())));
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {}: {error}", path.display()));
    let socket = bound(path, mode).map_err(named)?;
    // What the umask took away is given back.
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    net::listen(&socket, BACKLOG).map_err(|errno| named(errno.into()))?;
    Ok(socket.into())
}

/// A socket that nobody can connect to yet. Linux makes the file with the mode that the socket has,
/// so that there is no moment in which it may be opened by more than `mode` says.
fn bound(path: &Path, mode: u32) -> io::Result<OwnedFd> {
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    rustix::fs::fchmod(&socket, mode.into())?;
    net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

/// The next that connects. When the kernel has none to give, for want of descriptors, it is asked
/// again after a pause, and not at once for ever.
pub fn accept(listener: &UnixListener) -> UnixStream {
    loop {
        match listener.accept() {
            Ok((stream, _)) => return stream,
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted) => {}
            Err(error) => {
                eprintln!("throwover: nobody can connect: {error}");
                thread::sleep(ACCEPT_PAUSE);
            }
        }
    }
}

/// Whose process is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its user.
    pub uid: u32,
    /// Its process.
    pub pid: i32,
}

/// Asks the kernel who is at the other end.
///
/// # Errors
/// The kernel's.
pub fn peer(stream: &UnixStream) -> io::Result<Peer> {
    let found = rustix::net::sockopt::socket_peercred(stream)?;
    Ok(Peer { uid: found.uid.as_raw(), pid: found.pid.as_raw_nonzero().get() })
}

/// Root, and whoever runs the daemon.
pub fn may_command(uid: u32, own: u32) -> bool {
    uid == 0 || uid == own
}

/// Accepts data planes until the process ends.
pub fn serve(listener: UnixListener, to: SyncSender<Message>) {
    let own = rustix::process::geteuid().as_raw();
    let count = Arc::new(AtomicUsize::new(0));
    let next = AtomicU64::new(1);
    loop {
        let stream = accept(&listener);
        match peer(&stream) {
            Ok(peer) if may_command(peer.uid, own) => {}
            Ok(peer) => {
                eprintln!("throwover: refused a data plane of uid {}", peer.uid);
                continue;
            }
            Err(error) => {
                eprintln!("throwover: refused a data plane: {error}");
                continue;
            }
        }
        if count.load(Ordering::Relaxed) >= PLANES_MAX {
            eprintln!("throwover: refused a data plane: {PLANES_MAX} are connected");
            continue;
        }
        let plane = next.fetch_add(1, Ordering::Relaxed);
        let (to, counted) = (to.clone(), Arc::clone(&count));
        counted.fetch_add(1, Ordering::Relaxed);
        let started = thread::Builder::new().name(format!("plane {plane}")).spawn(move || {
            attend(plane, &stream, &to);
            counted.fetch_sub(1, Ordering::Relaxed);
        });
        if let Err(error) = started {
            count.fetch_sub(1, Ordering::Relaxed);
            eprintln!("throwover: a data plane was refused: {error}");
        }
    }
}

/// Reads one data plane until it goes away or breaks the protocol.
fn attend(plane: u64, stream: &UnixStream, to: &SyncSender<Message>) {
    let writer = stream.set_write_timeout(Some(WRITE_STALL)).and_then(|()| stream.try_clone());
    let Ok(writer) = writer else { return };
    if to.send(Message::Joined { plane, writer }).is_err() {
        return;
    }
    let reason = match frames(stream, |frame| to.send(Message::Frame { plane, frame: Box::new(frame) }).is_ok()) {
        Ok(()) => String::new(),
        Err(error) => error.to_string(),
    };
    // The daemon has ended when nobody takes this; then nobody needs it.
    to.send(Message::Left { plane, reason }).ok();
}

/// Calls `each` for every frame until it says no or the stream ends.
fn frames(mut stream: &UnixStream, mut each: impl FnMut(Frame) -> bool) -> io::Result<()> {
    let mut buffer: Vec<u8> = Vec::new();
    let mut chunk = vec![0; READ_BYTES];
    loop {
        // `decode` refuses lengths beyond `FRAME_BYTES_MAX`, so the buffer holds one frame and a chunk at most.
        while let Some((frame, taken)) = wire::decode(&buffer).map_err(io::Error::other)? {
            buffer.drain(..taken);
            if !each(frame) {
                return Ok(());
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => buffer.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_socket_is_never_open_to_more_than_its_mode_says() {
        let folder = std::env::temp_dir().join(format!("throwover-link-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for mode in [0o600, 0o660] {
            let path = folder.join(format!("{mode:o}.sock"));
            let mode_of = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
            let early = bound(&path, mode).unwrap();
            assert_eq!(mode_of(&path) & !mode, 0, "before anybody has set it");
            drop(early);
            // What is left of one that has ended is in nobody's way.
            let listener = bind(&path, mode).unwrap();
            assert_eq!(mode_of(&path), mode);
            let _peer = UnixStream::connect(&path).unwrap();
            assert!(listener.accept().is_ok());
            assert_eq!(bind(&path, mode).map(|_| ()).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
