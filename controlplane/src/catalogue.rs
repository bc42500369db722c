//! Facts that a policy need not repeat: known providers and models, compiled into the binary.

use crate::document::{Auth, Dialect};
use serde::Deserialize;
use std::{collections::HashMap, sync::LazyLock};

/// One known provider.
#[derive(Clone, Debug)]
pub struct Known {
    /// URL that paths are appended to.
    pub endpoint: String,
    /// How it speaks.
    pub dialect: Dialect,
    /// How a credential is presented.
    pub auth: Auth,
    /// Environment variables that conventionally hold its credential, best first.
    pub variables: Vec<String>,
}

/// What is known about one model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Reasons before it answers.
    pub reasoning: bool,
    /// Tokens of prompt and answer together.
    pub context_window: Option<u32>,
    /// Prices.
    pub price: Option<policy::Price>,
    /// No longer served from this day on: `2026-12-11`.
    pub retires: Option<String>,
}

/// Providers and models.
#[derive(Debug)]
pub struct Catalogue {
    providers: Vec<(String, Known)>,
    models: HashMap<(String, String), Facts>,
    retired: HashMap<(String, String), String>,
}

#[derive(Deserialize)]
struct ProviderRow {
    name: String,
    endpoint: String,
    dialect: String,
    auth: String,
    env: Vec<String>,
}

#[derive(Deserialize)]
struct ModelRow {
    provider: String,
    id: String,
    context: Option<u32>,
    r#in: Option<f64>,
    out: Option<f64>,
    #[serde(default)]
    reasoning: bool,
    retires: Option<String>,
}

#[derive(Deserialize)]
struct RetiredRow {
    provider: String,
    id: String,
    successor: String,
}

#[derive(Deserialize)]
struct ModelFile {
    models: Vec<ModelRow>,
    retired: Vec<RetiredRow>,
}

static BUILT_IN: LazyLock<Catalogue> = LazyLock::new(|| {
    let providers: Vec<ProviderRow> =
        serde_json::from_str(include_str!("../catalogue/providers.json")).expect("a test reads the catalogue");
    let models: ModelFile = serde_json::from_str(include_str!("../catalogue/models.json")).expect("a test reads the catalogue");
    Catalogue {
        providers: providers.into_iter().map(known).collect(),
        models: models.models.into_iter().map(facts).collect(),
        retired: models.retired.into_iter().map(|row| ((row.provider, row.id), row.successor)).collect(),
    }
});

fn known(row: ProviderRow) -> (String, Known) {
    let dialect = match row.dialect.as_str() {
        "anthropic" => Dialect::Anthropic,
        "gemini" => Dialect::Gemini,
        _ => Dialect::OpenAi,
    };
    let auth = match row.auth.as_str() {
        "bearer" => Auth::Bearer,
        "none" => Auth::None,
        header => Auth::Header(header.to_owned()),
    };
    (row.name, Known { endpoint: row.endpoint, dialect, auth, variables: row.env })
}

fn facts(row: ModelRow) -> ((String, String), Facts) {
    // Dollars per million tokens, in millionths of a dollar.
    let millionths = |dollars: f64| (dollars * 1e6).round() as u64;
    let price = match (row.r#in, row.out) {
        (Some(input), Some(output)) => Some(policy::Price { input: millionths(input), output: millionths(output) }),
        _ => None,
    };
    ((row.provider, row.id), Facts { reasoning: row.reasoning, context_window: row.context, price, retires: row.retires })
}

impl Catalogue {
    /// The one that was compiled in.
    pub fn built_in() -> &'static Catalogue {
        &BUILT_IN
    }

    /// A provider by name.
    pub fn provider(&self, name: &str) -> Option<&Known> {
        self.providers.iter().find(|(known, _)| known == name).map(|(_, known)| known)
    }

    /// Every provider's name.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.providers.iter().map(|(name, _)| name.as_str())
    }

    /// What is known about a model.
    pub fn model(&self, provider: &str, model: &str) -> Option<&Facts> {
        self.models.get(&(canonical(provider).to_owned(), model.to_owned()))
    }

    /// What succeeds a model that is no longer served.
    pub fn successor(&self, provider: &str, model: &str) -> Option<&str> {
        self.retired.get(&(canonical(provider).to_owned(), model.to_owned())).map(String::as_str)
    }
}

/// True when this version speaks it to providers.
pub fn spoken(dialect: Dialect) -> bool {
    match dialect {
        Dialect::OpenAi => policy::Dialect::OpenAi.spoken(),
        Dialect::Anthropic => policy::Dialect::Anthropic.spoken(),
        Dialect::Gemini => policy::Dialect::Gemini.spoken(),
    }
}

/// Two names of one provider share its models.
fn canonical(provider: &str) -> &str {
    if provider == "gemini" { "google" } else { provider }
}

#[cfg(test)]
mod tests;
