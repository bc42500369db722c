//! Anthropic.

use super::row::{Row, on};
use policy::Class::*;

pub(super) static ANTHROPIC: &[Row] = &[
    on(ContentFilter, &[200]).code("^(refusal)$"),
    on(ContextWindow, &[200]).code("^(model_context_window_exceeded)$"),
    on(QuotaExhausted, &[429, 402]).code("^(enforced_spend_limit_reached|contract_spend_limit_reached|linked_organization_billing_unavailable|linked_organization_spend_limit_reached|user_profile_billing_not_authorized|user_profile_not_billable)$"),
    on(RateLimit, &[429]).code("^ramp_limit_exceeded$").told("ramp").wide(),
    on(QuotaExhausted, &[402]).kind("^billing_error$"),
    on(QuotaExhausted, &[400]).message(r"credit balance is too low|reached your specified (api|workspace)? ?(api )?usage limits|usage limits\. you will regain access"),
    on(RateLimit, &[429]).kind("^rate_limit_error$"),
    on(Overloaded, &[529, 503, 200]).kind("^overloaded_error$"),
    on(Overloaded, &[529]),
    on(ContextWindow, &[400, 413]).message("prompt is too long|prompt: length|exceed context limit|input length and .?max_tokens"),
    on(InvalidRequest, &[413]).kind("^request_too_large$").told("too_large"),
    on(ContentFilter, &[400]).message("content filtering policy|Output blocked"),
    on(Auth, &[401]).told("unauthorized"),
    on(Permission, &[400]).code("^(organization_on_hold|organization_type_not_supported|claude_code_version_too_old|claude_code_key_creator_not_member)$"),
    on(Permission, &[403]).told("forbidden"),
    on(ModelGone, &[404]).kind("^not_found_error$").message("model"),
    on(ModelGone, &[404]).told("unknown_path"),
    on(Timeout, &[504, 408]),
    on(ServerError, &[409]).told("conflict").retry(true),
    on(InvalidRequest, &[400]).message("Extra inputs are not permitted").told("unsupported_parameter").elsewhere(),
    on(ServerError, &[500, 200]).kind("^api_error$"),
];
