//! Other LLM gateways: each takes part where its program is given, with one worker, before the same
//! sink. One that does not come up, or that answers wrongly, is told and left out.

mod litellm;
mod portkey;
mod sglang;

use crate::{
    canned,
    child::{Place, Process, free_port},
    load::Pace,
    machine,
    peers::Wanted,
    stage::Stage,
    tally::Kind as Error,
    way::{Asked, Way},
};
use std::{
    ffi::OsString,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// An interpreter that imports all that it has takes this long on a core that has other work.
const COMES_UP: Duration = Duration::from_secs(180);
/// Once it listens, it answers within so long.
const ANSWERS: Duration = Duration::from_secs(60);
/// Between two attempts.
const AGAIN: Duration = Duration::from_millis(250);
/// Right answers in a row, before it takes part.
const TRIALS: u64 = 16;

/// Which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// SGLang's router.
    Sglang,
    /// LiteLLM's proxy.
    Litellm,
    /// Portkey's gateway.
    Portkey,
}

/// Programs that were given.
pub(crate) type Given = Vec<(Kind, PathBuf)>;

/// How one is started.
#[derive(Debug, PartialEq, Eq)]
struct Start {
    arguments: Vec<OsString>,
    variables: Vec<(&'static str, String)>,
    /// The name of a file of its folder, and what is in it.
    file: Option<(PathBuf, String)>,
}

impl Kind {
    /// What it is called in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Sglang => "sglang",
            Kind::Litellm => "litellm",
            Kind::Portkey => "portkey",
        }
    }

    fn start(self, folder: &Path, listen: SocketAddr, sink: SocketAddr) -> io::Result<Start> {
        Ok(match self {
            Kind::Sglang => sglang::start(listen, free_port()?, sink),
            Kind::Litellm => litellm::start(folder, listen, sink),
            Kind::Portkey => portkey::start(listen),
        })
    }

    /// The way through it, with what its requests need.
    fn way(self, to: SocketAddr, sink: SocketAddr, pids: &[u32]) -> Way {
        let way = Way { slow: true, ..Way::new(self.name(), to, canned::MODEL, "", pids) };
        match self {
            Kind::Sglang => way,
            Kind::Litellm => Way { key: litellm::KEY, rewrites: true, ..way },
            Kind::Portkey => Way { key: portkey::KEY, fields: portkey::fields(sink), ..way },
        }
    }
}

/// One that takes part.
#[derive(Debug)]
pub(crate) struct Gateway {
    kind: Kind,
    process: Process,
    listen: SocketAddr,
    sink: SocketAddr,
}

impl Gateway {
    /// The way through it.
    pub(crate) fn way(&self) -> io::Result<Way> {
        Ok(self.kind.way(self.listen, self.sink, &machine::family(self.process.pid())?))
    }
}

/// Those that take part, and a line about each one that is left out.
#[derive(Debug, Default)]
pub(crate) struct Gateways {
    pub(crate) up: Vec<Gateway>,
    left_out: Vec<String>,
}

impl Gateways {
    /// Starts what is given, one after the other, so that none comes up against another one.
    pub(crate) fn start(wanted: &Wanted, stage: &mut Stage, sink: SocketAddr, folder: &Path) -> io::Result<Gateways> {
        let place = Place { cpu: Some(wanted.proxy_cpu), first: wanted.first_in_line, last: false };
        let mut all = Gateways::default();
        for (kind, program) in &wanted.gateways {
            let tried = match open(*kind, program, sink, folder, place) {
                Ok(mut gateway) => tried(&mut gateway, wanted, stage)?.map_or(Ok(gateway), Err),
                Err(error) => Err(error.to_string()),
            };
            match tried {
                Ok(gateway) => all.up.push(gateway),
                Err(why) => {
                    let line = format!("{} is left out: {why}", kind.name());
                    eprintln!("{line}");
                    all.left_out.push(line);
                }
            }
        }
        Ok(all)
    }

    /// What a table does not show by itself.
    pub(crate) fn notes(&self) -> Vec<String> {
        let rewriting = self.up.iter().filter_map(|gateway| gateway.way().ok()).filter(|way| way.rewrites);
        let notes = rewriting.map(|way| {
            format!("{} writes answers anew: their text, role, end and tokens are compared with what was sent, not every byte", way.name)
        });
        notes.chain(self.left_out.iter().cloned()).collect()
    }
}

fn open(kind: Kind, program: &Path, sink: SocketAddr, folder: &Path, place: Place) -> io::Result<Gateway> {
    if !program.is_file() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("{} is not there", program.display())));
    }
    let folder = folder.join(kind.name());
    fs::create_dir_all(&folder)?;
    let listen = free_port()?;
    let Start { arguments, variables, file } = kind.start(&folder, listen, sink)?;
    if let Some((path, text)) = file {
        fs::write(path, text)?;
    }
    let arguments: Vec<_> = arguments.iter().map(OsString::as_os_str).collect();
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let process = Process::start(program, &arguments, &variables, place, &folder.join("log"))?;
    Ok(Gateway { kind, process, listen, sink })
}

/// Waits until it answers; why it takes no part, when it does not, or when an answer is wrong.
fn tried(gateway: &mut Gateway, wanted: &Wanted, stage: &mut Stage) -> io::Result<Option<String>> {
    let (mut ended, listen) = (None, gateway.listen);
    let up = stage.until(COMES_UP, |_| {
        ended = gateway.process.still_up().err();
        ended.is_some() || crate::peers::listens(listen)
    })?;
    match ended {
        Some(error) => return Ok(Some(error.to_string())),
        None if !up => return Ok(Some(format!("nobody listens after {} s", COMES_UP.as_secs()))),
        None => {}
    }
    let asked = Asked {
        request_bytes: wanted.request_bytes,
        answer_bytes: wanted.answer_bytes,
        events: (!wanted.interval.is_zero()).then_some(wanted.events),
        connections: 1,
        pace: Pace::Closed,
    };
    let (begun, mut errors) = (Instant::now(), String::new());
    loop {
        stage.begin(gateway.way()?.plan(&asked));
        let patience = ANSWERS.saturating_sub(begun.elapsed());
        stage.until(patience, |stage| stage.load().is_none_or(|load| load.tally.answers >= TRIALS || load.tally.errors() > 0))?;
        let Some(load) = stage.end() else { return Err(io::Error::other("no load")) };
        if load.tally.errors() == 0 && load.tally.answers >= TRIALS {
            return Ok(None);
        }
        let wrong = [Error::Content, Error::Malformed].iter().any(|kind| load.tally.errors.contains_key(kind));
        if let Err(error) = gateway.process.still_up() {
            return Ok(Some(error.to_string()));
        }
        if load.tally.errors() > 0 {
            errors = load.tally.errors_text();
        }
        if wrong || begun.elapsed() >= ANSWERS {
            return Ok(Some(if errors.is_empty() { format!("no answer within {} s", ANSWERS.as_secs()) } else { errors }));
        }
        stage.run(AGAIN)?;
    }
}

#[cfg(test)]
mod tests;
