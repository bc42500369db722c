//! Where models are: endpoints, trust, credentials.

use super::Validator;
use crate::{
    catalogue::Known,
    complaint::{self, Span},
    document::{self, At, Auth, Dialect, Document, Key, Provider, units::Count},
    plan,
    reference::{self, Missing, Reference},
};
use codec::dialect::Quirks;
use policy::{Origin, Roots, limits};

/// An endpoint, taken apart.
pub(super) struct Endpoint {
    pub(super) tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
    /// What begins paths, and the query that ends them.
    pub(super) base_path: String,
}

impl Endpoint {
    fn query(&self) -> &str {
        self.base_path.split_once('?').map_or("", |(_, query)| query)
    }

    /// It takes what is asked at Azure's paths of old: `/openai/deployments/NAME/chat/completions`.
    fn is_azure_classic(&self) -> bool {
        self.base_path.starts_with("/openai/deployments")
    }
}

impl Validator<'_> {
    /// Every declared provider; those of the catalogue that are only used come with their use.
    pub(super) fn providers(&mut self, document: &Document) {
        let egress = document.gateway.as_ref().and_then(|gateway| gateway.egress.as_ref());
        let proxy = egress.and_then(|egress| egress.proxy.as_ref()).and_then(|proxy| self.proxy(proxy));
        let authorities = egress.and_then(|egress| egress.ca.as_ref()).and_then(|ca| self.authorities(ca));
        self.surrounding = Some((proxy, authorities));
        for (name, provider) in document.providers.iter().flat_map(|providers| &providers.0) {
            if self.name_is_sound(name, "a provider") {
                if name.contains('/') {
                    self.error(name, "a provider's name holds no `/`").help("requests name models as `provider/model`").push();
                }
                self.provider(name, &provider.value);
            }
        }
    }

    /// The provider of this name, taken from the catalogue when it is not declared; false after a
    /// complaint.
    pub(super) fn provider_known(&mut self, name: &At<String>) -> bool {
        if self.plan.providers.contains_key(&name.value) {
            return true;
        }
        if self.failed.contains(&name.value) {
            return false;
        }
        if self.catalogue.provider(name).is_some() {
            self.provider(name, &Provider::default());
            return self.plan.providers.contains_key(&name.value);
        }
        let words = self.plan.providers.keys().map(String::as_str).chain(self.catalogue.names());
        let mend = match Self::nearest(&mut self.suggestions, name, words) {
            Some(word) => format!("did you mean `{word}`?"),
            None => "declare it under `providers` with its `endpoint`".to_owned(),
        };
        self.error(name, format!("unknown provider `{}`", name.value)).help(mend).push();
        self.failed.insert(name.value.clone());
        false
    }

    fn provider(&mut self, name: &At<String>, declared: &Provider) {
        let known = self.catalogue.provider(name).cloned();
        let Some((endpoint, span)) = self.endpoint(name, declared, known.as_ref()) else {
            self.failed.insert(name.value.clone());
            return;
        };
        let dialect = declared.dialect.as_ref().map(|at| at.value).or(known.as_ref().map(|known| known.dialect)).unwrap_or(Dialect::OpenAi);
        // What the catalogue says holds for the dialect that it says it of.
        let alike = known.as_ref().filter(|known| known.dialect == dialect);
        // There is no `responses` below a deployment.
        let classic = (endpoint.is_azure_classic() && dialect == Dialect::OpenAi).then_some(policy::Speaks::CHAT);
        let speaks = self.speaks(declared, dialect).or(classic).or(alike.map(|known| known.speaks));
        let speaks = speaks.unwrap_or(dialect.policy().speaks());
        let quirks = match &declared.quirks {
            Some(quirks) => quirks.iter().fold(Quirks::NONE, |all, quirk| all.and(quirk.0)),
            None => alike.map_or(Quirks::NONE, |known| known.quirks),
        };
        let (keys, disabled) = self.keys(name, declared, known.as_ref());
        let auth = self.auth(declared, known.as_ref(), &keys);
        let (proxy, authorities) = self.surrounding.clone().unwrap_or_default();
        let connections = declared.connections.as_ref();
        let warm = self.warm(&connections.and_then(|at| at.warm.clone()));
        let most = self.bounded(&connections.and_then(|at| at.max.clone()), "max", 1, 1 << 20, 1_024) as u32;
        let loopback = is_loopback(&endpoint.host);
        let server_name = declared.server_name.as_ref().map_or_else(|| endpoint.host.clone(), |at| at.value.clone());
        if let Some(at) = declared.server_name.as_ref().filter(|at| !host_is_sound(at)) {
            self.error(at, format!("`{}` is no host name", at.value)).push();
        }
        let roots = self.roots(declared, endpoint.tls, authorities);
        if !endpoint.tls && !loopback && !keys.is_empty() {
            let at = At { value: (), span };
            self.warning(&at, "credentials cross the network unencrypted").help("write https:// if the provider speaks TLS").push();
        }
        let headers = self.headers(declared);
        let in_flight_max = self.bounded(&declared.in_flight, "in_flight", 1, 1 << 20, 4_096) as u32;
        let planned = plan::Provider {
            dialect: dialect.policy(),
            speaks,
            quirks,
            origin: Origin {
                host: endpoint.host,
                port: endpoint.port,
                tls: None,
                server_name,
                proxy: if loopback { None } else { proxy },
                warm,
                connections_max: most.max(warm),
            },
            roots,
            base_path: endpoint.base_path,
            auth,
            keys,
            in_flight_max,
            retries: self.retries(declared),
            concurrency: declared.concurrency.as_ref().map_or_else(policy::Concurrency::default, |at| at.value.policy()),
            headers,
            regions: declared.regions.iter().flat_map(|regions| &regions.0).map(|region| region.value.clone()).collect(),
            checks: self.checks(declared),
            disabled,
        };
        self.plan.providers.insert(name.value.clone(), planned);
    }

    /// How many further attempts a provider is asked for.
    fn retries(&mut self, declared: &Provider) -> policy::Retries {
        let preset = policy::Retries::default();
        let Some(at) = &declared.retries else { return preset };
        policy::Retries {
            share_permille: self.bounded(&at.share, "share", 0, 1_000, preset.share_permille.into()) as u32,
            per_second: self.bounded(&at.per_second, "per_second", 1, 1_000_000, preset.per_second.into()) as u32,
        }
    }

    /// What a policy says that a provider understands.
    fn speaks(&mut self, declared: &Provider, dialect: Dialect) -> Option<policy::Speaks> {
        let at = declared.speaks.as_ref()?;
        if dialect != Dialect::OpenAi {
            let what = format!("`speaks` is of the openai dialect, and this provider's is {}", dialect.word());
            self.error(at, what).help("leave it out").push();
            return None;
        }
        if at.is_empty() {
            self.error(at, "a provider understands something").help("name `chat`, `responses` or both").push();
            return None;
        }
        Some(at.iter().fold(policy::Speaks::default(), |all, one| all.and(one.policy())))
    }

    /// Connections that are kept ready. None is no choice: who is asked first must be reachable at
    /// once, and a data plane is ready when one connection stands.
    fn warm(&mut self, field: &Option<At<Count>>) -> u32 {
        if let Some(at) = field.as_ref().filter(|at| at.value.0 == 0) {
            let why = "`warm: 0` is not possible: one connection at least is kept ready where a provider is first or second in a chain";
            self.error(at, why).help("leave `warm` out, or write a number from 1 to 256").push();
            return 1;
        }
        self.bounded(field, "warm", 1, limits::WARM_MAX.into(), 1) as u32
    }

    fn endpoint(&mut self, name: &At<String>, declared: &Provider, known: Option<&Known>) -> Option<(Endpoint, Span)> {
        let text = match (&declared.endpoint, known) {
            (Some(endpoint), _) => endpoint.clone(),
            (None, Some(Known { endpoint: Some(endpoint), .. })) => At { value: endpoint.clone(), span: name.span },
            (None, Some(known)) => {
                let what = format!("`{}` has no address that holds for everybody, so it needs an `endpoint`", name.value);
                self.error(name, what).help(format!("declare it under `providers` with its own: `endpoint: {}`", known.example)).push();
                return None;
            }
            (None, None) => {
                let words = self.catalogue.names();
                let mend = match Self::nearest(&mut self.suggestions, name, words) {
                    Some(word) => format!("give its `endpoint`; or did you mean `{word}`?"),
                    None => "give its URL: `endpoint: https://host/v1`".to_owned(),
                };
                self.error(name, format!("the catalogue does not know `{}`, so it needs an `endpoint`", name.value)).help(mend).push();
                return None;
            }
        };
        match endpoint(&text) {
            Ok(endpoint) if endpoint.is_azure_classic() && !endpoint.query().starts_with("api-version=") => {
                self.error(&text, "Azure's classic paths, which name a deployment, need a version")
                    .help(format!(
                        "end it with one: `{}?api-version=2024-10-21`; or write `https://RESOURCE.openai.azure.com/openai/v1`, \
                         which needs none",
                        text.split('?').next().unwrap_or_default()
                    ))
                    .push();
                None
            }
            Ok(endpoint) => Some((endpoint, text.span)),
            Err(why) => {
                // What may hold a secret is not shown.
                let shown = if text.contains(['@', '?']) { "this" } else { &format!("`{}`", text.value) };
                let form = "write `https://host[:port][/path][?query]`; `{model}` in the path stands for the model's name";
                self.error(&text, format!("{shown} is no endpoint: {why}")).help(form).push();
                None
            }
        }
    }

    fn roots(&mut self, declared: &Provider, tls: bool, further: Option<Vec<u8>>) -> Option<Roots> {
        if !tls {
            if let Some(ca) = &declared.ca {
                self.warning(ca, "`ca` is of no use to an http:// endpoint").push();
            }
            return None;
        }
        if let Some(ca) = &declared.ca {
            return Some(self.authorities(ca).map_or(Roots::System, Roots::Only));
        }
        Some(further.map_or(Roots::System, Roots::SystemAnd))
    }

    fn auth(&mut self, declared: &Provider, known: Option<&Known>, keys: &[plan::Key]) -> policy::Auth {
        let auth = declared.auth.as_ref().map(|at| at.value.clone());
        if let (Some(at), true) = (&declared.auth, keys.is_empty() && declared.keys.is_none())
            && at.value != Auth::None
            && known.is_none_or(|known| known.variables.is_empty())
        {
            self.error(at, "there is no credential to present").help("give `keys`, or write `auth: none`").push();
        }
        let auth = auth.or_else(|| known.map(|known| known.auth.clone()).filter(|auth| *auth != Auth::None || keys.is_empty()));
        match auth {
            Some(Auth::Header(name)) => policy::Auth::Header(name),
            Some(Auth::None) => policy::Auth::None,
            Some(Auth::Bearer) => policy::Auth::Bearer,
            None if keys.is_empty() => policy::Auth::None,
            None => policy::Auth::Bearer,
        }
    }

    fn headers(&mut self, declared: &Provider) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        for (name, value) in declared.headers.iter().flat_map(|headers| &headers.0) {
            let token = document::is_token(name);
            let clean = value.bytes().all(|b| b == b'\t' || (b' '..=b'~').contains(&b));
            let ours = ["host", "content-length", "transfer-encoding", "connection", "authorization"];
            if !token || !clean {
                self.error(name, "this may not stand in a request's head").help("names are tokens, values are printable ASCII").push();
            } else if ours.contains(&name.to_ascii_lowercase().as_str()) {
                self.error(name, format!("`{}` is written by the gateway itself", name.value)).push();
            } else if reference::parse(value) != Reference::Literal {
                self.error(value, "a reference has no effect here: headers are kept with the policy, and secrets are not")
                    .help("use `keys` with `auth: {header: NAME}`")
                    .push();
            } else {
                headers.push((name.to_ascii_lowercase(), value.value.clone()));
            }
        }
        headers
    }

    /// Credentials, and why there is none where one is needed.
    fn keys(&mut self, name: &At<String>, declared: &Provider, known: Option<&Known>) -> (Vec<plan::Key>, Option<String>) {
        if let Some(keys) = &declared.keys {
            if keys.0.len() > limits::KEYS_PER_PROVIDER_MAX {
                self.error(keys, format!("there may be {} keys", limits::KEYS_PER_PROVIDER_MAX)).push();
            }
            let path = format!("providers.{}.keys", name.value);
            let found = keys.0.iter().enumerate().filter_map(|(index, key)| self.key(&format!("{path}[{index}]"), index, key)).collect();
            return (found, None);
        }
        let variables = known.map_or(&[][..], |known| known.variables.as_slice());
        // A provider of the catalogue that is declared at another endpoint may well ask for none.
        if variables.is_empty() || matches!(declared.auth.as_ref().map(|at| &at.value), Some(Auth::None)) {
            return (Vec::new(), None);
        }
        for variable in variables {
            let text = format!("${{{variable}}}");
            match reference::credential(&text, self.from) {
                Ok(secret) => {
                    let key = plan::Key { identity: text, secret, weight: 1, requests_per_minute: 0, tokens_per_minute: 0 };
                    return (vec![key], None);
                }
                Err(Missing::Unset(_)) => {}
                Err(missing) => self.warning(name, missing.to_string()).push(),
            }
        }
        let variables = complaint::list(variables.iter().map(String::as_str));
        self.warning(name, format!("{variables} is not set, so `{}` is never asked", name.value)).help("set it, or give `keys`").push();
        (Vec::new(), Some(format!("{variables} is not set")))
    }

    fn key(&mut self, path: &str, index: usize, key: &At<Key>) -> Option<plan::Key> {
        let text = key.0.key.as_ref()?;
        let weight = self.bounded(&key.0.weight, "weight", 1, 1_000_000, 1) as u32;
        let requests_per_minute = self.bounded(&key.0.rpm, "rpm", 1, super::access::PER_MINUTE_MAX, 0);
        let tokens_per_minute = self.bounded(&key.0.tpm, "tpm", 1, super::access::PER_MINUTE_MAX, 0);
        let literal = reference::parse(text) == Reference::Literal;
        if literal {
            self.warning(text, "a secret stands in the policy itself")
                .help("refer to it: `${NAME}`, `${file:/path}` or `${credential:NAME}`")
                .path(path)
                .push();
        }
        match reference::credential(text, self.from) {
            Ok(secret) => {
                let identity = if literal { format!("key {index}") } else { text.value.clone() };
                Some(plan::Key { identity, secret, weight, requests_per_minute, tokens_per_minute })
            }
            Err(missing) => {
                self.error(text, missing.to_string()).help("set it where the daemon runs").path(path).push();
                None
            }
        }
    }

    fn proxy(&mut self, at: &At<String>) -> Option<(String, u16)> {
        match endpoint(at) {
            Ok(Endpoint { tls: false, host, port, base_path }) if base_path.is_empty() => Some((host, port)),
            _ => {
                self.error(at, "a proxy is written as `http://host:port`").push();
                None
            }
        }
    }
}

/// Names of a query's members that hold credentials.
const SECRETS: &[&str] = &["key", "api_key", "api-key", "apikey", "token", "access_token", "subscription-key", "sig"];

/// True for a host that is this machine, which no proxy is asked for.
pub(crate) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// `scheme://host[:port][/path][?query]`, and nothing else.
pub(super) fn endpoint(text: &str) -> Result<Endpoint, &'static str> {
    let (tls, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => return Err("it begins with neither https:// nor http://"),
    };
    let (authority, base) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
    let base_path = base_path(base)?;
    if authority.contains('@') {
        return Err("a credential does not belong here, but into `keys`");
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or("its bracket is not closed")?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| "no IPv6 address stands in its brackets")?;
            (host, after.strip_prefix(':'))
        }
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    if !host_is_sound(host) {
        return Err("its host is none");
    }
    let port = match port {
        Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or("its port is none")?,
        None if tls => 443,
        None => 80,
    };
    Ok(Endpoint { tls, host: host.to_ascii_lowercase(), port, base_path })
}

/// What stands behind the host: a path, in which `{model}` is the model's name, and a query.
fn base_path(text: &str) -> Result<String, &'static str> {
    let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
    let path = path.trim_end_matches('/');
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte));
    if !plain(path) || !query.is_none_or(plain) {
        return Err("its path or query holds what may not stand there");
    }
    if path.replace(policy::target::MODEL, "").contains(['{', '}']) {
        return Err("its path holds a brace that is not of `{model}`");
    }
    let Some(query) = query else { return Ok(path.to_owned()) };
    if query.contains(['{', '}']) {
        return Err("the model's name may stand in its path, and not in its query");
    }
    if query.is_empty() {
        return Err("nothing stands behind its question mark");
    }
    let names = || query.split('&').map(|member| member.split('=').next().unwrap_or_default().to_ascii_lowercase());
    if names().any(|name| SECRETS.contains(&name.as_str())) {
        return Err("a credential does not belong here, but into `keys`");
    }
    Ok(format!("{path}?{query}"))
}

/// Letters, digits and what else may stand in a name or an address.
fn host_is_sound(host: &str) -> bool {
    !host.is_empty() && host.len() <= 253 && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:".contains(&b))
}
