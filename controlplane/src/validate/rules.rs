//! How a chain waits, rests and moves on: its own word, else that of `defaults`, else a preset.

use super::Validator;
use crate::{
    document::{Action, At, Backoff, Breaker, Chain, Defaults, Retry, Trigger, TriggerType, units::Share},
    plan::{Member, Step},
};
use engine::{failover, judge::Fault};
use policy::{Class, Patience, Triggers, limits};

impl Validator<'_> {
    pub(super) fn backoff(&mut self, retry: &Retry, general: &Retry) -> policy::Backoff {
        let preset = policy::Backoff::default();
        let base = retry.base.clone().or(general.base.clone());
        let cap = retry.cap.clone().or(general.cap.clone());
        let base_ms = self.bounded(&base, "base", 0, limits::PAUSE_MS_MAX, preset.base_ms);
        let cap_ms = self.bounded(&cap, "cap", 0, limits::PAUSE_MS_MAX, preset.cap_ms.max(base_ms));
        if let Some(at) = cap.as_ref().or(base.as_ref())
            && base_ms > cap_ms
        {
            self.error(at, "`base` is above `cap`").push();
        }
        let kind = retry.backoff.as_ref().or(general.backoff.as_ref()).map_or(Backoff::Exponential, |at| at.value);
        policy::Backoff { exponential: kind == Backoff::Exponential, base_ms, cap_ms: cap_ms.max(base_ms) }
    }

    pub(super) fn patience(&mut self, chain: &Chain, defaults: &Defaults) -> Patience {
        let preset = Patience::default();
        let ttft = chain.ttft.clone().or(defaults.ttft.clone());
        // A chain that says how long it waits means it for every model of it.
        let reasoning = chain.ttft.clone().or(defaults.ttft_reasoning.clone());
        let most = limits::DEADLINE_MS_MAX;
        let patience = Patience {
            deadline_ms: self.bounded(&chain.deadline.clone().or(defaults.deadline.clone()), "deadline", 1, most, preset.deadline_ms),
            connect_ms: self.bounded(&defaults.connect, "connect", 1, most, preset.connect_ms),
            first_token_ms: self.bounded(&ttft, "ttft", 1, most, preset.first_token_ms),
            first_token_reasoning_ms: self.bounded(&reasoning, "ttft_reasoning", 1, most, preset.first_token_reasoning_ms),
            idle_ms: self.bounded(&chain.idle.clone().or(defaults.idle.clone()), "idle", 1, most, preset.idle_ms),
            keepalive_after_ms: self.bounded(&defaults.keepalive_after, "keepalive_after", 1, most, preset.keepalive_after_ms),
        };
        if let Some(at) = &ttft
            && patience.first_token_ms >= patience.deadline_ms
        {
            self.warning(at, "`ttft` is not below `deadline`, so a silent target uses up the whole exchange").push();
        }
        patience
    }

    pub(super) fn breaker(&mut self, own: Option<&At<Breaker>>, general: Option<&At<Breaker>>) -> policy::Breaker {
        let preset = policy::Breaker::default();
        macro_rules! field {
            ($name:ident, $min:expr, $max:expr, $default:expr) => {{
                let at = own.and_then(|at| at.$name.clone()).or_else(|| general.and_then(|at| at.$name.clone()));
                self.bounded(&at, stringify!($name), $min, $max, $default)
            }};
        }
        let slow = own.and_then(|at| at.slow.as_ref()).or_else(|| general.and_then(|at| at.slow.as_ref()));
        let slow_ms = slow.map_or(0, |slow| self.bounded(&slow.over, "over", 1, limits::DEADLINE_MS_MAX, 0));
        let slow_permille = slow.map_or(preset.slow_permille.into(), |slow| self.bounded(&slow.rate, "rate", 1, 1_000, 800)) as u32;
        let cooldown_ms = field!(cooldown, 1, limits::PAUSE_MS_MAX, preset.cooldown_ms);
        let breaker = policy::Breaker {
            consecutive: field!(consecutive, 1, 1_000_000, preset.consecutive.into()) as u32,
            failure_permille: field!(failure_rate, 1, 1_000, preset.failure_permille.into()) as u32,
            window_ms: field!(window, 100, limits::PAUSE_MS_MAX, preset.window_ms),
            requests_min: field!(min_requests, 1, 1_000_000, preset.requests_min.into()) as u32,
            cooldown_ms,
            cooldown_max_ms: field!(cooldown_max, 1, limits::PAUSE_MS_MAX, preset.cooldown_max_ms.max(cooldown_ms)),
            slow_ms,
            slow_permille,
            slow_start_ms: field!(slow_start, 0, limits::PAUSE_MS_MAX, preset.slow_start_ms),
        };
        if let Some(at) = own.or(general)
            && breaker.cooldown_ms > breaker.cooldown_max_ms
        {
            self.error(at, "`cooldown` is above `cooldown_max`").push();
        }
        policy::Breaker { cooldown_max_ms: breaker.cooldown_max_ms.max(breaker.cooldown_ms), ..breaker }
    }

    pub(super) fn triggers(&mut self, chain: &Chain, steps: &[Step]) -> Triggers {
        let mut triggers = Triggers::default();
        for trigger in chain.triggers.iter().flat_map(|triggers| &triggers.value) {
            let Some(kind) = trigger.r#type.as_ref().map(|at| at.value) else { continue };
            self.thresholds(trigger, kind);
            let enabled = trigger.enabled.as_ref().is_none_or(|at| at.value);
            match kind {
                TriggerType::Latency if enabled => {
                    let ms = trigger
                        .threshold_ms
                        .as_ref()
                        .map(|_| self.bounded(&trigger.threshold_ms, "threshold_ms", 1, limits::DEADLINE_MS_MAX, 30_000));
                    triggers.latency_ms = ms.or(triggers.latency_ms);
                }
                TriggerType::ErrorRate if enabled => {
                    let share =
                        trigger.threshold.as_ref().map(|_| self.bounded::<Share>(&trigger.threshold, "threshold", 1, 1_000, 500) as u32);
                    triggers.error_permille = share.or(triggers.error_permille);
                }
                TriggerType::Latency => triggers.latency_ms = None,
                TriggerType::ErrorRate => triggers.error_permille = None,
                TriggerType::Class(class) if enabled => triggers.disabled.remove(class),
                TriggerType::Class(class) => triggers.disabled.insert(class),
                TriggerType::All if enabled => triggers.disabled = policy::ClassSet::EMPTY,
                TriggerType::All => {
                    self.warning(trigger, "every failure ends the request: this chain never falls back").push();
                    Class::ALL.iter().for_each(|class| triggers.disabled.insert(*class));
                }
            }
            self.what_follows(chain, trigger, kind, &mut triggers);
            self.has_effect(trigger, steps);
        }
        triggers
    }

    /// Tells of an action that is no more than `next` in this chain.
    fn has_effect(&mut self, trigger: &Trigger, steps: &[Step]) {
        let Some(action) = &trigger.action else { return };
        let several = |member: &Member| self.plan.providers[&self.plan.targets[&member.target].provider].keys.len() > 1;
        let why = match action.value {
            Action::NextKey if !steps.iter().flat_map(|step| &step.members).any(several) => "no provider of this chain has several keys",
            Action::NextModel if steps.iter().skip(1).all(|step| !step.after.is_empty()) => "no later model is asked as its turn comes",
            _ => return,
        };
        self.note(action, format!("has no effect yet: {why}")).push();
    }

    /// What a trigger has follow its class, or every class.
    fn what_follows(&mut self, chain: &Chain, trigger: &At<Trigger>, kind: TriggerType, triggers: &mut Triggers) {
        let classes: &[Class] = match &kind {
            TriggerType::Class(class) => std::slice::from_ref(class),
            TriggerType::All => Class::ALL,
            TriggerType::Latency | TriggerType::ErrorRate => {
                if trigger.action.is_some() || trigger.breaker.is_some() {
                    self.error(trigger, "`action` and `breaker` belong to a class of failures, or to `all`").push();
                }
                return;
            }
        };
        let templates = || chain.models.iter().flat_map(|links| &links.value).any(|link| link.template.is_some());
        if let Some(at) = trigger.action.as_ref().filter(|at| at.value == Action::Template)
            && !templates()
        {
            self.error(at, "this chain has no template")
                .help("add `{template: \"We are busy; please try again.\"}` to its `models`")
                .push();
        }
        let action = trigger.action.as_ref().map(|at| at.value);
        let onward = matches!(action, Some(Action::Retry | Action::Next | Action::NextKey | Action::NextModel));
        if onward && kind == TriggerType::Class(Class::InvalidRequest) {
            self.warning(trigger, "a caller's own mistake is a mistake everywhere: every target will be asked for nothing").push();
        }
        for class in classes {
            // Of all, those that are a caller's own keep their end.
            if kind == TriggerType::All && onward && failover::row(*class).fault == Fault::Tenant {
                continue;
            }
            let Triggers { retry, next, next_key, next_model, template, .. } = triggers;
            for set in [retry, next, next_key, next_model, template].into_iter().filter(|_| action.is_some()) {
                set.remove(*class);
            }
            match action {
                None => {}
                Some(Action::Retry) => triggers.retry.insert(*class),
                Some(Action::Next) => triggers.next.insert(*class),
                Some(Action::NextKey) => triggers.next_key.insert(*class),
                Some(Action::NextModel) => triggers.next_model.insert(*class),
                Some(Action::Template) => triggers.template.insert(*class),
                Some(Action::Error) => triggers.disabled.insert(*class),
            }
            if let Some(counts) = trigger.breaker.as_ref().map(|at| at.value) {
                let (into, out) = if counts {
                    (&mut triggers.counted, &mut triggers.uncounted)
                } else {
                    (&mut triggers.uncounted, &mut triggers.counted)
                };
                into.insert(*class);
                out.remove(*class);
            }
        }
    }

    fn thresholds(&mut self, trigger: &At<Trigger>, kind: TriggerType) {
        if let Some(at) = &trigger.threshold_ms
            && kind != TriggerType::Latency
        {
            self.error(at, "`threshold_ms` belongs to `type: latency`").push();
        }
        if let Some(at) = &trigger.threshold
            && kind != TriggerType::ErrorRate
        {
            self.error(at, "`threshold` belongs to `type: error_rate`").push();
        }
        if kind == TriggerType::Latency && trigger.threshold_ms.is_none() {
            self.note(trigger, "has no effect yet: `latency` without `threshold_ms` leaves it to `ttft`").push();
        }
        if kind == TriggerType::ErrorRate && trigger.threshold.is_none() {
            self.note(trigger, "has no effect yet: `error_rate` without `threshold` leaves it to `breaker`").push();
        }
    }
}
