//! Faults on purpose: what an operator asked for, and what users would have noticed of it.

use crate::{observe::Plane, plan, time};
use policy::{Blow, Draft, Money, Pattern, limits};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    time::{Duration, UNIX_EPOCH},
};

/// Longest rehearsal; who wants more begins another.
pub const FOR_MAX: Duration = Duration::from_secs(24 * 3_600);
/// The longest that one may wait for its beginning.
pub const START_IN_MAX: Duration = Duration::from_secs(24 * 3_600);
/// The time when nobody says how long.
pub const FOR_USUAL: Duration = Duration::from_secs(60);

/// The share of attempts when nobody says how large, in thousandths.
pub const PERMILLE_USUAL: u32 = 200;

/// The faults that there are: word, and what it is.
pub const FAULTS: &[(&str, &str)] = &[
    ("400 … 599", "an error of this status; `429;retry_after=7` says when to come back"),
    ("5xx", "status 500"),
    ("connect", "nobody listens"),
    ("slow:3s", "the answer begins so much later"),
    ("stall", "no answer at all"),
    ("bad_json", "an answer that cannot be read"),
    ("cut", "a stream that breaks before it shows anything"),
    ("expired_key", "status 401"),
    ("model_gone", "status 404"),
    ("price:2.5", "tokens cost so many times as much, in budgets and records; of all attempts"),
];

/// A rehearsal, as it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Rehearsal {
    /// When it begins, in milliseconds since 1970.
    pub begun_ms: u64,
    /// When it is over.
    pub until_ms: u64,
    /// Who wants it.
    pub who: String,
    /// In the operator's words.
    pub faults: String,
    /// Targets by name.
    pub targets: Vec<String>,
    /// Share of their attempts, in thousandths.
    pub permille: u32,
    /// What happens.
    pub blows: Vec<Blow>,
    /// The counters of all data planes when it began, in sum.
    pub before: BTreeMap<String, u64>,
    /// It has begun: until then nothing is published.
    pub started: bool,
    /// Its end was told.
    pub told: bool,
}

impl Rehearsal {
    /// The same for the compiler. Each blow gets an equal part of what is struck; since the first that strikes
    /// counts, later ones get a larger part of the rest.
    pub fn plan(&self) -> plan::Chaos {
        let is_price = |blow: &&Blow| matches!(blow, Blow::Price { .. });
        let (prices, blows): (Vec<&Blow>, Vec<&Blow>) = self.blows.iter().partition(is_price);
        let count = blows.len() as u32;
        let part = f64::from(self.permille) / f64::from(count.max(1));
        let share = |at: usize| (part * 1_000.0 / (1_000.0 - part * at as f64)).round().clamp(1.0, 1_000.0) as u32;
        let struck = blows.into_iter().enumerate().map(|(at, blow)| (self.targets.clone(), share(at), *blow));
        // A price is no share of the attempts: it holds for all of them.
        let strikes = prices.into_iter().map(|blow| (self.targets.clone(), 1_000, *blow)).chain(struck).collect();
        plan::Chaos { until_ms: self.until_ms, strikes }
    }
}

/// The targets of a policy that a list of names and patterns means: `openai/*,anthropic/claude-opus-4-1`.
///
/// # Errors
/// In words, which of them means nothing.
pub fn targets(draft: &Draft, written: &str) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for word in written.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let pattern = Pattern::parse(word).ok_or_else(|| format!("`{word}` has more than one `*`"))?;
        let names = || draft.targets.iter().map(|(_, target)| target.name.as_str());
        let before = found.len();
        found.extend(names().filter(|name| pattern.matches(name) || name.split('/').next() == Some(word)).map(str::to_owned));
        if found.len() == before {
            let known = names().flat_map(|name| [name, name.split('/').next().unwrap_or(name)]);
            let near = crate::complaint::nearest(word, known).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            return Err(format!("there is no target `{word}`{near}"));
        }
    }
    found.sort();
    found.dedup();
    if found.is_empty() { Err("which targets? `throwover status` shows them".to_owned()) } else { Ok(found) }
}

/// Reads a list of faults.
///
/// # Errors
/// In words, which of them is none, and what there is.
pub fn blows(written: &str) -> Result<Vec<Blow>, String> {
    let words: Vec<&str> = written.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
    if words.is_empty() || words.len() > limits::STRIKES_MAX {
        return Err(format!("one to {} faults are wanted; {}", limits::STRIKES_MAX, known()));
    }
    words.into_iter().map(|word| Blow::read(word).ok_or_else(|| format!("`{word}` is no fault; {}", known()))).collect()
}

fn known() -> String {
    let list: Vec<String> = FAULTS.iter().map(|(word, what)| format!("  {word:<12} {what}")).collect();
    format!("there are:\n{}", list.join("\n"))
}

/// The counters of all data planes, in sum. Data planes tell them once a second: a report is blurred by as
/// much at both ends.
pub fn counters<'p>(planes: impl Iterator<Item = &'p Plane>) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for (name, value) in planes.filter_map(|plane| plane.stats.as_ref()).flat_map(|stats| &stats.meters) {
        *sums.entry(name.clone()).or_insert(0) += value;
    }
    sums
}

/// What users would have noticed.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The rehearsal.
    of: Rehearsal,
    /// What the counters have grown by.
    grown: BTreeMap<String, u64>,
}

impl Report {
    /// The report of a rehearsal, of which it is now so late.
    pub fn of(rehearsal: &Rehearsal, now: &BTreeMap<String, u64>) -> Report {
        let before = |name: &String| rehearsal.before.get(name).copied().unwrap_or(0);
        // A data plane that began anew counts from zero.
        let grown = now.iter().map(|(name, value)| (name.clone(), value.saturating_sub(before(name)))).collect();
        Report { of: rehearsal.clone(), grown }
    }

    fn count(&self, name: &str) -> u64 {
        self.grown.get(name).copied().unwrap_or(0)
    }

    /// Requests that came to an end of which their user saw something, and how many saw a failure.
    fn seen(&self) -> (u64, u64) {
        let bad = self.count("failed_total") + self.count("cut_streams_total");
        let good = ["answered_total", "estimated_total", "templates_total", "earlier_total", "relayed_errors_total"];
        (bad + good.iter().map(|name| self.count(name)).sum::<u64>(), bad)
    }

    /// Of a hundred: the share of requests whose users noticed nothing; what stands in for an answer, a template or
    /// an earlier one, counts half. `None` before there was any.
    pub fn score(&self) -> Option<f64> {
        let (all, bad) = self.seen();
        let noticed = bad as f64 + (self.count("templates_total") + self.count("earlier_total")) as f64 / 2.0;
        (all > 0).then(|| 100.0 * (1.0 - noticed / all as f64))
    }

    /// For people.
    pub fn text(&self, now_ms: u64) -> String {
        let of = &self.of;
        let (all, bad) = self.seen();
        let begun = time::stamp(UNIX_EPOCH + Duration::from_millis(of.begun_ms));
        let mut text = String::new();
        let mut say = |line: String| writeln!(text, "{line}").expect("a String grows");
        let left = match of.until_ms.checked_sub(now_ms).filter(|left| *left > 0) {
            Some(_) if !of.started => format!("begins in {}", time::words(of.begun_ms.saturating_sub(now_ms))),
            Some(left) => format!("{} left", time::words(left)),
            None => "over".to_owned(),
        };
        say(format!(
            "chaos     {} at {:.1} % of the attempts, since {begun} ({}), {left}",
            of.faults,
            f64::from(of.permille) / 10.0,
            of.who
        ));
        say(format!("targets   {}", of.targets.join(", ")));
        say(format!("struck    {} of {} attempts", self.count("struck_total"), self.count("attempts_total")));
        say(format!("rescued   {} answers came from another target than the first", self.count("fallbacks_total")));
        say(format!(
            "noticed   {bad} of {all} requests: {} errors, {} cut streams; {} templates, {} earlier answers",
            self.count("failed_total"),
            self.count("cut_streams_total"),
            self.count("templates_total"),
            self.count("earlier_total")
        ));
        say(format!("cost      {} of the targets' prices as they are now", Money(self.count("cost_nanodollars_total") / 10).words()));
        say(match self.score() {
            Some(score) => format!("score     {score:.1} of 100"),
            None => "score     none: no request came".to_owned(),
        });
        text
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let (all, bad) = self.seen();
        json!({
            "faults": self.of.faults, "targets": self.of.targets, "permille": self.of.permille, "who": self.of.who,
            "begun_ms": self.of.begun_ms, "until_ms": self.of.until_ms, "requests": all, "noticed": bad,
            "struck": self.count("struck_total"), "attempts": self.count("attempts_total"), "rescued": self.count("fallbacks_total"),
            "cost_usd": Money(self.count("cost_nanodollars_total") / 10).usd(),
            "templates": self.count("templates_total"), "earlier": self.count("earlier_total"), "score": self.score(),
            "started": self.of.started,
        })
    }
}

#[cfg(test)]
mod tests;
