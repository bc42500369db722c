//! The admin port: plain HTTP, JSON in and out.
//!
//! | request | what it does |
//! |---|---|
//! | `GET /providers`, `GET /providers/{name}` | state, addresses, faults, counters |
//! | `PUT` or `POST /providers/{name}/faults` | replaces the faults by a list |
//! | `PATCH /providers/{name}/faults` | adds a list to the faults |
//! | `DELETE /providers/{name}/faults` | heals |
//! | `POST /providers/{name}/certificate` | `{"kind": "expired"}` |
//! | `PUT /providers/{name}/answers` | changes the answers, field by field |
//! | `GET /log?provider=&since=&limit=` | what was received after entry `since` |
//! | `GET /faults` | the table of kinds |
//! | `POST /reset` | heals all, forgets log and counts |
//!
//! When an answer has come, what it ordered is in force.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::certs::CertificateKind;
use crate::config::Answers;
use crate::fault::{Fault, KINDS};
use crate::http::{self, Request};
use crate::line::{Incoming, Line, Wire};
use crate::provider::Provider;
use crate::serve;
use crate::zoo::Shared;

/// The most admin connections at a time; more wait.
const CONNECTIONS_MAX: usize = 64;
/// How many log entries come at once unless asked otherwise.
const LOG_LIMIT: usize = 1000;

/// Serves the admin port.
pub async fn listen(shared: Arc<Shared>, listener: TcpListener) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((tcp, _)) => {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    talk(&shared, tcp).await;
                    drop(slot);
                });
            }
            // Out of descriptors: what is open must end first.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
    }
}

async fn talk(shared: &Shared, tcp: TcpStream) {
    let mut line = Line::new(Wire::Plain(tcp));
    loop {
        match line.request(serve::IDLE, serve::PATIENCE).await {
            Incoming::Request(request) => {
                let (status, value) = match answer(shared, &request).await {
                    Ok(value) => (200, value),
                    Err(wrong) => (wrong.status, json!({"error": wrong.message})),
                };
                let mut body = format!("{value:#}\n").into_bytes();
                let mut headers =
                    vec![("content-type".to_owned(), "application/json".to_owned()), ("content-length".to_owned(), body.len().to_string())];
                if !request.keep_alive {
                    headers.push(("connection".to_owned(), "close".to_owned()));
                }
                let mut bytes = http::head(status, &headers);
                bytes.append(&mut body);
                if line.send(&bytes).await.is_err() || !request.keep_alive {
                    break;
                }
            }
            Incoming::Ended => break,
            Incoming::Bad(bad) => {
                serve::refuse_request(&mut line, bad).await;
                break;
            }
        }
    }
    line.cut(false).await;
}

/// Why an order was not carried out.
struct Wrong {
    status: u16,
    message: String,
}

fn wrong(status: u16, message: impl Into<String>) -> Wrong {
    Wrong { status, message: message.into() }
}

async fn answer(shared: &Shared, request: &Request) -> Result<Value, Wrong> {
    let path: Vec<&str> = request.path().split('/').filter(|part| !part.is_empty()).collect();
    match (request.method.as_str(), path.as_slice()) {
        ("GET", ["providers"]) => {
            let states: Vec<Value> = shared.providers.iter().map(|p| p.state()).collect();
            Ok(json!({"providers": states}))
        }
        ("GET", ["providers", name]) => Ok(named(shared, name)?.state()),
        ("PUT" | "POST", ["providers", name, "faults"]) => change_faults(named(shared, name)?, request, true).await,
        ("PATCH", ["providers", name, "faults"]) => change_faults(named(shared, name)?, request, false).await,
        ("DELETE", ["providers", name, "faults"]) => {
            let provider = named(shared, name)?;
            provider.set_faults(Vec::new(), true);
            provider.settled().await;
            Ok(provider.state())
        }
        ("POST" | "PUT", ["providers", name, "certificate"]) => certificate(shared, named(shared, name)?, request),
        ("PUT" | "PATCH" | "POST", ["providers", name, "answers"]) => change_answers(named(shared, name)?, request),
        ("GET", ["log"]) => log(shared, request),
        ("GET", ["faults"]) => Ok(kinds()),
        ("POST", ["reset"]) => reset(shared).await,
        (method, _) => Err(wrong(
            404,
            format!(
                "no {method} {}; there are /providers, /providers/{{name}}/faults, /providers/{{name}}/certificate, /providers/{{name}}/answers, /log, /faults, /reset",
                request.path()
            ),
        )),
    }
}

fn named<'a>(shared: &'a Shared, name: &str) -> Result<&'a Arc<Provider>, Wrong> {
    shared.provider(name).ok_or_else(|| {
        let known: Vec<&str> = shared.providers.iter().map(|p| p.name.as_str()).collect();
        wrong(404, format!("no provider `{name}`; there are {}", known.join(", ")))
    })
}

fn body(request: &Request) -> Result<Value, Wrong> {
    serde_json::from_slice(&request.body).map_err(|error| wrong(400, format!("the body is not JSON: {error}")))
}

/// A list, one fault alone, or `{"faults": [...]}`.
fn faults(request: &Request) -> Result<Vec<Fault>, Wrong> {
    let mut value = body(request)?;
    if let Some(list) = value.get_mut("faults") {
        value = list.take();
    }
    let list = match value {
        Value::Array(list) => list,
        single => vec![single],
    };
    let parsed: Result<Vec<Fault>, _> = list.into_iter().map(Fault::try_from).collect();
    parsed.map_err(|error| wrong(400, error.to_string()))
}

async fn change_faults(provider: &Arc<Provider>, request: &Request, replace: bool) -> Result<Value, Wrong> {
    provider.set_faults(faults(request)?, replace);
    provider.settled().await;
    Ok(provider.state())
}

fn certificate(shared: &Shared, provider: &Provider, request: &Request) -> Result<Value, Wrong> {
    let value = body(request)?;
    let kind = value.get("kind").unwrap_or(&value);
    let kind: CertificateKind = serde_json::from_value(kind.clone()).map_err(|error| wrong(400, format!("`kind`: {error}")))?;
    let authority = shared.authority.as_ref().ok_or_else(|| wrong(409, "there is no TLS; start with --tls-dir DIR"))?;
    provider.show(authority, kind).map_err(|error| wrong(500, error.to_string()))?;
    Ok(provider.state())
}

/// Changes the fields that are given and leaves the others.
fn change_answers(provider: &Provider, request: &Request) -> Result<Value, Wrong> {
    let Value::Object(changes) = body(request)? else {
        return Err(wrong(400, "the body is not an object of fields, as in {\"words\": 100}"));
    };
    let current = serde_json::to_value(&*provider.answers());
    let mut fields: Map<String, Value> = match current {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    fields.extend(changes);
    let answers: Answers = serde_json::from_value(Value::Object(fields)).map_err(|error| wrong(400, error.to_string()))?;
    answers.check(&provider.name).map_err(|error| wrong(400, error.to_string()))?;
    provider.set_answers(answers);
    Ok(provider.state())
}

fn log(shared: &Shared, request: &Request) -> Result<Value, Wrong> {
    let number = |name: &str, default: u64| match request.query(name) {
        None | Some("") => Ok(default),
        Some(text) => text.parse::<u64>().map_err(|_| wrong(400, format!("`{name}` is no number"))),
    };
    let provider = request.query("provider").filter(|name| !name.is_empty());
    if let Some(name) = provider {
        named(shared, name)?;
    }
    let limit = usize::try_from(number("limit", LOG_LIMIT as u64)?).unwrap_or(LOG_LIMIT);
    let since = number("since", 0)?;
    let (entries, next) = shared.journal.read(provider, since, limit);
    Ok(json!({"now_ms": shared.journal.now_ms(), "next": next, "entries": entries}))
}

fn kinds() -> Value {
    let row = |row: &crate::fault::Row| {
        let parameters: Map<String, Value> = row
            .parameters
            .iter()
            .map(|p| {
                let described = json!({"help": p.help, "default": p.shape.default_text()});
                (p.name.to_owned(), described)
            })
            .collect();
        json!({"kind": row.name, "help": row.help, "parameters": parameters})
    };
    json!({"faults": KINDS.iter().map(row).collect::<Vec<_>>()})
}

async fn reset(shared: &Shared) -> Result<Value, Wrong> {
    for provider in &shared.providers {
        let done = provider.reset(shared.authority.as_ref());
        done.map_err(|error| wrong(500, error.to_string()))?;
        provider.settled().await;
    }
    shared.journal.clear();
    Ok(json!({"reset": true}))
}
