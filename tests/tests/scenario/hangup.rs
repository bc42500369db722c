//! A tenant that goes away takes its attempt with it, and no further one is begun.

use std::time::{Duration, Instant};
use tests::testkit::{
    gateway::Gateway,
    policy::Policy,
    provider::Provider,
    story::Story,
    tenant::{Ask, Tenant},
    until,
};

/// A bound of the product, not a measurement: whoever pays for tokens may count on it.
const CANCELLED_WITHIN: Duration = Duration::from_secs(1);

/// How a tenant goes away.
#[derive(Clone, Copy, Debug)]
enum Leave {
    Close,
    Reset,
    HalfClose,
}

fn leave(how: Leave, mut tenant: Tenant) -> Option<Tenant> {
    match how {
        Leave::Close => None,
        Leave::Reset => {
            tenant.reset();
            None
        }
        Leave::HalfClose => {
            tenant.half_close();
            Some(tenant)
        }
    }
}

#[test]
fn hanging_up_cancels_the_attempt() {
    let provider = Provider::new();
    let faults = [
        ("before-head", "stall-before-head"),
        ("after-head", "stall-after-head"),
        ("mid-stream", "stall;events=4"),
        ("paced", "pace;gap_ms=200"),
    ];
    let mut policy = Policy::over(&provider);
    let mut all = Vec::new();
    for (name, fault) in faults {
        policy = policy.chain(name, &[("primary", name), ("backup", name)], "");
        all.push(format!("{fault};model={name}"));
    }
    provider.fault("primary", &all.join(","));
    let gateway = Gateway::start(&policy);
    for (name, _) in faults {
        for how in [Leave::Close, Leave::Reset, Leave::HalfClose] {
            for ask in [Ask::stream(name), Ask::chat(name)] {
                let json = ask.body().windows(6).all(|part| part != b"stream");
                if json && (name == "paced" || name == "mid-stream") {
                    continue;
                }
                let before = provider.log().len();
                let mut tenant = gateway.tenant();
                tenant.send(&ask.bytes());
                until("the provider is asked", || (provider.log().len() > before).then_some(()));
                let left = Instant::now();
                let kept = leave(how, tenant);
                let entry = until("the attempt is cancelled", || provider.log().into_iter().nth(before).filter(|entry| entry.hung_up));
                assert!(left.elapsed() < CANCELLED_WITHIN, "{name} {how:?}: the attempt went on for {:?}", left.elapsed());
                assert_eq!(entry.provider, "primary");
                drop(kept);
                // Nothing else was begun, then or later: the next request is the next entry.
                let story = Story::of("afterwards", gateway.tenant().ask(&Ask::get("/v1/models")), &provider, name);
                assert_eq!(provider.log().len(), before + 1, "{name} {how:?}\n{story}");
            }
        }
    }
    let log = gateway.access_log();
    let _settled = until("every hang-up is written down", || {
        let count = gateway.access_log().lines().filter(|line| line.contains("\"outcome\":\"hung_up\"")).count();
        (count >= 18).then_some(count)
    });
    assert!(!log.contains("\"end\":\"answered\""), "{log}");
}

/// While an exchange waits for a pause to end, nobody is asked for a tenant that has gone.
#[test]
fn hanging_up_while_waiting_begins_nothing() {
    let provider = Provider::new();
    provider.fault("primary", "429;retry_after=1");
    let policy = Policy::over(&provider).chain("c", &[("primary", "m")], "retry: {max_attempts: 4, base: 500ms, cap: 1s}");
    let gateway = Gateway::start(&policy);
    let mut tenant = gateway.tenant();
    tenant.send(&Ask::chat("c").bytes());
    until("the first attempt has failed", || (provider.log().len() == 1).then_some(()));
    drop(tenant);
    provider.heal("primary");
    until("it is written down", || gateway.access_log().contains("\"outcome\":\"hung_up\"").then_some(()));
    assert_eq!(provider.log().len(), 1);
    Story::of("another", gateway.tenant().ask(&Ask::chat("c")), &provider, "m").answered_by("primary");
    assert_eq!(provider.log().len(), 2);
}
