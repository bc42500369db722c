//! What a tenant may ask for in a minute: counted at the edge, told on every answer, put right at
//! the end.
//!
//! A request is counted before its body is read. Tokens are taken by an estimate, since only the
//! provider counts them, and only when it has answered; the story's end puts them right.

use crate::{downstream::Downstream, meters::Meter, respond::Refusal, shard::Shard};
use codec::dialect::{
    Dialect,
    limits::{self, RateLimits},
};
use engine::{
    Moment,
    allowance::{Allowance, Left, Rate, Spent},
};
use policy::{Tenant, TenantId};

/// Bytes of JSON that count as one token of a prompt until the provider says better.
const BYTES_PER_TOKEN: u64 = 4;

/// What is left to the tenant of an exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    requests: Option<(Rate, Left)>,
    tokens: Option<(Rate, Left)>,
}

/// Counts a request of `tenant`.
///
/// # Errors
/// It has asked as often as it may.
pub fn take_request(shard: &Shard, id: TenantId, tenant: &Tenant, downstream: &mut Downstream) -> Result<(), Refusal> {
    let now = Moment(shard.io.now().0);
    let row = shard.process.board.tenant(id);
    let tokens = Rate::per_minute(tenant.tokens_per_minute).map(|rate| (rate, row.tokens.left(rate, now)));
    let Some(rate) = Rate::per_minute(tenant.requests_per_minute) else {
        downstream.limits = Some(Limits { requests: None, tokens });
        return Ok(());
    };
    let taken = row.requests.take(rate, 1, now);
    let left = taken.unwrap_or_else(|_| row.requests.left(rate, now));
    downstream.limits = Some(Limits { requests: Some((rate, left)), tokens });
    taken.map(|_| ()).map_err(|spent| refuse(shard, "requests", rate, 1, spent))
}

/// Takes the tokens that a body of `bytes` will cost at least; returns how many.
///
/// # Errors
/// The tenant has used as many as it may, or the request alone is more than that.
pub fn reserve(shard: &Shard, id: TenantId, tenant: &Tenant, bytes: usize, downstream: &mut Downstream) -> Result<u64, Refusal> {
    let Some(rate) = Rate::per_minute(tenant.tokens_per_minute) else { return Ok(0) };
    let now = Moment(shard.io.now().0);
    let allowance: &Allowance = &shard.process.board.tenant(id).tokens;
    let estimate = (bytes as u64).div_ceil(BYTES_PER_TOKEN);
    let taken = allowance.take(rate, estimate, now);
    let left = taken.unwrap_or_else(|_| allowance.left(rate, now));
    downstream.limits.get_or_insert_default().tokens = Some((rate, left));
    taken.map(|_| estimate).map_err(|spent| refuse(shard, "tokens", rate, estimate, spent))
}

/// Puts an estimate right: `counted` is what providers said, if they did, and `bytes_out` what the
/// tenant got of an answer.
pub fn settle(shard: &Shard, id: TenantId, tenant: &Tenant, estimate: u64, counted: u64, bytes_out: u64) {
    let Some(rate) = Rate::per_minute(tenant.tokens_per_minute) else { return };
    let used = match (counted, bytes_out) {
        // Nothing came of it.
        (0, 0) => 0,
        (0, bytes) => estimate.saturating_add(bytes / BYTES_PER_TOKEN),
        (counted, _) => counted,
    };
    shard.process.board.tenant(id).tokens.settle(rate, estimate, used, Moment(shard.io.now().0));
}

fn refuse(shard: &Shard, what: &'static str, rate: Rate, units: u64, spent: Spent) -> Refusal {
    let most = rate.units();
    let refusal = match spent {
        Spent::For(ns) => Refusal {
            retry_after_ms: Some(ns.div_ceil(1_000_000)),
            retry: true,
            ..Refusal::tenant(
                429,
                "rate_limit_exceeded",
                format!("You may use {most} {what} a minute and have used them; try again later."),
            )
        },
        // Useless to ask again, however long one waits.
        Spent::TooMuch => Refusal::tenant(
            429,
            "request_too_large",
            format!("This request needs about {units} {what}, and you may use {most} a minute: make it smaller."),
        ),
    };
    refusal.counted_by(Meter::RateLimited, shard.meters())
}

/// Writes what is left, in the names and the form of the client's dialect; in OpenAI's where it has
/// none.
pub fn write_limits(out: &mut Vec<u8>, limits: &Limits, dialect: Dialect, wall_ms: u64) {
    let told = |(rate, left): (Rate, Left)| limits::Allowance {
        limit: Some(rate.units()),
        remaining: Some(left.units),
        reset_ms: Some(left.full_in_ns.div_ceil(1_000_000)),
    };
    let told = RateLimits { requests: limits.requests.map(told), tokens: limits.tokens.map(told), ..RateLimits::default() };
    told.write(if dialect == Dialect::Gemini { Dialect::Openai } else { dialect }, wall_ms, out);
}
