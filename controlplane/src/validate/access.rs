//! Who may ask, and which request takes which chain.

use super::Validator;
use crate::{
    document::{At, Document, Route, Tenant, TenantKey, When},
    plan, reference,
};
use policy::{Network, Pattern, Predicate};
use sha2::{Digest, Sha256};

/// Shortest key of a tenant that is taken without a warning, in bytes.
const KEY_BYTES_MIN: usize = 16;
/// Highest limit of anything in a minute.
pub(super) const PER_MINUTE_MAX: u64 = 1_000_000_000_000;

impl Validator<'_> {
    pub(super) fn tenants(&mut self, document: &Document) {
        let mut digests = std::collections::HashMap::new();
        for tenant in document.tenants.iter().flat_map(|tenants| &tenants.value) {
            let Some(name) = &tenant.name else { continue };
            if !self.name_is_sound(name, "a tenant") {
                continue;
            }
            if self.plan.tenants.iter().any(|other| other.name == name.value) {
                self.error(name, format!("there are two tenants named `{}`", name.value)).push();
                continue;
            }
            self.unenforced(tenant);
            let mut own = Vec::new();
            for key in tenant.keys.iter().flat_map(|keys| &keys.value) {
                let Some(digest) = self.digest(key) else { continue };
                match digests.insert(digest, name.value.clone()) {
                    Some(other) => self.error(key, format!("this key is also one of `{other}`")).push(),
                    None => own.push(digest),
                }
            }
            if own.is_empty() {
                self.warning(name, format!("tenant `{}` has no key, so it can never ask", name.value)).push();
            }
            let models = tenant.models.iter().flat_map(|models| &models.value).filter_map(|text| self.pattern(text)).collect();
            let networks = self.networks(&tenant.allow_ips);
            if let Some(list) = tenant.allow_ips.as_ref().filter(|list| list.is_empty()) {
                self.error(list, format!("`allow_ips` of `{}` is empty", name.value)).help("leave it out to allow all networks").push();
            }
            let requests_per_minute = self.bounded(&tenant.rpm, "rpm", 1, PER_MINUTE_MAX, 0);
            let tokens_per_minute = self.bounded(&tenant.tpm, "tpm", 1, PER_MINUTE_MAX, 0);
            let (budget, then) = self.budget(name, &tenant.budget);
            let planned = policy::Tenant {
                name: name.value.clone(),
                digests: own,
                models,
                networks,
                requests_per_minute,
                may_test: tenant.testing.as_ref().is_some_and(|at| at.value),
                tokens_per_minute,
                budget,
            };
            if let Some(at) = tenant.budget.as_ref().filter(|_| budget.is_some()) {
                self.unpriced(at, &planned, then.as_ref());
            }
            self.plan.tenants.push(planned);
            self.plan.cheaper.extend(then.map(|chain| (name.value.clone(), chain)));
        }
    }

    pub(super) fn networks(&mut self, list: &Option<At<Vec<At<String>>>>) -> Vec<Network> {
        let mut networks = Vec::new();
        for text in list.iter().flat_map(|list| &list.value) {
            match Network::parse(text) {
                Ok(network) => networks.push(network),
                Err(why) => self.error(text, why).help("write `10.0.0.0/8`, `2001:db8::/32`, or a single address").push(),
            }
        }
        networks
    }

    /// What an operator would rely on and must not.
    fn unenforced(&mut self, tenant: &Tenant) {
        if let Some(at) = &tenant.residency {
            self.warning(at, "has no effect yet: `residency` is not enforced")
                .help("give the tenant `models` whose chains stay in its regions")
                .push();
        }
    }

    fn digest(&mut self, key: &At<TenantKey>) -> Option<[u8; 32]> {
        match (&key.sha256, &key.key) {
            (Some(text), None) => {
                let digest = from_hex(text);
                if digest.is_none() {
                    self.error(text, "this is no SHA-256: it has 64 hexadecimal digits").help("printf %s KEY | sha256sum").push();
                }
                digest
            }
            (None, Some(text)) => {
                if reference::parse(text) == reference::Reference::Literal {
                    self.warning(text, "a secret stands in the policy itself").help("give its `sha256`, or refer to it: `${NAME}`").push();
                }
                match reference::credential(text, self.from) {
                    Ok(secret) => {
                        if secret.reveal().len() < KEY_BYTES_MIN {
                            self.warning(text, format!("a key of fewer than {KEY_BYTES_MIN} characters can be guessed")).push();
                        }
                        Some(Sha256::digest(secret.reveal()).into())
                    }
                    Err(missing) => {
                        self.error(text, missing.to_string()).push();
                        None
                    }
                }
            }
            _ => {
                self.error(key, "a tenant's key is either its `sha256` or a reference under `key`").push();
                None
            }
        }
    }

    fn pattern(&mut self, text: &At<String>) -> Option<Pattern> {
        let pattern = Pattern::parse(text);
        if pattern.is_none() {
            self.error(text, "there may be one `*` in a pattern").push();
        }
        pattern
    }

    pub(super) fn routes(&mut self, document: &Document) {
        // The first route that takes everything hides the rest; saying so once is enough.
        let mut all_from: Option<usize> = None;
        for (index, route) in document.routes.iter().flat_map(|routes| &routes.value).enumerate() {
            if let Some(first) = all_from {
                self.warning(route, format!("this route is never reached: route {first} takes every request")).push();
                all_from = None;
            }
            let Some((tenant, when)) = self.when(route) else { continue };
            let Some(chain) = self.chain_of_route(route) else { continue };
            if when == Predicate::default() && tenant.is_none() {
                all_from = Some(index + 1);
            }
            let name = route.name.as_ref().map_or_else(|| format!("route {}", index + 1), |name| name.value.clone());
            self.plan.routes.push(plan::Route { name, tenant, when, chain });
        }
    }

    fn chain_of_route(&mut self, route: &At<Route>) -> Option<String> {
        let chain = route.chain.as_ref()?;
        if self.plan.chains.contains_key(&chain.value) {
            return Some(chain.value.clone());
        }
        if let Some((answering, _)) = self.plan.names.get(&chain.value) {
            return Some(answering.clone());
        }
        let mend = match Self::nearest(&mut self.suggestions, chain, self.plan.chains.keys().map(String::as_str)) {
            Some(word) => format!("did you mean `{word}`?"),
            None => "declare it under `fallback.chains`".to_owned(),
        };
        self.error(chain, format!("there is no chain `{}`", chain.value)).help(mend).push();
        None
    }

    fn when(&mut self, route: &At<Route>) -> Option<(Option<String>, Predicate)> {
        let Some(when) = &route.when else { return Some((None, Predicate::default())) };
        let When { model, tenant, header } = &when.value;
        let model = match model {
            Some(text) => Some(self.pattern(text)?),
            None => None,
        };
        let mut headers = Vec::new();
        for (name, value) in header.iter().flat_map(|header| &header.0) {
            headers.push((name.to_ascii_lowercase(), value.value.clone()));
        }
        if let Some(name) = tenant
            && !self.plan.tenants.iter().any(|tenant| tenant.name == name.value)
        {
            let words = self.plan.tenants.iter().map(|tenant| tenant.name.as_str());
            let mend = match Self::nearest(&mut self.suggestions, name, words) {
                Some(word) => format!("did you mean `{word}`?"),
                None => "declare it under `tenants`".to_owned(),
            };
            self.error(name, format!("there is no tenant `{}`", name.value)).help(mend).push();
            return None;
        }
        Some((tenant.as_ref().map(|name| name.value.clone()), Predicate { model, tenant: None, headers }))
    }
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}
