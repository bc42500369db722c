//! Policies change, processes die and end, and traffic does not notice.

use serde_json::json;
use tests::testkit::{
    gateway::{Gateway, free_port},
    load::Load,
    policy::Policy,
    provider::Provider,
    story::Story,
    tenant::{Ask, End, Head, Tenant},
    until,
};

fn policy(provider: &Provider) -> Policy {
    Policy::over(provider).chain("c", &[("primary", "m"), ("backup", "m")], "")
}

#[test]
fn a_hundred_reloads_lose_nothing() {
    let provider = Provider::new();
    let gateway = Gateway::start(&policy(&provider));
    provider.answers("primary", &json!({"gap_ms": 5}));
    let load = Load::start(&gateway, 8);
    // Streams that last through many of the reloads.
    provider.add_fault("primary", "pace;gap_ms=150;model=long");
    let with_long = |wait: u32| {
        policy(&provider).chain("long", &[("primary", "long"), ("backup", "long")], "").chain(
            "other",
            &[("backup", "m")],
            &format!("retry: {{base: {wait}ms}}"),
        )
    };
    gateway.write(&with_long(1));
    assert_eq!(gateway.ask("reload", &[]).code, 0);
    let mut long: Vec<Tenant> = (0..5).map(|_| gateway.tenant()).collect();
    for tenant in &mut long {
        tenant.send(&Ask::stream("long").bytes());
        let head = tenant.head();
        assert_eq!(head.status, 200);
    }
    for round in 2..102 {
        gateway.write(&with_long(round));
        let told = gateway.ask("reload", &[("why", "round")]);
        assert_eq!(told.code, 0, "{}", told.text);
    }
    for tenant in &mut long {
        let body = tenant.body_until("[DONE]");
        assert!(body.contains("w11"), "{body}");
    }
    load.flows(8);
    let count = load.finish();
    assert!(count >= 16, "{count} answers");
    assert_eq!(gateway.ask("status", &[]).data["generation"], 102);
    let answer = gateway.tenant().ask(&Ask::chat("c"));
    assert_eq!(answer.head.field("x-throwover-generation"), Some("102"));
    assert_eq!(gateway.meter("throwover_cut_streams_total") + gateway.meter("throwover_failed_total"), 0.0);
}

#[test]
fn a_refused_policy_keeps_the_old_one() {
    let provider = Provider::new();
    let gateway = Gateway::start(&policy(&provider));
    for text in ["chains: nonsense\n", "fallback: {chains: [{name: c, models: [{provider: nobody, model: m}]}]}\n", "\"", ""] {
        gateway.write_text(text);
        let (code, output) = gateway.command("reload", &[]);
        assert_eq!(code, Some(3), "{text:?}: {output}");
        assert!(output.contains("still running generation 1"), "{output}");
        let story = Story::of(text, gateway.tenant().ask(&Ask::chat("c")), &provider, "m");
        story.answered_by("primary");
        assert_eq!(story.answer.head.field("x-throwover-generation"), Some("1"), "{story}");
    }
    gateway.write(&policy(&provider).chain("new", &[("backup", "n")], ""));
    let (code, output) = gateway.command("reload", &[]);
    assert_eq!(code, Some(0), "{output}");
    Story::of("mended", gateway.tenant().ask(&Ask::chat("new")), &provider, "n").answered_by("backup");
    let (code, output) = gateway.command("rollback", &[]);
    assert_eq!(code, Some(0), "{output}");
    assert_eq!(gateway.tenant().ask(&Ask::chat("new")).head.status, 404);
}

#[test]
fn without_confirmation_the_old_policy_comes_back() {
    let provider = Provider::new();
    let gateway = Gateway::start(&policy(&provider));
    gateway.write(&policy(&provider).chain("new", &[("backup", "n")], ""));
    assert_eq!(gateway.ask("reload", &[("confirm-within", "500ms")]).code, 0);
    assert_eq!(gateway.tenant().ask(&Ask::chat("new")).head.status, 200);
    until("the old policy comes back", || (gateway.tenant().ask(&Ask::chat("new")).head.status == 404).then_some(()));
    // It may be served before the daemon has heard that it is, and until then nothing else is published.
    until("another one is taken", || match gateway.ask("reload", &[("confirm-within", "20s")]).code {
        6 => None,
        code => {
            assert_eq!(code, 0);
            Some(())
        }
    });
    assert_eq!(gateway.ask("confirm", &[]).code, 0);
    assert_eq!(gateway.tenant().ask(&Ask::chat("new")).head.status, 200);
}

/// A breaker that is open stays open over a reload: nobody asks the dead provider again.
#[test]
fn live_state_survives_a_reload() {
    let provider = Provider::new();
    provider.fault("primary", "500");
    let with = |base: u32| {
        let members = format!("breaker: {{consecutive: 2, cooldown: 60s, cooldown_max: 60s}}, retry: {{base: {base}ms}}");
        Policy::over(&provider).chain("c", &[("primary", "m"), ("backup", "m")], &members)
    };
    let gateway = Gateway::start(&with(1));
    for _ in 0..4 {
        Story::of("broken", gateway.tenant().ask(&Ask::chat("c")), &provider, "m").answered_by("backup");
    }
    let asked = |provider: &Provider| provider.log().iter().filter(|entry| entry.provider == "primary").count();
    assert_eq!(asked(&provider), 2);
    gateway.write(&with(2));
    assert_eq!(gateway.ask("reload", &[]).code, 0);
    let story = Story::of("reloaded", gateway.tenant().ask(&Ask::chat("c")), &provider, "m");
    story.answered_by("backup");
    assert_eq!(asked(&provider), 2, "{story}");
    let record = gateway.record(story.answer.head.field("x-request-id").unwrap());
    assert_eq!(record["skipped"][0]["target"], "primary/m", "{record}");
}

#[test]
fn the_control_plane_dies_and_comes_back() {
    let provider = Provider::new();
    let mut gateway = Gateway::start(&policy(&provider));
    let load = Load::start(&gateway, 4);
    load.flows(8);
    gateway.kill_daemon();
    load.flows(40);
    provider.fault("backup", "503");
    Story::of("alone", gateway.tenant().ask(&Ask::chat("c")), &provider, "m").answered_by("primary");
    let before = gateway.tenant().ask(&Ask::chat("c")).head.field("x-throwover-generation").map(str::to_owned);
    gateway.start_daemon();
    gateway.find();
    load.flows(8);
    assert_eq!(gateway.tenant().ask(&Ask::chat("c")).head.field("x-throwover-generation").map(str::to_owned), before);
    gateway.write(&policy(&provider).chain("new", &[("primary", "n")], ""));
    let told = gateway.ask("reload", &[]);
    assert_eq!(told.code, 0, "{}", told.text);
    Story::of("the new daemon is heard", gateway.tenant().ask(&Ask::chat("new")), &provider, "n").answered_by("primary");
    load.flows(8);
    load.finish();
}

/// Something, once a request is answered. The kernel closes the listener of a process that was
/// killed a little later than the process, and until then connections may end there.
fn answers(gateway: &Gateway) -> Option<()> {
    std::net::TcpStream::connect(gateway.address).ok()?;
    let mut tenant = gateway.tenant();
    tenant.try_send(&Ask::get("/v1/models").bytes()).ok()?;
    tenant.any_head().filter(|head| head.status == 200).map(|_| ())
}

/// The data plane starts again from what it has on the disk, with keys, names and all.
#[test]
fn the_data_plane_starts_alone() {
    let provider = Provider::new();
    provider.answers("primary", &json!({"keys": ["sk-of-the-operator-1234"]}));
    let port = free_port();
    let members = format!("listen: \"127.0.0.1:{port}\"");
    // By name and TLS, so that it needs its resolver, its trust and its secrets.
    let policy = Policy::new()
        .secure("primary", provider.tls("primary"), &provider.ca(), "keys: [\"sk-of-the-operator-1234\"]")
        .secure("backup", provider.tls("backup"), &provider.ca(), "auth: none")
        .gateway(&members)
        .chain("c", &[("primary", "m"), ("backup", "m")], "deadline: 20s");
    let mut gateway = Gateway::start(&policy);
    Story::of("before", gateway.tenant().ask(&Ask::chat("c")), &provider, "m").answered_by("primary");
    until("the policy is kept", || gateway.folder.join("state/last-good.snapshot").is_file().then_some(()));
    for round in ["first", "second"] {
        if round == "first" {
            gateway.kill_daemon();
        }
        gateway.kill_plane();
        gateway.start_plane();
        until("it answers again", || answers(&gateway));
        for ask in [Ask::chat("c"), Ask::stream("c")] {
            Story::of(round, gateway.tenant().ask(&ask), &provider, "m").answered_by("primary");
        }
    }
    gateway.start_daemon();
    gateway.find();
    assert_eq!(gateway.ask("reload", &[]).code, 0);
}

/// A damaged file of the last good policy does not keep the control plane's from being served.
#[test]
fn a_damaged_last_good_policy_is_passed_over() {
    let provider = Provider::new();
    let mut gateway = Gateway::start(&policy(&provider));
    let kept = gateway.folder.join("state/last-good.snapshot");
    until("the policy is kept", || kept.is_file().then_some(()));
    gateway.kill_plane();
    let mut bytes = std::fs::read(&kept).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&kept, bytes).unwrap();
    gateway.start_plane();
    gateway.find();
    assert!(gateway.plane_said().contains("of no use"), "{}", gateway.plane_said());
    Story::of("after", gateway.tenant().ask(&Ask::chat("c")), &provider, "m").answered_by("primary");
}

#[test]
fn a_drain_lets_streams_finish() {
    let provider = Provider::new();
    provider.fault("primary", "pace;gap_ms=250");
    let mut gateway = Gateway::start(&policy(&provider));
    let mut streams: Vec<Tenant> = (0..10).map(|_| gateway.tenant()).collect();
    for tenant in &mut streams {
        tenant.send(&Ask::stream("c").bytes());
        tenant.head();
    }
    let mut idle = gateway.tenant();
    assert_eq!(idle.ask(&Ask::get("/v1/models")).head.status, 200);
    gateway.terminate_plane();
    assert!(idle.closed(), "an idle connection is closed");
    until("nobody is let in any more", || std::net::TcpStream::connect(gateway.address).is_err().then_some(()));
    assert!(gateway.plane_ended().is_none(), "it waits for what is in flight");
    for tenant in &mut streams {
        let body = tenant.body_until("[DONE]");
        assert!(body.contains("w11"), "{body}");
    }
    let status = until("the process ends", || gateway.plane_ended());
    assert_eq!(status.code(), Some(0), "{}", gateway.plane_said());
    assert_eq!(gateway.access_log().lines().filter(|line| line.contains("\"outcome\":\"answered\"")).count(), 10);
}

#[test]
fn a_second_signal_ends_at_once() {
    let provider = Provider::new();
    provider.fault("primary", "stall;events=4");
    let mut gateway = Gateway::start(&policy(&provider));
    let mut tenant = gateway.tenant();
    tenant.send(&Ask::stream("c").bytes());
    tenant.head();
    tenant.body_until("w0");
    gateway.terminate_plane();
    until("it drains", || gateway.page("/readyz").map_or(Some(()), |(status, _)| (status == 503).then_some(())));
    assert!(gateway.plane_ended().is_none());
    gateway.terminate_plane();
    let status = until("the process ends", || gateway.plane_ended());
    assert_eq!(status.code(), Some(1));
    drop(tenant);
}

/// Tenants whose exchanges would never end: one in mid-stream, one that has seen nothing.
fn stuck(gateway: &Gateway, provider: &Provider) -> (Tenant, Head, Tenant) {
    provider.fault("primary", "stall;events=4;model=m,stall-before-head;model=silent");
    let mut streaming = gateway.tenant();
    streaming.send(&Ask::stream("c").bytes());
    let head = streaming.head();
    streaming.body_until("w0");
    let mut waiting = gateway.tenant();
    waiting.send(&Ask::chat("silent").bytes());
    until("the provider is asked", || provider.log().iter().any(|entry| entry.model == "silent").then_some(()));
    (streaming, head, waiting)
}

/// What they see of a process that ends before them: an error that says so, and nothing that could
/// be taken for a good end.
fn ended_openly(gateway: &Gateway, (mut streaming, head, mut waiting): (Tenant, Head, Tenant)) {
    let answer = streaming.rest(head);
    assert_eq!(answer.end, End::Cut, "a stream that was cut has a clean end: {}", answer.text());
    assert!(!answer.done() && !answer.text().contains("finish_reason\":\"stop"), "{}", answer.text());
    assert_eq!(answer.error_event().unwrap()["error"]["code"], "gateway_stopped", "{}", answer.text());
    let refused = waiting.answer();
    assert_eq!((refused.head.status, refused.code().as_str(), refused.end), (503, "gateway_stopped", End::Complete), "{}", refused.text());
    assert!(refused.head.field("retry-after").is_some() && streaming.closed() && waiting.closed());
    for (head, status) in [(&answer.head, 200), (&refused.head, 503)] {
        let record = gateway.record(head.field("x-request-id").unwrap());
        assert_eq!(
            (&record["outcome"], &record["code"], &record["status"]),
            (&json!("stopped"), &json!("gateway_stopped"), &json!(status))
        );
    }
}

#[test]
fn the_operator_drains_and_the_grace_time_ends() {
    let provider = Provider::new();
    let mut gateway = Gateway::start(&policy(&provider).chain("silent", &[("primary", "silent")], ""));
    let stuck = stuck(&gateway, &provider);
    let told = gateway.ask("drain", &[("grace", "300ms")]);
    assert_eq!(told.code, 0, "{}", told.text);
    ended_openly(&gateway, stuck);
    let ended = until("the process ends", || gateway.plane_ended());
    assert_eq!(ended.code(), Some(0), "{}", gateway.plane_said());
    let status = gateway.ask("status", &[]);
    assert_eq!(status.code, 0, "the daemon lives on: {}", status.text);
}

/// The same by a signal, and for as long as the policy says.
#[test]
fn the_grace_time_of_the_policy_ends() {
    let provider = Provider::new();
    let policy = policy(&provider).gateway("shards: 2, drain: 300ms").chain("silent", &[("primary", "silent")], "");
    let mut gateway = Gateway::start(&policy);
    let stuck = stuck(&gateway, &provider);
    gateway.terminate_plane();
    ended_openly(&gateway, stuck);
    let ended = until("the process ends", || gateway.plane_ended());
    assert_eq!(ended.code(), Some(0), "{}", gateway.plane_said());
}
