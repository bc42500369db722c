//! The smallest policy as it stands, and nothing else configured but where its three providers are: its first
//! provider has one fault, and keeps it. Nobody may notice, and it may not be asked again and again.

use crate::{
    rows::{ROWS, Row, Way, written},
    seen::{self, Saw},
    stage::Cell,
    verdict::Rules,
};
use mock::Dialect;
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};
use tests::testkit::{gateway::Gateway, policy::Policy, provider::Provider, speech, tenant::Tenant};

/// The policy.
const SEED: &str = include_str!("../../../controlplane/examples/smallest.yaml");
/// The chain that is asked, and how often.
const CHAIN: &str = "premium-reasoning";
const REQUESTS: usize = 40;
/// Rows that are played at once.
const AT_ONCE: usize = 4;
/// A breaker opens at so many failures in a row, if the share of failures does not open it before; of those that
/// count half, twice as many.
const IN_A_ROW: usize = 5;
/// An open breaker lets one probe through after so long, in milliseconds, less the jitter.
const OPEN_MS: u64 = 4_000;

/// The fault of a row, in one form or the other.
fn fault(row: &Row, stream: bool) -> Option<&'static str> {
    match row.way {
        Way::Request(json, streams) if !row.slow && !row.late => {
            Some(if stream { streams } else { json }).filter(|fault| !fault.is_empty())
        }
        _ => None,
    }
}

/// The providers of the seed, by the names that it gives them.
fn zoo() -> Provider {
    Provider::speaking(&[("openai", Dialect::Openai), ("anthropic", Dialect::Anthropic), ("google", Dialect::Gemini)])
}

fn gateway(zoo: &Provider) -> Gateway {
    let mut gateway = Gateway::prepare(&Policy::new());
    let at = |name: &str, path: &str| {
        format!("  {name}: {{endpoint: \"http://{}{path}\", keys: [\"sk-{name}-0123456789\"]}}\n", zoo.plain(name))
    };
    let providers = [at("openai", "/v1"), at("anthropic", ""), at("google", "/v1beta")].concat();
    let places = "listen: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", shards: 1";
    gateway.write_text(&format!(
        "gateway: {{access_log: \"{}\", {places}}}\nproviders:\n{providers}{SEED}",
        gateway.access_log_path().display()
    ));
    gateway.start_daemon();
    gateway.start_plane();
    gateway.find();
    gateway.await_ready();
    gateway
}

/// What is wrong with a row.
fn play(zoo: &Provider, rules: &Rules, place: usize, row: &'static Row) -> Vec<String> {
    let faults: Vec<String> = [(false, "json"), (true, "stream")]
        .into_iter()
        .filter_map(|(stream, form)| Some((fault(row, stream)?, form)))
        .flat_map(|(list, form)| list.split(',').map(move |part| format!("{};match={form}", written(part, "chat"))))
        .collect();
    let before = zoo.log().last().map_or(0, |entry| entry.sequence);
    zoo.fault("openai", &faults.join(","));
    let gateway = gateway(zoo);
    let mut tenant = Tenant::connect(gateway.address);
    let mut wrong = Vec::new();
    let began = Instant::now();
    let forms: Vec<bool> = [false, true].into_iter().filter(|stream| fault(row, *stream).is_some()).collect();
    let own = rules.is_tenants_own(row.classes(false, "chat")[0]);
    let overflows = row.classes(false, "chat")[0] == "context_window";
    for number in 0..REQUESTS {
        let stream = forms[number % forms.len()];
        let cell = Cell { place, row, client: 0, stream, fallbacks: 2 };
        let answer = tenant.ask(&speech::ask("chat", CHAIN, "hi", stream));
        let saw = seen::saw(&cell, &answer);
        let right = match &saw {
            // Of the three, the last reads the longest prompts.
            Saw::Answer(by) if overflows => by == "google",
            Saw::Answer(by) => !own && by == "anthropic",
            Saw::Error { status, .. } => {
                own && !overflows && (400..500).contains(status) && answer.head.field("x-throwover-fault") == Some("tenant")
            }
            _ => false,
        };
        if !right {
            wrong.push(format!("request {number}: {saw:?}"));
        }
        if answer.head.field("connection") == Some("close") {
            tenant = Tenant::connect(gateway.address);
        }
    }
    let ms = u64::try_from(began.elapsed().as_millis()).expect("a test takes no such time");
    let log: Vec<_> = zoo.log().into_iter().filter(|entry| entry.sequence > before).collect();
    let asked = |name: &str| log.iter().filter(|entry| entry.provider == name).count();
    let most = match (own, row.pause_ms) {
        (true, _) => REQUESTS,
        (false, 0) => 2 * IN_A_ROW + (ms / OPEN_MS) as usize,
        (false, pause_ms) => 1 + (ms / pause_ms) as usize,
    };
    let (dead, others) = (asked("openai"), asked("anthropic") + asked("google"));
    if dead == 0 || dead > most || own && (dead, others) != (REQUESTS, if overflows { REQUESTS } else { 0 }) {
        wrong.push(format!("in {ms} ms the first provider was asked {dead} times of {most} at most, others {others} times"));
    }
    zoo.heal("openai");
    wrong
}

#[test]
fn nobody_notices_and_nobody_hammers_with_the_smallest_policy() {
    let rows: Vec<(usize, &'static Row)> =
        ROWS.iter().copied().flatten().enumerate().filter(|(_, row)| fault(row, false).or(fault(row, true)).is_some()).collect();
    assert!(rows.len() > 60, "{} rows", rows.len());
    let (rules, next) = (Rules::read(), AtomicUsize::new(0));
    let work = || {
        let (zoo, mut wrong) = (zoo(), Vec::new());
        while let Some((place, row)) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
            wrong.extend(play(&zoo, &rules, *place, row).into_iter().map(|why| format!("{}: {why}", row.name)));
        }
        wrong
    };
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("it panics where its row is played")).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
