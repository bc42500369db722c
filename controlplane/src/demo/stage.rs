//! The processes of the demonstration, in a folder of their own that goes when it ends.

use super::http::Connection;
use crate::{
    child::{self, Leashed},
    observe,
    socket::{self, Answer, Request},
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, File},
    io,
    net::{SocketAddr, TcpListener},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

/// The provider that is asked first, and made to fail.
pub(super) const PRIMARY: &str = "openai";
/// All of them, in the order of the chain.
pub(super) const PROVIDERS: [&str; 3] = [PRIMARY, "anthropic", "google"];
/// What each speaks, in the mock's words, and what its endpoint ends with.
const DIALECTS: [(&str, &str); 3] = [("openai", "/v1"), ("anthropic", ""), ("gemini", "/v1beta")];
/// The chains of the demonstration: the smallest policy there is, as it stands.
const POLICY: &str = include_str!("../../examples/smallest.yaml");
/// The chain that is asked.
pub(super) const CHAIN: &str = "premium-reasoning";
/// Every process has so long to come up.
const PATIENCE: Duration = Duration::from_secs(20);
/// Warm connections are waited for so long before they are counted.
const WARMING: Duration = Duration::from_secs(3);
/// How often it is looked whether it has.
const TICK: Duration = Duration::from_millis(2);
/// Events that are kept for the story.
const EVENTS_MAX: usize = 100_000;

/// Everything that runs.
pub(super) struct Stage {
    /// Where the load goes.
    pub(super) gateway: SocketAddr,
    /// The mock's admin port.
    pub(super) mock: SocketAddr,
    /// What the daemon tells.
    pub(super) events: Told,
    /// From the start of the data plane to its being ready.
    pub(super) ready: Duration,
    /// Shards and process of the data plane, as it says.
    pub(super) hello: Value,
    /// Idle connections to each origin when it was ready.
    pub(super) warm: Vec<(String, u64)>,
    /// The folder.
    pub(super) folder: Folder,
    processes: Mutex<Vec<Leashed>>,
}

/// A folder that is removed when this is dropped.
pub(super) struct Folder(pub(super) PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed stays in the folder for temporary files.
        fs::remove_dir_all(&self.0).ok();
    }
}

/// Events as they come.
#[derive(Clone, Default)]
pub(super) struct Told(Arc<Mutex<Vec<policy::wire::Event>>>);

impl Told {
    /// A place in the list.
    pub(super) fn mark(&self) -> usize {
        self.0.lock().expect("nobody panics while it is held").len()
    }

    /// What came since a mark.
    pub(super) fn since(&self, mark: usize) -> Vec<policy::wire::Event> {
        self.0.lock().expect("nobody panics while it is held")[mark..].to_vec()
    }
}

/// Starts everything and waits until the gateway is ready.
pub(super) fn set(once: bool) -> io::Result<Stage> {
    let (mock, daemon, plane) = (child::sibling("throwover-mock")?, std::env::current_exe()?, child::sibling("throwover-dataplane")?);
    let folder = Folder(std::env::temp_dir().join(format!("throwover-demo-{}", std::process::id())));
    fs::DirBuilder::new().mode(0o700).create(&folder.0)?;
    let ports_file = folder.0.join("ports.json");
    let mut arguments: Vec<OsString> = vec!["serve".into()];
    for (provider, (dialect, _)) in PROVIDERS.iter().zip(DIALECTS) {
        arguments.extend(["--provider".into(), format!("{provider}=127.0.0.1:0,dialect={dialect}").into()]);
    }
    arguments.extend(["--tls-dir".into(), folder.0.join("tls").into(), "--admin".into(), "127.0.0.1:0".into()]);
    arguments.extend(["--ports-file".into(), ports_file.clone().into()]);
    let mut processes = vec![Leashed::start(mock, &arguments, log(&folder.0, "mock")?)?];
    await_all(&mut processes, &folder.0, || Ok(ports_file.is_file().then_some(())))?;
    let ports: Value = serde_json::from_slice(&fs::read(&ports_file)?).map_err(io::Error::other)?;
    let mock_admin = address(&ports["admin"])?;

    let config = folder.0.join("throwover.yaml");
    let (gateway, admin) = (free(if once { 0 } else { 8080 })?, free(0)?);
    fs::write(&config, policy_text(&ports, &folder.0, gateway, admin)?)?;
    let places: Vec<OsString> = vec!["--run".into(), folder.0.join("run").into(), "--state".into(), folder.0.join("state").into()];
    let arguments = [&["daemon".into(), "--config".into(), config.clone().into()][..], &places[..]].concat();
    processes.push(Leashed::start(daemon, &arguments, log(&folder.0, "daemon")?)?);
    let run = folder.0.join("run");
    await_all(&mut processes, &folder.0, || Ok(status(&run).ok()))?;
    let events = watch(&run)?;

    let began = Instant::now();
    processes.push(Leashed::start(plane, &places, log(&folder.0, "dataplane")?)?);
    let hello = await_all(&mut processes, &folder.0, || {
        let hello = status(&run)?["planes"][0]["hello"].clone();
        Ok(hello.is_object().then_some(hello))
    })?;
    await_all(&mut processes, &folder.0, || {
        let asked = Connection::open(admin, PATIENCE).and_then(|mut open| open.ask("GET", "/readyz", b"", |_| false));
        Ok(asked.ok().filter(|answer| answer.head.status == 200).map(|_| ()))
    })?;
    let ready = began.elapsed();
    // Counters come about once a second; those of before it was ready say little.
    let until = Instant::now() + WARMING;
    let warm = await_all(&mut processes, &folder.0, || {
        let stats = status(&run)?["planes"][0]["stats"].clone();
        let warm = pools(&stats);
        let complete = !warm.is_empty() && warm.iter().all(|(_, idle)| *idle > 0);
        Ok((stats.is_object() && (complete || Instant::now() > until)).then_some(warm))
    })?;
    // Where it listens and on how many shards it says in a second greeting.
    let hello = Some(status(&run)?["planes"][0]["hello"].clone()).filter(Value::is_object).unwrap_or(hello);
    Ok(Stage { gateway, mock: mock_admin, events, ready, hello, warm, folder, processes: Mutex::new(processes) })
}

impl Stage {
    /// Writes another policy and reloads it; returns what the daemon says.
    pub(super) fn reload(&self) -> io::Result<Answer> {
        let config = self.folder.0.join("throwover.yaml");
        // The same chain with another wait, so that something differs and no request notices.
        let text = fs::read_to_string(&config)?.replace("base: 500ms", "base: 250ms");
        fs::write(&config, text)?;
        let request = Request { verb: "reload".to_owned(), arguments: BTreeMap::from([("why".to_owned(), "demonstration".to_owned())]) };
        Ok(socket::ask(&self.folder.0.join("run"), &request)?.0)
    }

    /// An error when a process has ended by itself.
    pub(super) fn still_up(&self) -> io::Result<()> {
        let mut processes = self.processes.lock().expect("nobody panics while it is held");
        died(&mut processes, &self.folder.0)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // The data plane first, then the daemon, then the providers.
        let mut processes = self.processes.lock().expect("nobody panics while it is held");
        while let Some(mut process) = processes.pop() {
            process.end();
        }
    }
}

/// This port of the loopback address when nobody listens there, and any free one else.
fn free(port: u16) -> io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", port)).or_else(|_| TcpListener::bind("127.0.0.1:0"))?.local_addr()
}

fn policy_text(ports: &Value, folder: &Path, gateway: SocketAddr, admin: SocketAddr) -> io::Result<String> {
    let mut text = format!("gateway: {{listen: \"{gateway}\", admin: \"{admin}\", access_log: off, drain: 1s}}\nproviders:\n");
    for (provider, (_, path)) in PROVIDERS.iter().zip(DIALECTS) {
        let tls = address(&ports["providers"][*provider]["tls"])?;
        let ca = folder.join("tls/ca.pem");
        text.push_str(&format!(
            "  {provider}: {{endpoint: \"https://127.0.0.1:{}{path}\", ca: \"{}\", keys: [\"sk-demo\"], connections: {{warm: 4}}}}\n",
            tls.port(),
            ca.display()
        ));
    }
    // A plain answer has no first token to wait for: half of what is left of `deadline` is its limit.
    text.push_str(
        "defaults:\n  {ttft: 800ms, ttft_reasoning: 800ms, deadline: 3s, idle: 1s, retry: {base: 500ms, cap: 1s}, \
         breaker: {consecutive: 5, cooldown: 1s, cooldown_max: 1s, slow_start: 1s}}\n",
    );
    text.push_str(POLICY);
    Ok(text)
}

fn log(folder: &Path, name: &str) -> io::Result<Stdio> {
    Ok(File::create(folder.join(format!("{name}.log")))?.into())
}

fn address(value: &Value) -> io::Result<SocketAddr> {
    let text = value.as_str().unwrap_or_default();
    text.parse().map_err(|_| io::Error::other(format!("a process was to tell its address, and said {value}")))
}

fn status(run: &Path) -> io::Result<Value> {
    let request = Request { verb: "status".to_owned(), arguments: BTreeMap::new() };
    Ok(socket::ask(run, &request)?.0.data)
}

fn pools(stats: &Value) -> Vec<(String, u64)> {
    let pools = stats["pools"].as_array().into_iter().flatten();
    pools.map(|pool| (pool["origin"].as_str().unwrap_or_default().to_owned(), pool["idle"].as_u64().unwrap_or(0))).collect()
}

/// Waits for something, unless a process ends before it is there.
fn await_all<T>(processes: &mut [Leashed], folder: &Path, mut what: impl FnMut() -> io::Result<Option<T>>) -> io::Result<T> {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = what()? {
            return Ok(found);
        }
        died(processes, folder)?;
        if Instant::now() > until {
            let last = processes.last().map_or("a process", |process| process.name.as_str());
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("{last} did not come up within {} s", PATIENCE.as_secs())));
        }
        thread::sleep(TICK);
    }
}

fn died(processes: &mut [Leashed], folder: &Path) -> io::Result<()> {
    for process in processes {
        if let Some(status) = process.ended()? {
            let file = process.name.trim_start_matches("throwover-").replace("throwover", "daemon");
            let log = fs::read_to_string(folder.join(format!("{file}.log"))).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(10).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            return Err(io::Error::other(format!("{} ended ({status}):\n{}", process.name, tail.join("\n"))));
        }
    }
    Ok(())
}

/// Follows the daemon's events in a thread of its own.
fn watch(run: &Path) -> io::Result<Told> {
    let arguments = BTreeMap::from([("follow".to_owned(), "true".to_owned()), ("last".to_owned(), "0".to_owned())]);
    let (_, lines) = socket::ask(run, &Request { verb: "events".to_owned(), arguments })?;
    let told = Told::default();
    let list = told.clone();
    thread::Builder::new().name("events".to_owned()).spawn(move || {
        for line in lines.map_while(Result::ok) {
            let Ok(event) = serde_json::from_str(&line) else { continue };
            let mut list = list.0.lock().expect("nobody panics while it is held");
            if list.len() < EVENTS_MAX {
                list.push(observe::event_from(&event));
            }
        }
    })?;
    Ok(told)
}
