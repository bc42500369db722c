//! Requests: who said what, tools, and what a request needs.

use super::{again, of_openai, to_openai, translate, unread};
use crate::dialect::{Dialect, Means, Needs};
use serde_json::json;

#[test]
fn smallest() {
    let body = of_openai(r#"{"model":"m","messages":[{"role":"user","content":"Hi \u00e9\n"}]}"#);
    assert_eq!(body, json!({"model": "claude", "max_tokens": 4096, "messages": [{"role": "user", "content": "Hi é\n"}]}));
}

#[test]
fn system_and_limits() {
    let source = r#"{"messages":[{"role":"system","content":"A"},{"role":"user","content":"Q"},{"role":"developer","content":[{"type":"text","text":"B"},{"type":"text","text":""}]}],
        "max_completion_tokens":9000,"temperature":1.7,"top_p":0.5,"stop":["END"," \n"],"stream":true,"user":"u1"}"#;
    let means =
        Means { output_max: Some(8000), prefix: Some("<"), suffix: Some(">"), set: Some("\"speed\":\"fast\""), ..Means::of("claude") };
    let (body, _) = translate(Dialect::Openai, Dialect::Anthropic, source, &means);
    let text = |text: &str| json!({"type": "text", "text": text});
    assert_eq!(
        body,
        json!({
            "model": "claude", "max_tokens": 8000, "stream": true, "temperature": 1, "stop_sequences": ["END"],
            "system": [text("<"), text("A"), text("B"), text(">")],
            "messages": [{"role": "user", "content": "Q"}],
            "metadata": {"user_id": "u1"}, "speed": "fast",
        })
    );
    let fixed = Means { sampling_fixed: true, ..Means::of("claude") };
    let (body, _) = translate(Dialect::Openai, Dialect::Anthropic, source, &fixed);
    assert!(body.get("temperature").is_none() && body.get("top_p").is_none());
    assert_eq!(body["max_tokens"], 9000);
    // What is only white space ends nothing.
    let body = of_openai(r#"{"messages":[{"role":"user","content":"Q"}],"stop":"\n\n","top_p":0.5}"#);
    assert!(body.get("stop_sequences").is_none());
    assert_eq!(body["top_p"], 0.5);
}

#[test]
fn pictures_and_documents() {
    let body = of_openai(
        r#"{"messages":[{"role":"user","content":[{"type":"text","text":"What?"},
        {"type":"image_url","image_url":{"url":"data:image/jpg;base64,QUJD","detail":"low"}},
        {"type":"image_url","image_url":{"url":"https://x/y.png"}},
        {"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBE"}},
        {"type":"file","file":{"filename":"a.txt","file_data":"data:text/plain;base64,ImEi\/wo="}}]}]}"#,
    );
    assert_eq!(
        body["messages"][0]["content"],
        json!([
            {"type": "text", "text": "What?"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "QUJD"}},
            {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}, "title": "a.pdf"},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "\"a\"\u{fffd}\n"}, "title": "a.txt"},
        ])
    );
}

const CALLS: &str = r#"{"messages":[{"role":"user","content":"Q"},
    {"role":"assistant","content":"","tool_calls":[
        {"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\": \"\\u00e9\"}"}},
        {"id":"has space","type":"function","function":{"name":"g","arguments":""}},
        {"id":"call_3","type":"function","function":{"name":"g","arguments":"oops"}}]},
    {"role":"tool","tool_call_id":"call_1","content":"one"},
    {"role":"user","content":"and?"},
    {"role":"tool","tool_call_id":"has space","content":[{"type":"text","text":"two"},{"type":"text","text":"three"}]},
    {"role":"tool","tool_call_id":"call_3","content":""}],
    "tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"a":{"type":"string","minLength":1}},"required":["a"],"additionalProperties":false},"strict":true}},
        {"type":"function","function":{"name":"g"}},{"type":"function","function":{"name":"h","parameters":{"properties":{}},"strict":true}}],
    "tool_choice":"required","parallel_tool_calls":false}"#;

#[test]
fn tools_and_calls() {
    let body = of_openai(CALLS);
    let id = body["messages"][1]["content"][1]["id"].clone();
    assert!(id.as_str().unwrap().starts_with("call_") && id != "has space");
    assert_eq!(
        body["messages"],
        json!([
            {"role": "user", "content": "Q"},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": "é"}},
                {"type": "tool_use", "id": id, "name": "g", "input": {}},
                {"type": "tool_use", "id": "call_3", "name": "g", "input": {"_raw": "oops"}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "call_1", "content": "one"},
                {"type": "tool_result", "tool_use_id": id, "content": [{"type": "text", "text": "two"}, {"type": "text", "text": "three"}]},
                {"type": "tool_result", "tool_use_id": "call_3"},
                {"type": "text", "text": "and?"},
            ]},
        ])
    );
    assert_eq!(
        body["tools"],
        json!([
            {"name": "f", "description": "d", "strict": true, "input_schema": {"type": "object", "required": ["a"], "additionalProperties": false,
                "properties": {"a": {"type": "string", "description": "{minLength: 1}"}}}},
            {"name": "g", "input_schema": {"type": "object", "properties": {}}},
            {"name": "h", "input_schema": {"type": "object", "properties": {}}},
        ])
    );
    assert_eq!(body["tool_choice"], json!({"type": "any", "disable_parallel_tool_use": true}));
}

#[test]
fn tool_choices() {
    let table = [
        (r#""tool_choice":"auto""#, json!({"type": "auto"})),
        (r#""tool_choice":"none","parallel_tool_calls":false"#, json!({"type": "none"})),
        (r#""tool_choice":{"type":"function","function":{"name":"f"}}"#, json!({"type": "tool", "name": "f"})),
        (r#""parallel_tool_calls":true"#, json!({"type": "auto", "disable_parallel_tool_use": false})),
        (r#""n":1"#, json!(null)),
    ];
    for (member, expected) in table {
        let source = format!(
            r#"{{"messages":[{{"role":"user","content":"Q"}}],"tools":[{{"type":"function","function":{{"name":"f"}}}}],{member}}}"#
        );
        assert_eq!(of_openai(&source)["tool_choice"], expected, "{member}");
    }
    let dropped = Means { dropped: Needs::TOOL_CHOICE, ..Means::of("claude") };
    let (body, needs) = translate(Dialect::Openai, Dialect::Anthropic, CALLS, &dropped);
    assert_eq!(body["tool_choice"]["type"], "auto");
    assert!(needs.has(Needs::TOOLS.and(Needs::TOOL_CHOICE)));
    // Calls in the history want a tool, though none is offered any more.
    let late = r#"{"messages":[{"role":"user","content":"Q"},{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}]},
        {"role":"tool","tool_call_id":"a","content":"1"}]}"#;
    let body = of_openai(late);
    assert_eq!(body["tools"], json!([{"name": "f", "input_schema": {"type": "object", "properties": {}}}]));
    assert_eq!(body["tool_choice"], json!({"type": "none"}));
}

#[test]
fn turns() {
    let table = [
        // It begins with the model.
        (
            r#"[{"role":"assistant","content":"A"},{"role":"user","content":"Q"}]"#,
            json!([["user", "."], ["assistant", "A"], ["user", "Q"]]),
        ),
        // It ends with the model.
        (
            r#"[{"role":"user","content":"Q"},{"role":"assistant","content":"A"}]"#,
            json!([["user", "Q"], ["assistant", "A"], ["user", "Continue."]]),
        ),
        // There is nothing but a system prompt.
        (r#"[{"role":"system","content":"S"}]"#, json!([["user", "."]])),
        // What is empty is no turn, and parts nothing.
        (
            r#"[{"role":"user","content":"Q"},{"role":"assistant","content":" \n"},{"role":"user","content":"R"}]"#,
            json!([["user", [{"type": "text", "text": "Q"}, {"type": "text", "text": "R"}]]]),
        ),
        (
            r#"[{"role":"user","content":"Q"},{"role":"assistant","refusal":"No","content":null},{"role":"user","content":"R"}]"#,
            json!(null),
        ),
    ];
    for (messages, expected) in table {
        let body = of_openai(&format!(r#"{{"messages":{messages}}}"#));
        let found: Vec<_> = body["messages"].as_array().unwrap().iter().map(|turn| json!([turn["role"], turn["content"]])).collect();
        if expected.is_null() {
            assert_eq!(found[1], json!(["assistant", [{"type": "text", "text": "No"}]]));
        } else {
            assert_eq!(json!(found), expected, "{messages}");
        }
    }
}

#[test]
fn marks_for_a_cache() {
    let part = |text: &str, mark: bool| {
        let mark = if mark { r#","cache_control":{"type":"ephemeral","ttl":"1h"}"# } else { "" };
        format!(r#"{{"type":"text","text":"{text}"{mark}}}"#)
    };
    let parts: Vec<String> = ["a", "b", "c", "d", "e"].map(|text| part(text, true)).into();
    let source = format!(
        r#"{{"max_tokens":9,"system":[{}],"messages":[{{"role":"user","content":[{}]}}],"tools":[{{"name":"f","input_schema":{{"type":"object"}},"cache_control":{{"type":"ephemeral"}}}}]}}"#,
        part("S", true),
        parts.join(",")
    );
    let (body, _) = again(&source);
    assert_eq!(body["tools"][0]["cache_control"], json!({"type": "ephemeral"}));
    // Long ones may not follow a short one.
    assert_eq!(body["system"][0]["cache_control"], json!({"type": "ephemeral"}));
    let marked: Vec<bool> = (0..5).map(|at| body["messages"][0]["content"][at].get("cache_control").is_some()).collect();
    assert_eq!(marked, [false, false, false, true, true]);
    let long = r#"{"max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"1h"}}]}]}"#;
    assert_eq!(again(long).0["messages"][0]["content"][0]["cache_control"], json!({"type": "ephemeral", "ttl": "1h"}));
}

const OWN: &str = r#"{"model":"claude","max_tokens":100,"system":[{"type":"text","text":"S"},{"type":"text","text":"T","cache_control":{"type":"ephemeral"}}],
    "messages":[{"role":"user","content":[{"type":"text","text":"Q"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"QQ=="}},
        {"type":"document","source":{"type":"url","url":"https://x/a.pdf"},"title":"t"}]},
      {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"Eq=="},{"type":"redacted_thinking","data":"zz"},
        {"type":"text","text":"A"},{"type":"tool_use","id":"toolu_1","name":"f","input":{"a":[1]}}]},
      {"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","is_error":true,"content":[{"type":"text","text":"no"},
        {"type":"image","source":{"type":"url","url":"https://x/i.png"}}]},{"type":"text","text":"R"}]}],
    "tools":[{"name":"f","description":"d","input_schema":{"type":"object","properties":{"a":{"type":"array"}}}}],
    "tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true},
    "stop_sequences":["X"],"temperature":0.5,"top_p":0.9,"top_k":5,"metadata":{"user_id":"u"},"service_tier":"auto","stream":true}"#;

#[test]
fn own_stays_as_it_is() {
    let (body, needs) = again(OWN);
    assert_eq!(body, serde_json::from_str::<serde_json::Value>(OWN).unwrap());
    let all = Needs::IMAGE.and(Needs::IMAGE_URL).and(Needs::DOCUMENT_URL).and(Needs::TOOLS).and(Needs::TOOL_CHOICE);
    assert!(needs.has(all.and(Needs::STOP).and(Needs::TOP_K).and(Needs::STREAM)), "{needs}");
    assert!(needs.common(Needs::OWN.and(Needs::PREFILL).and(Needs::STATE).and(Needs::PROVIDER_TOOLS)).is_empty(), "{needs}");
}

#[test]
fn own_to_openai() {
    let (body, _) = to_openai(OWN);
    assert_eq!(
        body["messages"],
        json!([
            {"role": "system", "content": [{"type": "text", "text": "S"}, {"type": "text", "text": "T"}]},
            {"role": "user", "content": [{"type": "text", "text": "Q"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}},
                {"type": "file", "file": {"filename": "t", "file_data": "https://x/a.pdf"}}]},
            {"role": "assistant", "content": "A", "tool_calls": [{"id": "toolu_1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":[1]}"}}]},
            {"role": "tool", "tool_call_id": "toolu_1", "content": "Error: no"},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/i.png"}}, {"type": "text", "text": "R"}]},
        ])
    );
    assert_eq!(body["tool_choice"], json!({"type": "function", "function": {"name": "f"}}));
    assert_eq!((&body["parallel_tool_calls"], &body["stop"], &body["user"]), (&json!(false), &json!("X"), &json!("u")));
    assert_eq!(body["max_completion_tokens"], 100);
    assert!(body.get("service_tier").is_none());
}

#[test]
fn needs() {
    let table = [
        (r#""max_tokens":0"#, Needs::OWN),
        (r#""container":"c""#, Needs::STATE),
        (r#""mcp_servers":[]"#, Needs::PROVIDER_TOOLS),
        (r#""inference_geo":"eu""#, Needs::OWN),
        (r#""thinking":{"type":"between_tools"}"#, Needs::OWN),
        (r#""thinking":{"type":"adaptive"}"#, Needs::REASONING),
        (r#""output_config":{"effort":"low"}"#, Needs::REASONING),
        (r#""tools":[{"type":"web_search_20250305","name":"web_search"}]"#, Needs::PROVIDER_TOOLS),
        (r#""tools":[{"type":"custom","name":"f","input_schema":{},"defer_loading":true}]"#, Needs::PROVIDER_TOOLS),
        (r#""tools":[{"name":"f","input_schema":{},"allowed_callers":["code_execution_20250825"]}]"#, Needs::PROVIDER_TOOLS),
        (r#""cache_control":{"type":"ephemeral"},"speed":"fast","service_tier":"auto","metadata":{}"#, Needs::NONE),
        (r#""stop_sequences":["a","b","c","d","e"]"#, Needs::STOP_MANY),
    ];
    for (member, expected) in table {
        let (_, needs) = to_openai(&format!(r#"{{"messages":[{{"role":"user","content":"Q"}}],{member}}}"#));
        let others = Needs::TOOLS.and(Needs::STOP);
        assert_eq!(needs.without(others), expected, "{member}: {needs}");
    }
    let blocks = [
        (r#"{"type":"image","source":{"type":"file","file_id":"f"}}"#, Needs::STATE),
        (r#"{"type":"container_upload","file_id":"f"}"#, Needs::STATE),
        (r#"{"type":"server_tool_use","id":"s","name":"web_search","input":{}}"#, Needs::PROVIDER_TOOLS),
        (r#"{"type":"web_search_tool_result","tool_use_id":"s","content":[]}"#, Needs::PROVIDER_TOOLS),
        (r#"{"type":"search_result","source":"s","title":"t","content":[]}"#, Needs::OWN),
        (r#"{"type":"new"}"#, Needs::OWN),
        (
            r#"{"type":"document","source":{"type":"text","media_type":"text/plain","data":"d"},"citations":{"enabled":true}}"#,
            Needs::CITATIONS,
        ),
        (r#"{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"d"}}"#, Needs::DOCUMENT),
        (
            r#"{"type":"tool_result","tool_use_id":"t","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"d"}}]}"#,
            Needs::IMAGE,
        ),
    ];
    for (block, expected) in blocks {
        let (_, needs) = to_openai(&format!(r#"{{"messages":[{{"role":"user","content":[{block}]}}]}}"#));
        assert_eq!(needs, expected, "{block}: {needs}");
    }
    let prefill = r#"{"max_tokens":9,"messages":[{"role":"user","content":"Q"},{"role":"assistant","content":"{"}]}"#;
    let (body, needs) = again(prefill);
    assert_eq!(needs, Needs::PREFILL);
    assert_eq!(body["messages"].as_array().unwrap().len(), 2, "the answer begins with what its own client says");
}

#[test]
fn parts_of_documents() {
    let (body, _) = again(
        r#"{"max_tokens":9,"messages":[{"role":"user","content":[{"type":"document","context":"C","title":"T","citations":{"enabled":true},
            "source":{"type":"content","content":[{"type":"text","text":"D"},{"type":"image","source":{"type":"url","url":"https:\/\/u"}}]}}]},
            {"role":"system","content":"late"}]}"#,
    );
    assert_eq!(
        body["messages"][0]["content"],
        json!([
            {"type": "text", "text": "C"},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "D"}, "title": "T", "citations": {"enabled": true}},
            {"type": "image", "source": {"type": "url", "url": "https://u"}},
        ])
    );
    assert_eq!(body["system"], "late");
}

#[test]
fn what_is_no_request() {
    let table = [
        ("{}", "must be a list of messages"),
        (r#"{"messages":"Q"}"#, "must be a list of messages"),
        (r#"{"messages":[{"content":"Q"}]}"#, "must each have a role"),
        (r#"{"messages":[{"role":"user"}]}"#, "must each have content: a string or a list of blocks"),
        (r#"{"messages":[{"role":"tool","content":"Q"}]}"#, "have roles user, assistant or system"),
    ];
    for (body, complaint) in table {
        assert_eq!(unread(body).complaint, complaint, "{body}");
    }
}
