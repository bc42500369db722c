//! Answers that the gateway gives itself, in the tenant's dialect. Each has a stable code, says
//! whose fault it was, and is honest about retrying.

use crate::{
    downstream::Downstream,
    io::Instant,
    meters::{Meter, Meters},
    request::RequestId,
    shard::Shard,
};
use codec::{
    dialect::{self, Dialect, gemini::Array},
    head, json,
};
use engine::judge::Fault;
use std::borrow::Cow;

/// What the gateway refuses, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Stable, for programs: `model_not_found`.
    pub code: &'static str,
    /// OpenAI's coarse type: `invalid_request_error`.
    pub kind: &'static str,
    /// For humans: what, where, how to mend it.
    pub message: Cow<'static, str>,
    /// The member of the request that is meant.
    pub param: Option<&'static str>,
    /// Asking again before this many milliseconds is useless.
    pub retry_after_ms: Option<u64>,
    /// Asking again may help.
    pub retry: bool,
    /// The methods that the path takes, when it was asked with another.
    pub allow: Option<&'static str>,
    /// Whose fault.
    pub fault: Fault,
    /// The connection cannot go on.
    pub close: bool,
    /// It has a meter of its own, and was counted where it was decided.
    pub counted: bool,
}

impl Refusal {
    /// A refusal that the tenant has to mend.
    pub fn tenant(status: u16, code: &'static str, message: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal {
            status,
            code,
            kind: kind_of(status),
            message: message.into(),
            param: None,
            retry_after_ms: None,
            retry: false,
            allow: None,
            fault: Fault::Tenant,
            close: false,
            counted: false,
        }
    }

    /// A refusal because the gateway is full.
    pub fn full(code: &'static str, message: &'static str) -> Refusal {
        Refusal { retry_after_ms: Some(1_000), retry: true, fault: Fault::Us, ..Refusal::tenant(503, code, message) }
    }

    /// A refusal because the gateway ends, and may not wait any longer.
    pub fn stopped() -> Refusal {
        let message = "The gateway is stopped, and this request did not end in the time that was left; try again.";
        Refusal::full("gateway_stopped", message).closing()
    }

    /// The same, ending the connection.
    pub fn closing(mut self) -> Refusal {
        self.close = true;
        self
    }

    /// Counts it now, by a meter of its own, and so by no other at the end.
    pub fn counted_by(mut self, meter: Meter, meters: &Meters) -> Refusal {
        meters.count(meter);
        self.counted = true;
        self
    }

    /// The same, about a member of the request.
    pub fn about(mut self, param: Option<&'static str>) -> Refusal {
        self.param = param;
        self
    }
}

impl From<head::Refusal> for Refusal {
    fn from(refusal: head::Refusal) -> Self {
        Refusal { close: refusal.closes(), ..Refusal::tenant(refusal.status(), refusal.code(), refusal.message()) }
    }
}

impl From<codec::body::Fault> for Refusal {
    fn from(fault: codec::body::Fault) -> Self {
        Refusal::tenant(fault.status(), fault.code(), fault.message()).closing()
    }
}

impl From<json::Refusal> for Refusal {
    fn from(refusal: json::Refusal) -> Self {
        let message = format!("{} (at byte {} of the body)", refusal.code.message(), refusal.offset);
        Refusal::tenant(400, refusal.code.code(), message).about(refusal.code.param())
    }
}

/// OpenAI's coarse type of a status.
fn kind_of(status: u16) -> &'static str {
    match status {
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    }
}

/// The word for whose fault it was, in the field `x-throwover-fault`.
pub fn word_of(fault: Fault) -> &'static str {
    match fault {
        Fault::Tenant => "tenant",
        Fault::Provider => "provider",
        Fault::Operator => "operator",
        Fault::Us => "gateway",
    }
}

/// Sends a refusal: an answer of its own, or an event when a stream's head is out already.
pub fn refuse(shard: &Shard, tenant: &mut Downstream, id: RequestId, spoken: Dialect, refusal: &Refusal) {
    tenant.keep_alive &= !refusal.close;
    if tenant.head_sent {
        return cut(shard, tenant, id, spoken, refusal);
    }
    let mut body = shard.io.vec();
    let message = format!("{} (request {id})", refusal.message);
    let name = id.to_string();
    match spoken {
        Dialect::Openai | Dialect::Responses => {
            dialect::openai::error_body(&mut body, &message, refusal.kind, Some(refusal.code), refusal.param);
        }
        Dialect::Anthropic => dialect::anthropic::error_body(&mut body, refusal.status, &message, refusal.code, &name),
        // Alone, it would have been the array's only element.
        Dialect::Gemini if tenant.array.is_some() => {
            Array::default().error(&mut body, refusal.status, &message, refusal.code, &name);
        }
        Dialect::Gemini => dialect::gemini::error_body(&mut body, refusal.status, &message, refusal.code, &name),
    }
    let mut out = shard.io.vec();
    head::write_status(&mut out, refusal.status);
    out.extend_from_slice(b"content-type: application/json\r\n");
    write_own(&mut out, id, spoken);
    out.extend_from_slice(b"x-throwover-fault: ");
    out.extend_from_slice(word_of(refusal.fault).as_bytes());
    out.extend_from_slice(b"\r\n");
    write_retry(&mut out, refusal.retry_after_ms, refusal.retry);
    tenant.write_limits(shard, spoken, &mut out);
    if refusal.status == 401 {
        // RFC 9110, section 15.5.2: a 401 names a challenge.
        out.extend_from_slice(b"www-authenticate: Bearer\r\n");
    }
    if let Some(methods) = refusal.allow {
        // RFC 9110, section 15.5.6: a 405 lists what the target takes.
        out.extend_from_slice(b"allow: ");
        out.extend_from_slice(methods.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    tenant.finish_head(&mut out, Some(body.len() as u64));
    tenant.write_body(&mut out, &body);
    tenant.wire.send(out);
}

/// Ends a stream that has begun with an error event, and never with its terminal marker. The
/// connection ends too, without the last chunk: no reader can take it for complete.
pub fn cut(shard: &Shard, tenant: &mut Downstream, id: RequestId, spoken: Dialect, refusal: &Refusal) {
    tenant.keep_alive = false;
    if !tenant.events {
        // RFC 9112, section 8: a close would be the end of an answer to HTTP/1.0, and a good one.
        tenant.torn = tenant.plain_ends;
        return;
    }
    let mut event = shard.io.vec();
    let name = id.to_string();
    if let Some(array) = &mut tenant.array {
        array.error(&mut event, refusal.status, &refusal.message, refusal.code, &name);
        return tenant.send_part(shard.io.vec(), &event);
    }
    match spoken {
        Dialect::Openai => dialect::openai::error_event(&mut event, &refusal.message, refusal.kind, Some(refusal.code), refusal.param),
        Dialect::Responses => {
            dialect::responses::error_event(&mut event, tenant.sent, &refusal.message, refusal.kind, Some(refusal.code), refusal.param);
        }
        Dialect::Anthropic => dialect::anthropic::error_event(&mut event, refusal.status, &refusal.message, refusal.code, &name),
        Dialect::Gemini => dialect::gemini::error_event(&mut event, refusal.status, &refusal.message, refusal.code, &name),
    }
    let out = shard.io.vec();
    tenant.send_part(out, &event);
}

/// Sends a document of ours with status 200.
pub fn document(shard: &Shard, tenant: &mut Downstream, id: RequestId, spoken: Dialect, body: &[u8]) {
    let mut out = shard.io.vec();
    head::write_status(&mut out, 200);
    out.extend_from_slice(b"content-type: application/json\r\n");
    write_own(&mut out, id, spoken);
    tenant.finish_head(&mut out, Some(body.len() as u64));
    tenant.write_body(&mut out, body);
    tenant.wire.send(out);
}

/// Sends a document of ours in the place of a provider's answer, which says that it is an estimate.
pub fn estimated(shard: &Shard, tenant: &mut Downstream, id: RequestId, spoken: Dialect, attempts: u8, body: &[u8]) {
    let mut out = shard.io.vec();
    head::write_status(&mut out, 200);
    out.extend_from_slice(b"content-type: application/json\r\n");
    write_own(&mut out, id, spoken);
    out.extend_from_slice(b"x-throwover-estimated: true\r\nx-throwover-attempts: ");
    head::write_number(&mut out, attempts.into());
    out.extend_from_slice(b"\r\n");
    tenant.write_limits(shard, spoken, &mut out);
    tenant.finish_head(&mut out, Some(body.len() as u64));
    tenant.write_body(&mut out, body);
    tenant.wire.send(out);
}

/// What stands in the place of a model's answer.
pub struct StandIn<'b> {
    /// Its word in `x-throwover-fallback`: `template` for a text of the operator's, `earlier` for an earlier answer.
    pub what: &'static str,
    /// How many attempts were made before.
    pub attempts: u8,
    /// It was generated so long ago, in milliseconds; `None` when it is new.
    pub age_ms: Option<u64>,
    /// It is events, and no whole body.
    pub stream: bool,
    /// Its bytes, in the tenant's dialect.
    pub body: &'b [u8],
}

/// Sends what stands in the place of a model's answer, and says that it does.
pub fn stand_in(shard: &Shard, tenant: &mut Downstream, id: RequestId, spoken: Dialect, instead: &StandIn<'_>) {
    let mut out = shard.io.vec();
    tenant.keepalive_at = Instant::FAR;
    if !tenant.head_sent {
        head::write_status(&mut out, 200);
        if instead.stream {
            tenant.write_stream_type(&mut out);
            out.extend_from_slice(b"cache-control: no-cache\r\n");
        } else {
            out.extend_from_slice(b"content-type: application/json\r\n");
        }
        write_own(&mut out, id, spoken);
        out.extend_from_slice(b"x-throwover-fallback: ");
        out.extend_from_slice(instead.what.as_bytes());
        out.extend_from_slice(b"\r\nx-throwover-attempts: ");
        head::write_number(&mut out, instead.attempts.into());
        out.extend_from_slice(b"\r\n");
        if let Some(age_ms) = instead.age_ms {
            // RFC 9111, section 5.1: whole seconds since the answer was generated.
            out.extend_from_slice(b"age: ");
            head::write_number(&mut out, age_ms / 1_000);
            out.extend_from_slice(b"\r\n");
        }
        tenant.write_limits(shard, spoken, &mut out);
        tenant.finish_head(&mut out, (!instead.stream).then_some(instead.body.len() as u64));
        tenant.events = instead.stream;
    }
    if instead.stream {
        tenant.send_events(shard, out, instead.body);
        let mut end = shard.io.vec();
        tenant.end_body(&mut end);
        if !end.is_empty() {
            tenant.wire.send(end);
        }
    } else {
        tenant.write_body(&mut out, instead.body);
        tenant.wire.send(out);
    }
}

/// Writes the fields that name the request: ours, and the one where Anthropic's SDKs look for it.
pub fn write_own(out: &mut Vec<u8>, id: RequestId, spoken: Dialect) {
    let mut named = |name: &[u8]| {
        out.extend_from_slice(name);
        id.write(out);
        out.extend_from_slice(b"\r\n");
    };
    named(b"x-request-id: ");
    if spoken == Dialect::Anthropic {
        named(b"request-id: ");
    }
}

/// Writes what a client needs to know about retrying: SDKs retry on their own.
pub fn write_retry(out: &mut Vec<u8>, retry_after_ms: Option<u64>, retry: bool) {
    if !retry {
        out.extend_from_slice(b"x-should-retry: false\r\n");
    }
    if let Some(millis) = retry_after_ms {
        out.extend_from_slice(b"retry-after: ");
        head::write_number(out, millis.div_ceil(1_000).max(1));
        out.extend_from_slice(b"\r\nretry-after-ms: ");
        head::write_number(out, millis.max(1));
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests;
