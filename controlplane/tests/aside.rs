//! `disable` and `enable`: targets that an operator sets aside.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use serde_json::json;
use support::{House, Plane};

const TWO: &str = "providers: {local: {endpoint: \"http://127.0.0.1:9/v1\", keys: [\"${TEST_PROVIDER_KEY}\"]}}
fallback: {chains: [{name: chat, models: [{provider: local, model: m}, {provider: local, model: n}]}]}
";

fn two_targets() -> (House, Plane) {
    let mut house = House::new();
    house.write(TWO);
    house.start();
    let mut plane = house.plane(0, [0; 32]);
    plane.arrived();
    plane.adopt(1);
    house.until("status", |status| status["planes"][0]["generation"] == 1);
    (house, plane)
}

/// Why the data plane does not ask a target, by the next generation that arrives there.
fn reason(plane: &mut Plane, target: &str) -> Option<String> {
    let arrived = plane.arrived();
    plane.adopt(arrived.publish.generation);
    let found = arrived.snapshot.targets.iter().find(|(_, known)| known.name == target).unwrap().1;
    found.disabled.clone()
}

/// What a verb says that changes something, and why the target is not asked then.
fn changed(house: &House, plane: &mut Plane, verb: &str, arguments: &[&str]) -> (String, Option<String>) {
    let asked = house.begin(verb, arguments);
    let reason = reason(plane, "local/m");
    let output = asked.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{verb}");
    (String::from_utf8_lossy(&output.stdout).into_owned(), reason)
}

fn kinds(house: &House) -> Vec<String> {
    house.json("events").as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_target_is_set_aside_through_reloads_and_restarts_until_it_is_enabled() {
    let (mut house, mut plane) = two_targets();
    let (said, why) = changed(&house, &mut plane, "disable", &["local/m", "--for", "1h", "--why", "it stutters"]);
    assert!(said.contains("local/m is asked by nobody for 1 h 0 min"), "{said}");
    let why = why.unwrap();
    assert!(why.starts_with("set aside by uid ") && why.ends_with(": it stutters"), "{why}");
    let status = house.json("status");
    assert_eq!(status["aside"]["local/m"]["why"], "it stutters");
    let shown = String::from_utf8_lossy(&house.ask("status", &[]).stdout).into_owned();
    assert!(shown.contains("aside     local/m for "), "{shown}");
    let explained = house.ask("explain", &["chat", "--config", house.config().to_str().unwrap()]);
    let explained = String::from_utf8_lossy(&explained.stdout).into_owned();
    assert!(
        explained.contains("never asked: set aside by uid") && explained.contains("local/n  asks local for `n`  [can be asked]"),
        "{explained}"
    );

    assert_eq!(changed(&house, &mut plane, "reload", &[]).1, Some(why.clone()));
    house.stop();
    drop(plane);
    house.start();
    let mut plane = house.plane(0, [0; 32]);
    assert_eq!(reason(&mut plane, "local/m"), Some(why));
    house.until("status", |status| status["planes"][0]["generation"] == 3);
    assert_eq!(changed(&house, &mut plane, "enable", &["local/m"]).1, None);
    assert_eq!(house.json("status")["aside"], json!({}));
    assert!(kinds(&house).contains(&"target_enabled".to_owned()));
    assert_eq!(house.ask("enable", &["local/m"]).status.code(), Some(1));
}

#[test]
fn it_comes_back_by_itself() {
    let (house, mut plane) = two_targets();
    assert!(changed(&house, &mut plane, "disable", &["local/m", "--for", "50ms"]).1.is_some());
    assert_eq!(reason(&mut plane, "local/m"), None);
    house.until("status", |status| status["generation"] == 3);
    let kinds = kinds(&house);
    assert!(kinds.contains(&"target_disabled".to_owned()) && kinds.contains(&"target_enabled".to_owned()), "{kinds:?}");
    let entries = house.json("generations");
    assert_eq!(entries["generations"][2]["who"], "the daemon");
}

#[test]
fn it_comes_back_at_a_daemon_that_began_after_its_time() {
    let (mut house, mut plane) = two_targets();
    assert!(changed(&house, &mut plane, "disable", &["local/m"]).1.is_some());
    house.stop();
    drop(plane);
    let path = house.folder.join("state/aside.json");
    let mut kept: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    kept["local/m"]["until_ms"] = json!(1);
    std::fs::write(&path, kept.to_string()).unwrap();
    house.start();
    let mut plane = house.plane(2, [9; 32]);
    assert_eq!(reason(&mut plane, "local/m"), None);
}

#[test]
fn the_last_target_of_a_chain_takes_force() {
    let (house, mut plane) = two_targets();
    changed(&house, &mut plane, "disable", &["local/m"]);
    let refused = house.ask("disable", &["local/n"]);
    assert_eq!(refused.status.code(), Some(6));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("nobody is left in chain chat"), "{refused:?}");
    assert_eq!(house.json("status")["generation"], 2);
    let (said, _) = changed(&house, &mut plane, "disable", &["local/n", "--force"]);
    assert!(said.contains("warning   nobody is left in chain chat"), "{said}");
}

#[test]
fn what_a_data_plane_refuses_is_not_set_aside() {
    let (house, mut plane) = two_targets();
    let asked = house.begin("disable", &["local/m"]);
    assert_eq!(plane.arrived().publish.generation, 2);
    plane.refuse(2, "no room");
    assert_eq!(asked.wait_with_output().unwrap().status.code(), Some(6));
    assert_eq!(house.json("status")["aside"], json!({}));
}

#[test]
fn going_back_means_the_policy_before_and_leaves_what_is_aside() {
    let (house, mut plane) = two_targets();
    house.write(&TWO.replace("chat", "talk"));
    changed(&house, &mut plane, "reload", &[]);
    changed(&house, &mut plane, "disable", &["local/m"]);
    let rollback = house.begin("rollback", &[]);
    let back = plane.arrived();
    plane.adopt(4);
    assert_eq!(rollback.wait_with_output().unwrap().status.code(), Some(0));
    assert!(back.snapshot.chain_named("chat").is_some(), "and not the generation that only set a target aside");
    assert!(back.snapshot.targets.iter().any(|(_, target)| target.name == "local/m" && target.disabled.is_some()));
}

#[test]
fn what_cannot_be_set_aside_is_said() {
    let (house, _plane) = two_targets();
    let refused = |arguments: &[&str]| {
        let output = house.ask("disable", arguments);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert!(refused(&["local/mm"]).1.contains("did you mean `local/m`?"));
    for (arguments, code) in [(&["nobody"][..], 1), (&["local/m", "--for", "31d"], 2), (&["local/m", "--for", "0s"], 2), (&[], 2)] {
        assert_eq!(refused(arguments).0, Some(code), "{arguments:?}");
    }
    assert_eq!(house.json("status")["generation"], 1);
}
