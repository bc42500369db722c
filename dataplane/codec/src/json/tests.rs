//! Tables of JSON texts: the grammar of RFC 8259, then what the scans find in them.

use proptest::prelude::*;

use super::*;

mod answers;
mod requests;

fn verdict(text: &[u8]) -> Result<(), (Code, usize)> {
    let mut scan = AnswerScan::new();
    scan.feed(text).and_then(|()| scan.finish().map(|_| ())).map_err(|refusal| (refusal.code, refusal.offset))
}

#[test]
fn grammar_accepted() {
    let table: [&str; 41] = [
        // RFC 8259 2, 3.
        "null",
        "true",
        "false",
        "0",
        "\"\"",
        "{}",
        "[]",
        " null ",
        "\t\r\n[ ]\n",
        "[[]]",
        "[{}]",
        "{\"\":{}}",
        "[1,2]",
        "[ 1 , 2 ]",
        "{\"a\":1}",
        "{ \"a\" : 1 , \"b\" : [ ] }",
        "[null,true,false]",
        // RFC 8259 6.
        "-0",
        "-1",
        "10",
        "0.5",
        "-0.0",
        "1e5",
        "1E+5",
        "1e-05",
        "0e0",
        "123456789012345678901234567890",
        "1.5e300",
        // RFC 8259 7, 8.
        "\"a\"",
        "\"\u{e9}\u{20ac}\u{1f600}\"",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\\u00e9\\uD83D\\uDE00\"",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"\\udc00x\"",
        "\"\\ud800\\ud800\\udc00\"",
        "\"\u{7f}\"",
        "\"\u{2028}\"",
        "\"\u{feff}\"",
        "{\"\\ud83d\\ude00\":1}",
        "{\"a\":1,\"a\":2}",
    ];
    for text in table {
        assert_eq!(verdict(text.as_bytes()), Ok(()), "{text}");
        crate::fuzz::json_answer(text.as_bytes());
    }
}

#[test]
fn grammar_refused() {
    use Code::*;
    let table: [(&[u8], Code, usize); 75] = [
        (b"", Incomplete, 0),
        (b" ", Incomplete, 1),
        (b"{", Incomplete, 1),
        (b"[1", Incomplete, 2),
        (b"[1,", Incomplete, 3),
        (b"\"a", Incomplete, 2),
        (b"{\"a\"", Incomplete, 4),
        (b"{\"a\":", Incomplete, 5),
        (b"tru", Incomplete, 3),
        (b"\"\\", Incomplete, 2),
        (b"\"\\u00", Incomplete, 5),
        (b"\"\xc3", Incomplete, 2),
        (b"[1]]", Syntax, 3),
        (b"[1}", Syntax, 2),
        (b"{\"a\":1]", Syntax, 6),
        (b"]", Syntax, 0),
        (b"}", Syntax, 0),
        (b",", Syntax, 0),
        (b":", Syntax, 0),
        (b"1 2", Syntax, 2),
        (b"{}{}", Syntax, 2),
        (b"[,]", Syntax, 1),
        (b"[1,]", Syntax, 3),
        (b"[1 2]", Syntax, 3),
        (b"[1:2]", Syntax, 2),
        (b"{,}", Syntax, 1),
        (b"{\"a\":1,}", Syntax, 7),
        (b"{\"a\" 1}", Syntax, 5),
        (b"{\"a\",1}", Syntax, 4),
        (b"{\"a\":}", Syntax, 5),
        (b"{1:2}", Syntax, 1),
        (b"{a:1}", Syntax, 1),
        (b"{'a':1}", Syntax, 1),
        (b"{null:1}", Syntax, 1),
        (b"nul", Incomplete, 3),
        (b"nulL", Syntax, 3),
        (b"True", Syntax, 0),
        (b"NaN", Syntax, 0),
        (b"Infinity", Syntax, 0),
        (b"-Infinity", Syntax, 1),
        (b"undefined", Syntax, 0),
        (b"nullx", Syntax, 4),
        (b"// c\n1", Syntax, 0),
        (b"1 /* c */", Syntax, 2),
        (b"\x0b1", Syntax, 0),
        (b"\xc2\xa01", Syntax, 0),
        (b"\xef\xbb\xbf1", Syntax, 0),
        (b"1\0", Syntax, 1),
        // RFC 8259 6.
        (b"01", Syntax, 1),
        (b"-01", Syntax, 2),
        (b"-", Syntax, 1),
        (b"+1", Syntax, 0),
        (b".5", Syntax, 0),
        (b"1.", Syntax, 2),
        (b"1.e5", Syntax, 2),
        (b"1e", Syntax, 2),
        (b"1e+", Syntax, 3),
        (b"1e5.5", Syntax, 3),
        (b"0x1", Syntax, 1),
        (b"1_0", Syntax, 1),
        (b"--1", Syntax, 1),
        (b"[-]", Syntax, 2),
        // RFC 8259 7.
        (b"\"\n\"", Control, 1),
        (b"\"a\tb\"", Control, 2),
        (b"\"\0\"", Control, 1),
        (b"\"\\x41\"", Escape, 2),
        (b"\"\\'\"", Escape, 2),
        (b"\"\\u00g0\"", Escape, 5),
        (b"\"\\U0041\"", Escape, 2),
        // RFC 8259 8.1: overlong, surrogate, beyond Unicode, lone continuation.
        (b"\"\xc0\x80\"", Utf8, 1),
        (b"\"\xed\xa0\x80\"", Utf8, 1),
        (b"\"\xf4\x90\x80\x80\"", Utf8, 1),
        (b"\"a\x80\"", Utf8, 2),
        (b"\"\xe2\x82\"", Utf8, 1),
        // RFC 8259 8.2.
        (b"{\"\\ud800\":1}", LoneSurrogate, 8),
    ];
    for (text, code, offset) in table {
        assert_eq!(verdict(text), Err((code, offset)), "{}", text.escape_ascii());
        crate::fuzz::json_answer(text);
        crate::fuzz::json_request(text);
    }
}

#[test]
fn depth() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |depth: usize| {
            let inner = if open == "[" { "" } else { "1" };
            format!("{}{inner}{}", open.repeat(depth), close.repeat(depth)).into_bytes()
        };
        assert_eq!(verdict(&nested(DEPTH_MAX)), Ok(()));
        let refused = verdict(&nested(DEPTH_MAX + 1)).map_err(|(code, _)| code);
        assert_eq!(refused, Err(Code::Depth));
        let endless = verdict(open.repeat(100_000).as_bytes()).map_err(|(code, _)| code);
        assert_eq!(endless, Err(Code::Depth));
    }
}

#[test]
fn runs_end_where_a_bytewise_reader_ends() {
    for size in 0..120 {
        for special in [b'"', b'\\', 0, 0x1f, b'\n'] {
            for (fill, ascii) in [(b'x', true), (b' ', true), (0x7f, true), (0x80, false), (0xff, false)] {
                let mut bytes = vec![fill; size + 40];
                bytes[size] = special;
                // What follows must not count.
                bytes[size + 1..].fill(0xf1);
                for from in 0..=size.min(9) {
                    assert_eq!(plain::run(&bytes, from), (size, ascii || from == size), "{size} {special} {fill}");
                }
                let unended = vec![fill; size];
                assert_eq!(plain::run(&unended, 0), (size, ascii || size == 0));
            }
        }
    }
}

#[test]
fn texts_are_cut_at_characters() {
    let text: Text<4> = Text::new("a\u{20ac}\u{20ac}".as_bytes());
    assert_eq!(text.as_str(), "a\u{20ac}");
    let text: Text<3> = Text::new("\u{1f600}".as_bytes());
    assert!(text.is_empty());
    assert_eq!(format!("{:?}", Text::<4>::new(b"ab")), "\"ab\"");
}

#[test]
fn codes_say_something() {
    for code in Code::ALL {
        assert_eq!(Code::ALL.iter().filter(|other| other.code() == code.code()).count(), 1);
        assert!(code.message().ends_with('.'));
        assert!(code.param().is_none_or(|param| code.message().contains(param)));
    }
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        (-1e300..1e300_f64).prop_map(Into::into),
        ".{0,20}".prop_map(Into::into),
    ];
    leaf.prop_recursive(6, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::hash_map(".{0,8}", inner, 0..6).prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_serde_writes_is_accepted(value in any_json(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
        prop_assert_eq!(verdict(&text), Ok(()));
        crate::fuzz::json_answer(&text);
        crate::fuzz::json_request(&text);
    }

    #[test]
    fn escapes_round_trip(text in ".{0,100}") {
        crate::fuzz::escape(&text);
        let mut written = b"\"".to_vec();
        escape_into(&mut written, &text);
        written.push(b'"');
        prop_assert_eq!(serde_json::from_slice::<String>(&written).unwrap(), text);
    }
}

#[test]
fn escapes_of_control_characters() {
    let mut out = Vec::new();
    escape_into(&mut out, "a\"\\\n\r\t\u{0}\u{1f}\u{7f}\u{e9}/");
    assert_eq!(out, "a\\\"\\\\\\n\\r\\t\\u0000\\u001f\u{7f}\u{e9}/".as_bytes());
}

#[test]
fn long_strings_end_where_they_end() {
    for at in [0, 1, 7, 8, 31, 32, 33, 63, 64, 100, 299] {
        for (byte, expected) in [(0x1f, Err((Code::Control, at + 1))), (0, Err((Code::Control, at + 1))), (b'\x7f', Ok(())), (b'"', Ok(()))]
        {
            let mut text = vec![b'a'; 302];
            (text[0], text[301]) = (b'"', b'"');
            text[at + 1] = byte;
            if byte == b'"' {
                text.truncate(at + 2);
            }
            assert_eq!(verdict(&text), expected, "{at}: {}", text.escape_ascii());
        }
        let mut text = vec![b'a'; 302];
        (text[0], text[301]) = (b'"', b'"');
        text[at + 1] = 0xff;
        assert_eq!(verdict(&text).map_err(|(code, _)| code), Err(Code::Utf8), "{at}");
    }
}
