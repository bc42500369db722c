use super::*;
use crate::explain::rehearsal::tests::prepared;
use engine::judge::Family;

#[test]
fn words_of_events_are_those_of_records() {
    for (word, event) in EVENTS {
        assert_eq!(judge::transport(*event).detail, *word);
        assert!(Class::from_word(word).is_none(), "`{word}` is a class as well");
    }
}

#[test]
fn every_class_comes_out_as_itself_from_most_providers() {
    for &class in Class::ALL {
        let verdict = match usual(class) {
            Usual::Event(event) => judge::transport(event),
            Usual::Status(status, code) => {
                let fields = ErrorFields { kind: Some(code), code: Some(code), ..ErrorFields::default() };
                judge::answer(Family::Openai, status, &fields, None, None)
            }
        };
        assert_eq!(verdict.class, class);
    }
}

#[test]
fn failures_as_they_are_written() {
    let prepared = prepared();
    let read = |text: &str| Failures::read(text, &prepared).unwrap().0;
    let status = |status, code: &str, retry_after_ms| How::Status { status, code: code.to_owned(), retry_after_ms };
    let provider = |name: &str| Who::Provider(name.to_owned());
    for (text, how) in [
        ("429:openai", status(429, "", None)),
        ("429/insufficient_quota:openai", status(429, "insufficient_quota", None)),
        ("429;retry_after=7:openai", status(429, "", Some(7_000))),
        ("503/x;retry_after=500ms:openai", status(503, "x", Some(500))),
        ("rate_limit;retry_after=2m:openai", How::Class { class: Class::RateLimit, retry_after_ms: Some(120_000) }),
        ("tls:openai", How::Class { class: Class::Tls, retry_after_ms: None }),
        (" resolve : openai ", How::Event(Transport::Resolve)),
    ] {
        assert_eq!(read(text), [Failure { how, who: provider("openai") }], "{text}");
    }
    let two = read("500:openai, empty:openai/gpt-4.1,");
    assert_eq!(two[1].who, Who::Target("openai/gpt-4.1".to_owned()));
    // A model that only the request names.
    assert_eq!(read("500:own/llama3:8b")[0].who, Who::Target("own/llama3:8b".to_owned()));
}

#[test]
fn what_cannot_be_read_is_told_with_what_can() {
    let prepared = prepared();
    for (text, expected) in [
        ("429", "does not say whose"),
        ("timeoud:openai", "did you mean `timeout`?"),
        ("zzz:openai", "connect, tls, reset, timeout, stream_cut, rate_limit"),
        ("zzz:openai", "connect_refused, connect_timeout"),
        ("200:openai", "200 is no status of an error"),
        ("99999:openai", "there is no failure `99999`"),
        ("429:opnai", "did you mean `openai`?"),
        ("429:mistral", "the providers are anthropic"),
        ("429;after=7:openai", "`;after=7` is not understood"),
        ("429;retry_after=soon:openai", "is not understood"),
        ("429;retry_after=99d:openai", "longer than anybody waits"),
        ("timeout/x:openai", "only a status has one"),
        ("timeout;retry_after=7:openai", "without an answer"),
        ("429:openai,500:openai", "fails in two ways"),
    ] {
        let told = Failures::read(text, &prepared).unwrap_err();
        assert!(told.contains(expected), "{text}: {told}");
    }
    let many: Vec<String> = (0..=FAILURES_MAX).map(|at| format!("500:own/m{at}")).collect();
    assert!(Failures::read(&many.join(","), &prepared).unwrap_err().contains("65 failures"));
}
