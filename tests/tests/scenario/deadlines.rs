//! The time that a client gives a request, in its own words.

use tests::testkit::{
    gateway::Gateway,
    policy::Policy,
    provider::{Provider, text_of},
    story::Story,
    tenant::Ask,
};

/// SDKs hang up after a time that they tell: whoever is silent is left while another can still answer.
#[test]
fn an_answer_comes_before_the_client_hangs_up() {
    let provider = Provider::new();
    let policy = Policy::over(&provider).chain("c", &[("primary", "m"), ("backup", "m")], "ttft: 60s, deadline: 60s");
    let gateway = Gateway::start(&policy);
    provider.fault("primary", "stall-before-head");
    for field in ["x-stainless-timeout", "x-stainless-read-timeout"] {
        for ask in [Ask::chat("c"), Ask::stream("c")] {
            let story = Story::of(field, gateway.tenant().ask(&ask.with(field, "2")), &provider, "m");
            story.answered_by("backup");
            assert_eq!(story.answer.content(), text_of("backup"), "{story}");
        }
    }
}

/// What other proxies call a time-out is one here, too, in any of the usual forms.
#[test]
fn a_request_timeout_is_a_deadline() {
    let provider = Provider::new();
    let policy = Policy::over(&provider).chain("c", &[("primary", "m"), ("backup", "m")], "ttft: 60s, deadline: 60s");
    let gateway = Gateway::start(&policy);
    for name in ["primary", "backup"] {
        provider.fault(name, "stall-before-head");
    }
    for value in ["0.5", "500ms"] {
        let story = Story::of(value, gateway.tenant().ask(&Ask::chat("c").with("x-request-timeout", value)), &provider, "m");
        assert_eq!(story.answer.head.status, 504, "{story}");
    }
    for name in ["primary", "backup"] {
        provider.heal(name);
    }
    let answer = gateway.tenant().ask(&Ask::chat("c").with("x-request-timeout", "soon"));
    assert_eq!(answer.content(), text_of("primary"), "another's word that cannot be read is nobody's mistake");
}
