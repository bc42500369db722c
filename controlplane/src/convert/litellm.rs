//! LiteLLM's proxy: `model_list`, `router_settings`, `litellm_settings`, `general_settings`.

use super::{
    kind, list, others, reference, seconds,
    sketch::{Chain, Link, Model, Provider, Sketch, duration, elsewhere, shares},
    tenant_key, text,
};
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) const ENVIRONMENT: &str = "os.environ/";

/// One entry of `model_list`.
struct Deployment {
    provider: String,
    model: String,
    weight: Option<f64>,
    rate: Option<f64>,
}

pub(super) fn read(document: &Value, sketch: &mut Sketch) {
    others(document, &["model_list", "router_settings", "litellm_settings", "general_settings", "environment_variables"], "", sketch);
    if document.get("environment_variables").is_some() {
        sketch.note("environment_variables", "set them where the daemon starts");
    }
    let mut groups: BTreeMap<String, Vec<Deployment>> = BTreeMap::new();
    for (index, entry) in list(&document["model_list"]).iter().enumerate() {
        let place = format!("model_list[{index}]");
        let Some(name) = text(entry, "model_name") else {
            sketch.note(place, "it has no `model_name`");
            continue;
        };
        others(entry, &["model_name", "litellm_params", "model_info"], &place, sketch);
        if let Some(deployment) = deployment(&entry["litellm_params"], &format!("{place}.litellm_params"), sketch) {
            if name.contains('*') {
                wildcard(name, &deployment, &place, sketch);
            } else {
                groups.entry(name.to_owned()).or_default().push(deployment);
            }
        }
    }
    let (router, settings) = (&document["router_settings"], &document["litellm_settings"]);
    models(groups, router, sketch);
    chains(router, settings, sketch);
    times(router, settings, sketch);
    aliases(router, sketch);
    general(&document["general_settings"], sketch);
}

/// `openai/*` is a name that every provider has here.
fn wildcard(name: &str, deployment: &Deployment, place: &str, sketch: &mut Sketch) {
    if deployment.model != "*" || name != format!("{}/*", deployment.provider) {
        sketch.note(place, format!("`{name}`: ask for its models as `{}/MODEL`", deployment.provider));
    }
}

fn deployment(params: &Value, place: &str, sketch: &mut Sketch) -> Option<Deployment> {
    let Some(model) = text(params, "model") else {
        sketch.note(place, "it has no `model`");
        return None;
    };
    let known = ["model", "api_key", "api_base", "base_url", "weight", "rpm", "tpm", "custom_llm_provider", "api_version"];
    others(params, &known, place, sketch);
    let base = text(params, "api_base").or(text(params, "base_url")).unwrap_or_default();
    let (word, model) = match (text(params, "custom_llm_provider"), model.split_once('/')) {
        (Some(word), _) => (word, model),
        (None, Some((word, rest))) if kind(word).is_some() || is_azure(word) || !base.is_empty() => (word, rest),
        (None, Some((word, _))) => {
            sketch.note(place, format!("provider `{word}` is not known here"));
            return None;
        }
        (None, None) => (guess(model), model),
    };
    let mut provider = Provider { kind: kind(word).unwrap_or_default().to_owned(), ..Provider::default() };
    if is_azure(word) {
        if !base.starts_with("http") {
            sketch.note(place, "an Azure deployment without a plain `api_base`");
            return None;
        }
        // Azure speaks OpenAI's dialect under this path, without a version for each day.
        provider.endpoint = format!("{}/openai/v1", base.trim_end_matches('/').trim_end_matches("/openai/v1"));
        provider.key_field = "api-key".to_owned();
    } else if let Some(name) = base.strip_prefix(ENVIRONMENT) {
        sketch.note(format!("{place}.api_base"), format!("write the URL that {name} holds into the policy"));
        return None;
    } else {
        provider.endpoint = base.trim_end_matches('/').to_owned();
    }
    if provider.kind.is_empty() && provider.endpoint.is_empty() {
        sketch.note(place, format!("provider `{word}` is not known here"));
        return None;
    }
    let name = match provider.kind.as_str() {
        "" => word.to_owned(),
        // Every account of Azure's is elsewhere.
        "azure" => word.to_owned(),
        kind if provider.endpoint.is_empty() => kind.to_owned(),
        kind => elsewhere(kind, &provider.endpoint),
    };
    if let Some(key) = text(params, "api_key") {
        let reference = reference(key, ENVIRONMENT, &name, &format!("{place}.api_key"), sketch);
        provider.keys.push((reference, 1));
    }
    let number = |name: &str| params[name].as_f64().filter(|number| *number > 0.0);
    Some(Deployment {
        provider: sketch.provider(&name, provider),
        model: model.to_owned(),
        weight: number("weight"),
        rate: number("rpm").or(number("tpm")),
    })
}

fn is_azure(word: &str) -> bool {
    word == "azure"
}

/// A model's name alone is OpenAI's there, or that of a provider with a word of its own.
fn guess(model: &str) -> &'static str {
    match model {
        model if model.starts_with("claude") => "anthropic",
        model if model.starts_with("gemini") => "google",
        _ => "openai",
    }
}

fn models(groups: BTreeMap<String, Vec<Deployment>>, router: &Value, sketch: &mut Sketch) {
    let strategy = text(router, "routing_strategy").unwrap_or("simple-shuffle");
    let balance = match strategy {
        "simple-shuffle" => "weighted",
        "least-busy" => "least_outstanding",
        "latency-based-routing" => "peak_ewma",
        "cost-based-routing" => "cheapest",
        other => {
            sketch.note("router_settings.routing_strategy", format!("`{other}` has no counterpart; load is shared by weight"));
            "weighted"
        }
    };
    for (name, group) in groups {
        let weights: Option<Vec<f64>> = group.iter().map(|one| one.weight).collect();
        // Its shuffle goes by the rates where there are no weights.
        let weights = weights.or_else(|| group.iter().map(|one| one.rate).collect()).unwrap_or_else(|| vec![1.0; group.len()]);
        let mut model = Model { deployments: Vec::new(), balance };
        for (one, share) in group.into_iter().zip(shares(&weights)) {
            match model.deployments.iter_mut().find(|(provider, name, _)| *provider == one.provider && *name == one.model) {
                Some((.., sum)) => *sum += share,
                None => model.deployments.push((one.provider, one.model, share)),
            }
        }
        sketch.models.insert(name, model);
    }
}

fn chains(router: &Value, settings: &Value, sketch: &mut Sketch) {
    let mut wanted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let tables = [(router, "router_settings"), (settings, "litellm_settings")];
    for name in ["fallbacks", "context_window_fallbacks", "content_policy_fallbacks"] {
        for (table, section) in tables {
            for (model, others) in list(&table[name]).iter().filter_map(Value::as_object).flatten() {
                if name != "fallbacks" {
                    sketch.note(format!("{section}.{name}.{model}"), "those models are asked after any failure, not after this one alone");
                }
                let chain = wanted.entry(model.clone()).or_default();
                chain.extend(list(others).iter().filter_map(Value::as_str).map(str::to_owned));
            }
        }
    }
    let default: Vec<String> = tables
        .iter()
        .flat_map(|(table, _)| list(&table["default_fallbacks"]))
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect();
    for name in wanted.remove("*").into_iter().flatten().chain(default) {
        for model in sketch.models.keys().cloned().collect::<Vec<_>>() {
            wanted.entry(model).or_default().push(name.clone());
        }
    }
    for (model, others) in wanted {
        let mut chain = Chain::default();
        for name in std::iter::once(&model).chain(&others) {
            if !sketch.models.contains_key(name) {
                sketch.note(format!("fallbacks.{model}"), format!("`{name}` is not in `model_list`"));
            } else if !chain.links.contains(&Link::Name(name.clone())) {
                chain.links.push(Link::Name(name.clone()));
            }
        }
        if chain.links.len() > 1 {
            sketch.chains.insert(model, chain);
        }
    }
}

fn times(router: &Value, settings: &Value, sketch: &mut Sketch) {
    let retries = router["num_retries"].as_u64().or(settings["num_retries"].as_u64());
    if let Some(retries) = retries {
        let longest = sketch.chains.values().map(|chain| chain.links.len() as u64).max().unwrap_or(1);
        sketch.defaults.insert("max_attempts", (retries + 1).max(longest).clamp(1, 16).to_string());
    }
    let times =
        [("deadline", seconds(&router["timeout"]).or(seconds(&settings["request_timeout"]))), ("ttft", seconds(&router["stream_timeout"]))];
    for (name, ms) in times {
        if let Some(ms) = ms {
            sketch.defaults.insert(name, duration(ms));
        }
    }
    let mut breaker = Vec::new();
    let allowed = router["allowed_fails"].as_u64().or(settings["allowed_fails"].as_u64());
    breaker.extend(allowed.map(|count| format!("consecutive: {}", count.saturating_add(1).clamp(1, 1_000))));
    let cooldown = seconds(&router["cooldown_time"]).or(seconds(&settings["cooldown_time"]));
    breaker.extend(cooldown.map(|ms| format!("cooldown: {0}ms, cooldown_max: {1}ms", ms.clamp(100, 600_000), ms.clamp(60_000, 600_000))));
    if !breaker.is_empty() {
        sketch.defaults.insert("breaker", format!("{{{}}}", breaker.join(", ")));
    }
    let known = [
        "fallbacks",
        "context_window_fallbacks",
        "content_policy_fallbacks",
        "default_fallbacks",
        "num_retries",
        "allowed_fails",
        "cooldown_time",
    ];
    let of_router = ["routing_strategy", "timeout", "stream_timeout", "model_group_alias"];
    others(router, &[&known[..], &of_router[..]].concat(), "router_settings", sketch);
    others(settings, &[&known[..], &["request_timeout"]].concat(), "litellm_settings", sketch);
}

/// Another name for a group is a chain of it.
fn aliases(router: &Value, sketch: &mut Sketch) {
    for (alias, target) in router["model_group_alias"].as_object().into_iter().flatten() {
        let name = target.as_str().or(target["model"].as_str()).unwrap_or_default();
        let links = match sketch.chains.get(name) {
            Some(chain) => chain.links.clone(),
            None if sketch.models.contains_key(name) => vec![Link::Name(name.to_owned())],
            None => {
                sketch.note(format!("router_settings.model_group_alias.{alias}"), format!("`{name}` is not in `model_list`"));
                continue;
            }
        };
        sketch.chains.insert(alias.clone(), Chain { links, ..Chain::default() });
    }
}

fn general(general: &Value, sketch: &mut Sketch) {
    if let Some(key) = text(general, "master_key") {
        sketch.tenants.push(("master".to_owned(), tenant_key(key, ENVIRONMENT)));
    }
    others(general, &["master_key"], "general_settings", sketch);
}
