//! Faults of time: late, slow, in small pieces, or not at all.

use super::{
    WHOLE,
    caller::{self, Caller, End, World, chat_text, find},
    chat, chat_to_end,
};
use mock::journal::Outcome;

pub(super) fn latency(world: &World) {
    world.fault("latency;ms=40");
    assert_eq!(chat(world, false).status, 200);
    let entry = world.settled();
    assert!(entry.ended_ms.unwrap() - entry.at_ms >= 40, "{entry:?}");
}

pub(super) fn pace(world: &World) {
    world.fault("pace;gap_ms=4");
    assert_eq!(chat_text(&chat(world, true).data()), WHOLE);
    let entry = world.settled();
    // Twelve gaps: role, ten pieces, finish, marker.
    assert!(entry.ended_ms.unwrap() - entry.at_ms >= 48, "{entry:?}");
}

pub(super) fn drip(world: &World) {
    world.fault("drip;ms=1;count=1");
    let mut caller = world.call();
    caller.request("GET", "/v1/models/gpt-4o", "", "");
    assert_eq!(caller.reply().json()["id"], "gpt-4o");
    let entry = world.settled();
    // The head drips as well.
    assert!(entry.ended_ms.unwrap() - entry.at_ms >= entry.sent_bytes, "{entry:?}");
}

/// Every write of a TLS connection is a record of its own, so records show what TCP would join.
pub(super) fn split(world: &World) {
    use std::io::{Read, Write};
    world.fault("split");
    let name = "localhost".try_into().unwrap();
    let mut session = rustls::ClientConnection::new(world.trust(), name).unwrap();
    let mut tcp = caller::connect(world.tls_address());
    while session.is_handshaking() {
        session.complete_io(&mut tcp).unwrap();
    }
    let request = "GET /v1/models/x HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    session.writer().write_all(request.as_bytes()).unwrap();
    session.complete_io(&mut tcp).unwrap();
    let mut raw = Vec::new();
    tcp.read_to_end(&mut raw).unwrap();
    let (mut sizes, mut rest) = (Vec::new(), raw.as_slice());
    while let [23, _, _, high, low, ..] = rest {
        let size = usize::from(*high) * 256 + usize::from(*low);
        sizes.push(size);
        rest = &rest[5 + size..];
    }
    // TLS 1.3: one byte of content, one of type, sixteen of tag.
    let single = sizes.iter().filter(|size| **size == 18).count();
    assert!(single > 300, "a head alone is more than 300 bytes: {sizes:?}");
}

/// Hangs up on a stalled answer and checks that the provider saw it, and how far it had come.
fn hang_up_on_stall(world: &World, mut caller: Caller, seen: &[u8], events: u64) {
    world.until("the request has arrived", |world| world.log().pop());
    caller.read_until(|bytes| find(bytes, seen).is_some()).unwrap();
    drop(caller);
    let entry = world.settled();
    assert_eq!((entry.outcome, entry.hung_up), (Outcome::HungUp, true), "{entry:?}");
    assert_eq!(entry.sent_events, events, "{entry:?}");
    assert_eq!(world.counter("hang_ups"), 1);
}

pub(super) fn stall_before_head(world: &World) {
    world.fault("stall-before-head");
    let mut caller = world.call();
    caller.chat(false);
    hang_up_on_stall(world, caller, b"", 0);
    world.admin.reset().unwrap();
    world.fault("stall-before-head;ms=1");
    assert_eq!(chat_to_end(world, false), (Vec::new(), End::Clean));
}

pub(super) fn stall_after_head(world: &World) {
    world.fault("stall-after-head");
    let mut caller = world.call();
    caller.chat(true);
    hang_up_on_stall(world, caller, b"\r\n\r\n", 0);
}

pub(super) fn stall(world: &World) {
    world.fault("stall;events=4");
    let mut caller = world.call();
    caller.chat(true);
    hang_up_on_stall(world, caller, b" w0", 4);
    world.admin.reset().unwrap();
    world.fault("stall;bytes=10;ms=1");
    let reply = chat(world, false);
    assert_eq!(reply.json()["choices"][0]["message"]["content"], WHOLE, "it went on");
}
