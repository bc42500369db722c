//! The last resort of a chain: a text of the operator's, in the place of an error that no request is to
//! blame for.

use crate::{
    current::Held as Serving,
    downstream::Downstream,
    ledger::Story,
    request::Ended,
    respond::{self, StandIn},
    shard::Shard,
    surface::Surface,
};
use codec::dialect::{self, Manner, Terms};
use engine::exchange::Exchange;

/// What answers call the model that has not answered.
const NAME: &str = "throwover-template";

/// The chain's text, where it has one and the request can be answered by a text.
pub(super) fn of<'p>(policy: &'p Serving, exchange: &Exchange, story: &Story) -> Option<&'p str> {
    let text = policy.chains[exchange.chain()].template.as_deref();
    text.filter(|_| story.surface.is_some_and(Surface::generates))
}

/// Answers with a text, and says that it is one.
pub(super) fn answer(shard: &Shard, tenant: &mut Downstream, exchange: &Exchange, story: &Story, text: &str) -> Ended {
    let manner = Manner {
        seed: story.id.0,
        created: shard.io.wall().0 / 1_000_000,
        model: NAME.into(),
        include_usage: false,
        input_estimate: 0,
        terms: Terms::default(),
    };
    let stream = exchange.is_stream();
    let mut said = shard.io.vec();
    dialect::write_text(story.dialect, text, manner, stream, &mut said);
    let template = StandIn { what: "template", attempts: exchange.attempts_made(), age_ms: None, stream, body: &said };
    respond::stand_in(shard, tenant, story.id, story.dialect, &template);
    Ended::Templated
}
