//! A zoo of mock LLM providers with scripted outages.
//!
//! Several providers live in one process, each with a plain and a TLS listener, and speak the
//! dialects of OpenAI, Anthropic or Gemini so that real clients cannot tell. What can go wrong is one table
//! ([`fault::KINDS`]); faults are set by file, through the admin port ([`client`]), by the header
//! `x-mock-fault`, or by a model name such as `gpt-4o!503`.
//!
//! Tests start a [`Zoo`] in their own process, or run the binary `throwover-mock`; both are driven
//! through a [`client::Client`]:
//!
//! ```
//! use mock::{Config, Fault, ProviderConfig, Zoo, client::Client};
//!
//! let zoo = Zoo::start(Config {
//!     admin: Some("127.0.0.1:0".parse()?),
//!     providers: vec![ProviderConfig::named("primary"), ProviderConfig::named("backup")],
//!     ..Config::default()
//! })?;
//! let admin = Client::new(zoo.addresses().admin.ok_or("no admin port")?);
//! admin.set_faults("primary", &[Fault::parse("reset;events=4;match=stream")?.times(2)])?;
//! // … send requests to `zoo.addresses().provider("primary")` …
//! let (entries, next) = admin.log(Some("primary"), 0)?;
//! assert!(entries.is_empty() && next == 0);
//! admin.heal("primary")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It must never be stricter or kinder than a real provider unless a fault says so, and it must
//! always know when its caller hung up.

pub mod admin;
pub mod answer;
pub mod anthropic;
pub mod asked;
pub mod certs;
pub mod client;
pub mod config;
pub mod dialect;
pub mod effect;
pub mod exchange;
pub mod fault;
pub mod gemini;
pub mod http;
pub mod journal;
pub mod line;
pub mod openai;
pub mod order;
pub mod prompt;
pub mod provider;
pub mod schema;
pub mod script;
pub mod sending;
pub mod serve;
pub mod tokens;
pub mod turn;
pub mod zoo;

pub use certs::CertificateKind;
pub use config::{Answers, Config, ProviderConfig};
pub use dialect::Dialect;
pub use fault::{Fault, Kind};
pub use zoo::{Addresses, ProviderAddresses, Zoo};
