//! The board: the live state that every shard sees and that survives a publish, by stable ids.
//!
//! One row per target, provider and credential, each on cache lines of its own, in tables that are
//! as large at the end as they were at the start; rows of targets and tenants by pages, which are
//! made when a policy is adopted that needs them. Rows are atomics and nothing is locked. Each
//! word stands for itself: no two of them are read as one truth, so relaxed orderings do, except
//! where a comment says otherwise. The breaker argues its own orderings.

use crate::{
    allowance::Allowance,
    breaker::Seat,
    budget::Purse,
    credential::{Credential, current, moment_of, pack, unpack},
    exchange::Session,
    hedges::Allotment,
    limit::Limit,
    moment::{Moment, NS_PER_MS, NS_PER_US},
    pace::Size,
    pages::Pages,
    queue::{Look, Queue},
    quota::Quota,
    retries::Budget,
    shares::Shares,
    standing::Standing,
    waiting::{AGAIN_NS, LOOK_NS, Overdue, Past, QUIET_NS_MIN, Slot, Watch, Watchman},
};
use policy::{ChainId, Class, Degradation, KeyId, ProviderId, Snapshot, TargetId, TenantId, id::Id, limits};
use std::sync::{
    OnceLock,
    atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
};

/// Time constant of the average time to first token, in nanoseconds.
pub const AVERAGE_TAU_NS: u64 = 10_000 * NS_PER_MS;
/// What a failure counts as in that average, so that a target that fails fast does not look fast.
pub const FAILURE_NS: u64 = 5_000 * NS_PER_MS;

/// Between two attempts at one target that its breaker would refuse, in nanoseconds.
const FORCED_EVERY_NS: u64 = 1_000 * NS_PER_MS;
/// With less time than this left, it matters how quickly a target usually answers, in nanoseconds.
const HURRY_NS: u64 = 60_000 * NS_PER_MS;

/// Sessions that are remembered, where a policy has them stay: half a MiB.
const HOMES: usize = 1 << 16;
const TARGET_MASK: u64 = (1 << 14) - 1;

/// Rows of tenants that are made at once.
const TENANTS_PER_PAGE: usize = 256;
/// Rows of targets that are made at once.
const TARGETS_PER_PAGE: usize = 64;

/// The rows.
#[derive(Debug)]
pub struct Board {
    /// By pages, which most policies touch one or two of.
    targets: Box<[OnceLock<Box<[TargetRow]>>]>,
    /// How many there may be.
    target_count: usize,
    providers: Box<[ProviderRow]>,
    keys: Box<[Credential]>,
    /// Where a provider has several credentials.
    standings: Pages<Standing>,
    /// Where a chain has a standby: its requests, to be shared out.
    turns: Pages<AtomicU64>,
    /// Where sessions stay: `what tells them (50 bits) | target (14 bits)`, and one more than that target.
    homes: OnceLock<Box<[AtomicU64]>>,
    /// Of every chain, where a policy has one that asks twice.
    hedges: OnceLock<Box<[Allotment]>>,
    /// By pages as well.
    tenants: Box<[OnceLock<Box<[TenantRow]>>]>,
}

/// What is known of one target.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct TargetRow {
    /// Its breaker.
    pub breaker: Seat,
    /// How many attempts it takes at once.
    pub limit: Limit,
    pause: AtomicU64,
    /// As a pause; see [`TargetRow::spent`].
    spent: AtomicU64,
    /// As a pause, with a [`Degradation`] in the place of the class.
    degraded: AtomicU64,
    attempts: AtomicU64,
    failures: AtomicU64,
    /// `microseconds (32 bits) | moment in milliseconds (32 bits)`; 0 is unknown.
    average: AtomicU64,
    /// As a pause: when, and which class.
    failed: AtomicU64,
    in_flight: AtomicU32,
    turn: AtomicU32,
    /// When it was last asked in spite of its breaker, in nanoseconds; 0 is never.
    forced: AtomicU64,
    /// When an attempt here last began to answer, in nanoseconds.
    heard: AtomicU64,
    watchman: Watchman,
    queue: Queue,
    /// Streams, up to their first token.
    streams: Watch,
    /// Answers that are whole, up to their end.
    wholes: Watch,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct ProviderRow {
    in_flight: AtomicU32,
    retries: Budget,
    /// Whose they are, where there are several tenants.
    shares: OnceLock<Box<Shares>>,
}

/// What one tenant has taken.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct TenantRow {
    /// Of its requests in a minute.
    pub requests: Allowance,
    /// Of its tokens in a minute.
    pub tokens: Allowance,
    /// Of its budget.
    pub purse: Purse,
}

/// Why something is left alone, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Until then.
    pub until: Moment,
    /// The class of the failure that asked for it.
    pub class: Class,
}

impl Pause {
    /// Milliseconds that are left of it at `now`, to be told. `until` was rounded up to the
    /// microsecond when it was written down; rounded up again, a minute would be told as 60,001 ms.
    pub const fn ms_left(self, now: Moment) -> u64 {
        Moment(self.until.0.saturating_sub(NS_PER_US - 1)).ms_from(now)
    }
}

/// Of two moments the later counts. True when the earlier one was past by then, or there was none:
/// nobody tells twice of what goes on.
fn spare(word: &AtomicU64, until: Moment, now: Moment) -> bool {
    let before = word.fetch_max(pack(until, Class::RateLimit as u8), Relaxed);
    unpack(before).is_none_or(|pause| pause.until <= now)
}

impl Board {
    /// A board with so many rows, all of them blank.
    pub fn new(targets: usize, providers: usize, keys: usize) -> Board {
        Board {
            targets: (0..targets.div_ceil(TARGETS_PER_PAGE)).map(|_| OnceLock::new()).collect(),
            target_count: targets,
            providers: (0..providers).map(|_| ProviderRow::default()).collect(),
            keys: (0..keys).map(|_| Credential::default()).collect(),
            standings: Pages::new(keys),
            turns: Pages::new(limits::CHAINS_MAX),
            homes: OnceLock::new(),
            hedges: OnceLock::new(),
            tenants: (0..limits::TENANTS_MAX.div_ceil(TENANTS_PER_PAGE)).map(|_| OnceLock::new()).collect(),
        }
    }

    /// A board that fits every policy within the limits: about 2.2 MiB, and 108 KiB more for every
    /// 64 targets that there are.
    pub fn full() -> Board {
        Board::new(limits::TARGETS_MAX, limits::PROVIDERS_MAX, limits::KEYS_MAX)
    }

    /// True when there is a row for every id of `snapshot`; asked before it is served.
    pub fn fits(&self, snapshot: &Snapshot) -> bool {
        snapshot.targets.slots() <= self.target_count
            && snapshot.providers.slots() <= self.providers.len()
            && snapshot.providers.iter().flat_map(|(_, provider)| &provider.keys).all(|key| key.id.index() < self.keys.len())
    }

    /// The row of a target. `id` is of a snapshot that [`Board::fits`]; the first question about a page
    /// makes it, which [`Board::seat`] does before a shard can ask.
    pub fn target(&self, id: TargetId) -> &TargetRow {
        let page =
            self.targets[id.index() / TARGETS_PER_PAGE].get_or_init(|| (0..TARGETS_PER_PAGE).map(|_| TargetRow::default()).collect());
        &page[id.index() % TARGETS_PER_PAGE]
    }

    /// Blanks the row of a target whose id the compiler has freed. Attempts in flight stay
    /// counted, since they will still end.
    pub fn forget(&self, id: TargetId) {
        let row = self.target(id);
        row.breaker.reset();
        for word in [&row.pause, &row.spent, &row.degraded, &row.attempts, &row.failures, &row.average, &row.failed, &row.forced] {
            word.store(0, Relaxed);
        }
        row.limit.reset();
        row.queue.reset();
        row.streams.reset();
        row.wholes.reset();
    }

    /// What a tenant has taken. `id` is of a snapshot, so below [`limits::TENANTS_MAX`]; the first
    /// question about a page makes it, which [`Board::seat`] does before a shard can ask.
    pub fn tenant(&self, id: TenantId) -> &TenantRow {
        let page =
            self.tenants[id.index() / TENANTS_PER_PAGE].get_or_init(|| (0..TENANTS_PER_PAGE).map(|_| TenantRow::default()).collect());
        &page[id.index() % TENANTS_PER_PAGE]
    }

    /// The target that a session stays with, as far as is known.
    pub fn home(&self, session: Session) -> Option<TargetId> {
        let homes = self.homes.get()?;
        let (at, tag) = session.place(homes.len());
        let word = homes[at].load(Relaxed);
        (word >> 14 == tag && word & TARGET_MASK != 0).then(|| TargetId((word & TARGET_MASK) as u32 - 1))
    }

    /// Has a session stay with a target. Who comes later to the same place is remembered instead.
    pub fn settle(&self, session: Session, target: TargetId) {
        let Some(homes) = self.homes.get() else { return };
        let (at, tag) = session.place(homes.len());
        let word = tag << 14 | (u64::from(target.0) + 1) & TARGET_MASK;
        // A load first: most requests find their session where it is.
        if homes[at].load(Relaxed) != word {
            homes[at].store(word, Relaxed);
        }
    }

    /// Makes the rows that `snapshot` needs, off the shards: this allocates.
    pub fn seat(&self, snapshot: &Snapshot) {
        let stays = |affinity: &policy::chain::Affinity| affinity.stays;
        let mut affinities =
            snapshot.chains.iter().flat_map(|(_, chain)| chain.steps.iter().map(|step| &step.affinity).chain([&chain.affinity]));
        if affinities.any(|affinity| affinity.as_ref().is_some_and(stays)) {
            self.homes.get_or_init(|| (0..HOMES).map(|_| AtomicU64::new(0)).collect());
        }
        if snapshot.chains.iter().any(|(_, chain)| chain.hedge.is_some()) {
            self.hedges.get_or_init(|| (0..limits::CHAINS_MAX).map(|_| Allotment::default()).collect());
        }
        for (id, _) in snapshot.targets.iter() {
            self.target(id);
        }
        for (id, provider) in snapshot.providers.iter() {
            for key in provider.keys.iter().filter(|_| provider.keys.len() > 1) {
                self.standing(key.id);
            }
            if snapshot.is_shared() {
                self.shares(id);
            }
        }
        for (id, _) in snapshot.chains.iter().filter(|(_, chain)| chain.standby_permille > 0) {
            self.turns.row(id.index());
        }
        for (id, _) in snapshot.tenants.iter().filter(|(_, tenant)| tenant.is_counted()) {
            self.tenant(id);
        }
    }

    /// Blanks the row of a tenant whose id the compiler has freed.
    pub fn forget_tenant(&self, id: TenantId) {
        let row = self.tenant(id);
        row.requests.reset();
        row.tokens.reset();
        row.purse.reset();
    }

    /// Attempts in flight at a provider.
    pub fn in_flight(&self, id: ProviderId) -> u32 {
        self.providers[id.index()].in_flight.load(Relaxed)
    }

    /// Takes a place at a provider, unless `max` are taken. Who enters leaves, exactly once.
    pub fn try_enter(&self, id: ProviderId, max: u32) -> bool {
        let seats = &self.providers[id.index()].in_flight;
        // Counting first and giving back is one instruction where there is room; at the edge two
        // shards may refuse each other, but never both enter.
        if seats.fetch_add(1, Relaxed) < max {
            return true;
        }
        seats.fetch_sub(1, Relaxed);
        false
    }

    /// Gives a place at a provider back.
    pub fn leave(&self, id: ProviderId) {
        let before = self.providers[id.index()].in_flight.fetch_sub(1, Relaxed);
        assert!(before > 0, "an attempt left {id:?} that never entered");
    }

    /// Whose attempts are in flight at a provider. The first question makes the counters, which
    /// [`Board::seat`] does before a shard can ask.
    pub fn shares(&self, id: ProviderId) -> &Shares {
        self.providers[id.index()].shares.get_or_init(Box::default)
    }

    /// The number of this request of a chain, counting up.
    pub(crate) fn take_turn(&self, id: ChainId) -> u64 {
        self.turns.row(id.index()).fetch_add(1, Relaxed)
    }

    /// What is known of a credential's account, beside its pauses. The first question about a page makes it,
    /// which [`Board::seat`] does before a shard can ask.
    pub fn standing(&self, id: KeyId) -> &Standing {
        self.standings.row(id.index())
    }

    /// What further attempts at a provider are taken out of.
    pub fn retries(&self, id: ProviderId) -> &Budget {
        &self.providers[id.index()].retries
    }

    /// What second attempts of a chain's requests are taken out of; `None` where no chain makes any.
    pub fn hedges(&self, id: ChainId) -> Option<&Allotment> {
        self.hedges.get().map(|hedges| &hedges[id.index()])
    }

    /// What is known of a credential. `id` is of a snapshot that [`Board::fits`].
    #[inline]
    pub fn credential(&self, id: KeyId) -> &Credential {
        &self.keys[id.index()]
    }

    /// Leaves a credential alone until `until`. Of two pauses for one reason the longer counts.
    pub fn pause_key(&self, id: KeyId, until: Moment, class: Class) {
        self.credential(id).pause(until, class);
    }

    /// Whether a credential is left alone at `now`.
    pub fn key_pause(&self, id: KeyId, now: Moment) -> Option<Pause> {
        self.credential(id).paused(now)
    }

    /// True when a credential was refused, or its account cannot pay.
    pub fn key_disabled(&self, id: KeyId, now: Moment) -> bool {
        self.key_pause(id, now).is_some_and(|pause| matches!(pause.class, Class::Auth | Class::QuotaExhausted | Class::Permission))
    }

    /// Leaves a credential alone for one target until `until`: it is good for others.
    pub fn deny_key(&self, id: KeyId, target: TargetId, until: Moment, class: Class) {
        self.credential(id).deny(target, until, class);
    }

    /// Whether a credential is left alone at `now`, for everything or for `target`, by its provider's word.
    #[inline]
    pub fn key_refused(&self, id: KeyId, target: TargetId, now: Moment) -> Option<Pause> {
        self.credential(id).refused(target, now)
    }

    /// Of the targets that a credential is left alone for at `now`, the one that lasts longest.
    pub fn key_denied(&self, id: KeyId, now: Moment) -> Option<Pause> {
        self.credential(id).denied(now)
    }

    /// Spares a credential until `until`, as [`TargetRow::spare`] does a target.
    pub fn spare_key(&self, id: KeyId, until: Moment, now: Moment) -> bool {
        self.credential(id).spare(until, now)
    }

    /// Whether nothing remains of a credential's limits at `now`, as [`TargetRow::spent`].
    pub fn key_spent(&self, id: KeyId, now: Moment) -> Option<Moment> {
        self.credential(id).spent(now)
    }

    /// What was used of a credential's own limits.
    #[inline]
    pub fn quota(&self, id: KeyId) -> &Quota {
        &self.credential(id).quota
    }

    /// Uses a credential again: its bytes were replaced, or the operator says so.
    pub fn restore_key(&self, id: KeyId) {
        self.credential(id).restore();
        if let Some(standing) = self.standings.known(id.index()) {
            standing.reset();
        }
    }
}

impl TargetRow {
    /// Leaves the target alone until `until`. Of two pauses the longer counts.
    pub fn pause(&self, until: Moment, class: Class) {
        self.pause.fetch_max(pack(until, class as u8), Relaxed);
    }

    /// Whether the target is left alone at `now`.
    pub fn paused(&self, now: Moment) -> Option<Pause> {
        current(&self.pause, now)
    }

    /// Ends a pause before its time, on the operator's word.
    pub fn resume(&self) {
        self.pause.store(0, Relaxed);
        self.spent.store(0, Relaxed);
    }

    /// Spares the target until `until`: a pause in advance, which nobody but the provider's own count
    /// of what remains asked for. True when it was not spared before.
    pub fn spare(&self, until: Moment, now: Moment) -> bool {
        spare(&self.spent, until, now)
    }

    /// Until when nothing remains of its limits, as its provider says, when that is after `now`. Unlike
    /// a pause it refuses nobody who has no other target.
    pub fn spent(&self, now: Moment) -> Option<Moment> {
        current(&self.spent, now).map(|pause| pause.until)
    }

    /// Has others asked first until `until`, on the control plane's word, which replaces what it said
    /// before. It lapses by itself: who has said it may be gone.
    pub fn degrade(&self, until: Moment, reason: Degradation) {
        self.degraded.store(pack(until, reason as u8), Relaxed);
    }

    /// Takes that back.
    pub fn restore(&self) {
        self.degraded.store(0, Relaxed);
    }

    /// Until when others are asked first, and why, when that is after `now`.
    pub fn degraded(&self, now: Moment) -> Option<(Moment, Degradation)> {
        let word = self.degraded.load(Relaxed);
        if word == 0 {
            return None;
        }
        let reason = *Degradation::ALL.get((word & 0xff) as usize)?;
        Some((moment_of(word), reason)).filter(|(until, _)| now < *until)
    }

    /// Attempts in flight.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// Attempts that ended, and how many of them failed.
    pub fn totals(&self) -> (u64, u64) {
        (self.attempts.load(Relaxed), self.failures.load(Relaxed))
    }

    /// The last failure: when, and which class.
    pub fn last_failure(&self) -> Option<(Moment, Class)> {
        unpack(self.failed.load(Relaxed)).map(|pause| (pause.until, pause.class))
    }

    /// The number of this turn, counting up; who shares a load in turn asks here.
    pub(crate) fn take_turn(&self) -> u32 {
        self.turn.fetch_add(1, Relaxed)
    }

    fn watch(&self, stream: bool) -> &Watch {
        if stream { &self.streams } else { &self.wholes }
    }

    pub(crate) fn begin(&self, stream: bool, now: Moment) -> Option<Slot> {
        self.in_flight.fetch_add(1, Relaxed);
        let watch = self.watch(stream);
        watch.hush.begun(now);
        watch.waiting.take(now)
    }

    /// The first token of a stream, or the end of a whole answer, has come so long after the attempt
    /// began.
    pub(crate) fn answered(&self, stream: bool, size: Size, slot: Option<Slot>, ns: u64, now: Moment) {
        let watch = self.watch(stream);
        watch.pace.observe(size, ns, now);
        let silent_ns = now.since(Moment(self.heard.load(Relaxed))).min(ns);
        self.heard.store(now.0, Relaxed);
        self.spoke(now);
        // A shorter pause would change nothing.
        if silent_ns > QUIET_NS_MIN / 2 {
            watch.paused(silent_ns, now);
        }
        if let Some(slot) = slot {
            watch.waiting.give_back(slot);
        }
    }

    /// Something has come, be it an answer or an error: it is not silent.
    #[inline]
    pub(crate) fn spoke(&self, now: Moment) {
        self.streams.heard(now);
        self.wholes.heard(now);
    }

    /// For how long nothing at all has come of the attempts that wait, in nanoseconds, when that is long enough for
    /// others to be asked first.
    #[inline]
    pub(crate) fn silence_ns(&self, stream: bool, now: Moment) -> Option<u64> {
        self.watch(stream).silence_ns(now)
    }

    #[cfg(test)]
    pub(crate) fn is_silent(&self, stream: bool, now: Moment) -> bool {
        self.watch(stream).is_silent(now)
    }

    /// Another was asked instead, since it is silent.
    pub(crate) fn keep_away(&self, stream: bool) {
        self.watch(stream).hush.keep();
    }

    /// An attempt was given up after so long, since another had answered: it would have taken longer still.
    pub(crate) fn outrun(&self, stream: bool, size: Size, ns: u64, now: Moment) {
        self.watch(stream).pace.observe(size, ns, now);
        self.observe(ns, now);
    }

    /// The time within which this share of such answers has begun, or, of whole ones, ended, in nanoseconds;
    /// `None` while too little is known.
    pub(crate) fn usual_ns(&self, stream: bool, size: Size, share: f64, now: Moment) -> Option<u64> {
        self.watch(stream).pace.quantile_at(size, share, now)
    }

    /// True when it may be asked in spite of its breaker.
    pub(crate) fn may_be_forced(&self, now: Moment) -> bool {
        let last = self.forced.load(Relaxed);
        last == 0 || now.since(Moment(last)) >= FORCED_EVERY_NS
    }

    /// Takes the one attempt of this second that may be made in spite of the breaker; false when somebody
    /// else was faster.
    pub(crate) fn take_force(&self, now: Moment) -> bool {
        let last = self.forced.load(Relaxed);
        self.may_be_forced(now) && self.forced.compare_exchange(last, now.0.max(1), Relaxed, Relaxed).is_ok()
    }

    /// True for one caller now and then, who looks at what is overdue.
    #[inline]
    pub(crate) fn is_watched(&self, now: Moment) -> bool {
        self.watchman.is_due(now)
    }

    /// The attempts in flight that should have answered long ago, and when to look again. A stream may take
    /// `first_token_ns` at most, a whole answer `deadline_ns`. Where there are `others` to turn to, silence is
    /// enough, see [`crate::waiting`].
    pub(crate) fn overdue(&self, first_token_ns: u64, deadline_ns: u64, others: bool, now: Moment) -> Overdue {
        let queued_ns = if self.queue.is_suspected() { self.average_ns(now).unwrap_or(0.0) as u64 } else { 0 };
        let past = Past { known: self.breaker.opened(), heard: Moment(self.heard.load(Relaxed)), queued_ns };
        let streams = self.streams.look(first_token_ns, others, past, now);
        let wholes = self.wholes.look(deadline_ns, others, past, now);
        let overdue = streams.0.overdue.and(wholes.0.overdue);
        let mut silent = streams.1.overdue.and(wholes.1.overdue);
        let mut next_ns = [streams.0, streams.1, wholes.0, wholes.1].map(|sight| sight.next_ns).into_iter().fold(LOOK_NS, u64::min);
        if silent.in_row > 0 {
            next_ns = AGAIN_NS;
            if !self.watchman.confirms(past.heard, now) {
                silent = Overdue::default();
            }
        }
        self.watchman.look_after(next_ns, now);
        let worse = overdue.or(silent);
        // Who was kept away from a target that has turned out to be silent would wait there as well.
        let kept = if worse.in_row > 0 { self.streams.hush.kept().saturating_add(self.wholes.hush.kept()) } else { 0 };
        worse.and(Overdue { all: kept, in_row: kept })
    }

    /// So many are enough in flight, when attempts queue. Asked by whoever looks at what is overdue.
    pub(crate) fn queues(&self, now: Moment) -> Option<u32> {
        let usual = |watch: &Watch| watch.pace.quantile(0.5, now);
        let look = Look {
            waiting: self.streams.waiting.count().saturating_add(self.wholes.waiting.count()),
            in_flight: self.in_flight(),
            ends: self.attempts.load(Relaxed),
            lately_ns: self.average_ns(now)? as u64,
            usual_ns: usual(&self.streams).or_else(|| usual(&self.wholes))?,
            limited: self.limit.is_soft() && self.limit.most(now).is_some(),
        };
        self.queue.look(&look, now)
    }

    /// When an attempt is overdue, in nanoseconds after it began and at most `ceiling_ns`; `None` while too
    /// little is known.
    pub(crate) fn overdue_ns(&self, stream: bool, ceiling_ns: u64, now: Moment) -> Option<u64> {
        self.watch(stream).overdue_ns(ceiling_ns, now)
    }

    /// Attempts that are counted as waiting for their first token, or for their end.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> u32 {
        self.streams.waiting.count() + self.wholes.waiting.count()
    }

    /// Nothing is to be seen of how long an attempt takes.
    pub(crate) fn let_be(&self, stream: bool, slot: Option<Slot>) {
        if let Some(slot) = slot {
            self.watch(stream).waiting.give_back(slot);
        }
    }

    pub(crate) fn end(&self, stream: bool, slot: Option<Slot>) {
        self.let_be(stream, slot);
        self.attempts.fetch_add(1, Relaxed);
        let before = self.in_flight.fetch_sub(1, Relaxed);
        assert!(before > 0, "an attempt ended that never began");
    }

    pub(crate) fn note_failure(&self, class: Class, now: Moment) {
        self.failures.fetch_add(1, Relaxed);
        self.note_class(class, now);
    }

    /// Says why it is left alone, of attempts that have not ended.
    pub(crate) fn note_class(&self, class: Class, now: Moment) {
        self.failed.store(pack(now, class as u8), Relaxed);
    }

    /// Takes a time to first token into the average. A larger one counts at once, a smaller one by
    /// and by: `average = max(sample, average * e^(-dt/tau) + sample * (1 - e^(-dt/tau)))`.
    pub fn observe(&self, sample_ns: u64, now: Moment) {
        let sample = (sample_ns as f64).min(f64::from(u32::MAX) * NS_PER_US as f64);
        let seen = self.average.load(Relaxed);
        let mixed = match unpack_average(seen, now) {
            None => sample,
            Some((average, decay)) => sample.max(average * decay + sample * (1.0 - decay)),
        };
        // At least one microsecond, since zero is unknown.
        let us = ((mixed / NS_PER_US as f64) as u64).clamp(1, u64::from(u32::MAX));
        // A sample that loses the race against another is dropped: both are of the same moment.
        let _lost_to_another_sample = self.average.compare_exchange(seen, us << 32 | stamp(now), Relaxed, Relaxed);
    }

    /// The usual time to an answer, be it a stream's first token or a whole one, where that is longer than
    /// `most` nanoseconds: the median, once enough is known. Nobody who has a minute is in a hurry, and for
    /// them nothing is counted.
    pub fn slower_than(&self, most: u64, stream: bool, size: Size, now: Moment) -> Option<u64> {
        if most > HURRY_NS || self.watch(stream).pace.is_within(most) {
            return None;
        }
        self.usual_ns(stream, size, 0.5, now).filter(|usual| *usual > most)
    }

    /// The time within which this share of streams has begun to answer, in nanoseconds; `None` while
    /// too little is known. Counted from the begin of an attempt, its connection included.
    pub fn ttft_quantile(&self, share: f64, now: Moment) -> Option<u64> {
        self.streams.pace.quantile(share, now)
    }

    /// The average time to first token in nanoseconds, as it has faded until `now`; `None` when
    /// nothing is known. It fades so that a target that was slow is tried again.
    pub fn average_ns(&self, now: Moment) -> Option<f64> {
        unpack_average(self.average.load(Relaxed), now).map(|(average, decay)| average * decay)
    }
}

fn stamp(now: Moment) -> u64 {
    (now.0 / NS_PER_MS) & 0xffff_ffff
}

/// The average in nanoseconds, and how much of it is left at `now`.
fn unpack_average(word: u64, now: Moment) -> Option<(f64, f64)> {
    if word == 0 {
        return None;
    }
    // Stamps wrap after 49 days. One that seems to lie ahead (shards read the clock at different
    // moments) is taken as now.
    let age_ms = (stamp(now) as u32).wrapping_sub(word as u32);
    let age_ms = if age_ms > u32::MAX / 2 { 0 } else { age_ms };
    let decay = (-(f64::from(age_ms) * NS_PER_MS as f64) / AVERAGE_TAU_NS as f64).exp();
    Some(((word >> 32) as f64 * NS_PER_US as f64, decay))
}

const _: () = {
    assert!(size_of::<TargetRow>() == 1_728);
    assert!(size_of::<ProviderRow>() == 128);
    assert!(size_of::<TenantRow>() == 64);
};

#[cfg(test)]
mod tests;
