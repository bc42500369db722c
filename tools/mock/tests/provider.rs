//! A well provider: dialect, connections, TLS, admin port, log.

mod caller;

use base64::Engine as _;
use caller::{Caller, End, World, chat_body, chat_text, data_lines};
use mock::journal::Outcome;
use mock::{Addresses, Answers, CertificateKind};
use serde_json::{Value, json};

#[test]
fn chat_answers_in_one_piece_and_in_order() {
    let world = World::new();
    let mut caller = world.call();
    let first = caller.ask("/v1/chat/completions", &chat_body("gpt-4o", false));
    let again = caller.ask("/v1/chat/completions", &chat_body("gpt-4o", false));
    assert_eq!(first.body, again.body, "equal requests get equal answers");
    let answer = first.json();
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(answer["model"], "gpt-4o");
    assert_eq!(answer["choices"][0]["message"]["content"], "a says: w0 w1 w2 w3 w4 w5 w6 w7");
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    assert_eq!(answer["usage"]["completion_tokens"], 10);
    for name in ["x-request-id", "openai-processing-ms", "openai-version", "x-ratelimit-remaining-tokens"] {
        assert!(first.header(name).is_some(), "{name}");
    }
    assert_ne!(first.header("x-request-id"), again.header("x-request-id"));
}

#[test]
fn chat_streams_role_content_finish_usage_done() {
    let world = World::new();
    let mut body = chat_body("gpt-4o", true);
    body["stream_options"] = json!({"include_usage": true});
    let reply = world.call().ask("/v1/chat/completions", &body);
    assert_eq!(reply.header("content-type"), Some("text/event-stream; charset=utf-8"));
    let data = reply.data();
    assert_eq!(chat_text(&data), "a says: w0 w1 w2 w3 w4 w5 w6 w7");
    let chunk = |index: usize| serde_json::from_str::<Value>(&data[index]).unwrap();
    assert_eq!(chunk(0)["choices"][0]["delta"]["role"], "assistant");
    assert!(chunk(0)["usage"].is_null() && chunk(0).get("usage").is_some());
    assert_eq!(chunk(data.len() - 3)["choices"][0]["finish_reason"], "stop");
    assert_eq!(chunk(data.len() - 2)["choices"], json!([]));
    assert_eq!(chunk(data.len() - 2)["usage"]["total_tokens"], 17);
    assert_eq!(data.last().unwrap(), "[DONE]");
}

#[test]
fn tools_are_called_when_the_request_insists() {
    let world = World::new();
    let mut body = chat_body("gpt-4o", false);
    body["tools"] = json!([{"type": "function", "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}
    }}]);
    let mut caller = world.call();
    let left = caller.ask("/v1/chat/completions", &body).json();
    assert!(left["choices"][0]["message"]["content"].is_string(), "left to choose, it talks");
    body["tool_choice"] = json!("required");
    let whole = caller.ask("/v1/chat/completions", &body).json();
    let call = &whole["choices"][0]["message"]["tool_calls"][0];
    assert_eq!(call["function"], json!({"name": "get_weather", "arguments": "{\"city\":\"w0\"}"}));
    assert_eq!(whole["choices"][0]["finish_reason"], "tool_calls");
    body["stream"] = json!(true);
    let data = caller.ask("/v1/chat/completions", &body).data();
    let deltas = data.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let calls: Vec<Value> = deltas.map(|chunk| chunk["choices"][0]["delta"]["tool_calls"][0].clone()).filter(|c| !c.is_null()).collect();
    let arguments: String = calls.iter().map(|call| call["function"]["arguments"].as_str().unwrap()).collect();
    assert_eq!(arguments, "{\"city\":\"w0\"}");
    assert_eq!(calls.iter().filter(|call| call.get("id").is_some()).count(), 1);
}

#[test]
fn limits_prefills_choices_and_schemas_shape_the_text() {
    let world = World::new();
    let mut caller = world.call();
    let mut ask = |change: &dyn Fn(&mut Value)| {
        let mut body = chat_body("gpt-4o", false);
        change(&mut body);
        caller.ask("/v1/chat/completions", &body).json()
    };
    let cut = ask(&|body| body["max_completion_tokens"] = json!(3));
    assert_eq!(cut["choices"][0]["message"]["content"], "a says: w0");
    assert_eq!(cut["choices"][0]["finish_reason"], "length");
    let rest = ask(&|body| {
        let prefill = json!({"role": "assistant", "content": "b says: w0 w1 w2"});
        body["messages"].as_array_mut().unwrap().push(prefill);
    });
    assert_eq!(rest["choices"][0]["message"]["content"], " w3 w4 w5 w6 w7");
    let three = ask(&|body| body["n"] = json!(3));
    assert_eq!(three["choices"].as_array().unwrap().len(), 3);
    let shaped = ask(&|body| {
        body["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": {
            "type": "object", "properties": {"n": {"type": "integer"}, "l": {"type": "array", "items": {"enum": ["e"]}}}
        }}});
    });
    let text = shaped["choices"][0]["message"]["content"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), json!({"n": 0, "l": ["e"]}));
}

#[test]
fn answers_have_the_exact_size_that_was_asked_for() {
    let world = World::with(Answers { body_bytes: 5000, ..Answers::default() });
    let mut caller = world.call();
    for (path, body) in [
        ("/v1/chat/completions", chat_body("m", false)),
        ("/v1/completions", json!({"model": "m", "prompt": "hi"})),
        ("/v1/responses", json!({"model": "m", "input": "hi"})),
    ] {
        let reply = caller.ask(path, &body);
        assert_eq!(reply.body.len(), 5000, "{path}");
        assert!(reply.json().is_object());
    }
}

#[test]
fn embeddings_are_equal_as_floats_and_as_base64() {
    let world = World::new();
    let mut caller = world.call();
    let mut body = json!({"model": "e", "input": ["one", "two"], "dimensions": 8});
    let floats = caller.ask("/v1/embeddings", &body).json();
    assert_eq!(floats["data"].as_array().unwrap().len(), 2);
    assert_ne!(floats["data"][0]["embedding"], floats["data"][1]["embedding"]);
    body["encoding_format"] = json!("base64");
    let coded = caller.ask("/v1/embeddings", &body).json();
    for index in 0..2 {
        let text = coded["data"][index]["embedding"].as_str().unwrap();
        let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
        let decoded: Vec<f32> = bytes.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
        let plain: Vec<f32> = serde_json::from_value(floats["data"][index]["embedding"].clone()).unwrap();
        assert_eq!(decoded, plain);
        let length: f32 = plain.iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-3);
    }
}

#[test]
fn responses_stream_is_numbered_and_complete() {
    let world = World::new();
    let body = json!({"model": "gpt-4o", "input": "hi", "stream": true});
    let text = world.call().ask("/v1/responses", &body).text();
    let events: Vec<Value> = data_lines(&text).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], index);
        assert!(text.contains(&format!("event: {}\n", event["type"].as_str().unwrap())));
    }
    let joined: String =
        events.iter().filter(|event| event["type"] == "response.output_text.delta").map(|event| event["delta"].as_str().unwrap()).collect();
    assert_eq!(joined, "a says: w0 w1 w2 w3 w4 w5 w6 w7");
    assert_eq!(events[0]["type"], "response.created");
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.completed");
    assert_eq!(last["response"]["output"][0]["content"][0]["text"], joined);
    assert_eq!(last["response"]["usage"]["output_tokens"], 10);
}

#[test]
fn wrong_requests_get_the_errors_that_openai_gives() {
    let world = World::with(Answers {
        keys: vec!["sk-good-key-of-a-tenant".to_owned()],
        models: vec!["gpt-4o".to_owned()],
        context_limit: 10,
        ..Answers::default()
    });
    let mut caller = world.call();
    let mut check = |key: &str, body: &str, status: u16, code: Value| {
        let headers = if key.is_empty() { String::new() } else { format!("authorization: Bearer {key}\r\n") };
        caller.request("POST", "/v1/chat/completions", &headers, body);
        let reply = caller.reply();
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (status, &code), "{body}");
    };
    let good = "sk-good-key-of-a-tenant";
    let body = chat_body("gpt-4o", false).to_string();
    check("", &body, 401, Value::Null);
    check("sk-bad", &body, 401, json!("invalid_api_key"));
    check(good, &body, 200, Value::Null);
    check(good, "{\"model\": ", 400, Value::Null);
    check(good, "{\"messages\": []}", 400, Value::Null);
    check(good, "{\"model\":\"gpt-4o\"}", 400, json!("missing_required_parameter"));
    check(good, "{\"model\":\"gpt-4o\",\"messages\":[]}", 400, json!("empty_array"));
    check(good, &chat_body("gpt-9", false).to_string(), 404, json!("model_not_found"));
    let long = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "x".repeat(100)}]});
    check(good, &long.to_string(), 400, json!("context_length_exceeded"));
    caller.request("GET", "/v1/models/gpt-9", &format!("authorization: Bearer {good}\r\n"), "");
    assert_eq!(caller.reply().status, 404);
    caller.request("POST", "/v1/nothing", &format!("authorization: Bearer {good}\r\n"), "{}");
    assert_eq!(caller.reply().status, 404);
}

#[test]
fn connections_are_kept_and_bodies_may_be_chunked() {
    let world = World::new();
    let mut caller = world.call();
    for stream in [true, false, true] {
        caller.chat(stream);
        assert_eq!(caller.reply().status, 200);
    }
    let body = chat_body("m", false).to_string();
    let (left, right) = body.split_at(20);
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    caller.send(head.as_bytes());
    caller.send(format!("{:x};ext=1\r\n{left}\r\n", left.len()).as_bytes());
    caller.send(format!("{:X}\r\n{right}\r\n0\r\ntrailer: x\r\n\r\n", right.len()).as_bytes());
    assert_eq!(caller.reply().status, 200);
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n", body.len());
    caller.send(head.as_bytes());
    assert_eq!(caller.reply().status, 100);
    caller.send(body.as_bytes());
    assert_eq!(caller.reply().status, 200);
    assert_eq!(world.counter("accepted"), 1);
    let last = world.settled();
    assert_eq!((last.request_on_connection, last.body_bytes), (5, body.len() as u64));
    caller.send(b"NOT HTTP\r\n\r\n");
    assert_eq!(caller.reply().status, 400);
    assert_eq!(caller.rest().1, End::Clean);
}

#[test]
fn tls_is_trusted_resumed_and_renewed() {
    let world = World::new();
    let trust = world.trust();
    for _ in 0..2 {
        let mut caller = Caller::secure(world.tls_address(), trust.clone()).unwrap();
        caller.chat(true);
        assert_eq!(caller.reply().status, 200);
    }
    assert_eq!((world.counter("handshakes_full"), world.counter("handshakes_resumed")), (1, 1));
    assert!(world.settled().tls);
    world.admin.set_certificate("a", CertificateKind::Expired).unwrap();
    let refused = Caller::secure(world.tls_address(), trust).err();
    assert!(refused.is_some(), "tickets of the old certificate do not lead past the new one");
    world.until("the refusal is counted", |world| (world.counter("handshakes_failed") == 1).then_some(()));
}

#[test]
fn hang_ups_are_seen_while_streaming_and_while_waiting() {
    let world = World::with(Answers { words: 1000, gap_ms: 5, ..Answers::default() });
    let mut caller = world.call_tls();
    caller.chat(true);
    caller.read_until(|bytes| caller::find(bytes, b"w3").is_some()).unwrap();
    drop(caller);
    let entry = world.settled();
    assert_eq!((entry.outcome, entry.hung_up), (Outcome::HungUp, true));
    assert!(entry.sent_events < 1000);
    assert_eq!(world.counter("in_flight"), 0);
    let state = world.admin.provider("a").unwrap();
    assert!(state["last_hang_up_ms_ago"].is_u64(), "{state}");
}

#[test]
fn the_log_shows_requests_and_hides_credentials() {
    let world = World::new();
    let mut caller = world.call();
    for key in ["sk-abcdefghijkl1234", "sk-abcdefghijkl1234", "sk-zyxwvutsrqpo1234"] {
        caller.chat_with(&format!("authorization: Bearer {key}\r\nx-other: seen\r\n"), false);
        assert_eq!(caller.reply().status, 200);
    }
    let log = world.log();
    let shown = |index: usize, name: &str| {
        let found = log[index].headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone()).unwrap()
    };
    assert_eq!(shown(0, "authorization"), shown(1, "authorization"));
    assert_ne!(shown(0, "authorization"), shown(2, "authorization"));
    assert!(shown(0, "authorization").starts_with("Bearer …1234#"));
    assert_eq!(shown(0, "x-other"), "seen");
    assert!(log[0].body.as_deref().unwrap().contains("Oslo"));
    let (since, next) = world.admin.log(Some("a"), log[1].sequence).unwrap();
    assert_eq!((since.len(), next), (1, log[2].sequence));
    assert!(world.admin.log(Some("b"), 0).unwrap().0.is_empty());
    world.admin.reset().unwrap();
    assert!(world.log().is_empty());
}

#[test]
fn the_admin_port_explains_what_is_wrong() {
    let world = World::new();
    let refused = |method: &str, path: &str, body: Value| world.admin.call(method, path, Some(&body)).unwrap_err().to_string();
    assert!(refused("PUT", "/providers/c/faults", json!([])).contains("there are a, b"));
    let typo = refused("PUT", "/providers/a/faults", json!(["lattency"]));
    assert!(typo.contains("did you mean `latency`"), "{typo}");
    let typo = refused("PUT", "/providers/a/faults", json!([{"kind": "latency", "sec": 1}]));
    assert!(typo.contains("it takes ms, spread, p99_ms"), "{typo}");
    assert!(refused("PUT", "/providers/a/answers", json!({"wrods": 1})).contains("wrods"));
    assert!(refused("GET", "/nothing", json!(null)).contains("/providers/{name}/faults"));
    world.admin.set_answers("a", &json!({"words": 1})).unwrap();
    let mut caller = world.call();
    caller.chat(false);
    assert_eq!(caller.reply().json()["choices"][0]["message"]["content"], "a says: w0");
    let kinds = world.admin.call("GET", "/faults", None).unwrap();
    assert_eq!(kinds["faults"].as_array().unwrap().len(), mock::fault::KINDS.len());
}

#[test]
fn the_ports_file_tells_where_everything_listens() {
    let world = World::new();
    let text = std::fs::read(world.folder.join("ports.json")).unwrap();
    let written: Addresses = serde_json::from_slice(&text).unwrap();
    assert_eq!(&written, world.zoo.addresses());
    assert!(written.provider("b").unwrap().ca.as_ref().unwrap().is_absolute());
}
