//! Rounds, their spread, and what may be said about two of them.

use serde_json::{Value, json};
use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

/// A round in which the busiest thread had work for less than this share of the time says
/// nothing about what a request costs.
pub(crate) const BUSY_MIN: f64 = 0.95;
/// A round in which others held the core for more than this share of the time is theirs too.
const HELD_MAX: f64 = 0.15;
/// Fewer rounds than these allow no verdict.
const ROUNDS_MIN: usize = 5;

/// One round of one contestant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Round {
    /// CPU time of all threads for each answer, in microseconds; `None` when nothing stands between.
    pub(crate) cpu_us: Option<f64>,
    pub(crate) per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// Share of the time that its busiest thread was on its core.
    pub(crate) busy: f64,
    /// Share of the time that it was ready but others had the core.
    pub(crate) held: f64,
    /// CPU time for each answer by the threads' names, in microseconds.
    pub(crate) by_thread: BTreeMap<String, f64>,
    /// Errors in words, empty for none.
    pub(crate) errors: String,
}

impl Round {
    /// Why the round does not count.
    pub(crate) fn void(&self) -> Option<String> {
        if !self.errors.is_empty() {
            return Some(self.errors.clone());
        }
        self.cpu_us?;
        if self.held > HELD_MAX {
            return Some(format!("other work had its core for {:.0} % of the time", self.held * 100.0));
        }
        let busy = self.busy + self.held;
        (busy < BUSY_MIN).then(|| format!("its core was busy for {:.0} % of the time only", busy * 100.0))
    }
}

/// Middle and ends of some values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// The spread of values; `None` of none.
pub(crate) fn spread(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let (low, high) = (*values.first()?, *values.last()?);
    let middle = values.len() / 2;
    let median = if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) };
    Some(Spread { median, low, high })
}

/// What two contestants' rounds allow to say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// The second costs so many times what the first costs, in every pair of rounds.
    Times(Spread),
    /// Nothing, for this reason.
    None(String),
}

/// Compares what a request costs, round by round; void rounds do not count.
pub(crate) fn verdict(ours: &[Round], theirs: &[Round]) -> Verdict {
    let cost = |round: &Round| round.cpu_us.filter(|_| round.void().is_none());
    let pairs: Vec<(f64, f64)> = ours.iter().zip(theirs).filter_map(|(ours, theirs)| cost(ours).zip(cost(theirs))).collect();
    if pairs.len() < ROUNDS_MIN {
        return Verdict::None(format!("{} rounds count for both; {ROUNDS_MIN} are needed", pairs.len()));
    }
    let (Some(our), Some(their), Some(ratio)) = (
        spread(pairs.iter().map(|pair| pair.0)),
        spread(pairs.iter().map(|pair| pair.1)),
        spread(pairs.iter().map(|(ours, theirs)| theirs / ours)),
    ) else {
        return Verdict::None("no round counts".to_owned());
    };
    if our.high >= their.low && their.high >= our.low {
        return Verdict::None(format!(
            "inside the noise: {:.2}..{:.2} against {:.2}..{:.2} us overlap",
            our.low, our.high, their.low, their.high
        ));
    }
    Verdict::Times(ratio)
}

/// A contestant and its rounds.
#[derive(Clone, Debug)]
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) rounds: Vec<Round>,
}

/// The table of one kind of work; ratios are to the contestant named `nginx`, and of the last one to
/// each further peer.
pub(crate) fn text(title: &str, contestants: &[Contestant]) -> String {
    let mut text = format!(
        "{title}\n{:<12} {:>24} {:>7} {:>10} {:>9} {:>9}  {}\n",
        "", "CPU us/request", "rounds", "answers/s", "p50 us", "p99 us", "nginx costs, times as much"
    );
    let nginx = contestants.iter().find(|contestant| contestant.name == "nginx");
    for contestant in contestants {
        let good: Vec<&Round> = contestant.rounds.iter().filter(|round| round.void().is_none()).collect();
        let median = |value: fn(&Round) -> f64| {
            spread(good.iter().map(|round| value(round))).map_or("-".to_owned(), |spread| format!("{:.0}", spread.median))
        };
        let cost = spread(good.iter().filter_map(|round| round.cpu_us));
        let cost = cost.map_or("-".to_owned(), |cost| format!("{:.2} [{:.2}..{:.2}]", cost.median, cost.low, cost.high));
        let compared =
            match nginx.filter(|nginx| nginx.name != contestant.name && contestant.rounds.iter().any(|round| round.cpu_us.is_some())) {
                None => String::new(),
                Some(nginx) => match verdict(&contestant.rounds, &nginx.rounds) {
                    Verdict::Times(times) => format!("{:.2} [{:.2}..{:.2}]", times.median, times.low, times.high),
                    Verdict::None(why) => format!("no verdict: {why}"),
                },
            };
        text.push_str(&format!(
            "{:<12} {cost:>24} {:>7} {:>10} {:>9} {:>9}  {compared}\n",
            contestant.name,
            format!("{}/{}", good.len(), contestant.rounds.len()),
            median(|round| round.per_second),
            median(|round| round.p50_us),
            median(|round| round.p99_us),
        ));
    }
    if let Some((ours, peers)) = contestants.split_last() {
        for peer in peers.iter().filter(|peer| peer.name != "nginx" && peer.rounds.iter().any(|round| round.cpu_us.is_some())) {
            let said = match verdict(&ours.rounds, &peer.rounds) {
                Verdict::Times(times) => format!("{:.2} [{:.2}..{:.2}] times as much", times.median, times.low, times.high),
                Verdict::None(why) => format!("no verdict: {why}"),
            };
            text.push_str(&format!("{} costs, beside {}: {said}\n", peer.name, ours.name));
        }
    }
    for contestant in
        contestants.iter().filter(|contestant| contestant.rounds.iter().any(|round| round.void().is_none() && round.by_thread.len() > 1))
    {
        text.push_str(&format!("threads of {}, us/request: {}\n", contestant.name, threads(contestant)));
    }
    for contestant in contestants {
        for (number, why) in contestant.rounds.iter().enumerate().filter_map(|(number, round)| Some((number, round.void()?))) {
            text.push_str(&format!("void: round {} of {}: {why}\n", number + 1, contestant.name));
        }
    }
    text
}

/// Medians of the threads that took anything, the dearest first.
fn threads(contestant: &Contestant) -> String {
    let good = || contestant.rounds.iter().filter(|round| round.void().is_none());
    let names: std::collections::BTreeSet<&String> = good().flat_map(|round| round.by_thread.keys()).collect();
    let median =
        |name: &String| spread(good().map(|round| round.by_thread.get(name).copied().unwrap_or(0.0))).map_or(0.0, |spread| spread.median);
    let mut costs: Vec<(f64, &String)> = names.into_iter().map(|name| (median(name), name)).filter(|(cost, _)| *cost >= 0.005).collect();
    costs.sort_by(|one, other| other.0.total_cmp(&one.0));
    costs.iter().map(|(cost, name)| format!("{name} {cost:.2}")).collect::<Vec<_>>().join(", ")
}

/// The same as JSON, every round included.
pub(crate) fn json(title: &str, contestants: &[Contestant]) -> Value {
    let nginx = contestants.iter().find(|contestant| contestant.name == "nginx");
    let rounds = |contestant: &Contestant| -> Vec<Value> {
        let each = contestant.rounds.iter().map(|round| {
            json!({
                "cpu_us": round.cpu_us, "answers_per_second": round.per_second, "p50_us": round.p50_us, "p99_us": round.p99_us,
                "busy": round.busy, "held": round.held, "void": round.void(), "by_thread_us": round.by_thread,
            })
        });
        each.collect()
    };
    let all = contestants.iter().map(|contestant| {
        let verdict = nginx.filter(|nginx| nginx.name != contestant.name).map(|nginx| match verdict(&contestant.rounds, &nginx.rounds) {
            Verdict::Times(times) => json!({"nginx_costs_times": {"median": times.median, "min": times.low, "max": times.high}}),
            Verdict::None(why) => json!({"none": why}),
        });
        json!({"name": contestant.name, "rounds": rounds(contestant), "verdict": verdict})
    });
    json!({"work": title, "contestants": all.collect::<Vec<_>>()})
}
