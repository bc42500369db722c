//! What the tenant is told when nothing is left to try: the most useful of the failures.

use super::{Candidate, End, Exchange, Skip, State};
use crate::{
    board::Board,
    failover::{self, Shown},
    judge::Fault,
    moment::Moment,
    prepared::Prepared,
    text::Text,
};
use policy::{Class, Model};
use std::fmt::Write;

/// What is said of a provider that has as many attempts as it may. A seat comes back with any answer,
/// and nobody knows when; a second is the shortest that `retry-after` can say.
const FULL_WAIT_MS: u64 = 1_000;

/// How an exchange ends without an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Surrender {
    /// Give the tenant the provider's own error answer of this attempt, once.
    Relay {
        /// Which: the last.
        attempt_index: usize,
    },
    /// Answer with an error of the gateway's own. Boxed: rare, and every request would move room for its text.
    Own(Box<Own>),
    /// The tenant has seen something already: end it with an error in the dialect.
    Cut,
}

/// An error answer of the gateway's own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Own {
    /// Status.
    pub status: u16,
    /// `error.code`.
    pub code: &'static str,
    /// `error.type`.
    pub kind: &'static str,
    /// `error.message`: targets and classes, never a secret.
    pub message: Text<384>,
    /// When asking again is worth it, in milliseconds; becomes `retry-after`.
    pub retry_after_ms: Option<u64>,
    /// Becomes `x-should-retry`.
    pub should_retry: bool,
    /// Whose fault it is.
    pub fault: Fault,
}

impl Own {
    /// True when the tenant has to ask for something else: nothing may stand in for an answer then. Who has no
    /// more than its share has only to wait.
    pub fn is_mistake(&self) -> bool {
        self.fault == Fault::Tenant && !self.should_retry
    }
}

/// Why one candidate gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reason {
    /// `None` for a breaker or a full provider: nothing was asked.
    class: Option<Class>,
    fault: Fault,
    /// Until it is worth to ask again, in milliseconds.
    wait_ms: Option<u64>,
}

pub(super) fn compose(exchange: &Exchange, prepared: &Prepared, board: &Board, now: Moment) -> Surrender {
    if exchange.state() == State::Cut {
        return Surrender::Cut;
    }
    let last = exchange.last_ended.map(usize::from);
    let held_up = last.is_some_and(|attempt_index| is_held_up(exchange, board, attempt_index, now));
    if let Some(attempt_index) = last
        && !held_up
        && relays(exchange, prepared, attempt_index)
    {
        return Surrender::Relay { attempt_index };
    }
    let mut sum = Sum::default();
    for at in 0..exchange.candidates().len() {
        if let Some(reason) = reason(exchange, prepared, board, at, now)
            // The smaller ones will never be of use.
            && !(held_up && reason.class == Some(Class::ContextWindow))
        {
            sum.add(reason);
        }
    }
    let ended_by = last.filter(|_| exchange.over).and_then(|at| failed(exchange.trail()[at].end));
    let late = now >= exchange.commit_by();
    if let Some(own) = none_fits(exchange, prepared).filter(|_| exchange.trail().is_empty() && sum.count == 0) {
        return Surrender::Own(Box::new(own));
    }
    let shown = match ended_by {
        _ if late => Shown { status: 504, code: "deadline_exceeded", kind: "server_error", should_retry: true },
        Some(class) => failover::row(class).shown,
        None => sum.shown(),
    };
    let told = matches!(shown.status, 429 | 503) && shown.should_retry;
    Surrender::Own(Box::new(Own {
        status: shown.status,
        code: shown.code,
        kind: shown.kind,
        message: message(exchange, prepared, late),
        retry_after_ms: sum.wait_ms.filter(|_| told && !sum.soon).map(|ms| ms.max(1)),
        should_retry: shown.should_retry,
        fault: sum.fault(),
    }))
}

/// No target can be told what is asked: the tenant has to ask for less, or for another model.
fn none_fits(exchange: &Exchange, prepared: &Prepared) -> Option<Own> {
    let skips = || exchange.candidates().iter().filter_map(|candidate| Some((candidate, candidate.skip()?)));
    let lacking = skips().find_map(|(_, skip)| if let Skip::Lacks(needs) = skip { needs.phrase() } else { None });
    let any = |one: Skip| skips().any(|(_, skip)| skip == one);
    let mut message = Text::new();
    let mut say = |part: std::fmt::Arguments<'_>| message.write_fmt(part).expect("a short text takes what fits and never fails");
    let code = match lacking {
        Some(phrase) => {
            say(format_args!("The request {phrase}, and no target of the chain can be told so"));
            "unsupported_by_targets"
        }
        None if any(Skip::TooLarge) => {
            say(format_args!("The request is larger than every model of the chain can read"));
            "context_length_exceeded"
        }
        None if any(Skip::OverKeyLimit) => {
            say(format_args!("The request has more tokens than the gateway's operator lets any credential use in a minute"));
            "request_too_large"
        }
        None if any(Skip::Unable) => {
            say(format_args!("No target of the chain has an answer to requests of this kind"));
            "unsupported_by_targets"
        }
        None if any(Skip::Dimensions) => {
            say(format_args!("No target of the chain is known to give vectors of the length that is wanted"));
            "unsupported_by_targets"
        }
        None => return None,
    };
    let mut separator = ": ";
    for (candidate, skip) in skips() {
        let name = &prepared.targets[candidate.target].name;
        match skip {
            Skip::Lacks(needs) => say(format_args!("{separator}{name} lacks {needs}")),
            other => say(format_args!("{separator}{name} {}", other.word())),
        }
        separator = "; ";
    }
    let (status, kind, fault) = match code {
        "request_too_large" => (429, "rate_limit_error", Fault::Operator),
        _ => (400, "invalid_request_error", Fault::Tenant),
    };
    Some(Own { status, code, kind, message, retry_after_ms: None, should_retry: false, fault })
}

/// The provider's answer is the tenant's business: its own mistake, or a model that it named.
fn relays(exchange: &Exchange, prepared: &Prepared, attempt_index: usize) -> bool {
    let Some(class) = failed(exchange.trail()[attempt_index].end) else { return false };
    if exchange.wants_template(prepared) {
        return false;
    }
    let named_by_tenant = prepared.targets[exchange.target(attempt_index)].model == Model::Rest;
    failover::row(class).fault == Fault::Tenant || (class == Class::ModelGone && named_by_tenant)
}

/// The prompt did not fit, and whoever may read more cannot be asked for the moment: that it is too long is not
/// the last word.
fn is_held_up(exchange: &Exchange, board: &Board, attempt_index: usize, now: Moment) -> bool {
    let passes = |other: &Candidate| match other.skip() {
        Some(Skip::BreakerOpen { .. } | Skip::Bulkhead | Skip::AtLimit | Skip::OverShare | Skip::RetryBudget | Skip::KeyLimit { .. }) => {
            true
        }
        // What only the operator can mend does not pass.
        Some(Skip::Paused { .. }) => {
            board.target(other.target).paused(now).is_none_or(|pause| failover::row(pause.class).fault != Fault::Operator)
        }
        _ => false,
    };
    exchange.trail()[attempt_index].end == End::Failed(Class::ContextWindow)
        && !exchange.over
        && exchange.candidates().iter().any(|other| other.failures() == 0 && passes(other))
}

fn failed(end: End) -> Option<Class> {
    match end {
        End::Failed(class) => Some(class),
        _ => None,
    }
}

/// The class of the last failure at a candidate's target.
fn last_class(exchange: &Exchange, at: usize) -> Option<Class> {
    let target = exchange.candidates()[at].target;
    let same = |index: &usize| exchange.target(*index) == target;
    (0..exchange.trail().len()).rev().filter(same).find_map(|index| failed(exchange.trail()[index].end))
}

fn reason(exchange: &Exchange, prepared: &Prepared, board: &Board, at: usize, now: Moment) -> Option<Reason> {
    let candidate = &exchange.candidates()[at];
    let row = board.target(candidate.target);
    let keys = &prepared.providers[prepared.targets[candidate.target].provider].keys;
    // The pause of the target, or of the credential that is back first.
    let pause = |counts: fn(Class) -> bool| {
        let of_keys = || keys.iter().filter_map(|key| board.key_refused(key.id, candidate.target, now)).filter(|pause| counts(pause.class));
        row.paused(now).or_else(|| of_keys().min_by_key(|pause| pause.until))
    };
    if candidate.failures() > 0 {
        let class = last_class(exchange, at)?;
        let wait_ms = pause(|_| true).map(|pause| pause.ms_left(now));
        return Some(Reason { class: Some(class), fault: failover::row(class).fault, wait_ms });
    }
    match candidate.skip()? {
        Skip::Disabled | Skip::Unnamed | Skip::Lacks(_) | Skip::TooLarge | Skip::Unable | Skip::Dimensions | Skip::TooDear => None,
        Skip::Reserved | Skip::OtherModel | Skip::OverKeyLimit => None,
        // It would have been asked: attempts or time were over before.
        Skip::Spent { .. } | Skip::TooSlow { .. } | Skip::Degraded { .. } | Skip::Silent { .. } | Skip::Warming { .. } => None,
        Skip::BreakerOpen { for_ms } => Some(Reason { class: None, fault: Fault::Provider, wait_ms: Some(u64::from(for_ms)) }),
        // A little comes back every second, as with a seat.
        Skip::Bulkhead | Skip::RetryBudget => Some(Reason { class: None, fault: Fault::Us, wait_ms: Some(FULL_WAIT_MS) }),
        Skip::AtLimit => Some(Reason { class: Some(Class::Overloaded), fault: Fault::Provider, wait_ms: Some(FULL_WAIT_MS) }),
        // Nobody else is in its way: it asks for less, or later.
        Skip::OverShare => Some(Reason { class: Some(Class::RateLimit), fault: Fault::Tenant, wait_ms: Some(FULL_WAIT_MS) }),
        Skip::Paused { for_ms } => {
            // Of the credentials, those count that come back by themselves. What the skip says is for
            // waiting, and is rounded up once more than may be told.
            let pause = pause(|class| class == Class::RateLimit);
            let class = pause.map_or(Class::RateLimit, |pause| pause.class);
            let wait_ms = pause.map_or(u64::from(for_ms), |pause| pause.ms_left(now));
            Some(Reason { class: Some(class), fault: failover::row(class).fault, wait_ms: Some(wait_ms) })
        }
        // The provider has not said no: the operator has.
        Skip::KeyLimit { for_ms } => {
            Some(Reason { class: Some(Class::RateLimit), fault: Fault::Operator, wait_ms: Some(u64::from(for_ms)) })
        }
        Skip::KeysOut => {
            let class = pause(|_| true).map_or(Class::Auth, |pause| pause.class);
            Some(Reason { class: Some(class), fault: Fault::Operator, wait_ms: None })
        }
    }
}

/// All reasons together.
#[derive(Default)]
struct Sum {
    count: usize,
    /// Members are counted, so that "all of them" can be told.
    rate: usize,
    quota: usize,
    timeout: usize,
    busy: usize,
    operator: usize,
    us: usize,
    tenant: usize,
    first: Option<Class>,
    one_class: bool,
    first_operator: Option<Class>,
    wait_ms: Option<u64>,
    /// Somebody failed without saying for how long: to ask again may help before all the others are back.
    soon: bool,
}

impl Sum {
    fn add(&mut self, reason: Reason) {
        self.one_class = self.count == 0 || (self.one_class && self.first == reason.class);
        if self.count == 0 {
            self.first = reason.class;
        }
        self.count += 1;
        match reason.class {
            Some(Class::RateLimit) => self.rate += 1,
            Some(Class::QuotaExhausted) => self.quota += 1,
            Some(Class::Timeout) => self.timeout += 1,
            Some(Class::Overloaded) | None => self.busy += 1,
            Some(_) => {}
        }
        if reason.fault == Fault::Operator {
            self.operator += 1;
            self.first_operator = self.first_operator.or(reason.class);
        }
        self.us += usize::from(reason.fault == Fault::Us);
        self.tenant += usize::from(reason.fault == Fault::Tenant);
        self.soon |= reason.wait_ms.is_none() && reason.fault == Fault::Provider;
        self.wait_ms = match (self.wait_ms, reason.wait_ms) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }

    fn shown(&self) -> Shown {
        let error = |status, code, should_retry| Shown { status, code, kind: "server_error", should_retry };
        let all = |some: usize| some == self.count;
        if self.count == 0 {
            return error(503, "no_eligible_target", false);
        }
        if self.rate > 0 && all(self.rate + self.quota) {
            return failover::row(Class::RateLimit).shown;
        }
        if let Some(class) = self.first.filter(|_| self.one_class) {
            return failover::row(class).shown;
        }
        if let Some(class) = self.first_operator.filter(|_| all(self.operator) && self.rate == 0) {
            return failover::row(class).shown;
        }
        if all(self.timeout) {
            return failover::row(Class::Timeout).shown;
        }
        if self.rate + self.busy > 0 {
            return error(503, "providers_unavailable", true);
        }
        error(502, "providers_failed", true)
    }

    fn fault(&self) -> Fault {
        match self.count {
            0 => Fault::Operator,
            count if self.operator == count => Fault::Operator,
            count if self.us == count => Fault::Us,
            // Others would have been asked there: it has its share.
            count if self.tenant == count => Fault::Tenant,
            _ => Fault::Provider,
        }
    }
}

fn message(exchange: &Exchange, prepared: &Prepared, late: bool) -> Text<384> {
    let mut text = Text::new();
    let mut say = |part: std::fmt::Arguments<'_>| text.write_fmt(part).expect("a short text takes what fits and never fails");
    if late {
        say(format_args!("The deadline passed before a provider could answer"));
    } else {
        say(format_args!("No provider could answer"));
    }
    let mut separator = ": ";
    for (at, candidate) in exchange.candidates().iter().enumerate() {
        let name = &prepared.targets[candidate.target].name;
        let trail = exchange.trail().iter().rev().find(|trail| usize::from(trail.candidate) == at && failed(trail.end).is_some());
        match (trail, candidate.skip()) {
            (Some(trail), _) => {
                let class = failed(trail.end).map_or("", Class::word);
                say(format_args!("{separator}{name} {class}"));
                if trail.status != 0 {
                    say(format_args!(" ({})", trail.status));
                }
            }
            (None, Some(skip)) if candidate.failures() == 0 => say(format_args!("{separator}{name} {}", skip.word())),
            _ => continue,
        }
        separator = ", ";
    }
    if exchange.candidates().iter().any(|candidate| matches!(candidate.skip(), Some(Skip::KeyLimit { .. }))) {
        say(format_args!(" (key_limit: the gateway's operator lets its credentials be used no more often)"));
    }
    text
}
