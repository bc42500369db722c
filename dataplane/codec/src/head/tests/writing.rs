use super::*;

fn common() -> FieldLines {
    let mut lines = FieldLines::default();
    for (name, value) in [("host", "api.example"), ("content-type", "application/json"), ("openai-project", "p1")] {
        lines.add(name, value.as_bytes()).unwrap();
    }
    lines
}

#[test]
fn an_upstream_head_is_built_from_the_allow_list() {
    let tenant = lines(
        "POST /v1/chat/completions HTTP/1.1|Host: gw|Authorization: Bearer tenant|Cookie: a|\
         traceparent: 00-a-b-01|OpenAI-Organization: theirs|Transfer-Encoding: chunked|\
         X-Api-Key: k|Idempotency-Key: i|OpenAI-Beta: assistants=v2|Connection: traceparent",
    );
    let request = accepted(&tenant);
    let head = RequestHead {
        line: &RequestLine::new("POST", b"/v1/chat/completions").unwrap(),
        common: &common(),
        credential: Some(("authorization", b"Bearer sk-1")),
        content_length: 1234,
        accept: b"text/event-stream",
        further: &[("anthropic-version", b"2023-06-01")],
        relayed: Some((&request, &tenant)),
    };
    let mut out = b"before".to_vec();
    write_request(&mut out, &head).unwrap();
    let expected = "beforePOST /v1/chat/completions HTTP/1.1\r\nhost: api.example\r\n\
        content-type: application/json\r\nopenai-project: p1\r\naccept-encoding: identity\r\n\
        authorization: Bearer sk-1\r\naccept: text/event-stream\r\ncontent-length: 1234\r\nanthropic-version: 2023-06-01\r\n\
        openai-beta: assistants=v2\r\ntraceparent: 00-a-b-01\r\n\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn what_would_split_a_head_is_not_written() {
    for (method, target, expected) in [
        ("", "/", Unwritable::Method),
        ("GET /", "/", Unwritable::Method),
        ("GET", "", Unwritable::Target),
        ("GET", "/ HTTP/1.1", Unwritable::Target),
        ("GET", "/\r\nX: y", Unwritable::Target),
    ] {
        assert_eq!(RequestLine::new(method, target.as_bytes()).unwrap_err(), expected, "{method} {target}");
    }
    let line = RequestLine::new("POST", b"/").unwrap();
    let fields: [(&str, &[u8], _); 7] = [
        ("host", b"a\r\nX: y", Unwritable::Value),
        ("user-agent", b"a\0", Unwritable::Value),
        ("authorization", b"a\nb", Unwritable::Value),
        ("authorization", b"a long value that goes on and on, and ends with a DEL\x7f", Unwritable::Value),
        ("a b", b"x", Unwritable::Name),
        ("", b"x", Unwritable::Name),
        ("x:", b"x", Unwritable::Name),
    ];
    for (name, value, expected) in fields {
        let mut lines = common();
        assert_eq!(lines.add(name, value), Err(expected), "{name}");
        let (mut before, mut after) = (Vec::new(), Vec::new());
        common().write(&mut before);
        lines.write(&mut after);
        assert_eq!(after, before, "{name}");
        let head = RequestHead {
            line: &line,
            common: &lines,
            credential: Some((name, value)),
            content_length: 1,
            accept: b"",
            further: &[],
            relayed: None,
        };
        let mut out = b"before".to_vec();
        assert_eq!(write_request(&mut out, &head), Err(expected), "{name}");
        assert_eq!(out, b"before");
    }
}

#[test]
fn an_answer_is_written_and_read_again() {
    let provider = lines(
        "HTTP/1.1 429 Slow|Set-Cookie: x|Retry-After: 3|OpenAI-Organization: ours|\
         X-Request-Id: r1|X-Should-Retry: true|Content-Type: a/b|Content-Length: 7|Connection: close|Server: s|\
         X-RateLimit-Limit-Requests: 9",
    );
    let (from, _) = response(&provider, MAX).unwrap().unwrap();
    let mut out = Vec::new();
    write_status(&mut out, from.status);
    relay_fields(&mut out, &from, &provider, true);
    relay_rate_limits(&mut out, &from, &provider);
    write_length(&mut out, 7);
    write_close(&mut out);
    write_end(&mut out);
    let expected = "HTTP/1.1 429 Too Many Requests\r\ncontent-type: a/b\r\nretry-after: 3\r\n\
        x-ratelimit-limit-requests: 9\r\ncontent-length: 7\r\n\
        connection: close\r\n\r\n";
    assert_eq!(std::str::from_utf8(&out).unwrap(), expected);
    let (again, used) = response(&out, MAX).unwrap().unwrap();
    assert_eq!((again.framing, again.reusable, used), (Framing::Length(7), false, out.len()));

    let mut chunked = Vec::new();
    write_status(&mut chunked, 200);
    write_chunked(&mut chunked);
    write_end(&mut chunked);
    assert_eq!(response(&chunked, MAX).unwrap().unwrap().0.framing, Framing::Chunked);
}

#[test]
fn numbers() {
    for number in [0, 9, 10, 1234, u64::MAX] {
        let mut out = Vec::new();
        write_number(&mut out, number);
        assert_eq!(out, number.to_string().into_bytes());
    }
}
