//! Which credential an attempt is made with, and whether its account or the target is to blame.

use super::{End, Exchange, Running, Trail};
use crate::{
    backoff,
    board::Board,
    breaker::{self, Admission, Peek},
    judge::Verdict,
    moment::{Moment, NS_PER_US},
    prepared::{Place, Prepared},
    standing,
};
use policy::{Class, Key, KeyId, TargetId};

/// What a provider's credentials allow.
pub(super) enum Keys {
    /// It asks for none.
    Needless,
    /// These weights are usable, in sum.
    Usable { weights: u64 },
    /// Some could be used, and nothing remains of their limits before then.
    Spent { until: Moment },
    /// None before then.
    Paused { until: Moment },
    /// None, and somebody has to see to it.
    Out,
}

/// What may be asked of `target` with one of `keys`.
pub(super) fn usable(keys: &[Key], target: TargetId, board: &Board, now: Moment) -> Keys {
    if keys.is_empty() {
        return Keys::Needless;
    }
    let mut weights = 0;
    let (mut spent, mut paused): (Option<Moment>, Option<Moment>) = (None, None);
    let sooner = |one: Option<Moment>, other: Moment| Some(one.map_or(other, |one| one.min(other)));
    for key in keys {
        match (board.key_refused(key.id, target, now), board.key_spent(key.id, now)) {
            (None, None) => weights += u64::from(key.weight),
            (None, Some(until)) => spent = sooner(spent, until),
            (Some(pause), _) if pause.class == Class::RateLimit => paused = sooner(paused, pause.until),
            (Some(_), _) => {}
        }
    }
    match (spent, paused) {
        _ if weights > 0 => Keys::Usable { weights },
        (Some(until), _) => Keys::Spent { until },
        (None, Some(until)) => Keys::Paused { until },
        (None, None) => Keys::Out,
    }
}

/// One of the usable credentials, at random by weight, or of those that are spent the one that is back
/// first; the outer `None` when there is none.
pub(super) fn pick(keys: &[Key], target: TargetId, board: &Board, now: Moment, random: &mut impl FnMut() -> u64) -> Option<Option<KeyId>> {
    let weights = match usable(keys, target, board, now) {
        Keys::Needless => return Some(None),
        Keys::Usable { weights } => weights,
        Keys::Spent { .. } => {
            let spent = |key: &&Key| board.key_refused(key.id, target, now).is_none();
            return keys.iter().filter(spent).min_by_key(|key| board.key_spent(key.id, now)).map(|key| Some(key.id));
        }
        Keys::Paused { .. } | Keys::Out => return None,
    };
    if let [only] = keys {
        return Some(Some(only.id));
    }
    let fit = |key: &&Key| board.key_refused(key.id, target, now).is_none() && board.key_spent(key.id, now).is_none();
    let passes = |key: &&Key| !matches!(board.standing(key.id).breaker.peek(now), Peek::Refuses { .. });
    let well: u64 = keys.iter().filter(fit).filter(passes).map(|key| u64::from(key.weight)).sum();
    // Where every account is left alone, none is worse than another, and the target's breaker decides.
    let picked = if well > 0 {
        at_random(keys.iter().filter(fit).filter(passes), well, random)
    } else {
        at_random(keys.iter().filter(fit), weights, random)
    };
    // Another shard may have paused one in between; then it is asked again another time.
    picked.map(Some)
}

fn at_random<'k>(mut among: impl Iterator<Item = &'k Key>, weights: u64, random: &mut impl FnMut() -> u64) -> Option<KeyId> {
    let mut point = backoff::scale(random(), weights - 1);
    let picked = among.find(|key| {
        let here = point < u64::from(key.weight);
        point = point.saturating_sub(u64::from(key.weight));
        here
    });
    picked.map(|key| key.id)
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

    /// The credential for an attempt at a candidate. After a failure for which the chain wants another one, it
    /// is one that was not used; where none is left, the target is asked no more.
    pub(super) fn pick_key(
        &mut self,
        prepared: &Prepared,
        board: &Board,
        at: usize,
        now: Moment,
        random: &mut impl FnMut() -> u64,
    ) -> Option<Option<KeyId>> {
        let place = &prepared.places(self.chain)[at];
        if self.candidates[at].failures == 0 || !self.wants_other_key(prepared, at) {
            return pick(prepared.keys(place), place.target, board, now, random);
        }
        let fit = |key: &&Key| board.key_refused(key.id, place.target, now).is_none() && board.key_spent(key.id, now).is_none();
        let passes = |key: &&Key| !matches!(board.standing(key.id).breaker.peek(now), Peek::Refuses { .. });
        let weights: u64 = self.unused_keys(prepared, at).filter(fit).filter(passes).map(|key| u64::from(key.weight)).sum();
        let picked = if weights > 0 { at_random(self.unused_keys(prepared, at).filter(fit).filter(passes), weights, random) } else { None };
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
        let other = pick(keys, place.target, board, now, random).flatten().unwrap_or(key);
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
