//! Throwover as an operator runs it: daemon, published policy, data plane, everything on.

use crate::child::{Place, Process, free_port, get};
use serde_json::{Value, json};
use std::{
    ffi::OsStr,
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::SocketAddr,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// The tenant's key, and what the provider is given instead of it.
pub(crate) const TENANT_KEY: &str = "bench-tenant-key-0123456789abcdef";
const PROVIDER_KEY: &str = "bench-provider-key-0123456789abcdef";
/// Names that requests ask for.
pub(crate) const PLAIN: &str = "bench-plain";
/// The same, over TLS.
pub(crate) const TLS: &str = "bench-https";
/// Over TLS as well, from a provider that speaks Anthropic's dialect.
pub(crate) const MESSAGES: &str = "bench-messages";
/// The same two behind a target of which a share of the requests fails.
pub(crate) const FAILING_PLAIN: &str = "bench-plain-second";
pub(crate) const FAILING_TLS: &str = "bench-https-second";
/// A page of the admin listener comes within so long.
const PAGE: Duration = Duration::from_secs(2);
/// A verb is done within so long, and its answer is no longer than this.
const VERB: Duration = Duration::from_secs(30);
const SAID_MAX: u64 = 4 << 20;

/// Where its providers are.
#[derive(Clone, Debug)]
pub(crate) struct Providers<'a> {
    pub(crate) plain: SocketAddr,
    /// Over TLS, and the only authority that is trusted there.
    pub(crate) tls: Option<(SocketAddr, &'a Path)>,
    /// Connections that are kept ready.
    pub(crate) warm: usize,
    /// Where requests fail, plainly and over TLS.
    pub(crate) failing: Option<(SocketAddr, SocketAddr)>,
    /// Microseconds that the shard looks for work before it sleeps.
    pub(crate) spin_us: u32,
}

impl<'a> Providers<'a> {
    /// Providers of which nothing fails, for a shard that sleeps at once.
    pub(crate) fn new(plain: SocketAddr, tls: Option<(SocketAddr, &'a Path)>, warm: usize) -> Providers<'a> {
        Providers { plain, tls, warm, failing: None, spin_us: 0 }
    }
}

/// Folders, binaries and addresses of one gateway.
#[derive(Debug)]
pub(crate) struct Gateway {
    daemon: PathBuf,
    plane: PathBuf,
    folder: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Gateway {
    /// Finds the binaries and writes the policy.
    pub(crate) fn prepare(binaries: &Path, folder: &Path, providers: &Providers<'_>) -> io::Result<Gateway> {
        let binary = |name: &str| {
            let path = binaries.join(name);
            let hint = "build it first: cargo build --release -p controlplane -p dataplane -p bench";
            if path.is_file() { Ok(path) } else { Err(io::Error::other(format!("{} is not there; {hint}", path.display()))) }
        };
        let folder = folder.join("throwover");
        fs::create_dir_all(&folder)?;
        let (listen, admin) = (free_port()?, free_port()?);
        let gateway = Gateway { daemon: binary("throwover")?, plane: binary("throwover-dataplane")?, folder, listen, admin };
        gateway.write(&gateway.policy(providers, 0))?;
        Ok(gateway)
    }

    /// The policy: a chain for each provider, and so many routes that decide otherwise.
    pub(crate) fn policy(&self, providers: &Providers<'_>, routes: usize) -> String {
        let mut text = format!(
            "version: 1\ngateway: {{listen: \"{}\", admin: \"{}\", shards: 1, drain: 1s, spin_us: {}, access_log: \"{}\"}}\n\
             tenants:\n  - {{name: bench, keys: [{{key: \"${{BENCH_TENANT_KEY}}\"}}]}}\nproviders:\n",
            self.listen,
            self.admin,
            providers.spin_us,
            self.access_log().display()
        );
        let provider = |name: &str, endpoint: String, further: String| {
            format!(
                "  {name}: {{endpoint: \"{endpoint}\", keys: [\"${{BENCH_PROVIDER_KEY}}\"], connections: {{warm: {}}}{further}}}\n",
                providers.warm
            )
        };
        let plain = |address: SocketAddr| format!("http://127.0.0.1:{}/v1", address.port());
        let secure = |address: SocketAddr| format!("https://localhost:{}/v1", address.port());
        let mut chains = vec![(PLAIN, vec!["plain"])];
        text.push_str(&provider("plain", plain(providers.plain), String::new()));
        if let Some((to, _)) = providers.failing {
            text.push_str(&provider("failing", plain(to), String::new()));
            chains.push((FAILING_PLAIN, vec!["failing", "plain"]));
        }
        if let Some((address, ca)) = providers.tls {
            let trust = format!(", ca: \"{}\"", ca.display());
            text.push_str(&provider("secure", secure(address), trust.clone()));
            chains.push((TLS, vec!["secure"]));
            let root = format!("https://localhost:{}", address.port());
            text.push_str(&provider("messages", root, format!("{trust}, dialect: anthropic")));
            chains.push((MESSAGES, vec!["messages"]));
            if let Some((_, to)) = providers.failing {
                text.push_str(&provider("failing-secure", secure(to), trust));
                chains.push((FAILING_TLS, vec!["failing-secure", "secure"]));
            }
        }
        text.push_str("fallback:\n  chains:\n");
        for (name, providers) in chains {
            let models: Vec<String> = providers.iter().map(|provider| format!("{{provider: {provider}, model: {name}}}")).collect();
            text.push_str(&format!("    - {{name: {name}, models: [{}]}}\n", models.join(", ")));
        }
        if routes > 0 {
            text.push_str("routes:\n");
            text.extend((0..routes).map(|number| format!("  - {{when: {{model: \"model-{number}\"}}, chain: {PLAIN}}}\n")));
        }
        text
    }

    /// Replaces the policy's file.
    pub(crate) fn write(&self, policy: &str) -> io::Result<()> {
        fs::write(self.config(), policy)
    }

    /// The policy's file.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.join("throwover.yaml")
    }

    fn places(&self) -> [PathBuf; 2] {
        [self.folder.join("run"), self.folder.join("state")]
    }

    /// Where decisions are written down.
    pub(crate) fn access_log(&self) -> PathBuf {
        self.folder.join("access.log")
    }

    /// Starts the daemon.
    pub(crate) fn start_daemon(&self, place: Place) -> io::Result<Process> {
        let ([run, state], config) = (self.places(), self.config());
        let arguments: [&OsStr; 7] = [
            "daemon".as_ref(),
            "--config".as_ref(),
            config.as_os_str(),
            "--run".as_ref(),
            run.as_os_str(),
            "--state".as_ref(),
            state.as_os_str(),
        ];
        let variables = [("BENCH_TENANT_KEY", TENANT_KEY), ("BENCH_PROVIDER_KEY", PROVIDER_KEY)];
        Process::start(&self.daemon, &arguments, &variables, place, &self.folder.join("daemon.log"))
    }

    /// Starts the data plane on one core.
    pub(crate) fn start_plane(&self, cpu: usize, first: bool) -> io::Result<Process> {
        let ([run, state], cpus) = (self.places(), cpu.to_string());
        let arguments: [&OsStr; 6] =
            ["--run".as_ref(), run.as_os_str(), "--state".as_ref(), state.as_os_str(), "--cpus".as_ref(), cpus.as_ref()];
        Process::start(&self.plane, &arguments, &[], Place { cpu: Some(cpu), first, last: false }, &self.folder.join("dataplane.log"))
    }

    /// Whether the data plane says that it is ready.
    pub(crate) fn ready(&self) -> bool {
        get(self.admin, "/readyz", PAGE).is_ok_and(|(status, _)| status == 200)
    }

    /// Asks the daemon; what it says as JSON.
    pub(crate) fn verb(&self, words: &[&str]) -> io::Result<Value> {
        let [run, _] = self.places();
        let output = Command::new(&self.daemon).args(words).arg("--run").arg(run).args(["--format", "json"]).output()?;
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            return Err(io::Error::other(format!("throwover {}: {}", words.join(" "), String::from_utf8_lossy(&said))));
        }
        serde_json::from_slice(&output.stdout).map_err(io::Error::other)
    }

    /// Where the daemon is asked.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("run/operator.sock")
    }

    /// The metrics page.
    pub(crate) fn page(&self) -> io::Result<String> {
        match get(self.admin, "/metrics", PAGE)? {
            (200, page) => Ok(page),
            (status, _) => Err(io::Error::other(format!("the metrics page has status {status}"))),
        }
    }

    /// Sums of counters of the metrics page, without their prefix.
    pub(crate) fn meters(&self, names: &[&str]) -> io::Result<Vec<f64>> {
        let page = self.page()?;
        Ok(names.iter().map(|name| meter(&page, name)).collect())
    }
}

/// Asks the daemon at its socket for this verb, without a process of its own; what it says.
pub(crate) fn operate(socket: &Path, verb: &str) -> io::Result<Value> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(VERB))?;
    stream.set_write_timeout(Some(VERB))?;
    stream.write_all(format!("{}\n", json!({"verb": verb})).as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream.take(SAID_MAX)).read_line(&mut line)?;
    let said: Value = serde_json::from_str(&line).map_err(|error| io::Error::other(format!("{verb}: {error}")))?;
    if said["code"] != 0 {
        return Err(io::Error::other(format!("{verb}: {}", said["text"].as_str().unwrap_or(&line))));
    }
    Ok(said["data"].clone())
}

/// A counter, summed over its labels.
pub(crate) fn meter(page: &str, name: &str) -> f64 {
    let prefix = format!("throwover_{name}");
    let of = |line: &str| {
        let rest = line.strip_prefix(&prefix)?;
        let rest = if rest.starts_with('{') { rest.split_once('}')?.1 } else { rest };
        rest.strip_prefix(' ')?.trim().parse::<f64>().ok()
    };
    page.lines().filter_map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::meter;

    #[test]
    fn a_counter_is_summed_over_its_shards() {
        let page = "# HELP throwover_a_total x\nthrowover_a_total{shard=\"0\"} 3\nthrowover_a_total{shard=\"1\"} 4\nthrowover_a_total_more 9\nthrowover_b 1\n";
        assert_eq!(meter(page, "a_total"), 7.0);
        assert_eq!(meter(page, "b"), 1.0);
        assert_eq!(meter(page, "c"), 0.0);
    }
}
