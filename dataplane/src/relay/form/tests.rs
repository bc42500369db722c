//! What requests ask for, by dialect.

use super::*;
use codec::dialect::{Tree, read_prompt};

#[track_caller]
fn of(dialect: Dialect, body: &str) -> Form {
    let mut tree = Tree::new();
    let root = tree.read(body.as_bytes()).unwrap_or_else(|refusal| panic!("{body}: {refusal:?}"));
    Form::of(&read_prompt(dialect, root, false).unwrap_or_else(|unread| panic!("{body}: {unread:?}")), body.as_bytes())
}

/// The names of the strict tools of a request, and the schemas of their arguments, as they stand in it.
fn strict<'b>(form: &Form, body: &'b str) -> Vec<(&'b str, Option<&'b str>)> {
    let text = |span: Span| &body[span.start as usize..(span.start + span.size) as usize];
    let tools = form.0.iter().flat_map(|demand| &demand.strict);
    tools.map(|tool| (text(tool.name), tool.schema.map(|schema| text(schema.at)))).collect()
}

#[test]
fn only_tools_that_say_so_are_strict() {
    let chat = r#"{"messages":[],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"},"strict":true}},
        {"type":"function","function":{"name":"g","parameters":{"type":"object"}}},{"type":"function","function":{"name":"h","strict":true}}]}"#;
    assert_eq!(strict(&of(Dialect::Openai, chat), chat), [("f", Some(r#"{"type":"object"}"#)), ("h", None)]);
    let responses = r#"{"input":"q","tools":[{"type":"function","name":"f","parameters":{},"strict":true},{"type":"function","name":"g","parameters":{}}]}"#;
    assert_eq!(strict(&of(Dialect::Responses, responses), responses), [("f", Some("{}"))]);
    let messages = r#"{"max_tokens":9,"messages":[],"tools":[{"name":"f","input_schema":{},"strict":true},{"name":"g","input_schema":{},"strict":false}]}"#;
    assert_eq!(strict(&of(Dialect::Anthropic, messages), messages), [("f", Some("{}"))]);
    let gemini = r#"{"toolConfig":{"functionCallingConfig":{"mode":"VALIDATED"}},"contents":[],"tools":[{"functionDeclarations":[{"name":"f","parameters":{}},{"name":"g"}]}]}"#;
    assert_eq!(strict(&of(Dialect::Gemini, gemini), gemini), [("f", Some("{}")), ("g", None)]);
    assert!(of(Dialect::Gemini, &gemini.replace("VALIDATED", "ANY")).is_free());
    for (dialect, body) in [(Dialect::Openai, chat), (Dialect::Responses, responses), (Dialect::Anthropic, messages)] {
        assert!(of(dialect, &body.replace(r#""strict":true"#, r#""strict":false"#)).is_free(), "{body}");
    }
}

#[test]
fn a_schema_holds_unless_the_request_says_that_it_need_not() {
    let chat =
        |strict: &str| format!(r#"{{"messages":[],"response_format":{{"type":"json_schema","json_schema":{{"schema":{{}}{strict}}}}}}}"#);
    let responses = |strict: &str| format!(r#"{{"input":"q","text":{{"format":{{"type":"json_schema","schema":{{}}{strict}}}}}}}"#);
    for (said, free) in [("", false), (r#","strict":true"#, false), (r#","strict":null"#, false), (r#","strict":false"#, true)] {
        assert_eq!(of(Dialect::Openai, &chat(said)).is_free(), free, "{said}");
        assert_eq!(of(Dialect::Responses, &responses(said)).is_free(), free, "{said}");
    }
    assert!(!of(Dialect::Openai, r#"{"messages":[],"response_format":{"type":"json_object"}}"#).is_free());
    assert!(of(Dialect::Openai, r#"{"messages":[],"response_format":{"type":"text"}}"#).is_free());
}

#[test]
fn so_many_strict_tools_are_looked_at_and_the_others_are_known_to_be_there() {
    let body = |count: usize| {
        let tools: Vec<String> = (0..count).map(|at| format!(r#"{{"name":"f{at}","input_schema":{{}},"strict":true}}"#)).collect();
        format!(r#"{{"max_tokens":9,"messages":[],"tools":[{}]}}"#, tools.join(","))
    };
    for (count, more) in [(STRICT_TOOLS_MAX, false), (STRICT_TOOLS_MAX + 1, true)] {
        let demand = of(Dialect::Anthropic, &body(count)).0.expect("there are strict tools");
        assert_eq!((demand.strict.len(), demand.more), (STRICT_TOOLS_MAX, more));
    }
}

#[test]
fn only_what_lies_in_the_body_has_a_place_there() {
    let body = b"0123456789";
    assert_eq!(Span::of(&body[3..7], body), Some(Span { start: 3, size: 4 }));
    assert_eq!(Span::of(&body[10..], body), Some(Span { start: 10, size: 0 }));
    assert_eq!(Span::of(&body[3..7], &body[..6]), None);
    assert_eq!(Span::of(&body[..4], &body[2..]), None);
}
