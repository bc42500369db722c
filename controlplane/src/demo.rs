//! `throwover up --demo`: an outage rehearsed on this machine, with every number measured.
//!
//! Three mock providers over TLS, the real daemon and data plane, and a steady load that checks
//! every answer for completeness and order. Then the primary is made to fail, one way after the
//! other, and a policy is reloaded in between.

mod faults;
mod http;
mod load;
mod stage;
mod story;

use crate::verbs::Arguments;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};
use std::{
    io,
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

/// Before the first fault, so that there is something to compare with.
const CALM: Duration = Duration::from_millis(2_000);
/// A fault is in force for so long.
const STRUCK: Duration = Duration::from_millis(2_200);
/// After a fault, the primary has so long to be used again.
const HEALING: Duration = Duration::from_millis(3_500);
/// How often signals are looked at.
const TICK: Duration = Duration::from_millis(20);

/// Runs the demonstration. Returns the exit code.
///
/// # Errors
/// A process cannot be started, or does not come up.
pub fn run(arguments: &Arguments) -> io::Result<u8> {
    let once = arguments.contains_key("once");
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let began = Instant::now();
    let stage = stage::set(once)?;
    story::opening(&stage);
    let load = load::start(stage.gateway)?;
    let shown = show(&stage, &load, &mut signals, began);
    let records = load.stop();
    let outcome = match shown {
        Ok(outcome) => outcome,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(130),
        Err(error) => return Err(error),
    };
    let good = story::closing(&records, &outcome);
    if once {
        return Ok(u8::from(!good));
    }
    story::invitation(&stage);
    while signals.pending().next().is_none() {
        stage.still_up()?;
        thread::sleep(TICK);
    }
    Ok(u8::from(!good))
}

/// What the demonstration has shown.
struct Outcome {
    /// Every fault was answered by another target at least once.
    all_struck: bool,
}

fn show(stage: &stage::Stage, load: &load::Load, signals: &mut Signals, began: Instant) -> io::Result<Outcome> {
    wait(signals, CALM)?;
    story::calm(&load.since(0));
    let mut all_struck = true;
    for (index, fault) in faults::FAULTS.iter().enumerate() {
        let mark = load.mark();
        let struck = Instant::now();
        let events = stage.events.mark();
        faults::strike(stage.mock, stage::PRIMARY, fault.order)?;
        wait(signals, STRUCK)?;
        faults::heal(stage.mock, stage::PRIMARY)?;
        let healed = Instant::now();
        let back = await_primary(signals, load, healed)?;
        let events = stage.events.since(events);
        let records = load.since(mark);
        all_struck &= story::fault(fault, struck.duration_since(began), &events, &records, back);
        if index == 1 {
            let mark = load.mark();
            let reload = stage.reload()?;
            wait(signals, Duration::from_millis(500))?;
            story::reload(began.elapsed(), &reload, &load.since(mark));
        }
    }
    Ok(Outcome { all_struck })
}

/// How long after healing the primary answered again; `None` when it did not in time.
fn await_primary(signals: &mut Signals, load: &load::Load, healed: Instant) -> io::Result<Option<Duration>> {
    let mark = load.mark();
    while healed.elapsed() < HEALING {
        wait(signals, TICK)?;
        if load.since(mark).iter().any(|record| record.provider == stage::PRIMARY && record.sent >= healed) {
            return Ok(Some(healed.elapsed()));
        }
    }
    Ok(None)
}

/// Waits, unless the operator wants to end.
fn wait(signals: &mut Signals, duration: Duration) -> io::Result<()> {
    let until = Instant::now() + duration;
    loop {
        if signals.pending().next().is_some() {
            return Err(io::Error::from(io::ErrorKind::Interrupted));
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(TICK));
    }
}

/// Relaxed is enough for flags and counters that order nothing.
const ORDER: Ordering = Ordering::Relaxed;
