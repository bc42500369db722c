//! Anthropic's error bodies.

use serde_json::{Value, json};

use crate::answer::{Answer, Event, Grammar, Role};
use crate::dialect::{Failure, MONEY};

/// When to come back, in seconds, where the API always says so.
const RETRY_AFTER: u64 = 1;

/// An error as the API words it.
#[derive(Clone, Debug)]
pub struct ApiError {
    /// The status code.
    pub status: u16,
    /// `error.type`.
    pub kind: &'static str,
    /// `error.message`.
    pub message: String,
    /// `error.details.error_code`.
    pub code: Option<String>,
}

/// The error as an answer.
#[must_use]
pub fn answer(error: &ApiError, request_id: &str) -> Answer {
    Answer::of(Grammar::Messages, error.status, &body(error, request_id))
}

fn body(error: &ApiError, request_id: &str) -> Value {
    let mut inner = json!({"type": error.kind, "message": error.message});
    if let Some(code) = &error.code {
        inner["details"] = json!({"error_code": code});
    }
    json!({"type": "error", "error": inner, "request_id": request_id})
}

fn error(status: u16, kind: &'static str, message: impl Into<String>) -> ApiError {
    ApiError { status, kind, message: message.into(), code: None }
}

/// A request that is not as it must be.
#[must_use]
pub fn invalid(message: String) -> ApiError {
    error(400, "invalid_request_error", message)
}

pub(super) fn unauthenticated(message: &str) -> ApiError {
    error(401, "authentication_error", message)
}

pub(super) fn not_found(message: String) -> ApiError {
    error(404, "not_found_error", message)
}

pub(super) fn no_model(model: &str) -> ApiError {
    not_found(format!("model: {model}"))
}

pub(super) fn wrong_method() -> ApiError {
    error(405, "invalid_request_error", "Method Not Allowed")
}

pub(super) fn too_large() -> ApiError {
    error(413, "request_too_large", "Request exceeds the maximum size")
}

/// The kinds of errors, with the status and the message that usually go with each.
#[rustfmt::skip] // A table of sentences; broken lines would hide the columns.
const KINDS: &[(u16, &str, &str)] = &[
    (400, "invalid_request_error", "prompt is too long: 200001 tokens > 200000 maximum"),
    (401, "authentication_error", "invalid x-api-key"),
    (402, "billing_error", "There's an issue with your billing or payment information. Check your payment details in the Console."),
    (403, "permission_error", "Your API key does not have permission to use the specified resource."),
    (404, "not_found_error", "model: {model}"),
    (409, "conflict_error", "The request conflicts with the current state of the resource."),
    (413, "request_too_large", "Request exceeds the maximum size"),
    (429, "rate_limit_error", "This request would exceed your organization's rate limit of 50 requests per minute. For details, refer to: https://docs.claude.com/en/api/rate-limits. You can see the response headers for current usage."),
    (500, "api_error", "Internal server error"),
    (504, "timeout_error", "The request timed out while it was processed."),
    (529, "overloaded_error", "Overloaded"),
];

/// What only a code tells: the code, the message, and whether the code is shown in the body.
#[rustfmt::skip] // As above.
const CODES: &[(&str, &str, bool)] = &[
    ("credit_balance", "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.", false),
    ("usage_limit", "You have reached your specified API usage limits. You will regain access on 2027-01-01 at 00:00 UTC.", false),
    ("content_filter", "Output blocked by content filtering policy", false),
    ("content_policy_violation", "Output blocked by content filtering policy", false),
    ("invalid_value", "messages.0.content: Input should be a valid string", false),
    ("context_length_exceeded", "prompt is too long: 200001 tokens > 200000 maximum", false),
    ("enforced_spend_limit_reached", "You have reached the spend limit that is set for this organization.", true),
    ("ramp_limit_exceeded", "Your usage has increased too quickly. Please scale up more gradually.", true),
    ("rate_limit_exceeded", "This request would exceed your organization's rate limit of 50 requests per minute.", false),
    ("slow_down", "This request would exceed your organization's rate limit of 50 requests per minute.", false),
];

/// The failure that a fault orders.
///
/// The code may be a type (`overloaded_error`), a code of `details`, or one of OpenAI's words for
/// money, which here is a spend limit: a 429 that does not say when to come back.
#[must_use]
pub fn failed(failure: &Failure<'_>) -> Answer {
    let code = failure.code.map(|code| if MONEY.contains(&code) { "enforced_spend_limit_reached" } else { code });
    let of_kind = KINDS.iter().find(|(_, kind, _)| Some(*kind) == code);
    let of_status = KINDS.iter().find(|(status, ..)| *status == failure.status);
    let (_, kind, message) = of_kind.or(of_status).copied().unwrap_or(match failure.status {
        400..=499 => (failure.status, "invalid_request_error", "Invalid request"),
        503 => (503, "overloaded_error", "Overloaded"),
        _ => (failure.status, "api_error", "Internal server error"),
    });
    let mut error = error(failure.status, kind, message.replace("{model}", failure.model));
    if of_kind.is_none()
        && let Some(code) = code
    {
        let known = CODES.iter().find(|(known, ..)| *known == code);
        error.message = known.map_or(error.message, |(_, message, _)| (*message).to_owned());
        error.code = known.is_none_or(|(.., shown)| *shown).then(|| code.to_owned());
    }
    let mut answer = answer(&error, failure.request_id);
    let spend_limit = error.code.as_deref().is_some_and(|code| code != "ramp_limit_exceeded");
    if failure.status == 429 && failure.retry_after.is_none() && !spend_limit {
        answer.set_header("retry-after", &RETRY_AFTER.to_string());
    }
    answer
}

/// An error event in mid-stream. OpenAI's words for the same failures are understood.
#[must_use]
pub fn event(code: &str, request_id: &str) -> Event {
    let kind = match code {
        "server_error" => "api_error",
        "overloaded" | "server_is_overloaded" => "overloaded_error",
        "rate_limit_exceeded" | "slow_down" => "rate_limit_error",
        other => other,
    };
    let error = match KINDS.iter().find(|(_, known, _)| *known == kind) {
        Some((status, kind, message)) => error(*status, kind, *message),
        None => ApiError { code: Some(code.to_owned()), ..error(500, "api_error", "Internal server error") },
    };
    Grammar::Messages.event(Role::Content, &body(&error, request_id))
}
