use super::*;
use crate::roll::Roll;
use std::{cmp::Reverse, collections::BinaryHeap};

fn at(ms: u64) -> Moment {
    Moment::START.plus_ms(ms)
}

#[test]
fn who_never_refuses_has_no_limit() {
    let limit = Limit::default();
    for ms in 0..1_000 {
        limit.answered(500, || 500, at(ms));
        assert_eq!(limit.most(at(ms)), None);
    }
}

#[test]
fn it_shrinks_once_for_all_that_began_before() {
    let limit = Limit::default();
    assert!(limit.refused(100, at(0), Sign::Said, at(1_000)));
    assert_eq!(limit.most(at(1_000)), Some(90));
    assert!(!limit.refused(100, at(999), Sign::Said, at(1_100)), "it began before");
    assert!(!limit.refused(100, at(1_000), Sign::Said, at(1_100)));
    assert!(limit.refused(91, at(1_001), Sign::Said, at(1_100)));
    assert_eq!(limit.most(at(1_100)), Some(81));
}

#[test]
fn a_few_are_never_held_back() {
    let limit = Limit::default();
    assert!(!limit.refused(LEAST, at(0), Sign::Said, at(1_000)));
    for n in 1..50 {
        limit.refused(LEAST + 1, at(n * 1_000), Sign::Said, at(n * 1_000 + 1));
        assert!(limit.most(at(n * 1_000 + 1)).expect("it has refused") >= LEAST);
    }
}

#[test]
fn a_lull_is_no_proof_of_little_room() {
    let limit = Limit::default();
    limit.refused(1_000, at(0), Sign::Said, at(1));
    limit.refused(20, at(2), Sign::Said, at(3));
    assert_eq!(limit.most(at(3)), Some(405), "half of the 900 that it had, less a tenth");
}

#[test]
fn answers_let_it_grow_to_where_it_refused_and_later_beyond() {
    let limit = Limit::default();
    limit.refused(101, at(0), Sign::Said, at(1));
    let of = |now| limit.most(now).expect("it has refused");
    (0..45).for_each(|_| limit.answered(90, || 4_096, at(2)));
    assert!((98..=100).contains(&of(at(2))), "twice its square root for a round: {}", of(at(2)));
    (0..1_000).for_each(|_| limit.answered(100, || 4_096, at(3)));
    assert_eq!(of(at(3)), 100);
    // What is not used is not too little.
    (0..1_000).for_each(|_| limit.answered(40, || 4_096, at(15_100)));
    assert_eq!(of(at(15_001)), 100);
    // Without a refusal it doubles in as long again, whether or not anything comes back.
    assert_eq!(of(at(30_001)), 200);
    assert_eq!(of(at(90_001)), 600);
    limit.answered(150, || 600, at(90_001));
    assert_eq!(limit.most(at(90_001)), None, "it allows what the provider does");
}

#[test]
fn a_clock_that_stands_still_or_ends_does_no_harm() {
    let limit = Limit::default();
    limit.refused(u32::MAX, at(0), Sign::Said, at(1));
    assert!(limit.most(Moment::NEVER).is_some());
    limit.answered(u32::MAX, || u32::MAX, Moment::NEVER);
    limit.refused(u32::MAX, Moment::NEVER, Sign::Said, Moment::NEVER);
    assert!(limit.most(Moment::START).is_some());
}

#[test]
fn the_drawing_is_the_machine() {
    assert_eq!(crate::machine::drawn(include_str!("../limit.rs")), State::drawing());
}

/// Whatever happens in whatever order: a limit moves as it is drawn, and by every line of the drawing.
#[test]
fn it_moves_as_it_is_drawn() {
    let mut taken = std::collections::HashSet::new();
    for seed in 0..2_000_u64 {
        let (limit, mut roll) = (Limit::default(), Roll(seed));
        let (mut now, mut state) = (at(1), State::Free);
        let mut moved = |from: State, by: Event, to: State| {
            assert_eq!(from.after(by), Some(to), "seed {seed}: {from:?} by {by:?}");
            taken.insert((from, by, to));
        };
        for _ in 0..40 {
            now = now.plus_ns(roll.below(HOLD_NS / 2));
            let waited = limit.state(now);
            if waited != state {
                moved(state, Event::Quiet, waited);
            }
            let (in_flight, begun) = (1 + roll.below(60) as u32, Moment(now.0.saturating_sub(roll.below(HOLD_NS))));
            let most = limit.most(now);
            let by = match roll.below(4) {
                0 | 3 => limit.refused(in_flight, begun, Sign::Said, now).then_some(Event::Refused),
                1 => {
                    limit.queued(in_flight, now);
                    most.is_none_or(|most| most > in_flight.max(LEAST)).then_some(Event::Queued)
                }
                _ => {
                    limit.answered(in_flight, || 40, now);
                    most.is_some_and(|most| most >= 40).then_some(Event::Reached)
                }
            };
            state = limit.state(now);
            match by {
                Some(by) => moved(waited, by, state),
                None => assert_eq!(state, waited, "seed {seed}: nothing has happened"),
            }
        }
    }
    assert_eq!(taken.len(), State::MOVES.len(), "{taken:?}");
}

/// What a provider does with more than it can take.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Excess {
    /// Says so, within 50 ms.
    Refuses,
    /// The same, and the gateway leaves it alone for a second, as after every rate limit.
    Pauses,
    /// Keeps them waiting, up to the gateway's patience.
    Queues,
}

/// What runs there, and when it ends.
struct Running {
    begun: Moment,
    end: Moment,
    answered: bool,
}

/// A provider that works on `capacity` attempts at once, and a gateway with as much to ask as it may.
struct Play {
    limit: Limit,
    fixed: Option<u32>,
    excess: Excess,
    capacity: u32,
    /// What it works on, and what waits there.
    working: u32,
    waiting: std::collections::VecDeque<u64>,
    running: std::collections::HashMap<u64, Running>,
    /// What happens when: to which attempt.
    due: BinaryHeap<Reverse<(Moment, u64)>>,
    now: Moment,
    number: u64,
    seed: u64,
    answers: Vec<Moment>,
    refusals: Vec<Moment>,
    paused: Moment,
}

const PATIENCE_MS: u64 = 10_000;
const MAX: u32 = 4_096;

impl Play {
    fn new(excess: Excess, capacity: u32, fixed: Option<u32>, seed: u64) -> Play {
        Play {
            limit: Limit::default(),
            fixed,
            excess,
            capacity,
            working: 0,
            waiting: Default::default(),
            running: Default::default(),
            due: BinaryHeap::new(),
            now: at(1),
            number: 0,
            seed,
            answers: Vec::new(),
            refusals: Vec::new(),
            paused: Moment::START,
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % bound
    }

    fn work(&mut self, number: u64) {
        self.working += 1;
        let end = self.now.plus_ms(1_000 + self.below(2_000));
        let running = self.running.get_mut(&number).expect("it was begun");
        (running.answered, running.end) = (true, end);
        self.due.push(Reverse((end, number)));
    }

    fn begin(&mut self) {
        self.number += 1;
        let number = self.number;
        self.running.insert(number, Running { begun: self.now, end: Moment::START, answered: false });
        if self.working < self.capacity {
            self.work(number);
        } else {
            let ms = if self.excess == Excess::Queues { PATIENCE_MS } else { 50 };
            if self.excess == Excess::Queues {
                self.waiting.push_back(number);
            }
            self.due.push(Reverse((self.now.plus_ms(ms), number)));
        }
    }

    /// An attempt ends; one that was worked on since it waited has another end.
    fn end(&mut self, number: u64) {
        let in_flight = self.running.len() as u32;
        let Some(running) = self.running.get(&number) else { return };
        if self.now < running.end {
            return;
        }
        let Running { begun, answered, .. } = self.running.remove(&number).expect("it was just looked at");
        if answered {
            self.answers.push(self.now);
            self.limit.answered(in_flight, || MAX, self.now);
            self.working -= 1;
        } else {
            self.waiting.retain(|other| *other != number);
            let sign = if self.excess == Excess::Queues { Sign::Late } else { Sign::Said };
            self.limit.refused(in_flight, begun, sign, self.now);
            self.refusals.push(self.now);
            if self.excess == Excess::Pauses {
                self.paused = self.now.plus_ms(1_000);
            }
        }
        while self.working < self.capacity {
            let Some(next) = self.waiting.pop_front() else { break };
            self.work(next);
        }
    }

    /// Plays until then; every 5 ms one attempt is begun where there is room.
    fn until(&mut self, end: Moment) {
        while self.now < end {
            while let Some(Reverse((when, number))) = self.due.peek().copied().filter(|Reverse((when, _))| *when <= self.now) {
                debug_assert!(when <= self.now);
                self.due.pop();
                self.end(number);
            }
            let most = self.fixed.or_else(|| self.limit.most(self.now)).unwrap_or(MAX).min(MAX);
            if (self.running.len() as u32) < most && self.paused <= self.now {
                self.begin();
            }
            self.now = self.now.plus_ms(5);
        }
    }
}

/// How many of them in the last minute.
fn late(moments: &[Moment]) -> usize {
    moments.iter().filter(|when| at(90_000) <= **when && **when < at(150_000)).count()
}

/// The capacity steps from one to another; after thirty seconds as much must come back as with the best
/// limit that never changes, less a twentieth, and far fewer may be refused than without one.
#[test]
fn it_finds_what_a_provider_can_take() {
    for excess in [Excess::Refuses, Excess::Pauses, Excess::Queues] {
        for (before, after) in [(200, 60), (60, 200), (150, 20), (20, 150), (100, 100)] {
            for seed in 1..3 {
                let run = |fixed: Option<u32>| {
                    let mut play = Play::new(excess, before, None, seed);
                    play.until(at(60_000));
                    play.fixed = fixed;
                    play.capacity = after;
                    play.until(at(150_000));
                    (late(&play.answers), late(&play.refusals))
                };
                let ((found, refused), (best, none)) = (run(None), run(Some(after)));
                let (unlimited, many) = run(Some(MAX));
                let story = format!(
                    "{excess:?}, {before} to {after}, seed {seed}: {found} of {best}, {refused} refused; {unlimited} and {many} without a limit"
                );
                println!("{story}");
                assert!(found * 100 >= best * 95, "{story}");
                // Who waits in vain says so late, so that the limit has long grown too far by then.
                let part = if excess == Excess::Queues { 2 } else { 10 };
                assert!(none == 0 && refused * part <= many, "{story}");
            }
        }
    }
}

#[test]
fn what_a_queue_says_is_soft_and_never_more_than_what_is_known() {
    let limit = Limit::default();
    limit.queued(50, at(1));
    assert!(limit.is_soft());
    assert_eq!(limit.most(at(1)), Some(50));
    limit.queued(80, at(2));
    assert_eq!(limit.most(at(2)), Some(50), "fewer are known to be too many");
    // It is held for as long as a refusal, and begins anew with every queue that is seen.
    assert_eq!(limit.most(at(15_001)), Some(50));
    limit.queued(3, at(10_000));
    assert_eq!((limit.most(at(10_000)), limit.most(at(25_000))), (Some(LEAST), Some(LEAST)), "a few always pass");
    limit.refused(40, at(10_001), Sign::Said, at(10_002));
    assert!(!limit.is_soft(), "a provider's own word is none");
    limit.reset();
    assert_eq!(limit.most(at(10_003)), None);
    assert!(limit.refused(40, at(1), Sign::Said, at(10_004)), "nothing was refused before");
}

#[test]
fn refused_together_are_too_many_together() {
    let limit = Limit::default();
    assert!(limit.refused(100, at(0), Sign::Said, at(1)));
    // Thirty more of them are refused: seventy were not.
    (0..30).for_each(|n| assert!(!limit.refused(99 - n, at(0), Sign::Said, at(2))));
    (0..10_000).for_each(|_| limit.answered(70, || 4_096, at(3)));
    assert_eq!(limit.most(at(3)), Some(69));
    // Who was late tells nothing of how many were in its way.
    assert!(!limit.refused(60, at(0), Sign::Late, at(4)));
    assert_eq!(limit.most(at(4)), Some(69));
}
