use super::*;
use crate::dialect::{Delta, Listener};
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
    assert_eq!(answer(pieces, finish).fits(Form::Object), fit, "{pieces:?} {finish:?}");
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
        assert_eq!(answer(&[Said::Text(text)], Finish::Stop).fits(form), fit, "{text}");
    }
    assert_eq!(answer(&[Said::Text("[\"a\"")], Finish::Length).fits(form), Fit::Kept);
    let round = Form::Schema { schema: br##"{"$ref":"#"}"##, openapi: false };
    assert_eq!(answer(&[Said::Text("1")], Finish::Stop).fits(round), Fit::Beyond);
    assert_eq!(answer(&[Said::Text("no")], Finish::Stop).fits(round), Fit::Broken);
    let openapi = Form::Schema { schema: br#"{"type":"STRING"}"#, openapi: true };
    assert_eq!(answer(&[Said::Text("1")], Finish::Stop).fits(openapi), Fit::Broken);
}

#[test]
fn a_stream_is_looked_at_when_it_is_whole() {
    let form = Form::Schema { schema: SCHEMA, openapi: false };
    let gathered = |texts: &[&str]| {
        let mut gatherer = Gatherer::new(Dialect::Openai, None);
        for text in texts {
            let mut escaped = Vec::new();
            escape_into(&mut escaped, text);
            let escaped = String::from_utf8(escaped).unwrap();
            gatherer.event(None, format!(r#"{{"choices":[{{"index":0,"delta":{{"content":"{escaped}"}}}}]}}"#).as_bytes());
        }
        gatherer.event(None, br#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#);
        gatherer.event(None, b"[DONE]");
        gatherer.fits(form)
    };
    assert_eq!(gathered(&["[1", ",2]"]), Fit::Kept);
    assert_eq!(gathered(&["[1", ",\"a\"]"]), Fit::Broken);
    let long = "1,".repeat(GATHERED_SIZE_MAX / 4);
    assert_eq!(gathered(&["[", &long, &long, &long, "\"a\"]"]), Fit::Beyond);
}
