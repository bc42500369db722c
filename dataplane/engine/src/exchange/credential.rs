//! Which credential an attempt is made with, and whether its account or the target is to blame.

use super::{End, Exchange, Running, Skip, Trail, candidate::Packed, choose::ms};
use crate::{
    backoff,
    board::Board,
    breaker::{self, Admission, Peek},
    credential::{Event, Look, State},
    judge::Verdict,
    moment::{Moment, NS_PER_US},
    prepared::{Place, Prepared},
    quota, standing,
};
use policy::{Key, KeyId, ProviderId, TargetId};

/// What a provider's credentials allow.
pub(super) enum Keys {
    /// It asks for none.
    Needless,
    /// These weights are usable, in sum.
    Usable { weights: u64 },
    /// Some could be used, and nothing remains of their limits before then.
    Spent { until: Moment },
    /// None before then: their limits are the operator's.
    Limited { until: Moment },
    /// None before then.
    Paused { until: Moment },
    /// The request has more tokens than any of them may use in a minute.
    TooSmall,
    /// None, and somebody has to see to it.
    Out,
}

/// What may be asked of `target` with one of `keys`, by an attempt of so many tokens.
pub(super) fn usable(keys: &[Key], target: TargetId, charge: u32, board: &Board, now: Moment) -> Keys {
    if keys.is_empty() {
        return Keys::Needless;
    }
    let (mut weights, mut small) = (0, 0);
    let (mut spent, mut limited, mut paused): (Option<Moment>, Option<Moment>, Option<Moment>) = (None, None, None);
    // What has ended since it was looked at ends now.
    let sooner = |one: Option<Moment>, other: Option<Moment>| Some(one.unwrap_or(Moment::NEVER).min(other.unwrap_or(now)));
    let look = Look { target, charge: charge.into(), now };
    for key in keys {
        if quota::exceeds(key, charge.into()) {
            small += 1;
            continue;
        }
        let credential = board.credential(key.id);
        let until = |state| credential.until(state, key, look);
        match credential.state(key, look) {
            State::Usable => weights += u64::from(key.weight),
            State::Spent => spent = sooner(spent, until(State::Spent)),
            State::Limited => limited = sooner(limited, until(State::Limited)),
            // Whichever ends later.
            State::Paused if until(State::Limited) > until(State::Paused) => limited = sooner(limited, until(State::Limited)),
            State::Paused => paused = sooner(paused, until(State::Paused)),
            State::Denied | State::Out => {}
        }
    }
    match (spent, limited, paused) {
        _ if weights > 0 => Keys::Usable { weights },
        (Some(until), _, _) => Keys::Spent { until },
        (None, Some(until), paused) if paused.is_none_or(|paused| until <= paused) => Keys::Limited { until },
        (None, _, Some(until)) => Keys::Paused { until },
        _ if small == keys.len() => Keys::TooSmall,
        _ => Keys::Out,
    }
}

/// What an attempt of so many tokens at one target asks of a credential.
#[derive(Clone, Copy)]
struct Fit<'b> {
    board: &'b Board,
    target: TargetId,
    charge: u32,
    now: Moment,
}

impl Fit<'_> {
    /// What a credential is to it.
    fn state(&self, key: &Key) -> State {
        self.board.credential(key.id).state(key, Look { target: self.target, charge: self.charge.into(), now: self.now })
    }

    /// True when the machine lets it be asked.
    fn may(&self, key: &Key) -> bool {
        self.state(key).after(Event::Ask).is_some()
    }

    /// True when nothing speaks against it.
    fn is_fit(&self, key: &Key) -> bool {
        self.state(key) == State::Usable
    }

    /// True when its account is not left alone.
    fn passes(&self, key: &Key) -> bool {
        !matches!(self.board.standing(key.id).breaker.peek(self.now), Peek::Refuses { .. })
    }

    /// One of the usable credentials, at random by weight, or of those that are spent the one that is back
    /// first; the outer `None` when there is none.
    fn pick<'k>(&self, keys: &'k [Key], random: &mut impl FnMut() -> u64) -> Option<Option<&'k Key>> {
        // One that is well is all that there is to pick, nearly always.
        if let [only] = keys
            && self.is_fit(only)
        {
            return Some(Some(only));
        }
        let weights = match usable(keys, self.target, self.charge, self.board, self.now) {
            Keys::Needless => return Some(None),
            Keys::Usable { weights } => weights,
            Keys::Spent { .. } => {
                let spent = keys.iter().filter(|key| self.may(key));
                return spent.min_by_key(|key| self.board.key_spent(key.id, self.now)).map(Some);
            }
            Keys::Limited { .. } | Keys::Paused { .. } | Keys::TooSmall | Keys::Out => return None,
        };
        if let [only] = keys {
            return Some(Some(only));
        }
        let fit = || keys.iter().filter(|key| self.is_fit(key));
        let well: u64 = fit().filter(|key| self.passes(key)).map(|key| u64::from(key.weight)).sum();
        // Where every account is left alone, none is worse than another, and the target's breaker decides.
        let picked =
            if well > 0 { at_random(fit().filter(|key| self.passes(key)), well, random) } else { at_random(fit(), weights, random) };
        // Another shard may have paused one in between; then it is asked again another time.
        picked.map(Some)
    }
}

/// Of `keys` the one that was picked, where it has limits.
#[inline]
fn limited(keys: &[Key], picked: Option<KeyId>) -> Option<&Key> {
    keys.iter().find(|key| Some(key.id) == picked).filter(|key| key.is_limited())
}

fn at_random<'k>(mut among: impl Iterator<Item = &'k Key>, weights: u64, random: &mut impl FnMut() -> u64) -> Option<&'k Key> {
    let mut point = backoff::scale(random(), weights - 1);
    among.find(|key| {
        let here = point < u64::from(key.weight);
        point = point.saturating_sub(u64::from(key.weight));
        here
    })
}

impl Exchange {
    /// The credentials that this exchange has not used for the target of a candidate.
    pub(super) fn unused_keys<'p>(&self, prepared: &'p Prepared, at: usize) -> impl Iterator<Item = &'p Key> {
        let keys = prepared.keys(&prepared.places(self.chain)[at]);
        keys.iter().filter(move |key| !self.has_used(at, key.id))
    }

    fn has_used(&self, at: usize, key: KeyId) -> bool {
        let target = self.candidates[at].target;
        self.trail.iter().any(|trail| trail.key() == Some(key) && self.candidates[usize::from(trail.candidate)].target == target)
    }

    fn fit<'b>(&self, board: &'b Board, place: &Place, now: Moment) -> Fit<'b> {
        Fit { board, target: place.target, charge: self.charge, now }
    }

    /// The credential for an attempt at a candidate, with what the attempt takes of its limits. Another shard may
    /// have taken the last of one: then it is another's turn.
    #[inline]
    pub(super) fn take_key(
        &mut self,
        prepared: &Prepared,
        board: &Board,
        at: usize,
        now: Moment,
        random: &mut impl FnMut() -> u64,
    ) -> Option<Option<KeyId>> {
        let place = &prepared.places(self.chain)[at];
        let keys = prepared.keys(place);
        for _ in 0..keys.len().max(1) {
            let picked = self.pick_key(prepared, board, at, now, random)?;
            if picked.is_none_or(|key| self.asks(board, place, key, now)) {
                return Some(picked.map(|key| key.id));
            }
        }
        if let Keys::Limited { until } = usable(keys, place.target, self.charge, board, now) {
            self.candidates[at].skip = Packed::new(Skip::KeyLimit { for_ms: ms(until, now) });
        }
        None
    }

    /// Asks a credential that was picked: false when another shard has just moved it.
    fn asks(&self, board: &Board, place: &Place, key: &Key, now: Moment) -> bool {
        board.credential(key.id).ask(key, Look { target: place.target, charge: self.charge.into(), now })
    }

    /// No attempt was made with a credential that was taken.
    #[inline]
    pub(super) fn give_key_back(&self, prepared: &Prepared, board: &Board, provider: ProviderId, key: Option<KeyId>, now: Moment) {
        if let Some(key) = limited(&prepared.providers[provider].keys, key) {
            board.quota(key.id).give_back(key, 1, self.charge.into(), now);
        }
    }

    /// An attempt is over that nobody can have read: what it took of its credential's limits is given back. What was
    /// sent is put right by who knows what it cost.
    #[inline]
    pub(super) fn unused(&self, prepared: &Prepared, board: &Board, attempt_index: usize, unread: bool, now: Moment) {
        let trail = &self.trail[attempt_index];
        let provider = prepared.targets[self.target(attempt_index)].provider;
        if trail.sent_us == 0 {
            self.give_key_back(prepared, board, provider, trail.key(), now);
        } else if unread && let Some(key) = limited(&prepared.providers[provider].keys, trail.key()) {
            board.quota(key.id).give_back(key, 1, 0, now);
        }
    }

    /// The credential for an attempt at a candidate. After a failure for which the chain wants another one, it
    /// is one that was not used; where none is left, the target is asked no more.
    fn pick_key<'p>(
        &mut self,
        prepared: &'p Prepared,
        board: &Board,
        at: usize,
        now: Moment,
        random: &mut impl FnMut() -> u64,
    ) -> Option<Option<&'p Key>> {
        let place = &prepared.places(self.chain)[at];
        let fit = self.fit(board, place, now);
        if self.candidates[at].failures == 0 || !self.wants_other_key(prepared, at) {
            return fit.pick(prepared.keys(place), random);
        }
        let unused = || self.unused_keys(prepared, at).filter(|key| fit.is_fit(key) && fit.passes(key));
        let weights: u64 = unused().map(|key| u64::from(key.weight)).sum();
        let picked = if weights > 0 { at_random(unused(), weights, random) } else { None };
        self.candidates[at].again &= picked.is_some();
        picked.map(Some)
    }

    /// True when the last failure at a candidate's target is of a class after which the chain wants another
    /// credential, and there are several.
    fn wants_other_key(&self, prepared: &Prepared, at: usize) -> bool {
        let wanted = self.rules(prepared).triggers.next_key;
        if wanted.is_empty() || prepared.keys(&prepared.places(self.chain)[at]).len() < 2 {
            return false;
        }
        let target = self.candidates[at].target;
        let here = |trail: &&Trail| self.candidates[usize::from(trail.candidate)].target == target;
        let failed = |trail: &Trail| if let End::Failed(class) = trail.end { Some(class) } else { None };
        self.trail.iter().rev().filter(here).find_map(failed).is_some_and(|class| wanted.contains(class))
    }

    /// Asks the breaker of the account that was picked. When its one probe runs already, another is picked;
    /// with none that passes, the attempt is made in spite of it. `None` where there is nothing to choose.
    pub(super) fn admit_account(
        &self,
        prepared: &Prepared,
        board: &Board,
        place: &Place,
        picked: Option<KeyId>,
        now: Moment,
        random: &mut impl FnMut() -> u64,
    ) -> (Option<KeyId>, Option<Admission>) {
        let keys = prepared.keys(place);
        let (Some(key), 2..) = (picked, keys.len()) else { return (picked, None) };
        let rules = prepared.account_breaker(self.chain, place.provider);
        let ask = |key: KeyId| breaker::allow(&board.standing(key).breaker, &rules, now);
        let told = ask(key);
        if !matches!(told, Admission::Refused { .. }) {
            return (picked, Some(told));
        }
        let other = self.fit(board, place, now).pick(keys, random).flatten().filter(|other| other.id != key);
        let Some(other) = other.filter(|other| self.asks(board, place, other, now)).map(|other| other.id) else {
            return (picked, Some(Admission::Forced));
        };
        self.give_key_back(prepared, board, place.provider, picked, now);
        match ask(other) {
            Admission::Refused { .. } => (Some(other), Some(Admission::Forced)),
            told => (Some(other), Some(told)),
        }
    }

    /// The attempt that runs has worked: so does its account.
    pub(super) fn account_worked(&self, prepared: &Prepared, board: &Board, running: &Running, now: Moment) {
        let index = usize::from(running.index);
        let (Some(admission), Some(key)) = (running.account, self.trail[index].key()) else { return };
        let target = self.target(index);
        let standing = board.standing(key);
        breaker::success(&standing.breaker, &prepared.account_breaker(self.chain, prepared.targets[target].provider), admission, now);
        standing.works(target, now);
    }

    /// The attempt that runs begins to answer: a probe has reported, and what is still to come counts as of any
    /// other attempt.
    #[inline]
    pub(super) fn account_began(&mut self, prepared: &Prepared, board: &Board, now: Moment) {
        if let Some(running) = self.running
            && running.account.is_some_and(|admission| admission != Admission::Pass)
        {
            self.account_worked(prepared, board, &running, now);
            self.running = Some(Running { account: Some(Admission::Pass), ..running });
        }
    }

    /// An attempt failed. True when its account is to blame, and so the target is not.
    pub(super) fn account_failed(&self, prepared: &Prepared, board: &Board, running: &Running, verdict: &Verdict, now: Moment) -> bool {
        let index = usize::from(running.index);
        let (Some(admission), Some(key)) = (running.account, self.trail[index].key()) else { return false };
        let standing = board.standing(key);
        if !verdict.counts_for_breaker || !standing::speaks_of_account(verdict.class) {
            breaker::neutral(&standing.breaker, admission, now);
            return false;
        }
        let target = self.target(index);
        let provider = prepared.targets[target].provider;
        let begun = self.started.plus_ns(u64::from(self.trail[index].begun_us) * NS_PER_US);
        let since = standing.fails(target, begun);
        let mut others = prepared.providers[provider].keys.iter().filter(|other| other.id != key);
        let blamed = others.any(|other| board.standing(other.id).has_worked(target, since));
        if blamed || matches!(admission, Admission::Probe(_)) {
            let rules = prepared.account_breaker(self.chain, provider);
            breaker::failure(&standing.breaker, &rules, admission, now, running.jitter[0]);
        }
        blamed
    }

    /// The attempt that runs says nothing about its account.
    pub(super) fn account_left(&self, board: &Board, running: &Running, now: Moment) {
        if let (Some(admission), Some(key)) = (running.account, self.trail[usize::from(running.index)].key()) {
            breaker::neutral(&board.standing(key).breaker, admission, now);
        }
    }
}
