//! Tables of event streams (WHATWG HTML 9.2.5, 9.2.6).

use proptest::prelude::*;

use super::*;

/// Each cut as `kind event data`, and the bytes held at the end.
fn cuts(input: &[u8]) -> (Vec<String>, usize) {
    let mut splitter = Splitter::default();
    let mut found = Vec::new();
    let mut rest = input;
    while let Some(cut) = splitter.next(rest).unwrap() {
        let event = cut.event(&splitter, rest).map(|name| name.escape_ascii().to_string());
        let data = cut.data(&splitter, rest).escape_ascii();
        found.push(format!("{:?} {} {data}", cut.kind, event.as_deref().unwrap_or("-")));
        rest = &rest[cut.used..];
    }
    (found, splitter.pending())
}

#[test]
fn streams() {
    let table: [(&[u8], &[&str], usize); 30] = [
        (b"", &[], 0),
        (b"data: x\n\n", &["Event - x"], 0),
        (b"data: x\r\n\r\n", &["Event - x"], 0),
        (b"data: x\r\r", &["Event - x"], 0),
        (b"data: x\r\n\n", &["Event - x"], 0),
        (b"data: x\n\r\n", &["Event - x"], 0),
        (b"data: x\n\r", &["Event - x"], 0),
        (b"data:x\n\n", &["Event - x"], 0),
        (b"data:  x\n\n", &["Event -  x"], 0),
        (b"data:\n\n", &["Event - "], 0),
        (b"data\n\n", &["Event - "], 0),
        (b"data: a\ndata: b\n\n", &["Event - a\\nb"], 0),
        (b"data: a\r\ndata\r\ndata: b\r\n\r\n", &["Event - a\\n\\nb"], 0),
        (b"data: {\"a\":\"b\"}\n\ndata: [DONE]\n\n", &["Event - {\\\"a\\\":\\\"b\\\"}", "Event - [DONE]"], 0),
        (b"event: error\ndata: x\n\n", &["Event error x"], 0),
        (b"data: x\nevent:error\n\n", &["Event error x"], 0),
        (b"event: a\nevent: b\ndata: x\n\n", &["Event b x"], 0),
        (b"id: 1\nretry: 5\ndata: x\n\n", &["Event - x"], 0),
        (b"id: 1\n\n", &["Fields - "], 0),
        (b"event: ping\n\n", &["Fields ping "], 0),
        (b"unknown\n\n", &["Fields - "], 0),
        (b"datax: y\n\n", &["Fields - "], 0),
        (b" data: y\n\n", &["Fields - "], 0),
        (b": OPENROUTER PROCESSING\n\n", &["Comment - "], 0),
        (b":\n\n:\n\n", &["Comment - ", "Comment - "], 0),
        (b": c\ndata: x\n\n", &["Event - x"], 0),
        (b"\n\r\n\rdata: x\n\n", &["Blank - ", "Blank - ", "Blank - ", "Event - x"], 0),
        (b"\xef\xbb\xbfdata: x\n\ndata: y\n\n", &["Event - x", "Event - y"], 0),
        (b"data: x\n\n\xef\xbb\xbfdata: y\n\n", &["Event - x", "Fields - "], 0),
        (b"data: x\n\ndata: cut", &["Event - x"], 9),
    ];
    for (input, expected, pending) in table {
        let (found, held) = cuts(input);
        assert_eq!(found, expected, "{}", input.escape_ascii());
        assert_eq!(held, pending, "{}", input.escape_ascii());
        crate::fuzz::events(input);
    }
}

#[test]
fn an_event_in_one_piece_is_not_copied() {
    let input = b"event: e\ndata: {\"x\":1}\n\nmore";
    let mut splitter = Splitter::default();
    let cut = splitter.next(input).unwrap().unwrap();
    assert_eq!(cut.data(&splitter, input).as_ptr(), input[15..].as_ptr());
    assert_eq!(cut.raw(&splitter, input), b"event: e\ndata: {\"x\":1}\n\n");
    assert_eq!(splitter.carry.capacity(), 0);
}

#[test]
fn a_blank_line_is_complete_with_its_cr() {
    let mut splitter = Splitter::default();
    let cut = splitter.next(b"data: x\r\n\r").unwrap().unwrap();
    assert_eq!(cut.used, 10);
    // The LF that belongs to it comes later: no event, and nothing that was cut short.
    assert_eq!(splitter.next(b"\n"), Ok(None));
    assert_eq!(splitter.pending(), 0);
    let cut = splitter.next(b"data: y\n\n").unwrap().unwrap();
    assert_eq!(cut.data(&splitter, b"data: y\n\n"), b"y");
    assert_eq!(cut.raw(&splitter, b"data: y\n\n"), b"\ndata: y\n\n");
}

#[test]
fn the_largest_event_is_exact_and_its_memory_is_returned() {
    for (size, fits) in [(100, true), (101, false)] {
        let input = [b"data:".as_slice(), &vec![b'x'; size - 7], b"\n\n"].concat();
        for piece in [1, 7, 50, 200] {
            let mut splitter = Splitter::new(100);
            let result: Result<Vec<_>, TooLong> = input.chunks(piece).map(|piece| splitter.next(piece)).collect();
            assert_eq!(result.is_ok(), fits, "{size} by {piece}");
            assert!(splitter.carry.len() <= 100);
        }
    }
    let mut splitter = Splitter::default();
    for piece in [b"data:".as_slice(), &vec![b'x'; 500_000], b"\n\n"] {
        splitter.next(piece).unwrap();
    }
    assert_eq!(splitter.next(b""), Ok(None));
    assert!(splitter.carry.capacity() <= 2 * KEPT_SIZE);
}

#[test]
fn an_endless_line_is_refused() {
    let mut splitter = Splitter::default();
    let piece = [b'x'; 64 * 1024];
    let refused = (0..17).any(|_| splitter.next(&piece) == Err(TooLong));
    assert!(refused && splitter.carry.len() <= EVENT_SIZE_MAX);
}

proptest! {
    #[test]
    fn events_that_are_written_are_read_again(
        events in prop::collection::vec(("[a-z.]{0,8}", prop::collection::vec("[ -~é]{0,20}", 1..4)), 0..6),
        line_end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
    ) {
        let mut wire = String::new();
        for (name, lines) in &events {
            wire += &format!("event: {name}{line_end}");
            for line in lines {
                wire += &format!("data: {line}{line_end}");
            }
            wire += line_end;
        }
        let expected: Vec<String> = events.iter().map(|(name, lines)| {
            format!("Event {name} {}", lines.join("\n").as_bytes().escape_ascii())
        }).collect();
        prop_assert_eq!(cuts(wire.as_bytes()), (expected, 0));
        crate::fuzz::events(wire.as_bytes());
    }
}
