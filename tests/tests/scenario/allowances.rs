//! How much a tenant may ask for, and from where.

use serde_json::json;
use tests::testkit::{
    gateway::{Gateway, free_port},
    policy::Policy,
    provider::Provider,
    story::Story,
    tenant::{Answer, Ask, Tenant},
};

const ACME: &str = "sk-acme-0123456789abcdef";
const OTHER: &str = "sk-other-0123456789abcdef";

fn gateway(provider: &Provider, of_acme: &str, of_gateway: &str) -> Gateway {
    let policy = Policy::over(provider).chain("chat", &[("primary", "m"), ("backup", "m")], "").section(&format!(
        "tenants:\n  - {{name: acme, keys: [{{key: \"{ACME}\"}}], {of_acme}}}\n  - {{name: other, keys: [{{key: \"{OTHER}\"}}]}}"
    ));
    Gateway::start(&if of_gateway.is_empty() { policy } else { policy.gateway(of_gateway) })
}

fn ask(key: &str) -> Ask {
    Ask::chat("chat").key(key)
}

/// A request whose body has some more bytes.
fn large_ask(bytes: usize) -> Ask {
    let text = "x".repeat(bytes);
    Ask::post("/v1/chat/completions", &json!({"model": "chat", "messages": [{"role": "user", "content": text}]})).key(ACME)
}

fn number(answer: &Answer, field: &str) -> u64 {
    let value = answer.head.field(field).unwrap_or_else(|| panic!("no `{field}` in {:?}", answer.head));
    value.parse().unwrap_or_else(|_| panic!("`{field}` is {value:?}"))
}

#[test]
fn requests_of_a_minute() {
    let provider = Provider::new();
    let gateway = gateway(&provider, "rpm: 3", "");
    let mut tenant = gateway.tenant();
    for left in [2, 1, 0] {
        let story = Story::of("within", tenant.ask(&ask(ACME)), &provider, "m");
        story.answered_by("primary");
        assert_eq!(number(&story.answer, "x-ratelimit-limit-requests"), 3);
        assert_eq!(number(&story.answer, "x-ratelimit-remaining-requests"), left);
        assert!(story.answer.head.field("x-ratelimit-reset-requests").is_some());
        // What is the provider's business does not show.
        assert_eq!(story.answer.head.field("x-ratelimit-limit-tokens"), None);
    }
    let asked = provider.log().len();
    let answer = tenant.ask(&ask(ACME));
    assert_eq!((answer.head.status, answer.code().as_str()), (429, "rate_limit_exceeded"), "{}", answer.text());
    assert_eq!(answer.json()["error"]["type"], "rate_limit_error");
    assert_eq!(answer.head.field("x-throwover-fault"), Some("tenant"));
    assert_eq!(answer.head.field("x-should-retry"), None, "to ask again later helps");
    let after = number(&answer, "retry-after-ms");
    assert!((1..=20_000).contains(&after) && number(&answer, "retry-after") <= 20, "{after}");
    assert_eq!(number(&answer, "x-ratelimit-remaining-requests"), 0);
    assert_eq!(provider.log().len(), asked, "nothing of it reached a provider");
    // Streams are counted like the rest, and the connection goes on for whoever may still ask.
    assert_eq!(tenant.ask(&Ask::stream("chat").key(ACME)).head.status, 429);
    Story::of("another tenant", tenant.ask(&ask(OTHER)), &provider, "m").answered_by("primary");
    assert_eq!(tenant.ask(&Ask::get("/v1/models").key(ACME)).head.status, 200, "lists cost nothing");
    assert_eq!(gateway.meter("throwover_rate_limited_total"), 2.0);
    assert_eq!(gateway.meter("throwover_bodies_refused_total"), 0.0, "their bodies were well");
    assert_eq!(gateway.record(answer.head.field("x-request-id").unwrap())["code"], "rate_limit_exceeded");
}

/// A reload keeps what was taken; a higher limit counts at once.
#[test]
fn a_reload_keeps_what_was_taken() {
    let provider = Provider::new();
    let gateway = gateway(&provider, "rpm: 1", "");
    let mut tenant = gateway.tenant();
    assert_eq!(tenant.ask(&ask(ACME)).head.status, 200);
    let text = std::fs::read_to_string(gateway.folder.join("throwover.yaml")).unwrap();
    for (limit, status, left) in [("rpm: 1, models: [chat]", 429, 0), ("rpm: 200", 200, 198), ("", 200, u64::MAX)] {
        gateway.write_text(&text.replace("rpm: 1", if limit.is_empty() { "models: [\"*\"]" } else { limit }));
        let told = gateway.ask("reload", &[]);
        assert_eq!(told.code, 0, "{}", told.text);
        let answer = tenant.ask(&ask(ACME));
        assert_eq!(answer.head.status, status, "{limit}: {}", answer.text());
        match left {
            // Without limits of its own it sees the provider's.
            u64::MAX => assert_eq!(number(&answer, "x-ratelimit-remaining-requests"), 9_999),
            0 => assert_eq!(number(&answer, "x-ratelimit-remaining-requests"), 0),
            // The one that was taken, and this one; a few were earned meanwhile.
            _ => assert!((198..200).contains(&number(&answer, "x-ratelimit-remaining-requests")), "{:?}", answer.head),
        }
    }
}

#[test]
fn tokens_of_a_minute() {
    let provider = Provider::new();
    let gateway = gateway(&provider, "tpm: 1000", "");
    let mut tenant = gateway.tenant();
    let first = tenant.ask(&ask(ACME));
    assert_eq!(first.head.status, 200);
    assert_eq!(number(&first, "x-ratelimit-limit-tokens"), 1000);
    // The estimate of the first was put right by what the provider counted.
    let counted = first.json()["usage"]["total_tokens"].as_u64().unwrap();
    assert!(counted > 0);
    let second = tenant.ask(&ask(ACME));
    let estimate = ask(ACME).bytes().len() as u64 / 4 + 1;
    let left = number(&second, "x-ratelimit-remaining-tokens");
    assert!(left <= 1000 - counted && left + estimate + counted >= 1000, "{left} of 1000, {counted} counted, {estimate} estimated");
    // More than a minute brings is of no use at any time.
    let large = tenant.ask(&large_ask(8_000));
    assert_eq!((large.head.status, large.code().as_str()), (429, "request_too_large"), "{}", large.text());
    assert_eq!(large.head.field("x-should-retry"), Some("false"));
    // Until they are used up.
    let refused = (0..1_000).map(|_| tenant.ask(&ask(ACME))).find(|answer| answer.head.status != 200).expect("a limit is a limit");
    assert_eq!((refused.head.status, refused.code().as_str()), (429, "rate_limit_exceeded"));
    assert!(number(&refused, "retry-after-ms") <= 60_000);
}

#[test]
fn what_failed_costs_no_tokens() {
    let provider = Provider::new();
    let gateway = gateway(&provider, "tpm: 1000", "");
    let mut tenant = gateway.tenant();
    provider.fault("primary", "503");
    provider.fault("backup", "503");
    for _ in 0..20 {
        let answer = tenant.ask(&large_ask(1_500));
        assert!(answer.head.status >= 500, "{} {}", answer.head.status, answer.text());
    }
}

#[test]
fn networks_that_a_key_may_be_used_from() {
    let provider = Provider::new();
    let gateway = gateway(&provider, "allow_ips: [10.0.0.0/8, \"2001:db8::/32\"]", "");
    let mut tenant = gateway.tenant();
    // Whatever the request itself says of where it comes from.
    for field in ["x-forwarded-for", "x-real-ip", "forwarded", "true-client-ip", "cf-connecting-ip", "x-client-ip", "via", "proxy"] {
        let value = if field == "forwarded" { "for=10.0.0.1" } else { "10.0.0.1" };
        let answer = tenant.ask(&ask(ACME).with(field, value));
        assert_eq!((answer.head.status, answer.code().as_str()), (403, "address_not_allowed"), "{field}: {}", answer.text());
    }
    // A line of a proxy's that nobody asked for is no request.
    let mut stranger = gateway.tenant();
    stranger.send(b"PROXY TCP4 10.0.0.1 10.0.0.2 1000 2000\r\n");
    stranger.try_send(&ask(ACME).bytes()).ok();
    assert_eq!(stranger.answer().head.status, 400);
    assert!(provider.log().is_empty());
    Story::of("another tenant", tenant.ask(&ask(OTHER)), &provider, "m").answered_by("primary");
    assert_eq!(gateway.meter("throwover_address_refused_total"), 8.0);
}

#[test]
fn a_trusted_proxy_says_who_comes() {
    let provider = Provider::new();
    let port = free_port();
    let trusted = format!("proxy_protocol: {{listen: \"127.0.0.1:{port}\", from: [127.0.0.0/8]}}");
    let gateway = gateway(&provider, "allow_ips: [10.0.0.0/8]", &trusted);
    let connect = || Tenant::connect(([127, 0, 0, 1], port).into());
    let binary = |address: [u8; 4]| {
        let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c".to_vec();
        bytes.extend_from_slice(&address);
        bytes.extend_from_slice(&[127, 0, 0, 1, 1, 1, 2, 2]);
        bytes
    };
    let table: [(&str, Vec<u8>, u16); 5] = [
        ("version 1, within", b"PROXY TCP4 10.1.2.3 127.0.0.1 1000 2000\r\n".to_vec(), 200),
        ("version 1, without", b"PROXY TCP4 11.1.2.3 127.0.0.1 1000 2000\r\n".to_vec(), 403),
        ("version 2, within", binary([10, 9, 9, 9]), 200),
        ("version 2, without", binary([192, 0, 2, 1]), 403),
        // The proxy itself is on a loopback address, which is not allowed.
        ("unknown", b"PROXY UNKNOWN\r\n".to_vec(), 403),
    ];
    for (case, header, status) in &table {
        // In one piece with the request, apart from it, and byte by byte.
        for split in 0..3 {
            let mut tenant = connect();
            let request = ask(ACME).bytes();
            match split {
                0 => tenant.send(&[&header[..], &request[..]].concat()),
                1 => {
                    tenant.send(header);
                    tenant.send(&request);
                }
                _ => {
                    header.iter().for_each(|&byte| tenant.send(&[byte]));
                    tenant.send(&request);
                }
            }
            assert_eq!(tenant.answer().head.status, *status, "{case}, split {split}");
            // It holds for the whole connection, also when that has rested meanwhile.
            gateway.page("/metrics").unwrap();
            assert_eq!(tenant.ask(&ask(ACME)).head.status, *status, "{case}, again");
        }
    }
    // Whoever does not say who comes is not heard at all.
    for bytes in [ask(ACME).bytes(), b"PROXY TCP4 10.1.2.3 127.0.0.1 1000\r\n".to_vec(), b"\r\n\r\n\0\r\nQUIT\n\x11\x11\x00\x00".to_vec()] {
        let mut tenant = connect();
        tenant.try_send(&bytes).ok();
        assert!(tenant.any_head().is_none(), "{:?}", String::from_utf8_lossy(&bytes));
    }
    assert_eq!(gateway.meter("throwover_introductions_refused_total"), 3.0);
}

#[test]
fn a_proxy_that_is_not_trusted_is_not_heard() {
    let provider = Provider::new();
    let port = free_port();
    let trusted = format!("proxy_protocol: {{listen: \"127.0.0.1:{port}\", from: [10.0.0.0/8]}}");
    let gateway = gateway(&provider, "rpm: 100", &trusted);
    let mut tenant = Tenant::connect(([127, 0, 0, 1], port).into());
    tenant.try_send(b"PROXY TCP4 10.1.2.3 127.0.0.1 1000 2000\r\n").ok();
    tenant.try_send(&ask(ACME).bytes()).ok();
    assert!(tenant.any_head().is_none());
    assert_eq!(gateway.meter("throwover_introductions_refused_total"), 1.0);
    assert!(provider.log().is_empty());
}

/// Beyond a rate, unknown keys cost their sender the connection; known ones go on working.
#[test]
fn guesses_are_slowed_down() {
    let provider = Provider::new();
    let gateway = gateway(&provider, "rpm: 100", "");
    let mut tenant = gateway.tenant();
    let mut guesses = 0;
    let answer = loop {
        let answer = tenant.ask(&ask("sk-nobody-0123456789abcdef"));
        guesses += 1;
        assert!(guesses < 200, "nobody slows the guesses down");
        if answer.head.status != 401 {
            break answer;
        }
    };
    assert_eq!((answer.head.status, answer.code().as_str()), (429, "too_many_unknown_keys"), "{}", answer.text());
    assert_eq!(answer.head.field("connection"), Some("close"));
    assert!(number(&answer, "retry-after-ms") <= 1_000);
    assert!(guesses > 60, "{guesses}");
    let mut tenant = gateway.tenant();
    Story::of("a known key", tenant.ask(&ask(ACME)), &provider, "m").answered_by("primary");
    assert!(gateway.meter("throwover_key_guesses_total") >= 1.0);
}
