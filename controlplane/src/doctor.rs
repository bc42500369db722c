//! A look at the machine before traffic depends on it.

use crate::{
    load, places,
    reference::Surroundings,
    socket::{Answer, code},
    validate,
    verbs::Arguments,
};
use serde_json::json;
use std::{
    fs,
    net::ToSocketAddrs,
    path::Path,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

/// Oldest kernel that the data plane is made for.
const KERNEL_MIN: (u32, u32) = (6, 8);
/// Open files that a gateway of some size needs.
const FILES_MIN: u64 = 65_536;
/// 2026-01-01, before which no clock of a running system stands.
const CLOCK_MIN: u64 = 1_767_225_600;

#[derive(Clone, Copy, PartialEq)]
enum State {
    Good,
    Doubt,
    Bad,
}

struct Finding {
    what: &'static str,
    state: State,
    found: String,
    mend: &'static str,
}

/// Looks, and says what it found; exit code 1 when something is bad.
pub fn look(arguments: &Arguments) -> Answer {
    let mut findings = vec![kernel(), ring_allowed(), files(), backlog(), clock(), roots(), binary()];
    findings.push(folder("run folder", &places::run(arguments)));
    findings.push(folder("state folder", &places::state(arguments)));
    findings.extend(names(&places::config(arguments)));
    let mut text = String::new();
    for finding in &findings {
        let word = match finding.state {
            State::Good => "ok",
            State::Doubt => "doubt",
            State::Bad => "BAD",
        };
        text.push_str(&format!("{word:<6} {:<14} {}", finding.what, finding.found));
        if finding.state != State::Good && !finding.mend.is_empty() {
            text.push_str(&format!("; {}", finding.mend));
        }
        text.push('\n');
    }
    let bad = findings.iter().any(|finding| finding.state == State::Bad);
    let word = |state| match state {
        State::Good => "ok",
        State::Doubt => "doubt",
        State::Bad => "bad",
    };
    let rows: Vec<_> = findings.iter().map(|f| json!({"what": f.what, "state": word(f.state), "found": f.found, "mend": f.mend})).collect();
    // Printed like an answer that is no failure of the command itself.
    Answer { code: if bad { code::FAILED } else { code::OK }, text, data: json!(rows) }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn kernel() -> Finding {
    kernel_of(rustix::system::uname().release().to_string_lossy().into_owned())
}

fn kernel_of(found: String) -> Finding {
    let mut numbers = found.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let state = if version >= KERNEL_MIN { State::Good } else { State::Bad };
    Finding { what: "kernel", state, found, mend: "Linux 6.8 or later is needed" }
}

/// The data plane itself is asked: what a container's filter forbids, no file tells.
fn ring_allowed() -> Finding {
    let asked = crate::child::sibling("throwover-dataplane").and_then(|path| Command::new(path).arg("--probe").output());
    let (state, found, mend) = match asked {
        Ok(output) if output.status.success() => (State::Good, line(&output.stdout), ""),
        Ok(output) => {
            let said = line(&output.stderr);
            let said = said.strip_prefix("throwover-dataplane: ").unwrap_or(&said);
            (State::Bad, if said.is_empty() { format!("the data plane was ended: {}", output.status) } else { said.to_owned() }, "")
        }
        Err(_) => {
            let (state, found) = match read("/proc/sys/kernel/io_uring_disabled").as_deref() {
                Some("0") => (State::Good, "allowed".to_owned()),
                Some(level) => (State::Bad, format!("kernel.io_uring_disabled is {level}")),
                None => (State::Doubt, "this kernel does not say whether it is allowed".to_owned()),
            };
            (state, found, "sysctl kernel.io_uring_disabled=0")
        }
    };
    Finding { what: "io_uring", state, found, mend }
}

/// The first line that a command printed.
fn line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).lines().next().unwrap_or_default().to_owned()
}

fn files() -> Finding {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let count = limit.maximum.unwrap_or(u64::MAX);
    let state = if count >= FILES_MIN { State::Good } else { State::Doubt };
    Finding { what: "open files", state, found: format!("{count} at most"), mend: "LimitNOFILE=1048576 in the unit, or ulimit -n" }
}

fn backlog() -> Finding {
    let count: u32 = read("/proc/sys/net/core/somaxconn").and_then(|text| text.parse().ok()).unwrap_or(0);
    let state = if count >= 1_024 { State::Good } else { State::Doubt };
    Finding { what: "somaxconn", state, found: count.to_string(), mend: "sysctl net.core.somaxconn=4096" }
}

fn clock() -> Finding {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let state = if seconds >= CLOCK_MIN { State::Good } else { State::Bad };
    Finding {
        what: "clock",
        state,
        found: crate::time::stamp(SystemTime::now()),
        mend: "certificates cannot be verified with a wrong clock",
    }
}

fn roots() -> Finding {
    let places = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
    match places.into_iter().find(|place| Path::new(place).is_file()) {
        Some(place) => Finding { what: "trust", state: State::Good, found: place.to_owned(), mend: "" },
        None => Finding {
            what: "trust",
            state: State::Doubt,
            found: "no certificate authorities of the system".to_owned(),
            mend: "the built-in set is used",
        },
    }
}

fn binary() -> Finding {
    match crate::child::sibling("throwover-dataplane") {
        Ok(path) => Finding { what: "data plane", state: State::Good, found: path.display().to_string(), mend: "" },
        Err(error) => Finding { what: "data plane", state: State::Bad, found: error.to_string(), mend: "" },
    }
}

fn folder(what: &'static str, path: &Path) -> Finding {
    let existing = path.ancestors().find(|folder| folder.is_dir());
    let writable = existing.is_some_and(|folder| rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok());
    let state = if writable { State::Good } else { State::Bad };
    Finding { what, state, found: path.display().to_string(), mend: "it cannot be written" }
}

/// Whether the providers of the policy can be found, when there is a policy.
fn names(config: &Path) -> Vec<Finding> {
    let Ok(loaded) = load::load(config) else {
        let found = format!("{} cannot be read", config.display());
        return vec![Finding { what: "policy", state: State::Doubt, found, mend: "say where with --config" }];
    };
    let checked = validate::validate(&loaded, &Surroundings::real());
    let state = if checked.complaints.refuse() { State::Bad } else { State::Good };
    let mut findings = vec![Finding { what: "policy", state, found: checked.complaints.summary(), mend: "see `throwover check`" }];
    for (name, provider) in &checked.plan.providers {
        if provider.disabled.is_some() {
            continue;
        }
        let (host, port) = provider.origin.first_hop();
        let finding = match (host, port).to_socket_addrs().map(|found| found.count()) {
            Ok(count) => Finding { what: "name", state: State::Good, found: format!("{name}: {host} has {count} addresses"), mend: "" },
            Err(error) => {
                Finding { what: "name", state: State::Bad, found: format!("{name}: {host}: {error}"), mend: "its targets will be skipped" }
            }
        };
        findings.push(finding);
    }
    findings
}

#[cfg(test)]
mod tests;
