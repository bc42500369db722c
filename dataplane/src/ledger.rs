//! Verb 10: what an exchange came to, on its way to the recorder.
//!
//! A [`Story`] collects along the walk what only the walk knows; the rest is in the exchange. At
//! the end one fixed-size entry goes through the shard's ring. A full ring drops the entry and
//! counts it: nothing waits for the recorder.

use crate::{
    allowance,
    bill::Bill,
    body::Body,
    current::Held as Serving,
    downstream::Downstream,
    earlier::Keeping,
    io::Instant,
    meters::{Meter, Spread},
    relay::{ErrorAnswer, Form, Summary},
    request::{Ended, RequestId},
    respond::Refusal,
    shard::Shard,
    surface::Surface,
};
use codec::{
    dialect::{Dialect, Unread, compact::Compacted},
    json::Usage,
};
use engine::{
    Moment,
    account::{Ending, Measures, Outcome, Record},
    board::Pause,
    exchange::{Attempt, Exchange, Fallback, Skip, trail::End},
    failover,
    judge::Fault,
    text::Text,
};
use policy::{Class, TargetId, TenantId, limits, wire::Event};
use std::rc::Rc;

/// Fallbacks told to the control plane, per shard and second; the rest is counted.
const EVENTS_PER_SECOND: u64 = 50;
/// Those of them that nobody failed in, whose first target was not asked, per shard and second.
const SKIPS_PER_SECOND: u64 = 5;

/// One line of the ledger.
pub struct Entry {
    /// When it ended, in microseconds since 1970.
    pub at_us: u64,
    /// Which request.
    pub id: RequestId,
    /// Who asked.
    pub tenant: Option<TenantId>,
    /// Generation that it was served under.
    pub generation: u64,
    /// What the request called the model, shortened.
    pub model: Text<64>,
    /// What was asked of a provider.
    pub surface: Option<Surface>,
    /// Status that the tenant got, 0 for none.
    pub status: u16,
    /// The gateway's own error code, if it answered with one.
    pub code: &'static str,
    /// The exchange, when it came to one.
    pub record: Option<Record>,
}

/// What is collected along the walk.
pub struct Story {
    /// Names the request.
    pub id: RequestId,
    /// What is asked of a provider.
    pub surface: Option<Surface>,
    /// The client's language.
    pub dialect: Dialect,
    /// Why the request cannot be said in another language, if it cannot.
    pub unread: Option<Unread>,
    /// A good end without a word may be meant: a tool has answered, or a stop sequence came first.
    pub may_say_nothing: bool,
    /// The form that the answer is to have, and its calls.
    pub form: Form,
    /// The answer has another, and the tenant has it.
    pub flawed: bool,
    /// Who asks.
    pub tenant: Option<TenantId>,
    /// The last error answer of a provider's, in case it is the one to return.
    pub declined: Option<Box<ErrorAnswer>>,
    /// Tokens that were taken by an estimate.
    pub reserved: u64,
    /// What it costs.
    pub bill: Bill,
    /// Tokens of the prompt as the gateway estimates them, where they are asked for.
    pub estimate: u64,
    /// What was left out of the prompt of the last attempt.
    pub compacted: Option<Compacted>,
    /// What is left out of it, summed up, or why it was not.
    pub summary: Option<Rc<Summary>>,
    /// The answer, where it may be worth keeping.
    pub keeping: Option<Box<Keeping>>,
    generation: u64,
    model: Text<64>,
    begun: Instant,
    measures: Measures,
    stream: bool,
    /// When the last attempt failed, for the time of the switch.
    failed_at: Option<Instant>,
    /// Nanoseconds of the last switch.
    switch_ns: u64,
    request_ns: u64,
    first_token_at: Option<Instant>,
}

impl Story {
    /// The story of a request whose first byte has come.
    pub fn new(shard: &Shard, generation: u64) -> Story {
        Story {
            id: RequestId(shard.io.random()),
            surface: None,
            dialect: Dialect::Openai,
            unread: None,
            may_say_nothing: false,
            form: Form::default(),
            flawed: false,
            tenant: None,
            declined: None,
            reserved: 0,
            bill: Bill::default(),
            estimate: 0,
            compacted: None,
            summary: None,
            keeping: None,
            generation,
            model: Text::new(),
            begun: shard.io.now(),
            measures: Measures::default(),
            stream: false,
            failed_at: None,
            switch_ns: 0,
            request_ns: 0,
            first_token_at: None,
        }
    }

    /// What one of two attempts is told with while nobody knows which of them is the answer.
    pub fn beside(&self) -> Story {
        Story {
            declined: None,
            measures: Measures::default(),
            failed_at: None,
            bill: self.bill.beside(),
            keeping: None,
            summary: self.summary.clone(),
            form: self.form.clone(),
            ..*self
        }
    }

    /// What something is told with that is asked for the exchange and beside it: a chat, of a prompt that is taken for
    /// so many tokens.
    pub fn aside(&self, tokens: u64) -> Story {
        Story {
            surface: Some(Surface::Chat),
            dialect: Dialect::Openai,
            unread: None,
            may_say_nothing: false,
            form: Form::default(),
            flawed: false,
            summary: None,
            bill: Bill::of(tokens),
            ..self.beside()
        }
    }

    /// Tokens of the prompt and of the answer, as providers counted them.
    pub fn tokens(&self) -> (u32, u32) {
        (self.measures.tokens_in, self.measures.tokens_out)
    }

    /// Takes over what an attempt was told with.
    pub fn adopt(&mut self, beside: &mut Story) {
        self.bill.adopt(&mut beside.bill);
        self.compacted = beside.compacted;
        let (own, told) = (&mut self.measures, beside.measures);
        if told.tokens_in > 0 || told.tokens_out > 0 {
            (own.tokens_in, own.tokens_out) = (told.tokens_in, told.tokens_out);
        }
        own.ending = told.ending;
    }

    /// The request is whole, and asks for this.
    pub fn asked_for(&mut self, shard: &Shard, model: &str, body: &Body<'_>, stream: bool) {
        self.model.push(model);
        self.begun = shard.io.now();
        self.stream = stream;
        self.measures.bytes_in = body.held.len() as u64;
        shard.meters().add(Meter::BytesIn, self.measures.bytes_in);
        if self.stream {
            shard.meters().count(Meter::Streams);
        }
    }

    /// An attempt's bytes were handed to the ring.
    pub fn sent(&mut self, shard: &Shard, exchange: &mut Exchange, attempt: &Attempt, now: Instant) {
        exchange.sent(attempt.index, Moment(now.0));
        shard.meters().count(Meter::Attempts);
        if attempt.index == 0 {
            self.request_ns = now.0.saturating_sub(self.begun.0);
            shard.meters().spread(Spread::OverheadRequest, self.request_ns);
            if exchange.trail()[0].standby {
                shard.meters().count(Meter::Standby);
            }
        }
        if let Some(failed_at) = self.failed_at.take() {
            self.switch_ns = now.0.saturating_sub(failed_at.0);
            shard.meters().spread(Spread::Switch, self.switch_ns);
        }
    }

    /// An attempt failed; what it answered is kept in case nothing better comes.
    pub fn failed(&mut self, shard: &Shard, class: Class, declined: Option<Box<ErrorAnswer>>) {
        self.failed_at = Some(shard.io.precise());
        self.declined = declined;
        self.measures.ending = None;
        shard.meters().count(Meter::AttemptsFailed);
        shard.meters().failure(class);
    }

    /// The policy makes the next attempt wait: that is no time of the switch.
    pub fn waited(&mut self, shard: &Shard) {
        if self.failed_at.is_some() {
            self.failed_at = Some(shard.io.precise());
        }
    }

    /// The stream's first content has come.
    pub fn first_token(&mut self, shard: &Shard) {
        let now = shard.io.now();
        self.first_token_at = Some(now);
        shard.meters().spread(Spread::FirstToken, now.0.saturating_sub(self.begun.0));
    }

    /// What a provider counted.
    pub fn usage(&mut self, usage: &Usage) {
        self.bill.counted(usage);
        let tokens = |count: Option<u64>, before: u32| count.map_or(before, |count| u32::try_from(count).unwrap_or(u32::MAX));
        self.measures.tokens_in = tokens(usage.input, self.measures.tokens_in);
        self.measures.tokens_out = tokens(usage.output, self.measures.tokens_out);
    }

    /// How the answer says that it ended; said again for each of its choices.
    pub fn ends(&mut self, ending: Ending) {
        self.measures.ending = self.measures.ending.max(Some(ending));
    }

    /// Nanoseconds that the gateway itself took so far: with the request, and since the turn began
    /// in which the answer's decisive bytes came.
    pub fn overhead_ns(&mut self, shard: &Shard) -> u64 {
        self.measures.overhead_ns = self.request_ns + shard.io.precise().0.saturating_sub(shard.io.now().0);
        self.measures.overhead_ns
    }

    /// Writes the exchange down. `begun` says that the head of a stream was out before it ended, so
    /// that an error of ours was an event; `exchange` is the one that was decided, if it came to that.
    pub fn account(
        &mut self,
        shard: &Shard,
        policy: &Serving,
        tenant: &Downstream,
        begun: bool,
        ended: &Ended,
        mut exchange: Option<&mut Exchange>,
    ) {
        let now = Moment(shard.io.now().0);
        let (outcome, status, code) = told(ended, begun);
        self.measures.status = status;
        self.measures.bytes_out = tenant.sent;
        self.measures.compacted = self.compacted;
        // Whatever else was told is no answer, or not all of one.
        self.measures.ending = self.measures.ending.filter(|_| outcome == Outcome::Answered);
        self.count(shard, &outcome, ended, begun, exchange.is_some());
        self.settle(shard, policy, &outcome);
        let measures = &mut self.measures;
        (measures.cost, measures.failed_cost, measures.priced) = self.bill.close(shard, policy, &outcome, self.stream, measures.bytes_out);
        let record = exchange.as_deref_mut().map(|exchange| {
            if matches!(outcome, Outcome::HungUp | Outcome::Stopped | Outcome::Estimated | Outcome::Templated | Outcome::Earlier) {
                exchange.abandoned(&shard.process.board, policy.prepared(), now);
            }
            shard.meters().spread(Spread::Exchange, now.since(exchange.started()));
            Record::of(exchange, self.id.0, outcome, self.measures, now)
        });
        let mut entry = Entry {
            at_us: shard.io.wall().0,
            id: self.id,
            tenant: self.tenant,
            generation: self.generation,
            model: self.model,
            surface: self.surface,
            status,
            code,
            record,
        };
        if let Some(record) = &mut entry.record {
            record.summary = self.summary.as_ref().map(|summary| Box::new(summary.told));
            debug_assert_eq!(record.validate(), Ok(()), "a record keeps its promises");
            if let Some((exchange, fallback)) = exchange.as_deref().and_then(|exchange| Some((exchange, exchange.fallback()?))) {
                self.tell(shard, policy, record, exchange, fallback);
            }
            if let Some(compacted) = &self.compacted {
                self.tell_compacted(shard, policy, record, compacted);
            }
        }
        if shard.seat().ledger.push(entry).is_err() {
            shard.meters().count(Meter::RecordsDropped);
        }
    }

    /// Puts right what was taken of the tenant's tokens.
    fn settle(&self, shard: &Shard, policy: &Serving, outcome: &Outcome) {
        let Some(id) = self.tenant.filter(|_| self.reserved > 0) else { return };
        let counted = match u64::from(self.measures.tokens_in) + u64::from(self.measures.tokens_out) {
            0 => 0,
            counted => counted + self.summary.as_ref().map_or(0, |summary| summary.tokens()),
        };
        // What else was sent is an error, and costs nothing.
        let answer = matches!(outcome, Outcome::Answered | Outcome::Cut | Outcome::HungUp);
        let bytes_out = if answer { self.measures.bytes_out } else { 0 };
        allowance::settle(shard, id, &policy.tenants[id], self.reserved, counted, bytes_out);
    }

    fn count(&self, shard: &Shard, outcome: &Outcome, ended: &Ended, begun: bool, decided: bool) {
        let meters = shard.meters();
        meters.add(Meter::BytesOut, self.measures.bytes_out);
        meters.add(Meter::PromptTokens, u64::from(self.measures.tokens_in));
        meters.add(Meter::AnswerTokens, u64::from(self.measures.tokens_out));
        match self.measures.ending {
            Some(Ending::ContentFilter) => meters.count(Meter::Filtered),
            Some(Ending::Refusal) => meters.count(Meter::Refusals),
            _ => {}
        }
        let meter = match (outcome, ended) {
            (Outcome::Answered, _) => Meter::Answered,
            (Outcome::Estimated, _) => Meter::Estimated,
            (Outcome::Templated, _) => Meter::Templates,
            (Outcome::Earlier, _) => Meter::Earlier,
            (Outcome::Relayed, _) => Meter::Relayed,
            (Outcome::HungUp, _) => Meter::HungUp,
            (Outcome::Cut, _) => Meter::CutStreams,
            _ if begun => Meter::CutStreams,
            (_, Ended::Refused(refusal)) if refusal.status == 401 => Meter::Unauthorized,
            (_, Ended::Refused(refusal)) if refusal.counted => return,
            (_, Ended::Refused(_)) if !decided => Meter::BodiesRefused,
            _ => Meter::Failed,
        };
        meters.count(meter);
    }

    /// Tells the control plane what was left out of a prompt.
    fn tell_compacted(&self, shard: &Shard, policy: &Serving, record: &Record, compacted: &Compacted) {
        shard.meters().count(Meter::Compacted);
        if !shard.may_tell(EVENTS_PER_SECOND) {
            return shard.meters().count(Meter::EventsDropped);
        }
        let detail = |name: &str, value: String| (name.to_owned(), value);
        let mut details = vec![
            detail("chain", policy.chains[record.chain].name.clone()),
            detail("messages", compacted.turns.to_string()),
            detail("tool_results", compacted.outcomes.to_string()),
            detail("tokens", (compacted.bytes / limits::BYTES_PER_TOKEN).to_string()),
            detail("request_id", self.id.to_string()),
        ];
        if let Some(summary) = &record.summary {
            details.extend(summary.target.map(|target| detail("summary_by", policy.targets[target].name.clone())));
            match summary.why {
                "" => details.push(detail("summary_bytes", summary.bytes.to_string())),
                why => details.push(detail("no_summary", why.to_owned())),
            }
            details.push(detail("summary_ms", summary.ms.to_string()));
            details.push(detail("summary_usd", summary.cost.to_string()));
        }
        if !shard.process.tell(Event { at_us: shard.io.wall().0, kind: "compacted".to_owned(), details }) {
            shard.meters().count(Meter::EventsDropped);
        }
    }

    /// Tells the control plane of an exchange that went on to another target than the first, whatever came of
    /// it.
    #[cold]
    fn tell(&self, shard: &Shard, policy: &Serving, record: &Record, exchange: &Exchange, fallback: Fallback) {
        let name = |target: TargetId| policy.targets[target].name.as_str();
        let instead = match record.outcome {
            Outcome::Templated | Outcome::Earlier | Outcome::Estimated => record.outcome.word(),
            // Asked again, or the slower of two: it stayed where it was. Or nobody was asked.
            _ if exchange.led_to().is_none_or(|to| to == fallback.from) => return,
            _ => "",
        };
        let to = if instead.is_empty() { exchange.led_to().map_or("", name) } else { instead };
        if record.outcome == Outcome::Answered {
            shard.meters().count(Meter::Fallbacks);
        }
        // One that was passed over is so by every request for as long as it is ill: a few of them tell it, and
        // leave room for what is rarer.
        let failed = record.attempts().iter().find(|attempt| matches!(attempt.end, End::Failed(_)));
        let most = if failed.is_some() { EVENTS_PER_SECOND } else { SKIPS_PER_SECOND };
        if !shard.may_tell(most) {
            return shard.meters().count(Meter::EventsDropped);
        }
        let last = record.attempts().iter().rev().find(|attempt| attempt.end == End::Answered).or(record.attempts().last());
        let detail = |name: &str, value: String| (name.to_owned(), value);
        let mut details = vec![
            detail("chain", policy.chains[record.chain].name.clone()),
            detail("from", name(fallback.from).to_owned()),
            detail("to", to.to_owned()),
            detail("trigger", fallback.trigger.word().to_owned()),
            detail("outcome", record.outcome.word().to_owned()),
        ];
        if let Some(failed) = failed {
            // Where nothing failed, nothing was switched.
            details.push(detail("detail", failed.detail().to_owned()));
            details.push(detail("switch_us", (self.switch_ns / 1_000).to_string()));
            details.push(detail("added_us", last.map_or(0, |last| last.begun_us).to_string()));
            details.push(detail("failed_ms", (record.failed_us() / 1_000).to_string()));
        }
        details.extend([
            detail("cost_usd", record.measures.cost.to_string()),
            detail("failed_cost_usd", record.measures.failed_cost.to_string()),
            detail("skipped", skipped(policy, record)),
            detail("request_id", self.id.to_string()),
        ]);
        if !shard.process.tell(Event { at_us: shard.io.wall().0, kind: "fallback".to_owned(), details }) {
            shard.meters().count(Meter::EventsDropped);
        }
    }
}

/// The targets that were not asked, and why: `backup/m:breaker_open,third/m:paused`.
fn skipped(policy: &Serving, record: &Record) -> String {
    let told = |(target, skip): (TargetId, Option<Skip>)| Some(format!("{}:{}", policy.targets[target].name, skip?.word()));
    record.candidates().filter_map(told).collect::<Vec<_>>().join(",")
}

/// Tells the control plane of a stream that was whole, and not in the form that its request asked for.
#[cold]
pub fn tell_flawed(shard: &Shard, policy: &Serving, attempt: &Attempt, story: &Story) {
    shard.meters().count(Meter::Flawed);
    if !shard.may_tell(EVENTS_PER_SECOND) {
        return shard.meters().count(Meter::EventsDropped);
    }
    let details = vec![("target".to_owned(), policy.targets[attempt.target].name.clone()), ("request_id".to_owned(), story.id.to_string())];
    let kind = Class::SchemaViolation.word().to_owned();
    if !shard.process.tell(Event { at_us: shard.io.wall().0, kind, details }) {
        shard.meters().count(Meter::EventsDropped);
    }
}

/// Tells the control plane that nothing remains of a provider's limits, and what is spared therefore.
pub fn tell_spent(shard: &Shard, policy: &Serving, attempt: &Attempt, ms: u64) {
    shard.meters().count(Meter::Spent);
    if !shard.may_tell(EVENTS_PER_SECOND) {
        return shard.meters().count(Meter::EventsDropped);
    }
    let several = policy.providers[attempt.provider].keys.len() > 1;
    let mut details = vec![
        ("target".to_owned(), policy.targets[attempt.target].name.clone()),
        ("for_ms".to_owned(), ms.min(limits::PAUSE_MS_MAX).to_string()),
    ];
    if let Some(key) = attempt.key.filter(|_| several) {
        details.push(("key".to_owned(), key.0.to_string()));
    }
    if !shard.process.tell(Event { at_us: shard.io.wall().0, kind: "spent".to_owned(), details }) {
        shard.meters().count(Meter::EventsDropped);
    }
}

/// What is left alone until somebody sees to it, of what an attempt is made with: its credential, else
/// its target. A credential was refused or its account cannot pay; a target may not be used, or is gone.
pub fn out(shard: &Shard, attempt: &Attempt, now: Moment) -> Option<(&'static str, Pause)> {
    let board = &shard.process.board;
    let lasting = |pause: &Pause| failover::row(pause.class).fault == Fault::Operator;
    let key = attempt.key.and_then(|key| board.key_refused(key, attempt.target, now)).filter(lasting);
    let target = || board.target(attempt.target).paused(now).filter(lasting);
    key.map(|pause| ("key", pause)).or_else(|| target().map(|pause| ("target", pause)))
}

/// Tells the control plane that a credential or a target was taken out: nobody but the operator can
/// mend it.
pub fn tell_out(shard: &Shard, policy: &Serving, attempt: &Attempt, (what, pause): (&'static str, Pause), now: Moment) {
    if !shard.may_tell(EVENTS_PER_SECOND) {
        return shard.meters().count(Meter::EventsDropped);
    }
    let (at_us, for_ms) = (shard.io.wall().0, pause.ms_left(now));
    let detail = |name: &str, value: String| (name.to_owned(), value);
    let mut details = vec![
        detail("provider", policy.providers[attempt.provider].name.clone()),
        detail("what", what.to_owned()),
        detail("target", policy.targets[attempt.target].name.clone()),
        detail("class", pause.class.word().to_owned()),
        detail("for_ms", for_ms.to_string()),
        detail("until_us", at_us.saturating_add(for_ms.saturating_mul(1_000)).to_string()),
    ];
    details.extend(attempt.key.map(|key| detail("key", key.0.to_string())));
    if !shard.process.tell(Event { at_us, kind: "taken_out".to_owned(), details }) {
        shard.meters().count(Meter::EventsDropped);
    }
}

/// The outcome in the engine's words, the status and the code that the tenant got. Where an answer
/// had begun, its status was out, and the code stood in an event.
fn told(ended: &Ended, begun: bool) -> (Outcome, u16, &'static str) {
    let status = |refusal: &Refusal| if begun { 200 } else { refusal.status };
    match ended {
        Ended::Answered => (Outcome::Answered, 200, ""),
        Ended::Estimated => (Outcome::Estimated, 200, ""),
        Ended::Templated => (Outcome::Templated, 200, ""),
        Ended::Earlier => (Outcome::Earlier, 200, ""),
        Ended::Relayed(status) => (Outcome::Relayed, *status, ""),
        Ended::Refused(refusal) => (Outcome::OwnError { code: refusal.code }, status(refusal), refusal.code),
        Ended::Cut(refusal) => (Outcome::Cut, 200, refusal.code),
        Ended::HungUp => (Outcome::HungUp, 0, ""),
        Ended::Stopped(refusal) => (Outcome::Stopped, status(refusal), refusal.code),
    }
}
