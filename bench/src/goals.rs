//! Goals, and whether rounds show that they are met.

use crate::{
    bootstrap::{self, Estimate, SAMPLES_MIN},
    figures::{self, Contestant, Figure},
};
use serde_json::{Value, json};

/// Which side of a ratio is wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// What rounds say of a goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Met,
    Missed,
    /// The interval holds the bound.
    Undecided,
}

impl Bound {
    /// Only an interval that lies on one side decides.
    pub(crate) fn judge(self, found: &Estimate) -> Said {
        let (met, missed) = match self {
            Bound::AtMost(bound) => (found.high <= bound, found.low > bound),
            Bound::AtLeast(bound) => (found.low >= bound, found.high < bound),
        };
        match (met, missed) {
            (true, _) => Said::Met,
            (_, true) => Said::Missed,
            _ => Said::Undecided,
        }
    }

    fn words(self) -> String {
        match self {
            Bound::AtMost(bound) => format!("at most {bound}"),
            Bound::AtLeast(bound) => format!("at least {bound}"),
        }
    }
}

impl Said {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Said::Met => "met",
            Said::Missed => "missed",
            Said::Undecided => "undecided, the interval holds it",
        }
    }
}

/// A figure as a multiple of another contestant's, as it is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Goal {
    pub(crate) figure: Figure,
    pub(crate) than: &'static str,
    pub(crate) bound: Bound,
}

/// What the rounds say of it, in a line and as JSON; nothing when the other one did not take part.
pub(crate) fn told(goal: Goal, ours: &Contestant, all: &[Contestant]) -> Option<(String, Value)> {
    let theirs = all.iter().find(|contestant| contestant.name == goal.than)?;
    let ratios: Vec<f64> = figures::ratios(ours, theirs, goal.figure).into_iter().map(|ratio| ratio.recip()).collect();
    let what = format!("goal: {} of {}, {} times {}'s", goal.figure.title, ours.name, goal.bound.words(), theirs.name);
    let found = bootstrap::of_median(&ratios).filter(|_| ratios.len() >= SAMPLES_MIN);
    let (line, said) = match &found {
        None => (format!("{what}: no verdict, {} rounds count for both and {SAMPLES_MIN} are needed\n", ratios.len()), None),
        Some(found) => {
            let said = goal.bound.judge(found).word();
            (format!("{what}: {said}, {:.2} [{:.2}..{:.2}]\n", found.median, found.low, found.high), Some(said))
        }
    };
    let ratio = found.map(|found| json!({"median": found.median, "low": found.low, "high": found.high}));
    let value = json!({
        "figure": goal.figure.name, "of": ours.name, "than": theirs.name, "bound": goal.bound.words(), "times": ratio, "said": said,
    });
    Some((line, value))
}

#[cfg(test)]
mod tests {
    use super::{Bound, Goal, Said, told};
    use crate::{
        bootstrap::Estimate,
        figures::{Contestant, Figure, Round},
    };

    const SPEED: Figure = Figure { name: "speed", title: "answers/s" };

    fn contestant(name: &str, values: &[f64]) -> Contestant {
        let rounds = values.iter().map(|&value| Round { values: [(SPEED.name, value)].into(), void: None }).collect();
        Contestant { name: name.to_owned(), rounds }
    }

    #[test]
    fn only_an_interval_on_one_side_decides() {
        let judge = |bound: Bound, low: f64, high: f64| bound.judge(&Estimate { median: f64::midpoint(low, high), low, high });
        assert_eq!(judge(Bound::AtMost(0.6), 0.5, 0.6), Said::Met);
        assert_eq!(judge(Bound::AtMost(0.6), 0.5, 0.61), Said::Undecided);
        assert_eq!(judge(Bound::AtMost(0.6), 0.61, 0.7), Said::Missed);
        assert_eq!(judge(Bound::AtLeast(1.4), 1.4, 1.5), Said::Met);
        assert_eq!(judge(Bound::AtLeast(1.4), 1.3, 1.5), Said::Undecided);
        assert_eq!(judge(Bound::AtLeast(1.4), 1.2, 1.39), Said::Missed);
    }

    #[test]
    fn a_goal_is_ours_by_theirs() {
        let goal = Goal { figure: SPEED, than: "nginx", bound: Bound::AtLeast(1.4) };
        let (ours, nginx) = (contestant("ours", &[150.0; 5]), contestant("nginx", &[100.0; 5]));
        let (line, value) = told(goal, &ours, &[nginx.clone(), ours.clone()]).expect("nginx took part");
        assert!(line.contains("met, 1.50 [1.50..1.50]"), "{line}");
        assert_eq!(value["said"], "met");
        let few = contestant("ours", &[150.0; 4]);
        let (line, value) = told(goal, &few, &[nginx]).expect("nginx took part");
        assert!(line.contains("no verdict, 4 rounds"), "{line}");
        assert!(value["said"].is_null());
        assert!(told(goal, &ours, &[]).is_none());
    }
}
