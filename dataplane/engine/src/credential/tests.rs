use super::*;
use crate::moment::NS_PER_MS;
use crate::roll::Roll;
use policy::KeyId;
use std::collections::BTreeSet;

/// Histories that are played, and how many things happen in each.
const SEEDS: u64 = 400;
const EVENTS: usize = 60;

#[test]
fn the_drawing_is_the_machine() {
    assert_eq!(crate::machine::drawn(include_str!("../credential.rs")), State::drawing());
}

/// One credential that things are told of, and every move that was seen.
struct History {
    credential: Credential,
    key: Key,
    now: Moment,
    state: State,
    seen: BTreeSet<(u8, u8, u8)>,
}

impl History {
    fn look(&self) -> Look {
        Look { target: TargetId(1), charge: 100, now: self.now }
    }

    /// What has happened is a move of the machine.
    fn moved(&mut self, by: Event) {
        let next = self.credential.state(&self.key, self.look());
        let told = self.state.after(by);
        assert_eq!(told, Some(next), "{:?} became {next:?} by {by:?}", self.state);
        self.seen.insert((self.state as u8, by as u8, next as u8));
        self.state = next;
    }

    /// Time has passed, or something was given back: it has come down some steps, or none.
    fn lapsed(&mut self) {
        let next = self.credential.state(&self.key, self.look());
        while self.state != next {
            let below = self.state.after(Event::Lapse);
            let below = below.unwrap_or_else(|| panic!("{:?} became {next:?} by itself", self.state));
            self.seen.insert((self.state as u8, Event::Lapse as u8, below as u8));
            self.state = below;
        }
    }

    fn happens(&mut self, roll: &mut Roll) {
        let until = self.now.plus_ms(1 + roll.below(4_000));
        match roll.below(12) {
            0 => {
                self.credential.spare(until, self.now);
                self.moved(Event::Spare);
            }
            1 => {
                self.credential.pause(until, Class::RateLimit);
                self.moved(Event::Pause);
            }
            2 => {
                self.credential.deny(TargetId(1), until, Class::Permission);
                self.moved(Event::Deny);
            }
            3 => {
                self.credential.pause(until, if roll.below(2) == 0 { Class::Auth } else { Class::QuotaExhausted });
                self.moved(Event::Refuse);
            }
            4 => {
                // An attempt that runs used more than was thought.
                self.credential.quota.reset();
                self.credential.quota.settle(&self.key, 0, self.key.tokens_per_minute, self.now);
                self.moved(Event::Exhaust);
            }
            5 => {
                let before = self.state;
                self.credential.restore();
                if before == State::Usable {
                    self.lapsed();
                } else {
                    self.moved(Event::Restore);
                }
            }
            6 | 7 => self.asked(),
            _ => {
                self.now = self.now.plus_ms(roll.below(2_500));
                self.lapsed();
            }
        }
    }

    /// It is asked when the machine says so, and never else.
    fn asked(&mut self) {
        let may = self.state.after(Event::Ask).is_some();
        assert_eq!(self.credential.ask(&self.key, self.look()), may, "{:?}", self.state);
        assert_eq!(may, matches!(self.state, State::Usable | State::Spent));
        if may && self.credential.state(&self.key, self.look()) == State::Limited {
            self.moved(Event::Exhaust);
        } else if may {
            self.moved(Event::Ask);
        }
    }
}

/// Over any history each change is a move of the machine, and each move of the machine happens.
#[test]
fn every_change_is_a_move_and_every_move_happens() {
    let mut seen = BTreeSet::new();
    for seed in 0..SEEDS {
        let mut roll = Roll(seed);
        let now = Moment(3_600_000 * NS_PER_MS);
        let key = Key { requests_per_minute: 600, tokens_per_minute: 60_000, ..Key::new(KeyId(0), 1) };
        // A limit that is used up in a moment, and earned again in some.
        let key = Key { tokens_per_minute: if roll.below(2) == 0 { 1_000 } else { key.tokens_per_minute }, ..key };
        let mut history = History { credential: Credential::default(), key, now, state: State::Usable, seen: std::mem::take(&mut seen) };
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (0..EVENTS).for_each(|_| history.happens(&mut roll))));
        if let Err(broken) = told {
            eprintln!("the seed is {seed}");
            std::panic::resume_unwind(broken);
        }
        seen = history.seen;
    }
    let moves: BTreeSet<(u8, u8, u8)> = State::MOVES.iter().map(|(from, by, to)| (*from as u8, *by as u8, *to as u8)).collect();
    let missing: Vec<_> = State::MOVES.iter().filter(|(from, by, to)| !seen.contains(&(*from as u8, *by as u8, *to as u8))).collect();
    assert!(seen == moves, "never seen: {missing:?}");
}

#[test]
fn what_was_said_of_one_target_is_not_said_of_another() {
    let (credential, key) = (Credential::default(), Key::new(KeyId(0), 1));
    let look = |target| Look { target: TargetId(target), charge: 0, now: Moment(5) };
    credential.deny(TargetId(1), Moment(9), Class::Permission);
    assert_eq!((credential.state(&key, look(1)), credential.state(&key, look(2))), (State::Denied, State::Usable));
    assert!(!credential.ask(&key, look(1)) && credential.ask(&key, look(2)));
}
