//! An answer that went out whole and is not what was asked for: nobody can take it back, and its target is
//! remembered for it.

use super::{Exchange, Running};
use crate::{
    board::Board,
    breaker, failover,
    judge::{self, Verdict},
    moment::Moment,
    prepared::Prepared,
};

impl Exchange {
    /// An attempt came to its good end, and `verdict` is what its answer would have failed with, had that been
    /// known before the tenant saw something of it. The breaker counts what it would have counted then.
    #[cold]
    pub fn flawed(&mut self, board: &Board, prepared: &Prepared, attempt_index: usize, verdict: Verdict, now: Moment) {
        self.ends_well(board, prepared, attempt_index, None, Some(verdict), now);
    }

    /// Tells the breaker, and writes it into the trail.
    #[cold]
    pub(super) fn note_flaw(&mut self, board: &Board, prepared: &Prepared, running: &Running, verdict: Verdict, now: Moment) {
        let verdict = failover::overruled(&self.rules(prepared).triggers, verdict);
        let index = usize::from(running.index);
        let target = self.target(index);
        let rules = prepared.breaker(self.chain, target);
        let row = board.target(target);
        match failover::row(verdict.class).breaker {
            _ if !verdict.counts_for_breaker => breaker::success(&row.breaker, &rules, running.admission, now),
            failover::Weight::Half => {
                breaker::half_failure(&row.breaker, &rules, running.admission, now, running.jitter[0]);
            }
            failover::Weight::Nothing | failover::Weight::Whole => {
                breaker::failure(&row.breaker, &rules, running.admission, now, running.jitter[0]);
            }
        }
        row.note_failure(verdict.class, now);
        self.trail_mut(index).detail = judge::detail_index(verdict.detail);
    }
}
