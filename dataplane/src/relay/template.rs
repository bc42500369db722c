//! The last resort of a chain: a text of the operator's, in the place of an error that no request is to
//! blame for.

use crate::{
    current::Held as Serving, downstream::Downstream, io::Instant, ledger::Story, request::Ended, respond, shard::Shard, surface::Surface,
};
use codec::{
    dialect::{self, Manner, Terms},
    head,
};
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
    let mut out = shard.io.vec();
    tenant.keepalive_at = Instant::FAR;
    if !tenant.head_sent {
        head::write_status(&mut out, 200);
        if stream {
            tenant.write_stream_type(&mut out);
            out.extend_from_slice(b"cache-control: no-cache\r\n");
        } else {
            out.extend_from_slice(b"content-type: application/json\r\n");
        }
        respond::write_own(&mut out, story.id, story.dialect);
        respond::write_instead(&mut out, "template", exchange.attempts_made());
        tenant.write_limits(shard, story.dialect, &mut out);
        tenant.finish_head(&mut out, (!stream).then_some(said.len() as u64));
        tenant.events = stream;
    }
    if stream {
        tenant.send_events(shard, out, &said);
        let mut end = shard.io.vec();
        tenant.end_body(&mut end);
        if !end.is_empty() {
            tenant.wire.send(end);
        }
    } else {
        tenant.write_body(&mut out, &said);
        tenant.wire.send(out);
    }
    Ended::Templated
}
