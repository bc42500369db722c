//! Those who serve models of their own, or rent them out.

use super::row::{Row, on};
use policy::Class::*;

pub(super) static MISTRAL: &[Row] = &[
    on(ServerError, &[200]).code("^(error)$").told("error_event"),
    on(ContextWindow, &[200]).code("^(model_length)$"),
    on(Overloaded, &[429]).code("^3505$").told("capacity"),
    on(Overloaded, &[429]).message("service tier capacity exceeded"),
    on(QuotaExhausted, &[402]).told("payment_required"),
    on(RateLimit, &[429]).told("too_many_requests"),
    on(ContextWindow, &[400, 422]).message("too large for model with|maximum context length"),
    on(ModelGone, &[400, 404]).code("^(unknown_model|invalid_model|1500)$"),
    on(ModelGone, &[400, 404]).message("invalid model"),
    on(Auth, &[401]).told("unauthorized"),
    on(Permission, &[403]).told("forbidden"),
    on(InvalidRequest, &[422]).told("unprocessable"),
];

pub(super) static COHERE: &[Row] = &[
    on(ServerError, &[200]).code("^(ERROR)$").told("error_event"),
    on(Timeout, &[200]).code("^(TIMEOUT)$").told("provider_timeout"),
    on(Auth, &[401]).told("unauthorized"),
    on(QuotaExhausted, &[402]).told("payment_required"),
    on(ContextWindow, &[400]).message("too many tokens|token.*exceed"),
    on(ModelGone, &[404]).message("model"),
    on(ContentFilter, &[498]),
    on(RateLimit, &[429]).told("too_many_requests"),
    on(ServerError, &[501]).told("unsupported").retry(false),
    on(Timeout, &[504, 499]),
];

pub(super) static GROQ: &[Row] = &[
    on(Overloaded, &[498]).code("capacity_exceeded"),
    on(Overloaded, &[498]).told("capacity"),
    on(SchemaViolation, &[400]).code("^(json_validate_failed|tool_use_failed|output_parse_failed)$"),
    on(ModelGone, &[400, 404]).code("^(model_decommissioned|model_not_found)$"),
    on(RateLimit, &[413]).message("request too large|tokens per minute").told("request_exceeds_limit").never(),
    on(QuotaExhausted, &[400, 403, 429]).code("^(blocked_api_access|spend_limit_reached)$"),
    on(Permission, &[400, 403]).code("^organization_restricted$"),
    on(ContextWindow, &[400]).message("reduce the length of the messages|context_length_exceeded|maximum context length"),
    on(RateLimit, &[429]).told("too_many_requests"),
    on(SchemaViolation, &[422]),
    on(ServerError, &[424, 502]),
];

pub(super) static DEEPSEEK: &[Row] = &[
    on(Overloaded, &[200]).code("^(insufficient_system_resource)$"),
    on(QuotaExhausted, &[402]).told("payment_required"),
    on(Auth, &[401]).told("unauthorized"),
    on(ContextWindow, &[400]).message("maximum context length"),
    on(ContentFilter, &[400]).message("Content Exists Risk"),
    on(ModelGone, &[400]).message("Model Not Exist"),
    on(InvalidRequest, &[400, 422]),
    on(RateLimit, &[429]).told("too_many_requests"),
    on(Overloaded, &[503]).told("unavailable"),
];

pub(super) static XAI: &[Row] = &[
    on(Auth, &[400, 401]).message("incorrect api key|no authorization|invalid .*api key"),
    on(ContentFilter, &[400, 403]).message("content moderation|violates usage guidelines|SAFETY_CHECK"),
    on(ContextWindow, &[400]).message("maximum prompt length is|context length"),
    on(QuotaExhausted, &[403, 429]).message("used all available credits|spending limit|out of credits|insufficient credits"),
    on(ModelGone, &[404, 400]).message("model .*(does not exist|not found)|does not have access to"),
    on(Permission, &[403]).told("forbidden"),
    on(RateLimit, &[429]).told("too_many_requests"),
];

pub(super) static TOGETHER: &[Row] = &[
    on(ContextWindow, &[403]),
    on(ContextWindow, &[400, 422]).message("max_new_tokens. must be|context length"),
    on(QuotaExhausted, &[402]).told("payment_required"),
    on(Overloaded, &[503, 529]),
    on(Timeout, &[524]),
    on(RateLimit, &[429]).told("too_many_requests"),
    on(ModelGone, &[404]).told("unknown_path"),
];

pub(super) static FIREWORKS: &[Row] = &[
    on(QuotaExhausted, &[402]).told("payment_required"),
    on(Permission, &[412]),
    on(ModelGone, &[404]).told("unknown_path"),
    on(Auth, &[401, 403]),
    on(ContextWindow, &[400, 413]).message("prompt is too long|maximum context|longer than the model"),
    on(Timeout, &[408]).told("request_timeout"),
    on(RateLimit, &[429]).told("too_many_requests"),
    on(Overloaded, &[503]).told("unavailable"),
];
