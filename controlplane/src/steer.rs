//! Changing what is served: reload, rollback, drain; and what follows when data planes answer.

pub mod aside;
pub mod chaos;
pub mod health;

use crate::{
    aside::Asides,
    compile,
    control::{self, Control, Live, Reply, Then, Underway},
    daemon, diff,
    journal::Outcome,
    legible,
    plan::Plan,
    publish::{self, Publishing, Sealed},
    recall,
    socket::{Answer, code},
    time,
    trial::{self, Pending},
};
use policy::{Secrets, image, wire::Frame};
use serde_json::json;
use std::{
    io,
    time::{Duration, Instant, SystemTime},
};

/// Loads the policy again and publishes it.
pub fn reload(control: &mut Control, who: &str, why: &str, reply: Reply) {
    reload_within(control, who, why, None, reply);
}

/// The same; goes back by itself unless confirmed in time.
pub fn reload_within(control: &mut Control, who: &str, why: &str, confirm_within: Option<Duration>, reply: Reply) {
    if confirm_within.is_some_and(|within| within > trial::WITHIN_MAX) {
        let days = trial::WITHIN_MAX.as_secs() / 86_400;
        return reply.send(Answer::refused(code::USAGE, format!("a trial takes {days} days at most\n")));
    }
    let read = match control::read(&control.places, &control.from) {
        Ok(read) => read,
        Err(mut answer) => {
            answer.text.push_str(&format!("still running generation {}\n", control.generation()));
            return reply.send(answer);
        }
    };
    let then = confirm_within.map_or(Then::Ends, Then::Begins);
    let origin = Origin { who, why, source: &read.source, summary: read.summary, then, asides: None };
    publish_plan(control, read.plan, origin, reply);
}

/// What would be published, and what it would change.
pub fn preview(control: &Control) -> Answer {
    let mut read = match control::read(&control.places, &control.from) {
        Ok(read) => read,
        Err(answer) => return answer,
    };
    control.asides.at(time::unix_ms(SystemTime::now())).apply(&mut read.plan);
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
    let current = control.live.entry.same_as.unwrap_or(control.generation());
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
        .and_then(|draft| recall::plan(&draft, entry, today, &control.from));
    match plan {
        Ok(plan) => {
            let why = if why.is_empty() { format!("rollback to {}", entry.generation) } else { why.to_owned() };
            let summary = format!("recall    generation {} of {}\n", entry.generation, entry.at);
            let source = entry.source.clone();
            let origin = Origin { who, why: &why, source: &source, summary, then: Then::Lapses, asides: None };
            publish_plan(control, plan, origin, reply);
        }
        Err(why) => reply.send(Answer::refused(code::FAILED, format!("{why}\n"))),
    }
}

struct Origin<'a> {
    who: &'a str,
    why: &'a str,
    source: &'a str,
    summary: String,
    then: Then,
    /// Targets to be set aside; `None` leaves them.
    asides: Option<Asides>,
}

fn publish_plan(control: &mut Control, mut plan: Plan, origin: Origin<'_>, reply: Reply) {
    if let Some(underway) = &control.publishing {
        let text = format!("generation {} is on its way; try again when it has arrived\n", underway.state.generation);
        return reply.send(Answer::refused(code::REFUSED, text));
    }
    let number = control.highest + 1;
    let asides = origin.asides.unwrap_or_else(|| control.asides.at(time::unix_ms(SystemTime::now())));
    let aside = asides.apply(&mut plan);
    plan.chaos = chaos::current(control);
    let compiled = match compile::compile(&plan, &control.previous(), number) {
        Ok(compiled) => compiled,
        Err(flaw) => return reply.send(Answer::refused(code::FAILED, format!("{flaw}\n"))),
    };
    let changes = diff::changes(&control.live.draft, &compiled.draft);
    let restart = diff::needs_restart(&control.live.draft, &compiled.draft);
    let mut summary = origin.summary;
    if changes.is_empty() {
        summary.push_str("diff      no changes\n");
    }
    for change in &changes {
        summary.push_str(&format!("diff      {change}\n"));
    }
    if !restart.is_empty() && !control.planes.is_empty() {
        summary.push_str(&format!("note      needs a restart of the data plane: {}\n", restart.join(", ")));
    }
    let mut entry = control::entry(&compiled, (origin.who, origin.why), origin.source, changes, aside);
    if origin.then == Then::Stays {
        entry.same_as = Some(control.live.entry.same_as.unwrap_or(control.generation()));
    }
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
    control.publishing = Some(Underway { state, sealed: sealed.clone(), next, reply, summary, then: origin.then, asides });
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
    let why = format!("a data plane serves generation {theirs}, which this journal does not know");
    let asides = control.asides.at(time::unix_ms(SystemTime::now()));
    aside::republish(control, ("the daemon", &why), format!("note      {why}\n"), asides, Reply::Log);
}

/// Ends a publish whose answer is known, and a trial whose time is up.
pub fn settle(control: &mut Control, now: Instant) {
    if let Some(outcome) = control.publishing.as_ref().and_then(|underway| underway.state.outcome(now))
        && let Some(underway) = control.publishing.take()
    {
        settled(control, underway, outcome, now);
    }
    if control.publishing.is_none() {
        aside::bring_back(control, now);
    }
    if control.publishing.is_none() {
        chaos::settle(control);
    }
    if control.publishing.is_none()
        && let Some((pending, again)) = control.trial.take_due(now)
    {
        if !again {
            let details = vec![("generation".to_owned(), pending.generation.to_string()), ("back".to_owned(), pending.back.to_string())];
            daemon::tell(&mut control.events, "unconfirmed", details);
        }
        rollback(control, Some(pending.back), "the daemon", "nobody confirmed in time", Reply::Log);
    }
    health::settle(control, now);
}

/// Keeps what is on trial.
pub fn confirm(control: &mut Control, who: &str) -> Answer {
    let generation = control.generation();
    if let Some(underway) = &control.publishing {
        let text = format!("generation {} is on its way; confirm when it has arrived\n", underway.state.generation);
        return Answer::refused(code::REFUSED, text);
    }
    match control.trial.end() {
        Ok(Some(_)) => {
            let details = vec![("generation".to_owned(), generation.to_string()), ("who".to_owned(), who.to_owned())];
            daemon::tell(&mut control.events, "confirmed", details);
            Answer::new(format!("generation {generation} stays\n"), json!({"generation": generation}))
        }
        Ok(None) => Answer::refused(code::FAILED, "there is nothing to confirm\n".to_owned()),
        Err(error) => {
            let text = format!("generation {generation} stays, but {error}: remove trial.json from the state folder\n");
            Answer::refused(code::FAILED, text)
        }
    }
}

/// What an adopted publish means for a trial; the line that says so.
fn tried(control: &mut Control, then: Then, was: &Live, now: Instant) -> io::Result<String> {
    let generation = control.generation();
    match then {
        Then::Stays => {}
        Then::Ends => {
            if let Some(ended) = control.trial.end()? {
                return Ok(format!("note      the trial of generation {} is over with it\n", ended.generation));
            }
        }
        Then::Lapses => control.trial.lapse(&was.entry.source)?,
        Then::Begins(within) => {
            let until_ms = time::unix_ms(SystemTime::now() + within);
            let (back, who) = (was.entry.generation, control.live.entry.who.clone());
            let begun = control.trial.begin(Pending { generation, back, until_ms, who }, within, now);
            let back = control.trial.pending().map_or(back, |pending| pending.back);
            let mut details = vec![("generation".to_owned(), generation.to_string()), ("back".to_owned(), back.to_string())];
            details.push(("within_ms".to_owned(), within.as_millis().to_string()));
            daemon::tell(&mut control.events, "on_trial", details);
            begun?;
            let within = time::words(within.as_millis() as u64);
            return Ok(format!("confirm?  run `throwover confirm` within {within}, or generation {back} comes back\n"));
        }
    }
    Ok(String::new())
}

fn settled(control: &mut Control, underway: Underway, outcome: publish::Outcome, now: Instant) {
    let Underway { sealed, mut next, reply, mut summary, then, asides, .. } = underway;
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
        chaos::refused(control, &next.draft);
        let reasons = outcome.reasons.join("; ");
        next.entry.outcome = Outcome::Refused(reasons.clone());
        let shown = legible::line(&reasons);
        summary.push_str(&format!("refused   {shown}\nstill running generation {before}\n"));
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
        let was = std::mem::replace(&mut control.live, next);
        control.sealed = Some(sealed);
        aside::adopted(control, asides);
        let said = tried(control, then, &was, now);
        answer.text.push_str(&said.unwrap_or_else(|error| format!("note      the trial could not be written down: {error}\n")));
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
