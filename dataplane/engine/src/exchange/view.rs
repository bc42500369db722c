//! What others may know of an exchange.

use super::{Candidate, End, Exchange, State, Trail};
use crate::{
    moment::Moment,
    prepared::{Prepared, Way},
};
use policy::{ChainId, ClassSet, TargetId, TenantId};

impl Exchange {
    /// The generation that it was decided under, and is served under to its end.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The chain that answers.
    pub fn chain(&self) -> ChainId {
        self.chain
    }

    /// How it came to that chain.
    pub fn way(&self) -> Way {
        self.way
    }

    /// Who asked.
    pub fn tenant(&self) -> Option<TenantId> {
        self.tenant
    }

    /// When it began.
    pub fn started(&self) -> Moment {
        self.started
    }

    /// When it is over, whatever happens.
    pub fn deadline(&self) -> Moment {
        self.deadline
    }

    /// When the tenant must have seen something, if it is to see anything.
    pub fn commit_by(&self) -> Moment {
        self.commit_by
    }

    /// The answer is to be a stream.
    pub fn is_stream(&self) -> bool {
        self.stream
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// The targets of the chain, in order, with why each was not asked.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// The attempts, in order.
    pub fn trail(&self) -> &[Trail] {
        &self.trail
    }

    /// The target of an attempt.
    pub fn target(&self, attempt_index: usize) -> TargetId {
        self.candidates[usize::from(self.trail()[attempt_index].candidate)].target
    }

    /// The step of an attempt's target, and its place among the members of the step.
    pub fn place(&self, attempt_index: usize) -> (usize, usize) {
        let candidate = &self.candidates[usize::from(self.trail()[attempt_index].candidate)];
        (candidate.step.into(), candidate.member.into())
    }

    /// True when some attempt is made without some parameter.
    #[inline]
    pub fn leaves_out(&self) -> bool {
        self.left_out[0].is_some()
    }

    /// The parameters that an attempt is made without, since its target did not know them.
    pub fn without(&self, attempt_index: usize) -> impl Iterator<Item = &'static str> {
        let candidate = self.trail()[attempt_index].candidate;
        self.left_out.iter().flatten().filter(move |(at, _)| *at == candidate).map(|(_, parameter)| parameter.name())
    }

    /// The failures that targets wait for which were not asked yet.
    pub fn turns_on(&self, prepared: &Prepared) -> ClassSet {
        let mut classes = ClassSet::EMPTY;
        for (candidate, place) in self.candidates.iter().zip(prepared.places(self.chain)) {
            if !place.after.is_empty() && candidate.is_untried() && !place.after.meets(self.failures) {
                classes = classes.and(place.after);
            }
        }
        classes
    }

    /// The chain wants its template after what failed last, whosever fault that was.
    pub fn wants_template(&self, prepared: &Prepared) -> bool {
        let last = self.last_ended.map(|at| self.trail[usize::from(at)].end);
        matches!(last, Some(End::Failed(class)) if prepared.chains[self.chain].triggers.template.contains(class))
    }

    /// How many attempts count against the cap.
    pub fn attempts_made(&self) -> u8 {
        self.attempts_made
    }

    /// The most that may count.
    pub fn attempts_max(&self) -> u8 {
        self.attempts_max
    }
}
