//! A provider that is gone under a steady load: how often it is asked, and that nobody goes without an answer.

use serde_json::{Value, json};
use std::{
    thread,
    time::{Duration, Instant},
};
use tests::testkit::{
    gateway::Gateway,
    policy::Policy,
    provider::{Provider, text_of},
    tenant::Ask,
    until,
};

/// Requests in a second.
const RATE: u32 = 50;
/// Requests of one outage.
const REQUESTS: u32 = 300;
/// How long a silent target is waited for, in seconds: longer than a busy machine makes anybody wait.
const SILENCE: u32 = 15;
/// Most attempts at a dead target before its breaker opens.
const SLOW_MAX: usize = 20;

/// One request as it went.
struct Went {
    content: String,
    record: Value,
}

impl Went {
    /// How often it asked a target in vain. A connection that had been closed unseen asked nobody.
    fn asked(&self, target: &str, probe: bool) -> usize {
        let attempts = self.record["attempts"].as_array().expect("a record has attempts");
        attempts
            .iter()
            .filter(|attempt| {
                attempt["target"] == target && attempt["end"] != "answered" && attempt["end"] != "stale" && (attempt["probe"] == 1) == probe
            })
            .count()
    }
}

fn gateway(provider: &Provider, ttft: &str) -> Gateway {
    let members = format!("ttft: {ttft}, deadline: 40s, breaker: {{cooldown: 2s, cooldown_max: 2s}}");
    Gateway::start(&Policy::over(provider).chain("c", &[("primary", "m"), ("backup", "m")], &members))
}

impl Went {
    /// When it began, in microseconds of the wall clock.
    fn begun_us(&self) -> u64 {
        let number = |name: &str| self.record[name].as_u64().expect("a record tells times");
        number("at_us") - number("total_us")
    }
}

/// So many streams at the rate, whatever becomes of those before.
fn load(gateway: &Gateway, count: u32) -> Vec<Went> {
    let begun = Instant::now();
    thread::scope(|scope| {
        let asks: Vec<_> = (0..count)
            .map(|number| {
                let due = begun + Duration::from_secs(1) * number / RATE;
                thread::sleep(due.saturating_duration_since(Instant::now()));
                let mut tenant = gateway.tenant();
                scope.spawn(move || tenant.ask(&Ask::stream("c")))
            })
            .collect();
        let answers: Vec<_> = asks.into_iter().map(|ask| ask.join().expect("it is answered")).collect();
        answers
            .into_iter()
            .map(|answer| Went {
                record: gateway.record(answer.head.field("x-request-id").expect("it has an id")),
                content: answer.content(),
            })
            .collect()
    })
}

/// So many streams one after another, no quicker than the rate: nothing piles up before a slow machine.
fn trickle(gateway: &Gateway, count: u32) -> Vec<Went> {
    let mut tenant = gateway.tenant();
    (0..count)
        .map(|_| {
            thread::sleep(Duration::from_secs(1) / RATE);
            let answer = tenant.ask(&Ask::stream("c"));
            let record = gateway.record(answer.head.field("x-request-id").expect("it has an id"));
            Went { record, content: answer.content() }
        })
        .collect()
}

/// Nobody goes without an answer; the attempts at the dead target before its breaker opened, and the probes.
fn survived(case: &str, went: &[Went]) -> (usize, usize) {
    let bad: Vec<_> = went.iter().filter(|went| went.content != text_of("backup")).collect();
    let first: usize = went.iter().map(|went| went.asked("primary/m", false)).sum();
    let probes: usize = went.iter().map(|went| went.asked("primary/m", true)).sum();
    let without = bad.len();
    println!("{case}: {} requests, {without} without the answer, {first} attempts until the breaker opened, {probes} probes", went.len());
    if let Some(bad) = bad.first() {
        panic!("{case}: {without} without the answer; the first was told {:?}, see {}", bad.content, bad.record);
    }
    // Two seconds open, less a fifth; and two more for what a slow machine stretches.
    let begun = || went.iter().map(Went::begun_us);
    let spell_ms = begun().max().zip(begun().min()).map_or(0, |(last, first)| (last - first) / 1_000);
    assert!(probes as u64 <= spell_ms / 1_600 + 2, "{case}: {probes} probes in {spell_ms} ms");
    (first, probes)
}

#[test]
fn a_target_that_is_down_is_left_after_a_few_and_comes_back_by_itself() {
    let provider = Provider::new();
    for fault in ["refuse", "500", "reset-before-head"] {
        // Before the gateway: one that refuses has no connections left from better days.
        provider.fault("primary", fault);
        let gateway = gateway(&provider, "5s");
        let (first, _) = survived(fault, &trickle(&gateway, REQUESTS));
        assert!(first <= SLOW_MAX, "{fault}: {first} attempts");
        provider.heal("primary");
        let mut tenant = gateway.tenant();
        until("it is asked again", || (tenant.ask(&Ask::stream("c")).content() == text_of("primary")).then_some(()));
    }
}

/// The time that 99 of 100 attempts have their first token in, in milliseconds.
fn p99_ms(went: &[Went]) -> u64 {
    let attempts = went.iter().filter_map(|went| went.record["attempts"].as_array()?.last());
    let token_us = |attempt: &Value| attempt["token_us"].as_u64().expect("an answer tells when it began");
    // A time of zero is not told.
    let mut times: Vec<u64> = attempts.map(|attempt| token_us(attempt) - attempt["begun_us"].as_u64().unwrap_or(0)).collect();
    times.sort_unstable();
    times[(times.len() * 99).div_ceil(100) - 1] / 1_000
}

#[test]
fn a_target_that_falls_silent_is_left_before_anybody_times_out() {
    let provider = Provider::new();
    for latency_ms in [18, 100, 300] {
        provider.answers("primary", &json!({"latency_ms": latency_ms}));
        let gateway = gateway(&provider, &format!("{SILENCE}s"));
        // Its usual time is known.
        let before = load(&gateway, 2 * RATE);
        assert!(before.iter().all(|went| went.content == text_of("primary")));
        provider.fault("primary", "stall-before-head");
        let went = load(&gateway, (SILENCE + 2) * RATE);
        let (first, _) = survived("silent", &went);
        // No promise here, on a machine that may stand still meanwhile: `engine` makes it in a time of its own.
        println!("p99 {} ms: {first} requests in vain, {} are the goal", p99_ms(&before), u64::from(RATE) * 3 * p99_ms(&before) / 1_000);
        let waited = || went.iter().filter(|went| went.asked("primary/m", false) > 0).map(Went::begun_us);
        let (begun, last) = waited().min().zip(waited().max()).expect("somebody has waited");
        let spell_ms = (last - begun) / 1_000;
        assert!(spell_ms < u64::from(SILENCE) * 1_000, "somebody was sent there after {spell_ms} ms, when the first had given up");
        provider.heal("primary");
    }
}
