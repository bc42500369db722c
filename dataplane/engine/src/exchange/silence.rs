//! Attempts that end before their target has said anything, and not by our time-out.
//!
//! A tenant that hangs up, another attempt that was quicker, a deadline: none of them says anything of a target
//! that had no time to answer. Of one that is overdue they do. Else a provider that has fallen silent would stay
//! in use as long as nobody waits for its end, and a probe that is hung up on would be followed by the next
//! at once.

use super::{Exchange, Running, Struck};
use crate::{
    board::Board,
    breaker::{self, Admission},
    failover,
    judge::{self, Transport, Verdict},
    moment::{Moment, NS_PER_MS, NS_PER_US},
    prepared::Prepared,
};
use policy::{Class, TargetId};

impl Exchange {
    /// How long a target is given to its first token, in milliseconds.
    pub(super) fn first_token_ms(&self, prepared: &Prepared, target: TargetId) -> u64 {
        let patience = &self.rules(prepared).patience;
        if prepared.targets[target].reasoning { patience.first_token_reasoning_ms } else { patience.first_token_ms }
    }

    /// When an attempt began.
    pub(super) fn began(&self, attempt_index: usize) -> Moment {
        self.started.plus_ns(u64::from(self.trail[attempt_index].begun_us) * NS_PER_US)
    }

    /// True when nothing has come of an attempt that its target should have answered long ago: after the time
    /// at which those in flight are overdue, or, while too little is known, that to a first token. What its own
    /// request wants late says nothing.
    pub(super) fn was_silent(&self, prepared: &Prepared, board: &Board, attempt_index: usize, now: Moment) -> bool {
        let trail = &self.trail[attempt_index];
        let spoke = trail.token_us != 0 || !self.stream && trail.head_us != 0;
        if spoke || trail.struck == Struck::Wished {
            return false;
        }
        let target = self.target(attempt_index);
        let first_token_ns = self.first_token_ms(prepared, target).saturating_mul(NS_PER_MS);
        let deadline_ns = self.rules(prepared).patience.deadline_ms.saturating_mul(NS_PER_MS);
        let ceiling_ns = if self.stream { first_token_ns } else { deadline_ns };
        let overdue_ns = board.target(target).overdue_ns(self.stream, ceiling_ns, now).unwrap_or(first_token_ns);
        now.since(self.began(attempt_index)) >= overdue_ns
    }

    /// A verdict by which the time was over counts where all of it was waited for in vain.
    pub(super) fn heard(&self, prepared: &Prepared, board: &Board, attempt_index: usize, verdict: Verdict, now: Moment) -> Verdict {
        let silent = verdict.ran_out() && self.was_silent(prepared, board, attempt_index, now);
        Verdict { counts_for_breaker: verdict.counts_for_breaker || silent, ..verdict }
    }

    /// An attempt that was given up counts as one that timed out.
    #[cold]
    pub(super) fn fell_silent(&self, prepared: &Prepared, board: &Board, running: &Running, now: Moment) {
        let verdict = failover::overruled(&self.rules(prepared).triggers, judge::transport(Transport::HeadTimeout));
        let counts = !self.account_failed(prepared, board, running, &verdict, now) && verdict.counts_for_breaker;
        self.tell_breaker(prepared, board, running, verdict.class, counts, now);
        board.target(self.target(running.index.into())).note_failure(Class::Timeout, now);
    }

    /// Tells the breaker of a target that an attempt there failed, and what that counts.
    pub(super) fn tell_breaker(&self, prepared: &Prepared, board: &Board, running: &Running, class: Class, counts: bool, now: Moment) {
        let index = usize::from(running.index);
        let target = self.target(index);
        let row = board.target(target);
        if !counts {
            breaker::neutral(&row.breaker, running.admission, now);
            return;
        }
        // A silent attempt that began before the breaker opened tells what is known: as overdue it
        // may have opened it.
        let opened = row.breaker.opened();
        let silent = running.admission == Admission::Pass && self.trail[index].token_us == 0;
        let is_news = !silent || opened == Moment::START || self.began(index) > opened;
        let half = failover::row(class).breaker == failover::Weight::Half;
        if is_news {
            let rules = prepared.breaker(self.chain, target);
            let fail = if half { breaker::half_failure } else { breaker::failure };
            fail(&row.breaker, &rules, running.admission, now, running.jitter[0]);
        }
        if !half {
            row.observe(crate::board::FAILURE_NS, now);
        }
    }
}
