//! Two attempts beside each other, of which the tenant sees one: the first that has something to show.
//!
//! Each runs in a lane of its own, up to the commit point and no further, and knows neither the tenant nor
//! the exchange; here both are looked after. Who is not the answer is dropped with all that it holds,
//! and its connection with it. Only exchanges of chains that ask twice come here.

use super::{Matter, Outcome, Scene, answer, answer_head, conclude, failure, heed_limits, send, stream};
use crate::{
    connect,
    downstream::{Downstream, Waiter},
    held::Pooled,
    io::Instant,
    ledger::Story,
    meters::Meter,
    pool::Upstream,
    request::Ended,
    strike::{self, Struck},
};
use codec::head::Response;
use engine::{Moment, exchange::Exchange};
use std::{cell::Cell, future::Future, future::poll_fn, pin::Pin, task::Poll};

/// What an attempt has come to when it may be shown, or never will be.
struct Came<'s> {
    story: Story,
    result: Result<Ready<'s>, Outcome>,
}

/// An answer of which something can be shown.
pub(super) struct Ready<'s> {
    pub(super) upstream: Upstream,
    pub(super) head: Response,
    bytes: Pooled,
    pub(super) shown: Shown<'s>,
}

pub(super) enum Shown<'s> {
    Stream(Box<stream::Stream<'s>>),
    Answer(answer::Answer),
}

/// What the exchange is told of an attempt once that may be told.
#[derive(Clone, Copy, Default)]
pub(super) struct Notes {
    pub(super) sent: Option<Instant>,
    pub(super) head: Option<(u16, Instant)>,
}

type Lane<'s> = Pin<Box<dyn Future<Output = Came<'s>> + 's>>;

/// What happened first.
enum First<'s> {
    One(Came<'s>),
    Two(Came<'s>),
    Due,
    Gone,
}

/// Makes an attempt that is slow after `at`, and then another one beside it. `None` goes on.
pub async fn race(
    matter: &Matter<'_>,
    scene: &Scene<'_>,
    tenant: &mut Downstream,
    exchange: &mut Exchange,
    at: Instant,
    story: &mut Story,
) -> Option<Ended> {
    let (shard, policy) = (matter.shard, matter.policy);
    let board = &shard.process.board;
    let now = || Moment(shard.io.now().0);
    // Both lanes are of one type, so what they borrow outlives both.
    let (second, unknown, beside);
    let (notes, beside_notes) = (Cell::default(), Cell::default());
    let struck = strike::struck(scene, exchange, matter.wished);
    let mut one: Lane<'_> = Box::pin(run(scene, struck, story.beside(), &notes));
    match first_of(scene, tenant, &mut one, None, at).await {
        First::One(came) | First::Two(came) => return end(scene, tenant, exchange, came, &notes, story).await,
        First::Gone => return Some(left(exchange, [Some((scene, &notes)), None], story)),
        First::Due => {}
    }
    let Some(attempt) = exchange.hedge(policy.prepared(), board, now(), &mut || shard.io.random()) else {
        return match first_of(scene, tenant, &mut one, None, Instant::FAR).await {
            First::One(came) | First::Two(came) => end(scene, tenant, exchange, came, &notes, story).await,
            First::Gone | First::Due => Some(left(exchange, [Some((scene, &notes)), None], story)),
        };
    };
    shard.meters().count(Meter::Hedges);
    second = attempt;
    unknown = matter.unknown(exchange, &second);
    beside = matter.scene(exchange, &second, &unknown);
    let struck = strike::struck(&beside, exchange, matter.wished);
    let mut two: Lane<'_> = Box::pin(run(&beside, struck, story.beside(), &beside_notes));
    let first = first_of(scene, tenant, &mut one, Some(&mut two), Instant::FAR).await;
    let ((came, by), (mut other, behind)) = match first {
        First::One(came) => ((came, (scene, &notes)), (two, (&beside, &beside_notes))),
        First::Two(came) => ((came, (&beside, &beside_notes)), (one, (scene, &notes))),
        First::Gone | First::Due => return Some(left(exchange, [Some((scene, &notes)), Some((&beside, &beside_notes))], story)),
    };
    let fails = came.result.is_err();
    if !fails {
        drop(other);
        outrun(exchange, behind, story);
        if std::ptr::eq(by.0, &raw const beside) {
            shard.meters().count(Meter::HedgesWon);
        }
        return end(by.0, tenant, exchange, came, by.1, story).await;
    }
    if let Some(ended) = end(by.0, tenant, exchange, came, by.1, story).await {
        return Some(ended);
    }
    if exchange.is_lost() {
        drop(other);
        outrun(exchange, behind, story);
        return None;
    }
    match first_of(scene, tenant, &mut other, None, Instant::FAR).await {
        First::One(came) | First::Two(came) => {
            if came.result.is_ok() && std::ptr::eq(behind.0, &raw const beside) {
                shard.meters().count(Meter::HedgesWon);
            }
            end(behind.0, tenant, exchange, came, behind.1, story).await
        }
        First::Gone | First::Due => Some(left(exchange, [Some(behind), None], story)),
    }
}

/// One attempt, until it has something to show.
async fn run<'s>(scene: &'s Scene<'s>, struck: Option<Struck>, mut story: Story, notes: &'s Cell<Notes>) -> Came<'s> {
    let result = ready(scene, struck, &mut story, notes).await;
    Came { story, result }
}

/// An attempt that knows neither the tenant nor the exchange, until something of it can be shown.
pub(super) async fn ready<'s>(
    scene: &'s Scene<'s>,
    struck: Option<Struck>,
    story: &mut Story,
    notes: &Cell<Notes>,
) -> Result<Ready<'s>, Outcome> {
    let io = &scene.shard.io;
    let mut waiter = Waiter::Race(io.deadline(Instant::FAR));
    if let Some(struck) = struck
        && let Some(outcome) = strike::land(scene, &mut waiter, struck).await
    {
        return Err(outcome);
    }
    let mut upstream = connect::obtain(scene, &mut waiter).await?;
    let terms = send(scene, &mut upstream, story)?;
    story.bill.sent(scene);
    notes.set(Notes { sent: Some(io.precise()), ..Notes::default() });
    let (head, bytes) = answer_head(scene, &mut waiter, &mut upstream).await?;
    notes.set(Notes { head: Some((head.status, io.now())), ..notes.get() });
    heed_limits(scene, &head, &bytes);
    let heard = |outcome| failure::heard(scene, &head, &bytes, outcome);
    let shown = match head.status {
        200..300 if scene.stream => {
            if !stream::is_events(&head, &bytes) {
                return Err(heard(failure::read_instead(scene, &mut waiter, upstream, &head, &bytes).await));
            }
            let mut stream = Box::new(stream::Stream::open(scene, &head, terms, story)?);
            stream.begin(&mut waiter, &mut upstream, story).await.map_err(heard)?;
            Shown::Stream(stream)
        }
        200..300 => {
            let received = answer::receive(scene, &mut waiter, &mut upstream, &head, &bytes, (terms, story)).await;
            Shown::Answer(received.map_err(heard)?)
        }
        _ => return Err(failure::read(scene, &mut waiter, upstream, &head, bytes).await),
    };
    Ok(Ready { upstream, head, bytes, shown })
}

/// Waits for whichever of the attempts comes to something, for `due`, or for the tenant to go away; comments
/// keep its connection alive meanwhile.
async fn first_of<'s>(
    scene: &Scene<'_>,
    tenant: &mut Downstream,
    one: &mut Lane<'s>,
    mut two: Option<&mut Lane<'s>>,
    due: Instant,
) -> First<'s> {
    loop {
        let keepalive = tenant.keepalive_at;
        let until = due.min(keepalive);
        tenant.timer.reset(until);
        let first = poll_fn(|cx| {
            if let Poll::Ready(came) = one.as_mut().poll(cx) {
                return Poll::Ready(First::One(came));
            }
            if let Some(two) = &mut two
                && let Poll::Ready(came) = two.as_mut().poll(cx)
            {
                return Poll::Ready(First::Two(came));
            }
            if tenant.wire.poll_gone(cx) {
                return Poll::Ready(First::Gone);
            }
            if tenant.timer.poll_expired(cx) { Poll::Ready(First::Due) } else { Poll::Pending }
        })
        .await;
        match first {
            First::Due if until == keepalive && until < due => stream::keep_alive(scene, &mut Waiter::Tenant(tenant)),
            first => return first,
        }
    }
}

/// Tells the exchange how far an attempt has come.
fn tell(exchange: &mut Exchange, (scene, notes): (&Scene<'_>, &Cell<Notes>), story: &mut Story) {
    let Notes { sent, head } = notes.get();
    if let Some(sent) = sent {
        story.sent(scene.shard, exchange, scene.attempt, sent);
    }
    if let Some((status, at)) = head {
        exchange.head(scene.attempt.index, status, Moment(at.0));
    }
}

/// The tenant has left: what was sent for it is told, and paid for.
fn left(exchange: &mut Exchange, lanes: [Option<(&Scene<'_>, &Cell<Notes>)>; 2], story: &mut Story) -> Ended {
    for (at, lane) in lanes.into_iter().flatten().enumerate() {
        tell(exchange, lane, story);
        match lane.1.get().sent {
            None => {}
            // The end of the exchange pays for one, as for any.
            Some(_) if at == 0 => story.bill.sent(lane.0),
            Some(_) => story.bill.outrun(lane.0),
        }
    }
    Ended::HungUp
}

/// Gives an attempt up.
fn outrun(exchange: &mut Exchange, lane: (&Scene<'_>, &Cell<Notes>), story: &mut Story) {
    let (Matter { shard, policy, .. }, attempt) = (lane.0.matter, lane.0.attempt);
    tell(exchange, lane, story);
    if lane.1.get().sent.is_some() {
        story.bill.outrun(lane.0);
    }
    exchange.outrun(&shard.process.board, policy.prepared(), attempt.index, Moment(shard.io.now().0));
}

/// Goes on with one attempt alone, as if there had been no other.
async fn end(
    scene: &Scene<'_>,
    tenant: &mut Downstream,
    exchange: &mut Exchange,
    mut came: Came<'_>,
    notes: &Cell<Notes>,
    story: &mut Story,
) -> Option<Ended> {
    tell(exchange, (scene, notes), story);
    story.adopt(&mut came.story);
    let outcome = match came.result {
        Err(outcome) => outcome,
        Ok(Ready { mut upstream, head, bytes, shown: Shown::Stream(mut stream) }) => {
            let outcome = stream::go_on(scene, tenant, exchange, &mut upstream, &head, &bytes, &mut stream, story).await;
            let outcome = failure::heard(scene, &head, &bytes, outcome);
            stream::conclude(outcome, upstream, &head, stream.decoder)
        }
        Ok(Ready { upstream, head, bytes, shown: Shown::Answer(answer::Answer::Whole(held, told)) }) => {
            answer::conclude(scene, tenant, exchange, upstream, &head, &bytes, (held, told), story);
            Outcome::Answered
        }
        Ok(Ready { upstream, head, bytes, shown: Shown::Answer(answer::Answer::Part(part)) }) => {
            answer::pass(scene, tenant, exchange, upstream, &head, &bytes, part, story).await
        }
    };
    conclude(scene, exchange, outcome, story)
}
