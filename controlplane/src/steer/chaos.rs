//! Beginning and ending a rehearsal of faults. The policy stays; a generation is published that holds the
//! faults, and ends with them by itself.

use super::aside;
use crate::{
    chaos::{self, FOR_MAX, Rehearsal, Report, START_IN_MAX},
    control::{Control, Reply},
    daemon, plan,
    socket::{Answer, code},
    time,
};
use policy::Draft;
use serde_json::json;
use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

/// What is to be rehearsed, in the operator's words.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// Names and patterns of targets.
    pub targets: &'a str,
    /// Faults.
    pub faults: &'a str,
    /// Share of the attempts, in thousandths.
    pub permille: u32,
    /// For how long.
    pub time: Duration,
    /// After which time it begins.
    pub start_in: Duration,
}

fn now_ms() -> u64 {
    time::unix_ms(SystemTime::now())
}

/// Begins.
pub fn begin(control: &mut Control, wish: Wish<'_>, who: &str, reply: Reply) {
    let refused = |reply: Reply, code: u8, text: String| reply.send(Answer::refused(code, format!("{text}\n")));
    let now_ms = now_ms();
    if let Some(running) = control.rehearsal.as_ref().filter(|running| running.until_ms > now_ms) {
        let what = if running.started { "has begun a rehearsal that goes on" } else { "has a rehearsal that is to begin" };
        let text = format!("{} {what}; `throwover chaos end` ends it", running.who);
        return refused(reply, code::REFUSED, text);
    }
    if wish.time.is_zero() || wish.time > FOR_MAX {
        return refused(reply, code::USAGE, format!("a rehearsal takes {} hours at most", FOR_MAX.as_secs() / 3_600));
    }
    if wish.start_in > START_IN_MAX {
        return refused(reply, code::USAGE, format!("a rehearsal begins within {} hours", START_IN_MAX.as_secs() / 3_600));
    }
    let begun_ms = now_ms.saturating_add(wish.start_in.as_millis() as u64);
    let found = chaos::targets(&control.live.draft, wish.targets).and_then(|targets| Ok((targets, chaos::blows(wish.faults)?)));
    let (targets, blows) = match found {
        Ok(found) => found,
        Err(text) => return refused(reply, code::USAGE, text),
    };
    let rehearsal = Rehearsal {
        begun_ms,
        until_ms: begun_ms.saturating_add(wish.time.as_millis() as u64),
        who: who.to_owned(),
        faults: wish.faults.to_owned(),
        targets,
        permille: wish.permille,
        blows,
        before: BTreeMap::new(),
        started: false,
        told: false,
    };
    let begins = match wish.start_in.as_millis() as u64 {
        0 => String::new(),
        ms => format!(", in {}", time::words(ms)),
    };
    let summary = format!(
        "chaos     {} at {:.1} % of the attempts at {} for {}{begins}; `throwover chaos end` ends it\n",
        rehearsal.faults,
        f64::from(rehearsal.permille) / 10.0,
        rehearsal.targets.join(", "),
        time::words(wish.time.as_millis() as u64)
    );
    if wish.start_in.is_zero() {
        return start(control, rehearsal, summary, reply);
    }
    daemon::tell(&mut control.events, "chaos_planned", details(&rehearsal));
    let data = json!({"begun_ms": rehearsal.begun_ms, "until_ms": rehearsal.until_ms, "started": false});
    control.rehearsal = Some(rehearsal);
    reply.send(Answer::new(summary, data));
}

/// Publishes the faults.
fn start(control: &mut Control, mut rehearsal: Rehearsal, summary: String, reply: Reply) {
    rehearsal.started = true;
    rehearsal.before = chaos::counters(control.planes.values().map(|(_, plane)| plane));
    daemon::tell(&mut control.events, "chaos_begun", details(&rehearsal));
    let (who, why) = (rehearsal.who.clone(), format!("chaos {}", rehearsal.faults));
    control.rehearsal = Some(rehearsal);
    republish(control, (&who, &why), summary, reply);
}

fn details(rehearsal: &Rehearsal) -> Vec<(String, String)> {
    vec![
        ("faults".to_owned(), rehearsal.faults.clone()),
        ("targets".to_owned(), rehearsal.targets.join(",")),
        ("permille".to_owned(), rehearsal.permille.to_string()),
        ("who".to_owned(), rehearsal.who.clone()),
    ]
}

/// Ends what goes on before its time, or calls off what is to begin.
pub fn end(control: &mut Control, who: &str, reply: Reply) {
    let now = now_ms();
    if control.rehearsal.as_ref().is_some_and(|waiting| !waiting.started) {
        control.rehearsal = None;
        daemon::tell(&mut control.events, "chaos_called_off", vec![("who".to_owned(), who.to_owned())]);
        return reply.send(Answer::new("chaos     the rehearsal that was to begin is called off\n".to_owned(), json!({})));
    }
    match &mut control.rehearsal {
        Some(running) if running.until_ms > now => (running.until_ms, running.told) = (now, true),
        _ => return reply.send(Answer::refused(code::FAILED, "no rehearsal goes on\n".to_owned())),
    }
    let summary = report(control).text;
    over(control);
    republish(control, (who, "chaos end"), summary, reply);
}

/// What users have noticed so far, or of the last one.
pub fn report(control: &Control) -> Answer {
    let Some(rehearsal) = &control.rehearsal else {
        return Answer::refused(code::FAILED, "there was no rehearsal since the daemon began\n".to_owned());
    };
    let now = chaos::counters(control.planes.values().map(|(_, plane)| plane));
    let report = Report::of(rehearsal, &now);
    Answer::new(report.text(now_ms()), json!(report.json()))
}

/// The faults that a generation holds which is published now.
pub(super) fn current(control: &Control) -> Option<plan::Chaos> {
    control.rehearsal.as_ref().filter(|rehearsal| rehearsal.started && rehearsal.until_ms > now_ms()).map(Rehearsal::plan)
}

/// Begins what is due, and takes the faults out of what is live, once their time is over; called often.
pub(super) fn settle(control: &mut Control) {
    let now = now_ms();
    // What is on its way is waited for.
    let due = |rehearsal: &Rehearsal| !rehearsal.started && rehearsal.begun_ms <= now;
    if control.publishing.is_none()
        && let Some(rehearsal) = control.rehearsal.take_if(|rehearsal| due(rehearsal))
    {
        return start(control, rehearsal, "chaos     the rehearsal begins\n".to_owned(), Reply::Log);
    }
    let is_over = |rehearsal: &&mut Rehearsal| rehearsal.started && !rehearsal.told && rehearsal.until_ms <= now;
    let Some(over_now) = control.rehearsal.as_mut().filter(is_over) else { return };
    over_now.told = true;
    over(control);
    // They strike nobody any more: were this publish to fail, the next one would take them out.
    republish(control, ("the daemon", "the rehearsal is over"), "chaos     the rehearsal is over\n".to_owned(), Reply::Log);
}

/// A data plane has refused what holds the faults: there is no rehearsal.
pub(super) fn refused(control: &mut Control, draft: &Draft) {
    if draft.chaos.is_some() {
        control.rehearsal = None;
    }
}

/// Tells how it went.
fn over(control: &mut Control) {
    let answer = report(control);
    let told = |name: &str| (name.to_owned(), answer.data[name].to_string());
    let details = ["score", "requests", "noticed", "struck", "rescued"].map(told).to_vec();
    daemon::tell(&mut control.events, "chaos_over", details);
}

fn republish(control: &mut Control, who: (&str, &str), summary: String, reply: Reply) {
    let asides = control.asides.at(now_ms());
    aside::republish(control, who, summary, asides, reply);
}
