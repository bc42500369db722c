//! A daemon as a process, and a data plane that the test plays.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use policy::wire::{self, Ack, Event, Frame, Hello, Nack, Publish, Stage, Stats};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use std::{
    fs::{self, File},
    io::{IoSliceMut, Read, Seek, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

pub const POLICY: &str = "providers: {local: {endpoint: \"http://127.0.0.1:9/v1\", keys: [\"${TEST_PROVIDER_KEY}\"]}}
fallback: {chains: [{name: chat, models: [{provider: local, model: m}]}]}
";

/// Everything has so long; a test that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder with a policy, and the daemon of it.
pub struct House {
    pub folder: PathBuf,
    daemon: Option<Child>,
}

impl House {
    pub fn new() -> House {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("throwover-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let house = House { folder: std::env::temp_dir().join(name), daemon: None };
        fs::create_dir_all(&house.folder).unwrap();
        house.write(POLICY);
        house
    }

    pub fn config(&self) -> PathBuf {
        self.folder.join("p.yaml")
    }

    pub fn write(&self, text: &str) {
        fs::write(self.config(), text).unwrap();
    }

    pub fn command(&self, verb: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_throwover"));
        command.env("TEST_PROVIDER_KEY", "sk-test").env_remove("OPENAI_API_KEY").arg(verb).args(arguments);
        command
    }

    /// Starts the daemon and waits until it answers.
    pub fn start(&mut self) {
        let mut command = self.command("daemon", &[]);
        command.arg("--config").arg(self.config()).arg("--run").arg(self.folder.join("run")).arg("--state").arg(self.folder.join("state"));
        self.daemon = Some(command.stderr(Stdio::null()).spawn().unwrap());
        let until = Instant::now() + PATIENCE;
        while self.ask("status", &[]).status.code() != Some(0) {
            assert!(Instant::now() < until, "the daemon did not come up");
            std::thread::yield_now();
        }
    }

    pub fn stop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill().unwrap();
            daemon.wait().unwrap();
        }
    }

    /// Files and sockets that the daemon has open.
    pub fn descriptors(&self) -> usize {
        let pid = self.daemon.as_ref().unwrap().id();
        fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
    }

    /// Asks the daemon by the command.
    pub fn ask(&self, verb: &str, arguments: &[&str]) -> Output {
        self.command(verb, arguments).arg("--run").arg(self.folder.join("run")).output().unwrap()
    }

    /// The same, not waited for.
    pub fn begin(&self, verb: &str, arguments: &[&str]) -> Child {
        let mut command = self.command(verb, arguments);
        command.arg("--run").arg(self.folder.join("run")).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    pub fn json(&self, verb: &str) -> serde_json::Value {
        serde_json::from_slice(&self.ask(verb, &["--format", "json"]).stdout).unwrap()
    }

    /// Asks until the answer is what is waited for.
    pub fn until(&self, verb: &str, what: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.json(verb);
            if what(&answer) {
                return answer;
            }
            assert!(Instant::now() < until, "{verb} stays {answer}");
        }
    }

    pub fn plane(&self, generation: u64, digest: [u8; 32]) -> Plane {
        Plane::join(&self.folder.join("run/link.sock"), generation, digest)
    }

    /// A data plane that does not listen yet.
    pub fn starting(&self) -> Plane {
        let plane = Plane::connect(&self.folder.join("run/link.sock"));
        plane.greet(0, [0; 32], &[]);
        plane
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop();
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// A data plane.
pub struct Plane {
    stream: UnixStream,
    buffer: Vec<u8>,
    files: Vec<File>,
}

/// A generation as it arrived.
pub struct Arrived {
    pub publish: Publish,
    pub secrets: policy::Secrets,
    pub snapshot: policy::Snapshot,
}

impl Plane {
    pub fn join(link: &Path, generation: u64, digest: [u8; 32]) -> Plane {
        let plane = Plane::connect(link);
        plane.greet(generation, digest, &["127.0.0.1:1"]);
        plane
    }

    fn connect(link: &Path) -> Plane {
        let stream = UnixStream::connect(link).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Plane { stream, buffer: Vec::new(), files: Vec::new() }
    }

    /// Says who it is; with no address before it listens.
    fn greet(&self, generation: u64, digest: [u8; 32], listen: &[&str]) {
        self.say(Frame::Hello(Hello {
            schema: policy::image::SCHEMA,
            build: "test".to_owned(),
            run: 1,
            pid: std::process::id(),
            generation,
            digest,
            shards: u16::from(!listen.is_empty()),
            listen: listen.iter().map(|address| address.parse().unwrap()).collect(),
            admin: None,
        }));
    }

    /// Says where it listens.
    pub fn listen(&self, address: &str) {
        self.greet(1, [0; 32], &[address]);
    }

    pub fn say(&self, frame: Frame) {
        (&self.stream).write_all(&wire::encode(&frame).unwrap()).unwrap();
    }

    pub fn hear(&mut self) -> Frame {
        loop {
            if let Some((frame, taken)) = wire::decode(&self.buffer).unwrap() {
                self.buffer.drain(..taken);
                return frame;
            }
            let mut chunk = [0; 4096];
            let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let got = rustix::net::recvmsg(&self.stream, &mut [IoSliceMut::new(&mut chunk)], &mut control, RecvFlags::CMSG_CLOEXEC);
            let got = got.expect("the control plane says something in time");
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(fds) = message {
                    self.files.extend(fds.map(File::from));
                }
            }
            assert!(got.bytes > 0, "the control plane has hung up");
            self.buffer.extend_from_slice(&chunk[..got.bytes]);
        }
    }

    /// Waits for a generation and opens it as a data plane does.
    pub fn arrived(&mut self) -> Arrived {
        let Frame::Secrets(secrets) = self.hear() else { panic!("secrets come first") };
        let Frame::Publish(publish) = self.hear() else { panic!("the image comes after its secrets") };
        let mut file = self.files.pop().expect("the image is beside the frame");
        let mut image = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut image).unwrap();
        assert_eq!(image.len() as u64, publish.length);
        assert_eq!(*blake3::hash(&image).as_bytes(), publish.digest);
        let snapshot = policy::image::open(&image).unwrap();
        assert_eq!(snapshot.generation, publish.generation);
        Arrived { publish, secrets, snapshot }
    }

    pub fn acknowledge(&self, generation: u64, stage: Stage) {
        self.say(Frame::Ack(Ack { generation, stage, after_us: 1_250 }));
    }

    pub fn adopt(&self, generation: u64) {
        self.acknowledge(generation, Stage::Prepared);
        self.acknowledge(generation, Stage::Adopted);
    }

    pub fn refuse(&self, generation: u64, reason: &str) {
        self.say(Frame::Nack(Nack { generation, reason: reason.to_owned() }));
    }

    pub fn count(&self, stats: Stats) {
        self.say(Frame::Stats(stats));
    }

    pub fn happen(&self, kind: &str) {
        self.say(Frame::Event(Event { at_us: 1, kind: kind.to_owned(), details: vec![("to".to_owned(), "b/m".to_owned())] }));
    }
}
