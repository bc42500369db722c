//! What requests of a run go through: Throwover, nginx, HAProxy, nothing, or anything by its address.

use crate::{
    canned,
    child::{Folder, Place, Process},
    haproxy, machine, nginx,
    nginx::Upstreams,
    provenance,
    sink::{Answers, Sink},
    stage::Stage,
    throwover::{self, Gateway, Providers},
};
use mock::certs::{Authority, CertificateKind};
use serde_json::{Value, json};
use std::{
    fs, io,
    net::{SocketAddr, ToSocketAddrs},
    path::{Path, PathBuf},
    time::Duration,
};

/// Everything comes up within so long.
const PATIENCE: Duration = Duration::from_secs(30);
/// Connections that Throwover keeps ready.
const WARM: usize = 64;

/// What stands between load and sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Through {
    Throwover,
    Nginx,
    Haproxy,
    Direct,
}

/// How the sink is reached by what stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Upstream {
    Plain,
    Tls,
}

/// What is started, and where.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) through: Through,
    pub(crate) upstream: Upstream,
    pub(crate) answers: Answers,
    pub(crate) connections: usize,
    /// Streams are asked for.
    pub(crate) stream: bool,
    pub(crate) place: Place,
    pub(crate) keep: bool,
    pub(crate) nginx: PathBuf,
    pub(crate) haproxy: PathBuf,
    pub(crate) binaries: PathBuf,
}

/// Where requests go, and what runs for them.
pub(crate) struct Set {
    pub(crate) to: SocketAddr,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) model: String,
    pub(crate) key: String,
    /// Whose CPU time is told; none for what was not started here.
    pub(crate) pids: Vec<u32>,
    /// What it is and how it was set up.
    pub(crate) described: Value,
    processes: Vec<Process>,
    /// Last, so that it goes after what writes into it.
    _folder: Option<Folder>,
}

impl Set {
    fn new(to: SocketAddr, folder: Option<Folder>, described: Value) -> Set {
        Set {
            to,
            host: to.to_string(),
            path: canned::PATH.to_owned(),
            model: canned::MODEL.to_owned(),
            key: String::new(),
            pids: Vec::new(),
            described,
            processes: Vec::new(),
            _folder: folder,
        }
    }

    /// An error when something that was started has ended.
    pub(crate) fn still_up(&mut self) -> io::Result<()> {
        self.processes.iter_mut().try_for_each(Process::still_up)
    }
}

/// Anything that listens at this URL; nothing is started.
pub(crate) fn url(text: &str) -> io::Result<Set> {
    let (host, path) = split(text).map_err(|what| io::Error::other(format!("{text}: {what}")))?;
    let named =
        if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) { host.clone() } else { format!("{host}:80") };
    let to = named.to_socket_addrs()?.next().ok_or_else(|| io::Error::other(format!("{host} has no address")))?;
    let mut set = Set::new(to, None, json!({"url": text}));
    (set.host, set.path) = (host, path);
    Ok(set)
}

/// Host and path of a URL; a path that names no resource becomes that of chat completions.
fn split(text: &str) -> Result<(String, String), &'static str> {
    let rest = text.strip_prefix("http://").ok_or("the load speaks http:// only; TLS on the tenant's side is not measured")?;
    let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    if host.is_empty() || text.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        return Err("this is no URL");
    }
    let path = match path.trim_end_matches('/') {
        "" => canned::PATH.to_owned(),
        base if base.ends_with("/v1") => format!("{base}/chat/completions"),
        _ => path.to_owned(),
    };
    Ok((host.to_owned(), path))
}

/// Starts a sink in `stage` and what stands before it, and waits until it is ready.
pub(crate) fn start(wanted: &Wanted, stage: &mut Stage) -> io::Result<Set> {
    let folder = Folder::make(wanted.keep)?;
    let authority = Authority::open(&folder.path().join("tls")).map_err(io::Error::other)?;
    let certificate = authority.server_config(CertificateKind::Good).map_err(io::Error::other)?;
    stage.place(|poll| Sink::open(&wanted.answers, 0, Some((0, certificate)), poll))?;
    let sink = stage.sink().ok_or_else(|| io::Error::other("no sink"))?;
    let (plain, tls) = (sink.address()?, sink.tls_address().ok_or_else(|| io::Error::other("no sink with TLS"))?);
    let secure = wanted.upstream == Upstream::Tls;
    let upstreams = Upstreams { plain, tls, ca: authority.ca_path() };
    let mut set = match wanted.through {
        Through::Direct if secure => {
            return Err(io::Error::other("the load itself speaks no TLS: --through direct goes with --upstream plain"));
        }
        Through::Direct => Set::new(plain, Some(folder), json!({"through": "direct"})),
        Through::Nginx => {
            let running = nginx::start(&wanted.nginx, &upstreams, folder.path(), wanted.place)?;
            let described = peer("nginx", &wanted.nginx, &folder.path().join("nginx/nginx.conf"), folder.path())?;
            let mut set = Set::new(if secure { running.tls } else { running.plain }, Some(folder), described);
            set.processes.push(running.process);
            set
        }
        Through::Haproxy => {
            let traffic = haproxy::Traffic { connections: wanted.connections, streams: wanted.stream };
            let running = haproxy::start(&wanted.haproxy, &upstreams, traffic, folder.path(), wanted.place)?;
            let described = peer("haproxy", &wanted.haproxy, &folder.path().join("haproxy/haproxy.cfg"), folder.path())?;
            let mut set = Set::new(if secure { running.tls } else { running.plain }, Some(folder), described);
            set.processes.push(running.process);
            set
        }
        Through::Throwover => {
            let providers = Providers::new(plain, Some((tls, upstreams.ca)), WARM);
            let gateway = Gateway::prepare(&wanted.binaries, folder.path(), &providers)?;
            let program = wanted.binaries.join("throwover-dataplane");
            let described = peer("throwover", &program, &folder.path().join("throwover/throwover.yaml"), folder.path())?;
            let mut set = Set::new(gateway.listen, Some(folder), described);
            set.model = if secure { throwover::TLS } else { throwover::PLAIN }.to_owned();
            set.key = throwover::TENANT_KEY.to_owned();
            // The data plane first: it is the one whose time counts, and the first to end.
            set.processes.push(gateway.start_plane(wanted.place.cpu.unwrap_or(0), wanted.place.first)?);
            set.processes.push(gateway.start_daemon(Place::default())?);
            await_up(stage, &mut set, |_| gateway.ready())?;
            set
        }
    };
    let to = set.to;
    await_up(stage, &mut set, |_| std::net::TcpStream::connect_timeout(&to, Duration::from_millis(200)).is_ok())?;
    if let Some(process) = set.processes.first() {
        set.pids = machine::family(process.pid())?;
    }
    Ok(set)
}

fn await_up(stage: &mut Stage, set: &mut Set, mut up: impl FnMut(&Set) -> bool) -> io::Result<()> {
    let mut ended = None;
    let found = stage.until(PATIENCE, |_| {
        ended = set.still_up().err();
        ended.is_some() || up(set)
    })?;
    match ended {
        Some(error) => Err(error),
        None if !found => Err(io::Error::other("it did not come up in time")),
        None => Ok(()),
    }
}

fn peer(name: &str, program: &Path, config: &Path, folder: &Path) -> io::Result<Value> {
    let config = fs::read_to_string(config)?;
    Ok(json!({
        "through": name,
        "program_sha256": provenance::file_digest(program)?,
        "config_sha256": provenance::config_digest(&config, folder),
    }))
}

#[cfg(test)]
mod tests {
    use super::split;
    use crate::canned;

    #[test]
    fn a_url_names_host_and_path() {
        let check = |text: &str, host: &str, path: &str| assert_eq!(split(text), Ok((host.to_owned(), path.to_owned())), "{text}");
        check("http://gateway:8080", "gateway:8080", canned::PATH);
        check("http://gateway/", "gateway", canned::PATH);
        check("http://[::1]:80/v1/", "[::1]:80", canned::PATH);
        check("http://gateway:1/openai/v1", "gateway:1", "/openai/v1/chat/completions");
        check("http://gateway:1/v1/responses", "gateway:1", "/v1/responses");
        for text in ["gateway:80", "https://gateway", "http://", "http:///v1", "http://a/b\r\nc: d"] {
            assert!(split(text).is_err(), "{text:?}");
        }
    }
}
