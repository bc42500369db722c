//! The last resort before a text: an earlier answer to the identical request.
//!
//! Chains that have it keep a copy of each good answer, and give it once more when nobody can answer. What is kept
//! belongs to one thread off the hot cores: shards hand copies to it through a bounded queue, and ask it only when
//! everything else has failed. It is in memory alone, and ends with the process.
//!
//! Identical is what the same tenant asks of the same chain at the same path, with a body that says the same:
//! the order of members, white space and escapes do not matter, everything else does, whose user it is included.
//! Of the fields of the head, only those count that change the answer.

mod keeper;
mod shelf;

pub use keeper::start;

use crate::{
    body::Body,
    current::Policy,
    downstream::{Downstream, Gone},
    io::Instant,
    ledger::Story,
    meters::Meter,
    process::Process,
    relay::passage,
    request::{Asked, Ended},
    respond::{self, StandIn},
    shard::Shard,
    wants::Question,
};
use codec::{
    dialect::{Dialect, Tree},
    head::Field,
    json,
};
use crossbeam::queue::ArrayQueue;
use engine::exchange::{Exchange, Surrender};
use policy::limits;
use std::{
    future::poll_fn,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Poll, Waker},
    thread::Thread,
};

/// An exchange waits for so long to be told of an earlier answer, in milliseconds. The thread that tells is one
/// that lets all others go first.
const ASK_MS_MAX: u64 = 200;

/// Fields of a head that change the answer: the version and the betas of Anthropic's API.
type Fields<'q> = [Option<&'q [u8]>; 2];

/// Names a request: two have the same key only when they are identical.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// The key of a request with this body; `None` where that cannot be read. `who` and `chain` are names, which
    /// mean the same in every generation.
    pub fn of(who: Option<&str>, chain: &str, question: &Question<'_>, fields: Fields<'_>, body: &[u8]) -> Option<Key> {
        let mut hasher = blake3::Hasher::new();
        let mut part = |part: Option<&[u8]>| {
            hasher.update(&part.map_or(u64::MAX, |part| part.len() as u64).to_le_bytes());
            hasher.update(part.unwrap_or_default());
        };
        part(who.map(str::as_bytes));
        part(Some(chain.as_bytes()));
        part(Some(question.requested.as_bytes()));
        part(Some(question.surface.path().as_bytes()));
        part(Some(&[u8::from(question.stream)]));
        fields.into_iter().for_each(part);
        let mut tree = Tree::new();
        let root = tree.read(body).ok()?;
        json::canonical(root, &mut |bytes| {
            hasher.update(bytes);
        });
        Some(Key(*hasher.finalize().as_bytes()))
    }
}

/// An answer that may be worth keeping, as it goes out.
pub struct Keeping {
    key: Key,
    dialect: Dialect,
    stream: bool,
    for_ms: u64,
    /// `bytes.len() <= limits::EARLIER_BYTES_MAX`
    bytes: Vec<u8>,
    too_large: bool,
}

impl Keeping {
    /// Takes what goes out to the tenant: all of a body, or events.
    pub fn take(&mut self, bytes: &[u8]) {
        if self.too_large || self.bytes.len() + bytes.len() > limits::EARLIER_BYTES_MAX {
            self.too_large = true;
            self.bytes = Vec::new();
            return;
        }
        self.bytes.extend_from_slice(bytes);
    }
}

/// An answer on its way to be kept.
struct Kept {
    key: Key,
    dialect: Dialect,
    stream: bool,
    for_ms: u64,
    bytes: Vec<u8>,
    at: Instant,
}

/// An exchange that waits to be told.
struct Ask {
    key: Key,
    not_older_ms: u64,
    reply: Arc<Reply>,
}

struct Reply {
    found: OnceLock<Option<Found>>,
    waker: Waker,
}

/// An answer that was kept.
#[derive(Clone)]
struct Found {
    bytes: Arc<[u8]>,
    age_ms: u64,
}

/// The way to the thread that keeps.
pub struct Door {
    kept: ArrayQueue<Kept>,
    /// Bytes of those.
    waiting: AtomicU64,
    asks: ArrayQueue<Ask>,
    keeper: OnceLock<Thread>,
    answers: AtomicU64,
    bytes: AtomicU64,
}

impl Default for Door {
    fn default() -> Door {
        Door {
            kept: ArrayQueue::new(limits::EARLIER_QUEUE_MAX),
            waiting: AtomicU64::new(0),
            asks: ArrayQueue::new(limits::EARLIER_ASKS_MAX),
            keeper: OnceLock::new(),
            answers: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }
}

impl Door {
    /// How many answers are kept, and in how many bytes.
    pub fn size(&self) -> (u64, u64) {
        (self.answers.load(Relaxed), self.bytes.load(Relaxed))
    }

    /// False when too much is on its way already.
    fn hand(&self, kept: Kept) -> bool {
        let bytes = kept.bytes.len() as u64;
        if self.waiting.fetch_add(bytes, Relaxed) + bytes <= limits::EARLIER_QUEUE_BYTES_MAX as u64 && self.kept.push(kept).is_ok() {
            return true;
        }
        self.waiting.fetch_sub(bytes, Relaxed);
        false
    }

    /// Asks, and wakes the keeper; `None` when too many ask, or there is no keeper.
    fn ask(&self, key: Key, not_older_ms: u64, waker: Waker) -> Option<Arc<Reply>> {
        let keeper = self.keeper.get()?;
        let reply = Arc::new(Reply { found: OnceLock::new(), waker });
        self.asks.push(Ask { key, not_older_ms, reply: reply.clone() }).ok()?;
        keeper.unpark();
        Some(reply)
    }
}

/// Readies the exchange to keep its answer, or to be answered by an earlier one, where its chain has that and the
/// request does not forbid it.
pub fn prepare(policy: &Policy, asked: &Asked, body: &Body<'_>, question: &Question<'_>, exchange: &Exchange) -> Option<Box<Keeping>> {
    let chain = &policy.chains[exchange.chain()];
    if chain.earlier_ms == 0 || !question.surface.generates() || is_forbidden(asked) {
        return None;
    }
    let who = asked.tenant.map(|id| policy.tenants[id].name.as_str());
    let mut joined = Vec::new();
    let key = Key::of(who, &chain.name, question, fields(asked), passage::contiguous(&body.held, &mut joined))?;
    let dialect = question.surface.dialect();
    Some(Box::new(Keeping { key, dialect, stream: question.stream, for_ms: chain.earlier_ms, bytes: Vec::new(), too_large: false }))
}

/// RFC 9111, section 5.2.1: a request may say that it is not to be stored (`no-store`), or not to be answered by
/// what was (`no-cache`). Either has both here.
fn is_forbidden(asked: &Asked) -> bool {
    let Some(control) = asked.head.find(&asked.bytes, "cache-control") else { return false };
    let word = |word: &[u8]| word.trim_ascii().eq_ignore_ascii_case(b"no-store") || word.trim_ascii().eq_ignore_ascii_case(b"no-cache");
    control.split(|&byte| byte == b',').any(word)
}

fn fields(asked: &Asked) -> Fields<'_> {
    [asked.field(Field::AnthropicVersion), asked.field(Field::AnthropicBeta)]
}

/// Hands the answer of an exchange over that ended well.
pub fn keep(shard: &Shard, ended: &Ended, story: &mut Story) {
    let Some(keeping) = story.keeping.take() else { return };
    if *ended != Ended::Answered || story.flawed || keeping.too_large || keeping.bytes.is_empty() {
        return;
    }
    let Keeping { key, dialect, stream, for_ms, bytes, .. } = *keeping;
    let handed = shard.process.earlier.hand(Kept { key, dialect, stream, for_ms, bytes, at: shard.io.now() });
    shard.meters().count(if handed { Meter::EarlierHanded } else { Meter::EarlierDropped });
}

/// An earlier answer, in the place of an error that no request is to blame for; `None` when there is none.
pub async fn instead(shard: &Shard, tenant: &mut Downstream, exchange: &Exchange, story: &Story, surrender: &Surrender) -> Option<Ended> {
    let keeping = story.keeping.as_ref()?;
    let Surrender::Own(own) = surrender else { return None };
    if own.is_mistake() {
        return None;
    }
    // Boxed: rare, and every exchange would keep room for it.
    match Box::pin(find(shard, tenant, keeping)).await {
        Err(Gone) => Some(Ended::HungUp),
        Ok(None) => {
            shard.meters().count(Meter::EarlierMissed);
            None
        }
        Ok(Some(found)) => {
            let (attempts, age_ms) = (exchange.attempts_made(), Some(found.age_ms));
            let earlier = StandIn { what: "earlier", attempts, age_ms, stream: keeping.stream, body: &found.bytes };
            respond::stand_in(shard, tenant, story.id, story.dialect, &earlier);
            Some(Ended::Earlier)
        }
    }
}

/// What is kept, as far as it is told in time.
async fn find(shard: &Shard, tenant: &mut Downstream, keeping: &Keeping) -> Result<Option<Found>, Gone> {
    tenant.timer.reset(shard.io.now().plus_millis(ASK_MS_MAX));
    let mut reply = None;
    poll_fn(|cx| {
        let door = &shard.process.earlier;
        let Some(reply) = reply.get_or_insert_with(|| door.ask(keeping.key, keeping.for_ms, cx.waker().clone())) else {
            return Poll::Ready(Ok(None));
        };
        if let Some(found) = reply.found.get() {
            return Poll::Ready(Ok(found.clone()));
        }
        if tenant.wire.poll_gone(cx) {
            return Poll::Ready(Err(Gone));
        }
        if tenant.timer.poll_expired(cx) { Poll::Ready(Ok(None)) } else { Poll::Pending }
    })
    .await
}

/// Both gauges, by name.
pub fn gauges(process: &Process) -> [(&'static str, u64); 2] {
    let (answers, bytes) = process.earlier.size();
    [("earlier_answers", answers), ("earlier_bytes", bytes)]
}

#[cfg(test)]
mod tests;
