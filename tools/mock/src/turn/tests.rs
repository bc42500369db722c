use super::*;
use crate::config::Answers;
use crate::http::Request;

fn decided(answers: &Answers, prompt: &Prompt<'_>) -> Turn {
    let request = Request::default();
    let asked = Asked {
        provider: "a",
        answers,
        request: &request,
        body: None,
        model: "m",
        stream: false,
        request_id: "r",
        refuse: false,
        prose: false,
        wrong_schema: false,
    };
    decide(&asked, prompt)
}

fn turn(prompt: &Prompt<'_>) -> Turn {
    decided(&Answers { words: 3, ..Answers::default() }, prompt)
}

fn names(turn: &Turn) -> Vec<&str> {
    turn.calls.iter().map(|call| call.name.as_str()).collect()
}

#[test]
fn markers_shape_the_turn() {
    let asking = |text| Prompt { asks: vec![text], thinks: true, ..Prompt::default() };
    assert_eq!(turn(&asking("mock:words=1 please")).text(), "a says: w0");
    assert_eq!(turn(&asking("mock:think=1")).thinking(), "a thinks: t0");
    let refused = turn(&asking("mock:refuse"));
    assert_eq!((refused.ending, refused.text().as_str()), (Ending::Refused, REFUSAL));
    assert_eq!(turn(&asking("mock:nonsense mock:words=x")).text(), "a says: w0 w1 w2", "what is no marker is text");
}

#[test]
fn tools_are_called_by_marker_and_by_choice() {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let tools = vec![Tool { name: "one", schema: &schema }, Tool { name: "two", schema: &schema }];
    let check = |text: &'static str, choice: Choice<'static>, one_call: bool, expected: &[&str]| {
        let turn = turn(&Prompt { asks: vec![text], tools: tools.clone(), choice, one_call, ..Prompt::default() });
        assert_eq!(names(&turn), expected, "{text} {choice:?}");
        assert_eq!(turn.ending == Ending::Calls, !expected.is_empty());
    };
    check("hi", Choice::Auto, false, &[]);
    check("mock:call", Choice::Auto, false, &["one"]);
    check("mock:call=two", Choice::Auto, false, &["two"]);
    check("mock:call=three", Choice::Auto, false, &[]);
    check("mock:call=two mock:call=one", Choice::Auto, false, &["two", "one"]);
    check("mock:calls=3", Choice::Auto, false, &["one", "two", "one"]);
    check("mock:calls=3", Choice::Auto, true, &["one"]);
    check("mock:calls=3", Choice::Never, false, &[]);
    check("hi", Choice::Any, false, &["one"]);
    check("hi", Choice::Named("two"), false, &["two"]);
    let both = turn(&Prompt { asks: vec!["mock:calls=2 mock:say"], tools, ..Prompt::default() });
    assert_eq!(both.text(), "a says: w0 w1 w2");
    assert_eq!(both.calls[1].text(), r#"{"city":"w1"}"#, "calls can be told apart");
}

#[test]
fn limits_cut_thoughts_first_and_calls_whole() {
    let limited = |tokens_max| turn(&Prompt { thinks: true, tokens_max: Some(tokens_max), ..Prompt::default() });
    assert_eq!((limited(3).thoughts.len(), limited(3).pieces.len()), (3, 0));
    assert_eq!((limited(8).thoughts.len(), limited(8).pieces.len()), (6, 2));
    assert_eq!(limited(8).ending, Ending::Length);
    assert_eq!((limited(11).tokens(), limited(11).ending), (11, Ending::Stop));
}

#[test]
fn prefills_are_continued_unless_the_provider_does_not() {
    let prompt = Prompt { prefill: Some("b says: w0"), ..Prompt::default() };
    assert_eq!(turn(&prompt).text(), " w1 w2");
    let unwilling = Answers { words: 3, prefill: false, ..Answers::default() };
    assert_eq!(decided(&unwilling, &prompt).text(), "a says: w0 w1 w2");
}

#[test]
fn what_came_is_named() {
    let prompt = Prompt {
        images: vec![crate::prompt::image("image/png", "QUJDRA=="), crate::prompt::image_at("https://x.test/a.png")],
        results: vec!["4C".to_owned()],
        ..Prompt::default()
    };
    assert_eq!(turn(&prompt).text(), "a says: [image image/png 4 bytes] [image at https://x.test/a.png] [result 4C] w0 w1 w2");
}
