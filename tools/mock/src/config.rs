//! What the operator of the mock writes: a JSON file, or the same from flags.
//!
//! Every field has a default but `name`; unknown fields are errors.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::dialect::Dialect;
use crate::fault::Fault;

#[cfg(test)]
mod tests;

/// The whole process: its providers and its admin port.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the admin port listens; port 0 lets the kernel choose. Default: no admin port.
    pub admin: Option<SocketAddr>,
    /// Folder of the private CA; made on first use. Without it there are no TLS listeners.
    pub tls_dir: Option<PathBuf>,
    /// Where the addresses are written, atomically, once all listeners are open.
    pub ports_file: Option<PathBuf>,
    /// Keep up to 4 KiB of each request body in the log. Default: false.
    pub keep_bodies: bool,
    /// Seed of every chance (probabilities, spreads). Default: 1.
    pub seed: u64,
    /// The providers.
    pub providers: Vec<ProviderConfig>,
}

impl Default for Config {
    fn default() -> Config {
        Config { admin: None, tls_dir: None, ports_file: None, keep_bodies: false, seed: 1, providers: Vec::new() }
    }
}

/// One provider: where it listens, how it behaves, what is wrong with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderConfig {
    /// Its name, which is also the first word of its answers.
    pub name: String,
    /// The API that it speaks: openai, anthropic or gemini. Default: openai.
    #[serde(default)]
    pub dialect: Dialect,
    /// Where it listens for plain HTTP. Default: `127.0.0.1:0`.
    #[serde(default = "any_port")]
    pub listen: SocketAddr,
    /// Where it listens for TLS, when there is a `tls_dir`. Default: the same host, any port.
    #[serde(default)]
    pub tls: Option<SocketAddr>,
    /// How it answers.
    #[serde(default)]
    pub answers: Answers,
    /// The faults in force from the start.
    #[serde(default)]
    pub faults: Vec<Fault>,
}

impl ProviderConfig {
    /// A provider of this name with every default.
    #[must_use]
    pub fn named(name: &str) -> ProviderConfig {
        ProviderConfig {
            name: name.to_owned(),
            dialect: Dialect::default(),
            listen: any_port(),
            tls: None,
            answers: Answers::default(),
            faults: Vec::new(),
        }
    }
}

/// How a provider answers while it is well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Answers {
    /// The keys it accepts; none means that any key, or no key, is accepted.
    pub keys: Vec<String>,
    /// The models it has; none means that it has every model.
    pub models: Vec<String>,
    /// The largest prompt in tokens; 0 means without limit.
    pub context_limit: u64,
    /// Whether an assistant's turn that stands last is continued. Without, Anthropic refuses it, as
    /// its newer models do, and the others begin anew. Default: true.
    pub prefill: bool,
    /// Whether thoughts are shown in OpenAI's chat as `reasoning_content`, as vLLM and DeepSeek do;
    /// OpenAI itself only counts them. Default: false.
    pub reasoning_content: bool,
    /// How many numbered words a text has. Bound: 1,000,000.
    pub words: u64,
    /// The exact size of JSON answers in bytes; 0 means as it comes. Bound: 256 MiB.
    pub body_bytes: u64,
    /// Wait before the head.
    pub latency_ms: u64,
    /// Wait between the events of a stream.
    pub gap_ms: u64,
    /// OpenAI's dialect, as self-hosted servers speak it: the status of `GET /health`; 0 means that there is
    /// no such path, as at OpenAI itself.
    pub health: u16,
    /// The same: the page of `GET /metrics`, in the text format of Prometheus; empty means that there is none.
    pub metrics: String,
}

/// The most words that an answer may have.
pub const WORDS_MAX: u64 = 1_000_000;
/// The largest exact size of an answer.
pub const BODY_BYTES_MAX: u64 = 256 << 20;

impl Default for Answers {
    fn default() -> Answers {
        Answers {
            keys: Vec::new(),
            models: Vec::new(),
            context_limit: 0,
            prefill: true,
            reasoning_content: false,
            words: 16,
            body_bytes: 0,
            latency_ms: 0,
            gap_ms: 0,
            health: 0,
            metrics: String::new(),
        }
    }
}

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// What is wrong with a configuration. The operator's doing.
#[derive(Debug)]
pub enum ConfigError {
    /// The file could not be read.
    Unreadable(PathBuf, std::io::Error),
    /// The file is not the JSON that is expected.
    Malformed(PathBuf, serde_json::Error),
    /// No provider at all.
    NoProviders,
    /// Two providers of one name.
    DuplicateName(String),
    /// A name that cannot be part of an address or an answer.
    BadName(String),
    /// A field beyond its bound.
    OutOfBounds {
        /// Whose field.
        provider: String,
        /// Which field.
        field: &'static str,
        /// The largest value allowed.
        max: u64,
    },
    /// A TLS address without a folder for the CA.
    TlsWithoutDir(String),
    /// A `--provider` flag that is not `NAME=ADDRESS`.
    BadFlag(String),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Unreadable(path, error) => {
                write!(f, "cannot read {}: {error}; check the path given to --config", path.display())
            }
            ConfigError::Malformed(path, error) => {
                write!(f, "{}: {error}; the fields are listed in `throwover-mock serve --help`", path.display())
            }
            ConfigError::NoProviders => write!(f, "no providers; add `--provider NAME=127.0.0.1:0` or a `providers` list in the file"),
            ConfigError::DuplicateName(name) => {
                write!(f, "provider `{name}` appears twice; names must differ")
            }
            ConfigError::BadName(name) => {
                write!(f, "provider name `{name}` will not do; use letters, digits, `-`, `_` and `.`, at most 64")
            }
            ConfigError::OutOfBounds { provider, field, max } => {
                write!(f, "provider `{provider}`: `{field}` may be at most {max}")
            }
            ConfigError::TlsWithoutDir(name) => {
                write!(f, "provider `{name}` has a TLS address, but there is no CA to sign for it; add --tls-dir DIR")
            }
            ConfigError::BadFlag(flag) => write!(
                f,
                "`--provider {flag}` is not NAME=ADDRESS[,tls=ADDRESS][,dialect=openai|anthropic|gemini], as in openai-a=127.0.0.1:0"
            ),
        }
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads and checks a configuration file.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let text = std::fs::read(path).map_err(|error| ConfigError::Unreadable(path.to_owned(), error))?;
        serde_json::from_slice(&text).map_err(|error| ConfigError::Malformed(path.to_owned(), error))
    }

    /// Checks what types cannot say.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.providers.is_empty() {
            return Err(ConfigError::NoProviders);
        }
        let mut seen = std::collections::BTreeSet::new();
        for provider in &self.providers {
            let name = &provider.name;
            let fits = (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
            if !fits {
                return Err(ConfigError::BadName(name.clone()));
            }
            if !seen.insert(name.clone()) {
                return Err(ConfigError::DuplicateName(name.clone()));
            }
            if provider.tls.is_some() && self.tls_dir.is_none() {
                return Err(ConfigError::TlsWithoutDir(name.clone()));
            }
            provider.answers.check(name)?;
        }
        Ok(())
    }
}

impl Answers {
    /// Checks the bounds.
    pub fn check(&self, provider: &str) -> Result<(), ConfigError> {
        let bounds = [("words", self.words, WORDS_MAX), ("body_bytes", self.body_bytes, BODY_BYTES_MAX)];
        for (field, value, max) in bounds {
            if value > max {
                return Err(ConfigError::OutOfBounds { provider: provider.to_owned(), field, max });
            }
        }
        if self.health != 0 && !(200..=599).contains(&self.health) {
            return Err(ConfigError::OutOfBounds { provider: provider.to_owned(), field: "health", max: 599 });
        }
        Ok(())
    }
}

/// Reads a `--provider NAME=ADDRESS[,tls=ADDRESS][,dialect=NAME]` flag.
pub fn provider_flag(flag: &str) -> Result<ProviderConfig, ConfigError> {
    let bad = || ConfigError::BadFlag(flag.to_owned());
    let (name, rest) = flag.split_once('=').ok_or_else(bad)?;
    let mut provider = ProviderConfig::named(name);
    let mut parts = rest.split(',');
    provider.listen = parts.next().and_then(|part| part.parse().ok()).ok_or_else(bad)?;
    for part in parts {
        match part.split_once('=') {
            Some(("tls", address)) => provider.tls = Some(address.parse().map_err(|_| bad())?),
            Some(("dialect", name)) => {
                let known = Dialect::ALL.iter().find(|dialect| dialect.name() == name);
                provider.dialect = *known.ok_or_else(bad)?;
            }
            _ => return Err(bad()),
        }
    }
    Ok(provider)
}
