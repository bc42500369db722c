//! Faults on purpose: attempts that fail, users that do not notice, and a report that says so.

use serde_json::json;
use tests::testkit::{
    gateway::Gateway,
    policy::Policy,
    provider::{Provider, text_of},
    tenant::Ask,
    until,
};

fn verb(gateway: &Gateway, arguments: &[&str]) -> String {
    gateway.command("chaos", arguments).1
}

fn told(gateway: &Gateway, meter: &str) -> Option<u64> {
    let status = gateway.ask("status", &[]).data;
    status["planes"][0]["meters"][meter].as_u64().or_else(|| status["planes"][0]["stats"]["meters"][meter].as_u64())
}

#[test]
fn a_rehearsal_strikes_is_survived_and_ends() {
    let provider = Provider::new();
    let targets = [("primary", "m"), ("backup", "m")];
    let policy =
        Policy::over(&provider).chain("c", &targets, "retry: {max_attempts: 2}, breaker: {consecutive: 100000, min_requests: 100000}");
    let gateway = Gateway::start(&policy);
    let mut tenant = gateway.tenant();
    let mut answers = 0;
    for (faults, class) in [
        ("503", "overloaded"),
        ("connect", "connect"),
        ("bad_json", "malformed"),
        ("cut", "stream_cut"),
        ("slow:100ms", ""),
        ("429", "rate_limit"),
    ] {
        let begun = verb(&gateway, &["begin", "--targets", "primary/m", "--faults", faults, "--percent", "100", "--for", "5m"]);
        assert!(begun.contains("generation") && begun.contains("is live"), "{begun}");
        let before = provider.log_of("m").len();
        for ask in [Ask::chat("c"), Ask::stream("c")] {
            let answer = tenant.ask(&ask);
            answers += 1;
            let (answered, asked) = if class.is_empty() { ("primary", "primary") } else { ("backup", "backup") };
            assert_eq!(answer.content(), text_of(answered), "{faults}: {}", answer.text());
            assert_eq!(provider.log_of("m").last().map(|entry| entry.provider.clone()).as_deref(), Some(asked), "{faults}");
            let record = gateway.record(answer.head.field("x-request-id").unwrap());
            assert_eq!(record["attempts"][0]["struck"], 1, "{record}");
            // After a refusal with a pause the target may be left alone by the second request.
            if faults == "429" {
                break;
            }
        }
        let asked = provider.log_of("m").len() - before;
        assert_eq!(asked, if faults == "429" { 1 } else { 2 }, "{faults}: what is struck never leaves the gateway");
        let ended = verb(&gateway, &["end"]);
        assert!(ended.contains("is live"), "{ended}");
        assert!(gateway.command("events", &[]).1.contains("chaos_over"));
    }
    // Data planes tell their counters once a second.
    until("all of it is told", || told(&gateway, "answered_total").filter(|told| *told == answers));
    verb(&gateway, &["begin", "--targets", "primary", "--faults", "503", "--percent", "100%", "--for", "5m"]);
    until("its pause is over, and the target is struck again", || {
        let answer = tenant.ask(&Ask::chat("c"));
        (gateway.record(answer.head.field("x-request-id").unwrap())["attempts"][0]["struck"] == 1).then_some(())
    });
    until("the report is complete", || {
        let report = verb(&gateway, &["report"]);
        let complete = ["struck    1 of ", "noticed   0 of ", "score     100.0 of 100"].iter().all(|part| report.contains(part));
        complete.then_some(())
    });
    verb(&gateway, &["end"]);
    assert_eq!(tenant.ask(&Ask::chat("c")).content(), text_of("primary"));
}

#[test]
fn a_rehearsal_ends_by_itself_and_bad_wishes_are_told() {
    let provider = Provider::new();
    let gateway = Gateway::start(&Policy::over(&provider).chain("c", &[("primary", "m"), ("backup", "m")], ""));
    for (wish, expected) in [
        (&["--targets", "primry", "--faults", "429"][..], "did you mean `primary`?"),
        (&["--targets", "primary", "--faults", "nothing"], "`nothing` is no fault"),
        (&["--targets", "primary", "--faults", "429", "--percent", "0"], "from 0.1 to 100"),
        (&["--targets", "primary", "--faults", "429", "--for", "48h"], "24 hours at most"),
        (&["--faults", "429"], "which targets?"),
    ] {
        let said = verb(&gateway, &[&["begin"], wish].concat());
        assert!(said.contains(expected), "{wish:?}: {said}");
    }
    let begun = verb(&gateway, &["begin", "--targets", "primary,backup", "--faults", "5xx", "--percent", "100", "--for", "1s"]);
    assert!(begun.contains("is live"), "{begun}");
    let again = verb(&gateway, &["begin", "--targets", "primary", "--faults", "429"]);
    assert!(again.contains("goes on"), "{again}");
    let mut tenant = gateway.tenant();
    until("it is over", || (tenant.ask(&Ask::chat("c")).head.status == 200).then_some(()));
    until("it is told", || gateway.command("events", &[]).1.contains("chaos_over").then_some(()));
}

/// What is to begin later strikes nobody before, can be called off, and begins by itself.
#[test]
fn a_rehearsal_may_begin_later() {
    let provider = Provider::new();
    let policy = Policy::over(&provider).chain("c", &[("primary", "m"), ("backup", "m")], "");
    let gateway = Gateway::start(&policy);
    let begin = |start_in: &str| {
        verb(&gateway, &["begin", "--targets", "primary", "--faults", "connect", "--percent", "100", "--for", "5m", "--start-in", start_in])
    };
    assert!(begin("48h").contains("within 24 hours"));
    let planned = begin("1h");
    assert!(planned.contains(", in ") && !planned.contains("is live"), "{planned}");
    assert!(begin("1h").contains("that is to begin"));
    assert!(verb(&gateway, &["report"]).contains("begins in"), "{}", verb(&gateway, &["report"]));
    let mut tenant = gateway.tenant();
    assert_eq!(tenant.ask(&Ask::chat("c")).content(), text_of("primary"));
    assert!(verb(&gateway, &["end"]).contains("called off"));
    assert!(begin("300ms").contains(", in "));
    until("it has begun", || {
        let answer = tenant.ask(&Ask::chat("c"));
        (gateway.record(answer.head.field("x-request-id").unwrap())["attempts"][0]["struck"] == 1).then_some(())
    });
    let events = gateway.command("events", &[]).1;
    assert!(["chaos_planned", "chaos_called_off", "chaos_begun"].iter().all(|kind| events.contains(kind)), "{events}");
    assert!(verb(&gateway, &["end"]).contains("is live"));
}

/// Who may test has the first target of a request fail, in LiteLLM's words or in ours; nobody else has.
#[test]
fn a_tenant_that_may_test_has_its_first_target_fail() {
    let provider = Provider::new();
    let tenants = "tenants:\n  - {name: tester, keys: [{key: \"test-key-0123456789\"}], testing: true}\n  \
                   - {name: user, keys: [{key: \"user-key-0123456789\"}]}";
    let policy = Policy::over(&provider).chain("c", &[("primary", "m"), ("backup", "m")], "").section(tenants);
    let gateway = Gateway::start(&policy);
    let mut tenant = gateway.tenant();
    // Who says that nothing is to fail says it to us as well.
    let body = json!({"model": "c", "mock_testing_fallbacks": false, "messages": [{"role": "user", "content": "hi"}]});
    let answer = tenant.ask(&Ask::post("/v1/chat/completions", &body).key("test-key-0123456789"));
    assert_eq!(answer.content(), text_of("primary"), "{}", answer.text());
    let entry = provider.log_of("m").pop().unwrap();
    assert!(entry.body.is_some_and(|body| !body.contains("mock_testing")), "the flag is ours, and no provider's");
    let body = json!({"model": "c", "mock_testing_fallbacks": true, "messages": [{"role": "user", "content": "hi"}]});
    let flagged = Ask::post("/v1/chat/completions", &body).key("test-key-0123456789");
    let answer = tenant.ask(&flagged);
    assert_eq!(answer.content(), text_of("backup"), "{}", answer.text());
    let entry = provider.log_of("m").pop().unwrap();
    assert!(entry.body.is_some_and(|body| !body.contains("mock_testing")), "the flag is ours, and no provider's");
    for fault in ["429", "bad_json", "slow:50ms"] {
        let answer = tenant.ask(&Ask::chat("c").key("test-key-0123456789").with("x-throwover-test", fault));
        assert_eq!(answer.head.status, 200, "{}", answer.text());
        let record = gateway.record(answer.head.field("x-request-id").unwrap());
        assert_eq!(record["attempts"][0]["struck"], 1, "{fault}: {record}");
    }
    // However often somebody tries, nobody else's target is left alone for it.
    for _ in 0..8 {
        tenant.ask(&Ask::chat("c").key("test-key-0123456789").with("x-throwover-test", "expired_key"));
    }
    let answer = tenant.ask(&Ask::chat("c").key("user-key-0123456789"));
    assert_eq!(answer.content(), text_of("primary"), "{}", answer.text());
    for fault in ["503", "429;retry_after=600", "connect"] {
        for _ in 0..6 {
            let answer = tenant.ask(&Ask::stream("c").key("test-key-0123456789").with("x-throwover-test", fault));
            assert_eq!(answer.head.status, 200, "{fault}: {}", answer.text());
        }
        let answer = tenant.ask(&Ask::chat("c").key("user-key-0123456789"));
        assert_eq!(answer.content(), text_of("primary"), "{fault}: {}", answer.text());
    }
    let status = gateway.ask("status", &[]).data["planes"][0]["stats"]["targets"].to_string();
    assert!(status.contains("primary/m") && !status.contains("rate_limit") && !status.contains("overloaded"), "{status}");
    let answer = tenant.ask(&Ask::chat("c").key("test-key-0123456789").with("x-throwover-test", "nonsense"));
    assert_eq!((answer.head.status, answer.code().as_str()), (400, "unknown_fault"), "{}", answer.text());
    let answer = tenant.ask(&Ask::chat("c").key("user-key-0123456789").with("x-throwover-test", "connect"));
    let record = gateway.record(answer.head.field("x-request-id").unwrap());
    assert_eq!((answer.head.status, &record["attempts"][0]["struck"]), (200, &json!(null)), "{record}");
}
