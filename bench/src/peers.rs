//! The same work through nginx, HAProxy, other gateways and Throwover, in turns, and what each request costs.

use crate::{
    canned,
    child::{Folder, Place, Process},
    envoy::{self, Envoy},
    gateways::{self, Gateways},
    haproxy::{self, Haproxy},
    load::{Pace, Plan},
    machine::{self, FirstInLine, Used},
    nginx::{self, Nginx, Upstreams},
    sink::{Answers, Sink},
    stage::Stage,
    table::{self, Contestant, Round},
    tally::Tally,
    throwover::{self, Gateway, Providers},
    way::{Asked, Way},
};
use mock::certs::{Authority, CertificateKind};
use serde_json::{Value, json};
use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Everything comes up within so long.
const PATIENCE: Duration = Duration::from_secs(30);
/// Requests before anything is counted, in each round.
const WARM_UP: Duration = Duration::from_millis(400);
/// A slow contestant warms up no longer than this.
const SLOW_WARM_UP: Duration = Duration::from_secs(10);
/// Its rounds are no more than so many times as long as others'.
const LONGER: u32 = 5;
/// It is waited for no longer than this until it rests, and looked at so often.
const REST_MAX: Duration = Duration::from_secs(20);
const REST_LOOK: Duration = Duration::from_millis(50);
/// Connections that Throwover keeps ready; nginx keeps what it was made to open.
const WARM: usize = 64;

/// What is measured, and how.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) rounds: usize,
    pub(crate) time: Duration,
    pub(crate) connections: usize,
    pub(crate) request_bytes: usize,
    pub(crate) answer_bytes: usize,
    /// Events with content of a stream, and what is between two of them.
    pub(crate) events: usize,
    pub(crate) interval: Duration,
    pub(crate) proxy_cpu: usize,
    pub(crate) load_cpu: usize,
    pub(crate) first_in_line: bool,
    pub(crate) keep: bool,
    pub(crate) nginx: PathBuf,
    /// Left out when there is none.
    pub(crate) haproxy: Option<PathBuf>,
    /// Left out when there is none.
    pub(crate) envoy: Option<PathBuf>,
    /// Other LLM gateways.
    pub(crate) gateways: gateways::Given,
    /// A second Throwover takes part, whose shard looks for work for so many microseconds before it sleeps.
    pub(crate) spin_us: Option<u32>,
    pub(crate) binaries: PathBuf,
}

/// Everything that runs.
pub(crate) struct Scene {
    pub(crate) stage: Stage,
    pub(crate) nginx: Nginx,
    pub(crate) haproxy: Option<Haproxy>,
    pub(crate) envoy: Option<Envoy>,
    pub(crate) gateways: Gateways,
    pub(crate) spinning: Option<Spinning>,
    pub(crate) gateway: Gateway,
    pub(crate) plane: Process,
    _daemon: Process,
    sinks: (SocketAddr, SocketAddr),
    _first: Option<FirstInLine>,
    /// Last, so that it goes after what writes into it.
    _folder: Folder,
}

/// A second Throwover.
pub(crate) struct Spinning {
    gateway: Gateway,
    plane: Process,
    daemon: Process,
}

impl Spinning {
    fn start(wanted: &Wanted, spin_us: u32, providers: &Providers<'_>, folder: &Path) -> io::Result<Spinning> {
        let folder = folder.join("spinning");
        std::fs::create_dir_all(&folder)?;
        let gateway = Gateway::prepare(&wanted.binaries, &folder, &Providers { spin_us, ..providers.clone() })?;
        let daemon = gateway.start_daemon(Place::default())?;
        let plane = gateway.start_plane(wanted.proxy_cpu, wanted.first_in_line)?;
        Ok(Spinning { gateway, plane, daemon })
    }
}

/// Starts sink, proxies and Throwover, and waits until they are ready.
pub(crate) fn set(wanted: &Wanted) -> io::Result<Scene> {
    let folder = Folder::make(wanted.keep)?;
    machine::raise_files(65_536);
    let authority = Authority::open(&folder.path().join("tls")).map_err(io::Error::other)?;
    let certificate = authority.server_config(CertificateKind::Good).map_err(io::Error::other)?;
    let answers = Answers { bytes: wanted.answer_bytes, events: wanted.events, interval: wanted.interval };
    let mut stage = Stage::new()?;
    stage.place(|poll| Sink::open(&answers, 0, Some((0, certificate)), poll))?;
    let sink = stage.sink().ok_or_else(|| io::Error::other("no sink"))?;
    let (plain, tls) = (sink.address()?, sink.tls_address().ok_or_else(|| io::Error::other("no sink with TLS"))?);
    let ca = authority.ca_path();

    let (upstreams, place) =
        (Upstreams { plain, tls, ca }, Place { cpu: Some(wanted.proxy_cpu), first: wanted.first_in_line, last: false });
    let mut nginx = nginx::start(&wanted.nginx, &upstreams, folder.path(), place)?;
    let traffic = haproxy::Traffic { connections: wanted.connections, streams: !wanted.interval.is_zero() };
    let mut haproxy =
        wanted.haproxy.as_ref().map(|program| haproxy::start(program, &upstreams, traffic, folder.path(), place)).transpose()?;
    let mut envoy = wanted.envoy.as_ref().map(|program| envoy::start(program, &upstreams, folder.path(), place)).transpose()?;
    let providers = Providers::new(plain, Some((tls, ca)), WARM);
    let gateway = Gateway::prepare(&wanted.binaries, folder.path(), &providers)?;
    let mut daemon = gateway.start_daemon(Place::default())?;
    let mut plane = gateway.start_plane(wanted.proxy_cpu, wanted.first_in_line)?;
    let mut spinning = wanted.spin_us.map(|spin_us| Spinning::start(wanted, spin_us, &providers, folder.path())).transpose()?;
    // From here on on one core; what was started before has its own.
    machine::pin(wanted.load_cpu)?;
    let mut died = None;
    let up = stage.until(PATIENCE, |_| {
        let listeners = [Some(nginx.plain), haproxy.as_ref().map(|haproxy| haproxy.plain), envoy.as_ref().map(|envoy| envoy.plain)];
        let peers = [&mut nginx.process, &mut daemon, &mut plane].into_iter().chain(haproxy.as_mut().map(|haproxy| &mut haproxy.process));
        let peers = peers.chain(envoy.as_mut().map(|envoy| &mut envoy.process));
        let mut peers = peers.chain(spinning.iter_mut().flat_map(|spinning| [&mut spinning.plane, &mut spinning.daemon]));
        died = peers.find_map(|process| process.still_up().err());
        drop(peers);
        let up = || listeners.into_iter().flatten().all(listens) && spinning.as_ref().is_none_or(|spinning| spinning.gateway.ready());
        died.is_some() || (gateway.ready() && up())
    })?;
    match died {
        Some(error) => return Err(error),
        None if !up => return Err(io::Error::other("proxies and Throwover did not come up in time")),
        None => {}
    }
    let gateways = Gateways::start(wanted, &mut stage, plain, folder.path())?;
    // The pool is filled one or two connections a turn.
    stage.run(Duration::from_millis(500))?;
    let first = wanted.first_in_line.then(FirstInLine::take).transpose()?;
    Ok(Scene {
        stage,
        nginx,
        haproxy,
        envoy,
        gateways,
        spinning,
        gateway,
        plane,
        _daemon: daemon,
        sinks: (plain, tls),
        _first: first,
        _folder: folder,
    })
}

/// Somebody listens there.
pub(crate) fn listens(address: SocketAddr) -> bool {
    std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok()
}

/// Measures; returns the text and the same as JSON.
pub(crate) fn run(wanted: &Wanted) -> io::Result<(String, Value)> {
    let mut scene = set(wanted)?;
    eprintln!("throwover-dataplane is process {}, nginx {}", scene.plane.pid(), scene.nginx.process.pid());
    let works = works(&scene)?;
    let mut text = format!("{}\n", machine::described());
    let mut all = Vec::new();
    let mut tables: Vec<Vec<Contestant>> =
        works.iter().map(|(_, ways)| ways.iter().map(|way| Contestant { name: way.name, rounds: Vec::new() }).collect()).collect();
    let mut counted = [0.0; COUNTERS.len()];
    for round in 0..wanted.rounds {
        for ((_, ways), table) in works.iter().zip(&mut tables) {
            // Each round begins with another one, so that none always follows the same.
            for turn in 0..ways.len() {
                let index = (turn + round) % ways.len();
                let before = scene.gateway.meters(&COUNTERS)?;
                let found = measure(&mut scene.stage, wanted, &ways[index])?;
                if ways[index].name == "throwover" {
                    let after = scene.gateway.meters(&COUNTERS)?;
                    counted.iter_mut().zip(after.iter().zip(&before)).for_each(|(sum, (after, before))| *sum += after - before);
                }
                table[index].rounds.push(found);
            }
        }
        eprintln!("round {} of {} done", round + 1, wanted.rounds);
    }
    for ((name, _), table) in works.iter().zip(&tables) {
        let title = format!(
            "{name}: {} B request, {} B answer, {} connections, {} rounds of {} s",
            wanted.request_bytes,
            wanted.answer_bytes,
            wanted.connections,
            wanted.rounds,
            wanted.time.as_secs_f64()
        );
        text.push_str(&format!("\n{}", table::text(&title, table)));
        all.push(table::json(&title, table));
    }
    let notes = scene.gateways.notes();
    text.extend(notes.iter().map(|note| format!("\n{note}")));
    text.push_str(&per_exchange(&counted));
    let counters: serde_json::Map<String, Value> =
        COUNTERS.iter().zip(counted).map(|(name, sum)| ((*name).to_owned(), json!(sum))).collect();
    Ok((text, json!({"machine": machine::described(), "works": all, "notes": notes, "throwover_counters": counters})))
}

/// Who does which work, by its name.
pub(crate) fn works(scene: &Scene) -> io::Result<[(&'static str, Vec<Way>); 2]> {
    let nginx = machine::family(scene.nginx.process.pid())?;
    let ours = [scene.plane.pid()];
    let (log_plain, log_tls) = scene.nginx.logging;
    let mut plain = vec![
        Way::new("direct", scene.sinks.0, canned::MODEL, "", &[]),
        Way::new("nginx", scene.nginx.plain, canned::MODEL, "", &nginx),
        Way::new("nginx, log", log_plain, canned::MODEL, "", &nginx),
    ];
    let mut tls =
        vec![Way::new("nginx", scene.nginx.tls, canned::MODEL, "", &nginx), Way::new("nginx, log", log_tls, canned::MODEL, "", &nginx)];
    if let Some(haproxy) = &scene.haproxy {
        let pids = machine::family(haproxy.process.pid())?;
        plain.push(Way::new("haproxy", haproxy.plain, canned::MODEL, "", &pids));
        tls.push(Way::new("haproxy", haproxy.tls, canned::MODEL, "", &pids));
    }
    if let Some(envoy) = &scene.envoy {
        let pids = [envoy.process.pid()];
        plain.push(Way::new("envoy", envoy.plain, canned::MODEL, "", &pids));
        tls.push(Way::new("envoy", envoy.tls, canned::MODEL, "", &pids));
    }
    for gateway in &scene.gateways.up {
        plain.push(gateway.way()?);
    }
    plain.push(Way::new("throwover", scene.gateway.listen, throwover::PLAIN, throwover::TENANT_KEY, &ours));
    tls.push(Way::new("throwover", scene.gateway.listen, throwover::TLS, throwover::TENANT_KEY, &ours));
    if let Some(spinning) = &scene.spinning {
        let (to, pids) = (spinning.gateway.listen, [spinning.plane.pid()]);
        plain.push(Way::new("throwover, spin", to, throwover::PLAIN, throwover::TENANT_KEY, &pids));
        tls.push(Way::new("throwover, spin", to, throwover::TLS, throwover::TENANT_KEY, &pids));
    }
    Ok([("plain", plain), ("TLS upstream", tls)])
}

/// What the data plane counted, in words.
fn per_exchange(counted: &[f64; COUNTERS.len()]) -> String {
    let per = |index: usize| counted[index] / counted[0].max(1.0);
    let mut text = format!(
        "\nthrowover, for each exchange: {:.3} turns, {:.2} completions, {:.4} times no buffer, {:.4} connections opened\n",
        per(1),
        per(2),
        per(3),
        per(4)
    );
    if counted[5] > 0.0 {
        text.push_str(&format!(
            "throwover dropped {:.2} % of its decision records: not all of its work is in these figures\n",
            per(5) * 100.0
        ));
    }
    text
}

const COUNTERS: [&str; 6] = [
    "exchanges_total",
    "reactor_turns_total",
    "reactor_completions_total",
    "reactor_buffers_starved_total",
    "upstream_connections_total",
    "records_dropped_total",
];

/// What was seen of one contestant for some time.
pub(crate) struct Observed {
    pub(crate) tally: Tally,
    pub(crate) used: Used,
    pub(crate) elapsed: Duration,
    /// Errors in words, those of the warm-up among them; empty for none.
    pub(crate) errors: String,
}

/// Warms up, looks on for so long, and lets what is on its way come in.
pub(crate) fn observe(stage: &mut Stage, plan: Plan, pids: &[u32], time: Duration) -> io::Result<Observed> {
    stage.begin(plan);
    stage.run(WARM_UP)?;
    looked_at(stage, pids, time, 0)
}

/// The same through a contestant: a slow one is given time to answer anything, and to come to rest.
pub(crate) fn observe_way(stage: &mut Stage, way: &Way, asked: &Asked, time: Duration) -> io::Result<Observed> {
    if !way.slow {
        return observe(stage, way.plan(asked), &way.pids, time);
    }
    stage.begin(way.plan(asked));
    stage.run(WARM_UP)?;
    let once = way.answers_min(asked).min(asked.connections as u64);
    stage.until(SLOW_WARM_UP, |stage| stage.load().is_none_or(|load| load.tally.answers + load.tally.errors() >= once))?;
    let found = looked_at(stage, &way.pids, time, way.answers_min(asked))?;
    rest(stage, &way.pids)?;
    Ok(found)
}

/// Looks on for so long, and up to `LONGER` times as long for so many answers.
fn looked_at(stage: &mut Stage, pids: &[u32], time: Duration, answers_min: u64) -> io::Result<Observed> {
    let warm_up_errors = stage.load().map_or(0, |load| load.tally.errors());
    let before = machine::usage(pids)?;
    stage.load().ok_or_else(|| io::Error::other("no load"))?.begin();
    let mut elapsed = stage.run(time)?;
    while elapsed < time * LONGER && stage.load().is_some_and(|load| load.tally.answers + load.tally.errors() < answers_min) {
        elapsed += stage.run(time / 4)?;
    }
    let used = machine::usage(pids)?.since(&before);
    let load = stage.end().ok_or_else(|| io::Error::other("no load"))?;
    // What is still on its way is answered before the next one begins.
    stage.run(Duration::from_millis(20))?;
    let tally = load.tally;
    let mut errors = tally.errors_text();
    if errors.is_empty() && warm_up_errors > 0 {
        errors = format!("{warm_up_errors} errors while it warmed up");
    } else if tally.answers == 0 {
        errors = "no answer".to_owned();
    }
    Ok(Observed { tally, used, elapsed, errors })
}

/// Waits until it has little to do: what it still does for requests that nobody waits for any more
/// would be taken from the next one's core.
fn rest(stage: &mut Stage, pids: &[u32]) -> io::Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < REST_MAX {
        let before = machine::usage(pids)?;
        let elapsed = stage.run(REST_LOOK)?;
        if machine::usage(pids)?.since(&before).run_ns < elapsed.as_nanos() as u64 / 10 {
            return Ok(());
        }
    }
    Ok(())
}

/// One round of one contestant.
pub(crate) fn measure(stage: &mut Stage, wanted: &Wanted, way: &Way) -> io::Result<Round> {
    let asked = Asked {
        request_bytes: wanted.request_bytes,
        answer_bytes: wanted.answer_bytes,
        events: None,
        connections: wanted.connections,
        pace: Pace::Closed,
    };
    let Observed { tally, used, elapsed, errors } = observe_way(stage, way, &asked, wanted.time)?;
    let (busy, held) = way.shares(&used, elapsed);
    Ok(Round {
        cpu_us: (!way.pids.is_empty()).then(|| used.run_ns as f64 / 1e3 / tally.answers.max(1) as f64),
        per_second: tally.answers as f64 / elapsed.as_secs_f64(),
        p50_us: tally.latency.at(0.5),
        p99_us: tally.latency.at(0.99),
        by_thread: used.by_name.iter().map(|(name, nanos)| (name.clone(), *nanos as f64 / 1e3 / tally.answers.max(1) as f64)).collect(),
        busy,
        held,
        errors,
    })
}

/// Folder of the binaries: where this one is.
pub(crate) fn here() -> PathBuf {
    std::env::current_exe().ok().and_then(|path| path.parent().map(Path::to_owned)).unwrap_or_default()
}
