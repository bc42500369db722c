//! Verbs 7 to 9: send the request, relay the answer, judge what came of it, and conclude.
//!
//! Nothing reaches the tenant before the commit point; what fails until then is invisible. An
//! answer is complete only with its protocol's own end; a framing doubt never lets a connection be
//! used again.

use crate::{
    current::{Held as Serving, credential_field},
    downstream::{Arrival, Downstream, Waiter},
    held::Pooled,
    io::Instant,
    ledger::{self, Story},
    meters::Spread,
    pool::Upstream,
    request::{Asked, Ended},
    respond::{self, Refusal},
    shard::Shard,
    surface::Surface,
    wire::{Bytes, Wire},
};
use codec::{
    dialect::{self, Dialect, Terms, limits},
    head::{self, Response, ResponseField},
    json,
};
use engine::{
    Moment,
    exchange::{Attempt, Exchange, Surrender},
    judge::{self, ErrorFields, Transport, Verdict},
    prepared::Way,
};
use policy::{
    ClassSet,
    limits::{ANSWER_HEAD_BYTES_MAX, INTERIM_HEADS_MAX},
};
use std::ops::Deref;

mod answer;
mod count;
mod edit;
mod embeddings;
mod failure;
mod form;
mod matter;
pub(crate) mod passage;
mod race;
mod stream;
mod summary;
mod template;
mod without;

pub use count::estimate;
pub use failure::ErrorAnswer;
pub use form::Form;
pub use matter::Matter;
pub use race::race;
pub use summary::{Summary, summarise};

/// A pooled connection that ends without a byte was closed before it was used, when it ends so soon after; its
/// end was on the way then, or answers the request at once, a round trip later. Who takes longer has read the
/// request, and may have worked on it and bill it.
pub(crate) const STALE_MS_MAX: u32 = 1_000;

/// What came of an attempt.
pub enum Outcome {
    /// A complete answer, delivered.
    Answered,
    /// Nothing, and nothing reached the tenant.
    Failed(Verdict),
    /// An error of the provider's that may be returned as it is.
    Declined(Verdict, Box<ErrorAnswer>),
    /// A part of an answer, delivered, and then nothing.
    Cut(Verdict),
    /// The tenant went away.
    HungUp,
}

impl From<Transport> for Outcome {
    fn from(transport: Transport) -> Self {
        Outcome::Failed(judge::transport(transport))
    }
}

/// What a request that was said anew and its answer agree on. Boxed: few requests need it.
type Agreed = Option<Box<Terms>>;

/// All that an attempt needs to know, and none of it changes: what its exchange asks, and of whom.
pub struct Scene<'a> {
    /// What is asked, whoever is to answer.
    pub matter: &'a Matter<'a>,
    /// What is asked of the provider.
    pub at: Surface,
    /// The chain that answers.
    pub chain: policy::ChainId,
    /// What is said differently at this place of it.
    pub wording: Option<&'a policy::Wording>,
    /// Failures that the chain has targets for which were not asked yet.
    pub turns_on: ClassSet,
    /// Parameters that the target has said it does not know.
    pub unknown: &'a [&'static str],
    /// What the provider is to call it.
    pub model: &'a str,
    /// The bytes that its prompt may have, where nobody can read all of it.
    pub bytes_max: Option<u64>,
    /// Which provider, with what, by when.
    pub attempt: &'a Attempt,
}

impl<'a> Deref for Scene<'a> {
    type Target = Matter<'a>;

    fn deref(&self) -> &Matter<'a> {
        self.matter
    }
}

/// One attempt over an open connection.
// Not an `async fn`: one keeps room for its arguments twice.
#[allow(clippy::manual_async_fn)]
pub fn attempt(
    scene: &Scene<'_>,
    tenant: &mut Downstream,
    exchange: &mut Exchange,
    mut upstream: Upstream,
    story: &mut Story,
) -> impl Future<Output = Outcome> {
    async move {
        let terms = match send(scene, &mut upstream, story) {
            Ok(terms) => terms,
            Err(transport) => return transport.into(),
        };
        story.sent(scene.shard, exchange, scene.attempt, scene.shard.io.precise());
        story.bill.sent(scene);
        let (head, bytes) = match answer_head(scene, &mut Waiter::Tenant(tenant), &mut upstream).await {
            Ok(found) => found,
            Err(outcome) => return outcome,
        };
        exchange.head(scene.attempt.index, head.status, Moment(scene.shard.io.now().0));
        heed_limits(scene, &head, &bytes);
        let outcome = match head.status {
            // Any of them: comments may have gone out, and only a stream can follow those.
            200..300 if scene.stream => stream::relay(scene, tenant, exchange, upstream, &head, &bytes, (terms, story)).await,
            200..300 => answer::relay(scene, tenant, exchange, upstream, &head, &bytes, (terms, story)).await,
            // It has heard the head itself.
            _ => return failure::read(scene, &mut Waiter::Tenant(tenant), upstream, &head, bytes).await,
        };
        failure::heard(scene, &head, &bytes, outcome)
    }
}

/// When the answer says that nothing remains of the provider's limits, whoever comes next is spared the
/// refusal. A Retry-After says more exactly what the provider wants, and is heeded by the verdict.
fn heed_limits(scene: &Scene<'_>, head: &Response, bytes: &[u8]) {
    let (Matter { shard, policy, .. }, attempt) = (scene.matter, scene.attempt);
    let told = |field| head.span(field).is_some();
    let Some(ms) = limits::spent_ms(head, bytes, || shard.io.wall().0 / 1_000) else { return };
    if told(ResponseField::RetryAfter) || told(ResponseField::RetryAfterMs) {
        return;
    }
    if attempt.spent(&shard.process.board, policy.prepared(), ms, Moment(shard.io.now().0)) {
        ledger::tell_spent(shard, policy, attempt, ms);
    }
}

/// Writes the request: a head from scratch, the body as it came but for the model's name, or in the
/// provider's language. Tells what the answer has to be read with.
fn send(scene: &Scene<'_>, upstream: &mut Upstream, story: &mut Story) -> Result<Agreed, Transport> {
    let (Matter { shard, policy, asked, body, .. }, attempt) = (scene.matter, scene.attempt);
    let anew = passage::anew(scene, story.summary.as_deref())?;
    story.compacted = anew.as_ref().and_then(|anew| anew.compacted);
    let edits = edit::Edits::new(body.facts(), &body.held, scene.surface, scene.model, scene.requested);
    let rest = without::body(scene, anew.as_ref(), &edits);
    let length = match (&rest, &anew) {
        (Some(rest), _) => rest.len(),
        (None, Some(anew)) => anew.len(),
        (None, None) => edits.length(body.held.len()),
    };
    let rendered = policy.rendered(attempt.provider);
    let line = rendered.line(scene.at, scene.model).map_err(|_| Transport::Unreadable)?;
    let credential = attempt.key.and_then(|key| policy.credential(key)).map(|value| (credential_field(policy, attempt.provider), value));
    let mut out = shard.io.vec();
    let written = head::write_request(
        &mut out,
        &head::RequestHead {
            line: &line,
            common: rendered.common(),
            credential,
            content_length: length as u64,
            accept: if scene.stream { b"text/event-stream" } else { b"application/json" },
            further: passage::further(scene, anew.is_some()).as_ref(),
            relayed: Some((&asked.head, &asked.bytes)),
        },
    );
    if written.is_err() {
        // The policy's names and credentials were proved clean when it was built.
        return Err(Transport::Http);
    }
    match (rest, &anew) {
        (Some(rest), _) => {
            upstream.wire.send(out);
            upstream.wire.send(rest);
        }
        (None, None) => edits.send(out, &body.held, &shard.io, &mut upstream.wire),
        (None, Some(anew)) => anew.send(out, scene, &mut upstream.wire),
    }
    Ok(anew.and_then(|anew| anew.terms))
}

/// The head of the answer, interim heads passed over; what follows it stays with the connection.
async fn answer_head(scene: &Scene<'_>, waiter: &mut Waiter<'_>, upstream: &mut Upstream) -> Result<(Response, Pooled), Outcome> {
    let mut by = Instant(scene.attempt.first_token_by.0);
    let stale_by = scene.shard.io.now().plus_millis(STALE_MS_MAX.into());
    let mut interim = 0;
    let mut joined: Option<Vec<u8>> = None;
    loop {
        let bytes = match next(scene, waiter, &mut upstream.wire, &mut by, scene.attempt.late(Transport::HeadTimeout)).await? {
            Arrived::Bytes(bytes) => bytes,
            // A pooled connection that ends at once, before a byte of an answer, was closed before we asked.
            _ if upstream.reused && joined.is_none() && interim == 0 && scene.shard.io.now() < stale_by => {
                return Err(Transport::StaleConnection.into());
            }
            Arrived::End | Arrived::Broken => return Err(Transport::ResetBeforeHead.into()),
        };
        let mut bytes = match joined.take() {
            None => bytes,
            Some(mut buffer) => {
                buffer.extend_from_slice(&bytes);
                Bytes::own(buffer)
            }
        };
        loop {
            match head::response(&bytes, ANSWER_HEAD_BYTES_MAX) {
                Ok(Some((head, used))) if head.informational => {
                    interim += 1;
                    if interim > INTERIM_HEADS_MAX {
                        return Err(Transport::MalformedHead.into());
                    }
                    bytes = bytes.slice(used..bytes.len());
                    if bytes.is_empty() {
                        break;
                    }
                }
                Ok(Some((head, used))) => {
                    upstream.wire.unread_from(&bytes, used);
                    // Copied: a stream may take minutes, and the ring's buffers are everybody's.
                    return Ok((head, Pooled::copy(&scene.shard.io, &bytes[..used])));
                }
                Ok(None) => {
                    let mut buffer = scene.shard.io.vec();
                    buffer.extend_from_slice(&bytes);
                    joined = Some(buffer);
                    break;
                }
                Err(_) => return Err(Transport::MalformedHead.into()),
            }
        }
    }
}

/// Bytes of the provider's, or its end.
enum Arrived {
    Bytes(Bytes),
    End,
    /// An end that may be none: what is missing tells, where something can be.
    Broken,
}

/// The next bytes of an answer, by `by`, or `late`. While a stream has nothing to show, comments keep the
/// tenant's connection alive.
async fn next(scene: &Scene<'_>, waiter: &mut Waiter<'_>, wire: &mut Wire, by: &mut Instant, late: Transport) -> Result<Arrived, Outcome> {
    let deadline = Instant(scene.attempt.deadline.0);
    loop {
        let keepalive = waiter.keepalive_at();
        let until = (*by).min(deadline).min(keepalive);
        match waiter.arrival(wire, until).await {
            Arrival::Bytes(bytes) => return Ok(Arrived::Bytes(bytes)),
            Arrival::End => return Ok(Arrived::End),
            Arrival::Broken(_) => return Ok(Arrived::Broken),
            Arrival::Gone => return Err(Outcome::HungUp),
            Arrival::Late if until == keepalive => stream::keep_alive(scene, waiter),
            Arrival::Late if until == deadline => return Err(Transport::Deadline.into()),
            Arrival::Late => return Err(late.into()),
        }
    }
}

/// Waits without a provider, until `until`; comments keep the tenant's connection alive.
pub async fn idle(scene: &Scene<'_>, waiter: &mut Waiter<'_>, until: Instant) -> Result<(), Outcome> {
    loop {
        let keepalive = waiter.keepalive_at();
        if waiter.wait(until.min(keepalive)).await.is_err() {
            return Err(Outcome::HungUp);
        }
        if until <= keepalive {
            return Ok(());
        }
        stream::keep_alive(scene, waiter);
    }
}

/// Verb 9's first half: tells the exchange what came of an attempt. `None` goes on.
pub fn conclude(scene: &Scene<'_>, exchange: &mut Exchange, outcome: Outcome, story: &mut Story) -> Option<Ended> {
    let (Matter { shard, policy, .. }, attempt) = (scene.matter, scene.attempt);
    let board = &shard.process.board;
    let now = Moment(shard.io.now().0);
    let (verdict, declined, cut) = match outcome {
        Outcome::Answered if story.flawed => {
            let verdict = judge::transport(Transport::SchemaViolation);
            exchange.flawed(board, policy.prepared(), attempt.index, verdict, now);
            ledger::tell_flawed(shard, policy, attempt, story);
            return Some(Ended::Answered);
        }
        Outcome::Answered => {
            exchange.succeeded(board, policy.prepared(), attempt.index, None, now);
            return Some(Ended::Answered);
        }
        // `account` tells the exchange.
        Outcome::HungUp => return Some(Ended::HungUp),
        Outcome::Failed(verdict) => (verdict, None, false),
        Outcome::Declined(verdict, answer) => (verdict, Some(answer), false),
        Outcome::Cut(verdict) => (verdict, None, true),
    };
    story.failed(shard, verdict.class, declined);
    if !cut {
        story.bill.failed(shard, exchange.trail()[attempt.index].status, verdict.fresh);
    }
    let out = ledger::out(shard, attempt, now);
    exchange.concluded(board, policy.prepared(), attempt.index, verdict, now);
    if out.is_none()
        && let Some(out) = ledger::out(shard, attempt, now)
    {
        ledger::tell_out(shard, policy, attempt, out, now);
    }
    cut.then(|| {
        let target = &policy.targets[attempt.target].name;
        let message =
            format!("{target} stopped in mid-stream ({}); what came before is incomplete (request {}).", verdict.class.word(), story.id);
        Ended::Cut(Box::new(Refusal { fault: judge::Fault::Provider, retry: true, ..Refusal::tenant(502, "stream_cut", message) }))
    })
}

/// Verb 9's other half: nothing is left to try, and the most useful of the errors is returned.
pub fn surrender(
    shard: &Shard,
    policy: &Serving,
    tenant: &mut Downstream,
    asked: &Asked,
    exchange: &Exchange,
    story: &mut Story,
    surrender: Surrender,
) -> Ended {
    if let Surrender::Own(own) = &surrender
        && (!own.is_mistake() || exchange.wants_template(policy.prepared()))
        && let Some(text) = template::of(policy, exchange, story)
    {
        return template::answer(shard, tenant, exchange, story, text);
    }
    match (surrender, story.declined.take()) {
        // Nobody can count, or nobody does.
        (Surrender::Own(_), _) if story.surface.is_some_and(Surface::counts) => estimate(shard, tenant, exchange, story),
        (Surrender::Relay { .. }, Some(answer)) if answer.is_foreign() => {
            Ended::from(Refusal::tenant(answer.status(), answer.code(), answer.message()))
        }
        (Surrender::Relay { .. }, Some(answer)) if !tenant.head_sent => {
            failure::relay(shard, policy, tenant, asked, exchange, &answer);
            Ended::Relayed(answer.status())
        }
        (Surrender::Relay { .. }, answer) => {
            let message = match (answer, story.unread) {
                (Some(answer), _) => answer.message(),
                (None, Some(unread)) => format!("'{}' {}.", unread.member, unread.complaint),
                (None, None) => "A provider refused the request.".to_owned(),
            };
            let param = story.unread.map(|unread| unread.member);
            Ended::from(Refusal::tenant(400, "provider_refused", message).about(param))
        }
        (Surrender::Own(own), _) => Ended::from(Refusal {
            status: own.status,
            code: own.code,
            kind: own.kind,
            message: own.message.as_str().to_owned().into(),
            param: None,
            retry_after_ms: own.retry_after_ms,
            retry: own.should_retry,
            allow: None,
            fault: own.fault,
            close: false,
            counted: false,
        }),
        (Surrender::Cut, _) => Ended::Cut(Box::new(Refusal::tenant(502, "stream_cut", "The stream was cut."))),
    }
}

/// Writes the fields that tell who answered and how.
fn write_who(scene: &Scene<'_>, tenant: &Downstream, story: &mut Story, exchange: &Exchange, out: &mut Vec<u8>) {
    let (Matter { shard, policy, .. }, attempt) = (scene.matter, scene.attempt);
    debug_assert!(!tenant.head_sent, "the head goes out once");
    respond::write_own(out, story.id, story.dialect);
    policy.rendered(attempt.provider).served_by().write(out);
    // The model may be the tenant's word, which is JSON and not always fit for a head: then it is
    // left out.
    head::write_field(out, "x-throwover-model", scene.model.as_bytes()).ok();
    let number = |out: &mut Vec<u8>, name: &str, value: u64| {
        out.extend_from_slice(name.as_bytes());
        head::write_number(out, value);
        out.extend_from_slice(b"\r\n");
    };
    if exchange.way() == Way::Budget {
        out.extend_from_slice(b"x-throwover-budget: reduced\r\n");
    }
    number(out, "x-throwover-attempts: ", u64::from(exchange.attempts_made()));
    if let Some(fallback) = exchange.fallback() {
        out.extend_from_slice(b"x-throwover-fallback-reason: ");
        out.extend_from_slice(fallback.trigger.word().as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    if let Some(hedge) = exchange.trail().iter().position(|attempt| attempt.hedge) {
        out.extend_from_slice(if hedge == attempt.index { b"x-throwover-hedge: second\r\n" } else { b"x-throwover-hedge: first\r\n" });
    }
    if let Some(compacted) = &story.compacted {
        passage::write_compacted(compacted, out);
        summary::write_field(policy, story.summary.as_deref(), compacted, out);
        out.extend_from_slice(b"\r\n");
    }
    number(out, "x-throwover-overhead-us: ", story.overhead_ns(shard) / 1_000);
}

/// Copies what a provider that speaks `from` says of itself for a client that speaks `to`: its rate
/// limits, unless the tenant has limits of its own, and its request id under a name of its own.
fn write_provider_fields(
    shard: &Shard,
    (from, to): (Dialect, Dialect),
    tenant: &Downstream,
    head: &Response,
    bytes: &[u8],
    out: &mut Vec<u8>,
) {
    head::relay_fields(out, head, bytes, tenant.array.is_none());
    if tenant.array.is_some() {
        tenant.write_stream_type(out);
    }
    match tenant.limits {
        Some(_) => tenant.write_limits(shard, to, out),
        None => limits::relay(out, head, bytes, (from, to), || shard.io.wall().0 / 1_000),
    }
    let id = head.field(bytes, ResponseField::XRequestId).or_else(|| head.field(bytes, ResponseField::RequestId));
    if let Some(id) = id {
        head::write_field(out, "x-throwover-provider-request-id", id).expect("a value that was read from a head can stand in one");
    }
}

impl Scene<'_> {
    /// Judges an error object within an answer of status 200, by the rules of who sent it. `body` is what it
    /// stands in, which may say when to come back.
    fn failed(&self, fields: &json::ErrorFields, body: &[u8]) -> Verdict {
        judge::failure(self.family(), &fields_of(fields), dialect::gemini::retry_delay_ms(body))
    }

    /// Whose words its errors are in.
    pub fn family(&self) -> judge::Family {
        self.policy.prepared().family(self.attempt.provider)
    }
}

/// The fields of an error object, as the engine judges them.
fn fields_of(fields: &json::ErrorFields) -> ErrorFields<'_> {
    ErrorFields {
        kind: Some(fields.kind.as_str()).filter(|text| !text.is_empty()),
        code: Some(fields.code.as_str()).filter(|text| !text.is_empty()),
        param: Some(fields.param.as_str()).filter(|text| !text.is_empty()),
        message: Some(fields.message.as_str()).filter(|text| !text.is_empty()),
    }
}

/// Counts what the answer's way through the gateway took, since the turn in which it came.
fn count_answer(shard: &Shard) {
    shard.meters().spread(Spread::OverheadAnswer, shard.io.precise().0.saturating_sub(shard.io.now().0));
}
