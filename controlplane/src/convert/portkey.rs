//! Portkey: one configuration, a tree of strategies over targets.

use super::{
    kind, list, others, reference,
    sketch::{Chain, Link, Model, Provider, Sketch, elsewhere, shares},
    text,
};
use serde_json::Value;

pub(super) const ENVIRONMENT: &str = "env.";
/// Deepest nesting of targets.
const DEPTH_MAX: usize = 16;
/// What the whole is called when it has no name.
const NAME: &str = "portkey";
/// What a target says that is not of its strategy.
const OF_TARGET: &[&str] = &[
    "name",
    "provider",
    "api_key",
    "virtual_key",
    "custom_host",
    "override_params",
    "weight",
    "retry",
    "request_timeout",
    "strategy",
    "targets",
];

pub(super) fn read(document: &Value, sketch: &mut Sketch) {
    if mode(document) == "conditional" {
        return conditional(document, sketch);
    }
    let name = text(document, "name").unwrap_or(NAME);
    chain(name, document, "", sketch);
}

fn mode(node: &Value) -> &str {
    text(&node["strategy"], "mode").unwrap_or("single")
}

/// A strategy as a chain of this name.
fn chain(name: &str, node: &Value, place: &str, sketch: &mut Sketch) {
    let mut chain = Chain { links: links(name, node, place, 0, sketch), ..Chain::default() };
    if chain.links.is_empty() {
        let place = if place.is_empty() { "targets" } else { place };
        return sketch.note(place, "no target of it names a model in `override_params.model`: ask for `provider/model`");
    }
    if let Some(attempts) = node["retry"]["attempts"].as_u64() {
        chain.max_attempts = Some((attempts + 1).max(chain.links.len() as u64));
    }
    chain.deadline_ms = node["request_timeout"].as_u64().filter(|ms| *ms > 0);
    sketch.chains.insert(name.to_owned(), chain);
}

/// What is tried, in order.
fn links(name: &str, node: &Value, place: &str, depth: usize, sketch: &mut Sketch) -> Vec<Link> {
    let at = |what: &str| if place.is_empty() { what.to_owned() } else { format!("{place}.{what}") };
    others(node, OF_TARGET, place, sketch);
    if depth > DEPTH_MAX {
        sketch.note(place, "it is nested too deeply");
        return Vec::new();
    }
    if node["strategy"].get("on_status_codes").is_some() {
        sketch.note(at("strategy.on_status_codes"), "every failure moves on here; `triggers` of the chain may switch classes off");
    }
    if node["retry"].get("on_status_codes").is_some() {
        sketch.note(at("retry.on_status_codes"), "the class of a failure decides whether it is retried");
    }
    let targets = list(&node["targets"]);
    match mode(node) {
        _ if targets.is_empty() => target(node, place, sketch).map(|(provider, model)| Link::Target(provider, model)).into_iter().collect(),
        "loadbalance" => balanced(name, node, place, depth, sketch),
        "fallback" | "single" => {
            let wanted = if mode(node) == "single" { 1 } else { targets.len() };
            let each = |(index, target): (usize, &Value)| {
                let name = text(target, "name").map_or_else(|| format!("{name}-{}", index + 1), str::to_owned);
                links(&name, target, &at(&format!("targets[{index}]")), depth + 1, sketch)
            };
            let mut found: Vec<Link> = Vec::new();
            for link in targets.iter().enumerate().take(wanted).flat_map(each).collect::<Vec<_>>() {
                if !found.contains(&link) {
                    found.push(link);
                }
            }
            found
        }
        other => {
            sketch.note(at("strategy.mode"), format!("`{other}` has no counterpart below another strategy"));
            Vec::new()
        }
    }
}

/// Places of one model, by weight; of a strategy among them the first target counts.
fn balanced(name: &str, node: &Value, place: &str, depth: usize, sketch: &mut Sketch) -> Vec<Link> {
    let (mut places, mut weights) = (Vec::new(), Vec::new());
    for (index, one) in list(&node["targets"]).iter().enumerate() {
        let below = if place.is_empty() { format!("targets[{index}]") } else { format!("{place}.targets[{index}]") };
        let weight = one["weight"].as_f64().unwrap_or(1.0);
        if weight <= 0.0 {
            sketch.note(below, "with a weight of 0 nothing is sent there");
            continue;
        }
        let found = links(&format!("{name}-{}", index + 1), one, &below, depth + 1, sketch);
        if found.len() > 1 {
            sketch.note(&below, "a strategy among balanced targets has no counterpart; its first target stands for it");
        }
        match found.into_iter().next() {
            Some(Link::Target(provider, model)) => {
                places.push((provider, model));
                weights.push(weight);
            }
            Some(Link::Name(_)) => sketch.note(below, "balanced targets among balanced targets have no counterpart"),
            None => {}
        }
    }
    if places.len() < 2 {
        return places.into_iter().map(|(provider, model)| Link::Target(provider, model)).collect();
    }
    let mut model = Model { deployments: Vec::new(), balance: "weighted" };
    for ((provider, name), share) in places.into_iter().zip(shares(&weights)) {
        match model.deployments.iter_mut().find(|(known, other, _)| *known == provider && *other == name) {
            Some((.., sum)) => *sum += share,
            None => model.deployments.push((provider, name, share)),
        }
    }
    // The chain has the name itself.
    let alias = format!("{name}-balanced");
    sketch.models.insert(alias.clone(), model);
    vec![Link::Name(alias)]
}

/// Named targets as chains, and conditions on the request's model as routes.
fn conditional(document: &Value, sketch: &mut Sketch) {
    others(document, &["strategy", "targets", "name"], "", sketch);
    for (index, target) in list(&document["targets"]).iter().enumerate() {
        let place = format!("targets[{index}]");
        match text(target, "name") {
            Some(name) => chain(name, target, &place, sketch),
            None => sketch.note(place, "without a name no condition leads there"),
        }
    }
    for (index, condition) in list(&document["strategy"]["conditions"]).iter().enumerate() {
        let model = &condition["query"]["params.model"];
        let model = model.as_str().or(model["$eq"].as_str());
        let only = condition["query"].as_object().is_some_and(|query| query.len() == 1);
        match (model, text(condition, "then")) {
            (Some(model), Some(then)) if only => sketch.routes.push((model.to_owned(), then.to_owned())),
            _ => sketch.note(format!("strategy.conditions[{index}]"), "only a condition on `params.model` has a counterpart; see `routes`"),
        }
    }
    if let Some(name) = text(&document["strategy"], "default") {
        if sketch.chains.contains_key(name) {
            sketch.routes.push(("*".to_owned(), name.to_owned()));
        } else {
            sketch.note("strategy.default", format!("no target is named `{name}`"));
        }
    }
}

/// One provider and its model.
fn target(node: &Value, place: &str, sketch: &mut Sketch) -> Option<(String, String)> {
    let (said, vaulted) = match (text(node, "provider"), text(node, "virtual_key")) {
        (Some(provider), virtual_key) => (provider, virtual_key.or(provider.strip_prefix('@'))),
        (None, Some(virtual_key)) => (virtual_key, Some(virtual_key)),
        (None, None) => {
            sketch.note(place, "it names no provider");
            return None;
        }
    };
    let said = said.trim_start_matches('@').split('/').next().unwrap_or(said);
    let host = text(node, "custom_host").unwrap_or_default().trim_end_matches('/');
    // `openai-prod` is how an account at a provider is called there.
    let account = || said.split(['-', '_']).next().and_then(kind).filter(|_| vaulted.is_some());
    let known = kind(said).or_else(account);
    if known.is_none() && host.is_empty() {
        sketch.note(place, format!("provider `{said}` is not known here"));
        return None;
    }
    let mut provider = Provider { kind: known.unwrap_or_default().to_owned(), endpoint: host.to_owned(), ..Provider::default() };
    let name = vaulted.unwrap_or(said).trim_start_matches('@').split('/').next().unwrap_or(said).to_owned();
    let name = match kind(&name) {
        _ if !host.is_empty() => elsewhere(&name, host),
        Some(known) => known.to_owned(),
        None => name,
    };
    let below = |what: &str| if place.is_empty() { what.to_owned() } else { format!("{place}.{what}") };
    if let Some(key) = text(node, "api_key") {
        provider.keys.push((reference(key, ENVIRONMENT, &name, &below("api_key"), sketch), 1));
    } else if let Some(vaulted) = vaulted {
        let variable = sketch.variable(&name, vaulted);
        sketch.note(below("virtual_key"), format!("`{vaulted}` is kept by Portkey; put its key into {variable}"));
        provider.keys.push((format!("${{{variable}}}"), 1));
    }
    for (parameter, _) in node["override_params"].as_object().into_iter().flatten().filter(|(parameter, _)| *parameter != "model") {
        sketch.note(below(&format!("override_params.{parameter}")), "requests are sent on as they are, but for their model");
    }
    // A known provider with its usual key need not be declared, and does no harm when it is.
    let name = sketch.provider(&name, provider);
    match text(&node["override_params"], "model") {
        Some(model) => Some((name, model.trim_start_matches('@').to_owned())),
        None => {
            sketch.note(below("override_params.model"), format!("it names no model: ask for `{name}/MODEL`"));
            None
        }
    }
}
