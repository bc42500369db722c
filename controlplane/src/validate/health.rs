//! What is looked at apart from requests, to know whether a provider is well.

use super::{Validator, providers};
use crate::document::{At, Canary, Document, Expect, Metrics, Preset, Provider};
use codec::dialect::{self, Needs, Quirks};
use policy::{
    Check, Dialect, Model, Speaks,
    health::{self, Bound, Expected, Gather, What},
    limits,
};

/// Tokens of an answer that is known, where nothing is said of them: such answers are short.
const TOKENS: u64 = 64;
/// The same for a model that reasons first, whose reasoning counts.
const TOKENS_REASONING: u64 = 2_048;
/// Bytes that an expression may take once it is compiled.
pub(crate) const REGEX_BYTES_MAX: usize = 1 << 20;

/// The rules of a server that is known. Queues of several engines are one queue; of memory, the fullest
/// counts.
fn preset(preset: Preset) -> &'static [(&'static str, Gather, Bound)] {
    match preset {
        // The cache's name has changed: `kv_` since version 1, `gpu_` before.
        Preset::Vllm => &[
            ("vllm:num_requests_waiting", Gather::Sum, Bound::Above(50_000_000)),
            ("vllm:kv_cache_usage_perc", Gather::Max, Bound::Above(950_000)),
            ("vllm:gpu_cache_usage_perc", Gather::Max, Bound::Above(950_000)),
        ],
        Preset::Sglang => {
            &[("sglang:num_queue_reqs", Gather::Sum, Bound::Above(50_000_000)), ("sglang:token_usage", Gather::Max, Bound::Above(950_000))]
        }
        Preset::Tgi => &[("tgi_queue_size", Gather::Sum, Bound::Above(50_000_000))],
        Preset::LlamaCpp => &[
            ("llamacpp:requests_deferred", Gather::Sum, Bound::Above(10_000_000)),
            ("llamacpp:kv_cache_usage_ratio", Gather::Max, Bound::Above(950_000)),
        ],
        // In MiB.
        Preset::Dcgm => &[("DCGM_FI_DEV_FB_FREE", Gather::Min, Bound::Below(512_000_000))],
    }
}

/// In millionths, as a rule or a price has it.
fn millionths(amount: f64) -> i64 {
    (amount * 1e6).round().clamp(0.0, i64::MAX as f64) as i64
}

/// How often something is looked at, and how many results count.
macro_rules! rhythm {
    ($validator:ident, $section:ident, $what:expr, $every:expr, $timeout:expr) => {
        Check {
            what: $what,
            every_ms: $validator.bounded(&$section.every, "every", limits::CHECK_MS_MIN, limits::CHECK_MS_MAX, $every),
            timeout_ms: $validator.bounded(&$section.timeout, "timeout", 1, limits::CHECK_TIMEOUT_MS_MAX, $timeout),
            failures: $validator.bounded(&$section.failures, "failures", 1, 1_000, 2) as u32,
            successes: $validator.bounded(&$section.successes, "successes", 1, 1_000, 2) as u32,
        }
    };
}

impl Validator<'_> {
    /// What is looked at of a provider, its canaries apart: they are of models, which are not known yet.
    pub(super) fn checks(&mut self, declared: &Provider) -> Vec<Check> {
        let mut checks = Vec::new();
        if let Some(section) = &declared.health {
            let path = self.path_of(&section.path, "/health");
            checks.push(rhythm!(self, section, What::Endpoint { path }, 5_000, 1_000));
        }
        if let Some(section) = &declared.metrics
            && let Some(what) = self.metrics(section)
        {
            checks.push(rhythm!(self, section, what, 5_000, 1_000));
        }
        checks
    }

    fn path_of(&mut self, field: &Option<At<String>>, usual: &str) -> String {
        let Some(at) = field else { return usual.to_owned() };
        let sound = at.starts_with('/') && at.len() <= limits::TARGET_BYTES_MAX && at.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
        if !sound {
            self.error(at, format!("`{}` is no path", at.value)).help("write it from the host on: `/health`").push();
        }
        at.value.clone()
    }

    fn metrics(&mut self, section: &At<Metrics>) -> Option<What> {
        let mut rules = Vec::new();
        for rule in section.rules.iter().flat_map(|rules| &rules.value) {
            let Some(metric) = &rule.metric else { continue };
            let name = metric.value.as_str();
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_:.".contains(&b)) {
                self.error(metric, format!("`{name}` is no name of a figure")).help("write it without labels").push();
                continue;
            }
            let of = rule.of.as_ref().map(|at| at.value.policy());
            let bounds = [
                rule.above.as_ref().map(|at| (Bound::Above(millionths(at.0)), Gather::Max)),
                rule.below.as_ref().map(|at| (Bound::Below(millionths(at.0)), Gather::Min)),
            ];
            if bounds.iter().all(Option::is_none) {
                self.error(rule, "a rule needs `above` or `below`").push();
            }
            rules.extend(bounds.into_iter().flatten().map(|(bound, usual)| health::Rule {
                metric: name.to_owned(),
                of: of.unwrap_or(usual),
                bound,
            }));
        }
        for (metric, of, bound) in section.preset.iter().flat_map(|at| preset(at.value)) {
            // Who says something of a figure means it in the place of the preset.
            if rules.iter().all(|rule| rule.metric != *metric) {
                rules.push(health::Rule { metric: (*metric).to_owned(), of: *of, bound: *bound });
            }
        }
        if rules.is_empty() || rules.len() > limits::RULES_MAX {
            let what = format!("`metrics` has {} rules, and needs 1 to {}", rules.len(), limits::RULES_MAX);
            self.error(section, what).help("name a `preset`, or write `rules`").push();
            return None;
        }
        let exporter = match &section.endpoint {
            None => None,
            Some(at) => match providers::endpoint(at) {
                Ok(endpoint) if !endpoint.tls && endpoint.base_path.is_empty() => Some((endpoint.host, endpoint.port)),
                _ => {
                    self.error(at, "an exporter is written as `http://host:port`").help("its path goes into `path`").push();
                    return None;
                }
            },
        };
        Some(What::Metrics { exporter, path: self.path_of(&section.path, "/metrics"), rules })
    }

    /// Canaries, once it is known which models are asked.
    pub(super) fn canaries(&mut self, document: &Document) {
        for (name, provider) in document.providers.iter().flat_map(|providers| &providers.0) {
            let Some(canaries) = &provider.canaries else { continue };
            let mut checks = Vec::new();
            for canary in &canaries.value {
                checks.extend(self.canary(name, canary));
            }
            let Some(planned) = self.plan.providers.get_mut(&name.value) else { continue };
            planned.checks.extend(checks);
            if planned.checks.len() > limits::CHECKS_PER_PROVIDER_MAX {
                let what = format!("there may be {} canaries and other checks of a provider", limits::CHECKS_PER_PROVIDER_MAX);
                self.error(canaries, what).push();
            }
        }
    }

    fn canary(&mut self, provider: &At<String>, canary: &At<Canary>) -> Option<Check> {
        let (model, prompt) = (canary.model.as_ref()?, canary.prompt.as_ref()?);
        let expected = self.expected(canary.expect.as_ref()?)?;
        let asked = format!("{}/{}", provider.value, model.value);
        let asked = self.plan.renamed.get(&asked).unwrap_or(&asked).clone();
        let Some(target) = self.plan.targets.get(&asked) else {
            let what = format!("no chain asks `{asked}`, so that nothing would follow from its answers");
            self.error(model, what).help("name the model as chains and deployments do").push();
            return None;
        };
        let Model::Named(named) = target.model.clone() else { return None };
        let (facts, price) = (target.facts.clone(), target.facts.price);
        if prompt.is_empty() || prompt.len() > limits::CANARY_BYTES_MAX {
            self.error(prompt, format!("a question has 1 to {} bytes", limits::CANARY_BYTES_MAX)).push();
            return None;
        }
        let planned = self.plan.providers.get(&provider.value)?;
        if planned.quirks.has(Quirks::STREAM_ONLY) {
            self.error(canary, format!("`{}` answers with streams only, which a canary cannot read", provider.value)).push();
            return None;
        }
        let tells = !dialect::lacks(spoken(planned.dialect, planned.speaks)).has(Needs::LOGPROBS)
            && !Needs::from_bits(facts.understands.lacks).has(Needs::LOGPROBS);
        if let (Some(at), false) = (&canary.min_confidence, tells) {
            self.note(at, format!("has no effect: `{asked}` does not tell how probable its tokens were")).push();
        }
        if price.is_none() {
            let what = format!("the price of `{asked}` is not known: only `daily_count` bounds what this canary costs");
            self.note(canary, what).push();
        }
        let usual = if facts.reasoning { TOKENS_REASONING } else { TOKENS };
        let confidence = canary.min_confidence.as_ref().filter(|_| tells).map(|at| at.0);
        let what = What::Canary(health::Canary {
            model: named,
            prompt: prompt.value.clone(),
            expected,
            slow_ms: canary.slow.as_ref().map(|_| self.bounded(&canary.slow, "slow", 1, limits::CHECK_TIMEOUT_MS_MAX, 1)),
            confidence_permille_min: confidence,
            tokens_max: self.bounded(&canary.max_tokens, "max_tokens", 1, 65_536, usual) as u32,
            day_cost_max: millionths(canary.daily_cost.as_ref().map_or(1.0, |at| at.0)) as u64,
            day_count_max: self.bounded(&canary.daily_count, "daily_count", 1, 1_000_000, 10_000),
        });
        Some(rhythm!(self, canary, what, 30_000, 10_000))
    }

    fn expected(&mut self, expect: &At<Expect>) -> Option<Expected> {
        let found = match (&expect.text, &expect.regex, &expect.json) {
            (Some(text), None, None) => Expected::Text(text.value.clone()),
            (None, Some(regex), None) => {
                if let Err(error) = regex::RegexBuilder::new(regex).size_limit(REGEX_BYTES_MAX).build() {
                    // The last line says what; those before it show where.
                    let why = error.to_string();
                    let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                    self.error(regex, format!("this is no expression: {why}")).push();
                    return None;
                }
                Expected::Regex(regex.value.clone())
            }
            (None, None, Some(json)) => Expected::Json(json.0.to_string()),
            _ => {
                self.error(expect, "`expect` has one of `text`, `regex` and `json`").push();
                return None;
            }
        };
        let (Expected::Text(text) | Expected::Regex(text) | Expected::Json(text)) = &found;
        if text.is_empty() || text.len() > limits::CANARY_BYTES_MAX {
            self.error(expect, format!("what is expected has 1 to {} bytes", limits::CANARY_BYTES_MAX)).push();
            return None;
        }
        Some(found)
    }
}

/// The language in which a canary is asked.
pub(crate) fn spoken(dialect: Dialect, speaks: Speaks) -> dialect::Dialect {
    match dialect {
        Dialect::OpenAi if speaks.any(Speaks::CHAT) => dialect::Dialect::Openai,
        Dialect::OpenAi => dialect::Dialect::Responses,
        Dialect::Anthropic => dialect::Dialect::Anthropic,
        Dialect::Gemini => dialect::Dialect::Gemini,
    }
}

#[cfg(test)]
mod tests;
