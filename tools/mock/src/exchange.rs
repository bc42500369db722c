//! One request from its reading to the last byte of its answer.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;

use crate::answer::Answer;
use crate::asked::Asked;
use crate::effect::{self, Asking, Delivery, Framing};
use crate::fault::{Fault, Kind, Stage};
use crate::http::Request;
use crate::journal::{Journal, Outcome};
use crate::line::Line;
use crate::provider::Provider;
use crate::script::Facts;
use crate::sending::{Halt, Sending};

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It is kept, and closed silently after so long if nothing comes.
    Keep(Option<Duration>),
    /// It ends with FIN.
    Close {
        /// Whether TLS says so first.
        notify: bool,
    },
    /// It ends with RST.
    Reset,
}

/// Which connection, and how many requests it has carried, this one included.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The connection's number.
    pub connection: u64,
    /// The requests on it so far.
    pub requests: u64,
    /// Whether it is TLS.
    pub tls: bool,
}

/// Answers one request.
pub async fn run(line: &mut Line, provider: &Provider, journal: &Journal, request: &Request, place: Place) -> After {
    let body: Option<Value> = serde_json::from_slice(&request.body).ok();
    // Connections are numbered over all providers, so that no two requests have the same.
    let id = format!("req_{:012x}{:012x}", place.connection, place.requests);
    let decided = decide(provider, request, body.as_ref(), place.tls, &id);
    let mut entry = journal.entry(&provider.name, request);
    entry.connection = place.connection;
    entry.request_on_connection = place.requests;
    entry.tls = place.tls;
    entry.model = decided.model;
    entry.stream = decided.stream;
    entry.faults = decided.faults.iter().map(Fault::to_string).collect();
    entry.status = decided.answer.status;
    let sequence = journal.begin(entry);
    let counters = &provider.counters;
    counters.requests.fetch_add(1, Ordering::Relaxed);

    counters.in_flight.fetch_add(1, Ordering::Relaxed);
    let mut open = Open { provider, journal, sequence, settled: false };
    let mut sending = Sending::new(line, &decided.delivery);
    let keep = request.keep_alive && !decided.delivery.close_after;
    let halted = sending.all(&decided.answer, keep).await;
    let (outcome, after) = match halted {
        Ok(()) => (Outcome::Complete, after_answer(&decided.delivery, keep, place.requests)),
        Err(Halt::Gone) => (Outcome::HungUp, After::Close { notify: false }),
        Err(Halt::Fault(after)) => (Outcome::Broken, after),
    };
    open.settle(outcome, sending.sent_bytes(), sending.sent_events());
    line.set_drip(None);
    after
}

/// An answer that is on its way: settles its accounts even when the connection's task is dropped.
struct Open<'a> {
    provider: &'a Provider,
    journal: &'a Journal,
    sequence: u64,
    settled: bool,
}

impl Open<'_> {
    fn settle(&mut self, outcome: Outcome, bytes: u64, events: u64) {
        self.settled = true;
        self.journal.end(self.sequence, outcome, bytes, events);
        self.provider.counters.in_flight.fetch_sub(1, Ordering::Relaxed);
        if outcome == Outcome::HungUp {
            self.provider.count_hang_up();
        }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.settled {
            self.settle(Outcome::Broken, 0, 0);
        }
    }
}

fn after_answer(delivery: &Delivery, keep: bool, requests: u64) -> After {
    let off = matches!(delivery.framing, Framing::LengthOff(bytes) if bytes > 0);
    if !keep || off {
        return After::Close { notify: true };
    }
    let due = delivery.idle_close_requests.is_none_or(|count| requests >= count);
    After::Keep(delivery.idle_close.filter(|_| due))
}

/// What is to be sent, and why.
struct Decided {
    model: String,
    stream: bool,
    faults: Vec<Fault>,
    answer: Answer,
    delivery: Delivery,
}

fn decide(provider: &Provider, request: &Request, body: Option<&Value>, tls: bool, request_id: &str) -> Decided {
    let named = provider.dialect.named(request, body);
    let (model, suffix) = named.model.split_once('!').unwrap_or((&named.model, ""));
    let stream = named.stream;
    let answers = provider.answers();
    let answers = own_answers(request, &answers);
    let facts = Facts { stream, model, tls };
    let (scripted, mut random) = provider.strike(Stage::Request, facts);
    let own = own_faults(request.header("x-mock-fault").unwrap_or_default(), suffix);
    let delivery =
        Delivery { wait: Duration::from_millis(answers.latency_ms), gap: Duration::from_millis(answers.gap_ms), ..Delivery::default() };
    let (faults, mut answer, delivery) = match own {
        Ok(mut faults) => {
            faults.extend(scripted);
            let has = |kind| faults.iter().any(|fault| fault.kind == kind);
            let (refuse, prose, wrong_schema) = (has(Kind::Refusal), has(Kind::Prose), has(Kind::WrongSchema));
            let name = &provider.name;
            let asked = Asked { provider: name, answers: &answers, request, body, model, stream, request_id, refuse, prose, wrong_schema };
            let well = provider.dialect.answer(&asked);
            let asking = Asking { model, request_id };
            let (answer, delivery) = effect::apply(&faults, well, delivery, asking, &mut random);
            (faults, answer, delivery)
        }
        Err(message) => (Vec::new(), provider.dialect.bad_fault(&message, request_id), delivery),
    };
    if let Some(name) = provider.dialect.id_header() {
        answer.set_header(name, request_id);
    }
    Decided { model: model.to_owned(), stream, faults, answer, delivery }
}

/// The provider's settings, as this request changes them for itself.
fn own_answers(request: &Request, answers: &crate::config::Answers) -> crate::config::Answers {
    let number = |name: &str| request.header(name).and_then(|value| value.parse::<u64>().ok());
    let mut answers = answers.clone();
    if let Some(words) = number("x-mock-words") {
        answers.words = words.min(crate::config::WORDS_MAX);
    }
    if let Some(bytes) = number("x-mock-body-bytes") {
        answers.body_bytes = bytes.min(crate::config::BODY_BYTES_MAX);
    }
    answers
}

/// The faults that the request asks for itself; only such as strike a request.
fn own_faults(header: &str, suffix: &str) -> Result<Vec<Fault>, String> {
    let mut faults = Fault::parse_list(header).map_err(|error| error.to_string())?;
    faults.extend(Fault::parse_list(suffix).map_err(|error| error.to_string())?);
    match faults.iter().find(|fault| fault.kind.row().stage != Stage::Request) {
        Some(fault) => Err(format!("fault `{}` strikes before any request is read; set it through the admin port", fault.kind.row().name)),
        None => Ok(faults),
    }
}
