//! Rules about error objects in OpenAI's dialect, and in those of the many that speak it almost.

use super::{ErrorFields, Verdict};
use policy::Class;

/// How far into a message is looked, in bytes: reasons stand at its beginning.
const MESSAGE_BYTES_MAX: usize = 1_024;

/// One rule. It fits when the status is listed (or none is), and one of the codes, kinds or parts
/// of the message is found, in any case of letters.
pub(super) struct Rule {
    class: Class,
    statuses: &'static [u16],
    codes: &'static [&'static str],
    kinds: &'static [&'static str],
    messages: &'static [&'static str],
    detail: &'static str,
    /// False for a request that can never succeed at this target, and says nothing about others.
    passing: bool,
}

const fn rule(class: Class, detail: &'static str) -> Rule {
    Rule { class, statuses: &[], codes: &[], kinds: &[], messages: &[], detail, passing: true }
}

/// In the order in which they are tried: money before rate, since both are 429; the narrower
/// reading of a 400 before the wider.
const RULES: &[Rule] = &[
    Rule {
        statuses: &[402, 429],
        codes: &["quota_per_day", "enforced_spend_limit_reached"],
        kinds: &["billing_error"],
        ..rule(Class::QuotaExhausted, "quota")
    },
    // Google speaks of quota in its message, whatever the time it is counted over.
    Rule { statuses: &[429], kinds: &["resource_exhausted"], ..rule(Class::RateLimit, "rate_limit") },
    Rule {
        statuses: &[400, 401, 402, 403, 429],
        codes: &[
            "insufficient_quota",
            "credit_balance_exhausted",
            "organization_spend_limit_exceeded",
            "project_spend_limit_exceeded",
            "organization_usage_limit_exceeded",
            "billing_hard_limit_reached",
            "billing_not_active",
            "insufficient_balance",
            "payment_required",
            "exceeded_current_quota_error",
        ],
        kinds: &["insufficient_quota"],
        messages: &[
            "exceeded your current quota",
            "billing hard limit",
            "account is not active",
            "insufficient balance",
            "insufficient credit",
            "insufficient funds",
            "out of credits",
            "credit balance",
        ],
        ..rule(Class::QuotaExhausted, "quota")
    },
    Rule { statuses: &[413, 429], messages: &["request too large for"], passing: false, ..rule(Class::RateLimit, "request_exceeds_limit") },
    Rule {
        statuses: &[429, 500, 503, 529],
        codes: &["server_is_overloaded", "engine_overloaded", "queue_exceeded", "capacity_exceeded"],
        kinds: &["overloaded_error", "service_unavailable_error", "service_tier_capacity_exceeded"],
        messages: &["currently overloaded", "overloaded with other requests", "experiencing high demand", "model is overloaded"],
        ..rule(Class::Overloaded, "overloaded")
    },
    Rule {
        statuses: &[429],
        codes: &["slow_down", "rate_limit_exceeded", "rate_limit_reached"],
        kinds: &["rate_limit_error", "tokens", "requests"],
        ..rule(Class::RateLimit, "rate_limit")
    },
    Rule {
        statuses: &[400, 413, 422, 500],
        codes: &["context_length_exceeded", "exceed_context_size_error"],
        messages: &[
            "maximum context length",
            "context window",
            "input tokens exceed",
            "exceeds the available context size",
            "prompt is too long",
            "exceeded model token limit",
            "exceeds the maximum number of tokens",
        ],
        ..rule(Class::ContextWindow, "context_window")
    },
    Rule {
        statuses: &[400, 403, 422],
        codes: &[
            "content_policy_violation",
            "content_filter",
            "moderation_blocked",
            "invalid_prompt",
            "cyber_policy",
            "bio_policy",
            "misalignment_policy_violation",
            "image_content_policy_violation",
            "data_inspection_failed",
        ],
        messages: &[
            "violating our usage policy",
            "rejected as a result of our safety system",
            "rejected as a result of the safety system",
            "flagged as potentially violating",
            "content management policy",
        ],
        ..rule(Class::ContentFilter, "content_filter")
    },
    Rule {
        statuses: &[400, 403, 404, 410],
        codes: &["model_not_found", "model_deprecated", "deprecated_model", "model_decommissioned", "deploymentnotfound", "unknown_model"],
        messages: &["does not exist or you do not have access", "model has been deprecated", "model has been decommissioned"],
        ..rule(Class::ModelGone, "model_not_found")
    },
    Rule {
        statuses: &[400, 404],
        codes: &["invalid_encrypted_content", "previous_response_not_found"],
        ..rule(Class::InvalidRequest, "provider_state")
    },
    Rule {
        statuses: &[401, 403],
        codes: &["ip_not_authorized", "service_disabled"],
        messages: &["ip_not_authorized", "must be a member of an organization", "ip address is not authorized"],
        ..rule(Class::Permission, "not_authorized")
    },
    Rule {
        statuses: &[400, 401, 403],
        codes: &["invalid_api_key", "invalid_authentication", "authentication_error", "api_key_invalid"],
        kinds: &["authentication_error", "unauthenticated"],
        messages: &["incorrect api key provided", "invalid api key", "api key not valid"],
        ..rule(Class::Auth, "invalid_api_key")
    },
    Rule { statuses: &[500], codes: &["server_error"], kinds: &["server_error", "api_error"], ..rule(Class::ServerError, "server_error") },
];

impl Rule {
    pub(super) fn verdict(&self) -> Verdict {
        let verdict = Verdict::of(self.class, self.detail);
        Verdict { retry_same: verdict.retry_same && self.passing, pauses: self.passing, ..verdict }
    }

    fn fits(&self, status: Option<u16>, fields: &ErrorFields<'_>, message: &str) -> bool {
        if status.is_some_and(|status| !self.statuses.contains(&status)) {
            return false;
        }
        let is_one_of = |field: Option<&str>, words: &[&str]| {
            field.is_some_and(|field| words.iter().any(|word| word.eq_ignore_ascii_case(field.trim())))
        };
        is_one_of(fields.code, self.codes) || is_one_of(fields.kind, self.kinds) || self.messages.iter().any(|part| message.contains(part))
    }
}

/// The first rule that fits. Without a status, every rule may.
pub(super) fn find(status: Option<u16>, fields: &ErrorFields<'_>) -> Option<&'static Rule> {
    let message = fields.message.unwrap_or_default();
    let mut end = message.len().min(MESSAGE_BYTES_MAX);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    // Lowered once, so that the many searches are those of the standard library.
    let mut lowered = [0; MESSAGE_BYTES_MAX];
    lowered[..end].copy_from_slice(&message.as_bytes()[..end]);
    lowered[..end].make_ascii_lowercase();
    let message = std::str::from_utf8(&lowered[..end]).expect("lowering ASCII keeps it UTF-8");
    RULES.iter().find(|rule| rule.fits(status, fields, message))
}
