//! What the demonstration prints: one screen, plain words, measured numbers.

use super::{
    Outcome,
    faults::Fault,
    load::{RATE, Record, percentile},
    stage::{CHAIN, PRIMARY, PROVIDERS, Stage},
};
use crate::socket::Answer;
use policy::wire::Event;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

fn say(text: &str) {
    use std::io::Write;
    // The reader of a pipe may have gone; the exit code still tells how it went.
    writeln!(std::io::stdout(), "{text}").ok();
}

fn ms(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}

pub(super) fn opening(stage: &Stage) {
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    say(&format!("throwover {}   kernel {kernel}   three mock providers that speak three dialects, over TLS", env!("CARGO_PKG_VERSION")));
    say(&format!("  chain       {}   (first token within 800 ms, else the next)", PROVIDERS.join(" > ")));
    // It greets before it has shards, and again when it listens.
    let shards = match stage.hello["shards"].as_u64() {
        Some(1) => "   1 shard".to_owned(),
        Some(count @ 2..) => format!("   {count} shards"),
        _ => String::new(),
    };
    say(&format!("  data plane  pid {}{shards}   http://{}/v1", stage.hello["pid"], stage.gateway));
    let warm: Vec<String> = stage.warm.iter().map(|(origin, idle)| format!("{origin} {idle}")).collect();
    say(&format!(
        "  ready       {} after its start   warm connections: {}",
        ms(stage.ready),
        if warm.is_empty() { "none".to_owned() } else { warm.join(", ") }
    ));
    say(&format!("  load        {RATE} requests/s, half of them streams; each answer is checked for every word, in order\n"));
    say("   time  what happens to the primary   who took over               switch p50/max    slowest answer  errors  back after");
}

fn errors(records: &[Record]) -> usize {
    records.iter().filter(|record| record.error.is_some()).count()
}

pub(super) fn calm(records: &[Record]) {
    let primary = records.iter().filter(|record| record.provider == PRIMARY).count();
    say(&format!("  0.0 s  nothing: {primary} of {} by {PRIMARY}{:>62} {:>7}", records.len(), slowest(records), errors(records)));
}

fn detail<'a>(event: &'a Event, name: &str) -> &'a str {
    event.details.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
}

/// Returns whether another target took over.
pub(super) fn fault(fault: &Fault, at: Duration, events: &[Event], records: &[Record], back: Option<Duration>) -> bool {
    let from = format!("{PRIMARY}/");
    // Of those that were not asked there first, nothing was switched.
    let switched = |event: &&Event| {
        event.kind == "fallback"
            && detail(event, "outcome") == "answered"
            && !detail(event, "switch_us").is_empty()
            && detail(event, "from").starts_with(&from)
    };
    let switches: Vec<&Event> = events.iter().filter(switched).collect();
    let mut to: BTreeMap<&str, usize> = BTreeMap::new();
    let mut times: Vec<u64> = Vec::new();
    for event in &switches {
        let target = detail(event, "to");
        *to.entry(target.split('/').next().unwrap_or(target)).or_default() += 1;
        times.extend(detail(event, "switch_us").parse::<u64>());
    }
    // Those that were answered by others without being tried at the primary first, as well.
    let elsewhere = records.iter().filter(|record| record.error.is_none() && record.provider != PRIMARY).count();
    let direct = elsewhere.saturating_sub(switches.len());
    let mut others: Vec<String> = to.iter().map(|(target, count)| format!("{target} {count}")).collect();
    others.push(format!("then {direct} directly"));
    let switch = match (percentile(&mut times, 0.5), times.last()) {
        (Some(middle), Some(most)) => format!("{:.2}/{:.2} ms", middle as f64 / 1e3, *most as f64 / 1e3),
        _ => "not told".to_owned(),
    };
    let back = back.map_or("not in time".to_owned(), |back| format!("{:.1} s", back.as_secs_f64()));
    say(&format!(
        "{:>5.1} s  {:<29} {:<27} {:<17} {:>14} {:>7}  {back}",
        at.as_secs_f64(),
        fault.words,
        others.join(", "),
        switch,
        slowest(records),
        errors(records)
    ));
    complain(records);
    elsewhere > 0
}

/// The longest that anybody waited: for the first token of a stream, for the whole of any other answer.
fn slowest(records: &[Record]) -> String {
    let waits = records.iter().filter(|record| record.error.is_none()).map(|record| record.first_token.unwrap_or(record.total));
    waits.max().map_or("none".to_owned(), |longest| format!("{:.0} ms", longest.as_secs_f64() * 1e3))
}

fn complain(records: &[Record]) {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for error in records.iter().filter_map(|record| record.error.as_deref()) {
        *kinds.entry(error).or_default() += 1;
    }
    for (error, count) in kinds.iter().take(3) {
        say(&format!("         {count} x {error}"));
    }
}

pub(super) fn reload(at: Duration, answer: &Answer, records: &[Record]) {
    let text = if answer.code == 0 {
        let adopted = answer.data["slowest_us"].as_u64().unwrap_or(0) as f64 / 1e3;
        format!(
            "policy reload: generation {} on every shard in {adopted:.2} ms, {} requests lost",
            answer.data["generation"],
            errors(records)
        )
    } else {
        format!("policy reload refused: {}", answer.text.trim_end())
    };
    say(&format!("{:>5.1} s  {text}", at.as_secs_f64()));
    complain(records);
}

/// Returns whether all went well.
pub(super) fn closing(records: &[Record], outcome: &Outcome) -> bool {
    let failed = errors(records);
    let mut plain: Vec<Duration> = Vec::new();
    let mut first: Vec<Duration> = Vec::new();
    let mut overhead: Vec<u64> = Vec::new();
    for record in records.iter().filter(|record| record.error.is_none()) {
        match record.first_token {
            Some(token) => first.push(token),
            None if !record.stream => plain.push(record.total),
            None => {}
        }
        overhead.extend(record.overhead_us);
    }
    let pair = |values: &mut Vec<Duration>| match (percentile(values, 0.5), percentile(values, 0.99)) {
        (Some(p50), Some(p99)) => format!("p50 {}  p99 {}", ms(p50), ms(p99)),
        _ => "not measured".to_owned(),
    };
    let own = match (percentile(&mut overhead, 0.5), percentile(&mut overhead, 0.99)) {
        (Some(p50), Some(p99)) => format!("p50 {p50} us  p99 {p99} us"),
        _ => "not told".to_owned(),
    };
    let by: Vec<String> = PROVIDERS
        .iter()
        .map(|provider| format!("{provider} {}", records.iter().filter(|record| record.provider == **provider).count()))
        .collect();
    let span = records.iter().map(|record| record.sent).min().map_or(Duration::ZERO, |first: Instant| first.elapsed());
    say(&format!(
        "\n  {} requests in {:.1} s, answered by {}; errors seen by clients: {failed}",
        records.len(),
        span.as_secs_f64(),
        by.join(", ")
    ));
    say(&format!("  plain answers  {}   (outages included)", pair(&mut plain)));
    say(&format!("  first token    {}   gateway's own share  {own}", pair(&mut first)));
    if !outcome.all_struck {
        say("  a fault went by without another provider answering: this run has shown less than it should");
    }
    failed == 0 && outcome.all_struck && !records.is_empty()
}

pub(super) fn invitation(stage: &Stage) {
    let gateway = stage.gateway;
    let run = stage.folder.0.join("run");
    say(&format!(
        "\nStill serving; Ctrl-C ends it. Try:\n  \
         curl -s http://{gateway}/v1/chat/completions -H 'content-type: application/json' -d '{{\"model\":\"{CHAIN}\",\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}}]}}'\n  \
         OPENAI_BASE_URL=http://{gateway}/v1 OPENAI_API_KEY=none python your_app.py      (model \"{CHAIN}\")\n  \
         throwover status --run {run}\n  throwover-mock fault --admin {mock} {PRIMARY} 503",
        run = run.display(),
        mock = stage.mock
    ));
}
