//! One request and its attempts: which target is asked next, for how long, and when to give up.
//!
//! ```mermaid
//! stateDiagram-v2
//!     [*] --> Between
//!     Between --> Attempting: Attempt
//!     Between --> Surrendered: Surrender
//!     Between --> Ended: Abandon
//!     Attempting --> Racing: Attempt
//!     Attempting --> Between: Fail
//!     Attempting --> Between: Yield
//!     Attempting --> Committed: Commit
//!     Attempting --> Ended: Succeed
//!     Attempting --> Ended: Abandon
//!     Racing --> Attempting: Fail
//!     Racing --> Attempting: Yield
//!     Racing --> Ended: Abandon
//!     Committed --> Cut: Fail
//!     Committed --> Ended: Succeed
//!     Committed --> Ended: Abandon
//!     Cut --> Cut: Surrender
//!     Cut --> Ended: Abandon
//!     Surrendered --> Surrendered: Surrender
//!     Surrendered --> Ended: Abandon
//! ```
//!
//! Steps are walked in order, and every target is asked before any is asked again: to move on costs
//! nothing, to wait does. What an attempt holds (its place at the provider, its election to probe)
//! is kept in here and given back by the one call that ends it, so that nothing can be given back
//! twice, and an exchange that is dropped while it holds something is caught in debug builds.

use crate::{
    backoff,
    board::Board,
    breaker::{self, Admission},
    decide::Ask,
    failover::{self, Rest},
    few::Few,
    judge::{self, Parameter, Transport, Verdict},
    machine::machine,
    moment::{Moment, NS_PER_US},
    pace::Size,
    prepared::{Prepared, Way},
    waiting::Slot,
};
use policy::{Chain, ChainId, Class, ClassSet, KeyId, Model, ProviderId, TargetId, TenantId, limits};

pub mod affinity;
pub mod balance;
pub mod candidate;
pub mod compact;
pub mod fallback;
mod hedge;
pub mod surrender;
mod survey;
pub mod trail;
mod view;

pub use affinity::Session;
pub use candidate::{Candidate, Skip};
pub use fallback::{Fallback, Trigger};
pub use surrender::{Own, Surrender};
pub use trail::{End, Struck, Trail};

machine! {
    /// Where an exchange stands.
    states State {
        /// No attempt runs.
        Between,
        /// One runs, and the tenant has seen nothing.
        Attempting,
        /// A second one runs beside it.
        Racing,
        /// One runs, and the tenant has seen something of it.
        Committed,
        /// That one failed.
        Cut,
        /// No attempt will be made any more.
        Surrendered,
        /// It is over.
        Ended,
    }
    /// What moves an exchange.
    events Event {
        /// An attempt begins.
        Attempt,
        /// It failed.
        Fail,
        /// It gives way to the other one.
        Yield,
        /// The tenant saw something of it.
        Commit,
        /// It came to its good end.
        Succeed,
        /// The tenant hung up.
        Abandon,
        /// Nothing is left to try.
        Surrender,
    }
    moves {
        Between: Attempt => Attempting;
        Between: Surrender => Surrendered;
        Between: Abandon => Ended;
        Attempting: Attempt => Racing;
        Attempting: Fail => Between;
        Attempting: Yield => Between;
        Attempting: Commit => Committed;
        Attempting: Succeed => Ended;
        Attempting: Abandon => Ended;
        Racing: Fail => Attempting;
        Racing: Yield => Attempting;
        Racing: Abandon => Ended;
        Committed: Fail => Cut;
        Committed: Succeed => Ended;
        Committed: Abandon => Ended;
        Cut: Surrender => Cut;
        Cut: Abandon => Ended;
        Surrendered: Surrender => Surrendered;
        Surrendered: Abandon => Ended;
    }
}

/// Attempts that are written down: those that count, and the one that may not.
pub const TRAIL_MAX: usize = limits::ATTEMPTS_MAX + 1;
/// Targets of a chain that an exchange and its record hold in place.
pub(crate) const CANDIDATES_FEW: usize = 8;
/// Parameters that one exchange leaves out, over all its targets.
const LEFT_OUT_MAX: usize = 4;
/// Attempts that an exchange and its record hold in place.
pub(crate) const TRAIL_FEW: usize = 2;

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Make this attempt, and say how it ended.
    Attempt(Attempt),
    /// Wait until then, and ask again.
    Wait(Moment),
    /// Have what is left out of the prompt summed up, or not, and ask again. Once in an exchange.
    Summarise(compact::Summing),
    /// Give up, and tell the tenant this.
    Surrender(Surrender),
}

/// One attempt to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its number within the exchange, from zero; names it to every call that is about it.
    pub index: usize,
    /// What is asked.
    pub target: TargetId,
    /// Where that is.
    pub provider: ProviderId,
    /// With which credential.
    pub key: Option<KeyId>,
    /// On a connection that was not idle: the last one had been closed unseen.
    pub fresh: bool,
    /// It is the one probe of an open breaker.
    pub probe: bool,
    /// The connection must be established by then.
    pub connect_by: Moment,
    /// The first token must be there by then, counted from now; of an answer that is not a stream,
    /// the answer. Leaves some of the time to targets that were not asked yet.
    pub first_token_by: Moment,
    /// That is as long as the chain's `latency` allows while there are others, and less than `ttft` would.
    pub hurried: bool,
    /// Longest silence within the answer, in nanoseconds.
    pub idle_ns: u64,
    /// End of the exchange, and so of this attempt.
    pub deadline: Moment,
}

impl Attempt {
    /// What it is that the first token, or the head before it, was not there in time.
    pub fn late(&self, failure: Transport) -> Transport {
        if self.hurried { Transport::Latency } else { failure }
    }

    /// The answer's head says that nothing remains of a limit for `ms`: whoever comes next asks others
    /// first, before the provider has to say "later". True when that is news.
    pub fn spent(&self, board: &Board, prepared: &Prepared, ms: u64, now: Moment) -> bool {
        let keys = prepared.providers[self.provider].keys.len();
        match (failover::spare(ms, keys, now), self.key) {
            (Rest::Nothing, _) => false,
            (Rest::Key(until), Some(key)) => board.spare_key(key, until, now),
            (Rest::Target(until) | Rest::Key(until) | Rest::Access(until), _) => board.target(self.target).spare(until, now),
        }
    }
}

/// What a running attempt holds.
#[derive(Clone, Copy, Debug)]
struct Running {
    index: u8,
    candidate: u8,
    admission: Admission,
    /// What its account's breaker said, where the provider has several.
    account: Option<Admission>,
    /// Its place among those that wait for their first token, or for their end.
    slot: Option<Slot>,
    /// Drawn when it began, for the times that its failure may set.
    jitter: [u64; 2],
}

/// The same target is to be asked again at once.
#[derive(Clone, Copy, Debug)]
struct Again {
    candidate: u8,
    fresh: bool,
}

/// One request and its attempts. On one shard, from decision to account.
#[derive(Debug)]
pub struct Exchange {
    generation: u64,
    chain: ChainId,
    way: Way,
    tenant: Option<TenantId>,
    started: Moment,
    deadline: Moment,
    /// When the tenant must have seen something. `commit_by <= deadline`.
    commit_by: Moment,
    stream: bool,
    /// Of the prompt.
    size: Size,
    /// Tokens that an attempt takes of its credential's limit.
    charge: u32,
    /// When all candidates were looked at, in microseconds after it began, where that holds for the first
    /// attempt; or [`NOT_SURVEYED`].
    surveyed_us: u32,
    state: State,
    /// `attempts_made <= attempts_max`; the one that did not count is not among them.
    attempts_made: u8,
    attempts_max: u8,
    /// `waits <= 2 * attempts_max`: how often a pause or a backoff was waited for.
    waits: u8,
    fresh_used: bool,
    /// Set by a failure that ends the exchange.
    over: bool,
    /// The attempt that failed last; of two that run, the first may.
    last_ended: Option<u8>,
    /// Parameters that candidates did not know, and are asked without.
    left_out: [Option<(u8, Parameter)>; LEFT_OUT_MAX],
    /// What it goes on with.
    session: Session,
    /// What is left of its prompt, where nobody can read all of it.
    fitting: compact::Fitting,
    /// What has happened.
    failures: ClassSet,
    /// A failure that would have ended the exchange, but for targets that wait for it: nobody else is asked.
    only_after: Option<Class>,
    again: Option<Again>,
    running: Option<Running>,
    /// The one that began beside it. Boxed: rare, and every exchange would keep room for it.
    beside: Option<Box<Running>>,
    /// The members of the chain, step by step.
    candidates: Few<Candidate, CANDIDATES_FEW>,
    /// The attempts, in order; at most [`TRAIL_MAX`].
    trail: Few<Trail, TRAIL_FEW>,
}

/// No exchange lasts so long.
const NOT_SURVEYED: u32 = u32::MAX;

const _: () = {
    assert!(size_of::<Exchange>() <= 448);
    assert!(limits::CHAIN_TARGETS_MAX <= u8::MAX as usize);
    assert!(TRAIL_MAX <= u8::MAX as usize);
};

impl Exchange {
    /// An exchange with a chain, before anybody was looked at ([`Exchange::survey_all`] comes first).
    // Inlined so that it is made where it stays.
    #[inline(always)]
    pub fn blank(prepared: &Prepared, ask: &Ask<'_>, chain: ChainId, way: Way) -> Exchange {
        let rules = &prepared.chains[chain];
        let deadline = prepared.deadline(chain, ask.started, ask.deadline_ms);
        let commit_by = match ask.wants.within_ms {
            0 => deadline,
            // By then comments go out, and who waits sees that somebody is at work.
            ms if ask.stream && ms > rules.patience.keepalive_after_ms => deadline,
            ms => deadline.min(ask.started.plus_ms(ms)),
        };
        Exchange {
            generation: prepared.generation,
            chain,
            way,
            tenant: ask.tenant,
            started: ask.started,
            // A whole answer begins and ends at once.
            deadline: if ask.stream { deadline } else { commit_by },
            commit_by,
            stream: ask.stream,
            size: Size::of(ask.wants.tokens),
            charge: ask.wants.charge,
            surveyed_us: NOT_SURVEYED,
            state: State::Between,
            attempts_made: 0,
            attempts_max: rules.attempts_max,
            waits: 0,
            fresh_used: false,
            over: false,
            last_ended: None,
            left_out: [None; LEFT_OUT_MAX],
            session: Session::default(),
            fitting: compact::Fitting::default(),
            failures: ClassSet::EMPTY,
            only_after: None,
            again: None,
            running: None,
            beside: None,
            candidates: Few::new(Candidate::BLANK, prepared.places(chain).len()),
            trail: Few::new(Trail::BLANK, 0),
        }
    }

    /// Has it make one attempt; a connection that had been closed unseen is none.
    pub(crate) fn once(mut self) -> Exchange {
        self.attempts_max = 1;
        self
    }

    /// Has it go where its session is at home. Told before the first attempt.
    pub fn belongs_to(&mut self, session: Session) {
        self.session = session;
    }

    /// What to do next. Asked at the start, after every failure, and when a wait is over.
    pub fn next(&mut self, prepared: &Prepared, board: &Board, now: Moment, random: &mut impl FnMut() -> u64) -> Next {
        let may_attempt = self.state == State::Between
            && !self.over
            && now < self.commit_by
            && self.attempts_made < self.attempts_max
            && self.trail.len() < TRAIL_MAX;
        if may_attempt {
            let attempt = self
                .same_at_once(prepared, board, now, random)
                .or_else(|| self.standby(prepared, board, now, random))
                .or_else(|| self.at_home(prepared, board, now, random))
                .or_else(|| self.untried(prepared, board, Spare::Heed, now, random))
                .map(Next::Attempt)
                .or_else(|| self.at_last(prepared, board, now, random));
            if let Some(next) = attempt {
                return next;
            }
        }
        self.step(Event::Surrender);
        Next::Surrender(surrender::compose(self, prepared, board, now))
    }

    /// What is done when nobody can be asked as usual.
    #[cold]
    fn at_last(&mut self, prepared: &Prepared, board: &Board, now: Moment, random: &mut impl FnMut() -> u64) -> Option<Next> {
        if self.way == Way::Aside {
            return None;
        }
        self.spared(prepared, board, now, random)
            .map(Next::Attempt)
            .or_else(|| if self.is_fitted() { self.compacted(prepared, board, now, random) } else { None })
            .or_else(|| self.later(prepared, board, now, random))
            .or_else(|| self.compacted(prepared, board, now, random))
            .or_else(|| self.in_spite_of_breakers(prepared, board, now, random).map(Next::Attempt))
    }

    /// The request has left for the provider.
    pub fn sent(&mut self, attempt_index: usize, now: Moment) {
        let us = now.us_since(self.started);
        self.trail_mut(attempt_index).sent_us = us.max(1);
    }

    /// An attempt fails, or is late, on purpose. One that its own request wishes so neither waits nor probes, as
    /// far as anybody else sees.
    pub fn struck(&mut self, board: &Board, attempt_index: usize, struck: Struck, now: Moment) {
        self.trail_mut(attempt_index).struck = struck;
        if struck != Struck::Wished {
            return;
        }
        let row = board.target(self.target(attempt_index));
        let mut running = self.running.iter_mut().chain(self.beside.as_deref_mut());
        let Some(running) = running.find(|running| usize::from(running.index) == attempt_index) else { return };
        row.let_be(self.stream, running.slot.take());
        breaker::neutral(&row.breaker, std::mem::replace(&mut running.admission, Admission::Pass), now);
        let left = *running;
        running.account = left.account.map(|_| Admission::Pass);
        self.account_left(board, &left, now);
    }

    /// True for an attempt that fails because its request wishes so: the board learns nothing of it.
    fn is_wished(&self, attempt_index: usize) -> bool {
        self.trail[attempt_index].struck == Struck::Wished
    }

    /// The head of an answer has come.
    pub fn head(&mut self, attempt_index: usize, status: u16, now: Moment) {
        let us = now.us_since(self.started);
        let trail = self.trail_mut(attempt_index);
        trail.head_us = us;
        trail.status = status;
    }

    /// The first token has come: the target is well, which the board is told at once, since the
    /// rest of a stream may take minutes.
    pub fn first_token(&mut self, prepared: &Prepared, board: &Board, attempt_index: usize, now: Moment) {
        let us = now.us_since(self.started);
        let chain = self.chain;
        let trail = self.trail_mut(attempt_index);
        if trail.token_us != 0 {
            return;
        }
        trail.token_us = us.max(1);
        let begun_us = trail.begun_us;
        let asked_us = if trail.sent_us == 0 { begun_us } else { trail.sent_us };
        let target = self.target(attempt_index);
        let row = board.target(target);
        let wished = self.is_wished(attempt_index);
        row.observe(u64::from(us.saturating_sub(asked_us)) * NS_PER_US, now);
        let Some(running) = &mut self.running else { return };
        let rules = prepared.breaker(chain, target);
        // Of a wished one the time is the wish's.
        if self.stream && !wished {
            let ns = u64::from(us.saturating_sub(begun_us)) * NS_PER_US;
            row.answered(true, self.size, running.slot.take(), ns, now);
            breaker::timed(&row.breaker, &rules, ns, now, running.jitter[0]);
        }
        if running.admission != Admission::Pass {
            breaker::success(&row.breaker, &rules, running.admission, now);
            // What is still to come counts as of any other attempt.
            running.admission = Admission::Pass;
        }
        self.account_began(prepared, board, now);
    }

    /// The tenant has seen something of this answer: from now on no other attempt is made.
    pub fn commit(&mut self) {
        self.step(Event::Commit);
    }

    /// An attempt failed.
    pub fn concluded(&mut self, board: &Board, prepared: &Prepared, attempt_index: usize, verdict: Verdict, now: Moment) {
        let verdict = self.heard(prepared, board, attempt_index, verdict, now);
        let verdict = failover::overruled(&self.rules(prepared).triggers, verdict);
        let wished = self.is_wished(attempt_index);
        let verdict = if wished { verdict.of_this_request() } else { verdict };
        self.unused(prepared, board, attempt_index, verdict.fresh, now);
        let running = self.release(board, prepared, attempt_index);
        self.step(Event::Fail);
        self.last_ended = Some(running.index);
        // What the other of two called for is past, but for a connection that it is owed.
        self.again = self.again.filter(|again| again.fresh);
        self.failures.insert(verdict.class);
        let place = usize::from(running.candidate);
        let target = self.candidates[place].target;
        let row = board.target(target);
        let stale = verdict.fresh && !self.fresh_used && self.state != State::Cut;
        // The second time in a row it is no accident of the pool's, and counts as what it is.
        let counts = verdict.counts_for_breaker || (verdict.fresh && !stale && !wished);
        let counts = !self.account_failed(prepared, board, &running, &verdict, now) && counts;
        if !wished {
            if verdict.status.is_some() {
                row.spoke(now);
            }
            self.room_was_short(prepared, board, &running, &verdict, now);
        }
        self.tell_breaker(prepared, board, &running, verdict.class, counts, now);
        let ours = self.is_ours(prepared, target, &verdict);
        if ours && !stale && !wished {
            row.note_failure(verdict.class, now);
        }
        self.note(attempt_index, &verdict, stale, now);
        if stale {
            self.fresh_used = true;
            self.attempts_made -= 1;
            self.again = Some(Again { candidate: running.candidate, fresh: true });
            return;
        }
        let rest = if ours { self.leave_alone(board, prepared, attempt_index, &verdict, now) } else { Rest::Nothing };
        // With another credential it is asked at once, or later where others come first.
        let chain = &prepared.chains[self.chain];
        let other_model = chain.triggers.next_model.contains(verdict.class);
        let unused = chain.triggers.next_key.contains(verdict.class) && self.unused_keys(prepared, place).next().is_some();
        let of_key = matches!(rest, Rest::Key(_) | Rest::Access(_));
        let key_failed = of_key && !other_model || unused;
        let other_key = key_failed && prepared.providers[prepared.targets[target].provider].keys.len() > 1;
        let without = chain.drop_params && verdict.drop.is_some_and(|parameter| self.leave_out(running.candidate, parameter));
        self.count_failure(target, verdict.retry_same || other_key || without);
        let ends = chain.triggers.disabled.contains(verdict.class) || chain.triggers.template.contains(verdict.class);
        self.over |= ends || !verdict.move_on && !self.goes_on(prepared, place, verdict.class);
        if other_model {
            self.leave_model(place);
        } else if !self.over && (without || key_failed) {
            // Another request may be understood. Another credential is another account, and the chain's order is by model.
            self.again = Some(Again { candidate: running.candidate, fresh: false });
        }
        let retry = u32::from(self.candidates[place].failures.saturating_sub(1));
        let wait_ns = backoff::wait(&chain.backoff, retry, running.jitter[1]);
        let us = now.plus_ns(wait_ns).us_since(self.started).saturating_add(1);
        self.trail[attempt_index].retry_us = us;
    }

    /// An attempt came to its good end. `first_token_ns` is the time from the request to its first
    /// token, unless [`Exchange::first_token`] was told before.
    pub fn succeeded(&mut self, board: &Board, prepared: &Prepared, attempt_index: usize, first_token_ns: Option<u64>, now: Moment) {
        self.ends_well(board, prepared, attempt_index, first_token_ns, None, now);
    }

    #[inline]
    fn ends_well(
        &mut self,
        board: &Board,
        prepared: &Prepared,
        attempt_index: usize,
        first_token_ns: Option<u64>,
        flaw: Option<Verdict>,
        now: Moment,
    ) {
        self.room_was_enough(prepared, board, attempt_index, now);
        let running = self.release(board, prepared, attempt_index);
        self.step(Event::Succeed);
        self.account_worked(prepared, board, &running, now);
        let target = self.target(attempt_index);
        if !self.session.is_none() && self.stays(prepared, running.candidate) && !self.is_away(board) {
            board.settle(self.session, target);
        }
        let row = board.target(target);
        let rules = prepared.breaker(self.chain, target);
        match flaw {
            None => breaker::success(&row.breaker, &rules, running.admission, now),
            Some(verdict) => self.note_flaw(board, prepared, &running, verdict, now),
        }
        let end_us = now.us_since(self.started);
        let wished = self.is_wished(attempt_index);
        let trail = &mut self.trail[attempt_index];
        if !self.stream && !wished {
            let ns = u64::from(end_us.saturating_sub(trail.begun_us)) * NS_PER_US;
            row.answered(false, self.size, None, ns, now);
            breaker::timed(&row.breaker, &rules, ns, now, running.jitter[0]);
        }
        if trail.token_us == 0
            && let Some(ns) = first_token_ns
        {
            let us = u32::try_from(ns / NS_PER_US).unwrap_or(u32::MAX);
            trail.token_us = trail.begun_us.saturating_add(us).clamp(1, end_us.max(1));
            row.observe(ns, now);
        }
        trail.end_us = end_us;
        trail.end = End::Answered;
    }

    /// The tenant hung up, or the process ends: whatever runs is over, and says nothing about its
    /// target, unless that has been silent for too long.
    pub fn abandoned(&mut self, board: &Board, prepared: &Prepared, now: Moment) {
        if self.state == State::Ended {
            return;
        }
        while let Some(running) = self.running {
            self.part(board, prepared, running.index.into(), End::Abandoned, now);
        }
        self.step(Event::Abandon);
    }

    fn step(&mut self, event: Event) {
        let next = self.state.after(event);
        assert!(next.is_some(), "an exchange that is {:?} was told to {event:?}", self.state);
        self.state = next.unwrap_or(self.state);
    }

    fn trail_mut(&mut self, attempt_index: usize) -> &mut Trail {
        &mut self.trail[attempt_index]
    }

    fn rules<'p>(&self, prepared: &'p Prepared) -> &'p Chain {
        &prepared.chains[self.chain]
    }

    /// Ends an attempt that says nothing about its target, unless that has been silent for too long.
    #[cold]
    fn part(&mut self, board: &Board, prepared: &Prepared, attempt_index: usize, end: End, now: Moment) {
        let silent = self.was_silent(prepared, board, attempt_index, now);
        self.unused(prepared, board, attempt_index, false, now);
        let running = self.release(board, prepared, attempt_index);
        if silent {
            self.fell_silent(prepared, board, &running, now);
        } else {
            self.account_left(board, &running, now);
            breaker::neutral(&board.target(self.target(attempt_index)).breaker, running.admission, now);
        }
        let end_us = now.us_since(self.started);
        let trail = self.trail_mut(attempt_index);
        trail.end = end;
        trail.end_us = end_us;
    }

    /// Gives back what an attempt holds; the only place that does.
    fn release(&mut self, board: &Board, prepared: &Prepared, attempt_index: usize) -> Running {
        // Of two, the one that is left is the one that runs.
        let running = match self.beside.take().map(|beside| *beside) {
            Some(beside) if usize::from(beside.index) == attempt_index => Some(beside),
            other => std::mem::replace(&mut self.running, other),
        };
        let running = running.expect("an attempt ends once, and before the next begins");
        assert_eq!(usize::from(running.index), attempt_index, "the attempt that runs is the one that ends");
        let target = self.target(attempt_index);
        board.target(target).end(self.stream, running.slot);
        board.leave(prepared.targets[target].provider);
        self.stand_up(prepared, board, target);
        running
    }

    /// False when the tenant chose the model, so that a provider that does not know it, or does not
    /// let us use it, says nothing about the policy.
    fn is_ours(&self, prepared: &Prepared, target: TargetId, verdict: &Verdict) -> bool {
        let theirs = matches!(verdict.class, Class::ModelGone | Class::Permission) && prepared.targets[target].model == Model::Rest;
        !theirs && verdict.move_on
    }

    /// Writes the failure into the trail.
    fn note(&mut self, attempt_index: usize, verdict: &Verdict, stale: bool, now: Moment) {
        let end_us = now.us_since(self.started);
        let trail = self.trail_mut(attempt_index);
        trail.end = if stale { End::Stale } else { End::Failed(verdict.class) };
        trail.end_us = end_us;
        trail.status = verdict.status.unwrap_or(trail.status);
        trail.detail = judge::detail_index(verdict.detail);
    }

    /// Pauses what the verdict says.
    fn leave_alone(&self, board: &Board, prepared: &Prepared, attempt_index: usize, verdict: &Verdict, now: Moment) -> Rest {
        let target = self.target(attempt_index);
        let keys = prepared.providers[prepared.targets[target].provider].keys.len();
        let rest = failover::rest(verdict, keys, now);
        match (rest, self.trail[attempt_index].key()) {
            (Rest::Nothing, _) => {}
            (Rest::Key(until), Some(key)) => board.pause_key(key, until, verdict.class),
            (Rest::Access(until), Some(key)) => board.deny_key(key, target, until, verdict.class),
            (Rest::Target(until) | Rest::Key(until) | Rest::Access(until), _) => board.target(target).pause(until, verdict.class),
        }
        rest
    }

    /// Has a candidate asked without a parameter from now on. False when it was, or there is no room.
    #[cold]
    fn leave_out(&mut self, candidate: u8, parameter: Parameter) -> bool {
        let told = Some((candidate, parameter));
        if self.left_out.contains(&told) {
            return false;
        }
        let room = self.left_out.iter_mut().find(|place| place.is_none());
        room.is_some_and(|room| {
            *room = told;
            true
        })
    }

    /// Has nobody asked any more who is in the same step as a candidate.
    #[cold]
    fn leave_model(&mut self, at: usize) {
        let step = self.candidates[at].step;
        for candidate in self.candidates.iter_mut().filter(|candidate| candidate.step == step) {
            candidate.again = false;
            if candidate.failures == 0 && !candidate.skip().is_some_and(Skip::is_final) {
                candidate.skip = candidate::Packed::new(Skip::OtherModel);
            }
        }
    }

    /// Counts a failure at every place where the chain names this target.
    fn count_failure(&mut self, target: TargetId, again: bool) {
        for candidate in self.candidates.iter_mut().filter(|candidate| candidate.target == target) {
            candidate.failures = candidate.failures.saturating_add(1);
            candidate.again = again;
        }
    }
}

mod choose;
mod credential;
mod domain;
mod flaw;
mod room;
mod silence;
mod standby;

use choose::Spare;

impl Drop for Exchange {
    fn drop(&mut self) {
        // Not while another panic unwinds: that one has the better story.
        debug_assert!(self.running.is_none() || std::thread::panicking(), "an exchange was dropped in the middle of an attempt");
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
