//! Aggregators, and providers that few ask.

use super::row::{Row, on};
use policy::Class::*;

pub(super) static OPENROUTER: &[Row] = &[
    on(ServerError, &[200]).code("^(error)$").told("error_event"),
    on(RateLimit, &[402]).code("openrouter_in_flight_budget").wide(),
    on(QuotaExhausted, &[402]).told("payment_required"),
    on(ContextWindow, &[400]).message("context_length_exceeded|maximum context length|token_limit_exceeded|context length"),
    on(ContentFilter, &[403]).message("moderation|flagged|guardrail"),
    on(Permission, &[403]).told("forbidden"),
    on(ModelGone, &[404, 400]).message("no endpoints found|not a valid model|No allowed providers"),
    on(Auth, &[401]).told("unauthorized"),
    on(Timeout, &[408]).told("request_timeout"),
    on(RateLimit, &[429]).told("too_many_requests"),
    on(ServerError, &[502]),
    on(Overloaded, &[503]).told("no_provider"),
    on(ServerError, &[200]).code(r"^5\d\d$").told("error_event"),
];

pub(super) static PERPLEXITY: &[Row] = &[
    on(QuotaExhausted, &[401]).message("credit|balance|quota|billing"),
    on(Auth, &[401]).told("unauthorized"),
    on(RateLimit, &[429]).told("too_many_requests"),
    on(ModelGone, &[404, 410, 400]).message("invalid model|not found|deprecated|no longer"),
];

pub(super) static CEREBRAS: &[Row] = &[
    on(QuotaExhausted, &[402]).told("payment_required"),
    on(Overloaded, &[429]).code("^queue_exceeded$"),
    on(QuotaExhausted, &[429]).code("per_day|_day"),
    on(RateLimit, &[429]).code("token_quota_exceeded|request_quota_exceeded"),
    on(RateLimit, &[429]).told("too_many_requests"),
    on(ContextWindow, &[400]).message("Current length is .* while limit is|context_length_exceeded"),
    on(ModelGone, &[404]).told("unknown_path"),
];

pub(super) static NVIDIA: &[Row] = &[
    on(ModelGone, &[404]).message("Not found for account|Not Found|page not found"),
    on(Overloaded, &[400]).message("DEGRADED function cannot be invoked"),
    on(Auth, &[401, 403]).message("Authorization failed|Unauthorized|Forbidden"),
    on(RateLimit, &[429]).told("too_many_requests"),
    on(Overloaded, &[200, 500, 503]).message("ResourceExhausted: Worker local total request limit"),
    on(QuotaExhausted, &[402]).told("payment_required"),
];

pub(super) static HUGGINGFACE: &[Row] = &[
    on(QuotaExhausted, &[402]).told("payment_required"),
    on(ContextWindow, &[400, 413, 422]).message("length limit exceeded|max_new_tokens. must be"),
    on(Auth, &[401]).told("unauthorized"),
    on(ModelGone, &[404, 400]).message("not supported by any provider|does not exist|model_not_supported"),
    on(Overloaded, &[503]).message("is currently loading").told("loading"),
    on(RateLimit, &[429]).told("too_many_requests"),
];

pub(super) static MOONSHOT: &[Row] = &[
    on(ContentFilter, &[400]).kind("^content_filter$"),
    on(ContextWindow, &[400]).message("token length too long|exceeded model token limit"),
    on(QuotaExhausted, &[403, 429]).kind("^exceeded_current_quota_error$"),
    on(QuotaExhausted, &[403]).message("balance|usage limit|billing cycle"),
    on(Overloaded, &[429]).kind("^engine_overloaded_error$"),
    on(Overloaded, &[429]).message("engine is currently overloaded"),
    on(RateLimit, &[429]).told("too_many_requests"),
    on(Auth, &[401]).told("unauthorized"),
    on(ModelGone, &[404]).told("unknown_path"),
];

pub(super) static DASHSCOPE: &[Row] = &[
    on(QuotaExhausted, &[400, 403, 429]).code(r"Arrearage|AllocationQuota\.FreeTierOnly|^insufficient_quota$"),
    on(QuotaExhausted, &[400, 403]).message("overdue|Arrearage|free tier.*exhausted"),
    on(ContentFilter, &[400]).code("DataInspectionFailed|data_inspection_failed"),
    on(RateLimit, &[429]).code("Throttling|limit_requests|limit_burst_rate"),
    on(Auth, &[401]).told("unauthorized"),
    on(ModelGone, &[404, 400]).code(r"ModelNotFound|model_not_found|Model\.AccessDenied|model_not_supported"),
    on(Permission, &[403]).told("forbidden"),
    on(ContextWindow, &[400]).message("Range of input length should be|input length|context length"),
    on(Overloaded, &[503, 500]).code("ServiceUnavailable|ModelUnavailable|ModelServingError"),
];

pub(super) static ZHIPU: &[Row] = &[
    on(ContentFilter, &[200]).code("^(sensitive)$"),
    on(ServerError, &[200]).code("^(network_error)$").told("error_event"),
    on(Auth, &[]).code("^(1000|1001|1002|1003|1004)$"),
    on(QuotaExhausted, &[]).code("^(1113|1309|1310|1308|1304)$"),
    on(Permission, &[]).code("^(1110|1111|1112|1121|1220|1311|1313)$"),
    on(ModelGone, &[]).code("^(1211|1221|1222)$"),
    on(ContextWindow, &[]).code("^1261$"),
    on(ContentFilter, &[]).code("^(1301)$"),
    on(RateLimit, &[]).code("^(1302|1303)$"),
    on(Overloaded, &[]).code("^(1305|1312)$"),
    on(ServerError, &[]).code("^(1120|1230|1234|500|1200)$"),
    on(InvalidRequest, &[]).code("^(1210|1212|1213|1214|1215|1231)$"),
    on(Permission, &[434]),
    on(InvalidRequest, &[435]).told("too_large"),
];
