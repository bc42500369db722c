//! Rehearsals: attempts that come to nothing because an operator, or a tenant that may, wants to see what
//! follows.
//!
//! What is struck never reaches its provider, costs nothing there, and is judged, counted and recorded like
//! the real thing; the record says that it was none.

use crate::{
    body::Body,
    current::Policy,
    downstream::Waiter,
    io::Instant,
    meters::Meter,
    relay::{self, Outcome, Scene, passage},
    request::Asked,
    respond::Refusal,
};
use codec::dialect::Tree;
use engine::{
    Moment,
    exchange::{Exchange, trail},
    judge::{self, ErrorFields, Transport},
    strike,
};
use policy::Blow;

/// In LiteLLM's words: the first target is to fail.
pub const MOCK_TESTING: &str = "mock_testing_fallbacks";
/// In ours: how.
const TEST: &str = "x-throwover-test";

/// What a request says of its first target, of a tenant that may: that it is to fail, or that it is not.
#[derive(Clone, Copy)]
pub struct Wish {
    blow: Option<Blow>,
}

/// What a request asks to have happen to its first target, of a tenant that may.
///
/// # Errors
/// It asks for a fault that there is not.
pub fn asked_for(policy: &Policy, asked: &Asked, body: &Body<'_>) -> Result<Option<Wish>, Refusal> {
    if !asked.tenant.is_some_and(|id| policy.tenants[id].may_test) {
        return Ok(None);
    }
    if let Some(word) = asked.head.find(&asked.bytes, TEST) {
        let message = "x-throwover-test names a fault: 429, 429;retry_after=7, 5xx, connect, slow:3s, stall, bad_json, cut, \
                       expired_key or model_gone.";
        let blow =
            std::str::from_utf8(word).ok().and_then(|word| Blow::read(word.trim())).filter(|blow| !matches!(blow, Blow::Price { .. }));
        return blow.map(|blow| Some(Wish { blow: Some(blow) })).ok_or_else(|| Refusal::tenant(400, "unknown_fault", message));
    }
    let mut joined = Vec::new();
    let mut tree = Tree::new();
    let root = tree.read(passage::contiguous(&body.held, &mut joined)).ok();
    let told = root.and_then(|root| root.get(MOCK_TESTING));
    Ok(told.map(|told| Wish { blow: (told.bool() == Some(true)).then_some(Blow::Status { status: 500, retry_after_ms: None }) }))
}

/// What strikes an attempt.
#[derive(Clone, Copy)]
pub struct Struck {
    blow: Blow,
    /// Its own request asks for it.
    wished: bool,
}

/// What strikes an attempt, if anything does: as its request asks, or as a rehearsal has it.
pub fn struck(scene: &Scene<'_>, exchange: &mut Exchange, wished: Option<Wish>) -> Option<Struck> {
    if scene.policy.chaos.is_none() && wished.is_none() {
        return None;
    }
    let shard = scene.shard;
    let first = exchange.candidates().first().map(|candidate| candidate.target);
    let unix_ms = || shard.io.wall().0 / 1_000;
    let rehearsed = || strike::blow(scene.policy.prepared(), scene.attempt.target, unix_ms, &mut || shard.io.random());
    let own = wished.and_then(|wish| wish.blow).filter(|_| first == Some(scene.attempt.target));
    let blow = own.or_else(rehearsed)?;
    shard.meters().count(Meter::Struck);
    let wished = own.is_some();
    let how = if wished { trail::Struck::Wished } else { trail::Struck::Rehearsed };
    exchange.struck(&shard.process.board, scene.attempt.index, how, Moment(shard.io.now().0));
    Some(Struck { blow, wished })
}

/// What an attempt comes to that is struck; `None` when it is to be made all the same.
pub async fn land(scene: &Scene<'_>, waiter: &mut Waiter<'_>, struck: Struck) -> Option<Outcome> {
    match fall(scene, waiter, struck.blow).await {
        // What one tenant tries out is no news to anybody else: no breaker counts it, and nothing is left alone.
        Some(Outcome::Failed(verdict)) if struck.wished => Some(Outcome::Failed(verdict.of_this_request())),
        outcome => outcome,
    }
}

async fn fall(scene: &Scene<'_>, waiter: &mut Waiter<'_>, blow: Blow) -> Option<Outcome> {
    let shard = scene.shard;
    match blow {
        Blow::Status { status, retry_after_ms } => {
            let fields = ErrorFields { message: Some("made by a rehearsal of faults"), ..ErrorFields::default() };
            Some(Outcome::Failed(judge::answer(scene.family(), status, &fields, retry_after_ms, None)))
        }
        Blow::Connect => Some(Transport::ConnectRefused.into()),
        Blow::Malformed => Some(Transport::MalformedBody.into()),
        Blow::Cut => Some(Transport::ResetStream.into()),
        Blow::Slow { ms } => {
            let until = shard.io.now().plus_millis(ms);
            let by = Instant(scene.attempt.first_token_by.0);
            match relay::idle(scene, waiter, until.min(by)).await {
                Err(outcome) => Some(outcome),
                Ok(()) if until < by => None,
                Ok(()) => Some(scene.attempt.late(Transport::FirstTokenTimeout).into()),
            }
        }
        // It changes what an attempt costs, and nothing else.
        Blow::Price { .. } => None,
        Blow::Stall => match relay::idle(scene, waiter, Instant(scene.attempt.first_token_by.0)).await {
            Err(outcome) => Some(outcome),
            Ok(()) => Some(scene.attempt.late(Transport::HeadTimeout).into()),
        },
    }
}
