//! Requests: to Gemini, from it, and back to itself.

use super::*;
use crate::dialect::Thinking;
use crate::dialect::{Unread, lacks};

fn to_gemini(body: Json) -> Json {
    translated(Dialect::Openai, Dialect::Gemini, &body, &Means::of("m")).0
}

fn from_gemini(body: Json) -> (Json, Needs) {
    translated(Dialect::Gemini, Dialect::Openai, &body, &Means::of("m"))
}

#[test]
fn text_and_system() {
    let body = json!({"model": "x", "messages": [
        {"role": "system", "content": "Be \"brief\"."},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": ""}]},
        {"role": "user", "content": "b\n\u{e9}"},
        {"role": "developer", "content": "And kind."},
        {"role": "assistant", "content": "c"},
        {"role": "user", "content": "d"},
    ]});
    let expected = json!({
        "systemInstruction": {"parts": [{"text": "Be \"brief\"."}, {"text": "And kind."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "a"}, {"text": "b\n\u{e9}"}]},
            {"role": "model", "parts": [{"text": "c"}]},
            {"role": "user", "parts": [{"text": "d"}]},
        ],
    });
    assert_eq!(to_gemini(body.clone()), expected);
    let means = Means { prefix: Some("Before."), suffix: Some("Af\"ter."), set: Some("\"labels\":{\"a\":\"b\"}"), ..Means::of("m") };
    let (written, _) = translated(Dialect::Openai, Dialect::Gemini, &body, &means);
    let parts = json!([{"text": "Before."}, {"text": "Be \"brief\"."}, {"text": "And kind."}, {"text": "Af\"ter."}]);
    assert_eq!(written["systemInstruction"]["parts"], parts);
    assert_eq!(written["labels"], json!({"a": "b"}));
}

#[test]
fn turns_begin_and_end_with_the_user() {
    let said = |role: &str, text: &str| json!({"role": role, "parts": [{"text": text}]});
    let contents = |messages: Json| to_gemini(json!({"messages": messages}))["contents"].clone();
    assert_eq!(contents(json!([])), json!([said("user", ".")]));
    assert_eq!(contents(json!([{"role": "user", "content": ""}])), json!([said("user", ".")]));
    let begun = contents(json!([{"role": "assistant", "content": "hi"}]));
    assert_eq!(begun, json!([said("user", "."), said("model", "hi"), said("user", "Continue.")]));
    // Its own client means what it says.
    let body = json!({"contents": [said("user", "a"), said("model", "b")]});
    let (written, needs) = translated(Dialect::Gemini, Dialect::Gemini, &body, &Means::of("m"));
    assert_eq!(written, body);
    assert!(needs.has(Needs::PREFILL));
}

#[test]
fn media() {
    let body = json!({"messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO/+=="}},
        {"type": "image_url", "image_url": {"url": "https://x.test/a.WEBP?b=c.png", "detail": "high"}},
        {"type": "image_url", "image_url": {"url": "https://x.test/a"}},
        {"type": "input_audio", "input_audio": {"data": "UklG", "format": "mp3"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}},
    ]}]});
    let expected = json!([
        {"inlineData": {"mimeType": "image/png", "data": "iVBO/+=="}},
        {"fileData": {"mimeType": "image/webp", "fileUri": "https://x.test/a.WEBP?b=c.png"}},
        {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://x.test/a"}},
        {"inlineData": {"mimeType": "audio/mp3", "data": "UklG"}},
        {"inlineData": {"mimeType": "application/pdf", "data": "JVBE"}},
    ]);
    assert_eq!(to_gemini(body)["contents"][0]["parts"], expected);
    let (written, needs) = from_gemini(json!({"contents": [{"parts": expected}]}));
    let content = &written["messages"][0]["content"];
    assert_eq!(content[0]["image_url"]["url"], "data:image/png;base64,iVBO/+==");
    assert_eq!(content[1]["image_url"]["url"], "https://x.test/a.WEBP?b=c.png");
    assert_eq!(content[3]["input_audio"], json!({"data": "UklG", "format": "mp3"}));
    assert_eq!(content[4]["file"]["file_data"], "data:application/pdf;base64,JVBE");
    assert_eq!(needs, Needs::IMAGE.and(Needs::IMAGE_URL).and(Needs::AUDIO).and(Needs::DOCUMENT));
}

#[test]
fn media_of_its_own() {
    let needs = |part: Json| from_gemini(json!({"contents": [{"parts": [part]}]})).1;
    let file = |uri: &str, media: &str| json!({"file_data": {"file_uri": uri, "mime_type": media}});
    assert_eq!(needs(file("gs://b/a.png", "image/png")), Needs::STATE);
    assert_eq!(needs(file("https://generativelanguage.googleapis.com/v1beta/files/x", "image/png")), Needs::STATE);
    assert_eq!(needs(file("https://x.test/a.pdf", "")), Needs::DOCUMENT.and(Needs::DOCUMENT_URL));
    assert_eq!(needs(file("https://www.youtube.com/watch?v=x", "")), Needs::OWN);
    assert_eq!(needs(file("https://x.test/a", "video/mp4")), Needs::OWN);
    assert_eq!(needs(json!({"inlineData": {"mimeType": "video/mp4", "data": ""}})), Needs::OWN);
    assert_eq!(needs(json!({"inlineData": {"mimeType": "text/csv", "data": "YQ=="}})), Needs::DOCUMENT);
    assert_eq!(needs(json!({"executableCode": {"code": "1"}})), Needs::PROVIDER_TOOLS);
    assert_eq!(needs(json!({"newThing": {}})), Needs::OWN);
    assert_eq!(needs(json!({"text": "x", "mediaResolution": {"level": "L"}})), Needs::NONE);
}

#[test]
fn tools_and_their_answers() {
    let body = json!({"messages": [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": \"\\u00e9\\n\"}"}},
            {"id": "c2", "type": "function", "function": {"name": "g", "arguments": ""}},
            {"id": "c3", "type": "function", "function": {"name": "h", "arguments": "no json"}},
        ]},
        {"role": "tool", "tool_call_id": "c1", "content": "4\u{b0}"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "x"}, {"type": "text", "text": "y"}]},
        {"role": "tool", "tool_call_id": "lost", "content": ""},
        {"role": "user", "content": "go on"},
    ], "tools": [
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object", "$defs": {}}, "strict": true}},
        {"type": "function", "function": {"name": "g"}},
    ], "tool_choice": {"type": "function", "function": {"name": "f"}}, "parallel_tool_calls": false});
    let expected = json!({
        "contents": [
            {"role": "user", "parts": [{"text": "q"}]},
            {"role": "model", "parts": [
                {"functionCall": {"id": "c1", "name": "f", "args": {"a": "\u{e9}\n"}}, "thoughtSignature": "skip_thought_signature_validator"},
                {"functionCall": {"id": "c2", "name": "g", "args": {}}},
                {"functionCall": {"id": "c3", "name": "h", "args": {"_raw": "no json"}}},
            ]},
            {"role": "user", "parts": [
                {"functionResponse": {"id": "c1", "name": "f", "response": {"output": "4\u{b0}"}}},
                {"functionResponse": {"id": "c2", "name": "g", "response": {"output": "xy"}}},
                {"functionResponse": {"id": "lost", "name": "tool", "response": {"output": ""}}},
                {"text": "go on"},
            ]},
        ],
        "tools": [{"functionDeclarations": [{"name": "f", "description": "d", "parametersJsonSchema": {"type": "object", "$defs": {}}}, {"name": "g"}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
    });
    assert_eq!(to_gemini(body), expected);
}

#[test]
fn tools_of_its_own_client() {
    let body = json!({"contents": [
        {"role": "user", "parts": [{"text": "q"}]},
        {"role": "model", "parts": [{"function_call": {"name": "f", "args": {"a": 1}}}, {"functionCall": {"id": "i", "name": "f"}}]},
        {"role": "user", "parts": [
            {"functionResponse": {"name": "f", "response": {"result": "r"}}},
            {"function_response": {"id": "i", "name": "f", "response": {"error": "broken"}}},
            {"functionResponse": {"name": "f", "response": {"a": 1, "b": "c"}}},
        ]},
    ], "tools": [{"function_declarations": [{"name": "f", "parameters": {"type": "OBJECT", "properties": {"a": {"type": "INTEGER", "nullable": true}}}}]}],
        "tool_config": {"function_calling_config": {"mode": "any"}}});
    let (written, needs) = from_gemini(body.clone());
    let calls = &written["messages"][1]["tool_calls"];
    assert_eq!(calls[0]["function"], json!({"name": "f", "arguments": "{\"a\":1}"}));
    assert_eq!(calls[1]["id"], "i");
    let messages = written["messages"].as_array().unwrap();
    assert_eq!(messages[2]["content"], "r");
    assert_eq!(messages[2]["tool_call_id"], calls[0]["id"]);
    assert_eq!(messages[3]["content"], "Error: broken");
    assert_eq!(messages[4]["content"], "{\"a\":1,\"b\":\"c\"}");
    let parameters = json!({"type": "object", "properties": {"a": {"type": ["integer", "null"]}}});
    assert_eq!(written["tools"][0]["function"]["parameters"], parameters);
    assert_eq!(written["tool_choice"], "required");
    assert_eq!(needs, Needs::TOOLS.and(Needs::TOOL_CHOICE));
    let (back, _) = translated(Dialect::Gemini, Dialect::Gemini, &body, &Means { thinking: Thinking::None, ..Means::of("m") });
    assert_eq!(back["contents"][2]["parts"][1]["functionResponse"]["response"], json!({"error": "broken"}));
    assert_eq!(back["contents"][2]["parts"][2]["functionResponse"]["response"], json!({"a": 1, "b": "c"}));
    assert_eq!(back["contents"][1]["parts"][0], json!({"functionCall": {"name": "f", "args": {"a": 1}}}));
    assert_eq!(back["tools"][0]["functionDeclarations"][0]["parameters"], body["tools"][0]["function_declarations"][0]["parameters"]);
    assert_eq!(back["toolConfig"], json!({"functionCallingConfig": {"mode": "ANY"}}));
}

/// As google-genai sends them: `Part.from_function_response` knows no id.
#[test]
fn answers_without_ids() {
    let call = |id: &str, name: &str| json!({"functionCall": {"id": id, "name": name, "args": {}}});
    let answer = |name: &str| json!({"functionResponse": {"name": name, "response": {"result": "r"}}});
    let identified = json!({"functionResponse": {"id": "b", "name": "f", "response": {"result": "r"}}});
    let body = json!({"contents": [
        {"role": "model", "parts": [call("a", "f"), call("b", "f"), call("c", "g"), call("d", "f")]},
        {"role": "user", "parts": [answer("g"), answer("f"), identified, answer("f"), answer("g")]},
    ]});
    let (written, _) = from_gemini(body);
    let ids: Vec<&Json> = written["messages"].as_array().unwrap()[1..].iter().map(|message| &message["tool_call_id"]).collect();
    assert_eq!(ids[..4], ["c", "a", "b", "d"]);
    assert!(!["a", "b", "c", "d"].contains(&ids[4].as_str().unwrap()));
}

#[test]
fn calls_are_the_models() {
    let body = json!({"contents": [{"role": "user", "parts": [
        {"text": "q"}, {"functionCall": {"name": "f"}}, {"functionResponse": {"name": "f", "response": {}}},
    ]}]});
    let (written, _) = translated(Dialect::Gemini, Dialect::Gemini, &body, &Means { thinking: Thinking::None, ..Means::of("m") });
    let roles: Vec<&Json> = written["contents"].as_array().unwrap().iter().map(|content| &content["role"]).collect();
    assert_eq!(roles, ["user", "model", "user"]);
    assert_eq!(written["contents"][2]["parts"][0]["functionResponse"]["response"], json!({"output": ""}));
}

#[test]
fn choices_of_tools() {
    let contents = json!([{"parts": [{"text": "q"}]}]);
    let tools = json!([{"functionDeclarations": [{"name": "f"}]}, {"googleSearch": {}}]);
    let config = |mode: &str, names: Json| json!({"functionCallingConfig": {"mode": mode, "allowedFunctionNames": names}});
    let read = |config: Json| from_gemini(json!({"contents": contents, "tools": tools, "toolConfig": config}));
    assert_eq!(read(config("AUTO", json!([]))).0["tool_choice"], "auto");
    assert_eq!(read(config("VALIDATED", json!(["f"]))).0["tool_choice"], "auto");
    let closed = json!({"type": "object", "properties": {}, "additionalProperties": false});
    let declared = json!([{"functionDeclarations": [{"name": "f", "parametersJsonSchema": closed}]}]);
    for (mode, strict) in [("VALIDATED", json!(true)), ("AUTO", json!(null))] {
        let body = json!({"contents": contents, "toolConfig": config(mode, json!([])), "tools": declared});
        assert_eq!(from_gemini(body).0["tools"][0]["function"]["strict"], strict, "{mode}");
    }
    assert_eq!(read(config("NONE", json!(null))).0["tool_choice"], "none");
    assert_eq!(read(config("ANY", json!(["f"]))).0["tool_choice"]["function"]["name"], "f");
    assert_eq!(read(config("MODE_UNSPECIFIED", json!([]))).0["tool_choice"], json!(null));
    let several = config("ANY", json!(["f", "g"]));
    let (written, needs) = read(several.clone());
    assert_eq!(written["tool_choice"], "required");
    assert!(needs.has(Needs::OWN.and(Needs::PROVIDER_TOOLS)));
    let body = json!({"contents": contents, "tools": tools, "toolConfig": several});
    let (back, _) = translated(Dialect::Gemini, Dialect::Gemini, &body, &Means::of("m"));
    assert_eq!((&back["tools"], &back["toolConfig"]), (&body["tools"], &body["toolConfig"]));
    // A chain may let go of it.
    let insists = json!({"messages": [], "tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "required"});
    let means = Means { dropped: Needs::TOOL_CHOICE, ..Means::of("m") };
    assert_eq!(translated(Dialect::Openai, Dialect::Gemini, &insists, &means).0["toolConfig"], json!(null));
}

#[test]
fn settings() {
    let body = json!({"messages": [{"role": "user", "content": "q"}], "max_completion_tokens": 900, "temperature": 0.70, "top_p": 1e0, "top_k": 40,
        "seed": 5, "presence_penalty": 0.5, "frequency_penalty": -1, "n": 3, "stop": ["a", "b"], "logit_bias": {"1": 2}, "logprobs": true,
        "user": "u", "metadata": {"a": "b"}, "store": true, "stream": true});
    let means = Means { output_max: Some(512), ..Means::of("m") };
    let (written, needs) = translated(Dialect::Openai, Dialect::Gemini, &body, &means);
    let expected = json!({"maxOutputTokens": 512, "candidateCount": 3, "stopSequences": ["a", "b"], "temperature": 0.7, "topP": 1.0, "topK": 40,
        "seed": 5, "presencePenalty": 0.5, "frequencyPenalty": -1, "responseLogprobs": true});
    assert_eq!(written["generationConfig"], expected);
    assert_eq!(written.as_object().unwrap().len(), 2, "{written}");
    assert_eq!(needs.common(lacks(Dialect::Gemini)), Needs::LOGIT_BIAS);
    let dropped = Needs::SEED.and(Needs::PENALTIES).and(Needs::TOP_K).and(Needs::STOP).and(Needs::LOGPROBS);
    let means = Means { sampling_fixed: true, dropped, ..Means::of("m") };
    let (written, _) = translated(Dialect::Openai, Dialect::Gemini, &body, &means);
    assert_eq!(written["generationConfig"], json!({"maxOutputTokens": 900, "candidateCount": 3}));
}

#[test]
fn settings_of_its_own_client() {
    let config = json!({"temperature": 1, "top_p": 0.5, "top_k": 3, "candidateCount": 2, "max_output_tokens": 9, "stopSequences": ["x"], "seed": 1,
        "presencePenalty": 0, "frequencyPenalty": 0.0, "responseLogprobs": true, "logprobs": 5, "mediaResolution": "MEDIA_RESOLUTION_LOW"});
    let body = json!({"contents": [{"parts": [{"text": "q"}]}], "generation_config": config, "safetySettings": [{"category": "C"}],
        "labels": {"a": "b"}, "serviceTier": "flex"});
    let (written, needs) = from_gemini(body.clone());
    let expected = json!({"model": "m", "messages": [{"role": "user", "content": "q"}], "max_completion_tokens": 9, "stop": "x", "n": 2,
        "temperature": 1, "top_p": 0.5, "seed": 1, "presence_penalty": 0, "frequency_penalty": 0.0, "logprobs": true, "top_logprobs": 5});
    assert_eq!(written, expected);
    assert_eq!(needs, Needs::TOP_K.and(Needs::SEED).and(Needs::COUNT).and(Needs::STOP).and(Needs::LOGPROBS));
    let (back, _) = translated(Dialect::Gemini, Dialect::Gemini, &body, &Means::of("m"));
    assert_eq!(back["safetySettings"], body["safetySettings"]);
    assert_eq!(back["serviceTier"], "flex");
    let config = &back["generationConfig"];
    assert_eq!((&config["logprobs"], &config["responseLogprobs"]), (&json!(5), &json!(true)));
    assert_eq!((&config["mediaResolution"], &config["topP"]), (&json!("MEDIA_RESOLUTION_LOW"), &json!(0.5)));
    assert_eq!((&config["top_p"], config.as_object().unwrap().len()), (&json!(null), 12));
}

#[test]
fn what_only_it_has() {
    let needs = |name: &str, value: Json| {
        let mut body = json!({"contents": []});
        body[name] = value;
        let (written, needs) = translated(Dialect::Gemini, Dialect::Gemini, &body, &Means::of("m"));
        let name = prompt::camel(crate::json::Str::escaped(name.as_bytes())).into_owned();
        assert!(!written[&name].is_null() || !written["cached_content"].is_null(), "{name} stays: {written}");
        needs
    };
    assert_eq!(needs("cachedContent", json!("cachedContents/x")), Needs::STATE);
    assert_eq!(needs("cached_content", json!("cachedContents/x")), Needs::STATE);
    assert_eq!(needs("modelArmorConfig", json!({})), Needs::OWN);
    assert_eq!(needs("generationConfig", json!({"responseModalities": ["TEXT", "IMAGE"]})), Needs::IMAGE_OUT);
    assert_eq!(needs("generationConfig", json!({"responseModalities": ["audio"], "speechConfig": {}})), Needs::AUDIO_OUT);
    assert_eq!(needs("generationConfig", json!({"responseMimeType": "text/x.enum", "responseSchema": {"enum": []}})), Needs::OWN);
    assert_eq!(needs("generationConfig", json!({"newSetting": 1})), Needs::OWN);
    assert_eq!(needs("tools", json!([{"codeExecution": {}}])), Needs::PROVIDER_TOOLS);
    assert_eq!(needs("toolConfig", json!({"retrievalConfig": {}})), Needs::OWN);
}

#[test]
fn forms_of_the_answer() {
    let schema = json!({"type": "object", "properties": {}});
    let ask = |format: Json| to_gemini(json!({"messages": [], "response_format": format}))["generationConfig"].clone();
    assert_eq!(ask(json!({"type": "text"})), json!(null));
    assert_eq!(ask(json!({"type": "json_object"})), json!({"responseMimeType": "application/json"}));
    let format = json!({"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": true}});
    assert_eq!(ask(format), json!({"responseMimeType": "application/json", "responseJsonSchema": schema}));
    let read = |config: Json| from_gemini(json!({"contents": [], "generationConfig": config})).0["response_format"].clone();
    assert_eq!(read(json!({"responseMimeType": "text/plain"})), json!(null));
    assert_eq!(read(json!({"response_mime_type": "application/json"})), json!({"type": "json_object"}));
    let plain = read(json!({"responseMimeType": "application/json", "_responseJsonSchema": schema}));
    assert_eq!(plain["json_schema"]["schema"], schema);
    let openapi = read(json!({"responseMimeType": "application/json", "responseSchema": {"type": "STRING", "nullable": true}}));
    assert_eq!(openapi["json_schema"]["schema"], json!({"type": ["string", "null"]}));
}

#[test]
fn thinking() {
    let ask = |effort: &str, thinking: Thinking| {
        let body = json!({"messages": [], "reasoning_effort": effort});
        translated(Dialect::Openai, Dialect::Gemini, &body, &Means { thinking, ..Means::of("m") }).0["generationConfig"]["thinkingConfig"]
            .clone()
    };
    let table = [
        ("none", "MINIMAL", 0),
        ("minimal", "MINIMAL", 1024),
        ("low", "LOW", 1024),
        ("medium", "MEDIUM", 2048),
        ("high", "HIGH", 4096),
        ("xhigh", "XHIGH", 8192),
        ("max", "XHIGH", 16384),
    ];
    for (effort, level, budget) in table {
        assert_eq!(ask(effort, Thinking::Effort), json!({"thinkingLevel": level}));
        assert_eq!(ask(effort, Thinking::Unknown), json!({"thinkingLevel": level}));
        assert_eq!(ask(effort, Thinking::Budget), json!({"thinkingBudget": budget}));
        assert_eq!(ask(effort, Thinking::None), json!(null));
    }
    let back = |config: Json, thinking: Thinking| {
        let body = json!({"contents": [], "generationConfig": {"thinkingConfig": config}});
        let means = Means { thinking, ..Means::of("m") };
        translated(Dialect::Gemini, Dialect::Gemini, &body, &means).0["generationConfig"]["thinkingConfig"].clone()
    };
    for config in [json!({"includeThoughts": true}), json!({"includeThoughts": false, "thinkingBudget": -1}), json!({"thinkingBudget": 77})]
    {
        assert_eq!(back(config.clone(), Thinking::Budget), config);
    }
    assert_eq!(back(json!({"thinkingBudget": 0}), Thinking::Budget), json!({"thinkingBudget": 0}));
    assert_eq!(back(json!({"thinkingBudget": 3000}), Thinking::Effort), json!({"thinkingLevel": "HIGH"}));
    assert_eq!(
        back(json!({"thinking_level": "low", "include_thoughts": true}), Thinking::Effort),
        json!({"includeThoughts": true, "thinkingLevel": "LOW"})
    );
    let effort =
        |config: Json| from_gemini(json!({"contents": [], "generationConfig": {"thinkingConfig": config}})).0["reasoning_effort"].clone();
    assert_eq!(effort(json!({"thinkingLevel": "XHIGH"})), "xhigh");
    assert_eq!(effort(json!({"thinkingBudget": 0})), "none");
    assert_eq!(effort(json!({"thinkingBudget": 1024})), "low");
}

/// Google's own seals go back to it, others do not, and where there is none in the current turn, one says so.
#[test]
fn seals() {
    let call = |id: &str, seal: Option<&str>| {
        let mut call = json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
        if let Some(seal) = seal {
            call["extra_content"] = json!({"google": {"thought_signature": seal}});
        }
        call
    };
    let answer = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": "r"});
    let body = json!({"messages": [
        {"role": "user", "content": "before"},
        {"role": "assistant", "tool_calls": [call("a", None)]}, answer("a"),
        {"role": "assistant", "content": "done"},
        {"role": "user", "content": "now"},
        {"role": "assistant", "tool_calls": [call("b", Some("U0VBTA==")), call("c", None)]}, answer("b"), answer("c"),
        {"role": "assistant", "reasoning_content": "hm", "content": "t", "tool_calls": [call("d", Some("dGhyb3dvdmVyOmE6QQ=="))]}, answer("d"),
    ]});
    let seals = |thinking: Thinking| -> Vec<Json> {
        let (written, _) = translated(Dialect::Openai, Dialect::Gemini, &body, &Means { thinking, ..Means::of("m") });
        let parts = written["contents"].as_array().unwrap().iter().flat_map(|content| content["parts"].as_array().unwrap().clone());
        parts.filter(|part| !part["functionCall"].is_null()).map(|part| part["thoughtSignature"].clone()).collect()
    };
    assert_eq!(seals(Thinking::Unknown), [json!(null), json!("U0VBTA=="), json!(null), json!(contents::NO_SEAL)]);
    assert_eq!(seals(Thinking::Budget), [json!(null), json!("U0VBTA=="), json!(null), json!(null)]);
    // What its own client says stays where it is.
    let parts = json!([
        {"text": "hm", "thought": true, "thoughtSignature": "QQ=="}, {"text": "t", "thoughtSignature": "Qg=="},
        {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "Qw=="},
    ]);
    let own = json!({"contents": [{"role": "user", "parts": [{"text": "q"}]}, {"role": "model", "parts": parts}]});
    assert_eq!(translated(Dialect::Gemini, Dialect::Gemini, &own, &Means::of("m")).0, own);
}

/// A dialect that has no place for the seal of a call has put it before the call.
#[test]
fn seals_find_their_calls() {
    let text = b"{\"contents\":[{\"role\":\"model\",\"parts\":[{\"text\":\"hm\",\"thought\":true,\"thoughtSignature\":\"QQ==\"},\
        {\"functionCall\":{\"name\":\"f\"}}]}]}";
    let mut tree = Tree::new();
    let mut prompt = read_prompt(Dialect::Gemini, tree.read(text).unwrap(), false).unwrap();
    prompt.own = Some(Dialect::Anthropic);
    let mut rope = Rope::new(text, Vec::new());
    write_prompt(Dialect::Gemini, &prompt, &Means::of("m"), &mut rope);
    let written: Json = serde_json::from_slice(&rope.finish().join(text)).unwrap();
    let parts = json!([{"text": "hm", "thought": true}, {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "QQ=="}]);
    assert_eq!(written["contents"][1]["parts"], parts);
}

#[test]
fn pictures_of_tools() {
    let picture = json!({"inlineData": {"mimeType": "image/png", "data": "iVBO"}});
    let body = json!({"contents": [{"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"output": "x"}, "parts": [picture]}}]}]});
    let (written, needs) = from_gemini(body.clone());
    assert_eq!(written["messages"][1]["content"][0]["image_url"]["url"], "data:image/png;base64,iVBO");
    assert_eq!(needs, Needs::IMAGE);
    assert_eq!(translated(Dialect::Gemini, Dialect::Gemini, &body, &Means::of("m")).0, body);
    // For others' clients the user shows it.
    let text = serde_json::to_vec(&body).unwrap();
    let mut tree = Tree::new();
    let mut prompt = read_prompt(Dialect::Gemini, tree.read(&text).unwrap(), false).unwrap();
    prompt.own = Some(Dialect::Anthropic);
    let mut rope = Rope::new(&text, Vec::new());
    write_prompt(Dialect::Gemini, &prompt, &Means::of("m"), &mut rope);
    let written: Json = serde_json::from_slice(&rope.finish().join(&text)).unwrap();
    let parts = json!([{"functionResponse": {"name": "f", "response": {"output": "x"}}}, picture]);
    assert_eq!(written["contents"][0]["parts"], parts);
}

#[test]
fn complaints() {
    let read = |body: &str| read_prompt(Dialect::Gemini, Tree::new().read(body.as_bytes()).unwrap(), true).map(|_| ());
    assert_eq!(read("{}"), Err(Unread::new("contents", "must be a list of turns")));
    assert_eq!(read("[]"), Err(Unread::new("contents", "must be a list of turns")));
    assert_eq!(read(r#"{"contents":["x"]}"#), Err(Unread::new("contents", "must be a list of turns")));
    assert_eq!(read(r#"{"contents":[{"role":"assistant","parts":[]}]}"#), Err(Unread::new("contents", "have roles user or model")));
    assert_eq!(read(r#"{"contents":[{"role":null,"parts":{"text":"x"}}]}"#), Ok(()));
    let mut tree = Tree::new();
    let prompt = read_prompt(Dialect::Gemini, tree.read(b"{\"contents\":[]}").unwrap(), true).unwrap();
    assert!(prompt.stream && prompt.needs.has(Needs::STREAM));
}
