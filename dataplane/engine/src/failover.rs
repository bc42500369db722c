//! What follows from a failure, as data: one row per class.
//!
//! A row says whose fault it is, whether the same target may be asked again, whether the next one
//! is, whether the breaker counts it, what is left alone for a while, and what the tenant sees when
//! nothing better came of the exchange. The functions below read the rows; the exchange applies
//! what they say. Splicing a cut stream will begin here, from the row of `stream_cut`.

use crate::{
    judge::{Fault, Verdict},
    moment::{Moment, NS_PER_MS},
};
use policy::{Class, ClassSet, Triggers, limits};

/// What is left alone after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Nothing, unless the provider says for how long: then the target.
    Told,
    /// The target.
    Target,
    /// The credential, where there are others to go on with, else the target: the limit is of the two
    /// together, and the narrower of them is left alone.
    Pair,
    /// The credential, for this target alone, where there are others to go on with, else the target.
    Access,
    /// The credential, whatever it is asked for; the target where there is none.
    Key,
}

/// What the tenant sees when an exchange ends with this class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Status of the answer.
    pub status: u16,
    /// `error.code`.
    pub code: &'static str,
    /// `error.type`.
    pub kind: &'static str,
    /// Asking again soon may help; becomes `x-should-retry`.
    pub should_retry: bool,
}

/// How much the breaker of the target makes of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// It counts nothing.
    Nothing,
    /// It counts half of it in its share, and nothing in a row.
    Half,
    /// It counts it.
    Whole,
}

impl Weight {
    /// True when it counts some of it.
    pub const fn counts(self) -> bool {
        !matches!(self, Weight::Nothing)
    }

    const fn word(self) -> &'static str {
        match self {
            Weight::Nothing => "no",
            Weight::Half => "half",
            Weight::Whole => "yes",
        }
    }
}

/// All that follows from one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The class.
    pub class: Class,
    /// Whose fault it is.
    pub fault: Fault,
    /// The same target may be asked again, after a backoff.
    pub retry_same: bool,
    /// The next target is asked. False ends the exchange: the request would fail everywhere.
    pub move_on: bool,
    /// How much of it the breaker of the target counts.
    pub breaker: Weight,
    /// What is left alone …
    pub scope: Scope,
    /// … and for how long when the provider does not say, in milliseconds.
    pub pause_ms: u64,
    /// What the tenant sees; for classes that are the tenant's, the provider's answer is relayed.
    pub shown: Shown,
    /// Why so, in one sentence.
    pub why: &'static str,
}

/// For how long a credential, a right or a model that was refused is left alone, in milliseconds.
/// Not for good: a provider that refuses good credentials by mistake must not be lost until
/// somebody notices.
pub const REFUSED_PAUSE_MS: u64 = 60_000;
/// For how long a rate limit without a Retry-After is heeded, in milliseconds.
pub const RATE_PAUSE_MS: u64 = 1_000;
/// The longest pause that an exchange waits for, in milliseconds …
pub const WAIT_MS_MAX: u64 = 2_000;
/// … and the part of the time left that it may take.
pub const WAIT_PART: u64 = 4;

const fn shown(status: u16, code: &'static str, should_retry: bool) -> Shown {
    let kind = match status {
        429 => "rate_limit_error",
        400..500 => "invalid_request_error",
        _ => "server_error",
    };
    Shown { status, code, kind, should_retry }
}

/// The class fails for a moment: ask again, ask elsewhere, and let the breaker count.
const fn passing(class: Class, status: u16, code: &'static str, why: &'static str) -> Row {
    Row {
        class,
        fault: Fault::Provider,
        retry_same: true,
        move_on: true,
        breaker: Weight::Whole,
        scope: Scope::Told,
        pause_ms: 0,
        shown: shown(status, code, true),
        why,
    }
}

/// Only the operator can mend it: ask elsewhere, and leave it alone.
const fn lasting(class: Class, scope: Scope, status: u16, code: &'static str, why: &'static str) -> Row {
    Row {
        class,
        fault: Fault::Operator,
        retry_same: false,
        move_on: true,
        breaker: Weight::Nothing,
        scope,
        pause_ms: REFUSED_PAUSE_MS,
        shown: shown(status, code, false),
        why,
    }
}

/// The request is at fault: the provider's answer goes to the tenant, once.
const fn caller(class: Class, code: &'static str, why: &'static str) -> Row {
    Row {
        class,
        fault: Fault::Tenant,
        retry_same: false,
        move_on: false,
        breaker: Weight::Nothing,
        scope: Scope::Told,
        pause_ms: 0,
        shown: shown(400, code, false),
        why,
    }
}

/// One row per class, in the order of [`Class::ALL`].
pub const ROWS: &[Row] = &[
    passing(Class::Connect, 502, "provider_unreachable", "nothing was sent, so nothing can have been billed"),
    Row {
        retry_same: false,
        ..passing(Class::Tls, 502, "provider_tls", "a certificate that was refused is refused again; the next target has another")
    },
    passing(Class::Reset, 502, "provider_reset", "no byte of an answer came, so asking again is invisible"),
    passing(
        Class::Timeout,
        504,
        "provider_timeout",
        "slow here may be quick elsewhere; told as 504, not 502, since nothing was wrong but the time; asked again only where the \
         provider said so itself, and never after silence",
    ),
    passing(Class::StreamCut, 502, "provider_stream_cut", "the stream lacks its terminal marker, so it is no answer"),
    Row {
        breaker: Weight::Nothing,
        scope: Scope::Pair,
        pause_ms: RATE_PAUSE_MS,
        ..passing(Class::RateLimit, 429, "rate_limit_exceeded", "a target that says \"later\" works; it is left alone until then")
    },
    lasting(Class::QuotaExhausted, Scope::Key, 429, "insufficient_quota", "the account cannot pay, for any of its models"),
    lasting(Class::Auth, Scope::Key, 502, "provider_auth", "our credential was refused; the tenant's was not, so it never sees the 401"),
    lasting(
        Class::Permission,
        Scope::Access,
        502,
        "provider_permission",
        "the credential may not use this model, and may use others; another credential may use it",
    ),
    lasting(
        Class::ModelGone,
        Scope::Target,
        502,
        "provider_model_gone",
        "the provider does not know the model that the policy names; told as 502, not 404, since the tenant's word was right",
    ),
    caller(
        Class::ContextWindow,
        "context_length_exceeded",
        "the prompt does not fit; targets known to be too small were passed over before, and only the tenant can say what to leave out",
    ),
    caller(Class::ContentFilter, "content_filter", "to shop around for a provider that does not mind is not ours to decide"),
    caller(
        Class::InvalidRequest,
        "invalid_request",
        "the request is wrong and would be everywhere, unless its rule says that only this provider does not understand it",
    ),
    passing(Class::Overloaded, 503, "provider_overloaded", "too busy; whoever retries here makes it worse, so only after a backoff"),
    passing(Class::ServerError, 502, "provider_error", "broken for a moment, as far as anybody can tell"),
    passing(Class::Malformed, 502, "provider_malformed", "what breaks the protocol cannot be passed on"),
    passing(Class::Empty, 502, "provider_empty", "an answer that holds nothing is none"),
    Row {
        breaker: Weight::Half,
        ..passing(
            Class::SchemaViolation,
            502,
            "provider_schema_violation",
            "models err at random: another try may fit, and only many in a short time say that something is ill",
        )
    },
    caller(Class::Refusal, "refusal", "an answer like any other, and no failure, unless the chain names a model for it"),
];

const _: () = {
    assert!(ROWS.len() == Class::ALL.len());
    let mut at = 0;
    while at < ROWS.len() {
        let row = &ROWS[at];
        assert!(row.class as usize == at);
        // Who may be retried here may be left, and the tenant's own faults are nobody else's.
        assert!(row.move_on || !row.retry_same);
        assert!(row.move_on || !row.breaker.counts());
        assert!(row.pause_ms <= limits::PAUSE_MS_MAX);
        at += 1;
    }
};

/// The rows as a table of Markdown, for who reads instead of running.
pub fn table() -> String {
    let yes = |flag: bool| if flag { "yes" } else { "no" };
    let mut out = String::from(
        "| class | whose fault | retry here | next key | next deployment | next model | last resort | breaker counts | left alone | tenant sees | why |\n",
    );
    out.push_str("|---|---|---|---|---|---|---|---|---|---|---|\n");
    for row in ROWS {
        let Row { class, fault, shown, why, .. } = row;
        let alone = match row.scope {
            Scope::Told => "the target, as long as it says",
            Scope::Target => "the target",
            Scope::Pair => "the credential, or the target where it is the only one",
            Scope::Access => "the credential for this target, or the target where it is the only one",
            Scope::Key => "the credential",
        };
        let (again, key, next) =
            (yes(row.retry_same), yes(matches!(row.scope, Scope::Pair | Scope::Access | Scope::Key)), yes(row.move_on));
        let model = match class {
            Class::ContextWindow => "larger ones",
            _ if row.move_on => "yes",
            _ => "with `after`",
        };
        let (last, counts) = (yes(*fault != Fault::Tenant), row.breaker.word());
        let sees = format!("{} `{}`", shown.status, shown.code);
        let line = [class.word(), fault.word(), again, key, next, model, last, counts, alone, &sees, why].join(" | ");
        out.extend(["| ", &line, " |\n"]);
    }
    out
}

/// The row of a class.
pub const fn row(class: Class) -> &'static Row {
    &ROWS[class as usize]
}

/// A verdict as a chain wants it: what follows from a class may be changed for each.
pub fn overruled(triggers: &Triggers, verdict: Verdict) -> Verdict {
    let has = |set: ClassSet| set.contains(verdict.class);
    let (retry, next) = (has(triggers.retry), has(triggers.next.and(triggers.next_key).and(triggers.next_model)));
    Verdict {
        retry_same: retry || verdict.retry_same && !next,
        move_on: retry || next || verdict.move_on,
        counts_for_breaker: has(triggers.counted) || verdict.counts_for_breaker && !has(triggers.uncounted),
        ..verdict
    }
}

/// What is to be left alone after a verdict, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nothing.
    Nothing,
    /// The target.
    Target(Moment),
    /// The credential that was used.
    Key(Moment),
    /// The credential that was used, for this target alone.
    Access(Moment),
}

/// What `verdict` leaves alone. `keys` is how many credentials the provider has.
pub fn rest(verdict: &Verdict, keys: usize, now: Moment) -> Rest {
    let row = row(verdict.class);
    if !verdict.pauses || !row.move_on {
        return Rest::Nothing;
    }
    let told = verdict.retry_after_ms.map(|ms| ms.min(limits::PAUSE_MS_MAX));
    let ms = match verdict.scope {
        Scope::Told => told.unwrap_or(0),
        // Whoever has to be mended is not mended by a wait: no word of the provider's makes it shorter.
        _ if row.fault == Fault::Operator => told.unwrap_or(0).max(row.pause_ms),
        Scope::Pair | Scope::Access | Scope::Key | Scope::Target => told.unwrap_or(row.pause_ms),
    };
    let until = now.plus_ms(ms);
    match verdict.scope {
        _ if ms == 0 => Rest::Nothing,
        Scope::Key if keys > 0 => Rest::Key(until),
        Scope::Pair if keys > 1 => Rest::Key(until),
        Scope::Access if keys > 1 => Rest::Access(until),
        Scope::Pair | Scope::Access | Scope::Key | Scope::Target | Scope::Told => Rest::Target(until),
    }
}

/// What is spared when an answer says that nothing remains of a limit for `ms`: what a rate limit
/// would leave alone, before it is one.
pub fn spare(ms: u64, keys: usize, now: Moment) -> Rest {
    let until = now.plus_ms(ms.min(limits::PAUSE_MS_MAX));
    match keys {
        _ if ms == 0 => Rest::Nothing,
        0 | 1 => Rest::Target(until),
        _ => Rest::Key(until),
    }
}

/// The last moment that an exchange waits for when nothing is eligible at `now`.
pub fn wait_until(now: Moment, deadline: Moment) -> Moment {
    now.plus_ns((deadline.since(now) / WAIT_PART).min(WAIT_MS_MAX * NS_PER_MS))
}

/// Invariant: a target is asked again only while there are more attempts left than targets that
/// were not asked, so that each of those can be.
pub const fn may_ask_again(attempts_left: usize, targets_left: usize) -> bool {
    attempts_left > targets_left
}

#[cfg(test)]
mod tests;
