//! A steady load that checks every answer: open loop, on a fixed schedule, half of it streams.

use super::{ORDER, http::Connection, stage::CHAIN};
use serde_json::Value;
use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, atomic::AtomicBool},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Connections that ask; each has one request at a time.
const WORKERS: u32 = 48;
/// Requests in a second, over all.
pub(super) const RATE: u32 = 150;
/// Words of every answer of the mock providers, unless told otherwise.
const WORDS: usize = 16;
/// Longer than any exchange of the demonstration's policy may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// One request and what became of it.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// When it was due; a late start counts as waiting.
    pub(super) sent: Instant,
    /// From then to the last byte.
    pub(super) total: Duration,
    /// From then to the first content of a stream.
    pub(super) first_token: Option<Duration>,
    /// It was a stream.
    pub(super) stream: bool,
    /// Which provider's words were in the answer.
    pub(super) provider: String,
    /// The gateway's own time, as it says itself.
    pub(super) overhead_us: Option<u64>,
    /// What was wrong with the answer.
    pub(super) error: Option<String>,
}

/// A load that runs.
#[derive(Debug)]
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    records: Arc<Mutex<Vec<Record>>>,
    workers: Vec<JoinHandle<()>>,
}

/// Starts the load.
pub(super) fn start(gateway: SocketAddr) -> io::Result<Load> {
    let stop = Arc::new(AtomicBool::new(false));
    let records = Arc::new(Mutex::new(Vec::new()));
    let begin = Instant::now();
    let mut workers = Vec::new();
    for worker in 0..WORKERS {
        let (stop, records) = (Arc::clone(&stop), Arc::clone(&records));
        let first = begin + Duration::from_secs(1) * worker / RATE;
        let work = move || work(gateway, worker, first, &stop, &records);
        workers.push(thread::Builder::new().name("load".to_owned()).stack_size(256 * 1024).spawn(work)?);
    }
    Ok(Load { stop, records, workers })
}

impl Load {
    /// A place in the list of records.
    pub(super) fn mark(&self) -> usize {
        self.records.lock().expect("workers do not panic while they hold it").len()
    }

    /// What has ended since a mark.
    pub(super) fn since(&self, mark: usize) -> Vec<Record> {
        self.records.lock().expect("workers do not panic while they hold it")[mark..].to_vec()
    }

    /// Lets every worker finish its request, and returns all records.
    pub(super) fn stop(self) -> Vec<Record> {
        self.stop.store(true, ORDER);
        for worker in self.workers {
            worker.join().expect("workers do not panic");
        }
        std::mem::take(&mut *self.records.lock().expect("workers do not panic while they hold it"))
    }
}

fn work(gateway: SocketAddr, worker: u32, first: Instant, stop: &AtomicBool, records: &Mutex<Vec<Record>>) {
    let interval = Duration::from_secs(1) * WORKERS / RATE;
    let mut connection = None;
    let mut due = first;
    let mut number = worker;
    while !stop.load(ORDER) {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let stream = number.is_multiple_of(2);
        let record = one(gateway, &mut connection, number, stream, due);
        if record.error.is_some() {
            connection = None;
        }
        records.lock().expect("workers do not panic while they hold it").push(record);
        due += interval;
        // Odd, so that each worker alternates between streams and plain answers.
        number = number.wrapping_add(WORKERS + 1);
    }
}

fn one(gateway: SocketAddr, connection: &mut Option<Connection>, number: u32, stream: bool, due: Instant) -> Record {
    let body = format!(r#"{{"model":"{CHAIN}","stream":{stream},"messages":[{{"role":"user","content":"question {number}"}}]}}"#);
    let mut record =
        Record { sent: due, total: Duration::ZERO, first_token: None, stream, provider: String::new(), overhead_us: None, error: None };
    let asked = match connection {
        Some(open) => open.ask("POST", "/v1/chat/completions", body.as_bytes(), has_content),
        None => Connection::open(gateway, PATIENCE)
            .and_then(|open| connection.insert(open).ask("POST", "/v1/chat/completions", body.as_bytes(), has_content)),
    };
    record.total = due.elapsed();
    match asked {
        Ok(answer) => {
            record.first_token = answer.marked.filter(|_| stream).map(|at| at.saturating_duration_since(due));
            record.overhead_us = answer.head.field("x-throwover-overhead-us").and_then(|text| text.parse().ok());
            let text = match answer.head.status {
                200 if stream => stream_text(&answer.body),
                200 => json_text(&answer.body),
                status => Err(format!("status {status}: {}", String::from_utf8_lossy(&answer.body).chars().take(160).collect::<String>())),
            };
            match text.and_then(|text| complete(&text)) {
                Ok(provider) => record.provider = provider,
                Err(why) => record.error = Some(why),
            }
        }
        Err(error) => record.error = Some(format!("connection: {error}")),
    }
    record
}

/// True for a piece of a stream that carries visible text.
fn has_content(part: &[u8]) -> bool {
    let text = String::from_utf8_lossy(part);
    text.lines().filter_map(|line| line.strip_prefix("data:")).any(|data| {
        let event: Value = serde_json::from_str(data.trim()).unwrap_or_default();
        event["choices"][0]["delta"]["content"].as_str().is_some_and(|content| !content.is_empty())
    })
}

/// The text of a stream that has its finish reason and its terminal marker.
fn stream_text(body: &[u8]) -> Result<String, String> {
    let body = std::str::from_utf8(body).map_err(|_| "the stream is no text".to_owned())?;
    let (mut text, mut finished, mut ended) = (String::new(), false, false);
    for data in body.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim) {
        if ended {
            return Err("there are events after the end of the stream".to_owned());
        }
        if data == "[DONE]" {
            ended = true;
            continue;
        }
        let event: Value = serde_json::from_str(data).map_err(|_| "an event is no JSON".to_owned())?;
        if event.get("error").is_some() {
            return Err(format!("error event: {data}"));
        }
        let choice = &event["choices"][0];
        text.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
        finished |= choice["finish_reason"].as_str() == Some("stop");
    }
    match (finished, ended) {
        (true, true) => Ok(text),
        (false, _) => Err("the stream has no finish reason".to_owned()),
        (_, false) => Err("the stream has no end".to_owned()),
    }
}

fn json_text(body: &[u8]) -> Result<String, String> {
    let answer: Value = serde_json::from_slice(body).map_err(|_| "the answer is no JSON".to_owned())?;
    let choice = &answer["choices"][0];
    if choice["finish_reason"].as_str() != Some("stop") {
        return Err("the answer has no finish reason".to_owned());
    }
    choice["message"]["content"].as_str().map(str::to_owned).ok_or_else(|| "the answer has no content".to_owned())
}

/// `openai says: w0 w1 …`, with no word missing, doubled or out of order; returns who said it.
fn complete(text: &str) -> Result<String, String> {
    let (provider, words) = text.split_once(" says:").ok_or_else(|| format!("the answer says nothing: {text:?}"))?;
    let words: Vec<&str> = words.split_whitespace().collect();
    let in_order = words.iter().enumerate().all(|(number, word)| *word == format!("w{number}"));
    if in_order && words.len() == WORDS {
        return Ok(provider.to_owned());
    }
    Err(format!("of {WORDS} words there are {}: {text:?}", words.len()))
}

/// The value below which this share of all lies.
pub(super) fn percentile<T: Copy + Ord>(values: &mut [T], share: f64) -> Option<T> {
    values.sort_unstable();
    let at = ((values.len() as f64 * share).ceil() as usize).clamp(1, values.len().max(1)) - 1;
    values.get(at).copied()
}

#[cfg(test)]
mod tests;
