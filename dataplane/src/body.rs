//! Verb 4: the request's body, received within its budget and read while it arrives.

use crate::{
    downstream::{Downstream, Gone},
    held::{BudgetSpent, Held},
    io::Instant,
    request::Asked,
    respond::Refusal,
    shard::Shard,
    wire::Bytes,
};
use codec::{
    body::{Decoder, Fault},
    head::{self, Framing},
    json,
};
use policy::{Gateway, limits};
use std::{
    cell::RefCell,
    ops::{Deref, DerefMut, Range},
    time::Duration,
};

/// A whole request body: replayable for every attempt, and what was read in it.
pub struct Body<'s> {
    /// The bytes as they came.
    pub held: Held,
    /// Finished without a refusal.
    scan: Lent<'s>,
}

impl Body<'_> {
    /// What the members say that the gateway needs.
    pub fn facts(&self) -> &json::Facts {
        self.scan.facts()
    }
}

impl<'s> Body<'s> {
    /// Nothing yet.
    pub fn awaited(shard: &'s Shard) -> Body<'s> {
        Body { held: Held::default(), scan: shard.scans.lend() }
    }

    /// A request of the gateway's own; `None` when it cannot be read, or the shard's budget for bodies is spent.
    pub fn own(shard: &'s Shard, text: Vec<u8>) -> Option<Body<'s>> {
        let mut scan = shard.scans.lend();
        scan.feed(&text).ok()?;
        scan.finish().ok()?;
        let (mut held, all) = (Held::default(), 0..text.len());
        held.push(&shard.io, &shard.arena, &Bytes::own(text), all).ok()?;
        held.settle(&shard.io);
        Some(Body { held, scan })
    }
}

/// Why there is no body.
pub enum Failed {
    /// It is refused.
    Refused(Box<Refusal>),
    /// The tenant went away.
    Gone,
}

impl<T: Into<Refusal>> From<T> for Failed {
    fn from(refusal: T) -> Self {
        Failed::Refused(Box::new(refusal.into()))
    }
}

/// Between two looks for a free block, while the budget is spent.
const BUDGET_POLL: Duration = Duration::from_millis(2);

/// Scans of requests that are kept for later ones: in the exchange's future they would be a third of
/// it, and be copied with it.
#[derive(Default)]
#[expect(clippy::vec_box, reason = "the box is what is recycled")]
pub struct Scans(RefCell<Vec<Box<json::RequestScan>>>);

/// Scans that are kept.
const SPARE_SCANS_MAX: usize = 1_024;

/// A scan that goes back to the others when it is dropped.
struct Lent<'s> {
    /// Present until then.
    scan: Option<Box<json::RequestScan>>,
    home: &'s Scans,
}

impl Scans {
    /// A scan that has read nothing.
    fn lend(&self) -> Lent<'_> {
        let spare = self.0.borrow_mut().pop();
        let scan = match spare {
            Some(mut scan) => {
                scan.restart();
                scan
            }
            None => Box::new(json::RequestScan::new()),
        };
        Lent { scan: Some(scan), home: self }
    }
}

impl Deref for Lent<'_> {
    type Target = json::RequestScan;

    fn deref(&self) -> &json::RequestScan {
        self.scan.as_ref().expect("taken only when dropped")
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut json::RequestScan {
        self.scan.as_mut().expect("taken only when dropped")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut spares = self.home.0.borrow_mut();
        if let Some(scan) = self.scan.take().filter(|_| spares.len() < SPARE_SCANS_MAX) {
            spares.push(scan);
        }
    }
}

/// Receives the body of `asked`, where it stays.
///
/// # Errors
/// The body breaks HTTP, JSON or a limit, is too slow, or finds no memory in time; or the tenant
/// went away.
pub async fn receive(shard: &Shard, gateway: &Gateway, tenant: &mut Downstream, asked: &Asked, body: &mut Body<'_>) -> Result<(), Failed> {
    let mut decoder = Decoder::new(asked.head.framing, gateway.body_bytes_max)?;
    if decoder.done() {
        return Err(Refusal::tenant(400, "body_missing", "The request has no body; a JSON object is expected.").into());
    }
    if let Framing::Length(length) = asked.head.framing
        && length as usize > limits::BODY_INLINE_BYTES
    {
        tenant.wire.bulk();
    }
    if asked.head.expect_continue && !tenant.wire.has_returned() {
        tenant.wire.send_static(head::CONTINUE);
    }
    let began = shard.io.now();
    while !decoder.done() {
        let by = began.plus_millis(gateway.body_ms.saturating_add(decoder.received().saturating_mul(1_000) / gateway.body_rate_min));
        let bytes = next(tenant, by).await?;
        take(shard, gateway, tenant, &mut decoder, body, bytes).await?;
    }
    body.scan.finish()?;
    // Attempts may take minutes, and the ring's buffers are everybody's.
    body.held.settle(&shard.io);
    Ok(())
}

/// The next bytes of the body, or why there are none.
async fn next(tenant: &mut Downstream, by: Instant) -> Result<Bytes, Failed> {
    match tenant.received(by).await {
        None => Err(Refusal::tenant(408, "body_timeout", "The request's body came too slowly.").closing().into()),
        Some(Ok(Some(bytes))) => Ok(bytes),
        Some(Ok(None) | Err(_)) => Err(Failed::Gone),
    }
}

/// Takes one reception in; what follows the body is given back to the connection.
async fn take(
    shard: &Shard,
    gateway: &Gateway,
    tenant: &mut Downstream,
    decoder: &mut Decoder,
    body: &mut Body<'_>,
    bytes: Bytes,
) -> Result<(), Failed> {
    let mut at = 0;
    while at < bytes.len() && !decoder.done() {
        let step = decoder.decode(&bytes[at..])?;
        let data = at + step.data.start..at + step.data.end;
        at += step.used;
        if let Err(refusal) = body.scan.feed(&bytes[data.clone()]) {
            let refusal = Refusal::from(refusal);
            // The rest of the body is not read: the connection cannot go on unless it was all here,
            // and then what follows is the next request.
            if !decoder.done() {
                return Err(refusal.closing().into());
            }
            tenant.wire.unread_from(&bytes, at);
            return Err(refusal.into());
        }
        keep(shard, gateway, &mut body.held, &bytes, data).await?;
        if step.used == 0 {
            break;
        }
    }
    tenant.wire.unread_from(&bytes, at);
    Ok(())
}

/// Holds data, waiting a little for memory when the budget is spent.
async fn keep(shard: &Shard, gateway: &Gateway, held: &mut Held, bytes: &Bytes, data: Range<usize>) -> Result<(), Failed> {
    let until = shard.io.now().plus_millis(gateway.queue_ms);
    loop {
        match held.push(&shard.io, &shard.arena, bytes, data.clone()) {
            Ok(()) => return Ok(()),
            Err(BudgetSpent) if shard.io.now() >= until => {
                return Err(Refusal::full("body_budget_spent", "The gateway holds as many request bodies as it may; try again.")
                    .closing()
                    .into());
            }
            Err(BudgetSpent) => shard.io.sleep(BUDGET_POLL).await,
        }
    }
}

/// Reads what is left of a body that nobody wants, so that the connection can go on; false when it
/// is too much and the connection must close (RFC 9112, section 9.3).
pub async fn discard(shard: &Shard, tenant: &mut Downstream, asked: &Asked) -> Result<bool, Gone> {
    let Ok(mut decoder) = Decoder::new(asked.head.framing, limits::DRAIN_BYTES_MAX as u64) else { return Ok(false) };
    // A tenant that waits for "100 Continue" sends nothing after a refusal, or might: close.
    if asked.head.expect_continue && !decoder.done() {
        return Ok(false);
    }
    let by = shard.io.now().plus_millis(1_000);
    while !decoder.done() {
        let bytes = match next(tenant, by).await {
            Ok(bytes) => bytes,
            Err(Failed::Refused(_)) => return Ok(false),
            Err(Failed::Gone) => return Err(Gone),
        };
        let mut at = 0;
        while at < bytes.len() && !decoder.done() {
            match decoder.decode(&bytes[at..]) {
                Ok(step) => at += step.used,
                Err(Fault::TooLarge) => return Ok(false),
                Err(_) => return Ok(false),
            }
        }
        tenant.wire.unread_from(&bytes, at);
    }
    Ok(true)
}
