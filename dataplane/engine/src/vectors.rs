//! The lengths of embeddings: vectors of different lengths must not meet in one index, so that a chain
//! gives those of one length only, unless its operator says otherwise.
//!
//! The length that is wanted is the request's own, or else that of the chain's first target. A model
//! that can give shorter vectors than it does by itself is told so. That two models give vectors of one
//! length makes them fit into one index and no more: they still mean different things by them.

use crate::{decide::Ask, prepared::Prepared};
use codec::dialect::embeddings::Length;
use policy::{ChainId, TargetId};

/// The vectors that a request asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Vectors {
    /// It asks for none.
    #[default]
    None,
    /// Of the length that is usual.
    Usual,
    /// Of so many numbers.
    Long(u32),
}

/// How many numbers a vector is to have, where that is known: as the request says, or as the first target
/// of the chain gives it.
pub fn wanted(prepared: &Prepared, chain: ChainId, vectors: Vectors) -> Option<u32> {
    match vectors {
        Vectors::None => None,
        Vectors::Usual => prepared.targets[first(prepared, chain)?].understands.dimensions,
        Vectors::Long(length) => Some(length),
    }
}

fn first(prepared: &Prepared, chain: ChainId) -> Option<TargetId> {
    prepared.places(chain).first().map(|place| place.target)
}

/// True when the chain begins with the model that `target` asks for: wherever that is served, it is one.
fn is_first_model(prepared: &Prepared, chain: ChainId, target: TargetId, requested: &str) -> bool {
    first(prepared, chain).is_some_and(|first| prepared.model_for(first, requested) == prepared.model_for(target, requested))
}

/// True when a target can give what is wanted.
pub(crate) fn fits(prepared: &Prepared, chain: ChainId, target: TargetId, ask: &Ask<'_>) -> bool {
    if prepared.chains[chain].mix_dimensions {
        return true;
    }
    let vectors = ask.wants.vectors;
    let understands = &prepared.targets[target].understands;
    let same = || is_first_model(prepared, chain, target, ask.model);
    let Some(wanted) = wanted(prepared, chain, vectors) else { return same() };
    if understands.gives(wanted) {
        return true;
    }
    // Of the chain's own model its provider is the judge, where nothing that is known contradicts it.
    (understands.dimensions.is_none() || matches!(vectors, Vectors::Long(_))) && same()
}

/// What a target is told about the length of its vectors.
pub fn told(prepared: &Prepared, chain: ChainId, target: TargetId, requested: &str, vectors: Vectors) -> Length {
    let understands = &prepared.targets[target].understands;
    let mixes = prepared.chains[chain].mix_dimensions;
    match (vectors, understands.shortens_from) {
        (Vectors::None, _) => Length::AsAsked,
        (Vectors::Usual, Some(own)) => {
            let usual = if mixes { understands.dimensions } else { wanted(prepared, chain, vectors) };
            usual.filter(|length| *length != own).map_or(Length::AsAsked, Length::Of)
        }
        (Vectors::Usual, None) => Length::AsAsked,
        // What a model gives by itself, and cannot be told, it is not told.
        (Vectors::Long(length), None)
            if (mixes && understands.dimensions.is_some() || understands.dimensions == Some(length))
                && !is_first_model(prepared, chain, target, requested) =>
        {
            Length::Untold
        }
        (Vectors::Long(_), _) => Length::AsAsked,
    }
}

#[cfg(test)]
mod tests;
