//! How long it takes until there is an answer: after a start, after a kill, after a publish.

use crate::{
    canned::{self, Asking},
    child::{self, Folder, Place},
    machine, peers,
    sink::{Answers, Sink},
    stage::Stage,
    table,
    throwover::{self, Gateway, Providers},
};
use serde_json::{Value, json};
use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// Anything that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks.
const TICK: Duration = Duration::from_millis(1);

/// What is measured.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) runs: usize,
    pub(crate) cpu: usize,
    pub(crate) keep: bool,
    pub(crate) binaries: PathBuf,
}

/// A sink in a thread of its own.
struct Background {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<io::Result<()>>>,
}

impl Background {
    fn start() -> io::Result<Background> {
        let stop = Arc::new(AtomicBool::new(false));
        let (tell, told) = mpsc::channel();
        let stopped = stop.clone();
        let thread = thread::Builder::new().name("sink".to_owned()).spawn(move || -> io::Result<()> {
            let mut stage = Stage::new()?;
            stage.place(|poll| Sink::open(&Answers { bytes: 1_024, events: 50, interval: Duration::ZERO }, 0, None, poll))?;
            // Nobody listens any more when the other side has given up.
            tell.send(stage.sink().map(Sink::address)).ok();
            while !stopped.load(Ordering::Relaxed) {
                stage.turn(Duration::from_millis(20))?;
            }
            Ok(())
        })?;
        let address = told.recv().ok().flatten().ok_or_else(|| io::Error::other("the sink did not start"))??;
        Ok(Background { address, stop, thread: Some(thread) })
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(Ok(Err(error))) = self.thread.take().map(thread::JoinHandle::join) {
            eprintln!("throwover-bench: the sink ended: {error}");
        }
    }
}

fn await_ready(gateway: &Gateway, process: &mut child::Process, since: Instant) -> io::Result<f64> {
    loop {
        if gateway.ready() {
            return Ok(since.elapsed().as_secs_f64() * 1e3);
        }
        process.still_up()?;
        if since.elapsed() > PATIENCE {
            return Err(io::Error::other("the data plane was not ready in time"));
        }
        thread::sleep(TICK);
    }
}

/// Start to ready with a policy that was kept, and kill to first answer; no control plane runs.
pub(crate) fn startup(wanted: &Wanted) -> io::Result<(String, Value)> {
    let folder = Folder::make(wanted.keep)?;
    let sink = Background::start()?;
    let providers = Providers::new(sink.address, None, 4);
    let gateway = Gateway::prepare(&wanted.binaries, folder.path(), &providers)?;
    let mut daemon = gateway.start_daemon(Place::default())?;
    let mut plane = gateway.start_plane(wanted.cpu, false)?;
    await_ready(&gateway, &mut plane, Instant::now())?;
    plane.end(PATIENCE);
    daemon.end(PATIENCE);

    let mut starts = Vec::new();
    for _ in 0..wanted.runs {
        let since = Instant::now();
        let mut plane = gateway.start_plane(wanted.cpu, false)?;
        starts.push(await_ready(&gateway, &mut plane, since)?);
        plane.end(PATIENCE);
    }
    let host = gateway.listen.to_string();
    let asking =
        Asking { path: canned::PATH, host: &host, key: throwover::TENANT_KEY, model: throwover::PLAIN, bytes: 1_024, stream: false };
    let request = canned::request(&asking);
    let first_answer = |since: Instant| loop {
        match child::ask(gateway.listen, &request, Duration::from_secs(2)) {
            Ok((200, body)) if body.as_bytes() == &*canned::completion(1_024) => return Ok(since.elapsed().as_secs_f64() * 1e3),
            Ok(_) | Err(_) if since.elapsed() < PATIENCE => thread::sleep(TICK),
            Ok((status, body)) => return Err(io::Error::other(format!("status {status}: {body}"))),
            Err(error) => return Err(error),
        }
    };
    let mut kills = Vec::new();
    let mut plane = gateway.start_plane(wanted.cpu, false)?;
    for _ in 0..wanted.runs {
        first_answer(Instant::now())?;
        let since = Instant::now();
        plane.kill();
        plane = gateway.start_plane(wanted.cpu, false)?;
        kills.push(first_answer(since)?);
    }
    let text = format!(
        "{}\nstart to ready, kept policy, no control plane   {}\nkill -9 to first answer, started again at once  {}\n",
        machine::described(),
        shown(&starts, "ms"),
        shown(&kills, "ms")
    );
    Ok((text, json!({"machine": machine::described(), "start_to_ready_ms": starts, "kill_to_answer_ms": kills})))
}

/// Publish to adoption of a policy with so many routes.
pub(crate) fn publish(wanted: &Wanted, routes: usize) -> io::Result<(String, Value)> {
    let folder = Folder::make(wanted.keep)?;
    let sink = Background::start()?;
    let providers = Providers::new(sink.address, None, 4);
    let gateway = Gateway::prepare(&wanted.binaries, folder.path(), &providers)?;
    let _daemon = gateway.start_daemon(Place::default())?;
    let mut plane = gateway.start_plane(wanted.cpu, false)?;
    await_ready(&gateway, &mut plane, Instant::now())?;
    let (mut adopted, mut whole) = (Vec::new(), Vec::new());
    for run in 0..wanted.runs {
        // One route more or less, so that each is a change.
        gateway.write(&gateway.policy(&providers, routes + run % 2))?;
        let since = Instant::now();
        let said = gateway.verb(&["reload"])?;
        whole.push(since.elapsed().as_secs_f64() * 1e3);
        let micros = said["slowest_us"].as_f64().filter(|_| said["planes"] == 1);
        adopted.push(micros.ok_or_else(|| io::Error::other(format!("reload did not say what was adopted: {said}")))? / 1e3);
    }
    let text = format!(
        "{}\n{routes} routes: Publish frame to adopted by every shard       {}\n{routes} routes: `throwover reload`, from reading to adopted  {}\n",
        machine::described(),
        shown(&adopted, "ms"),
        shown(&whole, "ms")
    );
    Ok((text, json!({"machine": machine::described(), "routes": routes, "publish_to_adopted_ms": adopted, "reload_ms": whole})))
}

fn shown(values: &[f64], unit: &str) -> String {
    table::spread(values.iter().copied()).map_or("nothing".to_owned(), |spread| {
        format!("{:.1} {unit} [{:.1}..{:.1}], {} runs", spread.median, spread.low, spread.high, values.len())
    })
}

impl Wanted {
    /// Binaries beside this one.
    pub(crate) fn new(runs: usize, cpu: usize, keep: bool, binaries: Option<PathBuf>) -> Wanted {
        Wanted { runs, cpu, keep, binaries: binaries.unwrap_or_else(peers::here) }
    }
}
