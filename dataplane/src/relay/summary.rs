//! What is left out of a prompt, summed up by a model that the policy names.
//!
//! It is asked in an exchange of its own, beside the one that it is for: with a credential, a place, a breaker and a
//! verdict like any other, in one attempt that nobody waits long for. Whatever goes wrong with it leaves the prompt to
//! be made to fit without a summary; only the tenant's hang-up ends both.

use super::{
    Matter, Outcome, Scene, answer, conclude,
    passage::contiguous,
    race::{self, Notes, Ready, Shown},
    stream,
};
use crate::{
    body::Body,
    current::Held as Serving,
    downstream::{Downstream, Gone},
    held::Pooled,
    ledger::Story,
    meters::Meter,
    request::{Asked, Underway},
    shard::Shard,
    strike,
    surface::Surface,
};
use codec::{
    dialect::{
        self, Dialect, Means, Rope, Terms, Tree,
        compact::{self, Compacted, Useless},
    },
    head,
    json::Str,
};
use engine::{
    Moment, account,
    decide::{self, Ask, Wants},
    exchange::{
        Exchange, Next, Skip,
        compact::{Summing, prompt_bytes_max},
    },
    judge::{self, Transport},
    moment::NS_PER_MS,
};
use policy::{ChainId, Tokens, limits};
use std::{
    cell::Cell,
    future::{Future, poll_fn},
    pin::pin,
    rc::Rc,
    task::Poll,
};

/// What is said to a model that sums up, apart from what it sums up, has fewer bytes.
const QUESTION_BYTES: u64 = 1_024;
/// The head of a request of the gateway's own.
const HEAD: &[u8] = b"POST /v1/chat/completions HTTP/1.1\r\nhost: throwover\r\n\r\n";

/// What is left out of a prompt, in a few words, or why there are none. One for an exchange.
pub struct Summary {
    /// As JSON has it, escaped; empty when there is none.
    text: Vec<u8>,
    /// What is written down of it.
    pub told: account::Summary,
}

impl Summary {
    /// What stands in the place of what was left out.
    pub(super) fn text(&self) -> Option<Str<'_>> {
        Some(Str::escaped(&self.text)).filter(|text| !text.is_empty())
    }

    /// Tokens that it took, as its provider counted them.
    pub fn tokens(&self) -> u64 {
        u64::from(self.told.tokens_in) + u64::from(self.told.tokens_out)
    }
}

/// Why there is no summary.
enum Without {
    /// The tenant went away.
    Gone,
    /// The word that records use.
    Why(&'static str),
}

impl Without {
    fn word(&self) -> &'static str {
        match self {
            Without::Gone => "hung_up",
            Without::Why(why) => why,
        }
    }
}

impl From<&'static str> for Without {
    fn from(why: &'static str) -> Without {
        Without::Why(why)
    }
}

impl From<Gone> for Without {
    fn from(_: Gone) -> Without {
        Without::Gone
    }
}

impl From<Useless> for Without {
    fn from(useless: Useless) -> Without {
        Without::Why(useless.word())
    }
}

/// What is asked of the model that sums up.
struct Question {
    /// In OpenAI's words.
    body: Vec<u8>,
    /// Tokens that it is taken for.
    tokens: u32,
    /// Most tokens of the answer.
    tokens_max: u64,
    /// Most bytes of the summary.
    bytes_max: u64,
}

/// Has what is left out of the prompt summed up; what came of it is in the story.
///
/// # Errors
/// The tenant went away.
#[cold]
pub async fn summarise(
    matter: &Matter<'_>,
    tenant: &mut Downstream,
    exchange: &Exchange,
    summing: Summing,
    story: &mut Story,
) -> Result<(), Gone> {
    let shard = matter.shard;
    let began = shard.io.now();
    let mut told = account::Summary::default();
    let made = made(matter, tenant, exchange, summing, story, &mut told).await;
    told.ms = u32::try_from(shard.io.now().0.saturating_sub(began.0) / NS_PER_MS).unwrap_or(u32::MAX);
    let gone = matches!(made, Err(Without::Gone));
    let text = made.unwrap_or_else(|without| {
        told.why = without.word();
        Vec::new()
    });
    told.bytes = text.len() as u32;
    shard.meters().count(if text.is_empty() { Meter::SummariesFailed } else { Meter::Summaries });
    story.summary = Some(Rc::new(Summary { text, told }));
    if gone { Err(Gone) } else { Ok(()) }
}

async fn made(
    matter: &Matter<'_>,
    tenant: &mut Downstream,
    exchange: &Exchange,
    summing: Summing,
    story: &mut Story,
    told: &mut account::Summary,
) -> Result<Vec<u8>, Without> {
    let (shard, policy) = (matter.shard, matter.policy);
    let now = Moment(shard.io.now().0);
    let ms = summing.until.since(now) / NS_PER_MS;
    if ms < limits::SUMMARY_MS_MIN {
        return Err("late".into());
    }
    let name = &policy.chains[summing.chain].name;
    let question = question(matter, exchange, &summing, name)?;
    let ask = Ask {
        tenant: exchange.tenant(),
        model: name,
        field: &|_| None,
        chain: None,
        deadline_ms: Some(ms),
        stream: false,
        wants: Wants { tokens: question.tokens, charge: question.tokens, ..Wants::default() },
        started: now,
    };
    let beside = decide::decide_aside(policy.prepared(), &ask, summing.chain, &shard.process.board, now);
    let tokens = Tokens { input: question.tokens.into(), output: question.tokens_max, ..Tokens::default() };
    if !story.bill.reserve_more(shard, policy, &beside, &tokens) {
        return Err("budget".into());
    }
    let Question { body, tokens, bytes_max, .. } = question;
    let body = Body::own(shard, body).ok_or("no_room")?;
    let Ok(Some((head, _))) = head::request(HEAD, HEAD.len()) else { return Err("no_room".into()) };
    let asked = Asked { head, bytes: Pooled::copy(&shard.io, HEAD), tenant: exchange.tenant(), received: shard.io.now(), id: story.id };
    let aside = Matter { shard, policy, asked: &asked, body: &body, surface: Surface::Chat, stream: false, requested: name, wished: None };
    let mut underway = Underway { shard, policy, exchange: None };
    let beside = underway.exchange.insert(beside);
    let whole = ms >= limits::SUMMARY_MS_MAX;
    loop {
        let attempt = match beside.next(policy.prepared(), &shard.process.board, Moment(shard.io.now().0), &mut || shard.io.random()) {
            Next::Attempt(attempt) => attempt,
            // Its one attempt has failed, or nobody can be asked.
            Next::Wait(_) | Next::Summarise(_) | Next::Surrender(_) => return Err(why_not(beside).into()),
        };
        told.target = Some(attempt.target);
        let unknown = aside.unknown(beside, &attempt);
        let scene = aside.scene(beside, &attempt, &unknown);
        let mut own = story.aside(tokens.into());
        let came = asked_once(&scene, tenant, beside, story, &mut own, (bytes_max, whole)).await;
        told.cost = told.cost + story.bill.absorb(&own.bill);
        (told.tokens_in, told.tokens_out) = own.tokens();
        if let Some(came) = came {
            return came;
        }
    }
}

/// One attempt; `None` when it failed, and the exchange knows whether it is made again.
async fn asked_once(
    scene: &Scene<'_>,
    tenant: &mut Downstream,
    beside: &mut Exchange,
    story: &Story,
    own: &mut Story,
    (bytes_max, whole): (u64, bool),
) -> Option<Result<Vec<u8>, Without>> {
    let shard = scene.shard;
    let notes = Cell::<Notes>::default();
    let struck = strike::struck(scene, beside, None);
    let came = watched(shard, tenant, story, race::ready(scene, struck, own, &notes)).await;
    let Notes { sent, head } = notes.get();
    if let Some(sent) = sent {
        shard.meters().count(Meter::Attempts);
        beside.sent(scene.attempt.index, Moment(sent.0));
    }
    if let Some((status, at)) = head {
        beside.head(scene.attempt.index, status, Moment(at.0));
    }
    let outcome = match came {
        Err(Gone) => {
            // What was sent is paid for by the prompt.
            own.bill.answered(shard, 0);
            return Some(Err(Without::Gone));
        }
        Ok(Ok(Ready { upstream, head, shown: Shown::Answer(answer::Answer::Whole(held, said)), .. })) => {
            if head.reusable {
                upstream.give_back();
            }
            conclude(scene, beside, Outcome::Answered, own);
            own.bill.answered(shard, held.len() as u64);
            let mut joined = Vec::new();
            let body = said.as_deref().unwrap_or_else(|| contiguous(&held, &mut joined));
            let answer = dialect::read_answer(Dialect::Openai, body, &mut Tree::new(), &Terms::default());
            return Some(match answer {
                Ok(answer) => compact::read_summary(&answer, bytes_max).map_err(Without::from),
                Err(_) => Err("malformed".into()),
            });
        }
        Ok(Ok(_)) => Transport::TooLarge.into(),
        // It had all the time that there is for one, and was silent: that is news of it.
        Ok(Err(Outcome::Failed(verdict))) if whole && verdict.detail == judge::transport(Transport::Deadline).detail => {
            Transport::FirstTokenTimeout.into()
        }
        Ok(Err(outcome)) => outcome,
    };
    conclude(scene, beside, outcome, own);
    None
}

/// Why nobody is asked, or asked again.
fn why_not(beside: &Exchange) -> &'static str {
    let failed = beside.trail().iter().rev().find_map(|attempt| match attempt.end {
        engine::exchange::End::Failed(class) => Some(class.word()),
        _ => None,
    });
    let skipped = || beside.candidates().iter().find_map(|candidate| candidate.skip()).map_or("no_target", Skip::word);
    failed.unwrap_or_else(skipped)
}

/// Waits for `work` unless the tenant goes away, which drops it; comments keep its connection alive meanwhile.
async fn watched<T>(shard: &Shard, tenant: &mut Downstream, story: &Story, work: impl Future<Output = T>) -> Result<T, Gone> {
    let mut work = pin!(work);
    loop {
        tenant.timer.reset(tenant.keepalive_at);
        let done = poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Ok(Some(done)));
            }
            if tenant.wire.poll_gone(cx) {
                return Poll::Ready(Err(Gone));
            }
            if tenant.timer.poll_expired(cx) { Poll::Ready(Ok(None)) } else { Poll::Pending }
        })
        .await?;
        match done {
            Some(done) => return Ok(done),
            None => stream::comment(shard, tenant, story.id, story.dialect),
        }
    }
}

/// What is asked: what is going to be left out, as much of it as the model can read.
fn question(matter: &Matter<'_>, exchange: &Exchange, summing: &Summing, name: &str) -> Result<Question, Without> {
    let policy = matter.policy;
    let keep_turns = policy.chains[exchange.chain()].compact.map_or(0, |compact| compact.keep_turns.into());
    let (mut joined, mut tree) = (Vec::new(), Tree::new());
    let unreadable = "unreadable";
    let root = tree.read(contiguous(&matter.body.held, &mut joined)).map_err(|_| unreadable)?;
    let prompt = dialect::read_prompt(matter.surface.dialect(), root, matter.stream).map_err(|_| unreadable)?;
    let bytes_max = compact::room(&prompt, keep_turns, summing.bytes_max).min(limits::SUMMARY_BYTES_MAX);
    let (window, answer_max) = reader(policy, summing.chain);
    let tokens_max = (bytes_max / limits::BYTES_PER_TOKEN).min(limits::SUMMARY_TOKENS_MAX).min(answer_max);
    let read_max = prompt_bytes_max(window, None, u32::try_from(tokens_max).unwrap_or(u32::MAX)).saturating_sub(QUESTION_BYTES);
    let left = summing.bytes_max.saturating_sub(bytes_max);
    let transcript = compact::transcript(&prompt, keep_turns, left, read_max.min(limits::SUMMARISED_BYTES_MAX) as usize);
    if bytes_max < limits::SUMMARY_BYTES_MIN || transcript.is_empty() {
        return Err("no_room".into());
    }
    let mut rope = Rope::new(b"", Vec::with_capacity(transcript.len() + 2 * QUESTION_BYTES as usize));
    dialect::write_prompt(Dialect::Openai, &compact::question(Str::escaped(&transcript), tokens_max), &Means::of(name), &mut rope);
    let body = rope.finish().join(b"");
    let tokens = u32::try_from(body.len() as u64 / limits::BYTES_PER_TOKEN).unwrap_or(u32::MAX);
    Ok(Question { body, tokens, tokens_max, bytes_max })
}

/// The tokens that whoever sums up can read with its answer, and those that its answer may have.
fn reader(policy: &Serving, chain: ChainId) -> (u32, u64) {
    let targets = || policy.chains[chain].steps.iter().flat_map(|step| &step.members).map(|member| &policy.targets[member.target]);
    let window = targets().map(|target| target.context_window.unwrap_or(limits::SUMMARY_WINDOW_USUAL)).min();
    let answer = targets().filter_map(|target| target.understands.output_max).min();
    (window.unwrap_or(limits::SUMMARY_WINDOW_USUAL), answer.map_or(u64::MAX, u64::from))
}

/// Writes who has summed up what was left out, or why nobody has.
pub(super) fn write_field(policy: &Serving, summary: Option<&Summary>, compacted: &Compacted, out: &mut Vec<u8>) {
    let Some(told) = summary.map(|summary| &summary.told) else { return };
    let by = told.target.map(|target| policy.targets[target].name.as_str()).filter(|_| compacted.summary > 0);
    match by {
        // A name may hold what cannot stand in a head.
        Some(name) if name.bytes().all(|byte| byte.is_ascii_graphic()) => {
            out.extend_from_slice(b" summary_by=");
            out.extend_from_slice(name.as_bytes());
        }
        Some(_) => out.extend_from_slice(b" summary_by=?"),
        None => {
            out.extend_from_slice(b" no_summary=");
            out.extend_from_slice(if told.why.is_empty() { b"no_room" } else { told.why.as_bytes() });
        }
    }
    out.extend_from_slice(b" summary_ms=");
    head::write_number(out, told.ms.into());
}
