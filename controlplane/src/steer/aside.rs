//! Setting targets aside and bringing them back. The policy stays; a generation is published that
//! differs in nothing else.

use super::{Origin, publish_plan};
use crate::{
    aside::{ASIDE_MAX, Aside, Asides, FOR_MAX},
    complaint,
    control::{Control, Reply, Then},
    daemon, recall,
    socket::{Answer, code},
    time,
};
use policy::{Draft, Secrets};
use std::time::{Duration, Instant, SystemTime};

/// First wait before a publish that failed is tried again; each doubles, since each writes a
/// generation into the journal.
const RETRY: Duration = Duration::from_secs(10);
/// Longest wait.
const RETRY_MAX: Duration = Duration::from_secs(3_600);

/// What is to be set aside.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// Which target.
    pub target: &'a str,
    /// For how long.
    pub time: Duration,
    /// Also when a chain is left with nobody.
    pub force: bool,
    /// What for.
    pub why: &'a str,
}

/// Sets a target aside.
pub fn disable(control: &mut Control, wish: Wish<'_>, who: &str, reply: Reply) {
    let mut asides = control.asides.at(time::unix_ms(SystemTime::now()));
    if let Err(answer) = may(&control.live.draft, &asides, wish) {
        return reply.send(answer);
    }
    let lonely = lonely(&control.live.draft, wish.target);
    if !lonely.is_empty() && !wish.force {
        let text = format!("without {} nobody is left in {}; `--force` does it all the same\n", wish.target, named(&lonely));
        return reply.send(Answer::refused(code::REFUSED, text));
    }
    let until_ms = time::unix_ms(SystemTime::now() + wish.time);
    let aside = Aside { until_ms, who: who.to_owned(), why: wish.why.to_owned() };
    let left = time::words(wish.time.as_millis() as u64);
    let mut summary = format!("disable   {} is asked by nobody for {left}; `throwover enable {}` ends that\n", wish.target, wish.target);
    if !lonely.is_empty() {
        summary.push_str(&format!("warning   nobody is left in {}\n", named(&lonely)));
    }
    asides.0.insert(wish.target.to_owned(), aside);
    republish(control, (who, &format!("disable {}", wish.target)), summary, asides, reply);
}

/// Brings a target back.
pub fn enable(control: &mut Control, target: &str, who: &str, reply: Reply) {
    let mut asides = control.asides.at(time::unix_ms(SystemTime::now()));
    if asides.0.remove(target).is_none() {
        let near = complaint::nearest(target, asides.0.keys().map(String::as_str));
        let near = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        return reply.send(Answer::refused(code::FAILED, format!("`{target}` is not set aside{near}\n")));
    }
    let summary = format!("enable    {target} may be asked again\n");
    republish(control, (who, &format!("enable {target}")), summary, asides, reply);
}

/// Brings back whatever has been aside for long enough; called often.
pub(super) fn bring_back(control: &mut Control, now: Instant) {
    if control.asides.0.is_empty() && control.live.entry.aside.is_empty() {
        return;
    }
    let current = control.asides.at(time::unix_ms(SystemTime::now()));
    let over: Vec<&str> = control.live.entry.aside.iter().filter(|name| !current.0.contains_key(*name)).map(String::as_str).collect();
    if over.is_empty() {
        if current != control.asides {
            // The policy has lost the target meanwhile: there is nothing to publish.
            control.asides = current;
            written(control);
        }
        return;
    }
    let wait = match control.bring_back {
        Some((at, _)) if now < at => return,
        Some((_, waited)) => (2 * waited).min(RETRY_MAX),
        None => RETRY,
    };
    control.bring_back = Some((now + wait, wait));
    let why = format!("the time aside is over of {}", over.join(", "));
    republish(control, ("the daemon", &why), format!("enable    {why}\n"), current, Reply::Log);
}

/// After a publish: what is set aside now, written down and told.
pub(super) fn adopted(control: &mut Control, asides: Asides) {
    control.bring_back = None;
    let before = std::mem::replace(&mut control.asides, asides);
    if before == control.asides {
        return;
    }
    written(control);
    let detail = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    for (target, aside) in control.asides.0.iter().filter(|(name, aside)| before.0.get(*name) != Some(aside)) {
        let details = vec![detail("target", target), detail("reason", &aside.reason())];
        daemon::tell(&mut control.events, "target_disabled", details);
    }
    let who = &control.live.entry.who;
    for target in before.0.keys().filter(|name| !control.asides.0.contains_key(*name)) {
        daemon::tell(&mut control.events, "target_enabled", vec![detail("target", target), detail("who", who)]);
    }
}

fn written(control: &mut Control) {
    if let Err(error) = control.asides.keep(&control.places.state) {
        eprintln!("throwover: what is set aside could not be written down: {error}");
        let details = vec![("reason".to_owned(), error.to_string())];
        daemon::tell(&mut control.events, "not_written_down", details);
    }
}

/// Publishes what is live once more, with these targets set aside.
pub(super) fn republish(control: &mut Control, (who, why): (&str, &str), summary: String, asides: Asides, reply: Reply) {
    let empty = Secrets::default();
    let today = (&control.live.entry.keys, control.sealed.as_ref().map_or(&empty, |sealed| &sealed.secrets));
    match recall::plan(&control.live.draft, &control.live.entry, today, &control.from) {
        Ok(plan) => {
            let source = control.live.entry.source.clone();
            let origin = Origin { who, why, source: &source, summary, then: Then::Stays, asides: Some(asides) };
            publish_plan(control, plan, origin, reply);
        }
        Err(why) => {
            daemon::tell(&mut control.events, "send_failed", vec![("reason".to_owned(), why.clone())]);
            reply.send(Answer::refused(code::FAILED, format!("{why}\n")));
        }
    }
}

fn may(draft: &Draft, asides: &Asides, wish: Wish<'_>) -> Result<(), Answer> {
    if wish.time.is_zero() || wish.time > FOR_MAX {
        let days = FOR_MAX.as_secs() / 86_400;
        return Err(Answer::refused(code::USAGE, format!("a target is set aside for {days} days at most; for good, change the policy\n")));
    }
    let Some((_, target)) = draft.targets.iter().find(|(_, target)| target.name == wish.target) else {
        let near = complaint::nearest(wish.target, draft.targets.iter().map(|(_, target)| target.name.as_str()));
        let near = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        return Err(Answer::refused(code::FAILED, format!("there is no target `{}`{near}\n", wish.target)));
    };
    let known = asides.0.contains_key(wish.target);
    if let (Some(reason), false) = (&target.disabled, known) {
        return Err(Answer::refused(code::FAILED, format!("`{}` is not asked as it is: {reason}\n", wish.target)));
    }
    if !known && asides.0.len() >= ASIDE_MAX {
        return Err(Answer::refused(code::FAILED, format!("{ASIDE_MAX} targets are set aside, and no more may be\n")));
    }
    Ok(())
}

/// Chains that could be answered and could not be without a target. The chain that a target's own
/// name leads to is no loss: who asks for a target by name has none other in mind.
fn lonely<'a>(draft: &'a Draft, without: &str) -> Vec<&'a str> {
    let names = |chain: &policy::Chain| -> Vec<&'a str> {
        let members = chain.steps.iter().flat_map(|step| &step.members);
        members.map(|member| &draft.targets[member.target]).filter(|target| target.disabled.is_none()).map(|t| t.name.as_str()).collect()
    };
    let loses = |chain: &policy::Chain| {
        let alive = names(chain);
        chain.name != without && !alive.is_empty() && alive.iter().all(|name| *name == without)
    };
    draft.chains.iter().filter(|(_, chain)| loses(chain)).map(|(_, chain)| chain.name.as_str()).collect()
}

fn named(chains: &[&str]) -> String {
    let noun = if chains.len() == 1 { "chain" } else { "chains" };
    format!("{noun} {}", chains.join(", "))
}
