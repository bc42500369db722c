use serde_json::json;

use super::*;

#[test]
fn members_come_as_the_api_writes_them() {
    let value = json!({
        "usage": null, "choices": [{"finish_reason": "stop", "delta": {"content": "\"é\n", "role": "assistant"}, "index": 0}],
        "zebra": 1.5, "model": "m", "object": "o", "id": "i", "apple": true
    });
    let expected = concat!(
        r#"{"id":"i","object":"o","model":"m","choices":[{"index":0,"delta":{"role":"assistant","#,
        r#""content":"\"é\n"},"finish_reason":"stop"}],"usage":null,"apple":true,"zebra":1.5}"#
    );
    assert_eq!(OPENAI.write(&value), expected);
    assert_eq!(serde_json::from_str::<Value>(expected).unwrap(), value);
}

#[test]
fn lines_are_indented_as_gemini_indents_them() {
    let value = json!({"b": [], "error": {"details": [{"x": 1}, "y"], "code": 429}, "a": {}});
    let expected = "{\n  \"error\": {\n    \"code\": 429,\n    \"details\": [\n      {\n        \"x\": 1\n      },\n      \"y\"\n    ]\n  },\n  \"a\": {},\n  \"b\": []\n}";
    assert_eq!(GEMINI.pretty(&value), expected);
    assert_eq!(serde_json::from_str::<Value>(expected).unwrap(), value);
}
