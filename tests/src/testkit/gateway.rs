//! The gateway under test: the real daemon and the real data plane, as processes.

use super::{PATIENCE, policy::Policy, tenant::Tenant, until, weight::Weight};
use rustix::process::{Pid, Signal};
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// The folder of the binaries, once they are built.
///
/// A test of one package does not build the binaries of others, so this does, once in each
/// process: with Cargo, offline, into the place that this test was built into.
fn binaries() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let own = std::env::current_exe().expect("a process knows its program");
        let folder = own.ancestors().nth(2).expect("tests lie in TARGET/PROFILE/deps").to_owned();
        let target = folder.parent().expect("a profile's folder lies in the target folder");
        let profile = match folder.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => "dev",
            Some(name) => name,
        };
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args([
            "build",
            "--quiet",
            "--offline",
            "-p",
            "dataplane",
            "-p",
            "controlplane",
            "-p",
            "mock",
            "--bins",
            "--profile",
            profile,
        ]);
        build.arg("--target-dir").arg(target).current_dir(env!("CARGO_MANIFEST_DIR"));
        let status = build.status().expect("Cargo can be run");
        assert!(status.success(), "the binaries cannot be built: {status}");
        folder
    })
}

/// A binary of ours, for tests that start it by themselves.
pub fn program(name: &str) -> PathBuf {
    binaries().join(name)
}

/// One process of the gateway.
#[derive(Debug)]
struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it on a leash, so that it ends when the test's thread does.
    fn start(name: &'static str, arguments: &[&Path], folder: &Path) -> Process {
        Process::start_before(name, &[], arguments, Stdio::null(), folder)
    }

    /// The same, by way of words that stand before the program and become it.
    fn start_before(name: &'static str, before: &[&str], arguments: &[&Path], stdin: Stdio, folder: &Path) -> Process {
        let log = folder.join(format!("{name}.log"));
        let stderr = File::options().create(true).append(true).open(&log).expect("the folder of a test can be written");
        let binaries = binaries();
        let mut command = Command::new(binaries.join("throwover"));
        command.arg("__leash").arg(std::process::id().to_string()).args(before).arg(binaries.join(name)).args(arguments);
        for variable in ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"] {
            command.env_remove(variable);
        }
        // What nobody holds goes back at once, so that a process weighs what it holds.
        command.env("MIMALLOC_PURGE_DELAY", "0");
        command.stdin(stdin).stdout(Stdio::null()).stderr(stderr);
        let child = command.spawn().expect("a process can be started");
        Process { name, child, log }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("the process is ours, and was not yet waited for");
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be asked for")
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended, which was the test's business.
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("--- {} said:\n{}", self.name, self.said());
        }
    }
}

/// What `throwover` answers an operator.
#[derive(Debug)]
pub struct Told {
    /// The exit code that the command would have.
    pub code: u64,
    /// The text for people.
    pub text: String,
    /// The data for programs.
    pub data: Value,
}

/// A daemon and a data plane.
#[derive(Debug)]
pub struct Gateway {
    /// The folder of everything.
    pub folder: PathBuf,
    daemon: Option<Process>,
    plane: Option<Process>,
    /// Where tenants connect.
    pub address: SocketAddr,
    /// The admin listener.
    pub admin: SocketAddr,
}

impl Gateway {
    /// Starts a gateway with this policy and waits until it is ready.
    pub fn start(policy: &Policy) -> Gateway {
        let mut gateway = Gateway::prepare(policy);
        gateway.start_daemon();
        gateway.start_plane();
        gateway.find();
        gateway.await_ready();
        gateway
    }

    /// Waits until the data plane says that traffic may come.
    pub fn await_ready(&self) {
        let mut last = None;
        let mut look = || {
            last = Some(self.page("/readyz"));
            matches!(last, Some(Ok((200, _))))
        };
        let by = std::time::Instant::now() + PATIENCE;
        while !look() {
            assert!(std::time::Instant::now() < by, "the data plane at {} does not become ready: {last:?}", self.admin);
            std::thread::sleep(super::LOOK);
        }
    }

    /// A folder with this policy, and nothing started.
    pub fn prepare(policy: &Policy) -> Gateway {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("throwover-gateway-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        for part in ["run", "state"] {
            use std::os::unix::fs::DirBuilderExt;
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder.join(part)).expect("temporary folders can be made");
        }
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
        let gateway = Gateway { folder, daemon: None, plane: None, address: nowhere, admin: nowhere };
        gateway.write(policy);
        gateway
    }

    /// Writes another policy, to be reloaded.
    pub fn write(&self, policy: &Policy) {
        self.write_text(&policy.text(&self.access_log_path()));
    }

    /// Writes any text as the policy.
    pub fn write_text(&self, text: &str) {
        fs::write(self.folder.join("throwover.yaml"), text).expect("the folder of a test can be written");
    }

    /// Starts the daemon and waits until it answers.
    pub fn start_daemon(&mut self) {
        self.start_daemon_by(&[]);
    }

    /// The same, by way of words that become it.
    pub fn start_daemon_by(&mut self, before: &[&str]) {
        let (config, run, state) = (self.folder.join("throwover.yaml"), self.folder.join("run"), self.folder.join("state"));
        let arguments: [&Path; 7] =
            [Path::new("daemon"), Path::new("--config"), &config, Path::new("--run"), &run, Path::new("--state"), &state];
        self.daemon = Some(Process::start_before("throwover", before, &arguments, Stdio::null(), &self.folder));
        until("the daemon answers", || {
            if let Some(status) = self.daemon.as_mut().and_then(Process::ended) {
                panic!("the daemon ended: {status}\n{}", self.daemon_said());
            }
            self.try_ask("status", &[]).ok()
        });
    }

    /// Starts the data plane.
    pub fn start_plane(&mut self) {
        self.start_plane_by(&[]);
    }

    /// Starts the data plane by way of words that become it, such as a filter or a limit.
    pub fn start_plane_by(&mut self, before: &[&str]) {
        let (run, state) = (self.folder.join("run"), self.folder.join("state"));
        let arguments: [&Path; 4] = [Path::new("--run"), &run, Path::new("--state"), &state];
        self.plane = Some(Process::start_before("throwover-dataplane", before, &arguments, Stdio::null(), &self.folder));
    }

    /// Starts the data plane with a listening socket that a service manager would have opened, and
    /// that tells `notify` what it tells a service manager.
    pub fn start_plane_with(&mut self, socket: TcpListener, notify: &Path) {
        let (run, state) = (self.folder.join("run"), self.folder.join("state"));
        let arguments: [&Path; 4] = [Path::new("--run"), &run, Path::new("--state"), &state];
        let script = "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 WATCHDOG_USEC=2000000 NOTIFY_SOCKET=$0 exec \"$@\"";
        let notify = notify.to_str().expect("folders of tests are text");
        let stdin = Stdio::from(std::os::fd::OwnedFd::from(socket));
        self.plane =
            Some(Process::start_before("throwover-dataplane", &["/bin/sh", "-c", script, notify], &arguments, stdin, &self.folder));
    }

    /// Starts another data plane that takes the place of the one there is, and waits until that one
    /// has ended.
    pub fn take_over(&mut self) {
        let (run, state) = (self.folder.join("run"), self.folder.join("state"));
        let arguments: [&Path; 5] = [Path::new("--run"), &run, Path::new("--state"), &state, Path::new("--take-over")];
        let new = Process::start("throwover-dataplane", &arguments, &self.folder);
        let mut old = self.plane.replace(new).expect("there is a data plane");
        let status = until("the old data plane ends", || {
            if let Some(status) = self.plane_ended() {
                panic!("the new data plane ended: {status}\n{}", self.plane_said());
            }
            old.ended()
        });
        assert!(status.success(), "the old data plane ended with {status}");
    }

    /// Starts the data plane with so many descriptors at most.
    pub fn start_plane_within(&mut self, descriptors: u32) {
        // The shell sets the limit and becomes the program.
        self.start_plane_by(&["/bin/sh", "-c", &format!("ulimit -n {descriptors} && exec \"$@\""), "sh"]);
    }

    /// What the data plane weighs.
    pub fn plane_weight(&self) -> Weight {
        Weight { pid: self.plane.as_ref().expect("there is a data plane").child.id() }
    }

    /// Waits until the daemon knows where the data plane listens.
    pub fn find(&mut self) {
        let pid = self.plane.as_ref().expect("there is a data plane").child.id();
        let hello = until("the data plane says where it listens", || {
            if let Some(status) = self.plane.as_mut().and_then(Process::ended) {
                panic!("the data plane ended: {status}\n{}", self.plane_said());
            }
            let data = self.ask("status", &[]).data;
            let hello = data["planes"]
                .as_array()?
                .iter()
                .map(|plane| &plane["hello"])
                // One that was killed may not have been missed yet.
                .find(|hello| hello["pid"] == pid && hello["shards"] != 0 && hello["listen"][0].is_string())?;
            Some(hello.clone())
        });
        let address = |value: &Value| value.as_str().and_then(|text| text.parse().ok());
        self.address = address(&hello["listen"][0]).expect("the hello holds addresses");
        self.admin = address(&hello["admin"]).unwrap_or(self.admin);
    }

    /// A connection of a tenant's.
    pub fn tenant(&self) -> Tenant {
        Tenant::connect(self.address)
    }

    /// Asks the daemon, as the command does.
    pub fn ask(&self, verb: &str, arguments: &[(&str, &str)]) -> Told {
        self.try_ask(verb, arguments).expect("the daemon answers")
    }

    /// The same, when there may be no daemon.
    ///
    /// # Errors
    /// There is none.
    pub fn try_ask(&self, verb: &str, arguments: &[(&str, &str)]) -> std::io::Result<Told> {
        let mut stream = UnixStream::connect(self.folder.join("run/operator.sock"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let arguments: serde_json::Map<String, Value> = arguments.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        stream.write_all(format!("{}\n", json!({"verb": verb, "arguments": arguments})).as_bytes())?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        let mut answer: Value = serde_json::from_str(&line)?;
        Ok(Told {
            code: answer["code"].as_u64().unwrap_or(u64::MAX),
            text: answer["text"].as_str().unwrap_or_default().to_owned(),
            data: answer["data"].take(),
        })
    }

    /// Runs `throwover VERB --run …` and returns its exit code and output.
    pub fn command(&self, verb: &str, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(binaries().join("throwover"));
        let output = command.arg(verb).args(arguments).arg("--run").arg(self.folder.join("run")).output().expect("the command runs");
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    }

    /// Kills the daemon without warning.
    pub fn kill_daemon(&mut self) {
        drop(self.daemon.take().expect("there is a daemon"));
    }

    /// Kills the data plane without warning.
    pub fn kill_plane(&mut self) {
        drop(self.plane.take().expect("there is a data plane"));
    }

    /// Sends the data plane a signal.
    pub fn signal_plane(&self, signal: Signal) {
        self.plane.as_ref().expect("there is a data plane").signal(signal);
    }

    /// The data plane's process, and the daemon's.
    pub fn pids(&self) -> [u32; 2] {
        [&self.plane, &self.daemon].map(|process| process.as_ref().expect("both run").child.id())
    }

    /// Sends the data plane SIGTERM.
    pub fn terminate_plane(&self) {
        self.plane.as_ref().expect("there is a data plane").signal(Signal::TERM);
    }

    /// How the data plane ended, if it has.
    pub fn plane_ended(&mut self) -> Option<ExitStatus> {
        self.plane.as_mut().expect("there is a data plane").ended()
    }

    /// What the data plane wrote to standard error.
    pub fn plane_said(&self) -> String {
        self.plane.as_ref().map(Process::said).unwrap_or_default()
    }

    /// What the daemon wrote to standard error.
    pub fn daemon_said(&self) -> String {
        self.daemon.as_ref().map(Process::said).unwrap_or_default()
    }

    /// A page of the admin listener: its status and text.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn page(&self, path: &str) -> std::io::Result<(u16, String)> {
        let mut stream = TcpStream::connect(self.admin)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: admin\r\n\r\n").as_bytes())?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.get(9..12).and_then(|digits| digits.parse().ok()).unwrap_or(0);
        Ok((status, body.to_owned()))
    }

    /// The sum of a counter over all shards.
    pub fn meter(&self, name: &str) -> f64 {
        let (_, page) = self.page("/metrics").expect("the admin listener answers");
        let lines = page.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }

    /// A counter or gauge of each shard, in their order.
    pub fn meter_by_shard(&self, name: &str) -> Vec<u64> {
        let (_, page) = self.page("/metrics").expect("the admin listener answers");
        let start = format!("{name}{{shard=\"");
        let lines = page.lines().filter(|line| line.starts_with(&start));
        lines
            .map(|line| line.rsplit_once(' ').and_then(|(_, value)| value.parse().ok()).expect("meters of shards are whole numbers"))
            .collect()
    }

    /// Where decision records go.
    pub fn access_log_path(&self) -> PathBuf {
        self.folder.join("access.log")
    }

    /// The decision records so far, as they stand in the file.
    pub fn access_log(&self) -> String {
        fs::read_to_string(self.access_log_path()).unwrap_or_default()
    }

    /// The record of the request with this id, once it is written.
    pub fn record(&self, id: &str) -> Value {
        until("the request is written down", || {
            let log = self.access_log();
            let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.into_iter().find(|record| record["request"] == id)
        })
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.plane.take());
        drop(self.daemon.take());
        // What stays behind lies in the folder for temporary files.
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// A port that was free a moment ago, for listeners that must come back at the same one.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the kernel has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}
