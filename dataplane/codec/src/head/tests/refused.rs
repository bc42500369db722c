use super::*;

/// A POST that is right but for the lines that are added.
fn post(lines: &str) -> Vec<u8> {
    super::lines(&format!("POST /v1/x HTTP/1.1|Host: a.example|{lines}"))
}

#[test]
fn framing() {
    use Refusal::*;
    let table = [
        // RFC 9112 6.1, 6.3: both fields (CL.TE and TE.CL).
        ("Content-Length: 5|Transfer-Encoding: chunked", LengthAndEncoding),
        ("Transfer-Encoding: chunked|Content-Length: 5", LengthAndEncoding),
        ("Content-Length: 0|Transfer-Encoding: chunked", LengthAndEncoding),
        ("Content-Length: 5|Transfer-Encoding: identity", LengthAndEncoding),
        ("content-length: 5|TRANSFER-ENCODING: Chunked", LengthAndEncoding),
        ("Content-Length: x|Transfer-Encoding: chunked", LengthAndEncoding),
        // RFC 9112 6.3 (5): repeated Content-Length, even if it agrees.
        ("Content-Length: 5|Content-Length: 5", LengthDuplicate),
        ("Content-Length: 5|Content-Length: 6", LengthDuplicate),
        ("Content-Length: 5|content-length: 5", LengthDuplicate),
        ("Content-Length: 5|X: y|Content-Length: 5", LengthDuplicate),
        ("Content-Length:|Content-Length: 5", LengthDuplicate),
        // RFC 9110 8.6: Content-Length = 1*DIGIT.
        ("Content-Length: 5, 5", LengthInvalid),
        ("Content-Length: 5,5", LengthInvalid),
        ("Content-Length: 5,", LengthInvalid),
        ("Content-Length:", LengthInvalid),
        ("Content-Length: ", LengthInvalid),
        ("Content-Length: +5", LengthInvalid),
        ("Content-Length: -5", LengthInvalid),
        ("Content-Length: -0", LengthInvalid),
        ("Content-Length: 5 5", LengthInvalid),
        ("Content-Length: 5\t5", LengthInvalid),
        ("Content-Length: 0x5", LengthInvalid),
        ("Content-Length: 5_0", LengthInvalid),
        ("Content-Length: 5.0", LengthInvalid),
        ("Content-Length: 5e1", LengthInvalid),
        ("Content-Length: \"5\"", LengthInvalid),
        ("Content-Length: 5;q=1", LengthInvalid),
        ("Content-Length: 18446744073709551615", LengthInvalid),
        ("Content-Length: 18446744073709551616", LengthInvalid),
        ("Content-Length: 00000000000000000005", LengthInvalid),
        ("Content-Length: 99999999999999999999999999", LengthInvalid),
        ("Content-Length: \u{ff15}", LengthInvalid),
        // RFC 9112 6.1: codings that are not implemented.
        ("Transfer-Encoding: gzip, chunked", EncodingUnknown),
        ("Transfer-Encoding: identity, chunked", EncodingUnknown),
        ("Transfer-Encoding: foo,chunked", EncodingUnknown),
        // RFC 9112 6.3 (4): chunked must be the final coding, 7.1: and applied once.
        ("Transfer-Encoding:", EncodingInvalid),
        ("Transfer-Encoding: identity", EncodingInvalid),
        ("Transfer-Encoding: gzip", EncodingInvalid),
        ("Transfer-Encoding: chunked, gzip", EncodingInvalid),
        ("Transfer-Encoding: chunked, identity", EncodingInvalid),
        ("Transfer-Encoding: chunked, chunked", EncodingInvalid),
        ("Transfer-Encoding: chunked,", EncodingInvalid),
        ("Transfer-Encoding: ,chunked", EncodingInvalid),
        ("Transfer-Encoding: xchunked", EncodingInvalid),
        ("Transfer-Encoding: chunkedx", EncodingInvalid),
        ("Transfer-Encoding: chunke", EncodingInvalid),
        ("Transfer-Encoding: chunked;q=1", EncodingInvalid),
        ("Transfer-Encoding: chunked;", EncodingInvalid),
        ("Transfer-Encoding: \"chunked\"", EncodingInvalid),
        ("Transfer-Encoding: 'chunked'", EncodingInvalid),
        ("Transfer-Encoding: chunked chunked", EncodingInvalid),
        ("Transfer-Encoding: chunk\ted", EncodingInvalid),
        ("Transfer-Encoding: \u{a0}chunked", EncodingInvalid),
        ("Transfer-Encoding: chunked|Transfer-Encoding: chunked", EncodingInvalid),
        ("Transfer-Encoding: chunked|Transfer-Encoding: identity", EncodingInvalid),
        ("Transfer-Encoding: identity|Transfer-Encoding: chunked", EncodingInvalid),
        ("Transfer-Encoding: chunked|transfer-encoding: gzip", EncodingInvalid),
        // RFC 9110 10.1.1: expectations.
        ("Expect: 200-ok", Expectation),
        ("Expect:", Expectation),
        ("Expect: 100-continue, 100-continue", Expectation),
        ("Expect: 100-continue|Expect: other", Expectation),
        // RFC 9110 5.3: fields that decide must be single.
        ("Authorization: Bearer a|Authorization: Bearer b", FieldDuplicate),
        ("X-Api-Key: a|x-api-key: a", FieldDuplicate),
        ("Content-Type: a/b|Content-Type: c/d", FieldDuplicate),
        ("Content-Encoding: identity|Content-Encoding: gzip", FieldDuplicate),
        ("X-Throwover-Chain: a|X-Throwover-Chain: b", FieldDuplicate),
    ];
    for (lines, expected) in table {
        check_refused(&post(lines), expected);
    }
}

#[test]
fn field_lines() {
    use Refusal::*;
    let table: [(&[u8], Refusal); 38] = [
        // RFC 9112 5.1: no blank before the colon, no empty name.
        (b"Content-Length : 5", FieldName),
        (b"Content-Length\t: 5", FieldName),
        (b"Transfer-Encoding : chunked", FieldName),
        (b": value", FieldName),
        (b"NoColon", FieldName),
        (b"Na me: x", FieldName),
        (b"Na\"me: x", FieldName),
        (b"Na(me): x", FieldName),
        (b"Na/me: x", FieldName),
        (b"Na@me: x", FieldName),
        (b"Na[me]: x", FieldName),
        (b"Na{me}: x", FieldName),
        (b"N\x00ame: x", FieldName),
        (b"N\x7fame: x", FieldName),
        (b"N\xc3\xa4me: x", FieldName),
        (b"\x0bTransfer-Encoding: chunked", FieldName),
        (b"Transfer-Encoding\x00: chunked", FieldName),
        // RFC 9112 5.2: obs-fold.
        (b"X: a\r\n b", ObsFold),
        (b"X: a\r\n\tb", ObsFold),
        (b"X: a\r\n ", ObsFold),
        (b"X:\r\n x", ObsFold),
        (b"Transfer-Encoding:\r\n chunked", ObsFold),
        (b" Leading: x", ObsFold),
        (b"\tLeading: x", ObsFold),
        // RFC 9110 5.5: no CR, LF, NUL or other control characters in values.
        (b"X: a\x00b", FieldValue),
        (b"X: \x00", FieldValue),
        (b"X: a\x01b", FieldValue),
        (b"X: a\x0bb", FieldValue),
        (b"X: a\x0cb", FieldValue),
        (b"X: a\x1bb", FieldValue),
        (b"X: a\x7fb", FieldValue),
        (b"Transfer-Encoding: \x0bchunked", FieldValue),
        (b"Transfer-Encoding: chunked\x0c", FieldValue),
        // RFC 9112 2.2: bare CR and bare LF.
        (b"X: a\rb", BareCr),
        (b"X: a\r", BareCr),
        (b"X: a\rTransfer-Encoding: chunked", BareCr),
        (b"X: a\nTransfer-Encoding: chunked", BareLf),
        (b"X: a\n\r\nY: b", BareLf),
    ];
    for (line, expected) in table {
        let head = [b"POST / HTTP/1.1\r\nHost: a\r\n", line, b"\r\nZ: z\r\n\r\n"].concat();
        check_refused(&head, expected);
    }
}

#[test]
fn hosts() {
    use Refusal::*;
    let table = [
        // RFC 9112 3.2: exactly one, and valid.
        ("X: y", HostMissing),
        ("Host: a|Host: a", HostDuplicate),
        ("Host: a|Host: b", HostDuplicate),
        ("Host: a|host: b", HostDuplicate),
        ("Host:|Host: b", HostDuplicate),
        ("Host:", HostInvalid),
        ("Host: a b", HostInvalid),
        ("Host: a,b", HostInvalid),
        ("Host: a/b", HostInvalid),
        ("Host: u@a", HostInvalid),
        ("Host: http://a", HostInvalid),
        ("Host: a:x", HostInvalid),
        ("Host: a:123456", HostInvalid),
        ("Host: a:1:2", HostInvalid),
        ("Host: :80", HostInvalid),
        ("Host: [::1", HostInvalid),
        ("Host: [::1]x", HostInvalid),
        ("Host: []", HostInvalid),
        ("Host: a?b", HostInvalid),
        ("Host: a#b", HostInvalid),
        ("Host: a\\b", HostInvalid),
        ("Host: \u{e4}", HostInvalid),
        ("Host: %61", HostInvalid),
    ];
    for (fields, expected) in table {
        check_refused(&lines(&format!("GET / HTTP/1.1|{fields}")), expected);
    }
}

#[test]
fn request_lines() {
    use Refusal::*;
    let table: [(&[u8], Refusal); 46] = [
        // RFC 9112 3: method SP request-target SP HTTP-version.
        (b"GET", RequestLine),
        (b"GET /", RequestLine),
        (b"GET / ", RequestLine),
        (b"GET  / HTTP/1.1", RequestLine),
        (b"GET /  HTTP/1.1", RequestLine),
        (b"GET / HTTP/1.1 ", RequestLine),
        (b"GET\t/ HTTP/1.1", RequestLine),
        (b"GET / x HTTP/1.1", RequestLine),
        (b" GET / HTTP/1.1", RequestLine),
        (b"\tGET / HTTP/1.1", RequestLine),
        (b"G\x00T / HTTP/1.1", RequestLine),
        (b"G@T / HTTP/1.1", RequestLine),
        (b"\x16\x03\x01\x02\x00", RequestLine),
        (b"\x80GET / HTTP/1.1", RequestLine),
        (b"{\"model\":1}", RequestLine),
        (b"HTTP/1.1 200 OK", RequestLine),
        (b"GET / http/1.1", RequestLine),
        (b"GET / HTTP/1", RequestLine),
        (b"GET / HTTP/1.", RequestLine),
        (b"GET / HTTP/1.10", RequestLine),
        (b"GET / HTTP/11", RequestLine),
        (b"GET / HTTP/x.1", RequestLine),
        (b"GET / HTTPS/1.1", RequestLine),
        // RFC 9110 15.6.6: other versions.
        (b"GET / HTTP/0.9", Version),
        (b"GET / HTTP/1.2", Version),
        (b"GET / HTTP/2.0", Version),
        (b"GET / HTTP/3.0", Version),
        // RFC 9113 3.4: the preface of HTTP/2.
        (b"PRI * HTTP/2.0", Http2Preface),
        // RFC 9110 9.3.6, 9.3.8.
        (b"CONNECT a:443 HTTP/1.1", MethodRefused),
        (b"CONNECT / HTTP/1.1", MethodRefused),
        (b"TRACE / HTTP/1.1", MethodRefused),
        // RFC 9112 3.2.3, 3.2.4 and other forms.
        (b"OPTIONS * HTTP/1.1", TargetForm),
        (b"GET * HTTP/1.1", TargetForm),
        (b"GET a:443 HTTP/1.1", TargetForm),
        (b"GET v1/x HTTP/1.1", TargetForm),
        (b"GET ?x HTTP/1.1", TargetForm),
        (b"GET ftp://a/ HTTP/1.1", TargetForm),
        (b"GET http:/a HTTP/1.1", TargetForm),
        (b"GET http:// HTTP/1.1", HostInvalid),
        (b"GET http:///x HTTP/1.1", HostInvalid),
        (b"GET http://u@a/ HTTP/1.1", HostInvalid),
        // RFC 3986 3: no fragment, no bytes that no URI contains.
        (b"GET /a#b HTTP/1.1", TargetInvalid),
        (b"GET /a\"b HTTP/1.1", TargetInvalid),
        (b"GET /a\\b HTTP/1.1", TargetInvalid),
        (b"GET /a?{b} HTTP/1.1", TargetInvalid),
        (b"GET /a^b HTTP/1.1", TargetInvalid),
    ];
    for (line, expected) in table {
        check_refused(&[line, b"\r\nHost: a\r\n\r\n"].concat(), expected);
    }
    for line in [&b"GET /\x01 HTTP/1.1"[..], b"GET /\x7f HTTP/1.1", b"GET /\xc3\xa4 HTTP/1.1"] {
        let head = [line, b"\r\nHost: a\r\n\r\n"].concat();
        assert!(matches!(verdict(&head), Err(RequestLine | TargetInvalid)), "{}", head.escape_ascii());
    }
}

#[test]
fn http_1_0() {
    // RFC 9112 6.1: a transfer coding in HTTP/1.0 is faulty framing.
    let table = [
        ("Host: a|Transfer-Encoding: chunked", Refusal::EncodingOld),
        ("Transfer-Encoding: chunked", Refusal::EncodingOld),
        ("Transfer-Encoding: gzip", Refusal::EncodingOld),
        ("Content-Length: 5|Transfer-Encoding: chunked", Refusal::LengthAndEncoding),
        ("Host: a b", Refusal::HostInvalid),
    ];
    for (fields, expected) in table {
        check_refused(&lines(&format!("POST / HTTP/1.0|{fields}")), expected);
    }
}

#[test]
fn line_ends() {
    let table: [(&[u8], Refusal); 13] = [
        // RFC 9112 2.2: CRLF and nothing else.
        (b"GET / HTTP/1.1\nHost: a\n\n", Refusal::BareLf),
        (b"GET / HTTP/1.1\nHost: a\r\n\r\n", Refusal::BareLf),
        (b"GET / HTTP/1.1\r\nHost: a\n\r\n", Refusal::BareLf),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\n", Refusal::BareLf),
        (b"GET / HTTP/1.1\n", Refusal::BareLf),
        (b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::BareLf),
        (b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::BareCr),
        (b"\r\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::BareCr),
        (b"GET / HTTP/1.1\rHost: a\r\n\r\n", Refusal::BareCr),
        (b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", Refusal::BareCr),
        (b"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::BareCr),
        // One empty line before the request is ignored, two are not.
        (b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::RequestLine),
        (b"\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::BareLf),
    ];
    for (head, expected) in table {
        check_refused(head, expected);
    }
}

#[test]
fn sizes() {
    // RFC 9112 3: 414 for the target; RFC 6585 5: 431 for the head.
    let target = |size: usize| format!("GET /{} HTTP/1.1|Host: a", "a".repeat(size - 1));
    accepted(&lines(&target(TARGET_SIZE_MAX)));
    check_refused(&lines(&target(TARGET_SIZE_MAX + 1)), Refusal::TargetTooLong);
    check_refused(format!("GET /{}", "a".repeat(9000)).as_bytes(), Refusal::TargetTooLong);
    check_refused("A".repeat(9000).as_bytes(), Refusal::TargetTooLong);

    let fields = |count: usize| format!("GET / HTTP/1.1|Host: a{}", "|X: y".repeat(count - 1));
    accepted(&lines(&fields(FIELDS_MAX)));
    check_refused(&lines(&fields(FIELDS_MAX + 1)), Refusal::TooManyFields);
    check_refused(fields(FIELDS_MAX + 2).replace('|', "\r\n").as_bytes(), Refusal::TooManyFields);

    let exact = lines("GET / HTTP/1.1|Host: a");
    assert!(matches!(request(&exact, exact.len()), Ok(Some((_, used))) if used == exact.len()));
    assert_eq!(request(&exact, exact.len() - 1), Err(Refusal::HeadTooLarge));
    // Refused before it is complete.
    let endless = format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(MAX));
    check_refused(endless.as_bytes(), Refusal::HeadTooLarge);
    for max in 0..exact.len() {
        assert!(request(&exact, max).is_err(), "{max}");
    }
    // Beyond what spans can hold, whatever the caller allows.
    let huge = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(70_000));
    assert_eq!(request(huge.as_bytes(), usize::MAX), Err(Refusal::HeadTooLarge));
}

#[test]
fn refusals_say_something() {
    for refusal in Refusal::ALL {
        assert!((400..=599).contains(&refusal.status()), "{refusal:?}");
        assert!(refusal.message().ends_with('.'), "{refusal:?}");
        let unique = Refusal::ALL.iter().filter(|other| other.code() == refusal.code());
        assert_eq!(unique.count(), 1, "{refusal:?}");
        assert_ne!(reason(refusal.status()), "Unknown", "{refusal:?}");
        assert_eq!(refusal.closes(), *refusal != Refusal::PathEncoding);
    }
}
