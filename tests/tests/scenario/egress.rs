//! Where providers are reached through a proxy, it carries bytes and is trusted with nothing else.

use tests::testkit::{
    gateway::{Gateway, free_port},
    policy::Policy,
    provider::{Provider, text_of},
    proxy::{Manner, Proxy},
    recorder::Recorder,
    story::Story,
    tenant::Ask,
    until,
};

/// A name that only the proxy knows, and the authority that it is asked for.
const HOST: &str = "provider.test";
const AUTHORITY: &str = "provider.test:443";

/// Interim heads that are passed over, as the data plane's limits have it.
const INTERIM_HEADS_MAX: usize = 8;

/// The primary by TLS and behind a proxy; the backup on loopback, which no proxy is asked for.
fn policy(provider: &Provider, proxy: &str, members: &str) -> Policy {
    let (ca, own) = (provider.ca(), format!("ca: \"{}\", auth: none{members}", provider.ca().display()));
    Policy::new()
        .gateway(&format!("egress: {{proxy: \"http://{proxy}\"}}"))
        .defaults("connect: 2s, breaker: {consecutive: 1000, min_requests: 1000}")
        .endpoint("primary", &format!("https://{HOST}/v1"), &own)
        .secure("backup", provider.tls("backup"), &ca, "auth: none")
        .chain("c", &[("primary", "m"), ("backup", "m")], "deadline: 20s")
}

/// The mock's certificate is for `localhost`, not for the name that the proxy is asked for.
const NAMED: &str = ", server_name: localhost";

#[test]
fn requests_go_through_a_tunnel() {
    let provider = Provider::new();
    let proxy = Proxy::start(&[(AUTHORITY, provider.tls("primary"))]);
    // By name, so that the one name that is looked up is the proxy's.
    let gateway = Gateway::start(&policy(&provider, &format!("localhost:{}", proxy.address.port()), NAMED));
    let mut tenant = gateway.tenant();
    for round in 0..10 {
        for ask in [Ask::chat("c"), Ask::stream("c")] {
            let story = Story::of(&format!("round {round}"), tenant.ask(&ask), &provider, "m");
            story.answered_by("primary");
            assert_eq!(story.asked("backup"), 0, "{story}");
        }
    }
    assert!(provider.log().iter().all(|entry| entry.tls), "TLS goes from the gateway to the provider");
    let asked = proxy.asked();
    assert_eq!(asked.len(), proxy.tunnels(), "{asked:?}");
    assert!((1..10).contains(&asked.len()), "tunnels are kept warm: {asked:?}");
    for one in &asked {
        assert_eq!(one.head, format!("CONNECT {AUTHORITY} HTTP/1.1\r\nhost: {AUTHORITY}\r\n\r\n"));
    }
    // Nobody is asked for loopback.
    provider.fault("primary", "503");
    Story::of("loopback", tenant.ask(&Ask::chat("c")), &provider, "m").answered_by("backup");
    assert!(proxy.asked().iter().all(|one| one.authority() == Some(AUTHORITY)));
}

/// A proxy that leads elsewhere is found out before anything of the request is sent.
#[test]
fn the_certificate_behind_a_proxy_is_verified() {
    let provider = Provider::new();
    let proxy = Proxy::start(&[(AUTHORITY, provider.tls("primary"))]);
    let gateway = Gateway::start(&policy(&provider, &proxy.address.to_string(), ""));
    for ask in [Ask::chat("c"), Ask::stream("c")] {
        let story = Story::of("another name", gateway.tenant().ask(&ask), &provider, "m");
        story.answered_by("backup");
        assert_eq!(story.answer.head.field("x-throwover-fallback-reason"), Some("tls"), "{story}");
        assert_eq!((story.asked("primary"), provider.counter("primary", "requests")), (0, 0), "{story}");
    }
    assert!(proxy.tunnels() >= 1 && provider.counter("primary", "handshakes_failed") >= 1);
}

#[test]
fn a_proxy_that_opens_no_tunnel_is_failed_over() {
    let forged = Recorder::json(r#"{"choices":[{"index":0,"message":{"content":"forged"},"finish_reason":"stop"}]}"#);
    let established = b"HTTP/1.1 200 Connection established\r\n\r\n".to_vec();
    let manners = [
        Manner::Refuse(407),
        Manner::Refuse(502),
        Manner::Refuse(301),
        Manner::Say(b"220 mail.test ESMTP\r\n\r\n".to_vec()),
        Manner::Say([established.clone(), vec![0]].concat()),
        Manner::Say([established, forged].concat()),
        Manner::Endless,
        Manner::Silent,
        Manner::HangUp,
    ];
    let provider = Provider::new();
    let proxy = Proxy::start(&[(AUTHORITY, provider.tls("primary")), ("provider.test:80", provider.plain("primary"))]);
    // No tunnel is kept warm: there has never been one.
    proxy.manner(Manner::HangUp);
    let gateway = Gateway::start(&refused_policy(&provider, &proxy));
    for manner in manners {
        proxy.manner(manner.clone());
        for chain in ["by-tls", "plain"] {
            for ask in [Ask::chat(chain), Ask::stream(chain)] {
                let story = Story::of(&format!("{manner:?} {chain}"), gateway.tenant().ask(&ask), &provider, chain);
                story.answered_by("backup");
                assert_eq!(story.answer.head.field("x-throwover-fallback-reason"), Some("connect"), "{story}");
                assert_eq!(story.asked("primary"), 0, "{story}");
            }
        }
    }
    let asked = proxy.settled();
    assert!(asked.len() >= 36 && proxy.tunnels() == 0, "{asked:?}");
    // Neither a ClientHello nor anything of a request went to a proxy that opened nothing.
    assert!(asked.iter().all(|one| one.sent == 0), "{asked:?}");
    proxy.manner(Manner::Tunnel);
    Story::of("mended", gateway.tenant().ask(&Ask::chat("by-tls")), &provider, "by-tls").answered_by("primary");
    let story = Story::of("mended", gateway.tenant().ask(&Ask::chat("plain")), &provider, "plain");
    assert_eq!((story.answer.content(), story.answer.head.field("x-throwover-attempts")), (text_of("primary"), Some("1")), "{story}");
    assert!(proxy.tunnels() >= 2);
}

/// RFC 9110, section 15.2: a proxy may say 1xx before its answer, though not without end.
#[test]
fn interim_answers_of_a_proxy_are_no_refusal() {
    let provider = Provider::new();
    for count in [1, INTERIM_HEADS_MAX, INTERIM_HEADS_MAX + 1] {
        let proxy = Proxy::start(&[(AUTHORITY, provider.tls("primary")), ("provider.test:80", provider.plain("primary"))]);
        proxy.manner(Manner::Interim(count));
        let gateway = Gateway::start(&refused_policy(&provider, &proxy));
        for chain in ["by-tls", "plain"] {
            let story = Story::of(&format!("{count}, {chain}"), gateway.tenant().ask(&Ask::chat(chain)), &provider, chain);
            let (by, reason) = if count > INTERIM_HEADS_MAX { ("backup", Some("connect")) } else { ("primary", None) };
            assert_eq!(story.answer.content(), text_of(by), "{story}");
            assert_eq!(story.answer.head.field("x-throwover-fallback-reason"), reason, "{story}");
        }
    }
}

/// Two providers behind the proxy, with and without TLS; each has a backup on loopback, and a model
/// by which the mock's log tells them apart.
fn refused_policy(provider: &Provider, proxy: &Proxy) -> Policy {
    let ca = provider.ca();
    let own = format!("ca: \"{}\", auth: none{NAMED}", ca.display());
    Policy::new()
        .gateway(&format!("egress: {{proxy: \"http://{}\"}}", proxy.address))
        .defaults("connect: 500ms, breaker: {consecutive: 1000, min_requests: 1000}")
        .endpoint("primary", &format!("https://{HOST}/v1"), &own)
        .endpoint("unsecured", &format!("http://{HOST}/v1"), "auth: none")
        .secure("backup", provider.tls("backup"), &ca, "auth: none")
        .chain("by-tls", &[("primary", "by-tls"), ("backup", "by-tls")], "deadline: 20s")
        .chain("plain", &[("unsecured", "plain"), ("backup", "plain")], "deadline: 20s")
}

#[test]
fn a_proxy_that_is_not_there_is_failed_over() {
    let provider = Provider::new();
    let gateway = Gateway::start(&policy(&provider, &format!("127.0.0.1:{}", free_port()), NAMED));
    let story = Story::of("nobody listens", gateway.tenant().ask(&Ask::chat("c")), &provider, "m");
    story.answered_by("backup");
    assert_eq!(story.answer.head.field("x-throwover-fallback-reason"), Some("connect"), "{story}");
}

/// A request for which nobody is left is refused honestly, and the proxy's own words stay here.
#[test]
fn a_refusal_of_the_proxy_is_not_the_tenants() {
    let provider = Provider::new();
    let proxy = Proxy::start(&[]);
    proxy.manner(Manner::Refuse(407));
    let policy = policy(&provider, &proxy.address.to_string(), NAMED).chain("alone", &[("primary", "m")], "retry: {max_attempts: 2}");
    let gateway = Gateway::start(&policy);
    let story = Story::of("407", gateway.tenant().ask(&Ask::chat("alone")), &provider, "m");
    assert_eq!(story.answer.head.status, 502, "{story}");
    assert_eq!(story.answer.head.field("proxy-authenticate"), None, "{story}");
    until("the proxy was asked", || (!proxy.asked().is_empty()).then_some(()));
}
