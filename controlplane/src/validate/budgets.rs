//! What tenants may spend, and whether it can be counted.

use super::Validator;
use crate::document::{self, At, Period, units::Amount};
use policy::{Budget, Money, Per, Price, budget::LIMIT_MAX};

/// Millionths of a US dollar in one.
const MICROS: f64 = 1e6;
/// Targets that one note names.
const NAMED_MAX: usize = 5;
/// The highest price of a million tokens that is believed, in US dollars.
const PRICE_MAX: f64 = 1e6;

/// What a policy says a model costs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Costs {
    pub(super) price: Price,
}

impl Validator<'_> {
    /// A tenant's budget, and the chain that follows it by name.
    pub(super) fn budget(&mut self, tenant: &str, at: &Option<At<document::Budget>>) -> (Option<Budget>, Option<String>) {
        let Some(at) = at else { return (None, None) };
        let Some(usd) = &at.usd else { return (None, None) };
        let limit = Money::of_usd(usd.0);
        if limit == Money::NONE || limit > LIMIT_MAX {
            self.error(usd, format!("a budget of `{tenant}` is more than nothing and at most {}", LIMIT_MAX.words()))
                .help("a tenant without keys can spend nothing")
                .push();
            return (None, None);
        }
        let per = match at.per.as_ref().map_or(Period::Month, |at| at.value) {
            Period::Day => Per::Day,
            Period::Week => Per::Week,
            Period::Month => Per::Month,
        };
        let at_permille = self.bounded(&at.at, "at", 1, 1_000, 800) as u16;
        let then = at.then.as_ref().and_then(|then| self.cheaper(then));
        (Some(Budget { limit, per, at_permille, then: None }), then)
    }

    /// The chain that answers from the threshold on.
    fn cheaper(&mut self, then: &At<String>) -> Option<String> {
        let known = |plan: &crate::plan::Plan| {
            let named = plan.names.get(&then.value).map(|(chain, _)| chain.clone());
            named.or_else(|| plan.chains.contains_key(&then.value).then(|| then.value.clone()))
        };
        let Some(chain) = known(&self.plan) else {
            let mend = match Self::nearest(&mut self.suggestions, then, self.plan.names.keys().map(String::as_str)) {
                Some(word) => format!("did you mean `{word}`?"),
                None => "declare it under `fallback.chains`, or write `provider/model` of a model that a chain has".to_owned(),
            };
            self.error(then, format!("there is no chain or model `{}`", then.value)).help(mend).push();
            return None;
        };
        let members = self.plan.chains[&chain].steps.iter().flat_map(|step| &step.members);
        if members.into_iter().any(|member| self.plan.targets[&member.target].model == policy::Model::Rest) {
            self.error(then, format!("`{}` says no model of its own", then.value)).help("name a chain, or one model").push();
            return None;
        }
        Some(chain)
    }

    /// Says which use of a tenant cannot be counted, since nobody knows its price.
    pub(super) fn unpriced<T>(&mut self, at: &At<T>, tenant: &policy::Tenant, then: Option<&String>) {
        let asked = self.plan.names.iter().filter(|(name, _)| tenant.may_ask_for(name)).map(|(_, (chain, _))| chain);
        let chains: std::collections::BTreeSet<&String> = asked.chain(then).collect();
        let members = chains.into_iter().flat_map(|chain| &self.plan.chains[chain].steps).flat_map(|step| &step.members);
        let unpriced: std::collections::BTreeSet<&String> = members
            .map(|member| &member.target)
            .filter(|name| self.plan.targets[*name].facts.price.is_none() && self.plan.targets[*name].disabled.is_none())
            .collect();
        if unpriced.is_empty() {
            return;
        }
        let mut list: Vec<String> = unpriced.iter().take(NAMED_MAX).map(|name| format!("`{name}`")).collect();
        if unpriced.len() > NAMED_MAX {
            list.push(format!("{} more", unpriced.len() - NAMED_MAX));
        }
        let what = format!("the budget of `{}` counts nothing of what it asks of {}: the price is unknown", tenant.name, list.join(", "));
        self.note(at, what).help("say the `price` of those that cost something, and leave others out of its `models`").push();
    }

    /// What a model costs, by the policy's own word.
    pub(super) fn costs(&mut self, at: &Option<At<document::Price>>) -> Option<At<Costs>> {
        let at = at.as_ref()?;
        let mut read = |field: &Option<At<Amount>>| {
            let field = field.as_ref()?;
            if field.0 > PRICE_MAX {
                self.error(field, "this is no price of a million tokens").help("in US dollars: `price: {input: 3, output: 15}`").push();
            }
            Some((field.0.min(PRICE_MAX) * MICROS).round() as u64)
        };
        let price = Price {
            input: read(&at.input).unwrap_or_default(),
            output: read(&at.output).unwrap_or_default(),
            cached: read(&at.cached),
            cache_write: read(&at.cache_write),
        };
        Some(At { value: Costs { price }, span: at.span })
    }
}

#[cfg(test)]
mod tests;
