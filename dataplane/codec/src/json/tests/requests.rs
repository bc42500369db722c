use super::*;

fn facts(text: &str) -> Result<Facts, Code> {
    crate::fuzz::json_request(text.as_bytes());
    let mut scan = RequestScan::new();
    scan.feed(text.as_bytes()).and_then(|()| scan.finish().cloned()).map_err(|refusal| refusal.code)
}

#[test]
fn a_whole_request() {
    let text = r#" {"model":"gpt-5.6","messages":[{"role":"user","content":"Hi \u00e9"}],
        "stream":true,"stream_options":{"include_usage":true},"max_completion_tokens":512,
        "n":2,"tools":[{"type":"function"}],"response_format":{"type":"json_object"},
        "reasoning_effort":"low"}"#;
    let found = facts(text).unwrap();
    assert_eq!(found.model.as_ref().map(Text::as_str), Some("gpt-5.6"));
    assert_eq!(&text[found.model_range.clone()], "\"gpt-5.6\"");
    assert!(found.stream && found.include_usage && !found.empty);
    assert_eq!(&text[found.stream_options.clone().unwrap()], "{\"include_usage\":true}");
    assert_eq!(found.open, 2);
    assert_eq!((found.max_tokens, found.n), (Some(512), Some(2)));
    assert!(found.tools && found.response_format && found.reasoning);
    let sizes = ["gpt-5.6", "user", "Hi \\u00e9", "function", "json_object", "low"].map(str::len);
    assert_eq!(found.prompt_bytes, sizes.iter().sum::<usize>() as u64);
}

#[test]
fn members() {
    type Check = fn(&Facts) -> bool;
    let table: [(&str, Check); 33] = [
        ("{}", |f| f.empty && f.open == 1 && f.model.is_none()),
        ("{ }", |f| f.empty),
        ("\n{\"a\":1}", |f| !f.empty && f.open == 2),
        (r#"{"model":""}"#, |f| f.model.as_ref().is_some_and(Text::is_empty)),
        (r#"{"model":"a\/b\u0041\ud83d\ude00"}"#, |f| f.model.as_ref().is_some_and(|m| m.as_str() == "a/bA\u{1f600}")),
        (r#"{"mod\u0065l":"x"}"#, |f| f.model.as_ref().is_some_and(|m| m.as_str() == "x")),
        (r#"{"metadata":{"model":"x"}}"#, |f| f.model.is_none()),
        (r#"{"x":["model","y"]}"#, |f| f.model.is_none()),
        (r#"{"stream":false}"#, |f| !f.stream),
        (r#"{"stream":null}"#, |f| !f.stream),
        (r#"{"x":{"stream":true}}"#, |f| !f.stream),
        (r#"{"stream_options":null}"#, |f| f.stream_options == Some(18..22) && !f.include_usage),
        (r#"{"stream_options":{}}"#, |f| f.stream_options == Some(18..20) && !f.include_usage),
        (r#"{"stream_options":{"include_usage":false}}"#, |f| !f.include_usage),
        (r#"{"stream_options":{"include_usage":1}}"#, |f| !f.include_usage),
        (r#"{"stream_options":{"include_usage":true,"include_usage":false}}"#, |f| !f.include_usage),
        (r#"{"stream_options":{"x":{"include_usage":true}}}"#, |f| !f.include_usage),
        (r#"{"stream_options":{"include_usage":{"a":true}}}"#, |f| !f.include_usage),
        (r#"{"stream_options":{"include_usage":[true]}}"#, |f| !f.include_usage),
        (r#"{"stream_options":[{"include_usage":true}]}"#, |f| !f.include_usage),
        (r#"{"a":{"include_usage":true}}"#, |f| !f.include_usage),
        (r#"{"max_tokens":5,"max_completion_tokens":9}"#, |f| f.max_tokens == Some(9)),
        (r#"{"max_output_tokens":7}"#, |f| f.max_tokens == Some(7)),
        (r#"{"max_tokens":"5"}"#, |f| f.max_tokens.is_none()),
        (r#"{"max_tokens":-5,"n":1.5}"#, |f| f.max_tokens.is_none() && f.n.is_none()),
        (r#"{"max_tokens":18446744073709551615}"#, |f| f.max_tokens == Some(u64::MAX)),
        (r#"{"max_tokens":18446744073709551616}"#, |f| f.max_tokens.is_none()),
        (r#"{"tools":null,"response_format":null,"reasoning":null}"#, |f| !f.tools && !f.response_format && !f.reasoning),
        (r#"{"functions":[]}"#, |f| f.tools),
        (r#"{"tools":{}}"#, |f| f.tools),
        (r#"{"reasoning":{"effort":"x"}}"#, |f| f.reasoning && f.prompt_bytes == 1),
        (r#"{"a":"12345","b":["678"],"c":{"long key":"9"}}"#, |f| f.prompt_bytes == 9),
        (r#"{"x":[[[{"y":[1,{"z":null}]}]]],"stream":true}"#, |f| f.stream),
    ];
    for (text, check) in table {
        let found = facts(text).unwrap_or_else(|code| panic!("{code:?}: {text}"));
        assert!(check(&found), "{text}: {found:?}");
    }
}

#[test]
fn refusals() {
    use Code::*;
    let table = [
        ("[]", NotAnObject),
        ("1", NotAnObject),
        ("null", NotAnObject),
        ("\"x\"", NotAnObject),
        (r#"{"a":1,"a":2}"#, DuplicateKey),
        (r#"{"model":"x","mod\u0065l":"y"}"#, DuplicateKey),
        (r#"{"\ud83d\ude00":1,"😀":2}"#, DuplicateKey),
        (r#"{"":1,"":2}"#, DuplicateKey),
        (r#"{"model":1}"#, ModelInvalid),
        (r#"{"model":null}"#, ModelInvalid),
        (r#"{"model":["x"]}"#, ModelInvalid),
        (r#"{"model":{"x":1}}"#, ModelInvalid),
        (r#"{"model":"\ud800"}"#, ModelInvalid),
        (r#"{"stream":1}"#, StreamInvalid),
        (r#"{"stream":"true"}"#, StreamInvalid),
        (r#"{"stream":[true]}"#, StreamInvalid),
        (r#"{"stream":{}}"#, StreamInvalid),
    ];
    for (text, expected) in table {
        assert_eq!(facts(text), Err(expected), "{text}");
    }
    // Names may repeat further down, where the gateway reads nothing.
    assert!(facts(r#"{"a":{"b":1,"b":2},"b":[{"a":1}]}"#).is_ok());
}

#[test]
fn limits() {
    let model = |size| format!("{{\"model\":\"{}\"}}", "m".repeat(size));
    assert_eq!(facts(&model(MODEL_SIZE_MAX)).unwrap().model.unwrap().as_bytes().len(), MODEL_SIZE_MAX);
    assert_eq!(facts(&model(MODEL_SIZE_MAX + 1)), Err(Code::ModelTooLong));
    // What counts is the name after unescaping.
    let escaped = format!("{{\"model\":\"{}\"}}", "\\u006d".repeat(MODEL_SIZE_MAX));
    assert_eq!(facts(&escaped).unwrap().model.unwrap().as_str(), "m".repeat(MODEL_SIZE_MAX));

    let key = |size| format!("{{\"{}\":1}}", "k".repeat(size));
    assert!(facts(&key(256)).is_ok());
    assert_eq!(facts(&key(257)), Err(Code::KeyTooLong));
    let deep = format!("{{\"a\":{}}}", key(5000));
    assert!(facts(&deep).is_ok());

    let keys = |count| {
        let members: Vec<String> = (0..count).map(|index| format!("\"k{index}\":{index}")).collect();
        format!("{{{}}}", members.join(","))
    };
    assert!(facts(&keys(KEYS_MAX)).is_ok());
    assert_eq!(facts(&keys(KEYS_MAX + 1)), Err(Code::TooManyKeys));
}
