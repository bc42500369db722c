use super::*;
use std::{net::TcpListener, thread};

/// Answers each request on one connection with the next of `answers`, then closes.
fn serve(answers: Vec<&'static str>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        for answer in answers {
            let mut seen = Vec::new();
            let mut byte = [0];
            while !seen.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
                seen.push(byte[0]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    address
}

#[test]
fn whole_answers_on_one_connection() {
    let address = serve(vec![
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nhi",
        "HTTP/1.1 503 No\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    ]);
    let mut connection = Connection::open(address, Duration::from_secs(5)).unwrap();
    let one = connection.ask("GET", "/", b"", |_| false).unwrap();
    assert_eq!((one.head.status, one.body.as_slice(), one.head.field("x-a"), one.marked), (200, &b"hi"[..], Some("b"), None));
    let two = connection.ask("GET", "/", b"", |part| part == b"de").unwrap();
    assert_eq!((two.head.status, two.body.as_slice()), (503, &b"abcde"[..]));
    assert!(two.marked.is_some());
}

#[test]
fn what_is_cut_or_wrong_is_an_error() {
    let answers = [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\n\r\nhi",
        "SSH-2.0-x\r\n\r\n",
        "",
    ];
    for answer in answers {
        let mut connection = Connection::open(serve(vec![answer]), Duration::from_secs(5)).unwrap();
        assert!(connection.ask("GET", "/", b"", |_| false).is_err(), "{answer:?}");
    }
}
