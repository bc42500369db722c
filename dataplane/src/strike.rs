//! Rehearsals: attempts that come to nothing because an operator wants to see what follows.
//!
//! What is struck never reaches its provider, costs nothing there, and is judged, counted and recorded like
//! the real thing; the record says that it was none.

use crate::{
    downstream::Downstream,
    io::Instant,
    meters::Meter,
    relay::{self, Outcome, Scene},
};
use engine::{
    exchange::Exchange,
    judge::{self, ErrorFields, Transport},
    strike,
};
use policy::Blow;

/// What an attempt comes to that is struck; `None` when it is to be made.
pub async fn strike(scene: &Scene<'_>, tenant: &mut Downstream, exchange: &mut Exchange) -> Option<Outcome> {
    let shard = scene.shard;
    let unix_ms = || shard.io.wall().0 / 1_000;
    let blow = strike::blow(scene.policy.prepared(), scene.attempt.target, unix_ms, &mut || shard.io.random())?;
    shard.meters().count(Meter::Struck);
    exchange.struck(scene.attempt.index);
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
            match relay::idle(scene, tenant, until.min(by)).await {
                Err(outcome) => Some(outcome),
                Ok(()) if until < by => None,
                Ok(()) => Some(Transport::FirstTokenTimeout.into()),
            }
        }
        Blow::Stall => match relay::idle(scene, tenant, Instant(scene.attempt.first_token_by.0)).await {
            Err(outcome) => Some(outcome),
            Ok(()) => Some(Transport::HeadTimeout.into()),
        },
    }
}
