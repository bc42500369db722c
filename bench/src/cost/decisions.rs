//! Verbs of `engine`, with the policy beside this.

use super::{Verb, policy};
use ::policy::TenantId;
use engine::{
    Board, Exchange, Moment, Prepared,
    account::{Measures, Outcome, Record},
    authenticate,
    decide::{self, Ask},
    exchange::Next,
    judge,
};
use std::{hint::black_box, rc::Rc, sync::OnceLock};

/// Routes of the policy that warms the code.
const SMALL_ROUTES: usize = 10;
/// Decisions that warm it: one of each kind of model.
const WARM_CALLS: usize = 8;
/// When everything happens.
const NOW: Moment = Moment(1_000_000_000);
/// The model that is a chain's name, among those that are asked for.
const NAMED: usize = 2;

/// The policy, made ready once for all verbs.
fn prepared() -> &'static Prepared {
    static PREPARED: OnceLock<Prepared> = OnceLock::new();
    PREPARED.get_or_init(|| Prepared::build(policy::snapshot(policy::ROUTES)))
}

fn verb(name: &'static str, call: impl FnMut(usize) + 'static) -> Verb {
    Verb { name, cold: false, warm: None, call: Box::new(call) }
}

pub(super) fn authenticate(name: &'static str) -> Verb {
    let (prepared, keys) = (prepared(), (0..policy::TENANTS).map(policy::key).collect::<Vec<_>>());
    verb(name, move |number| {
        let key = keys[number % keys.len()].as_bytes();
        black_box(authenticate::authenticate(prepared, Some(black_box(key))).expect("the key is known"));
    })
}

/// What a decision needs.
struct Deciding {
    prepared: &'static Prepared,
    board: Board,
    models: Vec<String>,
}

impl Deciding {
    fn new() -> Deciding {
        Deciding { prepared: prepared(), board: Board::full(), models: policy::models(policy::ROUTES) }
    }

    /// The same code, over a policy and a board of its own.
    fn small() -> Deciding {
        static PREPARED: OnceLock<Prepared> = OnceLock::new();
        let prepared = PREPARED.get_or_init(|| Prepared::build(policy::snapshot(SMALL_ROUTES)));
        Deciding { prepared, board: Board::full(), models: policy::models(SMALL_ROUTES) }
    }

    fn decide(&self, number: usize) -> Result<Exchange, decide::Refusal> {
        let field = |name: &str| (name == "x-tier").then_some(&b"gold"[..]);
        let ask = Ask {
            tenant: Some(TenantId((number % policy::TENANTS) as u32)),
            model: &self.models[number % self.models.len()],
            field: &field,
            chain: None,
            deadline_ms: None,
            stream: true,
            wants: engine::decide::Wants::default(),
            started: NOW,
        };
        decide::decide(self.prepared, black_box(&ask), &self.board, NOW)
    }
}

fn deciding(name: &'static str, deciding: Rc<Deciding>, which: impl Fn(usize) -> usize + 'static) -> Verb {
    verb(name, move |number| {
        black_box(deciding.decide(which(number)).is_ok());
    })
}

pub(super) fn decide_hot(name: &'static str) -> Verb {
    deciding(name, Rc::new(Deciding::new()), |_| 4)
}

pub(super) fn decide_many(name: &'static str) -> Verb {
    deciding(name, Rc::new(Deciding::new()), |number| number)
}

pub(super) fn decide_cold(name: &'static str) -> Verb {
    Verb { cold: true, ..deciding(name, Rc::new(Deciding::new()), |number| number) }
}

/// As on a shard that decides all the time, and never twice for the same model: the code was just
/// run and the model's name just read, and nothing of the policy and the board was touched.
pub(super) fn decide_cold_policy(name: &'static str) -> Verb {
    let (measured, other) = (Rc::new(Deciding::new()), Deciding::small());
    let asked = measured.clone();
    let warm = move |number: usize| {
        (0..WARM_CALLS).for_each(|number| drop(black_box(other.decide(number))));
        black_box(asked.models[number % asked.models.len()].bytes().fold(0, u8::wrapping_add));
    };
    Verb { cold: true, warm: Some(Box::new(warm)), ..deciding(name, measured, |number| number) }
}

/// Random bits that are the same every time.
fn random() -> impl FnMut() -> u64 {
    let mut seed = 1_u64;
    move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed ^ (seed >> 29)
    }
}

/// An exchange whose first attempt succeeded.
fn succeeded(deciding: &Deciding, number: usize, random: &mut impl FnMut() -> u64) -> Exchange {
    let mut exchange = deciding.decide(NAMED + number / 8 * 8).expect("the model is a chain's name");
    match exchange.next(deciding.prepared, &deciding.board, NOW, random) {
        Next::Attempt(attempt) => exchange.succeeded(&deciding.board, deciding.prepared, attempt.index, Some(1_000_000), NOW),
        _ => unreachable!("every target is well"),
    }
    exchange
}

pub(super) fn exchange(name: &'static str) -> Verb {
    let (deciding, mut random) = (Deciding::new(), random());
    verb(name, move |number| {
        black_box(succeeded(&deciding, number, &mut random));
    })
}

pub(super) fn judge(name: &'static str) -> Verb {
    let fields = judge::ErrorFields {
        kind: Some("tokens"),
        code: Some("rate_limit_exceeded"),
        param: None,
        message: Some("Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Used 29000."),
    };
    verb(name, move |_| {
        black_box(judge::status(429, black_box(&fields), Some(1_000), None));
    })
}

pub(super) fn record(name: &'static str) -> Verb {
    let deciding = Deciding::new();
    let exchange = succeeded(&deciding, 0, &mut random());
    let measures = Measures {
        status: 200,
        tokens_in: 9,
        tokens_out: 9,
        bytes_in: 1_024,
        bytes_out: 1_024,
        overhead_ns: 12_345,
        ..Measures::default()
    };
    verb(name, move |number| {
        black_box(Record::of(black_box(&exchange), number as u64, Outcome::Answered, measures, NOW));
    })
}
