//! Counts, in the words of both dialects that have them.

use super::*;
use serde_json::{Value as Json, json};

fn said(from: Dialect, to: Dialect, body: &Json) -> Json {
    let text = body.to_string();
    let mut tree = Tree::new();
    let prompt = read(from, tree.read(text.as_bytes()).unwrap()).unwrap();
    serde_json::from_slice(&write(to, &prompt, &Means::of("m-1")).unwrap().join(b"")).unwrap()
}

#[test]
fn anthropic_asks_gemini() {
    let body = json!({"model": "x", "system": "Be brief.", "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"name": "f", "input_schema": {"type": "object"}}], "thinking": {"type": "enabled", "budget_tokens": 2000}});
    let asked = said(Dialect::Anthropic, Dialect::Gemini, &body);
    let whole = &asked["generateContentRequest"];
    assert_eq!(asked.as_object().unwrap().len(), 1, "{asked}");
    assert_eq!(whole["model"], "models/m-1");
    assert_eq!(whole["contents"], json!([{"role": "user", "parts": [{"text": "hi"}]}]));
    assert_eq!(whole["systemInstruction"]["parts"][0]["text"], "Be brief.");
    assert_eq!(whole["tools"][0]["functionDeclarations"][0]["name"], "f");
}

#[test]
fn gemini_asks_anthropic() {
    let contents = json!([{"role": "user", "parts": [{"text": "hi"}]}]);
    let expected = json!({"model": "m-1", "messages": [{"role": "user", "content": "hi"}]});
    assert_eq!(said(Dialect::Gemini, Dialect::Anthropic, &json!({ "contents": contents })), expected);
    let whole = json!({"generateContentRequest": {"model": "models/x", "contents": contents,
        "systemInstruction": {"parts": [{"text": "Be brief."}]}, "generationConfig": {"temperature": 1, "maxOutputTokens": 5, "seed": 3}}});
    let asked = said(Dialect::Gemini, Dialect::Anthropic, &whole);
    assert_eq!(asked["system"], "Be brief.");
    let mut names: Vec<&String> = asked.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["messages", "model", "system"], "Anthropic refuses what has no part in a count");
}

#[test]
fn only_the_prompt_counts() {
    let body = json!({"generateContentRequest": {"contents": [{"role": "user", "parts": [
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}],
        "generationConfig": {"seed": 3, "responseLogprobs": true, "candidateCount": 3, "stopSequences": ["x"]}}});
    let text = body.to_string();
    let mut tree = Tree::new();
    let prompt = read(Dialect::Gemini, tree.read(text.as_bytes()).unwrap()).unwrap();
    assert_eq!(prompt.needs, Needs::IMAGE);
    let mut tree = Tree::new();
    assert_eq!(read(Dialect::Gemini, tree.read(b"{}").unwrap()).unwrap_err().member, "contents");
}

#[test]
fn numbers() {
    let table = [
        (Dialect::Anthropic, r#"{"input_tokens":14}"#, Some(14)),
        (Dialect::Gemini, r#"{"totalTokens":31,"promptTokensDetails":[{"modality":"TEXT","tokenCount":31}]}"#, Some(31)),
        (Dialect::Gemini, r#"{"input_tokens":14}"#, None),
        (Dialect::Anthropic, r#"{"input_tokens":"14"}"#, None),
        (Dialect::Anthropic, r#"{"input_tokens":-1}"#, None),
        (Dialect::Anthropic, "[14]", None),
        (Dialect::Anthropic, "", None),
    ];
    for (dialect, text, expected) in table {
        assert_eq!(read_answer(dialect, text.as_bytes()).ok(), expected, "{text}");
    }
    let failed = read_answer(Dialect::Gemini, br#"{"error":{"code":503,"message":"later","status":"UNAVAILABLE"}}"#);
    assert!(matches!(failed, Err(Failure::Error(fields)) if fields.message.as_str() == "later"));
    for dialect in [Dialect::Anthropic, Dialect::Gemini] {
        let mut out = Vec::new();
        write_answer(dialect, 77, &mut out);
        assert_eq!(read_answer(dialect, &out).ok(), Some(77));
    }
}
