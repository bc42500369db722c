//! Requests that come whether or not the ones before were answered, through one chain.

use super::{
    Course,
    dice::Dice,
    incidents::Kind,
    policy,
    world::{Fate, World},
};
use engine::{
    Board, Exchange, Moment, Prepared,
    decide::{self, Ask, Wants},
    exchange::{Attempt, Next, Surrender},
    judge::{self, ErrorFields, Transport},
    moment::NS_PER_MS,
};
use hdrhistogram::Histogram;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

/// Requests in flight at once; more than a day of silence at the highest rate would need more memory than
/// there is, so that the rest is not begun and counts as not answered.
const LIVES_MAX: usize = 1 << 20;
const KINDS: usize = 5;

/// What came of a month through one chain.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    /// Providers, in the order of the chain.
    pub(super) chain: Vec<usize>,
    pub(super) requests: u64,
    /// With a first token in time.
    pub(super) answered: u64,
    /// Of those, not by the first attempt.
    pub(super) rescued: u64,
    /// Requests of which at least one provider of the chain would have answered a single attempt.
    pub(super) possible: u64,
    pub(super) attempts: u64,
    /// At a provider that answered nobody then.
    pub(super) in_vain: u64,
    /// Requests that came while the first provider of the chain answered nobody.
    pub(super) while_down: u64,
    pub(super) probes: u64,
    /// In spite of an open breaker, since nobody else was left.
    pub(super) forced: u64,
    pub(super) waits: u64,
    /// The codes of errors.
    pub(super) errors: BTreeMap<&'static str, u64>,
    /// Not answered, by how the first provider was ill; the last of those that found it well.
    pub(super) lost: [u64; KINDS + 1],
    /// From the request to the first token, in microseconds.
    pub(super) first_token_us: Histogram<u64>,
}

/// What runs.
struct Life {
    exchange: Exchange,
    request: u64,
    /// How often each provider was asked.
    asked: Vec<u64>,
    running: Option<(Attempt, Stage)>,
}

/// What an attempt waits for.
#[derive(Clone, Copy)]
enum Stage {
    FirstToken { rest_ms: f64 },
    Rest,
    Failure(judge::Verdict),
}

struct Crowd<'w> {
    world: &'w World<'w>,
    prepared: Prepared,
    board: Board,
    course: Course,
    lives: Vec<Option<Life>>,
    free: Vec<usize>,
    due: BinaryHeap<Reverse<(Moment, usize)>>,
    luck: Dice,
    tally: Tally,
}

/// Plays the month, or a part of it, through a chain over these providers.
pub(super) fn play(world: &World<'_>, chain: &[usize], course: &Course) -> Tally {
    let prepared = Prepared::build(policy::snapshot(world.month, chain, course.deadline_ms));
    let board = Board::new(prepared.targets.slots(), prepared.providers.slots(), chain.len());
    let tally = Tally {
        chain: chain.to_vec(),
        requests: 0,
        answered: 0,
        rescued: 0,
        possible: 0,
        attempts: 0,
        in_vain: 0,
        while_down: 0,
        probes: 0,
        forced: 0,
        waits: 0,
        errors: BTreeMap::new(),
        lost: [0; KINDS + 1],
        first_token_us: Histogram::new_with_max(3_600_000_000, 3).expect("the bounds are sound"),
    };
    let (luck, lives, free, due) = (Dice::of(&[course.seed, 1 << 40]), Vec::new(), Vec::new(), BinaryHeap::new());
    let mut crowd = Crowd { world, prepared, board, course: *course, lives, free, due, luck, tally };
    crowd.run();
    crowd.tally
}

fn ms_of(at: Moment) -> u64 {
    at.0 / NS_PER_MS
}

fn after(now: Moment, ms: f64) -> Moment {
    now.plus_ns((ms.max(0.0) * NS_PER_MS as f64) as u64)
}

impl Crowd<'_> {
    fn run(&mut self) {
        // The same moments for every chain.
        let mut arrivals = Dice::of(&[self.course.seed, 2 << 40]);
        let end = Moment::START.plus_ms(self.course.to_s * 1_000);
        let mut next = Moment::START.plus_ms(self.course.from_s * 1_000);
        let gap_ms = 1_000.0 / self.course.rate;
        next = after(next, arrivals.exponential(gap_ms));
        loop {
            let due = self.due.peek().map(|Reverse((when, _))| *when);
            if next < end && due.is_none_or(|due| next <= due) {
                self.arrive(next);
                next = after(next, arrivals.exponential(gap_ms));
            } else if let Some(Reverse((now, at))) = self.due.pop() {
                self.turn(at, now);
            } else {
                break;
            }
        }
        self.check();
    }

    fn arrive(&mut self, now: Moment) {
        let request = self.tally.requests;
        self.tally.requests += 1;
        let chain = &self.tally.chain;
        let answers = |&provider: &usize| match self.world.fate(provider, request, 0, ms_of(now)) {
            Fate::Answers { first_token_ms, .. } => first_token_ms <= self.course.deadline_ms as f64,
            _ => false,
        };
        self.tally.possible += u64::from(chain.iter().any(answers));
        self.tally.while_down += u64::from(self.world.ill(chain[0], ms_of(now)).is_some_and(Kind::is_down));
        if self.lives.len() - self.free.len() >= LIVES_MAX {
            *self.tally.errors.entry("not_begun").or_default() += 1;
            self.lose(now);
            return;
        }
        let ask = Ask {
            tenant: None,
            model: policy::MODEL,
            field: &|_| None,
            chain: None,
            deadline_ms: None,
            stream: true,
            wants: Wants::default(),
            started: now,
        };
        let exchange = decide::decide(&self.prepared, &ask, &self.board, now).expect("the chain has this name");
        let life = Life { exchange, request, asked: vec![0; chain.len()], running: None };
        let at = match self.free.pop() {
            Some(at) => at,
            None => {
                self.lives.push(None);
                self.lives.len() - 1
            }
        };
        self.go_on(at, life, now);
    }

    fn turn(&mut self, at: usize, now: Moment) {
        let mut life = self.lives[at].take().expect("who is due is there");
        let (prepared, board) = (&self.prepared, &self.board);
        match life.running.take() {
            None => {}
            Some((attempt, Stage::Failure(verdict))) => life.exchange.concluded(board, prepared, attempt.index, verdict, now),
            Some((attempt, Stage::FirstToken { rest_ms })) => {
                life.exchange.first_token(prepared, board, attempt.index, now);
                life.exchange.commit();
                self.tally.answered += 1;
                self.tally.rescued += u64::from(attempt.index > 0);
                let us = u64::from(now.us_since(life.exchange.started()));
                self.tally.first_token_us.saturating_record(us);
                life.running = Some((attempt, Stage::Rest));
                self.lives[at] = Some(life);
                return self.wake(at, after(now, rest_ms));
            }
            Some((attempt, Stage::Rest)) => {
                life.exchange.succeeded(board, prepared, attempt.index, None, now);
                return self.leave(at, &life);
            }
        }
        self.go_on(at, life, now);
    }

    /// Asks the exchange what is next, and does it.
    fn go_on(&mut self, at: usize, mut life: Life, now: Moment) {
        let luck = &mut self.luck;
        match life.exchange.next(&self.prepared, &self.board, now, &mut || luck.roll()) {
            Next::Attempt(attempt) => {
                let (stage, when) = self.attempt(&mut life, &attempt, now);
                life.running = Some((attempt, stage));
                self.lives[at] = Some(life);
                self.wake(at, when);
            }
            // Nobody has told it that its prompt may be made to fit, and it is said once.
            Next::Summarise(_) => self.go_on(at, life, now),
            Next::Wait(until) => {
                self.tally.waits += 1;
                self.lives[at] = Some(life);
                self.wake(at, until);
            }
            Next::Surrender(surrender) => {
                let code = match surrender {
                    Surrender::Own(own) => own.code,
                    Surrender::Relay { .. } => "relayed",
                    Surrender::Cut => "stream_cut",
                };
                *self.tally.errors.entry(code).or_default() += 1;
                self.lose(life.exchange.started());
                life.exchange.abandoned(&self.board, &self.prepared, now);
                self.leave(at, &life);
            }
        }
    }

    /// What the attempt comes to, and when: who is waited for longer than the policy says is given up.
    fn attempt(&mut self, life: &mut Life, attempt: &Attempt, now: Moment) -> (Stage, Moment) {
        let place = attempt.target.0 as usize;
        let provider = self.tally.chain[place];
        let fate = self.world.fate(provider, life.request, life.asked[place], ms_of(now));
        life.asked[place] += 1;
        life.exchange.sent(attempt.index, now);
        let trail = &life.exchange.trail()[attempt.index];
        self.tally.attempts += 1;
        self.tally.probes += u64::from(trail.probe);
        self.tally.forced += u64::from(trail.forced);
        self.tally.in_vain += u64::from(self.world.ill(provider, ms_of(now)).is_some_and(Kind::is_down));
        let late = if attempt.first_token_by >= attempt.deadline { Transport::Deadline } else { Transport::HeadTimeout };
        let (stage, when) = match fate {
            Fate::Answers { first_token_ms, rest_ms } => (Stage::FirstToken { rest_ms }, after(now, first_token_ms)),
            Fate::Silence => (Stage::Failure(judge::transport(late)), attempt.first_token_by),
            Fate::Refused { after_ms } => (Stage::Failure(judge::transport(Transport::ConnectRefused)), after(now, after_ms)),
            Fate::Status { status, retry_after_ms, after_ms } => {
                let family = self.prepared.family(attempt.provider);
                let verdict = judge::answer(family, status, &ErrorFields::default(), retry_after_ms, None);
                (Stage::Failure(verdict), after(now, after_ms))
            }
        };
        if when > attempt.first_token_by { (Stage::Failure(judge::transport(late)), attempt.first_token_by) } else { (stage, when) }
    }

    fn wake(&mut self, at: usize, when: Moment) {
        self.due.push(Reverse((when, at)));
    }

    /// Counts a request that was not answered, by how the first of the chain was when it came.
    fn lose(&mut self, came: Moment) {
        let ill = self.world.ill(self.tally.chain[0], ms_of(came));
        self.tally.lost[ill.map_or(KINDS, |kind| kind as usize)] += 1;
    }

    fn leave(&mut self, at: usize, life: &Life) {
        debug_assert!(life.running.is_none());
        self.free.push(at);
    }

    /// Whatever was begun has come to an end, once, and nothing is held any more.
    fn check(&self) {
        let tally = &self.tally;
        let lost: u64 = tally.errors.values().sum();
        assert_eq!(tally.requests, tally.answered + lost, "each request is answered or told why not");
        assert_eq!(lost, tally.lost.iter().sum::<u64>());
        let ended: u64 = self.prepared.targets.iter().map(|(id, _)| self.board.target(id).totals().0).sum();
        assert_eq!(ended, tally.attempts, "each attempt ends once");
        assert!(self.prepared.targets.iter().all(|(id, _)| self.board.target(id).in_flight() == 0));
        assert!(self.prepared.providers.iter().all(|(id, _)| self.board.in_flight(id) == 0));
    }
}

impl Tally {
    /// Users who were answered in time, of all.
    pub(super) fn availability(&self) -> f64 {
        share(self.answered, self.requests)
    }
}

/// A part of a whole; all of nothing.
pub(super) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}
