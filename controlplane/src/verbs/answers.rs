//! What the daemon answers.

use super::{Handler, find};
use crate::{
    aside, budgets, chaos,
    control::{Control, Reply},
    document::{Read, Reader, units},
    legible, observe,
    socket::{Answer, Asked, code},
    steer, time, tree,
};
use serde_json::json;
use std::time::{Duration, Instant, SystemTime};

/// Events that are shown when nobody says how many.
const EVENTS_SHOWN: usize = 20;

/// Answers an operator.
pub fn answer(control: &mut Control, asked: Asked) {
    let Some(verb) = find(&asked.request.verb) else {
        let near = crate::complaint::nearest(&asked.request.verb, super::VERBS.iter().map(|verb| verb.name));
        let near = near.map_or(String::new(), |name| format!("; did you mean `{name}`?"));
        return give(&asked, Answer::refused(code::USAGE, format!("there is no verb `{}`{near}\n", asked.request.verb)));
    };
    if asked.role < verb.role {
        let text = format!("{} may not `{}`: it takes an {}\n", asked.who, verb.name, verb.role.word());
        return give(&asked, Answer::refused(code::REFUSED, text));
    }
    // Left out without a word, a misspelt `confirm-within` would be a reload that never goes back.
    let known = || verb.arguments.iter().map(|argument| argument.name);
    if let Some(name) = asked.request.arguments.keys().find(|name| !known().any(|known| known == name.as_str())) {
        let near = crate::complaint::nearest(name, known()).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        return give(&asked, Answer::refused(code::USAGE, format!("`{}` takes no `{name}`{near}\n", verb.name)));
    }
    match verb.handler {
        Handler::Daemon(handler) => handler(control, asked),
        Handler::Here(_) => {
            give(&asked, Answer::refused(code::USAGE, format!("`{}` is done by the command, not by the daemon\n", verb.name)))
        }
    }
}

fn give(asked: &Asked, answer: Answer) {
    // Who has hung up has no use for the answer.
    asked.reply.try_send(answer).ok();
}

fn argument<'a>(asked: &'a Asked, name: &str) -> &'a str {
    asked.request.arguments.get(name).map_or("", String::as_str)
}

/// A duration of an argument; an answer when it is none.
fn duration(asked: &Asked, name: &str) -> Result<Option<Duration>, Answer> {
    let text = argument(asked, name);
    if text.is_empty() {
        return Ok(None);
    }
    let node = tree::Node { value: tree::Value::Text(text.to_owned()), span: crate::load::whole() };
    match units::Duration::read(&node, &mut Reader::default()) {
        Some(duration) => Ok(Some(Duration::from_millis(duration.0))),
        None => Err(Answer::refused(code::USAGE, format!("`--{name} {text}` is no duration: write `60s`\n"))),
    }
}

pub(super) fn diff(control: &mut Control, asked: Asked) {
    give(&asked, steer::preview(control));
}

pub(super) fn reload(control: &mut Control, asked: Asked) {
    match duration(&asked, "confirm-within") {
        Ok(within) => {
            let why = argument(&asked, "why").to_owned();
            steer::reload_within(control, &asked.who, &why, within, Reply::Operator(asked.reply));
        }
        Err(answer) => give(&asked, answer),
    }
}

pub(super) fn confirm(control: &mut Control, asked: Asked) {
    let answer = steer::confirm(control, &asked.who);
    give(&asked, answer);
}

pub(super) fn rollback(control: &mut Control, asked: Asked) {
    let text = argument(&asked, "generation");
    let to = match text {
        "" => None,
        number => match number.parse() {
            Ok(number) => Some(number),
            Err(_) => return give(&asked, Answer::refused(code::USAGE, format!("`{number}` is no generation\n"))),
        },
    };
    let why = argument(&asked, "why").to_owned();
    steer::rollback(control, to, &asked.who, &why, Reply::Operator(asked.reply));
}

pub(super) fn generations(control: &mut Control, asked: Asked) {
    let entries = match control.journal.entries() {
        Ok(entries) => entries,
        Err(error) => return give(&asked, Answer::refused(code::FAILED, format!("the journal cannot be read: {error}\n"))),
    };
    let live = control.generation();
    let mut text = format!("{:>6}  {:<8} {:<21} {:<20} {}\n", "NUMBER", "OUTCOME", "AT", "WHO", "WHY");
    for entry in &entries {
        let mark = if entry.generation == live { "*" } else { " " };
        let mut why = entry.why.clone();
        if why.is_empty() {
            why = entry.changes.first().cloned().unwrap_or_else(|| "no changes".to_owned());
            if entry.changes.len() > 1 {
                why.push_str(&format!(" and {} more", entry.changes.len() - 1));
            }
        }
        let (who, why) = (legible::line(&entry.who), legible::line(&why));
        text.push_str(&format!("{:>5}{mark}  {:<8} {:<21} {who:<20} {why}\n", entry.generation, entry.outcome.word(), entry.at));
    }
    let data = json!({"live": live, "generations": entries});
    give(&asked, Answer::new(text, data));
}

pub(super) fn status(control: &mut Control, asked: Asked) {
    let planes: Vec<&observe::Plane> = control.planes.values().map(|(_, plane)| plane).collect();
    let mut note = format!(" ({}, {})", control.live.entry.at, control.live.entry.who);
    if let Some(underway) = &control.publishing {
        note.push_str(&format!("; generation {} is on its way", underway.state.generation));
    }
    if control.sealed.is_none() {
        note.push_str("; it cannot be passed on: its secrets are missing");
    }
    let mut text = observe::status_text(control.generation(), &note, &planes, &control.repairs);
    let mut data = observe::status_json(control.generation(), &planes, &control.repairs);
    if let (Some(pending), Some(left)) = (control.trial.pending(), control.trial.left(Instant::now())) {
        let left_ms = left.as_millis() as u64;
        let line = format!("trial     generation {} comes back in {} unless confirmed", pending.back, time::words(left_ms));
        text.push_str(&format!("{line} ({})\n", legible::line(&pending.who)));
        data["trial"] = json!({"generation": pending.generation, "back": pending.back, "left_ms": left_ms, "who": pending.who});
    }
    let now_ms = time::unix_ms(SystemTime::now());
    let asides = control.asides.at(now_ms);
    for (target, aside) in &asides.0 {
        let left = time::words(aside.until_ms - now_ms);
        text.push_str(&format!("aside     {target} for {left} ({})\n", legible::line(&aside.reason())));
    }
    data["aside"] = json!(asides);
    text.push_str(&control.health.degraded(now_ms));
    data["health"] = control.health.json(now_ms);
    let (lines, budgets) = budgets::told(&control.budgets.stands(&control.live.draft, now_ms));
    text.push_str(&lines);
    data["budgets"] = budgets;
    give(&asked, Answer::new(text, data));
}

pub(super) fn health(control: &mut Control, asked: Asked) {
    let wall_ms = time::unix_ms(SystemTime::now());
    give(&asked, Answer::new(control.health.text(wall_ms), control.health.json(wall_ms)));
}

pub(super) fn events(control: &mut Control, asked: Asked) {
    let count = match argument(&asked, "last") {
        "" => EVENTS_SHOWN,
        text => match text.parse() {
            Ok(count) => count,
            Err(_) => return give(&asked, Answer::refused(code::USAGE, format!("`--last {text}` is no number\n"))),
        },
    };
    let text: String = control.events.last(count).map(|event| observe::event_line(event) + "\n").collect();
    let data: Vec<serde_json::Value> = control.events.last(count).map(observe::event_json).collect();
    give(&asked, Answer::new(text, json!(data)));
    if argument(&asked, "follow") == "true" && !control.events.watch(asked.watch.clone()) {
        eprintln!("throwover: no more than {} may follow events at once", observe::WATCHERS_MAX);
    }
}

pub(super) fn disable(control: &mut Control, asked: Asked) {
    let target = argument(&asked, "target").to_owned();
    if target.is_empty() {
        return give(&asked, Answer::refused(code::USAGE, "which target? `throwover status` shows them\n".to_owned()));
    }
    match duration(&asked, "for") {
        Ok(time) => {
            let (time, force) = (time.unwrap_or(aside::FOR_USUAL), argument(&asked, "force") == "true");
            let why = argument(&asked, "why").to_owned();
            let wish = steer::aside::Wish { target: &target, time, force, why: &why };
            steer::aside::disable(control, wish, &asked.who, Reply::Operator(asked.reply));
        }
        Err(answer) => give(&asked, answer),
    }
}

pub(super) fn enable(control: &mut Control, asked: Asked) {
    let target = argument(&asked, "target").to_owned();
    steer::aside::enable(control, &target, &asked.who, Reply::Operator(asked.reply));
}

pub(super) fn chaos(control: &mut Control, asked: Asked) {
    let usage = |text: &str| Answer::refused(code::USAGE, format!("{text}\n"));
    match argument(&asked, "action") {
        "begin" => {
            let permille = match units::share(argument(&asked, "percent")) {
                _ if argument(&asked, "percent").is_empty() => chaos::PERMILLE_USUAL,
                Some(permille) => permille,
                None => return give(&asked, usage("`--percent` is a number from 0.1 to 100")),
            };
            let time = match duration(&asked, "for") {
                Ok(time) => time.unwrap_or(chaos::FOR_USUAL),
                Err(answer) => return give(&asked, answer),
            };
            let start_in = match duration(&asked, "start-in") {
                Ok(time) => time.unwrap_or_default(),
                Err(answer) => return give(&asked, answer),
            };
            let (targets, faults) = (argument(&asked, "targets").to_owned(), argument(&asked, "faults").to_owned());
            let wish = steer::chaos::Wish { targets: &targets, faults: &faults, permille, time, start_in };
            steer::chaos::begin(control, wish, &asked.who, Reply::Operator(asked.reply));
        }
        "end" => steer::chaos::end(control, &asked.who, Reply::Operator(asked.reply)),
        "report" => {
            let answer = steer::chaos::report(control);
            give(&asked, answer);
        }
        _ => give(&asked, usage("begin, end or report?")),
    }
}

pub(super) fn drain(control: &mut Control, asked: Asked) {
    let answer = match duration(&asked, "grace") {
        Ok(grace) => {
            let grace = grace.map_or(control.live.draft.gateway.drain_ms, |grace| grace.as_millis() as u64);
            steer::drain(control, grace)
        }
        Err(answer) => answer,
    };
    give(&asked, answer);
}

#[cfg(test)]
mod tests;
