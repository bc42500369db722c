//! The command line.

mod load;

use crate::{
    child, compare, cost, gateways, hedging, idle, inside, machine, outage, peers, reloads, replay, report, run,
    sink::{Answers, Sink},
    soak,
    stage::Stage,
    startup,
    works::{self, Work},
};
use clap::{Args, Parser, Subcommand};
use mock::certs::{Authority, CertificateKind};
use serde_json::{Value, json};
use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

#[derive(Debug, Parser)]
#[command(
    name = "throwover-bench",
    version,
    about = "Load, a sink that costs next to nothing, and side-by-side measurements",
    after_help = "Examples:\n  \
        throwover-bench run --rate 500 --seconds 30 --out runs/today\n  \
        throwover-bench run --through nginx --stream --connections 200 --interval-ms 5\n  \
        throwover-bench report runs/one runs/other --marks faults.txt --out report.html\n  \
        throwover-bench compare runs/before runs/after --fail-above 5\n  \
        throwover-bench compare build/before build/after\n  \
        throwover-bench cost --against bench/costs/base.json --fail-above 2\n  \
        throwover-bench load --sink --seconds 5\n  \
        throwover-bench load --to 127.0.0.1:8080 --key KEY --model MODEL --rate 2000 --seconds 30\n  \
        throwover-bench sink --port 9000 --answer-bytes 2048\n  \
        throwover-bench peers\n  \
        throwover-bench peers --work json-20k,added-500,sse\n  \
        throwover-bench peers --answer-bytes 204800 --connections 16\n  \
        throwover-bench inside --seconds 60\n  \
        throwover-bench reloads --reloads 1000\n  \
        throwover-bench outage\n  \
        throwover-bench hedging --rate 200 --seconds 60\n  \
        throwover-bench soak --minutes 10\n  \
        throwover-bench idle --connections 10000\n  \
        throwover-bench startup\n  \
        throwover-bench publish --routes 10000\n  \
        throwover-bench replay\n  \
        throwover-bench replay --deadline-ms 10000 --rate 10 --days 7 --json\n\n\
        Exit codes: 0 measured, 1 failed or an answer was wrong, 2 usage."
)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Send requests through one of several, check every answer, and keep all that was measured
    Run(Box<run::Line>),
    /// One page with pictures from folders that `run` has written
    Report(report::Line),
    /// Two runs, or two builds of Throwover in turns, with their spread
    Compare(compare::Line),
    /// Nanoseconds and instructions of each verb of codec and engine
    Cost(cost::Line),
    /// Send requests to an address and check every answer
    Load(load::Line),
    /// Answer like a provider, as cheaply as can be
    Sink(SinkLine),
    /// CPU time per request of Throwover, nginx and HAProxy, in turns
    Peers(PeersLine),
    /// What Throwover adds and how long a switch takes, by its own clocks at half of its saturation
    Inside(Box<inside::Line>),
    /// What reloads do to the latency of whoever asks meanwhile
    Reloads(reloads::Line),
    /// What an outage of the first target costs whoever asks meanwhile, at four fifths of saturation
    Outage(outage::Line),
    /// What a second attempt beside a slow first one does to the tail, and how many there are
    Hedging(hedging::Line),
    /// Minutes of a mixed load with churn, failures and reloads, and whether memory grows
    Soak(soak::Line),
    /// Memory of Throwover and nginx with idle connections
    Idle(IdleLine),
    /// Start to ready, and kill to first answer
    Startup(StartupLine),
    /// Publish to adopted, for a policy with many routes
    Publish(PublishLine),
    /// A month of provider incidents in virtual time: what users see with and without failover
    Replay(replay::Line),
    /// Print the month that `replay` plays, as it was made up
    #[command(hide = true)]
    Incidents(replay::IncidentsLine),
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Format {
    /// How it is printed
    #[arg(long, value_enum, default_value_t = Kind::Text)]
    format: Kind,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    Text,
    Json,
}

#[derive(Debug, Args)]
struct SinkLine {
    /// Port on 127.0.0.1; 0 lets the kernel choose
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The same over TLS; needs --tls-dir
    #[arg(long, default_value_t = 0)]
    tls_port: u16,
    /// Folder of the private CA (ca.pem), made on first use
    #[arg(long, value_name = "DIR")]
    tls_dir: Option<PathBuf>,
    /// Size of a completion's body
    #[arg(long, default_value_t = 1024, value_name = "BYTES")]
    answer_bytes: usize,
    /// Events of a stream
    #[arg(long, default_value_t = 50, value_name = "COUNT")]
    events: usize,
    /// Between two events; 0 sends a stream at once
    #[arg(long, default_value_t = 0.0, value_name = "MILLISECONDS")]
    interval_ms: f64,
    /// Processor to run on
    #[arg(long)]
    cpu: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct Places {
    /// Processor of the proxies
    #[arg(long, default_value_t = 0)]
    pub(crate) proxy_cpu: usize,
    /// Processor of load and sink
    #[arg(long, default_value_t = 1)]
    pub(crate) load_cpu: usize,
    /// nginx
    #[arg(long, default_value = "/usr/sbin/nginx", value_name = "FILE")]
    pub(crate) nginx: PathBuf,
    /// Folder of throwover and throwover-dataplane; where this program is, when it is left out
    #[arg(long, value_name = "DIR")]
    pub(crate) binaries: Option<PathBuf>,
    /// Keep configurations and logs in the folder for temporary files
    #[arg(long)]
    pub(crate) keep: bool,
    #[command(flatten)]
    pub(crate) format: Format,
}

/// How long is waited for a host that takes the processors away.
#[derive(Debug, Args)]
pub(crate) struct Patience {
    /// Wait so long at most, before each start or round, until the host leaves the processors alone
    #[arg(long, default_value_t = 120.0, value_name = "SECONDS")]
    patience: f64,
}

impl Patience {
    /// Waits until the host leaves the processors alone.
    pub(crate) fn wait(&self, places: &Places) -> io::Result<()> {
        let most = Duration::try_from_secs_f64(self.patience).map_err(|error| io::Error::other(format!("--patience: {error}")))?;
        let waited = machine::wait_for(&[places.proxy_cpu, places.load_cpu], most)?;
        if waited > Duration::from_secs(1) {
            eprintln!("waited {:.0} s for the host to leave the processors alone", waited.as_secs_f64());
        }
        Ok(())
    }
}

#[derive(Debug, Args)]
struct PeersLine {
    /// Kinds of work, each with figures of its own; CPU time per request, plain and TLS, when it is left out
    #[arg(long, value_enum, value_delimiter = ',', conflicts_with_all = ["all_work", "connections", "request_bytes", "answer_bytes"])]
    work: Vec<Work>,
    /// Every kind of work
    #[arg(long, conflicts_with_all = ["connections", "request_bytes", "answer_bytes"])]
    all_work: bool,
    /// HAProxy; left out where it is not installed
    #[arg(long, default_value = "/usr/sbin/haproxy", value_name = "FILE")]
    haproxy: PathBuf,
    /// Envoy; left out where it is not installed
    #[arg(long, default_value = "/usr/bin/envoy", value_name = "FILE")]
    envoy: PathBuf,
    /// SGLang's router (its program smg); takes part where it is given
    #[arg(long, value_name = "FILE")]
    sglang: Option<PathBuf>,
    /// LiteLLM's proxy (the program litellm of its virtual environment); takes part where it is given
    #[arg(long, value_name = "FILE")]
    litellm: Option<PathBuf>,
    /// Portkey's gateway (the program gateway of its package); takes part where it is given
    #[arg(long, value_name = "FILE")]
    portkey: Option<PathBuf>,
    /// Microseconds that Throwover's shard looks for work before it sleeps, in work that is about it
    #[arg(long, default_value_t = 1_000, value_name = "MICROSECONDS", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    spin_us: u32,
    /// Rounds; proxies take turns within each
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Length of one round
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Connections
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Size of a request's body
    #[arg(long, default_value_t = 1024, value_name = "BYTES")]
    request_bytes: usize,
    /// Size of an answer's body
    #[arg(long, default_value_t = 1024, value_name = "BYTES")]
    answer_bytes: usize,
    /// Run proxies and load before all other work (niceness -20), for machines that are not quiet
    #[arg(long)]
    first_in_line: bool,
    #[command(flatten)]
    places: Places,
}

#[derive(Debug, Args)]
struct IdleLine {
    /// Connections
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    #[command(flatten)]
    places: Places,
}

#[derive(Debug, Args)]
struct StartupLine {
    /// How often
    #[arg(long, default_value_t = 10)]
    runs: usize,
    #[command(flatten)]
    places: Places,
}

#[derive(Debug, Args)]
struct PublishLine {
    /// How often
    #[arg(long, default_value_t = 10)]
    runs: usize,
    /// Routes of the policy
    #[arg(long, default_value_t = 10_000)]
    routes: usize,
    #[command(flatten)]
    places: Places,
}

impl Command {
    /// It takes a place before other work.
    fn first_in_line(&self) -> bool {
        match self {
            Command::Compare(line) => line.first_in_line,
            Command::Inside(line) => line.first_in_line,
            Command::Outage(line) => line.first_in_line,
            Command::Peers(line) => line.first_in_line,
            Command::Reloads(line) => line.first_in_line,
            _ => false,
        }
    }
}

/// Does what the command line says.
pub(crate) fn run() -> io::Result<ExitCode> {
    let command = Line::parse().command;
    if command.first_in_line()
        && let Some(code) = child::in_own_session()?
    {
        return Ok(code);
    }
    match command {
        Command::Run(line) => run::run(&line),
        Command::Report(line) => report::run(&line),
        Command::Compare(line) => compare::run(&line),
        Command::Cost(line) => cost::run(&line),
        Command::Load(line) => load::run(&line),
        Command::Sink(line) => sink(&line),
        Command::Peers(line) => {
            let mut wanted = wanted(&line.places);
            (wanted.rounds, wanted.time, wanted.connections) = (line.rounds, Duration::from_secs_f64(line.seconds), line.connections);
            (wanted.request_bytes, wanted.answer_bytes) = (line.request_bytes, line.answer_bytes);
            wanted.first_in_line = line.first_in_line;
            wanted.haproxy = Some(line.haproxy).filter(|program| program.is_file());
            wanted.envoy = Some(line.envoy).filter(|program| program.is_file());
            let gateways =
                [(gateways::Kind::Sglang, line.sglang), (gateways::Kind::Litellm, line.litellm), (gateways::Kind::Portkey, line.portkey)];
            wanted.gateways = gateways.into_iter().filter_map(|(kind, program)| Some((kind, program?))).collect();
            let works = if line.all_work { works::ALL.to_vec() } else { line.work };
            let found = if works.is_empty() { peers::run(&wanted)? } else { works::run(&wanted, &works, line.spin_us)? };
            print(line.places.format, found)
        }
        Command::Inside(line) => inside::run(&line),
        Command::Reloads(line) => reloads::run(&line),
        Command::Outage(line) => outage::run(&line),
        Command::Hedging(line) => hedging::run(&line),
        Command::Soak(line) => soak::run(&line),
        Command::Idle(line) => print(line.places.format, idle::run(&wanted(&line.places), line.connections)?),
        Command::Startup(line) => print(line.places.format, startup::startup(&timed(line.runs, &line.places))?),
        Command::Replay(line) => replay::run(&line),
        Command::Incidents(line) => Ok(replay::incidents(&line)),
        Command::Publish(line) => print(line.places.format, startup::publish(&timed(line.runs, &line.places), line.routes)?),
    }
}

/// Prints one of the two.
pub(crate) fn print(format: Format, (text, value): (String, Value)) -> io::Result<ExitCode> {
    // A reader that goes away early is an error like any other.
    let mut out = io::stdout().lock();
    if format.json || format.format == Kind::Json {
        writeln!(out, "{value}")?;
    } else {
        write!(out, "{text}")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn timed(runs: usize, places: &Places) -> startup::Wanted {
    startup::Wanted::new(runs, places.proxy_cpu, places.keep, places.binaries.clone())
}

/// What the places say of a measurement.
pub(crate) fn wanted(places: &Places) -> peers::Wanted {
    peers::Wanted {
        rounds: 1,
        time: Duration::from_secs(1),
        connections: 1,
        request_bytes: 1_024,
        answer_bytes: 1_024,
        events: 50,
        interval: Duration::ZERO,
        proxy_cpu: places.proxy_cpu,
        load_cpu: places.load_cpu,
        first_in_line: false,
        keep: places.keep,
        nginx: places.nginx.clone(),
        haproxy: None,
        envoy: None,
        gateways: Vec::new(),
        spin_us: None,
        binaries: places.binaries.clone().unwrap_or_else(peers::here),
    }
}

/// A time of the command line.
pub(crate) fn seconds(value: f64) -> io::Result<Duration> {
    Duration::try_from_secs_f64(value).map_err(|_| io::Error::other(format!("{value} seconds is no time")))
}

fn sink(line: &SinkLine) -> io::Result<ExitCode> {
    machine::raise_files(65_536);
    if let Some(cpu) = line.cpu {
        machine::pin(cpu)?;
    }
    let tls = match &line.tls_dir {
        Some(folder) => {
            let authority = Authority::open(folder).map_err(io::Error::other)?;
            Some((line.tls_port, authority.server_config(CertificateKind::Good).map_err(io::Error::other)?))
        }
        None => None,
    };
    let interval = seconds(line.interval_ms / 1e3)?;
    let mut stage = Stage::new()?;
    stage.place(|poll| Sink::open(&Answers { bytes: line.answer_bytes, events: line.events, interval }, line.port, tls, poll))?;
    let sink = stage.sink().ok_or_else(|| io::Error::other("no sink"))?;
    let (plain, tls) = (sink.address()?.to_string(), sink.tls_address().map(|address| address.to_string()));
    println!("{}", json!({"plain": plain, "tls": tls, "pid": std::process::id()}));
    loop {
        stage.turn(Duration::from_secs(1))?;
    }
}

#[cfg(test)]
mod tests {
    use super::Line;
    use clap::{CommandFactory, Parser};

    #[test]
    fn whoever_takes_a_place_before_others_is_known_before_anything_starts() {
        let program = Line::command();
        let has = |command: &&clap::Command| command.get_arguments().any(|argument| argument.get_id() == "first_in_line");
        let names: Vec<&str> = program.get_subcommands().filter(has).map(clap::Command::get_name).collect();
        assert_eq!(names, ["compare", "peers", "inside", "reloads", "outage"]);
        for name in names {
            let builds: &[&str] = if name == "compare" { &["a", "b"] } else { &[] };
            let words = [&["throwover-bench", name, "--first-in-line"], builds].concat();
            let line = Line::try_parse_from(words).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(line.command.first_in_line(), "{name} would change the place of a session that others use");
        }
    }

    #[test]
    fn the_command_line_is_sound_and_has_examples() {
        let mut command = Line::command();
        command.clone().debug_assert();
        let help = command.render_help().to_string();
        for example in ["throwover-bench peers", "throwover-bench idle", "throwover-bench startup", "throwover-bench publish"] {
            assert!(help.contains(example), "{help}");
        }
    }
}
