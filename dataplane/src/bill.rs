//! What an exchange costs, and what its tenant may still spend.
//!
//! Tenants without a budget cost nothing here but some additions at the end. Of those with one, what
//! a request may cost is reserved before its first attempt, and put right at its end by what every
//! attempt did cost: as its provider counted, else as it can be estimated. An attempt that is answered
//! with an error costs nothing; one that was sent and not answered costs its prompt. However an exchange ends, be it dropped with its shard, its [`Bill`]
//! settles what it has reserved.

use crate::{body::Body, current::Policy, meters::Meter, relay::Scene, respond::Refusal, shard::Shard, surface::Surface};
use codec::json::Usage;
use engine::{
    Moment,
    account::Outcome,
    budget::{Reservation, Settled},
    exchange::{Exchange, Skip},
};
use policy::{Budget, ChainId, Key, Money, Price, TargetId, TenantId, Tokens, limits, wire::Event};
use std::rc::Rc;

/// Tokens of an answer that are reserved when the request names no limit.
const ANSWER_TOKENS_USUAL: u64 = 1_024;
/// Bytes of a whole answer that count as one token when nobody has counted.
const ANSWER_BYTES_PER_TOKEN: u64 = 4;
/// The same of a stream, whose events are mostly form.
const STREAM_BYTES_PER_TOKEN: u64 = 256;
/// Who is refused may be told to come back, when the period ends within so long.
const RETRY_AFTER_MS_MAX: u64 = 3_600_000;

/// What an exchange costs.
#[derive(Default)]
pub struct Bill {
    /// Tokens that the prompt is taken for.
    prompt: u64,
    /// The attempt that was sent and is not paid for.
    leg: Option<Leg>,
    cost: Money,
    failed_cost: Money,
    priced: bool,
    /// Boxed: few tenants have a budget, and every exchange would keep room for it.
    reserved: Option<Box<Reserved>>,
}

/// One attempt that costs something.
struct Leg {
    target: TargetId,
    price: Option<Price>,
    tokens: Tokens,
    /// The provider has counted the prompt, the answer.
    counted: (bool, bool),
    /// Pieces of content that a stream has shown: each is a token at least.
    pieces: u64,
    /// Its credential, where that has a limit of tokens. Boxed: rare, and every exchange would keep room for it.
    key: Option<Box<Key>>,
    /// What was taken of that limit.
    taken: u64,
}

/// What is reserved of a budget.
struct Reserved {
    shard: Rc<Shard>,
    tenant: TenantId,
    budget: Budget,
    reservation: Reservation,
    /// What is asked beside it may cost this in addition.
    more: Option<Reservation>,
}

impl Reserved {
    fn settle(self, used: Money) -> Settled {
        let period = self.budget.per.period(unix_ms(&self.shard));
        let purse = &self.shard.process.board.tenant(self.tenant).purse;
        let ended = self.more.and_then(|more| more.ended.or(purse.settle(more, Money::NONE, &period).ended));
        let settled = purse.settle(self.reservation, used, &period);
        Settled { ended: settled.ended.or(ended), ..settled }
    }
}

fn unix_ms(shard: &Shard) -> u64 {
    shard.io.wall().0 / 1_000
}

impl Leg {
    /// What it has taken; an answer that was not counted is estimated, and one that broke off was counted
    /// too early.
    fn tokens(&self, prompt: u64, answer: u64, whole: bool) -> Tokens {
        let input = if self.counted.0 { self.tokens.input } else { prompt };
        let estimate = answer.max(self.pieces);
        let output = match self.counted.1 {
            true if whole => self.tokens.output,
            true => self.tokens.output.max(self.pieces),
            false => estimate,
        };
        Tokens { input, output, ..self.tokens }
    }

    /// Puts right what was taken of its credential's limit: prompt and answer, or nothing where it was only counted.
    #[inline]
    fn used(&self, shard: &Shard, tokens: impl FnOnce() -> u64) {
        let Some(key) = &self.key else { return };
        let used = if self.taken == 0 { 0 } else { tokens() };
        shard.process.board.quota(key.id).settle(key, self.taken, used, Moment(shard.io.now().0));
    }
}

impl Bill {
    /// The prompt, in tokens by estimate.
    pub fn of_prompt(&mut self, tokens: u32, body: &Body<'_>) {
        let by_bytes = body.held.len() as u64 / limits::BYTES_PER_TOKEN;
        self.prompt = if tokens > 0 { u64::from(tokens) } else { by_bytes.max(1) };
    }

    /// An attempt was sent.
    pub fn sent(&mut self, scene: &Scene<'_>) {
        let target = scene.attempt.target;
        // Nobody takes money for counting.
        let price = if scene.surface.counts() { None } else { price(scene.shard, scene.policy, target) };
        self.priced |= price.is_some();
        let taken = if scene.surface.counts() { 0 } else { self.charge().into() };
        self.leg = Some(Leg { target, price, tokens: Tokens::default(), counted: (false, false), pieces: 0, key: limited(scene), taken });
    }

    /// Tokens that an attempt takes of its credential's limit.
    pub fn charge(&self) -> u32 {
        u32::try_from(self.prompt).unwrap_or(u32::MAX)
    }

    /// The bill of what is asked beside an exchange, with a prompt that is taken for so many tokens.
    pub fn of(prompt: u64) -> Bill {
        let mut bill = Bill::default();
        bill.prompt = prompt;
        bill
    }

    /// Reserves what is asked beside an exchange, by another one, may cost in addition. False when too little of the
    /// tenant's budget is left.
    pub fn reserve_more(&mut self, shard: &Shard, policy: &Policy, beside: &Exchange, tokens: &Tokens) -> bool {
        let Some(reserved) = &mut self.reserved else { return true };
        let prices = beside.candidates().iter().filter_map(|candidate| price(shard, policy, candidate.target));
        let wanted = prices.map(|price| price.of(tokens)).max().unwrap_or_default();
        let period = reserved.budget.per.period(unix_ms(shard));
        let purse = &shard.process.board.tenant(reserved.tenant).purse;
        let standing = purse.standing(&period);
        // Looked at first: nobody is refused, and so nobody is told of it.
        if wanted > reserved.budget.limit.less(standing.all() + standing.reserved) {
            return false;
        }
        reserved.more = purse.reserve(reserved.budget.limit, &period, wanted).ok();
        reserved.more.is_some()
    }

    /// What was asked beside it has answered with so many bytes, or is given up with none.
    pub fn answered(&mut self, shard: &Shard, bytes: u64) {
        self.pay(shard, bytes / ANSWER_BYTES_PER_TOKEN, bytes > 0, false);
    }

    /// Takes over what was asked beside it has cost, and tells how much that is.
    pub fn absorb(&mut self, beside: &Bill) -> Money {
        self.cost = self.cost + beside.cost;
        self.failed_cost = self.failed_cost + beside.failed_cost;
        self.priced |= beside.priced;
        beside.cost
    }

    /// The bill of one of two attempts beside each other.
    pub fn beside(&self) -> Bill {
        Bill::of(self.prompt)
    }

    /// Goes on with what one of two attempts has taken.
    pub fn adopt(&mut self, beside: &mut Bill) {
        self.leg = beside.leg.take();
        self.priced |= beside.priced;
    }

    /// An attempt was given up for another one: its prompt was read.
    pub fn outrun(&mut self, scene: &Scene<'_>) {
        let leg = self.leg.take();
        self.sent(scene);
        self.pay(scene.shard, 0, false, true);
        self.leg = leg;
    }

    /// What its provider counted, so far.
    pub fn counted(&mut self, usage: &Usage) {
        let Some(leg) = &mut self.leg else { return };
        leg.counted = (leg.counted.0 || usage.input.is_some(), leg.counted.1 || usage.output.is_some());
        let tokens = &mut leg.tokens;
        let parts = [
            (&mut tokens.input, usage.input),
            (&mut tokens.output, usage.output),
            (&mut tokens.cached, usage.cached),
            (&mut tokens.cache_write, usage.cache_write),
        ];
        for (count, told) in parts {
            *count = told.unwrap_or(*count);
        }
    }

    /// A piece of content has come.
    pub fn piece(&mut self) {
        if let Some(leg) = &mut self.leg {
            leg.pieces += 1;
        }
    }

    /// The attempt has failed before anybody saw anything of it: what was answered with this status; 0 is
    /// none, and `unread` that nobody can have read it. Who was asked and fell silent may bill the prompt.
    pub fn failed(&mut self, shard: &Shard, status: u16, unread: bool) {
        match status {
            0 | 200..300 if !unread => self.pay(shard, 0, false, true),
            _ => {
                if let Some(leg) = self.leg.take() {
                    leg.used(shard, || 0);
                }
            }
        }
    }

    fn pay(&mut self, shard: &Shard, answer: u64, whole: bool, failed: bool) {
        let Some(leg) = &self.leg else { return };
        let tokens = leg.tokens(self.prompt, answer, whole);
        leg.used(shard, || tokens.input.saturating_add(tokens.output));
        if let Some(price) = &leg.price {
            let cost = price.of(&tokens);
            self.cost = self.cost + cost;
            if failed {
                self.failed_cost = self.failed_cost + cost;
            }
            shard.seat().spend(leg.target, cost);
        }
        // Paid where it lies: what was just counted, taken out as a whole, is waited for.
        self.leg = None;
    }

    /// The exchange is over: pays for its last attempt, and settles. What all of it cost, what of that was
    /// for failed attempts, and whether any price was known.
    pub fn close(&mut self, shard: &Shard, policy: &Policy, outcome: &Outcome, stream: bool, bytes_out: u64) -> (Money, Money, bool) {
        let per_token = if stream { STREAM_BYTES_PER_TOKEN } else { ANSWER_BYTES_PER_TOKEN };
        let (whole, cut) = (matches!(outcome, Outcome::Answered), matches!(outcome, Outcome::Cut));
        self.pay(shard, bytes_out / per_token, whole, cut);
        if let Some(reserved) = self.reserved.take() {
            let (tenant, budget, ended) = (reserved.tenant, reserved.budget, reserved.reservation.ended);
            let settled = reserved.settle(self.cost);
            if let Some(spent) = ended.or(settled.ended) {
                tell(shard, policy, tenant, &budget, "new_period", spent);
            }
            if settled.reaches(budget.threshold()) {
                tell(shard, policy, tenant, &budget, "threshold", settled.after);
            }
        }
        (self.cost, self.failed_cost, self.priced)
    }
}

impl Drop for Bill {
    /// An exchange that was cut short with its future: what was sent is paid for by the prompt at least.
    fn drop(&mut self) {
        let Some(reserved) = self.reserved.take() else { return };
        let shard = reserved.shard.clone();
        self.pay(&shard, 0, false, false);
        // Nobody is left to be told.
        let _settled: Settled = reserved.settle(self.cost);
    }
}

/// The credential of an attempt, where it has a limit of tokens.
fn limited(scene: &Scene<'_>) -> Option<Box<Key>> {
    let used = |key: &&Key| key.tokens_per_minute > 0 && Some(key.id) == scene.attempt.key;
    scene.policy.providers[scene.attempt.provider].keys.iter().find(used).map(|key| Box::new(*key))
}

fn price(shard: &Shard, policy: &Policy, target: TargetId) -> Option<Price> {
    policy.prepared().price(target, || unix_ms(shard))
}

/// The chain that answers in the place of the one that is asked for, since so much of the budget is used.
pub fn instead(shard: &Shard, policy: &Policy, tenant: Option<TenantId>, surface: Surface) -> Option<ChainId> {
    let id = tenant?;
    let budget = policy.tenants[id].budget.as_ref()?;
    // Vectors of another model are of no use, and to count costs nothing.
    let chain = budget.then.filter(|_| surface.generates())?;
    let standing = shard.process.board.tenant(id).purse.standing(&budget.per.period(unix_ms(shard)));
    if standing.all() < budget.threshold() {
        return None;
    }
    shard.meters().count(Meter::BudgetReduced);
    Some(chain)
}

/// Reserves what an exchange may cost: its prompt and the longest answer that it asks for, at the dearest
/// of the targets that can be asked.
///
/// # Errors
/// Too little of the tenant's budget is left.
pub fn reserve(
    shard: &Rc<Shard>,
    policy: &Policy,
    exchange: &Exchange,
    (surface, body): (Surface, &Body<'_>),
    bill: &mut Bill,
) -> Result<(), Refusal> {
    let Some(tenant) = exchange.tenant().filter(|_| !surface.counts()) else { return Ok(()) };
    let Some(budget) = policy.tenants[tenant].budget else { return Ok(()) };
    let wanted = estimate(shard, policy, exchange, (surface, body), bill.prompt);
    let period = budget.per.period(unix_ms(shard));
    match shard.process.board.tenant(tenant).purse.reserve(budget.limit, &period, wanted) {
        Ok(reservation) => {
            bill.reserved = Some(Box::new(Reserved { shard: shard.clone(), tenant, budget, reservation, more: None }));
            Ok(())
        }
        Err(exhausted) => {
            let spent = budget.limit.less(exhausted.left);
            if exhausted.first {
                tell(shard, policy, tenant, &budget, "exhausted", spent);
            }
            let (limit, per) = (budget.limit.words(), budget.per.word());
            let until = period.end_ms();
            let message = if exhausted.left == Money::NONE {
                format!("Your budget of {limit} a {per} is used up. The next {per} begins at {} (UTC).", date(until))
            } else {
                let (wanted, left) = (wanted.words(), exhausted.left.words());
                format!(
                    "This request may cost {wanted}, and {left} of your budget of {limit} a {per} is left: make it smaller. The next {per} begins at {} (UTC).",
                    date(until)
                )
            };
            let left_ms = until.saturating_sub(unix_ms(shard));
            let refusal = Refusal {
                kind: "insufficient_quota",
                retry_after_ms: Some(left_ms).filter(|ms| *ms <= RETRY_AFTER_MS_MAX),
                ..Refusal::tenant(402, "budget_exhausted", message)
            };
            Err(refusal.counted_by(Meter::BudgetRefused, shard.meters()))
        }
    }
}

fn estimate(shard: &Shard, policy: &Policy, exchange: &Exchange, (surface, body): (Surface, &Body<'_>), prompt: u64) -> Money {
    let facts = body.facts();
    let asked_for = facts.max_tokens.unwrap_or(ANSWER_TOKENS_USUAL).saturating_mul(facts.n.unwrap_or(1).max(1));
    let askable = exchange.candidates().iter().filter(|candidate| !candidate.skip().is_some_and(Skip::is_final));
    let most = askable.filter_map(|candidate| {
        let longest = policy.targets[candidate.target].understands.output_max.map_or(u64::MAX, u64::from);
        let output = if surface.embeds() { 0 } else { asked_for.min(longest.saturating_mul(facts.n.unwrap_or(1).max(1))) };
        Some(price(shard, policy, candidate.target)?.of(&Tokens { input: prompt, output, ..Tokens::default() }))
    });
    most.max().unwrap_or_default()
}

/// Tells the control plane what has become of a budget.
fn tell(shard: &Shard, policy: &Policy, tenant: TenantId, budget: &Budget, what: &str, spent: Money) {
    let detail = |name: &str, value: String| (name.to_owned(), value);
    let wall = shard.io.wall();
    let details = vec![
        detail("tenant", policy.tenants[tenant].name.clone()),
        detail("what", what.to_owned()),
        detail("spent_usd", spent.to_string()),
        detail("limit_usd", budget.limit.to_string()),
        detail("per", budget.per.word().to_owned()),
        detail("until_us", budget.per.period(wall.0 / 1_000).end_ms().saturating_mul(1_000).to_string()),
    ];
    // As rare as periods and thresholds are: it is not counted against what may be told in a second.
    if !shard.process.tell(Event { at_us: wall.0, kind: "budget".to_owned(), details }) {
        shard.meters().count(Meter::EventsDropped);
    }
}

/// A day as people write it: `2026-12-01`. Periods begin at midnight.
fn date(unix_ms: u64) -> String {
    // Days from the first of March of the year 0, of which 1970-01-01 is number 719,468: the leap day is
    // the last of its year then (H. Hinnant, "chrono-compatible low-level date algorithms").
    let days = unix_ms / 86_400_000 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year + next)
}

#[cfg(test)]
mod tests;
