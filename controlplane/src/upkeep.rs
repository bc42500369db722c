//! `throwover catalog check`: what of a policy time has overtaken, or soon will: models that retire,
//! names that are no longer served, models that nobody has heard of, and prices that have changed.

use crate::{
    catalogue::{Catalogue, Facts, Models},
    legible,
    models::dollars,
    plan::Plan,
    reference::Surroundings,
    socket::{Answer, code},
    time,
    verbs::{self, Arguments},
};
use policy::Model;
use serde_json::{Value, json};
use std::{io::Read, path::Path};

/// A retirement that is so near is told, in days.
const NOTICE_DAYS: i64 = 90;
/// Largest catalogue to compare with, in bytes.
const BYTES_MAX: u64 = 32 << 20;

/// What somebody should look at.
#[derive(Debug, PartialEq, Eq)]
enum Finding {
    /// It is not served from this day on, which is so many days away.
    Retires { day: String, left: i64 },
    /// The policy names a model that is no longer served, and this one is asked.
    Replaced { asked: String },
    /// Others of its provider are listed, and it is not.
    Unlisted,
    /// It costs something else than before, per million tokens.
    Price { what: &'static str, before: Option<u64>, now: Option<u64> },
}

/// A finding, what it is about, and the chains that it touches.
#[derive(Debug)]
struct Found {
    target: String,
    finding: Finding,
    chains: Vec<String>,
}

/// Checks a policy against the catalogue.
pub fn catalog(arguments: &Arguments) -> Answer {
    if arguments.get("action").is_none_or(|action| action != "check") {
        return Answer::refused(code::USAGE, "say what: throwover catalog check FILE\n".to_owned());
    }
    let before = match arguments.get("against").map(|file| (file, older(Path::new(file)))) {
        Some((file, Err(why))) => return Answer::refused(code::FAILED, format!("{file}: {why}\n")),
        Some((_, Ok(models))) => Some(models),
        None => None,
    };
    let from = Surroundings::real();
    let path = verbs::policy_file(arguments);
    match verbs::plan_of(&path, &from) {
        Ok(plan) => told(&found(&plan, Catalogue::built_in(), before.as_ref(), &from.today), &path),
        Err(answer) => answer,
    }
}

fn older(path: &Path) -> Result<Models, String> {
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(BYTES_MAX).read_to_string(&mut text).map_err(|error| error.to_string())?;
    Models::read(&text).map_err(|error| error.to_string())
}

/// Everything that there is to say, target by target.
fn found(plan: &Plan, catalogue: &Catalogue, before: Option<&Models>, today: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let mut add = |target: &str, about: &str, finding| {
        found.push(Found { target: about.to_owned(), finding, chains: chains(plan, target) });
    };
    for (name, target) in &plan.targets {
        let Model::Named(model) = &target.model else { continue };
        for (written, _) in plan.renamed.iter().filter(|(_, asked)| *asked == name) {
            add(name, written, Finding::Replaced { asked: name.clone() });
        }
        if let Some((day, left)) = soon(&target.facts, today) {
            add(name, name, Finding::Retires { day, left });
        }
        let now = catalogue.model(&target.provider, model);
        if now.is_none() && catalogue.lists(&target.provider) {
            add(name, name, Finding::Unlisted);
        }
        let was = before.and_then(|before| before.facts(catalogue.listed_as(&target.provider), model));
        for finding in was.zip(now).map(|(was, now)| prices(was, now)).unwrap_or_default() {
            add(name, name, finding);
        }
    }
    found
}

/// The day from which it is not served, when that has come or is near.
fn soon(facts: &Facts, today: &str) -> Option<(String, i64)> {
    let day = facts.retires.clone()?;
    let left = time::days(&day)? - time::days(today)?;
    (left <= NOTICE_DAYS).then_some((day, left))
}

fn prices(before: &Facts, now: &Facts) -> Vec<Finding> {
    let of = |facts: &Facts| {
        let price = |of: fn(policy::Price) -> u64| facts.price.map(of);
        [price(|price| price.input), price(|price| price.output), facts.cached, facts.cache_write]
    };
    let names = ["in", "out", "cached_in", "cache_write"];
    let pairs = of(before).into_iter().zip(of(now)).zip(names);
    // A price that one of the two does not know has not changed.
    let changed = pairs.filter(|((before, now), _)| before.is_some() && now.is_some() && before != now);
    changed.map(|((before, now), what)| Finding::Price { what, before, now }).collect()
}

/// The chains that hold a target; the one that every target has to itself is none.
fn chains(plan: &Plan, target: &str) -> Vec<String> {
    let holds = |chain: &crate::plan::Chain| chain.steps.iter().flat_map(|step| &step.members).any(|member| member.target == target);
    plan.chains.iter().filter(|(name, chain)| *name != target && holds(chain)).map(|(name, _)| name.clone()).collect()
}

fn told(found: &[Found], path: &Path) -> Answer {
    let mut text = String::new();
    for Found { target, finding, chains } in found {
        let chains = if chains.is_empty() { "no chain".to_owned() } else { format!("chains {}", chains.join(", ")) };
        text.push_str(&legible::line(&format!("{:<9} {target} {}  [{chains}]", finding.word(), finding.phrase())));
        text.push('\n');
    }
    let (code, outcome) = if found.is_empty() { (code::OK, "ok") } else { (code::FAILED, "ATTENTION") };
    let count = if found.is_empty() { "nothing".to_owned() } else { found.len().to_string() };
    text.push_str(&format!("catalog   {outcome}  {} ({count} to look at)\n", path.display()));
    let data = json!({"ok": found.is_empty(), "findings": found.iter().map(value).collect::<Vec<Value>>()});
    Answer { code, text, data }
}

impl Finding {
    fn word(&self) -> &'static str {
        match self {
            Finding::Retires { left: ..=0, .. } => "retired",
            Finding::Retires { .. } => "retires",
            Finding::Replaced { .. } => "replaced",
            Finding::Unlisted => "unlisted",
            Finding::Price { .. } => "price",
        }
    }

    /// What is said after the target's name.
    fn phrase(&self) -> String {
        match self {
            Finding::Retires { day, left: ..=0 } => format!("is no longer served since {day}"),
            Finding::Retires { day, left } => format!("is served until {day}, {left} days from now"),
            Finding::Replaced { asked } => format!("is no longer served: `{asked}` is asked in its place"),
            Finding::Unlisted => "is not in the catalogue: is it spelt so?".to_owned(),
            Finding::Price { what, before, now } => {
                let shown = |price: &Option<u64>| price.map_or("?".to_owned(), dollars);
                format!("costs ${} per million tokens `{what}`, and did cost ${}", shown(now), shown(before))
            }
        }
    }
}

fn value(found: &Found) -> Value {
    let mut value = json!({"kind": found.finding.word(), "target": found.target, "chains": found.chains, "what": found.finding.phrase()});
    let usd = |millionths: Option<u64>| millionths.map(|millionths| millionths as f64 / 1e6);
    match &found.finding {
        Finding::Retires { day, left } => {
            value["retires"] = json!(day);
            value["days_left"] = json!(left);
        }
        Finding::Replaced { asked } => value["asked"] = json!(asked),
        Finding::Unlisted => {}
        Finding::Price { what, before, now } => {
            value["price"] = json!(what);
            value["usd_per_million"] = json!({"before": usd(*before), "now": usd(*now)});
        }
    }
    value
}

#[cfg(test)]
mod tests;
