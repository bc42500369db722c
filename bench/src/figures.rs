//! Several figures of several contestants, round by round, in one table that says no more than it
//! knows.

use crate::{
    bootstrap::{self, Estimate, SAMPLES_MIN},
    table::spread,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Figure {
    /// In JSON.
    pub(crate) name: &'static str,
    /// For people, with its unit.
    pub(crate) title: &'static str,
}

/// What one contestant's round has given.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Round {
    pub(crate) values: BTreeMap<&'static str, f64>,
    /// Why it does not count.
    pub(crate) void: Option<String>,
}

/// A contestant and its rounds; the rounds of one number were measured one after the other.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Contestant {
    pub(crate) name: String,
    pub(crate) rounds: Vec<Round>,
}

impl Contestant {
    /// One without rounds.
    pub(crate) fn new(name: impl Into<String>) -> Contestant {
        Contestant { name: name.into(), rounds: Vec::new() }
    }

    fn good(&self, figure: Figure) -> Vec<f64> {
        let good = self.rounds.iter().filter(|round| round.void.is_none());
        good.filter_map(|round| round.values.get(figure.name).copied()).collect()
    }
}

/// What two contestants' rounds allow to say of one figure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// So many times as much, rounds compared with those of the same number.
    Times(Estimate),
    /// Nothing; the estimate, where there is one, holds 1.
    None(String, Option<Estimate>),
}

/// Theirs divided by ours, round by round, of rounds that count for both.
pub(crate) fn ratios(ours: &Contestant, theirs: &Contestant, figure: Figure) -> Vec<f64> {
    let pairs = ours.rounds.iter().zip(&theirs.rounds).filter(|(ours, theirs)| ours.void.is_none() && theirs.void.is_none());
    pairs
        .filter_map(|(ours, theirs)| Some((*ours.values.get(figure.name)?, *theirs.values.get(figure.name)?)))
        .filter(|(ours, theirs)| *ours > 0.0 && *theirs > 0.0)
        .map(|(ours, theirs)| theirs / ours)
        .collect()
}

/// How many times ours theirs is.
pub(crate) fn verdict(ours: &Contestant, theirs: &Contestant, figure: Figure) -> Verdict {
    let ratios = ratios(ours, theirs, figure);
    if ratios.len() < SAMPLES_MIN {
        return Verdict::None(format!("{} rounds count for both; {SAMPLES_MIN} are needed", ratios.len()), None);
    }
    said(bootstrap::of_median(&ratios))
}

/// A verdict when the estimate does not hold 1.
pub(crate) fn said(estimate: Option<Estimate>) -> Verdict {
    match estimate {
        None => Verdict::None("there is nothing to compare".to_owned(), None),
        Some(found) if found.holds(1.0) => {
            Verdict::None(format!("inside the noise: {:.3} [{:.3}..{:.3}]", found.median, found.low, found.high), Some(found))
        }
        Some(found) => Verdict::Times(found),
    }
}

impl Verdict {
    pub(crate) fn text(&self) -> String {
        match self {
            Verdict::Times(found) => format!("{:.2} [{:.2}..{:.2}]", found.median, found.low, found.high),
            Verdict::None(why, _) => format!("no verdict: {why}"),
        }
    }

    pub(crate) fn json(&self) -> Value {
        let estimate = |found: &Estimate| json!({"median": found.median, "low": found.low, "high": found.high});
        match self {
            Verdict::Times(found) => json!({"times": estimate(found)}),
            Verdict::None(why, found) => json!({"none": why, "inside": found.as_ref().map(estimate)}),
        }
    }
}

/// The spread of a contestant's figure in words.
pub(crate) fn spread_text(values: &[f64]) -> String {
    spread(values.iter().copied())
        .map_or("-".to_owned(), |found| format!("{} [{}..{}]", digits(found.median), digits(found.low), digits(found.high)))
}

fn digits(value: f64) -> String {
    match value.abs() {
        size if size >= 1_000.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// The rows of one kind of work; ratios are of each contestant to the last one.
pub(crate) fn text(title: &str, figures: &[Figure], contestants: &[Contestant]) -> String {
    let Some((ours, _)) = contestants.split_last() else { return String::new() };
    let mut text = format!(
        "{title}\n{:<26} {:<14} {:>26} {:>7}  {}\n",
        "",
        "",
        "median [least..most]",
        "rounds",
        format_args!("times {}'s", ours.name)
    );
    for &figure in figures {
        for contestant in contestants {
            let good = contestant.good(figure);
            if good.is_empty() && contestant.rounds.iter().all(|round| round.void.is_none()) {
                continue;
            }
            let compared = if contestant.name == ours.name { String::new() } else { verdict(ours, contestant, figure).text() };
            let rounds = format!("{}/{}", good.len(), contestant.rounds.len());
            let line = format!("{:<26} {:<14} {:>26} {rounds:>7}  {compared}", figure.title, contestant.name, spread_text(&good));
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    for contestant in contestants {
        for (number, why) in contestant.rounds.iter().enumerate().filter_map(|(number, round)| Some((number, round.void.as_ref()?))) {
            text.push_str(&format!("void: round {} of {}: {why}\n", number + 1, contestant.name));
        }
    }
    text
}

/// The same as JSON, every round included.
pub(crate) fn json(title: &str, figures: &[Figure], contestants: &[Contestant]) -> Value {
    let each = contestants.iter().map(|contestant| {
        let rounds: Vec<Value> = contestant.rounds.iter().map(|round| json!({"values": round.values, "void": round.void})).collect();
        let verdicts: serde_json::Map<String, Value> = match contestants.last().filter(|ours| ours.name != contestant.name) {
            None => serde_json::Map::new(),
            Some(ours) => figures.iter().map(|&figure| (figure.name.to_owned(), verdict(ours, contestant, figure).json())).collect(),
        };
        json!({"name": contestant.name, "rounds": rounds, "compared": verdicts})
    });
    json!({"work": title, "contestants": each.collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::{Contestant, Figure, Round, Verdict, json, text, verdict};

    const COST: Figure = Figure { name: "cost", title: "CPU us/request" };

    fn contestant(name: &str, costs: &[f64]) -> Contestant {
        let round = |&cost: &f64| Round { values: [("cost", cost)].into(), void: None };
        Contestant { name: name.to_owned(), rounds: costs.iter().map(round).collect() }
    }

    #[test]
    fn a_verdict_needs_rounds_and_a_difference() {
        let ours = contestant("ours", &[10.0, 11.0, 10.0, 12.0, 10.0, 11.0]);
        let twice = contestant("twice", &[20.0, 22.0, 20.0, 24.0, 20.0, 22.0]);
        match verdict(&ours, &twice, COST) {
            Verdict::Times(found) => assert_eq!((found.median, found.low, found.high), (2.0, 2.0, 2.0)),
            none => panic!("{none:?}"),
        }
        let same = contestant("same", &[11.0, 10.0, 10.5, 11.0, 10.5, 10.8]);
        assert!(matches!(verdict(&ours, &same, COST), Verdict::None(why, Some(_)) if why.contains("noise")));
        let mut few = twice.clone();
        few.rounds[0].void = Some("cut".to_owned());
        few.rounds[1].values.clear();
        assert!(matches!(verdict(&ours, &few, COST), Verdict::None(why, None) if why.contains("4 rounds")));
    }

    #[test]
    fn the_table_says_what_is_void() {
        let mut ours = contestant("ours", &[10.0; 6]);
        ours.rounds[2].void = Some("2 cut".to_owned());
        let all = [contestant("peer", &[15.0; 6]), ours];
        let table = text("work", &[COST], &all);
        assert!(table.contains("1.50 [1.50..1.50]") && table.contains("times ours's"), "{table}");
        assert!(table.contains("void: round 3 of ours: 2 cut") && table.contains("5/6"), "{table}");
        let value = json("work", &[COST], &all);
        assert_eq!(value["contestants"][0]["compared"]["cost"]["times"]["median"], 1.5);
        assert_eq!(value["contestants"][1]["rounds"][2]["void"], "2 cut");
    }
}
