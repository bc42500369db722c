//! A first policy, for the keys that are in the environment. Their names are written, and nothing
//! that they hold.

use crate::{
    catalogue::{Catalogue, Known},
    reference::Surroundings,
    socket::{Answer, code},
    verbs::Arguments,
};
use serde_json::json;
use std::{
    fmt::Write as _,
    fs::OpenOptions,
    io::{self, Write as _},
    path::PathBuf,
};

/// A small and quick model of each provider, to begin with.
const STARTERS: &[(&str, &str)] = &[
    ("openai", "gpt-4.1-mini"),
    ("groq", "llama-3.3-70b-versatile"),
    ("mistral", "mistral-small-latest"),
    ("cohere", "command-r-08-2024"),
    ("deepseek", "deepseek-flash"),
    ("xai", "grok-4.20-non-reasoning"),
    ("together", "MiniMaxAI/MiniMax-M3.1-Flash"),
    ("fireworks", "accounts/fireworks/models/deepseek-v3p1"),
    ("openrouter", "meta-llama/llama-3.3-70b-instruct"),
    ("perplexity", "perplexity/glm-5.3-flash"),
    ("cerebras", "gpt-oss-120b"),
    ("nvidia", "meta/llama-4-maverick-17b-128e-instruct"),
    ("huggingface", "Qwen/Qwen3-Coder-Next"),
    ("moonshot", "kimi-k2.6"),
    ("dashscope", "qwen-flash"),
    ("zai", "glm-4.7-flash"),
    ("zhipu", "glm-4.7-flash"),
    ("azure", "gpt-5.6"),
    ("anthropic", "claude-haiku-4-5"),
    ("google", "gemini-flash-latest"),
];

/// Writes it.
pub fn init(arguments: &Arguments) -> Answer {
    let path = arguments.get("file").map_or_else(|| PathBuf::from("throwover.yaml"), PathBuf::from);
    let shown = path.display();
    let (text, names) = policy(&Surroundings::real());
    // A policy holds no secret, and whoever runs the daemon has to read it.
    let written = OpenOptions::new().write(true).create_new(true).open(&path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    match written {
        Ok(()) => {
            let found = if names.is_empty() { "no key that the catalogue knows".to_owned() } else { names.join(", ") };
            let text = format!("init      {shown} is written; found in the environment: {found}\n          throwover check {shown}\n");
            Answer::new(text, json!({"file": path, "variables": names}))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Answer::refused(code::REFUSED, format!("{shown} is there already and stays as it is; name another file\n"))
        }
        Err(error) => Answer::refused(code::FAILED, format!("{shown} cannot be written: {error}\n")),
    }
}

/// The text, and the variables that it is for.
fn policy(from: &Surroundings) -> (String, Vec<String>) {
    let found = found(from);
    let names: Vec<String> = found.iter().map(|(_, _, variable)| variable.clone()).collect();
    let (asked, elsewhere): (Vec<_>, Vec<_>) = found.into_iter().partition(|(_, known, _)| known.endpoint.is_some());
    let mut text = String::from("# What Throwover asks, and in which order. `throwover check FILE` says what is wrong with it,\n");
    text.push_str("# `throwover schema` describes every key to an editor.\n");
    let mut line = |line: &str| writeln!(text, "{line}").expect("a String grows");
    if names.is_empty() {
        line("#\n# No key that the catalogue knows was in the environment: a model on this machine is asked. Set a");
        line("# key, such as OPENAI_API_KEY, and put its provider where you want it among `models`.");
    } else {
        line(&format!("#\n# For the keys that were in the environment when it was written: {}.", names.join(", ")));
        line("# The keys themselves are read there again whenever the policy is loaded; none stands here.");
    }
    line("version: 1\nfallback:\n  chains:");
    line("    # Ask for it by this name: {\"model\": \"chat\", …}. Or ask for `provider/model` directly.");
    line("    - name: chat\n      # Tried in this order; the next one answers when one fails, before the caller notices.\n      models:");
    for (name, _, variable) in &asked {
        line(&format!("        - {{provider: {name}, model: \"{}\"}}   # {variable}", starter(name)));
    }
    if asked.is_empty() {
        line("        - {provider: ollama, model: \"llama3.2\"}   # http://127.0.0.1:11434, without a key");
    }
    for (name, _, variable) in &elsewhere {
        line(&format!("        # {variable} is set; say below where your account is:"));
        line(&format!("        # - {{provider: {name}, model: \"{}\"}}", starter(name)));
    }
    line("      # Leave a model whose first token takes longer than this:");
    line("      # triggers: [{type: latency, threshold_ms: 5000}]");
    line("# How long a whole exchange may take, and how often it may be tried:");
    line("# defaults: {deadline: 120s, max_attempts: 4}");
    line("# Your own machine as a further provider:");
    line("# providers: {my-vllm: {endpoint: \"http://127.0.0.1:8000/v1\"}}");
    for (name, known, _) in &elsewhere {
        line("# Where your account is:");
        line(&format!("# providers: {{{name}: {{endpoint: \"{}\"}}}}", known.example));
    }
    line("# Who may ask; without tenants the gateway listens on the loopback address alone:");
    line("# tenants: [{name: me, keys: [{key: \"${MY_TENANT_KEY}\"}]}]");
    (text, names)
}

/// Providers whose key is in the environment, in the order of the catalogue; one that has two names
/// has one key.
fn found(from: &Surroundings) -> Vec<(&'static str, &'static Known, String)> {
    let catalogue = Catalogue::built_in();
    let mut found: Vec<(&str, &Known, String)> = Vec::new();
    for name in catalogue.names() {
        let known = catalogue.provider(name).expect("the catalogue knows its own names");
        let Some(variable) = known.variables.iter().find(|variable| (from.variable)(variable).is_some()) else { continue };
        if !found.iter().any(|(_, _, other)| other == variable) {
            found.push((name, known, variable.clone()));
        }
    }
    found
}

fn starter(provider: &str) -> &'static str {
    STARTERS.iter().find(|(name, _)| *name == provider).map_or("MODEL", |(_, model)| model)
}

#[cfg(test)]
mod tests;
