//! A second attempt beside a slow first one: whichever has something to show first is the answer.

use mock::{Answers, Dialect, journal::Outcome};
use tests::testkit::{
    gateway::Gateway,
    policy::Policy,
    provider::{Provider, WORDS, text_of},
    speech::{CLIENTS, ask, said, streamed},
    story::Story,
    tenant::Ask,
    until,
};

/// Every request may be sent twice, a little after it was sent once.
const HEDGE: &str = "hedge: {after: 50ms, budget: 100%}, ttft: 20s, deadline: 20s";

fn chain(policy: Policy, model: &str, members: &str) -> Policy {
    policy.chain(model, &[("primary", model), ("backup", model)], members)
}

#[test]
fn a_silent_first_attempt_is_outrun() {
    let provider = Provider::new();
    let cases = [("silent", "stall-before-head"), ("head-only", "stall-after-head"), ("role-only", "stall;events=1")];
    let mut policy = Policy::over(&provider);
    let mut faults = Vec::new();
    for (model, fault) in cases {
        policy = chain(policy, model, HEDGE);
        faults.push(format!("{fault};model={model}"));
    }
    provider.fault("primary", &faults.join(","));
    let gateway = Gateway::start(&policy);
    let mut hedges = 0;
    for (model, _) in cases {
        for ask in [Ask::stream(model), Ask::chat(model)] {
            let answer = gateway.tenant().ask(&ask);
            hedges += 1;
            let story = Story::of(model, answer, &provider, model);
            story.answered_by("backup");
            let field = |name: &str| story.answer.head.field(name);
            assert_eq!((field("x-throwover-hedge"), field("x-throwover-attempts")), (Some("second"), Some("2")), "{story}");
            assert_eq!(field("x-throwover-fallback-reason"), None, "nobody has failed\n{story}");
            let record = gateway.record(field("x-request-id").expect("it is named"));
            assert_eq!(record["attempts"][0]["end"], "outrun", "{record:#}");
            assert_eq!((&record["attempts"][1]["end"], &record["attempts"][1]["hedge"]), (&"answered".into(), &1.into()), "{record:#}");
            until("the first attempt is given up", || {
                let entries = provider.log_of(model);
                let mut first = entries.iter().filter(|entry| entry.provider == "primary");
                first.all(|entry| matches!(entry.outcome, Outcome::HungUp)).then_some(())
            });
        }
    }
    until("all is counted", || (gateway.meter("throwover_hedges_total") == f64::from(hedges)).then_some(()));
    assert_eq!(gateway.meter("throwover_hedges_won_total"), f64::from(hedges));
    assert_eq!(gateway.meter("throwover_fallbacks_total"), 0.0);
    assert_eq!(gateway.meter("throwover_exchanges_in_flight"), 0.0);
}

#[test]
fn a_first_attempt_may_win_all_the_same() {
    let provider = Provider::new();
    let gateway = Gateway::start(&chain(Policy::over(&provider), "m", HEDGE));
    provider.fault("primary", "latency;ms=400");
    provider.fault("backup", "stall-before-head");
    for ask in [Ask::stream("m"), Ask::chat("m")] {
        let story = Story::of("slow", gateway.tenant().ask(&ask), &provider, "m");
        story.answered_by("primary");
        assert_eq!(story.answer.head.field("x-throwover-hedge"), Some("first"), "{story}");
    }
    until("the second attempts are given up", || {
        let entries = provider.log_of("m");
        let mut second = entries.iter().filter(|entry| entry.provider == "backup");
        second.all(|entry| matches!(entry.outcome, Outcome::HungUp)).then_some(())
    });
    assert_eq!(gateway.meter("throwover_hedges_won_total"), 0.0);
}

#[test]
fn who_is_quick_is_not_asked_twice_and_nobody_beyond_the_budget() {
    let provider = Provider::new();
    let policy = chain(Policy::over(&provider), "quick", "hedge: {after: 10s, budget: 100%}");
    let policy = chain(policy, "poor", "hedge: {after: 1ms, budget: 10%}");
    let gateway = Gateway::start(&policy);
    for _ in 0..20 {
        Story::of("quick", gateway.tenant().ask(&Ask::chat("quick")), &provider, "quick").answered_by("primary");
    }
    assert_eq!(provider.log_of("quick").iter().filter(|entry| entry.provider == "backup").count(), 0);
    provider.fault("primary", "latency;ms=30;model=poor");
    for _ in 0..40 {
        assert_eq!(gateway.tenant().ask(&Ask::chat("poor")).head.status, 200);
    }
    let twice = provider.log_of("poor").iter().filter(|entry| entry.provider == "backup").count();
    assert!((1..=4).contains(&twice), "{twice} of 40 at 10 %");
}

#[test]
fn one_that_fails_leaves_the_answer_to_the_other() {
    let answers = Answers { words: WORDS, ..Answers::default() };
    let provider = Provider::with(&["primary", "backup", "spare"], &answers);
    let mut policy = Policy::over(&provider);
    for model in ["first-fails", "second-fails", "both-fail", "refused"] {
        policy = policy.chain(model, &[("primary", model), ("backup", model), ("spare", model)], HEDGE);
    }
    let gateway = Gateway::start(&policy);
    let faults = [
        ("primary", "latency;ms=300;model=first-fails,status;status=503;model=first-fails"),
        ("backup", "latency;ms=900;model=first-fails"),
    ];
    for (name, written) in faults {
        provider.fault(name, written);
    }
    for ask in [Ask::stream("first-fails"), Ask::chat("first-fails")] {
        let story = Story::of("first-fails", gateway.tenant().ask(&ask), &provider, "first-fails");
        story.answered_by("backup");
        assert_eq!(story.answer.head.field("x-throwover-fallback-reason"), Some("overloaded"), "{story}");
    }
    provider.fault("primary", "latency;ms=500;model=second-fails");
    provider.fault("backup", "status;status=503;model=second-fails");
    for ask in [Ask::stream("second-fails"), Ask::chat("second-fails")] {
        let story = Story::of("second-fails", gateway.tenant().ask(&ask), &provider, "second-fails");
        story.answered_by("primary");
    }
    provider.fault("primary", "latency;ms=200;model=both-fail,status;status=503;model=both-fail");
    provider.fault("backup", "status;status=503;model=both-fail");
    for ask in [Ask::stream("both-fail"), Ask::chat("both-fail")] {
        Story::of("both-fail", gateway.tenant().ask(&ask), &provider, "both-fail").answered_by("spare");
    }
    // A caller's own mistake is told once, whoever else was asked meanwhile.
    provider.fault("primary", "latency;ms=200;model=refused,status;status=400;model=refused");
    provider.fault("backup", "stall-before-head;model=refused");
    for ask in [Ask::stream("refused"), Ask::chat("refused")] {
        let story = Story::of("refused", gateway.tenant().ask(&ask), &provider, "refused");
        assert_eq!((story.answer.head.status, story.asked("spare")), (400, 0), "{story}");
    }
    until("nothing is left in flight", || (gateway.meter("throwover_exchanges_in_flight") == 0.0).then_some(()));
}

#[test]
fn a_tenant_that_leaves_ends_both() {
    let provider = Provider::new();
    let gateway = Gateway::start(&chain(Policy::over(&provider), "m", HEDGE));
    for name in ["primary", "backup"] {
        provider.fault(name, "stall-before-head");
    }
    for ask in [Ask::stream("m"), Ask::chat("m")] {
        let before = provider.log().len();
        let mut tenant = gateway.tenant();
        tenant.send(&ask.bytes());
        until("both were asked", || (provider.log().len() == before + 2).then_some(()));
        drop(tenant);
        until("both are given up", || provider.log_of("m").iter().all(|entry| matches!(entry.outcome, Outcome::HungUp)).then_some(()));
    }
    until("nothing is left in flight", || (gateway.meter("throwover_exchanges_in_flight") == 0.0).then_some(()));
    assert_eq!(gateway.meter("throwover_hung_up_total"), 2.0);
    assert_eq!(gateway.meter("throwover_attempts_total"), 4.0, "what was sent is counted, whoever has left");
}

#[test]
fn with_one_target_the_same_is_asked_again() {
    let provider = Provider::new();
    let gateway = Gateway::start(&Policy::over(&provider).chain("m", &[("primary", "m")], HEDGE));
    provider.fault("primary", "stall-before-head;count=1");
    let story = Story::of("again", gateway.tenant().ask(&Ask::stream("m")), &provider, "m");
    story.answered_by("primary");
    assert_eq!(story.asked("primary"), 2, "{story}");
}

#[test]
fn the_second_may_speak_another_language() {
    let provider = Provider::speaking(&[("primary", Dialect::Openai), ("backup", Dialect::Anthropic)]);
    let policy = Policy::new()
        .defaults("breaker: {consecutive: 1000, min_requests: 1000}")
        .endpoint("primary", &format!("http://{}/v1", provider.plain("primary")), "keys: [\"sk-operators\"], speaks: [chat]")
        .endpoint("backup", &format!("http://{}", provider.plain("backup")), "keys: [\"sk-operators\"], dialect: anthropic");
    let gateway = Gateway::start(&chain(policy, "m", HEDGE));
    provider.fault("primary", "stall-before-head");
    for client in CLIENTS {
        for stream in [true, false] {
            let answer = gateway.tenant().ask(&ask(client, "m", "hi", stream));
            let told = if stream { streamed(client, &answer) } else { said(client, &answer.json()) };
            assert_eq!((answer.head.status, told), (200, (text_of("backup"), true)), "{client}: {}", answer.text());
            assert_eq!(answer.head.field("x-throwover-hedge"), Some("second"), "{client}");
        }
    }
}

/// What a target usually takes is learned before anybody is asked twice.
#[test]
fn a_percentile_is_learned_first() {
    let provider = Provider::new();
    let gateway = Gateway::start(&chain(Policy::over(&provider), "m", "hedge: {after: p95, budget: 100%}, ttft: 20s, deadline: 20s"));
    for _ in 0..30 {
        assert_eq!(gateway.tenant().ask(&Ask::stream("m")).head.status, 200);
    }
    provider.fault("primary", "stall-before-head");
    let story = Story::of("learned", gateway.tenant().ask(&Ask::stream("m")), &provider, "m");
    story.answered_by("backup");
}
