//! A zoo of mock LLM providers with scripted outages.
//!
//! Several providers live in one process, each with a plain and a TLS listener, and speak the
//! OpenAI dialect so that real clients cannot tell. What can go wrong is one table
//! ([`fault::KINDS`]); faults are set by file, through the admin port ([`client`]), by the header
//! `x-mock-fault`, or by a model name such as `gpt-4o!503`.
//!
//! It must never be stricter or kinder than a real provider unless a fault says so, and it must
//! always know when its caller hung up.

pub mod admin;
pub mod answer;
pub mod certs;
pub mod client;
pub mod config;
pub mod effect;
pub mod exchange;
pub mod fault;
pub mod http;
pub mod journal;
pub mod line;
pub mod openai;
pub mod provider;
pub mod script;
pub mod sending;
pub mod serve;
pub mod zoo;

pub use certs::CertificateKind;
pub use config::{Answers, Config, ProviderConfig};
pub use fault::{Fault, Kind};
pub use zoo::{Addresses, ProviderAddresses, Zoo};
