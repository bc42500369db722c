//! Which target is asked next: the part of [`Exchange::next`] that looks at the board.

use super::{
    Again, Attempt, Candidate, Event, Exchange, NOT_SURVEYED, Next, Running, Skip, affinity,
    balance::{self, Choice},
    candidate::Packed,
    credential::{self, Keys},
    domain,
    trail::{End, Trail},
};
use crate::{
    backoff,
    board::{Board, TargetRow},
    breaker::{self, Admission, Peek, WARMTH_FULL},
    failover,
    moment::{Moment, NS_PER_MS, NS_PER_US},
    prepared::{Place, Prepared},
};
use policy::{Class, TargetId, limits};

/// What is made of a word that others had better be asked: that nothing remains of a provider's limits, that
/// it is slow, that it was found unwell.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Spare {
    /// Others are asked.
    Heed,
    /// As [`Spare::Heed`], but for who has just come back: no later step can be asked in its place.
    Warm,
    /// There are no others: it may be wrong, and a refusal of ours would surely be one.
    Disregard,
}

impl Spare {
    /// Whether a candidate that was looked at can be asked.
    fn admits(self, looked: Result<(), Skip>) -> bool {
        match looked {
            Ok(()) => true,
            Err(skip) => skip.is_spared() && self == Spare::Disregard,
        }
    }
}

impl Exchange {
    /// Looks whether a candidate can be asked at `now`, and writes down why not. What is only
    /// spared comes last, and the breaker before it: who is refused by one of them is refused by nothing
    /// that was looked at before.
    pub(super) fn look(&mut self, prepared: &Prepared, board: &Board, at: usize, now: Moment) -> Result<(), Skip> {
        let candidate = &self.candidates[at];
        if let Some(skip) = candidate.skip().filter(|skip| skip.is_final()) {
            return Err(skip);
        }
        // Whom this request leaves to others stays so, and can be asked.
        let blank = if let Some(Skip::Warming { .. }) = candidate.skip() { candidate.skip } else { Packed::NONE };
        let why = self.readiness(prepared, board, at, now);
        self.candidates[at].skip = why.err().map_or(blank, Packed::new);
        why
    }

    /// Why a candidate that is fit for the request cannot be asked at `now`.
    fn readiness(&self, prepared: &Prepared, board: &Board, at: usize, now: Moment) -> Result<(), Skip> {
        let place = &prepared.places(self.chain)[at];
        if !self.may_turn_to(place) {
            return Err(Skip::Reserved);
        }
        let row = board.target(place.target);
        if row.is_watched(now) {
            self.watch(prepared, board, row, place, now);
        }
        if let Some(pause) = row.paused(now) {
            Err(Skip::Paused { for_ms: ms(pause.until, now) })
        } else {
            let spent = match credential::usable(prepared.keys(place), place.target, self.charge, board, now) {
                Keys::Paused { until } => Err(Skip::Paused { for_ms: ms(until, now) }),
                Keys::Limited { until } => Err(Skip::KeyLimit { for_ms: ms(until, now) }),
                Keys::TooSmall => Err(Skip::OverKeyLimit),
                Keys::Out => Err(Skip::KeysOut),
                Keys::Spent { until } => Ok(Some(until)),
                Keys::Needless | Keys::Usable { .. } => Ok(row.spent(now)),
            };
            match spent {
                Err(skip) => Err(skip),
                Ok(_) if let Some(skip) = self.no_room(prepared, board, place, now) => Err(skip),
                Ok(_) if self.is_further(prepared, place) && !board.retries(place.provider).has_one(&place.retries, now) => {
                    Err(Skip::RetryBudget)
                }
                Ok(spent) => match (row.breaker.peek(now), spent) {
                    (Peek::Refuses { until }, _) => Err(Skip::BreakerOpen { for_ms: ms(until, now) }),
                    (Peek::Passes | Peek::Elects, Some(until)) => Err(Skip::Spent { for_ms: ms(until, now) }),
                    (Peek::Passes, None) if let Some(ns) = row.silence_ns(self.stream, now) => {
                        Err(Skip::Silent { silent_ms: u32::try_from(ns / NS_PER_MS).unwrap_or(u32::MAX) })
                    }
                    (Peek::Passes | Peek::Elects, None) => match row.degraded(now) {
                        Some((_, reason)) => Err(Skip::Degraded { reason }),
                        None => match row.slower_than(self.commit_by.since(now), self.stream, self.size, now) {
                            Some(usual_ns) => Err(Skip::TooSlow { usual_ms: u32::try_from(usual_ns / NS_PER_MS).unwrap_or(u32::MAX) }),
                            None => Ok(()),
                        },
                    },
                },
            }
        }
    }

    /// False for a target that waits for a failure which has not happened, and for one that does not while
    /// others that do are gone on with.
    fn may_turn_to(&self, place: &Place) -> bool {
        match self.only_after {
            Some(class) => place.after.contains(class),
            None => place.after.is_empty() || place.after.meets(self.failures),
        }
    }

    /// True when this exchange has asked the provider of a place before. A connection that had been
    /// closed unseen asked nobody.
    fn is_further(&self, prepared: &Prepared, place: &Place) -> bool {
        let places = prepared.places(self.chain);
        let there = |trail: &Trail| trail.end != End::Stale && places[usize::from(trail.candidate)].provider == place.provider;
        self.trail().iter().any(there)
    }

    /// Lets the breaker of a place know of the attempts that are overdue there.
    #[cold]
    fn watch(&self, prepared: &Prepared, board: &Board, row: &TargetRow, place: &Place, now: Moment) {
        let (first_token_ms, deadline_ms) = (self.first_token_ms(prepared, place.target), self.rules(prepared).patience.deadline_ms);
        let (first_token_ns, deadline_ns) = (first_token_ms.saturating_mul(NS_PER_MS), deadline_ms.saturating_mul(NS_PER_MS));
        let others = self.has_others(prepared, board, place, now);
        let overdue = row.overdue(first_token_ns, deadline_ns, others, now);
        if let Some(enough) = row.queues(now).filter(|_| others && place.adaptive) {
            row.limit.queued(enough, now);
        }
        // Nanoseconds are random enough for a jitter that keeps targets apart.
        let random = now.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        if breaker::overdue(&row.breaker, &prepared.breaker(self.chain, place.target), overdue, now, random) {
            row.note_class(Class::Timeout, now);
        }
    }

    /// True when another target than that of a place may answer, is thought to be well, and has room.
    #[cold]
    pub(super) fn has_others(&self, prepared: &Prepared, board: &Board, place: &Place, now: Moment) -> bool {
        let is_well = |target: TargetId| {
            let row = board.target(target);
            let has_room = row.limit.most(now).is_none_or(|most| row.in_flight() < most);
            has_room && row.breaker.peek(now) == Peek::Passes && row.paused(now).is_none()
        };
        let others = self.candidates().iter().zip(prepared.places(self.chain)).filter(|(_, other)| other.target != place.target);
        let may = |candidate: &Candidate, other: &Place| other.after.is_empty() && !candidate.skip().is_some_and(Skip::is_final);
        others.into_iter().any(|(candidate, other)| may(candidate, other) && is_well(other.target))
    }

    /// True when the first target that could be asked at `now` has an answer to what is asked, in its
    /// dialect; false also when none could.
    pub fn first_is_able(&self, prepared: &Prepared, board: &Board, now: Moment) -> bool {
        let first = self.candidates().iter().enumerate().find(|(at, candidate)| match candidate.skip() {
            None => true,
            Some(Skip::Unable) => self.readiness(prepared, board, *at, now).is_ok(),
            Some(_) => false,
        });
        first.is_some_and(|(_, candidate)| candidate.skip().is_none())
    }

    /// Looks, for the record alone.
    pub(super) fn survey(&mut self, prepared: &Prepared, board: &Board, at: usize, now: Moment) {
        // The answer is written down; here nobody acts on it.
        let _written_down = self.look(prepared, board, at, now);
    }

    fn attempts_left(&self) -> usize {
        usize::from(self.attempts_max - self.attempts_made)
    }

    /// How many targets that were not asked can be, now or after a wait that is short enough, or with a part of the
    /// prompt.
    fn askable(&mut self, prepared: &Prepared, board: &Board, now: Moment) -> usize {
        let patience = failover::wait_until(now, self.commit_by);
        let mut count = self.fitting_left(prepared);
        for at in 0..self.candidates().len() {
            if self.candidates[at].failures > 0 {
                continue;
            }
            count += match self.look(prepared, board, at, now) {
                Ok(()) => 1,
                Err(skip) if skip.is_spared() => 1,
                Err(Skip::Paused { for_ms } | Skip::KeyLimit { for_ms }) => usize::from(now.plus_ms(u64::from(for_ms)) <= patience),
                Err(_) => 0,
            };
        }
        count
    }

    /// The target that just failed, when its last failure calls for it: a stale connection, or a
    /// credential that was at fault while there are others.
    pub(super) fn same_at_once(
        &mut self,
        prepared: &Prepared,
        board: &Board,
        now: Moment,
        random: &mut impl FnMut() -> u64,
    ) -> Option<Attempt> {
        let Again { candidate, fresh } = self.again.take()?;
        let at = usize::from(candidate);
        // The first attempt at a target is owed to it, on whichever connection.
        let owed = fresh && self.candidates[at].failures == 0;
        let may = owed || failover::may_ask_again(self.attempts_left(), self.askable(prepared, board, now));
        // What was begun is gone on with; another credential waits for the targets that are not spared.
        let spare = if owed { Spare::Disregard } else { Spare::Heed };
        if !may || !spare.admits(self.look(prepared, board, at, now)) {
            return None;
        }
        self.open(prepared, board, at, Manner { fresh, ..Manner::default() }, now, random)
    }

    /// A target that was not asked yet because it was to be spared, now that there is no other.
    #[cold]
    pub(super) fn spared(&mut self, prepared: &Prepared, board: &Board, now: Moment, random: &mut impl FnMut() -> u64) -> Option<Attempt> {
        let spared = |candidate: &super::Candidate| candidate.skip().is_some_and(Skip::is_spared);
        if !self.candidates().iter().any(spared) {
            return None;
        }
        self.untried(prepared, board, Spare::Disregard, now, random)
    }

    /// A target that was not asked yet: the first step that has one, picked by its balance. Who has just come
    /// back leaves a part of its requests to the next step, where that can be asked.
    #[inline]
    pub(super) fn untried(
        &mut self,
        prepared: &Prepared,
        board: &Board,
        spare: Spare,
        now: Moment,
        random: &mut impl FnMut() -> u64,
    ) -> Option<Attempt> {
        let attempt = self.first_untried(prepared, board, spare, now, random);
        let left = |candidate: &super::Candidate| matches!(candidate.skip(), Some(Skip::Warming { .. }));
        if attempt.is_none() && spare == Spare::Heed && self.candidates().iter().any(left) {
            return self.first_untried(prepared, board, Spare::Warm, now, random);
        }
        attempt
    }

    fn first_untried(
        &mut self,
        prepared: &Prepared,
        board: &Board,
        spare: Spare,
        now: Moment,
        random: &mut impl FnMut() -> u64,
    ) -> Option<Attempt> {
        let count = self.candidates().len();
        // Nothing has come between: as they were for the record, so they are.
        let surveyed_us = std::mem::replace(&mut self.surveyed_us, NOT_SURVEYED);
        let looked = surveyed_us < NOT_SURVEYED && surveyed_us == now.us_since(self.started) && self.trail.is_empty();
        let mut begin = 0;
        while begin < count {
            let step = self.candidates[begin].step;
            let size = self.candidates[begin..count].iter().take_while(|candidate| candidate.step == step).count();
            if let Some(attempt) = self.of_step(prepared, board, (begin..begin + size, looked), spare, now, random) {
                return Some(attempt);
            }
            begin += size;
        }
        None
    }

    /// Looks whether a candidate can be asked, unless that is known of this very moment.
    fn known(&mut self, prepared: &Prepared, board: &Board, at: usize, looked: bool, now: Moment) -> Result<(), Skip> {
        if looked { self.candidates[at].skip().map_or(Ok(()), Err) } else { self.look(prepared, board, at, now) }
    }

    fn of_step(
        &mut self,
        prepared: &Prepared,
        board: &Board,
        (places, looked): (std::ops::Range<usize>, bool),
        spare: Spare,
        now: Moment,
        random: &mut impl FnMut() -> u64,
    ) -> Option<Attempt> {
        let mut eligible = [0_u8; limits::CHAIN_TARGETS_MAX];
        let mut count = 0;
        let (first, end) = (self.candidates[places.start], places.end);
        for at in places {
            if self.candidates[at].failures == 0 && !self.runs_at(at) && spare.admits(self.known(prepared, board, at, looked, now)) {
                eligible[count] = at as u8;
                count += 1;
            }
        }
        let rules = self.rules(prepared);
        let (step, slow_start_ms) = (&rules.steps[usize::from(first.step)], rules.breaker.slow_start_ms);
        let came_back = |at: &u8| board.target(self.candidates[usize::from(*at)].target).breaker.came_back();
        if eligible[..count].iter().all(came_back)
            && spare == Spare::Heed
            && end < self.candidates.len()
            && self.leaves_to_others(board, &eligible[..count], slow_start_ms, now, random)
        {
            return None;
        }
        while count > 0 {
            let among = domain::farthest(self, prepared, &mut eligible[..count]);
            let candidates = &self.candidates;
            let choice = |n: usize| {
                let candidate = &candidates[usize::from(eligible[n])];
                let (row, weight) = (board.target(candidate.target), step.members[usize::from(candidate.member)].weight);
                Choice { row, weight, warmth: row.breaker.warmth(slow_start_ms, now) }
            };
            let picked = match step.affinity.filter(|_| !self.session.is_none()) {
                Some(kind) => {
                    let known = |n: usize| (candidates[usize::from(eligible[n])].target, choice(n));
                    affinity::pick(kind, self.session, board, among, &known)
                }
                None => balance::pick(step.balance, among, &choice, &|| board.target(first.target).take_turn(), now, random),
            };
            let at = usize::from(eligible[picked]);
            if let Some(attempt) = self.open(prepared, board, at, Manner::default(), now, random) {
                return Some(attempt);
            }
            // Another shard took what this one saw: pick among the others.
            eligible.copy_within(picked + 1..count, picked);
            count -= 1;
        }
        None
    }

    /// True when a step has just come back, all of it, and this request is not of the share that it is given
    /// meanwhile: of what comes as it likes by chance, of sessions whole ones.
    #[cold]
    fn leaves_to_others(
        &mut self,
        board: &Board,
        eligible: &[u8],
        slow_start_ms: u64,
        now: Moment,
        random: &mut impl FnMut() -> u64,
    ) -> bool {
        let is_left = |at: &u8| matches!(self.candidates[usize::from(*at)].skip(), Some(Skip::Warming { .. }));
        let warmth = |at: &u8| {
            let breaker = &board.target(self.candidates[usize::from(*at)].target).breaker;
            // A probe is one request, and makes it known.
            if breaker.peek(now) == Peek::Passes { breaker.warmth(slow_start_ms, now) } else { WARMTH_FULL }
        };
        let permille = eligible.iter().map(warmth).max().unwrap_or(WARMTH_FULL);
        if permille >= WARMTH_FULL {
            return false;
        }
        let drawn = if self.session.is_none() { random() } else { self.session.drawn() };
        let leaves = eligible.iter().any(is_left) || backoff::scale(drawn, u64::from(WARMTH_FULL) - 1) >= u64::from(permille);
        for at in eligible.iter().filter(|_| leaves) {
            self.candidates[usize::from(*at)].skip = Packed::new(Skip::Warming { permille });
        }
        leaves
    }

    /// Nothing is eligible now: the moment at which something will be, or a target whose backoff
    /// is over already.
    pub(super) fn later(&mut self, prepared: &Prepared, board: &Board, now: Moment, random: &mut impl FnMut() -> u64) -> Option<Next> {
        let patience = failover::wait_until(now, self.commit_by);
        for _ in 0..self.candidates().len() {
            let (when, at) = self.earliest(prepared, board, patience, now)?;
            if when <= now {
                if let Some(attempt) = self.open(prepared, board, at, Manner::default(), now, random) {
                    return Some(Next::Attempt(attempt));
                }
                continue;
            }
            if when >= self.commit_by {
                return None;
            }
            // Each wait is bounded, and so is their number: a pause that others keep prolonging
            // must not hold this exchange to its end.
            if self.has_waited() {
                return None;
            }
            self.waits += 1;
            return Some(Next::Wait(when));
        }
        None
    }

    /// When the first candidate can be asked, and which. Those that were not asked come first, and
    /// each of them keeps an attempt for itself.
    fn earliest(&mut self, prepared: &Prepared, board: &Board, patience: Moment, now: Moment) -> Option<(Moment, usize)> {
        let mut best: Option<(Moment, usize)> = None;
        let mut untried = self.fitting_left(prepared);
        let mut consider = |when: Moment, at: usize| {
            if best.is_none_or(|(soonest, _)| when < soonest) {
                best = Some((when, at));
            }
        };
        for at in 0..self.candidates().len() {
            if self.candidates[at].failures == 0
                && let Some(for_ms) = self.look(prepared, board, at, now).err().and_then(|skip| self.wait_ms(prepared, skip))
                && now.plus_ms(u64::from(for_ms)) <= patience
            {
                untried += 1;
                consider(now.plus_ms(u64::from(for_ms)), at);
            }
        }
        if !failover::may_ask_again(self.attempts_left(), untried) {
            return best;
        }
        for at in 0..self.candidates().len() {
            if self.candidates[at].failures == 0 || !self.candidates[at].again {
                continue;
            }
            let rested = self.rested(at);
            match self.look(prepared, board, at, now) {
                Ok(()) => consider(rested.max(now), at),
                Err(skip) if skip.is_spared() => consider(rested.max(now), at),
                Err(skip) if let Some(for_ms) = self.wait_ms(prepared, skip).filter(|ms| now.plus_ms(u64::from(*ms)) <= patience) => {
                    consider(rested.max(now.plus_ms(u64::from(for_ms))), at);
                }
                Err(_) => {}
            }
        }
        best
    }

    /// After a failure that would be the same everywhere: true when there are targets that wait for it, or,
    /// where the prompt did not fit, larger ones, or such as can read what is left of it. Who did not take all of it
    /// is never asked for that again, nor is its like.
    #[cold]
    pub(super) fn goes_on(&mut self, prepared: &Prepared, at: usize, class: Class) -> bool {
        let places = prepared.places(self.chain);
        let window = places[at].window;
        let waits = |place: &Place| place.after.contains(class);
        let mut found = false;
        if self.candidates.iter().zip(places).any(|(candidate, place)| candidate.is_untried() && waits(place)) {
            self.only_after = Some(class);
            found = true;
        } else if class == Class::ContextWindow && window > 0 {
            for (candidate, place) in self.candidates.iter_mut().zip(places).filter(|(candidate, _)| candidate.is_untried()) {
                if place.window <= window {
                    candidate.skip = Packed::new(Skip::TooLarge);
                } else {
                    found |= place.after.is_empty();
                }
            }
        }
        found || class == Class::ContextWindow && self.fitting_left(prepared) > 0
    }

    /// When the backoff after a candidate's last failure is over.
    fn rested(&self, at: usize) -> Moment {
        let target = self.candidates[at].target;
        let is_failure =
            |trail: &&Trail| matches!(trail.end, End::Failed(_)) && self.candidates[usize::from(trail.candidate)].target == target;
        let last = self.trail().iter().rev().find(is_failure);
        last.map_or(self.started, |trail| self.started.plus_ns(u64::from(trail.retry_us) * NS_PER_US))
    }

    /// Only breakers refuse: the one whose probes failed least, and of those the one that opened the longest
    /// ago, is passed all the same, and then the next. A breaker is there to answer sooner, and with nobody
    /// else left it cannot; but once a second and target are enough to find out that it is well, and who is
    /// not must not be asked by every request.
    pub(super) fn in_spite_of_breakers(
        &mut self,
        prepared: &Prepared,
        board: &Board,
        now: Moment,
        random: &mut impl FnMut() -> u64,
    ) -> Option<Attempt> {
        if self.trail.iter().any(|trail| !trail.forced) {
            return None;
        }
        let row = |at: &usize| board.target(self.candidates[*at].target);
        let refused = |at: &usize| {
            let candidate = &self.candidates[*at];
            candidate.failures == 0 && matches!(candidate.skip(), Some(Skip::BreakerOpen { .. }))
        };
        let best = (0..self.candidates().len())
            .filter(|at| refused(at) && row(at).may_be_forced(now))
            .min_by_key(|at| (row(at).breaker.relapses(), row(at).breaker.opened()))?;
        if !row(&best).take_force(now) {
            return None;
        }
        self.open(prepared, board, best, Manner { forced: true, ..Manner::default() }, now, random)
    }

    /// Takes everything that an attempt needs, or nothing.
    pub(super) fn open(
        &mut self,
        prepared: &Prepared,
        board: &Board,
        at: usize,
        manner: Manner,
        now: Moment,
        random: &mut impl FnMut() -> u64,
    ) -> Option<Attempt> {
        let key = self.take_key(prepared, board, at, now, random)?;
        let place = &prepared.places(self.chain)[at];
        let row = board.target(place.target);
        let admission = match self.enter(prepared, board, place, manner, now) {
            Ok(admission) => admission,
            Err(skip) => {
                self.give_key_back(prepared, board, place.provider, key, now);
                self.candidates[at].skip = Packed::new(skip);
                return None;
            }
        };
        if self.trail.is_empty() {
            self.earn_hedge(prepared, board);
            self.keep_away(board, at);
        }
        let (key, account) = self.admit_account(prepared, board, place, key, now, random);
        self.sit_down(prepared, board, place);
        let slot = row.begin(self.stream, now);
        self.candidates[at].skip = Packed::NONE;
        self.step(Event::Attempt);
        let index = self.trail.len();
        let probe = matches!(admission, Admission::Probe(_));
        self.trail.push(Trail {
            begun_us: now.us_since(self.started),
            candidate: at as u8,
            probe,
            forced: manner.forced,
            fresh: manner.fresh,
            standby: manner.standby,
            ..Trail::with_key(key)
        });
        self.attempts_made += 1;
        let running = Some(Running { index: index as u8, candidate: at as u8, admission, account, slot, jitter: [random(), random()] });
        match self.running {
            None => self.running = running,
            Some(_) => self.beside = running.map(Box::new),
        }
        let (connect_by, first_token_by, hurried, idle_ns) = self.patience(prepared, at, now);
        Some(Attempt {
            index,
            target: place.target,
            provider: place.provider,
            key,
            fresh: manner.fresh,
            probe,
            connect_by,
            first_token_by,
            hurried,
            idle_ns,
            deadline: self.deadline,
        })
    }

    /// Tells those that come before a candidate and say nothing that it is asked in their place.
    fn keep_away(&self, board: &Board, at: usize) {
        for silent in self.candidates[..at].iter().filter(|candidate| matches!(candidate.skip(), Some(Skip::Silent { .. }))) {
            board.target(silent.target).keep_away(self.stream);
        }
    }

    /// Takes a place at a provider, one of its further attempts where it is one, and what the breaker says; or nothing.
    fn enter(&self, prepared: &Prepared, board: &Board, place: &Place, manner: Manner, now: Moment) -> Result<Admission, Skip> {
        if !board.try_enter(place.provider, place.in_flight_max) {
            return Err(Skip::Bulkhead);
        }
        let retries = board.retries(place.provider);
        let further = self.is_further(prepared, place);
        if further && !retries.take(&place.retries, now) {
            board.leave(place.provider);
            return Err(Skip::RetryBudget);
        }
        let seat = &board.target(place.target).breaker;
        let admission =
            if manner.forced { Admission::Forced } else { breaker::allow(seat, &prepared.breaker(self.chain, place.target), now) };
        if let Admission::Refused { until } = admission {
            if further {
                retries.give_back(&place.retries);
            }
            board.leave(place.provider);
            return Err(Skip::BreakerOpen { for_ms: ms(until, now) });
        }
        if !further && !manner.fresh {
            retries.earn(&place.retries, now);
        }
        Ok(admission)
    }

    /// How long the attempt that begins at `now` is waited for: to be connected, to its first
    /// token, whether that is by the chain's `latency`, and within its answer.
    fn patience(&self, prepared: &Prepared, at: usize, now: Moment) -> (Moment, Moment, bool, u64) {
        let chain = self.rules(prepared);
        let target = self.candidates[at].target;
        let others = self.attempts_left() > 0 && self.candidates().iter().any(|other| other.is_untried() && other.target != target);
        // Half of the time left is kept for those that were not asked: who hangs must not take it all.
        let end = if others { now.plus_ns(self.commit_by.since(now) / 2) } else { self.commit_by };
        let to_token_ms = self.first_token_ms(prepared, target);
        // With nobody else to turn to, slow is better than nothing.
        let latency_ms = chain.triggers.latency_ms.filter(|latency| others && *latency < to_token_ms);
        let until = now.plus_ms(latency_ms.unwrap_or(to_token_ms));
        let first_token_by = if self.stream { until.min(end) } else { end };
        let hurried = self.stream && latency_ms.is_some() && until <= end;
        (now.plus_ms(chain.patience.connect_ms).min(end), first_token_by, hurried, chain.patience.idle_ms.saturating_mul(NS_PER_MS))
    }
}

/// How an attempt is made.
#[derive(Clone, Copy, Default)]
pub(super) struct Manner {
    pub(super) fresh: bool,
    pub(super) forced: bool,
    pub(super) standby: bool,
}

pub(super) fn ms(until: Moment, now: Moment) -> u32 {
    u32::try_from(until.ms_from(now)).unwrap_or(u32::MAX)
}
