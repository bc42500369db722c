//! The breaker of one target: closed passes, open refuses, probing lets exactly one through.
//!
//! ```mermaid
//! stateDiagram-v2
//!     [*] --> Closed
//!     Closed --> Open: Trip
//!     Open --> Probing: Elect
//!     Open --> Closed: Heal
//!     Probing --> Probing: Elect
//!     Probing --> Closed: Heal
//!     Probing --> Open: Relapse
//!     Probing --> Open: Release
//! ```
//!
//! Shards share a [`Seat`]. Its state, the moment until which that state holds and the number of
//! failed probes are one word, so that every move is one compare-and-swap: whoever wins made the
//! move, whoever loses looks again. The word of an election is the probe's [`Ticket`], so that only
//! the elected attempt can end it, and one that comes back after its time cannot disturb its
//! successor. A probe that never reports is replaced when its time is up.
//!
//! Counters are statistics: they are relaxed, may lose a sample where two half-windows meet, and
//! decide nothing by themselves. A rate limit (429) is neutral: a target that says "later" works.

use crate::{
    backoff,
    machine::machine,
    moment::{Moment, NS_PER_MS, NS_PER_US},
    waiting::Overdue,
};
use policy::Breaker;
use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};

mod window;

use window::{Part, Window};

machine! {
    /// What a breaker does with attempts.
    states State {
        /// Lets every attempt pass.
        Closed,
        /// Refuses every attempt.
        Open,
        /// Refuses every attempt but the one that was elected.
        Probing,
    }
    /// What moves a breaker.
    events Event {
        /// Too many failures.
        Trip,
        /// The time is up, and one attempt won the election.
        Elect,
        /// An attempt that was let through in spite of the state came back well.
        Heal,
        /// The probe failed.
        Relapse,
        /// The probe came back with nothing learned.
        Release,
    }
    moves {
        Closed: Trip => Open;
        Open: Elect => Probing;
        Open: Heal => Closed;
        Probing: Elect => Probing;
        Probing: Heal => Closed;
        Probing: Relapse => Open;
        Probing: Release => Open;
    }
}

/// Why a breaker opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cause {
    /// So many failures in a row.
    Consecutive,
    /// Such a share of the attempts failed.
    Rate,
    /// The same, and the last of them was an answer of no use, which counts half.
    Useless,
    /// Attempts in flight have waited too long, with the failures before them if there were any.
    Overdue,
    /// Such a share of the answers were slow.
    Slow,
    /// Its probe failed.
    Probe,
}

impl Cause {
    /// Every cause.
    pub const ALL: &'static [Cause] = &[Cause::Consecutive, Cause::Rate, Cause::Useless, Cause::Overdue, Cause::Slow, Cause::Probe];

    /// The word that events and `status` use.
    pub const fn word(self) -> &'static str {
        match self {
            Cause::Consecutive => "consecutive",
            Cause::Rate => "failure_rate",
            Cause::Useless => "useless_answers",
            Cause::Overdue => "overdue",
            Cause::Slow => "slow",
            Cause::Probe => "probe_failed",
        }
    }
}

/// Shortest time that a probe is given to report before another is elected.
pub const PROBE_MS_MIN: u64 = 1_000;
/// All of a target's share of the load …
pub const WARMTH_FULL: u32 = 1_000;
/// … and the least that it is given when its breaker has just closed.
pub const WARMTH_MIN: u32 = 100;
/// Jitter of the time open, in thousandths of it, either way.
pub const JITTER_PERMILLE: u64 = 200;

/// What the breaker says to an attempt. Whoever was not refused reports with the same value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The breaker is closed.
    Pass,
    /// This attempt is the one probe.
    Probe(Ticket),
    /// Not a word of the breaker: the attempt was made although it refuses, since nothing else
    /// was left. A good end heals, a bad one teaches nothing new.
    Forced,
    /// The breaker refuses.
    Refused {
        /// When it is worth to ask again.
        until: Moment,
    },
}

/// Proves that an attempt was elected to probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

/// The live state of one breaker, shared by all shards.
#[derive(Debug, Default)]
pub struct Seat {
    /// See [`Word`]. All zeros is closed.
    word: AtomicU64,
    /// When it opened last, in nanoseconds; what the panic rule compares.
    opened: AtomicU64,
    /// When it closed last, in nanoseconds; 0 for one that never opened.
    closed: AtomicU64,
    /// Attempts that ended, and those of them that failed.
    window: Window,
    /// Answers whose time was taken, and those of them that were slow.
    answers: Window,
    /// Failures in a row.
    consecutive: AtomicU32,
}

/// `until in microseconds (53 bits) | cause (3 bits) | failed probes (6 bits) | state (2 bits)`. The cause is in the
/// same word, so that who sees an open breaker sees why.
#[derive(Clone, Copy)]
struct Word(u64);

impl Word {
    const CLOSED: Word = Word(0);

    fn new(state: State, relapses: u8, until: Moment, cause: Cause) -> Word {
        let us = (until.0 / NS_PER_US).min((1 << 53) - 1);
        Word(us << 11 | (cause as u64) << 8 | u64::from(relapses.min(63)) << 2 | state as u64)
    }

    fn state(self) -> State {
        match self.0 & 3 {
            0 => State::Closed,
            1 => State::Open,
            _ => State::Probing,
        }
    }

    fn relapses(self) -> u8 {
        (self.0 >> 2 & 63) as u8
    }

    fn until(self) -> Moment {
        Moment((self.0 >> 11).saturating_mul(NS_PER_US))
    }

    /// Why it opened; of a closed one, nothing.
    fn cause(self) -> Cause {
        Cause::ALL.get((self.0 >> 8 & 7) as usize).copied().unwrap_or(Cause::Rate)
    }

    /// The state after `event`, which the caller knows to be legal.
    fn moved(self, event: Event) -> State {
        self.state().after(event).expect("the breaker only makes moves that its machine declares")
    }
}

impl Seat {
    /// What [`allow`] would say, without an election.
    pub fn peek(&self, now: Moment) -> Peek {
        // Acquire pairs with the release of the swap that made this state: who sees an open
        // breaker also sees when it opened.
        let word = Word(self.word.load(Acquire));
        match word.state() {
            State::Closed => Peek::Passes,
            _ if now < word.until() => Peek::Refuses { until: word.until() },
            _ => Peek::Elects,
        }
    }

    /// The state, and the moment until which it holds (zero when closed).
    pub fn state(&self) -> (State, Moment) {
        let word = Word(self.word.load(Acquire));
        (word.state(), word.until())
    }

    /// Why it opened, while it is not closed.
    pub fn cause(&self) -> Option<Cause> {
        let word = Word(self.word.load(Acquire));
        (word.state() != State::Closed).then(|| word.cause())
    }

    /// When it opened last.
    pub fn opened(&self) -> Moment {
        Moment(self.opened.load(Relaxed))
    }

    /// True when it has opened and closed again, however long ago.
    pub fn came_back(&self) -> bool {
        self.closed.load(Relaxed) != 0
    }

    /// How much of its share of the load a target is given, in thousandths: all of it, but for the
    /// time after its breaker has closed, when it grows from [`WARMTH_MIN`] on. Who has just come back
    /// has cold caches and few instances, and what all of the load at once would do is open it again.
    pub fn warmth(&self, slow_start_ms: u64, now: Moment) -> u32 {
        let closed = self.closed.load(Relaxed);
        let (since, whole) = (now.since(Moment(closed)), slow_start_ms.saturating_mul(NS_PER_MS));
        if closed == 0 || since >= whole {
            return WARMTH_FULL;
        }
        let grown = (u128::from(since) * u128::from(WARMTH_FULL) / u128::from(whole)) as u32;
        grown.max(WARMTH_MIN)
    }

    /// How many probes have failed since it opened.
    pub fn relapses(&self) -> u8 {
        Word(self.word.load(Acquire)).relapses()
    }

    /// Closes it and forgets every count.
    pub fn reset(&self) {
        self.closed.store(0, Relaxed);
        self.clear();
        self.word.store(Word::CLOSED.0, std::sync::atomic::Ordering::Release);
    }

    fn clear(&self) {
        self.consecutive.store(0, Relaxed);
        self.window.clear();
        self.answers.clear();
    }

    /// Moves from exactly `seen`; false when somebody else was faster.
    fn swap(&self, seen: Word, next: Word) -> bool {
        self.word.compare_exchange(seen.0, next.0, AcqRel, Acquire).is_ok()
    }

    /// Whether so many failures in a row, or those of the window and `late` more, are too many, and which of
    /// the two.
    fn trips(&self, policy: &Breaker, consecutive: u32, late: u64, now: Moment) -> Option<Cause> {
        if policy.consecutive > 0 && consecutive >= policy.consecutive {
            return Some(Cause::Consecutive);
        }
        let (attempts, halves) = self.window.sum(policy, now);
        let (attempts, halves) = (attempts + late, halves + 2 * late);
        let trips = attempts >= u64::from(policy.requests_min.max(1)) && halves * 1_000 > u64::from(policy.failure_permille) * attempts * 2;
        trips.then_some(Cause::Rate)
    }

    /// Opens it from closed, unless another was faster.
    fn trip(&self, policy: &Breaker, cause: Cause, now: Moment, random: u64) -> bool {
        let until = now.plus_ns(open_ns(policy, 0, random));
        let opens = self.swap(Word::CLOSED, Word::new(Word::CLOSED.moved(Event::Trip), 0, until, cause));
        if opens {
            self.opened.store(now.0, Relaxed);
        }
        opens
    }
}

/// What a breaker would say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peek {
    /// It is closed.
    Passes,
    /// It would elect a probe.
    Elects,
    /// It refuses.
    Refuses {
        /// When it is worth to ask again.
        until: Moment,
    },
}

/// Asks for leave to make an attempt. When the time of an open breaker is up, exactly one caller
/// is elected to probe.
pub fn allow(seat: &Seat, policy: &Breaker, now: Moment) -> Admission {
    let word = Word(seat.word.load(Acquire));
    if word.state() == State::Closed {
        return Admission::Pass;
    }
    if now < word.until() {
        return Admission::Refused { until: word.until() };
    }
    let until = now.plus_ms(policy.cooldown_max_ms.max(PROBE_MS_MIN));
    let elected = Word::new(word.moved(Event::Elect), word.relapses(), until, word.cause());
    if seat.swap(word, elected) {
        return Admission::Probe(Ticket(elected.0));
    }
    // Lost: either somebody else probes now, or a forced attempt has healed it in between.
    match seat.peek(now) {
        Peek::Passes => Admission::Pass,
        Peek::Refuses { until } => Admission::Refused { until },
        Peek::Elects => Admission::Refused { until: now },
    }
}

/// The attempt came back well.
pub fn success(seat: &Seat, policy: &Breaker, admission: Admission, now: Moment) {
    match admission {
        Admission::Pass => {
            // A load first: the common case must not take the line away from the other shards.
            if seat.consecutive.load(Relaxed) != 0 {
                seat.consecutive.store(0, Relaxed);
            }
            seat.window.count(policy, now, Part::None);
        }
        Admission::Probe(Ticket(ticket)) => heal(seat, Word(ticket), now),
        Admission::Forced => heal(seat, Word(seat.word.load(Acquire)), now),
        Admission::Refused { .. } => debug_assert!(false, "a refused attempt was made"),
    }
}

fn heal(seat: &Seat, seen: Word, now: Moment) {
    if seen.state() == State::Closed {
        return;
    }
    debug_assert_eq!(seen.moved(Event::Heal), State::Closed);
    // Cleared before it closes, so that old failures cannot open it again.
    seat.clear();
    // When the swap fails the ticket has lapsed, and the successor decides.
    if seat.swap(seen, Word::CLOSED) {
        seat.closed.store(now.0, Relaxed);
    }
}

/// An answer took so long: of a stream, until its first token; else until its end. True when the
/// breaker opened because too many are slow. Who answers slowly answers, so nothing of it counts as
/// a failure.
pub fn timed(seat: &Seat, policy: &Breaker, ns: u64, now: Moment, random: u64) -> bool {
    if policy.slow_ms == 0 || Word(seat.word.load(Acquire)).state() != State::Closed {
        return false;
    }
    let is_slow = ns > policy.slow_ms.saturating_mul(NS_PER_MS);
    seat.answers.count(policy, now, if is_slow { Part::Whole } else { Part::None });
    let (answers, halves) = seat.answers.sum(policy, now);
    let trips = answers >= u64::from(policy.requests_min.max(1)) && halves * 1_000 >= u64::from(policy.slow_permille.max(1)) * answers * 2;
    is_slow && trips && seat.trip(policy, Cause::Slow, now, random)
}

/// The attempt failed in a way that counts. True when the breaker opened by it.
pub fn failure(seat: &Seat, policy: &Breaker, admission: Admission, now: Moment, random: u64) -> bool {
    match admission {
        Admission::Pass => {
            if Word(seat.word.load(Acquire)).state() != State::Closed {
                // Begun before it opened: what it tells is already known.
                return false;
            }
            let consecutive = seat.consecutive.fetch_add(1, Relaxed).saturating_add(1);
            seat.window.count(policy, now, Part::Whole);
            seat.trips(policy, consecutive, 0, now).is_some_and(|cause| seat.trip(policy, cause, now, random))
        }
        Admission::Probe(Ticket(ticket)) => {
            let seen = Word(ticket);
            let relapses = seen.relapses() + 1;
            let until = now.plus_ns(open_ns(policy, relapses, random));
            let opens = seat.swap(seen, Word::new(seen.moved(Event::Relapse), relapses, until, Cause::Probe));
            if opens {
                seat.opened.store(now.0, Relaxed);
            }
            opens
        }
        Admission::Forced => false,
        Admission::Refused { .. } => {
            debug_assert!(false, "a refused attempt was made");
            false
        }
    }
}

/// The attempt was answered, and the answer is of no use: half a failure in the share, and none in a
/// row, since models err at random. True when the breaker opened by it. A probe has learned
/// nothing and gives the election back.
pub fn half_failure(seat: &Seat, policy: &Breaker, admission: Admission, now: Moment, random: u64) -> bool {
    if admission != Admission::Pass {
        neutral(seat, admission, now);
        return false;
    }
    if Word(seat.word.load(Acquire)).state() != State::Closed {
        return false;
    }
    seat.window.count(policy, now, Part::Half);
    seat.trips(policy, 0, 0, now).is_some() && seat.trip(policy, Cause::Useless, now, random)
}

/// Attempts in flight have waited too long: they count as failures at this moment, and are written
/// down as such only when they end. True when the breaker opened by it. When they end at last,
/// they began before it opened, and change nothing any more.
pub fn overdue(seat: &Seat, policy: &Breaker, overdue: Overdue, now: Moment, random: u64) -> bool {
    if overdue.all == 0 || Word(seat.word.load(Acquire)).state() != State::Closed {
        return false;
    }
    // Without one of them in a row, the failures before are no news.
    let consecutive = if overdue.in_row > 0 { seat.consecutive.load(Relaxed).saturating_add(overdue.in_row) } else { 0 };
    seat.trips(policy, consecutive, u64::from(overdue.all), now).is_some() && seat.trip(policy, Cause::Overdue, now, random)
}

/// The attempt says nothing about the target: a rate limit, a fault of the tenant's, a hang-up. A
/// probe gives the election back, and the next attempt probes at once.
pub fn neutral(seat: &Seat, admission: Admission, now: Moment) {
    if let Admission::Probe(Ticket(ticket)) = admission {
        let seen = Word(ticket);
        seat.swap(seen, Word::new(seen.moved(Event::Release), seen.relapses(), now, seen.cause()));
    }
}

/// How long it stays open after so many failed probes, in nanoseconds: doubled by each, ±20 %, and
/// never above the policy's bound. Jitter that would pass the bound is mirrored at it, so that
/// breakers that opened together do not gather there.
fn open_ns(policy: &Breaker, relapses: u8, random: u64) -> u64 {
    let max = policy.cooldown_max_ms.saturating_mul(NS_PER_MS);
    let base = policy.cooldown_ms.saturating_mul(NS_PER_MS).saturating_mul(1 << relapses.min(62)).min(max);
    let swing = base / 1_000 * JITTER_PERMILLE;
    let drawn = (base - swing).saturating_add(backoff::scale(random, swing.saturating_mul(2)));
    if drawn > max { max - (drawn - max).min(max) } else { drawn }
}

#[cfg(test)]
mod tests;
