//! Heads: every cutting gives one result, and nothing is accepted that `httparse` or a reader of a
//! few lines refuses.
#![no_main]

use codec::{
    fuzz,
    head::{self, Framing, Version},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fuzz::request_head(bytes);
    fuzz::response_head(bytes);
    if let Ok(Some((request, used))) = head::request(bytes, 32 << 10) {
        let lead = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
        let head = &bytes[lead..used];
        tokenizer_agrees(head, &request, bytes);
        plain_reader_agrees(head, &request);
    }
    if let Ok(Some((response, used))) = head::response(bytes, 64 << 10) {
        let mut slots = [httparse::EMPTY_HEADER; 128];
        let mut other = httparse::Response::new(&mut slots);
        assert_eq!(other.parse(&bytes[..used]), Ok(httparse::Status::Complete(used)), "{}", bytes.escape_ascii());
        assert_eq!(other.code, Some(response.status));
    }
});

fn tokenizer_agrees(head: &[u8], request: &head::Request, bytes: &[u8]) {
    let mut slots = [httparse::EMPTY_HEADER; 128];
    let mut other = httparse::Request::new(&mut slots);
    assert_eq!(other.parse(head), Ok(httparse::Status::Complete(head.len())), "{}", head.escape_ascii());
    assert_eq!(other.path.map(str::as_bytes), Some(request.target.of(bytes)));
    assert_eq!(other.version, Some(u8::from(request.version == Version::Http11)));
}

/// Reads the head as RFC 9112 says it in so many words, and only what it says.
fn plain_reader_agrees(head: &[u8], request: &head::Request) {
    let shown = head.escape_ascii().to_string();
    let text = head.strip_suffix(b"\r\n\r\n").expect("a head ends with a blank line");
    let text: String = text.iter().map(|&byte| char::from(byte)).collect();
    let mut lines = text.split("\r\n");
    let first: Vec<&str> = lines.next().expect("there is a first line").split(' ').collect();
    assert_eq!(first.len(), 3, "{shown}");
    assert!(is_token(first[0]) && ["HTTP/1.0", "HTTP/1.1"].contains(&first[2]), "{shown}");
    let mut values: Vec<(String, &str)> = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("a field without a colon: {shown}"));
        assert!(is_token(name), "{shown}");
        let sound = |letter: char| letter == '\t' || (letter >= ' ' && letter != '\x7f');
        assert!(value.chars().all(sound), "{shown}");
        values.push((name.to_ascii_lowercase(), value.trim_matches([' ', '\t'])));
    }
    assert!(values.len() <= head::FIELDS_MAX, "{shown}");
    let all = |wanted: &str| values.iter().filter(|(name, _)| name == wanted).map(|(_, value)| *value).collect::<Vec<_>>();
    let (hosts, lengths, codings) = (all("host"), all("content-length"), all("transfer-encoding"));
    assert!(hosts.len() <= 1 && (hosts.len() == 1 || request.version == Version::Http10), "{shown}");
    let framing = match (&lengths[..], &codings[..]) {
        ([], []) => Framing::None,
        ([length], []) => {
            assert!(length.bytes().all(|byte| byte.is_ascii_digit()), "{shown}");
            match length.parse().unwrap_or_else(|_| panic!("a length that is no number: {shown}")) {
                0 => Framing::None,
                length => Framing::Length(length),
            }
        }
        ([], [coding]) if coding.eq_ignore_ascii_case("chunked") && request.version == Version::Http11 => Framing::Chunked,
        _ => panic!("accepted with two framings: {shown}"),
    };
    assert_eq!(request.framing, framing, "{shown}");
    let closes = all("connection").iter().flat_map(|list| list.split(',')).any(|word| word.trim().eq_ignore_ascii_case("close"));
    assert!(!closes || !request.keep_alive, "{shown}");
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter))
}
