//! Chains of models for embeddings: who of them will never be asked.

use super::Validator;
use crate::{document::At, plan};

impl Validator<'_> {
    /// Warns of the targets of a chain whose vectors do not have the length that the chain's first gives.
    /// It is the rule of `engine::vectors`, for requests that name no length.
    pub(super) fn lengths(&mut self, name: &At<String>) {
        let Some(chain) = self.plan.chains.get(&name.value).filter(|chain| !chain.mix_dimensions) else { return };
        let members: Vec<(String, plan::Target)> = chain
            .steps
            .iter()
            .flat_map(|step| &step.members)
            .filter_map(|member| Some((member.target.clone(), self.plan.targets.get(&member.target)?.clone())))
            .collect();
        let length = |target: &plan::Target| target.facts.understands.dimensions;
        let Some(((first, leads), others)) = members.split_first() else { return };
        if !members.iter().any(|(_, target)| length(target).is_some()) {
            return;
        }
        let numbers = |known: Option<u32>| known.map_or("a length that is not known".to_owned(), |length| format!("{length} numbers"));
        for (other, target) in others {
            let same = target.model == leads.model;
            let fits = match length(leads) {
                None => same,
                Some(wanted) => target.facts.understands.gives(wanted) || same && length(target).is_none(),
            };
            if fits {
                continue;
            }
            let (own, wanted) = (numbers(length(target)), numbers(length(leads)));
            let mend = match (length(leads), length(target)) {
                (Some(wanted), None) => format!("`dimensions: {wanted}` says of it that they are as long"),
                (None, _) => format!("`dimensions` says how long those of `{first}` are"),
                (Some(_), Some(shorter)) if leads.facts.understands.gives(shorter) => {
                    format!("`dimensions: {shorter}` at `{first}` makes all as long")
                }
                _ => "embeddings of different lengths do not fit into one index".to_owned(),
            };
            let what = format!("`{other}` is passed over for embeddings: its vectors have {own}, and those of `{first}` have {wanted}");
            self.warning(name, what).help(format!("{mend}; `mix_dimensions: true` asks it all the same")).push();
        }
    }
}

#[cfg(test)]
mod tests;
