//! Who asks for JSON that follows a schema gets it, from whoever gives it, and so who declares a tool as strict; of
//! a stream that was whole and broke it, it is known who broke it.

use mock::Dialect;
use serde_json::{Value, json};
use tests::testkit::{
    gateway::Gateway,
    policy::Policy,
    provider::Provider,
    speech::{CLIENTS, said, streamed},
    tenant::{Answer, Ask},
    until,
};

/// Who answers: a provider's name, how it speaks, and the end of its endpoint with its members.
const PROVIDERS: [(&str, Dialect, &str, &str); 4] = [
    ("chat", Dialect::Openai, "/v1", "speaks: [chat]"),
    ("items", Dialect::Openai, "/v1", "speaks: [responses]"),
    ("claude", Dialect::Anthropic, "", "dialect: anthropic, auth: {header: x-api-key}"),
    ("gemini", Dialect::Gemini, "/v1beta", "dialect: gemini, auth: {header: x-goog-api-key}"),
];

fn zoo() -> Provider {
    let dialects: Vec<(&str, Dialect)> = PROVIDERS.iter().map(|(name, dialect, ..)| (*name, *dialect)).collect();
    Provider::speaking(&dialects)
}

fn policy(provider: &Provider) -> Policy {
    let mut policy = Policy::new().defaults("breaker: {consecutive: 1000, min_requests: 1000}");
    for (name, _, path, members) in PROVIDERS {
        let url = format!("http://{}{path}", provider.plain(name));
        policy = policy.endpoint(name, &url, &format!("keys: [\"sk-operators\"], {members}"));
    }
    policy
}

/// A city with its trains, of which there may be none.
fn schema() -> Value {
    let train = json!({"type": "object", "properties": {"name": {"type": "string"}, "late": {"type": "boolean"}}, "required": ["name", "late"], "additionalProperties": false});
    json!({
        "type": "object",
        "properties": {"city": {"type": "string"}, "trains": {"type": "array", "items": train}, "note": {"type": "string"}},
        "required": ["city", "trains", "note"],
        "additionalProperties": false,
    })
}

/// The same in the words of OpenAPI.
fn openapi() -> Value {
    json!({
        "type": "OBJECT",
        "properties": {"city": {"type": "STRING"}, "trains": {"type": "ARRAY", "items": {"type": "STRING"}}},
        "required": ["city", "trains"],
    })
}

/// A question whose answer is to follow the schema, in the language of a client.
fn ask(client: &str, model: &str, stream: bool) -> Ask {
    ask_for(client, model, stream, true)
}

/// The same; OpenAI's clients say how strictly.
fn ask_for(client: &str, model: &str, stream: bool, strict: bool) -> Ask {
    let messages = json!([{"role": "user", "content": "Which trains?"}]);
    match client {
        "chat" => {
            let format = json!({"type": "json_schema", "json_schema": {"name": "trains", "strict": strict, "schema": schema()}});
            let body = json!({"model": model, "stream": stream, "messages": messages, "response_format": format});
            Ask::post("/v1/chat/completions", &body)
        }
        "responses" => {
            let format = json!({"type": "json_schema", "name": "trains", "strict": strict, "schema": schema()});
            let body = json!({"model": model, "stream": stream, "input": "Which trains?", "text": {"format": format}});
            Ask::post("/v1/responses", &body)
        }
        "messages" => {
            let format = json!({"type": "json_schema", "schema": schema()});
            let body =
                json!({"model": model, "max_tokens": 64, "stream": stream, "messages": messages, "output_config": {"format": format}});
            Ask::post("/v1/messages", &body).with("anthropic-version", "2023-06-01")
        }
        _ => {
            let verb = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
            let config = json!({"responseMimeType": "application/json", "responseSchema": openapi()});
            let body = json!({"contents": [{"role": "user", "parts": [{"text": "Which trains?"}]}], "generationConfig": config});
            Ask::post(&format!("/v1beta/models/{model}:{verb}"), &body)
        }
    }
}

/// A question that calls a tool whose arguments are to follow the schema, strictly or not.
fn ask_to_call(client: &str, model: &str, stream: bool, strict: bool) -> Ask {
    let messages = json!([{"role": "user", "content": "mock:call"}]);
    match client {
        "chat" => {
            let tools = json!([{"type": "function", "function": {"name": "book", "parameters": schema(), "strict": strict}}]);
            Ask::post("/v1/chat/completions", &json!({"model": model, "stream": stream, "messages": messages, "tools": tools}))
        }
        "responses" => {
            let tools = json!([{"type": "function", "name": "book", "parameters": schema(), "strict": strict}]);
            Ask::post("/v1/responses", &json!({"model": model, "stream": stream, "input": "mock:call", "tools": tools}))
        }
        "messages" => {
            let tools = json!([{"name": "book", "input_schema": schema(), "strict": strict}]);
            let body = json!({"model": model, "max_tokens": 64, "stream": stream, "messages": messages, "tools": tools});
            Ask::post("/v1/messages", &body).with("anthropic-version", "2023-06-01")
        }
        _ => {
            let verb = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
            let config = json!({"functionCallingConfig": {"mode": if strict { "VALIDATED" } else { "AUTO" }}});
            let tools = json!([{"functionDeclarations": [{"name": "book", "parameters": openapi()}]}]);
            let body = json!({"contents": [{"role": "user", "parts": [{"text": "mock:call"}]}], "toolConfig": config, "tools": tools});
            Ask::post(&format!("/v1beta/models/{model}:{verb}"), &body)
        }
    }
}

/// What the tool is called with in a whole answer.
fn called(client: &str, answer: &Value) -> String {
    let found = |list: &Value, member: &str| list.as_array().and_then(|list| list.iter().find_map(|part| part.get(member).cloned()));
    let text = |value: Option<Value>| value.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
    match client {
        "chat" => text(found(&answer["choices"][0]["message"]["tool_calls"], "function").map(|call| call["arguments"].clone())),
        "responses" => text(found(&answer["output"], "arguments")),
        "messages" => found(&answer["content"], "input").unwrap_or_default().to_string(),
        _ => found(&answer["candidates"][0]["content"]["parts"], "functionCall").unwrap_or_default()["args"].to_string(),
    }
}

/// The same of a stream.
fn called_in(client: &str, answer: &Answer) -> String {
    let events = answer.events();
    let events = events.iter().filter_map(|event| serde_json::from_str::<Value>(&event.data).ok());
    let pieces = |piece: fn(&Value) -> &Value| events.clone().filter_map(|event| piece(&event).as_str().map(str::to_owned)).collect();
    match client {
        "chat" => pieces(|event| &event["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"]),
        "responses" => {
            pieces(|event| if event["type"] == "response.function_call_arguments.delta" { &event["delta"] } else { &Value::Null })
        }
        "messages" => pieces(|event| &event["delta"]["partial_json"]),
        _ => events.map(|event| called(client, &event)).find(|arguments| arguments != "null").unwrap_or_default(),
    }
}

/// The text of an answer, or of arguments, is JSON that names a city.
fn names_city(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|value| value["city"].is_string() && value["trains"].is_array())
}

/// With a chain for each provider, on which another one follows.
fn chained(mut policy: Policy) -> Policy {
    for (at, (first, ..)) in PROVIDERS.iter().enumerate() {
        let second = PROVIDERS[(at + 1) % PROVIDERS.len()].0;
        policy = policy.chain(&format!("by-{first}"), &[(first, "m"), (second, "m")], "retry: {max_attempts: 2}");
    }
    policy
}

#[test]
fn what_breaks_its_schema_is_failed_over() {
    let provider = zoo();
    let gateway = Gateway::start(&chained(policy(&provider)));
    for (at, (first, ..)) in PROVIDERS.iter().enumerate() {
        let second = PROVIDERS[(at + 1) % PROVIDERS.len()].0;
        for client in CLIENTS {
            let case = format!("{client} by {first}");
            let answer = gateway.tenant().ask(&ask(client, &format!("by-{first}"), false));
            assert_eq!(answer.head.field("x-throwover-provider"), Some(*first), "{case}: {}", answer.text());
            assert!(names_city(&said(client, &answer.json()).0), "{case}: {}", answer.text());
            provider.fault(first, "wrong-schema");
            let answer = gateway.tenant().ask(&ask(client, &format!("by-{first}"), false));
            assert_eq!(answer.head.field("x-throwover-provider"), Some(second), "{case}: {}", answer.text());
            assert_eq!(answer.head.field("x-throwover-fallback-reason"), Some("schema_violation"), "{case}");
            assert!(names_city(&said(client, &answer.json()).0), "{case}: {}", answer.text());
            let record = gateway.record(answer.head.field("x-request-id").unwrap());
            assert_eq!(record["attempts"][0]["end"], "schema_violation", "{case}: {record}");
            provider.heal(first);
        }
    }
    provider.fault("chat", "wrong-schema");
    provider.fault("items", "wrong-schema");
    let answer = gateway.tenant().ask(&ask("chat", "by-chat", false));
    assert_eq!((answer.head.status, answer.code().as_str()), (502, "provider_schema_violation"), "{}", answer.text());
    assert_eq!(gateway.meter("throwover_form_unchecked_total"), 0.0);
}

#[test]
fn a_stream_that_broke_its_schema_is_flagged() {
    let provider = zoo();
    let mut policy = policy(&provider);
    for (name, ..) in PROVIDERS {
        policy = policy.chain(&format!("on-{name}"), &[(name, "m")], "");
    }
    let gateway = Gateway::start(&policy);
    let mut flawed = 0.0;
    for (name, ..) in PROVIDERS {
        for client in CLIENTS {
            let case = format!("{client} on {name}");
            let chain = format!("on-{name}");
            let answer = gateway.tenant().ask(&ask(client, &chain, true));
            let (text, ended) = streamed(client, &answer);
            assert!(answer.head.status == 200 && ended && names_city(&text), "{case}: {}", answer.text());
            let record = gateway.record(answer.head.field("x-request-id").unwrap());
            assert!(record["outcome"] == "answered" && record["attempts"][0]["detail"].is_null(), "{case}: {record}");
            provider.fault(name, "wrong-schema");
            let answer = gateway.tenant().ask(&ask(client, &chain, true));
            let (text, ended) = streamed(client, &answer);
            assert!(answer.head.status == 200 && ended && !names_city(&text), "{case}: {}", answer.text());
            let record = gateway.record(answer.head.field("x-request-id").unwrap());
            let attempt = &record["attempts"][0];
            assert_eq!(
                (&record["outcome"], &attempt["end"], &attempt["detail"]),
                (&json!("answered"), &json!("answered"), &json!("schema_violation")),
                "{case}"
            );
            provider.heal(name);
            flawed += 1.0;
        }
    }
    assert_eq!(gateway.meter("throwover_flawed_streams_total"), flawed);
    until("an operator is told", || {
        let told = gateway.ask("events", &[("last", "1000")]).data;
        told.as_array()?
            .iter()
            .any(|event| event["kind"] == "schema_violation" && event["details"].to_string().contains("claude/m"))
            .then_some(())
    });
}

/// Half of each counts: when all are flawed, that is a share of half.
#[test]
fn streams_that_break_their_schema_open_the_breaker() {
    let provider = Provider::new();
    let breaker = "breaker: {consecutive: 1000, min_requests: 4, failure_rate: 40%}";
    let gateway = Gateway::start(&Policy::over(&provider).defaults(breaker).chain("c", &[("primary", "m"), ("backup", "m")], ""));
    provider.fault("primary", "wrong-schema");
    for _ in 0..4 {
        let answer = gateway.tenant().ask(&ask("chat", "c", true));
        assert_eq!(answer.head.field("x-throwover-provider"), Some("primary"), "{}", answer.text());
    }
    let answer = gateway.tenant().ask(&ask("chat", "c", true));
    assert_eq!(answer.head.field("x-throwover-provider"), Some("backup"), "{}", answer.text());
    assert!(names_city(&answer.content()), "{}", answer.text());
}

#[test]
fn what_breaks_the_schema_of_a_strict_tool_is_failed_over() {
    let provider = zoo();
    let gateway = Gateway::start(&chained(policy(&provider)));
    for (at, (first, ..)) in PROVIDERS.iter().enumerate() {
        let second = PROVIDERS[(at + 1) % PROVIDERS.len()].0;
        for client in CLIENTS {
            let case = format!("{client} by {first}");
            let chain = format!("by-{first}");
            let answer = gateway.tenant().ask(&ask_to_call(client, &chain, false, true));
            assert_eq!(answer.head.field("x-throwover-provider"), Some(*first), "{case}: {}", answer.text());
            assert!(names_city(&called(client, &answer.json())), "{case}: {}", answer.text());
            provider.fault(first, "wrong-schema");
            let answer = gateway.tenant().ask(&ask_to_call(client, &chain, false, true));
            assert_eq!(answer.head.field("x-throwover-provider"), Some(second), "{case}: {}", answer.text());
            assert_eq!(answer.head.field("x-throwover-fallback-reason"), Some("schema_violation"), "{case}");
            assert!(names_city(&called(client, &answer.json())), "{case}: {}", answer.text());
            let record = gateway.record(answer.head.field("x-request-id").unwrap());
            assert_eq!(record["attempts"][0]["end"], "schema_violation", "{case}: {record}");
            let loose = gateway.tenant().ask(&ask_to_call(client, &chain, false, false));
            assert_eq!(loose.head.field("x-throwover-provider"), Some(*first), "{case}: {}", loose.text());
            assert!(called(client, &loose.json()).contains("wrong"), "{case}: {}", loose.text());
            provider.heal(first);
        }
    }
    assert_eq!(gateway.meter("throwover_form_unchecked_total"), 0.0);
}

#[test]
fn a_stream_that_broke_the_schema_of_a_strict_tool_is_flagged() {
    let provider = zoo();
    let mut policy = policy(&provider);
    for (name, ..) in PROVIDERS {
        policy = policy.chain(&format!("on-{name}"), &[(name, "m")], "");
    }
    let gateway = Gateway::start(&policy);
    let mut flawed = 0.0;
    for (name, ..) in PROVIDERS {
        for client in CLIENTS {
            for (strict, wrong) in [(true, false), (true, true), (false, true)] {
                let case = format!("{client} on {name}: strict {strict}, wrong {wrong}");
                if wrong {
                    provider.fault(name, "wrong-schema");
                }
                let answer = gateway.tenant().ask(&ask_to_call(client, &format!("on-{name}"), true, strict));
                let ended = streamed(client, &answer).1;
                assert!(answer.head.status == 200 && ended, "{case}: {}", answer.text());
                assert_eq!(names_city(&called_in(client, &answer)), !wrong, "{case}: {}", answer.text());
                let record = gateway.record(answer.head.field("x-request-id").unwrap());
                let detail = if strict && wrong { json!("schema_violation") } else { Value::Null };
                assert!(record["outcome"] == "answered" && record["attempts"][0]["detail"] == detail, "{case}: {record}");
                flawed += if strict && wrong { 1.0 } else { 0.0 };
                provider.heal(name);
            }
        }
    }
    assert_eq!(gateway.meter("throwover_flawed_streams_total"), flawed);
}

#[test]
fn who_asks_for_a_schema_loosely_takes_what_comes() {
    let provider = zoo();
    let gateway = Gateway::start(&chained(policy(&provider)));
    for (first, ..) in PROVIDERS {
        provider.fault(first, "wrong-schema");
        for client in ["chat", "responses"] {
            for stream in [false, true] {
                let case = format!("{client} by {first}, stream {stream}");
                let answer = gateway.tenant().ask(&ask_for(client, &format!("by-{first}"), stream, false));
                assert_eq!(answer.head.field("x-throwover-provider"), Some(first), "{case}: {}", answer.text());
                let text = if stream { streamed(client, &answer).0 } else { said(client, &answer.json()).0 };
                assert!(text.contains("wrong"), "{case}: {}", answer.text());
                let record = gateway.record(answer.head.field("x-request-id").unwrap());
                assert!(record["outcome"] == "answered" && record["attempts"][0]["detail"].is_null(), "{case}: {record}");
            }
        }
        provider.heal(first);
    }
    assert_eq!(gateway.meter("throwover_flawed_streams_total"), 0.0);
}
