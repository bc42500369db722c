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
    /// By tenant: the chain that its requests take once so much of its budget is spent.
    pub cheaper: BTreeMap<String, String>,
    /// Faults that are made on purpose.
    pub chaos: Option<Chaos>,
    /// `provider/model` as it was written, and the target that is asked in its place.
    pub renamed: BTreeMap<String, String>,
}

/// A provider by names.
#[derive(Clone, Debug)]
pub struct Provider {
    /// How it speaks.
    pub dialect: policy::Dialect,
    /// What it understands without translation.
    pub speaks: policy::Speaks,
    /// What it does differently.
    pub quirks: codec::dialect::Quirks,
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
    /// Further attempts.
    pub retries: policy::Retries,
    /// How many attempts a target may have in flight.
    pub concurrency: policy::Concurrency,
    /// Further fields of every request.
    pub headers: Vec<(String, String)>,
    /// Where it processes data.
    pub regions: Vec<String>,
    /// What is looked at to know whether it is well.
    pub checks: Vec<policy::Check>,
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
    /// Requests in a minute; 0 is no limit.
    pub requests_per_minute: u64,
    /// Tokens in a minute; 0 is no limit.
    pub tokens_per_minute: u64,
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
    /// What makes requests one session over all steps.
    pub affinity: Option<policy::chain::Affinity>,
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
    /// What a target cannot be told is left out.
    pub drop_params: bool,
    /// Vectors of different lengths may come.
    pub mix_dimensions: bool,
    /// The most that a million tokens may cost; 0 is no limit.
    pub price_max: policy::Price,
    /// What is said when no target could answer.
    pub template: Option<String>,
    /// A second attempt beside a slow first one.
    pub hedge: Option<policy::Hedge>,
    /// The share of requests that is tried first at a later target, in thousandths.
    pub standby_permille: u32,
    /// How old an answer to the identical request may be that stands in for an error, in milliseconds; 0 is none.
    pub earlier_ms: u64,
    /// How a prompt is made to fit that nobody can read whole.
    pub compact: Option<Compact>,
}

/// How a prompt is made to fit, by names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compact {
    /// The last turns, which stay as they are.
    pub keep_turns: u8,
    /// The chain that is asked to sum up what is left out.
    pub summary: Option<String>,
}

/// One position of a chain.
#[derive(Clone, Debug)]
pub struct Step {
    /// How one is picked.
    pub balance: Balance,
    /// Targets.
    pub members: Vec<Member>,
    /// Asked only after a failure of one of these classes.
    pub after: policy::ClassSet,
    /// Requests of one session go to one member.
    pub affinity: Option<policy::chain::Affinity>,
}

impl Step {
    /// A step that is asked as its turn comes.
    pub const fn of(balance: Balance, members: Vec<Member>) -> Step {
        Step { balance, members, after: policy::ClassSet::EMPTY, affinity: None }
    }
}

/// A target within a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Which.
    pub target: String,
    /// Share of the load.
    pub weight: u32,
    /// What is said differently here.
    pub wording: Wording,
}

/// What a request is given in addition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wording {
    /// Text before the system prompt.
    pub prefix: Option<String>,
    /// Text behind it.
    pub suffix: Option<String>,
    /// Members that are set whatever the request says.
    pub params: serde_json::Map<String, serde_json::Value>,
}

impl Wording {
    /// This, and of `other` what this does not say.
    pub fn over(mut self, other: &Wording) -> Wording {
        self.prefix = self.prefix.or_else(|| other.prefix.clone());
        self.suffix = self.suffix.or_else(|| other.suffix.clone());
        for (name, value) in &other.params {
            self.params.entry(name.clone()).or_insert_with(|| value.clone());
        }
        self
    }

    /// Its texts, and the names of its members with what is set, in bytes and roughly.
    pub fn size(&self) -> usize {
        let texts = [&self.prefix, &self.suffix].into_iter().flatten().map(String::len).sum::<usize>();
        texts + if self.params.is_empty() { 0 } else { self.sealed().and_then(|wording| wording.set).map_or(0, |set| set.len()) }
    }

    /// The same for the data plane; `None` when nothing is said.
    pub fn sealed(&self) -> Option<policy::Wording> {
        let set = (!self.params.is_empty()).then(|| {
            let object = serde_json::to_string(&self.params).expect("names and values are JSON");
            object[1..object.len() - 1].to_owned()
        });
        let wording = policy::Wording { prefix: self.prefix.clone(), suffix: self.suffix.clone(), set };
        (wording != policy::Wording::default()).then_some(wording)
    }

    /// What was sealed.
    ///
    /// # Errors
    /// Its members are no JSON: the journal is damaged.
    pub fn unsealed(sealed: &policy::Wording) -> serde_json::Result<Wording> {
        let object = format!("{{{}}}", sealed.set.as_deref().unwrap_or_default());
        Ok(Wording { prefix: sealed.prefix.clone(), suffix: sealed.suffix.clone(), params: serde_json::from_str(&object)? })
    }
}

impl Member {
    /// A target without a wording of its own.
    pub fn of(target: String, weight: u32) -> Member {
        Member { target, weight, wording: Wording::default() }
    }
}

/// Faults on purpose, by names.
#[derive(Clone, Debug, PartialEq)]
pub struct Chaos {
    /// When they are over, in milliseconds since 1970.
    pub until_ms: u64,
    /// Targets, the share of their attempts in thousandths, and what happens.
    pub strikes: Vec<(Vec<String>, u32, policy::Blow)>,
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
