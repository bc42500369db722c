//! Daemon and data plane as children in the foreground.

use crate::{
    child::{self, Leashed},
    demo, places,
    verbs::Arguments,
};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};
use std::{
    ffi::OsString,
    io,
    process::Stdio,
    time::{Duration, Instant},
};

/// How often children are looked at.
const TICK: Duration = Duration::from_millis(100);
/// When the data plane takes longer than this to end, it is said why.
const TELL_AFTER: Duration = Duration::from_millis(500);

/// Runs until a signal or until a child ends.
///
/// # Errors
/// A binary is missing, or a process cannot be started.
pub fn run(arguments: &Arguments) -> io::Result<u8> {
    if arguments.contains_key("demo") {
        return demo::run(arguments);
    }
    let (config, run, state) = (places::config(arguments), places::run(arguments), places::state(arguments));
    let places: Vec<OsString> = vec!["--run".into(), run.into(), "--state".into(), state.into()];
    let dataplane = child::sibling("throwover-dataplane")?;
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let mut daemon = Leashed::start(
        std::env::current_exe()?,
        &[&["daemon".into(), "--config".into(), config.into()][..], &places[..]].concat(),
        Stdio::inherit(),
    )?;
    let mut plane = Leashed::start(dataplane, &places, Stdio::inherit())?;
    loop {
        for signal in signals.pending() {
            if signal == SIGHUP {
                daemon.signal(rustix::process::Signal::HUP);
            } else {
                // Traffic first: the data plane finishes what is in flight while the daemon still hears it.
                finish(&mut plane, &mut signals)?;
                daemon.end();
                return Ok(0);
            }
        }
        for child in [&mut daemon, &mut plane] {
            if let Some(status) = child.ended()? {
                eprintln!("throwover: {} ended: {status}", child.name);
                return Ok(status.code().and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0).unwrap_or(1));
            }
        }
        std::thread::sleep(TICK);
    }
}

/// Lets the data plane finish within the time that its policy grants; another signal ends it at once.
fn finish(plane: &mut Leashed, signals: &mut Signals) -> io::Result<()> {
    plane.signal(rustix::process::Signal::TERM);
    let began = Instant::now();
    let mut told = false;
    while plane.ended()?.is_none() {
        if signals.pending().any(|signal| signal != SIGHUP) {
            plane.end();
            return Ok(());
        }
        if !told && began.elapsed() > TELL_AFTER {
            told = true;
            eprintln!("throwover: the data plane finishes what is in flight; another signal ends it at once");
        }
        std::thread::sleep(TICK);
    }
    Ok(())
}
