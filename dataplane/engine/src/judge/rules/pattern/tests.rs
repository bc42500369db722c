use super::*;
use regex::RegexBuilder;

fn found(pattern: &str, text: &str, cut: bool) -> bool {
    let mut patterns = Patterns::default();
    let place = patterns.add(pattern).unwrap();
    let lowered = text.to_ascii_lowercase();
    let subject = Subject { text: lowered.as_bytes(), grams: Grams::of(lowered.as_bytes()), cut };
    patterns.found(&place, &subject)
}

#[test]
fn patterns_are_found() {
    let table = [
        ("abc", "xABCx", true),
        ("abc", "ab", false),
        ("^abc$", "abc", true),
        ("^abc$", "abcd", false),
        ("^(a|bc)$", "bc", true),
        ("^a$|^b$", "b", true),
        ("^a$|^b$", "ab", false),
        ("on-demand isn.t", "On-demand isn’t", true),
        ("a.?c", "ac", true),
        ("a.?c", "a’c", true),
        ("a.?c", "abbc", false),
        ("model .*gone", "the model `x` is gone", true),
        ("model .*gone", "gone is the model x", false),
        ("x.*aba$", "xababa", true),
        ("^a.*b$", "a b c", false),
        ("^a.*b$", "a c b", true),
        (".+", "é", true),
        (".+", "", false),
        ("a.+", "a", false),
        ("a.+", "ab", true),
        (r"^5\d\d$", "503", true),
        (r"^5\d\d$", "5031", false),
        (r"endpoints\.predict", "endpoints.predict", true),
        (r"endpoints\.predict", "endpoints-predict", false),
        ("(api|workspace)? ?(api )?usage", "usage", true),
        ("specified (api|workspace)? ?(api )?usage limits", "specified workspace api usage limits", true),
        ("one.two", "one\ntwo", true),
    ];
    for (pattern, text, expected) in table {
        let regex = RegexBuilder::new(pattern).case_insensitive(true).dot_matches_new_line(true).build().unwrap();
        assert_eq!(regex.is_match(text), expected, "the table errs about {pattern} in {text}");
        assert_eq!(found(pattern, text, false), expected, "{pattern} in {text}");
    }
}

#[test]
fn an_end_that_was_cut_off_is_not_seen() {
    assert!(!found("^abc$", "abc", true));
    assert!(found("^abc", "abc", true) && found("abc", "abc", true));
}

#[test]
fn what_cannot_be_said_is_refused() {
    for pattern in ["a*", "[ab]", "a{2}", "(a", "a)", "a||b", "", "a?", r"\w", r"a\", "+", "é", "a^b", "a$b", "(a?b?c?d?e?f?g?h?)x"] {
        assert!(Patterns::default().add(pattern).is_err(), "{pattern}");
    }
    assert_eq!(NoPattern { at: 3, complaint: "something" }.to_string(), "something at byte 3");
}
