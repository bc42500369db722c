use super::*;
use crate::dialect::Listener;
use crate::json::escape_into;

/// A part of an answer: text, text of a part of its own, or the arguments of a call.
#[derive(Clone, Copy, Debug)]
enum Said {
    Text(&'static str),
    Part(&'static str),
    Call(&'static str),
}

fn answer(pieces: &[Said], finish: Finish) -> Answer {
    let mut answer = Answer::default();
    for (at, piece) in pieces.iter().enumerate() {
        let (Said::Text(text) | Said::Part(text) | Said::Call(text)) = piece;
        let mut escaped = Vec::new();
        escape_into(&mut escaped, text);
        let text = Str::escaped(&escaped);
        match piece {
            Said::Call(_) => {
                answer.hear(0, Delta::Call { index: at as u32, id: None, name: Str::plain("f"), signature: None });
                answer.hear(0, Delta::Arguments { index: at as u32, text });
            }
            Said::Part(_) => {
                answer.part(0);
                answer.hear(0, Delta::Text(text));
            }
            Said::Text(_) => answer.hear(0, Delta::Text(text)),
        }
    }
    answer.hear(0, Delta::Finish { reason: finish, stop: None });
    answer
}

#[track_caller]
fn check(pieces: &[Said], finish: Finish, fit: Fit) {
    assert_eq!(answer(pieces, finish).fits(Some(Form::Object), &[]), fit, "{pieces:?} {finish:?}");
}

#[test]
fn what_was_to_be_json_is_json() {
    use Said::{Call, Part, Text};
    check(&[Text("{\"a\":"), Text("\"\\n\u{1f642}\"} ")], Finish::Stop, Fit::Kept);
    check(&[Text("{\"a\":")], Finish::Stop, Fit::Broken);
    check(&[Text("{\"a\":")], Finish::Length, Fit::Kept);
    check(&[Text("{\"a\":")], Finish::ContentFilter, Fit::Kept);
    check(&[Text("Sure! {}")], Finish::Stop, Fit::Broken);
    check(&[Text("[1]")], Finish::Stop, Fit::Broken);
    check(&[], Finish::Stop, Fit::Broken);
    check(&[Text("I look that up."), Call("{\"q\":1}")], Finish::ToolCalls, Fit::Kept);
    check(&[Call("{\"q\":")], Finish::ToolCalls, Fit::Broken);
    check(&[Call("")], Finish::ToolCalls, Fit::Kept);
    check(&[Text("I begin."), Part("{}")], Finish::Stop, Fit::Kept);
    check(&[Text("{}"), Part("That is all.")], Finish::Stop, Fit::Broken);
}

const SCHEMA: &[u8] = br#"{"type":"array","items":{"type":"integer"}}"#;

#[test]
fn what_was_to_follow_a_schema_does() {
    let form = Form::Schema { schema: SCHEMA, openapi: false };
    for (text, fit) in [("[1, 2]", Fit::Kept), (" []\n", Fit::Kept), ("[\"a\"]", Fit::Broken), ("{}", Fit::Broken), ("no", Fit::Broken)] {
        assert_eq!(answer(&[Said::Text(text)], Finish::Stop).fits(Some(form), &[]), fit, "{text}");
    }
    assert_eq!(answer(&[Said::Text("[\"a\"")], Finish::Length).fits(Some(form), &[]), Fit::Kept);
    let round = Form::Schema { schema: br##"{"$ref":"#"}"##, openapi: false };
    assert_eq!(answer(&[Said::Text("1")], Finish::Stop).fits(Some(round), &[]), Fit::Beyond);
    assert_eq!(answer(&[Said::Text("no")], Finish::Stop).fits(Some(round), &[]), Fit::Broken);
    let openapi = Form::Schema { schema: br#"{"type":"STRING"}"#, openapi: true };
    assert_eq!(answer(&[Said::Text("1")], Finish::Stop).fits(Some(openapi), &[]), Fit::Broken);
}

#[test]
fn a_stream_is_looked_at_when_it_is_whole() {
    let form = Form::Schema { schema: SCHEMA, openapi: false };
    let gathered = |texts: &[&str]| {
        let mut gatherer = Gatherer::new(Dialect::Openai, Terms::default());
        for text in texts {
            let mut escaped = Vec::new();
            escape_into(&mut escaped, text);
            let escaped = String::from_utf8(escaped).unwrap();
            gatherer.event(None, format!(r#"{{"choices":[{{"index":0,"delta":{{"content":"{escaped}"}}}}]}}"#).as_bytes());
        }
        gatherer.event(None, br#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#);
        gatherer.event(None, b"[DONE]");
        gatherer.answer().map(|answer| answer.fits(Some(form), &[]))
    };
    assert_eq!(gathered(&["[1", ",2]"]), Some(Fit::Kept));
    assert_eq!(gathered(&["[1", ",\"a\"]"]), Some(Fit::Broken));
    let long = "1,".repeat(GATHERED_SIZE_MAX / 4);
    assert_eq!(gathered(&["[", &long, &long, &long, "\"a\"]"]), None);
}

const NEEDS_A: &[u8] = br#"{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"],"additionalProperties":false}"#;

fn strict(name: &'static str, schema: &'static [u8]) -> Strict<'static> {
    Strict { name: Str::plain(name), arguments: Form::Schema { schema, openapi: false } }
}

#[test]
fn a_strict_tool_is_called_by_the_letter() {
    use Said::{Call, Text};
    let tools = [strict("e", b"false"), strict("f", NEEDS_A)];
    for (pieces, finish, fit) in [
        (&[Call("{\"a\":1}")][..], Finish::ToolCalls, Fit::Kept),
        (&[Call(" {\"\\u0061\": 1.0}\n")], Finish::Stop, Fit::Kept),
        (&[Text("I look."), Call("{\"a\":1}"), Call("{\"a\":2}")], Finish::ToolCalls, Fit::Kept),
        (&[Call("{\"a\":\"1\"}")], Finish::ToolCalls, Fit::Broken),
        (&[Call("{\"a\":1}"), Call("{\"a\":1,\"b\":2}")], Finish::Stop, Fit::Broken),
        (&[Call("{\"a\":")], Finish::ToolCalls, Fit::Broken),
        (&[Call("[1]")], Finish::ToolCalls, Fit::Broken),
        (&[Call("")], Finish::ToolCalls, Fit::Broken),
        (&[Call("{\"a\":")], Finish::Length, Fit::Kept),
        (&[Text("Any text.")], Finish::Stop, Fit::Kept),
        (&[], Finish::Stop, Fit::Kept),
    ] {
        assert_eq!(answer(pieces, finish).fits(None, &tools), fit, "{pieces:?} {finish:?}");
    }
    // Any object, where it has no schema, and nothing at all is one.
    let plain = [Strict { name: Str::plain("f"), arguments: Form::Object }];
    for (arguments, fit) in [("", Fit::Kept), ("{\"b\":[]}", Fit::Kept), ("[]", Fit::Broken), ("no", Fit::Broken)] {
        assert_eq!(answer(&[Call(arguments)], Finish::ToolCalls).fits(None, &plain), fit, "{arguments}");
    }
    // However its name is written.
    let escaped = [Strict { name: Str::escaped(br"\u0066"), ..strict("f", NEEDS_A) }];
    let called = answer(&[Call("{}")], Finish::ToolCalls);
    assert_eq!((called.fits(None, &escaped), called.calls(escaped[0].name), called.calls(Str::plain("F"))), (Fit::Broken, true, false));
}

#[test]
fn no_other_tool_is_called_by_the_letter() {
    let others = [strict("g", NEEDS_A)];
    let called = |arguments| answer(&[Said::Call(arguments)], Finish::ToolCalls);
    for arguments in ["{}", "[1]", "no"] {
        assert_eq!(called(arguments).fits(None, &others), Fit::Kept, "{arguments}");
    }
    // With a form, any tool is called with an object.
    assert_eq!(called("no").fits(Some(Form::Object), &others), Fit::Broken);
    assert_eq!(called("{}").fits(Some(Form::Object), &[strict("f", NEEDS_A)]), Fit::Broken);
}

#[test]
fn arguments_may_be_an_object_of_the_answer_itself() {
    let tools = [strict("f", NEEDS_A)];
    for (json, fit) in [("{\"a\":1}", Fit::Kept), ("{\"a\":\"\\\"\"}", Fit::Broken), ("{}", Fit::Broken)] {
        let mut answer = Answer::default();
        answer.hear(0, Delta::Call { index: 0, id: None, name: Str::plain("f"), signature: None });
        answer.hear(0, Delta::Object { index: 0, json: json.as_bytes() });
        answer.hear(0, Delta::Finish { reason: Finish::Stop, stop: None });
        assert_eq!(answer.fits(None, &tools), fit, "{json}");
    }
}

#[test]
fn calls_beyond_a_bound_are_not_looked_at() {
    use Said::Call;
    let tools = [strict("f", NEEDS_A)];
    let mut pieces = vec![Call("{\"a\":1}"); STRICT_CALLS_MAX as usize - 1];
    pieces.push(Call("{}"));
    assert_eq!(answer(&pieces, Finish::ToolCalls).fits(None, &tools), Fit::Broken);
    pieces.insert(0, Call("{\"a\":1}"));
    assert_eq!(answer(&pieces, Finish::ToolCalls).fits(None, &tools), Fit::Beyond);
    let round = [strict("f", br##"{"$ref":"#"}"##)];
    assert_eq!(answer(&[Call("{}")], Finish::ToolCalls).fits(None, &round), Fit::Beyond);
    assert_eq!(answer(&[Call("{}"), Call("no")], Finish::ToolCalls).fits(None, &round), Fit::Broken);
    // What all of them take together is bounded as well.
    let list: &'static str = format!("[{}0]", "0,".repeat(20_000)).leak();
    let numbers = [strict("f", br#"{"items":{"type":"integer"}}"#)];
    assert_eq!(answer(&[Call(list)], Finish::ToolCalls).fits(None, &numbers), Fit::Kept);
    assert_eq!(answer(&[Call(list); 8], Finish::ToolCalls).fits(None, &numbers), Fit::Beyond);
    let deep: &'static str = format!("{}1{}", "[".repeat(100), "]".repeat(100)).leak();
    assert_eq!(answer(&[Call(deep)], Finish::ToolCalls).fits(None, &numbers), Fit::Beyond);
}

/// A tool that was renamed on its way is called by its own name, and of one call at a time the first counts.
#[test]
fn calls_of_a_stream_are_looked_at_on_its_terms() {
    let gathered = |one_call: bool, calls: &[&str]| {
        let terms = Terms { one_call, renamed: vec![(b"f_1".as_slice().into(), b"f".as_slice().into())], ..Terms::default() };
        let mut gatherer = Gatherer::new(Dialect::Openai, terms);
        let mut chunk = |delta: String, finish: &str| {
            gatherer.event(None, format!(r#"{{"choices":[{{"index":0,"delta":{delta},"finish_reason":{finish}}}]}}"#).as_bytes());
        };
        for (at, value) in calls.iter().enumerate() {
            let begin = format!(r#"{{"index":{at},"id":"c{at}","type":"function","function":{{"name":"f_1","arguments":"{{\"a\""}}}}"#);
            chunk(format!(r#"{{"tool_calls":[{begin}]}}"#), "null");
            chunk(format!(r#"{{"tool_calls":[{{"index":{at},"function":{{"arguments":":{value}}}"}}}}]}}"#), "null");
        }
        chunk("{}".to_owned(), "\"tool_calls\"");
        gatherer.event(None, b"[DONE]");
        gatherer.answer().map(|answer| answer.fits(None, &[strict("f", NEEDS_A)]))
    };
    assert_eq!(gathered(false, &["1", "2"]), Some(Fit::Kept));
    assert_eq!(gathered(false, &["1", "true"]), Some(Fit::Broken));
    assert_eq!(gathered(true, &["1", "true"]), Some(Fit::Kept));
    assert_eq!(gathered(true, &["true"]), Some(Fit::Broken));
}
