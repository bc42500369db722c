//! Throwover alone between load and sink, everything on, for what is measured of it and of nobody
//! else.

use crate::{
    child::{Folder, Place, Process},
    machine::{self, FirstInLine},
    sink::{Answers, Failing, Sink},
    stage::Stage,
    through::Upstream,
    throwover::{self, Gateway, Providers},
    way::{TIMEOUT_NS, Way},
};
use mock::certs::{Authority, CertificateKind};
use serde_json::Value;
use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// Everything comes up, and the last counters come in, within so long.
const PATIENCE: Duration = Duration::from_secs(30);
/// Connections that are kept ready.
const WARM: usize = 64;
/// Between two looks at pools that fill, and the most of them.
const FILLING: Duration = Duration::from_millis(700);
const FILLING_MAX: usize = 15;
/// What is under way at the end is waited for as long as for any request.
const LAST_ANSWERS: Duration = Duration::from_nanos(TIMEOUT_NS);

/// What is started, and where.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) answers: Answers,
    /// What fails at the first targets of the failing chains.
    pub(crate) failing: Failing,
    pub(crate) proxy_cpu: usize,
    pub(crate) load_cpu: usize,
    pub(crate) first_in_line: bool,
    pub(crate) keep: bool,
    pub(crate) binaries: PathBuf,
}

/// Everything that runs.
pub(crate) struct Alone {
    pub(crate) stage: Stage,
    pub(crate) gateway: Gateway,
    pub(crate) plane: Process,
    pub(crate) daemon: Process,
    addresses: Addresses,
    wanted: Wanted,
    _first: Option<FirstInLine>,
    /// Last, so that it goes after what writes into it.
    _folder: Folder,
}

/// Where the sink answers.
#[derive(Clone, Debug)]
struct Addresses {
    plain: SocketAddr,
    tls: SocketAddr,
    failing: (SocketAddr, SocketAddr),
    ca: PathBuf,
}

impl Addresses {
    fn providers(&self) -> Providers<'_> {
        Providers { failing: Some(self.failing), ..Providers::new(self.plain, Some((self.tls, &self.ca)), WARM) }
    }
}

impl Alone {
    /// Starts sink, daemon and data plane, and waits until they are ready.
    ///
    /// The daemon is on the load's core, behind the load: what it compiles takes nothing of the data
    /// plane's core, as on a machine that has more than two.
    pub(crate) fn start(wanted: Wanted) -> io::Result<Alone> {
        let folder = Folder::make(wanted.keep)?;
        machine::raise_files(65_536);
        let authority = Authority::open(&folder.path().join("tls")).map_err(io::Error::other)?;
        let certificate = authority.server_config(CertificateKind::Good).map_err(io::Error::other)?;
        let mut stage = Stage::new()?;
        stage.place(|poll| {
            let mut sink = Sink::open(&wanted.answers, 0, Some((0, certificate)), poll)?;
            sink.fail(wanted.failing, poll)?;
            Ok(sink)
        })?;
        let sink = stage.sink().ok_or_else(|| io::Error::other("no sink"))?;
        let missing = || io::Error::other("the sink lacks a port");
        let (tls, failing) = (sink.tls_address().ok_or_else(missing)?, sink.failing_addresses()?.ok_or_else(missing)?);
        let addresses = Addresses { plain: sink.address()?, tls, failing, ca: authority.ca_path().to_owned() };
        let gateway = Gateway::prepare(&wanted.binaries, folder.path(), &addresses.providers())?;
        let daemon = gateway.start_daemon(Place { cpu: Some(wanted.load_cpu), first: false, last: true })?;
        let plane = gateway.start_plane(wanted.proxy_cpu, wanted.first_in_line)?;
        // From here on on one core.
        machine::pin(wanted.load_cpu)?;
        let mut alone = Alone { stage, gateway, plane, daemon, addresses, wanted, _first: None, _folder: folder };
        alone.await_ready()?;
        alone._first = alone.wanted.first_in_line.then(FirstInLine::take).transpose()?;
        Ok(alone)
    }

    /// Ends the data plane and starts another one, whose counters and histograms begin with nothing.
    pub(crate) fn begin_anew(&mut self) -> io::Result<()> {
        self.plane.end(PATIENCE);
        self.plane = self.gateway.start_plane(self.wanted.proxy_cpu, self.wanted.first_in_line)?;
        self.await_ready()
    }

    fn await_ready(&mut self) -> io::Result<()> {
        let (mut ended, (plane, daemon, gateway)) = (None, (&mut self.plane, &mut self.daemon, &self.gateway));
        let up = self.stage.until(PATIENCE, |_| {
            ended = plane.still_up().and_then(|()| daemon.still_up()).err();
            ended.is_some() || gateway.ready()
        })?;
        match ended {
            Some(error) => Err(error),
            None if !up => Err(io::Error::other("Throwover did not come up in time")),
            None => self.fill_pools(),
        }
    }

    /// Waits until no more connections are opened ahead of need, a few in a turn.
    fn fill_pools(&mut self) -> io::Result<()> {
        let mut before = 0.0;
        for _ in 0..FILLING_MAX {
            self.stage.run(FILLING)?;
            let idle = self.gateway.meters(&["upstream_connections_idle"])?[0];
            if idle > 0.0 && idle == before {
                break;
            }
            before = idle;
        }
        Ok(())
    }

    /// An error when something has ended.
    pub(crate) fn still_up(&mut self) -> io::Result<()> {
        self.plane.still_up().and_then(|()| self.daemon.still_up())
    }

    /// The way through it to the failing first target, over such upstreams.
    pub(crate) fn way(&self, upstream: Upstream) -> Way {
        let model = if upstream == Upstream::Tls { throwover::FAILING_TLS } else { throwover::FAILING_PLAIN };
        Way::new("throwover", self.gateway.listen, model, throwover::TENANT_KEY, &[self.plane.pid()])
    }

    /// The policy with so many routes that nobody asks for.
    pub(crate) fn policy(&self, routes: usize) -> String {
        self.gateway.policy(&self.addresses.providers(), routes)
    }

    /// Sends nothing new, and waits for what is under way; how much of it never came.
    pub(crate) fn finish_load(&mut self) -> io::Result<usize> {
        let Some(load) = self.stage.load() else { return Ok(0) };
        load.stop();
        self.stage.until(LAST_ANSWERS, |stage| stage.load().is_none_or(|load| load.under_way() == 0))?;
        Ok(self.stage.load().map_or(0, |load| load.under_way()))
    }

    /// The meters as the data plane tells them to the daemon once a second, once all exchanges are
    /// in them: quantiles of its own histograms are there, and on the metrics page only buckets.
    pub(crate) fn told(&mut self) -> io::Result<Value> {
        let (pid, socket) = (self.plane.pid(), self.gateway.socket());
        let mut found = Err(io::Error::other("the data plane did not tell its counters in time"));
        let gateway = &self.gateway;
        self.stage.until(PATIENCE, |_| match (gateway.meters(&["exchanges_total"]), throwover::operate(&socket, "status")) {
            (Ok(exchanges), Ok(status)) => match meters_of(&status, pid) {
                Some(meters) if meters["exchanges_total"].as_f64() == exchanges.first().copied() => {
                    found = Ok(meters.clone());
                    true
                }
                _ => false,
            },
            (Err(error), _) | (_, Err(error)) => {
                found = Err(error);
                true
            }
        })?;
        found
    }

    /// Where decisions are written down.
    pub(crate) fn access_log(&self) -> PathBuf {
        self.gateway.access_log()
    }
}

/// The meters of the data plane that is this process.
fn meters_of(status: &Value, pid: u32) -> Option<&Value> {
    let plane = status["planes"].as_array()?.iter().find(|plane| plane["hello"]["pid"] == pid)?;
    plane.pointer("/stats/meters").filter(|meters| meters.is_object())
}

/// Bytes that a file has; none when it is not there yet.
pub(crate) fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |found| found.len())
}

#[cfg(test)]
mod tests {
    use super::meters_of;
    use serde_json::json;

    #[test]
    fn the_meters_are_those_of_the_process() {
        let plane = |pid: u32, count: u64| json!({"hello": {"pid": pid}, "stats": {"meters": {"exchanges_total": count}}});
        let status = json!({"planes": [plane(7, 1), plane(8, 2), {"hello": null, "stats": null}]});
        assert_eq!(meters_of(&status, 8).map(|meters| &meters["exchanges_total"]), Some(&json!(2)));
        assert_eq!(meters_of(&status, 9), None);
        assert_eq!(meters_of(&json!({"planes": [{"hello": {"pid": 9}, "stats": null}]}), 9), None);
    }
}
