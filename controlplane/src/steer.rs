//! Changing what is served: reload, rollback, drain; and what follows when data planes answer.

use crate::{
    compile::{self, Compiled, KeyNames, Previous},
    daemon::{self, Places},
    diff,
    journal::{Entry, Journal, Outcome},
    load,
    observe::{Events, Plane},
    plan::Plan,
    publish::{self, Publishing, Sealed},
    recall,
    reference::Surroundings,
    socket::{Answer, code},
    time, validate,
};
use policy::{Draft, Secrets, image, wire::Frame};
use serde_json::json;
use std::{
    collections::BTreeMap,
    io,
    os::unix::net::UnixStream,
    sync::mpsc::SyncSender,
    time::{Duration, Instant, SystemTime},
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
    /// A publish on its way.
    pub publishing: Option<Underway>,
    /// Goes back unless confirmed: until when, and to which generation.
    pub unconfirmed: Option<(Instant, u64)>,
    /// The highest number that any generation ever had, as far as known.
    highest: u64,
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
    next: Live,
    reply: Reply,
    summary: String,
    confirm_within: Option<Duration>,
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
    fn send(self, answer: Answer) {
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
        let (live, sealed) = match read(&places, &from) {
            Ok(read) => {
                eprint!("{}", read.summary);
                first(&journal, read, &previous, last, highest)?
            }
            Err(answer) => {
                let Some((entry, draft)) = last else { return Ok(Err(answer)) };
                eprint!("{}", answer.text);
                eprintln!("throwover: going on with generation {} of the journal", entry.generation);
                let sealed = recalled(&draft, &entry, (&KeyNames::default(), &Secrets::default()), &from, entry.generation);
                if let Err(why) = &sealed {
                    eprintln!("throwover: it cannot be passed on: {why}");
                }
                (Live { draft, entry }, sealed.ok().map(|(_, sealed)| sealed))
            }
        };
        let highest = highest.max(live.draft.generation);
        let (planes, events) = (BTreeMap::new(), Events::default());
        Ok(Ok(Control { places, journal, from, live, sealed, planes, events, publishing: None, unconfirmed: None, highest }))
    }

    /// What is live.
    pub fn generation(&self) -> u64 {
        self.live.draft.generation
    }

    fn previous(&self) -> Previous {
        Previous { draft: self.live.draft.clone(), keys: self.live.entry.keys.clone() }
    }
}

/// A policy that was read and is sound.
struct Understood {
    plan: Plan,
    source: String,
    summary: String,
}

fn read(places: &Places, from: &Surroundings) -> Result<Understood, Answer> {
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

/// The generation that a daemon begins with: the journal's when nothing differs.
fn first(
    journal: &Journal,
    read: Understood,
    previous: &Previous,
    last: Option<(Entry, Draft)>,
    highest: u64,
) -> io::Result<(Live, Option<Sealed>)> {
    let number = last.as_ref().map_or(highest + 1, |(entry, _)| entry.generation);
    let same = compile::compile(&read.plan, previous, number).map_err(io::Error::other)?;
    if let Some((entry, draft)) = last {
        if draft == same.draft {
            let sealed = Sealed::new(number, image::seal(&same.draft), same.secrets);
            return Ok((Live { draft, entry }, Some(sealed)));
        }
        let compiled = compile::compile(&read.plan, previous, highest + 1).map_err(io::Error::other)?;
        return begin(journal, compiled, &read.source, diff::changes(&draft, &same.draft));
    }
    begin(journal, same, &read.source, vec!["first generation".to_owned()])
}

fn begin(journal: &Journal, compiled: Compiled, source: &str, changes: Vec<String>) -> io::Result<(Live, Option<Sealed>)> {
    let mut entry = entry(&compiled, "start of the daemon", "", source, changes);
    // Nothing serves anything else that this daemon knows of.
    entry.outcome = Outcome::Live;
    let image = image::seal(&compiled.draft);
    journal.write(&entry, &image)?;
    let sealed = Sealed::new(compiled.draft.generation, image, compiled.secrets);
    Ok((Live { draft: compiled.draft, entry }, Some(sealed)))
}

fn entry(compiled: &Compiled, who: &str, why: &str, source: &str, changes: Vec<String>) -> Entry {
    Entry {
        generation: compiled.draft.generation,
        at: time::stamp(SystemTime::now()),
        who: who.to_owned(),
        why: why.to_owned(),
        changes,
        source: source.to_owned(),
        keys: compiled.keys.clone(),
        outcome: Outcome::Sealed,
    }
}

fn recalled(
    draft: &Draft,
    entry: &Entry,
    today: (&KeyNames, &Secrets),
    from: &Surroundings,
    generation: u64,
) -> Result<(Compiled, Sealed), String> {
    let plan = recall::plan(draft, &entry.keys, today, from)?;
    let previous = Previous { draft: draft.clone(), keys: entry.keys.clone() };
    let compiled = compile::compile(&plan, &previous, generation).map_err(|flaw| flaw.to_string())?;
    let sealed = Sealed::new(generation, image::seal(&compiled.draft), compiled.secrets.clone());
    Ok((compiled, sealed))
}

/// Loads the policy again and publishes it.
pub fn reload(control: &mut Control, who: &str, why: &str, reply: Reply) {
    reload_within(control, who, why, None, reply);
}

/// The same; goes back by itself unless confirmed in time.
pub fn reload_within(control: &mut Control, who: &str, why: &str, confirm_within: Option<Duration>, reply: Reply) {
    let read = match read(&control.places, &control.from) {
        Ok(read) => read,
        Err(mut answer) => {
            answer.text.push_str(&format!("still running generation {}\n", control.generation()));
            return reply.send(answer);
        }
    };
    publish_plan(control, &read.plan, &Origin { who, why, source: &read.source, summary: read.summary, confirm_within }, reply);
}

/// What would be published, and what it would change.
pub fn preview(control: &Control) -> Answer {
    let read = match read(&control.places, &control.from) {
        Ok(read) => read,
        Err(answer) => return answer,
    };
    match compile::compile(&read.plan, &control.previous(), control.generation()) {
        Ok(compiled) => {
            let changes = diff::changes(&control.live.draft, &compiled.draft);
            let restart = diff::needs_restart(&control.live.draft, &compiled.draft);
            let mut text = if changes.is_empty() { "no changes\n".to_owned() } else { lines(&changes) };
            if !restart.is_empty() {
                text.push_str(&format!("needs a restart of the data plane: {}\n", restart.join(", ")));
            }
            Answer::new(text, json!({"generation": control.generation(), "changes": changes, "needs_restart": restart}))
        }
        Err(flaw) => Answer::refused(code::FAILED, format!("{flaw}\n")),
    }
}

/// Publishes an old generation as a new one, with today's secrets. Without a number, the one that
/// was live before this one.
pub fn rollback(control: &mut Control, to: Option<u64>, who: &str, why: &str, reply: Reply) {
    let entries = match control.journal.entries() {
        Ok(entries) => entries,
        Err(error) => return reply.send(Answer::refused(code::FAILED, format!("the journal cannot be read: {error}\n"))),
    };
    let current = control.generation();
    let chosen = match to {
        Some(number) => entries.iter().find(|entry| entry.generation == number),
        None => entries.iter().rev().find(|entry| entry.generation < current && entry.outcome == Outcome::Live),
    };
    let Some(entry) = chosen else {
        let what = to.map_or("an earlier generation".to_owned(), |number| format!("generation {number}"));
        return reply.send(Answer::refused(code::FAILED, format!("the journal does not hold {what}; see `throwover generations`\n")));
    };
    let empty = Secrets::default();
    let today = (&control.live.entry.keys, control.sealed.as_ref().map_or(&empty, |sealed| &sealed.secrets));
    let plan = control
        .journal
        .draft(entry.generation)
        .map_err(|error| format!("generation {} cannot be read: {error}", entry.generation))
        .and_then(|draft| recall::plan(&draft, &entry.keys, today, &control.from));
    match plan {
        Ok(plan) => {
            let why = if why.is_empty() { format!("rollback to {}", entry.generation) } else { why.to_owned() };
            let summary = format!("recall    generation {} of {}\n", entry.generation, entry.at);
            let source = entry.source.clone();
            publish_plan(control, &plan, &Origin { who, why: &why, source: &source, summary, confirm_within: None }, reply);
        }
        Err(why) => reply.send(Answer::refused(code::FAILED, format!("{why}\n"))),
    }
}

struct Origin<'a> {
    who: &'a str,
    why: &'a str,
    source: &'a str,
    summary: String,
    confirm_within: Option<Duration>,
}

fn publish_plan(control: &mut Control, plan: &Plan, origin: &Origin<'_>, reply: Reply) {
    if let Some(underway) = &control.publishing {
        let text = format!("generation {} is on its way; try again when it has arrived\n", underway.state.generation);
        return reply.send(Answer::refused(code::REFUSED, text));
    }
    let number = control.highest + 1;
    let compiled = match compile::compile(plan, &control.previous(), number) {
        Ok(compiled) => compiled,
        Err(flaw) => return reply.send(Answer::refused(code::FAILED, format!("{flaw}\n"))),
    };
    let changes = diff::changes(&control.live.draft, &compiled.draft);
    let restart = diff::needs_restart(&control.live.draft, &compiled.draft);
    let mut summary = origin.summary.clone();
    if changes.is_empty() {
        summary.push_str("diff      no changes\n");
    }
    for change in &changes {
        summary.push_str(&format!("diff      {change}\n"));
    }
    if !restart.is_empty() && !control.planes.is_empty() {
        summary.push_str(&format!("note      needs a restart of the data plane: {}\n", restart.join(", ")));
    }
    let entry = entry(&compiled, origin.who, origin.why, origin.source, changes);
    let image = image::seal(&compiled.draft);
    if let Err(error) = control.journal.write(&entry, &image) {
        return reply.send(Answer::refused(code::FAILED, format!("the journal cannot be written: {error}\n")));
    }
    control.highest = number;
    let sealed = Sealed::new(number, image, compiled.secrets);
    let digest = blake3::Hash::from(sealed.digest).to_hex();
    summary.push_str(&format!("stage     generation {number} sealed, {} bytes, blake3 {}…\n", sealed.image.len(), &digest[..8]));
    let planes: Vec<u64> = control.planes.iter().filter(|(_, (_, plane))| plane.hello.is_some()).map(|(id, _)| *id).collect();
    let state = Publishing::new(number, planes.iter().copied(), Instant::now());
    let next = Live { draft: compiled.draft, entry };
    let confirm_within = origin.confirm_within;
    control.publishing = Some(Underway { state, sealed: sealed.clone(), next, reply, summary, confirm_within });
    for plane in planes {
        send(control, plane, &sealed);
    }
    settle(control, Instant::now());
}

/// Sends a generation to one data plane; one that cannot be written to is cut off.
pub fn send(control: &mut Control, plane: u64, sealed: &Sealed) {
    let Some((writer, _)) = control.planes.get(&plane) else { return };
    if let Err(error) = publish::send(writer, sealed) {
        // Its reader notices, and reports that it has left.
        writer.shutdown(std::net::Shutdown::Both).ok();
        let details = vec![("reason".to_owned(), format!("generation {} could not be sent: {error}", sealed.generation))];
        daemon::tell(&mut control.events, "send_failed", details);
    }
}

/// Gives what is live a number above one that a data plane already serves: our journal was lost.
pub fn outnumber(control: &mut Control, theirs: u64) {
    control.highest = control.highest.max(theirs);
    let empty = Secrets::default();
    let today = (&control.live.entry.keys, control.sealed.as_ref().map_or(&empty, |sealed| &sealed.secrets));
    match recall::plan(&control.live.draft, &control.live.entry.keys, today, &control.from) {
        Ok(plan) => {
            let why = format!("a data plane serves generation {theirs}, which this journal does not know");
            let source = control.live.entry.source.clone();
            let origin =
                Origin { who: "the daemon", why: &why, source: &source, summary: format!("note      {why}\n"), confirm_within: None };
            publish_plan(control, &plan, &origin, Reply::Log);
        }
        Err(why) => daemon::tell(&mut control.events, "send_failed", vec![("reason".to_owned(), why)]),
    }
}

/// Ends a publish whose answer is known, and a trial whose time is up.
pub fn settle(control: &mut Control, now: Instant) {
    if let Some(outcome) = control.publishing.as_ref().and_then(|underway| underway.state.outcome(now))
        && let Some(underway) = control.publishing.take()
    {
        settled(control, underway, outcome, now);
    }
    if let Some((until, back)) = control.unconfirmed
        && now >= until
        && control.publishing.is_none()
    {
        control.unconfirmed = None;
        rollback(control, Some(back), "the daemon", "nobody confirmed in time", Reply::Log);
    }
}

fn settled(control: &mut Control, underway: Underway, outcome: publish::Outcome, now: Instant) {
    let Underway { sealed, mut next, reply, mut summary, confirm_within, .. } = underway;
    let number = sealed.generation;
    let before = control.generation();
    let mut answer = if outcome.adopted {
        next.entry.outcome = Outcome::Live;
        summary.push_str(&match outcome.planes {
            0 => format!("commit    generation {number} is live; no data plane is connected\n"),
            planes => format!(
                "commit    generation {number} is live on {planes} data plane{} after {:.1} ms\n",
                if planes == 1 { "" } else { "s" },
                outcome.slowest_us as f64 / 1000.0
            ),
        });
        Answer::new(
            summary,
            json!({"generation": number, "planes": outcome.planes, "slowest_us": outcome.slowest_us, "changes": next.entry.changes}),
        )
    } else {
        let reasons = outcome.reasons.join("; ");
        next.entry.outcome = Outcome::Refused(reasons.clone());
        summary.push_str(&format!("refused   {reasons}\nstill running generation {before}\n"));
        if outcome.planes > 0 {
            summary.push_str(&format!(
                "{} data planes had adopted {number} and serve it; reload to bring all to one generation\n",
                outcome.planes
            ));
        }
        Answer {
            data: json!({"generation": before, "refused": number, "reasons": outcome.reasons}),
            ..Answer::refused(code::REFUSED, summary)
        }
    };
    if let Err(error) = control.journal.mark(&next.entry) {
        answer.text.push_str(&format!("note      the journal could not be written: {error}\n"));
    }
    let kind = if outcome.adopted { "published" } else { "publish_refused" };
    let details = vec![
        ("generation".to_owned(), number.to_string()),
        ("who".to_owned(), next.entry.who.clone()),
        ("adopted_us".to_owned(), outcome.slowest_us.to_string()),
    ];
    daemon::tell(&mut control.events, kind, details);
    if outcome.adopted {
        control.unconfirmed = confirm_within.map(|within| (now + within, before));
        if let Some(within) = confirm_within {
            answer.text.push_str(&format!(
                "confirm?  run `throwover confirm` within {}, or generation {before} comes back\n",
                time::words(within.as_millis() as u64)
            ));
        }
        control.live = next;
        control.sealed = Some(sealed);
    }
    reply.send(answer);
}

/// Tells every data plane to finish and end.
pub fn drain(control: &mut Control, grace_ms: u64) -> Answer {
    let mut told = 0;
    for (writer, _) in control.planes.values() {
        if publish::send_frame(writer, &Frame::Drain { grace_ms }).is_ok() {
            told += 1;
        }
    }
    let text = format!("{told} data planes were told to finish within {}\n", time::words(grace_ms));
    if told == 0 {
        Answer::refused(code::FAILED, "no data plane is connected\n".to_owned())
    } else {
        Answer::new(text, json!({"planes": told}))
    }
}

fn lines(changes: &[String]) -> String {
    changes.iter().map(|change| format!("{change}\n")).collect()
}
