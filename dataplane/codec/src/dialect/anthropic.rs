//! Anthropic Messages.

pub mod decoder;
pub mod encoder;
mod plan;
pub mod prompt;
pub mod request;
pub mod schema;

use super::openai::member;

/// The tool whose input is the answer, where a form is asked for that the provider knows only from tools.
pub const ANSWER_TOOL: &str = "json_answer";

/// Anthropic's word for an HTTP status.
pub const fn error_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        409 => "conflict_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        408 | 504 => "timeout_error",
        503 | 529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

/// Writes an error as Anthropic does: the type follows from the HTTP status, `code` is the gateway's.
pub fn error_body(out: &mut Vec<u8>, status: u16, message: &str, code: &str, request_id: &str) {
    out.extend_from_slice(b"{\"type\":\"error\",\"error\":{");
    member(out, "type", Some(error_type(status)));
    out.push(b',');
    member(out, "message", Some(message));
    out.extend_from_slice(b",\"details\":{");
    member(out, "error_code", Some(code));
    out.extend_from_slice(b"}},");
    member(out, "request_id", Some(request_id));
    out.push(b'}');
}

/// Writes the event that tells the readers of a stream that it failed. No `message_stop` may follow.
pub fn error_event(out: &mut Vec<u8>, status: u16, message: &str, code: &str, request_id: &str) {
    out.extend_from_slice(b"event: error\ndata: ");
    error_body(out, status, message, code, request_id);
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests;
