use super::*;

fn head<'a>() -> RequestHead<'a> {
    RequestHead {
        method: "POST",
        target: b"/v1/chat/completions",
        host: b"api.example",
        credential: Some(("authorization", b"Bearer sk-1")),
        content_type: b"application/json",
        content_length: 1234,
        accept: b"",
        user_agent: b"throwover",
        extra: &[("openai-project", b"p1")],
        relayed: None,
    }
}

#[test]
fn an_upstream_head_is_built_from_the_allow_list() {
    let tenant = lines(
        "POST /v1/chat/completions HTTP/1.1|Host: gw|Authorization: Bearer tenant|Cookie: a|\
         traceparent: 00-a-b-01|OpenAI-Organization: theirs|Transfer-Encoding: chunked|\
         X-Api-Key: k|Idempotency-Key: i|OpenAI-Beta: assistants=v2|Connection: traceparent",
    );
    let request = accepted(&tenant);
    let mut out = b"before".to_vec();
    write_request(&mut out, &RequestHead { relayed: Some((&request, &tenant)), ..head() }).unwrap();
    let expected = "beforePOST /v1/chat/completions HTTP/1.1\r\nhost: api.example\r\n\
        authorization: Bearer sk-1\r\ncontent-type: application/json\r\nuser-agent: throwover\r\n\
        content-length: 1234\r\naccept-encoding: identity\r\nopenai-project: p1\r\n\
        openai-beta: assistants=v2\r\ntraceparent: 00-a-b-01\r\n\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn what_would_split_a_head_is_not_written() {
    let table = [
        (RequestHead { method: "", ..head() }, Unwritable::Method),
        (RequestHead { method: "GET /", ..head() }, Unwritable::Method),
        (RequestHead { target: b"", ..head() }, Unwritable::Target),
        (RequestHead { target: b"/ HTTP/1.1", ..head() }, Unwritable::Target),
        (RequestHead { target: b"/\r\nX: y", ..head() }, Unwritable::Target),
        (RequestHead { host: b"a\r\nX: y", ..head() }, Unwritable::Value),
        (RequestHead { user_agent: b"a\0", ..head() }, Unwritable::Value),
        (RequestHead { credential: Some(("authorization", b"a\nb")), ..head() }, Unwritable::Value),
        (RequestHead { credential: Some(("a b", b"x")), ..head() }, Unwritable::Name),
        (RequestHead { extra: &[("", b"x")], ..head() }, Unwritable::Name),
        (RequestHead { extra: &[("x:", b"x")], ..head() }, Unwritable::Name),
    ];
    for (head, expected) in table {
        let mut out = b"before".to_vec();
        assert_eq!(write_request(&mut out, &head), Err(expected), "{head:?}");
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
    relay_fields(&mut out, &from, &provider);
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
