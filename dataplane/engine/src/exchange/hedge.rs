//! A second attempt beside one that is slow (J. Dean and L. A. Barroso, "The Tail at Scale", 2013).
//!
//! Both run until one has something to show, or fails: then [`Exchange::outrun`] or [`Exchange::concluded`]
//! ends the other or the failed one, and all goes on as with one attempt. Nothing of a second attempt is made
//! after the commit point, by an exchange that has made one before, or beyond what the chain's requests
//! have earned ([`crate::hedges`]).

use super::{Attempt, End, Exchange, State, Struck, TRAIL_MAX, choose::Spare};
use crate::{
    board::Board,
    moment::{Moment, NS_PER_US},
    prepared::Prepared,
};
use policy::Slowness;

impl Exchange {
    /// When the attempt that runs is slow, where its chain makes a second one; `None` also while too little is
    /// known of its target.
    pub fn hedge_at(&self, prepared: &Prepared, board: &Board, now: Moment) -> Option<Moment> {
        let hedge = self.rules(prepared).hedge?;
        let running = self.running.filter(|_| self.may_hedge(now))?;
        let begun = self.started.plus_ns(u64::from(self.trail[usize::from(running.index)].begun_us) * NS_PER_US);
        let at = match hedge.after {
            Slowness::Ms(ms) => begun.plus_ms(ms),
            Slowness::Permille(share) => {
                let row = board.target(self.target(running.index.into()));
                begun.plus_ns(row.usual_ns(self.stream, self.size, f64::from(share) / 1_000.0, now)?)
            }
        };
        (at < self.commit_by).then_some(at)
    }

    /// The second attempt: at a target that was not asked yet, as the chain has them, or again at the same one
    /// when no other can be. `None` when there is no budget for it, or nobody to ask.
    pub fn hedge(&mut self, prepared: &Prepared, board: &Board, now: Moment, random: &mut impl FnMut() -> u64) -> Option<Attempt> {
        let allotment = board.hedges(self.chain)?;
        let first = self.running.filter(|_| self.may_hedge(now))?;
        if !allotment.take() {
            return None;
        }
        let attempt = self.untried(prepared, board, Spare::Heed, now, random).or_else(|| {
            let at = usize::from(first.candidate);
            let well = self.look(prepared, board, at, now).is_ok();
            well.then(|| self.open(prepared, board, at, super::choose::Manner::default(), now, random)).flatten()
        });
        match &attempt {
            Some(attempt) => self.trail_mut(attempt.index).hedge = true,
            None => allotment.give_back(),
        }
        attempt
    }

    /// The other attempt has something to show, or has ended the exchange: this one is given up. A first one
    /// would have taken longer still, which its target is told; a second one has not had the time to tell
    /// anything.
    pub fn outrun(&mut self, board: &Board, prepared: &Prepared, attempt_index: usize, now: Moment) {
        let outrun = self.state == State::Racing;
        self.part(board, prepared, attempt_index, End::Outrun, now);
        self.step(super::Event::Yield);
        let trail = &self.trail[attempt_index];
        if outrun && !trail.hedge && trail.struck != Struck::Wished {
            let ns = u64::from(trail.end_us.saturating_sub(trail.begun_us)) * NS_PER_US;
            board.target(self.target(attempt_index)).outrun(self.stream, self.size, ns, now);
        }
    }

    /// True when a failure has ended the exchange, so that an attempt that still runs is of no use.
    pub fn is_lost(&self) -> bool {
        self.over
    }

    fn may_hedge(&self, now: Moment) -> bool {
        self.state == State::Attempting
            && !self.over
            && now < self.commit_by
            && self.attempts_made < self.attempts_max
            && self.trail.len() < TRAIL_MAX
            && !self.trail.iter().any(|trail| trail.hedge)
    }

    /// The exchange has made its first attempt.
    #[inline]
    pub(super) fn earn_hedge(&self, prepared: &Prepared, board: &Board) {
        if let Some(hedge) = self.rules(prepared).hedge
            && let Some(allotment) = board.hedges(self.chain)
        {
            allotment.earn(hedge.share_permille);
        }
    }

    /// True when an attempt runs at the target of a candidate.
    #[inline]
    pub(super) fn runs_at(&self, at: usize) -> bool {
        self.running.is_some_and(|running| self.candidates[usize::from(running.candidate)].target == self.candidates[at].target)
    }
}
