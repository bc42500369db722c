//! Streams: scanned event by event, held back until there is something to show, then passed on as
//! they come. Only whole events are passed on, so that whatever follows a cut can be read.

use super::{Agreed, Arrived, Outcome, Scene, count_answer, failure, next, write_provider_fields, write_who};
use crate::{downstream::Downstream, io::Instant, ledger::Story, meters::Spread, pool::Upstream, respond, wire::Bytes};
use codec::{
    body::Decoder,
    dialect::{self, Dialect, Ear, Event, Kind, Outcome as End},
    head::{self, Response, ResponseField},
    json::Finish,
    sse::{self, Splitter},
};
use engine::{
    Moment,
    exchange::{Exchange, State},
    judge::{self, Transport, Verdict},
};
use policy::{Class, limits};

/// Between two comments that keep a stream alive, in milliseconds.
const KEEPALIVE_MS: u64 = 10_000;

/// What a stream has shown so far.
struct Stream<'s> {
    scene: &'s Scene<'s>,
    dialect: Dialect,
    /// Reads what is not OpenAI's, and says what is to be said otherwise. Boxed: every exchange would keep room
    /// for it.
    ear: Option<Box<Ear>>,
    /// What the ear has said of the last event.
    said: Vec<u8>,
    splitter: Splitter,
    /// Events that nobody has seen; empty once committed.
    held: Vec<u8>,
    /// Events that may go out now.
    ready: Vec<u8>,
    committed: bool,
    /// A choice has ended, so that a clean end is one.
    finished: bool,
    /// The dialect's own end has come.
    over: bool,
    /// Something came that shows that the model is at work.
    alive: bool,
    /// A good end without content may be meant.
    may_say_nothing: bool,
    /// Reasoning is content, says the chain.
    reasoning_shows: bool,
    content_at: Option<Instant>,
}

/// Relays a stream.
pub(super) async fn relay(
    scene: &Scene<'_>,
    tenant: &mut Downstream,
    exchange: &mut Exchange,
    mut upstream: Upstream,
    head: &Response,
    bytes: &[u8],
    (terms, story): (Agreed, &mut Story),
) -> Outcome {
    if !is_events(head, bytes) {
        // Boxed: rare, and it would lie beside all that a stream needs.
        return Box::pin(failure::read_instead(scene, tenant, upstream, head, bytes)).await;
    }
    let Ok(mut decoder) = Decoder::new(head.framing, u64::MAX) else { return Transport::Http.into() };
    if decoder.done() {
        return Transport::Empty.into();
    }
    let chain = &scene.policy.chains[exchange.chain()];
    let mut stream = Stream::new(scene, chain.stream_reasoning, terms);
    stream.may_say_nothing = story.may_say_nothing;
    let mut by = Instant(scene.attempt.first_token_by.0);
    while !stream.over {
        let arrived = match next(scene, tenant, &mut upstream.wire, &mut by, stream.late()).await {
            Ok(arrived) => arrived,
            Err(outcome) => return stream.ended(outcome),
        };
        let verdict = match &arrived {
            Arrived::Bytes(bytes) => stream.take(&mut decoder, bytes, &mut upstream, story),
            Arrived::End | Arrived::Broken => Err(stream.end(&mut decoder)),
        };
        if stream.committed {
            if exchange_commits(exchange, story, scene) {
                by = failure::idle_by(scene);
            }
            stream.flush(tenant, exchange, head, bytes, story);
        }
        match verdict {
            Ok(()) if stream.committed || stream.alive => by = failure::idle_by(scene).max(if stream.committed { Instant(0) } else { by }),
            Ok(()) => {}
            Err(None) => break,
            Err(Some(verdict)) => return stream.ended(Outcome::Failed(verdict)),
        }
        if tenant.room(scene.shard, scene.policy.gateway.write_stall_ms).await.is_err() {
            return Outcome::HungUp;
        }
    }
    let mut out = scene.shard.io.vec();
    tenant.end_body(&mut out);
    if !out.is_empty() {
        tenant.wire.send(out);
    }
    if head.reusable {
        upstream.give_back_after(decoder);
    }
    Outcome::Answered
}

/// Tells the exchange that the user has seen something; true the first time.
fn exchange_commits(exchange: &mut Exchange, story: &mut Story, scene: &Scene<'_>) -> bool {
    if exchange.state() == State::Committed {
        return false;
    }
    exchange.commit();
    let now = Moment(scene.shard.io.now().0);
    exchange.first_token(scene.policy.prepared(), &scene.shard.process.board, scene.attempt.index, now);
    story.first_token(scene.shard);
    true
}

fn is_events(head: &Response, bytes: &[u8]) -> bool {
    head.field(bytes, ResponseField::ContentEncoding).is_none_or(|coding| coding.eq_ignore_ascii_case(b"identity"))
        && head.field(bytes, ResponseField::ContentType).is_some_and(|kind| {
            let kind = kind.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
            kind.eq_ignore_ascii_case(b"text/event-stream")
        })
}

impl<'s> Stream<'s> {
    fn new(scene: &'s Scene<'s>, reasoning_shows: bool, terms: Agreed) -> Stream<'s> {
        let dialect = scene.at.dialect();
        let to = scene.translates().then(|| (scene.surface.dialect(), scene.manner(terms.map(|terms| *terms).unwrap_or_default())));
        let listens = to.is_some() || matches!(dialect, Dialect::Anthropic | Dialect::Gemini);
        Stream {
            scene,
            dialect,
            ear: listens.then(|| Box::new(Ear::new(dialect, to))),
            said: Vec::new(),
            splitter: Splitter::new(limits::EVENT_BYTES_MAX),
            held: Vec::new(),
            ready: scene.shard.io.vec(),
            committed: false,
            finished: false,
            over: false,
            alive: false,
            may_say_nothing: false,
            reasoning_shows,
            content_at: None,
        }
    }

    /// Takes one reception in. An error is a verdict, or `None` for a clean end.
    fn take(&mut self, decoder: &mut Decoder, bytes: &Bytes, upstream: &mut Upstream, story: &mut Story) -> Result<(), Option<Verdict>> {
        let mut at = 0;
        while at < bytes.len() && !decoder.done() && !self.over {
            let step = decoder.decode(&bytes[at..]).map_err(|_| Some(judge::transport(Transport::Http)))?;
            self.events(&bytes[at + step.data.start..at + step.data.end], story).map_err(Some)?;
            at += step.used;
        }
        while at < bytes.len() && !decoder.done() {
            let Ok(step) = decoder.decode(&bytes[at..]) else { break };
            at += step.used;
        }
        upstream.wire.unread(bytes.slice(at..bytes.len()));
        if decoder.done() && !self.over { Err(self.end(decoder)) } else { Ok(()) }
    }

    /// The provider has ended. `None` when the stream is complete all the same: a server that is
    /// compatible but for the marker, which is then written for it.
    fn end(&mut self, decoder: &mut Decoder) -> Option<Verdict> {
        let clean = decoder.done() || decoder.close().is_ok();
        // Gemini's streams have no marker: the last choice's end, and then the body's, is theirs.
        let may_end = matches!(self.dialect, Dialect::Openai | Dialect::Gemini);
        if clean && may_end && self.finished && self.splitter.pending() == 0 {
            match &mut self.ear {
                Some(ear) if ear.translates() => ear.end(&mut self.ready),
                _ if self.dialect == Dialect::Openai => self.ready.extend_from_slice(dialect::openai::DONE),
                _ => {}
            }
            self.over = true;
            self.committed = true;
            return None;
        }
        Some(judge::transport(if clean { Transport::CutStream } else { Transport::ResetStream }))
    }

    fn events(&mut self, mut data: &[u8], story: &mut Story) -> Result<(), Verdict> {
        while !data.is_empty() && !self.over {
            // Taken out so that the cut may borrow it while the rest of the stream changes.
            let mut splitter = std::mem::take(&mut self.splitter);
            let cut = splitter.next(data);
            let result = match &cut {
                Err(_) => Err(judge::transport(Transport::TooLarge)),
                Ok(None) => {
                    data = &[];
                    Ok(())
                }
                Ok(Some(cut)) => {
                    self.event(cut.kind, cut.event(&splitter, data), cut.data(&splitter, data), cut.raw(&splitter, data), story)
                }
            };
            self.splitter = splitter;
            result?;
            if let Ok(Some(cut)) = cut {
                data = &data[cut.used..];
            }
        }
        Ok(())
    }

    fn event(&mut self, kind: sse::Kind, name: Option<&[u8]>, data: &[u8], raw: &[u8], story: &mut Story) -> Result<(), Verdict> {
        if kind != sse::Kind::Event {
            // Comments are the provider's keep-alive; once there is a stream they are the tenant's too.
            if self.committed {
                self.ready.extend_from_slice(raw);
            }
            return Ok(());
        }
        self.said.clear();
        let Event { kind, usage, reasoning } = match &mut self.ear {
            Some(ear) => ear.event(name, data, &mut self.said),
            None => self.dialect.classify(name, data),
        };
        if let Some(usage) = &usage {
            story.usage(usage);
        }
        self.alive |= reasoning;
        match kind {
            Kind::Content(_) => {
                self.show();
                self.gap();
            }
            Kind::Finish { reason: Finish::Error, content: None } => {
                return Err(judge::transport(Transport::ErrorEvent(Class::ServerError)));
            }
            Kind::Finish { reason: Finish::Stop, content: None } if self.says_nothing() => return Err(judge::transport(Transport::Empty)),
            // In other words, only a limit or a filter may leave nothing.
            Kind::Finish { reason: Finish::ToolCalls | Finish::Other, content: None } if self.says_nothing() && self.translates() => {
                return Err(judge::transport(Transport::Empty));
            }
            Kind::Finish { .. } => {
                self.finished = true;
                self.show();
            }
            Kind::UsageOnly if !self.scene.body.facts().include_usage && !self.translates() => return Ok(()),
            Kind::UsageOnly | Kind::Other => {}
            Kind::Quiet if reasoning && self.reasoning_shows => self.show(),
            Kind::Quiet => {}
            Kind::Error(fields) | Kind::Done(End::Failed(fields)) => return Err(self.scene.failed(&fields)),
            Kind::Malformed => return Err(judge::transport(Transport::MalformedBody)),
            Kind::Done(End::Marker) if !self.finished && !self.committed => return Err(judge::transport(Transport::Empty)),
            Kind::Done(End::Marker) if !self.finished => return Err(judge::transport(Transport::CutStream)),
            Kind::Done(End::Completed) if self.says_nothing() => return Err(judge::transport(Transport::Empty)),
            Kind::Done(_) => {
                self.finished = true;
                self.over = true;
                self.show();
            }
        }
        let shown = if self.translates() { &self.said } else { raw };
        let into = if self.committed { &mut self.ready } else { &mut self.held };
        into.extend_from_slice(shown);
        if self.held.len() > limits::STREAM_HELD_BYTES_MAX {
            self.show();
        }
        Ok(())
    }

    /// It has said nothing, and that cannot be meant.
    fn says_nothing(&self) -> bool {
        let tells = self.ear.is_some() || self.dialect == Dialect::Responses;
        tells && !self.committed && !self.may_say_nothing
    }

    fn translates(&self) -> bool {
        self.ear.as_ref().is_some_and(|ear| ear.translates())
    }

    /// The commit point: what was held may go out.
    fn show(&mut self) {
        if !std::mem::replace(&mut self.committed, true) {
            let held = std::mem::take(&mut self.held);
            self.ready.splice(0..0, held);
        }
    }

    /// Counts the time between two receptions of content.
    fn gap(&mut self) {
        let shard = self.scene.shard;
        let now = shard.io.now();
        if let Some(before) = self.content_at.replace(now).filter(|before| *before != now) {
            shard.meters().spread(Spread::Gap, now.0.saturating_sub(before.0));
        }
    }

    /// Sends what is ready, with the head before it if that is not out.
    fn flush(&mut self, tenant: &mut Downstream, exchange: &Exchange, head: &Response, bytes: &[u8], story: &mut Story) {
        let shard = self.scene.shard;
        let mut out = shard.io.vec();
        tenant.keepalive_at = Instant::FAR;
        if !tenant.head_sent {
            head::write_status(&mut out, 200);
            write_provider_fields(shard, self.scene.dialects(), tenant, head, bytes, &mut out);
            out.extend_from_slice(b"cache-control: no-cache\r\n");
            write_who(self.scene, tenant, story, exchange, &mut out);
            tenant.finish_head(&mut out, None);
            tenant.events = true;
            count_answer(shard);
        }
        tenant.send_events(shard, out, &self.ready);
        self.ready.clear();
    }

    /// The attempt ends without an answer: invisibly before the commit point, as a cut after it.
    fn ended(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Failed(verdict) if self.committed => Outcome::Cut(verdict),
            other => other,
        }
    }

    /// What silence means now.
    fn late(&self) -> Transport {
        if self.committed { Transport::IdleTimeout } else { Transport::FirstTokenTimeout }
    }
}

/// Sends a comment, with a head before it if none is out. From here on errors are events.
pub(super) fn keep_alive(scene: &Scene<'_>, tenant: &mut Downstream) {
    tenant.keepalive_at = scene.shard.io.now().plus_millis(KEEPALIVE_MS);
    let mut out = scene.shard.io.vec();
    if !tenant.head_sent {
        head::write_status(&mut out, 200);
        tenant.write_stream_type(&mut out);
        out.extend_from_slice(b"cache-control: no-cache\r\n");
        respond::write_own(&mut out, scene.asked.id, scene.surface.dialect());
        tenant.finish_head(&mut out, None);
        tenant.events = true;
    }
    tenant.send_keepalive(out);
}
