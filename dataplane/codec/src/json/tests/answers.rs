use super::*;

fn facts(text: &str) -> AnswerFacts {
    crate::fuzz::json_answer(text.as_bytes());
    let mut scan = AnswerScan::new();
    scan.feed(text.as_bytes()).unwrap();
    *scan.finish().unwrap()
}

#[test]
fn a_chat_answer() {
    let text = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-5.6","choices":[
        {"index":0,"message":{"role":"assistant","content":null,"refusal":null,"annotations":[],
        "tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]},
        "logprobs":null,"finish_reason":"tool_calls"},{"index":1,"finish_reason":"length"}],
        "usage":{"prompt_tokens":57,"completion_tokens":20,"total_tokens":77,
        "prompt_tokens_details":{"cached_tokens":8,"audio_tokens":0},
        "completion_tokens_details":{"reasoning_tokens":3}}}"#;
    let expected = AnswerFacts {
        usage: Some(Usage { input: Some(57), output: Some(20), total: Some(77), cached: Some(8), cache_write: None, reasoning: Some(3) }),
        has_choices: true,
        choices_count: 2,
        finish: Some(Finish::ToolCalls),
        tool: true,
        ..AnswerFacts::default()
    };
    assert_eq!(facts(text), expected);
}

#[test]
fn a_responses_answer() {
    let text = r#"{"id":"resp_1","status":"incomplete","error":null,"text":{"format":{"type":"text"}},
        "incomplete_details":{"reason":"max_output_tokens"},"model":"m","output":[
        {"content":[{"type":"reasoning_text","text":"hm"}],"type":"reasoning","summary":[]},
        {"type":"message","content":[{"type":"output_text","text":"x","annotations":[]}]}],
        "usage":{"input_tokens":1,"input_tokens_details":{"cached_tokens":0},"output_tokens":2,
        "output_tokens_details":{"reasoning_tokens":1},"total_tokens":3}}"#;
    let found = facts(text);
    assert_eq!((found.status, found.finish), (Some(Status::Incomplete), Some(Finish::Length)));
    assert!(found.text && found.reasoning && !found.tool && !found.error && !found.delta);
    let usage = found.usage.unwrap();
    assert_eq!((usage.input, usage.output, usage.cached, usage.reasoning), (Some(1), Some(2), Some(0), Some(1)));
}

#[test]
fn content() {
    type Check = fn(&AnswerFacts) -> bool;
    let table: [(&str, Check); 30] = [
        (r#"{"choices":[]}"#, |f| f.has_choices && f.choices_count == 0 && !f.has_content()),
        (r#"{"choices":{}}"#, |f| !f.has_choices),
        (r#"{"choices":[{"message":{"content":"x"}}]}"#, |f| f.text),
        (r#"{"choices":[{"message":{"content":""}}]}"#, |f| !f.has_content()),
        (r#"{"choices":[{"message":{"content":null}}]}"#, |f| !f.has_content()),
        (r#"{"choices":[{"message":{"content":"\u0041"}}]}"#, |f| f.text),
        (r#"{"choices":[{"delta":{"content":"x"}}]}"#, |f| f.text),
        (r#"{"choices":[{"delta":{"content":[{"type":"text","text":"x"}]}}]}"#, |f| f.text),
        (r#"{"choices":[{"delta":{"content":{"type":"text","text":"x"}}}]}"#, |f| f.text),
        (r#"{"choices":[{"delta":{"content":[{"type":"thinking","thinking":"x"}]}}]}"#, |f| f.reasoning && !f.text),
        (r#"{"choices":[{"delta":{"content":[]}}]}"#, |f| !f.has_content()),
        (r#"{"choices":[{"text":"x"}]}"#, |f| f.text),
        (r#"{"choices":[{"delta":{"refusal":"no"}}]}"#, |f| f.refusal && !f.text),
        (r#"{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}"#, |f| f.tool),
        (r#"{"choices":[{"delta":{"tool_calls":[]}}]}"#, |f| !f.tool),
        (r#"{"choices":[{"delta":{"tool_calls":null}}]}"#, |f| !f.tool),
        (r#"{"choices":[{"delta":{"function_call":{"name":"f"}}}]}"#, |f| f.tool),
        (r#"{"choices":[{"delta":{"audio":{"data":"AA"}}}]}"#, |f| f.audio),
        (r#"{"choices":[{"delta":{"reasoning_content":"x"}}]}"#, |f| f.reasoning && !f.has_content()),
        (r#"{"choices":[{"delta":{"reasoning":"x","content":""}}]}"#, |f| f.reasoning && !f.text),
        (r#"{"choices":[{"finish_reason":["stop"]}]}"#, |f| f.finish.is_none()),
        (r#"{"choices":[{"logprobs":{"content":[{"text":"x"}]}}]}"#, |f| !f.text),
        (r#"{"choices":[[{"message":{"content":"x"}}]]}"#, |f| !f.text),
        (r#"{"x":{"choices":[{"message":{"content":"x"}}]}}"#, |f| !f.text && !f.has_choices),
        (r#"{"output":[{"type":"message","content":[{"type":"refusal","refusal":"no"}]}]}"#, |f| f.refusal),
        (r#"{"output":[{"type":"function_call","name":"f","arguments":""}]}"#, |f| f.tool),
        (r#"{"output":[]}"#, |f| !f.has_content()),
        (r#"{"usage":null}"#, |f| f.usage.is_none()),
        (r#"{"usage":{}}"#, |f| f.usage == Some(Usage::default())),
        (r#"{"usage":{"prompt_tokens":1.5,"total_tokens":-1}}"#, |f| f.usage == Some(Usage::default())),
    ];
    for (text, check) in table {
        let found = facts(text);
        assert!(check(&found), "{text}: {found:?}");
    }
}

#[test]
fn finish_reasons_and_states() {
    let reason = |word: &str| facts(&format!(r#"{{"choices":[{{"finish_reason":"{word}"}}]}}"#)).finish;
    let table = [
        ("stop", Finish::Stop),
        ("eos", Finish::Stop),
        ("length", Finish::Length),
        ("tool_calls", Finish::ToolCalls),
        ("function_call", Finish::ToolCalls),
        ("content_filter", Finish::ContentFilter),
        ("error", Finish::Error),
        ("insufficient_system_resource", Finish::Error),
        ("new", Finish::Other),
    ];
    for (word, expected) in table {
        assert_eq!(reason(word), Some(expected), "{word}");
    }
    assert_eq!(reason(""), None);
    let status = |word: &str| facts(&format!(r#"{{"status":"{word}"}}"#)).status;
    let table = [
        ("completed", Status::Completed),
        ("failed", Status::Failed),
        ("cancelled", Status::Cancelled),
        ("queued", Status::Running),
        ("in_progress", Status::Running),
        ("?", Status::Other),
    ];
    for (word, expected) in table {
        assert_eq!(status(word), Some(expected), "{word}");
    }
}

#[test]
fn errors_in_answers() {
    let table = [
        (r#"{"error":null}"#, false, "", "", ""),
        (r#"{"error":{}}"#, true, "", "", ""),
        (r#"{"error":{"type":"t","code":"c","message":"m"}}"#, true, "t", "c", "m"),
        (r#"{"error":{"code":503,"message":"a\"b"}}"#, true, "", "503", "a\"b"),
        (r#"{"error":"text"}"#, true, "", "", "text"),
        (r#"{"error":true}"#, true, "", "", ""),
        (r#"{"choices":[{"error":{"message":"x"}}]}"#, false, "", "", ""),
    ];
    for (text, error, kind, code, message) in table {
        assert_eq!(facts(text).error, error, "{text}");
        if error {
            let found = read_error(text.as_bytes());
            assert_eq!((found.kind.as_str(), found.code.as_str(), found.message.as_str()), (kind, code, message), "{text}");
        }
    }
}

#[test]
fn error_bodies() {
    // Body; kind, code, param, message.
    let table = [
        (r#"{"error":{"message":"m","type":"t","param":"p","code":"c"}}"#, ["t", "c", "p", "m"]),
        (r#"{"error":{"message":"m","type":null,"param":null,"code":null}}"#, ["", "", "", "m"]),
        (r#"{"error":{"code":400,"message":"m","status":"INVALID"}}"#, ["INVALID", "400", "", "m"]),
        (r#"[{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}]"#, ["UNAVAILABLE", "503", "", "m"]),
        (r#"{"error":"text"}"#, ["", "", "", "text"]),
        (r#"{"code":"Client specified","error":"text"}"#, ["", "Client specified", "", "text"]),
        (r#"{"message":"m","type":"t","param":"p","code":"c"}"#, ["t", "c", "p", "m"]),
        (r#"{"detail":"d"}"#, ["", "", "", "d"]),
        (r#"{"detail":[{"loc":["body"],"msg":"d","type":"missing"}]}"#, ["", "", "", "d"]),
        (r#"{"status":429,"title":"t","detail":"d"}"#, ["", "", "", "t"]),
        (r#"{"title":"t","message":"m"}"#, ["", "", "", "m"]),
        (r#"{"message":"outer","error":{"message":"inner"}}"#, ["", "", "", "inner"]),
        (r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#, ["overloaded_error", "", "", "m"]),
        (r#"{"error":{"message":"m","innererror":{"code":"X","message":"y"}}}"#, ["", "", "", "m"]),
        (r#"{"error":{"message":"m","metadata":{"message":"y"}},"user_id":"u"}"#, ["", "", "", "m"]),
        (r#"{"error":{"message":"m","cut off"#, ["", "", "", "m"]),
        (r#"{"error":{"message":"a\u00e9\n"}}"#, ["", "", "", "a\u{e9}\n"]),
        ("<html>503</html>", ["", "", "", ""]),
        ("", ["", "", "", ""]),
        ("\"text\"", ["", "", "", ""]),
    ];
    for (body, expected) in table {
        crate::fuzz::classify(None, body.as_bytes());
        let found = read_error(body.as_bytes());
        let fields = [found.kind.as_str(), found.code.as_str(), found.param.as_str(), found.message.as_str()];
        assert_eq!(fields, expected, "{body}");
        assert_eq!(found.is_empty(), expected == [""; 4]);
    }
    let long = format!(r#"{{"error":{{"message":"{}","code":"{}"}}}}"#, "é".repeat(400), "c".repeat(100));
    let found = read_error(long.as_bytes());
    assert_eq!((found.message.as_bytes().len(), found.code.as_bytes().len()), (512, 64));
}
