//! What a request would come to when some of those that it may be sent to fail.
//!
//! The gateway's own exchange runs over the compiled policy, in virtual time, on a blank board: no
//! breaker is open and nothing is left alone when it begins. Who does not fail answers at once, so that
//! every millisecond that is told is one that a failure or the policy costs. Random draws come out in
//! the middle, so that the same question has the same answer.

use super::{
    failure::{Blow, Failures},
    resorts,
};
use crate::time;
use engine::{
    Board, Moment, Prepared,
    breaker::State,
    exchange::{Attempt, Exchange, Next, Own, Skip, Surrender, trail},
    failover,
    moment::NS_PER_MS,
};
use policy::{Class, Model, TargetId, limits};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Steps of an exchange: attempts that count, the one that may not, two waits for each, and the end.
const STEPS_MAX: usize = 4 * (limits::ATTEMPTS_MAX + 2);
/// Every random draw: jitter and picks in the middle of their range.
const MIDDLE: u64 = u64::MAX / 2;

/// The whole course of a request.
#[derive(Debug)]
pub(super) struct Course {
    steps: Vec<Step>,
    skipped: Vec<(String, String)>,
    end: End,
    took_ms: u64,
}

#[derive(Debug)]
enum Step {
    Attempt(Attempted),
    Wait { at_ms: u64, for_ms: u64 },
}

#[derive(Debug)]
struct Attempted {
    at_ms: u64,
    target: String,
    /// Which credential of how many, from 1.
    key: Option<(usize, usize)>,
    manner: &'static str,
    came: Option<Failed>,
}

#[derive(Debug)]
struct Failed {
    after_ms: u64,
    class: Class,
    detail: &'static str,
    status: Option<u16>,
    fault: &'static str,
    counts: bool,
    /// It was the pool's accident, and is no attempt of the policy's.
    stale: bool,
    committed: bool,
    /// What is left alone, and for how long in milliseconds.
    rest: Option<(&'static str, u64)>,
    /// The breaker opened by it, for so long in milliseconds.
    opened_ms: Option<u64>,
}

#[derive(Debug)]
enum End {
    Answered {
        target: String,
        headers: Vec<(&'static str, String)>,
    },
    Relayed {
        status: u16,
        class: Class,
    },
    Refused {
        own: Box<Own>,
        /// What is said in its place.
        instead: Vec<String>,
    },
    Cut,
}

/// Plays a request that was decided on `board` at its beginning.
pub(super) fn play(prepared: &Prepared, board: &Board, mut exchange: Exchange, model: &str, failures: &Failures) -> Course {
    let mut now = exchange.started();
    let began = now;
    let mut steps = Vec::new();
    for _ in 0..STEPS_MAX {
        match exchange.next(prepared, board, now, &mut || MIDDLE) {
            Next::Wait(until) => {
                steps.push(Step::Wait { at_ms: ms(began, now), for_ms: ms(now, until) });
                now = until;
            }
            // Nobody has told it that its prompt may be made to fit.
            Next::Summarise(_) => {}
            Next::Attempt(attempt) => {
                let blow = failures.blow(prepared, &attempt, model, exchange.is_stream(), now);
                let at_ms = ms(began, now);
                let ended = match blow {
                    None => {
                        exchange.succeeded(board, prepared, attempt.index, Some(0), now);
                        Some(answered(prepared, &exchange, &attempt, model))
                    }
                    Some(_) => None,
                };
                let came = blow.map(|blow| {
                    let failed = fail(prepared, board, &mut exchange, &attempt, blow, now);
                    now = blow.at;
                    failed
                });
                steps.push(Step::Attempt(attempted(prepared, &exchange, &attempt, model, at_ms, came)));
                if let Some(end) = ended {
                    return Course { steps, skipped: skipped(prepared, &exchange, &end), end, took_ms: ms(began, now) };
                }
            }
            Next::Surrender(surrender) => {
                let end = surrendered(prepared, &exchange, surrender);
                let course = Course { steps, skipped: skipped(prepared, &exchange, &end), end, took_ms: ms(began, now) };
                exchange.abandoned(board, prepared, now);
                return course;
            }
        }
    }
    unreachable!("attempts and waits are bounded, so an exchange ends")
}

fn ms(from: Moment, to: Moment) -> u64 {
    to.since(from) / NS_PER_MS
}

fn fail(prepared: &Prepared, board: &Board, exchange: &mut Exchange, attempt: &Attempt, blow: Blow, now: Moment) -> Failed {
    let Blow { verdict, at, after_first_token } = blow;
    if after_first_token {
        exchange.first_token(prepared, board, attempt.index, now);
        exchange.commit();
    }
    let seat = &board.target(attempt.target).breaker;
    let before = seat.state().0;
    exchange.concluded(board, prepared, attempt.index, verdict, at);
    let stale = exchange.trail()[attempt.index].end == trail::End::Stale;
    let (state, until) = seat.state();
    let opened_ms = (before != State::Open && state == State::Open).then(|| ms(at, until));
    Failed {
        after_ms: ms(now, at),
        class: verdict.class,
        detail: verdict.detail,
        status: verdict.status,
        fault: verdict.fault.word(),
        // The second stale connection in a row counts as what it is.
        counts: verdict.counts_for_breaker || (verdict.fresh && !stale),
        stale,
        committed: after_first_token,
        rest: rested(prepared, board, attempt, at),
        opened_ms,
    }
}

/// What is left alone now that was not before: each target and credential is looked at as it fails.
fn rested(prepared: &Prepared, board: &Board, attempt: &Attempt, at: Moment) -> Option<(&'static str, u64)> {
    let key = attempt.key.and_then(|key| board.key_pause(key, at));
    let several = prepared.providers[attempt.provider].keys.len() > 1;
    let told = |word: &'static str| move |pause: engine::board::Pause| (word, pause.ms_left(at));
    let denied = || attempt.key.and_then(|key| board.key_refused(key, attempt.target, at)).map(told("this key for this target"));
    key.map(told(if several { "this key" } else { "its only key" }))
        .or_else(denied)
        .or_else(|| board.target(attempt.target).paused(at).map(told("the target")))
}

fn attempted(prepared: &Prepared, exchange: &Exchange, attempt: &Attempt, model: &str, at_ms: u64, came: Option<Failed>) -> Attempted {
    let keys = &prepared.providers[attempt.provider].keys;
    let place = attempt.key.and_then(|key| keys.iter().position(|known| known.id == key));
    let trail = &exchange.trail()[attempt.index];
    Attempted {
        at_ms,
        target: match prepared.targets[attempt.target].model {
            Model::Named(_) => named(prepared, attempt.target).to_owned(),
            Model::Rest => {
                format!("{} for `{}`", named(prepared, attempt.target), prepared.model_for(attempt.target, model).unwrap_or_default())
            }
        },
        key: place.map(|place| (place + 1, keys.len())),
        manner: match (trail.probe, trail.forced, trail.fresh) {
            (true, _, _) => "probe",
            (_, true, _) => "in spite of its breaker",
            (_, _, true) => "on a fresh connection",
            _ => "",
        },
        came,
    }
}

fn named(prepared: &Prepared, target: TargetId) -> &str {
    &prepared.targets[target].name
}

fn answered(prepared: &Prepared, exchange: &Exchange, attempt: &Attempt, model: &str) -> End {
    let mut headers = vec![
        ("x-throwover-provider", prepared.providers[attempt.provider].name.clone()),
        ("x-throwover-model", prepared.model_for(attempt.target, model).unwrap_or_default().to_owned()),
        ("x-throwover-attempts", exchange.attempts_made().to_string()),
    ];
    let fallback = exchange.fallback();
    headers.extend(fallback.map(|fallback| ("x-throwover-fallback-reason", fallback.trigger.word().to_owned())));
    End::Answered { target: named(prepared, attempt.target).to_owned(), headers }
}

fn surrendered(prepared: &Prepared, exchange: &Exchange, surrender: Surrender) -> End {
    match surrender {
        Surrender::Own(own) => {
            let chain = &prepared.chains[exchange.chain()];
            let instead = if own.is_mistake() { Vec::new() } else { resorts::of(chain) };
            End::Refused { own, instead }
        }
        Surrender::Cut => End::Cut,
        Surrender::Relay { attempt_index } => {
            let trail = &exchange.trail()[attempt_index];
            let class = match trail.end {
                trail::End::Failed(class) => class,
                _ => Class::InvalidRequest,
            };
            // Who was not asked in words that it understands has given no status; the gateway says 400 then.
            End::Relayed { status: if trail.status == 0 { 400 } else { trail.status }, class }
        }
    }
}

/// Who was not asked, and why.
fn skipped(prepared: &Prepared, exchange: &Exchange, end: &End) -> Vec<(String, String)> {
    let asked = |target: TargetId| (0..exchange.trail().len()).any(|index| exchange.target(index) == target);
    let candidates = exchange.candidates().iter().filter(|candidate| !asked(candidate.target));
    let why = |skip: Option<Skip>, target: TargetId| match (skip, &prepared.targets[target].disabled) {
        (None, _) if matches!(end, End::Answered { .. }) => "no need".to_owned(),
        (None, _) => "nothing may follow that failure".to_owned(),
        (Some(Skip::Disabled), Some(reason)) => reason.clone(),
        (Some(Skip::Lacks(needs)), _) => format!("lacks {needs}"),
        (Some(skip @ (Skip::Paused { for_ms } | Skip::KeyLimit { for_ms } | Skip::BreakerOpen { for_ms } | Skip::Spent { for_ms })), _) => {
            format!("{} for {}", skip.word(), time::words(u64::from(for_ms)))
        }
        (Some(skip), _) => skip.word().to_owned(),
    };
    candidates.map(|candidate| (named(prepared, candidate.target).to_owned(), why(candidate.skip(), candidate.target))).collect()
}

impl Course {
    /// For people.
    pub(super) fn text(&self) -> String {
        let mut out =
            String::from("rehearsal from a blank state; who does not fail answers at once, and random draws come out in the middle\n");
        for step in &self.steps {
            step.text(&mut out);
        }
        for (target, why) in &self.skipped {
            writeln!(out, "{:>9}  {target} is not asked: {why}", "").expect("a String grows");
        }
        let end = self.end.text(self.took_ms);
        out.push_str(&end);
        out
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let steps: Vec<Value> = self.steps.iter().map(Step::json).collect();
        let skipped: Vec<Value> = self.skipped.iter().map(|(target, why)| json!({"target": target, "why": why})).collect();
        json!({"steps": steps, "not_asked": skipped, "end": self.end.json(), "took_ms": self.took_ms})
    }
}

impl Step {
    fn text(&self, out: &mut String) {
        let written = match self {
            Step::Wait { at_ms, for_ms } => writeln!(out, "{at_ms:>6} ms  waits {}", time::words(*for_ms)),
            Step::Attempt(attempted) => {
                let mut line = format!("{:>6} ms  asks {}", attempted.at_ms, attempted.target);
                if let Some((place, of)) = attempted.key {
                    line.push_str(&format!(" with key {place} of {of}"));
                }
                if !attempted.manner.is_empty() {
                    line.push_str(&format!(" ({})", attempted.manner));
                }
                let came = attempted.came.as_ref().map_or("it answers".to_owned(), Failed::text);
                writeln!(out, "{line}\n{:>9}  {came}", "")
            }
        };
        written.expect("a String grows");
    }

    fn json(&self) -> Value {
        match self {
            Step::Wait { at_ms, for_ms } => json!({"step": "wait", "at_ms": at_ms, "for_ms": for_ms}),
            Step::Attempt(Attempted { at_ms, target, key, manner, came }) => {
                let failed = came.as_ref().map(Failed::json);
                json!({"step": "attempt", "at_ms": at_ms, "target": target, "key": key.map(|(place, _)| place),
                    "keys": key.map(|(_, of)| of), "manner": manner, "failed": failed})
            }
        }
    }
}

impl Failed {
    fn text(&self) -> String {
        let mut line = if self.committed { "begins to answer, then ".to_owned() } else { String::new() };
        line.push_str(self.class.word());
        match self.status {
            Some(status) => line.push_str(&format!(" ({status}, {})", self.detail)),
            None => line.push_str(&format!(" ({})", self.detail)),
        }
        if self.after_ms > 0 {
            line.push_str(&format!(" after {}", time::words(self.after_ms)));
        }
        line.push_str(&format!(", the fault is the {}'s", self.fault));
        line.push_str(match (self.opened_ms.is_some(), self.counts) {
            (true, _) => "; ",
            (false, true) => "; its breaker counts it",
            (false, false) => "; its breaker does not count it",
        });
        if self.stale {
            line.push_str(", and the policy does not count the attempt");
        }
        if let Some(ms) = self.opened_ms {
            line.push_str(&format!("its breaker opens for {}", time::words(ms)));
        }
        if let Some((what, ms)) = self.rest {
            line.push_str(&format!("; {what} is left alone for {}", time::words(ms)));
        }
        line
    }

    fn json(&self) -> Value {
        let (what, ms) = self.rest.unzip();
        json!({"class": self.class.word(), "detail": self.detail, "status": self.status, "fault": self.fault, "after_ms": self.after_ms,
            "breaker_counts": self.counts, "breaker_opens_ms": self.opened_ms, "stale": self.stale, "after_first_token": self.committed,
            "left_alone": what, "left_alone_ms": ms, "why": failover::row(self.class).why})
    }
}

impl End {
    fn text(&self, took_ms: u64) -> String {
        let after = time::words(took_ms);
        match self {
            End::Answered { target, headers } => {
                let headers: String = headers.iter().map(|(name, value)| format!("          {name}: {value}\n")).collect();
                format!("answered  by {target} after {after} and its own time to answer\n{headers}")
            }
            End::Relayed { status, class } => {
                format!(
                    "error     {status} after {after}: the provider's own answer is passed on ({})\n          x-should-retry: false\n",
                    class.word()
                )
            }
            End::Cut => format!(
                "error     after {after}: the stream that began ends with an error event (stream_cut), and is not ended as if it were whole\n"
            ),
            End::Refused { own, instead } => {
                let mut text = format!("error     {} ({}) after {after}: {}\n", own.status, own.code, own.message.as_str());
                text.push_str(&format!("          x-throwover-fault: {}\n", own.fault.word()));
                if !own.should_retry {
                    text.push_str("          x-should-retry: false\n");
                }
                if let Some(ms) = own.retry_after_ms {
                    text.push_str(&format!("          retry-after: {}\n", ms.div_ceil(1_000).max(1)));
                }
                text.push_str(&resorts::text(instead));
                text
            }
        }
    }

    fn json(&self) -> Value {
        match self {
            End::Answered { target, headers } => {
                let headers: serde_json::Map<String, Value> =
                    headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
                json!({"outcome": "answered", "target": target, "headers": headers})
            }
            End::Relayed { status, class } => json!({"outcome": "relayed", "status": status, "class": class.word()}),
            End::Cut => json!({"outcome": "cut", "code": "stream_cut"}),
            End::Refused { own, instead } => {
                json!({"outcome": "error", "status": own.status, "code": own.code, "message": own.message.as_str(),
                "retry_after_ms": own.retry_after_ms, "should_retry": own.should_retry, "fault": own.fault.word(), "instead": instead})
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
