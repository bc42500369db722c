//! Which targets of a chain can be asked at all: what no time and no breaker changes.

use super::{Candidate, Exchange, Skip, candidate};
use crate::{
    board::Board,
    decide::Ask,
    moment::Moment,
    prepared::{Place, Prepared},
    vectors::{self, Vectors},
};
use codec::dialect::{Needs, embeddings};

/// Why a target cannot be told what is asked.
#[inline]
fn unfit(place: &Place, ask: &Ask<'_>, drop_params: bool) -> Option<Skip> {
    let wants = &ask.wants;
    let mut lacks = place.lacks(wants.spoken);
    if wants.vectors != Vectors::None && !place.speaks.any(wants.spoken) {
        // Whatever its models can be told elsewhere.
        lacks.add(embeddings::LACKS);
    }
    if !place.speaks.any(wants.known_to) {
        return Some(Skip::Unable);
    }
    let needs = if drop_params { wants.needs.without(Needs::DROPPABLE) } else { wants.needs };
    let missing = needs.common(lacks);
    if !missing.is_empty() {
        return Some(Skip::Lacks(missing));
    }
    (place.window > 0 && wants.tokens > place.window).then_some(Skip::TooLarge)
}

impl Exchange {
    /// Makes every target of the chain a candidate, and writes down why those that cannot be asked at `now` cannot.
    pub fn survey_all(&mut self, prepared: &Prepared, ask: &Ask<'_>, board: &Board, now: Moment) {
        let (chain, drop_params) = (self.chain, self.rules(prepared).drop_params);
        for place in prepared.places(chain) {
            let mut candidate = Candidate { target: place.target, step: place.step, member: place.member, ..Candidate::BLANK };
            if place.disabled {
                candidate.skip = candidate::Packed::new(Skip::Disabled);
            } else if place.rest && prepared.model_for(place.target, ask.model).is_none() {
                candidate.skip = candidate::Packed::new(Skip::Unnamed);
            } else if place.dear {
                candidate.skip = candidate::Packed::new(Skip::TooDear);
            } else if let Some(skip) = unfit(place, ask, drop_params) {
                candidate.skip = candidate::Packed::new(skip);
            } else if ask.wants.vectors != Vectors::None && !vectors::fits(prepared, chain, place.target, ask) {
                candidate.skip = candidate::Packed::new(Skip::Dimensions);
            }
            self.candidates.push(candidate);
        }
        for at in 0..self.candidates().len() {
            self.survey(prepared, board, at, now);
        }
    }

    /// All candidates were looked at at `now`, and nothing comes between that and the first question for an attempt:
    /// they need not be looked at again for it. What an attempt takes is asked for all the same.
    pub fn asks_at_once(&mut self, now: Moment) {
        self.surveyed_us = now.us_since(self.started);
    }
}
