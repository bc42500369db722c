//! Everything that the daemon owns, and what it begins with.

use crate::{
    aside::Asides,
    budgets::Budgets,
    chaos::Rehearsal,
    compile::{self, Compiled, KeyNames, Previous},
    daemon::{Message, Places},
    diff,
    health::Health,
    journal::{Entry, Journal, Outcome},
    load,
    observe::{Events, Plane, repairs::Repairs},
    plan::Plan,
    publish::{Publishing, Sealed},
    recall,
    reference::Surroundings,
    socket::{Answer, code},
    time,
    trial::Trial,
    validate,
};
use policy::{Draft, Secrets, image};
use serde_json::json;
use std::{
    collections::BTreeMap,
    io,
    os::unix::net::UnixStream,
    sync::mpsc::SyncSender,
    time::{Instant, SystemTime},
};

/// Everything that the daemon owns.
#[derive(Debug)]
pub struct Control {
    /// Where things are.
    pub places: Places,
    /// Generations on disk.
    pub journal: Journal,
    /// What policies are read against.
    pub from: Surroundings,
    /// What is live.
    pub live: Live,
    /// What is live, as it is passed on; `None` when its secrets could not be found.
    pub sealed: Option<Sealed>,
    /// Data planes, where to write to each and what it told.
    pub planes: BTreeMap<u64, (UnixStream, Plane)>,
    /// What happened.
    pub events: Events,
    /// How often each breaker opened, and how long it took to close.
    pub repairs: Repairs,
    /// What was found out about targets apart from requests.
    pub health: Health,
    /// Where those who go and look tell what they found; `None` while nobody listens.
    pub(crate) to: Option<SyncSender<Message>>,
    /// What tenants have spent.
    pub budgets: Budgets,
    /// A publish on its way.
    pub publishing: Option<Underway>,
    /// Targets that operators have set aside.
    pub asides: Asides,
    /// The rehearsal that goes on, or the last one.
    pub rehearsal: Option<Rehearsal>,
    /// When a target whose time aside is over is brought back again, after that failed, and how long
    /// was waited for it.
    pub(crate) bring_back: Option<(Instant, std::time::Duration)>,
    /// Goes back unless confirmed.
    pub trial: Trial,
    /// The highest number that any generation ever had, as far as known.
    pub(crate) highest: u64,
}

/// A generation and what is remembered about it.
#[derive(Clone, Debug)]
pub struct Live {
    /// Its tables.
    pub draft: Draft,
    /// Its entry in the journal.
    pub entry: Entry,
}

/// A publish on its way.
#[derive(Debug)]
pub struct Underway {
    /// How far it is.
    pub state: Publishing,
    /// What was sent.
    pub sealed: Sealed,
    pub(crate) next: Live,
    pub(crate) reply: Reply,
    pub(crate) summary: String,
    pub(crate) then: Then,
    pub(crate) asides: Asides,
}

/// What an adopted publish means for a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Nothing: it changes no policy.
    Stays,
    /// It begins one, for so long.
    Begins(std::time::Duration),
    /// Somebody wants this policy, and no trial of it.
    Ends,
    /// It is the way back.
    Lapses,
}

/// Who is told how it ended.
#[derive(Debug)]
pub enum Reply {
    /// An operator who waits.
    Operator(SyncSender<Answer>),
    /// The log.
    Log,
}

impl Reply {
    pub(crate) fn send(self, answer: Answer) {
        match self {
            // An operator who has hung up has no use for the answer.
            Reply::Operator(to) => {
                to.try_send(answer).ok();
            }
            Reply::Log => eprint!("{}", answer.text),
        }
    }
}

impl Control {
    /// Reads the policy, or falls back on the journal; an answer when there is neither.
    ///
    /// # Errors
    /// The journal's folder cannot be used.
    pub fn start(places: Places) -> io::Result<Result<Control, Answer>> {
        let journal = Journal::open(&places.state)?;
        let last = journal.last_live()?;
        let highest = journal.highest()?;
        let from = Surroundings::real();
        let previous =
            last.as_ref().map_or_else(Previous::default, |(entry, draft)| Previous { draft: draft.clone(), keys: entry.keys.clone() });
        let wall = time::unix_ms(SystemTime::now());
        let asides = Asides::open(&places.state).at(wall);
        let trial = Trial::open(&places.state, Instant::now(), wall);
        let (live, sealed) = match (read(&places, &from), last) {
            (Ok(read), Some(last)) if trial.lapsed(&read.source) => {
                let path = places.config.display();
                eprintln!("throwover: nobody confirmed {path} as it stands; `throwover reload` publishes it");
                go_on(last, &from)
            }
            (Ok(read), last) => {
                eprint!("{}", read.summary);
                first(&journal, read, &asides, &previous, last, highest)?
            }
            (Err(answer), Some(last)) => {
                eprint!("{}", answer.text);
                go_on(last, &from)
            }
            (Err(answer), None) => return Ok(Err(answer)),
        };
        let highest = highest.max(live.draft.generation);
        let (planes, events, repairs) = (BTreeMap::new(), Events::default(), Repairs::default());
        let health = Health::open(&places.state);
        let budgets = Budgets::open(&places.state);
        Ok(Ok(Control {
            places,
            journal,
            from,
            live,
            sealed,
            planes,
            events,
            repairs,
            health,
            to: None,
            budgets,
            publishing: None,
            asides,
            rehearsal: None,
            bring_back: None,
            trial,
            highest,
        }))
    }

    /// What is live.
    pub fn generation(&self) -> u64 {
        self.live.draft.generation
    }

    pub(crate) fn previous(&self) -> Previous {
        Previous { draft: self.live.draft.clone(), keys: self.live.entry.keys.clone() }
    }
}

/// A policy that was read and is sound.
pub(crate) struct Understood {
    pub(crate) plan: Plan,
    pub(crate) source: String,
    pub(crate) summary: String,
}

/// Loads and checks the policy.
pub(crate) fn read(places: &Places, from: &Surroundings) -> Result<Understood, Answer> {
    let loaded =
        load::load(&places.config).map_err(|error| Answer::refused(code::INVALID, format!("{}: {error}\n", places.config.display())))?;
    let checked = validate::validate(&loaded, from);
    let rendered = checked.complaints.render(&loaded.sources);
    if checked.complaints.refuse() {
        let text = format!("{rendered}check     FAILED  {}\n", checked.complaints.summary());
        return Err(Answer {
            data: json!({"complaints": checked.complaints.json(&loaded.sources)}),
            ..Answer::refused(code::INVALID, text)
        });
    }
    let mut hasher = blake3::Hasher::new();
    for (_, text) in &loaded.sources.files {
        hasher.update(text.as_bytes());
    }
    let summary = format!("check     ok  {} ({})\n", places.config.display(), checked.complaints.summary());
    Ok(Understood { plan: checked.plan, source: hasher.finalize().to_hex().to_string(), summary })
}

/// Begins with the journal's last generation, and today's secrets.
fn go_on((entry, draft): (Entry, Draft), from: &Surroundings) -> (Live, Option<Sealed>) {
    eprintln!("throwover: going on with generation {} of the journal", entry.generation);
    let sealed = recalled(&draft, &entry, from);
    if let Err(why) = &sealed {
        eprintln!("throwover: it cannot be passed on: {why}");
    }
    (Live { draft, entry }, sealed.ok())
}

/// The generation that a daemon begins with: the journal's when nothing differs.
fn first(
    journal: &Journal,
    mut read: Understood,
    asides: &Asides,
    previous: &Previous,
    last: Option<(Entry, Draft)>,
    highest: u64,
) -> io::Result<(Live, Option<Sealed>)> {
    let aside = asides.apply(&mut read.plan);
    let number = last.as_ref().map_or(highest + 1, |(entry, _)| entry.generation);
    let same = compile::compile(&read.plan, previous, number).map_err(io::Error::other)?;
    if let Some((entry, draft)) = last {
        if draft == same.draft {
            let sealed = Sealed::new(number, image::seal(&same.draft), same.secrets);
            return Ok((Live { draft, entry }, Some(sealed)));
        }
        let compiled = compile::compile(&read.plan, previous, highest + 1).map_err(io::Error::other)?;
        return begin(journal, compiled, &read.source, diff::changes(&draft, &same.draft), aside);
    }
    begin(journal, same, &read.source, vec!["first generation".to_owned()], aside)
}

fn begin(
    journal: &Journal,
    compiled: Compiled,
    source: &str,
    changes: Vec<String>,
    aside: Vec<String>,
) -> io::Result<(Live, Option<Sealed>)> {
    let mut entry = entry(&compiled, ("start of the daemon", ""), source, changes, aside);
    // Nothing serves anything else that this daemon knows of.
    entry.outcome = Outcome::Live;
    let image = image::seal(&compiled.draft);
    journal.write(&entry, &image)?;
    let sealed = Sealed::new(compiled.draft.generation, image, compiled.secrets);
    Ok((Live { draft: compiled.draft, entry }, Some(sealed)))
}

/// What the journal is told before a publish: by whom and what for, and so on.
pub(crate) fn entry(compiled: &Compiled, (who, why): (&str, &str), source: &str, changes: Vec<String>, aside: Vec<String>) -> Entry {
    Entry {
        generation: compiled.draft.generation,
        at: time::stamp(SystemTime::now()),
        who: who.to_owned(),
        why: why.to_owned(),
        changes,
        source: source.to_owned(),
        keys: compiled.keys.clone(),
        aside,
        same_as: None,
        outcome: Outcome::Sealed,
    }
}

/// The image of a generation of the journal as it was, with today's secrets. What was set aside
/// then is so still, until [`crate::steer`] looks at the time.
fn recalled(draft: &Draft, entry: &Entry, from: &Surroundings) -> Result<Sealed, String> {
    let as_it_was = Entry { aside: Vec::new(), ..entry.clone() };
    let plan = recall::plan(draft, &as_it_was, (&KeyNames::default(), &Secrets::default()), from)?;
    let previous = Previous { draft: draft.clone(), keys: entry.keys.clone() };
    let compiled = compile::compile(&plan, &previous, entry.generation).map_err(|flaw| flaw.to_string())?;
    Ok(Sealed::new(entry.generation, image::seal(&compiled.draft), compiled.secrets))
}
