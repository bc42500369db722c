//! `reload --confirm-within`: a policy on trial, over restarts of the daemon.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use serde_json::json;
use support::{House, POLICY, Plane};

/// A house whose second generation is on trial for `within`, and its data plane.
fn on_trial(within: &str) -> (House, Plane) {
    let mut house = House::new();
    house.start();
    let mut plane = house.plane(0, [0; 32]);
    plane.arrived();
    plane.adopt(1);
    house.until("status", |status| status["planes"][0]["generation"] == 1);
    house.write(&POLICY.replace("chat", "talk"));
    let reload = house.begin("reload", &["--confirm-within", within]);
    assert_eq!(plane.arrived().publish.generation, 2);
    plane.adopt(2);
    let done = reload.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(0));
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(said.contains("run `throwover confirm` within") && said.contains("or generation 1 comes back"), "{said}");
    (house, plane)
}

fn told(house: &House, kind: &str) -> serde_json::Value {
    let events = house.json("events");
    let found = events.as_array().unwrap().iter().find(|event| event["kind"] == kind);
    found.unwrap_or_else(|| panic!("no {kind} in {events}"))["details"].clone()
}

#[test]
fn what_is_confirmed_stays() {
    let (house, _plane) = on_trial("1h");
    let status = house.json("status");
    assert_eq!((&status["trial"]["generation"], &status["trial"]["back"]), (&json!(2), &json!(1)));
    assert!(status["trial"]["left_ms"].as_u64().is_some_and(|left| (1..=3_600_000).contains(&left)), "{status}");
    let said = String::from_utf8_lossy(&house.ask("status", &[]).stdout).into_owned();
    assert!(said.contains("generation 1 comes back in") && said.contains("unless confirmed"), "{said}");
    assert_eq!(told(&house, "on_trial")["back"], "1");
    assert_eq!(house.ask("confirm", &[]).status.code(), Some(0));
    assert_eq!(told(&house, "confirmed")["generation"], "2");
    let status = house.json("status");
    assert_eq!((&status["generation"], &status["trial"]), (&json!(2), &json!(null)));
    assert!(!house.folder.join("state/trial.json").exists());
    assert_eq!(house.ask("confirm", &[]).status.code(), Some(1), "once is enough");
}

#[test]
fn a_daemon_that_began_anew_goes_back_as_well() {
    let (mut house, plane) = on_trial("1h");
    house.stop();
    drop(plane);
    // While nobody ran, the time went by.
    let path = house.folder.join("state/trial.json");
    let mut kept: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    kept["pending"]["until_ms"] = json!(1);
    std::fs::write(&path, kept.to_string()).unwrap();
    house.start();
    house.until("status", |status| status["generation"] == 3);
    let mut again = house.plane(2, [9; 32]);
    let back = again.arrived();
    assert!(back.snapshot.chain_named("chat").is_some() && back.snapshot.chain_named("talk").is_none());
    again.adopt(3);
    assert_eq!(told(&house, "unconfirmed")["generation"], "2");
    assert_eq!(house.json("status")["trial"], json!(null));
}

#[test]
fn a_trial_is_confirmed_at_a_daemon_that_began_anew() {
    let (mut house, plane) = on_trial("1h");
    house.stop();
    drop(plane);
    house.start();
    assert_eq!(house.json("status")["trial"]["back"], 1);
    assert_eq!(house.ask("confirm", &[]).status.code(), Some(0));
    house.stop();
    house.start();
    assert_eq!((&house.json("status")["generation"], &house.json("status")["trial"]), (&json!(2), &json!(null)));
}

#[test]
fn what_nobody_confirmed_is_not_begun_with() {
    let (mut house, mut plane) = on_trial("50ms");
    assert_eq!(plane.arrived().publish.generation, 3);
    plane.adopt(3);
    house.until("status", |status| status["generation"] == 3);
    house.stop();
    drop(plane);
    // The file still says what nobody confirmed.
    house.start();
    let mut again = house.plane(0, [0; 32]);
    let arrived = again.arrived();
    assert_eq!(arrived.publish.generation, 3);
    assert!(arrived.snapshot.chain_named("chat").is_some());
    again.adopt(3);
    // Who asks for it in so many words has it.
    let reload = house.begin("reload", &[]);
    assert!(again.arrived().snapshot.chain_named("talk").is_some());
    again.adopt(4);
    assert_eq!(reload.wait_with_output().unwrap().status.code(), Some(0));
    house.stop();
    house.start();
    assert_eq!(house.json("status")["generation"], 4);
}

#[test]
fn a_way_back_that_is_refused_is_said_and_the_trial_stays() {
    let (house, mut plane) = on_trial("50ms");
    assert_eq!(plane.arrived().publish.generation, 3);
    plane.refuse(3, "no room");
    house.until("events", |events| events.as_array().unwrap().iter().any(|event| event["kind"] == "publish_refused"));
    let status = house.json("status");
    assert_eq!((&status["generation"], &status["trial"]["back"]), (&json!(2), &json!(1)));
    // Until the next try somebody may still confirm.
    assert_eq!(house.ask("confirm", &[]).status.code(), Some(0));
}

#[test]
fn a_reload_without_a_trial_ends_the_one_before() {
    let (house, mut plane) = on_trial("1h");
    let reload = house.begin("reload", &[]);
    assert_eq!(plane.arrived().publish.generation, 3);
    plane.adopt(3);
    let done = reload.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&done.stdout).contains("the trial of generation 2 is over with it"), "{done:?}");
    assert_eq!(house.json("status")["trial"], json!(null));
}

#[test]
fn a_trial_has_a_longest_time() {
    let mut house = House::new();
    house.start();
    for within in ["8d", "900000d"] {
        assert_eq!(house.ask("reload", &["--confirm-within", within]).status.code(), Some(2));
    }
    assert_eq!(house.json("status")["generation"], 1);
}
