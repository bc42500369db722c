//! Whether an exchange went on to another target than the first, and why.
//!
//! It did when an attempt failed, or when the targets of an earlier step could not be asked. Who is passed over
//! because the request is not for it (a picture, a long prompt, a price) was never its place, and members of one
//! step stand for each other; neither is a fallback. Nor is the second of two attempts that was quicker.

use super::{Candidate, End, Exchange, Skip, Trail};
use policy::{Class, TargetId};

/// Why the first target did not give the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// It was asked, and failed.
    Failed(Class),
    /// It could not be asked.
    Skipped(Skip),
}

impl Trigger {
    /// The word that `x-throwover-fallback-reason` and events use: a class, or why it was not asked.
    pub const fn word(self) -> &'static str {
        match self {
            Trigger::Failed(class) => class.word(),
            Trigger::Skipped(skip) => skip.word(),
        }
    }
}

/// Where an exchange did not stay, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// The target that was left, or not asked.
    pub from: TargetId,
    /// Why.
    pub trigger: Trigger,
}

impl Exchange {
    /// What it was that had it go on, if anything had: the first target that could not be asked, or else the
    /// first failure. The target that answers may be the same all the same: asked again, or the slower of two.
    #[inline]
    pub fn fallback(&self) -> Option<Fallback> {
        match self.trail() {
            // As nearly always: the first that there is was asked, once, and has not failed.
            [only] if only.candidate == 0 && !matches!(only.end, End::Failed(_)) => None,
            _ => self.went_on(),
        }
    }

    #[cold]
    fn went_on(&self) -> Option<Fallback> {
        let step = |attempt: &Trail| self.candidates()[usize::from(attempt.candidate)].step;
        // Who was asked out of turn, by the chain's `standby`, was not asked for want of others.
        let asked = self.trail().first().map(|first| if first.standby { 0 } else { step(first) });
        let before = |candidate: &&Candidate| asked.is_none_or(|step| candidate.step < step);
        let left = |candidate: &Candidate| {
            let skip = candidate.skip().filter(|skip| !skip.is_final() && *skip != Skip::Reserved)?;
            Some(Fallback { from: candidate.target, trigger: Trigger::Skipped(skip) })
        };
        let failed = |attempt: &Trail| match attempt.end {
            End::Failed(class) => Some(Fallback { from: self.target(0), trigger: Trigger::Failed(class) }),
            _ => None,
        };
        self.candidates().iter().take_while(before).find_map(left).or_else(|| self.trail().iter().find_map(failed))
    }

    /// The target of the attempt that gave the answer, else of the last one; `None` when nobody was asked.
    pub fn led_to(&self) -> Option<TargetId> {
        let answered = self.trail().iter().position(|attempt| attempt.end == End::Answered);
        let last = answered.or_else(|| self.trail().len().checked_sub(1))?;
        Some(self.target(last))
    }
}
