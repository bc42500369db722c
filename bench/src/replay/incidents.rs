//! A month of incidents: who was ill, when and how.

use super::dice::Dice;
use serde::{Deserialize, Serialize};

/// Seconds of a day.
pub(super) const DAY_S: u64 = 86_400;
/// The month that the repository holds.
pub(super) const SEED: u64 = 30;

/// What the file says of itself.
const ABOUT: &[&str] = &[
    "Made up, by `throwover-bench incidents --seed 30`: no provider had these incidents.",
    "How often and how long they are is drawn to look like what status pages of 2023 and 2024 told of two large providers:",
    "5.64 and 5.22 days between incidents on the mean (the unit is inferred), half of them shorter than 72 and 41 minutes, one in ten longer than 299 and 251.",
    "The other two providers, the mix of kinds and the incident that two of them share are our own choice, and so are the times to first token.",
];
/// A normal draw is below this nine times in ten.
const Z90: f64 = 1.281_551_565_544_6;
/// What incidents are like, and how many in twenty.
const MIX: [(Kind, u64); 5] = [(Kind::Outage, 5), (Kind::Errors, 7), (Kind::Slow, 4), (Kind::RateLimited, 2), (Kind::Silent, 2)];
/// No incident is shorter, or longer.
const LENGTH_S: (f64, f64) = (120.0, 86_400.0);

/// A month.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Month {
    pub(super) about: Vec<String>,
    pub(super) days: u32,
    pub(super) providers: Vec<Provider>,
    pub(super) incidents: Vec<Incident>,
}

/// Who answers, and how fast while it is well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Provider {
    pub(super) name: String,
    /// Time to first token: half are quicker …
    pub(super) first_token_p50_ms: u32,
    /// … and nine in ten are quicker than this.
    pub(super) first_token_p90_ms: u32,
}

/// One incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Incident {
    pub(super) provider: String,
    /// In seconds since the month began. `from_s < to_s`
    pub(super) from_s: u64,
    pub(super) to_s: u64,
    pub(super) kind: Kind,
}

/// How a provider is ill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// It refuses connections, or says 503 to whatever it is asked.
    Outage,
    /// Three in ten requests fail with a status of 500 and above.
    Errors,
    /// The first token takes ten times as long.
    Slow,
    /// Eight in ten are told 429, and when to come back.
    RateLimited,
    /// It takes requests and says nothing.
    Silent,
}

impl Kind {
    /// The word that files and tables use.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Kind::Outage => "outage",
            Kind::Errors => "errors",
            Kind::Slow => "slow",
            Kind::RateLimited => "rate_limited",
            Kind::Silent => "silent",
        }
    }

    /// Nobody is answered.
    pub(super) const fn is_down(self) -> bool {
        matches!(self, Kind::Outage | Kind::Silent)
    }
}

/// How often and how long a provider is ill.
struct Habit {
    name: &'static str,
    first_token_ms: (u32, u32),
    between_days: f64,
    length_min: (f64, f64),
}

const HABITS: [Habit; 4] = [
    Habit { name: "north", first_token_ms: (480, 1_300), between_days: 5.64, length_min: (72.0, 299.0) },
    Habit { name: "east", first_token_ms: (620, 1_500), between_days: 5.22, length_min: (41.0, 251.0) },
    Habit { name: "south", first_token_ms: (350, 1_100), between_days: 4.0, length_min: (50.0, 270.0) },
    Habit { name: "west", first_token_ms: (800, 2_400), between_days: 3.0, length_min: (35.0, 240.0) },
];

impl Month {
    /// Thirty days, by a seed.
    pub(super) fn made_up(seed: u64) -> Month {
        let mut month =
            Month { about: ABOUT.iter().map(|line| (*line).to_owned()).collect(), days: 30, providers: vec![], incidents: vec![] };
        let end_s = u64::from(month.days) * DAY_S;
        for (number, habit) in HABITS.iter().enumerate() {
            let (first_token_p50_ms, first_token_p90_ms) = habit.first_token_ms;
            month.providers.push(Provider { name: habit.name.to_owned(), first_token_p50_ms, first_token_p90_ms });
            let mut dice = Dice::of(&[seed, number as u64]);
            let mut at_s = 0;
            loop {
                at_s += dice.exponential(habit.between_days * DAY_S as f64) as u64;
                let length = dice.log_normal(habit.length_min.0 * 60.0, habit.length_min.1 * 60.0, Z90).clamp(LENGTH_S.0, LENGTH_S.1);
                let to_s = at_s + length as u64;
                if to_s >= end_s {
                    break;
                }
                month.incidents.push(Incident { provider: habit.name.to_owned(), from_s: at_s, to_s, kind: kind(&mut dice) });
                at_s = to_s;
            }
        }
        month.share(seed, end_s);
        month.incidents.sort_by(|one, two| one.from_s.cmp(&two.from_s).then_with(|| one.provider.cmp(&two.provider)));
        month
    }

    /// Something that two providers lean on breaks: both are out, the second a few minutes later.
    fn share(&mut self, seed: u64, end_s: u64) {
        let mut dice = Dice::of(&[seed, u64::MAX]);
        let (one, two) = (&HABITS[0].name, &HABITS[1].name);
        // A day on which neither is ill already; there is one unless the habits are changed beyond reason.
        for _ in 0..1_000 {
            let from_s = dice.roll() % (end_s - DAY_S);
            let length_s =
                dice.log_normal(HABITS[1].length_min.0 * 60.0, HABITS[1].length_min.1 * 60.0, Z90).clamp(1_800.0, 14_400.0) as u64;
            let both = [(one, from_s, from_s + length_s), (two, from_s + 420, from_s + length_s * 3 / 4)];
            let busy = |incident: &Incident| {
                both.iter().any(|(name, ..)| incident.provider == **name) && incident.from_s < from_s + DAY_S && incident.to_s > from_s
            };
            if !self.incidents.iter().any(busy) {
                self.incidents.extend(both.map(|(name, from_s, to_s)| Incident {
                    provider: (*name).to_owned(),
                    from_s,
                    to_s,
                    kind: Kind::Outage,
                }));
                return;
            }
        }
    }

    /// The file: readable, one incident on a line.
    pub(super) fn text(&self) -> String {
        format!(
            "{{\n  \"about\": [\n{}\n  ],\n  \"days\": {},\n  \"providers\": [\n{}\n  ],\n  \"incidents\": [\n{}\n  ]\n}}\n",
            lines(&self.about),
            self.days,
            lines(&self.providers),
            lines(&self.incidents)
        )
    }

    /// Reads a file.
    ///
    /// # Errors
    /// In words, what is wrong with it.
    pub(super) fn read(text: &str) -> Result<Month, String> {
        let month: Month = serde_json::from_str(text).map_err(|error| format!("the incidents cannot be read: {error}"))?;
        if !(1..=366).contains(&month.days) || !(1..=16).contains(&month.providers.len()) {
            return Err("a month has 1 to 366 days and 1 to 16 providers".to_owned());
        }
        for provider in &month.providers {
            if provider.first_token_p50_ms == 0 || provider.first_token_p90_ms <= provider.first_token_p50_ms {
                return Err(format!("the times to first token of {} are not 0 < p50 < p90", provider.name));
            }
            let mut own: Vec<&Incident> = month.incidents.iter().filter(|incident| incident.provider == provider.name).collect();
            own.sort_by_key(|incident| incident.from_s);
            if own.windows(2).any(|pair| pair[1].from_s < pair[0].to_s) {
                return Err(format!("two incidents of {} overlap: say one that holds both", provider.name));
            }
        }
        for incident in &month.incidents {
            if !month.providers.iter().any(|provider| provider.name == incident.provider) {
                return Err(format!("there is no provider `{}`", incident.provider));
            }
            if incident.from_s >= incident.to_s {
                return Err(format!("an incident of {} ends at {} s, before it begins", incident.provider, incident.to_s));
            }
        }
        Ok(month)
    }
}

/// Values of JSON, one on a line.
fn lines<T: Serialize>(values: &[T]) -> String {
    let text = |value: &T| serde_json::to_string(value).expect("names and numbers have a JSON form");
    values.iter().map(|value| format!("    {}", text(value))).collect::<Vec<_>>().join(",\n")
}

fn kind(dice: &mut Dice) -> Kind {
    let mut point = dice.roll() % MIX.iter().map(|(_, share)| share).sum::<u64>();
    for (kind, share) in MIX {
        if point < share {
            return kind;
        }
        point -= share;
    }
    Kind::Outage
}

#[cfg(test)]
mod tests;
