use super::*;

fn text(span: Option<Span>, head: &[u8]) -> Option<&str> {
    span.map(|span| std::str::from_utf8(span.of(head)).unwrap())
}

#[test]
fn a_whole_request() {
    let head = lines(
        "POST /v1/chat/completions?a=1&b=%20 HTTP/1.1|Host: gw.example:8080|AUTHORIZATION: Bearer k|\
         content-type:application/json|Content-Length:  42 \t|X-Other:|User-Agent: x\u{e4}y|\
         traceparent: 00-a|X-Throwover-Deadline-Ms: 900|Accept: a|Accept: b",
    );
    let tail = [head.as_slice(), b"body"].concat();
    let (found, used) = request(&tail, MAX).unwrap().unwrap();
    assert_eq!(used, head.len());
    assert_eq!(found.method, Method::Post);
    assert_eq!(found.version, Version::Http11);
    assert_eq!(text(Some(found.target), &head), Some("/v1/chat/completions?a=1&b=%20"));
    assert_eq!(found.path(&head), b"/v1/chat/completions");
    assert_eq!(text(found.query, &head), Some("a=1&b=%20"));
    assert_eq!(found.framing, Framing::Length(42));
    assert!(found.keep_alive && !found.expect_continue);
    let table = [
        (Field::Host, Some("gw.example:8080")),
        (Field::Authorization, Some("Bearer k")),
        (Field::ContentType, Some("application/json")),
        (Field::ContentLength, Some("42")),
        (Field::UserAgent, Some("x\u{e4}y")),
        (Field::Traceparent, Some("00-a")),
        (Field::XThrowoverDeadlineMs, Some("900")),
        (Field::Accept, Some("a")),
        (Field::XApiKey, None),
        (Field::Expect, None),
    ];
    for (field, expected) in table {
        assert_eq!(text(found.span(field), &head), expected, "{field:?}");
    }
    assert_eq!(found.find(&tail, "x-other"), Some(&b""[..]));
    assert_eq!(found.find(&tail, "content-LENGTH"), Some(&b"42"[..]));
    assert_eq!(found.find(&tail, "body"), None);
    assert_eq!(found.find(b"", "host"), None);
}

#[test]
fn framings() {
    let table = [
        // RFC 9112 6.3 (7): no framing field in a request means no body.
        ("", Framing::None),
        ("|Content-Length: 0", Framing::None),
        ("|Content-Length: 000", Framing::None),
        ("|Content-Length: 05", Framing::Length(5)),
        ("|Content-Length: 9999999999999999999", Framing::Length(9_999_999_999_999_999_999)),
        ("|Transfer-Encoding: chunked", Framing::Chunked),
        ("|transfer-encoding:chunked", Framing::Chunked),
        ("|TRANSFER-ENCODING: \t CHUNKED \t", Framing::Chunked),
        // Names that only look like framing are other fields.
        ("|Content_Length: 5", Framing::None),
        ("|X-Transfer-Encoding: chunked", Framing::None),
        ("|Transfer-Encodin: chunked", Framing::None),
        // RFC 9110 7.8: Upgrade may be ignored.
        ("|Upgrade: websocket|Connection: upgrade", Framing::None),
    ];
    for (fields, expected) in table {
        let head = lines(&format!("POST / HTTP/1.1|Host: a{fields}"));
        assert_eq!(accepted(&head).framing, expected, "{fields}");
    }
}

#[test]
fn persistence_and_expectation() {
    let table = [
        // RFC 9112 9.3.
        ("1.1", "", true),
        ("1.1", "|Connection: close", false),
        ("1.1", "|Connection: Close", false),
        ("1.1", "|Connection: keep-alive, close", false),
        ("1.1", "|Connection: x|Connection: close", false),
        ("1.1", "|Connection: closed", true),
        ("1.1", "|Connection: keep-alive", true),
        ("1.0", "", false),
        ("1.0", "|Connection: keep-alive", true),
        ("1.0", "|Connection: Keep-Alive, close", false),
    ];
    for (version, fields, expected) in table {
        let head = lines(&format!("GET / HTTP/{version}|Host: a{fields}"));
        assert_eq!(accepted(&head).keep_alive, expected, "{version} {fields}");
    }
    let expecting = |version| lines(&format!("POST / HTTP/{version}|Host: a|Expect: 100-Continue"));
    assert!(accepted(&expecting("1.1")).expect_continue);
    assert!(!accepted(&expecting("1.0")).expect_continue);
}

#[test]
fn targets() {
    // Line, path, query, host.
    let table = [
        ("/", "/", None, "h"),
        ("/?", "/", Some(""), "h"),
        ("/a?b?c/d", "/a", Some("b?c/d"), "h"),
        ("//x", "//x", None, "h"),
        ("/a%2Fb;c=d,e:@", "/a%2Fb;c=d,e:@", None, "h"),
        // RFC 9112 3.2.2: "a server MUST accept the absolute-form".
        ("http://o.example/v1/x?y=1", "/v1/x", Some("y=1"), "o.example"),
        ("HTTPS://o:8443/", "/", None, "o:8443"),
        ("http://o", "/", None, "o"),
        ("http://o?q", "/", Some("q"), "o"),
        ("http://[::1]:80/z", "/z", None, "[::1]:80"),
    ];
    for (target, path, query, host) in table {
        let head = lines(&format!("GET {target} HTTP/1.1|Host: h"));
        let found = accepted(&head);
        assert_eq!(found.path(&head), path.as_bytes(), "{target}");
        assert_eq!(text(found.query, &head), query, "{target}");
        assert_eq!(text(found.span(Field::Host), &head), Some(host), "{target}");
    }
}

#[test]
fn methods_and_odd_but_valid() {
    let table = [
        ("GET", Method::Get),
        ("POST", Method::Post),
        ("HEAD", Method::Head),
        ("OPTIONS", Method::Options),
        ("DELETE", Method::Other),
        ("get", Method::Other),
        ("PRI", Method::Other),
        ("M-SEARCH", Method::Other),
        ("!#$%&'*+-.^_`|~", Method::Other),
    ];
    for (method, expected) in table {
        let head = format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(accepted(head.as_bytes()).method, expected, "{method}");
    }
    // RFC 9112 2.2: one empty line before the request, counted as used.
    let head = b"\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n";
    let (found, used) = request(head, MAX).unwrap().unwrap();
    assert_eq!((found.path(head), used), (&b"/x"[..], head.len()));
    // RFC 9112 3.2: HTTP/1.0 may come without Host.
    assert_eq!(accepted(b"GET / HTTP/1.0\r\n\r\n").span(Field::Host), None);
    // RFC 3986 3.2.3: port = *DIGIT.
    accepted(b"GET / HTTP/1.1\r\nHost: a:\r\n\r\n");
    // RFC 9110 5.5: obs-text and tabs within values.
    accepted(b"GET / HTTP/1.1\r\nHost: a\r\nX: a\tb\x80\xff\r\n\r\n");
}

#[test]
fn incomplete_heads_ask_for_more() {
    let head = b"\r\nPOST /v1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n";
    for end in 0..head.len() {
        assert_eq!(request(&head[..end], MAX), Ok(None), "{end}");
    }
}

#[test]
fn every_name_is_found_in_any_case() {
    for &field in Field::ALL {
        assert_eq!(Field::of(field.name().as_bytes()), Some(field));
        assert_eq!(Field::of(field.name().to_ascii_uppercase().as_bytes()), Some(field));
        assert_eq!(Field::of(format!("{}x", field.name()).as_bytes()), None);
    }
    let tokens = || (0..=255_u8).filter(|&byte| super::super::is_token_byte(byte));
    for field in ResponseField::ALL {
        let upper = field.name().to_ascii_uppercase().into_bytes();
        assert_eq!(ResponseField::of(&upper), Some(*field));
        for (at, byte) in (0..upper.len()).flat_map(|at| tokens().map(move |byte| (at, byte))) {
            let mut name = upper.clone();
            let same = name[at].eq_ignore_ascii_case(&byte);
            name[at] = byte;
            assert_eq!(ResponseField::of(&name) == Some(*field), same, "{}", name.escape_ascii());
        }
    }
    for field in Field::ALL {
        for at in 0..field.name().len() {
            for byte in tokens() {
                let mut name = field.name().as_bytes().to_vec();
                let same = name[at].eq_ignore_ascii_case(&byte);
                name[at] = byte;
                assert_eq!(Field::of(&name) == Some(*field), same, "{}", name.escape_ascii());
            }
        }
    }
    assert_eq!(Field::of(b""), None);
    assert_eq!(Field::of(&[b'a'; 300]), None);
}

#[test]
fn percent_decoding() {
    let table: [(&str, Result<&[u8], Refusal>); 14] = [
        ("/a", Ok(b"/a")),
        ("/%61", Ok(b"/a")),
        ("/%20%7E", Ok(b"/ ~")),
        ("/%c3%A4", Ok(b"/\xc3\xa4")),
        ("/%25", Ok(b"/%")),
        ("/%252F", Ok(b"/%2F")),
        ("/%2f", Err(Refusal::PathEncoding)),
        ("/%2F", Err(Refusal::PathEncoding)),
        ("/%00", Err(Refusal::PathEncoding)),
        ("/%", Err(Refusal::PathEncoding)),
        ("/%4", Err(Refusal::PathEncoding)),
        ("/%4x", Err(Refusal::PathEncoding)),
        ("/%+1", Err(Refusal::PathEncoding)),
        ("/longer than sixteen bytes", Err(Refusal::TargetTooLong)),
    ];
    for (path, expected) in table {
        let mut out = [0; 16];
        let found = percent_decode(path.as_bytes(), &mut out).map(|size| &out[..size]);
        assert_eq!(found, expected, "{path}");
    }
}
