//! TLS on both sides: no byte of a request goes to a provider whose certificate is not good.

use mock::{CertificateKind, certs::Authority};
use rustls::{ServerConfig, ServerConnection};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tests::testkit::{
    certs::Identity,
    gateway::Gateway,
    policy::Policy,
    provider::{Provider, text_of},
    story::Story,
    tenant::{Ask, End, Tenant},
    until,
};

fn over_tls(provider: &Provider) -> Policy {
    let ca = provider.ca();
    Policy::new()
        .secure("primary", provider.tls("primary"), &ca, "auth: none")
        .secure("backup", provider.tls("backup"), &ca, "auth: none")
        .chain("c", &[("primary", "m"), ("backup", "m")], "deadline: 20s")
}

#[test]
fn a_bad_certificate_is_failed_over_before_anything_is_sent() {
    for kind in CertificateKind::ALL.iter().filter(|kind| **kind != CertificateKind::Good) {
        let provider = Provider::new();
        provider.certificate("primary", *kind);
        let gateway = Gateway::start(&over_tls(&provider));
        for ask in [Ask::chat("c"), Ask::stream("c")] {
            let story = Story::of(&format!("{kind:?}"), gateway.tenant().ask(&ask), &provider, "m");
            story.answered_by("backup");
            assert_eq!((story.asked("primary"), provider.counter("primary", "requests")), (0, 0), "{story}");
        }
        assert!(provider.counter("primary", "handshakes_failed") >= 1, "{kind:?}");
        assert!(provider.log().iter().all(|entry| entry.tls), "all of it went by TLS");
    }
}

#[test]
fn a_handshake_that_never_ends_is_failed_over() {
    let provider = Provider::new();
    provider.fault("primary", "tls-stall");
    let policy = over_tls(&provider).defaults("connect: 500ms");
    let gateway = Gateway::start(&policy);
    let story = Story::of("tls-stall", gateway.tenant().ask(&Ask::chat("c")), &provider, "m");
    story.answered_by("backup");
    assert_eq!(story.asked("primary"), 0, "{story}");
}

/// A certificate that goes bad while connections are warm: those go on, new ones are refused.
#[test]
fn a_certificate_that_is_mended_is_taken() {
    let provider = Provider::new();
    provider.certificate("primary", CertificateKind::Expired);
    let policy = over_tls(&provider).defaults("breaker: {consecutive: 1000, min_requests: 1000}");
    let gateway = Gateway::start(&policy);
    Story::of("expired", gateway.tenant().ask(&Ask::chat("c")), &provider, "m").answered_by("backup");
    provider.certificate("primary", CertificateKind::Good);
    Story::of("mended", gateway.tenant().ask(&Ask::chat("c")), &provider, "m").answered_by("primary");
}

#[test]
fn tenants_by_tls() {
    let provider = Provider::new();
    let folder = std::env::temp_dir().join(format!("throwover-identity-{}", std::process::id()));
    let identity = Identity::make(&folder);
    let members = format!("tls: {{certificate: \"{}\", key: \"${{file:{}}}\"}}", identity.certificate.display(), identity.key.display());
    let gateway = Gateway::start(&Policy::over(&provider).gateway(&members).chain("c", &[("primary", "m"), ("backup", "m")], ""));
    let mut tenant = Tenant::connect_tls(gateway.address, &identity.ca).unwrap();
    for _ in 0..3 {
        Story::of("json", tenant.ask(&Ask::chat("c")), &provider, "m").answered_by("primary");
        Story::of("stream", tenant.ask(&Ask::stream("c")), &provider, "m").answered_by("primary");
    }
    // A large body and a large answer through many records.
    let text = "x".repeat(3 << 20);
    let body = serde_json::json!({"model": "c", "messages": [{"role": "user", "content": text}]});
    assert_eq!(tenant.ask(&Ask::post("/v1/chat/completions", &body)).content(), text_of("primary"));
    // Somebody who trusts another CA hangs up, and somebody who speaks no TLS gets no answer of HTTP.
    assert!(Tenant::connect_tls(gateway.address, &provider.ca()).is_err());
    let mut stranger = gateway.tenant();
    stranger.send(&Ask::chat("c").bytes());
    assert!(stranger.ends_without_http());
    let mut again = Tenant::connect_tls(gateway.address, &identity.ca).unwrap();
    Story::of("after strangers", again.ask(&Ask::chat("c")), &provider, "m").answered_by("primary");
    std::fs::remove_dir_all(&folder).ok();
}

/// A provider whose session ticket comes in small records, the first long before the rest: whoever
/// sends a request has half a message of TLS in hand.
fn halves_its_ticket(config: Arc<ServerConfig>) -> (SocketAddr, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, half_sent) = (listener.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
    let told = half_sent.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (config, told) = (config.clone(), told.clone());
            // A connection that breaks is seen by the test as an answer that does not come.
            std::thread::spawn(move || serve_half(stream, config, &told).ok());
        }
    });
    (address, half_sent)
}

fn serve_half(mut stream: TcpStream, config: Arc<ServerConfig>, half_sent: &AtomicBool) -> std::io::Result<()> {
    let mut session = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut waiting = Vec::new();
    while session.is_handshaking() {
        waiting.clear();
        session.read_tls(&mut stream)?;
        session.process_new_packets().map_err(std::io::Error::other)?;
        while session.wants_write() {
            session.write_tls(&mut waiting)?;
        }
        if session.is_handshaking() {
            stream.write_all(&waiting)?;
        }
    }
    let first = 5 + usize::from(u16::from_be_bytes([waiting[3], waiting[4]]));
    assert!(first < waiting.len(), "the tickets fill several records");
    stream.write_all(&waiting[..first])?;
    half_sent.store(true, Ordering::Release);
    let mut request = Vec::new();
    while !request.ends_with(b"}") {
        // The request may have come with the handshake's last bytes, so that this looks before it waits.
        let mut part = [0; 4096];
        match session.reader().read(&mut part) {
            Ok(count) => request.extend_from_slice(&part[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                if session.read_tls(&mut stream)? == 0 {
                    return Ok(());
                }
                session.process_new_packets().map_err(std::io::Error::other)?;
            }
            Err(error) => return Err(error),
        }
    }
    let body = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"whole"},"finish_reason":"stop"}]}"#;
    session.writer().write_all(&tests::testkit::recorder::Recorder::json(body))?;
    while session.wants_write() {
        session.write_tls(&mut waiting)?;
    }
    stream.write_all(&waiting[first..])
}

#[test]
fn half_a_message_of_tls_is_no_obstacle() {
    let folder = std::env::temp_dir().join(format!("throwover-halves-{}", std::process::id()));
    let authority = Authority::open(&folder).unwrap();
    let mut config = (*authority.server_config(CertificateKind::Good).unwrap()).clone();
    config.max_fragment_size = Some(64);
    let (address, half_sent) = halves_its_ticket(Arc::new(config));
    let policy =
        Policy::new().secure("primary", address, authority.ca_path(), "auth: none").chain("c", &[("primary", "m")], "deadline: 20s");
    let gateway = Gateway::start(&policy);
    until("a warm connection has half a ticket", || half_sent.load(Ordering::Acquire).then_some(()));
    for _ in 0..2 {
        let answer = gateway.tenant().ask(&Ask::chat("c"));
        assert_eq!((answer.head.status, answer.content().as_str()), (200, "whole"), "{}", answer.text());
    }
    std::fs::remove_dir_all(&folder).ok();
}

/// A provider that answers before anybody has asked, in the handshake's own flight.
fn speaks_first(config: Arc<ServerConfig>) -> (SocketAddr, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, spoken) = (listener.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
    let told = spoken.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (config, told) = (config.clone(), told.clone());
            std::thread::spawn(move || -> std::io::Result<()> {
                let mut session = ServerConnection::new(config).map_err(std::io::Error::other)?;
                let body = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"unasked"},"finish_reason":"stop"}]}"#;
                session.writer().write_all(&tests::testkit::recorder::Recorder::json(body))?;
                while session.is_handshaking() || session.wants_write() {
                    session.complete_io(&mut stream)?;
                }
                told.store(true, Ordering::Release);
                // Whatever is asked, nothing more is said.
                while session.complete_io(&mut stream).is_ok_and(|(read, _)| read > 0) {}
                Ok(())
            });
        }
    });
    (address, spoken)
}

#[test]
fn an_answer_that_nobody_asked_for_is_nobodys() {
    let folder = std::env::temp_dir().join(format!("throwover-unasked-{}", std::process::id()));
    let authority = Authority::open(&folder).unwrap();
    let mut config = (*authority.server_config(CertificateKind::Good).unwrap()).clone();
    config.send_half_rtt_data = true;
    let (address, spoken) = speaks_first(Arc::new(config));
    let provider = Provider::new();
    let policy = Policy::new()
        .secure("primary", address, authority.ca_path(), "auth: none")
        .secure("backup", provider.tls("backup"), &provider.ca(), "auth: none")
        .chain("c", &[("primary", "m"), ("backup", "m")], "deadline: 20s");
    let gateway = Gateway::start(&policy);
    until("a connection was answered unasked", || spoken.load(Ordering::Acquire).then_some(()));
    for ask in [Ask::chat("c"), Ask::chat("c")] {
        let answer = gateway.tenant().ask(&ask);
        assert_eq!((answer.head.status, answer.content()), (200, text_of("backup")), "{}", answer.text());
    }
    std::fs::remove_dir_all(&folder).ok();
}

/// A provider whose answers of `size` bytes have no length. It ends each as TLS asks for and leaves
/// the connection open, or lets the connection end and says nothing.
fn answers_without_length(config: Arc<ServerConfig>, size: usize, says_so: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let config = config.clone();
            std::thread::spawn(move || -> std::io::Result<()> {
                let mut session = ServerConnection::new(config).map_err(std::io::Error::other)?;
                let (mut asked, mut part) = (Vec::new(), [0; 4096]);
                while !asked.ends_with(b"}") {
                    if session.complete_io(&mut stream)?.0 == 0 {
                        return Ok(());
                    }
                    let count = session.reader().read(&mut part).unwrap_or(0);
                    asked.extend_from_slice(&part[..count]);
                }
                let (front, back) =
                    (r#"{"choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":""#, r#""}}]}"#);
                let mut answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n".to_vec();
                answer.extend_from_slice(front.as_bytes());
                answer.resize(answer.len() + size - front.len() - back.len(), b'x');
                answer.extend_from_slice(back.as_bytes());
                for piece in answer.chunks(16 * 1024) {
                    session.writer().write_all(piece)?;
                    if says_so && piece.as_ptr_range().end == answer.as_ptr_range().end {
                        session.send_close_notify();
                    }
                    while session.wants_write() {
                        session.write_tls(&mut stream)?;
                    }
                }
                if says_so {
                    stream.read_to_end(&mut asked)?;
                }
                Ok(())
            });
        }
    });
    address
}

#[test]
fn an_answer_without_a_length_ends_when_tls_says_so() {
    const LARGE: usize = 3 << 20;
    let folder = std::env::temp_dir().join(format!("throwover-endless-{}", std::process::id()));
    let authority = Authority::open(&folder).unwrap();
    let config = authority.server_config(CertificateKind::Good).unwrap();
    let ca = authority.ca_path();
    let policy = Policy::new()
        .secure("small", answers_without_length(config.clone(), 500, true), ca, "auth: none")
        .secure("large", answers_without_length(config.clone(), LARGE, true), ca, "auth: none")
        .secure("mute", answers_without_length(config, LARGE, false), ca, "auth: none")
        .chain("s", &[("small", "m")], "deadline: 60s, idle: 50s")
        .chain("l", &[("large", "m")], "deadline: 60s, idle: 50s")
        .chain("x", &[("mute", "m")], "deadline: 60s, idle: 50s");
    let gateway = Gateway::start(&policy);
    let begun = std::time::Instant::now();
    for (chain, size, end, outcome) in
        [("s", 500, End::Complete, "answered"), ("l", LARGE, End::Complete, "answered"), ("x", LARGE, End::Cut, "cut")]
    {
        let answer = gateway.tenant().ask(&Ask::chat(chain));
        assert_eq!((answer.head.status, answer.body.len(), answer.end), (200, size, end), "{chain}");
        assert_eq!(gateway.record(answer.head.field("x-request-id").unwrap())["outcome"], outcome, "{chain}");
    }
    assert!(begun.elapsed().as_secs() < 40, "the end was waited for, and not heard");
    std::fs::remove_dir_all(&folder).ok();
}
