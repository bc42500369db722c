//! Whole answers.

use super::*;
use crate::dialect::{Failure, read_answer, write_answer};
use crate::json::{Finish, Usage};

fn read(body: &Json) -> Result<crate::dialect::answer::Answer, Failure> {
    read_answer(Dialect::Gemini, &serde_json::to_vec(body).unwrap(), &mut Tree::new(), &Terms::default())
}

fn said(from: Dialect, to: Dialect, body: &Json) -> Json {
    let answer = read_answer(from, &serde_json::to_vec(body).unwrap(), &mut Tree::new(), &Terms::default()).unwrap();
    assert!(answer.over);
    let mut out = Vec::new();
    write_answer(to, &answer, &manner(), &mut out);
    serde_json::from_slice(&out).unwrap_or_else(|error| panic!("{error}: {}", out.escape_ascii()))
}

#[test]
fn to_openai() {
    let body = json!({"candidates": [
        {"index": 0, "content": {"role": "model", "parts": [
            {"text": "hm", "thought": true}, {"text": "4 \u{b0}C\n"}, {"text": "."}, {"executableCode": {"code": "1"}},
            {"functionCall": {"id": "i", "name": "f", "args": {"a": "\"\u{e9}"}}, "thoughtSignature": "QQ=="},
            {"functionCall": {"name": "g"}},
        ]}, "finishReason": "STOP", "safetyRatings": [], "groundingMetadata": {"groundingChunks": [{"web": {"uri": "https://x.test", "title": "X"}}]}},
        {"index": 1, "content": {"parts": [{"text": "b"}]}, "finishReason": "MAX_TOKENS", "citationMetadata": {"citations": [{"uri": "https://y.test"}]}},
    ], "modelVersion": "gemini-3.8-flash", "responseId": "r1", "usageMetadata": {"promptTokenCount": 20, "cachedContentTokenCount": 4,
        "candidatesTokenCount": 5, "thoughtsTokenCount": 30, "toolUsePromptTokenCount": 2, "totalTokenCount": 57}});
    let expected = json!({"id": "chatcmpl-0000000000000abc", "object": "chat.completion", "created": 7, "model": "gemini-3.8-flash", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "4 \u{b0}C\n.", "refusal": null, "reasoning_content": "hm",
            "annotations": [{"type": "url_citation", "url_citation": {"start_index": 0, "end_index": 0, "title": "X", "url": "https://x.test"}}],
            "tool_calls": [
                {"id": "i", "type": "function", "function": {"name": "f", "arguments": "{\"a\":\"\\\"\u{e9}\"}"},
                    "extra_content": {"google": {"thought_signature": "QQ=="}}},
                {"id": "call_0000000000000abd", "type": "function", "function": {"name": "g", "arguments": "{}"}},
            ]}, "logprobs": null, "finish_reason": "tool_calls"},
        {"index": 1, "message": {"role": "assistant", "content": "b", "refusal": null,
            "annotations": [{"type": "url_citation", "url_citation": {"start_index": 0, "end_index": 0, "title": "", "url": "https://y.test"}}]},
            "logprobs": null, "finish_reason": "length"},
    ], "usage": {"prompt_tokens": 22, "completion_tokens": 35, "total_tokens": 57,
        "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 30}}});
    assert_eq!(said(Dialect::Gemini, Dialect::Openai, &body), expected);
}

#[test]
fn from_openai() {
    let body = json!({"id": "c", "model": "gpt", "choices": [{"index": 0, "message": {"role": "assistant", "content": "t\u{e9}\n",
        "reasoning_content": "hm", "tool_calls": [
            {"id": "i", "type": "function", "function": {"name": "f", "arguments": "{\"a\": [1]}"}},
            {"id": "j", "type": "function", "function": {"name": "g", "arguments": "broken"}},
        ], "annotations": [{"type": "url_citation", "url_citation": {"url": "https://x.test", "title": "X"}}]}, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 3}}});
    let expected = json!({"candidates": [{"content": {"role": "model", "parts": [
        {"text": "hm", "thought": true}, {"text": "t\u{e9}\n"},
        {"functionCall": {"id": "i", "name": "f", "args": {"a": [1]}}}, {"functionCall": {"id": "j", "name": "g", "args": {"_raw": "broken"}}},
    ]}, "finishReason": "STOP", "index": 0, "groundingMetadata": {"groundingChunks": [{"web": {"uri": "https://x.test", "title": "X"}}]}}],
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 4, "thoughtsTokenCount": 3, "totalTokenCount": 17},
        "modelVersion": "gpt", "responseId": "0000000000000abc"});
    assert_eq!(said(Dialect::Openai, Dialect::Gemini, &body), expected);
    // And what was said so, is understood.
    assert_eq!(said(Dialect::Gemini, Dialect::Gemini, &expected), expected);
}

#[test]
fn reasons_to_end() {
    let table = [
        ("STOP", Finish::Stop),
        ("MAX_TOKENS", Finish::Length),
        ("CONTINUATION", Finish::Length),
        ("SAFETY", Finish::ContentFilter),
        ("RECITATION", Finish::ContentFilter),
        ("LANGUAGE", Finish::ContentFilter),
        ("BLOCKLIST", Finish::ContentFilter),
        ("PROHIBITED_CONTENT", Finish::ContentFilter),
        ("SPII", Finish::ContentFilter),
        ("MODEL_ARMOR", Finish::ContentFilter),
        ("ESCALATION", Finish::ContentFilter),
        ("IMAGE_SAFETY", Finish::ContentFilter),
        ("OTHER", Finish::Error),
        ("MALFORMED_FUNCTION_CALL", Finish::Error),
        ("UNEXPECTED_TOOL_CALL", Finish::Error),
        ("TOO_MANY_TOOL_CALLS", Finish::Error),
        ("MISSING_THOUGHT_SIGNATURE", Finish::Error),
        ("MALFORMED_RESPONSE", Finish::Error),
        ("NO_IMAGE", Finish::Error),
        ("TOMORROWS", Finish::Other),
    ];
    for (word, expected) in table {
        let answer = read(&json!({"candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": word}]})).unwrap();
        assert_eq!(answer.choices[0].finish, Some(expected), "{word}");
    }
    let finished = |reason: &str, message: Json| {
        let body = json!({"choices": [{"message": message, "finish_reason": reason}]});
        said(Dialect::Openai, Dialect::Gemini, &body)["candidates"][0]["finishReason"].clone()
    };
    let text = json!({"content": "x"});
    assert_eq!(finished("stop", text.clone()), "STOP");
    assert_eq!(finished("length", text.clone()), "MAX_TOKENS");
    assert_eq!(finished("content_filter", text.clone()), "SAFETY");
    assert_eq!(finished("error", text.clone()), "OTHER");
    assert_eq!(finished("who_knows", text), "OTHER");
    assert_eq!(finished("stop", json!({"refusal": "no"})), "SAFETY");
}

#[test]
fn nothing_to_say() {
    let blocked = read(&json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}})).unwrap();
    assert_eq!(blocked.choices[0].finish, Some(Finish::ContentFilter));
    assert_eq!(blocked.usage, Some(Usage { input: Some(3), output: Some(0), ..Usage::default() }));
    // A feedback without a reason beside an answer says nothing.
    let body = json!({"promptFeedback": {"blockReason": "OTHER"}, "candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": "STOP"}]});
    assert_eq!(read(&body).unwrap().choices[0].finish, Some(Finish::Stop));
    assert_eq!(read(&json!({"usageMetadata": {"promptTokenCount": 3}})).unwrap().choices[0].finish, Some(Finish::Error));
    assert_eq!(read(&json!({"candidates": [], "promptFeedback": {}})).unwrap().choices[0].finish, Some(Finish::Error));
    let cut = read(&json!({"candidates": [{"content": {"role": "model"}}]})).unwrap();
    assert!(cut.choices.is_empty() && cut.over);

    let empty = json!({"choices": [{"message": {"content": ""}, "finish_reason": "stop"}]});
    let expected = json!([{"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": "STOP", "index": 0}]);
    assert_eq!(said(Dialect::Openai, Dialect::Gemini, &empty)["candidates"], expected);
    let none = said(Dialect::Openai, Dialect::Gemini, &json!({"choices": []}));
    assert_eq!(none["candidates"][0]["finishReason"], "OTHER");
    assert_eq!(none["modelVersion"], "m\"x");
}

#[test]
fn failures() {
    for body in [json!({}), json!([]), json!(7), json!("x"), json!([{"candidates": []}])] {
        assert_eq!(read(&body).map(|_| ()), Err(Failure::Malformed), "{body}");
    }
    for body in [
        json!({"error": {"message": "m", "status": "INTERNAL"}}),
        json!({"message": "m"}),
        json!({"error": {"message": "m"}, "candidates": []}),
    ] {
        match read(&body).map(|_| ()) {
            Err(Failure::Error(fields)) => assert_eq!(fields.message.as_str(), "m"),
            other => panic!("{other:?}"),
        }
    }
}

/// Seals of other providers are known for what they are when they come back.
#[test]
fn seals_of_others() {
    use crate::dialect::{Delta, Listener, Signature};
    use crate::json::Str;
    let mut answer = crate::dialect::answer::Answer::default();
    let seal = |text: &'static str| Signature { origin: Dialect::Anthropic, text: Str::plain(text) };
    answer.hear(0, Delta::Thought(Str::plain("hm")));
    answer.hear(0, Delta::Sealed(seal("QQ==")));
    answer.hear(0, Delta::Redacted(seal("Qg==")));
    answer.hear(0, Delta::Thought(Str::plain("")));
    answer.hear(0, Delta::Sealed(seal("Qw==")));
    answer.hear(0, Delta::Text(Str::plain("t")));
    let mut out = Vec::new();
    write_answer(Dialect::Gemini, &answer, &manner(), &mut out);
    let written: Json = serde_json::from_slice(&out).unwrap();
    let parts = &written["candidates"][0]["content"]["parts"];
    let expected = json!([
        {"text": "hm", "thought": true, "thoughtSignature": "dGhyb3dvdmVyOmE6QQ=="},
        {"text": "", "thought": true, "thoughtSignature": "dGhyb3dvdmVyOmE6Qg=="},
        {"thought": true, "thoughtSignature": "dGhyb3dvdmVyOmE6Qw=="},
        {"text": "t"},
    ]);
    assert_eq!(parts, &expected);
    let history = serde_json::to_vec(&json!({"contents": [{"role": "model", "parts": parts}]})).unwrap();
    let mut tree = Tree::new();
    let prompt = read_prompt(Dialect::Gemini, tree.read(&history).unwrap(), false).unwrap();
    let thoughts: Vec<_> = prompt.turns[0]
        .parts
        .iter()
        .filter_map(|part| match part {
            crate::dialect::prompt::Part::Thought(thought) => {
                Some((thought.text.decode().into_owned(), thought.signature.unwrap(), thought.redacted))
            }
            _ => None,
        })
        .collect();
    let expected = [("hm".to_owned(), seal("QQ=="), false), (String::new(), seal("Qg=="), true), (String::new(), seal("Qw=="), false)];
    assert_eq!(thoughts, expected);
}
