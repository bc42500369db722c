//! Amazon Bedrock.

use super::row::{Row, on};
use policy::Class::*;

pub(super) static BEDROCK: &[Row] = &[
    on(ContentFilter, &[200]).code("^(guardrail_intervened|content_filtered)$"),
    on(SchemaViolation, &[200]).code("^(malformed_model_output|malformed_tool_use)$"),
    on(ContextWindow, &[200]).code("^(model_context_window_exceeded)$"),
    on(QuotaExhausted, &[429]).kind("ThrottlingException").message("per day|daily"),
    on(RateLimit, &[429]).kind("^ThrottlingException"),
    on(Overloaded, &[429]).kind("^ModelNotReadyException").retry(true),
    on(RateLimit, &[400]).kind("^ServiceQuotaExceededException"),
    on(ContextWindow, &[400]).message("Input is too long|prompt is too long|Too many input tokens|expected maxLength|input tokens? .*exceeds? .*limit|context window"),
    on(ModelGone, &[400, 404]).message("model identifier is invalid|reached the end of its life|marked by provider as Legacy|model .*not found"),
    on(ModelGone, &[400]).message("on-demand throughput isn.t supported"),
    on(Auth, &[400, 401, 403]).kind("^(UnrecognizedClientException|InvalidSignatureException|ExpiredTokenException|ExpiredToken|IncompleteSignature|MissingAuthenticationToken(Exception)?|RequestExpired|InvalidClientTokenId|SignatureDoesNotMatch)"),
    on(Auth, &[400, 401, 403]).message("security token included in the request is (invalid|expired)|Unable to locate credentials|signature we calculated does not match"),
    on(Permission, &[403]).told("forbidden"),
    on(Permission, &[404]).kind("FTUFormNotFilled"),
    on(ModelGone, &[404]).kind("^ResourceNotFoundException"),
    on(ContentFilter, &[400]).message("blocked by .*guardrail|content filter|Output blocked"),
    on(Timeout, &[408]).kind("^ModelTimeoutException").told("request_timeout"),
    on(ServerError, &[424]).told("failed_dependency"),
    on(Overloaded, &[503]).told("unavailable"),
    on(ServerError, &[500]),
    on(InvalidRequest, &[400]),
    on(RateLimit, &[200]).kind("^throttlingException"),
    on(Overloaded, &[200]).kind("^serviceUnavailableException"),
    on(Timeout, &[200]).kind("^modelTimeoutException").told("provider_timeout"),
    on(ServerError, &[200]).kind("^modelStreamErrorException").told("error_event"),
    on(ServerError, &[200]).kind("^internalServerException").told("error_event"),
    on(InvalidRequest, &[200]).kind("^validationException"),
];
