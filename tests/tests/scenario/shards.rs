//! Two shards behave as one gateway: each serves, and what one learns the other knows.

use serde_json::json;
use tests::testkit::{
    gateway::Gateway,
    load::Load,
    policy::Policy,
    provider::{Provider, text_of},
    story::Story,
    tenant::{Answer, Ask, End, Tenant},
    until,
};

const SHARDS: usize = 2;
/// Connections that the kernel spreads: that all of them meet one shard is as likely as 2^-23.
const SPREAD: usize = 24;
const REQUESTS: &str = "throwover_requests_total";
const GENERATION: &str = "x-throwover-generation";

fn policy(provider: &Provider, members: &str) -> Policy {
    Policy::over(provider).gateway("shards: 2").chain("c", &[("primary", "m"), ("backup", "m")], members)
}

/// The whole answer of the first provider, begun under this generation.
fn answered_under(generation: u32, answer: &Answer) {
    assert_eq!((answer.content(), answer.end), (text_of("primary"), End::Complete));
    assert_eq!(answer.head.field(GENERATION), Some(generation.to_string().as_str()));
}

/// One connection on each shard, in their order; nothing else may ask meanwhile.
fn one_on_each(gateway: &Gateway) -> Vec<Tenant> {
    let mut found: Vec<Option<Tenant>> = (0..SHARDS).map(|_| None).collect();
    // The kernel chooses; that it chooses one shard so often is as likely as 2^-63.
    for _ in 0..64 {
        let before = gateway.meter_by_shard(REQUESTS);
        assert_eq!(before.len(), SHARDS);
        let mut tenant = gateway.tenant();
        assert_eq!(tenant.ask(&Ask::get("/v1/models")).head.status, 200);
        let after = gateway.meter_by_shard(REQUESTS);
        let shard = (0..SHARDS).find(|&shard| after[shard] > before[shard]).expect("a request is counted before it is answered");
        found[shard].get_or_insert(tenant);
        if found.iter().all(Option::is_some) {
            return found.into_iter().flatten().collect();
        }
    }
    panic!("all connections met one shard: {:?}", gateway.meter_by_shard(REQUESTS));
}

fn asked(provider: &Provider, name: &str) -> usize {
    provider.log().iter().filter(|entry| entry.provider == name).count()
}

#[test]
fn connections_are_served_by_every_shard() {
    let provider = Provider::new();
    let gateway = Gateway::start(&policy(&provider, ""));
    let load = Load::start(&gateway, SPREAD);
    load.flows(10 * SPREAD as u64);
    let count = load.finish();
    let answered = gateway.meter_by_shard("throwover_answered_total");
    assert!(answered.iter().all(|&of_shard| of_shard > 0), "{answered:?}");
    assert_eq!(answered.iter().sum::<u64>(), count, "{answered:?}");
    let connections = gateway.meter_by_shard("throwover_downstream_connections_total");
    assert_eq!(connections.iter().sum::<u64>(), SPREAD as u64, "{connections:?}");
    let written = || gateway.access_log().lines().filter(|line| line.contains("\"outcome\":\"answered\"")).count() as u64;
    until("every answer is written down once", || (written() == count).then_some(()));
}

/// When `reload` says that it is done, no shard begins anything under the old policy.
#[test]
fn a_reload_under_load_is_adopted_by_every_shard() {
    let provider = Provider::new();
    let gateway = Gateway::start(&policy(&provider, ""));
    provider.answers("primary", &json!({"gap_ms": 5}));
    provider.add_fault("primary", "pace;gap_ms=150;model=long");
    let with_long = |base: u32| policy(&provider, &format!("retry: {{base: {base}ms}}")).chain("long", &[("primary", "long")], "");
    gateway.write(&with_long(1));
    assert_eq!(gateway.ask("reload", &[]).code, 0);
    let mut pinned = one_on_each(&gateway);
    // Streams that last through many of the reloads.
    let mut long = one_on_each(&gateway);
    for tenant in &mut long {
        tenant.send(&Ask::stream("long").bytes());
        assert_eq!(tenant.head().field(GENERATION), Some("2"));
    }
    let load = Load::start(&gateway, SPREAD);
    for generation in 3..33 {
        gateway.write(&with_long(generation));
        let told = gateway.ask("reload", &[]);
        assert_eq!(told.code, 0, "{}", told.text);
        for tenant in &mut pinned {
            answered_under(generation, &tenant.ask(&Ask::chat("c")));
        }
    }
    assert_eq!(gateway.meter_by_shard("throwover_policy_generation"), [32, 32]);
    for tenant in &mut long {
        assert!(tenant.body_until("[DONE]").contains("w11"));
    }
    load.flows(SPREAD as u64);
    load.finish();
    for name in ["throwover_cut_streams_total", "throwover_failed_total", "throwover_attempts_failed_total"] {
        assert_eq!(gateway.meter_by_shard(name), [0, 0], "{name}");
    }
}

#[test]
fn a_breaker_that_one_shard_opens_is_open_on_the_other() {
    let provider = Provider::new();
    provider.fault("primary", "500");
    let gateway = Gateway::start(&policy(&provider, "breaker: {consecutive: 2, cooldown: 60s, cooldown_max: 60s}"));
    let mut pinned = one_on_each(&gateway);
    for _ in 0..3 {
        Story::of("one shard", pinned[0].ask(&Ask::chat("c")), &provider, "m").answered_by("backup");
    }
    assert_eq!(asked(&provider, "primary"), 2);
    for _ in 0..3 {
        let story = Story::of("the other", pinned[1].ask(&Ask::chat("c")), &provider, "m");
        story.answered_by("backup");
        assert_eq!(asked(&provider, "primary"), 2, "{story}");
        let record = gateway.record(story.answer.head.field("x-request-id").unwrap());
        assert_eq!(record["skipped"][0]["target"], "primary/m", "{record}");
    }
}

/// When the time of an open breaker is up, one request of all shards asks the provider, and its end
/// counts for all.
#[test]
fn one_probe_for_all_shards() {
    let provider = Provider::new();
    // The probe lasts, so that whoever would be a second one comes while it is out.
    provider.fault("primary", "500,latency;ms=300");
    let gateway = Gateway::start(&policy(&provider, "breaker: {consecutive: 2, cooldown: 1s, cooldown_max: 8s, slow_start: 0s}"));
    let mut tenants: Vec<Tenant> = (0..4).flat_map(|_| one_on_each(&gateway)).collect();
    for _ in 0..2 {
        Story::of("opened", tenants[0].ask(&Ask::chat("c")), &provider, "m").answered_by("backup");
    }
    assert_eq!(asked(&provider, "primary"), 2);
    let round = |tenants: &mut Vec<Tenant>| {
        for tenant in tenants.iter_mut() {
            tenant.send(&Ask::chat("c").bytes());
        }
        tenants.iter_mut().map(|tenant| tenant.answer().content()).collect::<Vec<_>>()
    };
    let probes = until("the breaker lets a probe through", || {
        assert!(round(&mut tenants).iter().all(|content| *content == text_of("backup")));
        Some(asked(&provider, "primary") - 2).filter(|&probes| probes > 0)
    });
    assert_eq!(probes, 1);
    provider.heal("primary");
    until("a probe heals it for all", || round(&mut tenants).iter().all(|content| *content == text_of("primary")).then_some(()));
}

#[test]
fn a_drain_lets_the_streams_of_every_shard_finish() {
    let provider = Provider::new();
    provider.fault("primary", "pace;gap_ms=60");
    let mut gateway = Gateway::start(&policy(&provider, ""));
    let mut idle = one_on_each(&gateway);
    let mut streams: Vec<Tenant> = (0..3).flat_map(|_| one_on_each(&gateway)).collect();
    let heads: Vec<_> = streams
        .iter_mut()
        .map(|tenant| {
            tenant.send(&Ask::stream("c").bytes());
            tenant.head()
        })
        .collect();
    gateway.terminate_plane();
    assert!(idle.iter_mut().all(Tenant::closed), "idle connections are closed");
    until("nobody is let in any more", || std::net::TcpStream::connect(gateway.address).is_err().then_some(()));
    for (tenant, head) in streams.iter_mut().zip(heads) {
        let answer = tenant.rest(head);
        assert!(answer.end == End::Complete && answer.done(), "{}", answer.text());
        assert_eq!(answer.content(), text_of("primary"));
        assert!(tenant.closed());
    }
    let status = until("the process ends", || gateway.plane_ended());
    assert_eq!(status.code(), Some(0), "{}", gateway.plane_said());
    assert_eq!(gateway.access_log().lines().filter(|line| line.contains("\"outcome\":\"answered\"")).count(), streams.len());
}

#[test]
fn every_shard_serves_without_the_control_plane() {
    let provider = Provider::new();
    let mut gateway = Gateway::start(&policy(&provider, ""));
    let mut pinned = one_on_each(&gateway);
    let load = Load::start(&gateway, SPREAD);
    load.flows(SPREAD as u64);
    gateway.kill_daemon();
    load.flows(10 * SPREAD as u64);
    for tenant in &mut pinned {
        answered_under(1, &tenant.ask(&Ask::stream("c")));
    }
    gateway.start_daemon();
    gateway.find();
    let status = gateway.ask("status", &[]);
    assert_eq!(status.data["planes"][0]["hello"]["shards"], SHARDS, "{}", status.data);
    gateway.write(&policy(&provider, "retry: {base: 7ms}"));
    let told = gateway.ask("reload", &[]);
    assert_eq!(told.code, 0, "{}", told.text);
    for tenant in &mut pinned {
        answered_under(2, &tenant.ask(&Ask::chat("c")));
    }
    load.flows(SPREAD as u64);
    load.finish();
}
