//! Overload: what hangs at one provider stays there, and who finds no place is told so at once.

use tests::testkit::{
    gateway::Gateway,
    policy::Policy,
    provider::{Provider, text_of},
    tenant::{Answer, Ask, Tenant},
    until,
};

/// Requests to a provider that answers none.
const HUNG: usize = 200;
/// How many of them the provider may have.
const SEATS: usize = 40;
/// Places of the whole gateway, and requests beyond.
const PLACES: usize = 16;
const BEYOND: usize = 100;

fn refused(answer: &Answer) {
    assert_eq!(answer.head.status, 503, "{}", answer.text());
    let wait = answer.head.field("retry-after").and_then(|seconds| seconds.parse::<u64>().ok());
    assert!(wait.is_some_and(|seconds| seconds >= 1), "a refusal without Retry-After: {:?}", answer.head);
    assert!(!answer.code().is_empty() && answer.json()["error"]["message"].is_string(), "{}", answer.text());
}

#[test]
fn what_hangs_at_one_provider_stays_there() {
    let provider = Provider::new();
    provider.fault("primary", "stall-before-head");
    let members = format!("auth: none, in_flight: {SEATS}");
    let policy = Policy::new()
        .provider("primary", provider.plain("primary"), &members)
        .provider("backup", provider.plain("backup"), "auth: none")
        .chain("hung", &[("primary", "hung")], "ttft: 60s, deadline: 120s")
        .chain("both", &[("primary", "both"), ("backup", "both")], "")
        .chain("other", &[("backup", "other")], "");
    let gateway = Gateway::start(&policy);
    let mut hung: Vec<Tenant> = (0..HUNG).map(|_| gateway.tenant()).collect();
    for tenant in &mut hung {
        tenant.send(&Ask::chat("hung").bytes());
    }
    until("all that find no seat are refused", || (hung.iter().filter(|tenant| tenant.has_news()).count() >= HUNG - SEATS).then_some(()));
    let asked = || provider.log().iter().filter(|entry| entry.provider == "primary").count();
    assert_eq!(asked(), SEATS, "the provider has as many as it may");
    // The others are served as if nothing were, whether they never meant that provider or would
    // have asked it first.
    let mut other = gateway.tenant();
    for round in 0..200 {
        let model = if round % 2 == 0 { "other" } else { "both" };
        let answer = other.ask(&Ask::chat(model));
        assert_eq!((answer.head.status, answer.content()), (200, text_of("backup")), "{model}");
    }
    assert_eq!(asked(), SEATS, "a full provider was asked once more");
    let mut refusals = 0;
    for tenant in &mut hung {
        if tenant.has_news() {
            refused(&tenant.answer());
            refusals += 1;
        }
    }
    assert_eq!(refusals, HUNG - SEATS);
    // Seats come back when those who hold them go.
    drop(hung);
    provider.heal("primary");
    until("the provider is asked again", || {
        let answer = gateway.tenant().ask(&Ask::chat("hung"));
        (answer.head.status == 200).then_some(())
    });
}

#[test]
fn a_full_gateway_says_so() {
    let provider = Provider::new();
    provider.fault("primary", "stall-before-head;model=slow");
    let policy = Policy::over(&provider)
        .gateway("queue: 20ms")
        .defaults(&format!("in_flight: {PLACES}"))
        .chain("slow", &[("primary", "slow")], "ttft: 60s, deadline: 120s")
        .chain("c", &[("primary", "m")], "");
    let gateway = Gateway::start(&policy);
    let mut holders: Vec<Tenant> = (0..PLACES).map(|_| gateway.tenant()).collect();
    for tenant in &mut holders {
        tenant.send(&Ask::chat("slow").bytes());
    }
    until("every place is taken", || (provider.log().len() == PLACES).then_some(()));
    let mut beyond: Vec<Tenant> = (0..BEYOND).map(|_| gateway.tenant()).collect();
    for tenant in &mut beyond {
        tenant.send(&Ask::chat("c").bytes());
    }
    for tenant in &mut beyond {
        let answer = tenant.answer();
        refused(&answer);
        assert_eq!(answer.code(), "gateway_full");
    }
    assert_eq!(provider.log().len(), PLACES, "a refused request reached the provider");
    assert!(gateway.meter("throwover_shed_total") >= BEYOND as f64);
    drop(holders);
    until("places are given back", || (gateway.tenant().ask(&Ask::chat("c")).head.status == 200).then_some(()));
}
