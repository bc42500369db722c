//! Gemini, and Vertex before it.

use super::row::{Row, on};
use policy::Class::*;

pub(super) static GEMINI: &[Row] = &[
    // Google's words for a status, within a stream that began with another.
    on(Overloaded, &[200]).kind("^UNAVAILABLE$"),
    on(Timeout, &[200]).kind("^DEADLINE_EXCEEDED$").told("provider_timeout"),
    on(Permission, &[200]).kind("^PERMISSION_DENIED$"),
    on(Auth, &[200]).kind("^UNAUTHENTICATED$"),
    on(ContentFilter, &[200]).kind("^blockReason$"),
    on(ContentFilter, &[200]).code("^(SAFETY|RECITATION|BLOCKLIST|PROHIBITED_CONTENT|SPII|LANGUAGE|IMAGE_SAFETY|IMAGE_PROHIBITED_CONTENT|IMAGE_RECITATION|MODEL_ARMOR|ESCALATION)$"),
    on(SchemaViolation, &[200]).code("^(MALFORMED_FUNCTION_CALL|UNEXPECTED_TOOL_CALL|TOO_MANY_TOOL_CALLS|MALFORMED_RESPONSE)$"),
    on(InvalidRequest, &[200]).code("^(MISSING_THOUGHT_SIGNATURE)$").told("missing_signature").elsewhere(),
    on(ServerError, &[200]).code("^(OTHER|IMAGE_OTHER|NO_IMAGE)$").told("error_event"),
    on(Auth, &[400, 403, 401]).code("API_KEY_INVALID|API_KEY_EXPIRED|ACCESS_TOKEN_EXPIRED|ACCESS_TOKEN_TYPE_UNSUPPORTED|CREDENTIALS_MISSING"),
    on(Auth, &[400, 403]).message("API key not valid|API key expired|reported as leaked"),
    on(Permission, &[400]).kind("^FAILED_PRECONDITION$").message("location is not supported|free tier is not available"),
    on(QuotaExhausted, &[402]).told("payment_required"),
    on(QuotaExhausted, &[429]).code("PerDay|^quota_exceeded$"),
    on(RateLimit, &[429]).kind("^RESOURCE_EXHAUSTED$"),
    on(ContextWindow, &[400]).message("exceeds the maximum number of tokens allowed|input token count .* exceeds|only supports up to"),
    on(InvalidRequest, &[400, 413]).message("payload size exceeds").told("too_large"),
    on(ModelGone, &[404]).message("models/|publisher model|is not found for API version|not supported for generateContent|no longer available"),
    on(ModelGone, &[404]).told("unknown_path"),
    on(Permission, &[403]).told("forbidden"),
    on(Auth, &[401]).told("unauthorized"),
    on(Overloaded, &[503, 500]).message("overloaded|high demand|UNAVAILABLE"),
    on(Overloaded, &[503]).told("unavailable"),
    on(Timeout, &[504]),
    on(ContentFilter, &[400]).message("response was blocked|content filtering policy|violates .*policy"),
    on(RateLimit, &[500, 502, 503]).code("^429$"),
];

pub(super) static VERTEX: &[Row] = &[
    on(Permission, &[400, 403]).message(r"has not been used in project|Unable to find your project|aiplatform\.endpoints\.predict"),
    on(RateLimit, &[429]).told("too_many_requests"),
];
