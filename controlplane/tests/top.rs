//! `top`, in a pipe and on a terminal.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use policy::wire::{Stats, TargetState};
use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};
use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    os::fd::OwnedFd,
    process::{Child, Stdio},
};
use support::{House, Plane};

fn busy() -> (House, Plane) {
    let mut house = House::new();
    house.start();
    let mut plane = house.plane(0, [0; 32]);
    plane.arrived();
    plane.adopt(1);
    let target = TargetState {
        name: "local/m".to_owned(),
        breaker: "open".to_owned(),
        attempts: 40,
        failures: 30,
        first_token_us: 2_000,
        in_flight: 4,
        ..TargetState::default()
    };
    plane.count(Stats {
        generation: 1,
        up_ms: 10_000,
        ready: true,
        meters: vec![("requests_total".to_owned(), 50), ("failed_total".to_owned(), 20)],
        targets: vec![target],
        ..Stats::default()
    });
    house.until("status", |status| status["planes"][0]["stats"]["ready"] == true);
    (house, plane)
}

#[test]
fn one_frame_without_escapes_where_nobody_looks() {
    let (house, _plane) = busy();
    for arguments in [&["--once"][..], &[]] {
        let output = house.ask("top", arguments);
        assert_eq!(output.status.code(), Some(0));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains('\u{1b}'), "{text}");
        let squeezed = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for expected in ["generation 1 ready up 10.0 s", "requests 5.00/s", "errors 2.00/s", "local/m open 4 4.00 3.00 2.00 ms"] {
            assert!(squeezed.contains(expected), "{expected} is not in\n{text}");
        }
    }
}

#[test]
fn no_daemon_is_said() {
    let house = House::new();
    assert_eq!(house.ask("top", &["--once"]).status.code(), Some(4));
}

/// A terminal: our end of it, the program's end, and the program on it.
struct Terminal {
    ours: File,
    theirs: File,
    child: Child,
    seen: String,
}

impl Terminal {
    fn start(house: &House, colour: bool) -> Terminal {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        tcsetwinsize(&ours, Winsize { ws_row: 30, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let path = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        let theirs = OpenOptions::new().read(true).write(true).open(path).unwrap();
        let end = || Stdio::from(OwnedFd::from(theirs.try_clone().unwrap()));
        let mut command = house.command("top", &["--run", house.folder.join("run").to_str().unwrap()]);
        if colour {
            command.env_remove("NO_COLOR");
        } else {
            command.env("NO_COLOR", "1");
        }
        let child = command.stdin(end()).stdout(end()).stderr(Stdio::null()).spawn().unwrap();
        Terminal { ours: File::from(ours), theirs, child, seen: String::new() }
    }

    /// Reads until this was shown.
    fn until(&mut self, text: &str) {
        let mut part = [0; 4096];
        while !self.seen.contains(text) {
            let count = self.ours.read(&mut part).unwrap();
            self.seen.push_str(&String::from_utf8_lossy(&part[..count]));
        }
    }

    /// True while keys are shown and come by lines, as a shell wants it.
    fn is_plain(&self) -> bool {
        tcgetattr(&self.theirs).unwrap().local_modes.contains(LocalModes::ICANON | LocalModes::ECHO)
    }
}

#[test]
fn a_terminal_is_taken_and_given_back() {
    let (house, _plane) = busy();
    for by_key in [true, false] {
        let mut terminal = Terminal::start(&house, true);
        terminal.until("local/m");
        // A second frame, with rates.
        terminal.until("per second");
        assert!(terminal.seen.starts_with("\u{1b}[?1049h") && terminal.seen.contains("\u{1b}[31mlocal/m"), "{:?}", terminal.seen);
        assert!(!terminal.is_plain());
        if by_key {
            terminal.ours.write_all(b"xq").unwrap();
        } else {
            let pid = rustix::process::Pid::from_child(&terminal.child);
            rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        }
        assert_eq!(terminal.child.wait().unwrap().code(), Some(0));
        terminal.until("\u{1b}[?25h\u{1b}[?1049l");
        assert!(terminal.is_plain(), "by a key: {by_key}");
    }
}

#[test]
fn no_colour_where_none_is_wanted() {
    let (house, _plane) = busy();
    let mut terminal = Terminal::start(&house, false);
    terminal.until("local/m");
    assert!(!terminal.seen.contains("\u{1b}[31m"), "{:?}", terminal.seen);
    terminal.ours.write_all(b"q").unwrap();
    assert_eq!(terminal.child.wait().unwrap().code(), Some(0));
}
