//! Every kind of fault, seen from the other end of a real socket.

// The checks are called by a test without being tests themselves, which the lint cannot see.
#![allow(clippy::unwrap_used)]

#[path = "../caller/mod.rs"]
mod caller;
mod connection;
mod content;
mod framing;
mod pace;

use caller::{End, Reply, World};
use mock::fault::KINDS;

/// The text of a well provider `a` with eight words.
const WHOLE: &str = "a says: w0 w1 w2 w3 w4 w5 w6 w7";

/// Breaks a provider and looks from outside.
type Check = fn(&World);

/// One observation for every kind.
const CHECKS: &[(&str, Check)] = &[
    ("refuse", connection::refuse),
    ("black-hole", connection::black_hole),
    ("close-on-accept", connection::close_on_accept),
    ("reset-on-accept", connection::reset_on_accept),
    ("never-read", connection::never_read),
    ("tls-stall", connection::tls_stall),
    ("latency", pace::latency),
    ("pace", pace::pace),
    ("drip", pace::drip),
    ("split", pace::split),
    ("status", content::status),
    ("html", content::html),
    ("redirect", content::redirect),
    ("garbage", content::garbage),
    ("stall-before-head", pace::stall_before_head),
    ("stall-after-head", pace::stall_after_head),
    ("stall", pace::stall),
    ("cut-before-head", framing::cut_before_head),
    ("reset-before-head", framing::reset_before_head),
    ("cut", framing::cut),
    ("reset", framing::reset),
    ("bad-chunk", framing::bad_chunk),
    ("length-long", framing::length_long),
    ("length-short", framing::length_short),
    ("length-and-chunked", framing::length_and_chunked),
    ("length-twice", framing::length_twice),
    ("huge-head", framing::huge_head),
    ("informational-flood", framing::informational_flood),
    ("error-in-200", content::error_in_200),
    ("error-event", content::error_event),
    ("error-before-content", content::error_before_content),
    ("empty-choices", content::empty_choices),
    ("empty-body", content::empty_body),
    ("truncated-json", content::truncated_json),
    ("wrong-type", content::wrong_type),
    ("encoded", content::encoded),
    ("no-terminal", content::no_terminal),
    ("huge-event", content::huge_event),
    ("endless", content::endless),
    ("finish", content::finish),
    ("refusal", content::refusal),
    ("prose", content::prose),
    ("wrong-schema", content::wrong_schema),
    ("no-usage", content::no_usage),
    ("comments", content::comments),
    ("crlf", content::crlf),
    ("limits", content::limits),
    ("close-after", connection::close_after),
    ("idle-close", connection::idle_close),
];

#[test]
fn every_kind_is_observable_on_the_wire() {
    let checked: Vec<&str> = CHECKS.iter().map(|(name, _)| *name).collect();
    let known: Vec<&str> = KINDS.iter().map(|row| row.name).collect();
    assert_eq!(checked, known, "each kind has its check, in the order of the table");
    let world = World::new();
    for (name, check) in CHECKS {
        println!("{name}");
        check(&world);
        world.admin.reset().unwrap();
        // After each fault the provider is well again: nothing leaks into the next.
        let reply = chat(&world, false);
        assert_eq!(reply.json()["choices"][0]["message"]["content"], WHOLE, "after {name}");
        world.admin.reset().unwrap();
    }
}

fn chat(world: &World, stream: bool) -> Reply {
    let mut caller = world.call();
    caller.chat(stream);
    caller.reply()
}

fn chat_to_end(world: &World, stream: bool) -> (Vec<u8>, End) {
    let mut caller = world.call();
    caller.chat(stream);
    caller.rest()
}
