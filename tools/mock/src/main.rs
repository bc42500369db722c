//! `throwover-mock`: the command line of the provider zoo.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use mock::client::{Client, ClientError};
use mock::config::{self, ConfigError};
use mock::zoo::StartError;
use mock::{Addresses, CertificateKind, Config, Fault, certs, fault, zoo};
use serde_json::Value;

const EXAMPLES: &str = "\
Examples:
  Two providers, plain and TLS, with an admin port:
    throwover-mock serve --provider openai-a=127.0.0.1:8101 --provider backup=127.0.0.1:8102 \\
        --tls-dir /tmp/mock-tls --admin 127.0.0.1:8100
  Make one rate-limit, watch, heal:
    throwover-mock fault openai-a '429;retry_after=2'
    throwover-mock log
    throwover-mock heal openai-a
  Break every third stream after four events:
    throwover-mock fault openai-a 'reset;events=4;probability=0.33;match=stream'
  One request that breaks itself:
    curl -d '{\"model\":\"gpt-4o!503\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}' \\
        http://127.0.0.1:8101/v1/chat/completions
  One provider of each dialect:
    throwover-mock serve --provider gpt=127.0.0.1:8101 \\
        --provider claude=127.0.0.1:8102,dialect=anthropic --provider gemini=127.0.0.1:8103,dialect=gemini

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.";

#[derive(Debug, Parser)]
#[command(name = "throwover-mock", version, about = "Mock LLM providers with scripted outages", after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

/// Where the admin port is.
#[derive(Debug, clap::Args)]
struct Admin {
    /// Address of the admin port.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8100")]
    admin: SocketAddr,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serve providers until SIGINT or SIGTERM.
    Serve(Serve),
    /// List the kinds of faults.
    Faults {
        /// As a Markdown table.
        #[arg(long)]
        markdown: bool,
    },
    /// Make a provider faulty; replaces the faults that it has.
    Fault {
        #[command(flatten)]
        admin: Admin,
        /// Add to the faults instead of replacing them.
        #[arg(long)]
        add: bool,
        /// The provider.
        provider: String,
        /// The faults, such as `503` or `reset;events=4;count=1`.
        #[arg(required = true)]
        faults: Vec<String>,
    },
    /// Take all faults of a provider away.
    Heal {
        #[command(flatten)]
        admin: Admin,
        /// The provider.
        provider: String,
    },
    /// Show another certificate: good, expired, not-yet-valid, wrong-host, self-signed,
    /// unknown-issuer.
    Certificate {
        #[command(flatten)]
        admin: Admin,
        /// The provider.
        provider: String,
        /// The kind.
        kind: String,
    },
    /// Show the state of the providers.
    Status {
        #[command(flatten)]
        admin: Admin,
    },
    /// Show what the providers received.
    Log {
        #[command(flatten)]
        admin: Admin,
        /// Only this provider.
        #[arg(long)]
        provider: Option<String>,
        /// Only entries after this one.
        #[arg(long, default_value_t = 0)]
        since: u64,
    },
    /// Write a private CA and a certificate for localhost into a folder.
    Certs {
        /// The folder.
        dir: PathBuf,
    },
}

/// The flags of `serve`; they add to the file and override it.
#[derive(Debug, clap::Args)]
#[command(after_help = CONFIG_HELP)]
struct Serve {
    /// A configuration file (JSON, see below).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A provider; may be repeated. Dialects: openai (unless told otherwise), anthropic, gemini.
    #[arg(long = "provider", value_name = "NAME=ADDRESS[,tls=ADDRESS][,dialect=NAME]")]
    providers: Vec<String>,
    /// Folder of the private CA, made on first use; gives every provider a TLS listener.
    #[arg(long, value_name = "DIR")]
    tls_dir: Option<PathBuf>,
    /// Address of the admin port.
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<SocketAddr>,
    /// Where to write the addresses, once everything listens.
    #[arg(long, value_name = "FILE")]
    ports_file: Option<PathBuf>,
    /// Keep up to 4 KiB of each request body in the log.
    #[arg(long)]
    keep_bodies: bool,
    /// Seed of every chance.
    #[arg(long)]
    seed: Option<u64>,
}

const CONFIG_HELP: &str = r#"The file, with every field (all but `name` may be left out):
  {
    "admin": "127.0.0.1:0", "tls_dir": "tls", "ports_file": "ports.json",
    "keep_bodies": false, "seed": 1,
    "providers": [{
      "name": "openai-a", "dialect": "openai",    or anthropic, or gemini
      "listen": "127.0.0.1:0", "tls": "127.0.0.1:0",
      "answers": {
        "keys": ["sk-good"],       accepted keys; empty: any
        "models": ["gpt-4o"],      known models; empty: every
        "context_limit": 128000,   prompt tokens; 0: without limit
        "prefill": true,           continue an assistant's last turn
        "reasoning_content": false,  show thoughts in OpenAI's chat
        "words": 16,               numbered words in a text
        "body_bytes": 0,           exact size of JSON answers; 0: as it comes
        "latency_ms": 0,           wait before the head
        "gap_ms": 0,               wait between events
        "health": 0,               status of GET /health; 0: no such path
        "metrics": ""              page of GET /metrics; empty: none
      },
      "faults": ["latency;ms=200", {"kind": "reset", "events": 4, "probability": 0.1}]
    }]
  }"#;

/// What ended the command.
#[derive(Debug)]
enum Failure {
    /// The caller's mistake: exit code 2.
    Usage(String),
    /// Anything else: exit code 1.
    Failed(String),
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        Failure::Usage(error.to_string())
    }
}

impl From<fault::FaultError> for Failure {
    fn from(error: fault::FaultError) -> Failure {
        Failure::Usage(error.to_string())
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Failure {
        match error {
            StartError::Config(error) => error.into(),
            other => Failure::Failed(other.to_string()),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        match error {
            ClientError::Refused(why) => Failure::Usage(why),
            other => Failure::Failed(other.to_string()),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::Failed(format!("cannot write to stdout: {error}"))
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (code, message) = match run(arguments.verb) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => (2, message),
        Err(Failure::Failed(message)) => (1, message),
    };
    eprintln!("throwover-mock: {message}");
    ExitCode::from(code)
}

fn run(verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Serve(serve) => Ok(zoo::run(&config_of(serve)?, announce)?),
        Verb::Faults { markdown } => say(&if markdown { fault::markdown() } else { fault::listing() }),
        Verb::Fault { admin, add, provider, faults } => {
            let faults: Result<Vec<Fault>, _> = faults.iter().map(|text| Fault::parse(text)).collect();
            let (client, faults) = (Client::new(admin.admin), faults?);
            let state = match add {
                true => client.add_faults(&provider, &faults)?,
                false => client.set_faults(&provider, &faults)?,
            };
            show(&state)
        }
        Verb::Heal { admin, provider } => show(&Client::new(admin.admin).heal(&provider)?),
        Verb::Certificate { admin, provider, kind } => {
            let parsed: Result<CertificateKind, _> = serde_json::from_value(Value::from(kind));
            let kind = parsed.map_err(|error| Failure::Usage(error.to_string()))?;
            show(&Client::new(admin.admin).set_certificate(&provider, kind)?)
        }
        Verb::Status { admin } => show(&Client::new(admin.admin).call("GET", "/providers", None)?),
        Verb::Log { admin, provider, since } => {
            let (entries, _) = Client::new(admin.admin).log(provider.as_deref(), since)?;
            for entry in entries {
                say(&format!("{}\n", serde_json::json!(entry)))?;
            }
            Ok(())
        }
        Verb::Certs { dir } => {
            certs::write_folder(&dir).map_err(|error| Failure::Failed(error.to_string()))?;
            say(&format!("{}\n", dir.join("ca.pem").display()))
        }
    }
}

fn config_of(serve: Serve) -> Result<Config, Failure> {
    let mut config = match &serve.config {
        Some(path) => Config::load(path)?,
        None => Config::default(),
    };
    for flag in &serve.providers {
        config.providers.push(config::provider_flag(flag)?);
    }
    config.admin = serve.admin.or(config.admin);
    config.tls_dir = serve.tls_dir.or(config.tls_dir);
    config.ports_file = serve.ports_file.or(config.ports_file);
    config.keep_bodies |= serve.keep_bodies;
    config.seed = serve.seed.unwrap_or(config.seed);
    Ok(config)
}

/// One line when everything listens: what scripts wait for.
fn announce(addresses: &Addresses) {
    let mut line = "ready".to_owned();
    for (name, at) in &addresses.providers {
        line.push_str(&format!(" {name}=http://{}", at.address));
        if let Some(tls) = at.tls {
            line.push_str(&format!(",https://{tls}"));
        }
    }
    if let Some(admin) = addresses.admin {
        line.push_str(&format!(" admin=http://{admin}"));
    }
    line.push('\n');
    // Whoever closed stdout does not want the line; serving goes on.
    drop(say(&line));
}

fn show(value: &Value) -> Result<(), Failure> {
    say(&format!("{value:#}\n"))
}

fn say(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}
