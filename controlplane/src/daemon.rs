//! The daemon: one thread that owns everything, and threads that tell it what happens.
//!
//! Data planes, operators and signals each send [`Message`]s into one bounded channel; nothing is
//! shared, so nothing is locked. Losing the daemon loses no traffic: data planes go on with what
//! they have, and connect again when it is back.

use crate::{
    audit::Audit,
    control::{Control, Reply},
    health::crew::Found,
    link,
    observe::{Events, Plane},
    places, publish,
    socket::{self, Asked},
    steer, time, verbs,
};
use policy::wire::{Event, Frame, Hello, Spending};
use std::{
    io,
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Messages that wait for the daemon; senders wait when there are more.
const MESSAGES_MAX: usize = 1_024;
/// How often deadlines are looked at when nothing happens.
const TICK: Duration = Duration::from_millis(100);

/// What the daemon is told.
#[derive(Debug)]
pub enum Message {
    /// A data plane connected.
    Joined {
        /// Its number on this link.
        plane: u64,
        /// Where to write to it.
        writer: UnixStream,
    },
    /// A data plane said something.
    Frame {
        /// Which.
        plane: u64,
        /// What.
        frame: Box<Frame>,
    },
    /// A data plane went away.
    Left {
        /// Which.
        plane: u64,
        /// Why, when it was not its own wish.
        reason: String,
    },
    /// An operator asks.
    Asked(Asked),
    /// Somebody who went and looked whether a provider is well.
    Found(Box<Found>),
    /// The process was sent a signal.
    Signal(i32),
}

/// Where the daemon finds and keeps things.
#[derive(Clone, Debug)]
pub struct Places {
    /// The policy: a file or a folder.
    pub config: PathBuf,
    /// Sockets.
    pub run: PathBuf,
    /// Generations.
    pub state: PathBuf,
}

/// Runs until it is told to end. Returns the exit code.
///
/// # Errors
/// Sockets or folders cannot be made.
pub fn run(places: Places) -> io::Result<u8> {
    // The folder first: whoever can enter it can reach the sockets.
    places::private(&places.run)?;
    places::private(&places.state)?;
    // One daemon for each: two would take one another's sockets, and number generations alike.
    let same = std::fs::canonicalize(&places.run)? == std::fs::canonicalize(&places.state)?;
    let _held = (places::hold(&places.state)?, if same { None } else { Some(places::hold(&places.run)?) });
    let (to, messages) = sync_channel(MESSAGES_MAX);
    let link_listener = link::bind(&places.run.join("link.sock"), 0o600)?;
    let operators = link::bind(&places.run.join("operator.sock"), 0o660)?;
    let audit = Audit::open(&places.state)?;
    let mut control = match Control::start(places)? {
        Ok(control) => control,
        Err(answer) => {
            eprint!("{}", answer.text);
            return Ok(answer.code);
        }
    };
    eprintln!("throwover: generation {} is ready for data planes", control.generation());
    let sender = to.clone();
    thread::Builder::new().name("link".to_owned()).spawn(move || link::serve(link_listener, sender))?;
    let sender = to.clone();
    thread::Builder::new().name("operators".to_owned()).spawn(move || socket::serve(operators, sender, audit))?;
    control.to = Some(to.clone());
    signals(to)?;
    attend(&mut control, &messages);
    keep(&mut control, true);
    Ok(0)
}

fn signals(to: SyncSender<Message>) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            if to.send(Message::Signal(signal)).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}

fn attend(control: &mut Control, messages: &Receiver<Message>) {
    loop {
        match messages.recv_timeout(TICK) {
            Ok(Message::Joined { plane, writer }) => {
                control.planes.insert(plane, (writer, Plane::default()));
            }
            Ok(Message::Frame { plane, frame }) => heard(control, plane, *frame),
            Ok(Message::Left { plane, reason }) => left(control, plane, reason),
            Ok(Message::Asked(asked)) => verbs::answer(control, asked),
            Ok(Message::Found(found)) => steer::health::found(control, *found, Instant::now()),
            Ok(Message::Signal(signal_hook::consts::SIGHUP)) => {
                steer::reload(control, "SIGHUP", "", Reply::Log);
            }
            Ok(Message::Signal(_)) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
        steer::settle(control, Instant::now());
        keep(control, false);
    }
}

fn keep(control: &mut Control, at_once: bool) {
    control.budgets.keep(&control.live.draft, Instant::now(), time::unix_ms(SystemTime::now()), at_once);
}

/// Tells a data plane what tenants have spent elsewhere: all of them, or those that are named.
fn tell_spent(control: &Control, plane: u64, names: Option<&[Spending]>) {
    let Some((writer, known)) = control.planes.get(&plane) else { return };
    let Some(run) = known.hello.as_ref().map(|hello| hello.run) else { return };
    let list = control.budgets.elsewhere(run, &control.live.draft, time::unix_ms(SystemTime::now()), names);
    for part in list.chunks(policy::limits::SPENDING_PER_FRAME) {
        // A data plane that does not take it is found out by the thread that reads from it.
        publish::send_frame(writer, &Frame::SpentElsewhere(part.to_vec())).ok();
    }
}

/// A data plane tells what it has spent: it is taken in, and told to the others.
fn spent(control: &mut Control, plane: u64, list: &[Spending]) {
    let run_of = |plane: &Plane| plane.hello.as_ref().map(|hello| hello.run);
    let Some(run) = control.planes.get(&plane).and_then(|(_, plane)| run_of(plane)) else { return };
    let present = control.planes.values().filter_map(|(_, plane)| run_of(plane)).collect();
    control.budgets.hear(run, list, &present);
    let others: Vec<u64> = control.planes.keys().copied().filter(|other| *other != plane).collect();
    others.into_iter().for_each(|other| tell_spent(control, other, Some(list)));
}

fn left(control: &mut Control, plane: u64, reason: String) {
    let Some((_, gone)) = control.planes.remove(&plane) else { return };
    control.repairs.gone(plane);
    if let Some(hello) = &gone.hello {
        control.budgets.gone(hello.run);
    }
    if let Some(publishing) = &mut control.publishing {
        publishing.state.gone(plane);
    }
    let pid = gone.hello.map_or(0, |hello| hello.pid);
    let mut details = vec![("pid".to_owned(), pid.to_string())];
    if !reason.is_empty() {
        details.push(("reason".to_owned(), reason));
    }
    tell(&mut control.events, "plane_left", details);
}

fn heard(control: &mut Control, plane: u64, frame: Frame) {
    match frame {
        Frame::Hello(hello) => greeted(control, plane, hello),
        Frame::Ack(ack) => {
            if let (policy::wire::Stage::Adopted, Some((_, known))) = (ack.stage, control.planes.get_mut(&plane)) {
                known.generation = ack.generation;
            }
            if ack.stage == policy::wire::Stage::Adopted {
                tell_spent(control, plane, None);
            }
            match &mut control.publishing {
                Some(publishing) if publishing.state.generation == ack.generation => publishing.state.acknowledged(plane, &ack),
                _ if ack.stage == policy::wire::Stage::Adopted => {
                    let details =
                        vec![("generation".to_owned(), ack.generation.to_string()), ("after_us".to_owned(), ack.after_us.to_string())];
                    tell(&mut control.events, "adopted", details);
                }
                _ => {}
            }
        }
        Frame::Nack(nack) => {
            let details = vec![("generation".to_owned(), nack.generation.to_string()), ("reason".to_owned(), nack.reason.clone())];
            tell(&mut control.events, "refused", details);
            if let Some(publishing) = &mut control.publishing {
                publishing.state.refused(plane, nack.generation, nack.reason);
            }
        }
        Frame::Stats(stats) => {
            if let Some((_, known)) = control.planes.get_mut(&plane) {
                known.generation = stats.generation;
                control.repairs.look(plane, &stats.targets, time::unix_ms(SystemTime::now()).saturating_mul(1_000));
                known.stats = Some(stats);
            }
        }
        Frame::Spending(list) => spent(control, plane, &list),
        Frame::Event(event) => {
            control.repairs.hear(plane, &event);
            control.events.push(event);
        }
        Frame::Reload => {
            steer::reload(control, "SIGHUP to a data plane", "", Reply::Log);
        }
        // What only we say is not heard.
        Frame::Secrets(_) | Frame::Publish(_) | Frame::SpentElsewhere(_) | Frame::Drain { .. } | Frame::Marks(_) => {}
    }
}

fn greeted(control: &mut Control, plane: u64, hello: Hello) {
    let details = vec![
        ("pid".to_owned(), hello.pid.to_string()),
        ("generation".to_owned(), hello.generation.to_string()),
        ("shards".to_owned(), hello.shards.to_string()),
    ];
    // A data plane greets before it listens, and again when it does: until then the first greeting
    // holds no addresses, and the policy's are no substitute for it, since they may be taken.
    let known = control.planes.get(&plane).is_some_and(|(_, plane)| plane.hello.is_some());
    if !known {
        tell(&mut control.events, "plane_joined", details);
    }
    if hello.schema != policy::image::SCHEMA {
        let reason = format!("it reads schema {}, this build writes {}: use binaries of one version", hello.schema, policy::image::SCHEMA);
        tell(&mut control.events, "refused", vec![("reason".to_owned(), reason)]);
    }
    let (generation, digest) = (hello.generation, hello.digest);
    if let Some((_, known)) = control.planes.get_mut(&plane) {
        known.generation = generation;
        known.hello = Some(hello);
    }
    if known {
        return;
    }
    control.health.tell_again();
    tell_spent(control, plane, None);
    if let Some(publishing) = &mut control.publishing {
        let sealed = publishing.sealed.clone();
        publishing.state.join(plane);
        steer::send(control, plane, &sealed);
        return;
    }
    let Some(sealed) = control.sealed.clone() else { return };
    match publish::welcome(generation, digest, &sealed) {
        publish::Welcome::Nothing => {}
        publish::Welcome::Send => steer::send(control, plane, &sealed),
        publish::Welcome::Outnumber(theirs) => steer::outnumber(control, theirs),
    }
}

/// Keeps an event of the daemon's own.
pub fn tell(events: &mut Events, kind: &str, details: Vec<(String, String)>) {
    let at_us = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64);
    events.push(Event { at_us, kind: kind.to_owned(), details });
}
