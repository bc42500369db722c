//! Providers that speak OpenAI's dialect and are not known by name: what OpenAI says, and what the most
//! of those who imitate it say.

use super::row::{Row, on};
use policy::Class::*;

/// In the order in which they are tried: money before rate, since both are 429; the narrower reading of a
/// 400 before the wider.
pub(super) static COMPATIBLE: &[Row] = &[
    on(QuotaExhausted, &[402, 429]).code("PerDay|^enforced_spend_limit_reached$"),
    on(QuotaExhausted, &[402, 429]).kind("^billing_error$"),
    // Google speaks of quota in its message, whatever the time it is counted over.
    on(RateLimit, &[429]).kind("^resource_exhausted$"),
    on(QuotaExhausted, MONEY).code("^(insufficient_quota|credit_balance_exhausted|(organization|project)_spend_limit_exceeded|organization_usage_limit_exceeded|billing_hard_limit_reached|billing_not_active|insufficient_balance|payment_required|exceeded_current_quota_error)$"),
    on(QuotaExhausted, MONEY).kind("^(insufficient_quota|exceeded_current_quota_error)$"),
    on(QuotaExhausted, MONEY).message("exceeded your current quota|billing hard limit|account is not active|insufficient (balance|credit|funds)|out of credits|credit balance"),
    on(RateLimit, &[413, 429]).message("request too large for").told("request_exceeds_limit").never(),
    on(Overloaded, BUSY).code("^(server_is_overloaded|engine_overloaded|queue_exceeded|capacity_exceeded|insufficient_system_resource)$"),
    on(Overloaded, BUSY).kind("^(overloaded_error|engine_overloaded_error|service_unavailable_error|service_tier_capacity_exceeded|unavailable)$"),
    on(Overloaded, BUSY).message("currently overloaded|overloaded with other requests|experiencing high demand|model is overloaded"),
    on(RateLimit, &[429]).code("^(slow_down|rate_limit_exceeded|rate_limit_reached)$"),
    on(RateLimit, &[429]).kind("^(rate_limit_error|tokens|requests)$"),
    on(ContextWindow, LONG).code("^(context_length_exceeded|exceed_context_size_error|model_context_window_exceeded|model_length)$"),
    on(ContextWindow, LONG).kind("^exceed_context_size_error$"),
    on(ContextWindow, LONG).message("maximum context length|context window|input tokens exceed|exceeds the available context size|prompt is too long|exceeded model token limit|exceeds the maximum number of tokens"),
    on(ContentFilter, REFUSED).code("^(content_policy_violation|content_filter|moderation_blocked|invalid_prompt|cyber_policy|bio_policy|misalignment_policy_violation|image_content_policy_violation|data_inspection_failed|sensitive|refusal)$"),
    on(ContentFilter, REFUSED).message("violating our usage policy|rejected as a result of (our|the) safety system|flagged as potentially violating|content management policy"),
    on(ModelGone, &[400, 403, 404, 410]).code("^(model_not_found|model_deprecated|deprecated_model|model_decommissioned|deploymentnotfound|unknown_model)$"),
    on(ModelGone, &[400, 403, 404, 410]).message("does not exist or you do not have access|model has been (deprecated|decommissioned)"),
    on(InvalidRequest, &[400, 404]).code("^(invalid_encrypted_content|previous_response_not_found)$").told("provider_state"),
    on(Permission, &[401, 403]).code("^(ip_not_authorized|service_disabled)$"),
    on(Permission, &[401, 403]).message("ip_not_authorized|must be a member of an organization|ip address is not authorized"),
    on(Auth, &[400, 401, 403]).code("^(invalid_api_key|invalid_authentication|authentication_error|api_key_invalid)$"),
    on(Auth, &[400, 401, 403]).kind("^(authentication_error|unauthenticated)$"),
    on(Auth, &[400, 401, 403]).message("incorrect api key provided|invalid api key|api key not valid"),
    on(SchemaViolation, &[200, 400]).code("^(json_validate_failed|tool_use_failed|output_parse_failed|malformed_function_call|unexpected_tool_call|too_many_tool_calls|malformed_response)$"),
    on(InvalidRequest, &[200]).code("^missing_thought_signature$").told("missing_signature").elsewhere(),
    on(Timeout, &[200]).kind("^deadline_exceeded$").told("provider_timeout"),
    on(Permission, &[200]).kind("^permission_denied$"),
    on(ServerError, &[200, 500]).code("^(server_error|error|network_error)$"),
    on(ServerError, &[200, 500]).kind("^(server_error|api_error)$"),
];

const MONEY: &[u16] = &[400, 401, 402, 403, 429];
const BUSY: &[u16] = &[200, 429, 500, 503, 529];
const LONG: &[u16] = &[200, 400, 413, 422, 500];
const REFUSED: &[u16] = &[200, 400, 403, 422];
