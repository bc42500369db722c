//! Streams: scanned event by event, held back until there is something to show, then passed on as
//! they come. Only whole events are passed on, so that whatever follows a cut can be read.

use super::{Agreed, Arrived, Outcome, Scene, answer, count_answer, failure, form, next, write_provider_fields, write_who};
use crate::{
    downstream::{Downstream, Waiter},
    io::Instant,
    ledger::Story,
    meters::Spread,
    pool::Upstream,
    request::RequestId,
    respond,
    shard::Shard,
    wire::Bytes,
};
use codec::{
    body::Decoder,
    dialect::{self, Content, Dialect, Ear, Event, Kind, Outcome as End, form::Gatherer},
    head::{self, Response, ResponseField},
    json::Finish,
    sse::{self, Splitter},
};
use engine::{
    Moment,
    account::Ending,
    exchange::Exchange,
    judge::{self, Transport, Verdict},
};
use policy::{Class, limits};

/// Between two comments that keep a stream alive, in milliseconds.
const KEEPALIVE_MS: u64 = 10_000;

/// What a stream has shown so far.
pub(super) struct Stream<'s> {
    scene: &'s Scene<'s>,
    pub(super) decoder: Decoder,
    /// Why it ends after what is ready.
    failed: Option<Verdict>,
    dialect: Dialect,
    /// Reads what is not OpenAI's, and says what is to be said otherwise. Boxed: every exchange would keep room
    /// for it.
    ear: Option<Box<Ear>>,
    /// Gathers what is to have a form. Boxed: rare.
    gatherer: Option<Box<Gatherer>>,
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
// Not an `async fn`: one keeps room for its arguments twice.
#[allow(clippy::manual_async_fn)]
pub(super) fn relay(
    scene: &Scene<'_>,
    tenant: &mut Downstream,
    exchange: &mut Exchange,
    mut upstream: Upstream,
    head: &Response,
    bytes: &[u8],
    (terms, story): (Agreed, &mut Story),
) -> impl Future<Output = Outcome> {
    async move {
        if !is_events(head, bytes) {
            // Boxed: rare, and it would lie beside all that a stream needs.
            return Box::pin(failure::read_instead(scene, &mut Waiter::Tenant(tenant), upstream, head, bytes)).await;
        }
        let mut stream = match Stream::open(scene, head, terms, story) {
            Ok(stream) => stream,
            Err(transport) => return transport.into(),
        };
        if let Err(outcome) = stream.begin(&mut Waiter::Tenant(tenant), &mut upstream, story).await {
            return outcome;
        }
        let outcome = go_on(scene, tenant, exchange, &mut upstream, head, bytes, &mut stream, story).await;
        conclude(outcome, upstream, head, stream.decoder)
    }
}

/// The connection may carry another request after a stream that was whole.
pub(super) fn conclude(outcome: Outcome, upstream: Upstream, head: &Response, decoder: Decoder) -> Outcome {
    if head.reusable && matches!(outcome, Outcome::Answered) {
        upstream.give_back_after(decoder);
    }
    outcome
}

/// Relays a stream that has something to show, to its end.
#[allow(clippy::too_many_arguments)] // Everything that `relay` had got hold of, handed on.
pub(super) async fn go_on(
    scene: &Scene<'_>,
    tenant: &mut Downstream,
    exchange: &mut Exchange,
    upstream: &mut Upstream,
    head: &Response,
    bytes: &[u8],
    stream: &mut Stream<'_>,
    story: &mut Story,
) -> Outcome {
    exchange_commits(exchange, story, scene);
    loop {
        stream.flush(tenant, exchange, head, bytes, story);
        if let Some(verdict) = stream.failed.take() {
            return Outcome::Cut(verdict);
        }
        if tenant.room(scene.shard, scene.policy.gateway.write_stall_ms).await.is_err() {
            return Outcome::HungUp;
        }
        if stream.over {
            break;
        }
        let mut by = failure::idle_by(scene);
        match next(scene, &mut Waiter::Tenant(tenant), &mut upstream.wire, &mut by, Transport::IdleTimeout).await {
            Ok(arrived) => stream.failed = stream.arrived(arrived, upstream, story).err(),
            Err(Outcome::Failed(verdict)) => return Outcome::Cut(verdict),
            Err(outcome) => return outcome,
        }
    }
    let mut out = scene.shard.io.vec();
    tenant.end_body(&mut out);
    if !out.is_empty() {
        tenant.wire.send(out);
    }
    if let Some(gatherer) = stream.gatherer.take() {
        form::look_back(scene, &gatherer, story);
    }
    Outcome::Answered
}

/// Tells the exchange that the user has seen something.
fn exchange_commits(exchange: &mut Exchange, story: &mut Story, scene: &Scene<'_>) {
    exchange.commit();
    let now = Moment(scene.shard.io.now().0);
    exchange.first_token(scene.policy.prepared(), &scene.shard.process.board, scene.attempt.index, now);
    story.first_token(scene.shard);
}

pub(super) fn is_events(head: &Response, bytes: &[u8]) -> bool {
    head.field(bytes, ResponseField::ContentEncoding).is_none_or(|coding| coding.eq_ignore_ascii_case(b"identity"))
        && head.field(bytes, ResponseField::ContentType).is_some_and(|kind| {
            let kind = kind.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
            kind.eq_ignore_ascii_case(b"text/event-stream")
        })
}

impl<'s> Stream<'s> {
    /// A stream whose head has come.
    pub(super) fn open(scene: &'s Scene<'s>, head: &Response, terms: Agreed, story: &Story) -> Result<Stream<'s>, Transport> {
        let decoder = Decoder::new(head.framing, u64::MAX).map_err(|_| Transport::Http)?;
        if decoder.done() {
            return Err(Transport::Empty);
        }
        let dialect = scene.at.dialect();
        let gatherer = (!story.form.is_free()).then(|| Box::new(Gatherer::new(dialect, terms.as_deref().cloned().unwrap_or_default())));
        let to = scene.translates().then(|| (scene.surface.dialect(), scene.manner(terms.map(|terms| *terms).unwrap_or_default())));
        let listens = to.is_some() || matches!(dialect, Dialect::Anthropic | Dialect::Gemini);
        Ok(Stream {
            scene,
            decoder,
            failed: None,
            dialect,
            ear: listens.then(|| Box::new(Ear::new(dialect, to))),
            gatherer,
            said: Vec::new(),
            splitter: Splitter::new(limits::EVENT_BYTES_MAX),
            held: Vec::new(),
            ready: scene.shard.io.vec(),
            committed: false,
            finished: false,
            over: false,
            alive: false,
            may_say_nothing: story.may_say_nothing,
            reasoning_shows: scene.policy.chains[scene.chain].stream_reasoning,
            content_at: None,
        })
    }

    /// Waits until there is something to show; what comes of it then is the tenant's to see.
    pub(super) async fn begin(&mut self, waiter: &mut Waiter<'_>, upstream: &mut Upstream, story: &mut Story) -> Result<(), Outcome> {
        let scene = self.scene;
        let mut by = Instant(scene.attempt.first_token_by.0);
        let mut late = scene.attempt.late(Transport::FirstTokenTimeout);
        while !self.committed {
            let arrived = next(scene, waiter, &mut upstream.wire, &mut by, late).await?;
            match self.arrived(arrived, upstream, story) {
                Ok(()) if self.alive => (by, late) = (failure::idle_by(scene).max(by), Transport::FirstTokenTimeout),
                Ok(()) => {}
                Err(verdict) if self.committed => self.failed = Some(verdict),
                Err(verdict) => return Err(Outcome::Failed(verdict)),
            }
        }
        Ok(())
    }

    /// Takes in what has come of the provider.
    fn arrived(&mut self, arrived: Arrived, upstream: &mut Upstream, story: &mut Story) -> Result<(), Verdict> {
        match arrived {
            Arrived::Bytes(bytes) => self.take(&bytes, upstream, story),
            Arrived::End | Arrived::Broken => self.end(),
        }
    }

    /// Takes one reception in.
    fn take(&mut self, bytes: &Bytes, upstream: &mut Upstream, story: &mut Story) -> Result<(), Verdict> {
        let mut at = 0;
        while at < bytes.len() && !self.decoder.done() && !self.over {
            let step = self.decoder.decode(&bytes[at..]).map_err(|_| judge::transport(Transport::Http))?;
            self.events(&bytes[at + step.data.start..at + step.data.end], story)?;
            at += step.used;
        }
        while at < bytes.len() && !self.decoder.done() {
            let Ok(step) = self.decoder.decode(&bytes[at..]) else { break };
            at += step.used;
        }
        upstream.wire.unread_from(bytes, at);
        if self.decoder.done() && !self.over { self.end() } else { Ok(()) }
    }

    /// The provider has ended. The stream may be complete all the same: from a server that is compatible but
    /// for the marker, which is then written for it.
    fn end(&mut self) -> Result<(), Verdict> {
        let clean = self.decoder.done() || self.decoder.close().is_ok();
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
            return Ok(());
        }
        Err(judge::transport(if clean { Transport::CutStream } else { Transport::ResetStream }))
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
        if let Some(gatherer) = &mut self.gatherer {
            gatherer.event(name, data);
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
        if !self.committed && !self.scene.turns_on.is_empty() {
            self.turned_away(&kind)?;
        }
        match kind {
            Kind::Content(content) => {
                story.bill.piece();
                brings(story, content);
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
            Kind::Finish { reason, content } => {
                story.ends(reason.into());
                content.into_iter().for_each(|content| brings(story, content));
                self.finished = true;
                self.show();
            }
            Kind::UsageOnly if !self.scene.body.facts().include_usage && !self.translates() => return Ok(()),
            Kind::UsageOnly | Kind::Other => {}
            Kind::Quiet if reasoning && self.reasoning_shows => self.show(),
            Kind::Quiet => {}
            Kind::Error(fields) | Kind::Done(End::Failed(fields)) => return Err(self.scene.failed(&fields, data)),
            Kind::Malformed => return Err(judge::transport(Transport::MalformedBody)),
            Kind::Done(End::Marker) if !self.finished && !self.committed => return Err(judge::transport(Transport::Empty)),
            Kind::Done(End::Marker) if !self.finished => return Err(judge::transport(Transport::CutStream)),
            Kind::Done(End::Completed) if self.says_nothing() => return Err(judge::transport(Transport::Empty)),
            Kind::Done(end) => {
                match end {
                    End::Completed => story.ends(Ending::Stop),
                    End::Incomplete(why) => story.ends(why.map_or(Ending::Other, Ending::from)),
                    End::Marker | End::Failed(_) => {}
                }
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

    /// A filter's end, or a refusal, before anything else was said, where the chain has a model for that.
    #[cold]
    fn turned_away(&self, kind: &Kind) -> Result<(), Verdict> {
        let filtered = matches!(kind, Kind::Finish { reason: Finish::ContentFilter, .. });
        answer::turned_away(self.scene, filtered, *kind == Kind::Content(Content::Refusal))
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
        if let Some(keeping) = &mut story.keeping {
            keeping.take(&self.ready);
        }
        tenant.send_events(shard, out, &self.ready);
        self.ready.clear();
    }
}

/// What an answer's content tells of its end, where the end itself may not.
fn brings(story: &mut Story, content: Content) {
    match content {
        Content::Refusal => story.ends(Ending::Refusal),
        Content::Tool => story.ends(Ending::Tools),
        Content::Text | Content::Audio | Content::Untold => {}
    }
}

/// Sends a comment, with a head before it if none is out. From here on errors are events.
pub(super) fn keep_alive(scene: &Scene<'_>, waiter: &mut Waiter<'_>) {
    // A race does so for both of its attempts.
    let Waiter::Tenant(tenant) = waiter else { return };
    comment(scene.shard, tenant, scene.asked.id, scene.surface.dialect());
}

/// The same for a request of this name, in this dialect.
pub(super) fn comment(shard: &Shard, tenant: &mut Downstream, id: RequestId, spoken: Dialect) {
    tenant.keepalive_at = shard.io.now().plus_millis(KEEPALIVE_MS);
    let mut out = shard.io.vec();
    if !tenant.head_sent {
        head::write_status(&mut out, 200);
        tenant.write_stream_type(&mut out);
        out.extend_from_slice(b"cache-control: no-cache\r\n");
        respond::write_own(&mut out, id, spoken);
        tenant.finish_head(&mut out, None);
        tenant.events = true;
    }
    tenant.send_keepalive(out);
}
