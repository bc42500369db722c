//! Bifrost: `providers` with their keys, and rules of its governance.

use super::{
    kind, list, others, reference,
    sketch::{Chain, Link, Model, Provider, Sketch, duration, elsewhere, shares},
    tenant_key, text,
};
use serde_json::Value;

pub(super) const ENVIRONMENT: &str = "env.";

pub(super) fn read(document: &Value, sketch: &mut Sketch) {
    let known = ["$schema", "providers", "client", "governance", "config_store", "logs_store"];
    others(document, &known, "", sketch);
    for (name, provider) in document["providers"].as_object().into_iter().flatten() {
        read_provider(name, provider, sketch);
    }
    client(&document["client"], sketch);
    let governance = &document["governance"];
    for (index, rule) in list(&governance["routing_rules"]).iter().enumerate() {
        read_rule(rule, &format!("governance.routing_rules[{index}]"), sketch);
    }
    for (index, key) in list(&governance["virtual_keys"]).iter().enumerate() {
        let place = format!("governance.virtual_keys[{index}]");
        if key["is_active"] == false {
            sketch.note(place, "it is switched off");
            continue;
        }
        match (text(key, "name").or(text(key, "id")), text(key, "value")) {
            (Some(name), Some(value)) => sketch.tenants.push((name.to_owned(), tenant_key(value, ENVIRONMENT))),
            _ => sketch.note(&place, "it has no name or no value"),
        }
        others(key, &["id", "name", "value", "description", "is_active"], &place, sketch);
    }
    others(governance, &["routing_rules", "virtual_keys"], "governance", sketch);
}

fn read_provider(name: &str, from: &Value, sketch: &mut Sketch) {
    let place = format!("providers.{name}");
    let network = &from["network_config"];
    let base = text(network, "base_url").unwrap_or_default().trim_end_matches('/');
    let basis = text(&from["custom_provider_config"], "base_provider_type").unwrap_or(name);
    let Some(kind) = kind(name).or_else(|| kind(basis).filter(|_| !base.is_empty())) else {
        return sketch.note(place, "this provider is not known here; give it an `endpoint` if it speaks OpenAI's dialect");
    };
    let mut provider = Provider { kind: kind.to_owned(), ..Provider::default() };
    if !base.is_empty() {
        // There the path of the dialect is added; here it is part of the endpoint.
        let path = if kind == "openai" && !base.ends_with("/v1") { "/v1" } else { "" };
        provider.endpoint = format!("{base}{path}");
    }
    let keys = list(&from["keys"]);
    let weights: Vec<f64> = keys.iter().map(|key| key["weight"].as_f64().unwrap_or(1.0)).collect();
    for (index, (key, share)) in keys.iter().zip(shares(&weights)).enumerate() {
        let place = format!("{place}.keys[{index}]");
        others(key, &["id", "name", "value", "models", "weight"], &place, sketch);
        let all = list(&key["models"]).iter().all(|model| model == "*");
        if keys.len() > 1 && !all {
            sketch.note(format!("{place}.models"), "a key serves every model of its provider here");
        }
        if let Some(value) = text(key, "value") {
            if weights[index] <= 0.0 {
                sketch.note(&place, "with a weight of 0 nothing is sent by it");
                continue;
            }
            let owner = if base.is_empty() { name.to_owned() } else { elsewhere(name, base) };
            let reference = reference(value, ENVIRONMENT, &owner, &format!("{place}.value"), sketch);
            match provider.keys.iter_mut().find(|(known, _)| *known == reference) {
                Some((_, sum)) => *sum += share,
                None => provider.keys.push((reference, share)),
            }
        }
    }
    for (field, value) in network["extra_headers"].as_object().into_iter().flatten() {
        provider.headers.extend(value.as_str().map(|value| (field.to_lowercase(), value.to_owned())));
    }
    provider.in_flight = from["concurrency_and_buffer_size"]["concurrency"].as_u64();
    times(network, &place, sketch);
    others(from, &["keys", "network_config", "concurrency_and_buffer_size", "custom_provider_config"], &place, sketch);
    // Two words of theirs may be one of ours; requests name the provider by their word.
    let declared = if super::kind(name) == Some(kind) && name == kind { kind.to_owned() } else { name.to_owned() };
    sketch.providers.insert(declared, provider);
}

/// Times are of a provider there, and of chains or of everything here: the longest holds.
fn times(network: &Value, place: &str, sketch: &mut Sketch) {
    let number = |names: [&str; 2]| names.iter().find_map(|name| network[name].as_u64());
    if let Some(s) = network["default_request_timeout_in_seconds"].as_u64().filter(|s| *s > 0) {
        longest(sketch, "deadline", s.min(3_600), |s| format!("{s}s"));
    }
    if let Some(retries) = network["max_retries"].as_u64() {
        longest(sketch, "max_attempts", (retries + 1).min(16), |count| count.to_string());
    }
    let initial = number(["retry_backoff_initial_ms", "retry_backoff_initial"]);
    let most = number(["retry_backoff_max_ms", "retry_backoff_max"]);
    if let (Some(base), Some(cap)) = (initial.filter(|ms| *ms > 0), most) {
        sketch.defaults.entry("retry").or_insert_with(|| format!("{{base: {}, cap: {}}}", duration(base), duration(cap.max(base))));
    }
    let known = [
        "base_url",
        "extra_headers",
        "default_request_timeout_in_seconds",
        "max_retries",
        "retry_backoff_initial_ms",
        "retry_backoff_initial",
        "retry_backoff_max_ms",
        "retry_backoff_max",
    ];
    others(network, &known, &format!("{place}.network_config"), sketch);
}

fn longest(sketch: &mut Sketch, name: &'static str, value: u64, shown: impl Fn(u64) -> String) {
    let digits = |text: &String| text.trim_end_matches(|c: char| !c.is_ascii_digit()).parse::<u64>().unwrap_or(0);
    let known = sketch.defaults.get(name).map_or(0, digits);
    sketch.defaults.insert(name, shown(known.max(value)));
}

fn client(client: &Value, sketch: &mut Sketch) {
    if let Some(mib) = client["max_request_body_size_mb"].as_u64() {
        sketch.defaults.insert("max_body", format!("{}MiB", mib.clamp(1, 512)));
    }
    others(client, &["max_request_body_size_mb"], "client", sketch);
}

/// A rule: some targets by weight, and where to go when they fail.
fn read_rule(rule: &Value, place: &str, sketch: &mut Sketch) {
    let Some(name) = text(rule, "name").or(text(rule, "id")) else { return sketch.note(place, "it has no name") };
    if rule["enabled"] == false {
        return sketch.note(place, "it is switched off");
    }
    let mut chain = Chain::default();
    let mut targets: Vec<(String, String, f64)> = Vec::new();
    for (index, target) in list(&rule["targets"]).iter().chain(rule.get("provider").map(|_| rule)).enumerate() {
        match (text(target, "provider"), text(target, "model")) {
            (Some(provider), Some(model)) if sketch.providers.contains_key(provider) => {
                targets.push((provider.to_owned(), model.to_owned(), target["weight"].as_f64().unwrap_or(1.0)));
            }
            _ => sketch.note(format!("{place}.targets[{index}]"), "it needs a provider from `providers`, and a model"),
        }
    }
    match &targets[..] {
        [] => {}
        [(provider, model, _)] => chain.links.push(Link::Target(provider.clone(), model.clone())),
        several => {
            let weights: Vec<f64> = several.iter().map(|(.., weight)| *weight).collect();
            let places = several.iter().zip(shares(&weights)).map(|((provider, model, _), share)| (provider.clone(), model.clone(), share));
            let alias = format!("{name}-balanced");
            sketch.models.insert(alias.clone(), Model { deployments: places.collect(), balance: "weighted" });
            chain.links.push(Link::Name(alias));
        }
    }
    for fallback in list(&rule["fallbacks"]) {
        let pair = fallback
            .as_str()
            .and_then(|text| text.split_once('/'))
            .or_else(|| Some((text(fallback, "provider")?, text(fallback, "model")?)));
        match pair {
            Some((provider, model)) if sketch.providers.contains_key(provider) => {
                let link = Link::Target(provider.to_owned(), model.to_owned());
                if !chain.links.contains(&link) {
                    chain.links.push(link);
                }
            }
            _ => sketch.note(format!("{place}.fallbacks"), "each is `provider/model`, with a provider from `providers`"),
        }
    }
    if chain.links.is_empty() {
        return;
    }
    match text(rule, "cel_expression").map(model_of) {
        Some(Some(model)) => sketch.routes.push((model, name.to_owned())),
        Some(None) => sketch.note(format!("{place}.cel_expression"), format!("only `model == \"…\"` has a counterpart; ask for `{name}`")),
        None => {}
    }
    sketch.chains.insert(name.to_owned(), chain);
    let known = ["id", "name", "description", "enabled", "targets", "provider", "model", "weight", "fallbacks", "cel_expression"];
    others(rule, &known, place, sketch);
}

/// The name in `model == "name"`.
fn model_of(expression: &str) -> Option<String> {
    let (left, right) = expression.split_once("==")?;
    let right = right.trim();
    let inner = right.strip_prefix(['"', '\''])?.strip_suffix(['"', '\''])?;
    (left.trim() == "model" && !inner.contains(['"', '\''])).then(|| inner.to_owned())
}
