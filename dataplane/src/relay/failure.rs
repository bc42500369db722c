//! Error answers of providers: read within a bound, judged by their fields, and perhaps returned.

use super::{Arrived, Outcome, Scene, answer, fields_of, next, write_provider_fields};
use crate::{
    current::Held as Serving,
    downstream::{Downstream, Waiter},
    held::Pooled,
    io::Instant,
    pool::Upstream,
    request::Asked,
    respond,
    shard::Shard,
    surface,
};
use codec::{
    body::Decoder,
    dialect,
    head::{self, Response, ResponseField, RetryAfter},
    json,
};
use engine::{
    exchange::Exchange,
    failover,
    judge::{self, Transport, Verdict},
};
use policy::{Class, limits};

/// An error answer of a provider's, kept in case it is the one to return.
pub struct ErrorAnswer {
    status: u16,
    head: Response,
    bytes: Pooled,
    body: Vec<u8>,
    message: String,
    code: &'static str,
    /// It is in another form than the client's dialect has: another's, a validator's, a page of a proxy, a part
    /// of something, or nothing at all.
    foreign: bool,
}

impl ErrorAnswer {
    /// Its status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// True when it is not in the client's language, and cannot be returned as it is.
    pub fn is_foreign(&self) -> bool {
        self.foreign
    }

    /// What a client is told of it in its own language.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Its message, or that it has none.
    pub fn message(&self) -> String {
        match self.message.is_empty() {
            true => format!("The provider refused the request with status {} and did not say why.", self.status),
            false => self.message.clone(),
        }
    }
}

/// Reads an error answer and judges it.
pub(super) async fn read(scene: &Scene<'_>, waiter: &mut Waiter<'_>, mut upstream: Upstream, head: &Response, bytes: Pooled) -> Outcome {
    let (body, whole) = match body(scene, waiter, &mut upstream, head).await {
        Ok(read) => read,
        Err(outcome) => return outcome,
    };
    if whole && head.reusable {
        upstream.give_back();
    }
    let fields = dialect::read_error(&body);
    let should_retry = head.field(&bytes, ResponseField::XShouldRetry).and_then(|value| match value {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    });
    // What is back in a moment does not shorten the rest that a refusal calls for.
    let rest_ms = failover::row(Class::RateLimit).pause_ms;
    let reset = || limits_spent_ms(scene.shard, head, &bytes).filter(|ms| head.status == 429 && *ms > rest_ms);
    let told = retry_after_ms(scene.shard, head, &bytes).or_else(|| dialect::gemini::retry_delay_ms(&body)).or_else(reset);
    let verdict = judge::answer(scene.family(), head.status, &fields_of(&fields), told, should_retry);
    let verdict = match head.status {
        // What a model that answers has no ear for is asked by whoever wants to, and says nothing about answers.
        403 | 404 | 405 | 501 if !scene.at.generates() => verdict.of_this_request(),
        _ => verdict,
    };
    let message = fields.message.as_str().to_owned();
    let speaks = whole && dialect::is_error(scene.surface.dialect(), &body);
    Outcome::Declined(
        verdict,
        Box::new(ErrorAnswer {
            status: head.status,
            head: head.clone(),
            bytes,
            body,
            message,
            code: failover::row(verdict.class).shown.code,
            foreign: scene.translates() || !speaks,
        }),
    )
}

/// True when an error was found in a body.
fn tells(fields: &json::ErrorFields) -> bool {
    [fields.kind.as_str(), fields.code.as_str(), fields.message.as_str()].iter().any(|text| !text.is_empty())
}

/// Reads what came with status 200 in place of a stream: an error object says what went wrong, so
/// that a rate limit is heeded as one.
pub(super) async fn read_instead(
    scene: &Scene<'_>,
    waiter: &mut Waiter<'_>,
    mut upstream: Upstream,
    head: &Response,
    bytes: &[u8],
) -> Outcome {
    if !answer::is_json(head, bytes) {
        return Transport::WrongContentType.into();
    }
    let (body, whole) = match body(scene, waiter, &mut upstream, head).await {
        Ok(read) => read,
        Err(outcome) => return outcome,
    };
    if whole && head.reusable {
        upstream.give_back();
    }
    let fields = dialect::read_error(&body);
    if tells(&fields) { Outcome::Failed(scene.failed(&fields, &body)) } else { Transport::WrongContentType.into() }
}

/// The body, as far as it is of use, and whether that was all of it.
async fn body(scene: &Scene<'_>, waiter: &mut Waiter<'_>, upstream: &mut Upstream, head: &Response) -> Result<(Vec<u8>, bool), Outcome> {
    let mut read = scene.shard.io.vec();
    let Ok(mut decoder) = Decoder::new(head.framing, limits::ERROR_BODY_BYTES_MAX as u64) else { return Ok((read, false)) };
    let mut by = scene.shard.io.now().plus_millis(idle_ms(scene));
    while !decoder.done() {
        let bytes = match next(scene, waiter, &mut upstream.wire, &mut by, Transport::IdleTimeout).await {
            Ok(Arrived::Bytes(bytes)) => bytes,
            // However it ended: what it said so far is what there is, and the connection is gone.
            Ok(Arrived::End | Arrived::Broken) => return Ok((read, false)),
            Err(Outcome::HungUp) => return Err(Outcome::HungUp),
            // A status was said: an error that is slow to explain itself is that error all the same.
            Err(_) => return Ok((read, false)),
        };
        let mut at = 0;
        while at < bytes.len() && !decoder.done() {
            let Ok(step) = decoder.decode(&bytes[at..]) else { return Ok((read, false)) };
            read.extend_from_slice(&bytes[at + step.data.start..at + step.data.end]);
            at += step.used;
        }
        if at < bytes.len() {
            // More than the answer: never use this connection again.
            return Ok((read, false));
        }
    }
    Ok((read, true))
}

pub(super) fn idle_ms(scene: &Scene<'_>) -> u64 {
    scene.attempt.idle_ns / 1_000_000
}

/// What the head says about coming back, in milliseconds; `retry-after-ms` is the finer of the two.
fn retry_after_ms(shard: &Shard, head: &Response, bytes: &[u8]) -> Option<u64> {
    let fine = head.field(bytes, ResponseField::RetryAfterMs).and_then(head::retry_after_ms);
    let coarse = head.field(bytes, ResponseField::RetryAfter).and_then(head::retry_after).map(|after| match after {
        RetryAfter::DelayMs(millis) => millis,
        RetryAfter::UnixSeconds(seconds) => seconds.saturating_mul(1_000).saturating_sub(shard.io.wall().0 / 1_000),
    });
    fine.or(coarse)
}

/// What came of an answer of status 200 that turned out to be an error: its head may say when to come back.
pub(super) fn heard(scene: &Scene<'_>, head: &Response, bytes: &[u8], outcome: Outcome) -> Outcome {
    let hear = |verdict: Verdict| match verdict.class {
        Class::RateLimit | Class::QuotaExhausted | Class::Overloaded | Class::ServerError if verdict.retry_after_ms.is_none() => {
            Verdict { retry_after_ms: retry_after_ms(scene.shard, head, bytes), ..verdict }
        }
        _ => verdict,
    };
    match outcome {
        Outcome::Failed(verdict) => Outcome::Failed(hear(verdict)),
        Outcome::Cut(verdict) => Outcome::Cut(hear(verdict)),
        outcome => outcome,
    }
}

/// Until what is used up of the provider's limits is back, in milliseconds.
fn limits_spent_ms(shard: &Shard, head: &Response, bytes: &[u8]) -> Option<u64> {
    dialect::limits::spent_ms(head, bytes, || shard.io.wall().0 / 1_000)
}

/// Returns an error answer as it is, once.
pub(super) fn relay(shard: &Shard, policy: &Serving, tenant: &mut Downstream, asked: &Asked, exchange: &Exchange, answer: &ErrorAnswer) {
    let mut out = shard.io.vec();
    head::write_status(&mut out, answer.status);
    // What is relayed as it is was said in the client's own dialect.
    let dialect = surface::dialect_of(asked);
    write_provider_fields(shard, (dialect, dialect), tenant, &answer.head, &answer.bytes, &mut out);
    respond::write_own(&mut out, asked.id, dialect);
    out.extend_from_slice(b"x-throwover-fault: tenant\r\nx-should-retry: false\r\nx-throwover-attempts: ");
    head::write_number(&mut out, u64::from(exchange.attempts_made()));
    out.extend_from_slice(b"\r\nx-throwover-generation: ");
    head::write_number(&mut out, policy.generation);
    out.extend_from_slice(b"\r\n");
    // Where a stream is an array, an error is the only element of one.
    let (before, behind): (&[u8], &[u8]) = if tenant.array.is_some() { (b"[", b"]") } else { (b"", b"") };
    let length = (before.len() + answer.body.len() + behind.len()) as u64;
    tenant.finish_head(&mut out, Some(length));
    for part in [before, &answer.body, behind] {
        out.extend_from_slice(part);
    }
    tenant.sent += length;
    tenant.wire.send(out);
}

/// When a phase that begins now is over.
pub(super) fn idle_by(scene: &Scene<'_>) -> Instant {
    scene.shard.io.now() + std::time::Duration::from_nanos(scene.attempt.idle_ns)
}
