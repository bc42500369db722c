//! Load towards an address, or towards a sink in the same thread; nothing else is started.

use super::Format;
use crate::{
    canned::{self, Asking},
    check::Expected,
    load::{Load, Pace, Plan},
    machine,
    sink::{Answers, Sink},
    stage::Stage,
};
use clap::Args;
use serde_json::json;
use std::{
    io,
    net::SocketAddr,
    process::ExitCode,
    time::{Duration, Instant},
};

/// Requests that are under way at the end are waited for no longer than this.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// The command line.
#[derive(Debug, Args)]
pub(super) struct Line {
    /// Where to
    #[arg(long, value_name = "ADDRESS", required_unless_present = "sink")]
    to: Option<SocketAddr>,
    /// Send to a sink in this very thread: what load and sink can do without a proxy
    #[arg(long, conflicts_with = "to")]
    sink: bool,
    /// Connections
    #[arg(long, default_value_t = 64, value_name = "COUNT")]
    connections: usize,
    /// Requests in a second by a fixed schedule; without it each connection asks as soon as it is answered
    #[arg(long, value_name = "PER_SECOND")]
    rate: Option<f64>,
    /// How long
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// How long before anything is counted
    #[arg(long, default_value_t = 0.5, value_name = "SECONDS")]
    warm_up: f64,
    /// Size of a request's body
    #[arg(long, default_value_t = 1024, value_name = "BYTES")]
    request_bytes: usize,
    /// Compare every answer with that of a sink with this size; without it only its shape is checked
    #[arg(long, value_name = "BYTES")]
    answer_bytes: Option<usize>,
    /// Ask for streams
    #[arg(long)]
    stream: bool,
    /// Compare every stream with that of a sink with so many events
    #[arg(long, value_name = "COUNT", requires = "stream")]
    events: Option<usize>,
    /// Key of the tenant
    #[arg(long, default_value = "", hide_default_value = true)]
    key: String,
    /// Model that is asked for
    #[arg(long, default_value = canned::MODEL)]
    model: String,
    /// A request that takes longer is an error
    #[arg(long, default_value_t = 30.0, value_name = "SECONDS")]
    timeout: f64,
    /// Processor to run on
    #[arg(long)]
    cpu: Option<usize>,
    #[command(flatten)]
    format: Format,
}

/// Sends, prints, and fails when an answer was wrong.
pub(super) fn run(line: &Line) -> io::Result<ExitCode> {
    if line.connections == 0 || line.rate.is_some_and(|rate| rate.is_nan() || rate <= 0.0) {
        return Err(io::Error::other("--connections and --rate must be more than 0"));
    }
    machine::raise_files(2 * line.connections as u64 + 256);
    if let Some(cpu) = line.cpu {
        machine::pin(cpu)?;
    }
    let mut stage = Stage::new()?;
    let to = match line.to {
        Some(to) => to,
        None => {
            let answers =
                Answers { bytes: line.answer_bytes.unwrap_or(1_024), events: line.events.unwrap_or(50), interval: Duration::ZERO };
            stage.place(|poll| Sink::open(&answers, 0, None, poll))?;
            stage.sink().ok_or_else(|| io::Error::other("no sink"))?.address()?
        }
    };
    let expected = match (line.stream, line.answer_bytes, line.events) {
        (true, _, events) => Expected::Stream(events.map(|events| canned::stream(events).into())),
        (false, bytes, _) => Expected::Json(bytes.map(canned::completion)),
    };
    let host = to.to_string();
    let asking =
        Asking { path: canned::PATH, host: &host, key: &line.key, model: &line.model, bytes: line.request_bytes, stream: line.stream };
    stage.begin(Plan {
        to,
        request: canned::request(&asking),
        expected,
        connections: line.connections,
        pace: line.rate.map_or(Pace::Closed, |per_second| Pace::Open { per_second }),
        timeout_ns: super::seconds(line.timeout)?.as_nanos() as u64,
    });
    stage.run(super::seconds(line.warm_up)?)?;
    let begun = Instant::now();
    stage.load().ok_or_else(|| io::Error::other("no load"))?.begin();
    stage.run(super::seconds(line.seconds)?)?;
    stage.load().ok_or_else(|| io::Error::other("no load"))?.stop();
    stage.until(LAST_ANSWERS, |stage| stage.load().is_none_or(|load| load.under_way() == 0))?;
    let elapsed = begun.elapsed();
    let load: Load = stage.end().ok_or_else(|| io::Error::other("no load"))?;
    let unanswered = load.under_way();
    let mut value = load.tally.json(elapsed);
    value["unanswered"] = json!(unanswered);
    let mut text = load.tally.text(elapsed);
    if unanswered > 0 {
        text.push_str(&format!("{unanswered} requests had no answer yet when it ended\n"));
    }
    super::print(line.format, (text, value))?;
    Ok(if load.tally.errors() == 0 && unanswered == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
