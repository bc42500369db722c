//! Bounds: places, memory for bodies, and a fast and honest refusal when they are taken.

use serde_json::json;
use tests::testkit::{
    gateway::Gateway,
    policy::Policy,
    provider::{Provider, text_of},
    tenant::{Ask, Tenant},
    until,
};

fn refused(answer: &tests::testkit::tenant::Answer, code: &str) {
    assert_eq!((answer.head.status, answer.code().as_str()), (503, code), "{}", answer.text());
    assert!(answer.head.field("retry-after").is_some_and(|seconds| seconds.parse::<u64>().is_ok_and(|seconds| seconds >= 1)));
    assert_eq!(answer.head.field("x-should-retry"), None, "asking again may help");
    assert_eq!(answer.head.field("x-throwover-fault"), Some("gateway"));
}

#[test]
fn places_are_bounded_and_waited_for() {
    let provider = Provider::new();
    let policy =
        Policy::over(&provider).gateway("queue: 200ms").defaults("in_flight: 2").chain("c", &[("primary", "m"), ("backup", "m")], "");
    let gateway = Gateway::start(&policy);
    provider.fault("primary", "stall;events=4;ms=1500");
    let mut taken: Vec<Tenant> = (0..2).map(|_| gateway.tenant()).collect();
    for tenant in &mut taken {
        tenant.send(&Ask::stream("c").bytes());
        tenant.head();
    }
    // Both places are taken for longer than the queue's time.
    refused(&gateway.tenant().ask(&Ask::chat("c")), "gateway_full");
    // Models are no exchange, and need no place.
    assert_eq!(gateway.tenant().ask(&Ask::get("/v1/models")).head.status, 200);
    for tenant in &mut taken {
        tenant.body_until("[DONE]");
    }
    provider.heal("primary");
    until("places are given back", || (gateway.tenant().ask(&Ask::chat("c")).head.status == 200).then_some(()));
    assert!(gateway.meter("throwover_shed_total") >= 1.0);
}

#[test]
fn who_waits_in_the_queue_is_served_when_a_place_is_free() {
    let provider = Provider::new();
    let policy =
        Policy::over(&provider).gateway("queue: 20s").defaults("in_flight: 1").chain("c", &[("primary", "m"), ("backup", "m")], "");
    let gateway = Gateway::start(&policy);
    provider.answers("primary", &json!({"gap_ms": 10}));
    let mut tenants: Vec<Tenant> = (0..6).map(|_| gateway.tenant()).collect();
    for tenant in &mut tenants {
        tenant.send(&Ask::stream("c").bytes());
    }
    for tenant in &mut tenants {
        let answer = tenant.answer();
        assert_eq!((answer.content(), answer.done()), (text_of("primary"), true));
    }
    // One at a time is what the provider saw.
    let mut spans: Vec<(u64, u64)> = provider.log_of("m").iter().map(|entry| (entry.at_ms, entry.ended_ms.unwrap())).collect();
    spans.sort_unstable();
    assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0 + 1), "{spans:?}");
}

#[test]
fn memory_for_bodies_is_bounded() {
    let provider = Provider::new();
    let policy = Policy::over(&provider).gateway("queue: 200ms").defaults("max_body: 1MiB, body_memory: 2MiB").chain(
        "m",
        &[("primary", "m"), ("backup", "m")],
        "",
    );
    let gateway = Gateway::start(&policy);
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "x".repeat(1_000_000)}]});
    let ask = Ask::post("/v1/chat/completions", &body);
    // Three at once, all but the last byte of each: there is room for two.
    let bytes = ask.bytes();
    let mut holding: Vec<Tenant> = (0..3).map(|_| gateway.tenant()).collect();
    for tenant in &mut holding {
        tenant.try_send(&bytes[..bytes.len() - 1]).ok();
    }
    until("one of them finds no memory", || holding.iter().any(Tenant::has_news).then_some(()));
    // Small bodies need none of it.
    assert_eq!(gateway.tenant().ask(&Ask::chat("m")).content(), text_of("primary"));
    for tenant in &mut holding {
        if !tenant.has_news() {
            tenant.try_send(&bytes[bytes.len() - 1..]).ok();
        }
        let answer = tenant.answer();
        if answer.head.status != 200 {
            refused(&answer, "body_budget_spent");
        }
    }
    until("memory is given back", || (gateway.tenant().ask(&ask).head.status == 200).then_some(()));
}

/// A tenant that takes nothing of an endless stream is cut off, and the provider with it.
#[test]
fn a_tenant_that_takes_nothing_is_cut_off() {
    let provider = Provider::new();
    let policy = Policy::over(&provider).gateway("write_stall: 300ms").chain("c", &[("primary", "m")], "");
    let gateway = Gateway::start(&policy);
    provider.fault("primary", "endless;match=stream");
    let mut tenant = gateway.tenant();
    tenant.send(&Ask::stream("c").bytes());
    until("the provider is hung up on", || provider.log().iter().any(|entry| entry.hung_up).then_some(()));
    assert_eq!(gateway.tenant().ask(&Ask::chat("c")).content(), text_of("primary"));
}
