//! Requests and vectors, from one dialect to the other.

use super::*;
use crate::dialect::Failure;
use crate::json::Tree;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

mod answers;

const OPENAI: Dialect = Dialect::Openai;
const GEMINI: Dialect = Dialect::Gemini;

fn with<T>(from: Dialect, body: &Json, then: impl FnOnce(Result<Request<'_>, Unread>) -> T) -> T {
    let text = body.to_string();
    let mut tree = Tree::new();
    then(read(from, tree.read(text.as_bytes()).expect("the body is JSON")))
}

fn said(from: Dialect, body: &Json, dimensions: Option<u32>) -> Json {
    let to = if from == GEMINI { OPENAI } else { GEMINI };
    with(from, body, |request| {
        let mut rope = Rope::new(b"", Vec::new());
        write(to, &request.expect("the request is a good one"), "m", dimensions, &mut rope);
        serde_json::from_slice(&rope.finish().join(b"")).expect("what is written is JSON")
    })
}

#[test]
fn openai_asks_gemini() {
    let one = |text: &str| json!({"model": "models/m", "content": {"parts": [{"text": text}]}});
    assert_eq!(said(OPENAI, &json!({"model": "x", "input": "a \"b\" \n\u{e9}"}), None), json!({"requests": [one("a \"b\" \n\u{e9}")]}));
    let list = json!({"model": "x", "input": ["a", ""], "encoding_format": "base64", "user": "u"});
    let mut expected = json!({"requests": [one("a"), one("")]});
    assert_eq!(said(OPENAI, &list, None), expected);
    for request in expected["requests"].as_array_mut().unwrap() {
        request["outputDimensionality"] = 768.into();
    }
    assert_eq!(said(OPENAI, &list, Some(768)), expected);
}

#[test]
fn gemini_asks_openai() {
    let one = json!({"content": {"parts": [{"text": "a"}, {"text": "\u{1f600}b"}]}, "outputDimensionality": 5});
    assert_eq!(said(GEMINI, &one, Some(5)), json!({"model": "m", "input": "a\u{1f600}b", "encoding_format": "float", "dimensions": 5}));
    let snake = json!({"requests": [{"model": "models/x", "content": {"parts": {"text": "a"}}, "output_dimensionality": 5}]});
    assert_eq!(said(GEMINI, &snake, None), json!({"model": "m", "input": ["a"], "encoding_format": "float"}));
    with(GEMINI, &snake, |request| assert_eq!(request.unwrap().dimensions, Some(5)));
}

#[test]
fn what_cannot_be_said_is_a_need() {
    let many: Vec<&str> = vec!["a"; 101];
    let part = |part: Json| json!({"content": {"parts": [{"text": "a"}, part]}});
    let table = [
        (OPENAI, json!({"input": "a"}), Needs::NONE),
        (OPENAI, json!({"input": [1, 2, 3]}), Needs::TOKEN_IDS),
        (OPENAI, json!({"input": [[1, 2], [3]]}), Needs::TOKEN_IDS),
        (OPENAI, json!({"input": ["a"], "input_type": "query", "dimensions": null}), Needs::OWN),
        (OPENAI, json!({ "input": many }), Needs::COUNT),
        (GEMINI, json!({"content": {"parts": [{"text": "a"}]}, "taskType": "RETRIEVAL_QUERY"}), Needs::OWN),
        (GEMINI, json!({"requests": [{"content": {"parts": [{"text": "a"}]}, "title": "t"}]}), Needs::OWN),
        (GEMINI, part(json!({"inlineData": {"mimeType": "image/png", "data": ""}})), Needs::IMAGE),
        (GEMINI, part(json!({"inline_data": {"mime_type": "audio/wav", "data": ""}})), Needs::AUDIO),
        (GEMINI, part(json!({"inlineData": {"mimeType": "application/pdf", "data": ""}})), Needs::DOCUMENT),
        (GEMINI, part(json!({"fileData": {"fileUri": "https://x"}})), Needs::DOCUMENT_URL),
    ];
    for (dialect, body, expected) in table {
        with(dialect, &body, |request| assert_eq!(request.unwrap().needs, expected, "{body}"));
        assert_eq!(expected.without(LACKS), Needs::NONE, "each passes the other dialect's targets over");
    }
}

#[test]
fn what_nobody_understands_is_refused() {
    let table = [
        (OPENAI, json!({"model": "x"}), "input"),
        (OPENAI, json!({"input": []}), "input"),
        (OPENAI, json!({"input": [{}]}), "input"),
        (OPENAI, json!({"input": 5}), "input"),
        (OPENAI, json!({"input": "a", "dimensions": 0}), "dimensions"),
        (OPENAI, json!({"input": "a", "dimensions": -1}), "dimensions"),
        (OPENAI, json!({"input": "a", "dimensions": 1e300}), "dimensions"),
        (OPENAI, json!({"input": "a", "encoding_format": "hex"}), "encoding_format"),
        (GEMINI, json!({}), "content"),
        (GEMINI, json!({"content": "a"}), "content"),
        (GEMINI, json!({"requests": []}), "requests"),
        (GEMINI, json!({"requests": [{}]}), "content"),
        (GEMINI, json!({"requests": [{"content": {"parts": []}, "outputDimensionality": 1}, {"content": {"parts": []}}]}), "requests"),
    ];
    for (dialect, body, member) in table {
        with(dialect, &body, |request| assert_eq!(request.expect_err("it is refused").member, member, "{body}"));
    }
}

#[test]
fn in_its_own_dialect_only_what_must_changes() {
    let again = |dialect, body: &str, length| {
        let mut tree = Tree::new();
        let mut rope = Rope::new(body.as_bytes(), Vec::new());
        write_again(dialect, tree.read(body.as_bytes()).unwrap(), "m", length, &mut rope);
        String::from_utf8(rope.finish().join(body.as_bytes())).unwrap()
    };
    let table = [
        (OPENAI, r#"{"input": ["a" ],"model":"x","z":1e-8}"#, Length::Of(3), r#"{"input":["a" ],"model":"m","z":1e-8,"dimensions":3}"#),
        (OPENAI, r#"{"model":"x","dimensions":9}"#, Length::Untold, r#"{"model":"m"}"#),
        (OPENAI, r#"{"model":"x","dimensions":9}"#, Length::AsAsked, r#"{"model":"m","dimensions":9}"#),
        (
            GEMINI,
            r#"{"requests":[{"model":"models/x","content":{"parts":[]},"taskType":"T"},{"output_dimensionality":4}],"model":"models/x"}"#,
            Length::Of(3),
            r#"{"requests":[{"model":"models/m","content":{"parts":[]},"taskType":"T","outputDimensionality":3},{"outputDimensionality":3}],"model":"models/m"}"#,
        ),
        (GEMINI, r#"{"content":{},"model":"models/x"}"#, Length::AsAsked, r#"{"content":{},"model":"models/m"}"#),
        (GEMINI, r#"{"requests":[null,5]}"#, Length::Of(3), r#"{"requests":[null,5]}"#),
        (GEMINI, "[]", Length::Of(3), "[]"),
    ];
    for (dialect, body, length, expected) in table {
        assert_eq!(again(dialect, body, length), expected);
    }
}

proptest! {
    #[test]
    fn texts_arrive_as_they_were_written(texts in prop::collection::vec("\\PC{0,20}|[\"\\\\\n\u{1f600}]{1,6}", 1..6)) {
        let asked = said(OPENAI, &json!({"model": "x", "input": texts}), None);
        let back = said(GEMINI, &asked, None);
        prop_assert_eq!(back["input"].clone(), json!(texts));
    }

    #[test]
    fn nothing_makes_it_panic(body in "[\\[\\]{}:,\"a-z0-9 ]{0,60}|\\PC{0,40}") {
        let mut tree = Tree::new();
        if let Ok(root) = tree.read(body.as_bytes()) {
            for dialect in [OPENAI, GEMINI] {
                let mut rope = Rope::new(body.as_bytes(), Vec::new());
                write_again(dialect, root, "m", Length::Of(1), &mut rope);
                let written = rope.finish().join(body.as_bytes());
                prop_assert!(Tree::new().read(&written).is_ok());
                if let Ok(request) = read(dialect, root) {
                    prop_assert!(!request.texts.is_empty() || request.needs.has(Needs::TOKEN_IDS));
                }
            }
        }
    }
}
