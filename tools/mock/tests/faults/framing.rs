//! Answers that end too soon, or are not what their head says.

use super::{
    caller::{self, End, World, count, find},
    chat, chat_to_end,
};
use mock::journal::Outcome;

pub(super) fn cut_before_head(world: &World) {
    world.fault("cut-before-head");
    assert_eq!(chat_to_end(world, false), (Vec::new(), End::Clean));
    let mut caller = world.call_tls();
    caller.chat(false);
    assert_eq!(caller.rest(), (Vec::new(), End::Truncated));
}

pub(super) fn reset_before_head(world: &World) {
    world.fault("reset-before-head");
    assert_eq!(chat_to_end(world, false), (Vec::new(), End::Reset));
}

pub(super) fn cut(world: &World) {
    world.fault("cut;events=3");
    let (bytes, end) = chat_to_end(world, true);
    assert_eq!((count(&bytes, b"data: "), end), (3, End::Clean));
    assert!(!bytes.ends_with(b"0\r\n\r\n"), "the chunked coding has no end");
    world.fault("cut;bytes=100");
    let (bytes, _) = chat_to_end(world, false);
    let head = find(&bytes, b"\r\n\r\n").unwrap() + 4;
    assert_eq!(bytes.len() - head, 100);
    for (written, expected) in [("cut", End::Truncated), ("cut;notify=yes", End::Clean)] {
        world.fault(written);
        let mut caller = world.call_tls();
        caller.chat(true);
        let (bytes, end) = caller.rest();
        assert_eq!(end, expected, "{written}");
        assert!(count(&bytes, b"data: ") > 3, "half of the body came");
    }
}

pub(super) fn reset(world: &World) {
    world.fault("reset;events=2;match=stream");
    let mut caller = world.call();
    caller.chat(true);
    caller.read_until(|bytes| count(bytes, b"data: ") == 2).unwrap();
    assert_eq!(caller.rest().1, End::Reset);
    assert_eq!(chat(world, false).status, 200, "only streams were to break");
    assert_eq!(world.settled().outcome, Outcome::Complete);
    assert_eq!(world.log()[0].outcome, Outcome::Broken);
    world.fault("reset;bytes=0");
    let mut caller = world.call();
    caller.chat(false);
    assert_eq!(caller.rest().1, End::Reset);
}

pub(super) fn bad_chunk(world: &World) {
    for stream in [true, false] {
        world.fault("bad-chunk;events=2");
        let mut caller = world.call();
        caller.chat(stream);
        let wrong = caller.try_reply().unwrap_err();
        assert!(wrong.contains("bad chunk `zz!`"), "{wrong}");
    }
}

pub(super) fn length_long(world: &World) {
    for stream in [true, false] {
        world.fault("length-long;bytes=5");
        let (bytes, end) = chat_to_end(world, stream);
        let (promised, sent) = promised_and_sent(&bytes);
        assert_eq!((promised, end), (sent + 5, End::Clean));
    }
}

pub(super) fn length_short(world: &World) {
    world.fault("length-short;bytes=5");
    let mut caller = world.call();
    caller.chat_with("connection: close\r\n", false);
    let (bytes, _) = caller.rest();
    let (promised, sent) = promised_and_sent(&bytes);
    assert_eq!(promised + 5, sent);
}

fn promised_and_sent(bytes: &[u8]) -> (usize, usize) {
    let head = find(bytes, b"\r\n\r\n").unwrap() + 4;
    let (_, headers) = caller::parse_head(&bytes[..head]);
    let length = headers.iter().find(|(name, _)| name == "content-length").unwrap();
    (length.1.parse().unwrap(), bytes.len() - head)
}

pub(super) fn length_and_chunked(world: &World) {
    world.fault("length-and-chunked");
    let reply = chat(world, false);
    assert_eq!(reply.header("transfer-encoding"), Some("chunked"));
    assert_eq!(reply.header("content-length"), Some(reply.body.len().to_string().as_str()));
}

pub(super) fn length_twice(world: &World) {
    world.fault("length-twice");
    let reply = chat(world, false);
    let lengths: Vec<_> = reply.headers.iter().filter(|(n, _)| n == "content-length").collect();
    assert_eq!(lengths.len(), 2);
    assert_ne!(lengths[0].1, lengths[1].1);
}

pub(super) fn huge_head(world: &World) {
    world.fault("huge-head;bytes=200000");
    let reply = chat(world, false);
    let size: usize = reply.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    assert!(size >= 200_000, "{size}");
    assert_eq!(reply.status, 200);
}

pub(super) fn informational_flood(world: &World) {
    world.fault("informational-flood;heads=50");
    let mut caller = world.call();
    caller.chat(false);
    for _ in 0..50 {
        assert_eq!(caller.reply().status, 103);
    }
    assert_eq!(caller.reply().status, 200);
}
