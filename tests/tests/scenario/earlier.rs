//! The last resort before a text: an earlier answer to the identical request, for the same tenant, in the same
//! dialect, and never anything that was not whole.

use serde_json::json;
use tests::testkit::{
    gateway::Gateway,
    policy::Policy,
    provider::Provider,
    speech::{self, CLIENTS},
    story::Story,
    tenant::{Answer, Ask, End},
    until,
};

const DOWN: &str = "500";
const QUICK: &str = "retry: {max_attempts: 1}, breaker: {consecutive: 100000, min_requests: 100000}";

fn source(answer: &Answer) -> Option<&str> {
    answer.head.field("x-throwover-fallback")
}

/// Asks until an earlier answer comes: the thread that keeps them lets all others go first.
fn earlier(gateway: &Gateway, ask: &Ask) -> Answer {
    let answer = until("an earlier answer", || Some(gateway.tenant().ask(ask)).filter(|answer| source(answer) == Some("earlier")));
    assert_eq!((answer.head.status, answer.end), (200, End::Complete), "{}", answer.text());
    let age: u64 = answer.head.field("age").unwrap().parse().unwrap();
    assert!(age < 600, "{age}");
    let record = gateway.record(answer.head.field("x-request-id").unwrap());
    assert_eq!((&record["outcome"], &record["status"]), (&json!("earlier"), &json!(200)), "{record}");
    answer
}

fn well(gateway: &Gateway, ask: &Ask) -> Answer {
    let answer = gateway.tenant().ask(ask);
    assert_eq!((answer.head.status, source(&answer), answer.end), (200, None, End::Complete), "{}", answer.text());
    answer
}

fn refused(gateway: &Gateway, ask: &Ask) {
    let answer = gateway.tenant().ask(ask);
    assert_eq!((answer.head.status, source(&answer)), (502, None), "{}", answer.text());
}

#[test]
fn what_was_answered_before_is_answered_again_in_every_dialect() {
    let provider = Provider::new();
    let policy = Policy::over(&provider).chain_of("c", "[{provider: primary, model: m}, {earlier: 1h}]", QUICK);
    let gateway = Gateway::start(&policy);
    let asks = |text: &'static str| CLIENTS.iter().flat_map(move |client| [false, true].map(|stream| (*client, text, stream)));
    let before: Vec<Answer> = asks("hi").map(|(client, text, stream)| well(&gateway, &speech::ask(client, "c", text, stream))).collect();
    provider.fault("primary", DOWN);
    for ((client, text, stream), before) in asks("hi").zip(&before) {
        let again = earlier(&gateway, &speech::ask(client, "c", text, stream));
        assert_eq!(again.text(), before.text(), "{client}, {stream}");
        assert_eq!(again.head.field("content-type").map(|kind| &kind[..12]), before.head.field("content-type").map(|kind| &kind[..12]));
        let said = if stream { speech::streamed(client, &again) } else { speech::said(client, &again.json()) };
        assert!(said.1 && said.0.starts_with("primary says"), "{client}, {stream}: {}", again.text());
    }
    for (client, text, stream) in asks("something else") {
        refused(&gateway, &speech::ask(client, "c", text, stream));
    }
    // How the body is written does not matter; what it says does, whose request it is included.
    let ask = |body: &str| Ask::raw("/v1/chat/completions", body.as_bytes());
    let messages = r#""messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"hi"}]"#;
    earlier(&gateway, &ask(&format!("{{ {messages},\n \"stream\" : false, \"model\":\"\\u0063\" }}")));
    refused(&gateway, &ask(&format!("{{\"model\":\"c\",\"stream\":false,\"user\":\"u\",{messages}}}")));
    refused(&gateway, &speech::ask("chat", "c", "hi", false).with("cache-control", "no-cache"));
    assert!(gateway.meter("throwover_earlier_total") >= 9.0 && gateway.meter("throwover_earlier_missed_total") >= 9.0);
}

#[test]
fn no_tenant_and_no_chain_gets_what_another_was_told() {
    let provider = Provider::new();
    let keys = ["sk-acme-0123456789abcdef", "sk-other-0123456789abcdef"];
    let models = "[{provider: primary, model: m}, {earlier: 1h}]";
    let policy = Policy::over(&provider).chain_of("c", models, QUICK).chain_of("d", models, QUICK).section(&format!(
        "tenants:\n  - {{name: acme, keys: [{{key: \"{}\"}}]}}\n  - {{name: other, keys: [{{key: \"{}\"}}]}}",
        keys[0], keys[1]
    ));
    let gateway = Gateway::start(&policy);
    let ask = |chain: &str, key: &str| Ask::chat("c").with("x-throwover-chain", chain).key(key);
    well(&gateway, &ask("c", keys[0]));
    provider.fault("primary", DOWN);
    earlier(&gateway, &ask("c", keys[0]));
    refused(&gateway, &ask("c", keys[1]));
    refused(&gateway, &ask("d", keys[0]));
    earlier(&gateway, &ask("c", keys[0]));
}

#[test]
fn what_is_too_old_is_not_told() {
    let provider = Provider::new();
    let mut policy = Policy::over(&provider);
    for (name, age) in [("brief", "1ms"), ("long", "1h")] {
        policy = policy.chain_of(name, &format!("[{{provider: primary, model: m}}, {{earlier: {age}}}]"), QUICK);
    }
    let gateway = Gateway::start(&policy);
    well(&gateway, &Ask::chat("brief"));
    well(&gateway, &Ask::chat("long"));
    provider.fault("primary", DOWN);
    until("it is too old", || Some(gateway.tenant().ask(&Ask::chat("brief"))).filter(|answer| source(answer).is_none()));
    earlier(&gateway, &Ask::chat("long"));
}

/// What was cut, what a limit or a filter ended, and calls of tools.
#[test]
fn only_what_is_whole_is_kept() {
    let provider = Provider::new();
    let faults = [
        ("cut;events=4", "cut;bytes=200"),
        ("no-terminal", "500"),
        ("finish;reason=length", "finish;reason=length"),
        ("finish;reason=content_filter", "finish;reason=content_filter"),
        ("finish;reason=tool_calls", "finish;reason=tool_calls"),
    ];
    let mut policy = Policy::over(&provider);
    for at in 0..faults.len() {
        policy = policy.chain_of(&format!("c{at}"), &format!("[{{provider: primary, model: m{at}}}, {{earlier: 1h}}]"), QUICK);
    }
    let gateway = Gateway::start(&policy);
    for (at, (stream, whole)) in faults.into_iter().enumerate() {
        let chain = format!("c{at}");
        for (fault, ask) in [(stream, Ask::stream(&chain)), (whole, Ask::chat(&chain))] {
            provider.fault("primary", fault);
            let story = Story::of(fault, gateway.tenant().ask(&ask), &provider, &format!("m{at}"));
            assert_eq!(source(&story.answer), None, "{story}");
            provider.fault("primary", DOWN);
            refused(&gateway, &ask);
            // The same is kept when it is whole.
            provider.heal("primary");
            well(&gateway, &ask);
            provider.fault("primary", DOWN);
            earlier(&gateway, &ask);
        }
    }
}

#[test]
fn it_stands_before_a_template_and_hides_no_mistake() {
    let provider = Provider::new();
    let models = "[{provider: primary, model: m}, {earlier: 1h}, {template: busy}]";
    let gateway = Gateway::start(&Policy::over(&provider).chain_of("c", models, QUICK));
    provider.fault("primary", DOWN);
    let answer = gateway.tenant().ask(&Ask::chat("c"));
    assert_eq!((source(&answer), answer.content()), (Some("template"), "busy".to_owned()), "{}", answer.text());
    provider.heal("primary");
    well(&gateway, &Ask::chat("c"));
    provider.fault("primary", DOWN);
    earlier(&gateway, &Ask::chat("c"));
    // A text of ours is no answer that could be given again, and a mistake of the tenant's is told.
    provider.fault("primary", "400");
    let answer = gateway.tenant().ask(&Ask::chat("c"));
    assert_eq!((answer.head.status, source(&answer)), (400, None), "{}", answer.text());
    assert_eq!(gateway.meter("throwover_earlier_answers"), 1.0);
    until("an operator is told", || gateway.ask("status", &[]).text.contains("earlier_answers").then_some(()));
}
