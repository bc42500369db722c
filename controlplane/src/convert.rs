//! Configurations of other gateways, as policies of this one.
//!
//! What has no counterpart is said, in comments of the policy and to whoever asked, and never left
//! out without a word. Keys that stand in such a file are not copied: the policy refers to variables.

mod bifrost;
mod litellm;
mod portkey;
mod sketch;

use crate::{
    catalogue::Catalogue,
    complaint::Complaints,
    load,
    reference::Surroundings,
    socket::{Answer, code},
    tree, validate,
    verbs::Arguments,
};
use serde_json::{Value, json};
use sha2::Digest as _;
use sketch::{Sketch, TenantKey};
use std::{io::Read, path::Path};

/// Largest file, in bytes.
const BYTES_MAX: u64 = 8 << 20;

/// Prints a policy.
pub fn convert(arguments: &Arguments) -> Answer {
    let (Some(from), Some(file)) = (arguments.get("from"), arguments.get("file")) else {
        return Answer::refused(code::USAGE, "say what: --from litellm|portkey|bifrost FILE\n".to_owned());
    };
    let text = match read(Path::new(file)) {
        Ok(text) => text,
        Err(error) => return Answer::refused(code::FAILED, format!("{file}: {error}\n")),
    };
    match policy(from, &text) {
        Ok((policy, notes)) => {
            for (place, why) in &notes {
                eprintln!("not converted: {}", crate::legible::line(&format!("{place}: {why}")));
            }
            let strict = arguments.contains_key("strict") && !notes.is_empty();
            let code = if strict { code::FAILED } else { code::OK };
            let notes: Vec<Value> = notes.into_iter().map(|(place, why)| json!({"place": place, "why": why})).collect();
            Answer { code, data: json!({"policy": policy, "not_converted": notes}), text: policy }
        }
        Err(why) => Answer::refused(code::FAILED, format!("{file}: {why}\n")),
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

type Notes = Vec<(String, String)>;

/// The policy, and what could not be converted.
fn policy(from: &str, text: &str) -> Result<(String, Notes), String> {
    let document = parsed(text)?;
    let mut sketch = Sketch::default();
    let name = match from {
        "litellm" => {
            reserve(&document, litellm::ENVIRONMENT, &mut sketch);
            litellm::read(&document, &mut sketch);
            "LiteLLM"
        }
        "portkey" => {
            reserve(&document, portkey::ENVIRONMENT, &mut sketch);
            portkey::read(&document, &mut sketch);
            "Portkey"
        }
        "bifrost" => {
            reserve(&document, bifrost::ENVIRONMENT, &mut sketch);
            bifrost::read(&document, &mut sketch);
            "Bifrost"
        }
        other => return Err(format!("`{other}` is not known: litellm, portkey or bifrost")),
    };
    sketch.prune();
    let policy = sketch.yaml(name);
    let complaints = refused(&policy);
    if complaints.is_empty() { Ok((policy, sketch.notes)) } else { Err(format!("nothing of it makes a policy that loads:\n{complaints}")) }
}

/// YAML, or JSON, which may hold tabs.
fn parsed(text: &str) -> Result<Value, String> {
    if text.trim_start().starts_with('{')
        && let Ok(value) = serde_json::from_str(text)
    {
        return Ok(value);
    }
    let mut complaints = Complaints::default();
    let node = tree::parse(text, 0, &mut complaints);
    let value = node.map(|node| node.json()).filter(Value::is_object);
    value.ok_or_else(|| complaints.sorted().first().map_or("this is no mapping of keys".to_owned(), |complaint| complaint.what.clone()))
}

/// What `check` refuses, were every key there.
fn refused(policy: &str) -> String {
    let from = Surroundings {
        variable: Box::new(|_| Some("a-key-that-stands-for-any-other".to_owned())),
        file: Box::new(|_| Ok(b"a-key-that-stands-for-any-other".to_vec())),
        today: crate::time::date(std::time::SystemTime::now()),
    };
    let loaded = load::text("converted.yaml", policy);
    let checked = validate::validate(&loaded, &from);
    if checked.complaints.refuse() { checked.complaints.render(&loaded.sources) } else { String::new() }
}

/// The name of our catalogue for another gateway's word.
fn kind(word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase().replace('_', "-");
    let ours = match word.as_str() {
        "together-ai" | "togetherai" => "together",
        "fireworks-ai" => "fireworks",
        "cohere-chat" => "cohere",
        "ollama-chat" => "ollama",
        "hosted-vllm" => "vllm",
        "lm-studio" => "lmstudio",
        "nvidia-nim" => "nvidia",
        "x-ai" => "xai",
        "mistral-ai" => "mistral",
        "perplexity-ai" => "perplexity",
        "gemini" => "google",
        "text-completion-openai" => "openai",
        other => other,
    };
    Catalogue::built_in().names().find(|name| *name == ours)
}

/// The variables that the file refers to, so that a key which it holds is not given the name of
/// another.
fn reserve(value: &Value, prefix: &str, sketch: &mut Sketch) {
    match value {
        Value::String(text) => {
            if let Some(name) = text.strip_prefix(prefix) {
                sketch.variables.insert(name.to_owned(), format!("${{{name}}}"));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| reserve(item, prefix, sketch)),
        Value::Object(members) => members.values().for_each(|member| reserve(member, prefix, sketch)),
        _ => {}
    }
}

/// The reference to a key that is `PREFIX` and a variable's name, or stands there itself.
fn reference(value: &str, prefix: &str, owner: &str, place: &str, sketch: &mut Sketch) -> String {
    if let Some(name) = value.strip_prefix(prefix) {
        return format!("${{{name}}}");
    }
    if value.starts_with("${") && value.ends_with('}') {
        return value.to_owned();
    }
    let name = sketch.variable(owner, value);
    sketch.note(place, format!("a key stands there and was not copied; put it into {name}"));
    format!("${{{name}}}")
}

/// A tenant's key: as a reference, or as its digest.
fn tenant_key(value: &str, prefix: &str) -> TenantKey {
    match value.strip_prefix(prefix) {
        Some(name) => TenantKey::Reference(format!("${{{name}}}")),
        None => TenantKey::Digest(sha2::Sha256::digest(value.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()),
    }
}

/// The members of a mapping that nobody asked for: each is said.
fn others(value: &Value, known: &[&str], place: &str, sketch: &mut Sketch) {
    for name in value.as_object().into_iter().flat_map(serde_json::Map::keys).filter(|name| !known.contains(&name.as_str())) {
        let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
        sketch.note(place, "there is no counterpart");
    }
}

/// Seconds, as a number or as text, in milliseconds.
fn seconds(value: &Value) -> Option<u64> {
    let seconds = value.as_f64().or_else(|| value.as_str()?.trim_end_matches('s').parse().ok())?;
    (seconds.is_finite() && seconds > 0.0).then_some((seconds * 1e3).min(1e12) as u64)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value[name].as_str().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
