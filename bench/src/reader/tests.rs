use super::{Broken, Path, Piece, Reader, Side, Start};

/// What came of some bytes: a line for each head and end, and the bodies' bytes.
fn read(side: Side, pieces: &[&[u8]]) -> Result<Vec<String>, Broken> {
    let mut reader = Reader::new(side);
    let mut seen = Vec::new();
    let mut body = String::new();
    for piece in pieces {
        let mut input = *piece;
        while let Some(piece) = reader.next(&mut input)? {
            match piece {
                Piece::Head(head) => seen.push(format!("{:?} {:?} {} {}", head.start, head.length, head.close, head.events)),
                Piece::Body(bytes) => body.push_str(std::str::from_utf8(bytes).expect("ASCII in these tests")),
                Piece::End => seen.push(format!("end {}", std::mem::take(&mut body))),
            }
        }
        assert!(input.is_empty(), "what is not a piece is kept");
    }
    if reader.closed()? {
        seen.push(format!("end {body}"));
    }
    Ok(seen)
}

const ANSWERS: &[(&str, &[&str])] = &[
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 204 No\r\n\r\nHTTP/1.1 503 x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        &[
            "Answer { status: 200 } Some(5) false false",
            "end hello",
            "Answer { status: 204 } None false false",
            "end ",
            "Answer { status: 503 } Some(0) true false",
            "end ",
        ],
    ),
    (
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n1;x=y\r\ne\r\n0\r\nTrailer: 1\r\n\r\n",
        &["Answer { status: 200 } None false true", "end abcde"],
    ),
    ("HTTP/1.1 200 OK\r\n\r\nuntil the end", &["Answer { status: 200 } None true false", "end until the end"]),
];

#[test]
fn any_split_gives_the_same_messages() {
    for (text, expected) in ANSWERS {
        let bytes = text.as_bytes();
        assert_eq!(read(Side::Answers, &[bytes]).expect("well-formed"), *expected);
        for at in 0..bytes.len() {
            assert_eq!(read(Side::Answers, &[&bytes[..at], &bytes[at..]]).expect("well-formed"), *expected, "split at {at}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(Side::Answers, &single).expect("well-formed"), *expected);
    }
}

#[test]
fn requests_are_known_by_their_path() {
    let text = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n";
    let start = |post, path| format!("{:?}", Start::Request { post, path });
    let expected = vec![
        format!("{} Some(2) false false", start(true, Path::Completions)),
        "end {}".to_owned(),
        format!("{} None false false", start(false, Path::Models)),
        "end ".to_owned(),
    ];
    for at in 0..text.len() {
        assert_eq!(read(Side::Requests, &[&text.as_bytes()[..at], &text.as_bytes()[at..]]).expect("well-formed"), expected);
    }
}

#[test]
fn what_is_no_message_is_refused() {
    let check = |text: &str, expected: Broken| assert_eq!(read(Side::Answers, &[text.as_bytes()]), Err(expected), "{text:?}");
    check("SSH-2.0-x\r\n\r\n", Broken::Head);
    check("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", Broken::Length);
    check("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n", Broken::Length);
    check("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n1", Broken::Short);
    check("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", Broken::Chunk);
    check("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n", Broken::Chunk);
    check("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n", Broken::Short);
    check(&format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(70_000)), Broken::HeadTooLong);
}
