//! Requests: thinking, and the form of the answer.

use super::{again, translate};
use crate::dialect::anthropic::request::unwraps;
use crate::dialect::{Dialect, Means, Needs, Quirks, Rope, Thinking, read_prompt, write_prompt};
use crate::json::Tree;
use serde_json::{Value, json};

fn with(member: &str, means: &Means<'_>) -> Value {
    let body = format!(r#"{{"messages":[{{"role":"user","content":"Q"}}],{member}}}"#);
    translate(Dialect::Openai, Dialect::Anthropic, &body, means).0
}

#[test]
fn thinking() {
    let of = |thinking, output_max| Means { thinking, output_max, ..Means::of("claude") };
    let adaptive = json!({"type": "adaptive"});
    let budget = |tokens: u64| json!({"type": "enabled", "budget_tokens": tokens});
    let off = json!({"type": "disabled"});
    let table = [
        (r#""reasoning_effort":"minimal""#, of(Thinking::Unknown, None), adaptive.clone(), json!("low"), 4096),
        (r#""reasoning_effort":"xhigh","temperature":1"#, of(Thinking::Effort, None), adaptive, json!("xhigh"), 4096),
        (r#""reasoning_effort":"none""#, of(Thinking::Effort, None), off, json!(null), 4096),
        (r#""reasoning_effort":"high""#, of(Thinking::None, None), json!(null), json!(null), 4096),
        (r#""reasoning_effort":"low""#, of(Thinking::Budget, Some(9000)), budget(1024), json!(null), 9000),
        // The limit is raised where there is room for it.
        (r#""reasoning_effort":"medium","max_tokens":1000"#, of(Thinking::Budget, Some(9000)), budget(2048), json!(null), 3048),
        (r#""reasoning_effort":"high","max_tokens":1000"#, of(Thinking::Budget, Some(4096)), json!(null), json!(null), 1000),
    ];
    for (member, means, thinking, effort, max_tokens) in table {
        let body = with(member, &means);
        assert_eq!(body["thinking"], thinking, "{member}");
        assert_eq!(body["output_config"]["effort"], effort, "{member}");
        assert_eq!(body["max_tokens"], max_tokens, "{member}");
        assert!(body.get("temperature").is_none(), "{member}");
    }
    let dropped = Means { dropped: Needs::REASONING, ..Means::of("claude") };
    let body = with(r#""reasoning_effort":"high","temperature":1"#, &dropped);
    assert!(body.get("thinking").is_none() && body.get("output_config").is_none() && body["temperature"] == 1);
}

#[test]
fn thinking_in_its_own_words() {
    let table = [
        r#""thinking":{"type":"enabled","budget_tokens":2000,"display":"omitted"}"#,
        r#""thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"max"}"#,
        r#""thinking":{"type":"adaptive"}"#,
        r#""thinking":{"type":"disabled"}"#,
        r#""thinking":{"type":"between_tools"}"#,
        r#""output_config":{"effort":"low"},"temperature":0.5"#,
        r#""output_config":{"format":{"type":"json_schema","schema":{"type":"object","properties":{"a":{"minimum":1}}}}}"#,
    ];
    for member in table {
        let source = format!(r#"{{"model":"claude","max_tokens":4000,"messages":[{{"role":"user","content":"Q"}}],{member}}}"#);
        assert_eq!(again(&source).0, serde_json::from_str::<Value>(&source).unwrap(), "{member}");
    }
}

/// A loop of tools whose thoughts are not Anthropic's goes on without thinking.
#[test]
fn thoughts_of_others() {
    let loop_of = |thought: &str| {
        format!(
            r#"{{"max_tokens":8000,"thinking":{{"type":"enabled","budget_tokens":2000}},"messages":[{{"role":"user","content":"Q"}},
            {{"role":"assistant","content":[{thought}{{"type":"tool_use","id":"t","name":"f","input":{{}}}}]}},
            {{"role":"user","content":[{{"type":"tool_result","tool_use_id":"t","content":"1"}}]}}],"tools":[{{"name":"f","input_schema":{{"type":"object"}}}}]}}"#
        )
    };
    let (body, _) = again(&loop_of(r#"{"type":"thinking","thinking":"hm","signature":"Eq"},"#));
    assert_eq!(body["thinking"]["type"], "enabled");
    assert_eq!(body["messages"][1]["content"][0], json!({"type": "thinking", "thinking": "hm", "signature": "Eq"}));
    // Unsealed, known to be unsealed, and sealed by Gemini.
    for thought in [
        "",
        r#"{"type":"thinking","thinking":"hm","signature":""},"#,
        r#"{"type":"thinking","thinking":"hm","signature":"dGhyb3dvdmVyOm86"},"#,
        r#"{"type":"redacted_thinking","data":"dGhyb3dvdmVyOmc6xx"},"#,
    ] {
        let (body, _) = again(&loop_of(thought));
        assert!(body.get("thinking").is_none(), "{thought}");
        assert_eq!(body["messages"][1]["content"], json!([{"type": "tool_use", "id": "t", "name": "f", "input": {}}]));
    }
    // The seal of a call comes back beside it, and is the call's again.
    let source = loop_of(r#"{"type":"redacted_thinking","data":"dGhyb3dvdmVyOmc6xx"},"#);
    let (body, _) = translate(Dialect::Anthropic, Dialect::Openai, &source, &Means::of("gpt"));
    assert_eq!(body["messages"][1]["tool_calls"][0]["id"], "t");
    let mut tree = Tree::new();
    let prompt = read_prompt(Dialect::Anthropic, tree.read(source.as_bytes()).unwrap(), false).unwrap();
    let [crate::dialect::prompt::Part::Call(call)] = &prompt.turns[1].parts[..] else { panic!("{:?}", prompt.turns[1]) };
    let seal = call.signature.unwrap();
    assert_eq!((seal.origin, seal.text.raw()), (Dialect::Gemini, &b"xx"[..]));
}

const SCHEMA: &str = r#""response_format":{"type":"json_schema","json_schema":{"name":"n","description":"D","strict":true,"schema":{"type":"object",
    "properties":{"age":{"type":"integer","minimum":0},"tags":{"type":"array","items":{"type":"string","pattern":"^a"},"minItems":2}},"required":["age"]}}}"#;

fn form(member: &str, means: &Means<'_>) -> (Value, Option<&'static str>) {
    let body = format!(r#"{{"messages":[{{"role":"system","content":"S"}},{{"role":"user","content":"Q"}}],{member}}}"#);
    let mut tree = Tree::new();
    let prompt = read_prompt(Dialect::Openai, tree.read(body.as_bytes()).unwrap(), false).unwrap();
    let mut rope = Rope::new(body.as_bytes(), Vec::new());
    write_prompt(Dialect::Anthropic, &prompt, means, &mut rope);
    (serde_json::from_slice(&rope.finish().join(body.as_bytes())).unwrap(), unwraps(&prompt, means))
}

#[test]
fn schemas() {
    let (body, unwrapped) = form(SCHEMA, &Means::of("claude"));
    assert_eq!(unwrapped, None);
    assert_eq!(
        body["output_config"]["format"],
        json!({"type": "json_schema", "schema": {"type": "object", "additionalProperties": false, "required": ["age"], "properties": {
            "age": {"type": "integer", "description": "{minimum: 0}"},
            "tags": {"type": "array", "items": {"type": "string", "description": "{pattern: ^a}"}, "description": "{minItems: 2}"}}}})
    );
    let older = Means { quirks: Quirks::SCHEMA_AS_TOOL, thinking: Thinking::Budget, ..Means::of("claude") };
    let (body, unwrapped) = form(&format!(r#"{SCHEMA},"reasoning_effort":"low""#), &older);
    assert_eq!(unwrapped, Some("json_answer"));
    assert_eq!(body["tools"][0]["name"], "json_answer");
    assert_eq!(body["tools"][0]["description"], "D");
    assert_eq!(body["tools"][0]["input_schema"]["properties"]["age"]["minimum"], 0);
    assert_eq!(body["tool_choice"], json!({"type": "tool", "name": "json_answer", "disable_parallel_tool_use": true}));
    assert!(body.get("output_config").is_none() && body.get("thinking").is_none());
    // With other tools it answers or calls one of them.
    let tools = r#""tools":[{"type":"function","function":{"name":"f"}}]"#;
    let (body, unwrapped) = form(&format!("{SCHEMA},{tools}"), &older);
    assert_eq!((unwrapped, &body["tool_choice"]), (Some("json_answer"), &json!({"type": "any"})));
    assert_eq!(body["tools"].as_array().unwrap().len(), 2);
    // The input of a tool is an object: another schema is told in words.
    let list = r#""response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"array","items":{"type":"string"}}}}"#;
    let (body, unwrapped) = form(list, &older);
    assert_eq!(unwrapped, None);
    assert!(body["system"][1]["text"].as_str().unwrap().ends_with(r#"{"type":"array","items":{"type":"string"}}"#));
}

#[test]
fn any_object() {
    let json_mode = r#""response_format":{"type":"json_object"}"#;
    let (body, unwrapped) = form(json_mode, &Means::of("claude"));
    assert_eq!(unwrapped, Some("json_answer"));
    assert_eq!(body["tools"][0]["input_schema"], json!({"type": "object", "properties": {}}));
    for more in [r#""tools":[{"type":"function","function":{"name":"f"}}]"#, r#""reasoning_effort":"high""#] {
        let (body, unwrapped) = form(&format!("{json_mode},{more}"), &Means::of("claude"));
        assert_eq!(unwrapped, None, "{more}");
        assert_eq!(body["system"][0]["text"], "S");
        assert!(body["system"][1]["text"].as_str().unwrap().contains("JSON object"));
        assert!(body.get("tool_choice").is_none());
    }
}

#[test]
fn closed_schemas() {
    let table = [
        (
            r#"{"type":"integer","minimum":1,"maximum":10,"description":"A"}"#,
            json!({"type": "integer", "description": "A\n\n{minimum: 1, maximum: 10}"}),
        ),
        (
            r##"{"$schema":"x","$ref":"#/$defs/A","$defs":{"A":{"type":"object"}},"description":"d"}"##,
            json!({"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "properties": {}, "additionalProperties": false}}}),
        ),
        (
            r#"{"oneOf":[{"type":"string","format":"uuid"},{"type":"string","format":"color"},{"type":["object","null"]}]}"#,
            json!({"anyOf": [{"type": "string", "format": "uuid"}, {"type": "string", "description": "{format: color}"},
                {"type": ["object", "null"], "properties": {}, "additionalProperties": false}]}),
        ),
        (r#"{"type":"string","enum":["a",null]}"#, json!({"enum": ["a", null]})),
        (r#"{"const":null,"default":"x\"y","title":"T"}"#, json!({"const": null, "title": "T", "description": "{default: x\"y}"})),
        (
            r#"{"properties":{"m":true},"additionalProperties":{"type":"string"}}"#,
            json!({"type": "object", "properties": {"m": {}}, "additionalProperties": false, "description": "{additionalProperties: {\"type\":\"string\"}}"}),
        ),
        (r#"{"items":{"type":"number"},"minItems":1}"#, json!({"type": "array", "items": {"type": "number"}, "minItems": 1})),
        ("[]", json!({})),
    ];
    for (schema, expected) in table {
        let mut out = Vec::new();
        crate::dialect::anthropic::schema::write(schema.as_bytes(), &mut out);
        assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), expected, "{schema}");
    }
}
