//! Another process takes the gateway's place, and nobody is refused.

use serde_json::json;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::{UnixDatagram, UnixStream},
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
};
use tests::testkit::{
    PATIENCE,
    gateway::{Gateway, free_port},
    policy::Policy,
    provider::{Provider, text_of},
    tenant::{Ask, End, Tenant},
    until,
};

fn policy(provider: &Provider, shards: u32) -> Policy {
    let (listen, admin) = (free_port(), free_port());
    Policy::over(provider)
        .gateway(&format!("listen: \"127.0.0.1:{listen}\", admin: \"127.0.0.1:{admin}\", shards: {shards}, drain: 20s"))
        .chain("c", &[("primary", "m"), ("backup", "m")], "")
}

/// One request on a connection of its own; a refused one fails, and so does one that is closed or
/// reset before it is answered.
fn ask_once(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).expect("a connection is never refused");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = String::from_utf8(Ask::chat("c").with("connection", "close").bytes()).unwrap();
    stream.write_all(request.as_bytes()).expect("a connection is never reset");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer is never cut");
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn twenty_upgrades_refuse_nobody() {
    let provider = Provider::new();
    provider.answers("primary", &json!({"gap_ms": 5}));
    let mut gateway = Gateway::start(&policy(&provider, 2));
    let address = gateway.address;
    let (end, answers) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let load: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    while !end.load(Relaxed) {
                        ask_once(address);
                        answers.fetch_add(1, Relaxed);
                    }
                })
            })
            .collect();
        let goes_on = |more: u64| {
            let wanted = answers.load(Relaxed) + more;
            until("traffic flows", || (answers.load(Relaxed) >= wanted || load.iter().any(|one| one.is_finished())).then_some(()));
        };
        for _ in 0..20 {
            // One that lasts from one process into the time of the next.
            let mut stream = Tenant::connect(address);
            stream.send(&Ask::stream("c").bytes());
            assert_eq!(stream.head().status, 200);
            gateway.take_over();
            assert!(stream.body_until("[DONE]").contains("[DONE]"));
            gateway.await_ready();
            goes_on(4);
        }
        end.store(true, Relaxed);
        for one in load {
            one.join().expect("every connection was answered");
        }
    });
    assert!(answers.load(Relaxed) >= 80);
    // What the daemon knows is the newest one.
    gateway.find();
    let told = gateway.ask("reload", &[]);
    assert_eq!(told.code, 0, "{}", told.text);
    assert_eq!(gateway.tenant().ask(&Ask::chat("c")).head.status, 200);
}

#[test]
fn who_cannot_take_over_says_so_and_changes_nothing() {
    let provider = Provider::new();
    let mut gateway = Gateway::start(&policy(&provider, 1));
    // Somebody who takes the sockets and says nothing.
    let path = gateway.folder.join("run/handover.sock");
    drop(until("somebody can take over", || UnixStream::connect(&path).ok()));
    let mut tenant = gateway.tenant();
    let answer = tenant.ask(&Ask::chat("c"));
    assert_eq!((answer.head.status, answer.end, answer.content().as_str()), (200, End::Complete, text_of("primary").as_str()));
    gateway.take_over();
    gateway.await_ready();
    assert_eq!(gateway.tenant().ask(&Ask::chat("c")).head.status, 200);
}

/// Every shard accepts from the one socket that a service manager opened, and the manager hears of it.
#[test]
fn a_socket_of_the_service_manager_serves_every_shard() {
    let provider = Provider::new();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let policy = Policy::over(&provider).gateway(&format!("listen: \"{address}\", shards: 2")).chain("c", &[("primary", "m")], "");
    let mut gateway = Gateway::prepare(&policy);
    let path = gateway.folder.join("notify.sock");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let hear = |word: &str| {
        let mut bytes = [0; 512];
        loop {
            let count = manager.recv(&mut bytes).unwrap_or_else(|error| panic!("the manager did not hear {word}: {error}"));
            let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
            if text.contains(word) {
                return text;
            }
        }
    };
    gateway.start_daemon();
    // Whoever comes before there is a process waits in the socket's queue.
    let early = thread::spawn(move || ask_once(address));
    gateway.start_plane_with(socket, &path);
    gateway.find();
    gateway.await_ready();
    assert_eq!(gateway.address, address);
    assert!(hear("READY=1").contains("MAINPID="));
    hear("WATCHDOG=1");
    early.join().unwrap();
    until("each shard has accepted", || {
        (0..8).for_each(|_| ask_once(address));
        gateway.meter_by_shard("throwover_downstream_connections_total").iter().all(|&count| count > 0).then_some(())
    });
    gateway.terminate_plane();
    hear("STOPPING=1");
    let status = until("the data plane ends", || gateway.plane_ended());
    assert!(status.success());
}
