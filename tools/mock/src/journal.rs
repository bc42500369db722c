//! What providers received: a bounded ring of entries, for people and for tests.
//!
//! Credentials are never kept. A secret header is shown by its last four characters and a tag by
//! which two equal secrets can be told to be equal, within one run of the process.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::http::Request;

#[cfg(test)]
mod tests;

/// How many entries are kept.
pub const ENTRIES_MAX: usize = 10_000;
/// How much of a body is kept.
const BODY_KEPT_MAX: usize = 4096;
/// How much of all headers of one entry is kept.
const HEADERS_KEPT_MAX: usize = 8192;

/// Headers whose values are secrets.
const SECRETS: &[&str] = &["authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie"];

/// How an answer went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Still on its way.
    InFlight,
    /// All of it was sent.
    Complete,
    /// The caller hung up before it was complete.
    HungUp,
    /// A fault ended it.
    Broken,
}

/// One request and what became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Counts from 1 without gaps, over all providers.
    pub sequence: u64,
    /// When the request was complete, in ms since the start of the process.
    pub at_ms: u64,
    /// Which provider.
    pub provider: String,
    /// Which connection.
    pub connection: u64,
    /// Which request on that connection, from 1.
    pub request_on_connection: u64,
    /// Whether it came over TLS.
    pub tls: bool,
    /// The method.
    pub method: String,
    /// The target as sent, any key in it shortened.
    pub path: String,
    /// The headers, secrets shortened.
    pub headers: Vec<(String, String)>,
    /// The length of the body.
    pub body_bytes: u64,
    /// The start of the body, when bodies are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The model asked for.
    pub model: String,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// The faults that struck.
    pub faults: Vec<String>,
    /// The status that was to be sent.
    pub status: u16,
    /// How it went.
    pub outcome: Outcome,
    /// Whether the caller hung up before the answer was complete.
    pub hung_up: bool,
    /// How many bytes of the body were sent.
    pub sent_bytes: u64,
    /// How many events were sent.
    pub sent_events: u64,
    /// When it ended, in ms since the start of the process.
    pub ended_ms: Option<u64>,
}

struct Ring {
    entries: VecDeque<Entry>,
    next: u64,
}

/// The ring.
pub struct Journal {
    started: Instant,
    keep_bodies: bool,
    tagger: RandomState,
    ring: Mutex<Ring>,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Journal")
    }
}

impl Journal {
    /// An empty ring whose clock starts now.
    #[must_use]
    pub fn new(keep_bodies: bool) -> Journal {
        Journal {
            started: Instant::now(),
            keep_bodies,
            tagger: RandomState::new(),
            ring: Mutex::new(Ring { entries: VecDeque::new(), next: 1 }),
        }
    }

    /// Milliseconds since the start.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// An entry for this request, as far as the request alone says.
    #[must_use]
    pub fn entry(&self, provider: &str, request: &Request) -> Entry {
        let kept = &request.body[..request.body.len().min(BODY_KEPT_MAX)];
        Entry {
            sequence: 0,
            at_ms: self.now_ms(),
            provider: provider.to_owned(),
            connection: 0,
            request_on_connection: 0,
            tls: false,
            method: request.method.clone(),
            path: self.shown_target(&request.target),
            headers: self.shown(&request.headers),
            body_bytes: request.body.len() as u64,
            body: self.keep_bodies.then(|| String::from_utf8_lossy(kept).into_owned()),
            model: String::new(),
            stream: false,
            faults: Vec::new(),
            status: 0,
            outcome: Outcome::InFlight,
            hung_up: false,
            sent_bytes: 0,
            sent_events: 0,
            ended_ms: None,
        }
    }

    /// Records an entry and numbers it.
    pub fn begin(&self, mut entry: Entry) -> u64 {
        let mut ring = self.ring();
        let sequence = ring.next;
        ring.next += 1;
        entry.sequence = sequence;
        if ring.entries.len() == ENTRIES_MAX {
            ring.entries.pop_front();
        }
        ring.entries.push_back(entry);
        sequence
    }

    /// Records how it went, if the entry is still kept.
    pub fn end(&self, sequence: u64, outcome: Outcome, sent_bytes: u64, sent_events: u64) {
        let now = self.now_ms();
        let mut ring = self.ring();
        let Some(first) = ring.entries.front().map(|entry| entry.sequence) else {
            return;
        };
        let index = sequence.checked_sub(first).and_then(|index| usize::try_from(index).ok());
        if let Some(entry) = index.and_then(|index| ring.entries.get_mut(index)) {
            entry.outcome = outcome;
            entry.hung_up = outcome == Outcome::HungUp;
            entry.sent_bytes = sent_bytes;
            entry.sent_events = sent_events;
            entry.ended_ms = Some(now);
        }
    }

    /// The entries after `since`, of one provider or all, at most `limit`; and the number to ask
    /// from next time.
    #[must_use]
    pub fn read(&self, provider: Option<&str>, since: u64, limit: usize) -> (Vec<Entry>, u64) {
        let ring = self.ring();
        let wanted = |entry: &&Entry| entry.sequence > since && provider.is_none_or(|name| name == entry.provider);
        let found: Vec<Entry> = ring.entries.iter().filter(wanted).take(limit).cloned().collect();
        let next = match found.last() {
            Some(last) if found.len() == limit => last.sequence,
            _ => ring.next - 1,
        };
        (found, next)
    }

    /// Forgets every entry; the numbers go on.
    pub fn clear(&self) {
        self.ring().entries.clear();
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().expect("nothing panics while it holds the ring")
    }

    fn shown(&self, headers: &[(String, String)]) -> Vec<(String, String)> {
        let mut room = HEADERS_KEPT_MAX;
        let mut shown = Vec::new();
        for (name, value) in headers {
            let value = match SECRETS.iter().any(|secret| name.eq_ignore_ascii_case(secret)) {
                true => self.masked(value),
                false => value.clone(),
            };
            let size = name.len() + value.len();
            if size > room {
                continue;
            }
            room -= size;
            shown.push((name.clone(), value));
        }
        shown
    }

    /// The target, with the key of its query masked: Gemini takes keys there.
    fn shown_target(&self, target: &str) -> String {
        let Some((path, query)) = target.split_once('?') else {
            return target.to_owned();
        };
        let shown = |pair: &str| match pair.strip_prefix("key=") {
            Some(secret) => format!("key={}", self.masked(secret)),
            None => pair.to_owned(),
        };
        let pairs: Vec<String> = query.split('&').map(shown).collect();
        format!("{path}?{}", pairs.join("&"))
    }

    /// The scheme if there is one, the last four characters if the secret is long enough to spare
    /// them, and the tag.
    fn masked(&self, value: &str) -> String {
        let (scheme, secret) = match value.split_once(' ') {
            Some((scheme, secret)) => (format!("{scheme} "), secret),
            None => (String::new(), value),
        };
        let characters: Vec<char> = secret.chars().collect();
        let spare = if characters.len() >= 12 { 4 } else { 0 };
        let last: String = characters[characters.len() - spare..].iter().collect();
        format!("{scheme}…{last}#{:016x}", self.tagger.hash_one(secret))
    }
}
