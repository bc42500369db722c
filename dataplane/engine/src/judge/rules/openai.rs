//! OpenAI, and what Azure makes of it.

use super::row::{Row, on};
use policy::Class::*;

pub(super) static OPENAI: &[Row] = &[
    on(QuotaExhausted, &[429]).code("^(credit_balance_exhausted|organization_spend_limit_exceeded|project_spend_limit_exceeded|organization_usage_limit_exceeded|billing_hard_limit_reached|billing_not_active|insufficient_quota)$"),
    on(QuotaExhausted, &[429, 402, 400]).kind("^insufficient_quota$"),
    on(QuotaExhausted, &[429, 400]).message("exceeded your current quota|billing hard limit|account is not active"),
    on(RateLimit, &[429, 413]).message("request too large for").told("request_exceeds_limit").never(),
    on(RateLimit, &[429]).code("^slow_down$").told("ramp").wide(),
    on(RateLimit, &[429]).told("too_many_requests"),
    on(Overloaded, &[503, 500, 429]).code("^server_is_overloaded$|^engine_overloaded$"),
    on(Overloaded, &[503, 429, 500]).message("currently overloaded|server_is_overloaded|overloaded with other requests"),
    on(ContentFilter, &[400, 403]).code("^(content_policy_violation|content_filter|moderation_blocked|invalid_prompt|cyber_policy|bio_policy|misalignment_policy_violation|image_content_policy_violation)$"),
    on(ContentFilter, &[400, 403]).message("violating our usage policy|rejected as a result of (our|the) safety system|flagged as potentially violating"),
    on(ContextWindow, &[400, 413]).code("^context_length_exceeded$"),
    on(ContextWindow, &[400, 413]).message("maximum context length is|input tokens exceed the configured limit|exceeds? the context window"),
    on(InvalidRequest, &[400]).code("^(string_above_max_length|unsupported_parameter|unsupported_value|invalid_value|invalid_type|missing_required_parameter|decimal_above_max_value|integer_above_max_value|integer_below_min_value|array_above_max_length|invalid_json_schema|invalid_function_parameters|unknown_parameter)$"),
    on(InvalidRequest, &[400, 404]).code("^(invalid_encrypted_content|previous_response_not_found)$").told("provider_state"),
    on(Permission, &[401]).message("IP .*not authorized|ip_not_authorized|member of an organization"),
    on(Auth, &[401]).told("unauthorized"),
    on(Permission, &[403]).told("forbidden"),
    on(ModelGone, &[404, 400, 403]).code("^(model_not_found|model_deprecated|deprecated_model)$"),
    on(ModelGone, &[404, 400]).message("does not exist or you do not have access|has been deprecated|model_not_found|deprecated, learn more"),
    on(ModelGone, &[404]).told("unknown_path"),
];

pub(super) static AZURE: &[Row] = &[
    on(ContentFilter, &[400]).code("^(content_filter|ResponsibleAIPolicyViolation|content_policy_violation)$"),
    on(ContentFilter, &[400]).message("content management policy|response was filtered"),
    on(ModelGone, &[404, 410, 400]).code("^(DeploymentNotFound|ModelDeprecated|model_not_found|unknown_model|DeprecatedModel)$"),
    on(Overloaded, &[429]).message("experiencing high demand|temporarily unable to process"),
    on(QuotaExhausted, &[429, 403]).code("^insufficient_quota$"),
    on(RateLimit, &[429]).told("too_many_requests"),
    on(ContextWindow, &[400]).code("^context_length_exceeded$"),
    on(ContextWindow, &[400]).message("maximum context length"),
    on(Permission, &[401]).message("PermissionDenied|does not have access to API|lacks the required data action"),
    on(Auth, &[401]).told("unauthorized"),
    on(Permission, &[403]).told("forbidden"),
    on(ModelGone, &[404]).told("unknown_path"),
    on(Timeout, &[408]).told("request_timeout"),
];
