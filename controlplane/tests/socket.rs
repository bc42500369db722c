//! Both sockets as bytes: what is asked for, what is cut off, what is too long, what is garbage.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use policy::wire::{self, Frame, Publish};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use serde_json::{Value, json};
use std::{
    io::{IoSlice, Read, Write},
    net::Shutdown,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
};
use support::House;

fn started() -> House {
    let mut house = House::new();
    house.start();
    house
}

/// What comes back when exactly these bytes are sent and no more follow.
fn said(house: &House, bytes: &[u8]) -> String {
    let mut operator = UnixStream::connect(house.folder.join("run/operator.sock")).unwrap();
    // Who is refused in the middle of a line may be cut off there.
    operator.write_all(bytes).ok();
    operator.shutdown(Shutdown::Write).ok();
    let mut answer = Vec::new();
    operator.read_to_end(&mut answer).ok();
    String::from_utf8(answer).unwrap()
}

fn audited(house: &House) -> Vec<Value> {
    let text = std::fs::read_to_string(house.folder.join("state/audit.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_line_of_text_is_answered_in_text_and_one_of_json_in_json() {
    let house = started();
    let text = said(&house, b"status\n");
    assert!(text.starts_with("policy    generation 1 (") && text.contains("no data plane is connected"), "{text}");
    let json: Value = serde_json::from_str(&said(&house, b"{\"verb\": \"status\"}\n")).unwrap();
    assert_eq!((&json["code"], &json["data"]["generation"]), (&json!(0), &json!(1)));
    assert!(said(&house, b"evnets --last 3\n").contains("'events'"));
    assert!(said(&house, b"check x.yaml\n").contains("is done by the command"));
    let json: Value = serde_json::from_str(&said(&house, b"{\"verb\": \"statsu\"}\n")).unwrap();
    assert_eq!((&json["code"], &json["data"]["error"]), (&json!(2), &json!("there is no verb `statsu`; did you mean `status`?")));
}

#[test]
fn what_is_cut_off_or_too_long_or_no_text_is_not_obeyed() {
    let house = started();
    let long = "reload --why ".to_owned() + &"x".repeat(70_000) + "\n";
    let cases: [(&[u8], &str); 6] = [
        (b"reload", "cut off"),
        (b"{\"verb\": \"reload\"}", "cut off"),
        (long.as_bytes(), "a line holds fewer than 65536 bytes"),
        (b"reload \xff\xfe\n", "UTF-8"),
        (b"{\"verb\": \"reload\"\n", "this is no request"),
        (b"\n", "Usage"),
    ];
    for (bytes, expected) in cases {
        let answer = said(&house, bytes);
        assert!(answer.contains(expected), "{:?}: {answer}", String::from_utf8_lossy(&bytes[..bytes.len().min(40)]));
    }
    assert_eq!(said(&house, b""), "");
    assert_eq!(house.json("status")["generation"], 1);
    assert!(audited(&house).is_empty(), "what was not understood was not asked for");
}

#[test]
fn every_act_is_audited_with_who_asked() {
    let house = started();
    assert!(said(&house, b"reload --why because\n").contains("generation 2 is live"));
    assert_eq!(house.ask("rollback", &["77"]).status.code(), Some(1));
    assert_eq!(house.ask("confirm", &[]).status.code(), Some(1));
    house.json("status");
    let acts = audited(&house);
    let summary: Vec<(&Value, &Value, &Value)> = acts.iter().map(|act| (&act["verb"], &act["outcome"], &act["code"])).collect();
    let (reload, rollback, confirm) = (json!("reload"), json!("rollback"), json!("confirm"));
    let (ok, failed, zero, one) = (json!("ok"), json!("failed"), json!(0), json!(1));
    assert_eq!(summary, [(&reload, &ok, &zero), (&rollback, &failed, &one), (&confirm, &failed, &one)], "looking is no act");
    assert_eq!((&acts[0]["arguments"]["why"], &acts[0]["generation"]), (&json!("because"), &json!(2)));
    assert_eq!(acts[0]["uid"], rustix::process::geteuid().as_raw());
    assert_eq!(acts[0]["pid"], std::process::id());
    assert!(acts[1]["said"].as_str().unwrap().contains("generation 77"), "{acts:?}");
    assert!(acts[0]["at"].as_str().is_some_and(|at| at.len() == 20 && at.ends_with('Z')));
}

/// Sends bytes with file descriptors beside them.
fn with_descriptors(link: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(descriptors)));
    rustix::net::sendmsg(link, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL).unwrap();
}

#[test]
fn garbage_on_the_link_harms_nobody_else() {
    let house = started();
    let mut plane = house.plane(0, [0; 32]);
    plane.arrived();
    plane.adopt(1);
    house.until("status", |status| status["planes"][0]["generation"] == 1);
    let open = house.descriptors();
    let whole = wire::encode(&Frame::Reload).unwrap();
    let mut damaged = whole.clone();
    damaged[8] ^= 1;
    let mut endless = whole.clone();
    endless[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut other = whole.clone();
    other[4..6].copy_from_slice(&99_u16.to_le_bytes());
    for bytes in [&b""[..], &whole[..3], &whole[..whole.len() - 1], &damaged, &endless, &other, b"GET / HTTP/1.1\r\n\r\n"] {
        let mut stranger = UnixStream::connect(house.folder.join("run/link.sock")).unwrap();
        stranger.write_all(bytes).unwrap();
        stranger.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        // It is hung up on, and told nothing.
        stranger.read_to_end(&mut answer).ok();
        assert!(answer.is_empty());
    }
    // What only the control plane says is not heard, and files that nobody asked for are let go.
    let stranger = UnixStream::connect(house.folder.join("run/link.sock")).unwrap();
    let publish = wire::encode(&Frame::Publish(Publish { generation: 9, length: 1, digest: [0; 32] })).unwrap();
    let file = std::fs::File::open(house.config()).unwrap();
    for count in [0, 1, 3, 8] {
        with_descriptors(&stranger, &publish, &vec![file.as_fd(); count]);
    }
    drop(stranger);
    house.until("status", |status| status["planes"].as_array().is_some_and(|planes| planes.len() == 1));
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while house.descriptors() > open {
        assert!(std::time::Instant::now() < until, "{} descriptors are open, and {open} were before", house.descriptors());
        std::thread::yield_now();
    }
    let reload = house.begin("reload", &[]);
    assert_eq!(plane.arrived().publish.generation, 2);
    plane.adopt(2);
    assert_eq!(reload.wait_with_output().unwrap().status.code(), Some(0));
}
