//! Nobody takes all that a provider has, a share of the requests shows that the next targets work, and one
//! account that is ill does not take its provider away.

use tests::testkit::{
    gateway::Gateway,
    policy::Policy,
    provider::{Provider, text_of},
    recorder::Recorder,
    story::Story,
    tenant::{Ask, Tenant},
    until,
};

const FLOOD: &str = "sk-flood-0123456789abcdef";
const QUIET: &str = "sk-quiet-0123456789abcdef";

/// What the provider may have in flight, and what of it one tenant gets that is alone there.
const SEATS: usize = 10;
const MOST: usize = 8;

fn tenants() -> String {
    format!("tenants:\n  - {{name: flood, keys: [{{key: \"{FLOOD}\"}}]}}\n  - {{name: quiet, keys: [{{key: \"{QUIET}\"}}]}}")
}

/// Requests that the provider was asked, and that hang there.
fn begun(provider: &Provider) -> usize {
    provider.log().iter().filter(|entry| entry.model == "slow").count()
}

/// One tenant has many more requests that hang than the provider takes; another asks the same provider, and is answered.
#[test]
fn a_flood_leaves_room_for_others() {
    let provider = Provider::new();
    provider.fault("primary", "stall-before-head;model=slow");
    let policy = Policy::new()
        .provider("primary", provider.plain("primary"), &format!("auth: none, in_flight: {SEATS}"))
        .chain("slow", &[("primary", "slow")], "ttft: 60s, deadline: 120s")
        .chain("quick", &[("primary", "quick")], "")
        .section(&tenants());
    let gateway = Gateway::start(&policy);
    let mut flood: Vec<Tenant> = (0..4 * SEATS).map(|_| gateway.tenant()).collect();
    for tenant in &mut flood {
        tenant.send(&Ask::chat("slow").key(FLOOD).bytes());
    }
    // All that find no seat have waited a little, and are refused.
    until("the flood is held back", || (flood.iter().filter(|tenant| tenant.has_news()).count() >= 4 * SEATS - MOST).then_some(()));
    assert_eq!(begun(&provider), MOST, "a part of the seats is kept for others");
    for tenant in flood.iter_mut().filter(|tenant| tenant.has_news()) {
        let answer = tenant.answer();
        assert_eq!(answer.head.status, 429, "{}", answer.text());
        assert_eq!(answer.head.field("x-throwover-fault"), Some("tenant"), "{}", answer.text());
        assert!(answer.text().contains("over_share") && answer.head.field("retry-after").is_some(), "{}", answer.text());
    }
    let mut quiet = gateway.tenant();
    for _ in 0..50 {
        let answer = quiet.ask(&Ask::chat("quick").key(QUIET));
        assert_eq!((answer.head.status, answer.content()), (200, text_of("primary")));
    }
    // Two at once, since two seats were kept, and the flood gets none of them.
    let answer = gateway.tenant().ask(&Ask::chat("quick").key(FLOOD));
    assert_eq!(answer.head.status, 429, "{}", answer.text());
    let record = gateway.record(answer.head.field("x-request-id").unwrap());
    assert_eq!(record["skipped"][0]["why"], "over_share", "{record}");
    // Seats come back when those who hold them go.
    drop(flood);
    until("the seats are free", || (gateway.tenant().ask(&Ask::chat("quick").key(FLOOD)).head.status == 200).then_some(()));
}

/// Without anybody to share with, there is nothing to keep.
#[test]
fn who_is_alone_has_it_all() {
    let provider = Provider::new();
    provider.fault("primary", "stall-before-head;model=slow");
    let policy = Policy::new().provider("primary", provider.plain("primary"), &format!("auth: none, in_flight: {SEATS}")).chain(
        "slow",
        &[("primary", "slow")],
        "ttft: 60s, deadline: 120s",
    );
    let gateway = Gateway::start(&policy);
    let mut tenants: Vec<Tenant> = (0..SEATS).map(|_| gateway.tenant()).collect();
    for tenant in &mut tenants {
        tenant.send(&Ask::chat("slow").bytes());
    }
    until("all of them are asked for", || (begun(&provider) == SEATS).then_some(()));
    assert_eq!(gateway.tenant().ask(&Ask::chat("slow")).head.status, 503);
}

/// One request in ten is tried first at the backup, exactly; when that fails, the primary is asked.
#[test]
fn a_share_of_the_requests_shows_that_the_backup_works() {
    let provider = Provider::new();
    let gateway = Gateway::start(&Policy::over(&provider).chain("c", &[("primary", "m"), ("backup", "m")], "standby: 10%"));
    let mut tenant = gateway.tenant();
    for at in 1..=30 {
        let story = Story::of("well", tenant.ask(&Ask::chat("c")), &provider, "m");
        story.answered_by(if at % 10 == 0 { "backup" } else { "primary" });
        if at % 10 == 0 {
            let record = gateway.record(story.answer.head.field("x-request-id").unwrap());
            assert_eq!(record["attempts"][0]["standby"], 1, "{record}");
        }
    }
    let asked = |name: &str| provider.log_of("m").iter().filter(|entry| entry.provider == name).count();
    assert_eq!((asked("primary"), asked("backup")), (27, 3));
    assert_eq!(gateway.meter("throwover_standby_total"), 3.0);
    provider.fault("backup", "503");
    for _ in 0..10 {
        let story = Story::of("the backup is ill", tenant.ask(&Ask::chat("c")), &provider, "m");
        assert_eq!((story.answer.head.status, story.answer.content()), (200, text_of("primary")), "{story}");
    }
    assert_eq!((asked("primary"), asked("backup")), (37, 4));
}

/// Of two accounts one answers 500 to everything: it is left alone after a few, its target is not, and nobody
/// goes without an answer.
#[test]
fn an_ill_account_is_left_alone_and_its_target_goes_on() {
    const ILL: &str = "sk-ill-0123456789abcdef";
    const WELL: &str = "sk-well-0123456789abcdef";
    let answers = |key: &str| key.ends_with(WELL);
    let both = Recorder::answering(move |asked| {
        if asked.field("authorization").is_some_and(answers) {
            let choice = r#"{"index":0,"message":{"role":"assistant","content":"well"},"finish_reason":"stop"}"#;
            return Recorder::json(&format!(r#"{{"id":"1","object":"chat.completion","model":"m","choices":[{choice}]}}"#));
        }
        let body = r#"{"error":{"message":"this account is ill","type":"server_error"}}"#;
        let head = "HTTP/1.1 500 Internal Server Error\r\ncontent-type: application/json\r\ncontent-length: ";
        format!("{head}{}\r\n\r\n{body}", body.len()).into_bytes()
    });
    let provider = Provider::new();
    let policy = Policy::new()
        .provider("both", both.address, &format!("keys: [\"{ILL}\", \"{WELL}\"]"))
        .provider("backup", provider.plain("backup"), "auth: none")
        .chain("c", &[("both", "m"), ("backup", "m")], "breaker: {consecutive: 16, cooldown: 60s, cooldown_max: 60s}");
    let gateway = Gateway::start(&policy);
    let mut tenant = gateway.tenant();
    let ill = || both.arrived().iter().filter(|asked| asked.field("authorization").is_some_and(|key| key.ends_with(ILL))).count();
    // Until the other has worked for the first time since, what fails is laid to the target: sixteen of those in a
    // row are as good as impossible.
    until("the account is left alone", || {
        let answer = tenant.ask(&Ask::chat("c"));
        assert_eq!(answer.head.status, 200, "{}", answer.text());
        let status = gateway.ask("status", &[]);
        let keys = status.data["planes"][0]["stats"]["keys"].as_array().cloned().unwrap_or_default();
        keys.iter().any(|key| key["breaker"] == "open" && key["provider"] == "both").then_some(())
    });
    let before = ill();
    assert!((16..50).contains(&before), "{before}");
    for _ in 0..50 {
        let answer = tenant.ask(&Ask::chat("c"));
        assert_eq!((answer.head.status, answer.content().as_str()), (200, "well"), "{}", answer.text());
    }
    assert_eq!(ill(), before, "who is left alone is not asked");
    let status = gateway.ask("status", &[]);
    let targets = status.data["planes"][0]["stats"]["targets"].as_array().cloned().unwrap_or_default();
    let target = targets.iter().find(|target| target["name"] == "both/m").expect("it is told of");
    assert_eq!(target["breaker"], "closed", "{target}");
    let events = gateway.ask("events", &[]);
    assert!(events.text.contains("both") && events.text.contains("key"), "{}", events.text);
}
