//! The data plane's process: limits found, policy loaded, shards started, signals obeyed.

use dataplane::{
    admin,
    confine::{self, Rules},
    earlier, handover,
    io::{Instant, Settings, ring},
    link,
    listeners::Listeners,
    process::Process,
    recorder, resolve, service, shard,
    store::Store,
};
use policy::limits;
use std::{
    os::fd::OwnedFd,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Release},
    },
    time::Duration,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const HELP: &str = "\
throwover-dataplane: moves the traffic; `throwover` tells it where

Usage: throwover-dataplane --run DIR --state DIR [--cpus LIST] [--take-over]
       throwover-dataplane --probe

  --run DIR     where the control plane's socket is (link.sock)
  --state DIR   where the last good policy is kept
  --cpus LIST   pin shards to these processors, one each: 0,2 or 0-3
  --take-over   take the listening sockets of the process that serves from DIR now, and its place
                once this one is ready; that one then finishes what is in flight, and ends
  --probe       say whether this machine lets it run, and end
  --version     print the version
  --help        print this

Examples:
  throwover-dataplane --run /run/throwover --state /var/lib/throwover
  throwover-dataplane --run /tmp/t/run --state /tmp/t/state --cpus 1-3

Signals: TERM and INT drain and end (twice: at once); HUP asks the control plane to load the policy
again; USR1 opens the access log anew.

Exit codes: 0 drained and ended, 1 something stands in the way and is said, 2 usage.
";

/// What the command line asks for.
enum Wish {
    Serve(Arguments),
    Probe,
    /// It was printed already.
    Nothing,
}

struct Arguments {
    run: PathBuf,
    state: PathBuf,
    cpus: Option<Vec<usize>>,
    take_over: bool,
}

fn main() -> ExitCode {
    let started = Instant::now();
    let ended = match arguments(std::env::args().skip(1)) {
        Ok(Wish::Serve(arguments)) => run(&arguments, started),
        Ok(Wish::Probe) => probe(),
        Ok(Wish::Nothing) => return ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("throwover-dataplane: {complaint}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match ended {
        Ok(code) => code,
        Err(complaint) => {
            eprintln!("throwover-dataplane: {complaint}");
            ExitCode::FAILURE
        }
    }
}

fn arguments(mut words: impl Iterator<Item = String>) -> Result<Wish, String> {
    let (mut run, mut state, mut cpus, mut take_over) = (None, None, None, false);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} wants a value"));
        match word.as_str() {
            "--help" | "-h" => {
                print!("{HELP}");
                return Ok(Wish::Nothing);
            }
            "--version" | "-V" => {
                println!("throwover-dataplane {}", env!("CARGO_PKG_VERSION"));
                return Ok(Wish::Nothing);
            }
            "--probe" => return Ok(Wish::Probe),
            "--run" => run = Some(PathBuf::from(value()?)),
            "--state" => state = Some(PathBuf::from(value()?)),
            "--cpus" => cpus = Some(processors(&value()?)?),
            "--take-over" => take_over = true,
            other => return Err(format!("there is no argument {other:?}")),
        }
    }
    let run = run.ok_or("--run is missing: the folder where the control plane's socket is")?;
    let state = state.ok_or("--state is missing: the folder where the last good policy is kept")?;
    Ok(Wish::Serve(Arguments { run, state, cpus, take_over }))
}

fn processors(list: &str) -> Result<Vec<usize>, String> {
    let number = |text: &str| text.parse::<usize>().map_err(|_| format!("--cpus {list:?}: {text:?} is not a number; write 0,2 or 0-3"));
    let mut cpus = Vec::new();
    for part in list.split(',') {
        match part.split_once('-') {
            None => cpus.push(number(part)?),
            Some((first, last)) => cpus.extend(number(first)?..=number(last)?),
        }
    }
    if cpus.is_empty() || cpus.len() > 1_024 { Err(format!("--cpus {list:?} names no processor, or too many")) } else { Ok(cpus) }
}

/// Says what stands in the way here, or that nothing does; `throwover doctor` asks.
fn probe() -> Result<ExitCode, String> {
    let found = ring::probe::probe().map_err(|obstacle| obstacle.to_string())?;
    let cage = confine::version().map_or_else(|absent| absent.to_string(), |version| format!("Landlock {version}"));
    println!("works on Linux {}; {cage}", found.kernel);
    Ok(ExitCode::SUCCESS)
}

fn run(arguments: &Arguments, started: Instant) -> Result<ExitCode, String> {
    confine::seal().map_err(|errno| format!("the memory of this process cannot be kept to itself: {errno}"))?;
    // Huge pages would hold 17 MB more at the start, and 11 MB more with 10,000 idle connections, and
    // save no time that could be measured. A kernel without them needs no telling.
    rustix::thread::disable_transparent_huge_pages(true).ok();
    let capabilities = ring::probe::probe().map_err(|obstacle| obstacle.to_string())?;
    let process = Arc::new(Process::new(started));
    let reopen = Arc::new(AtomicBool::new(false));
    let rules = Rules::of(&arguments.run, &arguments.state);
    let resolver = begin(arguments, &process, &rules, &reopen)?;
    let Some(gateway) = first_policy(&process) else { return Ok(ExitCode::SUCCESS) };
    let shards = match (gateway.shards, &arguments.cpus) {
        (0, Some(cpus)) => cpus.len(),
        (0, None) => std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1)),
        (shards, _) => usize::from(shards),
    };
    process.seat(shards);
    resolver.repeat();
    let mut inherited = service::sockets()?;
    let taken = if arguments.take_over { Some(handover::take(&arguments.run, PREDECESSOR_WITHIN)?) } else { None };
    let taken = taken.map(|mut taken| {
        inherited.append(&mut taken.sockets);
        taken
    });
    let sockets = Listeners::open(&gateway, shards, inherited)?;
    let service = Arc::new(service::Service::find()?);
    enter(&rules.and_log(&gateway.access_log));
    if let Some(listener) = sockets.admin {
        admin::start(process.clone(), listener).map_err(|error| format!("the admin listener: {error}"))?;
    }
    process.set_listen(sockets.bound.clone());
    attend(&process, service.clone(), taken, arguments.run.clone(), sockets.spare)
        .map_err(|error| format!("no thread for the service: {error}"))?;
    earlier::start(process.clone()).map_err(|error| format!("no thread for earlier answers: {error}"))?;
    let recorder = recorder::start(process.clone(), gateway.access_log.clone(), reopen)?;
    let settings = capabilities.fit(
        Settings {
            connections: gateway.connections_max.div_ceil(shards as u32).saturating_mul(2),
            downstream_max: gateway.connections_max.div_ceil(shards as u32),
            spin: Duration::from_micros(u64::from(gateway.spin_us)),
            ..Settings::default()
        },
        shards,
    );
    let budget = (gateway.body_memory_bytes as usize / shards).max(limits::BLOCK_BYTES);
    let mut threads = Vec::with_capacity(shards);
    for (index, sockets) in sockets.by_shard.into_iter().enumerate() {
        let cpu = arguments.cpus.as_ref().map(|cpus| cpus[index % cpus.len()]);
        let process = process.clone();
        let thread = ring::host::launch(cpu, settings.clone(), move |io| shard::main(io, process, index, budget, sockets));
        threads.push(thread.map_err(|error| format!("no thread for a shard: {error}"))?);
    }
    let mut refused = None;
    for thread in threads {
        match thread.join() {
            Ok(ring::host::Ended::Refused(obstacle)) => refused = Some(obstacle.to_string()),
            Ok(ring::host::Ended::Drained | ring::host::Ended::Cut) => {}
            Err(_) => refused = Some("a shard broke one of its own invariants".to_owned()),
        }
    }
    // A drain may be over before anybody has looked.
    service.stopping();
    if dataplane::spending::is_counted(&process) {
        process.end();
        for _ in 0..LAST_WORD_LOOKS {
            if process.has_told_last() {
                break;
            }
            std::thread::sleep(LOOK);
        }
    }
    recorder.finish();
    refused.map_or(Ok(ExitCode::SUCCESS), Err)
}

/// Starts the threads that there are before the first policy, and restores that. They are in the
/// cage from their start: it holds for a thread and whom it starts, so that one starts them which is
/// in it; this one still has ports to bind, and an access log to be told of.
fn begin(arguments: &Arguments, process: &Arc<Process>, rules: &Rules, reopen: &Arc<AtomicBool>) -> Result<resolve::Resolver, String> {
    let begin = || {
        // Whether it could enter is said of the whole process, once, by `enter`.
        rules.enforce().ok();
        let resolver = resolve::start(process.clone()).map_err(|error| format!("no thread for names: {error}"))?;
        let store = Store::new(arguments.state.clone());
        restore(process, &resolver, &store);
        let reload = Arc::new(AtomicBool::new(false));
        obey_signals(process, &reload, reopen).map_err(|error| format!("no signals: {error}"))?;
        let socket = arguments.run.join("link.sock");
        let drained = process.clone();
        let drain = Box::new(move |grace| drained.drain(grace));
        link::start(link::Link { process: process.clone(), resolver: resolver.clone(), store, socket, reload, drain })
            .map_err(|error| format!("no thread for the link: {error}"))?;
        Ok(resolver)
    };
    std::thread::scope(|scope| scope.spawn(begin).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

/// Enters the cage, with every thread that is started from now on. A gateway without one serves as
/// well as it did before there were any, and says so.
fn enter(rules: &Rules) {
    match rules.enforce() {
        Ok(version) => eprintln!("throwover-dataplane: confined by Landlock {version}"),
        Err(absent) => eprintln!("throwover-dataplane: not confined: {absent}; everything else goes on"),
    }
}

/// Serves the last good policy, when there is one.
fn restore(process: &Process, resolver: &resolve::Resolver, store: &Store) {
    let restored = store.load().map_err(|error| error.to_string()).and_then(|kept| match kept {
        None => Ok(()),
        Some((image, secrets)) => link::adopt(process, resolver, &image, &secrets).map(|policy| process.current.store(policy)),
    });
    if let Err(complaint) = restored {
        eprintln!("throwover-dataplane: the last good policy is of no use ({complaint}); waiting for the control plane");
    }
}

/// Waits for a policy to serve; `None` when told to end before.
fn first_policy(process: &Process) -> Option<policy::Gateway> {
    loop {
        if let Some(policy) = process.current.load() {
            return Some(policy.gateway.clone());
        }
        if process.draining() {
            return None;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn obey_signals(process: &Arc<Process>, reload: &Arc<AtomicBool>, reopen: &Arc<AtomicBool>) -> std::io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1])?;
    let (process, reload, reopen) = (process.clone(), reload.clone(), reopen.clone());
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            match signal {
                SIGHUP => reload.store(true, Release),
                SIGUSR1 => reopen.store(true, Release),
                _ if process.draining() => std::process::exit(1),
                _ => process.drain(None),
            }
        }
    })?;
    Ok(())
}

/// A process whose place is taken may have started itself this moment.
const PREDECESSOR_WITHIN: Duration = Duration::from_secs(3);
/// Looks at whether the control plane has heard what was spent at the very end; then it is lost.
const LAST_WORD_LOOKS: u32 = 50;
/// Between two looks at whether the process is ready, and every shard alive.
const LOOK: Duration = Duration::from_millis(5);

/// Tells the service manager, and the process whose place this one takes, when traffic may come; and
/// goes on with signs of life, as long as every shard gives some.
fn attend(
    process: &Arc<Process>,
    service: Arc<service::Service>,
    taken: Option<handover::Taken>,
    run: PathBuf,
    sockets: Vec<OwnedFd>,
) -> std::io::Result<()> {
    let process = process.clone();
    std::thread::Builder::new().name("service".to_owned()).spawn(move || {
        while !process.ready() && !process.draining() {
            std::thread::sleep(LOOK);
        }
        if let Some(Err(error)) = taken.map(handover::Taken::serve) {
            eprintln!("throwover-dataplane: the process before this one did not answer ({error}); this one serves");
        }
        if let Err(error) = handover::offer(process.clone(), &run, sockets) {
            eprintln!("throwover-dataplane: no process can take over from this one: {error}");
        }
        service.ready(process.current.generation());
        live(&process, &service);
    })?;
    Ok(())
}

/// Signs of life until the process ends.
fn live(process: &Process, service: &service::Service) {
    let pause = service.watchdog().map_or(Duration::from_millis(500), |within| within / 4);
    let ticks = || process.seats().iter().map(|seat| seat.ticks()).collect::<Vec<_>>();
    let mut before = ticks();
    let mut stopping = false;
    loop {
        std::thread::sleep(pause.max(2 * shard::TICK_EVERY));
        if process.draining() && !std::mem::replace(&mut stopping, true) {
            service.stopping();
        }
        let now = ticks();
        let moved = process.seats().iter().zip(now.iter().zip(&before)).all(|(seat, (now, before))| seat.finished() || now != before);
        if moved && service.watchdog().is_some() {
            service.alive();
        }
        before = now;
    }
}
