//! The daemon and a data plane, over the real socket and with real sealed files.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use policy::wire::{Event, Frame, KeyState, Stage, Stats, TargetState};
use serde_json::json;
use support::{House, POLICY};

fn text(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_data_plane_is_served_and_a_reload_waits_for_it() {
    let mut house = House::new();
    house.start();
    let mut plane = house.plane(0, [0; 32]);
    let first = plane.arrived();
    assert_eq!(first.publish.generation, 1);
    let key = first.snapshot.providers.iter().next().unwrap().1.keys[0].id;
    assert_eq!(first.secrets.key(key).unwrap().reveal(), b"sk-test");
    plane.adopt(1);
    house.until("status", |status| status["planes"][0]["generation"] == 1);

    house.write(&POLICY.replace("chat", "talk"));
    let mut reload = house.begin("reload", &["--why", "another name"]);
    let second = plane.arrived();
    assert_eq!(second.publish.generation, 2);
    plane.acknowledge(2, Stage::Prepared);
    // Prepared is not adopted: the generation has not moved, and nobody else may publish.
    let status = house.until("status", |status| status["planes"].is_array());
    assert_eq!(status["generation"], 1);
    assert!(reload.try_wait().unwrap().is_none());
    let busy = house.ask("reload", &[]);
    assert_eq!(busy.status.code(), Some(6), "{}", text(&busy));
    plane.acknowledge(2, Stage::Adopted);
    let done = reload.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(0));
    assert!(text(&done).contains("generation 2 is live on 1 data plane after 1.2 ms"), "{}", text(&done));
    assert!(text(&done).contains("diff      + chain talk"), "{}", text(&done));
    assert_eq!(house.json("status")["generation"], 2);
    let entries = house.json("generations");
    assert_eq!(entries["generations"][1]["why"], "another name");
}

#[test]
fn what_a_data_plane_refuses_is_not_live() {
    let mut house = House::new();
    house.start();
    let mut plane = house.plane(0, [0; 32]);
    plane.arrived();
    plane.adopt(1);
    let reload = house.begin("reload", &[]);
    assert_eq!(plane.arrived().publish.generation, 2);
    plane.refuse(2, "no memory for it");
    let done = reload.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(6));
    assert!(text(&done).contains("no memory for it") && text(&done).contains("still running generation 1"), "{}", text(&done));
    assert_eq!(house.json("generations")["generations"][1]["outcome"]["refused"], "no memory for it");
    // The number is not used again.
    let reload = house.begin("reload", &[]);
    assert_eq!(plane.arrived().publish.generation, 3);
    plane.adopt(3);
    assert_eq!(reload.wait_with_output().unwrap().status.code(), Some(0));
}

#[test]
fn a_data_plane_that_serves_it_already_is_left_alone() {
    let mut house = House::new();
    house.start();
    let mut plane = house.plane(0, [0; 32]);
    let first = plane.arrived();
    plane.adopt(1);
    drop(plane);
    house.stop();
    house.start();
    let mut again = house.plane(1, first.publish.digest);
    house.until("status", |status| status["planes"][0]["generation"] == 1);
    let reload = house.begin("reload", &[]);
    // The next thing that it hears is the reload: nothing was sent for its greeting.
    assert_eq!(again.arrived().publish.generation, 2);
    again.adopt(2);
    assert_eq!(reload.wait_with_output().unwrap().status.code(), Some(0));
}

#[test]
fn a_lost_journal_is_outnumbered() {
    let mut house = House::new();
    house.start();
    let mut plane = house.plane(41, [7; 32]);
    let sent = plane.arrived();
    assert_eq!(sent.publish.generation, 42);
    plane.adopt(42);
    house.until("status", |status| status["generation"] == 42);
}

#[test]
fn a_bad_policy_changes_nothing_and_rollback_comes_back() {
    let mut house = House::new();
    house.start();
    let mut plane = house.plane(0, [0; 32]);
    let first = plane.arrived();
    plane.adopt(1);
    house.write("fallbak: {}\ndefaults: {ttft: 5}\n");
    let refused = house.ask("reload", &[]);
    assert_eq!(refused.status.code(), Some(3));
    let said = text(&refused);
    assert!(said.contains("did you mean `fallback`?") && said.contains("a duration needs its unit"), "{said}");
    assert!(said.contains("still running generation 1"), "{said}");

    house.write(&POLICY.replace("model: m", "model: n"));
    let reload = house.begin("reload", &[]);
    plane.arrived();
    plane.adopt(2);
    assert_eq!(reload.wait_with_output().unwrap().status.code(), Some(0));
    let rollback = house.begin("rollback", &[]);
    let third = plane.arrived();
    plane.adopt(3);
    assert_eq!(rollback.wait_with_output().unwrap().status.code(), Some(0));
    assert_eq!(third.publish.generation, 3);
    assert_eq!(third.snapshot.names, first.snapshot.names);
    assert_eq!(third.secrets, first.secrets);
    assert_eq!(house.ask("rollback", &["999"]).status.code(), Some(1));
}

#[test]
fn events_and_counters_are_passed_on() {
    let mut house = House::new();
    house.start();
    let mut plane = house.plane(0, [0; 32]);
    plane.arrived();
    plane.adopt(1);
    plane.happen("fallback");
    plane.count(Stats {
        generation: 1,
        ready: true,
        meters: vec![("requests".to_owned(), 3)],
        pools: vec![("o".to_owned(), 4, 1)],
        ..Stats::default()
    });
    let status = house.until("status", |status| status["planes"][0]["stats"]["ready"] == true);
    assert_eq!(status["planes"][0]["stats"]["meters"]["requests"], 3);
    let events = house.json("events");
    let fallback = events.as_array().unwrap().iter().find(|event| event["kind"] == "fallback").unwrap();
    assert_eq!(fallback["details"]["to"], "b/m");
    let drain = house.begin("drain", &["--grace", "2s"]);
    assert_eq!(plane.hear(), Frame::Drain { grace_ms: 2_000 });
    assert_eq!(drain.wait_with_output().unwrap().status.code(), Some(0));
    assert_eq!(house.ask("drain", &["--grace", "soon"]).status.code(), Some(2));
}

#[test]
fn breakers_that_open_and_close_are_counted_and_timed() {
    let mut house = House::new();
    house.start();
    let mut plane = house.plane(0, [0; 32]);
    plane.arrived();
    plane.adopt(1);
    let event = |at_us, kind: &str, details: &[(&str, &str)]| {
        let details = details.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        plane.say(Frame::Event(Event { at_us, kind: kind.to_owned(), details }));
    };
    event(1_000_000, "breaker", &[("target", "local/m"), ("from", "closed"), ("to", "open")]);
    event(31_000_000, "breaker", &[("target", "local/m"), ("from", "open"), ("to", "closed")]);
    event(40_000_000, "breaker", &[("target", "local/m"), ("from", "closed"), ("to", "open")]);
    event(50_000_000, "taken_out", &[("provider", "local"), ("key", "0"), ("class", "auth"), ("until_us", "110000000")]);
    plane.count(Stats {
        generation: 1,
        ready: true,
        targets: vec![TargetState { name: "local/m".to_owned(), breaker: "open".to_owned(), breaker_ms: 4_000, ..TargetState::default() }],
        keys: vec![KeyState {
            provider: "local".to_owned(),
            place: 1,
            of: 1,
            class: "auth".to_owned(),
            disabled: true,
            paused_ms: 60_000,
            ..KeyState::default()
        }],
        ..Stats::default()
    });
    let status = house.until("status", |status| status["planes"][0]["stats"]["ready"] == true);
    let repair = &status["repairs"]["local/m"];
    assert_eq!((&repair["openings"], &repair["closings"], &repair["mttr_ms"]), (&json!(2), &json!(1), &json!(30_000)));
    assert_eq!(status["planes"][0]["stats"]["keys"][0]["disabled"], true);
    let said = text(&house.ask("status", &[]));
    assert!(said.contains("open 4.0 s") && said.contains("2  30.0 s") && said.contains("local key 1 of 1"), "{said}");
    assert!(!said.contains("sk-test"), "{said}");
    let events = text(&house.ask("events", &[]));
    assert!(events.contains("taken_out") && events.contains("key=0 class=auth until=00:01:50.000"), "{events}");
}

#[test]
fn a_data_plane_is_starting_until_it_says_where_it_listens() {
    let mut house = House::new();
    house.write(&format!("gateway: {{listen: [\"127.0.0.1:8080\"], admin: \"127.0.0.1:9901\"}}\n{POLICY}"));
    house.start();
    let mut plane = house.starting();
    plane.arrived();
    plane.adopt(1);
    // The addresses of the policy are what it will try, and not where it is.
    let status = house.until("status", |status| status["planes"][0]["generation"] == 1);
    let first = &status["planes"][0];
    assert_eq!((&first["state"], &first["hello"]["listen"], &first["hello"]["admin"]), (&"starting".into(), &json!([]), &json!(null)));
    let said = text(&house.ask("status", &[]));
    assert!(said.contains("starting") && !said.contains("8080"), "{said}");
    plane.listen("127.0.0.1:2");
    let status = house.until("status", |status| status["planes"][0]["state"] == "not ready");
    assert_eq!((&status["planes"][0]["hello"]["shards"], &status["planes"][0]["hello"]["listen"][0]), (&json!(1), &json!("127.0.0.1:2")));
    plane.count(Stats { generation: 1, ready: true, ..Stats::default() });
    house.until("status", |status| status["planes"][0]["state"] == "ready");
}

#[test]
fn a_data_plane_may_ask_for_a_reload() {
    let mut house = House::new();
    house.start();
    let mut plane = house.plane(0, [0; 32]);
    plane.arrived();
    plane.adopt(1);
    plane.say(Frame::Reload);
    assert_eq!(plane.arrived().publish.generation, 2);
    plane.adopt(2);
    house.until("status", |status| status["generation"] == 2);
}

#[test]
fn unless_confirmed_it_comes_back() {
    let mut house = House::new();
    house.start();
    let mut plane = house.plane(0, [0; 32]);
    plane.arrived();
    plane.adopt(1);
    house.write(&POLICY.replace("chat", "talk"));
    let reload = house.begin("reload", &["--confirm-within", "50ms"]);
    assert_eq!(plane.arrived().publish.generation, 2);
    plane.adopt(2);
    assert_eq!(reload.wait_with_output().unwrap().status.code(), Some(0));
    let back = plane.arrived();
    assert_eq!(back.publish.generation, 3);
    assert!(back.snapshot.chain_named("chat").is_some());
    plane.adopt(3);
    assert_eq!(house.ask("confirm", &[]).status.code(), Some(1));
}

#[test]
fn an_argument_that_is_not_known_is_refused() {
    use std::io::{Read, Write};
    let mut house = House::new();
    house.start();
    let mut operator = std::os::unix::net::UnixStream::connect(house.folder.join("run/operator.sock")).unwrap();
    operator.write_all(b"{\"verb\": \"reload\", \"arguments\": {\"confirm_within\": \"60s\"}}\n").unwrap();
    let mut answer = String::new();
    operator.read_to_string(&mut answer).unwrap();
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(
        (&answer["code"], &answer["text"]),
        (&json!(2), &json!("`reload` takes no `confirm_within`; did you mean `confirm-within`?\n"))
    );
    assert_eq!(house.json("status")["generation"], 1);
}

#[test]
fn two_daemons_do_not_share_a_state() {
    let mut house = House::new();
    house.start();
    let mut second = house.command("daemon", &[]);
    second.arg("--config").arg(house.config()).arg("--run").arg(house.folder.join("other")).arg("--state").arg(house.folder.join("state"));
    let ended = second.output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(text(&ended).contains("another daemon uses") && text(&ended).contains("state"), "{}", text(&ended));
}
