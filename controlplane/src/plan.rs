//! A policy by names: what validation has understood, and compilation has only to number.

use policy::{Backoff, Balance, Breaker, Patience, Predicate, Roots, Secret, ServerIdentity, Triggers};
use std::collections::BTreeMap;

/// Everything that one generation decides, by names.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What the process does as a whole.
    pub gateway: policy::Gateway,
    /// What tenants are shown.
    pub identity: Option<ServerIdentity>,
    /// Providers that the policy declares or uses.
    pub providers: BTreeMap<String, Provider>,
    /// Targets by `provider/model`.
    pub targets: BTreeMap<String, Target>,
    /// Chains by name, those that follow from the policy included.
    pub chains: BTreeMap<String, Chain>,
    /// Names that requests may give: the chain, and whether it is listed.
    pub names: BTreeMap<String, (String, bool)>,
    /// Routes in order.
    pub routes: Vec<Route>,
    /// Who may ask.
    pub tenants: Vec<policy::Tenant>,
}

/// A provider by names.
#[derive(Clone, Debug)]
pub struct Provider {
    /// How it speaks.
    pub dialect: policy::Dialect,
    /// Where it is, TLS apart.
    pub origin: policy::Origin,
    /// Whom to trust there; `None` is plain HTTP.
    pub roots: Option<Roots>,
    /// Begins every path.
    pub base_path: String,
    /// How a credential is presented.
    pub auth: policy::Auth,
    /// Credentials.
    pub keys: Vec<Key>,
    /// Most attempts in flight.
    pub in_flight_max: u32,
    /// Further fields of every request.
    pub headers: Vec<(String, String)>,
    /// Where it processes data.
    pub regions: Vec<String>,
    /// Why none of its targets can be asked.
    pub disabled: Option<String>,
}

/// A credential.
#[derive(Clone, Debug)]
pub struct Key {
    /// What keeps its id over generations: the reference, never the secret.
    pub identity: String,
    /// Its bytes.
    pub secret: Secret,
    /// Share of the attempts.
    pub weight: u32,
}

/// A target by names.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its provider.
    pub provider: String,
    /// What is asked for there.
    pub model: policy::Model,
    /// What is known about the model.
    pub facts: crate::catalogue::Facts,
    /// Why it is never asked.
    pub disabled: Option<String>,
}

/// A chain by names.
#[derive(Clone, Debug)]
pub struct Chain {
    /// Targets in order.
    pub steps: Vec<Step>,
    /// What is changed about failures.
    pub triggers: Triggers,
    /// Most attempts.
    pub attempts_max: u8,
    /// Waits.
    pub backoff: Backoff,
    /// Phases.
    pub patience: Patience,
    /// When a target is left alone.
    pub breaker: Breaker,
    /// Reasoning is shown as it comes.
    pub stream_reasoning: bool,
}

/// One position of a chain.
#[derive(Clone, Debug)]
pub struct Step {
    /// How one is picked.
    pub balance: Balance,
    /// Target and weight.
    pub members: Vec<(String, u32)>,
}

/// A route by names.
#[derive(Clone, Debug)]
pub struct Route {
    /// For explanations.
    pub name: String,
    /// Who asks, by name.
    pub tenant: Option<String>,
    /// What must hold, tenant apart.
    pub when: Predicate,
    /// The chain.
    pub chain: String,
}
