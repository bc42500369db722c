//! What the operator knows better about a model than the catalogue.

use super::{Validator, budgets::Costs};
use crate::document::{At, Deployment, Link, Model, Need, Summarise, Thinking, units::Count};
use codec::dialect::Needs;

/// Most tokens that are believed of a window or an answer.
const TOKENS_MAX: u64 = 1 << 31;
/// Most numbers that are believed of a vector.
const DIMENSIONS_MAX: u64 = 1 << 20;

/// What a policy says about one model; what it leaves out is the catalogue's to say.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    context_window: Option<At<u32>>,
    max_output: Option<At<u32>>,
    lacks: Option<At<Needs>>,
    thinking: Option<At<Thinking>>,
    dimensions: Option<At<u32>>,
    costs: Option<At<Costs>>,
}

impl Told {
    /// This, and of `other` what this does not say.
    pub(super) fn over(self, other: &Told) -> Told {
        Told {
            context_window: self.context_window.or_else(|| other.context_window.clone()),
            max_output: self.max_output.or_else(|| other.max_output.clone()),
            lacks: self.lacks.or_else(|| other.lacks.clone()),
            thinking: self.thinking.or_else(|| other.thinking.clone()),
            dimensions: self.dimensions.or_else(|| other.dimensions.clone()),
            costs: self.costs.or_else(|| other.costs.clone()),
        }
    }
}

macro_rules! told {
    ($validator:ident, $section:ident) => {{
        let lacks = $section.lacks.as_ref().map(|at| At { value: together(&at.value), span: at.span });
        Told {
            context_window: $validator.tokens(&$section.context_window, "context_window"),
            max_output: $validator.tokens(&$section.max_output, "max_output"),
            lacks,
            thinking: $section.thinking.clone(),
            dimensions: $validator.length(&$section.dimensions),
            costs: $validator.costs(&$section.price),
        }
    }};
}

impl Validator<'_> {
    pub(super) fn told_of_model(&mut self, model: &Model) -> Told {
        told!(self, model)
    }

    pub(super) fn told_of_deployment(&mut self, deployment: &Deployment) -> Told {
        told!(self, deployment)
    }

    pub(super) fn told_of_link(&mut self, link: &Link) -> Told {
        told!(self, link)
    }

    pub(super) fn told_of_summarise(&mut self, summarise: &Summarise) -> Told {
        Told {
            context_window: self.tokens(&summarise.context_window, "context_window"),
            costs: self.costs(&summarise.price),
            ..Told::default()
        }
    }

    fn tokens(&mut self, field: &Option<At<Count>>, what: &str) -> Option<At<u32>> {
        let span = field.as_ref()?.span;
        Some(At { value: self.bounded(field, what, 1, TOKENS_MAX, 1) as u32, span })
    }

    fn length(&mut self, field: &Option<At<Count>>) -> Option<At<u32>> {
        let span = field.as_ref()?.span;
        Some(At { value: self.bounded(field, "dimensions", 1, DIMENSIONS_MAX, 1) as u32, span })
    }

    /// Enters into the plan what is told about a target. It is one model wherever it stands, so that two
    /// places cannot say different things about it.
    pub(super) fn tell(&mut self, target: &str, told: &Told) {
        let before = self.told.get(target).cloned().unwrap_or_default();
        self.agree(target, "context_window", &before.context_window, &told.context_window);
        self.agree(target, "max_output", &before.max_output, &told.max_output);
        self.agree(target, "lacks", &before.lacks, &told.lacks);
        self.agree(target, "thinking", &before.thinking, &told.thinking);
        self.agree(target, "dimensions", &before.dimensions, &told.dimensions);
        self.agree(target, "price", &before.costs, &told.costs);
        self.is_at_most_its_own(target, &told.dimensions);
        let told = before.over(told);
        if let Some(planned) = self.plan.targets.get_mut(target) {
            let facts = &mut planned.facts;
            facts.context_window = told.context_window.as_ref().map(|at| at.value).or(facts.context_window);
            facts.understands.output_max = told.max_output.as_ref().map(|at| at.value).or(facts.understands.output_max);
            let mut lacks = told.lacks.as_ref().map_or(Needs::from_bits(facts.understands.lacks), |at| at.value);
            if let Some(thinking) = &told.thinking {
                let thinks = thinking.value != Thinking::None;
                facts.understands.thinking = thinking.value.policy();
                facts.reasoning = thinks;
                // Who says how it is told to think says whether it does, unless `lacks` says it too.
                if told.lacks.is_none() {
                    lacks = if thinks { lacks.without(Needs::REASONING) } else { lacks.and(Needs::REASONING) };
                }
            }
            if let Some(Costs { price }) = told.costs.as_ref().map(|at| at.value) {
                (facts.price, facts.cached, facts.cache_write) = (Some(price), price.cached, price.cache_write);
            }
            facts.understands.lacks = lacks.bits();
            facts.understands.dimensions = told.dimensions.as_ref().map(|at| at.value).or(facts.understands.dimensions);
        }
        self.told.insert(target.to_owned(), told);
    }

    /// A model that can give shorter vectors gives none that are longer.
    fn is_at_most_its_own(&mut self, target: &str, dimensions: &Option<At<u32>>) {
        let own = self.plan.targets.get(target).and_then(|planned| planned.facts.understands.shortens_from);
        if let (Some(own), Some(at)) = (own, dimensions)
            && at.value > own
        {
            self.error(at, format!("`dimensions: {}` is more than `{target}` has", at.value))
                .help(format!("its vectors have {own} numbers, and can be told to have fewer"))
                .push();
        }
    }

    fn agree<T: PartialEq>(&mut self, target: &str, what: &str, before: &Option<At<T>>, now: &Option<At<T>>) {
        if let (Some(one), Some(two)) = (before, now)
            && one.value != two.value
        {
            let where_it_stands = format!("line {}", one.span.line);
            self.error(two, format!("`{what}` of `{target}` is said twice, and differently"))
                .help(format!("{where_it_stands} says it as well: it is one model"))
                .push();
        }
    }
}

fn together(needs: &[At<Need>]) -> Needs {
    needs.iter().fold(Needs::NONE, |all, need| all.and(need.0))
}

#[cfg(test)]
mod tests;
