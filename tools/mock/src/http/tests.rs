use super::*;

#[test]
fn heads_are_read_or_refused() {
    let check = |text: &str, expected: Result<Option<(Framing, bool)>, BadRequest>| {
        let parsed = parse_head(text.as_bytes());
        let seen = parsed.map(|head| head.map(|head| (head.framing, head.request.keep_alive)));
        assert_eq!(seen, expected, "{text:?}");
    };
    check("GET / HTTP/1.1\r\n", Ok(None));
    check("GET / HTTP/1.1\r\n\r\n", Ok(Some((Framing::Length(0), true))));
    check("GET / HTTP/1.0\r\n\r\n", Ok(Some((Framing::Length(0), false))));
    check("GET / HTTP/1.1\r\nconnection: Close\r\n\r\n", Ok(Some((Framing::Length(0), false))));
    check("POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\n", Ok(Some((Framing::Length(3), true))));
    check("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", Ok(Some((Framing::Chunked, true))));
    check("POST / HTTP/1.1\r\ncontent-length: +3\r\n\r\n", Err(BadRequest::Length));
    check("POST / HTTP/1.1\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\n", Err(BadRequest::Length));
    check("POST / HTTP/1.1\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n", Err(BadRequest::Length));
    check("POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n", Err(BadRequest::Length));
    check("POST / HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n", Err(BadRequest::BodyTooLarge));
    check("\u{1}\u{2}\r\n\r\n", Err(BadRequest::Head));
    check(&format!("GET / HTTP/1.1\r\n{}", "a: b\r\n".repeat(101)), Err(BadRequest::HeadTooLarge));
    check(&format!("GET / HTTP/1.1\r\na: {}", "x".repeat(HEAD_BYTES_MAX)), Err(BadRequest::HeadTooLarge));
}

#[test]
fn chunks_are_read_or_refused() {
    let check = |text: &str, expected: Result<Chunk, BadRequest>| {
        assert_eq!(next_chunk(text.as_bytes()), expected, "{text:?}");
    };
    check("a", Ok(Chunk::Partial));
    check("a;x=y\r\n", Ok(Chunk::Data { skip: 7, size: 10 }));
    check("0\r\n", Ok(Chunk::Partial));
    check("0\r\n\r\n", Ok(Chunk::End { skip: 5 }));
    check("0\r\na: b\r\n\r\n", Ok(Chunk::End { skip: 11 }));
    check("zz\r\n", Err(BadRequest::Chunk));
    check("fffffffff\r\n", Err(BadRequest::BodyTooLarge));
}

#[test]
fn dates_are_dates() {
    let check = |seconds: u64, expected: &str| {
        assert_eq!(date(UNIX_EPOCH + std::time::Duration::from_secs(seconds)), expected);
    };
    check(0, "Thu, 01 Jan 1970 00:00:00 GMT");
    check(784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT");
    check(1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT");
    check(1_767_225_599, "Wed, 31 Dec 2025 23:59:59 GMT");
}

#[test]
fn keys_and_queries_are_found() {
    let request = |name: &str, value: &str| Request {
        target: "/log?provider=a&since=7".to_owned(),
        headers: vec![(name.to_owned(), value.to_owned())],
        ..Request::default()
    };
    assert_eq!(request("Authorization", "bearer sk-1").key(), Some("sk-1"));
    assert_eq!(request("Authorization", "Basic sk-1").key(), None);
    assert_eq!(request("api-key", "sk-2").key(), Some("sk-2"));
    assert_eq!(request("a", "b").query("since"), Some("7"));
    assert_eq!(request("a", "b").query("sin"), None);
    assert_eq!(request("a", "b").path(), "/log");
}
