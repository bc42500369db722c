//! A thousand reloads and a hundred deaths, under load.

use serde_json::{Value, json};
use std::{
    collections::HashSet,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};
use tests::testkit::{
    PATIENCE,
    gateway::{Gateway, free_port},
    load::Load,
    policy::Policy,
    provider::{Provider, text_of},
    story::Story,
    tenant::{Ask, End, Tenant},
    until,
};

const RELOADS: u32 = 1_000;
const DEATHS: usize = 100;

/// Streams last over hundreds of reloads, a breaker stays open over all of them, and nobody's
/// request fails or connection ends.
#[test]
fn a_thousand_reloads_lose_nothing() {
    let provider = Provider::new();
    provider.answers("primary", &json!({"gap_ms": 10, "latency_ms": 5}));
    provider.fault("primary", "500;model=broken,pace;gap_ms=300;model=long");
    let with = |round: u32| {
        let breaker = format!("breaker: {{consecutive: 2, cooldown: 600s, cooldown_max: 600s}}, retry: {{base: {}ms}}", 1 + round % 50);
        Policy::over(&provider)
            .gateway("keep_alive: 600s")
            .chain("c", &[("primary", "m"), ("backup", "m")], "")
            .chain("long", &[("primary", "long"), ("backup", "long")], "deadline: 300s")
            .chain("broken", &[("primary", "broken"), ("backup", "broken")], &breaker)
    };
    let gateway = Gateway::start(&with(0));
    let mut other = gateway.tenant();
    for _ in 0..4 {
        Story::of("broken", other.ask(&Ask::chat("broken")), &provider, "broken").answered_by("backup");
    }
    let load = Load::start(&gateway, 4);
    let mut long: Vec<Tenant> = (0..5).map(|_| gateway.tenant()).collect();
    for tenant in &mut long {
        tenant.send(&Ask::stream("long").bytes());
        assert_eq!(tenant.head().status, 200);
    }
    load.flows(12);
    let connections = gateway.meter("throwover_downstream_connections_total");
    for round in 1..=RELOADS {
        gateway.write(&with(round));
        let told = gateway.ask("reload", &[("why", "round")]);
        assert_eq!(told.code, 0, "{}", told.text);
        if round % 100 == 0 {
            let answer = other.ask(&Ask::chat("broken"));
            assert_eq!((answer.head.status, answer.content()), (200, text_of("backup")));
            assert_eq!(answer.head.field("x-throwover-attempts"), Some("1"), "the breaker was open, and the provider was asked again");
        }
    }
    let answer = other.ask(&Ask::chat("c"));
    assert_eq!(answer.head.field("x-throwover-generation"), Some((RELOADS + 1).to_string().as_str()));
    for tenant in &mut long {
        let body = tenant.body_until("[DONE]");
        assert!(body.contains("w11"), "{body}");
        while tenant.part().is_some() {}
        assert_eq!(tenant.ask(&Ask::get("/v1/models")).head.status, 200, "its connection goes on");
    }
    load.flows(12);
    assert_eq!(gateway.meter("throwover_downstream_connections_total"), connections, "a connection was lost and made anew");
    let answers = load.finish();
    println!("{answers} answers over {RELOADS} reloads");
    assert_eq!(gateway.meter("throwover_cut_streams_total") + gateway.meter("throwover_failed_total"), 0.0);
}

/// Tenants who try again when they are cut off.
struct Stubborn {
    end: Arc<AtomicBool>,
    whole: Arc<AtomicU64>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Stubborn {
    fn start(address: SocketAddr, count: usize) -> Stubborn {
        let (end, whole) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let threads = (0..count).map(|_| {
            let (end, whole) = (end.clone(), whole.clone());
            thread::spawn(move || {
                while !end.load(Ordering::Acquire) {
                    match once(address) {
                        Some(answer) => {
                            assert!(answer.contains(&text_of("primary")), "{answer}");
                            whole.fetch_add(1, Ordering::AcqRel);
                        }
                        // Nobody listens at the moment.
                        None => thread::yield_now(),
                    }
                }
            })
        });
        Stubborn { threads: threads.collect(), end, whole }
    }

    /// Waits for so many more whole answers.
    fn flows(&self, more: u64) {
        let wanted = self.whole.load(Ordering::Acquire) + more;
        until("whole answers come again", || (self.whole.load(Ordering::Acquire) >= wanted).then_some(()));
    }

    fn finish(self) -> u64 {
        self.end.store(true, Ordering::Release);
        for thread in self.threads {
            thread.join().expect("what was whole was also right");
        }
        self.whole.load(Ordering::Acquire)
    }
}

/// An answer, if one comes that is whole by its own length.
fn once(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(&Ask::chat("c").with("connection", "close").bytes()).ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok())?;
    (body.len() == length && head.starts_with("HTTP/1.1 200 ")).then_some(text)
}

#[test]
fn a_hundred_deaths_under_load() {
    let provider = Provider::new();
    let port = free_port();
    let policy = Policy::over(&provider).gateway(&format!("listen: \"127.0.0.1:{port}\""));
    let policy = policy.chain("c", &[("primary", "m"), ("backup", "m")], "");
    let mut gateway = Gateway::start(&policy);
    let load = Stubborn::start(gateway.address, 4);
    let mut written = Vec::new();
    for death in 0..DEATHS {
        load.flows(8);
        if death % 10 == 0 {
            // What is in the file before a death is there after all of them.
            let answer = gateway.tenant().ask(&Ask::chat("c"));
            let id = answer.head.field("x-request-id").unwrap().to_owned();
            gateway.record(&id);
            written.push(id);
        }
        gateway.kill_plane();
        gateway.start_plane();
    }
    load.flows(8);
    gateway.find();
    let last = gateway.tenant().ask(&Ask::chat("c"));
    assert_eq!((last.head.status, last.end), (200, End::Complete));
    gateway.record(last.head.field("x-request-id").unwrap());
    let answers = load.finish();
    // Each line is a record, or the beginning of one at the place of a death.
    let log = gateway.access_log();
    let (mut records, mut torn) = (0_usize, 0_usize);
    let mut ids = HashSet::new();
    for line in log.lines() {
        match serde_json::from_str::<Value>(line) {
            Ok(record) => {
                records += 1;
                assert!(record["request"].is_string() && record["outcome"].is_string(), "a record without its parts: {line}");
                ids.insert(record["request"].as_str().unwrap_or_default().to_owned());
            }
            Err(error) => {
                torn += 1;
                assert!(error.is_eof(), "something other than a torn record: {line}");
            }
        }
    }
    println!("{answers} answers over {DEATHS} deaths, {records} records, {torn} torn");
    assert!(torn <= DEATHS, "{torn} torn records of {DEATHS} deaths");
    assert!(written.iter().all(|id| ids.contains(id)), "a record that was written is gone");
}
