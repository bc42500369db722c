//! The walk: one request from its first byte to its last, as ten verbs in order.
//!
//! This file is the index of the data plane. Each step is called by its qualified name; what it
//! does is in the file of that name, and what it thinks is in `codec` and `engine`.

use crate::{
    accept, allowance, bill, body,
    current::{Held as Serving, Policy},
    deadline,
    downstream::{Downstream, Gone},
    earlier,
    held::Pooled,
    io::Instant,
    ledger::Story,
    meters::Meter,
    models, relay,
    respond::{self, Refusal},
    session,
    shard::Shard,
    strike,
    surface::{self, Asks, Surface},
    wants::{self, Question},
    wire::Bytes,
};
use codec::{
    dialect::gemini,
    head::{self, Field, Method},
};
use engine::{
    Moment,
    authenticate::{self, Denial},
    decide,
    exchange::{Exchange, Next, Surrender},
    prepared::Way,
};
use policy::{TenantId, limits};
use std::{
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    rc::Rc,
    task::Poll,
};

// The codec knows no policy: what both state must agree.
const _: () = {
    assert!(head::TARGET_SIZE_MAX == limits::TARGET_BYTES_MAX);
    assert!(head::FIELDS_MAX == limits::HEAD_FIELDS_MAX);
    assert!(codec::sse::EVENT_SIZE_MAX == limits::EVENT_BYTES_MAX);
    assert!(codec::json::DEPTH_MAX == limits::JSON_DEPTH_MAX);
    assert!(codec::json::MODEL_SIZE_MAX == limits::MODEL_NAME_BYTES_MAX);
};

/// How an exchange ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With a complete answer.
    Answered,
    /// With an estimate of ours in the place of one.
    Estimated,
    /// With a text of the operator's in the place of one.
    Templated,
    /// With an earlier answer to the identical request in the place of one.
    Earlier,
    /// With the provider's own error of this status, returned once.
    Relayed(u16),
    /// With an error of ours.
    Refused(Box<Refusal>),
    /// With an error event, after content.
    Cut(Box<Refusal>),
    /// Without anybody to answer.
    HungUp,
    /// With an error of ours, since the grace time of a drain is over.
    Stopped(Box<Refusal>),
}

impl From<Refusal> for Ended {
    fn from(refusal: Refusal) -> Self {
        Ended::Refused(Box::new(refusal))
    }
}

impl From<Gone> for Ended {
    fn from(_: Gone) -> Self {
        Ended::HungUp
    }
}

impl From<body::Failed> for Ended {
    fn from(failed: body::Failed) -> Self {
        match failed {
            body::Failed::Refused(refusal) => Ended::Refused(refusal),
            body::Failed::Gone => Ended::HungUp,
        }
    }
}

/// Serves one request.
// Not an `async fn`: one keeps room for its arguments twice.
#[allow(clippy::manual_async_fn)]
pub fn serve(shard: &Rc<Shard>, policy: &Rc<Serving>, tenant: &mut Downstream) -> impl Future<Output = ()> {
    async move {
        let mut story = Story::new(shard, policy.generation);
        let mut underway = Underway { shard, policy, exchange: None };
        let ended = {
            let mut walk = pin!(walk(shard, policy, tenant, &mut underway.exchange, &mut story));
            poll_fn(|cx| match walk.as_mut().poll(cx) {
                Poll::Ready(Ok(ended) | Err(ended)) => Poll::Ready(Some(ended)),
                Poll::Pending if shard.stopping() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            })
            .await
        };
        let ended = ended.unwrap_or_else(|| Ended::Stopped(Box::new(Refusal::stopped())));
        let begun = tenant.head_sent;
        match &ended {
            Ended::Refused(refusal) | Ended::Stopped(refusal) => respond::refuse(shard, tenant, story.id, story.dialect, refusal),
            Ended::Cut(refusal) => respond::cut(shard, tenant, story.id, story.dialect, refusal),
            Ended::HungUp => tenant.keep_alive = false,
            Ended::Answered | Ended::Estimated | Ended::Templated | Ended::Earlier | Ended::Relayed(_) => {}
        }
        earlier::keep(shard, &ended, &mut story);
        story.account(shard, policy, tenant, begun, &ended, underway.exchange.as_mut()); // 10
    }
}

/// An exchange that is cut short with its future, when its shard ends: what it holds of the commons
/// is given back.
pub(crate) struct Underway<'s> {
    pub(crate) shard: &'s Shard,
    pub(crate) policy: &'s Serving,
    pub(crate) exchange: Option<Exchange>,
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        if let Some(exchange) = &mut self.exchange {
            exchange.abandoned(&self.shard.process.board, self.policy.prepared(), Moment(self.shard.io.now().0));
        }
    }
}

/// Verbs 2 to 5, and then attempts.
// Not an `async fn`: one keeps room for its arguments twice.
#[allow(clippy::manual_async_fn)]
fn walk(
    shard: &Rc<Shard>,
    policy: &Rc<Serving>,
    tenant: &mut Downstream,
    decided: &mut Option<Exchange>,
    story: &mut Story,
) -> impl Future<Output = Result<Ended, Ended>> {
    async move {
        let mut asked = receive_head(shard, policy, tenant, story).await?; // 2
        story.dialect = surface::dialect_of(&asked);
        asked.tenant = match authenticate::authenticate(policy.prepared(), asked.credential()) {
            Ok(found) => found, // 3
            Err(denial) => {
                let refusal = denied(shard, tenant, denial).await;
                return Err(decline(shard, tenant, &asked, refusal).await);
            }
        };
        story.tenant = asked.tenant;
        let limited = match asked.tenant.map(|id| (id, &policy.tenants[id])) {
            Some((_, known)) if !known.networks.is_empty() && !is_within(tenant, &known.networks).await => {
                let refusal = out_of_bounds().counted_by(Meter::OutOfBounds, shard.meters());
                return Err(decline(shard, tenant, &asked, refusal).await);
            }
            found => found.filter(|(_, known)| known.is_limited()),
        };
        let (surface, named) = match surface::of(&asked) {
            Ok(Asks::Provider(surface, named)) => (surface, named),
            Ok(Asks::Gateway(page)) => return models::answer(shard, policy, tenant, &asked, page).await,
            Err(refusal) => return Err(decline(shard, tenant, &asked, refusal).await),
        };
        story.surface = Some(surface);
        story.dialect = surface.dialect();
        tenant.array = (surface == Surface::StreamGenerate && !surface::asks_for_events(&asked)).then(gemini::Array::default);
        if let Some((id, known)) = limited
            && let Err(refusal) = allowance::take_request(shard, id, known, tenant)
        {
            return Err(decline(shard, tenant, &asked, refusal).await);
        }
        let _place = accept::admit(shard, policy, tenant).await?;
        let mut body = body::Body::awaited(shard);
        body::receive(shard, &policy.gateway, tenant, &asked, &mut body).await?; // 4
        if let Some((id, known)) = limited {
            story.reserved = allowance::reserve(shard, id, known, body.held.len(), tenant)?;
        }
        asked.received = shard.io.now();
        let question = Question::of(surface, named.as_deref(), &body);
        let exchange = decide_where(shard, policy, tenant, &asked, &body, &question, decided, story)?; // 5
        let wished = strike::asked_for(policy, &asked, &body)?;
        prepare(shard, policy, &asked, &mut body, surface, exchange);
        let question = Question::of(surface, named.as_deref(), &body);
        relay::passage::weigh(policy, &body, &question, exchange);
        story.keeping = earlier::prepare(policy, &asked, &body, &question, exchange);
        if surface.counts() && !exchange.first_is_able(policy.prepared(), &shard.process.board, Moment(shard.io.now().0)) {
            return Ok(relay::estimate(shard, tenant, exchange, story));
        }
        let Question { requested, stream, .. } = question;
        let matter = relay::Matter { shard, policy, asked: &asked, body: &body, surface, stream, requested, wished };
        loop {
            let now = Moment(shard.io.now().0);
            let attempt = match exchange.next(policy.prepared(), &shard.process.board, now, &mut || shard.io.random()) {
                Next::Attempt(attempt) => attempt,
                Next::Wait(until) => {
                    tenant.wait(Instant(until.0)).await?;
                    story.waited(shard);
                    continue;
                }
                // Boxed: rare, and an exchange of its own.
                Next::Summarise(summing) => {
                    Box::pin(relay::summarise(&matter, tenant, exchange, summing, story)).await?;
                    continue;
                }
                Next::Surrender(surrender) => return Ok(give_up(shard, policy, tenant, &asked, exchange, story, surrender).await),
            };
            let unknown = matter.unknown(exchange, &attempt);
            let scene = matter.scene(exchange, &attempt, &unknown);
            let ended = match exchange.hedge_at(policy.prepared(), &shard.process.board, now) {
                // Boxed: rare, and it is more than twice as large.
                Some(at) => Box::pin(relay::race(&matter, &scene, tenant, exchange, Instant(at.0), story)).await,
                None => {
                    let outcome = matter.attempt(&scene, tenant, exchange, story).await; // 6, 7, 8
                    relay::conclude(&scene, exchange, outcome, story) // 9
                }
            };
            if let Some(ended) = ended {
                return Ok(ended);
            }
        }
    }
}

/// Nothing is left to try: an earlier answer, or what the tenant is told in its place.
async fn give_up(
    shard: &Shard,
    policy: &Serving,
    tenant: &mut Downstream,
    asked: &Asked,
    exchange: &Exchange,
    story: &mut Story,
    surrender: Surrender,
) -> Ended {
    match earlier::instead(shard, tenant, exchange, story, &surrender).await {
        Some(ended) => ended,
        None => relay::surrender(shard, policy, tenant, asked, exchange, story, surrender),
    }
}

/// What is done once for all attempts: where the session is at home, and a body that can be said anew.
fn prepare(shard: &Shard, policy: &Policy, asked: &Asked, body: &mut body::Body<'_>, surface: Surface, exchange: &mut Exchange) {
    if let Some(by) = policy.prepared().affinity(exchange.chain()) {
        exchange.belongs_to(session::of(by, asked, body));
    }
    relay::passage::prepare(shard, policy, body, surface, exchange);
}

/// One request as it was asked.
pub struct Asked {
    /// Its head.
    pub head: head::Request,
    /// The bytes that the head's spans lie in, copied out of the ring's buffers.
    pub bytes: Pooled,
    /// Who asks.
    pub tenant: Option<TenantId>,
    /// When its last byte had been received.
    pub received: Instant,
    /// Names it in records and answers.
    pub id: RequestId,
}

impl Asked {
    /// A known field of the head.
    pub fn field(&self, field: Field) -> Option<&[u8]> {
        self.head.field(&self.bytes, field)
    }

    /// The key that was presented: in the way of one of the dialects. Where Anthropic's has two, its own
    /// field counts before the other.
    fn credential(&self) -> Option<&[u8]> {
        let bearer = || self.field(Field::Authorization).and_then(authenticate::bearer);
        self.field(Field::XApiKey).or_else(bearer).or_else(|| self.field(Field::XGoogApiKey)).or_else(|| self.key_in_query())
    }

    /// Google's other way: `?key=`.
    fn key_in_query(&self) -> Option<&[u8]> {
        let query = self.head.query?.of(&self.bytes);
        query.split(|&byte| byte == b'&').find_map(|pair| pair.strip_prefix(b"key="))
    }
}

/// Names a request: 64 random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId(pub u64);

impl RequestId {
    /// Appends it as 16 hexadecimal digits.
    pub fn write(self, out: &mut Vec<u8>) {
        out.extend((0..16).rev().map(|digit| b"0123456789abcdef"[(self.0 >> (digit * 4)) as usize & 15]));
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Receives a head; what follows it stays with the connection.
async fn receive_head(shard: &Shard, policy: &Policy, tenant: &mut Downstream, story: &mut Story) -> Result<Asked, Ended> {
    let by = shard.io.now().plus_millis(policy.gateway.head_ms);
    let mut joined: Option<Vec<u8>> = None;
    loop {
        let bytes = match tenant.received(by).await {
            None => return Err(Refusal::tenant(408, "head_timeout", "The request's head came too slowly.").closing().into()),
            Some(Ok(Some(bytes))) => bytes,
            Some(Ok(None) | Err(_)) => return Err(Ended::HungUp),
        };
        // Whole in one reception, as nearly always: parsed where it lies.
        let bytes = match joined.take() {
            None => bytes,
            Some(mut buffer) => {
                buffer.extend_from_slice(&bytes);
                Bytes::own(buffer)
            }
        };
        match head::request(&bytes, limits::HEAD_BYTES_MAX) {
            Ok(Some((head, used))) => {
                shard.meters().count(Meter::Requests);
                tenant.keep_alive = head.keep_alive;
                tenant.plain_ends = head.version == head::Version::Http10;
                tenant.bodiless = head.method == Method::Head;
                tenant.wire.unread_from(&bytes, used);
                let bytes = Pooled::copy(&shard.io, &bytes[..used]);
                return Ok(Asked { head, bytes, tenant: None, received: shard.io.now(), id: story.id });
            }
            Ok(None) => {
                let mut buffer = shard.io.vec();
                buffer.extend_from_slice(&bytes);
                joined = Some(buffer);
            }
            Err(refusal) => {
                shard.meters().count(Meter::HeadsRefused);
                return Err(Refusal::from(refusal).into());
            }
        }
    }
}

/// A refusal before the body: what the tenant still sends is read if it is little.
async fn decline(shard: &Shard, tenant: &mut Downstream, asked: &Asked, refusal: Refusal) -> Ended {
    match body::discard(shard, tenant, asked).await {
        Ok(true) => Ended::from(refusal),
        Ok(false) => Ended::from(refusal.closing()),
        Err(Gone) => Ended::HungUp,
    }
}

async fn denied(shard: &Shard, tenant: &mut Downstream, denial: Denial) -> Refusal {
    let refusal = Refusal::tenant(denial.status(), denial.code(), denial.message());
    if denial == Denial::Missing {
        return refusal;
    }
    // Boxed: rare, and to ask the kernel takes room.
    let Some(address) = Box::pin(tenant.address()).await else { return refusal };
    let Err(ns) = shard.guesses.count(address, Moment(shard.io.now().0)) else { return refusal };
    let message = "Too many unknown keys came from this address. Keys that are known go on working.";
    let refusal =
        Refusal { retry_after_ms: Some(ns.div_ceil(1_000_000)), ..Refusal::tenant(429, "too_many_unknown_keys", message).closing() };
    refusal.counted_by(Meter::Guesses, shard.meters())
}

/// True when the tenant is in one of `networks`.
async fn is_within(tenant: &mut Downstream, networks: &[policy::Network]) -> bool {
    let address = Box::pin(tenant.address()).await;
    address.is_some_and(|address| networks.iter().any(|network| network.contains(address)))
}

fn out_of_bounds() -> Refusal {
    let message = "This key may not be used from here. The gateway's operator lists the networks that it may be used from.";
    Refusal::tenant(403, "address_not_allowed", message)
}

/// Verb 5. The exchange is made where it stays.
#[allow(clippy::too_many_arguments)] // All that is known of a request when it is decided.
fn decide_where<'d>(
    shard: &Rc<Shard>,
    policy: &Policy,
    tenant: &mut Downstream,
    asked: &Asked,
    body: &body::Body<'_>,
    question: &Question<'_>,
    decided: &'d mut Option<Exchange>,
    story: &mut Story,
) -> Result<&'d mut Exchange, Refusal> {
    let &Question { requested, stream, .. } = question;
    if requested.is_empty() && body.facts().model.is_none() {
        return Err(Refusal::tenant(400, "missing_required_parameter", "The request does not say which model or chain it wants.")
            .about(Some("model")));
    }
    story.asked_for(shard, requested, body, stream);
    let deadline_ms = deadline::whole(asked)?;
    let chain = asked.field(Field::XThrowoverChain).map(|name| std::str::from_utf8(name).unwrap_or("\u{fffd}"));
    let find = |name: &str| asked.head.find(&asked.bytes, name);
    let wants = wants::of(body, question, story);
    story.bill.of_prompt(wants.tokens, body);
    let charge = if question.surface.counts() { 0 } else { story.bill.charge() };
    let ask = decide::Ask {
        tenant: asked.tenant,
        model: requested,
        field: &find,
        chain,
        deadline_ms,
        stream,
        wants: decide::Wants { within_ms: deadline::within(asked), charge, ..wants },
        started: Moment(asked.received.0),
    };
    shard.meters().count(Meter::Exchanges);
    // What may not be asked for is not answered by others either.
    let (chain, way) = decide::chain_for(policy.prepared(), &ask).map_err(|refusal| Refusal {
        kind: refusal.kind(),
        fault: refusal.fault(),
        ..Refusal::tenant(refusal.status(), refusal.code(), refusal.message().as_str().to_owned()).about(refusal.param())
    })?;
    let (chain, way) = bill::instead(shard, policy, asked.tenant, question.surface).map_or((chain, way), |other| (other, Way::Budget));
    let now = Moment(shard.io.now().0);
    let exchange = decided.insert(Exchange::blank(policy.prepared(), &ask, chain, way));
    exchange.survey_all(policy.prepared(), &ask, &shard.process.board, now);
    exchange.asks_at_once(now);
    bill::reserve(shard, policy, exchange, (question.surface, body), &mut story.bill)?;
    if stream {
        tenant.keepalive_at = asked.received.plus_millis(policy.chains[exchange.chain()].patience.keepalive_after_ms);
    }
    Ok(exchange)
}
