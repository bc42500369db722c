//! What is tried, in which order: chains, names for one model in several places, and the names
//! that follow from them.

use super::{Alias, Validator};
use crate::{
    document::{At, Balance, Chain, Defaults, Document, Link, Model, Retry},
    plan::{self, Member, Step},
};
use policy::limits;

impl Validator<'_> {
    /// Names from `models`; each is a chain of its own as well.
    pub(super) fn models(&mut self, document: &Document) {
        let defaults = self.defaults.clone();
        for (name, model) in document.models.iter().flat_map(|models| &models.0) {
            if !self.name_is_sound(name, "a model") {
                continue;
            }
            let Some(steps) = self.deployments(name, &model.value) else { continue };
            // In an order there is nobody to balance sessions among: whether they stay is the chain's to say.
            let by_price = model.value.balance.as_ref().is_some_and(|balance| balance.value == Balance::Cheapest);
            let affinity = model.value.affinity.clone().filter(|_| by_price);
            self.aliases.insert(name.value.clone(), Alias { steps: steps.clone(), ordered_sessions: affinity.is_some() });
            self.chain_lives(name, &format!("model `{}`", name.value), &steps);
            let chain = Chain { hedge: model.value.hedge.clone(), affinity, ..Chain::default() };
            let chain = self.chain_of(steps, &chain, &defaults);
            self.plan.chains.insert(name.value.clone(), chain);
            self.plan.names.insert(name.value.clone(), (name.value.clone(), true));
            self.lengths(name);
        }
    }

    fn deployments(&mut self, name: &At<String>, model: &Model) -> Option<Vec<Step>> {
        let deployments = model.deployments.as_ref()?;
        if deployments.is_empty() {
            self.error(deployments, format!("model `{}` has no deployments", name.value)).push();
            return None;
        }
        let told_of_all = self.told_of_model(model);
        let mut members = Vec::new();
        for deployment in &deployments.value {
            let (Some(provider), Some(model)) = (&deployment.provider, &deployment.model) else { continue };
            let weight = self.bounded(&deployment.weight, "weight", 1, 1_000_000, 1) as u32;
            let wording = self.wording_of_deployment(deployment);
            let told = self.told_of_deployment(deployment).over(&told_of_all);
            if let Some(target) = self.target(provider, model) {
                self.tell(&target, &told);
                if members.iter().any(|other: &Member| other.target == target) {
                    self.warning(deployment, format!("`{target}` stands here twice")).help("use `weight` to give it a larger share").push();
                    continue;
                }
                members.push(Member { target, weight, wording });
            }
        }
        if members.is_empty() {
            return None;
        }
        let balance = match model.balance.as_ref().map(|at| at.value) {
            None | Some(Balance::Weighted) => policy::Balance::Weighted,
            Some(Balance::RoundRobin) => policy::Balance::RoundRobin,
            Some(Balance::LeastOutstanding) => policy::Balance::LeastOutstanding,
            Some(Balance::PeakEwma) => policy::Balance::PeakEwma,
            Some(Balance::Cheapest) => return Some(self.by_price(model, members)),
        };
        Some(vec![Step { affinity: self.affinity(model), ..Step::of(balance, members) }])
    }

    /// The cheapest first, each in a step of its own; those of unknown price come last.
    fn by_price(&mut self, model: &Model, mut members: Vec<Member>) -> Vec<Step> {
        let price =
            |plan: &plan::Plan, target: &str| plan.targets[target].facts.price.map(|price| price.input.saturating_add(price.output));
        for Member { target, .. } in &members {
            if let (None, Some(balance)) = (price(&self.plan, target), &model.balance) {
                self.warning(balance, format!("the price of `{target}` is unknown, so it comes last")).push();
            }
        }
        members.sort_by_key(|member| price(&self.plan, &member.target).unwrap_or(u64::MAX));
        members.into_iter().map(|member| Step::of(policy::Balance::Weighted, vec![member])).collect()
    }

    /// Every chain of the file, and the names that follow from it.
    pub(super) fn chains(&mut self, document: &Document) {
        let defaults = self.defaults.clone();
        let Some(chains) = document.fallback.as_ref().and_then(|fallback| fallback.chains.as_ref()) else { return };
        if chains.is_empty() {
            self.warning(chains, "there are no chains").push();
        }
        let mut seen = std::collections::HashSet::new();
        let mut first_models: Vec<(At<String>, String)> = Vec::new();
        for chain in &chains.value {
            let (Some(name), Some(links)) = (&chain.name, &chain.models) else { continue };
            if !self.name_is_sound(name, "a chain") {
                continue;
            }
            if !seen.insert(name.value.clone()) {
                self.error(name, format!("there are two chains named `{}`", name.value)).push();
                continue;
            }
            if self.plan.names.contains_key(&name.value) {
                self.warning(name, format!("`{}` is a chain and a name from `models`: the chain answers", name.value)).push();
            }
            let (steps, first) = self.links(name, links);
            if steps.is_empty() {
                if links.is_empty() || links.iter().all(|link| link.template.is_some() || link.earlier.is_some()) {
                    self.error(links, format!("chain `{}` has no models", name.value)).push();
                }
                continue;
            }
            if steps.iter().all(|step| !step.after.is_empty()) {
                self.error(links, format!("every model of chain `{}` waits for a failure, and none can fail first", name.value))
                    .help("leave `after` out of at least one")
                    .push();
            }
            self.chain_lives(name, &format!("chain `{}`", name.value), &steps);
            self.sessions_are_kept(&chain.value);
            let planned = self.chain_of(steps, &chain.value, &defaults);
            self.plan.chains.insert(name.value.clone(), planned);
            self.plan.names.insert(name.value.clone(), (name.value.clone(), true));
            first_models.extend(first.map(|first| (first, name.value.clone())));
        }
        // Only now all is told: what one chain says of a model holds in every other.
        for name in chains.value.iter().filter_map(|chain| chain.name.as_ref()).filter(|name| seen.contains(&name.value)) {
            self.lengths(name);
        }
        self.first_models(first_models);
    }

    /// A model's name is answered by the first chain that begins with it.
    fn first_models(&mut self, first_models: Vec<(At<String>, String)>) {
        let mut taken: std::collections::HashMap<String, String> = std::collections::HashMap::new();
        for (model, chain) in first_models {
            if let Some(first) = taken.get(&model.value) {
                let what = format!("two chains begin with `{}`: `{first}` answers for its name, not `{chain}`", model.value);
                self.warning(&model, what).help("requests reach this chain by its own name").push();
                continue;
            }
            taken.insert(model.value.clone(), chain.clone());
            // Names of chains and from `models` go before.
            self.plan.names.entry(model.value).or_insert((chain, true));
        }
    }

    /// The steps of a chain, and the model that it begins with.
    fn links(&mut self, chain: &At<String>, links: &At<Vec<At<Link>>>) -> (Vec<Step>, Option<At<String>>) {
        let mut ordered: Vec<&At<Link>> = links.iter().collect();
        ordered.sort_by_key(|link| link.priority.as_ref().map_or(u64::MAX, |priority| priority.0));
        for pair in ordered.windows(2) {
            if let (Some(one), Some(two)) = (&pair[0].priority, &pair[1].priority)
                && one.0 == two.0
            {
                self.warning(two, format!("two models share priority {}, and are tried in the order of the file", one.0))
                    .help("to share load among places of one model, use `models` with `deployments`")
                    .push();
            }
        }
        let mut steps: Vec<Step> = Vec::new();
        let mut first = None;
        for link in ordered {
            let (more, model) = self.link(chain, link);
            // Who is asked only after a failure begins nothing.
            if let (None, Some(model), None) = (&first, model, &link.after) {
                first = Some(model);
            }
            for step in more {
                let twice = step.members.len() == 1 && steps.iter().any(|other| other.members == step.members);
                if twice {
                    self.warning(link, format!("`{}` stands in chain `{}` twice", step.members[0].target, chain.value))
                        .help("one attempt more at the same target is what `retry` is for")
                        .push();
                } else {
                    steps.push(step);
                }
            }
        }
        let targets: usize = steps.iter().map(|step| step.members.len()).sum();
        if targets > limits::CHAIN_TARGETS_MAX {
            self.error(links, format!("a chain may hold {} targets, and this one holds {targets}", limits::CHAIN_TARGETS_MAX)).push();
        }
        (steps, first)
    }

    /// What one entry of a chain stands for; what it says differently goes before what `models` says.
    fn link(&mut self, chain: &At<String>, link: &At<Link>) -> (Vec<Step>, Option<At<String>>) {
        let (mut steps, model) = self.asked(chain, link);
        let (wording, told) = (self.wording_of_link(link), self.told_of_link(link));
        for member in steps.iter_mut().flat_map(|step| &mut step.members) {
            member.wording = wording.clone().over(&member.wording);
            self.tell(&member.target, &told);
        }
        let after = self.after(link);
        for step in &mut steps {
            step.after = after;
        }
        (steps, model)
    }

    fn asked(&mut self, chain: &At<String>, link: &At<Link>) -> (Vec<Step>, Option<At<String>>) {
        match (&link.provider, &link.model, &link.template) {
            (Some(provider), Some(model), None) => {
                let step = self.target(provider, model).map(|target| Step::of(policy::Balance::Weighted, vec![Member::of(target, 1)]));
                (step.into_iter().collect(), Some(model.clone()))
            }
            (None, Some(model), None) => (self.alias(chain, model), Some(model.clone())),
            // `chain_of` reads the last resorts.
            (None, None, Some(_)) => (Vec::new(), None),
            (None, None, None) if link.earlier.is_some() => (Vec::new(), None),
            (Some(provider), None, _) => {
                self.error(provider, "which model of this provider?").help("add `model`").push();
                (Vec::new(), None)
            }
            _ => {
                self.error(link, "an entry names a `provider` and its `model`, a `model` from `models`, a `template`, or `earlier`").push();
                (Vec::new(), None)
            }
        }
    }

    pub(super) fn alias(&mut self, chain: &At<String>, name: &At<String>) -> Vec<Step> {
        if let Some(alias) = self.aliases.get(&name.value) {
            return alias.steps.clone();
        }
        if name.value == chain.value {
            self.error(name, format!("chain `{}` names itself", chain.value)).help("a chain holds models, not chains").push();
            return Vec::new();
        }
        let mend = match Self::nearest(&mut self.suggestions, name, self.aliases.keys().map(String::as_str)) {
            Some(word) => format!("did you mean `{word}`?"),
            None => "add its `provider`, or declare it under `models`".to_owned(),
        };
        self.error(name, format!("`{}` is no name from `models`", name.value)).help(mend).push();
        Vec::new()
    }

    /// The target of a provider's model, entered into the plan; `None` after a complaint.
    pub(super) fn target(&mut self, provider: &At<String>, model: &At<String>) -> Option<String> {
        if !self.provider_known(provider) || !self.name_is_sound(model, "a model") {
            return None;
        }
        let asked = match self.catalogue.successor(provider, model) {
            Some(successor) => {
                self.warning(model, format!("`{}` is no longer served: `{successor}` is asked in its place", model.value))
                    .help("write the model that you want")
                    .push();
                successor.to_owned()
            }
            None => model.value.clone(),
        };
        let facts = self.catalogue.facts(provider, &asked);
        if let Some(day) = facts.retires.as_ref().filter(|day| day.as_str() <= self.from.today.as_str()) {
            self.warning(model, format!("`{asked}` is no longer served since {day}, says the catalogue"))
                .help("choose its successor")
                .push();
        }
        let name = format!("{}/{asked}", provider.value);
        let disabled = self.plan.providers[&provider.value].disabled.clone();
        let target = plan::Target { provider: provider.value.clone(), model: policy::Model::Named(asked), facts, disabled };
        self.plan.targets.entry(name.clone()).or_insert(target);
        if model.value != name[provider.len() + 1..] {
            self.plan.renamed.insert(format!("{}/{}", provider.value, model.value), name.clone());
        }
        Some(name)
    }

    /// A chain whose every target is disabled can never answer.
    fn chain_lives(&mut self, at: &At<String>, noun: &str, steps: &[Step]) {
        let mut reasons = Vec::new();
        for Member { target, .. } in steps.iter().flat_map(|step| &step.members) {
            match &self.plan.targets[target].disabled {
                None => return,
                Some(reason) => reasons.push(format!("{target}: {reason}")),
            }
        }
        reasons.dedup();
        self.error(at, format!("{noun} has no target left ({})", reasons.join("; ")))
            .help("give at least one of its providers a key")
            .push();
    }

    fn chain_of(&mut self, steps: Vec<Step>, chain: &Chain, defaults: &Defaults) -> plan::Chain {
        let empty = Retry::default();
        let retry = chain.retry.as_ref().map_or(&empty, |at| &at.value);
        let general = defaults.retry.as_ref().map_or(&empty, |at| &at.value);
        let attempts = retry.max_attempts.as_ref().or(general.max_attempts.as_ref()).or(defaults.max_attempts.as_ref()).cloned();
        let attempts_max = self.bounded(&attempts, "max_attempts", 1, limits::ATTEMPTS_MAX as u64, 6) as u8;
        if let Some(at) = &retry.max_attempts
            && usize::from(attempts_max) < steps.len()
        {
            let unasked = steps.len() - usize::from(attempts_max);
            self.warning(at, format!("with {attempts_max} attempts the last {unasked} of {} models may never be asked", steps.len()))
                .help(format!("`max_attempts: {}` reaches them all", steps.len()))
                .push();
        }
        let compact = self.compact(chain, &steps);
        plan::Chain {
            standby_permille: self.standby(chain, &steps),
            affinity: self.affinity_of_chain(chain, &steps),
            triggers: self.triggers(chain, &steps),
            steps,
            compact,
            attempts_max,
            backoff: self.backoff(retry, general),
            patience: self.patience(chain, defaults),
            breaker: self.breaker(chain.breaker.as_ref(), defaults.breaker.as_ref()),
            stream_reasoning: chain.stream_reasoning.as_ref().is_some_and(|at| at.value),
            drop_params: chain.drop_params.as_ref().is_some_and(|at| at.value),
            mix_dimensions: chain.mix_dimensions.as_ref().is_some_and(|at| at.value),
            price_max: self.price_max(chain),
            template: self.template(chain),
            hedge: self.hedge(chain),
            earlier_ms: self.earlier(chain),
        }
    }

    /// `provider/model` for every target, and `provider/*` for every provider.
    pub(super) fn names_of_targets(&mut self) {
        for provider in self.plan.providers.keys() {
            let planned = &self.plan.providers[provider];
            let target = plan::Target {
                provider: provider.clone(),
                model: policy::Model::Rest,
                facts: self.catalogue.facts(provider, ""),
                disabled: planned.disabled.clone(),
            };
            self.plan.targets.insert(format!("{provider}/*"), target);
        }
        let defaults = self.defaults.clone();
        let targets: Vec<String> = self.plan.targets.keys().cloned().collect();
        for target in targets {
            let steps = vec![Step::of(policy::Balance::Weighted, vec![Member::of(target.clone(), 1)])];
            let chain = self.chain_of(steps, &Chain::default(), &defaults);
            self.plan.chains.entry(target.clone()).or_insert(chain);
            self.plan.names.entry(target.clone()).or_insert((target, false));
        }
        for (written, target) in &self.plan.renamed {
            self.plan.names.entry(written.clone()).or_insert((target.clone(), false));
        }
    }
}
