//! JSON answers: held until they are complete and checked, then sent whole. Beyond
//! [`limits::ANSWER_HELD_BYTES_MAX`] an answer commits where it stands and passes through.

use super::{
    Agreed, Arrived, Outcome, Scene, count, count_answer, embeddings, failure, form, next, passage, write_provider_fields, write_who,
};
use crate::{
    downstream::{Downstream, Waiter},
    held::Held,
    io::Instant,
    ledger::Story,
    meters::Meter,
    pool::Upstream,
    surface::Surface,
    wire::Bytes,
};
use codec::{
    body::Decoder,
    dialect::{self, Dialect},
    head::{self, Framing, Response, ResponseField},
    json,
};
use engine::{
    account::Ending,
    exchange::Exchange,
    judge::{self, Transport, Verdict},
};
use policy::{Class, limits};

/// An answer that may be shown.
pub(super) enum Answer {
    /// The whole of it, and what it says in the client's language where that is another.
    Whole(Held, Option<Vec<u8>>),
    /// What has come of one that is too large to be held.
    Part(Box<Part>),
}

/// What has come of an answer that is too large to be held.
pub(super) struct Part {
    decoder: Decoder,
    held: Held,
    beyond: Vec<u8>,
}

/// Relays a JSON answer.
// Not an `async fn`: one keeps room for its arguments twice.
#[allow(clippy::manual_async_fn)]
pub(super) fn relay(
    scene: &Scene<'_>,
    tenant: &mut Downstream,
    exchange: &mut Exchange,
    mut upstream: Upstream,
    head: &Response,
    head_bytes: &[u8],
    (terms, story): (Agreed, &mut Story),
) -> impl Future<Output = Outcome> {
    async move {
        match receive(scene, &mut Waiter::Tenant(tenant), &mut upstream, head, head_bytes, (terms, story)).await {
            Ok(Answer::Whole(held, told)) => {
                conclude(scene, tenant, exchange, upstream, head, head_bytes, (held, told), story);
                Outcome::Answered
            }
            // Boxed: rare, and as large as all the rest of this.
            Ok(Answer::Part(part)) => Box::pin(pass(scene, tenant, exchange, upstream, head, head_bytes, part, story)).await,
            Err(outcome) => outcome,
        }
    }
}

/// Receives an answer, and checks it, until it may be shown.
// Not an `async fn`: one keeps room for its arguments twice.
#[allow(clippy::manual_async_fn)]
pub(super) fn receive(
    scene: &Scene<'_>,
    waiter: &mut Waiter<'_>,
    upstream: &mut Upstream,
    head: &Response,
    head_bytes: &[u8],
    (terms, story): (Agreed, &mut Story),
) -> impl Future<Output = Result<Answer, Outcome>> {
    async move {
        if !is_json(head, head_bytes) {
            return Err(Transport::WrongContentType.into());
        }
        let Ok(mut decoder) = Decoder::new(head.framing, limits::BODY_BYTES_MAX as u64) else { return Err(Transport::TooLarge.into()) };
        if matches!(head.framing, Framing::Length(length) if length as usize > limits::BODY_INLINE_BYTES) {
            upstream.wire.bulk();
        }
        let mut held = Held::default();
        let mut beyond = Vec::new();
        while !decoder.done() {
            // Who drips is never silent, and must not take the time of those who were not asked.
            let (idle, end) = (failure::idle_by(scene), Instant(scene.attempt.first_token_by.0));
            let late = if idle < end { Transport::IdleTimeout } else { Transport::FirstTokenTimeout };
            let received = match next(scene, waiter, &mut upstream.wire, &mut idle.min(end), late).await {
                Ok(Arrived::Bytes(received)) => received,
                // Without a length, the JSON itself tells whether this is all.
                Ok(Arrived::End | Arrived::Broken) if decoder.close().is_ok() => break,
                Ok(Arrived::End | Arrived::Broken) => return Err(Transport::ResetStream.into()),
                Err(outcome) => return Err(outcome),
            };
            if let Err(transport) = take(scene, &mut decoder, &mut held, &mut beyond, &received, upstream) {
                return Err(transport.into());
            }
            if !decoder.done() {
                held.settle(&scene.shard.io);
            }
            let translated = scene.translates();
            if translated && (held.len() > limits::ANSWER_TRANSLATED_BYTES_MAX || !beyond.is_empty()) {
                return Err(Transport::TooLarge.into());
            }
            // Neither a large answer nor a full memory is the provider's fault: both commit.
            if !translated && (held.len() > limits::ANSWER_HELD_BYTES_MAX || !beyond.is_empty()) {
                return Ok(Answer::Part(Box::new(Part { decoder, held, beyond })));
            }
        }
        let told = match scene.at.dialect() {
            _ if scene.translates() && scene.surface.embeds() => embeddings::read(scene, &held, story).map(Some),
            _ if scene.translates() && scene.surface.counts() => count::read(scene, &held).map(Some),
            Dialect::Openai | Dialect::Responses if !scene.translates() => check(scene, &held, story).map(|()| None),
            _ if !scene.surface.generates() => check(scene, &held, story).map(|()| None),
            dialect => read(scene, dialect, &held, terms, story),
        };
        told.map(|told| Answer::Whole(held, told)).map_err(Outcome::Failed)
    }
}

/// Sends a whole answer.
#[allow(clippy::too_many_arguments)] // Everything that was got hold of until here.
pub(super) fn conclude(
    scene: &Scene<'_>,
    tenant: &mut Downstream,
    exchange: &mut Exchange,
    upstream: Upstream,
    head: &Response,
    head_bytes: &[u8],
    (held, told): (Held, Option<Vec<u8>>),
    story: &mut Story,
) {
    exchange.commit();
    match told {
        None => deliver(scene, tenant, exchange, head, head_bytes, &held, story),
        Some(body) => deliver_anew(scene, tenant, exchange, head, head_bytes, &body, story),
    }
    count_answer(scene.shard);
    if head.reusable {
        upstream.give_back();
    }
}

pub(super) fn is_json(head: &Response, bytes: &[u8]) -> bool {
    head.field(bytes, ResponseField::ContentEncoding).is_none_or(|coding| coding.eq_ignore_ascii_case(b"identity"))
        && head.field(bytes, ResponseField::ContentType).is_none_or(|kind| {
            let kind = kind.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
            kind.eq_ignore_ascii_case(b"application/json")
        })
}

/// Takes one reception in. What the shard's budget has no room for goes to `beyond`, and all that
/// follows it in this reception.
fn take(
    scene: &Scene<'_>,
    decoder: &mut Decoder,
    held: &mut Held,
    beyond: &mut Vec<u8>,
    bytes: &Bytes,
    upstream: &mut Upstream,
) -> Result<(), Transport> {
    let mut at = 0;
    while at < bytes.len() && !decoder.done() {
        let step = decoder.decode(&bytes[at..]).map_err(|_| Transport::Http)?;
        let data = at + step.data.start..at + step.data.end;
        if !beyond.is_empty() || held.push(&scene.shard.io, &scene.shard.arena, bytes, data.clone()).is_err() {
            beyond.extend_from_slice(&bytes[data]);
        }
        at += step.used;
    }
    // Bytes behind the answer: `give_back` sees them and the connection is not used again.
    upstream.wire.unread_from(bytes, at);
    Ok(())
}

/// Reads what the answer says before anybody else does.
fn check(scene: &Scene<'_>, held: &Held, story: &mut Story) -> Result<(), Verdict> {
    let mut scan = json::AnswerScan::new();
    let malformed = |_| judge::transport(Transport::MalformedBody);
    if held.is_empty() {
        return Err(judge::transport(Transport::Empty));
    }
    for slice in held.slices() {
        scan.feed(slice).map_err(malformed)?;
    }
    let facts = scan.finish().map_err(malformed)?;
    // First of all: what is of no use was counted as well.
    if let Some(usage) = &facts.usage {
        story.usage(usage);
    }
    if scene.surface.generates() {
        ending(facts).into_iter().for_each(|ending| story.ends(ending));
    }
    let failed = facts.status == Some(json::Status::Failed);
    if facts.error || failed {
        let mut joined = Vec::new();
        let body = passage::contiguous(held, &mut joined);
        return Err(scene.failed(&dialect::read_error(body), body));
    }
    let choices = matches!(scene.surface, Surface::Chat | Surface::Completions);
    if choices && facts.choices_count == 0 {
        return Err(judge::transport(Transport::Empty));
    }
    let completed = scene.surface == Surface::Responses && facts.status == Some(json::Status::Completed);
    if completed && !facts.has_content() && !story.may_say_nothing {
        return Err(judge::transport(Transport::Empty));
    }
    // What it gave up on is no answer, whatever it has said of it.
    if facts.finish == Some(json::Finish::Error) {
        let mut joined = Vec::new();
        let body = passage::contiguous(held, &mut joined);
        return Err(scene.failed(&dialect::read_ending(body), body));
    }
    if !story.form.is_free() || !scene.turns_on.is_empty() && scene.surface.generates() {
        let mut joined = Vec::new();
        let body = passage::contiguous(held, &mut joined);
        let answer = dialect::read_answer(scene.at.dialect(), body, &mut dialect::Tree::new(), &dialect::Terms::default());
        let answer = answer.map_err(|failure| judged(scene, failure, body))?;
        heeded(scene, &answer)?;
        return form::heeded(scene, &story.form, &answer);
    }
    Ok(())
}

/// How an answer says that it ended. One of Responses says why only where it was not done.
fn ending(facts: &json::AnswerFacts) -> Option<Ending> {
    let done = (facts.status == Some(json::Status::Completed)).then_some(if facts.tool { Ending::Tools } else { Ending::Stop });
    let refused = facts.refusal.then_some(Ending::Refusal);
    refused.or(facts.finish.map(Ending::from)).or(done)
}

/// An answer that is none in the eyes of a chain that has a model for that.
fn heeded(scene: &Scene<'_>, answer: &dialect::answer::Answer) -> Result<(), Verdict> {
    if scene.turns_on.is_empty() {
        return Ok(());
    }
    let filtered = answer.choices.iter().any(|choice| choice.finish == Some(json::Finish::ContentFilter));
    turned_away(scene, filtered, answer.refuses())
}

/// A filter's end or a refusal, where the chain has a model for that. Some dialects tell of either by the same
/// word.
pub(super) fn turned_away(scene: &Scene<'_>, filtered: bool, refused: bool) -> Result<(), Verdict> {
    let (filter, refusal) = (scene.turns_on.contains(Class::ContentFilter), scene.turns_on.contains(Class::Refusal));
    match () {
        () if refused && refusal || filtered && refusal && !filter => Err(judge::transport(Transport::Refused)),
        () if filtered && filter => Err(judge::transport(Transport::Filtered)),
        () => Ok(()),
    }
}

/// Reads an answer that is not OpenAI's, or not to stay so: what it says in the client's language, where
/// that is another.
fn read(scene: &Scene<'_>, dialect: Dialect, held: &Held, terms: Agreed, story: &mut Story) -> Result<Option<Vec<u8>>, Verdict> {
    if held.is_empty() {
        return Err(judge::transport(Transport::Empty));
    }
    let mut joined = Vec::new();
    let body = passage::contiguous(held, &mut joined);
    let terms = terms.map(|terms| *terms).unwrap_or_default();
    let answer = dialect::read_answer(dialect, body, &mut dialect::Tree::new(), &terms).map_err(|failure| judged(scene, failure, body))?;
    if let Some(usage) = &answer.usage {
        story.usage(usage);
    }
    let ended = |reason: &[json::Finish]| answer.choices.iter().any(|choice| choice.finish.is_some_and(|found| reason.contains(&found)));
    let shows = answer.has_content() || answer.untold && !scene.translates();
    // What came before it would be taken for all.
    if ended(&[json::Finish::Error]) {
        let fields = dialect::read_ending(body);
        // Without a word of why, nothing is all that it says.
        return Err(if !shows && fields == json::ErrorFields::default() {
            judge::transport(Transport::Empty)
        } else {
            scene.failed(&fields, body)
        });
    }
    // Some dialects always have a choice. Without content, a limit or a filter is an answer in other words, and
    // in its own whatever does not say that all was well.
    let meant = match scene.translates() {
        true => ended(&[json::Finish::Length, json::Finish::ContentFilter]),
        false => !answer.choices.iter().all(|choice| choice.finish == Some(json::Finish::Stop)),
    };
    if answer.choices.is_empty() || !shows && !meant && !story.may_say_nothing {
        return Err(judge::transport(Transport::Empty));
    }
    heeded(scene, &answer)?;
    form::heeded(scene, &story.form, &answer)?;
    answer.choices.iter().filter_map(|choice| choice.finish).for_each(|finish| story.ends(finish.into()));
    if answer.refuses() {
        story.ends(Ending::Refusal);
    }
    Ok(scene.translates().then(|| {
        let mut out = Vec::with_capacity(body.len() + 512);
        dialect::write_answer(scene.surface.dialect(), &answer, &scene.manner(terms), &mut out);
        out
    }))
}

/// Why an answer is none.
pub(super) fn judged(scene: &Scene<'_>, failure: dialect::Failure, body: &[u8]) -> Verdict {
    match failure {
        dialect::Failure::Error(fields) => scene.failed(&fields, body),
        dialect::Failure::Malformed => judge::transport(Transport::MalformedBody),
    }
}

/// Sends an answer that was said anew.
fn deliver_anew(
    scene: &Scene<'_>,
    tenant: &mut Downstream,
    exchange: &Exchange,
    head: &Response,
    bytes: &[u8],
    body: &[u8],
    story: &mut Story,
) {
    let mut out = scene.shard.io.vec();
    head::write_status(&mut out, head.status);
    write_provider_fields(scene.shard, scene.dialects(), tenant, head, bytes, &mut out);
    write_who(scene, tenant, story, exchange, &mut out);
    tenant.finish_head(&mut out, Some(body.len() as u64));
    if let Some(keeping) = &mut story.keeping {
        keeping.take(body);
    }
    tenant.write_body(&mut out, body);
    tenant.wire.send(out);
}

fn deliver(scene: &Scene<'_>, tenant: &mut Downstream, exchange: &Exchange, head: &Response, bytes: &[u8], held: &Held, story: &mut Story) {
    let mut out = scene.shard.io.vec();
    head::write_status(&mut out, head.status);
    write_provider_fields(scene.shard, scene.dialects(), tenant, head, bytes, &mut out);
    write_who(scene, tenant, story, exchange, &mut out);
    tenant.finish_head(&mut out, Some(held.len() as u64));
    if let Some(keeping) = &mut story.keeping {
        held.slices().for_each(|slice| keeping.take(slice));
    }
    if held.len() <= limits::BODY_INLINE_BYTES {
        held.write(&mut out);
        tenant.wire.send(out);
    } else {
        tenant.wire.send(out);
        held.send_range(0..held.len(), &scene.shard.io, &mut tenant.wire);
    }
    tenant.sent += held.len() as u64;
}

/// Passes an answer through that is too large to be held: from here on it cannot be failed over.
#[allow(clippy::too_many_arguments)] // Everything that `relay` had got hold of, handed on.
pub(super) async fn pass(
    scene: &Scene<'_>,
    tenant: &mut Downstream,
    exchange: &mut Exchange,
    mut upstream: Upstream,
    head: &Response,
    head_bytes: &[u8],
    part: Box<Part>,
    story: &mut Story,
) -> Outcome {
    let Part { mut decoder, held, beyond } = *part;
    exchange.commit();
    if !story.form.is_free() {
        scene.shard.meters().count(Meter::Unchecked);
    }
    let mut out = scene.shard.io.vec();
    head::write_status(&mut out, head.status);
    write_provider_fields(scene.shard, scene.dialects(), tenant, head, head_bytes, &mut out);
    write_who(scene, tenant, story, exchange, &mut out);
    let length = if let Framing::Length(length) = head.framing { Some(length) } else { None };
    tenant.finish_head(&mut out, length);
    tenant.wire.send(out);
    let mut part = Vec::with_capacity(held.len() + beyond.len());
    held.write(&mut part);
    part.extend_from_slice(&beyond);
    drop(held);
    loop {
        tenant.send_part(scene.shard.io.vec(), &part);
        if tenant.room(scene.shard, scene.policy.gateway.write_stall_ms).await.is_err() {
            return Outcome::HungUp;
        }
        if decoder.done() {
            break;
        }
        let mut by = failure::idle_by(scene);
        part.clear();
        match next(scene, &mut Waiter::Tenant(tenant), &mut upstream.wire, &mut by, Transport::IdleTimeout).await {
            Ok(Arrived::Bytes(bytes)) => {
                let mut at = 0;
                while at < bytes.len() && !decoder.done() {
                    let Ok(step) = decoder.decode(&bytes[at..]) else { return Outcome::Cut(judge::transport(Transport::Http)) };
                    part.extend_from_slice(&bytes[at + step.data.start..at + step.data.end]);
                    at += step.used;
                }
                upstream.wire.unread_from(&bytes, at);
            }
            Ok(Arrived::End) if decoder.close().is_ok() => break,
            Ok(Arrived::End | Arrived::Broken) => return Outcome::Cut(judge::transport(Transport::ResetStream)),
            Err(Outcome::Failed(verdict)) => return Outcome::Cut(verdict),
            Err(outcome) => return outcome,
        }
    }
    let mut end = scene.shard.io.vec();
    tenant.end_body(&mut end);
    if !end.is_empty() {
        tenant.wire.send(end);
    }
    if head.reusable {
        upstream.give_back();
    }
    Outcome::Answered
}
