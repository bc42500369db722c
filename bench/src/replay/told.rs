//! The month in a table, and as JSON.

use super::{
    Course,
    crowd::{Tally, share},
    incidents::{DAY_S, Kind, Month},
};
use serde_json::{Value, json};

const KINDS: [Kind; 5] = [Kind::Outage, Kind::Errors, Kind::Slow, Kind::RateLimited, Kind::Silent];

fn name(month: &Month, tally: &Tally) -> String {
    let names: Vec<&str> = tally.chain.iter().map(|&provider| month.providers[provider].name.as_str()).collect();
    names.join(" > ")
}

fn ms(us: u64) -> String {
    format!("{:.0} ms", us as f64 / 1e3)
}

/// Minutes in which a provider was ill, within what is played.
fn ill_min(month: &Month, course: &Course, provider: &str, kinds: impl Fn(Kind) -> bool) -> f64 {
    let own = month.incidents.iter().filter(|incident| incident.provider == provider && kinds(incident.kind));
    let seconds: u64 = own.map(|incident| incident.to_s.min(course.to_s).saturating_sub(incident.from_s.max(course.from_s))).sum();
    seconds as f64 / 60.0
}

pub(super) fn text(month: &Month, course: &Course, played: &[Tally]) -> String {
    let mut text = format!(
        "{:.1} days of made-up incidents, {} requests/s at random, {} requests, an answer counts within {} ms, seed {}\n\n",
        (course.to_s - course.from_s) as f64 / DAY_S as f64,
        course.rate,
        played.first().map_or(0, |tally| tally.requests),
        course.deadline_ms,
        course.seed
    );
    text.push_str(&format!("{:<8} {:>9} {:>9}   {}\n", "provider", "ill", "down", "minutes by kind"));
    for provider in &month.providers {
        let of = |kind: Kind| ill_min(month, course, &provider.name, |known| known == kind);
        let kinds: Vec<String> = KINDS.iter().map(|kind| format!("{} {:.0}", kind.word(), of(*kind))).collect();
        let (ill, down) = (ill_min(month, course, &provider.name, |_| true), ill_min(month, course, &provider.name, Kind::is_down));
        text.push_str(&format!("{:<8} {ill:>5.0} min {down:>5.0} min   {}\n", provider.name, kinds.join(", ")));
    }
    text.push_str(&format!(
        "\n{:<28} {:>10} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9} {:>7} {:>7}\n",
        "chain", "answered", "possible", "lost", "p50", "p99", "attempts", "in vain", "probes", "forced"
    ));
    for tally in played {
        text.push_str(&format!(
            "{:<28} {:>8.4} % {:>8.4} % {:>9} {:>9} {:>9} {:>9.4} {:>9} {:>7} {:>7}\n",
            name(month, tally),
            tally.availability() * 100.0,
            share(tally.possible, tally.requests) * 100.0,
            tally.requests - tally.answered,
            ms(tally.first_token_us.value_at_quantile(0.5)),
            ms(tally.first_token_us.value_at_quantile(0.99)),
            share(tally.attempts, tally.requests),
            tally.in_vain,
            tally.probes,
            tally.forced
        ));
    }
    text.push_str(
        "\nanswered: first token in time. possible: some provider of the chain would have answered a single attempt.\n\
         p50, p99: request to first token, of those that were answered. attempts: per request.\n\
         in vain: attempts at a provider that answered nobody then. forced: in spite of its breaker, nobody else being left.\n",
    );
    text
}

pub(super) fn json(month: &Month, course: &Course, played: &[Tally]) -> Value {
    let providers = month.providers.iter().map(|provider| {
        let of = |kind: Kind| (kind.word().to_owned(), json!(ill_min(month, course, &provider.name, |known| known == kind)));
        json!({"name": provider.name, "ill_minutes": KINDS.map(of).into_iter().collect::<serde_json::Map<_, _>>()})
    });
    let chains = played.iter().map(|tally| {
        let first = |quantile| tally.first_token_us.value_at_quantile(quantile);
        let by_kind =
            KINDS.iter().map(|kind| kind.word()).chain(["well"]).zip(tally.lost).map(|(word, count)| (word.to_owned(), json!(count)));
        json!({
            "chain": tally.chain.iter().map(|&provider| month.providers[provider].name.as_str()).collect::<Vec<_>>(),
            "requests": tally.requests, "answered": tally.answered, "availability": tally.availability(),
            "possible": share(tally.possible, tally.requests), "rescued": tally.rescued,
            "lost_while_first_is": by_kind.collect::<serde_json::Map<_, _>>(), "errors": tally.errors,
            "first_token_us": {"p50": first(0.5), "p90": first(0.9), "p99": first(0.99), "p999": first(0.999)},
            "attempts": tally.attempts, "attempts_in_vain": tally.in_vain, "requests_while_first_down": tally.while_down,
            "probes": tally.probes, "forced": tally.forced, "waits": tally.waits,
        })
    });
    json!({
        "days": (course.to_s - course.from_s) as f64 / DAY_S as f64, "rate": course.rate, "deadline_ms": course.deadline_ms,
        "seed": course.seed, "providers": providers.collect::<Vec<_>>(), "chains": chains.collect::<Vec<_>>(),
    })
}
