use super::*;

pub(super) mod fixtures;
mod providers;

fn fields<'a>(kind: &'a str, code: &'a str, message: &'a str) -> ErrorFields<'a> {
    let present = |text: &'a str| (!text.is_empty()).then_some(text);
    ErrorFields { kind: present(kind), code: present(code), param: None, message: present(message) }
}

/// `(status, type, code, message, class, detail)`.
const ANSWERS: &[(u16, &str, &str, &str, Class, &str)] = &[
    (400, "invalid_request_error", "", "you must provide a messages parameter", Class::InvalidRequest, "bad_request"),
    (
        400,
        "invalid_request_error",
        "context_length_exceeded",
        "This model's maximum context length is 128000 tokens.",
        Class::ContextWindow,
        "context_window",
    ),
    (400, "invalid_request_error", "", "This model's MAXIMUM CONTEXT LENGTH is 8192 tokens.", Class::ContextWindow, "context_window"),
    (
        400,
        "INVALID_ARGUMENT",
        "",
        "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).",
        Class::ContextWindow,
        "context_window",
    ),
    (
        400,
        "invalid_request_error",
        "string_above_max_length",
        "Invalid 'user': string too long. Expected a string with maximum length 64",
        Class::InvalidRequest,
        "bad_request",
    ),
    (400, "image_generation_user_error", "moderation_blocked", "", Class::ContentFilter, "content_filter"),
    (
        400,
        "",
        "content_filter",
        "The response was filtered due to Azure OpenAI's content management policy.",
        Class::ContentFilter,
        "content_filter",
    ),
    (404, "", "DeploymentNotFound", "The API deployment for this resource does not exist.", Class::ModelGone, "model_not_found"),
    (401, "", "401", "Access denied due to invalid subscription key or wrong API endpoint.", Class::Auth, "unauthorized"),
    (429, "", "429", "The system is currently experiencing high demand.", Class::Overloaded, "overloaded"),
    (400, "invalid_request_error", "model_decommissioned", "The model has been decommissioned", Class::ModelGone, "model_retired"),
    (400, "", "Client specified an invalid argument", "Incorrect API key provided: xa***.", Class::Auth, "invalid_api_key"),
    (400, "invalid_request_error", "", "My rate limit joke: 429 insufficient_quota", Class::InvalidRequest, "bad_request"),
    (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided: sk-***.", Class::Auth, "invalid_api_key"),
    (401, "", "", "", Class::Auth, "unauthorized"),
    (401, "invalid_request_error", "ip_not_authorized", "", Class::Permission, "not_authorized"),
    (401, "", "", "You have run out of credits", Class::QuotaExhausted, "quota"),
    (402, "unknown_error", "invalid_request_error", "Insufficient Balance", Class::QuotaExhausted, "quota"),
    (402, "", "", "", Class::QuotaExhausted, "payment_required"),
    (403, "", "unsupported_country_region_territory", "Country, region, or territory not supported", Class::Permission, "forbidden"),
    (403, "invalid_request_error", "model_not_found", "Project `p` does not have access to model `m`", Class::ModelGone, "model_not_found"),
    (
        404,
        "invalid_request_error",
        "model_not_found",
        "The model `gpt-9` does not exist or you do not have access to it.",
        Class::ModelGone,
        "model_not_found",
    ),
    (404, "invalid_request_error", "", "Invalid URL (POST /v2/chat/completions)", Class::ModelGone, "unknown_path"),
    (404, "invalid_request_error", "previous_response_not_found", "", Class::InvalidRequest, "provider_state"),
    (408, "", "", "", Class::Timeout, "request_timeout"),
    (409, "", "", "", Class::ServerError, "conflict"),
    (413, "", "", "Request exceeds the maximum size", Class::InvalidRequest, "too_large"),
    (413, "tokens", "rate_limit_exceeded", "Request too large for model `x`: Limit 6000", Class::RateLimit, "request_exceeds_limit"),
    (418, "", "", "", Class::InvalidRequest, "client_error"),
    (422, "", "", "", Class::InvalidRequest, "unprocessable"),
    (
        429,
        "tokens",
        "rate_limit_exceeded",
        "Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Used 29000, Requested 4000. Please try again in 6s.",
        Class::RateLimit,
        "rate_limit",
    ),
    (
        429,
        "tokens",
        "rate_limit_exceeded",
        "Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 90000.",
        Class::RateLimit,
        "request_exceeds_limit",
    ),
    (
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
        Class::QuotaExhausted,
        "quota",
    ),
    (
        429,
        "insufficient_quota",
        "credit_balance_exhausted",
        "Your organization has no prepaid credits remaining.",
        Class::QuotaExhausted,
        "quota",
    ),
    (429, "", "429", "The system is currently experiencing high demand and cannot process your request.", Class::Overloaded, "overloaded"),
    (429, "rate_limit_error", "slow_down", "", Class::RateLimit, "rate_limit"),
    (429, "", "", "", Class::RateLimit, "too_many_requests"),
    (500, "server_error", "", "The server had an error while processing your request.", Class::ServerError, "server_error"),
    (500, "", "", "", Class::ServerError, "server_error"),
    (502, "", "", "", Class::ServerError, "server_error"),
    (503, "service_unavailable_error", "server_is_overloaded", "The server is overloaded.", Class::Overloaded, "overloaded"),
    (503, "", "", "", Class::Overloaded, "unavailable"),
    (504, "", "", "", Class::Timeout, "gateway_timeout"),
    (522, "", "", "", Class::Connect, "origin_unreachable"),
    (529, "overloaded_error", "", "Overloaded", Class::Overloaded, "overloaded"),
    (302, "", "", "", Class::Malformed, "redirect"),
    (204, "", "", "", Class::Malformed, "unexpected_status"),
    (0, "", "", "", Class::Malformed, "unexpected_status"),
    (999, "", "", "", Class::Malformed, "unexpected_status"),
];

#[test]
fn answers_are_classed() {
    for &(code, kind, error, message, class, detail) in ANSWERS {
        let verdict = status(code, &fields(kind, error, message), None, None);
        assert_eq!((verdict.class, verdict.detail), (class, detail), "{code} {kind} {error} {message}");
        assert_eq!(verdict.status, Some(code));
        assert_eq!(DETAILS.get(usize::from(detail_index(detail))), Some(&detail), "a record can hold it");
    }
}

#[test]
fn a_verdict_follows_its_row_unless_it_says_otherwise() {
    for &(code, kind, error, message, class, _) in ANSWERS {
        let verdict = status(code, &fields(kind, error, message), None, None);
        let row = failover::row(class);
        assert_eq!((verdict.fault, verdict.move_on), (row.fault, row.move_on), "{code} {kind} {error} {message}");
        assert!(row.retry_same || !verdict.retry_same);
        // Who has no such path may be sought in vain as long as it is asked.
        assert!(row.breaker.counts() || !verdict.counts_for_breaker || matches!(code, 404 | 405));
    }
}

#[test]
fn a_request_that_never_fits_pauses_nobody() {
    let verdict = status(429, &fields("tokens", "rate_limit_exceeded", "Request too large for gpt-4o"), Some(5), None);
    assert!(!verdict.pauses && !verdict.retry_same && verdict.move_on);
}

/// Validators quote what they refuse, and a prompt may hold any word.
#[test]
fn a_message_that_quotes_the_request_leaves_nobody_alone() {
    fn said<'a>(family: Family, code: u16, kind: &'a str, error: &'a str, message: &'a str) -> (Class, bool) {
        let verdict = answer(family, code, &fields(kind, error, message), Some(60_000), None);
        (verdict.class, verdict.move_on && (verdict.pauses || verdict.counts_for_breaker))
    }
    for family in [Family::Other, Family::Vllm, Family::Openai, Family::Gemini] {
        for (words, class) in
            [("'input': 'out of credits: see billing'", Class::QuotaExhausted), ("'input': 'model x not found'", Class::ModelGone)]
        {
            for code in [400, 422] {
                let message = format!("1 validation error for 'messages.0.content': {words}");
                let (found, touches) = said(family, code, "", "", &message);
                assert!(!touches, "{family:?} {code} {found:?}");
                assert!(code != 400 || found == class || family == Family::Vllm, "{family:?} {found:?}");
            }
        }
    }
    let quoted = "1 validation error: 'input': 'what does \"invalid api key\" mean'";
    assert_eq!(said(Family::Other, 400, "", "", quoted), (Class::Auth, false));
    // What a provider says of the account itself, or says by a code, is heeded as ever.
    let low = "Your credit balance is too low to access the Anthropic API.";
    assert_eq!(said(Family::Anthropic, 400, "invalid_request_error", "", low), (Class::QuotaExhausted, true));
    assert_eq!(said(Family::Xai, 400, "", "x", "Incorrect API key provided: xa***."), (Class::Auth, true));
    assert_eq!(said(Family::Other, 400, "", "invalid_api_key", quoted), (Class::Auth, true));
    assert_eq!(said(Family::Other, 404, "", "", "model x not found"), (Class::ModelGone, true));
}

#[test]
fn a_path_that_is_not_there_says_nothing_about_the_model() {
    let said = |code, message| {
        let verdict = status(code, &fields("", "", message), None, None);
        assert!(verdict.move_on && !verdict.retry_same, "{code} {message}");
        (verdict.pauses, verdict.counts_for_breaker)
    };
    for code in [404, 405, 501] {
        assert_eq!(said(code, ""), (false, true), "{code}");
        assert_eq!(said(code, "Invalid URL (POST /v1/completions)"), (false, true), "{code}");
    }
    assert_eq!(said(404, "The model `m` does not exist"), (true, false));
    assert_eq!(said(410, ""), (true, false));
    assert_eq!(said(501, "this model cannot do that"), (true, true));
    let of = |family, message| answer(family, 404, &fields("", "", message), None, None).pauses;
    for family in [Family::Openai, Family::Azure, Family::Anthropic, Family::Gemini, Family::Fireworks, Family::Cerebras] {
        assert!(!of(family, "Not Found") && of(family, "no such model"), "{family:?}");
    }
}

#[test]
fn what_the_provider_says_about_retries_is_heard() {
    let none = ErrorFields::default();
    assert_eq!(status(503, &none, Some(1_500), None).retry_after_ms, Some(1_500));
    assert!(!status(503, &none, None, Some(false)).retry_same);
    assert!(status(501, &none, None, Some(true)).retry_same);
    // … but not about the tenant's own mistakes.
    let own = status(400, &none, Some(1_500), Some(true));
    assert!(!own.retry_same && !own.move_on && own.retry_after_ms.is_none());
}

#[test]
fn errors_within_a_stream_are_classed() {
    let class = |kind, code, message| event(&fields(kind, code, message)).class;
    assert_eq!(class("server_error", "", "The server had an error"), Class::ServerError);
    assert_eq!(class("overloaded_error", "", "Overloaded"), Class::Overloaded);
    assert_eq!(class("", "rate_limit_exceeded", ""), Class::RateLimit);
    assert_eq!(class("server_error", "rate_limit_exceeded", ""), Class::RateLimit);
    assert_eq!(class("api_error", "", "what"), Class::ServerError);
    assert_eq!(class("", "502", "Provider returned error"), Class::ServerError);
    assert_eq!(class("", "429", ""), Class::RateLimit);
    assert_eq!(class("", "context_length_exceeded", ""), Class::ContextWindow);
    assert_eq!(class("", "12", "what"), Class::ServerError);
    assert_eq!(class("", "", ""), Class::ServerError);
}

#[test]
fn transport_failures_are_classed() {
    use Transport as T;
    let expected = [
        (T::ConnectRefused, Class::Connect, true),
        (T::ConnectTimeout, Class::Connect, true),
        (T::Resolve, Class::Connect, true),
        (T::TlsHandshake, Class::Tls, true),
        (T::TlsCertificate, Class::Tls, true),
        (T::ResetBeforeHead, Class::Reset, true),
        (T::StaleConnection, Class::Reset, false),
        (T::HeadTimeout, Class::Timeout, true),
        (T::FirstTokenTimeout, Class::Timeout, true),
        (T::Latency, Class::Timeout, true),
        (T::IdleTimeout, Class::Timeout, true),
        (T::Deadline, Class::Timeout, false),
        (T::CutStream, Class::StreamCut, true),
        (T::ResetStream, Class::StreamCut, true),
        (T::MalformedHead, Class::Malformed, true),
        (T::MalformedBody, Class::Malformed, true),
        (T::WrongContentType, Class::Malformed, true),
        (T::ErrorEvent(Class::RateLimit), Class::RateLimit, false),
        (T::Empty, Class::Empty, true),
        (T::SchemaViolation, Class::SchemaViolation, true),
        (T::TooLarge, Class::Malformed, true),
        (T::Http, Class::Malformed, true),
    ];
    for (failure, class, counts) in expected {
        let verdict = transport(failure);
        assert_eq!((verdict.class, verdict.counts_for_breaker), (class, counts), "{failure:?}");
        assert_eq!(verdict.fresh, failure == T::StaleConnection);
        assert_eq!(DETAILS.get(usize::from(detail_index(verdict.detail))), Some(&verdict.detail));
        assert!(verdict.move_on);
    }
    assert_eq!(transport(T::TlsCertificate).fault, Fault::Operator);
    for silence in [T::HeadTimeout, T::FirstTokenTimeout, T::IdleTimeout, T::Deadline] {
        assert!(!transport(silence).retry_same, "{silence:?}");
    }
    assert!(status(408, &ErrorFields::default(), None, None).retry_same && status(504, &ErrorFields::default(), None, None).retry_same);
    assert!(!transport(T::TlsCertificate).retry_same && transport(T::TlsHandshake).retry_same);
}

#[test]
fn messages_are_read_so_far_and_no_farther() {
    let long = format!("{}maximum context length", "x".repeat(2_000));
    assert_eq!(status(400, &fields("", "", &long), None, None).class, Class::InvalidRequest);
    assert_eq!(status(400, &fields("", "", "é"), None, None).class, Class::InvalidRequest);
}
