//! What is done about the errors of particular providers.

use super::{fixtures::FIXTURES, *};

#[test]
fn what_providers_say_is_classed() {
    assert_eq!(FIXTURES.len(), 66);
    for &(family, code, kind, error, message, class) in FIXTURES {
        let fields = fields(kind, error, message);
        let verdict = if code == 200 { failure(family, &fields, None) } else { answer(family, code, &fields, None, None) };
        assert_eq!(verdict.class, class, "{family:?} {code} {kind} {error} {message}");
        assert!(DETAILS.contains(&verdict.detail));
    }
}

#[test]
fn a_narrower_rule_of_a_provider_comes_before_the_wider_one_of_everybody() {
    let class = |family, status, kind, code, message| answer(family, status, &fields(kind, code, message), None, None).class;
    // The same answer, and what it means at each.
    assert_eq!(class(Family::Together, 403, "", "", ""), Class::ContextWindow);
    assert_eq!(class(Family::Fireworks, 403, "", "", ""), Class::Auth);
    assert_eq!(class(Family::Openai, 403, "", "", ""), Class::Permission);
    assert_eq!(class(Family::Zhipu, 500, "", "1302", ""), Class::RateLimit);
    assert_eq!(class(Family::Vertex, 400, "", "API_KEY_INVALID", ""), Class::Auth);
    assert_eq!(class(Family::Vertex, 429, "", "", "Quota exceeded, PerDay"), Class::RateLimit);
    assert_eq!(class(Family::Bedrock, 400, "com.amazon#x", "", "on-demand throughput isn’t supported"), Class::ModelGone);
    assert_eq!(class(Family::Anthropic, 404, "not_found_error", "", "file not here"), Class::ModelGone);
    assert_eq!(class(Family::Openai, 404, "", "previous_response_not_found", ""), Class::InvalidRequest);
}

#[test]
fn what_is_left_alone_is_what_the_limit_is_of() {
    let said = |family, status, kind, code| answer(family, status, &fields(kind, code, "m"), None, None);
    assert_eq!(said(Family::Openai, 429, "tokens", "rate_limit_exceeded").scope, Scope::Pair);
    assert_eq!(said(Family::Openai, 429, "requests", "slow_down").scope, Scope::Key);
    assert_eq!(said(Family::Anthropic, 429, "rate_limit_error", "ramp_limit_exceeded").scope, Scope::Key);
    assert_eq!(said(Family::Anthropic, 429, "rate_limit_error", "enforced_spend_limit_reached").scope, Scope::Key);
    assert_eq!(said(Family::Openrouter, 402, "", "openrouter_in_flight_budget").class, Class::RateLimit);
    assert_eq!(said(Family::Openrouter, 402, "", "openrouter_in_flight_budget").scope, Scope::Key);
    assert_eq!(said(Family::Groq, 403, "", "").scope, Scope::Access);
    let gone = |message| answer(Family::Openai, 404, &fields("", "model_not_found", message), None, None).scope;
    assert_eq!(gone("The model `m` does not exist or you do not have access to it."), Scope::Access);
    assert_eq!(gone("The model `m` has been deprecated."), Scope::Target);
    assert_eq!(said(Family::Groq, 503, "", "").scope, Scope::Told);
}

#[test]
fn what_is_of_one_class_is_told_apart() {
    let detail = |family, status, kind, code, message| answer(family, status, &fields(kind, code, message), None, None).detail;
    for (status, code, message, expected) in [
        (404, "model_not_found", "The model `m` does not exist", "model_not_found"),
        (404, "model_not_found", "The model `m` has been deprecated, learn more here", "model_retired"),
        (400, "model_decommissioned", "", "model_retired"),
        (400, "DeprecatedModel", "no", "model_retired"),
        (410, "", "This model is no longer available", "model_retired"),
        // Only of a model: elsewhere the words mean something else.
        (400, "", "The parameter `x` is deprecated", "bad_request"),
    ] {
        assert_eq!(detail(Family::Other, status, "", code, message), expected, "{code} {message}");
    }
    assert_eq!(detail(Family::Openai, 429, "tokens", "rate_limit_exceeded", "m"), "too_many_requests");
    assert_eq!(detail(Family::Openrouter, 402, "", "openrouter_in_flight_budget", "m"), "account_limit");
    assert_eq!(detail(Family::Openai, 429, "requests", "slow_down", "m"), "ramp");
    assert_eq!(event(&fields("", "model_deprecated", "")).detail, "model_retired");
}

#[test]
fn rules_say_where_they_differ_from_their_class() {
    let said = |family, status, kind, code, message| answer(family, status, &fields(kind, code, message), None, None);
    let conflict = said(Family::Anthropic, 409, "", "", "");
    assert!(conflict.retry_same && conflict.counts_for_breaker);
    assert!(!said(Family::Cohere, 501, "", "", "").retry_same);
    assert!(said(Family::Bedrock, 429, "ModelNotReadyException", "", "").retry_same);
    let never = said(Family::Groq, 413, "tokens", "", "Request too large: tokens per minute");
    assert!(!never.retry_same && !never.pauses && never.move_on);
    assert!(!answer(Family::Groq, 413, &fields("", "", "Request too large"), Some(9), Some(true)).retry_same);
}

#[test]
fn a_parameter_that_is_not_known_is_named() {
    let said = |family, kind, code, param, message| {
        let given = ErrorFields { param: Some(param), ..fields(kind, code, message) };
        let verdict = answer(family, 400, &given, None, None);
        (verdict.class, verdict.drop.map(Parameter::name), verdict.move_on, verdict.retry_same, verdict.detail)
    };
    let dropped = |name| (Class::InvalidRequest, Some(name), true, false, "unsupported_parameter");
    let message = "Unsupported parameter: 'temperature' is not supported with this model.";
    assert_eq!(said(Family::Openai, "invalid_request_error", "unsupported_parameter", "temperature", message), dropped("temperature"));
    assert_eq!(said(Family::Anthropic, "invalid_request_error", "", "", "top_p: Extra inputs are not permitted"), dropped("top_p"));
    // One that nobody may leave out: another target may know it, and none is asked for less.
    let (class, drop, move_on, ..) = said(Family::Anthropic, "invalid_request_error", "", "", "tools.0.x: Extra inputs are not permitted");
    assert_eq!((class, drop, move_on), (Class::InvalidRequest, None, true));
    let (_, drop, move_on, ..) = said(Family::Openai, "invalid_request_error", "invalid_value", "temperature", "Invalid 'temperature'.");
    assert_eq!((drop, move_on), (None, false));
}

/// `(family, word, class)`; no class for a good end.
const ENDINGS: &[(Family, &str, Option<Class>)] = &[
    (Family::Openai, "stop", None),
    (Family::Openai, "length", None),
    (Family::Openai, "max_output_tokens", None),
    (Family::Openai, "tool_calls", None),
    (Family::Openai, "content_filter", Some(Class::ContentFilter)),
    (Family::Openai, "rate_limit_exceeded", Some(Class::RateLimit)),
    (Family::Openai, "bio_policy", Some(Class::ContentFilter)),
    (Family::Openai, "data_residency_mismatch", Some(Class::Permission)),
    (Family::Openai, "invalid_image_url", Some(Class::InvalidRequest)),
    (Family::Azure, "content_filter", Some(Class::ContentFilter)),
    (Family::Anthropic, "end_turn", None),
    (Family::Anthropic, "pause_turn", None),
    (Family::Anthropic, "refusal", Some(Class::ContentFilter)),
    (Family::Anthropic, "model_context_window_exceeded", Some(Class::ContextWindow)),
    (Family::Gemini, "STOP", None),
    (Family::Gemini, "MAX_TOKENS", None),
    (Family::Gemini, "SAFETY", Some(Class::ContentFilter)),
    (Family::Gemini, "MALFORMED_FUNCTION_CALL", Some(Class::SchemaViolation)),
    (Family::Vertex, "MALFORMED_RESPONSE", Some(Class::SchemaViolation)),
    (Family::Vertex, "OTHER", Some(Class::ServerError)),
    (Family::Gemini, "MISSING_THOUGHT_SIGNATURE", Some(Class::InvalidRequest)),
    (Family::Bedrock, "guardrail_intervened", Some(Class::ContentFilter)),
    (Family::Bedrock, "malformed_tool_use", Some(Class::SchemaViolation)),
    (Family::Deepseek, "insufficient_system_resource", Some(Class::Overloaded)),
    (Family::Mistral, "error", Some(Class::ServerError)),
    (Family::Mistral, "model_length", Some(Class::ContextWindow)),
    (Family::Cohere, "ERROR", Some(Class::ServerError)),
    (Family::Cohere, "TIMEOUT", Some(Class::Timeout)),
    (Family::Zhipu, "sensitive", Some(Class::ContentFilter)),
    (Family::Zhipu, "network_error", Some(Class::ServerError)),
    (Family::Openrouter, "error", Some(Class::ServerError)),
    (Family::Other, "stop", None),
    (Family::Other, "insufficient_system_resource", Some(Class::Overloaded)),
    (Family::Other, "MALFORMED_FUNCTION_CALL", Some(Class::SchemaViolation)),
    (Family::Other, "error", Some(Class::ServerError)),
];

#[test]
fn the_words_that_answers_end_with_are_judged() {
    for &(family, word, class) in ENDINGS {
        let verdict = finish(family, word);
        assert_eq!(verdict.map(|verdict| verdict.class), class, "{family:?} {word}");
    }
    // Where the prompt was blocked there is no candidate, and so no such word.
    assert_eq!(failure(Family::Gemini, &fields("blockReason", "OTHER", ""), None).class, Class::ContentFilter);
    // Another provider gives no seals and wants none back.
    assert!(finish(Family::Gemini, "MISSING_THOUGHT_SIGNATURE").is_some_and(|verdict| verdict.move_on));
}

#[test]
fn failures_within_an_answer_are_judged_by_whoever_said_them() {
    let class = |family, kind, code, message| failure(family, &fields(kind, code, message), None).class;
    assert_eq!(class(Family::Anthropic, "overloaded_error", "", "Overloaded"), Class::Overloaded);
    assert_eq!(class(Family::Anthropic, "rate_limit_error", "", "slow"), Class::RateLimit);
    assert_eq!(class(Family::Anthropic, "timeout_error", "", "timed out"), Class::ServerError);
    assert_eq!(class(Family::Gemini, "RESOURCE_EXHAUSTED", "429", ""), Class::RateLimit);
    assert_eq!(class(Family::Gemini, "RESOURCE_EXHAUSTED", "GenerateRequestsPerDayPerProject", ""), Class::QuotaExhausted);
    assert_eq!(class(Family::Gemini, "UNAVAILABLE", "a reason", ""), Class::Overloaded);
    assert_eq!(class(Family::Other, "UNAVAILABLE", "a reason", ""), Class::Overloaded);
    assert_eq!(class(Family::Vertex, "DEADLINE_EXCEEDED", "a reason", ""), Class::Timeout);
    assert_eq!(class(Family::Openrouter, "", "502", "Provider returned error"), Class::ServerError);
    assert_eq!(class(Family::Openrouter, "", "429", "Rate limited"), Class::RateLimit);
    assert_eq!(class(Family::Openrouter, "", "402", "Insufficient credits"), Class::QuotaExhausted);
    assert_eq!(class(Family::Ollama, "", "", "an error was encountered while running the model"), Class::ServerError);
    assert_eq!(class(Family::Lmstudio, "", "", "Trying to keep the first 9 tokens"), Class::ContextWindow);
    assert_eq!(class(Family::Nvidia, "", "", "ResourceExhausted: Worker local total request limit reached"), Class::Overloaded);
    // A message decides only where it is the whole of what a rule asks for: here a status would have to.
    assert_eq!(class(Family::Cohere, "", "", "the model is thinking"), Class::ServerError);
    assert_eq!(class(Family::Groq, "", "context_length_exceeded", ""), Class::ContextWindow);
}

/// What can go wrong below HTTP, in the words of those who count such things, and what it is here.
const EVENTS: &[(&str, Transport, Class)] = &[
    ("dns", Transport::Resolve, Class::Connect),
    ("connect", Transport::ConnectRefused, Class::Connect),
    ("connect_timeout", Transport::ConnectTimeout, Class::Connect),
    ("tls", Transport::TlsHandshake, Class::Tls),
    ("tls_cert", Transport::TlsCertificate, Class::Tls),
    ("stale_conn", Transport::StaleConnection, Class::Reset),
    ("reset_before_head", Transport::ResetBeforeHead, Class::Reset),
    // Never processed, so asked again at once: as on a connection that was closed before it was used.
    ("h2_refused", Transport::StaleConnection, Class::Reset),
    ("ttfb_timeout", Transport::HeadTimeout, Class::Timeout),
    ("idle_timeout", Transport::IdleTimeout, Class::Timeout),
    ("truncated_stream", Transport::CutStream, Class::StreamCut),
    ("crc", Transport::MalformedBody, Class::Malformed),
    ("bad_frame", Transport::MalformedBody, Class::Malformed),
];

#[test]
fn what_goes_wrong_on_the_way_may_be_tried_elsewhere() {
    assert_eq!(EVENTS.len(), 13);
    for &(event, failure, class) in EVENTS {
        let verdict = transport(failure);
        assert_eq!(verdict.class, class, "{event}");
        assert!(verdict.move_on, "{event}");
        // A certificate is bad until somebody mends it, and silence has taken all the time that there was.
        let never = matches!(event, "tls_cert" | "ttfb_timeout" | "idle_timeout");
        assert_eq!(verdict.retry_same || verdict.fresh, !never, "{event}");
    }
}
