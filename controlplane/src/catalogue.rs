//! Facts that a policy need not repeat: known providers and models, compiled into the binary.

mod rows;

pub use rows::Unreadable;

use crate::document::{Auth, Dialect};
use codec::dialect::{Needs, Quirks};
use policy::Speaks;
use std::{
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};

/// One known provider.
#[derive(Clone, Debug)]
pub struct Known {
    /// URL that paths are appended to; `None` where every account has its own.
    pub endpoint: Option<String>,
    /// What such a URL looks like, where there is none that holds for everybody.
    pub example: String,
    /// How it speaks.
    pub dialect: Dialect,
    /// How a credential is presented.
    pub auth: Auth,
    /// Environment variables that conventionally hold its credential, best first.
    pub variables: Vec<String>,
    /// What it understands without translation.
    pub speaks: Speaks,
    /// What it does differently from others of its dialect.
    pub quirks: Quirks,
    /// What none of its models can be told.
    pub lacks: Needs,
    /// Under whose name its models are listed.
    models: String,
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
    /// Price of prompt tokens that are read from a cache, in the units of [`policy::Price`].
    pub cached: Option<u64>,
    /// Price of prompt tokens that are written to a cache, in the same units.
    pub cache_write: Option<u64>,
    /// What it can be told.
    pub understands: policy::Understands,
    /// No longer served from this day on: `2026-12-11`.
    pub retires: Option<String>,
}

/// Models, and what succeeds those that are no longer served. By the provider's name and the model's.
#[derive(Debug, Default)]
pub struct Models {
    served: BTreeMap<(String, String), Facts>,
    retired: HashMap<(String, String), String>,
}

/// Providers and models.
#[derive(Debug)]
pub struct Catalogue {
    providers: Vec<(String, Known)>,
    models: Models,
}

static BUILT_IN: LazyLock<Catalogue> = LazyLock::new(|| {
    let providers = rows::providers(include_str!("../catalogue/providers.json")).expect("a test reads the catalogue");
    let models = Models::read(include_str!("../catalogue/models.json")).expect("a test reads the catalogue");
    Catalogue { providers, models }
});

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

    /// What is known about a model; `None` when it is not listed.
    pub fn model(&self, provider: &str, model: &str) -> Option<&Facts> {
        self.models.facts(self.listed_as(provider), model)
    }

    /// What holds for a model, listed or not: what none of its provider's can be told, it cannot.
    pub fn facts(&self, provider: &str, model: &str) -> Facts {
        let mut facts = self.model(provider, model).cloned().unwrap_or_default();
        facts.understands.lacks |= self.provider(provider).map_or(0, |known| known.lacks.bits());
        facts
    }

    /// What succeeds a model that is no longer served.
    pub fn successor(&self, provider: &str, model: &str) -> Option<&str> {
        self.models.successor(self.listed_as(provider), model)
    }

    /// True when models of this provider are listed at all.
    pub fn lists(&self, provider: &str) -> bool {
        let provider = self.listed_as(provider);
        self.models.served.keys().any(|(known, _)| known == provider)
    }

    /// Every model that is listed, by provider and name.
    pub fn models(&self) -> impl Iterator<Item = (&str, &str)> {
        self.models.served.keys().map(|(provider, model)| (provider.as_str(), model.as_str()))
    }

    /// The name under which a provider's models are listed: two names of one provider share them.
    pub fn listed_as<'a>(&'a self, provider: &'a str) -> &'a str {
        self.provider(provider).map_or(provider, |known| known.models.as_str())
    }
}

impl Models {
    /// Reads a file in the form of `catalogue/models.json`. Members that are not known are passed over,
    /// so that older and newer ones can be compared.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read(text: &str) -> Result<Models, Unreadable> {
        rows::models(text)
    }

    /// What is known about a model, by the name under which its provider's models are listed.
    pub fn facts(&self, provider: &str, model: &str) -> Option<&Facts> {
        self.served.get(&(provider.to_owned(), model.to_owned()))
    }

    /// What succeeds a model that is no longer served.
    pub fn successor(&self, provider: &str, model: &str) -> Option<&str> {
        self.retired.get(&(provider.to_owned(), model.to_owned())).map(String::as_str)
    }
}

#[cfg(test)]
mod tests;
