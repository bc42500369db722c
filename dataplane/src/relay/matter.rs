//! What an exchange asks, whoever is to answer.

use super::{Outcome, Scene, attempt};
use crate::{
    body::Body,
    connect,
    current::Held as Serving,
    downstream::{Downstream, Waiter},
    ledger::Story,
    request::Asked,
    shard::Shard,
    strike::{self, Wish},
    surface::Surface,
};
use engine::exchange::{Attempt, Exchange};
use std::rc::Rc;

/// What an exchange asks, whoever is to answer.
pub struct Matter<'a> {
    /// Where it happens.
    pub shard: &'a Rc<Shard>,
    /// The policy that the exchange began with.
    pub policy: &'a Serving,
    /// The request's head.
    pub asked: &'a Asked,
    /// The request's body.
    pub body: &'a Body<'a>,
    /// What is asked of us.
    pub surface: Surface,
    /// The answer is to be a stream.
    pub stream: bool,
    /// What the request called the model.
    pub requested: &'a str,
    /// What it asks to have happen to its first target.
    pub wished: Option<Wish>,
}

impl Matter<'_> {
    /// The parameters that an attempt is made without.
    pub fn unknown(&self, exchange: &Exchange, attempt: &Attempt) -> Vec<&'static str> {
        if self.wished.is_none() && !exchange.leaves_out() {
            return Vec::new();
        }
        exchange.without(attempt.index).chain(self.wished.map(|_| strike::MOCK_TESTING)).collect()
    }

    /// The same as one attempt sees it.
    pub fn scene<'s>(&'s self, exchange: &Exchange, attempt: &'s Attempt, unknown: &'s [&'static str]) -> Scene<'s> {
        let &Matter { policy, surface, stream, requested, .. } = self;
        let (step, member) = exchange.place(attempt.index);
        Scene {
            matter: self,
            at: surface.at(&policy.providers[attempt.provider], &policy.targets[attempt.target], stream),
            chain: exchange.chain(),
            wording: policy.chains[exchange.chain()].steps[step].members[member].wording.map(|at| &policy.wordings[at as usize]),
            turns_on: exchange.turns_on(policy.prepared()),
            unknown,
            model: policy.prepared().model_for(attempt.target, requested).unwrap_or_default(),
            bytes_max: exchange.bytes_max(policy.prepared(), attempt.index),
            attempt,
        }
    }

    /// Makes one attempt, with nothing beside it.
    pub async fn attempt(&self, scene: &Scene<'_>, tenant: &mut Downstream, exchange: &mut Exchange, story: &mut Story) -> Outcome {
        if let Some(struck) = strike::struck(scene, exchange, self.wished) {
            // Boxed: rare, and as large as all that it waits with.
            if let Some(outcome) = Box::pin(strike::land(scene, &mut Waiter::Tenant(tenant), struck)).await {
                return outcome;
            }
        }
        // Taken out first: what is matched on stays as long as its arms.
        let upstream = match connect::obtain(scene, &mut Waiter::Tenant(tenant)).await {
            Ok(upstream) => upstream,
            Err(outcome) => return outcome,
        };
        attempt(scene, tenant, exchange, upstream, story).await
    }
}
