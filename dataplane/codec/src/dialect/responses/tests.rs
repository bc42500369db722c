//! Golden vectors of the Responses API, to and from Chat Completions.

mod streams;

use serde_json::{Value as Json, json};

use crate::dialect::{Dialect, Failure, Manner, Means, Needs, Rope, Terms, Unread, read_answer, read_prompt, write_answer, write_prompt};
use crate::json::Tree;

fn manner() -> Manner {
    Manner { seed: 0xabc, created: 7, model: "m".into(), include_usage: true, input_estimate: 0, terms: Terms::default() }
}

/// A request in another dialect, and what it needs.
fn translated(from: Dialect, to: Dialect, body: &Json) -> (Json, Needs) {
    let text = serde_json::to_vec(body).unwrap();
    let mut tree = Tree::new();
    let prompt = read_prompt(from, tree.read(&text).unwrap(), false).unwrap();
    let mut rope = Rope::new(&text, Vec::new());
    write_prompt(to, &prompt, &Means::of("m"), &mut rope);
    let written = rope.finish().join(&text);
    (serde_json::from_slice(&written).unwrap_or_else(|error| panic!("{error}: {}", written.escape_ascii())), prompt.needs)
}

fn check(from: Dialect, body: &Json, to: Dialect, expected: &Json) {
    assert_eq!(&translated(from, to, body).0, expected, "{body}");
}

#[test]
fn a_request_of_chat_is_said_in_items() {
    let chat = json!({
        "model": "a", "max_completion_tokens": 5, "temperature": 0.5, "user": "u", "reasoning_effort": "low", "parallel_tool_calls": false,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "What?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD", "detail": "low"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QQ=="}}]},
            {"role": "assistant", "content": "Let me see.", "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}},
                {"id": "call 2", "type": "function", "function": {"name": "g", "arguments": ""}}]},
            {"role": "tool", "tool_call_id": "call_1", "content": "one"},
            {"role": "tool", "tool_call_id": "call 2", "content": "two"},
            {"role": "user", "content": "And?"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "description": "d", "strict": true,
            "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": false}}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}, "strict": true}},
    });
    let written = translated(Dialect::Openai, Dialect::Responses, &chat).0;
    let replaced = written["input"][4]["call_id"].as_str().unwrap().to_owned();
    assert!(replaced.starts_with("call_") && replaced.len() == 21, "{replaced}");
    let expected = json!({
        "model": "m", "max_output_tokens": 16, "temperature": 0.5, "safety_identifier": "u", "store": false,
        "include": ["reasoning.encrypted_content"], "reasoning": {"effort": "low"}, "parallel_tool_calls": false,
        "input": [
            {"role": "developer", "content": [{"type": "input_text", "text": "Be brief."}]},
            {"role": "user", "content": [{"type": "input_text", "text": "What?"},
                {"type": "input_image", "image_url": "data:image/png;base64,QUJD", "detail": "low"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,QQ=="}]},
            {"role": "assistant", "content": [{"type": "output_text", "text": "Let me see."}]},
            {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{\"a\":1}"},
            {"type": "function_call", "call_id": replaced, "name": "g", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_1", "output": "one"},
            {"type": "function_call_output", "call_id": replaced, "output": "two"},
            {"role": "user", "content": [{"type": "input_text", "text": "And?"}]},
        ],
        "tools": [{"type": "function", "name": "f", "description": "d", "strict": true,
            "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": false}}],
        "tool_choice": {"type": "function", "name": "f"},
        // Not to the letter: the schema leaves something open.
        "text": {"format": {"type": "json_schema", "name": "s", "strict": false, "schema": {"type": "object"}}},
    });
    assert_eq!(written, expected);
}

#[test]
fn a_request_in_items_is_said_to_chat() {
    let table = [
        (json!({"model": "a", "input": "Hi"}), json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]})),
        (
            json!({"model": "a", "instructions": "Be brief.", "max_output_tokens": 9, "text": {"format": {"type": "json_object"}},
                "input": [{"role": "developer", "content": "And kind."},
                    {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
                    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "x"},
                    {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                    {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "1"}]}]}),
            json!({"model": "m", "max_completion_tokens": 9, "response_format": {"type": "json_object"}, "messages": [
                {"role": "system", "content": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "And kind."}]},
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": null, "tool_calls": [
                    {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": "c", "content": "1"}]}),
        ),
    ];
    for (items, chat) in &table {
        check(Dialect::Responses, items, Dialect::Openai, chat);
    }
}

#[test]
fn what_only_this_dialect_has_is_a_need() {
    let table = [
        (json!({"previous_response_id": "resp_1", "input": "x"}), Needs::STATE),
        (json!({"input": [{"type": "item_reference", "id": "x"}]}), Needs::STATE),
        (json!({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}), Needs::STATE),
        (json!({"input": "x", "tools": [{"type": "web_search"}]}), Needs::PROVIDER_TOOLS),
        (json!({"input": [{"type": "web_search_call", "id": "x"}]}), Needs::PROVIDER_TOOLS),
        (json!({"input": "x", "background": true}), Needs::OWN),
        (json!({"input": "x", "foo": 1}), Needs::OWN),
        (json!({"input": "x", "metadata": {}, "store": true, "foo": null}), Needs::NONE),
        (json!({"input": "x", "include": ["message.output_text.logprobs"], "top_logprobs": 2}), Needs::LOGPROBS),
        (json!({"input": "x", "reasoning": {"effort": "high"}, "stream": true}), Needs::REASONING.and(Needs::STREAM)),
    ];
    for (body, needs) in table {
        assert_eq!(translated(Dialect::Responses, Dialect::Openai, &body).1, needs, "{body}");
    }
    let text = b"{\"input\":1}";
    let mut tree = Tree::new();
    // A number is a list without items: OpenAI's to refuse.
    assert!(read_prompt(Dialect::Responses, tree.read(text).unwrap(), false).is_ok());
    let unread = read_prompt(Dialect::Responses, tree.read(b"{}").unwrap(), false).unwrap_err();
    assert_eq!(unread, Unread::new("input", "must be a text or a list of items"));
}

#[test]
fn whole_answers_go_both_ways() {
    let response = json!({"id": "resp_1", "object": "response", "status": "completed", "model": "gpt", "error": null,
        "incomplete_details": null, "output": [
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "seal"},
            {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [
                {"type": "output_text", "text": "4 \u{b0}C \"now\"", "annotations": [{"type": "url_citation", "url": "https://x", "title": "t"}]}]},
            {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{\"a\":1}", "status": "completed"}],
        "usage": {"input_tokens": 9, "input_tokens_details": {"cached_tokens": 2}, "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 14}});
    let text = response.to_string();
    let answer = read_answer(Dialect::Responses, text.as_bytes(), &mut Tree::new(), &Terms::default()).unwrap();
    let mut out = Vec::new();
    write_answer(Dialect::Openai, &answer, &manner(), &mut out);
    let chat: Json = serde_json::from_slice(&out).unwrap();
    let message = &chat["choices"][0]["message"];
    assert_eq!(message["content"], "4 \u{b0}C \"now\"");
    assert_eq!(message["reasoning_content"], "hm");
    assert_eq!(message["annotations"][0]["url_citation"]["url"], "https://x");
    assert_eq!(message["tool_calls"], json!([{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}]));
    assert_eq!(chat["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(
        chat["usage"],
        json!({"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14,
            "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 3}})
    );

    let answer = read_answer(Dialect::Openai, &out, &mut Tree::new(), &Terms::default()).unwrap();
    let mut back = Vec::new();
    write_answer(Dialect::Responses, &answer, &manner(), &mut back);
    let back: Json = serde_json::from_slice(&back).unwrap();
    assert_eq!((&back["status"], &back["usage"]["output_tokens_details"]["reasoning_tokens"]), (&json!("completed"), &json!(3)));
    let kinds: Vec<&str> = back["output"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["reasoning", "message", "function_call"]);
    assert_eq!(back["output"][1]["content"][0]["text"], "4 \u{b0}C \"now\"");
    assert_eq!(back["output"][2]["arguments"], "{\"a\":1}");
}

#[test]
fn an_answer_that_is_none_is_a_failure() {
    let read = |body: Json| read_answer(Dialect::Responses, body.to_string().as_bytes(), &mut Tree::new(), &Terms::default()).map(|_| ());
    let failed = read(json!({"status": "failed", "error": {"code": "server_error", "message": "m"}, "output": []}));
    match failed {
        Err(Failure::Error(fields)) => assert_eq!((fields.code.as_str(), fields.message.as_str()), ("server_error", "m")),
        other => panic!("{other:?}"),
    }
    assert!(matches!(read(json!({"status": "cancelled", "output": []})), Err(Failure::Error(_))));
    assert_eq!(read(json!({"status": "in_progress", "output": []})), Err(Failure::Malformed));
    assert_eq!(read(json!({"choices": []})), Err(Failure::Malformed));
    let cut = json!({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "output": []});
    let answer = read_answer(Dialect::Responses, cut.to_string().as_bytes(), &mut Tree::new(), &Terms::default()).unwrap();
    assert_eq!(answer.choices[0].finish, Some(crate::json::Finish::Length));
}
