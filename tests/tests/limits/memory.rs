//! Memory: what a stalled reader, and an enormous event, may cost.

use tests::testkit::{
    gateway::Gateway,
    policy::Policy,
    provider::{Provider, text_of},
    story::Story,
    tenant::{Ask, Tenant},
    until,
};

const MIB: u64 = 1 << 20;
/// Streams that are begun and not read.
const STALLED: u64 = 20;
/// What an event beyond every bound may cost: four times the largest that is taken.
const EVENT_BYTES_MAX: u64 = 4 * MIB;
/// What a stalled reader may cost, both directions together.
const READER_BYTES_MAX: u64 = 128 << 10;
/// The receive buffers of a shard, 512 small ones and 16 large ones: a fixed number that all share,
/// and that cost memory once each has been used.
const BUFFERS_BYTES: u64 = 5 * MIB;
/// What the allocator may hold back between what is freed and what is given out again.
const ALLOCATOR_BYTES: u64 = MIB;
/// Answers after which a process is what it will be.
const SETTLED: usize = 800;

fn gateway(provider: &Provider) -> Gateway {
    let targets = |model: &'static str| [("primary", model), ("backup", model)];
    let policy = Policy::over(provider).chain("c", &targets("m"), "").chain("endless", &targets("endless"), "");
    // Every event is met: no breaker opens.
    let never = "breaker: {consecutive: 1000000, min_requests: 1000000}";
    Gateway::start(&policy.chain("first", &targets("first"), never).chain("later", &targets("later"), never))
}

/// So many whole answers, to have the process do all that it does for others.
fn serve(gateway: &Gateway, tenant: &mut Tenant, count: usize) {
    for round in 0..count {
        let ask = if round % 2 == 0 { Ask::chat("c") } else { Ask::stream("c") };
        assert_eq!(tenant.ask(&ask).content(), text_of("primary"), "{}", gateway.plane_said());
    }
}

/// No endless stream goes on.
fn hung_up(provider: &Provider) -> bool {
    provider.log().iter().filter(|entry| entry.model == "endless").all(|entry| entry.hung_up)
}

/// Begins so many endless streams, reads none of them, and waits until the provider is told to wait.
fn stall(gateway: &Gateway, provider: &Provider, other: &mut Tenant) -> Vec<Tenant> {
    let mut stalled: Vec<Tenant> = (0..STALLED).map(|_| gateway.tenant()).collect();
    for tenant in &mut stalled {
        tenant.send(&Ask::stream("endless").bytes());
        assert_eq!(tenant.head().status, 200);
    }
    let mut last = 0;
    until("the provider is told to wait", || {
        serve(gateway, other, 20);
        let now = sent(provider);
        (std::mem::replace(&mut last, now) == now).then_some(())
    });
    stalled
}

/// What the provider has sent of endless streams.
fn sent(provider: &Provider) -> u64 {
    provider.log().iter().filter(|entry| entry.model == "endless").map(|entry| entry.sent_bytes).sum()
}

#[test]
fn stalled_readers_cost_little_and_never_more() {
    let provider = Provider::new();
    provider.fault("primary", "endless;model=endless");
    let gateway = gateway(&provider);
    let mut other = gateway.tenant();
    let weight = gateway.plane_weight();
    serve(&gateway, &mut other, SETTLED);
    let before = weight.own_bytes();
    let first = stall(&gateway, &provider, &mut other);
    let second = stall(&gateway, &provider, &mut other);
    let grown = |from: u64, to: u64| to.saturating_sub(from) >> 10;
    let mut settled = 0;
    until("memory settles", || {
        serve(&gateway, &mut other, SETTLED);
        let now = weight.own_bytes();
        (std::mem::replace(&mut settled, now).abs_diff(now) < MIB).then_some(())
    });
    let sent_before = sent(&provider);
    serve(&gateway, &mut other, 2 * SETTLED);
    let later = weight.own_bytes();
    println!("{} stalled readers: {} KiB, later {} KiB more", 2 * STALLED, grown(before, settled), grown(settled, later));
    let bound = BUFFERS_BYTES + ALLOCATOR_BYTES + 2 * STALLED * READER_BYTES_MAX;
    assert!(later <= before + bound, "they cost {} KiB", grown(before, later));
    assert_eq!(sent(&provider), sent_before, "nobody reads, and yet the provider goes on");
    drop((first, second));
    until("the provider is hung up on", || hung_up(&provider).then_some(()));
    serve(&gateway, &mut other, 20);
}

/// 64 MB in one event: before content the next target is asked, behind it the stream ends openly,
/// and neither way is the event ever held.
#[test]
fn an_enormous_event_is_not_held() {
    let provider = Provider::new();
    provider.fault("primary", "huge-event;events=0;model=first,huge-event;events=4;model=later");
    let gateway = gateway(&provider);
    let mut other = gateway.tenant();
    serve(&gateway, &mut other, SETTLED);
    let weight = gateway.plane_weight();
    let before = weight.resident_bytes();
    // Were as little as a MiB of each left, the bound would be broken in the end.
    for round in 0..8 {
        for (case, model) in [("before content", "first"), ("behind content", "later")] {
            let story = Story::of(case, gateway.tenant().ask(&Ask::stream(model)), &provider, model);
            match model {
                "first" => story.answered_by("backup"),
                _ => story.cut_after("primary"),
            }
        }
        serve(&gateway, &mut other, 10);
        let grown = weight.peak_bytes().saturating_sub(before);
        println!("events of 64 MiB, after {} of them: {} KiB at the peak", 2 * (round + 1), grown >> 10);
        assert!(grown <= BUFFERS_BYTES + EVENT_BYTES_MAX, "{} KiB", grown >> 10);
    }
}
