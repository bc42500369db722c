//! What an answer means: a verdict for every way in which an attempt can fail.
//!
//! Three things are judged: an error answer, by its status and the fields of its error object
//! ([`answer`]); a failure within an answer that began well, by the fields of an error event
//! ([`failure`]) or the word that it ended with ([`finish`]); and what went wrong below HTTP
//! ([`transport`]). Fields are matched, never the raw body, since bodies quote prompts. What providers
//! say differs, so every judgement begins with whose words they are ([`Family`]); the rules are tables
//! ([`rules`]) that are tried in order, and the first that fits decides.

use crate::failover::{self, Scope};
use policy::Class;
use rules::{Among, Prepared, Room, row::Row};

mod family;
mod parameter;
mod rules;

pub use family::Family;
pub use parameter::{DROPPABLE, Parameter};

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Who sent the request.
    Tenant,
    /// Who was to answer it.
    Provider,
    /// Who wrote the policy, or owns the credentials in it.
    Operator,
    /// The gateway.
    Us,
}

impl Fault {
    /// The word that records and answers use.
    pub const fn word(self) -> &'static str {
        match self {
            Fault::Tenant => "tenant",
            Fault::Provider => "provider",
            Fault::Operator => "operator",
            Fault::Us => "gateway",
        }
    }
}

/// What became of an attempt that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Why.
    pub class: Class,
    /// Whose fault.
    pub fault: Fault,
    /// The breaker of the target counts it.
    pub counts_for_breaker: bool,
    /// The same target may be asked again.
    pub retry_same: bool,
    /// The next target is asked; false ends the exchange.
    pub move_on: bool,
    /// The same target is asked again at once, on a fresh connection, and the attempt does not
    /// count: once per exchange.
    pub fresh: bool,
    /// It speaks for later requests too, so that the target or credential may be left alone.
    pub pauses: bool,
    /// What is left alone, where something is.
    pub scope: Scope,
    /// The parameter that the provider does not know: without it the same target may answer. Whoever can
    /// write the request again may ask once more; everybody else moves on.
    pub drop: Option<Parameter>,
    /// For how long the provider asked to be left alone, in milliseconds.
    pub retry_after_ms: Option<u64>,
    /// The status, where there was one.
    pub status: Option<u16>,
    /// Which rule said so, for records.
    pub detail: &'static str,
}

// It lies in every future that waits for an answer.
const _: () = assert!(size_of::<Verdict>() <= 48);

impl Verdict {
    /// What follows from a class, as [`failover::ROWS`] have it.
    pub const fn of(class: Class, detail: &'static str) -> Verdict {
        let row = failover::row(class);
        Verdict {
            class,
            fault: row.fault,
            counts_for_breaker: row.breaker.counts(),
            retry_same: row.retry_same,
            move_on: row.move_on,
            fresh: false,
            pauses: true,
            scope: row.scope,
            drop: None,
            retry_after_ms: None,
            status: None,
            detail,
        }
    }

    /// It says nothing about other requests: nothing is left alone for it, and no breaker counts it.
    pub const fn of_this_request(self) -> Verdict {
        Verdict { pauses: false, counts_for_breaker: false, ..self }
    }

    /// True for [`Transport::Deadline`]: what became of its target was not waited for.
    pub const fn ran_out(&self) -> bool {
        matches!(self.class, Class::Timeout) && self.status.is_none() && !self.counts_for_breaker
    }

    /// What a rule says of an error.
    fn by(row: &Row, said: &Prepared<'_>) -> Verdict {
        // One that comes back by and by, and one that never will; one model's limit, and all of an account's.
        let detail = match (row.class, row.scope, row.detail) {
            (Class::ModelGone, _, _) if said.speaks_of_retirement() => "model_retired",
            (Class::RateLimit, Some(Scope::Key), "rate_limit") => "account_limit",
            (_, _, detail) => detail,
        };
        let verdict = Verdict::of(row.class, detail);
        Verdict {
            retry_same: row.retry_same.unwrap_or(verdict.retry_same),
            move_on: row.move_on.unwrap_or(verdict.move_on),
            pauses: row.pauses,
            scope: row.scope.unwrap_or(verdict.scope),
            ..verdict
        }
    }
}

/// The members of an error object, where present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErrorFields<'a> {
    /// `error.type`.
    pub kind: Option<&'a str>,
    /// `error.code`, a number as its digits.
    pub code: Option<&'a str>,
    /// `error.param`.
    pub param: Option<&'a str>,
    /// `error.message`.
    pub message: Option<&'a str>,
}

/// What can go wrong without a status that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Nobody listens there, or the way is closed.
    ConnectRefused,
    /// No connection in time.
    ConnectTimeout,
    /// The name has no address.
    Resolve,
    /// The handshake broke off.
    TlsHandshake,
    /// The certificate was not accepted.
    TlsCertificate,
    /// The connection broke before the first byte of an answer.
    ResetBeforeHead,
    /// The same on a connection from the pool, which the provider had closed meanwhile.
    StaleConnection,
    /// No head in time.
    HeadTimeout,
    /// A head, and no first token in time.
    FirstTokenTimeout,
    /// No first token in the time after which the chain turns to others, which is shorter.
    Latency,
    /// Nothing for too long amid an answer.
    IdleTimeout,
    /// The exchange's whole time is over.
    Deadline,
    /// The stream ended cleanly without its terminal marker.
    CutStream,
    /// The connection broke amid the answer.
    ResetStream,
    /// The head breaks HTTP.
    MalformedHead,
    /// The body breaks JSON or SSE.
    MalformedBody,
    /// Not the kind of body that was asked for: an HTML page, say.
    WrongContentType,
    /// An error object within an answer of status 200; [`event`] tells its class.
    ErrorEvent(Class),
    /// Well formed, and holds nothing.
    Empty,
    /// Well formed, and not in the form that was asked for.
    SchemaViolation,
    /// The answer was ended by a filter, and the chain has a model for that.
    Filtered,
    /// The answer is a refusal, and the chain has a model for that.
    Refused,
    /// Larger than may be held.
    TooLarge,
    /// Where one message ends and the next begins is in doubt.
    Http,
    /// The request is none that can be said in the provider's language.
    Unreadable,
}

/// Every detail that a verdict can have, ascending, so that a record needs a byte for it.
pub const DETAILS: &[&str] = &[
    "account_limit",
    "bad_request",
    "cancelled",
    "capacity",
    "client_error",
    "conflict",
    "connect_refused",
    "connect_timeout",
    "content_filter",
    "context_window",
    "cut_stream",
    "deadline",
    "empty",
    "engine_dead",
    "error_event",
    "failed_dependency",
    "filtered_answer",
    "first_token_timeout",
    "forbidden",
    "gateway_timeout",
    "gone",
    "head_timeout",
    "http",
    "idle_timeout",
    "invalid_api_key",
    "latency",
    "legal",
    "loading",
    "malformed_body",
    "malformed_head",
    "missing_signature",
    "model_not_found",
    "model_retired",
    "no_provider",
    "not_authorized",
    "origin_tls",
    "origin_unreachable",
    "overloaded",
    "payment_required",
    "provider_state",
    "provider_timeout",
    "proxy_authentication",
    "quota",
    "ramp",
    "rate_limit",
    "redirect",
    "refused_answer",
    "request_exceeds_limit",
    "request_timeout",
    "reset_before_head",
    "reset_stream",
    "resolve",
    "schema_violation",
    "server_error",
    "stale_connection",
    "tls_certificate",
    "tls_handshake",
    "too_early",
    "too_large",
    "too_many_requests",
    "unauthorized",
    "unavailable",
    "unexpected_status",
    "unknown_path",
    "unprocessable",
    "unsupported",
    "unsupported_parameter",
    "untranslatable",
    "wrong_content_type",
];

/// The place of a detail in [`DETAILS`]; its length for one that is not listed.
pub fn detail_index(detail: &str) -> u8 {
    DETAILS.binary_search(&detail).unwrap_or(DETAILS.len()) as u8
}

const _: () = assert!(DETAILS.len() < u8::MAX as usize);

/// Judges what went wrong below or beside HTTP's own words.
pub const fn transport(failure: Transport) -> Verdict {
    match failure {
        Transport::ConnectRefused => Verdict::of(Class::Connect, "connect_refused"),
        // A connection that takes too long is no connection: the class is where, not how.
        Transport::ConnectTimeout => Verdict::of(Class::Connect, "connect_timeout"),
        Transport::Resolve => Verdict::of(Class::Connect, "resolve"),
        Transport::TlsHandshake => Verdict { retry_same: true, ..Verdict::of(Class::Tls, "tls_handshake") },
        Transport::TlsCertificate => Verdict { fault: Fault::Operator, ..Verdict::of(Class::Tls, "tls_certificate") },
        Transport::ResetBeforeHead => Verdict::of(Class::Reset, "reset_before_head"),
        Transport::StaleConnection => Verdict { fresh: true, counts_for_breaker: false, ..Verdict::of(Class::Reset, "stale_connection") },
        // Who was silent for all of that time is not waited for again.
        Transport::HeadTimeout => silent("head_timeout"),
        Transport::FirstTokenTimeout => silent("first_token_timeout"),
        Transport::Latency => silent("latency"),
        Transport::IdleTimeout => silent("idle_timeout"),
        // The attempt may have begun late, after others had spent the time: no sign of its health by itself.
        Transport::Deadline => Verdict { counts_for_breaker: false, ..silent("deadline") },
        Transport::CutStream => Verdict::of(Class::StreamCut, "cut_stream"),
        Transport::ResetStream => Verdict::of(Class::StreamCut, "reset_stream"),
        Transport::MalformedHead => Verdict::of(Class::Malformed, "malformed_head"),
        Transport::MalformedBody => Verdict::of(Class::Malformed, "malformed_body"),
        Transport::WrongContentType => Verdict::of(Class::Malformed, "wrong_content_type"),
        Transport::ErrorEvent(class) => Verdict::of(class, "error_event"),
        Transport::Empty => Verdict::of(Class::Empty, "empty"),
        Transport::SchemaViolation => Verdict::of(Class::SchemaViolation, "schema_violation"),
        Transport::Filtered => Verdict::of(Class::ContentFilter, "filtered_answer"),
        Transport::Refused => Verdict::of(Class::Refusal, "refused_answer"),
        Transport::TooLarge => Verdict { retry_same: false, ..Verdict::of(Class::Malformed, "too_large") },
        Transport::Http => Verdict::of(Class::Malformed, "http"),
        Transport::Unreadable => Verdict::of(Class::InvalidRequest, "untranslatable"),
    }
}

/// Nothing came in time. Unlike a provider's own word that it took too long, it is no reason to ask once more.
const fn silent(detail: &'static str) -> Verdict {
    Verdict { retry_same: false, ..Verdict::of(Class::Timeout, detail) }
}

/// Judges an answer by its status and its error object, for a provider of whom nothing is known but that
/// it is compatible with OpenAI. See [`answer`].
pub fn status(status: u16, fields: &ErrorFields<'_>, retry_after_ms: Option<u64>, should_retry: Option<bool>) -> Verdict {
    answer(Family::Other, status, fields, retry_after_ms, should_retry)
}

/// Judges an error event of a provider of whom nothing is known. See [`failure`].
pub fn event(fields: &ErrorFields<'_>) -> Verdict {
    failure(Family::Other, fields, None)
}

/// Judges an error answer of a provider by its status and its error object. `retry_after_ms` and
/// `should_retry` are what the head said, read by who knows the wall clock.
pub fn answer(family: Family, status: u16, fields: &ErrorFields<'_>, retry_after_ms: Option<u64>, should_retry: Option<bool>) -> Verdict {
    let mut room = Room::new();
    let prepared = Prepared::new(fields, &mut room);
    let rule = rules::find(family, Among::Status(status), &prepared);
    let mut verdict = match rule {
        // No redirect is followed: whoever could make us follow one could choose where keys go.
        None if (300..400).contains(&status) => Verdict { retry_same: false, ..Verdict::of(Class::Malformed, "redirect") },
        // Judged at all, so no answer: a 1xx or 2xx where none belongs, or no status.
        _ if !(400..600).contains(&status) => Verdict::of(Class::Malformed, "unexpected_status"),
        Some(row) => Verdict::by(row, &prepared),
        None => Verdict::of(Class::ServerError, "server_error"),
    };
    if matches!(status, 400 | 422) && rule.is_some_and(Row::reads_message_alone) && !rules::is_of_the_account(&prepared) {
        // Who checks a request may quote it, and so whoever sent it would decide what is left alone.
        verdict = verdict.of_this_request();
    }
    if matches!(status, 404 | 405 | 501) && rule.is_some_and(|row| !row.reads_fields()) && !rules::speaks_of_model(&prepared) {
        // Of a path, as far as anybody can tell. Who has none where models answer is not asked again and again.
        verdict = Verdict { pauses: false, counts_for_breaker: true, ..verdict };
    }
    if verdict.class == Class::ModelGone && rules::speaks_of_access(&prepared) {
        // It may be there for another credential.
        verdict.scope = Scope::Access;
    }
    verdict.status = Some(status);
    if verdict.class == Class::InvalidRequest
        && let Some(name) = parameter::unsupported(fields, rules::speaks_of_unknown(&prepared))
    {
        // A matter of this provider's dialect: others may know it.
        verdict = Verdict { move_on: true, drop: Some(name), detail: "unsupported_parameter", ..verdict };
    }
    if verdict.move_on {
        verdict.retry_after_ms = retry_after_ms;
        verdict.retry_same = should_retry.unwrap_or(verdict.retry_same) && rule.is_none_or(|row| row.pauses);
    }
    verdict
}

/// Judges an error object within an answer that began with status 200. `retry_after_ms` is what was said beside
/// it about coming back.
pub fn failure(family: Family, fields: &ErrorFields<'_>, retry_after_ms: Option<u64>) -> Verdict {
    let verdict = within(family, fields);
    Verdict { retry_after_ms: retry_after_ms.filter(|_| verdict.move_on), ..verdict }
}

fn within(family: Family, fields: &ErrorFields<'_>) -> Verdict {
    let mut room = Room::new();
    let prepared = Prepared::new(fields, &mut room);
    let said = rules::find(family, Among::Status(200), &prepared);
    // A type that says no more than that the server erred stands beside codes that say what happened.
    let found = said
        .filter(|row| !row.is_vague())
        // Those of nobody in particular are all asked below.
        .or_else(|| if family == Family::Other { None } else { rules::find(family, Among::Words, &prepared) })
        .or_else(|| rules::find(Family::Other, Among::Fields, &prepared))
        .or(said);
    if let Some(row) = found {
        return Verdict::by(row, &prepared);
    }
    // Aggregators put the status that they got into the code.
    let status = fields.code.and_then(|code| code.trim().parse().ok()).filter(|status| (400..600).contains(status));
    match status.and_then(|status| rules::find(family, Among::Status(status), &prepared)) {
        Some(row) => Verdict::by(row, &prepared),
        None => Verdict::of(Class::ServerError, "error_event"),
    }
}

/// Judges the word that an answer of status 200 ended with: `finish_reason`, `stop_reason`, `status` of a
/// Responses object. `None` for an end that is good, or cut by a limit that the request set.
///
/// A verdict does not mean that the answer is to be thrown away: one that a filter ended, or that filled
/// the window, may be all that the tenant wants to know.
pub fn finish(family: Family, word: &str) -> Option<Verdict> {
    let fields = ErrorFields { code: Some(word), ..ErrorFields::default() };
    let mut room = Room::new();
    let prepared = Prepared::new(&fields, &mut room);
    rules::find(family, Among::Status(200), &prepared).map(|row| Verdict::by(row, &prepared))
}

/// Compiles the rules: a millisecond that no request should wait for.
pub fn prepare() {
    rules::prepare();
}

#[cfg(test)]
mod tests;
