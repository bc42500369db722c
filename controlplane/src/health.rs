//! Active health: what the control plane finds out about targets apart from requests, and tells data planes.
//!
//! The daemon says what is due and what follows from it; the [`crew`] goes and looks. So many bad results in a
//! row mark the targets that a check is about, and a mark has others asked first, no more: a check that is
//! wrong refuses nobody. Marks are made again every few seconds while they stand, and live no longer than that
//! by themselves, so that a daemon that dies, or that cannot look any more, leaves nobody marked.

pub mod canary;
pub mod crew;
pub mod figures;
pub mod outlay;
mod shown;
mod watched;
pub mod wire;

use crate::daemon::Message;
use canary::{Bar, Finding};
use crew::{Crew, Errand, Found, Measure};
use engine::hysteresis::Hysteresis;
use outlay::{Cap, Outlay};
use policy::{Degradation, Draft, Mark, Secrets, health::What};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, mpsc::SyncSender},
    time::{Duration, Instant},
};
use watched::Watched;
use wire::Question;

/// Marks are made again so often …
const REPEAT: Duration = Duration::from_secs(3);
/// … and stand for so long, in milliseconds: two may be lost.
const MARK_MS: u64 = 10_000;
/// What canaries have cost is written down so often at most.
const KEEP: Duration = Duration::from_secs(5);
/// First looks are spread over so long, in milliseconds, however seldom the later ones are.
const SPREAD_MS_MAX: u64 = 5_000;
/// So many looks may fail to say anything before nothing is known any more.
const SILENT_LOOKS_MAX: u32 = 3;

const _: () = assert!(MARK_MS <= policy::limits::MARK_MS_MAX && MARK_MS > 2 * REPEAT.as_millis() as u64);

/// Every check of the live policy, and what is known.
#[derive(Debug, Default)]
pub struct Health {
    seats: BTreeMap<String, Seat>,
    crew: Option<Crew>,
    outlay: Outlay,
    /// What data planes were told of, and when.
    told: BTreeMap<String, Degradation>,
    told_at: Option<Instant>,
    /// When it was last looked whether there is something to be written down.
    kept_at: Option<Instant>,
    /// The generation that is followed, and whether its secrets were there.
    followed: Option<(u64, bool)>,
    /// Counts looks.
    tickets: u64,
}

/// One check and how it stands.
#[derive(Debug)]
struct Seat {
    watched: Watched,
    hysteresis: Hysteresis,
    /// Why its last bad result was one.
    reason: Degradation,
    /// When it changed sides, in milliseconds since 1970; 0 is never.
    since_ms: u64,
    last: Option<Last>,
    due: Instant,
    /// How often it was asked.
    looks: u64,
    /// The look that has not come back: its ticket, and when it began.
    out: Option<(u64, u64)>,
    /// When a result last said something.
    heard: Instant,
    /// Its day's money is spent.
    capped: bool,
}

/// A result.
#[derive(Debug)]
struct Last {
    at_ms: u64,
    finding: Finding,
}

/// Something that an operator would want to know: a kind of event, and its details.
pub type News = (&'static str, Vec<(String, String)>);

impl Health {
    /// Nobody is looked at; what canaries have cost today is read from the state folder.
    pub fn open(state: &Path) -> Health {
        Health { outlay: Outlay::open(state), ..Health::default() }
    }

    /// True when another policy is followed than this one.
    pub fn is_behind(&self, generation: u64, secrets: bool) -> bool {
        self.followed != Some((generation, secrets))
    }

    /// Looks after what a policy wants to be looked after. A check that is as it was goes on.
    pub fn follow(&mut self, draft: &Draft, secrets: Option<&Secrets>, now: Instant) {
        self.followed = Some((draft.generation, secrets.is_some()));
        let mut before = std::mem::take(&mut self.seats);
        for (name, watched) in watched::all(draft, secrets) {
            let kept = before.remove(&name).filter(|seat| seat.watched.fingerprint == watched.fingerprint);
            let seat = match kept {
                Some(seat) => Seat { watched, ..seat },
                None => Seat::new(&name, watched, now),
            };
            self.seats.insert(name, seat);
        }
    }

    /// Sends somebody to whatever is due. The daemon's own channel hears what is found.
    pub fn turn(&mut self, to: &SyncSender<Message>, now: Instant, wall_ms: u64) -> Vec<News> {
        let mut news = Vec::new();
        if self.seats.values().any(|seat| seat.is_due(now)) && self.crew.is_none() {
            match Crew::start(to) {
                Ok(crew) => self.crew = Some(crew),
                Err(error) => {
                    news.push(("health_failed", vec![("reason".to_owned(), error.to_string())]));
                    self.seats.values_mut().for_each(|seat| seat.due = now + REPEAT);
                }
            }
        }
        if let Some(crew) = &self.crew {
            for (name, seat) in self.seats.iter_mut().filter(|(_, seat)| seat.is_due(now)) {
                self.tickets += 1;
                news.extend(seat.send(name, self.tickets, crew, &mut self.outlay, now, wall_ms));
            }
        }
        news
    }

    /// Takes in what was found; what follows from it for an operator.
    pub fn hear(&mut self, found: Found, now: Instant, wall_ms: u64) -> Option<News> {
        let seat = self.seats.get_mut(&found.name)?;
        // One that was sent under another policy has nothing to say of this one.
        let (_, begun_ms) = seat.out.take_if(|(ticket, _)| *ticket == found.ticket)?;
        if let Some(known) = &seat.watched.canary {
            self.outlay.settle(&found.name, known.estimate, found.finding.cost.unwrap_or(known.estimate), begun_ms);
        }
        seat.take(&found.name, found.finding, now, wall_ms)
    }

    /// What data planes are to be told now: all that stands, and what does so no longer. Nothing while
    /// nothing has changed and nothing would lapse.
    pub fn marks(&mut self, now: Instant) -> Vec<Mark> {
        let standing = self.standing(now);
        let is_repeat = self.told_at.is_none_or(|at| now.saturating_duration_since(at) >= REPEAT);
        if standing == self.told && (!is_repeat || standing.is_empty()) {
            return Vec::new();
        }
        let mark = |target: &String, reason: Degradation, for_ms| Mark { target: target.clone(), reason, for_ms };
        let lifted = self.told.iter().filter(|(target, _)| !standing.contains_key(*target));
        let mut marks: Vec<Mark> = lifted.map(|(target, reason)| mark(target, *reason, 0)).collect();
        marks.extend(standing.iter().map(|(target, reason)| mark(target, *reason, MARK_MS)));
        self.told = standing;
        self.told_at = Some(now);
        marks
    }

    /// Has marks told again at once: somebody has joined who knows of none.
    pub fn tell_again(&mut self) {
        self.told_at = None;
    }

    /// Writes down what canaries have cost, now and then: the disk is waited for.
    ///
    /// # Errors
    /// The disk's.
    pub fn keep(&mut self, now: Instant) -> std::io::Result<()> {
        if self.kept_at.is_some_and(|at| now.saturating_duration_since(at) < KEEP) {
            return Ok(());
        }
        self.kept_at = Some(now);
        self.outlay.keep()
    }

    /// Who is marked, and why: of several reasons, that which has stood the longest.
    fn standing(&self, now: Instant) -> BTreeMap<String, Degradation> {
        let mut seats: Vec<&Seat> = self.seats.values().filter(|seat| seat.marks(now)).collect();
        seats.sort_by_key(|seat| seat.since_ms);
        let mut standing = BTreeMap::new();
        for seat in seats {
            for target in &seat.watched.targets {
                standing.entry(target.clone()).or_insert(seat.reason);
            }
        }
        standing
    }
}

impl Seat {
    fn new(name: &str, watched: Watched, now: Instant) -> Seat {
        let spread = watched.check.every_ms.min(SPREAD_MS_MAX);
        let due = now + Duration::from_millis(draw(name, 0) % spread);
        Seat {
            watched,
            hysteresis: Hysteresis::default(),
            reason: Degradation::Exception,
            since_ms: 0,
            last: None,
            due,
            looks: 0,
            out: None,
            heard: now,
            capped: false,
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.out.is_none() && self.due <= now
    }

    /// True while its targets are marked for it.
    fn marks(&self, now: Instant) -> bool {
        let check = &self.watched.check;
        let silence = Duration::from_millis((check.every_ms + check.timeout_ms).saturating_mul(u64::from(SILENT_LOOKS_MAX)));
        self.hysteresis.is_unwell() && now.saturating_duration_since(self.heard) <= silence
    }

    /// Sends somebody, if it may be paid.
    fn send(&mut self, name: &str, ticket: u64, crew: &Crew, outlay: &mut Outlay, now: Instant, wall_ms: u64) -> Option<News> {
        let every = self.watched.check.every_ms;
        // A tenth more or less, so that those that began together do not go on so.
        let jitter = every / 10;
        let next = every - jitter + draw(name, self.looks + 1) % (2 * jitter + 1);
        self.due = now + Duration::from_millis(next);
        if let (What::Canary(canary), Some(known)) = (&self.watched.check.what, &self.watched.canary) {
            let cap = Cap { cost: canary.day_cost_max, count: canary.day_count_max };
            if !outlay.take(name, known.estimate, cap, wall_ms) {
                let first = !std::mem::replace(&mut self.capped, true);
                let spent = outlay.spent(name, wall_ms);
                return first.then(|| {
                    let details = vec![
                        ("check".to_owned(), name.to_owned()),
                        ("cost_usd".to_owned(), format!("{:.6}", spent.cost as f64 / 1e6)),
                        ("count".to_owned(), spent.count.to_string()),
                    ];
                    ("canary_rests", details)
                });
            }
            self.capped = false;
        }
        let errand = match self.errand(name, ticket) {
            Ok(errand) => errand,
            Err(why) => {
                self.last = Some(Last { at_ms: wall_ms, finding: Finding::void(why) });
                self.give_back(name, outlay, wall_ms);
                return None;
            }
        };
        match crew.send(errand) {
            Ok(()) => {
                self.looks += 1;
                self.out = Some((ticket, wall_ms));
            }
            // Nobody is free: nothing was asked, and nothing is known.
            Err(_) => self.give_back(name, outlay, wall_ms),
        }
        None
    }

    fn give_back(&self, name: &str, outlay: &mut Outlay, wall_ms: u64) {
        if let Some(known) = &self.watched.canary {
            outlay.settle(name, known.estimate, 0, wall_ms);
        }
    }

    fn errand(&self, name: &str, ticket: u64) -> Result<Errand, String> {
        let watched = &self.watched;
        let question = watched.question.as_ref().map_err(Clone::clone)?;
        let credential = match &watched.credentials {
            None => None,
            Some((field, before)) => {
                // In turn, so that each of them counts as often as the others.
                let count = (watched.keys.len() as u64).max(1);
                let key = watched.keys.get((self.looks % count) as usize).ok_or("its credential is missing")?;
                Some((field.clone(), *before, key.clone()))
            }
        };
        let bar = match (&watched.check.what, &watched.canary) {
            (What::Endpoint { .. }, _) => Measure::Status,
            (What::Metrics { rules, .. }, _) => Measure::Figures(rules.clone()),
            (What::Canary(canary), Some(known)) => Measure::Canary(Box::new(Bar {
                canary: canary.clone(),
                language: known.language,
                price: known.price,
                other_keys: watched.keys.len() > 1,
            })),
            (What::Canary(_), None) => return Err("its model is not known".to_owned()),
        };
        Ok(Errand {
            name: name.to_owned(),
            ticket,
            dial: Arc::clone(&watched.dial),
            question: Question {
                method: question.method,
                target: question.target.clone(),
                fields: question.fields.clone(),
                credential,
                body: question.body.clone(),
            },
            within: Duration::from_millis(watched.check.timeout_ms),
            bar,
        })
    }

    /// Takes a result in.
    fn take(&mut self, name: &str, finding: Finding, now: Instant, wall_ms: u64) -> Option<News> {
        let verdict = finding.verdict;
        let said = finding.said.clone();
        self.last = Some(Last { at_ms: wall_ms, finding });
        let verdict = verdict?;
        self.heard = now;
        if let Err(reason) = verdict {
            self.reason = reason;
        }
        let check = &self.watched.check;
        if !self.hysteresis.take(verdict.is_ok(), check.failures, check.successes) {
            return None;
        }
        let after_ms = wall_ms.saturating_sub(self.since_ms);
        let mut details = vec![("check".to_owned(), name.to_owned()), ("provider".to_owned(), self.watched.provider.clone())];
        if let [target] = self.watched.targets.as_slice() {
            details.push(("target".to_owned(), target.clone()));
        }
        details.push(("reason".to_owned(), self.reason.word().to_owned()));
        details.push(("said".to_owned(), said));
        let kind = if self.hysteresis.is_unwell() {
            "degraded"
        } else {
            details.push(("after_ms".to_owned(), after_ms.to_string()));
            "restored"
        };
        self.since_ms = wall_ms;
        Some((kind, details))
    }
}

/// Bits that follow from a name and a number: checks are apart from one another, and the same one is not
/// twice at the same moment.
fn draw(name: &str, number: u64) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(name.as_bytes());
    hasher.update(&number.to_le_bytes());
    u64::from_le_bytes(*hasher.finalize().as_bytes().first_chunk().expect("a digest has 32 bytes"))
}

#[cfg(test)]
mod tests;
