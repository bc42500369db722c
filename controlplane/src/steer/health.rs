//! What the daemon does for active health between two messages.

use crate::{control::Control, daemon, health::crew::Found, publish, time};
use policy::{limits, wire::Frame};
use std::{
    net::Shutdown,
    time::{Instant, SystemTime},
};

/// Looks after what the live policy wants, and tells data planes what was found.
pub fn settle(control: &mut Control, now: Instant) {
    let wall_ms = time::unix_ms(SystemTime::now());
    let secrets = control.sealed.as_ref().map(|sealed| &sealed.secrets);
    if control.health.is_behind(control.live.draft.generation, secrets.is_some()) {
        control.health.follow(&control.live.draft, secrets, now);
    }
    if let Some(to) = &control.to {
        for (kind, details) in control.health.turn(to, now, wall_ms) {
            daemon::tell(&mut control.events, kind, details);
        }
    }
    if let Err(error) = control.health.keep(now) {
        eprintln!("throwover: what canaries have cost today could not be written down: {error}");
    }
    let marks = control.health.marks(now);
    for frame in marks.chunks(limits::MARKS_MAX) {
        let frame = Frame::Marks(frame.to_vec());
        for (writer, _) in control.planes.values().filter(|(_, plane)| plane.hello.is_some()) {
            if publish::send_frame(writer, &frame).is_err() {
                // Its reader notices, and reports that it has left; marks lapse meanwhile.
                writer.shutdown(Shutdown::Both).ok();
            }
        }
    }
}

/// Takes in what somebody has found who went and looked.
pub fn found(control: &mut Control, found: Found, now: Instant) {
    let wall_ms = time::unix_ms(SystemTime::now());
    if let Some((kind, details)) = control.health.hear(found, now, wall_ms) {
        daemon::tell(&mut control.events, kind, details);
    }
}
