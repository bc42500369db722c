//! A target that an operator sets aside is asked by nobody, the record says so, and it comes back.

use tests::testkit::{gateway::Gateway, policy::Policy, provider::Provider, story::Story, tenant::Ask};

#[test]
fn a_target_that_is_set_aside_is_not_asked_and_the_record_says_why() {
    let provider = Provider::new();
    let policy = Policy::over(&provider).chain("c", &[("primary", "m"), ("backup", "m")], "");
    let gateway = Gateway::start(&policy);
    let mut tenant = gateway.tenant();
    let told = gateway.ask("disable", &[("target", "primary/m"), ("for", "1h"), ("why", "maintenance")]);
    assert_eq!(told.code, 0, "{}", told.text);
    let story = Story::of("set aside", tenant.ask(&Ask::chat("c")), &provider, "m");
    story.answered_by("backup");
    let record = gateway.record(story.answer.head.field("x-request-id").unwrap());
    let skipped = record["skipped"].as_array().unwrap();
    assert!(skipped.iter().any(|one| one["target"] == "primary/m" && one["why"] == "disabled"), "{record}");
    assert_eq!(record["attempts"].as_array().map(Vec::len), Some(1), "{record}");
    let back = gateway.ask("enable", &[("target", "primary/m")]);
    assert_eq!(back.code, 0, "{}", back.text);
    Story::of("brought back", tenant.ask(&Ask::chat("c")), &provider, "m").answered_by("primary");
}

#[test]
fn with_nobody_left_there_is_one_honest_error_until_it_comes_back() {
    let provider = Provider::new();
    let policy = Policy::over(&provider).chain("c", &[("primary", "m")], "");
    let gateway = Gateway::start(&policy);
    let mut tenant = gateway.tenant();
    assert_eq!(gateway.ask("disable", &[("target", "primary/m")]).code, 6);
    assert_eq!(tenant.ask(&Ask::chat("c")).head.status, 200);
    assert_eq!(gateway.ask("disable", &[("target", "primary/m"), ("force", "true")]).code, 0);
    let answer = tenant.ask(&Ask::chat("c"));
    assert_eq!(answer.head.status, 503, "{}", answer.text());
    assert!(answer.json()["error"]["code"].is_string(), "{}", answer.text());
    assert_eq!(gateway.ask("enable", &[("target", "primary/m")]).code, 0);
    assert_eq!(tenant.ask(&Ask::chat("c")).head.status, 200);
}
