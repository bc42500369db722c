//! A policy as it is being converted, and how it is written down.

use crate::catalogue::{Catalogue, Known};
use codec::dialect::Quirks;
use policy::Speaks;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// Most notes; a file that is beyond them is not one of what it was said to be.
const NOTES_MAX: usize = 1_000;

/// A provider as the other gateway's file has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Provider {
    /// What it is called in the catalogue, where it is there.
    pub(super) kind: String,
    /// URL; that of the catalogue when it is empty.
    pub(super) endpoint: String,
    /// References and shares; the conventional variable when there are none.
    pub(super) keys: Vec<(String, u64)>,
    /// Field that holds the bare key; that of the catalogue when it is empty.
    pub(super) key_field: String,
    /// Further fields of every request.
    pub(super) headers: BTreeMap<String, String>,
    /// Most attempts in flight.
    pub(super) in_flight: Option<u64>,
}

/// One position of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// A provider and its model.
    Target(String, String),
    /// A name from `models`.
    Name(String),
}

/// A chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) links: Vec<Link>,
    pub(super) max_attempts: Option<u64>,
    pub(super) deadline_ms: Option<u64>,
    pub(super) backoff_ms: Option<(u64, u64)>,
}

/// One model in several places: provider, model, share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) deployments: Vec<(String, String, u64)>,
    pub(super) balance: &'static str,
}

/// What has been understood so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Sketch {
    pub(super) providers: BTreeMap<String, Provider>,
    pub(super) models: BTreeMap<String, Model>,
    pub(super) chains: BTreeMap<String, Chain>,
    /// The request's model, and the chain that it takes.
    pub(super) routes: Vec<(String, String)>,
    /// Name, and a digest or a reference.
    pub(super) tenants: Vec<(String, TenantKey)>,
    /// Members of `defaults`, written out.
    pub(super) defaults: BTreeMap<&'static str, String>,
    /// Variables that are spoken for, and what each holds: nobody may be sent another one's key.
    pub(super) variables: BTreeMap<String, String>,
    /// What could not be converted: where it stands, and why not.
    pub(super) notes: Vec<(String, String)>,
}

/// A tenant's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TenantKey {
    /// SHA-256, so that a key from the file is not copied.
    Digest(String),
    /// `${NAME}`
    Reference(String),
}

impl Sketch {
    /// Says what could not be converted.
    pub(super) fn note(&mut self, place: impl Into<String>, why: impl Into<String>) {
        let note = (place.into(), why.into());
        if self.notes.len() == NOTES_MAX {
            self.notes.push(("the rest".to_owned(), format!("{NOTES_MAX} notes are enough; there is more")));
        }
        if self.notes.len() < NOTES_MAX && !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// A variable for a key of `owner` that is not to be copied. The same key has the same one.
    pub(super) fn variable(&mut self, owner: &str, key: &str) -> String {
        let mut name: String = owner.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            name.insert(0, '_');
        }
        name.push_str("_API_KEY");
        let first = name.clone();
        for number in 2.. {
            match self.variables.get(&name) {
                Some(known) if known != key => name = format!("{first}_{number}"),
                _ => break,
            }
        }
        self.variables.insert(name.clone(), key.to_owned());
        name
    }

    /// The name under which a provider is declared: an equal one has it already, else one is found.
    pub(super) fn provider(&mut self, wanted: &str, provider: Provider) -> String {
        let mut name = wanted.to_owned();
        if self.providers.len() >= policy::limits::PROVIDERS_MAX {
            self.note(format!("provider `{wanted}`"), "a policy holds no more providers");
            return name;
        }
        for number in 2.. {
            match self.providers.get(&name) {
                Some(known) if *known != provider => name = format!("{wanted}-{number}"),
                Some(_) => break,
                None => {
                    self.providers.insert(name.clone(), provider);
                    break;
                }
            }
        }
        name
    }

    /// True when it is known where the provider is.
    fn has_address(&self, provider: &str) -> bool {
        let declared = self.providers.get(provider);
        let kind = declared.map_or(provider, |provider| provider.kind.as_str());
        declared.is_some_and(|provider| !provider.endpoint.is_empty())
            || Catalogue::built_in().provider(kind).is_some_and(|known| known.endpoint.is_some())
    }

    /// Leaves out what `check` would refuse: names and chains that nobody could answer.
    pub(super) fn prune(&mut self) {
        let mut models = std::mem::take(&mut self.models);
        models.retain(|name, model| {
            model.deployments.retain(|(provider, ..)| self.reachable(provider, &format!("model `{name}`")));
            !model.deployments.is_empty()
        });
        self.models = models;
        let names: BTreeSet<String> = self.models.keys().cloned().collect();
        let mut chains = std::mem::take(&mut self.chains);
        chains.retain(|name, chain| {
            chain.links.retain(|link| match link {
                Link::Target(provider, _) => self.reachable(provider, &format!("chain `{name}`")),
                Link::Name(model) => names.contains(model),
            });
            if chain.links.is_empty() {
                self.note(format!("chain `{name}`"), "nothing is left of it");
            }
            !chain.links.is_empty()
        });
        self.routes.retain(|(_, chain)| chains.contains_key(chain));
        self.chains = chains;
        let mut providers = std::mem::take(&mut self.providers);
        let with_address = |kind: &str| Catalogue::built_in().provider(kind).is_none_or(|known| known.endpoint.is_some());
        providers.retain(|name, provider| {
            let stays = !provider.endpoint.is_empty() || with_address(&provider.kind);
            if !stays {
                self.note(format!("provider `{name}`"), "its address is not known; declare it with its `endpoint`");
            }
            stays
        });
        self.providers = providers;
    }

    /// The same, and said where it is not so.
    fn reachable(&mut self, provider: &str, place: &str) -> bool {
        let reachable = self.has_address(provider);
        if !reachable {
            self.note(place, format!("the address of `{provider}` is not known; declare it with its `endpoint`"));
        }
        reachable
    }

    /// The policy as YAML.
    pub(super) fn yaml(&self, from: &str) -> String {
        let mut text = format!("# Converted from a configuration of {from}. Keys are references: no secret was copied.\n");
        if !self.notes.is_empty() {
            text.push_str("#\n# What could not be converted:\n");
        }
        for (place, why) in &self.notes {
            writeln!(text, "#   {}: {}", one_line(place), one_line(why)).expect("a String grows");
        }
        text.push_str("version: 1\n");
        self.write(&mut text).expect("a String grows");
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        if !self.defaults.is_empty() {
            let members: Vec<String> = self.defaults.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            writeln!(text, "defaults: {{{}}}", members.join(", "))?;
        }
        if !self.providers.is_empty() {
            writeln!(text, "providers:")?;
        }
        for (name, provider) in &self.providers {
            writeln!(text, "  {}: {{{}}}", scalar(name), provider.members(name).join(", "))?;
        }
        if !self.models.is_empty() {
            writeln!(text, "models:")?;
        }
        for (name, model) in &self.models {
            writeln!(text, "  {}:\n    balance: {}\n    deployments:", scalar(name), model.balance)?;
            for (provider, model, weight) in &model.deployments {
                let weight = if *weight == 1 { String::new() } else { format!(", weight: {weight}") };
                writeln!(text, "      - {{provider: {}, model: {}{weight}}}", scalar(provider), scalar(model))?;
            }
        }
        if !self.chains.is_empty() {
            writeln!(text, "fallback:\n  chains:")?;
        }
        for (name, chain) in &self.chains {
            chain.write(name, text)?;
        }
        if !self.routes.is_empty() {
            writeln!(text, "routes:")?;
        }
        for (model, chain) in &self.routes {
            writeln!(text, "  - {{when: {{model: {}}}, chain: {}}}", scalar(model), scalar(chain))?;
        }
        if !self.tenants.is_empty() {
            writeln!(text, "tenants:")?;
        }
        for (name, key) in &self.tenants {
            let key = match key {
                TenantKey::Digest(digest) => format!("sha256: {digest}"),
                TenantKey::Reference(reference) => format!("key: {}", scalar(reference)),
            };
            writeln!(text, "  - {{name: {}, keys: [{{{key}}}]}}", scalar(name))?;
        }
        Ok(())
    }
}

impl Provider {
    fn members(&self, name: &str) -> Vec<String> {
        let known = Catalogue::built_in().provider(&self.kind);
        let mut members = Vec::new();
        // A name of the catalogue brings its facts with it; any other has to say them.
        if let Some(known) = known.filter(|_| name != self.kind) {
            members.push(format!("dialect: {}", known.dialect.word()));
            members.extend(manners(known));
        }
        let endpoint = match known {
            _ if !self.endpoint.is_empty() => Some(self.endpoint.as_str()),
            Some(known) if name != self.kind => known.endpoint.as_deref(),
            _ => None,
        };
        members.extend(endpoint.map(|endpoint| format!("endpoint: {}", scalar(endpoint))));
        match known.map(|known| &known.auth) {
            _ if self.keys.is_empty() && !self.endpoint.is_empty() => {}
            _ if !self.key_field.is_empty() => members.push(format!("auth: {{header: {}}}", scalar(&self.key_field))),
            Some(crate::document::Auth::Header(field)) if name != self.kind => members.push(format!("auth: {{header: {field}}}")),
            _ => {}
        }
        let key = |(reference, weight): &(String, u64)| match weight {
            1 => scalar(reference),
            weight => format!("{{key: {}, weight: {weight}}}", scalar(reference)),
        };
        if self.keys.is_empty() && !self.endpoint.is_empty() {
            // The catalogue's variable belongs to the catalogue's endpoint, and is not sent elsewhere.
            members.push("auth: none".to_owned());
        }
        let usual = known.and_then(|known| known.variables.first()).filter(|_| name != self.kind && self.endpoint.is_empty());
        if let (true, Some(variable)) = (self.keys.is_empty(), usual) {
            members.push(format!("keys: [\"${{{variable}}}\"]"));
        }
        if !self.keys.is_empty() {
            members.push(format!("keys: [{}]", self.keys.iter().map(key).collect::<Vec<_>>().join(", ")));
        }
        if !self.headers.is_empty() {
            let fields: Vec<String> = self.headers.iter().map(|(name, value)| format!("{}: {}", scalar(name), scalar(value))).collect();
            members.push(format!("headers: {{{}}}", fields.join(", ")));
        }
        members.extend(self.in_flight.map(|count| format!("in_flight: {}", count.clamp(1, 1 << 20))));
        members
    }
}

/// What a provider of the catalogue speaks and does differently, where it is not what its dialect does.
fn manners(known: &Known) -> Vec<String> {
    let mut members = Vec::new();
    if known.speaks != known.dialect.policy().speaks() {
        let words: Vec<&str> = [(Speaks::CHAT, "chat"), (Speaks::RESPONSES, "responses")]
            .into_iter()
            .filter(|(one, _)| known.speaks.any(*one))
            .map(|(_, word)| word)
            .collect();
        members.push(format!("speaks: [{}]", words.join(", ")));
    }
    if !known.quirks.is_empty() {
        let words: Vec<&str> = Quirks::ALL.iter().filter(|(one, _)| known.quirks.has(*one)).map(|(_, word)| *word).collect();
        members.push(format!("quirks: [{}]", words.join(", ")));
    }
    members
}

impl Chain {
    fn write(&self, name: &str, text: &mut String) -> std::fmt::Result {
        writeln!(text, "    - name: {}\n      models:", scalar(name))?;
        for link in &self.links {
            match link {
                Link::Target(provider, model) => writeln!(text, "        - {{provider: {}, model: {}}}", scalar(provider), scalar(model))?,
                Link::Name(name) => writeln!(text, "        - {{model: {}}}", scalar(name))?,
            }
        }
        let mut retry: Vec<String> = self.max_attempts.map(|count| format!("max_attempts: {}", count.clamp(1, 16))).into_iter().collect();
        if let Some((base, cap)) = self.backoff_ms {
            retry.push(format!("base: {}ms, cap: {}ms", base.max(1), cap.max(base).max(1)));
        }
        if !retry.is_empty() {
            writeln!(text, "      retry: {{{}}}", retry.join(", "))?;
        }
        match self.deadline_ms {
            Some(ms) => writeln!(text, "      deadline: {}", duration(ms)),
            None => Ok(()),
        }
    }
}

/// What a provider at an endpoint of its own is called: not as the catalogue calls another one.
pub(super) fn elsewhere(word: &str, endpoint: &str) -> String {
    let host = endpoint.split("://").last().unwrap_or(endpoint).split(['/', '@', '?']).next().unwrap_or_default();
    format!("{word}-at-{}", host.replace(':', "-"))
}

/// A time within what a policy may say.
pub(super) fn duration(ms: u64) -> String {
    match ms.clamp(1, policy::limits::DEADLINE_MS_MAX) {
        ms if ms % 1_000 == 0 => format!("{}s", ms / 1_000),
        ms => format!("{ms}ms"),
    }
}

/// Whole shares that stand to one another as these do, as nearly as hundredths tell.
pub(super) fn shares(weights: &[f64]) -> Vec<u64> {
    let scaled: Vec<u64> = weights.iter().map(|weight| ((weight * 100.0).round().clamp(1.0, 1e6)) as u64).collect();
    let divisor = scaled.iter().copied().fold(0, gcd).max(1);
    scaled.iter().map(|weight| weight / divisor).collect()
}

fn gcd(left: u64, right: u64) -> u64 {
    if right == 0 { left } else { gcd(right, left % right) }
}

/// Text as YAML has it, in quotation marks unless it is plainly a name.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let name = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(plain);
    let word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text.to_ascii_lowercase().as_str());
    if name && !word { text.to_owned() } else { serde_json::to_string(text).expect("text is JSON") }
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}
