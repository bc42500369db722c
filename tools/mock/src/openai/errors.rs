//! OpenAI's error bodies, word for word where the words are known.

use serde_json::{Value, json};

use crate::answer::{Answer, Event, Grammar, Role};
use crate::dialect::MONEY;

/// An error as the API words it.
#[derive(Clone, Debug)]
pub struct ApiError {
    /// The status code.
    pub status: u16,
    /// `error.message`.
    pub message: String,
    /// `error.type`.
    pub kind: &'static str,
    /// `error.param`.
    pub param: Option<String>,
    /// `error.code`.
    pub code: Option<String>,
}

impl ApiError {
    /// The body.
    #[must_use]
    pub fn body(&self) -> Value {
        json!({"error": {
            "message": self.message, "type": self.kind, "param": self.param, "code": self.code
        }})
    }
}

/// The error as an answer.
#[must_use]
pub fn answer(error: &ApiError) -> Answer {
    // Laid out as the API lays it out, by hand: its errors are indented, its answers are not.
    let [message, kind, param, code] = [json!(error.message), json!(error.kind), json!(error.param), json!(error.code)];
    let text = format!(
        "{{\n    \"error\": {{\n        \"message\": {message},\n        \"type\": {kind},\n        \"param\": {param},\n        \"code\": {code}\n    }}\n}}\n"
    );
    Answer::json(Grammar::Chat, error.status, text.into_bytes())
}

fn invalid(status: u16, message: String, param: Option<&str>, code: Option<&str>) -> ApiError {
    ApiError { status, message, kind: "invalid_request_error", param: param.map(str::to_owned), code: code.map(str::to_owned) }
}

pub(super) fn missing_key() -> ApiError {
    let message = "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank username) if you're accessing the API from your browser and are prompted for a username and password. You can obtain an API key from https://platform.openai.com/account/api-keys.";
    invalid(401, message.to_owned(), None, None)
}

pub(super) fn wrong_key(key: &str) -> ApiError {
    let message =
        format!("Incorrect API key provided: {}. You can find your API key at https://platform.openai.com/account/api-keys.", starred(key));
    invalid(401, message, None, Some("invalid_api_key"))
}

/// The key with its middle starred out, as the API shows it.
fn starred(key: &str) -> String {
    let shown: Vec<char> = key.chars().take(256).collect();
    let count = shown.len();
    let keep = if count >= 12 { 4 } else { 0 };
    let star = |(i, c): (usize, &char)| {
        if i < keep || i + keep >= count { *c } else { '*' }
    };
    shown.iter().enumerate().map(star).collect()
}

pub(super) fn not_json() -> ApiError {
    let message = "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON. If you have trouble figuring out how to fix this, please contact us through our help center at help.openai.com.)";
    invalid(400, message.to_owned(), None, None)
}

pub(super) fn missing_model() -> ApiError {
    invalid(400, "you must provide a model parameter".to_owned(), None, None)
}

pub(super) fn missing(param: &str) -> ApiError {
    let message = format!("Missing required parameter: '{param}'.");
    invalid(400, message, Some(param), Some("missing_required_parameter"))
}

pub(super) fn empty_array(param: &str) -> ApiError {
    let message = format!("Invalid '{param}': empty array. Expected an array with minimum length 1, but got an empty array instead.");
    invalid(400, message, Some(param), Some("empty_array"))
}

pub(super) fn wrong_type(param: &str, expected: &str, got: &Value) -> ApiError {
    let got = match got {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    let message = format!("Invalid type for '{param}': expected {expected}, but got {got} instead.");
    invalid(400, message, Some(param), Some("invalid_type"))
}

pub(super) fn bad_value(param: &str, message: String, code: Option<&str>) -> ApiError {
    invalid(400, message, Some(param), code)
}

pub(super) fn no_model(model: &str) -> ApiError {
    let message = format!("The model `{model}` does not exist or you do not have access to it.");
    invalid(404, message, None, Some("model_not_found"))
}

pub(super) fn context_too_long(limit: u64, tokens: u64, param: &str) -> ApiError {
    let message = format!(
        "This model's maximum context length is {limit} tokens. However, your messages resulted in {tokens} tokens. Please reduce the length of the messages."
    );
    invalid(400, message, Some(param), Some("context_length_exceeded"))
}

pub(super) fn unknown_url(method: &str, path: &str) -> ApiError {
    invalid(404, format!("Invalid URL ({method} {path})"), None, None)
}

pub(super) fn wrong_method(method: &str) -> ApiError {
    let message = format!("Not allowed to {method} on this path. (HINT: Perhaps you meant to use a different HTTP method?)");
    invalid(405, message, None, Some("method_not_supported"))
}

/// A fault the mock was asked for but cannot make: the caller's own mistake, said plainly.
#[must_use]
pub fn bad_fault(message: String) -> ApiError {
    invalid(400, message, None, Some("bad_mock_fault"))
}

/// What usually goes with a status: message, type, code.
type Usual = (&'static str, &'static str, Option<&'static str>);

/// The error that usually goes with a status; `code` replaces the usual one.
#[must_use]
pub fn for_status(status: u16, code: Option<&str>, model: &str) -> ApiError {
    let (message, kind, usual) = usual(status, code);
    let message = message.replace("{model}", model);
    let param = (usual == Some("context_length_exceeded")).then(|| "messages".to_owned());
    ApiError { status, message, kind, param, code: code.or(usual).map(str::to_owned) }
}

#[rustfmt::skip] // A table of sentences; broken lines would hide the columns.
fn usual(status: u16, code: Option<&str>) -> Usual {
    const INVALID: &str = "invalid_request_error";
    const SERVER: &str = "The server had an error while processing your request. Sorry about that!";
    match (status, code) {
        (400, None | Some("context_length_exceeded")) => ("This model's maximum context length is 8192 tokens. However, your messages resulted in 8193 tokens. Please reduce the length of the messages.", INVALID, Some("context_length_exceeded")),
        (400, Some("content_policy_violation" | "content_filter")) => ("Your request was rejected as a result of our safety system.", INVALID, None),
        (401, _) => ("Incorrect API key provided: sk-****. You can find your API key at https://platform.openai.com/account/api-keys.", INVALID, Some("invalid_api_key")),
        (402, _) => ("Insufficient credits. Add more credits to continue.", "insufficient_quota", Some("insufficient_quota")),
        (403, _) => ("Country, region, or territory not supported", "request_forbidden", Some("unsupported_country_region_territory")),
        (404, _) => ("The model `{model}` does not exist or you do not have access to it.", INVALID, Some("model_not_found")),
        (429, Some(code)) if MONEY.contains(&code) => ("You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.", "insufficient_quota", None),
        (429, Some("slow_down")) => ("You are sending requests too quickly. Please slow down.", "rate_limit_error", None),
        (429, _) => ("Rate limit reached for {model} in organization org-mock on requests per min (RPM): Limit 10000, Used 10000, Requested 1. Please try again in 6ms. Visit https://platform.openai.com/account/rate-limits to learn more.", "requests", Some("rate_limit_exceeded")),
        (400..=499, _) => ("Invalid request.", INVALID, None),
        (503, _) => ("The engine is currently overloaded, please try again later.", "service_unavailable_error", Some("server_is_overloaded")),
        (504, _) => ("The upstream model timed out.", "server_error", Some("timeout")),
        (529, _) => ("Overloaded", "overloaded_error", Some("overloaded")),
        _ => (SERVER, "server_error", None),
    }
}

/// An error event in mid-stream.
#[must_use]
pub fn event(grammar: Grammar, code: &str, sequence: u64) -> Event {
    let message = "The server had an error while processing your request. Sorry about that!";
    let body = match grammar {
        Grammar::Responses => json!({
            "type": "error", "sequence_number": sequence,
            "code": code, "message": message, "param": null
        }),
        _ => json!({"error": {
            "message": message, "type": "server_error", "param": null, "code": code
        }}),
    };
    grammar.event(Role::Content, &body)
}
