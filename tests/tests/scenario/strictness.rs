//! One strict grammar: what two readers could read differently is refused, reaches no provider, and
//! harms nobody else.

use tests::testkit::{
    gateway::Gateway,
    policy::Policy,
    provider::Provider,
    story::Story,
    tenant::{Ask, End},
};

/// A body that would be answered, were it to get through.
const BODY: &str = r#"{"model":"c","messages":[{"role":"user","content":"hi"}]}"#;

/// Heads that are refused, with the status; `{}` is the length of the body. Lines end with CRLF
/// where `|` stands.
const HEADS: &[(&str, &str, u16)] = &[
    ("length and chunked", "POST /v1/chat/completions HTTP/1.1|host: g|content-length: {}|transfer-encoding: chunked||", 400),
    ("chunked and length", "POST /v1/chat/completions HTTP/1.1|host: g|transfer-encoding: chunked|content-length: {}||", 400),
    ("two lengths that differ", "POST /v1/chat/completions HTTP/1.1|host: g|content-length: {}|content-length: 3||", 400),
    ("two lengths that agree", "POST /v1/chat/completions HTTP/1.1|host: g|content-length: {}|content-length: {}||", 400),
    ("a list of lengths", "POST /v1/chat/completions HTTP/1.1|host: g|content-length: {}, {}||", 400),
    ("a signed length", "POST /v1/chat/completions HTTP/1.1|host: g|content-length: +{}||", 400),
    ("a negative length", "POST /v1/chat/completions HTTP/1.1|host: g|content-length: -1||", 400),
    ("a hexadecimal length", "POST /v1/chat/completions HTTP/1.1|host: g|content-length: 0x3b||", 400),
    ("a length of spaces", "POST /v1/chat/completions HTTP/1.1|host: g|content-length: 5 9||", 400),
    ("an empty length", "POST /v1/chat/completions HTTP/1.1|host: g|content-length: ||", 400),
    ("a length beyond 2^64", "POST /v1/chat/completions HTTP/1.1|host: g|content-length: 99999999999999999999999||", 400),
    ("an unknown coding", "POST /v1/chat/completions HTTP/1.1|host: g|transfer-encoding: gzip, chunked||", 501),
    ("chunked twice", "POST /v1/chat/completions HTTP/1.1|host: g|transfer-encoding: chunked, chunked||", 400),
    ("chunked in two lines", "POST /v1/chat/completions HTTP/1.1|host: g|transfer-encoding: chunked|transfer-encoding: chunked||", 400),
    ("chunked is not last", "POST /v1/chat/completions HTTP/1.1|host: g|transfer-encoding: chunked, gzip||", 400),
    ("identity", "POST /v1/chat/completions HTTP/1.1|host: g|transfer-encoding: identity||", 400),
    ("xchunked", "POST /v1/chat/completions HTTP/1.1|host: g|transfer-encoding: xchunked||", 400),
    ("quoted chunked", "POST /v1/chat/completions HTTP/1.1|host: g|transfer-encoding: \"chunked\"||", 400),
    ("a tab before chunked and a parameter", "POST /v1/chat/completions HTTP/1.1|host: g|transfer-encoding: \tchunked;a=b||", 400),
    ("a vertical tab", "POST /v1/chat/completions HTTP/1.1|host: g|transfer-encoding: \x0bchunked||", 400),
    ("chunked in HTTP/1.0", "POST /v1/chat/completions HTTP/1.0|host: g|transfer-encoding: chunked||", 400),
    ("a blank before the colon", "POST /v1/chat/completions HTTP/1.1|host: g|content-length : {}||", 400),
    ("a blank before the name", "POST /v1/chat/completions HTTP/1.1|host: g| content-length: {}||", 400),
    ("a fold", "POST /v1/chat/completions HTTP/1.1|host: g|x-a: b| c|content-length: {}||", 400),
    ("a blank first line of fields", "POST /v1/chat/completions HTTP/1.1| host: g|content-length: {}||", 400),
    ("no colon", "POST /v1/chat/completions HTTP/1.1|host: g|nonsense|content-length: {}||", 400),
    ("an empty name", "POST /v1/chat/completions HTTP/1.1|host: g|: x|content-length: {}||", 400),
    ("NUL in a value", "POST /v1/chat/completions HTTP/1.1|host: g|x-a: b\0c|content-length: {}||", 400),
    ("NUL in a name", "POST /v1/chat/completions HTTP/1.1|host: g|x\0a: b|content-length: {}||", 400),
    ("DEL in a value", "POST /v1/chat/completions HTTP/1.1|host: g|x-a: b\x7fc|content-length: {}||", 400),
    ("a bare CR in a value", "POST /v1/chat/completions HTTP/1.1|host: g|x-a: b\rc: d|content-length: {}||", 400),
    ("a bare LF between fields", "POST /v1/chat/completions HTTP/1.1|host: g\nx-a: b|content-length: {}||", 400),
    ("a bare LF at the end", "POST /v1/chat/completions HTTP/1.1|host: g|content-length: {}\n\n", 400),
    ("a bare LF behind the request line", "POST /v1/chat/completions HTTP/1.1\nhost: g|content-length: {}||", 400),
    ("no host", "POST /v1/chat/completions HTTP/1.1|content-length: {}||", 400),
    ("two hosts", "POST /v1/chat/completions HTTP/1.1|host: g|host: h|content-length: {}||", 400),
    ("a list of hosts", "POST /v1/chat/completions HTTP/1.1|host: g, h|content-length: {}||", 400),
    ("a host with a path", "POST /v1/chat/completions HTTP/1.1|host: g/x|content-length: {}||", 400),
    ("a host with a user", "POST /v1/chat/completions HTTP/1.1|host: u@g|content-length: {}||", 400),
    ("an empty host", "POST /v1/chat/completions HTTP/1.1|host: |content-length: {}||", 400),
    ("HTTP/2.0", "POST /v1/chat/completions HTTP/2.0|host: g|content-length: {}||", 505),
    ("HTTP/1.2", "POST /v1/chat/completions HTTP/1.2|host: g|content-length: {}||", 505),
    ("HTTP/1.10", "POST /v1/chat/completions HTTP/1.10|host: g|content-length: {}||", 400),
    ("http/1.1 in small letters", "POST /v1/chat/completions http/1.1|host: g|content-length: {}||", 400),
    ("no version", "POST /v1/chat/completions|host: g|content-length: {}||", 400),
    ("the preface of HTTP/2", "PRI * HTTP/2.0||SM||", 505),
    ("two blanks", "POST  /v1/chat/completions HTTP/1.1|host: g|content-length: {}||", 400),
    ("a tab in the request line", "POST\t/v1/chat/completions HTTP/1.1|host: g|content-length: {}||", 400),
    ("a blank behind the version", "POST /v1/chat/completions HTTP/1.1 |host: g|content-length: {}||", 400),
    ("CONNECT", "CONNECT g:443 HTTP/1.1|host: g||", 501),
    ("TRACE", "TRACE / HTTP/1.1|host: g||", 501),
    ("the authority as target", "POST g:80 HTTP/1.1|host: g|content-length: {}||", 400),
    ("an asterisk", "OPTIONS * HTTP/1.1|host: g||", 400),
    ("a fragment", "POST /v1/chat/completions#x HTTP/1.1|host: g|content-length: {}||", 400),
    ("an absolute target with a user", "POST http://u@g/v1/chat/completions HTTP/1.1|host: g|content-length: {}||", 400),
    ("another expectation", "POST /v1/chat/completions HTTP/1.1|host: g|expect: something|content-length: {}||", 417),
    ("TLS on a plain port", "\x16\x03\x01\x02\0\x01", 400),
];

/// Chunked bodies that are refused.
const CHUNKS: &[(&str, &str)] = &[
    ("a size that is no number", "xyz\r\n"),
    ("a signed size", "+5\r\nhello\r\n0\r\n\r\n"),
    ("a size with a prefix", "0x5\r\nhello\r\n0\r\n\r\n"),
    ("a size beyond 2^64", "fffffffffffffffff\r\n"),
    ("an empty size", "\r\nhello\r\n0\r\n\r\n"),
    ("a bare LF behind the size", "5\nhello\r\n0\r\n\r\n"),
    ("a bare CR behind the size", "5\rhello\r\n0\r\n\r\n"),
    ("data longer than its size", "3\r\nhello\r\n0\r\n\r\n"),
    ("no line end behind the data", "5\r\nhello0\r\n\r\n"),
    ("a bare LF behind the data", "5\r\nhello\n0\r\n\r\n"),
    ("a blank before the size", " 5\r\nhello\r\n0\r\n\r\n"),
    ("an endless extension", "5;"),
];

fn gateway(provider: &Provider) -> Gateway {
    Gateway::start(&Policy::over(provider).chain("c", &[("primary", "m"), ("backup", "m")], ""))
}

/// What follows a refused head is never read as a request: it would be answered.
fn smuggled() -> Vec<u8> {
    Ask::chat("c").bytes()
}

#[test]
fn heads_that_two_readers_read_differently() {
    let provider = Provider::new();
    let gateway = gateway(&provider);
    assert!(HEADS.len() >= 40);
    for (case, head, status) in HEADS {
        let head = head.replace('|', "\r\n").replace("{}", &BODY.len().to_string());
        let mut tenant = gateway.tenant();
        let bytes = [head.as_bytes(), BODY.as_bytes(), &smuggled()].concat();
        // The gateway may hang up before all of it is sent.
        tenant.try_send(&bytes).ok();
        let answer = tenant.answer();
        assert_eq!(answer.head.status, *status, "{case}: {}", answer.text());
        assert_eq!(answer.head.field("connection"), Some("close"), "{case}");
        assert!(!answer.code().is_empty() && answer.json()["error"]["message"].is_string(), "{case}: {}", answer.text());
        assert!(tenant.closed(), "{case}: something was answered behind it");
        assert!(provider.log().is_empty(), "{case}: it reached a provider");
    }
    Story::of("afterwards", gateway.tenant().ask(&Ask::chat("c")), &provider, "m").answered_by("primary");
}

#[test]
fn chunks_that_two_readers_read_differently() {
    let provider = Provider::new();
    let gateway = gateway(&provider);
    for (case, chunks) in CHUNKS {
        let mut tenant = gateway.tenant();
        tenant.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\ntransfer-encoding: chunked\r\n\r\n");
        let mut bytes = chunks.as_bytes().to_vec();
        if bytes.ends_with(b";") {
            bytes.resize(64 << 10, b'x');
        }
        bytes.extend_from_slice(&smuggled());
        tenant.try_send(&bytes).ok();
        let answer = tenant.answer();
        assert!([400, 413].contains(&answer.head.status), "{case}: {} {}", answer.head.status, answer.text());
        assert_eq!(answer.head.field("connection"), Some("close"), "{case}");
        assert!(tenant.closed(), "{case}: something was answered behind it");
        assert!(provider.log().is_empty(), "{case}: it reached a provider");
    }
    Story::of("afterwards", gateway.tenant().ask(&Ask::chat("c")), &provider, "m").answered_by("primary");
}

#[test]
fn limits_of_heads() {
    let provider = Provider::new();
    let gateway = gateway(&provider);
    let target = format!("/v1/chat/completions?{}", "x".repeat(9 << 10));
    let many = (0..101).fold(Ask::chat("c"), |ask, number| ask.with(&format!("x-{number}"), "1"));
    let cases = [
        ("a long target", Ask::raw(&target, BODY.as_bytes()), 414),
        ("many fields", many, 431),
        ("a large field", Ask::chat("c").with("x-large", &"x".repeat(40 << 10)), 431),
    ];
    for (case, ask, status) in cases {
        let mut tenant = gateway.tenant();
        tenant.try_send(&ask.bytes()).ok();
        assert_eq!(tenant.answer().head.status, status, "{case}");
    }
    // Every refusal ends its connection, and none may end the next one in the same place.
    let large = Ask::chat("c").with("x-large", &"x".repeat(33_000)).bytes();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let mut tenant = gateway.tenant();
                    tenant.try_send(&large).ok();
                    assert_eq!(tenant.answer().head.status, 431);
                }
            });
        }
    });
    assert!(provider.log().is_empty());
    let just = Ask::chat("c").with("x-large", &"x".repeat(20 << 10));
    Story::of("within the limit", gateway.tenant().ask(&just), &provider, "m").answered_by("primary");
}

/// Paths that hide something, and fields that must go no further.
#[test]
fn paths_and_fields_that_hide_something() {
    let provider = Provider::new();
    let gateway = gateway(&provider);
    let mut tenant = gateway.tenant();
    for path in ["/v1/chat%2fcompletions", "/v1/chat/completions%00", "/v1/%zz", "/v1/chat/completions%2"] {
        assert_eq!(tenant.ask(&Ask::raw(path, BODY.as_bytes())).head.status, 400, "{path}");
    }
    for path in ["/v1/../v1/chat/completions", "//v1/chat/completions", "/v1/chat/completions/", "/V1/chat/completions"] {
        assert_eq!(tenant.ask(&Ask::raw(path, BODY.as_bytes())).head.status, 404, "{path}");
    }
    assert!(provider.log().is_empty());
    // An absolute target and an encoded letter mean what they mean to everybody.
    for path in ["http://elsewhere/v1/chat/completions", "/v1/ch%61t/completions", "/v1/chat/completions?api-version=1"] {
        Story::of(path, tenant.ask(&Ask::raw(path, BODY.as_bytes())), &provider, "m").answered_by("primary");
    }
    let ask = Ask::chat("c").with("x-mock-fault", "503").with("cookie", "a=b").with("connection", "x-mock-fault").with("upgrade", "h2c");
    let story = Story::of("fields", tenant.ask(&ask), &provider, "m");
    story.answered_by("primary");
    let names: Vec<&str> = story.entries.last().unwrap().headers.iter().map(|(name, _)| name.as_str()).collect();
    for name in ["x-mock-fault", "cookie", "upgrade", "connection", "transfer-encoding"] {
        assert!(!names.contains(&name), "{name} was passed on: {names:?}");
    }
}

/// A HEAD is answered without a body, and says nothing of the request behind it.
#[test]
fn methods_are_those_of_the_path() {
    let provider = Provider::new();
    let gateway = gateway(&provider);
    let mut tenant = gateway.tenant();
    let head_of = |path: &str| format!("HEAD {path} HTTP/1.1\r\nhost: x\r\n\r\n").into_bytes();
    for path in ["/v1/models", "/v1/models/c"] {
        let answer = tenant.ask(&Ask::get(path));
        tenant.send(&head_of(path));
        let head = tenant.head();
        assert_eq!((head.status, head.field("content-length")), (200, answer.head.field("content-length")), "{path}");
    }
    for (ask, allowed) in [(Ask::get("/v1/chat/completions"), "POST"), (Ask::raw("/v1/models", b"{}"), "GET, HEAD")] {
        let answer = tenant.ask(&ask);
        assert_eq!((answer.head.status, answer.head.field("allow")), (405, Some(allowed)));
    }
    tenant.send(&[head_of("/v1/nothing"), b"GET /v1/models HTTP/1.1\r\n\r\n".to_vec()].concat());
    assert_eq!(tenant.head().status, 404);
    let answer = tenant.answer();
    assert_eq!((answer.head.status, answer.code().as_str(), answer.end), (400, "host_missing", End::Complete));
    assert!(provider.log().is_empty());
}
