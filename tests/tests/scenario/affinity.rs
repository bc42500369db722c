//! Conversations stay where their prompt is cached.

use serde_json::json;
use std::collections::HashSet;
use tests::testkit::{
    gateway::Gateway,
    policy::Policy,
    provider::Provider,
    tenant::{Answer, Ask, Tenant},
};

const NAMES: [&str; 4] = ["one", "two", "three", "four"];

fn gateway(provider: &Provider, affinity: &str) -> Gateway {
    let mut policy = Policy::new();
    let mut places = Vec::new();
    for name in NAMES {
        policy = policy.provider(name, provider.plain(name), "auth: none");
        places.push(format!("{{provider: {name}, model: m}}"));
    }
    let model = format!("models:\n  shared: {{affinity: {{{affinity}}}, deployments: [{}]}}", places.join(", "));
    Gateway::start(&policy.chain_of("c", "[{model: shared}]", "retry: {base: 1ms}").section(&model))
}

fn home(answer: &Answer) -> String {
    assert_eq!(answer.head.status, 200, "{}", answer.text());
    answer.head.field("x-throwover-provider").expect("who answered is said").to_owned()
}

fn named(tenant: &mut Tenant, session: &str) -> String {
    home(&tenant.ask(&Ask::chat("c").with("x-throwover-session", session)))
}

#[test]
fn a_session_stays_moves_whole_and_returns() {
    let provider = Provider::with(&NAMES, &mock::Answers::default());
    for (affinity, returns) in [("by: session", true), ("by: session, after_failure: stay", false)] {
        let gateway = gateway(&provider, affinity);
        let mut tenant = gateway.tenant();
        let sessions: Vec<String> = (0..24).map(|number| format!("session-{number}")).collect();
        let before: Vec<String> = sessions.iter().map(|session| named(&mut tenant, session)).collect();
        assert!(before.iter().collect::<HashSet<_>>().len() > 1, "sessions are spread: {before:?}");
        assert_eq!(sessions.iter().map(|session| named(&mut tenant, session)).collect::<Vec<_>>(), before);
        let ill = &before[0];
        provider.fault(ill, "429;retry_after_ms=1500");
        let away = named(&mut tenant, &sessions[0]);
        assert_ne!(&away, ill);
        provider.heal(ill);
        // Sessions that nobody has met tell that it is asked again.
        let mut probes = 0;
        tests::testkit::until("its home is asked again", || {
            probes += 1;
            (named(&mut tenant, &format!("probe-{probes}")) == *ill).then_some(())
        });
        let now = named(&mut tenant, &sessions[0]);
        assert_eq!(&now == ill, returns, "{affinity}: {now}");
    }
}

#[test]
fn a_conversation_is_known_by_its_user_and_by_how_it_begins() {
    let provider = Provider::with(&NAMES, &mock::Answers::default());
    let gateway = gateway(&provider, "by: any");
    let mut tenant = gateway.tenant();
    let mut homes = HashSet::new();
    for number in 0..8 {
        let opening = json!({"role": "user", "content": format!("question {number}")});
        let short = json!({"model": "c", "messages": [opening]});
        let long = json!({"model": "c", "messages": [opening, {"role": "assistant", "content": "x"}, {"role": "user", "content": "and?"}]});
        let first = home(&tenant.ask(&Ask::post("/v1/chat/completions", &short)));
        assert_eq!(home(&tenant.ask(&Ask::post("/v1/chat/completions", &long))), first);
        homes.insert(first);
        let of_user = |text: &str| json!({"model": "c", "user": format!("u{number}"), "messages": [{"role": "user", "content": text}]});
        let first = home(&tenant.ask(&Ask::post("/v1/chat/completions", &of_user("a"))));
        assert_eq!(home(&tenant.ask(&Ask::post("/v1/chat/completions", &of_user("b")))), first);
        homes.insert(first);
    }
    assert!(homes.len() > 1, "{homes:?}");
}
