//! Whole outages in virtual time: random policies, random providers, many exchanges at once on one
//! board, every promise checked at every step. A failure names its seed.

use super::{tests::World, *};
use crate::{
    account::{Measures, Outcome, Record},
    decide,
    judge::{self, Transport},
    moment::NS_PER_MS,
};
use plan::{Dice, Fate, draft, fate};
use policy::id::Id;
use std::{cmp::Reverse, collections::BinaryHeap};

mod plan;

/// Outages that a run plays; `ENGINE_SEEDS` asks for more.
const SEEDS: u64 = 4_000;
const EXCHANGES: usize = 24;

/// Says which seed it was when a promise breaks.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the seed is {}", self.0);
        }
    }
}

/// What one exchange is up to.
struct Life {
    exchange: Option<Exchange>,
    /// What runs: mostly one, and when it ends. Two after a second attempt.
    attempts: Vec<(Attempt, Fate, Moment)>,
    /// When a second one is due.
    hedge_at: Option<Moment>,
    /// It waits until then.
    not_before: Moment,
    /// A caller's own error has been seen; nothing may follow it.
    refused: bool,
    asked: u32,
    hangs_up: bool,
    outcome: Option<Outcome>,
}

/// Pauses as the providers asked for them, kept apart from the board.
#[derive(Default)]
struct Promises {
    targets: Vec<(TargetId, Moment)>,
    keys: Vec<(KeyId, Moment)>,
    /// By provider: attempts that were the first of an exchange there, and those that were not.
    asked: Vec<(u64, u64)>,
    begun: Moment,
    /// Second attempts.
    hedges: u64,
    /// Probes that run, and when they lapse.
    probes: Vec<(TargetId, usize, Moment)>,
}

struct Simulation {
    world: World,
    dice: Dice,
    ill: Vec<u64>,
    lives: Vec<Life>,
    promises: Promises,
    due: BinaryHeap<Reverse<(Moment, u64, usize)>>,
    order: u64,
    records: usize,
}

impl Simulation {
    fn new(seed: u64) -> Simulation {
        let mut dice = Dice(seed);
        let world = World::new(draft(&mut dice));
        let ill = (0..world.prepared.targets.slots()).map(|_| dice.among(&[0, 20, 60, 100])).collect();
        for (id, _) in world.prepared.targets.iter() {
            // Half of them are known, so that attempts can be overdue.
            let usual = dice.among(&[1, 400, 3_000]) * NS_PER_MS;
            let known = if dice.chance(50) { 50 } else { 0 };
            (0..known).for_each(|_| world.board.target(id).answered(true, Size::default(), None, usual, world.now));
            (0..known).for_each(|_| world.board.target(id).answered(false, Size::default(), None, usual, world.now));
        }
        let asked = vec![(0, 0); world.prepared.providers.slots()];
        let promises = Promises { asked, begun: world.now, ..Promises::default() };
        let mut simulation = Simulation { world, dice, ill, lives: vec![], promises, due: BinaryHeap::new(), order: 0, records: 0 };
        for at in 0..EXCHANGES {
            let start = simulation.world.now.plus_ms(simulation.dice.below(20_000));
            let hangs_up = simulation.dice.chance(10);
            simulation.lives.push(Life {
                exchange: None,
                attempts: vec![],
                hedge_at: None,
                not_before: Moment::START,
                refused: false,
                asked: 0,
                hangs_up,
                outcome: None,
            });
            simulation.wake(at, start);
        }
        simulation
    }

    fn wake(&mut self, at: usize, when: Moment) {
        self.order += 1;
        self.due.push(Reverse((when, self.order, at)));
    }

    fn run(mut self) -> (usize, u64) {
        while let Some(Reverse((when, _, at))) = self.due.pop() {
            assert!(when >= self.world.now, "virtual time runs forward");
            self.world.now = when;
            self.turn(at);
        }
        for (id, _) in self.world.prepared.targets.iter() {
            assert_eq!(self.world.board.target(id).in_flight(), 0);
            assert_eq!(self.world.board.target(id).waiting(), 0);
        }
        for (id, _) in self.world.prepared.providers.iter() {
            assert_eq!(self.world.board.in_flight(id), 0);
        }
        assert!(self.lives.iter().all(|life| life.outcome.is_some()));
        let share = self.world.prepared.chains[ChainId(0)].hedge.map_or(0, |hedge| u64::from(hedge.share_permille));
        assert!(self.promises.hedges * 1_000 <= share * EXCHANGES as u64, "{} second attempts", self.promises.hedges);
        (self.records, self.promises.hedges)
    }

    fn turn(&mut self, at: usize) {
        let now = self.world.now;
        if self.lives[at].outcome.is_some() {
            return;
        }
        let mut life = std::mem::replace(
            &mut self.lives[at],
            Life {
                exchange: None,
                attempts: vec![],
                hedge_at: None,
                not_before: Moment::START,
                refused: false,
                asked: 0,
                hangs_up: false,
                outcome: None,
            },
        );
        let mut exchange = life.exchange.take().unwrap_or_else(|| self.begin());
        life.asked += 1;
        assert!(life.asked < 200, "an exchange ends");
        if life.hangs_up && self.dice.chance(30) {
            exchange.abandoned(&self.world.board, &self.world.prepared, now);
            self.promises.probes.retain(|(_, owner, _)| *owner != at);
            life.attempts.clear();
            life.outcome = Some(Outcome::HungUp);
        } else if life.hedge_at.is_some_and(|due| due <= now) && life.attempts.len() == 1 {
            life.hedge_at = None;
            self.hedge(at, &mut life, &mut exchange);
        } else if let Some(ended) = life.attempts.iter().position(|(_, _, end)| *end <= now) {
            let (attempt, fate, _) = life.attempts.remove(ended);
            self.finish(at, &mut life, &mut exchange, attempt, fate);
        } else if life.attempts.is_empty() && now >= life.not_before {
            self.proceed(at, &mut life, &mut exchange);
        }
        if let Some(outcome) = life.outcome {
            let record = Record::of(&exchange, at as u64, outcome, Measures::default(), now);
            assert_eq!(record.validate(), Ok(()), "{record:?}");
            self.records += 1;
        }
        life.exchange = Some(exchange);
        self.lives[at] = life;
    }

    fn begin(&mut self) -> Exchange {
        let deadline_ms = self.dice.chance(20).then(|| self.dice.among(&[0, 10, 5_000]));
        let stream = self.dice.chance(50);
        let within_ms = if self.dice.chance(20) { self.dice.among(&[1, 700, 8_000, u64::MAX]) } else { 0 };
        let ask = decide::Ask {
            tenant: None,
            model: "c",
            field: &|_| None,
            chain: None,
            deadline_ms,
            stream,
            wants: decide::Wants { within_ms, ..decide::Wants::default() },
            started: self.world.now,
        };
        let mut exchange = decide::decide(&self.world.prepared, &ask, &self.world.board, self.world.now).expect("the chain has its name");
        if self.dice.chance(50) {
            exchange.asks_at_once(self.world.now);
        }
        exchange
    }

    fn proceed(&mut self, at: usize, life: &mut Life, exchange: &mut Exchange) {
        let now = self.world.now;
        let before: Vec<bool> = self.world.prepared.targets.iter().map(|(id, _)| self.refuses(id)).collect();
        let eligible = self.eligible(exchange, false);
        let spared = self.eligible(exchange, true);
        let silent = self.silent(exchange);
        let next = exchange.next(&self.world.prepared, &self.world.board, now, &mut || self.dice.roll());
        // A breaker that has just heard of attempts that are overdue refuses from now on.
        let left = |targets: Vec<TargetId>| -> Vec<TargetId> { targets.into_iter().filter(|id| !self.is_open(*id)).collect() };
        let (eligible, spared) = (left(eligible), left(spared));
        match next {
            Next::Attempt(attempt) => {
                assert!(!life.refused, "a caller's own error is asked once");
                self.check_attempt(at, exchange, attempt, &before, &eligible);
                self.check_spared(exchange, attempt, &eligible, &silent);
                self.check_further(exchange, attempt);
                self.run_attempt(at, life, attempt);
                life.hedge_at = exchange.hedge_at(&self.world.prepared, &self.world.board, now);
                if let Some(due) = life.hedge_at {
                    assert!(due < exchange.commit_by() && exchange.attempts_made() < exchange.attempts_max());
                    self.wake(at, due.max(now));
                }
            }
            Next::Wait(until) => {
                assert!(until > now && until < exchange.commit_by(), "a wait is ahead and before the deadline");
                assert!(eligible.is_empty() && spared.is_empty(), "nobody waits while a target is left to ask");
                life.not_before = until;
                self.wake(at, until);
            }
            Next::Summarise(summing) => panic!("no prompt is made to fit here, and {summing:?}"),
            Next::Surrender(surrender) => {
                let more = exchange.attempts_made() < exchange.attempts_max() && now < exchange.commit_by() && !exchange.over;
                let left = !eligible.is_empty() || !spared.is_empty();
                assert!(!(more && exchange.state() != State::Cut && left), "nobody gives up while a target is left to ask");
                assert_eq!(life.refused, matches!(surrender, Surrender::Relay { .. }) && exchange.over);
                life.outcome = Some(match surrender {
                    Surrender::Relay { .. } => Outcome::Relayed,
                    Surrender::Cut => Outcome::Cut,
                    Surrender::Own(own) => {
                        assert!((429..=504).contains(&own.status));
                        assert!(own.retry_after_ms.is_none_or(|ms| own.should_retry && ms > 0));
                        assert!(!own.message.is_empty());
                        Outcome::OwnError { code: own.code }
                    }
                });
            }
        }
    }

    /// Lets an attempt take its time, and come out as it will.
    fn run_attempt(&mut self, at: usize, life: &mut Life, attempt: Attempt) {
        let now = self.world.now;
        let fate = fate(&mut self.dice, self.ill[attempt.target.index()]);
        let took_ns = self.dice.among(&[0, 1, 40, 3_000, 20_000]) * NS_PER_MS;
        // Who takes too long is timed out by who moves the bytes.
        let end = now.plus_ns(took_ns);
        let (end, fate) = if end >= attempt.deadline {
            (attempt.deadline, Fate::Fails(judge::transport(Transport::Deadline)))
        } else if end > attempt.first_token_by {
            (attempt.first_token_by, Fate::Fails(judge::transport(Transport::FirstTokenTimeout)))
        } else {
            (end, fate)
        };
        life.attempts.push((attempt, fate, end));
        self.wake(at, end);
    }

    /// A second attempt beside one that is slow, if there is to be one.
    fn hedge(&mut self, at: usize, life: &mut Life, exchange: &mut Exchange) {
        let now = self.world.now;
        let (first, _, _) = life.attempts[0];
        let refused: Vec<bool> = self.world.prepared.targets.iter().map(|(id, _)| self.refuses(id)).collect();
        let (prepared, board) = (&self.world.prepared, &self.world.board);
        let Some(attempt) = exchange.hedge(prepared, board, now, &mut || self.dice.roll()) else { return };
        assert!(!refused[attempt.target.index()] && !attempt.fresh && !exchange.trail()[attempt.index].forced);
        assert!(now < exchange.commit_by() && exchange.attempts_made() <= exchange.attempts_max());
        let provider = &self.world.prepared.providers[attempt.provider];
        assert!(self.world.board.in_flight(attempt.provider) <= provider.in_flight_max);
        // Another target where there is one, and within what the provider may be asked again.
        assert_eq!(exchange.trail().iter().filter(|trail| trail.hedge).count(), 1);
        assert!(first.index < attempt.index);
        self.check_further(exchange, attempt);
        self.promises.hedges += 1;
        self.promises.probes.retain(|(_, _, lapses)| now < *lapses);
        if attempt.probe {
            assert!(self.promises.probes.iter().all(|(target, _, _)| *target != attempt.target), "two probes at once");
            let rules = self.world.prepared.breaker(exchange.chain(), attempt.target);
            let lapses = now.plus_ms(rules.cooldown_max_ms.max(crate::breaker::PROBE_MS_MIN));
            self.promises.probes.push((attempt.target, at, Moment(lapses.0 / NS_PER_US * NS_PER_US)));
        }
        self.run_attempt(at, life, attempt);
    }

    /// True when the breaker of a target refuses, looked at from outside.
    fn refuses(&self, id: TargetId) -> bool {
        matches!(self.world.board.target(id).breaker.peek(self.world.now), crate::breaker::Peek::Refuses { .. })
    }

    /// True when the breaker of a target is open and its time is not up.
    fn is_open(&self, id: TargetId) -> bool {
        self.world.board.target(id).breaker.state().0 == crate::breaker::State::Open && self.refuses(id)
    }

    /// The targets that were not asked and can be, looked at from outside: those of which something
    /// remains, or those that are only spared.
    fn eligible(&self, exchange: &Exchange, spared: bool) -> Vec<TargetId> {
        let (prepared, board, now) = (&self.world.prepared, &self.world.board, self.world.now);
        let can = |id: &TargetId| {
            let target = &prepared.targets[*id];
            let provider = &prepared.providers[target.provider];
            target.disabled.is_none()
                && prepared.model_for(*id, "c").is_some()
                && board.target(*id).paused(now).is_none()
                && (provider.keys.is_empty() || provider.keys.iter().any(|key| board.key_refused(key.id, *id, now).is_none()))
                && self.is_spent(*id) == spared
                && board.in_flight(target.provider) < provider.in_flight_max
                && (!self.is_further(exchange, target.provider) || board.retries(target.provider).has_one(&provider.retries, now))
                && !self.refuses(*id)
        };
        let mut targets: Vec<TargetId> = exchange
            .candidates()
            .iter()
            .filter(|candidate| candidate.failures() == 0)
            .map(|candidate| candidate.target)
            .filter(can)
            .collect();
        targets.sort();
        targets.dedup();
        targets
    }

    /// True when an exchange has asked a provider before.
    fn is_further(&self, exchange: &Exchange, provider: ProviderId) -> bool {
        let there = |trail: &&Trail| self.world.prepared.targets[exchange.target_of(trail)].provider == provider;
        exchange.trail().iter().any(|trail| there(&trail) && trail.end != End::Stale)
    }

    /// Further attempts are bounded by the first ones, the time, and the reserve.
    fn check_further(&mut self, exchange: &Exchange, attempt: Attempt) {
        let earlier = &exchange.trail()[..attempt.index];
        let there = |trail: &&Trail| self.world.prepared.targets[exchange.target_of(trail)].provider == attempt.provider;
        let further = earlier.iter().any(|trail| there(&trail) && trail.end != End::Stale);
        let (first, more) = &mut self.promises.asked[attempt.provider.index()];
        *more += u64::from(further);
        *first += u64::from(!further && !attempt.fresh);
        let policy = self.world.prepared.providers[attempt.provider].retries;
        let since_ms = self.world.now.since(self.promises.begun) / NS_PER_MS;
        let bound = *first * u64::from(policy.share_permille) + (since_ms + 10_000 + 1) * u64::from(policy.per_second);
        assert!(*more * 1_000 <= bound, "{more} further attempts at {:?}, and {first} first ones", attempt.provider);
    }

    /// True when nothing remains of what a target could be asked with.
    fn is_spent(&self, id: TargetId) -> bool {
        let (prepared, board, now) = (&self.world.prepared, &self.world.board, self.world.now);
        let keys = &prepared.providers[prepared.targets[id].provider].keys;
        let of_keys = || keys.iter().all(|key| board.key_refused(key.id, id, now).is_some() || board.key_spent(key.id, now).is_some());
        board.target(id).spent(now).is_some() || (!keys.is_empty() && of_keys())
    }

    /// The targets that say nothing at the moment, looked at from outside.
    fn silent(&self, exchange: &Exchange) -> Vec<TargetId> {
        let (board, now) = (&self.world.board, self.world.now);
        let passes = |id: &TargetId| board.target(*id).breaker.peek(now) == crate::breaker::Peek::Passes;
        let is_silent = |id: &TargetId| board.target(*id).is_silent(exchange.is_stream(), now) && passes(id);
        exchange.candidates().iter().map(|candidate| candidate.target).filter(is_silent).collect()
    }

    /// Who is spared is asked only when nobody else can be. Who is `silent` was so before this attempt began.
    fn check_spared(&mut self, exchange: &Exchange, attempt: Attempt, eligible: &[TargetId], silent: &[TargetId]) {
        let (prepared, board, now) = (&self.world.prepared, &self.world.board, self.world.now);
        let keys = &prepared.providers[attempt.provider].keys;
        let is_slow = |id: TargetId| {
            board.target(id).slower_than(exchange.commit_by().since(now), exchange.is_stream(), Size::default(), now).is_some()
        };
        let is_degraded = |id: TargetId| board.target(id).degraded(now).is_some();
        let is_silent = |id: TargetId| silent.contains(&id) && board.target(id).is_silent(exchange.is_stream(), now);
        let spared = |id: TargetId| self.is_spent(id) || is_slow(id) || is_degraded(id) || silent.contains(&id);
        let eligible: Vec<TargetId> = eligible.iter().copied().filter(|id| !spared(*id)).collect();
        let others = |other: &Trail| exchange.target_of(other) != attempt.target;
        if is_silent(attempt.target) && exchange.trail()[..attempt.index].iter().all(others) {
            assert!(eligible.is_empty() || attempt.fresh, "a silent target was asked while {eligible:?} were left");
        }
        if is_slow(attempt.target) && exchange.trail()[..attempt.index].iter().all(|other| exchange.target_of(other) != attempt.target) {
            assert!(eligible.is_empty() || attempt.fresh, "a slow target was asked while {eligible:?} were left");
        }
        if is_degraded(attempt.target) && exchange.trail()[..attempt.index].iter().all(|other| exchange.target_of(other) != attempt.target)
        {
            assert!(eligible.is_empty() || attempt.fresh, "an unwell target was asked while {eligible:?} were left");
        }
        if self.is_spent(attempt.target) {
            assert!(eligible.is_empty() || attempt.fresh, "a target that is spared was asked while {eligible:?} were left");
        } else if let Some(key) = attempt.key {
            assert!(board.key_spent(key, now).is_none() && keys.iter().any(|other| other.id == key), "{:?}", exchange.trail());
        }
    }

    fn check_attempt(&mut self, at: usize, exchange: &Exchange, attempt: Attempt, refused: &[bool], eligible: &[TargetId]) {
        let now = self.world.now;
        let trail = exchange.trail();
        let this = trail[attempt.index];
        assert!(now < attempt.deadline && attempt.connect_by <= attempt.deadline && attempt.first_token_by <= exchange.commit_by());
        assert!(exchange.attempts_made() <= exchange.attempts_max());
        let provider = &self.world.prepared.providers[attempt.provider];
        assert!(self.world.board.in_flight(attempt.provider) <= provider.in_flight_max);
        assert_eq!(attempt.key.is_none(), provider.keys.is_empty());
        // Breakers.
        if refused[attempt.target.index()] || self.is_open(attempt.target) {
            let others = trail[..attempt.index].iter().all(|earlier| earlier.forced);
            assert!(this.forced && others && eligible.is_empty(), "an open breaker is passed only when nothing else is left");
        } else {
            assert!(!this.forced);
        }
        self.promises.probes.retain(|(_, _, lapses)| now < *lapses);
        if attempt.probe {
            assert!(self.promises.probes.iter().all(|(target, _, _)| *target != attempt.target), "two probes at once");
            let rules = self.world.prepared.breaker(exchange.chain(), attempt.target);
            let lapses = now.plus_ms(rules.cooldown_max_ms.max(crate::breaker::PROBE_MS_MIN));
            // Its word counts in whole microseconds.
            self.promises.probes.push((attempt.target, at, Moment(lapses.0 / NS_PER_US * NS_PER_US)));
        }
        // Retry-After.
        assert!(self.promises.targets.iter().all(|(target, until)| *target != attempt.target || now >= *until), "asked before its time");
        assert!(self.promises.keys.iter().all(|(key, until)| Some(*key) != attempt.key || now >= *until), "used before its time");
        // Every target can be asked before any is asked again.
        let earlier = &trail[..attempt.index];
        let same = |other: &Trail| exchange.target_of(other) == attempt.target && other.end != End::Stale;
        if earlier.iter().any(same) {
            let left = usize::from(exchange.attempts_max() - exchange.attempts_made());
            assert!(
                left >= eligible.len(),
                "a retry took the chance of a target that was not asked: {left} left, {eligible:?}, {attempt:?}"
            );
            // Of two that ran beside each other, either may have been the last to fail.
            let mut before = earlier.iter().rev().filter(|other| same(other)).take_while(|other| other.hedge || other.key() != attempt.key);
            let other_key = before.any(|other| other.key() != attempt.key);
            assert!(eligible.is_empty() || other_key || attempt.fresh, "asked again with the same credential while others were left");
        }
        // A fresh connection is asked for right after a stale one, at the same target, or when the one beside
        // that has failed too.
        let beside = earlier.last().is_some_and(|last| last.hedge);
        let stale = earlier.iter().rev().take(1 + usize::from(beside)).find(|last| last.end == End::Stale);
        assert!(!attempt.fresh || stale.is_some_and(|stale| exchange.target_of(stale) == attempt.target));
    }

    fn finish(&mut self, at: usize, life: &mut Life, exchange: &mut Exchange, attempt: Attempt, fate: Fate) {
        let now = self.world.now;
        let (board, prepared) = (&self.world.board, &self.world.prepared);
        self.promises.probes.retain(|(target, owner, _)| *owner != at || *target != attempt.target);
        if self.dice.chance(15) {
            let ms = self.dice.among(&[0, 1, 900, 30_000, u64::MAX]);
            attempt.spent(board, prepared, ms, now);
        }
        if !matches!(fate, Fate::Fails(_))
            && let Some((other, _, _)) = life.attempts.pop()
        {
            exchange.outrun(board, prepared, other.index, now);
            self.promises.probes.retain(|(_, owner, _)| *owner != at);
        }
        if self.dice.chance(10) {
            let reason = self.dice.among(policy::Degradation::ALL);
            board.target(attempt.target).degrade(now.plus_ms(2_000), reason);
        }
        let verdict = match fate {
            Fate::Well => {
                if exchange.trail()[attempt.index].forced {
                    // It has healed the breaker, so whoever probed is an attempt like any other.
                    self.promises.probes.retain(|(target, _, _)| *target != attempt.target);
                }
                if self.dice.chance(50) {
                    exchange.first_token(prepared, board, attempt.index, now);
                    exchange.commit();
                }
                exchange.succeeded(board, prepared, attempt.index, Some(now.since(exchange.started())), now);
                life.outcome = Some(Outcome::Answered);
                return;
            }
            Fate::Cut => {
                exchange.commit();
                judge::transport(Transport::CutStream)
            }
            Fate::Fails(verdict) => verdict,
        };
        exchange.concluded(board, prepared, attempt.index, verdict, now);
        life.refused = !verdict.move_on;
        if exchange.is_lost()
            && let Some((other, _, _)) = life.attempts.pop()
        {
            exchange.outrun(board, prepared, other.index, now);
            self.promises.probes.retain(|(_, owner, _)| *owner != at);
        }
        if let (Class::RateLimit, Some(ms)) = (verdict.class, verdict.retry_after_ms) {
            let until = now.plus_ms(ms.min(limits::PAUSE_MS_MAX));
            match attempt.key {
                Some(key) if prepared.providers[attempt.provider].keys.len() > 1 => self.promises.keys.push((key, until)),
                _ => self.promises.targets.push((attempt.target, until)),
            }
        }
        if life.attempts.is_empty() {
            self.wake(at, now);
        }
    }
}

impl Exchange {
    fn target_of(&self, trail: &Trail) -> TargetId {
        self.candidates()[usize::from(trail.candidate)].target
    }
}

#[test]
fn every_promise_holds_in_every_outage() {
    let seeds = std::env::var("ENGINE_SEEDS").map_or(SEEDS, |text| text.parse().expect("ENGINE_SEEDS is a number"));
    let (mut records, mut hedges) = (0, 0);
    for seed in 0..seeds {
        let named = Seed(seed);
        let (more, beside) = Simulation::new(seed).run();
        records += more;
        hedges += beside;
        drop(named);
    }
    assert!(hedges * 20 > seeds, "{hedges} second attempts in {seeds} seeds");
    assert_eq!(records, seeds as usize * EXCHANGES);
}
