use super::*;
use std::net::TcpListener;

/// Answers one connection after another with these bytes, once the head has come; returns what it was sent.
fn origin(answers: Vec<&'static [u8]>) -> (u16, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = std::thread::spawn(move || {
        let mut heads = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut read = Vec::new();
            while !read.windows(4).any(|end| end == b"\r\n\r\n") {
                if more(&mut stream, &mut read).unwrap() == 0 {
                    break;
                }
            }
            heads.push(String::from_utf8(read).unwrap());
            stream.write_all(answer).unwrap();
        }
        heads
    });
    (port, served)
}

fn get(target: &str) -> Question {
    Question { method: "GET", target: target.to_owned(), fields: Vec::new(), credential: None, body: Vec::new() }
}

fn at(port: u16) -> Dial {
    Dial { host: "127.0.0.1".to_owned(), port, proxy: None, tls: None }
}

fn asked(answer: &'static [u8]) -> Result<Reply, Trouble> {
    let (port, served) = origin(vec![answer]);
    let reply = ask(&at(port), &get("/health"), Duration::from_secs(30));
    served.join().unwrap();
    reply
}

#[test]
fn answers_are_read_however_they_end() {
    for (answer, status, body) in [
        (&b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"[..], 200, &b"ok"[..]),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\n\r\n", 200, b"ok!"),
        (b"HTTP/1.0 503 No\r\n\r\nuntil it ends", 503, b"until it ends"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        // Nothing is followed.
        (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", 302, b""),
    ] {
        let reply = asked(answer).unwrap();
        assert_eq!((reply.status, reply.body.as_slice()), (status, body));
    }
}

#[test]
fn what_is_no_answer_is_told() {
    let malformed = |answer| matches!(asked(answer), Err(Trouble::Malformed(_)));
    assert!(malformed(b""));
    assert!(malformed(b"HTTP/1.1 200 OK\r\ncontent-le"));
    assert!(malformed(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok"));
    assert!(malformed(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"));
    assert!(malformed(b"SSH-2.0-OpenSSH_9.2\r\n"));
    assert!(matches!(asked(b"HTTP/1.1 200 OK\r\ncontent-length: 9999999999\r\n\r\n"), Err(Trouble::TooLong)));
}

#[test]
fn nobody_waits_beyond_the_time() {
    // It listens and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let dial = at(silent.local_addr().unwrap().port());
    assert!(matches!(ask(&dial, &get("/"), Duration::from_millis(50)), Err(Trouble::Late)));
    assert!(matches!(ask(&dial, &get("/"), Duration::ZERO), Err(Trouble::Late)));
    let port = dial.port;
    drop(silent);
    assert!(matches!(ask(&at(port), &get("/"), Duration::from_secs(30)), Err(Trouble::Io(_))));
}

#[test]
fn what_is_asked_goes_the_way_of_the_data_plane() {
    let (port, served) = origin(vec![b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"]);
    let credential = Some(("x-api-key".to_owned(), "", Secret::new(b"sk-1".to_vec())));
    let fields = vec![("x-team".to_owned(), "blue".to_owned())];
    ask(&at(port), &Question { fields, credential, ..get("/metrics?all=1") }, Duration::from_secs(30)).unwrap();
    let heads = served.join().unwrap();
    assert!(heads[0].starts_with("GET /metrics?all=1 HTTP/1.1\r\n"), "{heads:?}");
    for line in [&format!("host: 127.0.0.1:{port}\r\n"), "x-team: blue\r\n", "x-api-key: sk-1\r\n", "connection: close\r\n"] {
        assert!(heads[0].contains(line), "{heads:?}");
    }
    // A head is never split by what stands in a policy.
    let split = ask(&at(port), &get("/ HTTP/1.1\r\nx: y"), Duration::from_secs(30));
    assert!(matches!(split, Err(Trouble::Unaskable(_))), "{split:?}");
}

#[test]
fn a_proxy_is_asked_for_the_way_and_its_refusal_told() {
    let (port, served) = origin(vec![b"HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n"]);
    let dial = Dial { proxy: Some(("127.0.0.1".to_owned(), port)), ..Dial { host: "::9".to_owned(), ..at(81) } };
    assert!(matches!(ask(&dial, &get("/"), Duration::from_secs(30)), Err(Trouble::Proxy(403))));
    assert!(served.join().unwrap()[0].starts_with("CONNECT [::9]:81 HTTP/1.1\r\n"));
}

/// A proxy that says this, and then is the origin: what it was sent before and after.
fn proxied(greeting: &'static [u8]) -> (Result<Reply, Trouble>, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut heads = Vec::new();
        for answer in [greeting, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"] {
            let mut read = Vec::new();
            while !read.ends_with(b"\r\n\r\n") {
                if more(&mut stream, &mut read).unwrap_or(0) == 0 {
                    return heads;
                }
            }
            heads.push(String::from_utf8(read).unwrap());
            stream.write_all(answer).unwrap();
        }
        heads
    });
    let dial = Dial { proxy: Some(("127.0.0.1".to_owned(), port)), ..Dial { host: "origin.test".to_owned(), ..at(81) } };
    let reply = ask(&dial, &get("/health"), Duration::from_secs(30));
    (reply, served.join().unwrap())
}

#[test]
fn a_tunnel_begins_right_behind_the_head_that_opens_it() {
    for greeting in [
        &b"HTTP/1.1 200 Connection established\r\n\r\n"[..],
        b"HTTP/1.0 200 Connection established\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 Yes\r\nvia: 1.1 proxy\r\n\r\n",
        // RFC 9110, section 9.3.6: a length is ignored there.
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    ] {
        let (reply, heads) = proxied(greeting);
        assert_eq!(reply.unwrap().body, b"ok");
        assert!(
            heads[0].starts_with("CONNECT origin.test:81 HTTP/1.1\r\n") && heads[1].starts_with("GET /health HTTP/1.1\r\n"),
            "{heads:?}"
        );
        assert!(heads[1].contains("\r\nhost: origin.test:81\r\n"), "{heads:?}");
    }
    // A proxy that answers in the origin's place is not believed.
    let (reply, heads) = proxied(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert!(matches!(reply, Err(Trouble::Malformed(_))), "{reply:?}");
    assert_eq!(heads.len(), 1, "{heads:?}");
}
