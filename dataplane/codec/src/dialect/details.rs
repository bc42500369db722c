//! What an error says of itself more exactly than its fields: Google's `details` and Anthropic's, Azure's
//! inner error, the limit that OpenRouter names, the place that a validator complains of.

use super::{Dialect, answer::CHOICES_MAX};
use crate::json::{self, ErrorFields, Str, Text, Tree, Value};

/// Members that say more, if one of them is there at all.
const MARKS: &[&[u8]] = &[b"\"details\"", b"\"innererror\"", b"\"limit_source\"", b"\"__type\"", b"\"loc\""];

/// Violations and details that are looked at.
const DETAILS_MAX: usize = 32;

/// Reads an error body as [`json::read_error`] does; where its details name a reason, that is the code.
pub fn read_error(body: &[u8]) -> ErrorFields {
    let mut fields = json::read_error(body);
    if MARKS.iter().any(|mark| memchr::memmem::find(body, mark).is_some())
        && let Ok(root) = Tree::new().read(body)
    {
        // Google's streams wrap the error in an array.
        let root = root.elements().next().unwrap_or(root);
        if let Some(code) = root.get("error").and_then(reason) {
            fields.code = code;
        }
        if fields.kind.is_empty()
            && let Some(kind) = root.text("__type")
        {
            fields.kind = exception(kind.raw());
        }
        if fields.param.is_empty()
            && let Some(place) = root.get("detail").and_then(|detail| outermost(detail.elements().next()?.get("loc")?))
        {
            fields.param = Text::new(place.raw());
        }
    }
    fields
}

/// The member of a request that a validator complains of; what lies deeper is no parameter.
fn outermost(place: Value<'_>) -> Option<Str<'_>> {
    let mut parts = place.elements();
    let first = parts.next()?.str()?;
    match (parts.next(), parts.next()) {
        (None, _) => Some(first),
        (Some(second), None) if first.is("body") => second.str(),
        _ => None,
    }
}

/// Reads an error body of a provider that says the error's type in its head (`x-amzn-errortype`), where the
/// body does not.
pub fn read_error_beside(told: &[u8], body: &[u8]) -> ErrorFields {
    let mut fields = read_error(body);
    if fields.kind.is_empty() {
        fields.kind = exception(told);
    }
    fields
}

/// The name of an exception: a namespace may stand before it, and an address behind it.
fn exception(told: &[u8]) -> Text<64> {
    let told = told.split(|&byte| byte == b':').next().unwrap_or_default();
    Text::new(told.rsplit(|&byte| byte == b'#').next().unwrap_or_default().trim_ascii())
}

fn reason(error: Value<'_>) -> Option<Text<64>> {
    let text = |of: Option<Value<'_>>, name: &str| of?.text(name).filter(|text| !text.is_empty()).map(|text| Text::new(text.raw()));
    let details = error.get("details");
    let listed = || details.into_iter().flat_map(Value::elements).take(DETAILS_MAX);
    let quotas = || listed().filter_map(|detail| detail.get("violations")).flat_map(Value::elements).take(DETAILS_MAX);
    let quotas = || quotas().filter_map(|violation| violation.text("quotaId"));
    // The message speaks of quota in either case; what comes back in a minute is a rate.
    let daily = quotas().find(|id| memchr::memmem::find(id.raw(), b"PerDay").is_some());
    text(details, "error_code")
        .or_else(|| text(error.get("innererror"), "code"))
        .or_else(|| daily.map(|id| Text::new(id.raw())))
        .or_else(|| listed().find_map(|detail| text(Some(detail), "reason")))
        .or_else(|| quotas().next().map(|id| Text::new(id.raw())))
        .or_else(|| text(error.get("metadata"), "limit_source"))
}

/// True when an error body has the form that clients of `dialect` read: others say the same in so many ways.
pub fn is_error(dialect: Dialect, body: &[u8]) -> bool {
    let mut tree = Tree::new();
    let Ok(root) = tree.read(body) else { return false };
    let Some(error) = root.get("error").filter(|error| error.is_object()) else { return false };
    let has = |of: Value<'_>, name: &str| of.text(name).is_some();
    has(error, "message")
        && match dialect {
            Dialect::Openai | Dialect::Responses => true,
            Dialect::Anthropic => root.text("type").is_some_and(|kind| kind.is("error")) && has(error, "type"),
            Dialect::Gemini => error.get("code").is_some() && has(error, "status"),
        }
}

/// Reads how an answer of status 200 ended, where that is a failure: as the code stands the word for it, as
/// the kind the member that held it. Where a choice has an error of its own, its fields are told instead.
pub fn read_ending(body: &[u8]) -> ErrorFields {
    let mut tree = Tree::new();
    let Ok(root) = tree.read(body) else { return ErrorFields::default() };
    let root = root.elements().next().unwrap_or(root);
    let choices = ["choices", "candidates"].into_iter().filter_map(|name| root.get(name)).flat_map(Value::elements);
    let nested = ["delta", "response", "incomplete_details", "promptFeedback"].into_iter().filter_map(|name| root.get(name));
    for place in choices.chain([root]).chain(nested).take(CHOICES_MAX) {
        if let Some(error) = place.get("error").filter(|error| error.is_object()) {
            return read_error(error.raw());
        }
        let said = |name: &&str| place.text(name).is_some_and(|word| !word.is_empty());
        if let Some(name) = ENDINGS.iter().find(|name| said(name)) {
            let word = place.text(name).map_or(Text::EMPTY, |word| Text::new(word.raw()));
            return ErrorFields { kind: Text::new(name.as_bytes()), code: word, ..ErrorFields::default() };
        }
    }
    ErrorFields::default()
}

/// Members that say why an answer ended.
const ENDINGS: &[&str] = &["finish_reason", "finishReason", "stop_reason", "stopReason", "blockReason", "reason"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dialect_has_one_form_of_error() {
        let forms: &[(&str, [bool; 4])] = &[
            (r#"{"error":{"message":"m","type":"t","param":null,"code":null}}"#, [true, true, false, false]),
            (r#"{"type":"error","error":{"type":"t","message":"m"}}"#, [true, true, true, false]),
            (r#"{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}"#, [true, true, false, true]),
            (r#"[{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}]"#, [false; 4]),
            (r#"{"error":"m"}"#, [false; 4]),
            (r#"{"error":{"message":{"detail":"m"}}}"#, [false; 4]),
            (r#"{"detail":[{"loc":["body","n"],"msg":"m","type":"t"}]}"#, [false; 4]),
            (r#"{"object":"error","message":"m","type":"t","code":1}"#, [false; 4]),
            (r#"{"type":"about:blank","title":"t","status":400,"detail":"m"}"#, [false; 4]),
            (r#"{"error":{"message":"m"}"#, [false; 4]),
            ("", [false; 4]),
        ];
        for (body, expected) in forms {
            let found = [Dialect::Openai, Dialect::Responses, Dialect::Anthropic, Dialect::Gemini]
                .map(|dialect| is_error(dialect, body.as_bytes()));
            assert_eq!(found, *expected, "{body}");
        }
    }

    #[test]
    fn the_code_is_the_reason_that_the_details_name() {
        let google = r#"{"error":{"code":429,"message":"You exceeded your current quota","status":"RESOURCE_EXHAUSTED","details":[
            {"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerDayPerProject"}]},
            {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"32s"}]}}"#;
        let table = [
            (google.to_owned(), "RESOURCE_EXHAUSTED", "GenerateRequestsPerDayPerProject"),
            (format!("[{google}]"), "RESOURCE_EXHAUSTED", "GenerateRequestsPerDayPerProject"),
            (google.replace("PerDay", "PerMinute"), "RESOURCE_EXHAUSTED", "GenerateRequestsPerMinutePerProject"),
            (
                r#"{"error":{"code":400,"message":"API key not valid","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#
                    .to_owned(),
                "INVALID_ARGUMENT",
                "API_KEY_INVALID",
            ),
            (
                r#"{"type":"error","error":{"type":"rate_limit_error","message":"m","details":{"error_code":"enforced_spend_limit_reached"}}}"#
                    .to_owned(),
                "rate_limit_error",
                "enforced_spend_limit_reached",
            ),
            (r#"{"error":{"message":"m","type":"t","code":"c"},"details":[1]}"#.to_owned(), "t", "c"),
            (r#"{"error":{"message":"m","type":"t","details":"#.to_owned(), "t", ""),
            (r#"{"error":{"code":"400","message":"m","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#.to_owned(), "", "ResponsibleAIPolicyViolation"),
            (r#"{"error":{"code":402,"message":"m","metadata":{"limit_source":"openrouter_in_flight_budget"}}}"#.to_owned(), "", "openrouter_in_flight_budget"),
            (r#"{"__type":"com.amazon.coral.validate#ValidationException","message":"m"}"#.to_owned(), "ValidationException", ""),
        ];
        for (body, kind, code) in table {
            let fields = read_error(body.as_bytes());
            assert_eq!((fields.kind.as_str(), fields.code.as_str()), (kind, code), "{body}");
        }
    }

    #[test]
    fn validators_name_the_place() {
        let fields =
            read_error(br#"{"detail":[{"loc":["body","top_k"],"msg":"Extra inputs are not permitted","type":"extra_forbidden"}]}"#);
        assert_eq!((fields.param.as_str(), fields.message.as_str()), ("top_k", "Extra inputs are not permitted"));
        let param = |body: &[u8]| read_error(body).param.as_str().to_owned();
        assert_eq!(param(br#"{"detail":[{"loc":["body","messages",0,"metadata"],"msg":"m"}]}"#), "");
        assert_eq!(param(br#"{"detail":[{"loc":["seed"],"msg":"m"}]}"#), "seed");
        assert_eq!(param(br#"{"detail":[{"loc":[],"msg":"m"}]}"#), "");
    }

    #[test]
    fn a_type_may_stand_in_the_head() {
        let kind = |told: &[u8], body: &[u8]| read_error_beside(told, body).kind.as_str().to_owned();
        assert_eq!(kind(b"ThrottlingException:http://internal.amazon.com/", br#"{"message":"m"}"#), "ThrottlingException");
        assert_eq!(kind(b"x#ValidationException", b""), "ValidationException");
        assert_eq!(kind(b"ThrottlingException", br#"{"type":"t"}"#), "t");
        assert_eq!(kind(b"", b""), "");
    }

    #[test]
    fn endings_are_told_in_their_words() {
        let table = [
            (r#"{"choices":[{"finish_reason":"insufficient_system_resource"}]}"#, ["finish_reason", "insufficient_system_resource", ""]),
            (r#"{"choices":[{"finish_reason":"error","error":{"code":503,"message":"m"}}]}"#, ["", "503", "m"]),
            (r#"{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL"}]}"#, ["finishReason", "MALFORMED_FUNCTION_CALL", ""]),
            (r#"[{"candidates":[{"finishReason":"OTHER"}]}]"#, ["finishReason", "OTHER", ""]),
            (r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#, ["blockReason", "SAFETY", ""]),
            (r#"{"type":"message_delta","delta":{"stop_reason":"refusal"}}"#, ["stop_reason", "refusal", ""]),
            (r#"{"stopReason":"malformed_tool_use"}"#, ["stopReason", "malformed_tool_use", ""]),
            (r#"{"choices":[{"finish_reason":null},{"finish_reason":"error"}]}"#, ["finish_reason", "error", ""]),
            (r#"{"choices":[]}"#, [""; 3]),
            ("[", [""; 3]),
            ("", [""; 3]),
        ];
        for (body, expected) in table {
            let fields = read_ending(body.as_bytes());
            assert_eq!([fields.kind.as_str(), fields.code.as_str(), fields.message.as_str()], expected, "{body}");
        }
    }
}
