//! How targets are looked after apart from requests, and what is said of those that are found unwell.
//!
//! The control plane observes and the data plane heeds: checks travel in the image only so that they
//! come back with a rollback, and nothing in the data plane reads them.

use serde::{Deserialize, Serialize};

/// Why a target is asked only when no other can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Degradation {
    /// It answered with a status that is none of success.
    HttpError,
    /// It answered later than it should.
    HighLatency,
    /// It did not say what was expected.
    WrongAnswer,
    /// It said what was expected, and was not sure of it.
    LowConfidence,
    /// It could not be reached, or sent what cannot be read.
    Exception,
    /// Its own figures say that it is full.
    Overloaded,
}

impl Degradation {
    /// Every reason, by its number.
    pub const ALL: &'static [Degradation] = &[
        Degradation::HttpError,
        Degradation::HighLatency,
        Degradation::WrongAnswer,
        Degradation::LowConfidence,
        Degradation::Exception,
        Degradation::Overloaded,
    ];

    /// The word that records and messages use.
    pub const fn word(self) -> &'static str {
        match self {
            Degradation::HttpError => "http_error",
            Degradation::HighLatency => "high_latency",
            Degradation::WrongAnswer => "wrong_answer",
            Degradation::LowConfidence => "low_confidence",
            Degradation::Exception => "exception",
            Degradation::Overloaded => "overloaded",
        }
    }
}

/// What the control plane has found out about a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// `provider/model`. A data plane that does not know it passes over it.
    pub target: String,
    /// Why it is asked only when no other can be.
    pub reason: Degradation,
    /// For so long, in milliseconds, and no longer than [`crate::limits::MARK_MS_MAX`]; 0 takes a mark back.
    pub for_ms: u64,
}

/// Something that is looked at again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What.
    pub what: What,
    /// How often, in milliseconds.
    pub every_ms: u64,
    /// An answer must be there after so long, in milliseconds.
    pub timeout_ms: u64,
    /// So many bad results in a row mark its targets. At least 1.
    pub failures: u32,
    /// So many good ones in a row take the mark back. At least 1.
    pub successes: u32,
}

/// What a check looks at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// A path of the provider's origin that answers with a status of success while all is well.
    Endpoint {
        /// From the origin on.
        path: String,
    },
    /// Figures that the provider publishes, in the text format of Prometheus or OpenMetrics.
    Metrics {
        /// Host and port of an exporter beside the provider, which is asked by plain HTTP; the provider's own
        /// origin where there is none.
        exporter: Option<(String, u16)>,
        /// From the origin on.
        path: String,
        /// What they must not say. At most [`crate::limits::RULES_MAX`].
        rules: Vec<Rule>,
    },
    /// A question whose answer is known.
    Canary(Canary),
}

/// What a figure must not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Name of the series, without labels.
    pub metric: String,
    /// What is made of several series of that name.
    pub of: Gather,
    /// Where it is too much, or too little.
    pub bound: Bound,
}

/// What is made of several series of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Gather {
    /// The largest of them counts.
    Max,
    /// The smallest.
    Min,
    /// All together.
    Sum,
}

/// Where a figure is too much, or too little; in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bound {
    /// It must not be above this.
    Above(i64),
    /// It must not be below this.
    Below(i64),
}

/// A question whose answer is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// The model that is asked, in the provider's words. Its target alone is marked.
    pub model: String,
    /// What it is asked.
    pub prompt: String,
    /// What it is to say.
    pub expected: Expected,
    /// An answer that took longer is a late one, in milliseconds.
    pub slow_ms: Option<u64>,
    /// Mean probability of the answer's tokens below which it was not sure, in thousandths. `<= 1000`.
    pub confidence_permille_min: Option<u32>,
    /// Most tokens of the answer.
    pub tokens_max: u32,
    /// What all of a day's answers may cost, in millionths of a US dollar.
    pub day_cost_max: u64,
    /// How often it is asked in a day at most.
    pub day_count_max: u64,
}

/// What a known answer is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expected {
    /// This text, but for blanks around it, a full stop at its end, and capitals.
    Text(String),
    /// A text in which this expression is found.
    Regex(String),
    /// JSON of this value, as a JSON text.
    Json(String),
}
