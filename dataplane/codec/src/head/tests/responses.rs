use super::*;

fn read(head: &[u8]) -> Result<Option<Response>, Fault> {
    response(head, 64 * 1024).map(|found| found.map(|(head, _)| head))
}

#[test]
fn framings() {
    use Framing::{Chunked, Length, UntilClose};
    // Status line and fields; framing, reusable, informational.
    let table = [
        // RFC 9112 6.3.
        ("HTTP/1.1 200 OK|Content-Length: 5", Length(5), true, false),
        ("HTTP/1.1 200 |Content-Length: 5", Length(5), true, false),
        ("HTTP/1.1 200|Content-Length: 5", Length(5), true, false),
        ("HTTP/1.1 200 OK|Content-Length: 0", Framing::None, true, false),
        ("HTTP/1.1 200 OK|Transfer-Encoding: chunked", Chunked, true, false),
        ("HTTP/1.1 200 OK|transfer-encoding: CHUNKED", Chunked, true, false),
        ("HTTP/1.1 200 OK", UntilClose, false, false),
        ("HTTP/1.1 200 OK|Content-Length: 5|Connection: close", Length(5), false, false),
        ("HTTP/1.1 200 OK|Content-Length: 5|Connection: x, Close", Length(5), false, false),
        ("HTTP/1.1 200 OK|Content-Length: 5|Connection: keep-alive", Length(5), true, false),
        ("HTTP/1.0 200 OK|Content-Length: 5", Length(5), false, false),
        ("HTTP/1.0 200 OK|Content-Length: 5|Connection: keep-alive", Length(5), false, false),
        ("HTTP/1.0 200 OK", UntilClose, false, false),
        ("HTTP/1.1 204 No Content", Framing::None, true, false),
        ("HTTP/1.1 204 No Content|Content-Length: 5", Framing::None, false, false),
        ("HTTP/1.1 204 No Content|Transfer-Encoding: chunked", Framing::None, false, false),
        ("HTTP/1.1 304 Not Modified|Content-Length: 5", Framing::None, true, false),
        ("HTTP/1.1 100 Continue", Framing::None, true, true),
        ("HTTP/1.1 103 Early Hints|Link: x", Framing::None, true, true),
        ("HTTP/1.1 100 Continue|Content-Length: 5", Framing::None, false, true),
        ("HTTP/1.1 599 \u{e4}|Content-Length: 5", Length(5), true, false),
    ];
    for (head, framing, reusable, informational) in table {
        let found = match read(&lines(head)) {
            Ok(Some(found)) => found,
            other => panic!("{head}: {other:?}"),
        };
        assert_eq!((found.framing, found.reusable, found.informational), (framing, reusable, informational), "{head}");
    }
}

#[test]
fn faults() {
    use Fault::*;
    let table = [
        // RFC 9112 6.3.
        ("HTTP/1.1 200 OK|Content-Length: 5|Content-Length: 5", Length),
        ("HTTP/1.1 200 OK|Content-Length: 5, 5", Length),
        ("HTTP/1.1 200 OK|Content-Length: -1", Length),
        ("HTTP/1.1 200 OK|Content-Length:", Length),
        ("HTTP/1.1 204 No Content|Content-Length: x", Length),
        ("HTTP/1.1 200 OK|Content-Length: 5|Transfer-Encoding: chunked", LengthAndEncoding),
        ("HTTP/1.1 200 OK|Transfer-Encoding: gzip, chunked", Encoding),
        ("HTTP/1.1 200 OK|Transfer-Encoding: identity", Encoding),
        ("HTTP/1.1 200 OK|Transfer-Encoding: chunked|Transfer-Encoding: chunked", Encoding),
        ("HTTP/1.0 200 OK|Transfer-Encoding: chunked", Encoding),
        // RFC 9110 15.2.2.
        ("HTTP/1.1 101 Switching Protocols|Upgrade: x", Switching),
        // RFC 9112 4.
        ("HTTP/1.1 20 OK", StatusLine),
        ("HTTP/1.1 2000 OK", StatusLine),
        ("HTTP/1.1 099 OK", StatusLine),
        ("HTTP/1.1 600 OK", StatusLine),
        ("HTTP/1.1 OK", StatusLine),
        ("HTTP/2.0 200 OK", StatusLine),
        ("HTTP/1.1  200 OK", StatusLine),
        ("ICY 200 OK", StatusLine),
        ("<html>", StatusLine),
        ("", StatusLine),
        // RFC 9112 5.
        ("HTTP/1.1 200 OK|Content-Length : 5", Field),
        ("HTTP/1.1 200 OK|X: a| b", Field),
        ("HTTP/1.1 200 OK|NoColon", Field),
        ("HTTP/1.1 200 OK|X: a\u{0}b", Field),
        ("HTTP/1.1 200 OK|X: a\nY: b", Field),
        ("HTTP/1.1 200 OK|X: a\rY: b", Field),
    ];
    for (head, expected) in table {
        assert_eq!(read(&lines(head)), Err(expected), "{head:?}");
    }
    assert_eq!(read(b"\r\nHTTP/1.1 200 OK\r\n\r\n"), Err(StatusLine));
    assert_eq!(read(b"h"), Err(StatusLine));
    let many = format!("HTTP/1.1 200 OK{}", "|X: y".repeat(FIELDS_MAX + 1));
    assert_eq!(read(&lines(&many)), Err(TooManyFields));
    let large = format!("HTTP/1.1 200 OK|X: {}", "y".repeat(70_000));
    assert_eq!(read(&lines(&large)), Err(HeadTooLarge));
    for fault in Fault::ALL {
        assert_eq!(fault.status(), 502);
    }
}

#[test]
fn incomplete_heads_ask_for_more() {
    let head = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3\r\nX-RateLimit-Reset-Tokens: 6m0s\r\n\r\n";
    for end in 0..head.len() {
        assert_eq!(response(&head[..end], 1024), Ok(None), "{end}");
    }
    let (found, used) = response(head, 1024).unwrap().unwrap();
    assert_eq!((found.status, used), (429, head.len()));
    assert_eq!(found.field(head, ResponseField::RetryAfter), Some(&b"3"[..]));
    assert_eq!(found.field(head, ResponseField::ResetTokens), Some(&b"6m0s"[..]));
    assert_eq!(found.field(head, ResponseField::Location), None);
    assert_eq!(found.find(head, "retry-after"), Some(&b"3"[..]));
}

#[test]
fn retry_after_values() {
    use RetryAfter::{DelayMs, UnixSeconds};
    let table = [
        // RFC 9110 10.2.3.
        ("0", Some(DelayMs(0))),
        ("120", Some(DelayMs(120_000))),
        ("1.5", Some(DelayMs(1_500))),
        ("0.0019", Some(DelayMs(1))),
        ("2.", None),
        (".5", None),
        ("1.5.2", None),
        ("-1", None),
        ("+1", None),
        ("1s", None),
        ("", None),
        ("99999999999", None),
        // RFC 9110 5.6.7.
        ("Sun, 06 Nov 1994 08:49:37 GMT", Some(UnixSeconds(784_111_777))),
        ("Thu, 01 Jan 1970 00:00:00 GMT", Some(UnixSeconds(0))),
        ("Thu, 29 Feb 2024 23:59:60 GMT", Some(UnixSeconds(1_709_251_200))),
        ("Fri, 31 Dec 9999 23:59:59 GMT", Some(UnixSeconds(253_402_300_799))),
        ("Wed, 29 Feb 2023 00:00:00 GMT", None),
        ("Mon, 01 Jan 1900 00:00:00 GMT", None),
        ("Sun, 06 Nov 1994 24:00:00 GMT", None),
        ("Sun, 06 Nov 1994 08:49:37 UTC", None),
        ("Sun, 06 nov 1994 08:49:37 GMT", None),
        ("Sun, 6 Nov 1994 08:49:37 GMT", None),
        ("Sunday, 06-Nov-94 08:49:37 GMT", None),
        ("Sun Nov  6 08:49:37 1994", None),
    ];
    for (value, expected) in table {
        assert_eq!(retry_after(value.as_bytes()), expected, "{value}");
    }
    for (value, expected) in [("250", Some(250)), ("12.7", Some(12)), ("x", None), ("", None)] {
        assert_eq!(retry_after_ms(value.as_bytes()), expected, "{value}");
    }
}
