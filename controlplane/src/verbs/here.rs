//! What the command does by itself, and how it asks the daemon.

use super::{Arguments, Verb};
use crate::{
    compile, daemon, doctor, document, legible, load, observe, places,
    plan::Plan,
    reference::Surroundings,
    socket::{self, Answer, Request, code},
    up, validate,
};
use serde_json::json;
use std::{
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    time::Instant,
};

pub(super) fn up(arguments: &Arguments) -> Answer {
    ended(up::run(arguments))
}

pub(super) fn daemon(arguments: &Arguments) -> Answer {
    let found = daemon::Places { config: places::config(arguments), run: places::run(arguments), state: places::state(arguments) };
    ended(daemon::run(found))
}

fn ended(result: io::Result<u8>) -> Answer {
    match result {
        Ok(code) => Answer { code, text: String::new(), data: json!({"code": code}) },
        Err(error) => Answer::refused(code::FAILED, format!("throwover: {error}\n")),
    }
}

pub(super) fn check(arguments: &Arguments) -> Answer {
    let strict = arguments.contains_key("strict");
    check_path(&policy_file(arguments), strict, &Surroundings::real())
}

/// The policy that is meant: the one that is named, or the one that a daemon would take.
pub(crate) fn policy_file(arguments: &Arguments) -> PathBuf {
    arguments.get("file").map_or_else(|| places::config(arguments), PathBuf::from)
}

/// What a policy means.
///
/// # Errors
/// The answer that says everything that is wrong with it.
pub(crate) fn plan_of(path: &Path, from: &Surroundings) -> Result<Plan, Answer> {
    let loaded = load::load(path).map_err(|error| Answer::refused(code::INVALID, format!("{}: {error}\n", path.display())))?;
    let checked = validate::validate(&loaded, from);
    if checked.complaints.refuse() {
        let text = format!("{}{}\n", checked.complaints.render(&loaded.sources), checked.complaints.summary());
        return Err(Answer::refused(code::INVALID, text));
    }
    Ok(checked.plan)
}

/// Reads a policy and says everything about it.
pub(super) fn check_path(path: &Path, strict: bool, from: &Surroundings) -> Answer {
    let began = Instant::now();
    let loaded = match load::load(path) {
        Ok(loaded) => loaded,
        Err(error) => return Answer::refused(code::INVALID, format!("{}: {error}\n", path.display())),
    };
    let read = began.elapsed();
    let checked = validate::validate(&loaded, from);
    let validated = began.elapsed() - read;
    let complaints = &checked.complaints;
    let mut text = complaints.render(&loaded.sources);
    let warnings = complaints.count(crate::complaint::Severity::Warning);
    if complaints.refuse() || (strict && warnings > 0) {
        text.push_str(&format!("check     FAILED  {} ({})\n", path.display(), complaints.summary()));
        let data = json!({"ok": false, "complaints": complaints.json(&loaded.sources)});
        return Answer { code: code::INVALID, text, data };
    }
    let began = Instant::now();
    let compiled = match compile::compile(&checked.plan, &compile::Previous::default(), 1) {
        Ok(compiled) => compiled,
        Err(flaw) => return Answer::refused(code::FAILED, format!("{text}this is a mistake of ours: {flaw}\n")),
    };
    let compiling = began.elapsed();
    let image = policy::image::seal(&compiled.draft);
    let sealing = began.elapsed() - compiling;
    let draft = &compiled.draft;
    let ms = |duration: std::time::Duration| duration.as_secs_f64() * 1e3;
    text.push_str(&format!("check     ok  {} ({})\n", path.display(), complaints.summary()));
    text.push_str(&format!(
        "          {} chains, {} targets, {} providers, {} routes, {} names, {} tenants\n",
        draft.chains.count(),
        draft.targets.count(),
        draft.providers.count(),
        draft.routes.len(),
        draft.names.len(),
        draft.tenants.count()
    ));
    text.push_str(&format!(
        "          read {:.1} ms, validated {:.1} ms, compiled {:.1} ms, sealed {} bytes in {:.1} ms\n",
        ms(read),
        ms(validated),
        ms(compiling),
        image.len(),
        ms(sealing)
    ));
    let data = json!({
        "ok": true, "complaints": complaints.json(&loaded.sources), "image_bytes": image.len(),
        "read_ms": ms(read), "validate_ms": ms(validated), "compile_ms": ms(compiling), "seal_ms": ms(sealing),
    });
    Answer::new(text, data)
}

pub(super) fn schema(_: &Arguments) -> Answer {
    let mut schema = document::read::schema_of(document::Document::FIELDS);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("A policy of Throwover");
    let text = format!("{schema:#}\n");
    Answer::new(text, schema)
}

pub(super) fn doctor(arguments: &Arguments) -> Answer {
    doctor::look(arguments)
}

/// Asks the daemon.
pub(super) fn ask(verb: &Verb, arguments: &Arguments) -> Answer {
    let run = places::run(arguments);
    let json = arguments.get("format").is_some_and(|format| format == "json");
    let mut passed = arguments.clone();
    passed.remove("run");
    let request = Request { verb: verb.name.to_owned(), arguments: passed };
    match socket::ask(&run, &request) {
        Ok((answer, lines)) => {
            if answer.code != code::OK || !arguments.contains_key("follow") {
                return answer;
            }
            print(arguments, &answer);
            for line in lines.map_while(Result::ok) {
                let line = match serde_json::from_str(&line) {
                    Ok(event) if !json => observe::event_line(&observe::event_from(&event)),
                    _ => line,
                };
                out(&format!("{}\n", legible::lines(&line)));
            }
            Answer::refused(code::UNREACHED, "the daemon has ended\n".to_owned())
        }
        Err(error) if error.kind() == io::ErrorKind::TimedOut || error.kind() == io::ErrorKind::WouldBlock => {
            Answer::refused(code::TIMED_OUT, "the daemon has not answered in time\n".to_owned())
        }
        Err(error) => {
            let place = run.join("operator.sock");
            let hint = "start one with `throwover up` or `throwover daemon`, or say where with --run";
            Answer::refused(code::UNREACHED, format!("no daemon is reached at {}: {error}\n{hint}\n", place.display()))
        }
    }
}

/// Prints an answer in the format that was asked for.
pub(super) fn print(arguments: &Arguments, answer: &Answer) {
    if arguments.get("format").is_some_and(|format| format == "json") {
        if !answer.data.is_null() {
            out(&format!("{:#}\n", answer.data));
        }
    } else if answer.data.get("error").is_none() {
        out(&painted(&legible::lines(&answer.text)));
    } else {
        // The reader of a pipe may have gone; there is nobody left to tell.
        io::stderr().write_all(legible::lines(&answer.text).as_bytes()).ok();
    }
}

/// A reader that has gone (`| head`) ends us quietly.
fn out(text: &str) {
    let mut stdout = io::stdout().lock();
    if stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_err() {
        std::process::exit(i32::from(code::OK));
    }
}

/// Severities in colour, where somebody can see it and has not said no.
fn painted(text: &str) -> String {
    if !io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        return text.to_owned();
    }
    let mut painted = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let colour = [("error:", "31"), ("warning:", "33"), ("note:", "36")].into_iter().find(|(word, _)| line.starts_with(word));
        match colour {
            Some((word, colour)) => painted.push_str(&format!("\x1b[1;{colour}m{word}\x1b[0m{}", &line[word.len()..])),
            None => painted.push_str(line),
        }
    }
    painted
}
