//! The data plane as a process, and a control plane that breaks every rule of the link.
#![allow(missing_docs, clippy::unwrap_used)]

use policy::{
    Draft, Secrets, image,
    wire::{self, Frame, Hello, Publish, Stage},
};
use rustix::{
    fs::{MemfdFlags, SealFlags},
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags},
};
use std::{
    fs::{self, DirBuilder, File},
    io::{IoSlice, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::{
            fs::DirBuilderExt,
            net::{UnixListener, UnixStream},
        },
    },
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Everything has so long; a test that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A data plane, and the socket that it looks for.
struct Plane {
    folder: PathBuf,
    listener: UnixListener,
    child: Child,
}

impl Plane {
    fn start() -> Plane {
        let folder = std::env::temp_dir().join(format!("throwover-link-test-{}", std::process::id()));
        for part in ["run", "state"] {
            DirBuilder::new().recursive(true).mode(0o700).create(folder.join(part)).unwrap();
        }
        let listener = UnixListener::bind(folder.join("run/link.sock")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_throwover-dataplane"));
        command.arg("--run").arg(folder.join("run")).arg("--state").arg(folder.join("state"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Plane { folder, listener, child }
    }

    /// The next connection, and what is said on it first.
    fn connected(&self) -> (Link, Hello) {
        let (stream, _) = self.listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut link = Link { stream, buffer: Vec::new() };
        match link.hear() {
            Some(Frame::Hello(hello)) => (link, hello),
            other => panic!("{other:?} in the place of a greeting"),
        }
    }

    fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// One connection.
struct Link {
    stream: UnixStream,
    buffer: Vec<u8>,
}

impl Link {
    /// The next frame; `None` when the data plane has hung up.
    fn hear(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, taken)) = wire::decode(&self.buffer).unwrap() {
                self.buffer.drain(..taken);
                return Some(frame);
            }
            let mut part = [0; 64 * 1024];
            let count = self.stream.read(&mut part).expect("the data plane says something in time");
            if count == 0 {
                return None;
            }
            self.buffer.extend_from_slice(&part[..count]);
        }
    }

    /// What it says to a publish: how far it came, or why not.
    fn verdict(&mut self) -> Result<Stage, String> {
        loop {
            match self.hear().expect("the connection stays") {
                Frame::Ack(ack) => return Ok(ack.stage),
                Frame::Nack(nack) => return Err(nack.reason),
                _ => {}
            }
        }
    }

    fn publish(&self, image: &[u8], digest: [u8; 32], descriptors: &[BorrowedFd<'_>]) {
        let publish = Publish { generation: 1, length: image.len() as u64, digest };
        let bytes = wire::encode(&Frame::Publish(publish)).unwrap();
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            assert!(control.push(SendAncillaryMessage::ScmRights(descriptors)));
        }
        let sent = rustix::net::sendmsg(&self.stream, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL).unwrap();
        (&self.stream).write_all(&bytes[sent..]).unwrap();
    }
}

fn memfd(image: &[u8], sealed: bool) -> File {
    let mut file = File::from(rustix::fs::memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap());
    file.write_all(image).unwrap();
    if sealed {
        rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL).unwrap();
    }
    file
}

#[test]
fn whatever_the_link_says_the_data_plane_lives_on() {
    let plane = Plane::start();
    let mut draft = Draft { generation: 1, ..Draft::default() };
    draft.gateway.listen = vec!["127.0.0.1:0".parse().unwrap()];
    draft.gateway.admin = Some("127.0.0.1:0".parse().unwrap());
    let image = image::seal(&draft);
    let digest = *blake3::hash(&image).as_bytes();
    let (sealed, open, plain) = (memfd(&image, true), memfd(&image, false), File::open("/dev/null").unwrap());

    // Bytes that are no frame end the connection, and it comes back.
    let whole = wire::encode(&Frame::Drain { grace_ms: 0 }).unwrap();
    let mut damaged = whole.clone();
    damaged[8] ^= 1;
    let mut endless = whole.clone();
    endless[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut other = whole.clone();
    other[4..6].copy_from_slice(&99_u16.to_le_bytes());
    for bytes in [&damaged[..], &endless, &other, b"HTTP/1.1 200 OK\r\n\r\n"] {
        let (mut link, hello) = plane.connected();
        assert_eq!(hello.generation, 0);
        (&link.stream).write_all(bytes).unwrap();
        while link.hear().is_some() {}
    }
    // A frame that never ends harms nobody either.
    let (link, _) = plane.connected();
    (&link.stream).write_all(&whole[..whole.len() - 1]).unwrap();
    drop(link);

    let (mut link, _) = plane.connected();
    let before = plane.descriptors();
    link.publish(&image, digest, &[]);
    assert_eq!(link.verdict(), Err("no file descriptor came with the frame".to_owned()));
    link.publish(&image, digest, &[plain.as_fd()]);
    assert!(link.verdict().unwrap_err().contains("is not a memfd"));
    link.publish(&image, digest, &[open.as_fd()]);
    assert_eq!(link.verdict(), Err("the memfd is not sealed".to_owned()));
    link.publish(&image, [7; 32], &[sealed.as_fd()]);
    assert_eq!(link.verdict(), Err("the image is not the one that was announced".to_owned()));
    link.publish(&image[..10], digest, &[sealed.as_fd()]);
    assert!(link.verdict().is_err());
    let huge = Publish { generation: 1, length: u64::MAX, digest };
    (&link.stream).write_all(&wire::encode(&Frame::Publish(huge)).unwrap()).unwrap();
    assert!(link.verdict().is_err());
    // Descriptors beyond the one that a frame may bring are let go, whoever sends them.
    for count in [3, 8] {
        link.publish(&image[..10], digest, &vec![sealed.as_fd(); count]);
        assert!(link.verdict().is_err());
    }
    assert!(plane.descriptors() <= before, "{} descriptors are open, and {before} were before", plane.descriptors());

    (&link.stream).write_all(&wire::encode(&Frame::Secrets(Secrets::default())).unwrap()).unwrap();
    link.publish(&image, digest, &[sealed.as_fd()]);
    assert_eq!(link.verdict(), Ok(Stage::Prepared));
    assert_eq!(link.verdict(), Ok(Stage::Adopted));
}
