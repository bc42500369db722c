//! Kinds of work for nginx, HAProxy and Throwover in turns, each with the figures that it gives.

use crate::{
    bootstrap,
    figures::{self, Contestant, Figure, Round},
    goals::{self, Bound, Goal},
    load::Pace,
    machine,
    peers::{self, Observed, Wanted},
    tally::Tally,
    throwover,
    way::{Asked, Way},
};
use serde_json::{Value, json};
use std::{io, time::Duration};

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Work {
    /// 1 KiB each way, as fast as it goes
    #[value(name = "json-1k")]
    Json1k,
    /// 20 KiB each way, as fast as it goes
    #[value(name = "json-20k")]
    Json20k,
    /// 200 KiB each way, as fast as it goes
    #[value(name = "json-200k")]
    Json200k,
    /// What is added to direct answers at 500 requests/s
    #[value(name = "added-500")]
    Added500,
    /// What is added to direct answers at 2,000 requests/s
    #[value(name = "added-2000")]
    Added2000,
    /// What is added to direct answers at 500 requests/s, also by a shard that looks for work before it sleeps
    #[value(name = "spin-500")]
    Spin500,
    /// The same at 2,000 requests/s
    #[value(name = "spin-2000")]
    Spin2000,
    /// 200 streams at a time, 64 events 5 ms apart
    Sse,
    /// 1 KiB each way over TLS, which Throwover asks of a provider that speaks Anthropic's dialect
    #[value(name = "translated-1k")]
    Translated1k,
    /// The same with 20 KiB
    #[value(name = "translated-20k")]
    Translated20k,
    /// The same with streams
    #[value(name = "translated-sse")]
    TranslatedSse,
}

/// All of them.
pub(crate) const ALL: [Work; 11] = [
    Work::Json1k,
    Work::Json20k,
    Work::Json200k,
    Work::Added500,
    Work::Added2000,
    Work::Spin500,
    Work::Spin2000,
    Work::Sse,
    Work::Translated1k,
    Work::Translated20k,
    Work::TranslatedSse,
];

const CPU_REQUEST: Figure = Figure { name: "cpu_us_per_request", title: "CPU us/request" };
const THROUGHPUT: Figure = Figure { name: "answers_per_second", title: "answers/s, saturated" };
const P50: Figure = Figure { name: "p50_us", title: "p50 us" };
const ADDED: Figure = Figure { name: "added_p50_us", title: "added p50 us" };
const CPU_EVENT: Figure = Figure { name: "cpu_us_per_event", title: "CPU us/event" };
const FIRST: Figure = Figure { name: "first_event_p50_us", title: "first event p50 us" };
/// Throughput is to be so many times nginx's; what a spinning shard adds no more than so many times what nginx
/// adds; and what is said in another dialect is to cost no more than nginx needs to pass the same on.
const THROUGHPUT_GOAL: Goal = Goal { figure: THROUGHPUT, than: "nginx", bound: Bound::AtLeast(1.4) };
const ADDED_GOAL: Goal = Goal { figure: ADDED, than: "nginx", bound: Bound::AtMost(0.6) };
const TRANSLATED_GOAL: Goal = Goal { figure: CPU_REQUEST, than: "nginx", bound: Bound::AtMost(1.0) };
const DELAY: Figure = Figure { name: "delay_p50_us", title: "event's delay p50 us" };

/// Streams at a time, their events with content, and what is between two of them.
const STREAMS: f64 = 200.0;
const EVENTS: usize = 64;
const INTERVAL: Duration = Duration::from_millis(5);
/// A round in which other work had the proxy's core for longer is that work's.
const HELD_MAX: f64 = 0.15;
/// Who answers a smaller share of a rate does not keep up with it.
const ANSWERED_MIN: f64 = 0.9;
/// A generator that is later than this in half of all starts measures itself.
const LATENESS_MAX_US: f64 = 100.0;

/// How a kind of work is done.
struct Shape {
    bytes: usize,
    connections: usize,
    pace: Pace,
    stream: bool,
    figures: &'static [Figure],
}

impl Work {
    fn shape(self) -> Shape {
        let json = |bytes: usize, connections: usize| Shape {
            bytes,
            connections,
            pace: Pace::Closed,
            stream: false,
            figures: &[CPU_REQUEST, THROUGHPUT, P50],
        };
        let at = |per_second: f64| Shape { pace: Pace::Open { per_second }, figures: &[ADDED, P50, CPU_REQUEST], ..json(1_024, 64) };
        match self {
            Work::Json1k | Work::Translated1k => json(1_024, 64),
            Work::Json20k | Work::Translated20k => json(20_480, 32),
            Work::Json200k => json(204_800, 16),
            Work::Added500 | Work::Spin500 => at(500.0),
            Work::Added2000 | Work::Spin2000 => at(2_000.0),
            // By a schedule, so that streams do not beat in time: role, words and stop are EVENTS + 1 gaps.
            Work::Sse | Work::TranslatedSse => Shape {
                pace: Pace::Open { per_second: STREAMS / ((EVENTS + 1) as f64 * INTERVAL.as_secs_f64()) },
                stream: true,
                // Anthropic's events have no member that a stamp could be in.
                figures: if self == Work::Sse { &[CPU_EVENT, FIRST, DELAY] } else { &[CPU_EVENT, FIRST] },
                ..json(1_024, 400)
            },
        }
    }

    /// A second Throwover takes part, whose shard looks for work before it sleeps.
    fn spins(self) -> bool {
        matches!(self, Work::Spin500 | Work::Spin2000)
    }

    /// Throwover says it in another dialect.
    fn translates(self) -> bool {
        matches!(self, Work::Translated1k | Work::Translated20k | Work::TranslatedSse)
    }

    fn goal(self) -> Option<Goal> {
        match self {
            Work::Translated1k | Work::Translated20k => Some(TRANSLATED_GOAL),
            Work::Json1k | Work::Json20k | Work::Json200k => Some(THROUGHPUT_GOAL),
            Work::Spin2000 => Some(ADDED_GOAL),
            Work::Added500 | Work::Added2000 | Work::Spin500 | Work::Sse | Work::TranslatedSse => None,
        }
    }

    fn title(self, shape: &Shape, wanted: &Wanted) -> String {
        let what = match (self, shape.pace) {
            (Work::Sse | Work::TranslatedSse, Pace::Open { per_second }) => {
                format!("{per_second:.0} streams/s, so {STREAMS} at a time, {EVENTS} events 5 ms apart")
            }
            (_, Pace::Open { per_second }) => {
                let spin = wanted.spin_us.map_or(String::new(), |spin_us| format!(", spin_us: {spin_us} where it says spin"));
                format!("{} B each way, {per_second} requests/s{spin}", shape.bytes)
            }
            _ => format!("{} B each way, {} connections, as fast as it goes", shape.bytes, shape.connections),
        };
        let translated = if self.translates() { "; TLS upstream, from throwover in Anthropic's dialect" } else { "" };
        format!("{what}{translated}; {} rounds of {} s", wanted.rounds, wanted.time.as_secs_f64())
    }
}

/// Measures these kinds of work; returns the text and the same as JSON.
pub(crate) fn run(wanted: &Wanted, works: &[Work], spin_us: u32) -> io::Result<(String, Value)> {
    let mut text = format!("{}\n", machine::described());
    let mut all = Vec::new();
    for &work in works {
        let shape = work.shape();
        let mut wanted = wanted.clone();
        (wanted.request_bytes, wanted.answer_bytes, wanted.connections) = (shape.bytes, shape.bytes, shape.connections);
        (wanted.events, wanted.interval) = (EVENTS, if shape.stream { INTERVAL } else { Duration::ZERO });
        wanted.spin_us = work.spins().then_some(spin_us);
        let (contestants, notes) = rounds(&wanted, work, &shape)?;
        let title = work.title(&shape, &wanted);
        text.push_str(&format!("\n{}", figures::text(&title, shape.figures, &contestants)));
        let mut value = figures::json(&title, shape.figures, &contestants);
        let added: Vec<Value> = if shape.figures.contains(&ADDED) { self::added(&contestants, &mut text) } else { Vec::new() };
        value["added_p50_us"] = json!(added);
        if let (Some(goal), Some(ours)) = (work.goal(), contestants.last())
            && let Some((line, said)) = goals::told(goal, ours, &contestants)
        {
            text.push_str(&line);
            value["goal"] = said;
        }
        text.extend(notes.iter().map(|note| format!("{note}\n")));
        value["notes"] = json!(notes);
        all.push(value);
    }
    Ok((text, json!({"machine": machine::described(), "works": all})))
}

/// The intervals of what was added, which a ratio does not tell.
fn added(contestants: &[Contestant], text: &mut String) -> Vec<Value> {
    let mut all = Vec::new();
    for contestant in contestants {
        let good = contestant.rounds.iter().filter(|round| round.void.is_none());
        let values: Vec<f64> = good.filter_map(|round| round.values.get(ADDED.name).copied()).collect();
        let Some(found) = bootstrap::of_median(&values) else { continue };
        text.push_str(&format!(
            "{} adds {:.0} us to the median [{:.0}..{:.0}, 95 %]\n",
            contestant.name, found.median, found.low, found.high
        ));
        all.push(json!({"name": contestant.name, "median": found.median, "low": found.low, "high": found.high, "rounds": values.len()}));
    }
    all
}

/// The contestants with their rounds, and what the table does not show by itself.
fn rounds(wanted: &Wanted, work: Work, shape: &Shape) -> io::Result<(Vec<Contestant>, Vec<String>)> {
    let mut scene = peers::set(wanted)?;
    let [(_, plain), (_, tls)] = peers::works(&scene)?;
    let ways = if work.translates() { tls.into_iter().map(translated).collect() } else { plain };
    // Two times the same program in one table would only be told apart by its log.
    let ways: Vec<Way> = ways.into_iter().filter(|way| way.name != "nginx, log").collect();
    let mut all: Vec<Contestant> = ways.iter().map(|way| Contestant::new(way.name)).collect();
    let asked = Asked {
        request_bytes: shape.bytes,
        answer_bytes: wanted.answer_bytes,
        events: shape.stream.then_some(EVENTS),
        connections: shape.connections,
        pace: shape.pace,
    };
    for round in 0..wanted.rounds {
        for turn in 0..ways.len() {
            let index = (turn + round) % ways.len();
            let way = &ways[index];
            let found = peers::observe_way(&mut scene.stage, way, &asked, wanted.time)?;
            all[index].rounds.push(measured(shape, way, &found));
        }
        relate(&mut all, round);
        eprintln!("{work:?}: round {} of {} done", round + 1, wanted.rounds);
    }
    Ok((all, scene.gateways.notes()))
}

/// Throwover's way asks a provider of another dialect; everybody else's is what it was.
fn translated(way: Way) -> Way {
    if way.name == "throwover" { Way { model: throwover::MESSAGES, rewrites: true, ..way } } else { way }
}

/// The figures of one round, and whether it counts.
fn measured(shape: &Shape, way: &Way, found: &Observed) -> Round {
    let tally = &found.tally;
    let mut values = std::collections::BTreeMap::new();
    let events = tally.first_event.count() + tally.gap.count();
    values.insert(THROUGHPUT.name, tally.answers as f64 / found.elapsed.as_secs_f64());
    values.insert(P50.name, tally.latency.at(0.5));
    if !way.pids.is_empty() {
        let cpu = found.used.run_ns as f64 / 1e3;
        values.insert(CPU_REQUEST.name, cpu / tally.answers.max(1) as f64);
        values.insert(CPU_EVENT.name, cpu / events.max(1) as f64);
    }
    if shape.stream {
        values.insert(FIRST.name, tally.first_event.at(0.5));
        // Who writes events anew may leave out the stamp.
        if tally.delay.count() > 0 {
            values.insert(DELAY.name, tally.delay.at(0.5));
        }
    }
    values.retain(|name, _| *name == P50.name || shape.figures.iter().any(|figure| figure.name == *name));
    let (busy, held) = way.shares(&found.used, found.elapsed);
    let saturated = matches!(shape.pace, Pace::Closed) && !way.pids.is_empty();
    let void = if !found.errors.is_empty() {
        Some(found.errors.clone())
    } else if held <= HELD_MAX && saturated && busy + held < crate::table::BUSY_MIN {
        Some(format!("its core was busy for {:.0} % of the time only", (busy + held) * 100.0))
    } else {
        disturbed(tally, held).or_else(|| behind(shape.pace, tally.answers, found.elapsed))
    };
    Round { values, void }
}

/// Why a round says more of the machine than of who was measured: others had the core for this
/// share of the time, or the generator was late.
pub(crate) fn disturbed(tally: &Tally, held: f64) -> Option<String> {
    if held > HELD_MAX {
        return Some(format!("other work had its core for {:.0} % of the time", held * 100.0));
    }
    let late = tally.lateness.at(0.5);
    (tally.lateness.count() > 0 && late > LATENESS_MAX_US).then(|| format!("the generator was late by {late:.0} us in half of all starts"))
}

/// Why times at a rate say nothing: so few of the requests were answered that the rest piles up.
fn behind(pace: Pace, answers: u64, elapsed: Duration) -> Option<String> {
    let Pace::Open { per_second } = pace else { return None };
    let answered = answers as f64 / elapsed.as_secs_f64();
    (answered < per_second * ANSWERED_MIN).then(|| format!("it answers {answered:.0} of {per_second:.0} requests/s"))
}

/// What each adds to direct answers of the same round.
fn relate(all: &mut [Contestant], round: usize) {
    let direct = all.iter().find(|contestant| contestant.name == "direct").and_then(|direct| direct.rounds.get(round));
    let Some(base) = direct.filter(|round| round.void.is_none()).and_then(|round| round.values.get(P50.name).copied()) else { return };
    for contestant in all.iter_mut().filter(|contestant| contestant.name != "direct") {
        if let Some(found) = contestant.rounds.get_mut(round)
            && let Some(&p50) = found.values.get(P50.name)
        {
            found.values.insert(ADDED.name, p50 - base);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ADDED, ALL, Contestant, P50, Pace, Round, behind, relate};
    use std::time::Duration;

    #[test]
    fn what_is_added_is_added_to_the_same_round() {
        let contestant = |name: &str, p50: &[f64]| {
            let rounds = p50.iter().map(|&value| Round { values: [(P50.name, value)].into(), void: None }).collect();
            Contestant { name: name.to_owned(), rounds }
        };
        let mut all = [contestant("direct", &[20.0, 30.0, 20.0]), contestant("ours", &[50.0, 70.0, 50.0])];
        all[0].rounds[2].void = Some("cut".to_owned());
        (0..3).for_each(|round| relate(&mut all, round));
        let added: Vec<Option<&f64>> = all[1].rounds.iter().map(|round| round.values.get(ADDED.name)).collect();
        assert_eq!(added, [Some(&30.0), Some(&40.0), None], "nothing is added to a round that is void");
        assert!(all[0].rounds.iter().all(|round| !round.values.contains_key(ADDED.name)));
    }

    #[test]
    fn who_does_not_keep_up_is_told() {
        let at = |answers: u64| behind(Pace::Open { per_second: 500.0 }, answers, Duration::from_secs(2));
        assert_eq!((at(1_000), at(900)), (None, None));
        assert_eq!(at(400).as_deref(), Some("it answers 200 of 500 requests/s"));
        assert_eq!(behind(Pace::Closed, 1, Duration::from_secs(2)), None);
    }

    #[test]
    fn every_work_has_figures_and_a_rate_that_gives_its_streams() {
        for work in ALL {
            assert!(!work.shape().figures.is_empty(), "{work:?}");
        }
        let super::Pace::Open { per_second } = super::Work::Sse.shape().pace else { panic!("a schedule") };
        assert!((per_second * 0.325 - 200.0).abs() < 1e-6, "{per_second}");
    }
}
