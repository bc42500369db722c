use super::*;
use crate::{board::TargetRow, limit::Sign, pace::Size, waiting::Slot};
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
};

/// Whoever waits for longer is given up, in milliseconds.
const PATIENCE_MS: u64 = 10_000;
/// An answer that begins later is of little use, in milliseconds.
const USEFUL_MS: u64 = 5_000;

/// Who says how many may be in flight.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rule {
    /// Nobody but those that were given up.
    Late,
    /// These, and a queue that is seen.
    Queue,
    /// Never more than so many.
    Fixed(u32),
}

/// What changes, and when: places, attempts in a second, and how many times as long everything takes.
#[derive(Clone, Copy, Debug)]
struct Act {
    from_ms: u64,
    places: usize,
    rate: u64,
    slowness: u64,
}

struct Running {
    begun: Moment,
    slot: Option<Slot>,
    works: bool,
}

/// A provider that works on so many attempts at once and keeps all others waiting, in order; and other targets
/// for what is not sent there.
struct Play {
    rule: Rule,
    act: Act,
    row: TargetRow,
    now: Moment,
    seed: u64,
    running: HashMap<u64, Running>,
    waiting: VecDeque<u64>,
    working: usize,
    due: BinaryHeap<Reverse<(Moment, u64, Event)>>,
    number: u64,
    /// Answers that began in time, later ones, those given up, and attempts that went elsewhere.
    score: [u64; 4],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrive,
    Token,
    End,
    GiveUp,
    Look,
}

impl Play {
    fn new(rule: Rule, act: Act, seed: u64) -> Play {
        let now = Moment::START.plus_ms(1_000);
        let due = [Reverse((now, 0, Event::Arrive)), Reverse((now, 0, Event::Look))].into();
        let (running, waiting) = (HashMap::new(), VecDeque::new());
        Play { rule, act, row: TargetRow::default(), now, seed, running, waiting, working: 0, due, number: 0, score: [0; 4] }
    }

    /// Evenly within half as much and half as much again.
    fn around(&mut self, ns: u64) -> u64 {
        ns / 2 + self.below(ns)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 16) % bound
    }

    fn after(&mut self, ns: u64, number: u64, event: Event) {
        self.due.push(Reverse((self.now.plus_ns(ns), number, event)));
    }

    fn arrive(&mut self) {
        // Poisson: exponential gaps.
        let even = (self.below(1 << 40) + 1) as f64 / (1_u64 << 40) as f64;
        let gap_ns = (-even.ln() * 1e9 / self.act.rate as f64) as u64;
        self.after(gap_ns, 0, Event::Arrive);
        let most = match self.rule {
            Rule::Fixed(most) => Some(most),
            _ => self.row.limit.most(self.now),
        };
        if most.is_some_and(|most| self.row.in_flight() >= most) {
            self.score[3] += 1;
            return;
        }
        self.number += 1;
        let slot = self.row.begin(true, self.now);
        self.running.insert(self.number, Running { begun: self.now, slot, works: false });
        self.waiting.push_back(self.number);
        self.after(PATIENCE_MS * NS_PER_MS, self.number, Event::GiveUp);
        self.work();
    }

    fn work(&mut self) {
        while self.working < self.act.places {
            let Some(number) = self.waiting.pop_front() else { return };
            let Some(running) = self.running.get_mut(&number) else { continue };
            running.works = true;
            self.working += 1;
            let token_ns = self.around(300 * NS_PER_MS) * self.act.slowness;
            let end_ns = token_ns + self.around(700 * NS_PER_MS) * self.act.slowness;
            self.after(token_ns, number, Event::Token);
            self.after(end_ns, number, Event::End);
        }
    }

    fn token(&mut self, number: u64) {
        let running = self.running.get_mut(&number).expect("it works");
        let (took, slot) = (self.now.since(running.begun), running.slot.take());
        self.score[usize::from(took > USEFUL_MS * NS_PER_MS)] += 1;
        self.row.observe(took, self.now);
        self.row.answered(true, Size::default(), slot, took, self.now);
    }

    fn end(&mut self, number: u64) {
        let running = self.running.remove(&number).expect("it ends once");
        self.row.limit.answered(self.row.in_flight(), || 4_096, self.now);
        self.row.end(true, running.slot);
        self.working -= 1;
        self.work();
    }

    fn give_up(&mut self, number: u64) {
        if self.running.get(&number).is_none_or(|running| running.works) {
            return;
        }
        let running = self.running.remove(&number).expect("it was just looked at");
        self.row.end(true, running.slot);
        self.score[2] += 1;
        self.row.observe(crate::board::FAILURE_NS, self.now);
        if !matches!(self.rule, Rule::Fixed(_)) {
            self.row.limit.refused(self.row.in_flight() + 1, running.begun, Sign::Late, self.now);
        }
    }

    fn look(&mut self) {
        self.after(250 * NS_PER_MS, 0, Event::Look);
        self.row.overdue(30_000 * NS_PER_MS, 60_000 * NS_PER_MS, true, self.now);
        let queues = self.row.queues(self.now);
        if let Some(enough) = queues.filter(|_| self.rule == Rule::Queue) {
            self.row.limit.queued(enough, self.now);
        }
    }

    fn until(&mut self, end_ms: u64) {
        let end = Moment::START.plus_ms(end_ms);
        while let Some(Reverse((when, number, event))) = self.due.pop() {
            if when >= end {
                self.due.push(Reverse((when, number, event)));
                return;
            }
            self.now = when;
            match event {
                Event::Arrive => self.arrive(),
                Event::Token => self.token(number),
                Event::End => self.end(number),
                Event::GiveUp => self.give_up(number),
                Event::Look => self.look(),
            }
        }
    }
}

/// What comes of these acts, from half a minute after the last began until `end_ms`.
fn play(rule: Rule, acts: &[Act], end_ms: u64, seed: u64) -> [u64; 4] {
    let mut play = Play::new(Rule::Queue, acts[0], seed);
    play.rule = rule;
    for act in acts {
        play.until(act.from_ms);
        play.act = *act;
        play.work();
    }
    let last = acts.last().map_or(0, |act| act.from_ms);
    play.until(last + 30_000);
    play.score = [0; 4];
    play.until(end_ms);
    play.score
}

fn act(from_ms: u64, places: usize, rate: u64, slowness: u64) -> Act {
    Act { from_ms, places, rate, slowness }
}

#[test]
fn what_a_target_can_do_is_done_in_time() {
    let steps: [&[Act]; 7] = [
        &[act(0, 100, 50, 1)],
        &[act(0, 100, 90, 1)],
        &[act(0, 100, 50, 1), act(60_000, 100, 150, 1)],
        &[act(0, 100, 50, 1), act(60_000, 100, 115, 1)],
        &[act(0, 200, 150, 1), act(60_000, 60, 150, 1)],
        &[act(0, 60, 50, 1), act(60_000, 60, 150, 1), act(120_000, 200, 150, 1)],
        &[act(0, 50, 40, 1), act(60_000, 20, 40, 1)],
    ];
    let mut wrong = Vec::new();
    for acts in steps {
        for seed in 1..3 {
            let end_ms = acts.last().map_or(0, |act| act.from_ms) + 180_000;
            let places = acts.last().map_or(0, |act| act.places as u32);
            let fixed = [9, 10, 12, 15, 20].map(|tenths| play(Rule::Fixed(places * tenths / 10), acts, end_ms, seed)[0]);
            let best = fixed.into_iter().max().unwrap_or(0);
            let (late, queue) = (play(Rule::Late, acts, end_ms, seed), play(Rule::Queue, acts, end_ms, seed));
            let story =
                format!("{acts:?}, seed {seed}: {queue:?} in time, late, given up, elsewhere; the best fixed {best}; without {late:?}");
            if queue[0] * 100 < best * 95 || queue[2] * 5 > late[2] {
                wrong.push(story);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn who_is_slow_for_reasons_of_their_own_is_not_held_back() {
    for (rate, slowness) in [(20, 3), (60, 3), (60, 6), (300, 3), (300, 5)] {
        for seed in 1..4 {
            let acts = [act(0, 4_000, rate, 1), act(60_000, 4_000, rate, slowness), act(660_000, 4_000, rate, 1)];
            let mut play = Play::new(Rule::Queue, acts[0], seed);
            for next in acts {
                play.until(next.from_ms);
                play.act = next;
            }
            play.until(720_000);
            assert_eq!(play.score[3], 0, "{rate}/s, {slowness} times as slow, seed {seed}");
        }
    }
}

#[test]
fn more_to_do_is_no_queue() {
    for seed in 1..6 {
        let mut play = Play::new(Rule::Queue, act(0, 4_000, 20, 3), seed);
        for minute in 0..40 {
            play.act.rate = 20 + minute * 20;
            play.until(minute * 5_000);
        }
        assert_eq!(play.score[3], 0, "seed {seed}");
    }
}

#[test]
fn a_queue_needs_all_of_its_signs() {
    let queue = Queue::default();
    let at = |ms| Moment::START.plus_ms(ms);
    let look =
        |waiting, ends| Look { waiting, in_flight: waiting, ends, lately_ns: 900 * NS_PER_MS, usual_ns: 300 * NS_PER_MS, limited: false };
    assert_eq!(queue.look(&look(100, 0), at(1_000)), None);
    assert!(queue.is_suspected());
    for (ms, waiting, ends) in [(2_200, 150, 160), (3_900, 200, 370), (4_800, 230, 470)] {
        assert_eq!(queue.look(&look(waiting, ends), at(ms)), None, "too early");
    }
    assert_eq!(queue.look(&look(260, 640), at(6_100)), Some(110), "the third span in a row");
    let usual = Look { lately_ns: 800 * NS_PER_MS, ..look(400, 400) };
    assert_eq!(queue.look(&usual, at(8_000)), None);
    assert!(!queue.is_suspected());
    // As many more come out as go in.
    let told: Vec<_> =
        (0..12_u64).map(|n| queue.look(&look(100 + 60 * n as u32, 1_000 * n + 100 * n * n), at(10_000 + n * 1_000))).collect();
    assert!(told.iter().all(Option::is_none), "{told:?}");
}
