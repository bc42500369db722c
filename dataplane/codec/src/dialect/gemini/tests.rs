//! Golden vectors and properties. What the SDK sends and expects was read from google-genai 3.4.0.

mod answers;
mod logprobs;
mod properties;
mod requests;
mod streams;

use serde_json::{Value as Json, json};

use super::*;
use crate::dialect::{Dialect, Manner, Means, Needs, Rope, Terms, read_prompt, write_prompt};

/// A request in another dialect, and what it needs.
fn translated(from: Dialect, to: Dialect, body: &Json, means: &Means<'_>) -> (Json, Needs) {
    let text = serde_json::to_vec(body).unwrap();
    let mut tree = Tree::new();
    let prompt = read_prompt(from, tree.read(&text).unwrap(), false).unwrap();
    let mut rope = Rope::new(&text, Vec::new());
    write_prompt(to, &prompt, means, &mut rope);
    let written = rope.finish().join(&text);
    let read = serde_json::from_slice(&written).unwrap_or_else(|error| panic!("{error}: {}", written.escape_ascii()));
    (read, prompt.needs)
}

fn manner() -> Manner {
    Manner { seed: 0xabc, created: 7, model: "m\"x".into(), include_usage: true, input_estimate: 0, terms: Terms::default() }
}

#[test]
fn paths() {
    let table = [
        ("gemini-3.8-flash", Verb::Generate, "/models/gemini-3.8-flash:generateContent"),
        ("gemini-3.8-flash", Verb::Stream, "/models/gemini-3.8-flash:streamGenerateContent?alt=sse"),
        ("models/x", Verb::Count, "/models/x:countTokens"),
        ("tunedModels/x", Verb::Embed, "/tunedModels/x:embedContent"),
        ("a b/c%?#\u{e9}", Verb::BatchEmbed, "/models/a%20b/c%25%3F%23%C3%A9:batchEmbedContents"),
        ("gemma:4b", Verb::Generate, "/models/gemma:4b:generateContent"),
    ];
    for (model, verb, expected) in table {
        let written = path(model, verb);
        assert_eq!(written, expected);
        let plain = written[1..].split('?').next().unwrap();
        let mut decoded = vec![0; plain.len()];
        let size = crate::head::percent_decode(plain.as_bytes(), &mut decoded).unwrap();
        let read = read_path(std::str::from_utf8(&decoded[..size]).unwrap());
        assert_eq!(read, Some((model.strip_prefix("models/").unwrap_or(model), verb)));
    }
    for rest in
        ["", "models/x", "models/:generateContent", "x:generateContent", "models/x:predict", "models/x:", "models", ":generateContent"]
    {
        assert_eq!(read_path(rest), None, "{rest}");
    }
}

#[test]
fn errors() {
    let table = [
        (400, "INVALID_ARGUMENT"),
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (413, "INVALID_ARGUMENT"),
        (429, "RESOURCE_EXHAUSTED"),
        (500, "INTERNAL"),
        (502, "UNAVAILABLE"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
        (529, "UNAVAILABLE"),
        (599, "INTERNAL"),
    ];
    for (status, word) in table {
        let mut body = Vec::new();
        error_body(&mut body, status, "it's \"bad\"\n", "no_target", "r1");
        let expected = json!({"error": {"code": status, "message": "it's \"bad\"\n", "status": word, "details": [
            {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "no_target", "domain": "throwover"},
            {"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": "r1"},
        ]}});
        assert_eq!(serde_json::from_slice::<Json>(&body).unwrap(), expected);
    }
    let mut event = Vec::new();
    error_event(&mut event, 503, "m", "c", "");
    assert!(event.starts_with(b"data: {\"error\":{\"code\":503,") && event.ends_with(b"}\r\n\r\n"));
    let classified = Dialect::Gemini.classify(None, &event[6..]);
    match classified.kind {
        crate::dialect::Kind::Error(fields) => {
            assert_eq!((fields.message.as_str(), fields.kind.as_str(), fields.code.as_str()), ("m", "UNAVAILABLE", "c"));
        }
        other => panic!("{other:?}"),
    }
}

/// The Python SDK writes all bytes in the alphabet for URLs, also those that it got in the common one.
#[test]
fn alphabets_of_base64() {
    let responses = "dGhyb3dvdmVyOnI6gAAA-_";
    let body = json!({"contents": [{"role": "model", "parts": [
        {"functionCall": {"name": "a-b_c"}, "thoughtSignature": "dGhyb3dvdmVyOmE6A-_="},
        {"text": "a-b", "thoughtSignature": responses},
        {"functionCall": {"name": "f"}, "thoughtSignature": contents::NO_SEAL},
    ]}, {"parts": [
        {"inline_data": {"mime_type": "image/x-icon", "data": "__-A"}},
        {"functionResponse": {"name": "f", "parts": [{"inlineData": {"mimeType": "image/png", "data": "-_"}}]}},
    ]}]});
    let mut text = serde_json::to_vec(&body).unwrap();
    use_common_base64(&mut text, &mut Tree::new());
    let expected = json!({"contents": [{"role": "model", "parts": [
        {"functionCall": {"name": "a-b_c"}, "thoughtSignature": "dGhyb3dvdmVyOmE6A+/="},
        {"text": "a-b", "thoughtSignature": responses},
        {"functionCall": {"name": "f"}, "thoughtSignature": contents::NO_SEAL},
    ]}, {"parts": [
        {"inline_data": {"mime_type": "image/x-icon", "data": "//+A"}},
        {"functionResponse": {"name": "f", "parts": [{"inlineData": {"mimeType": "image/png", "data": "+/"}}]}},
    ]}]});
    assert_eq!(serde_json::from_slice::<Json>(&text).unwrap(), expected);
    let mut broken = b"{\"contents\":[{\"parts\":[{\"inlineData\":{\"data\":\"-_".to_vec();
    let before = broken.clone();
    use_common_base64(&mut broken, &mut Tree::new());
    assert_eq!(broken, before);
}
