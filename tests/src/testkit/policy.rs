//! Policies in the operator's own language, put together from parts.

use super::provider::Provider;
use std::{fmt::Write, net::SocketAddr, path::Path};

/// A policy to be.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    gateway: String,
    defaults: String,
    providers: String,
    chains: String,
    rest: String,
}

impl Policy {
    /// A policy of one shard on ports of the kernel's choice.
    pub fn new() -> Policy {
        Policy::default()
    }

    /// A policy with the two providers of `zoo` by plain HTTP, neither of which asks for a key.
    pub fn over(zoo: &Provider) -> Policy {
        let mut policy = Policy::new();
        for name in zoo.names() {
            policy = policy.provider(&name, zoo.plain(&name), "auth: none");
        }
        policy
    }

    /// Adds members of `gateway`, in flow style: `queue: 50ms, drain: 1s`.
    #[must_use]
    pub fn gateway(mut self, members: &str) -> Policy {
        write!(self.gateway, ", {members}").expect("a String grows");
        self
    }

    /// Adds members of `defaults`, in flow style.
    #[must_use]
    pub fn defaults(mut self, members: &str) -> Policy {
        let comma = if self.defaults.is_empty() { "" } else { ", " };
        write!(self.defaults, "{comma}{members}").expect("a String grows");
        self
    }

    /// Adds a provider that is reached by plain HTTP.
    #[must_use]
    pub fn provider(self, name: &str, address: SocketAddr, members: &str) -> Policy {
        self.endpoint(name, &format!("http://{address}/v1"), members)
    }

    /// Adds a provider that is reached by TLS, and trusted by this CA alone.
    #[must_use]
    pub fn secure(self, name: &str, address: SocketAddr, ca: &Path, members: &str) -> Policy {
        let ca = ca.display();
        self.endpoint(name, &format!("https://localhost:{}/v1", address.port()), &format!("ca: \"{ca}\", {members}"))
    }

    /// Adds a provider that is reached at this URL.
    #[must_use]
    pub fn endpoint(mut self, name: &str, url: &str, members: &str) -> Policy {
        writeln!(self.providers, "  {name}: {{endpoint: \"{url}\", {members}}}").expect("a String grows");
        self
    }

    /// Adds a chain over targets of provider and model; `members` are further ones of the chain.
    #[must_use]
    pub fn chain(mut self, name: &str, targets: &[(&str, &str)], members: &str) -> Policy {
        let models: Vec<String> = targets.iter().map(|(provider, model)| format!("{{provider: {provider}, model: \"{model}\"}}")).collect();
        let comma = if members.is_empty() { "" } else { ", " };
        writeln!(self.chains, "    - {{name: \"{name}\", models: [{}]{comma}{members}}}", models.join(", ")).expect("a String grows");
        self
    }

    /// Adds a chain whose targets have further members: `models` is a list as it stands in a policy.
    #[must_use]
    pub fn chain_of(mut self, name: &str, models: &str, members: &str) -> Policy {
        let comma = if members.is_empty() { "" } else { ", " };
        writeln!(self.chains, "    - {{name: \"{name}\", models: {models}{comma}{members}}}").expect("a String grows");
        self
    }

    /// Adds whole sections, such as `tenants`.
    #[must_use]
    pub fn section(mut self, text: &str) -> Policy {
        self.rest.push_str(text);
        self.rest.push('\n');
        self
    }

    /// The text of the policy; records go to `access_log`.
    pub fn text(&self, access_log: &Path) -> String {
        let mut gateway = self.gateway.clone();
        for (name, value) in [("listen", "\"127.0.0.1:0\""), ("admin", "\"127.0.0.1:0\""), ("shards", "1"), ("drain", "20s")] {
            if !self.gateway.contains(&format!(" {name}: ")) {
                write!(gateway, ", {name}: {value}").expect("a String grows");
            }
        }
        let log = access_log.display();
        let (defaults, providers, chains, rest) = (&self.defaults, &self.providers, &self.chains, &self.rest);
        format!(
            "gateway: {{access_log: \"{log}\"{gateway}}}\ndefaults: {{{defaults}}}\nproviders:\n{providers}fallback:\n  chains:\n{chains}{rest}"
        )
    }
}
