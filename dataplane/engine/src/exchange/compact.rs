//! A prompt that no target can read whole, and the targets that can read what is left of it.

use super::{End, Exchange, Next, Skip, candidate::Packed, choose::Manner};
use crate::{board::Board, moment::Moment, prepared::Prepared};
use policy::{ChainId, Class, limits};

/// What is known of a prompt that may be made to fit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fitting {
    /// The least that can be made of it, in bytes; 0 when it may not be.
    least: u64,
    /// Tokens of the answer that the request asks for; 0 where it does not say.
    answer: u32,
    /// By candidate: it is asked with what is left.
    asked: u64,
    /// A summary was asked for, or need not be.
    summed_up: bool,
}

/// What is to be summed up before a prompt is asked with less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summing {
    /// The chain whose target is asked.
    pub chain: ChainId,
    /// Bytes that the prompt may have, with the summary, at the target that comes next.
    pub bytes_max: u64,
    /// The summary must be there by then: a third of the time that is left is the most that it may take.
    pub until: Moment,
}

const _: () = assert!(limits::CHAIN_TARGETS_MAX <= u64::BITS as usize);

/// Bytes of a prompt that a model can read whose window has so many tokens: what the answer needs is left free, and
/// a twentieth, since nobody has counted. Who asks for no length of an answer gets a quarter at most.
pub fn prompt_bytes_max(window: u32, answer_max: Option<u32>, asked: u32) -> u64 {
    let (window, most) = (u64::from(window), answer_max.map(u64::from));
    let answer = match u64::from(asked) {
        0 => most.unwrap_or(u64::MAX).min(window / 4),
        asked => most.unwrap_or(u64::MAX).min(asked),
    };
    window.saturating_sub(answer).saturating_sub(window / 20) * limits::BYTES_PER_TOKEN_FITTED
}

impl Exchange {
    /// Lets the prompt be made to fit when nobody can read all of it: it can be made to have `least` bytes, and its
    /// answer is to have `answer` tokens, or 0. Told before the first attempt.
    pub fn may_compact(&mut self, least: u64, answer: u64) {
        self.fitting = Fitting { least, answer: u32::try_from(answer).unwrap_or(u32::MAX), ..Fitting::default() };
    }

    /// The bytes that the prompt may have in an attempt that is made with what is left of it; `None` where all of it
    /// is sent.
    pub fn bytes_max(&self, prepared: &Prepared, attempt_index: usize) -> Option<u64> {
        let at = usize::from(self.trail()[attempt_index].candidate);
        if self.fitting.asked >> at & 1 == 0 {
            return None;
        }
        Some(self.room(prepared, at))
    }

    /// How many targets that could not read all of it can read what is left, and were not asked with that.
    pub(super) fn fitting_left(&self, prepared: &Prepared) -> usize {
        if !self.may_be_fitted() {
            return 0;
        }
        (0..self.candidates().len()).filter(|at| self.is_too_small(*at) && self.fits(prepared, *at)).count()
    }

    /// False for a prompt of which nothing is left out, and while it goes on only where another failure is waited for.
    fn may_be_fitted(&self) -> bool {
        self.fitting.least > 0 && self.only_after.is_none_or(|class| class == Class::ContextWindow)
    }

    /// True when somebody was asked with what is left of the prompt: then the others that can read that come before
    /// whoever is waited for.
    pub(super) fn is_fitted(&self) -> bool {
        self.fitting.asked != 0
    }

    /// A target that is asked with what is left of the prompt, now that nobody can be asked with all of it: the first
    /// that can read it. Before the first of them, what is left out is summed up where the chain says so.
    #[cold]
    pub(super) fn compacted(&mut self, prepared: &Prepared, board: &Board, now: Moment, random: &mut impl FnMut() -> u64) -> Option<Next> {
        if !self.may_be_fitted() {
            return None;
        }
        for at in 0..self.candidates().len() {
            if !self.is_too_small(at) || !self.fits(prepared, at) {
                continue;
            }
            let before = std::mem::replace(&mut self.candidates[at].skip, Packed::NONE);
            let ready = self.look(prepared, board, at, now).map_or_else(Skip::is_spared, |()| true);
            if ready && let Some(summing) = self.summing(prepared, at, now) {
                self.candidates[at].skip = before;
                return Some(Next::Summarise(summing));
            }
            if ready && let Some(attempt) = self.open(prepared, board, at, Manner::default(), now, random) {
                self.fitting.asked |= 1 << at;
                return Some(Next::Attempt(attempt));
            }
            self.candidates[at].skip = before;
        }
        None
    }

    /// What is to be summed up before this candidate is asked with less; `None` where nothing is, or was already.
    fn summing(&mut self, prepared: &Prepared, at: usize, now: Moment) -> Option<Summing> {
        if std::mem::replace(&mut self.fitting.summed_up, true) {
            return None;
        }
        let chain = self.rules(prepared).compact?.summary?;
        let until = now.plus_ns(self.commit_by.since(now) / 3).min(now.plus_ms(limits::SUMMARY_MS_MAX));
        Some(Summing { chain, bytes_max: self.room(prepared, at), until })
    }

    /// It cannot read all of the prompt, as is known or as it has said, and was not asked with less.
    fn is_too_small(&self, at: usize) -> bool {
        let overflow = End::Failed(Class::ContextWindow);
        let overflowed = || self.trail().iter().any(|trail| usize::from(trail.candidate) == at && trail.end == overflow);
        self.fitting.asked >> at & 1 == 0 && (self.candidates[at].skip() == Some(Skip::TooLarge) || overflowed())
    }

    fn fits(&self, prepared: &Prepared, at: usize) -> bool {
        self.fitting.least > 0 && self.fitting.least <= self.room(prepared, at)
    }

    fn room(&self, prepared: &Prepared, at: usize) -> u64 {
        let place = &prepared.places(self.chain)[at];
        // Of a window that nobody knows nothing is known to fit.
        prompt_bytes_max(place.window, prepared.targets[place.target].understands.output_max, self.fitting.answer)
    }
}
