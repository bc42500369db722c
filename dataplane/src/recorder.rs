//! The recorder: a thread off the hot cores that writes down what the shards did.
//!
//! It empties their rings into the access log, as JSON lines that hold reasons, ids, counts and
//! times, and nothing of any content; frees policies that nobody serves any more; watches breakers
//! and readiness, and tells of changes.

use crate::{
    current::Policy,
    io::Instant,
    ledger::Entry,
    process::{self, Process},
    stats::{breaker_cause, breaker_word},
    surface::Surface,
};
use codec::json::escape_into;
use engine::{
    Moment,
    account::{Record, Summary},
    breaker::Seat,
    exchange::{Skip, Struck, Trail, trail::End},
};
use policy::{KeyId, Money, limits, wire::Event};
use std::{
    collections::{HashMap, VecDeque},
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::AcqRel, Ordering::Acquire, Ordering::Release},
    },
    thread::JoinHandle,
    time::Duration,
};

/// Sleep after a round that found much …
const BUSY: Duration = Duration::from_millis(12);
/// … and after one that found nothing.
const QUIET: Duration = Duration::from_millis(20);
/// Entries of one shard that are written in one round.
const BATCH: usize = 2_048;
/// Policies remembered to name what older exchanges refer to.
const GENERATIONS: usize = 8;
/// Lines are written to the file when so many bytes have come together, or a round ends.
const BUFFER_BYTES: usize = 256 * 1024;
/// A provider that cannot be reached does not keep the process from being ready for longer.
const WARM_MS_MAX: u64 = 2_000;

/// The thread, to be ended.
pub struct Recorder {
    thread: JoinHandle<()>,
    end: Arc<AtomicBool>,
}

impl Recorder {
    /// Writes down what is left, and ends.
    pub fn finish(self) {
        self.end.store(true, Release);
        if self.thread.join().is_err() {
            eprintln!("throwover-dataplane: the recorder broke one of its own invariants; the last records are lost");
        }
    }
}

/// Starts the thread. `path` is the access log; empty is standard error, `off` none. It is opened
/// anew when `reopen` is set.
///
/// # Errors
/// The access log cannot be opened: which, and why.
pub fn start(process: Arc<Process>, path: String, reopen: Arc<AtomicBool>) -> Result<Recorder, String> {
    let end = Arc::new(AtomicBool::new(false));
    let log = Log::open(path)?;
    let state = State {
        process,
        log,
        policies: VecDeque::new(),
        breakers: Vec::new(),
        accounts: HashMap::new(),
        policy_since: None,
        out: Vec::new(),
    };
    let ending = end.clone();
    let thread = std::thread::Builder::new()
        .name("recorder".to_owned())
        .spawn(move || state.run(&ending, &reopen))
        .map_err(|error| format!("no thread for the recorder: {error}"))?;
    Ok(Recorder { thread, end })
}

struct Log {
    path: String,
    file: Option<File>,
    /// The file may end within a line: what is written next must begin another.
    torn: bool,
}

impl Log {
    fn open(path: String) -> Result<Log, String> {
        let mut log = Log { path, file: None, torn: false };
        log.reopen().map_err(|error| format!("the access log {} cannot be opened: {error}", log.path))?;
        Ok(log)
    }

    fn reopen(&mut self) -> std::io::Result<()> {
        if !self.path.is_empty() && self.path != "off" {
            let file = OpenOptions::new().create(true).append(true).open(&self.path)?;
            self.torn = ends_within_a_line(&self.path);
            self.file = Some(file);
        }
        Ok(())
    }

    fn off(&self) -> bool {
        self.path == "off"
    }

    /// Appends whole lines, with one write.
    fn write(&mut self, lines: &[u8]) {
        let Some(file) = &mut self.file else {
            // Nobody reads standard error: there is nobody left to tell.
            drop(std::io::stderr().write_all(lines));
            return;
        };
        let mended = if self.torn { file.write_all(b"\n") } else { Ok(()) };
        // A full disk must not stop traffic, nor fill standard error with the same complaint. It may
        // have taken a part of a line.
        self.torn = mended.and_then(|()| file.write_all(lines)).is_err();
    }
}

/// Whether the last writer of the file died within a line. What cannot be read again, such as a pipe,
/// has nothing to tear.
fn ends_within_a_line(path: &str) -> bool {
    let last = || {
        if !std::fs::metadata(path)?.is_file() {
            return Ok(None);
        }
        let mut file = File::open(path)?;
        if file.seek(SeekFrom::End(0))? == 0 {
            return Ok(None);
        }
        file.seek(SeekFrom::End(-1))?;
        let mut byte = [0];
        file.read_exact(&mut byte)?;
        std::io::Result::Ok(Some(byte[0]))
    };
    // A log that may be written and not be read is judged whole, as it nearly always is.
    last().is_ok_and(|byte| byte.is_some_and(|byte| byte != b'\n'))
}

struct State {
    process: Arc<Process>,
    log: Log,
    policies: VecDeque<Arc<Policy>>,
    /// State of each target's breaker when last looked at, by id.
    breakers: Vec<&'static str>,
    /// The same of each account, by its credential's id, where a provider has several.
    accounts: HashMap<KeyId, &'static str>,
    policy_since: Option<Instant>,
    out: Vec<u8>,
}

impl State {
    fn run(mut self, end: &AtomicBool, reopen: &AtomicBool) {
        process::step_back();
        loop {
            // Read first: what was pushed before the end was asked for is then written below.
            let ending = end.load(Acquire);
            if reopen.swap(false, AcqRel)
                && let Err(error) = self.log.reopen()
            {
                eprintln!("throwover-dataplane: the access log {} cannot be opened anew: {error}", self.log.path);
            }
            self.remember();
            let count = self.write_down();
            self.process.current.sweep();
            self.watch();
            if ending && count == 0 {
                return;
            }
            // A full batch: more waits, and there was no processor for this thread for a while.
            if count < BATCH {
                std::thread::sleep(if count > 64 { BUSY } else { QUIET });
            }
        }
    }

    /// Keeps the newest policies, to turn ids into names.
    fn remember(&mut self) {
        let Some(policy) = self.process.current.load() else { return };
        if self.policies.back().is_none_or(|last| last.generation != policy.generation) {
            if self.policies.len() >= GENERATIONS {
                self.policies.pop_front();
            }
            self.policies.push_back(policy);
        }
    }

    fn write_down(&mut self) -> usize {
        let mut count = 0;
        let process = self.process.clone();
        for seat in process.seats() {
            for _ in 0..BATCH {
                let Some(entry) = seat.ledger.pop() else { break };
                count += 1;
                if !self.log.off() {
                    self.line(&entry);
                }
                if self.out.len() >= BUFFER_BYTES {
                    self.flush();
                }
            }
        }
        self.flush();
        count
    }

    fn flush(&mut self) {
        if !self.out.is_empty() {
            self.log.write(&self.out);
            self.out.clear();
        }
    }

    fn line(&mut self, entry: &Entry) {
        let policy = self.policies.iter().rev().find(|policy| policy.generation == entry.generation).map(AsRef::as_ref);
        write_line(&mut self.out, entry, policy);
    }

    /// Tells when traffic may come, and when a breaker changes.
    fn watch(&mut self) {
        let process = self.process.clone();
        let now = Instant::now();
        let Some(policy) = self.policies.back().cloned() else { return };
        let since = *self.policy_since.get_or_insert(now);
        if !process.ready() && !process.draining() && !process.seats().is_empty() {
            let listening = process.seats().iter().all(|seat| seat.listening());
            // A warm connection makes the process ready at once, by the shard that has it.
            let after_us = now.micros_since(process.started);
            if listening && now.millis_since(since) >= WARM_MS_MAX && process.set_ready(after_us) {
                tell(&process, "ready", vec![("after_us".to_owned(), after_us.to_string())]);
            }
        }
        self.breakers.resize(policy.targets.slots(), "closed");
        for (id, target) in policy.targets.iter() {
            let seat = &process.board.target(id).breaker;
            let word = breaker_word(seat, Moment(now.0));
            let before = std::mem::replace(&mut self.breakers[id.0 as usize], word);
            if before != word {
                let mut details = vec![("target".to_owned(), target.name.clone())];
                details.extend(change(seat, before, word));
                tell(&process, "breaker", details);
            }
        }
        self.watch_accounts(&process, &policy, now);
    }

    /// Tells when the breaker of an account changes.
    fn watch_accounts(&mut self, process: &Process, policy: &Policy, now: Instant) {
        for (_, provider) in policy.providers.iter().filter(|(_, provider)| provider.keys.len() > 1) {
            for key in &provider.keys {
                let seat = &process.board.standing(key.id).breaker;
                let word = breaker_word(seat, Moment(now.0));
                let before = self.accounts.insert(key.id, word).unwrap_or("closed");
                if before != word {
                    let detail = |name: &str, value: &str| (name.to_owned(), value.to_owned());
                    let mut details = vec![detail("provider", &provider.name), detail("key", &key.id.0.to_string())];
                    details.extend(change(seat, before, word));
                    tell(process, "breaker", details);
                }
            }
        }
    }
}

/// What a breaker was, what it is, and why, where it opened.
fn change(seat: &Seat, before: &str, word: &str) -> impl Iterator<Item = (String, String)> {
    let cause = if word == "open" { breaker_cause(seat) } else { "" };
    let details = [("from", before), ("to", word), ("cause", cause)];
    details.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().filter(|(_, value)| !value.is_empty())
}

fn tell(process: &Process, kind: &str, details: Vec<(String, String)>) {
    let at_us = crate::io::Wall::now().0;
    // A full queue lets the oldest event go; the newest is the one worth having.
    process.tell(Event { at_us, kind: kind.to_owned(), details });
}

/// The name of a member, with what stands before and behind it.
macro_rules! key {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}

/// One JSON line: what came of a request, and why.
fn write_line(out: &mut Vec<u8>, entry: &Entry, policy: Option<&Policy>) {
    out.extend_from_slice(b"{\"at_us\":");
    number(out, entry.at_us);
    out.extend_from_slice(b",\"request\":\"");
    entry.id.write(out);
    out.push(b'"');
    member(out, key!("generation"), entry.generation);
    if let Some(tenant) = entry.tenant {
        text(out, key!("tenant"), policy.and_then(|policy| policy.tenants.get(tenant)).map_or("?", |tenant| &tenant.name));
    }
    if let Some(surface) = entry.surface {
        word(out, key!("surface"), Surface::path(surface));
    }
    if !entry.model.as_str().is_empty() {
        text(out, key!("model"), entry.model.as_str());
    }
    member(out, key!("status"), u64::from(entry.status));
    if !entry.code.is_empty() {
        word(out, key!("code"), entry.code);
    }
    if let Some(record) = &entry.record {
        write_record(out, record, policy);
    }
    out.extend_from_slice(b"}\n");
}

fn write_record(out: &mut Vec<u8>, record: &Record, policy: Option<&Policy>) {
    let name = |id| policy.and_then(|policy| policy.targets.get(id)).map_or("?", |target| target.name.as_str());
    word(out, key!("outcome"), record.outcome.word());
    text(out, key!("chain"), policy.and_then(|policy| policy.chains.get(record.chain)).map_or("?", |chain| &chain.name));
    if let Some(ending) = record.measures.ending {
        word(out, key!("finish"), ending.word());
    }
    member(out, key!("stream"), u64::from(record.stream));
    member(out, key!("total_us"), record.total_ns / 1_000);
    member(out, key!("overhead_ns"), record.measures.overhead_ns);
    member(out, key!("tokens_in"), u64::from(record.measures.tokens_in));
    member(out, key!("tokens_out"), u64::from(record.measures.tokens_out));
    member(out, key!("bytes_in"), record.measures.bytes_in);
    member(out, key!("bytes_out"), record.measures.bytes_out);
    let measures = &record.measures;
    if measures.priced {
        amount(out, key!("cost_usd"), measures.cost);
        amount(out, key!("failed_cost_usd"), measures.failed_cost);
    }
    if let failed_us @ 1.. = record.failed_us() {
        member(out, key!("failed_ms"), failed_us / 1_000);
    }
    if let Some(compacted) = &record.measures.compacted {
        out.extend_from_slice(b",\"compacted\":{\"messages\":");
        number(out, compacted.turns.into());
        member(out, key!("tool_results"), compacted.outcomes.into());
        member(out, key!("tokens"), compacted.bytes / limits::BYTES_PER_TOKEN);
        out.push(b'}');
    }
    if let Some(summary) = &record.summary {
        write_summary(out, summary, summary.target.map(name), record);
    }
    out.extend_from_slice(b",\"attempts\":[");
    for (index, attempt) in record.attempts().iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_attempt(out, attempt, name(record.target(attempt)));
    }
    out.extend_from_slice(b"],\"skipped\":[");
    let mut first = true;
    for (target, skip) in record.candidates() {
        let Some(skip) = skip else { continue };
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"target\":\"");
        escape_into(out, name(target));
        out.push(b'"');
        word(out, key!("why"), skip.word());
        if let Skip::BreakerOpen { for_ms } | Skip::Paused { for_ms } | Skip::KeyLimit { for_ms } | Skip::Spent { for_ms } = skip {
            member(out, key!("for_ms"), u64::from(for_ms));
        }
        if let Skip::Warming { permille } = skip {
            member(out, key!("share_permille"), u64::from(permille));
        }
        if let Skip::TooSlow { usual_ms } = skip {
            member(out, key!("usual_ms"), u64::from(usual_ms));
        }
        if let Skip::Silent { silent_ms } = skip {
            member(out, key!("silent_ms"), u64::from(silent_ms));
        }
        if let Skip::Degraded { reason } = skip {
            word(out, key!("reason"), reason.word());
        }
        if let Skip::Lacks(needs) = skip {
            for (index, need) in needs.words().enumerate() {
                out.extend_from_slice(if index == 0 { b",\"lacks\":[\"" } else { b"\",\"" });
                out.extend_from_slice(need.as_bytes());
            }
            out.extend_from_slice(b"\"]");
        }
        out.push(b'}');
    }
    out.push(b']');
}

/// What was asked for in the place of what was left out of a prompt.
fn write_summary(out: &mut Vec<u8>, summary: &Summary, target: Option<&str>, record: &Record) {
    out.extend_from_slice(b",\"summary\":{\"ms\":");
    number(out, summary.ms.into());
    if let Some(target) = target {
        text(out, key!("target"), target);
    }
    if summary.why.is_empty() {
        member(out, key!("bytes"), summary.bytes.into());
        // The last attempt may have had no room for it.
        let stands = record.measures.compacted.is_some_and(|compacted| compacted.summary > 0);
        member(out, key!("used"), stands.into());
    } else {
        word(out, key!("why"), summary.why);
    }
    member(out, key!("tokens_in"), summary.tokens_in.into());
    member(out, key!("tokens_out"), summary.tokens_out.into());
    if record.measures.priced {
        amount(out, key!("cost_usd"), summary.cost);
    }
    out.push(b'}');
}

fn write_attempt(out: &mut Vec<u8>, attempt: &Trail, target: &str) {
    out.extend_from_slice(b"{\"target\":\"");
    escape_into(out, target);
    out.push(b'"');
    let end = match attempt.end {
        End::Running => "running",
        End::Answered => "answered",
        End::Abandoned => "abandoned",
        End::Stale => "stale",
        End::Outrun => "outrun",
        End::Failed(class) => class.word(),
    };
    word(out, key!("end"), end);
    if !attempt.detail().is_empty() {
        word(out, key!("detail"), attempt.detail());
    }
    if attempt.status != 0 {
        member(out, key!("status"), u64::from(attempt.status));
    }
    if let Some(key) = attempt.key() {
        member(out, key!("key"), u64::from(key.0));
    }
    let times = [
        (key!("begun_us"), attempt.begun_us),
        (key!("sent_us"), attempt.sent_us),
        (key!("head_us"), attempt.head_us),
        (key!("token_us"), attempt.token_us),
        (key!("end_us"), attempt.end_us),
    ];
    for (key, value) in times {
        if value != 0 {
            member(out, key, u64::from(value));
        }
    }
    let flags = [
        (key!("probe"), attempt.probe),
        (key!("forced"), attempt.forced),
        (key!("fresh"), attempt.fresh),
        (key!("struck"), attempt.struck != Struck::No),
        (key!("hedge"), attempt.hedge),
        (key!("standby"), attempt.standby),
    ];
    for (key, set) in flags {
        if set {
            member(out, key, 1);
        }
    }
    out.push(b'}');
}

fn number(out: &mut Vec<u8>, value: u64) {
    codec::head::write_number(out, value);
}

fn member(out: &mut Vec<u8>, key: &'static str, value: u64) {
    out.extend_from_slice(key.as_bytes());
    number(out, value);
}

/// Dollars, exactly.
fn amount(out: &mut Vec<u8>, key: &'static str, money: Money) {
    out.extend_from_slice(key.as_bytes());
    write!(out, "{money}").expect("a Vec grows");
}

fn text(out: &mut Vec<u8>, key: &'static str, value: &str) {
    out.extend_from_slice(key.as_bytes());
    out.push(b'"');
    escape_into(out, value);
    out.push(b'"');
}

/// The same for words of the program's own, which need no escaping.
fn word(out: &mut Vec<u8>, key: &'static str, value: &'static str) {
    out.extend_from_slice(key.as_bytes());
    out.push(b'"');
    out.extend_from_slice(value.as_bytes());
    out.push(b'"');
}
