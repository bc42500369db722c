//! Google's error bodies: `google.rpc.Status` with its details.

use serde_json::{Value, json};

use crate::answer::{Answer, Event, Grammar, Role};
use crate::dialect::{Failure, MONEY};

/// When to come back, in seconds, unless a fault says otherwise.
const RETRY_AFTER: u64 = 1;
/// The same of an error in mid-stream.
const RETRY_AFTER_EVENT: u64 = 7;

/// An error as the API words it.
#[derive(Clone, Debug)]
pub struct ApiError {
    /// The status code.
    pub status: u16,
    /// `error.status`.
    pub name: &'static str,
    /// `error.message`.
    pub message: String,
    /// `error.details`.
    pub details: Vec<Value>,
}

/// The error as an answer. A stream that is an array is one for errors as well.
#[must_use]
pub fn answer(error: &ApiError, grammar: Grammar) -> Answer {
    let body = body(error);
    let body = if grammar == Grammar::Array { json!([body]) } else { body };
    Answer::of(grammar, error.status, &body)
}

fn body(error: &ApiError) -> Value {
    let mut inner = json!({"code": error.status, "message": error.message, "status": error.name});
    if !error.details.is_empty() {
        inner["details"] = json!(error.details);
    }
    json!({"error": inner})
}

fn error(status: u16, name: &'static str, message: impl Into<String>) -> ApiError {
    ApiError { status, name, message: message.into(), details: Vec::new() }
}

/// A request that is not as it must be.
#[must_use]
pub fn invalid(message: String) -> ApiError {
    error(400, "INVALID_ARGUMENT", message)
}

/// Fields that are not as they must be: each with its place and what is wrong with it.
pub(super) fn violations(found: &[(String, String)]) -> ApiError {
    let message: Vec<&str> = found.iter().map(|(_, description)| description.as_str()).collect();
    let listed: Vec<Value> = found.iter().map(|(field, description)| json!({"field": field, "description": description})).collect();
    let mut error = invalid(message.join("\n"));
    error.details.push(json!({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": listed}));
    error
}

pub(super) fn not_json() -> ApiError {
    invalid("Invalid JSON payload received. Expected an object key or }.\n\n^".to_owned())
}

pub(super) fn not_found(message: String) -> ApiError {
    error(404, "NOT_FOUND", message)
}

pub(super) fn no_model(model: &str) -> ApiError {
    not_found(no_model_message(model))
}

fn no_model_message(model: &str) -> String {
    format!(
        "models/{model} is not found for API version v1beta, or is not supported for generateContent. Call ListModels to see the list of available models and their supported methods."
    )
}

fn reason(reason: &str) -> Value {
    json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com",
        "metadata": {"service": "generativelanguage.googleapis.com"}
    })
}

pub(super) fn bad_key() -> ApiError {
    let mut error = invalid("API key not valid. Please pass a valid API key.".to_owned());
    error.details = vec![
        reason("API_KEY_INVALID"),
        json!({
            "@type": "type.googleapis.com/google.rpc.LocalizedMessage", "locale": "en-US",
            "message": "API key not valid. Please pass a valid API key."
        }),
    ];
    error
}

pub(super) fn no_key() -> ApiError {
    error(
        403,
        "PERMISSION_DENIED",
        "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.",
    )
}

/// What usually goes with a status: the status, its name, its message.
#[rustfmt::skip] // A table of sentences; broken lines would hide the columns.
const USUAL: &[(u16, &str, &str)] = &[
    (400, "INVALID_ARGUMENT", "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576)."),
    (401, "UNAUTHENTICATED", "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential."),
    (402, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted. Please go to AI Studio to manage your project and billing."),
    (403, "PERMISSION_DENIED", "The caller does not have permission"),
    (404, "NOT_FOUND", ""),
    (409, "ABORTED", "The operation was aborted."),
    (413, "INVALID_ARGUMENT", "Request payload size exceeds the limit: 20971520 bytes."),
    (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits."),
    (499, "CANCELLED", "The operation was cancelled."),
    (500, "INTERNAL", "An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting"),
    (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    (504, "DEADLINE_EXCEEDED", "The request timed out. Please try again."),
];

/// The failure that a fault orders.
///
/// The code may be a reason of `ErrorInfo`, `FAILED_PRECONDITION`, a `quotaId` or its `PerDay`, or
/// one of OpenAI's words for money, which here is the quota of the day.
#[must_use]
pub fn failed(failure: &Failure<'_>, grammar: Grammar) -> Answer {
    answer(&for_failure(failure), grammar)
}

fn for_failure(failure: &Failure<'_>) -> ApiError {
    let usual = USUAL.iter().find(|(status, ..)| *status == failure.status);
    let (_, name, message) = usual.copied().unwrap_or(match failure.status {
        400..=499 => (failure.status, "INVALID_ARGUMENT", "Request contains an invalid argument."),
        529 => (529, "UNAVAILABLE", "The model is overloaded. Please try again later."),
        _ => (failure.status, "INTERNAL", "Internal error encountered."),
    });
    let mut error = error(failure.status, name, message);
    match (failure.status, failure.code) {
        (404, _) => error.message = no_model_message(failure.model),
        (429, code) => error.details = exhausted(code, failure),
        (_, None) => {}
        (_, Some("API_KEY_INVALID")) => error = ApiError { status: failure.status, ..bad_key() },
        (_, Some("FAILED_PRECONDITION")) => {
            error.name = "FAILED_PRECONDITION";
            error.message = "User location is not supported for the API use.".to_owned();
        }
        (400, Some("content_filter" | "content_policy_violation")) => {
            error.message = "The response was blocked because it violates the usage policy.".to_owned();
        }
        (400, Some("invalid_value")) => error.message = "Request contains an invalid argument.".to_owned(),
        (_, Some("context_length_exceeded")) => {}
        (_, Some(code)) => error.details.push(reason(code)),
    }
    error
}

/// The quota that was exceeded, and when to come back: there is no header for that.
fn exhausted(code: Option<&str>, failure: &Failure<'_>) -> Vec<Value> {
    let per_minute = "GenerateRequestsPerMinutePerProjectPerModel";
    let per_day = "GenerateRequestsPerDayPerProjectPerModel-FreeTier";
    let quota = match code {
        Some("PerDay" | "quota_exceeded") => per_day,
        Some(code) if MONEY.contains(&code) => per_day,
        Some(code) if code.starts_with("Generate") => code,
        _ => per_minute,
    };
    let free = if quota.ends_with("FreeTier") { "free" } else { "paid" };
    let seconds = failure.retry_after.unwrap_or(RETRY_AFTER);
    vec![
        json!({
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{
                "quotaMetric": format!("generativelanguage.googleapis.com/generate_content_{free}_tier_requests"),
                "quotaId": quota, "quotaDimensions": {"location": "global", "model": failure.model}, "quotaValue": "10"
            }]
        }),
        json!({
            "@type": "type.googleapis.com/google.rpc.Help",
            "links": [{
                "description": "Learn more about Gemini API quotas",
                "url": "https://ai.google.dev/gemini-api/docs/rate-limits"
            }]
        }),
        json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": format!("{seconds}s")}),
    ]
}

/// An error in mid-stream. Its code may be a status by number or by name; OpenAI's words for the
/// same failures are understood.
#[must_use]
pub fn event(grammar: Grammar, code: &str) -> Event {
    let status = match code {
        "overloaded" | "overloaded_error" | "server_is_overloaded" => 503,
        "rate_limit_exceeded" | "rate_limit_error" | "slow_down" => 429,
        _ => {
            let known = USUAL.iter().find(|(status, name, _)| *name == code || status.to_string() == code);
            known.map_or(500, |(status, ..)| *status)
        }
    };
    let failure = Failure { status, code: None, model: "", request_id: "", retry_after: Some(RETRY_AFTER_EVENT) };
    grammar.event(Role::Content, &body(&for_failure(&failure)))
}
