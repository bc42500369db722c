//! What a provider does with an attempt: by the hour of the month, and by luck.

use super::{
    dice::Dice,
    incidents::{Kind, Month},
};

/// A provider that is well fails so often, in thousandths.
const FAILS_PERMILLE: u64 = 1;
const ERRORS_PERMILLE: u64 = 300;
const LIMITED_PERMILLE: u64 = 800;
const SLOWER: f64 = 10.0;
/// How long an error takes to come, in milliseconds.
const ERROR_MS: (f64, f64) = (150.0, 600.0);
const REFUSED_MS: f64 = 30.0;
/// From the first token to the end of the answer, in milliseconds.
const ANSWER_MS: (f64, f64) = (4_000.0, 15_000.0);
const Z90: f64 = 1.281_551_565_544_6;
/// What a Retry-After says, in seconds.
const RETRY_AFTER_S: [u64; 4] = [1, 5, 10, 30];

/// What comes of an attempt, and after how many milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fate {
    /// The first token, and then the rest of the answer.
    Answers { first_token_ms: f64, rest_ms: f64 },
    /// An error answer.
    Status { status: u16, retry_after_ms: Option<u64>, after_ms: f64 },
    /// The connection is refused.
    Refused { after_ms: f64 },
    /// Nothing, ever.
    Silence,
}

/// The providers of a month.
#[derive(Debug)]
pub(super) struct World<'m> {
    pub(super) month: &'m Month,
    seed: u64,
    /// By provider, in order: from, to, kind.
    ill: Vec<Vec<(u64, u64, Kind)>>,
}

impl World<'_> {
    pub(super) fn new(month: &Month, seed: u64) -> World<'_> {
        let own = |name: &str| {
            let incidents = month.incidents.iter().filter(|incident| incident.provider == name);
            let mut own: Vec<_> = incidents.map(|incident| (incident.from_s * 1_000, incident.to_s * 1_000, incident.kind)).collect();
            own.sort_by_key(|(from_ms, ..)| *from_ms);
            own
        };
        World { month, seed, ill: month.providers.iter().map(|provider| own(&provider.name)).collect() }
    }

    /// How a provider is ill at a moment of the month.
    pub(super) fn ill(&self, provider: usize, at_ms: u64) -> Option<Kind> {
        let incidents = &self.ill[provider];
        let begun = incidents.partition_point(|(from_ms, ..)| *from_ms <= at_ms);
        incidents[..begun].last().filter(|(_, to_ms, _)| at_ms < *to_ms).map(|(_, _, kind)| *kind)
    }

    /// What comes of the `attempt`th time that a provider is asked for this request.
    pub(super) fn fate(&self, provider: usize, request: u64, attempt: u64, at_ms: u64) -> Fate {
        let mut dice = Dice::of(&[self.seed, provider as u64, request, attempt]);
        let (low, high) = ERROR_MS;
        let error_ms = dice.log_normal(low, high, Z90);
        let rest_ms = dice.log_normal(ANSWER_MS.0, ANSWER_MS.1, Z90);
        let who = &self.month.providers[provider];
        let well_ms = dice.log_normal(f64::from(who.first_token_p50_ms), f64::from(who.first_token_p90_ms), Z90);
        let answers = Fate::Answers { first_token_ms: well_ms, rest_ms };
        let fails = |dice: &mut Dice| Fate::Status { status: dice.among(&[500, 502, 503, 529]), retry_after_ms: None, after_ms: error_ms };
        match self.ill(provider, at_ms) {
            None if dice.chance(FAILS_PERMILLE) => fails(&mut dice),
            None => answers,
            Some(Kind::Outage) if dice.chance(500) => Fate::Refused { after_ms: REFUSED_MS },
            Some(Kind::Outage) => Fate::Status { status: 503, retry_after_ms: None, after_ms: error_ms },
            Some(Kind::Errors) if dice.chance(ERRORS_PERMILLE) => fails(&mut dice),
            Some(Kind::Errors) => answers,
            Some(Kind::Slow) => Fate::Answers { first_token_ms: well_ms * SLOWER, rest_ms },
            Some(Kind::RateLimited) if dice.chance(LIMITED_PERMILLE) => {
                let retry_after_ms = Some(dice.among(&RETRY_AFTER_S) * 1_000);
                Fate::Status { status: 429, retry_after_ms, after_ms: error_ms }
            }
            Some(Kind::RateLimited) => answers,
            Some(Kind::Silent) => Fate::Silence,
        }
    }
}
