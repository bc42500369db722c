//! What a second attempt beside a slow first one does to the tail of the time to first token: the same
//! load on two chains over the same two providers, one of which asks twice, in turns.
//!
//! The providers are the project's mock, whose time before the head has a lognormal spread with a heavy
//! tail, as shared models have; nothing of it is a share of the machine's.

use crate::{
    canned::{self, Asking},
    check::Expected,
    child::{Folder, Place},
    commands::{self, Places},
    load::{Pace, Plan},
    machine, peers,
    stage::Stage,
    tally::Times,
    throwover::{self, Gateway, Providers},
    way,
};
use clap::Args;
use mock::{Answers, Config, ProviderConfig, Zoo};
use serde_json::{Value, json};
use std::{io, net::SocketAddr, process::ExitCode, time::Duration};

/// The two chains.
const MODELS: [&str; 2] = ["once", "twice"];
/// So many are known before anything is counted.
const LEARNED: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(30);
/// The p99.9 is to be at most this share of what it was, for at most so many further calls.
const TAIL: f64 = 0.5;
const FURTHER: f64 = 0.03;
const POINTS: [(&str, f64); 4] = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999)];

/// The command line.
#[derive(Debug, Args)]
pub(crate) struct Line {
    /// Streams in a second
    #[arg(long, default_value_t = 200.0, value_name = "PER_SECOND")]
    rate: f64,
    /// Time for each of the two chains, over all turns
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
    /// Turns of each
    #[arg(long, default_value_t = 6)]
    turns: usize,
    /// Median of the providers' time to first token
    #[arg(long, default_value_t = 30, value_name = "MS")]
    median_ms: u64,
    /// Its 99th percentile
    #[arg(long, default_value_t = 900, value_name = "MS")]
    p99_ms: u64,
    /// When the first attempt is slow
    #[arg(long, default_value = "p95")]
    after: String,
    /// Share of the requests that may be sent twice
    #[arg(long, default_value = "2%")]
    budget: String,
    #[command(flatten)]
    places: Places,
}

/// What one of the chains has given.
struct Given {
    first: Times,
    answers: u64,
    attempts: f64,
    errors: Vec<String>,
}

/// Measures and prints; fails when a request was not answered.
pub(crate) fn run(line: &Line) -> io::Result<ExitCode> {
    let time = commands::seconds(line.seconds)?;
    if line.turns == 0 || time.is_zero() || !line.rate.is_finite() || line.rate <= 0.0 || line.median_ms >= line.p99_ms {
        return Err(io::Error::other("--turns, --rate and --seconds are more than 0, and --median-ms is below --p99-ms"));
    }
    let folder = Folder::make(line.places.keep)?;
    let zoo = providers(line)?;
    let at = |name: &str| zoo.addresses().providers[name].address;
    let binaries = line.places.binaries.clone().unwrap_or_else(peers::here);
    let gateway = Gateway::prepare(&binaries, folder.path(), &Providers::new(at("primary"), None, 1))?;
    gateway.write(&policy(line, &gateway, [at("primary"), at("backup")]))?;
    let mut daemon = gateway.start_daemon(Place { cpu: Some(line.places.load_cpu), first: false, last: true })?;
    let mut plane = gateway.start_plane(line.places.proxy_cpu, false)?;
    let mut stage = Stage::new()?;
    if !stage.until(PATIENCE, |_| gateway.ready())? {
        return Err(io::Error::other("Throwover did not come up in time"));
    }
    for model in MODELS {
        part(line, &gateway, &mut stage, model, LEARNED)?;
    }
    let mut given = MODELS.map(|_| Given { first: Times::new(), answers: 0, attempts: 0.0, errors: Vec::new() });
    for turn in 0..line.turns {
        for which in 0..MODELS.len() {
            let index = (turn + which) % MODELS.len();
            let more = part(line, &gateway, &mut stage, MODELS[index], time / line.turns as u32)?;
            given[index].first.add(&more.first);
            given[index].answers += more.answers;
            given[index].attempts += more.attempts;
            given[index].errors.extend(more.errors);
        }
        eprintln!("turn {} of {} done", turn + 1, line.turns);
    }
    plane.still_up().and_then(|()| daemon.still_up())?;
    let won = gateway.meters(&["hedges_total", "hedges_won_total"])?;
    commands::print(line.places.format, told(line, &given, &won))?;
    Ok(if given.iter().all(|given| given.errors.is_empty() && given.answers > 0) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn providers(line: &Line) -> io::Result<Zoo> {
    let fault = format!("latency;ms={};spread=lognormal;p99_ms={}", line.median_ms, line.p99_ms);
    let fault = mock::Fault::parse(&fault).map_err(|error| io::Error::other(error.to_string()))?;
    let named = |name: &str| ProviderConfig {
        answers: Answers { words: 4, ..Answers::default() },
        faults: vec![fault.clone()],
        ..ProviderConfig::named(name)
    };
    let config = Config { providers: ["primary", "backup"].map(named).into(), ..Config::default() };
    Zoo::start(config).map_err(|error| io::Error::other(error.to_string()))
}

fn policy(line: &Line, gateway: &Gateway, at: [SocketAddr; 2]) -> String {
    let provider =
        |name: &str, at: SocketAddr| format!("  {name}: {{endpoint: \"http://{at}/v1\", keys: [\"${{BENCH_PROVIDER_KEY}}\"]}}\n");
    let models = |name: &str| format!("models: [{{provider: primary, model: {name}}}, {{provider: backup, model: {name}}}]");
    format!(
        "version: 1\ngateway: {{listen: \"{}\", admin: \"{}\", shards: 1, drain: 1s}}\n\
         tenants:\n  - {{name: bench, keys: [{{key: \"${{BENCH_TENANT_KEY}}\"}}]}}\nproviders:\n{}{}\
         fallback:\n  chains:\n    - {{name: once, {}}}\n    - {{name: twice, {}, hedge: {{after: {}, budget: {}}}}}\n",
        gateway.listen,
        gateway.admin,
        provider("primary", at[0]),
        provider("backup", at[1]),
        models("once"),
        models("twice"),
        line.after,
        line.budget
    )
}

/// One load from its beginning to its end.
fn part(line: &Line, gateway: &Gateway, stage: &mut Stage, model: &'static str, time: Duration) -> io::Result<Given> {
    let host = gateway.listen.to_string();
    let asking = Asking { path: canned::PATH, host: &host, key: throwover::TENANT_KEY, model, bytes: 512, stream: true };
    let counters = ["attempts_total"];
    let before = gateway.meters(&counters)?;
    stage.begin(Plan {
        to: gateway.listen,
        request: canned::request(&asking),
        expected: Expected::Stream(None),
        connections: (line.rate * 4.0).clamp(64.0, 4_096.0) as usize,
        pace: Pace::Open { per_second: line.rate },
        timeout_ns: way::TIMEOUT_NS,
    });
    stage.run(time)?;
    let gone = || io::Error::other("no load");
    stage.load().ok_or_else(gone)?.stop();
    stage.until(PATIENCE, |stage| stage.load().is_none_or(|load| load.under_way() == 0))?;
    let load = stage.end().ok_or_else(gone)?;
    let after = gateway.meters(&counters)?;
    let tally = load.tally;
    Ok(Given {
        answers: tally.answers,
        attempts: after[0] - before[0],
        errors: Some(tally.errors_text()).filter(|text| !text.is_empty()).into_iter().collect(),
        first: tally.first_event,
    })
}

fn told(line: &Line, given: &[Given; 2], hedges: &[f64]) -> (String, Value) {
    let mut text = format!(
        "{}\n{} streams/s for {} s each, in {} turns; providers with a median of {} ms and a p99 of {} ms to the first token; hedge {{after: {}, budget: {}}}\n",
        machine::described(),
        line.rate,
        line.seconds,
        line.turns,
        line.median_ms,
        line.p99_ms,
        line.after,
        line.budget
    );
    let mut rows = Vec::new();
    for (name, given) in MODELS.iter().zip(given) {
        let points = POINTS.map(|(point, share)| (point, given.first.at(share) / 1e3));
        let shown: Vec<String> = points.iter().map(|(point, ms)| format!("{point} {ms:.0} ms")).collect();
        let calls = given.attempts / given.answers.max(1) as f64;
        text.push_str(&format!("  {name:<6} {}  calls for each request {calls:.4}, {} answers\n", shown.join("  "), given.answers));
        let points: serde_json::Map<String, Value> = points.iter().map(|(point, ms)| (format!("{point}_ms"), json!(ms))).collect();
        rows.push(json!({"chain": name, "first_token": points, "calls": calls, "answers": given.answers, "errors": given.errors}));
    }
    let (tail, further) = (given[1].first.at(0.999) / given[0].first.at(0.999), given[1].attempts / given[1].answers.max(1) as f64 - 1.0);
    let word = |met: bool| if met { "met" } else { "missed" };
    text.push_str(&format!(
        "goal: p99.9 at most {TAIL} of that without: {}, {tail:.2}\ngoal: at most {FURTHER} further calls: {}, {further:.4}\n\
         second attempts: {}, of which {} had something to show first\n",
        word(tail <= TAIL),
        word(further <= FURTHER),
        hedges[0],
        hedges[1]
    ));
    let errors: Vec<&String> = given.iter().flat_map(|given| &given.errors).collect();
    if !errors.is_empty() {
        text.push_str(&format!("requests that failed: {errors:?}\n"));
    }
    let value = json!({
        "machine": machine::described(), "chains": rows, "tail": tail, "further_calls": further,
        "hedges": hedges[0], "hedges_won": hedges[1],
    });
    (text, value)
}
