//! The whole process: all providers, the admin port, the ports file.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::admin;
use crate::certs::{Authority, CertError};
use crate::config::{Config, ConfigError};
use crate::journal::Journal;
use crate::provider::Provider;
use crate::serve;

/// Where one provider listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderAddresses {
    /// Plain HTTP.
    pub address: SocketAddr,
    /// TLS.
    pub tls: Option<SocketAddr>,
    /// The CA to trust for it.
    pub ca: Option<PathBuf>,
}

/// Where everything listens: the content of the ports file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// The admin port.
    pub admin: Option<SocketAddr>,
    /// The providers by name.
    pub providers: BTreeMap<String, ProviderAddresses>,
}

impl Addresses {
    /// The addresses of one provider.
    #[must_use]
    pub fn provider(&self, name: &str) -> Option<&ProviderAddresses> {
        self.providers.get(name)
    }
}

/// Why the process could not start.
#[derive(Debug)]
pub enum StartError {
    /// The configuration is wrong.
    Config(ConfigError),
    /// The certificates could not be made.
    Certificates(CertError),
    /// An address could not be bound.
    Bind(SocketAddr, io::Error),
    /// The ports file could not be written.
    PortsFile(PathBuf, io::Error),
    /// The system refused threads, signals or timers.
    System(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Config(error) => error.fmt(f),
            StartError::Certificates(error) => error.fmt(f),
            StartError::Bind(address, error) => {
                write!(f, "cannot listen on {address}: {error}; use port 0 to let the kernel choose")
            }
            StartError::PortsFile(path, error) => {
                write!(f, "cannot write {}: {error}; its folder must exist and be writable", path.display())
            }
            StartError::System(error) => {
                write!(f, "the system refused to start the process: {error}")
            }
        }
    }
}

impl std::error::Error for StartError {}

impl From<CertError> for StartError {
    fn from(error: CertError) -> StartError {
        StartError::Certificates(error)
    }
}

/// What the admin port works on.
#[derive(Debug)]
pub struct Shared {
    /// The providers in the order of the configuration.
    pub providers: Vec<Arc<Provider>>,
    /// What they received.
    pub journal: Arc<Journal>,
    /// The private CA, if there is TLS.
    pub authority: Option<Authority>,
}

impl Shared {
    /// The provider of this name.
    #[must_use]
    pub fn provider(&self, name: &str) -> Option<&Arc<Provider>> {
        self.providers.iter().find(|provider| provider.name == name)
    }
}

/// Everything bound, nothing served yet.
struct Opened {
    shared: Arc<Shared>,
    addresses: Addresses,
    listeners: Vec<(Arc<Provider>, TcpListener, bool)>,
    admin: Option<TcpListener>,
}

fn bound(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let attempt = || {
        let listener = serve::bind(address)?;
        let actual = listener.local_addr()?;
        Ok((listener, actual))
    };
    attempt().map_err(|error| StartError::Bind(address, error))
}

fn open(config: &Config) -> Result<Opened, StartError> {
    config.check().map_err(StartError::Config)?;
    let authority = config.tls_dir.as_deref().map(Authority::open).transpose()?;
    let ca = authority.as_ref().map(|authority| absolute(authority.ca_path()));
    let mut listeners = Vec::new();
    let mut providers = Vec::new();
    let mut named = BTreeMap::new();
    for settings in &config.providers {
        let (plain, address) = bound(settings.listen)?;
        let wanted = settings.tls.unwrap_or(SocketAddr::new(settings.listen.ip(), 0));
        let secure = match &authority {
            Some(_) => Some(bound(wanted)?),
            None => None,
        };
        let tls = secure.as_ref().map(|(_, address)| *address);
        let provider = Provider::new(settings, (address, tls), authority.as_ref(), config.seed)?;
        let provider = Arc::new(provider);
        listeners.push((Arc::clone(&provider), plain, false));
        listeners.extend(secure.map(|(listener, _)| (Arc::clone(&provider), listener, true)));
        let ca = ca.clone();
        named.insert(settings.name.clone(), ProviderAddresses { address, tls, ca });
        providers.push(provider);
    }
    let admin = config.admin.map(bound).transpose()?;
    let addresses = Addresses { admin: admin.as_ref().map(|(_, address)| *address), providers: named };
    let journal = Arc::new(Journal::new(config.keep_bodies));
    Ok(Opened {
        shared: Arc::new(Shared { providers, journal, authority }),
        addresses,
        listeners,
        admin: admin.map(|(listener, _)| listener),
    })
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Writes the addresses beside the file and renames: a reader sees all of it or nothing.
fn write_ports(path: &Path, addresses: &Addresses) -> Result<(), StartError> {
    let attempt = || -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(addresses).map_err(io::Error::from)?;
        text.push('\n');
        let beside = path.with_extension(format!("new-{}", std::process::id()));
        std::fs::write(&beside, text)?;
        std::fs::rename(&beside, path)
    };
    attempt().map_err(|error| StartError::PortsFile(path.to_owned(), error))
}

/// Removes the file of an earlier run: whoever waits for it must not find yesterday's ports.
fn remove_ports(path: &Path) -> Result<(), StartError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StartError::PortsFile(path.to_owned(), error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Opens everything, reports the addresses, and serves until `stop` is done.
async fn serve_until(config: &Config, report: impl FnOnce(&Addresses), stop: impl Future<Output = ()>) -> Result<(), StartError> {
    if let Some(path) = &config.ports_file {
        remove_ports(path)?;
    }
    let opened = open(config)?;
    for (provider, listener, tls) in opened.listeners {
        let journal = Arc::clone(&opened.shared.journal);
        tokio::spawn(serve::listen(provider, journal, listener, tls));
    }
    if let Some(listener) = opened.admin {
        tokio::spawn(admin::listen(Arc::clone(&opened.shared), listener));
    }
    // Faults that the file sets are in force before anybody is told where to connect.
    for provider in &opened.shared.providers {
        provider.changes.send_modify(|count| *count += 1);
        provider.settled().await;
    }
    if let Some(path) = &config.ports_file {
        write_ports(path, &opened.addresses)?;
    }
    report(&opened.addresses);
    stop.await;
    Ok(())
}

fn runtime() -> Result<tokio::runtime::Runtime, StartError> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().map_err(StartError::System)
}

/// Runs on this thread until SIGINT or SIGTERM.
pub fn run(config: &Config, report: impl FnOnce(&Addresses)) -> Result<(), StartError> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = runtime()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::System)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(StartError::System)?;
        let stop = async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        serve_until(config, report, stop).await
    })
}

/// A zoo on a thread of this process, for tests. Dropping it ends every connection.
#[derive(Debug)]
pub struct Zoo {
    addresses: Addresses,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Zoo {
    /// Starts a zoo; when this returns, everything listens.
    pub fn start(config: Config) -> Result<Zoo, StartError> {
        let runtime = runtime()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let (started, starting) = mpsc::channel();
        let thread = std::thread::Builder::new().name("mock-zoo".to_owned()).spawn(move || {
            let report = started.clone();
            let ready = move |addresses: &Addresses| drop(report.send(Ok(addresses.clone())));
            // A dropped sender means the same as a sent stop.
            let stop = async { drop(stopped.await) };
            if let Err(error) = runtime.block_on(serve_until(&config, ready, stop)) {
                drop(started.send(Err(error)));
            }
        });
        let thread = thread.map_err(StartError::System)?;
        let gone = || StartError::System(io::Error::other("the thread of the zoo ended early"));
        let addresses = starting.recv().map_err(|_| gone())??;
        Ok(Zoo { addresses, stop: Some(stop), thread: Some(thread) })
    }

    /// Where everything listens.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }
}

impl Drop for Zoo {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed; a second one here would hide the first.
            drop(thread.join());
        }
    }
}
