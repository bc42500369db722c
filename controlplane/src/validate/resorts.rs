//! What is asked when: models for one kind of failure, one member for one session, prices that are too high,
//! and a text of the operator's own at the end.

use super::Validator;
use crate::{
    document::{AfterFailure, At, Chain, Link, Model, Summarise, TriggerType},
    plan::{self, Step},
};
use policy::{
    ClassSet, Price, Slowness,
    chain::{Affinity, By},
    limits,
};

/// Share of answers, in thousandths, that are quicker than a slow one, unless a policy says otherwise.
const HEDGE_PERMILLE: u16 = 950;
/// Share of requests, in thousandths, that may be sent twice, unless a policy says otherwise.
const HEDGE_SHARE: u32 = 20;
/// Millionths of a US dollar in one.
const MICROS: f64 = 1e6;

impl Validator<'_> {
    /// The failures that an entry waits for.
    pub(super) fn after(&mut self, link: &At<Link>) -> ClassSet {
        let mut classes = ClassSet::EMPTY;
        let Some(after) = &link.after else { return classes };
        if after.is_empty() {
            self.error(after, "`after` names no failure").help("leave it out to have the model asked as its turn comes").push();
        }
        for kind in &after.value {
            match kind.value {
                TriggerType::Class(class) => classes.insert(class),
                TriggerType::Latency | TriggerType::ErrorRate | TriggerType::All => {
                    self.error(kind, "only a class of failures can stand here").help("for example `content_filter`").push();
                }
            }
        }
        classes
    }

    /// What makes requests for a model one session.
    pub(super) fn affinity(&mut self, model: &Model) -> Option<Affinity> {
        let affinity = model.affinity.as_ref()?;
        if model.deployments.as_ref().is_some_and(|deployments| deployments.len() == 1) {
            self.note(affinity, "has no effect yet: there is one deployment").push();
        }
        Some(session(affinity))
    }

    /// What makes requests for a chain one session.
    pub(super) fn affinity_of_chain(&mut self, chain: &Chain, steps: &[Step]) -> Option<Affinity> {
        let affinity = chain.affinity.as_ref()?;
        if steps.len() == 1 && steps[0].members.len() == 1 {
            self.note(affinity, "has no effect yet: there is one model").push();
        }
        let own = session(affinity);
        if let Some(other) = steps.iter().filter_map(|step| step.affinity).find(|other| other.by != own.by) {
            let what = format!("a model of this chain tells sessions by `{}`: here they are told by `{}`", other.by.word(), own.by.word());
            self.warning(affinity, what).help("say the same in both places").push();
        }
        Some(own)
    }

    /// Tells of sessions of a model that are not kept in a chain, since the cheapest place comes first there.
    pub(super) fn sessions_are_kept(&mut self, chain: &Chain) {
        if chain.affinity.is_some() {
            return;
        }
        for link in chain.models.iter().flat_map(|links| &links.value).filter(|link| link.provider.is_none()) {
            let Some(model) =
                link.model.as_ref().filter(|model| self.aliases.get(&model.value).is_some_and(|alias| alias.ordered_sessions))
            else {
                continue;
            };
            self.warning(
                model,
                format!("`affinity` of `{}` has no effect in this chain, since its cheapest place comes first", model.value),
            )
            .help("give the chain an `affinity` of its own")
            .push();
        }
    }

    /// What a million tokens may cost.
    pub(super) fn price_max(&mut self, chain: &Chain) -> Price {
        let Some(max) = &chain.max_price else { return Price::default() };
        if max.input.is_none() && max.output.is_none() {
            self.error(max, "`max_price` says no price")
                .help("for example `max_price: {input: 3, output: 15}`, in US dollars per million tokens")
                .push();
        }
        // Zero would be no limit: the least that is one stands for it.
        let micros = |amount: f64| ((amount * MICROS) as u64).max(1);
        let of = |at: &Option<At<_>>| at.as_ref().map_or(0, |at: &At<crate::document::units::Amount>| micros(at.0));
        Price { input: of(&max.input), output: of(&max.output), ..Price::default() }
    }

    /// A second attempt beside a slow first one.
    pub(super) fn hedge(&mut self, chain: &Chain) -> Option<policy::Hedge> {
        let hedge = chain.hedge.as_ref()?;
        let after = match &hedge.after {
            None => Slowness::Permille(HEDGE_PERMILLE),
            Some(after) => match slowness(after) {
                Some(found) => found,
                None => {
                    self.error(after, format!("`{}` is neither a duration nor a percentile", after.value))
                        .help("for example `800ms`, or `p95`, `p99.5`: what 95 of 100 answers of the same target took at most")
                        .push();
                    return None;
                }
            },
        };
        let share = hedge.budget.as_ref().map_or(HEDGE_SHARE, |share| share.0);
        let Some(at) = hedge.budget.as_ref().filter(|share| share.0 == 0) else {
            // Fewer than the slow ones may be sent twice: the slowest of them, not whoever comes first. A quarter of
            // the budget is left for quantiles that are known to a quarter.
            let after = match after {
                Slowness::Permille(found) => Slowness::Permille(found.max(1_000 - (share as u16 * 3 / 4).clamp(1, 999))),
                ms => ms,
            };
            return Some(policy::Hedge { after, share_permille: share as u16 });
        };
        self.error(at, "with a budget of nothing, no request is ever sent twice").help("leave `hedge` out, or allow `2%`").push();
        None
    }

    /// The share of requests that is tried first at a later model.
    pub(super) fn standby(&mut self, chain: &Chain, steps: &[Step]) -> u32 {
        let permille = self.bounded(&chain.standby, "standby", 0, limits::STANDBY_PERMILLE_MAX.into(), 0) as u32;
        let later = steps.iter().skip(1).any(|step| step.after == ClassSet::EMPTY);
        if let Some(at) = chain.standby.as_ref().filter(|_| permille > 0 && !later) {
            self.note(at, "has no effect yet: no later model is asked as its turn comes").push();
        }
        permille
    }

    /// How a prompt is made to fit that nobody can read whole.
    pub(super) fn compact(&mut self, chain: &Chain, steps: &[Step]) -> Option<plan::Compact> {
        let compact = chain.compact.as_ref()?;
        let window = |target: &String| self.plan.targets.get(target).and_then(|target| target.facts.context_window);
        if !steps.iter().flat_map(|step| &step.members).any(|member| window(&member.target).is_some()) {
            self.warning(compact, "has no effect: nobody knows how much one of these models can read")
                .help("tell it with `context_window`")
                .push();
        }
        let keep_turns = self.bounded(&compact.keep_turns, "keep_turns", 1, limits::KEEP_TURNS_MAX as u64, 4) as u8;
        let summary = compact.summarise.as_ref().and_then(|summarise| self.summary(chain, summarise));
        Some(plan::Compact { keep_turns, summary })
    }

    /// The chain that is asked to sum up what is left out: that of a target, or of a name from `models`.
    fn summary(&mut self, chain: &Chain, summarise: &At<Summarise>) -> Option<String> {
        let (model, told) = (summarise.model.as_ref()?, self.told_of_summarise(summarise));
        let (name, targets) = match &summarise.provider {
            Some(provider) => {
                let target = self.target(provider, model)?;
                (target.clone(), vec![target])
            }
            None => {
                let steps = self.alias(chain.name.as_ref()?, model);
                (model.value.clone(), steps.into_iter().flat_map(|step| step.members).map(|member| member.target).collect())
            }
        };
        for target in &targets {
            self.tell(target, &told);
        }
        // After a complaint there are none.
        targets.iter().map(|target| self.sums_up(summarise, target)).reduce(|one, other| one && other)?.then_some(name)
    }

    /// True when a target can sum up, as far as is known.
    fn sums_up(&mut self, at: &At<Summarise>, target: &str) -> bool {
        let planned = &self.plan.targets[target];
        let (disabled, window) = (planned.disabled.clone(), planned.facts.context_window);
        if planned.facts.understands.dimensions.is_some() {
            self.error(at, format!("`{target}` makes vectors, and cannot sum up")).help("name a model that writes text").push();
            return false;
        }
        if let Some(reason) = disabled {
            self.warning(at, format!("`{target}` never sums up: {reason}"))
                .help("give its provider a key, or leave `summarise` out: prompts are made to fit without a summary")
                .push();
        }
        let least = 2 * limits::SUMMARY_TOKENS_MAX as u32;
        match window {
            Some(window) if window < least => {
                let what = format!("`{target}` can read {window} tokens, of which a summary alone may take {}", limits::SUMMARY_TOKENS_MAX);
                self.error(at, what).help(format!("name a model that reads {least} at least")).push();
                return false;
            }
            None => {
                let what =
                    format!("nobody knows how much `{target}` can read: it is given {} tokens at most", limits::SUMMARY_WINDOW_USUAL);
                self.warning(at, what).help("tell it with `context_window`").push();
            }
            Some(_) => {}
        }
        true
    }

    /// How old an answer may be that stands in for an error, in milliseconds; 0 is none.
    pub(super) fn earlier(&mut self, chain: &Chain) -> u64 {
        let mut found = 0;
        for link in chain.models.iter().flat_map(|links| &links.value) {
            let Some(earlier) = &link.earlier else { continue };
            if found > 0 {
                self.error(earlier, "there is one `earlier` already").help("leave one of them out").push();
            }
            if link.provider.is_some() || link.model.is_some() || link.template.is_some() {
                self.error(link, "`earlier` is an entry of its own").help("for example `- {earlier: 24h}`").push();
            }
            if link.priority.is_some() || link.after.is_some() {
                self.warning(link, "an earlier answer comes after every model, wherever it stands").push();
            }
            found = self.bounded(&link.earlier, "earlier", 1, limits::EARLIER_MS_MAX, 0);
        }
        found
    }

    /// The text that a chain ends with: one, behind everything else.
    pub(super) fn template(&mut self, chain: &Chain) -> Option<String> {
        let mut found: Option<String> = None;
        for link in chain.models.iter().flat_map(|links| &links.value) {
            let Some(template) = &link.template else { continue };
            if found.is_some() {
                self.error(template, "there is one template already, and it always answers").help("leave one of them out").push();
            } else if template.is_empty() || template.len() > limits::TEMPLATE_BYTES_MAX {
                let what = format!("a template has 1 to {} bytes, and this one has {}", limits::TEMPLATE_BYTES_MAX, template.len());
                self.error(template, what).push();
            }
            if link.priority.is_some() || link.after.is_some() {
                self.warning(link, "a template comes after everything else, wherever it stands").push();
            }
            found = Some(template.value.clone());
        }
        found
    }
}

fn session(affinity: &crate::document::Affinity) -> Affinity {
    Affinity {
        by: affinity.by.as_ref().map_or(By::Any, |by| by.value.policy()),
        stays: affinity.after_failure.as_ref().is_some_and(|at| at.value == AfterFailure::Stay),
    }
}

/// `800ms`, or `p95`; `None` when it is neither, or none that could be.
fn slowness(text: &str) -> Option<Slowness> {
    if let Some(percent) = text.strip_prefix('p') {
        let percent: f64 = percent.parse().ok()?;
        let permille = (percent * 10.0).round();
        return (1.0..=999.0).contains(&permille).then_some(Slowness::Permille(permille as u16));
    }
    let ms = crate::document::units::Duration::of(text)?.0;
    (1..=limits::DEADLINE_MS_MAX).contains(&ms).then_some(Slowness::Ms(ms))
}
