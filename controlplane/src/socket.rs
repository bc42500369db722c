//! The operator socket: one line asks, lines answer.
//!
//! A line that begins with `{` is JSON and is answered in JSON; any other is a verb with its
//! arguments, as on the command line, and is answered in text, so that
//! `echo status | socat - UNIX:RUN/operator.sock` works. A line that was cut off is not obeyed: what
//! it would have gone on to say might have been `--confirm-within`.

use crate::{
    audit::{Act, Audit},
    daemon::Message,
    legible,
    link::{self, Peer},
    observe,
};
use policy::wire::Event;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

/// Longest line that is read, in bytes.
pub const LINE_BYTES_MAX: u64 = 64 * 1024;
/// Most operators at once.
const OPERATORS_MAX: usize = 32;
/// An operator has so long to ask, and to take each answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Events that wait for one watcher.
const WATCHED_MAX: usize = 1_024;

/// Exit codes, the same on the socket and of the command.
pub mod code {
    /// Done.
    pub const OK: u8 = 0;
    /// Failed.
    pub const FAILED: u8 = 1;
    /// Asked wrongly.
    pub const USAGE: u8 = 2;
    /// The policy is not sound.
    pub const INVALID: u8 = 3;
    /// The daemon is not reached.
    pub const UNREACHED: u8 = 4;
    /// It took too long.
    pub const TIMED_OUT: u8 = 5;
    /// Refused: by a data plane, or for want of rights.
    pub const REFUSED: u8 = 6;

    /// One word for each.
    pub const fn word(code: u8) -> &'static str {
        match code {
            OK => "ok",
            FAILED => "failed",
            USAGE => "usage",
            INVALID => "invalid",
            UNREACHED => "unreached",
            TIMED_OUT => "timed_out",
            REFUSED => "refused",
            _ => "unknown",
        }
    }
}

/// What may be done at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Looks.
    Viewer,
    /// Changes what is served.
    Operator,
}

impl Role {
    /// In one word.
    pub const fn word(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
        }
    }
}

/// A question.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// What to do.
    pub verb: String,
    /// Its arguments by name.
    #[serde(default)]
    pub arguments: BTreeMap<String, String>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// One of [`code`].
    pub code: u8,
    /// For people.
    pub text: String,
    /// For programs.
    pub data: Value,
}

impl Answer {
    /// Done.
    pub fn new(text: String, data: Value) -> Answer {
        Answer { code: code::OK, text, data }
    }

    /// Not done.
    pub fn refused(code: u8, text: String) -> Answer {
        let data = json!({"error": text.trim_end()});
        Answer { code, text, data }
    }
}

/// A question on its way to the daemon.
#[derive(Debug)]
pub struct Asked {
    /// What is asked.
    pub request: Request,
    /// What the asker may do.
    pub role: Role,
    /// Who asks, in words.
    pub who: String,
    /// Where the answer goes.
    pub reply: SyncSender<Answer>,
    /// Where events go that follow the answer.
    pub watch: SyncSender<Event>,
}

/// Accepts operators until the process ends.
pub fn serve(listener: UnixListener, to: SyncSender<Message>, audit: Audit) {
    let audit = Arc::new(audit);
    let own = rustix::process::geteuid().as_raw();
    let count = Arc::new(AtomicUsize::new(0));
    loop {
        let stream = link::accept(&listener);
        let Ok(peer) = link::peer(&stream) else { continue };
        if count.load(Ordering::Relaxed) >= OPERATORS_MAX {
            turn_away(stream);
            continue;
        }
        count.fetch_add(1, Ordering::Relaxed);
        let (to, counted, audit) = (to.clone(), Arc::clone(&count), Arc::clone(&audit));
        let started = thread::Builder::new().name("operator".to_owned()).spawn(move || {
            // An operator who breaks off takes no harm to anybody else.
            attend(&stream, peer, role(peer, own), &to, &audit).ok();
            counted.fetch_sub(1, Ordering::Relaxed);
        });
        if started.is_err() {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Says why nobody listens, in the form that programs read: what was asked is not waited for.
fn turn_away(stream: UnixStream) {
    let text = format!("{OPERATORS_MAX} operators are connected, and no more are heard; try again when one has gone\n");
    eprint!("throwover: an operator was turned away: {text}");
    // So short an answer fits into the kernel's buffer; who has hung up has no use for it.
    if stream.set_nonblocking(true).is_ok() {
        answer(&stream, true, &Answer::refused(code::REFUSED, text)).ok();
    }
}

fn role(peer: Peer, own: u32) -> Role {
    if link::may_command(peer.uid, own) { Role::Operator } else { Role::Viewer }
}

/// `uid 1000 alice`.
fn who(peer: Peer) -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == peer.uid.to_string()).then_some(name)
    });
    name.map_or(format!("uid {}", peer.uid), |name| format!("uid {} {name}", peer.uid))
}

fn attend(stream: &UnixStream, peer: Peer, role: Role, to: &SyncSender<Message>, audit: &Audit) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = Vec::new();
    BufReader::new(stream.take(LINE_BYTES_MAX)).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(());
    }
    let json = line.starts_with(b"{");
    let request = match whole(&line).and_then(parse) {
        Ok(request) => request,
        Err(why) => return answer(stream, json, &Answer::refused(code::USAGE, format!("{why}\n"))),
    };
    let (reply, replies) = sync_channel(1);
    let (watch, events) = sync_channel(WATCHED_MAX);
    let asked = Asked { request: request.clone(), role, who: who(peer), reply, watch };
    to.send(Message::Asked(asked)).map_err(io::Error::other)?;
    let mut first = replies.recv().map_err(io::Error::other)?;
    let changes = crate::verbs::find(&request.verb).is_some_and(|verb| verb.role > Role::Viewer);
    if changes && let Err(error) = audit.write(&Act::new(peer, &request, &first)) {
        // It is done already: all that is left is to say so.
        eprintln!("throwover: `{}` could not be audited: {error}", request.verb);
        first.text.push_str(&format!("note      this could not be audited: {error}\n"));
    }
    answer(stream, json, &first)?;
    follow(stream, json, &events)
}

/// Passes events on until the daemon lets go or the operator hangs up.
fn follow(mut stream: &UnixStream, json: bool, events: &Receiver<Event>) -> io::Result<()> {
    for event in events {
        let line = if json { observe::event_json(&event).to_string() } else { observe::event_line(&event) };
        stream.write_all(format!("{line}\n").as_bytes())?;
    }
    Ok(())
}

fn answer(mut stream: &UnixStream, json: bool, answer: &Answer) -> io::Result<()> {
    if json {
        let line = serde_json::to_string(answer).map_err(io::Error::other)?;
        return stream.write_all(format!("{line}\n").as_bytes());
    }
    stream.write_all(legible::lines(&answer.text).as_bytes())
}

/// The line, if it is one.
fn whole(line: &[u8]) -> Result<&str, String> {
    if line.len() as u64 >= LINE_BYTES_MAX {
        return Err(format!("a line holds fewer than {LINE_BYTES_MAX} bytes"));
    }
    let Some(line) = line.strip_suffix(b"\n") else { return Err("the line was cut off: it has no end".to_owned()) };
    std::str::from_utf8(line).map_err(|_| "a line is UTF-8 text".to_owned())
}

/// Reads a question in either form.
///
/// # Errors
/// In words, what is wrong with it.
pub fn parse(line: &str) -> Result<Request, String> {
    if line.starts_with('{') {
        return serde_json::from_str(line).map_err(|error| format!("this is no request: {error}"));
    }
    crate::verbs::parse_line(line)
}

/// Asks the daemon. Returns its answer, and the lines of whatever follows it.
///
/// # Errors
/// The daemon is not reached, breaks off, or says nothing in time.
pub fn ask(run: &std::path::Path, request: &Request) -> io::Result<(Answer, io::Lines<BufReader<UnixStream>>)> {
    ask_within(run, request, PATIENCE)
}

fn ask_within(run: &std::path::Path, request: &Request, patience: Duration) -> io::Result<(Answer, io::Lines<BufReader<UnixStream>>)> {
    let mut stream = UnixStream::connect(run.join("operator.sock"))?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let same = stream.try_clone()?;
    let line = serde_json::to_string(request).map_err(io::Error::other)?;
    match stream.write_all(format!("{line}\n").as_bytes()) {
        // Turned away before it had asked: the reason lies there to be read.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written?,
    }
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the daemon gave no answer"))??;
    // What follows comes when it happens.
    same.set_read_timeout(None)?;
    Ok((serde_json::from_str(&first).map_err(io::Error::other)?, lines))
}

#[cfg(test)]
mod tests;
