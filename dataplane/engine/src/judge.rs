//! What an answer means: a verdict for every way in which an attempt can fail.
//!
//! This is the first layer: the status, the fields of an error object in OpenAI's dialect, and what
//! went wrong below HTTP. Fields are matched, never the raw body, since bodies quote prompts. Rules
//! are tried in order and the first that fits decides; what no rule knows is judged by its status.

use crate::failover;
use policy::Class;

mod rules;

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
    /// For how long the provider asked to be left alone, in milliseconds.
    pub retry_after_ms: Option<u64>,
    /// The status, where there was one.
    pub status: Option<u16>,
    /// Which rule said so, for records.
    pub detail: &'static str,
}

impl Verdict {
    /// What follows from a class, as [`failover::ROWS`] have it.
    pub const fn of(class: Class, detail: &'static str) -> Verdict {
        let row = failover::row(class);
        Verdict {
            class,
            fault: row.fault,
            counts_for_breaker: row.breaker,
            retry_same: row.retry_same,
            move_on: row.move_on,
            fresh: false,
            pauses: true,
            retry_after_ms: None,
            status: None,
            detail,
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
    /// Larger than may be held.
    TooLarge,
    /// Where one message ends and the next begins is in doubt.
    Http,
    /// The request is none that can be said in the provider's language.
    Unreadable,
}

/// Every detail that a verdict can have, ascending, so that a record needs a byte for it.
pub const DETAILS: &[&str] = &[
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
    "error_event",
    "failed_dependency",
    "first_token_timeout",
    "forbidden",
    "gateway_timeout",
    "gone",
    "head_timeout",
    "http",
    "idle_timeout",
    "invalid_api_key",
    "legal",
    "malformed_body",
    "malformed_head",
    "model_not_found",
    "not_authorized",
    "origin_tls",
    "origin_unreachable",
    "overloaded",
    "payment_required",
    "provider_state",
    "proxy_authentication",
    "quota",
    "rate_limit",
    "redirect",
    "request_exceeds_limit",
    "request_timeout",
    "reset_before_head",
    "reset_stream",
    "resolve",
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
        Transport::HeadTimeout => Verdict::of(Class::Timeout, "head_timeout"),
        Transport::FirstTokenTimeout => Verdict::of(Class::Timeout, "first_token_timeout"),
        Transport::IdleTimeout => Verdict::of(Class::Timeout, "idle_timeout"),
        // The attempt may have begun late, after others had spent the time: no sign of its health.
        Transport::Deadline => Verdict { counts_for_breaker: false, retry_same: false, ..Verdict::of(Class::Timeout, "deadline") },
        Transport::CutStream => Verdict::of(Class::StreamCut, "cut_stream"),
        Transport::ResetStream => Verdict::of(Class::StreamCut, "reset_stream"),
        Transport::MalformedHead => Verdict::of(Class::Malformed, "malformed_head"),
        Transport::MalformedBody => Verdict::of(Class::Malformed, "malformed_body"),
        Transport::WrongContentType => Verdict::of(Class::Malformed, "wrong_content_type"),
        Transport::ErrorEvent(class) => Verdict::of(class, "error_event"),
        Transport::Empty => Verdict::of(Class::Empty, "empty"),
        Transport::TooLarge => Verdict { retry_same: false, ..Verdict::of(Class::Malformed, "too_large") },
        Transport::Http => Verdict::of(Class::Malformed, "http"),
        Transport::Unreadable => Verdict::of(Class::InvalidRequest, "untranslatable"),
    }
}

/// Judges an answer by its status and its error object. `retry_after_ms` and `should_retry` are
/// what the head said, read by who knows the wall clock.
pub fn status(status: u16, fields: &ErrorFields<'_>, retry_after_ms: Option<u64>, should_retry: Option<bool>) -> Verdict {
    let mut verdict = match rules::find(Some(status), fields) {
        Some(rule) => rule.verdict(),
        None => by_status(status),
    };
    verdict.status = Some(status);
    if verdict.move_on {
        verdict.retry_after_ms = retry_after_ms;
        verdict.retry_same = should_retry.unwrap_or(verdict.retry_same);
    }
    verdict
}

/// Judges an error object within an answer of status 200.
pub fn event(fields: &ErrorFields<'_>) -> Verdict {
    if let Some(rule) = rules::find(None, fields) {
        return rule.verdict();
    }
    // Aggregators put the status that they got into the code.
    let status = fields.code.and_then(|code| code.parse().ok()).filter(|status| (400..600).contains(status));
    match status {
        Some(status) => by_status(status),
        None => Verdict::of(Class::ServerError, "error_event"),
    }
}

/// What a status means by itself.
fn by_status(status: u16) -> Verdict {
    let moved = Verdict { retry_same: false, ..Verdict::of(Class::ServerError, "unsupported") };
    #[allow(clippy::match_overlapping_arm)] // The wide arms catch what the narrow ones before them leave.
    match status {
        // No redirect is followed: whoever could make us follow one could choose where keys go.
        300..400 => Verdict { retry_same: false, ..Verdict::of(Class::Malformed, "redirect") },
        400 => Verdict::of(Class::InvalidRequest, "bad_request"),
        401 => Verdict::of(Class::Auth, "unauthorized"),
        402 => Verdict::of(Class::QuotaExhausted, "payment_required"),
        403 => Verdict::of(Class::Permission, "forbidden"),
        // The path is ours, made from the policy's: the tenant cannot have got it wrong.
        404 | 405 => Verdict::of(Class::ModelGone, "unknown_path"),
        407 => Verdict::of(Class::Auth, "proxy_authentication"),
        408 => Verdict::of(Class::Timeout, "request_timeout"),
        409 => Verdict { counts_for_breaker: false, ..Verdict::of(Class::ServerError, "conflict") },
        410 => Verdict::of(Class::ModelGone, "gone"),
        413 => Verdict::of(Class::InvalidRequest, "too_large"),
        422 => Verdict::of(Class::InvalidRequest, "unprocessable"),
        424 => Verdict::of(Class::ServerError, "failed_dependency"),
        425 => Verdict::of(Class::Reset, "too_early"),
        429 => Verdict::of(Class::RateLimit, "too_many_requests"),
        451 => Verdict::of(Class::ContentFilter, "legal"),
        498 => Verdict::of(Class::Overloaded, "capacity"),
        499 => Verdict::of(Class::Reset, "cancelled"),
        501 => moved,
        503 => Verdict::of(Class::Overloaded, "unavailable"),
        504 | 524 => Verdict::of(Class::Timeout, "gateway_timeout"),
        521..=523 | 530 => Verdict::of(Class::Connect, "origin_unreachable"),
        525 | 526 => Verdict::of(Class::Tls, "origin_tls"),
        529 => Verdict::of(Class::Overloaded, "overloaded"),
        500..600 => Verdict::of(Class::ServerError, "server_error"),
        400..500 => Verdict::of(Class::InvalidRequest, "client_error"),
        // Judged at all, so no answer: a 1xx or 2xx where none belongs, or no status.
        _ => Verdict::of(Class::Malformed, "unexpected_status"),
    }
}

#[cfg(test)]
mod tests;
