//! Many connections: slow ones, short ones, and more than there are descriptors.

use std::{io::Read, net::TcpStream, thread, time::Duration};
use tests::testkit::{
    PATIENCE,
    gateway::Gateway,
    load::Load,
    policy::Policy,
    provider::{Provider, text_of},
    tenant::{Ask, Tenant},
    until,
};

/// Heads that never end.
const SLOW: usize = 300;
/// Connections that are opened and closed in a storm.
const STORM: usize = 2_000;
/// Tenants of the load beside it.
const TENANTS: usize = 2;
/// Descriptors that the data plane may have, and connections that want one.
const DESCRIPTORS: u32 = 200;
const CROWD: usize = 300;
/// Processor time that waiting for room may take, in hundredths of a second of one second.
const IDLE_TICKS_MAX: u64 = 20;

fn policy(provider: &Provider) -> Policy {
    Policy::over(provider).chain("c", &[("primary", "m"), ("backup", "m")], "")
}

/// Each sends a byte of its head now and then, and never the last one.
#[test]
fn slow_heads_are_cut_off_and_harm_nobody() {
    let provider = Provider::new();
    let gateway = Gateway::start(&policy(&provider).gateway("head_timeout: 2s"));
    let head = Ask::chat("c").with("x-slow", &"x".repeat(4_000)).head();
    let mut slow: Vec<Tenant> = (0..SLOW).map(|_| gateway.tenant()).collect();
    let load = Load::start(&gateway, 4);
    let mut at = 0;
    // As many bytes as there is time for: 408 comes although there was always one more.
    until("every slow head is answered", || {
        for tenant in &mut slow {
            tenant.try_send(&head[at..=at]).ok();
        }
        at = (at + 1).min(head.len() - 100);
        load.flows(4);
        slow.iter().all(Tenant::has_news).then_some(())
    });
    for tenant in &mut slow {
        if let Some(head) = tenant.any_head() {
            assert_eq!(head.status, 408);
            tenant.rest(head);
        }
        assert!(tenant.closed());
    }
    load.flows(20);
    load.finish();
    assert_eq!(gateway.meter("throwover_failed_total"), 0.0);
    assert!(provider.log().iter().all(|entry| entry.model == "m"));
}

/// Connections that come and go at once, in every way that there is.
#[test]
fn a_storm_of_connections() {
    let provider = Provider::new();
    let gateway = Gateway::start(&policy(&provider));
    let load = Load::start(&gateway, TENANTS);
    load.flows(10);
    let address = gateway.address;
    thread::scope(|scope| {
        for part in 0..4 {
            scope.spawn(move || {
                for round in 0..STORM / 4 {
                    let mut tenant = Tenant::connect(address);
                    match (part + round) % 4 {
                        0 => {}
                        1 => tenant.send(b"POST /v1/chat"),
                        2 => tenant.reset(),
                        _ => {
                            tenant.send(&Ask::get("/v1/models").bytes());
                            assert_eq!(tenant.head().status, 200);
                        }
                    }
                }
            });
        }
    });
    load.flows(20);
    until("every connection of the storm is gone", || {
        (gateway.meter("throwover_downstream_connections_open") <= TENANTS as f64).then_some(())
    });
    assert!(gateway.meter("throwover_downstream_connections_total") >= STORM as f64);
    load.finish();
}

/// More connections than descriptors: those who have one are served, the others wait in the
/// kernel's queue, nothing spins, and room is used when it comes.
#[test]
fn descriptors_run_out_and_come_back() {
    let provider = Provider::new();
    let mut gateway = Gateway::prepare(&policy(&provider));
    gateway.start_daemon();
    gateway.start_plane_within(DESCRIPTORS);
    gateway.find();
    gateway.await_ready();
    let mut first = gateway.tenant();
    assert_eq!(first.ask(&Ask::chat("c")).content(), text_of("primary"));
    let mut crowd: Vec<Tenant> = (0..CROWD).map(|_| gateway.tenant()).collect();
    for tenant in &mut crowd {
        tenant.send(&Ask::get("/v1/models").bytes());
    }
    // The kernel takes connections before the data plane does, so that there is no telling which
    // ones have a place; some have, and not all can.
    let answered = |crowd: &[Tenant]| crowd.iter().filter(|tenant| tenant.has_news()).count();
    let mut seen = 0;
    until("no more of the crowd is answered", || {
        assert_eq!(first.ask(&Ask::chat("c")).content(), text_of("primary"));
        std::mem::replace(&mut seen, answered(&crowd)).eq(&seen).then_some(()).filter(|()| seen > 0)
    });
    assert!((16..CROWD).contains(&seen), "{seen} of {CROWD} were served with {DESCRIPTORS} descriptors");
    let weight = gateway.plane_weight();
    let before = weight.processor_ticks();
    // The second over which processor time is counted.
    thread::sleep(Duration::from_secs(1));
    let used = weight.processor_ticks() - before;
    assert!(used <= IDLE_TICKS_MAX, "waiting for descriptors took {used} hundredths of a second");
    assert_eq!(first.ask(&Ask::chat("c")).content(), text_of("primary"));
    // As those who were served go, the others come in.
    let mut served = 0;
    until("everybody is served", || {
        crowd.retain_mut(|tenant| {
            let done = tenant.has_news();
            if done {
                assert_eq!(tenant.answer().head.status, 200);
                served += 1;
            }
            !done
        });
        (served == CROWD).then_some(())
    });
    assert_eq!(gateway.tenant().ask(&Ask::chat("c")).content(), text_of("primary"));
    assert!(gateway.plane_ended().is_none(), "{}", gateway.plane_said());
}

/// Tenants that connect and say nothing are let go, and cost nobody a place.
#[test]
fn silent_connections_are_let_go() {
    let provider = Provider::new();
    let gateway = Gateway::start(&policy(&provider).gateway("head_timeout: 500ms, keep_alive: 500ms"));
    let silent: Vec<TcpStream> = (0..500).map(|_| TcpStream::connect(gateway.address).unwrap()).collect();
    assert_eq!(gateway.tenant().ask(&Ask::chat("c")).content(), text_of("primary"));
    until("silent connections are closed", || (gateway.meter("throwover_downstream_connections_open") == 0.0).then_some(()));
    for mut stream in silent {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        assert!(!matches!(stream.read(&mut [0; 16]), Ok(1..)), "something was said to somebody who said nothing");
    }
}
