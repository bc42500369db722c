//! A share of the requests that is tried first at a later target, so that it is known to work, and warm,
//! when it is needed.
//!
//! The share is exact: every request of a chain takes a number, over all shards, and those at which the sum of
//! the shares passes a whole go there, to one target after the other. Where requests belong to sessions, so
//! do the shares: all requests of a session go one way, since a prompt cache is worth more than an even count.
//! Who fails there goes through the chain as ever.

use super::{Attempt, Exchange, choose::Manner, limits};
use crate::{board::Board, breaker::Peek, moment::Moment, prepared::Prepared};

impl Exchange {
    /// The first attempt, when it is the turn of a later target: one that has its place in the order (it waits
    /// for no failure), and that is well.
    #[inline]
    pub(super) fn standby(&mut self, prepared: &Prepared, board: &Board, now: Moment, random: &mut impl FnMut() -> u64) -> Option<Attempt> {
        let permille = self.rules(prepared).standby_permille;
        if permille == 0 || !self.trail.is_empty() || self.waits > 0 {
            return None;
        }
        self.in_turn(prepared, board, permille.into(), now, random)
    }

    #[cold]
    fn in_turn(
        &mut self,
        prepared: &Prepared,
        board: &Board,
        permille: u64,
        now: Moment,
        random: &mut impl FnMut() -> u64,
    ) -> Option<Attempt> {
        let number = if self.session.is_none() {
            let before = board.take_turn(self.chain);
            let sum = |requests: u64| requests.wrapping_mul(permille) / 1_000;
            (sum(before.wrapping_add(1)) != sum(before)).then(|| sum(before))?
        } else {
            let drawn = self.session.drawn();
            (drawn % 1_000 < permille).then_some(drawn / 1_000)?
        };
        let mut eligible = [0_u8; limits::CHAIN_TARGETS_MAX];
        let mut count = 0;
        let mut first = None;
        for at in 0..self.candidates().len() {
            if self.look(prepared, board, at, now).is_err() {
                continue;
            }
            let candidate = self.candidates[at];
            let step = *first.get_or_insert(candidate.step);
            let is_first = self.candidates.iter().any(|other| other.step == step && other.target == candidate.target);
            let waits = !prepared.places(self.chain)[at].after.is_empty();
            // To probe what is ill is for those who are its turn.
            if !is_first && !waits && board.target(candidate.target).breaker.peek(now) == Peek::Passes {
                eligible[count] = at as u8;
                count += 1;
            }
        }
        let at = usize::from(eligible[(number % count.max(1) as u64) as usize]);
        let elsewhere = |home| home != self.candidates[at].target;
        if count == 0 || !self.session.is_none() && board.home(self.session).is_some_and(elsewhere) {
            return None;
        }
        self.open(prepared, board, at, Manner { standby: true, ..Manner::default() }, now, random)
    }
}
