//! What the real APIs refuse, the mock refuses, and in the same words.

// Helpers of tests are no tests themselves, which the lint cannot see.
#![allow(clippy::unwrap_used)]

mod caller;

use caller::{Caller, Reply, World};
use mock::{Answers, Dialect};
use serde_json::{Value, json};

fn world(dialect: Dialect) -> World {
    World::speaking(dialect, Answers { words: 2, ..Answers::default() })
}

/// Checks a reply: 200 when nothing is expected, else a 400 that says so.
fn check(reply: &Reply, expected: &str) {
    let body = reply.json();
    let said = body["error"]["message"].as_str().unwrap_or_default();
    match expected {
        "" => assert_eq!(reply.status, 200, "{body}"),
        _ => assert!(reply.status == 400 && said.contains(expected), "expected {expected:?}, got {body}"),
    }
}

/// A base with some members replaced; null takes one away.
fn with(base: &Value, changes: &Value) -> Value {
    let mut body = base.clone();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(body.as_object_mut().unwrap().remove(name)),
            value => body[name] = value.clone(),
        }
    }
    body
}

fn ask_version(caller: &mut Caller, version: &str, path: &str, body: &Value) -> Reply {
    let headers = if version.is_empty() { String::new() } else { format!("anthropic-version: {version}\r\n") };
    caller.request("POST", path, &headers, &body.to_string());
    caller.reply()
}

fn hello() -> Value {
    json!({"model": "claude", "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]})
}

#[test]
fn anthropic_versions_differ() {
    let world = world(Dialect::Anthropic);
    let mut caller = world.call();
    let mut ask = |version: &str, changes: Value, expected: &str| {
        check(&ask_version(&mut caller, version, "/v1/messages", &with(&hello(), &changes)), expected);
    };
    let (classic, strict) = ("2023-06-01", "2026-10-21");
    ask("", json!({}), "anthropic-version: header is required");
    ask("2022-01-01", json!({}), "not a valid version");
    for (name, value) in [("temperature", json!(0.5)), ("top_p", json!(0.5)), ("top_k", json!(5))] {
        ask(classic, json!({name: value}), "");
        ask(strict, json!({name: value}), &format!("{name}: Extra inputs are not permitted"));
    }
    ask(classic, json!({"temperature": 1.5}), "temperature: range: 0..1");
    let cited = json!([{"role": "user", "content": [{"type": "text", "text": "x", "citations": [{"type": "char_location"}]}]}]);
    ask(classic, json!({"messages": cited}), "");
    ask(strict, json!({"messages": cited}), "citations: Extra inputs are not permitted");
    let document = json!({"type": "document", "source": {"type": "url", "url": "https://x.test/a.pdf"}});
    let shown = json!([{"role": "user", "content": "x"}, {"role": "assistant", "content": [document]}]);
    ask(classic, json!({"messages": shown}), "");
    ask(strict, json!({"messages": shown}), "`document` blocks can only be in `user` messages");
}

#[test]
fn anthropic_checks_members_and_settings() {
    let world = world(Dialect::Anthropic);
    let mut caller = world.call();
    let mut ask = |changes: Value, expected: &str| check(&caller.messages(&with(&hello(), &changes)), expected);
    ask(json!({"max_tokens": null}), "max_tokens: Field required");
    ask(json!({"model": null}), "model: Field required");
    ask(json!({"frequency_penalty": 1}), "frequency_penalty: Extra inputs are not permitted");
    ask(json!({"system": [{"type": "text", "text": ""}]}), "system: text content blocks must be non-empty");
    ask(json!({"stop_sequences": [" "]}), "must contain non-whitespace");
    let thinking = |budget: u64| json!({"type": "enabled", "budget_tokens": budget});
    ask(json!({"thinking": thinking(1000), "max_tokens": 4000}), "greater than or equal to 1024");
    ask(json!({"thinking": thinking(4000), "max_tokens": 4000}), "`max_tokens` must be greater than `thinking.budget_tokens`");
    ask(json!({"thinking": thinking(1024), "max_tokens": 4000, "temperature": 0.5}), "`temperature` may only be set to 1");
    let tool = json!({"name": "t", "input_schema": {"type": "object", "properties": {}}});
    let forced = json!({"tools": [tool], "tool_choice": {"type": "any"}, "thinking": {"type": "adaptive"}});
    ask(forced, "Thinking may not be enabled when tool_choice forces tool use.");
    ask(json!({"tool_choice": {"type": "auto"}}), "may only be specified while providing tools");
    ask(json!({"tools": [tool], "tool_choice": {"type": "tool", "name": "u"}}), "Tool 'u' not found");
    ask(json!({"tools": [tool, tool]}), "Tool names must be unique");
    ask(json!({"tools": [with(&tool, &json!({"name": "a b"}))]}), "tools.0.custom.name: String should match pattern");
    ask(json!({"tools": [with(&tool, &json!({"input_schema": null}))]}), "tools.0.custom.input_schema: Field required");
    ask(json!({"tools": [with(&tool, &json!({"parameters": {}}))]}), "tools.0.custom.parameters: Extra inputs");
    let format = |schema: Value| json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}});
    ask(format(json!({"type": "object", "properties": {}})), "'additionalProperties' must be explicitly set to false");
    ask(format(json!({"type": "object", "properties": {}, "additionalProperties": false})), "");
    let marked = json!({"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}});
    ask(json!({"system": [marked, marked, marked, marked, marked]}), "A maximum of 4 blocks with cache_control");
}

fn using(id: &str) -> Value {
    json!({"type": "tool_use", "id": id, "name": "t", "input": {}})
}

fn result(id: &str) -> Value {
    json!({"type": "tool_result", "tool_use_id": id, "content": "done"})
}

#[test]
fn anthropic_checks_turns_and_tool_results() {
    let world = world(Dialect::Anthropic);
    let mut caller = world.call();
    let mut ask = |messages: Value, expected: &str| check(&caller.messages(&with(&hello(), &json!({"messages": messages}))), expected);
    let user = |content: Value| json!({"role": "user", "content": content});
    let assistant = |content: Value| json!({"role": "assistant", "content": content});
    let text = json!({"type": "text", "text": "x"});
    ask(json!([]), "at least one message is required");
    ask(json!([assistant(json!("x"))]), "first message must use the \"user\" role");
    ask(json!([{"role": "tool", "content": "x"}]), "messages.0.role: Input should be");
    ask(json!([user(json!([{"type": "text", "text": ""}]))]), "text content blocks must be non-empty");
    ask(json!([user(json!([{"type": "image_url"}]))]), "Input tag 'image_url'");
    ask(json!([user(json!([{"type": "text", "text": "x", "index": 1}]))]), "messages.0.content.0.text.index: Extra inputs");
    ask(json!([user(json!("x")), assistant(json!("y "))]), "cannot end with trailing whitespace");
    let asked = |answer: Value| json!([user(json!("x")), assistant(json!([text, using("a"), using("b")])), user(answer)]);
    ask(asked(json!([result("a"), result("b"), text])), "");
    ask(asked(json!([result("a"), text, result("b")])), "`tool_use` ids were found without `tool_result` blocks immediately after: b");
    ask(asked(json!([result("a")])), "immediately after: b");
    ask(asked(json!([result("a"), result("b"), result("c")])), "unexpected `tool_use_id` found in `tool_result` blocks: c");
    ask(asked(json!([result("a"), result("a"), result("b")])), "must have a single result");
    let split =
        json!([user(json!("x")), assistant(json!([using("a"), using("b")])), user(json!([result("a")])), user(json!([result("b")]))]);
    ask(split, "");
    ask(json!([user(json!("x")), assistant(json!([using("a.b")])), user(json!([result("a.b")]))]), "String should match pattern");
    ask(json!([user(json!("x")), assistant(json!([using("a")]))]), "immediately after: a");
    world.admin.set_answers("a", &json!({"prefill": false})).unwrap();
    ask(json!([user(json!("x")), assistant(json!("y"))]), "does not support assistant message prefill");
}

#[test]
fn anthropic_verifies_its_thoughts() {
    let world = world(Dialect::Anthropic);
    let mut caller = world.call();
    let tool = json!({"name": "t", "input_schema": {"type": "object", "properties": {}}});
    let base = json!({
        "model": "claude", "max_tokens": 4000, "thinking": {"type": "enabled", "budget_tokens": 2000}, "tools": [tool],
        "messages": [{"role": "user", "content": "mock:call"}]
    });
    let first = caller.messages(&base).json();
    assert_eq!(first["content"][0]["type"], "thinking");
    assert!(first["content"][0]["signature"].as_str().unwrap().starts_with("EqMockThoughts"));
    let id = first["content"][1]["id"].as_str().unwrap().to_owned();
    let mut ask = |edit: &dyn Fn(&mut Value), expected: &str| {
        let mut content = first["content"].clone();
        edit(&mut content);
        let turns = json!([base["messages"][0], {"role": "assistant", "content": content}, {"role": "user", "content": [result(&id)]}]);
        check(&caller.messages(&with(&base, &json!({"messages": turns}))), expected);
    };
    ask(&|_| {}, "");
    ask(&|content| content[0]["signature"] = json!("EqForeign=="), "messages.1.content.0: Invalid `signature` in `thinking` block");
    ask(&|content| content[0]["thinking"] = json!("something else"), "cannot be modified");
    let drop_thoughts = |content: &mut Value| drop(content.as_array_mut().unwrap().remove(0));
    ask(&drop_thoughts, "Expected `thinking` or `redacted_thinking`, but found `tool_use`");
}

#[test]
fn anthropic_streams_in_its_order_and_counts() {
    let world = world(Dialect::Anthropic);
    let mut caller = world.call();
    let tools = json!([{"name": "t", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}]);
    let asking = json!({"stream": true, "tools": tools, "messages": [{"role": "user", "content": "mock:call mock:say mock:words=1"}]});
    let reply = caller.messages(&with(&hello(), &asking));
    let text = reply.text();
    let names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    let deltas = |count| vec!["content_block_delta"; count];
    let mut expected = vec!["message_start", "content_block_start", "ping"];
    expected.extend(deltas(3));
    expected.extend(["content_block_stop", "content_block_start"]);
    expected.extend(deltas(4));
    expected.extend(["content_block_stop", "message_delta", "message_stop"]);
    assert_eq!(names, expected);
    for (name, data) in names.iter().zip(reply.data()) {
        assert!(data.starts_with(&format!("{{\"type\":\"{name}\"")), "{data}");
    }
    assert_eq!(reply.header("content-type"), Some("text/event-stream; charset=utf-8"));
    let counted = ask_version(&mut caller, "2023-06-01", "/v1/messages/count_tokens", &with(&hello(), &json!({"max_tokens": null})));
    assert_eq!(counted.json(), json!({"input_tokens": 1}));
    check(&ask_version(&mut caller, "2023-06-01", "/v1/messages/count_tokens", &hello()), "max_tokens: Extra inputs");
    caller.request("GET", "/v1/models", "anthropic-version: 2023-06-01\r\n", "");
    assert_eq!(caller.reply().json()["data"][0]["lifecycle"], "active");
}

#[test]
fn keys_are_taken_where_each_dialect_has_them() {
    let keyed = || Answers { keys: vec!["sk-good".to_owned()], ..Answers::default() };
    let claude = World::speaking(Dialect::Anthropic, keyed());
    let mut caller = claude.call();
    let mut ask = |headers: &str, status: u16, expected: &str| {
        caller.request("POST", "/v1/messages", &format!("anthropic-version: 2026-10-21\r\n{headers}"), &hello().to_string());
        let reply = caller.reply();
        let body = reply.json();
        assert_eq!(reply.status, status, "{body}");
        assert!(body["error"]["message"].as_str().unwrap_or_default().contains(expected), "{body}");
    };
    ask("x-api-key: sk-good\r\n", 200, "");
    ask("authorization: Bearer sk-good\r\n", 200, "");
    ask("x-api-key: sk-bad\r\nauthorization: Bearer sk-good\r\n", 401, "invalid x-api-key");
    ask("authorization: Bearer sk-bad\r\n", 401, "Invalid bearer token");
    ask("", 401, "x-api-key header is required");
    let gemini = World::speaking(Dialect::Gemini, keyed());
    let mut caller = gemini.call();
    let body = json!({"contents": [{"parts": [{"text": "hi"}]}]}).to_string();
    let mut ask = |query: &str, headers: &str, status: u16, reason: &str| {
        caller.request("POST", &format!("/v1beta/models/g:generateContent{query}"), headers, &body);
        let reply = caller.reply();
        assert_eq!((reply.status, reply.json()["error"]["details"][0]["reason"].as_str().unwrap_or_default()), (status, reason));
    };
    ask("", "x-goog-api-key: sk-good\r\n", 200, "");
    ask("?key=sk%2Dgood", "", 200, "");
    ask("?key=sk-bad", "", 400, "API_KEY_INVALID");
    ask("", "x-goog-api-key: sk-bad\r\n", 400, "API_KEY_INVALID");
    ask("", "", 403, "");
}

#[test]
fn gemini_checks_fields_and_turns() {
    let world = world(Dialect::Gemini);
    let mut caller = world.call();
    let mut ask = |body: Value, expected: &str| check(&caller.ask("/v1beta/models/gemini-3:generateContent", &body), expected);
    let user = json!({"role": "user", "parts": [{"text": "hi"}]});
    let base = json!({"contents": [user]});
    ask(json!({}), "contents is not specified");
    ask(with(&base, &json!({"messages": []})), "Invalid JSON payload received. Unknown name \"messages\": Cannot find field.");
    ask(
        with(&base, &json!({"generationConfig": {"maxTokens": 1}})),
        "Unknown name \"maxTokens\" at 'generation_config': Cannot find field.",
    );
    ask(with(&base, &json!({"generation_config": {"max_output_tokens": "5", "top_k": 3}})), "");
    ask(
        with(&base, &json!({"generationConfig": {"maxOutputTokens": "many"}})),
        "Invalid value at 'generation_config.max_output_tokens' (TYPE_INT32)",
    );
    ask(json!({"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}), "Please use a valid role: user, model.");
    ask(json!({"contents": [{"role": "user", "parts": []}]}), "parts must not be empty");
    ask(json!({"contents": [{"role": "user", "parts": [{"thought": true}]}]}), "required oneof field 'data'");
    let declared = |extra: Value| json!({"tools": [{"functionDeclarations": [with(&json!({"name": "t"}), &extra)]}]});
    ask(
        with(&base, &declared(json!({"parameters": {"type": "OBJECT", "additionalProperties": false}}))),
        "Unknown name \"additionalProperties\" at 'tools[0].function_declarations[0].parameters'",
    );
    ask(with(&base, &declared(json!({"parametersJsonSchema": {"type": "object", "additionalProperties": false}}))), "");
    ask(with(&base, &declared(json!({"parameters": {"type": "OBJECT"}, "parametersJsonSchema": {}}))), "only one of parameters");
    ask(with(&base, &declared(json!({"name": "9 lives"}))), "Invalid function name");
    ask(with(&base, &json!({"generationConfig": {"responseSchema": {"type": "OBJECT"}}})), "needs application/json");
    ask(
        with(&base, &json!({"generationConfig": {"thinkingConfig": {"thinkingBudget": 1, "thinkingLevel": "LOW"}}})),
        "only one of thinking budget",
    );
    let limits = json!({"toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["u"]}}});
    ask(with(&with(&base, &declared(json!({}))), &limits), "not declared: u");
}

#[test]
fn gemini_checks_calls_and_signatures() {
    let world = world(Dialect::Gemini);
    let mut caller = world.call();
    let mut ask = |model: &str, contents: Value, expected: &str| {
        check(&caller.ask(&format!("/v1beta/models/{model}:generateContent"), &json!({"contents": contents})), expected);
    };
    let user = json!({"role": "user", "parts": [{"text": "hi"}]});
    let dummy = "skip_thought_signature_validator";
    let call = |signature: Value| with(&json!({"functionCall": {"name": "t", "args": {}}}), &json!({"thoughtSignature": signature}));
    let model = |parts: Value| json!({"role": "model", "parts": parts});
    let answer = json!({"functionResponse": {"name": "t", "response": {"output": "4C"}}});
    let answers = |count: usize| json!({"role": "user", "parts": vec![answer.clone(); count]});
    let two = model(json!([call(json!(dummy)), call(Value::Null)]));
    ask("gemini-3", json!([user, two, answers(2)]), "");
    ask("gemini-3", json!([user, two, answers(1)]), "number of function response parts is equal to the number of function call parts");
    ask("gemini-3", json!([user, two, user]), "number of function response parts");
    ask("gemini-3", json!([user, answers(1)]), "function response turn comes immediately after a function call turn");
    ask("gemini-3", json!([two, answers(2)]), "function call turn comes immediately after a user turn");
    ask("gemini-3", json!([user, two]), "followed by a function response turn");
    let bare = model(json!([call(Value::Null)]));
    ask("gemini-3", json!([user, bare, answers(1)]), "Function call is missing a thought_signature in functionCall parts.");
    ask("gemini-2.5-pro", json!([user, bare, answers(1)]), "");
    // What lies before the last question of the user may have lost its signatures.
    ask("gemini-3", json!([user, bare, answers(1), model(json!([{"text": "x"}])), user]), "");
    let wrong = model(json!([call(json!("QUJD"))]));
    ask("gemini-2.5-pro", json!([user, wrong, answers(1)]), "Corrupted thought signature.");
}

#[test]
fn gemini_streams_embeds_and_lists() {
    let world = world(Dialect::Gemini);
    let mut caller = world.call();
    let body = json!({"contents": [{"parts": [{"text": "hi"}]}]});
    let reply = caller.ask("/v1beta/models/g:streamGenerateContent?alt=sse", &body);
    assert_eq!(reply.header("content-type"), Some("text/event-stream"));
    let text = reply.text();
    assert_eq!(text.matches("data: ").count(), text.matches("\r\n\r\n").count());
    for line in reply.data() {
        assert!(serde_json::from_str::<Value>(&line).unwrap()["usageMetadata"]["promptTokenCount"].is_u64());
    }
    let reply = caller.ask("/v1beta/models/g:streamGenerateContent", &body);
    assert_eq!(reply.header("content-type"), Some("application/json; charset=UTF-8"));
    assert_eq!(reply.json().as_array().unwrap().len(), 5);
    let counted = caller.ask("/v1beta/models/g:countTokens", &json!({"generateContentRequest": body}));
    assert_eq!(counted.json()["totalTokens"], 1);
    let text = |text: &str| json!({"parts": [{"text": text}]});
    let one = caller.ask("/v1beta/models/e:embedContent", &json!({"content": text("x"), "outputDimensionality": 8})).json();
    assert_eq!(one["embedding"]["values"].as_array().unwrap().len(), 8);
    let request = |of: &str, model: &str| json!({"model": model, "content": text(of), "outputDimensionality": 8});
    let batch = json!({"requests": [request("x", "models/e"), request("y", "models/e")]});
    let both = caller.ask("/v1beta/models/e:batchEmbedContents", &batch).json();
    assert_eq!(both["embeddings"][0]["values"], one["embedding"]["values"], "equal texts have equal vectors");
    assert_ne!(both["embeddings"][1], both["embeddings"][0]);
    let stray = json!({"requests": [request("x", "models/other")]});
    check(&caller.ask("/v1beta/models/e:batchEmbedContents", &stray), "must match the model");
    caller.request("GET", "/v1beta/models", "", "");
    assert!(caller.reply().json()["models"][0]["name"].as_str().unwrap().starts_with("models/"));
    assert_eq!(caller.ask("/v1beta/models/g:nothing", &body).status, 404);
    assert!(caller.ask("/v1beta/models/g:streamGenerateContent", &json!({})).json()[0]["error"].is_object(), "its errors are arrays too");
}

#[test]
fn openai_checks_tools_and_schemas() {
    let world = world(Dialect::Openai);
    let mut caller = world.call();
    let mut ask = |changes: Value, expected: &str| {
        let base = json!({"model": "gpt", "messages": [{"role": "user", "content": "hi"}]});
        check(&caller.ask("/v1/chat/completions", &with(&base, &changes)), expected);
    };
    let user = json!({"role": "user", "content": "hi"});
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "t", "arguments": "{}"}});
    let calls = json!({"role": "assistant", "content": null, "tool_calls": [call("a"), call("b")]});
    let tool = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": "4C"});
    ask(json!({"messages": [user, calls, tool("b"), tool("a")]}), "");
    ask(json!({"messages": [user, calls, tool("a")]}), "did not have response messages: b");
    ask(json!({"messages": [user, calls, user]}), "did not have response messages: a, b");
    ask(json!({"messages": [user, calls, tool("a"), tool("b"), tool("c")]}), "must be a response to a preceeding message");
    ask(json!({"messages": [user, tool("a")]}), "must be a response to a preceeding message");
    ask(json!({"messages": [user, {"role": "tool", "content": "x"}]}), "Missing required parameter: 'messages[1].tool_call_id'");
    ask(json!({"messages": [{"role": "bot", "content": "x"}]}), "Invalid value: 'bot'");
    ask(json!({"messages": [{"role": "user", "content": null}]}), "expected a string, got null");
    ask(json!({"messages": [{"role": "user", "content": [{"type": "image"}]}]}), "Invalid value: 'image'");
    ask(json!({"tool_choice": "auto"}), "'tool_choice' is only allowed when 'tools' are specified");
    let declared = |function: Value| json!({"tools": [{"type": "function", "function": function}]});
    ask(declared(json!({"name": "a.b"})), "does not match pattern");
    ask(declared(json!({"name": "x".repeat(65)})), "maximum length 64");
    ask(
        with(&declared(json!({"name": "t"})), &json!({"tool_choice": {"type": "function", "function": {"name": "u"}}})),
        "not found in 'tools'",
    );
    let open = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    ask(declared(json!({"name": "t", "parameters": open})), "");
    ask(
        declared(json!({"name": "t", "strict": true, "parameters": open})),
        "'additionalProperties' is required to be supplied and to be false",
    );
    let closed = with(&open, &json!({"additionalProperties": false}));
    ask(declared(json!({"name": "t", "strict": true, "parameters": closed})), "Missing 'city'");
    let format =
        |strict: bool| json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "strict": strict, "schema": open}}});
    ask(format(true), "Invalid schema for response_format 'x'");
    ask(format(false), "");
    let output = json!({"type": "function_call_output", "call_id": "a", "output": "4C"});
    let input = json!({"type": "function_call", "call_id": "a", "name": "t", "arguments": "{}"});
    let mut ask = |items: Value, expected: &str| check(&caller.ask("/v1/responses", &json!({"model": "gpt", "input": items})), expected);
    ask(json!([input, output]), "");
    ask(json!([output]), "No tool call found for function call output with call_id a.");
    ask(json!([input]), "No tool output found for function call a.");
}

#[test]
fn openai_shows_thoughts_where_a_provider_does() {
    let world = World::with(Answers { words: 1, reasoning_content: true, ..Answers::default() });
    let body = json!({"model": "m", "reasoning_effort": "low", "messages": [{"role": "user", "content": "mock:think=1"}]});
    let mut caller = world.call();
    let message = caller.ask("/v1/chat/completions", &body).json()["choices"][0]["message"].clone();
    assert_eq!((&message["reasoning_content"], &message["content"]), (&json!("a thinks: t0"), &json!("a says: w0")));
    let data = caller.ask("/v1/chat/completions", &with(&body, &json!({"stream": true}))).data();
    let thoughts = data.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let thoughts: String =
        thoughts.filter_map(|chunk| chunk["choices"][0]["delta"]["reasoning_content"].as_str().map(str::to_owned)).collect();
    assert_eq!(thoughts, "a thinks: t0");
}
