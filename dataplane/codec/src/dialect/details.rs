//! What an error says of itself more exactly than its fields: Google's `details`, and Anthropic's.

use crate::json::{self, ErrorFields, Text, Tree, Value};

/// Reads an error body as [`json::read_error`] does; where its details name a reason, that is the code.
pub fn read_error(body: &[u8]) -> ErrorFields {
    let mut fields = json::read_error(body);
    if memchr::memmem::find(body, b"\"details\"").is_some()
        && let Ok(root) = Tree::new().read(body)
        && let Some(code) = reason(root)
    {
        fields.code = code;
    }
    fields
}

fn reason(root: Value<'_>) -> Option<Text<64>> {
    // Google's streams wrap the error in an array.
    let root = root.elements().next().unwrap_or(root);
    let details = root.get("error")?.get("details")?;
    if let Some(code) = details.text("error_code") {
        return Some(Text::new(code.raw()));
    }
    let quota = details.elements().filter_map(|detail| detail.get("violations")).flat_map(Value::elements);
    // The message speaks of quota in either case; what comes back in a minute is a rate.
    if quota.filter_map(|violation| violation.text("quotaId")).any(|id| memchr::memmem::find(id.raw(), b"PerDay").is_some()) {
        return Some(Text::new(b"quota_per_day"));
    }
    details.elements().find_map(|detail| detail.text("reason")).map(|reason| Text::new(reason.raw()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_the_reason_that_the_details_name() {
        let google = r#"{"error":{"code":429,"message":"You exceeded your current quota","status":"RESOURCE_EXHAUSTED","details":[
            {"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerDayPerProject"}]},
            {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"32s"}]}}"#;
        let table = [
            (google.to_owned(), "RESOURCE_EXHAUSTED", "quota_per_day"),
            (format!("[{google}]"), "RESOURCE_EXHAUSTED", "quota_per_day"),
            (google.replace("PerDay", "PerMinute"), "RESOURCE_EXHAUSTED", "429"),
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
        ];
        for (body, kind, code) in table {
            let fields = read_error(body.as_bytes());
            assert_eq!((fields.kind.as_str(), fields.code.as_str()), (kind, code), "{body}");
        }
    }
}
