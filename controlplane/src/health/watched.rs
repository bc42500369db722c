//! The checks of a policy: what each of them asks, where, and whom it is about.

use super::{
    canary, outlay,
    wire::{Dial, Question, Trust},
};
use crate::validate::providers::is_loopback;
use policy::{
    Auth, Check, Draft, Provider, ProviderId, Secret, Secrets, Target,
    health::{Canary, What},
};
use std::{collections::HashSet, sync::Arc};

/// What one check looks at.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) provider: String,
    /// Whom it is about.
    pub(super) targets: Vec<String>,
    pub(super) check: Check,
    pub(super) dial: Arc<Dial>,
    /// What is asked, its credential apart.
    pub(super) question: Result<Question, String>,
    /// The field that presents credentials and what stands before them there, and the credentials.
    pub(super) credentials: Option<(String, &'static str)>,
    pub(super) keys: Vec<Secret>,
    pub(super) canary: Option<Known>,
    /// Differs when what is known of it is worth nothing any more.
    pub(super) fingerprint: [u8; 32],
}

/// What is known of a canary's model.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) language: codec::dialect::Dialect,
    pub(super) price: Option<policy::Price>,
    pub(super) estimate: u64,
}

/// Every check of a policy, by name.
pub(super) fn all(draft: &Draft, secrets: Option<&Secrets>) -> Vec<(String, Watched)> {
    let mut all = Vec::new();
    let mut names = HashSet::new();
    for (id, provider) in draft.providers.iter() {
        for check in &provider.checks {
            let kind = match &check.what {
                What::Endpoint { .. } => format!("{} health", provider.name),
                What::Metrics { .. } => format!("{} metrics", provider.name),
                What::Canary(canary) => format!("{}/{} canary", provider.name, canary.model),
            };
            let mut name = kind.clone();
            let mut number = 1;
            while !names.insert(name.clone()) {
                number += 1;
                name = format!("{kind} {number}");
            }
            all.push((name, Watched::of(draft, id, provider, check, secrets)));
        }
    }
    all
}

impl Watched {
    fn of(draft: &Draft, id: ProviderId, provider: &Provider, check: &Check, secrets: Option<&Secrets>) -> Watched {
        let is_asked = |target: &&Target| target.provider == id && target.disabled.is_none();
        let mut own: Vec<&Target> = draft.targets.iter().map(|(_, target)| target).filter(is_asked).collect();
        own.sort_by(|one, other| one.name.cmp(&other.name));
        let exporter = match &check.what {
            What::Metrics { exporter, .. } => exporter.as_ref(),
            What::Endpoint { .. } | What::Canary(_) => None,
        };
        let target = |canary: &Canary| own.iter().find(|target| target.model == policy::Model::Named(canary.model.clone()));
        let (question, canary, targets) = match &check.what {
            What::Endpoint { path } | What::Metrics { path, .. } => {
                let fields = if exporter.is_some() { Vec::new() } else { provider.headers.clone() };
                let question = Question { method: "GET", target: path.clone(), fields, credential: None, body: Vec::new() };
                (Ok(question), None, own.iter().map(|target| target.name.clone()).collect())
            }
            What::Canary(canary) => match target(canary) {
                None => (Err("no target asks its model".to_owned()), None, Vec::new()),
                Some(target) => {
                    let known = Known {
                        language: canary::language(provider, target),
                        price: target.price,
                        estimate: outlay::estimate(target.price, canary.prompt.len(), canary.tokens_max),
                    };
                    (canary::question(provider, target, canary), Some(known), vec![target.name.clone()])
                }
            },
        };
        let dial = dial(draft, provider, exporter);
        // Who is no provider is shown no credential.
        let credentials = match &provider.auth {
            _ if exporter.is_some() || provider.keys.is_empty() => None,
            Auth::None => None,
            Auth::Bearer => Some(("authorization".to_owned(), "Bearer ")),
            Auth::Header(name) => Some((name.clone(), "")),
        };
        let keys = provider.keys.iter().filter_map(|key| secrets?.key(key.id).cloned()).collect();
        let known = canary.as_ref().map(|known| (known.language, known.price));
        let body = question.as_ref().map(|question| (&question.target, &question.fields, &question.body));
        let identity = format!("{check:?} {dial:?} {credentials:?} {known:?} {body:?}");
        Watched {
            provider: provider.name.clone(),
            targets,
            check: check.clone(),
            dial: Arc::new(dial),
            question,
            credentials,
            keys,
            canary,
            fingerprint: *blake3::hash(identity.as_bytes()).as_bytes(),
        }
    }
}

/// The way to a provider, or to an exporter beside it.
fn dial(draft: &Draft, provider: &Provider, exporter: Option<&(String, u16)>) -> Dial {
    let origin = &draft.origins[provider.origin];
    let proxy = origin.proxy.clone();
    if let Some((host, port)) = exporter {
        let proxy = proxy.filter(|_| !is_loopback(host));
        return Dial { host: host.clone(), port: *port, proxy, tls: None };
    }
    let tls = origin.tls.map(|profile| (origin.server_name.clone(), Trust::new(draft.tls_profiles[profile].roots.clone())));
    Dial { host: origin.host.clone(), port: origin.port, proxy, tls }
}
